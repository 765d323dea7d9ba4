"""Of nets whose inputs are pictures: what the first layer's neurons look for, and one picture's way through the net."""

from collections.abc import Sequence
from html import escape

import numpy as np

from contract import Array
from contract.names import SIDES
from handgrad.experiments.score import class_scores, true_classes
from handgrad.format import number, share
from handgrad.report import svg
from handgrad.report.pictures import grey
from handgrad.report.plots import plain_number
from handgrad.report.svg import GRID, INK, MUTED, WIDTH, Plane, tag, text
from handgrad.report.timeline_pictures.net import hidden, number_of
from handgrad.training.record import Run
from handgrad.training.timeline import Frame

NEURONS, COLUMNS = 32, 8
BARS = 10  # classes whose probability is drawn


def first_weights(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """The weights of the first layer's neurons, each as a picture of the inputs' size, on one scale for all moments."""
    name = next((name for name, kind in seen[i].kinds.items() if kind == "Linear"), None)
    if run.data.image is None or name is None:
        return None
    weights = [frame.states["scratch"][f"{name}.weight".lstrip(".")].astype(float) for frame in seen]
    if weights[i].shape[1] != np.prod(run.data.image) or not all(np.isfinite(w).all() for w in weights):
        return None
    total, limit = len(weights[i]), float(np.abs(weights).max()) or 1.0
    lengths = np.linalg.norm(weights[-1], axis=1)
    chosen = np.sort(np.argsort(-lengths, kind="stable")[:NEURONS])
    pictures = weights[i][chosen].reshape(-1, *run.data.image)
    drawn, height = svg.tiles(0.5 + 0.5 * pictures / limit, COLUMNS, 0, 0, WIDTH)
    wide, tall = WIDTH / COLUMNS, height / -(-len(chosen) // COLUMNS)
    told = [
        (f"neuron {unit}: {svg.ends(weights[i][unit])}", k % COLUMNS * wide, k // COLUMNS * tall, wide, tall)
        for k, unit in enumerate(chosen)
    ]
    words = f"all {total} neurons" if total <= NEURONS else f"{len(chosen)} of {total} neurons, the largest at the end"
    label = f"Weights of {words} of the first layer as pictures, {seen[i].label}; white is {plain_number(limit, 2)}."
    key = _scale(height + 10, limit), text(0, height + 50, words, fill=MUTED)
    return svg.svg(height + 56, label, drawn, svg.said(*told), *key)


def _scale(y: float, limit: float) -> str:
    """From black over grey to white, with the numbers that they stand for."""
    ramp = svg.image(np.repeat(np.linspace(0, 1, 64)[None, :, None], 3, axis=2), 70, y, 200, 12)
    frame = tag("rect", x=70, y=y, width=200, height=12, fill="none", stroke=MUTED)
    low, high = plain_number(-limit, 2), plain_number(limit, 2)
    return ramp + frame + text(64, y + 11, low, "end") + text(276, y + 11, high)


def way(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """The first training picture, what each hidden layer makes of it (NumPy side), and what both sides answer."""
    classes, frame = run.data.classes, seen[i]
    if run.data.image is None or classes is None:
        return None
    scores = {
        side: class_scores(run.experiment, run.data, frame.sides[side].output[:1].astype(float))[0] for side in SIDES
    }
    fed = frame.sides["scratch"].fed
    layers = [(f"layer {number_of(name, fed)}", values[0].astype(float)) for name, values in hidden(fed)]
    if not all(np.isfinite(v).all() for v in (*scores.values(), *(values for _, values in layers))):
        return None
    truth = classes[int(true_classes(run.data, run.data.y_train[:1])[0])]
    blocks = [
        (f"truly {truth}", grey(run.data, run.data.x_train[:1])[0]),
        *((words, _square(v)) for words, v in layers),
    ]
    wide = min(110.0, (WIDTH + 16) / len(blocks) - 16)
    parts, below = [], 0.0
    for k, (words, values) in enumerate(blocks):
        left = k * (wide + 16)
        drawn, height = svg.tiles(values[None], 1, left, 20, wide)
        pixels = f"{words}: {values.size} numbers, {svg.ends(values)}"
        parts += [text(left, 13, words[: int(wide / 7)]), drawn, svg.said((pixels, left, 20, wide, height))]
        below = max(below, 20 + height)
    likely = np.sort(np.argsort(-scores["scratch"], kind="stable")[:BARS])
    parts.append(_bars([values[likely] for values in scores.values()], [classes[c] for c in likely], below + 34))
    answers = [(SIDES[side], int(v.argmax()), float(v.max())) for side, v in scores.items()]
    said = "; ".join(f"{side}: {classes[c]}, {share(sure)}" for side, c, sure in answers)
    label = f"The way of one picture, truly {truth}, through the net, {frame.label}. {said}."
    return svg.svg(below + 162, label, *parts)


def _square(values: Array) -> Array:
    """The units of a layer as tiles of a square: grey is 0, white the largest, black as far below 0."""
    limit = float(np.abs(values).max(initial=0)) or 1.0
    side = int(np.ceil(np.sqrt(len(values))))
    padded = np.full(side * -(-len(values) // side), np.nan)
    padded[: len(values)] = 0.5 + 0.5 * values / limit
    return padded.reshape(-1, side)


def _bars(sides: Sequence[Array], names: Sequence[str], y: float) -> str:
    """The probability of each class: NumPy's as bars, PyTorch's as lines across them."""
    wide, plane = WIDTH / len(names), Plane((0.0, len(names)), (0.0, 1.0), (0.0, y + 14, WIDTH, 90.0))
    parts = [text(0, y - 8, "probability of each class; bar: NumPy, line: PyTorch", fill=MUTED, font_size=12)]
    for k, (name, ours, theirs) in enumerate(zip(names, *sides, strict=True)):
        (left, top), (_, bottom), (_, line) = (plane(k, value) for value in (ours, 0.0, theirs))
        title = tag("title", f"{escape(name)}: NumPy {number(float(ours), 4)}, PyTorch {number(float(theirs), 4)}")
        bar = {"x": left + 4, "width": wide - 8}
        parts += [
            tag("rect", **bar, y=top, height=bottom - top, fill="var(--numpy, #0072b2)"),
            tag("line", x1=left + 1, x2=left + wide - 1, y1=line, y2=line, stroke=INK, stroke_width=1.5),
            tag("rect", title, **bar, y=bottom - 90, height=90.0, fill="transparent", stroke=GRID),
            text(left + wide / 2, y + 9, f"{100 * ours:.0f} %", "middle", font_size=11),
            text(left + wide / 2, bottom + 18, name[: max(1, int(wide / 7))], "middle"),
        ]
    return "".join(parts)
