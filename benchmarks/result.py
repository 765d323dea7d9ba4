"""The file of a run: what was asked, what it ran on, and every row with all its samples."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import VARIANTS
from benchmarks.statistics import Samples
from handgrad import stored
from handgrad.rules import COUNT, TEXT, Rule, is_real

FORMAT = 1

Row = dict[str, Any]
"""`case`: what was measured, with its `name`; `seconds`: name → samples by process and round. What else there may be:
`first_call` (seconds of preparing and one step), `calls` in a block, `cores` used, `dirty` of how many `blocks`,
`not_timed`: name → reason, `refused`: those of them that the judge refused, `processes`: how many have measured it, and
facts that only one question has."""

Result = dict[str, Any]


class BadResultError(ValueError):
    """A file that is no result of `handgrad bench`."""


TIME: Rule = (lambda value: is_real(value) and 0 < abs(value) <= sys.float_info.max, "a time")
FORMAT_IS: Rule = (lambda value: value == FORMAT and is_real(value), f"{FORMAT}")
SHAPE = {
    "format": FORMAT_IS,
    "environments": {str: {"probe_seconds?": TIME}},
    "questions": {
        str: {
            str: [
                {
                    "case": {"name": TEXT},
                    "seconds?": {str: [[TIME]]},
                    "dirty?": COUNT,
                    "blocks?": COUNT,
                    "processes?": COUNT,
                }
            ]
        }
    },
}
"""What is read of a result when two are compared, or one goes on."""
PLAN = ("handgrad", "machine", "quick", "threads", "budget", "contenders")
"""What must be the same for a result to go on: else its rows would answer different questions."""


def load(path: Path) -> Result:
    """The result in `path`. Raises BadResultError, whose text names the file and what is wrong with it."""
    try:
        found: Result = stored.load(path, SHAPE)
    except OSError as error:
        raise BadResultError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadResultError(f"{path} is no result of handgrad bench in format {FORMAT}: {error}") from error
    return found


def resumed(path: Path, plan: Result) -> Result | None:
    """The result in `path` that `plan`, a result without rows, goes on from; None where there is none.

    Raises BadResultError where it is damaged, or was measured in another way.
    """
    if not path.exists():
        return None
    found = load(path)
    for name in PLAN:
        if found.get(name) != plan[name]:
            raise BadResultError(
                f"{path} is another measurement: its {name} is {found.get(name)!r:.80}, here it is {plan[name]!r:.80}"
            )
    return found


def rows_of(result: Result) -> Iterator[tuple[str, str, Row]]:
    """Question, variant and row of everything that was measured."""
    for question, variants in result["questions"].items():
        for variant, rows in variants.items():
            for row in rows:
                yield question, variant, row


def seconds_of(row: Row) -> dict[str, Samples]:
    found: dict[str, Samples] = row.get("seconds", {})
    return found


def add(result: Result, question: str, variant: str, row: Row) -> None:
    """Put a row in; what another process measured of the same case joins its samples."""
    rows: list[Row] = result["questions"].setdefault(question, {}).setdefault(variant, [])
    for known in rows:
        if known["case"]["name"] == row["case"]["name"]:
            _join(known, row)
            return
    rows.append({**row, "processes": 1})


def _join(known: Row, row: Row) -> None:
    old, new = known.get("seconds", {}), row.get("seconds", {})
    processes = max((len(samples) for samples in old.values()), default=0)
    for name in old.keys() | new.keys():  # one that failed in a process has no samples there
        samples = old.setdefault(name, [])
        samples += [[]] * (processes - len(samples)) + new.get(name, [[]])
    for count in ("dirty", "blocks"):
        known[count] = known.get(count, 0) + row.get(count, 0)
    known["processes"] = known.get("processes", 1) + 1


def dirty_share(result: Result) -> tuple[int, int]:
    """Dirty blocks, and all."""
    rows = [row for _, _, row in rows_of(result)]
    return sum(row.get("dirty", 0) for row in rows), sum(row.get("blocks", 0) for row in rows)


def main_variant(variants: dict[str, list[Row]]) -> str:
    """The variant that a question is answered with: libraries as they choose for themselves, where that was run."""
    return next(variant for variant in VARIANTS if variant in variants)
