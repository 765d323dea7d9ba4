"""Kill commands at drawn moments, let them go on, and compare every byte; and fail each call that writes a file.

    python -m parity_tests.meta.faults 100        # moments for each command and signal

A moment is drawn within a phase (training, judging, evaluation, writing), and counted under the phase in which the
process was when it died. Times are taken from a clock that gives every run the same ones: they are all that may differ.
The workers of `bench` measure nothing here, and the two processes of `distributed` start without `torchrun`.
"""

import argparse
import contextlib
import errno
import inspect
import io
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from mmap import mmap
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.result import load, rows_of
from handgrad import cli
from handgrad.checkpoint.file import CheckpointError, read
from handgrad.checkpoint.folder import numbered
from handgrad.judge import StepJudge
from handgrad.report import result_json
from handgrad.training import saving, train
from handgrad.training.parallel import LOADED

WAIT = 300  # seconds after which a process hangs
DELAY = 3e-3  # seconds, at most, from the beginning of a phase to the signal


# --- processes that are killed ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A command line without its folder, and what says how much of it was kept."""

    words: tuple[str, ...]
    kept: Callable[[Path], int]
    written: str  # the phase at whose every end one more is kept
    ranks: int = 1  # processes that are the command together; a signal goes to one of them


def checkpoints(out: Path) -> int:
    return max(numbered(out / saving.FOLDER), default=0)


def runs(out: Path) -> int:
    path = out / "result.json"
    return len(json.loads(path.read_text(encoding="utf-8"))["runs"]) if path.exists() else 0


def rows(out: Path) -> int:
    path = out / "result.json"
    return len(list(rows_of(load(path)))) if path.exists() else 0


QUICK_WORKER = ("-m", "parity_tests.support.bench_worker")
EVERY = ("--checkpoint-every", "0")
NET = ("grow-1", "--epochs", "12")  # twelve steps
COMMANDS = {
    "compare": Command(("compare", *NET, *EVERY), checkpoints, "checkpoint"),
    "compare --seeds": Command(
        ("compare", "grow-1", "--epochs", "4", "--seeds", "4", "--jobs", "1", *EVERY), checkpoints, "checkpoint"
    ),
    "sweep": Command(("sweep", *NET, "--lr", "0.1,0.2,0.3,0.4", "--jobs", "1"), runs, "result"),
    "bench": Command(("bench", "--quick", "--question", "step"), rows, "result"),
    "distributed": Command(
        ("distributed", "circle", "--epochs", "1", "--batch-size", "100", *EVERY), checkpoints, "checkpoint", 2
    ),
}


def phases() -> dict[str, list[tuple[Any, str]]]:
    """The functions that are a phase, by where they are called from."""
    import benchmarks.run
    import handgrad.distributed.train
    import handgrad.report
    from handgrad.cli import sweep_terminal
    from handgrad.predict import weights
    from handgrad.sweep import run

    together = handgrad.distributed.train
    return {
        "training": [(train, "_step"), (together, "_step"), (benchmarks.run, "_rows")],
        "judging": [(StepJudge, "after"), (together, "_judge")],
        "evaluation": [(train, "_record_epoch")],
        "checkpoint": [(saving, "write_next")],
        "result": [(result_json, "write_result"), (run, "write"), (benchmarks.run, "_write"), (weights, "write")],
        "report": [(handgrad.report, "write_report"), (sweep_terminal, "write_page"), (benchmarks.run, "show")],
    }


PHASES = ("between", "training", "judging", "evaluation", "checkpoint", "result", "report")


class Shared:
    """What the parent reads of a process that is dead: its phase, and how often each began and ended."""

    def __init__(self) -> None:
        self.numbers = np.frombuffer(mmap(-1, 8 * 3 * len(PHASES)), np.int64).reshape(3, -1)
        self.began, self.ended = self.numbers[1], self.numbers[2]

    @property
    def phase(self) -> str:
        return PHASES[self.numbers[0, 0]]

    def enter(self, number: int) -> int:
        before, self.numbers[0, 0] = int(self.numbers[0, 0]), number
        return before


def _child(words: list[str], shared: Shared, target: tuple[str, int], ready: int, output: int) -> None:
    """Run the command; say when the target, the n-th beginning of a phase, is reached. Never returns."""
    code = 70
    try:
        for stream in (1, 2):
            os.dup2(output, stream)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8") for stream in (1, 2))
        ticks = count()
        train.perf_counter = lambda: next(ticks) % 2 * 1e-3  # type: ignore[attr-defined]
        _clocks()
        for name, places in phases().items():
            for owner, function in places:
                setattr(owner, function, _watched(getattr(owner, function), name, shared, target, ready))
        code = cli.main(words)
        sys.stdout.flush()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _clocks() -> None:
    """Of sweeps and of benchmarks."""
    import benchmarks.run
    from handgrad.sweep import run

    run.monotonic = lambda: 0.0  # type: ignore[attr-defined]
    run.SAVE_EVERY = -1.0
    today = mock.Mock()
    today.now().astimezone().isoformat.return_value = "today"
    vars(benchmarks.run)["datetime"] = today
    benchmarks.run.WORKER = QUICK_WORKER


def _watched(function: Any, name: str, shared: Shared, target: tuple[str, int], ready: int) -> Any:
    number = PHASES.index(name)

    def watched(*given: Any, **named: Any) -> Any:
        before = shared.enter(number)
        shared.began[number] += 1
        if target == (name, shared.began[number]):
            os.write(ready, b".")
        try:
            found = function(*given, **named)
            shared.ended[number] += 1
            return found
        finally:
            shared.enter(before)

    def each(*given: Any) -> Iterator[Any]:
        with contextlib.closing(function_(*given)) as source:
            yield from iter(lambda: watched(source), None)

    if not inspect.isgeneratorfunction(function):
        return watched
    function_, function = function, lambda source: next(source, None)
    return each


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or the signal as a negative number; where it was, and what it said."""

    code: int
    shared: Shared
    said: str
    phase: str


def run(
    words: list[str],
    target: tuple[str, int] = ("", 0),
    number: int = 0,
    delay: float = 0.0,
    ranks: int = 1,
    victim: int = 0,
) -> Ended:
    """The command in processes of its own, of which one gets the signal `delay` seconds after it reached the target."""
    shared, phase, pids = [Shared() for _ in range(ranks)], PHASES[0], list[int]()
    with tempfile.TemporaryFile() as output, _meeting(ranks) as variables:
        reading, ready = os.pipe()  # which the store's keeper does not have: it closes with the last rank
        for rank in range(ranks):
            pids.append(os.fork())
            if not pids[-1]:
                os.environ.update({name: value.format(rank=rank) for name, value in variables.items()})
                _child(words, shared[rank], target if rank == victim else ("", 0), ready, output.fileno())
        os.close(ready)
        if os.read(reading, 1):  # nothing: it ended without reaching it
            time.sleep(delay)
            phase = shared[victim].phase
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[victim], number)
        os.close(reading)
        codes = [_waited(pid) for pid in pids]
        output.seek(0)
        return Ended(codes[victim], shared[0], output.read().decode(errors="replace"), phase)


@contextlib.contextmanager
def _meeting(ranks: int) -> Iterator[dict[str, str]]:
    """What `torchrun` says to its processes, where there are several; a process keeps their store, as it does."""
    if ranks == 1:
        yield {}
        return
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    if not (keeper := os.fork()):
        from torch.distributed import TCPStore

        store = TCPStore("localhost", port, is_master=True, wait_for_workers=False)
        signal.pause()
        del store
        os._exit(0)
    numbers = {"RANK": "{rank}", "LOCAL_RANK": "{rank}", "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    store = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    try:
        yield {**numbers, **store, "TORCHELASTIC_RUN_ID": "faults"}
    finally:
        os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)


def _waited(pid: int) -> int:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(1e-3)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"process {pid} did not end within {WAIT} s")


@dataclass
class Row:
    """What became of one command under one signal."""

    moments: Counter[str] = field(default_factory=Counter)  # phase → how often the signal fell into it
    lost: int = 0  # less was there than had been written
    broken: int = 0  # a file was neither the old one nor the new
    equal: int = 0  # it went on, and every file is that of a run which nothing stopped
    wrong: list[str] = field(default_factory=list)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole(out: Path) -> bool:
    """Whether every file with a name that others look for is one that was written to its end."""
    try:
        for path in out.rglob("*.json"):
            json.loads(path.read_text(encoding="utf-8"))
        for path in numbered(out / saving.FOLDER).values():
            read(path)
    except (ValueError, CheckpointError):
        return False
    return all(path.read_text(encoding="utf-8").rstrip().endswith("</html>") for path in out.rglob("*.html"))


def kill(
    command: Command,
    number: int,
    moments: int,
    rng: np.random.Generator,
    folder: Path,
    within: tuple[str, ...] = PHASES[1:],
) -> Row:
    """Kill the command so often, at moments drawn evenly over its phases, and let it go on each time."""
    row, out = Row(), folder / "out"
    words = [*command.words, "--out", str(out)]
    ranks = command.ranks
    first = run(words, ranks=ranks)
    if first.code != 0:
        raise RuntimeError(f"{' '.join(words)} fails by itself: {first.said}")
    expected, counted = contents(out), command.kept is not checkpoints
    most = command.kept(out) if counted else sys.maxsize  # of checkpoints none is left at the end
    written = PHASES.index(command.written)
    there = [name for name in within if first.shared.began[PHASES.index(name)]]
    for moment in range(moments):
        shutil.rmtree(out)
        name = there[moment % len(there)]
        nth = int(rng.integers(first.shared.began[PHASES.index(name)])) + 1
        victim = moment // len(there) % ranks if name == "training" else 0  # what else there is, rank 0 does
        ended = run(words, (name, nth), number, float(rng.uniform(0, DELAY)), ranks, victim)
        row.moments[ended.phase] += 1
        at = f"{name} {nth}, in {ended.phase}, exit code {ended.code}"
        finished = ended.code == 0 or contents(out) == expected
        # A sweep that ends in order writes once more than it has runs.
        least = ended.shared.ended[written] - (command.kept is runs and ended.code == 143)
        if not finished and command.kept(out) < min(least, most):
            row.lost += 1
            row.wrong.append(f"lost: {at}")
        if not whole(out):
            row.broken += 1
            row.wrong.append(f"broken: {at}")
        if number == signal.SIGTERM and ended.code not in (0, 143):
            row.wrong.append(f"exit code: {at}: {ended.said[-500:]}")
        again = run([*words, "--resume"], ranks=ranks)
        if again.code == 0 and contents(out) == expected:
            row.equal += 1
        else:
            others = [name for name, content in contents(out).items() if expected.get(name) != content]
            row.wrong.append(f"not equal: {at}; then {again.code}, {others}: {again.said[-500:]}")
    return row


# --- calls that fail --------------------------------------------------------------------------------------------------

CALLS = ("open", "write", "fsync", "replace")
ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO, "forbidden": errno.EACCES}
HOWS = (*ERRORS, "short")


@contextlib.contextmanager
def failing(at: int, how: str) -> Iterator[Counter[str]]:
    """Within, the `at`-th call (from 0) that makes, writes, flushes or renames a file fails, or writes a part.

    Counts the calls by their names. Of `open` those that read are let through.
    """
    seen: Counter[str] = Counter()

    def make(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            if name == "open" and not given[1] & os.O_CREAT:
                return original(*given, **named)
            number = seen.total()
            seen[name] += 1
            if number == at and how in ERRORS:
                raise OSError(ERRORS[how], os.strerror(ERRORS[how]))
            if number == at and name == "write":
                return original(given[0], bytes(given[1])[: len(given[1]) // 2])
            return original(*given, **named)

        return call

    with mock.patch.multiple(os, **{name: make(name) for name in CALLS}):
        yield seen


@dataclass
class Writer:
    """Something that writes one file: `write(path, which)` writes its "old" content or its "new"."""

    write: Callable[[Path, str], None]
    name: str


def fail(writer: Writer, folder: Path) -> list[str]:
    """Each call of the writer failed in turn, in every way. Returns what went wrong, and how many were tried."""
    wrong, path = [], folder / writer.name
    held = {}
    for which in ("old", "new"):
        writer.write(path, which)
        held[which] = path.read_bytes()
    with failing(-1, "") as seen:
        writer.write(path, "new")
    calls = seen.total()
    for at in range(calls):
        for how in HOWS:
            writer.write(path, "old")
            refused = False
            try:
                with failing(at, how) as seen:
                    writer.write(path, "new")
            except OSError:
                refused = True
            there = path.read_bytes()
            renamed = seen["replace"] and at >= calls - 1  # all that can fail after it is the folder's flush
            allowed = [held["new"]] if not refused else [held["old"], held["new"]] if renamed else [held["old"]]
            if there not in allowed or [each.name for each in folder.iterdir()] != [writer.name]:
                wrong.append(f"{writer.name}, call {at}, {how}: {len(there)} bytes, {'refused' if refused else 'done'}")
            if refused != (how in ERRORS):
                wrong.append(f"{writer.name}, call {at}, {how}: the writer says the contrary")
            writer.write(path, "new")
            if path.read_bytes() != held["new"]:
                wrong.append(f"{writer.name}, call {at}, {how}: it cannot be written afterwards")
    return [f"{calls * len(HOWS)} faults", *wrong]


def writers() -> list[Writer]:
    """The writers of checkpoints, results and reports, of a small run."""
    from handgrad.checkpoint.file import write
    from handgrad.experiments import EXPERIMENTS
    from handgrad.experiments.overrides import with_overrides
    from handgrad.report import write_report
    from handgrad.training.outcome import Outcome

    outcomes = {}
    for which, seed in (("old", 0), ("new", 1)):
        experiment = with_overrides(EXPERIMENTS["circle"], {"epochs": 1, "hidden": (2,), "seed": seed})
        outcomes[which] = Outcome.of(train.train(train.prepare(experiment), pictures=False))
    trees = {which: {"losses": np.arange(9.0) + (which == "new")} for which in outcomes}
    return [
        Writer(lambda path, which: write(path, trees[which]), "checkpoint.safetensors"),
        Writer(lambda path, which: result_json.write_result(outcomes[which], path), "result.json"),
        Writer(lambda path, which: write_report(outcomes[which], path), "report.html"),
    ]


# --- the command ------------------------------------------------------------------------------------------------------


def table(rows: dict[tuple[str, str], Row]) -> str:
    """The matrix command × signal × phase."""
    heads = ["command", "signal", "moments", *PHASES, "lost", "broken", "equal"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for (command, name), row in rows.items():
        cells = [command, name, row.moments.total(), *(row.moments[phase] for phase in PHASES)]
        lines.append(f"| {' | '.join(map(str, [*cells, row.lost, row.broken, row.equal]))} |")
    return "\n".join(lines)


def warm(folder: Path, commands: Iterable[Command]) -> None:
    """Import all that the commands need here, and not in each of the processes."""
    phases()
    for name in LOADED:  # also what is loaded at the first step of a command that does not run here
        import_module(name)
    for command in (one for one in commands if one.ranks == 1):
        with contextlib.redirect_stdout(io.StringIO()), mock.patch("benchmarks.run.WORKER", QUICK_WORKER):
            cli.main([*command.words, "--out", str(folder / "warm")])
        shutil.rmtree(folder / "warm")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m parity_tests.meta.faults", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("moments", type=int, nargs="?", default=100, help="for each command and signal (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=COMMANDS, help="this one alone")
    given = parser.parse_args(arguments)
    wrong: list[str] = []
    rows: dict[tuple[str, str], Row] = {}
    chosen = {name: command for name, command in COMMANDS.items() if given.command in (None, name)}
    with tempfile.TemporaryDirectory() as place:
        warm(Path(place), chosen.values())
        for name, command in chosen.items():
            for number in (signal.SIGKILL, signal.SIGTERM):
                rng = np.random.default_rng([given.seed, number])
                row = rows[name, number.name] = kill(command, number, given.moments, rng, Path(place))
                shutil.rmtree(Path(place, "out"))
                wrong += row.wrong
                said = [f"{name} {number.name}: {row.equal} of {given.moments} equal", *row.wrong]
                print("\n".join(said), file=sys.stderr, flush=True)
        print(table(rows))
        for writer in writers():
            folder = Path(place, "files")
            folder.mkdir()
            tried, *found = fail(writer, folder)
            shutil.rmtree(folder)
            wrong += found
            print("\n".join([f"{writer.name}: {tried}, {len(found)} wrong", *found]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
