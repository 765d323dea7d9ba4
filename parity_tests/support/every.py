"""Every layer and activation with arrays it takes, and every loss: what the tests of a kind of fault run over.

The rows are those of `tables` and of the normalizing layers. `classes` reads the public classes from `scratch`, so that
a new one without a row is noticed.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import scratch
from parity_tests.catalogue.tables import LOSSES, ODD_OPS, OPS, SIDES, Build, LossRow
from parity_tests.numbers.test_normalization import NORMS
from parity_tests.support.samples import loss_arrays
from parity_tests.support.strategies import Draw

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """An op, and the shape of its input for a batch of n; None for those whose arrays are of another kind."""

    build: Build  # build(side, dtype) -> model
    shape: tuple[Any, ...] = ()
    odd: str = ""

    def inputs(self, seed: int, n: int = 5, dtype: npt.DTypeLike = np.float64) -> tuple[Array, ...]:
        """The arguments of forward."""
        draw = Draw("normal", "contiguous", seed)
        if self.odd:
            return ODD_OPS[self.odd].inputs(draw, (n, 2), dtype)
        return (draw.array(tuple(n if size == "n" else size for size in self.shape), dtype),)


def _norm(name: str) -> Build:
    kind, arguments, options, _ = NORMS[name]

    def build(side: Any, dtype: npt.DTypeLike) -> Any:
        layer = getattr(side, kind)(*arguments, dtype=dtype, **options)
        rng = np.random.default_rng(7)
        state = {n: a if a.dtype.kind == "i" else rng.uniform(0.5, 2, a.shape) for n, a in layer.state_dict().items()}
        layer.load_state_dict({n: np.asarray(a, layer.state_dict()[n].dtype) for n, a in state.items()})
        return layer

    return build


EVERY: dict[str, Case] = {
    **{name: Case(op.build, ("n", op.width or 4)) for name, op in OPS.items()},
    **{name: Case(op.build, odd=name) for name, op in ODD_OPS.items()},
    "Embedding sparse": Case(
        lambda side, dtype: side.Embedding(5, 3, 0, sparse=True, dtype=dtype, rng=20), odd="Embedding"
    ),
    "PReLU of channels": Case(lambda side, dtype: side.PReLU(4, dtype=dtype), ("n", 4)),
    "MLP": Case(lambda side, dtype: side.MLP((4, 3, 2), "tanh", "softmax", dtype=dtype, rng=22), ("n", 4)),
    **{name: Case(_norm(name), row[3][-1 if row[3][-1][0] == "n" else 0]) for name, row in NORMS.items()},
}


ROWS: dict[str, list[str]] = {}
"""The rows of a class, by its name."""
for _row in EVERY:
    ROWS.setdefault(_row.split("(")[0].split(",")[0].split(" ")[0], []).append(_row)
FIRST = {name: rows[0] for name, rows in ROWS.items()}


def each_op(test: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """`test(op, side)` for every class: all of its rows on the hand-written side, the first on the other.

    There autograd remembers what an op did, and the adapter around it is one for all.
    """

    def over_rows(kind: str, side: str) -> None:
        for op in ROWS[kind] if side == "scratch" else ROWS[kind][:1]:
            try:
                test(op, side)
            except AssertionError as error:
                raise AssertionError(f"{op}: {error}") from error

    over_rows.__name__, over_rows.__doc__, over_rows.__module__ = test.__name__, test.__doc__, test.__module__
    return pytest.mark.parametrize("side", SIDES)(pytest.mark.parametrize("kind", ROWS)(over_rows))


def gradients_of(model: Any) -> dict[str, Array]:
    """The parameters' gradients, and the rows that those of a sparse table are of."""
    found = {name: gradient.copy() for name, gradient in model.named_gradients() if gradient is not None}
    rows = {f"rows of {name}": p.rows for name, p in model.named_parameters()}
    return found | {name: mask.copy() for name, mask in rows.items() if mask is not None}


def everything(model: Any, *gradients: Array) -> dict[str, Array]:
    """Copies of input gradients, parameters' gradients and state, by name."""
    inputs = {f"gradient {i}": np.array(gradient) for i, gradient in enumerate(gradients)}
    return inputs | gradients_of(model) | {f"state of {name}": a for name, a in model.state_dict().items()}


def equal(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name, strict=True)


def loss_case(name: str, side: str, seed: int, n: int = 5, reduction: str = "none") -> tuple[Any, tuple[Array, ...]]:
    """A loss of the table and its arrays."""
    row: LossRow = LOSSES[name]
    arrays = loss_arrays(row, Draw("normal", "contiguous", seed), n, 3, (), np.float64)
    return row.build(SIDES[side], 3, np.float64, reduction), arrays


def classes(*bases: type) -> set[str]:
    """The public classes made from any of `bases`, which are not among them."""
    public = {name: getattr(scratch, name) for name in scratch.__all__}
    return {name for name, kind in public.items() if inspect.isclass(kind) and issubclass(kind, bases)} - {
        base.__name__ for base in bases
    }
