"""How much memory does training add? The peak over what the process held before, in a fresh process each."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import CONTENDERS, OURS, TORCH
from benchmarks.nets import NETS, Case, Problem, case_of, problem_of
from benchmarks.parity import ParityError, Reference
from benchmarks.questions.format import NOTHING
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.result import Row

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
STEPS = 3  # the second step holds what the first leaves behind; a third shows that it stays so


def cases(quick: bool) -> list[Case]:
    problems = [Problem(NETS[5])] if quick else [Problem(net, o) for net in (NETS[5], NETS[7]) for o in ("SGD", "Adam")]
    return [
        {**case_of(problem, contender=name), "name": f"{problem.name}: {name}"}
        for problem in problems
        for name in (OURS, TORCH)
    ]


def measure(case: Case, settings: Settings) -> Row:
    problem, contender = problem_of(case), CONTENDERS[case["contender"]]
    contender.prepare(Problem(NETS[0], problem.optimizer))  # libraries load and allocate at their first call
    contender.step()
    _ = problem.weights, problem.x, problem.y  # everyone's, and not counted
    start = _reset()
    contender.prepare(problem)
    _reset()  # drawing the weights has a peak of its own
    for _ in range(STEPS):
        contender.step()
    row: Row = {"added_bytes": max(_peak() - start, 0), "not_timed": {}, "refused": []}
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


def by_problem(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Problem → contender → MiB."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if "added_bytes" in row:
            own = found.setdefault(problem_of(row["case"]).name, {})
            own[row["case"]["contender"]] = row["added_bytes"] / 2**20
    return found


def tables(rows: list[Row]) -> list[Table]:
    cells = []
    for name, own in by_problem(rows).items():
        texts = [f"{own[side]:,.0f} MiB" if side in own else NOTHING for side in (OURS, TORCH)]
        both = len(own) == 2 and own[TORCH] > 0
        cells.append((name, *texts, f"{own[OURS] / own[TORCH]:.2f}" if both else NOTHING))
    return [Table("peak memory that training adds", ("net", OURS, TORCH, f"{OURS} / {TORCH}"), cells)]


def picture(rows: list[Row]) -> Figure | None:
    found = {name: own for name, own in by_problem(rows).items() if len(own) == 2}
    labels = [name.replace(", batch", "\nbatch").replace(", float32", "") for name in found]
    series = {side: [own[side] for own in found.values()] for side in (OURS, TORCH)}
    return pictures.bars(labels, series, "MiB added at the peak") if found else None


MEMORY = Question(
    "memory",
    "Peak memory",
    f"Resident memory at the peak of {STEPS} training steps, less what the process held with libraries and data "
    "loaded: weights, gradients, optimizer state, activations and workspaces.",
    cases,
    measure,
    tables,
    picture,
    fresh=True,
    processes=1,
)
