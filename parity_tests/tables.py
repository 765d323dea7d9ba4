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
    """A layer or activation; `width` is the number of input features, None where any will do."""

    build: Build  # build(side, dtype) -> model
    width: int | None = None


def _elementwise(name: str, *args: Any, **options: Any) -> Op:
    return Op(lambda side, dtype: getattr(side, name)(*args, **options))


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
    "Sigmoid": _elementwise("Sigmoid"),
    "Tanh": _elementwise("Tanh"),
    "Softmax(dim=-1)": _elementwise("Softmax", dim=-1),
    "Softmax(dim=0)": _elementwise("Softmax", dim=0),
    "LogSoftmax(dim=-1)": _elementwise("LogSoftmax", dim=-1),
    "LogSoftmax(dim=0)": _elementwise("LogSoftmax", dim=0),
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
class LossRow:
    """A loss, the kind of its target, and the options besides `reduction`, given the classes and the dtype."""

    name: str
    target: str  # "float", "probability", "binary", "class", "class probabilities"
    input: str = "any"  # "any" or "probability"
    options: Callable[[int, npt.DTypeLike], dict[str, Any]] = lambda classes, dtype: {}

    def build(self, side: Any, classes: int, dtype: npt.DTypeLike, reduction: str) -> Any:
        return getattr(side, self.name)(reduction=reduction, **self.options(classes, dtype))


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
}
