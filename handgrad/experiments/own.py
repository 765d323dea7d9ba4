"""The experiment that a command names: one of the table, one of the user's own in a Python file, or a CSV file."""

import difflib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

from handgrad.experiments.experiment import Data, Experiment
from handgrad.experiments.table import EXPERIMENTS


@dataclass(frozen=True)
class OwnFile:
    """A CSV file as a command line names it, its target column, and what to do with what is missing or useless."""

    path: str
    target: str | None = None
    missing: str = "refuse"
    leave_out: tuple[str, ...] = ()


def find(name: str | None, csv: OwnFile | None = None) -> Experiment:
    """The experiment called `name`, or in the file `mine.py:experiment`, or made of a CSV file.

    Raises ValueError in one line for what is not there or cannot be used.
    """
    if csv is not None:
        from handgrad.experiments.csv_file import read

        if name is not None:
            raise ValueError(f"give a NAME or --csv, not both; got {name!r} and {csv.path!r}")
        return read(Path(csv.path), csv.target, csv.missing, csv.leave_out)
    if name is None:
        raise ValueError("give the NAME of an experiment (`handgrad list` shows them), --csv FILE, or --all")
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    if ":" in name or name.endswith(".py"):
        return load(name)
    near = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.4)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(
        f"experiment must be one of {', '.join(EXPERIMENTS)}, or your own as in mine.py:experiment; got {name!r}{hint}"
    )


def file_of(name: str | None, csv: OwnFile | None = None) -> tuple[Path, ...]:
    """The file of the user's that `find` reads for the same arguments, if any."""
    if csv is not None:
        return (Path(csv.path),)
    if name is None or name in EXPERIMENTS:
        return ()
    return (Path(name.rpartition(":")[0] if ":" in name else name),)


def load(target: str) -> Experiment:
    """The experiment in a file of the user's own: `mine.py:experiment`. ValueError where there is none."""
    from handgrad.check.files import run_file
    from handgrad.check.subject import CheckError

    place, _, name = target.rpartition(":") if ":" in target else (target, "", "")
    try:
        with users_code(f"{place} cannot be run", passing=(CheckError,)):
            module = run_file(place, whole=True)
    except CheckError as error:
        raise ValueError(str(error)) from error
    there = [key for key, value in vars(module).items() if isinstance(value, Experiment)]
    found = vars(module).get(name)
    if not isinstance(found, Experiment):
        has = f"it has {', '.join(there)}" if there else "it has none"
        said = f"{name!r} is no Experiment there" if name in vars(module) else f"got {name!r}"
        raise ValueError(f"{place}: name one of its experiments, as in {place}:experiment; {said}; {has}")
    guarded: dict[str, Any] = {
        key: _guarded(key, found.name, function)
        for key in ("data", "model", "own_loss")
        if (function := getattr(found, key)) is not None
    }
    own = replace(found, **guarded)
    return replace(own, original=own)


def _guarded(what: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The user's function; an error in it is one line that says where it came from."""

    @wraps(function)  # its signature says whether it takes a number of points
    def call(*args: Any, **options: Any) -> Any:
        with users_code(f"{what} of experiment {name!r} failed"):
            found = function(*args, **options)
        if what == "data" and not isinstance(found, Data):
            raise ValueError(f"data of experiment {name!r} must return handgrad.experiments.Data; got {found!r:.60}")
        return found

    return call


@contextmanager
def users_code(failed: str, passing: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Whatever is raised in here is a ValueError in one line, `failed` and why, but for what is `passing`.

    That holds of sys.exit, which would end the run as a success, and of a KeyboardInterrupt that no Ctrl-C sent.
    """
    from handgrad.errors import one_line

    pressed = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        if callable(previous):
            previous(number, frame)

    previous = signal.getsignal(signal.SIGINT)
    listening = callable(previous) and threading.current_thread() is threading.main_thread()
    if listening:
        signal.signal(signal.SIGINT, handle)
    try:
        yield
    except BaseException as error:
        if pressed:  # whatever the code made of it
            raise KeyboardInterrupt from error
        if isinstance(error, passing) or (isinstance(error, KeyboardInterrupt) and not listening):
            raise
        raise ValueError(f"{failed}: {one_line(error)}") from error
    finally:
        if listening:
            signal.signal(signal.SIGINT, previous)
