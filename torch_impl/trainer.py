"""One training step as a PyTorch user would write it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from contract import checks, loss_checks, optimizer_checks
from torch_impl.loss import ELEMENTWISE, Criterion, Loss, PairLoss
from torch_impl.model import Model
from torch_impl.modules import DRAWING, give_back, remembered
from torch_impl.optimizer import Optimizer
from torch_impl.parameter import to_numpy, to_tensor


class Trainer:
    """The five steps on native tensors: zero_grad, forward, loss, backward, optimizer step.

    `asarray` carries data to the model's device once; `step` also takes NumPy arrays and then carries them itself.
    Raises TypeError for anything but a model, a loss and an optimizer of this package; ValueError for a loss with
    `reduction="none"`, as a step descends one number, for a `PairLoss`, and for an LBFGS that evaluates the model
    several times a step: with max_iter=1 and no line search its iterations are steps.
    """

    def __init__(self, model: Model, loss: Loss, optimizer: Optimizer) -> None:
        checks.belongs("Trainer", "model", model, Model, "a model")
        checks.belongs("Trainer", "loss", loss, Criterion, "a loss")
        checks.belongs("Trainer", "optimizer", optimizer, Optimizer, "an Optimizer")
        loss_checks.one_input("Trainer", loss.name, isinstance(loss, PairLoss))
        checks.choice("Trainer", "loss.reduction", loss.reduction, ("mean", "sum", "batchmean"))
        optimizer_checks.one_evaluation("Trainer", optimizer.name, optimizer.param_groups)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.takes_closure = isinstance(optimizer.optimizer, torch.optim.LBFGS)
        self.buffers = list(model.module.buffers())
        self.drawing = [layer for layer in model.module.modules() if isinstance(layer, DRAWING)]
        self._elementwise = type(loss.module) in ELEMENTWISE or loss.own

    def asarray(self, x: npt.NDArray[Any]) -> torch.Tensor:
        checks.array("Trainer", "data", x)
        return to_tensor(x, self.model.device)

    def to_numpy(self, a: torch.Tensor) -> npt.NDArray[Any]:
        return to_numpy(a)

    def step(self, x: torch.Tensor | npt.NDArray[Any], y: torch.Tensor | npt.NDArray[Any]) -> float:
        """Train on one batch and return its loss before the update. Bad input raises and changes nothing."""
        for name, given in (("x", x), ("y", y)):
            if not isinstance(given, torch.Tensor):
                checks.array("Trainer", name, given)
        if self.takes_closure:
            optimizer_checks.one_evaluation("Trainer", self.optimizer.name, self.optimizer.param_groups)
        kept = [(buffer, buffer.clone()) for buffer in self.buffers], remembered(self.drawing)
        try:
            value = self.evaluate(*self.tensors(x, y), y)
        except Exception:
            give_back(kept)  # layers before the one that refused have run
            raise
        checks.learns("Trainer", self.model.name, self.model.module.parameters())
        self.optimizer.zero_grad()  # only now: what could be refused has been accepted
        if value.requires_grad:  # a net without parameters has none to find gradients of
            value.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        if self.takes_closure:
            self.optimizer.step(lambda: value)  # asked once, and the gradients are there
        else:
            self.optimizer.step()
        return value.item()

    def tensors(self, x: Any, y: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Both on the model's device. Kinds of numbers that torch has not are refused as on the hand-written side."""
        try:
            input = x if isinstance(x, torch.Tensor) else self.asarray(x)
        except (TypeError, ValueError):
            self.model.forward(x)
            raise
        try:
            return input, y if isinstance(y, torch.Tensor) else self.asarray(y)
        except (TypeError, ValueError):
            self.loss.check(to_numpy(self.model.run(input)), y)
            raise

    def evaluate(
        self, input: torch.Tensor, target: torch.Tensor, given: torch.Tensor | npt.NDArray[Any] | None = None
    ) -> torch.Tensor:
        """The loss. What torch refuses is refused in the words of the hand-written side, of the target as `given`."""

        def check() -> None:
            self.loss.check(to_numpy(output), given if isinstance(given, np.ndarray) else to_numpy(target))

        output = self.model.run(input)
        if self._suspicious(output, target):
            check()
        try:
            return self.loss.run(output, target)
        except (RuntimeError, IndexError, ValueError):
            check()
            raise

    def _suspicious(self, output: torch.Tensor, target: torch.Tensor) -> bool:
        """What torch would do with no more than a warning: broadcast, convert, divide by zero. All else it refuses."""
        if target.dtype != output.dtype and (self._elementwise or target.is_floating_point()):
            return True
        return (self._elementwise and target.shape != output.shape) or not output.numel()
