"""What both sides answer over the input plane, and what every neuron does there."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from contract import Array
from contract.names import SIDES
from handgrad.experiments.score import class_scores, true_classes
from handgrad.format import number, share
from handgrad.report import plots, svg
from handgrad.report.pictures import axis_names
from handgrad.report.svg import INK, MUTED, WIDTH, Plane, text
from handgrad.report.timeline_pictures.net import hidden, number_of
from handgrad.training.record import Run
from handgrad.training.timeline import Frame

CELLS = 8  # per axis of a map: in its middle each says what is there
MAPS = 16  # neurons shown at most, and
PER_LAYER = 8  # of one layer
PIXELS = 61  # per axis of a map


def region(side: str) -> Callable[[Run, Sequence[Frame], int], str | None]:
    """What the side answers over the plane: classes, paler where less sure; or a value."""

    def picture(run: Run, seen: Sequence[Frame], i: int) -> str | None:
        outputs = seen[i].sides[side].region
        if outputs is None or not np.isfinite(outputs).all():
            return None
        if run.data.classes is None:
            targets = run.data.y_train[:, 0]
            low, high = float(targets.min()), float(targets.max())
            colours = _cividis((outputs[:, 0] - low) / ((high - low) or 1))
            said = f"values from {number(float(outputs[:, 0].min()), 3)} to {number(float(outputs[:, 0].max()), 3)}"
        else:
            scores = class_scores(run.experiment, run.data, outputs.astype(float))
            winner = scores.argmax(axis=1)
            lead = np.sort(scores, axis=1)[:, -1] - np.sort(scores, axis=1)[:, -2]
            palette = np.array([_class_colour(c) for c in range(scores.shape[1])])
            colours = 1 - (0.12 + 0.5 * np.clip(lead, 0, 1)[:, None]) * (1 - palette[winner])
            parts = np.bincount(winner, minlength=scores.shape[1]) / len(winner)
            said = ", ".join(
                f"{name} on {share(float(part))}" for name, part in zip(run.data.classes, parts, strict=True)
            )
        label = f"What {SIDES[side]} answers over the plane, {seen[i].label}: {said}."

        def answer(n: int) -> str:
            if run.data.classes is None:
                return number(float(outputs[n, 0]), 3)
            return f"{run.data.classes[winner[n]]}, {share(float(scores[n].max()))}"

        return _map(run, colours, label, answer, points=True)

    return picture


def difference(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """NumPy's output minus PyTorch's over the plane, on one scale for all moments."""
    apart = [frame.apart for frame in seen if frame.apart is not None]
    if len(apart) < len(seen) or not np.isfinite(apart).all():
        return None
    limit, own = float(np.abs(apart).max()), float(np.abs(apart[i]).max())
    said = f"at most {plots.plain_number(own, 2)} here, {plots.plain_number(limit, 2)} at any moment"
    colours = plots.DIFFERENCE(0.5 + 0.5 * apart[i] / (limit or 1.0))[:, :3]
    label = f"NumPy's output minus PyTorch's over the plane, {seen[i].label}: {said}."
    return _map(run, colours, label, lambda n: plots.plain_number(float(apart[i][n]), 2), said)


def neurons(run: Run, seen: Sequence[Frame], i: int) -> str | None:
    """What each hidden neuron hands on over the plane (NumPy side), each map on its own scale."""
    maps = seen[i].sides["scratch"].maps
    chosen = [(name, unit) for name, values in hidden(maps) for unit in range(min(values.shape[1], PER_LAYER))][:MAPS]
    if not chosen:
        return None
    columns = 4
    size, gap = (WIDTH - 3 * 10) / columns, 30
    parts = []
    for k, (name, unit) in enumerate(chosen):
        values = maps[name][:, unit].astype(float)
        limit = float(np.abs(values[np.isfinite(values)]).max(initial=0))
        x, y = (k % columns) * (size + 10), (k // columns) * (size + gap)
        side = plots.lattice_side(np.zeros((len(values), 2)))
        parts += [
            svg.image(svg.signed(values, limit).reshape(side, side, 3), x, y + 20, size, size),
            text(x, y + 14, f"{number_of(name, maps)}.{unit}", fill=INK),
            text(x + size, y + 14, f"±{plots.plain_number(limit, 2)}", "end", fill=MUTED, font_size=11),
            svg.said((f"neuron {number_of(name, maps)}.{unit}: {svg.ends(values)}", x, y + 20, size, size)),
        ]
    height = ((len(chosen) - 1) // columns + 1) * (size + gap) + 14
    words = "layer.neuron; ±: its largest value; brown: below 0, teal: above"
    parts.append(text(0, height - 6, words, fill=MUTED, font_size=12))
    label = f"Output of {len(chosen)} hidden neurons over the input plane, {seen[i].label}."
    return svg.svg(height, label, *parts)


def _map(
    run: Run, colours: Array, label: str, answer: Callable[[int], str], said: str = "", points: bool = False
) -> str:
    """Colours of the lattice's points, (points, 3), in a frame; on them the training points, or words below.

    `answer` gives the words for a point of the lattice.
    """
    assert run.grid is not None
    (x0, y0), (x1, y1) = run.grid.min(axis=0), run.grid.max(axis=0)
    plane = Plane((x0, x1), (y0, y1), (50.0, 26.0, WIDTH - 70.0, 290.0))
    side = plots.lattice_side(run.grid)
    every = np.unique(np.linspace(0, side - 1, PIXELS).round().astype(int))
    pixels = colours.reshape(side, side, 3)[np.ix_(every, every)]
    marks = _points(run, plane) if points else text(WIDTH / 2, 376, said, "middle", fill=MUTED)
    cells = _cells(plane, run.grid, side, answer)
    return svg.svg(385, label, plane.axes(*axis_names(run)[:2]), svg.image(pixels, *plane.box), marks, cells)


def _cells(plane: Plane, grid: Array, side: int, answer: Callable[[int], str]) -> str:
    """Squares over a map, each with the answer at the point of the lattice that is in its middle."""
    left, top, width, height = plane.box
    wide, high = width / CELLS, height / CELLS
    middle = [side * (2 * k + 1) // (2 * CELLS) for k in range(CELLS)]
    places = []
    for row, column in product(range(CELLS), repeat=2):
        n = middle[CELLS - 1 - row] * side + middle[column]
        x, y = (plots.plain_number(float(place), 2) for place in grid[n])
        places.append((f"({x}, {y}): {answer(n)}", left + column * wide, top + row * high, wide, high))
    return svg.said(*places)


def _points(run: Run, plane: Plane, most: int = 150) -> str:
    """Training points in their class's colour and shape, or in grey."""
    x = run.data.x_train
    labels = None if run.data.classes is None else true_classes(run.data, run.data.y_train)
    parts = []
    for i in np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).round().astype(int)):
        px, py = plane(float(x[i, 0]), float(x[i, 1]))
        kind = 0 if labels is None else int(labels[i])
        fill = "#4d4d4d" if labels is None else plots.CLASS_COLOURS[kind % len(plots.CLASS_COLOURS)]
        parts.append(svg.mark(kind, px, py, 2.6, fill=fill))
    return svg.tag("g", *parts, stroke="#1c1c1c", stroke_width=0.5)


def _class_colour(index: int) -> tuple[float, float, float]:
    return to_rgb(plots.CLASS_COLOURS[index % len(plots.CLASS_COLOURS)])


def _cividis(values: Array) -> Array:
    return np.asarray(colormaps["cividis"](np.clip(values, 0, 1))[:, :3])
