"""Losses of scores for C classes: one is right (cross-entropy, NLL, multi-margin), or several are (multi-label)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from contract import loss_checks
from scratch.activations.functions import log_softmax, sigmoid_minus
from scratch.flags import told_if_it_shows
from scratch.losses.binary import softplus
from scratch.losses.loss import Loss, Target, kept
from scratch.module import Array

__all__ = ["CrossEntropyLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss"]


class ClassLoss(Loss):
    """What cross-entropy and NLL share: a weight per class, an ignored index, classes on axis 1 (or the only axis)."""

    def __init__(self, weight: Array | None, ignore_index: int, reduction: str) -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, weight=weight, ignore_index=ignore_index)
        self.weight, self.ignore_index = kept(weight), ignore_index

    def _asked(self, scores: Array, target: Target, ignores: bool) -> tuple[Any, Any, Any, Any, Any]:
        """Of class indices t: x_t of every sample, where it lies in `scores`, w_t, whether it counts, and Σ w_t.

        `scores` have their classes first. Without weights w_t is the number 1. What is ignored has x_t = w_t = 0.
        """
        counts = target != self.ignore_index if ignores else True
        t = np.where(counts, target, 0) if ignores else target
        at = t.astype(np.intp, copy=False) * t.size + np.arange(t.size).reshape(t.shape)
        x: Any = scores.take(at)
        w: Any = 1 if self.weight is None else self.weight.take(t)
        if ignores:
            x, w = np.where(counts, x, 0), np.where(counts, w, 0).astype(x.dtype)
        if self.weight is not None:
            return x, at, w, counts, w.sum()
        return x, at, w, counts, np.count_nonzero(counts) if ignores else t.size

    def _over_nothing(self, q: Array, counts: Any, grad_output: Any) -> Array:
        """q g/D for D = 0: ∞, or NaN for 0·∞, of a sample that `counts`; 0 of others, as in PyTorch."""
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.asarray(1 if grad_output is None else grad_output, q.dtype) / q.dtype.type(0)
            return np.where(counts, q * u, q.dtype.type(0))


class CrossEntropyLoss(ClassLoss):
    """Cross-entropy of logits x: value = −Σ_c Q_c log p_c with p = softmax(x), one per sample.

    For a class index t and label smoothing ε over C classes, the wanted distribution is
    Q = (1 − ε) w_t onehot(t) + (ε/C) w; for class probabilities q, Q_c = w_c ((1 − ε) q_c + ε/C).
    With ∂log p_c/∂x_j = [c = j] − p_j,

        ∂value/∂x_j = p_j Σ_c Q_c − Q_j,  which is w_t (p − onehot(t)) without smoothing.

    The mean divides by D = Σ w_t over the samples that are not ignored; for class probabilities by their number. Where
    D = 0 it is no number, and as in PyTorch the gradient has no number in the rows that are not ignored.
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
        loss_checks.loss_options(self.name, label_smoothing=label_smoothing)
        self.label_smoothing = label_smoothing

    def forward(self, input: Array, target: Target) -> Any:
        ignores = loss_checks.class_loss(
            self.name, input, target, self.reduction, self.weight, self.ignore_index, probability_targets=True
        )
        log_p = log_softmax(classes_first(input), 0)
        weight = 1 if self.weight is None else per_class(self.weight, log_p)
        smoothing, even = self.label_smoothing, self.label_smoothing / len(log_p)
        if target.dtype.kind == "f":
            q = weight * ((1 - smoothing) * classes_first(target) + even)
            return self._reduce(-(q * log_p).sum(0), log_p, q, None, None)
        log_p_t, at, w, counts, total = self._asked(log_p, target, ignores)
        nothing = counts if self.reduction == "mean" and total == 0 else None
        if not smoothing:
            return self._reduce(-w * log_p_t, log_p, w, at, nothing, total_weight=total)
        q = np.where(counts, even * weight, np.zeros_like(log_p))
        log_q = np.where(counts, log_p, 0)  # a logit −∞ that is ignored adds 0, not 0·∞
        parts = (1 - smoothing) * w * log_p_t, q * log_q
        q.reshape(-1)[at] += (1 - smoothing) * w
        value = self._reduce(-(q * log_q).sum(0), log_p, q, None, nothing, total_weight=total)
        if nothing is not None:  # both parts are divided by D = 0, then added: 0/0 of either is lost in no ∞
            with np.errstate(divide="ignore", invalid="ignore"):
                value = sum(-part.sum() / q.dtype.type(total) for part in parts)
        return value

    def backward(self, grad_output: Any = None) -> Array:
        log_p, q, at, nothing, u = self._recall(grad_output)
        p = np.exp(log_p)
        if nothing is None:
            if at is None:
                return classes_second(u * (p * q.sum(0) - q))
            p.reshape(-1)[at] -= 1  # q is w_t alone, and p becomes p − onehot(t)
            return classes_second(u * q * p)
        with np.errstate(invalid="ignore"):  # ∞ − ∞
            d = self._over_nothing(q, nothing, grad_output)
            if at is None:
                return classes_second(p * d.sum(0) - d)
            gradient = p * d
            gradient.reshape(-1)[at] -= d
            return classes_second(gradient)


class NLLLoss(ClassLoss):
    """Negative log-likelihood of log-probabilities x: value = −w_t x_t, one per sample; ∂value/∂x_j = −w_t [j = t].

    The mean divides by Σ w_t over the samples that are not ignored. Shapes and errors as for CrossEntropyLoss, with
    class indices only. NLLLoss of LogSoftmax is CrossEntropyLoss.
    """

    def __init__(self, weight: Array | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index, reduction)

    def forward(self, input: Array, target: Target) -> Any:
        ignores = loss_checks.class_loss(
            self.name, input, target, self.reduction, self.weight, self.ignore_index, probability_targets=False
        )
        scores = classes_first(input)
        x_t, at, w, counts, total = self._asked(scores, target, ignores)
        nothing = counts if self.reduction == "mean" and total == 0 else None
        return self._reduce(-w * x_t, scores, w, at, nothing, total_weight=total)

    def backward(self, grad_output: Any = None) -> Array:
        scores, w, at, nothing, u = self._recall(grad_output)
        gradient = np.zeros_like(scores)
        gradient.reshape(-1)[at] = -u * w if nothing is None else -self._over_nothing(w, nothing, grad_output)
        return classes_second(gradient)


class MultiMarginLoss(Loss):
    """The hinge of many classes: value = (1/C) Σ_{c≠t} w_t max(0, Δ − x_t + x_c)^p, one per sample; p is 1 or 2.

    With z_c = Δ − x_t + x_c, h_c = (w_t/C) p max(0, z_c)^(p−1) where z_c > 0 and h_c = 0 elsewhere (at the kink z_c = 0
    too), as ∂z_c/∂x_c = 1 and ∂z_c/∂x_t = −1:

        ∂value/∂x_c = h_c for c ≠ t,    ∂value/∂x_t = −Σ_{c≠t} h_c.

    As in PyTorch a z_c that is NaN counts as 0, and the mean divides by the number of samples, not by the weights.
    Shapes: x (C,) or (N, C), t () or (N,) integers, weight (C,). Source: Crammer and Singer, *On the Algorithmic
    Implementation of Multiclass Kernel-based Vector Machines* (2001), averaged over the classes instead of maximised.
    Raises ValueError for other p, IndexError for a class out of range.
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Array | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, p=p, margin=margin, weight=weight)
        self.p, self.margin, self.weight = p, margin, kept(weight)

    def forward(self, input: Array, target: Target) -> Any:
        loss_checks.multi_margin_loss(self.name, input, target, self.reduction, self.weight)
        right = np.take_along_axis(input, target[..., np.newaxis], -1)
        z = told_if_it_shows(lambda: np.maximum(self.margin - right + input, 0))
        z = np.where((z > 0) & (target[..., np.newaxis] != np.arange(z.shape[-1])), z, 0)
        terms = z if self.p == 1 else z * z
        if self.weight is not None:
            terms = terms * self.weight[target][..., np.newaxis]
        return self._reduce(np.asarray(terms.sum(-1) / z.shape[-1]), z, target, self.p, self.weight)

    def backward(self, grad_output: Any = None) -> Array:
        z, target, p, weight, u = self._recall(grad_output)
        u = np.broadcast_to(u / z.shape[-1], target.shape)[..., np.newaxis]
        if weight is not None:
            u = u * weight[target][..., np.newaxis]
        gradient: Array = u * ((z > 0) if p == 1 else 2 * z)
        np.put_along_axis(gradient, target[..., np.newaxis], -gradient.sum(-1, keepdims=True), -1)
        return gradient


class MultiLabelMarginLoss(Loss):
    """Every right class against every wrong one: value = (1/C) Σ_j Σ_i max(0, 1 − x_j + x_i), one per sample.

    j runs over the right classes: the target's entries up to the first −1 (one named twice counts twice); i runs over
    all others. With z_ji = 1 − x_j + x_i, each term that is positive (not at its kink, z_ji = 0) adds 1/C to ∂/∂x_i and
    takes 1/C from ∂/∂x_j:

        ∂value/∂x_i = (1/C) #{j : z_ji > 0},    ∂value/∂x_j = −(1/C) #{i : z_ji > 0}.

    As in PyTorch a z_ji that is NaN counts as 0. Shapes: x (C,) or (N, C), t the same, integers −1 … C − 1.
    Raises IndexError for a class out of range, ValueError for other shapes.
    """

    def forward(self, input: Array, target: Target) -> Any:
        loss_checks.multi_label_margin_loss(self.name, input, target, self.reduction)
        classes = np.arange(input.shape[-1])
        right = np.logical_and.accumulate(target >= 0, axis=-1)  # what follows the first −1 is no target
        named = right[..., np.newaxis] & (target[..., np.newaxis] == classes)  # (…, j, class)
        other = ~named.any(-2)
        x_j = np.take_along_axis(input, np.where(right, target, 0), -1)[..., np.newaxis]
        pairs = right[..., np.newaxis] & other[..., np.newaxis, :]
        z = told_if_it_shows(lambda: np.where(pairs, np.maximum(1 - x_j + input[..., np.newaxis, :], 0), 0))
        z = np.where(z > 0, z, 0)
        return self._reduce(np.asarray(z.sum((-2, -1)) / len(classes)), z > 0, named)

    def backward(self, grad_output: Any = None) -> Array:
        positive, named, u = self._recall(grad_output)
        count = positive.sum(-2) - (named * positive.sum(-1, keepdims=True)).sum(-2)
        return np.asarray(u[..., np.newaxis] / count.shape[-1] * count.astype(u.dtype))


class MultiLabelSoftMarginLoss(Loss):
    """Binary cross-entropy of C logits, averaged: value = −(1/C) Σ_c w_c (t_c log σ(x_c) + (1 − t_c) log σ(−x_c)).

    One value per sample: the classes are the last axis. −log σ(x) = softplus(−x), and softplus′ = σ, so

        ∂value/∂x_c = (w_c/C) ((1 − t_c) σ(x_c) − t_c σ(−x_c)).

    That is (w_c/C) (σ(x_c) − t_c), where a large x_c and t_c = 1 would lose every digit of σ(−x_c) = 1 − σ(x_c).

    `weight` broadcasts to the input; the mean divides by the number of samples.
    """

    def __init__(self, weight: Array | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, weight=weight)
        self.weight = kept(weight)

    def forward(self, input: Array, target: Target) -> Any:
        target = loss_checks.elementwise_loss(self.name, input, target, self.reduction, weight=self.weight)
        loss_checks.has_axes(self.name, input.shape)
        with np.errstate(invalid="ignore"):  # 0·∞ at an infinite logit: NaN, as in PyTorch
            terms = target * softplus(-input) + (1 - target) * softplus(input)
        if self.weight is not None:
            terms = terms * self.weight
        return self._reduce(np.asarray(terms.sum(-1) / max(input.shape[-1], 1)), input, target, self.weight)

    def backward(self, grad_output: Any = None) -> Array:
        x, target, weight, u = self._recall(grad_output)
        gradient = u[..., np.newaxis] / max(x.shape[-1], 1) * sigmoid_minus(x, target)
        return np.asarray(gradient if weight is None else gradient * weight)


def classes_first(x: Array) -> Array:
    """(N, C, d…) → (C, N, d…), and so in memory: a sum over a few classes then runs along many samples. (C,) stays."""
    return np.ascontiguousarray(x.swapaxes(0, 1)) if x.ndim > 1 else x


def classes_second(x: Array) -> Array:
    """The way back, as a view: (C, N, d…) → (N, C, d…)."""
    return x.swapaxes(0, 1) if x.ndim > 1 else x


def per_class(weight: Array, scores: npt.NDArray[Any]) -> Array:
    """One weight per class, ready to meet scores whose classes come first."""
    return weight.reshape(-1, *[1] * (scores.ndim - 1))
