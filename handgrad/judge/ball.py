"""Ball arithmetic: a reference value and how far a correct program may be from it.

A ball `(m, r)` claims: *every* correct program in the working format, in any order of summation, with or without fused
multiply-add, computes a value v with |v − m| ≤ r. The centre m is computed in float64, whatever the working format.

**One derivation for all.** Let f be an operation, x̃ the working-precision operands (inside their balls) and x the
centres. A program returns v = f(x̃)(1 + δ), |δ| ≤ u_work; the reference is m = f(x)(1 + δ′), |δ′| ≤ u_ref. With p a
bound on |f(x̃) − f(x)|, the *propagated* part,

    |v − m| ≤ u_work (|f(x)| + p) + p + u_ref |f(x)| ≤ p + (u_work + u_ref) (|m| + p)      up to second order,

so one unit roundoff `u = u_work + u_ref` serves float32 and float64 alike: for float64 the reference is one more
float64 program and needs no longer format. k roundings in a row cost γ_k = k·u / (1 − k·u) (Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed., lemma 3.1), which also pays the second order.

**Rounding of the radius itself.** `u` carries a factor 1 + 2⁻¹⁰ and the propagated part a factor `WIDEN` = 1 + 2⁻⁴⁰: a
radius is a sum of at most a few thousand non-negative float64 terms, each with a relative error of at most 2⁻⁵³.
(Longer sums are paid by γ_n, whose share u_ref·p is unused.) A product that underflows is off by at most η/2 in the
program, η/2 in the reference and η/2 in each product of the radius: 2η in all.

**What is not a number.** NaN in means NaN out: a NaN centre claims that every correct program shows NaN. Where a
partial result may pass the format's largest number, or where an operand is infinite, nothing is claimed: the radius is
∞ (and the centre 0), the number is skipped and counted.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

WIDEN = 1 + 2.0**-40

# Errors of library functions in units of u; one unit in the last place is at most 2u. The largest seen on millions of
# points, in ulp (NumPy / PyTorch, float32): exp 2.4 / 0.6, log 3.3 / 0.9, log1p 1.9, tanh 1.4 / 0.5, sigmoid 3.3 / 2.1,
# sqrt 0.5 / 0.75; the vector libraries behind NumPy promise 4.
EXP = LOG = 8
TANH = 12
SIGMOID = 16
SQRT = 3

quiet = np.errstate(all="ignore")
"""Balls compute with NaN and ∞ on purpose."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of a binary format: `digits` of the significand, 2^`least` the smallest normal number."""

    name: str
    digits: int
    least: int
    max: float

    @property
    def eta(self) -> float:
        """The smallest subnormal number, and the distance between those."""
        return 2.0 ** (self.least - self.digits + 1)

    @property
    def flushed(self) -> float:
        """Below this a number may count as 0. A denormal bfloat16 is a denormal float32, and processors are told to
        treat those so; a denormal float16 is an ordinary float32."""
        return 2.0**self.least if self.name == "bfloat16" else 0.0

    def round(self, x: npt.ArrayLike) -> Float64:
        """The nearest number, the even one of two; ∞ beyond the largest."""
        with np.errstate(over="ignore", invalid="ignore"):
            exponent = np.maximum(np.frexp(np.asarray(x, np.float64))[1], self.least + 1) - self.digits
            nearest = np.ldexp(np.rint(np.ldexp(x, -exponent)), exponent)
            return np.asarray(np.where(np.abs(nearest) > self.max, np.copysign(np.inf, nearest), nearest))


NUMBERS = {
    numbers.name: numbers
    for numbers in (
        Numbers("bfloat16", 8, -126, (2 - 2.0**-7) * 2.0**127),
        Numbers("float16", 11, -14, 65504.0),
        Numbers("float32", 24, -126, float(np.finfo(np.float32).max)),
        Numbers("float64", 53, -1022, float(np.finfo(np.float64).max)),
    )
}


@dataclass(frozen=True)
class Format:
    """The working format of the program under judgement: its unit roundoff and its range.

    In float32 and float64 a program has one format. In bfloat16 and float16 it has up to three: `storage`, in which it
    reads and writes arrays; that of an operation, whose numbers are below; and that of a sum and of the products in it.
    """

    dtype: np.dtype[Any]  # of NumPy's arrays that hold its numbers
    u: float  # (u_work + u_ref)(1 + 2⁻¹⁰)
    eta: float  # smallest subnormal
    tau: float  # smallest normal: what a program that flushes to zero loses
    max: float  # largest finite number
    numbers: Numbers  # of an operation
    u_sum: float  # of an addition in a sum
    storage: Numbers | None = None  # what a result is rounded to when it is written; None where that changes nothing

    @staticmethod
    def of(dtype: npt.DTypeLike) -> "Format":
        """The format of float32 or float64. Raises `TypeError` for any other."""
        return _format(np.dtype(dtype))

    @staticmethod
    def half(storage: str, products: str = "float32", sums: str = "float32") -> "Format":
        """The format of a program that keeps its arrays in bfloat16 or float16, and computes in the formats given.

        Raises `ValueError` for a format that is none, and for sums or products shorter than the storage.
        """
        return _half(storage, products, sums)

    def gamma(self, k: int) -> float:
        """γ_k = k·u / (1 − k·u): the relative error of k roundings in a row; ∞ where the bound says nothing."""
        return _gamma(k, self.u)

    def sums(self, additions: int, operations: int = 0, stored: int = 0) -> float:
        """The relative error of so many additions in a sum, and of as many operations after it.

        Where sums have a format of their own, what they come to is rounded to that of an operation `stored` times.
        """
        if self.u_sum == self.u:
            return self.gamma(additions + operations)
        inner, outer = _gamma(additions, self.u_sum), self.gamma(operations + stored)
        return inner + outer + inner * outer

    def stored(self, ball: "Ball") -> "Ball":
        """What a program has written of a result that is somewhere in `ball`: one more rounding.

        Rounding to nearest is monotone. So the result is between the rounded ends of the ball; to each end a last bit
        of float64 is added, in case it is half-way between two numbers and those are chosen otherwise than to even.
        """
        if self.storage is None:
            return Ball(ball.mid, ball.rad, self)
        low, high = (
            self.storage.round(end + sign * 2.0**-52 * np.abs(end))
            for end, sign in ((ball.mid - ball.rad, -1), (ball.mid + ball.rad, 1))
        )
        exact = (ball.rad == 0) & (self.storage.round(ball.mid) == ball.mid)
        rad = np.where(exact, 0.0, np.maximum(high - ball.mid, ball.mid - low))
        size = np.abs(ball.mid)
        rad = np.where(size - ball.rad < self.storage.flushed, np.maximum(rad, size), rad)
        return settle(self, ball.mid, rad, np.where(np.isinf(rad), np.inf, 0.0))

    def between(self, ball: "Ball") -> "Ball":
        """What goes from one operation to the next, where a program may write it or not."""
        if self.storage is None:
            return ball
        return Ball(ball.mid, np.maximum(ball.rad, self.stored(ball).rad), self)

    def exact(self, value: npt.ArrayLike) -> "Ball":
        """The numbers themselves, with radius 0. Infinite ones are left undecided; 0 is beside what may be flushed."""
        mid = np.array(value, dtype=np.float64)
        rad = np.zeros(mid.shape)
        if self.storage is not None:
            rad = np.where(np.abs(mid) < self.storage.flushed, np.abs(mid), rad)
        if not np.isfinite(mid).all():
            infinite = np.isinf(mid)
            mid[infinite], rad[infinite] = 0, np.inf
        return Ball(mid, rad, self)

    def constant(self, value: float, roundings: int = 0) -> "Ball":
        """A Python number used as an operand: rounded to the format unless it fits, after `roundings` in float64."""
        kept = self.storage or self.numbers
        rad = roundings * 2.0**-52 * abs(value)
        if float(kept.round(value)) != value:
            rad += max(self.u, 2.0**-kept.digits) * abs(value) + kept.eta
        return settle(self, np.float64(value), np.float64(rad), np.float64(abs(value) + rad))


@cache
def _format(dtype: np.dtype[Any]) -> Format:
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"the judge knows float32 and float64, not {dtype}")
    numbers = NUMBERS[dtype.name]
    u = _roundoff(numbers)
    return Format(dtype, u, numbers.eta, 2.0**numbers.least, numbers.max, numbers, u)


@cache
def _half(storage: str, products: str, sums: str) -> Format:
    halves = ("bfloat16", "float16")
    if storage not in halves:
        raise ValueError(f"storage must be one of {', '.join(halves)}; got {storage!r}")
    for name, given in (("accumulate", sums), ("products", products)):
        if given not in (storage, "float32", "float64"):
            raise ValueError(f"{name} must be one of {storage}, float32, float64; got {given!r}")
    numbers = NUMBERS[products]
    u, u_sum = _roundoff(numbers), _roundoff(NUMBERS[sums])
    held = np.dtype(np.float64 if products == "float64" else np.float32)
    # What underflows may be flushed, but in float16: an operation there is one of float32, rounded.
    eta = numbers.eta if products == "float16" else 2.0**numbers.least
    return Format(held, u, eta, eta, numbers.max, numbers, u_sum, NUMBERS[storage])


def _roundoff(numbers: Numbers) -> float:
    """(u_work + u_ref)(1 + 2⁻¹⁰). With 8 or 11 digits the second order of k roundings is no smaller than that: then it
    is u/(1 − 32u), which pays for up to 32 of them, γ_k ≤ k u/(1 − 32u)."""
    u = 2.0**-numbers.digits
    return (u + 2.0**-53) * (1 + 2.0**-10) if numbers.digits >= 24 else u / (1 - 32 * u)


def _gamma(k: int, u: float) -> float:
    return k * u / (1 - k * u) if k * u < 1 else np.inf


@dataclass(frozen=True, eq=False, slots=True)
class Ball:
    """An array of balls: centres and radii of equal shape, and the format of the programs they bound."""

    mid: Float64
    rad: Float64
    format: Format

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mid.shape

    @property
    def size(self) -> int:
        return int(self.mid.size)

    @property
    def reach(self) -> Float64:
        """|m| + r: the largest magnitude inside."""
        return np.abs(self.mid) + self.rad

    def transpose(self) -> "Ball":
        return Ball(self.mid.T, self.rad.T, self.format)

    def reshape(self, *shape: int) -> "Ball":
        return Ball(self.mid.reshape(shape), self.rad.reshape(shape), self.format)

    def moveaxis(self, source: int, destination: int) -> "Ball":
        return Ball(np.moveaxis(self.mid, source, destination), np.moveaxis(self.rad, source, destination), self.format)

    def __getitem__(self, index: Any) -> "Ball":
        return Ball(np.asarray(self.mid[index]), np.asarray(self.rad[index]), self.format)

    def __neg__(self) -> "Ball":
        return Ball(-self.mid, self.rad, self.format)

    def __add__(self, other: "Ball") -> "Ball":
        """m = a + b, p = r_a + r_b. Addition is exact when it underflows, so no η."""
        mid = self.mid + other.mid
        return _rounded(self.format, mid, self.rad + other.rad)

    def __sub__(self, other: "Ball") -> "Ball":
        mid = self.mid - other.mid
        return _rounded(self.format, mid, self.rad + other.rad)

    def __mul__(self, other: "Ball") -> "Ball":
        """m = ab, p = r_a (|b| + r_b) + |a| r_b, and 2η for underflow."""
        mid = self.mid * other.mid
        p = self.rad * other.reach + np.abs(self.mid) * other.rad
        return _rounded(self.format, mid, p, underflow=2 * self.format.eta)

    def __truediv__(self, other: "Ball") -> "Ball":
        """m = a / b, p = (r_a + |m| r_b) / (|b| − r_b); undecided if b may be 0.

        a/b − m for a = m_a + α, b = m_b + β is (α − mβ)/(m_b + β). A program may divide (one rounding) or multiply by
        the reciprocal (two): 2u. The reciprocal underflows by at most η, which the product carries to η|a|.
        """
        f = self.format
        least = np.abs(other.mid) - other.rad
        decided = least > 0
        safe = np.where(decided | np.isnan(other.mid), other.mid, 1.0)
        least = np.where(decided, least, 1.0)
        mid = self.mid / safe
        p = (self.rad + np.abs(mid) * other.rad) / least * WIDEN
        magnitude = np.abs(mid) + p
        rad = p + 2 * f.u * magnitude * (1 + f.u) + 2 * f.eta * (1 + self.reach)
        return settle(f, mid, np.where(decided, rad, np.inf), np.maximum(magnitude + rad, 1 / least))

    def __abs__(self) -> "Ball":
        return Ball(np.abs(self.mid), self.rad, self.format)

    def sqrt(self) -> "Ball":
        """m = √a, exact at both ends of a's interval, plus 3u: a vector library's root is within 0.75 ulp, not 0.5."""
        f = self.format
        mid = np.sqrt(np.maximum(self.mid, 0))
        high = np.sqrt(np.maximum(self.mid + self.rad, 0))
        low = np.sqrt(np.maximum(self.mid - self.rad, 0))
        rad = np.maximum(high - mid, mid - low) + SQRT * f.u * high
        return settle(f, np.where(np.isnan(self.mid), np.nan, mid), rad, high + rad)

    def maximum(self, other: "Ball") -> "Ball":
        """max(a, b) is exact and moves by at most the larger of the two moves."""
        return Ball(np.maximum(self.mid, other.mid), np.maximum(self.rad, other.rad), self.format)

    def sum(self, axis: int | None = None, terms: int | None = None) -> "Ball":
        """Σ a_i with radius Σ r_i + γ_{n−1} (Σ|a_i| + Σ r_i), n = `terms` or the number of summands.

        In any order a summand takes part in at most n − 1 additions. Nothing is claimed if Σ|a_i| overflows, because
        a partial sum may.
        """
        n = (self.size if axis is None else self.shape[axis]) if terms is None else terms
        p, sizes = np.asarray(self.rad.sum(axis)), np.asarray(np.abs(self.mid).sum(axis))
        magnitude = sizes + p
        rad = p * WIDEN + self.format.sums(max(n - 1, 0), stored=1) * magnitude
        return settle(self.format, np.asarray(self.mid.sum(axis)), rad, magnitude + rad, sizes)

    def mean(self, axis: int | None = None) -> "Ball":
        """Σ a_i / n, or Σ a_i · (1/n), or Σ (a_i / n): two roundings beyond the sum's, η for each small summand.

        The mean of nothing is NaN.
        """
        f, n = self.format, self.size if axis is None else self.shape[axis]
        if n == 0:
            return Ball(np.asarray(np.nan), np.asarray(0.0), f)
        p, sizes = np.asarray(self.rad.sum(axis)), np.asarray(np.abs(self.mid).sum(axis))
        magnitude = sizes + p
        rad = (p * WIDEN + f.sums(n - 1, 2, stored=1) * magnitude) / n + n * f.eta
        return settle(f, np.asarray(self.mid.sum(axis) / n), rad, magnitude + rad, sizes)


def settle(format: Format, mid: Any, rad: Any, top: Any, poison: Any = None) -> Ball:
    """The ball `(mid, rad)`, undecided where `top`, the largest magnitude on the way, passes the format's range.

    `poison` (default `mid`) is NaN exactly where an operand was NaN; there the centre is NaN and the claim is certain.
    The reference itself may make a NaN, of ∞ − ∞ or 0 · ∞ where float64 overflows: that is none.
    """
    decided = np.asarray(top <= format.max)
    if decided.all():
        return Ball(np.asarray(mid), np.asarray(rad), format)
    nan = np.isnan(mid if poison is None else poison)
    mid = np.where(nan, np.nan, np.where(decided, mid, 0.0))
    rad = np.where(nan, 0.0, np.where(decided, rad, np.inf))
    return Ball(mid, rad, format)


def _rounded(format: Format, mid: Float64, p: Float64, underflow: float = 0.0) -> Ball:
    """One rounding of a centre with the propagated radius p: r = p + u (|m| + p) + underflow."""
    p = p * WIDEN
    magnitude = np.abs(mid) + p
    rad = p + format.u * magnitude + underflow
    return settle(format, mid, rad, magnitude + rad)


def matmul(a: Ball, b: Ball, bias: Ball | None = None) -> Ball:
    """C = AB (+ bias along the last axis) for A (m, n), B (n, k): n products and their sum in any order.

    With P = |A||B| + |bias| and p = r_A (|B| + r_B) + |A| r_B + r_bias, a product takes part in one multiplication and
    at most n − 1 additions, n with a bias, hence r = p + γ_{n or n+1} (P + p) + 2η per product that is not exactly 0.
    (Higham, *Accuracy and Stability*, §3.5.) A fused multiply-add has one rounding less.
    """
    f, n = a.format, a.shape[-1]
    A, B = np.abs(a.mid), np.abs(b.mid)
    mid, poison = a.mid @ b.mid, A @ B
    a_exact, b_exact = not a.rad.any(), not b.rad.any()
    if a_exact and b_exact:
        p = np.zeros(mid.shape)
    elif b_exact:
        p = a.rad @ B
    elif a_exact:
        p = A @ b.rad
    else:
        p = a.rad @ (B + b.rad) + A @ b.rad
    touched = _touched(a, b, poison + p)
    if bias is not None:
        mid = mid + bias.mid
        poison = poison + np.abs(bias.mid)
        p = p + bias.rad
    p = p * WIDEN
    roundings = n + (bias is not None and n > 0)
    magnitude = poison + p
    rad = p + f.sums(roundings) * magnitude + (2 * n * f.eta) * touched
    return settle(f, mid, rad, magnitude + rad, poison)


def _touched(a: Ball, b: Ball, magnitude: Float64) -> Any:
    """Where a product of non-zero factors exists. A float64 product may itself underflow to 0: then count them."""
    touched = magnitude > 0
    if a.format.dtype != np.float64 or touched.all():
        return touched
    return ((a.mid != 0) | (a.rad > 0)).astype(np.float64) @ ((b.mid != 0) | (b.rad > 0)).astype(np.float64) > 0
