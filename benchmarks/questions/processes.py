"""Does a second process pay? The same batch on one process, and shared by two that average their gradients (gloo)."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import TORCH
from benchmarks.machine import NotAsAskedError, process_environment
from benchmarks.nets import NETS, Case, Problem, case_of, problem_of
from benchmarks.questions.format import NOTHING, digits, ratio_cell
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import time_of
from handgrad.machine.environment import same_imports

WORLD = 2
ONE, ALL = "1 process", f"{WORLD} processes"


def cases(quick: bool) -> list[Case]:
    return [case_of(Problem(net)) for net in ((NETS[5],) if quick else (NETS[3], NETS[5], NETS[7]))]


def measure(case: Case, settings: Settings) -> Row:
    row: Row = {"seconds": {}, "not_timed": {}, "refused": []}
    if not settings.chosen([TORCH]):
        return row
    cores = usable()
    if (there := len(cores) or os.cpu_count() or 1) < WORLD * settings.threads:
        row["not_timed"][ALL] = f"{WORLD} × {settings.threads} cores are needed, and {there} can be used"
        return row
    budget = settings.budget
    job = {
        "case": case,
        "judge": settings.judge,
        "threads": settings.threads,
        "cores": cores[-WORLD * settings.threads :],
        "block": budget.block,
        "rounds": budget.rounds,
        "seconds": budget.seconds,
        "fewest": budget.fewest,
    }
    found = ranks(job)
    if refusal := found.get("refusal"):
        row["not_timed"][ALL] = f"the judge refused it: {refusal}"
        row["refused"].append(ALL)
        return row
    row["seconds"] = {ONE: [found["samples"]["one"]], ALL: [found["samples"]["all"]]}
    row["calls"] = {ONE: found["calls"]["one"], ALL: found["calls"]["all"]}
    return row | {"dirty": found["dirty"], "blocks": found["blocks"]}


def usable() -> list[int]:
    """The cores that the processes may use: those of whoever started this one, which itself is kept to one of them."""
    return sorted(os.sched_getaffinity(os.getppid())) if hasattr(os, "sched_getaffinity") else []


def ranks(job: Row) -> Row:
    """What the processes that `torchrun` starts answer. NotAsAskedError, with their own last line, where they fail."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={WORLD}"]
    # The variant is this process's already.
    variables = process_environment("as found", job["threads"], os.environ) | same_imports()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "answer.json")
        command = [*launch, "-m", "benchmarks.torchrun", json.dumps(job), str(file)]
        answer = subprocess.run(
            command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        )
        if answer.returncode or not file.exists():
            errors = re.findall(r"^[\w.]*Error: .+", answer.stderr, re.MULTILINE) or answer.stderr.split("\n")
            reason = errors[0].strip() or f"exit code {answer.returncode}"
            raise NotAsAskedError(f"{WORLD} processes did not train: {reason}")
        found: Row = json.loads(file.read_text(encoding="utf-8"))
        return found


def rate_text(row: Row, name: str) -> str:
    found = time_of(seconds_of(row)[name]) if name in seconds_of(row) else None
    return NOTHING if found is None else ("" if found.clean else "? ") + digits(row["case"]["batch"] / found.value)


def tables(rows: list[Row]) -> list[Table]:
    cells: list[tuple[str, ...]] = []
    for row in rows:
        net = problem_of(row["case"]).net
        sent = f"{4 * net.parameters / 2**20:.1f} MiB"
        cells.append((net.name, sent, rate_text(row, ONE), rate_text(row, ALL), ratio_cell(row, ONE, ALL)))
    headings = ("net", "gradients", ONE, ALL, "times as fast")
    return [Table("training, samples per second, SGD, float32", headings, cells)]


def picture(rows: list[Row]) -> Figure | None:
    timed = [row for row in rows if ALL in seconds_of(row)]
    labels = [problem_of(row["case"]).net.name.replace(", ", "\n") for row in timed]
    title = f"time per step / that of {ONE}"
    return pictures.ratios(labels, [ALL], timed, ONE, title) if timed else None


PROCESSES = Question(
    "processes",
    "One process and two",
    f"Eager PyTorch, a core for each process: {ALL} train on half of the batch each and average their gradients by "
    "gloo, which copies them from process to process inside this machine, on the same cores. The last column is how "
    "many times as fast they are, 2 at best. It does not say what several machines or GPUs would do.",
    cases,
    measure,
    tables,
    picture,
    processes=1,
    in_quick=False,
)
