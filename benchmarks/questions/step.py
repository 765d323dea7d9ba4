"""How long is a full training step? Every contender, on nets from toy to large."""

from itertools import product

from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import CONTENDERS, EVERYWHERE, OURS, TORCH, is_own
from benchmarks.nets import DTYPES, NETS, OPTIMIZERS, Case, Problem, case_of, problem_of
from benchmarks.questions.format import NOTHING, present, ratio_cell, time_cell, time_text
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import time_contenders
from benchmarks.result import Row

QUICK_NETS = (NETS[0], NETS[2], NETS[3], NETS[5])
SLOW_TO_START = ("torch.compile model", "torch.compile step")
"""They compile for seconds: a quick run has them only by name."""


def cases(quick: bool) -> list[Case]:
    if quick:
        found = [Problem(net) for net in QUICK_NETS]
        return [case_of(problem) for problem in [*found, Problem(NETS[3], "Adam")]]
    return [case_of(Problem(net, *rest)) for rest in product(OPTIMIZERS, DTYPES) for net in NETS]


def measure(case: Case, settings: Settings) -> Row:
    problem = problem_of(case)
    everyone = (problem.optimizer, problem.dtype) == ("SGD", "float32")
    own = filter(is_own, CONTENDERS)
    some = [*EVERYWHERE, *(["micrograd"] if problem.optimizer == "SGD" else []), *own]
    names = list(CONTENDERS) if everyone else some
    if settings.quick and not settings.contenders:
        names = [name for name in names if name not in SLOW_TO_START]
    return time_contenders(problem, names, settings)


def tables(rows: list[Row]) -> list[Table]:
    """One for every optimizer and dtype: our time, and how many times as long the others take."""
    found = []
    for optimizer, dtype in product(OPTIMIZERS, DTYPES):
        own = [row for row in rows if (row["case"]["optimizer"], row["case"]["dtype"]) == (optimizer, dtype)]
        others = [name for name in present(own) if name != OURS]
        cells = [
            (problem_of(row["case"]).net.name, time_cell(row, OURS), *(ratio_cell(row, name, OURS) for name in others))
            for row in own
        ]
        if cells:
            found.append(Table(f"one training step, {optimizer}, {dtype}", ("net", OURS, *others), cells))
    return [*found, *first_calls(compared(rows))]


def first_calls(rows: list[Row]) -> list[Table]:
    """What is paid once: preparing, compiling where there is something to compile, and one step."""
    names = present(rows)
    cells = []
    for row in rows:
        times = row.get("first_call", {})
        texts = [time_text(times[name]) if name in times else NOTHING for name in names]
        cells.append((problem_of(row["case"]).net.name, *texts))
    return [Table("the first call: preparing, compiling, one step", ("net", *names), cells, True)] if cells else []


def compared(rows: list[Row]) -> list[Row]:
    """The rows that have everyone."""
    return [row for row in rows if as_found(row["case"])]


def picture(rows: list[Row]) -> Figure | None:
    own = compared(rows)
    names = [name for name in present(own) if name != OURS]
    labels = [problem_of(row["case"]).net.name.replace(", ", "\n") for row in own]
    return pictures.ratios(labels, names, own, OURS, f"time of a step / {OURS}'s") if names else None


def as_found(case: Case) -> bool:
    return (case["optimizer"], case["dtype"]) == ("SGD", "float32")


def repeated(case: Case) -> bool:
    """The rows that are looked at most; all of them twice would take a full run beyond 20 minutes."""
    return case["dtype"] == "float32" and case["optimizer"] in ("SGD", "Adam")


STEP = Question(
    "step",
    "A full training step",
    f"{OURS}'s time, and the others' as multiples of it with 95 % intervals: above 1, {OURS} is faster than they are. "
    f"≈: the interval holds 1, no difference was found; "
    f"?: too few blocks were undisturbed, and all were used. {TORCH} is eager PyTorch.",
    cases,
    measure,
    tables,
    picture,
    as_found,
    repeated=repeated,
)
