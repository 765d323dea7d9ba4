"""The references of the sigmoid's family: σ, tanh and what is made of them, and their straight likenesses.

What a formula loses is derived below it for the formulas in use: PyTorch's, and the ones that come naturally in NumPy.

**Saturation.** 1 − σ(x), 1 − t² and 1 + erf(x) cancel: formed by subtraction they have an absolute error, which x then
multiplies, however far out it is. But far out nothing is left to subtract: a rounded σ, t or erf is exactly ±1 once
its distance from it is a small part of u, and the difference exactly 0. There the error is what was lost, the
difference itself, and it falls exponentially. (Every `left` is doubled: the difference is attained.)
"""

import numpy as np

from handgrad.judge.ball import EXP, TANH, WIDEN, Ball, Float64, settle
from handgrad.judge.rules.activations.functions import LOG1P, moved, nearest, one_like, sigmoid, tanh, wider
from handgrad.judge.rules.rule import (
    Activation,
    Parameters,
    ProbabilityGradient,
    pick,
    times,
    touches,
    unclaimed,
    zero,
)

__all__ = ["Hardsigmoid", "Hardswish", "LogSigmoid", "Sigmoid", "Softsign", "Tanh", "Tanhshrink"]


class Sigmoid(Activation):
    """a = 1 / (1 + e^{−z})."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.x, self.a = x, sigmoid(x)
        return self.a

    def wrote(self, y: Ball) -> None:
        self.a = y

    def vjp(self, grad: Ball) -> Ball:
        """dz = d a (1 − a), from the output as every program has it: 1 − a cancels, and the ball knows.

        Where d was divided by the same a (1 − a) it cancels once more, and `BCELoss.by_logit` knows.
        """
        if isinstance(grad, ProbabilityGradient) and grad.p is self.a:
            return grad.by_logit
        return grad * (self.a * (one_like(grad) - self.a))

    stable = "e/(1 + e)² with e = exp(−|x|)"

    def of_its_own(self, grad: Ball, output: Float64) -> tuple[Ball, Ball]:
        """exp costs 8u, e/(1 + e)² four roundings, of which 1 + e counts twice: 13u; and what is flushed.

        Of its own output y a program forms y (1 − y) with 3u, or y − y² with u y² and 2u; for y = 1 both are exactly 0.
        """
        f, e = grad.format, np.exp(-np.abs(self.x.mid))
        slope = e / (1 + e) ** 2
        y = f.exact(output)
        own = y * (one_like(grad) - y)
        own = Ball(own.mid, np.where(y.mid == 1, 0.0, own.rad + f.u * y.mid**2), f)
        return grad * Ball(slope, np.where(np.isinf(self.x.rad), np.inf, 13 * f.u * slope + f.tau), f), grad * own


class Tanh(Activation):
    """a = tanh z."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.x, self.a = x, tanh(x)
        return self.a

    def wrote(self, y: Ball) -> None:
        self.a = y

    def vjp(self, grad: Ball) -> Ball:
        """dz = d (1 − a²), from the output as every program has it. Or, with e = e^{−2|z|}, d e (1 + |a|)²:
        nothing cancels; exp costs 8u, tanh 12u |a|/(1 + |a|) twice, at most 12u, roundings 4u: 24u of the slope.
        """
        near = np.exp(-2 * nearest(self.x))
        slope = np.where(np.isinf(self.x.rad), 1.0, 4 * near / (1 + near) ** 2)
        return wider(grad * (one_like(grad) - self.a * self.a), 24 * grad.format.u * grad.reach * slope)

    stable = "e·(1 + |tanh x|)² with e = exp(−2·|x|)"

    def of_its_own(self, grad: Ball, output: Float64) -> tuple[Ball, Ball]:
        """The 24u of `vjp`, or 4e/(1 + e)² with 13u; 4e of a flushed e.

        Of its own output y a program forms 1 − y² with u y² and a rounding; for y = ±1 that is exactly 0.
        """
        f, e = grad.format, np.exp(-2 * np.abs(self.x.mid))
        slope = 4 * e / (1 + e) ** 2
        y = f.exact(output)
        own = one_like(grad) - y * y
        own = Ball(own.mid, np.where(np.abs(y.mid) == 1, 0.0, own.rad), f)
        return grad * Ball(slope, np.where(np.isinf(self.x.rad), np.inf, 24 * f.u * slope + 4 * f.tau), f), grad * own


class Tanhshrink(Activation):
    """a = z − tanh z."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """tanh's 12u |tanh z| and one rounding. The slope is tanh², at most that of the far end."""
        f = x.format
        self.t = tanh(x)
        t = np.tanh(x.mid)
        far = np.tanh(x.reach)
        mid = x.mid - t
        p = x.rad * np.where(np.isinf(x.rad), 1.0, far * far) * WIDEN
        return Ball(mid, p + f.u * (np.abs(mid) + p + TANH * far) + f.eta, f)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d tanh² z, formed as such or as d − d (1 − tanh² z), as autograd does: 2u |d| more."""
        f, one = grad.format, one_like(grad)
        square = one - (one - self.t * self.t)
        product = grad * square
        return wider(product, 2 * f.u * grad.reach)


class LogSigmoid(Activation):
    """a = min(z, 0) − log(1 + e^{−|z|})."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """exp's 8u moves the logarithm by at most 8u relatively, log1p costs 8u, the sum one: 17u of the logarithm and
        u of the result. The slope σ(−z) is at most that of the left end."""
        f = x.format
        self.x = x
        tail = np.log1p(np.exp(-np.abs(x.mid)))
        mid = np.minimum(x.mid, 0) - tail
        p = moved(x, np.exp(-np.logaddexp(0, x.mid - x.rad)))
        rad = p + f.u * (np.abs(mid) + p + (EXP + LOG1P + 1) * (tail + p)) + f.tau
        return settle(f, mid, rad, np.abs(mid) + rad)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d σ(−z), or d (1 − e^{−|z|}/(1 + e^{−|z|})) where z < 0: the difference is above ½ and costs u more."""
        return wider(grad * sigmoid(-self.x), grad.format.u * grad.reach * (self.x.mid < self.x.rad))


class Softsign(Activation):
    """a = z / (1 + |z|)."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """One sum, one division: 3u. The slope is at most that of the point nearest to 0."""
        f = x.format
        self.x = x
        mid = x.mid / (1 + np.abs(x.mid))
        p = np.minimum(moved(x, 1 / (1 + nearest(x)) ** 2), 2.0)
        rad = p + 3 * f.u * (np.abs(mid) + p) + 2 * f.eta
        return Ball(mid, np.where(np.isinf(x.rad), np.inf, rad), f)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d / (1 + |z|)². By the quotient rule, as autograd forms it, d/(1 + |z|) − d |z|/(1 + |z|)²: with 4u and
        7u of the terms and u for their sum, each at most 1/(1 + |z|), that is 12u d / (1 + |z|). f″ = 2/(1 + |z|)³."""
        x, f = self.x, grad.format
        near = 1 + nearest(x)
        slope = 1 / (1 + np.abs(x.mid)) ** 2
        rad = np.minimum(moved(x, 2 / near**3), 1.0) + 12 * f.u / near
        return times(grad, Ball(slope, np.where(np.isinf(x.rad), np.inf, rad), f), np.ones(()))


class Hardsigmoid(Activation):
    """a = min(max(z + 3, 0), 6) / 6."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """As it stands: u |z + 3| and 2u for the division, 3u a. As min(max(z/6 + ½, 0), 1): 2u |z|/6 <= u and u a.

        Both are exact where the ball is outside of (−3, 3).
        """
        self.x = x
        mid = np.clip((x.mid + 3) / 6, 0, 1)
        p = x.rad / 6 * WIDEN
        curve = (x.mid + x.rad > -3) & (x.mid - x.rad < 3)
        rad = np.where(curve, np.fmin(p, 1.0) + x.format.u * (3 * np.minimum(mid + p, 1) + 1), 0.0)
        return Ball(mid, np.where(np.isinf(x.rad), np.inf, rad), x.format)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d/6 for −3 < z < 3, else 0. At both ends and at NaN it is 0.

        PyTorch multiplies by 1/6 in single precision, for float64 too: 2⁻²⁴ |d|/6 more.
        """
        x = self.x
        inside = (x.mid > -3) & (x.mid < 3)
        sixth = grad / grad.format.exact(np.asarray(6.0))
        sixth = Ball(sixth.mid, sixth.rad + 2.0**-24 * sixth.reach, grad.format)
        return pick(inside, touches(x, -3.0) | touches(x, 3.0), sixth, zero(grad))


class Hardswish(Activation):
    """a = z · min(max(z + 3, 0), 6) / 6."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """z times a hard sigmoid with error u(3h + 1), one more rounding: u |z| (4h + 1).

        Right of 3, z · 6 / 6 costs 3u |z|, which 5u |z| covers; left of −3 it is exactly 0. |f′| <= 3/2. z · 6 may
        overflow.
        """
        f = x.format
        self.x = x
        h = np.clip((x.mid + 3) / 6, 0, 1)
        p = 1.5 * x.rad * WIDEN
        rad = np.where(x.mid + x.rad > -3, p + f.u * x.reach * (4 * np.minimum(h + x.rad, 1) + 1) + 2 * f.eta, 0.0)
        return settle(f, x.mid * h, np.where(np.isinf(x.rad), np.inf, rad), 6 * x.reach)

    def vjp(self, grad: Ball) -> Ball:
        """dz = 0 up to −3, d (z/3 + ½) up to 3, then d; the outer value at both ends.

        z/3 + ½ costs 2u |z|/3 <= 2u and a rounding of at most 1.5u, (2z + 3)/6 at most 5u in all.
        At NaN PyTorch has d or NaN, by the length of the array.
        """
        x, f = self.x, grad.format
        slope = Ball(x.mid / 3 + 0.5, x.rad / 3 * WIDEN + 5 * f.u, f)
        inner = pick(x.mid < 3, touches(x, 3.0), times(grad, slope, np.abs(x.mid)), grad)
        left = pick(x.mid <= -3, touches(x, -3.0), zero(grad), inner)
        return unclaimed(left, np.isnan(x.mid))
