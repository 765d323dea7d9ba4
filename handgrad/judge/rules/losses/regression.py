"""The references of losses of a difference d = z − t."""

import math
from typing import Any, Self

import numpy as np

from handgrad.judge.ball import EXP, LOG, SIGMOID, TANH, WIDEN, Ball, settle
from handgrad.judge.rules.losses.functions import choose, wider
from handgrad.judge.rules.losses.loss import Loss, SampleLoss

__all__ = ["HalfSquaredError", "HuberLoss", "L1Loss", "LogCoshLoss", "MSELoss", "SmoothL1Loss"]


class MSELoss(Loss):
    """l = (z − t)²."""

    def terms(self) -> Ball:
        d = self.z - self.t
        return d * d

    def derivative(self) -> Ball:
        """2 (z − t): the factor 2 is exact."""
        d = self.z - self.t
        return d + d


class HalfSquaredError(SampleLoss):
    """l = Σ_c (z_c − t_c)² / 2, one per row."""

    def terms(self) -> Ball:
        """The factor 1/2 is exact, but for an underflow."""
        d = self.z - self.t
        square = d * d
        return wider(Ball(square.mid / 2, square.rad / 2, d.format), d.format.eta)

    def derivative(self) -> Ball:
        return self.z - self.t


class L1Loss(Loss):
    """l = |z − t|."""

    def terms(self) -> Ball:
        return abs(self.z - self.t)

    def derivative(self) -> Ball:
        """sign(z − t), 0 at an exact 0: a rounded difference keeps its sign. Open where 0 is inside the ball.

        The sign of NaN is 0 for PyTorch and NaN for NumPy: nothing is claimed.
        """
        z, t = self.z, self.t
        d = z.mid - t.mid
        sign = np.sign(d)
        rad = np.where((np.abs(d) <= z.rad * WIDEN) & (z.rad > 0), 1 + np.abs(sign), 0.0)
        lost = np.isnan(d) | np.isinf(z.rad) | np.isinf(t.rad)
        return Ball(np.where(lost, 0.0, sign), np.where(lost, np.inf, rad), z.format)


class HuberLoss(Loss):
    """l = d²/2 where |d| < δ, else δ (|d| − δ/2); both agree at δ, so where the branch is open both are near."""

    def __init__(self, reduction: str, delta: float) -> None:
        super().__init__(reduction)
        self.delta = delta

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, float(module.delta))

    def terms(self) -> Ball:
        """½d·d, (½d)d and their like: two products, 1/2 exact. δ·|d| − δ·δ/2 costs a product's rounding more."""
        d, size, delta = self.parts()
        f = d.format
        square = size * size
        half = wider(Ball(square.mid / 2, square.rad / 2, f), f.eta)
        linear = delta * (size - Ball(delta.mid / 2, delta.rad / 2, f))
        linear = wider(linear, 2 * f.u * delta.reach * (size.reach + delta.reach) + 2 * f.eta)
        return self.branch(size, half, linear)

    def derivative(self) -> Ball:
        """d clipped to ±δ, which never moves further than d does; surely outside, it is ±δ and does not move at all."""
        d, size, delta = self.parts()
        mid = np.clip(d.mid, -delta.mid, delta.mid)
        outside = size.mid - size.rad > delta.mid + delta.rad
        rad = np.where(outside, 0.0, np.minimum(d.rad, 2 * delta.mid)) + np.where(
            size.mid + size.rad < delta.mid - delta.rad, 0.0, delta.rad
        )
        return Ball(mid, np.where(np.isinf(d.rad), np.inf, rad), d.format)

    def parts(self) -> tuple[Ball, Ball, Ball]:
        d = self.z - self.t
        return d, abs(d), d.format.constant(self.delta)

    def branch(self, size: Ball, inside: Ball, outside: Ball) -> Ball:
        """Which piece |d| is on, against the constant as the program has it; NaN is on none and in both."""
        limit = size.format.constant(self.delta)
        open_ = np.abs(size.mid - limit.mid) <= size.rad + limit.rad
        return choose(size.mid < limit.mid, open_, inside, outside)


class SmoothL1Loss(HuberLoss):
    """l = d²/(2β) where |d| < β, else |d| − β/2: Huber's loss with δ = β, over β. β = 0 is L1Loss."""

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, float(module.beta))

    def terms(self) -> Ball:
        """d·d/(2β), d·(d/β)/2 and their like: an underflow of the first part is enlarged by the other.

        Each has one product, one division and the rounding of β; 2u cover that a program may have the halves elsewhere.
        """
        d, size, beta = self.parts()
        f = d.format
        if not self.delta:
            return size
        square = size * size / (beta + beta)
        square = wider(square, 2 * f.u * square.reach + 2 * f.eta * (1 + size.reach) * (1 + 1 / beta.mid))
        return self.branch(size, square, size - Ball(beta.mid / 2, beta.rad / 2, f))

    def derivative(self) -> Ball:
        """d/β, clipped to ±1; surely outside it is ±1, exactly."""
        d, size, beta = self.parts()
        if not self.delta:
            flat = L1Loss(self.reduction)
            flat.z, flat.t = self.z, self.t
            return flat.derivative()
        self.amplified = 1 + 1 / beta.mid
        outside = size.mid - size.rad > beta.mid + beta.rad
        ratio = Ball(np.clip(d.mid, -beta.mid, beta.mid), np.minimum(d.rad, 2 * beta.mid), d.format) / beta
        rad = np.where(outside, 0.0, ratio.rad)
        return Ball(np.where(outside, np.sign(d.mid), ratio.mid), np.where(np.isinf(d.rad), np.inf, rad), d.format)


class LogCoshLoss(Loss):
    """l = log cosh d = s + q − log 2 with s = |d| and q = log(1 + e^{−2s}), or with softplus(2s) = 2s + q for s + q.

    Both forms hold for every d that the format has. log(cosh d) does not: cosh overflows.
    """

    def terms(self) -> Ball:
        """The slope is tanh, at most 1. What is rounded, in units of u, for an exact d:

        - q: e^{−2s} costs 8u, or as the square of e^{−s} 17u, which reach q as 17u e^{−2s}/(1 + e^{−2s}) ≤ 17u q; and
          log1p costs 8u: 25 q. A flushed e^{−2s}: τ;
        - log 2: log 2;
        - the additions, in any order: 2s + q, then −s, costs at most 2s + log 2 and s + log 2; s + q at most that, and
          s − log 2 and q − log 2 less; the last one costs l ≤ s.

        In all 25 q + 4s + 3 log 2. Near d = 0, where l is d²/2, that is far above u l: log 2 cancels.
        """
        d = self.z - self.t
        f, size = d.format, abs(d)
        s, q = size.mid, np.log1p(np.exp(-2 * size.mid))
        mid = s + np.log1p(np.expm1(-2 * s) / 2)  # without the log 2 that cancels
        p = d.rad * WIDEN
        rounded = (2 * EXP + 1 + LOG) * (q + p) + 4 * (s + p) + 3 * math.log(2)
        rad = p + f.u * rounded * (1 + f.gamma(4)) + f.tau
        return settle(f, mid, rad, 2 * size.reach + 1)

    def derivative(self) -> Ball:
        """tanh d, which costs 12u of itself; or 1 − 2σ(−2s) with d's sign, as autograd makes it of the value's formula.

        2σ(−2s) = 1 − T with T = tanh s. The 16u of σ cover 2e^{−2s}/(1 + e^{−2s}) too; its product with the upstream
        gradient is rounded once more, and so is the difference: 17u (1 − T) + u T in all, less than the sum of that
        first part and tanh's 12u T. Inside the ball tanh has a slope of at most 1 − tanh² at the place nearest to 0. An
        exact 0 is 0 in both.
        """
        d = self.z - self.t
        f, size = d.format, abs(d)
        T = np.tanh(size.mid)
        near = np.tanh(np.maximum(size.mid - size.rad, 0.0))
        p = np.minimum(d.rad * (1 - near * near) * (1 + 2.0**-40) + d.rad * f.u, 2.0)
        p = np.where(np.isinf(d.rad), np.inf, p)
        rad = p + f.u * (TANH * (T + p) + (SIGMOID + 1) * (1 - T + p)) + f.tau
        return Ball(np.sign(d.mid) * T, np.where((d.mid == 0) & (d.rad == 0), 0.0, rad), f)
