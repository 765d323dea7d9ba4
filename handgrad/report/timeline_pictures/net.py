"""The net itself: neurons, weights and biases for one example."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from contract import Array
from handgrad.format import number
from handgrad.report import svg
from handgrad.report.svg import INK, MUTED, WIDTH, tag, text
from handgrad.training.record import Run
from handgrad.training.timeline import Frame

COLUMN = 10  # neurons of a layer drawn at most


def network(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """The NumPy side's net for the first training example: neurons filled by value, weights as coloured lines.

    Teal is above 0; brown, dashed or with a minus is below. A line is as thick as its weight is large. The square at a
    neuron is its bias, on its corner where it is below 0. Of a wide layer the first neurons are drawn.
    """
    frame, state = seen[i], seen[i].states["scratch"]
    linear = [name for name, kind in frame.kinds.items() if kind == "Linear"]
    weights = [state[f"{name}.weight".lstrip(".")] for name in linear]
    if not weights or any(a.shape[0] != b.shape[1] for a, b in pairwise(weights)):
        return None
    activity = frame.sides["scratch"]
    values = [np.asarray(v[0], float).ravel() for v in (*(activity.fed[name] for name in linear), activity.output)]
    if not all(np.isfinite(numbers).all() for numbers in (*state.values(), *values)):
        return None
    biases = [None, *(state.get(f"{name}.bias".lstrip(".")) for name in linear)]
    shown = [min(len(v), COLUMN) for v in values]
    height = 40.0 * max(shown) + 60
    places = [
        [(40 + (WIDTH - 80) * k / (len(values) - 1), 30 + (height - 60) * (j + 0.5) / n) for j in range(n)]
        for k, n in enumerate(shown)
    ]
    parts = [_wires(w, a, b) for w, (a, b) in zip(weights, pairwise(places), strict=True)]
    for k, (value, bias) in enumerate(zip(values, biases, strict=True)):
        parts.append(_column(places[k], value, bias))
        words = f"{len(value)}" if len(value) == shown[k] else f"{shown[k]} of {len(value)}"
        parts.append(text(places[k][0][0], height - 6, words, "middle", fill=MUTED))
    ends = ", ".join(number(float(v), 3) for v in values[-1][:4])
    sizes = "-".join(str(len(v)) for v in values)
    label = f"The net {sizes} with the first training example, {frame.label}; it answers {ends}."
    return svg.svg(height + 22, label, *parts, _legend(height + 16))


def _wires(weight: Array, left: list[tuple[float, float]], right: list[tuple[float, float]]) -> str:
    limit = float(np.abs(weight).max(initial=0)) or 1.0
    parts = []
    for j, end in enumerate(right):
        for k, start in enumerate(left):
            w = float(weight[j, k])
            look = {"stroke_width": 0.4 + 4 * abs(w) / limit, "stroke_opacity": 0.75, **_line(w)}
            title = tag("title", f"weight {number(w, 4)}")
            parts.append(tag("line", title, x1=start[0], y1=start[1], x2=end[0], y2=end[1], **look))
    return "".join(parts)


def _column(places: list[tuple[float, float]], values: Array, bias: Array | None) -> str:
    limit = float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0
    parts = []
    for (x, y), value, j in zip(places, values, range(len(places)), strict=False):
        strength = min(abs(float(value)) / limit, 1.0)
        fill = {"fill": _sign(float(value)), "fill_opacity": 0.05 + 0.95 * strength, "stroke": INK}
        parts.append(tag("circle", x_="", cx=x, cy=y, r=11.0, fill="var(--card, #ffffff)"))
        parts.append(tag("circle", tag("title", number(float(value), 4)), cx=x, cy=y, r=11.0, **fill))
        if value < 0:
            parts.append(tag("path", d=f"M{x - 5:g} {y:g}h10", stroke=INK, stroke_width=4))
            parts.append(tag("path", d=f"M{x - 4:g} {y:g}h8", stroke="var(--card, #ffffff)", stroke_width=2))
        if bias is not None:
            b = float(bias[j])
            most = float(np.abs(bias).max(initial=0)) or 1.0
            square = {"fill": _sign(b), "fill_opacity": 0.1 + 0.9 * abs(b) / most, "stroke": INK, "stroke_width": 0.6}
            title = tag("title", f"bias {number(b, 4)}")
            square |= {"x": x + 9, "y": y - 18, "width": 9.0, "height": 9.0, **_turned(b, x + 13.5, y - 13.5)}
            parts.append(tag("rect", title, **square))
    return "".join(parts)


def _line(value: float) -> dict[str, str]:
    return {"stroke": svg.PLUS} if value >= 0 else {"stroke": svg.MINUS, "stroke_dasharray": "6 3"}


def _turned(value: float, x: float, y: float) -> dict[str, str]:
    """What is below 0 stands on its corner."""
    return {"transform": f"rotate(45 {x:g} {y:g})"} if value < 0 else {}


def _sign(value: float) -> str:
    return svg.PLUS if value >= 0 else svg.MINUS


def _legend(y: float) -> str:
    """What colours and squares mean."""
    parts = []
    for x, value, words in ((4.0, 1.0, "above 0"), (104.0, -1.0, "below 0")):
        line = tag("path", d=f"M{x:g} {y - 4:g}h24", stroke_width=4, **_line(value))
        parts += [line, text(x + 30, y, words)]
    for x, value, words in ((208.0, 1.0, "bias above"), (304.0, -1.0, "bias below")):
        square = {"fill": "none", "stroke": INK, **_turned(value, x + 4.5, y - 4.5)}
        parts += [tag("path", d=f"M{x:g} {y - 9:g}h9v9h-9z", **square), text(x + 15, y, words)]
    return "".join(parts)


def hidden(fed: dict[str, Array]) -> list[tuple[str, Array]]:
    """What the hidden neurons hand on: the inputs of every linear layer but the first."""
    return [(name, values) for name, values in list(fed.items())[1:] if values.ndim == 2]


def number_of(name: str, fed: dict[str, Array]) -> int:
    """A hidden layer's number, from 1."""
    return list(fed).index(name)
