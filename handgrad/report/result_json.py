"""A run as JSON: the fields that docs/result.md explains, for programs to read."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

import handgrad
from handgrad.files import RESULT, write_text
from handgrad.stored import Shape, load
from handgrad.training.outcome import Outcome
from handgrad.training.timeline import Frame

SCHEMA_VERSION = 1

CODE = ("data", "expect", "model", "own_loss", "own_ops", "original")
"""The fields of an experiment that are functions, or that stand in the file under a name of their own."""


def result(outcome: Outcome) -> dict[str, Any]:
    """The run as plain data. NaN and infinity, which JSON does not have, become None."""
    run = outcome.run
    experiment, data = run.experiment, run.data
    recipe = {name: value for name, value in vars(experiment).items() if name not in CODE}
    whole = {
        "schema_version": SCHEMA_VERSION,
        "handgrad": handgrad.__version__,
        "command": run.command,
        "passed": outcome.ending.passed,
        "parity": run.parity,
        "interrupted": run.interrupted,
        "steps_planned": run.steps_planned,
        "steps_done": len(run.divergence),
        "diverged_at": outcome.diverged_at,
        "expectation": {
            "metric": experiment.expect.metric,
            "bound": experiment.expect.bound,
            "value": experiment.expect.value,
            "met": outcome.met,
            "decides": not outcome.undecided,
            "undecided": outcome.undecided,
        },
        "overrides": outcome.overrides,
        "experiment": recipe,
        "data": {
            "features": list(data.features),
            "classes": data.classes,
            "notes": list(data.notes),
            "train": len(data.x_train),
            "validation": 0 if data.x_val is None else len(data.x_val),
            "test": 0 if data.x_test is None else len(data.x_test),
        },
        "repeats": [
            {"seed": repeat.seed, "parity": repeat.parity, "values": repeat.values, "met": met}
            for repeat, met in zip(run.repeats, outcome.seeds_met, strict=True)
        ],
        "sides": {name: _side(outcome, name) for name in run.sides},
        "divergence": run.divergence,
        "environment": run.environment,
    }
    plain: dict[str, Any] = _plain(whole)
    return plain


def write_result(outcome: Outcome, path: Path) -> None:
    """Write the run to `path` as strict JSON, all of it or nothing. Raises OSError where that cannot be done."""
    write_text(path, _json(result(outcome)) + "\n")


def read_result(run: Path, shape: Shape) -> dict[str, Any]:
    """The result in the folder of a run, or in that file. ValueError in one line for what `compare` did not write."""
    path = run / RESULT if run.is_dir() else run
    try:
        found: dict[str, Any] = load(path, shape)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is no result of handgrad compare: {error}") from error
    return found


def _side(outcome: Outcome, name: str) -> dict[str, Any]:
    side, came_to = outcome.run.sides[name], outcome.sides[name]
    final, tally = side.final, side.tally
    return {
        "test_accuracy": final.test_accuracy,
        "train_accuracy": final.train_accuracy,
        "final_loss": final.train_loss,
        "test_loss": final.test_loss,
        "seconds_per_step": side.seconds_per_step if side.seconds else None,
        "seconds_total": math.fsum([*side.seconds, side.seconds_written_out]),
        "reached": came_to.reached,
        "expectation_met": came_to.met,
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
        "moments": [_moment(frame, name) for frame in outcome.timeline],
        "confusion": None if side.confusion is None else side.confusion.tolist(),
    }


def _moment(frame: Frame, name: str) -> dict[str, Any]:
    activity = frame.sides[name]
    return {
        "step": frame.step,
        "epoch": frame.epoch,
        "gradients": activity.gradients,
        "resting": {layer: {word: share} for layer, (word, share) in activity.rests.items()},
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
