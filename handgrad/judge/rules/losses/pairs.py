"""The references of losses of two inputs."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import Ball
from handgrad.judge.rules.losses.functions import choose, relu, step, three, total, wider
from handgrad.judge.rules.losses.loss import PairLoss, Upstream

__all__ = ["CosineEmbeddingLoss", "MarginRankingLoss"]


class _Margin(PairLoss):
    def __init__(self, reduction: str, margin: float) -> None:
        super().__init__(reduction)
        self.margin = margin

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, float(module.margin))


class MarginRankingLoss(_Margin):
    """l = max(0, Δ − t (z₁ − z₂))."""

    def forward(self, input1: Ball, input2: Ball, target: npt.NDArray[Any]) -> Ball:
        """Δ − t z₁ + t z₂ in any order. With t = ±1 the products are exact; with another each is rounded, which also
        covers the product of t and the rounded difference."""
        f = input1.format
        t = np.broadcast_to(target.astype(np.float64), input1.shape)
        self.t = f.exact(t)
        self.z = three(f.constant(self.margin), -self.turned(input1), self.turned(input2))
        return self.reduce(relu(self.z))

    def turned(self, z: Ball) -> Ball:
        """t z, exact for t = 0 and ±1."""
        t = self.t.mid
        same = Ball(t * z.mid, np.abs(t) * z.rad, z.format)
        return choose(np.isin(t, (-1.0, 0.0, 1.0)), np.zeros(t.shape, dtype=bool), same, self.t * z)

    def backward(self, upstream: Upstream = None) -> tuple[Ball, Ball]:
        """∓t where z ≥ 0: at an exact tie the slope's. At NaN it is 0 for PyTorch: nothing is claimed."""
        second = self.scaled(step(self.z, at_zero=1.0) * self.t, upstream)
        return -second, second


class CosineEmbeddingLoss(_Margin):
    """l = 1 − cos where t = 1, max(0, cos − Δ) where t = −1, else 0.

    cos = z₁·z₂ / √(ab) with a = |z₁|² + ε and b = |z₂|² + ε.
    """

    EPSILON = 1e-12

    def forward(self, input1: Ball, input2: Ball, target: npt.NDArray[Any]) -> Ball:
        """Inner products in any order. √(ab) may be √a·√b: one root and one product more, 4u.

        The constant ε is as it is or, as PyTorch has it in every dtype, in float32.
        """
        f = input1.format
        self.z1, self.z2, self.target = input1, input2, target
        single = self.EPSILON - float(np.float32(self.EPSILON))
        eps = Ball(np.asarray(self.EPSILON), np.asarray(abs(single) + f.u * self.EPSILON), f)
        self.a, self.b = ((z * z).sum(axis=-1) + eps for z in (input1, input2))
        root = (self.a * self.b).sqrt()
        self.length = wider(root, 4 * f.u * root.reach)
        self.cos = (input1 * input2).sum(axis=-1) / self.length
        self.beyond = self.cos - f.constant(self.margin)
        far, near = relu(self.beyond), f.exact(np.ones(())) - self.cos
        values = choose(target == 1, np.zeros(target.shape, dtype=bool), near, far)
        none = ~np.isin(target, (-1, 1))
        return self.reduce(Ball(np.where(none, 0.0, values.mid), np.where(none, 0.0, values.rad), f))

    def backward(self, upstream: Upstream = None) -> tuple[Ball, Ball]:
        """∓(z₂/√(ab) − cos z₁/a), and alike by z₂.

        Automatic differentiation goes another way: from cos/√(ab) through the root, 1/(2√(ab)), and the product, b, to
        2 z₁. In exact numbers that is cos z₁/a; in rounded ones it has the errors of √(ab) twice and of b once instead
        of a's, and 8 roundings more; and it comes in two equal parts, so that three summands are added in any order.
        """
        f = self.cos.format
        beyond = step(self.beyond, at_zero=1.0)
        on = choose(self.target == 1, np.zeros(self.target.shape, dtype=bool), -f.exact(np.ones(beyond.shape)), beyond)
        none = ~np.isin(self.target, (-1, 1))
        on = Ball(np.where(none, 0.0, on.mid), np.where(none, 0.0, on.rad), f)[..., np.newaxis]
        rows = self.reduction == "none"
        self.amplified = ((1 + self.a.reach) * (1 + self.b.reach))[..., np.newaxis]
        # By way of cos/√(ab) through the root and the product, a partial product is divided by ab.
        least = [np.maximum(square.mid - square.rad, f.tau) for square in (self.a, self.b)]
        self.larger = (np.maximum(1, 1 / least[0]) * np.maximum(1, 1 / least[1]))[..., np.newaxis]
        gradients = []
        for own, other, square, opposite in (
            (self.z1, self.z2, self.a, self.b),
            (self.z2, self.z1, self.b, self.a),
        ):
            first = other / self.length[..., np.newaxis]
            second = self.cos[..., np.newaxis] * own / square[..., np.newaxis]
            relative = 2 * self.length.rad / self.length.mid + opposite.rad / opposite.mid + 8 * f.u
            second = wider(second, relative[..., np.newaxis] * second.reach)
            half = Ball(-second.mid / 2, second.rad / 2, f)
            gradients.append(self.scaled(on * total(first, half, half), upstream, rows=rows))
        return gradients[0], gradients[1]
