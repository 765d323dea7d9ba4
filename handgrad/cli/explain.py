"""`handgrad explain`."""

import inspect
from itertools import cycle
from typing import TYPE_CHECKING, Annotated

import typer
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from contract.names import SIDES
from handgrad.errors import BadInputError, refusing
from handgrad.terminal import Terminal

if TYPE_CHECKING:
    from handgrad.dictionary import Entry


def explain_command(
    op: Annotated[
        str | None, typer.Argument(metavar="[OP]", help="As in HuberLoss, huber, torch.nn.ReLU; none: all are listed.")
    ] = None,
) -> int:
    """Explain an op: formula, derivation, the code of both directions, kinks, and the errors that were measured.

    It is the op's page of the dictionary, docs/dictionary/, without the picture.
    """
    from handgrad.dictionary import FAMILIES, entries, find

    console = Terminal()
    if op is None:
        for family in FAMILIES:
            names = ", ".join(entry.name for entry in entries() if entry.family == family)
            console.print(Text(family, "bold"), names, "", sep="\n")
        console.print("handgrad explain OP shows one of them")
        return 0
    with refusing():
        entry = find(op)
    _show(entry, console)
    return 0


def _show(entry: "Entry", console: Terminal) -> None:
    from handgrad.dictionary import facts, measurements
    from handgrad.dictionary.source import blocks

    def said(doc: str) -> None:
        for block in blocks(doc):
            console.print(block, soft_wrap=block.startswith("    "))  # a formula is broken by nobody but the terminal
            console.print()

    if entry.name not in (known := measurements()):
        raise BadInputError(f"{entry.name} was not measured; run: make dictionary")
    page = facts(entry, known[entry.name])
    console.print(Text(entry.name, "bold"), entry.call, sep="\n", soft_wrap=True)
    console.print(
        f"{entry.family} · {f'the same in PyTorch: {entry.torch}' if entry.torch else 'PyTorch has no such op'}\n"
    )
    said(entry.doc)
    if page["proved"]:
        console.print(f"Derivative proved by computer algebra: {page['proved']}.\n")
    for part in entry.mentioned():
        console.print(Text(part.__name__, "bold"))
        said(inspect.getdoc(part) or "")
    for code in page["codes"]:
        console.print(Text(f"{code.title}, {code.path}", "bold"), soft_wrap=True)
        console.print(Syntax("", "python", theme="ansi_dark").highlight(code.text), soft_wrap=True)
    if page["helpers"]:
        console.print(f"It uses {', '.join(f'{code.title} ({code.path})' for code in page['helpers'])}.\n")
    if page["points"]:
        value, what = ("value", "x, t") if page["loss"] else ("y", "x")
        of = "The loss of one number x and one target t, and its derivative by x." if page["loss"] else "y and dy/dx."
        console.print(Text("Kinks and conventions", "bold"), f"float32, as measured. {of}", sep="\n")
        heads = (what, f"NumPy {value}", "derivative", f"PyTorch {value}", "derivative")
        console.print(_table(heads, page["points"]), "")
    if page["errors"]:
        said_of = "Distance from the judge's centre in ulp, and the worst as a share of the bound."
        console.print(Text("Measured error", "bold"), said_of, f"Of {page['inputs']}.", sep="\n")
        lines = [line for row in page["errors"] for line in ([*row[:2], *row[2:5]], ["", "", *row[5:]])]
        lines = [[*line[:2], side, *line[2:]] for line, side in zip(lines, cycle(SIDES.values()), strict=False)]
        console.print(_table(("", "", "", "99 %", "worst", "of bound"), lines, texts=3))
    if page["rates"]:
        numbers, equal = page["rates"]["numbers"], page["rates"]["equal"]
        of = f"Of {numbers} rates of an optimizer that starts with 0.1, {equal} are equal to the last bit on both sides"
        console.print(Text("Measured", "bold"), f"{of}. Here {page['arguments']}.", sep="\n")
    if page["draws"]:
        of = "A weight of 300 × 200, drawn by NumPy and by PyTorch's own generator."
        console.print(Text("Measured", "bold"), of, sep="\n")
        console.print(_table(("", "mean", "standard deviation", "smallest", "largest"), page["draws"], texts=1))
    console.print(f"{page['machine']}.", style="dim")


def _table(columns: tuple[str, ...], rows: list[list[str]], texts: int = 0) -> Table:
    """Numbers to the right; the first so many columns are text."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, heading in enumerate(columns):
        table.add_column(heading, justify="left" if i < texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    return table
