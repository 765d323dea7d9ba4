"""What a refusal says, word for word: by whom, what was given, what is allowed. The same on both sides.

The rows of the catalogue say which words a message must contain. Here stand the checks that several ops share, once
each.
"""

import importlib
import math
import re
import sys
from collections import Counter

import numpy as np
import pytest
import torch

import torch_impl
from contract import checks, optimizer_checks
from parity_tests.catalogue.tables import SIDES
from scratch import init

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


def back(made, x, upstream):
    """And one of backward after it."""

    def act(side):
        layer = made(side)
        layer.forward(x)
        layer.backward(upstream)

    return act


def back_of_loss(upstream):
    def act(side):
        loss = side.MSELoss()
        loss.forward(X, X)
        loss.backward(upstream)

    return act


def schedule(name, *arguments, **options):
    return lambda side: getattr(side, name)(sgd(side, momentum=0.9), *arguments, **options)


def going_on(side):
    """An optimizer whose group has the rates that a cycle goes on from, and no momenta."""
    optimizer = sgd(side, momentum=0.9)
    optimizer.param_groups[0].update(initial_lr=0.01, max_lr=0.1, min_lr=0.001)
    return optimizer


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


def train(loss, x, y):
    """The call of a step."""

    def act(side):
        model = side.Sequential(side.Linear(3, 3, rng=0))
        return side.Trainer(model, getattr(side, loss)(), side.SGD(model.parameters(), lr=0.1)).step(x, y)

    return act


class Mute:
    """An object that goes by the name of something in a row, and is not."""

    def __iter__(self):
        raise TypeError


LONG = X.astype(np.longdouble)  # which PyTorch has not
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
    "an input that the second layer does not take": (
        call(lambda side: side.Sequential(side.ReLU(), side.Linear(3, 2, rng=0)), np.ones((5, 3))),
        TypeError,
        "Linear: input must be float32; got float64 (convert with .astype)",
    ),
    "an upstream gradient that widens": (
        back(of("Linear", 3, 2, rng=0), X, X[:, :2].astype(float)),
        TypeError,
        "Linear: grad_output must be float32; got float64 (convert with .astype)",
    ),
    "an upstream gradient of another shape": (
        back(of("Linear", 3, 2, rng=0), X, X),
        ValueError,
        "Linear: grad_output has shape (5, 3), but the output has shape (5, 2)",
    ),
    "an upstream gradient before there is an output": (
        lambda side: side.Linear(3, 2, rng=0).backward(X),
        RuntimeError,
        "Linear: backward() was called before forward()",
    ),
    "a state in a list": (
        lambda side: side.Linear(3, 2, rng=0).load_state_dict([X]),
        TypeError,
        "Linear: state dict must be a dict of arrays by name; got list",
    ),
    "a state of other arrays": (
        lambda side: side.Linear(3, 2, rng=0).load_state_dict({"weight": X[:3, :2], "bias": np.ma.ones(2, "f")}),
        ValueError,
        "Linear: state dict does not fit, no parameter was changed: weight has shape (3, 2), expected (2, 3) "
        "(its transpose fits: use .T); bias must be a plain NumPy array, got MaskedArray",
    ),
    "a state of lists": (
        lambda side: side.Linear(3, 2, rng=0).load_state_dict({"weight": [1.0], "bias": np.ones(2)}),
        ValueError,
        "Linear: state dict does not fit, no parameter was changed: weight must be a NumPy array, got list; "
        "bias is float64, expected float32 (convert with .astype)",
    ),
    "an axis far below 0": (of("Softmax", dim=-65), ValueError, "Softmax: dim must be >= -64; got -65"),
    "a slope beyond float32": (
        of("LeakyReLU", 1e39),
        ValueError,
        "LeakyReLU: negative_slope must be in the range of float32; got 1e+39",
    ),
    "an alpha that divides into infinity": (
        of("CELU", 2e-39),
        ValueError,
        "CELU: alpha must not be so near 0, it divides; got 2e-39",
    ),
    "a slope for each of other channels": (
        call(of("PReLU", 2), X),
        ValueError,
        "PReLU: num_parameters=2, but an input of shape (5, 3) has channels=3 (its second axis, 1 if there is none)",
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
    "channels that no parameter shows": (
        call(of("BatchNorm1d", 3, affine=False, track_running_stats=False), np.ones((2, 4), F32)),
        ValueError,
        "BatchNorm1d: the second axis of the input must be num_features=3; got shape (2, 4)",
    ),
    "double precision for running means alone": (
        call(lambda side: side.Sequential(side.BatchNorm1d(3, affine=False)), X.astype(float)),
        TypeError,
        "BatchNorm1d: input must be float32; got float64 (convert with .astype)",
    ),
    "other channels of nobody": (
        call(of("BatchNorm1d", 4), X[:0]),
        ValueError,
        "BatchNorm1d: the second axis of the input must be num_features=4; got shape (0, 3)",
    ),
    "an axis beyond all": (of("Softmax", dim=2**31), ValueError, f"Softmax: dim must be < {2**31}; got {2**31}"),
    "a seed by name": (
        of("Linear", 3, 2, rng="x"),
        TypeError,
        "Linear: rng must be a seed (a whole number >= 0), a numpy.random.Generator or None; got 'x'",
    ),
    "a seed of a net by name": (
        of("MLP", [3, 2], rng="x"),
        TypeError,
        "MLP: rng must be a seed (a whole number >= 0), a numpy.random.Generator or None; got 'x'",
    ),
    "a dtype that is none": (
        of("Linear", 3, 2, dtype="single float"),
        TypeError,
        "Linear: dtype must be float32 or float64; got 'single float'",
    ),
    # losses
    "an upstream that is a truth": (
        back_of_loss(True),
        TypeError,
        "MSELoss: grad_output must be a number or a NumPy array; got bool",
    ),
    "an upstream in a list": (
        back_of_loss([1.0]),
        TypeError,
        "MSELoss: grad_output must be a number or a NumPy array; got list",
    ),
    "an upstream with a mask": (
        back_of_loss(np.ma.ones(())),
        TypeError,
        "MSELoss: grad_output must be a plain NumPy array; got MaskedArray (convert with np.asarray)",
    ),
    "an upstream of two parts": (
        back_of_loss(1j * np.ones(())),
        TypeError,
        "MSELoss: grad_output must be of numbers; got complex128",
    ),
    "an upstream of texts": (
        back_of_loss(np.array("1")),
        TypeError,
        "MSELoss: grad_output must be of numbers; got <U1",
    ),
    "an upstream beyond all floats": (
        back_of_loss(1 << 20_000),
        ValueError,
        "MSELoss: grad_output must be a finite number; got a number of 20001 bits",
    ),
    "a layer that is none": (
        lambda side: side.Sequential(side.ReLU(), 5),
        TypeError,
        "Sequential: entry 1 must be a module; got int",
    ),
    "sizes that are one": (
        of("MLP", 5),
        TypeError,
        "MLP: sizes must be a sequence of whole numbers, as in (64, 32, 10); got 5",
    ),
    "sizes in an array without axes": (
        of("MLP", np.array(5)),
        TypeError,
        "MLP: sizes must be a sequence of whole numbers, as in (64, 32, 10); got array(5)",
    ),
    "a size by name": (of("MLP", [2, "3"]), TypeError, "MLP: sizes must be a whole number; got '3'"),
    "groups of unequal size": (
        of("GroupNorm", 2, 3),
        ValueError,
        "GroupNorm: num_channels=3 must be divisible by num_groups=2",
    ),
    "an input without features": (
        call(of("Linear", 3, 2, rng=0), np.ones((), F32)),
        ValueError,
        "Linear: input of shape () has no axis, but in_features=3",
    ),
    "an input with a mask": (
        call(of("Linear", 3, 2, rng=0), np.ma.ones((5, 3), F32)),
        TypeError,
        "Linear: input must be a plain NumPy array; got MaskedArray (convert with np.asarray)",
    ),
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
    "predictions in a list": (
        call(of("MSELoss"), [1.0], X),
        TypeError,
        "MSELoss: input must be a NumPy array; got list",
    ),
    "targets in a list": (
        call(of("MSELoss"), X, [1.0]),
        TypeError,
        "MSELoss: target must be a NumPy array; got list",
    ),
    "a reduction by number": (
        of("MSELoss", reduction=5),
        ValueError,
        "MSELoss: reduction must be one of mean, sum, none; got 5",
    ),
    "a delta beyond float32": (
        of("HuberLoss", delta=1e39),
        ValueError,
        "HuberLoss: delta must be in the range of float32; got 1e+39",
    ),
    "a weight of positives in a list": (
        of("BCEWithLogitsLoss", pos_weight=[1.0]),
        TypeError,
        "BCEWithLogitsLoss: pos_weight must be a NumPy array; got list",
    ),
    "a class weight of two axes": (
        of("CrossEntropyLoss", weight=X),
        ValueError,
        "CrossEntropyLoss: weight must have one axis, an entry per class; got shape (5, 3)",
    ),
    "an exponent by name": (of("MultiMarginLoss", p="x"), TypeError, "MultiMarginLoss: p must be a number; got 'x'"),
    "an ignored class beyond all": (
        of("CrossEntropyLoss", ignore_index=2**63),
        ValueError,
        f"CrossEntropyLoss: ignore_index must be < {2**63}; got {2**63}",
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
    "classes in a list of labels": (
        call(of("MultiLabelMarginLoss"), X, [[0, 1, -1]] * 5),
        TypeError,
        "MultiLabelMarginLoss: target must be a NumPy array; got list",
    ),
    "a class too many": (
        call(of("MultiMarginLoss"), X, CLASSES + 3),
        IndexError,
        "MultiMarginLoss: class indices must be in 0..2; got 3 at index (0,) of the target",
    ),
    "eps by name": (of("LayerNorm", 3, eps="small"), TypeError, "LayerNorm: eps must be a number; got 'small'"),
    "scores in a list of classes": (
        call(of("CrossEntropyLoss"), [1.0], CLASSES),
        TypeError,
        "CrossEntropyLoss: input must be a NumPy array; got list",
    ),
    "classes in a list": (
        call(of("CrossEntropyLoss"), X, [0, 1]),
        TypeError,
        "CrossEntropyLoss: target must be a NumPy array; got list",
    ),
    "no class axis": (
        call(of("CrossEntropyLoss"), np.ones((), F32), CLASSES),
        ValueError,
        "CrossEntropyLoss: input must have a class axis, as in (C,) or (N, C, ...); got shape ()",
    ),
    "a class weight that widens": (
        call(of("CrossEntropyLoss", weight=np.ones(3)), X, CLASSES),
        TypeError,
        "CrossEntropyLoss: weight must be float32; got float64 (convert with .astype)",
    ),
    "class probabilities that widen": (
        call(of("CrossEntropyLoss"), X, np.ones((5, 3))),
        TypeError,
        "CrossEntropyLoss: target must be float32; got float64 (convert with .astype)",
    ),
    "class probabilities of another batch": (
        call(of("CrossEntropyLoss"), X, X[:4]),
        ValueError,
        "CrossEntropyLoss: class probabilities must have the input's shape (5, 3); got (4, 3) "
        "(class indices must be integers)",
    ),
    "a column of classes": (
        call(of("CrossEntropyLoss"), X, CLASSES[:, None]),
        ValueError,
        "CrossEntropyLoss: input of shape (5, 3) needs class indices of shape (5,); got shape (5, 1); "
        "use target.reshape(5,)",
    ),
    "classes of another batch": (
        call(of("CrossEntropyLoss"), X, CLASSES[:4]),
        ValueError,
        "CrossEntropyLoss: input of shape (5, 3) needs class indices of shape (5,); got shape (4,)",
    ),
    "a class that there is not": (
        call(of("CrossEntropyLoss"), X, CLASSES + 3),
        IndexError,
        "CrossEntropyLoss: class indices must be in 0..2; got 3 at index (0,) of the target",
    ),
    "the mean over no rows": (
        call(of("CrossEntropyLoss"), X[:0], CLASSES[:0]),
        ValueError,
        'CrossEntropyLoss: the mean over an empty batch is undefined; use reduction="sum" or leave it out',
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
    "the mean over no lists of labels": (
        call(of("MultiLabelMarginLoss"), X[:0], CLASSES[:0, None].repeat(3, 1)),
        ValueError,
        'MultiLabelMarginLoss: the mean over an empty batch is undefined; use reduction="sum" or leave it out',
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
    # a step
    "a batch of long doubles": (
        train("MSELoss", LONG, X),
        TypeError,
        f"Linear: input must be float32; got {LONG.dtype} (convert with .astype)",
    ),
    "targets of long doubles": (
        train("MSELoss", X, LONG),
        TypeError,
        f"MSELoss: target must be float32; got {LONG.dtype} (convert with .astype)",
    ),
    "targets of letters": (
        train("CrossEntropyLoss", X, np.array([*"abcde"])),
        TypeError,
        "CrossEntropyLoss: class indices must be integers; got <U1 (convert with .astype)",
    ),
    "targets of double precision": (
        train("CrossEntropyLoss", X, X.astype(float)),
        TypeError,
        "CrossEntropyLoss: target must be float32; got float64 (convert with .astype)",
    ),
    "a class beyond all that are signed": (
        train("CrossEntropyLoss", X, np.full(5, 2**63 + 5, np.uint64)),
        IndexError,
        f"CrossEntropyLoss: class indices must be in 0..2; got {2**63 + 5} at index (0,) of the target",
    ),
    # optimizers
    "iterations before rates": (
        lambda side: side.LBFGS([side.Parameter(X)], lr="fast", max_iter=0),
        ValueError,
        "LBFGS: max_iter must be >= 1; got 0",
    ),
    "one parameter twice": (
        lambda side: side.SGD([side.Parameter(X)] * 2),
        ValueError,
        "SGD: the same parameter was given twice",
    ),
    "no parameter": (lambda side: side.SGD([]), ValueError, "SGD: got no parameter"),
    "a rate beyond float32": (
        lambda side: side.SGD([side.Parameter(X)], lr=1e39),
        ValueError,
        "SGD: lr must be in the range of float32; got 1e+39",
    ),
    "parameters that are one number": (
        lambda side: side.SGD(5),
        TypeError,
        "SGD: params must be a sequence of Parameter objects; got int",
    ),
    "a model for its parameters": (
        lambda side: side.SGD(side.ReLU()),
        TypeError,
        "SGD: params must be parameters; got ReLU: give its .parameters()",
    ),
    "an array for parameters": (
        lambda side: side.SGD(X),
        TypeError,
        "SGD: params must be a sequence of Parameter objects; got ndarray of numpy",
    ),
    "a tensor for parameters": (
        lambda side: side.SGD(torch.ones(3)),
        TypeError,
        "SGD: params must be a sequence of Parameter objects; got Tensor of torch",
    ),
    "a name for parameters": (
        lambda side: side.SGD("weight"),
        TypeError,
        "SGD: params must be a sequence of Parameter objects; got str",
    ),
    "numbers for parameters": (
        lambda side: side.SGD([5]),
        TypeError,
        "SGD: params must hold Parameter objects; got int",
    ),
    "what says that it can be gone through": (
        lambda side: side.SGD(Mute()),
        TypeError,
        f"SGD: params must be a sequence; got Mute of {__name__.partition('.')[0]}, which is none",
    ),
    "a parameter beside a group": (
        lambda side: side.SGD([{"params": [side.Parameter(X)]}, side.Parameter(X)]),
        TypeError,
        "SGD: group 1 must be a dict, as others are; got Parameter",
    ),
    "a group of options alone": (lambda side: side.SGD([{"lr": 1}]), ValueError, "SGD: group 0 has no 'params'"),
    "a group of a number": (
        lambda side: side.SGD([{"params": 5}]),
        TypeError,
        "SGD: params must be a sequence of Parameter objects; got int",
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
        schedule("SequentialLR", 5, []),
        TypeError,
        "SequentialLR: schedulers must be schedules in a list; got int",
    ),
    "a schedule that goes on from its start": (
        schedule("StepLR", 2, last_epoch=0),
        KeyError,
        "StepLR: with last_epoch >= 0 group 0 must have 'initial_lr', as a state dict has",
    ),
    "a cycle that goes on from nowhere": (
        schedule("OneCycleLR", 0.1, total_steps=9, last_epoch=3),
        KeyError,
        "OneCycleLR: with last_epoch >= 0 group 0 must have 'initial_lr', as a state dict has",
    ),
    "a cycle that goes on from rates alone": (
        lambda side: side.OneCycleLR(going_on(side), 0.1, total_steps=9, last_epoch=3),
        KeyError,
        "OneCycleLR: with last_epoch >= 0 group 0 must have 'max_momentum', as a state dict has",
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
    with pytest.raises(kind) as raised:
        act(SIDES[side])
    assert raised.value.args[0] == message


@pytest.mark.parametrize("side", SIDES)
def test_what_is_just_taken(side):
    """The last values before a refusal."""
    package = SIDES[side]
    assert package.Softmax(dim=-64).dim == -64
    assert package.CELU(1.5 / float(np.finfo(F32).max)).forward(X).all()
    assert package.CELU(1 / float(np.finfo(F32).max)).forward(X).all()
    assert package.RReLU(0.25, 0.25).forward(-X).max() == -0.25
    assert package.Softmax(dim=2**31 - 1).dim == 2**31 - 1
    assert package.LeakyReLU(float(np.finfo(F32).max)).forward(-X).max() == -np.finfo(F32).max
    assert package.CrossEntropyLoss(ignore_index=2**63 - 1).ignore_index == 2**63 - 1
    assert schedule("StepLR", 2, gamma=sys.float_info.max)(package).gamma == sys.float_info.max


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("upstream", [2, 2.0, np.int64(2), np.float64(2), np.float16(2), np.array(2), np.array(2.0)])
def test_an_upstream_gradient_may_be_any_kind_of_number(upstream, side):
    """And the gradient has the input's dtype."""
    loss = SIDES[side].MSELoss(reduction="sum")
    loss.forward(X, 2 * X)
    np.testing.assert_array_equal(loss.backward(upstream), -4 * X, strict=True)


# What Python refuses of a class and of a function, which the PyTorch side has for it.
SIGNATURE = [
    ((0.1, 0.9, 0, 0, False, True), {}, "takes from 2 to 7 positional arguments but 8 were given"),
    ((0.1,) * 12, {}, "takes from 2 to 7 positional arguments but 14 were given"),
    ((0.1,), {"lr": 0.2}, "got multiple values for argument 'lr'"),
    ((0.1, 0.9), {"maximize": True, "momentum": 0.5}, "got multiple values for argument 'momentum'"),
    ((), {"rate": 0.2}, "got an unexpected keyword argument 'rate'"),
]


@pytest.mark.parametrize("side", SIDES)
def test_arguments_that_an_optimizer_does_not_take(side):
    make, parameters = SIDES[side].SGD, [SIDES[side].Parameter(X)]
    assert make(parameters, 0.1, 0.9, 0, 0, True, maximize=True).param_groups[0]["nesterov"]
    for args, options, words in SIGNATURE:
        with pytest.raises(TypeError, match=rf"^SGD\.__init__\(\) {words}$"):
            make(parameters, *args, **options)


INITIALISED = {
    "a list": ([1.0], TypeError, "init: tensor must be a NumPy array; got list"),
    "whole numbers": (
        np.ones((2, 2), int),
        TypeError,
        "init: tensor must be float32 or float64; got int64 (convert with .astype)",
    ),
    "a read-only array": (np.broadcast_to(X[0], (5, 3)), ValueError, "init: tensor is read-only"),
}


@pytest.mark.parametrize("case", INITIALISED)
def test_what_cannot_be_initialised(case):
    tensor, kind, message = INITIALISED[case]
    with pytest.raises(kind) as raised:
        init.ones_(tensor)
    assert raised.value.args[0] == message


def test_tensors_are_refused_in_the_same_words():
    message = "MSELoss: input has shape (5, 3) but target has shape (4, 3); they must be equal"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        train("MSELoss", torch.from_numpy(X), torch.from_numpy(X[:4]))(torch_impl)


def two_groups(side):
    a, b = (side.Parameter(np.ones(2, F32)) for _ in range(2))
    return side.SGD([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.2}], lr=0.1, momentum=0.9)


SCHEDULES = {
    "StepLR": lambda side, o: side.StepLR(o, 2),
    "MultiStepLR": lambda side, o: side.MultiStepLR(o, [1, 3]),
    "LambdaLR": lambda side, o: side.LambdaLR(o, lambda step: 1.0),
    "OneCycleLR": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=9),
    "ReduceLROnPlateau": lambda side, o: side.ReduceLROnPlateau(o),
    "a plateau of bounds": lambda side, o: side.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]),
    "a cycle of three phases": lambda side, o: side.OneCycleLR(o, 0.5, total_steps=9, three_phase=True),
    "functions with attributes": lambda side, o: side.LambdaLR(o, [Rate(0.5), Rate(0.25)]),
    "SequentialLR": lambda side, o: side.SequentialLR(o, [side.StepLR(o, 2), side.StepLR(o, 3)], [3]),
}


class Rate:
    """A function with attributes, which are its state."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, step):
        return self.factor**step


def within(name, **entries):
    """The first of what the state lists under `name`, with other entries."""
    return lambda state: {**state, name: [{**state[name][0], **entries}, *state[name][1:]]}


def with_(**entries):
    return lambda state: {**state, **entries}


# (schedule, what is done to its state) → the message after "state dict does not fit, "
STATES = [
    ("StepLR", lambda state: {}, "missing _is_initial, _last_lr, _step_count, base_lrs, gamma, last_epoch, step_size"),
    ("StepLR", with_(lr=1), "unexpected lr"),
    ("StepLR", with_(step_size=0), "step_size must be >= 1, got 0"),
    ("StepLR", with_(gamma="low"), "gamma must be a number, got 'low'"),
    ("StepLR", with_(last_epoch=1.5), "last_epoch must be a whole number, got 1.5"),
    ("StepLR", with_(_last_lr=0.1), "_last_lr must be a list, got float"),
    ("StepLR", with_(_last_lr=[0.1]), "_last_lr must have one entry for each of 2 groups, got 1"),
    ("StepLR", with_(_last_lr=[0.1, "x"]), "_last_lr[1] must be a number, got 'x'"),
    ("MultiStepLR", with_(milestones=[1]), "milestones must be a dict of whole numbers"),
    ("MultiStepLR", with_(milestones={1: 1.5}), "milestones must be a dict of whole numbers"),
    ("LambdaLR", with_(lr_lambdas=[1]), "lr_lambdas must be a list of dicts, or None for functions"),
    ("LambdaLR", with_(lr_lambdas=[None]), "lr_lambdas must have one entry for each of 2 groups, got 1"),
    ("OneCycleLR", with_(total_steps="many"), "total_steps must be a whole number, got 'many'"),
    ("OneCycleLR", with_(cycle_momentum=1), "cycle_momentum must be True or False, got 1"),
    ("OneCycleLR", with_(_schedule_phases={}), "_schedule_phases must be a list, got dict"),
    (
        "OneCycleLR",
        within("_schedule_phases", start_lr=1),
        "_schedule_phases[0].start_lr must be a name, got 1",
    ),
    (
        "OneCycleLR",
        within("_schedule_phases", end_step="x"),
        "_schedule_phases[0].end_step must be a number, got 'x'",
    ),
    (
        "OneCycleLR",
        with_(_schedule_phases=[1, 2]),
        "_schedule_phases[0] must be a dict, got int; _schedule_phases[1] must be a dict, got int",
    ),
    ("OneCycleLR", with_(_anneal_func_type="sin"), "_anneal_func_type must be one of cos, linear, got 'sin'"),
    ("ReduceLROnPlateau", with_(best="x"), "best must be a number, got 'x'"),
    ("ReduceLROnPlateau", with_(mode="x"), "mode must be one of min, max, got 'x'"),
    ("ReduceLROnPlateau", with_(default_min_lr="x"), "default_min_lr must be a number, got 'x'"),
    (
        "a plateau of bounds",
        with_(default_min_lr=math.nan),
        "default_min_lr must be a finite number, got nan",
    ),
    ("ReduceLROnPlateau", with_(min_lrs=[0]), "min_lrs must have one entry for each of 2 groups, got 1"),
    ("ReduceLROnPlateau", with_(mode_worse=None), "mode_worse must be a number, got None"),
    ("SequentialLR", with_(_schedulers=[]), "_schedulers must have 2 entries, got 0"),
    ("SequentialLR", with_(_milestones=[1.5]), "_milestones[0] must be a whole number, got 1.5"),
    ("SequentialLR", with_(_milestones=[1, 2]), "_milestones must have 1 entries, got 2"),
    ("SequentialLR", within("_schedulers", gamma=None), "_schedulers[0].gamma must be a number, got None"),
    (
        "SequentialLR",
        with_(_schedulers=[1, 2]),
        "_schedulers[0] must be a dict, got int; _schedulers[1] must be a dict, got int",
    ),
]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("name", "change", "message"), STATES)
def test_what_does_not_fit_in_the_state_of_a_schedule(name, change, message, side):
    schedule = SCHEDULES[name](SIDES[side], two_groups(SIDES[side]))
    kind = type(schedule).__name__
    with pytest.raises(ValueError, match=f"^{kind}: state dict does not fit, {re.escape(message)}$"):
        schedule.load_state_dict(change(schedule.state_dict()))
    with pytest.raises(TypeError, match=f"^{kind}: a state dict must be a dict; got list$"):
        schedule.load_state_dict([schedule.state_dict()])


# Whose state is loaded into whom: the lists of one are longer than those of the other, or of other kinds.
GIVEN = [
    ("ReduceLROnPlateau", "a plateau of bounds"),
    ("a plateau of bounds", "ReduceLROnPlateau"),
    ("OneCycleLR", "a cycle of three phases"),
    ("a cycle of three phases", "OneCycleLR"),
    ("functions with attributes", "LambdaLR"),
    ("LambdaLR", "functions with attributes"),
]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("giver", "taker"), GIVEN)
def test_a_state_of_other_options_is_taken(giver, taker, side):
    given, taken = (SCHEDULES[name](SIDES[side], two_groups(SIDES[side])) for name in (giver, taker))
    state = given.state_dict()
    taken.load_state_dict(state)
    functions = {} if giver != "LambdaLR" else {"lr_lambdas": taken.state_dict()["lr_lambdas"]}  # they keep their own
    if "functions" not in giver:
        assert taken.state_dict() == state | functions


@pytest.mark.parametrize("side", SIDES)
def test_a_function_takes_attributes_that_it_had_not(side):
    schedule = SCHEDULES["functions with attributes"](SIDES[side], two_groups(SIDES[side]))
    state = schedule.state_dict()
    state["lr_lambdas"] = [{"factor": 0.75, "name": "slow"}, None]
    schedule.load_state_dict(state)
    assert schedule.state_dict()["lr_lambdas"] == [{"factor": 0.75, "name": "slow"}, {"factor": 0.25}]


@pytest.mark.parametrize("side", SIDES)
def test_every_phase_of_a_longer_cycle_is_looked_at(side):
    cycle, longer = (
        SCHEDULES[name](SIDES[side], two_groups(SIDES[side])) for name in ("OneCycleLR", "a cycle of three phases")
    )
    state = longer.state_dict()
    state["_schedule_phases"][2]["end_step"] = "x"
    message = "OneCycleLR: state dict does not fit, _schedule_phases[2].end_step must be a number, got 'x'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cycle.load_state_dict(state)


# (value, the present one) → the copy
COPIED = [
    ((1, 2), None, (1, 2)),
    ((1, 2), [0], [1, 2]),
    ([1, 2], (0, 0), (1, 2)),
    ([[1], [2]], [(0,)], [(1,), [2]]),
    ({"a": [1], "b": [2]}, {"a": (0,)}, {"a": (1,), "b": [2]}),
    ({3: 1}, Counter(), Counter({3: 1})),
    (Counter({3: 1}), None, Counter({3: 1})),
    (Counter({3: 1}), {}, {3: 1}),
    ([{3: 1}], [Counter()], [Counter({3: 1})]),
]


@pytest.mark.parametrize(("value", "like", "copy"), COPIED)
def test_a_copy_is_of_the_present_kinds(value, like, copy):
    made = optimizer_checks.copied(value, like)
    assert made == copy
    assert kinds(made) == kinds(copy)
    assert made is not value or isinstance(value, tuple)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([0.1], ValueError, "Own: get_lr must give one rate for each of 2 groups; got [0.1]"),
        (0.1, ValueError, "Own: get_lr must give one rate for each of 2 groups; got 0.1"),
        ([0.1, "x"], TypeError, "Own: the rate of group 1 must be a number; got 'x'"),
    ],
)
def test_rates_that_are_none(given, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        optimizer_checks.rates("Own", given, 2)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_state_is_taken_over_in_the_kinds_that_are_there(name, side):
    """From JSON a tuple comes back as a list, and a counter as a dict."""
    schedule = SCHEDULES[name](SIDES[side], two_groups(SIDES[side]))
    before = schedule.state_dict()
    schedule.load_state_dict(as_lists(before))
    after = schedule.state_dict()
    assert after == before
    assert kinds(after) == kinds(before)


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(entry) for key, entry in value.items()}
    return [as_lists(entry) for entry in value] if isinstance(value, list | tuple) else value


def kinds(value):
    if isinstance(value, dict):
        return type(value), {key: kinds(entry) for key, entry in value.items()}
    return (type(value), [kinds(entry) for entry in value]) if isinstance(value, list | tuple) else type(value)


def used(side):
    a, b = side.Parameter(np.ones(2, F32)), side.Parameter(np.ones((1, 3), F32))
    optimizer = side.Adam([a, b], lr=0.1)
    a.grad, b.grad = np.ones(2, F32), np.ones((1, 3), F32)
    optimizer.step()
    return optimizer


def first(**entries):
    """Other entries in the state of the first parameter."""
    return lambda state: state["state"][0].update(entries)


def group(**options):
    return lambda state: state["param_groups"][0].update(options)


NAMES = "lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay"
THREE, STEP = np.ones(3, F32), "step must be a whole number >= 0, got"
# what is done to the state of Adam → the message, after "Adam: "
LOADED = {
    "a list": (lambda state: [state], "a state dict must be a dict; got list"),
    "no groups": (
        lambda state: {"state": state["state"]},
        "a state dict has the entries 'state' and 'param_groups'; got ['state']",
    ),
    "states in a list": (
        lambda state: state.update(state=[1]),
        "'state' of a state dict must be a dict; got list",
    ),
    "groups in a dict": (
        lambda state: state.update(param_groups={}),
        "'param_groups' of a state dict must be a list of dicts",
    ),
    "no parameters": (
        lambda state: state["param_groups"][0].pop("params") and None,
        "param_groups[0] of the state dict has no list 'params'",
    ),
    "half a parameter": (group(params=[0, 1.5]), "'params' of a state dict must be a whole number; got 1.5"),
    "one parameter twice": (
        group(params=[1, 1]),
        "'params' of a state dict must name every parameter once; got [1, 1]",
    ),
    "a parameter too many": (group(params=[0, 1, 2]), "state dict has groups of [3] parameters, expected [2]"),
    "a state of nobody": (
        lambda state: state["state"].update({7: state["state"][0]}),
        "state dict has state for parameter 7, expected 0..1",
    ),
    "a state in a list": (
        lambda state: state["state"].update({0: [1]}),
        "state of parameter 0 must be a dict; got list",
    ),
    "an option misspelt": (group(lrr=0.1), f"option must be one of {NAMES}; got 'lrr' (did you mean 'lr'?)"),
    "two options missing": (
        lambda state: [state["param_groups"][0].pop(name) for name in ("eps", "betas")] and None,
        "param_groups[0] of the state dict lacks betas, eps",
    ),
    "a rate below 0": (group(lr=-1.0), "lr must be >= 0; got -1.0"),
    "a rate to start from by name": (group(initial_lr="x"), "initial_lr must be a number; got 'x'"),
}
UNFIT = {
    "a moment of another shape": (first(exp_avg=THREE), "exp_avg has shape (3,), expected (2,)"),
    "a moment of another dtype": (
        first(exp_avg=np.ones(2)),
        "exp_avg is float64, expected float32 (convert with .astype)",
    ),
    "two moments": (
        first(exp_avg=THREE, exp_avg_sq=THREE),
        "exp_avg has shape (3,), expected (2,); exp_avg_sq has shape (3,), expected (2,)",
    ),
    "half a step": (first(step=1.5), f"{STEP} 1.5"),
    "a step by name, and a moment": (
        first(step="x", exp_avg=THREE),
        f"{STEP} str; exp_avg has shape (3,), expected (2,)",
    ),
    "a moment less": (lambda state: state["state"][0].pop("exp_avg") is None, "missing exp_avg"),
    "no step": (lambda state: state["state"][0].pop("step") is None, "missing step"),
    "an entry too many": (first(foo=1), "unexpected foo"),
}
LOADED |= {
    case: (change, f"state of parameter 0 does not fit, no state was changed: {message}")
    for case, (change, message) in UNFIT.items()
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", LOADED)
def test_what_does_not_fit_in_the_state_of_an_optimizer(case, side):
    change, message = LOADED[case]
    optimizer = used(SIDES[side])
    state, before = optimizer.state_dict(), optimizer.state_dict()
    state = change(state) or state
    with pytest.raises((TypeError, ValueError), match=f"^Adam: {re.escape(message)}$"):
        optimizer.load_state_dict(state)
    np.testing.assert_equal(optimizer.state_dict(), before)


@pytest.mark.parametrize("side", SIDES)
def test_a_parameter_without_a_state_and_a_state_of_names_are_taken(side):
    """As PyTorch writes them: no state before a first step, and with named parameters their names."""
    optimizer = used(SIDES[side])
    state = optimizer.state_dict()
    state["state"][0] = {}
    state["param_groups"][0]["param_names"] = ["a", "b"]
    optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert {*after["state"]} == {1}
    assert after["param_groups"][0]["params"] == [0, 1]


@pytest.mark.parametrize("side", SIDES)
def test_a_product_of_what(side):
    model, loss, x, t = SIDES[side].MLP([3, 2], rng=0), SIDES[side].MSELoss(), X, X[:, :2]
    second_order = importlib.import_module(f"{SIDES[side].__name__}.second_order")
    vector = {name: p.data for name, p in model.named_parameters()}
    for given, message in (
        ((loss, loss, x, t, vector), "model must be a module; got MSELoss"),
        ((model, model, x, t, vector), "loss must be a loss; got MLP"),
    ):
        with pytest.raises(TypeError, match=f"^hessian_vector_product: {message}$"):
            second_order.hessian_vector_product(*given)


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


# (an option as it is given, as it is kept)
PLAIN = [
    (np.float64(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.int64(3), 3),
    (np.True_, True),
    ((np.int64(3), 2), (3, 2)),
    ([np.float32(0.5), "mean"], [0.5, "mean"]),
    (None, None),
]


@pytest.mark.parametrize(("given", "kept"), PLAIN)
def test_an_option_is_kept_as_a_python_number(given, kept):
    """No scalar of NumPy's, also not in a tuple or a list."""
    assert checks.plain(given) == kept
    assert kinds(checks.plain(given)) == kinds(kept)
