"""`handgrad unroll`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli.experiment import experiment, own_file
from handgrad.cli.options import (
    RECIPE,
    CsvFile,
    LeaveOut,
    Missing,
    Target,
    given,
    takes,
)
from handgrad.errors import BadInputError, refusing
from handgrad.terminal import printable

if TYPE_CHECKING:
    from handgrad.training.prepared import Prepared


@takes(*(field for field in RECIPE if field not in ("class_weights", "judge_every")))
def unroll_command(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="An experiment; `handgrad list` shows them. Your own: mine.py:experiment."),
    ] = None,
    csv: CsvFile = None,
    target: Target = None,
    missing: Missing = None,
    leave_out: LeaveOut = None,
    step_only: Annotated[
        bool, typer.Option("--step-only", help="One training step alone, as a function of a scratch.Trainer.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file; data that are large, to an .npz beside it.")
    ] = None,
    **recipe: Any,
) -> int:
    """Write the NumPy net's training out as a script that runs with NumPy alone, on the numbers of compare NAME.

    Each step is straight-line NumPy. Comments name layer, formula, and the line of scratch that each line came from.
    To write the script takes as long as to train the net twice, unjudged.
    """
    file = own_file(csv, target, missing, leave_out)
    named = experiment(name, given(recipe), file)
    from handgrad.experiments.own import file_of
    from handgrad.files import refuse_overwriting, refuse_unwritable, write_bytes, write_text
    from handgrad.training.script import npz, script
    from handgrad.training.train import prepare

    with refusing():
        beside = None if out is None or step_only else out.with_suffix(".npz")
        if out is not None:
            if out == beside:
                raise BadInputError(f"--out must be no .npz file, which the data get; got {out}")
            refuse_overwriting("--out", out, file_of(name, file))
            refuse_unwritable(out)
        prepared = prepare(named)
        if step_only:
            text, arrays = _step(prepared), {}
        else:
            made = script(prepared, context.obj)
            text, arrays = made.text, made.beside
        numbers = sum(array.size for array in arrays.values())
        if arrays and beside is None:
            raise BadInputError(
                f"{named.name} has {numbers:,} numbers, too many for the script itself: --out FILE puts them into an "
                ".npz file beside it, --step-only leaves them out"
            )
        if out is not None and beside is not None and arrays:
            write_bytes(beside, npz(arrays))  # first: a script without its data would be of no use
        if out is not None:
            write_text(out, text)
    if out is None:
        print(printable(text), end="")
    elif not step_only:
        print(printable(f"{out}: trains {named.name} with NumPy alone"))
        if arrays:
            print(printable(f"{beside}: the {numbers:,} numbers it reads; the script finds them beside itself"))
    return 0


def _step(prepared: "Prepared") -> str:
    from handgrad.training.train import batches
    from scratch.trainer import Trainer
    from scratch.unroll import unroll

    rows = next(batches(prepared))
    trainer = prepared.trainers["scratch"]
    assert isinstance(trainer, Trainer)
    return unroll(trainer).source(prepared.cast["x_train"][rows], prepared.cast["y_train"][rows])
