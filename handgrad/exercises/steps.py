# mypy: ignore-errors
"""Exercises: what is done with gradients. A task is one of these classes or functions without its main body."""

import numpy as np


class Momentum:
    """Descent with momentum: b ← μ b + g, then θ ← θ − lr b; at the first step b = g.

    update  gets θ and its gradient g, of one shape; keeps b as self.momentum_buffer, which is None before the first
            step; returns the new θ as a new array
    """

    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.momentum_buffer = lr, momentum, None

    def update(self, param, grad):
        before = 0 if self.momentum_buffer is None else self.momentum * self.momentum_buffer
        self.momentum_buffer = before + grad
        return param - self.lr * self.momentum_buffer


class Nesterov:
    """Descent with Nesterov's momentum, in PyTorch's form: b ← μ b + g, then θ ← θ − lr (g + μ b); at first b = g.

    update  gets θ and its gradient g, of one shape; keeps b as self.momentum_buffer, which is None before the first
            step; returns the new θ as a new array
    """

    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.momentum_buffer = lr, momentum, None

    def update(self, param, grad):
        before = 0 if self.momentum_buffer is None else self.momentum * self.momentum_buffer
        self.momentum_buffer = before + grad
        return param - self.lr * (grad + self.momentum * self.momentum_buffer)


class RMSprop:
    """s ← α s + (1 − α) g², then θ ← θ − lr g/(√s + ε): the gradient over a running root mean square of itself.

    update  gets θ and its gradient g, of one shape; counts self.step from 0 up and keeps s as self.square_avg, which
            is None before the first step and starts as zeros; returns the new θ as a new array
    """

    def __init__(self, lr=0.01, alpha=0.9, eps=1e-8):
        self.lr, self.alpha, self.eps, self.step, self.square_avg = lr, alpha, eps, 0, None

    def update(self, param, grad):
        self.step += 1
        before = 0 if self.square_avg is None else self.alpha * self.square_avg
        self.square_avg = before + (1 - self.alpha) * grad**2
        return param - self.lr * grad / (np.sqrt(self.square_avg) + self.eps)


class Adam:
    """Means that start at zero, and are corrected for it. At step t = 1, 2, …

        m ← β₁ m + (1 − β₁) g,   m̂ = m/(1 − β₁ᵗ)
        v ← β₂ v + (1 − β₂) g²,  v̂ = v/(1 − β₂ᵗ)
        θ ← θ − lr m̂/(√v̂ + ε)

    update  gets θ and its gradient g, of one shape; counts self.step from 0 up and keeps m and v as self.exp_avg and
            self.exp_avg_sq, which are None before the first step; returns the new θ as a new array
    """

    def __init__(self, lr=0.01, betas=(0.9, 0.99), eps=1e-8):
        self.lr, self.betas, self.eps, self.step, self.exp_avg, self.exp_avg_sq = lr, betas, eps, 0, None, None

    def update(self, param, grad):
        beta1, beta2 = self.betas
        if self.step == 0:
            self.exp_avg, self.exp_avg_sq = np.zeros_like(param), np.zeros_like(param)
        self.step += 1
        self.exp_avg = beta1 * self.exp_avg + (1 - beta1) * grad
        self.exp_avg_sq = beta2 * self.exp_avg_sq + (1 - beta2) * grad**2
        mean = self.exp_avg / (1 - beta1**self.step)
        square = self.exp_avg_sq / (1 - beta2**self.step)
        return param - self.lr * mean / (np.sqrt(square) + self.eps)


class AdamW:
    """Adam with a decay of its own: first θ ← (1 − lr λ) θ, then Adam's step from a gradient without decay.

    update  gets θ and its gradient g, of one shape; counts self.step from 0 up and keeps m and v as self.exp_avg and
            self.exp_avg_sq, which are None before the first step; returns the new θ as a new array
    """

    def __init__(self, lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.5):
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.step, self.exp_avg, self.exp_avg_sq = 0, None, None

    def update(self, param, grad):
        beta1, beta2 = self.betas
        if self.step == 0:
            self.exp_avg, self.exp_avg_sq = np.zeros_like(param), np.zeros_like(param)
        self.step += 1
        self.exp_avg = beta1 * self.exp_avg + (1 - beta1) * grad
        self.exp_avg_sq = beta2 * self.exp_avg_sq + (1 - beta2) * grad**2
        mean = self.exp_avg / (1 - beta1**self.step)
        square = self.exp_avg_sq / (1 - beta2**self.step)
        decayed = (1 - self.lr * self.weight_decay) * param
        return decayed - self.lr * mean / (np.sqrt(square) + self.eps)


def clip_grad_norm(grads, max_norm):
    """The norm T of all gradients together, and the gradients times c = min(1, max_norm/(T + 1e-6)).

    gets     a list of arrays of any shapes, and a number
    returns  T = √(Σ of the squares of every number of every array), and a list with the scaled arrays
    """
    total = np.sqrt(sum((g**2).sum() for g in grads))
    factor = min(1, max_norm / (total + 1e-6))
    return total, [factor * g for g in grads]


def hessian_vector_product(x, target, weights, vector):
    """H v for the loss L = mean of (y − target)² of the net h = tanh(x W₁ᵀ), y = h W₂ᵀ, without forming H.

    With R{q} the change of q where the weights move along the vector, H v = R{dL/dW}. R obeys the rules of a
    derivative, R{ab} = R{a} b + a R{b}; of the weights it is the vector; of x and of the target it is 0.

    gets     x (N, D), target (N, K), weights = (W₁ (H, D), W₂ (K, H)), and vector, a pair of the same shapes
    returns  the pair R{dL/dW₁}, R{dL/dW₂}
    """
    (W1, W2), (V1, V2) = weights, vector
    h = np.tanh(x @ W1.T)
    slope = 1 - h**2
    r_h = slope * (x @ V1.T)
    y, r_y = h @ W2.T, r_h @ W2.T + h @ V2.T
    delta, r_delta = 2 * (y - target) / y.size, 2 * r_y / y.size
    by_h, r_by_h = delta @ W2, r_delta @ W2 + delta @ V2
    r_inner = r_by_h * slope - by_h * 2 * h * r_h
    return r_inner.T @ x, r_delta.T @ h + delta.T @ r_h
