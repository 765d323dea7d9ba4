"""Initial values: gains and structure exactly, distributions with a stated chance of a false alarm, refusals.

For n independent draws from a distribution function F, the largest distance D of F from the share of draws up to x has
P(D > d) ≤ 2·exp(−2nd²), for every n (Dvoretzky, Kiefer, Wolfowitz; Massart 1990). So D ≤ `nearness(n)` but for one seed
in 10⁹; seeds are fixed. Means of numbers in [−1, 1] lie within twice as much of theirs (Hoeffding 1963).
"""

import inspect
import math
import re
import warnings
from functools import partial

import numpy as np
import pytest
import torch

import scratch
from parity_tests.catalogue.tables import DTYPES
from scratch import init
from scratch.flags import norm, product

SHAPE = (300, 200)  # (out, in): fan_in 200, fan_out 300
ERF = np.vectorize(math.erf)


def nearness(n, alarm=1e-9):
    """2·exp(−2nd²) = alarm."""
    return math.sqrt(math.log(2 / alarm) / (2 * n))


def distance(draws, cdf):
    """The largest distance of a distribution function from the one of the draws, which jumps by 1/n at each."""
    x = np.sort(draws, axis=None)
    below = np.arange(x.size) / x.size
    return max(abs(cdf(x) - below).max(), abs(cdf(x) - below - 1 / x.size).max())


def uniform(low, high):
    return lambda x: np.clip((x - low) / (high - low), 0, 1)


def normal(mean, std):
    return lambda x: (1 + ERF((x - mean) / (std * math.sqrt(2)))) / 2


@pytest.mark.parametrize("nonlinearity", init.GAINS)
def test_gains_are_torchs(nonlinearity):
    assert init.calculate_gain(nonlinearity) == torch.nn.init.calculate_gain(nonlinearity)


def test_every_gain_of_torch_is_there():
    names = re.findall(r'"(\w+)"', inspect.getsource(torch.nn.init.calculate_gain).partition('"""')[2])
    assert set(init.GAINS) == {name for name in names if name in torch.nn.init._NonlinearityType.__args__}
    assert set(init.GAINS) == set(torch.nn.init._NonlinearityType.__args__)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, math.sqrt(5), -2.0, 3])
def test_leaky_gain_takes_the_slope(slope):
    assert init.calculate_gain("leaky_relu", slope) == torch.nn.init.calculate_gain("leaky_relu", slope)


@pytest.mark.parametrize("slope", [1e149, -1e151, 1e200, 10**200, 1.7e308])
def test_a_slope_whose_square_overflows_has_its_gain(slope):
    """√(2/(1 + a²)) = √2/|a|, as far as float64 can tell. PyTorch raises OverflowError for the larger ones."""
    assert init.calculate_gain("leaky_relu", slope) == pytest.approx(math.sqrt(2) / abs(slope), rel=1e-15)
    drawn = init.kaiming_uniform_(np.empty((200, 50)), a=slope, rng=0)
    bound = math.sqrt(6 / 50) / abs(slope)
    assert 0.999 * bound < np.abs(drawn).max() < bound


# name → (call, distribution function)
DISTRIBUTIONS = {
    "uniform": (partial(init.uniform_, a=-0.3, b=0.4), uniform(-0.3, 0.4)),
    "normal": (partial(init.normal_, mean=0.2, std=0.7), normal(0.2, 0.7)),
    "xavier uniform": (
        partial(init.xavier_uniform_, gain=2.0),
        uniform(-2 * math.sqrt(6 / 500), 2 * math.sqrt(6 / 500)),
    ),
    "xavier normal": (partial(init.xavier_normal_, gain=2.0), normal(0, 2 * math.sqrt(2 / 500))),
    "kaiming uniform": (init.kaiming_uniform_, uniform(-math.sqrt(6 / 200), math.sqrt(6 / 200))),
    "kaiming uniform, nn.Linear's": (partial(init.kaiming_uniform_, a=math.sqrt(5)), uniform(-(200**-0.5), 200**-0.5)),
    "kaiming normal": (partial(init.kaiming_normal_, nonlinearity="relu"), normal(0, math.sqrt(2 / 200))),
    "kaiming normal, steep": (partial(init.kaiming_normal_, a=1.0), normal(0, math.sqrt(1 / 200))),
    "kaiming normal fan_out": (
        partial(init.kaiming_normal_, mode="FAN_OUT", nonlinearity="tanh"),
        normal(0, 5 / 3 / math.sqrt(300)),
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name, dtype):
    """Drawn in float64, then rounded: float64 numbers have the distribution, float32 ones are those rounded."""
    call, cdf = DISTRIBUTIONS[name]
    weight, drawn = scratch.Parameter(np.zeros(SHAPE, dtype)), np.zeros(SHAPE)
    assert call(weight, rng=0) is weight
    assert call(drawn, rng=0) is drawn
    np.testing.assert_array_equal(weight.data, drawn.astype(dtype))
    assert weight.data.dtype == dtype
    assert distance(drawn, cdf) < nearness(drawn.size)


INF = math.inf
# mean, std, a, b: all of the normal, an end of it, a slice beside the mean, tails near and far, and no width at all
TRUNCATED = [
    (0.0, 1.0, -2.0, 2.0),
    (0.0, 0.02, -2.0, 2.0),
    (1.0, 2.0, -1.0, INF),
    (0.0, 1.0, -INF, INF),
    (-0.5, 0.1, -INF, -0.45),
    (0.0, 1.0, 0.5, 0.6),
    (0.0, 1.0, 2.5, INF),
    (0.0, 1.0, 5.0, 5.5),
    (3.0, 0.5, -1.0, 0.0),
    (0.0, 1.0, -INF, -30.0),
    (0.0, 1.0, 1e8, INF),
]


def truncated(mean, std, a, b):
    """The distribution function on [a, b], far out in the tail too: φ's integral from the end nearest to the mean."""

    def cdf(x):
        peak = max(a, min(mean, b))
        d = (peak - mean) / std
        width = min(abs((a if d < 0 else b) - peak) / std, 80 / (math.hypot(d, math.sqrt(80)) + abs(d)))
        t = np.linspace(0, width, 20001)  # the trapezoidal rule: an error of (width/20000)²·(d² + 1)/12, below 1e-5
        density = np.exp(-t * (abs(d) + t / 2))
        integral = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
        share = np.interp(np.abs(x - peak) / std, t, integral / integral[-1])
        return 1 - share if d < 0 else share

    def two_sided(x):
        low, high = ((1 + math.erf((bound - mean) / (std * math.sqrt(2)))) / 2 for bound in (a, b))
        return (normal(mean, std)(x) - low) / (high - low)

    return two_sided if a < mean < b else cdf


@pytest.mark.parametrize("case", TRUNCATED, ids=str)
def test_truncated_normal(case):
    _, _, a, b = case
    single, drawn = scratch.Parameter(np.zeros((100, 200), np.float32)), np.zeros((100, 200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        init.trunc_normal_(single, *case, rng=0)
        init.trunc_normal_(drawn, *case, rng=0)
    assert a <= drawn.min()
    assert drawn.max() <= b
    np.testing.assert_array_equal(single.data, drawn.astype(np.float32))
    if abs(a) < 1e7 or a == -INF:  # farther out numbers are as far apart as the density reaches
        assert distance(drawn, truncated(*case)) < nearness(drawn.size) + 1e-5


class Scripted(np.random.Generator):
    """A generator that draws what is given: `place` in the range that it is asked for (0 and 1 are its ends), and the
    numbers `even` in turn. `ranges` is what it was asked for."""

    def __new__(cls, place, even):
        return super().__new__(cls, np.random.PCG64(0))

    def __init__(self, place, even):
        super().__init__(np.random.PCG64(0))
        self.place, self.even, self.ranges = place, list(even), []

    def uniform(self, low, high, size):
        self.ranges.append((low, high))
        return np.full(size, high if self.place == 1 else low + self.place * (high - low))

    def random(self, size):
        return np.full(size, self.even.pop(0))


@pytest.mark.parametrize("d", [0.0, 0.5, -3.0, 40.0])
def test_truncated_normal_draws_from_where_it_may_keep(d):
    """As far as the density relative to its peak is 2⁻⁵³: at t with |d|t + t²/2 = 53 log 2."""
    a, b = (-INF, INF) if d == 0 else (d, INF) if d > 0 else (-INF, d)
    rng = Scripted(0, [0.0])
    init.trunc_normal_(np.zeros(1), 0.0, 1.0, a, b, rng=rng)
    ((low, high),) = rng.ranges
    far = [abs(t) for t in (low, high) if t]
    assert len(far) == 1 + (d == 0)
    np.testing.assert_allclose([abs(d) * t + t * t / 2 for t in far], 53 * math.log(2), rtol=16 * np.finfo(float).eps)


def test_truncated_normal_keeps_a_number_with_the_probability_of_its_density():
    """Twice a number at t = −2, relative density e⁻², is drawn: with an even number of e⁻², which is not below it, and
    with the next smaller one."""
    density = float(np.exp(-2.0))
    rng = Scripted(0, [density, np.nextafter(density, 0)])
    np.testing.assert_array_equal(init.trunc_normal_(np.zeros(3), 0.0, 1.0, -2.0, 2.0, rng=rng), [-2.0] * 3)
    assert rng.even == []


@pytest.mark.parametrize("place", [0, 1])
def test_truncated_normal_stays_inside_where_rounding_leaves(place):
    """peak + std·((bound − peak)/std) is one place beyond the bound for these numbers."""
    std, bound = 0.7, 1.7
    low, high = (-bound, 1.0) if place == 0 else (-1.0, bound)
    drawn = init.trunc_normal_(np.zeros(1), 0.0, std, low, high, rng=Scripted(place, [0.0]))
    assert drawn.item() == (low if place == 0 else high)


def test_truncated_to_one_value():
    assert (init.trunc_normal_(np.zeros(5), 0.0, 1.0, 1.5, 1.5) == 1.5).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gain", [1, 0.5, -2.0])
@pytest.mark.parametrize("shape", [(5, 5), (3, 40), (60, 40), (1, 1), (1, 7), (7, 1), (6, 3, 2), (2, 3, 4)])
def test_orthogonal(shape, gain, dtype):
    r"""‖QᵀQ − 1‖: a reflector of m entries takes two dot products and a sum of vectors, so 2m + 4 ≤ 6m roundings.

    n of them in a row: ‖Q − exact‖ ≤ √n γ_{6mn} (Higham, Accuracy and Stability, theorem 19.4), twice that for QᵀQ;
    rounding Q to the dtype costs 2u for columns of length 1, times gain and product 2u more, the check's own sum γ_m.
    """
    weight = scratch.Parameter(np.zeros(shape, dtype))
    init.orthogonal_(weight, gain, rng=3)
    q = weight.data.reshape(shape[0], -1).astype(np.float64)
    q = q if q.shape[0] >= q.shape[1] else q.T
    m, n = q.shape
    factored = np.random.default_rng(3).normal(size=(m, n))
    r = product(q.T, factored) / gain
    u = 2.0**-53
    bound = (2 * math.sqrt(n) * 6 * m * n + m) * u + 4 * float(np.finfo(dtype).eps) / 2
    assert (np.diagonal(r) > 0).all()
    assert abs(np.tril(r, -1)).max(initial=0) <= bound * norm(factored)
    assert abs(product(q.T, q) / gain**2 - np.eye(n)).max() <= bound * 1.01


def test_orthogonal_matrices_are_equally_likely():
    """The first column of a 2×2 matrix points anywhere on the circle, and either side up is as likely; a 1×1 is ±1."""
    rng = np.random.default_rng(0)
    matrices = np.stack([init.orthogonal_(np.zeros((2, 2)), rng=rng) for _ in range(2000)])
    angles = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    assert distance(angles, uniform(-math.pi, math.pi)) < nearness(2000)
    assert abs(np.linalg.det(matrices).mean()) < 2 * nearness(2000)
    signs = [init.orthogonal_(np.zeros((1, 1)), rng=rng).item() for _ in range(2000)]
    assert set(signs) == {-1.0, 1.0}
    assert abs(np.mean(signs)) < 2 * nearness(2000)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sparsity", [0, 0.1, 0.34, 0.9, 1])
@pytest.mark.parametrize("shape", [(10, 300), (33, 4), (1, 3)])
def test_sparse(shape, sparsity, dtype):
    """⌈sparsity·rows⌉ zeros in each column, as torch counts them; every place is as likely, the rest is normal."""
    weight = scratch.Parameter(np.full(shape, 7, dtype))
    init.sparse_(weight, sparsity, std=0.2, rng=1)
    zeros = weight.data == 0
    theirs = torch.nn.init.sparse_(torch.full(shape, 7.0), sparsity, std=0.2) == 0
    np.testing.assert_array_equal(zeros.sum(0), theirs.sum(0).numpy())
    assert abs(zeros.mean(1) - zeros.mean()).max() < nearness(shape[1], 1e-9 / shape[0])
    if kept := weight.data[~zeros].astype(np.float64).tolist():
        assert distance(kept, normal(0, 0.2)) < nearness(len(kept)) + float(np.finfo(dtype).eps)


def test_defaults_of_sparse():
    drawn = init.sparse_(np.zeros((100, 100)), 0.5, rng=0)
    assert distance(drawn[drawn != 0], normal(0, 0.01)) < nearness(5000)


FILLED = {
    "uniform_": {},
    "normal_": {},
    "trunc_normal_": {},
    "xavier_uniform_": {},
    "xavier_normal_": {},
    "kaiming_uniform_": {},
    "kaiming_normal_": {},
    "orthogonal_": {},
    "sparse_": {"sparsity": 0.0},
}


@pytest.mark.parametrize("name", FILLED)
def test_defaults_are_torchs_and_a_seed_repeats(name):
    theirs = inspect.signature(getattr(torch.nn.init, name)).parameters
    assert list(inspect.signature(getattr(init, name)).parameters) == [
        {"generator": "rng"}.get(argument, argument) for argument in theirs
    ]
    defaults = {n: p.default for n, p in theirs.items() if n not in {"tensor", "generator", *FILLED[name]}}
    drawn = [np.zeros((4, 3)) for _ in range(3)]
    for array, seed, options in zip(drawn, (5, 5, 6), ({}, defaults, defaults), strict=True):
        getattr(init, name)(array, **FILLED[name], **options, rng=seed)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).all()


def test_everything_of_torch_is_there():
    """But for the identity of convolutions, and the deprecated names without an underscore."""
    theirs = {name for name in torch.nn.init.__all__ if name.endswith("_")} - {"dirac_"}
    assert {name for name in vars(init) if name.endswith("_") and not name.startswith("_")} == theirs


@pytest.mark.parametrize("name", [*FILLED, "eye_", "zeros_", "ones_"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_nothing_is_drawn_into_nothing(name, shape):
    array = np.zeros(shape, np.float32)
    assert getattr(init, name)(array, **FILLED.get(name, {})) is array


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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (4, 4), (1, 1)])
def test_constants(shape, dtype):
    array = np.full(shape, 7, dtype)
    for name, arguments in {"zeros_": (), "ones_": (), "constant_": (-2.5,), "eye_": ()}.items():
        assert getattr(init, name)(array, *arguments) is array
        theirs = getattr(torch.nn.init, name)(torch.full(shape, 7.0), *arguments)
        np.testing.assert_array_equal(array, theirs.numpy())
    assert (init.constant_(array, -np.finfo(dtype).max) == np.finfo(dtype).min).all()
    assert np.isposinf(init.constant_(array, INF)).all()
    assert np.isnan(init.constant_(array, math.nan)).all()


W = np.zeros((2, 2))
V = np.zeros(3)
T = np.zeros((2, 2, 2))
FLOATS = "must be float32 or float64; got int64 (convert with .astype)"
FANS = "init: fan in and fan out need a tensor of at least 2 axes, (out, in); got shape (3,)"
NONLINEARITIES = ", ".join(init.GAINS)

# function, arguments, error and its words; torch refuses the same, but for those whose reason is given
REFUSED = [
    ("xavier_uniform_", (V,), ValueError, FANS),
    ("xavier_normal_", (V,), ValueError, FANS),
    ("kaiming_uniform_", (V,), ValueError, FANS),
    ("kaiming_normal_", (V,), ValueError, FANS),
    ("orthogonal_", (V,), ValueError, FANS),
    ("eye_", (V,), ValueError, "eye_: tensor must be a matrix, with two axes; got shape (3,)"),
    ("eye_", (T,), ValueError, "eye_: tensor must be a matrix, with two axes; got shape (2, 2, 2)"),
    ("sparse_", (V, 0.5), ValueError, "sparse_: tensor must be a matrix, with two axes; got shape (3,)"),
    (
        "calculate_gain",
        ("rleu",),
        ValueError,
        f"calculate_gain: nonlinearity must be one of {NONLINEARITIES}; got 'rleu' (did you mean 'relu'?)",
    ),
    (
        "kaiming_normal_",
        (W, 0, "fan_in", "gelu"),
        ValueError,
        f"calculate_gain: nonlinearity must be one of {NONLINEARITIES}; got 'gelu' (did you mean 'selu'?)",
    ),
    ("calculate_gain", ("leaky_relu", "steep"), TypeError, "calculate_gain: param must be a number; got 'steep'"),
    ("calculate_gain", ("leaky_relu", True), TypeError, "calculate_gain: param must be a number; got True"),
    (
        "kaiming_uniform_",
        (W, 0, "out"),
        ValueError,
        "kaiming_uniform_: mode must be one of fan_in, fan_out; got 'out' (did you mean 'fan_out'?)",
    ),
    ("normal_", (W, 0.0, -1), ValueError, "normal_: std must be >= 0; got -1"),
    (
        "kaiming_normal_",
        (W, 0, 2),
        (ValueError, AttributeError),
        "kaiming_normal_: mode must be one of fan_in, fan_out; got 2",
    ),
    ("normal_", (W, "0"), TypeError, "normal_: mean must be a number; got '0'"),
    ("trunc_normal_", (W, "0"), TypeError, "trunc_normal_: mean must be a number; got '0'"),
    ("xavier_normal_", (W, -1.0), ValueError, "xavier_normal_: gain must be >= 0; got -1.0"),
    ("xavier_uniform_", (W, -1.0), ValueError, "xavier_uniform_: gain must be >= 0; got -1.0"),
    ("uniform_", (W, 1.0, 0.5), ValueError, "uniform_: a must be <= b; got a=1.0, b=0.5"),
    ("uniform_", (W, -INF, 0.5), ValueError, "uniform_: a must be a finite number; got -inf"),
    ("uniform_", (W, 0.5, INF), ValueError, "uniform_: b must be a finite number; got inf"),
    ("trunc_normal_", (W, 0.0, 1.0, 2, 1), ValueError, "trunc_normal_: a must be <= b; got a=2, b=1"),
    ("trunc_normal_", (W, 0.0, 0), (ValueError, ZeroDivisionError), "trunc_normal_: std must be > 0; got 0"),
    ("fans", (3,), None, "init: fan in and fan out need a shape, as in (out, in); got 3"),
    ("fans", ((2, "3"),), None, "init: shape must be a whole number; got '3'"),
    ("fans", ((2, -3),), None, "init: shape must be >= 0; got -3"),
    (
        "sparse_",
        (W, 0.5, 0.01, "a"),
        None,
        "sparse_: rng must be a seed (a whole number >= 0), a numpy.random.Generator or None; got 'a'",
    ),
    ("sparse_", (W, 0.5, -0.1), ValueError, "sparse_: std must be >= 0; got -0.1"),
    (
        "constant_",
        (W.astype(np.float32), 1e39),
        ValueError,
        "constant_: val must be in the range of float32; got 1e+39",
    ),
    # what torch lets pass, to a distribution that is none, to numbers of another meaning or for ever
    ("trunc_normal_", (W, 0.0, -1.0), None, "trunc_normal_: std must be >= 0; got -1.0"),
    ("trunc_normal_", (W, 0.0, 1.0, math.nan), None, "trunc_normal_: a must be a finite number; got nan"),
    (
        "trunc_normal_",
        (W, 0.0, 1e-200, 1e200, INF),
        None,
        "trunc_normal_: the distance of mean from [a, b] in units of std must be a finite number; got inf",
    ),
    ("sparse_", (W, 1.5), None, "sparse_: sparsity must be in [0, 1]; got 1.5"),
    ("sparse_", (W, -0.5), None, "sparse_: sparsity must be in [0, 1]; got -0.5"),
    ("orthogonal_", (W, math.nan), None, "orthogonal_: gain must be a finite number; got nan"),
]


@pytest.mark.parametrize(("name", "arguments", "error", "message"), REFUSED)
def test_refusals(name, arguments, error, message):
    """In clear words, before anything changes; where torch refuses too, its error may be a plain RuntimeError."""
    kept = [np.array(argument) for argument in arguments]
    with pytest.raises(error or (ValueError, TypeError), match=f"^{re.escape(message)}$"):
        getattr(init, name)(*arguments)
    for argument, before in zip(arguments, kept, strict=True):
        np.testing.assert_array_equal(argument, before)
    if error:
        tensors = [torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a for a in arguments]
        theirs = error if isinstance(error, tuple) else (error,)
        with pytest.raises((*theirs, RuntimeError, ValueError, TypeError)):
            getattr(torch.nn.init, name)(*tensors)


@pytest.mark.parametrize(("given", "message"), [(np.zeros(3, int), f"init: tensor {FLOATS}"), ([1.0], "NumPy array")])
def test_only_float_arrays_are_filled(given, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        init.zeros_(given)
