"""One training step."""

from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks, loss_checks, optimizer_checks
from scratch.containers import descendants
from scratch.flags import without_underflow
from scratch.losses import Loss, PairLoss
from scratch.losses.loss import Criterion
from scratch.module import Module
from scratch.optim import LBFGS, Optimizer

__all__ = ["Trainer"]


class Trainer:
    """The five steps: zero_grad, forward, loss, backward, optimizer step.

    Raises TypeError for anything but a model, a loss and an optimizer of this package; ValueError for a loss with
    `reduction="none"`, as a step descends one number, for a `PairLoss`, and for an LBFGS that evaluates the model
    several times a step: with max_iter=1 and no line search its iterations are steps.
    """

    def __init__(self, model: Module, loss: Loss, optimizer: Optimizer) -> None:
        checks.belongs("Trainer", "model", model, Module, "a model")
        checks.belongs("Trainer", "loss", loss, Criterion, "a loss")
        checks.belongs("Trainer", "optimizer", optimizer, Optimizer, "an Optimizer")
        loss_checks.one_input("Trainer", loss.name, isinstance(loss, PairLoss))
        checks.choice("Trainer", "loss.reduction", loss.reduction, ("mean", "sum", "batchmean"))
        optimizer_checks.one_evaluation("Trainer", optimizer.name, optimizer.param_groups)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.takes_closure = isinstance(optimizer, LBFGS)
        self.parameters = list(model.parameters())
        self.buffers = [buffer for _, buffer in model.named_buffers()]
        self.drawing = [part for part in dict.fromkeys([model, *descendants(model)]) if hasattr(part, "rng")]

    def asarray(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        checks.array("Trainer", "data", x)
        return np.asarray(x)

    def to_numpy(self, a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return a

    @without_underflow
    def step(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        """Train on one batch and return its loss before the update. Bad input raises and changes nothing."""
        checks.array("Trainer", "x", x)
        checks.array("Trainer", "y", y)
        if self.takes_closure:
            optimizer_checks.one_evaluation("Trainer", self.optimizer.name, self.optimizer.param_groups)
        kept = [buffer.data.copy() for buffer in self.buffers]
        drawn = [layer._kept() for layer in self.drawing]
        try:
            output = self.model.forward(x)
            value = self.loss.forward(output, y)
        except Exception:
            for buffer, data in zip(self.buffers, kept, strict=True):  # layers before the one that refused have run
                buffer.data[...] = data
            for layer, state in zip(self.drawing, drawn, strict=True):
                layer._give_back(state)
            raise
        checks.learns("Trainer", self.model.name, self.parameters)
        self.optimizer.zero_grad()  # only now: what could be refused has been accepted
        self.model.backward_parameters(self.loss.backward())
        if self.takes_closure:
            self.optimizer.step(lambda: value)  # asked once, and the gradients are there
        else:
            self.optimizer.step()
        return float(value)
