"""Activations shaped like an S, and what is made from them."""

import numpy as np

from contract import checks
from scratch.activations.functions import sigmoid, zero_where
from scratch.module import Array, Module

__all__ = ["Hardsigmoid", "Hardswish", "LogSigmoid", "Sigmoid", "Softsign", "Tanh", "Tanhshrink"]


class Sigmoid(Module):
    """y = 1/(1 + e⁻ˣ) = eˣ/(1 + eˣ), whichever does not overflow; f′ = e⁻ˣ/(1 + e⁻ˣ)² = y(1 − y).

    Near 1 that cancels, and is 0 once y is 1: from x = 16.64 on in float32. e/(1 + e)² with e = e^−|x| keeps its
    digits, but is not taken: `BCELoss` divides by y(1 − y) of the same rounded y. Multiplied by y(1 − y) that is y − t,
    with all digits. Multiplied by e/(1 + e)² it would be off by what the rounding of 1 − y is of it, and at x = 17,
    t = 0, where y is 1 and `BCELoss` divides by 1e-12, it would be 41,399 in place of 1.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        y = sigmoid(x)
        return self._remember(y, y)

    def backward(self, grad_output: Array) -> Array:
        (y,) = self._recall(grad_output)
        return np.asarray(grad_output * (y * (1 - y)))


class Tanh(Module):
    """y = tanh x = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ); by the quotient rule f′ = 1 − y².

    Near ±1 that cancels: in float32 y is 1 from x = 9.01 on, and nothing is left. With e = e^−2|x| ≤ 1,
    |y| = (1 − e)/(1 + e), so 1 + |y| = 2/(1 + e) and 1 − |y| = 2e/(1 + e) = e (1 + |y|). Hence without a difference

        f′ = (1 − |y|)(1 + |y|) = e (1 + |y|)² = e (1 + |y| (2 + |y|)) = 4e/(1 + e)².

    Beyond |x| = 400 e is 0 in both formats; 2|x| itself may overflow.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        y = np.tanh(x)
        return self._remember(y, x, y)

    def backward(self, grad_output: Array) -> Array:
        x, y = self._recall(grad_output)
        y = np.abs(y)
        return np.asarray(grad_output * (np.exp(-2 * np.minimum(np.abs(x), 400)) * (1 + y * (2 + y))))


class LogSigmoid(Module):
    """y = log σ(x) = −log(1 + e⁻ˣ) = min(x, 0) − log(1 + e^−|x|); f′ = σ′(x)/σ(x) = 1 − σ(x) = σ(−x)."""

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
    """y = x · min(max(x + 3, 0), 6)/6; f′ = 0 for x ≤ −3, 1 for x ≥ 3, else (2x + 3)/6.

    Between the kinks it is x(x + 3)/6. At them f′ is the outer value: 0 at −3, 1 at 3.
    Source: A. Howard et al., Searching for MobileNetV3, ICCV 2019, section 5.2.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(x * ((x + 3).clip(0, 6) / 6), x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        near = x.clip(-3, 3)
        return zero_where(x <= -3, np.asarray(grad_output * np.where(x >= 3, 1, (2 * near + 3) / 6)))


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
    """y = x − tanh x; f′ = 1 − (1 − tanh² x) = tanh² x.

    Near 0 the difference, x³/3, cancels. There Lambert's fraction tanh x = x/(1 + q), q = x²/(3 + x²/(5 + x²/(7 + …))),
    gives x − x/(1 + q) = x q/(1 + q), in which all terms are positive.
    Source: J. H. Lambert, Mémoire sur quelques propriétés remarquables des quantités transcendentes (1768).
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        t = np.tanh(x)
        near = x.clip(-1.5, 1.5)
        square, q = near * near, np.zeros_like(x)
        for odd in range(11 if x.dtype == np.float32 else 21, 1, -2):  # beyond, a last bit at most
            q = square / (odd + q)
        fraction = near * (q / (1 + q)) + 0  # 0 for −0, as the difference has it
        return self._remember(np.where(near == x, fraction, x - t), t)

    def backward(self, grad_output: Array) -> Array:
        (t,) = self._recall(grad_output)
        return np.asarray(grad_output * (t * t))
