"""How does the time of a step grow with batch, width and depth?"""

import math

from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import OURS, TORCH
from benchmarks.nets import Case, Net, Problem, case_of, problem_of
from benchmarks.questions.format import NOTHING, time_text
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import time_contenders
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import line, time_of

SWEEPS: dict[str, list[tuple[int, Net]]] = {
    "batch": [(n, Net((256, 256, 10), n)) for n in (1, 4, 16, 64, 256, 1024, 4096)],
    "width": [(n, Net((n, n, 10), 64)) for n in (8, 16, 32, 64, 128, 256, 512, 1024, 2048)],
    "depth": [(n, Net((64, *([64] * n), 10), 64)) for n in (1, 2, 4, 8, 16, 32)],
}
"""What is varied → its values and the nets that they make."""


def cases(quick: bool) -> list[Case]:
    return [
        {**case_of(Problem(net)), "name": f"{sweep} {n}: {net.name}", "sweep": sweep, "n": n}
        for sweep, nets in SWEEPS.items()
        for n, net in (nets[:: len(nets) // 2] if quick else nets)
    ]


def measure(case: Case, settings: Settings) -> Row:
    return time_contenders(problem_of(case), [OURS, TORCH, "jax.jit"], settings)


def points(rows: list[Row], sweep: str, name: str) -> list[tuple[float, float, float]]:
    """What is varied, operations, seconds."""
    own = [row for row in rows if row["case"]["sweep"] == sweep and name in seconds_of(row)]
    found = [(row, time_of(seconds_of(row)[name])) for row in own]
    return [(row["case"]["n"], problem_of(row["case"]).net.flops, t.value) for row, t in found if t]


def names_of(rows: list[Row]) -> list[str]:
    return [name for name in (OURS, TORCH, "jax.jit") if any(name in seconds_of(row) for row in rows)]


def tables(rows: list[Row]) -> list[Table]:
    cells = []
    for sweep in SWEEPS:
        for name in names_of(rows):
            found = points(rows, sweep, name)
            half = found[len(found) // 2 - (len(found) < 6) :] if found else []
            if len(half) < 3:
                slope_text = NOTHING
            else:
                slope, _ = line([math.log(f) for _, f, _ in half], [math.log(t) for *_, t in half])
                slope_text = f"{slope.value:.2f} ({slope.low:.2f}–{slope.high:.2f})"
            ends = [f"{n:g}: {time_text(t)}" for n, _, t in (found[:1] + found[-1:])] or [NOTHING] * 2
            cells.append((f"{sweep}: {name}", *ends[:2], slope_text))
    return [Table("growth with size, SGD, float32", ("what is varied", "smallest", "largest", "slope"), cells)]


def picture(rows: list[Row]) -> Figure | None:
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for sweep in SWEEPS:
        for name in names_of(rows):
            if found := points(rows, sweep, name):
                panels.setdefault(sweep, {})[name] = [(n, 1e6 * t) for n, _, t in found]
    return pictures.lines(panels, list(panels), "µs per step") if panels else None


SCALING = Question(
    "scaling",
    "Growth with batch, width and depth",
    "The slope of log time over log operations, fitted through the larger half of the sizes: 1 is time in proportion "
    "to work, below 1 a part of the time does not depend on the size.",
    cases,
    measure,
    tables,
    picture,
    in_quick=False,
)
