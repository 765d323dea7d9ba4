"""A trace as a page: the same content as in the terminal, with every small tensor in full and coloured by value."""

from pathlib import Path
from typing import Any

import numpy as np

from handgrad.report import template
from handgrad.trace.compute import Tensor, Trace
from handgrad.trace.entry import Entry
from handgrad.trace.text import SIDES, measured, shown

ROWS, COLUMNS = 12, 16


def page(trace: Trace, entry: Entry | None = None) -> str:
    """One self-contained HTML file."""
    helpers = {"cells": _cells, "measured": measured, "cumsum": np.cumsum, "shown": shown}
    path = Path(__file__).parent / "page.html.j2"
    return template.render(path, trace=trace, entry=entry, sides=SIDES, **helpers)


def _cells(tensor: Tensor, side: str) -> list[list[tuple[str, str]]]:
    """Text and colour of every number shown: blue below 0, orange above, as strong as it is large in this tensor."""
    a: Any = np.atleast_2d(getattr(tensor, side))
    a = a.reshape(-1, a.shape[-1])
    top = float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0)) or 1.0
    rows = []
    for row in a[:ROWS]:
        rows.append([(f"{v:.5g}", _colour(float(v) / top)) for v in row[:COLUMNS]])
        if len(row) > COLUMNS:
            rows[-1].append(("…", ""))
    return rows + [[("…", "")]] * (len(a) > ROWS)


def _colour(share: float) -> str:
    if not np.isfinite(share):
        return ""
    kind = "--below" if share < 0 else "--above"
    return f"background: color-mix(in srgb, var({kind}) {round(55 * abs(share))}%, transparent)"
