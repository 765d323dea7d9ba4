"""Derivatives from function values alone, each with an estimate of its own error, and the kinks on the way.

For one direction e and output k let f_k(t) be the output at x + t e. At steps h_i = h_0 / 2^i

    D_i = (f(h_i) − f(−h_i)) / 2h_i = f′ + c_2 h_i² + c_4 h_i⁴ + …       (central difference)
    F_i = (f(h_i) − f(0)) / h_i     = f′₊ + b_1 h_i + b_2 h_i² + …       (from above; B_i from below)

and Richardson's tableau T_{i,m} = (q^m T_{i,m−1} − T_{i−1,m−1}) / (q^m − 1), with q = 4 for D and q = 2 for F and B,
removes one power of h in each column (Ridders, *Advances in Engineering Software* 4 (1982) 75).

**How sure.** Truncation: T_{i,m} is better than T_{i,m−1} and T_{i−1,m−1}, so the larger distance to these two bounds
its error as soon as the expansion converges. Rounding: if every value of f is off by at most ν, D_i is off by ν/h_i and
F_i by 2ν/h_i; a column multiplies that by at most (q^m + 1)/(q^m − 1), all columns together by less than 2 for q = 4
and less than 8.3 for q = 2. The entry with the smallest sum of both is the answer, and that sum is its uncertainty.

**Where the expansion does not converge** both bounds mean nothing, so it is looked at first. Towards smaller h, |D_i −
D_{i−1}| must fall (by 4 in the limit; by 2 is asked) and so must the second difference |F_i − B_i| (by 2 in the limit;
by 4/3 is asked), or both be lost in the rounding. Only the finest steps that all do so are used, at least three of
them. Where fewer do, either F and B converge each for itself, to different limits: a kink, of which the limits are
known; or nothing is claimed.

**How many steps.** The longest come first, and the shortest. Where the long ones all but reach their own rounding, and
the shortest shows the same slope and no kink, steps between could only add rounding, and are not taken.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import Float64

Flags = npt.NDArray[np.bool_]

LEVELS = 12
STAGES = (3, 5, LEVELS)  # of these, the longest that may do: for what is linear or quadratic, for what is smooth
SPANS = (-4, -15)  # log2 of the first step of each attempt, in units of max(1, |x|); the second looks closer
COLUMNS = 5  # of the tableau, the first one included
FEWEST = 3  # steps on which convergence can be seen

# γ_m = (m!)² / (2m)!: the variance of an m-th difference of independent errors, inverted.
NOISE_ORDERS = {m: math.factorial(m) ** 2 / math.factorial(2 * m) for m in (5, 6, 7, 8)}
NOISE_FACTOR = 4  # Moré and Wild find their estimate to be right within a factor of 4
NOISE_STEP = 2.0**-16


@dataclass(frozen=True)
class Slopes:
    """∂f_k/∂t per direction (rows) and output (columns): `value` ± `error`, or at a kink `low` and `high`."""

    value: Float64
    error: Float64  # inf where nothing is claimed
    kink: Flags
    low: Float64
    high: Float64
    ends: Float64  # the error of both at a kink


def slopes(f: Callable[[int, float], tuple[float, Float64]], at: Float64, scale: Float64, noise: Float64) -> Slopes:
    """Slopes of f along len(scale) directions.

    `f(j, t)` gives the step really taken (in the working format) and the outputs (K,) after a step t along direction j;
    `at` are the outputs (K,) at 0, `noise` a bound (K,) on their error, `scale` the unit of the steps.
    """
    answer = _attempt(f, at, np.arange(len(scale)), scale, noise, SPANS[0])
    which = np.flatnonzero(~np.isfinite(answer.error).all(axis=1))
    if which.size:
        closer = _attempt(f, at, which, scale, noise, SPANS[1])
        new = np.isfinite(closer.error) | (closer.kink & ~answer.kink[which])
        new &= ~np.isfinite(answer.error[which])
        _put(answer, which, closer, new)
    return answer


def surer(one: Slopes, other: Slopes) -> Slopes:
    """`one`, as sure as two ladders of steps are together.

    Where rounding leaves few long steps, the columns of one tableau may by chance lie close to each other and far from
    the limit. Those of another ladder hardly do so at the same place: the interval is made to hold the other one.
    """
    apart = np.abs(one.value - other.value) + np.maximum(one.error, other.error)
    return replace(one, error=np.where(np.isfinite(one.error) & np.isfinite(apart), apart, one.error))


def _attempt(
    f: Callable[[int, float], tuple[float, Float64]],
    at: Float64,
    which: npt.NDArray[np.intp],
    scale: Float64,
    noise: Float64,
    start: int,
) -> Slopes:
    steps = Steps(at, *np.empty((2, len(which), LEVELS, 1)), *np.empty((2, len(which), LEVELS, at.size)))

    def take(row: int, levels: Iterable[int]) -> None:
        j = which[row]
        for level in levels:
            h = scale[j] * 2.0 ** (start - level)
            steps.ahead[row, level], steps.up[row, level] = f(int(j), h)
            steps.behind[row, level], steps.down[row, level] = f(int(j), -h)

    answer = Slopes(*(np.empty((len(which), at.size), kind) for kind in (float, float, bool, float, float, float)))
    rest, taken = np.arange(len(which)), 0
    for levels in STAGES:
        for row in map(int, rest):
            take(row, [*range(taken, min(levels, LEVELS - 1)), *([] if taken else [LEVELS - 1])])
        part, taken = steps.part(rest), levels
        found = _limits(part, levels, noise)
        _put(answer, rest, found)
        rest = rest[~_settled(found, part, levels, noise)] if levels < LEVELS else rest[:0]
        if not rest.size:
            break
    return answer


@dataclass(frozen=True)
class Steps:
    """The steps taken, (directions, levels, 1) either way, and the outputs after each, (directions, levels, K)."""

    at: Float64
    ahead: Float64
    behind: Float64
    up: Float64
    down: Float64

    def part(self, rows: npt.NDArray[np.intp]) -> "Steps":
        return Steps(self.at, *(a[rows] for a in (self.ahead, self.behind, self.up, self.down)))


def _put(answer: Slopes, rows: npt.NDArray[np.intp], better: Slopes, where: Flags | None = None) -> None:
    for name in ("value", "error", "kink", "low", "high", "ends"):
        old, new = getattr(answer, name), getattr(better, name)
        old[rows] = new if where is None else np.where(where, new, old[rows])


def _settled(found: Slopes, steps: Steps, levels: int, noise: Float64) -> Flags:
    """Of which directions the longest steps say all that can be known."""
    up, down, ahead, behind = (a[:, [levels - 1, -1]] for a in (steps.up, steps.down, steps.ahead, steps.behind))
    gap = np.abs((up - steps.at) / ahead - (down - steps.at) / behind)
    wide, far = np.moveaxis(2 * noise / (ahead - behind), 1, 0)
    slope = (up - down)[:, 1] / (ahead - behind)[:, 1]
    falls = gap[:, 1] <= 0.75 ** (LEVELS - levels) * gap[:, 0] + 6 * far
    return np.asarray(((found.error <= 4 * wide) & (np.abs(slope - found.value) <= found.error + far) & falls).all(1))


def _limits(steps: Steps, levels: int, noise: Float64) -> Slopes:
    """What the longest steps converge to."""
    up, down, ahead, behind = (a[:, :levels] for a in (steps.up, steps.down, steps.ahead, steps.behind))
    at = steps.at
    central, forward, backward = (up - down) / (ahead - behind), (up - at) / ahead, (down - at) / behind
    unit = noise / (ahead - behind) * 2
    gap = forward - backward
    clean = _falls(np.abs(np.diff(central, axis=1)), 0.5, 3 * unit[:, 1:]) & _falls(np.abs(gap), 0.75, 6 * unit)[:, 1:]
    value, error = _tableau(central, clean, 4.0, 2 * unit)
    error = error + _jump(gap) / 2
    if np.isfinite(error).all():  # no side is asked by itself
        nowhere = np.zeros(error.shape, bool)
        return Slopes(value, error, nowhere, value, value, np.full(error.shape, np.inf))
    above, error_above = _tableau(
        forward, _falls(np.abs(np.diff(forward, axis=1)), 0.75, 6 * unit[:, 1:]), 2.0, 16.6 * unit
    )
    below, error_below = _tableau(
        backward, _falls(np.abs(np.diff(backward, axis=1)), 0.75, 6 * unit[:, 1:]), 2.0, 16.6 * unit
    )
    sides = np.isfinite(error_above) & np.isfinite(error_below) & ~np.isfinite(error)
    kink = sides & (np.abs(above - below) > error_above + error_below)
    # The two sides meet: a smooth place after all, known less well.
    meet = sides & ~kink
    value = np.where(meet, (above + below) / 2, value)
    error = np.where(meet, np.abs(above - below) / 2 + error_above + error_below, error)
    # At a kink the error is that of its two limits.
    sides_error = np.where(kink, error_above + error_below, np.inf)
    return Slopes(value, error, kink, np.minimum(below, above), np.maximum(below, above), sides_error)


def _jump(gap: Float64) -> Float64:
    """What is left of |f′₊ − f′₋| as h → 0: a kink that hides in the noise would put the slope off by half of it.

    F_i − B_i = h f″ + h³ f⁗/12 + …: two columns of Richardson's tableau for odd powers,
    and the smallest that any step shows.
    """
    once = 2 * gap[:, 1:] - gap[:, :-1]
    twice = np.abs(8 * once[:, 1:] - once[:, :-1]) / 7
    return np.asarray(np.fmin.reduce(twice, axis=1))


def _falls(size: Float64, factor: float, noise: Float64) -> Flags:
    """For every level whether the sequence falls from it to the end; the first level of a falling run counts in."""
    ok = size[:, 1:] <= factor * size[:, :-1] + noise[:, 1:]
    run = np.logical_and.accumulate(ok[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([run[:, :1] & np.isfinite(size[:, :1]), run], axis=1)


def _tableau(column: Float64, clean: Flags, q: float, noise: Float64) -> tuple[Float64, Float64]:
    """The best entry of Richardson's tableau on the clean levels, and its uncertainty; inf where fewer than three are.

    `clean` is about the differences of neighbouring levels: one entry less than there are levels.
    """
    used = np.concatenate([clean[:, :1], clean], axis=1) & np.isfinite(column)
    column = np.where(used, column, np.nan)
    entries, errors = [], []
    for m in range(1, min(COLUMNS, column.shape[1])):
        new = (q**m * column[:, 1:] - column[:, :-1]) / (q**m - 1)
        entries.append(new)
        errors.append(np.fmax(np.abs(new - column[:, 1:]), np.abs(new - column[:, :-1])) + noise[:, m:])
        column = new
    value, error = np.concatenate(entries, axis=1), np.concatenate(errors, axis=1)
    enough = used.sum(axis=1, keepdims=True) >= FEWEST
    error = np.where(enough & np.isfinite(value) & np.isfinite(error), error, np.inf)
    surest = np.arange(len(error))[:, None], np.argmin(error, axis=1), np.arange(error.shape[2])
    best = error[surest]
    return np.where(np.isfinite(best), value[surest], np.nan), best


def noise(along: Callable[[float], Float64], at: Float64, unit: float) -> Float64:
    """How far the outputs may be off by rounding, from high differences along one direction, at least 2u|f|.

    m-th differences of a smooth function at spacing δ are of size δ^m; what is left at m ≥ 5 is noise: σ² = γ_m · mean
    (Δ^m f)² (Moré and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011) 1292).
    """
    table = np.stack([along((i - 4) * NOISE_STEP) for i in range(9)])
    measured = np.zeros(at.shape)
    for m, gamma in NOISE_ORDERS.items():
        differences = np.diff(table, n=m, axis=0)
        measured = np.fmax(measured, np.sqrt(gamma * np.mean(differences**2, axis=0)))
    return NOISE_FACTOR * measured + 2 * unit * np.abs(at)
