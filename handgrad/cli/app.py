"""The program around the commands: arguments, exit codes, and what fails anywhere in one line."""

import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

import handgrad
from handgrad.cli.bench import bench_app
from handgrad.cli.check import check_command
from handgrad.cli.command_line import invoke
from handgrad.cli.compare import compare_command
from handgrad.cli.distributed import distributed_command
from handgrad.cli.doctor import doctor_command
from handgrad.cli.exercise import exercise_command
from handgrad.cli.explain import explain_command
from handgrad.cli.hunt import hunt_command
from handgrad.cli.judge import judge_command
from handgrad.cli.list import list_command
from handgrad.cli.overlay import overlay_command
from handgrad.cli.play import play_command
from handgrad.cli.predict import predict_command
from handgrad.cli.repeat import repeat_command
from handgrad.cli.say import abandon, refuse, stopped
from handgrad.cli.sweep import sweep_command
from handgrad.cli.trace import trace_command
from handgrad.cli.unroll import unroll_command
from handgrad.cli.vectors import vectors_command
from handgrad.cli.worksheet import worksheet_command
from handgrad.errors import BadInputError
from handgrad.stopping import terminable

COMMANDS: dict[str, Callable[..., Any]] = {
    "list": list_command,
    "compare": compare_command,
    "predict": predict_command,
    "overlay": overlay_command,
    "repeat": repeat_command,
    "trace": trace_command,
    "play": play_command,
    "explain": explain_command,
    "worksheet": worksheet_command,
    "hunt": hunt_command,
    "exercise": exercise_command,
    "unroll": unroll_command,
    "sweep": sweep_command,
    "distributed": distributed_command,
    "doctor": doctor_command,
    "check": check_command,
    "judge": judge_command,
    "vectors": vectors_command,
}

app = typer.Typer(add_completion=False, rich_markup_mode=None, help=handgrad.__doc__)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(bench_app, name="bench")


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


PACKAGES = {name: name for name in ("torch", "matplotlib", "jinja2", "threadpoolctl")} | {"sklearn": "scikit-learn"}
"""By the name under which Python imports them: what an installation may lack on purpose."""
CORE = "check, explain, judge, list and vectors do without"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (that of the process if None) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without "≥" shows "?", and the run goes on
    try:
        with terminable():
            code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:  # a full disk, or a pipe whose reader has enough, as `head` has
        abandon(sys.stdout)
        return refuse(f"standard output cannot be written: {error.strerror}")
    return code


@cache
def _parser() -> Any:
    """All commands with their options: making it takes longer than most command lines, and some processes run many."""
    return typer.main.get_command(app)


def _run(arguments: list[str]) -> int:
    """The exit code of a command line. Only what the terminal itself refuses is raised: an OSError without a file."""
    command = _parser()
    try:
        for argument in arguments:
            if "\0" in argument or any(0xD800 <= ord(character) < 0xE000 for character in argument):
                raise BadInputError(f"{argument!r} is not UTF-8 text")
        code = invoke(command, arguments)
    except typer.Exit as done:  # --help was printed
        return done.exit_code
    except BadInputError as error:
        return refuse(str(error))
    except KeyboardInterrupt as stop:  # outside of training, which ends by itself and is written
        return stopped(stop)
    except (Exception, SystemExit) as error:
        # Usage errors. Their class has moved between click and typer; their method has not.
        if hasattr(error, "format_message"):
            return refuse(error.format_message())
        if isinstance(error, OSError) and error.filename is None:
            raise
        if sys.flags.dev_mode:
            raise
        if isinstance(error, ModuleNotFoundError) and (package := PACKAGES.get((error.name or "").partition(".")[0])):
            command_name = next((a for a in arguments if not a.startswith("-")), "")
            return refuse(f"{command_name} needs {package}, which is not installed: pip install {package}; {CORE}")
        # Exit code 1 would say that parity failed.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}, line {frame.lineno}"
        return refuse(f"{type(error).__name__}: {error} ({where}); python -X dev -m handgrad shows the traceback")
    return code if isinstance(code, int) else 0
