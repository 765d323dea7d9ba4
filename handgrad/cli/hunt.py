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
    from handgrad.hunt import Hunt, NetHunt
    from handgrad.hunt.score import Score

Key = int | str
"""What a hunt is called: its number, or of a net as classifier-7."""


def hunt_command(
    bug: Annotated[
        str | None,
        typer.Argument(metavar="[BUG]", help="A number, or a net and a number as classifier-7; without one, the list."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the task here: a file with the bug in it, and TASK.md.")
    ] = None,
    check: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge your repaired file.")] = None,
    line: Annotated[Any, option("line", whole, "LINE", "Guess the line of the file that is wrong.")] = None,
    hint: Hint = None,
    story: Annotated[bool, typer.Option("--story", help="What it was, how it came about, what it teaches.")] = False,
    score: Annotated[bool, typer.Option("--score", help="Your points, and what is left, of the hunts here.")] = False,
) -> int:
    """Hunt a bug: a published wrong gradient in a small file, or one of the catalogue's in the code of a net.

    1 to 30 are wrong gradients that were published, each planted into a file of activations, layers, losses or nets.
    classifier-1, classifier-2, … are bugs that the number draws from handgrad's own catalogue, each planted into a copy
    of the hand-written code of a net: a gradient, a value or a step is wrong, and `handgrad trace` shows it.

    Find it by reading, with `handgrad check FILE:NAME`, and with pencil and paper; then name its --line, or repair it
    and --check. Exit code of these: 0 if it is found, 1 if not. A bug is worth 10 points, 2 less for hint 1, 4 for
    hint 2, 6 for hint 3 and 1 less for each wrong guess, and none after its story.
    """
    asked: dict[str, object] = {"--out": out, "--check": check, "--line": line, "--hint": hint}
    asked |= {"--story": story or None, "--score": score or None}
    names = [name for name, value in asked.items() if value is not None]
    if bug is None:
        return _all(names)
    from handgrad.hunt import find

    key, hunted = find(bug)
    if len(names) != 1 or score:
        choices = "--out, --check, --line, --hint and --story"
        raise BadInputError(f"give one of {choices} with a bug's name; got {' and '.join(names) or 'none'}")
    if out is not None:
        return _write(key, hunted, out)
    if check is not None:
        return _judge(key, hunted, check)
    if line is not None:
        return _guess(key, hunted, line)
    from handgrad.hunt.score import count

    counted = count(key, story=True) if story else count(key, hint=hint)
    print(printable(hunted.told() if story else hunted.hints[hint - 1]))
    if not counted:
        say(f"not counted: there is no task of bug {key} here; handgrad hunt {key} --out DIR writes one")
    return 0


def _all(asked: list[str]) -> int:
    """The list of bugs, or the score of those that were begun."""
    from handgrad.hunt import HUNTS, NETS
    from handgrad.hunt.named import DIGITS
    from handgrad.hunt.score import scores, table

    if asked == ["--score"]:
        found, broken = scores()
        none = [] if broken else ["no hunt was begun here: handgrad hunt BUG --out DIR writes a task"]
        for row in table(list(found.values())) if found else none:
            print(printable(row))
        if broken:
            raise BadInputError("; ".join(broken))
        return 0
    if asked:
        raise BadInputError(f"{asked[0]} needs a bug: a number from 1 to {len(HUNTS)}, or one of a net as classifier-7")
    for i, each in enumerate(HUNTS, 1):
        print(printable(f"{i:>2}  {each.symptom}"))
    print(f"\nA bug of the catalogue in the code of a net; any number of up to {DIGITS} digits draws one:")
    for name, net in NETS.items():
        print(printable(f"{name + '-1, …':<17} {', '.join(net.kinds)}"))
    print("\nhandgrad hunt BUG --out DIR writes the task; --line LINE or --check FILE judges; --hint 1, 2, 3; --story")
    print("handgrad hunt --score shows your points")
    return 0


def _write(key: Key, hunt: "Hunt | NetHunt", folder: Path) -> int:
    from handgrad.files import write_folder
    from handgrad.hunt.score import FILE, Score

    file = folder / hunt.file
    if file.exists():  # somebody's repair
        raise BadInputError(f"{file} is there already; choose another --out")
    symptom = hunt.symptom
    files = {hunt.file: hunt.planted(), "TASK.md": hunt.task(key, symptom), FILE: Score(key).text()}
    with refusing(f"--out {folder}", kinds=()):
        write_folder(folder, files)
    print(printable(f"{folder / 'TASK.md'}: {symptom}"))
    print(printable(f"{file} has {hunt.faulty}; name its line, or repair it, then:"))
    print(printable(f"handgrad hunt {key} --check {file}"))
    return 0


def _judge(key: Key, hunt: "Hunt | NetHunt", file: Path) -> int:
    from handgrad.check import CheckError
    from handgrad.check.surroundings import prints_aside
    from handgrad.hunt.score import count

    with refusing(kinds=(CheckError, ValueError)), prints_aside():
        found = hunt.check(file)
    if found.exit_code == 0:
        _found(key, hunt, "Repaired.", file.parent, below=False)
    elif found.exit_code == 1:
        untouched = file.read_text(encoding="utf-8", errors="replace") == hunt.planted()  # no guess yet
        counted = count(key, file.parent, below=False, wrong=int(not untouched))
        print(f"The bug is still there. {_help(key, counted)}; so does handgrad check on every part.")
    else:
        print(printable(found.render()))
    return found.exit_code


def _guess(key: Key, hunt: "Hunt | NetHunt", line: int) -> int:
    from handgrad.hunt.score import count
    from handgrad.hunt.text import code_lines

    planted = hunt.planted()
    lines = planted.splitlines()
    if line > len(lines):
        raise BadInputError(f"--line must be a line of {hunt.file}, from 1 to {len(lines)}; got {line}")
    if line not in {*hunt.lines, *code_lines(planted)}:
        raise BadInputError(
            f"--line must be a line of code; line {line} of {hunt.file} is blank, a comment or a docstring"
        )
    print(printable(f"{line:>4}  {lines[line - 1]}"))
    if line in hunt.lines:
        _found(key, hunt, "That is the line.")
        return 0
    counted = count(key, wrong=1)
    print(f"Not this line of {hunt.file}, as it was written. {_help(key, counted)}.")
    return 1


def _help(key: Key, counted: "list[Score]") -> str:
    """What helps next: the hint after the last one that was read, or the answer."""
    read = max((3 if score.found or score.story else score.hint for score in counted), default=0)
    return f"handgrad hunt {key} " + (f"--hint {read + 1} helps" if read < 3 else "--story helps")


def _found(key: Key, hunt: "Hunt | NetHunt", words: str, folder: Path = Path(), below: bool = True) -> None:
    """What is said to whom the bug is known: what it was, the lesson, the points."""
    from handgrad.hunt.score import MOST, count

    print(printable(f"{words} What it was: {hunt.title}. handgrad hunt {key} --story tells the rest."))
    print(printable(fill(f"The lesson: {hunt.lesson}", 100)))
    for score in count(key, folder, below=below, found=True):
        print(f"{score.points} of {MOST} points; handgrad hunt --score shows all.")
