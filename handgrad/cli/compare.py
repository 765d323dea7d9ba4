"""`handgrad compare` of one experiment."""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from contract.names import SIDES
from handgrad.cli import options
from handgrad.cli.command_line import reproducing
from handgrad.cli.compare_all import compare_all
from handgrad.cli.experiment import experiment, own_file
from handgrad.cli.options import (
    RECIPE,
    CheckpointEvery,
    CsvFile,
    Device,
    LeaveOut,
    Missing,
    Target,
    given,
    option,
    takes,
    whole,
)
from handgrad.cli.say import say
from handgrad.errors import BadInputError, refusing
from handgrad.files import REPORT, RESULT, WEIGHTS
from handgrad.format import NONE, number, share, written
from handgrad.lock import locked
from handgrad.stopping import Terminated, interruptible
from handgrad.terminal import REFRESH, STEPS, Terminal, parity

if TYPE_CHECKING:
    from handgrad.experiments import Experiment
    from handgrad.training.outcome import Outcome
    from handgrad.training.record import Repeat, Run
    from handgrad.training.saving import Saving
    from handgrad.training.seeds import Request


LINES = 100  # of epochs, at most
OF_ALL = ("epochs", "seed", "dtype", "judge_every")
"""What of a recipe may be given to all experiments at once."""


@takes(*RECIPE)
def compare_command(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="An experiment; `handgrad list` shows them. Your own: mine.py:experiment."),
    ] = None,
    csv: CsvFile = None,
    target: Target = None,
    missing: Missing = None,
    leave_out: LeaveOut = None,
    everything: Annotated[bool, typer.Option("--all", help="Every experiment, and one page about them.")] = False,
    seeds: Annotated[int | None, option("seeds", options.seeds, "N", "Repeat over N seeds from --seed on.")] = None,
    jobs: Annotated[
        int | None, option("jobs", whole, "N", "Processes at once, for --all and --seeds.", show_default="cores")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint; with --all, keep what is finished.")
    ] = False,
    checkpoint_every: CheckpointEvery = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Train on where a loss is not finite.")] = False,
    device: Device = "cpu",
    out: Annotated[Path | None, typer.Option(help="Folder for report and result.", show_default="runs/NAME")] = None,
    **recipe: Any,
) -> int:
    """Train both sides from the same weights on the same batches, judge every step, and write a report.

    Exit code 0: every judged step of both sides held and the experiment's expectation is met. With another recipe
    (epochs, lr, batch size, points, optimizer and its options, loss, hidden, activation) or another seed the
    expectation is shown but does not decide, nor does that of a CSV file. --all runs every experiment and writes
    runs/index.html; --seeds N repeats a run over seeds: parity must hold in all of them, the expectation in the first.

    A run that was stopped, by Ctrl-C, SIGTERM or worse, goes on with --resume, and comes to the same numbers as one
    that was not, to the last bit.
    """
    changed = given(recipe)
    if everything:
        of_one: dict[str, object] = {"NAME": name, "--csv": csv, "--target": target, "--missing": missing}
        of_one |= {"--leave-out": leave_out}
        of_one |= {f"--{field.replace('_', '-')}": x for field, x in changed.items() if field not in OF_ALL}
        if used := [option for option, value in of_one.items() if value is not None]:
            raise BadInputError(f"--all runs every experiment with its own recipe; {used[0]} is for a single one")
        words = [f"--{field.replace('_', '-')}={value}" for field, value in changed.items()]
        words += [f"--device={device}"] * (device != "cpu") + [f"--seeds={seeds}"] * (seeds is not None)
        words += ["--keep-going"] * keep_going
        saving = [f"--checkpoint-every={checkpoint_every}"] * (checkpoint_every is not None)
        return compare_all(words, out or Path("runs"), jobs, resume, saving, context.obj)
    file = own_file(csv, target, missing, leave_out)
    named = experiment(name, changed, file)
    from handgrad.training.seeds import Request

    if named.seed + (seeds or 1) > 2**32:
        raise BadInputError(f"--seeds {seeds} from --seed {named.seed} on goes beyond the last, {2**32 - 1}")
    request = Request(name, file, changed, device)
    repeated = None if seeds is None else Repeated(request, seeds, jobs)
    command = reproducing(context.obj)
    return compare(
        named, device, out or Path("runs") / named.name, command, repeated, resume, checkpoint_every, keep_going
    )


class Repeated(NamedTuple):
    """A run over several seeds: how to name it in another process, how many, how many at once (None: every core)."""

    request: "Request"
    times: int
    jobs: int | None


def compare(
    experiment: "Experiment",
    device: str,
    out: Path,
    command: str,
    repeated: "Repeated | None" = None,
    resume: bool = False,
    checkpoint_every: float | None = None,
    keep_going: bool = False,
) -> int:
    """Run one comparison with everything a terminal shows of it. Returns the exit code."""
    from handgrad.files import output_folder, removed_if_it_fails

    console = Terminal()
    with console.status(Text(f"preparing {experiment.name}")):
        from handgrad.checkpoint.file import CheckpointError
        from handgrad.predict.weights import write as write_weights
        from handgrad.report import write_report
        from handgrad.report.result_json import write_result
        from handgrad.training.outcome import Outcome
        from handgrad.training.saving import FOLDER, Saving
        from handgrad.training.train import TrainingError, prepare, train

        with refusing():
            prepared = prepare(experiment, device)
        with refusing(f"--out {out}"):
            made = output_folder(out, (REPORT, RESULT, WEIGHTS))
    for note in prepared.data.notes:
        console.print(f"note    {note}", style="dim", soft_wrap=True)

    saving = Saving(out / FOLDER, checkpoint_every, say, through=repeated is not None)
    progress = Progress(*STEPS, console=console, auto_refresh=False)
    with ExitStack() as held:
        held.enter_context(removed_if_it_fails(made))
        with refusing(f"--out {out}"):
            held.enter_context(locked(out, saving.folder))
        with refusing("--resume", kinds=(CheckpointError,)):
            saving.begin(prepared, resume)
        with progress, refusing(kinds=(TrainingError, CheckpointError)):
            follow = Follower(progress, experiment, prepared.steps)
            run = train(prepared, command, follow, saving=saving, finite=not keep_going)
            follow.end(run)
        if repeated is not None and not (run.interrupted or run.diverged):
            _repeat(run, repeated, saving, console)
        outcome = Outcome.of(run)
        with refusing(f"--out {out}"), interruptible():
            write_weights(prepared, out / WEIGHTS)
            write_result(outcome, out / RESULT)  # before the report: it is quick, and a second Ctrl-C costs that alone
            with console.status("writing the report"):
                write_report(outcome, out / REPORT)
        if not (run.interrupted or run.diverged):
            saving.remove()

    console.print(summary_table(outcome))
    if run.repeats:
        console.print(seeds_table(outcome))
    for name, side in run.sides.items():
        for failure in side.tally.failures[:1]:
            heading = f"\n{SIDES[name]}, the first step that failed:"
            console.print(heading, failure.render(), sep="\n", soft_wrap=True)
    console.print(f"\nreport  {out / REPORT}\nresult  {out / RESULT}\nweights {out / WEIGHTS}\n", soft_wrap=True)
    console.print(verdict(outcome, saving.last), style=outcome.ending.style, soft_wrap=True)
    return outcome.ending.exit_code


def _repeat(run: "Run", repeated: Repeated, saving: "Saving", console: Terminal) -> None:
    """Add the other seeds' outcomes to the run. Ctrl-C marks it as interrupted; what is finished by then is saved."""
    from handgrad.machine.environment import usable_cores
    from handgrad.training.seeds import repeats

    first = run.experiment.seed
    there = {one.seed: one for one in saving.repeats()}
    others = range(first + 1, first + repeated.times)
    todo = [seed for seed in others if seed not in there]
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} seeds"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("seeds", total=repeated.times, completed=repeated.times - len(todo))

        def done(one: "Repeat") -> None:
            saving.add(one)
            progress.advance(task)

        try:
            found = repeats(repeated.request, todo, repeated.jobs or usable_cores(), done)
        except KeyboardInterrupt as stop:
            run.interrupted, run.terminated = True, isinstance(stop, Terminated)
            saving.keep()
            return
        except (ValueError, TypeError, MemoryError, RuntimeError) as error:
            raise BadInputError(str(error)) from error
    there |= {one.seed: one for one in found}
    run.repeats = [run.as_repeat(), *(there[seed] for seed in others)]


def seeds_table(outcome: "Outcome") -> Table:
    """Median and spread over seeds, how many met the expectation, in how many parity held."""
    from statistics import median

    run = outcome.run
    metric, total = run.experiment.expect.metric, len(run.repeats)
    table = Table(header_style="bold")
    table.add_column(f"over {total} seeds")
    for name in run.sides:
        table.add_column(SIDES[name], justify="right")
    values = [[r.values[name] for r in run.repeats] for name in run.sides]
    known = [[v for v in side if v is not None and not math.isnan(v)] for side in values]
    for label, of in (("median", median), ("smallest", min), ("largest", max)):
        cells = [written(metric, of(side)) if side else "" for side in known]
        table.add_row(f"{label} {metric.replace('_', ' ')}", *cells)
    met = [sum(met[name] for met in outcome.seeds_met) for name in run.sides]
    table.add_row(str(run.experiment.expect), *(f"{some} of {total}" for some in met))
    held = sum(repeat.parity for repeat in run.repeats)
    table.add_row("parity held on both", *[f"{held} of {total}"] * len(run.sides))
    return table


class Follower:
    """Shows a run as it goes: a bar, a few times a second, as drawing at every step would cost more than training; and
    above it a line for each epoch, or for every n-th of so many that nobody would read them."""

    def __init__(self, progress: Progress, experiment: "Experiment", steps: int) -> None:
        self.progress, self.epochs, self.steps = progress, experiment.epochs, steps
        self.task = progress.add_task(experiment.name, total=steps, note="")
        self.every = next(n for n in (1, 2, 5, *(10**k for k in range(1, 12))) if self.epochs <= n * LINES)
        self.shown, self.told = 0.0, -1

    def __call__(self, run: "Run") -> None:
        self.tell(run)
        done, now = len(run.divergence), time.monotonic()
        if now - self.shown < REFRESH and done < self.steps:
            return
        self.shown = now
        losses = " / ".join(f"{side.losses[-1]:.4g}" for side in run.sides.values())
        failing = [SIDES[name] for name, side in run.sides.items() if not side.tally.held]
        note = f"loss {losses}" + (f", {' and '.join(failing)} outside the bounds" if failing else "")
        self.progress.update(self.task, completed=done, note=note)
        self.progress.refresh()

    def end(self, run: "Run") -> None:
        self.tell(run, last=True)

    def tell(self, run: "Run", last: bool = False) -> None:
        """The line of an epoch that is over, unless it was told or is left out."""
        epoch = len(run.sides["scratch"].epochs) - 1
        if epoch == self.told or not (last or epoch % self.every == 0):
            return
        self.told = epoch
        self.progress.console.print(epoch_line(run, epoch, len(str(self.epochs))), soft_wrap=True)


def epoch_line(run: "Run", epoch: int, digits: int = 1) -> str:
    """What both sides had come to after an epoch: the training loss, and what speaks of other data, where there are."""
    records = [side.epochs[epoch] for side in run.sides.values()]
    telling = next(
        (m for m in ("test_accuracy", "test_loss", "train_accuracy") if getattr(records[0], m) is not None), ""
    )
    losses = " / ".join(number(record.train_loss, 4) for record in records)
    line = f"epoch {epoch:>{digits}}   loss {losses:21}"
    if telling:
        values = [getattr(record, telling) for record in records]
        shown = map(share, values) if "accuracy" in telling else (number(value, 4) for value in values)
        line += f"   {telling.replace('_', ' ')} {' / '.join(shown)}"
    return line.rstrip()


def summary_table(outcome: "Outcome") -> Table:
    """Both sides' numbers at the end."""
    run = outcome.run
    table = Table(header_style="bold")
    table.add_column(run.experiment.name)
    for name in run.sides:
        table.add_column(SIDES[name], justify="right")
    sides = list(run.sides.values())
    finals, tallies = [side.final for side in sides], [side.tally for side in sides]
    rows: dict[str, Sequence[str | Text]] = {
        "training loss": [number(final.train_loss) for final in finals],
        "test loss": [number(final.test_loss) for final in finals],
        "training accuracy": [share(final.train_accuracy) for final in finals],
        "test accuracy": [share(final.test_accuracy) for final in finals],
        "time per step": [f"{1e6 * side.seconds_per_step:,.0f} µs" if side.seconds else NONE for side in sides],
        "steps judged": [f"{side.tally.steps:,} of {len(side.losses):,}" for side in sides],
        "numbers judged": [f"{tally.numbers:,}" for tally in tallies],
        "numbers skipped": [tally.skipped_text for tally in tallies],
        "largest error / bound": [f"{tally.worst:.3g}" for tally in tallies],
        "parity": [parity(side.parity) for side in outcome.sides.values()],
    }
    for label, cells in rows.items():
        if any(cell != NONE for cell in cells):
            table.add_row(label, *cells)
    return table


def verdict(outcome: "Outcome", good: Path | None = None) -> str:
    """The whole run in one line. `good` is the last checkpoint, whose losses are finite."""
    run, expect = outcome.run, outcome.run.experiment.expect
    after = f" after {len(run.divergence):,} of {run.steps_planned:,} steps" if run.interrupted or run.diverged else ""
    failed = [SIDES[name] for name, side in outcome.sides.items() if side.parity == "FAILED"]
    parity = f"parity failed on {' and '.join(failed)}" if failed else "parity held on both sides"
    parity = parity if run.judged else "nothing was judged"
    if broken := [repeat.seed for repeat in run.repeats[1:] if not repeat.parity]:
        parity += f", and failed with --seed {broken[0]} ({len(broken)} of {len(run.repeats)} seeds)"
    values = {SIDES[name]: written(expect.metric, side.reached) for name, side in outcome.sides.items()}
    reached = " and ".join(f"{value} ({name})" for name, value in values.items())
    expected = f"expected {expect}, {'met' if outcome.met else 'not met'}: {reached}"
    if outcome.undecided and not run.interrupted:
        expected += f"; does not decide: {outcome.undecided}"
    blown = outcome.diverged_at
    diverged = "" if blown is None else f"; the loss is not finite from step {blown:,} on: training diverged"
    if run.diverged:
        diverged += f"; the last good checkpoint is {good}" if good else "; no checkpoint was written before it"
        diverged += "; --keep-going trains on"
    return f"{outcome.ending.word}{after}: {parity}; {expected}{diverged}"
