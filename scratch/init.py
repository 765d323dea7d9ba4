"""Initial values, in place: everything of `torch.nn.init` for vectors and matrices, drawn by NumPy.

Every function fills a Parameter or an array and returns it; those that draw take an `rng`: a `numpy.random.Generator`,
a seed, or None for fresh entropy. The draws are NumPy's, so the same seed gives other numbers than
`torch.manual_seed`: to start both sides equal, draw here and load the state dict there. Numbers are drawn in float64
and then rounded to the array's dtype. Nothing is drawn into an array without entries.

`torch.nn.init.dirac_` is absent: it is the identity of a convolution and needs weights of three to five axes.
"""

import math
from typing import TypeVar

import numpy as np

from contract import checks, optimizer_checks
from scratch.flags import without_underflow
from scratch.module import Array, Parameter

Rng = np.random.Generator | int | None
Tensor = TypeVar("Tensor", bound=Parameter | Array)

GAINS = {
    **dict.fromkeys(["linear", "conv1d", "conv2d", "conv3d"], 1.0),
    **dict.fromkeys(["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"], 1.0),
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "selu": 3 / 4,
}
"""The names are torch's, those of linear maps that this package does not have included."""

NEVER = 2 * 53 * math.log(2)
"""exp(−NEVER/2) = 2⁻⁵³, the smallest positive number that a generator draws from [0, 1)."""


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of activations from layer to layer: √2 for ReLU, √(2/(1+a²)) for leaky ReLU.

    `param` is leaky ReLU's negative slope a, 0.01 if None. ValueError for an unknown nonlinearity.
    Source: He et al., Delving Deep into Rectifiers (2015).
    """
    checks.choice("calculate_gain", "nonlinearity", nonlinearity, GAINS)
    if nonlinearity == "leaky_relu" and param is not None:
        checks.number("calculate_gain", "param", param)
        slope = abs(float(checks.plain(param)))
        # Beside a square that may overflow 1 is nothing.
        return math.sqrt(2 / (1 + slope**2)) if slope < 1e150 else math.sqrt(2) / slope
    return GAINS[nonlinearity]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of an `(out, in)` weight: how many terms the forward and the backward sums have."""
    if not isinstance(shape, tuple | list):
        raise TypeError(f"init: fan in and fan out need a shape, as in (out, in); got {checks.shown(shape)}")
    for size in shape:
        checks.count("init", "shape", size)
    if len(shape) < 2:
        raise ValueError(f"init: fan in and fan out need a tensor of at least 2 axes, (out, in); got shape {shape}")
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


@without_underflow
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, rng: Rng = None) -> Tensor:
    """U(a, b). ValueError for a > b."""
    _interval("uniform_", a, b)
    data = _data(tensor)
    data[...] = checks.generator("uniform_", rng).uniform(a, b + 0.0, data.shape)  # NumPy minds −0 for b
    return tensor


@without_underflow
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, rng: Rng = None) -> Tensor:
    """N(mean, std²). ValueError for std < 0."""
    checks.number("normal_", "mean", mean)
    checks.number("normal_", "std", std, 0.0)
    data = _data(tensor)
    data[...] = checks.generator("normal_", rng).normal(mean, abs(std), data.shape)
    return tensor


@without_underflow
def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, rng: Rng = None
) -> Tensor:
    r"""N(mean, std²) under the condition a ≤ x ≤ b: the bounds are values, not multiples of std, and may be infinite.

    With `peak` the place in [a, b] nearest to the mean, where the density φ is highest, and d = (peak − mean)/std, a
    number t = (x − peak)/std is drawn evenly and kept with probability φ(x)/φ(peak) = exp(−(dt + t²/2)), until all are
    kept. Where that is below 2⁻⁵³ no t ever is, so what is drawn from ends there: at |t| = √(d² + NEVER) − |d|.

    PyTorch warns for a mean more than 2 std outside of [a, b]; this is exact there, so there is nothing to warn of.
    Raises ValueError for a > b and std ≤ 0. Source: Robert, Simulation of truncated normal variables (1995).
    """
    checks.number("trunc_normal_", "mean", mean)
    checks.number("trunc_normal_", "std", std, 0.0)
    _interval("trunc_normal_", a, b, infinite=True)
    if std == 0:
        raise ValueError(f"trunc_normal_: std must be > 0; got {std!r}")
    mean, std, a, b = checks.plain((mean, std, a, b))
    peak = max(a, min(mean, b))
    d = (peak - mean) / std
    checks.number("trunc_normal_", "the distance of mean from [a, b] in units of std", d)
    reach = NEVER / (math.hypot(d, math.sqrt(NEVER)) + abs(d))
    data, rng = _data(tensor), checks.generator("trunc_normal_", rng)
    t = np.empty(data.size)
    pending = np.arange(data.size)
    while pending.size:
        drawn = rng.uniform(max((a - peak) / std, -reach), min((b - peak) / std, reach), pending.size)
        kept = rng.random(pending.size) < np.exp(-drawn * (d + drawn / 2))
        t[pending[kept]] = drawn[kept]
        pending = pending[~kept]
    data[...] = np.clip(peak + std * t, a, b).reshape(data.shape)  # the last rounding may have left the interval
    return tensor


@without_underflow
def constant_(tensor: Tensor, val: float) -> Tensor:
    """The value `val` everywhere. ValueError for one that is finite and not in the array's dtype."""
    checks.real("constant_", "val", val)
    data, val = _data(tensor), checks.plain(val)
    if math.inf > abs(val) > float(np.finfo(data.dtype).max):
        raise ValueError(f"constant_: val must be in the range of {data.dtype}; got {checks.shown(val)}")
    data[...] = val
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros: right for biases; for weights it leaves all units of a layer equal for ever."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix, zeros beside it: a layer that lets as many inputs through as it can.

    ValueError for anything but two axes.
    """
    data = _matrix("eye_", tensor)
    data[...] = np.eye(*data.shape)
    return tensor


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, rng: Rng = None) -> Tensor:
    """U(−a, a), a = gain·√(6/(fan_in + fan_out)). Source: Glorot, Bengio (2010)."""
    bound = math.sqrt(3) * _xavier_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound, rng)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, rng: Rng = None) -> Tensor:
    """N(0, s²), s = gain·√(2/(fan_in + fan_out)). Source: Glorot, Bengio (2010)."""
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain), rng)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Rng = None
) -> Tensor:
    """U(−b, b), b = gain·√(3/fan). `mode` says which fan; `a` is leaky ReLU's slope. Source: He et al. (2015)."""
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng)


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", rng: Rng = None
) -> Tensor:
    """N(0, s²), s = gain/√fan. `mode` says which fan; `a` is leaky ReLU's slope. Source: He et al. (2015)."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), rng)


@without_underflow
def orthogonal_(tensor: Tensor, gain: float = 1.0, rng: Rng = None) -> Tensor:
    r"""`gain` times a random matrix Q with QQᵀ = 1, or QᵀQ = 1 where it is tall: lengths stay as they are.

    Q of the factorization G = QR of a matrix of normal numbers, with R_jj > 0 so that every Q is equally likely. Axes
    beyond the second count as columns. Raises ValueError for fewer than two.
    Source: Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning (2013); Mezzadri, How to
    generate random matrices from the classical compact groups (2007), for the signs.
    """
    checks.number("orthogonal_", "gain", gain)
    data = _data(tensor)
    fans(data.shape)
    if data.size:
        rows, columns = len(data), data.size // len(data)
        normal = checks.generator("orthogonal_", rng).normal(size=(max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(normal)
        q *= np.copysign(1, np.diagonal(r)) * gain
        data[...] = (q if rows >= columns else q.T).reshape(data.shape)
    return tensor


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, rng: Rng = None) -> Tensor:
    """N(0, std²) in a matrix, then ⌈sparsity·rows⌉ zeros in every column, at random places.

    Raises ValueError for anything but two axes and a sparsity outside of [0, 1].
    Source: Martens, Deep learning via Hessian-free optimization (2010), section 5.
    """
    optimizer_checks.at_most("sparse_", "sparsity", sparsity, 0.0, 1.0)
    checks.number("sparse_", "std", std, 0.0)
    data, rng = _matrix("sparse_", tensor), checks.generator("sparse_", rng)
    normal_(data, 0.0, std, rng)
    zeros = math.ceil(checks.plain(sparsity) * len(data))
    for column in data.T:
        column[rng.permutation(len(data))[:zeros]] = 0
    return tensor


def _xavier_std(owner: str, tensor: Parameter | Array, gain: float) -> float:
    checks.number(owner, "gain", gain, 0.0)
    both = sum(fans(_data(tensor).shape))
    return checks.plain(gain) * math.sqrt(2 / both) if both else 0.0


def _kaiming_std(owner: str, tensor: Parameter | Array, a: float, mode: str, nonlinearity: str) -> float:
    mode = mode.lower() if isinstance(mode, str) else mode
    checks.choice(owner, "mode", mode, ("fan_in", "fan_out"))
    fan_in, fan_out = fans(_data(tensor).shape)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def _interval(owner: str, a: float, b: float, infinite: bool = False) -> None:
    for name, bound in (("a", a), ("b", b)):
        if not (
            infinite and isinstance(bound, float | np.floating) and bound == (-math.inf if name == "a" else math.inf)
        ):
            checks.number(owner, name, bound)
    if a > b:
        raise ValueError(f"{owner}: a must be <= b; got a={checks.shown(a)}, b={checks.shown(b)}")


def _matrix(owner: str, tensor: Parameter | Array) -> Array:
    data = _data(tensor)
    if data.ndim != 2:
        raise ValueError(f"{owner}: tensor must be a matrix, with two axes; got shape {data.shape}")
    return data


def _data(tensor: Parameter | Array) -> Array:
    if isinstance(tensor, Parameter):
        return tensor.data
    checks.float_array("init", "tensor", tensor)
    if not tensor.flags.writeable:
        raise ValueError("init: tensor is read-only")
    return tensor
