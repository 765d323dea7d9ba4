"""`handgrad bench`: fresh processes, one after the other; every row shown and kept as soon as it is there."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import rich.table
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import handgrad
from benchmarks import winners
from benchmarks.html_page import html_page
from benchmarks.machine import KERNEL_VARIABLES, VARIANTS, process_environment
from benchmarks.pictures import svg
from benchmarks.questions import QUESTIONS, Case, Question, Table
from benchmarks.questions.format import NOTHING
from benchmarks.result import FORMAT, Result, add, resumed, rows_of
from benchmarks.sections import about, sections
from benchmarks.timing import FULL, QUICK
from handgrad.ending import INTERRUPTED, TERMINATED
from handgrad.files import write_text
from handgrad.lock import locked
from handgrad.machine.environment import cpu_model, same_imports
from handgrad.stopping import Terminated, interruptible
from handgrad.terminal import Terminal

WORKER = ("-m", "benchmarks.worker")


class BenchmarkError(RuntimeError):
    """The benchmark could not be run. The message is one line."""


@dataclass(frozen=True)
class Plan:
    """What to measure: questions by name, and how."""

    questions: tuple[str, ...]
    quick: bool = False
    threads: int = 1
    contenders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """The work of one process."""

    question: Question
    variant: str
    cases: list[Case]
    first: bool  # of the processes with these cases: the one whose contenders are judged


def jobs(plan: Plan) -> list[Job]:
    """One process per question and variant, more of them in a full run, and where a question wants it one per case.

    The user's own variables are tried only where they set any.
    """
    found = []
    set_by_user = any(name in os.environ for name in KERNEL_VARIABLES)
    for question in (QUESTIONS[name] for name in plan.questions):
        cases = question.cases(plan.quick)
        for variant in VARIANTS if set_by_user else VARIANTS[:1]:
            own = cases if variant == VARIANTS[0] else [case for case in cases if question.as_found(case)]
            for number in range(1 if plan.quick or variant != VARIANTS[0] else question.processes):
                again = own if number == 0 else [case for case in own if question.repeated(case)]
                lots = [[case] for case in again] if question.fresh else [again] if again else []
                found += [Job(question, variant, lot, number == 0) for lot in lots]
    return found


def remaining(todo: list[Job], result: Result) -> list[Job]:
    """The jobs without what was measured before. A process that was killed on its way leaves the rest of its cases."""
    done = Counter(
        {
            (question, variant, row["case"]["name"]): row.get("processes", 1)
            for question, variant, row in rows_of(result)
        }
    )
    found = []
    for job in todo:
        cases = []
        for case in job.cases:
            place = job.question.name, job.variant, case["name"]
            if not done[place]:
                cases.append(case)
            done[place] = max(done[place] - 1, 0)
        if cases:
            found.append(replace(job, cases=cases))
    return found


def run_benchmark(
    plan: Plan, folder: Path, name: str, command: str, csv: Path | None = None, resume: bool = False
) -> int:
    """Measure, print tables, write `folder/name` after every row, pictures, page and `csv` at the end; the exit code:

    0; 1 where the judge refused a contender, which is then not timed; 130 after Ctrl-C and 143 after SIGTERM, with what
    was done. With `resume` the rows that are there are kept. Raises BenchmarkError where a process does not run as it
    should, BadResultError for a file that cannot be gone on from, BadInputError where another run writes there.
    """
    with locked(folder):
        return _run(plan, folder, name, command, csv, resume)


def _run(plan: Plan, folder: Path, name: str, command: str, csv: Path | None, resume: bool) -> int:
    console = Terminal()
    result, path = empty(plan, command), folder / name
    if resume and (there := resumed(path, result)) is not None:
        result = {**there, "command": command, "complete": False}
    stopped: KeyboardInterrupt | None = None
    try:
        measure(plan, result, path, console)
    except KeyboardInterrupt as stop:
        stopped = stop
    written = show(result, console, folder, Path(name).stem)
    page = path.with_suffix(".html")
    write_text(page, html_page(result))
    written.append(f"page      {page}")
    if csv is not None:
        write_text(csv, winners.table(result))
        written.append(f"table     {csv}")
    console.print(f"result    {path}", *written, sep="\n", soft_wrap=True)
    if stopped is not None:
        terminated = isinstance(stopped, Terminated)
        word = "terminated" if terminated else "interrupted"
        print(f"handgrad: {word}; what was measured is kept, and --resume goes on", file=sys.stderr)
        return TERMINATED if terminated else INTERRUPTED
    return 1 if any(row.get("refused") for _, _, row in rows_of(result)) else 0


def empty(plan: Plan, command: str) -> Result:
    """The result of a run that has not measured anything yet."""
    return {
        "format": FORMAT,
        "handgrad": handgrad.__version__,
        "machine": cpu_model(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": command,
        "quick": plan.quick,
        "threads": plan.threads,
        "budget": str(QUICK if plan.quick else FULL),
        "contenders": list(plan.contenders),
        "complete": False,
        "environments": {},
        "questions": {},
    }


def measure(plan: Plan, result: Result, path: Path, console: Terminal) -> None:
    """Put every row into `result`, and that into a file after each. Raises BenchmarkError."""
    with tempfile.TemporaryDirectory() as cache:
        _measure(plan, result, path, console, cache)
    result["complete"] = True
    _write(path, result)


def _measure(plan: Plan, result: Result, path: Path, console: Terminal, cache: str) -> None:
    todo = remaining(jobs(plan), result)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} rows")
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(len(job.cases) for job in todo))
        for job in todo:
            what = f"{job.question.name} ({job.variant})"
            progress.update(task, description=f"{what}: {job.cases[0]['name']}")
            for number, row in enumerate(_rows(job, plan, result, cache), 1):
                with interruptible() as stop:  # a row is in the file with all its samples, or not at all
                    add(result, job.question.name, job.variant, row)
                    _write(path, result)
                if stop.is_set():
                    raise Terminated if stop.terminated else KeyboardInterrupt
                following = job.cases[min(number, len(job.cases) - 1)]["name"]
                progress.update(task, advance=1, description=f"{what}: {following}")


def _rows(job: Job, plan: Plan, result: Result, cache: str) -> Iterator[dict[str, Any]]:
    """The rows that a fresh process answers a job with."""
    variables = process_environment(job.variant, plan.threads, os.environ) | same_imports()
    variables["TORCHINDUCTOR_CACHE_DIR"] = cache  # empty at first: what compiling costs is measured, once
    given = {
        "question": job.question.name,
        "variant": job.variant,
        "cases": job.cases,
        "threads": plan.threads,
        "quick": plan.quick,
        "judge": job.first,
        "contenders": plan.contenders,
    }
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            [sys.executable, *WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env=variables,
            start_new_session=True,  # Ctrl-C reaches this process, which then ends that one
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(BrokenPipeError):
                print(json.dumps(given), file=process.stdin, flush=True)  # and its end stays open as long as we live
            for line in process.stdout:
                answer = json.loads(line)
                if "error" in answer:
                    raise BenchmarkError(answer["error"])
                if "row" in answer:
                    yield answer["row"]
                else:
                    _same_environment(result["environments"].setdefault(job.variant, answer["environment"]), answer)
            if process.wait():
                errors.seek(0)
                last = next((text.strip() for text in reversed(errors.readlines()) if text.strip()), "no message")
                raise BenchmarkError(f"the process that measures {job.question.name} failed: {last}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with suppress(BrokenPipeError):
                process.stdin.close()


def _same_environment(before: dict[str, Any], answer: dict[str, Any]) -> None:
    """BenchmarkError where this process is another machine's than those before, as after an update and --resume."""
    here = answer["environment"]
    for name in sorted((before.keys() | here.keys()) - {"probe_seconds"}):
        if before.get(name) != here.get(name):
            raise BenchmarkError(
                f"the rows there were measured elsewhere: {name} was {before.get(name)}, and is {here.get(name)}"
            )


def _write(path: Path, result: Result) -> None:
    write_text(path, json.dumps(result, separators=(",", ":"), ensure_ascii=False) + "\n")


def show(result: Result, console: Terminal, folder: Path, stem: str) -> list[str]:
    """Print the tables of a result and write its pictures; what was written, a line each."""
    lines = []
    for section in sections(result):
        for where, table in section.tables:
            console.print(_rich(table, where, console))
        console.print(section.question.reading, style="dim")
        if section.said:
            console.print(section.said, soft_wrap=True)
        for reason in section.left_out:
            console.print(f"not timed: {reason}", style="dim")
        if section.figure:
            path = folder / f"{stem}-{section.question.name}.svg"
            write_text(path, svg(section.figure))
            lines.append(f"picture   {path}")
        console.print()
    console.print(about(result), style="dim")
    return lines


def _rich(table: Table, where: str, console: Terminal) -> rich.table.Table:
    """As it is where that is wide enough; else a line for each number, under its row's name."""
    shown = rich.table.Table(title=table.title + where, header_style="bold", title_justify="left")
    for i, heading in enumerate(table.headings):
        shown.add_column(heading, justify="right" if i else "left", overflow="fold")
    for cells in table.cells:
        shown.add_row(*cells)
    if console.measure(shown, options=console.options.update(width=10**6)).maximum <= console.width:
        return shown
    long = rich.table.Table(title=table.title + where, show_header=False, title_justify="left")
    for row in table.cells:
        told = [pair for pair in zip(table.headings[1:], row[1:], strict=True) if pair[1] != NOTHING]
        for n, pair in enumerate(told):
            long.add_row("" if n else row[0], *pair, end_section=n == len(told) - 1)
    return long
