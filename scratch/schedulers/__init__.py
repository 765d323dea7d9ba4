"""Learning-rate schedules: the shared machinery in `scheduler.py`, one file for each family."""

from typing import TYPE_CHECKING

from scratch.schedulers import annealing, one_cycle, plateau, scheduler, sequential, stepwise
from scratch.schedulers.annealing import *
from scratch.schedulers.one_cycle import *
from scratch.schedulers.plateau import *
from scratch.schedulers.scheduler import *
from scratch.schedulers.sequential import *
from scratch.schedulers.stepwise import *

if not TYPE_CHECKING:  # which reads the stars themselves, and no list that is not written out
    __all__ = [
        *annealing.__all__,
        *one_cycle.__all__,
        *plateau.__all__,
        *scheduler.__all__,
        *sequential.__all__,
        *stepwise.__all__,
    ]
