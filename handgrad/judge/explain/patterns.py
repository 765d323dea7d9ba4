"""What a wrong tensor looks like: a table of recognisers, each one sentence or None.

A recogniser claims its pattern only if it explains *every* number of the tensor within its ball, moved along.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import Ball, Float64


@dataclass(frozen=True)
class Evidence:
    """What else is known about the tensor that is wrong."""

    name: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)  # what a forgotten mean may have divided by
    others: Mapping[str, Ball] = field(default_factory=dict)  # references of the tensors beside it
    previous: npt.NDArray[np.float64] | None = None  # the tensor's value before the step
    parameter: npt.NDArray[np.float64] | None = None  # for a gradient: its parameter
    alternatives: Callable[[], Iterable[tuple[str, Ball]]] = tuple  # references of known bugs, computed on demand


def recognise(v: Float64, reference: Ball, evidence: Evidence) -> str:
    """The first pattern of the table that fits, or "unknown"."""
    with np.errstate(all="ignore"):
        for recogniser in RECOGNISERS:
            if text := recogniser(v, reference, evidence):
                return text
    return "unknown"


def fits(v: Float64, reference: Ball, factor: float = 1.0) -> bool:
    """Whether every decided number lies in `factor` times its ball, with room for the factor's own rounding."""
    if v.shape != reference.shape:
        return False
    m, r = factor * reference.mid, abs(factor) * reference.rad
    near = np.abs(v - m) <= r + 4 * reference.format.u * np.abs(m) + 2 * reference.format.eta
    return bool(np.all(near | np.isinf(r) | (np.isnan(m) & np.isnan(v))))


def _not_finite(v: Float64, reference: Ball, e: Evidence) -> str | None:
    if v.shape != reference.shape:
        return None
    bad = ~np.isfinite(v) & np.isfinite(reference.mid) & np.isfinite(reference.rad)
    if bad.any():
        return f"NaN or infinity in {int(bad.sum())} of {v.size} numbers where the reference is finite"
    return "a NaN was lost on the way" if (np.isnan(reference.mid) & ~np.isnan(v)).any() else None


def _zero(v: Float64, reference: Ball, e: Evidence) -> str | None:
    return "all zeros" if v.size and not v.any() and v.shape == reference.shape else None


def _ratio(v: Float64, reference: Ball, e: Evidence) -> str | None:
    for name, factor in _factors(e.counts):
        if fits(v, reference, factor):
            return f"constant ratio {name}"
    return None


def _factors(counts: Mapping[str, int]) -> Iterator[tuple[str, float]]:
    yield "−1", -1.0
    for name, n in counts.items():
        if n > 2:
            yield f"{name} = {n}", float(n)
            yield f"1/{name} = 1/{n}", 1 / n
    yield "2", 2.0
    yield "1/2", 0.5
    for name, n in counts.items():
        if n > 2:
            yield f"−{name} = −{n}", -float(n)
            yield f"−1/{name} = −1/{n}", -1 / n
            yield f"2/{name} = 2/{n}", 2 / n
            yield f"{name}/2 = {n}/2", n / 2


def _transpose(v: Float64, reference: Ball, e: Evidence) -> str | None:
    if v.ndim != 2 or v.shape != reference.shape[::-1]:
        return None
    return "the transpose of the reference" if fits(v.T, reference) else None


def _stale(v: Float64, reference: Ball, e: Evidence) -> str | None:
    before = e.previous
    if before is None or before.shape != v.shape:
        return None
    if np.array_equal(before, v, equal_nan=True):
        return "unchanged: the value from before the step (stale)"
    if before.any() and fits(v - before, _moved(reference, before)):
        return "accumulated: the reference plus the value from before the step"
    return None


def _swapped(v: Float64, reference: Ball, e: Evidence) -> str | None:
    for name, other in e.others.items():
        if name != e.name and other.shape == v.shape and fits(v, other):
            return f"swapped: it is the reference of {name}"
    return None


def _known_bug(v: Float64, reference: Ball, e: Evidence) -> str | None:
    """A bug explains the tensor if its own reference holds every number, and is not the right one where v is wrong."""
    for text, ball in e.alternatives():
        if fits(v, ball) and not _same_where_wrong(v, reference, ball):
            return text
    return None


def _same_where_wrong(v: Float64, reference: Ball, other: Ball) -> bool:
    wrong = ~(np.abs(v - reference.mid) <= reference.rad)
    return bool(np.all(np.abs(other.mid - reference.mid)[wrong] <= reference.rad[wrong]))


def _broadcast(v: Float64, reference: Ball, e: Evidence) -> str | None:
    """A shape with an axis too many, or numbers that repeat along an axis where the reference's do not."""
    if v.shape != reference.shape:
        if v.ndim == reference.mid.ndim + 1 and len(v) > 1 and fits(v.sum(0), reference):
            return "missing sum over the batch"
        try:
            same = np.broadcast_shapes(v.shape, reference.shape) in (v.shape, reference.shape)
        except ValueError:
            return None
        return "broadcast: the shapes differ by repeated or missing axes" if same else None
    for axis in range(v.ndim):
        repeated = np.all(v == v.take([0], axis)) if v.shape[axis] > 1 else False
        if repeated and not fits(np.broadcast_to(reference.mid.take([0], axis), v.shape), reference):
            return f"broadcast: the same numbers along axis {axis}"
    return None


def _multiple_of_parameter(v: Float64, reference: Ball, e: Evidence) -> str | None:
    w = e.parameter
    if w is None or w.shape != v.shape or v.size < 2:
        return None
    c = _slope(v - reference.mid, w)
    if c is None or not fits(v - c * w, _moved(reference, c * w)):
        return None
    return f"off by {c:.4g} × the parameter (weight decay?)"


def _any_ratio(v: Float64, reference: Ball, e: Evidence) -> str | None:
    sure = np.abs(reference.mid) > 16 * reference.rad if v.shape == reference.shape else np.zeros(0, dtype=bool)
    if np.count_nonzero(sure) < 2:
        return None
    c = _slope(v, np.where(sure, reference.mid, 0.0))
    if c is None or abs(c) < 1e-3 or abs(c) > 1e3:
        return None
    ratios = v[sure] / reference.mid[sure]
    slack = 4 * np.max(reference.rad[sure] / np.abs(reference.mid[sure])) * abs(c) + 1e-15
    return f"constant ratio {c:.6g}" if np.ptp(ratios) <= slack and fits(v, reference, c) else None


def _place(v: Float64, reference: Ball, e: Evidence) -> str | None:
    """Where the wrong numbers are, if they keep to one place of many."""
    if v.shape != reference.shape or v.size < 3:
        return None
    wrong = ~((np.abs(v - reference.mid) <= reference.rad) | ~np.isfinite(reference.rad))
    places = np.argwhere(wrong)
    if len(places) == 1:
        return "one number of the tensor only"
    for axis in range(v.ndim if v.ndim > 1 else 0):
        at = np.unique(places[:, axis])
        if len(at) == 1 and v.shape[axis] > 2:
            return f"unknown, but only at index {int(at[0])} of axis {axis}"
    return None


RECOGNISERS: tuple[Callable[[Float64, Ball, Evidence], str | None], ...] = (
    _not_finite,
    _zero,
    _ratio,
    _transpose,
    _stale,
    _swapped,
    _known_bug,
    _broadcast,
    _multiple_of_parameter,
    _any_ratio,
    _place,
)


def _moved(reference: Ball, by: Float64) -> Ball:
    """Room for the rounding of a sum of the reference and `by`."""
    return Ball(reference.mid, reference.rad + 2 * reference.format.u * np.abs(by), reference.format)


def _slope(y: Float64, x: Float64) -> float | None:
    """The c of y ≈ c·x by least squares over what is finite."""
    ok = np.isfinite(y) & np.isfinite(x)
    square = float((x[ok] ** 2).sum())
    return float((x[ok] * y[ok]).sum()) / square if square > 0 and np.isfinite(square) else None
