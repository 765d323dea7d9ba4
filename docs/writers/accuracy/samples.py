"""Ops of several numbers: value and derivatives on drawn and adversarial rows of six, against 150 digits of mpmath.

No run can cover all rows, so what it finds is a sample. A derivative is an entry of the Jacobian, ∂y_k/∂x_j: backward
is given a one-hot gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import torch

import scratch
from docs.writers.accuracy.measure import EMIN, HAND, MAX, spacing
from docs.writers.accuracy.truth import Float64, T

Rows = npt.NDArray[np.float32]
Numbers = list[Any]
mp = mpmath.mp.clone()
mp.dps = 150
WIDTH = 6
STEP = mp.mpf(10) ** -40
"""Of the central difference: its error is some 10⁻⁸⁰, that of rounding 10⁻¹¹⁰."""


def families(each: int) -> dict[str, Rows]:
    """`each` rows of every kind, float32."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(each, WIDTH))
    large = rng.normal(size=(each, WIDTH))
    large[np.arange(each), rng.integers(WIDTH, size=each)] = 100
    rows = {
        "normal": normal,
        "small": normal * 1e-3,
        "wide": normal * 30,
        "far apart": normal * 1000,
        "one large": large,
        "shifted by 1000": normal + 1000,
        "almost equal": 1 + rng.integers(-8, 9, size=(each, WIDTH)) * 2.0**-20,
        "of all sizes": rng.choice([-1, 1], size=(each, WIDTH)) * 2 ** rng.uniform(-20, 20, size=(each, WIDTH)),
    }
    return {name: np.asarray(x, np.float32) for name, x in rows.items()}


def whole(x: Any, target: Any) -> tuple[Any, ...]:
    return (x,) if target is None else (x, target)


@dataclass(frozen=True)
class Op:
    """An op with its options, and what it computes of one row."""

    kind: str
    formula: Callable[[Numbers], Numbers]
    options: dict[str, Any] = field(default_factory=dict)
    target: Any = None
    """Of one row."""
    arguments: Callable[[Any, Any], tuple[Any, ...]] = whole
    """What forward is given, of rows and targets."""
    rows: Callable[[Rows], Rows] = lambda x: x
    """What of the drawn rows the op takes."""
    turned: bool = False
    """A row is a channel, its numbers are samples."""

    def made(self, library: Any, rows: int) -> Any:
        """The module or loss, for so many rows."""
        options = dict(self.options)
        if self.target is not None:
            options["reduction"] = "none"
        if self.turned:
            options["num_features"] = rows
        return getattr(library, self.kind)(**options)

    def inputs(self, x: Any, of: Callable[[Any], Any]) -> tuple[Any, ...]:
        """What forward is given; `of` makes a target the library's own."""
        kind = np.int64 if isinstance(self.target, int) else np.float32
        target = None if self.target is None else of(np.array([self.target] * len(x), kind))
        return self.arguments(x.T if self.turned else x, target)

    def table(self, y: Any) -> Any:
        """Results of each row beside each other."""
        return y.T if self.turned else y.reshape(len(y), -1)

    def one_hot(self, k: int, y: Any) -> Rows:
        """The gradient that asks for the derivatives of the k-th result of each row."""
        g = np.zeros(tuple(self.table(y).shape), np.float32)
        g[:, k] = 1
        return np.ascontiguousarray(g.T if self.turned else g.reshape(tuple(y.shape)))


def softmax(x: Numbers) -> Numbers:
    e = [mp.exp(v - max(x)) for v in x]
    return [v / mp.fsum(e) for v in e]


def log_softmax(x: Numbers) -> Numbers:
    total = mp.log(mp.fsum(mp.exp(v - max(x)) for v in x)) + max(x)
    return [v - total for v in x]


def standardized(x: Numbers) -> Numbers:
    mean = mp.fsum(x) / len(x)
    variance = mp.fsum((v - mean) ** 2 for v in x) / len(x)
    return [(v - mean) / mp.sqrt(variance + mp.mpf(1e-5)) for v in x]


def rms(x: Numbers) -> Numbers:
    r = mp.sqrt(mp.fsum(v * v for v in x) / len(x) + mp.mpf(1e-5))
    return [v / r for v in x]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def halves(gate: Callable[[Any, Any], Any]) -> Callable[[Numbers], Numbers]:
    return lambda x: [gate(a, b) for a, b in zip(x[: WIDTH // 2], x[WIDTH // 2 :], strict=True)]


def gaussian(x: Any, v: Any) -> Any:
    v = max(v, mp.mpf(1e-6))
    return (mp.log(v) + (x - mp.mpf(T)) ** 2 / v) / 2


def cosine(x: Numbers) -> Numbers:
    a, b = x[: WIDTH // 2], x[WIDTH // 2 :]
    lengths = [mp.fsum(v * v for v in part) + mp.mpf(1e-12) for part in (a, b)]
    return [1 - mp.fsum(p * q for p, q in zip(a, b, strict=True)) / mp.sqrt(lengths[0] * lengths[1])]


def multi_label(x: Numbers) -> Numbers:
    return [mp.fsum(mp.log1p(mp.exp(-v if i % 2 == 0 else v)) for i, v in enumerate(x)) / WIDTH]


def smoothed(x: Numbers) -> Numbers:
    log_p = log_softmax(x)
    return [-(mp.mpf(0.9) * log_p[0] + mp.mpf(0.1) * mp.fsum(log_p) / WIDTH)]


def pair(x: Any, target: Any) -> tuple[Any, ...]:
    return x[:, : WIDTH // 2], x[:, WIDTH // 2 :], target


def with_variance(x: Any, target: Any) -> tuple[Any, ...]:
    return x[:, : WIDTH // 2], target, x[:, WIDTH // 2 :]


OPS: dict[str, Op] = {
    "Softmax": Op("Softmax", softmax, {"dim": -1}),
    "Softmin": Op("Softmin", lambda x: softmax([-v for v in x]), {"dim": -1}),
    "LogSoftmax": Op("LogSoftmax", log_softmax, {"dim": -1}),
    "LayerNorm": Op("LayerNorm", standardized, {"normalized_shape": WIDTH}),
    "RMSNorm": Op("RMSNorm", rms, {"normalized_shape": WIDTH, "eps": 1e-5}),
    "GroupNorm": Op(
        "GroupNorm",
        lambda x: [*standardized(x[: WIDTH // 2]), *standardized(x[WIDTH // 2 :])],
        {"num_groups": 2, "num_channels": WIDTH},
    ),
    "BatchNorm1d": Op("BatchNorm1d", standardized, turned=True),
    "GLU": Op("GLU", halves(lambda a, b: a * sigmoid(b)), {"dim": -1}),
    "SwiGLU": Op("SwiGLU", halves(lambda a, b: a * sigmoid(a) * b), {"dim": -1}),
    "CrossEntropyLoss": Op("CrossEntropyLoss", lambda x: [-log_softmax(x)[0]], target=0),
    "CrossEntropyLoss, smoothed": Op("CrossEntropyLoss", smoothed, {"label_smoothing": 0.1}, target=0),
    "MultiLabelSoftMarginLoss": Op("MultiLabelSoftMarginLoss", multi_label, target=[1.0, 0.0] * (WIDTH // 2)),
    "GaussianNLLLoss": Op(
        "GaussianNLLLoss",
        halves(gaussian),
        target=[T] * (WIDTH // 2),
        arguments=with_variance,
        rows=lambda x: np.concatenate([x[:, : WIDTH // 2], np.maximum(np.abs(x[:, WIDTH // 2 :]), 2e-6)], 1),
    ),
    "CosineEmbeddingLoss": Op("CosineEmbeddingLoss", cosine, target=1.0, arguments=pair),
}


def true(formula: Callable[[Numbers], Numbers], x: Numbers) -> tuple[Float64, Float64]:
    """Values (m,) and the Jacobian (m, n) of one row, in float64: right to 2⁻⁵³ of themselves."""
    values = np.array([float(v) for v in formula(x)])
    columns = []
    for j, v in enumerate(x):
        more, less = (formula([*x[:j], v + h, *x[j + 1 :]]) for h in (STEP, -STEP))
        columns.append([float((a - b) / (2 * STEP)) for a, b in zip(more, less, strict=True)])
    return values, np.array(columns).T


Result = tuple[Float64, Float64]
"""Values (R, m) and Jacobians (R, m, n) of the rows."""


def hand_written(op: Op, x: Rows) -> Result:
    made, inputs, columns = op.made(scratch, len(x)), op.inputs(x, np.asarray), []
    with np.errstate(all="ignore"):
        y = made.forward(*inputs)
        for k in range(op.table(y).shape[1]):
            made.forward(*inputs)
            grad = made.backward(op.one_hot(k, y))
            columns.append(np.concatenate(grad, 1) if isinstance(grad, tuple) else op.table(grad))
    return np.asarray(op.table(y), np.float64), np.stack(columns, 1).astype(np.float64)


def by_pytorch(op: Op, x: Rows) -> Result:
    z = torch.from_numpy(x).requires_grad_()
    y = op.made(torch.nn, len(x))(*op.inputs(z, torch.from_numpy))
    columns = []
    for k in range(op.table(y).shape[1]):
        (grad,) = torch.autograd.grad(y, z, torch.from_numpy(op.one_hot(k, y)), retain_graph=True)
        columns.append(grad.numpy())
    return op.table(y).detach().double().numpy(), np.stack(columns, 1).astype(np.float64)


SIDES: dict[str, Callable[[Op, Rows], Result]] = {HAND: hand_written, "PyTorch float32": by_pytorch}
PARTS = ("value", "derivative")
GOAL = 4


def measure(op: Op, each: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Side → value and derivative → numbers, worst error in ulp and in which family, its mean, and how many are lost
    (off by half of themselves) or missed (off by more than 4 ulp, and than four times what half an ulp of all inputs
    moves). Only what is a normal number of float32 is counted.
    """
    sides = [side for side in SIDES if side == HAND or hasattr(torch.nn, op.kind)]
    found = {side: {part: Counts() for part in PARTS} for side in sides}
    for family, drawn in families(each).items():
        rows = op.rows(drawn)
        exact = Exact(op.formula, rows)
        for side in sides:
            for i, given in enumerate(SIDES[side](op, rows)):
                found[side][PARTS[i]].add(family, given, exact, i)
    return {side: {part: counts.kept() for part, counts in parts.items()} for side, parts in found.items()}


class Exact:
    """What is true of the rows, and how far each truth moves when every input goes half an ulp."""

    def __init__(self, formula: Callable[[Numbers], Numbers], rows: Rows) -> None:
        self.formula, self.rows = formula, rows.astype(np.float64)
        each = [true(formula, [mp.mpf(v) for v in row]) for row in self.rows]
        self.of = np.stack([values for values, _ in each]), np.stack([jacobian for _, jacobian in each])
        self.moved = cache(self._moved)

    def _moved(self, r: int) -> Result:
        """The sum over the inputs of row r, of values and Jacobian; asked of few rows, since it is dear."""
        x = self.rows[r]
        total = [np.zeros_like(truth[r]) for truth in self.of]
        for j, half in enumerate(spacing(x, "float32") / 2):
            there = [mp.mpf(v + half * (i == j)) for i, v in enumerate(x)]
            for i, truth in enumerate(true(self.formula, there)):
                total[i] += np.abs(truth - self.of[i][r])
        return total[0], total[1]


@dataclass
class Counts:
    """The errors of one side's values or derivatives so far."""

    numbers: int = 0
    worst: float = 0.0
    family: str = ""
    ulps: float = 0.0
    lost: int = 0
    missed: int = 0

    def add(self, family: str, given: Float64, exact: Exact, part: int) -> None:
        truth = exact.of[part]
        size, unit, error = np.abs(truth), spacing(truth, "float32"), np.abs(given - truth)
        error[np.isnan(error)] = np.inf
        normal = (size >= 2.0 ** EMIN["float32"][0]) & (size <= MAX["float32"])
        ulps = np.where(normal, error / unit, 0)
        if ulps.max() > self.worst:
            self.worst, self.family = float(ulps.max()), family
        self.numbers += int(normal.sum())
        self.ulps += float(ulps[np.isfinite(ulps)].sum())
        over = ulps > GOAL
        self.lost += int((over & (error >= size / 2)).sum())
        for r in np.flatnonzero(over.reshape(len(over), -1).any(1)):
            allowed = np.maximum(GOAL * unit[r], 4 * exact.moved(r)[part])
            self.missed += int((over[r] & (error[r] > allowed)).sum())

    def kept(self) -> dict[str, Any]:
        """What the data keep: errors to three digits."""
        worst, mean = (float(f"{v:.3g}") for v in (self.worst, self.ulps / max(self.numbers, 1)))
        return {"worst": worst, "in": self.family, "mean": mean, "numbers": self.numbers} | {
            name: getattr(self, name) for name in ("lost", "missed")
        }


def samples(each: int = 40) -> dict[str, Any]:
    """What `each` rows of every family show."""
    return {"rows": each, "families": list(families(1)), "ops": {name: measure(op, each) for name, op in OPS.items()}}
