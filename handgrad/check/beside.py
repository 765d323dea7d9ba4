"""Functions that train on names of their module: `build_model(nn_hdim, num_passes)` with X, y and num_examples.

The data may be there, made or read by the module, or not, as where the file that they are read from is not there. In
either case they are drawn. What the module holds says what they look like; what it lacks and is read from them, as
their number or their width, is given too.
"""

import builtins
import re
import types
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.check import conventions, held
from handgrad.check.conventions import bare, role
from handgrad.check.subject import Array

Data = tuple[Array, Array, bool]
"""Samples, targets, and whether the samples are columns."""


@dataclass(frozen=True)
class Beside:
    """The names of the module that are data and target, what these look like there, and the names that follow them."""

    x: str
    y: str
    widths: tuple[int, ...] = ()  # that the data may have
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None] = (None, None)  # of a sample and of its target
    by_columns: bool = False
    counts: tuple[str, ...] = ()  # the names of the number of samples
    absent: tuple[str, ...] = ()  # other names that the module lacks

    def fits(self, data: Data) -> bool:
        """Whether drawn data look like those of the module."""
        *arrays, by_columns = data
        if None not in self.shapes and by_columns != self.by_columns:
            return False
        samples = (a.shape[:-1] if by_columns else a.shape[1:] for a in arrays)
        return all(mine in (None, drawn) for mine, drawn in zip(self.shapes, samples, strict=True))

    def names(self, x: Array, y: Array, by_columns: bool) -> dict[str, Any]:
        """What the names of the module are for these data."""
        wide, columns = ((*(a.shape[:-1] if by_columns else a.shape[1:]), 1)[0] for a in (x, y))
        classes = int(y.max(initial=0)) + 1 if y.dtype.kind in "iu" and columns == 1 else columns
        found: dict[str, Any] = {self.x: x, self.y: y}
        found |= dict.fromkeys(self.counts, x.shape[-1] if by_columns else len(x))
        for name in self.absent:
            if role(name) == "sizes":
                found[name] = wide if conventions.width(name) == 3 else max(classes, 2)
            elif role(name) in conventions.FIXED:
                found[name] = conventions.FIXED[role(name)]
        return found


def beside(f: types.FunctionType) -> Beside | None:
    """The data that a function, and those of its module that it calls, take from their module; None: it takes none."""
    space = f.__globals__
    looked = [n for n in held.looked_up(f) if not hasattr(builtins, n) or n in space]

    def may_be(name: str) -> bool:
        value = space.get(name)
        return name not in space or (isinstance(value, np.ndarray) and value.ndim in (1, 2) and value.size > 0)

    y = next((n for n in looked if role(n) == "target" and may_be(n)), None)
    datas = (n for n in looked if role(n) == "data" and re.fullmatch(conventions.DATA, bare(n)))
    x = next(filter(may_be, datas), None)
    if x is None or y is None:
        return None
    mine, theirs = space.get(x), space.get(y)
    turned = mine is not None and theirs is not None and mine.ndim == 2 and len(mine) != len(theirs)
    counted = None if mine is None else mine.shape[-1] if turned else len(mine)
    shapes = tuple(None if a is None else a.shape[:-1] if turned else a.shape[1:] for a in (mine, theirs))
    widths = [n for s in shapes for n in s or ()]
    widths += [int(theirs.max()) + 1] if theirs is not None and theirs.dtype.kind in "iu" else []
    counts = [n for n in looked if re.fullmatch(conventions.COUNTS, bare(n)) and space.get(n, counted) == counted]
    absent = [n for n in looked if n not in space and n not in (x, y, *counts)]
    return Beside(x, y, tuple(widths), (shapes[0], shapes[1]), turned, tuple(counts), tuple(absent))


def widths(f: types.FunctionType) -> list[int]:
    """The whole numbers of its module, and of classes of it, that a function looks up: data may be as wide."""
    found = [f.__globals__.get(n) for n in held.looked_up(f)]
    found += [v for kind in found if isinstance(kind, type) for v in vars(kind).values()]
    return [n for n in found if type(n) is int and 1 < n <= WIDEST]


WIDEST = 64
