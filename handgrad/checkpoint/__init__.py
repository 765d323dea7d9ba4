"""Training that can be stopped: all that it changes in one safetensors file, for either side (docs/checkpoint.md).

>>> from handgrad import checkpoint                                              # doctest: +SKIP
>>> checkpoint.save("step-100.safetensors", trainer, position={"step": 100})     # doctest: +SKIP
>>> checkpoint.load("step-100.safetensors", trainer).position                    # doctest: +SKIP
{'step': 100}
"""

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

import handgrad
from handgrad.checkpoint.file import CheckpointError, DamagedError
from handgrad.checkpoint.file import read as read_tree
from handgrad.checkpoint.file import write as write_tree
from handgrad.checkpoint.folder import KEEP, read_newest, write_next
from handgrad.checkpoint.state import Generators, Schedule, Trained, restore, state_of

__all__ = ["Checkpoint", "CheckpointError", "DamagedError", "load", "read", "save", "save_next"]

BESIDE = ("position", "history", "recipe", "environment")
"""What a checkpoint holds beside the state: whatever the caller gives."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved beside the state, and where it was read. `damaged` has a line for each newer file that is."""

    path: Path
    side: str  # "scratch" or "torch": who wrote it
    position: Any
    history: Any
    recipe: Any
    environment: Any
    damaged: tuple[str, ...] = ()


def save(
    path: str | PathLike[str],
    trainer: Trained,
    *,
    schedule: Schedule | None = None,
    generators: Generators | None = None,
    position: Any = None,
    history: Any = None,
    recipe: Any = None,
    environment: Any = None,
) -> None:
    """Write everything that training needs to go on to the file `path`, all of it or nothing.

    That is the model with its buffers and gradients, the optimizer, the generators of its dropout layers; `schedule`;
    `generators`, NumPy's and torch's by name; and as plain data and arrays `position` (epoch, batch), `history`,
    `recipe` and `environment` (None: this one's versions). Raises CheckpointError for what is neither, and OSError.
    """
    rest = {"position": position, "history": history, "recipe": recipe, "environment": environment}
    write_tree(Path(path), _tree(trainer, schedule, generators, rest))


def save_next(
    folder: str | PathLike[str],
    trainer: Trained,
    *,
    keep: int = KEEP,
    schedule: Schedule | None = None,
    generators: Generators | None = None,
    position: Any = None,
    history: Any = None,
    recipe: Any = None,
    environment: Any = None,
) -> Path:
    """`save` to the next number in `folder`, then remove all but the last `keep`. Returns the path."""
    rest = {"position": position, "history": history, "recipe": recipe, "environment": environment}
    return write_next(Path(folder), _tree(trainer, schedule, generators, rest), keep)


def load(
    path: str | PathLike[str],
    trainer: Trained,
    *,
    schedule: Schedule | None = None,
    generators: Generators | None = None,
) -> Checkpoint:
    """Take over what `save` wrote, whichever side wrote it. Of a folder the newest whole checkpoint is taken.

    Nothing but numbers and text is read, no code is run. CheckpointError says in one line that a file is damaged, of a
    later version, or of another net, optimizer, schedule or generator; then nothing has changed.
    """
    found, tree = _found(path)
    restore(tree, trainer, schedule, generators)
    return found


def read(path: str | PathLike[str]) -> Checkpoint:
    """What `load` returns, without a trainer."""
    return _found(path)[0]


def _found(path: str | PathLike[str]) -> tuple[Checkpoint, dict[str, Any]]:
    place, damaged = Path(path), list[str]()
    if place.is_dir():
        place, tree, damaged = read_newest(place)
    else:
        tree = read_tree(place)
    if missing := [name for name in ("side", "model", "optimizer", *BESIDE) if name not in tree]:
        raise CheckpointError(f"{place} is not one trainer's: it has no {missing[0]!r}")
    rest = {name: tree[name] for name in BESIDE}
    return Checkpoint(path=place, side=tree["side"], damaged=tuple(damaged), **rest), tree


def _tree(
    trainer: Trained, schedule: Schedule | None, generators: Generators | None, rest: Mapping[str, Any]
) -> dict[str, Any]:
    environment = versions() if rest["environment"] is None else rest["environment"]
    return {**state_of(trainer, schedule, generators), **rest, "environment": environment}


def versions() -> dict[str, str]:
    """Of what computes here."""
    found = {"handgrad": handgrad.__version__, "python": platform.python_version(), "numpy": np.__version__}
    torch = sys.modules.get("torch")
    return found if torch is None else {**found, "torch": str(torch.__version__)}
