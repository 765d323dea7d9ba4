"""A folder of numbered checkpoints: the last few are kept, and the newest whole one is found."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handgrad.checkpoint.file import CheckpointError, DamagedError, read, write

KEEP = 2


def numbered(folder: Path) -> dict[int, Path]:
    """The checkpoints in `folder` by number, the newest first. None where there is no such folder."""
    found = {int(match[1]): path for path in folder.glob("*.safetensors") if (match := NAME.fullmatch(path.name))}
    return dict(sorted(found.items(), reverse=True))


NAME = re.compile(r"checkpoint-([0-9]{6,18})\.safetensors")


def write_next(folder: Path, tree: Mapping[str, Any], keep: int = KEEP) -> Path:
    """Write the next one into `folder`, which is made if it is missing; then remove all but the last `keep`.

    Raises OSError where that cannot be done: those that were there are there still.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"checkpoint-{max(numbered(folder), default=0) + 1:06}.safetensors"
    write(path, tree)
    for old in list(numbered(folder).values())[max(keep, 1) :]:
        old.unlink(missing_ok=True)
    return path


def read_newest(folder: Path) -> tuple[Path, dict[str, Any], list[str]]:
    """The newest whole one and its tree; and of every damaged one that is newer, a line that says so.

    Raises CheckpointError where there is none, or one of a later version.
    """
    damaged: list[str] = []
    for path in numbered(folder).values():
        try:
            return path, read(path), damaged
        except (DamagedError, OSError) as error:
            damaged.append(f"{error}; the one before it is used")
    if damaged:
        raise CheckpointError(f"every checkpoint in {folder} is damaged: {damaged[0].partition(';')[0]}")
    raise CheckpointError(f"{folder} holds no checkpoint")


def remove_all(folder: Path) -> None:
    """Remove the checkpoints, and the folder if nothing else is in it."""
    for path in numbered(folder).values():
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
