"""Run a sweep: every combination from every seed, both sides judged, what is finished kept as it comes."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from time import monotonic
from typing import Any

import handgrad
from contract.names import SIDES
from handgrad.experiments.experiment import METRICS
from handgrad.files import write_text
from handgrad.rules import COUNT, FINITE, NOT_NEGATIVE, TEXT, TRUTH, is_real, or_none
from handgrad.stopping import Terminated
from handgrad.stored import load
from handgrad.sweep.outcome import ending
from handgrad.sweep.plan import Plan
from handgrad.sweep.record import Outcome, Sweep, run_key
from handgrad.training.parallel import run_all
from handgrad.training.seeds import Request, trained

SCHEMA_VERSION = 1
SAVE_EVERY = 1.0  # seconds between two writings of what is finished


Task = tuple[dict[str, Any], Request, int]


def one(task: Task) -> Outcome:
    """Train and judge both sides of one combination from one seed."""
    cell, request, seed = task
    start = monotonic()
    run = trained(request, seed)
    tallies = [side.tally for side in run.sides.values()]
    failures = [failure.render() for tally in tallies for failure in tally.failures[:1]]
    return Outcome(
        cell=cell,
        seed=seed,
        parity=run.parity,
        values={m: {name: _finite(side.measured(m)) for name, side in run.sides.items()} for m in METRICS},
        stuck={name: len(set(side.losses)) == 1 < len(side.losses) for name, side in run.sides.items()},
        steps=len(run.divergence),
        judged=tallies[0].steps,
        numbers=sum(tally.numbers for tally in tallies),
        worst=max(tally.worst for tally in tallies),
        failure=failures[0] if failures else "",
        seconds=round(monotonic() - start, 3),
    )


def sweep(
    plan: Plan,
    jobs: int,
    path: Path,
    command: str = "",
    kept: Sequence[Outcome] = (),
    on_done: Callable[[Sweep, Outcome], None] = lambda sweep, outcome: None,
) -> Sweep:
    """Do every run of `plan` that is not among `kept`, `jobs` at once, and keep in `path` what is finished.

    Ctrl-C ends it: what was finished by then is returned with `interrupted` set. Raises OSError where `path` cannot be
    written, and ValueError for what a seed's data refuse.
    """
    from handgrad.machine.environment import environment

    found = Sweep(plan, command, list(kept), kept=len(kept))
    found.environment = environment(plan.cells[0].request.device, plan.experiment.dtype)
    there = {outcome.key for outcome in kept}
    tasks: list[Task] = [
        (cell.values, cell.request, seed)
        for seed in plan.seeds
        for cell in plan.cells
        if run_key(cell.values, seed) not in there
    ]
    start = saved = monotonic()

    def done(outcome: Outcome) -> None:
        nonlocal saved
        found.outcomes.append(outcome)
        if monotonic() - saved > SAVE_EVERY:
            write(found, path)
            saved = monotonic()
        on_done(found, outcome)

    try:
        run_all(one, tasks, jobs, done)
    except KeyboardInterrupt as stop:
        found.interrupted, found.terminated = True, isinstance(stop, Terminated)
    finally:
        order = {run_key(cell.values, seed): i for i, (seed, cell) in enumerate(_all(plan))}
        found.outcomes.sort(key=lambda outcome: order[outcome.key])
        found.seconds = monotonic() - start
        write(found, path)
    return found


def _all(plan: Plan) -> Iterable[tuple[int, Any]]:
    return ((seed, cell) for cell in plan.cells for seed in plan.seeds)


# --- the file ---------------------------------------------------------------------------------------------------------


def write(found: Sweep, path: Path) -> None:
    """Write the sweep to `path` as strict JSON, a line for each run, all of it or nothing."""
    plan = found.plan
    head = {
        "schema_version": SCHEMA_VERSION,
        "handgrad": handgrad.__version__,
        "command": found.command,
        "title": plan.title,
        "passed": ending(found).passed,
        "parity": not found.failed,
        "interrupted": found.interrupted,
        "runs_planned": found.runs,
        "runs_done": len(found.outcomes),
        "metric": plan.metric,
        "settings": plan.settings,
        "axes": {name: list(values) for name, values in plan.axes.items()},
        "seeds": list(plan.seeds),
        "environment": found.environment,
    }
    lines = [f" {json.dumps(key)}: {_dumps(value)}," for key, value in head.items()]
    runs = ",\n".join(f"  {_dumps(_plain(outcome))}" for outcome in found.outcomes)
    write_text(path, "\n".join(["{", *lines, f' "runs": [\n{runs}\n ]', "}"]) + "\n")


SHAPE = {
    "settings": {str: (lambda value: True, "anything")},
    "axes": {str: [(lambda value: True, "anything")]},
    "runs": [
        {
            "cell": {str: (lambda value: isinstance(value, str) or is_real(value), "text or a number")},
            "seed": COUNT,
            "parity": TRUTH,
            "values": {metric: {side: or_none(FINITE) for side in SIDES} for metric in METRICS},
            "stuck": dict.fromkeys(SIDES, TRUTH),
            "steps": COUNT,
            "judged": COUNT,
            "numbers": COUNT,
            "worst": or_none(NOT_NEGATIVE),
            "failure": TEXT,
            "seconds": NOT_NEGATIVE,
        }
    ],
}
"""What is read of the result of a sweep; a run has the fields of `Outcome`."""


def stored(plan: Plan, path: Path) -> list[Outcome]:
    """The outcomes of this sweep that stand in `path` already; none where there is no such file.

    The stored sweep may have fewer values and seeds than `plan`. Raises ValueError where it is of another sweep, or
    where it holds runs that `plan` has not and that would be lost.
    """
    try:
        found = load(path, SHAPE)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        message = f"--resume: {path} is no result of a sweep ({what}); remove it, or give another --out"
        raise ValueError(message) from error
    settings, axes = found["settings"], list(found["axes"])
    names = [field.name for field in fields(Outcome)]
    runs = [{name: run[name] for name in names} for run in found["runs"]]
    outcomes = [Outcome(**run | {"worst": _number(run["worst"])}) for run in runs]
    if twice := [key for key, times in Counter(outcome.key for outcome in outcomes).items() if times > 1]:
        raise ValueError(f"--resume: {path} holds {twice[0]} twice; remove it, or give another --out")
    wanted = json.loads(_dumps(plan.settings))
    for name in wanted | settings:
        if settings.get(name) != wanted.get(name):
            there, here = settings.get(name), wanted.get(name)
            raise ValueError(f"--resume: {path} is of another sweep: its {name} is {there!r}, here it is {here!r}")
    if axes != list(plan.axes):
        raise ValueError(f"--resume: {path} is of another sweep: it is over {_list(axes)}, here {_list(plan.axes)}")
    here_keys = {run_key(cell.values, seed) for cell in plan.cells for seed in plan.seeds}
    if lost := [outcome for outcome in outcomes if outcome.key not in here_keys]:
        cell = ", ".join(f"{name} {value}" for name, value in lost[0].cell.items())
        raise ValueError(
            f"--resume: {path} holds {len(lost)} runs that this sweep has not ({cell}, seed {lost[0].seed}): "
            "add them, or give another --out"
        )
    return outcomes


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {**asdict(outcome), "worst": _finite(outcome.worst)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.inf if value is None else value


def _dumps(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _list(names: Iterable[str]) -> str:
    return " × ".join(names)
