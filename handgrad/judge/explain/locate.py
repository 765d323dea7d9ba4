"""Where the two part: after a failure, every layer is run again alone and held against its own rule.

Alone means: the layer gets the side's own numbers as exact inputs, so that its bound is that of one operation. Copies
of the layers are used; the judged model stays as it is. What only goes wrong in company (a stale cache, accumulation, a
wrong chain) holds here, and that is said.
"""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Float64, Format
from handgrad.judge.rules import layers
from handgrad.judge.verdict import Verdict

AnyArray = npt.NDArray[Any]


def first_part(model: Any, x: AnyArray | tuple[AnyArray, ...], upstream: Ball | None) -> str:
    """The first layer, in the order of computation, that is wrong when run alone.

    Empty for a model that does not keep the contract, a plain `torch.nn.Module`: it cannot be run on arrays.
    """
    if not hasattr(model, "backward"):
        return ""
    rule, replay = layers.read_model(model), _Replay(model, x)
    try:
        output = replay.forward(rule, x)
        if not replay.found and upstream is not None and output.shape == upstream.shape:
            replay.backward(rule, upstream.mid.astype(replay.format.dtype))
    except Exception as error:  # a wrong layer may raise anything
        return replay.found or f"a layer alone raises {type(error).__name__}: {error}"
    return replay.found or "no layer alone: a cache, an accumulation, the loss, or the way the layers are chained"


class _Replay:
    """Runs a model's leaves one by one; `found` is the first failure."""

    def __init__(self, model: Any, x: Any) -> None:
        self.model, self.found = model, ""
        self.parameters = {name: structure.copy(p.data) for name, p in structure.named_parameters(model)}
        self.parameters |= {name: structure.copy(data) for name, data in structure.named_buffers(model)}
        self.format = Format.of(next(iter(self.parameters.values()), x).dtype)
        self.copies: dict[str, Any] = {}

    def forward(self, rule: layers.Rule, x: Any) -> AnyArray:
        if isinstance(rule, layers.Parallel):
            return self._sum([self.forward(layer, x) for layer in rule.layers])
        if isinstance(rule, layers.Sequential):
            start = x
            for layer in rule.layers:
                x = self.forward(layer, x)
            return self._sum([start, x]) if isinstance(rule, layers.Residual) else np.asarray(x)
        self.copies[rule.name] = own = self._copy(rule.name)
        pair = isinstance(x, tuple)
        value = np.asarray(own.forward(*x) if pair else own.forward(x))
        if isinstance(rule, layers.Leaf):
            rule.follow(structure.unwrap(own))
        balls: Any = tuple(map(self.format.exact, x)) if pair else self.format.exact(x)
        reference = rule.forward(balls, self.parameters)
        self._hold(f"{_label(rule)}, forward", value, reference)
        return self._next(value, reference)

    def backward(self, rule: layers.Rule, grad: AnyArray) -> AnyArray:
        if isinstance(rule, layers.Parallel):
            return self._sum([self.backward(layer, grad) for layer in rule.layers])
        if isinstance(rule, layers.Sequential):
            start = grad
            for layer in reversed(rule.layers):
                grad = self.backward(layer, grad)
            return self._sum([start, grad]) if isinstance(rule, layers.Residual) else grad
        gradients: layers.Gradients = {}
        reference: Any = rule.backward(self.format.exact(grad), gradients)
        own = self.copies[rule.name]
        own.zero_grad()
        value = own.backward(grad)
        computed = {f"{rule.name}.{name}".lstrip("."): p.grad for name, p in own.named_parameters()}
        for name, ball in gradients.items():
            self._hold(f"{_label(rule)}, backward: gradient of {name}", computed.get(name), ball)
        if isinstance(value, tuple):  # two inputs: nothing comes before
            for i, (part, ball) in enumerate(zip(value, reference, strict=True), 1):
                self._hold(f"{_label(rule)}, backward: gradient of its input{i}", part, ball)
            return grad
        self._hold(f"{_label(rule)}, backward: gradient of its input", np.asarray(value), reference)
        return self._next(np.asarray(value), reference)

    def _hold(self, place: str, value: Any, reference: Ball) -> None:
        if self.found:
            return
        verdict = Verdict()
        verdict.check(place, value, reference)
        if not verdict.held:
            self.found = place

    def _copy(self, name: str) -> Any:
        """A copy of the layer at `name`; of an adapter, a new one around a copy of what it wraps."""
        own = self.model
        for key in name.split(".") if name else []:
            own = dict(own.named_children())[key]
        inner = structure.unwrap(own)
        return copy.deepcopy(own) if inner is own else type(own)(copy.deepcopy(inner))

    def _next(self, value: AnyArray, reference: Ball) -> AnyArray:
        """What the next layer gets: the side's numbers, or the reference's where the side's have another shape."""
        return (value if value.shape == reference.shape else reference.mid).astype(self.format.dtype)

    def _sum(self, parts: list[AnyArray]) -> AnyArray:
        total: Float64 = np.sum([p.astype(np.float64) for p in parts], axis=0)
        return total.astype(self.format.dtype)


def _label(rule: layers.Rule) -> str:
    return rule.label() if isinstance(rule, layers.Leaf) else rule.name
