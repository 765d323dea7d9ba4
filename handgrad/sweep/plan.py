"""What a sweep runs: every combination of the values of its axes, each from several seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from handgrad.experiments import Data, Experiment
from handgrad.experiments.experiment import METRICS
from handgrad.experiments.own import OwnFile
from handgrad.sweep.text import words
from handgrad.training.seeds import Request

AXES = ("activation", "width", "depth", "optimizer", "lr", "momentum", "weight_decay", "batch_size")
"""What can be swept. `width` and `depth` are units in each hidden layer and the number of hidden layers."""

JUDGED = 50  # steps of a run that are judged unless the user says otherwise: their cost stays below the training's


@dataclass(frozen=True)
class Cell:
    """One combination: its value on every axis, and the experiment that has them."""

    values: dict[str, Any]  # axis → value
    request: Request


@dataclass(frozen=True)
class Plan:
    """Everything that fixes a sweep."""

    title: str
    experiment: Experiment  # that the axes change, the user's other options applied
    axes: dict[str, tuple[Any, ...]]  # axis → its values; one value where it is only set
    cells: tuple[Cell, ...]
    seeds: range
    metric: str
    settings: dict[str, Any] = field(default_factory=dict)  # what else a stored result must agree in

    @property
    def varied(self) -> dict[str, tuple[Any, ...]]:
        """The axes with more than one value."""
        return {name: values for name, values in self.axes.items() if len(values) > 1}

    @property
    def accuracy(self) -> bool:
        """Whether more is better."""
        return self.metric.endswith("accuracy")


@dataclass(frozen=True)
class SweepRequest:
    """The user's words for a sweep, parsed."""

    name: str | None  # of the experiment; or `csv`
    axes: Mapping[str, Sequence[Any]]
    csv: OwnFile | None = None
    given: Mapping[str, Any] = field(default_factory=dict)  # other options of `compare`: the same for every run
    seed: int | None = None  # the first
    seeds: int = 1  # how many
    metric: str | None = None
    device: str = "cpu"
    title: str = ""


def plan(asked: SweepRequest) -> Plan:
    """Every run of the sweep, made and checked as far as can be without training.

    Raises ValueError for an axis that the experiment does not have, a metric that its data do not have, and whatever
    `prepare` refuses of any combination.
    """
    from handgrad.experiments.overrides import with_overrides
    from handgrad.experiments.own import find

    original = find(asked.name, asked.csv)
    fixed = dict(asked.given)
    # the optimizer's own options are for the one that a combination has
    experiment = with_overrides(original, {name: x for name, x in fixed.items() if name != "optimizer_options"})
    axes = {name: tuple(asked.axes[name]) for name in AXES if name in asked.axes}
    _refuse_axes(experiment, axes)
    first = experiment.seed if asked.seed is None else asked.seed
    seeds = seeds_from(first, asked.seeds)
    made = []
    for values in product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        request = Request(asked.name, asked.csv, {**fields(experiment, cell), **fixed}, asked.device)
        made.append(rehearsed(cell, request, first))
    data = made[0][1]
    has = {"accuracy": data.classes is not None, "test": data.x_test is not None}
    return Plan(
        title=asked.title or f"{experiment.name}: {' × '.join(words(a) for a in axes if len(axes[a]) > 1)}",
        experiment=experiment,
        axes=axes,
        cells=tuple(cell for cell, _ in made),
        seeds=seeds,
        metric=_metric(experiment, asked.metric, has),
        settings=settings(experiment, asked),
    )


def seeds_from(first: int, count: int) -> range:
    """So many seeds. ValueError where there are not so many left."""
    if first + count > 2**32:
        raise ValueError(f"--seeds {count} from --seed {first} on goes beyond the last, {2**32 - 1}")
    return range(first, first + count)


def rehearsed(values: dict[str, Any], request: Request, seed: int) -> tuple[Cell, Data]:
    """A combination, after everything that can be refused before training was tried, and the data of its first run.

    Unless the user said otherwise, about `JUDGED` steps of a run are judged. Raises what `prepare` raises.
    """
    from handgrad.experiments.overrides import with_overrides
    from handgrad.experiments.own import find
    from handgrad.training.train import prepare

    experiment = with_overrides(find(request.name, request.csv), request.given)
    prepared = prepare(replace(experiment, seed=seed), request.device)
    given = {"judge_every": math.ceil(prepared.steps / JUDGED), **request.given}
    return Cell(values, replace(request, given=given)), prepared.data


def fields(experiment: Experiment, cell: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment's fields that a combination stands for: width and depth become `hidden`."""
    given = {name: value for name, value in cell.items() if name not in ("width", "depth")}
    if "width" in cell or "depth" in cell:
        width = cell.get("width") or experiment.hidden[0]
        given["hidden"] = (width,) * (cell.get("depth") or len(experiment.hidden) or 1)
    return given


def _refuse_axes(experiment: Experiment, axes: Mapping[str, Sequence[Any]]) -> None:
    """ValueError for axes of which there are too few, or which would change nothing."""
    if not any(len(values) > 1 for values in axes.values()):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in AXES)
        raise ValueError(f"a sweep needs two values or more of at least one of {options}, as in --width 2,4")
    of_layers = [name for name in ("activation", "width", "depth") if name in axes]
    if of_layers and experiment.model is not None:
        raise ValueError(f"--{of_layers[0]} cannot change {experiment.name}: it is a net of its own, not an MLP")
    if of_layers and not experiment.hidden and "width" not in axes:
        raise ValueError(
            f"--{of_layers[0]} changes nothing in {experiment.name}, a net with no hidden layer: add --width"
        )
    if "depth" in axes and "width" not in axes and len(set(experiment.hidden)) > 1:
        widths = ", ".join(map(str, experiment.hidden))
        raise ValueError(
            f"--depth: the hidden layers of {experiment.name} have different widths ({widths}): add --width"
        )


def _metric(experiment: Experiment, asked: str | None, has: Mapping[str, bool]) -> str:
    allowed = [
        metric
        for metric in METRICS
        if (has["accuracy"] or not metric.endswith("accuracy")) and (has["test"] or not metric.startswith("test"))
    ]
    if asked is not None and asked not in allowed:
        raise ValueError(f"--metric must be one of {', '.join(allowed)} for {experiment.name}; got {asked!r}")
    return asked or experiment.expect.metric


def settings(experiment: Experiment, asked: SweepRequest) -> dict[str, Any]:
    """What must be equal for a stored run to be one of this sweep: the experiment before the axes change it."""
    import handgrad

    recipe = ("size", "hidden", "activation", "optimizer", "optimizer_options", "lr", "epochs", "batch_size", "dtype")
    found: dict[str, Any] = {"handgrad": handgrad.__version__, "experiment": experiment.name}
    found |= {name: getattr(experiment, name) for name in recipe}
    found["hidden"] = list(experiment.hidden)
    found["optimizer_options"] = {**experiment.optimizer_options, **asked.given.get("optimizer_options", {})}
    found |= {name: asked.given[name] for name in ("loss", "class_weights") if name in asked.given}
    found["judge_every"] = asked.given.get("judge_every")
    found["device"] = asked.device
    file = asked.csv.path if asked.csv else (asked.name or "").rpartition(":")[0]
    if file:
        found |= {"file": file, "sha256": sha256(Path(file).read_bytes()).hexdigest()}
    if asked.csv:
        found |= {"target": asked.csv.target, "missing": asked.csv.missing, "leave_out": list(asked.csv.leave_out)}
    return found
