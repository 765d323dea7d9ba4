"""A rate that falls when nothing gets better."""

import math

from contract import optimizer_checks
from scratch.optim import Optimizer
from scratch.schedulers.scheduler import LRScheduler

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    r"""lr ← max(factor·lr, min_lr) once a number, given to `step`, has not improved for more than `patience` steps.

    Better means below best·(1 − threshold) ("rel") or best − threshold ("abs"); with mode "max" above best·(1 +
    threshold) or best + threshold. After a cut, `cooldown` steps do not count. Cuts of at most `eps` are not made. NaN
    is never better. Raises ValueError for factor ≥ 1, an unknown mode, or a min_lr for another number of groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        options = {
            "mode": mode,
            "factor": factor,
            "patience": patience,
            "threshold": threshold,
            "threshold_mode": threshold_mode,
            "cooldown": cooldown,
            "min_lr": min_lr,
            "eps": eps,
        }
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, options)
        self.optimizer = optimizer
        self.factor = factor
        single = not isinstance(min_lr, list | tuple)
        self.default_min_lr = min_lr if single else None
        self.min_lrs = [min_lr] * len(optimizer.param_groups) if single else list(min_lr)  # type: ignore[arg-type]
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.last_epoch = 0
        self._last_lr = self.present()
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.best, self.cooldown_counter, self.num_bad_epochs = self.mode_worse, 0, 0

    def step(self, metrics: float) -> None:  # type: ignore[override]  # as in PyTorch, this one looks at a number
        current = optimizer_checks.metric(self.name, metrics)
        self.last_epoch += 1
        if self.better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                rate = max(group["lr"] * self.factor, low)
                if group["lr"] - rate > self.eps:
                    group["lr"] = rate
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.present()

    def better(self, current: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            limit = self.best * (1.0 + sign * self.threshold)
        else:
            limit = self.best + sign * self.threshold
        return bool(sign * current > sign * limit)
