"""A trace as a page: a walk through the step, move by move, with every small tensor in full and coloured by value."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from handgrad.judge import Ball
from handgrad.report import template
from handgrad.trace.compute import Tensor, Trace
from handgrad.trace.line import Line
from handgrad.trace.picture import picture, width
from handgrad.trace.text import measured, ulps
from handgrad.trace.walk import moves

FULL = 600  # numbers: a tensor of more is cut to its first rows and columns
ROWS, COLUMNS = 12, 16
DARKEST = 50  # per cent of the colour behind the largest number: it can still be read


class Cell(NamedTuple):
    """NumPy's number; PyTorch's and how far it is, where it is another one; sign and size for the colour."""

    ours: str
    theirs: str = ""
    apart: str = ""
    kind: str = ""  # "a": above 0, "b": below
    share: int = 0  # per cent


def page(trace: Trace, entry: Line | None = None) -> str:
    """One self-contained HTML file."""
    helpers = {"cells": cells, "bounds": _bounds, "interval": _interval, "measured": _measured, "shape": _shape}
    found = moves(trace)
    phases = {move.phase: k for k, (_, move) in reversed(list(enumerate(found, 1)))}  # where each begins
    pictures = [Markup(picture(trace, move)) for _, move in found]
    path = Path(__file__).parent / "page.html.j2"
    return template.render(
        path,
        trace=trace,
        moves=found,
        pictures=pictures,
        width=width(trace),
        phases=dict(reversed(phases.items())),
        entry=entry,
        cumsum=np.cumsum,
        **helpers,
    )


def fragment(entry: Line) -> str:
    """The unfolded entry as a part of a page."""
    path = Path(__file__).parent / "entry.html.j2"
    return template.render(path, entry=entry, cumsum=np.cumsum, interval=_interval)


def _measured(tensor: Tensor | Ball) -> str:
    return "computed on the way, kept by neither side" if isinstance(tensor, Ball) else measured(tensor)


def cells(tensor: Tensor | Ball) -> list[list[Cell]]:
    """The numbers of a tensor as they are shown, row by row; of a large one the first rows and columns.

    Of what neither side keeps, the exact ones.
    """
    if isinstance(tensor, Ball):
        top = float(np.max(np.abs(tensor.mid), initial=0.0)) or 1.0
        return _dotted([[_shaded(v, top) for v in row] for row in _corner(tensor.mid)], tensor.mid, Cell("…"))
    ours, theirs, apart = (_corner(a) for a in (tensor.ours, tensor.theirs, tensor.apart))
    top = float(np.max(np.abs(ours[np.isfinite(ours)]), initial=0.0)) or 1.0
    rows = [
        [_cell(*numbers, top) for numbers in zip(*row, strict=True)] for row in zip(ours, theirs, apart, strict=True)
    ]
    return _dotted(rows, tensor.ours, Cell("…"))


def _shaded(value: float, top: float) -> Cell:
    return _cell(float(f"{value:.9g}"), float(f"{value:.9g}"), 0.0, top)


def _bounds(tensor: Tensor | Ball) -> list[list[str]]:
    """The judge's interval of every number shown; nothing where all numbers are exact."""
    ball = tensor if isinstance(tensor, Ball) else tensor.ball
    if ball is None or not ball.rad.any():
        return []
    pairs = zip(_corner(ball.mid), _corner(ball.rad), strict=True)
    rows = [[_interval(mid, rad) for mid, rad in zip(*row, strict=True)] for row in pairs]
    return _dotted(rows, ball.mid, "…")


def _interval(mid: float, radius: float) -> str:
    if radius == np.inf:
        return "no bound"
    return f"{mid:.9g} ± {radius:.2g}" if radius else f"{mid:.9g}, exact"


def _corner(a: Any) -> Any:
    table = np.atleast_2d(a)
    table = table.reshape(-1, table.shape[-1])
    return table if table.size <= FULL else table[:ROWS, :COLUMNS]


def _dotted(rows: list[list[Any]], numbers: Any, dots: Any) -> list[list[Any]]:
    """The rows, with dots where the numbers go on."""
    if numbers.size <= FULL:
        return rows
    columns = numbers.shape[-1]
    rows = [row + [dots] * (columns > COLUMNS) for row in rows]
    return rows + [[dots]] * (numbers.size // columns > ROWS)


def _shape(tensor: Tensor | Ball) -> str:
    return " × ".join(map(str, tensor.shape)) or "one number"


def _cell(ours: Any, theirs: Any, apart: float, top: float) -> Cell:
    a, b = str(ours), str(theirs)  # NumPy's scalars: as few digits as tell a number from its neighbours
    share = float(ours) / top
    kind = "" if not np.isfinite(share) or not share else "b" if share < 0 else "a"
    look = (kind, round(DARKEST * abs(share)) if kind else 0)
    return Cell(a, "", "", *look) if a == b else Cell(a, b, f"{ulps(apart)} ulp", *look)
