"""One side's value and derivative of one op at many inputs, and how far they are from the truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import scratch
from docs.writers.accuracy.truth import Float64, Function, Row

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
EMIN = {"float32": (-126, 23), "bfloat16": (-126, 7), "float16": (-14, 10)}
"""Of a format the exponent of its smallest normal number, and the bits behind the leading one."""
MAX = {name: float(torch.finfo(dtype).max) for name, dtype in FORMATS.items()}


def spacing(m: Float64, form: str) -> Float64:
    """The distance from |m| to the next number of the format, an ulp: 2 to the exponent of m, less the format's bits.

    In the bits of a float64 the exponent stands above 52 digits and is 1023 too large; the sign is above it.
    """
    least, bits = EMIN[form]
    exponent = (m.view(np.int64) >> 52) & 0x7FF
    return np.asarray(((np.maximum(exponent, least + 1023) - bits) << 52).view(np.float64))


@dataclass
class Tally:
    """The errors of one side's value or derivative over the inputs seen so far, in ulp of a truth that is normal."""

    inputs: int = 0
    ulps: float = 0.0  # their sum
    worst: float = 0.0
    at: float = 0.0
    lost: int = 0
    missed: int = 0
    missed_at: float = 0.0
    denormal: float = 0.0
    """The worst error in spacings where the truth is denormal."""
    by_exponent: dict[int, float] = field(default_factory=dict)
    """Exponent of |x|, twice, plus 1 where x < 0 → worst error in ulp."""

    def add(self, other: "Tally") -> None:
        if other.worst > self.worst:
            self.worst, self.at = other.worst, other.at
        if other.missed and not self.missed:
            self.missed_at = other.missed_at
        self.inputs, self.ulps = self.inputs + other.inputs, self.ulps + other.ulps
        self.lost, self.missed = self.lost + other.lost, self.missed + other.missed
        self.denormal = max(self.denormal, other.denormal)
        for key, error in other.by_exponent.items():
            self.by_exponent[key] = max(error, self.by_exponent.get(key, 0.0))

    @property
    def mean(self) -> float:
        return self.ulps / self.inputs if self.inputs else 0.0


class Truth:
    """The true values of f at x, which are finite, and what errors are told in: worked out once for every side."""

    def __init__(self, f: Function, x: Float64, form: str, zeros: tuple[float, ...] = ()) -> None:
        least, _ = EMIN[form]
        self.f, self.form, self.zeros = f, form, zeros
        with np.errstate(all="ignore"):
            value = f(x)
            size = np.abs(value)
        self.take = None if size.max(initial=0) <= MAX[form] else size <= MAX[form]
        if self.take is not None:
            x, value, size = x[self.take], value[self.take], size[self.take]
        self.x, self.value, self.size = x, value, size
        ends = np.array([size.min(initial=np.inf), size.max(initial=0)])
        self.normal = None if ends[0] >= 2.0**least else size >= 2.0**least
        # Neighbours have one exponent, and so have mostly their values: then one number says what an array would.
        unit = spacing(ends, form)
        self.unit = unit[:1] if unit[0] == unit[1] else spacing(size, form)
        keys = _keys(np.array([x.min(initial=np.inf), x.max(initial=-np.inf)]), least)
        if keys[0] == keys[1]:
            self.starts, self.keys = np.zeros(1, int), keys[:1]
        else:
            keys = _keys(x, least)
            self.starts = np.flatnonzero(np.diff(keys, prepend=-(2**20)))
            self.keys = keys[self.starts]


def _keys(x: Float64, least: int) -> npt.NDArray[np.int64]:
    """The exponent of |x|, twice, plus 1 where x < 0."""
    exponent = np.maximum(((x.view(np.int64) >> 52) & 0x7FF) - 1023, least - 1)
    return np.asarray(2 * exponent + (x < 0))


def tally(truth: Truth, given: Float64, goal: float = 4) -> Tally:
    """Errors in ulp of the truth; ∞ where the truth is a number and NaN or ∞ is given.

    Missed is the goal: 4 ulp, and within a quarter of a zero of f four times what half an ulp of x does to f, where
    that is more. Lost is a number that is off by half of itself or more. Neither is asked of a denormal truth.
    """
    found = Tally(int(truth.x.size))
    if not found.inputs:
        return found
    with np.errstate(all="ignore"):
        error = (given if truth.take is None else given[truth.take]) - truth.value
        np.abs(error, out=error)
        if np.isnan(worst := error.max()):
            error[np.isnan(error)] = np.inf
        if worst == 0:
            return found
        ulps = error * (1 / truth.unit)  # a power of two
    if truth.normal is not None:
        found.denormal = float(ulps[~truth.normal].max())
        ulps[~truth.normal] = 0.0
    at = int(np.argmax(ulps))
    found.worst, found.at = float(ulps[at]), float(truth.x[at])
    found.ulps = float(ulps.sum() if np.isfinite(found.worst) else ulps[np.isfinite(ulps)].sum())
    if found.worst > goal:
        over = np.flatnonzero(ulps > goal)
        share = error[over] / _allowed(truth, over, goal)
        found.missed = int(np.count_nonzero(share > 1))
        if found.missed:
            found.missed_at = float(truth.x[over][np.argmax(share)])
        found.lost = int(np.count_nonzero(error[over] >= truth.size[over] / 2))  # a normal number has 2⁷ ulp and more
    for key, error_there in zip(truth.keys, np.maximum.reduceat(ulps, truth.starts), strict=True):
        if error_there:
            found.by_exponent[int(key)] = max(float(error_there), found.by_exponent.get(int(key), 0.0))
    return found


def _allowed(truth: Truth, over: npt.NDArray[np.intp], goal: float) -> Float64:
    """The goal in numbers at the indices `over`."""
    x, f = truth.x[over], truth.f
    allowed = goal * spacing(truth.size[over], truth.form)
    for zero in truth.zeros:
        near = np.abs(x - zero) < 0.25
        half = spacing(x[near], truth.form) / 2
        there = truth.value[over][near]
        moved = np.maximum(np.abs(f(x[near] + half) - there), np.abs(f(x[near] - half) - there))
        allowed[near] = np.maximum(allowed[near], 4 * moved)
    return allowed


Compute = Callable[[Row, npt.NDArray[np.float32]], tuple[Float64, Float64]]


def hand_written(row: Row, x: npt.NDArray[np.float32]) -> tuple[Float64, Float64]:
    made: Any = getattr(scratch, row.kind)
    with np.errstate(all="ignore"):
        if row.target is None:
            module = made(**row.arguments)
            value, slope = module.forward(x), module.backward(np.ones_like(x))
        else:
            loss = made(reduction="none", **row.arguments)
            value = loss.forward(x, np.full_like(x, row.target))
            slope = loss.backward(np.ones_like(value))
    return value.astype(np.float64), slope.astype(np.float64)


def pytorch(form: str, device: str = "cpu") -> Compute:
    """PyTorch's own op in that format, its derivative by autograd; x are numbers of the format."""

    def compute(row: Row, x: npt.NDArray[np.float32]) -> tuple[Float64, Float64]:
        made: Any = getattr(torch.nn, row.kind)
        dtype = FORMATS[form]
        z = torch.from_numpy(x).to(device, dtype).requires_grad_()
        if row.target is None:
            y = made(**row.arguments).to(device, dtype)(z)
        else:
            y = made(reduction="none", **row.arguments)(z, torch.full_like(z, row.target, requires_grad=False))
        y.backward(torch.ones_like(y))
        assert z.grad is not None
        return y.detach().cpu().double().numpy(), z.grad.cpu().double().numpy()

    return compute


JAX = {
    "CELU": "celu",
    "ELU": "elu",
    "GELU": "gelu",
    "LogSigmoid": "log_sigmoid",
    "Mish": "mish",
    "SELU": "selu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "soft_sign",
    "Tanh": "tanh",
}
"""What jax.nn calls the curved activations. Straight ones lose nothing; JAX takes other sides at some kinks."""


@cache
def _jax(name: str, options: tuple[tuple[str, bool], ...]) -> Any:
    import jax

    def both(x: Any) -> tuple[Any, Any]:
        y, back = jax.vjp(lambda x: getattr(jax.nn, name)(x, **dict(options)), x)
        return y, back(jax.numpy.ones_like(x))[0]

    return jax.jit(both)


def by_jax(row: Row, x: npt.NDArray[np.float32]) -> tuple[Float64, Float64]:
    """jax.nn's op on the CPU, compiled, its derivative by jax.vjp."""
    options = (("approximate", bool(row.options)),) if row.kind == "GELU" else ()
    value, slope = _jax(JAX[row.kind], options)(x)
    return np.asarray(value, np.float64), np.asarray(slope, np.float64)


@dataclass(frozen=True)
class Side:
    form: str
    """The format of its numbers."""
    compute: Compute
    has: Callable[[Row], bool]
    """Whether it has the op."""


def _torch_has(row: Row) -> bool:
    return hasattr(torch.nn, row.kind)


HAND = "hand-written float32"
SIDES = {
    HAND: Side("float32", hand_written, lambda row: True),
    "PyTorch float32": Side("float32", pytorch("float32"), _torch_has),
    "PyTorch bfloat16": Side("bfloat16", pytorch("bfloat16"), _torch_has),
    "PyTorch float16": Side("float16", pytorch("float16"), _torch_has),
}
if torch.cuda.is_available():
    SIDES |= {f"GPU {form}": Side(form, pytorch(form, "cuda"), _torch_has) for form in FORMATS}
if find_spec("jax"):
    SIDES["JAX float32"] = Side("float32", by_jax, lambda row: row.kind in JAX)


def sides(row: Row, form: str) -> list[str]:
    """What computes that op in that format."""
    return [name for name, side in SIDES.items() if side.form == form and side.has(row)]


def measured(row: Row, form: str, x: npt.NDArray[np.float32]) -> dict[str, dict[str, Tally]]:
    """Value and derivative of each side of that format, at the finite x in the row's domain."""
    low, high = row.domain
    inside = np.isfinite(x) & (x >= low) & (x <= high)
    x = x if inside.all() else x[inside]
    wide = x.astype(np.float64)
    value, slope = Truth(row.value, wide, form, row.roots), Truth(row.slope, wide, form, row.zeros)
    found = {}
    for side in sides(row, form):
        given = SIDES[side].compute(row, x)
        found[side] = {"value": tally(value, given[0]), "derivative": tally(slope, given[1])}
    return found


def all_of_16_bits(form: str) -> npt.NDArray[np.float32]:
    """Every number of bfloat16 or float16, as float32."""
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    return np.asarray(bits.view(FORMATS[form]).float().numpy())


def strided(step: int, start: int = 0, stop: int = 2**32) -> npt.NDArray[np.float32]:
    """Every `step`th of the 2³² float32 numbers, by their bits, from `start` to before `stop`."""
    return np.arange(start, stop, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
