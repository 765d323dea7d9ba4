"""Which bug a number draws for a net, and how a repair is judged: by the steps of its training, and by the check."""

import ast
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch

from handgrad.bugs import BUGS, Bug
from handgrad.check import check_file, check_gradients
from handgrad.errors import one_line
from handgrad.experiments import Experiment
from handgrad.experiments.own import load
from handgrad.hunt.nets import NETS, Net
from handgrad.hunt.text import refuse_missing
from handgrad.judge import StepJudge
from handgrad.training.train import batches, prepare

STEPS = 4  # of training in which the judge must see a bug: momentum and decay act from the second on
LONG = 30  # steps after which the task compares the losses


class Refusal(NamedTuple):
    """What the judge of the training steps says first."""

    step: int
    tensor: str
    pattern: str

    def __str__(self) -> str:
        named = "" if self.pattern in ("", "unknown") else f": {self.pattern}"
        return f"handgrad trace net.py:experiment --step {self.step} refuses the {self.tensor}{named}."


class Judged(NamedTuple):
    """What was found of a file: exit code 0 if it is right, 1 if it is wrong, 2 if nothing can be told."""

    exit_code: int
    text: str = ""

    def render(self) -> str:
        return self.text


@cache
def drawn(name: str, number: int) -> tuple[str, Refusal]:
    """The bug that a number draws for a net, and how the judge refuses it.

    First a class is drawn, then one of its bugs: half of them all are Linear's. The lot of a bug does not depend on the
    others, so that a new row of the catalogue changes those hunts alone that draw it. What the learner's tools do not
    see is passed over.
    """
    net = NETS[name]

    def lot(bug: str) -> tuple[bytes, ...]:
        return tuple(sha256(f"{name} {number} {drawn}".encode()).digest() for drawn in (BUGS[bug].owner, bug))

    order = sorted(net.bugs, key=lot)
    return next((bug, refusal) for bug in order if (refusal := _seen(net, BUGS[bug])) is not None)


def _seen(net: Net, bug: Bug) -> Refusal | None:
    """How the judge refuses a step with the bug; None where it does not, the check sees nothing, or the code stops."""
    module = module_of(net.code(bug.edits))
    try:
        refusal = refused(module.experiment)
    except Exception:  # what stops by itself need not be hunted
        return None
    if refusal is None or not (part := net.part_of(bug)):
        return refusal
    own, like = (made(owner, net.parts[part]) for owner in (module, torch.nn))
    return refusal if check_gradients(own, reference=like, dtype="float64").status == "wrong" else None


def judged(file: Path, net: Net, bug: Bug) -> Judged:
    """Judge a repaired file: the first steps of its training, and the part that had the bug.

    ValueError in one line for a file that cannot be run, or that is not one of this net, written out.
    """
    try:
        experiment = load(f"{file}:experiment")
        if (own := {kind.__name__ for kind in experiment.own_ops}) != set(net.kinds):
            raise ValueError(f"its own_ops must be {', '.join(net.kinds)}; got {', '.join(sorted(own)) or 'none'}")
        refuse_missing(file, net.code(bug.edits), net.code())
        refusal = refused(experiment)
    except (Exception, SystemExit) as error:  # of the learner's code
        raise ValueError(f"{file} cannot be judged: {one_line(error, ValueError)}") from error
    if refusal is not None:
        return Judged(1, str(refusal))
    if not (part := net.parts.get(net.part_of(bug))):
        return Judged(0)
    found = check_file(f"{file}:{part}", f"torch.nn.{part}")
    return Judged(found.exit_code, found.render())


def refused(experiment: Experiment) -> Refusal | None:
    """The first thing that the judge refuses in the first steps of the NumPy side, if any."""
    prepared = prepare(experiment)
    trainer = prepared.trainers["scratch"]
    judge = StepJudge(trainer.model, trainer.loss, trainer.optimizer)
    with np.errstate(all="ignore"):
        for step, rows in enumerate(islice(batches(prepared), STEPS), 1):
            x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
            before = judge.before()
            verdict = judge.after(before, x, y, trainer.step(x, y))
            if not verdict.held:
                first = verdict.failures[0]
                return Refusal(step, first.tensor, first.problem or first.pattern)
    return None


def loss(text: str) -> float:
    """The training loss after some steps of the NumPy side of a file."""
    prepared = prepare(module_of(text).experiment)
    trainer, x, y = prepared.trainers["scratch"], prepared.cast["x_train"], prepared.cast["y_train"]
    with np.errstate(all="ignore"):
        for rows in islice(batches(prepared), LONG):
            trainer.step(x[rows], y[rows])
        return float(trainer.loss.forward(trainer.model.forward(x), y))


def module_of(text: str) -> ModuleType:
    """A file that is there as a text alone: no line of it is tried by the check."""
    module = ModuleType("net")
    exec(text, vars(module))
    return module


def made(owner: Any, part: str) -> Any:
    """A part as the net has it, "Linear(3, 5)" or "Tanh", of a module's class of that name."""
    name, _, arguments = part.partition("(")
    return getattr(owner, name)(*ast.literal_eval(f"({arguments[:-1]},)" if arguments else "()"))
