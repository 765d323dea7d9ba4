"""Refusals of optimizers, of gradient clipping and of learning-rate schedules.

This file stands in `scratch/` and in `torch_impl/`, byte for byte the same, as `checks.py` does.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .checks import DType, Shape, choice, count, number, state_dict

SCHEDULED = ("initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")
"""What schedules keep in a parameter group beside the optimizer's options."""

SINGLE = ("step", "mu_product", "eta", "mu")
"""State that is one float32 number for a whole parameter, whatever the parameter's dtype."""


def at_most(owner: str, argument: str, given: Any, low: float, high: float) -> None:
    """`given` must be a number with low <= given <= high."""
    number(owner, argument, given)
    if not low <= given <= high:
        bound = f"<= {high:g}" if low == -math.inf else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{owner}: {argument} must be {bound}; got {given!r}")


def above_zero(owner: str, argument: str, given: Any) -> None:
    number(owner, argument, given, 0.0)
    if given == 0:
        raise ValueError(f"{owner}: {argument} must be > 0; got {given!r}")


def several(owner: str, argument: str, given: Any, numbers: int) -> None:
    """So many numbers."""
    words = {2: "two", 3: "three"}
    if not isinstance(given, tuple | list) or len(given) != numbers:
        raise TypeError(f"{owner}: {argument} must be {words[numbers]} numbers; got {given!r}")
    for i, entry in enumerate(given):
        number(owner, f"{argument}[{i}]", entry)


def betas(owner: str, argument: str, given: Any) -> None:
    several(owner, argument, given, 2)
    for i, beta in enumerate(given):
        number(owner, f"{argument}[{i}]", beta, 0.0, 1.0)


def etas(owner: str, argument: str, given: Any) -> None:
    several(owner, argument, given, 2)
    if not 0 < given[0] < 1 < given[1]:
        raise ValueError(f"{owner}: {argument} must satisfy 0 < {argument}[0] < 1 < {argument}[1]; got {given!r}")


def two_eps(owner: str, argument: str, given: Any) -> None:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TypeError(f"{owner}: {argument} must be two numbers, the first may be None; got {given!r}")
    for i, entry in enumerate(given):
        if i or entry is not None:
            number(owner, f"{argument}[{i}]", entry, 0.0)


def newton_schulz_steps(owner: str, argument: str, given: Any) -> None:
    count(owner, argument, given)
    if given >= 100:
        raise ValueError(f"{owner}: {argument} must be < 100; got {given}")


def optional(owner: str, argument: str, given: Any, allowed: tuple[str, ...]) -> None:
    """One of `allowed`, or None."""
    if given is not None:
        choice(owner, argument, given, allowed)


# The range of every optimizer option that is a number; (-inf, inf) stands for any. "Owner.option" goes before "option".
OPTION_RANGES = {
    "lr": (0.0, math.inf),
    "momentum": (0.0, math.inf),
    "dampening": (-math.inf, math.inf),
    "weight_decay": (0.0, math.inf),
    "eps": (0.0, math.inf),
    "momentum_decay": (0.0, math.inf),
    "lr_decay": (0.0, math.inf),
    "initial_accumulator_value": (0.0, math.inf),
    "alpha": (0.0, math.inf),
    "ASGD.alpha": (-math.inf, math.inf),
    "lambd": (-math.inf, math.inf),
    "t0": (-math.inf, math.inf),
    "d": (1.0, math.inf),
    "tolerance_grad": (-math.inf, math.inf),
    "tolerance_change": (-math.inf, math.inf),
}

# What the other options must be.
OPTION_CHECKS: dict[str, Callable[[str, str, Any], None]] = {
    "betas": betas,
    "etas": etas,
    "Adafactor.eps": two_eps,
    "SparseAdam.lr": above_zero,
    "SparseAdam.eps": above_zero,
    "rho": lambda owner, name, given: at_most(owner, name, given, 0.0, 1.0),
    "beta2_decay": lambda owner, name, given: at_most(owner, name, given, -math.inf, 0.0),
    "step_sizes": lambda owner, name, given: several(owner, name, given, 2),
    "ns_coefficients": lambda owner, name, given: several(owner, name, given, 3),
    "ns_steps": newton_schulz_steps,
    "adjust_lr_fn": lambda owner, name, given: optional(owner, name, given, ("original", "match_rms_adamw")),
    "line_search_fn": lambda owner, name, given: optional(owner, name, given, ("strong_wolfe",)),
    "max_iter": lambda owner, name, given: count(owner, name, given, 1),
    "max_eval": lambda owner, name, given: None if given is None else count(owner, name, given, 1),
    "history_size": lambda owner, name, given: count(owner, name, given, 1),
}


def optimizer_options(owner: str, options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Ranges of the options of an optimizer or of one of its parameter groups; unknown options are refused."""
    for name, given in options.items():
        choice(owner, "option", name, known)
        for key in (f"{owner}.{name}", name):
            if key in OPTION_CHECKS:
                OPTION_CHECKS[key](owner, name, given)
                break
            if key in OPTION_RANGES:
                number(owner, name, given, *OPTION_RANGES[key])
                break
    if options.get("nesterov") and "dampening" in options and not (options["momentum"] > 0 == options["dampening"]):
        raise ValueError(
            f"{owner}: nesterov needs momentum > 0 and dampening = 0; "
            f"got momentum={options['momentum']}, dampening={options['dampening']}"
        )


def by_rows(owner: str, tables: Iterable[bool]) -> None:
    """The tables of Embedding(sparse=True) are for SparseAdam, and SparseAdam is for them."""
    for i, table in enumerate(tables):
        if table and owner != "SparseAdam":
            raise TypeError(f"{owner}: parameter {i} is the table of an Embedding(sparse=True), for SparseAdam alone")
        if not table and owner == "SparseAdam":
            raise TypeError(f"{owner}: parameter {i} is not the table of an Embedding(sparse=True)")


def group_options(owner: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """The options that a parameter group has of its own."""
    optimizer_options(owner, {**defaults, **given}, defaults)
    shared = "initial_accumulator_value"  # PyTorch reads it from the optimizer and overlooks a group's own
    if shared in given and given[shared] != defaults[shared]:
        raise ValueError(f"{owner}: {shared} is one for all groups, {defaults[shared]!r}; got {given[shared]!r}")


def one_group(owner: str, groups: int) -> None:
    if owner == "LBFGS" and groups != 1:
        raise ValueError(f"{owner}: all parameters form one group; got {groups} groups")


def closure(owner: str, given: Any) -> None:
    """A line search and quasi-Newton steps evaluate the model several times."""
    if not callable(given):
        raise TypeError(f"{owner}: step needs a closure that sets the gradients and returns the loss; got {given!r}")


def one_evaluation(owner: str, optimizer: str, several: bool) -> None:
    """A training step evaluates the model once."""
    if several:
        raise ValueError(
            f"{owner} evaluates the model once a step and {optimizer} several times: call its step(closure)"
        )


def parameter_shapes(owner: str, shapes: Iterable[Shape]) -> None:
    """Muon takes matrices, and Adafactor the root mean square of a parameter: neither of nothing."""
    for shape in shapes:
        if owner == "Muon" and len(shape) != 2:
            raise ValueError(f"{owner}: parameters must be matrices, with two axes; got shape {shape}")
        if owner in ("Muon", "Adafactor") and 0 in shape:
            raise ValueError(f"{owner}: parameters must have entries; got shape {shape}")


def optimizer_state(
    owner: str, given: Mapping[str, Any], group_sizes: list[int], expected: Mapping[int, tuple[Shape, DType]]
) -> None:
    """An optimizer's state dict has the same groups, and arrays of its parameters' shapes and dtypes."""
    if set(given) != {"state", "param_groups"}:
        raise ValueError(f"{owner}: a state dict has the entries 'state' and 'param_groups'; got {sorted(given)}")
    sizes = [len(group["params"]) for group in given["param_groups"]]
    if sizes != group_sizes:
        raise ValueError(f"{owner}: state dict has groups of {sizes} parameters, expected {group_sizes}")
    total = sum(math.prod(shape) for shape, _ in expected.values())
    for index, entries in given["state"].items():
        if int(index) not in expected:
            raise ValueError(f"{owner}: state dict has state for parameter {index}, expected 0..{len(expected) - 1}")
        shape, dtype = expected[int(index)]
        special = {
            **dict.fromkeys(SINGLE, ((), np.dtype(np.float32))),
            "row_var": ((*shape[:-1], 1), dtype),
            "col_var": ((*shape[:-2], 1, *shape[-1:]), dtype),
        }
        wanted = {name: special.get(name, (shape, dtype)) for name in entries}
        if owner == "LBFGS":  # one state for all parameters in a row; the rest are numbers and lists
            wanted = {name: ((total,), dtype) for name in ("d", "prev_flat_grad") if name in entries}
            entries = {name: entries[name] for name in wanted}
        state_dict(f"{owner} state of parameter {index}", wanted, entries, "state")


def not_negative(owner: str, argument: str, given: Any) -> None:
    """A number >= 0, infinity included."""
    if not (isinstance(given, float) and given == math.inf):
        number(owner, argument, given, 0.0)


def norm_type(owner: str, given: Any) -> float:
    """The order of a norm: a number, or "inf"."""
    try:
        order = float(given)
    except (TypeError, ValueError):
        order = math.nan
    if math.isnan(order):
        raise ValueError(f'{owner}: norm_type must be a number or "inf"; got {given!r}')
    return order


def norm_exists(owner: str, order: float, shapes: Iterable[Shape]) -> None:
    """Nothing has no largest entry."""
    for shape in shapes:
        if 0 in shape and (order < 0 or order == math.inf):
            raise RuntimeError(f"{owner}: an empty gradient has no norm of order {order:g}; got {shape}")


def finite_norm(owner: str, total: float, order: float) -> None:
    if not math.isfinite(total):
        raise RuntimeError(
            f"{owner}: the total norm of order {order:g} is {total}, so it cannot be clipped; "
            "error_if_nonfinite=False scales the gradients by it anyway"
        )


# The range of every schedule argument that is a number, and what the others must be.
SCHEDULE_CHECKS: dict[str, Callable[[str, str, Any], None]] = {
    "gamma": number,
    "eta_min": number,
    "threshold": number,
    "step_size": lambda owner, name, given: count(owner, name, given, 1),
    "T_max": lambda owner, name, given: count(owner, name, given, 1),
    "total_iters": count,
    "patience": count,
    "cooldown": count,
    "eps": lambda owner, name, given: number(owner, name, given, 0.0),
    "factor": lambda owner, name, given: number(owner, name, given, -math.inf, 1.0),
    "end_factor": lambda owner, name, given: at_most(owner, name, given, 0.0, 1.0),
    "pct_start": lambda owner, name, given: at_most(owner, name, given, 0.0, 1.0),
    "anneal_strategy": lambda owner, name, given: choice(owner, name, given, ("cos", "linear")),
    "mode": lambda owner, name, given: choice(owner, name, given, ("min", "max")),
    "threshold_mode": lambda owner, name, given: choice(owner, name, given, ("rel", "abs")),
}
PER_GROUP = ("lr_lambda", "min_lr", "max_lr", "max_momentum", "base_momentum")


def scheduler(owner: str, optimizer: Any, kind: Any, options: Mapping[str, Any]) -> None:
    """The arguments of a learning-rate schedule."""
    if not isinstance(optimizer, kind):
        raise TypeError(f"{owner}: optimizer must be an Optimizer; got {type(optimizer).__name__}")
    groups = len(optimizer.param_groups)
    for name, given in options.items():
        if name in SCHEDULE_CHECKS:
            SCHEDULE_CHECKS[name](owner, name, given)
        elif name in PER_GROUP and isinstance(given, list | tuple) and len(given) != groups:
            raise ValueError(f"{owner}: {name} must have one entry for each of {groups} groups; got {len(given)}")
    if "start_factor" in options:
        at_most(owner, "start_factor", options["start_factor"], 0.0, 1.0)
        if options["start_factor"] == 0:
            raise ValueError(f"{owner}: start_factor must be > 0; got {options['start_factor']!r}")
    if "total_steps" in options:
        _one_cycle(owner, optimizer, options)
    if "schedulers" in options:
        _sequential(owner, optimizer, options["schedulers"], options["milestones"])


def _one_cycle(owner: str, optimizer: Any, options: Mapping[str, Any]) -> None:
    counted = ["total_steps"] if options["total_steps"] is not None else ["epochs", "steps_per_epoch"]
    if any(options[name] is None for name in counted):
        raise ValueError(f"{owner}: give total_steps, or epochs and steps_per_epoch")
    for name in counted:
        count(owner, name, options[name], 1)
    if options["cycle_momentum"] and not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(f"{owner}: cycle_momentum needs an optimizer with momentum or betas; got {optimizer.name}")


def _sequential(owner: str, optimizer: Any, schedulers: Any, milestones: Any) -> None:
    if not schedulers:
        raise ValueError(f"{owner}: got no schedulers")
    for i, entry in enumerate(schedulers):
        if not hasattr(entry, "optimizer"):
            raise TypeError(f"{owner}: schedulers[{i}] must be a schedule; got {type(entry).__name__}")
        if type(entry).__name__ == "ReduceLROnPlateau":
            raise ValueError(f"{owner}: schedulers[{i}] is a ReduceLROnPlateau, whose step needs a number")
        if entry.optimizer not in (optimizer, getattr(optimizer, "optimizer", None)):
            raise ValueError(f"{owner}: schedulers[{i}] has another optimizer")
    if len(milestones) != len(schedulers) - 1:
        raise ValueError(
            f"{owner}: {len(schedulers)} schedulers need {len(schedulers) - 1} milestones; got {len(milestones)}"
        )


def initial_lr(owner: str, groups: list[dict[str, Any]]) -> None:
    for i, group in enumerate(groups):
        if "initial_lr" not in group:
            raise KeyError(f"{owner}: with last_epoch >= 0 group {i} must have 'initial_lr', as a state dict has")


def steps_left(step: int, total: int) -> None:
    """In PyTorch's words: on the other side the schedule is PyTorch's own."""
    if step > total:
        raise ValueError(f"Tried to step {step} times. The specified number of total steps is {total}")


def scheduler_state(owner: str, own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    if missing := sorted(set(own) - set(given)):
        raise ValueError(f"{owner}: state dict does not fit, missing {', '.join(missing)}")
