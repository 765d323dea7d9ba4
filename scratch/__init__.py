"""The hand-written side: a multilayer perceptron in NumPy, every derivative written out.

It imports NumPy and nothing else. Names, arguments, defaults, shapes and semantics are those of `torch.nn`,
`torch.nn.init` and `torch.optim`.
"""

from typing import TYPE_CHECKING

from scratch import (
    activations,
    clip,
    containers,
    layers,
    losses,
    mlp,
    module,
    optim,
    schedulers,
    second_order,
    trainer,
)
from scratch import init as init
from scratch.activations import *
from scratch.clip import *
from scratch.containers import *
from scratch.layers import *
from scratch.losses import *
from scratch.mlp import *
from scratch.module import *
from scratch.optim import *
from scratch.schedulers import *
from scratch.second_order import *
from scratch.trainer import *

if not TYPE_CHECKING:  # which reads the stars themselves, and no list that is not written out
    __all__ = [
        "init",
        *activations.__all__,
        *clip.__all__,
        *containers.__all__,
        *layers.__all__,
        *losses.__all__,
        *mlp.__all__,
        *module.__all__,
        *optim.__all__,
        *schedulers.__all__,
        *second_order.__all__,
        *trainer.__all__,
    ]
