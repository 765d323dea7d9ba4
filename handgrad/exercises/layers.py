# mypy: ignore-errors
"""Exercises: layers, and a net. A task is one of these classes without the body of its backward."""

import numpy as np


class LinearInput:
    """y = x Wᵀ + b, seen from x: the weight W (K, D) and the bias b (K,) stay as they are.

    forward   gets x (N, D); returns y (N, K)
    backward  gets grad_output = dL/dy (N, K); returns dL/dx (N, D)
    """

    def __init__(self):
        self.weight, self.bias = np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-0.5, 0.5, 4)

    def forward(self, x):
        return x @ self.weight.T + self.bias

    def backward(self, grad_output):
        return grad_output @ self.weight


class LinearWeight:
    """y = x Wᵀ, now with a gradient for the weight W (K, D). dL/dx is the exercise before.

    forward   gets x (N, D); keeps x; returns y (N, K)
    backward  gets grad_output = dL/dy (N, K); sets self.grad_weight = dL/dW (K, D); returns dL/dx (N, D)
    """

    def __init__(self):
        self.weight = np.linspace(-1, 1, 12).reshape(4, 3)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T

    def backward(self, grad_output):
        self.grad_weight = grad_output.T @ self.x
        return grad_output @ self.weight


class Linear:
    """y = x Wᵀ + b, whole: the bias b (K,) is added to every row.

    forward   gets x (N, D); keeps x; returns y (N, K)
    backward  gets grad_output = dL/dy (N, K); sets self.grad_weight = dL/dW (K, D) and self.grad_bias = dL/db (K,);
              returns dL/dx (N, D)
    """

    def __init__(self):
        self.weight, self.bias = np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-0.5, 0.5, 4)

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad_output):
        self.grad_weight = grad_output.T @ self.x
        self.grad_bias = grad_output.sum(axis=0)
        return grad_output @ self.weight


class Dropout:
    """y = x · mask/(1 − p): the mask, of zeros and ones, keeps each number with probability 1 − p.

    forward   gets x (N, D); keeps mask; returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); returns dL/dx (N, D)
    """

    def __init__(self, p=0.25):
        self.p, self.rng = p, np.random.default_rng(0)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) >= self.p
        return x * self.mask / (1 - self.p)

    def backward(self, grad_output):
        return grad_output * self.mask / (1 - self.p)


class Embedding:
    """y_n = weight[i_n]: a row of the table weight (V, D) for each whole number. A number may come up several times.

    forward   gets indices (N,), whole numbers; keeps them; returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); sets self.grad_weight = dL/dweight (V, D); returns None, as a whole
              number has no gradient
    """

    def __init__(self):
        self.weight = np.linspace(-1, 1, 15).reshape(5, 3)

    def forward(self, indices):
        self.indices = indices
        return self.weight[indices]

    def backward(self, grad_output):
        self.grad_weight = np.zeros_like(self.weight)
        np.add.at(self.grad_weight, self.indices, grad_output)


class LayerNorm:
    """y = w x̂ + b with x̂ = (x − μ)/√(v + ε): mean μ and variance v are those of each row, ε = 1e-5.

    forward   gets x (N, D); keeps hat = x̂ (N, D) and scale = 1/√(v + ε) (N, 1); returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); sets self.grad_weight and self.grad_bias (D,); returns dL/dx (N, D)
    """

    def __init__(self):
        self.weight, self.bias = np.linspace(0.5, 1.5, 4), np.linspace(-0.2, 0.2, 4)

    def forward(self, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        self.scale = 1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.hat = centred * self.scale
        return self.weight * self.hat + self.bias

    def backward(self, grad_output):
        self.grad_weight = (grad_output * self.hat).sum(axis=0)
        self.grad_bias = grad_output.sum(axis=0)
        g = grad_output * self.weight
        along = (g * self.hat).mean(axis=-1, keepdims=True)
        return self.scale * (g - g.mean(axis=-1, keepdims=True) - self.hat * along)


class RMSNorm:
    """y = w x̂ with x̂ = x/√(mean(x²) + ε), the mean over each row, ε = 1e-5: a LayerNorm that does not shift.

    forward   gets x (N, D); keeps hat = x̂ (N, D) and scale = 1/√(mean(x²) + ε) (N, 1); returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); sets self.grad_weight (D,); returns dL/dx (N, D)
    """

    def __init__(self):
        self.weight = np.linspace(0.5, 1.5, 4)

    def forward(self, x):
        self.scale = 1 / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.hat = x * self.scale
        return self.weight * self.hat

    def backward(self, grad_output):
        self.grad_weight = (grad_output * self.hat).sum(axis=0)
        g = grad_output * self.weight
        return self.scale * (g - self.hat * (g * self.hat).mean(axis=-1, keepdims=True))


class BatchNorm1d:
    """y = w x̂ + b with x̂ = (x − μ)/√(v + ε): mean μ and variance v are those of each column, ε = 1e-5.

    It is the layer in training, where both come from the batch: every sample moves the mean and the variance.

    forward   gets x (N, D); keeps hat = x̂ (N, D) and scale = 1/√(v + ε) (D,); returns y (N, D)
    backward  gets grad_output = dL/dy (N, D); sets self.grad_weight and self.grad_bias (D,); returns dL/dx (N, D)
    """

    def __init__(self):
        self.weight, self.bias = np.linspace(0.5, 1.5, 3), np.linspace(-0.2, 0.2, 3)

    def forward(self, x):
        centred = x - x.mean(axis=0)
        self.scale = 1 / np.sqrt((centred**2).mean(axis=0) + 1e-5)
        self.hat = centred * self.scale
        return self.weight * self.hat + self.bias

    def backward(self, grad_output):
        self.grad_weight = (grad_output * self.hat).sum(axis=0)
        self.grad_bias = grad_output.sum(axis=0)
        g = grad_output * self.weight
        return self.scale * (g - g.mean(axis=0) - self.hat * (g * self.hat).mean(axis=0))


class TwoLayerNet:
    """y = h W₂ᵀ + b₂ with h = tanh(x W₁ᵀ + b₁): W₁ (H, D), b₁ (H,), W₂ (K, H), b₂ (K,).

    forward   gets x (N, D); keeps x and h (N, H); returns y (N, K)
    backward  gets grad_output = dL/dy (N, K); sets self.grad_W2, self.grad_b2, self.grad_W1 and self.grad_b1, each in
              the shape of its parameter; returns dL/dx (N, D)
    """

    def __init__(self):
        self.W1, self.b1 = np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-0.5, 0.5, 4)
        self.W2, self.b2 = np.linspace(1, -1, 8).reshape(2, 4), np.linspace(-0.1, 0.1, 2)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W1.T + self.b1)
        return self.h @ self.W2.T + self.b2

    def backward(self, grad_output):
        self.grad_W2 = grad_output.T @ self.h
        self.grad_b2 = grad_output.sum(axis=0)
        delta = grad_output @ self.W2 * (1 - self.h**2)
        self.grad_W1 = delta.T @ self.x
        self.grad_b1 = delta.sum(axis=0)
        return delta @ self.W1
