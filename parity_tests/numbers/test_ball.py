"""The ball arithmetic keeps its promise: what a program computes is inside, whatever the order and the form.

The programs here are emulated in the working format, number by number; sums and products of exact inputs are checked
against exact rational arithmetic as well. And a check must be able to fail: balls are no larger than a few roundings.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.judge import Ball, Format
from handgrad.judge.ball import matmul
from handgrad.judge.rules.activations.softmax import log_softmax, log_softmax_backward, softmax_backward
from handgrad.judge.rules.layers import sigmoid
from parity_tests.support.strategies import Draw, draws, seeds

Array = npt.NDArray[Any]

DTYPES = [np.float32, np.float64]
both = pytest.mark.parametrize("dtype", DTYPES)
lengths = st.integers(1, 60)


def inside(value: Any, ball: Ball) -> bool:
    """Every number of `value` in its ball; NaN only where the centre is NaN."""
    v = np.asarray(value, dtype=np.float64)
    assert v.shape == ball.shape
    with np.errstate(invalid="ignore"):
        near = np.abs(v - ball.mid) <= ball.rad
    return bool(np.all(near | np.isinf(ball.rad) | (np.isnan(v) & np.isnan(ball.mid))))


def fuzzy(rng: np.random.Generator, point: Array) -> Ball:
    """A ball around working-precision points that are not at its centre: some of radius 0, some wide."""
    rad = np.abs(point).astype(np.float64) * 10.0 ** rng.integers(-12, 1, point.shape) * (rng.random(point.shape) < 0.7)
    rad = np.where(np.isfinite(rad), rad, 0)
    mid = point.astype(np.float64) + rad * rng.uniform(-1, 1, point.shape) * (1 - 1e-9)
    # What the centre's own rounding moved is part of the radius.
    return Ball(mid, rad + np.abs(mid - point.astype(np.float64)) * (rad > 0), Format.of(point.dtype))


def exactly(ball: Ball, value: Array) -> bool:
    """The premise of every test here: the point that the program starts from is in its ball."""
    return inside(value, ball)


ELEMENTWISE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Ball, Ball], Ball]]] = {
    "a + b": (lambda a, b: a + b, lambda a, b: a + b),
    "a − b": (lambda a, b: a - b, lambda a, b: a - b),
    "a · b": (lambda a, b: a * b, lambda a, b: a * b),
    "a / b": (lambda a, b: a / b, lambda a, b: a / b),
    "a · (1 / b)": (lambda a, b: a * (1 / b), lambda a, b: a / b),
    "max": (np.maximum, lambda a, b: a.maximum(b)),
    "|a|": (lambda a, b: np.abs(a), lambda a, b: abs(a)),
    "√|a|": (lambda a, b: np.sqrt(np.abs(a)), lambda a, b: abs(a).sqrt()),
    "a² − b²": (lambda a, b: a * a - b * b, lambda a, b: a * a - b * b),
    "(a b) / b": (lambda a, b: (a * b) / b, lambda a, b: (a * b) / b),
}


@both
@pytest.mark.parametrize("name", ELEMENTWISE)
@given(draw=draws, fuzz=seeds)
def test_an_operation_on_points_inside_ends_inside(name: str, dtype: Any, draw: Draw, fuzz: int) -> None:
    program, reference = ELEMENTWISE[name]
    a, b = draw.array((30,), dtype), draw.array((30,), dtype, 1)
    rng = np.random.default_rng(fuzz)
    A, B = fuzzy(rng, a), fuzzy(rng, b)
    assert exactly(A, a)
    assert exactly(B, b)
    with np.errstate(all="ignore"):
        assert inside(program(a, b), reference(A, B))


def sequential(terms: Array) -> Any:
    total = terms.dtype.type(0)
    for term in terms:
        total = total + term
    return total


def tree(terms: Array) -> Any:
    if len(terms) == 1:
        return terms[0]
    return tree(terms[: len(terms) // 2]) + tree(terms[len(terms) // 2 :])


def shuffled(terms: Array) -> Any:
    return sequential(np.random.default_rng(len(terms)).permutation(terms))


ORDERS = {"sequential": sequential, "tree": tree, "shuffled": shuffled, "backwards": lambda t: sequential(t[::-1])}


@both
@pytest.mark.parametrize("order", ORDERS)
@given(draw=draws, n=lengths, fuzz=seeds)
def test_a_sum_in_any_order_is_inside(order: str, dtype: Any, draw: Draw, n: int, fuzz: int) -> None:
    terms = draw.array((n,), dtype)
    with np.errstate(all="ignore"):
        total = ORDERS[order](terms)
        exact = Format.of(dtype).exact(terms)
        assert inside(total, exact.sum())
        assert inside(total, fuzzy(np.random.default_rng(fuzz), terms).sum())
        assert inside(total / dtype(n), exact.mean())
        assert inside(total * (dtype(1) / dtype(n)), exact.mean())
        assert inside(ORDERS[order](terms / dtype(n)), exact.mean())


@both
@given(draw=draws, n=lengths)
def test_a_sum_is_near_the_exact_one(dtype: Any, draw: Draw, n: int) -> None:
    """The true sum, in rationals, is inside too, and the radius is γ_{n−1} Σ|a|: no wider than derived."""
    terms = draw.array((n,), dtype)
    ball = Format.of(dtype).exact(terms).sum()
    truth = sum((Fraction(float(t)) for t in terms), Fraction(0))
    assert abs(Fraction(float(ball.mid)) - truth) <= Fraction(float(ball.rad))
    size = float(np.abs(terms.astype(np.float64)).sum())
    unit = float(np.finfo(dtype).eps)
    assert ball.rad <= (n - 1) * unit * 1.01 * size * (2 if dtype is np.float64 else 1)


def fused(x: Array, w: Array, bias: Any) -> Any:
    """A chain of fused multiply-adds: one rounding for each product and addition together."""
    total = bias
    for a, b in zip(x, w, strict=True):
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(total))
        total = x.dtype.type(float(exact))
    return total


def split(x: Array, w: Array, bias: Any) -> Any:
    """Even and odd products apart, the bias last, as a vector unit does it."""
    products = x * w
    return (sequential(products[::2]) + sequential(products[1::2])) + bias


DOTS: dict[str, Callable[[Array, Array, Any], Any]] = {
    "bias last": lambda x, w, b: sequential(x * w) + b,
    "bias first": lambda x, w, b: sequential(np.concatenate([np.asarray([b]), x * w])),
    "fused": fused,
    "split": split,
    "numpy": lambda x, w, b: x @ w + b,
}


@both
@pytest.mark.parametrize("form", DOTS)
@given(draw=draws, n=st.integers(1, 20), fuzz=seeds)
def test_a_product_of_matrices_is_inside(form: str, dtype: Any, draw: Draw, n: int, fuzz: int) -> None:
    x, w, b = draw.array((2, n), dtype), draw.array((n, 3), dtype, 1), draw.array((3,), dtype, 2)
    rng, f = np.random.default_rng(fuzz), Format.of(dtype)
    with np.errstate(all="ignore"):
        try:
            z = np.array([[DOTS[form](x[i], w[:, j], b[j]) for j in range(3)] for i in range(2)])
        except OverflowError:  # a rational does not overflow to infinity
            return
        assert inside(z, matmul(f.exact(x), f.exact(w), f.exact(b)))
        assert inside(z, matmul(fuzzy(rng, x), f.exact(w), f.exact(b)))
        assert inside(z, matmul(fuzzy(rng, x), fuzzy(rng, w), fuzzy(rng, b)))


def test_zeros_stay_exact() -> None:
    """No product is touched, so no radius: the tie z = 0 stays a tie and relu′(0) stays decided."""
    f = Format.of(np.float64)
    ball = matmul(f.exact(np.zeros((2, 3))), f.exact(np.full((3, 2), 1e-300)))
    assert not ball.mid.any()
    assert not ball.rad.any()
    tiny = matmul(f.exact(np.full((1, 1), 1e-200)), f.exact(np.full((1, 1), 1e-200)))
    assert tiny.mid == 0
    assert tiny.rad > 0


def one_pass(z: Array) -> Array:
    e = np.exp(z)
    return np.asarray(e / e.sum(-1, keepdims=True))


def shifted(z: Array) -> Array:
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def by_subtraction(z: Array) -> Array:
    s = z - z.max(-1, keepdims=True)
    return np.asarray(s - np.log(np.exp(s).sum(-1, keepdims=True)))


def by_log_sum_exp(z: Array) -> Array:
    top = z.max(-1, keepdims=True)
    return np.asarray(z - (top + np.log(np.exp(z - top).sum(-1, keepdims=True))))


def unshifted(z: Array) -> Array:
    return np.asarray(z - np.log(np.exp(z).sum(-1, keepdims=True)))


SOFTMAX: dict[str, tuple[Callable[[Array], Array], int]] = {
    "shifted": (shifted, 1),
    "exp of log": (lambda z: np.exp(by_subtraction(z)), 1),
    "log: subtraction": (by_subtraction, 0),
    "log: log-sum-exp": (by_log_sum_exp, 0),
}
UNSHIFTED: dict[str, tuple[Callable[[Array], Array], int]] = {
    "unshifted": (one_pass, 1),
    "log: unshifted": (unshifted, 0),
}


@both
@pytest.mark.parametrize("name", SOFTMAX)
@given(draw=draws, n=st.integers(1, 12), fuzz=seeds)
def test_softmax_in_every_form_is_inside(name: str, dtype: Any, draw: Draw, n: int, fuzz: int) -> None:
    program, which = SOFTMAX[name]
    z = draw.array((3, n), dtype)
    with np.errstate(all="ignore"):
        assert inside(program(z), log_softmax(Format.of(dtype).exact(z))[which])
        assert inside(program(z), log_softmax(fuzzy(np.random.default_rng(fuzz), z))[which])


@both
@pytest.mark.parametrize("name", UNSHIFTED)
@given(seed=seeds, n=st.integers(1, 12), scale=st.sampled_from([1e-3, 1.0, 5.0, 20.0]))
def test_softmax_without_a_shift_is_inside_where_it_does_not_overflow(
    name: str, dtype: Any, seed: int, n: int, scale: float
) -> None:
    program, which = UNSHIFTED[name]
    z = (np.random.default_rng(seed).uniform(-scale, scale, (3, n))).astype(dtype)
    assert inside(program(z), log_softmax(Format.of(dtype).exact(z))[which])


@both
@given(draw=draws, seed=seeds, n=st.integers(1, 12))
def test_softmax_backward_by_the_jacobian_is_inside(dtype: Any, draw: Draw, seed: int, n: int) -> None:
    """Both layers' gradients, factored and as a product with the whole Jacobian."""
    z = draw.array((n,), dtype)
    g = np.random.default_rng(seed).normal(size=n).astype(dtype)
    f = Format.of(dtype)
    with np.errstate(all="ignore"):
        p, one = shifted(z), np.eye(n, dtype=dtype)
        ball = log_softmax(f.exact(z[None]))[1]
        for program in ((np.diag(p) - np.outer(p, p)) @ g, p * (g - (p * g).sum())):
            assert inside(program[None], softmax_backward(ball, f.exact(g[None])))
        for program in ((one - np.outer(p, np.ones(n, dtype))) @ g, g - p * g.sum()):
            assert inside(program[None], log_softmax_backward(ball, f.exact(g[None])))


@both
@given(draw=draws, fuzz=seeds)
def test_sigmoid_is_inside(dtype: Any, draw: Draw, fuzz: int) -> None:
    z = draw.array((20,), dtype)
    with np.errstate(all="ignore"):
        for value in (1 / (1 + np.exp(-z)), np.where(z > 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z)))):
            value = np.where(np.isnan(value), 1, value).astype(dtype)  # e^z / (1 + e^z) is ∞/∞ where it is not taken
            assert inside(value, sigmoid(Format.of(dtype).exact(z)))
            assert inside(value, sigmoid(fuzzy(np.random.default_rng(fuzz), z)))


@both
def test_a_ball_is_a_few_roundings_wide(dtype: Any) -> None:
    """A check that cannot fail is no check: an error of eight units in the last place is outside."""
    rng, f = np.random.default_rng(0), Format.of(dtype)
    a, b = rng.normal(size=1000).astype(dtype), rng.normal(size=1000).astype(dtype)
    results = {"+": (a + b, f.exact(a) + f.exact(b)), "·": (a * b, f.exact(a) * f.exact(b))}
    results["/"] = (a / b, f.exact(a) / f.exact(b))
    results["√"] = (np.sqrt(np.abs(a)), abs(f.exact(a)).sqrt())
    for name, (value, ball) in results.items():
        assert inside(value, ball), name
        far = value + np.spacing(value) * 8
        assert not np.any(np.abs(far - ball.mid) <= ball.rad), name


@both
def test_nan_is_certain_and_overflow_is_not(dtype: Any) -> None:
    f = Format.of(dtype)
    nan, zero, big = f.exact([np.nan]), f.exact([0.0]), f.exact([np.finfo(dtype).max])
    infinite = f.exact([np.inf])
    with np.errstate(all="ignore"):
        for certain in (nan + big, nan * zero, zero / nan, nan.sqrt(), abs(nan), nan.sum(), nan.mean(), nan + infinite):
            assert np.isnan(certain.mid).all()
            assert not np.isinf(certain.rad).any()
        for open_ in (big + big, big * big, big / f.exact([0.5]), infinite, infinite * zero, zero / zero, -infinite):
            assert not np.isnan(open_.mid).any()
            assert np.isinf(open_.rad).all()
        partial = f.exact([np.finfo(dtype).max, np.finfo(dtype).max, -np.finfo(dtype).max])
        assert np.isinf(partial.sum().rad), "a partial sum may overflow although the total does not"
        row = matmul(f.exact([[np.nan, 1.0], [1.0, np.inf]]), f.exact(np.eye(2)))
        assert np.isnan(row.mid[0]).all()
        assert np.isinf(row.rad[1]).all()


def test_a_python_number_costs_a_rounding_unless_it_fits() -> None:
    single, double = Format.of(np.float32), Format.of(np.float64)
    assert single.constant(0.5).rad == 0
    assert double.constant(0.1).rad == 0
    assert 0 < single.constant(0.1).rad < 1e-8
    assert double.constant(1 - 0.9, roundings=1).rad > 0
    assert abs(np.float64(np.float32(0.1)) - 0.1) <= single.constant(0.1).rad


def test_other_formats_are_refused() -> None:
    with pytest.raises(TypeError, match="float32 and float64, not float16"):
        Format.of(np.float16)
