"""How long is a forward pass alone? Of a batch, and of a single sample: the latency of an answer."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import OURS, TORCH
from benchmarks.nets import NETS, Case, Net, Problem, case_of, problem_of
from benchmarks.questions.format import present, ratio_cell, time_cell
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import time_contenders
from benchmarks.result import Row

NAMES = [OURS, TORCH, "torch.compile model", "torch GPU", "jax.jit"]


def cases(quick: bool, change: Callable[[Net], Net]) -> list[Case]:
    return [case_of(Problem(change(net))) for net in ((NETS[0], NETS[3]) if quick else NETS)]


def measure(case: Case, settings: Settings) -> Row:
    names = [name for name in NAMES if settings.contenders or not settings.quick or "compile" not in name]
    return time_contenders(problem_of(case), names, settings, lambda contender: contender.forward, forward=True)


def tables(rows: list[Row], title: str) -> list[Table]:
    others = [name for name in present(rows) if name != OURS]
    cells = [
        (problem_of(row["case"]).net.name, time_cell(row, OURS), *(ratio_cell(row, name, OURS) for name in others))
        for row in rows
    ]
    return [Table(title, ("net", OURS, *others), cells)]


def picture(rows: list[Row]) -> Figure | None:
    names = [name for name in present(rows) if name != OURS]
    labels = [problem_of(row["case"]).net.name.replace(", ", "\n") for row in rows]
    return pictures.ratios(labels, names, rows, OURS, f"time of a forward pass / {OURS}'s") if names else None


READING = f"{OURS}'s time, and the others' as multiples of it. PyTorch runs in inference mode."

FORWARD = Question(
    "forward",
    "A forward pass alone",
    READING,
    partial(cases, change=lambda net: net),
    measure,
    partial(tables, title="one forward pass, float32"),
    picture,
)
LATENCY = Question(
    "latency",
    "A single sample",
    READING,
    partial(cases, change=lambda net: replace(net, batch=1)),
    measure,
    partial(tables, title="one forward pass of a single sample, float32"),
    picture,
)
