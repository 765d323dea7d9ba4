"""One row for each op: how it is made, varied and fed, what is wrong for it, and what its page shows.

The test vectors, the dictionary and the tests all read these rows. A new op is a new row in the file of its family.
"""

from handgrad.catalogue.activations import ACTIVATIONS
from handgrad.catalogue.layers import LAYERS
from handgrad.catalogue.losses import LOSSES
from handgrad.catalogue.optimizers import OPTIMIZERS
from handgrad.catalogue.row import Loss, Op, Optimizer, Schedule
from handgrad.catalogue.schedules import SCHEDULES

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "LOSSES",
    "OPS",
    "OPTIMIZERS",
    "ROWS",
    "SCHEDULES",
    "Loss",
    "Op",
    "Optimizer",
    "Schedule",
]

OPS: dict[str, Op] = {**ACTIVATIONS, **LAYERS}
"""Activations and layers, by the names of their classes."""
ROWS: dict[str, Op | Loss] = {**OPS, **LOSSES}
