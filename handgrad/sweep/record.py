"""What a sweep produced: plain data, filled as runs finish."""

import json
from dataclasses import dataclass, field
from typing import Any

from handgrad.sweep.plan import Plan


@dataclass(frozen=True)
class Outcome:
    """One run: a combination from one seed."""

    cell: dict[str, Any]  # axis → value
    seed: int
    parity: bool  # every judged step of either side held
    values: dict[str, dict[str, float | None]]  # metric → side → at the end; None where it does not exist
    stuck: dict[str, bool]  # side → the loss of every step was the same number: no step changed the answer
    steps: int
    judged: int  # steps, of each side
    numbers: int  # judged, of both
    worst: float  # largest error / bound of both
    failure: str = ""  # the first number outside its bound, in the judge's words
    seconds: float = 0.0

    @property
    def key(self) -> str:
        return run_key(self.cell, self.seed)


@dataclass
class Sweep:
    """What became of a sweep: the outcomes so far, in the plan's order."""

    plan: Plan
    command: str
    outcomes: list[Outcome] = field(default_factory=list)
    interrupted: bool = False
    terminated: bool = False  # and that by SIGTERM, not Ctrl-C
    seconds: float = 0.0  # wall time of this sitting
    kept: int = 0  # outcomes that were there before it
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """How many there are to do in all."""
        return len(self.plan.cells) * len(self.plan.seeds)

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.parity]


def run_key(cell: dict[str, Any], seed: int) -> str:
    """What tells a run from all others of a sweep, as text that survives JSON."""
    return json.dumps([cell, seed], sort_keys=True)
