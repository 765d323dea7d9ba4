"""Activations: each one a function and, right under it, its derivative.

All of them take float32 or float64 arrays of any shape and keep shape and dtype. `g` is the upstream gradient dL/dy,
and an elementwise function y = f(x) has dL/dx = g · f′(x). At a kink, where f′ does not exist, each takes the value
PyTorch takes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from scratch import checks
from scratch.module import Array, Module


class Identity(Module):
    """y = x, so dL/dx = g. Arguments are accepted and ignored, as in PyTorch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(x)

    def backward(self, grad_output: Array) -> Array:
        self._recall(grad_output)
        return grad_output


class ReLU(Module):
    """y = max(x, 0); f′ = 1 for x > 0, else 0, and 0 at the kink x = 0. −0 stays −0, NaN stays NaN and passes g."""

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(x.clip(0, np.inf), x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        return zero_where(x <= 0, grad_output)


class LeakyReLU(Module):
    """y = x for x > 0, a·x otherwise; f′ = 1 or a, and a at the kink. `negative_slope` is a."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        checks.number(self.name, "negative_slope", negative_slope)
        self.negative_slope = negative_slope

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(np.where(x > 0, x, self.negative_slope * x), x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        return np.where(x > 0, grad_output, self.negative_slope * grad_output)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class Sigmoid(Module):
    """y = 1/(1 + e⁻ˣ) = eˣ/(1 + eˣ), whichever does not overflow; f′ = e⁻ˣ/(1 + e⁻ˣ)² = y(1 − y)."""

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        y = sigmoid(x)
        return self._remember(y, y)

    def backward(self, grad_output: Array) -> Array:
        (y,) = self._recall(grad_output)
        return np.asarray(grad_output * (y * (1 - y)))


class Tanh(Module):
    """y = tanh x = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ); by the quotient rule f′ = 1 − y²."""

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        y = np.tanh(x)
        return self._remember(y, y)

    def backward(self, grad_output: Array) -> Array:
        (y,) = self._recall(grad_output)
        return np.asarray(grad_output * (1 - y * y))


class Softmax(Module):
    """y_i = eˣⁱ / Σ_k eˣᵏ along the axis `dim`; the largest x is subtracted first, which changes nothing but overflow.

    ∂y_i/∂x_j = y_i(δ_ij − y_j), so dL/dx_j = Σ_i g_i y_i(δ_ij − y_j) = y_j (g_j − Σ_i g_i y_i).
    The gradient sums to zero along `dim`, for every upstream gradient: adding a constant to x changes no y.

    Raises IndexError if `dim` is no axis of the input. Unlike PyTorch's, `dim` has no default: there it is guessed.
    """

    def __init__(self, dim: int) -> None:
        checks.count(self.name, "dim", dim, low=-64)
        self.dim = dim

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        checks.axis(self.name, x.shape, self.dim)
        e = np.exp(x - x.max(self.dim, keepdims=True, initial=-np.inf))
        y = e / e.sum(self.dim, keepdims=True)
        return self._remember(y, y)

    def backward(self, grad_output: Array) -> Array:
        (y,) = self._recall(grad_output)
        return np.asarray(y * (grad_output - (grad_output * y).sum(self.dim, keepdims=True)))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """y_i = x_i − log Σ_k eˣᵏ along the axis `dim`.

    ∂y_i/∂x_j = δ_ij − softmax_j, so dL/dx_j = g_j − softmax_j Σ_i g_i, and softmax = eʸ.

    Raises IndexError if `dim` is no axis of the input.
    """

    def __init__(self, dim: int) -> None:
        checks.count(self.name, "dim", dim, low=-64)
        self.dim = dim

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        checks.axis(self.name, x.shape, self.dim)
        y = log_softmax(x, self.dim)
        return self._remember(y, y)

    def backward(self, grad_output: Array) -> Array:
        (y,) = self._recall(grad_output)
        return np.asarray(grad_output - np.exp(y) * grad_output.sum(self.dim, keepdims=True))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


def zero_where(off: npt.NDArray[np.bool_], x: Array) -> Array:
    """`np.where(off, 0, x)`: 0 where `off`, `x` elsewhere, whatever x is.

    A product with the mask would turn ∞·0 into NaN; `np.where` branches at every number, and on random signs every
    second branch is mispredicted, which makes it 15 times slower on 256 × 512. So the bits are masked: True and False
    are the integers 1 and 0, less 1 they are 0 and −1, and −1 has all bits set.
    """
    keep = np.asarray(off).view(np.int8) - np.int8(1)
    bits: npt.NDArray[np.signedinteger[Any]] = x.view(np.int32 if x.dtype == np.float32 else np.int64)
    return np.asarray(bits & keep).view(x.dtype)


def sigmoid(x: Array) -> Array:
    """1/(1 + e⁻ˣ) without overflow: e^−|x| is at most 1."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


def log_softmax(x: Array, axis: int) -> Array:
    """x − log Σ eˣ along `axis`, with the largest x subtracted first so that no exponential overflows."""
    shifted = x - x.max(axis, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "identity": Identity,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softmax": partial(Softmax, dim=-1),
    "log_softmax": partial(LogSoftmax, dim=-1),
}
"""What `MLP` accepts as `activation` and `output_activation`."""
