"""The commands that read results: `handgrad bench compare`, `which` and `page`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rich.table
import torch

from benchmarks.compare import compare, differences, regressions
from benchmarks.html_page import html_page
from benchmarks.nets import Net, problem_of
from benchmarks.prediction import Model, fitted, is_drawn, predicted, steps, tried
from benchmarks.questions.format import digits, ratio_text, time_text
from benchmarks.questions.which import hits
from benchmarks.result import BadResultError, Result, Row, load
from benchmarks.run import Plan, empty, measure
from benchmarks.sections import environment_of
from handgrad.files import output_folder, write_text
from handgrad.machine.environment import cpu_model
from handgrad.terminal import Terminal


def run_compare(a: Path, b: Path) -> int:
    """Print what changed from `a` to `b`. 1 where this project's side became slower, else 0.

    Raises BadResultError for a file that is no result, and for two that have no time in common.
    """
    old, new = load(a), load(b)
    changes = compare(old, new)
    if not changes:
        raise BadResultError(f"{a} and {b} have no time in common")
    console = Terminal()
    table = rich.table.Table(
        header_style="bold",
        title=f"time in {b} / time in {a}; of all but PyTorch as multiples of PyTorch's in the same rounds",
        title_justify="left",
    )
    for heading in ("question", "case", "who", "ratio", "change"):
        table.add_column(heading, justify="right" if heading == "ratio" else "left", overflow="fold")
    real = [change for change in changes if change.verdict in ("slower", "faster")]
    for change in real:
        question = change.question + (" (as found)" if change.variant == "as found" else "")
        table.add_row(question, change.case, change.name, ratio_text(change.ratio), change.verdict)
    if real:
        console.print(table)
    for difference in differences(old, new):
        console.print(f"differs   {difference}", soft_wrap=True)
    worse = regressions(changes)
    console.print(
        f"{len(changes)} times in both; {len(real)} changed for real; NumPy became slower in {len(worse)}",
        style="bold red" if worse else "bold green",
    )
    return 1 if worse else 0


def run_which(net: Net, given: Path | None, kept: Path, command: str) -> int:
    """Print who is predicted to be fastest on a net, by how much, and where that is known from.

    From the result `given`; else from the one in `kept`, which is measured first where it is not of this machine and
    its libraries. Raises BadResultError for a file from which nothing can be predicted, and BenchmarkError.
    """
    console = Terminal()
    result, path = (load(given), given) if given else (_of_this_machine(kept, command, console), kept)
    with _as_written(path):
        rows = list(steps(result))
        models = fitted(rows)
        trials = tried(models, rows)
    if len(models) < 2:
        raise BadResultError(f"{path} has too few steps to predict from: nets by SGD in float32, of two contenders")
    times = predicted(models, net)
    console.print(verdict(net, models), soft_wrap=True)
    table = rich.table.Table(header_style="bold")
    for heading in ("who", "time of a step, predicted", "over the least"):
        table.add_column(heading, justify="left" if heading == "who" else "right")
    least = next(iter(times.values()))
    for name, seconds in times.items():
        table.add_row(name, time_text(seconds), digits(seconds / least))
    console.print(table)
    for line in _where_from(result, path, net, rows, models):
        console.print(line, soft_wrap=True)
    if trials:
        console.print(f"Tried in the same run: {hits(trials)}.", soft_wrap=True)
    return 0


def verdict(net: Net, models: dict[str, Model]) -> str:
    """Who is fastest, in a sentence: nobody where the two first are closer than the model is good."""
    (first, least), (second, following), *rest = predicted(models, net).items()
    factor, noise = following / least, max(models[first].miss, models[second].miss)
    if factor < noise:
        close = f"{first} and {second} are predicted to be about as fast as each other"
        return f"{net.name}, SGD, float32: {close} ({digits(factor)} times; the model is {noise - 1:.0%} off)."
    others = ", ".join(f"{name} {digits(seconds / least)}" for name, seconds in rest)
    return (
        f"{net.name}, SGD, float32: {first} is predicted to be fastest; {second} takes {digits(factor)} times as long"
        + (f" ({others})." if others else ".")
    )


def run_page(path: Path, out: Path) -> int:
    """Write a result as an HTML page. Raises BadResultError."""
    result = load(path)
    with _as_written(path):
        text = html_page(result)
    write_text(out, text)
    Terminal().print(f"page      {out}", soft_wrap=True)
    return 0


@contextmanager
def _as_written(path: Path) -> Iterator[None]:
    """In here a result is read further than `load` has looked at it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise BadResultError(f"{path} has a row that handgrad bench did not write: {error!r}") from error


def _of_this_machine(path: Path, command: str, console: Terminal) -> Result:
    """What was measured before in `path`, of this processor and these libraries; else it is measured now."""
    if path.exists():
        result, here = load(path), {"numpy": np.__version__, "torch": torch.__version__}
        there = environment_of(result)
        same = result.get("machine") == cpu_model() and all(there.get(name) == here[name] for name in here)
        if same and result.get("complete"):
            return result
    plan = Plan(("which",), quick=True)
    console.print("Measuring a few nets first: about a minute, once for this machine.", style="dim")
    output_folder(path.parent, (path.name,))
    result = empty(plan, command)
    measure(plan, result, path, console)
    return result


def _where_from(result: Result, path: Path, net: Net, rows: list[Row], models: dict[str, Model]) -> Iterator[str]:
    """How the prediction is known, and what speaks against it."""
    nets = [problem_of(row["case"]).net for row in rows if not is_drawn(row)]
    there = environment_of(result)
    off = ", ".join(f"{name} {model.miss - 1:.0%}" for name, model in models.items())
    yield (
        f"From {len(nets)} nets, timed on {result.get('machine')} (NumPy {there.get('numpy')}, PyTorch "
        f"{there.get('torch')}) on {str(result.get('started'))[:10]}: {path}. The model is off on those, at the "
        f"median: {off}."
    )
    if result.get("machine") != cpu_model():
        yield f"This machine is another one: {cpu_model()}."
    for what, of in {"layers": "layers", "elements": "elements", "operations": "flops"}.items():
        own, others = getattr(net, of), [getattr(one, of) for one in nets]
        if not min(others) <= own <= max(others):
            yield f"Beyond what was timed, in {what}: {own:,}; there were {min(others):,} to {max(others):,}."
