"""What an experiment is: its data, its recipe, and what must come out of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from handgrad.contract import Array, Target


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

    def arrays(self) -> dict[str, Array | Target]:
        """Every array there is, by name."""
        named = {name: getattr(self, name) for name in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")}
        return {name: array for name, array in named.items() if array is not None}


@dataclass(frozen=True)
class Expectation:
    """A bound that the trained network has to keep: `metric` is at least ("min") or at most ("max") `value`."""

    metric: str  # "test_accuracy", "train_accuracy" or "final_loss" (over the whole training split)
    bound: str  # "min" or "max"
    value: float

    def met(self, value: float | None) -> bool:
        """Whether a measured value keeps the bound. None and NaN never do."""
        if value is None:
            return False
        return value >= self.value if self.bound == "min" else value <= self.value

    def __str__(self) -> str:
        return f"{self.metric.replace('_', ' ')} {'≥' if self.bound == 'min' else '≤'} {self.value:g}"


@dataclass(frozen=True)
class Experiment:
    """Everything that fixes a run. `hidden` are the widths between the data's features and the loss's outputs."""

    name: str
    title: str
    source: str  # number of the article it follows, or "scikit-learn"
    task: str  # "binary" (one output), "multiclass" (one output per class) or "regression"
    size: str  # of the data: "examples × features", held-out examples included
    data: Callable[[int], Data]  # takes the seed
    hidden: tuple[int, ...]
    activation: str
    loss: str  # class name
    optimizer: str  # class name
    lr: float
    epochs: int
    batch_size: int | None  # None: all of the training data in one batch
    expect: Expectation
    printed: str  # what the source printed
    band: str  # what this recipe gives over seeds, measured
    seconds: float  # what `handgrad compare` takes on two cores, roughly
    output_activation: str | None = None
    optimizer_options: dict[str, Any] = field(default_factory=dict)  # beside lr
    shuffle: bool = False  # a new order every epoch; otherwise batches are taken in order
    drop_last: bool = False  # leave out the incomplete batch at the end of an epoch
    init: str = "default"  # "default": nn.Linear's; "normal": weights and biases from N(0, 1)
    seed: int = 0
    dtype: str = "float32"
    judge_every: int = 1  # judge each side's every n-th step, and always the last
