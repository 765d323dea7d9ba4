"""The references of losses of a difference d = z − t."""

from typing import Any, Self

import numpy as np

from handgrad.judge.ball import WIDEN, Ball
from handgrad.judge.rules.losses.functions import choose, wider
from handgrad.judge.rules.losses.loss import Loss, SampleLoss

__all__ = ["HalfSquaredError", "HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss"]


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
