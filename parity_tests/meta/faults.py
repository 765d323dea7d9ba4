"""Kill commands at drawn moments, let them go on, and compare every byte; and fail each call that writes a file.

    python -m parity_tests.meta.faults 100        # moments for each command, signal and phase; into docs/reliability.md

A moment is drawn within training, evaluation or writing, and counted where the process was when the signal came. A run
that was killed goes on with --resume and is killed again, until one comes to its end: then every byte is compared with
those of a run which nothing stopped. Times are taken from a clock that gives every run the same ones: they are all
that may differ. The workers of `bench` measure nothing here, and the two processes of `distributed` start without
`torchrun`.
"""

import argparse
import contextlib
import ctypes
import errno
import gc
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
from docs.writers.reliability import record, there
from handgrad import cli
from handgrad.checkpoint.file import CheckpointError, read
from handgrad.checkpoint.folder import numbered, read_newest
from handgrad.judge import StepJudge
from handgrad.report import result_json
from handgrad.training import saving, train
from handgrad.training.parallel import LOADED

WAIT = 300  # seconds after which a process hangs


# --- processes that are killed ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A command line without its folder, and what says how much of it was kept."""

    words: tuple[str, ...]
    kept: Callable[[Path], int]  # how often the phase of training need not begin again
    written: str  # the phase at whose every end more is kept
    ranks: int = 1  # processes that are the command together; a signal goes to one of them
    moments: int = 10**9  # at most, of each phase


def checkpoints(at_once: int, seed: int = 0) -> Callable[[Path], int]:
    """What the newest holds: sides trained `at_once`, and seeds that were finished, each of so many steps."""

    def kept(out: Path) -> int:
        if not numbered(out / saving.FOLDER):
            return 0
        _, tree, _ = read_newest(out / saving.FOLDER)
        return at_once * int(tree["position"]["step"]) + seed * len(tree["repeats"])

    return kept


def runs(out: Path) -> int:
    path = out / "result.json"
    return sum(2 * run["steps"] for run in json.loads(path.read_text(encoding="utf-8"))["runs"]) if path.exists() else 0


def rows(out: Path) -> int:
    path = out / "result.json"
    return len(list(rows_of(load(path)))) if path.exists() else 0


QUICK_WORKER = ("-m", "parity_tests.support.bench_worker")
EVERY = ("--checkpoint-every", "0")
NET = ("grow-1", "--epochs", "12")  # twelve steps
COMMANDS = {
    "compare": Command(("compare", *NET, *EVERY), checkpoints(2), "checkpoint"),
    "compare --seeds": Command(
        ("compare", "grow-1", "--epochs", "4", "--seeds", "4", "--jobs", "1", *EVERY), checkpoints(2, 8), "checkpoint"
    ),
    "sweep": Command(("sweep", *NET, "--lr", "0.1,0.2,0.3,0.4", "--jobs", "1"), runs, "result"),
    "bench": Command(("bench", "--quick", "--question", "step"), rows, "result", moments=20),
    "distributed": Command(
        ("distributed", "circle", "--epochs", "1", "--batch-size", "100", *EVERY), checkpoints(1), "checkpoint", 2
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
        "training": [(train, "make_step"), (together, "_step"), (benchmarks.run, "_rows")],
        "judging": [(StepJudge, "after"), (together, "_judge")],
        "evaluation": [(train, "_record_epoch")],
        "checkpoint": [(saving, "write_next")],
        "result": [(result_json, "write_result"), (run, "write"), (benchmarks.run, "_write"), (weights, "write")],
        "report": [(handgrad.report, "write_report"), (sweep_terminal, "write_page"), (benchmarks.run, "show")],
    }


PHASES = ("between", "training", "judging", "evaluation", "checkpoint", "result", "report")
GROUPS = {
    "training": ("training", "judging"),
    "evaluation": ("evaluation",),
    "writing": ("checkpoint", "result", "report"),
    "between": ("between",),
}


class Shared:
    """What the parent reads of a process that is dead: its phase, how often each began, and how long they took."""

    def __init__(self) -> None:
        self.numbers = np.frombuffer(mmap(-1, 8 * 3 * len(PHASES)), np.int64).reshape(3, -1)
        self.began, self.nanoseconds = self.numbers[1], self.numbers[2]

    @property
    def phase(self) -> int:
        return int(self.numbers[0, 0])

    @property
    def safe(self) -> int:
        """How often training had begun when what is kept was last written."""
        return int(self.numbers[0, 1])

    @property
    def seen(self) -> tuple[str, int]:
        """Phase and `safe` when the signal was noticed; else as they are at the end."""
        phase, safe = self.numbers[0, 2:4]
        return (PHASES[phase], int(safe)) if self.noticed else (PHASES[self.phase], self.safe)

    @property
    def noticed(self) -> bool:
        """Whether Python's handler ran: SIGTERM does not end a process at once."""
        return bool(self.numbers[0, 4])

    @property
    def trained(self) -> int:
        return int(self.began[PHASES.index("training")])

    def enter(self, number: int) -> int:
        before, self.numbers[0, 0] = self.phase, number
        return before

    def save(self) -> None:
        self.numbers[0, 1] = self.trained

    def notice(self) -> None:
        if not self.noticed:
            self.numbers[0, 2:5] = self.phase, self.safe, True

    def seconds(self, phase: str) -> float:
        """How long it took each time."""
        number = PHASES.index(phase)
        return float(self.nanoseconds[number] / self.began[number] * 1e-9)


@dataclass(frozen=True)
class Target:
    """When the n-th beginning of a phase is `delay` seconds old, a signal comes."""

    phase: str = ""
    nth: int = 0
    number: int = 0
    delay: float = 0.0

    def set(self) -> None:
        """The kernel sends it, whatever this process does by then: what is short would be over for another process."""
        library, timer = ctypes.CDLL(None), ctypes.c_void_p()
        event = (ctypes.c_int * 16)(0, 0, self.number)  # struct sigevent: no value, a signal
        library.timer_create(time.CLOCK_MONOTONIC, event, ctypes.byref(timer))
        library.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, 0, 1 + int(self.delay * 1e9)), None)  # not again


NEVER = Target()


def _child(words: list[str], written: str, shared: Shared, target: Target, output: int) -> None:
    """Run the command, up to the target at most. Never returns."""
    code = 70
    try:
        for stream in (1, 2):
            os.dup2(output, stream)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8") for stream in (1, 2))
        ticks = count()
        train.perf_counter = lambda: next(ticks) % 2 * 1e-3  # type: ignore[attr-defined]
        _clocks()
        signal.signal = _noticed(signal.signal, shared)  # type: ignore[assignment]  # in this process alone
        for name, places in phases().items():
            for owner, function in places:
                watched = _watched(getattr(owner, function), name, shared, target)
                setattr(owner, function, _saved(watched, shared) if name == written else watched)
        code = cli.main(words)
        sys.stdout.flush()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _clocks() -> None:
    """Of sweeps and of benchmarks; and ranks wait shortly for the word of one that is dead."""
    import benchmarks.run
    from handgrad.distributed import process_group
    from handgrad.sweep import run

    process_group.GRACE = 0.2
    run.monotonic = lambda: 0.0  # type: ignore[attr-defined]
    run.SAVE_EVERY = -1.0
    today = mock.Mock()
    today.now().astimezone().isoformat.return_value = "today"
    vars(benchmarks.run)["datetime"] = today
    benchmarks.run.WORKER = QUICK_WORKER


def _watched(function: Any, name: str, shared: Shared, target: Target) -> Any:
    number = PHASES.index(name)

    def watched(*given: Any, **named: Any) -> Any:
        before = shared.enter(number)
        shared.began[number] += 1
        if (target.phase, target.nth) == (name, shared.began[number]):
            target.set()
        start = time.perf_counter_ns()
        try:
            return function(*given, **named)
        finally:
            shared.nanoseconds[number] += time.perf_counter_ns() - start
            shared.enter(before)

    def each(*given: Any) -> Iterator[Any]:
        with contextlib.closing(function_(*given)) as source:
            yield from iter(lambda: watched(source), None)

    if not inspect.isgeneratorfunction(function):
        return watched
    function_, function = function, lambda source: next(source, None)
    return each


def _noticed(function: Any, shared: Shared) -> Any:
    """`signal.signal` whose handlers of SIGTERM say first where it came."""

    def set_(number: int, handler: Any) -> Any:
        def noticing(*given: Any) -> Any:
            shared.notice()
            return handler(*given)

        return function(number, noticing if number == signal.SIGTERM and callable(handler) else handler)

    return set_


def _saved(function: Any, shared: Shared) -> Any:
    def saved(*given: Any, **named: Any) -> Any:
        found = function(*given, **named)
        shared.save()
        return found

    return saved


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or the signal as a negative number; where it was, and what it said."""

    code: int
    shared: Shared
    said: str
    phase: str = ""  # of the victim when the signal came; empty: none came
    safe: int = 0  # what had been kept by then


def run(command: Command, words: list[str], target: Target = NEVER, victim: int = 0) -> Ended:
    """The command in processes of its own, of which one gets the signal of the target."""
    shared, pids = [Shared() for _ in range(command.ranks)], list[int]()
    with tempfile.TemporaryFile() as output, _meeting(command.ranks) as variables:
        for rank in range(command.ranks):
            pids.append(os.fork())
            if not pids[-1]:
                os.environ.update({name: value.format(rank=rank) for name, value in variables.items()})
                at = target if rank == victim else NEVER
                _child(words, command.written, shared[rank], at, output.fileno())
        codes = [_waited(pid) for pid in pids]
        output.seek(0)
        said = output.read().decode(errors="replace")
    hit = target.number and (codes[victim] == -target.number or shared[victim].noticed)
    phase = shared[victim].seen[0] if hit else ""
    return Ended(codes[victim], shared[0], said, phase, shared[0].seen[1])


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
    lost: int = 0  # less was there than had been written, or the run that went on did not use it
    broken: int = 0  # a file was neither the old one nor the new
    equal: int = 0  # it went on, and every file is that of a run which nothing stopped
    wrong: list[str] = field(default_factory=list)

    def of(self, group: str) -> int:
        return sum(self.moments[phase] for phase in GROUPS[group])


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


PART = 3  # a target is in the first third of what a run has of its phase: the rest of it is for the next kills
TRIES = 20  # for each moment: of a phase that is over so soon, the signal may come too late


def kill(
    command: Command,
    number: int,
    moments: int,
    rng: np.random.Generator,
    folder: Path,
    within: tuple[str, ...] = PHASES[1:],
) -> Row:
    """Kill the command until so many signals fell into each of its phases, and let it go on each time."""
    row, out = Row(), folder / "out"
    words = [*command.words, "--out", str(out)]
    first = run(command, words)
    if first.code != 0:
        raise RuntimeError(f"{' '.join(words)} fails by itself: {first.said}")
    expected, moments = contents(out), min(moments, command.moments)
    most = command.kept(out) or first.shared.trained  # of checkpoints none is left at the end
    there = [name for name in within if first.shared.began[PHASES.index(name)]]
    groups = {group: some for group, names in GROUPS.items() if (some := [name for name in names if name in there])}
    shutil.rmtree(out)
    chain: list[str] = []  # the moments at which the run in the folder was killed so far
    for _ in range(TRIES * moments * len(groups)):
        todo = [group for group in groups if row.of(group) < moments]
        if not todo and not chain:
            return row
        target, victim = NEVER, 0
        if todo:
            name = str(rng.choice(groups[rng.choice(todo)]))
            nth = 1 + int(rng.integers(-(-first.shared.began[PHASES.index(name)] // PART)))
            target = Target(name, nth, number, float(rng.uniform(0, first.shared.seconds(name))))
            victim = int(rng.integers(command.ranks)) if name == "training" else 0  # what else there is, rank 0 does
        before = command.kept(out)
        ended = run(command, [*words, *["--resume"] * bool(chain)], target, victim)
        if ended.phase:
            row.moments[ended.phase] += 1
            at = f"{target.phase} {target.nth}, in {ended.phase}, exit code {ended.code}"
            chain.append(at)
            _look(row, command, number, victim, at, ended, out, expected, min(before + ended.safe, most))
        elif ended.shared.trained > first.shared.trained - before:
            row.lost += 1
            row.wrong.append(f"lost: training began {ended.shared.trained} times, and {before} were kept: {chain}")
        if ended.code == 0 or not ended.phase:
            if ended.code == 0 and contents(out) == expected:
                row.equal += len(chain)
            else:
                others = [name for name, content in contents(out).items() if expected.get(name) != content]
                row.wrong.append(f"not equal: {chain}; then {ended.code}, {others}: {ended.said[-500:]}")
            shutil.rmtree(out)
            chain = []
    raise RuntimeError(f"too few signals fell into {', '.join(todo)}: {row}")


def _look(
    row: Row,
    command: Command,
    number: int,
    victim: int,
    at: str,
    ended: Ended,
    out: Path,
    expected: dict[str, bytes],
    least: int,
) -> None:
    """At what a process left that got the signal."""
    finished = ended.code == 0 or expected.items() <= contents(out).items()
    if not finished and command.kept(out) < least:
        row.lost += 1
        row.wrong.append(f"lost: {at}, {command.kept(out)} of {least}")
    if not whole(out):
        row.broken += 1
        row.wrong.append(f"broken: {at}")
    if number == signal.SIGTERM and ended.code not in (0, 128 + number):
        row.wrong.append(f"exit code: {at}: {ended.said[-500:]}")
    if "Traceback" in ended.said:
        row.wrong.append(f"traceback: {at}: {ended.said[-500:]}")
    dead = f"handgrad: error: rank {victim} of {command.ranks} ended without a word"
    in_training = number == signal.SIGKILL and command.ranks > 1 and ended.phase == "training"
    if in_training and dead not in ended.said:
        row.wrong.append(f"the dead rank is not named: {at}: {ended.said[-500:]}")


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


def fail(writer: Writer, folder: Path) -> tuple[int, list[str]]:
    """Each call of the writer failed in turn, in every way. Returns how often, and what went wrong."""
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
    return calls * len(HOWS), wrong


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


def measured(command: str, name: str, row: Row, seconds: float) -> dict[str, Any]:
    """A row of the matrix command × signal × phase, as docs/reliability.json has it."""
    moments = {group: row.of(group) for group in GROUPS if row.of(group) or group == "between"}
    found = {"lost": row.lost, "broken": row.broken, "equal": row.equal, "seconds": round(seconds)}
    return {"command": command, "signal": name, "moments": moments, **found}


def cost() -> dict[str, Any]:
    """What the last checkpoint of `digits` costs, which holds every moment of the report."""
    from handgrad.experiments import EXPERIMENTS
    from handgrad.experiments.overrides import with_overrides

    seconds: list[float] = []

    class Timed(saving.Saving):
        def write(self, tree: dict[str, Any]) -> None:
            start = time.process_time()
            super().write(tree)
            seconds.append(time.process_time() - start)

    prepared = train.prepare(with_overrides(EXPERIMENTS["digits"], {"epochs": 1}))
    with tempfile.TemporaryDirectory() as place:
        kept = Timed(Path(place), every=0, through=True)
        run = train.train(prepared, saving=kept)
        assert kept.last is not None
        size = kept.last.stat().st_size
    parameters = sum(parameter.data.size for parameter in prepared.trainers["scratch"].model.parameters())
    costs = {"bytes": size, "seconds": float(np.median(seconds[-5:])), "every": saving.EVERY}
    return {"parameters": parameters, "moments": len(run.moments), **costs}


def warm(folder: Path, commands: Iterable[Command]) -> None:
    """Import all that the commands need here, and not in each of the processes."""
    phases()
    for name in LOADED:  # also what is loaded at the first step of a command that does not run here
        import_module(name)
    for command in (one for one in commands if one.ranks == 1):
        with contextlib.redirect_stdout(io.StringIO()), mock.patch("benchmarks.run.WORKER", QUICK_WORKER):
            cli.main([*command.words, "--out", str(folder / "warm")])
        shutil.rmtree(folder / "warm")
    gc.collect()
    gc.freeze()  # no process looks through what it was born with: that would copy all of it


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m parity_tests.meta.faults", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "moments", type=int, nargs="?", default=100, help="for each command, signal and phase (default 100)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=COMMANDS, action="append", help="this one alone; may be said again")
    given = parser.parse_args(arguments)
    wrong: list[str] = []
    rows: list[dict[str, Any]] = []
    files: dict[str, dict[str, int]] = {}
    chosen = {name: command for name, command in COMMANDS.items() if name in (given.command or COMMANDS)}
    with tempfile.TemporaryDirectory() as place:
        warm(Path(place), {**chosen, "": COMMANDS["compare"]}.values())
        for name, command in chosen.items():
            for number in (signal.SIGKILL, signal.SIGTERM):
                before = spent()
                rng = np.random.default_rng([given.seed, number])
                row = kill(command, number, given.moments, rng, Path(place))
                wrong += row.wrong
                rows.append(measured(name, number.name, row, spent() - before))
                print("\n".join([str(rows[-1]), *row.wrong]), file=sys.stderr, flush=True)
        for writer in writers():
            folder = Path(place, "files")
            folder.mkdir()
            tried, bad = fail(writer, folder)
            shutil.rmtree(folder)
            wrong += bad
            files[writer.name] = {"faults": tried, "wrong": len(bad)}
            print("\n".join([f"{writer.name}: {tried} faults, {len(bad)} wrong", *bad]), file=sys.stderr)
    others = [row for row in there("kills") if row["command"] not in chosen]
    rows = sorted([*others, *rows], key=lambda row: list(COMMANDS).index(row["command"]))
    record(kills={"groups": list(GROUPS), "rows": rows}, calls={"rows": files}, cost=cost())
    return 1 if wrong else 0


def spent() -> float:
    """Seconds of the processor, of this process and of those that it started."""
    used = os.times()
    return sum(used[:4])


if __name__ == "__main__":
    sys.exit(main())
