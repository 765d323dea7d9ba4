"""How much memory does training add? The peak over what the process held before, in a fresh process each."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import CONTENDERS, OURS, TORCH, WRITTEN_OUT
from benchmarks.nets import NETS, Case, Problem, case_of, problem_of
from benchmarks.parity import ParityError, Reference
from benchmarks.questions.format import NOTHING
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.result import Row

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
STEPS = 3  # the second step holds what the first leaves behind; a third shows that it stays so
SIDES = (OURS, WRITTEN_OUT, TORCH)


def cases(quick: bool) -> list[Case]:
    problems = [Problem(NETS[5])] if quick else [Problem(net, o) for net in (NETS[5], NETS[7]) for o in ("SGD", "Adam")]
    return [
        {**case_of(problem, contender=name), "name": f"{problem.name}: {name}"}
        for problem in problems
        for name in SIDES
    ]


def measure(case: Case, settings: Settings) -> Row:
    problem, contender = problem_of(case), CONTENDERS[case["contender"]]
    contender.prepare(Problem(NETS[0], problem.optimizer))  # libraries load and allocate at their first call
    contender.step()
    _ = problem.weights, problem.x, problem.y  # everyone's, and not counted
    start = _reset()
    contender.prepare(problem)
    _reset()  # drawing the weights has a peak of its own
    peaks = []
    for _ in range(2):  # what is made once, as a program or an optimizer's state, is there the second time
        for _ in range(STEPS):
            contender.step()
        peaks.append(max(_peak() - start, 0))
        _reset()
    row: Row = {"added_bytes": peaks[0], "later_bytes": peaks[1], "not_timed": {}, "refused": []}
    if settings.judge:
        try:
            contender.prepare(problem)
            Reference(problem).judge(contender)
        except ParityError as error:
            row = {"not_timed": {contender.name: str(error)}, "refused": [contender.name]}
    return row


def _reset() -> int:
    """Bytes held now; the peak is counted from here on where the kernel can do that.

    What was freed goes back first: memory that the allocator keeps would be taken again and not be seen.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    try:
        CLEAR.write_text("5")
        return _field("VmRSS")
    except OSError:
        return _peak()


def _peak() -> int:
    try:
        return _field("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _field(name: str) -> int:
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


PEAKS = {
    "added_bytes": f"peak memory that training adds, its first {STEPS} steps",
    "later_bytes": f"peak memory that training adds, the {STEPS} steps after those",
}


def by_problem(rows: list[Row], peak: str = "added_bytes") -> dict[str, dict[str, float]]:
    """Problem → contender → MiB."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if peak in row:
            own = found.setdefault(problem_of(row["case"]).name, {})
            own[row["case"]["contender"]] = row[peak] / 2**20
    return found


def tables(rows: list[Row]) -> list[Table]:
    tables = []
    for peak, title in PEAKS.items():
        found = by_problem(rows, peak)
        sides = sides_of(found)
        ours = [side for side in sides if side != TORCH]
        cells = []
        for name, own in found.items():
            texts = [f"{own[side]:,.0f} MiB" if side in own else NOTHING for side in sides]
            cells.append((name, *texts, *(_over(own, side) for side in ours)))
        if cells:
            tables.append(Table(title, ("net", *sides, *(f"{side} / {TORCH}" for side in ours)), cells))
    return tables


def sides_of(found: dict[str, dict[str, float]]) -> list[str]:
    return [side for side in SIDES if any(side in own for own in found.values())]


def _over(own: dict[str, float], side: str) -> str:
    return f"{own[side] / own[TORCH]:.2f}" if side in own and own.get(TORCH, 0) > 0 else NOTHING


def picture(rows: list[Row]) -> Figure | None:
    """Once everything is made, where that was measured."""
    peak = "later_bytes" if any("later_bytes" in row for row in rows) else "added_bytes"
    every = by_problem(rows, peak)
    sides = sides_of(every)
    found = {name: own for name, own in every.items() if len(own) == len(sides) > 1}
    labels = [name.replace(", batch", "\nbatch").replace(", float32", "") for name in found]
    series = {side: [own[side] for own in found.values()] for side in sides}
    return pictures.bars(labels, series, "MiB added at the peak") if found else None


MEMORY = Question(
    "memory",
    "Peak memory",
    f"Resident memory at the peak of {STEPS} training steps, less what the process held with libraries and data "
    "loaded: weights, gradients, optimizer state, activations and workspaces. In its first steps the written-out side "
    "makes its program, on copies.",
    cases,
    measure,
    tables,
    picture,
    fresh=True,
    processes=1,
)
