"""Can it be predicted who is fastest on a net? A model is fitted to some nets, and tried on others, drawn by chance."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np

from benchmarks.nets import Case, Net, Problem, case_of, problem_of
from benchmarks.prediction import Trial, fitted, tried
from benchmarks.questions.crossover import NAMES
from benchmarks.questions.format import NOTHING, digits, time_text
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import time_contenders
from benchmarks.result import Row

FITTED = tuple(
    Net((width, *[width] * depth, 10), batch) for depth, width, batch in product((1, 3), (8, 64, 256, 768), (4, 128))
)
TRIALS = 30
LARGEST = 2e9  # operations of a drawn net's products, so that everyone has a second for a handful of steps


def drawn(count: int = TRIALS, seed: int = 0) -> list[Net]:
    """Nets of one to four hidden layers; widths and batches are spread evenly over the powers of two."""
    rng = np.random.default_rng(seed)

    def between(low: int, high: int) -> int:
        return round(2 ** rng.uniform(np.log2(low), np.log2(high)))

    found: list[Net] = []
    while len(found) < count:
        hidden = [between(2, 1024) for _ in range(rng.integers(1, 5))]
        net = Net((between(2, 1024), *hidden, between(2, 100)), between(1, 1024))
        found += [net] * (net.flops <= LARGEST)
    return found


def cases(quick: bool) -> list[Case]:
    """The nets that are fitted; those that it is tried on too, unless there is no time for them."""
    trials = [] if quick else drawn()
    return [case_of(Problem(net), drawn=net not in FITTED) for net in (*FITTED, *trials)]


def measure(case: Case, settings: Settings) -> Row:
    """A second each: a prediction need not be finer."""
    return time_contenders(problem_of(case), NAMES, replace(settings, quick=True))


def tables(rows: list[Row]) -> list[Table]:
    models = fitted(rows)
    costs: list[tuple[str, ...]] = []
    for name, model in models.items():
        step, layer, element, operation = model.costs
        rate = digits(1e-9 / operation) if operation else NOTHING
        texts = [time_text(seconds) if seconds else "0" for seconds in (step, layer, 1e3 * element)]
        costs.append((name, *texts, rate, f"{model.miss - 1:.0%}"))
    headings = ("who", "per step", "per layer", "per 1,000 elements", "GFLOP/s", "off by")
    found = [Table("a step's time, fitted", headings, costs, once=True)] if costs else []
    trials = tried(models, rows)
    cells: list[tuple[str, ...]] = [
        (
            problem_of(trial.row["case"]).net.name,
            trial.said,
            digits(trial.margin),
            " or ".join(trial.fastest),
            digits(trial.lost),
        )
        for trial in trials
    ]
    columns = ("net", "said to be fastest", "the next, said", "is fastest", "time of the one said / least")
    return [*found, *([Table(hits(trials), columns, cells, once=True)] if trials else [])]


def hits(trials: list[Trial]) -> str:
    """How good the predictions are, beside those of somebody who always says the same."""
    right = sum(trial.right for trial in trials)
    ((name, always),) = Counter(name for trial in trials for name in trial.fastest).most_common(1)
    return (
        f"{right} of {len(trials)} predictions right, of nets drawn by chance: nobody is faster than the one said, by "
        f"more than the noise (always saying {name}: {always})"
    )


WHICH = Question(
    "which",
    "Who is fastest, predicted",
    "time = a + b · layers + c · elements + d · operations, SGD, float32. Elements are what the layers give for the "
    "batch, and the parameters; operations are those of the matrix products; 'off by' is the median over the nets that "
    "were fitted. `handgrad bench which` answers for any net.",
    cases,
    measure,
    tables,
    lambda rows: None,
    processes=1,
    in_quick=False,
)
