"""One run at a time in a folder: a lock that the system takes back from a process that died."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from handgrad.errors import BadInputError
from handgrad.files import LEFT_BEHIND

LOCK = ".handgrad.lock"


@contextmanager
def locked(folder: Path, *within: Path) -> Iterator[None]:
    """Inside, no other run writes into `folder`. What a killed one left half written, there or in one of the folders
    `within`, is removed first.

    Raises BadInputError, which names the process, where another run holds it. The file of a run that died is there
    still, and holds nobody up: the lock itself ended with the process. Without `fcntl` (Windows) nothing is locked.
    """
    path = folder / LOCK
    file = _taken(path)
    try:
        for place in (folder, *within):
            for half in place.glob(LEFT_BEHIND):
                half.unlink(missing_ok=True)
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # before it is released: whoever waits in `_taken` looks again
        os.close(file)


def _taken(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(file)
        except BlockingIOError:
            pid = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise BadInputError(f"another run writes into {path.parent} (process {pid}); give another --out") from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                os.ftruncate(file, 0)
                os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
                return file
        os.close(file)  # its owner ended, and removed it, between our opening and locking it


def _lock(file: int) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return
