"""The rows of `handgrad.catalogue` as the tests run over them, and what is built of several ops.

Every row builds the same thing on either side: `build(side)`, where a side is the module `scratch` or `torch_impl`.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import scratch
import torch_impl
from contract.names import ACTIVATIONS
from handgrad import catalogue
from handgrad.catalogue.row import PER_CLASS, Call, Given, call

SIDES: dict[str, Any] = {"scratch": scratch, "torch": torch_impl}


@dataclass(frozen=True)
class OnDevice:
    """`torch_impl`, with everything that is made of it on `device`."""

    device: str

    def __getattr__(self, name: str) -> Any:
        made = getattr(torch_impl, name)
        return functools.partial(made, device=self.device) if "device" in inspect.signature(made).parameters else made


DEVICES = [name for name, there in (("cuda", torch.cuda.is_available()), ("xpu", torch.xpu.is_available())) if there]
PLACES: dict[str, Any] = {**SIDES, **{f"torch on {device}": OnDevice(device) for device in DEVICES}}
"""Everywhere that numbers are computed: the two sides, and PyTorch on each accelerator that has both dtypes."""

SINGLE_ON_GPU = ("Hardsigmoid", "Hardswish")
"""Ops in which PyTorch on a GPU rounds 1/6 to float32, for float64 too: test_semantics_devices."""


def same_formula(op: str, place: str, dtype: npt.DTypeLike) -> bool:
    """Whether PyTorch computes the op at that place by the formula of its documentation."""
    return place in SIDES or op not in SINGLE_ON_GPU or np.dtype(dtype) == np.float32


DTYPES = [np.float32, np.float64]
NOT_IN_TORCH = {name for name in catalogue.ROWS if not hasattr(torch.nn, name)}

Build = Callable[..., Any]


def shape_of(name: str, rows: int, features: int) -> tuple[int, ...]:
    """The shape of an input that shows every option of a class."""
    return (catalogue.OPS[name].shape if name in catalogue.OPS else None) or (rows, features)


@dataclass(frozen=True)
class Op:
    """A layer or activation; see `handgrad.catalogue.row.Call`."""

    build: Build  # build(side, dtype) -> model
    width: int | None = None
    unpinned: tuple[str, ...] = ()
    random: bool = False


def _built(name: str, made: Call) -> Build:
    has_dtype = "dtype" in inspect.signature(getattr(scratch, name)).parameters

    def build(side: Any, dtype: npt.DTypeLike) -> Any:
        op = getattr(side, name)(*made.arguments, **made.options, **({"dtype": dtype} if has_dtype else {}))
        return op if made.training else op.eval()

    return build


CASES: list[tuple[str, str, Call]] = [
    (name, case, made)
    for name, row in {**catalogue.LAYERS, **catalogue.ACTIVATIONS}.items()
    for case, made in (row.cases or {name: call()}).items()
]
"""Class, case, and how it is made."""


OPS: dict[str, Op] = {
    **{
        case: Op(_built(name, made), made.width, made.unpinned, catalogue.OPS[name].random and "rng" in made.options)
        for name, case, made in CASES
        if catalogue.OPS[name].vectors.inputs == ("real",) and not made.shapes
    },
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


ODD_OPS: dict[str, OddOp] = {
    case: OddOp(_built(name, made), rows=made.arguments[0])
    if catalogue.OPS[name].vectors.inputs == ("index",)
    else OddOp(_built(name, made), widths=made.arguments[:2])
    for name, case, made in CASES
    if catalogue.OPS[name].vectors.inputs != ("real",)
}

NORMS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], list[tuple[Any, ...]]]] = {
    case: (name, made.arguments, dict(made.options), list(made.shapes)) for name, case, made in CASES if made.shapes
}
"""The normalizing layers: class, arguments, options, and shapes of the input, with n for the batch."""


@dataclass(frozen=True)
class LossRow:
    """A loss, what its arrays are drawn from, and the options besides `reduction`, given the classes and the dtype."""

    name: str
    target: str  # "float", "probability", "binary", "log probability", "count", "sign", "row sign", "class", ...
    input: str  # "any", "moderate" (its exponential is finite), "probability", "positive", or "pair": two of any
    given: Given

    def options(self, classes: int, dtype: npt.DTypeLike) -> dict[str, Any]:
        weight = np.linspace(0.3, 2.1, classes).astype(dtype)
        return {
            option: weight.copy() if isinstance(value, str) and value == PER_CLASS else value
            for option, value in self.given.options.items()
        }

    @property
    def var(self) -> str:
        return self.given.var

    def build(self, side: Any, classes: int, dtype: npt.DTypeLike, reduction: str) -> Any:
        return getattr(side, self.name)(reduction=reduction, **self.options(classes, dtype))

    @property
    def pair(self) -> bool:
        return self.input == "pair" or bool(self.var)


def _loss_row(name: str, made: Given) -> LossRow:
    first, *others = made.inputs or catalogue.LOSSES[name].inputs
    target = others[0] if made.var else others[-1]
    pair = len(others) > 1 and not made.var
    return LossRow(
        name, "float" if target == "real" else target, "pair" if pair else "any" if first == "real" else first, made
    )


LOSSES: dict[str, LossRow] = {
    case: _loss_row(name, made) for name, row in catalogue.LOSSES.items() for case, made in row.cases.items()
}

STARTS: dict[str, dict[str, Any]] = {
    "MLP": {"sizes": (3, 4, 2), "rng": 0},
    **{name: dict(row.start) for name, row in catalogue.OPS.items() if row.start},
}
"""Where every option of an op starts, if not at its default, and …"""
CHANGES: dict[str, dict[str, list[Any]]] = {
    "MLP": {
        "sizes": [(2, 4, 2), (3, 5, 2), (3, 4, 3), (3, 4, 4, 2)],
        "activation": [name for name in ACTIVATIONS if name != "relu"],
        "output_activation": [name for name in ACTIVATIONS if name != "identity"],  # which is what None means
        "bias": [False],
        "dtype": [np.float64],
        "rng": [1],
    },
    **{
        name: {option: list(values) for option, values in row.changes.items()}
        for name, row in catalogue.OPS.items()
        if row.changes
    },
    **{
        name: {"reduction": list(row.reductions[1:]), **{option: list(v) for option, v in row.changes.items()}}
        for name, row in catalogue.LOSSES.items()
    },
}
"""… the values it is changed to, one at a time."""
NEEDS: dict[tuple[str, str], dict[str, Any]] = {
    (name, option): dict(others) for name, row in catalogue.ROWS.items() for option, others in row.needs.items()
}
"""Options that have an effect only beside others, or do not go with them."""


def refused(rows: Any) -> dict[str, tuple[Callable[[Any], Any], type[Exception], list[str]]]:
    """What rows of the catalogue say is bad: what is done on a side, the error, and the words that it must contain.

    Among them is the op's name.
    """

    def act(name: str, made: Call, arrays: tuple[Any, ...] | None) -> Callable[[Any], Any]:
        def build(side: Any) -> Any:
            op = getattr(side, name)(*made.arguments, **made.options)
            return op if arrays is None else op.forward(*arrays)

        return build

    return {
        what: (act(name, bad.made, bad.given), bad.error, [*bad.words, name])
        for name, row in rows.items()
        for what, bad in row.bad.items()
    }


OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    case: (name, dict(options)) for name, row in catalogue.OPTIMIZERS.items() for case, options in row.cases.items()
}
