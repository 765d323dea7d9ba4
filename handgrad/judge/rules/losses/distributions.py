"""The references of losses between distributions."""

import math
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import Ball, settle
from handgrad.judge.rules.losses.functions import exp, log, total, wider
from handgrad.judge.rules.losses.loss import Loss, PairLoss, Upstream

__all__ = ["GaussianNLLLoss", "KLDivLoss", "PoissonNLLLoss"]


class KLDivLoss(Loss):
    """l = t log t − t z with 0 log 0 = 0, or eᵗ (t − z) for a log target."""

    REDUCTIONS: ClassVar[tuple[str, ...]] = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction: str, log_target: bool) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, bool(module.log_target))

    def reduce(self, terms: Ball) -> Ball:
        if self.reduction != "batchmean":
            return super().reduce(terms)
        self.count = terms.shape[0] if terms.shape else 1
        return terms.sum() / terms.format.exact(np.asarray(float(self.count)))

    def terms(self) -> Ball:
        """t log t and t z are two products and a difference. t (log t − z) has fewer roundings of the same sizes."""
        t, z = self.t, self.z
        if self.log_target:
            return exp(t) * (t - z)
        zero = t.mid == 0
        entropy = t * log(Ball(np.where(zero, 1.0, t.mid), t.rad, t.format))
        return entropy - t * z

    def derivative(self) -> Ball:
        return -exp(self.t) if self.log_target else -self.t


class PoissonNLLLoss(Loss):
    """l = eᶻ − t z, or z − t log(z + ε); with `full` Stirling's t log t − t + ½ log(2πt) where t > 1."""

    def __init__(self, reduction: str, log_input: bool, full: bool, eps: float) -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, bool(module.log_input), bool(module.full), float(module.eps))

    def terms(self) -> Ball:
        """Up to five summands, in any order. 2π is a constant: rounded once, and once more times t."""
        f, z, t = self.z.format, self.z, self.t
        terms = [exp(z), -(t * z)] if self.log_input else [z, -(t * log(z + f.constant(self.eps)))]
        if self.full:
            large = t.mid > 1
            some = Ball(np.where(large, t.mid, 1.0), t.rad, f)
            half = log(f.constant(2 * math.pi) * some)
            stirling = [some * log(some), -some, Ball(half.mid / 2, half.rad / 2, f)]
            terms += [Ball(np.where(large, s.mid, 0.0), np.where(large, s.rad, 0.0), f) for s in stirling]
        return total(*terms)

    def derivative(self) -> Ball:
        """eᶻ − t, or 1 − t/(z + ε)."""
        f = self.z.format
        if self.log_input:
            return exp(self.z) - self.t
        rate = self.z + f.constant(self.eps)
        self.amplified = 1 + 1 / np.maximum(np.abs(rate.mid) - rate.rad, f.tau)
        return f.exact(np.ones(())) - self.t / rate


class GaussianNLLLoss(PairLoss):
    """l = ½ (log v + d²/v) + c, d = z − t, v = max(var, ε), c = ½ log 2π with `full`, else 0."""

    PLACES: ClassVar[tuple[int, int]] = (0, 2)
    NAMES: ClassVar[tuple[str, str]] = ("input", "var")

    def __init__(self, reduction: str, full: bool, eps: float) -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    @classmethod
    def read(cls, module: Any) -> Self:
        return cls(module.reduction, bool(module.full), float(module.eps))

    def forward(self, input: Ball, target: npt.NDArray[Any], var: Ball) -> Ball:
        """The maximum with ε is exact; ε, a constant, is rounded. d²/v may be written d·(d/v): 2u more."""
        f, eps = input.format, input.format.constant(self.eps)
        self.d = input - f.exact(np.broadcast_to(target, input.shape))
        self.served = var
        if var.shape and len(var.shape) == len(input.shape) - 1:
            var = var[..., np.newaxis]
        above = var.mid - var.rad > eps.mid + eps.rad
        rad = np.where(above, var.rad, np.maximum(var.rad, eps.rad))
        # NaN stays: a maximum hands it on.
        v = Ball(np.maximum(var.mid, eps.mid), rad, f)
        self.own = v.shape
        self.v = Ball(np.broadcast_to(v.mid, input.shape), np.broadcast_to(v.rad, input.shape), f)
        ratio = self.d * self.d / self.v
        ratio = wider(ratio, 2 * f.u * ratio.reach + self._underflow())
        half = [Ball(b.mid / 2, b.rad / 2, f) for b in (log(self.v), ratio)]
        if self.full:
            half.append(f.constant(math.log(2 * math.pi) / 2))
        return self.reduce(total(*half))

    def backward(self, upstream: Upstream = None) -> tuple[Ball, Ball]:
        """By the input d/v. By the variance Σ ½/v − ½d²/v² over the elements that it serves, in any order.

        The square has the forms (d/v)², d·d/v/v and d·d/(v·v): 4u of it cover what they differ by, and an underflow of
        d² is enlarged by 1/v². The constant factors may come in anywhere: they are multiplied into both summands.
        """
        f, d, v = self.d.format, self.d, self.v
        lost = self._underflow()
        slope = d / v
        slope = settle(f, slope.mid, slope.rad, np.maximum(slope.reach, 2 * d.reach))  # of d², halved later
        self.amplified = (1 + d.reach) * (1 + 1 / np.maximum(v.mid - v.rad, f.tau))
        by_input = self.scaled(wider(slope, 2 * f.u * slope.reach + lost), upstream)
        one = f.exact(np.ones(()))
        square = slope * slope
        least = np.maximum(v.mid - v.rad, f.tau)
        square = wider(square, 4 * f.u * square.reach + lost * (1 + 1 / least))
        # d·d, d·d/v and 1/(v·v) must not overflow on the way.
        top = np.maximum(d.reach**2 * np.maximum(1, 1 / least), 1 / least**2)
        square = settle(f, square.mid, square.rad, np.maximum(square.reach, top))
        self.amplified = (1 + d.reach) ** 2 * (1 + 1 / least) ** 2
        parts = [self.scaled(Ball(b.mid / 2, b.rad / 2, f), upstream) for b in (one / v, -square)]
        return by_input, self._gathered(parts)

    def _underflow(self) -> npt.NDArray[np.float64]:
        """A product or quotient of d and v that underflows, times what comes after it."""
        least = np.maximum(self.v.mid - self.v.rad, self.v.format.tau)
        return np.asarray(2 * self.v.format.eta * (1 + self.d.reach) * (1 + 1 / least))

    def _gathered(self, parts: list[Ball]) -> Ball:
        """The sum over the elements that one variance serves: of k elements 2k summands."""
        shape, own = self.d.shape, self.own
        axes = tuple(i for i, n in enumerate(shape) if len(own) < len(shape) or own[i] != n)
        f, terms = self.d.format, 2 * math.prod(shape[i] for i in axes)
        mid = sum(b.mid.sum(axes) for b in parts)
        rad, reach = sum(b.rad.sum(axes) for b in parts), sum(b.reach.sum(axes) for b in parts)
        rad = np.asarray(rad) * (1 + 2.0**-40) + f.gamma(max(terms - 1, 0)) * np.asarray(reach)
        poison = np.asarray(sum(np.abs(b.mid).sum(axes) for b in parts))
        return settle(f, np.asarray(mid), rad, np.asarray(reach) + rad, poison).reshape(*self.served.shape)
