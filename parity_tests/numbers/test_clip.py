"""Clipping on both sides: every norm and scaled gradient judged, values to the bit, and torch's edges."""

import math

import numpy as np
import pytest
import torch

from handgrad.judge import judge_clip
from parity_tests.catalogue.tables import DTYPES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.strategies import Draw, draws

INF, NAN = math.inf, math.nan
NORMS = [2.0, 1, INF, "infinity", 3.0, 0.5, 1 / 3, 0, -INF, -1.0, -2]
SHAPES = ((3, 4), (5,), (1, 1), ())


def parameters_of(side, gradients):
    """Parameters with these gradients."""
    parameters = [side.Parameter(np.zeros(np.shape(g), np.asarray(g).dtype)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return parameters


def clipped(side, gradients, max_norm, norm_type=2.0):
    """The verdict, the norm, and the gradients that are left."""
    parameters = parameters_of(SIDES[side], gradients)
    held = [p.grad for p in parameters]
    before = [None if gradient is None else gradient.copy() for gradient in held]
    total = SIDES[side].clip_grad_norm_(parameters, max_norm, norm_type)
    for gradient, copy in zip(held, before, strict=True):  # whoever kept a gradient still holds it
        np.testing.assert_array_equal(gradient, copy)
    return judge_clip(parameters, before, total, max_norm, norm_type), total, [p.grad for p in parameters]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("norm_type", NORMS)
def test_norm(norm_type, side, dtype):
    """Clipped hard, near the norm, not at all, and by 0."""

    def body(draw):
        gradients = [draw.array(shape, dtype, i) for i, shape in enumerate(SHAPES)]
        verdicts = []
        with np.errstate(all="ignore"):
            size = float(np.linalg.norm(np.concatenate([g.astype(np.float64).ravel() for g in gradients])))
        for max_norm in (1e-3, 0.0, size, 1.01 * size, 1e3, INF):
            kept = [gradient.copy() for gradient in gradients]
            verdict, total, _ = clipped(side, gradients, max_norm, norm_type)
            assert np.asarray(total).dtype == dtype
            verdicts.append(verdict)
            for gradient, copy in zip(gradients, kept, strict=True):
                np.testing.assert_array_equal(gradient, copy)
        return verdicts

    # a negative power of 0, or of what is small, is not finite: nothing is claimed of the norm or of what it scales
    if float(norm_type) in (-1.0, -2.0):
        body(Draw("all positive", "contiguous", 0))
    else:
        judged(body, draw=draws)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_value(side, dtype):
    """An entry either stays or is the bound: both sides give numpy.clip's bits."""
    rng = np.random.default_rng(0)
    gradient = np.concatenate([rng.normal(size=50), [0.0, -0.0, INF, -INF, NAN, 1e-310, 0.1, -0.1]]).astype(dtype)
    for bound in (0.1, 0.0, 1.5, INF):
        parameters = parameters_of(SIDES[side], [gradient, gradient[:0], gradient[0]])
        SIDES[side].clip_grad_value_(parameters, bound)
        theirs = torch.from_numpy(gradient.copy()).clamp_(-bound, bound).numpy()
        np.testing.assert_array_equal(parameters[0].grad, theirs)
        np.testing.assert_array_equal(np.signbit(parameters[0].grad), np.signbit(theirs))
        assert parameters[0].grad.dtype == dtype
        assert [p.grad.shape for p in parameters[1:]] == [(0,), ()]


# gradients, max_norm, norm_type → the norm and the gradients afterwards, as torch 2.13 gives them
EDGES = {
    "an infinite entry": ([[3.0, INF], [1.0]], 1.0, 2, INF, [[0.0, NAN], [0.0]]),
    "an infinite entry, the largest": ([[3.0, -INF], [1.0]], 1.0, INF, INF, [[0.0, NAN], [0.0]]),
    "an infinite entry and no bound": ([[3.0, INF], [1.0]], INF, 2, INF, [[NAN, NAN], [NAN]]),
    "an infinite entry, the smallest": ([[3.0, INF], [1.0]], 0.5, -INF, 1.0, [[1.5, INF], [0.5]]),
    "NaN": ([[3.0, NAN], [1.0]], 1.0, 2, NAN, [[NAN, NAN], [NAN]]),
    "NaN, the largest": ([[3.0, NAN], [1.0]], 1.0, INF, NAN, [[NAN, NAN], [NAN]]),
    "NaN and infinity": ([[INF, NAN], [1.0]], 1.0, 1, NAN, [[NAN, NAN], [NAN]]),
    "NaN is not 0": ([[3.0, NAN, 0.0], [1.0]], 1.0, 0, 2.0, [[1.5, NAN, 0.0], [0.5]]),
    "a negative norm of 0": ([[3.0, 0.0], [1.0]], 1.0, -1, 0.0, [[3.0, 0.0], [1.0]]),
    "all zero": ([[0.0, -0.0], [0.0]], 1.0, 2, 0.0, [[0.0, -0.0], [0.0]]),
    "nothing is too long": ([[0.0, -0.0], [0.0]], 0.0, 2, 0.0, [[0.0, -0.0], [0.0]]),
    "an empty one": ([[], [3.0, 4.0]], 2.5, 2, 5.0, [[], [1.5, 2.0]]),
    "only empty ones": ([[], []], 1.0, 2, 0.0, [[], []]),
    "an empty one is not counted": ([[], [3.0, 4.0]], 0.5, 0, 1.0, [[], [1.5, 2.0]]),
    "an empty one among roots": ([[], [1.0, 4.0]], 4.5, 0.5, 9.0, [[], [0.5, 2.0]]),
    "none": ([], 1.0, 2, 0.0, []),
    "one number needs no square": ([[1e300]], 1e300, 2, 1e300, [[1e300]]),
    "far out": ([[1e300, 1e300]], 1.0, 2, INF, [[0.0, 0.0]]),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", EDGES)
def test_edges(name, side):
    """1e-6 beside the norm is a relative 1e-6 at most of what is left; what the judge can tell it holds too."""
    given, max_norm, norm_type, norm, expected = EDGES[name]
    verdict, total, left = clipped(side, [np.array(g) for g in given], max_norm, norm_type)
    np.testing.assert_allclose(total, norm, rtol=1e-15)
    for gradient, wanted in zip(left, expected, strict=True):
        # No norm that divides is below 1: the 1e-6 that is added to it, and roundings.
        np.testing.assert_allclose(gradient, wanted, rtol=1.1e-6)
        signs = [np.signbit(np.nan_to_num(a, nan=0.0)) for a in (gradient, wanted)]
        np.testing.assert_array_equal(*signs)
    assert verdict.held, verdict.render()


@pytest.mark.parametrize("side", SIDES)
def test_a_parameter_without_a_gradient_and_one_alone(side):
    parameters = parameters_of(SIDES[side], [np.array([3.0, 4.0]), np.array([7.0])])
    parameters[1].grad = None
    assert SIDES[side].clip_grad_norm_(iter(parameters), 1.0) == 5.0
    assert parameters[1].grad is None
    assert SIDES[side].clip_grad_norm_(parameters[0], 10.0) == pytest.approx(1.0, rel=1e-6)
    SIDES[side].clip_grad_value_(parameters[0], 0.25)
    np.testing.assert_array_equal(parameters[0].grad, [0.25, 0.25])
    parameters[0].grad = None
    assert SIDES[side].clip_grad_norm_(parameters, 1.0) == 0.0


@pytest.mark.parametrize("side", SIDES)
def test_both_formats_in_one_call(side):
    """The norm is in the longer one, each gradient stays in its own."""
    gradients = [np.array([0.1, 0.7], np.float32), np.array([1 / 3, -2.0])]
    verdict, total, left = clipped(side, gradients, 0.5)
    assert verdict.held, verdict.render()
    assert verdict.skipped == 0
    assert np.asarray(total).dtype == np.float64
    assert [g.dtype for g in left] == [np.float32, np.float64]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("value", "order"), [(INF, 2), (NAN, INF), (1e300, 2)])
def test_error_if_nonfinite(value, order, side):
    """Refused before any gradient is scaled, in the same words."""
    parameters = parameters_of(SIDES[side], [np.array([value, value]), np.array([3.0])])
    with pytest.raises(RuntimeError, match=rf"^clip_grad_norm_: the total norm of order {order:g} is (inf|nan), so"):
        SIDES[side].clip_grad_norm_(parameters, 1.0, order, error_if_nonfinite=True)
    np.testing.assert_array_equal(parameters[0].grad, [value, value])
    np.testing.assert_array_equal(parameters[1].grad, [3.0])


@pytest.mark.parametrize("side", SIDES)
def test_only_the_norm_asked_for_must_be_finite(side):
    """The largest of these is, the root of their squares is not."""
    parameters = parameters_of(SIDES[side], [np.array([1e300, 1e300])])
    assert SIDES[side].clip_grad_norm_(parameters, 1e300, INF, error_if_nonfinite=True) == 1e300


# What a program with one planted bug would do to (norm, gradients), and the norm_type.
PLANTED = {
    "the norm after clipping": (lambda total, left: (total * 0.5, left), 2),
    "the largest of the norms": (lambda total, left: (np.float64(5.0), left), 2),
    "one gradient forgotten": (lambda total, left: (total, [left[0], left[1] * 2]), 2),
    "1e-6 forgotten": (lambda total, left: (total, [g * (1 + 1e-6 / total) for g in left]), 2),
    "1e-8 for 1e-6": (lambda total, left: (total, [g * (total + 1e-6) / (total + 1e-8) for g in left]), 3),
    "the count of all": (lambda total, left: (total + 1, left), 0),
    "1-norm for 2-norm": (lambda total, left: (np.float64(19.0), left), 2),
    "clipped to double": (lambda total, left: (total, [2 * g for g in left]), INF),
    "NaN for a number": (lambda total, left: (total, [g * NAN for g in left]), 1),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bugs_are_refused(name):
    plant, norm_type = PLANTED[name]
    gradients = [np.array([3.0, 4.0]), np.array([0.0, 12.0])]
    parameters = parameters_of(SIDES["scratch"], gradients)
    total = SIDES["scratch"].clip_grad_norm_(parameters, 2.0, norm_type)
    assert judge_clip(parameters, gradients, total, 2.0, norm_type).held
    total, left = plant(total, [p.grad for p in parameters])
    for parameter, gradient in zip(parameters, left, strict=True):
        parameter.grad = gradient
    verdict = judge_clip(parameters, gradients, total, 2.0, norm_type)
    assert not verdict.held
    assert verdict.failures[0].side == "scratch"
