"""One safetensors file for a tree of plain data and arrays: whole, or recognised as damaged.

Arrays are named by their path in the tree ("model/layers.0.weight"). All else is JSON in the metadata, which
says `{"$array": name}` where an array belongs. Reading runs no code.
"""

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from handgrad.files import write_bytes
from handgrad.tensors import packed

VERSION = 1
TEXT, SUM = "checkpoint", "sha256"  # the entries of the file's metadata
ARRAY, FLOAT, WHOLE = "$array", "$float", "$whole"
"""What JSON has not: an array, by its name; NaN and infinities, by theirs; a dict whose keys are whole numbers."""

Arrays = dict[str, npt.NDArray[Any]]


class CheckpointError(ValueError):
    """What a checkpoint cannot hold, or one that cannot be used. The message is one line."""


class DamagedError(CheckpointError):
    """A file that is not what was written."""


def write(path: Path, tree: Mapping[str, Any]) -> None:
    """Write `tree` to `path`, all of it or nothing.

    It may hold dicts, lists, tuples (which become lists), text, numbers, None and NumPy arrays. Raises CheckpointError
    for anything else, OSError where `path` cannot be written.
    """
    arrays: Arrays = {}
    text = json.dumps({"version": VERSION, **_plain(tree, "", arrays)}, allow_nan=False)
    metadata = {TEXT: text, SUM: _checksum(text, arrays)}
    write_bytes(path, packed(arrays, metadata))


def as_read(tree: Any) -> Any:
    """`tree` as `read` gives it: tuples as lists, NumPy's numbers as Python's."""
    arrays: Arrays = {}
    return _restored(_plain(tree, "", arrays), arrays)


def read(path: Path) -> dict[str, Any]:
    """The tree that `write` was given. Raises DamagedError for a file that is not whole or not one of ours, and
    CheckpointError for one of a later version; OSError where it cannot be read."""
    with path.open("rb"):
        pass
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata, arrays = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # of the library, or NumPy's for a dtype that it does not have
        raise DamagedError(f"{path} is damaged: {error}") from error
    text, given = metadata.get(TEXT), metadata.get(SUM)
    if text is None or given is None:
        raise DamagedError(f"{path} is no checkpoint: its metadata has no {TEXT!r} and {SUM!r}")
    if _checksum(text, arrays) != given:
        raise DamagedError(f"{path} is damaged: its checksum is not that of its content")
    try:
        found = json.loads(text)
        if found["version"] > VERSION:
            raise CheckpointError(f"{path} has version {found['version']}; this handgrad reads up to {VERSION}")
        tree: dict[str, Any] = _restored(found, arrays)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise DamagedError(f"{path} is damaged: its text is not a checkpoint's ({error})") from error
    return tree


def _checksum(text: str, arrays: Arrays) -> str:
    """Over the text, and over name, dtype, shape and numbers of every array."""
    digest = sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _plain(value: Any, place: str, arrays: Arrays) -> Any:
    """`value` as JSON has it; its arrays go to `arrays`."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {FLOAT: repr(value)}
    if isinstance(value, list | tuple):
        return [_plain(entry, f"{place}/{i}", arrays) for i, entry in enumerate(value)]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        name = place.lstrip("/")
        while name in arrays:  # a key of the user's may hold a slash
            name += "'"
        arrays[name] = np.array(value, value.dtype.newbyteorder("="), order="C", subok=False)
        return {ARRAY: name}
    if isinstance(value, Mapping):
        entries = {str(key): _plain(entry, f"{place}/{key}", arrays) for key, entry in value.items()}
        if value and all(type(key) is int for key in value):
            return {WHOLE: entries}
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return entries
        raise CheckpointError(f"a checkpoint's dict has text or whole numbers as keys; {place} has {list(value)!r:.60}")
    kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise CheckpointError(f"a checkpoint holds plain data and arrays of numbers; {place.lstrip('/')} is a {kind}")


def _restored(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, list):
        return [_restored(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return arrays[value[ARRAY]]
    if FLOAT in value:
        return float(value[FLOAT])
    if WHOLE in value:
        return {int(key): _restored(entry, arrays) for key, entry in value[WHOLE].items()}
    return {key: _restored(entry, arrays) for key, entry in value.items()}
