"""`handgrad bench`, and what is done with its results: `compare`, `which` and `page`."""

from pathlib import Path
from typing import Annotated

import typer

from handgrad.cli.command_line import reproducing
from handgrad.cli.options import choice, option, sizes, whole
from handgrad.errors import REFUSALS, refusing
from handgrad.files import RESULT, output_folder, refuse_overwriting, refuse_unwritable

bench_app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)


@bench_app.callback()
def bench_command(
    context: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller selection: about 2 minutes, not 20.")] = False,
    question: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this; several are named one by one.")
    ] = None,
    contender: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this one and NumPy; several one by one. Your own: mine.py:Step, which is asked for whole steps.",
        ),
    ] = None,
    threads: Annotated[int, option("threads", whole, "N", "Of every library.")] = 1,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every time and ratio as a table, too.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for result, pictures and page.", show_default="runs/bench")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the rows that are there, measure the others.")] = False,
) -> int | None:
    """Time training on both sides: judged first, in fresh processes, in turn, with intervals.

    Exit code 1: the judge refused a contender, which is then not timed. Every row is kept as it comes: --resume goes
    on after a Ctrl-C, or worse. `bench compare` holds two results against each other; `bench which` predicts who is
    fastest on a net; `bench page` shows a result in a browser.
    """
    if context.invoked_subcommand is not None:
        return None
    from benchmarks.contenders import CONTENDERS, OURS, OwnError, is_own, take_own
    from benchmarks.questions import QUESTIONS
    from benchmarks.result import BadResultError
    from benchmarks.run import BenchmarkError, Plan, run_benchmark

    with refusing(kinds=(OwnError,)):
        take_own(contender or ())
    if any(map(is_own, contender or ())) and not question:
        question = ["step"]
    everything = [name for name, one in QUESTIONS.items() if one.in_quick or not quick]
    questions = tuple(choice("--question", name, QUESTIONS) for name in question or everything)
    chosen = tuple(choice("--contender", name, CONTENDERS) for name in contender or ())
    plan = Plan(questions, quick, threads, (OURS, *chosen) if chosen else ())
    folder = out or Path("runs") / "bench"
    with refusing():
        if csv is not None:
            refuse_overwriting(
                "--csv", csv, (Path(name.rpartition(":")[0]) for name in contender or () if is_own(name))
            )
            refuse_unwritable(csv)
    with refusing(f"--out {folder}", kinds=(BenchmarkError, BadResultError)):
        output_folder(folder, (RESULT,))
        return run_benchmark(plan, folder, RESULT, reproducing(context.obj), csv, resume)


@bench_app.command("compare")
def bench_compare_command(
    before: Annotated[Path, typer.Argument(metavar="A.json", help="A result of `handgrad bench`.")],
    after: Annotated[Path, typer.Argument(metavar="B.json", help="Another, measured later.")],
) -> int:
    """Which times changed from one result to another.

    Exit code 1: NumPy became slower somewhere, for real and not by little.
    """
    from benchmarks.command import run_compare

    with refusing():
        return run_compare(before, after)


@bench_app.command("which")
def bench_which_command(
    context: typer.Context,
    widths: Annotated[str, typer.Argument(metavar="SIZES", help="The net's widths, as in 784-128-10.")],
    batch: Annotated[int, option("batch", whole, "N", "Samples in a batch.")] = 32,
    result: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Predict from this result of `handgrad bench`, and not from what was measured on this machine.",
            show_default="runs/bench/which.json, measured first if it is not there: about a minute",
        ),
    ] = None,
) -> int:
    """Who is fastest on a net, predicted: ReLU between its layers, SGD, float32, one thread.

    A model of each contender's time is fitted to a few nets. `bench --question which` measures how good it is, on 30
    nets drawn by chance.
    """
    from benchmarks.command import run_which
    from benchmarks.nets import Net
    from benchmarks.run import BenchmarkError

    net = Net(sizes("SIZES", widths), batch)
    with refusing(kinds=(*REFUSALS, BenchmarkError)):
        return run_which(net, result, Path("runs") / "bench" / "which.json", context.obj)


@bench_app.command("page")
def bench_page_command(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="A result of `handgrad bench`.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to.", show_default="beside it, RESULT.html")
    ] = None,
) -> int:
    """A result as an HTML page: who is fastest where, every picture and every table. It loads nothing."""
    from benchmarks.command import run_page

    out = out or result.with_suffix(".html")
    with refusing():
        refuse_overwriting("--out", out, (result,))
        refuse_unwritable(out)
        return run_page(result, out)
