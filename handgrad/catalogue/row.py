"""What a row of the catalogue says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

Options = Mapping[str, Any]

KINDS = {
    "wide": "numbers between −12 and 12 and of every size from 1e-6 to 1e3",
    "real": "standard normal numbers",
    "moderate": "normal numbers of standard deviation 3",
    "probability": "numbers between 0 and 1",
    "positive": "numbers between 0.05 and 4",
    "log probability": "logarithms of softmax rows",
    "count": "whole numbers from 0 to 9",
    "binary": "zeros and ones",
    "sign": "1 and −1",
    "row sign": "1 and −1, one for each row",
    "class": "class numbers, one for each row",
    "labels": "rows of class numbers, ended by −1",
    "index": "whole numbers from 0 to 6",
}
"""What arrays are drawn from, in words."""


@dataclass(frozen=True)
class Call:
    """The arguments of a constructor, and what is special about an op that is made so.

    `width` is the number of input features, None where any will do; `shapes` are those of its input, with "n" for the
    batch. `unpinned` are the inputs that are no number (`NOT_NUMBERS` in test_ops.py) for which torch contradicts
    itself: its kernel for eight numbers at a time and the one for the rest differ, or its float32 and its float64.
    """

    arguments: tuple[Any, ...] = ()
    options: Options = field(default_factory=dict)
    training: bool = True
    width: int | None = None
    shapes: tuple[tuple[Any, ...], ...] = ()
    unpinned: tuple[str, ...] = ()

    def of(self, width: int) -> Self:
        """… of inputs with so many features."""
        return replace(self, width=width)

    def on(self, *shapes: tuple[Any, ...]) -> Self:
        """… on inputs of these shapes."""
        return replace(self, shapes=shapes)

    def but(self, *unpinned: str) -> Self:
        """… pinned for all inputs that are no number, but these."""
        return replace(self, unpinned=unpinned)

    def eval(self) -> Self:
        """… in evaluation."""
        return replace(self, training=False)


def call(*arguments: Any, **options: Any) -> Call:
    """An op made with these arguments …"""
    return Call(arguments, options)


@dataclass(frozen=True)
class Refused:
    """A constructor's call, or with `given` one of forward, that both sides refuse with the same message."""

    made: Call
    error: type[Exception]
    words: Sequence[str]
    """What the message must contain."""
    given: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Vectors:
    """Options of an op, others that get a case each, and what the arrays of its test vectors are drawn from.

    Of a layer `shape` is that of one sample and `kinks` are inputs where it bends or jumps. Of a loss `inputs` say what
    forward takes. Of an optimizer `shape` is the parameter's.
    """

    options: Options = field(default_factory=dict)
    variants: Mapping[str, Options] = field(default_factory=dict)
    shape: tuple[int, ...] = (4,)
    kinks: tuple[float, ...] = (-1.0, 0.0, 1.0)
    inputs: tuple[str, ...] = ("real",)
    arrays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # weights of the variants of a loss


@dataclass(frozen=True)
class Page:
    """What an op's page in the dictionary is measured with, and what is special about the op.

    `arguments` are the constructor's. `row` is one input with None in the place of the x of the picture, drawn over
    `span`; `target` and what follows it in `inputs` are constants there. `points` are places, kinks above all, where
    the value and the derivative are tabulated besides 0, ∞ and NaN; of a loss they are pairs of input and target.
    """

    arguments: Options = field(default_factory=dict)
    inputs: tuple[str, ...] = ("real",)
    shape: tuple[int, ...] = (64, 8)
    row: tuple[float | None, ...] = ()
    constants: tuple[Any, ...] = ()
    span: tuple[float, float] = (-4.0, 4.0)
    points: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Op:
    """An activation or a layer."""

    cases: Mapping[str, Call] = field(default_factory=dict)
    """The sets of options worth a test, by their names in the tests; none is one without options."""
    start: Options = field(default_factory=dict)
    """Where every option starts, if not at its default, and …"""
    changes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """… the values it is changed to, one at a time: each must have an effect, the same on both sides."""
    needs: Mapping[str, Options] = field(default_factory=dict)
    """Of an option: others that it has an effect beside, or goes with."""
    shape: tuple[int, ...] | None = None
    """Of an input that shows every option; rows of features do where none is given."""
    degree: int = 1
    """As many numbers of the input are multiplied in a term of the gradient, beside the upstream one."""
    random: bool = False
    """With a seed, two calls have two outputs for nearly every input."""
    vectors: Vectors = field(default_factory=Vectors)
    page: Page = field(default_factory=Page)
    bad: Mapping[str, Refused] = field(default_factory=dict)


PER_CLASS = "weights per class"
"""Of an option: an array of positive numbers, one for each class."""


@dataclass(frozen=True)
class Given:
    """The options of a loss besides `reduction`, and what its arrays are drawn from if not from the row's `inputs`.

    `var` is the shape of GaussianNLLLoss's variance: "full", "row", "column", "one axis", "one".
    """

    options: Options = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    var: str = ""

    def drawn(self, *inputs: str) -> Self:
        """… on arrays that are drawn from these."""
        return replace(self, inputs=inputs)


def given(var: str = "", **options: Any) -> Given:
    """A loss with these options …"""
    return Given(options, (), var)


@dataclass(frozen=True)
class Truth:
    """An elementwise loss and its derivative by the input, exactly, as functions of mpmath's context, x and t.

    Float results are held against them at `points`, pairs of x and t at which a formula may cancel: within a few ulps
    of the true number, or of `beside`, the number that is rounded before a difference, where that is larger.
    """

    points: Sequence[tuple[float, float]]
    value: Callable[[Any, Any, Any], Any]
    slope: Callable[[Any, Any, Any], Any]
    beside: Callable[[Any, Any, Any], Any] = lambda mp, x, t: 0


Change = Callable[..., Any]
"""Of what was computed and of the arrays: what a mistake makes of it."""


@dataclass(frozen=True)
class Loss:
    """A loss. `inputs` say what its arrays are drawn from, in the order of forward.

    `like` is the loss of torch's that takes the same targets, of a loss that torch lacks.
    """

    inputs: tuple[str, ...]
    cases: Mapping[str, Given]
    changes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Of every option but the reduction: see `Op`."""
    needs: Mapping[str, Options] = field(default_factory=dict)
    reductions: tuple[str, ...] = ("mean", "sum", "none")
    like: str = ""
    truth: Truth | None = None
    wrong: Mapping[str, tuple[Change | None, Change | None]] = field(default_factory=dict)
    """Mistakes, by what becomes of the value and of the gradient: the judge must refuse each."""
    vectors: Vectors = field(default_factory=Vectors)
    page: Page = field(default_factory=Page)
    bad: Mapping[str, Refused] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer:
    """An optimizer. What takes more than a gradient for a step has vectors and a page alone."""

    cases: Mapping[str, Options] = field(default_factory=dict)
    """The sets of options worth a test, by their names in the tests."""
    start: Options = field(default_factory=dict)
    """Where every option starts, if not at its default, and …"""
    changes: Options = field(default_factory=dict)
    """… the value it is changed to, alone: each must have an effect on the parameters, the same on both sides."""
    beside: Mapping[str, tuple[Options, Any]] = field(default_factory=dict)
    """Of options that have one beside others only: those, and the value."""
    state_only: Options = field(default_factory=dict)
    """Options that have one on the state alone."""
    fixed: tuple[str, ...] = ()
    """Of its groups, but no argument."""
    shapes: tuple[tuple[int, ...], ...] = ((3, 4), (4,), (1, 1), (0, 2), ())
    """Of parameters that it takes."""
    steps: int = 4
    """As many show all it does."""
    vectors: Vectors = field(default_factory=Vectors)
    page: Page = field(default_factory=Page)


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule."""

    rates: Mapping[str, Options] = field(default_factory=dict)
    """Options for one group, by their names in the tests; …"""
    cases: Mapping[str, tuple[str, Options]] = field(default_factory=dict)
    """… an optimizer, and options for two. A function stands for what it gives."""
    zeros: Mapping[str, Options] = field(default_factory=dict)
    """Options of which some are 0, which is a value and not the absence of one."""
    start: Options = field(default_factory=dict)
    """Those that it cannot do without, and …"""
    bad_state: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """… entries of its state dict, with values that are refused."""
    page: Page = field(default_factory=Page)
    """Of an optimizer whose rate is 0.1."""


F32 = np.float32
NAN = float("nan")
X = np.random.default_rng(0).normal(size=(5, 3)).astype(F32)
"""An ordinary input, to be refused for one reason."""
NUMBER = X[0, 0:1].reshape(())
ONES = np.ones((5, 3), F32)
