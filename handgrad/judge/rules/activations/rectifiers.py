"""The references of the activations made of straight pieces.

Which piece an input is on is decided exactly unless rounding may carry it across (`touches`); then the ball holds
both. Boundaries are compared with in the working format, by both sides.
"""

import math
from typing import Any, Self

import numpy as np

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Float64, settle
from handgrad.judge.rules.rule import (
    Activation,
    Gradients,
    Leaf,
    Mask,
    Parameters,
    given,
    pick,
    rounded_to,
    select,
    touches,
    unclaimed,
    zero,
)

__all__ = ["Hardtanh", "Identity", "LeakyReLU", "PReLU", "RReLU", "ReLU", "ReLU6", "Threshold"]


class Identity(Leaf):
    """a = z."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return x

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return grad


class ReLU(Activation):
    """a = max(z, 0), exact: an interval's image is an interval."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.x = x
        high = np.maximum(x.mid + x.rad, 0)
        return Ball(np.maximum(x.mid, 0), np.fmin(x.rad, high), x.format)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d where z > 0, else 0. At an exact 0 the derivative is 0, at NaN it is 1: `d` where not z <= 0.

        Where 0 is inside a ball of positive radius the mask cannot be decided: dz is 0 or d.
        """
        return select(grad, self.x, grad, zero(grad))


class Hardtanh(Activation):
    """a = min(max(z, low), high), exact, as ReLU. ReLU6 is the same with its own numbers."""

    def __init__(self, name: str, low: float, high: float) -> None:
        super().__init__(name)
        self.low, self.high = low, high

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, float(module.min_val), float(module.max_val))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.x = x
        self.ends = rounded_to(x, self.low), rounded_to(x, self.high)
        mid = np.clip(x.mid, *self.ends)
        reach = np.maximum(np.clip(x.mid + x.rad, *self.ends) - mid, mid - np.clip(x.mid - x.rad, *self.ends))
        return Ball(mid, np.where(np.isinf(x.rad), np.inf, np.fmin(x.rad, reach)), x.format)  # undecided may be NaN

    def vjp(self, grad: Ball) -> Ball:
        """dz = d strictly between, else 0, 0 at both ends. At NaN PyTorch has d or 0, by the length of the array."""
        x, (low, high) = self.x, self.ends
        inside = (x.mid > low) & (x.mid < high)
        both = pick(inside, touches(x, low) | touches(x, high), grad, zero(grad))
        return unclaimed(both, np.isnan(x.mid))


class ReLU6(Hardtanh):
    """a = min(max(z, 0), 6)."""

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, 0.0, 6.0)


class Threshold(Activation):
    """a = z where not z <= threshold, else value: exact, and a jump where the threshold is inside the ball."""

    def __init__(self, name: str, threshold: float, value: float) -> None:
        super().__init__(name)
        self.threshold, self.value = threshold, value

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, float(module.threshold), float(module.value))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        threshold = rounded_to(x, self.threshold)
        self.on: Mask = ~(x.mid <= threshold)
        self.undecided = touches(x, threshold)
        value: Float64 = np.full(x.shape, rounded_to(x, self.value))
        return pick(self.on, self.undecided, x, Ball(value, np.zeros(x.shape), x.format))

    def vjp(self, grad: Ball) -> Ball:
        """dz = d where not z <= threshold, else 0: NaN passes d."""
        return pick(self.on, self.undecided, grad, zero(grad))


class LeakyReLU(Activation):
    """a = z where z > 0, else slope · z."""

    def __init__(self, name: str, slope: float) -> None:
        super().__init__(name)
        self.slope = slope

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, float(module.negative_slope))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """The product costs one rounding, the slope, a Python number, another; the function moves by the steeper slope.

        Only where z may be negative: positive values pass unrounded.
        """
        self.x, s = x, np.asarray(self.slope)
        return _leak(x, s, np.asarray(abs(self.slope) * x.format.u))

    def vjp(self, grad: Ball) -> Ball:
        """dz = d where z > 0, else slope · d. At 0 and at NaN the derivative is the slope."""
        return select(grad, _nan_as_zero(self.x), grad, grad * grad.format.constant(self.slope))


class PReLU(Activation):
    """a = z where z > 0, else w_c · z, with exact slopes w: one for all, or one per entry of the second axis."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__(name)
        self.channels = channels

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, int(module.num_parameters))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        w = np.asarray(given(parameters, self.parameter("weight")), np.float64)
        if self.channels > 1 and (len(x.shape) < 2 or x.shape[1] != self.channels):
            raise ValueError(f"{self.label()} takes inputs of shape (N, {self.channels}, ...), not {x.shape}")
        self.x = x
        self.w = w.reshape(-1, *[1] * (len(x.shape) - 2)) if self.channels > 1 else w.reshape(())
        return _leak(x, self.w, np.zeros(()))

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """dw_c = Σ d z over the numbers of channel c where not z > 0, in any order."""
        x = self.x
        products = grad * x
        off = pick(x.mid > 0, touches(x, 0.0), zero(products), products)
        if self.channels > 1:
            rows = off.moveaxis(1, 0)
            terms = rows.reshape(self.channels, math.prod(rows.shape[1:])).sum(axis=1)
        else:
            terms = off.reshape(1, off.size).sum(axis=1)
        gradients[self.parameter("weight")] = terms
        return super().backward(grad, gradients)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d where z > 0, else w_c · d. At 0 and at NaN the derivative is the slope."""
        slope = Ball(np.broadcast_to(self.w, grad.shape), np.zeros(grad.shape), grad.format)
        return select(grad, _nan_as_zero(self.x), grad, grad * slope)


class RReLU(Activation):
    """a = z where z > 0, else s · z. In training s are the exact slopes of the layer's last forward call, which it
    keeps as `slopes`; else s = (lower + upper)/2 as in LeakyReLU."""

    def __init__(self, name: str, module: Any) -> None:
        super().__init__(name)
        self.module = module

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, module)

    def follow(self, module: Any) -> None:
        self.module = module

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.x, module = x, self.module
        mean = (float(module.lower) + float(module.upper)) / 2
        self.slope = x.format.constant(mean, roundings=2)
        # At NaN the derivative is 1 in training, else the slope.
        self.z = _nan_as_zero(x)
        if module.training:
            slopes = getattr(module, "slopes", None)
            if slopes is None:
                raise ValueError(f"{self.label()} in training does not say which slopes it drew; judge it after eval()")
            self.slope, self.z = x.format.exact(structure.array(slopes)), x
            if self.slope.shape != x.shape:
                raise ValueError(f"{self.label()} drew slopes of shape {self.slope.shape} for an input of {x.shape}")
        return _leak(x, self.slope.mid, self.slope.rad)

    def vjp(self, grad: Ball) -> Ball:
        return select(grad, self.z, grad, grad * self.slope)


def _leak(x: Ball, slope: Float64, slope_rad: Float64) -> Ball:
    """z where z > 0, else s · z for s within `slope_rad` of `slope`: one rounding; the steeper slope moves a ball."""
    f, s = x.format, np.abs(slope) + slope_rad
    mid = np.where(x.mid > 0, x.mid, slope * x.mid)
    negative = x.mid - x.rad < 0
    positive = x.mid + x.rad > 0
    move = np.where(negative, np.where(positive, np.maximum(1.0, s), s), 1.0) * x.rad
    rounding = (slope_rad + f.u * s) * x.reach + (1 + x.reach) * f.eta
    rad = np.where(negative, move + rounding, move)
    return settle(f, mid, rad, np.abs(mid) + rad)


def _nan_as_zero(x: Ball) -> Ball:
    """NaN counts as not positive."""
    nan = np.isnan(x.mid)
    return Ball(np.where(nan, 0.0, x.mid), np.where(nan, 0.0, x.rad), x.format) if nan.any() else x
