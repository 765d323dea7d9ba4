"""A sweep's pictures: heat maps over its axes, and shares with their intervals. Data in, `Figure` out."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from contract import Array
from contract.names import SIDES
from handgrad.report.plots import GRID, INK, MUTED, SIDE_LINES, plain_number, spans_decades, styled
from handgrad.sweep.dead_relu import Rate

DARK, LIGHT = "#000000", "#ffffff"  # on a cell, whatever the paper
HATCH = "////"


def shades(values: Array, accuracy: bool) -> Normalize:
    """What turns a value into a shade; one scale for several maps, so that they can be compared.

    Losses over more than a decade and a half are shaded by their logarithm.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Normalize(0, 1)
    low, high = float(finite.min()), float(finite.max())
    if not accuracy and spans_decades([finite]):
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + 1)


@styled
def heat_map(
    values: Array,
    labels: tuple[Sequence[str], Sequence[str]],
    names: tuple[str, str],
    scale: Normalize,
    *,
    accuracy: bool,
    groups: tuple[int, int] = (0, 0),
) -> Figure:
    """A number in every cell, its shade the brighter the better it is.

    `values`: (rows, columns); ±inf where training diverged, NaN where nothing was run. `labels` and `names`: of rows
    and of columns. `groups`: a line after so many rows and columns, 0 for none.
    """
    rows, columns = values.shape
    lines = 1 + max(label.count("\n") for label in labels[1])
    longest = max(map(len, labels[0]))
    figure = Figure(
        figsize=(max(4.2, 1.1 + 0.09 * longest + 0.78 * columns), 0.8 + 0.2 * lines + 0.46 * rows), layout="constrained"
    )
    axes = figure.add_subplot()
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    colours = matplotlib.colormaps["cividis" if accuracy else "cividis_r"]
    drawn = np.ma.masked_invalid(values)
    axes.pcolormesh(drawn, cmap=colours, norm=scale, edgecolors=GRID, linewidth=1.5)
    for (row, column), value in np.ndenumerate(values):
        text, colour = "–", MUTED
        if math.isinf(value):
            text, colour = "diverged", INK
            box: dict[str, Any] = {
                "facecolor": "none",
                "edgecolor": MUTED,
                "hatch": HATCH,
                "alpha": 0.5,
                "linewidth": 0.5,
            }
            axes.fill_between([column, column + 1], row, row + 1, **box)
        elif math.isfinite(value):
            red, green, blue, _ = colours(scale(value))
            colour = DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.46 else LIGHT
            text = f"{100 * value:.1f}" if accuracy else plain_number(float(value), 2)
        size = 10 if text == "diverged" else 11.5
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=size)
    for start, end, draw in ((groups[0], rows, axes.axhline), (groups[1], columns, axes.axvline)):
        for at in range(start or end, end, start or 1):
            draw(at, color=INK, linewidth=2)
    axes.set_xticks(np.arange(columns) + 0.5, labels[1])
    axes.set_yticks(np.arange(rows) + 0.5, labels[0])
    axes.tick_params(length=0)
    axes.set_xlabel(names[1])
    axes.set_ylabel(names[0])
    axes.invert_yaxis()
    return figure


@styled
def shares(rates: Sequence[Rate]) -> Figure:
    """Each net's share of dead runs on both sides with its 95 % interval, and a line where the theory is."""
    nets = list(dict.fromkeys(rate.net for rate in rates))
    figure = Figure(figsize=(5.6, 1.3 + 0.9 * len(nets)), layout="constrained")
    axes = figure.add_subplot()
    for at, net in enumerate(nets):
        theory = next(rate.theory for rate in rates if rate.net == net)
        label = None if at else "theory"
        axes.plot([theory] * 2, [at - 0.38, at + 0.38], color=INK, linewidth=1.6, dashes=(3, 2), label=label)
    for rate in rates:
        row = nets.index(rate.net) + (0.15 if rate.side == "torch" else -0.15)
        low, high = rate.interval
        colour = SIDE_LINES[rate.side]["color"]
        label = SIDES[rate.side] if rate.net == nets[0] else None
        axes.plot([low, high], [row, row], color=colour, linewidth=5, alpha=0.45, solid_capstyle="butt")
        marker = "o" if rate.side == "scratch" else "D"
        axes.plot([rate.share], [row], color=colour, marker=marker, markersize=7, linestyle="", label=label)
    axes.set_yticks(range(len(nets)), [net.replace("_", " ") for net in nets])
    axes.set_ylim(len(nets) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_xlabel("runs in which no step changed anything")
    axes.grid(False, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, borderaxespad=0)
    return figure
