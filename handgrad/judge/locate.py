"""Where the two part: after a failure, every layer is run again alone and held against its own rule.

Alone means: the layer gets the side's own numbers as exact inputs, so that its bound is that of one operation. Copies
of the layers are used; the judged model stays as it is. What only goes wrong in company (a stale cache, accumulation, a
wrong chain) holds here, and that is said.
"""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import layers, structure
from handgrad.judge.ball import Ball, Float64, Format
from handgrad.judge.verdict import Verdict

AnyArray = npt.NDArray[Any]


def first_part(model: Any, x: AnyArray, upstream: Ball | None) -> str:
    """The first layer, in the order of computation, that is wrong when run alone.

    Empty for a model that does not keep the contract, a plain `torch.nn.Module`: it cannot be run on arrays.
    """
    if not hasattr(model, "backward"):
        return ""
    rule, replay = layers.read_model(model), _Replay(model, Format.of(x.dtype))
    try:
        output = replay.forward(rule, x)
        if not replay.found and upstream is not None and output.shape == upstream.shape:
            replay.backward(rule, upstream.mid.astype(x.dtype))
    except Exception as error:  # a wrong layer may raise anything
        return replay.found or f"a layer alone raises {type(error).__name__}: {error}"
    return replay.found or "no layer alone: a cache, an accumulation, the loss, or the way the layers are chained"


class _Replay:
    """Runs a model's leaves one by one; `found` is the first failure."""

    def __init__(self, model: Any, format: Format) -> None:
        self.model, self.format, self.found = model, format, ""
        self.parameters = {name: structure.copy(p.data) for name, p in structure.named_parameters(model)}
        self.copies: dict[str, Any] = {}

    def forward(self, rule: layers.Rule, x: AnyArray) -> AnyArray:
        if isinstance(rule, layers.Parallel):
            return self._sum([self.forward(layer, x) for layer in rule.layers])
        if isinstance(rule, layers.Sequential):
            for layer in rule.layers:
                x = self.forward(layer, x)
            return x
        self.copies[rule.name] = own = self._copy(rule.name)
        value = np.asarray(own.forward(x))
        if isinstance(rule, layers.Leaf):
            rule.follow(structure.unwrap(own))
        reference = rule.forward(self.format.exact(x), self.parameters)
        self._hold(f"{_label(rule)}, forward", value, reference)
        return _next(value, reference, x)

    def backward(self, rule: layers.Rule, grad: AnyArray) -> AnyArray:
        if isinstance(rule, layers.Parallel):
            return self._sum([self.backward(layer, grad) for layer in rule.layers])
        if isinstance(rule, layers.Sequential):
            for layer in reversed(rule.layers):
                grad = self.backward(layer, grad)
            return grad
        gradients: layers.Gradients = {}
        reference = rule.backward(self.format.exact(grad), gradients)
        own = self.copies[rule.name]
        own.zero_grad()
        value = np.asarray(own.backward(grad))
        computed = {f"{rule.name}.{name}".lstrip("."): p.grad for name, p in own.named_parameters()}
        for name, ball in gradients.items():
            self._hold(f"{_label(rule)}, backward: gradient of {name}", computed.get(name), ball)
        self._hold(f"{_label(rule)}, backward: gradient of its input", value, reference)
        return _next(value, reference, grad)

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

    def _sum(self, parts: list[AnyArray]) -> AnyArray:
        total: Float64 = np.sum([p.astype(np.float64) for p in parts], axis=0)
        return total.astype(self.format.dtype)


def _label(rule: layers.Rule) -> str:
    return rule.label() if isinstance(rule, layers.Leaf) else rule.name


def _next(value: AnyArray, reference: Ball, like: AnyArray) -> AnyArray:
    """What the next layer gets: the side's numbers, or the reference's where the side's have another shape."""
    return (value if value.shape == reference.shape else reference.mid).astype(like.dtype)
