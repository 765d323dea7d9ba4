"""How often the one ReLU of source 004 is dead: measured on both sides, beside the theory."""

from dataclasses import dataclass

from contract.names import SIDES
from handgrad.sweep.record import Sweep
from handgrad.sweep.summary import stuck_of, wilson

THEORY = {"relu": 0.5, "leaky_relu": 0.0}
"""The share of dead runs: a weight of U(−1, 1) is not positive in half of them; a leaky unit always has a gradient."""


@dataclass(frozen=True)
class Rate:
    """Dead runs of one net on one side."""

    net: str
    side: str
    dead: int
    runs: int
    theory: float

    @property
    def share(self) -> float:
        return self.dead / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        return wilson(self.dead, self.runs)

    @property
    def consistent(self) -> bool:
        """Whether the theory lies inside the interval."""
        low, high = self.interval
        return low <= self.theory <= high


def rates(found: Sweep) -> list[Rate]:
    """Every net that has finished runs, on both sides."""
    return [
        Rate(net, side, sum(stuck), len(stuck), theory)
        for net, theory in THEORY.items()
        for side, stuck in stuck_of(found.outcomes, {"net": net}).items()
        if stuck
    ]


def disagreements(found: Sweep) -> list[tuple[str, int]]:
    """The runs, as net and seed, that are dead on one side and not on the other."""
    return [(o.cell["net"], o.seed) for o in found.outcomes if len({o.stuck[side] for side in SIDES}) > 1]


def agrees(found: Sweep) -> bool:
    """The sides agree about every run, and no leaky unit is dead. How near a measured share is to ½ decides nothing."""
    return not disagreements(found) and not any(rate.dead for rate in rates(found) if rate.theory == 0)
