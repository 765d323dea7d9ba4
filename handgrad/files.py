"""Files that are there as a whole or not at all."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EACCES, EINVAL, EISDIR, ENOTSUP
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISREG
from uuid import uuid4

from handgrad.errors import BadInputError

REPORT, RESULT = "report.html", "result.json"  # what a command writes into its folder
WEIGHTS = "weights.safetensors"  # and compare besides
LEFT_BEHIND = ".handgrad-*"  # what a killed process had not renamed yet
STREAMS = ("/dev/std", "/dev/fd/", "/proc/")  # names of what is open already, and may be a regular file


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of the text as UTF-8."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # half of a surrogate pair: this is JSON's way


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one stroke: a reader sees the old file or the new one, never a part.

    A file that is there keeps its mode and its owner, where the system lets us; of a symbolic link the target is
    written. Into what is no regular file (a device, a pipe) the content is written as it stands. Raises OSError where
    `path` cannot be written; nothing is left behind then.
    """
    old = _refused_or_status(path)
    try:
        if _is_stream(path, old):
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content, old)
    except OSError as error:  # a full disk names no file, and a file beside `path` is none of the user's
        raise type(error)(error.errno, error.strerror, str(path)) from error


def _replace(target: Path, content: bytes, old: os.stat_result | None) -> None:
    beside = _beside(target)
    try:
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            if old is not None:
                with suppress(OSError):  # another owner is the administrator's to give
                    os.chown(beside, old.st_uid, old.st_gid)
                beside.chmod(S_IMODE(old.st_mode))
            left = memoryview(content)
            while left:  # one call may write a part
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(beside, target)  # noqa: PTH105  # beside the other calls, so that a test can fail each
        _sync(target.parent)
    finally:
        beside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make a new name last: it stands in the folder, which a power cut may find older than the file."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written but not read; and every folder on Windows
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (EINVAL, ENOTSUP):  # a file system that has no such thing
            raise
    finally:
        os.close(opened)


def refuse_unwritable(path: Path) -> None:
    """OSError naming what is in the way of a file at `path`, to be asked before any work is done for it."""
    if _is_stream(path, _refused_or_status(path)):
        return
    probe = _beside(Path(os.path.realpath(path)))
    try:
        probe.touch(exist_ok=False)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            probe.unlink()


def of_run(place: Path) -> tuple[Path, ...]:
    """The files of a run, which is named by its folder or its result."""
    folder, given = (place, ()) if place.is_dir() else (place.parent, (place,))
    return (*given, *(folder / name for name in (REPORT, RESULT, WEIGHTS)))


def refuse_overwriting(option: str, path: Path, read: Iterable[Path]) -> None:
    """BadInputError for an output at `path`, given by `option`, that is one of the files that the command reads."""
    for file in read:
        if path.exists() and file.exists() and path.samefile(file):
            raise BadInputError(f"{option} must be another file than those that are read; got {path}")


def _refused_or_status(path: Path) -> os.stat_result | None:
    """What stands at `path`, or where its links lead; None for nothing. OSError where it is not to be written."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if S_ISDIR(status.st_mode):
        raise IsADirectoryError(EISDIR, "Is a directory", str(path))
    if not os.access(path, os.W_OK):
        raise PermissionError(EACCES, "Permission denied", str(path))
    return status


def _is_stream(path: Path, status: os.stat_result | None) -> bool:
    return status is not None and (not S_ISREG(status.st_mode) or str(path).startswith(STREAMS))


def _beside(target: Path) -> Path:
    """A name in the same folder that nobody has, and that is short enough whatever the target's is."""
    return target.with_name(f".handgrad-{uuid4().hex}")


def output_folder(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Make `folder` and see that files called `names` can be written there, before any work is done for them.

    Returns the folders that it made, the innermost first. Raises OSError naming the path that is in the way; no folder
    is left behind then.
    """
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    with removed_if_it_fails(missing):
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            refuse_unwritable(folder / name)
    return missing


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by name into `folder`, which is made; OSError, as of `output_folder`, before the first is written."""
    output_folder(folder, tuple(texts))
    for name, text in texts.items():
        write_text(folder / name, text)


@contextmanager
def removed_if_it_fails(folders: Sequence[Path]) -> Iterator[None]:
    """Remove the folders, the innermost first, if what is done in here fails. One that holds anything stays."""
    try:
        yield
    except BaseException:
        for folder in folders:
            with suppress(OSError):  # it was never made, or somebody wrote into it
                folder.rmdir()
        raise
