"""`handgrad bench compare A B`: which times changed, and by how much, from one result to the other.

A machine is a few per cent faster in one hour than in another, everyone on it alike. So a time is compared as a
multiple of eager PyTorch's in the same rounds, where that was timed beside it; PyTorch's own times as they are.
"""

from dataclasses import dataclass

from benchmarks.contenders import OURS, TORCH
from benchmarks.result import Result, Row, rows_of, seconds_of
from benchmarks.statistics import Estimate, ratio_of, time_of

LEVEL = 0.975
"""Of each of two intervals: the quotient of their ends encloses the ratio with 95 % (Bonferroni's inequality)."""

SMALL = 0.05
"""Two runs of the same code differ by a few per cent, whatever the intervals of either say: a change below is small."""


@dataclass(frozen=True)
class Change:
    """One time in both results: B's over A's, each as a multiple of PyTorch's where `relative`."""

    question: str
    variant: str
    case: str
    name: str
    ratio: Estimate
    relative: bool

    @property
    def verdict(self) -> str:
        low, high = self.ratio.low, self.ratio.high
        if low <= 1 <= high:
            return "not distinguishable"
        way = "slower" if low > 1 else "faster"
        return f"{way}, but small" if low > 1 / (1 + SMALL) and high < 1 + SMALL else way

    @property
    def ours(self) -> bool:
        return self.name.startswith(OURS)


def compare(a: Result, b: Result) -> list[Change]:
    """Every time that both have, in B's order."""
    before = {
        (question, variant, row["case"]["name"], name): found
        for question, variant, row in rows_of(a)
        for name, found in _measured(row).items()
    }
    changes = []
    for question, variant, row in rows_of(b):
        for name, (new, relative) in _measured(row).items():
            key = (question, variant, row["case"]["name"], name)
            old, as_before = before.get(key, (None, relative))
            if old and new and old.clean and new.clean and as_before == relative:
                ratio = Estimate(new.value / old.value, new.low / old.high, new.high / old.low)
                changes.append(Change(*key, ratio, relative))
    return changes


def _measured(row: Row) -> dict[str, tuple[Estimate | None, bool]]:
    """Everyone's time, as a multiple of eager PyTorch's where there is one, and whether it is that."""
    times = seconds_of(row)
    reference = times.get(TORCH)
    return {
        name: (time_of(samples, LEVEL), False)
        if reference is None or name == TORCH
        else (ratio_of(samples, reference, LEVEL), True)
        for name, samples in times.items()
    }


def regressions(changes: list[Change]) -> list[Change]:
    """Where this project's own side became slower, and not by little."""
    return [change for change in changes if change.ours and change.verdict == "slower"]


def differences(a: Result, b: Result) -> list[str]:
    """What else differs between the two: then a changed time need not come from the code."""
    found = []
    for name in ("machine", "threads", "budget"):
        if a.get(name) != b.get(name):
            found.append(f"{name}: {a.get(name)} → {b.get(name)}")
    for variant in a["environments"].keys() & b["environments"].keys():
        old, new = a["environments"][variant], b["environments"][variant]
        for fact in sorted(old.keys() | new.keys()):
            if fact != "probe_seconds" and old.get(fact) != new.get(fact):
                found.append(f"{fact} ({variant}): {old.get(fact)} → {new.get(fact)}")
        probes = [environment.get("probe_seconds") for environment in (old, new)]
        if all(probes) and not 1 / (1 + SMALL) < probes[1] / probes[0] < 1 + SMALL:
            factor = probes[1] / probes[0]
            found.append(f"the machine itself ({variant}): a fixed piece of work took {factor:.2f} times as long")
    return sorted(found)
