"""Recording one step: what goes into and comes out of every layer, forward and backward, on both sides and in balls.

Both sides train freely up to the step before. Then the PyTorch side is set to the NumPy side's state, so that the
traced step starts from the same numbers and whatever differs is rounding. The balls are of the whole step: they start
from those numbers, and each is made of the balls before it.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import Trainer
from handgrad.judge import Ball, Format, StepJudge, Verdict
from handgrad.judge.optimizer_step import (
    OptimizerSnapshot,
    flat_gradient,
    is_lbfgs,
    parameters_of,
    rule_of,
    snapshot,
)
from handgrad.judge.reference_net import buffers_of
from handgrad.judge.rules import layers as rules
from handgrad.judge.rules.optimizers import lbfgs
from handgrad.judge.rules.rule import Activation
from handgrad.judge.training_step import Snapshot
from handgrad.training.prepared import Prepared
from handgrad.training.train import batches
from handgrad.training.written_out import program

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One tensor of the step as both sides computed it, and the ball around what it must be, if there is one."""

    symbol: str  # as in the formulas: weight, x, y, dy/dx, dL/dy, dL/dweight
    name: str  # of a parameter or buffer, in the state dict; else empty
    ours: Array
    theirs: Array
    ball: Ball | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.ours.shape

    @property
    def apart(self) -> Array:
        """PyTorch's number minus NumPy's, entry by entry, in units of the last place of the larger one."""
        if self.ours.dtype.kind != "f":
            return np.zeros(self.shape)
        a, b = self.ours.astype(np.float64), self.theirs.astype(np.float64)
        unit = np.spacing(np.maximum(np.abs(self.ours), np.abs(self.theirs))).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(a == b, 0.0, (b - a) / unit))

    @property
    def ulps(self) -> float:
        """How far the two sides are apart at most, in units of the last place of the larger one."""
        return float(np.max(np.abs(self.apart), initial=0.0))

    @property
    def ratio(self) -> float | None:
        """The larger of both sides' errors in units of the bound: at most 1 where parity holds."""
        if self.ball is None:
            return None
        decided = np.isfinite(self.ball.rad)
        mid, rad = self.ball.mid[decided], np.maximum(self.ball.rad[decided], 5e-324)
        with np.errstate(over="ignore"):  # of a number that must be exact, and is not
            sides = [np.abs(side[decided] - mid) / rad for side in (self.ours, self.theirs)]
        return float(np.max([np.max(side, initial=0.0) for side in sides]))

    def part(self, index: Any, shape: tuple[int, ...], name: str = "") -> "Tensor":
        """Some of its numbers, in a shape of their own."""
        ball = None if self.ball is None else self.ball[index].reshape(*shape)
        return Tensor(self.symbol, name, self.ours[index].reshape(shape), self.theirs[index].reshape(shape), ball)

    @property
    def bound(self) -> float | None:
        """The largest finite radius."""
        return (
            None if self.ball is None else float(np.max(self.ball.rad, initial=0.0, where=np.isfinite(self.ball.rad)))
        )


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
    op: type = field(repr=False)  # the hand-written class

    def tensor(self, symbol: str) -> Tensor | None:
        return next((tensor for tensor in self.tensors if tensor.symbol == symbol), None)


@dataclass(frozen=True)
class Update:
    """One parameter's update: the optimizer's options for it, and its own state before and after."""

    name: str
    kind: str  # of the optimizer
    options: dict[str, Any]  # lr and all others
    before: tuple[Tensor, ...]  # the optimizer's state; empty where there is none yet
    after: tuple[Tensor, ...]
    new: Tensor  # the parameter after the step
    between: dict[str, Ball] = field(default_factory=dict)  # what the optimizer computes and forgets


@dataclass(frozen=True)
class Direction:
    """L-BFGS steps all parameters as one vector: its state before and after, and the two loops between them.

    What the state has of every number, the parameters' updates have as well, each their own part.
    """

    shapes: dict[str, tuple[int, ...]]  # of the parameters, in the vector's order
    gradient: Tensor
    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]
    made: lbfgs.Iteration

    @property
    def places(self) -> dict[str, slice]:
        """Of each parameter in the vector."""
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        return {name: slice(end - n, end) for name, n, end in zip(self.shapes, sizes, accumulate(sizes), strict=True)}

    @property
    def pairs(self) -> int:
        """How many pairs y, s the loops went over."""
        return len(self.made.between["β"].mid) if "β" in self.made.between else 0

    def entries(self) -> list[str]:
        """The name of every number in the vector."""
        indices = {name: np.ndindex(*shape) for name, shape in self.shapes.items()}
        return [f"{name}[{','.join(map(str, index))}]" for name, some in indices.items() for index in some]


@dataclass(frozen=True)
class Trace:
    """One step of an experiment in full."""

    experiment: str
    step: int
    rows: int
    loss: str  # its class and formula
    target: Tensor
    value: Tensor
    layers: tuple[Layer, ...]
    optimizer: str  # its class and formula
    updates: tuple[Update, ...]
    buffers: tuple[Tensor, ...]  # after the step, as a normalization's running mean
    verdicts: dict[str, Verdict]
    program: str  # the NumPy side's step, written out; empty where it cannot be
    net: "Net" = field(repr=False)
    loss_op: type = field(repr=False)  # the hand-written classes
    optimizer_op: type = field(repr=False)
    direction: Direction | None = None  # of L-BFGS

    @property
    def held(self) -> bool:
        return all(verdict.held for verdict in self.verdicts.values())

    def layer(self, name: str) -> Layer:
        return next(layer for layer in self.layers if layer.name == name)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor with the name of the layer it belongs to."""
        for layer in self.layers:
            for tensor in layer.tensors:
                yield layer.name, tensor


@dataclass(frozen=True)
class Net:
    """The step in balls, after it was made: the judge's rules of layers and loss, and what flows into what."""

    leaves: dict[str, Any]
    loss: Any
    consumers: dict[str, tuple[str | None, ...]]
    """By layer: those whose inputs' gradients sum to its dL/dy; None is the loss."""


def consumers_of(rule: Any) -> dict[str, tuple[str | None, ...]]:
    """What each layer's output goes into.

    A Residual's input also goes where its output goes; a Parallel's goes into every branch.
    """
    found: dict[str, tuple[str | None, ...]] = {}

    def enter(rule: Any, after: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Who takes the input of `rule`, if `after` take its output."""
        if isinstance(rule, rules.Parallel):
            return tuple(name for branch in rule.layers for name in enter(branch, after))
        if isinstance(rule, rules.Sequential):
            inner = after
            for layer in reversed(rule.layers):
                inner = enter(layer, inner)
            return after + inner if isinstance(rule, rules.Residual) else inner
        found[rule.name] = after
        return (rule.name,)

    enter(rule, (None,))
    return found


def trace(prepared: Prepared, step: int) -> Trace:
    """Train both sides for `step` − 1 steps, then record step number `step` of both.

    Raises ValueError for a step that the experiment does not have.
    """
    if not 1 <= step <= prepared.steps:
        raise ValueError(f"--step must be from 1 to {prepared.steps}; got {step}")
    *before, last = islice(batches(prepared), step)
    for rows in before:
        for trainer in prepared.trainers.values():
            trainer.step(*_batch(prepared, trainer, rows))
    return traced(prepared, step, last)


def traced(prepared: Prepared, step: int, last: npt.NDArray[np.intp] | slice) -> Trace:
    """Make one more step of both sides, number `step`, on the rows `last`, and record it.

    It starts from where the NumPy side is.
    """
    ours, theirs = prepared.trainers["scratch"], prepared.trainers["torch"]
    # One state for both: the traced step starts from the same numbers.
    theirs.model.load_state_dict(ours.model.state_dict())
    theirs.optimizer.load_state_dict(ours.optimizer.state_dict())
    x, y = prepared.cast["x_train"][last], prepared.cast["y_train"][last]

    judges = {side: StepJudge(t.model, t.loss, t.optimizer) for side, t in prepared.trainers.items()}
    start = judges["scratch"].before()
    elementwise = {leaf.name for leaf in judges["scratch"].rule.leaves() if _is_elementwise(leaf)}
    verdicts, passages, values, slopes = {}, {}, {}, {}
    for side, trainer in prepared.trainers.items():
        copies = {name: deepcopy(leaf) for name, leaf in leaves_of(trainer.model) if name in elementwise}
        before_step = judges[side].before()
        with recorded(trainer.model) as passages[side]:
            values[side] = trainer.step(*_batch(prepared, trainer, last))
        verdicts[side] = judges[side].after(before_step, x, y, values[side])
        slopes[side] = {name: _slope(copy, passages[side][name].input) for name, copy in copies.items()}
    net, balls, gradients, value = _in_balls(judges["scratch"], start, x, y)
    names = judges["scratch"].names
    direction = _direction(prepared, names, start, gradients, value) if is_lbfgs(ours.optimizer) else None

    scalar = [np.asarray(v, x.dtype) for v in values.values()]
    return Trace(
        prepared.experiment.name,
        step,
        len(x),
        f"{prepared.experiment.loss}: {_formula(ours.loss)}{_divisor(net.loss)}",
        Tensor("t", "", y, y),
        Tensor("L", "", scalar[0], scalar[1], value),
        tuple(_layers(prepared, start, passages, slopes, balls, gradients)),
        f"{prepared.experiment.optimizer}: {_formula(ours.optimizer)}",
        tuple(_updates(prepared, names, start, gradients) if direction is None else _moves(prepared, direction, start)),
        tuple(_buffers(prepared)),
        verdicts,
        program(ours, x, y),
        net,
        type(ours.loss),
        type(ours.optimizer),
        direction,
    )


def _batch(prepared: Prepared, trainer: Trainer, rows: Any) -> tuple[Any, Any]:
    return trainer.asarray(prepared.cast["x_train"][rows]), trainer.asarray(prepared.cast["y_train"][rows])


def _is_elementwise(leaf: Any) -> bool:
    """An activation with a slope f′(x) for each number, and none that it draws."""
    return isinstance(leaf, Activation) and not hasattr(leaf, "module")


def _slope(leaf: Any, x: Array) -> Array:
    """f′(x) of an elementwise layer: what its own backward makes of ones. `leaf` is a copy from before the step."""
    return np.asarray(leaf.backward(np.ones_like(leaf.forward(np.asarray(x)))))


def _layers(
    prepared: Prepared,
    start: Snapshot,
    passages: dict[str, dict[str, Passage]],
    slopes: dict[str, dict[str, Array]],
    balls: "Balls",
    gradients: dict[str, Ball],
) -> Iterator[Layer]:
    leaves = [dict(leaves_of(trainer.model)) for trainer in prepared.trainers.values()]
    known = {**start.parameters, **start.buffers}
    for name, ball in balls.passages.items():
        pair = [passages[side][name] for side in prepared.trainers]
        own = [name_ for name_ in known if name_.rpartition(".")[0] == name]
        tensors = [Tensor(full.rpartition(".")[2], full, known[full], known[full]) for full in own]
        tensors += [
            Tensor(symbol, "", getattr(pair[0], which), getattr(pair[1], which), getattr(ball, which))
            for symbol, which in (("x", "input"), ("y", "output"))
        ]
        if name in balls.slopes:
            ours, theirs = (slopes[side][name] for side in prepared.trainers)
            tensors.append(Tensor("dy/dx", "", ours, theirs, balls.slopes[name]))
        tensors.append(Tensor("dL/dy", "", pair[0].upstream, pair[1].upstream, ball.upstream))
        for (key, a), (_, b) in zip(*(own[name].named_parameters() for own in leaves), strict=True):
            if a.grad is None:  # it is frozen
                continue
            full = f"{name}.{key}" if name else key
            tensors.append(Tensor(f"dL/d{key}", full, a.grad, b.grad, gradients[full]))
        if all(p.downstream is not None for p in pair):
            tensors.append(Tensor("dL/dx", "", pair[0].downstream, pair[1].downstream, ball.downstream))
        op = type(leaves[0][name])
        yield Layer(name, op.__name__, _formula(leaves[0][name]), tuple(tensors), op)


def _updates(prepared: Prepared, names: list[str], start: Snapshot, gradients: dict[str, Ball]) -> Iterator[Update]:
    """What the optimizer made of each gradient; its balls start from the gradient's ball."""
    optimizer = prepared.trainers["scratch"].optimizer
    ours, theirs = (snapshot(trainer.optimizer) for trainer in prepared.trainers.values())
    before: OptimizerSnapshot = start.optimizer
    rule, members = rule_of(optimizer), parameters_of(optimizer)
    for group in before.groups:
        for i in (i for i in group["params"] if members[i].grad is not None):  # others are left alone
            name, f, old = names[i], Format.of(before.parameters[i].dtype), before.state.get(i, {})
            state = {key: f.exact(value) for key, value in old.items()}
            options = {**group, "rows": getattr(members[i], "rows", None)}
            with np.errstate(all="ignore"):
                new, after, between = rule(options, f.exact(before.parameters[i]), gradients[name], state)
            yield Update(
                name,
                prepared.experiment.optimizer,
                {key: value for key, value in group.items() if key != "params"},
                tuple(Tensor(key, name, value, value) for key, value in old.items()),
                tuple(Tensor(key, name, ours.state[i][key], theirs.state[i][key], ball) for key, ball in after.items()),
                Tensor(f"new {name}", name, ours.parameters[i], theirs.parameters[i], new),
                between,
            )


def _direction(
    prepared: Prepared, names: list[str], start: Snapshot, gradients: dict[str, Ball], loss: Ball
) -> Direction:
    """What L-BFGS made of all gradients; its balls start from the gradients' balls."""
    optimizers = [trainer.optimizer for trainer in prepared.trainers.values()]
    (group, *_), shapes = start.optimizer.groups, [p.shape for p in start.optimizer.parameters]
    f = Format.of(start.optimizer.parameters[0].dtype)
    old, (ours, theirs) = start.optimizer.state.get(0, {}), (_lbfgs_state(f, optimizer) for optimizer in optimizers)
    balls = [
        f.exact(np.zeros(p.shape)) if p.grad is None else gradients[name]
        for name, p in zip(names, parameters_of(optimizers[0]), strict=True)
    ]
    g = Ball(np.concatenate([b.mid.ravel() for b in balls]), np.concatenate([b.rad.ravel() for b in balls]), f)
    p = np.concatenate([a.ravel() for a in start.optimizer.parameters])
    moved = not np.array_equal(p, np.concatenate([a.ravel() for a in snapshot(optimizers[0]).parameters]))
    with np.errstate(all="ignore"):
        made = lbfgs.iteration(group, f.exact(p), g, loss, old, optimizers[0].state_dict()["state"][0], moved)
    before = _lbfgs_arrays(f, old)
    return Direction(
        dict(zip(names, shapes, strict=True)),
        Tensor("g", "", flat_gradient(optimizers[0]), flat_gradient(optimizers[1]), g),
        tuple(Tensor(name, "", value, value) for name, value in before.items()),
        tuple(Tensor(name, "", ours[name], theirs[name], made.state[name]) for name in ours if name in made.state),
        made,
    )


VECTORS = ("prev_flat_grad", "d")
LBFGS_STATE = (
    *("func_evals", "n_iter", "prev_loss", "prev_flat_grad"),
    *("old_dirs", "old_stps", "ro", "H_diag", "al", "d", "t"),
)


def _lbfgs_state(f: Format, optimizer: Any) -> dict[str, Array]:
    state = optimizer.state_dict()["state"][0]
    return _lbfgs_arrays(
        f, {**state, "al": [a for a in state.get("al", ()) if a is not None][: len(state.get("ro", ()))]}
    )


def _lbfgs_arrays(f: Format, state: dict[str, Any]) -> dict[str, Array]:
    """Its entries in the order in which a step makes them, lists of pairs as one array; without empty ones."""
    arrays = {}
    for name in LBFGS_STATE:
        value = state.get(name, [])
        if isinstance(value, list):
            if value:
                arrays[name] = np.stack(value)
        elif name == "t":
            arrays[name] = np.asarray(value, None if isinstance(value, np.ndarray) else np.float64)
        else:
            arrays[name] = np.asarray(value, f.dtype if name in ("prev_loss", "H_diag") else None)
    return arrays


def _moves(prepared: Prepared, direction: Direction, start: Snapshot) -> Iterator[Update]:
    """Each parameter's part of the step along L-BFGS's direction."""
    (group, *_) = start.optimizer.groups
    ours, theirs = (snapshot(trainer.optimizer) for trainer in prepared.trainers.values())
    places, members = direction.places, parameters_of(prepared.trainers["scratch"].optimizer)
    for i, (name, shape) in enumerate(direction.shapes.items()):
        if members[i].grad is None:  # a part of the vector that is 0
            continue
        place = places[name]
        new = direction.made.new[place].reshape(*shape)
        yield Update(
            name,
            prepared.experiment.optimizer,
            {key: value for key, value in group.items() if key != "params"},
            tuple(t.part(place, shape, name) for t in direction.before if t.symbol in VECTORS),
            tuple(t.part(place, shape, name) for t in direction.after if t.symbol in VECTORS),
            Tensor(f"new {name}", name, ours.parameters[i], theirs.parameters[i], new),
        )


def _buffers(prepared: Prepared) -> Iterator[Tensor]:
    ours, theirs = (buffers_of(trainer.model) for trainer in prepared.trainers.values())
    return (Tensor(f"new {name}", name, ours[name], theirs[name]) for name in ours)


def _formula(op: Any) -> str:
    """The first paragraph of the hand-written op's docstring, and the lines it announces: they are the formula."""
    first, *rest = (type(op).__doc__ or "").split("\n\n")
    text = first.strip().replace("\n    ", " ")
    lines = [line.strip() for paragraph in rest for line in paragraph.splitlines() if "∂value/∂" in line]
    if text.endswith(":") and rest:
        lines = [line.strip() for line in rest[0].splitlines()]
    return "\n".join([text, *lines])


def _divisor(loss: Any) -> str:
    """What a mean divides by: the number of values, or of class losses the weight of the samples."""
    if loss.reduction == "sum":
        return "\nL is the sum of the values."
    count = loss.divisor.mid if hasattr(loss, "divisor") else loss.count
    return f"\nL is the mean: the sum of the values, and so each derivative, divided by {float(count):g}."


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
    """A PyTorch layer: a forward hook, and hooks on the tensors for their gradients.

    A tensor that several layers take collects the gradients of all: each layer is given a view of its own.
    """

    def keep(which: str, tensor: Any) -> None:
        setattr(passage, which, tensor.detach().cpu().numpy().copy())

    def after(module: Any, arguments: tuple[Any, ...], output: Any) -> None:
        keep("input", arguments[0])
        keep("output", output)
        for which, tensor in (("downstream", arguments[0]), ("upstream", output)):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient, which=which: keep(which, gradient))

    def own_view(module: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        first, *rest = arguments
        return (first.view_as(first), *rest)

    handles = [leaf.module.register_forward_pre_hook(own_view), leaf.module.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Balls:
    """What passes through every layer, in balls; of elementwise ones also f′."""

    passages: dict[str, Passage]
    slopes: dict[str, Ball]


def _in_balls(judge: StepJudge, start: Snapshot, x: Array, y: Array) -> tuple[Net, Balls, dict[str, Ball], Ball]:
    """The same step in ball arithmetic, from the parameters it started from."""
    f = Format.of(x.dtype)
    rule, loss = judge.rule, judge.loss
    leaves: dict[str, Any] = {leaf.name: leaf for leaf in rule.leaves()}
    passages = {name: Passage() for name in leaves}
    gradients: dict[str, Ball] = {}
    with np.errstate(all="ignore"):
        with ExitStack() as undo:
            for name, leaf in leaves.items():
                undo.enter_context(_watch(leaf, passages[name]))
            value = loss.forward(rule.forward(f.exact(x), {**start.parameters, **start.buffers}), y)
            rule.backward(loss.backward(), gradients)
        slopes = {
            name: leaf.backward(f.exact(np.ones(passages[name].output.shape)), {})
            for name, leaf in leaves.items()
            if _is_elementwise(leaf)
        }
    return Net(leaves, loss, consumers_of(rule)), Balls(passages, slopes), gradients, value
