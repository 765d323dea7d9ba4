"""The experiments: what they are (`experiment`), their data (`data`), and the table of them all (`table`)."""

from handgrad.experiments.experiment import Data, Expectation, Experiment
from handgrad.experiments.table import EXPERIMENTS

__all__ = ["EXPERIMENTS", "Data", "Expectation", "Experiment"]
