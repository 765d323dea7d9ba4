# mypy: ignore-errors
"""Nets and their parts, each with its forward and backward pass by hand. NumPy alone."""

import numpy as np


class Residual:
    """y = x + tanh(x W)."""

    def __init__(self):
        self.weight = np.linspace(-1, 1, 9).reshape(3, 3)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.weight)
        return x + self.h

    def backward(self, grad):
        inner = grad * (1 - self.h**2)
        self.grad_weight = self.x.T @ inner
        return grad + inner @ self.weight.T


class ForgetGate:
    """y = c · σ(f), where c and f are the two halves of each row: what a cell remembers."""

    def forward(self, x):
        self.c, f = np.split(x, 2, axis=-1)
        self.s = 1 / (1 + np.exp(-f))
        return self.c * self.s

    def backward(self, grad):
        grad_f = grad * self.c * self.s * (1 - self.s)
        return np.concatenate([grad * self.s, grad_f], axis=-1)


class Recurrent:
    """h_t = tanh(x_t + h_{t−1} W): the rows of x are one sequence, and h_{−1} is 0."""

    def __init__(self):
        self.weight = np.linspace(-1, 1, 9).reshape(3, 3)

    def forward(self, x):
        self.h = [np.zeros(3)]
        for row in x:
            self.h.append(np.tanh(row + self.h[-1] @ self.weight))
        return np.stack(self.h[1:])

    def backward(self, grad):
        self.grad_weight, back, later = np.zeros((3, 3)), np.zeros_like(grad), 0
        for t in reversed(range(len(grad))):
            back[t] = (grad[t] + later) * (1 - self.h[t + 1] ** 2)
            self.grad_weight += np.outer(self.h[t], back[t])
            later = back[t] @ self.weight.T
        return back


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
