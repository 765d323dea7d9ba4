"""Every layer and activation, forward and backward, on both sides, over drawn inputs."""

import numpy as np
import pytest

from handgrad.judge import judge_backward, judge_forward
from parity_tests.catalogue.tables import DTYPES, OPS, PLACES, SIDES, same_formula
from parity_tests.support.judged import judged
from parity_tests.support.strategies import STYLES, Draw, batches, draws, rows, widths


def shape_of(op, batch, width):
    return rows(batch, OPS[op].width or width)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", PLACES)
@pytest.mark.parametrize("op", OPS)
def test_forward_and_backward(op, side, dtype):
    if not same_formula(op, side, dtype):
        return

    def body(draw, upstream, batch, width):
        model = OPS[op].build(PLACES[side], dtype)
        x = draw.array(shape_of(op, batch, width), dtype)
        output = model.forward(x)
        grad_output = upstream.array(output.shape, dtype)
        kept = [array.copy() for array in (x, grad_output)]
        verdicts = [judge_forward(model, x), judge_backward(model, x, grad_output)]
        for array, copy in zip((x, grad_output), kept, strict=True):
            np.testing.assert_array_equal(array, copy)
        return verdicts

    with np.errstate(all="ignore"):
        judged(body, draw=draws, upstream=draws, batch=batches, width=widths)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("op", OPS)
def test_backward_twice_adds_the_same(op, side, dtype):
    """The memory of forward is read, not used up: the input's gradient repeats, the parameters' doubles."""

    def body(draw, batch):
        model = OPS[op].build(PLACES[side], dtype)
        x = draw.array(shape_of(op, batch, 4), dtype)
        grad_output = Draw("normal", "contiguous", draw.seed).array(model.forward(x).shape, dtype)
        first = model.backward(grad_output)
        once = dict(model.named_gradients())
        np.testing.assert_array_equal(model.backward(grad_output), first)
        for name, twice in model.named_gradients():
            np.testing.assert_array_equal(twice, once[name] + once[name])
        return [judge_forward(model, x)]

    with np.errstate(all="ignore"):
        judged(body, draw=draws, batch=batches)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_more_leading_axes(op, dtype):
    """(…, features): whatever has a batch axis may have several."""
    for side in SIDES.values():
        model = OPS[op].build(side, dtype)
        x = Draw("normal", "contiguous", 3).array((2, 3, OPS[op].width or 4), dtype)
        grad_output = Draw("normal", "contiguous", 4).array(model.forward(x).shape, dtype)
        for verdict in (judge_forward(model, x), judge_backward(model, x, grad_output)):
            assert verdict.held, verdict.render()


NOT_NUMBERS = {
    "NaN": [np.nan, 1.0, -1.0],
    "inf": [np.inf, 1.0, -1.0],
    "-inf": [-np.inf, 1.0, -1.0],
    "both": [np.inf, -np.inf, 0.0],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("values", NOT_NUMBERS)
@pytest.mark.parametrize("op", OPS)
def test_what_is_not_a_number_goes_the_same_way(op, values, dtype):
    """NaN and infinities come out of both sides in the same places, forward and backward."""
    if values in OPS[op].unpinned:
        return
    x = np.array([np.resize(row, OPS[op].width or 3) for row in (NOT_NUMBERS[values], [0.5, 0.25, -2.0])], dtype)
    outcomes = []
    with np.errstate(all="ignore"):
        for side in SIDES.values():
            model = OPS[op].build(side, dtype)
            output = model.forward(x)
            grad_input = model.backward(np.ones_like(output))
            gradients = [gradient for _, gradient in model.named_gradients()]
            outcomes.append([np.where(np.isfinite(a), 0, a) for a in (output, grad_input, *gradients)])
    for ours, theirs in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_infinite_upstream_stays_outside_the_mask(style, dtype):
    """Where relu is off its gradient is 0 even for an infinite upstream one: masks select, they do not multiply."""
    x = -np.abs(Draw(style, "contiguous", 0).array((4, 3), dtype))
    for side in SIDES.values():
        model = side.ReLU()
        model.forward(x)
        np.testing.assert_array_equal(model.backward(np.full_like(x, np.inf)), np.zeros_like(x))
