"""The file of answers: which sheet it belongs to, and what stands in each box."""

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from handgrad.format import shortened
from handgrad.rules import is_whole, one_of
from handgrad.stored import load
from handgrad.worksheet.sheet import ACTIVATIONS, LOSSES, Sheet, draw

_NUMBER = re.compile(r"[-+]?\d{1,9}(\.\d{1,9}|\s*/\s*\d{1,9})?")
_WHOLE = (lambda value: is_whole(value) and 0 <= value < 2**32, "a whole number >= 0")
SHAPE = {
    "sheet": {
        "net": (lambda value: isinstance(value, str), "widths as in 2-2-1"),
        "activation": one_of(tuple(ACTIVATIONS)),
        "loss": one_of(tuple(LOSSES)),
        "seed": _WHOLE,
        "samples": _WHOLE,
    },
    "answers": {str: (lambda value: isinstance(value, str | int | float | None), "a number, a text or null")},
}


def widths(text: str) -> tuple[int, ...]:
    """The widths of `2-2-1`. ValueError for any other form."""
    if not re.fullmatch(r"[0-9]{1,4}(-[0-9]{1,4})+", text):
        raise ValueError(f"--net must be widths with hyphens between, as in 2-2-1; got {shortened(text)}")
    return tuple(map(int, text.split("-")))


def to_json(sheet: Sheet, answers: Mapping[str, Fraction | None]) -> str:
    """Of every box, in order; an empty text for a blank."""
    found: dict[str, Any] = {
        "sheet": {
            "net": "-".join(map(str, sheet.sizes)),
            "activation": sheet.activation,
            "loss": sheet.loss,
            "seed": sheet.seed,
            "samples": sheet.samples,
        },
        "answers": {name: "" if value is None else str(value) for name, value in answers.items()},
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> tuple[Sheet, dict[str, Fraction | None]]:
    """The sheet and what was filled in. OSError or ValueError, in one line, for a file that is none of these."""
    try:
        found = load(path, SHAPE)
        spec = found["sheet"]
        sheet = draw(widths(spec["net"]), spec["activation"], spec["loss"], spec["seed"], spec["samples"])
        names = {box.name for box in sheet.boxes()}
        if strangers := sorted(found["answers"].keys() - names):
            raise ValueError(f"the sheet has no box {strangers[0]!r:.80}; it has {', '.join(sorted(names)[:3])} …")
        return sheet, {name: _number(name, value) for name, value in found["answers"].items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _number(name: str, value: Any) -> Fraction | None:
    """-3/2, -1.5, 7 or nothing. A minus sign may be the typographer's."""
    text = "" if value is None else str(value).strip().replace("−", "-")
    if not text:
        return None
    if isinstance(value, bool) or not _NUMBER.fullmatch(text) or re.search(r"/\s*0+$", text):
        raise ValueError(f"{name} must be a whole number, a decimal or a fraction, as in -3/2; got {shortened(text)}")
    return Fraction(text.replace(" ", ""))
