"""A failure as a few lines of Python that fail the same way: written down, executed, and shown only if they do.

A judgement of one of this project's models, losses and optimizers can be written from what it was made of: constructor
calls with their options, and its numbers as literals. Where those are too many, numbers of the same shapes are drawn
from a fixed seed instead. Because the lines are executed before they are shown, they are never wrong; where none fail
on the same tensor, that is said, and it says something: the mistake is not in the class but in this one object.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.names import ACTIVATIONS
from handgrad.judge import structure
from handgrad.judge.rules import activations
from handgrad.judge.verdict import Verdict

AnyArray = npt.NDArray[Any]

PACKAGES = ("scratch", "torch_impl")
MOST_NUMBERS = 150  # literals in one script: about 3,000 characters
SHOW = "print(verdict.render())"

_executing: ContextVar[bool] = ContextVar("executing a reproduction", default=False)


class CannotWriteError(Exception):
    """This judgement has no such script; the message says why."""


class Spelling:
    """How arrays are written: as literals, or drawn at random with the same shape and dtype."""

    def __init__(self, drawn: bool = False) -> None:
        self.drawn, self.numbers = drawn, 0

    def __call__(self, value: Any) -> str:
        """The expression for an array, a number, None or a list. Raises `CannotWriteError` for one number too many."""
        if value is None or type(value) in (bool, int, float):
            return _named(repr(value))
        if isinstance(value, list):
            return f"[{', '.join(map(self, value))}]"
        a = structure.array(value)
        if self.drawn:
            return _draw(a)
        self.numbers += a.size
        if self.numbers > MOST_NUMBERS:
            raise CannotWriteError(f"more than {MOST_NUMBERS} numbers are too many to print")
        if 0 in a.shape:
            return f'np.zeros({a.shape}, "{a.dtype}")'
        if a.flags.c_contiguous or a.flags.f_contiguous:
            order = "" if a.flags.c_contiguous else ', order="F"'
            return f'np.array({_named(repr(a.tolist()))}, "{a.dtype}"{order})'
        return f'np.repeat(np.array({_named(repr(a.tolist()))}, "{a.dtype}"), 2, -1)[..., ::2]'  # some stride

    def mapping(self, arrays: Mapping[str, Any]) -> str:
        return "{" + ", ".join(f'"{name}": {self(a)}' for name, a in arrays.items()) + "}"


def _named(text: str) -> str:
    """`nan` and `inf` as names that exist."""
    return re.sub(r"\b(nan|inf)\b", r"np.\1", text)


def _draw(a: AnyArray) -> str:
    """Integers up to the largest, probabilities where all numbers are, else normal numbers."""
    if a.dtype.kind in "iu":
        return f"rng.integers({int(a.max(initial=0)) + 1}, size={a.shape})"
    unit = a.size > 0 and bool(np.all((0 <= a) & (a <= 1)))
    return f'np.asarray(rng.{"random" if unit else "normal"}(size={a.shape})).astype("{a.dtype}")'


Write = Callable[[Spelling], list[str]]
"""The lines of a script, without imports, that leave the judgement in `verdict`."""


@dataclass(frozen=True)
class Script:
    """A way to write a judgement down."""

    package: str
    judges: str  # the names it needs from handgrad.judge
    write: Write
    drawn: bool = False
    but: str = ""  # what is not as it was

    def lines(self) -> list[str]:
        if self.package not in PACKAGES:
            raise CannotWriteError(f"only what {' and '.join(PACKAGES)} made can be written down")
        body = self.write(Spelling(self.drawn))
        seed = ["rng = np.random.default_rng(0)"] if self.drawn else []
        imports = ["import numpy as np", f"import {self.package}", f"from handgrad.judge import {self.judges}"]
        return [*imports, *seed, *body]


def reproduce(verdict: Verdict, scripts: Iterable[Script]) -> None:
    """Give every failure of the verdict the first script that fails on the same tensor, or say that there is none."""
    if verdict.held or _executing.get():
        return
    notes: list[str] = []
    tried = False
    for script in scripts:
        if all(failure.reproduction for failure in verdict.failures):
            break
        if tried and script.drawn:
            continue  # other numbers are for where these cannot be written
        try:
            lines = script.lines()
        except CannotWriteError as reason:
            notes.append(str(reason))
            continue
        tried = True
        failing, end = _run(lines)
        changes = ["the numbers are drawn at random"] * script.drawn + [script.but] * bool(script.but)
        note = "; ".join(["paste the lines below into Python", *changes])
        verdict.failures = [
            replace(failure, reproduction="\n".join([*lines, SHOW]), note=note)
            if failure.tensor in failing and not failure.reproduction
            else failure
            for failure in verdict.failures
        ]
        notes.append(f"made anew with {'numbers drawn at random' if script.drawn else 'the same numbers'} it {end}")
    note = "no script: " + "; ".join(dict.fromkeys(notes))
    verdict.failures = [f if f.reproduction else replace(f, note=note) for f in verdict.failures]


def _run(lines: list[str]) -> tuple[set[str], str]:
    """The tensors that a script's verdict refuses, and how else it ends: it holds, or it raises."""
    namespace: dict[str, Any] = {}
    token = _executing.set(True)
    try:
        exec("\n".join(lines), namespace)
    except Exception as error:  # a wrong program may raise anything
        return set(), f"raises {type(error).__name__}"
    finally:
        _executing.reset(token)
    return {failure.tensor for failure in namespace["verdict"].failures}, "holds"


# --- what things are made of -----------------------------------------------------------------------------------------

ALONE = {
    *activations.RULES,
    *(
        "AlphaDropout",
        "BatchNorm1d",
        "Bilinear",
        "Dropout",
        "Embedding",
        "Flatten",
        "GroupNorm",
        "LayerNorm",
        "RMSNorm",
    ),
}
"""The classes whose options are attributes of the same names."""


def package(thing: Any) -> str:
    return type(thing).__module__.partition(".")[0]


def model_call(model: Any, name: str) -> str:
    """The constructor call of a model of the package `name`."""
    module = structure.unwrap(model)
    kind = structure.class_name(module)
    _known(type(module))
    if kind in ("Sequential", "Parallel", "Residual"):
        return _call(f"{name}.{kind}", [model_call(child, name) for _, child in structure.children(module)])
    if kind == "MLP":
        return _call(f"{name}.MLP", _mlp_arguments(module))
    if kind == "Linear":
        bias = ["bias=False"] if module.bias is None else []
        sizes = [str(module.in_features), str(module.out_features)]
        return _call(f"{name}.Linear", [*sizes, *bias, f"dtype=np.{structure.array(module.weight.data).dtype}"])
    if kind not in ALONE:
        raise CannotWriteError(f"how a {kind} is made is not known")
    options = [f"{option}={value!r}" for option, value in _options(module).items() if option != "bias"]
    if "bias" in inspect.signature(type(module)).parameters and module.bias is None:
        options.append("bias=False")
    held = [a for which in ("weight", "running_mean") if (a := getattr(module, which, None)) is not None]
    return _call(f"{name}.{kind}", [*options, *(f"dtype=np.{structure.array(a.data).dtype}" for a in held[:1])])


def _options(module: Any) -> dict[str, Any]:
    """What the constructor was given and is not its default, as far as the module keeps it."""
    own = {
        option: (getattr(module, option), p.default)
        for option, p in inspect.signature(type(module)).parameters.items()
        if hasattr(module, option) and option not in ("inplace", "rng")
    }
    return {
        option: value
        for option, (value, default) in own.items()
        if value is not default and not (np.ndim(value) == 0 and value == default)
    }


def _activation(module: Any) -> str:
    """The name by which `MLP` makes it."""
    found = structure.class_name(module)
    for name, (kind, options) in reversed(ACTIVATIONS.items()):  # gelu_tanh is a gelu with an option: it comes first
        if kind == found and all(getattr(module, option) == value for option, value in options.items()):
            return name
    raise CannotWriteError(f"how an MLP with {module!r} is made is not known")


def _mlp_arguments(module: Any) -> list[str]:
    """Sizes, activations, bias and dtype, read from the layers: Linear, activation, Linear, …[, output activation]."""
    layers = [child for _, child in structure.children(module.layers)]
    linears, activations = layers[::2], [_activation(layer) for layer in layers[1::2]]
    sizes = (linears[0].in_features, *(layer.out_features for layer in linears))
    inner = len(linears) - 1
    arguments = [repr(tuple(map(int, sizes)))]
    if inner:
        arguments.append(f'activation="{activations[0]}"')
    if len(activations) > inner:
        arguments.append(f'output_activation="{activations[-1]}"')
    if linears[0].bias is None:
        arguments.append("bias=False")
    return [*arguments, f"dtype=np.{structure.array(linears[0].weight.data).dtype}"]


def model_lines(model: Any, parameters: Mapping[str, AnyArray], spell: Spelling) -> list[str]:
    """`model` with these parameters. Drawn ones have the size that keeps the layers' outputs near 1."""
    lines = [f"model = {model_call(model, package(model))}"]
    if parameters and spell.drawn:
        draw = "(rng.normal(size=w.shape) / w.shape[-1] ** 0.5).astype(w.dtype)"
        entries = f"{draw} if w.ndim and 'running' not in n else w"  # statistics stay as they start
        lines.append(f"model.load_state_dict({{n: {entries} for n, w in model.state_dict().items()}})")
    elif parameters:
        lines.append(f"model.load_state_dict({spell.mapping(parameters)})")
    if not structure.unwrap(model).training:
        lines.append("model.eval()")
    return [*lines, *_drawn(structure.unwrap(model), "model", package(model), spell)]


def _drawn(module: Any, path: str, name: str, spell: Spelling) -> list[str]:
    """What RReLU and dropout drew in their last forward call, which outputs given as literals belong to."""
    lines = []
    for what in ("slopes", "mask"):
        if (drawn := getattr(module, what, None)) is not None and not spell.drawn:
            lines.append(f"{path}{'.module' if name == 'torch_impl' else ''}.{what} = {spell(drawn)}")
    for key, child in structure.children(module):
        lines += _drawn(child, f'dict({path}.named_children())["{key}"]', name, spell)
    return lines


def loss_line(loss: Any, spell: Spelling) -> str:
    module = structure.unwrap(loss)
    kind = structure.class_name(module)
    _known(type(module))
    written = [
        f"{option}={repr(value) if isinstance(value, str) else spell(value)}"
        for option, value in _options(module).items()
    ]
    return f"loss = {_call(f'{package(loss)}.{kind}', written)}"


def optimizer_lines(
    optimizer: Any,
    groups: list[dict[str, Any]],
    state: Mapping[int, Mapping[str, AnyArray]],
    members: Callable[[list[int]], str],
    spell: Spelling,
) -> list[str]:
    """`optimizer` with its groups and its state; `members` is the expression for the parameters of these numbers."""
    kind = type(getattr(optimizer, "optimizer", optimizer))
    _known(kind)
    defaults = {name: p.default for name, p in inspect.signature(kind).parameters.items()}

    def options(group: Mapping[str, Any]) -> dict[str, str]:
        """What is not the default. Torch's switches between implementations, None by default, are left out."""
        own = {name: group[name] for name in defaults if name in group and name != "params"}
        return {name: repr(value) for name, value in own.items() if value is not None and value != defaults[name]}

    if len(groups) == 1:
        given = [f"{name}={value}" for name, value in options(groups[0]).items()]
        arguments = [members(groups[0]["params"]), *given]
    else:
        entries = [
            ", ".join([f'"params": {members(group["params"])}', *(f'"{n}": {v}' for n, v in options(group).items())])
            for group in groups
        ]
        arguments = [f"[{', '.join(f'{{{entry}}}' for entry in entries)}]"]
    lines = [f"optimizer = {_call(f'{package(optimizer)}.{kind.__name__}', arguments)}"]
    if state and not spell.drawn:
        kept = ", ".join(f"{i}: {spell.mapping(entry)}" for i, entry in state.items())
        same = 'optimizer.state_dict()["param_groups"]'
        lines.append(f'optimizer.load_state_dict({{"state": {{{kept}}}, "param_groups": {same}}})')
    return lines


def _known(kind: type) -> None:
    """Refuse a class that only shares its name with one that could be written down."""
    if kind.__module__.partition(".")[0] not in (*PACKAGES, "torch"):
        raise CannotWriteError(f"{kind.__name__} is a class of {kind.__module__}")


def _call(function: str, arguments: list[str]) -> str:
    return f"{function}({', '.join(arguments)})"
