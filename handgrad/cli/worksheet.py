"""`handgrad worksheet`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli.options import choice, option, seed, whole
from handgrad.errors import BadInputError, refusing
from handgrad.terminal import printable

if TYPE_CHECKING:
    from fractions import Fraction

    from handgrad.worksheet import Sheet


def worksheet_command(
    net: Annotated[str, typer.Option(metavar="N-N-N", help="Widths of input, hidden layers and output.")] = "2-2-1",
    activation: Annotated[
        str,
        option(
            "activation",
            partial(choice, allowed=("relu", "leaky_relu", "hardtanh", "identity")),
            "NAME",
            "relu, leaky_relu (slope 1/2), hardtanh or identity.",
        ),
    ] = "relu",
    loss: Annotated[
        str,
        option("loss", partial(choice, allowed=("mse", "half")), "NAME", "mse, or half for half the squared error."),
    ] = "mse",
    samples: Annotated[int, option("samples", whole, "N", "1, 2 or 4 samples in the batch.")] = 2,
    seed: Annotated[int, option("seed", seed, "N", "Of the numbers: another one is another sheet.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")] = Path("worksheet"),
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Judge a filled-in answers.json instead of writing a sheet.")
    ] = None,
) -> int:
    """Write one training step of a tiny net as a worksheet: small numbers, exact fractions, blanks to fill in by hand.

    Four files: worksheet.html prints on one sheet of A4, key.html and key.json have the answers, answers.json is
    yours to fill in. --check answers.json says which box is wrong and what it looks like; exit code 0 if all are right.
    """
    from handgrad.files import write_folder
    from handgrad.worksheet.answers import to_json, widths
    from handgrad.worksheet.check import check as judged
    from handgrad.worksheet.page import page
    from handgrad.worksheet.sheet import draw
    from handgrad.worksheet.text import text

    if check is not None:
        sheet, answers = _filled_in(check)
        findings = judged(sheet, answers)
        print(printable(text(findings)))
        return 0 if all(finding.verdict == "right" for finding in findings) else 1
    with refusing(kinds=(ValueError,)):
        sheet = draw(widths(net), activation, loss, seed, samples)
    key = sheet.key()
    files = {
        "worksheet.html": page(sheet),
        "key.html": page(sheet, key),
        "key.json": to_json(sheet, key),
        "answers.json": to_json(sheet, dict.fromkeys(key)),
    }
    answers_file = out / "answers.json"
    if answers_file.exists():  # somebody's work
        if _filled_in(answers_file)[0] != sheet:
            raise BadInputError(f"{answers_file} belongs to another sheet; choose another --out, or remove it")
        del files["answers.json"]
    with refusing(f"--out {out}", kinds=()):
        write_folder(out, files)
    print(printable(f"{out / 'worksheet.html'}  {len(key)} boxes to fill in, on one sheet of A4"))
    print(printable(f"{out / 'key.html'}, key.json  the answers"))
    print(printable(f"{answers_file}  yours; then: handgrad worksheet --check {answers_file}"))
    return 0


def _filled_in(path: Path) -> "tuple[Sheet, dict[str, Fraction | None]]":
    from handgrad.worksheet.answers import read

    with refusing(kinds=(ValueError,)):
        try:
            return read(path)
        except OSError as error:
            raise BadInputError(f"{path} cannot be read: {error.strerror}") from error
