"""`handgrad compare --all`."""

import time
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from handgrad.ending import Ending
from handgrad.errors import refusing
from handgrad.terminal import Terminal


def compare_all(options: list[str], out: Path, jobs: int | None, resume: bool, command: str) -> int:
    """Run every experiment, and write the page about them. Returns the exit code: 1 if any failed."""
    from handgrad.experiments import EXPERIMENTS
    from handgrad.files import output_folder
    from handgrad.machine.environment import usable_cores
    from handgrad.report.index import Finished, write_index
    from handgrad.training.all_experiments import INDEX, TIMES, compare_all

    with refusing(f"--out {out}"):
        output_folder(out, (INDEX, TIMES))
    console, start = Terminal(), time.monotonic()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} experiments"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("all", total=len(EXPERIMENTS))

        def done(outcome: Finished) -> None:
            style = "green" if outcome.passed else "bold red"
            ours, theirs = outcome.values()
            line = f"{outcome.experiment.name:15} {outcome.verdict:11} {outcome.experiment.expect}: {ours} / {theirs}"
            progress.console.print(f"{line}  {outcome.error}", style=style, soft_wrap=True)
            progress.advance(task)

        some = list(EXPERIMENTS.values())
        outcomes, interrupted = compare_all(some, options, out, jobs or usable_cores(), resume, done)
    seconds = time.monotonic() - start
    with refusing(f"--out {out}"):
        write_index(outcomes, out / INDEX, command, seconds, interrupted)
    passed = sum(outcome.passed for outcome in outcomes)
    console.print(f"\nindex  {out / INDEX}\n", soft_wrap=True)
    ending = Ending(passed == len(outcomes), interrupted)
    line = f"{ending.word}: {passed} of {len(outcomes)} experiments passed in {seconds:.0f} s"
    console.print(line, style=ending.style)
    return ending.exit_code
