"""Losses: each one a formula and, right under it, its derivative with respect to the input.

One file per family: `regression`, `binary`, `classes`, `distributions`, `pairs`; what they share is in `loss`.
"""

from typing import TYPE_CHECKING

from scratch.losses import binary, classes, distributions, loss, pairs, regression
from scratch.losses.binary import *
from scratch.losses.classes import *
from scratch.losses.distributions import *
from scratch.losses.loss import *
from scratch.losses.pairs import *
from scratch.losses.regression import *

if not TYPE_CHECKING:  # which reads the stars themselves, and no list that is not written out
    __all__ = [
        *binary.__all__,
        *classes.__all__,
        *distributions.__all__,
        *loss.__all__,
        *pairs.__all__,
        *regression.__all__,
    ]
