"""The functions that several activations and losses share, on plain arrays. Each keeps the dtype of its argument."""

import math
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from scratch.flags import product
from scratch.module import Array


def zero_where(off: npt.NDArray[np.bool_], x: Array) -> Array:
    """`np.where(off, 0, x)`: 0 where `off`, `x` elsewhere, whatever x is.

    A product with the mask would turn ∞·0 into NaN; `np.where` branches at every number, and on random signs every
    second branch is mispredicted, which makes it 15 times slower on 256 × 512. So the bits are masked: True and False
    are the integers 1 and 0, less 1 they are 0 and −1, and −1 has all bits set.
    """
    bits: npt.NDArray[np.signedinteger[Any]] = x.view(np.int32 if x.dtype == np.float32 else np.int64)
    kept = np.asarray(off).astype(bits.dtype)
    kept -= 1
    kept &= bits
    return kept.view(x.dtype)


def sigmoid(x: Array) -> Array:
    """1/(1 + e⁻ˣ) without overflow: with e = e^−|x| ≤ 1 it is 1/(1 + e) or e/(1 + e).

    The larger of [x ≥ 0] and e is what `np.where` would choose, and costs no branch: see `zero_where`.
    """
    e = np.exp(-np.abs(x))
    return np.asarray(np.maximum(x >= 0, e) / (1 + e))


def sigmoids(x: Array) -> tuple[Array, Array]:
    """σ(x) and σ(−x) = 1 − σ(x), both with all their digits: u/(u + v) and v/(u + v), as eˣ = u/v with
    u = e^min(x, 0) and v = e^−max(x, 0), the larger of which is 1."""
    u, v = np.exp(np.minimum(x, 0)), np.exp(-np.maximum(x, 0))
    return u / (u + v), v / (u + v)


def sigmoid_minus(x: Array, target: Array) -> Array:
    """σ(x) − t as (1 − t) σ(x) − t σ(−x): for t = 1 the difference would lose every digit of σ(−x) at a large x.

    Both have the denominator 1 + e^−|x|.
    """
    e, positive = np.exp(-np.abs(x)), x >= 0
    return np.asarray(((1 - target) * np.maximum(positive, e) - target * np.maximum(~positive, e)) / (1 + e))


def softplus(x: Array) -> Array:
    """log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|), where nothing overflows and nothing cancels."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def along(x: Array, axis: int) -> int | None:
    """The axis to sum over: all, which are none, of a number without axes."""
    return axis if x.ndim else None


def log_softmax(x: Array, axis: int | None) -> Array:
    """x − log Σ eˣ along `axis`, with the largest x subtracted first so that no exponential overflows."""
    if not x.size:
        return x.copy()  # of nothing there is not even a logarithm
    shifted = x - x.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def normal_tail(x: Array) -> tuple[Array, Array]:
    """E and R, of which the standard normal distribution is made, in float64: with a = |x|

        φ(a) = E/√(2π),    Φ(−a) = E·R,    Φ(a) = 1 − E·R;    E = e^{−a²/2}.

    NumPy has no erf, and Φ(x) = ½(1 + erf(x/√2)) cancels for x < 0: Φ(−5) = 3·10⁻⁷ would keep one digit in float32.
    R falls smoothly from ½ towards 1/(a√2π), so (a + 0.8) R is near 0.4 everywhere. In the variable
    s = 1 − 2·(a/(a + 4))/(c/(c + 4)), which maps 0 ≤ a ≤ c = 36 to 1 ≥ s ≥ −1, that is a polynomial whose terms fall
    by a factor of five each: `_tail_terms`.
    A test holds E·R to 12 ulp of float64 at 9,000 numbers of it, as far as it is normal, and to 2⁻²⁷ of a float32 x's.
    Source: J. L. Schonfelder, Chebyshev expansions for the error and related functions, Math. Comp. 32 (1978).
    """
    a = np.minimum(np.abs(np.asarray(x, np.float64)), _ZERO)
    s = 1 - a / (a + 4) * (2 * (_FAR + 4) / _FAR)
    total: Any = 0.0
    for term in _tail_terms(x.dtype):
        total = total * s + term
    e = bell(a) if x.dtype == np.float64 else np.exp(-0.5 * (a * a))  # the square of a float32 number is exact
    return e, np.asarray(total / (a + _FLAT))


def bell(a: Array) -> Array:
    """e^{−a²/2} in float64, to a few ulp. The exponential multiplies the rounding of a² by a²/2; so what it loses is
    put back.

    With h the leading half of a's bits and l = a − h the rest, h², 2hl and l² are exact, and so is the difference of
    a² = h² + 2hl + l² and its rounded value.
    Source: T. Dekker, A floating-point technique for extending the available precision, Numer. Math. 18 (1971).
    """
    square = a * a
    h = (a.view(np.int64) & -(1 << 27)).view(np.float64)  # a mask of ones, then zeros
    low = a - h
    lost = h * h - square + 2 * h * low + low * low
    e = np.exp(-0.5 * square)
    return np.asarray(e - e * (0.5 * lost))


_FAR = 36.0  # beyond it e^{−a²/2} is below 10⁻²⁸¹
_FLAT = 0.8  # about √(2/π): R·(a + that) is 0.4 at a = 0 and far out
_ZERO = 40.0  # and here it is 0: no larger a need be squared


@cache
def _tail_terms(dtype: np.dtype[Any]) -> list[float]:
    """The coefficients of (a + 0.8) R as a polynomial in s, the highest power first.

    They are those of its Chebyshev series, by Gauss's quadrature: c_j = (2/n) Σ_k f(cos θ_k) cos jθ_k with
    θ_k = (k + ½)π/n. Their sizes add up to 0.63, hardly more than the sum itself: Horner's scheme loses nothing.

    The angle jθ_k is reduced in integers; π/2n, whose rounding all angles would share, is not formed; and
    1 − s = 2 sin²(θ/2) is formed without cancellation: each would cost digits.
    """
    n = 13 if dtype == np.float32 else 23
    j, k = np.arange(n), np.arange(n)
    share = np.sin((k + 0.5) * np.pi / (2 * n)) ** 2 * (_FAR / (_FAR + 4))  # a/(a + 4)
    samples = np.array([_scaled_tail(a) * (a + _FLAT) for a in 4 * share / (1 - share)])
    terms = product(np.cos(np.outer(j, 2 * k + 1) % (4 * n) * np.pi / (2 * n)), samples) * (2 / n)
    terms[0] /= 2
    return [float(c) for c in reversed(np.polynomial.chebyshev.cheb2poly(terms))]


def _scaled_tail(a: float) -> float:
    """R(a) = ½ e^{z²} erfc(z) at z = a/√2, for one number. e^{z²} would lose digits to the rounding of z², so it is
    computed as e^{fl(z²)} (1 + what the rounding lost)."""
    z = float(a) / math.sqrt(2)
    square = z * z
    lost = float(Fraction(z) ** 2 - Fraction(square))
    return 0.5 * math.erfc(z) * math.exp(square) * (1 + lost)


def not_positive(x: Array) -> Array:
    """x where it is at most 0, else 0: a large positive number, whose exponential would overflow, is not asked for it.

    −0 stays −0, unlike in `np.minimum(x, 0)`.
    """
    return np.where(x > 0, 0, x)
