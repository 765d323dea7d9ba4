"""Smooth relatives of the rectifier: exponential below zero, or x times something that falls from 1 to 0."""

import math

import numpy as np

from contract import checks
from scratch.activations.functions import normal_tail, not_positive, sigmoid, sigmoids, softplus
from scratch.module import Array, Module

__all__ = ["CELU", "ELU", "GELU", "SELU", "Mish", "SiLU", "Softplus"]


class ELU(Module):
    """y = x for x ≥ 0, α(eˣ − 1) otherwise; f′ = 1 or α eˣ, and α at the kink x = 0.

    eˣ − 1 is `expm1`, which keeps all digits of a small x.
    Source: D. Clevert, T. Unterthiner, S. Hochreiter, Fast and accurate deep network learning by exponential linear
    units, ICLR 2016, equation 15.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        checks.activation(self.name, {"alpha": alpha})
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(np.where(x >= 0, x, self.alpha * np.expm1(not_positive(x))), x, self.alpha)

    def backward(self, grad_output: Array) -> Array:
        x, alpha = self._recall(grad_output)
        return np.where(x > 0, 1, alpha * np.exp(not_positive(x))) * grad_output

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class CELU(Module):
    """y = x for x > 0, α(e^{x/α} − 1) otherwise; f′ = 1 or e^{x/α}: continuous, 1 on both sides of 0.

    Raises ValueError for α = 0, by which x is divided.
    Source: J. Barron, Continuously differentiable exponential linear units (2017).
    """

    def __init__(self, alpha: float = 1.0) -> None:
        checks.activation(self.name, {"alpha": alpha})
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        return self._remember(np.where(x > 0, x, self.alpha * np.expm1(self._exponent(x, self.alpha))), x, self.alpha)

    def backward(self, grad_output: Array) -> Array:
        x, alpha = self._recall(grad_output)
        return np.asarray(np.exp(self._exponent(x, alpha)) * grad_output)

    def _exponent(self, x: Array, alpha: float) -> Array:
        far = 1000 * abs(alpha)  # from there on the exponential is 0, and the quotient might overflow
        return not_positive(x).clip(-far, None) / alpha

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class SELU(Module):
    """y = λx for x > 0, λα(eˣ − 1) otherwise: λ times ELU, so f′ = λ or λα eˣ, and λα = 1.758… at the kink x = 0.

    λ and α are such that mean 0 and variance 1 are a fixed point of a layer's map of both.
    Source: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, Self-normalizing neural networks, NeurIPS 2017,
    equation 14.
    """

    ALPHA = 1.6732632423543772848170429916717
    LAMBDA = 1.0507009873554804934193349852946

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        below = self.LAMBDA * self.ALPHA * np.expm1(not_positive(x))
        return self._remember(np.where(x > 0, self.LAMBDA * np.maximum(x, 0), below), x)

    def backward(self, grad_output: Array) -> Array:
        (x,) = self._recall(grad_output)
        below = self.LAMBDA * self.ALPHA * np.exp(not_positive(x))
        return np.where(x > 0, self.LAMBDA, below) * grad_output


class GELU(Module):
    """y = x Φ(x), Φ the standard normal distribution function: x times the probability that a normal number is below x.

    With Φ′ = φ(x) = e^{−x²/2}/√(2π) the product rule gives f′ = Φ(x) + x φ(x). For a = |x|, E = e^{−a²/2} and
    Φ(−a) = E·R (see `normal_tail`) that is d = E·R − aE/√(2π) = E (R − a/√(2π)) at −a, and 1 − d at a; y is −a E·R at
    −a, and a − a E·R at a.

    `approximate="tanh"` replaces Φ by ½(1 + tanh v) with v = √(2/π)(x + 0.044715 x³). That is σ(2v) = 1/(1 + e^{−2v}),
    in which nothing cancels: y = ½x(1 + tanh v) = x σ(2v). From σ′ = σ(1 − σ) and v′ = √(2/π)(1 + 0.134145 x²)

        f′ = σ(2v) + x σ(2v) σ(−2v) 2v′.

    Both are computed in float64: e^2v multiplies the rounding of 2v by 2v, and f′ cancels beside its zero at −0.75.
    Raises ValueError for any other `approximate` than "none" and "tanh".
    Source: D. Hendrycks, K. Gimpel, Gaussian error linear units (2016), section 2.
    """

    def __init__(self, approximate: str = "none") -> None:
        checks.activation(self.name, {"approximate": approximate})
        self.approximate = approximate

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        z = np.asarray(x, np.float64)
        if self.approximate == "none":
            e, r = normal_tail(x)
            tail = z * r * e  # x·Φ(−|x|)
            return self._remember(np.where(z <= 0, tail, z - tail).astype(x.dtype), z, e, r, True)
        near = z.clip(-40, 40)  # there σ(2v) is 0 or 1 already, and x³ far from overflow
        twice_v = near * (1 + 0.044715 * near * near) * (2 * math.sqrt(2 / math.pi))
        cdf, rest = sigmoids(twice_v)
        return self._remember((z * cdf).astype(x.dtype), z, cdf, rest, False)

    def backward(self, grad_output: Array) -> Array:
        z, *parts, exactly = self._recall(grad_output)
        if exactly:
            e, r = parts
            d = e * (r - np.abs(z) / math.sqrt(2 * math.pi))
            slope = np.where(z < 0, d, 1 - d)
        else:
            cdf, rest = parts
            near = z.clip(-40, 40)
            slope = cdf + z * (cdf * rest * ((1 + 0.134145 * near * near) * (2 * math.sqrt(2 / math.pi))))
        return np.asarray((grad_output * slope).astype(grad_output.dtype))

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """y = x σ(x), also called swish. With σ′ = σ(1 − σ): f′ = σ(x) + x σ(x)(1 − σ(x)) = σ(x)(1 + x σ(−x)).

    Computed in float64: between −104 and −87 σ is denormal in float32, and lacks the digits that x then multiplies; and
    beside the zero of f′ at −1.28 the sum cancels.
    Source: S. Elfwing, E. Uchibe, K. Doya, Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning, Neural Networks 107 (2018), equation 14 and 15.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        z = np.asarray(x, np.float64)
        s, rest = sigmoids(z)
        return self._remember((z * s).astype(x.dtype), z, s, rest)

    def backward(self, grad_output: Array) -> Array:
        z, s, rest = self._recall(grad_output)
        return np.asarray((grad_output * (s * (1 + z * rest))).astype(grad_output.dtype))


class Mish(Module):
    """y = x t with t = tanh(log(1 + eˣ)).

    1 + eˣ = 1/q with q = σ(−x), and tanh(−log q) = (1 − q²)/(1 + q²), where 1 − q = σ(x). So nothing cancels in

        t = σ(x)(1 + q)/(1 + q²),    1 − t² = 4q²/(1 + q²)².

    The softplus log(1 + eˣ) has the derivative σ(x), tanh′ = 1 − t², so f′ = t + x σ(x)(1 − t²). Computed in float64,
    as SiLU's.
    Source: D. Misra, Mish: a self regularized non-monotonic activation function, BMVC 2020, equations 1 and 2.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        z = np.asarray(x, np.float64)
        s, q = sigmoids(z)
        t = s * (1 + q) / (1 + q * q)
        return self._remember((z * t).astype(x.dtype), z, s, q, t)

    def backward(self, grad_output: Array) -> Array:
        z, s, q, t = self._recall(grad_output)
        root = 2 * q / (1 + q * q)
        return np.asarray((grad_output * (t + z * s * (root * root))).astype(grad_output.dtype))


class Softplus(Module):
    """y = x where βx > `threshold`, else log(1 + e^{βx})/β; f′ = 1 or e^{βx}/(1 + e^{βx}) = 1 or σ(βx).

    At the threshold the two pieces differ by e^−threshold/β only.

    Raises ValueError for β = 0, by which the logarithm is divided.
    Source: C. Dugas et al., Incorporating second-order functional knowledge for better option pricing, NIPS 2000.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        checks.activation(self.name, {"beta": beta, "threshold": threshold})
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        with np.errstate(over="ignore"):  # at z = ±∞, y is x or 0 as well
            z = np.asarray(self.beta * x)
        linear = z > self.threshold
        return self._remember(np.where(linear, x, softplus(z) / self.beta), z, linear)

    def backward(self, grad_output: Array) -> Array:
        z, linear = self._recall(grad_output)
        return np.where(linear, grad_output, sigmoid(z) * grad_output)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"
