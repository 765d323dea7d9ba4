"""Activations in which one half of the input decides how much of the other half passes."""

import numpy as np

from contract import checks
from scratch.activations.functions import sigmoid
from scratch.module import Array, Module

__all__ = ["GLU"]


class GLU(Module):
    """y = a ⊙ σ(b), where a and b are the first and the second half of x along the axis `dim`.

    By the product rule dL/da = g σ(b) and, with σ′ = σ(1 − σ), dL/db = g a σ(b)(1 − σ(b)).

    Raises IndexError if `dim` is no axis of the input, ValueError if that axis cannot be halved.
    Source: Y. Dauphin, A. Fan, M. Auli, D. Grangier, Language modeling with gated convolutional networks, ICML 2017,
    equation 1.
    """

    def __init__(self, dim: int = -1) -> None:
        checks.activation(self.name, {"dim": dim})
        self.dim = dim

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        checks.halves(self.name, x.shape, self.dim)
        a, b = np.split(x, 2, self.dim)
        s = sigmoid(b)
        return self._remember(a * s, a, s, self.dim)

    def backward(self, grad_output: Array) -> Array:
        a, s, dim = self._recall(grad_output)
        return np.concatenate([grad_output * s, grad_output * (s * (1 - s)) * a], dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
