"""The ops that the judge has a rule for, made from the options and arrays of a case.

What a case must look like is the contract's to say: an op is made as `scratch` has it, which refuses what does not fit.
"""

import difflib
import inspect
from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

import scratch
from contract import checks, layer_checks
from handgrad.judge.rules import layers, losses, optimizers
from handgrad.vectors.case import Array, Case
from scratch.module import RowParameter

CONTAINERS = ("Parallel", "Residual", "Sequential")
KINDS: dict[str, str] = {
    **{name: "layer" for name in layers.RULES if name not in CONTAINERS},
    **dict.fromkeys(losses.RULES, "loss"),
    **dict.fromkeys((*optimizers.RULES, "LBFGS"), "optimizer"),
}
OPS = sorted(name for name in KINDS if hasattr(scratch, name))  # a user's own loss may have a rule too
"""The whole catalogue, by the names of the classes."""

INPUTS: dict[str, tuple[str, ...]] = {
    "Bilinear": ("input1", "input2"),
    "CosineEmbeddingLoss": ("input1", "input2", "target"),
    "MarginRankingLoss": ("input1", "input2", "target"),
    "GaussianNLLLoss": ("input", "target", "var"),
}
"""What forward takes, where it is not an input, or of a loss an input and a target."""

DRAWN = {"Dropout": "mask", "AlphaDropout": "mask", "RReLU": "slopes"}
"""What a layer draws in training: the case says which numbers it were."""

NO_OPTIONS = ("params", "dtype", "rng", "weight", "pos_weight")
"""Arguments of constructors that a case has as arrays, or not at all."""


def known(op: str) -> str:
    """The kind of an op. ValueError, with the nearest name, for one that is not in the catalogue."""
    if op in OPS:
        return KINDS[op]
    lower = {name.lower(): name for name in OPS}
    near = difflib.get_close_matches(op.lower(), lower, n=1)
    hint = f" (did you mean {lower[near[0]]!r}?)" if near else ""
    raise ValueError(f"op must be one of {', '.join(OPS)}; got {checks.shown(op)}{hint}")


def inputs(op: str) -> tuple[str, ...]:
    """The names of what forward takes."""
    return INPUTS.get(op, ("input", "target") if KINDS[op] == "loss" else ("input",))


def required(case: Case, *names: str) -> list[Array]:
    """Arrays that must be there."""
    if missing := [name for name in names if name not in case.arrays]:
        raise ValueError(f"{case.op}: the array {missing[0]!r} is missing; there are {', '.join(case.arrays)}")
    return [case.arrays[name] for name in names]


def layer(case: Case) -> Any:
    """The layer or activation, with the case's parameters and buffers, in training unless the options say otherwise."""
    options = dict(case.options)
    training = options.pop("training", True)
    checks.truth(case.op, "training", training)
    first = required(case, inputs(case.op)[0])[0]
    weight = case.arrays.get("weight", first)
    settled = _settled(case.op, options, weight.dtype)
    _refuse_sizes(case, settled)
    made = getattr(scratch, case.op)(**settled).train(training)
    expected = {name: (array.shape, array.dtype) for name, array in made.state_dict().items()}
    given = {name: case.arrays[name] for name in expected if name in case.arrays}
    if "num_batches_tracked" in expected:
        given.setdefault("num_batches_tracked", np.array(0))
    if wrong := checks.misfits(expected, given):
        raise ValueError(f"{case.op}: {wrong}")
    made.load_state_dict(given)
    return made


def _refuse_sizes(case: Case, options: Mapping[str, Any]) -> None:
    """A parameter that is missing, or not as large as the options say, before anything of that size is made."""
    layer_checks.layer(case.op, options)
    sizes = dict(options)
    if "normalized_shape" in sizes:
        sizes["normalized_shape"] = layer_checks.as_shape(sizes["normalized_shape"])
    if case.op not in layer_checks.SHAPES or not options.get("affine", options.get("elementwise_affine", True)):
        return
    for name, shape in layer_checks.SHAPES[case.op](SimpleNamespace(**sizes)).items():
        if name != "bias" or options.get("bias", True):
            (array,) = required(case, name)
            if array.shape != shape:
                raise ValueError(f"{case.op}: {name} has shape {array.shape}, expected {shape} by the options")


def draws(made: Any) -> str:
    """The name of what the layer draws in a forward call, empty where it draws nothing."""
    name = DRAWN.get(type(made).__name__, "")
    return name if made.training and getattr(made, "p", 1) > 0 else ""


def give_draw(made: Any, case: Case, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
    """Let the layer have drawn what the case says."""
    (drawn,) = required(case, name)
    if drawn.shape != shape:
        raise ValueError(f"{case.op}: {name} has shape {drawn.shape}, but the input has shape {shape}")
    if name == "mask":
        if not np.isin(drawn, (0, 1)).all():
            raise ValueError(f"{case.op}: mask must be 1 where a number is kept, else 0; got {checks.shown(drawn)}")
        drawn = drawn.astype(bool)
    else:
        checks.float_array(case.op, name, drawn, np.dtype(dtype))
    vars(made)[name] = drawn


def loss(case: Case) -> Any:
    """The loss, with the case's weights."""
    weights = {name: case.arrays[name] for name in ("weight", "pos_weight") if name in case.arrays}
    if surplus := [name for name in weights if name not in _signature(case.op)]:
        raise ValueError(f"{case.op} has no {surplus[0]}")
    return getattr(scratch, case.op)(**_settled(case.op, case.options), **weights)


def optimizer(case: Case, state: Mapping[str, Any]) -> Any:
    """The optimizer of the array `param` with its gradient, its options and its state before the step."""
    parameter, gradient = required(case, "param", "grad")
    made = (RowParameter if case.op == "SparseAdam" else scratch.Parameter)(parameter)
    checks.gradient(case.op, gradient, parameter.shape, parameter.dtype)
    if case.op == "SparseAdam":
        (rows,) = required(case, "rows")
        if parameter.ndim != 2 or rows.shape != parameter.shape[:1] or rows.dtype.kind not in "biu":
            raise ValueError(
                f"{case.op}: rows must be a truth value for each row of param, which has shape {parameter.shape}; "
                f"got {checks.shown(rows)}"
            )
        made.rows = rows.astype(bool)
    found = getattr(scratch, case.op)([made], **_settled(case.op, case.options))
    content = found.state_dict()
    found.load_state_dict({**content, "state": {0: dict(state)} if state else {}})
    return found


def _settled(op: str, options: Mapping[str, Any], dtype: Any = None) -> dict[str, Any]:
    """All options that the op's constructor takes, by name, defaults among them."""
    every = _signature(op)
    takes = {
        name: p.default
        for name, p in every.items()
        if name not in NO_OPTIONS and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    for name in options:
        if not takes:
            raise ValueError(f"{op} has no options; got {checks.shown(name)}")
        checks.choice(op, "option", name, takes)
    found = {**takes, **{name: _plain(value) for name, value in options.items()}}
    if missing := [name for name, value in found.items() if value is inspect.Parameter.empty]:
        raise ValueError(f"{op}: the option {missing[0]!r} is missing; its options are {', '.join(takes)}")
    if dtype is not None and "dtype" in every:
        checks.float_dtype(op, dtype)
        found["dtype"] = dtype
    return found | ({"rng": 0} if "rng" in every else {})


@cache
def _signature(op: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(getattr(scratch, op)).parameters


def _plain(value: Any) -> Any:
    """A list of JSON's as the tuple that it stands for."""
    return tuple(map(_plain, value)) if isinstance(value, list) else value
