"""`handgrad repeat`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli.command_line import invoke
from handgrad.errors import BadInputError, refusing
from handgrad.files import RESULT
from handgrad.terminal import Terminal

if TYPE_CHECKING:
    from handgrad.report.repeated import Repetition

SHOWN = 12  # fields that differ


def repeat_command(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `handgrad compare` wrote, or its result.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the new run.", show_default="RUN/repeat")] = None,
) -> int:
    """Run a result's recipe again, and say whether all of its numbers come out the same, to the last bit.

    Exit code 0: every loss, metric, verdict count and picture's number is the same, times apart. 1: some are not; they
    are named, and so is what else is different (processor, kernels, versions, threads). The recipe is the command in
    RUN/result.json, run from the current folder; a file that it names is read again.
    """
    from handgrad.report.repeated import compare_results

    path = run / RESULT if run.is_dir() else run
    first = _result(path)
    words = _command(path, first)
    folder = out or path.parent / "repeat"
    if folder.resolve() == path.parent.resolve():
        raise BadInputError(f"--out {folder} holds the run itself; give another folder")
    code: int = invoke(context.find_root().command, [*words, "--out", str(folder)])
    if code > 1:  # it was stopped
        return code
    found = compare_results(first, _result(folder / RESULT))
    console = Terminal()
    for line in lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return 0 if found.equal else 1


def _result(path: Path) -> dict[str, Any]:
    """A result of `compare`. BadInputError for any other file."""
    from handgrad.report.result_json import read_result
    from handgrad.rules import COUNT, TEXT, TRUTH

    shape = {"handgrad": TEXT, "command": TEXT, "interrupted": TRUTH, "steps_planned": COUNT, "steps_done": COUNT}
    with refusing():
        return read_result(path, {**shape, "environment": {}, "sides": {}})


def _command(path: Path, result: dict[str, Any]) -> list[str]:
    """The words of the run's command line, without its own folder."""
    done, planned = result["steps_done"], result["steps_planned"]
    if result["interrupted"]:
        raise BadInputError(f"{path} ends after {done} of {planned} steps; finish it with handgrad compare --resume")
    try:
        words = shlex.split(result["command"])
    except ValueError:  # an open quote
        words = []
    if words[:2] != ["handgrad", "compare"] or "--all" in words:
        raise BadInputError(f"{path} was not written by handgrad compare alone, but by: {result['command']}")
    pairs = zip(["", *words], words, strict=False)  # a word and the one before it
    return [word for before, word in pairs if "--out" not in (before, word) and not word.startswith("--out=")][1:]


def lines(found: "Repetition") -> list[str]:
    """What is said at the end."""
    if found.equal:
        said = [f"REPEATED to the last bit: {found.values:,} values are the same, times apart"]
        return [*said, *(f"though {cause}" for cause in found.causes)]
    count = len(found.differences)
    said = [f"NOT REPEATED: {count:,} field{'s differ' if count > 1 else ' differs'}"]
    for name, (before, now, place) in list(found.differences.items())[:SHOWN]:
        said.append(f"  {name}{place} was {before}, and is {now}")
    if count > SHOWN:
        said.append(f"  and {count - SHOWN:,} more")
    if not found.causes:
        return [*said, "nothing that result.json keeps of the machine is different: data, threads or code may be"]
    return [*said, "what else is different:", *(f"  {cause}" for cause in found.causes)]
