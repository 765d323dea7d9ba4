"""The references of hinges between class scores: each right class against each wrong one."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import Ball
from handgrad.judge.rules.losses.functions import relu, step, three, wider
from handgrad.judge.rules.losses.loss import SampleLoss, optional, undecided

__all__ = ["MultiLabelMarginLoss", "MultiMarginLoss"]


class MultiMarginLoss(SampleLoss):
    """l = Σ_{c≠t} w_t max(0, Δ − z_t + z_c)^p / C, one per row."""

    def __init__(self, reduction: str, p: int, margin: float, weight: npt.NDArray[Any] | None) -> None:
        super().__init__(reduction)
        self.p, self.margin, self.weight = p, margin, weight

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, int(module.p), float(module.margin), optional(module.weight))

    def forward(self, input: Ball, target: npt.NDArray[Any]) -> Ball:
        """C − 1 hinges a row, squared for p = 2, times the weight. A NaN is a hinge that is off: nothing is claimed."""
        f, index = input.format, target[..., np.newaxis].astype(np.int64)
        self.z = input
        self.right = index == np.arange(input.shape[-1])
        chosen = Ball(np.take_along_axis(input.mid, index, -1), np.take_along_axis(input.rad, index, -1), f)
        self.lost = np.isnan(input.mid) | np.isinf(input.rad)
        self.lost = np.broadcast_to(self.lost.any(-1, keepdims=True), input.shape)
        self.hinge = three(f.constant(self.margin), -chosen, input)
        self.w = f.exact(np.ones(()) if self.weight is None else self.weight[target][..., np.newaxis])
        self.amplified = 1 + np.abs(self.w.mid)
        on = relu(self.hinge)
        return self.reduce(undecided(self._wrong((on if self.p == 1 else on * on) * self.w), self.lost))

    def share(self) -> int:
        return self.z.shape[-1]

    def derivative(self) -> Ball:
        """h_c = w_t p max(0, …)^(p−1) for the wrong classes, and −Σ h_c for the right one.

        A program may multiply every h_c by the constant factors before it sums: 6u of their sum.
        """
        slope = step(self.hinge, at_zero=0.0)
        if self.p == 2:
            on = relu(self.hinge)
            slope = on + on
        h = undecided(self._wrong(slope * self.w), self.lost)
        summed = h.sum(axis=-1)
        rad = summed.rad + 6 * h.format.u * np.abs(h.mid).sum(-1)
        mid = np.where(self.right, -summed.mid[..., np.newaxis], h.mid)
        return Ball(mid, np.where(self.right, rad[..., np.newaxis], h.rad), h.format)

    def _wrong(self, b: Ball) -> Ball:
        return Ball(np.where(self.right, 0.0, b.mid), np.where(self.right, 0.0, b.rad), b.format)


class MultiLabelMarginLoss(SampleLoss):
    """l = Σ_j Σ_i max(0, 1 − z_j + z_i) / C, one per row: j over the target up to its first −1, i over the rest."""

    def forward(self, input: Ball, target: npt.NDArray[Any]) -> Ball:
        """Up to C²/4 hinges a row. A NaN is a hinge that is off: nothing is claimed."""
        f, classes = input.format, input.shape[-1]
        self.z = input
        used = np.cumsum(target < 0, axis=-1) == 0
        index = np.where(used, target, 0).astype(np.int64)
        self.named = used[..., np.newaxis] & (index[..., np.newaxis] == np.arange(classes))
        pairs = used[..., np.newaxis] & ~self.named.any(-2, keepdims=True)
        chosen = Ball(np.take_along_axis(input.mid, index, -1), np.take_along_axis(input.rad, index, -1), f)
        hinge = three(f.exact(np.ones(())), -chosen[..., np.newaxis], input[..., np.newaxis, :])
        self.lost = np.isnan(input.mid) | np.isinf(input.rad)
        self.lost = np.broadcast_to(self.lost.any(-1, keepdims=True), input.shape)
        on, slope = relu(hinge), step(hinge, at_zero=0.0)
        self.slope = Ball(np.where(pairs, slope.mid, 0.0), np.where(pairs, slope.rad, 0.0), f)
        terms = Ball(np.where(pairs, on.mid, 0.0), np.where(pairs, on.rad, 0.0), f)
        flat = terms.reshape(*input.shape[:-1], classes * classes)
        lost = np.broadcast_to(self.lost[..., :1], flat.shape)
        return self.reduce(undecided(flat, lost))

    def share(self) -> int:
        return self.z.shape[-1]

    def derivative(self) -> Ball:
        """How many hinges are on: + as the wrong class i, − as the right class j.

        A program may count, exactly, or add 1/(C N) that often: with k hinges at a class, at most k additions, γ_k k.
        """
        f = self.z.format
        plus, minus = self.slope.mid.sum(-2), (self.named * self.slope.mid.sum(-1)[..., np.newaxis]).sum(-2)
        open_ = self.slope.rad.sum(-2) + (self.named * self.slope.rad.sum(-1)[..., np.newaxis]).sum(-2)
        k = plus + minus + open_
        gamma = np.array([f.gamma(int(n)) if np.isfinite(n) else np.inf for n in k.ravel()]).reshape(k.shape)
        return undecided(wider(Ball(plus - minus, open_, f), gamma * np.where(k == 0, 0.0, k)), self.lost)
