"""What the reference losses share: how values are reduced, and what an upstream gradient multiplies.

A rule is one class and one row of `RULES`, found by the class name of the loss it judges. `forward(input, target)`
gives the ball of the loss (an array for `reduction="none"`), `backward(upstream)` that of d loss / d input times the
upstream gradient, a scalar or, for "none", an array. Targets and weights are exact.

A program may fold the constant factors (1/N, the upstream gradient, a weight) into any of the products and in any
order: each factor is counted as one rounding, a division as two (it may be a multiplication by the reciprocal).
"""

from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import Ball, settle

Upstream = npt.ArrayLike | None


class Criterion:
    """The reduction of a number of values to one, or of none."""

    REDUCTIONS: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    # By how much a factor of the derivative may enlarge an underflow that came before it.
    amplified: Any = 1.0
    # By how much a partial product of the derivative may be larger than what comes of it.
    larger: Any = 1.0

    def __init__(self, reduction: str) -> None:
        self.reduction = reduction

    @classmethod
    def read(cls, module: Any) -> Self:
        """A loss without a reduction returns one number: a mean."""
        return cls(getattr(module, "reduction", "mean"))

    def reduce(self, terms: Ball) -> Ball:
        self.count = terms.size  # what a mean divides by
        if self.reduction == "mean":
            return terms.mean()
        return terms.sum() if self.reduction == "sum" else terms

    def scaled(self, d: Ball, upstream: Upstream, rows: bool = False, share: float = 1.0) -> Ball:
        """d · g / N, and for a partial product that underflows, η times any product of the other factors.

        With `rows` there is one g for each row of d. Where d is a sum over `share` classes divided by their number, a
        program may divide g first: what then underflows is multiplied by the undivided sum. Where d may be 0, a program
        may mask g instead of multiplying it: of a g that is NaN there, nothing is claimed.
        """
        f = d.format
        g = f.exact(np.ones(()) if upstream is None else np.asarray(upstream))
        if rows:
            g = g[..., np.newaxis]
        scale = g
        if self.reduction not in ("sum", "none") and self.count:
            scale = g / f.exact(np.asarray(float(self.count)))
        grad = d * scale
        rad = grad.rad + 2 * f.eta * (1 + d.reach) * (1 + g.reach) * self.amplified * share
        # A program may divide by N last, and halve last what is half a square: the products before must not overflow.
        high = np.maximum(grad.reach + rad, 2 * d.reach * np.maximum(g.reach, 1) * self.larger)
        return settle(f, grad.mid, rad, high, poison=np.where(np.abs(d.mid) <= d.rad, d.mid, grad.mid))


class Loss(Criterion):
    """An elementwise loss of an input and a target."""

    def forward(self, input: Ball, target: npt.NDArray[Any]) -> Ball:
        """The terms, reduced. A 0-d target is one value for all outputs; else shapes are equal."""
        f = input.format
        if target.shape not in ((), input.shape):
            raise ValueError(f"the target's shape {target.shape} is not the output's {input.shape}")
        self.z = input
        self.t = f.exact(np.broadcast_to(target, input.shape))
        return self.reduce(self.terms())

    def terms(self) -> Ball:
        raise NotImplementedError

    def derivative(self) -> Ball:
        """d term / d input, element by element."""
        raise NotImplementedError

    def backward(self, upstream: Upstream = None) -> Ball:
        return self.scaled(self.derivative(), upstream)


class SampleLoss(Loss):
    """A loss with one value per row: its terms, summed over the last axis and divided by `share()`."""

    def share(self) -> int:
        return 1

    def reduce(self, terms: Ball) -> Ball:
        """A program may sum rows first, or everything in one go: then a term takes part in as many additions."""
        share = terms.format.exact(np.asarray(float(self.share())))
        self.count = terms.size // max(terms.shape[-1], 1)
        if self.reduction == "none":
            return terms.sum(axis=-1) / share
        total = terms.sum() / share
        if self.reduction == "sum":
            return total
        return total / terms.format.exact(np.asarray(float(self.count)))

    def backward(self, upstream: Upstream = None) -> Ball:
        share = self.z.format.exact(np.asarray(float(self.share())))
        return self.scaled(self.derivative() / share, upstream, self.reduction == "none", float(self.share()))


class PairLoss(Criterion):
    """A loss of three arrays, two of them differentiable, in `PLACES`: `forward` takes balls there, else arrays."""

    PLACES: ClassVar[tuple[int, int]] = (0, 1)
    NAMES: ClassVar[tuple[str, str]] = ("input1", "input2")

    def forward(self, first: Any, second: Any, third: Any) -> Ball:
        raise NotImplementedError

    def backward(self, upstream: Upstream = None) -> tuple[Ball, Ball]:
        raise NotImplementedError


def optional(value: Any) -> npt.NDArray[Any] | None:
    return None if value is None else structure.array(value)


def undecided(ball: Ball, lost: npt.NDArray[np.bool_]) -> Ball:
    """The ball, with nothing claimed where `lost`."""
    if not lost.any():
        return ball
    return Ball(np.where(lost, 0.0, ball.mid), np.where(lost, np.inf, ball.rad), ball.format)
