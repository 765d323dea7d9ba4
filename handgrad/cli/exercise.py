"""`handgrad exercise`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli.options import Hint, choice
from handgrad.errors import BadInputError, refusing
from handgrad.terminal import printable

if TYPE_CHECKING:
    from handgrad.exercises import Attempt, Exercise


def exercise_command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which; without one, all are listed.")] = None,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Your file, if it is not in --out.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Judge your file.")] = False,
    hint: Hint = None,
    solution: Annotated[bool, typer.Option("--solution", help="Print what was to be written.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of your files.")] = Path("exercises"),
    json: Annotated[bool, typer.Option("--json", help="Print the list, or the judge's answer, as JSON.")] = False,
) -> int:
    """Write a backward pass, a loss or an optimizer yourself: a file with a hole, and a judge for what you put there.

    NAME writes the file, --check judges it and asks a question where it is wrong; --hint 2 and 3 say more. Exit code
    of --check: 0 if it is right, 1 if it is wrong, 2 if nothing is written yet or nothing can be told.
    """
    from handgrad.exercises import EXERCISES

    judged = check or hint is not None
    if name is None:
        if judged or solution:
            raise BadInputError(
                "--check, --hint and --solution need the name of an exercise; without one all are listed"
            )
        return _list(out, json)
    by_name = {exercise.name: exercise for exercise in EXERCISES}
    exercise = by_name[choice("the exercise", name.replace("_", "-").removesuffix(".py"), by_name)]
    if judged and solution:
        raise BadInputError("give --check or --solution, not both")
    if file is not None and not judged:
        raise BadInputError(f"FILE is what --check judges; got {file} without it")
    if json and not judged:
        raise BadInputError("--json needs --check, or no name")
    if solution:
        print(printable(exercise.written()))
        return 0
    if judged:
        return _judge(exercise, file or out / exercise.file, hint, json)
    return _write(exercise, out)


def _list(folder: Path, as_json: bool) -> int:
    """All exercises, each with what was made of it."""
    from handgrad.exercises import EXERCISES

    found = [(exercise, _status(exercise, folder / exercise.file)) for exercise in EXERCISES]
    if as_json:
        rows = [{"name": exercise.name, "task": exercise.title, "status": status} for exercise, status in found]
        print(json.dumps({"version": 1, "exercises": rows}, indent=2, ensure_ascii=False))
        return 0
    for exercise, status in found:
        print(printable(f"{exercise.name:<23} {status or '':<12} {exercise.title}"))
    solved = sum(status == "solved" for _, status in found)
    print(
        printable(
            f"\n{solved} of {len(found)} solved in {folder}. handgrad exercise NAME writes a task; --check, --hint 2"
        )
    )
    return 0


def _status(exercise: "Exercise", file: Path) -> str | None:
    """What was made of an exercise: None where there is no file."""
    from handgrad.check import CheckError

    if not file.exists():
        return None
    try:
        return _attempt(exercise, file).status
    except CheckError:
        return "cannot run"


def _attempt(exercise: "Exercise", file: Path) -> "Attempt":
    from handgrad.check.surroundings import prints_aside
    from handgrad.exercises import attempt

    with prints_aside():
        return attempt(exercise, file)


def _write(exercise: "Exercise", folder: Path) -> int:
    from handgrad.files import write_folder

    file = folder / exercise.file
    if file.exists():  # somebody's work
        raise BadInputError(f"{file} is there already; --check judges it, another --out writes a new one")
    with refusing(f"--out {folder}", kinds=()):
        write_folder(folder, {file.name: exercise.task()})
    print(printable(f"{file}  {exercise.title}"))
    print(printable(f"Write {exercise.hole} there; the text above it says what it gets and returns. Then:"))
    print(printable(_command(exercise, file)))
    return 0


def _command(exercise: "Exercise", file: Path) -> str:
    return f"handgrad exercise {exercise.name} --check {file}"


def _judge(exercise: "Exercise", file: Path, hint: int | None, as_json: bool) -> int:
    from handgrad.check import CheckError

    if not file.exists():
        raise BadInputError(f"there is no file {file}; handgrad exercise {exercise.name} writes one")
    with refusing(kinds=(CheckError,)):
        found = _attempt(exercise, file)
    if as_json:
        print(json.dumps(_plain(found, hint or 1), indent=2, ensure_ascii=False))
    elif found.status == "unsolved" and hint is None:
        raise BadInputError(f"{file}: {exercise.hole} is still to be written; --hint 1 helps")
    else:
        print(printable(_said(found, hint or 1)))
    return found.exit_code


def _plain(found: "Attempt", level: int) -> dict[str, Any]:
    open_ = found.status in ("wrong", "unsolved")
    fields = {"status": found.status, "wrong": found.tensor, "pattern": found.pattern}
    return {"version": 1, "name": found.exercise.name, **fields, "hint": found.hint(level) if open_ else ""}


def _said(found: "Attempt", level: int) -> str:
    from handgrad.exercises import EXERCISES

    name, again = found.exercise.name, _command(found.exercise, found.file)
    if found.status == "solved":
        place = EXERCISES.index(found.exercise) + 1
        after = f" Next: handgrad exercise {EXERCISES[place].name}" if place < len(EXERCISES) else ""
        return f"{name}: right.{after}"
    if found.status == "cannot tell":
        return found.text
    head = (
        f"{name}: WRONG, {found.tensor}"
        if found.status == "wrong"
        else f"{name}: {found.exercise.hole} is to be written"
    )
    more = [f"{again} --hint {level + 1} says more"] if level < 3 else [f"handgrad exercise {name} --solution"]
    told = [found.text] if found.status == "wrong" and level == 3 else []
    return "\n".join([head, f"Hint {level}: {found.hint(level)}", *told, *more])
