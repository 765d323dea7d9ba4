"""Another shape for the same numbers."""

import math

from contract import checks, layer_checks
from scratch.module import Array, Module

__all__ = ["Flatten"]


class Flatten(Module):
    """The axes from start_dim to end_dim, both included, become one. Nothing is computed: dL/dx is g in x's shape.

    Raises IndexError where one of the two is no axis of the input, ValueError where they are out of order.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        layer_checks.layer(self.name, {"start_dim": start_dim, "end_dim": end_dim})
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        layer_checks.flattened(self.name, x.shape, self.start_dim, self.end_dim)
        axes = max(x.ndim, 1)
        start, end = self.start_dim % axes, self.end_dim % axes + 1
        return self._remember(x.reshape(*x.shape[:start], math.prod(x.shape[start:end]), *x.shape[end:]), x.shape)

    def backward(self, grad_output: Array) -> Array:
        (shape,) = self._recall(grad_output)
        return grad_output.reshape(shape)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
