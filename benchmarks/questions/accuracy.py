"""How long until the digits are read? Training time to 97 % test accuracy, the same batches on both sides."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.contenders import OURS, TORCH
from benchmarks.nets import Case
from benchmarks.questions.format import NOTHING, ratio_cell, time_cell
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.result import Row
from benchmarks.timing import no_collection
from handgrad.experiments import EXPERIMENTS
from handgrad.judge import StepJudge
from handgrad.training.prepared import Prepared
from handgrad.training.train import batches, prepare

GOAL = 0.97
SIDES = {"scratch": OURS, "torch": TORCH}


def cases(quick: bool) -> list[Case]:
    return [{"name": "digits, 64-128-64-10, batch 32, momentum 0.9", "seeds": 6 if quick else 9}]


def measure(case: Case, settings: Settings) -> Row:
    seconds: dict[str, list[float]] = {name: [] for name in SIDES.values()}
    epochs: dict[str, list[int]] = {name: [] for name in SIDES.values()}
    row: Row = {"not_timed": {}, "refused": []}
    for seed in range(case["seeds"]):
        prepared = prepare(replace(EXPERIMENTS["digits"], seed=seed))
        for side in list(SIDES)[:: 1 if seed % 2 else -1]:
            name, trainer = SIDES[side], prepared.trainers[side]
            if seed == 0 and settings.judge and (refusal := _judged(prepared, trainer)):
                return {"not_timed": {name: refusal}, "refused": [name]}
            with no_collection():
                spent, passed = _train(prepared, trainer)
            if spent is None:
                return row | {"not_timed": {name: f"seed {seed} does not reach {GOAL}"}}
            seconds[name].append(float(f"{spent:.4g}"))
            epochs[name].append(passed)
    return row | {"seconds": {name: [samples] for name, samples in seconds.items()}, "epochs": epochs}


def _judged(prepared: Prepared, trainer: Any) -> str:
    """Why the judge refuses a first step; empty where it holds."""
    judge = StepJudge(trainer.model, trainer.loss, trainer.optimizer)
    rows = next(iter(batches(prepared)))
    x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
    before = judge.before()
    verdict = judge.after(before, x, y, trainer.step(x, y))
    return "" if verdict.held else verdict.failures[0].render(reproduction=False)


def _train(prepared: Prepared, trainer: Any) -> tuple[float | None, int]:
    """Seconds in training steps until an epoch ends at the goal, and how many epochs that took."""
    x, y = prepared.cast["x_train"], prepared.cast["y_train"]
    spent = 0.0
    for step, rows in enumerate(batches(prepared), 1):
        start = time.perf_counter()
        trainer.step(trainer.asarray(x[rows]), trainer.asarray(y[rows]))
        spent += time.perf_counter() - start
        if step % prepared.steps_per_epoch == 0:
            answers = np.argmax(trainer.model.forward(prepared.cast["x_test"]), axis=1)
            if (answers == prepared.cast["y_test"]).mean() >= GOAL:
                return spent, step // prepared.steps_per_epoch
    return None, 0


def tables(rows: list[Row]) -> list[Table]:
    cells = []
    for row in rows:
        epochs = row.get("epochs", {})
        texts = [f"{np.median(epochs[name]):g}" if epochs.get(name) else NOTHING for name in (OURS, TORCH)]
        cells.append((row["case"]["name"], time_cell(row, OURS), ratio_cell(row, TORCH, OURS), *texts))
    headings = ("net", OURS, TORCH, f"epochs, {OURS}", f"epochs, {TORCH}")
    return [Table("training time to 97 % test accuracy", headings, cells)]


def picture(rows: list[Row]) -> Figure | None:
    return None  # two numbers


ACCURACY = Question(
    "accuracy",
    "Time to 97 % on digits",
    f"Median over seeds of the time in training steps (evaluation apart) until an epoch ends with {GOAL:.0%} of the "
    f"test digits read, and {TORCH}'s as a multiple. Both sides see the same weights and batches.",
    cases,
    measure,
    tables,
    picture,
    in_quick=False,
)
