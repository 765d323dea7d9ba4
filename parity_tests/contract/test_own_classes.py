"""What a class of one's own gets by extending one of `scratch`'s: its name, quiet underflow, checks of its input.

All of it happens when the class is made, so every class here is made inside of its test.
"""

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from contract import checks

TINY = np.float32(1e-30)
KIND = scratch.Parameter
EXTENDED = {
    "Module": scratch.Module,
    "Loss": scratch.Loss,
    "PairLoss": scratch.PairLoss,
    "Optimizer": scratch.Optimizer,
}


@pytest.mark.parametrize("base", EXTENDED.values(), ids=EXTENDED)
def test_it_goes_by_its_own_name(base):
    own = type("Mine", (base,), {"__module__": __name__})
    named = type("Mine", (base,), {"__module__": __name__, "name": "Other"})
    further = type("Further", (named,), {"__module__": __name__})
    assert (own.name, named.name, further.name) == ("Mine", "Other", "Further")


METHODS = [
    *(("Module", name) for name in ("forward", "backward", "backward_parameters", "__call__")),
    *((base, name) for base in ("Loss", "PairLoss") for name in ("forward", "backward")),
    ("Optimizer", "step"),
]


@pytest.mark.parametrize(("base", "method"), METHODS)
def test_underflow_in_its_methods_is_told_to_nobody(base, method):
    """Overflow is; and so is underflow in what it has beside them."""
    body = {"__module__": __name__, method: lambda self, x: x * x, "other": lambda self, x: x * x}
    kind = type("Mine", (EXTENDED[base],), body)
    mine = kind([scratch.Parameter(np.ones(1))], {}) if base == "Optimizer" else kind()
    with np.errstate(all="raise"):
        assert getattr(mine, method)(np.full(2, TINY)).max() == 0
        with pytest.raises(FloatingPointError, match="overflow"):
            getattr(mine, method)(1 / np.full(2, TINY))
        with pytest.raises(FloatingPointError, match="underflow"):
            mine.other(np.full(2, TINY))


def test_a_class_that_adds_at_most_is_left_alone():
    class Sum(scratch.Module, hands_on=True):
        def forward(self, x):
            return x * x

    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="underflow"):
        Sum().forward(np.full(2, TINY))


@pytest.mark.parametrize("run", ["forward", "__call__"])
@pytest.mark.parametrize("back", ["backward", "backward_parameters"])
def test_a_module_that_runs_twice_is_told_apart_in_every_method(run, back):
    """Also where `__call__` is written down as another name of `forward`."""

    class Mine(scratch.Module):
        def __init__(self):
            self.relu, self.shift = scratch.ReLU(), scratch.Linear(2, 2, rng=0)
            self.shift.weight.data[...], self.shift.bias.data[...] = np.eye(2), -1

        def forward(self, x):
            return self.relu(self.shift(self.relu(x)))

        __call__ = forward

        def backward(self, g):
            return self.relu.backward(self.shift.backward(self.relu.backward(g)))

        def backward_parameters(self, g):
            self.shift.backward_parameters(self.relu.backward(g))

    net, x, g = Mine(), np.array([[0.5, 3.0]], np.float32), np.ones((1, 2), np.float32)
    getattr(net, run)(x)
    if back == "backward":
        np.testing.assert_array_equal(net.backward(g), [[0, 1]])
        np.testing.assert_array_equal(net.shift.bias.grad, [0, 1])
    else:  # one of the two calls of `relu` has had no backward
        with pytest.raises(
            RuntimeError, match="ran 2 times in forward, and its backward 1 times; every call needs its"
        ):
            net.backward_parameters(g)


# --- a loss of one's own --------------------------------------------------------------------------------------------


def quartic(target_like_input=True, base=scratch.Loss):
    class Quartic(base):
        def forward(self, input, target):
            return ((input - np.asarray(target)) ** 4).mean()

    Quartic.target_like_input = target_like_input
    return Quartic()


HINT = "; a loss with another kind of target, as class indices, has target_like_input = False in its class"
COLUMN = np.ones((4, 1), np.float32)
REFUSED = {
    "a list": ([1.0], COLUMN, "Quartic: input must be a NumPy array; got list"),
    "whole numbers": (
        np.ones((4, 1), int),
        COLUMN,
        "Quartic: input must be float32 or float64; got int64 (convert with .astype)",
    ),
    "no array": (COLUMN, [1.0], "Quartic: target must be a NumPy array; got list" + HINT),
    "another dtype": (
        COLUMN,
        np.ones((4, 1)),
        "Quartic: target must be float32; got float64 (convert with .astype)" + HINT,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("base", ["Loss", "its own"])
def test_what_it_is_given_is_refused_by_name(case, base):
    """Also where it extends a loss of the user's."""
    input, target, words = REFUSED[case]
    loss = quartic(base=type(quartic()) if base == "its own" else scratch.Loss)
    with pytest.raises(TypeError) as error:
        loss(input, target)
    assert str(error.value) == words


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match=r"^Quartic: input has shape \(4, 1\) but target has shape \(4,\)"):
        quartic()(COLUMN, np.ones(4, np.float32))


@pytest.mark.parametrize("target", [1, 0.5])
def test_a_number_stands_for_all_of_its_target(target):
    assert quartic()(COLUMN, target) == (1 - target) ** 4


def test_of_an_empty_batch_the_gradient_is_as_empty():
    class Mine(scratch.Loss):
        def forward(self, input, target):
            return self._reduce((input - target) ** 2 / 2, input - target)

        def backward(self, grad_output=None):
            difference, u = self._recall(grad_output)
            return difference * u

    loss = Mine()
    assert np.isnan(loss(COLUMN[:0], COLUMN[:0]))
    np.testing.assert_array_equal(loss.backward(), COLUMN[:0], strict=True)


def test_another_kind_of_target_is_its_own_affair():
    """But no subclass of an array, which computes in its own way."""
    free = quartic(target_like_input=False)
    assert free(COLUMN, np.ones(4, int)) == 0
    assert free(COLUMN, [1]) == 0
    with pytest.raises(TypeError) as error:
        free(COLUMN, np.ma.ones(4))
    assert str(error.value).startswith("Quartic: target must be a plain NumPy array; got MaskedArray")


def test_one_of_two_inputs_refuses_unequal_shapes_too():
    class Mine(scratch.PairLoss):
        def forward(self, input1, input2, target):
            return ((input1 - input2) * target).mean()

    with pytest.raises(ValueError, match=r"^Mine: .*shape \(4, 1\).*shape \(4,\)"):
        Mine()(COLUMN, np.ones(4, np.float32), COLUMN)


def test_one_of_pytorchs_side_takes_the_mean():
    class Mine(torch_impl.modules.Loss):
        def values(self, input, target):
            return input - target

    assert Mine()(torch.tensor([1.0, 4.0]), torch.tensor([0.0, 1.0])) == 2
    assert torch_impl.modules.Dropout().p == scratch.Dropout().p


def test_one_that_extends_a_built_in_loss_has_its_checks():
    class Mine(scratch.MSELoss):
        def forward(self, input, target):
            return 2 * super().forward(input, target)

    with pytest.raises(ValueError, match=r"^Mine: input has shape \(4, 1\) but target has shape \(4,\)"):
        Mine()(COLUMN, np.ones(4, np.float32))


# --- an optimizer, and a layer for one ------------------------------------------------------------------------------

ACCUMULATED = {
    "a list": ([1.0, 1.0], TypeError, "SGD: gradient must be a NumPy array; got list"),
    "another shape": (COLUMN, ValueError, "SGD: gradient has shape (4, 1), but its parameter has shape (2,)"),
    "another dtype": (
        np.ones(2),
        TypeError,
        "SGD: gradient must be float32; got float64 (convert with .astype)",
    ),
}


@pytest.mark.parametrize("case", ACCUMULATED)
def test_a_gradient_that_a_layer_got_wrong_is_refused_before_anything_is_stepped(case):
    """Also behind a parameter that has none."""
    gradient, kind, words = ACCUMULATED[case]
    fine, without, wrong = (scratch.Parameter(np.zeros(2, np.float32)) for _ in range(3))
    fine.accumulate(np.ones(2, np.float32))
    wrong.accumulate(gradient)
    with pytest.raises(kind) as error:
        scratch.SGD([fine, without, wrong], lr=0.1).step()
    assert str(error.value) == words
    assert not fine.data.any()


def test_an_optimizers_defaults_are_named():
    mine = type("Mine", (scratch.Optimizer,), {"__module__": __name__})
    with pytest.raises(TypeError) as error:
        mine([KIND(np.ones(1))], 0.1)
    assert str(error.value) == "Mine: defaults must be a dict of options; got float"


# --- how others are named -------------------------------------------------------------------------------------------


def test_what_is_given_is_described_by_name_and_origin():
    class Named:
        name = "not asked of a stranger"

    assert checks.described(KIND(np.ones(1)), KIND) == "Parameter"
    assert checks.described(type("Mine", (KIND,), {})(np.ones(1)), KIND) == "Parameter"
    assert checks.described(scratch.ReLU(), KIND) == "ReLU"
    assert checks.described(torch_impl.ReLU(), KIND) == "ReLU of torch_impl"
    assert checks.described(torch.nn.ReLU(), KIND) == "ReLU of torch"
    assert checks.described(5, KIND) == "int"
    assert checks.described(Named(), KIND) == f"Named of {__name__.partition('.')[0]}"
    assert checks.described(scratch.ReLU(), torch_impl.Parameter) == "ReLU of scratch"
    assert checks.described(torch_impl.ReLU(), torch_impl.Parameter) == "ReLU"
