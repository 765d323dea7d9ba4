"""Functions of balls that several losses need: exponential, logarithm, softplus, sums in any order, choices."""

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import EXP, LOG, WIDEN, Ball, Float64, Numbers, settle

Mask = npt.NDArray[np.bool_]


def exp(x: Ball) -> Ball:
    """eˣ: inside the ball it moves by at most e^m (e^r − 1); 8u for the library, τ where one flushes."""
    f = x.format
    mid = np.exp(x.mid)
    p = mid * np.expm1(x.rad) * WIDEN
    rad = p + EXP * f.u * (mid + p) + f.tau
    return settle(f, mid, rad, mid + rad)


def log(x: Ball) -> Ball:
    """log x, at both ends of x's interval, and 8u. Undecided where 0 may be inside; NaN for what is surely negative."""
    f = x.format
    low = (x.mid - x.rad) * (1 - 2.0**-52)
    high = (x.mid + x.rad) * (1 + 2.0**-52)
    certain = (low > 0) | (high < 0) | np.isnan(x.mid)
    mid, top, bottom = np.log(x.mid), np.log(high), np.log(low)
    rad = np.where(x.rad > 0, np.maximum(top - mid, mid - bottom), 0.0)
    rad = rad + LOG * f.u * (np.abs(mid) + rad)
    rad = np.where(certain, rad, np.inf)
    return settle(f, np.where(certain, mid, 0.0), rad, np.abs(mid) + rad)


def softplus(x: Ball) -> Ball:
    """T = log(1 + eˣ): its slope σ grows, so inside the ball it moves by at most r σ(m + r). Two forms are in use.

    - max(x, 0) + log1p(e^−|x|) with s = log1p(e^−|x|): the 8u of exp reach s as 8u e^−|x|/(1 + e^−|x|) ≤ 8u s, then 8u
      of log1p and one addition: at most 17u T.
    - log1p(eˣ): the 8u of exp reach T as 8u σ(x), and σ(x) ≤ T for x ≤ 0, ≤ T/log 2 for x > 0: 12u T; log1p: 8u T.

    22u T covers both, τ an exponential that is flushed. The second form overflows with eˣ; see `SoftMarginLoss`.
    """
    f = x.format
    mid = np.maximum(x.mid, 0) + np.log1p(np.exp(-np.abs(x.mid)))
    end = x.mid + x.rad
    slope = np.where(end >= 0, 1.0, np.exp(np.minimum(end, 0.0)))
    p = x.rad * slope * WIDEN
    rad = p + 22 * f.u * (mid + p) + f.tau
    return settle(f, mid, rad, mid + rad + x.reach)


def total(*terms: Ball) -> Ball:
    """Σ of a few balls in any order."""
    f = terms[0].format
    mids = np.broadcast_arrays(*(t.mid for t in terms))
    rads = np.broadcast_arrays(*(t.rad for t in terms))
    return Ball(np.stack(mids), np.stack(rads), f).sum(axis=0)


def three(a: Ball, b: Ball, c: Ball) -> Ball:
    """a + b + c in any order: the sum of two is rounded, which costs u of the largest such sum, then the whole.

    Where all three sums of two are exact, in whatever order, only the last addition rounds; it keeps the sign, and a
    sum that is exactly 0 has radius 0. So a hinge that stands exactly at its kink is decided.
    """
    f = a.format
    pairs = [(a.mid, b.mid), (a.mid, c.mid), (b.mid, c.mid)]
    exact: Mask = np.asarray(True)
    size: Float64 = np.asarray(0.0)
    for x, y in pairs:
        exact, size = exact & _fits(x, y, f.numbers), np.maximum(size, np.abs(x + y))
    p = a.rad + b.rad + c.rad
    p = (p + np.where(exact & (p == 0), 0.0, f.u * (size + p))) * WIDEN
    mid = _best(a.mid, b.mid, c.mid)
    rad = p + f.u * (np.abs(mid) + p)
    poison = 0 * a.mid + 0 * b.mid + 0 * c.mid  # two-sum makes NaN of an overflow
    return settle(f, mid, rad, np.maximum(size + p, np.abs(mid) + rad), poison)


def relu(x: Ball) -> Ball:
    """max(x, 0), exact: an interval's image is an interval."""
    return Ball(np.maximum(x.mid, 0), np.fmin(x.rad, np.maximum(x.mid + x.rad, 0)), x.format)


def step(x: Ball, at_zero: float) -> Ball:
    """The slope of max(x, 0): 1 where x > 0, 0 where x < 0, `at_zero` at an exact 0; undecided where 0 is inside."""
    mid = np.where(x.mid > 0, 1.0, np.where(x.mid == 0, at_zero, 0.0))
    rad = np.where((np.abs(x.mid) <= x.rad) & (x.rad > 0), 1.0, 0.0)
    rad = np.where(np.isnan(x.mid) | np.isinf(x.rad), np.inf, rad)
    return Ball(mid, rad, x.format)


def choose(first: Mask, open_: Mask, a: Ball, b: Ball) -> Ball:
    """`a` where `first`, else `b`; where `open_` a ball around both."""
    mid = np.where(first, a.mid, b.mid)
    rad = np.where(first, a.rad, b.rad)
    gap = np.abs(a.mid - b.mid)
    both = np.maximum(rad, gap + np.where(first, b.rad, a.rad))
    lost = open_ & np.isnan(gap)
    rad = np.where(open_, np.where(lost, np.inf, both), rad)
    return Ball(np.where(lost, 0.0, mid), rad, a.format)


def wider(b: Ball, extra: Float64 | float) -> Ball:
    return Ball(b.mid, np.asarray(b.rad + extra), b.format)


def _fits(x: Float64, y: Float64, numbers: Numbers) -> Mask:
    """Whether x + y is a number of the format: Knuth's two-sum has no remainder, and rounding to it changes nothing."""
    s, error = _two_sum(x, y)
    fits: Mask = (error == 0) & (numbers.round(s) == s)
    return fits


def _best(x: Float64, y: Float64, z: Float64) -> Float64:
    """x + y + z with what the additions lose put back: right to one rounding, and 0 exactly where the sum is 0."""
    s, lost = _two_sum(x, y)
    s, last = _two_sum(s, z)
    return np.asarray(s + (lost + last))


def _two_sum(x: Float64, y: Float64) -> tuple[Float64, Float64]:
    s = x + y
    part = s - x
    return s, (x - (s - part)) + (y - part)
