"""The page of one comparison: banner, tables and pictures put into the template."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contract.names import SIDES
from handgrad.experiments.score import class_scores, predicted_classes, true_classes
from handgrad.files import write_text
from handgrad.format import NONE, count, duration, number, plain, share, written
from handgrad.report import svg, template
from handgrad.report.pictures import curves, grey, maps, seeds_picture
from handgrad.report.timeline_pictures import Drawn, Film, film
from handgrad.training.outcome import Outcome
from handgrad.training.record import Run, SideRun
from handgrad.training.sides import layer_sizes

FILM_SIZE = 4_000_000  # bytes: with everything else, the page stays under five megabytes
MAX_EPOCHS = 200  # rows of the table of epochs
MISREAD = 48  # pictures that were taken for another class


class Row(NamedTuple):
    """A line of the table of both sides: what it is, what that means, the value on each side."""

    name: str
    hint: str
    cells: list[str]


class Verdict(NamedTuple):
    """A card of the banner. `kind` is "good", "bad" or "note"."""

    kind: str
    title: str
    text: str


def write_report(outcome: Outcome, path: Path) -> None:
    """Write the page to `path`, all of it or nothing. The folder must exist.

    Raises OSError where `path` cannot be written.
    """
    write_text(path, render(outcome))


def render(outcome: Outcome) -> str:
    """The page as text."""
    run = outcome.run
    recorded = film(run, outcome.timeline)
    return template.render(
        template.SHARED / "page.html.j2",
        experiment=run.experiment,
        sides=SIDES,
        verdicts=verdicts(outcome),
        rows=side_rows(outcome),
        failures={SIDES[name]: rejected(side) for name, side in run.sides.items() if not side.tally.held},
        curves=curves(run),
        maps=maps(run),
        film=None if recorded is None else fitting(recorded),
        epochs=epochs(run),
        seeds=seeds(outcome),
        confusion=confusion(run),
        misread=misread(run),
        claims=claims(outcome),
        program=run.program,
        recipe=recipe(run),
        environment=[(key, plain(value)) for key, value in run.environment.items()],
        command=run.command,
    )


def fitting(whole: Film) -> Film:
    """The film with every second moment left out until it fits into `FILM_SIZE`; the first and the last moment stay."""
    frames = whole.frames
    while len(frames) > 2 and _bytes(frames) > FILM_SIZE:
        frames = [*frames[:-1:2], frames[-1]]
    return whole._replace(frames=frames)


def _bytes(frames: list[Drawn]) -> int:
    return sum(len(svg.encode()) for frame in frames for svg in frame.pictures.values())


def verdicts(outcome: Outcome) -> list[Verdict]:
    """One card per side, one for the expectation, one more if the run was cut short."""
    run, cards = outcome.run, []
    for name, side in run.sides.items():
        tally, parity = side.tally, outcome.sides[name].parity
        steps = f"{count(tally.steps)} judged step{'s' * (tally.steps != 1)}"
        if parity == "not judged":
            text = f"None of the {count(tally.numbers)} numbers of {steps} has a finite bound." if tally.steps else ""
            cards.append(Verdict("bad", f"{SIDES[name]}: not judged", text or "No step of this side was judged."))
        elif parity == "held":
            certified = count(tally.numbers - tally.skipped)
            text = f"All {certified} numbers of {steps} lie inside their certified bounds."
            if tally.skipped:
                text += f" {count(tally.skipped)} more have no finite bound."
            cards.append(Verdict("good", f"{SIDES[name]}: parity held", text))
        else:
            wrong = count(tally.wrong_steps)
            text = f"{wrong} of {steps} gave numbers that no rounding of the right arithmetic can explain."
            cards.append(Verdict("bad", f"{SIDES[name]}: parity failed", text))
    cards.append(expectation(outcome))
    if run.interrupted:
        done = count(min(len(side.losses) for side in run.sides.values()))
        text = f"{done} of {count(run.steps_planned)} planned steps were done. This page shows what there was by then."
        cards.append(Verdict("note", "Interrupted", text))
    if run.diverged:
        text = f"The loss of step {count(outcome.diverged_at or 0)} is not finite, and training ended there."
        cards.append(Verdict("bad", "Diverged", text))
    return cards


def expectation(outcome: Outcome) -> Verdict:
    """Whether both sides reached what the experiment promises, for a whole run of the recipe it was measured with."""
    expect = outcome.run.experiment.expect
    seen = "; ".join(f"{SIDES[name]} {number(side.reached, 4)}" for name, side in outcome.sides.items())
    if outcome.run.interrupted:
        return Verdict("note", "Expectation not tested", f"Expected: {expect}, at the end of a whole run.")
    if why := outcome.undecided:
        return Verdict(
            "note", "Expectation shown, not tested", f"Expected: {expect}. Reached: {seen}. {why[0].upper()}{why[1:]}."
        )
    if outcome.met:
        return Verdict("good", "Expectation met", f"Expected: {expect}. Reached: {seen}.")
    return Verdict("bad", "Expectation not met", f"Expected: {expect}. Reached: {seen}.")


def side_rows(outcome: Outcome) -> list[Row]:
    """Both sides' numbers."""
    sides = list(outcome.run.sides.values())
    tallies = [side.tally for side in sides]
    ends = [
        ("Training loss", "train_loss", "on all training data, at the end"),
        ("Test loss", "test_loss", "on data the nets never trained on"),
        ("Training accuracy", "train_accuracy", "share of training data put in the right class"),
        ("Test accuracy", "test_accuracy", "share of held-out data put in the right class"),
    ]
    rows = [
        Row(name, hint, [written(metric, side.measured(metric)) for side in sides])
        for name, metric, hint in ends
        if any(side.measured(metric) is not None for side in sides)
    ]
    times = [duration(side.seconds_per_step) if side.seconds else NONE for side in sides]
    judged = [count(tally.numbers) for tally in tallies]
    closest = [number(tally.worst, 3) if tally.numbers else NONE for tally in tallies]
    return [
        *rows,
        Row("Time per step", "median; one run beside the judge, so not a benchmark", times),
        Row("Steps", "parameter updates", [count(len(side.losses)) for side in sides]),
        Row("Steps judged", "each from this side's own state before the step", [count(t.steps) for t in tallies]),
        Row("Numbers judged", "outputs, losses, gradients, weights and optimizer state", judged),
        Row("Numbers skipped", "of these; overflow leaves them no finite bound", [count(t.skipped) for t in tallies]),
        Row("Closest approach", "largest error, in bounds; 1 may be reached, more is outside", closest),
        Row("Parity", "every judged number inside its bound", [side.parity for side in outcome.sides.values()]),
    ]


def epochs(run: Run) -> dict[str, Any] | None:
    """What the curves per epoch are drawn from: columns (title, side), and a line for each of the epochs shown."""
    metrics = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    curves = {
        (metric, name): side.curve(metric)
        for metric in metrics
        for name, side in run.sides.items()
        if any(value is not None for value in side.curve(metric))
    }
    total = min(len(side.epochs) for side in run.sides.values())
    if total < 2 or not curves:
        return None
    shown = np.unique(np.linspace(0, total - 1, min(total, MAX_EPOCHS)).round().astype(int))
    return {
        "columns": [(f"{SIDES[name]}, {metric.replace('_', ' ')}", name) for metric, name in curves],
        "rows": [(str(i), [written(metric, curve[i]) for (metric, _), curve in curves.items()]) for i in shown],
        "left_out": count(total - len(shown)),
    }


def rejected(side: SideRun) -> list[str]:
    """The judge's own words about the first failures."""
    return [failure.render() for failure in side.tally.failures]


def claims(outcome: Outcome) -> list[tuple[str, str]]:
    """What the source printed, what is known over seeds, and what this run gave."""
    experiment = outcome.run.experiment
    metric = experiment.expect.metric
    ours = [(f"This run, {SIDES[name]}", number(side.reached, 4)) for name, side in outcome.sides.items()]
    return [
        (f"Printed by the source ({experiment.source})", experiment.printed or NONE),
        ("Measured over random seeds", experiment.band or NONE),
        ("Expected here", str(experiment.expect)),
        *((f"{name}: {metric.replace('_', ' ')}", value) for name, value in ours),
    ]


def recipe(run: Run) -> list[tuple[str, str]]:
    """How the nets were built and trained."""
    experiment, data, options = run.experiment, run.data, run.experiment.optimizer_options
    splits = {"train": data.x_train, "validation": data.x_val, "test": data.x_test}
    return [
        ("Task", experiment.task),
        ("Examples", plain({name: count(len(x)) for name, x in splits.items() if x is not None})),
        ("Layer sizes", " → ".join(map(str, layer_sizes(experiment, data)))),
        ("Activation", experiment.activation),
        ("Output activation", experiment.output_activation or "none"),
        ("Loss", experiment.loss + (f", class weights {experiment.class_weights}" if experiment.class_weights else "")),
        ("Optimizer", experiment.optimizer + (f" ({plain(options)})" if options else "")),
        ("Learning rate", f"{experiment.lr:g}"),
        ("Batch size", "all training data" if experiment.batch_size is None else str(experiment.batch_size)),
        ("Order of examples", "shuffled every epoch, the same on both sides" if experiment.shuffle else "as generated"),
        ("Epochs", str(experiment.epochs)),
        ("Initial weights", f"{experiment.init}, drawn once and given to both sides"),
        ("Seed", str(experiment.seed)),
        ("Number format", experiment.dtype),
        *(("Data as read", note) for note in data.notes),
        ("Steps judged", "every one" if experiment.judge_every == 1 else f"every {experiment.judge_every}th"),
    ]


def seeds(outcome: Outcome) -> dict[str, Any] | None:
    """The run over several seeds: the picture, a line for each seed, and how many met the expectation."""
    run, expect = outcome.run, outcome.run.experiment.expect
    if not run.repeats:
        return None
    both = [all(met.values()) for met in outcome.seeds_met]
    rows = [
        (
            str(repeat.seed),
            [number(value, 4) for value in repeat.values.values()],
            "met" if met else "missed",
            "held" if repeat.parity else "FAILED",
        )
        for repeat, met in zip(run.repeats, both, strict=True)
    ]
    shown = seeds_picture(run)
    return {
        "expect": str(expect),
        "met": sum(both),
        "rows": rows,
        "pictures": [] if shown is None else [shown],
        "metric": expect.metric.replace("_", " "),
    }


def confusion(run: Run) -> dict[str, Any] | None:
    """Both sides' confusion matrices as tables: who was taken for whom."""
    matrices = {name: side.confusion for name, side in run.sides.items() if side.confusion is not None}
    if len(matrices) < len(SIDES):
        return None
    ours, theirs = matrices["scratch"], matrices["torch"]
    differing = int((ours != theirs).sum())
    return {
        "names": run.data.classes or (),
        "split": "test" if run.data.x_test is not None else "training",
        "tables": {SIDES[name]: shaded(matrix) for name, matrix in matrices.items()},
        "wrong": {SIDES[name]: count(int(matrix.sum() - matrix.trace())) for name, matrix in matrices.items()},
        "total": count(int(ours.sum())),
        "differing": count(differing),
    }


def misread(run: Run) -> dict[str, Any] | None:
    """The pictures that either side took for another class, with both sides' answers; None where there are none."""
    data = run.data
    outputs = {name: side.outputs for name, side in run.sides.items() if side.outputs is not None}
    if data.image is None or data.classes is None or len(outputs) < len(SIDES):
        return None
    split, x, y = ("training", data.x_train, data.y_train)
    if data.x_test is not None and data.y_test is not None:
        split, x, y = ("test", data.x_test, data.y_test)
    truth = true_classes(data, y)
    answers = {name: predicted_classes(run.experiment, data, values) for name, values in outputs.items()}
    scores = {
        name: class_scores(run.experiment, run.data, values.astype(np.float64)) for name, values in outputs.items()
    }
    wrong = np.flatnonzero(np.any([answer != truth for answer in answers.values()], axis=0))
    pictures = np.repeat(grey(data, x[wrong[:MISREAD]])[..., None], 3, axis=-1)
    shown = [
        {
            "source": svg.png(picture),
            "truth": data.classes[truth[n]],
            "answers": {name: (data.classes[a[n]], share(float(scores[name][n, a[n]]))) for name, a in answers.items()},
        }
        for n, picture in zip(wrong, pictures, strict=False)
    ]
    total = {"wrong": count(len(wrong)), "left_out": count(len(wrong) - len(shown)), "total": count(len(truth))}
    return {"shown": shown, "split": split, **total} if shown else None


def shaded(matrix: npt.NDArray[np.int64]) -> list[list[tuple[str, str]]]:
    """Cells as (text, shade in per cent): the share of its row, so that classes of different size compare."""
    rows = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shades = 100 * matrix / rows
    return [
        [(count(int(n)), f"{s:.0f}") for n, s in zip(*pair, strict=True)] for pair in zip(matrix, shades, strict=True)
    ]
