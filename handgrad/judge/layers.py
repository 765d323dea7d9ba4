"""The reference of every layer, in balls: what it is, forward and, right under it, backward.

A rule is one class and one row of `RULES`, found by the class name of the layer it judges. `read` takes its options
from the layer's attributes; parameters are handed to `forward` as exact arrays by name, because a step is judged from
the state before it. `backward` gives the balls of the input's gradient and puts those of the parameters into
`gradients`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from handgrad.judge import softmax, structure
from handgrad.judge.ball import SIGMOID, TANH, Ball, Float64, Format, matmul, settle

Parameters = Mapping[str, npt.NDArray[Any]]
Gradients = dict[str, Ball]


class Rule(Protocol):
    """The reference of one layer or container."""

    name: str

    def forward(self, x: Ball, parameters: Parameters) -> Ball: ...
    def backward(self, grad: Ball, gradients: Gradients) -> Ball: ...
    def leaves(self) -> "Iterator[Rule]": ...


class Leaf:
    """A rule without children: `name` is its path in the model, `x` what the last forward call was given."""

    kind: ClassVar[str]

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name)

    def leaves(self) -> Iterator[Rule]:
        yield self  # type: ignore[misc]  # every subclass has forward and backward

    def label(self) -> str:
        return f"{self.name} ({type(self).__name__})" if self.name else type(self).__name__


class Linear(Leaf):
    """z = x Wᵀ + b for x of shape (..., in_features), W (out_features, in_features), b (out_features,)."""

    def __init__(self, name: str, bias: bool) -> None:
        super().__init__(name)
        self.bias = bias
        self.rows: Ball | None = None  # the upstream gradient of the last backward call, one row per sample

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, bias=getattr(module, "bias", None) is not None)

    def parameter(self, which: str) -> str:
        return f"{self.name}.{which}" if self.name else which

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        f = x.format
        self.weight = f.exact(_parameter(parameters, self.parameter("weight")))
        bias = f.exact(_parameter(parameters, self.parameter("bias"))) if self.bias else None
        out, features = self.weight.shape
        if not x.shape or x.shape[-1] != features:
            raise ValueError(f"{self.label()} takes inputs of shape (..., {features}), not {x.shape}")
        self.lead = x.shape[:-1]
        self.x = x.reshape(math.prod(self.lead), features)
        return matmul(self.x, self.weight.transpose(), bias).reshape(*self.lead, out)

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """dW = dᵀx and db = Σ d sum over the batch, dx = dW over the outputs: the same bound as the forward's."""
        out, features = self.weight.shape
        d = grad.reshape(math.prod(self.lead), out)
        self.rows = d
        gradients[self.parameter("weight")] = matmul(d.transpose(), self.x)
        if self.bias:
            gradients[self.parameter("bias")] = d.sum(axis=0)
        return matmul(d, self.weight).reshape(*self.lead, features)


class Activation(Leaf):
    """An elementwise layer. With `bypass` its backward pretends that the derivative is 1: a bug to compare with."""

    bypass = False

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return grad if self.bypass else self.vjp(grad)

    def vjp(self, grad: Ball) -> Ball:
        raise NotImplementedError


class Identity(Leaf):
    """a = z."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return x

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return grad


class ReLU(Activation):
    """a = max(z, 0), exact: an interval's image is an interval."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.x = x
        high = np.maximum(x.mid + x.rad, 0)
        return Ball(np.maximum(x.mid, 0), np.fmin(x.rad, high), x.format)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d where z > 0, else 0. At an exact 0 the derivative is 0, at NaN it is 1: `d` where not z <= 0.

        Where 0 is inside a ball of positive radius the mask cannot be decided: dz is 0 or d.
        """
        return _select(grad, self.x, grad, _zero(grad))


class LeakyReLU(Activation):
    """a = z where z > 0, else slope · z."""

    def __init__(self, name: str, slope: float) -> None:
        super().__init__(name)
        self.slope = slope

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, float(module.negative_slope))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """The product costs one rounding, the slope, a Python number, another; the function moves by the steeper slope.

        Only where z may be negative: positive values pass unrounded.
        """
        f, s = x.format, abs(self.slope)
        self.x = x
        mid = np.where(x.mid > 0, x.mid, self.slope * x.mid)
        negative = x.mid - x.rad < 0
        positive = x.mid + x.rad > 0
        move = np.where(negative, np.where(positive, max(1.0, s), s), 1.0) * x.rad
        rounding = 2 * f.u * s * x.reach + (1 + x.reach) * f.eta
        rad = np.where(negative, move + rounding, move)
        return settle(f, mid, rad, np.abs(mid) + rad)

    def vjp(self, grad: Ball) -> Ball:
        """dz = d where z > 0, else slope · d. At 0 and at NaN the derivative is the slope."""
        sloped = grad * grad.format.constant(self.slope)
        x = self.x
        if np.isnan(x.mid).any():
            x = Ball(np.where(np.isnan(x.mid), 0.0, x.mid), np.where(np.isnan(x.mid), 0.0, x.rad), x.format)
        return _select(grad, x, grad, sloped)


class Sigmoid(Activation):
    """a = 1 / (1 + e^{−z})."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.a = sigmoid(x)
        return self.a

    def vjp(self, grad: Ball) -> Ball:
        """dz = d a (1 − a), from the output as every program has it: 1 − a cancels, and the ball knows."""
        one = grad.format.exact(np.ones(()))
        return grad * (self.a * (one - self.a))


class Tanh(Activation):
    """a = tanh z."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        """The slope inside the ball is at most sech² at its point nearest to 0; tanh itself costs 12u, and η."""
        f = x.format
        mid = np.tanh(x.mid)
        e = np.exp(-2 * np.maximum(np.abs(x.mid) - x.rad, 0))
        p = np.minimum(x.rad * (4 * e / (1 + e) ** 2) * (1 + 2.0**-40), 2.0)
        p = np.where(np.isinf(x.rad), np.inf, p)  # undecided may be NaN
        self.a = Ball(mid, p + TANH * f.u * (np.abs(mid) + p) + f.eta, f)
        return self.a

    def vjp(self, grad: Ball) -> Ball:
        """dz = d (1 − a²)."""
        one = grad.format.exact(np.ones(()))
        return grad * (one - self.a * self.a)


class Softmax(Leaf):
    """p_i = e^{z_i} / Σ_j e^{z_j} along `dim`."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name)
        self.dim = dim

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        if module.dim is None:
            raise ValueError(f"{cls.__name__} at {name!r} has dim=None; the judge needs the axis, for instance -1")
        return cls(name, int(module.dim))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return self._back(self._rows(x)[1])

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return self._back(softmax.softmax_backward(self.p, self._flat(grad)))

    def _flat(self, x: Ball) -> Ball:
        moved = x.moveaxis(self.dim, -1)
        self.moved = moved.shape
        return moved.reshape(math.prod(self.moved[:-1]), self.moved[-1])

    def _rows(self, x: Ball) -> tuple[Ball, Ball]:
        log_p, self.p = softmax.log_softmax(self._flat(x))
        return log_p, self.p

    def _back(self, rows: Ball) -> Ball:
        return rows.reshape(*self.moved).moveaxis(-1, self.dim)


class LogSoftmax(Softmax):
    """log p_i = z_i − log Σ_j e^{z_j} along `dim`."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return self._back(self._rows(x)[0])

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return self._back(softmax.log_softmax_backward(self.p, self._flat(grad)))


@dataclass
class Sequential:
    """Layers one after another."""

    name: str
    layers: list[Rule] = field(default_factory=list)

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, [read_model(child, _join(name, key)) for key, child in structure.children(module)])

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        for layer in self.layers:
            x = layer.forward(x, parameters)
        return x

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        for layer in reversed(self.layers):
            grad = layer.backward(grad, gradients)
        return grad

    def leaves(self) -> Iterator[Rule]:
        for layer in self.layers:
            yield from layer.leaves()


class Parallel(Sequential):
    """Branches on the same input, their outputs summed. The gradients of the branches' inputs sum as well."""

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        branches = structure.children(module)
        if len(branches) == 1 and structure.class_name(branches[0][1]) == "ModuleList":
            return cls.read(branches[0][1], _join(name, branches[0][0]))
        return super().read(module, name)

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return _stack_sum([layer.forward(x, parameters) for layer in self.layers])

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return _stack_sum([layer.backward(grad, gradients) for layer in self.layers])


RULES: dict[str, Any] = {
    rule.__name__: rule
    for rule in (Identity, LeakyReLU, Linear, LogSoftmax, Parallel, ReLU, Sequential, Sigmoid, Softmax, Tanh)
}


def read_model(module: Any, name: str = "") -> Rule:
    """The rule of a model, read by class name. A container with one child called `layers` is that child.

    Raises `TypeError` for a class without a rule, naming it and the known ones.
    """
    module = structure.unwrap(module)
    kind = structure.class_name(module)
    if kind in RULES:
        rule: Rule = RULES[kind].read(module, name)
        return rule
    parts = structure.children(module) if hasattr(module, "named_children") else []
    if [key for key, _ in parts] == ["layers"]:
        return read_model(parts[0][1], _join(name, "layers"))
    raise structure.unknown("layer", kind if not name else f"{kind} at {name!r}", RULES)


def sigmoid(x: Ball) -> Ball:
    """σ(z): the slope inside the ball is at most σ′ at its point nearest to 0; σ costs 16u (exp, 1 +, division: 10u).

    And τ: PyTorch's vector exp flushes, σ(−89) is 0 in float32 where NumPy has 2.2e-39.
    """
    f = x.format
    e = np.exp(-np.abs(x.mid))
    mid = np.where(x.mid >= 0, 1 / (1 + e), e / (1 + e))
    near = np.exp(-np.maximum(np.abs(x.mid) - x.rad, 0))
    p = np.minimum(x.rad * (near / (1 + near) ** 2) * (1 + 2.0**-40), 1.0)
    p = np.where(np.isinf(x.rad), np.inf, p)  # undecided may be NaN
    return Ball(mid, p + SIGMOID * f.u * np.minimum(mid + p, 1.0) + f.tau, f)


def _select(grad: Ball, z: Ball, above: Ball, below: Ball) -> Ball:
    """`above` where not z <= 0, else `below`; where the ball of z has 0 inside, a ball around both."""
    on = ~(z.mid <= 0)
    mid = np.where(on, above.mid, below.mid)
    rad = np.where(on, above.rad, below.rad)
    open_ = (np.abs(z.mid) <= z.rad) & (z.rad > 0)
    if open_.any():
        # From the chosen centre to the far end of the other branch.
        gap = np.abs(above.mid - below.mid)
        rad = np.where(open_, np.maximum(rad, gap + np.where(on, below.rad, above.rad)), rad)
        # NaN upstream survives one branch and not the other.
        lost = open_ & np.isnan(gap)
        if lost.any():
            mid, rad = np.where(lost, 0.0, mid), np.where(lost, np.inf, rad)
    return Ball(mid, rad, grad.format)


def _zero(like: Ball) -> Ball:
    zero: Float64 = np.zeros(like.shape)
    return Ball(zero, zero, like.format)


def _stack_sum(parts: list[Ball]) -> Ball:
    """The sum of at least one ball array, in any order."""
    if not parts:
        raise ValueError("a Parallel without branches has no output")
    if len({part.shape for part in parts}) > 1:
        raise ValueError(f"the branches of a Parallel differ in shape: {[part.shape for part in parts]}")
    f: Format = parts[0].format
    return Ball(np.stack([p.mid for p in parts]), np.stack([p.rad for p in parts]), f).sum(axis=0)


def _parameter(parameters: Parameters, name: str) -> npt.NDArray[Any]:
    try:
        return parameters[name]
    except KeyError:
        known = ", ".join(parameters)
        raise KeyError(f"the model has no parameter {name!r} of its own (shared?); it has {known}") from None


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
