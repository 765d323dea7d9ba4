"""Users' own gradients: wrong ones are refused and named, right ones are not accused, whatever they are written as.

The rows of RIGHT and WRONG are ops as users write them; one body runs over each table.
"""

import json
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest
import torch
from torch import nn

import handgrad
import scratch
import torch_impl
from handgrad import assert_parity, check_gradients, cli
from handgrad.check import CheckError, check_file, edits, oracles
from handgrad.check import differences as diff
from parity_tests.catalogue.tables import LOSSES, OPS, SIDES
from parity_tests.support.samples import loss_arrays
from parity_tests.support.strategies import Draw


@pytest.fixture(autouse=True)
def verdicts_alone(monkeypatch):
    """Which line is to blame decides nothing: it is looked for in test_check_lines and test_check_conventions."""
    monkeypatch.setattr(edits, "likeliest", lambda subject, trials: [])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu_gradient(x):
    return sigmoid(x) * (1 + x * (1 - sigmoid(x)))


def layer(forward, backward, **attributes):
    """A user's layer class from two functions of (self, …)."""
    return type("Mine", (), {"forward": forward, "backward": backward, **attributes})


def elementwise(f, derivative):
    def forward(self, x):
        self.x = x
        return f(x)

    return layer(forward, lambda self, g: g * derivative(self.x))


class Dense:
    """A layer with its parameters as plain arrays, (in, out), gradients beside them."""

    def __init__(self, n_in=3, n_out=3, dtype=np.float64):
        rng = np.random.default_rng(0)
        self.W = rng.normal(size=(n_in, n_out)).astype(dtype)
        self.b = rng.normal(size=n_out).astype(dtype)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.dW = self.weight_gradient(g)
        self.db = self.bias_gradient(g)
        return self.input_gradient(g)

    def weight_gradient(self, g):
        return self.x.T @ g

    def bias_gradient(self, g):
        return g.sum(0)

    def input_gradient(self, g):
        return g @ self.W.T


class InTables(Dense):
    """The same with its parameters in one dict and their gradients in another."""

    def __init__(self):
        dense = Dense()
        self.params, self.grads = {"W": dense.W, "b": dense.b}, {}

    W = property(lambda self: self.params["W"])
    b = property(lambda self: self.params["b"])

    def backward(self, g):
        self.grads["W"] = self.weight_gradient(g)
        self.grads["b"] = self.bias_gradient(g)
        return self.input_gradient(g)


class InLists:
    """And in two lists, whose gradients exist before the first backward."""

    def __init__(self):
        dense = Dense()
        self.params = [dense.W, dense.b]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, g):
        self.grads[0][...] = self.x.T @ g
        self.grads[1][...] = g.sum(0)
        return g @ self.params[0].T


class WithParameters:
    """And as objects with `.data` and `.grad`, to which backward adds."""

    def __init__(self):
        dense = Dense()
        self.weight = types.SimpleNamespace(data=dense.W, grad=np.zeros_like(dense.W))
        self.bias = types.SimpleNamespace(data=dense.b, grad=np.zeros_like(dense.b))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, g):
        self.weight.grad += self.x.T @ g
        self.bias.grad += g.sum(0)
        return g @ self.weight.data.T


class Net:
    """A whole model: layers in a list, no contract but forward and backward."""

    def __init__(self):
        relu = elementwise(lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype))
        self.layers = [Dense(3, 5), relu(), Dense(5, 2)]

    def forward(self, x):
        for part in self.layers:
            x = part.forward(x)
        return x

    def backward(self, g):
        for part in reversed(self.layers):
            g = part.backward(g)
        return g


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        self.p = e / e.sum(-1, keepdims=True)
        return self.p

    def backward(self, g):
        return self.p * (g - (g * self.p).sum(-1, keepdims=True))


class LayerNorm:
    def forward(self, x):
        self.s = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        self.y = (x - x.mean(-1, keepdims=True)) / self.s
        return self.y

    def backward(self, g):
        mean, along = g.mean(-1, keepdims=True), (g * self.y).mean(-1, keepdims=True)
        return (g - mean - self.y * along) / self.s


class CrossEntropy:
    """Of logits and class numbers, the mean over the batch."""

    def forward(self, logits, target):
        z = logits - logits.max(1, keepdims=True)
        self.p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        self.target = target
        return -np.log(self.p[np.arange(len(target)), target]).mean()

    def backward(self):
        g = self.p.copy()
        g[np.arange(len(g)), self.target] -= 1
        return g / len(g)


class OneHotCrossEntropy(CrossEntropy):
    """Of logits and rows of probabilities: p − t is its gradient only if these sum to 1."""

    def forward(self, logits, target):
        z = logits - logits.max(1, keepdims=True)
        self.p, self.target = np.exp(z) / np.exp(z).sum(1, keepdims=True), target
        return -(target * (z - np.log(np.exp(z).sum(1, keepdims=True)))).sum() / len(z)

    def backward(self):
        return (self.p - self.target) / len(self.p)


class ClippedCrossEntropy:
    """Of probabilities, clipped, and class numbers: outside of [0, 1] its gradient is not meant to be right."""

    def forward(self, p, target):
        self.p, self.target = np.clip(p, 1e-7, 1 - 1e-7), target
        return -np.log(self.p[np.arange(len(p)), target]).mean()

    def backward(self):
        g = np.zeros_like(self.p)
        rows = np.arange(len(g))
        g[rows, self.target] = -1 / self.p[rows, self.target] / len(g)
        return g


class HalfSquare:
    def forward(self, x, target):
        self.d = x - target
        return 0.5 * (self.d**2).sum()

    def backward(self):
        return self.d


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x**2


class WrongCube(Cube):
    @staticmethod
    def backward(ctx, g):
        return 2 * Cube.backward(ctx, g)


class HiddenKink(nn.Module):
    """The identity, with a kink inside that is not outside: autograd says 0 at 0."""

    def forward(self, x):
        return torch.relu(x) - torch.relu(-x)


class ThroughFloat32(nn.Module):
    def forward(self, x):
        return torch.tanh(x.float()).double()


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))

    def forward(self, x):
        return self.scale * torch.tanh(x.detach())


SiLU = elementwise(lambda x: x * sigmoid(x), silu_gradient)
ReLU = elementwise(lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, 1.0, 0.0).astype(x.dtype))
OtherReLU = elementwise(lambda x: np.maximum(x, 0), lambda x: np.where(x >= 0, 1.0, 0.0).astype(x.dtype))
Absolute = elementwise(np.abs, np.sign)
Leaky = elementwise(lambda x: np.where(x > 0, x, 0.1 * x), lambda x: np.where(x > 0, 1.0, 0.1).astype(x.dtype))
Softplus = elementwise(lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), sigmoid)

# op, reference, inputs
RIGHT = {
    "SiLU": (SiLU, nn.SiLU, None),
    "ReLU": (ReLU, nn.ReLU, None),
    "ReLU with slope 1 at 0": (OtherReLU, nn.ReLU, None),
    "leaky ReLU": (Leaky, nn.LeakyReLU(0.1), None),
    "leaky ReLU alone": (Leaky, None, None),
    "absolute value": (Absolute, torch.abs, None),
    "absolute value alone": (Absolute, None, np.array([0.0, -0.0, 1.0, -2.0])),
    "softplus, not analytic in its code": (Softplus, nn.Softplus, None),
    "saturated tanh": (elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2), nn.Tanh, np.linspace(-40, 40, 9)),
    "saturated sigmoid": (
        elementwise(sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
        nn.Sigmoid,
        np.arange(-45.0, 45, 9),
    ),
    "logarithm": (elementwise(np.log, lambda x: 1 / x), torch.log, None),
    "square root at 0": (elementwise(np.sqrt, lambda x: 0.5 / np.sqrt(x)), torch.sqrt, np.array([0.0, 1.0, 4.0])),
    "steep sine": (elementwise(lambda x: np.sin(300 * x), lambda x: 300 * np.cos(300 * x)), None, None),
    "near a kink": (ReLU, nn.ReLU, np.array([1e-5, -1e-6, 1e-9, -1e-12, 3e-4, 0.01])),
    "dense": (Dense, nn.Linear(3, 3), None),
    "dense in float32": (Dense(4, 3, np.float32), nn.Linear(4, 3), None),
    "dense with tables": (InTables, nn.Linear(3, 3), None),
    "dense with lists": (InLists, nn.Linear(3, 3), None),
    "dense with parameters": (WithParameters, nn.Linear(3, 3), None),
    "a whole net": (Net, None, None),
    "softmax": (Softmax, nn.Softmax(-1), None),
    "layer norm": (LayerNorm, nn.LayerNorm(3, elementwise_affine=False), None),
    "layer norm far from 0": (LayerNorm, None, 1e3 + np.arange(12.0).reshape(4, 3) ** 1.5),
    "cross entropy": (CrossEntropy, nn.CrossEntropyLoss(), None),
    "cross entropy alone": (CrossEntropy, None, None),
    "one-hot cross entropy": (OneHotCrossEntropy, nn.CrossEntropyLoss, (np.eye(3), np.eye(3)[[1, 2, 0]])),
    "clipped cross entropy": (ClippedCrossEntropy, None, None),
    "half square": (HalfSquare, None, None),
    "function of one number": ((lambda x: (x**2).sum(), lambda x: 2 * x), None, None),
    "elementwise function": ((np.sin, lambda x: np.cos(x)), torch.sin, None),
    "function with a vjp": ((lambda x: x @ x.T, lambda x, g: (g + g.T) @ x), lambda x: x @ x.T, None),
    "function with a Jacobian": ((lambda x: 3 * x[:2], lambda x: 3 * np.eye(2, 5)), None, np.arange(5.0)),
    "function of two": ((lambda a, b: a * b, lambda a, b, g: (g * b, g * a)), torch.mul, None),
    "gradient of one of two": ((lambda x, t: ((x - t) ** 2).sum(), lambda x, t: 2 * (x - t)), None, None),
    "autograd function": (Cube, lambda x: x**3, None),
    "torch linear in float32": (nn.Linear(6, 4), None, None),
    "torch net": (nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.LayerNorm(4)), None, None),
    "torch loss": (nn.SmoothL1Loss(), None, None),
    "torch cross entropy with weights": (nn.CrossEntropyLoss(torch.tensor([0.2, 1.0, 3.0])), None, None),
    "a kink inside": (HiddenKink, None, None),
    "a cast inside": (ThroughFloat32, None, None),
    "a net of ours": (scratch.MLP([3, 6, 2], rng=0), torch_impl.MLP([3, 6, 2]), None),
    "empty batch": (ReLU, nn.ReLU, np.zeros((0, 3))),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_not_accused(name):
    op, reference, inputs = RIGHT[name]
    found = check_gradients(op, inputs, reference)
    assert found, found.render()
    assert found.exit_code == 0
    assert len(found.render().splitlines()) <= 25


CHECKED = [name for name in OPS if "70" not in name and not OPS[name].random]
# float32 is judged after float64. An op without parameters is the same in both formats: to judge it in float64 alone
# would be to do that half again.
IN_DTYPES = [
    (op, dtype)
    for op in CHECKED
    for dtype in (np.float32, np.float64)
    if dtype is np.float32 or OPS[op].build(scratch, dtype).state_dict()
]


@pytest.mark.parametrize(("op", "dtype"), IN_DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_every_op_of_both_sides_is_right(op, side, dtype):
    model = OPS[op].build(SIDES[side], dtype)
    reference = OPS[op].build(torch_impl, dtype)
    reference.load_state_dict(model.state_dict())
    found = check_gradients(model, None, reference, shape=(2, OPS[op].width or 3), dtype=dtype)
    if op == "Hardsigmoid" and side == "torch":  # with 1/6 in float32, as its reference has it; differences deny both
        assert found.status == "cannot tell"
    else:
        assert found, found.render()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("op", [name for name in OPS if OPS[name].random])
def test_what_is_random_draws_the_same_in_every_call(op, side):
    """Every generator is put back before a call: the mask that backward uses is the one that forward drew."""
    found = check_gradients(OPS[op].build(SIDES[side], np.float64), shape=(2, 3))
    assert found, found.render()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("loss", [name for name, row in LOSSES.items() if row.var != "one"])  # a float, to torch
def test_every_loss_is_right(loss, reduction):
    row = LOSSES[loss]
    sides = [row.build(side, 3, np.float64, reduction) for side in SIDES.values()]
    assert_parity(*sides, loss_arrays(row, Draw("normal", "contiguous", 2), 4, 3, (), np.float64))


# --- wrong gradients --------------------------------------------------------------------------------------------------


def dense(**methods):
    return type("Mine", (Dense,), methods)


def of_silu(derivative):
    return elementwise(lambda x: x * sigmoid(x), derivative)


def spoiled(factor):
    """One entry of the weight's gradient wrong by a relative error."""

    def weight_gradient(self, g):
        gradient = self.x.T @ g
        gradient[1, 2] *= 1 + factor
        return gradient

    return dense(weight_gradient=weight_gradient)


class StaleInput(Dense):
    """Backward uses the input of the first forward it ever saw."""

    def forward(self, x):
        if not hasattr(self, "x"):
            self.x = x
        return x @ self.W + self.b


class Float32Bug(Dense):
    def input_gradient(self, g):
        return g @ self.W.T * (1.001 if g.dtype == np.float32 else 1)


MISSING = "the term x·h′(x) is missing"

# op, reference, tensor, words of the pattern
WRONG = {
    "SiLU without the product rule": (of_silu(sigmoid), nn.SiLU, "x", MISSING),
    "SiLU without the product rule, alone": (of_silu(sigmoid), None, "x", MISSING),
    "SiLU's other term": (of_silu(lambda x: x * sigmoid(x) * (1 - sigmoid(x))), None, "x", "the term h(x) is missing"),
    "SiLU at its output": (of_silu(lambda x: silu_gradient(x * sigmoid(x))), None, "x", "at the output"),
    "twice": (of_silu(lambda x: 2 * silu_gradient(x)), None, "x", "constant ratio 2"),
    "half": (of_silu(lambda x: silu_gradient(x) / 2), None, "x", "constant ratio 1/2"),
    "sign": (of_silu(lambda x: -silu_gradient(x)), None, "x", "constant ratio −1"),
    "nothing": (of_silu(lambda x: 0 * x), None, "x", "all zeros"),
    "NaN": (of_silu(lambda x: np.where(x > 0.5, np.nan, silu_gradient(x))), None, "x", "NaN"),
    "missing derivative": (of_silu(lambda x: np.ones_like(x)), None, "x", "it is the upstream gradient itself"),
    "sigmoid of the input": (elementwise(sigmoid, lambda x: x * (1 - x)), nn.Sigmoid, "x", "was given the input"),
    "tanh of the input": (elementwise(np.tanh, lambda x: 1 - x**2), nn.Tanh, "x", "was given the input"),
    "only exactly at 0": (of_silu(lambda x: np.where(x == 0, 0, silu_gradient(x))), None, "x", "only exactly here"),
    "ReLU wrong at 0": (elementwise(lambda x: np.maximum(x, 0), lambda x: np.sign(x) - 4 * (x == 0)), None, "x", ""),
    "kink outside": (
        elementwise(np.abs, lambda x: np.sign(x) + 3 * (x == 0)),
        torch.abs,
        "x",
        "outside the limits of a kink",
    ),
    "upstream ignored": (
        layer(SiLU.forward, lambda self, g: silu_gradient(self.x)),
        None,
        "x",
        "upstream gradient is ignored",
    ),
    "transposed weight": (dense(input_gradient=lambda self, g: g @ self.W), None, "x", "W is transposed in it"),
    "transposed gradient": (dense(weight_gradient=lambda self, g: g.T @ self.x), None, "W", "the transpose"),
    "missing bias sum": (dense(bias_gradient=lambda self, g: g[0]), None, "b", "missing bias sum"),
    "bias not summed": (dense(bias_gradient=lambda self, g: g), None, "b", "missing sum over the batch"),
    "bias averaged": (dense(bias_gradient=lambda self, g: g.mean(0)), None, "b", "constant ratio 1/N = 1/4"),
    "times N": (dense(weight_gradient=lambda self, g: 4 * self.x.T @ g), None, "W", "constant ratio N = 4"),
    "decayed": (
        dense(weight_gradient=lambda self, g: self.x.T @ g + 0.1 * self.W),
        None,
        "W",
        "off by 0.1 × the parameter",
    ),
    "1e-5 in one entry": (spoiled(1e-5), None, "W", "one number of the tensor only"),
    "1e-8 in one entry": (spoiled(1e-8), None, "W", "one number of the tensor only"),
    "1e-11 in one entry": (spoiled(1e-11), nn.Linear(3, 3), "W", "one number of the tensor only"),
    "stale input": (StaleInput, None, "W", "stale"),
    "only in float32": (Float32Bug, None, "x", "wrong in float32"),
    "only the diagonal": (
        layer(Softmax.forward, lambda self, g: g * self.p * (1 - self.p)),
        nn.Softmax(-1),
        "x",
        "only the diagonal of the Jacobian",
    ),
    "loss without 1/N": (
        type("Mine", (CrossEntropy,), {"backward": lambda self: CrossEntropy.backward(self) * 4}),
        nn.CrossEntropyLoss,
        "logits",
        "constant ratio N = 4",
    ),
    "autograd function": (WrongCube, lambda x: x**3, "x", "constant ratio 2"),
    "function": ((np.sin, lambda x: -np.cos(x)), None, "x", "constant ratio −1"),
    "another function": (SiLU, nn.GELU, "the output", ""),
    "another reduction": (HalfSquare, nn.MSELoss(reduction="sum"), "the output", "constant ratio 1/2"),
    "detached": (Detached, None, "x", "all zeros"),
    "no gradient of the weight": (
        type("Mine", (WithParameters,), {"backward": lambda self, g: g @ self.weight.data.T}),
        None,
        "weight",
        "all zeros",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_refused_and_named(name):
    op, reference, tensor, pattern = WRONG[name]
    dtype = np.float32 if name == "only in float32" else None
    found = check_gradients(op, None, reference, dtype=dtype)
    assert found.status == "wrong", found.render()
    assert found.exit_code == 1
    text = found.render()
    assert any(tensor in finding.tensor for finding in found.findings), text
    assert any(pattern in finding.pattern for finding in found.findings if tensor in finding.tensor), text
    assert len(text.splitlines()) <= 25


# --- nothing is passed that was not looked at -------------------------------------------------------------------------


class Hardsigmoid:
    factor = 1.0

    def forward(self, x):
        self.x = x
        return np.clip(x / 6 + 0.5, 0, 1).astype(x.dtype)

    def backward(self, g):
        return (self.factor * g * (np.abs(self.x) < 3) / 6).astype(g.dtype)


def test_a_wide_interval_silences_nobody():
    """The certified bounds of Hardsigmoid hold 1/6 and PyTorch's 1/6 in float32; the differences hold one of them."""
    found = check_gradients(nn.Hardsigmoid)
    assert found.status == "wrong"
    assert found.findings[0].expected == pytest.approx(found.findings[0].value, rel=1e-7)
    assert found.findings[0].radius < 1e-11
    mine = check_gradients(Hardsigmoid, None, nn.Hardsigmoid)
    assert mine, mine.render()
    assert "the reference's own gradient is wrong: Hardsigmoid has " in mine.render()
    near = type("Near", (Hardsigmoid,), {"factor": 1 + 1e-9})
    assert check_gradients(near, None, nn.Hardsigmoid).status == "wrong"


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


JACOBIANS = {
    "right": lambda z: np.diag(softmax(z)) - np.outer(softmax(z), softmax(z)),
    "wrong, and 0 of one number": lambda z: np.outer(softmax(z), 1 - softmax(z)),
}


@pytest.mark.parametrize("jacobian", JACOBIANS)
def test_nothing_is_checked_where_nothing_moves(jacobian):
    """The softmax of one number is 1: a gradient of 0 is right there, and says nothing of the code."""
    pair = (softmax, JACOBIANS[jacobian])
    found = check_gradients(pair, np.array([0.5]))
    assert (found.status, found.exit_code) == ("cannot tell", 2), found.render()
    assert "0 = 0 shows nothing" in found.render()
    status = "agree" if jacobian == "right" else "wrong"
    assert check_gradients(pair, np.array([0.5, -1.0, 2.0])).status == status
    assert check_gradients(pair).status == status


def test_a_step_moves_its_output_though_its_gradient_is_0():
    assert check_gradients((np.sign, lambda x: 0 * x))
    assert check_gradients((np.sign, lambda x: 0 * x + 1)).status == "wrong"


class BatchNorm:
    """Term by term: of one row, and of a column that is almost constant, large terms cancel in the gradient of x."""

    mean = variance = 1.0
    fewer = 0

    def __init__(self):
        self.gamma, self.beta = np.array([1.0, -0.5, 2.0]), np.zeros(3)

    def forward(self, x):
        self.away = x - x.mean(0)
        self.std = np.sqrt((self.away**2).mean(0) + 1e-5)
        return self.gamma * (self.away / self.std) + self.beta

    def backward(self, g):
        n = len(g)
        self.dgamma, self.dbeta = (g * self.away / self.std).sum(0), g.sum(0)
        d = g * self.gamma
        dvar = self.variance * (d * self.away * -0.5 * self.std**-3).sum(0)
        dmu = self.mean * (d * (-1.0 / self.std)).sum(0)
        return d / self.std + dvar * (2.0 / (n - self.fewer)) * self.away + dmu / n


def rows_of_every_number():
    rng = np.random.default_rng(0)
    few = [rng.normal(size=(n, 3)) for n in (1, 1, 1, 2, 3, 8)]
    return few + [1 + 1e-6 * rng.normal(size=(n, 3)) for n in (5,)]


ROUNDED = {
    "right": ({}, "agree"),
    "without the path of the mean": ({"mean": 0.0}, "wrong"),
    "without the path of the variance": ({"variance": 0.0}, "wrong"),
    "N − 1 for N": ({"fewer": 1.0 + 2**-40}, "wrong"),  # of one row too it is finite
    "one path off by a millionth": ({"variance": 1 + 1e-6}, "wrong"),
}


@pytest.mark.parametrize("wider", [np.longdouble, np.float64])
@pytest.mark.parametrize("name", ROUNDED)
def test_the_rounding_of_terms_that_cancel_is_no_mistake(name, wider, monkeypatch):
    """Where the machine has a wider format, and where it has none."""
    monkeypatch.setattr(oracles, "WIDER", wider)
    attributes, status = ROUNDED[name]
    found = check_gradients(type("Mine", (BatchNorm,), attributes), rows_of_every_number())
    assert found.status == status, found.render()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [slice(None), 1])
def test_what_is_not_finite_is_wrong(value, where):
    def backward(self, g):
        gradient = g * np.cos(self.x)
        gradient.flat[where] = value
        return gradient

    def forward(self, x):
        self.x = x
        return np.sin(x)

    found = check_gradients(layer(forward, backward))
    assert found.status == "wrong"
    assert not np.isfinite(found.findings[0].value)


@pytest.mark.parametrize(("zeros", "status"), [(4, "cannot tell"), (3, "agree"), (0, "agree")])
def test_most_numbers_untold_is_cannot_tell(zeros, status):
    """The slope of a square root at 0 is infinite: whatever backward says there, no oracle can say."""
    mine = elementwise(np.sqrt, lambda x: np.where(x == 0, 5.0, 0.5 / np.sqrt(x)))
    found = check_gradients(mine, np.array([0.0] * zeros + [1.0, 2.0, 4.0]))
    assert (found.status, found.unsure) == (status, zeros), found.render()


def cancelling(big):
    """Right, but in float32 the derivative cancels; on multiples of 1/128 it is exact."""

    def backward(self, g):
        x = self.x
        return g * 3 * (((x + x.dtype.type(big)) - x.dtype.type(big)) ** 2 if x.dtype == np.float32 else x**2)

    return layer(elementwise(lambda x: x**3, None).forward, backward)


CANCELLED = [(1e2, None, "cannot be told"), (1e3, None, "cannot be told"), (1e4, None, "wrong in float32")]
CANCELLED += [(1e4, (5,), "wrong in float32")]  # of which there is no single row


@pytest.mark.parametrize(("big", "shape", "said"), CANCELLED)
def test_cancellation_in_float32_is_seen(big, shape, said):
    assert said in check_gradients(cancelling(big), dtype="float32", shape=shape).render()
    assert said not in check_gradients(cancelling(big), dtype="float64").render()


class ThreePasses:
    """Right in float64; all that goes ahead is rounded to float32, so that differences have few long steps."""

    def __init__(self, slip=1.0):
        rng = np.random.default_rng(0)
        self.W, self.V = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 12), (12, 5)))
        self.dW, self.dV, self.slip = None, None, slip

    def forward(self, x):
        h, self.passes = x.astype(np.float32), []
        for _ in range(3):
            a = np.tanh(h @ self.W.astype(np.float32))
            self.passes.append((h, a))
            h = a @ self.V.astype(np.float32)
        return h

    def backward(self, g):
        self.dW, self.dV = np.zeros((5, 12)), np.zeros((12, 5))
        for h, a in reversed(self.passes):
            self.dV += a.T @ g
            d = g @ self.V.T * (1 - a * a)
            self.dW += h.T @ d
            g = d @ self.W.T
        self.dW[2, 3] *= self.slip
        return g


@pytest.mark.parametrize(("slip", "status"), [(1.0, "agree"), (1.2, "wrong")])
def test_rounding_to_float32_is_not_taken_for_a_fault(slip, status):
    """Of one ladder of steps alone a number was 0.6 % off, and sure to a tenth of a percent."""
    assert check_gradients(ThreePasses(slip), shape=(8, 5), seed=1).status == status


def only_float32(f, derivative):
    """Code that rounds all to float32, whatever it is given."""

    def forward(self, x):
        self.x = x.astype(np.float32)
        return f(self.x)

    return layer(forward, lambda self, g: g.astype(np.float32) * derivative(self.x))


SINGLE = {
    "sine": (np.sin, np.cos),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "exponential": (lambda x: np.exp(x / 8), lambda x: np.exp(x / 8) / 8),
    "silu": (lambda x: x * sigmoid(x), silu_gradient),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(np.float32)),
}


@pytest.mark.parametrize("name", SINGLE)
def test_code_in_float32_only_is_not_accused(name):
    f, derivative = SINGLE[name]
    for seed in range(2):
        found = check_gradients(only_float32(f, derivative), seed=seed)
        assert found, found.render()
    assert check_gradients(only_float32(f, lambda x: 1.02 * derivative(x) + np.float32(0.01))).status == "wrong"


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        (lambda a: a.astype(np.float16).astype(a.dtype), "it computes in float16"),
        (lambda a: torch.tensor(a).bfloat16().to(torch.float64).numpy(), "it computes in bfloat16"),
        (lambda a: np.round(a, 2), "it computes in steps of 1e-2"),
    ],
)
def test_code_that_rounds_below_float32_is_not_accused(rounds, words):
    def forward(self, x):
        self.x = x
        return rounds(x**2)

    found = check_gradients(layer(forward, lambda self, g: 2 * self.x * g), dtype="float64")
    assert found.status == "cannot tell"
    assert words in found.render()


def test_rounding_is_not_taken_for_float32():
    text = check_gradients(layer(lambda self, x: np.round(x), lambda self, g: g)).render()
    assert "WRONG" in text
    assert "float32" not in text


class Batch:
    """Batch normalization; γ starts as ones, where forgetting it changes nothing."""

    def __init__(self):
        self.gamma, self.beta = np.ones(3), np.zeros(3)
        self.dgamma, self.dbeta = np.zeros(3), np.zeros(3)

    def forward(self, x):
        centred = x - x.mean(0)
        self.inv = 1 / np.sqrt((centred**2).mean(0) + 1e-5)
        self.hat = centred * self.inv
        return self.gamma * self.hat + self.beta

    def backward(self, g):
        self.dgamma, self.dbeta = (g * self.hat).sum(0), g.sum(0)
        h = self.scaled(g)
        return self.inv * (h - h.mean(0) - self.hat * (h * self.hat).mean(0))

    def scaled(self, g):
        return g * self.gamma


def test_parameters_are_moved_too():
    forgets = type("Forgets", (Batch,), {"scaled": lambda self, g: g})
    for reference in (None, nn.BatchNorm1d(3)):
        assert check_gradients(Batch, None, reference)
        found = check_gradients(forgets, None, reference)
        assert [f.tensor for f in found.findings] == ["the gradient of x"]


@pytest.mark.parametrize("sum_", [lambda a: a.sum(), lambda a: a.sum(keepdims=True)], ids=["()", "(1, 1)"])
def test_a_parameter_gradient_of_another_shape_is_wrong(sum_):
    def backward(self, g):
        self.db = sum_(g)
        self.dW = self.weight_gradient(g)
        return self.input_gradient(g)

    found = check_gradients(dense(backward=backward))
    assert [f.tensor for f in found.findings][:1] == ["the gradient of b"]
    assert "its shape is " in found.render()


def hides(*names):
    """A dense layer whose backward computes no gradient of `names`."""

    def backward(self, g):
        for name, gradient in (("W", self.weight_gradient(g)), ("b", self.bias_gradient(g))):
            if name not in names:
                setattr(self, f"d{name}", gradient)
        return None if "x" in names else self.input_gradient(g)

    return dense(backward=backward)


class Held(Dense):
    """Parameters that are found nowhere: below an object, in a list, in a dict, in a tuple, in an attribute."""

    def __init__(self):
        self.box, self.list, self.dict, self.tuple = (
            types.SimpleNamespace(a=np.ones(3)),
            [np.ones(3)],
            {},
            (np.ones(3),),
        )
        self.dict["a"], self.unused, self.cache = np.ones(3), np.ones(3), np.ones(3)

    def forward(self, x):
        self.cache = x
        return x * self.box.a * self.list[0] * self.dict["a"] * self.tuple[0]

    def backward(self, g):
        return g


class Lazy:
    """A dense layer that makes its weight, of zeros, when it first sees an input."""

    def forward(self, x):
        if not hasattr(self, "weight"):
            self.weight = np.zeros((x.shape[1], 2))
        return x @ self.weight

    def backward(self, g):
        return g @ self.weight.T


class Running:
    """Statistics that forward keeps in the table of parameters, and that its output does not depend on."""

    def __init__(self):
        self.params, self.grads = {"scale": np.ones(3), "running": np.zeros(3)}, {}

    def forward(self, x):
        self.x, self.params["running"] = x, 0.9 * self.params["running"] + 0.1 * x.mean(0)
        return x * self.params["scale"]

    def backward(self, g):
        self.grads["scale"] = (g * self.x).sum(0)
        return g * self.params["scale"]


def product(a, b):
    return a * b


# op, what is not checked, status
UNSEEN = {
    "a weight": (hides("W"), {"W"}, "cannot tell"),
    "a bias": (hides("b"), {"b"}, "cannot tell"),
    "both": (hides("W", "b"), {"W", "b"}, "cannot tell"),
    "the input": (hides("x"), {"x"}, "cannot tell"),
    "everywhere": (Held, {"box.a", "list.0", "dict.a", "tuple.0"}, "cannot tell"),
    "made at the first forward": (Lazy, {"weight"}, "cannot tell"),
    "statistics": (Running, set(), "agree"),
    "one of two arguments": ((product, lambda a, b, g: g * b), {"b"}, "cannot tell"),
    "None for one of two": ((product, lambda a, b, g: (g * b, None)), {"b"}, "cannot tell"),
    "a target": ((lambda x, t: ((x - t) ** 2).sum(), lambda x, t: 2 * (x - t)), set(), "agree"),
    "class weights": (
        layer(
            lambda self, x, target: (self.w * (x - target) ** 2).sum() + setattr_(self, d=x - target),
            lambda self: 2 * self.w * self.d,
            w=property(lambda self: self.weights[0]),
            __init__=lambda self: setattr(self, "weights", (np.array([1.0, 2.0, 3.0]),)),
        ),
        {"weights.0"},
        "agree",
    ),
    "nothing": (Dense, set(), "agree"),
}


def setattr_(thing, **values):
    vars(thing).update(values)
    return 0.0


@pytest.mark.parametrize("name", UNSEEN)
def test_what_has_no_gradient_is_said(name):
    op, names, status = UNSEEN[name]
    found = check_gradients(op)
    assert set(found.as_dict()["not_checked"]) == names
    assert all(text in found.render().split("oracle")[0] for text in names)
    assert ("NOT checked" in found.render()) == bool(names)
    assert name == "everywhere" or found.status == status, found.render()


def test_one_wrong_number_of_many_is_seen():
    """More numbers than are differenced one by one: where the sample misses it, the directions through all see it."""

    def input_gradient(self, g):
        gradient = g @ self.W.T
        gradient[len(g) // 3, 20] *= 1.001
        return gradient

    kind = dense(input_gradient=input_gradient)
    patterns = {
        f.pattern for seed in range(2) for f in check_gradients(kind(50, 3), shape=(30, 50), seed=seed).findings
    }
    assert "few numbers of many" in patterns
    assert check_gradients(Dense(50, 3), shape=(30, 50))


def test_a_wrong_oracle_shows():
    """A reference with a wrong backward: the hand-written gradient is not accused, and the table says who is alone."""
    found = check_gradients((lambda x: x**3, lambda x: 3 * x**2), np.array([1.0, 2.0]), WrongCube)
    assert found
    rows = {row.oracle: row for row in found.table}
    assert rows["autograd"].agrees["hand backward"] is False
    assert rows["autograd"].agrees["central difference"] is False
    assert rows["complex step"].agrees["hand backward"] is True


# --- what is told apart from right and wrong --------------------------------------------------------------------------


def random_backward(self, g):
    return g * silu_gradient(self.x) * (1 + 1e-15 * np.random.default_rng().normal())


def scaling_backward(self, g):
    g *= silu_gradient(self.x)
    return g


def shifting_forward(self, x):
    x += 1
    self.x = x
    return np.sin(x)


class Adding(Dense):
    def __init__(self):
        super().__init__()
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward(self, g):
        self.dW += self.weight_gradient(g)
        self.db += self.bias_gradient(g)
        return self.input_gradient(g)


class Noisy:
    def forward(self, x):
        self.x = x
        return x + np.random.default_rng().normal(size=x.shape)

    def backward(self, g):
        return g


NOTES = {
    "upstream modified": (layer(SiLU.forward, scaling_backward), "it modifies the upstream gradient in place"),
    "input modified": (layer(shifting_forward, lambda self, g: g * np.cos(self.x)), "it modifies x in place"),
    "not repeatable": (layer(SiLU.forward, random_backward), "backward is not repeatable"),
    "adds": (Adding, "a second backward adds to the parameters' gradients"),
    "overwrites": (Dense, "a second backward overwrites the parameters' gradients"),
    "at a kink": (OtherReLU, "at a kink, x[0, 0]"),
    "a silent cast": (
        layer(SiLU.forward, lambda self, g: (g * silu_gradient(self.x)).astype(np.float32)),
        "a silent cast",
    ),
    "float32 inside": (ThroughFloat32, "computes in float32 even when given float64"),
    "not finite": (elementwise(lambda x: 1 / x, lambda x: -1 / x**2), "an output is not finite"),
}


@pytest.mark.parametrize("name", NOTES)
def test_what_is_no_error_is_a_note(name):
    op, words = NOTES[name]
    found = check_gradients(op)
    assert found, found.render()
    assert words in found.render()


def test_what_backward_alone_draws_is_put_back_too():
    """Forward draws nothing: that the generators must be put back is seen when the first backward has run."""

    def backward(self, g):
        return g * silu_gradient(self.x) * (1 + 1e-15 * np.random.normal())  # noqa: NPY002 - what users draw from

    found = check_gradients(layer(SiLU.forward, backward))
    assert found, found.render()
    assert "not repeatable" not in found.render()


def test_the_note_of_a_kink_says_what_pytorch_does():
    text = check_gradients(OtherReLU, np.array([0.0, 1.0]), nn.ReLU).render()
    assert "the one-sided limits are 0 … " in text
    assert "PyTorch's convention is 0" in text


def test_a_random_forward_cannot_be_told():
    found = check_gradients(Noisy)
    assert found.status == "cannot tell"
    assert found.exit_code == 2
    with pytest.raises(AssertionError, match="forward is random"):
        assert_parity(Noisy, nn.Identity)


# --- bad input --------------------------------------------------------------------------------------------------------

BAD = {
    "no op": (lambda: check_gradients(3), ["forward and backward", "int"]),
    "a lone function": (lambda: check_gradients(np.sin), ["pair (function, gradient)"]),
    "a class with arguments": (lambda: check_gradients(nn.Linear), ["Linear", "in_features, out_features"]),
    "two arrays for one": (lambda: check_gradients(SiLU, (np.ones(2), np.ones(2))), ["(x)", "2 arrays"]),
    "integers": (lambda: check_gradients(SiLU, np.arange(3)), ["floats", "int64"]),
    "text": (lambda: check_gradients(SiLU, "x"), ["arrays of numbers"]),
    "a wrong shape": (lambda: check_gradients(Dense, np.ones((2, 7))), ["(2, 7)", "ValueError"]),
    "float16": (lambda: check_gradients(SiLU, dtype="float16"), ["float32 or float64", "float16"]),
    "a gradient of three": (lambda: check_gradients((np.sin, lambda p1, q1, r1: p1)), ["not understood"]),
    "reference of two": (lambda: check_gradients(SiLU, None, lambda a, b: a), ["takes (x)", "(a, b)"]),
    "reference with parameters": (lambda: check_gradients(SiLU, None, nn.Linear(3, 3)), ["weight, bias"]),
    "reference with others": (lambda: check_gradients(Dense(3, 4), None, nn.Linear(3, 5)), ["(3, 4)", "(5, 3)"]),
    "a failing backward": (lambda: check_gradients(layer(SiLU.forward, lambda self, g: g @ 3)), ["backward failed"]),
    "no file": (lambda: check_file("nothing.py:A"), ["no file nothing.py"]),
    "no module": (lambda: check_file("nosuchthing.A"), ["nosuchthing.A"]),
    "a shape of words": (lambda: check_file("torch.nn.SiLU", shape="a,b"), ["shape", "'a,b'"]),
    "code for arguments": (lambda: check_file("torch.nn.SiLU(print())"), ["plain arguments"]),
    "a near name": (lambda: check_file("torch.nn.SiLUU"), ["did you mean SiLU"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_error(name):
    call, words = BAD[name]
    with pytest.raises(CheckError) as error:
        call()
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text


# --- a file, the command line -----------------------------------------------------------------------------------------

MINE = """
    import numpy as np

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    class Wrong:
        def forward(self, x):
            self.x = x
            return x * sigmoid(x)

        def backward(self, grad_output):
            return grad_output * sigmoid(self.x)

    class Right(Wrong):
        def backward(self, grad_output):
            s = sigmoid(self.x)
            return grad_output * s * (1 + self.x * (1 - s))

    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def forward(self, x):
            return self.factor * x

        def backward(self, grad_output):
            return self.factor * grad_output

    class Noisy(Right):
        def forward(self, x):
            return super().forward(x) + np.random.default_rng().normal()

    def square(x):
        return x**2

    def square_grad(x):
        return 2 * x

    broken = square_grad
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(MINE))
    return path


# What is appended to the file's name, the options, the exit code, words of the text.
FILES = {
    "wrong": (":Wrong", {"like": "torch.nn.SiLU"}, 1, "x·h′(x) is missing"),
    "right": (":Right", {"like": "torch.nn.SiLU", "shape": "2,3"}, 0, "agree"),
    "with arguments": (":Scale(3)", {"dtype": "float32"}, 0, "agree"),
    "a function": (":square", {}, 0, "agree"),
    "a function and its gradient": (":square,square_grad", {"like": "torch.square"}, 0, "agree"),
    "a wrong pair": (":sigmoid,square_grad", {}, 1, "WRONG"),
    "another seed": (":Wrong", {"seed": 3}, 1, "from mine import Wrong"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_checked(name, mine):
    suffix, options, code, words = FILES[name]
    found = check_file(f"{mine}{suffix}", **options)
    assert found.exit_code == code, found.render()
    assert words in found.render()
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_text_can_be_pasted(mine, capsys, monkeypatch):
    """The lines under "see it again" are a program that says the same."""
    found = check_file(f"{mine}:Wrong", like="torch.nn.SiLU")
    lines = found.render().split("see it again:")[1]
    monkeypatch.syspath_prepend(mine.parent)
    exec(textwrap.dedent(lines), {})
    assert "x·h′(x) is missing" in capsys.readouterr().out


# Arguments after `check FILE`, exit code, words on standard output or, of bad input, standard error.
COMMANDS = {
    "wrong": ([":Wrong", "--like", "torch.nn.SiLU"], 1, "x·h′(x) is missing"),
    "right": ([":Right", "--shape", "2,3", "--dtype", "float64", "--seed", "4"], 0, "the gradients agree"),
    "json": ([":Right", "--json"], 0, '"status": "agree"'),
    "random": ([":Noisy"], 2, "CANNOT TELL"),
    "no such name": ([":Rigth"], 2, "did you mean Right"),
    "no such file": (["x:Right"], 2, "no file"),
    "no name": ([""], 2, "name what to check"),
    "a function alone": ([":sigmoid"], 2, "name its gradient too"),
    "a bad shape": ([":Right", "--shape", "0"], 2, "shape"),
    "a bad dtype": ([":Right", "--dtype", "float16"], 2, "--dtype must be one of"),
    "a bad seed": ([":Right", "--seed", "-1"], 2, "--seed"),
    "a missing argument": ([":Scale"], 2, "needs arguments (factor)"),
    "an unknown reference": ([":Right", "--like", "torch.nn.SiLU2"], 2, "did you mean SiLU"),
    "a broken file": (["/../broken.py:Right"], 2, "cannot be run: ZeroDivisionError"),
    "a file that exits": (["/../exits.py:Right"], 2, "cannot be run: SystemExit"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line(name, mine, capsys):
    (suffix, *options), code, words = COMMANDS[name]
    (mine.parent / "broken.py").write_text("1 / 0")
    (mine.parent / "exits.py").write_text("raise SystemExit(0)")
    target = str(mine.parent / suffix[4:]) if suffix.startswith("/../") else f"{mine}{suffix}"
    assert cli.main(["check", target, *options]) == code
    out, err = capsys.readouterr()
    assert words in (out or err)
    assert err == "" or (out == "" and err.count("\n") == 1 and err.startswith("handgrad: error: "))


def test_numpy_code_is_checked_without_torch(mine):
    code = f"import sys; from handgrad.check import check_file; print(check_file({f'{mine}:Right'!r}).exit_code)"
    code += "; print([name for name in ('torch', 'sklearn', 'matplotlib', 'scratch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["0", "[]"]


def test_import_handgrad_is_light():
    code = "import sys, handgrad; print([name for name in ('numpy', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not hasattr(handgrad, "no_such_name")


# --- the differences themselves ---------------------------------------------------------------------------------------

CURVES = {
    "sine": (np.sin, np.cos),
    "exponential": (np.exp, np.exp),
    "steep": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
    "logarithm near 0": (lambda x: np.log(np.abs(x) + 1e-3), lambda x: np.sign(x) / (np.abs(x) + 1e-3)),
    "polynomial": (lambda x: x**5 - x, lambda x: 5 * x**4 - 1),
    "cancelling": (lambda x: (1e6 + x) - 1e6, np.ones_like),
    "in float32": (lambda x: np.sin(x).astype(np.float32).astype(np.float64), np.cos),
}


@pytest.mark.parametrize("name", CURVES)
def test_the_true_slope_is_within_the_stated_error(name):
    """And the error is not stated by far too large: at most points it is below a thousandth of the slope's size."""
    f, derivative = CURVES[name]
    unit = 2.0**-24 if name == "in float32" else 2.0**-53
    points = np.random.default_rng(0).uniform(-3, 3, 300)
    relative = []
    for x in points:
        at = f(np.array([x]))
        noise = diff.noise(lambda t, x=x: f(np.array([x + 0.01 + t])), at, unit)
        s = diff.slopes(lambda j, t, x=x: (x + t - x, f(np.array([x + t]))), at, np.ones(1), noise)
        assert not s.kink.any()
        if np.isfinite(s.error[0, 0]):
            slope = float(derivative(np.array([x]))[0])
            assert abs(s.value[0, 0] - slope) <= s.error[0, 0]
            relative.append(s.error[0, 0] / max(1, abs(slope)))
    assert len(relative) > 250
    assert np.median(relative) < 1e-3


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-9, 1e-7, 1e-5, 3e-5, 1e-4, 1e-3, 0.02, 0.3])
def test_a_kink_nearby_is_seen_or_kept_away_from(distance):
    """At the distance from the kink of |x| the slope is 1, or the limits −1 and 1 are stated, or nothing is."""
    at = np.array([distance])
    s = diff.slopes(lambda j, t: (t, np.abs(at + t)), at, np.ones(1), np.full(1, 1e-16))
    if np.isfinite(s.error).all():
        assert abs(s.value[0, 0] - 1) <= s.error[0, 0]
    elif s.kink.any():
        assert s.low[0, 0] == pytest.approx(-1, abs=1e-2)
        assert s.high[0, 0] == pytest.approx(1, abs=1e-2)
    assert s.kink.any() == (distance == 0) or distance < 1e-7
