"""A step as a walk: forward layer by layer, the loss, backward layer by layer, the update; each move with its code."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress, groupby
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np

from handgrad.judge import Ball
from handgrad.trace.compute import Direction, Layer, Tensor, Trace, Update
from handgrad.trace.entry import Unfolding, there
from handgrad.trace.line import Index, Line
from handgrad.trace.text import options, outcome, vector, why_apart
from scratch import Module

ROOT = Path(__file__).parents[2]
DERIVATIVE = ("dL/", "∂", "f′", "δ")  # what a paragraph about a derivative speaks of
MOST_TERMS = 200  # of a sum that is shown without being asked for


@dataclass(frozen=True)
class Code:
    """A method that a move runs."""

    where: str  # its file, and the line it begins in
    text: str


@dataclass(frozen=True)
class Shown:
    """A tensor as a move shows it."""

    symbol: str  # its name in the move's formula
    tensor: Tensor | Ball  # a ball alone: what neither side keeps
    note: str = ""


@dataclass(frozen=True)
class Move:
    """What one layer, the loss or the optimizer does: what it takes, what it makes, and one number of it redone."""

    phase: str  # "Forward", "Loss", "Backward", "Update"
    layer: str | None  # None: the loss, or in the update all parameters
    title: str
    formula: str
    code: tuple[Code, ...]
    takes: tuple[Shown, ...]
    makes: tuple[Shown, ...]
    redone: tuple[Line, ...] = ()
    why: tuple[str, ...] = ()  # what cancelled, where the sides are far apart


def moves(trace: Trace) -> list[tuple[str, Move]]:
    """All moves with their labels, in the order in which the step makes them."""
    unfolding = Unfolding(trace)
    found = [
        *(_forward(trace, layer, unfolding) for layer in trace.layers),
        _loss(trace),
        _loss_backward(trace, unfolding),
        *(_backward(trace, layer, unfolding) for layer in reversed(trace.layers)),
        *(_directed(trace, trace.direction) if trace.direction is not None else ()),
        *_updates(trace, unfolding),
    ]
    labels = []
    for phase, some in groupby(found, lambda move: move.phase):
        titles = [move.title for move in some]
        of = [f" {k} of {len(titles)}" if len(titles) > 1 else "" for k in range(1, len(titles) + 1)]
        labels += [f"{phase}{k}: {title}" for k, title in zip(of, titles, strict=True)]
    return list(zip(labels, found, strict=True))


def _forward(trace: Trace, layer: Layer, unfolding: Unfolding) -> Move:
    x, y = Shown("x", there(layer, "x")), there(layer, "y")
    first = layer is trace.layers[0]
    own = [Shown(t.symbol, t) for t in layer.tensors if t.name and not t.symbol.startswith("dL/")]
    buffers = [Shown(t.symbol, t) for t in trace.buffers if _layer_of(t.name) == layer.name]
    return Move(
        "Forward",
        layer.name,
        _title(layer),
        layer.formula,
        code(layer.op, "forward"),
        () if first else (x,),
        (*((x,) if first else ()), *own, Shown("y", y), *buffers),
        _redone(unfolding.output, layer, largest(y)) if layer.kind == "Linear" else (),
        tuple(why_apart(trace, layer, y)),
    )


def _loss(trace: Trace) -> Move:
    y = Shown("y", there(trace.layers[-1], "y"))
    makes = (Shown("t", trace.target, "what is wanted"), Shown("L", trace.value))
    return Move("Loss", None, "how far y is from t", trace.loss, code(trace.loss_op, "forward"), (y,), makes)


def _loss_backward(trace: Trace, unfolding: Unfolding) -> Move:
    last = trace.layers[-1]
    delta = there(last, "dL/dy")
    return Move(
        "Backward",
        None,
        "the loss",
        trace.loss,
        code(trace.loss_op, "backward"),
        (Shown("y", there(last, "y")), Shown("t", trace.target)),
        (Shown("dL/dy", delta, f"δ of {_title(last)}"),),
        _redone(unfolding.delta, last, largest(delta), 1) if _after(trace, last) == (None,) else (),
        tuple(why_apart(trace, last, delta)),
    )


def _backward(trace: Trace, layer: Layer, unfolding: Unfolding) -> Move:
    slope, downstream = layer.tensor("dy/dx"), layer.tensor("dL/dx")
    gradients = [t for t in layer.tensors if t.name and t.symbol.startswith("dL/")]
    makes = [Shown(t.symbol, t) for t in (slope, *gradients) if t is not None]
    before = [other for other in trace.layers if _after(trace, other) == (layer.name,)]
    why = [line for t in gradients for line in why_apart(trace, layer, t)]
    redone: tuple[Line, ...] = ()
    if layer.kind == "Linear" and gradients:
        weight = gradients[0]
        redone += _redone(unfolding.gradient, layer, weight, largest(weight), 1)
    if downstream is not None:
        note = "".join(f"δ of {_title(other)}" for other in before[:1])
        makes.append(Shown("dL/dx", downstream, note))
    for other in before[:1]:
        delta = there(other, "dL/dy")
        why += why_apart(trace, other, delta)
        if layer.kind == "Linear" or slope is not None:
            redone += _redone(unfolding.delta, other, largest(delta), 1)
    took = [Shown("dL/dy", there(layer, "dL/dy")), Shown("x", there(layer, "x"))]
    took += [Shown(t.symbol, t) for t in layer.tensors if t.name and f"dL/d{t.symbol}" in {g.symbol for g in gradients}]
    return Move(
        "Backward",
        layer.name,
        _title(layer),
        derivation(layer.op),
        (
            *code(layer.op, "backward", "backward_parameters"),
            *(found for part in _shared(layer.op) if inspect.isfunction(part) for found in _source(part)),
        ),
        tuple(took),
        tuple(makes),
        redone,
        tuple(why),
    )


DIRECTED = {
    "the newest pair": (
        "y = g − g⁻ and s = t⁻d⁻, taken in where yᵀs > 1e-10:  ρ = 1/yᵀs,  γ = yᵀs/yᵀy",
        ("g", "prev_flat_grad before", "d before", "t before"),
        ("y", "s", "yᵀs", "yᵀy", "ro", "H_diag"),
    ),
    "the first loop, newest pair first": (
        "q[k] = −g with k pairs;  α[i] = ρ[i]·s[i]ᵀq[i+1],  q[i] = q[i+1] − α[i]·y[i]",
        ("g", "old_dirs", "old_stps", "ro"),
        ("sᵀq", "al", "q"),
    ),
    "the second loop, oldest pair first": (
        "r[0] = γ·q[0];  β[i] = ρ[i]·y[i]ᵀr[i],  r[i+1] = r[i] + s[i]·(α[i] − β[i]);  d = r[k]",
        ("q", "H_diag", "old_dirs", "old_stps", "ro", "al"),
        ("yᵀr", "β", "r", "d"),
    ),
    "the direction": ("d = −g while there is no pair", ("g",), ("d",)),
}
"""L-BFGS's moves on all parameters at once: the formula, what it takes, what it makes."""
NOTES = {
    "old_dirs": "y of each pair, the oldest first",
    "old_stps": "s of each pair, the oldest first",
    "ro": "ρ of each pair",
    "H_diag": "γ",
    "al": "α of each pair",
    "q": "row i is q[i]",
    "r": "row i is r[i]",
    "gᵀd": "the slope along d",
}


def _directed(trace: Trace, direction: Direction) -> Iterator[Move]:
    """What L-BFGS does to all parameters at once: the newest pair, the two loops, the length of the step."""
    made, last = direction.made, direction.pairs - 1
    kept: dict[str, Tensor | Ball] = {"g": direction.gradient, **made.between}
    kept |= {tensor.symbol: tensor for tensor in direction.after}
    kept |= {f"{tensor.symbol} before": tensor for tensor in direction.before}
    if made.paired:
        newest = {t.symbol: t.part(last, direction.gradient.shape) for t in direction.after if t.symbol in NEWEST}
        kept |= {symbol: newest[name] for name, symbol in NEWEST.items()}

    def move(title: str, formula: str, takes: tuple[str, ...], makes: tuple[str, ...], method: str, why: str) -> Move:
        took, gave = (
            tuple(Shown(name, kept[name], NOTES.get(name, "")) for name in names if name in kept)
            for names in (takes, makes)
        )
        return Move("Update", None, title, formula, code(trace.optimizer_op, method), took, gave, why=(why,))

    there = ("y" in made.between, last >= 0, last >= 0, made.began and last < 0)
    for title, (formula, takes, makes) in compress(DIRECTED.items(), there):
        yield move(title, formula, takes, makes, "direction", vector(direction))
    counts = ("func_evals", "n_iter", "prev_loss")
    yield move("the step length", LENGTH, ("g", "d"), ("gᵀd", "‖g‖₁", "t", *counts), "step", outcome(made))


NEWEST = {"old_dirs": "y", "old_stps": "s"}
LENGTH = "t = lr, at the first iteration min(1, 1/‖g‖₁)·lr;  θ ← θ + td"


def _updates(trace: Trace, unfolding: Unfolding) -> Iterator[Move]:
    """One move for each layer with parameters."""
    gradients = {t.name: t for _, t in trace.tensors() if t.symbol.startswith("dL/")}
    before = {t.name: t for _, t in trace.tensors() if t.name and not t.symbol.startswith("dL/")}
    titles = {layer.name: _title(layer) for layer in trace.layers}
    for name, some in groupby(trace.updates, lambda update: _layer_of(update.name)):
        updates = list(some)
        redone = [
            line
            for update in updates[:1]
            for line in _redone(unfolding.update, update, largest(gradients[update.name]), 1)
        ]
        yield Move(
            "Update",
            name,
            titles[name],
            "\n".join([trace.optimizer, *(f"{update.name}: {options(update)}" for update in updates)]),
            code(trace.optimizer_op, "update" if trace.direction is None else "move"),
            tuple(
                Shown(symbol, t)
                for update in updates
                for symbol, t in (
                    (f"{_key(update.name)} before", before[update.name]),
                    (f"dL/d{_key(update.name)}", gradients[update.name]),
                    *((f"{t.symbol} of {_key(update.name)} before", t) for t in update.before),
                )
            ),
            tuple(shown for update in updates for shown in _made(update)),
            tuple(redone),
        )


def _made(update: Update) -> Iterator[Shown]:
    """What an optimizer makes of one parameter's gradient."""
    key = _key(update.name)
    yield from (Shown(f"{symbol} of {key}", ball) for symbol, ball in update.between.items())
    yield from (Shown(f"{tensor.symbol} of {key} after", tensor) for tensor in update.after)
    yield Shown(f"new {key}", update.new)


def _redone(unfold: Callable[..., Line], *entry: Any) -> tuple[Line, ...]:
    """One number of a move, where its sum is short enough to be read."""
    with suppress(ValueError):  # of a layer too large to be tried entry by entry
        line = unfold(*entry)
        return (line,) if len(line.terms) <= MOST_TERMS else ()
    return ()


def largest(tensor: Tensor) -> Index:
    """Where the NumPy side's number is largest: a number that surely has something to show."""
    sizes = np.abs(np.where(np.isfinite(tensor.ours), tensor.ours, 0))
    return tuple(int(i) for i in np.unravel_index(np.argmax(sizes), sizes.shape))


def code(op: type, *methods: str) -> tuple[Code, ...]:
    """The methods as they are written; without those that the class has from `Module`."""
    named = [getattr(op, name, None) for name in methods]
    own = [method for name, method in zip(methods, named, strict=True) if method is not getattr(Module, name, None)]
    return tuple(found for method in own for found in _source(method))


def _source(method: Any) -> Iterator[Code]:
    method = inspect.unwrap(method)
    with suppress(OSError, TypeError):  # of a class made without a file, and of what is no function
        lines, first = inspect.getsourcelines(method)
        file = Path(inspect.getsourcefile(method) or "")
        where = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name
        yield Code(f"{where}, line {first}", dedent("".join(lines)).rstrip())


def derivation(op: type) -> str:
    """The paragraphs of a layer's docstring that are about its derivative; its first one where none is.

    Where the docstring names what has the derivation, the first one and those of what it names.
    """
    paragraphs = inspect.cleandoc(op.__doc__ or "").split("\n\n")
    kept = [text for text in paragraphs if any(word in text for word in DERIVATIVE)] or paragraphs[:1]
    if named := _shared(op):
        kept = [paragraphs[0], *(text for part in named for text in inspect.cleandoc(part.__doc__ or "").split("\n\n"))]
    return "\n".join(re.sub(r"\n(?! )", " ", text) for text in kept)


def _shared(op: Any) -> list[Any]:
    """What a docstring names as the place of its derivatives: "Derivatives: `standardized_backward` and …"."""
    found = re.search(r"Derivatives: ([^.]*)\.", op.__doc__ or "")
    place = inspect.unwrap(op.forward).__globals__  # not its module's: a file of the user's is not in sys.modules
    return [place[name] for name in re.findall(r"`(\w+)`", found[1] if found else "") if name in place]


def _after(trace: Trace, layer: Layer) -> tuple[str | None, ...]:
    return trace.net.consumers[layer.name]


def _title(layer: Layer) -> str:
    return f"{layer.name} {layer.kind}".strip()


def _layer_of(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def _key(parameter: str) -> str:
    return parameter.rpartition(".")[2]
