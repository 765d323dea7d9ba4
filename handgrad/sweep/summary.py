"""Numbers about a sweep: each combination over its seeds, ranked; and a share with its interval."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Any

from contract.names import SIDES
from handgrad.sweep.record import Outcome, Sweep


@dataclass(frozen=True)
class Row:
    """One combination over its seeds. A run without a finite result diverged and counts as the worst there is."""

    cell: dict[str, Any]
    median: dict[str, float]  # side → ±inf where half of the runs diverged
    low: dict[str, float]
    high: dict[str, float]
    runs: int
    held: int  # runs in which parity held
    diverged: int  # runs without a finite result on either side
    stuck: int  # runs in which no step changed the loss, on either side
    worst: float  # largest error / bound

    @property
    def parity(self) -> bool:
        return self.held == self.runs


def rows(found: Sweep, axes: Iterable[str] | None = None) -> list[Row]:
    """A row for every combination of `axes` (all of them if None) that has finished runs, the best first.

    With fewer axes, a row stands for all runs that agree in these.
    """
    names = list(found.plan.axes if axes is None else axes)
    groups: dict[tuple[Any, ...], list[Outcome]] = {}
    for outcome in found.outcomes:
        groups.setdefault(tuple(outcome.cell[name] for name in names), []).append(outcome)
    made = [_row(found, dict(zip(names, key, strict=True)), some) for key, some in groups.items()]
    sign = -1 if found.plan.accuracy else 1
    return sorted(made, key=lambda row: sign * row.median["scratch"])


def _row(found: Sweep, cell: dict[str, Any], outcomes: list[Outcome]) -> Row:
    metric = found.plan.metric
    none = -math.inf if found.plan.accuracy else math.inf
    values = {side: [none if (v := o.values[metric][side]) is None else v for o in outcomes] for side in SIDES}
    return Row(
        cell=cell,
        median={side: middle(some) for side, some in values.items()},
        low={side: min(some) for side, some in values.items()},
        high={side: max(some) for side, some in values.items()},
        runs=len(outcomes),
        held=sum(outcome.parity for outcome in outcomes),
        diverged=sum(not all(map(math.isfinite, pair)) for pair in zip(*values.values(), strict=True)),
        stuck=sum(any(outcome.stuck.values()) for outcome in outcomes),
        worst=max(outcome.worst for outcome in outcomes),
    )


def middle(values: list[float]) -> float:
    """The median, with which infinities may be averaged."""
    found = median(values)
    return found if not math.isnan(found) else math.inf


def largest_gap(table: Iterable[Row]) -> float:
    """Largest distance between the two sides' medians."""
    gaps = [abs(row.median["scratch"] - row.median["torch"]) for row in table]
    return max((gap for gap in gaps if math.isfinite(gap)), default=0.0)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share: every p whose normal test at this confidence the observed share passes.

    With p̂ = k/n and z the normal quantile, (p̂ + z²/2n ± z √(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n). It stays inside
    [0, 1] and is right at 0 of n, where p̂ ± z √(p̂(1−p̂)/n) has no width. E. B. Wilson, JASA 22 (1927), 209-212.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"successes must be from 0 to trials >= 1; got {successes} of {trials}")
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), successes / trials
    centre = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    low, high = ((centre + sign * half) / (1 + z * z / trials) for sign in (-1, 1))
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def stuck_of(outcomes: Iterable[Outcome], cell: Mapping[str, Any]) -> dict[str, list[bool]]:
    """For the runs of one combination, side → whether each was stuck, in the order of seeds."""
    some = [outcome for outcome in outcomes if outcome.cell == dict(cell)]
    return {side: [outcome.stuck[side] for outcome in some] for side in SIDES}
