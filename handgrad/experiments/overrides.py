"""An experiment with another recipe: the fields that the user gave in place of its own."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import scratch
from handgrad.errors import BadInputError, refusing
from handgrad.experiments.experiment import Experiment


def with_overrides(experiment: Experiment, given: Mapping[str, Any]) -> Experiment:
    """The experiment with the given fields in place of its own.

    The options and the learning rate of one optimizer mean nothing to another: a changed optimizer starts from
    PyTorch's defaults. Raises BadInputError for what the experiment cannot take.
    """
    if given.get("optimizer", experiment.optimizer) != experiment.optimizer:
        default = inspect.signature(getattr(scratch, given["optimizer"])).parameters["lr"].default
        given = {"optimizer_options": {}, "lr": default, **given}
    if experiment.model is not None and (own := [f"--{f}" for f in ("hidden", "activation") if f in given]):
        raise BadInputError(f"{own[0]} cannot change {experiment.name}: it is a net of its own, not an MLP of layers")
    with refusing():
        return replace(experiment, **given)
