"""The page over all experiments: one line for each, with a link to its report."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from contract.names import SIDES
from handgrad.experiments import Experiment
from handgrad.files import write_text
from handgrad.format import NONE, count, duration, number, share
from handgrad.report import template

SOURCES = {
    "000": "Source 000: from logistic regression to perceptrons",
    "001": "Source 001: building and experimenting",
    "002": "Source 002: a strip and a circle",
    "003": "Source 003: twelve rules of the plane",
    "004": "Source 004: a net that grows",
    "scikit-learn": "Real data that ship with scikit-learn",
}


@dataclass(frozen=True)
class Finished:
    """What became of one experiment. `result` is what `result.json` holds; None where the run gave none."""

    experiment: Experiment
    result: dict[str, Any] | None
    seconds: float  # wall time, start of the process and writing of the report included
    error: str = ""  # what the process said where it gave no result

    @property
    def passed(self) -> bool:
        return self.result is not None and bool(self.result["passed"])

    @property
    def verdict(self) -> str:
        if self.result is None:
            return "not run"
        return "interrupted" if self.result["interrupted"] else "passed" if self.passed else "FAILED"

    @property
    def parity(self) -> str:
        return NONE if self.result is None else "held" if self.result["parity"] else "FAILED"

    def values(self) -> list[str]:
        """What the expectation speaks about, as each side reached it."""
        if self.result is None:
            return [NONE] * len(SIDES)
        first = {name: side["reached"] for name, side in self.result["sides"].items()}
        write = share if self.experiment.expect.metric.endswith("accuracy") else lambda value: number(value, 4)
        return [write(first[name]) for name in SIDES]


def write_index(outcomes: Sequence[Finished], path: Path, command: str, seconds: float, interrupted: bool) -> None:
    """Write the page to `path`, all of it or nothing. The reports are beside it, each in a folder of its name."""
    grouped = groupby(
        sorted(outcomes, key=lambda o: list(SOURCES).index(o.experiment.source)), lambda o: o.experiment.source
    )
    page = template.render(
        template.SHARED / "index.html.j2",
        passed=sum(outcome.passed for outcome in outcomes),
        rows=outcomes,
        minutes=f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds",
        interrupted=interrupted,
        sources=[(SOURCES[source], [_row(outcome) for outcome in some]) for source, some in grouped],
        command=command,
    )
    write_text(path, page)


def _row(outcome: Finished) -> dict[str, Any]:
    experiment, result = outcome.experiment, outcome.result
    judged = skipped = repeats = ""
    if result is not None:
        numbers = sum(side["parity"]["numbers"] for side in result["sides"].values())
        judged = f"{count(numbers)} numbers"
        if result["repeats"]:
            met = sum(all(repeat["met"].values()) for repeat in result["repeats"])
            repeats = f"met by {met} of {len(result['repeats'])} seeds"
        if why := result["undecided"]:
            skipped = f"not tested: {why}"
    return {
        "name": experiment.name,
        "title": experiment.title,
        "size": experiment.size,
        "link": f"{experiment.name}/report.html" if result is not None else "",
        "expected": str(experiment.expect),
        "share": repeats,
        "note": outcome.error or skipped,
        "reached": outcome.values(),
        "parity": outcome.parity,
        "judged": judged,
        "verdict": outcome.verdict,
        "kind": "good" if outcome.passed else "note" if outcome.verdict in ("not run", "interrupted") else "bad",
        "time": duration(outcome.seconds) if outcome.seconds else NONE,
    }
