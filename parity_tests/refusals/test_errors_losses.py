"""Bad arguments of the losses: the same error in the same words on both sides."""

import inspect

import numpy as np
import pytest
import torch

import torch_impl
from parity_tests.catalogue.tables import SIDES

F32 = np.float32
X = np.random.default_rng(0).normal(size=(5, 3)).astype(F32)
ONES = np.ones((5, 3), F32)
CLASSES = np.array([0, 1, 1, 0, 1])
LABELS = np.tile([0, 2, -1], (5, 1))
SIGNS = np.ones(5, F32)

ELEMENTWISE = {
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "HuberLoss",
    "HalfSquaredError",
    "BCEWithLogitsLoss",
    "SoftMarginLoss",
    "HingeEmbeddingLoss",
    "MultiLabelSoftMarginLoss",
    "KLDivLoss",
    "PoissonNLLLoss",
}
PAIRS = ("CosineEmbeddingLoss", "MarginRankingLoss", "GaussianNLLLoss")
EVERY = sorted(
    {*ELEMENTWISE, *PAIRS, "BCELoss", "CrossEntropyLoss", "NLLLoss", "MultiMarginLoss", "MultiLabelMarginLoss"}
)


def made(name, *args, **options):
    return lambda side: getattr(side, name)(*args, **options)


def called(name, *arrays, **options):
    return lambda side: getattr(side, name)(**options)(*arrays)


# what is done → (error, words it must contain)
BAD = {
    "negative beta": (made("SmoothL1Loss", beta=-1.0), ValueError, ["beta must be >= 0", "-1.0"]),
    "beta not a number": (made("SmoothL1Loss", beta="1"), TypeError, ["beta", "'1'"]),
    "delta 0": (made("HuberLoss", delta=0.0), ValueError, ["delta must be > 0", "0.0"]),
    "delta by position": (made("HuberLoss", "mean", -1.0), ValueError, ["delta", "-1.0"]),
    "NaN margin": (made("HingeEmbeddingLoss", margin=float("nan")), ValueError, ["margin", "nan"]),
    "p = 3": (made("MultiMarginLoss", p=3), ValueError, ["p must be 1 or 2", "3"]),
    "margin of a ranking": (made("MarginRankingLoss", margin=None), TypeError, ["margin", "None"]),
    "full": (made("GaussianNLLLoss", full=1), TypeError, ["full must be True or False", "1"]),
    "full as a word": (made("PoissonNLLLoss", full="yes"), TypeError, ["full must be True or False", "'yes'"]),
    "log_input": (made("PoissonNLLLoss", log_input=1), TypeError, ["log_input must be True or False", "1"]),
    "log_target": (made("KLDivLoss", log_target="yes"), TypeError, ["log_target", "'yes'"]),
    "negative eps": (made("PoissonNLLLoss", eps=-1e-3), ValueError, ["eps must be >= 0", "-0.001"]),
    "negative eps of a variance": (made("GaussianNLLLoss", eps=-1e-3), ValueError, ["eps must be >= 0", "-0.001"]),
    "margin of many classes": (made("MultiMarginLoss", margin="1"), TypeError, ["margin", "'1'"]),
    "margin of an angle": (made("CosineEmbeddingLoss", margin="1"), TypeError, ["margin", "'1'"]),
    **{
        f"{name}: {option} as a list": (made(name, **{option: [1.0]}), TypeError, [option, "NumPy array", "list"])
        for name, option in (
            ("BCELoss", "weight"),
            ("NLLLoss", "weight"),
            ("CrossEntropyLoss", "weight"),
            ("BCEWithLogitsLoss", "weight"),
            ("BCEWithLogitsLoss", "pos_weight"),
            ("MultiLabelSoftMarginLoss", "weight"),
        )
    },
    "weight as a list": (made("MultiMarginLoss", weight=[1.0, 2.0]), TypeError, ["weight", "NumPy array", "list"]),
    "ignore_index": (made("NLLLoss", ignore_index=1.5), TypeError, ["ignore_index", "1.5"]),
    "ignore_index beyond int64": (
        made("NLLLoss", ignore_index=-(2**63) - 1),
        ValueError,
        ["ignore_index must be >= -9223372036854775808", "-9223372036854775809"],
    ),
    "label smoothing at once": (made("CrossEntropyLoss", label_smoothing=1.5), ValueError, ["[0, 1]", "1.5"]),
    "batchmean elsewhere": (made("MSELoss", reduction="batchmean"), ValueError, ["mean, sum, none", "batchmean"]),
    "reduction of KLDivLoss": (made("KLDivLoss", reduction="batch"), ValueError, ["batchmean", "did you mean"]),
    "no axis to sum over": (
        called("HalfSquaredError", X[0, 0:1].reshape(()), SIGNS[0:1].reshape(())),
        ValueError,
        ["()"],
    ),
    "no axis to average over": (
        called("MultiLabelSoftMarginLoss", X[0, 0:1].reshape(()), SIGNS[0:1].reshape(())),
        ValueError,
        ["at least one axis", "()"],
    ),
    "weight that widens": (
        called("MultiLabelSoftMarginLoss", X, ONES, weight=np.ones((2, 5, 3), F32)),
        ValueError,
        ["weight", "(2, 5, 3)"],
    ),
    "three axes of scores": (called("MultiMarginLoss", X[None], CLASSES[None]), ValueError, ["(N, C)", "(1, 5, 3)"]),
    "multi-margin class": (called("MultiMarginLoss", X, CLASSES + 2), IndexError, ["0..2", "got 3"]),
    "multi-margin, −100 is no class": (called("MultiMarginLoss", X, CLASSES - 100), IndexError, ["0..2", "got -100"]),
    "multi-margin target": (called("MultiMarginLoss", X, ONES), TypeError, ["class indices must be integers"]),
    "multi-margin target shape": (called("MultiMarginLoss", X[0], CLASSES[:1]), ValueError, ["(1,)", "reshape()"]),
    "multi-margin weight": (
        called("MultiMarginLoss", X, CLASSES, weight=np.ones(2, F32)),
        ValueError,
        ["weight", "(3,)", "(2,)"],
    ),
    "multi-margin, empty": (
        called("MultiMarginLoss", X[:0], CLASSES[:0], reduction="sum"),
        ValueError,
        ["empty batch", "PyTorch"],
    ),
    "multi-label, empty": (
        called("MultiLabelMarginLoss", X[:0], LABELS[:0], reduction="sum"),
        ValueError,
        ["empty batch", "PyTorch"],
    ),
    "multi-label class": (called("MultiLabelMarginLoss", X, LABELS + 1), IndexError, ["0..2", "-1", "got 3"]),
    "multi-label class of one row": (
        called("MultiLabelMarginLoss", X[0], LABELS[0] + 1),
        IndexError,
        ["0..2", "-1", "got 3"],
    ),
    "multi-label, below −1": (called("MultiLabelMarginLoss", X, LABELS - 1), IndexError, ["got -2", "(0, 2)"]),
    "multi-label shape": (called("MultiLabelMarginLoss", X, LABELS[0]), ValueError, ["(5, 3)", "(3,)"]),
    "multi-label floats": (called("MultiLabelMarginLoss", X, ONES), TypeError, ["integers", "float32"]),
    "pair of shapes": (
        called("MarginRankingLoss", X, X[:1], ONES),
        ValueError,
        ["input1", "(5, 3)", "input2", "(1, 3)"],
    ),
    "pair of integers": (called("MarginRankingLoss", X.astype(int), X, ONES), TypeError, ["input1", "int64"]),
    "pair of dtypes": (
        called("CosineEmbeddingLoss", X, X.astype(float), SIGNS),
        TypeError,
        ["input2", "float32", "float64"],
    ),
    "ranking target": (called("MarginRankingLoss", X, X, SIGNS), ValueError, ["(5, 3)", "(5,)"]),
    "cosine target": (called("CosineEmbeddingLoss", X, X, ONES), ValueError, ["(5,)", "(5, 3)"]),
    "cosine target of one pair": (
        called("CosineEmbeddingLoss", X[0], X[0], SIGNS[:1]),
        ValueError,
        ["(3,)", "of shape ()", "(1,)"],
    ),
    **{
        f"{name}: the mean of nothing": (called(name, X[:0], X[:0], third), ValueError, ["empty batch"])
        for name, third in (
            ("CosineEmbeddingLoss", SIGNS[:0]),
            ("MarginRankingLoss", X[:0]),
            ("GaussianNLLLoss", X[:0]),
        )
    },
    "cosine target dtype": (
        called("CosineEmbeddingLoss", X, X, np.ones(5)),
        TypeError,
        ["target", "float32", "float64"],
    ),
    "cosine axes": (called("CosineEmbeddingLoss", X[None], X[None], ONES[:1]), ValueError, ["(N, D)", "(1, 5, 3)"]),
    "negative variance": (called("GaussianNLLLoss", X, ONES, -ONES), ValueError, ["var must be >= 0", "(0, 0)"]),
    "negative variance after others": (
        called("GaussianNLLLoss", X[0], ONES[0], np.array([0.0, 0.5, -1.0], F32)),
        ValueError,
        ["-1.0", "(2,)"],
    ),
    "negative number": (called("GaussianNLLLoss", X, ONES, -0.5), ValueError, ["var must be >= 0", "-0.5"]),
    "variance shape": (called("GaussianNLLLoss", X, ONES, ONES[0]), ValueError, ["var", "(5, 3)", "(3,)"]),
    "variance of two ones": (called("GaussianNLLLoss", X, ONES, ONES[:1, :1]), ValueError, ["var", "(1, 1)"]),
    "variance dtype": (called("GaussianNLLLoss", X, ONES, ONES.astype(float)), TypeError, ["var", "float64"]),
    "variance of none": (called("GaussianNLLLoss", X, ONES, None), TypeError, ["var", "NoneType"]),
    "Gaussian target": (called("GaussianNLLLoss", X, ONES[0], ONES), ValueError, ["(5, 3)", "(3,)"]),
    "batchmean of nothing": (called("KLDivLoss", X[:0], X[:0], reduction="batchmean"), ValueError, ["empty batch"]),
    **{f"{name}: shapes": (called(name, X, ONES[0]), ValueError, ["(5, 3)", "(3,)"]) for name in sorted(ELEMENTWISE)},
    **{
        f"{name}: target dtype": (called(name, X, np.ones((5, 3))), TypeError, ["target", "float64"])
        for name in sorted(ELEMENTWISE)
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


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
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


@pytest.mark.parametrize("name", EVERY)
def test_arguments_are_torchs(name):
    """Names, order and defaults: torch's, less the deprecated size_average and reduce."""
    if name == "HalfSquaredError":
        return
    ours = inspect.signature(getattr(SIDES["scratch"], name)).parameters
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    kept = [p for p in theirs.values() if p.name not in ("size_average", "reduce")]
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [(p.name, p.default, p.kind) for p in kept]
