"""What a refusal says, word for word: by whom, what was given, what is allowed. The same on both sides.

The rows of the catalogue say which words a message must contain. Here stand the checks that several ops share, once
each.
"""

import re

import numpy as np
import pytest

from contract import checks
from parity_tests.catalogue.tables import SIDES

F32 = np.float32
X = np.ones((5, 3), F32)
CLASSES = np.zeros(5, int)


def sgd(side, **options):
    return side.SGD([side.Parameter(np.ones(2, F32))], lr=0.1, **options)


def of(name, *arguments, **options):
    """The constructor's call."""
    return lambda side: getattr(side, name)(*arguments, **options)


def call(made, *arrays):
    """And one of forward."""
    return lambda side: made(side).forward(*arrays)


def schedule(name, *arguments, **options):
    return lambda side: getattr(side, name)(sgd(side, momentum=0.9), *arguments, **options)


def sequence(*make, milestones=()):
    def act(side):
        optimizer = sgd(side)
        return side.SequentialLR(optimizer, [one(side, optimizer) for one in make], list(milestones))

    return act


def step(side, optimizer):
    return side.StepLR(optimizer, 2)


def twice(side):
    optimizer = sgd(side)
    return side.SequentialLR(optimizer, [side.StepLR(optimizer, 2)] * 2, [1])


WEIGHED = {"weight": np.ones((5, 3))}
MESSAGES = {
    # layers
    "p by name": (of("Dropout", "half"), TypeError, "Dropout: p must be a number; got 'half'"),
    "no axis to normalize over": (
        of("LayerNorm", ()),
        ValueError,
        "LayerNorm: normalized_shape must have at least one axis; got ()",
    ),
    "an axis of 0": (of("LayerNorm", (3, 0)), ValueError, "LayerNorm: normalized_shape must be >= 1; got 0"),
    "momentum by name": (
        of("BatchNorm1d", 3, momentum="low"),
        TypeError,
        "BatchNorm1d: momentum must be a number; got 'low'",
    ),
    "other channels": (
        call(of("BatchNorm1d", 3), np.ones((2, 4), F32)),
        ValueError,
        "BatchNorm1d: the second axis of the input must be num_features=3; got shape (2, 4)",
    ),
    "no eps": (
        call(of("BatchNorm1d", 3, eps=0.0), X),
        ValueError,
        "BatchNorm1d: eps must be > 0 to normalize a batch by; got 0.0",
    ),
    "rows in a list": (
        call(of("Embedding", 3, 2), [0, 1]),
        TypeError,
        "Embedding: input must be a NumPy array; got list",
    ),
    "an input without axes": (
        call(of("Bilinear", 3, 2, 1), np.ones((), F32), np.ones(2, F32)),
        ValueError,
        "Bilinear: input1 of shape () has no axis, but in1_features=3",
    ),
    "an axis beyond the second": (
        call(of("Softmax", dim=-2), np.ones(3, F32)),
        IndexError,
        "Softmax: dim=-2 is no axis of an input of shape (3,)",
    ),
    "the second axis of none": (
        call(of("Softmax", dim=-2), np.ones((), F32)),
        IndexError,
        "Softmax: dim=-2 is no axis of an input of shape ()",
    ),
    # losses
    "a weight in a list": (
        lambda side: setattr(side.BCELoss(), "weight", [1.0]),
        TypeError,
        "BCELoss: weight must be a NumPy array; got list",
    ),
    "a weight that widens": (
        call(of("BCELoss", **WEIGHED), X, X),
        TypeError,
        "BCELoss: weight must be float32; got float64 (convert with .astype)",
    ),
    "an input that is no probability": (
        call(of("BCELoss"), 2 * X, X),
        ValueError,
        "BCELoss: input must be probabilities in [0, 1]; got 2.0 at index (0, 0) (for logits use BCEWithLogitsLoss)",
    ),
    "a target that is no probability": (
        call(of("BCELoss"), X, 2 * X),
        ValueError,
        "BCELoss: target must be probabilities in [0, 1]; got 2.0 at index (0, 0)",
    ),
    "scores of three axes": (
        call(of("MultiMarginLoss"), X[None], CLASSES),
        ValueError,
        "MultiMarginLoss: input must have shape (C,) or (N, C) with C >= 1; got (1, 5, 3)",
    ),
    "scores in a list": (
        call(of("MultiMarginLoss"), [1.0], CLASSES),
        TypeError,
        "MultiMarginLoss: input must be a NumPy array; got list",
    ),
    "a class too many": (
        call(of("MultiMarginLoss"), X, CLASSES + 3),
        IndexError,
        "MultiMarginLoss: class indices must be in 0..2; got 3 at index (0,) of the target",
    ),
    "the sum over nobody": (
        call(of("MultiMarginLoss", reduction="sum"), X[:0], CLASSES[:0]),
        ValueError,
        "MultiMarginLoss: the sum over an empty batch is undefined in PyTorch; leave the batch out",
    ),
    "the mean over nobody": (
        call(of("MultiMarginLoss"), X[:0], CLASSES[:0]),
        ValueError,
        'MultiMarginLoss: the mean over an empty batch is undefined; use reduction="sum" or leave it out',
    ),
    "a variance below 0": (
        call(of("GaussianNLLLoss"), X, X, -1.0),
        ValueError,
        "GaussianNLLLoss: var must be >= 0; got -1.0",
    ),
    "a variance in a list": (
        call(of("GaussianNLLLoss"), X, X, [1.0]),
        TypeError,
        "GaussianNLLLoss: var must be a NumPy array; got list",
    ),
    # schedules
    "a bound by name": (
        schedule("ReduceLROnPlateau", min_lr="low"),
        TypeError,
        "ReduceLROnPlateau: min_lr must be a number; got 'low'",
    ),
    "a bound of one group by name": (
        schedule("ReduceLROnPlateau", min_lr=["low"]),
        TypeError,
        "ReduceLROnPlateau: min_lr[0] must be a number; got 'low'",
    ),
    "milestones that are one": (
        schedule("MultiStepLR", 3),
        TypeError,
        "MultiStepLR: milestones must be whole numbers in a list; got 3",
    ),
    "half a milestone": (
        schedule("MultiStepLR", [1, 2.5]),
        TypeError,
        "MultiStepLR: milestones[1] must be a whole number; got 2.5",
    ),
    "a rise of one step": (
        schedule("OneCycleLR", 0.1, total_steps=4, pct_start=0.25),
        ValueError,
        "OneCycleLR: pct_start=0.25 of 4 steps is one step, too short to rise in",
    ),
    "a rise of one step of an epoch": (
        schedule("OneCycleLR", 0.1, epochs=2, steps_per_epoch=2, pct_start=0.25),
        ValueError,
        "OneCycleLR: pct_start=0.25 of 4 steps is one step, too short to rise in",
    ),
    "schedules that are none": (
        schedule("SequentialLR", None, []),
        TypeError,
        "SequentialLR: schedulers must be schedules in a list; got NoneType",
    ),
    "a sequence that starts before −1": (
        lambda side: side.SequentialLR(o := sgd(side), [side.StepLR(o, 2)], [], last_epoch=-2),
        ValueError,
        "SequentialLR: last_epoch must be >= -1; got -2",
    ),
    "one schedule twice": (twice, ValueError, "SequentialLR: the same schedule was given twice"),
    "a rise in no time, second": (
        sequence(step, lambda side, o: side.LinearLR(o, total_iters=0), milestones=[1]),
        ValueError,
        "SequentialLR: schedulers[1], a LinearLR, can only come first: it has no closed form",
    ),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", MESSAGES)
def test_word_for_word(case, side):
    act, kind, message = MESSAGES[case]
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        act(SIDES[side])


class Unprintable(list):
    def __repr__(self):
        raise ValueError("no words")


SHOWN = {
    "a number": (1.5, "1.5"),
    "several lines": ("a\nb", "'a\\nb'"),
    "an array": (np.ones((2, 3), F32), "a float32 array of shape (2, 3)"),
    "80 letters": ("x" * 78, repr("x" * 78)),
    "81 letters": ("x" * 79, "'" + "x" * 59 + "..." + "x" * 9 + "'"),
    "a number that Python does not write": (1 << 20_000, "a number of 20001 bits"),
    "a list that Python does not write": (Unprintable(), "Unprintable"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_what_was_given_is_shown_in_one_line(case):
    given, text = SHOWN[case]
    assert checks.shown(given) == text
