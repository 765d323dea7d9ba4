"""One side's value and derivative of one op at many inputs, and how far they are from the truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import scratch
from docs.writers.accuracy.truth import Float64, Function, Row

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
EMIN = {"float32": (-126, 23), "bfloat16": (-126, 7), "float16": (-14, 10)}
"""Of a format the exponent of its smallest normal number, and the bits behind the leading one."""
MAX = {name: float(torch.finfo(dtype).max) for name, dtype in FORMATS.items()}


def spacing(m: Float64, form: str) -> Float64:
    """The distance from |m| to the next number of the format, an ulp: 2 to the exponent of m, less the format's bits.

    In the bits of a float64 the exponent stands above 52 digits and is 1023 too large; the sign is above it.
    """
    least, bits = EMIN[form]
    exponent = (m.view(np.int64) >> 52) & 0x7FF
    return np.asarray(((np.maximum(exponent, least + 1023) - bits) << 52).view(np.float64))


@dataclass
class Tally:
    """The errors of one side's value or derivative over the inputs seen so far, in ulp of a truth that is normal."""

    inputs: int = 0
    ulps: float = 0.0  # their sum
    worst: float = 0.0
    at: float = 0.0
    lost: int = 0
    missed: int = 0
    missed_at: float = 0.0
    denormal: float = 0.0
    """The worst error in spacings where the truth is denormal."""
    by_exponent: dict[int, float] = field(default_factory=dict)
    """Exponent of |x|, twice, plus 1 where x < 0 → worst error in ulp."""

    def add(self, other: "Tally") -> None:
        if other.worst > self.worst:
            self.worst, self.at = other.worst, other.at
        if other.missed and not self.missed:
            self.missed_at = other.missed_at
        self.inputs, self.ulps = self.inputs + other.inputs, self.ulps + other.ulps
        self.lost, self.missed = self.lost + other.lost, self.missed + other.missed
        self.denormal = max(self.denormal, other.denormal)
        for key, error in other.by_exponent.items():
            self.by_exponent[key] = max(error, self.by_exponent.get(key, 0.0))

    @property
    def mean(self) -> float:
        return self.ulps / self.inputs if self.inputs else 0.0


def tally(x: Float64, given: Float64, f: Function, form: str, zeros: tuple[float, ...] = (), goal: float = 4) -> Tally:
    """Errors in ulp of the truth; ∞ where the truth is a number and NaN or ∞ is given.

    Missed is the goal: 4 ulp, and within a quarter of a zero of f four times what half an ulp of x does to f, where
    that is more. Lost is a number that is off by half of itself or more. Neither is asked of a denormal truth.
    """
    least, _ = EMIN[form]
    with np.errstate(all="ignore"):
        truth = f(x)
        size = np.abs(truth)
        if not (take := size <= MAX[form]).all():
            x, given, truth, size = x[take], given[take], truth[take], size[take]
        found = Tally(int(x.size))
        if not x.size:
            return found
        unit = spacing(truth, form)
        error = np.abs(given - truth)
        if np.isnan(error.max()):
            error[np.isnan(error)] = np.inf
        ulps = error / unit
    if not (normal := size >= 2.0**least).all():
        found.denormal = float(ulps[~normal].max())
        ulps[~normal] = 0.0
    worst = int(np.argmax(ulps))
    found.worst, found.at = float(ulps[worst]), float(x[worst])
    found.ulps = float(ulps.sum() if np.isfinite(found.worst) else ulps[np.isfinite(ulps)].sum())
    if found.worst > goal:
        over = np.flatnonzero(ulps > goal)
        allowed = _allowed(x[over], truth[over], unit[over], f, form, zeros, goal)
        share = error[over] / allowed
        found.missed = int(np.count_nonzero(share > 1))
        if found.missed:
            found.missed_at = float(x[over][np.argmax(share)])
        found.lost = int(np.count_nonzero(error[over] >= size[over] / 2))  # a normal number has 2⁷ ulp and more
    # Neighbours have one exponent: the worst of each run of numbers.
    exponent = np.maximum(((x.view(np.int64) >> 52) & 0x7FF) - 1023, least - 1)
    starts = np.flatnonzero(np.diff(2 * exponent + (x < 0), prepend=-(2**20)))
    for start, error_there in zip(starts, np.maximum.reduceat(ulps, starts), strict=True):
        if error_there:
            key = int(2 * exponent[start] + (x[start] < 0))
            found.by_exponent[key] = max(float(error_there), found.by_exponent.get(key, 0.0))
    return found


def _allowed(
    x: Float64, truth: Float64, unit: Float64, f: Function, form: str, zeros: tuple[float, ...], goal: float
) -> Float64:
    """The goal in numbers."""
    allowed = goal * unit
    for zero in zeros:
        near = np.abs(x - zero) < 0.25
        half = spacing(x[near], form) / 2
        moved = np.maximum(np.abs(f(x[near] + half) - truth[near]), np.abs(f(x[near] - half) - truth[near]))
        allowed[near] = np.maximum(allowed[near], 4 * moved)
    return allowed


Side = Callable[[Row, npt.NDArray[np.float32]], tuple[Float64, Float64]]


def hand_written(row: Row, x: npt.NDArray[np.float32]) -> tuple[Float64, Float64]:
    made: Any = getattr(scratch, row.kind)
    with np.errstate(all="ignore"):
        if row.target is None:
            module = made(**row.arguments)
            value, slope = module.forward(x), module.backward(np.ones_like(x))
        else:
            loss = made(reduction="none", **row.arguments)
            value = loss.forward(x, np.full_like(x, row.target))
            slope = loss.backward(np.ones_like(value))
    return value.astype(np.float64), slope.astype(np.float64)


def pytorch(form: str) -> Side:
    """PyTorch's own op on the CPU in that format, its derivative by autograd; x are numbers of the format."""

    def side(row: Row, x: npt.NDArray[np.float32]) -> tuple[Float64, Float64]:
        made: Any = getattr(torch.nn, row.kind)
        dtype = FORMATS[form]
        z = torch.from_numpy(x).to(dtype).requires_grad_()
        if row.target is None:
            y = made(**row.arguments).to(dtype)(z)
        else:
            y = made(reduction="none", **row.arguments)(z, torch.full_like(z, row.target, requires_grad=False))
        y.backward(torch.ones_like(y))
        assert z.grad is not None
        return y.detach().double().numpy(), z.grad.double().numpy()

    return side


HAND = "hand-written float32"
SIDES: dict[str, tuple[str, Side]] = {
    HAND: ("float32", hand_written),
    "PyTorch float32": ("float32", pytorch("float32")),
    "PyTorch bfloat16": ("bfloat16", pytorch("bfloat16")),
    "PyTorch float16": ("float16", pytorch("float16")),
}
"""Name → the format of its numbers, and what computes."""


def measured(row: Row, side: str, x: npt.NDArray[np.float32]) -> dict[str, Tally]:
    """Value and derivative of one side at the finite x in the row's domain."""
    form, compute = SIDES[side]
    low, high = row.domain
    x = x[np.isfinite(x) & (x >= low) & (x <= high)]
    value, slope = compute(row, x)
    wide = x.astype(np.float64)
    return {
        "value": tally(wide, value, row.value, form, row.roots),
        "derivative": tally(wide, slope, row.slope, form, row.zeros),
    }


def all_of_16_bits(form: str) -> npt.NDArray[np.float32]:
    """Every number of bfloat16 or float16, as float32."""
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    return np.asarray(bits.view(FORMATS[form]).float().numpy())


def strided(step: int, start: int = 0, stop: int = 2**32) -> npt.NDArray[np.float32]:
    """Every `step`th of the 2³² float32 numbers, by their bits, from `start` to before `stop`."""
    return np.arange(start, stop, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
