"""Losses of a difference d = x − t: MSE, half squared error, L1, smooth L1, Huber, log cosh."""

import math
from typing import Any

import numpy as np

from contract import loss_checks
from scratch.losses.loss import Loss, Target
from scratch.module import Array

__all__ = ["HalfSquaredError", "HuberLoss", "L1Loss", "LogCoshLoss", "MSELoss", "SmoothL1Loss"]


class MSELoss(Loss):
    """value = (x − t)², one per element; ∂value/∂x = 2(x − t).

    Torch's mean is over all N·C elements. The textbook ½‖x − t‖² per sample is `HalfSquaredError`.
    Raises ValueError where input and target differ in shape; a target of shape () serves all.
    """

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        difference = input - target
        return self._reduce(difference * difference, difference)

    def backward(self, grad_output: Any = None) -> Array:
        difference, u = self._recall(grad_output)
        return np.asarray(2 * u * difference)


class HalfSquaredError(Loss):
    """The textbook's value = ½‖x − t‖² = ½ Σ_c (x_c − t_c)², one per sample; ∂value/∂x = x − t.

    The samples are the rows: their values are summed over the last axis, and the mean is over the samples. Torch has no
    such loss. For N samples of C outputs each,

        HalfSquaredError("mean") = C/2 · MSELoss("mean"),    HalfSquaredError("sum") = N·C/2 · MSELoss("mean"),

    and so are the gradients: a learning rate η with it is the rate η·C/2 (for the sum η·N·C/2) with `MSELoss()`.
    For two outputs, as in source 002, the mean of one is the mean of the other.
    Raises ValueError for an input without axes; else as MSELoss.
    """

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        loss_checks.has_axes(self.name, input.shape)
        difference = input - target
        return self._reduce((difference * difference).sum(-1) / 2, difference)

    def backward(self, grad_output: Any = None) -> Array:
        difference, u = self._recall(grad_output)
        return np.asarray(u[..., np.newaxis] * difference)


class L1Loss(Loss):
    """value = |x − t|, one per element; ∂value/∂x = sign(x − t), and 0 at the kink x = t."""

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        difference = input - target
        return self._reduce(np.abs(difference), difference)

    def backward(self, grad_output: Any = None) -> Array:
        difference, u = self._recall(grad_output)
        return np.asarray(u * sign(difference))


class SmoothL1Loss(Loss):
    """value = d²/(2β) where |d| < β, else |d| − β/2, with d = x − t; one per element.

    ∂value/∂x = d/β where |d| < β, else sign(d). Both pieces and their slopes agree at |d| = β, so that the loss has no
    kink. β = 0 is L1Loss, whose kink at d = 0 has gradient 0. SmoothL1Loss(β) is HuberLoss(β)/β.
    Source: Girshick, *Fast R-CNN* (2015), eq. 3 (β = 1). Raises ValueError for β < 0; else as MSELoss.
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, beta=beta)
        self.beta = beta

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        d = input - target
        size, beta = np.abs(d), self.beta
        inside = np.minimum(size, beta)  # d²/2β is wanted, and finite, only there
        square = inside * (inside / beta) / 2 if beta else inside
        return self._reduce(np.where(size < beta, square, size - beta / 2), d, beta)

    def backward(self, grad_output: Any = None) -> Array:
        d, beta, u = self._recall(grad_output)
        return np.asarray(u * (np.clip(d, -beta, beta) / beta if beta else sign(d)))


class HuberLoss(Loss):
    """value = d²/2 where |d| ≤ δ, else δ(|d| − δ/2), with d = x − t; one per element.

    ∂value/∂x = d where |d| ≤ δ, else δ sign(d): d, clipped to [−δ, δ]. No kink: both pieces and slopes agree at δ.
    Source: Huber, *Robust Estimation of a Location Parameter* (1964). Raises ValueError for δ ≤ 0; else as MSELoss.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, delta=delta)
        self.delta = delta

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        d = input - target
        size, delta = np.abs(d), self.delta
        inside = np.minimum(size, delta)  # its square is wanted, and finite, only there
        values = np.where(size < delta, inside * inside / 2, delta * (size - delta / 2))
        return self._reduce(values, d, delta)

    def backward(self, grad_output: Any = None) -> Array:
        d, delta, u = self._recall(grad_output)
        return np.asarray(u * np.clip(d, -delta, delta))


class LogCoshLoss(Loss):
    """value = log cosh d = |d| + log(1 + e^{−2|d|}) − log 2, with d = x − t; one per element; ∂value/∂x = tanh d.

    Near d²/2 for small d, near |d| − log 2 for large ones: as HuberLoss, with all derivatives. cosh d itself overflows
    from |d| = 89 on in float32; e^{−2|d|} does not. Below |d| = 2 the terms cancel, and cosh² d = 1 + sinh² d gives the
    value as ½ log(1 + sinh² d). In it the roundings of d and of sinh d count twice, so it is computed in float64.
    Raises as MSELoss.
    Source: Green, *Bayesian Reconstructions From Emission Tomography Data Using a Modified EM Algorithm* (1990), where
    log cosh is a potential between neighbours.
    """

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        d = np.asarray(input, np.float64) - target
        size = np.abs(d)
        e = np.exp(-size)  # squared below: 2|d| may overflow
        h = np.sinh(np.minimum(size, 2))
        values = np.where(size < 2, np.log1p(h * h) / 2, size + np.log1p(e * e) - math.log(2))
        return self._reduce(values.astype(input.dtype), d)

    def backward(self, grad_output: Any = None) -> Array:
        d, u = self._recall(grad_output)
        return np.asarray((u * np.tanh(d)).astype(u.dtype))


def sign(x: Array) -> Array:
    """1, 0 or −1, and 0 for NaN, as PyTorch has it: `np.sign` keeps NaN."""
    return np.subtract(x > 0, x < 0, dtype=x.dtype)
