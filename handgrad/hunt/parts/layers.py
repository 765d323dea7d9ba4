# mypy: ignore-errors
"""Layers, each with its forward and backward pass by hand. NumPy alone."""

import numpy as np

REPEATED = np.array([1, 4, 1, 0, 1])  # an index that occurs more than once
WIDE = np.array([[0.5, -1.0, 3.0, 0.25, -0.5, 1.0], [2.0, 0.75, -0.25, 1.5, 0.1, -2.0]])


class Linear:
    """y = x W + b, for each row of x."""

    def __init__(self):
        self.weight, self.bias = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(-0.2, 0.2, 4)

    def forward(self, x):
        self.x = x
        return x @ self.weight + self.bias

    def backward(self, grad):
        self.grad_weight = self.x.T @ grad
        self.grad_bias = grad.sum(axis=0)
        return grad @ self.weight.T


class Embedding:
    """Row index_n of the table, for each whole number index_n."""

    def __init__(self):
        self.weight = np.linspace(-1, 1, 15).reshape(5, 3)

    def forward(self, index):
        self.index = index
        return self.weight[index]

    def backward(self, grad):
        self.grad_weight = np.zeros_like(self.weight)
        np.add.at(self.grad_weight, self.index, grad)


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


class RMSNorm:
    """y = weight · x / √(mean(x²) + ε), for each row."""

    def __init__(self, features=3):
        self.weight = np.linspace(0.5, 1.5, features)

    def forward(self, x):
        self.scale = 1 / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.hat = x * self.scale
        return self.weight * self.hat

    def backward(self, grad):
        self.grad_weight = (grad * self.hat).sum(axis=0)
        g = grad * self.weight
        return self.scale * (g - self.hat * (g * self.hat).mean(axis=-1, keepdims=True))


class Normalize:
    """y = x / (‖x‖ + 0.1), for each row."""

    def forward(self, x):
        self.x, self.norm = x, np.sqrt((x**2).sum(axis=-1, keepdims=True))
        self.length = self.norm + 0.1
        return x / self.length

    def backward(self, grad):
        along = (grad * self.x).sum(axis=-1, keepdims=True)
        return grad / self.length - self.x * along / (self.norm * self.length**2)


class Dropout:
    """In training y = x · mask / (1 − p), where the mask keeps each number with probability 1 − p."""

    def __init__(self, p=0.5):
        self.p, self.rng = p, np.random.default_rng(0)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) >= self.p
        return x * self.mask / (1 - self.p)

    def backward(self, grad):
        return grad * self.mask / (1 - self.p)


class MaxPool:
    """The largest of every three neighbours in a row."""

    def forward(self, x):
        self.shape, windows = x.shape, np.lib.stride_tricks.sliding_window_view(x, 3, axis=-1)
        self.place = windows.argmax(axis=-1) + np.arange(windows.shape[1])
        return windows.max(axis=-1)

    def backward(self, grad):
        back, rows = np.zeros(self.shape), np.arange(len(grad))
        for i in range(grad.shape[1]):
            back[rows, self.place[:, i]] += grad[:, i]
        return back


class Convolution:
    """y_i = Σ_k weight_k x_{i+k}, along each row."""

    def __init__(self):
        self.weight = np.array([0.5, -1.0, 2.0])

    def forward(self, x):
        self.x, size = x, x.shape[1] - 2
        return sum(w * x[:, k : k + size] for k, w in enumerate(self.weight))

    def backward(self, grad):
        size, wide = grad.shape[1], np.pad(grad, ((0, 0), (2, 2)))
        self.grad_weight = np.array([(grad * self.x[:, k : k + size]).sum() for k in range(3)])
        return sum(w * wide[:, 2 - k : 4 - k + size] for k, w in enumerate(self.weight))
