"""Both sides' answers for the rows of a file."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import Array
from handgrad.experiments import EXPERIMENTS
from handgrad.experiments.csv_file.encode import encoded
from handgrad.experiments.csv_file.table import load
from handgrad.experiments.score import answered
from handgrad.machine.environment import one_thread
from handgrad.predict.weights import OWN, Trained
from handgrad.training.sides import SIDES
from handgrad.training.train import refuse_non_finite

Turned = Callable[[Array], Array]


def _softmax(z: Array) -> Array:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


PROBABILITIES: dict[str, Turned] = {
    "CrossEntropyLoss": _softmax,
    "NLLLoss": lambda z: np.asarray(np.exp(z)),
    "BCEWithLogitsLoss": lambda z: 0.5 * (1 + np.tanh(0.5 * z)),  # the logistic function, without overflow
    "BCELoss": lambda p: p,
}
"""By the loss that a net was trained with: what makes probabilities of its outputs."""


@dataclass(frozen=True)
class Answers:
    """Both sides' answers: class names with probabilities (None where the outputs are none), or numbers."""

    answers: Mapping[str, list[str] | Array]  # side → (n,) names, or (n, outputs)
    probabilities: Mapping[str, Array | None]

    @property
    def rows(self) -> int:
        return len(next(iter(self.answers.values())))

    def table(self) -> str:
        """As CSV, a row for each row of the file."""
        columns: dict[str, Any] = {}
        for side, found in self.answers.items():
            if isinstance(found, list):
                columns[side] = found
                if (p := self.probabilities[side]) is not None:
                    columns[f"{side}_probability"] = p.tolist()
            else:
                names = [side] if found.shape[1] == 1 else [f"{side}_{place}" for place in range(found.shape[1])]
                columns |= dict(zip(names, found.T.tolist(), strict=True))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return text.getvalue()

    def compared(self) -> str:
        """How far the two sides are apart, in a line."""
        ours, theirs = self.answers["scratch"], self.answers["torch"]
        rows = f"{self.rows:,} row{'s' * (self.rows != 1)}"
        if isinstance(ours, list):
            differ = sum(a != b for a, b in zip(ours, theirs, strict=True))
            return f"{rows}; the two sides answer {differ or 'none'} of them differently"
        gap = np.abs(ours - np.asarray(theirs))
        differ = int((gap > 0).any(axis=1).sum())
        return f"{rows}; the two sides' numbers differ in {differ or 'none'} of them, by {gap.max():.2g} at most"


def answers(trained: Trained, path: Path) -> Answers:
    """The answers for the rows of a file. ValueError in one line for what in it, or in the net, cannot be used."""
    if trained.net == OWN:
        raise ValueError(
            f"the net of {trained.name} is made in a Python file of yours, and its weights alone are no net"
        )
    x = encoded(load(path, training=False), trained.inputs, trained.beside).astype(trained.dtype)
    refuse_non_finite("the rows", x)
    outputs = {side: _outputs(trained, side, x).astype(np.float64) for side in SIDES}
    for side, output in outputs.items():
        if not np.isfinite(output).all():
            raise ValueError(f"the trained net of {trained.name} gives no finite numbers on the side {side}")
    if trained.classes is None:
        return Answers({side: _numbers(trained, output) for side, output in outputs.items()}, dict.fromkeys(SIDES))
    chosen = {side: answered(output, trained.threshold) for side, output in outputs.items()}
    names = {side: [trained.classes[place] for place in places] for side, places in chosen.items()}
    return Answers(names, {side: _probability(trained.loss, outputs[side], chosen[side]) for side in SIDES})


def _outputs(trained: Trained, side: str, x: Array) -> Array:
    package, dtype = SIDES[side], np.dtype(trained.dtype)
    if trained.net:
        build = EXPERIMENTS[trained.net].model
        assert build is not None
        model = build(package, trained.sizes, {"dtype": dtype, "rng": 0})
    else:
        model = package.MLP(trained.sizes, trained.activation, trained.output_activation, dtype=dtype, rng=0)
    model.load_state_dict(trained.states[side])
    model.eval()
    with one_thread(), np.errstate(all="ignore"):
        return np.asarray(model.forward(x))


def _numbers(trained: Trained, output: Array) -> Array:
    return output if trained.target is None else trained.target.back(output)


def _probability(loss: str, output: Array, chosen: npt.NDArray[np.int64]) -> Array | None:
    """Of the chosen class `(n,)`; None where the loss makes no probabilities of outputs."""
    if loss not in PROBABILITIES:
        return None
    every = PROBABILITIES[loss](output)
    if every.shape[1] == 1:
        every = np.concatenate([1 - every, every], axis=1)
    return np.asarray(every[np.arange(len(chosen)), chosen])
