"""False alarms: random correct nets under the judge's eyes, and every verdict of "wrong" counted. There must be none.

    python -m parity_tests.meta.false_alarms 100000 --dtype float32 --seed 0 --workers 2
    python -m parity_tests.meta.false_alarms --case 4711 --dtype float32 --seed 0          one case again

A case is one net on both sides, from the same weights, on the same batch: judged as a whole, or (every twentieth)
trained for five steps, each of them judged. Every fifth case draws a lone piece as well: an op, a loss or a few
optimizer steps in turn. Structure, options, sizes and numbers are all drawn, the numbers from the edge generator of
`strategies` and from what lies near the ends of the dtype's range. Case `i` of a seed is always the same.

An alarm is a bug, of the judge or of a side: to be explained and fixed by derivation, never by a larger constant.
Exit code 0 without alarms, 1 with one.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from handgrad.judge import (
    StepJudge,
    Verdict,
    judge_backward,
    judge_forward,
    judge_loss,
    judge_net,
    judge_optimizer,
    snapshot,
)
from handgrad.training.parallel import begin, context
from parity_tests.catalogue.tables import OPS, OPTIMIZERS, SIDES
from parity_tests.support.strategies import LAYOUTS, MODERATE, STYLES

Array = npt.NDArray[Any]
Build = Callable[[Any], Any]
"""From a side to the same thing built there."""

TRAINED, STEPS = 20, 5  # every 20th net is trained, for 5 steps
PIECES = 5  # every 5th case has a lone piece beside its net
CHUNK = 500  # cases handed to a worker at once


# --- drawing ---------------------------------------------------------------------------------------------------------


def _near_overflow(rng: np.random.Generator, shape: tuple[int, ...], info: np.finfo[Any]) -> Array:
    return np.clip(rng.normal(size=shape), -1, 1) * float(info.max) * 10.0 ** -rng.integers(0, 12)


def _near_underflow(rng: np.random.Generator, shape: tuple[int, ...], info: np.finfo[Any]) -> Array:
    return rng.normal(size=shape) * float(info.smallest_normal) * 10.0 ** rng.integers(-6, 20)


def _dyadic(rng: np.random.Generator, shape: tuple[int, ...], info: np.finfo[Any]) -> Array:
    return rng.integers(-4, 5, shape) / 8


RANGE_STYLES: dict[str, Callable[[np.random.Generator, tuple[int, ...], np.finfo[Any]], Array]] = {
    "near overflow": _near_overflow,
    "near underflow": _near_underflow,
    "dyadic": _dyadic,
}

# Ordinary numbers most often: where the styles of a whole case are extreme, everything overflows and nothing is judged.
INPUTS = ["normal"] * 8 + list(STYLES) + ["near underflow", "dyadic"] * 2 + ["near overflow"]
WEIGHTS = ["normal"] * 12 + ["ties", "sparse", "tiny", "large", "mixed scales", "near underflow", "dyadic"]
UPSTREAMS = ["normal"] * 4 + ["ties", "tiny", "large", "sparse", "near underflow", "zeros"]
SIZES = [1, 2, 3, 5, 8, 16, 24]
WIDE = [33, 64, 128]


class Case:
    """The numbers and choices of one case: `pick` for what is discrete, `array` for the rest."""

    def __init__(self, seed: int, index: int, dtype: npt.DTypeLike) -> None:
        self.index, self.dtype = index, np.dtype(dtype)
        self.info = np.finfo(self.dtype)
        self.random = random.Random(f"{seed}/{index}")
        self.rng = np.random.default_rng([seed, index])
        self.pick = self.random.choice

    def maybe(self, share: float) -> bool:
        return self.random.random() < share

    def array(self, shape: tuple[int, ...], styles: list[str] = INPUTS, layouts: bool = False) -> Array:
        style = self.pick(styles)
        draw = STYLES.get(style) or partial(RANGE_STYLES[style], info=self.info)
        values = np.asarray(draw(self.rng, shape)).astype(self.dtype)
        return LAYOUTS[self.pick(list(LAYOUTS))](values) if layouts else values

    def probabilities(self, shape: tuple[int, ...]) -> Array:
        """In [0, 1]: at its ends, anywhere, near 0, or just beside 0 and 1."""
        kind = self.random.randrange(4)
        if kind == 0:
            values = self.rng.integers(0, 2, shape)
        elif kind == 1:
            values = self.rng.random(shape)
        elif kind == 2:
            values = 10.0 ** -self.rng.integers(0, 46, shape)
        else:
            values = self.rng.choice([0.0, 1.0, 0.5, 1e-7, 1 - 1e-7], shape)
        return np.asarray(values).astype(self.dtype)


ACTIVATIONS = ["Identity", "ReLU", "ReLU", "LeakyReLU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax"]


def activation(case: Case) -> Build:
    name, options = case.pick(ACTIVATIONS), {}
    if name == "LeakyReLU":
        options["negative_slope"] = case.pick([0.01, 0.2, 0.25, 0.0, 1.5, -0.5, 1e-3])
    if name.endswith("Softmax"):
        options["dim"] = -1
    return lambda side: getattr(side, name)(**options)


def linear(case: Case, in_features: int, out_features: int) -> Build:
    bias, dtype = case.maybe(0.8), case.dtype
    return lambda side: side.Linear(in_features, out_features, bias=bias, dtype=dtype)


def container(kind: str, parts: list[Build]) -> Build:
    return lambda side: getattr(side, kind)(*(part(side) for part in parts))


def network(case: Case) -> tuple[Build, int, int]:
    """A net of one to four linear layers, most of them followed by an activation or by several side by side.

    And the sizes of its input and its output.
    """
    sizes = [case.pick(WIDE if case.maybe(0.01) else SIZES) for _ in range(case.random.randrange(2, 6))]
    parts = []
    for in_features, out_features in pairwise(sizes):
        parts.append(linear(case, in_features, out_features))
        if case.maybe(0.1):
            branches = [activation(case) for _ in range(case.random.randrange(1, 4))]
            parts.append(container("Parallel", branches))
        elif case.maybe(0.8):
            parts.append(activation(case))
    return container("Sequential", parts), sizes[0], sizes[-1]


def loss(case: Case, name: str, shape: tuple[int, ...], reductions: list[str]) -> tuple[Build, Array]:
    """A loss for inputs of `shape` with any of its options, and a target."""
    options: dict[str, Any] = {"reduction": case.pick(reductions)}
    axis = 1 if len(shape) > 1 else 0
    classes, rows = shape[axis], shape[:axis] + shape[axis + 1 :]
    if name in ("MSELoss", "L1Loss"):
        target = case.array(shape)
    elif name in ("BCELoss", "BCEWithLogitsLoss"):
        target = case.probabilities(shape)
        if case.maybe(0.3):
            options["weight"] = abs(case.array(shape[-1:] if case.maybe(0.5) else shape, WEIGHTS))
        if name == "BCEWithLogitsLoss" and case.maybe(0.3):
            options["pos_weight"] = abs(case.array(shape[-1:], WEIGHTS))
    else:
        target = np.asarray(case.rng.integers(0, classes, rows))
        if case.maybe(0.3):
            options["weight"] = abs(case.array((classes,), WEIGHTS))
        if case.maybe(0.3):
            options["ignore_index"] = case.random.randrange(classes)
        if case.maybe(0.2):
            ignored = case.rng.random(rows) < 0.3
            target = np.where(ignored, options.get("ignore_index", -100), target)
        if name == "CrossEntropyLoss":
            if case.maybe(0.3):
                options["label_smoothing"] = case.pick([0.1, 0.25, 0.5, 1.0])
            if case.maybe(0.2):
                options.pop("ignore_index", None)
                target = case.probabilities(shape)
    return lambda side: getattr(side, name)(**options), target


def optimizer(case: Case) -> tuple[str, dict[str, Any]]:
    """The name of an optimizer and its options."""
    options: dict[str, Any] = {
        "lr": case.pick([0.1, 1e-3, 0.25, 1.0, 1e-5, 3.0]),
        "weight_decay": case.pick([0.0, 0.0, 0.01, 0.1, 0.5]),
        "maximize": case.maybe(0.2),
    }
    if case.maybe(0.5):
        options["momentum"] = case.pick([0.0, 0.9, 0.5, 0.99])
        if options["momentum"] and case.maybe(0.4):
            options["nesterov"] = True
        elif case.maybe(0.3):
            options["dampening"] = case.pick([0.1, 0.5, 0.9])
        return "SGD", options
    options["betas"] = (case.pick([0.9, 0.5, 0.0, 0.3, 0.99]), case.pick([0.999, 0.9, 0.5, 0.99]))
    options["eps"] = case.pick([1e-8, 1e-8, 1e-3, 0.0, 1e-30])
    options["amsgrad"], options["decoupled_weight_decay"] = case.maybe(0.3), case.maybe(0.3)
    return "Adam", options


# --- judging ---------------------------------------------------------------------------------------------------------


def net(case: Case) -> Iterator[Verdict]:
    """A whole net, or its training, on both sides."""
    build, inputs, outputs = network(case)
    name = case.pick(["MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss"])
    if name == "BCELoss":
        build = container("Sequential", [build, lambda side: side.Sigmoid()])
    lead = case.pick([(1,), (2,), (3,), (8,), (16,)])
    if case.maybe(0.1):
        lead = ()
    elif case.maybe(0.05):
        lead = (2, 3)
    # σ(x) that rounds to 1 leaves all of 1 − σ(x) undecided, and whatever divides by it.
    x = case.array((*lead, inputs), MODERATE if name == "BCELoss" else INPUTS, layouts=True)
    make_loss, y = loss(case, name, (*lead, outputs), ["mean", "mean", "sum"])
    style = WEIGHTS if case.maybe(0.8) else None
    kind, options = optimizer(case)
    weights: dict[str, Array] = {}
    for side in SIDES.values():
        model, criterion = build(side), make_loss(side)
        if not weights:
            own = model.state_dict()
            bound = {key: 1 / np.sqrt(max(array.shape[-1], 1)) for key, array in own.items()}
            weights = {
                key: case.array(array.shape, style)
                if style
                else case.rng.uniform(-bound[key], bound[key], array.shape).astype(case.dtype)
                for key, array in own.items()
            }
        model.load_state_dict(weights)
        if case.index % TRAINED:
            yield judge_net(model, criterion, x, y)
            continue
        trainer = side.Trainer(model, criterion, getattr(side, kind)(model.parameters(), **options))
        judge = StepJudge(model, criterion, trainer.optimizer)
        for _ in range(STEPS):
            if np.isnan(model.forward(x)).any():
                break  # it blew up: nothing more is claimed, and torch's BCELoss refuses NaN
            before = judge.before()
            yield judge.after(before, x, y, trainer.step(x, y))


def lone_op(case: Case) -> Iterator[Verdict]:
    """An activation, or a row of the tables' ops: forward, and backward from a drawn upstream gradient."""
    build, width = activation(case), None
    if case.maybe(0.5):
        row = OPS[case.pick(list(OPS))]
        build, width = partial(row.build, dtype=case.dtype), row.width
    lead = case.pick([(), (1,), (4,), (2, 3)])
    x = case.array((*lead, width or case.random.randrange(1, 9)), layouts=True)
    if case.maybe(0.05):
        x = np.array(x)
        x.flat[0] = np.nan
    grad_output = None
    for side in SIDES.values():
        model = build(side)
        output = model.forward(x)
        if grad_output is None:
            grad_output = case.array(output.shape, UPSTREAMS, layouts=True)
        yield judge_forward(model, x, output)
        yield judge_backward(model, x, grad_output)


def lone_loss(case: Case) -> Iterator[Verdict]:
    """A loss alone, its classes also in the middle of the axes, from any upstream gradient."""
    classes = case.random.randrange(1, 9)
    shape = case.pick([(classes,), (1, classes), (5, classes), (16, classes), (3, classes, 2)])
    name = case.pick(["MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss"])
    make_loss, target = loss(case, name, shape, ["mean", "sum", "none"])
    x = case.probabilities(shape) if name == "BCELoss" else case.array(shape, layouts=True)
    grad_output = None
    for side in SIDES.values():
        criterion = make_loss(side)
        value = np.asarray(criterion.forward(x, target))
        if grad_output is None:
            grad_output = case.array(value.shape, UPSTREAMS)
        yield judge_loss(
            criterion, x, target, value=value, grad=criterion.backward(grad_output), grad_output=grad_output
        )


def lone_optimizer(case: Case) -> Iterator[Verdict]:
    """Three steps of an optimizer on drawn parameters from drawn gradients, fourteen of RAdam, which rectifies late.

    Half are SGD and Adam with drawn options, half are rows of the tables with drawn rates.
    """
    kind, options = optimizer(case)
    if case.maybe(0.5):
        kind, options = OPTIMIZERS[case.pick(list(OPTIMIZERS))]
        options = {**options, "lr": case.pick([options.get("lr", 1.0), 0.1, 1e-3, 3.0])}
    shapes = {"Muon": [(3, 4), (5, 1)], "Adafactor": [(3, 4), (5,), (2, 3, 2)]}.get(kind, [(3, 4), (5,), (1,)])
    data = [case.array(shape) for shape in shapes]
    gradients = [[case.array(shape) for shape in shapes] for _ in range(14 if kind == "RAdam" else 3)]
    for side in SIDES.values():
        parameters = [side.Parameter(a.copy()) for a in data]
        stepper = getattr(side, kind)(parameters, **options)
        for step in gradients:
            for parameter, gradient in zip(parameters, step, strict=True):
                parameter.grad = gradient.copy()
            before = snapshot(stepper)
            stepper.step()
            yield judge_optimizer(stepper, before)


LONE: list[Callable[[Case], Iterator[Verdict]]] = [lone_op, lone_loss, lone_optimizer]


# --- counting --------------------------------------------------------------------------------------------------------


@dataclass
class Count:
    """What a number of cases came to. `alarms` holds the case and the rendered verdict of every one that was wrong."""

    nets: int = 0
    trained: int = 0
    pieces: int = 0
    numbers: int = 0
    skipped: int = 0
    alarms: list[tuple[int, str]] = field(default_factory=list)

    def add(self, index: int, verdict: Verdict) -> None:
        self.numbers += verdict.numbers
        self.skipped += verdict.skipped
        if not verdict.held:
            self.alarms.append((index, verdict.render()))

    def merge(self, other: "Count") -> None:
        self.nets += other.nets
        self.trained += other.trained
        self.pieces += other.pieces
        self.numbers += other.numbers
        self.skipped += other.skipped
        self.alarms += other.alarms


def count(seed: int, cases: Iterable[int], dtype: str) -> Count:
    """Judge the cases of a seed, on one thread. An exception gets the case's number as a note."""
    torch.set_num_threads(1)
    total = Count()
    with np.errstate(all="ignore"):
        for index in cases:
            try:
                case = Case(seed, index, dtype)
                for verdict in net(case):
                    total.add(index, verdict)
                total.nets += 1
                total.trained += index % TRAINED == 0
                if index % PIECES == 0:
                    for verdict in LONE[index // PIECES % len(LONE)](case):
                        total.add(index, verdict)
                    total.pieces += 1
            except Exception as error:
                error.add_note(f"in case {index} of seed {seed}, {dtype}")
                raise
    return total


def counts(workers: int, seed: int, cases: range, dtype: str) -> Iterator[Count]:
    """`count` of one chunk of cases after another, by this process or by several others."""
    chunks = [cases[start : start + CHUNK] for start in range(0, len(cases), CHUNK)]
    if workers == 1:
        yield from (count(seed, chunk, dtype) for chunk in chunks)
        return
    with ProcessPoolExecutor(workers, mp_context=context(), initializer=begin) as pool:
        for future in as_completed([pool.submit(count, seed, chunk, dtype) for chunk in chunks]):
            yield future.result()


def summary(total: Count, seed: int, dtype: str, seconds: float) -> str:
    share = total.skipped / max(total.numbers, 1)
    rows = {
        "nets": f"{total.nets:,} on both sides, {total.trained:,} of them trained for {STEPS} steps",
        "pieces": f"{total.pieces:,} ops, losses and optimizers alone",
        "numbers": f"{total.numbers:,}, {share:.2%} skipped because a partial result may overflow",
        "alarms": f"{len(total.alarms):,}",
        "time": f"{seconds:,.0f} s, {total.nets / seconds:,.0f} nets/s",
    }
    return "\n".join([f"{dtype}, seed {seed}", *(f"  {name:<8} {text}" for name, text in rows.items())])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m parity_tests.meta.false_alarms", description="Count the judge's false alarms."
    )
    parser.add_argument("nets", type=int, nargs="?", default=1000, help="how many nets to draw (default 1000)")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--case", type=int, help="judge this case alone")
    given = parser.parse_args(arguments)
    cases = range(given.nets) if given.case is None else range(given.case, given.case + 1)

    start, total, said = perf_counter(), Count(), 0
    for chunk in counts(given.workers, given.seed, cases, given.dtype):
        total.merge(chunk)
        for index, text in chunk.alarms:
            again = f"python -m parity_tests.meta.false_alarms --case {index} --dtype {given.dtype} --seed {given.seed}"
            print(f"ALARM in case {index}. Again: {again}\n{text}\n", flush=True)
        if total.nets - said >= len(cases) / 10:  # ten signs of life
            said = total.nets
            seconds = perf_counter() - start
            print(f"{said:,} of {len(cases):,} nets, {len(total.alarms)} alarms, {seconds:,.0f} s", file=sys.stderr)
    print(summary(total, given.seed, given.dtype, perf_counter() - start))
    return 1 if total.alarms else 0


if __name__ == "__main__":
    sys.exit(main())
