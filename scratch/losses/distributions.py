"""Losses between distributions: Kullback-Leibler, and the negative log-likelihoods of Poisson and of Gauss."""

import math
from typing import Any, ClassVar

import numpy as np

from contract import loss_checks
from scratch.losses.loss import Loss, PairLoss, Target
from scratch.module import Array

__all__ = ["GaussianNLLLoss", "KLDivLoss", "PoissonNLLLoss"]


class KLDivLoss(Loss):
    """D(t ‖ p) for log-probabilities x = log p: value = t (log t − x), one per element; ∂value/∂x = −t.

    With `log_target` the target is log t, value = eᵗ (t − x) and ∂value/∂x = −eᵗ. t log t is 0 at t = 0.
    The mean is over all elements, as for every loss here; reduction "batchmean" divides the sum by the length of the
    first axis, and that is the divergence per sample. Source: Kullback and Leibler, *On Information and Sufficiency*
    (1951). Raises ValueError where input and target differ in shape; a target of shape () serves all.
    """

    REDUCTIONS: ClassVar[tuple[str, ...]] = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, log_target=log_target)
        self.log_target = log_target

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        rows = (input.shape or (1,))[0] if self.reduction == "batchmean" else None
        if self.log_target:
            share = np.exp(target)
            return self._reduce(share * (target - input), share, input.shape, total_weight=rows)
        with np.errstate(invalid="ignore"):  # a negative target has no logarithm, 0·(−∞) no value: NaN, as in PyTorch
            values = target * np.log(np.where(target == 0, 1, target)) - target * input
        return self._reduce(values, target, input.shape, total_weight=rows)

    def backward(self, grad_output: Any = None) -> Array:
        share, shape, u = self._recall(grad_output)
        return np.broadcast_to(-u * share, shape).copy()


class PoissonNLLLoss(Loss):
    """−log of the Poisson probability of t at the rate λ = eˣ: value = eˣ − t x, one per element.

    ∂value/∂x = eˣ − t. With `log_input=False` the input is the rate itself: value = x − t log(x + ε) and
    ∂value/∂x = 1 − t/(x + ε); `eps` is ε. −log P has also log t!, a constant: `full` adds Stirling's
    t log t − t + ½ log(2πt) where t > 1. Both differences cancel, the derivative's at its zero x = log t;
    so eˣ is taken in float64, where a rounding of it does not show.
    Raises ValueError where input and target differ in shape.
    """

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, log_input=log_input, full=full, eps=eps)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        x = np.asarray(input, np.float64) if self.log_input else input
        with np.errstate(divide="ignore", invalid="ignore"):  # the logarithm of a rate ≤ 0: ∞ or NaN, as in PyTorch
            rate, logarithm = (np.exp(x), x) if self.log_input else (x, np.log(x + self.eps))
            values = rate - target * logarithm
        if self.full:
            t: Array = np.maximum(target, 1)
            stirling = t * np.log(t) - t + np.log(2 * math.pi * t) / 2
            values = values + np.where(target > 1, stirling, 0)
        return self._reduce(values.astype(input.dtype), rate, target, self.log_input, self.eps)

    def backward(self, grad_output: Any = None) -> Array:
        rate, target, log_input, eps, u = self._recall(grad_output)
        if log_input:
            return np.asarray((u * (rate - target)).astype(u.dtype))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(u * (1 - target / (rate + eps)))


class GaussianNLLLoss(PairLoss):
    """−log of the Gaussian density at t, mean x, variance v: value = ½ (log v + (x − t)²/v), one per element.

    forward(input, target, var) with v = max(var, ε); `full` adds the constant ½ log 2π. With d = x − t,

        ∂value/∂x = d/v,    ∂value/∂v = ½ (1/v − d²/v²).

    The latter is `var`'s. As in PyTorch the clamp at ε (`eps`) is not differentiated: below it `var` has the gradient
    that it would have at ε.
    `var` has the input's shape, or one variance serves a row: the shape without its last axis, or with one axis of
    length 1; or all of them: shape () or a Python number. Its gradient is summed over what it serves.
    Source: Nix and Weigend, *Estimating the Mean and Variance of the Target Probability Distribution* (1994).
    Raises ValueError for a negative variance and for shapes that do not fit.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, full=full, eps=eps)
        self.full, self.eps = full, eps

    def forward(self, input: Array, target: Target, var: Array | float, /) -> Any:
        target = loss_checks.gaussian_nll_loss(self.name, input, target, var, self.reduction)
        var = np.asarray(var, input.dtype)
        v = np.maximum(var, self.eps)
        if var.ndim and var.ndim == input.ndim - 1:
            v = v[..., np.newaxis]
        d = input - target
        values = (np.log(v) + d * d / v) / 2
        if self.full:
            values = values + math.log(2 * math.pi) / 2
        return self._reduce(values, d, v, var.shape)

    def backward(self, grad_output: Any = None) -> tuple[Array, Array]:
        d, v, shape, u = self._recall(grad_output)
        grad_var = u * (1 / v - d * d / v / v) / 2
        served = tuple(axis for axis in range(d.ndim) if v.ndim < d.ndim or v.shape[axis] != d.shape[axis])
        return np.asarray(u * (d / v)), np.asarray(grad_var.sum(served)).reshape(shape)
