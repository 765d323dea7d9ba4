"""How near is a step to its matrix products? They alone, on the same shapes, are what no code around them can beat."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import OURS, TORCH
from benchmarks.nets import NETS, Case, Net, Problem, case_of, problem_of
from benchmarks.questions.format import NOTHING, digits, time_cell
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import ready, time_works
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import Estimate, ratio_of, time_of
from benchmarks.timing import Work
from scratch.flags import product

LARGE = 1024  # of the square product that stands for the machine's rate
RATE = "square product"


def floor(side: str) -> str:
    return f"products of {side}"


def cases(quick: bool) -> list[Case]:
    return [case_of(Problem(net)) for net in ((NETS[3], NETS[5]) if quick else NETS[2:])]


def measure(case: Case, settings: Settings) -> Row:
    problem = problem_of(case)
    contenders, row = ready(problem, [OURS, TORCH], settings)
    works: dict[str, Work] = {contender.name: contender.step for contender in contenders}
    a = np.full((LARGE, LARGE), 0.5, problem.dtype)
    works |= {floor(OURS): numpy_products(problem.net), floor(TORCH): torch_products(problem.net)}
    return row | time_works({**works, RATE: lambda: product(a, a)}, settings)


def numpy_products(net: Net) -> Callable[[], Any]:
    """Every product of a step in the memory order in which the hand-written side has it, into arrays that exist."""
    rng = np.random.default_rng(0)

    def array(*shape: int) -> Any:
        return rng.standard_normal(shape, np.float32)

    jobs = []
    for i, (fan_in, fan_out) in enumerate(pairwise(net.sizes)):
        x, w, d = array(net.batch, fan_in), array(fan_in, fan_out), array(net.batch, fan_out)
        jobs += [(x, w, d.copy()), (x.T, d, w.copy())]
        jobs += [(d, w.T, x.copy())] * (i > 0)

    @np.errstate(all="ignore")  # see scratch.flags
    def run() -> None:
        for a, b, out in jobs:
            np.matmul(a, b, out=out)

    return run


def torch_products(net: Net) -> Callable[[], Any]:
    """The same in PyTorch's memory order, W (out, in)."""
    jobs = []
    for i, (fan_in, fan_out) in enumerate(pairwise(net.sizes)):
        x, w, d = torch.randn(net.batch, fan_in), torch.randn(fan_out, fan_in), torch.randn(net.batch, fan_out)
        jobs += [(x, w.T, d.clone()), (d.T, x, w.clone())]
        jobs += [(d, w, x.clone())] * (i > 0)

    def run() -> None:
        with torch.inference_mode():
            for a, b, out in jobs:
                torch.mm(a, b, out=out)

    return run


def tables(rows: list[Row]) -> list[Table]:
    cells: list[tuple[str, ...]] = []
    for row in rows:
        net = problem_of(row["case"]).net
        cells.append((
            net.name, time_cell(row, OURS), time_cell(row, floor(OURS)), share_text(row, OURS),
            share_text(row, TORCH), rate_text(row, OURS, net.flops), rate_text(row, RATE, 2 * LARGE**3),
        ))  # fmt: skip
    headings = ("net", OURS, "its products", "share", f"{TORCH}'s share", "GFLOP/s", f"{LARGE}³ product")
    return [Table("matrix products alone / the whole step, SGD, float32", headings, cells)]


def share_text(row: Row, side: str) -> str:
    found = share_of(row, side)
    if found is None:
        return NOTHING
    return f"{'' if found.clean else '? '}{100 * found.value:.0f} % ({100 * found.low:.0f}–{100 * found.high:.0f})"


def share_of(row: Row, side: str) -> Estimate | None:
    times = seconds_of(row)
    return ratio_of(times[floor(side)], times[side]) if side in times else None


def rate_text(row: Row, name: str, flops: int) -> str:
    found = time_of(seconds_of(row)[name]) if name in seconds_of(row) else None
    return NOTHING if found is None else digits(flops / found.value / 1e9)


def picture(rows: list[Row]) -> Figure | None:
    labels = [problem_of(row["case"]).net.name.replace(", ", "\n") for row in rows]
    shares = {
        side: [100 * found.value if (found := share_of(row, side)) else 0.0 for row in rows] for side in (OURS, TORCH)
    }
    return pictures.bars(labels, shares, "matrix products, % of the step")


FLOOR = Question(
    "floor",
    "Distance to the matrix products",
    "How much of a step its matrix products take when they run alone, on the same shapes, between the steps: 100 % "
    "would be a step that does nothing else. The rates count the products' operations; beside them that of the "
    f"{LARGE}×{LARGE} product by NumPy, what the machine reaches at best.",
    cases,
    measure,
    tables,
    picture,
)
