"""What every layer's reference is made of: the protocol, the base of leaves, and choosing between two branches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge.ball import Ball, Float64, settle

Parameters = Mapping[str, npt.NDArray[Any]]
Gradients = dict[str, Ball]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class ProbabilityGradient(Ball):
    """A gradient by probabilities, and what it is times p (1 − p) where the same `p` are the output of a sigmoid."""

    p: Ball
    by_logit: Ball


class Rule(Protocol):
    """The reference of one layer or container."""

    name: str

    def forward(self, x: Ball, parameters: Parameters) -> Ball: ...
    def backward(self, grad: Ball, gradients: Gradients) -> Ball: ...
    def leaves(self) -> "Iterator[Rule]": ...


class Leaf:
    """A rule without children: `name` is its path in the model, `x` what the last forward call was given."""

    x: Ball
    updated: Mapping[str, Ball] = {}  # the buffers that the last forward call changes, as they are afterwards

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name)

    def follow(self, module: Any) -> None:
        """Judge `module`, a copy of the one that was read: what it draws in a call is its own."""

    def wrote(self, y: Ball) -> None:
        """In half precision: what a program may have written of the output, of which its derivative may be made."""

    def leaves(self) -> Iterator[Rule]:
        yield self  # type: ignore[misc]  # every subclass has forward and backward

    def label(self) -> str:
        return f"{self.name} ({type(self).__name__})" if self.name else type(self).__name__

    def parameter(self, which: str) -> str:
        return f"{self.name}.{which}" if self.name else which


class Activation(Leaf):
    """An elementwise layer. With `bypass` its backward pretends that the derivative is 1: a bug to compare with."""

    bypass = False
    stable = ""
    """Where the usual form of the derivative cancels: one that does not."""

    def of_its_own(self, grad: Ball, output: Float64) -> tuple[Ball, Ball]:
        """Of an op judged alone, for an exact x: what its `stable` form may give, and what the usual form may give that
        is made of the program's own output."""
        raise NotImplementedError

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return grad if self.bypass else self.vjp(grad)

    def vjp(self, grad: Ball) -> Ball:
        raise NotImplementedError


def given(parameters: Parameters, name: str) -> npt.NDArray[Any]:
    """The parameter `name`. KeyError, naming the others, where the model does not have it."""
    try:
        return parameters[name]
    except KeyError:
        known = ", ".join(parameters)
        raise KeyError(f"the model has no parameter {name!r} of its own (shared?); it has {known}") from None


def pick(on: Mask, undecided: Mask, yes: Ball, no: Ball) -> Ball:
    """`yes` where `on`, else `no`; where that is `undecided`, a ball around both."""
    mid = np.where(on, yes.mid, no.mid)
    rad = np.where(on, yes.rad, no.rad)
    if undecided.any():
        # From the chosen centre to the far end of the other branch.
        gap = np.abs(yes.mid - no.mid)
        rad = np.where(undecided, np.maximum(rad, gap + np.where(on, no.rad, yes.rad)), rad)
        # NaN upstream survives one branch and not the other.
        lost = undecided & np.isnan(gap)
        if lost.any():
            mid, rad = np.where(lost, 0.0, mid), np.where(lost, np.inf, rad)
    return Ball(mid, rad, yes.format)


def select(grad: Ball, z: Ball, above: Ball, below: Ball) -> Ball:
    """`above` where not z <= 0, else `below`; where the ball of z has 0 inside, a ball around both."""
    return pick(~(z.mid <= 0), touches(z, 0.0), above, below)


def touches(x: Ball, boundary: float) -> Mask:
    """Whether rounding may carry x across the boundary. An exact number is on one side, or a tie that is decided."""
    mask: Mask = (np.abs(x.mid - boundary) <= x.rad) & (x.rad > 0)
    return mask


def unclaimed(ball: Ball, where: Mask) -> Ball:
    """The same ball with nothing claimed `where`."""
    if not where.any():
        return ball
    return Ball(np.where(where, 0.0, ball.mid), np.where(where, np.inf, ball.rad), ball.format)


def rounded_to(ball: Ball, value: float) -> float:
    """A boundary or a fill value, a Python number, in the working format: that is what both sides compare with.

    Raises `ValueError` where a program may keep it in one of two formats, and compare with either.
    """
    storage = ball.format.storage
    if storage is not None and float(storage.round(value)) != value:
        raise ValueError(f"the option {value!r} is no number of {storage.name}: what a program compares with is open")
    return float(ball.format.numbers.round(value))


def zero(like: Ball) -> Ball:
    zeros: Float64 = np.zeros(like.shape)
    return Ball(zeros, zeros, like.format)


def times(grad: Ball, slope: Ball, factor: Float64) -> Ball:
    """g · f′ where f′ is itself a product with factors up to `factor` ≥ 0, and g may be multiplied in first.

    A partial product that underflows is off by η, which the later factors multiply; nothing is claimed where one may
    overflow.
    """
    f = grad.format
    product = grad * slope
    rad = product.rad + 4 * f.eta * (1 + factor) * (1 + slope.reach)
    return settle(f, product.mid, rad, np.maximum(product.reach + rad, np.maximum(grad.reach, 1) * (1 + factor)))
