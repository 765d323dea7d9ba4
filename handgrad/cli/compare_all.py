"""`handgrad compare --all`."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from handgrad.ending import Ending
from handgrad.errors import refusing
from handgrad.lock import locked
from handgrad.stopping import Terminated
from handgrad.terminal import Terminal

if TYPE_CHECKING:
    from handgrad.report.index import Finished


def compare_all(options: list[str], out: Path, jobs: int | None, resume: bool, saving: list[str], command: str) -> int:
    """Run every experiment, and write the page about them. Returns the exit code: 1 if any failed."""
    from handgrad.files import output_folder
    from handgrad.report.index import write_index
    from handgrad.training.all_experiments import INDEX, TIMES

    console, start = Terminal(), time.monotonic()
    with ExitStack() as held:
        with refusing(f"--out {out}"):
            output_folder(out, (INDEX, TIMES))
            held.enter_context(locked(out))
        outcomes, stopped = _followed(console, options, out, jobs, resume, saving)
        seconds = time.monotonic() - start
        with refusing(f"--out {out}"):
            write_index(outcomes, out / INDEX, command, seconds, stopped is not None)
    passed = sum(outcome.passed for outcome in outcomes)
    console.print(f"\nindex  {out / INDEX}\n", soft_wrap=True)
    ending = Ending(passed == len(outcomes), stopped is not None, isinstance(stopped, Terminated))
    line = f"{ending.word}: {passed} of {len(outcomes)} experiments passed in {seconds:.0f} s"
    console.print(line, style=ending.style)
    return ending.exit_code


def _followed(
    console: Terminal, options: list[str], out: Path, jobs: int | None, resume: bool, saving: list[str]
) -> "tuple[list[Finished], KeyboardInterrupt | None]":
    """Run them with a live bar, and a line for each."""
    from handgrad.experiments import EXPERIMENTS
    from handgrad.machine.environment import usable_cores
    from handgrad.training.all_experiments import compare_all

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} experiments"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("all", total=len(EXPERIMENTS))

        def done(outcome: "Finished") -> None:
            style = "green" if outcome.passed else "bold red"
            ours, theirs = outcome.values()
            line = f"{outcome.experiment.name:15} {outcome.verdict:11} {outcome.experiment.expect}: {ours} / {theirs}"
            progress.console.print(f"{line}  {outcome.error}", style=style, soft_wrap=True)
            progress.advance(task)

        some = list(EXPERIMENTS.values())
        return compare_all(some, options, out, jobs or usable_cores(), resume, saving, done)
