"""Every loss with every option, value and gradient, on both sides, over drawn inputs and targets."""

import numpy as np
import pytest
from hypothesis import strategies as st

from handgrad.judge import judge_loss
from parity_tests.judged import judged
from parity_tests.strategies import Draw, draws, filled_batches, widths
from parity_tests.tables import DTYPES, LOSSES, SIDES

REDUCTIONS = ("mean", "sum", "none")


def arguments(row, draw, batch, classes, trailing, dtype):
    """Input and target of a loss. `batch` None is one sample; `trailing` axes follow the class axis."""
    shape = ((classes,) if batch is None else (batch, classes)) + trailing
    rng = np.random.default_rng([draw.seed, 99])
    if row.input == "probability":
        input = rng.choice([0.0, 1.0, 1e-30, 0.5, 0.999999, *rng.random(5)], shape).astype(dtype)
    else:
        input = draw.array(shape, dtype)
    index_shape = (() if batch is None else (batch,)) + trailing
    targets = {
        "float": lambda: Draw(draw.style, "contiguous", draw.seed).array(shape, dtype, 1),
        "probability": lambda: rng.choice([0.0, 1.0, 0.25, *rng.random(4)], shape).astype(dtype),
        "binary": lambda: rng.integers(0, 2, shape).astype(dtype),
        "class": lambda: np.asarray(rng.integers(0, classes, index_shape)),
        "class probabilities": lambda: rng.random(shape).astype(dtype),
    }
    return input, targets[row.target]()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("loss", LOSSES)
def test_value_and_gradient(loss, side, reduction, dtype):
    row = LOSSES[loss]

    def body(draw, batch, classes, upstream):
        criterion = row.build(SIDES[side], classes, dtype, reduction)
        input, target = arguments(row, draw, batch, classes, (), dtype)
        kept = input.copy(), target.copy()
        grad_output = None
        if reduction == "none":
            grad_output = upstream.array(np.shape(criterion.forward(input, target)), dtype)
        verdict = judge_loss(criterion, input, target, grad_output=grad_output)
        np.testing.assert_array_equal(input, kept[0])
        np.testing.assert_array_equal(target, kept[1])
        return [verdict]

    with np.errstate(all="ignore"):
        judged(body, draw=draws, batch=st.one_of(st.none(), filled_batches), classes=widths, upstream=draws)


CLASS_LOSSES = [name for name, row in LOSSES.items() if row.target.startswith("class")]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("trailing", [(1,), (4,), (2, 3)])
@pytest.mark.parametrize("loss", CLASS_LOSSES)
def test_classes_on_axis_one_of_many(loss, trailing, reduction, dtype):
    """(N, C, d1, …) against (N, d1, …)."""
    row, draw = LOSSES[loss], Draw("normal", "Fortran order", 5)
    for side in SIDES.values():
        criterion = row.build(side, 3, dtype, reduction)
        input, target = arguments(row, draw, 4, 3, trailing, dtype)
        grad_output = None
        if reduction == "none":
            grad_output = draw.array(criterion.forward(input, target).shape, dtype, 2)
        verdict = judge_loss(criterion, input, target, grad_output=grad_output)
        assert verdict.held, verdict.render()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_empty_batch(loss, reduction):
    """The sum over nothing is 0 and its gradient is empty; only the mean is refused (test_errors)."""
    row = LOSSES[loss]
    for side in SIDES.values():
        criterion = row.build(side, 3, np.float32, reduction)
        input, target = arguments(row, Draw("normal", "contiguous", 0), 0, 3, (), np.float32)
        value = criterion.forward(input, target)
        gradient = criterion.backward(np.ones(np.shape(value), np.float32) if reduction == "none" else None)
        assert value.sum() == 0
        assert value.dtype == np.float32
        assert gradient.shape == input.shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["MSE", "L1", "BCEWithLogits"])
def test_one_target_for_all_outputs(loss, dtype):
    """A target without axes serves every output (source 004)."""
    input = np.array([[1.0, -2.0, 0.5]], dtype)
    for side in SIDES.values():
        criterion = LOSSES[loss].build(side, 3, dtype, "mean")
        value, gradient = criterion.forward(input, np.array(1.0, dtype)), criterion.backward()
        assert value == criterion.forward(input, np.ones_like(input))
        np.testing.assert_array_equal(gradient, criterion.backward())


@pytest.mark.parametrize("index", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("loss", ["CE", "NLL"])
def test_any_integer_is_a_class_index(loss, index):
    """Torch wants int64 (source 000 has int32 labels); here any integer dtype will do, on both sides."""
    input = np.array([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4]])
    for side in SIDES.values():
        criterion = LOSSES[loss].build(side, 3, np.float64, "mean")
        values = [criterion.forward(input, np.array([2, 0], kind)) for kind in (index, np.int64)]
        assert values[0] == values[1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("upstream", [0.0, -2.0, 0.5])
@pytest.mark.parametrize("loss", LOSSES)
def test_scalar_upstream_multiplies(loss, upstream, dtype):
    row = LOSSES[loss]
    for side in SIDES.values():
        criterion = row.build(side, 3, dtype, "mean")
        input, target = arguments(row, Draw("normal", "contiguous", 1), 4, 3, (), dtype)
        verdict = judge_loss(criterion, input, target, grad_output=np.asarray(upstream, dtype))
        assert verdict.held, verdict.render()
