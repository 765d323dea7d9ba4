"""Results that were written before: read again, and refused where they are not what was written."""

import json
from pathlib import Path
from typing import Any

from handgrad.rules import refuse_unless

Shape = Any
"""A rule for a value; `[shape]` for a list of them; a dict of shapes by key, `str` for any key, "key?" for one that may
be missing. What a shape does not name may be there."""


def load(path: Path, shape: Shape) -> Any:
    """The JSON in `path`. Raises OSError, and ValueError in one line that names the first place that does not fit."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from error
    _refuse_misfit(found, shape, "")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _refuse_misfit(value: Any, shape: Shape, place: str) -> None:
    if isinstance(shape, list):
        refuse_unless((lambda value: isinstance(value, list), "a list"), place or "all of it", value)
        for index, entry in enumerate(value):
            _refuse_misfit(entry, shape[0], f"{place}[{index}]")
    elif isinstance(shape, dict):
        refuse_unless((lambda value: isinstance(value, dict), "an object"), place or "all of it", value)
        for key, inner in shape.items():
            if key is str:
                for name, entry in value.items():
                    _refuse_misfit(entry, inner, f"{place}.{name}".lstrip("."))
            elif (name := key.rstrip("?")) in value:
                _refuse_misfit(value[name], inner, f"{place}.{name}".lstrip("."))
            elif name == key:
                raise ValueError(f"{place or 'it'} has no {key!r}")
    else:
        refuse_unless(shape, place, value)
