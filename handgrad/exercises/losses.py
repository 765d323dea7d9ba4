# mypy: ignore-errors
"""Exercises: losses, each the mean. A task is one of these classes without the body of its backward."""

import numpy as np


class MSELoss:
    """L = mean of (x − t)² over all numbers.

    forward   gets x and the target t (N, D); keeps d = x − t; returns the number L
    backward  gets nothing, as dL/dL = 1; returns dL/dx (N, D)
    """

    def forward(self, x, target):
        self.d = x - target
        return (self.d**2).mean()

    def backward(self):
        return 2 * self.d / self.d.size


class L1Loss:
    """L = mean of |x − t| over all numbers. At x = t the slope is 0, as in PyTorch.

    forward   gets x and the target t (N, D); keeps d = x − t; returns the number L
    backward  gets nothing, as dL/dL = 1; returns dL/dx (N, D)
    """

    def forward(self, x, target):
        self.d = x - target
        return np.abs(self.d).mean()

    def backward(self):
        return np.sign(self.d) / self.d.size


class HuberLoss:
    """L = mean of d²/2 where |d| ≤ 1, else of |d| − ½, with d = x − t.

    forward   gets x and the target t (N, D); keeps d; returns the number L
    backward  gets nothing, as dL/dL = 1; returns dL/dx (N, D)
    """

    def forward(self, x, target):
        self.d = x - target
        size = np.abs(self.d)
        return np.where(size <= 1, self.d**2 / 2, size - 0.5).mean()

    def backward(self):
        return np.clip(self.d, -1, 1) / self.d.size


class BCELoss:
    """L = −mean of t log p + (1 − t) log(1 − p) over all numbers, for probabilities p.

    forward   gets p in (0, 1) and the target t in [0, 1] (N, D); keeps both; returns the number L
    backward  gets nothing, as dL/dL = 1; returns dL/dp (N, D)
    """

    def forward(self, p, target):
        self.p, self.t = p, target
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()

    def backward(self):
        return (self.p - self.t) / (self.p * (1 - self.p)) / self.p.size


class BCEWithLogitsLoss:
    """L = mean of max(x, 0) − x t + log(1 + e^−|x|): BCELoss of p = σ(x), written so that nothing overflows.

    forward   gets logits x and the target t in [0, 1] (N, D); keeps both; returns the number L
    backward  gets nothing, as dL/dL = 1; returns dL/dx (N, D)
    """

    def forward(self, x, target):
        self.x, self.t = x, target
        return (np.maximum(x, 0) - x * target + np.log1p(np.exp(-np.abs(x)))).mean()

    def backward(self):
        return (1 / (1 + np.exp(-self.x)) - self.t) / self.x.size


class NLLLoss:
    """L = −mean over the rows of x[n, class of n], for logarithms of probabilities x.

    forward   gets x (N, C) and the classes (N,), whole numbers; keeps the shape of x, and the classes; returns L
    backward  gets nothing, as dL/dL = 1; returns dL/dx (N, C)
    """

    def forward(self, x, classes):
        self.shape, self.classes = x.shape, classes
        return -x[np.arange(len(x)), classes].mean()

    def backward(self):
        gradient = np.zeros(self.shape)
        gradient[np.arange(len(gradient)), self.classes] = -1 / len(gradient)
        return gradient


class CrossEntropyLoss:
    """L = −mean over the rows of log p[n, class of n], with p = softmax(x) of each row.

    forward   gets logits x (N, C) and the classes (N,), whole numbers; keeps p (N, C) and the classes; returns L
    backward  gets nothing, as dL/dL = 1; returns dL/dx (N, C)
    """

    def forward(self, x, classes):
        shifted = x - x.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        self.p, self.classes = np.exp(log_p), classes
        return -log_p[np.arange(len(x)), classes].mean()

    def backward(self):
        gradient = self.p.copy()
        gradient[np.arange(len(gradient)), self.classes] -= 1
        return gradient / len(gradient)


class LabelSmoothing:
    """L = −mean over the rows of Σ_c q_c log p_c, with p = softmax(x) and a target that is never quite sure:

    q is (1 − s) + s/C at the class of the row and s/C at the other classes, with s = 0.1.

    forward   gets logits x (N, C) and the classes (N,), whole numbers; keeps p (N, C) and the classes; returns L
    backward  gets nothing, as dL/dL = 1; returns dL/dx (N, C)
    """

    smoothing = 0.1

    def forward(self, x, classes):
        shifted = x - x.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        self.p, self.classes = np.exp(log_p), classes
        of_class = log_p[np.arange(len(x)), classes]
        return -((1 - self.smoothing) * of_class + self.smoothing * log_p.mean(axis=-1)).mean()

    def backward(self):
        rows, classes = self.p.shape
        q = np.full(self.p.shape, self.smoothing / classes)
        q[np.arange(rows), self.classes] += 1 - self.smoothing
        return (self.p - q) / rows
