"""The pictures of a run with their captions: what is seen, and what it means."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from contract import Array
from contract.names import SIDES
from handgrad.experiments import Data
from handgrad.experiments.score import class_scores, true_classes
from handgrad.format import count, number, share, written
from handgrad.report import plots
from handgrad.training.record import Run
from handgrad.training.timeline import plane


class Picture(NamedTuple):
    """A figure of the page. `caption` says what is seen and what it means."""

    svg: Markup
    title: str
    caption: str
    name: str  # unique on the page: the head of its ids, and the file it is saved as


READ = 60  # places along a curve that say their numbers


def picture(
    name: str, figure: Figure, title: str, label: str, caption: str, said: Sequence[tuple[float, str]] = ()
) -> Picture:
    return Picture(Markup(plots.to_svg(figure, name, label, said)), title, caption, name)


def curves(run: Run) -> list[Picture]:
    """The data; loss per step, measurement per epoch, divergence of the weights; each if there is something to draw."""
    pictures = [found] if (found := data_picture(run)) else []
    if any(plots.drawable(np.asarray(side.losses, dtype=np.float64)).any() for side in run.sides.values()):
        pictures.append(loss_picture(run))
    if all(any(record.epoch > 0 for record in side.epochs) for side in run.sides.values()):
        pictures.append(epoch_picture(run))
    if any(0 < value < np.inf for value in run.divergence):
        pictures.append(divergence_picture(run))
    return pictures


def loss_picture(run: Run) -> Picture:
    losses = {name: np.asarray(side.losses, dtype=np.float64) for name, side in run.sides.items()}
    drawn = {name: values[plots.drawable(values)] for name, values in losses.items()}
    steps = max(map(len, losses.values()))
    window = plots.smoothing_window(steps)
    missing = sum(len(values) - len(drawn[name]) for name, values in losses.items())
    caption = (
        "Loss of each batch before its update. NumPy is the thick line, PyTorch the thin dashed one on top of it: "
    )
    caption += "where both can be seen along the same path, the two sides agree."
    if window > 1:
        caption += f" The clear lines average {window} steps, the faint ones are the single steps."
    if missing:
        caption += f" Not drawn: {count(missing)} losses that are infinite, not a number, or too large for an axis."
    ends = "; ".join(f"{SIDES[name]} from {v[0]:.4g} to {v[-1]:.4g}" for name, v in drawn.items() if len(v))
    label = f"Line chart of the batch loss over {count(steps)} training steps: {ends}."
    figure = plots.loss_curves(losses["scratch"], losses["torch"])
    said = [
        (i + 1, f"step {count(i + 1)}: {', '.join(f'{SIDES[n]} {number(float(v[i]), 4)}' for n, v in losses.items())}")
        for i in map(int, plots.shown_points(min(map(len, losses.values())), READ))
    ]
    return picture("loss", figure, "Loss, step by step", label, caption, said)


def epoch_picture(run: Run) -> Picture:
    """Accuracy after every epoch; the loss after every epoch where there are no classes."""
    kind = "loss" if run.data.classes is None else "accuracy"
    lines: list[tuple[str, str, list[int], list[float]]] = []
    for split in ("test", "train"):
        for name, side in run.sides.items():
            found = [(record.epoch, getattr(record, f"{split}_{kind}")) for record in side.epochs if record.epoch > 0]
            kept = [(epoch, float(value)) for epoch, value in found if value is not None]
            if kept:
                lines.append((name, split, [epoch for epoch, _ in kept], [value for _, value in kept]))
    ends = "; ".join(f"{SIDES[n]}, {split}: {written(kind, values[-1])}" for n, split, _, values in lines)
    label = f"Line chart of the {kind} after each epoch. At the end: {ends}."
    held_out = any(split == "test" for _, split, _, _ in lines)
    caption = "Measured after every epoch with the weights as they are then. "
    if held_out:
        caption += (
            "The stronger pair of lines is held-out test data, the paler pair the training data: a gap that opens "
        )
        caption += "between the pairs means the nets learn their examples by heart."
    else:
        caption += "Nothing is held out here, so this says how well the nets fit, not how well they generalise."
    figure = plots.epoch_curves(kind, lines, share=kind == "accuracy")
    at: dict[int, list[str]] = defaultdict(list)  # epoch → what every line is there
    for name, split, epochs, values in lines:
        for epoch, value in zip(epochs, values, strict=True):
            at[epoch].append(f"{SIDES[name]}, {split} {written(kind, value)}")
    measured = sorted(at)
    shown = [measured[i] for i in plots.shown_points(len(measured), READ)]
    said = [(epoch, f"epoch {epoch}: {'; '.join(at[epoch])}") for epoch in shown]
    return picture("epochs", figure, f"{kind.capitalize()}, epoch by epoch", label, caption, said)


def seeds_picture(run: Run) -> Picture | None:
    """The metric of the expectation over seeds, epoch by epoch; None without repeats or anything to draw."""
    metric = run.experiment.expect.metric
    curves = {
        side: np.array([repeat.curves[side] for repeat in run.repeats], np.float64).reshape(len(run.repeats), -1)
        for side in run.sides
    }
    if not run.repeats or not all(plots.drawable(values).any() for values in curves.values()):
        return None
    name = metric.replace("_", " ").removeprefix("final ")
    ends = {side: [v for repeat in run.repeats if (v := repeat.values[side]) is not None] for side in run.sides}
    said = "; ".join(
        f"{SIDES[side]} median {written(metric, float(np.median(values)))}, "
        f"from {written(metric, min(values))} to {written(metric, max(values))}"
        for side, values in ends.items()
        if values
    )
    caption = f"{count(len(run.repeats))} seeds of weights, batches and generated data, {name} after every epoch: "
    caption += "the line is the median, the band reaches from the worst seed to the best. NumPy's band is filled, "
    caption += f"PyTorch's has dashed ends. At the end: {said}."
    label = f"Line chart with bands of the {name} over {count(len(run.repeats))} seeds. At the end: {said}."
    figure = plots.seed_bands(name, curves, share=metric.endswith("accuracy"))
    return picture("seeds", figure, f"{name.capitalize()} over {count(len(run.repeats))} seeds", label, caption)


def divergence_picture(run: Run) -> Picture:
    values = np.asarray(run.divergence, dtype=np.float64)
    equal = int((values == 0).sum())
    finite = values[np.isfinite(values)]
    caption = (
        "How far the two sides' weights have moved apart: the largest difference, relative to the largest weight. "
        "Divergence is shown, not judged: two sides may round differently and both be right, and training magnifies "
        "the last digit. The judge looks at each step of each side by itself. The dotted line is one rounding step "
        f"(epsilon) of {run.experiment.dtype}."
    )
    if any(0 < value < np.inf for value in run.one_ulp_copy):
        caption += " The thick line is a second hand-written net, trained on the same batches, whose largest weight "
        caption += (
            "began one unit in the last place higher: what a single rounding grows to. The two sides round differently "
        )
        caption += "at every step."
    if equal:
        caption += f" After {count(equal)} of {count(len(values))} steps the weights were equal bit for bit; the log "
        caption += "scale has no place for that."
    label = f"Line chart on a log scale: relative difference of the weights over {count(len(values))} steps, "
    label += f"{finite[-1]:.2g} at the end and {finite.max():.2g} at most."
    figure = plots.divergence_curve(run.divergence, run.experiment.dtype, run.one_ulp_copy)
    said = []
    for i in map(int, plots.shown_points(len(values), READ)):
        words = f"step {count(i + 1)}: the sides are {number(float(values[i]), 3)} apart"
        if i < len(run.one_ulp_copy):
            words += f", NumPy and its copy {number(run.one_ulp_copy[i], 3)}"
        said.append((i + 1, words))
    return picture("divergence", figure, "How the two sides drift apart", label, caption, said)


def data_picture(run: Run) -> Picture | None:
    """Every pair of features as a small scatter plot; None for a single example, and for more than `plots.PAIRED`."""
    data = run.data
    features = data.x_train.shape[1]
    if not 2 <= features <= plots.PAIRED or len(data.x_train) < 2 or not np.isfinite(data.x_train).all():
        return None
    names = data.features or tuple(f"x{i}" for i in range(features))
    labels = None if data.classes is None else true_classes(data, data.y_train)
    values = data.y_train[:, 0].astype(np.float64) if labels is None else None
    figure = plots.feature_pairs(data.x_train, names, labels, data.classes or (), values)
    pairs = features * (features - 1) // 2
    title = "The training data" if pairs == 1 else f"The training data, feature against feature ({pairs} pairs)"
    caption = points_note(run) + (
        " Colour and shape: the true class." if labels is not None else " Colour: the target."
    )
    return picture("data", figure, title, f"Scatter plots of {pairs} pairs of features. {points_note(run)}", caption)


def grey(data: Data, x: Array) -> Array:
    """Inputs (n, features) as pictures (n, rows, columns): 0 for the smallest number of the training data, 1 for the
    largest."""
    assert data.image is not None
    low, high = float(data.x_train.min()), float(data.x_train.max())
    return np.asarray((x - low) / ((high - low) or 1.0)).reshape(-1, *data.image)


def maps(run: Run) -> list[Picture]:
    """For nets with two inputs: what each side answers over the plane, and the difference."""
    regions = {name: side.region for name, side in run.sides.items()}
    ours, theirs = regions["scratch"], regions["torch"]
    grid = plane(run)
    if grid is None or ours is None or theirs is None:
        return []
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return []
    both: dict[str, Array] = {"scratch": ours.astype(np.float64), "torch": theirs.astype(np.float64)}
    draw = surface_pictures if run.data.classes is None else region_pictures
    return [*draw(run, grid, both), difference_picture(run, grid, both)]


def axis_names(run: Run) -> tuple[str, ...]:
    return run.data.features or ("x0", "x1")


def points_note(run: Run) -> str:
    total = len(run.data.x_train)
    shown = len(plots.shown_points(total))
    return f"Marks: {'all' if shown == total else f'{count(shown)} of the'} {count(total)} training examples."


def region_pictures(run: Run, grid: Array, outputs: Mapping[str, Array]) -> list[Picture]:
    data = run.data
    scores = {name: class_scores(run.experiment, run.data, values) for name, values in outputs.items()}
    labels = true_classes(data, data.y_train)
    names = data.classes or ()
    disagree = int((scores["scratch"].argmax(axis=1) != scores["torch"].argmax(axis=1)).sum())
    caption = "Colour: the class this side answers at each point of the plane, paler where it is less sure. "
    caption += "The line is where the answer changes. "
    where = "no point" if disagree == 0 else f"{count(disagree)} of {count(len(grid))} points"
    pictures = []
    for side, values in scores.items():
        figure = plots.class_regions(grid, values, data.x_train, labels, names, axis_names(run))
        wins = np.bincount(values.argmax(axis=1), minlength=values.shape[1]) / len(values)
        parts = ", ".join(f"{name} on {share(part)}" for name, part in zip(names, wins, strict=True))
        label = f"Map of the decision regions of the {SIDES[side]} side: {parts} of the plane."
        text = caption + (
            points_note(run) if side == "scratch" else f"The two sides answer a different class at {where}."
        )
        pictures.append(picture(f"region-{side}", figure, f"Decision region, {SIDES[side]}", label, text))
    return pictures


def surface_pictures(run: Run, grid: Array, outputs: Mapping[str, Array]) -> list[Picture]:
    data = run.data
    targets = data.y_train[:, 0].astype(np.float64)
    low, high = float(targets.min()), float(targets.max())
    limits = (low, high) if low < high else (low - 0.5, low + 0.5)
    text = "The net's answer as a surface seen from above, with level lines. A mark whose inside has the colour "
    text += (
        "around it is a target the net has hit. Answers beyond the range of the targets take the colour of its end. "
    )
    text += points_note(run)
    pictures = []
    for side, values in outputs.items():
        figure = plots.surface(grid, values[:, 0], data.x_train, targets, limits, axis_names(run))
        low, high = values[:, 0].min(), values[:, 0].max()
        label = f"Map of the value the {SIDES[side]} side predicts over the plane, from {low:.4g} to {high:.4g}."
        pictures.append(picture(f"region-{side}", figure, f"Predicted surface, {SIDES[side]}", label, text))
    return pictures


def difference_picture(run: Run, grid: Array, outputs: Mapping[str, Array]) -> Picture:
    apart = outputs["scratch"] - outputs["torch"]
    widest = np.abs(apart).argmax(axis=1)
    difference = np.take_along_axis(apart, widest[:, None], axis=1)[:, 0]
    largest = float(np.abs(difference).max())
    caption = (
        "Output of the NumPy net minus output of the PyTorch net. Blue: NumPy's is larger; vermillion: PyTorch's. "
    )
    if apart.shape[1] > 1:
        caption += "At each point the output unit with the largest difference is shown. "
    caption += (
        f"The strongest colour stands for {plots.plain_number(largest, 2)}."
        if largest
        else "The two are equal bit for bit at every point."
    )
    label = f"Map of the difference of the two sides' outputs over the plane, at most {plots.plain_number(largest, 2)}."
    figure = plots.difference_map(grid, difference, run.data.x_train, axis_names(run))
    return picture("region-difference", figure, "Difference, NumPy minus PyTorch", label, caption)
