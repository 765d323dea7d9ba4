"""Planted bugs in the activations: each is refused by the judge, in float64, on ordinary numbers."""

import math

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad.judge import judge_backward, judge_forward
from parity_tests.catalogue.tables import DTYPES

X = np.array([[-4.0, -2.5, -1.3, -0.7], [-0.2, 0.3, 0.45, 0.9], [1.7, 2.9, 5.5, 25.0]])
G = np.array([[0.7, -1.1, 0.4, 2.0], [-0.6, 1.3, 0.9, -0.8], [1.5, 0.3, -2.2, 0.5]])
X.flags.writeable = G.flags.writeable = False


def sigma(x):
    return 1 / (1 + np.exp(-x))


def phi(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def cdf(x):
    return np.vectorize(math.erfc)(-x / math.sqrt(2)) / 2


def softmin(x):
    e = np.exp(-x + x.min(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def mish_t(x):
    return np.tanh(np.log1p(np.exp(x)))


# op, wrong output (x) → y
FORWARD = {
    "relu6 clips at 5.4": (scratch.ReLU6(), lambda x: x.clip(0, 5.4)),
    "hardtanh clips at 0": (scratch.Hardtanh(), lambda x: x.clip(0, 1)),
    "threshold puts 0": (scratch.Threshold(0.4, -7.0), lambda x: np.where(x > 0.4, x, 0.0)),
    "threshold against 0": (scratch.Threshold(0.4, -7.0), lambda x: np.where(x > 0, x, -7.0)),
    "prelu adds": (scratch.PReLU(dtype=np.float64), lambda x: np.where(x > 0, x, x + 0.25)),
    "rrelu by the mean in training": (scratch.RReLU(rng=0), lambda x: np.where(x > 0, x, (1 / 8 + 1 / 3) / 2 * x)),
    "elu without −1": (scratch.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.exp(np.minimum(x, 0)))),
    "elu: α inside": (scratch.ELU(0.5), lambda x: np.where(x > 0, x, np.expm1(0.5 * np.minimum(x, 0)))),
    "celu forgets to divide": (scratch.CELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0)))),
    "selu scales the left side only": (
        scratch.SELU(),
        lambda x: np.where(x > 0, x, 1.0507009873554805 * 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    ),
    "selu with the constants of the preprint's first digits": (
        scratch.SELU(),
        lambda x: 1.0507 * np.where(x > 0, x, 1.6733 * np.expm1(np.minimum(x, 0))),
    ),
    "gelu by its tanh": (scratch.GELU(), lambda x: scratch.GELU("tanh").forward(x)),
    "gelu, tanh: by erf": (scratch.GELU("tanh"), lambda x: x * cdf(x)),
    "gelu without √2": (scratch.GELU(), lambda x: x * cdf(x * math.sqrt(2))),
    "gelu by 1.702": (scratch.GELU(), lambda x: x * sigma(1.702 * x)),
    "silu squared": (scratch.SiLU(), lambda x: x * sigma(x) ** 2),
    "mish by sigmoid": (scratch.Mish(), lambda x: x * np.tanh(sigma(x))),
    "softplus without /β": (scratch.Softplus(2.0), lambda x: np.logaddexp(0, 2 * x)),
    "softplus: threshold on x, not βx": (
        scratch.Softplus(2.0, 4.0),
        lambda x: np.where(x > 4, x, np.logaddexp(0, 2 * x) / 2),
    ),
    "logsigmoid, wrong sign": (scratch.LogSigmoid(), lambda x: np.logaddexp(0, -x)),
    "hardsigmoid by 0.2": (scratch.Hardsigmoid(), lambda x: (0.2 * x + 0.5).clip(0, 1)),
    "hardswish by relu6(x)": (scratch.Hardswish(), lambda x: x * x.clip(0, 6) / 6),
    "softsign without |.|": (scratch.Softsign(), lambda x: x / (1.001 + np.abs(x))),
    "tanhshrink, wrong sign": (scratch.Tanhshrink(), lambda x: np.tanh(x) - x),
    "hardshrink soft": (scratch.Hardshrink(), lambda x: scratch.Softshrink().forward(x)),
    "softshrink hard": (scratch.Softshrink(), lambda x: scratch.Hardshrink().forward(x)),
    "softmin is softmax": (scratch.Softmin(1), lambda x: scratch.Softmax(1).forward(x)),
    "softmin along the other axis": (scratch.Softmin(1), lambda x: scratch.Softmin(0).forward(x)),
    "glu, halves swapped": (scratch.GLU(), lambda x: x[:, 2:] * sigma(x[:, :2])),
    "glu, tanh gate": (scratch.GLU(), lambda x: x[:, :2] * np.tanh(x[:, 2:])),
}


@pytest.mark.parametrize("bug", FORWARD)
def test_a_wrong_output_is_refused(bug):
    model, wrong = FORWARD[bug]
    model.forward(X)
    assert judge_forward(model, X, model.forward(X)).held
    assert not judge_forward(model, X, wrong(X)).held


# op, wrong gradient (x, g) → dL/dx
BACKWARD = {
    "relu6 passes above 6": (scratch.ReLU6(), lambda x, g: g * (x > 0)),
    "hardtanh passes everything": (scratch.Hardtanh(), lambda x, g: g),
    "threshold by value": (scratch.Threshold(0.4, -7.0), lambda x, g: g * (x > -7)),
    "elu: y + α, y without α": (scratch.ELU(0.5), lambda x, g: g * np.where(x > 0, 1, np.exp(np.minimum(x, 0)))),
    "celu as elu": (scratch.CELU(0.5), lambda x, g: g * np.where(x > 0, 1, 0.5 * np.exp(np.minimum(x, 0)))),
    "selu: λ lost": (scratch.SELU(), lambda x, g: g * np.where(x > 0, 1, 1.758 * np.exp(np.minimum(x, 0)))),
    "gelu: product rule forgotten": (scratch.GELU(), lambda x, g: g * cdf(x)),
    "gelu: φ without x": (scratch.GELU(), lambda x, g: g * (cdf(x) + phi(x))),
    "gelu, tanh: 0.044715 for 3 · 0.044715": (
        scratch.GELU("tanh"),
        lambda x, g: g * (s := sigma(twice_v(x))) * (1 + x * (1 - s) * 2 * 0.7978845608028654 * (1 + 0.044715 * x * x)),
    ),
    "silu: 1 − σ lost": (scratch.SiLU(), lambda x, g: g * sigma(x) * (1 + x)),
    "silu: product rule forgotten": (scratch.SiLU(), lambda x, g: g * sigma(x)),
    "mish: σ lost": (scratch.Mish(), lambda x, g: g * (mish_t(x) + x * (1 - mish_t(x) ** 2))),
    "mish: tanh for tanh²": (scratch.Mish(), lambda x, g: g * (mish_t(x) + x * sigma(x) * (1 - mish_t(x)))),
    "softplus: β twice": (scratch.Softplus(2.0), lambda x, g: g * 2 * sigma(2 * x)),
    "softplus: β lost": (scratch.Softplus(2.0), lambda x, g: g * sigma(x)),
    "logsigmoid: σ for 1 − σ": (scratch.LogSigmoid(), lambda x, g: g * sigma(x)),
    "hardsigmoid by 0.2": (scratch.Hardsigmoid(), lambda x, g: g * 0.2 * (np.abs(x) < 3)),
    "hardsigmoid unclipped": (scratch.Hardsigmoid(), lambda x, g: g / 6),
    "hardswish: product rule forgotten": (scratch.Hardswish(), lambda x, g: g * (x + 3).clip(0, 6) / 6),
    "softsign: not squared": (scratch.Softsign(), lambda x, g: g / (1 + np.abs(x))),
    "tanhshrink as tanh": (scratch.Tanhshrink(), lambda x, g: g * (1 - np.tanh(x) ** 2)),
    "hardshrink passes the small": (scratch.Hardshrink(), lambda x, g: g * (np.abs(x) <= 0.5)),
    "softshrink one-sided": (scratch.Softshrink(), lambda x, g: g * (x > 0.5)),
    "softmin: sign lost": (scratch.Softmin(1), lambda x, g: (y := softmin(x)) * (g - (g * y).sum(1, keepdims=True))),
    "softmin as if elementwise": (scratch.Softmin(1), lambda x, g: -(y := softmin(x)) * (1 - y) * g),
    "prelu: slope of another sign": (scratch.PReLU(dtype=np.float64), lambda x, g: np.where(x > 0, g, -0.25 * g)),
    "rrelu: as relu": (scratch.RReLU(rng=0), lambda x, g: np.where(x > 0, g, 0.0)),
    "rrelu: fresh slopes": (
        scratch.RReLU(rng=0),
        lambda x, g: np.where(x > 0, g, np.random.default_rng(1).uniform(1 / 8, 1 / 3, x.shape) * g),
    ),
}


def twice_v(x):
    return 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


@pytest.mark.parametrize("bug", BACKWARD)
def test_a_wrong_gradient_is_refused(bug):
    model, wrong = BACKWARD[bug]
    model.forward(X)
    right = model.backward(G)
    gradients = dict(model.named_gradients())
    assert judge_backward(model, X, G, right, gradients).held
    assert not judge_backward(model, X, G, wrong(X, G), gradients).held


def test_a_wrong_gradient_of_a_gate_is_refused():
    model, g = scratch.GLU(), G[:, :2]
    model.forward(X)
    a, b = X[:, :2], X[:, 2:]
    for second in (g * sigma(b) * (1 - sigma(b)), g * a * sigma(b)):  # a forgotten, 1 − σ forgotten
        assert not judge_backward(model, X, g, np.concatenate([g * sigma(b), second], 1), {}).held


@pytest.mark.parametrize("wrong", [lambda t: t, lambda t: np.where(X > 0, 0, t).mean(0), lambda t: -t])
def test_a_wrong_slope_gradient_is_refused(wrong):
    """All numbers instead of those at most 0, the mean instead of the sum, the sign."""
    model = scratch.PReLU(4, dtype=np.float64)
    model.forward(X)
    grad_input = model.backward(G)
    assert judge_backward(model, X, G, grad_input, {"weight": model.weight.grad}).held
    terms = wrong(X * G)
    gradient = terms if terms.ndim == 1 else terms.sum(0)
    assert not judge_backward(model, X, G, grad_input, {"weight": gradient}).held


KINKS = {
    "relu6": (scratch.ReLU6(), [0.0, 6.0]),
    "hardtanh": (scratch.Hardtanh(), [-1.0, 1.0]),
    "threshold": (scratch.Threshold(0.5, 0.5), [0.5]),
    "prelu": (scratch.PReLU(dtype=np.float64), [0.0]),
    "elu": (scratch.ELU(2.0), [0.0]),
    "selu": (scratch.SELU(), [0.0]),
    "hardsigmoid": (scratch.Hardsigmoid(), [-3.0, 3.0]),
    "hardswish": (scratch.Hardswish(), [-3.0, 3.0]),
    "hardshrink": (scratch.Hardshrink(), [-0.5, 0.5]),
    "softshrink": (scratch.Softshrink(), [-0.5, 0.5]),
}


@pytest.mark.parametrize("name", KINKS)
def test_the_derivative_at_a_kink_is_pinned(name):
    """At an exact kink only PyTorch's side holds; the derivative of the other side, an ulp away, is refused."""
    model, kinks = KINKS[name]
    for kink in kinks:
        at, one = np.array([kink]), np.ones(1)
        model.forward(at)
        right = model.backward(one)
        gradients = {"weight": at * (at <= 0)} if name == "prelu" else {}
        assert judge_backward(model, at, one, right, gradients).held
        others = []
        for side in (-1e-3, 1e-3):
            model.forward(at + side)
            others.append(model.backward(one))
        other = max(others, key=lambda v: abs(v - right)[0])
        assert not judge_backward(model, at, one, other, gradients).held


# --- a tail in which the usual form cancels ---------------------------------------------------------------------------

TAIL_BUGS = {"zero": 0, "twice": 2, "minus": -1}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["Tanh", "Sigmoid"])
@pytest.mark.parametrize("factor", TAIL_BUGS.values(), ids=TAIL_BUGS)
def test_a_tail_of_wrong_sign_or_size_is_refused(factor, kind, dtype):
    """Of a number of the tail, as long as the own output is not rounded to 1, where 1 − y is exactly 0 for all."""
    reach = (8.5 if dtype == np.float32 else 18) * (1 + (kind == "Sigmoid"))
    x = np.linspace(reach * 0.8, reach * 0.95, 5).astype(dtype)
    op, upstream = getattr(scratch, kind)(), np.full_like(x, -1.7)
    y = op.forward(x)
    gradient = op.backward(upstream)
    assert judge_backward(op, x, upstream, gradient, output=y).held
    for i in range(x.size):
        bad = gradient.copy()
        bad[i] *= factor
        assert not judge_backward(op, x, upstream, bad, output=y).held


@pytest.mark.parametrize("kind", ["Tanh", "Sigmoid"])
@pytest.mark.parametrize("factor", [2, -1])
def test_a_tail_beyond_the_last_bit(factor, kind):
    """Where y is 1, what is not 0 has the derivative's sign and size, or is refused; a 0 is noted as lost."""
    x = np.linspace(20, 30, 5).astype(np.float32)
    op, upstream = getattr(scratch, kind)(), np.ones(5, np.float32)
    y, slope = op.forward(x), (4 * np.exp(-2 * x) if kind == "Tanh" else np.exp(-x))
    assert judge_backward(op, x, upstream, slope, output=y).notes == []
    assert not judge_backward(op, x, upstream, factor * slope, output=y).held
    (note,) = judge_backward(op, x, upstream, np.zeros_like(x), output=y).notes
    assert note.startswith("gradient of the input: right, but loses 24 bits at x = 20; this form does not: e")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["Tanh", "Sigmoid"])
def test_what_cancels_is_right_and_noted(kind, dtype):
    """PyTorch's derivative is made of the rounded output: right, and the note says what it loses."""
    x = np.linspace(-45, 45, 91).astype(dtype)
    verdict = judge_backward(torch_impl.Model(getattr(torch.nn, kind)()), x, np.ones_like(x))
    bits = np.finfo(dtype).nmant + 1
    assert verdict.held
    assert f"right, but loses {bits} bits at x = " in verdict.render()
    assert bool(judge_backward(getattr(scratch, kind)(), x, np.ones_like(x)).notes) == (kind == "Sigmoid")
