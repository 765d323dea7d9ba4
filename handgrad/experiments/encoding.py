"""How the columns of a file become the inputs of a net: plain data, stored with its weights, so that other rows follow.

`handgrad.experiments.csv_file.encode` applies them to cells.
"""

from dataclasses import dataclass

import numpy as np

from contract import Array


@dataclass(frozen=True)
class Standard:
    """(x/2ᵉ − centre)/scale. The power of two changes no digit, and brings x into [−1, 1]: its square is a float."""

    exponent: int = 0
    centre: float = 0.0
    scale: float = 1.0

    def of(self, x: Array) -> Array:
        with np.errstate(under="ignore", over="ignore"):  # a row that is not of the training part may be anywhere
            return np.asarray((np.ldexp(x, -self.exponent) - self.centre) / self.scale)

    def back(self, x: Array) -> Array:
        """The number that `of` made x of."""
        with np.errstate(under="ignore", over="ignore"):
            return np.asarray(np.ldexp(x * self.scale + self.centre, self.exponent))


@dataclass(frozen=True)
class Number:
    """A column of numbers: one input. `mark` is the decimal one, `units` are those that its numbers may have."""

    name: str
    standard: Standard = Standard()
    mark: str = "."
    units: tuple[str, ...] = ("",)
    multiples: bool = False  # the units stand for powers of ten
    fill: float | None = None  # for a missing value; None: it is refused


@dataclass(frozen=True)
class Kinds:
    """A column of texts: an input of 0 and 1 for each of `texts`."""

    name: str
    texts: tuple[str, ...]
    fill: str | None = None


@dataclass(frozen=True)
class Dates:
    """A column of dates, written in one of `ways`: an input for each of `parts`, standardised as a number is."""

    name: str
    ways: tuple[str, ...]
    parts: tuple[str, ...]
    standards: tuple[Standard, ...] = ()
    fills: tuple[float, ...] | None = None


Encoding = Number | Kinds | Dates
