"""Bad arguments of the losses: the same error in the same words on both sides."""

import inspect

import numpy as np
import pytest
import torch

import torch_impl
from handgrad import catalogue
from parity_tests.catalogue.tables import NOT_IN_TORCH, SIDES, refused

F32 = np.float32
X = np.random.default_rng(0).normal(size=(5, 3)).astype(F32)
ONES = np.ones((5, 3), F32)
CLASSES = np.array([0, 1, 1, 0, 1])

LOSSES = catalogue.LOSSES
EVERY = sorted(LOSSES)
PAIRS = [name for name in EVERY if len(LOSSES[name].inputs) > 2]
# One value per element: the target has the input's shape. BCELoss refuses an input that is no probability, besides.
ELEMENTWISE = sorted({*EVERY} - {*PAIRS} - {name for name in EVERY if LOSSES[name].inputs[1] in ("class", "labels")})
OF_NUMBERS = [name for name in ELEMENTWISE if LOSSES[name].inputs[0] != "probability"]


def made(name, *args, **options):
    return lambda side: getattr(side, name)(*args, **options)


def called(name, *arrays, **options):
    return lambda side: getattr(side, name)(**options)(*arrays)


# what is done → (error, words it must contain)
BAD = {
    **refused(LOSSES),
    **{
        f"{name}: {option} as a list": (made(name, **{option: [1.0, 2.0]}), TypeError, [option, "NumPy array", "list"])
        for name in EVERY
        for option in LOSSES[name].changes
        if option.endswith("weight")
    },
    **{f"{name}: shapes": (called(name, X, ONES[0]), ValueError, ["(5, 3)", "(3,)"]) for name in OF_NUMBERS},
    **{
        f"{name}: target dtype": (called(name, X, np.ones((5, 3))), TypeError, ["target", "float64"])
        for name in OF_NUMBERS
    },
    **{f"{name}: reduction": (made(name, reduction="avg"), ValueError, ["reduction", "'avg'"]) for name in EVERY},
    **{
        f"{name} in a step": (
            lambda side, name=name: side.Trainer(
                model := side.MLP([3, 2]), getattr(side, name)(), side.SGD(model.parameters(), lr=0.1)
            ),
            ValueError,
            [name, "three arrays"],
        )
        for name in PAIRS
    },
}


@pytest.mark.parametrize("side", SIDES.values())
def test_the_smallest_index_to_ignore(side):
    assert side.NLLLoss(ignore_index=-(2**63)).forward(X, CLASSES) == side.NLLLoss().forward(X, CLASSES)


@pytest.mark.parametrize("case", BAD)
def test_one_error_on_both_sides(case):
    refused_alike(*BAD[case])


@pytest.mark.parametrize("option", ["size_average", "reduce"])
@pytest.mark.parametrize("name", EVERY)
def test_deprecated_options_are_unknown(name, option):
    refused_alike(made(name, **{option: True}), TypeError, [f"'{option}'"])


@pytest.mark.parametrize("name", ["CTCLoss", "TripletMarginLoss"])
@pytest.mark.parametrize("side", SIDES)
def test_a_loss_that_is_not_here(side, name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(SIDES[side], name)


@pytest.mark.parametrize("option", ["size_average", "reduce"])
def test_the_torch_side_names_a_deprecated_option(option):
    with pytest.raises(TypeError, match=rf"^MSELoss\.__init__\(\) got an unexpected keyword argument '{option}'$"):
        torch_impl.MSELoss(**{option: True})


def refused_alike(act, kind, words):
    messages = []
    for side in SIDES.values():
        with pytest.raises(kind) as caught:
            act(side)
        # A loss without options of its own inherits __init__, and Python names the class that defines it.
        messages.append(str(caught.value).partition("__init__() ")[2] or str(caught.value))
    assert messages[0] == messages[1]
    assert "\n" not in messages[0]
    for word in words:
        assert word in messages[0]


@pytest.mark.parametrize("name", OF_NUMBERS)
@pytest.mark.parametrize("target", [np.zeros(5, F32), np.zeros((5, 2)), np.zeros((5, 2), np.float16)])
def test_a_step_refuses_what_torch_would_broadcast_or_convert(name, target):
    messages = []
    for side in SIDES.values():
        model = side.MLP([3, 2], rng=0)
        trainer = side.Trainer(model, getattr(side, name)(), side.SGD(model.parameters(), lr=0.1))
        before = model.state_dict()
        with pytest.raises((ValueError, TypeError)) as caught:
            trainer.step(X, target)
        messages.append(str(caught.value))
        for key, array in model.state_dict().items():
            np.testing.assert_array_equal(array, before[key])
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", sorted({*EVERY} - NOT_IN_TORCH))
def test_arguments_are_torchs(name):
    """Names, order and defaults: torch's, less the deprecated size_average and reduce."""
    ours = inspect.signature(getattr(SIDES["scratch"], name)).parameters
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    kept = [p for p in theirs.values() if p.name not in ("size_average", "reduce")]
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [(p.name, p.default, p.kind) for p in kept]
