"""Activations: each one a function and, right under it, its derivative.

All of them take float32 or float64 arrays of any shape and keep shape and dtype (only GLU halves an axis). `g` is the
upstream gradient dL/dy, and an elementwise function y = f(x) has dL/dx = g · f′(x). At a kink, where f′ does not exist,
each takes the value PyTorch takes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy.typing as npt

from contract import names
from scratch.activations.functions import log_softmax, normal_cdf, normal_density, sigmoid, softplus, zero_where
from scratch.activations.gates import GLU
from scratch.activations.rectifiers import Hardtanh, Identity, LeakyReLU, PReLU, ReLU, ReLU6, RReLU, Threshold
from scratch.activations.shrinkage import Hardshrink, Softshrink
from scratch.activations.sigmoids import Hardsigmoid, Hardswish, LogSigmoid, Sigmoid, Softsign, Tanh, Tanhshrink
from scratch.activations.smooth import CELU, ELU, GELU, SELU, Mish, SiLU, Softplus
from scratch.activations.softmax import LogSoftmax, Softmax, Softmin
from scratch.init import Rng
from scratch.module import Module

__all__ = [
    "ACTIVATIONS",
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "log_softmax",
    "named",
    "normal_cdf",
    "normal_density",
    "sigmoid",
    "softplus",
    "zero_where",
]

ACTIVATIONS: dict[str, Callable[..., Module]] = {
    name: partial(globals()[kind], **options) for name, (kind, options) in names.ACTIVATIONS.items()
}
"""What `MLP` accepts as `activation` and `output_activation`, by the names that both sides know."""


def named(name: str, dtype: npt.DTypeLike, rng: Rng) -> Module:
    """The activation `name` of a net of `dtype`, which a learned slope needs, whose numbers `rng` draws."""
    own: dict[str, dict[str, Any]] = {"prelu": {"dtype": dtype}, "rrelu": {"rng": rng}}
    return ACTIVATIONS[name](**own.get(name, {}))
