"""`handgrad predict`."""

from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.say import say
from handgrad.errors import refusing
from handgrad.terminal import printable


def predict_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as runs/iris, or its result.json.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with the columns that the net was trained on.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the answers here.", show_default="standard output")
    ] = None,
) -> int:
    """Answer the rows of a file with the nets that `handgrad compare` trained, both sides beside each other.

    The rows are read and scaled as the training data were. The answers are CSV, a row for each: the class and its
    probability, or the number, of the hand-written side (scratch) and of PyTorch's (torch). How many rows the two
    answer differently is said on standard error.
    """
    from handgrad.files import of_run, refuse_overwriting, write_text
    from handgrad.predict import answers, read

    if out is not None:
        refuse_overwriting("--out", out, (file, *of_run(run)))
    with refusing():
        found = answers(read(run), file)
    if out is None:
        print(printable(found.table()), end="")
    else:
        with refusing(f"--out {out}", kinds=()):
            write_text(out, found.table())
    say(found.compared())
    return 0
