"""The report's pictures: pure functions, data in, `Figure` out, and `to_svg`, which makes a figure part of a page.

Every function builds its own `matplotlib.figure.Figure`, so no state of pyplot is read or changed. Colours that
have to work on light and on dark paper are CSS variables in the SVG, with the light value as fallback for a picture
saved alone.
"""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from html import escape
from itertools import pairwise
from typing import Any, ParamSpec, TextIO

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from contract import Array
from contract.names import SIDES

INK, MUTED, GRID = "#1b2027", "#626b76", "#d5dae1"
NUMPY, TORCH = "#0072b2", "#d55e00"  # Okabe and Ito: far apart for every kind of colour vision
PLUS, MINUS = "#01665e", "#8c510a"  # teal and brown: the same
PAPER_COLOURS = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    NUMPY: "numpy",
    TORCH: "torch",
    PLUS: "plus",
    MINUS: "minus",
}

# Classes keep clear of the two sides' blue and vermillion. Neighbours in the list stay apart under simulated
# deuteranopia, protanopia and tritanopia; the markers tell them apart without any colour.
CLASS_COLOURS = ("#8e4b9e", "#117733", "#e69f00", "#56b4e9", "#f0e442", "#cc79a7", "#999933", "#4d4d4d")
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# Blue where NumPy's output is larger, vermillion where PyTorch's is.
DIFFERENCE = LinearSegmentedColormap.from_list("difference", (TORCH, "#f7f7f7", NUMPY))

# The thick line stays visible under the thin dashed one where the two coincide, with colour or without.
SIDE_LINES: dict[str, dict[str, Any]] = {
    "scratch": {"color": NUMPY, "linewidth": 6, "alpha": 0.5, "markersize": 9},
    "torch": {"color": TORCH, "linewidth": 1.8, "alpha": 1.0, "dashes": (4.5, 3.5), "markersize": 4},
}

# Of two runs: one solid with round marks, one dashed with squares, in colours that are no side's and no class's.
RUN_LINES: tuple[dict[str, Any], ...] = (
    {"color": PLUS, "linewidth": 3.2, "alpha": 0.75, "marker": "o", "markersize": 7},
    {"color": MINUS, "linewidth": 1.8, "dashes": (4.5, 2.5), "marker": "s", "markersize": 5},
)
MARKS = 9  # on such a line

MAX_BINS = 400  # points per line: more cannot be seen at the size of these pictures
PAIRED = 6  # features at most whose pairs are drawn: 15 small plots
MAX_POINTS = 500  # training points per map: more would hide what is under them

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: sharp, selectable, readable aloud
    "svg.hashsalt": "handgrad",  # the same run gives the same bytes
    "text.usetex": False,
    "text.parse_math": False,  # names of features and classes may hold a $
    "font.size": 12,
    "axes.labelsize": 12,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 11.5,
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw under `STYLE`, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inner


def write_svg(figure: Figure, out: TextIO) -> None:
    """The figure, laid out and drawn. `savefig` draws all of it once more to lay it out: the bytes are the same."""
    canvas, dpi = FigureCanvasSVG(figure), figure.dpi
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    figure.dpi = dpi  # SVG is laid out at 72, and images in it keep the figure's
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    canvas.print_svg(out, metadata=metadata)  # type: ignore[no-untyped-call]  # matplotlib's stubs leave it out


def to_svg(figure: Figure, name: str, label: str, said: Sequence[tuple[float, str]] = ()) -> str:
    """The figure as one `<svg>` element to be placed inside a page.

    `name` goes in front of every id, so that several pictures can share a page; `label` is what a screen reader says.
    `said` are places along the x axis, from left to right, and the words that the pointer finds there.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        write_svg(figure, buffer)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)  # would apply to the whole page
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(font: [^;\"]*?px )[^;\"]+", r"\1system-ui, sans-serif", text)
    for colour, variable in PAPER_COLOURS.items():
        text = text.replace(colour, f"var(--{variable}, {colour})")
    size = re.search(r'viewBox="0 0 (\S+) ([^"]+)"', text)
    assert size is not None, "matplotlib writes a viewBox"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size.group()} role="img" '
        f'aria-label="{escape(label)}" style="stroke-linejoin: round; stroke-linecap: butt">'
    )
    inside = text[text.index(">") + 1 :].rstrip().removesuffix("</svg>")
    return f"{head}{inside}{_columns(figure.axes[0], said, float(size[1]), float(size[2]))}</svg>"


def _columns(axes: Axes, said: Sequence[tuple[float, str]], width: float, height: float) -> str:
    """The axes of a figure that is laid out, cut into a column around each place: to be put over its picture."""
    (low, high), box = axes.get_xlim(), axes.get_position()
    edges = [low, *((left + right) / 2 for (left, _), (right, _) in pairwise(said)), high]
    x = [width * (box.x0 + box.width * (edge - low) / (high - low)) for edge in edges]
    return "".join(
        f'<rect x="{left:.2f}" y="{height * (1 - box.y1):.2f}" width="{right - left:.2f}" '
        f'height="{height * box.height:.2f}" fill="transparent"><title>{escape(words)}</title></rect>'
        for (left, right), (_, words) in zip(pairwise(x), said, strict=bool(said))
    )


# --- curves -----------------------------------------------------------------------------------------------------------


def drawable(values: Array) -> npt.NDArray[np.bool_]:
    """Which values have a place on paper: an axis needs room beyond its values, and float64 ends at 1.8e308."""
    return np.abs(values) < 1e100


def smooth(values: Array, window: int) -> Array:
    """Centred moving average over the drawable entries; NaN where a window holds none."""
    finite = drawable(values)
    kernel = np.ones(window)
    with np.errstate(invalid="ignore"):
        total = np.convolve(np.where(finite, values, 0.0), kernel, mode="full")
        count = np.convolve(finite, kernel, mode="full")
        averages: Array = total / count
    start = (window - 1) // 2
    return averages[start : start + len(values)]


def extremes(values: Array) -> npt.NDArray[np.intp]:
    """Indices that keep a curve's outline: of each of `MAX_BINS` stretches the smallest and the largest value."""
    if len(values) <= 2 * MAX_BINS:
        return np.arange(len(values))
    bins = np.array_split(np.arange(len(values)), MAX_BINS)
    ends = [[part[np.argmin(values[part])], part[np.argmax(values[part])]] for part in bins]
    return np.unique(np.array(ends))


def smoothing_window(steps: int) -> int:
    """Steps averaged for the smooth line of a run of that many steps."""
    return max(1, steps // 40)


def spans_decades(series: Sequence[Array], decades: float = 1.5) -> bool:
    """Whether all drawable values are positive and far enough apart for a logarithmic axis."""
    values = np.concatenate([s[drawable(s)] for s in series])
    return bool(len(values) and values.min() > 1e-100 and np.log10(values.max()) - np.log10(values.min()) > decades)


def plain_number(value: float, digits: int = 6) -> str:
    """A number as short as it can be: 0, 0.05, −3, 1.2e−7."""
    return re.sub(r"e([+-])0*", r"e\1", f"{value:.{digits}g}").replace("e+", "e").replace("-", "−")


def _log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 200 else (1.0,), numticks=9))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
    axes.yaxis.set_minor_locator(NullLocator())


def _scale(axes: Axes, use_log: bool, share: bool) -> None:
    """The y axis: shares as per cent, a logarithm for what spans decades."""
    if share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    if use_log:
        _log_axis(axes)


def _curve_figure(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 3.9), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return figure, axes


def _finish(figure: Figure, axes: Axes, columns: int = 2) -> None:
    low, high = axes.get_xlim()
    if high - low < 1:  # a single step or epoch: whole numbers around it
        axes.set_xlim(round((low + high) / 2) - 1, round((low + high) / 2) + 1)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=columns, borderaxespad=0)


@styled
def loss_curves(numpy_losses: Array, torch_losses: Array, lines: Mapping[str, dict[str, Any]] | None = None) -> Figure:
    """Batch loss of every step on both sides: faint raw values, and over them a moving average.

    Of two runs instead of two sides with `lines`: name in the legend → how it is drawn.
    """
    series = (numpy_losses, torch_losses)
    lines = lines or {SIDES[side]: look for side, look in SIDE_LINES.items()}
    use_log = spans_decades(series)
    figure, axes = _curve_figure("training step", "batch loss" + (" (log scale)" if use_log else ""))
    window = smoothing_window(max(map(len, series)))
    for (name, look), values in zip(lines.items(), series, strict=True):
        steps = np.arange(1, len(values) + 1)
        if window > 1:
            shown = extremes(values)
            raw = np.where(drawable(values), values, np.nan)[shown]
            axes.plot(steps[shown], raw, color=look["color"], linewidth=0.7, alpha=0.22)
        every = max(1, len(values) // MAX_BINS)
        axes.plot(steps[::every], smooth(values, window)[::every], label=name, **_marked(look, len(steps[::every])))
    if use_log:
        _log_axis(axes)
    _finish(figure, axes, columns=1 if max(map(len, lines)) > 20 else 2)
    return figure


@styled
def run_curves(
    y_label: str,
    curves: Mapping[str, tuple[Sequence[int], Array]],
    lines: Mapping[str, dict[str, Any]],
    *,
    share: bool = False,
) -> Figure:
    """One measurement per epoch of two runs; name in the legend → (epochs, values), and how it is drawn."""
    series = {name: np.where(drawable(values), values, np.nan) for name, (_, values) in curves.items()}
    use_log = not share and spans_decades(list(series.values()))
    figure, axes = _curve_figure("epoch", y_label + (" (log scale)" if use_log else ""))
    for name, values in series.items():
        axes.plot(np.asarray(curves[name][0]), values, label=name, **_marked(lines[name], len(values)))
    _scale(axes, use_log, share)
    _finish(figure, axes, columns=1 if max(map(len, lines)) > 20 else 2)
    return figure


def _marked(look: dict[str, Any], points: int) -> dict[str, Any]:
    """A line with its marks, at most `MARKS` of them; a side's line has some where it has few points."""
    return {"marker": "o" if points <= 12 else "", "markevery": max(1, points // MARKS), **look}


@styled
def epoch_curves(
    y_label: str, lines: Sequence[tuple[str, str, Sequence[int], Sequence[float]]], *, share: bool = False
) -> Figure:
    """One measurement per epoch. `lines`: ("scratch" or "torch", "train" or "test", epochs, values).

    `share` says that the values are shares in [0, 1], written as per cent.
    """
    series = [np.asarray(values, dtype=np.float64) for *_, values in lines]
    series = [np.where(drawable(values), values, np.nan) for values in series]
    both_splits = len({split for _, split, *_ in lines}) == 2
    use_log = not share and spans_decades(series)
    figure, axes = _curve_figure("epoch", y_label + (" (log scale)" if use_log else ""))
    for (side, split, epochs, _), values in zip(lines, series, strict=True):
        look = dict(SIDE_LINES[side])
        look["alpha"] *= 0.45 if split == "train" and both_splits else 1.0
        marker = {"train": "s", "test": "o"}[split] if len(values) <= 12 else ""
        axes.plot(np.asarray(epochs), values, marker=marker, label=f"{SIDES[side]}, {split}", **look)
    _scale(axes, use_log, share)
    _finish(figure, axes, columns=len(lines) // 2 or 1)
    return figure


@styled
def seed_bands(y_label: str, curves: Mapping[str, Array], *, share: bool = False) -> Figure:
    """For each side the median over seeds and a band from the smallest to the largest, epoch by epoch.

    `curves`: side → (seeds, epochs + 1), of which epoch 0 is the untrained net; NaN where there is no number.
    """
    series = [np.where(drawable(values), values, np.nan) for values in curves.values()]
    use_log = not share and spans_decades([values.ravel() for values in series])
    figure, axes = _curve_figure("epoch", y_label + (" (log scale)" if use_log else ""))
    for side, values in zip(curves, series, strict=True):
        kept = np.isfinite(values).any(axis=0)
        epochs = np.flatnonzero(kept)
        low, middle, high = (
            np.nanmin(values[:, kept], 0),
            np.nanmedian(values[:, kept], 0),
            np.nanmax(values[:, kept], 0),
        )
        look = SIDE_LINES[side]
        if side == "scratch":
            axes.fill_between(epochs, low, high, color=look["color"], alpha=0.16, linewidth=0)
        else:  # the ends of the other side's band as lines: two bands on top of each other would hide one
            for end in (low, high):
                axes.plot(epochs, end, color=look["color"], linewidth=0.9, dashes=(2, 2))
        axes.plot(epochs, middle, label=f"{SIDES[side]}, median", **look)
    _scale(axes, use_log, share)
    _finish(figure, axes)
    return figure


@styled
def divergence_curve(divergence: Sequence[float], dtype: str, one_ulp_copy: Sequence[float] = ()) -> Figure:
    """Largest relative difference between the two sides' weights after each step, on a log scale.

    Under it that between the NumPy side and its copy, whose largest weight began one unit in the last place higher.
    Steps after which the weights are bit-equal have no place on a log scale; the line has a gap there.
    """
    values, theirs = (np.asarray(line, dtype=np.float64) for line in (divergence, one_ulp_copy))
    drawn, beside = (np.where(drawable(v) & (v > 0), v, np.nan) for v in (values, theirs))
    epsilon = float(np.finfo(dtype).eps)
    figure, axes = _curve_figure("training step", "weight difference (log scale)")
    shown = extremes(np.nan_to_num(drawn))
    marker = "o" if np.isfinite(drawn).sum() <= 12 else ""
    look: dict[str, Any] = {"color": INK, "linewidth": 1.4, "marker": marker, "markersize": 4}
    if np.isfinite(beside).any():
        kept = extremes(np.nan_to_num(beside))
        axes.plot(
            kept + 1, beside[kept], color=NUMPY, linewidth=5, alpha=0.4, label="NumPy against its copy, 1 ulp apart"
        )
    axes.plot(shown + 1, drawn[shown], label="NumPy against PyTorch", **look)
    name = f"one rounding step of {dtype}: {plain_number(epsilon, 2)}"
    axes.axhline(epsilon, color=MUTED, linewidth=1.2, linestyle=(0, (2, 3)), label=name)
    axes.set_xlim(0, max(2, len(values) + 1))
    everything = np.concatenate([drawn, beside, [epsilon]])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    axes.set_ylim(low / 3, high * 3)
    _log_axis(axes)
    _finish(figure, axes, columns=1)
    return figure


# --- maps over the input plane ----------------------------------------------------------------------------------------


def lattice_side(grid: Array) -> int:
    """Points along one side of the square lattice `grid`, shape (side², 2)."""
    side = math.isqrt(len(grid))
    if grid.ndim != 2 or grid.shape[1] != 2 or side * side != len(grid):
        raise ValueError(f"grid: got shape {grid.shape}, allowed is (side², 2)")
    return side


def on_lattice(grid: Array, values: Array) -> tuple[Array, tuple[float, float, float, float]]:
    """`values`, one row per grid point, as an image (rows x2 upwards, columns x1) and its extent for `imshow`."""
    side = lattice_side(grid)
    order = np.lexsort((grid[:, 0], grid[:, 1]))
    image = values[order].reshape(side, side, *values.shape[1:])
    (x_low, y_low), (x_high, y_high) = grid.min(axis=0), grid.max(axis=0)
    half_x, half_y = (x_high - x_low) / (2 * side - 2), (y_high - y_low) / (2 * side - 2)  # pixels centre on the points
    return image, (x_low - half_x, x_high + half_x, y_low - half_y, y_high + half_y)


def shown_points(count: int, most: int = MAX_POINTS) -> npt.NDArray[np.intp]:
    """Indices of the training points drawn on a map: all, or `most` evenly spaced ones."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def _map_figure(features: Sequence[str], height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.4, height), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(False)
    axes.set_xlabel(features[0])
    axes.set_ylabel(features[1])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    return figure, axes


def _show_image(axes: Axes, image: Array, extent: tuple[float, float, float, float], **options: Any) -> Any:
    # "none" embeds the lattice as it is: one small PNG, smoothed by the reader's browser.
    return axes.imshow(image, origin="lower", extent=extent, interpolation="none", aspect="auto", **options)


def _colour_bar(figure: Figure, axes: Axes | list[Axes], image: Any, label: str) -> None:
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.92, aspect=32, pad=0.03)
    bar.set_label(label)
    bar.outline.set_visible(False)
    bar.ax.xaxis.set_major_locator(MaxNLocator(nbins=4, symmetric=True))
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value, 2)))


@styled
def feature_pairs(
    x: Array,
    features: Sequence[str],
    labels: npt.NDArray[np.integer[Any]] | None,
    names: Sequence[str],
    values: Array | None,
) -> Figure:
    """Every feature against every other, with the classes by colour and marker, or `values` by colour."""
    pairs = [(i, j) for i in range(len(features)) for j in range(i + 1, len(features))]
    columns = 1 if len(pairs) == 1 else 2 if len(pairs) <= 6 else 3
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(5.6, 5.0 if columns == 1 else 2.0 * rows + 0.5), layout="constrained")
    chosen = shown_points(len(x))
    size = 24 if columns == 1 else 14
    longest = 42 // columns  # characters that fit under a small plot
    short = [name if len(name) <= longest else f"{name[: longest - 1]}…" for name in features]
    edge: dict[str, Any] = {"linewidths": 0.5, "edgecolors": INK}  # turns light on dark paper
    for k, (i, j) in enumerate(pairs):
        axes = figure.add_subplot(rows, columns, k + 1)
        axes.set_xlabel(short[i])
        axes.set_ylabel(short[j])
        axes.xaxis.set_major_locator(MaxNLocator(nbins=3 if columns > 1 else 6))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3 if columns > 1 else 6))
        if labels is None:
            shades = None if values is None else values[chosen]
            points = axes.scatter(x[chosen, i], x[chosen, j], s=size, c=shades, cmap="cividis", **edge)
            continue
        for c, name in enumerate(names):
            members = x[chosen][labels[chosen] == c]
            look: dict[str, Any] = {
                "c": CLASS_COLOURS[c % len(CLASS_COLOURS)],
                "marker": CLASS_MARKERS[c % len(CLASS_MARKERS)],
            }
            axes.scatter(members[:, i], members[:, j], s=size, label=name, **edge, **look)
    if labels is not None:
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(),
            loc="outside upper left",
            ncols=min(len(names), 4 if sum(map(len, names)) < 24 else 2),
            markerscale=7 / size**0.5,
        )
    elif values is not None:
        _colour_bar(figure, figure.axes, points, "target")
    return figure


@styled
def class_regions(
    grid: Array,
    scores: Array,
    points: Array,
    labels: npt.NDArray[np.integer[Any]],
    names: Sequence[str],
    features: Sequence[str],
) -> Figure:
    """Which class wins where, paler where the win is narrow, with the boundary as a line and the training points.

    `scores`: (grid points, classes) in [0, 1]. `points`: (n, 2) with `labels` (n,).
    """
    image, extent = on_lattice(grid, scores)
    classes = image.shape[-1]
    winner = image.argmax(axis=-1)
    runner_up = np.sort(image, axis=-1)[..., -2]
    margin = np.clip(image.max(axis=-1) - runner_up, 0.0, 1.0)[..., None]
    palette = np.array([to_rgb(CLASS_COLOURS[c % len(CLASS_COLOURS)]) for c in range(classes)])
    strength = 0.10 + 0.42 * margin
    figure, axes = _map_figure(features, 5.5)
    _show_image(axes, 1.0 - strength * (1.0 - palette[winner]), extent)
    axes.set_autoscale_on(False)
    x1, x2 = np.unique(grid[:, 0]), np.unique(grid[:, 1])
    for c in range(classes):
        rival = np.delete(image, c, axis=-1).max(axis=-1)
        lead = image[..., c] - rival
        if c > 0 and lead.min() < 0 < lead.max():  # every boundary has a class > 0 on one of its sides
            axes.contour(x1, x2, lead, levels=[0.0], colors=["#1c1c1c"], linewidths=1.1)
    handles = []
    chosen = shown_points(len(points))
    for c in range(classes):
        colour, marker = CLASS_COLOURS[c % len(CLASS_COLOURS)], CLASS_MARKERS[c % len(CLASS_MARKERS)]
        members = points[chosen][labels[chosen] == c]
        axes.scatter(members[:, 0], members[:, 1], s=22, c=colour, marker=marker, linewidths=0.5, edgecolors="#1c1c1c")
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", markersize=7, label=names[c]))
    columns = min(classes, 4) if sum(map(len, names)) < 24 else 2
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, borderaxespad=0)
    return figure


@styled
def surface(
    grid: Array, values: Array, points: Array, targets: Array, limits: tuple[float, float], features: Sequence[str]
) -> Figure:
    """A predicted value over the input plane, level lines on it, and the training points in the same colours.

    `values`: (grid points,); `points`: (n, 2) with `targets` (n,); `limits`: ends of the colour scale.
    """
    image, extent = on_lattice(grid, values)
    low, high = limits
    figure, axes = _map_figure(features, 5.9)
    shown = _show_image(axes, image, extent, cmap="cividis", vmin=low, vmax=high)
    axes.set_autoscale_on(False)
    levels = np.linspace(low, high, 11)[1:-1]
    if image.min() < levels[-1] and image.max() > levels[0]:
        x1, x2 = np.unique(grid[:, 0]), np.unique(grid[:, 1])
        axes.contour(x1, x2, image, levels=levels, colors=["#ffffff"], linewidths=0.5, linestyles="solid")
    chosen = shown_points(len(points))
    x, y = points[chosen].T
    edge: dict[str, Any] = {"linewidths": 0.6, "edgecolors": "#ffffff"}
    axes.scatter(x, y, s=20, c=targets[chosen], cmap="cividis", vmin=low, vmax=high, **edge)
    _colour_bar(figure, axes, shown, "predicted value (marks: target)")
    return figure


@styled
def difference_map(grid: Array, difference: Array, points: Array, features: Sequence[str]) -> Figure:
    """NumPy's output minus PyTorch's over the input plane, on a symmetric scale, with the training points as dots.

    `difference`: (grid points,).
    """
    image, extent = on_lattice(grid, difference)
    limit = float(np.abs(image).max()) or 1.0
    figure, axes = _map_figure(features, 5.9)
    shown = _show_image(axes, image, extent, cmap=DIFFERENCE, vmin=-limit, vmax=limit)
    axes.set_autoscale_on(False)
    x, y = points[shown_points(len(points))].T
    axes.scatter(x, y, s=3, c="#1c1c1c", alpha=0.4, linewidths=0)
    _colour_bar(figure, axes, shown, "NumPy minus PyTorch")
    return figure
