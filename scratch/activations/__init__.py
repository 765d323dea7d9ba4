"""Activations: each one a function and, right under it, its derivative.

All of them take float32 or float64 arrays of any shape and keep shape and dtype (only the gates halve an axis). `g` is
the upstream gradient dL/dy, and an elementwise function y = f(x) has dL/dx = g · f′(x). At a kink, where f′ does not
exist, each takes the value PyTorch takes.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from contract import names
from scratch.activations import gates, rectifiers, shrinkage, sigmoids, smooth, softmax
from scratch.activations.gates import *
from scratch.activations.rectifiers import *
from scratch.activations.shrinkage import *
from scratch.activations.sigmoids import *
from scratch.activations.smooth import *
from scratch.activations.softmax import *
from scratch.init import Rng
from scratch.module import Module

if not TYPE_CHECKING:  # which reads the stars themselves, and no list that is not written out
    __all__ = [
        "ACTIVATIONS",
        *gates.__all__,
        *rectifiers.__all__,
        *shrinkage.__all__,
        *sigmoids.__all__,
        *smooth.__all__,
        *softmax.__all__,
    ]

ACTIVATIONS: dict[str, Callable[..., Module]] = {
    name: partial(globals()[kind], **options) for name, (kind, options) in names.ACTIVATIONS.items()
}
"""What `MLP` accepts as `activation` and `output_activation`, by the names that both sides know."""


def named(name: str, dtype: npt.DTypeLike, rng: Rng) -> Module:
    """The activation `name` of a net of `dtype`, which a learned slope needs, whose numbers `rng` draws."""
    own: dict[str, dict[str, Any]] = {"prelu": {"dtype": dtype}, "rrelu": {"rng": rng}}
    return ACTIVATIONS[name](**own.get(name, {}))
