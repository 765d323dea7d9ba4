"""The references of the smooth rectifiers, made of exp, erf and log1p.

What a formula loses is derived below it for the formulas in use: PyTorch's, and the ones that come naturally in NumPy.
Where 1 − σ, 1 − t² and 1 + erf cancel, see *Saturation* in sigmoids.py.

**Single-precision constants.** A few float64 kernels of PyTorch carry a constant that was rounded to float32 before.
The ball holds both: `SINGLE` is the relative error of such a constant.
"""

import math
from typing import Any, Self

import numpy as np

from handgrad.judge.ball import EXP, TANH, WIDEN, Ball, Float64, Format, settle
from handgrad.judge.rules.activations.functions import LOG1P, complement, moved, nearest, one_like, sigmoid, wider
from handgrad.judge.rules.rule import (
    Activation,
    Parameters,
    pick,
    rounded_to,
    select,
    times,
    unclaimed,
)

__all__ = ["CELU", "ELU", "GELU", "SELU", "Mish", "SiLU", "Softplus"]

EXPM1 = 10
ERF = 8
SINGLE = 2.0**-24
MISH = LOG1P + EXP + TANH + 2


class ELU(Activation):
    """a = z where z > 0, else α (e^z − 1)."""

    above: float = 1.0  # the slope for z > 0
    scale: float = 1.0  # a second factor besides α
    inner: float | None = None  # what z is multiplied by in the exponent

    def __init__(self, name: str, alpha: float) -> None:
        super().__init__(name)
        self.alpha = alpha

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, float(module.alpha))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """In ball arithmetic. expm1 costs 10u; the function is continuous, so where z may have either sign the ball
        around both branches is little wider than one."""
        f = x.format
        self.x = x
        below = Ball(np.where(x.mid > 0, 0.0, x.mid), x.rad, f)  # positive numbers take no exponential
        self.below = below
        self.z = below if self.inner is None else below * f.constant(self.inner, roundings=1)
        self.outer = f.constant(self.alpha)
        if self.scale != 1:
            self.outer = self.outer * f.constant(self.scale)
        mid = np.expm1(self.z.mid)
        p = moved(self.z, np.exp(self.z.mid + self.z.rad))
        top = np.exp(np.abs(self.z.mid) * (self.z.mid > 0) + self.z.rad)
        expm1 = settle(f, mid, p + EXPM1 * f.u * (np.abs(mid) + p) + f.eta, top)
        return select(x, x, self.steep(x), self.outer * expm1)

    def backward_inner(self, f: Format) -> Ball:
        """What z is multiplied by in backward's exponent."""
        raise NotImplementedError

    def steep(self, x: Ball) -> Ball:
        return x if self.above == 1 else x * x.format.constant(self.above)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d where z > 0, else d α e^z, α at 0. exp costs 8u, and τ where it flushes. At NaN PyTorch has d or NaN,
        by the length of the array."""
        f, z, outer = grad.format, self.z, self.outer
        if self.inner is not None:
            c = self.backward_inner(f)
            z, outer = self.below * c, outer * c
        mid = np.exp(z.mid)
        p = moved(z, np.exp(z.mid + z.rad))
        e = settle(f, mid, p + EXP * f.u * (mid + p) + f.tau, np.exp(z.mid + z.rad))
        slope = outer * e
        both = select(grad, self.x, self.steep(grad), times(grad, slope, np.abs(self.outer.mid)))
        return unclaimed(both, np.isnan(self.x.mid))


class CELU(ELU):
    """a = z where z > 0, else α (e^{z/α} − 1)."""

    def __init__(self, name: str, alpha: float) -> None:
        super().__init__(name, alpha)
        self.inner = 1 / alpha

    def backward_inner(self, f: Format) -> Ball:
        """1/α. PyTorch's backward, unlike its forward, takes α in single precision, for float64 too."""
        single = 0.0 if float(np.float32(self.alpha)) == self.alpha else SINGLE
        c = f.constant(1 / self.alpha, roundings=1)
        return wider(c, single * np.abs(c.mid))


class SELU(ELU):
    """a = λ z where z > 0, else λ α (e^z − 1), λ and α of Klambauer et al. (2017), equation 14."""

    above = scale = 1.0507009873554804934193349852946

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, 1.6732632423543772848170429916717)


class GELU(Activation):
    """a = z Φ(z), or with approximate="tanh" z ½(1 + tanh v), v = √(2/π)(z + 0.044715 z³)."""

    def __init__(self, name: str, approximate: str) -> None:
        super().__init__(name)
        self.cdf = {"none": _normal, "tanh": _nearly_normal}[approximate]

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, str(module.approximate))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """z times Φ in ball arithmetic, but the slope is at most 1.13: z and Φ do not move apart.

        A program may halve last, as in z (1 + erf) / 2: its product is twice as large, and may overflow.
        """
        f = x.format
        self.x = x
        cdf, _ = self.cdf(Ball(x.mid, np.zeros(x.shape), f))  # at the centre
        near, _ = self.cdf(x)  # what programs lose, anywhere in the ball
        mid = x.mid * cdf.mid
        p = 1.13 * x.rad * WIDEN
        magnitude = np.abs(mid) + p
        rad = p + x.reach * near.lost + 2 * f.u * magnitude + 4 * f.eta
        rad = np.where(np.isinf(x.rad), np.inf, rad)
        return settle(f, np.where(np.isinf(x.rad), 0.0, mid), rad, 2 * magnitude)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d (Φ + z Φ′): the terms as they are lost, a rounding for each product and the sum. |f″| <= 1."""
        x, f = self.x, grad.format
        cdf, density = self.cdf(x)
        mid = cdf.mid + x.mid * density.mid
        term = x.reach * (density.high + density.lost)
        rad = 1.13 * x.rad * WIDEN + cdf.lost + x.reach * density.lost + 3 * f.u * (cdf.high + term)
        slope = Ball(mid, np.where(np.isinf(x.rad), np.inf, rad), f)
        return times(grad, slope, density.factor)


class SiLU(Activation):
    """a = z σ(z)."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """z σ(z), or z / (1 + e^{−z}), in ball arithmetic: 16u of σ cover both."""
        self.x, self.s = x, sigmoid(x)
        return x * self.s

    def vjp(self, grad: Ball) -> Ball:
        """dz = d σ (1 + z (1 − σ))."""
        slope = self.s * (one_like(grad) + self.x * complement(self.x))
        return times(grad, slope, self.x.reach)


class Mish(Activation):
    """a = z t, t = tanh(log(1 + e^z))."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """t in a chain: exp's 8u and log1p's 8u are the softplus's, relatively; tanh moves by at most as much
        relatively and adds 12u: 30u with the roundings. Or as a quotient of polynomials in e^{−|z|}: two exps' worth
        and four roundings, fewer. Far to the right t is exactly 1. t′ <= σ(z), and <= 4 e^{−2z}."""
        f = x.format
        self.x = x
        w = np.exp(-np.abs(x.mid))
        numerator = np.where(x.mid < 0, w * (w + 2), 1 + 2 * w)
        rest = np.where(x.mid < 0, 2.0, 2 * w * w)
        t = numerator / (numerator + rest)
        left = 4 * np.exp(-2 * (x.mid - x.rad))
        p = moved(x, np.minimum(np.exp(-np.logaddexp(0, -x.mid - x.rad)), left))
        saturated = left < f.u / 4
        lost = np.where(saturated, 2 * left, MISH * f.u * np.minimum(t + p, 1)) + f.tau
        self.t = Ball(t, np.minimum(p + lost, 1.0), f)
        # 1 − t²: by subtraction two of t's errors and two roundings.
        self.rest = Ball(rest / (numerator + rest) * (1 + t), np.minimum(2 * (p + lost), 1.0) + 2 * f.u, f)
        self.rest = Ball(self.rest.mid, np.where(saturated, 2 * left, self.rest.rad), f)
        return x * self.t

    def vjp(self, grad: Ball) -> Ball:
        """dz = d (t + z σ(z)(1 − t²))."""
        slope = self.t + self.x * (sigmoid(self.x) * self.rest)
        return times(grad, slope, self.x.reach)


class Softplus(Activation):
    """a = log(1 + e^{βz}) / β, and z where βz > threshold."""

    def __init__(self, name: str, beta: float, threshold: float) -> None:
        super().__init__(name)
        self.beta, self.threshold = beta, threshold

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, float(module.beta), float(module.threshold))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """exp's 8u move the logarithm by at most 8u relatively, log1p costs 8u, the division by β 3u: 20u; and what
        βz is off by, times the slope σ. The branch is open where βz may be off across the threshold: never for a β
        that is a power of two and an exact z. PyTorch's e^{βz} overflows before a threshold beyond 88."""
        f = x.format
        power_of_two = math.frexp(self.beta)[0] in (0.5, -0.5)
        exact = Ball(self.beta * x.mid, abs(self.beta) * x.rad, f)
        z = self.z = exact if power_of_two else x * f.constant(self.beta)
        threshold = rounded_to(x, self.threshold)
        self.linear = z.mid > threshold
        self.undecided = (np.abs(z.mid - threshold) <= z.rad) & (z.rad > 0)
        soft = np.logaddexp(0, z.mid)
        p = moved(z, np.exp(-np.logaddexp(0, -z.mid - z.rad)))
        rad = p + (EXP + LOG1P + 4) * f.u * (soft + p) + f.tau
        self.top = np.exp(z.mid + z.rad)
        curve = settle(f, soft, rad, self.top) / f.constant(self.beta)
        return pick(self.linear, self.undecided, x, curve)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d σ(βz), and d where βz > threshold."""
        s = sigmoid(self.z)
        curve = grad * settle(grad.format, s.mid, s.rad, self.top)
        return pick(self.linear, self.undecided, grad, curve)


class _Part:
    """Φ or Φ′: its centre, its largest value in the ball, what a program loses there, its largest factor."""

    def __init__(self, mid: Any, high: Any, lost: Any, factor: Any = 0.0) -> None:
        self.mid, self.high, self.lost, self.factor = mid, high, lost, np.asarray(factor)


def _normal(x: Ball) -> tuple[_Part, _Part]:
    """Φ(z) = ½(1 + erf(z/√2)) and φ(z) = e^{−z²/2}/√(2π).

    The argument of erf is off by 2u, which moves it by at most (2/√π) max |y| e^{−y²} · 2u < u; erf costs 8u, the sum
    1 + erf at most 2u: half of 11u, with a margin 8u, absolutely. That covers ½ erfc(−z/√2) and a scaled tail, whose
    relative error grows with z²: (1 + z²/2) Φ(−|z|) <= ½, times 10u. To the left erf is exactly −1 once 1 + erf < u².
    z²/2 costs 2u z²/2, exp 8u, the factor 3u: (12 + z²) u φ. A kernel that adds zφ to a Φ of 0 or 1 may drop it once
    e^{−z²/2} < u/4 (oneDNN's, behind PyTorch's float32, has a gradient of exactly 0 left of −6.25).
    """
    f = x.format
    near, far = nearest(x), x.reach
    e = np.exp(-(near**2) / 2)
    cdf = 0.5 * _erfc(-x.mid / math.sqrt(2))
    gone = (x.mid + x.rad < 0) & (e < f.u**2)
    lost = np.where(gone, 2 * e, 8 * f.u) + f.tau
    phi = 1 / math.sqrt(2 * math.pi)
    density = np.exp(-(x.mid**2) / 2) * phi
    dropped = np.where(e < f.u / 4, 2 * e, _decayed(f, (12 + far**2) * f.u, e))
    return _Part(cdf, np.where(gone, e, 1.0), lost), _Part(density, phi * e, phi * dropped, far)


def _nearly_normal(x: Ball) -> tuple[_Part, _Part]:
    """½(1 + tanh v) = σ(2v) and its derivative 2v′ σ(2v) σ(−2v), v = √(2/π)(z + 0.044715 z³).

    v has the relative error 6u: the constants, the cube, one sum of equal signs, one product. tanh moves by at most
    max |v| sech² v · 6u < 3u, costs 12u, and 1 + tanh 2u: half of 17u; as σ 16u and 3u. So 19u absolutely.
    1 − tanh² costs two of tanh's errors and two roundings, half of 32u, as a product 2·19u: (38 + 4) u v′, or what is
    left of it once tanh is exactly ±1. z² may overflow.
    """
    f = x.format
    near, far = nearest(x), x.reach
    k = math.sqrt(2 / math.pi)
    z = np.clip(x.mid, -1e3, 1e3)  # beyond, cdf is exactly 0 or 1 and nothing is left of its derivative
    cdf = sigmoid(Ball(2 * k * z * (1 + 0.044715 * z**2), np.zeros(x.shape), f)).mid
    e = np.exp(-2 * k * near * (1 + 0.044715 * near**2))
    gone = (x.mid + x.rad < 0) & (e < f.u**2)
    lost = np.where(gone, 2 * e, 19 * f.u) + f.tau
    steep = k * (1 + 0.134145 * far**2)
    saturated = 4 * e < f.u / 4
    other = np.where(saturated, 8 * e, 42 * f.u)
    density = 2 * k * (1 + 0.134145 * z**2) * np.where(saturated, e, cdf * (1 - cdf))
    high = np.where(e > 0, 2 * steep * e, 0.0)
    return _Part(cdf, np.where(gone, e, 1.0), lost), _Part(density, high, steep * (other + f.tau), far**2)


def _decayed(f: Format, relative: Float64, e: Float64) -> Float64:
    """What is lost of e relatively, and τ where it flushes."""
    return np.asarray(np.where(np.isinf(relative), np.inf, relative * e) + f.tau)


_erfc_of_one = np.frompyfunc(math.erfc, 1, 1)


def _erfc(x: Float64) -> Float64:
    """erfc, number by number: exact to an ulp, and slower than anything else here."""
    return np.asarray(_erfc_of_one(x), dtype=np.float64)
