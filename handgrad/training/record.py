"""What one comparison produced: plain data, filled by the runner, read by the report and the JSON writer."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import Array
from handgrad.experiments.table import Data, Experiment
from handgrad.judge import Tally


@dataclass
class EpochRecord:
    """Measured after an epoch, on the parameters as they are then. Accuracies are None for regression."""

    epoch: int
    train_loss: float
    test_loss: float | None
    train_accuracy: float | None
    test_accuracy: float | None


@dataclass
class SideRun:
    """One side of a comparison."""

    side: str  # "scratch" or "torch"
    losses: list[float] = field(default_factory=list)  # the batch loss of every step, before its update
    seconds: list[float] = field(default_factory=list)  # wall time of every step that the trainer itself made
    epochs: list[EpochRecord] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)  # what the judge said of this side's steps
    region: Array | None = None  # model output over `Run.grid`, shape (points, outputs); 2-D experiments only
    confusion: npt.NDArray[np.int64] | None = (
        None  # rows true class, columns predicted, on the held-out split (else train)
    )
    outputs: Array | None = None  # of the model on that split, (examples, outputs); where the inputs are pictures
    seconds_written_out: float = 0.0  # of the steps that are not in `seconds`, together

    @property
    def judged(self) -> bool:
        """Numbers were held against a bound. Where none were, nothing can be said."""
        return self.tally.numbers > self.tally.skipped

    @property
    def final(self) -> EpochRecord:
        return self.epochs[-1]

    def measured(self, metric: str) -> float | None:
        """What an expectation with that metric speaks about; None where it does not exist or nothing was measured."""
        curve = self.curve(metric)
        return curve[-1] if curve else None

    def curve(self, metric: str) -> list[float | None]:
        """The same after each epoch."""
        if metric == "loss_ratio":
            losses = [record.train_loss for record in self.epochs]
            return [loss / losses[0] if losses[0] else None for loss in losses]
        return [getattr(record, {"final_loss": "train_loss"}.get(metric, metric)) for record in self.epochs]

    @property
    def seconds_per_step(self) -> float:
        """Median over the steps of the trainer itself."""
        return float(np.median(self.seconds))


@dataclass(frozen=True)
class Repeat:
    """The same experiment from another seed (or, as the first of them, from its own): what became of it."""

    seed: int
    parity: bool  # every judged step of either side held
    values: dict[str, float | None]  # side → what the expectation speaks about, at the end
    curves: dict[str, list[float | None]]  # side → the same after each epoch, epoch 0 being the untrained net


@dataclass(frozen=True)
class Moment:
    """The parameters of both sides after a step; step 0 is before the first."""

    step: int
    epoch: int  # the one that the step belongs to
    states: dict[str, dict[str, Array]]  # side → state dict


@dataclass
class Run:
    """Both sides of a comparison, trained from the same weights on the same batches."""

    experiment: Experiment  # with the user's overrides applied
    data: Data
    sides: dict[str, SideRun]
    environment: dict[str, Any]
    command: str  # the line that reproduces this run
    divergence: list[float] = field(default_factory=list)  # per step: max |w_scratch - w_torch| / max |w_torch|
    one_ulp_copy: list[float] = field(default_factory=list)  # the same between the NumPy side and a copy 1 ulp apart
    moments: list[Moment] = field(default_factory=list)  # spread over the run, the first and the last step included
    program: str = ""  # the NumPy side's step, written out; empty where it cannot be
    grid: Array | None = None  # (points, 2) float64, row-major over a square lattice; None unless inputs are 2-D
    steps_planned: int = 0
    interrupted: bool = False
    terminated: bool = False  # and that by SIGTERM, not Ctrl-C
    diverged: bool = False  # ended at the first loss that is not finite
    repeats: list[Repeat] = field(default_factory=list)  # over several seeds, this run's own first; else empty

    @property
    def judged(self) -> bool:
        """Numbers of both sides were held against a bound."""
        return all(side.judged for side in self.sides.values())

    @property
    def parity(self) -> bool:
        """Every judged step of either side held, in this run and in its repeats."""
        return all(side.tally.held for side in self.sides.values()) and all(repeat.parity for repeat in self.repeats)

    def as_repeat(self) -> Repeat:
        """What a comparison of seeds keeps of this run."""
        metric = self.experiment.expect.metric
        return Repeat(
            seed=self.experiment.seed,
            parity=self.parity,
            values={name: side.measured(metric) for name, side in self.sides.items()},
            curves={name: side.curve(metric) for name, side in self.sides.items()},
        )
