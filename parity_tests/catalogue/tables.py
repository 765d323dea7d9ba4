"""The tables that the tests run over: a new op is a new row here, never a new copy of a test.

Every row builds the same thing on either side: `build(side)`, where a side is the module `scratch` or `torch_impl`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import scratch
import torch_impl

SIDES: dict[str, Any] = {"scratch": scratch, "torch": torch_impl}
DTYPES = [np.float32, np.float64]

Build = Callable[..., Any]


@dataclass(frozen=True)
class Op:
    """A layer or activation; `width` is the number of input features, None where any will do.

    `unpinned` are the cases of what is no number (`NOT_NUMBERS` in test_ops.py) in which torch contradicts itself: its
    kernel for eight numbers at a time and the one for the rest differ, or its float32 and its float64.
    """

    build: Build  # build(side, dtype) -> model
    width: int | None = None
    unpinned: tuple[str, ...] = ()
    random: bool = False  # two calls have two outputs for nearly every input


def _elementwise(name: str, *args: Any, unpinned: tuple[str, ...] = (), **options: Any) -> Op:
    return Op(lambda side, dtype: getattr(side, name)(*args, **options), unpinned=unpinned)


OPS: dict[str, Op] = {
    "Linear(3, 4)": Op(lambda side, dtype: side.Linear(3, 4, dtype=dtype, rng=1), 3),
    "Linear(1, 1)": Op(lambda side, dtype: side.Linear(1, 1, dtype=dtype, rng=2), 1),
    "Linear(16, 5, bias=False)": Op(lambda side, dtype: side.Linear(16, 5, bias=False, dtype=dtype, rng=3), 16),
    "Linear(70, 33)": Op(lambda side, dtype: side.Linear(70, 33, dtype=dtype, rng=4), 70),
    "Identity": _elementwise("Identity"),
    "ReLU": _elementwise("ReLU"),
    "LeakyReLU": _elementwise("LeakyReLU"),
    "LeakyReLU(0.3)": _elementwise("LeakyReLU", 0.3),
    "LeakyReLU(0)": _elementwise("LeakyReLU", 0.0),
    "LeakyReLU(-2)": _elementwise("LeakyReLU", -2.0),
    "ReLU6": _elementwise("ReLU6", unpinned=("NaN",)),
    "PReLU": Op(lambda side, dtype: side.PReLU(dtype=dtype)),
    "PReLU(init=-1.5)": Op(lambda side, dtype: side.PReLU(init=-1.5, dtype=dtype)),
    "RReLU": _elementwise("RReLU", rng=10),
    "RReLU(-1, 2)": _elementwise("RReLU", -1.0, 2.0, rng=11),
    "RReLU, evaluation": Op(lambda side, dtype: side.RReLU().eval()),
    "Threshold(0.5, -7)": _elementwise("Threshold", 0.5, -7.0),
    "Threshold(-1, 0.1)": _elementwise("Threshold", -1.0, 0.1),
    "Hardtanh": _elementwise("Hardtanh", unpinned=("NaN",)),
    "Hardtanh(0, 0.1)": _elementwise("Hardtanh", 0.0, 0.1, unpinned=("NaN",)),
    "ELU": _elementwise("ELU", unpinned=("NaN",)),
    "ELU(2.1)": _elementwise("ELU", 2.1, unpinned=("NaN",)),
    "ELU(-1)": _elementwise("ELU", -1.0, unpinned=("NaN",)),
    "CELU": _elementwise("CELU", unpinned=("NaN",)),
    "CELU(0.3)": _elementwise("CELU", 0.3, unpinned=("NaN",)),
    "SELU": _elementwise("SELU", unpinned=("NaN",)),
    "GELU": _elementwise("GELU", unpinned=("inf", "both")),
    "GELU(tanh)": _elementwise("GELU", approximate="tanh"),
    "SiLU": _elementwise("SiLU"),
    "Mish": _elementwise("Mish"),
    "Softplus": _elementwise("Softplus"),
    "Softplus(beta=0.3)": _elementwise("Softplus", 0.3),
    "Softplus(beta=-2)": _elementwise("Softplus", -2.0),
    "Softplus(threshold=1)": _elementwise("Softplus", threshold=1.0),
    "Sigmoid": _elementwise("Sigmoid"),
    "LogSigmoid": _elementwise("LogSigmoid"),
    "Hardsigmoid": _elementwise("Hardsigmoid"),
    "Hardswish": _elementwise("Hardswish", unpinned=("NaN",)),
    "Softsign": _elementwise("Softsign", unpinned=("inf", "-inf", "both")),
    "Tanhshrink": _elementwise("Tanhshrink"),
    "Hardshrink": _elementwise("Hardshrink", unpinned=("NaN",)),
    "Hardshrink(0.1)": _elementwise("Hardshrink", 0.1, unpinned=("NaN",)),
    "Hardshrink(-1)": _elementwise("Hardshrink", -1.0, unpinned=("NaN",)),
    "Softshrink": _elementwise("Softshrink", unpinned=("NaN",)),
    "Softshrink(0)": _elementwise("Softshrink", 0.0, unpinned=("NaN",)),
    "Softshrink(1.1)": _elementwise("Softshrink", 1.1, unpinned=("NaN",)),
    "Tanh": _elementwise("Tanh"),
    "Softmax(dim=-1)": _elementwise("Softmax", dim=-1),
    "Softmax(dim=0)": _elementwise("Softmax", dim=0),
    "LogSoftmax(dim=-1)": _elementwise("LogSoftmax", dim=-1),
    "LogSoftmax(dim=0)": _elementwise("LogSoftmax", dim=0),
    "Softmin(dim=-1)": _elementwise("Softmin", dim=-1),
    "Softmin(dim=0)": _elementwise("Softmin", dim=0),
    "GLU": Op(lambda side, dtype: side.GLU(), 8),
    "GLU(dim=-1), two": Op(lambda side, dtype: side.GLU(dim=-1), 2),
    "Dropout": Op(lambda side, dtype: side.Dropout(rng=12), random=True),
    "Dropout(0.2)": Op(lambda side, dtype: side.Dropout(0.2, rng=13), random=True),
    "Dropout(0)": _elementwise("Dropout", 0),
    "Dropout(1)": _elementwise("Dropout", 1),
    "Dropout, evaluation": Op(lambda side, dtype: side.Dropout().eval()),
    "AlphaDropout": Op(lambda side, dtype: side.AlphaDropout(rng=14), random=True),
    "AlphaDropout(0.1)": Op(lambda side, dtype: side.AlphaDropout(0.1, rng=15), random=True),
    "AlphaDropout(0)": _elementwise("AlphaDropout", 0.0),
    "AlphaDropout(1)": _elementwise("AlphaDropout", 1.0),
    "AlphaDropout, evaluation": Op(lambda side, dtype: side.AlphaDropout().eval()),
    "Flatten(0)": _elementwise("Flatten", 0),
    "Flatten(-1, -1)": _elementwise("Flatten", -1, -1),
    "Residual(Tanh)": Op(lambda side, dtype: side.Residual(side.Tanh())),
    "Residual": Op(
        lambda side, dtype: side.Residual(
            side.Linear(3, 4, dtype=dtype, rng=12), side.Tanh(), side.Linear(4, 3, dtype=dtype, rng=13)
        ),
        3,
    ),
    "Sequential": Op(
        lambda side, dtype: side.Sequential(
            side.Linear(3, 4, dtype=dtype, rng=5), side.Tanh(), side.Linear(4, 2, dtype=dtype, rng=6)
        ),
        3,
    ),
    "two layers": Op(
        lambda side, dtype: side.Sequential(
            side.Linear(3, 3, dtype=dtype, rng=10), side.Linear(3, 3, dtype=dtype, rng=11)
        ),
        3,
    ),
    "Parallel(Tanh)": Op(lambda side, dtype: side.Parallel(side.Tanh())),
    "Parallel(ReLU, Tanh)": Op(lambda side, dtype: side.Parallel(side.ReLU(), side.Tanh())),
    "relu + tanh mix": Op(
        lambda side, dtype: side.Sequential(
            side.Linear(5, 8, dtype=dtype, rng=7),
            side.Parallel(side.ReLU(), side.Tanh()),
            side.Linear(8, 4, dtype=dtype, rng=8),
            side.ReLU(),
            side.Linear(4, 1, dtype=dtype, rng=9),
            side.Sigmoid(),
        ),
        5,
    ),
}


@dataclass(frozen=True)
class OddOp:
    """A layer whose input is no array of floats: whole numbers below `rows`, or two arrays of `widths`."""

    build: Build  # build(side, dtype) -> model
    rows: int = 0
    widths: tuple[int, int] = (0, 0)

    def inputs(self, draw: Any, lead: tuple[int, ...], dtype: npt.DTypeLike) -> tuple[npt.NDArray[Any], ...]:
        """The arguments of forward, from one draw."""
        if self.rows:
            rng = np.random.default_rng(draw.seed)
            return (rng.integers(0, self.rows, lead, rng.choice([np.int64, np.int32, np.uint8])),)
        return tuple(draw.array((*lead, width), dtype, i) for i, width in enumerate(self.widths))


def _embedding(*args: Any, **options: Any) -> OddOp:
    return OddOp(lambda side, dtype: side.Embedding(*args, dtype=dtype, rng=20, **options), rows=args[0])


def _bilinear(in1: int, in2: int, out: int, **options: Any) -> OddOp:
    return OddOp(lambda side, dtype: side.Bilinear(in1, in2, out, dtype=dtype, rng=21, **options), widths=(in1, in2))


ODD_OPS: dict[str, OddOp] = {
    "Embedding": _embedding(5, 3),
    "Embedding(1, 1)": _embedding(1, 1),
    "Embedding(3, 3)": _embedding(3, 3),
    "Embedding padding_idx": _embedding(3, 4, padding_idx=1),
    "Embedding negative padding_idx": _embedding(3, 2, -3),
    "Embedding scale_grad_by_freq": _embedding(3, 4, scale_grad_by_freq=True),
    "Embedding all options": _embedding(4, 2, padding_idx=-1, scale_grad_by_freq=True),
    "Bilinear": _bilinear(3, 4, 2),
    "Bilinear(1, 1, 1)": _bilinear(1, 1, 1),
    "Bilinear(3, 3, 3)": _bilinear(3, 3, 3),
    "Bilinear bias": _bilinear(7, 2, 5, bias=False),
}


@dataclass(frozen=True)
class LossRow:
    """A loss, what its arrays are drawn from, and the options besides `reduction`, given the classes and the dtype."""

    name: str
    target: str  # "float", "probability", "binary", "log probability", "count", "sign", "row sign", "class", ...
    input: str = (
        "any"  # "any", "moderate" (its exponential is finite), "probability", "positive", or "pair": two of any
    )
    options: Callable[[int, npt.DTypeLike], dict[str, Any]] = lambda classes, dtype: {}
    var: str = ""  # the shape of GaussianNLLLoss's variance: "full", "row", "column", "one axis", "one"

    def build(self, side: Any, classes: int, dtype: npt.DTypeLike, reduction: str) -> Any:
        return getattr(side, self.name)(reduction=reduction, **self.options(classes, dtype))

    @property
    def pair(self) -> bool:
        return self.input == "pair" or bool(self.var)


def _class_weight(classes: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.linspace(0.3, 2.1, classes).astype(dtype)


LOSSES: dict[str, LossRow] = {
    "MSE": LossRow("MSELoss", "float"),
    "L1": LossRow("L1Loss", "float"),
    "BCE": LossRow("BCELoss", "probability", "probability"),
    "BCE weight": LossRow(
        "BCELoss", "probability", "probability", lambda classes, dtype: {"weight": _class_weight(classes, dtype)}
    ),
    "BCEWithLogits": LossRow("BCEWithLogitsLoss", "probability"),
    "BCEWithLogits weight": LossRow(
        "BCEWithLogitsLoss", "binary", options=lambda classes, dtype: {"weight": _class_weight(classes, dtype)}
    ),
    "BCEWithLogits pos_weight": LossRow(
        "BCEWithLogitsLoss", "probability", options=lambda classes, dtype: {"pos_weight": _class_weight(classes, dtype)}
    ),
    "CE": LossRow("CrossEntropyLoss", "class"),
    "CE weight": LossRow(
        "CrossEntropyLoss", "class", options=lambda classes, dtype: {"weight": _class_weight(classes, dtype)}
    ),
    "CE ignore_index": LossRow("CrossEntropyLoss", "class", options=lambda classes, dtype: {"ignore_index": 0}),
    "CE label_smoothing": LossRow("CrossEntropyLoss", "class", options=lambda c, d: {"label_smoothing": 0.1}),
    "CE all options": LossRow(
        "CrossEntropyLoss",
        "class",
        options=lambda c, d: {"weight": _class_weight(c, d), "ignore_index": 1, "label_smoothing": 0.3},
    ),
    "CE probabilities": LossRow("CrossEntropyLoss", "class probabilities"),
    "CE probabilities weight smoothing": LossRow(
        "CrossEntropyLoss",
        "class probabilities",
        options=lambda c, d: {"weight": _class_weight(c, d), "label_smoothing": 0.2},
    ),
    "NLL": LossRow("NLLLoss", "class"),
    "NLL weight ignore_index": LossRow(
        "NLLLoss", "class", options=lambda c, d: {"weight": _class_weight(c, d), "ignore_index": 1}
    ),
    "SmoothL1": LossRow("SmoothL1Loss", "float"),
    "SmoothL1 beta": LossRow("SmoothL1Loss", "float", options=lambda c, d: {"beta": 0.1}),
    "SmoothL1 beta 0": LossRow("SmoothL1Loss", "float", options=lambda c, d: {"beta": 0.0}),
    "Huber": LossRow("HuberLoss", "float"),
    "Huber delta": LossRow("HuberLoss", "float", options=lambda c, d: {"delta": 0.3}),
    "half squared error": LossRow("HalfSquaredError", "float"),
    "SoftMargin": LossRow("SoftMarginLoss", "sign", "moderate"),
    "SoftMargin any target": LossRow("SoftMarginLoss", "probability", "moderate"),
    "HingeEmbedding": LossRow("HingeEmbeddingLoss", "sign"),
    "HingeEmbedding margin": LossRow("HingeEmbeddingLoss", "sign or 0", options=lambda c, d: {"margin": 0.1}),
    "MultiMargin": LossRow("MultiMarginLoss", "class"),
    "MultiMargin p margin": LossRow("MultiMarginLoss", "class", options=lambda c, d: {"p": 2, "margin": 0.7}),
    "MultiMargin weight": LossRow("MultiMarginLoss", "class", options=lambda c, d: {"weight": _class_weight(c, d)}),
    "MultiMargin all options": LossRow(
        "MultiMarginLoss", "class", options=lambda c, d: {"p": 2, "margin": -0.3, "weight": _class_weight(c, d)}
    ),
    "MultiLabelMargin": LossRow("MultiLabelMarginLoss", "labels"),
    "MultiLabelSoftMargin": LossRow("MultiLabelSoftMarginLoss", "binary"),
    "MultiLabelSoftMargin weight": LossRow(
        "MultiLabelSoftMarginLoss", "probability", options=lambda c, d: {"weight": _class_weight(c, d)}
    ),
    "KLDiv": LossRow("KLDivLoss", "probability"),
    "KLDiv log_target": LossRow("KLDivLoss", "log probability", options=lambda c, d: {"log_target": True}),
    "PoissonNLL": LossRow("PoissonNLLLoss", "count", "moderate"),
    "PoissonNLL full": LossRow("PoissonNLLLoss", "count", "moderate", options=lambda c, d: {"full": True}),
    "PoissonNLL rate": LossRow("PoissonNLLLoss", "count", "positive", options=lambda c, d: {"log_input": False}),
    "PoissonNLL rate all options": LossRow(
        "PoissonNLLLoss", "count", "positive", options=lambda c, d: {"log_input": False, "full": True, "eps": 0.01}
    ),
    "CosineEmbedding": LossRow("CosineEmbeddingLoss", "row sign", "pair"),
    "CosineEmbedding margin": LossRow("CosineEmbeddingLoss", "row sign", "pair", lambda c, d: {"margin": 0.4}),
    "MarginRanking": LossRow("MarginRankingLoss", "sign", "pair"),
    "MarginRanking margin": LossRow("MarginRankingLoss", "sign or 0", "pair", lambda c, d: {"margin": 0.1}),
    "MarginRanking any target": LossRow("MarginRankingLoss", "float", "pair"),
    "GaussianNLL": LossRow("GaussianNLLLoss", "float", var="full"),
    "GaussianNLL eps": LossRow("GaussianNLLLoss", "float", options=lambda c, d: {"eps": 0.5}, var="full"),
    "GaussianNLL full": LossRow("GaussianNLLLoss", "float", options=lambda c, d: {"full": True}, var="row"),
    "GaussianNLL column": LossRow("GaussianNLLLoss", "float", var="column"),
    "GaussianNLL one axis": LossRow("GaussianNLLLoss", "float", var="one axis"),
    "GaussianNLL one": LossRow("GaussianNLLLoss", "float", options=lambda c, d: {"full": True}, var="one"),
}

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "SGD dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    "SGD nesterov": ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    "SGD weight_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.01}),
    "SGD maximize": ("SGD", {"lr": 0.1, "maximize": True}),
    "SGD all options": (
        "SGD",
        {"lr": 0.07, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02, "maximize": True},
    ),
    "Adam": ("Adam", {"lr": 0.01}),
    "Adam betas": ("Adam", {"lr": 0.01, "betas": (0.5, 0.7)}),
    "Adam eps": ("Adam", {"lr": 0.01, "eps": 1e-3}),
    "Adam weight_decay": ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    "Adam decoupled": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "Adam amsgrad": ("Adam", {"lr": 0.01, "betas": (0.3, 0.6), "amsgrad": True}),
    "Adam maximize": ("Adam", {"lr": 0.01, "maximize": True, "amsgrad": True, "weight_decay": 0.1}),
    "AdamW": ("AdamW", {"lr": 0.01}),
    "AdamW all options": (
        "AdamW",
        {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.2, "amsgrad": True, "maximize": True},
    ),
    "Adamax": ("Adamax", {"lr": 0.01}),
    "Adamax all options": (
        "Adamax",
        {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ),
    "NAdam": ("NAdam", {"lr": 0.01}),
    "NAdam decoupled": ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "NAdam all options": (
        "NAdam",
        {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.5, "maximize": True},
    ),
    "RAdam": ("RAdam", {"lr": 0.01}),
    "RAdam rectified": ("RAdam", {"lr": 0.01, "betas": (0.5, 0.8), "eps": 1e-3}),
    "RAdam decoupled": (
        "RAdam",
        {"lr": 0.01, "betas": (0.9, 0.75), "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "RAdam maximize": ("RAdam", {"lr": 0.01, "betas": (0.9, 0.8), "weight_decay": 0.1, "maximize": True}),
    "Adagrad": ("Adagrad", {"lr": 0.01}),
    "Adagrad all options": (
        "Adagrad",
        {
            "lr": 0.01,
            "lr_decay": 0.1,
            "weight_decay": 0.1,
            "initial_accumulator_value": 0.3,
            "eps": 1e-3,
            "maximize": True,
        },
    ),
    "Adadelta": ("Adadelta", {}),
    "Adadelta all options": (
        "Adadelta",
        {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ),
    "RMSprop": ("RMSprop", {"lr": 0.01}),
    # s − ḡ² cancels in a smooth run: eps keeps what is left of its digits from ruling the step
    "RMSprop centered": ("RMSprop", {"lr": 0.01, "alpha": 0.7, "eps": 1e-3, "centered": True}),
    "RMSprop momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9}),
    "RMSprop all options": (
        "RMSprop",
        {
            "lr": 0.01,
            "alpha": 0.6,
            "eps": 1e-3,
            "weight_decay": 0.1,
            "momentum": 0.5,
            "centered": True,
            "maximize": True,
        },
    ),
    "Rprop": ("Rprop", {"lr": 0.01}),
    "Rprop all options": (
        "Rprop",
        {"lr": 0.01, "etas": (0.3, 1.7), "step_sizes": (0.004, 0.02), "maximize": True},
    ),
    "ASGD": ("ASGD", {"lr": 0.01}),
    "ASGD averaging": ("ASGD", {"lr": 0.05, "lambd": 0.1, "alpha": 0.6, "t0": 1}),
    "ASGD all options": (
        "ASGD",
        {"lr": 0.05, "lambd": 0.1, "alpha": 0.6, "t0": 0, "weight_decay": 0.1, "maximize": True},
    ),
    "Adafactor": ("Adafactor", {"lr": 0.01}),
    "Adafactor all options": (
        "Adafactor",
        {
            "lr": 0.6,
            "beta2_decay": -0.5,
            "eps": (1e-3, 1e-2),
            "d": 1.5,
            "weight_decay": 0.1,
            "maximize": True,
        },
    ),
    "Muon": ("Muon", {"lr": 0.01, "ns_steps": 1}),  # more steps: test_muon_* in test_semantics_optimizers.py
    "Muon without nesterov": ("Muon", {"lr": 0.01, "ns_steps": 1, "nesterov": False, "momentum": 0.5}),
    "Muon all options": (
        "Muon",
        {
            "lr": 0.01,
            "weight_decay": 0.2,
            "momentum": 0.8,
            "ns_coefficients": (2.0, -1.5, 0.5),
            "eps": 1e-3,
            "ns_steps": 2,
            "adjust_lr_fn": "match_rms_adamw",
        },
    ),
}
