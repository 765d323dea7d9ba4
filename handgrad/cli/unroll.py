"""`handgrad unroll`."""

from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.experiment import experiment
from handgrad.cli.options import Activation, BatchSize, Dtype, Hidden, Name, OptimizerName, Rate, Seed, given
from handgrad.errors import refusing
from handgrad.terminal import printable


def unroll_command(
    context: typer.Context,
    name: Name,
    lr: Rate = None,
    batch_size: BatchSize = None,
    optimizer: OptimizerName = None,
    hidden: Hidden = None,
    activation: Activation = None,
    seed: Seed = None,
    dtype: Dtype = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the program instead of printing it.")] = None,
) -> int:
    """Write one training step of the NumPy net out: a program of straight-line NumPy, the same to the last bit.

    Beside each line stands the line of scratch that it came from.
    """
    named = experiment(name, given(context))
    from handgrad.files import refuse_unwritable, write_text
    from handgrad.training.train import batches, prepare
    from scratch.trainer import Trainer
    from scratch.unroll import unroll

    with refusing():
        if out is not None:
            refuse_unwritable(out)
        prepared = prepare(named)
        rows = next(batches(prepared))
        x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
        trainer = prepared.trainers["scratch"]
        assert isinstance(trainer, Trainer)
        source = unroll(trainer).source(x, y)
        if out is not None:
            write_text(out, source)
    if out is None:
        print(printable(source), end="")
    return 0
