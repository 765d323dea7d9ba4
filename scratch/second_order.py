"""Hv, the Hessian of a network's loss times a vector, by Pearlmutter's R-operator: exact, and without ever forming H.

For a direction v in parameter space let R{q} = d/dr q(w + r v) at r = 0: how fast any quantity q of the network moves
when the parameters w move along v. R is a derivative, so it obeys the sum, product and chain rules. The parameters
themselves have R{w} = v, data has R{x} = 0, and

    R{∇L(w)} = H v,

so whoever applies R to every line of the gradient's computation, forward and backward, computes Hv. That is all this
file does: beside each quantity of the two passes it carries its R (a `Dual`), and it reads each layer's and each loss's
first derivative from the layer and the loss themselves.

At kinks, where f″ does not exist, it is 0, PyTorch's value as well.
Source: Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6 (1994); Bishop, Pattern Recognition
and Machine Learning (2006), section 5.4.6.
"""

import math
from collections.abc import Callable, Mapping
from copy import copy
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from contract import checks
from scratch.activations import Identity, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from scratch.activations.functions import along, sigmoid
from scratch.containers import Parallel, Sequential
from scratch.flags import product, without_underflow
from scratch.layers import Linear
from scratch.layers.linear import ones
from scratch.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, Loss, MSELoss, NLLLoss
from scratch.losses.classes import classes_first, classes_second
from scratch.losses.loss import Target
from scratch.mlp import MLP
from scratch.module import Array, Module, Parameter

__all__ = ["hessian_vector_product"]

NAME = "hessian_vector_product"


class Dual(NamedTuple):
    """A quantity q and its R{q}, of one shape."""

    value: Array
    r: Array


Backward = Callable[[Dual], Dual]
"""dL/dy and its R → dL/dx and its R."""


@without_underflow
def hessian_vector_product(
    model: Module, loss: Loss, x: Array, y: Target, vector: Mapping[str, Array]
) -> dict[str, Array]:
    """Hv of L(w) = loss(model(x), y) with respect to the model's parameters w, by their names.

    `vector` is v: an array of the parameter's shape and dtype under every parameter's name, as in `state_dict`. x and y
    are what `model.forward` and `loss.forward` take. Parameters, gradients, and what model and loss remember for their
    own backward stay as they are.

    >>> import numpy as np, scratch
    >>> model = scratch.MLP((1, 1), bias=False, dtype=np.float64)    # L = (w·3 − 1)², so H = 2·3² = 18
    >>> vector = {"layers.0.weight": np.array([[2.0]])}
    >>> hessian_vector_product(model, scratch.MSELoss(), np.array([[3.0]]), np.array([[1.0]]), vector)
    {'layers.0.weight': array([[36.]])}

    Raises what forward raises; ValueError for a vector that does not fit and for `reduction="none"`, where there is no
    one L; TypeError for a layer or a loss whose second derivative is not written here.
    """
    checks.belongs(NAME, "model", model, Module, "a module")
    checks.belongs(NAME, "loss", loss, Loss, "a loss")
    checks.choice(NAME, "loss.reduction", loss.reduction, ("mean", "sum"))
    parameters = dict(model.named_parameters())
    checks.vector(NAME, {name: (w.data.shape, w.data.dtype) for name, w in parameters.items()}, vector)
    checks.supported(NAME, loss, CURVATURES)
    directions = {w: vector[name] for name, w in parameters.items()}
    products = {w: np.zeros_like(w.data) for w in directions}
    output, backward = trace(model, Dual(x, np.zeros_like(x)), directions, products)
    loss = copy(loss)
    loss.forward(output.value, y)
    backward(Dual(loss.backward(), np.asarray(CURVATURES[type(loss)](loss, output.r))))
    return {name: products[w] for name, w in parameters.items()}


def trace(
    module: Module, x: Dual, vector: Mapping[Parameter, Array], products: dict[Parameter, Array]
) -> tuple[Dual, Backward]:
    """The forward pass through `module`, and its backward pass, which adds the module's share of Hv to `products`.

    The chain rule is the same for R as for values. In a row, one module's output is the next one's input. Side by side,
    the outputs add up on the way forward and the input gradients on the way back.
    """
    if type(module) is Linear:
        return linear(module, x, vector, products)
    if type(module) not in (MLP, Parallel, Sequential):
        checks.supported(NAME, module, [Linear, MLP, Parallel, Sequential, *RULES])
        return RULES[type(module)](copy(module), x)  # the copy remembers this call, the module its own
    outputs: list[Dual] = []
    steps: list[Backward] = []
    for child in module._modules.values():
        y, step = trace(child, x, vector, products)
        outputs.append(y)
        steps.append(step)
        if type(module) is not Parallel:
            x = y
    if type(module) is Parallel:
        checks.same_branches(module.name, [y.value.shape for y in outputs])
        return total(outputs), lambda g: total([step(g) for step in steps])
    return x, lambda g: reduce(lambda g, step: step(g), reversed(steps), g)


def total(parts: list[Dual]) -> Dual:
    """The sum of at least one: R of a sum is the sum of the Rs."""
    return reduce(lambda a, b: Dual(a.value + b.value, a.r + b.r), parts)


def linear(
    layer: Linear, x: Dual, vector: Mapping[Parameter, Array], products: dict[Parameter, Array]
) -> tuple[Dual, Backward]:
    """y = x Wᵀ + b. With V = R{W} and v = R{b}, this layer's part of the vector, the product rule gives

        R{y} = R{x} Wᵀ + x Vᵀ + v

    and from dL/dW = δᵀ x, dL/db = 1ᵀ δ and dL/dx = δ W (see `Linear`), with δ = dL/dy,

        R{dL/dW} = R{δ}ᵀ x + δᵀ R{x}        R{dL/db} = 1ᵀ R{δ}        R{dL/dx} = R{δ} W + δ V.

    The first two are this layer's part of Hv.
    """
    y = copy(layer).forward(x.value)
    W, V = layer.weight.data, vector[layer.weight]
    r = product(x.r, W.T) + product(x.value, V.T)
    if layer.bias is not None:
        r += vector[layer.bias]

    def backward(g: Dual) -> Dual:
        samples = math.prod(y.shape[:-1])  # one unbatched sample is a batch of one
        rows = Dual(*(a.reshape(samples, layer.in_features) for a in x))
        delta = Dual(*(a.reshape(samples, layer.out_features) for a in g))
        products[layer.weight] += product(delta.r.T, rows.value) + product(delta.value.T, rows.r)
        if layer.bias is not None:
            products[layer.bias] += product(ones(samples, y.dtype), delta.r)
        return Dual(product(g.value, W), product(g.r, W) + product(g.value, V))

    return Dual(y, r), backward


# f″ of the elementwise activations y = f(x), in terms of y; None where f is made of straight lines, and f″ is 0.
SECOND: dict[type[Module], Callable[[Array], Array] | None] = {
    Identity: None,
    ReLU: None,
    LeakyReLU: None,
    Sigmoid: lambda y: y * (1 - y) * (1 - 2 * y),  # f′ = y(1 − y), so f″ = (1 − 2y) f′
    Tanh: lambda y: -2 * y * (1 - y * y),  # f′ = 1 − y², so f″ = −2y f′
}


def elementwise(layer: Module, x: Dual) -> tuple[Dual, Backward]:
    """y = f(x): R{y} = f′(x) R{x}; and from dL/dx = g f′(x), R{dL/dx} = R{g} f′(x) + g f″(x) R{x}.

    Multiplying by f′(x) is what the layer's own backward does, whatever it is given.
    """
    y, second = layer.forward(x.value), SECOND[type(layer)]

    def backward(g: Dual) -> Dual:
        r = layer.backward(g.r)
        return Dual(layer.backward(g.value), r if second is None else r + g.value * (second(y) * x.r))

    return Dual(y, layer.backward(x.r)), backward


def softmax(layer: Softmax, x: Dual) -> tuple[Dual, Backward]:
    """y = softmax(x): ∂y_i/∂x_j = y_i(δ_ij − y_j) is symmetric, so R{y} = y (R{x} − Σ y R{x}), as in the backward pass;
    and from dL/dx = y (g − Σ g y),

        R{dL/dx} = R{y} (g − Σ g y) + y (R{g} − Σ (R{g} y + g R{y})).
    """
    y = Dual(layer.forward(x.value), layer.backward(x.r))

    def backward(g: Dual) -> Dual:
        centred = g.value - (g.value * y.value).sum(along(x.value, layer.dim), keepdims=True)
        return Dual(
            layer.backward(g.value),
            y.r * centred
            + layer.backward(g.r)
            - y.value * (g.value * y.r).sum(along(x.value, layer.dim), keepdims=True),
        )

    return y, backward


def log_softmax(layer: LogSoftmax, x: Dual) -> tuple[Dual, Backward]:
    """y = x − log Σ eˣ: with p = eʸ = softmax(x), R{y} = R{x} − Σ p R{x} and R{p} = p R{y}; and from dL/dx = g − p Σ g,

    R{dL/dx} = R{g} − p Σ R{g} − R{p} Σ g.
    """
    y = layer.forward(x.value)
    p = np.exp(y)
    r = x.r - (p * x.r).sum(along(x.value, layer.dim), keepdims=True)

    def backward(g: Dual) -> Dual:
        return Dual(
            layer.backward(g.value), layer.backward(g.r) - p * r * g.value.sum(along(x.value, layer.dim), keepdims=True)
        )

    return Dual(y, r), backward


RULES: dict[type[Module], Callable[[Any, Dual], tuple[Dual, Backward]]] = {
    **dict.fromkeys(SECOND, elementwise),
    Softmax: softmax,
    LogSoftmax: log_softmax,
}


def no_curvature(loss: Loss, r: Array) -> Array:
    """L1 and NLL are made of straight lines: dL/dx does not move with x."""
    return np.zeros_like(r)


def mse(loss: MSELoss, r: Array) -> Array:
    """dL/dx = 2u (x − t), so R{dL/dx} = 2u R{x}."""
    *_, u = loss._recall(None)
    return np.asarray(2 * u * r)


def bce(loss: BCELoss, r: Array) -> Array:
    """dL/dp = u w (−t/p + (1 − t)/(1 − p)), so R{dL/dp} = u w (t (1 − p)² + (1 − t) p²) / (p (1 − p))² R{p}.

    PyTorch clamps the first derivative's denominator but here adds 1e-12 to p and to 1 − p; so does this.
    """
    p, t, weight, u = loss._recall(None)
    denominator = (p + 1e-12) * (1 - p + 1e-12)
    curvature = (t * (1 - p) ** 2 + (1 - t) * p**2) / (denominator * denominator)
    return np.asarray(u * r * (curvature if weight is None else curvature * weight))


def bce_with_logits(loss: BCEWithLogitsLoss, r: Array) -> Array:
    """dL/dx = u w (l σ(x) − c t) with l = 1 + (c − 1) t, and σ′ = σ(x) σ(−x), so R{dL/dx} = u w l σ′ R{x}."""
    x, t, weight, pos_weight, u = loss._recall(None)
    curvature = sigmoid(x) * sigmoid(-x)
    for factor in (weight, None if pos_weight is None else pos_weight * t + 1 - t):
        curvature = curvature if factor is None else curvature * factor
    return np.asarray(u * r * curvature)


def cross_entropy(loss: CrossEntropyLoss, r: Array) -> Array:
    """dL/dx = u (p Σ Q − Q) with p = softmax(x), so R{dL/dx} = u Σ Q R{p} = u Σ Q p (R{x} − Σ p R{x})."""
    log_p, q, at, _, u = loss._recall(None)
    p, r = np.exp(log_p), classes_first(r)
    total = q.sum(0) if at is None else q
    return classes_second(u * total * p * (r - (p * r).sum(0)))


# R{dL/dx} of every loss, from R{x} and what the loss remembers; u weighs each value in the result (see `losses`).
CURVATURES: dict[type[Loss], Callable[[Any, Array], Array]] = {
    BCELoss: bce,
    BCEWithLogitsLoss: bce_with_logits,
    CrossEntropyLoss: cross_entropy,
    L1Loss: no_curvature,
    MSELoss: mse,
    NLLLoss: no_curvature,
}
