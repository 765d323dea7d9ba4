"""Curves over the whole of training with a mark at the moment shown, and the probabilities at that moment."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from contract.names import SIDES
from handgrad.experiments.score import class_scores, true_classes
from handgrad.format import number, share
from handgrad.report import plots, svg
from handgrad.report.svg import FONT, INK, MUTED, WIDTH, Plane, tag, text
from handgrad.training.record import Run
from handgrad.training.timeline import Frame

BARS = 100  # training examples whose probability is drawn


def gradients(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """Length of the gradient of every weight matrix, at every moment, on both sides."""
    names = [name for name in seen[0].sides["scratch"].gradients if name.endswith("weight")]
    lengths = {
        (side, name): [frame.sides[side].gradients.get(name, 0.0) for frame in seen] for side in SIDES for name in names
    }
    positive = [v for values in lengths.values() for v in values if 0 < v < 1e100]
    if not positive or not np.isfinite([v for values in lengths.values() for v in values]).all():
        return None
    low, high = 10 ** np.floor(np.log10(min(positive))), 10 ** np.ceil(np.log10(max(positive)))
    low = max(float(low), float(high) * 1e-12)
    plane = _over_time(seen, (low, float(high) if high > low else low * 10), log=True)
    parts = [plane.axes("training step", "length of the gradient"), _now(plane, seen[i].step)]
    ends = []
    for name in names:
        for side in SIDES:
            points = zip(seen, lengths[side, name], strict=True)
            line = [plane(moment.step, max(v, low)) for moment, v in points if v < 1e100]
            parts.append(_line(side, line))
        ends.append((layer(name.removesuffix("weight").rstrip(".")), line[-1][1]))
        parts.append(_hover(plane, seen, {side: lengths[side, name] for side in SIDES}, ends[-1][0], low))
    parts.append(_at_the_ends(plane, ends))
    ours = "; ".join(f"{name} {number(lengths['scratch', name][i], 3)}" for name in names)
    return svg.svg(330, f"Length of the gradients, {seen[i].label}: {ours}.", *parts, _sides_legend(322))


def units(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """Dead units of every ReLU and saturated numbers of every tanh and sigmoid, as shares, over time on both sides."""
    now = seen[i].sides["scratch"].rests
    if not now:
        return None
    plane = _over_time(seen, (0.0, 1.0))
    parts = [plane.axes("training step", "share that does not learn"), _now(plane, seen[i].step)]
    said, ends = [], []
    for name, (word, part) in now.items():
        for side in SIDES:
            line = [plane(frame.step, frame.sides[side].rests[name][1]) for frame in seen]
            parts.append(_line(side, line))
        ends.append((layer(name), line[-1][1]))
        shares = {side: [frame.sides[side].rests[name][1] for frame in seen] for side in SIDES}
        parts.append(_hover(plane, seen, shares, layer(name)))
        said.append(f"{layer(name)}, {seen[i].kinds[name]}: {share(part)} {word}")
    parts.append(_at_the_ends(plane, ends))
    lines = [text(0, 345 + 18 * k, words_, fill=MUTED) for k, words_ in enumerate(said)]
    label = f"Dead units and saturated numbers, {seen[i].label}. {'; '.join(said)}."
    return svg.svg(340 + 18 * len(said), label, *parts, _sides_legend(322), *lines)


def probabilities(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """The probability of the second class for each of the first training examples: NumPy's bars, PyTorch's ticks."""
    if run.data.classes is None or len(run.data.classes) != 2:
        return None
    rows = min(BARS, len(run.data.x_train))
    truth = true_classes(run.data, run.data.y_train)[:rows]
    scores = {
        side: class_scores(run.experiment, run.data, seen[i].sides[side].output.astype(float))[:rows, 1]
        for side in SIDES
    }
    if not all(np.isfinite(values).all() for values in scores.values()):
        return None
    plane = Plane((0.0, float(rows)), (0.0, 1.0), (44.0, 28.0, WIDTH - 64.0, 230.0))
    parts = [plane.axes("training example", f"probability of {run.data.classes[1]}")]
    ticks, told = [], []
    for n in range(rows):
        (left, top), (right, bottom) = plane(n + 0.1, scores["scratch"][n]), plane(n + 0.9, 0.0)
        parts.append(tag("rect", x=left, y=top, width=right - left, height=bottom - top, **_class_look(int(truth[n]))))
        tick = plane(0.0, scores["torch"][n])[1]
        ticks.append(f"M{left - 0.5:.1f} {tick:.1f}H{right + 0.5:.1f}")
        answers = ", ".join(f"{SIDES[side]} {number(float(values[n]), 4)}" for side, values in scores.items())
        told.append((f"example {n}: {answers}", left, 28.0, right - left, 230.0))
    parts += [tag("path", d="".join(ticks), stroke=INK, stroke_width=1.2), svg.said(*told)]
    for c, name in enumerate(run.data.classes):
        parts.append(tag("rect", x=44.0 + 170 * c, y=306.0, width=11.0, height=11.0, **_class_look(c)))
        parts.append(text(60 + 170 * c, 316, f"truly {name}"[:20]))
    parts.append(text(44, 338, "bar: NumPy, line: PyTorch", fill=MUTED))
    right = float(((scores["scratch"] > 0.5) == (truth == 1)).mean())
    label = f"Probability of {run.data.classes[1]} for {rows} training examples, {seen[i].label}: {share(right)} right."
    return svg.svg(345, label, *parts)


def _class_look(c: int) -> dict[str, Any]:
    """Of two classes' bars: the first full, the second an outline."""
    colour = plots.CLASS_COLOURS[c]
    return {"fill": colour, **({"fill_opacity": 0.2, "stroke": colour, "stroke_width": 1} if c else {})}


def _hover(plane: Plane, seen: Sequence[Frame], values: dict[str, list[float]], name: str, least: float = 0.0) -> str:
    """Both sides' numbers, where the pointer rests on a moment of a line."""
    found = []
    for frame, ours, theirs in zip(seen, *values.values(), strict=True):
        x, y = plane(frame.step, max(ours, least))
        words = f"{name}, {frame.label}: NumPy {number(ours, 4)}, PyTorch {number(theirs, 4)}"
        found.append((words, x - 5, y - 5, 10.0, 10.0))
    return svg.said(*found)


def _over_time(seen: Sequence[Frame], ends: tuple[float, float], log: bool = False) -> Plane:
    return Plane((0.0, float(seen[-1].step)), ends, (50.0, 28.0, WIDTH - 112.0, 230.0), log)


def _line(side: str, points: Sequence[tuple[float, float]]) -> str:
    """A line through what was measured, and on the NumPy side a dot at every moment: between them nobody looked."""
    dots = [tag("circle", cx=x, cy=y, r=1.8) for x, y in points] if side == "scratch" else []
    return "".join([svg.polyline(points, **svg.SIDE_LINES[side]), *dots])


def layer(name: str) -> str:
    """A layer's path as words, so short that it fits beside a picture."""
    path = name.removeprefix("layers.")
    words = f"layer {path}" if path.replace(".", "").isdigit() else path or "layer"
    return words if len(words) <= 9 else f"{words[:8]}…"


def _at_the_ends(plane: Plane, ends: Sequence[tuple[str, float]]) -> str:
    """Names at the right ends of lines, moved apart where they would cover each other."""
    left, top, width, height = plane.box
    most = int(height // FONT)
    rows = sorted(ends, key=lambda end: end[1])[:most]
    places = [y for _, y in rows]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + FONT)
    for k in reversed(range(len(places))):
        places[k] = min(places[k], top + height - FONT * (len(places) - 1 - k))
    return "".join(
        text(left + width + 5, y + 4, words, font_size=12) for (words, _), y in zip(rows, places, strict=True)
    )


def _now(plane: Plane, step: int) -> str:
    """A line at the moment shown."""
    x = plane(step, plane.ends[1][1])[0]
    _, top, _, height = plane.box
    return tag("line", x1=x, x2=x, y1=top, y2=top + height, stroke=INK, stroke_width=1.4)


def _sides_legend(y: float) -> str:
    parts = []
    for k, (side, name) in enumerate(SIDES.items()):
        x = 50.0 + 110 * k
        parts.append(tag("line", x1=x, x2=x + 24, y1=y - 4, y2=y - 4, **svg.SIDE_LINES[side]))
        parts.append(text(x + 30, y, name))
    return "".join(parts)
