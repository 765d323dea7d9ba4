"""Losses of two classes: probabilities or logits against 0 … 1, scores or distances against −1 and 1."""

from typing import Any

import numpy as np

from contract import loss_checks
from scratch.activations.functions import sigmoid, sigmoid_minus
from scratch.losses.loss import Loss, Target, kept
from scratch.module import Array

__all__ = ["BCELoss", "BCEWithLogitsLoss", "HingeEmbeddingLoss", "SoftMarginLoss"]

SMALLEST_VARIANCE = float(np.float32(1e-12))


class BCELoss(Loss):
    """Binary cross-entropy of probabilities p: value = −w (t log p + (1 − t) log(1 − p)).

    ∂value/∂p = w (−t/p + (1 − t)/(1 − p)) = w (p − t)/(p(1 − p)).

    As in PyTorch the logarithms are clamped at −100 and the denominator at 1e-12, so that p = 0 and p = 1 stay finite.
    (PyTorch writes that constant in single precision for float64 too, where it is 4e-9 less than 1e-12.)
    `weight` broadcasts to the input; the mean divides by the number of elements, not by the weights.
    Raises ValueError for p or t outside [0, 1], NaN included.
    """

    def __init__(self, weight: Array | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, weight=weight)
        self.weight = kept(weight)

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction, weight=self.weight)
        loss_checks.probabilities(self.name, input=input, target=np.asarray(target))
        with np.errstate(divide="ignore"):  # log 0 = −inf is what the clamp is for
            log_p, log_q = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
        values = (target - 1) * log_q - target * log_p
        if self.weight is not None:
            values = values * self.weight
        return self._reduce(values, input, target, self.weight)

    def backward(self, grad_output: Any = None) -> Array:
        p, target, weight, u = self._recall(grad_output)
        gradient = u * (p - target) / np.maximum(p * (1 - p), SMALLEST_VARIANCE)
        return np.asarray(gradient if weight is None else gradient * weight)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits x: value = w (c·t·softplus(−x) + (1 − t)·softplus(x)), softplus(x) = log(1 + eˣ).

    softplus(x) = x + softplus(−x), so with l = 1 − t + c·t it is w ((1 − t) x + l·softplus(−x)), and
    softplus(−x) = max(−x, 0) + log(1 + e^−|x|) never overflows. Without c the two straight parts are added
    first: for t = 0 or 1 they are 0 where the logarithm is small, and all its digits stay. As softplus′ = σ,

        ∂value/∂x = w (l σ(x) − c t) = w ((1 − t) σ(x) − c t σ(−x)),  which is σ(x) − t without weights.

    σ(x) − 1 would lose every digit of σ(−x) for a large x. With c, PyTorch's first form decides what is no number.

    `pos_weight` c and `weight` w broadcast to the input. The mean divides by the number of elements.
    """

    def __init__(self, weight: Array | None = None, reduction: str = "mean", pos_weight: Array | None = None) -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, weight=weight, pos_weight=pos_weight)
        self.weight, self.pos_weight = kept(weight), kept(pos_weight)

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(
            self.name, input, target, self.reduction, weight=self.weight, pos_weight=self.pos_weight
        )
        straight, curved = np.maximum(-input, 0), np.log1p(np.exp(-np.abs(input)))
        if self.pos_weight is None:
            values = (1 - target) * input + straight + curved
        else:
            values = (1 - target) * input + ((self.pos_weight - 1) * target + 1) * (straight + curved)
        if self.weight is not None:
            values = values * self.weight
        return self._reduce(values, input, target, self.weight, self.pos_weight)

    def backward(self, grad_output: Any = None) -> Array:
        x, target, weight, pos_weight, u = self._recall(grad_output)
        if pos_weight is None:
            gradient = sigmoid_minus(x, target)
        else:
            positive = pos_weight * target
            gradient = (positive + 1 - target) * sigmoid(x) - positive
        gradient = u * gradient
        return np.asarray(gradient if weight is None else gradient * weight)


class SoftMarginLoss(Loss):
    """The logistic loss of scores x against signs t = ±1: value = log(1 + e^−tx) = softplus(−tx), one per element.

    As softplus′ = σ, ∂value/∂x = −t σ(−tx). It is BCEWithLogitsLoss with the target (1 + t)/2. Other t than ±1 are
    taken as they are. softplus does not overflow; PyTorch's log1p(exp(−tx)) is ∞, and its gradient NaN, where e^−tx
    does: beyond 88 in float32, 709 in float64.
    """

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        return self._reduce(softplus(-target * input), input, target)

    def backward(self, grad_output: Any = None) -> Array:
        x, target, u = self._recall(grad_output)
        return np.asarray(u * -target * sigmoid(-target * x))


class HingeEmbeddingLoss(Loss):
    """Of distances x, with signs t: value = x where t = 1, max(0, Δ − x) where t = −1; Δ is `margin`. One per element.

    ∂value/∂x = 1 where t = 1, −1 where t = −1 and x ≤ Δ, else 0: at the kink x = Δ it is −1, and at NaN 0.
    For any other t PyTorch adds both terms, and so is done here.
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, margin=margin)
        self.margin = margin

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        apart = self.margin - input
        values = np.where(target != -1, input, 0) + np.where(target != 1, np.maximum(apart, 0), 0)
        return self._reduce(values, apart, target)

    def backward(self, grad_output: Any = None) -> Array:
        apart, target, u = self._recall(grad_output)
        return np.asarray(u * np.subtract(target != -1, (target != 1) & (apart >= 0), dtype=apart.dtype))


def softplus(x: Array) -> Array:
    """log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|), which never overflows."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))
