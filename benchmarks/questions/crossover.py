"""Who is fastest, at which width and batch, and what is it that costs: the calls or the arithmetic?"""

from collections.abc import Iterator

from matplotlib.figure import Figure

from benchmarks import pictures
from benchmarks.contenders import CONTENDERS
from benchmarks.nets import Case, Net, Problem, case_of, problem_of
from benchmarks.questions.format import NOTHING, digits, present, time_text
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import time_contenders
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import overhead_and_rate, ratio_of, time_of

WIDTHS, BATCHES = (8, 32, 128, 512, 1024), (1, 8, 32, 128, 512)
NAMES = [
    name for name in CONTENDERS if "GPU" not in name and "compile" not in name and name not in ("micrograd", "plain C")
]
NOBODY = "no difference"


def cases(quick: bool) -> list[Case]:
    widths, batches = ((32, 512), (1, 32)) if quick else (WIDTHS, BATCHES)
    problems = [Problem(Net((w, w, w, 10), n)) for w in widths for n in batches]
    return [case_of(problem, width=problem.net.sizes[0]) for problem in problems]


def measure(case: Case, settings: Settings) -> Row:
    return time_contenders(problem_of(case), NAMES, settings)


def fastest(row: Row) -> tuple[str, float]:
    """Who, and how many times as long the next best takes; NOBODY where the two cannot be told apart."""
    times = {name: t.value for name, samples in seconds_of(row).items() if (t := time_of(samples))}
    order = sorted(times, key=times.__getitem__)
    if len(order) < 2:
        return NOBODY, 1.0
    ratio = ratio_of(seconds_of(row)[order[1]], seconds_of(row)[order[0]])
    if ratio is None or ratio.low <= 1:
        return NOBODY, 1.0
    return order[0], ratio.value


def fits(rows: list[Row]) -> Iterator[tuple[str, float, float]]:
    """Contender, seconds per step that do not depend on the size, operations per second beyond them."""
    for name in present(rows):
        found = [(row, t) for row in rows if name in seconds_of(row) and (t := time_of(seconds_of(row)[name]))]
        if len(found) > 2:
            a, b = overhead_and_rate(
                [problem_of(row["case"]).net.flops for row, _ in found], [t.value for _, t in found]
            )
            yield name, a, 1 / b if b else 0.0


def tables(rows: list[Row]) -> list[Table]:
    batches = sorted({row["case"]["batch"] for row in rows})
    widths = sorted({row["case"]["width"] for row in rows})
    found = {(row["case"]["width"], row["case"]["batch"]): fastest(row) for row in rows}

    def cell(width: int, batch: int) -> str:
        name, factor = found.get((width, batch), (NOTHING, 1.0))
        return f"{name} {factor:.2f}×" if name in CONTENDERS else name

    grid = [(f"width {width}", *(cell(width, batch) for batch in batches)) for width in widths]
    costs: list[tuple[str, ...]] = [
        (name, time_text(a) if a else "0", digits(rate / 1e9) if rate else NOTHING) for name, a, rate in fits(rows)
    ]
    return [
        Table("the fastest, and how many times as long the next takes", ("", *(f"batch {n}" for n in batches)), grid),
        Table("time ≈ overhead + operations / rate", ("who", "overhead per step", "GFLOP/s"), costs),
    ]


def picture(rows: list[Row]) -> Figure | None:
    cells = {(row["case"]["width"], row["case"]["batch"]): fastest(row) for row in rows}
    widths, batches = (sorted({key[i] for key in cells}) for i in (0, 1))
    return pictures.fastest_map(widths, batches, cells) if cells else None


CROSSOVER = Question(
    "crossover",
    "Who is fastest where",
    f"A net with two hidden layers of the same width, SGD, float32. The fit over the whole map separates what a step "
    f"costs whatever its size from the rate of its arithmetic; '{NOBODY}': the interval of the two fastest holds 1.",
    cases,
    measure,
    tables,
    picture,
    processes=1,
    in_quick=False,
)
