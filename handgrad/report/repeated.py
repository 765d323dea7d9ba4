"""Two results of one recipe, number by number: whether a run repeats to the bit, and where it does not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

ABOUT = ("command", "handgrad", "environment")
"""Fields that say how the numbers were made. `seconds…`, the times, differ in every run."""
MISSING = "missing"


@dataclass
class Repetition:
    """What comparing two results found."""

    values: int = 0  # that were compared
    differences: dict[str, tuple[Any, Any, str]] = field(default_factory=dict)  # field → first, again, where
    causes: list[str] = field(default_factory=list)  # what else is different

    @property
    def equal(self) -> bool:
        return not self.differences


def compare_results(first: Mapping[str, Any], again: Mapping[str, Any]) -> Repetition:
    """Every number and text of two results (as `result.json` holds them), times apart.

    Of a list the first entry that differs is named, as of the losses of a run: from that step on the two are apart.
    """
    found = Repetition()
    kept, other = ({name: value for name, value in one.items() if name not in ABOUT} for one in (first, again))
    for name, place, before, now in _leaves(kept, other):
        found.values += 1
        if before != now and name not in found.differences:
            found.differences[name] = (before, now, place)
    before, now = ({"handgrad": one["handgrad"], **one["environment"]} for one in (first, again))
    found.causes = [
        f"{name} was {before.get(name, MISSING)}, and is {now.get(name, MISSING)}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    return found


def _leaves(first: Any, again: Any, name: str = "", place: str = "") -> Iterator[tuple[str, str, Any, Any]]:
    """(field, where in its list, value, value again) of all that is no dict and no list."""
    if isinstance(first, dict) and isinstance(again, dict):
        for key in {**first, **again}:
            if not key.startswith("seconds"):
                inner = f"{name}.{key}" if name else key
                yield from _leaves(first.get(key, MISSING), again.get(key, MISSING), inner, place)
    elif isinstance(first, list) and isinstance(again, list):
        for i, (one, other) in enumerate(zip_longest(first, again, fillvalue=MISSING)):
            yield from _leaves(one, other, name, f"{place}[{i}]")
    else:
        yield name, place, first, again
