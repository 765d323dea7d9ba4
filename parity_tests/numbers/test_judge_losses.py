"""The judge and the losses: whole nets that end in each of them hold, other ways to write a formula hold, bugs do not.

A planted bug is a wrong value or a wrong gradient, computed from the right one or in its place.
"""

import math

import numpy as np
import pytest

import scratch
from handgrad import catalogue
from handgrad.judge import StepJudge, judge_loss, judge_net
from parity_tests.catalogue.tables import DTYPES, LOSSES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.samples import as_tuple, loss_arrays
from parity_tests.support.strategies import Draw, draws, filled_batches, moderate_draws

NETS = [name for name, row in LOSSES.items() if not row.pair]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("loss", NETS)
def test_a_net_that_ends_in_it(loss, side, dtype):
    """The loss of an output that is itself a ball."""
    row, side = LOSSES[loss], SIDES[side]
    last = {"probability": "sigmoid", "positive": "relu"}.get(row.input)

    def body(draw, batch):
        model = side.MLP([4, 6, 3], "tanh", last, dtype=dtype, rng=draw.seed % 100)
        x = draw.array((batch, 4), dtype)
        _, target = loss_arrays(row, draw, batch, 3, (), dtype)
        return [judge_net(model, row.build(side, 3, dtype, "mean"), x, target)]

    with np.errstate(all="ignore"):
        judged(body, draw=moderate_draws, batch=filled_batches)


def test_a_pair_is_no_end_of_a_net():
    model = scratch.MLP([2, 1])
    with pytest.raises(TypeError, match="GaussianNLLLoss takes three arrays"):
        StepJudge(model, scratch.GaussianNLLLoss(), scratch.SGD(model.parameters(), lr=0.1))


def natural(value, *gradients):
    """Another way to write a loss, with reduction "none": the value's elements, and its gradients per element."""
    return value, gradients


def huber(x, t):
    d = x - t
    far = np.abs(d) > 1
    return natural(np.where(far, np.abs(d) - 0.5, 0.5 * d**2), np.where(far, np.sign(d), d))


def soft_margin(x, t):
    e = np.exp(-t * x)
    return natural(np.log(1 + e), -t * e / (1 + e))


def kl_div(x, t):
    t = np.where(t == 0, t.dtype.type(1), t)
    return natural(t * (np.log(t) - x), -t)


def poisson_nll(x, t):
    return natural(-(t * x - np.exp(x)), -(t - np.exp(x)))


def gaussian_nll(x, t, v):
    v = np.maximum(v, 1e-6)
    d = x - t
    return natural(0.5 * np.log(v) + d / v * d / 2, d * (1 / v), 1 / (2 * v) - d**2 / (2 * v**2))


def cosine_embedding(x1, x2, t):
    a, b = np.sqrt((x1**2).sum(-1) + 1e-12), np.sqrt((x2**2).sum(-1) + 1e-12)
    cos = np.einsum("...i,...i", x1, x2, optimize=False) / a / b
    a, b, c, sign = a[..., None], b[..., None], cos[..., None], t[..., None]
    gradients = (-sign * (x2 / a / b - c / a**2 * x1), -sign * (x1 / a / b - c / b**2 * x2))
    cut = (sign == 0) | ((sign < 0) & (c < 0))
    value = np.where(t == 1, 1 - cos, np.maximum(0, cos) * (t == -1))
    return natural(value, *(np.where(cut, 0, g) for g in gradients))


def multi_margin(x, t):
    rows = np.arange(len(x))
    z = x - x[rows, t][:, None] + 1
    z[rows, t] = 0
    on = (z > 0).astype(x.dtype) / x.shape[1]
    on[rows, t] = -on.sum(1)
    return natural(np.maximum(z, 0).mean(1), on)


def multi_label_soft_margin(x, t):
    p = 1 / (1 + np.exp(-x))
    return natural(-(t * np.log(p) + (1 - t) * np.log(1 / (1 + np.exp(x)))).mean(-1), (p - t) / x.shape[-1])


OTHER_FORMS = {
    "Huber": huber,
    "SmoothL1": huber,
    "SoftMargin": soft_margin,
    "KLDiv": kl_div,
    "PoissonNLL": poisson_nll,
    "GaussianNLL": gaussian_nll,
    "CosineEmbedding": cosine_embedding,
    "MultiMargin": multi_margin,
    "MultiLabelSoftMargin": multi_label_soft_margin,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", OTHER_FORMS)
def test_other_ways_to_write_it_hold(loss, dtype):
    """The ball has room for what a reader of the formula would write in NumPy, not for the two sides alone.

    Those that exponentiate a logit are drawn where it does not overflow.
    """
    row = LOSSES[loss]

    def body(draw, batch):
        arrays = loss_arrays(row, draw, batch, 5, (), dtype)
        if loss == "KLDiv":
            arrays = (arrays[0], np.where(arrays[1] == 0, dtype(0.5), arrays[1]))
        value, gradients = OTHER_FORMS[loss](*arrays)
        upstream = np.ones(np.shape(value), dtype)
        given = gradients if row.pair else gradients[0]
        criterion = row.build(scratch, 5, dtype, "none")
        return [judge_loss(criterion, *arrays, value=np.asarray(value), grad=given, grad_output=upstream)]

    with np.errstate(all="ignore"):
        overflows = row.input == "moderate" or loss == "MultiLabelSoftMargin"
        judged(body, draw=moderate_draws if overflows else draws, batch=filled_batches)


def elementwise(change_value=None, change_gradient=None):
    """A bug that changes what was computed: f(value or gradient, the loss's arrays)."""
    return change_value or (lambda value, *arrays: value), change_gradient or (lambda gradient, *arrays: gradient)


def first(change):
    return elementwise(None, lambda gradients, *arrays: (change(gradients[0], *arrays), gradients[1]))


def second(change):
    return elementwise(None, lambda gradients, *arrays: (gradients[0], change(gradients[1], *arrays)))


# Losses by their row in the table → bugs: value's change, gradient's change. Reduction "mean" on 4 × 3 drawn numbers.
BUGS = {
    ("SmoothL1 beta", "β forgotten in the slope"): elementwise(None, lambda g, x, t: np.clip(g, -0.1 / 12, 0.1 / 12)),
    ("SmoothL1 beta", "½β not taken off"): elementwise(lambda v, x, t: np.abs(x - t).mean(dtype=x.dtype)),
    ("Huber delta", "δ not factored in"): elementwise(None, lambda g, x, t: np.sign(x - t) / 12),
    ("Huber delta", "½ forgotten"): elementwise(lambda v, x, t: 2 * v),
    ("half squared error", "mean over elements"): elementwise(lambda v, x, t: v / 3, lambda g, x, t: g / 3),
    ("half squared error", "2 not cancelled"): elementwise(None, lambda g, x, t: 2 * g),
    ("SoftMargin", "sign of t"): elementwise(None, lambda g, x, t: -g),
    ("SoftMargin", "σ(tx) for σ(−tx)"): elementwise(None, lambda g, x, t: -t / (1 + np.exp(-t * x)) / 12),
    ("HingeEmbedding", "kink taken as flat"): elementwise(None, lambda g, x, t: np.where(x == 1, 0 * g, g)),
    ("HingeEmbedding", "no max"): elementwise(lambda v, x, t: np.where(t == 1, x, 1 - x).mean(dtype=x.dtype)),
    ("MultiMargin", "the right class too"): elementwise(lambda v, x, t: v + x.dtype.type(1 / 3)),
    ("MultiMargin", "C − 1 for C"): elementwise(lambda v, x, t: v * 3 / 2, lambda g, x, t: g * 3 / 2),
    ("MultiMargin all options", "p forgotten in the slope"): elementwise(None, lambda g, x, t: g / 2),
    ("MultiMargin weight", "mean over the weights"): elementwise(lambda v, x, t: v / 2, lambda g, x, t: g / 2),
    ("MultiLabelMargin", "sum over the batch"): elementwise(lambda v, x, t: 4 * v),
    ("MultiLabelMargin", "the right classes' part lost"): elementwise(None, lambda g, x, t: np.maximum(g, 0)),
    ("MultiLabelSoftMargin weight", "sum over the classes"): elementwise(lambda v, x, t: 3 * v, lambda g, x, t: 3 * g),
    ("MultiLabelSoftMargin weight", "weight forgotten"): elementwise(
        None, lambda g, x, t: g / np.linspace(0.3, 2.1, 3).astype(x.dtype)
    ),
    ("KLDiv", "log t forgotten"): elementwise(lambda v, x, t: (-t * x).mean(dtype=x.dtype)),
    ("KLDiv", "batchmean for mean"): elementwise(lambda v, x, t: 3 * v, lambda g, x, t: 3 * g),
    ("KLDiv log_target", "eᵗ forgotten"): elementwise(None, lambda g, x, t: -t / 12),
    ("PoissonNLL", "log_input ignored"): elementwise(None, lambda g, x, t: (1 - t / (x + x.dtype.type(1e-8))) / 12),
    ("PoissonNLL full", "Stirling for every t"): elementwise(
        lambda v, x, t: v + (t <= 1).mean(dtype=x.dtype) * x.dtype.type(0.5 * math.log(2 * math.pi))
    ),
    ("PoissonNLL rate all options", "eps ignored"): elementwise(None, lambda g, x, t: (1 - t / x) / 12),
    ("CosineEmbedding margin", "cos's own length not differentiated"): first(
        lambda g, x1, x2, t: g + x1 / np.linalg.norm(x1, axis=-1, keepdims=True) / 4
    ),
    ("CosineEmbedding margin", "gradients swapped"): elementwise(None, lambda g, *arrays: g[::-1]),
    ("MarginRanking margin", "one sign for both"): second(lambda g, *arrays: -g),
    ("MarginRanking margin", "margin forgotten"): elementwise(
        lambda v, x1, x2, t: np.maximum(0, -t * (x1 - x2)).mean(dtype=x1.dtype)
    ),
    ("GaussianNLL full", "½ log 2π forgotten"): elementwise(
        lambda v, x, t, var: v - x.dtype.type(0.5 * math.log(2 * math.pi))
    ),
    ("GaussianNLL full", "not summed over what it serves"): second(lambda g, *arrays: g / 3),
    ("GaussianNLL eps", "the clamp differentiated"): second(lambda g, x, t, var: np.where(var < 0.5, 0 * g, g)),
    ("GaussianNLL column", "d²/v for d²/v²"): second(lambda g, x, t, var: g * var),
}
BUGS |= {
    (case, what): elementwise(*changes)
    for row in catalogue.LOSSES.values()
    for what, changes in row.wrong.items()
    for case in row.cases
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug[0]}: {bug[1]}")
def test_a_planted_bug_is_refused(bug, dtype):
    loss, (change_value, change_gradient) = bug[0], BUGS[bug]
    row = LOSSES[loss]
    criterion = row.build(scratch, 3, dtype, "mean")
    arrays = loss_arrays(row, Draw("ties" if "Hinge" in loss else "normal", "contiguous", 4), 4, 3, (), dtype)
    with np.errstate(all="ignore"):
        value, gradient = criterion.forward(*arrays), criterion.backward()
        assert judge_loss(criterion, *arrays, value=value, grad=gradient).held
        wrong_value, wrong_gradient = change_value(value, *arrays), change_gradient(gradient, *arrays)
        verdict = judge_loss(criterion, *arrays, value=wrong_value, grad=wrong_gradient)
    same = [np.array_equal(a, b) for a, b in zip(as_tuple(gradient), as_tuple(wrong_gradient), strict=True)]
    assert not (all(same) and wrong_value == value), "the bug has no effect on these numbers"
    assert not verdict.held


def test_every_new_rule_has_two_bugs():
    old = {"MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss"}  # of test_judge
    for name in {row.name for row in LOSSES.values()} - old:
        assert sum(LOSSES[loss].name == name for loss, _ in BUGS) >= 2, name


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("loss", "reduction"), [("KLDiv", "batchmean"), ("Huber", "sum"), ("MultiMargin", "mean")])
def test_a_trainer_steps_with_it(loss, reduction, side):
    row, side = LOSSES[loss], SIDES[side]
    model = side.MLP([4, 6, 3], "tanh", "log_softmax", dtype=np.float64, rng=0)
    criterion, optimizer = row.build(side, 3, np.float64, reduction), side.SGD(model.parameters(), lr=0.01)
    trainer, judge = side.Trainer(model, criterion, optimizer), StepJudge(model, criterion, optimizer)
    draw = Draw("normal", "contiguous", 0)
    x, (_, target) = draw.array((5, 4), np.float64), loss_arrays(row, draw, 5, 3, (), np.float64)
    for _ in range(3):
        before = judge.before()
        verdict = judge.after(before, x, target, trainer.step(x, target))
        assert verdict.held, verdict.render()
