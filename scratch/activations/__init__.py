"""Activations: each one a function and, right under it, its derivative.

All of them take float32 or float64 arrays of any shape and keep shape and dtype (only GLU halves an axis). `g` is the
upstream gradient dL/dy, and an elementwise function y = f(x) has dL/dx = g · f′(x). At a kink, where f′ does not exist,
each takes the value PyTorch takes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy.typing as npt

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
    "identity": Identity,
    "relu": ReLU,
    "relu6": ReLU6,
    "leaky_relu": LeakyReLU,
    "prelu": PReLU,
    "rrelu": RReLU,
    "hardtanh": Hardtanh,
    "elu": ELU,
    "celu": CELU,
    "selu": SELU,
    "gelu": GELU,
    "gelu_tanh": partial(GELU, approximate="tanh"),
    "silu": SiLU,
    "mish": Mish,
    "softplus": Softplus,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "logsigmoid": LogSigmoid,
    "hardsigmoid": Hardsigmoid,
    "hardswish": Hardswish,
    "softsign": Softsign,
    "tanhshrink": Tanhshrink,
    "hardshrink": Hardshrink,
    "softshrink": Softshrink,
    "softmax": partial(Softmax, dim=-1),
    "log_softmax": partial(LogSoftmax, dim=-1),
    "softmin": partial(Softmin, dim=-1),
}
"""What `MLP` accepts as `activation` and `output_activation`: the names of `torch.nn.functional`. Not among them:
Threshold, whose numbers have no defaults, and GLU, which halves the width."""


def named(name: str, dtype: npt.DTypeLike, rng: Rng) -> Module:
    """The activation `name` of a net of `dtype`, which a learned slope needs, whose numbers `rng` draws."""
    own: dict[str, dict[str, Any]] = {"prelu": {"dtype": dtype}, "rrelu": {"rng": rng}}
    return ACTIVATIONS[name](**own.get(name, {}))
