"""One schedule after another."""

from bisect import bisect_right
from typing import Any

from contract import optimizer_checks
from scratch.optim import Optimizer
from scratch.schedulers.scheduler import LRScheduler, undone_if_refused

__all__ = ["SequentialLR"]


class SequentialLR(LRScheduler):
    """The first of `schedulers` up to the first of `milestones`, the second up to the second, and so on.

    Each starts from the closed form of its own step 0, as if it had the optimizer to itself. Raises ValueError for no
    schedule, for a ReduceLROnPlateau among them, for schedules of another optimizer, and unless there is one milestone
    less than schedules.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        options = {"schedulers": schedulers, "milestones": milestones, "last_epoch": last_epoch}
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, options, LRScheduler)
        self.optimizer = optimizer
        self._schedulers = list(schedulers)
        self._milestones = optimizer_checks.schedule_options(options)["milestones"]
        with undone_if_refused(self):
            self.last_epoch = last_epoch + 1
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            self.undo()
            first = schedulers[bisect_right(milestones, 0)]
            first.start()
            self._last_lr = first.get_last_lr()

    def parts(self) -> list[LRScheduler]:
        return [self, *(part for scheduler in self._schedulers for part in scheduler.parts())]

    def undo(self) -> None:
        """Take back the first step of every schedule: each made it when it was constructed."""
        for scheduler in self._schedulers:
            if isinstance(scheduler, SequentialLR):
                scheduler.undo()
            else:
                scheduler.last_epoch -= 1

    def start(self) -> None:
        self.step()

    def advance(self) -> None:
        self.last_epoch += 1
        at = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[at]
        if at > 0 and self._milestones[at - 1] == self.last_epoch:
            scheduler.restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def take(self, state: dict[str, Any]) -> None:
        for scheduler, own in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            scheduler.take(own)
        super().take(state)
