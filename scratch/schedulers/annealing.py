"""Rates that follow a curve: a half cosine down, a straight line up."""

import math

from contract import optimizer_checks
from scratch.optim import Optimizer
from scratch.schedulers.scheduler import LRScheduler

__all__ = ["CosineAnnealingLR", "LinearLR"]


class CosineAnnealingLR(LRScheduler):
    r"""lr = η + ½(initial_lr − η)(1 + cos(π·step/T)) with η = eta_min and T = T_max: down in T steps, up in T more.

    Chained, lr − η is multiplied by the ratio of two neighbouring values of 1 + cos(π·step/T). Right after the bottom,
    where that would divide by 0, the step up from it is added instead.
    Source: Loshchilov, Hutter, SGDR (2017), without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        options = {"T_max": T_max, "eta_min": eta_min}
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, options)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t, period, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self.present()
        if (t - 1 - period) % (2 * period) == 0:
            rise = 1 - math.cos(math.pi / period)
            pairs = zip(self.present(), self.base_lrs, strict=True)
            return [rate + (base - low) * rise / 2 for rate, base in pairs]
        ratio = (1 + math.cos(math.pi * t / period)) / (1 + math.cos(math.pi * (t - 1) / period))
        return [ratio * (rate - low) + low for rate in self.present()]

    def get_closed_form_lr(self) -> list[float]:
        height = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]


class LinearLR(LRScheduler):
    r"""lr = initial_lr · (a + (b − a)·step/n) up to step n = total_iters, then initial_lr · b: a warm-up.

    a = start_factor, b = end_factor. Chained, one value over the one before is 1 + (b − a)/(na + (step − 1)(b − a)).
    Raises ValueError unless 0 < a ≤ 1 and 0 ≤ b ≤ 1.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        options = {"start_factor": start_factor, "end_factor": end_factor, "total_iters": total_iters}
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, options)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in self.present()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self.present()
        rise = self.end_factor - self.start_factor
        factor = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [rate * factor for rate in self.present()]

    def get_closed_form_lr(self) -> list[float]:
        rise, done = self.end_factor - self.start_factor, min(self.total_iters, self.last_epoch)
        return [base * (self.start_factor + rise * done / self.total_iters) for base in self.base_lrs]
