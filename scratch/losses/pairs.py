"""Losses of two inputs: which of them is larger, or how nearly they point in one direction."""

from typing import Any

import numpy as np

from contract import loss_checks
from scratch.flags import told_if_it_shows
from scratch.losses.loss import PairLoss, Target
from scratch.module import Array

__all__ = ["CosineEmbeddingLoss", "MarginRankingLoss"]

EPSILON = float(np.float32(1e-12))
"""What is added to a squared length, so that 0 has an angle too. PyTorch writes it in single precision, always."""


class MarginRankingLoss(PairLoss):
    """The first is to be larger where t = 1, the second where t = −1: value = max(0, Δ − t (x₁ − x₂)), one per element.

    Δ is `margin`. With z = Δ − t (x₁ − x₂), ∂value/∂x₁ = −t where z ≥ 0, else 0, and ∂value/∂x₂ = t where z ≥ 0,
    else 0: at the kink z = 0 the gradient is that of the slope, and at NaN it is 0.
    Raises ValueError where the shapes differ (PyTorch broadcasts); a target of shape () serves all.
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, margin=margin)
        self.margin = margin

    def forward(self, input1: Array, input2: Array, target: Target, /) -> Any:
        loss_checks.pair(self.name, input1, input2)
        target = loss_checks.elementwise_loss(self.name, input1, target, self.reduction)
        z = told_if_it_shows(lambda: np.maximum(-target * (input1 - input2) + self.margin, -1))  # −1: below 0
        return self._reduce(np.maximum(z, 0), z, target)

    def backward(self, grad_output: Any = None) -> tuple[Array, Array]:
        z, target, u = self._recall(grad_output)
        with np.errstate(invalid="ignore"):  # 0·∞ of an infinite target: NaN, as in PyTorch
            grad2 = np.where(z >= 0, u, z.dtype.type(0)) * target
        return -grad2, grad2


class CosineEmbeddingLoss(PairLoss):
    """value = 1 − cos where t = 1, max(0, cos − Δ) where t = −1, one per row; cos is that of the angle at the origin.

    With a = Σ x₁² + ε, b = Σ x₂² + ε (ε = 1e-12), cos = Σ x₁x₂ / √(ab). As ∂√(ab)/∂x₁ = b x₁/√(ab), the quotient rule
    gives

        ∂cos/∂x₁ = x₂/√(ab) − cos · x₁/a,    ∂cos/∂x₂ = x₁/√(ab) − cos · x₂/b,

    times −1 where t = 1, times 1 where t = −1 and cos ≥ Δ (`margin`; at the kink too), else 0. For any other t the
    value is 0. Shapes: (D,) with a target (), or (N, D) with a target (N,). Raises ValueError for any others.
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        loss_checks.loss_options(self.name, margin=margin)
        self.margin = margin

    def forward(self, input1: Array, input2: Array, target: Target, /) -> Any:
        target = loss_checks.cosine_loss(self.name, input1, input2, target, self.reduction)
        a, b = ((x * x).sum(-1) + EPSILON for x in (input1, input2))
        length = np.sqrt(a * b)
        cos = (input1 * input2).sum(-1) / length
        values = np.where(target == 1, 1 - cos, np.where(target == -1, np.maximum(cos - self.margin, 0), 0))
        return self._reduce(values, input1, input2, target, a, b, length, cos, self.margin)

    def backward(self, grad_output: Any = None) -> tuple[Array, Array]:
        x1, x2, target, a, b, length, cos, margin, u = self._recall(grad_output)
        sign = np.subtract((target == -1) & (cos - margin >= 0), target == 1, dtype=cos.dtype)
        u, a, b, length, cos = (np.asarray(y)[..., np.newaxis] for y in (u * sign, a, b, length, cos))
        return u * (x2 / length - cos * x1 / a), u * (x1 / length - cos * x2 / b)
