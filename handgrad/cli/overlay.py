"""`handgrad overlay`."""

from pathlib import Path
from typing import Annotated

import typer

from handgrad.errors import refusing

PAGE = "overlay.html"
RUN = "A folder that `handgrad compare` wrote, or its result."


def overlay_command(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help=RUN)],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="The same.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page.", show_default=f"RUN_B/{PAGE}")] = None,
) -> int:
    """Lay two finished runs over each other: one page with what differs, their curves, films and figures.

    What differs in the two recipes is printed as well. The runs may be of different data; the page says so.
    """
    from handgrad.files import of_run, refuse_overwriting
    from handgrad.report.overlay import differing, notes, options, read, write_overlay
    from handgrad.terminal import Terminal

    with refusing():
        runs = read((first, second))
    path = out or (second if second.is_dir() else second.parent) / PAGE
    refuse_overwriting("--out", path, (*of_run(first), *of_run(second)))
    console = Terminal()
    with refusing(f"--out {path}", kinds=()), console.status("writing the page"):
        write_overlay(runs, path)
    lines = [f"differs {name}: {' (A), '.join(values)} (B)" for name, values in differing(runs, options)]
    lines = lines or ["differs nothing in the recipes"]
    for line in [*lines, *(f"note    {note}" for note in notes(runs)), f"page    {path}"]:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return 0
