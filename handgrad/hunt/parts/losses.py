# mypy: ignore-errors
"""Losses, each with its value and its gradient by hand. NumPy alone."""

import numpy as np

FAR = np.array([[-3.0, 0.5], [2.0, -0.25]]), np.zeros((2, 2))  # outputs and targets, some far apart
BITS = np.array([[-3.0, 0.5], [2.0, -0.25]]), np.array([[1.0, 0.0], [0.0, 1.0]])
CLASSES = np.array([[-3.0, 0.5, 0.25], [2.0, -0.25, 0.5]]), np.array([1, 2])


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


class BinaryCrossEntropy:
    """The mean of log(1 + eˣ) − t x over all numbers: cross-entropy of σ(x), with targets t of 0 and 1."""

    def forward(self, x, t):
        self.p, self.t = 1 / (1 + np.exp(-x)), t
        return (np.log(1 + np.exp(x)) - t * x).mean()

    def backward(self):
        return (self.p - self.t) / self.t.size


class Hinge:
    """The sum of max(0, x_j − x_t + 1) over the wrong classes j, the mean over rows; t has the right class of each."""

    def forward(self, x, t):
        self.rows, self.t = np.arange(len(x)), t
        self.margins = np.maximum(0, x - x[self.rows, t, None] + 1)  # 1 at the right class
        return self.margins.sum() / len(x) - 1

    def backward(self):
        counts = 1.0 * (self.margins > 0)
        counts[self.rows, self.t] -= counts.sum(axis=1)
        return counts / len(counts)
