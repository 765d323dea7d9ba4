"""The reference of another shape for the same numbers."""

import math
from typing import Any, Self

from handgrad.judge.ball import Ball
from handgrad.judge.rules.rule import Gradients, Leaf, Parameters

__all__ = ["Flatten"]


class Flatten(Leaf):
    """The axes from start to end, both included, become one: nothing is computed, forward or backward."""

    def __init__(self, name: str, start: int, end: int) -> None:
        super().__init__(name)
        self.start, self.end = start, end

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, int(module.start_dim), int(module.end_dim))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.shape = x.shape
        axes = len(x.shape) or 1
        first, last = (dim + axes * (dim < 0) for dim in (self.start, self.end))
        if not 0 <= first <= last < axes:
            raise ValueError(f"{self.label()} joins axes {self.start} to {self.end}, but its input has shape {x.shape}")
        shape = x.shape or (1,)
        return x.reshape(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return grad.reshape(*self.shape)
