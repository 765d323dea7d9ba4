"""Activations that set small numbers to zero: the thresholding operators of sparse coding."""

import numpy as np

from contract import checks
from scratch.activations.functions import zero_where
from scratch.module import Array, Module

__all__ = ["Hardshrink", "Softshrink"]


class Hardshrink(Module):
    """y = 0 for −λ ≤ x ≤ λ, else x; f′ = 0 or 1, and 0 at both jumps. A negative λ shrinks nothing. `lambd` is λ."""

    def __init__(self, lambd: float = 0.5) -> None:
        checks.activation(self.name, {"lambd": lambd})
        self.lambd = lambd

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        small = (x >= -self.lambd) & (x <= self.lambd)
        return self._remember(zero_where(small, x), small)

    def backward(self, grad_output: Array) -> Array:
        (small,) = self._recall(grad_output)
        return zero_where(small, grad_output)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """y = 0 for −λ ≤ x ≤ λ, else x − λ sign x; f′ = 0 or 1, and 0 at both kinks. `lambd` is λ.

    What is left moves towards 0 by λ. It is the y that minimises ½(y − x)² + λ|y|.
    Raises ValueError for a negative λ.
    Source: D. Donoho, De-noising by soft-thresholding, IEEE Trans. Inf. Theory 41 (1995).
    """

    def __init__(self, lambd: float = 0.5) -> None:
        checks.activation(self.name, {"lambd": lambd})
        self.lambd = lambd

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        small = (x >= -self.lambd) & (x <= self.lambd)
        return self._remember(zero_where(small, np.where(x > 0, x - self.lambd, x + self.lambd)), small)

    def backward(self, grad_output: Array) -> Array:
        (small,) = self._recall(grad_output)
        return zero_where(small, grad_output)

    def extra_repr(self) -> str:
        return f"{self.lambd}"
