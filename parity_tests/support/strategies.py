"""What hypothesis draws: sizes, and arrays from the edge generator. Discrete options are parametrised, not drawn.

An array is drawn as (a style for its values, a layout for its memory, a seed). The styles are the places where backprop
code goes wrong: ties and exact zeros, signed zeros, huge, tiny and subnormal scales, saturation, sparsity, one sign.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Array = npt.NDArray[Any]


def _ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(-2, 3, shape).astype(np.float64)


def _signed_zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.choice([0.0, -0.0, 1.0, -1.0], shape)


def _sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape) * (rng.random(shape) < 0.2)


def _kinks(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Where the piecewise activations of the table bend or jump, besides −1, 0 and 1."""
    return rng.choice([-6.0, -3.0, -0.5, 0.5, 3.0, 6.0], shape)


def _scaled(scale: float) -> Callable[[np.random.Generator, tuple[int, ...]], Array]:
    return lambda rng, shape: rng.normal(size=shape) * scale


def _mixed_scales(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape) * 10.0 ** rng.integers(-6, 7, shape)


STYLES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": _scaled(1.0),
    "ties": _ties,
    "kinks": _kinks,
    "signed zeros": _signed_zeros,
    "zeros": lambda rng, shape: np.zeros(shape),
    "sparse": _sparse,
    "all positive": lambda rng, shape: rng.random(shape),
    "all equal": lambda rng, shape: np.full(shape, rng.normal()),
    "tiny": _scaled(1e-6),
    "large": _scaled(1e6),
    "saturating": _scaled(50.0),
    "huge logits": _scaled(1e5),
    "mixed scales": _mixed_scales,
    "subnormal": _scaled(1e-39),
    "subnormal in float64": _scaled(1e-310),
}

LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": lambda a: np.array(a, order="C"),
    "Fortran order": lambda a: np.array(a, order="F"),
    "every second element": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "reversed": lambda a: a[..., ::-1] if a.ndim else a,
    "transposed view": lambda a: np.array(a.T, order="C").T,
    "read-only": lambda a: _read_only(a),
}


def _read_only(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a


@dataclass(frozen=True)
class Draw:
    """An array to be: independent of its shape and dtype, so that one draw serves a table of ops."""

    style: str
    layout: str
    seed: int

    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike, number: int = 0) -> Array:
        """The array of this draw; `number` tells several of one test apart."""
        values = STYLES[self.style](np.random.default_rng([self.seed, number]), shape)
        return LAYOUTS[self.layout](np.asarray(values).astype(dtype))


seeds = st.integers(0, 2**32 - 1)
# Values that saturate no sigmoid: where σ(x) rounds to 1, 1 − σ(x) is anything between 0 and an ulp, and whatever
# divides by it is undecided.
MODERATE = ["normal", "ties", "signed zeros", "zeros", "sparse", "all positive", "all equal", "tiny", "subnormal"]

moderate_draws = st.builds(Draw, st.sampled_from(MODERATE), st.sampled_from(list(LAYOUTS)), seeds)
draws = st.builds(Draw, st.sampled_from(list(STYLES)), st.sampled_from(list(LAYOUTS)), seeds)
# The first of a list is what hypothesis tries first: an ordinary batch.
batches = st.sampled_from([3, None, 0, 1, 2, 5, 16])  # None: one unbatched sample
several = st.sampled_from([3, 0, 2, 5, 16])  # what batch statistics can be made of, and nothing
filled_batches = st.sampled_from([3, 1, 2, 5, 16])
widths = st.sampled_from([1, 2, 3, 4, 7, 16, 33])


def rows(batch: int | None, width: int) -> tuple[int, ...]:
    return (width,) if batch is None else (batch, width)
