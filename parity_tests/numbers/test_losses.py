"""Every loss with every option, value and gradient, on both sides, over drawn inputs and targets."""

import numpy as np
import pytest
from hypothesis import strategies as st

from handgrad import catalogue
from handgrad.judge import judge_loss
from parity_tests.catalogue.tables import DTYPES, LOSSES, PLACES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.samples import as_tuple, loss_arrays
from parity_tests.support.strategies import Draw, draws, filled_batches, moderate_draws, widths

MODERATE_LOSSES = [name for name, row in LOSSES.items() if row.input == "moderate"]


def reductions(loss):
    return catalogue.LOSSES[LOSSES[loss].name].reductions


EVERY_REDUCTION = [(loss, reduction) for loss in LOSSES for reduction in reductions(loss)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", PLACES)
@pytest.mark.parametrize(("loss", "reduction"), EVERY_REDUCTION)
def test_value_and_gradient(loss, side, reduction, dtype):
    row = LOSSES[loss]
    batched = "ignore_index" in loss and side not in SIDES  # one sample alone: test_semantics_devices

    def body(draw, batch, classes, upstream):
        criterion = row.build(PLACES[side], classes, dtype, reduction)
        arrays = loss_arrays(row, draw, batch, classes, (), dtype)
        kept = [array.copy() for array in arrays]
        grad_output = None
        if reduction == "none":
            grad_output = upstream.array(np.shape(criterion.forward(*arrays)), dtype)
        verdict = judge_loss(criterion, *arrays, grad_output=grad_output)
        for array, copy in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(array, copy)
        return [verdict]

    drawn = moderate_draws if loss in MODERATE_LOSSES else draws
    batch = filled_batches if batched else st.one_of(st.none(), filled_batches)
    with np.errstate(all="ignore"):
        judged(body, draw=drawn, batch=batch, classes=widths, upstream=draws)


CLASS_LOSSES = [name for name, row in LOSSES.items() if row.target.startswith("class") and "Margin" not in row.name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("trailing", [(1,), (4,), (2, 3)])
@pytest.mark.parametrize("loss", CLASS_LOSSES)
def test_classes_on_axis_one_of_many(loss, trailing, reduction, dtype):
    """(N, C, d1, …) against (N, d1, …)."""
    check_trailing(loss, trailing, reduction, dtype)


NO_TRAILING = ("MultiMarginLoss", "MultiLabelMarginLoss", "CosineEmbeddingLoss")  # rows only, in torch too
ANY_SHAPE = [
    name
    for name, row in LOSSES.items()
    if not row.target.startswith("class") and row.name not in NO_TRAILING and "weight" not in name.split()
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("loss", ANY_SHAPE)
def test_any_number_of_axes(loss, reduction):
    check_trailing(loss, (2, 3), reduction, np.float64)


def check_trailing(loss, trailing, reduction, dtype):
    row, draw = LOSSES[loss], Draw("normal", "Fortran order", 5)
    for side in SIDES.values():
        classes = 1 if loss.endswith("pos_weight") else 3
        criterion = row.build(side, classes, dtype, reduction)
        arrays = loss_arrays(row, draw, 4, classes, trailing, dtype)
        grad_output = None
        if reduction == "none":
            grad_output = draw.array(criterion.forward(*arrays).shape, dtype, 2)
        verdict = judge_loss(criterion, *arrays, grad_output=grad_output)
        assert verdict.held, verdict.render()


# Torch returns uninitialised memory for the sum of an empty batch of these: refused (test_errors_losses).
NO_EMPTY_SUM = ("MultiMarginLoss", "MultiLabelMarginLoss")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_empty_batch(loss, reduction):
    """The sum over nothing is 0 and its gradient is empty; only the mean is refused (test_errors)."""
    row = LOSSES[loss]
    if reduction == "sum" and row.name in NO_EMPTY_SUM:
        return
    for side in SIDES.values():
        criterion = row.build(side, 3, np.float32, reduction)
        arrays = loss_arrays(row, Draw("normal", "contiguous", 0), 0, 3, (), np.float32)
        value = criterion.forward(*arrays)
        gradients = as_tuple(criterion.backward(np.ones(np.shape(value), np.float32) if reduction == "none" else None))
        assert value.sum() == 0
        assert value.dtype == np.float32
        differentiable = (arrays[0], arrays[2 if row.var else 1])
        for gradient, array in zip(gradients, differentiable, strict=False):
            assert gradient.shape == array.shape
            assert (gradient == 0).all()


ONE_TARGET = ["MSE", "L1", "BCEWithLogits", "Huber", "half squared error", "KLDiv", "MarginRanking", "GaussianNLL"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ONE_TARGET)
def test_one_target_for_all_outputs(loss, dtype):
    """A target without axes serves every output (source 004)."""
    row, input = LOSSES[loss], np.array([[1.0, -2.0, 0.5]], dtype)
    for side in SIDES.values():
        results = []
        for target in (np.array(1.0, dtype), np.ones_like(input)):
            criterion = row.build(side, 3, dtype, "mean")
            arrays = {"pair": (input, 2 * input, target)}.get(row.input, (input, target))
            arrays = (input, target, np.abs(input)) if row.var else arrays
            results.append((criterion.forward(*arrays), *as_tuple(criterion.backward())))
        for one, many in zip(*results, strict=True):
            np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("index", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("loss", ["CE", "NLL", "MultiMargin"])
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
        arrays = loss_arrays(row, Draw("normal", "contiguous", 1), 4, 3, (), dtype)
        verdict = judge_loss(criterion, *arrays, grad_output=np.asarray(upstream, dtype))
        assert verdict.held, verdict.render()


OPTIONS = [(loss, option) for loss, row in LOSSES.items() for option in row.options(3, np.float64)]


@pytest.mark.parametrize(("loss", "option"), OPTIONS)
def test_every_option_has_an_effect(loss, option):
    """Left at its default, it gives another value or gradient on one of a few drawn batches."""
    row = LOSSES[loss]
    options = row.options(3, np.float64)
    for side in SIDES.values():
        kind = getattr(side, row.name)
        differ = False
        for seed in range(8):
            arrays = loss_arrays(row, Draw("normal", "contiguous", seed), 5, 3, (), np.float64)
            results = []
            for given in (options, {name: value for name, value in options.items() if name != option}):
                criterion = kind(**given)
                results.append((criterion.forward(*arrays), *as_tuple(criterion.backward())))
            differ = differ or any(not np.array_equal(a, b) for a, b in zip(*results, strict=True))
        assert differ


@pytest.mark.parametrize("loss", LOSSES)
def test_backward_twice_gives_the_same(loss):
    """The memory of forward is read, not used up, and what was handed out is not it."""
    row = LOSSES[loss]
    for side in SIDES.values():
        criterion = row.build(side, 3, np.float64, "none")
        arrays = loss_arrays(row, Draw("normal", "contiguous", 2), 5, 3, (), np.float64)
        value = criterion.forward(*arrays)
        upstream = np.ones(np.shape(value))
        first = as_tuple(criterion.backward(upstream))
        kept = [gradient.copy() for gradient in first]
        for gradient in (value, *first):
            gradient[...] = 7.0
        for again, copy in zip(as_tuple(criterion.backward(upstream)), kept, strict=True):
            np.testing.assert_array_equal(again, copy)


@pytest.mark.parametrize("loss", LOSSES)
def test_both_sides_print_alike(loss):
    assert len({repr(LOSSES[loss].build(side, 3, np.float32, "mean")) for side in SIDES.values()}) == 1
