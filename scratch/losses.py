"""Losses: each one a formula and, right under it, its derivative with respect to the input.

A loss has one value per element (or per sample, for the class losses); `reduction` is "mean", "sum" or "none".
`backward(grad_output)` returns dL/dx = Σ_k u_k ∂value_k/∂x, where u is 1/n for the mean of n values, 1 for their sum,
and `grad_output` itself for "none"; for mean and sum a scalar `grad_output` multiplies it. Targets are constants.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from scratch import checks
from scratch.activations import log_softmax, sigmoid, zero_where
from scratch.module import Array

Target = npt.NDArray[Any]
SMALLEST_VARIANCE = float(np.float32(1e-12))


class Loss:
    """What all losses share: the reduction, and the memory between `forward` and `backward`."""

    reduction: str
    _memory: tuple[tuple[int, ...], tuple[Any, ...]] | None = None

    def __init__(self, reduction: str = "mean") -> None:
        checks.choice(self.name, "reduction", reduction, ("mean", "sum", "none"))
        self.reduction = reduction

    @property
    def name(self) -> str:
        return type(self).__name__

    def forward(self, input: Array, target: Target) -> Any:
        raise NotImplementedError(f"{self.name} does not define forward")

    def backward(self, grad_output: Any = None) -> Array:
        raise NotImplementedError(f"{self.name} does not define backward")

    def __call__(self, input: Array, target: Target) -> Any:
        return self.forward(input, target)

    def __repr__(self) -> str:
        return f"{self.name}()"

    def _reduce(self, values: Array, *memory: Any, total_weight: Any = None) -> Any:
        """Reduce `values` and remember `memory` for backward. The mean divides by `total_weight`, or their number."""
        if self.reduction == "none":
            self._memory = (values.shape, (*memory, values.dtype.type(1)))
            return values
        count = values.dtype.type(values.size if total_weight is None else total_weight)
        if self.reduction == "sum":
            count = values.dtype.type(1)
        self._memory = ((), (*memory, count))
        with np.errstate(invalid="ignore"):  # 0/0: every target ignored; NaN, as in PyTorch
            return values.sum() / count

    def _recall(self, grad_output: Any) -> tuple[Any, ...]:
        """The remembered values, and last u, the weight of each loss value in the result."""
        checks.not_before_forward(self.name, self._memory)
        assert self._memory is not None
        shape, (*memory, count) = self._memory
        checks.loss_grad_output(self.name, grad_output, shape, self.reduction)
        upstream = np.asarray(1 if grad_output is None else grad_output, count.dtype)
        # Every target ignored: nothing to differentiate, and 1/0 must not reach the sum.
        return (*memory, upstream / count if count else np.zeros_like(upstream))


class MSELoss(Loss):
    """value = (x − t)², one per element; ∂value/∂x = 2(x − t).

    Torch's mean is over all N·C elements. The textbook ½‖x − t‖² per sample has gradient x − t, C/2 times as large as
    this mean's times N. Raises ValueError where input and target differ in shape; a target of shape () serves all.
    """

    def forward(self, input: Array, target: Target) -> Any:
        checks.elementwise_loss(self.name, input, target, self.reduction)
        difference = input - target
        return self._reduce(difference * difference, difference)

    def backward(self, grad_output: Any = None) -> Array:
        difference, u = self._recall(grad_output)
        return np.asarray(2 * u * difference)


class L1Loss(Loss):
    """value = |x − t|, one per element; ∂value/∂x = sign(x − t), and 0 at the kink x = t."""

    def forward(self, input: Array, target: Target) -> Any:
        checks.elementwise_loss(self.name, input, target, self.reduction)
        difference = input - target
        return self._reduce(np.abs(difference), difference)

    def backward(self, grad_output: Any = None) -> Array:
        difference, u = self._recall(grad_output)
        return np.asarray(u * np.sign(difference))


class BCELoss(Loss):
    """Binary cross-entropy of probabilities p: value = −w (t log p + (1 − t) log(1 − p)).

    ∂value/∂p = w (−t/p + (1 − t)/(1 − p)) = w (p − t)/(p(1 − p)).

    As in PyTorch the logarithms are clamped at −100 and the denominator at 1e-12, so that p = 0 and p = 1 stay finite.
    (PyTorch writes that constant in single precision for float64 too, where it is 4e-9 less than 1e-12.)
    `weight` broadcasts to the input; the mean divides by the number of elements, not by the weights.
    Raises ValueError for p outside [0, 1].
    """

    def __init__(self, weight: Array | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = weight

    def forward(self, input: Array, target: Target) -> Any:
        checks.elementwise_loss(self.name, input, target, self.reduction, weight=self.weight)
        checks.probabilities(self.name, input)
        with np.errstate(divide="ignore"):  # log 0 = −inf is what the clamp is for
            log_p, log_q = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
        values = (target - 1) * log_q - target * log_p
        if self.weight is not None:
            values = values * self.weight
        return self._reduce(values, input, target)

    def backward(self, grad_output: Any = None) -> Array:
        p, target, u = self._recall(grad_output)
        gradient = u * (p - target) / np.maximum(p * (1 - p), SMALLEST_VARIANCE)
        return np.asarray(gradient if self.weight is None else gradient * self.weight)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits x: value = w (c·t·softplus(−x) + (1 − t)·softplus(x)), softplus(x) = log(1 + eˣ).

    With softplus(x) = x + softplus(−x) and l = 1 + (c − 1)t it is w ((1 − t) x + l·softplus(−x)), and
    softplus(−x) = log(1 + e^−|x|) + max(−x, 0) never overflows. As softplus′ = σ and 1 − σ(x) = σ(−x),

        ∂value/∂x = w ((1 − t) − l (1 − σ(x))) = w (l σ(x) − c t),  which is σ(x) − t without weights.

    `pos_weight` c and `weight` w broadcast to the input. The mean divides by the number of elements.
    """

    def __init__(self, weight: Array | None = None, reduction: str = "mean", pos_weight: Array | None = None) -> None:
        super().__init__(reduction)
        self.weight, self.pos_weight = weight, pos_weight

    def forward(self, input: Array, target: Target) -> Any:
        checks.elementwise_loss(
            self.name, input, target, self.reduction, weight=self.weight, pos_weight=self.pos_weight
        )
        softplus = np.log1p(np.exp(-np.abs(input))) + np.maximum(-input, 0)
        if self.pos_weight is not None:
            softplus = softplus * ((self.pos_weight - 1) * target + 1)
        values = (1 - target) * input + softplus
        if self.weight is not None:
            values = values * self.weight
        return self._reduce(values, input, target)

    def backward(self, grad_output: Any = None) -> Array:
        x, target, u = self._recall(grad_output)
        if self.pos_weight is None:
            gradient = sigmoid(x) - target
        else:
            positive = self.pos_weight * target
            gradient = (positive + 1 - target) * sigmoid(x) - positive
        gradient = u * gradient
        return np.asarray(gradient if self.weight is None else gradient * self.weight)


class ClassLoss(Loss):
    """What cross-entropy and NLL share: a weight per class, an ignored index, classes on axis 1 (or the only axis)."""

    def __init__(self, weight: Array | None, ignore_index: int, reduction: str) -> None:
        super().__init__(reduction)
        self.weight, self.ignore_index = weight, ignore_index

    def _weighted_one_hot(self, target: Target, scores: Array) -> Array:
        """Row n is w_t at the class t = t_n, else 0; all zeros where the target is ignored."""
        classes = np.arange(scores.shape[-1])
        one_hot = np.asarray(target[..., np.newaxis] == classes, scores.dtype)
        if 0 <= self.ignore_index < len(classes):
            one_hot[..., self.ignore_index] = 0
        return one_hot if self.weight is None else one_hot * self.weight


class CrossEntropyLoss(ClassLoss):
    """Cross-entropy of logits x: value = −Σ_c Q_c log p_c with p = softmax(x), one per sample.

    For a class index t and label smoothing ε over C classes, the wanted distribution is
    Q = (1 − ε) w_t onehot(t) + (ε/C) w; for class probabilities q, Q_c = w_c ((1 − ε) q_c + ε/C).
    With ∂log p_c/∂x_j = [c = j] − p_j,

        ∂value/∂x_j = p_j Σ_c Q_c − Q_j,  which is p − onehot(t) without options.

    The mean divides by Σ w_t over the samples that are not ignored; for class probabilities by their number.
    Shapes: x (C,), (N, C) or (N, C, d…); t () / (N,) / (N, d…) integers, or probabilities of x's shape.
    Raises IndexError for a class out of range, ValueError for shapes that do not fit.
    """

    def __init__(
        self,
        weight: Array | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        checks.label_smoothing(self.name, label_smoothing)
        self.label_smoothing = label_smoothing

    def forward(self, input: Array, target: Target) -> Any:
        checks.class_loss(
            self.name, input, target, self.reduction, self.weight, self.ignore_index, probability_targets=True
        )
        log_p = log_softmax(classes_last(input), -1)
        weight = 1 if self.weight is None else self.weight
        smoothing, even = self.label_smoothing, self.label_smoothing / log_p.shape[-1]
        if target.dtype.kind == "f":
            q = weight * ((1 - smoothing) * classes_last(target) + even)
            values, total = -(q * log_p).sum(-1), None
        else:
            q = self._weighted_one_hot(target, log_p)
            total = q.sum()
            if smoothing:
                kept = np.asarray(target != self.ignore_index, q.dtype)[..., np.newaxis]
                q = (1 - smoothing) * q + even * weight * kept
            values = -(q * zero_where(q == 0, log_p)).sum(-1)  # a logit −∞ not asked for adds 0, not 0·∞
        return self._reduce(values, log_p, q, input.ndim, total_weight=total)

    def backward(self, grad_output: Any = None) -> Array:
        log_p, q, ndim, u = self._recall(grad_output)
        gradient = u[..., np.newaxis] * (np.exp(log_p) * q.sum(-1, keepdims=True) - q)
        return classes_second(np.asarray(gradient), ndim)


class NLLLoss(ClassLoss):
    """Negative log-likelihood of log-probabilities x: value = −w_t x_t, one per sample; ∂value/∂x_j = −w_t [j = t].

    The mean divides by Σ w_t over the samples that are not ignored. Shapes and errors as for CrossEntropyLoss, with
    class indices only. NLLLoss of LogSoftmax is CrossEntropyLoss.
    """

    def __init__(self, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index, reduction)

    def forward(self, input: Array, target: Target) -> Any:
        checks.class_loss(
            self.name, input, target, self.reduction, self.weight, self.ignore_index, probability_targets=False
        )
        scores = classes_last(input)
        q = self._weighted_one_hot(target, scores)
        values = -(q * zero_where(q == 0, scores)).sum(-1)
        return self._reduce(values, q, input.ndim, total_weight=q.sum())

    def backward(self, grad_output: Any = None) -> Array:
        q, ndim, u = self._recall(grad_output)
        return classes_second(-u[..., np.newaxis] * q, ndim)


def classes_last(x: Array) -> Array:
    """(N, C, d…) → (N, d…, C); (N, C) and (C,) are so already."""
    return x if x.ndim <= 2 else np.moveaxis(x, 1, -1)


def classes_second(x: Array, ndim: int) -> Array:
    """The way back: (N, d…, C) → (N, C, d…)."""
    return x if ndim <= 2 else np.moveaxis(x, -1, 1)
