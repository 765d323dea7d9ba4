"""Activations shaped like an S, and what is made from them."""

import numpy as np

from contract import checks
from scratch.activations.functions import sigmoid, zero_where
from scratch.module import Array, Module

__all__ = ["Hardsigmoid", "Hardswish", "LogSigmoid", "Sigmoid", "Softsign", "Tanh", "Tanhshrink"]


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


class LogSigmoid(Module):
    """y = log σ(x) = −log(1 + e⁻ˣ) = min(x, 0) − log(1 + e^−|x|); f′ = σ′/σ = 1 − σ(x) = σ(−x)."""

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        return np.asarray(grad_output * sigmoid(-x))


class Hardsigmoid(Module):
    """y = min(max(x + 3, 0), 6)/6, a sigmoid of straight lines; f′ = 1/6 for −3 < x < 3, else 0, and 0 at both kinks.

    Source: A. Howard et al., Searching for MobileNetV3, ICCV 2019, section 5.2.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember((x + 3).clip(0, 6) / 6, x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        return zero_where(~((x > -3) & (x < 3)), np.asarray(grad_output / 6))


class Hardswish(Module):
    """y = x · min(max(x + 3, 0), 6)/6, that is 0 up to −3, x(x + 3)/6, and x from 3 on; f′ = 0, (2x + 3)/6 or 1.

    At the kinks f′ is the outer value: 0 at −3, 1 at 3.
    Source: A. Howard et al., Searching for MobileNetV3, ICCV 2019, section 5.2.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(x * ((x + 3).clip(0, 6) / 6), x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        near = x.clip(-3, 3)
        return zero_where(x <= -3, np.asarray(grad_output * np.where(x >= 3, 1, near / 3 + 0.5)))


class Softsign(Module):
    """y = x/(1 + |x|). By the quotient rule f′ = (1 + |x| − x·sign x)/(1 + |x|)² = 1/(1 + |x|)², which is 1 at 0.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS
    2010, section 3.3.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        inverse = 1 / (1 + np.abs(x))
        return self._remember(x / (1 + np.abs(x)), inverse)

    def backward(self, grad_output: Array) -> Array:
        (inverse,) = self._recall(grad_output)
        return np.asarray(grad_output * inverse * inverse)


class Tanhshrink(Module):
    """y = x − tanh x; f′ = 1 − (1 − tanh² x) = tanh² x."""

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        t = np.tanh(x)
        return self._remember(x - t, t)

    def backward(self, grad_output: Array) -> Array:
        (t,) = self._recall(grad_output)
        return np.asarray(grad_output * (t * t))
