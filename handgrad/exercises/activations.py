# mypy: ignore-errors
"""Exercises: activations. A task is one of these classes without the body of its backward."""

import math

import numpy as np


class ReLU:
    """y = max(x, 0), number by number. At x = 0 the slope is 0, as in PyTorch.

    forward   gets x (N, D); keeps x; returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, grad_output):
        return grad_output * (self.x > 0)


class LeakyReLU:
    """y = x for x > 0, else 0.1 x, number by number.

    forward   gets x (N, D); keeps x; returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    slope = 0.1

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, grad_output):
        return grad_output * np.where(self.x > 0, 1, self.slope)


class Sigmoid:
    """y = σ(x) = 1/(1 + e⁻ˣ), number by number. Its derivative needs y alone.

    forward   gets x (N, D); keeps y; returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, grad_output):
        return grad_output * self.y * (1 - self.y)


class Tanh:
    """y = tanh x, number by number. Its derivative needs y alone.

    forward   gets x (N, D); keeps y; returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad_output):
        return grad_output * (1 - self.y**2)


class Softplus:
    """y = log(1 + eˣ), number by number: a smooth ReLU.

    forward   gets x (N, D); keeps x; returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    def forward(self, x):
        self.x = x
        return np.log(1 + np.exp(x))

    def backward(self, grad_output):
        return grad_output / (1 + np.exp(-self.x))


class SiLU:
    """y = x σ(x) with σ(x) = 1/(1 + e⁻ˣ), number by number.

    forward   gets x (N, D); keeps x and s = σ(x); returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-x))
        return x * self.s

    def backward(self, grad_output):
        return grad_output * (self.s + self.x * self.s * (1 - self.s))


class GELU:
    """y = x Φ(x), number by number, with Φ(x) = ½(1 + erf(x/√2)), the normal distribution.

    Its density is Φ′(x) = φ(x) = e^(−x²/2)/√(2π).

    forward   gets x (N, D); keeps x and P = Φ(x); returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    def forward(self, x):
        self.x, self.P = x, 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        return x * self.P

    def backward(self, grad_output):
        density = np.exp(-(self.x**2) / 2) / math.sqrt(2 * math.pi)
        return grad_output * (self.P + self.x * density)


class Softmax:
    """y_i = e^(x_i) / Σ_j e^(x_j), in each row. Every input of a row moves every output of it.

    forward   gets x (N, C); keeps y; returns y (N, C)
    backward  gets grad_output = dL/dy (N, C); returns dL/dx (N, C)
    """

    def forward(self, x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, grad_output):
        return self.y * (grad_output - (grad_output * self.y).sum(axis=-1, keepdims=True))


class LogSoftmax:
    """y_i = x_i − log Σ_j e^(x_j), in each row: the logarithm of softmax.

    forward   gets x (N, C); keeps y, so that softmax(x) is e^y; returns y (N, C)
    backward  gets grad_output = dL/dy (N, C); returns dL/dx (N, C)
    """

    def forward(self, x):
        shifted = x - x.max(axis=-1, keepdims=True)
        self.y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return self.y

    def backward(self, grad_output):
        return grad_output - np.exp(self.y) * grad_output.sum(axis=-1, keepdims=True)


class SwiGLU:
    """y = a σ(a) ⊙ b: the first half a of each row, through SiLU, decides how much of the second half b passes.

    forward   gets x (N, 2D), of which a and b are the halves; keeps a, b and s = σ(a); returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, 2D), dL/da before dL/db
    """

    def forward(self, x):
        self.a, self.b = np.split(x, 2, axis=-1)
        self.s = 1 / (1 + np.exp(-self.a))
        return self.a * self.s * self.b

    def backward(self, grad_output):
        by_a = grad_output * self.b * (self.s + self.a * self.s * (1 - self.s))
        by_b = grad_output * self.a * self.s
        return np.concatenate([by_a, by_b], axis=-1)
