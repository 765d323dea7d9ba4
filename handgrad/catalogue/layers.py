"""The rows of the layers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handgrad.catalogue.row import NAN, NUMBER, Op, Options, Page, Refused, Vectors, X, call


def _vectors(shape: tuple[int, ...], variants: Mapping[str, Options], **options: Any) -> Vectors:
    return Vectors(options, variants, shape)


def _not_whole(*arguments: Any) -> Refused:
    return Refused(call(*arguments, dtype=int), TypeError, ["float32 or float64", "int64"])


def _mistyped(*arguments: Any, **option: Any) -> Refused:
    ((name, value),) = option.items()
    return Refused(call(*arguments, **option), TypeError, [name, repr(value)])


EVALUATION = {"evaluation": {"training": False}}
NO_BIAS = {"no-bias": {"bias": False}}
SEVEN = (None, 0.0, 1.0, -1.0, 0.5, 2.0, -0.5, -2.0)
"""One number to vary among seven."""
INDICES = np.array([[0, 1], [2, 2]])
F64 = [np.float64]

LAYERS: dict[str, Op] = {
    "AlphaDropout": Op(
        {
            "AlphaDropout": call(rng=14),
            "AlphaDropout(0.1)": call(0.1, rng=15),
            "AlphaDropout(0)": call(0.0),
            "AlphaDropout(1)": call(1.0),
            "AlphaDropout, evaluation": call().eval(),
        },
        start={"rng": 0},
        changes={"p": [0.2, 0.0, 1.0], "rng": [1]},
        random=True,
        vectors=_vectors((4,), {**EVALUATION, "p": {"p": 0.1}}),
        bad={
            "p below 0": Refused(call(-0.25), ValueError, ["p must be a probability", "-0.25"]),
            "p is a truth value": Refused(call(True), TypeError, ["p", "True"]),
        },
    ),
    "BatchNorm1d": Op(
        {
            "BatchNorm1d": call(3).on(("n", 3), ("n", 3, 4)),
            "BatchNorm1d options": call(3, eps=0.3, momentum=0.9, bias=False).on(("n", 3)),
            "BatchNorm1d cumulative": call(3, momentum=None).on(("n", 3)),
            "BatchNorm1d without statistics": call(3, track_running_stats=False).on(("n", 3)),
            "BatchNorm1d without parameters": call(3, affine=False).on(("n", 3, 2)),
            "BatchNorm1d with nothing": call(3, affine=False, track_running_stats=False).on(("n", 3)),
        },
        start={"num_features": 3},
        changes={
            "num_features": [2],
            "eps": [0.5],
            "momentum": [0.7, None],
            "affine": [False],
            "track_running_stats": [False],
            "bias": [False],
            "dtype": F64,
        },
        needs={"bias": {"affine": True}, "momentum": {"track_running_stats": True}},
        vectors=_vectors(
            (3,),
            {**EVALUATION, "cumulative": {"momentum": None}, "plain": {"affine": False, "track_running_stats": False}},
            num_features=3,
        ),
        page=Page({"num_features": 8}),
        bad={
            "BatchNorm1d: eps": _mistyped(3, eps="1e-5"),
            "BatchNorm1d: bias": _mistyped(3, bias=0),
            "BatchNorm1d of whole numbers": _not_whole(3),
        },
    ),
    "Bilinear": Op(
        {
            "Bilinear": call(3, 4, 2, rng=21),
            "Bilinear(1, 1, 1)": call(1, 1, 1, rng=21),
            "Bilinear(3, 3, 3)": call(3, 3, 3, rng=21),
            "Bilinear bias": call(7, 2, 5, bias=False, rng=21),
        },
        start={"in1_features": 3, "in2_features": 2, "out_features": 4, "rng": 0},
        changes={
            "in1_features": [2],
            "in2_features": [4],
            "out_features": [5, 1],
            "bias": [False],
            "dtype": F64,
            "rng": [1],
        },
        vectors=Vectors({"in1_features": 3, "in2_features": 4, "out_features": 2}, NO_BIAS, inputs=("real", "real")),
        page=Page({"in1_features": 8, "in2_features": 8, "out_features": 4}, ("real", "real")),
        bad={
            "no features": Refused(call(0, 2, 3), ValueError, ["in1_features must be >= 1", "0"]),
            "no second features": Refused(call(2, 0, 3), ValueError, ["in2_features must be >= 1", "0"]),
            "half an output": Refused(call(2, 3, 1.5), TypeError, ["out_features", "1.5"]),
            "Bilinear's dtype": _not_whole(2, 3, 4),
            "first input": Refused(call(2, 3, 4), ValueError, ["input1", "3 features", "in1_features=2"], (X, X)),
            "second input": Refused(call(3, 2, 4), ValueError, ["input2", "3 features", "in2_features=2"], (X, X)),
            "first input of three axes": Refused(
                call(2, 3, 4), ValueError, ["(5, 1, 3) has 3 features"], (X[:, np.newaxis], X[:, np.newaxis])
            ),
            "first input's dtype": Refused(call(3, 3, 4), TypeError, ["input1", "float32"], (X.astype(float), X)),
            "an input without axes": Refused(call(3, 3, 4), ValueError, ["input1", "no axis"], (NUMBER, X)),
            "batches that broadcast": Refused(call(3, 3, 4), ValueError, ["(5, 3)", "(1, 3)", "all axes"], (X, X[:1])),
            "more axes": Refused(call(3, 3, 4), ValueError, ["(5, 3)", "(1, 5, 3)"], (X, X[np.newaxis])),
            "second input's dtype": Refused(call(3, 3, 4), TypeError, ["input2", "float32"], (X, X.astype(float))),
            "a list": Refused(call(3, 1, 4), TypeError, ["input2", "NumPy array", "list"], (X, [1.0])),
        },
    ),
    "Dropout": Op(
        {
            "Dropout": call(rng=12),
            "Dropout(0.2)": call(0.2, rng=13),
            "Dropout(0)": call(0),
            "Dropout(1)": call(1),
            "Dropout, evaluation": call().eval(),
        },
        start={"rng": 0},
        changes={"p": [0.2, 0.0, 1.0], "rng": [1]},
        random=True,
        vectors=_vectors((4,), {**EVALUATION, "p": {"p": 0.2}}),
        bad={
            "p above 1": Refused(call(1.5), ValueError, ["p must be a probability in [0, 1]", "1.5"]),
            "p is NaN": Refused(call(NAN), ValueError, ["p", "finite", "nan"]),
            "p is text": Refused(call("0.5"), TypeError, ["p must be a number", "'0.5'"]),
            "dropout in place": Refused(call(inplace=True), TypeError, ["inplace"]),
            "dropout of integers": Refused(call(), TypeError, ["float32 or float64", "int64"], (X.astype(int),)),
        },
    ),
    "Embedding": Op(
        {
            "Embedding": call(5, 3, rng=20),
            "Embedding(1, 1)": call(1, 1, rng=20),
            "Embedding(3, 3)": call(3, 3, rng=20),
            "Embedding padding_idx": call(3, 4, padding_idx=1, rng=20),
            "Embedding negative padding_idx": call(3, 2, -3, rng=20),
            "Embedding scale_grad_by_freq": call(3, 4, scale_grad_by_freq=True, rng=20),
            "Embedding all options": call(4, 2, padding_idx=-1, scale_grad_by_freq=True, rng=20),
        },
        start={"num_embeddings": 4, "embedding_dim": 3, "rng": 0},
        changes={
            "num_embeddings": [5],
            "embedding_dim": [2],
            "padding_idx": [1, -4],
            "scale_grad_by_freq": [True],
            "sparse": [True],
            "dtype": F64,
            "rng": [1],
        },
        needs={
            "sparse": {"scale_grad_by_freq": False},
            **{option: {"sparse": False} for option in ("num_embeddings", "embedding_dim", "padding_idx")},
            **{option: {"sparse": False} for option in ("scale_grad_by_freq", "dtype", "rng")},
        },
        vectors=Vectors(
            {"num_embeddings": 5, "embedding_dim": 3},
            {"padding": {"padding_idx": 1}, "mean": {"scale_grad_by_freq": True}},
            (2,),
            inputs=("index",),
        ),
        page=Page({"num_embeddings": 7, "embedding_dim": 4}, ("index",)),
        bad={
            "negative rows": Refused(call(-1, 2), ValueError, ["num_embeddings must be >= 0", "-1"]),
            "rows not whole": Refused(call(3.0, 2), TypeError, ["num_embeddings", "3.0"]),
            "width not whole": Refused(call(3, "2"), TypeError, ["embedding_dim", "'2'"]),
            "padding past the rows": Refused(
                call(3, 2, 3), ValueError, ["padding_idx must be < num_embeddings=3", "3"]
            ),
            "padding before the rows": Refused(call(3, 2, -4), ValueError, ["padding_idx must be >= -3", "-4"]),
            "padding not whole": Refused(call(3, 2, 1.0), TypeError, ["padding_idx", "1.0"]),
            "frequency not a truth value": Refused(
                call(3, 2, scale_grad_by_freq=1), TypeError, ["scale_grad_by_freq must be True or False", "1"]
            ),
            "max_norm": Refused(call(3, 2, max_norm=1.0), TypeError, ["max_norm"]),
            "norm_type": Refused(call(3, 2, norm_type=1.0), TypeError, ["norm_type"]),
            "a table's dtype": Refused(call(3, 2, dtype=np.float16), TypeError, ["float32 or float64", "float16"]),
            "a row past the end": Refused(call(2, 3), IndexError, ["0..1", "got 2 at index (1, 0)"], (INDICES,)),
            "a negative row": Refused(call(3, 3), IndexError, ["0..2", "got -1 at index (0, 0)"], (INDICES - 1,)),
            "a row of none": Refused(call(0, 3), IndexError, ["0..-1", "got 0"], (INDICES[:1, :1],)),
            "rows of floats": Refused(call(3, 2), TypeError, ["Embedding", "integers", "float32"], (X,)),
            "rows of truth values": Refused(call(3, 2), TypeError, ["integers", "bool"], (X > 0,)),
            "a list of rows": Refused(call(3, 2), TypeError, ["NumPy array", "list"], ([1],)),
        },
    ),
    "Flatten": Op(
        {"Flatten(0)": call(0), "Flatten(-1, -1)": call(-1, -1)},
        changes={"start_dim": [0], "end_dim": [1]},
        shape=(2, 3, 4),
        vectors=_vectors((2, 3), {"all": {"start_dim": 0}, "last-axis": {"start_dim": -1}}),
        page=Page(shape=(16, 4, 8)),
        bad={
            "start_dim not whole": Refused(call(1.0), TypeError, ["start_dim", "1.0"]),
            "end_dim not whole": Refused(call(0, None), TypeError, ["end_dim", "None"]),
            "flatten from no axis": Refused(call(), IndexError, ["start_dim=1", "(3,)"], (X[0],)),
            "flatten to no axis": Refused(call(0, 2), IndexError, ["end_dim=2", "(5, 3)"], (X,)),
            "flatten a number": Refused(call(), IndexError, ["start_dim=1", "()"], (NUMBER,)),
            "flatten backwards": Refused(
                call(-1, 0), ValueError, ["start_dim=-1 comes after end_dim=0", "(5, 3)"], (X,)
            ),
        },
    ),
    "GroupNorm": Op(
        {
            "GroupNorm": call(2, 6).on(("n", 6), ("n", 6, 5)),
            "GroupNorm of one": call(1, 6, eps=0.1).on(("n", 6, 3, 2)),
            "GroupNorm of every channel": call(6, 6, bias=False).on(("n", 6, 7)),
            "GroupNorm without parameters": call(3, 6, affine=False).on(("n", 6, 4)),
        },
        start={"num_groups": 1, "num_channels": 3},
        changes={
            "num_groups": [3],
            "num_channels": [6],
            "eps": [0.5],
            "affine": [False],
            "bias": [False],
            "dtype": F64,
        },
        needs={"bias": {"affine": True}},
        vectors=_vectors((4, 3), {**NO_BIAS, "plain": {"affine": False}}, num_groups=2, num_channels=4),
        page=Page({"num_groups": 2, "num_channels": 8}, row=SEVEN),
        bad={
            "GroupNorm: eps": _mistyped(1, 3, eps="1e-5"),
            "GroupNorm: affine": _mistyped(1, 3, affine=1),
            "GroupNorm: bias": _mistyped(1, 3, bias=0),
            "GroupNorm of whole numbers": _not_whole(1, 3),
            "GroupNorm of other channels": Refused(
                call(1, 3), ValueError, ["num_channels=3", "(2, 4)"], (np.ones((2, 4), np.float32),)
            ),
        },
    ),
    "LayerNorm": Op(
        {
            "LayerNorm": call(5).on(("n", 5), (5,), (2, "n", 5)),
            "LayerNorm of one": call(1).on(("n", 1)),
            "LayerNorm of many": call(70, eps=1e-3).on(("n", 70)),
            "LayerNorm of two axes": call((3, 5), eps=0.1).on(("n", 3, 5), (3, 5)),
            "LayerNorm without bias": call([4], bias=False).on(("n", 4)),
            "LayerNorm without parameters": call(5, elementwise_affine=False).on(("n", 5)),
        },
        start={"normalized_shape": 3},
        changes={
            "normalized_shape": [2],
            "eps": [0.5],
            "elementwise_affine": [False],
            "bias": [False],
            "dtype": F64,
        },
        needs={"bias": {"elementwise_affine": True}},
        vectors=_vectors((5,), {**NO_BIAS, "plain": {"elementwise_affine": False}}, normalized_shape=[5]),
        page=Page({"normalized_shape": 8}, row=SEVEN),
        bad={
            "LayerNorm: elementwise_affine": _mistyped(3, elementwise_affine=1),
            "LayerNorm: bias": _mistyped(3, bias=0),
            "LayerNorm of whole numbers": _not_whole(3),
        },
    ),
    "Linear": Op(
        {
            "Linear(3, 4)": call(3, 4, rng=1).of(3),
            "Linear(1, 1)": call(1, 1, rng=2).of(1),
            "Linear(16, 5, bias=False)": call(16, 5, bias=False, rng=3).of(16),
            "Linear(70, 33)": call(70, 33, rng=4).of(70),
        },
        start={"in_features": 3, "out_features": 4, "rng": 0},
        changes={"in_features": [2], "out_features": [5, 1], "bias": [False], "dtype": F64, "rng": [1]},
        vectors=_vectors((4,), NO_BIAS, in_features=4, out_features=3),
        page=Page({"in_features": 8, "out_features": 16}),
        bad={
            "whole numbers in a net of numbers": Refused(
                call(2, 2), TypeError, ["Linear", "float32", "int64"], (INDICES,)
            )
        },
    ),
    "RMSNorm": Op(
        {
            "RMSNorm": call(5).on(("n", 5), (5,), (2, "n", 5)),
            "RMSNorm of two axes": call((3, 5), eps=0.2).on(("n", 3, 5)),
            "RMSNorm without parameters": call(33, elementwise_affine=False).on(("n", 33)),
        },
        start={"normalized_shape": 3},
        changes={"normalized_shape": [2], "eps": [0.5], "elementwise_affine": [False], "dtype": F64},
        vectors=_vectors((5,), {"eps": {"eps": 0.1}, "plain": {"elementwise_affine": False}}, normalized_shape=[5]),
        page=Page({"normalized_shape": 8}, row=SEVEN),
        bad={"RMSNorm of whole numbers": _not_whole(3)},
    ),
}
