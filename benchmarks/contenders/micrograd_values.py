"""micrograd: every number an object with a closure. The tiniest nets only."""

import importlib.util
import math
from typing import Any

import numpy as np

from benchmarks.nets import Array, Problem

LARGEST = 20_000  # multiplications of one step: above, a step takes most of a second


class Micrograd:
    """`micrograd.nn.MLP`, with the two functions of a value that its author adds in his lecture: exp and log."""

    def __init__(self, name: str) -> None:
        self.name = name

    def absent(self, problem: Problem) -> str:
        if not importlib.util.find_spec("micrograd"):
            return "micrograd is not installed (pip install 'handgrad[peers]')"
        if problem.dtype != "float64" or problem.optimizer != "SGD":
            return "it computes in float64, and has no optimizer"
        return "the net is too large for it" if problem.net.flops > 2 * LARGEST else ""

    def prepare(self, problem: Problem) -> None:
        from micrograd.nn import MLP

        sizes = problem.net.sizes
        self.lr = problem.options["lr"]
        self.net = MLP(sizes[0], list(sizes[1:]))
        for i, layer in enumerate(self.net.layers):
            weight, bias = (problem.weights[f"layers.{2 * i}.{kind}"] for kind in ("weight", "bias"))
            for neuron, row, b in zip(layer.neurons, weight.tolist(), bias.tolist(), strict=True):
                neuron.b.data = b
                for value, w in zip(neuron.w, row, strict=True):
                    value.data = w
        self.x, self.y = problem.x.tolist(), problem.y.ravel().tolist()

    def step(self) -> float:
        total: Any = 0.0
        for x, y in zip(self.x, self.y, strict=True):
            total = total + _cross_entropy(self.net(x), y)
        loss = total * (1 / len(self.x))
        self.net.zero_grad()
        loss.backward()
        for p in self.net.parameters():
            p.data -= self.lr * p.grad
        return float(loss.data)

    def state(self) -> dict[str, Array]:
        found = {}
        for i, layer in enumerate(self.net.layers):
            found[f"layers.{2 * i}.weight"] = np.array([[w.data for w in neuron.w] for neuron in layer.neurons])
            found[f"layers.{2 * i}.bias"] = np.array([float(neuron.b.data) for neuron in layer.neurons])
        return found

    def forward(self) -> Any:
        outputs = [self.net(x) for x in self.x]
        return np.array([[z.data for z in (row if isinstance(row, list) else [row])] for row in outputs])


def _cross_entropy(z: Any, y: Any) -> Any:
    """log Σ exp z_k − z_y; for a single output log(1 + exp z) − zy."""
    return _log(sum(map(_exp, z))) - z[y] if isinstance(z, list) else _log(_exp(z) + 1) - z * y


def _exp(a: Any) -> Any:
    return _function(a, math.exp(a.data), math.exp(a.data))


def _log(a: Any) -> Any:
    return _function(a, math.log(a.data), 1 / a.data)


def _function(a: Any, value: float, slope: float) -> Any:
    """f(a) as micrograd writes its own: a value that knows how to hand its gradient on."""
    out = type(a)(value, (a,))

    def backward() -> None:
        a.grad += slope * out.grad

    out._backward = backward
    return out
