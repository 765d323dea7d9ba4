"""What is measured at the recorded moments of a run, from the parameters that both sides had then.

Nothing of it is computed while the sides train: afterwards a net of each side is set to the parameters of the moment,
and one fixed batch is sent through it, forward and back.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from contract import Array, Trainer
from handgrad.machine.environment import one_thread
from handgrad.trace.compute import leaves_of, recorded
from handgrad.training.record import Run
from handgrad.training.sides import build_pair
from scratch.flags import norm

BATCH = 256  # training examples, the first ones
COARSE = 51  # points per axis of a neuron's map
SATURATED = 0.01  # of the largest slope: what a saturated unit has left


@dataclass(frozen=True)
class Activity:
    """One side at one moment."""

    values: dict[str, Array]  # layer → its output for the batch, (rows, units)
    fed: dict[str, Array]  # linear layer → its input for the batch: what the neurons before it hand on
    output: Array  # of the whole net, for the batch
    rests: dict[str, tuple[str, float]]  # layer → what its units that do not learn are called, and their share
    gradients: dict[str, float]  # parameter → Euclidean length of its gradient over the batch
    region: Array | None  # outputs over `plane`
    maps: dict[str, Array]  # linear layer → its input over the coarse lattice, (points, units); the NumPy side's


@dataclass(frozen=True)
class Frame:
    """Both sides at one moment; `kinds` are the layers' classes in their order."""

    label: str
    step: int
    epoch: int
    states: dict[str, dict[str, Array]]
    sides: dict[str, Activity]
    kinds: dict[str, str]

    @cached_property
    def apart(self) -> Array | None:
        """NumPy's output minus PyTorch's over `plane`, of each point the output that differs most; None without one."""
        ours, theirs = (activity.region for activity in self.sides.values())
        if ours is None or theirs is None:
            return None
        gap = ours.astype(float) - theirs.astype(float)
        largest: Array = np.take_along_axis(gap, np.abs(gap).argmax(axis=1)[:, None], axis=1)[:, 0]
        return largest


def plane(run: Run) -> Array | None:
    """The lattice over the input plane; None but for two features that both vary."""
    if run.grid is None or np.prod([len(np.unique(axis)) for axis in run.grid.T]) < len(run.grid):
        return None
    return run.grid


def frames(run: Run) -> list[Frame]:
    """Every recorded moment, in the order of training; computed on one thread, as the run was."""
    if not run.moments:
        return []
    trainers = build_pair(run.experiment, run.data)
    dtype = np.dtype(run.experiment.dtype)
    x, y = run.data.x_train[:BATCH].astype(dtype), run.data.y_train[:BATCH]
    batch = (x, y.astype(dtype) if y.dtype.kind == "f" else y)
    grid = plane(run)
    coarse = None if grid is None else thinned(grid)
    kinds = {name: type(leaf).__name__ for name, leaf in leaves_of(trainers["scratch"].model)}
    found = []
    with one_thread(), np.errstate(all="ignore"):
        for moment in run.moments:
            sides = {}
            for side, trainer in trainers.items():
                trainer.model.load_state_dict(moment.states[side])
                sides[side] = _activity(trainer, kinds, *batch, grid, coarse if side == "scratch" else None)
            label = "untrained" if moment.step == 0 else f"epoch {moment.epoch}, step {moment.step:,}"
            found.append(Frame(label, moment.step, moment.epoch, moment.states, sides, kinds))
    return found


def _activity(
    trainer: Trainer, kinds: dict[str, str], x: Array, y: Array, grid: Array | None, coarse: Array | None
) -> Activity:
    model, linear = trainer.model, [name for name, kind in kinds.items() if kind == "Linear"]
    model.eval()  # what is dropped or drawn at random in training is not looked at
    with recorded(model) as passages:
        output = model.forward(x)
        trainer.loss.forward(output, y)
        model.zero_grad()
        model.backward(trainer.loss.backward())
        values = {name: np.asarray(passage.output) for name, passage in passages.items()}
        fed = {name: np.asarray(passages[name].input) for name in linear}
    rests = {name: rest for name, kind in kinds.items() if (rest := resting(kind, values[name])) is not None}
    lengths = {n: float(norm(g.astype(float))) for n, g in model.named_gradients() if g is not None}
    region = None if grid is None else np.asarray(model.forward(grid.astype(x.dtype)))
    maps = {}
    if coarse is not None:
        with recorded(model) as passages:
            model.forward(coarse.astype(x.dtype))
            maps = {name: np.asarray(passages[name].input) for name in linear}
    return Activity(values, fed, np.asarray(output), rests, lengths, region, maps)


def thinned(grid: Array) -> Array:
    """A lattice of `COARSE` points per axis over the range of `grid`."""
    (x0, y0), (x1, y1) = grid.min(axis=0), grid.max(axis=0)
    first, second = np.meshgrid(np.linspace(x0, x1, COARSE), np.linspace(y0, y1, COARSE))
    return np.stack([first.ravel(), second.ravel()], axis=1)


def resting(kind: str, values: Array) -> tuple[str, float] | None:
    """The share of a layer's units that do not learn from this batch, and what they are called; None for other layers.

    A *dead* unit of a ReLU is 0 for every sample, so that no gradient passes it. Of tanh and sigmoid it is the share of
    *saturated* numbers: where the slope, 1 − y² or y(1 − y), is less than a hundredth of the largest there is.
    """
    y = values.astype(float).reshape(len(values), -1)
    if kind in ("ReLU", "ReLU6"):
        return "dead", float((y == 0).all(axis=0).mean())
    if kind == "Tanh":
        return "saturated", float((1 - y**2 < SATURATED).mean())
    if kind == "Sigmoid":
        return "saturated", float((y * (1 - y) < SATURATED / 4).mean())
    return None
