"""What samples say: medians with intervals that assume nothing about how times are distributed, and fits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Samples = Sequence[Sequence[float]]
"""By process, by round. A dirty block's time is kept too, and is negative."""


@dataclass(frozen=True)
class Estimate:
    """A median and its 95 % interval; `clean` where disturbed blocks had no part in it."""

    value: float
    low: float
    high: float
    clean: bool = True


def median_interval(samples: Sequence[float] | Floats, level: float = 0.95) -> tuple[float, float]:
    """The interval of the median from order statistics, whatever the distribution.

    The number of samples below the true median is binomial(n, ½). With k the largest rank for which
    P(fewer than k) ≤ (1 − level)/2, the k-th smallest and the k-th largest sample enclose it. (0, ∞) for too few.
    Source: Conover, Practical Nonparametric Statistics (3rd ed.), section 3.2.
    """
    ordered, n = np.sort(np.asarray(samples, np.float64)), len(samples)
    rank, below = 0, 1
    while 2 * below <= (1 - level) * 2**n:
        rank += 1
        below += math.comb(n, rank)
    return (float(ordered[rank - 1]), float(ordered[n - rank])) if rank else (0.0, math.inf)


def time_of(samples: Samples, level: float = 0.95) -> Estimate | None:
    """The median of the clean samples; of all samples where no process has enough clean ones. None for too few.

    The interval spans those of the single processes: what differs from one start to the next, the place of arrays in
    memory above all, differs more than the blocks of one process do.
    """
    return _estimate([(np.abs(process), np.asarray(process) > 0) for process in samples], level)


def ratio_of(a: Samples, b: Samples, level: float = 0.95) -> Estimate | None:
    """The median ratio a / b of blocks of the same round; what is said of `time_of` holds here too."""
    pairs = [(np.asarray(p), np.asarray(q)) for p, q in zip(a, b, strict=False) if len(p) == len(q)]
    return _estimate([(np.abs(p / q), (p > 0) & (q > 0)) for p, q in pairs], level)


def fewest(level: float) -> int:
    """Samples of which at least the smallest and the largest enclose the median: with n of them, 1 − 2 · 2⁻ⁿ of all."""
    return math.ceil(1 - math.log2(1 - level))


def _estimate(processes: list[tuple[Floats, npt.NDArray[np.bool_]]], level: float) -> Estimate | None:
    enough = fewest(level)
    pure = [values[clean] for values, clean in processes if np.count_nonzero(clean) >= enough]
    used = pure or [values for values, _ in processes if len(values) >= enough]
    if not used:
        return None
    ends = [median_interval(values, level) for values in used]
    value = float(np.median(np.concatenate(used)))
    return Estimate(value, min(low for low, _ in ends), max(high for _, high in ends), bool(pure))


def verdict_of(ratio: Estimate | None, above: str, below: str) -> str:
    """Who is faster; "not distinguishable" where the interval holds 1."""
    if ratio is None:
        return "not measured"
    if ratio.low > 1:
        return above
    return below if ratio.high < 1 else "not distinguishable"


def line(x: Sequence[float], y: Sequence[float]) -> tuple[Estimate, Estimate]:
    """Slope and intercept of the least-squares line through logarithms or other numbers, with 95 % intervals.

    Student's t with n − 2 degrees of freedom on the residuals: the interval says how far from a line the points are.
    """
    from scipy import stats

    fit = stats.linregress(np.asarray(x, np.float64), np.asarray(y, np.float64))
    t = stats.t.ppf(0.975, len(x) - 2) if len(x) > 2 else math.inf
    slope, intercept = float(fit.slope), float(fit.intercept)
    reach, offset = t * float(fit.stderr), t * float(fit.intercept_stderr)
    return Estimate(slope, slope - reach, slope + reach), Estimate(intercept, intercept - offset, intercept + offset)


def costs(counts: npt.ArrayLike, seconds: Sequence[float]) -> Floats:
    """c ≥ 0 of t = counts · c: what one of each thing that is counted, a column each, costs in seconds.

    Weighted by 1/t, so that small nets count as much as large ones.
    """
    from scipy.optimize import nnls

    t = np.asarray(seconds, np.float64)
    found, _ = nnls(np.asarray(counts, np.float64) / t[:, np.newaxis], np.ones(len(t)))
    return np.asarray(found, np.float64)


def overhead_and_rate(flops: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """a ≥ 0 and b ≥ 0 of t = a + b · flops: seconds that a call costs whatever its size, seconds per operation."""
    a, b = costs([(1, f) for f in flops], seconds)
    return float(a), float(b)
