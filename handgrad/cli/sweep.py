"""`handgrad sweep`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from handgrad.cli import options
from handgrad.cli.command_line import reproducing
from handgrad.cli.experiment import own_file
from handgrad.cli.options import (
    ClassWeights,
    CsvFile,
    Device,
    Dtype,
    Epochs,
    LeaveOut,
    Loss,
    Missing,
    OptimizerOptions,
    Points,
    Target,
    given,
    option,
    several,
    whole,
)

FIXED = ("epochs", "points", "dtype", "judge_every", "loss", "class_weights", "optimizer_options")
"""What is the same for every run."""


def axis(name: str, parse: options.Parser, metavar: str, help: str) -> Any:
    """`--name`, whose text gives one or several values."""
    return option(name, several(parse), f"{metavar},...", help)


def sweep_command(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="An experiment, your own (mine.py:experiment), or dead-relu."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A sweep of the sources, as activation-width; --list shows them.")
    ] = None,
    presets: Annotated[bool, typer.Option("--list", help="Show the presets and end.")] = False,
    activation: Annotated[
        Any, axis("activation", options.activation, "NAME", "To sweep, as in relu,tanh; one value sets it.")
    ] = None,
    width: Annotated[Any, axis("width", whole, "N", "Units in every hidden layer, as in 4,8.")] = None,
    depth: Annotated[Any, axis("depth", options.depth, "N", "Hidden layers, as in 1,2,3.")] = None,
    optimizer: Annotated[
        Any, axis("optimizer", options.optimizer, "NAME", "As in sgd,adam; with PyTorch's defaults, lr too.")
    ] = None,
    lr: Annotated[Any, axis("lr", options.rate, "X", "Learning rates, as in 0.01,0.1.")] = None,
    momentum: Annotated[
        Any, axis("momentum", options.rate, "X", "Of the optimizer, where it has one, as in 0,0.9.")
    ] = None,
    weight_decay: Annotated[
        Any, axis("weight-decay", options.rate, "X", "Of the optimizer, where it has one, as in 0,0.001.")
    ] = None,
    batch_size: Annotated[Any, axis("batch-size", whole, "N", "Examples per step, as in 50,100.")] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is ranked and drawn.", show_default="the experiment's")
    ] = None,
    optimizer_options: OptimizerOptions = None,
    loss: Loss = None,
    class_weights: ClassWeights = None,
    epochs: Epochs = None,
    points: Points = None,
    seeds: Annotated[
        int | None,
        option(
            "seeds",
            options.seeds,
            "N",
            "Each combination from N seeds.",
            show_default="1; dead-relu 200; a preset's",
        ),
    ] = None,
    seed: Annotated[int | None, option("seed", options.seed, "N", "The first of them.")] = None,
    dtype: Dtype = None,
    judge_every: Annotated[
        int | None,
        option("judge-every", whole, "N", "Judge every n-th step, and the last.", show_default="about 50 of a run"),
    ] = None,
    device: Device = "cpu",
    csv: CsvFile = None,
    target: Target = None,
    missing: Missing = None,
    leave_out: LeaveOut = None,
    jobs: Annotated[int | None, option("jobs", whole, "N", "Processes at once.", show_default="cores")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report and result.", show_default="runs/sweep-NAME")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the runs that are there, do the others.")] = False,
) -> int:
    """Train both sides at every combination of hyper-parameters, judge them, and write a table and heat maps.

    Every option with several values is an axis. Exit code 0: parity held in every run; the metric does not affect
    it. What is finished is kept as it comes: --resume goes on after a Ctrl-C, with more seeds, or with more values.
    dead-relu counts in how many runs source 004's one ReLU never learns, and with a LeakyReLU.
    """
    from handgrad.cli import sweep_terminal
    from handgrad.sweep.plan import AXES

    if presets:
        sweep_terminal.show_presets()
        return 0
    file = own_file(csv, target, missing, leave_out)
    axes, fixed = given(context.params, AXES), given(context.params, FIXED)
    chosen = sweep_terminal.SweepOptions(name, preset, axes, file, fixed, seed, seeds, metric, device)
    plan, folder = sweep_terminal.planned(chosen), out or Path("runs") / chosen.folder
    return sweep_terminal.run(plan, jobs, folder, resume, reproducing(context.obj))
