"""torch.optim.lr_scheduler's schedules on an `Optimizer`: torch's own objects, their arguments checked in our words."""

import inspect
from collections.abc import Callable
from typing import Any

from torch.optim import lr_scheduler

from torch_impl import checks, optimizer_checks
from torch_impl.optimizer import Optimizer


def is_schedule(name: str) -> bool:
    kind = getattr(lr_scheduler, name, None)
    return isinstance(kind, type) and issubclass(kind, lr_scheduler.LRScheduler)


def constructor(name: str) -> Callable[..., lr_scheduler.LRScheduler]:
    """A function that makes the schedule `name` over an `Optimizer`."""
    kind = getattr(lr_scheduler, name)

    def make(optimizer: Optimizer, *args: Any, **options: Any) -> lr_scheduler.LRScheduler:
        given = inspect.signature(kind).bind(optimizer, *args, **options)
        given.apply_defaults()
        arguments = {key: value for key, value in given.arguments.items() if key != "optimizer"}
        optimizer_checks.scheduler(name, optimizer, Optimizer, arguments)
        if arguments.get("last_epoch", -1) != -1:
            optimizer_checks.initial_lr(name, optimizer.param_groups)
        schedule: lr_scheduler.LRScheduler = kind(
            optimizer.optimizer, **{key: checks.plain(value) for key, value in arguments.items()}
        )
        return schedule

    return make
