"""The judge where numbers end: what overflows on the way, what is divided by nothing, what saturates.

A number of which nothing can be known is skipped on both sides alike; everything else keeps its bound.
"""

import re

import numpy as np
import pytest

from handgrad.judge import judge_backward, judge_forward, judge_loss, judge_net
from handgrad.judge.ball import Ball, Format
from handgrad.judge.explain import reproduce
from handgrad.judge.rules import layers
from parity_tests.catalogue.tables import DTYPES, LOSSES, OPS, SIDES
from parity_tests.numbers.test_normalization import NORMS, build, shape_of
from parity_tests.support.samples import loss_arrays
from parity_tests.support.strategies import Draw

F = Format.of(np.float32)
# Scales of the input and of the upstream gradient: squares, sums of products, cubes and halves overflow on the way. In
# float64 the reference's own do as well.
SCALES = [
    (np.float32, 1e14, 1e25),
    (np.float32, 1e20, 1.0),
    (np.float32, 1e38, 1.0),
    (np.float32, 1e38, 1e-30),
    (np.float32, 1e-10, 1e25),
    (np.float64, 1e154, 1.0),
    (np.float64, 1e299, 1e-250),
    (np.float64, 1e308, 1.0),
]


@pytest.fixture(autouse=True)
def quiet():
    token = reproduce._executing.set(True)
    with np.errstate(all="ignore"):
        yield
    reproduce._executing.reset(token)


def drawn(shape, scale, seed, dtype):
    most = float(np.finfo(dtype).max)
    values = np.random.default_rng(seed).normal(size=shape) * scale
    return np.asarray(np.clip(values, -most, most)).astype(dtype)


def held(verdicts):
    for verdict in verdicts:
        assert verdict.held, verdict.render()


# One row of each layer: its first, with the plainest options. Normalizations square, so of them all.
ROWS = {re.split("[(, ]", name)[0]: name for name in reversed(OPS)}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", [*ROWS.values(), *NORMS])
def test_a_layer_whose_intermediates_overflow(name, side):
    for seed, (dtype, scale, upstream) in enumerate(SCALES):
        if name in OPS:
            model, shape = OPS[name].build(SIDES[side], dtype), (4, OPS[name].width or 5)
        else:
            model, shape = build(side, name, dtype), shape_of(name, 4)
        x = drawn(shape, scale, seed, dtype)
        g = drawn(model.forward(x).shape, upstream, seed + 1, dtype)
        held([judge_forward(model, x), judge_backward(model, x, g)])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_whose_intermediates_overflow(loss, side):
    row = LOSSES[loss]
    for seed, (dtype, scale, upstream) in enumerate(SCALES):
        arrays = list(loss_arrays(row, Draw("normal", "contiguous", seed), 4, 5, (), dtype))
        for i in range(2 if row.input == "pair" else row.input != "probability"):
            arrays[i] = drawn(arrays[i].shape, scale, seed + i, dtype)
            if row.input == "positive":
                arrays[i] = np.abs(arrays[i])
        criterion = row.build(SIDES[side], 5, dtype, "mean")
        held([judge_loss(criterion, *arrays, grad_output=dtype(upstream))])


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.width is None and not op.random])
def test_nothing_is_known_of_what_comes_from_nothing(name):
    """An undecided number may be NaN. So no bound of a layer, a minimum, a saturation, may claim it again."""
    model = OPS[name].build(SIDES["scratch"], np.float32)
    model.forward(np.zeros((1, 4), np.float32))  # what draws has drawn
    rule = layers.read_model(model)
    parameters = {key: p.data for key, p in model.named_parameters()}
    lost = Ball(np.zeros((1, 4)), np.full((1, 4), np.inf), F)
    assert np.isinf(rule.forward(lost, parameters).rad).all()


ZERO_WEIGHTS = {
    "all": [0.0, 0.0, 0.0],
    "the targets'": [0.0, 0.0, 1.0],
    "cancelling": [1.0, -1.0, 1.0],
    "cancelling, others": [0.5, -0.5, 0.0],
}
CLASS_LOSSES = {
    "cross-entropy": ("CrossEntropyLoss", {}),
    "cross-entropy, smoothed": ("CrossEntropyLoss", {"label_smoothing": 0.1}),
    "cross-entropy, all smoothed": ("CrossEntropyLoss", {"label_smoothing": 1.0}),
    "NLL": ("NLLLoss", {}),
}
TARGETS = {"kept": [0, 1], "one ignored": [-100, 1], "all ignored": [-100, -100]}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("weight", ZERO_WEIGHTS)
@pytest.mark.parametrize("loss", CLASS_LOSSES)
def test_weights_that_sum_to_nothing(loss, weight, target, dtype):
    """0/0 is NaN on both sides, in the loss and where a gradient is asked for; and the judge knows where it must be."""
    name, options = CLASS_LOSSES[loss]
    x, t = np.array([[1.0, 2.0, 0.5], [3.0, -1.0, 0.0]], dtype), np.array(TARGETS[target])
    values, gradients = [], []
    for side in SIDES.values():
        criterion = getattr(side, name)(weight=np.array(ZERO_WEIGHTS[weight], dtype), **options)
        values.append(criterion.forward(x, t))
        gradients.append(criterion.backward())
        held([judge_loss(criterion, x, t)])
    if np.isfinite(values[0]):
        return  # one of two weights that cancel is ignored
    np.testing.assert_array_equal(*values)
    np.testing.assert_array_equal(*gradients)
    if "cancelling" not in weight:
        assert np.isnan(values[0])
        assert not judge_loss(criterion, x, t, value=dtype(0)).held
        wrong = np.zeros_like(x) if target != "all ignored" else np.full_like(x, np.nan)
        assert not judge_loss(criterion, x, t, grad=wrong).held


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("side", SIDES)
def test_a_nan_from_above_meets_a_mask(side, reduction):
    """0 · NaN is NaN, where(mask, NaN, 0) is 0, and both are programs of this loss. Outside the mask NaN must come."""
    loss = SIDES[side].CosineEmbeddingLoss(reduction=reduction)
    arrays = [np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[2.0, 1.0], [-3.0, 1.0]]), np.array([1.0, -1.0])]
    upstream = np.full((2,) if reduction == "none" else (), np.nan)
    verdict = judge_loss(loss, *arrays, grad_output=upstream)
    assert verdict.held, verdict.render()
    assert verdict.skipped == 4
    lost = tuple(np.zeros((2, 2)) for _ in "12")
    assert not judge_loss(loss, *arrays, grad=lost, grad_output=upstream).held


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_a_sigmoid_before_binary_cross_entropy_saturates(side, dtype):
    """σ′ and the loss's denominator are one number: nothing is skipped, and the product is as sharp as σ(z) − t."""
    z = np.linspace(-40, 40, 161)[:, np.newaxis].astype(dtype)
    for t in (0.0, 1.0, 0.3):
        model = SIDES[side].Sequential(SIDES[side].Sigmoid())
        loss, y = SIDES[side].BCELoss(reduction="sum"), np.full_like(z, t)
        verdict = judge_net(model, loss, z, y)
        held([verdict])
        assert verdict.skipped == 0
        value = loss.forward(model.forward(z), y)
        right = model.backward(loss.backward())
        assert judge_net(model, loss, z, y, value=value, grad_input=right).held
        off = right.copy()
        row = 80 - 8 * (t == 0) + 8 * (t == 1)  # z = ∓4, where σ is near the target
        off[row] *= 1 + 2000 * np.finfo(dtype).eps
        assert not judge_net(model, loss, z, y, grad_input=off).held


@pytest.mark.parametrize("side", SIDES)
def test_probabilities_near_an_end_are_bounded(side):
    """Not from a sigmoid: where p may be 1, the gradient by a target of 1 is between −1/p and 0."""
    model = SIDES[side].Sequential(SIDES[side].Softmax(-1))
    x = np.array([[14.0, 0.0], [16.5, 0.0], [20.0, 0.0], [200.0, 0.0]], np.float32)
    verdict = judge_net(model, SIDES[side].BCELoss(), x, np.array([[1.0, 0.0]] * 4, np.float32))
    held([verdict])
    assert verdict.skipped == 0
