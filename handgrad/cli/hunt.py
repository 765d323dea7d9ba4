"""`handgrad hunt`."""

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli.options import Hint, option, whole
from handgrad.cli.say import say
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
    line: Annotated[Any, option("line", whole, "LINE", "Guess the line of parts.py that is wrong.")] = None,
    hint: Hint = None,
    story: Annotated[
        bool, typer.Option("--story", help="What it was, where it was published, what it teaches.")
    ] = False,
    score: Annotated[bool, typer.Option("--score", help="Your points, and what is left, of the hunts here.")] = False,
) -> int:
    """Hunt a bug: a published wrong gradient, planted into a small readable file.

    Find it by reading, with `handgrad check parts.py:NAME`, and with pencil and paper; then name its --line, or repair
    it and --check. Exit code of these: 0 if it is found, 1 if not. A bug is worth 10 points, 2 less for hint 1, 4 for
    hint 2, 6 for hint 3 and 1 less for each wrong guess, and none after its story.
    """
    from handgrad.hunt import HUNTS

    asked: dict[str, object] = {"--out": out, "--check": check, "--line": line, "--hint": hint}
    asked |= {"--story": story or None, "--score": score or None}
    names = [name for name, value in asked.items() if value is not None]
    if number is None:
        return _all(names)
    if len(names) != 1 or score:
        choices = "--out, --check, --line, --hint and --story"
        raise BadInputError(f"give one of {choices} with a bug's number; got {' and '.join(names) or 'none'}")
    place = whole("the bug's number", number, high=len(HUNTS))
    hunted = HUNTS[place - 1]
    if out is not None:
        return _write(place, hunted, out)
    if check is not None:
        return _judge(place, hunted, check)
    if line is not None:
        return _guess(place, hunted, line)
    from handgrad.hunt.score import count

    counted = count(place, story=True) if story else count(place, hint=hint)
    print(printable(_told(hunted) if story else hunted.hints[hint - 1]))
    if not counted:
        say(f"not counted: there is no task of bug {place} here; handgrad hunt {place} --out DIR writes one")
    return 0


def _all(asked: list[str]) -> int:
    """The list of bugs, or the score of those that were begun."""
    from handgrad.hunt import HUNTS
    from handgrad.hunt.score import scores, table

    if asked == ["--score"]:
        found = list(scores().values())
        for row in table(found) if found else ["no hunt was begun here: handgrad hunt N --out DIR writes a task"]:
            print(printable(row))
        return 0
    if asked:
        raise BadInputError(f"{asked[0]} needs the number of a bug, from 1 to {len(HUNTS)}")
    for i, each in enumerate(HUNTS, 1):
        print(printable(f"{i:>2}  {each.symptom}"))
    print("\nhandgrad hunt N --out DIR writes the task; --line LINE or --check FILE judges; --hint 1, 2, 3; --story")
    print("handgrad hunt --score shows your points")
    return 0


def _write(number: int, hunt: "Hunt", folder: Path) -> int:
    from handgrad.files import write_folder
    from handgrad.hunt.catalogue import task
    from handgrad.hunt.score import FILE, Score

    files = {"parts.py": hunt.planted(), "TASK.md": task(number, hunt), FILE: Score(number).text()}
    if (folder / "parts.py").exists():  # somebody's repair
        raise BadInputError(f"{folder / 'parts.py'} is there already; choose another --out")
    with refusing(f"--out {folder}", kinds=()):
        write_folder(folder, files)
    print(printable(f"{folder / 'TASK.md'}: {hunt.symptom}"))
    print(printable(f"{folder / 'parts.py'} has one wrong backward; name its line, or repair it, then:"))
    print(printable(f"handgrad hunt {number} --check {folder / 'parts.py'}"))
    return 0


def _judge(number: int, hunt: "Hunt", file: Path) -> int:
    from handgrad.check import CheckError
    from handgrad.check.surroundings import prints_aside

    with refusing(kinds=(CheckError,)), prints_aside():
        found = hunt.check(file)
    if found.exit_code == 0:
        _found(number, hunt, "Repaired.", file.parent, below=False)
    elif found.exit_code == 1:
        from handgrad.hunt.score import count

        if file.read_text(encoding="utf-8", errors="replace") != hunt.planted():  # as it was written: no guess yet
            count(number, file.parent, below=False, wrong=1)
        print(f"The bug is still there. handgrad hunt {number} --hint 1 helps; so does handgrad check on every part.")
    else:
        print(printable(found.render()))
    return found.exit_code


def _guess(number: int, hunt: "Hunt", line: int) -> int:
    from handgrad.hunt.score import count, lines_of

    lines = hunt.planted().splitlines()
    if line > len(lines):
        raise BadInputError(f"--line must be a line of parts.py, from 1 to {len(lines)}; got {line}")
    print(printable(f"{line:>4}  {lines[line - 1]}"))
    if line in lines_of(hunt):
        _found(number, hunt, "That is the line.")
        return 0
    count(number, wrong=1)
    print(f"Not this line of parts.py, as it was written. handgrad hunt {number} --hint 1 helps.")
    return 1


def _found(number: int, hunt: "Hunt", words: str, folder: Path = Path(), below: bool = True) -> None:
    """What is said to whom the bug is known: what it was, the lesson, the points."""
    from handgrad.hunt.score import MOST, count

    print(printable(f"{words} What it was: {hunt.title}. handgrad hunt {number} --story tells the rest."))
    print(printable(fill(f"The lesson: {hunt.lesson}", 100)))
    for score in count(number, folder, below=below, found=True):
        print(f"{score.points} of {MOST} points; handgrad hunt --score shows all.")


def _told(hunt: "Hunt") -> str:
    def code(line: str) -> str:
        return line.strip().replace("\n        ", "\n         ")

    lines = [f"{hunt.title} ({hunt.part})", "", f"  wrong  {code(hunt.wrong)}", f"  right  {code(hunt.right)}"]
    for text in (hunt.story, hunt.lesson):
        lines += ["", fill(text, 100)]
    return "\n".join([*lines, "", f"Source: {hunt.source}"])
