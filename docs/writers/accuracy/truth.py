"""What every elementwise activation and loss should give: value and derivative in float64, without cancellation.

A row's functions take float64 arrays that hold numbers of the working format. They are made of exp, expm1, log1p, tanh,
sinh, erfc and erfcx, each right to a few units of 2⁻⁵³, and of products, quotients and sums of one sign. A sum of two
signs stands only where the derivative has a zero. So the relative error is far below 2⁻⁴⁰, that is 2⁻¹⁶ ulp of float32;
a test holds the curved ones against 150 digits of mpmath.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Float64 = npt.NDArray[np.float64]
Function = Callable[[Float64], Float64]


@dataclass(frozen=True)
class Row:
    """An op with its options; of a loss the target as well."""

    kind: str
    value: Function
    slope: Function
    options: tuple[tuple[str, Any], ...] = ()
    target: float | None = None
    zeros: tuple[float, ...] = ()
    """Where the derivative has a zero that is no number of the format: its relative error there is x's, not its own."""
    roots: tuple[float, ...] = ()
    """Such zeros of the value."""
    domain: tuple[float, float] = (-math.inf, math.inf)
    said: str = ""
    """What the reader of the table should know."""

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.options)


def sigmoid(x: Float64) -> Float64:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


def sigmoid_slope(x: Float64) -> Float64:
    return sigmoid(x) * sigmoid(-x)


def softplus(x: Float64) -> Float64:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def sech2(x: Float64) -> Float64:
    e = np.exp(-2 * np.abs(x))
    return np.asarray(4 * e / (1 + e) ** 2)


def tanhshrink(x: Float64) -> Float64:
    """x − tanh x: near 0 by its series, −Σ_{n≥2} of tanh's, whose term after the last one here is below 2⁻⁵³."""
    s = x * x
    series = np.zeros_like(x)
    for n in range(13, 1, -1):
        series = series * s + _TANH[n]
    return np.where(np.abs(x) < 0.25, -series * s * x, x - np.tanh(x))


def _tanh_terms() -> list[float]:
    """tanh x = Σ t_n x^{2n−1}: from tanh′ = 1 − tanh², (2n − 1) t_n = −Σ t_i t_{n−i}, t_1 = 1."""
    t = [0.0, 1.0]
    for n in range(2, 14):
        t.append(-sum(t[i] * t[n - i] for i in range(1, n)) / (2 * n - 1))
    return t


_TANH = _tanh_terms()


def log_cosh(d: Float64) -> Float64:
    s = np.abs(d)
    near = np.log1p(2 * np.sinh(np.minimum(s, 1) / 2) ** 2)
    return np.asarray(np.where(s < 1, near, s + np.log1p(np.expm1(-2 * s) / 2)))


def special(name: str, x: Float64) -> Float64:
    return np.asarray(getattr(torch.special, name)(torch.from_numpy(np.ascontiguousarray(x))).numpy())


def _tail(a: Float64) -> Float64:
    """Φ(−a) e^{a²/2} for a ≥ 0."""
    return 0.5 * special("erfcx", a / math.sqrt(2))


def _gauss(a: Float64) -> Float64:
    """e^{−a²/2}, for an a of float32, whose square is exact in float64."""
    return np.asarray(np.exp(-0.5 * np.minimum(a, 60.0) ** 2))


def gelu(x: Float64) -> Float64:
    a = np.abs(x)
    tail = _gauss(a) * _tail(a)
    return x * np.where(x < 0, tail, 1 - tail)


def gelu_slope(x: Float64) -> Float64:
    a = np.abs(x)
    tail = _gauss(a) * (_tail(a) - np.minimum(a, 1e30) / math.sqrt(2 * math.pi))
    return np.where(x < 0, tail, 1 - tail)


def _twice_v(x: Float64) -> Float64:
    x = np.clip(x, -1e3, 1e3)
    return 2 * math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)


def gelu_tanh_slope(x: Float64) -> Float64:
    z, near = _twice_v(x), np.clip(x, -1e3, 1e3)
    return sigmoid(z) * (1 + near * sigmoid(-z) * (2 * math.sqrt(2 / math.pi) * (1 + 0.134145 * near * near)))


def silu_slope(x: Float64) -> Float64:
    return sigmoid(x) * (1 + x * sigmoid(-x))


def mish(x: Float64) -> tuple[Float64, Float64, Float64]:
    w = np.exp(-np.abs(x))
    top = np.where(x < 0, w * (w + 2), 1 + 2 * w)
    rest = np.where(x < 0, 2.0, 2 * w * w)
    return x * (top / (top + rest)), top / (top + rest), rest / (top + rest)


def mish_slope(x: Float64) -> Float64:
    """t + x σ(x) (1 − t)(1 + t); left of 0, where t = w (w + 2)/D and 1 − t = 2/D, with the factor w/D taken out."""
    _, t, rest = mish(x)
    w = np.exp(-np.abs(x))
    left = w * (w + 2 + x * (1 + t) * (2 / (1 + w))) / (w * (w + 2) + 2)
    return np.where(x < 0, left, t + x * sigmoid(x) * rest * (1 + t))


def elu(alpha: float, scale: float = 1.0) -> tuple[Function, Function]:
    def value(x: Float64) -> Float64:
        return np.where(x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x, 0)))

    def slope(x: Float64) -> Float64:
        return np.where(x > 0, scale, scale * alpha * np.exp(np.minimum(x, 0)))

    return value, slope


def straight(*pieces: tuple[float, float, float]) -> tuple[Function, Function]:
    """(end, slope, intercept) of each piece, from the left; a piece has its right end, and the last one has none."""

    def index(x: Float64) -> npt.NDArray[np.intp]:
        return np.searchsorted([end for end, _, _ in pieces[:-1]], x, side="left")

    def value(x: Float64) -> Float64:
        at = index(x)
        steep, flat = (np.array([float(piece[i]) for piece in pieces])[at] for i in (1, 2))
        return np.where(steep == 0, flat, steep * x + flat)

    def slope(x: Float64) -> Float64:
        return np.array([float(steep) for _, steep, _ in pieces])[index(x)]

    return value, slope


def before(x: float) -> float:
    """The float64 before x: a piece that ends there does not have x."""
    return float(np.nextafter(x, -np.inf))


INF = math.inf
LAMBDA, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

ACTIVATIONS: dict[str, Row] = {
    "CELU": Row("CELU", *elu(1.0)),
    "ELU": Row("ELU", *elu(1.0)),
    "GELU": Row(
        "GELU",
        gelu,
        gelu_slope,
        zeros=(-0.7517915246935645,),
    ),
    "GELU, tanh": Row(
        "GELU",
        lambda x: x * sigmoid(_twice_v(x)),
        gelu_tanh_slope,
        (("approximate", "tanh"),),
        zeros=(-0.7524614220710163,),
    ),
    "Hardshrink": Row("Hardshrink", *straight((before(-0.5), 1, 0), (0.5, 0, 0), (INF, 1, 0))),
    "Hardsigmoid": Row(
        "Hardsigmoid",
        lambda x: np.clip((x + 3) / 6, 0, 1),
        straight((-3, 0, 0), (before(3), 1 / 6, 0), (INF, 0, 1))[1],
    ),
    "Hardswish": Row(
        "Hardswish",
        lambda x: x * np.clip((x + 3) / 6, 0, 1),
        lambda x: np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, (2 * np.clip(x, -3, 3) + 3) / 6)),
        zeros=(-1.5,),
    ),
    "Hardtanh": Row("Hardtanh", *straight((-1, 0, -1), (before(1), 1, 0), (INF, 0, 1))),
    "LeakyReLU": Row("LeakyReLU", *straight((0, 0.01, 0), (INF, 1, 0))),
    "LogSigmoid": Row("LogSigmoid", lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "Mish": Row("Mish", lambda x: mish(x)[0], mish_slope, zeros=(-1.1924312451495547,)),
    "PReLU": Row("PReLU", *straight((0, 0.25, 0), (INF, 1, 0))),
    "ReLU": Row("ReLU", *straight((0, 0, 0), (INF, 1, 0))),
    "ReLU6": Row("ReLU6", *straight((0, 0, 0), (before(6), 1, 0), (INF, 0, 6))),
    "SELU": Row("SELU", *elu(ALPHA, LAMBDA)),
    "SiLU": Row("SiLU", lambda x: x * sigmoid(x), silu_slope, zeros=(-1.2784645427610738,)),
    "Sigmoid": Row(
        "Sigmoid",
        sigmoid,
        sigmoid_slope,
        said="It keeps y (1 − y), as PyTorch: `BCELoss` divides by the same y (1 − y). See its docstring. "
        "e/(1 + e)² with e = exp(−|x|) is within 5 ulp.",
    ),
    "Softplus": Row("Softplus", softplus, lambda x: np.where(x > 20, 1.0, sigmoid(x))),
    "Softshrink": Row("Softshrink", *straight((before(-0.5), 1, 0.5), (0.5, 0, 0), (INF, 1, -0.5))),
    "Softsign": Row("Softsign", lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2.0),
    "Tanh": Row(
        "Tanh",
        np.tanh,
        sech2,
        said="NumPy's float32 exp is off by up to 2.4 ulp, and five roundings follow: up to 4.3 ulp, at a few inputs "
        "in a million between 0.1 and 2. In float64, where SiLU's is computed, it would take twice the time.",
    ),
    "Tanhshrink": Row(
        "Tanhshrink",
        tanhshrink,
        lambda x: np.tanh(x) ** 2,
        said="Lambert's fraction rounds some seven times: up to 4.2 ulp, at about one input in a million near 0.09.",
    ),
    "Threshold": Row(
        "Threshold", *straight((0.5, 0, -7), (INF, 1, 0)), (("threshold", 0.5), ("value", -7.0))
    ),
}  # fmt: skip

T = 0.3125
"""The target of a regression: a number of every format."""

LOSSES: dict[str, Row] = {
    "MSELoss": Row("MSELoss", lambda x: (x - T) ** 2, lambda x: 2 * (x - T), target=T),
    "L1Loss": Row("L1Loss", lambda x: np.abs(x - T), lambda x: np.sign(x - T), target=T),
    "SmoothL1Loss": Row(
        "SmoothL1Loss",
        lambda x: np.where(np.abs(x - T) < 1, (x - T) ** 2 / 2, np.abs(x - T) - 0.5),
        lambda x: np.clip(x - T, -1, 1),
        target=T,
    ),
    "HuberLoss": Row(
        "HuberLoss",
        lambda x: np.where(np.abs(x - T) < 1, (x - T) ** 2 / 2, np.abs(x - T) - 0.5),
        lambda x: np.clip(x - T, -1, 1),
        target=T,
    ),
    "LogCoshLoss": Row(
        "LogCoshLoss",
        lambda x: log_cosh(x - T),
        lambda x: np.tanh(x - T),
        target=T,
    ),
    "BCELoss, t = 1": Row(
        "BCELoss",
        lambda p: -np.maximum(np.log(p), -100),
        lambda p: (p - 1) / np.maximum(p * (1 - p), float(np.float32(1e-12))),
        target=1.0,
        domain=(0.0, 1.0),
        said="The derivative with PyTorch's clamp of p (1 − p) at 1e-12",
    ),
    "BCELoss, t = 0": Row(
        "BCELoss",
        lambda p: -np.maximum(np.log1p(-p), -100),
        lambda p: p / np.maximum(p * (1 - p), float(np.float32(1e-12))),
        target=0.0,
        domain=(0.0, 1.0),
        said="The derivative with PyTorch's clamp of p (1 − p) at 1e-12",
    ),
    "BCEWithLogitsLoss, t = 1": Row("BCEWithLogitsLoss", lambda x: softplus(-x), lambda x: -sigmoid(-x), target=1.0),
    "BCEWithLogitsLoss, t = 0": Row("BCEWithLogitsLoss", softplus, sigmoid, target=0.0),
    "SoftMarginLoss, t = 1": Row("SoftMarginLoss", lambda x: softplus(-x), lambda x: -sigmoid(-x), target=1.0),
    "SoftMarginLoss, t = −1": Row("SoftMarginLoss", softplus, sigmoid, target=-1.0),
    "HingeEmbeddingLoss, t = −1": Row(
        "HingeEmbeddingLoss",
        lambda x: np.maximum(1 - x, 0),
        lambda x: np.where(x <= 1, -1.0, 0.0),
        target=-1.0,
    ),
    "KLDivLoss": Row(
        "KLDivLoss",
        lambda x: T * (math.log(T) - x),
        lambda x: np.full(x.shape, -T),
        target=T,
        roots=(math.log(T),),
    ),
    "PoissonNLLLoss": Row(
        "PoissonNLLLoss",
        lambda x: np.exp(x) - 2 * x,
        lambda x: np.exp(x) - 2,
        target=2.0,
        zeros=(math.log(2),),
    ),
}

ROWS: dict[str, Row] = {**ACTIVATIONS, **LOSSES}
