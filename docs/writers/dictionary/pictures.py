"""The pictures of the dictionary: SVG files of both sides laid on each other, the same bytes for the same numbers."""

import inspect
import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from docs.writers.dictionary.measure import SIDES, STEPS, build, descend, drawn, rates
from handgrad.dictionary.samples import sample
from handgrad.dictionary.source import Entry
from handgrad.report.plots import write_svg

# Between black and white, so that they are seen on either; blue and vermillion are apart for every kind of eye.
INK = "#7b8794"
LINES: dict[str, dict[str, Any]] = {
    "scratch": {"color": "#2f8fd0", "linewidth": 5, "alpha": 0.6, "label": "NumPy"},
    "torch": {"color": "#dd6a1f", "linewidth": 1.6, "dashes": (4, 3), "label": "PyTorch"},
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "handgrad",
    "text.parse_math": False,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": INK,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
}
PLACES = 161


def picture(entry: Entry) -> str | None:
    """The picture of an op as the text of an SVG file; None where there is nothing to be seen."""
    draw = DRAWN.get(entry.family)
    if draw is None:
        return None
    with matplotlib.rc_context(STYLE), np.errstate(all="ignore"):
        figure = Figure(figsize=(8, 3.1), layout="constrained")
        if not draw(entry, figure):
            return None
        buffer = io.StringIO()
        write_svg(figure, buffer)
    return _smaller(buffer.getvalue())


def _smaller(text: str) -> str:
    """Without the document type, lengths in hundredths of a point, in a font that every reader has."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<(?:path|use)[^>]*>", lambda tag: re.sub(r"(\d+\.\d\d)\d+", r"\1", tag.group()), text)
    text = re.sub(r"font-family: [^;\"]+", "font-family: system-ui, sans-serif", text)
    text = re.sub(r"\n([MLz])", r"\1", text)
    return re.sub(r"[ \t]*\n[ \t]*", "\n", text)


def _panels(figure: Figure, left: str, right: str, label: str) -> tuple[Axes, Axes]:
    one, two = figure.subplots(1, 2)
    for axes, title in ((one, left), (two, right)):
        axes.set_title(title, loc="left")
        axes.set_xlabel(label)
    return one, two


def _finish(axes: Axes) -> None:
    axes.legend(handlelength=2.6, fontsize=10)


def _curves(entry: Entry, figure: Figure) -> bool:
    """Value and derivative over x: one number of the sample's row, the others constant."""
    row = sample(entry.name)
    if None not in row.row:
        return False
    # A kink is left out of the line, which breaks there if the derivative jumps, and drawn as a dot.
    kinks = [kink for kink in _kinks(entry) if row.span[0] <= kink <= row.span[1]]
    x = np.unique(np.concatenate([np.linspace(*row.span, PLACES), kinks, *_beside(kinks)]).clip(*row.span))
    names = ("value", "derivative by x") if entry.family == "Losses" else ("y", "dy/dx")
    panels = _panels(figure, *names, label=_label(entry))
    for side in SIDES:
        for axes, values in zip(panels, _evaluate(entry, side, x), strict=True):
            axes.plot(x, np.where(np.isin(x, kinks), np.nan, values), **LINES[side])
            if side == "torch" and kinks:
                at = np.isin(x, kinks)
                axes.plot(x[at], values[at], "o", color=LINES[side]["color"], markersize=5, label="in the table")
    _finish(panels[0])
    return True


def _kinks(entry: Entry) -> list[float]:
    row = sample(entry.name)
    if entry.family == "Losses":
        return sorted({float(x) for x, t in row.points if t == row.constants[0]})
    return sorted(row.points)


def _beside(kinks: list[float]) -> list[list[float]]:
    return [[np.nextafter(kink, -np.inf), np.nextafter(kink, np.inf)] for kink in kinks]


def _label(entry: Entry) -> str:
    row = sample(entry.name)
    others = ", ".join("x" if x is None else f"{x:g}" for x in row.row)
    text = "x" if len(row.row) == 1 else f"x in the row ({others})"
    if not row.constants:
        return text
    _, _, *names = inspect.signature(entry.op.forward).parameters
    values = (_written(constant) for constant in row.constants)
    return ", ".join([text, *(f"{name} {value}" for name, value in zip(names, values, strict=True))])


def _written(constant: Any) -> str:
    return f"({', '.join(map(_written, constant))})" if isinstance(constant, tuple) else f"{constant:g}"


def _evaluate(entry: Entry, side: str, x: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Value and derivative by x, all places as the rows of one batch."""
    row, op = sample(entry.name), build(entry, SIDES[side], np.float64)
    place = row.row.index(None)
    batch = np.tile(np.array([0.0 if a is None else a for a in row.row]), (len(x), 1))
    batch[:, place] = x
    if entry.family != "Losses":
        y = op.forward(batch)
        out = min(place, y.shape[-1] - 1)
        upstream = np.zeros_like(y)
        upstream[:, out] = 1
        return [y[:, out], op.backward(upstream)[:, place]]
    others = [_constant(row.inputs[i + 1], constant, batch) for i, constant in enumerate(row.constants)]
    values, slopes = [], []
    for i in range(len(x)):
        part = [other[i : i + 1] for other in others]
        values.append(float(op.forward(batch[i : i + 1], *part)))
        gradient = op.backward()
        slopes.append(float((gradient[0] if isinstance(gradient, tuple) else gradient)[0, place]))
    return [np.array(values), np.array(slopes)]


def _constant(kind: str, constant: Any, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A constant for every row, in the shape that its kind has."""
    dtype = np.int64 if kind in ("class", "labels") else np.float64
    if kind in ("class", "row sign"):
        return np.full(len(batch), constant, dtype)
    return np.broadcast_to(np.asarray(constant, dtype), batch.shape).copy()


def _descent(entry: Entry, figure: Figure) -> bool:
    """The path down a ravine, and how far down it is."""
    left, right = _panels(figure, f"{STEPS} steps down ½(x² + 16y²) from (−2, 0.8)", "½(x² + 16y²)", "x")
    right.set_xlabel("step")
    paths = {side: descend(entry, package, np.float64, _take) for side, package in SIDES.items()}
    everything = np.concatenate([*paths.values(), np.zeros((1, 2))])
    low, high = everything.min(0), everything.max(0)
    room = 0.08 * (high - low) + 0.05
    grid = [np.linspace(a, b, 41) for a, b in zip(low - room, high + room, strict=True)]
    heights = _height(np.stack(np.meshgrid(*grid), -1))
    left.contour(*grid, np.sqrt(heights), levels=7, colors=INK, linewidths=0.7, alpha=0.6)
    for side, path in paths.items():
        left.plot(*path.T, **LINES[side])
        right.semilogy(np.maximum(_height(path), 1e-32), **LINES[side])
    left.plot(0, 0, "+", color=INK, markersize=10)
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    right.yaxis.set_minor_formatter(NullFormatter())
    _finish(right)
    return True


def _take(optimizer: Any, closure: Callable[[], Any]) -> None:
    optimizer.step(closure)


def _height(at: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray((at[..., 0] ** 2 + 16 * at[..., 1] ** 2) / 2)


def _schedule(entry: Entry, figure: Figure) -> bool:
    axes = figure.subplots()
    axes.set_title("learning rate", loc="left")
    axes.set_xlabel("step")
    for side, package in SIDES.items():
        axes.plot(rates(entry, package), drawstyle="steps-post", **LINES[side])
    axes.set_ylim(bottom=0)
    _finish(axes)
    return True


def _histogram(entry: Entry, figure: Figure) -> bool:
    """The numbers that both sides draw into a matrix of 300 × 200, where they are many different ones."""
    if entry.name == "calculate_gain":
        return False
    numbers = {side: drawn(entry, side).ravel() for side in SIDES}
    if len(np.unique(numbers["scratch"])) < 10:
        return False
    axes = figure.subplots()
    axes.set_title("density of 60,000 draws, a weight of 300 × 200", loc="left")
    axes.set_xlabel("weight")
    low = min(0.0, *(values.min() for values in numbers.values()))
    reach = max(np.abs(values).max() for values in numbers.values())
    bins = np.linspace(low and -reach, reach, 61)
    for side, values in numbers.items():
        density, _ = np.histogram(values, bins, density=True)
        axes.plot((bins[1:] + bins[:-1]) / 2, density, drawstyle="steps-mid", **LINES[side])
    axes.set_ylim(bottom=0)
    _finish(axes)
    return True


DRAWN: dict[str, Callable[[Entry, Figure], bool]] = {
    "Activations": _curves,
    "Layers": _curves,
    "Losses": _curves,
    "Optimizers": _descent,
    "Schedules": _schedule,
    "Initial values": _histogram,
}
