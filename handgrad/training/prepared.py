"""What a run starts from."""

from dataclasses import dataclass

from contract import Array, Target, Trainer
from handgrad.experiments import Data, Experiment


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs, made and checked: nothing that the user gave can be refused after this."""

    experiment: Experiment
    data: Data  # as generated
    cast: dict[str, Array | Target]  # the same arrays, floats in the experiment's dtype
    trainers: dict[str, Trainer]
    device: str

    @property
    def batch_size(self) -> int:
        rows = len(self.data.x_train)
        return min(self.experiment.batch_size or rows, rows)

    @property
    def steps_per_epoch(self) -> int:
        whole, rest = divmod(len(self.data.x_train), self.batch_size)
        return whole + (rest > 0 and not self.experiment.drop_last)

    @property
    def steps(self) -> int:
        return self.experiment.epochs * self.steps_per_epoch
