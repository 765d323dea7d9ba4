"""The pictures: pure functions of rows, in the look of the reports."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import ratio_of
from handgrad.report.plots import GRID, MUTED, NUMPY, STYLE, TORCH, plain_number, styled, write_svg

# Okabe and Ito's colours and a marker each, so that none needs its colour to be told from the others.
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": TORCH, "marker": "o"},
    {"color": "#e69f00", "marker": "s"},
    {"color": "#009e73", "marker": "^"},
    {"color": "#56b4e9", "marker": "D"},
    {"color": "#cc79a7", "marker": "v"},
    {"color": "#4d4d4d", "marker": "P"},
    {"color": "#882255", "marker": "d"},
    {"color": "#999933", "marker": "*"},
    {"color": "#117733", "marker": "h"},
    {"color": "#8e4b9e", "marker": "<"},
    {"color": "#000000", "marker": ">"},
    {"color": "#aa4499", "marker": "p"},
    {"color": "#88ccee", "marker": "H"},
    {"color": "#ddaa33", "marker": "8"},
)
OF_ONES_OWN: dict[str, Any] = {"color": "#bb5566", "marker": "$m$"}


def svg(figure: Figure) -> str:
    """The figure as a file of its own, on white paper: the same rows give the same text."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.set_facecolor("white")
        write_svg(figure, buffer)
    return buffer.getvalue()


def log_axis(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log"})
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 200 else (1.0,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
    axis.set_minor_locator(NullLocator())


@styled
def ratios(labels: Sequence[str], names: Sequence[str], rows: Sequence[Row], over: str, title: str) -> Figure:
    """Every contender's time over that of `over`, a group per row, on a logarithmic axis; a bar is the interval."""
    figure = Figure(figsize=(1.6 + 1.3 * max(len(labels), 4), 4.8), layout="constrained")
    axes = figure.add_subplot()
    for i, name in enumerate(names):
        found = [
            (x + 0.7 * ((i + 0.5) / len(names) - 0.5), ratio)
            for x, row in enumerate(rows)
            if name in seconds_of(row) and over in seconds_of(row)
            if (ratio := ratio_of(seconds_of(row)[name], seconds_of(row)[over]))
        ]
        axes.errorbar(
            [x for x, _ in found],
            [ratio.value for _, ratio in found],
            [[ratio.value - ratio.low for _, ratio in found], [ratio.high - ratio.value for _, ratio in found]],
            linestyle="none",
            markersize=7,
            capsize=3,
            label=name,
            **look(name),
        )
    axes.axhline(1, color=NUMPY, linewidth=2)
    axes.annotate(over, (1, 1), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                  va="center", color=NUMPY)  # fmt: skip
    axes.set_ylabel(title)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    log_axis(axes, "y")
    axes.set_xticks(range(len(labels)), labels, fontsize=10 if len(labels) < 7 else 7.5)
    axes.grid(visible=False, axis="x")
    for x in range(1, len(labels)):
        axes.axvline(x - 0.5, color=MUTED, linewidth=0.4)
    figure.legend(loc="outside upper left", ncols=4, borderaxespad=0)
    return figure


Series = Mapping[str, Sequence[tuple[float, float]]]


@styled
def lines(panels: Mapping[str, Series], x_labels: Sequence[str], y_label: str) -> Figure:
    """A panel per entry, in it a line per name, on logarithmic axes; a name looks the same in all panels."""
    figure = Figure(figsize=(max(5.6, 3.6 * len(panels)), 4.2), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, series), x_label in zip(grid, panels.items(), x_labels, strict=True):
        for name, points in series.items():
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1.8, markersize=6, **look(name))
        axes.set_title(title, fontsize=12)
        axes.set_xlabel(x_label)
        for which in ("x", "y"):
            log_axis(axes, which)
    grid[0].set_ylabel(y_label)
    handles = {label: line for axes in grid for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=4, borderaxespad=0)
    return figure


def look(name: str) -> dict[str, Any]:
    """A contender's colour and marker, the same in every picture, and no other's."""
    others = [other for other in CONTENDERS if other != OURS]
    known = dict(zip(others, LOOKS, strict=True)) | {OURS: {"color": NUMPY, "marker": "X"}}
    return known.get(name, OF_ONES_OWN)


@styled
def bars(labels: Sequence[str], series: Mapping[str, Sequence[float]], y_label: str) -> Figure:
    """A group of bars per label, a bar per name, its value written above it."""
    figure = Figure(figsize=(1.6 + 1.3 * max(len(labels), 4), 4.2), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        places = [x + width * (i + 0.5) - 0.4 for x in range(len(labels))]
        hatch = "" if name.startswith("NumPy") else "//"
        colour = look(name)["color"]
        drawn = axes.bar(places, values, 0.9 * width, label=name, color=colour, hatch=hatch, edgecolor="white")
        axes.bar_label(drawn, [f"{v:,.0f}" if v >= 10 else plain_number(v, 2) for v in values], fontsize=9, padding=2)
    axes.set_xticks(range(len(labels)), labels, fontsize=10 if len(labels) < 7 else 7.5)
    axes.set_ylabel(y_label)
    axes.grid(visible=False, axis="x")
    figure.legend(loc="outside upper left", ncols=4, borderaxespad=0)
    return figure


PHASE_LOOKS = {  # colour and hatch
    "forward": ("#0072b2", ""),
    "loss": ("#56b4e9", "//"),
    "backward": ("#d55e00", ""),
    "optimizer": ("#009e73", ".."),
    "rest": ("#8a8f96", ""),
}


@styled
def stacks(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """A panel per net; in it a bar per side, made of the microseconds of its phases."""
    figure = Figure(figsize=(max(7.2, 2.4 * len(panels)), 4.4), layout="constrained")
    for axes, (title, sides) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        bottoms = dict.fromkeys(sides, 0.0)
        for phase, (colour, hatch) in PHASE_LOOKS.items():
            heights = [1e6 * sides[side][phase] for side in sides]
            given = {"color": colour, "hatch": hatch, "edgecolor": "white", "label": phase}
            axes.bar(list(sides), heights, 0.6, list(bottoms.values()), **given)
            bottoms = {side: bottoms[side] + height for side, height in zip(sides, heights, strict=True)}
        axes.set_ylim(0, 1.05 * max(bottoms.values()))
        axes.set_title(title, fontsize=10.5)
        axes.grid(visible=False, axis="x")
    figure.axes[0].set_ylabel("µs per step")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=5, borderaxespad=0)
    return figure


Cells = Mapping[tuple[int, int], tuple[str, float]]


@styled
def fastest_map(widths: Sequence[int], batches: Sequence[int], cells: Cells) -> Figure:
    """Who is fastest at a width and a batch, and how many times as long the next other library takes."""
    figure = Figure(figsize=(1.5 + 1.45 * len(batches), 1.6 + 0.75 * len(widths)), layout="constrained")
    axes = figure.add_subplot()
    for (width, batch), (name, factor) in cells.items():
        x, y = batches.index(batch), widths.index(width)
        colour = look(name)["color"] if name in CONTENDERS else GRID
        axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=colour, alpha=0.35))
        text = f"{name}\n{factor:.2f}×" if name in CONTENDERS else name
        axes.text(x, y, text, ha="center", va="center", fontsize=9.5)
    axes.set_xlim(-0.5, len(batches) - 0.5)
    axes.set_ylim(-0.5, len(widths) - 0.5)
    axes.set_xticks(range(len(batches)), [str(batch) for batch in batches])
    axes.set_yticks(range(len(widths)), [str(width) for width in widths])
    axes.set_xlabel("batch")
    axes.set_ylabel("width of both hidden layers")
    axes.grid(visible=False)
    return figure
