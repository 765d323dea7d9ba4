"""The file: named arrays in safetensors, and in its metadata the op and its options."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from handgrad.files import write_bytes
from handgrad.tensors import packed

Array = npt.NDArray[Any]
KEYS = ("op", "options")
FOREIGN = "format"  # what PyTorch's writers of safetensors put into the metadata


@dataclass(frozen=True)
class Case:
    """One call of an op: its options, and arrays by name. `name` is empty where a file has a case without one."""

    op: str
    options: Mapping[str, Any]
    arrays: Mapping[str, Array]
    name: str = ""


def read(path: Path) -> list[Case]:
    """The cases of a file, in its order. ValueError says in one line what is wrong with it."""
    metadata, arrays = _contents(path)
    grouped: dict[str, dict[str, Array]] = {}
    for full, array in arrays.items():
        case, _, name = full.rpartition("/")
        grouped.setdefault(case, {})[name] = array
    if not grouped:
        raise ValueError("it has no arrays")
    for full in metadata:
        case, _, key = full.rpartition("/")
        if full != FOREIGN and key not in KEYS:
            raise ValueError(f"its metadata has {full!r}; allowed are op, options, CASE/op and CASE/options")
        if case and case not in grouped:
            raise ValueError(f"its metadata has {full!r}, but no array's name begins with '{case}/'")
    return [_case(name, metadata, own) for name, own in grouped.items()]


def _contents(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    try:
        if not S_ISREG(path.stat().st_mode):
            raise ValueError("it is no file")
        with path.open("rb"):
            pass
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from error
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # of the library, or NumPy's for a dtype that it does not have
        raise ValueError(f"it is no safetensors file that NumPy can read: {error}") from error


def _case(name: str, metadata: Mapping[str, str], arrays: Mapping[str, Array]) -> Case:
    def own(key: str) -> str | None:
        return metadata.get(f"{name}/{key}", metadata.get(key))

    op = own("op")
    if op is None:
        raise ValueError("its metadata has no 'op', the name of what was computed")
    return Case(op, _options(own("options") or "{}"), arrays, name)


def _options(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        found = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its options are not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"its options must be a JSON object; got {text[:60]}")
    return found


def write(path: Path, cases: Iterable[Case]) -> None:
    """Cases of one op as a file: the options of the first stand for all that do not have others.

    OSError where it cannot be written.
    """
    first, *others = listed = list(cases)
    metadata = {"op": first.op, "options": json.dumps(first.options)}
    metadata |= {f"{case.name}/options": json.dumps(case.options) for case in others if case.options != first.options}
    arrays = {
        f"{case.name}/{name}" if case.name else name: np.array(array, order="C")
        for case in listed
        for name, array in case.arrays.items()
    }
    write_bytes(path, packed(arrays, metadata))
