"""Refusals of optimizers, of gradient clipping and of learning-rate schedules."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any

import numpy as np

from contract import checks
from contract.checks import (
    DType,
    Shape,
    choice,
    count,
    described,
    distinct,
    misfits,
    number,
    parameters,
    shown,
    single,
    truth,
)

SCHEDULED = ("initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")
"""What schedules keep in a parameter group beside the optimizer's options."""

ONLY_TORCHS = ("foreach", "capturable", "differentiable", "fused")
"""Options of how PyTorch computes, which change no number; only its side has them."""

SINGLE = ("step", "mu_product", "eta", "mu")
"""State that is one float32 number for a whole parameter, whatever the parameter's dtype."""

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
STATE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "SGD": ((), ("momentum_buffer",)),
    "ASGD": (("step", "eta", "mu", "ax"), ()),
    "Adadelta": (("step", "square_avg", "acc_delta"), ()),
    "Adagrad": (("step", "sum"), ()),
    "Adam": (MOMENTS, ("max_exp_avg_sq",)),
    "AdamW": (MOMENTS, ("max_exp_avg_sq",)),
    "Adamax": (("step", "exp_avg", "exp_inf"), ()),
    "Muon": (("momentum_buffer",), ()),
    "NAdam": ((*MOMENTS, "mu_product"), ()),
    "RAdam": (MOMENTS, ()),
    "RMSprop": (("step", "square_avg"), ("momentum_buffer", "grad_avg")),
    "Rprop": (("step", "prev", "step_size"), ()),
    "SparseAdam": (MOMENTS, ()),
}
"""What each optimizer keeps of a parameter: what it always has, and what only some options bring."""


def at_most(owner: str, argument: str, given: Any, low: float, high: float) -> None:
    """`given` must be a number with low <= given <= high."""
    number(owner, argument, given)
    if not low <= given <= high:
        bound = f"<= {high:g}" if low == -math.inf else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{owner}: {argument} must be {bound}; got {shown(given)}")


def above_zero(owner: str, argument: str, given: Any, high: float = math.inf) -> None:
    at_most(owner, argument, given, 0.0, high) if high < math.inf else number(owner, argument, given, 0.0)
    if given == 0:
        raise ValueError(f"{owner}: {argument} must be > 0; got {shown(given)}")


def several(owner: str, argument: str, given: Any, numbers: int) -> None:
    """So many numbers."""
    words = {2: "two", 3: "three"}
    if not isinstance(given, tuple | list) or len(given) != numbers:
        raise TypeError(f"{owner}: {argument} must be {words[numbers]} numbers; got {shown(given)}")
    for i, entry in enumerate(given):
        number(owner, f"{argument}[{i}]", entry)


def betas(owner: str, argument: str, given: Any) -> None:
    several(owner, argument, given, 2)
    for i, beta in enumerate(given):
        number(owner, f"{argument}[{i}]", beta, 0.0, 1.0)


def etas(owner: str, argument: str, given: Any) -> None:
    several(owner, argument, given, 2)
    if not 0 < given[0] < 1 < given[1]:
        raise ValueError(f"{owner}: {argument} must satisfy 0 < {argument}[0] < 1 < {argument}[1]; got {shown(given)}")


def two_eps(owner: str, argument: str, given: Any) -> None:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TypeError(f"{owner}: {argument} must be two numbers, the first may be None; got {shown(given)}")
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
    **dict.fromkeys(("nesterov", "maximize", "amsgrad", "centered", "decoupled_weight_decay"), truth),
}


def plain(value: Any) -> Any:
    """An option as it is kept: no list that the caller may go on changing, and no NumPy scalar, whose dtype spreads."""
    if isinstance(value, list | tuple):
        return tuple(plain(entry) for entry in value)
    return checks.plain(value)


def optimizer_options(owner: str, options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Ranges of the options of an optimizer or of one of its parameter groups; unknown options are refused."""
    names = [name for name in known if name not in ONLY_TORCHS]
    for name, given in options.items():
        if name in ONLY_TORCHS and name in known:
            if given is not None:
                truth(owner, name, given)
            continue
        choice(owner, "option", name, names)
        for key in (f"{owner}.{name}", name):
            if key in OPTION_CHECKS:
                OPTION_CHECKS[key](owner, name, given)
                break
            if key in OPTION_RANGES:
                number(owner, name, given, *OPTION_RANGES[key])
                single(owner, name, given)
                break
    if options.get("nesterov") and "dampening" in options and not (options["momentum"] > 0 == options["dampening"]):
        raise ValueError(
            f"{owner}: nesterov needs momentum > 0 and dampening = 0; "
            f"got momentum={options['momentum']}, dampening={options['dampening']}"
        )


def sequence(owner: str, given: Any, kind: type) -> list[Any]:
    """What is given for parameters, in its order; what has none, a model and an array are refused."""
    if hasattr(given, "parameters"):
        raise TypeError(f"{owner}: params must be parameters; got {described(given, kind)}: give its .parameters()")
    wrong = isinstance(given, str | bytes | Mapping | Set | np.ndarray) or hasattr(given, "shape")
    if wrong or not isinstance(given, Iterable):
        raise TypeError(f"{owner}: params must be a sequence of {kind.__name__} objects; got {described(given, kind)}")
    try:
        each = iter(given)
    except TypeError:  # as an array without axes, whose class has the method
        raise TypeError(f"{owner}: params must be a sequence; got {described(given, kind)}, which is none") from None
    return list(each)


def members(owner: str, given: Any, kind: type) -> list[Any]:
    """Parameters in a row, or a single one."""
    listed = [given] if isinstance(given, kind) else sequence(owner, given, kind)
    parameters(owner, listed, kind)
    return listed


def parameter_groups(owner: str, given: Any, kind: type, defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Parameters, or groups of them `{"params": [...], option: value}`, as groups that no caller holds."""
    listed = sequence(owner, given, kind)
    if not any(isinstance(entry, dict) for entry in listed):
        listed = [{"params": listed}]
    groups = []
    for i, entry in enumerate(listed):
        if not isinstance(entry, dict):
            raise TypeError(f"{owner}: group {i} must be a dict, as others are; got {described(entry, kind)}")
        if "params" not in entry:
            raise ValueError(f"{owner}: group {i} has no 'params'")
        options = {name: value for name, value in entry.items() if name != "params"}
        group_options(owner, options, defaults)
        groups.append({"params": members(owner, entry["params"], kind), **plain_options(options)})
    return groups


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as Python numbers; several in a tuple as floats, as PyTorch takes no whole number among Adam's betas."""
    return {name: _floats(plain(value)) for name, value in options.items()}


def _floats(value: Any) -> Any:
    return tuple(float(e) if isinstance(e, int) else e for e in value) if isinstance(value, tuple) else value


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
        raise ValueError(f"{owner}: {shared} is one for all groups, {defaults[shared]!r}; got {shown(given[shared])}")


def one_group(owner: str, groups: int) -> None:
    if owner == "LBFGS" and groups != 1:
        raise ValueError(f"{owner}: all parameters form one group; got {groups} groups")


def closure(owner: str, given: Any) -> None:
    """A line search and quasi-Newton steps evaluate the model several times."""
    if not callable(given):
        raise TypeError(
            f"{owner}: step needs a closure that sets the gradients and returns the loss; got {shown(given)}"
        )


def one_evaluation(owner: str, optimizer: str, groups: Iterable[Mapping[str, Any]]) -> None:
    """A training step evaluates the model once: so does one of LBFGS that makes one iteration, without a search."""
    for group in groups:
        if group.get("max_iter", 1) != 1 or group.get("line_search_fn") is not None:
            given = f"max_iter={group['max_iter']} and line_search_fn={group['line_search_fn']!r}"
            raise ValueError(
                f"{owner} evaluates the model once a step: {optimizer} must have max_iter=1, whose iterations are "
                f"steps, and no line_search_fn; got {given}. Else call its step(closure)"
            )


def parameter_shapes(owner: str, shapes: Iterable[Shape]) -> None:
    """Muon takes matrices, and Adafactor the root mean square of a parameter: neither of nothing."""
    for shape in shapes:
        if owner == "Muon" and len(shape) != 2:
            raise ValueError(f"{owner}: parameters must be matrices, with two axes; got shape {shape}")
        if owner in ("Muon", "Adafactor") and 0 in shape:
            raise ValueError(f"{owner}: parameters must have entries; got shape {shape}")


def optimizer_state(
    owner: str, given: Any, own: list[dict[str, Any]], expected: list[tuple[Shape, DType]], defaults: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """The options of every group, and the state of every parameter by its place, of a state dict that fits.

    `own` are the groups as they are, `expected` shapes and dtypes of their parameters. Whatever does not fit is refused
    before anything is taken over. As in PyTorch a parameter's number is what its group calls it: `params: [1, 0]` gives
    the state of 1 to the first.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{owner}: a state dict must be a dict; got {type(given).__name__}")
    if set(given) != {"state", "param_groups"}:
        names = sorted(map(str, given))
        raise ValueError(f"{owner}: a state dict has the entries 'state' and 'param_groups'; got {names}")
    state, groups = given["state"], given["param_groups"]
    if not isinstance(state, Mapping):
        raise TypeError(f"{owner}: 'state' of a state dict must be a dict; got {type(state).__name__}")
    if not isinstance(groups, list | tuple) or not all(isinstance(group, Mapping) for group in groups):
        raise TypeError(f"{owner}: 'param_groups' of a state dict must be a list of dicts")
    for i, group in enumerate(groups):
        if not isinstance(group.get("params"), list | tuple):
            raise ValueError(f"{owner}: param_groups[{i}] of the state dict has no list 'params'")
    numbers = [number for group in groups for number in group["params"]]
    sizes, group_sizes = ([len(group["params"]) for group in each] for each in (groups, own))
    if sizes != group_sizes:
        raise ValueError(f"{owner}: state dict has groups of {sizes} parameters, expected {group_sizes}")
    for number_ in numbers:
        count(owner, "'params' of a state dict", number_)
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"{owner}: 'params' of a state dict must name every parameter once; got {numbers}")
    options = [_loaded_options(owner, f"param_groups[{i}]", *pair, defaults) for i, pair in _pairs(groups, own)]
    places = {int(number_): place for place, number_ in enumerate(numbers)}
    taken = {}
    for index, entries in state.items():
        known = isinstance(index, int | np.integer) or (isinstance(index, str) and index.isdecimal())
        if not known or int(index) not in places:
            raise ValueError(f"{owner}: state dict has state for parameter {index}, expected {_spelled(numbers)}")
        if not isinstance(entries, Mapping):
            raise TypeError(f"{owner}: state of parameter {index} must be a dict; got {type(entries).__name__}")
        place = places[int(index)]
        entries = {name: entry for name, entry in entries.items() if entry is not None}  # of PyTorch: not there
        if owner == "LBFGS":
            total = sum(math.prod(shape) for shape, _ in expected)
            wrong, entries = _lbfgs_state(entries, place, total, expected[0][1])
        else:
            wrong, entries = _parameter_state(owner, entries, *expected[place])
        if wrong:
            raise ValueError(f"{owner}: state of parameter {index} does not fit, no state was changed: {wrong}")
        if entries:
            taken[place] = entries
    return options, taken


def _pairs(groups: Any, own: Any) -> Iterator[tuple[int, tuple[Any, Any]]]:
    return enumerate(zip(groups, own, strict=True))


def _spelled(numbers: list[int]) -> str:
    return f"0..{len(numbers) - 1}" if numbers == list(range(len(numbers))) else f"one of {numbers}"


def _loaded_options(
    owner: str, where: str, given: Mapping[str, Any], own: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """All options of a group, and what schedules keep there; what only PyTorch has may be missing or too much."""
    options = {name: value for name, value in given.items() if name in defaults}
    if missing := [name for name in defaults if name not in given and name not in ONLY_TORCHS]:
        raise ValueError(f"{owner}: {where} of the state dict lacks {', '.join(sorted(missing))}")
    for name, value in given.items():
        if name in SCHEDULED:
            number(owner, name, value)
        elif name not in (*defaults, *own, *ONLY_TORCHS, "param_names"):
            choice(owner, "option", name, [name for name in defaults if name not in ONLY_TORCHS])
    optimizer_options(owner, options, defaults)
    kept = {name: own[name] for name in ONLY_TORCHS if name in own}
    others = {name: value for name, value in given.items() if name in (*SCHEDULED, *own)}
    return {**kept, **plain_options({**others, **options})}


def _parameter_state(owner: str, entries: dict[str, Any], shape: Shape, dtype: DType) -> tuple[str, dict[str, Any]]:
    """What is wrong with the state of one parameter, and the state, with its step count as an array."""
    special = {
        **dict.fromkeys(SINGLE, ((), np.dtype(np.float32))),
        "row_var": ((*shape[:-1], 1), dtype),
        "col_var": ((*shape[:-2], 1, *shape[-1:]), dtype),
    }
    always, sometimes = STATE.get(owner, ((), tuple(entries)))  # one's own optimizer keeps what it likes
    if owner == "Adafactor":
        always = ("step", *(("row_var", "col_var") if len(shape) > 1 else ("variance",)))
    if not entries and owner in STATE:
        always = ()
    expected = {
        name: special.get(name, (shape, dtype)) for name in (*always, *sometimes) if name in entries or name in always
    }
    wrong = []
    if "step" in entries and "step" in expected:
        if whole := _whole("step", entries["step"]):
            wrong = [whole]
            expected = {name: kind for name, kind in expected.items() if name != "step"}
            entries = {name: entry for name, entry in entries.items() if name != "step"}
        else:
            entries = {**entries, "step": np.array(float(entries["step"]), np.float32)}
    wrong += [found for found in [misfits(expected, entries)] if found]
    return "; ".join(wrong), entries


def _whole(name: str, given: Any) -> str:
    """What is wrong with a count: a whole number >= 0, or an array of one without axes."""
    if isinstance(given, np.ndarray) and given.shape == () and given.dtype.kind in "fiu":
        given = given.item()
    if isinstance(given, bool) or not isinstance(given, int | float | np.integer | np.floating):
        return f"{name} must be a whole number >= 0, got {type(given).__name__}"
    return "" if given >= 0 and given % 1 == 0 else f"{name} must be a whole number >= 0, got {given}"


def _lbfgs_state(entries: dict[str, Any], place: int, total: int, dtype: DType) -> tuple[str, dict[str, Any]]:
    """LBFGS keeps one state for all parameters in a row: two counts, and after a first iteration all the rest."""
    if place:
        return "the state of all stands with the first", entries
    vectors, lists, numbers = ("d", "prev_flat_grad"), ("old_dirs", "old_stps", "ro"), ("t", "prev_loss", "H_diag")
    names = ["func_evals", "n_iter", *((*vectors, *lists, *numbers) if len(entries) > 2 else ())]
    wrong = [f"missing {name}" for name in names if name not in entries]
    wrong += [f"unexpected {name}" for name in entries if name not in (*names, "al")]
    wrong += [whole for name in names[:2] if name in entries and (whole := _whole(name, entries[name]))]
    wrong += [
        f"{name} must be a list, got {type(entries[name]).__name__}"
        for name in (*lists, "al")
        if not isinstance(entries.get(name, []), list | tuple)
    ]
    wrong += [
        f"{name} must be a number"
        for name in numbers
        if name in entries and ((given := np.asarray(entries[name])).shape or given.dtype.kind not in "fiu")
    ]
    if wrong:
        return "; ".join(wrong), entries
    arrays = {name: entries[name] for name in vectors if name in entries}
    expected: dict[str, tuple[Shape, DType]] = dict.fromkeys(arrays, ((total,), dtype))
    for name in (*lists, "al"):
        for i, entry in enumerate(entries.get(name, ())):
            if name != "al" or entry is not None:
                arrays[f"{name}[{i}]"] = entry
                expected[f"{name}[{i}]"] = ((total,) if name in lists[:2] else (), dtype)
    wrong = [misfits(expected, arrays)]
    lengths = {name: len(entries[name]) for name in lists if name in entries}
    if len(set(lengths.values())) > 1 or len(entries.get("al", entries.get("ro", ()))) < lengths.get("ro", 0):
        wrong.append(f"old_dirs, old_stps and ro must have one length, and al no less, got {lengths}")
    taken = {name: list(entry) if isinstance(entry, tuple) else entry for name, entry in entries.items()}
    kinds: dict[str, type] = {"func_evals": int, "n_iter": int, "t": float, "prev_loss": float}
    taken.update({name: kinds[name](entry) for name, entry in entries.items() if name in kinds})
    if "H_diag" in taken and type(taken["H_diag"]) not in (int, float):  # a NumPy number would widen all it meets
        taken["H_diag"] = np.asarray(taken["H_diag"], dtype)
    return "; ".join(filter(None, wrong)), taken


def not_negative(owner: str, argument: str, given: Any) -> None:
    """A number >= 0, infinity included."""
    if not (isinstance(given, float) and given == math.inf):
        number(owner, argument, given, 0.0)


def norm_type(owner: str, given: Any) -> float:
    """The order of a norm: a number, or "inf"."""
    try:
        order = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        order = math.nan
    if math.isnan(order):
        raise ValueError(f'{owner}: norm_type must be a number or "inf"; got {shown(given)}')
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


def per_group(owner: str, argument: str, given: Any) -> None:
    """A number for all groups, or a list of one for each."""
    for i, entry in enumerate(given) if isinstance(given, list | tuple) else [(None, given)]:
        number(owner, argument if i is None else f"{argument}[{i}]", entry)


def functions(owner: str, argument: str, given: Any) -> None:
    """Functions, or objects that can be called, whose attributes a state dict takes along."""
    for entry in given if isinstance(given, list | tuple) else [given]:
        if not callable(entry) or not isinstance(getattr(entry, "__dict__", None), dict):
            allowed = "a function of the step, or a list of one for each group"
            raise TypeError(f"{owner}: {argument} must be {allowed}; got {shown(entry)}")


def milestones(owner: str, argument: str, given: Any) -> None:
    if not isinstance(given, list | tuple):
        raise TypeError(f"{owner}: {argument} must be whole numbers in a list; got {shown(given)}")
    for i, entry in enumerate(given):
        count(owner, f"{argument}[{i}]", entry)


# The range of every schedule argument that is a number, and what the others must be.
SCHEDULE_CHECKS: dict[str, Callable[[str, str, Any], None]] = {
    "gamma": number,
    "eta_min": number,
    "threshold": number,
    "last_epoch": lambda owner, name, given: count(owner, name, given, -1),
    "step_size": lambda owner, name, given: count(owner, name, given, 1),
    "T_max": lambda owner, name, given: count(owner, name, given, 1),
    "total_iters": count,
    "patience": count,
    "cooldown": count,
    "eps": lambda owner, name, given: number(owner, name, given, 0.0),
    "factor": lambda owner, name, given: number(owner, name, given, -math.inf, 1.0),
    "start_factor": lambda owner, name, given: above_zero(owner, name, given, 1.0),
    "end_factor": lambda owner, name, given: at_most(owner, name, given, 0.0, 1.0),
    "pct_start": lambda owner, name, given: at_most(owner, name, given, 0.0, 1.0),
    "div_factor": lambda owner, name, given: above_zero(owner, name, given),
    "final_div_factor": lambda owner, name, given: above_zero(owner, name, given),
    "anneal_strategy": lambda owner, name, given: choice(owner, name, given, ("cos", "linear")),
    "mode": lambda owner, name, given: choice(owner, name, given, ("min", "max")),
    "threshold_mode": lambda owner, name, given: choice(owner, name, given, ("rel", "abs")),
    "cycle_momentum": truth,
    "three_phase": truth,
    "lr_lambda": functions,
    "milestones": milestones,
    **dict.fromkeys(("min_lr", "max_lr", "max_momentum", "base_momentum"), per_group),
}
PER_GROUP = ("lr_lambda", "min_lr", "max_lr", "max_momentum", "base_momentum")
KEPT_PER_GROUP = ("base_lrs", "_last_lr", "min_lrs", "lr_lambdas")
"""The same of a schedule's state."""


def schedule_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a schedule as they are kept: lists that no caller holds, and no NumPy scalar."""
    return {
        name: list(map(plain, given)) if isinstance(given, list | tuple | Iterator) else plain(given)
        for name, given in options.items()
    }


def scheduler(owner: str, optimizer: Any, kind: Any, options: Mapping[str, Any], schedule: Any = object) -> None:
    """The arguments of a learning-rate schedule; `schedule` is the class of those that a sequence is made of."""
    if not isinstance(optimizer, kind):
        raise TypeError(f"{owner}: optimizer must be an Optimizer; got {described(optimizer, kind)}")
    groups = len(optimizer.param_groups)
    for name, given in options.items():
        if name in SCHEDULE_CHECKS:
            SCHEDULE_CHECKS[name](owner, name, given)
        if name in PER_GROUP and isinstance(given, list | tuple) and len(given) != groups:
            raise ValueError(f"{owner}: {name} must have one entry for each of {groups} groups; got {len(given)}")
    if "total_steps" in options:
        _one_cycle(owner, optimizer, options)
    if "schedulers" in options:
        _sequential(owner, optimizer, options["schedulers"], options["milestones"], schedule)
    if options.get("last_epoch", -1) >= 0:
        names = ["initial_lr"]
        if "total_steps" in options:
            names += ["max_lr", "min_lr", *(("max_momentum", "base_momentum") if options["cycle_momentum"] else ())]
        for i, group in enumerate(optimizer.param_groups):
            for name in names:
                if name not in group:
                    raise KeyError(f"{owner}: with last_epoch >= 0 group {i} must have {name!r}, as a state dict has")


def _one_cycle(owner: str, optimizer: Any, options: Mapping[str, Any]) -> None:
    counted = ["total_steps"] if options["total_steps"] is not None else ["epochs", "steps_per_epoch"]
    if any(options[name] is None for name in counted):
        raise ValueError(f"{owner}: give total_steps, or epochs and steps_per_epoch")
    for name in counted:
        count(owner, name, options[name], 1)
    if options["cycle_momentum"] and not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(f"{owner}: cycle_momentum needs an optimizer with momentum or betas; got {optimizer.name}")
    total = options["total_steps"] or options["epochs"] * options["steps_per_epoch"]
    if options["pct_start"] * total == 1:
        raise ValueError(
            f"{owner}: pct_start={options['pct_start']!r} of {total} steps is one step, too short to rise in"
        )


def _sequential(owner: str, optimizer: Any, schedulers: Any, milestones: list[int], schedule: Any) -> None:
    if not isinstance(schedulers, list | tuple):
        raise TypeError(f"{owner}: schedulers must be schedules in a list; got {type(schedulers).__name__}")
    if not schedulers:
        raise ValueError(f"{owner}: got no schedulers")
    distinct(owner, schedulers, "schedule")
    for i, entry in enumerate(schedulers):
        if not isinstance(entry, schedule):
            raise TypeError(f"{owner}: schedulers[{i}] must be a schedule; got {described(entry, schedule)}")
        if type(entry).__name__ == "ReduceLROnPlateau":
            raise ValueError(f"{owner}: schedulers[{i}] is a ReduceLROnPlateau, whose step needs a number")
        if entry.optimizer not in (optimizer, getattr(optimizer, "optimizer", None)):
            raise ValueError(f"{owner}: schedulers[{i}] has another optimizer")
        if i and (type(entry).__name__ == "SequentialLR" or getattr(entry, "total_iters", 1) == 0):
            raise ValueError(
                f"{owner}: schedulers[{i}], a {type(entry).__name__}, can only come first: it has no closed form"
            )
    if len(milestones) != len(schedulers) - 1:
        raise ValueError(
            f"{owner}: {len(schedulers)} schedulers need {len(schedulers) - 1} milestones; got {len(milestones)}"
        )


def steps_left(owner: str, step: int, total: int) -> None:
    """A cycle is over after its last step."""
    if step > total:
        raise ValueError(f"{owner}: step {step} is beyond the last one, total_steps={total}")


def rates(owner: str, given: Any, groups: int) -> None:
    """One number for each group."""
    if not isinstance(given, list | tuple) or len(given) != groups:
        raise ValueError(f"{owner}: get_lr must give one rate for each of {groups} groups; got {shown(given)}")
    for i, rate in enumerate(given):
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.number):
            raise TypeError(f"{owner}: the rate of group {i} must be a number; got {shown(rate)}")


def metric(owner: str, given: Any) -> float:
    """A number to watch: NaN and infinities are."""
    try:
        if isinstance(given, str | bytes | bool | np.bool_):
            raise TypeError
        return float(given)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{owner}: metrics must be a number; got {shown(given)}") from None


FLAG = "_get_lr_called_within_step"
"""What PyTorch keeps beside a schedule's state, in order to warn of a direct call of `get_lr`."""


def scheduler_state(owner: str, own: Mapping[str, Any], given: Any, groups: int) -> dict[str, Any]:
    """A schedule's state that fits: under the same names the same kinds of values, as copies that no caller holds."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{owner}: a state dict must be a dict; got {type(given).__name__}")
    if wrong := "; ".join(_schedule_misfits(own, given, groups)):
        raise ValueError(f"{owner}: state dict does not fit, {wrong}")
    return {name: copied(given[name], own[name]) for name in own if name in given}


def copied(value: Any, like: Any = None) -> Any:
    """Lists and dicts as copies all the way down, counters as counters; all else as it is."""
    if isinstance(value, list | tuple):
        entries = (
            copied(entry, like[i] if isinstance(like, list | tuple) and i < len(like) else None)
            for i, entry in enumerate(value)
        )
        return tuple(entries) if isinstance(value if like is None else like, tuple) else list(entries)
    if isinstance(value, Mapping):
        kind = Counter if isinstance(like if like is not None else value, Counter) else dict
        own = like if isinstance(like, Mapping) else {}
        return kind({key: copied(entry, own.get(key)) for key, entry in value.items()})
    return plain(value)


def _schedule_misfits(own: Mapping[str, Any], given: Mapping[str, Any], groups: int, where: str = "") -> list[str]:
    names = [name for name in own if name != FLAG]
    wrong = []
    if missing := sorted(set(names) - set(given)):
        wrong.append(f"missing {', '.join(where + name for name in missing)}")
    if surplus := sorted(where + str(name) for name in set(given) - {*names, FLAG}):
        wrong.append(f"unexpected {', '.join(surplus)}")
    for name in names:
        if name in given:
            wrong += _entry_misfits(name, own[name], given[name], groups, where)
    return wrong


def _entry_misfits(name: str, own: Any, given: Any, groups: int, where: str) -> list[str]:
    """What is wrong with one entry of a schedule's state."""
    spelled = f"{where}{name}"
    if name == "lr_lambdas":  # of an object that can be called, its attributes
        if not isinstance(given, list | tuple) or not all(isinstance(entry, Mapping | None) for entry in given):
            return [f"{spelled} must be a list of dicts, or None for functions"]
    elif name == "milestones":
        if not isinstance(given, Mapping) or any(_whole("", number) for pair in given.items() for number in pair):
            return [f"{spelled} must be a dict of whole numbers"]
    elif name == "default_min_lr" and (given is None or own is None):
        own = given
    elif isinstance(own, list | tuple) and not isinstance(given, list | tuple):
        return [f"{spelled} must be a list, got {type(given).__name__}"]
    if name in KEPT_PER_GROUP and len(given) != groups:
        return [f"{spelled} must have one entry for each of {groups} groups, got {len(given)}"]
    if name in ("_schedulers", "_milestones") and len(given) != len(own):
        return [f"{spelled} must have {len(own)} entries, got {len(given)}"]
    if name in ("lr_lambdas", "milestones"):
        return []
    if isinstance(own, list | tuple):
        kinds = own if len(own) == len(given) else own[:1] * len(given)
        return [
            wrong
            for i, (mine, entry) in enumerate(zip(kinds, given, strict=True))
            for wrong in _entry_misfits(f"{name}[{i}]", mine, entry, groups, where)
        ]
    if isinstance(own, Mapping):
        if not isinstance(given, Mapping):
            return [f"{spelled} must be a dict, got {type(given).__name__}"]
        return _schedule_misfits(own, given, groups, f"{spelled}.")
    return _value_misfit(name, spelled, own, given)


def _value_misfit(name: str, spelled: str, own: Any, given: Any) -> list[str]:
    """A value is checked as the argument that it came from, or else by the kind of the present one."""
    check = STATE_CHECKS.get(name.partition("[")[0])
    if check is None and isinstance(own, bool):
        check = truth
    try:
        if check is not None:
            check("", spelled, given)
        elif isinstance(own, int | float | np.number) and not (isinstance(given, float) and math.isinf(given)):
            number("", spelled, given)
        elif isinstance(own, str) and not isinstance(given, str):
            raise TypeError(f": {spelled} must be a name; got {shown(given)}")
    except (TypeError, ValueError) as error:
        return [str(error).removeprefix(": ").replace("; got", ", got")]
    return []


STATE_CHECKS: dict[str, Callable[[str, str, Any], None]] = {
    **{name: check for name, check in SCHEDULE_CHECKS.items() if name not in PER_GROUP},
    **dict.fromkeys(("_step_count", "total_steps", "num_bad_epochs", "cooldown_counter", "_milestones"), count),
    "last_epoch": lambda owner, name, given: count(owner, name, given, -64),  # less than -1 within sequences
    "_anneal_func_type": SCHEDULE_CHECKS["anneal_strategy"],
}
