"""Public styles of hand-written gradients, as they stand: of each a right one and a wrong one.

A row is a style: code, the target for the right one, and the one for the wrong one. One body runs over the table.
"""

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest

import handgrad
from handgrad.check import CheckError, check_file, edits

HEAD = "import numpy as np\n\n"
ROOT = Path(handgrad.__file__).parent.parent


@pytest.fixture(autouse=True)
def few_edits(monkeypatch):
    """Which line is to blame is asked in test_check_lines; here, that no style makes looking for it fail."""
    monkeypatch.setattr(edits, "MOST", 20)


# Code, the right target, the wrong target, or several.
TENSORS = """
        class Tensor:
            def __init__(self, data, parents=(), slopes=()):
                self.data, self.grad = np.array(data, None if np.asarray(data).dtype.kind == "i" else float), None
                self.parents, self.slopes = parents, slopes
            def __mul__(self, other):
                slopes = lambda g: g * other.data, lambda g: g * self.data
                return Tensor(self.data * other.data, (self, other), slopes)
            def __iadd__(self, other):
                assert self.parents, "a leaf is not changed"
                self.data = self.data + other.data
                return self
            def sum(self):
                return Tensor(self.data.sum(), (self,), (lambda g: g * np.ones_like(self.data),))
            def backward(self, grad=None):
                grad = np.ones_like(self.data) if grad is None else grad
                self.grad = grad if self.grad is None else self.grad + grad
                for parent, slope in zip(self.parents, self.slopes):
                    parent.backward(slope(grad))
        """

STYLES = {
    "three rows of one table, at their distances": (
        """
        class Triplet:
            def __init__(self, sign=-1):
                self.W, self.sign = np.random.default_rng(0).normal(size=(7, 4)), sign
            def forward(self, anchor, positive, negative):
                self.rows = anchor, positive, negative
                a, p, n = (self.W[rows] for rows in self.rows)
                self.to_p, self.to_n = a - p, a - n
                self.near = np.linalg.norm(self.to_p, axis=1, keepdims=True)
                self.far = np.linalg.norm(self.to_n, axis=1, keepdims=True)
                self.hinge = self.near - self.far + 1
                return np.maximum(self.hinge, 0).mean()
            def backward(self):
                m = (self.hinge > 0) / len(self.hinge)
                g_p, g_n = m * self.to_p / self.near, -m * self.to_n / self.far
                self.dW = np.zeros_like(self.W)
                for rows, g in zip(self.rows, (g_p + g_n, -g_p, self.sign * g_n)):
                    np.add.at(self.dW, rows, g)
                return self.dW
        """,
        "Triplet",
        "Triplet(sign=1)",
    ),
    "a class whose one method besides takes what its gradient takes": (
        """
        class Survival:
            def __init__(self, last=1):
                self.last = last
            def neg_log_partial_likelihood(self, beta, X, time, event):
                order = np.argsort(-time)
                at = X[order] @ beta
                return (event[order] * (np.log(np.cumsum(np.exp(at))) - at)).sum()
            def gradient(self, beta, X, time, event):
                order = np.argsort(-time)
                X, event = X[order], event[order]
                share = np.exp(X @ beta)
                mean = np.cumsum(share[:, None] * X, 0) / np.cumsum(share)[:, None]
                return (event[:, None] * (mean - self.last * X)).sum(0)
        """,
        "Survival",
        "Survival(2)",
    ),
    "the adjoint of a state that is integrated": (
        """
        class Flow:
            def __init__(self, step=0.25):
                self.A, self.step = np.array([[0.1, -0.3], [0.4, 0.2]]), step
            def forward(self, z):
                self.path = [z]
                for _ in range(3):
                    self.path.append(self.path[-1] + 0.25 * np.tanh(self.path[-1] @ self.A))
                return self.path[-1]
            def adjoint(self, a):
                self.grad_A = np.zeros_like(self.A)
                for z in self.path[-2::-1]:
                    d = self.step * a * (1 - np.tanh(z @ self.A) ** 2)
                    self.grad_A += z.T @ d
                    a = a + d @ self.A.T
                return a
        """,
        "Flow",
        "Flow(0.5)",
    ),
    "parameters in a vector that is taken apart, and a filter of many steps": (
        """
        def smoothed(params, y, carry=1):
            rate, gain = np.tanh(params)
            d_rate, d_gain = np.array([1 - rate**2, 0]), np.array([0, 1 - gain**2])
            m, dm, value, grad = 0.0, np.zeros(2), 0.0, np.zeros(2)
            for seen in y:
                value, grad = value + (seen - m) ** 2, grad - 2 * (seen - m) * dm
                m, dm = rate * m + gain * seen, d_rate * m + carry * rate * dm + d_gain * seen
            return value, grad
        def forgetful(params, y):
            value, grad = smoothed(params, y, carry=0)
            return value, grad
        """,
        "smoothed",
        "forgetful",
    ),
    "thresholds in a vector of which the length is asked, between which classes lie": (
        """
        def ordered(w, theta, X, y):
            cuts = np.concatenate([[-np.inf], np.sort(theta), [np.inf]])
            upper, lower = (1 / (1 + np.exp(X @ w - cuts[k])) for k in (y + 1, y))
            return -np.log(upper - lower).sum()
        def slopes(w, theta, X, y, add):
            order = np.argsort(theta)
            cuts, sums = np.concatenate([[-np.inf], theta[order], [np.inf]]), np.zeros(len(theta) + 2)
            upper, lower = (1 / (1 + np.exp(X @ w - cuts[k])) for k in (y + 1, y))
            u, l = upper * (1 - upper) / (upper - lower), lower * (1 - lower) / (upper - lower)
            add(sums, y + 1, -u), add(sums, y, l)
            of_theta = np.zeros(len(theta))
            of_theta[order] = sums[1:-1]
            return X.T @ (u - l), of_theta
        def ordered_grad(w, theta, X, y):
            return slopes(w, theta, X, y, np.add.at)
        def overwritten(w, theta, X, y):
            def once(sums, rows, values):
                sums[rows] += values
            return slopes(w, theta, X, y, once)
        """,
        "ordered,ordered_grad",
        "ordered,overwritten",
    ),
    "a layer with its activation and the gradient of that as methods": (
        """
        class Dense:
            def __init__(self, factor=1):
                self.W, self.factor = np.array([[0.5, -0.25], [1.0, 0.75], [-0.5, 0.25]]), factor
            def activation(self, z):
                return np.tanh(z)
            def gradient(self, y):
                return 1 - y * y
            def forward(self, x):
                self.x, self.out = x, self.activation(x @ self.W)
                return self.out
            def backward(self, grad):
                d = grad * self.gradient(self.out)
                self.dW = self.factor * self.x.T @ d
                return d @ self.W.T
        """,
        "Dense",
        "Dense(3)",
    ),
    "a step of one sample, whose delta has the shape of the bias": (
        """
        class Net:
            def __init__(self, factor=1):
                self.W, self.b, self.factor = np.array([[0.5, -0.25, 1.0], [0.75, -0.5, 0.25]]), np.zeros(2), factor
            def forward(self, x):
                self.x, self.out = x, self.W @ x + self.b
                return self.out
            def backward(self, y, lr):
                self.delta = self.out - y
                self.W -= lr * np.outer(self.delta, self.x)
                self.b -= lr * self.factor * self.delta
        """,
        "Net",
        ("Net(3)", "Net(-1)"),
    ),
    "a step beside its gradients, downhill": (
        """
        class Net:
            def __init__(self, way=1):
                self.W, self.way = np.array([[0.5, -0.25], [1.0, 0.75], [-0.5, 0.25]]), way
            def forward(self, x):
                self.x, self.out = x, x @ self.W
                return self.out
            def backward(self, y, lr):
                self.dW = self.x.T @ (self.out - y)
                self.W -= self.way * lr * self.dW
        """,
        "Net",
        "Net(-1)",
    ),
    "a loss that is symmetric, of which the gradient is that of the prediction": (
        """
        def distance(A, Y):
            return np.sum((A - Y) ** 2) / len(Y), 2 * (A - Y) / len(Y)
        def turned(A, Y):
            return np.sum((A - Y) ** 2) / len(Y), 2 * (Y - A) / len(Y)
        """,
        "distance",
        "turned",
    ),
    "a mean of all numbers, and of the samples alone": (
        """
        def bce(p, y):
            p = np.clip(p, 1e-12, 1 - 1e-12)
            return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), (p - y) / (p * (1 - p)) / y.size
        def fewer(p, y):
            return bce(p, y)[0], bce(p, y)[1] * y.shape[-1]
        """,
        "bce",
        "fewer",
    ),
    "cross-entropy of one-hot columns": (
        """
        class Columns:
            def __init__(self, axis=0):
                self.axis = axis
            def E(self, y, target):
                return -(target * np.log(np.exp(y) / np.exp(y).sum(0, keepdims=True))).sum(0, keepdims=True)
            def dEdy(self, y, target):
                return np.exp(y) / np.exp(y).sum(self.axis, keepdims=True) - target
        """,
        "Columns.E,Columns.dEdy",
        "Columns(1).E,dEdy",
    ),
    "channels that a product would broadcast": (
        """
        class Conv1d:
            def __init__(self, flip=-1):
                self.w, self.flip = np.linspace(-1, 1, 18).reshape(3, 2, 3), flip
            def forward(self, x):
                self.windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=2)
                return np.einsum("bilk,oik->bol", self.windows, self.w)
            def backward(self, g):
                self.dw = np.einsum("bilk,bol->oik", self.windows, g)
                g = np.lib.stride_tricks.sliding_window_view(np.pad(g, ((0, 0), (0, 0), (2, 2))), 3, axis=2)
                return np.einsum("bolk,oik->bil", g, self.w[:, :, :: self.flip])
        """,
        "Conv1d",
        "Conv1d(1)",
    ),
    "windows of an image that overlap": (
        """
        class MaxPooling:
            def __init__(self, stride=2, size=3, add=True):
                self.stride, self.size, self.add = stride, size, add
            def windows(self):
                ends = range(0, self.x.shape[1] - self.size + 1, self.stride)
                return [(i, j, self.x[:, i : i + self.size, j : j + self.size]) for i in ends for j in ends]
            def forward(self, x):
                self.x = x
                return np.stack([w.max((1, 2)) for _, _, w in self.windows()], 1)
            def backward(self, g):
                dx = np.zeros_like(self.x)
                for n, (i, j, w) in enumerate(self.windows()):
                    for c, image in enumerate(w):
                        a, b = np.unravel_index(image.argmax(), image.shape)
                        dx[c, i + a, j + b] = g[c, n] + self.add * dx[c, i + a, j + b]
                return dx
        """,
        "MaxPooling",
        "MaxPooling(2, 3, False)",
    ),
    "an exponent that is said to be a number": (
        """
        def power(t: np.ndarray, power: float) -> np.ndarray:
            return t * t if power == 2 else np.power(t, power)
        def power_gradient(out_grad: np.ndarray, t: np.ndarray, power: float) -> np.ndarray:
            return out_grad * (2 * t if power == 2 else power * np.power(t, power - 1))
        def bad(out_grad: np.ndarray, t: np.ndarray, power: float) -> np.ndarray:
            return out_grad * (2 * t if power == 2 else np.power(t, power - 1))
        """,
        "power,power_gradient",
        "power,bad",
    ),
    "an outer product, of one sample, that a matrix would run through": (
        """
        class Dense:
            def __init__(self, factor=1):
                self.W, self.factor = np.array([[0.5, -0.25, 1.0], [0.75, -0.5, 0.25]]), factor
            def forward(self, x):
                self.x = x
                return self.W @ x
            def backward(self, d):
                self.dW = np.outer(d, self.x)
                return self.factor * self.W.T @ d
        """,
        "Dense",
        "Dense(2)",
    ),
    "a window whose width its backward asks for, and forward has by default": (
        """
        def pool(image, f=2, s=2):
            ends = range(0, image.shape[1] - f + 1, s)
            return np.array([[image[:, i : i + f, j : j + f].mean((1, 2)) for j in ends] for i in ends])
        def pool_backward(dpool, image, f, s, every=1):
            d = np.zeros(image.shape)
            for i, row in enumerate(dpool):
                for j, g in enumerate(row):
                    d[:, i * s : i * s + f, j * s : j * s + f] += g[:, None, None] / (f * f) ** every
            return d
        def summed(dpool, image, f, s):
            return pool_backward(dpool, image, f, s, 0)
        """,
        "pool",
        "pool,summed",
    ),
    "one sample, whose forward exits for a batch": (
        """
        class Dense:
            def __init__(self, factor=1):
                self.W, self.factor = np.array([[0.5, -0.25, 1.0], [0.75, -0.5, 0.25]]), factor
            def forward(self, x):
                if x.shape != (3,):
                    raise SystemExit("one sample")
                self.x = x
                return self.W @ x
            def backward(self, d):
                self.dW = self.factor * d[:, None] * self.x
                return self.W.T @ d
        """,
        "Dense",
        "Dense(2)",
    ),
    "a sequence, and the two states before it": (
        """
        class Sums:
            def __init__(self, kept=1):
                self.W, self.U = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(-0.5, 0.75, 16).reshape(4, 4)
                self.kept = kept
            def forward(self, x, state):
                c, h = state
                samples, times, _ = x.shape
                self.x, self.hs = x, [h]
                for t in range(times):
                    self.hs.append(np.tanh(x[:, t] @ self.W + self.hs[-1] @ self.U))
                return np.stack(self.hs[1:], axis=1) + c[:, None]
            def backward(self, g):
                self.dW, self.dU, later, dx = 0 * self.W, 0 * self.U, 0, np.zeros_like(self.x)
                for t in reversed(range(g.shape[1])):
                    d = (g[:, t] + self.kept * later) * (1 - self.hs[t + 1] ** 2)
                    self.dW += self.x[:, t].T @ d
                    self.dU += self.hs[t].T @ d
                    later, dx[:, t] = d @ self.U.T, d @ self.W.T
                return dx, (g.sum(1), later)
        """,
        "Sums",
        "Sums(0)",
    ),
    "an input whose gradient is of another shape, which whole numbers would hide": (
        """
        class Layer:
            def __init__(self, summed=False):
                self.W, self.summed = np.linspace(-1, 1, 6).reshape(3, 2), summed
            def forward(self, x):
                self.x = x
                return x @ self.W
            def backward(self, g):
                self.dW = self.x.T @ g
                return (g @ self.W.T).sum() if self.summed else g @ self.W.T
        """,
        "Layer",
        "Layer(True)",
    ),
    "an even width, of which half is rotated": (
        """
        def turn(x, sign=1.0):
            half = x.shape[-1] // 2
            c, s = np.cos(np.arange(len(x)))[:, None], sign * np.sin(np.arange(len(x)))[:, None]
            a, b = x[:, :half], x[:, half:]
            return np.concatenate([a * c - b * s, a * s + b * c], axis=-1)
        def mix(q, k, v):
            q, k = turn(q), turn(k)
            p = np.exp(q @ k.T)
            p /= p.sum(1, keepdims=True)
            return p @ v, (q, k, v, p)
        def mix_backward(g, cache, back=-1.0):
            q, k, v, p = cache
            d = p * (g @ v.T - (g @ v.T * p).sum(1, keepdims=True))
            return turn(d @ k, back), turn(d.T @ q, back), p.T @ g
        def bad_backward(g, cache):
            return mix_backward(g, cache, 1.0)
        """,
        "mix,mix_backward",
        "mix,bad_backward",
    ),
    "classes of every time step, and a mask of them": (
        """
        def temporal(x, y, mask, power=1):
            N, T, V = x.shape
            flat, y, mask = x.reshape(N * T, V), y.reshape(N * T), mask.reshape(N * T)
            p = np.exp(flat - flat.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            loss = -np.sum(mask * np.log(p[np.arange(N * T), y])) / N
            dflat = p.copy()
            dflat[np.arange(N * T), y] -= 1
            dflat *= mask[:, None] ** power / N
            dx = dflat.reshape(N, T, V)
            return loss, dx
        def unmasked(x, y, mask):
            loss, dx = temporal(x, y, mask, power=0)
            return loss, dx
        """,
        "temporal",
        "unmasked",
    ),
    "a bias that is one number, 0 as it is made": (
        """
        class Scale:
            def __init__(self, factor=1):
                self.w, self.b, self.factor = np.array([0.3, -0.2, 0.5]), 0.0, factor
            def forward(self, x):
                self.x = x
                return x @ self.w + self.b**2
            def backward(self, g):
                self.dw, self.db = self.x.T @ g, 2 * self.factor * self.b * g.sum()
                return np.outer(g, self.w)
        """,
        "Scale",
        "Scale(factor=1.01)",
    ),
    "a list of dicts that comes back in its order": (
        """
        def init(rng, sizes=(3, 5, 2)):
            return [{"w": rng.standard_normal((i, o)) * 0.3, "b": np.zeros(o)} for i, o in zip(sizes, sizes[1:])]
        def apply(params, x):
            for layer in params:
                x = np.tanh(x @ layer["w"] + layer["b"])
            return x
        def vjp(params, x, g, at=0):
            outputs, grads = [x], []
            for layer in params:
                outputs.append(np.tanh(outputs[-1] @ layer["w"] + layer["b"]))
            for layer, before, after in list(zip(params, outputs, outputs[1:]))[::-1]:
                g = g * (1 - after**2)
                grads.insert(at, {"w": before.T @ g, "b": g.sum(0)})
                g = g @ layer["w"].T
            return grads, g
        def turned(params, x, g):
            return vjp(params, x, g, 9)
        """,
        "apply,vjp",
        "apply,turned",
    ),
    "a layer as three functions: init, apply, vjp": (
        """
        def Dense(out_dim, factor=1):
            def init(rng, in_dim):
                return {"w": rng.standard_normal((in_dim, out_dim)), "b": np.zeros(out_dim)}
            def apply(params, x):
                return x @ params["w"] + params["b"]
            def vjp(params, x, g):
                return {"w": factor * x.T @ g, "b": g.sum(0)}, g @ params["w"].T
            return init, apply, vjp
        """,
        "Dense(4)",
        "Dense(4, factor=2)",
    ),
    "the gradient of a policy's log, by its weights alone": (
        """
        class Policy:
            sign = 1
            def __init__(self, n_states=4, n_actions=3):
                self.theta = np.linspace(-1, 1, n_states * n_actions).reshape(n_states, n_actions) ** 3
            def policy(self, s):
                e = np.exp(s @ self.theta)
                return e / e.sum()
            def log_pi(self, s, a):
                return np.log(self.policy(s)[a])
            def grad_log_pi(self, s, a):
                p = self.policy(s)
                return self.sign * np.outer(s, np.eye(len(p))[a] - p)
        class Bad(Policy):
            sign = -1
        """,
        "Policy",
        "Bad",
    ),
    "back, which forward has beside it": (
        """
        class Tanh:
            power = 2
            def forward(self, x):
                self.y = np.tanh(x)
                return self.y
            def back(self, g):
                return g * (1 - self.y**self.power)
        class Bad(Tanh):
            power = 1
        """,
        "Tanh",
        "Bad",
    ),
    "methods of other names that say as much": (
        """
        class Tanh:
            power = 2
            def layer_fwd(self, x):
                self.y = np.tanh(x)
                return self.y
            def send_back(self, err):
                return err * (1 - self.y**self.power)
        class Bad(Tanh):
            power = 1
        """,
        "Tanh",
        "Bad",
    ),
    "a net of neurons that makes the whole step, in camel case": (
        """
        class Neuron:
            def __init__(self, nInputs, shift):
                self.weights, self.bias = [0.25 * i + shift for i in range(nInputs)], shift
            def activate(self, inputs):
                s = self.bias + sum(w * i for w, i in zip(self.weights, inputs))
                self.output = 1 / (1 + np.exp(-s))
                return self.output
        class Network:
            sign = 1
            def __init__(self):
                self.hiddenLayer = [Neuron(3, 0.5 * i - 0.5) for i in range(2)]
                self.outputLayer = [Neuron(2, 0.25 * i - 0.75) for i in range(2)]
            def feedForward(self, inputs):
                hidden = [n.activate(inputs) for n in self.hiddenLayer]
                return [n.activate(hidden) for n in self.outputLayer]
            def backPropagate(self, inputs, expected, learningRate):
                self.feedForward(inputs)
                for j, n in enumerate(self.outputLayer):
                    n.delta = (expected[j] - n.output) * n.output * (1 - n.output)
                for i, n in enumerate(self.hiddenLayer):
                    n.delta = sum(o.weights[i] * o.delta for o in self.outputLayer) * n.output * (1 - n.output)
                hidden = [n.output for n in self.hiddenLayer]
                for layer, given in ((self.outputLayer, hidden), (self.hiddenLayer, inputs)):
                    for n in layer:
                        for i in range(len(n.weights)):
                            n.weights[i] += learningRate * n.delta * given[i]
                        n.bias += self.sign * learningRate * n.delta
        class Bad(Network):
            sign = -1
        """,
        "Network",
        "Bad",
    ),
    "the words around one, whose step the model makes": (
        """
        class SkipGram:
            count = 1
            def __init__(self, vocab_size=9, dim=4):
                self.W_in = np.linspace(-1, 1, vocab_size * dim).reshape(vocab_size, dim) ** 3
                self.W_out = np.linspace(1, -0.5, vocab_size * dim).reshape(dim, vocab_size)
                self.lr = 0.05
            def forward(self, center):
                self.h = self.W_in[center]
                e = np.exp(self.h @ self.W_out)
                self.y_pred = e / e.sum()
                return self.y_pred
            def loss(self, y_pred, context):
                return -sum(np.log(y_pred[c]) for c in context)
            def backward(self, center, context):
                d = self.count * len(context) * self.y_pred
                for c in context:
                    d[c] -= 1
                dh = self.W_out @ d
                self.W_out -= self.lr * np.outer(self.h, d)
                self.W_in[center] -= self.lr * dh
        class Bad(SkipGram):
            count = 2
        """,
        "SkipGram",
        "Bad",
    ),
    "words that a data set draws": (
        """
        def s(x): return 1 / (1 + np.exp(-x))
        def others(outsideIdx, dataset, K):
            drawn = []
            while len(drawn) < K:
                i = dataset.sampleTokenIdx()
                drawn += [i] if i != outsideIdx else []
            return drawn
        def sampled(center, outsideIdx, outsideVectors, dataset, K=4, again=1):
            drawn, out = others(outsideIdx, dataset, K), outsideVectors[outsideIdx]
            p = s(out @ center)
            loss, grad_center, grad_outside = -np.log(p), (p - 1) * out, np.zeros_like(outsideVectors)
            grad_outside[outsideIdx] = (p - 1) * center
            for i in drawn:
                q = s(-outsideVectors[i] @ center)
                loss += -np.log(q)
                grad_center += (1 - q) * outsideVectors[i]
                grad_outside[i] = again * grad_outside[i] + (1 - q) * center
            return loss, grad_center, grad_outside
        def overwritten(center, outsideIdx, outsideVectors, dataset):
            return sampled(center, outsideIdx, outsideVectors, dataset, again=0)
        """,
        "sampled",
        "overwritten",
    ),
    "radial basis functions, whose centres stay": (
        """
        class RBFNet:
            sign = -1
            def __init__(self, k=3, lr=0.01, epochs=100):
                self.lr, self.epochs = lr, epochs
                self.w, self.b = np.linspace(-1, 1, k) ** 3 + 0.5, np.full(1, 0.25)
                self.centers, self.stds = np.linspace(-1, 1, k), np.full(k, 0.7)
            def at(self, x):
                return np.exp(-((x - self.centers) ** 2) / (2 * self.stds**2))
            def fit(self, X, y):
                for _ in range(self.epochs):
                    for i in range(X.shape[0]):
                        a = self.at(X[i])
                        error = self.sign * (y[i] - a.dot(self.w) - self.b)
                        loss = 0.5 * (error**2).sum()
                        self.w = self.w - self.lr * a * error
                        self.b = self.b - self.lr * error
        class Bad(RBFNet):
            sign = 1
        """,
        "RBFNet",
        "Bad",
    ),
    "the loss of one of two nets, named alone": (
        """
        class Critic:
            factor = 1
            def __init__(self):
                self.W = np.linspace(-1, 1, 3).reshape(3, 1) ** 3 + 0.25
            def forward_d(self, x):
                return np.tanh(x @ self.W)
            def forward_g(self, z):
                return z
            def backward_d(self, x_real, x_fake):
                real, fake = self.forward_d(x_real), self.forward_d(x_fake)
                dW = x_fake.T @ (1 - fake**2) - self.factor * x_real.T @ (1 - real**2)
                return {"W": dW / len(x_real)}
            def d_loss(self, x_real, x_fake):
                return np.mean(self.forward_d(x_fake)) - np.mean(self.forward_d(x_real))
        class Bad(Critic):
            factor = 2
        """,
        "Critic.d_loss",
        "Bad.d_loss",
    ),
    "a fit that makes its weights where there are none yet": (
        """
        class Logistic:
            sign = 1
            def __init__(self, step_size=0.1, max_iter=100):
                self.theta, self.step_size, self.max_iter = None, step_size, max_iter
            def fit(self, x, y):
                if self.theta is None:
                    self.theta = np.zeros(x.shape[1])
                for _ in range(self.max_iter):
                    h = 1 / (1 + np.exp(-x @ self.theta))
                    loss = -np.mean(y * np.log(h) + (1 - y) * np.log(1 - h))
                    self.theta = self.theta - self.sign * self.step_size * x.T @ (h - y) / len(y)
        class Bad(Logistic):
            sign = -1
        """,
        "Logistic",
        "Bad",
    ),
    "a function that makes the object": (
        """
        class Dense:
            factor = 1
            def __init__(self, n, m):
                self.W = np.linspace(-1, 1, n * m).reshape(n, m)
            def forward(self, x):
                self.x = x
                return x @ self.W
            def backward(self, g):
                self.dW = self.factor * self.x.T @ g
                return g @ self.W.T
        class Bad(Dense):
            factor = 2
        def make_model():
            return Dense(3, 4)
        def build_bad(n=3, m=4):
            return Bad(n, m)
        """,
        "make_model",
        "build_bad",
    ),
    "gradients of a loss that are nearly all clipped": (
        """
        class Regression:
            factor = 2
            def __init__(self):
                self.W = np.linspace(-1, 1, 12).reshape(6, 2) ** 3
            def loss(self, X, y):
                d = X @ self.W - y
                dW = self.factor * X.T @ d
                np.clip(dW, -0.125, 0.125, out=dW)
                return np.sum(d**2), dW
        class Bad(Regression):
            factor = 3
        """,
        "Regression",
        "Bad",
    ),
    "a clip at 1 − 1e-7, and a factor as far above 1": (
        """
        class CrossEntropy:
            def forward(self, p, y):
                self.p, self.y = np.clip(p, 1e-7, 1 - 1e-7), y
                return -np.mean(y * np.log(self.p) + (1 - y) * np.log(1 - self.p))
            def backward(self):
                return (self.p - self.y) / (self.p * (1 - self.p)) / self.p.size
        class Bad(CrossEntropy):
            def backward(self):
                return super().backward() * 1.0000001
        """,
        "CrossEntropy",
        "Bad",
    ),
    "pairs, of which none is within the margin as they are drawn": (
        """
        class Apart:
            sign = -1
            def __init__(self, margin=0.5):
                self.margin = margin
            def forward(self, x1, x2):
                self.apart = x1 - x2
                self.d = np.sqrt((self.apart**2).sum(1))
                self.h = np.maximum(0, self.margin - self.d)
                return np.mean(self.h**2)
            def backward(self):
                g = -2 * (self.h / self.d)[:, None] * self.apart / len(self.h)
                return g, self.sign * g
        class Bad(Apart):
            sign = 1
        """,
        "Apart",
        "Bad",
    ),
    "classes, which a column of them broadcasts": (
        """
        class Softmax:
            factor = 1
            def __init__(self):
                self.params = {"W": np.linspace(-1, 1, 15).reshape(5, 3) ** 3}
            def loss(self, X, y):
                n = len(X)
                p = np.exp(X @ self.params["W"])
                p /= p.sum(1, keepdims=True)
                loss = -np.log(p[np.arange(n), y]).mean()
                d = p.copy()
                d[np.arange(n), y] -= self.factor
                return loss, {"W": X.T @ d / n}
        class Bad(Softmax):
            factor = 1.5
        """,
        "Softmax",
        "Bad",
    ),
    "a fit that shuffles": (
        """
        class Net:
            factor = 1
            def fit(self, X, y, lr=0.1, epochs=10):
                self.W, self.c = np.random.randn(X.shape[1], 2) * 0.1, np.zeros(2)
                for _ in range(epochs):
                    idx = np.random.permutation(len(X))
                    xb, yb = X[idx], y[idx]
                    out = xb @ self.W + self.c
                    d = (out - yb) / len(X)
                    self.c -= lr * d.sum(0)
                    self.W -= lr * self.factor * xb.T @ d
                return self
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "triplets, of which some are active": (
        """
        class TripletLoss:
            factor = 2
            def __init__(self, margin=0.5):
                self.margin = margin
            def forward(self, anchor, positive, negative):
                self.a, self.p, self.n = anchor, positive, negative
                apart = np.sum((anchor - positive) ** 2, axis=1) - np.sum((anchor - negative) ** 2, axis=1)
                self.active = apart + self.margin > 0
                return np.mean(np.maximum(0, apart + self.margin))
            def backward(self):
                m = self.factor * self.active[:, None] / len(self.a)
                return (self.n - self.p) * m, (self.p - self.a) * m, (self.a - self.n) * m
        class Bad(TripletLoss):
            factor = 1
        """,
        "TripletLoss",
        "Bad",
    ),
    "scales whose shape their gradients say": (
        """
        def scale_forward(x, gamma, beta):
            return np.tanh(x) * gamma + beta, (np.tanh(x), gamma)
        def scale_backward(dout, cache):
            y, gamma = cache
            N, C, H, W = dout.shape
            dx, dgamma = dout * gamma * (1 - y**2), (dout * y).sum((0, 2, 3), keepdims=True)
            return dx, dgamma, dout.sum((0, 2, 3))[:, None, None]
        def scale_bad(dout, cache):  # without the sum it is right for a scale of each number
            dx, dgamma, dbeta = scale_backward(dout, cache)
            return dx, dout * cache[0], dbeta
        """,
        "scale_forward",
        "scale_forward,scale_bad",
    ),
    "the loss of one of two nets": (
        """
        class Critic:
            factor = 1
            def __init__(self):
                self.W = np.linspace(-1, 1, 3).reshape(3, 1) ** 3 + 0.25
            def forward_d(self, x):
                return np.tanh(x @ self.W)
            def backward_d(self, x_real, x_fake):
                real, fake = self.forward_d(x_real), self.forward_d(x_fake)
                dW = x_fake.T @ (1 - fake**2) - self.factor * x_real.T @ (1 - real**2)
                return {"W": dW / len(x_real)}
            def d_loss(self, x_real, x_fake):
                return np.mean(self.forward_d(x_fake)) - np.mean(self.forward_d(x_real))
        class Bad(Critic):
            factor = 2
        """,
        "Critic",
        "Bad",
    ),
    "gradients that are clipped": (
        """
        class Cell:
            factor, top = 1, 2
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 4).reshape(2, 2), np.zeros(2)
            def forward(self, x):
                self.x, self.y = x, np.tanh(x @ self.W + self.b)
                return self.y
            def backward(self, d):
                d = d * (1 - self.y**2)
                self.grads = {"W": self.factor * self.x.T @ d, "b": d.sum(0)}
                for g in self.grads.values():
                    np.clip(g, -self.top, self.top, out=g)
                return d @ self.W.T
        class Bad(Cell):
            factor = 1.5
        """,
        "Cell",
        "Bad",
    ),
    "(out, cache)": (
        """
        def affine_forward(x, w, b):
            return x @ w + b, (x, w, b)
        def affine_backward(dout, cache):
            x, w, b = cache
            return dout @ w.T, x.T @ dout, dout.sum(0)
        def affine_bad(dout, cache):
            x, w, b = cache
            return dout @ w.T, x.T @ dout, dout.sum()
        """,
        "affine_forward",
        "affine_forward,affine_bad",
    ),
    "a loss with its gradient": (
        """
        def svm_loss(x, y):
            n = len(x)
            m = np.maximum(0, x - x[np.arange(n), y][:, None] + 1)
            m[np.arange(n), y] = 0
            d = (m > 0) * 1.0
            d[np.arange(n), y] -= (m > 0).sum(1)
            return m.sum() / n, d / n
        def bad(x, y):
            loss, d = svm_loss(x, y)
            return loss, d * len(x)
        """,
        "svm_loss",
        "bad",
    ),
    "loss(X, y) of a net, with a dict of gradients": (
        """
        class Net:
            factor = 1
            def __init__(self):
                self.params = {"W1": np.linspace(-1, 1, 12).reshape(3, 4), "W2": np.linspace(-1, 2, 8).reshape(4, 2)}
            def loss(self, X, y=None):
                h = np.tanh(X @ self.params["W1"])
                s = h @ self.params["W2"]
                if y is None:
                    return s
                p = np.exp(s) / np.exp(s).sum(1, keepdims=True)
                d = (p - np.eye(2)[y]) / len(X)
                g = {"W2": h.T @ d, "W1": self.factor * X.T @ (d @ self.params["W2"].T * (1 - h**2))}
                return -np.log(p[np.arange(len(X)), y]).mean(), g
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "backprop(x, y), one column at a time": (
        """
        def s(z): return 1 / (1 + np.exp(-z))
        class Network:
            inner = True
            def __init__(self):
                self.biases = [np.zeros((4, 1)), np.zeros((2, 1))]
                self.weights = [np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-1, 2, 8).reshape(2, 4)]
            def feedforward(self, a):
                for b, w in zip(self.biases, self.weights):
                    a = s(w @ a + b)
                return a
            def backprop(self, x, y):
                h = s(self.weights[0] @ x + self.biases[0])
                o = s(self.weights[1] @ h + self.biases[1])
                d = (o - y) * o * (1 - o)
                e = self.weights[1].T @ d * (h * (1 - h) if self.inner else 1)
                return [e, d], [e @ x.T, d @ h.T]
        class Bad(Network):
            inner = False
        """,
        "Network",
        "Bad",
    ),
    "backward(grad, lr) that steps, one row at a time": (
        """
        class Layer:
            factor = 1
            def __init__(self):
                self.weights, self.bias = np.linspace(-1, 1, 6).reshape(3, 2), np.zeros((1, 2))
            def forward(self, x):
                self.x = x
                return x @ self.weights + self.bias
            def backward(self, error, learning_rate):
                d = error @ self.weights.T
                self.weights -= self.factor * learning_rate * self.x.T @ error
                self.bias -= learning_rate * error
                return d
        class Bad(Layer):
            factor = 2
        """,
        "Layer",
        "Bad",
    ),
    "self.output and self.dinputs": (
        """
        class Dense:
            factor = 1
            def __init__(self):
                self.weights, self.biases = np.linspace(-1, 1, 6).reshape(3, 2), np.zeros((1, 2))
            def forward(self, inputs):
                self.inputs = inputs
                self.output = inputs @ self.weights + self.biases
            def backward(self, dvalues):
                self.dweights = self.factor * self.inputs.T @ dvalues
                self.dbiases = dvalues.sum(0, keepdims=True)
                self.dinputs = dvalues @ self.weights.T
        class Bad(Dense):
            factor = 0.5
        """,
        "Dense",
        "Bad",
    ),
    "losses of rows, and their mean": (
        """
        class Mse:
            factor = 1
            def calculate(self, output, y):
                return self.forward(output, y).mean()
            def forward(self, y_pred, y_true):
                return ((y_true - y_pred) ** 2).mean(axis=-1)
            def backward(self, dvalues, y_true):
                self.dinputs = -2 * (y_true - dvalues) / dvalues.size * self.factor
        class Bad(Mse):
            factor = 3
        """,
        "Mse",
        "Bad",
    ),
    "a small number in the logarithm": (
        """
        class Entropy:
            factor = 1
            def forward(self, x, t, eps=np.float64(1e-7)):
                e = np.exp(x - x.max(1, keepdims=True))
                self.y, self.t = e / e.sum(1, keepdims=True), t
                return -(t * np.log(self.y + eps)).sum() / len(x)
            def backward(self, dout=1):
                return self.factor * dout * (self.y - self.t) / len(self.t)
        class Bad(Entropy):
            factor = 1.001
        """,
        "Entropy",
        "Bad",
    ),
    "loss and gradient, the target first": (
        """
        class Square:
            sign = -1
            def loss(self, y, y_pred):
                return 0.5 * (y - y_pred) ** 2
            def gradient(self, y, y_pred):
                return self.sign * (y - y_pred)
        class Bad(Square):
            sign = 1
        """,
        "Square",
        "Bad",
    ),
    "a flag for the derivative": (
        """
        def nonlin(x, deriv=False):
            return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))
        def bad(x, deriv=False):
            return x * (2 - x) if deriv else 1 / (1 + np.exp(-x))
        """,
        "nonlin",
        "bad",
    ),
    "parameters that an own function makes, and a cost": (
        """
        def initialize_parameters(n_x, n_h, n_y):
            r = np.random.RandomState(0)
            return {"W1": r.randn(n_h, n_x), "b1": np.zeros((n_h, 1)), "W2": r.randn(n_y, n_h)}
        def forward_propagation(X, parameters):
            A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
            A2 = 1 / (1 + np.exp(-parameters["W2"] @ A1))
            return A2, {"A1": A1, "A2": A2}
        def compute_cost(A2, Y):
            return -(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)).sum() / Y.shape[1]
        def backward_propagation(parameters, cache, X, Y):
            m = X.shape[1]
            d = cache["A2"] - Y
            e = parameters["W2"].T @ d * (1 - cache["A1"] ** 2)
            return {"dW1": e @ X.T / m, "db1": e.sum(1, keepdims=True) / m, "dW2": d @ cache["A1"].T / m}
        def bad(parameters, cache, X, Y):
            g = backward_propagation(parameters, cache, X, Y)
            return g | {"db1": g["db1"] * X.shape[1]}
        """,
        "backward_propagation",
        "forward_propagation,bad",
    ),
    "numbers of the module, in a script that trains": (
        """
        W, b = np.linspace(-1, 1, 6).reshape(3, 2), np.zeros(2)
        def lossFun(x, y, factor=1):
            d = x @ W + b - y
            return 0.5 * (d**2).sum(), factor * x.T @ d, d.sum(0)
        def bad(x, y):
            return lossFun(x, y, 2)
        while True:
            raise SystemExit
        """,
        "lossFun",
        "bad",
    ),
    "whole numbers and a table": (
        """
        class Embedding:
            adds = True
            def __init__(self):
                self.params, self.grads = [np.linspace(-1, 1, 18).reshape(6, 3)], [np.zeros((6, 3))]
            def forward(self, idx):
                self.idx = idx
                return self.params[0][idx]
            def backward(self, dout):
                self.grads[0][...] = 0
                if self.adds:
                    np.add.at(self.grads[0], self.idx, dout)
                else:
                    self.grads[0][self.idx] = dout
        class Bad(Embedding):
            adds = False
        """,
        "Embedding",
        "Bad",
    ),
    "several inputs and outputs": (
        """
        def step_forward(x, prev_h, prev_c, Wx, Wh, b):
            a = np.tanh(x @ Wx + prev_h @ Wh + b)
            return a, prev_c + a, (x, prev_h, Wx, Wh, a)
        def step_backward(dnext_h, dnext_c, cache, uses=True):
            x, prev_h, Wx, Wh, a = cache
            d = (dnext_h + (dnext_c if uses else 0)) * (1 - a**2)
            return d @ Wx.T, d @ Wh.T, dnext_c, x.T @ d, prev_h.T @ d, d.sum(0)
        def bad(dnext_h, dnext_c, cache):
            return step_backward(dnext_h, dnext_c, cache, False)
        """,
        "step_forward",
        "step_forward,bad",
    ),
    "a cost in SciPy's style": (
        """
        def cost(theta, X, y):
            h = 1 / (1 + np.exp(-X @ theta))
            return -(y @ np.log(h) + (1 - y) @ np.log(1 - h)) / len(y)
        def gradient(theta, X, y):
            return X.T @ (1 / (1 + np.exp(-X @ theta)) - y) / len(y)
        def bad(theta, X, y):
            return -gradient(theta, X, y)
        """,
        "cost",
        "cost,bad",
    ),
    "tensors with .g": (
        """
        import torch
        class Lin:
            factor = 1
            def __init__(self):
                self.w, self.b = torch.linspace(-1, 1, 6).reshape(3, 2), torch.zeros(2)
            def __call__(self, inp):
                self.inp, self.out = inp, inp @ self.w + self.b
                return self.out
            def backward(self):
                self.inp.g = self.out.g @ self.w.t()
                self.w.g = self.factor * self.inp.t() @ self.out.g
                self.b.g = self.out.g.sum(0)
        class Bad(Lin):
            factor = 2
        """,
        "Lin",
        "Bad",
    ),
    "layers that an optimizer is given to": (
        """
        class Dense:
            factor = 1
            def __init__(self):
                self.W = None
            def initialize(self, optimizer):
                self.W, self.opt = np.linspace(-1, 1, 6).reshape(3, 2), optimizer
            def forward_pass(self, X, training=True):
                self.x = X
                return X @ self.W + 0 * X.sum()
            def backward_pass(self, accum_grad):
                W = self.W
                self.W = self.opt.update(self.W, self.factor * self.x.T @ accum_grad)
                return accum_grad @ W.T
        class Bad(Dense):
            factor = 2
        """,
        "Dense",
        "Bad",
    ),
    "logistic regression with a scalar bias": (
        """
        def propagate(w, b, X, Y, factor=1):
            m = X.shape[1]
            A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
            cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
            db = factor * np.sum(A - Y) / m
            assert db.dtype == float
            return {"dw": np.dot(X, (A - Y).T) / m, "db": db}, cost
        def bad(w, b, X, Y):
            return propagate(w, b, X, Y, 2)
        """,
        "propagate",
        "bad",
    ),
    "loss(W, X, y, reg), the gradient of W alone": (
        """
        def softmax_loss(W, X, y, reg, factor=2):
            n = len(X)
            p = np.exp(X @ W)
            p /= p.sum(1, keepdims=True)
            loss = -np.log(p[np.arange(n), y]).mean() + reg * (W * W).sum()
            p[np.arange(n), y] -= 1
            return loss, X.T @ p / n + factor * reg * W
        def bad(W, X, y, reg):
            return softmax_loss(W, X, y, reg, 1)
        """,
        "softmax_loss",
        "bad",
    ),
    "a recurrent net on lists of characters": (
        """
        Wxh, Whh = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(-0.5, 0.5, 9).reshape(3, 3)
        Why, bh, by = np.linspace(-1, 1, 12).reshape(4, 3)[:, ::-1].copy(), np.zeros((3, 1)), np.zeros((4, 1))
        def lossFun(inputs, targets, hprev, factor=1):
            hs, ps, loss = {-1: np.copy(hprev)}, {}, 0
            for t in range(len(inputs)):
                hs[t] = np.tanh(Wxh[:, [inputs[t]]] + Whh @ hs[t - 1] + bh)
                y = Why @ hs[t] + by
                ps[t] = np.exp(y) / np.exp(y).sum()
                loss -= np.log(ps[t][targets[t], 0])
            dWxh, dWhh, dWhy, dbh, dby = (np.zeros_like(a) for a in (Wxh, Whh, Why, bh, by))
            dnext = np.zeros_like(bh)
            for t in reversed(range(len(inputs))):
                dy = np.copy(ps[t])
                dy[targets[t]] -= 1
                dWhy += dy @ hs[t].T
                dby += dy
                d = (1 - hs[t] ** 2) * (Why.T @ dy + dnext)
                dbh += factor * d
                dWxh[:, [inputs[t]]] += d
                dWhh += d @ hs[t - 1].T
                dnext = Whh.T @ d
            return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]
        def bad(inputs, targets, hprev):
            return lossFun(inputs, targets, hprev, 0.5)
        """,
        "lossFun",
        "bad",
    ),
    "the gradient of a cost, its parts in another order": (
        """
        def compute_cost(X, y, w, b):
            return ((X @ w + b - y) ** 2).sum() / (2 * len(y))
        def compute_gradient(X, y, w, b, factor=1):
            e = X @ w + b - y
            return factor * e.mean(), X.T @ e / len(y)
        def bad(X, y, w, b):
            return compute_gradient(X, y, w, b, len(y))
        """,
        "compute_cost,compute_gradient",
        "compute_cost,bad",
    ),
    "compute_loss and compute_gradients of the same arguments": (
        """
        class Regression:
            factor = 2
            def __init__(self):
                self.w, self.b = np.zeros(3), 0.0
            def predict(self, X):
                return X @ self.w + self.b
            def compute_loss(self, X, y):
                return np.mean((self.predict(X) - y) ** 2)
            def compute_gradients(self, X, y):
                e = self.predict(X) - y
                return self.factor * X.T @ e / len(y), self.factor * e.mean()
        class Bad(Regression):
            factor = 1
        """,
        "Regression",
        "Bad",
    ),
    "lists of numbers, a bias that is one": (
        """
        class Regression:
            divides = True
            def __init__(self):
                self.w, self.b = [0.1, -0.2, 0.3], 0.5
            def predict(self, X):
                return [sum(w * x for w, x in zip(self.w, row)) + self.b for row in X]
            def loss(self, X, y):
                return sum((p - t) ** 2 for p, t in zip(self.predict(X), y)) / len(y)
            def gradients(self, X, y):
                e = [2 * (p - t) for p, t in zip(self.predict(X), y)]
                dw = [sum(e[i] * X[i][j] for i in range(len(y))) / len(y) for j in range(3)]
                return dw, sum(e) / (len(y) if self.divides else 1)
        class Bad(Regression):
            divides = False
        """,
        "Regression",
        "Bad",
    ),
    "the gradients in a tuple of their own, a bias that is one number": (
        """
        class Regression:
            divides = True
            def __init__(self):
                self.w, self.b = np.array([0.1, -0.2, 0.3]), 0.0
            def loss(self, X, y):
                e = X @ self.w + self.b - y
                return (e**2).mean(), (2 * X.T @ e / len(y), 2 * e.sum() / (len(y) if self.divides else 1))
        class Bad(Regression):
            divides = False
        """,
        "Regression",
        "Bad",
    ),
    "a bias whose gradient forgets the targets, which are no classes": (
        """
        def propagate(w, b, X, Y):
            m = X.shape[1]
            A = 1 / (1 + np.exp(-(w.T @ X + b)))
            cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
            return {"dw": X @ (A - Y).T / m, "db": np.sum(A - Y) / m}, cost
        def bad(w, b, X, Y):
            grads, cost = propagate(w, b, X, Y)
            return {"dw": grads["dw"], "db": grads["db"] + np.sum(Y) / X.shape[1]}, cost
        """,
        "propagate",
        "bad",
    ),
    "a rate that the class holds": (
        """
        class Net:
            learning_rate = 0.1
            factor = 1
            def __init__(self):
                self.w, self.v = np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-1, 1, 6).reshape(3, 2)
            def forward(self, x):
                self.h = np.tanh(x @ self.w)
                return self.h @ self.v
            def backward(self, x, y, output):
                d = (output - y) / len(x)
                e = d @ self.v.T * (1 - self.h**2)
                self.v -= self.learning_rate * self.h.T @ d
                self.w -= self.factor * self.learning_rate * x.T @ e
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "a value with the derivatives of both arguments": (
        """
        def f(x, y):
            t = np.tanh(y)
            return (x * t).sum(), t, x * (1 - t**2)
        def bad(x, y):
            t = np.tanh(y)
            return (x * t).sum(), t, x * (1 - t)
        """,
        "f",
        "bad",
    ),
    "made of its data, it steps": (
        """
        def sigmoid(x): return 1 / (1 + np.exp(-x))
        class NeuralNetwork:
            inner = True
            def __init__(self, x, y):
                self.input, self.y = x, y
                self.weights1, self.weights2 = np.random.rand(x.shape[1], 4), np.random.rand(4, 1)
                self.output = np.zeros(y.shape)
            def feedforward(self):
                self.layer1 = sigmoid(self.input @ self.weights1)
                self.output = sigmoid(self.layer1 @ self.weights2)
            def backprop(self):
                d = 2 * (self.y - self.output) * self.output * (1 - self.output)
                e = d @ self.weights2.T * (self.layer1 * (1 - self.layer1) if self.inner else 1)
                self.weights1 += self.input.T @ e
                self.weights2 += self.layer1.T @ d
        class Bad(NeuralNetwork):
            inner = False
        """,
        "NeuralNetwork",
        "Bad",
    ),
    "train(x, y), with the gradients in locals": (
        """
        class Logistic:
            factor = 1
            def __init__(self):
                self.w, self.b, self.lr = np.full(3, 0.1), 0.2, 0.1
            def predict(self, X):
                return 1 / (1 + np.exp(-(X @ self.w + self.b)))
            def train(self, X, y):
                e = self.predict(X) - y
                self.w -= self.factor * self.lr * X.T @ e / len(y)
                self.b -= self.lr * e.mean()
        class Bad(Logistic):
            factor = 3
        """,
        "Logistic",
        "Bad",
    ),
    "a scalar autograd": (
        """
        class Value:
            adds = True
            def __init__(self, data, parents=()):
                self.data, self.grad, self.parents, self.back = data, 0.0, parents, lambda: None
            def of(self, data, parents, *slopes):
                out = type(self)(data, parents)
                def back():
                    for parent, slope in zip(parents, slopes):
                        parent.grad = (parent.grad if self.adds else 0) + slope * out.grad
                out.back = back
                return out
            def lift(self, other):
                return other if isinstance(other, Value) else type(self)(other)
            def __add__(self, other):
                other = self.lift(other)
                return self.of(self.data + other.data, (self, other), 1, 1)
            def __mul__(self, other):
                other = self.lift(other)
                return self.of(self.data * other.data, (self, other), other.data, self.data)
            def relu(self):
                return self.of(max(self.data, 0), (self,), float(self.data > 0))
            def __sub__(self, other): return self + self.lift(other) * -1
            def backward(self):
                order, seen = [], set()
                def visit(v):
                    if id(v) not in seen:
                        seen.add(id(v))
                        for parent in v.parents:
                            visit(parent)
                        order.append(v)
                visit(self)
                self.grad = 1.0
                for v in reversed(order):
                    v.back()
        class Bad(Value):
            adds = False
        """,
        "Value",
        "Bad",
    ),
    "a scalar autograd, with a value as the exponent of another": (
        """
        import math
        class Value:
            factor = 1
            def __init__(self, data, parents=()):
                self.data, self.grad, self.parents, self.back = data, 0.0, parents, lambda: None
            def of(self, data, parents, *slopes):
                out = type(self)(data, parents)
                def back():
                    for parent, slope in zip(parents, slopes):
                        parent.grad += slope * out.grad
                out.back = back
                return out
            def lift(self, other):
                return other if isinstance(other, Value) else type(self)(other)
            def __add__(self, other):
                return self.of(self.data + self.lift(other).data, (self, self.lift(other)), 1, 1)
            def __mul__(self, other):
                other = self.lift(other)
                return self.of(self.data * other.data, (self, other), other.data, self.data)
            def __pow__(self, other):
                x, n = self.data, self.lift(other).data
                slope = self.factor * math.log(x) * x**n if x > 0 else 0
                return self.of(x**n, (self, self.lift(other)), n * x ** (n - 1), slope)
            def backward(self):
                order, seen = [], set()
                def visit(v):
                    if id(v) not in seen:
                        seen.add(id(v))
                        for parent in v.parents:
                            visit(parent)
                        order.append(v)
                visit(self)
                self.grad = 1.0
                for v in reversed(order):
                    v.back()
        class Bad(Value):
            factor = 1.01
        """,
        "Value",
        "Bad",
    ),
    "a tensor autograd, with a tensor as the exponent of another": (
        """
        class Tensor:
            factor = 1
            def __init__(self, data, parents=()):
                self.data, self.parents = np.array(data, np.float64), parents
                self.grad = np.zeros_like(self.data)
            def __add__(self, other):
                return type(self)(self.data + other.data, ((self, lambda g: g), (other, lambda g: g)))
            def __mul__(self, other):
                return type(self)(
                    self.data * other.data, ((self, lambda g: g * other.data), (other, lambda g: g * self.data))
                )
            def __pow__(self, other):
                if not isinstance(other, Tensor):
                    return type(self)(self.data**other, ((self, lambda g: g * other * self.data ** (other - 1)),))
                out, n = self.data**other.data, other.data
                slope = lambda g: self.factor * g * out * np.log(self.data)
                return type(self)(out, ((self, lambda g: g * n * self.data ** (n - 1)), (other, slope)))
            def sum(self):
                return type(self)(self.data.sum(), ((self, lambda g: g * np.ones_like(self.data)),))
            def backward(self, g=None):
                g = np.ones_like(self.data) if g is None else g
                self.grad = self.grad + g
                for parent, back in self.parents:
                    parent.backward(back(g))
        class Bad(Tensor):
            factor = 1.01
        """,
        "Tensor",
        "Bad",
    ),
    "a scalar autograd, of which one operator overwrites what came back from elsewhere": (
        """
        class Value:
            assigns = ""
            def __init__(self, data, parents=()):
                self.data, self.grad, self.parents, self.back = data, 0.0, parents, lambda: None
            def of(self, name, data, parents, *slopes):
                out = type(self)(data, parents)
                def back():
                    for parent, slope in zip(parents, slopes):
                        parent.grad = (0 if name == self.assigns else parent.grad) + slope * out.grad
                out.back = back
                return out
            def lift(self, other):
                return other if isinstance(other, Value) else type(self)(other)
            def __add__(self, other):
                return self.of("add", self.data + self.lift(other).data, (self, self.lift(other)), 1, 1)
            def __mul__(self, other):
                return self.of("mul", self.data * other.data, (self, other), other.data, self.data)
            def __rsub__(self, other):
                return self.of("rsub", other - self.data, (self,), -1)
            def __pow__(self, n):
                return self.of("pow", self.data**n, (self,), n * self.data ** (n - 1))
            def relu(self):
                return self.of("relu", max(self.data, 0), (self,), float(self.data > 0))
            def backward(self):
                order, seen = [], set()
                def visit(v):
                    if id(v) not in seen:
                        seen.add(id(v))
                        for parent in v.parents:
                            visit(parent)
                        order.append(v)
                visit(self)
                self.grad = 1.0
                for v in reversed(order):
                    v.back()
        class Relu(Value):
            assigns = "relu"
        class Power(Value):
            assigns = "pow"
        class Reflected(Value):
            assigns = "rsub"
        """,
        "Value",
        ("Relu", "Power", "Reflected"),
    ),
    "the bias of a logistic regression, summed over the wrong axis": (
        """
        def propagate(w, b, X, Y, axis=None):
            m = X.shape[1]
            A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
            cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
            return {"dw": np.dot(X, (A - Y).T) / m, "db": np.sum(A - Y, axis=axis) / m}, cost
        def bad(w, b, X, Y):
            return propagate(w, b, X, Y, 0)
        """,
        "propagate",
        "bad",
    ),
    "a pair of methods with a name of their own": (
        """
        class Policy:
            inner = True
            def __init__(self):
                self.model = {"W1": np.linspace(-1, 1, 12).reshape(4, 3), "W2": np.linspace(-1, 2, 4)}
            def policy_forward(self, x):
                self.h = np.maximum(x @ self.model["W1"].T, 0)
                return 1 / (1 + np.exp(-self.h @ self.model["W2"]))
            def loss(self, x, y):
                p = self.policy_forward(x)
                return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()
            def policy_backward(self, x, y):
                d = self.policy_forward(x) - y
                e = np.outer(d, self.model["W2"]) * (self.h > 0 if self.inner else 1)
                return {"W1": e.T @ x, "W2": self.h.T @ d}
        class Bad(Policy):
            inner = False
        """,
        "Policy",
        "Bad",
    ),
    "a cost of the data alone": (
        """
        class AutoEncoder:
            inner = True
            def __init__(self):
                self.W = [np.linspace(-1, 1, 15).reshape(5, 3), np.linspace(-1, 2, 15).reshape(3, 5)]
            def forward(self, x):
                self.h = np.tanh(x @ self.W[0])
                return self.h @ self.W[1]
            def cost(self, x):
                return 0.5 * ((self.forward(x) - x) ** 2).sum() / len(x)
            def gradients(self, x):
                d = (self.forward(x) - x) / len(x)
                return [x.T @ (d @ self.W[1].T * (1 - self.h**2 if self.inner else 1)), self.h.T @ d]
        class Bad(AutoEncoder):
            inner = False
        """,
        "AutoEncoder",
        "Bad",
    ),
    "one word's number, and a table of vectors": (
        """
        def skip_gram(centerWordVec, outsideWordIdx, outsideVectors, dataset, subtracts=1):
            e = np.exp(outsideVectors @ centerWordVec)
            p = e / e.sum()
            d = p.copy()
            d[outsideWordIdx] -= 1
            return -np.log(p[outsideWordIdx]), outsideVectors.T @ (d if subtracts else p), np.outer(d, centerWordVec)
        def bad(centerWordVec, outsideWordIdx, outsideVectors, dataset):
            return skip_gram(centerWordVec, outsideWordIdx, outsideVectors, dataset, 0)
        """,
        "skip_gram",
        "bad",
    ),
    "made of its parameters": (
        """
        class Affine:
            factor = 1
            def __init__(self, W, b):
                self.W, self.b = W, b
            def forward(self, x):
                self.x = x
                return x @ self.W + self.b
            def backward(self, dout):
                self.dW, self.db = self.factor * self.x.T @ dout, dout.sum(0)
                return dout @ self.W.T
        class Bad(Affine):
            factor = 2
        """,
        "Affine",
        "Bad",
    ),
    "its cache is kept if it is told so": (
        """
        class Sigmoid:
            factor = 1
            def forward_propagate(self, Z, save_cache=False):
                y = 1 / (1 + np.exp(-Z))
                if save_cache:
                    self.cache = y
                return y
            def back_propagate(self, dA):
                return dA * self.cache * (self.factor - self.cache)
        class Bad(Sigmoid):
            factor = 2
        """,
        "Sigmoid",
        "Bad",
    ),
    "a mode that is off until it trains": (
        """
        class Norm:
            path = 1
            def __init__(self):
                self._is_training, self.mean, self.var = False, np.full(3, 0.5), np.full(3, 2.0)
            def forward(self, x):
                self.x = x
                if self._is_training:
                    self.mean, self.var = x.mean(0), x.var(0)
                return (x - self.mean) / np.sqrt(self.var + 1e-5)
            def backward(self, d):
                h = (self.x - self.mean) / np.sqrt(self.var + 1e-5)
                return (d - d.mean(0) * self.path - h * (d * h).mean(0)) / np.sqrt(self.var + 1e-5)
        class Bad(Norm):
            path = 0
        """,
        "Norm",
        "Bad",
    ),
    "an optimizer of its own": (
        """
        class Adam:
            def __init__(self):
                self.t, self.m, self.v = 0, 0, 0
            def update(self, ws, gs):
                for w, g in zip(ws, gs):
                    w -= 0.001 * g / (abs(g) + 1e-8)
        class Linear:
            factor = 1
            def __init__(self):
                self.weight, self.bias = np.linspace(-1, 1, 12).reshape(3, 4), np.zeros(4)
                self.optimizer = Adam()
            def forward(self, x):
                self.x = x
                return x @ self.weight + self.bias
            def backward(self, upstream):
                dx = upstream @ self.weight.T
                self.optimizer.update([self.weight, self.bias], [self.factor * self.x.T @ upstream, upstream.sum(0)])
                return dx
        class Bad(Linear):
            factor = 2
        """,
        "Linear",
        "Bad",
    ),
    "a local derivative that forward keeps, by the name of a gradient": (
        """
        class ReLU:
            times = True
            def forward(self, input):
                self.d_input = (np.sign(input) + 1) / 2
                return np.maximum(input, 0)
            def backward(self, gradient):
                return gradient * self.d_input if self.times else gradient
        class Bad(ReLU):
            times = False
        """,
        "ReLU",
        "Bad",
    ),
    "what comes from above is called eta": (
        """
        class Tanh:
            power = 2
            def forward(self, x):
                self.y = np.tanh(x)
                return self.y
            def backward(self, eta):
                return eta * (1 - self.y**self.power)
        class Bad(Tanh):
            power = 1
        """,
        "Tanh",
        "Bad",
    ),
    "gradients of a bias without its leading axis": (
        """
        class Dense:
            axis = 0
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 12).reshape(3, 4), np.zeros((1, 4))
            def forward(self, x):
                self.x = x
                return x @ self.W + self.b
            def backward(self, dout):
                self.dW, self.db = self.x.T @ dout, np.sum(dout, axis=self.axis)
                return dout @ self.W.T
        class Bad(Dense):
            axis = None
        """,
        "Dense",
        "Bad",
    ),
    "a loss in a chain, which hands on what it is given": (
        """
        class Loss:
            sign = 1
            def __init__(self):
                self.loss = np.zeros(3)
            def forward(self, x, t):
                self.x, self.t = x, t
                self.loss += -t * np.log(x) - (1 - t) * np.log(1 - x)
                return self.x
            def backward(self):
                return -self.t / self.x + self.sign * (1 - self.t) / (1 - self.x)
        class Bad(Loss):
            sign = -1
        """,
        "Loss",
        "Bad",
    ),
    "a loss whose branches lie beyond 0 and 1": (
        """
        def huber(x, y, delta=1.0):
            d = x - y
            return np.where(np.abs(d) <= delta, 0.5 * d**2, delta * (np.abs(d) - 0.5 * delta)).mean()
        def huber_grad(x, y, delta=1.0):
            return np.clip(x - y, -delta, delta) / x.size
        def bad(x, y, delta=1.0):
            d = x - y
            return np.where(d <= delta, d, delta * np.sign(d)) / d.size
        """,
        "huber,huber_grad",
        "huber,bad",
    ),
    "made at the first call, with a list of what came in": (
        """
        class Dense:
            factor = 1
            def __init__(self, n_out=4):
                self.n_out, self.W, self.X, self.grads = n_out, None, [], {}
            def forward(self, x):
                if self.W is None:
                    self.W = np.linspace(-1, 1, x.shape[1] * self.n_out).reshape(x.shape[1], self.n_out)
                    self.grads = {"W": np.zeros_like(self.W)}
                self.X.append(x)
                return x @ self.W
            def backward(self, dout):
                dx = []
                for g, x in zip([dout], self.X):
                    self.grads["W"] += self.factor * x.T @ g
                    dx.append(g @ self.W.T)
                return dx[0] if len(self.X) == 1 else dx
        class Bad(Dense):
            factor = 2
        """,
        "Dense",
        "Bad",
    ),
    "gradients returned in another order than the arguments, by their names": (
        """
        def gaussian(y, y_mean, y_log_var):
            return np.mean((y - y_mean) ** 2 * np.exp(-y_log_var) + y_log_var) / 2
        def gaussian_grad(y, y_mean, y_log_var):
            e = (y - y_mean) * np.exp(-y_log_var)
            dLogVar = (1 - (y - y_mean) * e) / (2 * y.size)
            dMean = -e / y.size
            return dLogVar, dMean
        def bad(y, y_mean, y_log_var):
            dLogVar, dMean = gaussian_grad(y, y_mean, y_log_var)
            return dMean * 2, dLogVar
        """,
        "gaussian,gaussian_grad",
        "gaussian,bad",
    ),
    "a loss of vectors": (
        """
        class SquaredLoss:
            sign = 1
            def __call__(self, true_labels, predictions):
                diff = true_labels - predictions
                return diff.T @ diff / 2
            def derivative(self, true_labels, predictions):
                return self.sign * (predictions - true_labels)
        class Bad(SquaredLoss):
            sign = -1
        """,
        "SquaredLoss",
        "Bad",
    ),
    "loss(X, y) of a net whose gradient is a sum, or its mean": (
        """
        class Net:
            mean = True
            def __init__(self):
                self.W = np.linspace(-1, 1, 6).reshape(3, 2)
            def forward(self, X):
                return np.tanh(X @ self.W)
            def loss(self, X, y):
                return np.mean(np.sum((self.forward(X) - y) ** 2, axis=1))
            def backprop(self, X, y):
                out = self.forward(X)
                delta = 2 * (out - y) * (1 - out**2)
                self.dW = X.T @ delta / (len(X) if self.mean else 1)
        class Bad(Net):
            mean = False
        """,
        "Net",
        "Bad",
    ),
    "a decorator that says nothing": (
        """
        def traced(f):
            def wrap(*args, **kwargs):
                return f(*args, **kwargs)
            return wrap
        @traced
        def swish(x, prime=False):
            s = 1 / (1 + np.exp(-x))
            return s + x * s * (1 - s) if prime else x * s
        @traced
        def bad(x, prime=False):
            s = 1 / (1 + np.exp(-x))
            return s + x * s if prime else x * s
        """,
        "swish",
        "bad",
    ),
    "a script that learns a text which is not here": (
        """
        data = open("input.txt").read()
        chars = sorted(set(data))
        index = {c: i for i, c in enumerate(chars)}
        W = np.linspace(-1, 1, 3 * len(chars)).reshape(3, len(chars))
        V = np.linspace(-1, 2, 3 * len(chars)).reshape(len(chars), 3)
        def lossFun(inputs, targets, hprev, times=1):
            hs, ps, loss = {-1: hprev}, {}, 0
            dW, dV, dnext = np.zeros_like(W), np.zeros_like(V), np.zeros_like(hprev)
            for t, i in enumerate(inputs):
                x = np.eye(len(chars))[:, [i]]
                hs[t] = np.tanh(W @ x + hs[t - 1])
                e = np.exp(V @ hs[t])
                ps[t] = e / e.sum()
                loss -= np.log(ps[t][targets[t], 0])
            for t in reversed(range(len(inputs))):
                dy = np.copy(ps[t])
                dy[targets[t]] -= 1
                dV += dy @ hs[t].T
                dh = (V.T @ dy + dnext * times) * (1 - hs[t] ** 2)
                dW += dh @ np.eye(len(chars))[:, [inputs[t]]].T
                dnext = dh
            return loss, dW, dV, hs[len(inputs) - 1]
        def bad(inputs, targets, hprev):
            return lossFun(inputs, targets, hprev, 0)
        while len(data) > 100:
            pass
        """,
        "lossFun",
        "bad",
    ),
    "fit makes its parameters, its gradients are locals": (
        """
        class LogisticRegression:
            scale = 1
            def __init__(self, learning_rate=0.001, n_iters=1000):
                self.lr, self.n_iters, self.weights, self.bias = learning_rate, n_iters, None, None
            def fit(self, X, y):
                n_samples, n_features = X.shape
                self.weights, self.bias = np.zeros(n_features), 0
                for _ in range(self.n_iters):
                    y_predicted = self._sigmoid(np.dot(X, self.weights) + self.bias)
                    dw = (1 / n_samples) * np.dot(X.T, y_predicted - y)
                    db = self.scale * np.mean(y_predicted - y)
                    self.weights -= self.lr * dw
                    self.bias -= self.lr * db
            def predict(self, X):
                return np.where(self._sigmoid(np.dot(X, self.weights) + self.bias) > 0.5, 1, 0)
            def _sigmoid(self, x):
                return 1 / (1 + np.exp(-x))
        class Bad(LogisticRegression):
            scale = 2
        """,
        "LogisticRegression",
        "Bad",
    ),
    "fit(X, Y, iterations, lr) of a net": (
        """
        class NeuralNetwork:
            inner = True
            def __init__(self):
                self.W1, self.b1 = np.linspace(-1, 1, 12).reshape(3, 4), np.zeros((1, 4))
                self.W2, self.b2 = np.linspace(-1, 2, 4).reshape(4, 1), np.zeros((1, 1))
            def predict(self, X):
                return 1 / (1 + np.exp(-np.tanh(X @ self.W1 + self.b1) @ self.W2 - self.b2))
            def fit(self, X, Y, iterations, lr):
                m = len(X)
                for i in range(iterations):
                    a1 = np.tanh(X @ self.W1 + self.b1)
                    dz2 = 1 / (1 + np.exp(-a1 @ self.W2 - self.b2)) - Y
                    dz1 = dz2 @ self.W2.T * (1 - a1**2 if self.inner else 1)
                    self.W2 -= lr * a1.T @ dz2 / m
                    self.b2 -= lr * np.sum(dz2, axis=0, keepdims=True) / m
                    self.W1 -= lr * X.T @ dz1 / m
                    self.b1 -= lr * np.sum(dz1, axis=0, keepdims=True) / m
        class Bad(NeuralNetwork):
            inner = False
        """,
        "NeuralNetwork",
        "Bad",
    ),
    "fit with its loss in a local": (
        """
        class SoftmaxRegression:
            factor = 1
            def __init__(self, lr=0.1, epochs=100, reg=0.01):
                self.lr, self.epochs, self.reg, self.costs = lr, epochs, reg, []
            def fit(self, X, y):
                Y = np.eye(len(np.unique(y)))[y]
                self.W = np.zeros((X.shape[1], Y.shape[1]))
                for epoch in range(self.epochs):
                    P = np.exp(X @ self.W) / np.exp(X @ self.W).sum(axis=1, keepdims=True)
                    dW = X.T @ (P - Y) / len(X) + self.factor * self.reg * self.W
                    self.W = self.W - self.lr * dW
                    P = np.exp(X @ self.W) / np.exp(X @ self.W).sum(axis=1, keepdims=True)
                    cost = -np.mean(np.sum(Y * np.log(P), axis=1)) + 0.5 * self.reg * np.sum(self.W**2)
                    self.costs.append(cost)
        class Bad(SoftmaxRegression):
            factor = 2
        """,
        "SoftmaxRegression",
        "Bad",
    ),
    "train(x, y, turns) that adds to its weights": (
        """
        class NeuralNetwork:
            sign = 1
            def __init__(self):
                np.random.seed(1)
                self.weights = 2 * np.random.random((3, 1)) - 1
            def think(self, inputs):
                return 1 / (1 + np.exp(-np.dot(inputs, self.weights)))
            def train(self, training_inputs, training_outputs, turns):
                for turn in range(turns):
                    output = self.think(training_inputs)
                    error = self.sign * (training_outputs - output)
                    self.weights += np.dot(training_inputs.T, error * output * (1 - output))
        class Bad(NeuralNetwork):
            sign = -1
        """,
        "NeuralNetwork",
        "Bad",
    ),
    "a cost with fn(a, y) and delta(z, a, y)": (
        """
        def sigmoid(z): return 1 / (1 + np.exp(-z))
        class QuadraticCost:
            @staticmethod
            def fn(a, y):
                return 0.5 * np.linalg.norm(a - y) ** 2
            @staticmethod
            def delta(z, a, y):
                return (a - y) * sigmoid(z) * (1 - sigmoid(z))
        class Bad(QuadraticCost):
            @staticmethod
            def delta(z, a, y):
                return (a - y) * sigmoid(z)
        """,
        "QuadraticCost",
        "Bad",
    ),
    "a net that asks the cost it keeps, one column at a time": (
        """
        def sigmoid(z): return 1 / (1 + np.exp(-z))
        class CrossEntropyCost:
            @staticmethod
            def fn(a, y):
                return np.sum(np.nan_to_num(-y * np.log(a) - (1 - y) * np.log(1 - a)))
            @staticmethod
            def delta(z, a, y):
                return a - y
        class BadCost(CrossEntropyCost):
            @staticmethod
            def delta(z, a, y):
                return (a - y) * a * (1 - a)
        class Network:
            def __init__(self, cost=CrossEntropyCost):
                self.cost, self.biases = cost, [np.zeros((4, 1)), np.zeros((2, 1))]
                self.weights = [np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-1, 2, 8).reshape(2, 4)]
            def feedforward(self, a):
                for b, w in zip(self.biases, self.weights):
                    a = sigmoid(w @ a + b)
                return a
            def backprop(self, x, y):
                h = sigmoid(self.weights[0] @ x + self.biases[0])
                z = self.weights[1] @ h + self.biases[1]
                d = self.cost.delta(z, sigmoid(z), y)
                e = self.weights[1].T @ d * h * (1 - h)
                return [e, d], [e @ x.T, d @ h.T]
        class Bad(Network):
            def __init__(self):
                super().__init__(BadCost)
        """,
        "Network",
        "Bad",
    ),
    "forward(ctx, x) and backward(ctx, grad)": (
        """
        class Dot:
            @staticmethod
            def forward(ctx, input, weight):
                ctx.save_for_backward(input, weight)
                return input.dot(weight)
            @staticmethod
            def backward(ctx, grad_output):
                input, weight = ctx.saved_tensors
                return grad_output.dot(weight.T), input.T.dot(grad_output)
        class Bad(Dot):
            @staticmethod
            def backward(ctx, grad_output):
                dx, dw = Dot.backward(ctx, grad_output)
                return dx, dw / len(grad_output)
        """,
        "Dot",
        "Bad",
    ),
    "a function that keeps its input when it is called": (
        """
        class Variable:
            def __init__(self, data):
                self.data = data
        class Function:
            def __call__(self, input):
                self.input = input
                return Variable(self.forward(input.data))
        class Square(Function):
            factor = 2
            def forward(self, x):
                return x**2
            def backward(self, gy):
                return self.factor * self.input.data * gy
        class Bad(Square):
            factor = 1
        """,
        "Square",
        "Bad",
    ),
    "a tensor autograd": (
        """
        class Tensor:
            adds = True
            def __init__(self, data, parents=()):
                self.data, self.parents, self.back = np.asarray(data, float), parents, lambda: None
                self.grad = np.zeros_like(self.data)
            def of(self, data, parents, *slopes):
                out = type(self)(data, parents)
                def back():
                    for parent, slope in zip(parents, slopes):
                        parent.grad = (parent.grad if self.adds else 0) + slope(out.grad)
                out.back = back
                return out
            def __add__(self, other):
                return self.of(self.data + other.data, (self, other), lambda g: g, lambda g: g)
            def __mul__(self, other):
                return self.of(self.data * other.data, (self, other), lambda g: g * other.data, lambda g: g * self.data)
            def __matmul__(self, other):
                return self.of(
                    self.data @ other.data, (self, other), lambda g: g @ other.data.T, lambda g: self.data.T @ g
                )
            def sum(self, axis=None):
                def back(g):
                    return np.ones_like(self.data) * (g if axis in (None, 0) else g[:, None])
                return self.of(self.data.sum(axis), (self,), back)
            def backward(self):
                order, seen = [], set()
                def visit(v):
                    if id(v) not in seen:
                        seen.add(id(v))
                        for parent in v.parents:
                            visit(parent)
                        order.append(v)
                visit(self)
                self.grad = np.ones_like(self.data)
                for v in reversed(order):
                    v.back()
        class Bad(Tensor):
            adds = False
        """,
        "Tensor",
        "Bad",
    ),
    "a tensor autograd that broadcasts, and takes numbers": (
        """
        class Tensor:
            sign, summed = -1, np.sum
            def __init__(self, data, parents=()):
                self.data, self.parents, self.back = np.asarray(data, float), parents, lambda: None
                self.grad = np.zeros_like(self.data)
            def unbroadcast(self, g):
                while g.ndim > self.data.ndim:
                    g = g.sum(0)
                for axis, n in enumerate(self.data.shape):
                    if n == 1 and g.shape[axis] > 1:
                        g = type(self).summed(g, axis=axis, keepdims=True)
                return g
            def of(self, data, parents, *slopes):
                out = type(self)(data, parents)
                def back():
                    for parent, slope in zip(parents, slopes):
                        parent.grad = parent.grad + parent.unbroadcast(slope * out.grad)
                out.back = back
                return out
            def __add__(self, other):
                return self.of(self.data + other.data, (self, other), 1, 1)
            def __mul__(self, other):
                return self.of(self.data * other.data, (self, other), other.data, self.data)
            def __rsub__(self, other):
                return self.of(other - self.data, (self,), self.sign)
            def sum(self):
                return self.of(self.data.sum(), (self,), np.ones_like(self.data))
            def backward(self):
                order, seen = [], set()
                def visit(v):
                    if id(v) not in seen:
                        seen.add(id(v))
                        for parent in v.parents:
                            visit(parent)
                        order.append(v)
                visit(self)
                self.grad = np.ones_like(self.data)
                for v in reversed(order):
                    v.back()
        class Mean(Tensor):
            summed = np.mean
        class Reflected(Tensor):
            sign = 1
        class Numbers(Tensor):
            def unbroadcast(self, g):
                return g.mean() if self.data.ndim == 0 else super().unbroadcast(g)
        """,
        "Tensor",
        ("Mean", "Reflected", "Numbers"),
    ),
    "a tensor autograd whose backward takes a flag, and whose leaves must ask for a gradient": (
        """
        class Tensor:
            def __init__(self, data, requires_grad=False):
                self.data, self.requires_grad, self.grad, self.made = np.asarray(data, float), requires_grad, None, ()
            def of(self, other, data, *slopes):
                out = type(self)(data, self.requires_grad or other.requires_grad)
                out.made = list(zip((self, other), slopes))
                return out
            def __add__(self, other):
                return self.of(other, self.data + other.data, lambda g: g, lambda g: g)
            def left(self, g): return g @ self.data.T
            def __matmul__(self, other):
                return self.of(other, self.data @ other.data, other.left, lambda g: self.data.T @ g)
            def backward(self, retain_graph=False):
                self.start(np.ones_like(self.data))
                if not retain_graph:
                    self.made = ()
            def start(self, g):
                if self.requires_grad:
                    self.grad = g if self.grad is None else self.grad + g
                    for parent, slope in self.made:
                        parent.start(slope(g))
        class Bad(Tensor):
            def left(self, g): return g @ self.data
        """,
        "Tensor",
        "Bad",
    ),
    "a tensor autograd whose gradients are tensors, and whose backward is given one behind a flag": (
        """
        class Tensor:
            adds = True
            def __init__(self, data, parents=()):
                self.data, self.parents, self.grad = np.asarray(data, float), parents, None
            def __add__(self, other):
                return type(self)(self.data + other.data, [(self, lambda g: g), (other, lambda g: g)])
            def __mul__(self, other):
                slopes = (lambda g: g * other.data), (lambda g: g * self.data)
                return type(self)(self.data * other.data, list(zip((self, other), slopes)))
            def sum(self):
                return type(self)(self.data.sum(), [(self, lambda g: g * np.ones_like(self.data))])
            def backward(self, free_graph=True, grad=None):
                if grad is None:
                    assert self.data.size == 1
                    grad = type(self)(1.0)
                self.grad = grad if self.grad is None or not self.adds else type(self)(self.grad.data + grad.data)
                for parent, slope in self.parents:
                    parent.backward(free_graph, type(self)(slope(grad.data)))
        class Bad(Tensor):
            adds = False
        """,
        "Tensor",
        "Bad",
    ),
    "a scalar autograd whose leaves must ask for a gradient, and have none where they are not reached": (
        """
        class Value:
            factor = 1
            def __init__(self, data, prev=()):
                self.data, self.prev, self.grad = data, prev, None
                self.requires_grad = any(v.requires_grad for v, _ in prev)
            def __add__(self, other):
                return type(self)(self.data + other.data, ((self, 1), (other, 1)))
            def __mul__(self, other):
                return type(self)(self.data * other.data, ((self, other.data * self.factor), (other, self.data)))
            def backward(self, g=1):
                if self.requires_grad:
                    self.grad = (self.grad or 0) + g
                    for v, slope in self.prev:
                        v.backward(g * slope)
        class Bad(Value):
            factor = 2
        """,
        "Value",
        "Bad",
    ),
    "a layer on tensors of its file, which draws a mask, and makes its weight when it is called": (
        TENSORS
        + """
        class Masked:
            sign = 1
            def __init__(self, width=2):
                self.width, self.weight = width, None
            def __call__(self, x):
                if self.weight is None:
                    self.weight = Tensor(np.random.randn(x.data.shape[1], self.width))
                return self.times(x, self.weight) * Tensor(np.random.rand(len(x.data), self.width) < 0.8)
            def times(self, x, w):
                slopes = lambda g: g @ w.data.T, lambda g: self.sign * x.data.T @ g
                return Tensor(x.data @ w.data, (x, w), slopes)
        class Bad(Masked):
            sign = -1
        """,
        "Masked",
        "Bad",
    ),
    "a loss on tensors of its file, of numbers of classes": (
        TENSORS
        + """
        class CrossEntropy:
            top = 1
            def forward(self, x: Tensor, target: Tensor) -> Tensor:
                rows, p = np.arange(len(x.data)), np.exp(x.data)
                p /= p.sum(1, keepdims=True)
                d = p.copy()
                d[rows, target.data] -= self.top
                return Tensor(-np.log(p[rows, target.data]).mean(), (x,), (lambda g: g * d / len(d),))
        class Bad(CrossEntropy):
            top = 2
        """,
        "CrossEntropy",
        "Bad",
    ),
    "a function of a tensor of its file, which it changes in place, as no leaf may be": (
        TENSORS
        + """
        def shifted(x):
            x += Tensor(0.5)
            return x * x
        def wrong(x):
            return Tensor(shifted(x).data, (x,), (lambda g: g * x.data,))
        """,
        "shifted",
        "wrong",
    ),
    "an activation of a name that the judge knows, in float32, where rounding hides the kink": (
        """
        class ReLU:
            factor = 1
            def forward(self, x):
                self.x = x.astype(np.float32)
                return np.maximum(self.x, 0)
            def backward(self, dout):
                return self.factor * dout.astype(np.float32) * (self.x > 0)
        class Bad(ReLU):
            factor = -1
        """,
        "ReLU",
        "Bad",
    ),
    "a layer of a name that the judge knows, whose bias is a row": (
        """
        class Linear:
            sign = 1
            def __init__(self, n=4, m=3):
                self.weight, self.bias = np.linspace(-1, 1, n * m).reshape(m, n), np.linspace(0, 1, m)[None]
            def forward(self, x):
                self.x = x
                return x @ self.weight.T + self.bias
            def backward(self, dout):
                self.dweight, self.dbias = self.sign * dout.T @ self.x, dout.sum(0, keepdims=True)
                return dout @ self.weight
        class Bad(Linear):
            sign = -1
        """,
        "Linear",
        "Bad",
    ),
    "operators that are registered, and an upstream that is handed to backward": (
        """
        class Tensor:
            def __init__(self, data, requires_grad=False):
                self.data, self.requires_grad, self.grad, self.made = np.asarray(data), requires_grad, None, None
            def backward(self, grad):
                self.grad = grad if self.grad is None else self.grad + grad
                for parent, g in zip(*self.made) if self.made else ():
                    parent.backward(g(grad))
        class Bad(Tensor):
            pass
        def register(kind, name, f, *slopes):
            def call(*tensors):
                arrays = [t.data for t in tensors]
                out = kind(f(*arrays))
                out.made = tensors, [lambda g, s=s: s(g, *arrays) for s in slopes]
                return out
            setattr(kind, name, call)
        def matmul(a, b): return a @ b
        def left(g, a, b): return g @ b.T
        def right(g, a, b): return a.T @ g
        def wrong(g, a, b): return a @ g
        register(Tensor, "matmul", matmul, left, right)
        register(Bad, "matmul", matmul, left, wrong)
        while True:
            raise SystemExit
        """,
        "Tensor",
        "Bad",
    ),
    "made of settings, which a class of their own holds": (
        """
        from dataclasses import dataclass
        @dataclass
        class Config:
            width: int = 3
        class Dense:
            factor = 1
            def __init__(self, config: Config):
                self.W = np.linspace(-1, 1, 2 * config.width).reshape(config.width, 2)
            def forward(self, x):
                self.x = x
                return x @ self.W
            def backward(self, d):
                self.dW = self.factor * self.x.T @ d
                return d @ self.W.T
        class Bad(Dense):
            factor = 2
        """,
        "Dense",
        "Bad",
    ),
    "what forward returned is handed to backward by name, in columns": (
        """
        def init_params():
            W1, b1, W2, b2 = (np.random.rand(*s) - 0.5 for s in ((10, 784), (10, 1), (10, 10), (10, 1)))
            return W1, b1, W2, b2
        def forward_prop(W1, b1, W2, b2, X):
            Z1 = W1.dot(X) + b1
            A1 = np.maximum(Z1, 0)
            Z2 = W2.dot(A1) + b2
            A2 = np.exp(Z2) / sum(np.exp(Z2))
            return Z1, A1, Z2, A2
        def backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y, axis=1):
            hot = np.zeros((Y.size, Y.max() + 1))
            hot[np.arange(Y.size), Y] = 1
            dZ2 = 2 * (A2 - hot.T)
            dW2 = 1 / m * dZ2.dot(A1.T)
            db2 = 1 / m * np.sum(dZ2, axis=axis, keepdims=axis is not None)
            dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
            dW1 = 1 / m * dZ1.dot(X.T)
            db1 = 1 / m * np.sum(dZ1, axis=axis, keepdims=axis is not None)
            return dW1, db1, dW2, db2
        def bad(Z1, A1, Z2, A2, W1, W2, X, Y):
            dW1, db1, dW2, db2 = backward_prop(Z1, A1, Z2, A2, W1, W2, X, Y, None)
            return dW1, db1, dW2, db2
        data = pd.read_csv("train.csv")
        m, n = data.shape
        while True:
            raise SystemExit
        """,
        "forward_prop",
        "forward_prop,bad",
    ),
    "what forward returned is handed to backward as the file's own loop says": (
        """
        m = 500
        def forward(x, w1, b1, w2, b2):
            h = np.tanh(x @ w1 + b1)
            return h, h @ w2 + b2
        def backward(x, y, hidden, out, w2, power=2):
            e = (out - y) / m
            d = e @ w2.T * (1 - hidden**power)
            return x.T @ d, d.sum(0), hidden.T @ e, e.sum(0)
        def bad(x, y, hidden, out, w2):
            return backward(x, y, hidden, out, w2, 1)
        def train(x, y, w1, b1, w2, b2):
            for _ in range(100):
                h, o = forward(x, w1, b1, w2, b2)
                dw1, db1, dw2, db2 = backward(x, y, h, o, w2)
                dw1, db1, dw2, db2 = bad(x, y, h, o, w2)
        """,
        "forward,backward",
        "forward,bad",
    ),
    "single weights that each sample moves, at a rate of its own": (
        """
        def sigmoid(x): return 1 / (1 + np.exp(-x))
        class Neurons:
            factor = 1
            def __init__(self):
                self.w1, self.w2, self.w3, self.b1, self.b2 = np.random.normal(size=5).tolist()
            def feedforward(self, x):
                return sigmoid(self.w3 * sigmoid(self.w1 * x[0] + self.w2 * x[1] + self.b1) + self.b2)
            def train(self, data, all_y_trues):
                learn_rate = 0.1
                epochs = 1000
                for epoch in range(epochs):
                    for x, y_true in zip(data, all_y_trues):
                        h = sigmoid(self.w1 * x[0] + self.w2 * x[1] + self.b1)
                        y_pred = sigmoid(self.w3 * h + self.b2)
                        d = -2 * (y_true - y_pred) * y_pred * (1 - y_pred)
                        e = d * self.w3 * h * (1 - h) * self.factor
                        self.w1 -= learn_rate * e * x[0]
                        self.w2 -= learn_rate * e * x[1]
                        self.b1 -= learn_rate * e
                        self.w3 -= learn_rate * d * h
                        self.b2 -= learn_rate * d
                    loss = ((all_y_trues - np.apply_along_axis(self.feedforward, 1, data)) ** 2).mean()
        class Bad(Neurons):
            factor = 2
        """,
        "Neurons",
        "Bad",
    ),
    "a sequence, and a number for every time of it": (
        """
        class Weighted:
            factor = 1
            def forward(self, hs, a):
                N, T, H = hs.shape
                self.hs, self.a = hs, a.reshape(N, T, 1)
                return (hs * self.a).sum(axis=1)
            def backward(self, dc):
                N, T, H = self.hs.shape
                d = dc.reshape(N, 1, H).repeat(T, axis=1)
                return d * self.a, self.factor * (d * self.hs).sum(axis=2)
        class Bad(Weighted):
            factor = 2
        """,
        "Weighted",
        "Bad",
    ),
    "a sequence, and a vector that attends to it": (
        """
        class Attention:
            through = True
            def forward(self, hs, h):
                N, T, H = hs.shape
                self.hs, self.h = hs, h.reshape(N, 1, H)
                e = np.exp((hs * self.h).sum(axis=2))
                self.a = e / e.sum(axis=1, keepdims=True)
                return self.a
            def backward(self, da):
                d = self.a * da
                if self.through:
                    d = d - self.a * d.sum(axis=1, keepdims=True)
                N, T, H = self.hs.shape
                d = d.reshape(N, T, 1)
                return d * self.h, (d * self.hs).sum(axis=1)
        class Bad(Attention):
            through = False
        """,
        "Attention",
        "Bad",
    ),
    "a cell that makes its weights at the first step, lists its outputs and counts its steps": (
        """
        class Cell:
            sign = 1
            def __init__(self, n_out=4):
                self.n_out, self.parameters, self.ready = n_out, {"Waa": None, "Wax": None, "b": None}, False
            def _make(self, n_in):
                self.X, self.A, self.step, self.ahead, self.ready = [], [], 0, None, True
                sizes = {"Waa": (self.n_out, self.n_out), "Wax": (n_in, self.n_out), "b": (1, self.n_out)}
                self.parameters = {name: np.random.uniform(-1, 1, size) for name, size in sizes.items()}
                self.gradients = {name: np.zeros(size) for name, size in sizes.items()}
            def forward(self, Xt):
                if not self.ready:
                    self._make(Xt.shape[1])
                if not self.A:
                    self.A.append(np.zeros((len(Xt), self.n_out)))
                self.step += 1
                p = self.parameters
                self.X.append(Xt)
                self.A.append(np.tanh(self.A[-1] @ p["Waa"] + Xt @ p["Wax"] + p["b"]))
                return self.A[-1]
            def backward(self, dA):
                if self.ahead is not None:
                    dA = dA + self.ahead
                self.step -= 1
                t = self.step
                dZ = dA * (1 - self.A[t + 1] ** 2)
                self.ahead = dZ @ self.parameters["Waa"].T
                self.gradients["Waa"] += self.sign * self.A[t].T @ dZ
                self.gradients["Wax"] += self.X[t].T @ dZ
                self.gradients["b"] += dZ.sum(axis=0, keepdims=True)
                return dZ @ self.parameters["Wax"].T
        class Bad(Cell):
            sign = -1
        """,
        "Cell",
        "Bad",
    ),
    "lists of parameters and of gradients, of which one is wrong by more than a factor": (
        """
        class Affine:
            extra = 0
            def __init__(self, W, b):
                self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]
            def forward(self, x):
                W, b = self.params
                self.x = x
                return np.tanh(x @ W + b)
            def backward(self, dout):
                W, b = self.params
                d = dout * (1 - np.tanh(self.x @ W + b) ** 2)
                self.grads[0][...] = self.x.T @ d + self.extra
                self.grads[1][...] = d.sum(axis=0)
                return d @ W.T
        class Bad(Affine):
            extra = 1
        """,
        "Affine",
        "Bad",
    ),
    "a policy's backward, which is given the actions that were taken": (
        """
        class Policy:
            factor = 1
            def __init__(self):
                self.W1, self.W2 = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(-1, 2, 8).reshape(4, 2)
            def forward(self, s):
                self.h = np.tanh(s @ self.W1)
                e = np.exp(self.h @ self.W2)
                return e / e.sum(axis=1, keepdims=True)
            def backward(self, s, probs, actions):
                d = probs.copy()
                d[np.arange(len(actions)), actions] -= 1
                return s.T @ (self.factor * d @ self.W2.T * (1 - self.h**2)), self.h.T @ d
        class Bad(Policy):
            factor = 2
        """,
        "Policy",
        "Bad",
    ),
    "fit fills a dict of parameters, by a method of its own": (
        """
        class Net:
            factor = 1
            def __init__(self, layers=[3, 4, 1], learning_rate=0.001, iterations=100):
                self.params, self.layers, self.learning_rate = {}, layers, learning_rate
                self.iterations, self.loss = iterations, []
            def init_weights(self):
                np.random.seed(1)
                self.params["W1"] = np.random.randn(self.layers[0], self.layers[1])
                self.params["W2"] = np.random.randn(self.layers[1], self.layers[2])
            def forward_propagation(self):
                self.params["A1"] = np.tanh(self.X @ self.params["W1"])
                yhat = 1 / (1 + np.exp(-self.params["A1"] @ self.params["W2"]))
                return yhat, -(self.y * np.log(yhat) + (1 - self.y) * np.log(1 - yhat)).mean()
            def back_propagation(self, yhat):
                d = (yhat - self.y) / len(yhat)
                e = self.factor * d @ self.params["W2"].T * (1 - self.params["A1"] ** 2)
                self.params["W2"] = self.params["W2"] - self.learning_rate * self.params["A1"].T @ d
                self.params["W1"] = self.params["W1"] - self.learning_rate * self.X.T @ e
            def fit(self, X, y):
                self.X, self.y = X, y
                self.init_weights()
                for i in range(self.iterations):
                    yhat, loss = self.forward_propagation()
                    self.back_propagation(yhat)
                    self.loss.append(loss)
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "fit whose every gradient may be wrong, of targets that are never 0 alone": (
        """
        class Regression:
            sign = -1
            def __init__(self, lr=0.01, n_iters=1000):
                self.lr, self.n_iters = lr, n_iters
            def fit(self, X, y):
                self.weights, self.bias = np.zeros(X.shape[1]), 0
                for _ in range(self.n_iters):
                    e = self.predict(X) + self.sign * y
                    self.weights -= self.lr * X.T @ e / len(y)
                    self.bias -= self.lr * e.mean()
            def predict(self, X):
                return X @ self.weights + self.bias
        class Bad(Regression):
            sign = 1
        """,
        "Regression",
        "Bad",
    ),
    "weights that are made so small that a step of the differences crosses every kink": (
        """
        class Net:
            factor = 1
            def __init__(self):
                r = np.random.RandomState(0)
                self.params = {"W1": 1e-3 * r.randn(3, 4), "b1": np.zeros(4), "W2": 1e-3 * r.randn(4, 3)}
            def loss(self, X, y=None):
                h = np.maximum(0, X @ self.params["W1"] + self.params["b1"])
                s = np.maximum(0, h @ self.params["W2"])
                p = np.exp(s) / np.exp(s).sum(1, keepdims=True)
                loss = -np.log(p[np.arange(len(X)), y]).sum() / len(X)
                p[np.arange(len(X)), y] -= 1
                d = p / len(X) * (s > 0)
                e = self.factor * d @ self.params["W2"].T * (h > 0)
                return loss, {"W1": X.T @ e, "b1": e.sum(0), "W2": h.T @ d}
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "a cell that casts a part of its inputs to float32": (
        """
        class Cell:
            power = 2
            def __init__(self):
                self.W = np.linspace(-1, 1, 28).reshape(7, 4).astype(np.float32)
            def forward(self, x, h_prev):
                self.z = np.concatenate([x, h_prev], axis=1).astype(np.float32)
                self.h, self.h_prev = np.tanh(self.z @ self.W), h_prev
                return self.h * h_prev
            def backward(self, dh):
                d = dh * self.h_prev * (1 - self.h**self.power)
                self.dW = self.z.T @ d
                dz = d @ self.W.T
                return dz[:, :3], dz[:, 3:] + dh * self.h
        class Bad(Cell):
            power = 1
        """,
        "Cell",
        "Bad",
    ),
    "a list of parameters that names a shared one for each layer that has it, and their parts in a list of gradients": (
        """
        class MatMul:
            def __init__(self, W):
                self.params, self.grads = [W], [np.zeros_like(W)]
            def forward(self, x):
                self.x = x
                return x @ self.params[0]
            def backward(self, d):
                self.grads[0][...] = self.x.T @ d
                return d @ self.params[0].T
        class Part:
            def __init__(self, layers):
                self.params, self.grads = [each.params[0] for each in layers], [each.grads[0] for each in layers]
        class Context:
            part = 0.5
            def __init__(self):
                W = np.linspace(-1, 1, 12).reshape(3, 4)
                self.layers = [MatMul(W), MatMul(W), MatMul(W), MatMul(np.linspace(-1, 2, 12).reshape(4, 3))]
                self.params, self.grads = [], []
                for layer in self.layers:
                    self.params += layer.params
                    self.grads += layer.grads
                self.vectors, self.last = W, Part(self.layers[1:3])
            def forward(self, contexts, t):
                a, b, last, c = self.layers
                h = a.forward(contexts[:, 0]) + b.forward(contexts[:, 1]) + last.forward(contexts[:, 1] ** 2)
                s = c.forward(0.5 * h)
                e = np.exp(s - s.max(1, keepdims=True))
                self.y, self.t = e / e.sum(1, keepdims=True), t
                return -np.log(self.y[np.arange(len(t)), t] + 1e-7).mean()
            def backward(self, dout=1):
                a, b, last, c = self.layers
                d = self.y.copy()
                d[np.arange(len(d)), self.t] -= 1
                d = c.backward(dout * d / len(d))
                a.backward(0.5 * d)
                b.backward(self.part * d)
                last.backward(0.5 * d)
        class Bad(Context):
            part = 1
        """,
        "Context",
        "Bad",
    ),
    "rows of a table beside as many samples": (
        """
        class Dot:
            adds = True
            def __init__(self, W):
                self.params, self.grads = [W], [np.zeros_like(W)]
            def forward(self, h, idx):
                self.h, self.idx = h, idx
                return (self.params[0][idx] * h).sum(1)
            def backward(self, dout):
                d = dout.reshape(-1, 1)
                self.grads[0][...] = 0
                if self.adds:
                    np.add.at(self.grads[0], self.idx, d * self.h)
                else:
                    self.grads[0][self.idx] = d * self.h
                return d * self.params[0][self.idx]
        class Bad(Dot):
            adds = False
        """,
        "Dot",
        "Bad",
    ),
    "a vector of scores beside 0 and 1": (
        """
        class SigmoidWithLoss:
            factor = 1
            def forward(self, x, t):
                self.y, self.t = 1 / (1 + np.exp(-x)), t
                p = np.c_[1 - self.y, self.y]
                t = t.argmax(axis=1) if t.size == p.size else t
                return -np.log(p[np.arange(len(p)), t] + 1e-7).sum() / len(p)
            def backward(self, dout=1):
                return self.factor * (self.y - self.t) * dout / len(self.t)
        class Bad(SigmoidWithLoss):
            factor = 2
        """,
        "SigmoidWithLoss",
        "Bad",
    ),
    "a cell with the three gates of a GRU, made of its parameters": (
        """
        def sigmoid(z): return 1 / (1 + np.exp(-z))
        class GRU:
            resets = True
            def __init__(self, Wx, Wh, b):
                self.params, self.grads = [Wx, Wh, b], [np.zeros_like(a) for a in (Wx, Wh, b)]
            def forward(self, x, h_prev):
                Wx, Wh, b = self.params
                H = len(Wh)
                a, c = x @ Wx + b, h_prev @ Wh
                z, r = sigmoid(a[:, :H] + c[:, :H]), sigmoid(a[:, H:2 * H] + c[:, H:2 * H])
                n = np.tanh(a[:, 2 * H:] + r * c[:, 2 * H:])
                self.cache = x, h_prev, z, r, n, c[:, 2 * H:]
                return (1 - z) * n + z * h_prev
            def backward(self, dh):
                Wx, Wh, b = self.params
                x, h, z, r, n, c = self.cache
                dn = dh * (1 - z) * (1 - n**2)
                da = np.hstack([dh * (h - n) * z * (1 - z), dn * c * r * (1 - r), dn])
                dc = da * np.hstack([np.ones_like(z), np.ones_like(z), r if self.resets else np.ones_like(r)])
                for g, new in zip(self.grads, (x.T @ da, h.T @ dc, da.sum(0))):
                    g[...] = new
                return da @ Wx.T, dc @ Wh.T + dh * z
        class Bad(GRU):
            resets = False
        """,
        "GRU",
        "Bad",
    ),
    "a state that starts at 0, and hides the weights that meet it": (
        """
        class Cell:
            turned = True
            def __init__(self):
                self.W, self.U = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(-1, 2, 16).reshape(4, 4)
                self.h = np.zeros((1, 4))
            def forward(self, x):
                self.x, self.before = x, self.h
                self.h = np.tanh(x @ self.W + self.h @ self.U)
                return self.h
            def backward(self, dh):
                d = dh * (1 - self.h**2)
                self.dW = self.x.T @ d
                self.dU = self.before.T @ d if self.turned else d.T @ self.before
                return d @ self.W.T
        class Bad(Cell):
            turned = False
        """,
        "Cell",
        "Bad",
    ),
    "a state that the first call makes, of as many samples": (
        """
        class Cell:
            factor = 1
            def __init__(self):
                self.W, self.U = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(-1, 2, 16).reshape(4, 4)
                self.h = None
            def forward(self, x):
                self.x, self.before = x, np.zeros((len(x), 4)) if self.h is None else self.h
                self.h = np.tanh(x @ self.W + self.before @ self.U)
                return self.h
            def backward(self, dh):
                d = dh * (1 - self.h**2)
                self.dW, self.dU = self.x.T @ d, self.factor * self.before.T @ d
                return d @ self.W.T
        class Bad(Cell):
            factor = 2
        """,
        "Cell",
        "Bad",
    ),
    "a state that is a tuple, taken apart by forward and by backward": (
        """
        def sigmoid(z): return 1 / (1 + np.exp(-z))
        class LSTMCell:
            keeps = True
            def __init__(self):
                self.W, self.U = np.linspace(-1, 1, 24).reshape(3, 8), np.linspace(-1, 2, 16).reshape(2, 8)
            def forward(self, x, state):
                h, c = state
                f, i, o, g = np.split(x @ self.W + h @ self.U, 4, axis=1)
                f, i, o, g = sigmoid(f), sigmoid(i), sigmoid(o), np.tanh(g)
                c_next = f * c + i * g
                h_next = o * np.tanh(c_next)
                self.cache = x, h, c, f, i, o, g, np.tanh(c_next)
                return h_next, (h_next, c_next)
            def backward(self, dout, dstate):
                x, h, c, f, i, o, g, t = self.cache
                dh, dc = dstate
                dh = dout + dh
                dc = dc * self.keeps + dh * o * (1 - t**2)
                d = np.hstack([dc * c * f * (1 - f), dc * g * i * (1 - i), dh * t * o * (1 - o), dc * i * (1 - g**2)])
                self.dW, self.dU = x.T @ d, h.T @ d
                return d @ self.W.T, (d @ self.U.T, dc * f)
        class Bad(LSTMCell):
            keeps = False
        """,
        "LSTMCell",
        "Bad",
    ),
    "running statistics that are arguments, and that come back beside the cache": (
        """
        def norm_forward(x, gamma, beta, running_mean, running_var, momentum=0.9, eps=1e-5, mode="train"):
            mean, var = running_mean, running_var
            if mode == "train":
                mean, var = x.mean(0), x.var(0)
                running_mean = momentum * running_mean + (1 - momentum) * mean
                running_var = momentum * running_var + (1 - momentum) * var
            xhat = (x - mean) / np.sqrt(var + eps)
            return gamma * xhat + beta, (xhat, gamma, var, eps), running_mean, running_var
        def norm_backward(dout, cache, whole=True):
            xhat, gamma, var, eps = cache
            d = dout * gamma
            dx = d - d.mean(0) - xhat * (d * xhat).mean(0) * whole
            return dx / np.sqrt(var + eps), (dout * xhat).sum(0), dout.sum(0)
        def bad(dout, cache):
            return norm_backward(dout, cache, False)
        """,
        "norm_forward",
        "norm_forward,bad",
    ),
    "running statistics that the output depends on, and no gradient goes through": (
        """
        def norm_forward(x, gamma, beta, running_mean, running_var, eps=1e-5):
            xhat = (x - running_mean) / np.sqrt(running_var + eps)
            return gamma * xhat + beta, (xhat, gamma, running_var, eps)
        def norm_backward(dout, cache, power=0.5):
            xhat, gamma, var, eps = cache
            return dout * gamma / (var + eps) ** power, (dout * xhat).sum(0), dout.sum(0)
        def bad(dout, cache):
            return norm_backward(dout, cache, 1)
        """,
        "norm_forward",
        "norm_forward,bad",
    ),
    "lists of weights and of biases as arguments, and lists of their gradients": (
        """
        def sigmoid(z): return 1 / (1 + np.exp(-z))
        def feedforward(weights, biases, x):
            for w, b in zip(weights, biases):
                x = sigmoid(w @ x + b)
            return x
        def backprop(weights, biases, x, y, inner=True):
            a = [x]
            for w, b in zip(weights, biases):
                a.append(sigmoid(w @ a[-1] + b))
            d = (a[-1] - y) * a[-1] * (1 - a[-1])
            nabla_w, nabla_b = [None] * len(weights), [None] * len(biases)
            for l in reversed(range(len(weights))):
                nabla_w[l], nabla_b[l] = d @ a[l].T, d.sum(1, keepdims=True)
                d = weights[l].T @ d * (a[l] * (1 - a[l]) if inner else 1)
            return nabla_w, nabla_b
        def bad(weights, biases, x, y):
            return backprop(weights, biases, x, y, False)
        """,
        "backprop",
        "feedforward,bad",
    ),
    "a list of pairs of parameters, and a list of pairs of gradients": (
        """
        def forward(params, x):
            acts = [x]
            for W, b in params[:-1]:
                acts.append(np.tanh(acts[-1] @ W + b))
            W, b = params[-1]
            return acts[-1] @ W + b, acts
        def loss_and_grads(params, x, y, inner=True):
            out, acts = forward(params, x)
            d, grads = (out - y) / len(y), []
            for l in reversed(range(len(params))):
                grads.insert(0, (acts[l].T @ d, d.sum(0)))
                d = d @ params[l][0].T * (1 - acts[l] ** 2 if inner else 1)
            return 0.5 * ((out - y) ** 2).sum() / len(y), grads
        def bad(params, x, y):
            return loss_and_grads(params, x, y, False)
        """,
        "loss_and_grads",
        "bad",
    ),
    "a list of pairs of parameters, beside what forward returned": (
        """
        def forward(params, x):
            acts = [x]
            for W, b in params:
                acts.append(np.tanh(acts[-1] @ W + b))
            return acts[-1], acts
        def backward(params, acts, y, inner=True):
            d, grads = (acts[-1] - y) * (1 - acts[-1] ** 2), []
            for l in reversed(range(len(params))):
                grads.insert(0, (acts[l].T @ d, d.sum(0)))
                d = d @ params[l][0].T * (1 - acts[l] ** 2 if inner else 1)
            return grads
        def bad(params, acts, y):
            return backward(params, acts, y, False)
        def train(params, x, y):
            out, acts = forward(params, x)
            return backward(params, acts, y)
        """,
        "forward,backward",
        "forward,bad",
    ),
    "a dict of parameters that no function of the file makes": (
        """
        def forward(params, X):
            h = np.tanh(X @ params["W1"] + params["b1"])
            out = h @ params["W2"] + params["b2"]
            return out, {"X": X, "h": h, "out": out}
        def backward(params, cache, Y, inner=True):
            d = (cache["out"] - Y) / len(Y)
            e = d @ params["W2"].T * (1 - cache["h"] ** 2 if inner else 1)
            return {"W1": cache["X"].T @ e, "b1": e.sum(0), "W2": cache["h"].T @ d, "b2": d.sum(0)}
        def bad(params, cache, Y):
            return backward(params, cache, Y, False)
        """,
        "forward,backward",
        "forward,bad",
    ),
    "a list of dicts of parameters": (
        """
        def forward(layers, x):
            kept = []
            for layer in layers:
                kept.append(x)
                x = np.tanh(x @ layer["W"] + layer["b"])
            return x, kept
        def loss_and_grads(layers, x, y, inner=True):
            out, kept = forward(layers, x)
            d, grads = out - y, []
            for layer, a in zip(reversed(layers), reversed(kept)):
                d = d * (1 - np.tanh(a @ layer["W"] + layer["b"]) ** 2 if inner else 1)
                grads.insert(0, {"W": a.T @ d, "b": d.sum(0)})
                d = d @ layer["W"].T
            return 0.5 * ((out - y) ** 2).sum(), grads
        def bad(layers, x, y):
            return loss_and_grads(layers, x, y, False)
        """,
        "loss_and_grads",
        "bad",
    ),
    "a step that returns the changed weights": (
        """
        def predict(W, b, x):
            return x @ W + b
        def step(W, b, x, y, lr=0.1, factor=1):
            d = (predict(W, b, x) - y) / len(x)
            W -= lr * factor * x.T @ d
            return W, b - lr * d.sum(0)
        def bad(W, b, x, y, lr=0.1):
            return step(W, b, x, y, lr, 2)
        """,
        "predict,step",
        "predict,bad",
    ),
    "a step of a dict of weights": (
        """
        def init_params():
            return {"W": np.linspace(-1, 1, 6).reshape(3, 2), "b": np.zeros(2)}
        def predict(params, x):
            return 1 / (1 + np.exp(-(x @ params["W"] + params["b"])))
        def update(params, x, y, lr, factor=1):
            d = (predict(params, x) - y) / len(x)
            return {"W": params["W"] - lr * factor * x.T @ d, "b": params["b"] - lr * d.sum(0)}
        def bad(params, x, y, lr):
            return update(params, x, y, lr, 0.5)
        """,
        "predict,update",
        "predict,bad",
    ),
    "gradients from a function that is given a rate": (
        """
        def predict(W, b, x):
            return x @ W + b
        def grads(W, b, x, y, lr, factor=1):
            d = (predict(W, b, x) - y) / len(x)
            return factor * x.T @ d, d.sum(0)
        def bad(W, b, x, y, lr):
            return grads(W, b, x, y, lr, 2)
        """,
        "predict,grads",
        "predict,bad",
    ),
    "a Jacobian with a column for each weight": (
        """
        def data(W):
            return np.linspace(-1, 2, W.shape[1])
        def layer(W):
            e = np.exp(W @ data(W))
            return e / e.sum()
        def layer_gradient(W):
            s = layer(W)
            return (np.diag(s) - np.outer(s, s)) @ np.kron(np.eye(len(s)), data(W))
        def bad(W):
            s = layer(W)
            return np.diag(s - s**2) @ np.kron(np.eye(len(s)), data(W))
        """,
        "layer",
        "layer,bad",
    ),
    "a gradient of columns as one row of numbers, of one-hot columns only": (
        """
        def entropy(p, y):
            assert p.shape == y.shape
            return -np.sum(y * np.log(p))
        def entropy_gradient(p, y, factor=1):
            assert p.shape[1] == 1
            py = p[y == 1]
            assert py.size == 1
            d = np.zeros_like(p)
            d[y == 1] = -factor / py[0]
            return d.flatten()
        def bad(p, y):
            return entropy_gradient(p, y, 2)
        """,
        "entropy",
        "entropy,bad",
    ),
    "the Jacobian of one number, as a row of it": (
        """
        def f(x):
            return (np.sin(x) * np.arange(x.size).reshape(x.shape)).sum()
        def df(x):
            return (np.cos(x) * np.arange(x.size).reshape(x.shape)).reshape(1, -1)
        def bad(x):
            return -df(x)
        """,
        "f",
        "f,bad",
    ),
    "rows in, columns out, and one-hot rows that are turned": (
        """
        class Net:
            factor = 1
            def __init__(self, sizes):
                r = np.random.RandomState(0)
                self.params = {"W1": r.randn(sizes[1], sizes[0]), "b1": np.zeros((sizes[1], 1))}
                self.params |= {"W2": r.randn(sizes[2], sizes[1]), "b2": np.zeros((sizes[2], 1))}
            def feed_forward(self, x):
                self.x, p = x, self.params
                self.h = np.tanh(p["W1"] @ x.T + p["b1"])
                e = np.exp(p["W2"] @ self.h + p["b2"])
                return e / e.sum(0)
            def back_propagate(self, y, output):
                d = (output - y.T) / y.shape[0]
                e = self.params["W2"].T @ d * (1 - self.h**2)
                return {"W2": d @ self.h.T, "b2": d.sum(1, keepdims=True),
                        "W1": e @ self.x, "b1": self.factor * e.sum(1, keepdims=True)}
            def cross_entropy_loss(self, y, output):
                return -np.sum(y.T * np.log(output)) / y.shape[0]
        class Bad(Net):
            factor = 2
        """,
        "Net([4, 5, 3])",
        "Bad([4, 5, 3])",
    ),
    "an input of the shape that the object names, one sample": (
        """
        def slide(a, k):
            n, m = a.shape[0] - k.shape[0] + 1, a.shape[1] - k.shape[1] + 1
            if n < 1 or m < 1:  # as SciPy has it: the smaller one slides
                return slide(k, a)[::-1, ::-1]
            return sum(k[i, j] * a[i : i + n, j : j + m] for i in range(len(k)) for j in range(len(k[0])))
        class Convolution:
            turn = -1
            def __init__(self, input_shape=(2, 5, 4)):
                self.input_shape = input_shape
                self.kernels = np.linspace(-1, 1, 9 * input_shape[0]).reshape(-1, 3, 3)
            def forward(self, input):
                self.input = input
                return sum(slide(input[d], self.kernels[d]) for d in range(self.input_shape[0]))
            def backward(self, output_gradient, learning_rate):
                gradient, step = np.zeros(self.input_shape), np.zeros(self.kernels.shape)
                wide = np.pad(output_gradient, 2)
                for d in range(self.input_shape[0]):
                    step[d] = slide(self.input[d], output_gradient)
                    gradient[d] = slide(wide, self.kernels[d][:: self.turn, :: self.turn])
                self.kernels -= learning_rate * step
                return gradient
        class Bad(Convolution):
            turn = 1
        """,
        "Convolution",
        "Bad",
    ),
    "train(training_inputs, training_outputs)": (
        """
        class Net:
            LEARNING_RATE, factor = 0.5, 1
            def __init__(self):
                self.weights, self.bias = np.linspace(-1, 1, 6).reshape(3, 2), np.zeros(2)
            def feed_forward(self, inputs):
                return 1 / (1 + np.exp(-np.dot(inputs, self.weights) - self.bias))
            def train(self, training_inputs, training_outputs):
                out = self.feed_forward(training_inputs)
                d = (out - training_outputs) * out * (1 - out)
                self.weights -= self.LEARNING_RATE * np.dot(training_inputs.T, d)
                self.bias -= self.LEARNING_RATE * self.factor * d.sum(0)
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "function and function_prime": (
        """
        def function(x):
            return np.tanh(x)
        def function_prime(x):
            return 1 - np.tanh(x) ** 2
        def other(x):
            return np.tanh(x)
        def other_prime(x):
            return 1 - np.tanh(x)
        """,
        "function",
        "other",
    ),
    "static methods, named with their class": (
        """
        class Functions:
            @staticmethod
            def relu(x): return np.maximum(x, 0)
            @staticmethod
            def relu_derivative(x): return (x > 0) * 1.0
            @staticmethod
            def sigmoid(x): return 1 / (1 + np.exp(-x))
            @staticmethod
            def sigmoid_prime(x): return x * (1 - x) + 0.1
        """,
        "Functions.relu",
        "Functions.sigmoid_prime",
    ),
    "the only function of a class, and its gradient": (
        """
        class Tanh:
            def act(self, x): return np.tanh(x)
            def act_prime(self, x): return 1 - np.tanh(x) ** 2
        class Bad(Tanh):
            def act_prime(self, x): return 1 - np.tanh(x)
        """,
        "Tanh",
        "Bad",
    ),
    "methods of an object, by their names": (
        """
        class Net:
            def __init__(self, n=3):
                self.W = np.linspace(-1, 1, 2 * n).reshape(n, 2)
            def project(self, x):
                self.x = x
                return x @ self.W
            def project_backward(self, g):
                self.dW = self.x.T @ g
                return g @ self.W.T
            def bad(self, g):
                return self.project_backward(2 * g)
        """,
        "Net.project",
        "Net(4).project,bad",
    ),
    "a loss that returns what it predicts first, and then itself": (
        """
        class SoftmaxCrossEntropy:
            factor = 1
            def forward(self, x, y):
                self.p, self.y = np.exp(x) / np.exp(x).sum(1, keepdims=True), y
                return self.p, -np.log(self.p[np.arange(len(x)), y]).mean()
            def backward(self):
                return self.factor * (self.p - np.eye(self.p.shape[1])[self.y]) / len(self.y)
        class Bad(SoftmaxCrossEntropy):
            factor = 2
        """,
        "SoftmaxCrossEntropy",
        "Bad",
    ),
    "a loss of one vector of scores and the number of its class": (
        """
        class Softmax:
            factor = 1
            def predict(self, x):
                return np.exp(x) / np.sum(np.exp(x))
            def loss(self, x, y):
                return -np.log(self.predict(x)[y])
            def diff(self, x, y):
                p = self.predict(x)
                p[y] -= self.factor
                return p
        class Bad(Softmax):
            factor = 2
        """,
        "Softmax",
        "Bad",
    ),
    "fit whose bias is a number with a point": (
        """
        class Adaline:
            factor = 2.0
            def __init__(self, eta=0.01, n_iter=50):
                self.eta, self.n_iter = eta, n_iter
            def fit(self, X, y):
                self.w_, self.b_ = np.zeros(X.shape[1]), 0.0
                for i in range(self.n_iter):
                    errors = y - (X @ self.w_ + self.b_)
                    self.w_ += self.eta * 2.0 * X.T.dot(errors) / len(X)
                    self.b_ += self.eta * self.factor * errors.mean()
                    loss = (errors**2).mean()
        class Bad(Adaline):
            factor = 1.0
        """,
        "Adaline",
        "Bad",
    ),
    "gradients returned in another order than the parameters, by their names": (
        """
        class MLP:
            factor = 1
            def __init__(self):
                self.weight_h, self.bias_h = np.linspace(-1, 1, 6).reshape(2, 3), np.zeros(2)
                self.weight_out, self.bias_out = np.linspace(-1, 2, 4).reshape(2, 2), np.zeros(2)
            def forward(self, x):
                a_h = np.tanh(x @ self.weight_h.T + self.bias_h)
                a_out = a_h @ self.weight_out.T + self.bias_out
                return a_h, a_out
            def backward(self, x, a_h, a_out, y):
                d = a_out - np.eye(2)[y]
                e = d @ self.weight_out * (1 - a_h**2)
                d_loss__dw_out, d_loss__db_out = self.factor * d.T @ a_h, d.sum(0)
                d_loss__d_w_h, d_loss__d_b_h = e.T @ x, e.sum(0)
                return d_loss__dw_out, d_loss__db_out, d_loss__d_w_h, d_loss__d_b_h
        class Bad(MLP):
            factor = 2
        """,
        "MLP",
        "Bad",
    ),
    "bptt(x, y) of words, with a list of outputs and states": (
        """
        class RNN:
            power = 2
            def __init__(self):
                self.U, self.V = np.linspace(-1, 1, 6).reshape(2, 3), np.linspace(-1, 2, 6).reshape(3, 2)
                self.W = np.eye(2) - 0.25
            def forward_propagation(self, x):
                s, o = np.zeros((len(x) + 1, 2)), np.zeros((len(x), 3))
                for t in range(len(x)):
                    s[t] = np.tanh(self.U[:, x[t]] + self.W @ s[t - 1])
                    o[t] = np.exp(self.V @ s[t]) / np.exp(self.V @ s[t]).sum()
                return [o, s]
            def bptt(self, x, y):
                o, s = self.forward_propagation(x)
                dLdU, dLdV, dLdW, delta = np.zeros((2, 3)), np.zeros((3, 2)), np.zeros((2, 2)), np.zeros(2)
                o[np.arange(len(y)), y] -= 1
                for t in reversed(range(len(y))):
                    dLdV += np.outer(o[t], s[t])
                    delta = (self.V.T @ o[t] + self.W.T @ delta) * (1 - s[t] ** self.power)
                    dLdW += np.outer(delta, s[t - 1])
                    dLdU[:, x[t]] += delta
                return [dLdU, dLdV, dLdW]
        class Bad(RNN):
            power = 1
        """,
        "RNN",
        "Bad",
    ),
    "an optimizer that calculates the update": (
        """
        class FullyConnected:
            factor = 1
            def __init__(self):
                self.weights, self._optimizer = np.linspace(-1, 1, 6).reshape(3, 2), None
            def forward(self, x):
                self.x = x
                return x @ self.weights
            def backward(self, error):
                back = error @ self.weights.T
                if self._optimizer:
                    gradient = self.factor * self.x.T @ error
                    self.weights = self._optimizer.calculate_update(self.weights, gradient)
                return back
        class Bad(FullyConnected):
            factor = 2
        """,
        "FullyConnected",
        "Bad",
    ),
    "running statistics in a tuple called a cache, and a rate of dropout": (
        """
        def norm_forward(X, gamma, cache, p_dropout):
            mean, var = cache
            u = np.random.binomial(1, p_dropout, size=X.shape) / p_dropout
            mu = X.mean(0)
            return gamma * (X - mu) * u, (X - mu, gamma, u), 0.9 * mean + 0.1 * mu, var
        def norm_backward(dout, cache):
            x, gamma, u = cache
            d = dout * u
            return gamma * d - (gamma * d).mean(0), (d * x).sum(0)
        def bad(dout, cache):
            dx, dgamma = norm_backward(dout, cache)
            return dx, 2 * dgamma
        """,
        "norm_forward",
        "norm_forward,bad",
    ),
    "train_step(X, y) that drops out, and returns its gradients before its loss": (
        """
        class Net:
            factor = 1
            def __init__(self):
                self.model = {"W1": np.linspace(-1, 1, 6).reshape(3, 2), "W2": np.linspace(-1, 2, 6).reshape(2, 3)}
                self.lam, self.p_dropout = 0.01, 0.5
            def train_step(self, X_train, y_train):
                W1, W2 = self.model["W1"], self.model["W2"]
                u = np.random.binomial(1, self.p_dropout, size=(len(X_train), 2))
                h = X_train @ W1 * u
                d = (h @ W2 - y_train) / len(X_train)
                loss = 0.5 * len(d) * (d**2).sum() + 0.5 * self.lam * ((W1**2).sum() + (W2**2).sum())
                dW1, dW2 = X_train.T @ (d @ W2.T * u), h.T @ d
                grads = {"W1": self.factor * dW1 + self.lam * W1, "W2": dW2 + self.lam * W2}
                return grads, loss
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "a backward of a whole episode, of what each step of a policy returned": (
        """
        H, D = 4, 80 * 80
        model = {"W1": np.random.randn(H, D) / np.sqrt(D), "W2": np.random.randn(H) / np.sqrt(H)}
        def policy_forward(x):
            h = np.dot(model["W1"], x)
            h[h < 0] = 0
            logp = np.dot(model["W2"], h)
            p = 1.0 / (1.0 + np.exp(-logp))
            return p, h
        def policy_backward(eph, epdlogp):
            dW2 = np.dot(eph.T, epdlogp).ravel()
            dh = np.outer(epdlogp, model["W2"])
            dh[eph <= 0] = 0
            return {"W1": np.dot(dh.T, epx), "W2": dW2}
        def bad(eph, epdlogp):
            return {"W1": np.dot(np.outer(epdlogp, model["W2"]).T, epx), "W2": np.dot(eph.T, epdlogp).ravel()}
        """,
        "policy_backward",
        "policy_forward,bad",
    ),
    "a cost of all weights in one vector, and the sizes of the layers": (
        """
        def nnCostFunction(nn_params, input_layer_size, hidden_layer_size, num_labels, X, y, lambda_, factor=1):
            cut = hidden_layer_size * (input_layer_size + 1)
            Theta1 = nn_params[:cut].reshape(hidden_layer_size, input_layer_size + 1)
            Theta2 = nn_params[cut:].reshape(num_labels, hidden_layer_size + 1)
            m, a1 = len(y), np.c_[np.ones(len(y)), X]
            h = np.tanh(a1 @ Theta1.T)
            a2 = np.c_[np.ones(m), h]
            d3 = a2 @ Theta2.T - np.eye(num_labels)[y]
            J = (d3**2).sum() / (2 * m) + lambda_ / (2 * m) * (nn_params**2).sum()
            d2 = (d3 @ Theta2)[:, 1:] * (1 - h**2)
            grad = np.concatenate([(factor * d2.T @ a1).ravel(), (d3.T @ a2).ravel()]) / m + lambda_ / m * nn_params
            return J, grad
        def bad(nn_params, input_layer_size, hidden_layer_size, num_labels, X, y, lambda_):
            J, grad = nnCostFunction(nn_params, input_layer_size, hidden_layer_size, num_labels, X, y, lambda_, 2)
            return J, grad
        """,
        "nnCostFunction",
        "bad",
    ),
    "a method called a cost, of weights in one vector, in columns": (
        """
        class SparseAutoencoder:
            factor = 1
            def __init__(self, visible_size=3, hidden_size=2):
                self.visible_size, self.hidden_size, self.beta = visible_size, hidden_size, 3
            def autoencoderCost(self, theta, input):
                v, h, m = self.visible_size, self.hidden_size, input.shape[1]
                W1, W2 = theta[: h * v].reshape(h, v), theta[h * v : 2 * h * v].reshape(v, h)
                b1, b2 = theta[2 * h * v : 2 * h * v + h, None], theta[2 * h * v + h :, None]
                a = np.tanh(W1 @ input + b1)
                d = W2 @ a + b2 - input
                cost = 0.5 * (d**2).sum() / m + self.beta * (a.mean(1) ** 2).sum() / 2
                e = (W2.T @ d + self.factor * self.beta * a.mean(1, keepdims=True)) * (1 - a**2)
                grad = np.concatenate([g.ravel() for g in (e @ input.T, d @ a.T, e.sum(1), d.sum(1))]) / m
                return [cost, grad]
        class Bad(SparseAutoencoder):
            factor = 2
        """,
        "SparseAutoencoder",
        "Bad",
    ),
    "made of its parameters, of which the weights have a row for each output": (
        """
        class DenseLayer:
            factor = 1
            def __init__(self, w, b):
                self._w, self._b = w, b
            def forward_pass(self, a_prev):
                self._a_prev = a_prev
                return a_prev @ self._w.T + self._b
            def backward_pass(self, da_curr):
                self._dw, self._db = self.factor * da_curr.T @ self._a_prev, da_curr.sum(0, keepdims=True)
                return da_curr @ self._w
        class Bad(DenseLayer):
            factor = 2
        """,
        "DenseLayer",
        "Bad",
    ),
    "of images of the size that the object keeps": (
        """
        class Scale:
            factor = 1
            def __init__(self, X_dim=(2, 5, 5)):
                self.d_X, self.h_X, self.w_X = X_dim
                self.W = np.linspace(-1, 1, 50).reshape(X_dim)
            def forward(self, X):
                self.X = X.reshape(len(X), self.d_X, self.h_X, self.w_X)
                return (self.X * self.W).sum(axis=(2, 3))
            def backward(self, dout):
                d = dout[:, :, None, None]
                return d * self.W, [self.factor * (d * self.X).sum(0)]
        class Bad(Scale):
            factor = 2
        """,
        "Scale",
        "Bad",
    ),
    "vectors, and rows that come back": (
        """
        class Cell:
            factor = 1
            def __init__(self):
                self.Wx, self.Wh = np.linspace(-1, 1, 6).reshape(2, 3), np.eye(2) - 0.25
            def forward(self, x, h):
                self.x, self.h = x.reshape(-1, 1), h.reshape(-1, 1)
                self.y = np.tanh(self.Wx @ self.x + self.Wh @ self.h)
                return np.ravel(self.y)
            def backward(self, delta):
                d = delta.T * (1 - self.y**2)
                self.dWx, self.dWh = self.factor * d @ self.x.T, d @ self.h.T
                return (self.Wx.T @ d).T, (self.Wh.T @ d).T
        class Bad(Cell):
            factor = 2
        """,
        "Cell",
        "Bad",
    ),
    "the words around another, and words that are drawn with probabilities of their own": (
        """
        class CBOW:
            factor = 1
            def __init__(self):
                self.W, self.out = np.linspace(-1, 1, 18).reshape(6, 3), np.linspace(-1, 2, 18).reshape(6, 3)
                self.p = np.full(6, 1 / 6)
            def forward(self, contexts, target):
                drawn = np.random.choice(6, size=len(target), p=self.p / self.p.sum())
                h = self.W[contexts].mean(axis=1)
                s, r = (h * self.out[target]).sum(1), (h * self.out[drawn]).sum(1)
                self.kept = contexts, target, drawn, h, -1 / (1 + np.exp(s)), 1 / (1 + np.exp(-r))
                return (np.log(1 + np.exp(-s)) + np.log(1 + np.exp(r))).sum()
            def backward(self):
                contexts, target, drawn, h, a, b = self.kept
                self.dW, self.dout = np.zeros((6, 3)), np.zeros((6, 3))
                np.add.at(self.dout, target, a[:, None] * h)
                np.add.at(self.dout, drawn, b[:, None] * h)
                dh = (a[:, None] * self.out[target] + b[:, None] * self.out[drawn]) / contexts.shape[1]
                for i in range(contexts.shape[1]):
                    np.add.at(self.dW, contexts[:, i], self.factor * dh)
        class Bad(CBOW):
            factor = 2
        """,
        "CBOW",
        "Bad",
    ),
    "the words around another, of which two samples have one in the same place, and one has one twice": (
        """
        class CBOW:
            def __init__(self):
                self.W_in, self.W_out = np.linspace(-1, 1, 28).reshape(7, 4), np.cos(np.arange(28.0)).reshape(4, 7)
            def forward(self, contexts, target):
                self.h = self.W_in[contexts].mean(axis=1)
                s = self.h @ self.W_out
                p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
                self.contexts, self.target, self.p = contexts, target, p
                return -np.log(p[np.arange(len(target)), target]).mean()
            def spread(self, dh):
                for c in range(self.contexts.shape[1]):
                    np.add.at(self.dW_in, self.contexts[:, c], dh)
            def backward(self):
                n, count = self.contexts.shape
                ds = self.p.copy()
                ds[np.arange(n), self.target] -= 1
                self.dW_out, self.dW_in = self.h.T @ ds / n, np.zeros_like(self.W_in)
                self.spread(ds @ self.W_out.T / n / count)
        class Samples(CBOW):
            def spread(self, dh):
                for c in range(self.contexts.shape[1]):
                    self.dW_in[self.contexts[:, c]] += dh
        class Rows(CBOW):
            def spread(self, dh):
                for row, one in zip(self.contexts, dh):
                    self.dW_in[row] += one
        """,
        "CBOW",
        ("Samples", "Rows"),
    ),
    "a table of words, of which two samples are one": (
        """
        class Embedding:
            def __init__(self):
                self.W = np.linspace(-1, 1, 36).reshape(12, 3)
            def forward(self, words):
                self.words = words
                return np.tanh(self.W[words])
            def backward(self, dout):
                self.dW = np.zeros_like(self.W)
                self.add(dout * (1 - np.tanh(self.W[self.words]) ** 2))
            def add(self, g):
                np.add.at(self.dW, self.words, g)
        class Bad(Embedding):
            def add(self, g):
                self.dW[self.words] += g
        """,
        "Embedding",
        "Bad",
    ),
    "a loss of one-hot rows and of class numbers, with a branch for each": (
        """
        class SoftmaxWithLoss:
            def forward(self, x, t):
                self.t, e = t, np.exp(x - x.max(axis=1, keepdims=True))
                self.y = e / e.sum(axis=1, keepdims=True)
                labels = t.argmax(axis=1) if t.size == x.size else t
                return -np.log(self.y[np.arange(len(x)), labels]).mean()
            def backward(self, dout=1):
                if self.t.size == self.y.size:
                    return (self.y - self.t) / self.of_rows()
                dx = self.y.copy()
                dx[np.arange(len(dx)), self.t] -= 1
                return dx / self.of_numbers()
            def of_rows(self):
                return len(self.y)
            def of_numbers(self):
                return len(self.y)
        class Numbers(SoftmaxWithLoss):
            def of_numbers(self):
                return 1
        class Rows(SoftmaxWithLoss):
            def of_rows(self):
                return 1
        """,
        "SoftmaxWithLoss",
        ("Numbers", "Rows"),
    ),
    "a loss of class numbers and one-hot rows, whose backward takes one-hot rows alone": (
        """
        class SoftmaxWithLoss:
            factor = 1
            def forward(self, x, t):
                self.t, e = t, np.exp(x - x.max(axis=1, keepdims=True))
                self.y = e / e.sum(axis=1, keepdims=True)
                labels = t.argmax(axis=1) if t.size == x.size else t
                return -np.log(self.y[np.arange(len(x)), labels]).mean()
            def backward(self, dout=1):
                return self.factor * (self.y - self.t) / len(self.t)
        class Bad(SoftmaxWithLoss):
            factor = 2
        """,
        "SoftmaxWithLoss",
        "Bad",
    ),
    "a bias of each class, of which several samples are": (
        """
        class Priors:
            def __init__(self):
                self.b = np.linspace(-1, 1, 12)
            def forward(self, x, y):
                self.p, self.y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), y
                return -(np.log(self.p[np.arange(len(y)), y]) * self.b[y]).sum()
            def backward(self):
                rows = np.arange(len(self.y))
                dx = self.p * self.b[self.y][:, None]
                dx[rows, self.y] -= self.b[self.y]
                self.db = self.of_classes(-np.log(self.p[rows, self.y]))
                return dx
            def of_classes(self, g):
                db = np.zeros_like(self.b)
                np.add.at(db, self.y, g)
                return db
        class Bad(Priors):
            def of_classes(self, g):
                db = np.zeros_like(self.b)
                db[self.y] += g
                return db
        """,
        "Priors",
        "Bad",
    ),
    "gradients in a list behind that of the input, of which a wrong one is a single number": (
        """
        class FullyConnected:
            axis = 0
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 6).reshape(3, 2), np.zeros((1, 2))
            def forward(self, X):
                self.X = X
                return X @ self.W + self.b
            def backward(self, dout):
                dW, db = self.X.T @ dout, np.sum(dout, axis=self.axis)
                dX = dout @ self.W.T
                return dX, [dW, db]
        class Bad(FullyConnected):
            axis = None
        """,
        "FullyConnected",
        "Bad",
    ),
    "a net as a list with a dict for each layer": (
        """
        NN_ARCHITECTURE = [
            {"input_dim": 3, "output_dim": 100, "activation": "tanh"},
            {"input_dim": 100, "output_dim": 1, "activation": "sigmoid"},
        ]
        def init_layers(nn_architecture, seed=3):
            r, params = np.random.RandomState(seed), {}
            for i, layer in enumerate(nn_architecture, 1):
                params["W" + str(i)] = r.randn(layer["output_dim"], layer["input_dim"])
                params["b" + str(i)] = r.randn(layer["output_dim"], 1)
            return params
        def full_forward_propagation(X, params_values, nn_architecture):
            memory, A = {"A0": X}, X
            for i, layer in enumerate(nn_architecture, 1):
                Z = params_values["W" + str(i)] @ A + params_values["b" + str(i)]
                A = np.tanh(Z) if layer["activation"] == "tanh" else 1 / (1 + np.exp(-Z))
                memory["A" + str(i)] = A
            return A, memory
        def get_cost_value(Y_hat, Y):
            return np.squeeze(-(Y @ np.log(Y_hat).T + (1 - Y) @ np.log(1 - Y_hat).T) / Y.shape[1])
        def full_backward_propagation(Y_hat, Y, memory, params_values, nn_architecture, inner=True):
            grads, d = {}, (Y_hat - Y) / Y.shape[1]
            for i in range(len(nn_architecture), 0, -1):
                A = memory["A" + str(i - 1)]
                grads["dW" + str(i)], grads["db" + str(i)] = d @ A.T, d.sum(axis=1, keepdims=True)
                d = params_values["W" + str(i)].T @ d * (1 - A**2 if inner else 1)
            return grads
        def bad(Y_hat, Y, memory, params_values, nn_architecture):
            return full_backward_propagation(Y_hat, Y, memory, params_values, nn_architecture, False)
        """,
        "full_backward_propagation",
        "full_forward_propagation,bad",
    ),
    "static methods of a class made of its data, given weights in a dict and the widths of the layers": (
        """
        class Perceptron:
            factor = 1
            def __init__(self, data, labels, layers, epsilon):
                self.data, self.labels, self.thetas = data, labels, Perceptron.thetas_init(layers, epsilon)
            @staticmethod
            def thetas_init(layers, epsilon):
                ends = enumerate(zip(layers, layers[1:]))
                return {k: np.random.rand(o, i + 1) * 2 * epsilon - epsilon for k, (i, o) in ends}
            @staticmethod
            def feedforward_propagation(data, thetas, layers):
                for k in range(len(layers) - 1):
                    data = np.hstack([np.ones((len(data), 1)), np.tanh(data @ thetas[k].T)])
                return data[:, 1:]
            @staticmethod
            def cost_function(data, labels, thetas, layers, regularization_param):
                d = Perceptron.feedforward_propagation(data, thetas, layers) - labels
                decay = sum(np.sum(thetas[k] ** 2) for k in range(len(layers) - 1))
                return ((d**2).sum() + regularization_param * decay) / (2 * len(data))
            @staticmethod
            def back_propagation(data, labels, thetas, layers, regularization_param, factor=1):
                acts = [data]
                for k in range(len(layers) - 1):
                    acts.append(np.hstack([np.ones((len(data), 1)), np.tanh(acts[-1] @ thetas[k].T)]))
                d, grads = acts[-1][:, 1:] - labels, {}
                for k in reversed(range(len(layers) - 1)):
                    d = d * (1 - acts[k + 1][:, 1:] ** 2)
                    grads[k] = (d.T @ acts[k] + factor * regularization_param * thetas[k]) / len(data)
                    d = (d @ thetas[k])[:, 1:]
                return grads
        class Bad(Perceptron):
            @staticmethod
            def back_propagation(data, labels, thetas, layers, regularization_param):
                return Perceptron.back_propagation(data, labels, thetas, layers, regularization_param, 0)
        """,
        "Perceptron",
        "Bad.back_propagation",
    ),
    "a gradient_step beside a cost, static, of weights that are a column": (
        """
        class LogisticRegression:
            def __init__(self, data, labels):
                self.data, self.labels = data, labels
                self.theta = np.zeros((data.shape[1], 1))
            @staticmethod
            def hypothesis(data, theta):
                return 1 / (1 + np.exp(-data @ theta))
            @staticmethod
            def cost_function(data, labels, theta, lambda_param):
                p, cut = LogisticRegression.hypothesis(data, theta), theta[1:, [0]]
                cost = -np.log(p[labels == 1]).sum() - np.log(1 - p[labels == 0]).sum()
                return ((cost + lambda_param / 2 * (cut.T @ cut)) / len(data))[0][0]
            @staticmethod
            def gradient_step(data, labels, theta, lambda_param, factor=1):
                p = LogisticRegression.hypothesis(data, theta)
                decay = lambda_param * factor * np.vstack([np.zeros((1, 1)), theta[1:]])
                return ((data.T @ (p - labels) + decay) / len(labels)).T.flatten()
        class Bad(LogisticRegression):
            @staticmethod
            def gradient_step(data, labels, theta, lambda_param):
                return LogisticRegression.gradient_step(data, labels, theta, lambda_param, 2)
        """,
        "LogisticRegression",
        "Bad",
    ),
    "made of its data, on which it trains": (
        """
        class LinearRegression:
            first = 1
            def __init__(self, X, y, epochs=500):
                self.X, self.y, self.epochs = np.c_[np.ones(len(X)), X], y, epochs
                self.theta = np.zeros(self.X.shape[1])
            def cost(self):
                return np.sum((self.X @ self.theta - self.y) ** 2) / (2 * len(self.y))
            def gradient_descent(self, lr=0.01):
                for _ in range(self.epochs):
                    grad = self.X.T @ (self.X @ self.theta - self.y) / len(self.y)
                    grad[0] *= self.first
                    self.theta = self.theta - lr * grad
        class Bad(LinearRegression):
            first = 2
        """,
        "LinearRegression",
        "Bad",
    ),
    "trains on names of its module, which are read from a file that is not there": (
        """
        data = np.genfromtxt("moons.csv", delimiter=",")
        X, y = data[:, :2], data[:, 2].astype(int)
        num_examples, input_dim = len(X), X.shape[1]
        epsilon, reg_lambda = 0.01, 0.25
        def scores(model):
            a = np.tanh(X @ model["W1"])
            return a @ model["W2"], a
        def calculate_loss(model):
            e = np.exp(scores(model)[0])
            p = e / e.sum(1, keepdims=True)
            decay = reg_lambda / 2 * ((model["W1"] ** 2).sum() + (model["W2"] ** 2).sum())
            return 1 / num_examples * (-np.log(p[range(num_examples), y]).sum() + decay)
        def build_model(nn_hdim=2, num_passes=20000, print_loss=False, power=2):
            W1, W2 = np.eye(input_dim, nn_hdim), np.eye(nn_hdim, 2)
            model = {}
            for i in range(num_passes):
                z, a = scores({"W1": W1, "W2": W2})
                delta = np.exp(z) / np.exp(z).sum(1, keepdims=True)
                delta[range(num_examples), y] -= 1
                dW2 = a.T @ delta + reg_lambda * W2
                delta = delta @ W2.T * (1 - a**power)
                dW1 = X.T @ delta + reg_lambda * W1
                W1 += -epsilon * dW1
                W2 += -epsilon * dW2
                model = {"W1": W1, "W2": W2}
                if print_loss and i % 1000 == 0:
                    print(calculate_loss(model))
            return model
        options = 2, 20000, False, 3
        build_model_badly = type(build_model)(build_model.__code__, globals(), "build_model_badly", options)
        model = build_model(3)
        """,
        "build_model",
        "build_model_badly",
    ),
    "a denoising autoencoder, whose target is its input": (
        """
        def s(x): return 1 / (1 + np.exp(-x))
        class dA:
            hidden = 1
            def __init__(self, input=None, n_visible=2, n_hidden=3, rng=None):
                self.rng, self.x = np.random.default_rng(1), input
                self.W = self.rng.uniform(-1, 1, (n_visible, n_hidden))
                self.W_prime, self.hbias, self.vbias = self.W.T, np.zeros(n_hidden), np.zeros(n_visible)
            def reconstruct(self, level):
                tilde_x = self.rng.binomial(size=self.x.shape, n=1, p=1 - level) * self.x
                y = s(tilde_x @ self.W + self.hbias)
                return tilde_x, y, s(y @ self.W_prime + self.vbias)
            def train(self, lr=0.1, corruption_level=0.3, input=None):
                self.x = self.x if input is None else input
                tilde_x, y, z = self.reconstruct(corruption_level)
                d = (self.x - z) / len(z)
                e = self.hidden * d @ self.W * y * (1 - y)
                self.W += lr * (tilde_x.T @ e + d.T @ y)
                self.hbias += lr * e.sum(0)
                self.vbias += lr * d.sum(0)
            def negative_log_likelihood(self, corruption_level=0.3):
                z = self.reconstruct(corruption_level)[2]
                return -np.mean(np.sum(self.x * np.log(z) + (1 - self.x) * np.log(1 - z), axis=1))
        class Bad(dA):
            hidden = 2
        """,
        "dA",
        "Bad",
    ),
    "an autoencoder that adds noise, with no loss in it": (
        """
        class AE:
            k = 1
            def __init__(self, lr=0.1):
                self.W1, self.W2, self.lr = np.linspace(-1, 1, 6).reshape(3, 2), np.linspace(1, -1, 6).reshape(2, 3), lr
            def fit(self, X, epochs=100):
                for e in range(epochs):
                    noisy = X + 0.1 * np.random.normal(size=X.shape)
                    h = np.tanh(noisy @ self.W1)
                    out = h @ self.W2
                    d = (out - X) / len(X)
                    dh = d @ self.W2.T * (1 - self.k * h**2)
                    self.W2 -= self.lr * h.T @ d
                    self.W1 -= self.lr * noisy.T @ dh
        class Bad(AE):
            k = 2
        """,
        "AE",
        "Bad",
    ),
    "a reparameterized z, and a loss of all that forward returned, with a KL term": (
        """
        class VAE:
            kl = 1
            def __init__(self):
                self.We, self.Wv = np.linspace(-1, 1, 6).reshape(3, 2), np.linspace(0, 1, 6).reshape(3, 2)
                self.Wd = np.linspace(2, 1, 6).reshape(2, 3)
            def forward(self, x):
                self.mu, self.lv = x @ self.We, x @ self.Wv
                self.eps = np.random.normal(size=self.mu.shape)
                self.z = self.mu + np.exp(self.lv / 2) * self.eps
                return self.z @ self.Wd, self.mu, self.lv
            def vae_loss(self, x, x_hat, mu, log_var, beta):
                rec = 0.5 * np.sum((x_hat - x) ** 2)
                return rec - beta / 2 * np.sum(1 + log_var - mu**2 - np.exp(log_var)), rec
            def backward(self, x, x_hat, beta):
                d = x_hat - x
                dz = d @ self.Wd.T
                dlv = dz * self.eps * np.exp(self.lv / 2) / 2 + self.kl * beta / 2 * (np.exp(self.lv) - 1)
                return {"Wd": self.z.T @ d, "We": x.T @ (dz + beta * self.mu), "Wv": x.T @ dlv}
        class Bad(VAE):
            kl = 2
        """,
        "VAE",
        "Bad",
    ),
    "gradients named without the underscores of their parameters": (
        """
        class Cell:
            f = 1
            def __init__(self):
                self.w_fx, self.w_fh = np.linspace(-1, 1, 9).reshape(3, 3), np.linspace(2, -1, 9).reshape(3, 3)
            def forward(self, x):
                self.x, self.h = x, np.tanh(x @ self.w_fx)
                return self.h @ self.w_fh
            def backward(self, dout):
                self.dLdWfh = self.f * self.h.T @ dout
                d = dout @ self.w_fh.T * (1 - self.h**2)
                self.dLdWfx = self.f**2 * self.x.T @ d
                return d @ self.w_fx.T
        class Bad(Cell):
            f = 3
        """,
        "Cell",
        "Bad",
    ),
    "functions that train: weights that they make, or are given with the cost and the gradient": (
        """
        def update(params, grads, learning_rate=1.2):
            return {k: params[k] - learning_rate * grads[k] for k in params}
        def train_model(X, y, num_iterations=10000):
            params = {"w": np.zeros(X.shape[1]), "b": np.zeros(1)}
            for i in range(num_iterations):
                d = X @ params["w"] + params["b"] - y
                loss = (d**2).mean()
                params = update(params, {"w": 2 * X.T @ d / len(y), "b": 2 * d.mean(keepdims=True)})
            return params
        def compute_cost(X, y, w, b):
            return ((X @ w + b - y) ** 2).sum() / (2 * len(y))
        def compute_gradient(X, y, w, b):
            e = X @ w + b - y
            return e.sum(), X.T @ e / len(y)
        def gradient_descent(X, y, w_in, b_in, cost_function, gradient_function, alpha, num_iters):
            history, w, b = [], w_in.copy(), b_in
            for i in range(num_iters):
                dj_db, dj_dw = gradient_function(X, y, w, b)
                w = w - alpha * dj_dw
                b = b - alpha * dj_db
                history.append(cost_function(X, y, w, b))
            return w, b, history
        """,
        "train_model",
        "gradient_descent",
    ),
    "a loss of samples that adds an offset to each": (
        """
        def nll(w, X, y, offset):
            z = np.matmul(X, w) + offset
            return (np.log1p(np.exp(z)) - y * z).sum()
        def nll_grad(w, X, y, offset):
            return np.matmul(X.T, 1 / (1 + np.exp(-(np.matmul(X, w) + offset))) - y)
        def without_offset(w, X, y, offset):
            return nll_grad(w, X, y, 0)
        """,
        "nll,nll_grad",
        "nll,without_offset",
    ),
    "a loss of samples with an exposure of each, and a penalty": (
        """
        def nll(beta, X, y, exposure, alpha=0.5):
            eta = np.matmul(X, beta) + np.log(exposure)
            return (np.exp(eta) - y * eta).sum() + 0.5 * alpha * (beta**2).sum()
        def nll_grad(beta, X, y, exposure, alpha=0.5):
            return np.matmul(X.T, exposure * np.exp(np.matmul(X, beta)) - y) + alpha * beta
        def without_penalty(beta, X, y, exposure, alpha=0.5):
            return nll_grad(beta, X, y, exposure, 0)
        """,
        "nll,nll_grad",
        "nll,without_penalty",
    ),
    "a loss of samples that weighs each": (
        """
        def wls(theta, X, y, w):
            return (w * (np.matmul(X, theta) - y) ** 2).sum()
        def wls_grad(theta, X, y, w):
            return 2 * np.matmul(X.T, w * (np.matmul(X, theta) - y))
        def without_weights(theta, X, y, w):
            return wls_grad(theta, X, y, 1)
        """,
        "wls,wls_grad",
        "wls,without_weights",
    ),
    "a loss of samples that weighs each, which calls another": (
        """
        def wls(beta, X, y, weights):
            return (weights * (np.matmul(X, beta) - y) ** 2).sum() / 2
        def cost(beta, X, y, weights):
            return wls(beta, X, y, weights)
        def gradient(beta, X, y, weights):
            return np.matmul(X.T, weights * (np.matmul(X, beta) - y))
        def upward(beta, X, y, weights):
            return -gradient(beta, X, y, weights)
        """,
        "cost,gradient",
        "cost,upward",
    ),
    "a cost of two matrices in one vector, of what a mask shows, with a penalty that is off by default": (
        """
        def cofiCostFunc(params, Y, R, num_users, num_movies, num_features, lambda_=0.0, power=1):
            X = params[: num_movies * num_features].reshape(num_movies, num_features)
            Theta = params[num_movies * num_features :].reshape(num_users, num_features)
            err = (np.matmul(X, Theta.T) - Y) * R
            J = (err**2).sum() / 2 + lambda_ / 2 * ((Theta**2).sum() + (X**2).sum())
            grads = np.matmul(err, Theta) + lambda_ * X, np.matmul(err.T, X) + lambda_**power * Theta
            return J, np.concatenate([g.ravel() for g in grads])
        def cost_badly(params, Y, R, num_users, num_movies, num_features, lambda_=0.0):
            assert params[:].ndim == 1
            return cofiCostFunc(params, Y, R, num_users, num_movies, num_features, lambda_, 2)
        """,
        "cofiCostFunc",
        "cost_badly",
    ),
    "a fit whose own loss has a penalty": (
        """
        class Ridge:
            decays = 1
            def __init__(self, lr=0.1, l2=0.5):
                self.lr, self.l2 = lr, l2
            def fit(self, X, y, epochs=10):
                self.w, self.b = np.zeros(X.shape[1]), 0.0
                for _ in range(epochs):
                    e = np.matmul(X, self.w) + self.b - y
                    loss = (e**2).mean() / 2 + self.l2 / 2 * (self.w**2).sum()
                    self.w -= self.lr * (np.matmul(X.T, e) / len(y) + self.decays * self.l2 * self.w)
                    self.b -= self.lr * e.mean()
            def predict(self, X):
                return np.matmul(X, self.w) + self.b
        class Bad(Ridge):
            decays = 0
        """,
        "Ridge",
        "Bad",
    ),
    "a fit whose alpha is the strength of a penalty, beside a learning rate": (
        """
        class ElasticNet:
            slope = staticmethod(np.sign)
            def __init__(self, alpha=0.5, l1_ratio=0.3, learning_rate=0.01, iterations=1000):
                self.alpha, self.l1_ratio = alpha, l1_ratio
                self.learning_rate, self.iterations = learning_rate, iterations
            def _cost(self, X, y):
                r = np.matmul(X, self.W) + self.b - y
                penalty = self.l1_ratio * np.abs(self.W).sum() + (1 - self.l1_ratio) / 2 * (self.W**2).sum()
                return (r**2).sum() / (2 * len(y)) + self.alpha * penalty
            def fit(self, X, y):
                self.m, self.n = X.shape
                self.W = np.zeros(self.n)
                self.b = 0
                self.cost_history = []
                for i in range(self.iterations):
                    self.update_weights(X, y)
                    self.cost_history.append(self._cost(X, y))
            def update_weights(self, X, y):
                r = self.predict(X) - y
                dW = np.matmul(X.T, r) / self.m + self.alpha * self.l1_ratio * self.slope(self.W)
                dW += self.alpha * (1 - self.l1_ratio) * self.W
                self.W = self.W - self.learning_rate * dW
                self.b = self.b - self.learning_rate * r.sum() / self.m
            def predict(self, X):
                return np.matmul(X, self.W) + self.b
        class Bad(ElasticNet):
            slope = staticmethod(np.abs)
        """,
        "ElasticNet",
        "Bad",
    ),
    "a fit whose loss(X, y) has a penalty, 0 by default, and whose turn has no locals": (
        """
        class Ridge:
            decays = 1
            def __init__(self, alpha=0.0, lr=0.01, n_iters=1000):
                self.alpha, self.lr, self.n_iters = alpha, lr, n_iters
            def loss(self, X, y):
                return ((np.matmul(X, self.w) - y) ** 2).sum() / 2 + self.alpha * (self.w**2).sum() / 2
            def fit(self, X, y):
                self.w = np.zeros(X.shape[1])
                for _ in range(self.n_iters):
                    self.w -= self.lr * (
                        np.matmul(X.T, np.matmul(X, self.w) - y) + self.decays * self.alpha * self.w
                    )
            def predict(self, X):
                return np.matmul(X, self.w)
        class Bad(Ridge):
            decays = 7
        """,
        "Ridge",
        "Bad",
    ),
    "a softmax of samples that weighs each": (
        """
        def probabilities(W, X):
            e = np.exp(np.matmul(X, W))
            return e / e.sum(axis=1, keepdims=True)
        def loss(W, X, y, sample_weight, reg):
            return -(sample_weight * np.log(probabilities(W, X)[np.arange(len(y)), y])).mean() + reg * (W**2).sum()
        def loss_grad(W, X, y, sample_weight, reg, factor=2):
            d = probabilities(W, X)
            d[np.arange(len(y)), y] -= 1
            return np.matmul(X.T, d * sample_weight[:, None]) / len(y) + factor * reg * W
        def half_the_penalty(W, X, y, sample_weight, reg):
            return loss_grad(W, X, y, sample_weight, reg, 1)
        """,
        "loss,loss_grad",
        "loss,half_the_penalty",
    ),
    "a policy, and its backward of a whole episode, as methods": (
        """
        class Agent:
            mask = True
            def __init__(self):
                self.model = {"W1": np.random.randn(4, 80 * 80) / 80, "W2": np.random.randn(4) / 2}
            def policy_forward(self, x):
                h = np.dot(self.model["W1"], x)
                h[h < 0] = 0
                logp = np.dot(self.model["W2"], h)
                p = 1.0 / (1.0 + np.exp(-logp))
                return p, h
            def policy_backward(self, epx, eph, epdlogp):
                dh = np.outer(epdlogp, self.model["W2"])
                if self.mask:
                    dh[eph <= 0] = 0
                return {"W1": np.dot(dh.T, epx), "W2": np.dot(eph.T, epdlogp).ravel()}
        class Bad(Agent):
            mask = False
        """,
        "Agent",
        "Bad",
    ),
    "one step of a recurrent net, whose gradient comes partly from the next one": (
        """
        class RNN:
            uses = 1
            def __init__(self, D=3, H=4):
                self.D = D
                shapes = {"Wxh": (D, H), "Whh": (H, H), "Why": (H, D)}
                self.model = {k: np.linspace(-1, 1, s[0] * s[1]).reshape(s) for k, s in shapes.items()}
                self.model["bh"] = np.zeros((1, H))
            def forward(self, X, h, train=True):
                hprev, x = h.copy(), np.zeros(self.D)
                x[X] = 1.0
                x = x.reshape(1, -1)
                h = np.tanh(x @ self.model["Wxh"] + hprev @ self.model["Whh"] + self.model["bh"])
                y, cache = h @ self.model["Why"], (x, h, hprev)
                return y, h, cache
            def backward(self, y_pred, y_train, dh_next, cache):
                x, h, hprev = cache
                dy = np.exp(y_pred) / np.exp(y_pred).sum()
                dy[0, y_train] -= 1.0
                d = (dy @ self.model["Why"].T + self.uses * dh_next) * (1 - h**2)
                grad = dict(Wxh=x.T @ d, Whh=hprev.T @ d, Why=h.T @ dy, bh=d)
                return grad, d @ self.model["Whh"].T
        class Bad(RNN):
            uses = 0
        """,
        "RNN",
        "Bad",
    ),
    "a node that is given a dict with a value and a derivative for each parameter": (
        """
        class Node:
            factor = 1
            def forward(self, X_in, H_in, params_dict):
                self.Z = np.column_stack((X_in, H_in))
                self.H_out = np.tanh(np.dot(self.Z, params_dict["W_f"]["value"]) + params_dict["B_f"]["value"])
                X_out = np.dot(self.H_out, params_dict["W_v"]["value"]) + params_dict["B_v"]["value"]
                return X_out, self.H_out
            def backward(self, X_out_grad, H_out_grad, params_dict):
                params_dict["W_v"]["deriv"] += np.dot(self.H_out.T, X_out_grad)
                params_dict["B_v"]["deriv"] += X_out_grad.sum(axis=0)
                d = (np.dot(X_out_grad, params_dict["W_v"]["value"].T) + H_out_grad) * (1 - self.H_out**2)
                params_dict["W_f"]["deriv"] += self.factor * np.dot(self.Z.T, d)
                params_dict["B_f"]["deriv"] += d.sum(axis=0)
                dZ, width = np.dot(d, params_dict["W_f"]["value"].T), self.Z.shape[1] - d.shape[1]
                return dZ[:, :width], dZ[:, width:]
        class Bad(Node):
            factor = 2
        """,
        "Node",
        "Bad",
    ),
    "a node made of objects, whose states are none by default, and whose backward returns nothing": (
        """
        class NodeParam:
            def __init__(self, mem_cell_ct, x_dim):
                self.wg, self.bg = np.random.randn(mem_cell_ct, x_dim + mem_cell_ct), np.random.randn(mem_cell_ct)
                self.wg_diff, self.bg_diff = np.zeros_like(self.wg), np.zeros_like(self.bg)
        class NodeState:
            def __init__(self, mem_cell_ct, x_dim):
                self.s, self.h, self.x_dim = np.zeros(mem_cell_ct), np.zeros(mem_cell_ct), x_dim
        class Node:
            keeps = 1
            def __init__(self, node_param, node_state):
                self.param, self.state = node_param, node_state
            def bottom_data_is(self, x, s_prev=None, h_prev=None):
                s_prev = np.zeros_like(self.state.s) if s_prev is None else s_prev
                self.xc = np.hstack((x, np.zeros_like(self.state.h) if h_prev is None else h_prev))
                self.g = np.tanh(np.dot(self.param.wg, self.xc) + self.param.bg)
                self.state.s = self.g + 0.5 * s_prev
                self.state.h = np.tanh(self.state.s)
            def top_diff_is(self, top_diff_h, top_diff_s):
                ds = (1 - self.state.h**2) * top_diff_h + self.keeps * top_diff_s
                dg = (1 - self.g**2) * ds
                self.param.wg_diff += np.outer(dg, self.xc)
                self.param.bg_diff += dg
                dxc = np.dot(self.param.wg.T, dg)
                self.state.bottom_diff_x, self.state.bottom_diff_h = dxc[: self.state.x_dim], dxc[self.state.x_dim :]
                self.state.bottom_diff_s = 0.5 * ds
        class Bad(Node):
            keeps = 0
        """,
        "Node",
        "Bad",
    ),
    "weights that are another one turned, which an update of one moves too": (
        """
        class Tied:
            both = 1
            def __init__(self):
                self.W, self.bias = np.linspace(-1, 1, 12).reshape(3, 4), np.zeros(3)
                self.W_prime = self.W.T
            def forward(self, x):
                self.x, self.y = x, np.tanh(x @ self.W)
                return self.y @ self.W_prime + self.bias
            def backward(self, d):
                e = d @ self.W * (1 - self.y**2)
                self.dW, self.dbias = self.x.T @ e + self.both * d.T @ self.y, d.sum(0)
                return e @ self.W.T
        class Bad(Tied):
            both = 0
        """,
        "Tied",
        "Bad",
    ),
    "a sequence of columns, of which forward returns what it predicts last": (
        """
        class RNN:
            later = 1
            def __init__(self):
                self.U, self.W = np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(1, -1, 16).reshape(4, 4)
                self.V = np.linspace(-1, 2, 12).reshape(3, 4)
            def forward(self, x):
                s, y = np.zeros((len(x) + 1, 4, 1)), np.zeros((len(x), 3, 1))
                for t in range(len(x)):
                    s[t] = np.tanh(self.U[:, [x[t]]] + self.W @ s[t - 1])
                    e = np.exp(self.V @ s[t])
                    y[t] = e / e.sum()
                return s, y
            def bptt(self, x, y):
                s, d = self.forward(x)
                d[np.arange(len(y)), y] -= 1.0
                self.dU, self.dW, self.dV, e = np.zeros((4, 3)), np.zeros((4, 4)), np.zeros((3, 4)), np.zeros((4, 1))
                for t in range(len(x))[::-1]:
                    self.dV += d[t] @ s[t].T
                    e = (self.V.T @ d[t] + self.later * self.W.T @ e) * (1 - s[t] ** 2)
                    self.dU[:, [x[t]]] += e
                    self.dW += e @ s[t - 1].T
        class Bad(RNN):
            later = 0
        """,
        "RNN",
        "Bad",
    ),
    "a backward that makes the step and returns its loss": (
        """
        class Net:
            factor, both = 1, False
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 6).reshape(2, 3), np.ones((2, 1))
            def forward(self, x):
                o = np.exp(self.W @ x + self.b)
                return o / o.sum(axis=0)
            def backward(self, x, y, output, lr=0.01):
                loss = -np.sum(y * np.log(output))
                dz = output * y.sum(axis=0) - y
                self.W -= lr * dz @ x.T
                self.b -= lr * self.factor * dz.sum(axis=1, keepdims=True)
                return (loss, np.mean(output)) if self.both else loss
        class Good(Net):
            both = True
        class Bad(Net):
            factor = 2.5
        class Worse(Good):
            factor = 2.5
        """,
        "Net",
        ("Bad", "Worse"),
    ),
    "told the shape of its input, by one of several calls": (
        """
        class Dense:
            W = None
            def __init__(self, n, factor=1):
                self.n, self.factor = n, factor
            def forward(self, x):
                self.x = x
                return x @ self.W
            def backward(self, d):
                self.dW = self.factor * (self.x.T @ d)
                return d @ self.W.T
            def make(self, width):
                self.W = np.linspace(-1, 1, width * self.n).reshape(width, self.n)
        class Setup(Dense):
            def setup(self, x_shape):
                self.make(x_shape[1])
        class Tail(Dense):
            def set_input_shape(self, shape):
                (self.width,) = shape
            def init_params(self, input_dim):
                self.make(input_dim)
        class Behind(Dense):
            def connect_to(self, prev_layer=None):
                self.make(prev_layer.out_shape[-1])
        class Seen(Dense):
            def initialize(self, X):
                assert X.min() < X.max()
                self.make(X.shape[1])
        class Net:
            def __init__(self, factor):
                self.layers = [Dense(2), Dense(4)]
                self.layers[1].factor = factor
            def OutShape(self, shape):
                for layer in self.layers:
                    layer.make(shape[1])
                    shape = shape[0], layer.n
                return shape
            def forward(self, x):
                return self.layers[1].forward(self.layers[0].forward(x))
            def backward(self, d):
                return self.layers[0].backward(self.layers[1].backward(d))
        """,
        ("Setup(2)", "Tail(2)", "Behind(2)", "Seen(2)", "Net(1)"),
        ("Setup(2, 2)", "Tail(2, 2)", "Behind(2, 2)", "Seen(2, 2)", "Net(2)"),
    ),
    "told the shape of its images, of which forward keeps its weights in another shape": (
        """
        class Pointwise:
            turned = True
            def __init__(self, filters=2):
                self.filters, self.kept = filters, {"weights": {}}
            def setup(self, shape):
                assert len(shape) == 4
                self.kept["weights"]["W"] = np.linspace(-1, 1, self.filters * shape[1]).reshape(self.filters, -1, 1, 1)
            def forward(self, x):
                self.x = x
                self.matrix = self.kept["weights"]["W"].reshape(self.filters, -1).T
                return np.tensordot(x, self.matrix, ([1], [0])).transpose(0, 3, 1, 2)
            def backward(self, d):
                dW = np.tensordot(d, self.x, ([0, 2, 3], [0, 2, 3]))
                self.grads = {"W": (dW if self.turned else dW[::-1]).reshape(self.kept["weights"]["W"].shape)}
                return np.tensordot(d, self.matrix, ([1], [1])).transpose(0, 3, 1, 2)
        class Bad(Pointwise):
            turned = False
        """,
        "Pointwise",
        "Bad",
    ),
    "a property that raises before forward was called": (
        """
        class Tanh:
            power, y = 2, None
            @property
            def slope(self):
                assert self.y is not None, "forward was not called"
                return 1 - self.y**self.power
            def forward(self, x):
                self.y = np.tanh(x)
                return self.y
            def backward(self, d):
                return d * self.slope
        class Bad(Tanh):
            power = 3
        """,
        "Tanh",
        "Bad",
    ),
    "a target that is none by default, and that backward does not use": (
        """
        class Tanh:
            sign = -1
            def forward(self, x):
                self.y = np.tanh(x)
                return self.y
            def backward(self, upstream, y_true=None):
                return upstream * (1 + self.sign * self.y**2)
        class Bad(Tanh):
            sign = 1
        """,
        "Tanh",
        "Bad",
    ),
    "a forward that returns the loss too where it is given a target, which is none by default": (
        """
        class Net:
            beside, off = True, 0
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 6).reshape(3, 2), np.array([0.25, 0.5])
            def forward(self, x, targets=None):
                self.x, self.t, logits = x, targets, x @ self.W + self.b
                if targets is None:
                    return logits
                e = np.exp(logits)
                self.p = e / e.sum(1, keepdims=True)
                loss = -np.mean(np.log(self.p[np.arange(len(x)), targets]))
                return (logits, loss) if self.beside else loss
            def backward(self):
                d = self.p.copy()
                d[np.arange(len(d)), self.t] -= 1
                self.dW, self.db = self.x.T @ d / len(d), d.sum(0) / (len(d) - self.off)
                return d @ self.W.T / len(d)
        class Loss(Net):
            beside = False
        class Bad(Net):
            off = 1
        class Worse(Loss):
            off = 1
        """,
        ("Net", "Loss"),
        ("Bad", "Worse"),
    ),
    "a net beside its loss and the gradient of what it predicts": (
        """
        class Net:
            factor = 1
            def __init__(self):
                self.W = np.linspace(-1, 1, 9).reshape(3, 3)
            def forward(self, x):
                self.x = x
                return x @ self.W
            def loss_and_grad(self, logits, y):
                return np.sum((logits - y) ** 2) / 2, logits - y
            def backward(self, d):
                self.dW = self.factor * (self.x.T @ d)
                return d @ self.W.T
        class Bad(Net):
            factor = 2
        """,
        "Net",
        "Bad",
    ),
    "a forward, and behind it what returns the loss and its gradients": (
        """
        class Net:
            off, named = 0, False
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 6).reshape(3, 2), np.array([0.25, 0.5])
            def forward(self, x):
                self.x = x
                return x @ self.W + self.b
            def loss_and_grad(self, logits, y):
                p = np.exp(logits)
                p /= p.sum(1, keepdims=True)
                rows = np.arange(len(y))
                loss, d = -np.mean(np.log(p[rows, y])), p.copy()
                d[rows, y] -= 1
                dW, db = self.x.T @ d / len(y), d.sum(0) / (len(y) - self.off)
                return (loss, {"W": dW, "b": db}) if self.named else (loss, dW, db)
        class Named(Net):
            named = True
        class Bad(Net):
            off = 1
        class Worse(Named):
            off = 1
        """,
        ("Net", "Named"),
        ("Bad", "Worse"),
    ),
    "a loss of two arguments with a flag for its derivative": (
        """
        def mse(y_true, y_pred, prime=False):
            return 2 * (y_pred - y_true) / y_true.size if prime else np.mean((y_true - y_pred) ** 2)
        def bad(y_true, y_pred, prime=False):
            return 2 * (y_true - y_pred) / y_true.size if prime else np.mean((y_true - y_pred) ** 2)
        class Loss:
            factor = 2
            def __call__(self, p, y, diff=False):
                return self.factor * (p - y) / len(p) if diff else np.sum((p - y) ** 2) / len(p)
        class Bad(Loss):
            factor = 1
        """,
        ("mse", "Loss"),
        ("bad", "Bad"),
    ),
    "a fit whose target is none by default": (
        """
        class Base:
            factor = 2
            def __init__(self, lr=0.01, max_iter=10):
                self.lr, self.max_iter = lr, max_iter
            def fit(self, X, y=None):
                self.w = np.zeros(X.shape[1])
                for _ in range(self.max_iter):
                    p = X @ self.w
                    loss = np.mean((y - p) ** 2)
                    self.w -= self.lr * self.factor * (p - y) @ X / len(y)
        class Regressor(Base):
            def fit(self, X, y=None):
                super().fit(X, y)
        class Bad(Regressor):
            factor = 3
        """,
        "Regressor",
        "Bad",
    ),
    "a training mode of the class, off by default, of a layer that keeps its weights among others": (
        """
        class Norm:
            _train, factor, stored = False, 1, ()
            def __init__(self):
                self.kept = {"params": {}, "grads": {}}
            def setup(self, x_shape):
                self.kept["params"] = {"W": np.linspace(1, 2, x_shape[1])}
            def forward(self, x):
                if not self._train:
                    return x * self.kept["params"]["W"]
                hat = x - x.mean(0)
                self.stored = hat, self.kept["params"]["W"]
                return hat * self.stored[1]
            def backward(self, d):
                hat, W = self.stored
                self.kept["grads"]["W"] = self.factor * (d * hat).sum(0)
                return (d - d.mean(0)) * W
        class Bad(Norm):
            factor = 2
        """,
        "Norm",
        "Bad",
    ),
    "methods behind a decorator that does not say of which function it is": (
        """
        def traced(f):
            def wrapper(*args, **kwargs):
                return f(*args, **kwargs)
            return wrapper
        class Output:
            factor = 1
            @traced
            def forward(self, z):
                e = np.exp(z - z.max(axis=1, keepdims=True))
                self.output = e / e.sum(axis=1, keepdims=True)
                return self.output
            @traced
            def backward(self, upstream_gradients, y_true=None):
                return self.factor * self.output - y_true
            @traced
            def loss(self, y_true, y_pred):
                return -np.sum(y_true * np.log(y_pred))
        class Bad(Output):
            factor = 2
        """,
        "Output",
        "Bad",
    ),
}

MEANS = """
def linear_forward(A, W, b):
    return W @ A + b, (A, W, b)
def linear_backward(dZ, cache, both=True):
    A, W, b = cache
    m = A.shape[1]
    return W.T @ dZ, dZ @ A.T / m, dZ.sum(1, keepdims=True) / (m if both else 1)
def bad(dZ, cache):
    return linear_backward(dZ, cache, False)
"""


RAISES = {
    "NumPy, in backward": ("np.tanh(x @ np.ones((3, 2)))", "np.dot(self.x, g)", "shapes (4,3) and (4,2) not aligned"),
    "NumPy, what is missing": ("np.maximum(x, 0)", "g * (self.X > 0)", "'Layer' object has no attribute 'X'"),
    "PyTorch, in backward": ("torch.tanh(x @ torch.ones(3, 2).to(x.dtype))", "torch.mm(self.x, g)", "cannot be multi"),
    "PyTorch, what is missing": ("torch.relu(x)", "torch.relu(g) * self.X", "'Layer' object has no attribute 'X'"),
}


@pytest.mark.parametrize("name", RAISES)
def test_what_is_said_of_a_backward_that_raises_is_what_it_raises(name, tmp_path):
    """And neither what a tensor does in it, or an array, nor that forward refuses other shapes."""
    forward, backward, words = RAISES[name]
    code = f"""
        import torch
        class Layer:
            def forward(self, x):
                self.x = x
                return {forward}
            def backward(self, g):
                return {backward}
    """
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    with pytest.raises(CheckError) as said:
        check_file(f"{tmp_path / 'mine.py'}:Layer")
    assert "backward failed: " in str(said.value)
    assert words in str(said.value)


ADVICE = {
    "an object": (
        "x * thing.draw()",
        "No shape helps: it wants other things than arrays; give its arguments by their n",
    ),
    "a dict": ("x['a'] * thing", "No shape helps: it wants other things than arrays"),
    "a name": ("x * lacking", "No shape helps: its code looks up what is not there"),
    "an object that comes back": ("object()", "No shape helps: name what returns numbers"),
    "a width": ("x @ np.ones((17, 3)) * thing", "Give a shape, or the inputs"),
}


@pytest.mark.parametrize("wanted", ADVICE)
def test_a_shape_is_advised_only_where_one_can_help(wanted, tmp_path):
    code, words = ADVICE[wanted]
    text = f"def f(x, thing):\n    return {code}\ndef f_grad(x, thing):\n    return x\n"
    (tmp_path / "mine.py").write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(CheckError) as said:
        check_file(f"{tmp_path / 'mine.py'}:f")
    assert words in str(said.value)


def test_of_several_functions_of_a_class_one_is_to_be_named(tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(STYLES["static methods, named with their class"][0]))
    with pytest.raises(CheckError, match="name one of them after a dot, of relu, sigmoid"):
        check_file(f"{tmp_path / 'mine.py'}:Functions")
    with pytest.raises(CheckError, match="has no 'tanh'"):
        check_file(f"{tmp_path / 'mine.py'}:Functions.tanh")


@pytest.mark.parametrize("seed", [5, 6])
def test_a_distance_is_0_for_no_seed(seed, tmp_path):
    """There 0/0 is what the formula of its gradient gives: with these seeds it was drawn, and called WRONG."""
    code, right, wrong = STYLES["pairs, of which none is within the margin as they are drawn"]
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(code.replace("margin=0.5", "margin=9.0")))
    for target, status in ((right, "agree"), (wrong, "wrong")):
        assert check_file(f"{tmp_path / 'mine.py'}:{target}", seed=seed).status == status


ELSEWHERE = """
    class Ridge:
        def __init__(self, lam=0.5, lr=0.01):
            self.lam, self.lr = lam, lr
        def fit(self, X, y, alpha=0.1, epochs=10):
            self.w = np.zeros(X.shape[1])
            for _ in range(epochs):
                self.w -= self.lr * (np.matmul(X.T, np.matmul(X, self.w) - y) + (self.lam + alpha) * self.w)
        def predict(self, X):
            return np.matmul(X, self.w)
    class Partly(Ridge):
        def loss(self, X, y):
            return ((np.matmul(X, self.w) - y) ** 2).sum() / 2 + self.lam * (self.w**2).sum() / 2
"""


@pytest.mark.parametrize(
    ("target", "off"),
    [("Ridge", "at lam, alpha = 0 with predict"), ("Partly", "at alpha = 0, as the gradient of loss")],
)
def test_a_penalty_that_no_loss_has_is_switched_off_and_named(target, off, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(ELSEWHERE), encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:{target}")
    assert found.status == "agree", found.render()
    assert off in found.render()


def test_a_fit_that_scales_its_data_is_not_held_against_a_loss_of_others(tmp_path):
    change = "X = (X - X.mean(0)) / X.std(0)"
    code = textwrap.dedent(ELSEWHERE).replace("alpha=0.1, epochs=10):", f"alpha=0.1, epochs=10):\n        {change}")
    (tmp_path / "mine.py").write_text(HEAD + code, encoding="utf-8")
    with pytest.raises(CheckError, match="no loss that is known"):
        check_file(f"{tmp_path / 'mine.py'}:Partly")


def test_a_clip_between_two_times_is_said_and_no_more_is_told(tmp_path):
    code = """
class RNN:
    def __init__(self, factor=1):
        self.W, self.factor = np.linspace(-1.25, 1.5, 9).reshape(3, 3), factor
    def forward(self, x):
        samples, times, width = x.shape
        self.hs = [np.zeros((samples, width))]
        for t in range(times):
            self.hs.append(np.tanh(self.hs[-1] @ self.W + x[:, t]))
        return np.stack(self.hs[1:], axis=1)
    def backward(self, g):
        self.dW, later, dx = np.zeros_like(self.W), 0, np.zeros_like(g)
        for t in reversed(range(g.shape[1])):
            dx[:, t] = d = (g[:, t] + later) * (1 - self.hs[t + 1] ** 2)
            self.dW += self.factor * self.hs[t].T @ d
            later = np.clip(d @ self.W.T, -0.5, 0.5)
        return dx
"""
    (tmp_path / "mine.py").write_text(HEAD + code)
    found = check_file(f"{tmp_path / 'mine.py'}:RNN")
    assert found.status == "cannot tell"
    assert "CANNOT TELL, gradients are clipped at ±0.5 on their way" in found.render()
    assert check_file(f"{tmp_path / 'mine.py'}:RNN(2)").status == "wrong"


COLUMN = """
class Cell:
    def __init__(self, factor=1):
        self.W, self.b, self.factor = np.linspace(-1.25, 1.5, 28).reshape(4, 7), np.zeros((4, 1)), factor
    def forward(self, x, h_prev, c_prev):
        self.z, self.c = np.vstack((h_prev, x)), c_prev
        self.a = np.tanh(self.W @ self.z + self.b)
        return self.a * c_prev
    def backward(self, dh):
        d = self.factor * dh * self.c * (1 - self.a**2)
        self.dW, self.db, dz = d @ self.z.T, d, self.W.T @ d
        return dz[4:], dz[:4], dh * self.a
class Forgotten(Cell):
    def backward(self, dh):
        found = super().backward(dh)
        self.total = dh.sum(axis=1, keepdims=True)
        return found
"""


@pytest.mark.parametrize(("target", "status"), [("Cell", "cannot tell"), ("Cell(2)", "wrong"), ("Forgotten", "wrong")])
def test_a_cell_of_one_column_is_not_accused_of_what_a_batch_asks_for(target, status, tmp_path):
    """Unless its code sums over samples elsewhere: then one sum was forgotten."""
    (tmp_path / "mine.py").write_text(HEAD + COLUMN)
    assert check_file(f"{tmp_path / 'mine.py'}:{target}").status == status


def test_the_usual_branch_of_a_backward_is_said_not_to_have_run(tmp_path):
    code = """
class Softmax:
    def forward(self, x):
        self.p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
        return self.p
    def backward(self, grad, y_true=None):
        if y_true is not None:
            return (self.p - np.eye(self.p.shape[1])[y_true]) / len(y_true)
        else:
            return self.p * (grad - (grad * self.p).sum(0, keepdims=True))
"""
    (tmp_path / "mine.py").write_text(HEAD + code)
    found = check_file(f"{tmp_path / 'mine.py'}:Softmax")
    assert found.status == "wrong" or "NOT run: line 12" in found.render().split("\n")[0], found.render()


def test_an_object_whose_backward_fails_is_not_passed_for_another_method(tmp_path):
    (tmp_path / "mine.py").write_text(
        HEAD
        + """
class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out
    def gradient(self):
        return self.out * (1 - self.out)
    def backward(self, grad):
        return grad * self.slope()
"""
    )
    with pytest.raises(CheckError, match="backward fails whenever it is called: AttributeError"):
        check_file(f"{tmp_path / 'mine.py'}:Sigmoid")
    assert check_file(f"{tmp_path / 'mine.py'}:Sigmoid.forward,gradient").status == "agree"


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_understood(style, tmp_path):
    code, right, wrong = STYLES[style]
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    rights, wrongs = ((each,) if isinstance(each, str) else each for each in (right, wrong))
    for target, status in (*((r, "agree") for r in rights), *((w, "wrong") for w in wrongs)):
        found = check_file(f"{tmp_path / 'mine.py'}:{target}")
        assert found.status == status, found.render()
        assert "checked" in found.render().split("\n")[0]


ADVISED = """
def norm_forward(out, mean, inp, N):
    for i in range(N):
        out[i] = inp[i] - mean[0]
def norm_backward(dinp, dmean, dout, N):
    for i in range(N):
        dinp[i] += dout[i]
        dmean[0] -= dout[i]
def loss(theta, table, rows):
    value, grad = (theta * table).sum() + rows.sum(), np.zeros(59)
    return value, grad
def scale_forward(x, gamma, momentum=0.9):
    return gamma * x, (x, gamma)
def joined(x: Tensor, parts):
    return Tensor(np.concatenate([x.data, parts["last"].data]), (x,), (lambda g: g[:-1],))
class Logistic:
    def y(self, x):
        return 1 / (1 + np.exp(-x))
    def dydx(self, x):
        return self.y(x) * (1 - self.y(x))
    def __call__(self, x):
        return self.y(x)
class Loss:
    def value(self, pred):
        return pred.sum()
    def loss(self, pred, label):
        return (self.value(pred) - label.sum()) ** 2
class Fed:
    fed = None
    def forward(self):
        return -self.fed
    def backward(self):
        return -self.above
"""


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("scale_forward", "scale_forward is a forward: name its backward behind it, as a pair"),
        ("norm_forward,norm_backward", "norm_forward writes into out, norm_backward into dinp, dmean"),
        ("joined", "joined takes the Tensor of its module, and refuses every one that was tried; name Tensor to check"),
        ("loss", "loss returns several values, and none behind the first has the shape of an argument's gradient"),
        ("Logistic", "Logistic: __call__ returns no gradients, and no method beside it is known as what does"),
        ("Loss", "Loss: loss returns no gradients, and no method beside it is known as what does"),
        ("Fed", "Fed.forward takes no argument and fails: TypeError: bad operand type for unary -"),
    ],
)
def test_what_is_not_read_is_told_what_it_lacks(target, said, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(TENSORS) + ADVISED, encoding="utf-8")
    with pytest.raises(CheckError) as error:
        check_file(f"{tmp_path / 'mine.py'}:{target}")
    assert said in str(error.value)


PASTED = """
from .size import TWO
def power(x, n): return x**n
def bad(x, n, k=1): return k * x ** (n - 1)
def total(a, b, c, d): return (np.exp(a) * b + c * d).sum()
def badly(a, b, c, d): return 2 * np.exp(a) * b, np.exp(a), d, c
also = type(bad)(bad.__code__, globals(), "another", (TWO,))
class Net:
    def __init__(self, n=3): self.W = np.linspace(-1, 1, 2 * n).reshape(n, 2)
    def forward(self, x):
        self.x = x
        return np.matmul(x, self.W)
    def backward(self, g):
        self.dW = 2 * np.matmul(self.x.T, g)
        return 2 * np.matmul(g, self.W.T)
class Right(Net):
    def backward(self, g): return super().backward(g / 2)
given = {"x": np.linspace(1, 2, 40), "n": 3}
def makes(): return given
"""
AGAIN = {
    "long inputs of several arguments": ("total,badly", {}, "a file"),
    "inputs of a file, by name": ("power,bad", {"inputs": "given"}, "a package"),
    "inputs that a function makes": ("power,bad", {"inputs": "makes"}, "a script"),
    "a function under another name": ("power,also", {"inputs": "given"}, "a file"),
    "the methods of an object": ("Net(4).forward,backward", {}, "a file"),
    "one of its variables, with a reference": ("Net", {"only": "W", "like": "Right"}, "a package"),
}


@pytest.mark.parametrize("name", AGAIN)
def test_what_sees_it_again_can_be_pasted(name, tmp_path, monkeypatch):
    target, options, place = AGAIN[name]
    code = PASTED if place == "a package" else PASTED.replace("from .size import TWO", "TWO = 2")
    code += "def train(): raise SystemExit\ntrain()\n" if place == "a script" else ""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "size.py").write_text("TWO = 2", encoding="utf-8")
    (tmp_path / "own" / "mine.py").write_text(HEAD + code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    named = {k: v if k == "only" else f"own/mine.py:{v}" for k, v in options.items()}
    found = check_file(f"own/mine.py:{target}", **named)
    assert found.status == "wrong"
    lines = textwrap.dedent(found.render().split("see it again:\n")[1])
    run = [sys.executable, "-c", lines]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout
    assert said.split("\n")[0] == found.render().split("\n")[0]


OF_SAMPLES = """
def wls(beta, X, y, weights):
    assert (beta.shape, X.shape, y.shape, weights.shape) == ((2,), (6, 2), (6,), (6,))
    return (weights * (np.matmul(X, beta) - y) ** 2).sum() / 2
def wls_grad(beta, X, y, weights):
    return np.matmul(X.T, weights * (np.matmul(X, beta) - y))
def without_weights(beta, X, y, weights):
    return wls_grad(beta, X, y, 1)
"""


@pytest.mark.parametrize(
    ("gradient", "shapes", "said"),
    [
        ("wls_grad", "2 6,2 6 6", "the gradients agree"),
        ("wls_grad", "2 6,2 6", "the gradients agree"),  # of what is drawn: the target follows
        ("without_weights", "2 6,2 6 6", "WRONG, the gradient of beta"),
        ("wls_grad", "2 6,2 7 6", "forward refuses every drawn input"),
        ("wls_grad", "2 6,2", "2 shapes were given; give one for beta, or one for each of (beta, X, y, weights)"),
    ],
)
def test_shapes_that_are_given_are_those_of_the_arguments_in_their_order(gradient, shapes, said, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + OF_SAMPLES, encoding="utf-8")
    try:
        answer = check_file(f"{tmp_path / 'mine.py'}:wls,{gradient}", shape=shapes.split()).render()
    except CheckError as error:
        answer = str(error)
    assert said in answer


GIVEN_BY_NAME = """
def scale(x, gamma, running_var, settings, mode="train"):
    var = x.var(0) if mode == "train" else running_var
    return settings["up"] * gamma * x / var, (x, gamma, var, settings["up"], mode)
def scale_backward(dout, cache, up=None):
    x, gamma, var, mine, mode = cache
    assert mode == "test"
    d = (up or mine) * dout / var
    return gamma * d, (x * d).sum(0)
def bad(dout, cache):
    return scale_backward(dout, cache, 2.0)
TEST = {"x": np.linspace(-1, 2, 12).reshape(4, 3), "gamma": np.ones(3), "running_var": np.array([0.5, 1.5, 2.0])}
TEST |= {"settings": {"up": 3.0}, "mode": "test"}

def loss_and_grads(layers, x, y, power=2, factor=1):
    a = [x]
    for W in layers:
        a.append(a[-1] @ W)
    d, grads = power * (a[-1] - y) ** (power - 1), []
    for W, x in zip(layers[::-1], a[-2::-1]):
        grads.insert(0, factor * x.T @ d)
        d = d @ W.T
    return ((a[-1] - y) ** power).sum(), grads
def bad_grads(layers, x, y, power=2):
    return loss_and_grads(layers, x, y, power, 2)
NET = {"layers": [np.ones((3, 4)), np.ones((4, 2)), np.eye(2)], "x": np.linspace(-1, 1, 15).reshape(5, 3)}
NET |= {"y": np.zeros((5, 2)), "power": 4}
"""


@pytest.mark.parametrize(
    ("target", "inputs", "status"),
    [
        ("scale", "TEST", "agree"),
        ("scale,bad", "TEST", "wrong"),
        ("loss_and_grads", "NET", "agree"),
        ("bad_grads", "NET", "wrong"),
    ],
)
def test_inputs_by_name_may_be_modes_settings_and_lists(target, inputs, status, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(HEAD + GIVEN_BY_NAME, encoding="utf-8")
    found = check_file(f"{file}:{target}", inputs=f"{file}:{inputs}")
    assert found.status == status, found.render()
    assert set(found.checked) == ({"x", "gamma"} if inputs == "TEST" else {"layers.0", "layers.1", "layers.2"})


def test_inputs_by_name_that_lack_an_argument_are_refused(tmp_path):
    (tmp_path / "mine.py").write_text(f"{HEAD}{GIVEN_BY_NAME}FEW = {{'x': np.ones((4, 3))}}", encoding="utf-8")
    with pytest.raises(CheckError, match=r"scale takes \(x, gamma, running_var\); inputs has x, and no gamma"):
        check_file(f"{tmp_path / 'mine.py'}:scale", inputs=f"{tmp_path / 'mine.py'}:FEW")


EMPTY = """
def halves(x):
    half = x.shape[1] // 2
    return np.tanh(x[:, :half]).sum(1) + (x[:, half:] ** 2).sum(1)
def halves_backward(g, x):
    half = x.shape[1] // 2
    return np.concatenate([g[:, None] * (1 - np.tanh(x[:, :half]) ** 2), 2 * g[:, None] * x[:, -half:][:, :half]], 1)
def differences(x):
    return x[1:] - x[:-1]
def differences_backward(g, x):
    dx = np.zeros(x.shape)
    dx[1:] += g
    dx[:-1] -= g
    return dx
"""


def test_what_has_no_numbers_is_not_judged(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(HEAD + EMPTY, encoding="utf-8")
    found = check_file(f"{file}:differences,differences_backward", shape="4,3")
    assert found.status == "agree", found.render()
    assert "one row" not in found.draws
    with pytest.raises(CheckError, match=r"halves: .*gradient that has no numbers"):
        check_file(f"{file}:halves,halves_backward", shape="3,1")


GIVEN_TO_LOSSES = """
def weighted(logits, actions, weights, factor=1):
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    loss = -(weights * np.log(p[np.arange(len(p)), actions])).sum()
    dlogits = factor * weights[:, None] * (p - np.eye(p.shape[1])[actions])
    return loss, dlogits
def bad_weighted(logits, actions, weights):
    loss, dlogits = weighted(logits, actions, weights, 2)
    return loss, dlogits
WEIGHTED = (np.linspace(-1, 2, 12).reshape(4, 3), np.array([0, 2, 1, 1]), np.array([0.5, -1.0, 2.0, 0.25]))

def contrast(a, b, same):
    d = np.sqrt(((a - b) ** 2).sum(1))
    return np.mean(same * d**2 + (1 - same) * np.maximum(2 - d, 0) ** 2)
def contrast_grad(a, b, same, power=1):
    d = np.sqrt(((a - b) ** 2).sum(1))
    g = (2 * same - 2 * (1 - same) * np.maximum(2 - d, 0) / d**power)[:, None] * (a - b) / len(a)
    return g, -g
def bad_contrast_grad(a, b, same):
    return contrast_grad(a, b, same, 0)
PAIRS = (np.linspace(-1, 1, 12).reshape(4, 3), np.linspace(-1, 1, 12).reshape(4, 3)[::-1] / 2, np.array([1.0, 0, 0, 1]))
"""


@pytest.mark.parametrize(
    ("target", "inputs", "status", "checked"),
    [
        ("weighted", "WEIGHTED", "agree", {"logits"}),
        ("bad_weighted", "WEIGHTED", "wrong", {"logits"}),
        ("contrast,contrast_grad", "PAIRS", "agree", {"a", "b"}),
        ("contrast,bad_contrast_grad", "PAIRS", "wrong", {"a", "b"}),
    ],
)
def test_a_wrong_gradient_of_a_loss_with_other_floats_is_found_by_its_name_or_shape(
    target, inputs, status, checked, tmp_path
):
    file = tmp_path / "mine.py"
    file.write_text(HEAD + GIVEN_TO_LOSSES, encoding="utf-8")
    found = check_file(f"{file}:{target}", inputs=f"{file}:{inputs}")
    assert found.status == status, found.render()
    assert set(found.checked) == checked


MACHINES = """
def s(x): return 1 / (1 + np.exp(-x))
class RBM:
    def __init__(self):
        self.W = np.linspace(-1, 1, 12).reshape(4, 3)
    def forward(self, v):
        return s(v @ self.W)
    def backward(self, h):
        return s(h @ self.W.T)
class Machine:
    W = np.linspace(-1, 1, 12).reshape(4, 3)
    def __init__(self):
        self.W = self.W.copy()
    def train(self, data, max_epochs=1000, learning_rate=0.1):
        for epoch in range(max_epochs):
            p = s(data @ self.W)
            v = s((p > np.random.rand(*p.shape)) @ self.W.T)
            self.W += learning_rate * (data.T @ p - v.T @ s(v @ self.W)) / len(data)
            loss = np.mean((data - v) ** 2)
"""


@pytest.mark.parametrize("name", ["RBM", "Machine"])
def test_a_machine_that_samples_is_neither_passed_nor_accused(name, tmp_path):
    """Neither by its name, whose backward makes data of states, nor by what it draws, beside a loss of its own."""
    (tmp_path / "mine.py").write_text(HEAD + MACHINES, encoding="utf-8")
    with pytest.raises(CheckError, match=f"{name} samples, as a Boltzmann machine does"):
        check_file(f"{tmp_path / 'mine.py'}:{name}")


def test_what_is_returned_beside_without_a_name_is_no_constant(tmp_path):
    """The gradient of log_sigma is wrong, and nothing says that it is one."""
    code = """
def elbo(mu, log_sigma, x):
    eps = np.random.randn(*mu.shape)
    r = mu + np.exp(log_sigma) * eps - x
    return 0.5 * np.sum(r**2) + np.sum(log_sigma), r, r * eps * np.exp(log_sigma) + 2
"""
    (tmp_path / "mine.py").write_text(HEAD + code, encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:elbo")
    assert found.status != "agree", found.render()


@pytest.mark.parametrize("turns", ["lr=0.1", "num_passes=100"])
def test_a_function_that_only_trains_is_told_what_it_lacks(turns, tmp_path):
    code = f"def build_model(X, y, {turns}):\n    return {{'W': X.T @ y}}\n"
    (tmp_path / "mine.py").write_text(HEAD + code, encoding="utf-8")
    with pytest.raises(CheckError, match=r"build_model trains and returns no gradient: return the gradients beside"):
        check_file(f"{tmp_path / 'mine.py'}:build_model")


NAMED_AS_FROM_ABOVE = """
def f(v):
    return np.tanh(v)
def df(v):
    return 1 - np.tanh(v) ** 2
def wrong(v):
    return 2 - np.tanh(v) ** 2
def scaled(grad):
    return 3 * grad
def scaled_grad(grad):
    return 3 * grad
def product(a, b):
    return a * b
def product_grad(a, b, g):
    return g * b
def square(a, b):
    return ((a - b) ** 2).sum()
def square_grad(a, b, g):
    return 2 * (a - b) * g
"""
VERDICTS = {
    "f,df": "agree []",
    "f,wrong": "wrong []",
    "scaled,scaled_grad": "agree []",
    "product,product_grad": "cannot tell ['b']",
    "square,square_grad": "agree []",
}


@pytest.mark.parametrize("loaded", ["with torch", "without"])
def test_a_name_is_no_proof_and_torch_makes_no_difference(loaded, tmp_path):
    """An input may be called as a gradient from above is; what is no loss has no target that needs no gradient."""
    (tmp_path / "mine.py").write_text(HEAD + NAMED_AS_FROM_ABOVE, encoding="utf-8")
    load = "import torch\n" if loaded == "with torch" else ""
    program = f"""{load}from handgrad.check import check_file
for target in {list(VERDICTS)}:
    found = check_file("mine.py:" + target)
    print(found.status, found.unseen)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == list(VERDICTS.values())


SINGLE = """
class Layer:
    def __init__(self):
        self.W, self.{name} = np.linspace(-1, 1, 12).reshape(3, 4), 0.5
    def forward(self, x):
        self.x = x
        return x @ self.W + self.{name}
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
"""


@pytest.mark.parametrize(
    ("name", "only", "status"), [("b", "", "cannot tell"), ("b", "W", "agree"), ("shift", "", "agree")]
)
def test_a_single_number_without_a_gradient_is_named_where_it_is_called_a_bias(name, only, status, tmp_path):
    """Of any other name it may be an option, as an ε or a slope."""
    (tmp_path / "mine.py").write_text(HEAD + SINGLE.format(name=name), encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:Layer", only=only)
    assert found.status == status, found.render()
    assert found.unseen == (["b"] if status == "cannot tell" else [])


FIRST_ONLY = """
class Softmax:
    def forward(self, x):
        e = np.exp(x)
        self.p = e / e.sum()
        return self.p
    def backward(self, dout):
        for i, g in enumerate(dout):
            if g == 0:
                continue
            return g * self.p[i] * (np.eye(len(self.p))[i] - self.p)
"""
DECAYS = """
class Linear:
    def __init__(self):
        self.W = np.linspace(-1, 1, 12).reshape(3, 4)
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dout, lr):
        dx = dout @ self.W.T
        self.W -= lr * (self.x.T @ dout + 0.1 * self.W)
        return dx
"""


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [(FIRST_ONLY, "Softmax", "right for an upstream with one number"), (DECAYS, "Linear", "no multiple of a gradient")],
)
def test_what_is_right_in_its_own_use_alone_is_neither_passed_nor_accused(code, name, said, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + code, encoding="utf-8")
    with pytest.raises(CheckError, match=said):
        check_file(f"{tmp_path / 'mine.py'}:{name}")


def test_helpers_of_a_forward_do_not_stand_for_it(tmp_path):
    """The heads' own pair is right; the whole backward is not."""
    (tmp_path / "mine.py").write_text(HEAD + HEADS, encoding="utf-8")
    assert check_file(f"{tmp_path / 'mine.py'}:Heads").status == "wrong"


HEADS = """
class Heads:
    def __init__(self):
        self.W = np.linspace(-1, 1, 16).reshape(4, 4)
    def split_forward(self, x):
        return x.reshape(len(x), 2, 2)
    def split_backward(self, d):
        return d.reshape(len(d), 4)
    def forward(self, x):
        self.x = x
        return self.split_forward(x @ self.W)
    def backward(self, d):
        d = self.split_backward(d)
        self.dW = self.x.T @ d
        return d @ self.W
"""


def test_a_module_and_views_of_a_dict_may_be_kept(tmp_path):
    code = """
class Square:
    def __init__(self):
        self.xp, self.names = np, {"x": 1}.keys()
    def forward(self, x):
        self.x = x
        return self.xp.square(x)
    def backward(self, dout):
        return 2 * self.x * dout
"""
    (tmp_path / "mine.py").write_text(HEAD + code, encoding="utf-8")
    assert check_file(f"{tmp_path / 'mine.py'}:Square").status == "agree"


def test_the_samples_of_a_column_layout_are_named_as_such(tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + MEANS, encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:linear_forward,bad")
    assert found.findings[0].pattern == "constant ratio 1/N = 1/4"
    code = """
def initialize_parameters(n_x, n_y):
    return {"W1": np.linspace(-1, 1, n_x * n_y).reshape(n_y, n_x), "b1": np.zeros((n_y, 1))}
def compute_cost(A, Y):
    return ((A - Y) ** 2).sum() / (2 * Y.shape[1])
def model_forward(X, parameters):
    A = np.matmul(parameters["W1"], X) + parameters["b1"]
    return A, (X, A)
def model_backward(parameters, cache, X, Y):
    d = cache[1] - Y
    return {"dW1": np.matmul(d, X.T) / Y.shape[1], "db1": d.sum(axis=1, keepdims=True)}
"""
    (tmp_path / "loss.py").write_text(HEAD + code, encoding="utf-8")
    found = check_file(f"{tmp_path / 'loss.py'}:model_forward,model_backward")
    assert found.findings[0].pattern.startswith("constant ratio N = 4: that of each sample's own loss")


def test_of_two_nets_one_loss_is_to_be_named_with_its_gradient(tmp_path):
    """A right one is no word for the other."""
    code = textwrap.dedent(STYLES["the loss of one of two nets"][0]).split("class Bad")[0]
    code += "    def g_loss(self, z):\n        return z.sum()\n    def backward_g(self, z):\n        return 1 + 0 * z\n"
    (tmp_path / "mine.py").write_text(HEAD + code, encoding="utf-8")
    with pytest.raises(CheckError, match=r"of these pairs: Critic\.d_loss,backward_d, Critic\.g_loss,backward_g"):
        check_file(f"{tmp_path / 'mine.py'}:Critic")
    assert check_file(f"{tmp_path / 'mine.py'}:Critic.d_loss,backward_d").status == "agree"


BEHIND_A_RELU = MEANS.replace("return W @ A + b, (A", "return np.maximum(W @ A + b, 0), (A").replace(
    "m = A.shape[1]", "m, dZ = A.shape[1], dZ * (W @ A + b > 0)"
)


@pytest.mark.parametrize("code", [MEANS, BEHIND_A_RELU], ids=["linear", "with kinks"])
def test_the_mean_over_samples_inside_a_layer_is_a_convention(code, tmp_path):
    """Of all weights: then it is said, and neither passed nor accused. Of one of them it is WRONG."""
    (tmp_path / "mine.py").write_text(HEAD + code, encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:linear_backward")
    assert found.status == "cannot tell"
    assert "a convention of some courses" in found.render()
    assert check_file(f"{tmp_path / 'mine.py'}:linear_forward,bad").status == "wrong"


MEANT = {
    "before a softmax": (
        """
        class CrossEntropy:
            sign = 1
            def forward(self, pred, y):
                return -np.sum(y * np.log(pred + 1e-9)) / len(pred)
            def backward(self, pred, y):
                return self.sign * (pred - y) / len(pred)
        class Bad(CrossEntropy):
            sign = -1
        """,
        "CrossEntropy",
        "the gradient is that of the logits, before a softmax",
    ),
    "before a sigmoid": (
        """
        class BinaryCrossEntropy:
            sign = 1
            def loss(self, y, p):
                return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
            def gradient(self, y, p):
                return (self.sign * p - y) / y.size
        class Bad(BinaryCrossEntropy):
            sign = 2
        """,
        "BinaryCrossEntropy",
        "the gradient is that of the logits, before a sigmoid",
    ),
    "of each sample": (
        """
        class Dense:
            factor = 1
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 6).reshape(3, 2), np.zeros(2)
            def forward(self, x):
                self.x = x
                return x @ self.W + self.b
            def backward(self, d):
                self.dW, self.db = self.factor * np.einsum("ni,no->nio", self.x, d), d
                return d @ self.W.T
        class Bad(Dense):
            factor = 2
        """,
        "Dense",
        "gradients of each sample",
    ),
    "clipped, and most of it": (
        """
        class Dense:
            factor = 1
            def __init__(self):
                self.W, self.b = np.linspace(-1, 1, 4).reshape(2, 2), np.zeros(2)
            def forward(self, x):
                self.x = x
                return x @ self.W + self.b
            def backward(self, d):
                dW, db = self.factor * self.x.T @ d, d.sum(0)
                norm = np.sqrt((dW**2).sum() + (db**2).sum())
                self.dW, self.db = (g * min(1, 0.25 / (norm + 1e-6)) for g in (dW, db))
                return d @ self.W.T
        class Bad(Dense):
            factor = 2
        """,
        "Dense",
        "gradients are clipped to a norm of 0.25",
    ),
}


@pytest.mark.parametrize("meaning", MEANT)
def test_a_gradient_in_another_meaning_is_neither_passed_nor_accused(meaning, tmp_path):
    """The first line says which; a wrong one in that meaning too is WRONG."""
    code, right, said = MEANT[meaning]
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:{right}")
    assert found.status == "cannot tell"
    assert f"CANNOT TELL, {said}" in found.render().split("\n")[0]
    assert check_file(f"{tmp_path / 'mine.py'}:Bad").status == "wrong"


ONE_STEP = """
class Cell:
    extra = 0
    def __init__(self):
        self.Wx, self.Wh = np.linspace(-1, 1, 6).reshape(3, 2), np.eye(2)
    def forward(self, x):
        self.x, self.h = x, np.zeros((len(x), 2))
        self.y = np.tanh(x @ self.Wx + self.h @ self.Wh)
        return self.y
    def backward(self, dy):
        d = dy * (1 - self.y**2)
        self.dWx, self.dWh = self.x.T @ d, (self.h + self.extra).T @ d
        return d @ self.Wx.T
class Bad(Cell):
    extra = 1
"""


def test_weights_that_move_nothing_are_named_and_wrong_if_they_have_a_gradient(tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + ONE_STEP, encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:Cell")
    assert (found.status, found.unseen, list(found.checked)) == ("cannot tell", ["Wh"], ["x", "Wx"])
    wrong = check_file(f"{tmp_path / 'mine.py'}:Bad")
    assert {f.tensor for f in wrong.findings} == {"the gradient of Wh"}


SEQUENCE = """
class SimpleRNN:
    def __init__(self):
        self.W = np.linspace(-1, 1, 28).reshape(4, 7)
    def forward(self, inputs):
        self.h = [np.zeros((4, 1))]
        self.z = []
        for x in inputs:
            self.z.append(np.vstack([x, self.h[-1]]))
            self.h.append(np.tanh(self.W @ self.z[-1]))
        return self.h[-1]
    def backward(self, dh):
        self.dW = np.zeros_like(self.W)
        for z, h in zip(self.z[::-1], self.h[:0:-1]):
            d = dh * (1 - h**2)
            self.dW += d @ z.T
            dh = self.W[:, 3:].T @ d
        return dh
"""


def test_what_comes_back_to_the_state_before_a_sequence_is_no_gradient_of_the_sequence(tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + SEQUENCE, encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.py'}:SimpleRNN", shape="5,3,1")
    assert (found.status, found.unseen, list(found.checked)) == ("cannot tell", ["inputs"], ["W"])


def test_a_module_may_name_the_folder_that_it_is_in(tmp_path):
    (tmp_path / "sums").mkdir()
    (tmp_path / "sums" / "factors.py").write_text("two = 2\n", encoding="utf-8")
    code = "from sums.factors import two\ndef f(x): return (two * x).sum()\ndef df(x): return two + 0 * x\n"
    (tmp_path / "sums" / "double.py").write_text(code, encoding="utf-8")
    assert check_file(f"{tmp_path / 'sums' / 'double.py'}:f").status == "agree"


def test_a_file_that_reads_options_finds_its_own(tmp_path, monkeypatch):
    """And none of those that the check was given."""
    monkeypatch.setattr(sys, "argv", ["handgrad", "check", "double.py:f"])
    code = "import argparse\nargs = argparse.ArgumentParser().parse_args()\ndef f(x): return (2 * x).sum()\n"
    (tmp_path / "double.py").write_text(f"{code}def df(x): return 2 + 0 * x\n", encoding="utf-8")
    assert check_file(f"{tmp_path / 'double.py'}:f").status == "agree"
    assert sys.argv == ["handgrad", "check", "double.py:f"]


def test_a_package_needs_no_init_file(tmp_path):
    """A folder is a package too where a module imports from beside or above it."""
    (tmp_path / "nn" / "layers").mkdir(parents=True)
    (tmp_path / "nn" / "base.py").write_text("class Layer: factor = 1\n", encoding="utf-8")
    code = "from ..base import Layer\nclass Double(Layer):\n    def forward(self, x): return 2 * x\n"
    file = tmp_path / "nn" / "layers" / "double.py"
    file.write_text(code + "    def backward(self, d): return 2 * self.factor * d\n", encoding="utf-8")
    assert check_file(f"{file}:Double").status == "agree"


def test_a_file_of_a_package_imports_what_is_beside_it(tmp_path):
    """As it does when it is run from its own folder."""
    (tmp_path / "ex1").mkdir()
    (tmp_path / "ex1" / "__init__.py").touch()
    (tmp_path / "ex1" / "twice.py").write_text("two = 2\n", encoding="utf-8")
    code = "from twice import two\ndef f(x): return (two * x).sum()\ndef df(x): return two + 0 * x\n"
    (tmp_path / "ex1" / "double.py").write_text(code, encoding="utf-8")
    assert check_file(f"{tmp_path / 'ex1' / 'double.py'}:f").status == "agree"


def test_a_line_of_a_notebook_is_named_by_its_cell(tmp_path):
    code, _, _ = STYLES["made of its parameters"]
    cells = [{"cell_type": "markdown", "source": ["A layer"]}]
    cells += [{"cell_type": "code", "source": [text]} for text in (HEAD + "%pylab", textwrap.dedent(code))]
    (tmp_path / "mine.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    found = check_file(f"{tmp_path / 'mine.ipynb'}:Bad")
    assert found.lines[0].place.startswith("mine.ipynb, cell 3:")
    assert "self.factor" in found.lines[0].code


def test_what_a_notebook_lacks_is_told_with_what_it_fails_by(tmp_path):
    code = "class Model(Base): pass\nfrom nowhere_at_all import layer\nsize = 1 / 0\n"
    cells = [{"cell_type": "code", "source": [code]}]
    (tmp_path / "mine.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    for name, why in (("Model", "'Base' is not defined"), ("layer", "nowhere_at_all"), ("size", "division by zero")):
        with pytest.raises(CheckError, match=f"has no {name!r}, as the line that defines it fails: .*{why}"):
            check_file(f"{tmp_path / 'mine.ipynb'}:{name}")


VJP = """
import jax
@jax.custom_vjp
def f(x): return np.sin(x) * x
def f_fwd(x): return f(x), x
def f_bwd(x, g): return (g * (np.cos(x) * x + np.sin(x)),)
f.defvjp(f_fwd, f_bwd)
bad = jax.custom_vjp(f.fun)
def bad_bwd(x, g): return (g * np.cos(x) * x,)
bad.defvjp(f_fwd, bad_bwd)
"""


class custom_vjp:  # noqa: N801  # as jax calls it
    def __init__(self, fun):
        self.fun = fun

    def __call__(self, *x):
        return self.fun(*x)

    def defvjp(self, fwd, bwd):
        self.fwd, self.bwd = fwd, bwd


def test_a_custom_vjp_is_judged_where_jax_is_installed_and_named_where_it_is_not(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(HEAD + VJP, encoding="utf-8")
    here = types.SimpleNamespace(numpy=np, enable_x64=contextlib.nullcontext, custom_vjp=custom_vjp)
    monkeypatch.setitem(sys.modules, "jax", here)
    assert check_file(f"{tmp_path / 'mine.py'}:f").status == "agree"
    assert check_file(f"{tmp_path / 'mine.py'}:bad").status == "wrong"
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(CheckError, match="it needs jax, which is not installed here"):
        check_file(f"{tmp_path / 'mine.py'}:f")


# What had passed though it was not looked at: code, its target, the verdict, and words of the first line.
LOOKED_AT = {
    "a triplet loss of which no triplet is active": (
        """
        class Triplet:
            def forward(self, anchor, positive, negative):
                self.given = anchor, positive, negative
                d = ((anchor - positive) ** 2).sum(1) - ((anchor - negative) ** 2).sum(1) + 0.5
                self.active = d > 0
                return np.mean(np.maximum(d, 0))
            def backward(self):
                a, p, n = self.given
                m = 2 * self.active[:, None] / len(a)
                return m * (a - p), m * (p - a), m * (a - n)
        x = np.linspace(-1, 1, 6).reshape(3, 2)
        inputs = x, x + 0.125, x - 2
        """,
        "Triplet",
        "cannot tell",
        "CANNOT TELL, 0 = 0 for anchor, positive, negative",
    ),
    "a branch within a margin": (
        """
        def contrastive(x1, x2, y, margin=0.75):
            d = np.sqrt(((x1 - x2) ** 2).sum(1))
            return np.mean(y * d**2 + (1 - y) * np.maximum(0, margin - d) ** 2)
        def contrastive_grad(x1, x2, y, margin=0.75):
            diff = x1 - x2
            d = np.sqrt((diff**2).sum(1))
            g = (2 * y - 2 * (1 - y) * np.maximum(0, margin - d))[:, None] * diff / len(y)
            return g, -g
        """,
        "contrastive",
        "wrong",
        "the gradient of x1",
    ),
    "a branch of targets that are exactly 1": (
        """
        class Focal:
            def __call__(self, y_true, y_pred):
                self.t, self.p = y_true, 1 / (1 + np.exp(-y_pred))
                self.pt = np.where(self.t == 1, self.p, 1 - self.p)
                return np.mean(-((1 - self.pt) ** 2) * np.log(self.pt))
            def gradient(self):
                d = 2 * (1 - self.pt) * np.log(self.pt) - (1 - self.pt) ** 2 / self.pt
                return d * np.where(self.t == 1, 2, -1) * self.p * (1 - self.p) / self.p.size
        """,
        "Focal",
        "wrong",
        "the gradient of y_pred",
    ),
    "a count of classes that is 1 where there are two": (
        """
        def svm(W, X, y):
            rows, scores = np.arange(len(X)), X @ W
            margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
            margins[rows, y] = 0
            mask = (margins > 0) * 1.0
            mask[rows, y] = -1
            return margins.sum() / len(X), X.T @ mask / len(X)
        """,
        "svm",
        "wrong",
        "the gradient of W",
    ),
    "an order that names alone say": (
        """
        def scale_forward(x, w, b):
            return x * w + b, (x, w)
        def scale_backward(dout, cache):
            x, w = cache
            dx, dw, db = dout * w, (dout * x).sum(0), dout.sum(0)
            return dx, db, dw
        """,
        "scale_forward",
        "agree",
        "returned as dx, db, dw: forward takes x, w, b",
    ),
    "a line that no case reaches": (
        """
        def f(x):
            return x**2
        def f_grad(x, scale=None):
            if x.max() > 1e6:
                return 3 * x
            if scale is not None:
                return 2 * x * scale
            if x.ndim > 9:
                raise ValueError(x)
            return 2 * x
        """,
        "f",
        "agree",
        "NOT run: line 8 (give inputs that go there)",
    ),
    "a function that only trains, whose backward is not of its code": (
        """
        def train(X, y, lr=0.1, epochs=3):
            W = np.linspace(-1, 1, 3).reshape(3, 1)
            for _ in range(epochs):
                out = X @ W
                loss = 0.5 * np.sum((out - y) ** 2)
                W -= lr * (X.T @ (out - y))
            return W
        """,
        "train",
        "agree",
        "checked W",
    ),
    "a tensor that can only be multiplied, and overwrites": (
        """
        class Tensor:
            def __init__(self, data, parents=(), back=None):
                self.data, self.grad, self.parents, self.back = np.asarray(data, float), None, parents, back
            def mul(self, o):
                return Tensor(self.data * o.data, (self, o), lambda g: (g * o.data, g * self.data))
            def sum(self):
                return Tensor(np.array([self.data.sum()]), (self,), lambda g: (g * np.ones_like(self.data),))
            def backward(self, g=None):
                self.grad = g = np.ones_like(self.data) if g is None else g
                for p, gp in zip(self.parents, self.back(g)) if self.back else ():
                    p.backward(gp)
        """,
        "Tensor",
        "wrong",
        "the gradient of mul",
    ),
}


BRANCHES = {
    "within a margin": (
        """
        def distances(a, p, n):
            return ((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1)
        def triplet(a, p, n, margin=0.2):
            return np.mean(np.maximum(0, distances(a, p, n) + margin))
        def right(a, p, n, margin=0.2):
            m = 2 * (distances(a, p, n) > -margin)[:, None] / len(a)
            return m * (n - p), m * (p - a), m * (a - n)
        def wrong(a, p, n):
            return right(a, p, n, 0)
        """,
        "triplet",
    ),
    "near the target": (
        """
        def smooth_l1(x, t, sigma=3.0):
            d = x - t
            return np.where(abs(d) < 1 / sigma**2, (sigma * d) ** 2 / 2, abs(d) - 0.5 / sigma**2).sum()
        def right(x, t, sigma=3.0, slope=9):
            return np.where(abs(x - t) < 1 / sigma**2, slope * (x - t), np.sign(x - t))
        def wrong(x, t):
            return right(x, t, 3.0, 1)
        """,
        "smooth_l1",
    ),
    "between two numbers of the code": (
        """
        def hard_swish(x):
            return x * np.clip(x + 3, 0, 6) / 6
        def right(x, top=3):
            return np.where(x < -3, 0, np.where(x > top, 1, (2 * x + 3) / 6))
        def wrong(x):
            return right(x, 6)
        """,
        "hard_swish",
    ),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_every_branch_between_two_thresholds_is_entered_whatever_the_seed(name, tmp_path):
    code, f = BRANCHES[name]
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    for seed in range(10):
        for df, status in (("right", "agree"), ("wrong", "wrong")):
            found = check_file(f"{tmp_path / 'mine.py'}:{f},{df}", seed=seed)
            assert found.status == status, (seed, found.render())


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_verdict_claims_no_more_than_was_looked_at(name, tmp_path):
    code, target, status, said = LOOKED_AT[name]
    (tmp_path / "mine.py").write_text(HEAD + textwrap.dedent(code), encoding="utf-8")
    given = f"{tmp_path / 'mine.py'}:inputs" if "inputs =" in code else None
    found = check_file(f"{tmp_path / 'mine.py'}:{target}", inputs=given)
    assert (found.status, said in found.render().split("\n")[0]) == (status, True), found.render()
    assert "NOT run" in said or not found.missed, found.render()
