"""An experiment with another recipe: the fields that the user gave in place of its own."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import scratch
from handgrad.errors import BadInputError, refusing
from handgrad.experiments.experiment import Experiment


def with_overrides(experiment: Experiment, given: Mapping[str, Any]) -> Experiment:
    """The experiment with the given fields in place of its own.

    The options and the learning rate of one optimizer mean nothing to another: a changed optimizer starts from
    PyTorch's defaults, but LBFGS with one iteration a step, so that each of them is judged. Given options replace those
    of the recipe one by one. Raises BadInputError for what the experiment cannot take.
    """
    if given.get("optimizer", experiment.optimizer) != experiment.optimizer:
        default = inspect.signature(getattr(scratch, given["optimizer"])).parameters["lr"].default
        options = {"max_iter": 1} if given["optimizer"] == "LBFGS" else {}
        experiment, given = replace(experiment, optimizer_options=options), {"lr": default, **given}
    given = _with_points(experiment, _with_options(experiment, given))
    if experiment.model is not None and (own := [f"--{f}" for f in ("hidden", "activation") if f in given]):
        raise BadInputError(f"{own[0]} cannot change {experiment.name}: it is a net of its own, not an MLP of layers")
    with refusing():
        return replace(experiment, **given)


def _with_points(experiment: Experiment, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """`given` with data of so many points. BadInputError where their number is not to be chosen."""
    if "points" not in given:
        return given
    points, rest = given["points"], {name: value for name, value in given.items() if name != "points"}
    if "points" not in inspect.signature(experiment.data).parameters:
        raise BadInputError(
            f"--points cannot change {experiment.name}: its data are given; the function of data that are made takes "
            "the seed and points"
        )
    size = re.sub(r"^[\d,]+", str(points), experiment.size) or str(points)
    return {**rest, "data": partial(experiment.data, points=points), "size": size}


def _with_options(experiment: Experiment, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """`given` with every option of the optimizer in one dict. BadInputError for one that it does not have."""
    named = {name: given[name] for name in ("momentum", "weight_decay") if name in given}
    options = {**given.get("optimizer_options", {}), **named}
    if not options:
        return given
    optimizer = given.get("optimizer", experiment.optimizer)
    has = [name for name in inspect.signature(getattr(scratch, optimizer)).parameters if name not in ("params", "lr")]
    for name in options:
        if name not in has:
            where = "--lr says it" if name == "lr" else f"it has {', '.join(has)}"
            raise BadInputError(f"{optimizer} has no option {name!r}: {where}")
    rest = {name: value for name, value in given.items() if name not in named}
    return {**rest, "optimizer_options": {**experiment.optimizer_options, **options}}
