"""Initial values: gains exactly, ranges and scales of the distributions statistically, refusals."""

import inspect
import math
import re

import numpy as np
import pytest
import torch

import scratch
from parity_tests.tables import DTYPES
from scratch import init

SHAPE = (300, 200)  # (out, in): fan_in 200, fan_out 300
N = math.prod(SHAPE)


@pytest.mark.parametrize("nonlinearity", init.GAINS)
def test_gains_are_torchs(nonlinearity):
    assert init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, math.sqrt(5), -2.0])
def test_leaky_gain_takes_the_slope(slope):
    assert init.calculate_gain("leaky_relu", slope) == torch.nn.init.calculate_gain("leaky_relu", slope)


# name → (call, uniform bound or None, standard deviation)
DISTRIBUTIONS = {
    "uniform": (lambda w, rng: init.uniform_(w, -0.3, 0.3, rng=rng), 0.3, 0.3 / math.sqrt(3)),
    "normal": (lambda w, rng: init.normal_(w, 0.0, 0.7, rng=rng), None, 0.7),
    "xavier uniform": (lambda w, rng: init.xavier_uniform_(w, 2.0, rng=rng), 2 * math.sqrt(6 / 500), None),
    "xavier normal": (lambda w, rng: init.xavier_normal_(w, 2.0, rng=rng), None, 2 * math.sqrt(2 / 500)),
    "kaiming uniform": (lambda w, rng: init.kaiming_uniform_(w, rng=rng), math.sqrt(6 / 200), None),
    "kaiming uniform, nn.Linear's": (lambda w, rng: init.kaiming_uniform_(w, math.sqrt(5), rng=rng), 200**-0.5, None),
    "kaiming normal": (lambda w, rng: init.kaiming_normal_(w, nonlinearity="relu", rng=rng), None, math.sqrt(2 / 200)),
    "kaiming normal, steep": (lambda w, rng: init.kaiming_normal_(w, 1.0, rng=rng), None, math.sqrt(1 / 200)),
    "kaiming normal fan_out": (
        lambda w, rng: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh", rng=rng),
        None,
        5 / 3 / math.sqrt(300),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name, dtype):
    """Mean and standard deviation within six of their own standard errors (a false alarm in 5e8), and the range: a
    uniform sample of 60,000 stays inside its bound and comes within 1 % of it (missed with probability e^-300)."""
    call, bound, std = DISTRIBUTIONS[name]
    weight = scratch.Parameter(np.zeros(SHAPE, dtype))
    call(weight, 0)
    w = weight.data.astype(np.float64)
    assert weight.data.dtype == dtype
    if bound is not None:
        std = bound / math.sqrt(3)
        rounding = 1 + float(np.finfo(dtype).eps)
        assert 0.99 * bound < np.abs(w).max() <= bound * rounding
    kurtosis = 9 / 5 if bound is not None else 3
    assert abs(w.mean()) < 6 * std / math.sqrt(N)
    assert abs(w.std() - std) < 6 * std * math.sqrt((kurtosis - 1) / (4 * N))


DRAWN = ["uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"]


@pytest.mark.parametrize("name", DRAWN)
def test_defaults_are_torchs_and_a_seed_repeats(name):
    theirs = inspect.signature(getattr(torch.nn.init, name)).parameters
    defaults = {n: p.default for n, p in theirs.items() if n not in {"tensor", "generator"}}
    drawn = [np.zeros((4, 3)) for _ in range(3)]
    for array, seed, options in zip(drawn, (5, 5, 6), ({}, defaults, defaults), strict=True):
        getattr(init, name)(array, **options, rng=seed)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).all()


@pytest.mark.parametrize("shape", [(4, 3), (5, 3, 2), (5, 3, 2, 7)])
def test_fans_are_torchs(shape):
    assert init.fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_is_drawn_as_torch_draws_it(dtype):
    """Both U(−1/√in, 1/√in), weights first, one generator for all; float32 is the rounded float64 draw."""
    layer = scratch.Linear(200, 300, dtype=dtype, rng=5)
    rng = np.random.default_rng(5)
    bound = 1 / math.sqrt(200)
    np.testing.assert_array_equal(layer.weight.data, rng.uniform(-bound, bound, SHAPE).astype(dtype))
    np.testing.assert_array_equal(layer.bias.data, rng.uniform(-bound, bound, 300).astype(dtype))


def test_constants():
    array = np.full((2, 3), 7.0)
    init.zeros_(array)
    assert (array == 0).all()
    init.ones_(array)
    assert (array == 1).all()
    init.constant_(array, -2.5)
    assert (array == -2.5).all()


W = np.zeros((2, 2))
FLOATS = "must be float32 or float64; got int64 (convert with .astype)"
FANS = "init: fan in and fan out need a tensor of at least 2 axes, (out, in); got shape (3,)"
NONLINEARITIES = "linear, sigmoid, tanh, relu, leaky_relu, selu"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.xavier_uniform_(np.zeros(3)), ValueError, FANS),
        (
            lambda: init.calculate_gain("rleu"),
            ValueError,
            f"calculate_gain: nonlinearity must be one of {NONLINEARITIES}; got 'rleu' (did you mean 'relu'?)",
        ),
        (
            lambda: init.calculate_gain("leaky_relu", "steep"),
            TypeError,
            "calculate_gain: param must be a number; got 'steep'",
        ),
        (
            lambda: init.kaiming_uniform_(W, mode="out"),
            ValueError,
            "kaiming: mode must be one of fan_in, fan_out; got 'out' (did you mean 'fan_out'?)",
        ),
        (lambda: init.normal_(W, std=-1), ValueError, "normal_: std must be >= 0; got -1"),
        (lambda: init.zeros_(np.zeros(3, int)), TypeError, f"init: tensor {FLOATS}"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
