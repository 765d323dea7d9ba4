"""`handgrad hunt`."""

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli.options import Hint, whole
from handgrad.errors import BadInputError, refusing
from handgrad.terminal import printable

if TYPE_CHECKING:
    from handgrad.hunt import Hunt


def hunt_command(
    number: Annotated[str | None, typer.Argument(metavar="[N]", help="Which bug; without one, all are listed.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the task here: parts.py with the bug in it, and TASK.md.")
    ] = None,
    check: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge your repaired parts.py.")] = None,
    hint: Hint = None,
    story: Annotated[
        bool, typer.Option("--story", help="What it was, where it was published, what it teaches.")
    ] = False,
) -> int:
    """Hunt a bug: a published wrong gradient, planted into a small readable file.

    Find it by reading, with `handgrad check parts.py:NAME`, and with pencil and paper. Exit code of --check: 0 if it
    is repaired, 1 if not.
    """
    from handgrad.hunt import HUNTS

    asked = [name for name, value in (("--out", out), ("--check", check), ("--hint", hint)) if value is not None]
    asked += ["--story"] * story
    if number is None:
        if asked:
            raise BadInputError(f"{asked[0]} needs the number of a bug, from 1 to {len(HUNTS)}")
        for i, each in enumerate(HUNTS, 1):
            print(printable(f"{i:>2}  {each.symptom}"))
        print("\nhandgrad hunt N --out DIR writes the task; --check FILE judges it; --hint 1, 2, 3; --story")
        return 0
    if len(asked) != 1:
        raise BadInputError(f"give one of --out, --check, --hint and --story; got {' and '.join(asked) or 'none'}")
    place = whole("the bug's number", number, high=len(HUNTS))
    hunted = HUNTS[place - 1]
    if out is not None:
        return _write(place, hunted, out)
    if check is not None:
        return _judge(place, hunted, check)
    print(printable(_told(hunted) if story else hunted.hints[hint - 1]))
    return 0


def _write(number: int, hunt: "Hunt", folder: Path) -> int:
    from handgrad.files import write_folder
    from handgrad.hunt.catalogue import task

    files = {"parts.py": hunt.planted(), "TASK.md": task(number, hunt)}
    if (folder / "parts.py").exists():  # somebody's repair
        raise BadInputError(f"{folder / 'parts.py'} is there already; choose another --out")
    with refusing(f"--out {folder}", kinds=()):
        write_folder(folder, files)
    print(printable(f"{folder / 'TASK.md'}: {hunt.symptom}"))
    print(printable(f"{folder / 'parts.py'} has one wrong backward; repair it, then:"))
    print(printable(f"handgrad hunt {number} --check {folder / 'parts.py'}"))
    return 0


def _judge(number: int, hunt: "Hunt", file: Path) -> int:
    from handgrad.check import CheckError
    from handgrad.check.surroundings import prints_aside

    with refusing(kinds=(CheckError,)), prints_aside():
        found = hunt.check(file)
    if found.exit_code == 0:
        print(printable(f"Repaired. What it was: {hunt.title}. handgrad hunt {number} --story tells the rest."))
    elif found.exit_code == 1:
        print(f"The bug is still there. handgrad hunt {number} --hint 1 helps; so does handgrad check on every part.")
    else:
        print(printable(found.render()))
    return found.exit_code


def _told(hunt: "Hunt") -> str:
    def code(line: str) -> str:
        return line.strip().replace("\n        ", "\n         ")

    lines = [f"{hunt.title} ({hunt.part})", "", f"  wrong  {code(hunt.wrong)}", f"  right  {code(hunt.right)}"]
    for text in (hunt.story, hunt.lesson):
        lines += ["", fill(text, 100)]
    return "\n".join([*lines, "", f"Source: {hunt.source}"])
