# mypy: ignore-errors
"""The parts of a small net, each with its forward and backward pass by hand. NumPy alone."""

import numpy as np

FAR = np.array([[-3.0, 0.5], [2.0, -0.25]]), np.zeros((2, 2))  # outputs and targets, some far apart


class Tanh:
    """y = tanh x."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad):
        return grad * (1 - self.y**2)


class LeakyReLU:
    """y = x for x > 0, else 0.1 x."""

    slope = 0.1

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, grad):
        return grad * np.where(self.x > 0, 1, self.slope)


class SiLU:
    """y = x σ(x) = x / (1 + e⁻ˣ)."""

    def forward(self, x):
        self.x, self.e = x, np.exp(-x)
        return x / (1 + self.e)

    def backward(self, grad):
        return grad * (1 + self.e + self.x * self.e) / (1 + self.e) ** 2


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


class LayerNorm:
    """y = weight · (x − μ)/√(v + ε) + bias, with mean and variance of each row."""

    def __init__(self, features=3):
        self.weight, self.bias = np.linspace(0.5, 1.5, features), np.linspace(-0.2, 0.2, features)

    def forward(self, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        self.scale = 1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.hat = centred * self.scale
        return self.weight * self.hat + self.bias

    def backward(self, grad):
        self.grad_weight = (grad * self.hat).sum(axis=0)
        self.grad_bias = grad.sum(axis=0)
        g = grad * self.weight
        along = (g * self.hat).mean(axis=-1, keepdims=True)
        return self.scale * (g - g.mean(axis=-1, keepdims=True) - self.hat * along)


class Dropout:
    """In training y = x · mask / (1 − p), where the mask keeps each number with probability 1 − p."""

    def __init__(self, p=0.5):
        self.p, self.rng = p, np.random.default_rng(0)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) >= self.p
        return x * self.mask / (1 - self.p)

    def backward(self, grad):
        return grad * self.mask / (1 - self.p)


class MeanSquaredError:
    """The mean of (x − t)² over all numbers."""

    def forward(self, x, t):
        self.d = x - t
        return (self.d**2).mean()

    def backward(self):
        return 2 * self.d / self.d.size


class Huber:
    """The mean of d²/2 where |d| ≤ 1, else |d| − 1/2, with d = x − t."""

    def forward(self, x, t):
        self.d = x - t
        size = np.abs(self.d)
        return np.where(size <= 1, self.d**2 / 2, size - 0.5).mean()

    def backward(self):
        return np.where(np.abs(self.d) <= 1, self.d, np.sign(self.d)) / self.d.size


class Net:
    """y = σ(tanh(x W₁) W₂), and a backward that descends at once."""

    def __init__(self):
        self.w1, self.w2 = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(1, -1, 8).reshape(4, 2)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.w1)
        self.y = 1 / (1 + np.exp(-self.h @ self.w2))
        return self.y

    def backward(self, grad, lr):
        outer = grad * self.y * (1 - self.y)
        inner = outer @ self.w2.T * (1 - self.h**2)
        back = inner @ self.w1.T
        self.w2 -= lr * self.h.T @ outer
        self.w1 -= lr * self.x.T @ inner
        return back
