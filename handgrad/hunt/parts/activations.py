# mypy: ignore-errors
"""Activations, each with its forward and backward pass by hand. NumPy alone."""

import math

import numpy as np

FAR = np.array([[-5.0, -2.0, -0.5], [0.25, 1.5, 4.0]])  # inputs, some far from 0


class Tanh:
    """y = tanh x."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad):
        return grad * (1 - self.y**2)


class Sigmoid:
    """y = σ(x) = 1 / (1 + e⁻ˣ)."""

    def forward(self, x):
        self.x, self.y = x, 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, grad):
        return grad * self.y * (1 - self.y)


class HardSigmoid:
    """y = x/6 + 1/2, cut off below 0 and above 1."""

    def forward(self, x):
        self.x = x
        return np.clip(x / 6 + 0.5, 0, 1)

    def backward(self, grad):
        return grad / 6 * (np.abs(self.x) < 3)


class LeakyReLU:
    """y = x for x > 0, else 0.1 x."""

    slope = 0.1

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, grad):
        return grad * np.where(self.x > 0, 1, self.slope)


class PReLU:
    """y = x for x > 0, else weight · x, with a slope that is learnt."""

    def __init__(self):
        self.weight = np.array(-0.2)

    def forward(self, x):
        self.x, self.y = x, np.where(x > 0, x, self.weight * x)
        return self.y

    def backward(self, grad):
        above = self.x > 0
        self.grad_weight = (grad * self.x)[~above].sum()
        return grad * np.where(above, 1, self.weight)


class SiLU:
    """y = x σ(x) = x / (1 + e⁻ˣ)."""

    def forward(self, x):
        self.x, self.e = x, np.exp(-x)
        return x / (1 + self.e)

    def backward(self, grad):
        return grad * (1 + self.e + self.x * self.e) / (1 + self.e) ** 2


class GELU:
    """y = x Φ(x), with the normal distribution function Φ(x) = (1 + erf(x/√2)) / 2."""

    def forward(self, x):
        self.x, self.phi = x, (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
        return x * self.phi

    def backward(self, grad):
        slope = self.phi + self.x * np.exp(-(self.x**2) / 2) / math.sqrt(2 * math.pi)
        return grad * slope


class Softmax:
    """y_i = e^(x_i) / Σ_j e^(x_j), row by row."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, grad):
        return self.y * (grad - (grad * self.y).sum(axis=-1, keepdims=True))


class LogSoftmax:
    """y = log softmax(x), row by row."""

    def forward(self, x):
        shifted = x - x.max(axis=-1, keepdims=True)
        self.y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return self.y

    def backward(self, grad):
        return grad - np.exp(self.y) * grad.sum(axis=-1, keepdims=True)
