"""Every layer and activation in every place of a net: alone, first, last, nested, beside, around; and of no numbers.

Two training steps on both sides, autograd being the reference for the gradients, the weights and the running state.
"""

from functools import partial

import numpy as np
import pytest

import scratch
from parity_tests.catalogue.tables import SIDES
from parity_tests.support.every import EVERY, ROWS, equal, everything
from parity_tests.support.samples import as_tuple

SINGLE = {"CELU": 2.0**-22, "Hardsigmoid": 2.0**-22}
"""Torch keeps the constants of these in single precision, for float64 too."""


def linear(side, width, seed):
    return side.Linear(width, width, dtype=np.float64, rng=seed)


# (side, a new op each time it is called, the width of its input, of its output) → net
PLACES = {
    "alone": lambda side, op, width, out: side.Sequential(op()),
    "first": lambda side, op, width, out: side.Sequential(op(), linear(side, out, 1)),
    "last": lambda side, op, width, out: side.Sequential(linear(side, width, 1), op()),
    "in between": lambda side, op, width, out: side.Sequential(linear(side, width, 1), op(), linear(side, out, 2)),
    "beside nothing": lambda side, op, width, out: side.Sequential(side.Sequential(), op(), side.Sequential()),
    "nested, first": lambda side, op, width, out: side.Sequential(
        side.Sequential(side.Sequential(op()), side.Tanh()), linear(side, out, 1)
    ),
    "branches, first": lambda side, op, width, out: side.Sequential(
        side.Parallel(op(), side.Sequential(op())), linear(side, out, 1)
    ),
    "branches, last": lambda side, op, width, out: side.Sequential(
        linear(side, width, 1), side.Parallel(side.Sequential(op()), op())
    ),
    "around, first": lambda side, op, width, out: side.Sequential(side.Residual(op()), linear(side, out, 1)),
    "around, last": lambda side, op, width, out: side.Sequential(linear(side, width, 1), side.Residual(op())),
}
WHOLE_NUMBERS = ("alone", "first", "nested, first", "branches, first")  # nothing may stand before


@pytest.mark.parametrize("kind", [kind for kind in ROWS if kind != "Bilinear"])
def test_every_op_in_every_place(kind):
    for op in ROWS[kind][:2]:
        if op == "Embedding sparse":  # SparseAdam takes such tables alone: test_sparse_adam
            continue
        case = EVERY[op]
        for place, build in PLACES.items():
            (x,) = case.inputs(1)
            output = case.build(scratch, np.float64).forward(x)
            if (case.odd and place not in WHOLE_NUMBERS) or ("around" in place and output.shape != x.shape):
                continue
            ends = []
            for side in SIDES.values():
                model = build(side, partial(case.build, side, np.float64), x.shape[-1], output.shape[-1])
                training = [child.training for _, child in model.named_children()]
                trainer = side.Trainer(model, side.MSELoss(), sgd(side, model))
                values = []
                for seed in (1, 2):
                    (x,) = case.inputs(seed, 5)
                    y = np.cos(np.arange(output.size)).reshape(output.shape)
                    values.append(np.asarray(trainer.step(trainer.asarray(x), trainer.asarray(y))))
                assert [child.training for _, child in model.named_children()] == training
                ends.append(everything(model, *values))
            for name, array in ends[1].items():
                np.testing.assert_allclose(
                    ends[0][name], array, rtol=1e-9, atol=SINGLE.get(kind, 1e-10), err_msg=f"{op}, {place}: {name}"
                )


def sgd(side, model):
    """Of a net without parameters too, which takes its steps with one that is not its own."""
    parameters = list(model.parameters()) or [side.Parameter(np.ones(1))]
    return side.SGD(parameters, lr=0.05, momentum=0.5)


# What is refused for a batch of nothing, on both sides: there is no number to normalize.
REFUSED = {"GroupNorm", "BatchNorm1d"}


@pytest.mark.parametrize("kind", [kind for kind in ROWS if kind not in REFUSED])
def test_every_op_of_an_empty_batch(kind):
    """Empty outputs and gradients of the right shapes and dtypes, on both sides the same."""
    for op in ROWS[kind]:
        ends = []
        for side in SIDES.values():
            model = EVERY[op].build(side, np.float32)
            output = model.forward(*EVERY[op].inputs(1, 0, np.float32))
            assert not output.size
            ends.append(everything(model, output, *as_tuple(model.backward(output))))
        equal(*ends)


@pytest.mark.parametrize("width", [0, 1])
@pytest.mark.parametrize("kind", [kind for kind in ROWS if any(EVERY[op].shape == ("n", 4) for op in ROWS[kind])])
def test_rows_of_no_number_and_of_one(kind, width):
    for op in ROWS[kind]:
        if EVERY[op].shape != ("n", 4) or op in ("PReLU of channels", "MLP", "LayerNorm without bias"):
            continue
        ends = []
        for side in SIDES.values():
            model = EVERY[op].build(side, np.float64)
            x = np.linspace(-1, 1, 3 * width).reshape(3, width)
            output = model.forward(x)
            ends.append(everything(model, output, *as_tuple(model.backward(np.cos(output)))))
        assert ends[0].keys() == ends[1].keys()
        for name, array in ends[1].items():
            np.testing.assert_allclose(ends[0][name], array, rtol=1e-9, atol=SINGLE.get(kind, 1e-10), err_msg=op)
            assert ends[0][name].shape == array.shape
