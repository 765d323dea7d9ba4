"""PyTorch's choices at the edges of the activations, one row each: both sides give the value that torch 2.13 gives.

Inputs have at most three numbers: PyTorch's kernels for several numbers at a time and for the rest differ at NaN (in
the gradient of Hardtanh, ReLU6, ELU, CELU, SELU, Hardswish, Hardshrink and Softshrink) and in the sign of Softshrink's
zero. There nothing is pinned.
"""

import copy
import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad.judge import StepJudge, Tally, judge_backward, judge_forward
from parity_tests.catalogue.tables import DTYPES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.strategies import draws, filled_batches, widths
from scratch.activations import functions
from scratch.activations.functions import normal_tail

INF, NAN = np.inf, np.nan
LOG2 = math.log(2)
SELU_SCALE = 1.0507009873554804934193349852946
SELU_KINK = SELU_SCALE * 1.6732632423543772848170429916717


def activation(name, *args, **options):
    return lambda side, dtype: getattr(side, name)(*args, **options)


def prelu(**options):
    return lambda side, dtype: side.PReLU(dtype=dtype, **options)


# op, x → output, gradient for an upstream gradient of ones; None: not compared
EDGES = {
    "relu6 at its kinks": (activation("ReLU6"), [0.0, -0.0, 6.0], [0.0, -0.0, 6.0], [0.0, 0.0, 0.0]),
    "relu6 of infinities": (activation("ReLU6"), [INF, -INF], [6.0, 0.0], [0.0, 0.0]),
    "relu6 of NaN": (activation("ReLU6"), [NAN], [NAN], None),
    "hardtanh at its kinks": (activation("Hardtanh"), [-1.0, 1.0, -0.0], [-1.0, 1.0, -0.0], [0.0, 0.0, 1.0]),
    "hardtanh between its own": (activation("Hardtanh", 0.5, 2.0), [0.5, 1.0, 4.0], [0.5, 1.0, 2.0], [0.0, 1.0, 0.0]),
    "hardtanh of NaN": (activation("Hardtanh"), [NAN], [NAN], None),
    "threshold at the threshold": (activation("Threshold", 0.5, -7.0), [0.5, 0.75], [-7.0, 0.75], [0.0, 1.0]),
    "threshold of NaN": (activation("Threshold", 0.5, -7.0), [NAN, -INF], [NAN, -7.0], [1.0, 0.0]),
    "prelu at the kink": (prelu(), [0.0, -0.0, -4.0], [0.0, -0.0, -1.0], [0.25, 0.25, 0.25]),
    "prelu of NaN": (prelu(init=0.5), [NAN, INF, -INF], [NAN, INF, -INF], [0.5, 1.0, 0.5]),
    "rrelu at the kink, one slope": (activation("RReLU", 0.5, 0.5), [0.0, -0.0, -4.0], [0.0, -0.0, -2.0], [0.5] * 3),
    "rrelu of NaN in training": (activation("RReLU"), [NAN, 3.0], [NAN, 3.0], [1.0, 1.0]),
    "rrelu of NaN in evaluation": (
        lambda side, dtype: side.RReLU(0.25, 0.75).eval(),
        [NAN, -4.0, 0.0],
        [NAN, -2.0, 0.0],
        [0.5, 0.5, 0.5],
    ),
    "elu at the kink": (activation("ELU", 2.0), [0.0, -0.0], [0.0, -0.0], [2.0, 2.0]),
    "elu that rises to the left": (activation("ELU", -2.0), [0.0, -0.0], [0.0, -0.0], [-2.0, -2.0]),
    "elu far out": (activation("ELU", 2.0), [-INF, -1e4, 1e4], [-2.0, -2.0, 1e4], [0.0, 0.0, 1.0]),
    "celu at the kink": (activation("CELU", 2.0), [0.0, -0.0], [0.0, -0.0], [1.0, 1.0]),
    "celu far out": (activation("CELU", 2.0), [-INF, -1e4, INF], [-2.0, -2.0, INF], [0.0, 0.0, 1.0]),
    "selu at the kink": (activation("SELU"), [0.0, -0.0, 1.0], [0.0, -0.0, SELU_SCALE], [SELU_KINK] * 2 + [SELU_SCALE]),
    "selu far out": (activation("SELU"), [-INF, -1e4], [-SELU_KINK, -SELU_KINK], [0.0, 0.0]),
    "gelu at 0": (activation("GELU"), [0.0, -0.0], [0.0, -0.0], [0.5, 0.5]),
    "gelu far out": (activation("GELU"), [1e4, -1e4, -1e20], [1e4, -0.0, -0.0], [1.0, 0.0, 0.0]),
    "gelu of -inf": (activation("GELU"), [-INF, NAN], [NAN, NAN], [NAN, NAN]),
    "gelu, tanh, at 0": (activation("GELU", approximate="tanh"), [0.0, -0.0], [0.0, -0.0], [0.5, 0.5]),
    "gelu, tanh, far out": (activation("GELU", "tanh"), [1e4, -1e4], [1e4, -0.0], [1.0, 0.0]),
    "gelu, tanh, of infinities": (activation("GELU", "tanh"), [INF, -INF, NAN], [INF, NAN, NAN], [NAN, NAN, NAN]),
    "silu at 0": (activation("SiLU"), [0.0, -0.0], [0.0, -0.0], [0.5, 0.5]),
    "silu far out": (activation("SiLU"), [1e4, -1e4, -INF], [1e4, -0.0, NAN], [1.0, 0.0, NAN]),
    "mish at 0": (activation("Mish"), [0.0, -0.0], [0.0, -0.0], [0.6, 0.6]),
    "mish far out": (activation("Mish"), [1e4, -1e4, -INF], [1e4, -0.0, NAN], [1.0, 0.0, NAN]),
    "softplus at 0": (activation("Softplus"), [0.0, -0.0], [LOG2, LOG2], [0.5, 0.5]),
    "softplus, β": (activation("Softplus", beta=-2.0), [0.0], [-LOG2 / 2], [0.5]),
    "softplus far out": (activation("Softplus"), [1e4, -1e4, -INF], [1e4, 0.0, 0.0], [1.0, 0.0, 0.0]),
    "softplus at its threshold is still smooth": (
        activation("Softplus", threshold=0.0),
        [0.0, 2.0**-10],
        [LOG2, 2.0**-10],
        [0.5, 1.0],
    ),
    "softplus of βx at its threshold": (
        activation("Softplus", beta=2.0, threshold=4.0),
        [2.0, 2.0625],
        [math.log1p(math.exp(4)) / 2, 2.0625],
        [1 / (1 + math.exp(-4)), 1.0],
    ),
    "logsigmoid at 0": (activation("LogSigmoid"), [0.0, -0.0], [-LOG2, -LOG2], [0.5, 0.5]),
    "logsigmoid far out": (activation("LogSigmoid"), [1e4, -1e4, -INF], [0.0, -1e4, -INF], [0.0, 1.0, 1.0]),
    "hardsigmoid at its kinks": (activation("Hardsigmoid"), [-3.0, 3.0], [0.0, 1.0], [0.0, 0.0]),
    "hardsigmoid of NaN": (activation("Hardsigmoid"), [NAN, INF, -INF], [NAN, 1.0, 0.0], [0.0, 0.0, 0.0]),
    "hardswish at its kinks": (activation("Hardswish"), [-3.0, 3.0, 0.0], [-0.0, 3.0, 0.0], [0.0, 1.0, 0.5]),
    "hardswish of infinities": (activation("Hardswish"), [INF, -INF], [INF, NAN], [1.0, 0.0]),
    "softsign at 0": (activation("Softsign"), [0.0, -0.0, 1.0], [0.0, -0.0, 0.5], [1.0, 1.0, 0.25]),
    "softsign of infinities": (activation("Softsign"), [INF, -INF, NAN], [NAN, NAN, NAN], None),
    "tanhshrink at 0": (activation("Tanhshrink"), [0.0, -0.0], [0.0, 0.0], [0.0, 0.0]),
    "tanhshrink far out": (activation("Tanhshrink"), [1e4, INF, -INF], [9999.0, INF, -INF], [1.0, 1.0, 1.0]),
    "hardshrink at its jumps": (activation("Hardshrink"), [0.5, -0.5, 0.75], [0.0, 0.0, 0.75], [0.0, 0.0, 1.0]),
    "hardshrink, negative λ": (activation("Hardshrink", -1.0), [0.5, -0.0, 1.0], [0.5, -0.0, 1.0], [1.0, 1.0, 1.0]),
    "hardshrink of NaN": (activation("Hardshrink"), [NAN, INF], [NAN, INF], None),
    "softshrink at its kinks": (activation("Softshrink"), [0.5, 0.75, -0.75], [0.0, 0.25, -0.25], [0.0, 1.0, 1.0]),
    "softshrink with λ = 0": (activation("Softshrink", 0.0), [0.0, 3.0, -3.0], [0.0, 3.0, -3.0], [0.0, 1.0, 1.0]),
    "softshrink of NaN": (activation("Softshrink"), [NAN, -INF], [NAN, -INF], None),
    "softmin of equals": (activation("Softmin", dim=0), [7.0, 7.0], [0.5, 0.5], [0.0, 0.0]),
    "softmin with +inf": (activation("Softmin", dim=0), [0.0, INF], [1.0, 0.0], [0.0, 0.0]),
    "glu closed and open": (activation("GLU", 0), [2.0, 3.0, -1e4, 1e4], [0.0, 3.0], [0.0, 1.0, 0.0, 0.0]),
    "glu at 0": (activation("GLU"), [2.0, 0.0], [1.0], [0.5, 0.5]),
    "glu along the first axis of two": (
        activation("GLU", 0),
        [[2.0, 3.0], [0.0, 0.0]],
        [[1.0, 1.5]],
        [[0.5, 0.5], [0.5, 0.75]],
    ),
}


# In float32 torch leaves GELU to oneDNN, whose kernel for some processors has no −0.
SIGN_LOST = {("torch", np.float32, case) for case in ("gelu at 0", "gelu far out")}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", EDGES)
def test_edges(case, side, dtype):
    """Exact where the value is; logarithms, exponentials and products of constants to 4 ulp."""
    build, x, output, gradient = EDGES[case]
    model = build(SIDES[side], dtype)
    with np.errstate(all="ignore"):
        given = model.forward(np.array(x, dtype))
        grad_input = model.backward(np.ones_like(given))
    assert given.dtype == grad_input.dtype == dtype
    near(given, output)
    zeros = np.array(output) == 0
    if (side, dtype, case) not in SIGN_LOST:
        np.testing.assert_array_equal(np.signbit(given[zeros]), np.signbit(np.array(output)[zeros]))
    if gradient is not None:
        near(grad_input, gradient)


def near(given, expected):
    expected = np.array(expected, given.dtype)
    finite = np.isfinite(expected) & (expected != 0)
    np.testing.assert_array_equal(given[~finite], expected[~finite])
    if finite.any():
        np.testing.assert_array_max_ulp(given[finite], expected[finite], 4)


@pytest.mark.parametrize("side", SIDES)
def test_prelu_weight_gradient_at_the_kink_and_beyond(side):
    """0 adds g·0; a positive number takes no part, not even an infinite one; one slope per entry of the second axis."""
    x = np.array([[0.0, -2.0], [INF, -3.0]])
    one, each = SIDES[side].PReLU(dtype=np.float64), SIDES[side].PReLU(2, dtype=np.float64)
    for model, expected in ((one, [-8.0]), (each, [0.0, -8.0])):
        model.forward(x)
        model.backward(np.array([[5.0, 1.0], [1.0, 2.0]]))
        np.testing.assert_array_equal(model.weight.grad, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_prelu_with_channels(side, dtype):
    def body(draw, upstream, batch, width):
        model = SIDES[side].PReLU(width, dtype=dtype)
        model.load_state_dict({"weight": np.linspace(-1.5, 2, width).astype(dtype)})
        x = draw.array((batch, width), dtype)
        return [judge_forward(model, x), judge_backward(model, x, upstream.array(x.shape, dtype))]

    with np.errstate(all="ignore"):
        judged(body, draw=draws, upstream=draws, batch=filled_batches, width=widths)


@pytest.mark.parametrize("side", SIDES)
def test_prelu_with_two_channels_at_the_kink(side):
    """0 is on the side of the slope: its sign turns with a negative one, and 0·∞ is a NaN in the slope's gradient."""
    model = SIDES[side].PReLU(2, dtype=np.float64)
    model.load_state_dict({"weight": np.array([-0.5, 3.0])})
    y = model.forward(np.array([[0.0, 0.0], [-2.0, -2.0]]))
    np.testing.assert_array_equal(y, [[-0.0, 0.0], [1.0, -6.0]])
    np.testing.assert_array_equal(np.signbit(y[0]), [True, False])
    with np.errstate(invalid="ignore"):
        model.backward(np.array([[INF, 1.0], [1.0, 1.0]]))
    np.testing.assert_array_equal(model.weight.grad, [NAN, -2.0])


def test_prelu_channels_are_the_second_axis():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    slopes = np.array([0.1, -0.2, 3.0])
    for side in SIDES.values():
        model = side.PReLU(3, dtype=np.float64)
        model.load_state_dict({"weight": slopes})
        for verdict in (judge_forward(model, x), judge_backward(model, x, np.ones_like(x))):
            assert verdict.held, verdict.render()
        np.testing.assert_array_equal(model.forward(x)[:, 1], np.where(x[:, 1] > 0, x[:, 1], -0.2 * x[:, 1]))


# --- RReLU: random slopes, drawn by NumPy for both sides --------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_rrelu_draws_the_same_slopes_on_both_sides(dtype):
    x = -np.ones((50, 40), dtype)
    models = [side.RReLU(0.2, 0.4, rng=3) for side in SIDES.values()]
    previous = None
    for _ in range(3):
        ours, theirs = (model.forward(x) for model in models)
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(ours, -models[0].slopes)
        assert models[0].slopes.dtype == dtype
        assert 0.2 <= models[0].slopes.min() < 0.21
        assert 0.39 < models[0].slopes.max() <= 0.4
        assert previous is None or not (previous == ours).any()
        previous = ours
        gradients = [model.backward(x) for model in models]
        np.testing.assert_array_equal(*gradients)
        np.testing.assert_array_equal(gradients[0], ours)
    for model in models:
        model.eval()
        near(model.forward(x), x * dtype(0.3))


def test_one_seed_fixes_the_slopes_at_the_output_too():
    x = -np.ones((5, 3), np.float32)
    outputs = [
        side.MLP([3, 2], output_activation="rrelu", rng=4).forward(x) for _ in range(2) for side in SIDES.values()
    ]
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], rtol=8 * np.finfo(np.float32).eps)


def test_rrelu_trains_alike_on_both_sides_and_every_step_is_judged():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.integers(0, 2, 6)
    ends = []
    for side in SIDES.values():
        model = side.MLP([3, 4, 4, 2], "rrelu", dtype=np.float64, rng=5)
        trainer = side.Trainer(model, side.CrossEntropyLoss(), side.SGD(model.parameters(), lr=0.1))
        judge, tally = StepJudge(model, trainer.loss, trainer.optimizer), Tally()
        for step in range(4):
            before = judge.before()
            tally.add(step, judge.after(before, x, y, trainer.step(trainer.asarray(x), trainer.asarray(y))))
        assert tally.held, tally.failures[0].render()
        ends.append(model.state_dict()["layers.0.weight"])
    np.testing.assert_allclose(*ends, rtol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_a_wrong_layer_beside_a_random_one_is_located(side, monkeypatch):
    """The layers are run again one by one: RReLU draws anew, and is judged by what it drew then."""
    side = SIDES[side]
    model, x = side.Sequential(side.RReLU(rng=0), side.Tanh()), -np.ones((2, 3))
    verdict = judge_forward(model, x, model.forward(x) + 1)
    assert verdict.failures[0].first.startswith("no layer alone")
    for kind in (scratch.Tanh, torch.nn.Tanh):
        monkeypatch.setattr(kind, "forward", lambda self, x: x + 0)
    assert judge_forward(model, x).failures[0].first == "1 (Tanh), forward"


def test_torchs_own_rrelu_in_training_cannot_be_judged():
    model = torch_impl.Model(torch.nn.RReLU())
    with pytest.raises(ValueError, match="does not say which slopes it drew"):
        judge_forward(model, np.ones((2, 2)))
    assert judge_forward(model.eval(), -np.ones((2, 2))).held


# --- what the hand-written side promises by itself --------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.7, 1.0, 3.3, 9.1, 20.7, 35.9])
def test_the_tail_that_the_series_is_fitted_to(a):
    """R(a)√2π = 1/(a + 1/(a + 2/(a + 3/(a + …)))), of which 2000 terms are enough for a ≥ 0.7 (Laplace 1805).

    Sums and quotients of positive numbers: nothing cancels on this side, and e^{z²} keeps its digits on the other.
    """
    fraction = a
    for k in range(2000, 0, -1):
        fraction = a + k / fraction
    np.testing.assert_array_max_ulp(functions._scaled_tail(a), 1 / (fraction * math.sqrt(2 * math.pi)), 4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_normal_tail_uses_the_series_of_its_dtype(dtype):
    """23 terms for float64, 13 for float32, computed once."""
    functions._tail_terms.cache_clear()
    normal_tail(np.ones(3, dtype))
    assert len(functions._tail_terms(np.dtype(dtype))) == {np.float32: 13, np.float64: 23}[dtype]
    assert functions._tail_terms.cache_info().misses == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", range(7))
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_off_is_zero_whatever_it_was(axes, order, dtype):
    """+0, where a product with the mask leaves NaN and −0; what is on keeps every bit. So for any number of axes."""
    x = np.array([NAN, -INF, INF, -3.0, -0.0, 1e-310], dtype)
    for off in (True, False):
        for at, value in enumerate(x):
            given = np.full((1, 2, 1, 3, 1, 2)[:axes], value, dtype, order=order)
            mask = np.full(given.shape, not off, order=order)
            mask.flat[at % mask.size] = off
            result = functions.zero_where(mask, given)
            assert (result.dtype, result.shape) == (given.dtype, given.shape)
            np.testing.assert_array_equal(result[mask].view("u1"), 0)
            np.testing.assert_array_equal(result[~mask].view("u1"), given[~mask].view("u1"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_not_positive(dtype):
    x = np.array([-3.0, -0.0, 0.0, 0.5, 1e30, NAN, -INF, INF], dtype)
    cut = functions.not_positive(x)
    np.testing.assert_array_equal(cut, np.array([-3.0, -0.0, 0.0, 0.0, 0.0, NAN, -INF, 0.0], dtype), strict=True)
    assert np.signbit(cut[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_normal_tail_is_as_accurate_as_it_says(dtype):
    """Against math.erfc, whose argument x/√2 is corrected for its rounding:

    erfc(z + δ) ≈ erfc(z) − (2/√π) δ e^{−z²}.
    """
    functions._tail_terms.cache_clear()  # computed by the code as it is now, not as it was
    rng = np.random.default_rng(0)
    far = 36.0 if dtype == np.float64 else 12.9
    x = np.concatenate([rng.uniform(-far, far, 4000), rng.normal(size=2000), 10.0 ** rng.uniform(-9, 0, 1000)])
    x = np.concatenate([x, np.linspace(-1, 1, 2001)]).astype(dtype)
    e, r = normal_tail(x)
    given = e * r
    assert given.dtype == np.float64
    limit = {np.float32: 2.0**-27, np.float64: 12 * 2.0**-52}[dtype]
    for number, value in zip(np.abs(x), given, strict=True):
        z = float(number) / math.sqrt(2)
        delta = float(Fraction(float(number)) ** 2 / 2 - Fraction(z) ** 2) / (2 * z) if z else 0.0
        expected = (math.erfc(z) - 2 / math.sqrt(math.pi) * math.exp(-z * z) * delta) / 2
        assert abs(float(value) - expected) <= limit * expected, (number, value, expected)
    np.testing.assert_array_equal(normal_tail(np.array([-INF, INF, 1e30], dtype))[0], 0)
    assert np.isnan(normal_tail(np.array([NAN], dtype))).all()


def test_gelu_keeps_its_digits_where_one_plus_erf_has_none():
    """x Φ(x) at −5 in float32: PyTorch's 1 + erf keeps one digit, the hand-written tail all of them."""
    exact = -5 * math.erfc(5 / math.sqrt(2)) / 2
    ours, theirs = (float(side.GELU().forward(np.array([-5.0], np.float32))[0]) for side in SIDES.values())
    assert abs(ours - exact) < 3e-6 * abs(exact)
    assert abs(theirs - exact) > 1e-3 * abs(exact)


def test_constants_that_torch_rounds_to_single_precision():
    """Two float64 gradients of torch carry a float32 constant, the hand-written ones do not. The judge takes both."""
    x = np.array([-1.0, -2.0])
    ours, theirs = (m.backward(np.ones(2)) for m in (made(side.CELU(0.3), x) for side in SIDES.values()))
    single = float(np.float32(0.3))
    np.testing.assert_allclose(theirs, 0.3 / single * np.exp(x / single), rtol=1e-15)
    np.testing.assert_allclose(ours, np.exp(x / 0.3), rtol=1e-15)
    ours, theirs = (m.backward(np.ones(2)) for m in (made(side.Hardsigmoid(), x) for side in SIDES.values()))
    np.testing.assert_array_equal(theirs, float(np.float32(1 / 6)))
    np.testing.assert_array_equal(ours, 1 / 6)


def made(model, x):
    model.forward(x)
    return model


OPTIONS = {
    "ELU": [{}, {"alpha": 2.0}],
    "CELU": [{}, {"alpha": 2.0}],
    "GELU": [{}, {"approximate": "tanh"}],
    "GLU": [{}, {"dim": 0}],
    "Hardshrink": [{}, {"lambd": 0.1}],
    "Hardtanh": [{}, {"min_val": -0.5}, {"max_val": 0.5}],
    "LeakyReLU": [{}, {"negative_slope": 0.3}],
    "LogSoftmax": [{"dim": 0}, {"dim": 1}],
    "PReLU": [{}, {"init": 0.5}],
    "RReLU": [{"rng": 0}, {"rng": 0, "lower": 0.3}, {"rng": 0, "upper": 0.9}, {"rng": 1}],
    "Softmax": [{"dim": 0}, {"dim": 1}],
    "Softmin": [{"dim": 0}, {"dim": 1}],
    "Softplus": [{}, {"beta": 2.0}, {"threshold": 0.1}],
    "Softshrink": [{}, {"lambd": 0.1}],
    "Threshold": [{"threshold": 0.1, "value": 3.0}, {"threshold": 0.7, "value": 3.0}, {"threshold": 0.1, "value": 4.0}],
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_has_an_effect(name, side):
    x = np.linspace(-2, 2, 24, dtype=np.float32).reshape(6, 4) ** 3
    outputs = [getattr(SIDES[side], name)(**options).forward(x) for options in OPTIONS[name]]
    for i, one in enumerate(outputs):
        for other in outputs[:i]:
            assert one.shape != other.shape or (one != other).any()


def test_prelu_takes_one_slope_per_channel():
    for side in SIDES.values():
        assert side.PReLU(4, 0.5).weight.data.tolist() == [0.5] * 4


ABSENT = {"inplace", "min_value", "max_value", "device", "dtype", "args", "kwargs"}
OURS_ALONE = {"dtype", "rng"}  # the torch side has both as well, for every layer
ACTIVATION_CLASSES = sorted(
    name for name in vars(torch.nn.modules.activation)["__all__"] if name not in ("MultiheadAttention", "Softmax2d")
)


@pytest.mark.parametrize("name", ACTIVATION_CLASSES)
def test_every_activation_of_torch_is_there_with_its_arguments(name):
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    ours = inspect.signature(getattr(scratch, name)).parameters
    wanted = {n: p.default for n, p in theirs.items() if n not in ABSENT}
    found = {n: p.default for n, p in ours.items() if n not in OURS_ALONE}
    if name in ("Softmax", "LogSoftmax", "Softmin"):
        wanted = {"dim": inspect.Parameter.empty}  # torch guesses one; here it must be said
    assert found == wanted


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["LeakyReLU", "ELU", "CELU", "Softplus", "Hardshrink", "Softshrink", "PReLU"])
def test_options_that_are_numpy_scalars_do_not_widen(name, dtype):
    x = np.linspace(-2, 2, 9).astype(np.float32)
    model = getattr(scratch, name)(**{next(iter(OPTIONS[name][1])): dtype(0.25)})
    assert model.forward(x).dtype == model.backward(x).dtype == np.float32


@pytest.mark.parametrize("name", sorted(scratch.ACTIVATIONS.keys() - {"softmax", "log_softmax", "softmin"}))
def test_a_single_number_without_axes(name):
    for side in SIDES.values():
        model = side.MLP([1, 1], output_activation=name).layers[1]
        x = np.array(-0.7, np.float32)
        for verdict in (judge_forward(model, x), judge_backward(model, x, np.array(2, np.float32))):
            assert verdict.held, verdict.render()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(scratch.ACTIVATIONS))
def test_a_step_with_every_name(name, dtype):
    """By name in an MLP, hidden and at the output, one training step of both sides: learned slopes are stepped too."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 3)).astype(dtype), rng.normal(size=(5, 2)).astype(dtype)
    for side in SIDES.values():
        model = side.MLP([3, 4, 2], name, name, dtype=dtype, rng=2)
        trainer = side.Trainer(model, side.MSELoss(), side.SGD(model.parameters(), lr=0.1))
        judge = StepJudge(model, trainer.loss, trainer.optimizer)
        for _ in range(2):
            before = judge.before()
            verdict = judge.after(before, x, y, trainer.step(trainer.asarray(x), trainer.asarray(y)))
            assert verdict.held, verdict.render()
            assert verdict.skipped == 0


def test_a_copy_of_a_random_net_draws_on_by_itself():
    model = scratch.MLP([2, 3, 1], "rrelu", rng=0)
    x = -np.ones((4, 2), np.float32)
    twin = copy.deepcopy(model)
    np.testing.assert_array_equal(model.forward(x), twin.forward(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(scratch.ACTIVATIONS))
def test_far_out_numbers_stay_finite_without_a_warning(name, dtype):
    far = np.array([0.0, 1e-30, 20.0, 88.0, 90.0, 104.0, 1e4, 1e6, 1e19, 1e30, np.finfo(dtype).max / 8], dtype)
    x = np.concatenate([far, -far])
    model = scratch.MLP([1, 1], output_activation=name, dtype=dtype, rng=0).layers[1]
    assert np.isfinite(model.forward(x)).all()
    assert np.isfinite(model.backward(np.ones_like(x))).all()


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_an_infinite_gradient_does_not_reach_the_slope_of_positive_numbers(side):
    prelu = side.PReLU()
    prelu.forward(np.array([0.5, 2.0, -1.0], np.float32))
    prelu.backward(np.array([np.inf, np.inf, 3.0], np.float32))
    assert prelu.weight.grad == -3
