"""How accurate value and derivative are: the truths that they are held against, against 150 digits."""

import mpmath
import numpy as np
import pytest
import torch

from docs.writers.accuracy.truth import ROWS, T
from handgrad import check_gradients

mp = mpmath.mp.clone()
mp.dps = 150


def softplus(x):
    return mp.log1p(mp.exp(x))


def log_cosh(x):
    return mp.log(mp.cosh(x - T))


C = mp.sqrt(2 / mp.pi)
DOCUMENTED = {
    "CELU": lambda x: x if x > 0 else mp.expm1(x),
    "ELU": lambda x: x if x > 0 else mp.expm1(x),
    "GELU": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "GELU, tanh": lambda x: x / 2 * (1 + mp.tanh(C * (x + mp.mpf("0.044715") * x**3))),
    "LogSigmoid": lambda x: -softplus(-x),
    "Mish": lambda x: x * mp.tanh(softplus(x)),
    "SELU": lambda x: (
        mp.mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else mp.mpf("1.6732632423543772848170429916717") * mp.expm1(x))
    ),
    "SiLU": lambda x: x / (1 + mp.exp(-x)),
    "Sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "Softplus": softplus,
    "Softsign": lambda x: x / (1 + abs(x)),
    "Tanh": mp.tanh,
    "Tanhshrink": lambda x: x - mp.tanh(x),
    "LogCoshLoss": log_cosh,
    "BCEWithLogitsLoss, t = 1": lambda x: softplus(-x),
    "BCEWithLogitsLoss, t = 0": softplus,
    "SoftMarginLoss, t = 1": lambda x: softplus(-x),
    "SoftMarginLoss, t = −1": softplus,
    "KLDivLoss": lambda x: mp.mpf(T) * (mp.log(T) - x),
    "PoissonNLLLoss": lambda x: mp.exp(x) - 2 * x,
}
"""PyTorch's documented formulas, at 150 digits: what cancels there still has digits enough."""

POINTS = np.array(
    [-88.0, -50.1, -17.0, -12.9, -5.3, -1.4, -0.6, -0.03, -1e-7, 1e-7, 0.02, 0.9, 2.3, 9.4, 18.7, 80.0], "f"
)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_truth_is_true(name):
    """Within a thousandth of an ulp of float32, value and derivative."""
    row, formula = ROWS[name], DOCUMENTED[name]
    x = POINTS.astype(float)
    for given, of in ((row.value(x), formula), (row.slope(x), lambda v: mp.diff(formula, v, h=mp.mpf(10) ** -40))):
        for number, v in zip(given, x, strict=True):
            truth = of(mp.mpf(v))
            if abs(truth) > 1e-50 and not (name == "Softplus" and v > 20):  # float32 has no less; the threshold is 20
                assert abs(mp.mpf(float(number)) - truth) <= abs(truth) * mp.mpf(2) ** -34, (v, number, truth)


def test_check_shows_a_form_that_keeps_the_digits():
    """1 − y² is right, and the note says what it loses and what does not."""

    def gradient(x):
        return 1 - np.tanh(x) ** 2

    found = check_gradients((np.tanh, gradient), np.array([0.5, 9.25], np.float32), torch.nn.Tanh)
    assert found.status == "agree"
    (note,) = (text for text in found.remarks if "float32" in text)
    assert note.startswith("right, but loses 24 bits of float32 at x = 9.25; this form does not: e·(1 + |tanh x|)²")
