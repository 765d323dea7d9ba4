"""`handgrad compare --all`: every experiment in a process of its own, several at once, and one page about them."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from contract.names import SIDES
from handgrad.experiments import Experiment
from handgrad.files import write_text
from handgrad.machine.environment import same_imports
from handgrad.report.index import Finished
from handgrad.rules import COUNT, FINITE, NOT_NEGATIVE, TEXT, TRUTH, or_none
from handgrad.stopping import Terminated
from handgrad.stored import load

INDEX, TIMES = "index.html", "times.json"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


Running = set["subprocess.Popen[str]"]


def compare_all(
    experiments: Sequence[Experiment],
    options: Sequence[str],
    folder: Path,
    jobs: int,
    resume: bool,
    saving: Sequence[str],
    on_done: Callable[[Finished], None],
) -> tuple[list[Finished], KeyboardInterrupt | None]:
    """The outcome of every experiment in the order given, and the Ctrl-C or SIGTERM that ended it early.

    Each runs as `handgrad compare NAME` with `options`, on one thread, and writes into `folder`/NAME. The longest
    begin first. With `resume`, a result that is there from the same options is kept, and what was stopped on its way
    goes on from its checkpoint. `saving` are options that change no number.
    """
    kept = kept_results(experiments, options, folder) if resume else {}
    for outcome in kept.values():
        on_done(outcome)
    todo = sorted((e for e in experiments if e.name not in kept), key=lambda e: -e.seconds)
    done, stopped = dict(kept), None
    running: Running = set()
    saving = [*saving, *["--resume"] * resume]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_run, experiment, options, folder, saving, running) for experiment in todo]
        try:
            for outcome in _finished(futures):
                done[outcome.experiment.name] = outcome
                _remember(folder, done.values())
                on_done(outcome)
        except KeyboardInterrupt as stop:  # each process ends after its step and writes what it has
            stopped = stop
            for future in futures:
                future.cancel()
            for process in list(running) if isinstance(stop, Terminated) else []:  # Ctrl-C has reached them already
                process.terminate()
            with suppress(KeyboardInterrupt):
                pool.shutdown(wait=True)
            finished = (f.result() for f in futures if f.done() and not f.cancelled())
            done |= {outcome.experiment.name: outcome for outcome in finished}
            _remember(folder, done.values())
    return [done.get(e.name, Finished(e, None, 0.0, "interrupted before it began")) for e in experiments], stopped


def kept_results(experiments: Sequence[Experiment], options: Sequence[str], folder: Path) -> dict[str, Finished]:
    """The outcomes that stand in `folder` already, whole and from the same options."""
    seconds, kept = _times(folder), {}
    for experiment in experiments:
        result = _result(folder / experiment.name)
        wanted = _command(experiment, options, folder)
        if result is not None and not result["interrupted"] and result["command"] == wanted:
            kept[experiment.name] = Finished(experiment, result, seconds.get(experiment.name, 0.0))
    return kept


def _finished(futures: Iterable[Any]) -> Iterator[Finished]:
    for future in as_completed(futures):
        yield future.result()


def _arguments(experiment: Experiment, options: Sequence[str], folder: Path) -> list[str]:
    return ["compare", experiment.name, *options, "--jobs", "1", "--out", str(folder / experiment.name)]


def _command(experiment: Experiment, options: Sequence[str], folder: Path) -> str:
    """As the process itself writes it into its result."""
    return shlex.join(["handgrad", *_arguments(experiment, options, folder)])


def _run(
    experiment: Experiment,
    options: Sequence[str],
    folder: Path,
    saving: Sequence[str],
    running: Running,
) -> Finished:
    own = folder / experiment.name
    with suppress(FileNotFoundError):
        (own / "result.json").unlink()  # an old one must not be taken for this run's
    start = perf_counter()
    reading, writing = os.pipe()  # open as long as this process lives: it must not be outlived
    with (
        os.fdopen(reading) as alive,
        os.fdopen(writing, "w"),
        subprocess.Popen(
            [sys.executable, "-m", "handgrad.cli.one_of_all", *_arguments(experiment, options, folder), *saving],
            stdin=alive,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=os.environ | dict.fromkeys(THREADS, "1") | same_imports(),
        ) as process,
    ):
        running.add(process)
        _, said = process.communicate()
        running.discard(process)
    seconds = perf_counter() - start
    result = _result(own)
    error = "" if result is not None else (said.strip().splitlines() or ["it ended without a result"])[-1]
    return Finished(experiment, result, seconds, error)


REACHED = or_none(FINITE)
SHAPE = {
    "passed": TRUTH,
    "parity": TRUTH,
    "interrupted": TRUTH,
    "command": TEXT,
    "repeats": [{"met": dict.fromkeys(SIDES, TRUTH)}],
    "expectation": {"undecided": or_none(TEXT)},
    "sides": {side: {"reached": REACHED, "parity": {"numbers": COUNT}} for side in SIDES},
}
"""What is read of a result.json."""


def _result(folder: Path) -> dict[str, Any] | None:
    """What `result.json` holds, without the long lists; None where there is none, or a damaged one."""
    try:
        found = load(folder / "result.json", SHAPE)
    except (OSError, ValueError):
        return None
    return {
        **{key: found[key] for key in ("passed", "parity", "interrupted", "command")},
        "repeats": [{"met": repeat["met"]} for repeat in found["repeats"]],
        "undecided": found["expectation"]["undecided"],
        "sides": {
            name: {"reached": side["reached"], "parity": {"numbers": side["parity"]["numbers"]}}
            for name, side in found["sides"].items()
            if name in SIDES
        },
    }


def _remember(folder: Path, outcomes: Iterable[Finished]) -> None:
    """How long each took: its result does not say what starting and drawing cost."""
    seconds = {outcome.experiment.name: round(outcome.seconds, 2) for outcome in outcomes}
    write_text(folder / TIMES, json.dumps(seconds, indent=1) + "\n")


def _times(folder: Path) -> Mapping[str, float]:
    try:
        found: dict[str, float] = load(folder / TIMES, {str: NOT_NEGATIVE})
    except (OSError, ValueError):
        return {}
    return found
