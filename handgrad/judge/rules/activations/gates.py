"""The references of the gates: one half of the input, along an axis, weighs the other."""

from typing import Any, Self

import numpy as np

from handgrad.judge.ball import Ball
from handgrad.judge.rules.activations.functions import complement, one_like, sigmoid
from handgrad.judge.rules.rule import (
    Gradients,
    Leaf,
    Parameters,
    times,
)

__all__ = ["GLU", "SwiGLU"]


class Gate(Leaf):
    """a and b are the halves of z along `dim`."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name)
        self.dim = dim

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, int(module.dim))

    def halve(self, x: Ball) -> None:
        (a, b), (ra, rb) = (np.split(part, 2, self.dim) for part in (x.mid, x.rad))
        self.a, self.b = Ball(a, ra, x.format), Ball(b, rb, x.format)

    def join(self, first: Ball, second: Ball) -> Ball:
        mid = np.concatenate([first.mid, second.mid], self.dim)
        rad = np.concatenate([first.rad, second.rad], self.dim)
        return Ball(mid, rad, first.format)


class GLU(Gate):
    """y = a σ(b)."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.halve(x)
        self.s = sigmoid(self.b)
        return self.a * self.s

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """da = d σ(b), db = d a σ(b)(1 − σ(b)), the four factors in any order."""
        first = grad * self.s
        second = times(grad, self.a * (self.s * complement(self.b)), self.a.reach)
        return self.join(first, second)


class SwiGLU(Gate):
    """y = a σ(a) b."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """Two products and σ's 16u, in any order. What underflows before the last product is enlarged by it; a b may
        overflow although y does not: nothing is claimed there."""
        self.halve(x)
        self.s = sigmoid(self.a)
        self.gate = self.a * self.s
        return times(self.b, self.gate, self.a.reach)

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """da = d b σ(a)(1 + a(1 − σ(a))), as SiLU's, and db = d a σ(a). The factors are multiplied in any order.

        Those after an underflow are at most b and 1 + |a|, and no partial product is larger than |d| times both.
        """
        slope = self.s * (one_like(grad) + self.a * complement(self.a))
        first = times(grad, self.b * slope, (1 + self.b.reach) * (1 + self.a.reach))
        return self.join(first, times(grad, self.gate, self.a.reach))
