"""The board's state: one recipe and both sides of it, which make steps when they are asked to.

It trains with the steps of `handgrad compare`, judges with its judge and opens a number with `handgrad trace`. What is
refused (BadInputError) leaves the board as it was.
"""

import shlex
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from contract import Array
from contract.names import SIDES
from handgrad.checkpoint.state import Tree, restore, state_of
from handgrad.errors import BadInputError, refusing
from handgrad.experiments import EXPERIMENTS, Experiment
from handgrad.experiments.csv_file import read
from handgrad.experiments.overrides import with_overrides
from handgrad.experiments.own import find
from handgrad.experiments.score import class_scores, true_classes
from handgrad.format import share, shortened
from handgrad.judge import StepJudge
from handgrad.trace import Line, Tensor, Trace, unfold
from handgrad.trace.compute import traced
from handgrad.trace.page import cells
from handgrad.training.prepared import Prepared
from handgrad.training.record import SideRun
from handgrad.training.sides import build_pair, layer_sizes
from handgrad.training.train import (
    TrainingError,
    batches,
    divergence,
    evaluate,
    lattice,
    make_step,
    output_of,
    prepare,
)

Parsers = Mapping[str, Callable[[str, str], Any]]
"""Setting → what makes a value of its name and text, or raises BadInputError: those of the command line."""

ENDLESS = 10**9  # epochs: the board trains for as long as somebody looks
SECONDS = 0.03  # of training in a frame
FEATURES = 30  # inputs, of the experiments that are offered
WEIGHTS, LAYERS = 20_000, 20  # of a net that is shown: its numbers, its hidden layers
PASTED, LONGEST = "pasted.csv", 1_000_000  # the name of pasted rows, and how many characters they may have
GRID = 41  # points per axis of a map
POINTS = 150  # training examples in it
NEURONS = 10  # of a layer in the picture of the net
CURVE = 240  # places of the loss curve at most
LINES = 2_000  # of one unfolding


def offered() -> dict[str, Experiment]:
    """The experiments that the board offers: those with few inputs."""
    return {name: one for name, one in EXPERIMENTS.items() if int(one.size.partition("×")[2]) <= FEATURES}


@dataclass
class _Run:
    """Both sides from a fresh start, and how far they have come."""

    prepared: Prepared
    step: int = 0
    ended: str = ""  # why no further step is made
    failed: bool = False  # a step of one side could not be made: the two are not at the same place
    steady: bool = True  # the learning rate is that of the start

    def __post_init__(self) -> None:
        trainers = self.prepared.trainers
        self.sides = {side: SideRun(side) for side in trainers}
        self.judges = {side: StepJudge(t.model, t.loss, t.optimizer) for side, t in trainers.items()}
        self.weights = [dict(trainer.model.named_parameters()) for trainer in trainers.values()]
        self.curve: list[tuple[Any, ...]] = []
        self.verdicts: dict[str, str] = {}
        self.coming = batches(self.prepared)
        self.batch = next(self.coming)  # of the last step made, or the first
        self.remember()

    def remember(self) -> None:
        """Keep where the NumPy side begins the last step, or the first: there a number is traced, on both sides."""
        self.before: Tree = state_of(self.prepared.trainers["scratch"])
        self.trace: Trace | None = None

    @property
    def finite(self) -> bool:
        return all(np.isfinite(side.losses[-1:]).all() for side in self.sides.values())

    def make(self, judged: bool) -> None:
        """One step of both sides. TrainingError where it cannot be made."""
        if self.step:
            self.batch = next(self.coming)
        if judged:
            self.remember()
        self.step += 1
        x, y = (self.prepared.cast[name][self.batch] for name in ("x_train", "y_train"))
        for name, trainer in self.prepared.trainers.items():
            side, judge = self.sides[name], self.judges[name] if judged else None
            make_step(side, trainer, trainer, judge, self.step, x, y)
            del side.losses[:-1], side.seconds[:]  # a run without end keeps no list of its steps


class Board:
    """One recipe as its settings say it, and a run of it. Settings are texts, as on a command line."""

    def __init__(self, name: str, parsers: Parsers, optimizers: tuple[str, ...] = ()) -> None:
        with refusing():
            self.experiments = {**offered(), name: find(name)}
        self.parsers, self.optimizers = parsers, optimizers  # the latter are the names to choose from
        self.number = 0  # of the run: another one starts at step 0
        self._begin({"data": name}, self._prepared({"data": name}, self.experiments))

    # --- settings -----------------------------------------------------------------------------------------------------

    def change(self, name: str, text: str) -> str:
        """Set one setting, "" for the recipe's own; in words, what came of it.

        Other data bring their whole recipe, another optimizer its learning rate. A learning rate acts at the next
        step; anything else starts the net anew.
        """
        if name not in ("data", *self.parsers):
            raise BadInputError(f"a setting is one of data, {', '.join(self.parsers)}; got {name!r:.80}")
        given = {"data": text} if name == "data" else {**self.given, name: text.strip()}
        if name == "optimizer":
            given.pop("lr", None)
        given = {key: value for key, value in given.items() if value}
        prepared = self._prepared(given, self.experiments)
        if name == "lr":
            return self._rate(given, prepared.experiment)
        self._begin(given, prepared)
        return f"{name} changed: a new net, at step 0"

    def paste(self, text: str, target: str, missing: str, leave_out: Sequence[str]) -> str:
        """Train on the rows of a CSV text, as `handgrad compare --csv` reads a file."""
        if len(text) > LONGEST:
            raise BadInputError(f"the rows must have at most {LONGEST:,} characters; got {len(text):,}: compare --csv")
        content = text.encode("utf-8", "backslashreplace")
        with refusing():
            pasted = read(Path(PASTED), target or None, missing, leave_out, content)
        experiments = {**self.experiments, PASTED: pasted}
        given = {"data": PASTED}
        self._begin(given, self._prepared(given, experiments))
        self.experiments = experiments
        return "the rows are read: a new net, at step 0"

    def reset(self) -> str:
        """Both sides back to where they started, with the settings as they are."""
        self._begin(self.given, self._prepared(self.given, self.experiments))
        return "a new net, at step 0"

    def _prepared(self, given: Mapping[str, str], experiments: Mapping[str, Experiment]) -> Prepared:
        if given.get("data") not in experiments:
            raise BadInputError(f"data must be one of {', '.join(experiments)}; got {given.get('data')!r:.80}")
        values = {name: self.parsers[name](name, text) for name, text in given.items() if name != "data"}
        experiment = with_overrides(experiments[given["data"]], values)
        with refusing():
            made = experiment.data(experiment.seed).checked()
            _refuse_many(experiment, _planned(experiment, layer_sizes(experiment, made)))
            prepared = prepare(replace(experiment, data=lambda seed: made, epochs=ENDLESS))
        weights = prepared.trainers["scratch"].model.named_parameters()
        _refuse_many(experiment, sum(weight.data.size for _, weight in weights))
        return prepared

    def _begin(self, given: dict[str, str], prepared: Prepared) -> None:
        self.run = _Run(prepared)  # first: it may be refused
        self.given, self.number = given, self.number + 1
        self.lattice = _lattice(prepared)

    def _rate(self, given: dict[str, str], experiment: Experiment) -> str:
        run = self.run
        for trainer in run.prepared.trainers.values():
            for group in trainer.optimizer.param_groups:
                group["lr"] = experiment.lr
        run.prepared = replace(run.prepared, experiment=experiment)
        self.given, run.steady = given, run.step == 0
        if not run.step:
            run.remember()
        return f"lr is {experiment.lr:g} from step {run.step + 1} on"

    # --- training -----------------------------------------------------------------------------------------------------

    def advance(self, steps: int | None = None) -> int:
        """Make so many steps, or None: as many as fit into SECONDS, and one at least. Returns how many.

        The last one is judged. None follows a loss that is not finite, or a step that fails.
        """
        run, first, start = self.run, self.run.step, perf_counter()
        if run.ended or steps == 0:
            return 0
        with np.errstate(all="ignore"):
            try:
                while run.finite and (
                    perf_counter() - start < SECONDS if steps is None else run.step - first + 1 < steps
                ):
                    run.make(judged=False)
                run.make(judged=True)
            except TrainingError as error:
                run.ended, run.failed = str(error), True
        if not run.failed:
            run.verdicts = {name: _verdict(side) for name, side in run.sides.items()}
        if not run.finite and not run.ended:
            run.ended = f"the loss is not finite any more at step {run.step}: a smaller learning rate may help; reset"
        return run.step - first

    # --- what is shown ------------------------------------------------------------------------------------------------

    def scene(self) -> dict[str, Any]:
        """What stays as it is for the whole of a run."""
        prepared, experiment, data = self.run.prepared, self.run.prepared.experiment, self.run.prepared.data
        weights = self.run.weights[0]
        return {
            "settings": self.settings(),
            "about": f"{experiment.title}, {experiment.size}; {experiment.loss}",
            "notes": list(data.notes),
            "classes": list(data.classes or ()),
            "sizes": list(layer_sizes(experiment, data)),
            "batch": prepared.batch_size,
            "parameters": {name: list(weight.data.shape) for name, weight in weights.items()},
            "layers": sum(1 for _ in self.run.judges["scratch"].rule.leaves()),
            "plane": self._plane(),
        }

    def settings(self) -> dict[str, str]:
        """Every setting as a text: the given ones, and the recipe's own."""
        experiment = self.run.prepared.experiment
        own = {
            "hidden": ",".join(map(str, experiment.hidden)),
            "activation": experiment.activation,
            "optimizer": experiment.optimizer.lower(),
            "lr": repr(experiment.lr),
            "batch_size": str(self.run.prepared.batch_size),
            "seed": str(experiment.seed),
        }
        return {**own, **self.given}

    def command(self) -> str:
        """The line that traces the same step; empty where there is none, as of pasted rows or beyond the recipe."""
        steps = self.experiments[self.given["data"]].epochs * self.run.prepared.steps_per_epoch
        if not self.run.steady or self.given["data"] == PASTED or self.run.step > steps:
            return ""
        given = [x for n, text in self.given.items() if n != "data" for x in (f"--{n.replace('_', '-')}", text)]
        return shlex.join(["handgrad", "trace", self.given["data"], "--step", str(max(self.run.step, 1)), *given])

    def frame(self, parameter: str = "", gradients: bool = True) -> dict[str, Any]:
        """Both sides as they are now; of one parameter every number, its gradients or its weights."""
        run = self.run
        names = list(run.weights[0])
        with np.errstate(all="ignore"):
            sides = {name: self._side(name) for name in run.sides}
            if not run.curve or run.curve[-1][0] < run.step:
                run.curve.append((run.step, *(sides[side]["train_loss"] for side in SIDES)))
                if len(run.curve) > CURVE:
                    del run.curve[1::2]
            return {
                "run": self.number,
                "step": run.step,
                "ended": run.ended,
                "command": self.command(),
                "sides": sides,
                "apart": self._apart(),
                "curve": run.curve,
                "maps": None if self.lattice is None else {side: self._map(side) for side in run.sides},
                "net": [w.data[:NEURONS, :NEURONS].tolist() for w in run.weights[0].values() if w.data.ndim == 2],
                "table": self._table(parameter if parameter in names else names[0], gradients) if names else None,
            }

    def _side(self, name: str) -> dict[str, Any]:
        """What one side came to: the last batch's loss, and loss and accuracy over the training and held-out rows."""
        run = self.run
        found: dict[str, Any] = {"batch_loss": run.sides[name].losses[-1] if run.sides[name].losses else None}
        for split in ("train", "test"):
            loss = accuracy = None
            with suppress(ValueError, RuntimeError):  # a net that has blown up may answer what its loss refuses
                if f"x_{split}" in run.prepared.cast:
                    loss, accuracy = evaluate(run.prepared, run.prepared.trainers[name], split)
            found |= {f"{split}_loss": loss, f"{split}_accuracy": accuracy}
        return {**found, "verdict": run.verdicts.get(name, ""), "held": run.sides[name].tally.held}

    def _apart(self) -> dict[str, Any]:
        """The weight in which the two sides are furthest apart, in units in the last place."""
        ours, theirs = self.run.weights
        tensors = [Tensor("", name, ours[name].data, theirs[name].data) for name in ours]
        if not tensors:
            return {"ulps": 0.0, "relative": 0.0, "parameter": "", "index": []}
        worst = max(tensors, key=lambda tensor: np.nan_to_num(tensor.ulps, nan=np.inf))
        at = np.unravel_index(int(np.argmax(np.abs(worst.apart))), worst.shape)
        relative = divergence(*(list(side.values()) for side in self.run.weights))
        return {"ulps": worst.ulps, "relative": relative, "parameter": worst.name, "index": [int(i) for i in at]}

    def _table(self, name: str, gradients: bool) -> dict[str, Any]:
        ours, theirs = (side[name] for side in self.run.weights)
        a, b = (ours.grad, theirs.grad) if gradients else (ours.data, theirs.data)
        rows = [] if a is None or b is None else cells(Tensor("", name, np.asarray(a), np.asarray(b)))
        return {"parameter": name, "gradients": gradients, "rows": rows}

    # --- the plane ----------------------------------------------------------------------------------------------------

    def _plane(self) -> dict[str, Any] | None:
        """The axes of the maps, and training points in it: x and y from 0 to 1, and the class or a shade."""
        if self.lattice is None:
            return None
        data = self.run.prepared.data
        low, high = self.lattice.min(axis=0), self.lattice.max(axis=0)
        rows = np.unique(np.linspace(0, len(data.x_train) - 1, min(len(data.x_train), POINTS)).round().astype(int))
        kinds = (
            _shades(data.y_train.reshape(len(data.y_train), -1)[:, 0], data.y_train)
            if data.classes is None
            else true_classes(data, data.y_train)
        )
        places = (data.x_train[rows] - low) / (high - low)
        return {
            "names": list(data.features[:2]),
            "low": low.tolist(),
            "high": high.tolist(),
            "values": [float(data.y_train.min()), float(data.y_train.max())],
            "side": GRID,
            "points": [
                [round(x, 4), round(y, 4), int(k)] for (x, y), k in zip(places.tolist(), kinds[rows], strict=True)
            ],
        }

    def _map(self, side: str) -> dict[str, Any] | None:
        """What a side answers over the plane, a byte a point: the class and how sure it is, or a shade.

        None where an answer is not finite.
        """
        prepared, data = self.run.prepared, self.run.prepared.data
        assert self.lattice is not None
        output = output_of(prepared.trainers[side], self.lattice.astype(prepared.experiment.dtype)).astype(float)
        if not np.isfinite(output).all():
            return None
        if data.classes is None:
            said = f"{output[:, 0].min():.3g} to {output[:, 0].max():.3g}"
            return {"answer": _bytes(_shades(output[:, 0], data.y_train)), "said": said}
        scores = class_scores(prepared.experiment, data, output)
        winner, ordered = scores.argmax(axis=1), np.sort(scores, axis=1)
        parts = np.bincount(winner, minlength=len(data.classes)) / len(winner)
        said = ", ".join(f"{name} on {share(float(p))}" for name, p in zip(data.classes, parts, strict=False))
        return {"answer": _bytes(winner), "lead": _bytes(_shades(ordered[:, -1] - ordered[:, -2])), "said": said}

    # --- a number opened ----------------------------------------------------------------------------------------------

    def trace(self) -> Trace:
        """The last step made, or the first to come, as `handgrad trace` records it: made once more, on copies."""
        run = self.run
        if run.failed:
            raise BadInputError(run.ended)
        if run.trace is None:
            with refusing(), np.errstate(all="ignore"):
                trainers = build_pair(run.prepared.experiment, run.prepared.data)
                for trainer in trainers.values():
                    restore(run.before, trainer)
                run.trace = traced(replace(run.prepared, trainers=trainers), max(run.step, 1), run.batch)
        return run.trace

    def opened(self, entry: str, depth: int = 1) -> Line:
        """One number of that step unfolded, as `handgrad trace --entry` does."""
        with refusing(), np.errstate(all="ignore"):
            return unfold(self.trace(), entry, depth, LINES)


def _verdict(side: SideRun) -> str:
    return side.tally.summary() if side.tally.held else side.tally.failures[0].render(reproduction=False)


def _planned(experiment: Experiment, sizes: tuple[int, ...]) -> int:
    """The weights and biases of the net of these sizes, before it is built; of another than an MLP 0."""
    return sum((a + 1) * b for a, b in pairwise(sizes)) if experiment.model is None else 0


def _refuse_many(experiment: Experiment, weights: int) -> None:
    """BadInputError for a net that is too large to be shown, or too deep to make a step within a frame."""
    if weights > WEIGHTS or len(experiment.hidden) > LAYERS:
        widths = ",".join(map(str, experiment.hidden))
        raise BadInputError(
            f"the board shows nets of at most {LAYERS} hidden layers and {WEIGHTS:,} weights and biases; "
            f"got {shortened(widths)} with {weights:,}; handgrad compare trains larger ones"
        )


def _lattice(prepared: Prepared) -> Array | None:
    """The points of a map; None but for two features that both vary."""
    x = prepared.data.x_train
    return lattice(x, GRID) if x.shape[1] == 2 and np.ptp(x, axis=0).all() else None


def _shades(values: Array, ends: Array | None = None) -> Array:
    """Numbers between two ends, 0 and 1 or the smallest and largest of an array, as 0 to 255."""
    low, high = (0.0, 1.0) if ends is None else (float(ends.min()), float(ends.max()))
    return np.asarray(np.clip(255 * (values - low) / ((high - low) or 1.0), 0, 255).round())


def _bytes(values: Array) -> str:
    return b64encode(values.astype(np.uint8).tobytes()).decode()
