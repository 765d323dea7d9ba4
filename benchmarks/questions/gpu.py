"""From which batch on does a GPU pay? Samples per second, with and without copying the batch to it."""

import torch
from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import CONTENDERS, OURS, TORCH
from benchmarks.nets import Case, Net, Problem, case_of, problem_of
from benchmarks.questions.format import NOTHING, digits, present
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import time_contenders
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import time_of

SIZES = (784, 2048, 2048, 10)
BATCHES = (1, 16, 256, 4096, 16384)  # the judge needs a minute for the last, on its one core
LARGEST_ON_CPU = 4096  # beyond, the CPU's rate no longer changes and a step takes seconds
NAMES = [OURS, TORCH, *(name for name in CONTENDERS if "GPU" in name)]


def cases(quick: bool) -> list[Case]:
    """None without a GPU."""
    batches = BATCHES[1::2] if quick else BATCHES
    return [case_of(Problem(Net(SIZES, n))) for n in batches] if torch.cuda.is_available() else []


def measure(case: Case, settings: Settings) -> Row:
    names = [name for name in NAMES if "GPU" in name or case["batch"] <= LARGEST_ON_CPU]
    return time_contenders(problem_of(case), names, settings)


def rates(rows: list[Row], name: str) -> list[tuple[float, float]]:
    """Batch and samples per second."""
    own = [(row["case"]["batch"], time_of(seconds_of(row)[name])) for row in rows if name in seconds_of(row)]
    return [(batch, batch / t.value) for batch, t in own if t]


def tables(rows: list[Row]) -> list[Table]:
    batches = [row["case"]["batch"] for row in rows]
    cells = []
    for name in present(rows):
        found = dict(rates(rows, name))
        cells.append((name, *(digits(found[n] / 1000) if n in found else NOTHING for n in batches)))
    headings = ("thousand samples per second", *(f"batch {n}" for n in batches))
    return [Table(f"training {'-'.join(map(str, SIZES))}, SGD, float32", headings, cells)] if cells else []


def picture(rows: list[Row]) -> Figure | None:
    series = {name: found for name in present(rows) if (found := rates(rows, name))}
    return pictures.lines({"": series}, ["batch"], "samples per second") if series else None


GPU = Question(
    "gpu",
    "CPU and GPU",
    "Training throughput. On the GPU the batch lies in its memory, or ('copying') is copied from pinned memory at "
    "every step. float32 products, TF32 off, which is PyTorch's default.",
    cases,
    measure,
    tables,
    picture,
)
