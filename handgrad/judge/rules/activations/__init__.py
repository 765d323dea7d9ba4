"""The references of the activations, a file for each family, as in `scratch/activations`."""

from typing import Any

from handgrad.judge.rules.activations.gates import GLU
from handgrad.judge.rules.activations.rectifiers import (
    Hardtanh,
    Identity,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    RReLU,
    Threshold,
)
from handgrad.judge.rules.activations.shrinkage import Hardshrink, Softshrink
from handgrad.judge.rules.activations.sigmoids import (
    Hardsigmoid,
    Hardswish,
    LogSigmoid,
    Sigmoid,
    Softsign,
    Tanh,
    Tanhshrink,
)
from handgrad.judge.rules.activations.smooth import CELU, ELU, GELU, SELU, Mish, SiLU, Softplus
from handgrad.judge.rules.activations.softmax import LogSoftmax, Softmax, Softmin

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "RULES",
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
]

RULES: dict[str, Any] = {
    rule.__name__: rule
    for rule in (
        CELU,
        ELU,
        GELU,
        GLU,
        Hardshrink,
        Hardsigmoid,
        Hardswish,
        Hardtanh,
        Identity,
        LeakyReLU,
        LogSigmoid,
        LogSoftmax,
        Mish,
        PReLU,
        RReLU,
        ReLU,
        ReLU6,
        SELU,
        SiLU,
        Sigmoid,
        Softmax,
        Softmin,
        Softplus,
        Softshrink,
        Softsign,
        Tanh,
        Tanhshrink,
        Threshold,
    )
}
