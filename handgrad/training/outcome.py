"""What a run came to: the one place that decides whether it passed, and why.

`Outcome.of(run)` is computed once, after training. The terminal, `result.json`, the report and the page about all
experiments write what stands in it and decide nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from handgrad.ending import Ending
from handgrad.experiments import EXPERIMENTS, Experiment
from handgrad.experiments.experiment import CHANGEABLE
from handgrad.training.record import Run, SideRun
from handgrad.training.timeline import Frame, frames


@dataclass(frozen=True)
class SideOutcome:
    """One side at the end of a run."""

    parity: str  # "held", "FAILED", or "not judged" where no number was held against a bound
    reached: float | None  # what the expectation speaks about; None where it does not exist or nothing was measured
    met: bool  # the expectation, by this side


@dataclass(frozen=True)
class Outcome:
    """A run and what it came to."""

    run: Run
    ending: Ending
    sides: dict[str, SideOutcome]
    met: bool  # the expectation, by both sides
    undecided: str  # why a missed expectation does not fail the run; empty where it does
    overrides: list[str]  # fields of the recipe that are not the experiment's own
    seeds_met: list[dict[str, bool]]  # for each of `run.repeats`: side → the expectation, by this side
    diverged_at: int | None  # the first step whose loss is not finite, on either side

    @classmethod
    def of(cls, run: Run) -> "Outcome":
        """A run passes if each side was judged, parity held on every judged step, neither Ctrl-C nor a loss that is
        not finite cut it short, and the expectation is met where it decides."""
        expect, why = run.experiment.expect, undecided(run)
        sides = {name: _side(run, side) for name, side in run.sides.items()}
        met = all(side.met for side in sides.values())
        held = run.judged and run.parity and (met or bool(why))
        blown = [i for side in run.sides.values() for i, loss in enumerate(side.losses, 1) if not math.isfinite(loss)]
        return cls(
            run=run,
            ending=Ending(held and not run.diverged, run.interrupted, run.terminated),
            sides=sides,
            met=met,
            undecided=why,
            overrides=overrides(run.experiment),
            seeds_met=[{name: expect.met(value) for name, value in r.values.items()} for r in run.repeats],
            diverged_at=min(blown, default=None),
        )

    @cached_property
    def timeline(self) -> Sequence[Frame]:
        """Both sides at the recorded moments."""
        return frames(self.run)


def _side(run: Run, side: SideRun) -> SideOutcome:
    tally, expect = side.tally, run.experiment.expect
    reached = side.measured(expect.metric)
    parity = "FAILED" if not tally.held else "held" if side.judged else "not judged"
    return SideOutcome(parity, reached, expect.met(reached))


def overrides(experiment: Experiment) -> list[str]:
    """Names of the recipe's fields that differ from the table's. Seed, dtype and device belong to no recipe."""
    original = _original(experiment)
    return [name for name in CHANGEABLE if getattr(experiment, name) != getattr(original, name)]


def _original(experiment: Experiment) -> Experiment:
    """The experiment before the user changed it."""
    return experiment.original or EXPERIMENTS.get(experiment.name, experiment)


def undecided(run: Run) -> str:
    """Why a missed expectation does not fail the run; empty where it does.

    It was measured for one recipe and its seed. Another seed is held against what the recipe gives over seeds: a small
    net that draws badly is no fault of either side.
    """
    experiment = run.experiment
    if run.interrupted:
        return "the run was interrupted"
    if not experiment.expect.decides:
        return "a yardstick"
    if changed := overrides(experiment):
        return f"the recipe was changed ({', '.join(changed)})"
    if experiment.seed != _original(experiment).seed:
        over_seeds = f"; over seeds the recipe gives {experiment.band}" if experiment.band else ""
        return f"another seed than the recipe's {_original(experiment).seed}{over_seeds}"
    return ""
