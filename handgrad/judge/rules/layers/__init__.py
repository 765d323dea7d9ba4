"""The reference of every layer, in balls: what it is, forward and, right under it, backward.

A rule is one class and one row of `RULES`, found by the class name of the layer it judges. `read` takes its options
from the layer's attributes; parameters are handed to `forward` as exact arrays by name, because a step is judged from
the state before it. `backward` gives the balls of the input's gradient and puts those of the parameters into
`gradients`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Format
from handgrad.judge.rules import activations
from handgrad.judge.rules.activations.functions import sigmoid
from handgrad.judge.rules.layers import bilinear, dropout, embedding, flatten, linear, normalization
from handgrad.judge.rules.layers.linear import Linear
from handgrad.judge.rules.rule import Activation, Gradients, Leaf, Parameters, Rule

__all__ = [
    "RULES",
    "Activation",
    "Gradients",
    "Leaf",
    "Linear",
    "Parallel",
    "Residual",
    "Rule",
    "Sequential",
    "leaves",
    "read_model",
    "sigmoid",
    "written",
]


@dataclass
class Sequential:
    """Layers one after another."""

    name: str
    layers: list[Rule] = field(default_factory=list)

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, [read_model(child, _join(name, key)) for key, child in structure.children(module)])

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        y = x
        for layer in self.layers:
            y = layer.forward(x, parameters)
            x = written(layer, y)
        return y

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        for layer in reversed(self.layers):
            grad = grad.format.between(layer.backward(grad, gradients))
        return grad

    def leaves(self) -> Iterator[Rule]:
        for layer in self.layers:
            yield from layer.leaves()


class Residual(Sequential):
    """x + f(x) for layers one after another: one more addition, forward and backward."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return _stack_sum([x, x.format.between(super().forward(x, parameters))])

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return _stack_sum([grad, super().backward(grad, gradients)])


class Parallel(Sequential):
    """Branches on the same input, their outputs summed. The gradients of the branches' inputs sum as well."""

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        branches = structure.children(module)
        if len(branches) == 1 and structure.class_name(branches[0][1]) == "ModuleList":
            return cls.read(branches[0][1], _join(name, branches[0][0]))
        return super().read(module, name)

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return _stack_sum([written(layer, layer.forward(x, parameters)) for layer in self.layers])

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return _stack_sum([grad.format.between(layer.backward(grad, gradients)) for layer in self.layers])


FAMILIES = (bilinear, dropout, embedding, flatten, linear, normalization)

RULES: dict[str, Any] = {
    **{
        name: getattr(family, name)
        for family in (bilinear, dropout, embedding, flatten, linear, normalization)
        for name in family.__all__
    },
    **{rule.__name__: rule for rule in (Parallel, Residual, Sequential)},
    **activations.RULES,
}


def read_model(module: Any, name: str = "") -> Rule:
    """The rule of a model, read by class name. A container with one child called `layers` is that child.

    Raises `TypeError` for a class without a rule, naming it and the known ones; `ValueError` for tied parameters.
    """
    module = structure.unwrap(module)
    if not name:
        structure.refuse_tied(module)
    kind = structure.class_name(module)
    if kind in RULES:
        rule: Rule = RULES[kind].read(module, name)
        return rule
    parts = structure.children(module) if hasattr(module, "named_children") else []
    if [key for key, _ in parts] == ["layers"]:
        return read_model(parts[0][1], _join(name, "layers"))
    raise structure.unknown("layer", kind if not name else f"{kind} at {name!r}", RULES)


def written(layer: Rule, y: Ball) -> Ball:
    """The output of a layer as what comes next is made of it, and the layer's own derivative: a program in half
    precision may have written it, or not."""
    if y.format.storage is not None:
        y = y.format.between(y)
        if isinstance(layer, Leaf):
            layer.wrote(y)
    return y


def leaves(rule: Rule) -> Iterator[Leaf]:
    """The layers that a net is made of, each once."""
    return (leaf for leaf in rule.leaves() if isinstance(leaf, Leaf))


def _stack_sum(parts: list[Ball]) -> Ball:
    """The sum of at least one ball array, in any order."""
    if not parts:
        raise ValueError("a Parallel without branches has no output")
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"what is summed differs in shape: {[part.shape for part in parts]}")
    f: Format = parts[0].format
    return Ball(np.stack([p.mid for p in parts]), np.stack([p.rad for p in parts]), f).sum(axis=0)


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
