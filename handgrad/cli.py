"""The command line. Exit codes: 0 all is well, 1 parity or the expectation failed, 2 bad input, 130 Ctrl-C.

Bad input of every kind is one line on standard error. What takes long to import (torch, scikit-learn, matplotlib) is
imported by the command that needs it.
"""

import difflib
import math
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

import handgrad
from contract.names import ACTIVATIONS, SIDES
from handgrad.ending import INTERRUPTED, Ending
from handgrad.errors import BadInputError, refusing
from handgrad.files import REPORT, RESULT
from handgrad.terminal import REFRESH, Terminal, printable

if TYPE_CHECKING:
    from handgrad.distributed.process_group import Ranks
    from handgrad.distributed.train import DistributedRun
    from handgrad.experiments import Experiment
    from handgrad.training.outcome import Outcome
    from handgrad.training.record import Run
    from handgrad.training.seeds import Request

OPTIMIZERS = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "radam": "RAdam",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "rmsprop": "RMSprop",
    "rprop": "Rprop",
    "asgd": "ASGD",
    "adafactor": "Adafactor",
}
DTYPES = ("float32", "float64")
OPTIMIZER_HELP = f"One of {', '.join(OPTIMIZERS)}; another than the recipe's starts from PyTorch's defaults."

# The options of a recipe, which several commands take: texts, so that a wrong one is refused in our words.
Epochs = Annotated[str | None, typer.Option(metavar="N", help="Passes over the training data.")]
Rate = Annotated[str | None, typer.Option(metavar="X", help="Learning rate.")]
BatchSize = Annotated[str | None, typer.Option(metavar="N", help="Examples per step.")]
OptimizerName = Annotated[str | None, typer.Option(metavar="NAME", help=OPTIMIZER_HELP)]
Hidden = Annotated[str | None, typer.Option(metavar="N,N", help="Widths of the hidden layers, as in 64,32.")]
Activation = Annotated[str | None, typer.Option(metavar="NAME", help=f"One of {', '.join(ACTIVATIONS)}.")]
Seed = Annotated[str | None, typer.Option(metavar="N", help="Of weights, batches and generated data.")]
Dtype = Annotated[str | None, typer.Option(metavar="NAME", help=f"{' or '.join(DTYPES)}.")]
JudgeEvery = Annotated[str | None, typer.Option(metavar="N", help="Judge every n-th step, and the last.")]

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=handgrad.__doc__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (that of the process if None) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without "≥" shows "?", and the run goes on
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:  # a full disk, or a pipe whose reader has enough, as `head` has
        _abandon_output()
        return _refuse(f"standard output cannot be written: {error.strerror}")
    return code


def _run(arguments: list[str]) -> int:
    """The exit code of a command line. Only what the terminal itself refuses is raised: an OSError without a file."""
    command = typer.main.get_command(app)
    try:
        for argument in arguments:
            if "\0" in argument or any(0xD800 <= ord(character) < 0xE000 for character in argument):
                raise BadInputError(f"{argument!r} is not UTF-8 text")
        with command.make_context("handgrad", arguments, obj=shlex.join(["handgrad", *arguments])) as context:
            code = command.invoke(context)
    except typer.Exit as done:  # --help was printed
        return done.exit_code
    except BadInputError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:  # outside of training, which ends by itself and is written
        _say("interrupted")
        return INTERRUPTED
    except (Exception, SystemExit) as error:
        # Usage errors. Their class has moved between click and typer; their method has not.
        if hasattr(error, "format_message"):
            return _refuse(error.format_message())
        if isinstance(error, OSError) and error.filename is None:
            raise
        if sys.flags.dev_mode:
            raise
        # Exit code 1 would say that parity failed.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}, line {frame.lineno}"
        return _refuse(f"{type(error).__name__}: {error} ({where}); python -X dev -m handgrad shows the traceback")
    return code if isinstance(code, int) else 0


def _abandon_output() -> None:
    """Let nobody write to standard output any more: the interpreter would try again when it ends, and complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(message: str) -> int:
    _say(f"error: {' '.join(message.split())}")
    return 2


def _say(line: str) -> None:
    """One line on standard error; under torchrun, from one process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        _print_error(line)
        return
    from handgrad.distributed.process_group import one_voice

    with one_voice() as first:
        if first:
            _print_error(line)


def _print_error(line: str) -> None:
    with suppress(OSError):  # nobody is there to read it; the exit code still says it
        print("handgrad:", printable(line), file=sys.stderr, flush=True)


@app.callback(invoke_without_command=True)
def handgrad_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Hand-written NumPy backpropagation and PyTorch behind one contract, judged by certified rounding bounds."""
    if version:
        print(f"handgrad {handgrad.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list")
def list_command() -> None:
    """Show the experiments: source (an article's number, see docs/experiments.md), data, what must come out."""
    from handgrad.experiments import EXPERIMENTS

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "what", "source", "data", "expected", "time"):
        table.add_column(heading, no_wrap=heading != "what", overflow="fold")
    for experiment in EXPERIMENTS.values():
        expected = str(experiment.expect).replace("accuracy", "acc.")
        source = experiment.source.replace("scikit-learn", "sklearn")
        cells = (experiment.name, experiment.title, source, experiment.size, expected)
        table.add_row(*cells, f"{experiment.seconds:.0f} s")
    Terminal().print(table)


@app.command("compare")
def compare_command(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="An experiment; `handgrad list` shows them. Your own: mine.py:experiment."),
    ] = None,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help="Your own data instead of a NAME.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of the CSV file: what to learn.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every experiment, and one page about them.")] = False,
    seeds: Annotated[str | None, typer.Option(metavar="N", help="Repeat over N seeds from --seed on.")] = None,
    jobs: Annotated[
        str | None, typer.Option(metavar="N", help="Processes at once, for --all and --seeds.", show_default="cores")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --all: keep the results that are there.")] = False,
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    optimizer: OptimizerName = None,
    hidden: Hidden = None,
    activation: Activation = None,
    seed: Seed = None,
    dtype: Dtype = None,
    judge_every: JudgeEvery = None,
    device: Annotated[str, typer.Option(help="Where the PyTorch side computes: cpu, cuda, cuda:1 ...")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Folder for report and result.", show_default="runs/NAME")] = None,
) -> int:
    """Train both sides from the same weights on the same batches, judge every step, and write a report.

    Exit code 0: every judged step of both sides held and the experiment's expectation is met. With another recipe
    (epochs, lr, batch size, optimizer, hidden, activation) or another seed the expectation is shown but does not
    decide, nor does that of a CSV file. --all runs every experiment and writes runs/index.html; --seeds N repeats a run
    over seeds: parity must hold in all of them, the expectation in the first.
    """
    texts = {
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "hidden": hidden,
        "activation": activation,
        "seed": seed,
        "dtype": dtype,
        "judge_every": judge_every,
    }
    given = _given(texts)
    times = 1 if seeds is None else _whole("--seeds", seeds, high=10_000)
    cores = None if jobs is None else _whole("--jobs", jobs)
    if resume and not everything:
        raise BadInputError("--resume belongs to --all")
    if everything:
        of_one = {"NAME": name, "--csv": csv, "--target": target, "--lr": lr, "--batch-size": batch_size}
        of_one |= {"--optimizer": optimizer, "--hidden": hidden, "--activation": activation}
        if used := [option for option, value in of_one.items() if value is not None]:
            raise BadInputError(f"--all runs every experiment with its own recipe; {used[0]} is for a single one")
        options = [f"--{f.replace('_', '-')}={text}" for f, text in texts.items() if text is not None]
        options += [f"--device={device}"] * (device != "cpu") + [f"--seeds={times}"] * (seeds is not None)
        return compare_all(options, out or Path("runs"), cores, resume, context.obj)
    experiment = _experiment(name, given, csv, target)
    from handgrad.training.seeds import Request

    if experiment.seed + times > 2**32:
        raise BadInputError(f"--seeds {times} from --seed {experiment.seed} on goes beyond the last, {2**32 - 1}")
    repeated = None if seeds is None else Repeated(Request(name, csv, target, given, device), times, cores)
    return compare(experiment, device, out or Path("runs") / experiment.name, context.obj, repeated)


@app.command("trace")
def trace_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An experiment; `handgrad list` shows them.")],
    step: Annotated[str, typer.Option(metavar="K", help="Which training step, from 1 on.")] = "1",
    entry: Annotated[
        str | None, typer.Option(metavar="NAME[I,J]", help="A gradient's entry to write out, as layers.0.weight[2,1].")
    ] = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    optimizer: OptimizerName = None,
    hidden: Hidden = None,
    activation: Activation = None,
    seed: Seed = None,
    dtype: Dtype = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every number as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page.")] = None,
) -> int:
    """Show one training step in full: every layer's numbers on both sides, how far apart, within which bound.

    Both sides start the step from the same state. Exit code 0: every number of both sides held.
    """
    texts = {
        "lr": lr,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "hidden": hidden,
        "activation": activation,
        "seed": seed,
        "dtype": dtype,
    }
    given = _given(texts)
    experiment = _experiment(name, given)
    number = _whole("--step", step)
    from handgrad.files import refuse_unwritable, write_text
    from handgrad.trace import parse_entry, sum_of, trace
    from handgrad.trace.page import page
    from handgrad.trace.words import text, to_json
    from handgrad.training.train import prepare

    files = [(path, written) for path, written in ((json, to_json), (html, page)) if path is not None]
    with refusing():
        if entry is not None:
            parse_entry(entry)
        for path, _ in files:
            refuse_unwritable(path)
        found = trace(prepare(experiment), number)
        sum_ = None if entry is None else sum_of(found, entry)
        for path, written in files:
            write_text(path, written(found, sum_))
    print(printable(text(found, sum_)))
    return 0 if found.held else 1


@app.command("sweep")
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
        str | None, typer.Option(metavar="NAME,...", help="To sweep, as in relu,tanh; one value sets it.")
    ] = None,
    width: Annotated[str | None, typer.Option(metavar="N,...", help="Units in every hidden layer, as in 4,8.")] = None,
    depth: Annotated[str | None, typer.Option(metavar="N,...", help="Hidden layers, as in 1,2,3.")] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="As in sgd,adam; with PyTorch's defaults, lr too.")
    ] = None,
    lr: Annotated[str | None, typer.Option(metavar="X,...", help="Learning rates, as in 0.01,0.1.")] = None,
    batch_size: Annotated[str | None, typer.Option(metavar="N,...", help="Examples per step, as in 50,100.")] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is ranked and drawn.", show_default="the experiment's")
    ] = None,
    epochs: Epochs = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N", help="Each combination from N seeds.", show_default="1; dead-relu 200; a preset's"),
    ] = None,
    seed: Annotated[str | None, typer.Option(metavar="N", help="The first of them.")] = None,
    dtype: Dtype = None,
    judge_every: Annotated[
        str | None,
        typer.Option(metavar="N", help="Judge every n-th step, and the last.", show_default="about 50 of a run"),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the PyTorch side computes: cpu, cuda, cuda:1 ...")] = "cpu",
    csv: Annotated[str | None, typer.Option(metavar="FILE", help="Your own data instead of a NAME.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of the CSV file: what to learn.")] = None,
    jobs: Annotated[str | None, typer.Option(metavar="N", help="Processes at once.", show_default="cores")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report and result.", show_default="runs/sweep-NAME")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the runs that are there, do the others.")] = False,
) -> int:
    """Train both sides at every combination of hyper-parameters, judge them, and write a table and heat maps.

    Every option with several values is an axis. Exit code 0: parity held in every run; which result a combination
    reaches decides nothing. What is finished is kept as it comes: --resume goes on after a Ctrl-C, with more seeds, or
    with more values. dead-relu counts in how many runs source 004's one ReLU never learns, and with a LeakyReLU.
    """
    axes_texts = {
        "activation": activation,
        "width": width,
        "depth": depth,
        "optimizer": optimizer,
        "lr": lr,
        "batch_size": batch_size,
    }
    axes = {field: _several(field, text) for field, text in axes_texts.items() if text is not None}
    texts = {"epochs": epochs, "dtype": dtype, "judge_every": judge_every}
    given = _given(texts)
    times = None if seeds is None else _whole("--seeds", seeds, high=10_000)
    first = None if seed is None else _parsed("seed", seed)
    cores = None if jobs is None else _whole("--jobs", jobs)
    from handgrad.sweep import command

    if presets:
        command.show_presets()
        return 0
    words = command.Words(name, preset, axes, csv, target, given, first, times, metric, device)
    return command.run(command.planned(words), cores, out or Path("runs") / words.folder, resume, context.obj)


bench_app = typer.Typer(add_completion=False, rich_markup_mode=None, invoke_without_command=True)
app.add_typer(bench_app, name="bench")


@bench_app.callback()
def bench_command(
    context: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller selection: a minute and a half, not 20.")] = False,
    question: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this; several are named one by one.")
    ] = None,
    contender: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one and NumPy; several one by one.")
    ] = None,
    threads: Annotated[str, typer.Option(metavar="N", help="Of every library.")] = "1",
    out: Annotated[Path | None, typer.Option(help="Folder for result and pictures.", show_default="runs/bench")] = None,
) -> int | None:
    """Time training on both sides: judged first, in fresh processes, in turn, with intervals.

    Exit code 1: the judge refused a contender, which is then not timed. `bench compare` holds two results against
    each other.
    """
    if context.invoked_subcommand is not None:
        return None
    count = _whole("--threads", threads)
    from benchmarks.contenders import CONTENDERS, OURS
    from benchmarks.questions import QUESTIONS
    from benchmarks.run import BenchmarkError, Plan, run_benchmark

    everything = [name for name, one in QUESTIONS.items() if one.in_quick or not quick]
    questions = tuple(_choice("--question", name, QUESTIONS) for name in question or everything)
    chosen = tuple(_choice("--contender", name, CONTENDERS) for name in contender or ())
    plan = Plan(questions, quick, count, (OURS, *chosen) if chosen else ())
    from handgrad.files import output_folder

    folder = out or Path("runs") / "bench"
    with refusing(f"--out {folder}", kinds=(BenchmarkError,)):
        output_folder(folder, (RESULT,))
        return run_benchmark(plan, folder, RESULT, context.obj)


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


@app.command("distributed")
def distributed_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An experiment; `handgrad list` shows them.")],
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: Annotated[str | None, typer.Option(metavar="N", help="Examples per step, of all processes.")] = None,
    optimizer: OptimizerName = None,
    hidden: Hidden = None,
    activation: Activation = None,
    seed: Seed = None,
    dtype: Dtype = None,
    judge_every: JudgeEvery = None,
    device: Annotated[str, typer.Option(help="cpu (gloo) or cuda (nccl), one GPU for each process.")] = "cpu",
) -> int:
    """Train PyTorch on several processes, each on its shard of every batch, and judge the averaged gradients.

    Start it as: torchrun --nproc-per-node 2 -m handgrad distributed NAME (docs/distributed.md). Exit code 0, on all
    processes: the averaged gradients and the hand-written ones are those of the whole batch, and all processes hold
    the same weights bit for bit.
    """
    texts = {
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "hidden": hidden,
        "activation": activation,
        "seed": seed,
        "dtype": dtype,
        "judge_every": judge_every,
    }
    given = _given(texts)
    experiment = _experiment(name, given)
    from handgrad.distributed.process_group import joined

    try:
        with joined(device) as ranks:
            # What goes wrong from here on is said before the others notice that this process has left them.
            try:
                return distributed(experiment, ranks)
            except BadInputError as error:
                return _refuse(str(error))
            except Exception as error:  # a traceback from every rank would bury the first
                return _refuse(f"rank {ranks.rank} of {ranks.world}: {type(error).__name__}: {error}")
    except KeyboardInterrupt:  # outside the training, which ends by itself
        _say("interrupted")
        return INTERRUPTED
    except ValueError as error:
        raise BadInputError(str(error)) from error


@app.command("doctor")
def doctor_command(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="With --json: where to write it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, printed or written to FILE.")] = False,
) -> int:
    """Say what this machine is, how fast it multiplies, and what on it slows either side: five seconds.

    Exit code 0: advice is no error.
    """
    if file is not None and not json:
        raise BadInputError(f"{file} is where --json writes: handgrad doctor --json {file}")
    from json import dumps

    from handgrad.files import refuse_unwritable, write_text
    from handgrad.machine.doctor import diagnose, show

    with refusing(kinds=()):
        if file is not None:
            refuse_unwritable(file)
        found = diagnose()
        text = dumps(found.to_json(), indent=1, ensure_ascii=False)
        if file is not None:
            write_text(file, text + "\n")
        elif json:
            print(text)
        else:
            show(found, Terminal())
    return 0


@app.command("check")
def check_command(
    target: Annotated[
        str, typer.Argument(metavar="FILE:NAME", help="mine.py:MyLayer, mine.py:Dense(3, 4), mine.py:f,df")
    ],
    like: Annotated[
        str | None, typer.Option(metavar="NAME", help="The same by someone else, as torch.nn.SiLU.")
    ] = None,
    shape: Annotated[str | None, typer.Option(metavar="N,N", help="Of the drawn input, as in 4,3.")] = None,
    dtype: Dtype = None,
    seed: Annotated[str, typer.Option(metavar="N", help="Of the drawn inputs.")] = "0",
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> int:
    """Check the gradient of your own layer, loss, function or model against every oracle that applies.

    Exit code 0: it agrees. 1: it is wrong; the text says where and probably why. 2: bad input, or nothing can be told.
    """
    from handgrad.check import CheckError, check_file
    from handgrad.check.surroundings import prints_aside

    kind = None if dtype is None else _parsed("dtype", dtype)
    with refusing(kinds=(CheckError,)), prints_aside():
        found = check_file(target, like, shape, kind, _parsed("seed", seed))
    print(found.to_json() if json else printable(found.render()))
    return found.exit_code


class Repeated(NamedTuple):
    """A run over several seeds: how to name it in another process, how many, how many at once (None: every core)."""

    request: "Request"
    times: int
    jobs: int | None


def _experiment(
    name: str | None, given: Mapping[str, Any], csv: str | None = None, target: str | None = None
) -> "Experiment":
    """The experiment that the command line names, with the fields that it gives. BadInputError for what is not so."""
    from handgrad.experiments.overrides import with_overrides
    from handgrad.experiments.own import find

    with refusing():
        return with_overrides(find(name, csv, target), given)


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


def compare(experiment: "Experiment", device: str, out: Path, command: str, repeated: "Repeated | None" = None) -> int:
    """Run one comparison with everything a terminal shows of it. Returns the exit code."""
    from handgrad.files import output_folder

    console = Terminal()
    with console.status(Text(f"preparing {experiment.name}")):
        from handgrad.report import write_report
        from handgrad.report.result_json import write_result
        from handgrad.training.outcome import Outcome
        from handgrad.training.train import TrainingError, prepare, train

        with refusing():
            prepared = prepare(experiment, device)
        with refusing(f"--out {out}"):
            output_folder(out, (REPORT, RESULT))

    with Progress(*COLUMNS, console=console, auto_refresh=False) as progress, refusing(kinds=(TrainingError,)):
        run = train(prepared, command, _follow(progress, experiment.name, prepared.steps))
    if repeated is not None and not run.interrupted:
        _repeat(run, repeated, console)
    outcome = Outcome.of(run)
    with refusing(f"--out {out}"):
        write_result(outcome, out / RESULT)  # first: it is quick, and a second Ctrl-C would cost the report alone
        with console.status("writing the report"):
            write_report(outcome, out / REPORT)

    console.print(summary_table(outcome))
    if run.repeats:
        console.print(seeds_table(outcome))
    for name, side in run.sides.items():
        for failure in side.tally.failures[:1]:
            heading = f"\n{SIDES[name]}, the first step that failed:"
            console.print(heading, failure.render(), sep="\n", soft_wrap=True)
    console.print(f"\nreport  {out / REPORT}\nresult  {out / RESULT}\n", soft_wrap=True)
    console.print(verdict(outcome), style=outcome.ending.style, soft_wrap=True)
    return outcome.ending.exit_code


def _repeat(run: "Run", repeated: Repeated, console: Terminal) -> None:
    """Add the other seeds' outcomes to the run. Ctrl-C marks it as interrupted."""
    from handgrad.machine.environment import usable_cores
    from handgrad.training.seeds import repeats

    first = run.experiment.seed
    others = range(first + 1, first + repeated.times)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} seeds"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("seeds", total=repeated.times, completed=1)
        try:
            found = repeats(repeated.request, others, repeated.jobs or usable_cores(), lambda: progress.advance(task))
        except KeyboardInterrupt:
            run.interrupted = True
            return
        except (ValueError, TypeError, MemoryError, RuntimeError) as error:
            raise BadInputError(str(error)) from error
    run.repeats = [run.as_repeat(), *found]


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
        cells = [_value(metric, of(side)) if side else "" for side in known]
        table.add_row(f"{label} {metric.replace('_', ' ')}", *cells)
    met = [sum(met[name] for met in outcome.seeds_met) for name in run.sides]
    table.add_row(str(run.experiment.expect), *(f"{some} of {total}" for some in met))
    held = sum(repeat.parity for repeat in run.repeats)
    table.add_row("parity held on both", *[f"{held} of {total}"] * len(run.sides))
    return table


COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
    TimeRemainingColumn(),
    TextColumn("{task.fields[note]}", markup=False),
)


def _follow(progress: Progress, name: str, steps: int) -> Callable[["Run"], None]:
    """Show the run in `progress`, a few times a second and not at every step: drawing would cost more than training."""
    task = progress.add_task(name, total=steps, note="")
    shown = 0.0

    def follow(run: "Run") -> None:
        nonlocal shown
        done, now = len(run.divergence), time.monotonic()
        if now - shown < REFRESH and done < steps:
            return
        shown = now
        losses = " / ".join(f"{side.losses[-1]:.4g}" for side in run.sides.values())
        failing = [SIDES[name] for name, side in run.sides.items() if not side.tally.held]
        note = f"loss {losses}" + (f", {' and '.join(failing)} outside the bounds" if failing else "")
        progress.update(task, completed=done, note=note)
        progress.refresh()

    return follow


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
        "training loss": [_number(final.train_loss) for final in finals],
        "test loss": [_number(final.test_loss) for final in finals],
        "training accuracy": [_share(final.train_accuracy) for final in finals],
        "test accuracy": [_share(final.test_accuracy) for final in finals],
        "time per step": [f"{1e6 * side.seconds_per_step:,.0f} µs" if side.seconds else "" for side in sides],
        "steps judged": [f"{side.tally.steps:,} of {len(side.losses):,}" for side in sides],
        "numbers judged": [f"{tally.numbers:,}" for tally in tallies],
        "numbers skipped": [tally.skipped_text for tally in tallies],
        "largest error / bound": [f"{tally.worst:.3g}" for tally in tallies],
        "parity": [_parity(side.parity) for side in outcome.sides.values()],
    }
    for label, cells in rows.items():
        if any(cells):
            table.add_row(label, *cells)
    return table


def distributed(experiment: "Experiment", ranks: "Ranks") -> int:
    """This process's part of one distributed run; rank 0 shows everything. Returns the exit code."""
    from handgrad.distributed.process_group import everyones
    from handgrad.distributed.train import refuse_unshardable, train
    from handgrad.training.train import prepare

    with refusing():
        prepared = prepare(experiment, ranks.device)
        refuse_unshardable(prepared, ranks.world)
    first, console = ranks.rank == 0, Terminal()
    with Progress(*COLUMNS, console=console, auto_refresh=False, disable=not first) as progress:
        task, shown = progress.add_task(experiment.name, total=prepared.steps, note=""), 0.0

        def follow(run: "DistributedRun") -> None:
            nonlocal shown
            done, now = len(run.losses), time.monotonic()
            if now - shown >= REFRESH or done == prepared.steps:
                shown = now
                progress.update(task, completed=done, note=f"loss {run.losses[-1]:.4g}")
                progress.refresh()

        run = train(prepared, ranks, follow)
    ending = Ending(run.held, run.interrupted)
    if first:
        console.print(distributed_table(experiment.name, run, ranks))
        for side, tally in run.tallies.items():
            for failure in tally.failures[:1]:
                heading = f"\n{SIDES[side]}, the first step that failed:"
                console.print(heading, failure.render(), sep="\n", soft_wrap=True)
        if run.parted:
            console.print(f"\n{run.parted}", soft_wrap=True)
        after = f" after {len(run.losses):,} of {prepared.steps:,} steps" if run.interrupted else ""
        text = "averaged gradients and weights are those of the whole batch, on every process"
        line = f"{ending.word}{after}: {text if run.held else 'see above'}"
        console.print(line, style=ending.style, soft_wrap=True)
    everyones(None)  # torchrun ends all processes at the first exit code that is not 0: rank 0 has printed by now
    return ending.exit_code


def distributed_table(name: str, run: "DistributedRun", ranks: "Ranks") -> Table:
    """A distributed run's numbers at the end."""
    table = Table(header_style="bold")
    table.add_column(name)
    processes = f"{ranks.world} process{'es' * (ranks.world != 1)}"
    table.add_column(f"PyTorch, {processes}", justify="right")
    table.add_column("NumPy, whole batch", justify="right")
    tallies, steps = list(run.tallies.values()), len(run.losses)
    rows: dict[str, Sequence[str | Text]] = {
        "loss of the first step": [_number(run.losses[0])],
        "loss of the last step": [_number(run.losses[-1])],
        "time per step": [f"{1e6 * run.seconds / steps:,.0f} µs"],
        "averaged through": [ranks.backend],
        "weights equal on all ranks": [f"{run.equal:,} of {steps:,} steps"],
        "gradients apart / largest": [f"{run.apart:.1e}"],
        "steps judged": [f"{tally.steps:,} of {steps:,}" for tally in tallies],
        "numbers judged": [f"{tally.numbers:,}" for tally in tallies],
        "numbers skipped": [tally.skipped_text for tally in tallies],
        "largest error / bound": [f"{tally.worst:.3g}" for tally in tallies],
        "gradients": [_parity("held" if tally.held else "FAILED") for tally in tallies],
    }
    for label, cells in rows.items():
        table.add_row(label, *cells)
    return table


def verdict(outcome: "Outcome") -> str:
    """The whole run in one line."""
    run, expect = outcome.run, outcome.run.experiment.expect
    after = f" after {len(run.divergence):,} of {run.steps_planned:,} steps" if run.interrupted else ""
    failed = [SIDES[name] for name, side in outcome.sides.items() if side.parity == "FAILED"]
    parity = f"parity failed on {' and '.join(failed)}" if failed else "parity held on both sides"
    parity = parity if run.judged else "nothing was judged"
    if broken := [repeat.seed for repeat in run.repeats[1:] if not repeat.parity]:
        parity += f", and failed with --seed {broken[0]} ({len(broken)} of {len(run.repeats)} seeds)"
    values = {SIDES[name]: _value(expect.metric, side.reached) for name, side in outcome.sides.items()}
    reached = " and ".join(f"{value} ({name})" for name, value in values.items())
    expected = f"expected {expect}, {'met' if outcome.met else 'not met'}: {reached}"
    if outcome.undecided and not run.interrupted:
        expected += f"; does not decide: {outcome.undecided}"
    blown = outcome.diverged_at
    diverged = "" if blown is None else f"; the loss is not finite from step {blown:,} on: training diverged"
    return f"{outcome.ending.word}{after}: {parity}; {expected}{diverged}"


def _parity(word: str) -> Text:
    return Text(word, style="green" if word == "held" else "bold red")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _value(metric: str, value: float | None) -> str:
    return _share(value) if metric.endswith("accuracy") else _number(value)


# --- what the options accept: a parser gives the value of a text, or raises BadInputError saying what is allowed ------


def _choice(option: str, text: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    if text in names:
        return text
    near = difflib.get_close_matches(text, names, n=1, cutoff=0.4)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise BadInputError(f"{option} must be one of {', '.join(names)}; got {shortened(text)}{hint}")


MOST = 10**9  # of anything that is counted: beyond it a typing error is likelier


def shortened(text: str) -> str:
    """A text in quotes, its middle left out where it would fill the line."""
    return repr(text) if len(text) <= 80 else f"{text[:40]!r} … {text[-20:]!r} ({len(text)} characters)"


def _count(text: str) -> int:
    """The number that the digits say, at least where it is no more than MOST; -1 where the text is none.

    `int` reads other scripts' digits too, and refuses numbers of more than 4,300.
    """
    return int(text.lstrip("0")[:20] or "0") if text.isascii() and text.isdecimal() else -1


def _whole(option: str, text: str, low: int = 1, high: int = MOST) -> int:
    value = _count(text)
    if low <= value <= high:
        return value
    allowed = f">= {low}" if value < low and high == MOST else f"from {low} to {high}"
    raise BadInputError(f"{option} must be a whole number {allowed}; got {shortened(text)}")


def _rate(option: str, text: str) -> float:
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if 0 <= value < math.inf:
        return value
    raise BadInputError(f"{option} must be a finite number >= 0; got {shortened(text)}")


def _widths(option: str, text: str) -> tuple[int, ...]:
    widths = tuple(_count(part.strip()) for part in text.split(","))
    if all(1 <= width <= MOST for width in widths):
        return widths
    raise BadInputError(f"{option} must be whole numbers >= 1 with commas between, as in 64,32; got {shortened(text)}")


PARSERS: dict[str, Callable[[str, str], Any]] = {
    "epochs": _whole,
    "lr": _rate,
    "batch_size": _whole,
    "optimizer": lambda option, text: OPTIMIZERS[_choice(option, text.lower(), OPTIMIZERS)],
    "hidden": _widths,
    "activation": partial(_choice, allowed=ACTIVATIONS),
    "seed": partial(_whole, low=0, high=2**32 - 1),
    "dtype": partial(_choice, allowed=DTYPES),
    "judge_every": _whole,
}
"""What each option that replaces a field of the experiment accepts."""


DEEPEST = 100  # hidden layers: beyond it a typing error is likelier than a net

AXIS_PARSERS: dict[str, Callable[[str, str], Any]] = {
    **{field: PARSERS[field] for field in ("activation", "optimizer", "lr", "batch_size")},
    "width": _whole,
    "depth": partial(_whole, high=DEEPEST),
}
"""What each value of an axis of a sweep may be."""


def _several(field: str, text: str) -> tuple[Any, ...]:
    """The values of one axis, none of them twice."""
    option = f"--{field.replace('_', '-')}"
    parts = [part.strip() for part in text.split(",")]
    if "" in parts:
        raise BadInputError(f"{option} must be values with commas between, and none of them empty; got {text!r}")
    values = [AXIS_PARSERS[field](option, part) for part in parts]
    if twice := [part for part, value in zip(parts, values, strict=True) if values.count(value) > 1]:
        raise BadInputError(f"{option} must name every value once; got {twice[-1]!r} twice in {text!r}")
    return tuple(values)


def _given(texts: Mapping[str, str | None]) -> dict[str, Any]:
    """What the user gave of a recipe, by field. BadInputError for a text that is no value of its field."""
    return {field: _parsed(field, text) for field, text in texts.items() if text is not None}


def _parsed(field: str, text: str) -> Any:
    return PARSERS[field](f"--{field.replace('_', '-')}", text)
