"""A number of a step on both sides with its interval, and the line that says what it is made of."""

import math
from dataclasses import dataclass

import numpy as np

from contract import names
from handgrad.judge import Ball
from handgrad.trace.compute import Tensor

Index = tuple[int, ...]


@dataclass(frozen=True)
class Number:
    """One number on both sides, where they hold it, and its interval."""

    ours: float | None
    theirs: float | None
    reference: float
    radius: float

    @staticmethod
    def of(tensor: Tensor, index: Index) -> "Number":
        mid, rad = (tensor.ours, np.zeros(tensor.shape)) if tensor.ball is None else (tensor.ball.mid, tensor.ball.rad)
        return Number(*(float(a[index]) for a in (tensor.ours, tensor.theirs, mid, rad)))

    @property
    def outside(self) -> str:
        """Which side is outside the interval, as in "NumPy outside"; empty where none is."""
        sides = {names.SIDES["scratch"]: self.ours, names.SIDES["torch"]: self.theirs}
        held = {
            name: v is None or self.radius == np.inf or abs(v - self.reference) <= self.radius
            for name, v in sides.items()
        }
        return "" if all(held.values()) else f"{' and '.join(name for name in held if not held[name])} outside"

    @staticmethod
    def in_ball(ball: Ball, index: Index) -> "Number":
        """A number that neither side holds by itself."""
        return Number(None, None, float(ball.mid[index]), float(ball.rad[index]))


ONE = Number(1.0, 1.0, 1.0, 0.0)
"""The factor of what enters a sum as it is."""


@dataclass(frozen=True)
class Line:
    """A number and what it is made of: the sum of `terms`, each times its factor; or by a formula that says how."""

    what: str
    number: Number
    formula: str = ""
    terms: tuple["Line", ...] = ()
    factor: Number | None = None  # by which it enters the line above; None where that is no sum
    times: str = ""  # the factor's name

    @property
    def products(self) -> tuple[float, ...]:
        """NumPy's terms with their factors. Exact where both are float32: 24 + 24 bits fit into 53."""
        return tuple(known(term.number) * known(term.factor) for term in self.terms if term.factor is not None)

    @property
    def total(self) -> float | None:
        """Their sum, rounded once; None where the line is no sum."""
        return math.fsum(self.products) if self.products else None


def known(number: Number) -> float:
    """NumPy's number, or the reference where it holds none."""
    return number.reference if number.ours is None else number.ours


def written(index: Index) -> str:
    return f"[{','.join(map(str, index))}]"
