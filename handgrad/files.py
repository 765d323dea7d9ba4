"""Text files that are there as a whole or not at all."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` in one stroke: a reader sees the old file or the new one, never a part.

    Raises OSError where `path` cannot be written; nothing is left behind then.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def output_folder(folder: Path, names: tuple[str, ...]) -> None:
    """Make `folder` and see that files called `names` can be written there, before any work is done for them.

    Raises OSError naming the path that is in the way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / name
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory", str(path))
    probe = folder / f".writable.{os.getpid()}"
    try:
        probe.write_text("", encoding="utf-8")
    finally:
        probe.unlink(missing_ok=True)
