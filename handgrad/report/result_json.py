"""A run as JSON: the fields that docs/result.md explains, for programs to read."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import handgrad
from handgrad.experiments import EXPERIMENTS, Experiment
from handgrad.files import write_text
from handgrad.training.record import Run, SideRun
from handgrad.training.timeline import Look, looks

SCHEMA_VERSION = 1

CODE = ("data", "expect", "model", "own_loss", "original")
"""The fields of an experiment that are functions, or that stand in the file under a name of their own."""

RECIPE = ("hidden", "activation", "optimizer", "optimizer_options", "lr", "epochs", "batch_size")
"""The fields of an experiment that the command line can change and that its expectation was measured with."""


def overrides(experiment: Experiment) -> list[str]:
    """Names of the recipe's fields that differ from the table's. Seed, dtype and device belong to no recipe."""
    original = _original(experiment)
    return [name for name in RECIPE if getattr(experiment, name) != getattr(original, name)]


def _original(experiment: Experiment) -> Experiment:
    """The experiment before the user changed it."""
    return experiment.original or EXPERIMENTS.get(experiment.name, experiment)


def measured(run: Run, side: str) -> float | None:
    """What the expectation speaks about, as this side reached it."""
    return run.sides[side].measured(run.experiment.expect.metric)


def expectation_met(run: Run) -> bool:
    """Both sides keep the bound."""
    return all(run.experiment.expect.met(measured(run, side)) for side in run.sides)


def undecided(run: Run) -> str:
    """Why a missed expectation does not fail the run; empty where it does.

    It was measured for one recipe and its seed. Another seed is held against what the recipe gives over seeds: a small
    net that draws badly is no fault of either side.
    """
    experiment = run.experiment
    if run.interrupted:
        return "the run was interrupted"
    if not experiment.expect.decides:
        return "a yardstick"
    if changed := overrides(experiment):
        return f"the recipe was changed ({', '.join(changed)})"
    if experiment.seed != _original(experiment).seed:
        over_seeds = f"; over seeds the recipe gives {experiment.band}" if experiment.band else ""
        return f"another seed than the recipe's {_original(experiment).seed}{over_seeds}"
    return ""


def expectation_decides(run: Run) -> bool:
    """Whether a missed expectation fails the run."""
    return not undecided(run)


def passed(run: Run) -> bool:
    """Each side was judged, parity held on every judged step, the run is whole, and the expectation is met where it
    decides."""
    return run.judged and run.parity and not run.interrupted and (expectation_met(run) or not expectation_decides(run))


def result(run: Run) -> dict[str, Any]:
    """The run as plain data. NaN and infinity, which JSON does not have, become None."""
    experiment, data = run.experiment, run.data
    seen = looks(run, maps=False)
    recipe = {name: value for name, value in vars(experiment).items() if name not in CODE}
    whole = {
        "schema_version": SCHEMA_VERSION,
        "handgrad": handgrad.__version__,
        "command": run.command,
        "passed": passed(run),
        "parity": run.parity,
        "interrupted": run.interrupted,
        "steps_planned": run.steps_planned,
        "steps_done": len(run.divergence),
        "expectation": {
            "metric": experiment.expect.metric,
            "bound": experiment.expect.bound,
            "value": experiment.expect.value,
            "met": expectation_met(run),
            "decides": expectation_decides(run),
            "undecided": undecided(run),
        },
        "overrides": overrides(experiment),
        "experiment": recipe,
        "data": {
            "features": list(data.features),
            "classes": data.classes,
            "train": len(data.x_train),
            "validation": 0 if data.x_val is None else len(data.x_val),
            "test": 0 if data.x_test is None else len(data.x_test),
        },
        "repeats": [{"seed": repeat.seed, "parity": repeat.parity, "values": repeat.values} for repeat in run.repeats],
        "sides": {name: _side(run, name, side, seen) for name, side in run.sides.items()},
        "divergence": run.divergence,
        "environment": run.environment,
    }
    plain: dict[str, Any] = _plain(whole)
    return plain


def write_result(run: Run, path: Path) -> None:
    """Write the run to `path` as strict JSON, all of it or nothing. Raises OSError where that cannot be done."""
    write_text(path, _json(result(run)) + "\n")


def _side(run: Run, name: str, side: SideRun, seen: Sequence[Look]) -> dict[str, Any]:
    final, tally = side.final, side.tally
    return {
        "test_accuracy": final.test_accuracy,
        "train_accuracy": final.train_accuracy,
        "final_loss": final.train_loss,
        "test_loss": final.test_loss,
        "seconds_per_step": side.seconds_per_step if side.seconds else None,
        "seconds_total": math.fsum(side.seconds),
        "reached": measured(run, name),
        "expectation_met": run.experiment.expect.met(measured(run, name)),
        "parity": {
            "held": tally.held,
            "steps": tally.steps,
            "numbers": tally.numbers,
            "skipped": tally.skipped,
            "skipped_share": tally.skipped_share,
            "worst": tally.worst,
            "failures": [{"step": failure.step, "text": failure.render()} for failure in tally.failures],
        },
        "losses": side.losses,
        "epochs": [vars(record) for record in side.epochs],
        "moments": [_moment(look, name) for look in seen],
        "confusion": None if side.confusion is None else side.confusion.tolist(),
    }


def _moment(look: Look, name: str) -> dict[str, Any]:
    inside = look.sides[name]
    return {
        "step": look.step,
        "epoch": look.epoch,
        "gradients": inside.gradients,
        "resting": {layer: {word: share} for layer, (word, share) in inside.rests.items()},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(value: Any, indent: str = "") -> str:
    """Strict JSON, one line for every field: the losses of 50,000 steps are one line and not as many."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    inner = indent + " "
    fields = [f"{inner}{json.dumps(key)}: {_json(entry, inner)}" for key, entry in value.items()]
    return "{\n" + ",\n".join(fields) + f"\n{indent}}}"
