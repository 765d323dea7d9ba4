"""Activations along an axis: a vector of scores becomes a distribution, or its logarithm."""

import numpy as np

from contract import checks
from scratch.activations.functions import along, log_softmax
from scratch.module import Array, Module

__all__ = ["LogSoftmax", "Softmax", "Softmin"]


class Softmax(Module):
    """y_i = eˣⁱ / Σ_k eˣᵏ along the axis `dim`; the largest x is subtracted first, which changes nothing but overflow.

    ∂y_i/∂x_j = y_i(δ_ij − y_j), so dL/dx_j = Σ_i g_i y_i(δ_ij − y_j) = y_j (g_j − Σ_i g_i y_i).
    The gradient sums to zero along `dim`, for every upstream gradient: adding a constant to x changes no y.

    Raises IndexError if `dim` is no axis of the input. Unlike PyTorch's, `dim` has no default: there it is guessed.
    """

    def __init__(self, dim: int) -> None:
        checks.activation(self.name, {"dim": dim})
        self.dim = dim

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        checks.axis(self.name, x.shape, self.dim)
        with np.errstate(over="ignore"):  # of a difference that is too large the exponential is 0 all the same
            e = np.exp(x - x.max(along(x, self.dim), keepdims=True, initial=-np.inf))
        y = e / e.sum(along(x, self.dim), keepdims=True)
        return self._remember(y, y, along(x, self.dim))

    def backward(self, grad_output: Array) -> Array:
        y, dim = self._recall(grad_output)
        return np.asarray(y * (grad_output - (grad_output * y).sum(dim, keepdims=True)))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Softmax):
    """y = softmax(−x) along the axis `dim`: the smallest x gets the largest share. By the chain rule the gradient is
    minus softmax's.

    Raises IndexError if `dim` is no axis of the input.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return super().forward(np.asarray(-x))

    def backward(self, grad_output: Array) -> Array:
        return np.asarray(-super().backward(grad_output))


class LogSoftmax(Module):
    """y_i = x_i − log Σ_k eˣᵏ along the axis `dim`.

    ∂y_i/∂x_j = δ_ij − softmax_j, so dL/dx_j = g_j − softmax_j Σ_i g_i, and softmax = eʸ.

    Raises IndexError if `dim` is no axis of the input.
    """

    def __init__(self, dim: int) -> None:
        checks.activation(self.name, {"dim": dim})
        self.dim = dim

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        checks.axis(self.name, x.shape, self.dim)
        y = log_softmax(x, along(x, self.dim))
        return self._remember(y, y, along(x, self.dim))

    def backward(self, grad_output: Array) -> Array:
        y, dim = self._recall(grad_output)
        return np.asarray(grad_output - np.exp(y) * grad_output.sum(dim, keepdims=True))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
