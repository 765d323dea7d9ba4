"""Rates that shrink by a factor: now and then, at given steps, or at every step."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from contract import optimizer_checks
from contract.optimizer_checks import schedule_options
from scratch.optim import Optimizer
from scratch.schedulers.scheduler import LRScheduler

__all__ = ["ExponentialLR", "MultiStepLR", "StepLR"]


class StepLR(LRScheduler):
    """lr ← γ·lr every `step_size` steps: lr = initial_lr · γ^⌊step/step_size⌋."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        options = {"step_size": step_size, "gamma": gamma}
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, options)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self.present()
        return [rate * self.gamma for rate in self.present()]

    def get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """lr ← γ·lr at each of `milestones`: lr = initial_lr · γ^(number of milestones reached). Twice given, γ²."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        options = schedule_options({"milestones": milestones, "gamma": gamma})
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, options)
        self.milestones, self.gamma = Counter(options["milestones"]), options["gamma"]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch not in self.milestones:
            return self.present()
        return [rate * self.gamma ** self.milestones[self.last_epoch] for rate in self.present()]

    def get_closed_form_lr(self) -> list[float]:
        reached = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**reached for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr ← γ·lr at every step: lr = initial_lr · γ^step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, {"gamma": gamma})
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self.present() if self._is_initial else [rate * self.gamma for rate in self.present()]

    def get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]
