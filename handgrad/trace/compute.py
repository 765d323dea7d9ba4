"""Recording one step: what goes into and comes out of every layer, forward and backward, on both sides and in balls.

Both sides train freely up to the step before. Then the PyTorch side is set to the NumPy side's state, so that the
traced step starts from the same numbers and whatever differs is rounding.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import Trainer
from handgrad.judge import Ball, Format, StepJudge, Verdict
from handgrad.judge.rules import layers as rules
from handgrad.judge.rules import losses as loss_rules
from handgrad.training.train import Prepared, batches

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One tensor of the step as both sides computed it, and the ball around what it must be, if there is one."""

    symbol: str  # as in the formulas: x, y, dL/dy, dL/dweight
    name: str  # of a parameter, in the state dict; else empty
    ours: Array
    theirs: Array
    ball: Ball | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.ours.shape

    @property
    def ulps(self) -> float:
        """How far the two sides are apart at most, in units of the last place of the larger one."""
        a, b = self.ours.astype(np.float64), self.theirs.astype(np.float64)
        unit = np.spacing(np.maximum(np.abs(self.ours), np.abs(self.theirs))).astype(np.float64)
        return float(np.max(np.abs(a - b) / unit, initial=0.0))

    @property
    def ratio(self) -> float | None:
        """The larger of both sides' errors in units of the bound: at most 1 where parity holds."""
        if self.ball is None:
            return None
        sides = [np.abs(side - self.ball.mid) / np.maximum(self.ball.rad, 5e-324) for side in (self.ours, self.theirs)]
        return float(np.max([np.max(side, initial=0.0) for side in sides]))

    @property
    def bound(self) -> float | None:
        """The largest radius."""
        return None if self.ball is None else float(np.max(self.ball.rad, initial=0.0))


@dataclass
class Passage:
    """What one layer saw: its input and output going forward, the gradients of both coming back."""

    input: Any = None
    output: Any = None
    upstream: Any = None  # dL/d output
    downstream: Any = None  # dL/d input; None where nobody asked for it


@dataclass(frozen=True)
class Layer:
    """One layer of the traced step: what it computes, and every tensor."""

    name: str
    kind: str
    formula: str
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True)
class Trace:
    """One step of an experiment in full."""

    experiment: str
    step: int
    rows: int
    loss: str  # its class and formula
    value: Tensor
    layers: tuple[Layer, ...]
    update: tuple[Tensor, ...]  # the parameters after the step
    optimizer: str
    verdicts: dict[str, Verdict]
    passages: dict[str, Passage] = field(repr=False)  # the NumPy side's, by layer

    @property
    def held(self) -> bool:
        return all(verdict.held for verdict in self.verdicts.values())

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor with the name of the layer it belongs to."""
        for layer in self.layers:
            for tensor in layer.tensors:
                yield layer.name, tensor


def trace(prepared: Prepared, step: int) -> Trace:
    """Train both sides for `step` − 1 steps, then record step number `step` of both.

    Raises ValueError for a step that the experiment does not have.
    """
    if not 1 <= step <= prepared.steps:
        raise ValueError(f"--step must be from 1 to {prepared.steps}; got {step}")
    ours, theirs = prepared.trainers["scratch"], prepared.trainers["torch"]
    *before, last = islice(batches(prepared), step)
    for rows in before:
        for trainer in (ours, theirs):
            trainer.step(*_batch(prepared, trainer, rows))
    # One state for both: the traced step starts from the same numbers.
    theirs.model.load_state_dict(ours.model.state_dict())
    theirs.optimizer.load_state_dict(ours.optimizer.state_dict())
    x, y = prepared.cast["x_train"][last], prepared.cast["y_train"][last]

    start = {name: parameter.data.copy() for name, parameter in ours.model.named_parameters()}
    verdicts, passages, values = {}, {}, {}
    for side, trainer in prepared.trainers.items():
        judge = StepJudge(trainer.model, trainer.loss, trainer.optimizer)
        snapshot = judge.before()
        with recorded(trainer.model) as passages[side]:
            values[side] = trainer.step(*_batch(prepared, trainer, last))
        verdicts[side] = judge.after(snapshot, x, y, values[side])
    balls, gradients, value = _in_balls(ours, start, x, y)

    scalar = [np.asarray(v, x.dtype) for v in values.values()]
    return Trace(
        prepared.experiment.name,
        step,
        len(x),
        f"{prepared.experiment.loss}: {_formula(ours.loss)}",
        Tensor("L", "", scalar[0], scalar[1], value),
        tuple(_layers(prepared, passages, balls, gradients)),
        tuple(
            Tensor(f"new {name}", name, ours_.data, theirs_.data)
            for (name, ours_), (_, theirs_) in zip(
                ours.model.named_parameters(), theirs.model.named_parameters(), strict=True
            )
        ),
        f"{prepared.experiment.optimizer}: {_formula(ours.optimizer)}",
        verdicts,
        passages["scratch"],
    )


def _batch(prepared: Prepared, trainer: Trainer, rows: Any) -> tuple[Any, Any]:
    return trainer.asarray(prepared.cast["x_train"][rows]), trainer.asarray(prepared.cast["y_train"][rows])


def _layers(
    prepared: Prepared,
    passages: dict[str, dict[str, Passage]],
    balls: dict[str, Passage],
    gradients: dict[str, Ball],
) -> Iterator[Layer]:
    leaves = [dict(leaves_of(trainer.model)) for trainer in prepared.trainers.values()]
    for name, ball in balls.items():
        pair = [passages[side][name] for side in prepared.trainers]
        kind = type(leaves[0][name]).__name__
        tensors = [
            Tensor(symbol, "", getattr(pair[0], which), getattr(pair[1], which), getattr(ball, which))
            for symbol, which in (("x", "input"), ("y", "output"), ("dL/dy", "upstream"))
        ]
        for (key, a), (_, b) in zip(*(own[name].named_parameters() for own in leaves), strict=True):
            full = f"{name}.{key}" if name else key
            tensors.append(Tensor(f"dL/d{key}", full, a.grad, b.grad, gradients[full]))
        if all(p.downstream is not None for p in pair):
            tensors.append(Tensor("dL/dx", "", pair[0].downstream, pair[1].downstream, ball.downstream))
        yield Layer(name, kind, _formula(leaves[0][name]), tuple(tensors))


def _formula(op: Any) -> str:
    """The first sentence of the hand-written op's docstring: it is the formula."""
    text = type(op).__doc__ or ""
    return text.split("\n\n")[0].strip().replace("\n    ", " ")


def leaves_of(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The modules without children and their paths, on either side."""
    children = list(model.named_children())
    if not children:
        yield prefix.removesuffix("."), model
    for name, child in children:
        yield from leaves_of(child, f"{prefix}{name}.")


@contextmanager
def recorded(model: Any) -> Iterator[dict[str, Passage]]:
    """While inside, every layer of `model` writes down what passes through it."""
    passages = {name: Passage() for name, _ in leaves_of(model)}
    with ExitStack() as undo:
        for name, leaf in leaves_of(model):
            watch = _watch_torch if hasattr(leaf, "module") else _watch
            undo.enter_context(watch(leaf, passages[name]))
        yield passages


@contextmanager
def _watch(leaf: Any, passage: Passage) -> Iterator[None]:
    """A hand-written layer, or a rule of the judge: its methods are replaced on this one object."""
    forward, backward = leaf.forward, leaf.backward

    def watched_forward(x: Any, *more: Any) -> Any:
        passage.input, passage.output = x, forward(x, *more)
        return passage.output

    def watched_backward(grad_output: Any, *more: Any) -> Any:
        passage.upstream, passage.downstream = grad_output, backward(grad_output, *more)
        return passage.downstream

    leaf.forward, leaf.backward = watched_forward, watched_backward
    parameters_only = getattr(leaf, "backward_parameters", None)
    if parameters_only is not None:

        def watched_parameters(grad_output: Any) -> None:
            passage.upstream = grad_output
            parameters_only(grad_output)

        leaf.backward_parameters = watched_parameters
    try:
        yield
    finally:
        for name in ("forward", "backward", "backward_parameters"):
            vars(leaf).pop(name, None)


@contextmanager
def _watch_torch(leaf: Any, passage: Passage) -> Iterator[None]:
    """A PyTorch layer: a forward hook, and hooks on the tensors for their gradients."""

    def keep(which: str, tensor: Any) -> None:
        setattr(passage, which, tensor.detach().cpu().numpy().copy())

    def after(module: Any, arguments: tuple[Any, ...], output: Any) -> None:
        keep("input", arguments[0])
        keep("output", output)
        for which, tensor in (("downstream", arguments[0]), ("upstream", output)):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient, which=which: keep(which, gradient))

    handle = leaf.module.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


def _in_balls(
    trainer: Trainer, start: dict[str, Array], x: Array, y: Array
) -> tuple[dict[str, Passage], dict[str, Ball], Ball]:
    """The same step in ball arithmetic, from the parameters it started from."""
    f = Format.of(x.dtype)
    rule, loss = rules.read_model(trainer.model), loss_rules.read_loss(trainer.loss)
    passages = {leaf.name: Passage() for leaf in rule.leaves()}
    gradients: dict[str, Ball] = {}
    with np.errstate(all="ignore"), ExitStack() as undo:
        for leaf in rule.leaves():
            undo.enter_context(_watch(leaf, passages[leaf.name]))
        value = loss.forward(rule.forward(f.exact(x), start), y)
        rule.backward(loss.backward(), gradients)
    return passages, gradients, value
