"""How many digits are right where a formula may cancel: hand-written values and gradients against 60-digit truths.

A certified bound of float32 is wide enough to let log(1 − p) pass for log1p(−p), or eˣ − 1 for expm1(x), and random
inputs seldom reach where it matters. Here the inputs are those: tiny ones, large ones of either sign, probabilities
next to 0 and 1, numbers that are nearly equal, means far above their spread.

Errors are counted in ulps of the true value. A few formulas of the package lose digits by design, the same as PyTorch's
(σ′ = y (1 − y) from a y next to 1, see `Sigmoid`): of these the error is counted in ulps of the number that is rounded
before the difference, which is named in the row.

Met are at most 3.2 ulps in either dtype on one processor: a few roundings. NumPy's exp, log and tanh differ by
processor and are off by up to 4 ulps themselves, so the limit is 8. Where no such function stands it is what the
roundings of two or three operations leave, or 0 where a difference is exact. The unstable forms, in `UNSTABLE`, are off
by a hundred times their limit at least.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import mpmath
import numpy as np
import pytest

import scratch
from handgrad import catalogue
from handgrad.bugs import Bug, Edit, planted
from parity_tests.catalogue.tables import DTYPES, SIDES
from parity_tests.support.every import classes
from scratch.losses.pairs import EPSILON

mp = mpmath.mp.clone()
mp.dps = 60

MAGNITUDES = [
    *(1e-30, 1e-20, 1e-12, 1e-8, 1e-7, 1e-5, 1e-3, 0.03, 0.1, 0.3, 0.7),
    *(1, 1.5, 2, 4, 5, 8, 11, 15, 18, 22, 40, 80),
]
FEW = (8, 8)
"""Ulps of value and gradient."""

X = sorted([*MAGNITUDES, *(-m for m in MAGNITUDES)])


def ulps(given, truth, beside=0):
    """|given − truth| in ulps of the truth, or of `beside` where that is larger."""
    tiny = np.finfo(given.dtype).tiny
    unit = mp.mpf(float(np.finfo(given.dtype).eps)) * mp.mpf(2) ** mp.floor(
        mp.log(max(abs(truth), abs(mp.mpf(beside)), mp.mpf(float(tiny))), 2)
    )
    return float(abs(mp.mpf(float(given)) - truth) / unit)


# --- elementwise activations -----------------------------------------------------------------------------------------


def sigma(x):
    return 1 / (1 + mp.exp(-x))


def phi(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


C, K = mp.sqrt(2 / mp.pi), mp.mpf("0.044715")
LAMBDA, ALPHA = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")


def zero(*_):
    return 0


@dataclass(frozen=True)
class Truth:
    """f and f′ of an activation, the limits of both in ulps, and what the ulps are of where a difference is meant."""

    build: Callable[[Any], Any]
    f: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    limits: tuple[float, float]
    beside: tuple[Callable[[Any], Any], Callable[[Any], Any]] = (zero, zero)


def one(x):
    return 1


def same(x):
    return x


ACTIVATIONS = {
    "Sigmoid": Truth(lambda s: s.Sigmoid(), sigma, lambda x: sigma(x) * sigma(-x), FEW, (zero, sigma)),
    "Tanh": Truth(lambda s: s.Tanh(), mp.tanh, lambda x: mp.sech(x) ** 2, FEW),
    "Tanhshrink": Truth(
        lambda s: s.Tanhshrink(),
        lambda x: x - mp.tanh(x) if abs(x) > 1e-9 else x**3 / 3 - 2 * x**5 / 15,
        lambda x: mp.tanh(x) ** 2,
        FEW,
    ),
    "LogSigmoid": Truth(lambda s: s.LogSigmoid(), lambda x: -mp.log1p(mp.exp(-x)), lambda x: sigma(-x), FEW),
    "Softplus": Truth(lambda s: s.Softplus(threshold=1e3), lambda x: mp.log1p(mp.exp(x)), sigma, FEW),
    "Softsign": Truth(lambda s: s.Softsign(), lambda x: x / (1 + abs(x)), lambda x: (1 + abs(x)) ** -2, FEW),
    "ELU": Truth(
        lambda s: s.ELU(),
        lambda x: x if x > 0 else mp.expm1(x),
        lambda x: 1 if x > 0 else mp.exp(x),
        FEW,
    ),
    "CELU": Truth(
        lambda s: s.CELU(2.0),
        lambda x: x if x > 0 else 2 * mp.expm1(x / 2),
        lambda x: 1 if x > 0 else mp.exp(x / 2),
        FEW,
    ),
    "SELU": Truth(
        lambda s: s.SELU(),
        lambda x: LAMBDA * (x if x > 0 else ALPHA * mp.expm1(x)),
        lambda x: LAMBDA * (1 if x > 0 else ALPHA * mp.exp(x)),
        FEW,
    ),
    "SiLU": Truth(lambda s: s.SiLU(), lambda x: x * sigma(x), lambda x: sigma(x) * (1 + x * sigma(-x)), FEW),
    "Mish": Truth(
        lambda s: s.Mish(),
        lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
        lambda x: mp.tanh(mp.log1p(mp.exp(x))) + x * sigma(x) * mp.sech(mp.log1p(mp.exp(x))) ** 2,
        FEW,
    ),
}


# Here e^{−x²/2} and e^{2v} are taken of a rounded exponent: its relative error is multiplied by the exponent.
CONDITIONED = {
    "GELU": (  # f′ is a sum that is 0 at −0.75
        Truth(lambda s: s.GELU(), lambda x: x * cdf(x), lambda x: cdf(x) + x * phi(x), FEW, (zero, cdf)),
        lambda x: x * x / 2,
    ),
    "GELU tanh": (
        Truth(
            lambda s: s.GELU("tanh"),
            lambda x: x * sigma(2 * C * (x + K * x**3)),
            lambda x: (
                sigma(2 * C * (x + K * x**3))
                + x * sigma(2 * C * (x + K * x**3)) * sigma(-2 * C * (x + K * x**3)) * 2 * C * (1 + 3 * K * x * x)
            ),
            FEW,
        ),
        lambda x: abs(2 * C * (x + K * x**3)),
    ),
}


def errors(row, dtype, condition=zero, side="scratch"):
    """The largest errors of value and gradient, in ulps."""
    x = np.array(X, dtype)
    model = row.build(SIDES[side])
    given = model.forward(x), model.backward(np.ones_like(x))
    worst = []
    for array, truth, beside in zip(given, (row.f, row.slope), row.beside, strict=True):
        points = [(g, mp.mpf(float(v))) for g, v in zip(array, x, strict=True)]
        worst.append(max(ulps(g, truth(v), beside(v)) / (1 + condition(v)) for g, v in points))
    return worst


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_keeps_its_digits(name, dtype):
    row = ACTIVATIONS[name]
    for error, limit in zip(errors(row, dtype), row.limits, strict=True):
        assert error <= limit


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CONDITIONED)
def test_gelu_keeps_its_digits(name, dtype):
    row, condition = CONDITIONED[name]
    for error, limit in zip(errors(row, dtype, condition), row.limits, strict=True):
        assert error <= limit


# --- losses ----------------------------------------------------------------------------------------------------------

P = [1e-30, 1e-12, 1e-8, 1e-4, 0.1, 0.5, 0.9, 1 - 2.0**-10, 0.9999987654321, 1 - 2.0**-24]
T = [0.0, 1.0, 0.5, 2.0**-20, 1 - 2.0**-20]


def log1pexp(x):
    return mp.log1p(mp.exp(x))


def near(dtype):
    """Pairs that differ in their last bits."""
    t = np.array([1e-20, 0.1, 1.0, 3.7, 1e4], dtype)
    return [(dtype(x), dtype(v)) for v in t for x in (np.nextafter(v, dtype(9e9)), v * dtype(1 + 2.0**-20))]


@dataclass(frozen=True)
class LossTruth:
    """value and slope of one element with its target, their limits in ulps, and what the ulps may be of instead."""

    kind: str
    points: Callable[[Any], list[tuple[Any, Any]]]
    value: Callable[[Any, Any], Any]
    slope: Callable[[Any, Any], Any]
    limits: tuple[float, float]
    beside: tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]] = (zero, zero)
    shape: tuple[int, ...] = ()  # of one point's arrays
    options: tuple[tuple[str, Any], ...] = ()


def grid(x, t):
    return lambda dtype: [(dtype(a), dtype(b)) for a in x for b in t]


LOSSES = {
    "BCE": LossTruth(
        "BCELoss", lambda dtype: grid([*P, *[1 - 1.2345e-10] * (dtype == np.float64)], T)(dtype),
        lambda p, t: -(t * mp.log(p) + (1 - t) * mp.log1p(-p)),
        lambda p, t: (p - t) / max(p * (1 - p), mp.mpf(float(np.float32(1e-12)))), FEW,
    ),
    "BCEWithLogits": LossTruth(
        "BCEWithLogitsLoss", grid(X, T), lambda x, t: t * log1pexp(-x) + (1 - t) * log1pexp(x),
        lambda x, t: (1 - t) * sigma(x) - t * sigma(-x), FEW,
        (lambda x, t: (1 - t) * x * (t != 0), lambda x, t: t * (1 - t)),
    ),
    "SoftMargin": LossTruth(
        "SoftMarginLoss", grid(X, [1.0, -1.0]), lambda x, t: log1pexp(-t * x), lambda x, t: -t * sigma(-t * x), FEW
    ),
    "MultiLabelSoftMargin": LossTruth(
        "MultiLabelSoftMarginLoss", grid(X, [0.0, 1.0]), lambda x, t: t * log1pexp(-x) + (1 - t) * log1pexp(x),
        lambda x, t: (1 - t) * sigma(x) - t * sigma(-x), FEW, shape=(1,),
    ),
    "MSE": LossTruth("MSELoss", near, lambda x, t: (x - t) ** 2, lambda x, t: 2 * (x - t), (2, 1)),
    "half squared error": LossTruth(
        "HalfSquaredError", near, lambda x, t: (x - t) ** 2 / 2, lambda x, t: x - t, (2, 1), shape=(1,)
    ),
    "L1": LossTruth("L1Loss", near, lambda x, t: abs(x - t), lambda x, t: mp.sign(x - t), (1, 0)),
    "SmoothL1": LossTruth("SmoothL1Loss", near, lambda x, t: (x - t) ** 2 / 2, lambda x, t: x - t, (2, 1)),
    "Huber": LossTruth("HuberLoss", near, lambda x, t: (x - t) ** 2 / 2, lambda x, t: x - t, (2, 1)),
    "KLDiv": LossTruth(  # t log t − t x
        "KLDivLoss", grid([-30.0, -8.0, -1.0, -1e-6, 0.0], [1e-12, 0.25, 0.5, 1.0]),
        lambda x, t: t * (mp.log(t) - x), lambda x, t: -t, (FEW[0], 0), (lambda x, t: t * max(-x, -mp.log(t)), zero),
    ),
    "KLDiv log_target": LossTruth(
        "KLDivLoss", lambda dtype: [(-abs(x), -abs(t)) for x, t in near(dtype)[2:8]],
        lambda x, t: mp.exp(t) * (t - x), lambda x, t: -mp.exp(t), FEW, options=(("log_target", True),),
    ),
    "PoissonNLL": LossTruth(  # eˣ − t x, and eˣ − t
        "PoissonNLLLoss", grid([-80.0, -20.0, -1e-8, 1e-8, 1.0, 20.0], [0.0, 1.0, 20.0]),
        lambda x, t: mp.exp(x) - t * x, lambda x, t: mp.exp(x) - t, FEW, (lambda x, t: t * x, lambda x, t: t),
    ),
    "HingeEmbedding": LossTruth(
        "HingeEmbeddingLoss", grid([0.5, 1 - 2.0**-20, -1e4], [-1.0]), lambda x, t: 1 - x, lambda x, t: -1, (1, 0)
    ),
}  # fmt: skip
LOSSES |= {
    name: LossTruth(
        name,
        lambda dtype, truth=row.truth: [(dtype(x), dtype(t)) for x, t in truth.points],
        partial(row.truth.value, mp),
        partial(row.truth.slope, mp),
        FEW,
        (partial(row.truth.beside, mp), zero),
    )
    for name, row in catalogue.LOSSES.items()
    if row.truth
}
# Made of maxima and of what stands above; or with more than one input, further down.
ELSEWHERE = {"MultiMarginLoss", "MultiLabelMarginLoss", "MarginRankingLoss", "NLLLoss"}
VECTORS = {"CrossEntropyLoss", "CosineEmbeddingLoss", "GaussianNLLLoss"}


def test_every_loss_is_here():
    kinds = {row.kind for row in LOSSES.values()}
    assert kinds | ELSEWHERE | VECTORS == classes(scratch.Loss, scratch.PairLoss) - {"ClassLoss"}


def loss_errors(row, dtype, side="scratch"):
    points = row.points(dtype)
    x, t = (np.array(a, dtype).reshape(len(points), *row.shape) for a in zip(*points, strict=True))
    loss = getattr(SIDES[side], row.kind)(reduction="none", **dict(row.options))
    value = loss.forward(x, t)
    given, worst = (value.ravel(), loss.backward(np.ones_like(value)).ravel()), []
    for array, truth, beside in zip(given, (row.value, row.slope), row.beside, strict=True):
        exact = [(g, mp.mpf(float(a)), mp.mpf(float(b))) for g, (a, b) in zip(array, points, strict=True)]
        worst.append(max(ulps(g, truth(a, b), beside(a, b)) for g, a, b in exact))
    return worst


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_keeps_its_digits(name, dtype):
    row = LOSSES[name]
    for error, limit in zip(loss_errors(row, dtype), row.limits, strict=True):
        assert error <= limit


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_sure_and_of_close_scores(dtype):
    """log Σ eˣ is a logarithm beside 1, and p − 1 a difference beside 1; p of the other class keeps its digits.

    e^{−x} is taken of an exact number, so that nothing is multiplied by x.
    """
    for x in (1e-8, 0.1, 1.0, 5.0, 16.0, 40.0, 80.0):
        loss = scratch.CrossEntropyLoss()
        exact = mp.mpf(float(dtype(x)))
        value = loss.forward(np.array([[x, 0.0]], dtype), np.array([0]))
        first, second = loss.backward()[0]
        assert ulps(value, log1pexp(-exact), 1) <= 2
        assert ulps(first, -sigma(-exact), 1) <= 2
        assert ulps(second, sigma(-exact)) <= 4 + float(exact)  # e^y of a y that is rounded beside x


@pytest.mark.parametrize("dtype", DTYPES)
def test_nearly_parallel_vectors(dtype):
    """1 − cos beside 1; the gradient's two terms beside 1/|x|."""
    for nudge in (0.0, 2.0**-10, 2.0**-20):
        x1, x2 = np.array([[3.0, 4.0]], dtype), np.array([[3.0, 4.0 + nudge]], dtype)
        loss = scratch.CosineEmbeddingLoss()
        value = loss.forward(x1, x2, np.ones(1, dtype))
        grad1, grad2 = loss.backward()
        a, b = ([mp.mpf(float(v)) for v in x[0]] for x in (x1, x2))
        dot, la, lb = (sum(p * q for p, q in zip(*pair, strict=True)) for pair in ((a, b), (a, a), (b, b)))
        la, lb = la + EPSILON, lb + EPSILON
        cos = dot / mp.sqrt(la * lb)
        assert ulps(value, 1 - cos, 1) <= 4
        for gradient, own, other, length in ((grad1, a, b, la), (grad2, b, a, lb)):
            for given, p, q in zip(gradient[0], own, other, strict=True):
                assert ulps(given, cos * p / length - q / mp.sqrt(la * lb), 0.2) <= 8


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gaussian_near_its_mean(dtype):
    """(x − t)² of numbers that differ in their last bits, over a variance far below their squares."""
    v = dtype(2.0**-40)
    for x, t in near(dtype):
        loss = scratch.GaussianNLLLoss(eps=0.0)
        value = loss.forward(np.array([x]), np.array([t]), np.array([v]))
        grad_input, grad_var = loss.backward()
        d, variance = mp.mpf(float(x)) - mp.mpf(float(t)), mp.mpf(float(v))
        assert ulps(value, (mp.log(variance) + d * d / variance) / 2, mp.log(variance)) <= 2
        assert ulps(grad_input[0], d / variance) <= 1
        assert ulps(grad_var[0], (1 / variance - (d / variance) ** 2) / 2, max(1 / variance, (d / variance) ** 2)) <= 4


# Computed in float64 and rounded once: each float32 result is the float64 one, rounded. (GELU's exact form takes fewer
# terms for float32: beside the zero of its derivative these show.)
ROUNDED_ONCE = {
    "SiLU": scratch.SiLU,
    "Mish": scratch.Mish,
    "GELU by tanh": partial(scratch.GELU, approximate="tanh"),
    "LogCoshLoss": partial(scratch.LogCoshLoss, reduction="none"),
    "PoissonNLLLoss": partial(scratch.PoissonNLLLoss, reduction="none"),
}


@pytest.mark.parametrize("name", ROUNDED_ONCE)
def test_what_is_computed_in_float64_is_rounded_once(name):
    """At drawn inputs, and beside the zeros of values and derivatives, where the single formats lose digits."""
    rng = np.random.default_rng(0)
    beside = np.concatenate([at + rng.normal(size=200) * 1e-3 for at in (-1.278, -1.192, -0.752, 0, 0.693)])
    x = np.concatenate([rng.normal(size=400) * 4, beside]).astype(np.float32)
    target = [rng.uniform(1, 2, x.size).astype(np.float32)] if name.endswith("Loss") else []
    single, double = (ROUNDED_ONCE[name]() for _ in range(2))
    pairs = [(single.forward(x, *target), double.forward(*(a.astype(np.float64) for a in (x, *target))))]
    upstream = np.ones_like(x)
    pairs.append((single.backward(upstream), double.backward(upstream.astype(np.float64))))
    for given, truth in pairs:
        assert given.dtype == np.float32
        np.testing.assert_array_equal(given, truth.astype(np.float32))


# --- normalization: a mean far above the spread ----------------------------------------------------------------------

NORMS = {
    "LayerNorm": lambda side, dtype: side.LayerNorm(64, eps=0.0, dtype=dtype),
    "GroupNorm": lambda side, dtype: side.GroupNorm(1, 64, eps=0.0, dtype=dtype),
    "BatchNorm1d": lambda side, dtype: side.BatchNorm1d(2, eps=1e-30, momentum=1.0, dtype=dtype),
}


def norm_error(name, dtype, far, side="scratch"):
    """Of x̂ and of the running variance, in units of ε·far: what a rounding of the mean costs, `far` in spreads."""
    x = (far + np.random.default_rng(0).normal(size=(2, 64))).astype(dtype)
    layer = NORMS[name](SIDES[side], dtype)
    given = layer.forward(np.ascontiguousarray(x.T) if name == "BatchNorm1d" else x)
    given = given.T if name == "BatchNorm1d" else given
    worst = 0.0
    for row, found in zip(x, given, strict=True):
        numbers = [mp.mpf(float(v)) for v in row]
        mean = sum(numbers) / 64
        variance = sum((v - mean) ** 2 for v in numbers) / 64
        worst = max(
            worst, *(float(abs(f - (v - mean) / mp.sqrt(variance))) for v, f in zip(numbers, found, strict=True))
        )
    if name == "BatchNorm1d":  # of the last row
        running = layer.state_dict()["running_var"][1] / (64 / 63)
        worst = max(worst, float(abs(running - variance) / variance))
    return worst / (float(np.finfo(dtype).eps) * far)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("far", [2.0**7, 2.0**10])
@pytest.mark.parametrize("name", NORMS)
def test_a_mean_far_above_the_spread(name, far, dtype):
    """The mean of 64 numbers is off by a few ulps of itself; E[x²] − μ² is off by ε·far², 100 times as much."""
    assert norm_error(name, dtype, far) <= 4


# --- the forms that lose them ----------------------------------------------------------------------------------------

# what is changed in the hand-written side, and the row that must show it
UNSTABLE: dict[str, tuple[Edit, str]] = {
    "elu: eˣ − 1": (Edit("ELU.forward", "np.expm1(not_positive(x))", "(np.exp(not_positive(x)) - 1)"), "ELU"),
    "celu: eˣ − 1": (
        Edit("CELU.forward", "np.expm1(self._exponent(x, self.alpha))", "(np.exp(self._exponent(x, self.alpha)) - 1)"),
        "CELU",
    ),
    "selu: eˣ − 1": (Edit("SELU.forward", "np.expm1(not_positive(x))", "(np.exp(not_positive(x)) - 1)"), "SELU"),
    "logsigmoid: log(1 + e)": (
        Edit("LogSigmoid.forward", "np.log1p(np.exp(-np.abs(x)))", "np.log(1 + np.exp(-np.abs(x)))"),
        "LogSigmoid",
    ),
    "logsigmoid: log of the sigmoid": (
        Edit("LogSigmoid.forward", "np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))", "np.log(sigmoid(x))"),
        "LogSigmoid",
    ),
    "logsigmoid: 1 − σ": (Edit("LogSigmoid.backward", "sigmoid(-x)", "(1 - sigmoid(x))"), "LogSigmoid"),
    "softplus: log(1 + e)": (
        Edit("activations.functions.softplus", "np.log1p(np.exp(-np.abs(x)))", "np.log(1 + np.exp(-np.abs(x)))"),
        "Softplus",
    ),
    "softplus′: 1 − σ(−x)": (Edit("Softplus.backward", "sigmoid(z)", "(1 - sigmoid(-z))"), "Softplus"),
    "sigmoid: 1 − e/(1 + e)": (
        Edit(
            "activations.functions.sigmoid",
            "np.maximum(x >= 0, e) / (1 + e)",
            "np.where(x >= 0, 1 / (1 + e), 1 - 1 / (1 + e))",
        ),
        "Sigmoid",
    ),
    "tanhshrink′: 1 − (1 − t²)": (Edit("Tanhshrink.backward", "(t * t)", "(1 - (1 - t * t))"), "Tanhshrink"),
    "silu: x − x σ(−x)": (Edit("SiLU.forward", "z * s)", "z - z * rest)"), "SiLU"),
    "silu′: σ + xσ′ of a σ from 1 − σ(−x)": (
        Edit("SiLU.backward", "(s * (1 + z * rest))", "(1 - rest + z * s * rest)"),
        "SiLU",
    ),
    "tanh′: 1 − y²": (
        Edit("Tanh.backward", "np.exp(-2 * np.minimum(np.abs(x), 400)) * (1 + y * (2 + y))", "1 - y * y"),
        "Tanh",
    ),
    "tanhshrink: x − tanh x": (Edit("Tanhshrink.forward", "near * (q / (1 + q))", "x - t"), "Tanhshrink"),
    "log cosh: |d| + log(1 + e^−2|d|) − log 2": (
        Edit("LogCoshLoss.forward", "np.log1p(h * h) / 2", "size + np.log1p(e * e) - math.log(2)"),
        "LogCoshLoss",
    ),
    "bce-logits: (1 − t) x + softplus(−x)": (
        Edit(
            "BCEWithLogitsLoss.forward",
            "(1 - target) * input + straight + curved",
            "(1 - target) * input + (straight + curved)",
        ),
        "BCEWithLogits",
    ),
    "bce-logits′: σ − t": (
        Edit("BCEWithLogitsLoss.backward", "sigmoid_minus(x, target)", "sigmoid(x) - target"),
        "BCEWithLogits",
    ),
    "mish: (u² − 1)/(u² + 1)": (
        Edit("Mish.forward", "s * (1 + q) / (1 + q * q)", "1 - 2 / ((1 + np.exp(z.clip(-80, 40))) ** 2 + 1)"),
        "Mish",
    ),
    "gelu: 1 + erf": (Edit("GELU.forward", "tail, z - tail", "z - (z - tail), z - tail"), "GELU"),
    "gelu tanh: ½(1 + tanh)": (
        Edit("GELU.forward", "z * cdf)", "z * (1 - rest))"),
        "GELU tanh",
    ),
    "bce: log(1 − p)": (Edit("BCELoss.forward", "np.log1p(-input)", "np.log(1 - input)"), "BCE"),
    "bce′: p − p²": (Edit("BCELoss.backward", "p * (1 - p)", "p - p * p"), "BCE"),
    "bce-logits: log(1 + e)": (
        Edit("BCEWithLogitsLoss.forward", "np.log1p(np.exp(-np.abs(input)))", "np.log(1 + np.exp(-np.abs(input)))"),
        "BCEWithLogits",
    ),
    "soft margin: log(1 + e)": (
        Edit("losses.binary.softplus", "np.log1p(np.exp(-np.abs(x)))", "np.log(1 + np.exp(-np.abs(x)))"),
        "SoftMargin",
    ),
    "soft margin′: 1 − σ": (
        Edit("SoftMarginLoss.backward", "sigmoid(-target * x)", "(1 - sigmoid(target * x))"),
        "SoftMargin",
    ),
    "multi-label soft margin′: σ − t": (
        Edit(
            "activations.functions.sigmoid_minus",
            "((1 - target) * np.maximum(positive, e) - target * np.maximum(~positive, e)) / (1 + e)",
            "np.maximum(positive, e) / (1 + e) - target",
        ),
        "MultiLabelSoftMargin",
    ),
    "mse: x² − 2xt + t²": (
        Edit("MSELoss.forward", "difference * difference", "input * input - 2 * input * target + target * target"),
        "MSE",
    ),
    "half squared error: x² − 2xt + t²": (
        Edit(
            "HalfSquaredError.forward",
            "difference * difference",
            "input * input - 2 * input * target + target * target",
        ),
        "half squared error",
    ),
    "kl: eᵗt − eᵗx": (
        Edit("KLDivLoss.forward", "share * (target - input)", "share * target - share * input"),
        "KLDiv log_target",
    ),
    "norms: E[x²] − μ²": (
        Edit("layers.normalization.standardized", "mean(d * d, axes)", "np.abs(mean(x * x, axes) - mu * mu)"),
        "LayerNorm",
    ),
}


@pytest.mark.parametrize("form", UNSTABLE)
def test_an_unstable_form_is_seen(form):
    """In at least one dtype by a hundred times its limit."""
    edit, name = UNSTABLE[form]
    with np.errstate(all="ignore"), planted(Bug("digits", form, (edit,))):
        excess = 0.0
        for dtype in DTYPES:
            if name in NORMS:
                excess = max(excess, norm_error(name, dtype, 2.0**10) / 4)
                continue
            row, condition = CONDITIONED.get(name) or (ACTIVATIONS.get(name), zero)
            found = errors(row, dtype, condition) if row else loss_errors(LOSSES[name], dtype)
            limits = (row or LOSSES[name]).limits
            excess = max(excess, *(error / max(limit, 1) for error, limit in zip(found, limits, strict=True)))
    assert excess > 100, excess
