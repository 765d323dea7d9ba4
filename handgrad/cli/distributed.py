"""`handgrad distributed`."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from contract.names import SIDES
from handgrad.cli.experiment import experiment
from handgrad.cli.options import (
    RECIPE,
    CheckpointEvery,
    Name,
    given,
    option,
    takes,
    whole,
)
from handgrad.cli.say import note, refuse, stopped
from handgrad.ending import Ending
from handgrad.errors import BadInputError, refusing
from handgrad.files import WEIGHTS, output_folder, removed_if_it_fails
from handgrad.format import number
from handgrad.lock import locked
from handgrad.stopping import Terminated, interruptible
from handgrad.terminal import REFRESH, STEPS, Terminal, parity

if TYPE_CHECKING:
    from handgrad.distributed.process_group import Ranks
    from handgrad.distributed.record import DistributedRun
    from handgrad.experiments import Experiment
    from handgrad.training.prepared import Prepared
    from handgrad.training.saving import Saving


@takes(*(field for field in RECIPE if field != "class_weights"))
def distributed_command(
    name: Name,
    device: Annotated[str, typer.Option(help="cpu (gloo) or cuda (nccl), one GPU for each process.")] = "cpu",
    timeout: Annotated[
        int | None, option("timeout", whole, "SECONDS", "How long a process waits for the others; 300 if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for weights and checkpoints.", show_default="runs/distributed-NAME")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    checkpoint_every: CheckpointEvery = None,
    **recipe: Any,
) -> int:
    """Train PyTorch on several processes, each on its shard of every batch, and judge the averaged gradients.

    Start it as: torchrun --nproc-per-node 2 -m handgrad distributed NAME (docs/distributed.md). The batch size is that
    of all processes together. Exit code 0, on all processes: the averaged gradients and the hand-written ones are those
    of the whole batch, and all processes hold the same weights bit for bit.

    A run that was stopped goes on with --resume: on as many processes to the last bit, on others within the bounds.
    """
    named = experiment(name, given(recipe))
    from handgrad.distributed.process_group import TIMEOUT, joined
    from handgrad.distributed.saving import COMMAND
    from handgrad.training.saving import FOLDER, Saving

    saving = Saving(
        (out or Path("runs") / f"distributed-{named.name}") / FOLDER, checkpoint_every, note, command=COMMAND
    )
    try:
        with joined(device, timeout or TIMEOUT) as ranks:
            # What goes wrong from here on is said before the others notice that this process has left them.
            try:
                return distributed(named, ranks, saving, resume)
            except BadInputError as error:
                return refuse(str(error))
            except (Exception, Terminated) as error:
                with interruptible():  # torchrun ends the others as soon as one has ended: they speak first
                    return _ended(error, ranks)
    except KeyboardInterrupt as stop:  # outside the training, which ends by itself
        return stopped(stop)
    except ValueError as error:
        raise BadInputError(str(error)) from error


def _ended(error: Exception | Terminated, ranks: "Ranks") -> int:
    """Say in one line what ended this process's part: its own error, or the processes that it waited for in vain."""
    from handgrad.distributed.process_group import of_others, silent

    if of_others(error) and (missing := silent(ranks)):
        who = f"rank{'s' * (len(missing) > 1)} {', '.join(map(str, missing))} of {ranks.world}"
        if "timed out" in str(error).lower():
            return refuse(f"{who} did not answer for {ranks.timeout} s; a slow machine may need a longer --timeout")
        return refuse(f"{who} ended without a word (killed, out of memory, crashed?)")
    if isinstance(error, Terminated):
        return stopped(error)
    return refuse(f"rank {ranks.rank} of {ranks.world}: {type(error).__name__}: {error}")  # one line, no traceback


def distributed(experiment: "Experiment", ranks: "Ranks", saving: "Saving", resume: bool) -> int:
    """This process's part of one distributed run; rank 0 shows and writes everything. Returns the exit code."""
    from handgrad.checkpoint.file import CheckpointError
    from handgrad.distributed.process_group import everyones, of_first
    from handgrad.distributed.train import refuse_unshardable, train
    from handgrad.training.train import prepare

    with refusing():
        prepared = prepare(experiment, ranks.device)
        refuse_unshardable(prepared, ranks.world)
    console = Terminal()
    with ExitStack() as held:
        saving.tree = of_first(ranks, lambda: _begin(held, saving, prepared, resume))
        progress = Progress(*STEPS, console=console, auto_refresh=False, disable=ranks.rank != 0)
        with progress, refusing(kinds=(CheckpointError,)):
            run = train(prepared, ranks, _follow(progress, experiment.name, prepared.steps), saving)
        with interruptible():  # what is left is short, and a rank that left here alone would be taken for a dead one
            of_first(ranks, lambda: _write(run, saving, prepared))
            if ranks.rank == 0:
                _show(run, prepared, ranks, console)
            everyones(None)  # torchrun ends all processes at the first exit code that is not 0: rank 0 has printed
    return Ending(run.held, run.interrupted, run.terminated).exit_code


def _begin(held: ExitStack, saving: "Saving", prepared: "Prepared", resume: bool) -> dict[str, Any] | None:
    """Make the folder and lock it. What the checkpoint holds that the run goes on from; None: it begins anew."""
    from handgrad.checkpoint.file import CheckpointError

    out = saving.folder.parent
    with refusing(f"--out {out}"):
        held.enter_context(removed_if_it_fails(output_folder(out, (WEIGHTS,))))
        held.enter_context(locked(out, saving.folder))
    with refusing("--resume", kinds=(CheckpointError,)):
        saving.begin(prepared, resume)
    return saving.tree


def _write(run: "DistributedRun", saving: "Saving", prepared: "Prepared") -> None:
    """Write the trained weights: one set of them, with which either side answers."""
    from handgrad.predict.weights import write

    trainers, out = prepared.trainers, saving.folder.parent
    trainers["scratch"].model.load_state_dict(trainers["torch"].model.state_dict())
    with refusing(f"--out {out}"):
        write(prepared, out / WEIGHTS)
    if not run.interrupted:
        saving.remove()


def _follow(progress: Progress, name: str, steps: int) -> Callable[["DistributedRun"], None]:
    task, shown = progress.add_task(name, total=steps, note=""), 0.0

    def follow(run: "DistributedRun") -> None:
        nonlocal shown
        done, now = len(run.losses), time.monotonic()
        if now - shown >= REFRESH or done == steps:
            shown = now
            progress.update(task, completed=done, note=f"loss {run.losses[-1]:.4g}")
            progress.refresh()

    return follow


def _show(run: "DistributedRun", prepared: "Prepared", ranks: "Ranks", console: Terminal) -> None:
    console.print(distributed_table(prepared.experiment.name, run, ranks))
    for side, tally in run.tallies.items():
        for failure in tally.failures[:1]:
            heading = f"\n{SIDES[side]}, the first step that failed:"
            console.print(heading, failure.render(), sep="\n", soft_wrap=True)
    if run.parted:
        console.print(f"\n{run.parted}", soft_wrap=True)
    ending = Ending(run.held, run.interrupted, run.terminated)
    after = f" after {len(run.losses):,} of {prepared.steps:,} steps" if run.interrupted else ""
    text = "averaged gradients and weights are those of the whole batch, on every process"
    line = f"{ending.word}{after}: {text if run.held else 'see above'}"
    console.print(line, style=ending.style, soft_wrap=True)


def distributed_table(name: str, run: "DistributedRun", ranks: "Ranks") -> Table:
    """A distributed run's numbers at the end."""
    table = Table(header_style="bold")
    table.add_column(name)
    processes = f"{ranks.world} process{'es' * (ranks.world != 1)}"
    table.add_column(f"PyTorch, {processes}", justify="right")
    table.add_column("NumPy, whole batch", justify="right")
    tallies, steps = list(run.tallies.values()), len(run.losses)
    rows: dict[str, Sequence[str | Text]] = {
        "loss of the first step": [number(run.losses[0])],
        "loss of the last step": [number(run.losses[-1])],
        "time per step": [f"{1e6 * run.seconds / steps:,.0f} µs"],
        "averaged through": [ranks.backend],
        "weights equal on all ranks": [f"{run.equal:,} of {steps:,} steps"],
        "gradients apart / largest": [f"{run.apart:.1e}"],
        "steps judged": [f"{tally.steps:,} of {steps:,}" for tally in tallies],
        "numbers judged": [f"{tally.numbers:,}" for tally in tallies],
        "numbers skipped": [tally.skipped_text for tally in tallies],
        "largest error / bound": [f"{tally.worst:.3g}" for tally in tallies],
        "gradients": [parity("held" if tally.held else "FAILED") for tally in tallies],
    }
    for label, cells in rows.items():
        table.add_row(label, *cells)
    return table
