"""What an experiment is: its data, its recipe, and what must come out of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Self

import numpy as np

from contract import Array, Loss, Target
from handgrad.experiments.encoding import Encoding, Standard
from handgrad.rules import (
    FINITE,
    FUNCTION,
    NOT_NEGATIVE,
    POSITIVE,
    TEXT,
    TRUTH,
    Rule,
    is_whole,
    one_of,
    or_none,
    refuse_unless,
)

CHANGEABLE = (
    "hidden",
    "activation",
    "loss",
    "class_weights",
    "optimizer",
    "optimizer_options",
    "lr",
    "epochs",
    "batch_size",
    "size",
)
"""The fields of an experiment that the command line can change and that its expectation was measured with."""

METRICS = ("test_accuracy", "train_accuracy", "final_loss", "test_loss", "loss_ratio")
"""What an expectation can speak about: see `Expectation`."""


@dataclass(frozen=True, eq=False)
class Data:
    """The arrays of an experiment, float64 as generated. What is None does not exist in that experiment.

    Features have shape `(n, features)`. Targets are class indices `(n,)` int64, or floats `(n, outputs)`.
    """

    x_train: Array
    y_train: Target
    x_test: Array | None = None
    y_test: Target | None = None
    x_val: Array | None = None
    y_val: Target | None = None
    classes: tuple[str, ...] | None = None  # the classes' names; None for regression
    features: tuple[str, ...] = ()  # the features' names
    image: tuple[int, int] | None = None  # (rows, columns), where the features are a grey picture's pixels, row by row
    notes: tuple[str, ...] = ()  # what was assumed or done when they were read, in words
    inputs: tuple[Encoding, ...] = ()  # how a file's columns become the features; none: they are the features
    target: Standard | None = None  # how a target of numbers was moved and scaled
    beside: tuple[str, ...] = ()  # columns of the file that are no inputs: the target, and what was left out

    def arrays(self) -> dict[str, Array | Target]:
        """Every array there is, by name."""
        named = {name: getattr(self, name) for name in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")}
        return {name: array for name, array in named.items() if array is not None}

    def checked(self) -> Self:
        """The data, if it keeps what is said above. Raises ValueError naming the first array that does not."""
        for split in ("train", "val", "test"):
            x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
            if x is None and y is None and split != "train":
                continue
            for name, array in ((f"x_{split}", x), (f"y_{split}", y)):
                if type(array) is not np.ndarray:  # the mask of a masked array would be lost on the way
                    raise ValueError(f"data: {name} must be a NumPy array; got {type(array).__name__}")
            if x.ndim != 2 or x.dtype.kind != "f" or 0 in x.shape:
                raise ValueError(f"data: x_{split} must be floats (n, features); got {x.dtype} of shape {x.shape}")
            if y.ndim not in (1, 2) or y.dtype.kind != "if"[y.ndim - 1] or 0 in y.shape:
                wanted = "class indices (n,) of integers or floats (n, outputs)"
                raise ValueError(f"data: y_{split} must be {wanted}; got {y.dtype} of shape {y.shape}")
            if len(x) != len(y):
                raise ValueError(f"data: x_{split} has {len(x)} rows and y_{split} {len(y)}")
            if x.shape[1] != self.x_train.shape[1] or y.shape[1:] != self.y_train.shape[1:]:
                raise ValueError(f"data: the columns of {split} are not those of train")
        self._check_names()
        return self

    def _check_names(self) -> None:
        """ValueError for names that are no texts, or not as many as there are classes, features, pixels."""
        columns = self.x_train.shape[1]
        for what, names in (("classes", self.classes), ("features", self.features)):
            if names is not None and not (isinstance(names, tuple | list) and all(isinstance(n, str) for n in names)):
                raise ValueError(f"data: {what} must be a tuple of texts; got {names!r:.100}")
        if self.image is not None and not (
            isinstance(self.image, tuple | list)
            and len(self.image) == 2
            and all(is_whole(n) and n >= 1 for n in self.image)
            and self.image[0] * self.image[1] == columns
        ):
            wanted = f"None or (rows, columns) whose product is the number of features, {columns}"
            raise ValueError(f"data: image must be {wanted}; got {self.image!r:.100}")
        if self.features and len(self.features) != columns:
            raise ValueError(f"data: features must name all {columns} columns of x_train; got {len(self.features)}")
        if self.classes is None or (self.y_train.ndim == 1 and self.classes):
            return
        outputs = 2 if self.y_train.ndim == 2 and self.y_train.shape[1] == 1 else self.y_train.shape[-1]
        if len(self.classes) != outputs:
            wanted = f"{outputs}, of targets of shape {self.y_train.shape}" if self.classes else "None, or name them"
            raise ValueError(f"data: classes must be {wanted}; got {len(self.classes)}")


@dataclass(frozen=True)
class Expectation:
    """A bound that the trained network has to keep: `metric` is at least ("min") or at most ("max") `value`.

    Metrics: `test_accuracy` and `train_accuracy`; `final_loss` over the whole training split, `test_loss` over the
    held-out one; `loss_ratio`, the final loss as a part of the untrained network's.
    """

    metric: str
    bound: str
    value: float
    decides: bool = True  # whether missing it fails a run; else it is shown

    def __post_init__(self) -> None:
        refuse_unless(one_of(METRICS), "metric", self.metric)
        refuse_unless(one_of(("min", "max")), "bound", self.bound)
        refuse_unless(FINITE, "value", self.value)
        refuse_unless(TRUTH, "decides", self.decides)

    def met(self, value: float | None) -> bool:
        """Whether a measured value keeps the bound. None and NaN never do."""
        if value is None:
            return False
        return value >= self.value if self.bound == "min" else value <= self.value

    def __str__(self) -> str:
        return f"{self.metric.replace('_', ' ')} {'≥' if self.bound == 'min' else '≤'} {self.value:g}"


TASKS, INITS, DTYPES = ("binary", "multiclass", "regression"), ("default", "normal"), ("float32", "float64")
CLASS_WEIGHTS = ("balanced",)

FIELDS: dict[str, Rule] = {
    "name": (
        lambda value: isinstance(value, str) and value.isprintable() and bool(re.fullmatch(r"(?!\.+$)[^/\\]+", value)),
        "text that can name a folder",
    ),
    "title": TEXT,
    "source": TEXT,
    "task": one_of(TASKS),
    "size": TEXT,
    "data": FUNCTION,
    "hidden": (
        lambda value: isinstance(value, tuple | list) and all(is_whole(width) and width >= 1 for width in value),
        "a tuple of whole numbers >= 1",
    ),
    "activation": TEXT,
    "model": or_none(FUNCTION),
    "loss": TEXT,
    "own_loss": or_none(FUNCTION),
    "own_ops": (
        lambda value: isinstance(value, tuple | list) and all(isinstance(kind, type) for kind in value),
        "a tuple of classes",
    ),
    "class_weights": or_none(one_of(CLASS_WEIGHTS)),
    "optimizer": TEXT,
    "lr": NOT_NEGATIVE,
    "epochs": POSITIVE,
    "batch_size": or_none(POSITIVE),
    "expect": (lambda value: isinstance(value, Expectation), "an Expectation"),
    "printed": TEXT,
    "band": TEXT,
    "seconds": NOT_NEGATIVE,
    "output_activation": or_none(TEXT),
    "optimizer_options": (
        lambda value: isinstance(value, dict) and all(isinstance(key, str) and key != "lr" for key in value),
        "a dict of options by name, without lr",
    ),
    "shuffle": TRUTH,
    "drop_last": TRUTH,
    "init": one_of(INITS),
    "seed": (lambda value: is_whole(value) and 0 <= value < 2**32, f"a whole number from 0 to {2**32 - 1}"),
    "dtype": one_of(DTYPES),
    "judge_every": POSITIVE,
    "original": (lambda value: value is None or isinstance(value, Experiment), "an Experiment or None"),
}
"""What each field of an experiment may be."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that fixes a run. `hidden` are the widths between the data's features and the loss's outputs.

    `model` and `own_loss` are for what a name cannot say: a net that is no MLP, a loss that torch has not. Both are
    asked once for each side. `model(ops, sizes, options)` builds the net from the ops of a side (`scratch`, or
    `torch_impl` with the same names), and hands `options` (dtype, rng) on to every layer with weights;
    `own_loss("scratch")` and `own_loss("torch")` give that side's loss. `own_ops` are classes that take the place of
    those of the same name in `scratch`, on the NumPy side alone: layers for `model`, a loss, an optimizer, a Trainer.
    """

    name: str
    title: str = ""
    source: str = "your own"  # number of the article it follows, or "scikit-learn"
    task: str  # "binary" (one output), "multiclass" (one output per class) or "regression"
    size: str = ""  # of the data: "examples × features", held-out examples included
    data: Callable[..., Data]  # takes the seed, and where --points shall change their number, points=
    hidden: tuple[int, ...] = ()
    activation: str = "relu"
    model: Callable[[ModuleType, tuple[int, ...], dict[str, Any]], Any] | None = None
    loss: str  # class name
    own_loss: Callable[[str], Loss] | None = None
    own_ops: tuple[type, ...] = ()
    class_weights: str | None = None  # "balanced": n/(C n_c) for each of C classes, of n_c training rows of n
    optimizer: str  # class name
    lr: float
    epochs: int
    batch_size: int | None = None  # None: all of the training data in one batch
    expect: Expectation
    printed: str = ""  # what the source printed
    band: str = ""  # what this recipe gives over seeds, measured
    seconds: float = 0.0  # what `handgrad compare` takes on two cores, roughly
    output_activation: str | None = None
    optimizer_options: dict[str, Any] = field(default_factory=dict)  # beside lr
    shuffle: bool = False  # a new order every epoch; otherwise batches are taken in order
    drop_last: bool = False  # leave out the incomplete batch at the end of an epoch
    init: str = "default"  # "default": nn.Linear's; "normal": weights and biases from N(0, 1)
    seed: int = 0
    dtype: str = "float32"
    judge_every: int = 1  # judge each side's every n-th step, and always the last
    original: "Experiment | None" = field(default=None, repr=False, compare=False)  # before the user's overrides

    def __post_init__(self) -> None:
        for name, rule in FIELDS.items():
            refuse_unless(rule, name, getattr(self, name))
        object.__setattr__(self, "hidden", tuple(map(int, self.hidden)))
