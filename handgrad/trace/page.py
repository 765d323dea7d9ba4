"""A trace as a page: the same content as in the terminal, with every small tensor in full and coloured by value."""

from pathlib import Path
from typing import Any

import numpy as np

from handgrad.report import template
from handgrad.trace.compute import Tensor, Trace
from handgrad.trace.entry import Line
from handgrad.trace.text import measured, options, shown, ulps, why_apart

ROWS, COLUMNS = 12, 16


def page(trace: Trace, entry: Line | None = None) -> str:
    """One self-contained HTML file."""
    helpers = {"cells": _cells, "measured": measured, "shown": shown, "why_apart": why_apart, "options": options}
    path = Path(__file__).parent / "page.html.j2"
    return template.render(path, trace=trace, entry=entry, cumsum=np.cumsum, **helpers)


def _cells(tensor: Tensor) -> list[list[tuple[str, str, str, str]]]:
    """Of every number shown: NumPy's, PyTorch's, how far it is, and a colour.

    Blue below 0, orange above, as strong as it is large in this tensor. PyTorch's is empty where it is NumPy's to the
    last bit.
    """
    ours, theirs, apart = (_rows(a) for a in (tensor.ours, tensor.theirs, tensor.apart))
    top = float(np.max(np.abs(ours[np.isfinite(ours)]), initial=0.0)) or 1.0
    rows = []
    for i in range(min(len(ours), ROWS)):
        rows.append([_cell(*numbers, top) for numbers in zip(ours[i], theirs[i], apart[i], strict=True)][:COLUMNS])
        if ours.shape[1] > COLUMNS:
            rows[-1].append(("…", "", "", ""))
    return rows + [[("…", "", "", "")]] * (len(ours) > ROWS)


def _rows(a: Any) -> Any:
    table = np.atleast_2d(a)
    return table.reshape(-1, table.shape[-1])


def _cell(ours: Any, theirs: Any, apart: float, top: float) -> tuple[str, str, str, str]:
    a, b = str(ours), str(theirs)  # NumPy's scalars: as few digits as tell a number from its neighbours
    same = a == b
    return a, "" if same else b, "" if same else f"{ulps(apart)} ulp", _colour(float(ours) / top)


def _colour(share: float) -> str:
    if not np.isfinite(share):
        return ""
    kind = "--below" if share < 0 else "--above"
    return f"background: color-mix(in srgb, var({kind}) {round(55 * abs(share))}%, transparent)"
