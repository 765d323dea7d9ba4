"""What a claim is, and what measuring one needs: small nets, trained the same way by either side's package."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from contract import Array

Side = ModuleType
"""`scratch` or `torch_impl`: what exists on both carries one name, so one function measures either."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that a source shows. It has a measurement, experiments, or neither and then a reason.

    `measure(side)` gives what that side does as text; the two texts must be equal unless `differs` says why not.
    Of an experiment the table of experiments knows what was printed and what is usual; its result is what its
    expectation speaks about, and the judge must have held every step.
    """

    shows: str  # in our words
    printed: str = ""  # by the source
    band: str = ""  # over seeds
    measure: Callable[[Side], str] | None = None
    experiments: tuple[str, ...] = ()
    differs: str = ""  # why the two sides' texts are not one
    see: tuple[str, ...]  # commands, and links relative to docs/
    trap: bool = False
    cannot: str = ""  # what of it cannot be done, and why


def net(side: Side, sizes: Sequence[int], activation: str = "relu", output: str | None = None, seed: int = 0) -> Any:
    """A float64 MLP; both sides draw the same weights."""
    return side.MLP(sizes, activation, output, dtype=np.float64, rng=seed)


def steps(side: Side, model: Any, loss: Any, optimizer: Any, x: Array, y: Any, count: int) -> list[float]:
    """The losses of `count` full-batch steps, each before its update."""
    trainer = side.Trainer(model, loss, optimizer)
    x, y = trainer.asarray(x), trainer.asarray(y)
    return [trainer.step(x, y) for _ in range(count)]


def text(array: Any, digits: int = 4) -> str:
    """Rounded, in one line."""
    rounded = np.round(np.asarray(array, np.float64), digits) + 0.0  # no −0
    return str(rounded.tolist())


def refused(call: Callable[[], Any]) -> str:
    """The words with which a call is refused. AssertionError where it is not."""
    try:
        call()
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("this was to be refused, and was accepted")
