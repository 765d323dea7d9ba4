"""Initial values, in place: the distributions of `torch.nn.init`, drawn by NumPy.

Every function takes a Parameter or an array and an `rng`: a `numpy.random.Generator`, a seed, or None for fresh
entropy. The draws are NumPy's, so the same seed gives other numbers than `torch.manual_seed`: to start both sides
equal, draw here and load the state dict there.
"""

import math

import numpy as np

from scratch import checks
from scratch.module import Array, Parameter

Rng = np.random.Generator | int | None

GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of activations from layer to layer: √2 for ReLU, √(2/(1+a²)) for leaky ReLU.

    `param` is leaky ReLU's negative slope a, 0.01 if None. ValueError for an unknown nonlinearity.
    Source: He et al., Delving Deep into Rectifiers (2015).
    """
    checks.choice("calculate_gain", "nonlinearity", nonlinearity, GAINS)
    if nonlinearity == "leaky_relu" and param is not None:
        checks.number("calculate_gain", "param", param)
        return math.sqrt(2 / (1 + param**2))
    return GAINS[nonlinearity]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of an `(out, in)` weight: how many terms the forward and the backward sums have."""
    if len(shape) < 2:
        raise ValueError(f"init: fan in and fan out need a tensor of at least 2 axes, (out, in); got shape {shape}")
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def uniform_(tensor: Parameter | Array, a: float = 0.0, b: float = 1.0, rng: Rng = None) -> None:
    """U(a, b)."""
    data = _data(tensor)
    data[...] = np.random.default_rng(rng).uniform(a, b, data.shape)


def normal_(tensor: Parameter | Array, mean: float = 0.0, std: float = 1.0, rng: Rng = None) -> None:
    """N(mean, std²)."""
    checks.number("normal_", "std", std, 0.0)
    data = _data(tensor)
    data[...] = np.random.default_rng(rng).normal(mean, std, data.shape)


def constant_(tensor: Parameter | Array, val: float) -> None:
    """The value `val` everywhere."""
    _data(tensor)[...] = val


def zeros_(tensor: Parameter | Array) -> None:
    """Zeros: right for biases; for weights it leaves all units of a layer equal for ever."""
    constant_(tensor, 0.0)


def ones_(tensor: Parameter | Array) -> None:
    """Ones."""
    constant_(tensor, 1.0)


def xavier_uniform_(tensor: Parameter | Array, gain: float = 1.0, rng: Rng = None) -> None:
    """U(−a, a), a = gain·√(6/(fan_in + fan_out)). Source: Glorot, Bengio (2010)."""
    bound = gain * math.sqrt(6 / sum(fans(_data(tensor).shape)))
    uniform_(tensor, -bound, bound, rng)


def xavier_normal_(tensor: Parameter | Array, gain: float = 1.0, rng: Rng = None) -> None:
    """N(0, s²), s = gain·√(2/(fan_in + fan_out)). Source: Glorot, Bengio (2010)."""
    normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(_data(tensor).shape))), rng)


def kaiming_uniform_(
    tensor: Parameter | Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Rng = None
) -> None:
    """U(−b, b), b = gain·√(3/fan). `mode` says which fan; `a` is leaky ReLU's slope. Source: He et al. (2015)."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    uniform_(tensor, -bound, bound, rng)


def kaiming_normal_(
    tensor: Parameter | Array, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Rng = None
) -> None:
    """N(0, s²), s = gain/√fan. `mode` says which fan; `a` is leaky ReLU's slope. Source: He et al. (2015)."""
    normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), rng)


def _kaiming_std(tensor: Parameter | Array, a: float, mode: str, nonlinearity: str) -> float:
    checks.choice("kaiming", "mode", mode, ("fan_in", "fan_out"))
    fan_in, fan_out = fans(_data(tensor).shape)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def _data(tensor: Parameter | Array) -> Array:
    if isinstance(tensor, Parameter):
        return tensor.data
    checks.float_array("init", "tensor", tensor)
    return tensor
