"""Two finished runs laid over each other: what differs in their recipes, their curves, their films in step."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contract import Array
from contract.names import SIDES
from handgrad.files import REPORT, RESULT, write_text
from handgrad.format import NONE, count, duration, number, plain, written
from handgrad.report import plots, template
from handgrad.report.page import Row, Verdict, fitting
from handgrad.report.pictures import READ, Picture, picture
from handgrad.report.result_json import read_result
from handgrad.report.stored_film import stored_film
from handgrad.report.timeline_pictures import Drawn, Film
from handgrad.rules import COUNT, FINITE, TEXT, TRUTH, or_none

LETTERS = ("A", "B")
MEASURED = {
    "train_loss": "Training loss",
    "test_loss": "Test loss",
    "train_accuracy": "Training accuracy",
    "test_accuracy": "Test accuracy",
}
"""What is measured of a side after every epoch."""

MAYBE = or_none(FINITE)  # null: not a number, or none there
SHAPE = {
    "command": TEXT,
    "passed": TRUTH,
    "parity": TRUTH,
    "steps_planned": COUNT,
    "steps_done": COUNT,
    "experiment": {"name": TEXT, "title": TEXT, "loss": TEXT, "optimizer_options": {}},
    "data": {"train": COUNT, "validation": COUNT, "test": COUNT},
    "sides": {
        side: {
            "seconds_per_step": MAYBE,
            "losses": [MAYBE],
            "epochs": [{"epoch": COUNT, **dict.fromkeys(MEASURED, MAYBE)}],
            "parity": {"held": TRUTH, "steps": COUNT},
        }
        for side in SIDES
    },
    "environment": {},
}
"""What is read of a result."""

ASIDE = ("title", "source", "printed", "band", "seconds", "optimizer_options")
"""What stands in `experiment` and is no option of the recipe, or stands for several."""
WORDS = {"name": "experiment", "lr": "learning rate", "init": "initial weights", "dtype": "number format"}


@dataclass(frozen=True)
class Finished:
    """One of the two runs."""

    letter: str
    place: Path  # as it was given
    result: Mapping[str, Any]
    film: Film | None

    @property
    def name(self) -> str:
        """The run in a legend."""
        words = str(self.place)
        return f"{self.letter}: {words if len(words) <= 28 else f'…{words[-27:]}'}"

    def losses(self) -> Array:
        """Of the NumPy side, the loss of every step's batch."""
        return _numbers(self.result["sides"]["scratch"]["losses"])

    def curve(self, metric: str) -> tuple[list[int], Array]:
        """Of the NumPy side, epochs and what was measured after each; without a number where there is none."""
        records = self.result["sides"]["scratch"]["epochs"]
        return [record["epoch"] for record in records], _numbers([record[metric] for record in records])


def _numbers(values: Sequence[float | None]) -> Array:
    return np.array([math.nan if value is None else value for value in values], np.float64)


def read(places: Sequence[Path]) -> list[Finished]:
    """The two runs, each a folder that `compare` wrote or its result. ValueError for what cannot be laid over."""
    files = [place / RESULT if place.is_dir() else place for place in places]
    if files[0].exists() and files[1].exists() and files[0].samefile(files[1]):
        raise ValueError(f"{places[0]} and {places[1]} are one run; give two")
    found = []
    for letter, place, file in zip(LETTERS, places, files, strict=True):
        result = read_result(file, SHAPE)
        if not result["sides"]["scratch"]["losses"]:
            raise ValueError(f"{file}: the run ended before its first step, so there is nothing to lay over")
        page = file.parent / REPORT
        found.append(Finished(letter, place, result, stored_film(page) if page.is_file() else None))
    return found


def write_overlay(runs: Sequence[Finished], path: Path) -> None:
    """Write the page to `path`, all of it or nothing. OSError where it cannot be written."""
    recorded = in_step(runs)
    page = template.render(
        template.SHARED / "overlay.html.j2",
        runs=runs,
        sides=SIDES,
        cards=cards(runs),
        recipe=differing(runs, options),
        machine=differing(runs, lambda result: {name: plain(value) for name, value in result["environment"].items()}),
        curves=curves(runs),
        film=None if recorded is None else fitting(recorded),
        rows=rows(runs),
    )
    write_text(path, page)


# --- what differs -----------------------------------------------------------------------------------------------------


def options(result: Mapping[str, Any]) -> dict[str, str]:
    """Every option of a run's recipe and what its data are, in words."""
    experiment, data = result["experiment"], result["data"]
    recipe = {name: value for name, value in experiment.items() if name not in ASIDE}
    named = {WORDS.get(name, name.replace("_", " ")): value for name, value in recipe.items()}
    named |= {f"{name} of the optimizer": value for name, value in experiment["optimizer_options"].items()}
    named |= {"examples": {split: data[split] for split in ("train", "validation", "test")}}
    named |= {name: data.get(name) for name in ("features", "classes")}
    said = {name: f"{value:g}" if isinstance(value, float) else plain(value) for name, value in named.items()}
    if experiment.get("batch_size", 0) is None:
        said["batch size"] = "all training data"
    return said


def differing(
    runs: Sequence[Finished], of: Callable[[Mapping[str, Any]], Mapping[str, str]]
) -> list[tuple[str, list[str]]]:
    """What is not the same in both: its name, and its value in each."""
    found = [of(run.result) for run in runs]
    names = dict.fromkeys(name for one in found for name in one)
    pairs = [(name, [one.get(name, NONE) for one in found]) for name in names]
    return [(name, values) for name, values in pairs if values[0] != values[1]]


def notes(runs: Sequence[Finished]) -> list[str]:
    """What has to be known before the two are compared."""
    changed = dict(differing(runs, options))
    found = []
    if {"experiment", "size", "examples", "features", "classes"} & changed.keys():
        names = " and ".join(f"{run.letter} of {run.result['experiment']['name']}" for run in runs)
        found.append(f"The data differ ({names}): a loss or an accuracy on one says nothing about the other.")
    elif "seed" in changed:
        found.append("The seeds differ, and with them initial weights and batches: part of what is seen is chance.")
    if {"loss", "class weights"} & changed.keys():
        found.append("The losses are of two kinds: their values have no common scale.")
    for run in runs:
        done, planned = run.result["steps_done"], run.result["steps_planned"]
        if done < planned:
            found.append(f"{run.letter} ended after {count(done)} of {count(planned)} steps.")
        if run.film is None:
            found.append(f"{run.letter} has no film: there is none in {REPORT} beside its result.")
    return found


def cards(runs: Sequence[Finished]) -> list[Verdict]:
    """One for each run, one for each note."""
    made = []
    for run in runs:
        passed = "Passed" if run.result["passed"] else "Did not pass"
        text = f"{run.result['experiment']['title']}. {passed}; parity {'held' if run.result['parity'] else 'FAILED'}."
        made.append(Verdict("good" if run.result["passed"] else "bad", f"{run.letter}: {run.place}", text))
    return [*made, *(Verdict("note", "Beware", note) for note in notes(runs))]


# --- pictures and numbers ---------------------------------------------------------------------------------------------


def curves(runs: Sequence[Finished]) -> list[Picture]:
    """The loss step by step, and what was measured after every epoch, where both runs have it."""
    made = [loss_picture(runs)] if all(plots.drawable(run.losses()).any() for run in runs) else []
    for metric, title in MEASURED.items():
        lines = {run.name: run.curve(metric) for run in runs}
        if all(len(epochs) > 1 and plots.drawable(values).any() for epochs, values in lines.values()):
            made.append(epoch_picture(metric, title, lines))
    return made


def loss_picture(runs: Sequence[Finished]) -> Picture:
    losses = {run.name: run.losses() for run in runs}
    window = plots.smoothing_window(max(map(len, losses.values())))
    caption = "Loss of each batch before its update."
    if window > 1:
        caption += f" The clear lines average {window} steps, the faint ones are the single steps."
    first, second = losses.values()
    figure = plots.loss_curves(first, second, _lines(losses))
    said = []
    for i in map(int, plots.shown_points(max(map(len, losses.values())), READ)):
        there = [f"{name[0]} {number(float(values[i]), 4)}" for name, values in losses.items() if i < len(values)]
        said.append((i + 1, f"step {count(i + 1)}: {', '.join(there)}"))
    ends = "; ".join(f"{name} {number(float(values[-1]), 4)}" for name, values in losses.items())
    label = f"Line chart of the batch loss of both runs, step by step. At the end: {ends}."
    return picture("loss", figure, "Loss, step by step", label, caption, said)


def epoch_picture(metric: str, title: str, lines: Mapping[str, tuple[list[int], Array]]) -> Picture:
    name = metric.replace("_", " ").replace("train", "training")
    figure = plots.run_curves(name, lines, _lines(lines), share=metric.endswith("accuracy"))
    at = {run[0]: dict(zip(epochs, values.tolist(), strict=True)) for run, (epochs, values) in lines.items()}
    epochs = sorted({epoch for values in at.values() for epoch in values})
    said = []
    for epoch in (epochs[i] for i in plots.shown_points(len(epochs), READ)):
        there = [f"{letter} {_written(metric, values[epoch])}" for letter, values in at.items() if epoch in values]
        said.append((epoch, f"epoch {epoch}: {', '.join(there)}"))
    ends = "; ".join(f"{run} {_written(metric, float(values[-1]))}" for run, (_, values) in lines.items())
    label = f"Line chart of the {name} of both runs, epoch by epoch. At the end: {ends}."
    caption = f"Epoch 0 is the untrained net. At the end: {ends}."
    return picture(metric.replace("_", "-"), figure, f"{title}, epoch by epoch", label, caption, said)


def _written(metric: str, value: float) -> str:
    return written(metric, None if math.isnan(value) else value)


def _lines(runs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How each run is drawn, by its words in the legend."""
    return dict(zip(runs, plots.RUN_LINES, strict=True))


def rows(runs: Sequence[Finished]) -> list[Row]:
    """Both runs' numbers at the end, each with both of its sides."""
    sides = [run.result["sides"][side] for run in runs for side in SIDES]
    made = []
    for metric, title in MEASURED.items():
        ends = [side["epochs"][-1][metric] if side["epochs"] else None for side in sides]
        if any(end is not None for end in ends):
            made.append(Row(title, "at the end", [written(metric, end) for end in ends]))
    times = [side["seconds_per_step"] for side in sides]
    return [
        *made,
        Row("Time per step", "median; not a benchmark", [NONE if time is None else duration(time) for time in times]),
        Row("Steps", "parameter updates", [count(len(side["losses"])) for side in sides]),
        Row("Parity", "every judged number inside its bound", [_parity(side["parity"]) for side in sides]),
    ]


def _parity(judged: Mapping[str, Any]) -> str:
    return "FAILED" if not judged["held"] else "held" if judged["steps"] else "not judged"


# --- the films --------------------------------------------------------------------------------------------------------


def in_step(runs: Sequence[Finished]) -> Film | None:
    """Both films as one: at every step at which one of them has a moment, the last moment of each until then."""
    films = [run.film for run in runs if run.film is not None]
    titles = {key: title for film in films[:1] for key, title in film.titles.items() if key in films[-1].titles}
    if len(films) < len(runs) or not titles:
        return None
    frames = []
    for step in sorted({_step(frame) for film in films for frame in film.frames}):
        now = [[frame for frame in film.frames if _step(frame) <= step][-1] for film in films]
        labels = [frame.label for frame in now]
        each = "; ".join(f"{letter}: {label}" for letter, label in zip(LETTERS, labels, strict=True))
        pictures = {f"{a}-{key}": one.pictures[key] for key in titles for a, one in zip(LETTERS, now, strict=True)}
        frames.append(Drawn(labels[0] if len(set(labels)) == 1 else each, pictures))
    return Film(frames, {f"{a}-{key}": f"{a}: {title}" for key, title in titles.items() for a in LETTERS})


def _step(frame: Drawn) -> int:
    """The step that a moment's label names; the untrained net is before the first."""
    found = re.search(r"step ([\d,]+)$", frame.label)
    return int(found[1].replace(",", "")) if found else 0
