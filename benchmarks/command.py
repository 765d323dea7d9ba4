"""`handgrad bench compare`: two results as a table and an exit code."""

from pathlib import Path

import rich.table

from benchmarks.compare import compare, differences, regressions
from benchmarks.questions.format import ratio_text
from benchmarks.result import BadResultError, load
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
