"""The rows of the losses."""

from typing import Any

import numpy as np

from handgrad.catalogue.row import (
    F32,
    NUMBER,
    ONES,
    PER_CLASS,
    Loss,
    Options,
    Page,
    Refused,
    Truth,
    Vectors,
    X,
    call,
    given,
)


def _vectors(
    *inputs: str,
    kinks: tuple[float, ...] = (-1.0, 0.0, 1.0),
    weighted: tuple[str, ...] = (),
    **variants: Options,
) -> Vectors:
    reductions = {"sum": {"reduction": "sum"}, "none": {"reduction": "none"}}
    arrays = {f"with-{name.replace('_', '-')}": (name,) for name in weighted}
    more: dict[str, Options] = {name.replace("_", "-"): options for name, options in variants.items()}
    return Vectors({}, {**reductions, **more, **{name: {} for name in arrays}}, (3,), kinks, inputs, arrays)


def _page(
    *inputs: str,
    row: tuple[float | None, ...] = (None,),
    constants: tuple[Any, ...] = (0.0,),
    points: tuple[tuple[float, ...], ...] = (),
    span: tuple[float, float] = (-3.0, 3.0),
    **arguments: Any,
) -> Page:
    return Page(arguments, inputs, (64, 8), row, constants, span, points)


WEIGHT = np.array([0.5, 2.0, 1.5])
CLASSES = np.array([0, 1, 1, 0, 1])
LABELS = np.tile([0, 2, -1], (5, 1))
SIGNS = np.ones(5, F32)
SCALAR = SIGNS[0:1].reshape(())
TWO = ("real", "real")

LOSSES: dict[str, Loss] = {
    "MSELoss": Loss(
        TWO,
        {"MSE": given()},
        vectors=_vectors(*TWO),
        page=_page(*TWO, points=((0.0, 0.0),)),
        bad={"batchmean elsewhere": Refused(call(reduction="batchmean"), ValueError, ["mean, sum, none", "batchmean"])},
    ),
    "L1Loss": Loss(TWO, {"L1": given()}, vectors=_vectors(*TWO), page=_page(*TWO, points=((0.0, 0.0),))),
    "BCELoss": Loss(
        ("probability", "probability"),
        {"BCE": given(), "BCE weight": given(weight=PER_CLASS)},
        changes={"weight": [WEIGHT]},
        vectors=_vectors("probability", "probability", weighted=("weight",)),
        page=_page(
            "probability",
            "probability",
            constants=(1.0,),
            points=((0.0, 1.0), (0.0, 0.0), (1.0, 1.0)),
            span=(0.01, 1.0),
        ),
    ),
    "BCEWithLogitsLoss": Loss(
        ("real", "probability"),
        {
            "BCEWithLogits": given(),
            "BCEWithLogits weight": given(weight=PER_CLASS).drawn("real", "binary"),
            "BCEWithLogits pos_weight": given(pos_weight=PER_CLASS),
        },
        changes={"weight": [WEIGHT], "pos_weight": [WEIGHT]},
        vectors=_vectors("real", "probability", weighted=("weight", "pos_weight")),
        page=_page("moderate", "probability", constants=(1.0,), points=((-200.0, 1.0), (200.0, 1.0))),
    ),
    "CrossEntropyLoss": Loss(
        ("real", "class"),
        {
            "CE": given(),
            "CE weight": given(weight=PER_CLASS),
            "CE ignore_index": given(ignore_index=0),
            "CE label_smoothing": given(label_smoothing=0.1),
            "CE all options": given(weight=PER_CLASS, ignore_index=1, label_smoothing=0.3),
            "CE probabilities": given().drawn("real", "class probabilities"),
            "CE probabilities weight smoothing": given(weight=PER_CLASS, label_smoothing=0.2).drawn(
                "real", "class probabilities"
            ),
        },
        changes={"weight": [WEIGHT], "ignore_index": [1], "label_smoothing": [0.1, 1.0]},
        vectors=_vectors(
            "real", "class", weighted=("weight",), ignore={"ignore_index": 0}, smoothing={"label_smoothing": 0.1}
        ),
        page=_page("moderate", "class", row=(None, 0.0, 1.0), constants=(0,)),
        bad={"label smoothing at once": Refused(call(label_smoothing=1.5), ValueError, ["[0, 1]", "1.5"])},
    ),
    "NLLLoss": Loss(
        ("real", "class"),
        {"NLL": given(), "NLL weight ignore_index": given(weight=PER_CLASS, ignore_index=1)},
        changes={"weight": [WEIGHT], "ignore_index": [1]},
        vectors=_vectors("real", "class", weighted=("weight",), ignore={"ignore_index": 0}),
        page=_page("log probability", "class", row=(None, -1.0, -2.0), constants=(0,), span=(-4.0, 0.0)),
        bad={
            "ignore_index": Refused(call(ignore_index=1.5), TypeError, ["ignore_index", "1.5"]),
            "ignore_index beyond int64": Refused(
                call(ignore_index=-(2**63) - 1),
                ValueError,
                ["ignore_index must be >= -9223372036854775808", "-9223372036854775809"],
            ),
        },
    ),
    "SmoothL1Loss": Loss(
        TWO,
        {"SmoothL1": given(), "SmoothL1 beta": given(beta=0.1), "SmoothL1 beta 0": given(beta=0.0)},
        changes={"beta": [0.1, 0.0]},
        vectors=_vectors(*TWO, beta={"beta": 0.5}, straight={"beta": 0.0}),
        page=_page(*TWO, points=((-1.0, 0.0), (0.0, 0.0), (1.0, 0.0))),
        bad={
            "negative beta": Refused(call(beta=-1.0), ValueError, ["beta must be >= 0", "-1.0"]),
            "beta not a number": Refused(call(beta="1"), TypeError, ["beta", "'1'"]),
        },
    ),
    "HuberLoss": Loss(
        TWO,
        {"Huber": given(), "Huber delta": given(delta=0.3)},
        changes={"delta": [0.1]},
        vectors=_vectors(*TWO, delta={"delta": 0.5}),
        page=_page(*TWO, points=((-1.0, 0.0), (0.0, 0.0), (1.0, 0.0))),
        bad={
            "delta 0": Refused(call(delta=0.0), ValueError, ["delta must be > 0", "0.0"]),
            "delta by position": Refused(call("mean", -1.0), ValueError, ["delta", "-1.0"]),
        },
    ),
    "HalfSquaredError": Loss(
        TWO,
        {"half squared error": given()},
        like="L1Loss",
        vectors=_vectors(*TWO),
        page=_page(*TWO, points=((0.0, 0.0),)),
        bad={"no axis to sum over": Refused(call(), ValueError, ["()"], (NUMBER, SCALAR))},
    ),
    "LogCoshLoss": Loss(
        TWO,
        {"LogCosh": given()},
        like="HuberLoss",
        truth=Truth(
            [(x, t) for x in (0.0, 1e-8, 1e-3, -0.1, 1.0, -5.0, 20.0, -80.0, 1e4) for t in (0.0, 0.5)],
            lambda mp, x, t: mp.log(mp.cosh(x - t)),
            lambda mp, x, t: mp.tanh(x - t),
        ),
        wrong={
            "log 2 forgotten": (lambda v, x, t: v + x.dtype.type(np.log(2)), None),
            "the slope of its ends": (None, lambda g, x, t: np.sign(x - t) / x.dtype.type(x.size)),
        },
        vectors=_vectors(*TWO),
        page=_page(*TWO, points=((0.0, 0.0), (100.0, 0.0))),
    ),
    "SoftMarginLoss": Loss(
        ("moderate", "sign"),
        {"SoftMargin": given(), "SoftMargin any target": given().drawn("moderate", "probability")},
        vectors=_vectors("moderate", "sign"),
        page=_page("moderate", "sign", constants=(1.0,)),
    ),
    "HingeEmbeddingLoss": Loss(
        ("real", "sign"),
        {"HingeEmbedding": given(), "HingeEmbedding margin": given(margin=0.1).drawn("real", "sign or 0")},
        changes={"margin": [0.5]},
        vectors=_vectors("real", "sign", margin={"margin": 0.1}),
        page=_page("real", "sign", constants=(-1.0,), points=((1.0, -1.0),)),
        bad={"NaN margin": Refused(call(margin=float("nan")), ValueError, ["margin", "nan"])},
    ),
    "MultiMarginLoss": Loss(
        ("real", "class"),
        {
            "MultiMargin": given(),
            "MultiMargin p margin": given(p=2, margin=0.7),
            "MultiMargin weight": given(weight=PER_CLASS),
            "MultiMargin all options": given(p=2, margin=-0.3, weight=PER_CLASS),
        },
        changes={"p": [2], "margin": [0.5], "weight": [WEIGHT]},
        vectors=_vectors("real", "class", weighted=("weight",), squared={"p": 2, "margin": 0.7}),
        page=_page("real", "class", row=(None, 0.0, 1.0), constants=(0,)),
        bad={
            "p = 3": Refused(call(p=3), ValueError, ["p must be 1 or 2", "3"]),
            "margin of many classes": Refused(call(margin="1"), TypeError, ["margin", "'1'"]),
            "three axes of scores": Refused(call(), ValueError, ["(N, C)", "(1, 5, 3)"], (X[None], CLASSES[None])),
            "multi-margin class": Refused(call(), IndexError, ["0..2", "got 3"], (X, CLASSES + 2)),
            "multi-margin, −100 is no class": Refused(call(), IndexError, ["0..2", "got -100"], (X, CLASSES - 100)),
            "multi-margin target": Refused(call(), TypeError, ["class indices must be integers"], (X, ONES)),
            "multi-margin target shape": Refused(call(), ValueError, ["(1,)", "reshape()"], (X[0], CLASSES[:1])),
            "multi-margin weight": Refused(
                call(weight=np.ones(2, F32)), ValueError, ["weight", "(3,)", "(2,)"], (X, CLASSES)
            ),
            "multi-margin, empty": Refused(
                call(reduction="sum"), ValueError, ["empty batch", "PyTorch"], (X[:0], CLASSES[:0])
            ),
        },
    ),
    "MultiLabelMarginLoss": Loss(
        ("real", "labels"),
        {"MultiLabelMargin": given()},
        vectors=_vectors("real", "labels"),
        page=_page("real", "labels", row=(None, 0.0, 1.0), constants=((0, -1, -1),)),
        bad={
            "multi-label, empty": Refused(
                call(reduction="sum"), ValueError, ["empty batch", "PyTorch"], (X[:0], LABELS[:0])
            ),
            "multi-label class": Refused(call(), IndexError, ["0..2", "-1", "got 3"], (X, LABELS + 1)),
            "multi-label class of one row": Refused(call(), IndexError, ["0..2", "-1", "got 3"], (X[0], LABELS[0] + 1)),
            "multi-label, below −1": Refused(call(), IndexError, ["got -2", "(0, 2)"], (X, LABELS - 1)),
            "multi-label shape": Refused(call(), ValueError, ["(5, 3)", "(3,)"], (X, LABELS[0])),
            "multi-label axes": Refused(call(), ValueError, ["(N, C)", "(1, 5, 3)"], (X[None], LABELS[None])),
            "multi-label target in a list": Refused(call(), TypeError, ["target", "list"], (X, [[0, 1, 2]] * 5)),
            "multi-label floats": Refused(call(), TypeError, ["integers", "float32"], (X, ONES)),
        },
    ),
    "MultiLabelSoftMarginLoss": Loss(
        ("real", "binary"),
        {
            "MultiLabelSoftMargin": given(),
            "MultiLabelSoftMargin weight": given(weight=PER_CLASS).drawn("real", "probability"),
        },
        changes={"weight": [WEIGHT]},
        vectors=_vectors("real", "binary", weighted=("weight",)),
        page=_page("moderate", "binary", row=(None, 0.0, 1.0), constants=((1.0, 0.0, 0.0),)),
        bad={
            "no axis to average over": Refused(call(), ValueError, ["at least one axis", "()"], (NUMBER, SCALAR)),
            "weight that widens": Refused(
                call(weight=np.ones((2, 5, 3), F32)), ValueError, ["weight", "(2, 5, 3)"], (X, ONES)
            ),
        },
    ),
    "KLDivLoss": Loss(
        ("real", "probability"),
        {"KLDiv": given(), "KLDiv log_target": given(log_target=True).drawn("real", "log probability")},
        changes={"log_target": [True]},
        reductions=("mean", "sum", "none", "batchmean"),
        vectors=_vectors("real", "probability", batchmean={"reduction": "batchmean"}),
        page=_page(
            "log probability",
            "probability",
            constants=(0.5,),
            points=((0.0, 0.0), (-1.0, 0.0)),
            span=(-4.0, 0.0),
            reduction="batchmean",
        ),
        bad={
            "log_target": Refused(call(log_target="yes"), TypeError, ["log_target", "'yes'"]),
            "reduction of KLDivLoss": Refused(call(reduction="batch"), ValueError, ["batchmean", "did you mean"]),
            "batchmean of nothing": Refused(call(reduction="batchmean"), ValueError, ["empty batch"], (X[:0], X[:0])),
        },
    ),
    "PoissonNLLLoss": Loss(
        ("moderate", "count"),
        {
            "PoissonNLL": given(),
            "PoissonNLL full": given(full=True),
            "PoissonNLL rate": given(log_input=False).drawn("positive", "count"),
            "PoissonNLL rate all options": given(log_input=False, full=True, eps=0.01).drawn("positive", "count"),
        },
        changes={"log_input": [False], "full": [True], "eps": [0.1]},
        needs={"eps": {"log_input": False}},
        vectors=_vectors("moderate", "count", full={"full": True}),
        page=_page("real", "count", constants=(2.0,)),
        bad={
            "full as a word": Refused(call(full="yes"), TypeError, ["full must be True or False", "'yes'"]),
            "log_input": Refused(call(log_input=1), TypeError, ["log_input must be True or False", "1"]),
            "negative eps": Refused(call(eps=-1e-3), ValueError, ["eps must be >= 0", "-0.001"]),
        },
    ),
    "CosineEmbeddingLoss": Loss(
        ("real", "real", "row sign"),
        {"CosineEmbedding": given(), "CosineEmbedding margin": given(margin=0.4)},
        changes={"margin": [0.5]},
        vectors=_vectors("real", "real", "row sign", margin={"margin": 0.4}),
        page=_page("real", "real", "row sign", row=(None, 1.0), constants=((1.0, 0.0), 1)),
        bad={
            "margin of an angle": Refused(call(margin="1"), TypeError, ["margin", "'1'"]),
            "pair of dtypes": Refused(
                call(), TypeError, ["input2 must", "float32", "float64"], (X, X.astype(float), SIGNS)
            ),
            "cosine target": Refused(call(), ValueError, ["(5,)", "(5, 3)"], (X, X, ONES)),
            "cosine target of one pair": Refused(
                call(), ValueError, ["(3,)", "of shape ()", "(1,)"], (X[0], X[0], SIGNS[:1])
            ),
            "CosineEmbeddingLoss: the mean of nothing": Refused(
                call(), ValueError, ["empty batch"], (X[:0], X[:0], SIGNS[:0])
            ),
            "cosine target dtype": Refused(call(), TypeError, ["target", "float32", "float64"], (X, X, np.ones(5))),
            "cosine axes": Refused(call(), ValueError, ["(N, D)", "(1, 5, 3)"], (X[None], X[None], ONES[:1])),
        },
    ),
    "MarginRankingLoss": Loss(
        ("real", "real", "sign"),
        {
            "MarginRanking": given(),
            "MarginRanking margin": given(margin=0.1).drawn("real", "real", "sign or 0"),
            "MarginRanking any target": given().drawn("real", "real", "real"),
        },
        changes={"margin": [0.5]},
        vectors=_vectors("real", "real", "sign", margin={"margin": 0.5}),
        page=_page("real", "real", "sign", constants=(0.0, 1.0)),
        bad={
            "margin of a ranking": Refused(call(margin=None), TypeError, ["margin", "None"]),
            "pair of shapes": Refused(call(), ValueError, ["input1", "(5, 3)", "input2", "(1, 3)"], (X, X[:1], ONES)),
            "pair of integers": Refused(call(), TypeError, ["input1 must", "int64"], (X.astype(int), X, ONES)),
            "ranking target": Refused(call(), ValueError, ["(5, 3)", "(5,)"], (X, X, SIGNS)),
            "MarginRankingLoss: the mean of nothing": Refused(
                call(), ValueError, ["empty batch"], (X[:0], X[:0], X[:0])
            ),
        },
    ),
    "GaussianNLLLoss": Loss(
        ("real", "real", "positive"),
        {
            "GaussianNLL": given("full"),
            "GaussianNLL eps": given("full", eps=0.5),
            "GaussianNLL full": given("row", full=True),
            "GaussianNLL column": given("column"),
            "GaussianNLL one axis": given("one axis"),
            "GaussianNLL one": given("one", full=True),
        },
        changes={"full": [True], "eps": [0.5]},
        vectors=_vectors("real", "real", "positive", full={"full": True}, eps={"eps": 0.5}),
        page=_page("real", "real", "positive", constants=(0.0, 0.5)),
        bad={
            "full": Refused(call(full=1), TypeError, ["full must be True or False", "1"]),
            "negative eps of a variance": Refused(call(eps=-1e-3), ValueError, ["eps must be >= 0", "-0.001"]),
            "GaussianNLLLoss: the mean of nothing": Refused(call(), ValueError, ["empty batch"], (X[:0], X[:0], X[:0])),
            "negative variance": Refused(call(), ValueError, ["var must be >= 0", "(0, 0)"], (X, ONES, -ONES)),
            "negative variance after others": Refused(
                call(), ValueError, ["-1.0", "(2,)"], (X[0], ONES[0], np.array([0.0, 0.5, -1.0], F32))
            ),
            "negative number": Refused(call(), ValueError, ["var must be >= 0", "-0.5"], (X, ONES, -0.5)),
            "variance shape": Refused(call(), ValueError, ["var", "(5, 3)", "(3,)"], (X, ONES, ONES[0])),
            "variance of two ones": Refused(call(), ValueError, ["var", "(1, 1)"], (X, ONES, ONES[:1, :1])),
            "variance dtype": Refused(call(), TypeError, ["var", "float64"], (X, ONES, ONES.astype(float))),
            "variance of none": Refused(call(), TypeError, ["var", "NoneType"], (X, ONES, None)),
            "Gaussian target": Refused(call(), ValueError, ["(5, 3)", "(3,)"], (X, ONES[0], ONES)),
        },
    ),
}
