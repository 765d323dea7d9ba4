"""Activations in which one half of the input decides how much of the other half passes."""

import numpy as np

from contract import checks
from scratch.activations.functions import sigmoid
from scratch.module import Array, Module

__all__ = ["GLU", "SwiGLU"]


class GLU(Module):
    """y = a ⊙ σ(b), where a and b are the first and the second half of x along the axis `dim`.

    By the product rule dL/da = g σ(b) and, with σ′(b) = σ(b)(1 − σ(b)) = σ(b) σ(−b), dL/db = g a σ(b) σ(−b).

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
        return self._remember(a * s, a, b, s, self.dim)

    def backward(self, grad_output: Array) -> Array:
        a, b, s, dim = self._recall(grad_output)
        return np.concatenate([grad_output * s, grad_output * (s * sigmoid(-b)) * a], dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class SwiGLU(Module):
    """y = a σ(a) ⊙ b, where a and b are the first and the second half of x along the axis `dim`: the gate is SiLU(a).

    By the product rule dL/da = g b σ(a)(1 + a σ(−a)), the derivative of SiLU, and dL/db = g a σ(a).

    The two products that it is made of there, xW and xV, are a Linear of twice the width before it.
    Raises as GLU. Source: N. Shazeer, GLU variants improve transformer, 2020, equation 5.
    """

    def __init__(self, dim: int = -1) -> None:
        checks.activation(self.name, {"dim": dim})
        self.dim = dim

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        checks.halves(self.name, x.shape, self.dim)
        a, b = np.split(x, 2, self.dim)
        s = sigmoid(a)
        return self._remember(a * s * b, a, b, s, self.dim)

    def backward(self, grad_output: Array) -> Array:
        a, b, s, dim = self._recall(grad_output)
        slope = s * (1 + a * sigmoid(-a))
        return np.concatenate([grad_output * b * slope, grad_output * (a * s)], dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
