"""Learning-rate schedules: the shared machinery in `scheduler.py`, one file for each family."""

from scratch.schedulers.annealing import CosineAnnealingLR, LinearLR
from scratch.schedulers.one_cycle import OneCycleLR
from scratch.schedulers.plateau import ReduceLROnPlateau
from scratch.schedulers.scheduler import LambdaLR, LRScheduler
from scratch.schedulers.sequential import SequentialLR
from scratch.schedulers.stepwise import ExponentialLR, MultiStepLR, StepLR

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
