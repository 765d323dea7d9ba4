"""`handgrad trace`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from handgrad.cli.experiment import experiment
from handgrad.cli.options import (
    RECIPE,
    Name,
    given,
    option,
    takes,
    whole,
)
from handgrad.errors import BadInputError, refusing
from handgrad.terminal import printable


@takes(*(field for field in RECIPE if field not in ("epochs", "class_weights", "judge_every")))
def trace_command(
    name: Name,
    step: Annotated[int, option("step", whole, "K", "Which training step, from 1 on.")] = 1,
    entry: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[I,J]",
            help="One number to unfold: a gradient as layers.0.weight[2,1], dL/dy of a layer as 'delta layers.0[3,2]', "
            "or 'update layers.0.weight[2,1]'.",
        ),
    ] = None,
    depth: Annotated[int, option("depth", whole, "N", "How many layers deep --entry unfolds.")] = 1,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write each tensor in full, as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page.")] = None,
    **recipe: Any,
) -> int:
    """Show one training step in full: every layer's numbers on both sides, how far apart, within which bound.

    Both sides start the step from the same state. Exit code 0: every number of both sides held.
    """
    named = experiment(name, given(recipe))
    from handgrad.experiments.own import file_of
    from handgrad.files import refuse_overwriting, refuse_unwritable, write_text
    from handgrad.trace import parse_entry, trace, unfold
    from handgrad.trace.as_json import to_json
    from handgrad.trace.page import page
    from handgrad.trace.text import text
    from handgrad.training.train import prepare

    files = [(path, written) for path, written in ((json, to_json), (html, page)) if path is not None]
    for place, path in (("--json", json), ("--html", html)):
        if path is not None:
            refuse_overwriting(place, path, file_of(name))
    if len({path.resolve() for path, _ in files}) < len(files):
        raise BadInputError(f"--json and --html must be two files; got {json} for both")
    with refusing():
        if entry is not None:
            parse_entry(entry)
        elif depth != 1:
            raise ValueError("--depth says how deep --entry unfolds; there is no --entry")
        for path, _ in files:
            refuse_unwritable(path)
        found = trace(prepare(named), step)
        line = None if entry is None else unfold(found, entry, depth)
        for path, written in files:
            write_text(path, written(found, line))
    print(printable(text(found, line)))
    return 0 if found.held else 1
