"""The reference of GLU."""

from typing import Any, Self

import numpy as np

from handgrad.judge.ball import Ball
from handgrad.judge.rules.activations.functions import complement, sigmoid
from handgrad.judge.rules.rule import (
    Gradients,
    Leaf,
    Parameters,
    times,
)

__all__ = ["GLU"]


class GLU(Leaf):
    """y = a σ(b), a and b the halves of z along `dim`."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name)
        self.dim = dim

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, int(module.dim))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        (a, b), (ra, rb) = (np.split(part, 2, self.dim) for part in (x.mid, x.rad))
        self.a, self.b = Ball(a, ra, x.format), Ball(b, rb, x.format)
        self.s = sigmoid(self.b)
        return self.a * self.s

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """da = d σ(b), db = d a σ(b)(1 − σ(b)), the four factors in any order."""
        first = grad * self.s
        second = times(grad, self.a * (self.s * complement(self.b)), self.a.reach)
        mid = np.concatenate([first.mid, second.mid], self.dim)
        rad = np.concatenate([first.rad, second.rad], self.dim)
        return Ball(mid, rad, grad.format)
