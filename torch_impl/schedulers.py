"""torch.optim.lr_scheduler's schedules on an `Optimizer`: torch's own, their arguments and states checked in our words.

What they refuse changes nothing, as on the hand-written side.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch.optim import lr_scheduler

from contract import optimizer_checks
from torch_impl.optimizer import Optimizer


def is_schedule(name: str) -> bool:
    kind = getattr(lr_scheduler, name, None)
    return isinstance(kind, type) and issubclass(kind, lr_scheduler.LRScheduler)


def constructor(name: str) -> Callable[..., lr_scheduler.LRScheduler]:
    """A function that makes the schedule `name` over an `Optimizer`."""
    kind = getattr(lr_scheduler, name)
    signature = inspect.signature(kind)

    def make(*args: Any, **options: Any) -> lr_scheduler.LRScheduler:
        try:
            given = signature.bind(*args, **options)
        except TypeError:
            kind(*args, **options)  # Python says what is wrong, in the words that it has for the hand-written side
            raise
        given.apply_defaults()
        optimizer, *_ = given.arguments.values()
        arguments = {key: value for key, value in given.arguments.items() if key != "optimizer"}
        if "milestones" in arguments and name == "MultiStepLR":  # a sequence takes a list alone
            arguments = optimizer_checks.schedule_options(arguments)
        optimizer_checks.scheduler(name, optimizer, Optimizer, arguments, lr_scheduler.LRScheduler)
        arguments = optimizer_checks.schedule_options(arguments)
        parts = [part for entry in arguments.get("schedulers", ()) for part in _parts(entry)]
        with undone_if_refused(optimizer.optimizer, parts):
            schedule: lr_scheduler.LRScheduler = checked(kind)(optimizer.optimizer, **arguments)
        return schedule

    return make


@functools.cache
def checked(kind: type[lr_scheduler.LRScheduler]) -> type[lr_scheduler.LRScheduler]:
    """`kind`, whose states are checked and copied, and whose refused steps change nothing."""

    takes = _a_number if issubclass(kind, lr_scheduler.ReduceLROnPlateau) else _nothing

    class Checked(kind):  # type: ignore[valid-type,misc]  # a class made for each
        @functools.wraps(takes)
        def step(self, *metrics: Any, **named: Any) -> None:
            given = [optimizer_checks.metric(self.__class__.__name__, m) for m in takes(self, *metrics, **named)]
            with undone_if_refused(self.optimizer, _parts(self)):
                if isinstance(self, lr_scheduler.OneCycleLR):
                    optimizer_checks.steps_left(self.__class__.__name__, self.last_epoch + 1, self.total_steps)
                super().step(*given)
                rates = [group["lr"] for group in self.optimizer.param_groups]
                optimizer_checks.rates(self.__class__.__name__, rates, len(rates))

        def get_last_lr(self) -> list[float]:
            return list(super().get_last_lr())

        def state_dict(self) -> dict[str, Any]:
            state: dict[str, Any] = optimizer_checks.copied(super().state_dict())
            state.pop(optimizer_checks.FLAG, None)
            return state

        def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
            own, groups = self.state_dict(), len(self.optimizer.param_groups)
            state = optimizer_checks.scheduler_state(self.__class__.__name__, own, state_dict, groups)
            super().load_state_dict(state)

    Checked.__name__ = Checked.__qualname__ = kind.__name__
    Checked.__module__ = kind.__module__
    return Checked


def _nothing(self: Any) -> tuple[()]:
    """What a step takes: nothing. Python refuses all else, by the name that it has on the hand-written side."""
    return ()


def _a_number(self: Any, metrics: Any) -> tuple[Any]:
    """What a step takes: the number that a plateau looks at."""
    return (metrics,)


_nothing.__qualname__, _a_number.__qualname__ = "LRScheduler.step", "ReduceLROnPlateau.step"


def _parts(schedule: Any) -> list[Any]:
    """A schedule, and those that it is made of."""
    return [schedule, *(part for entry in getattr(schedule, "_schedulers", ()) for part in _parts(entry))]


@contextmanager
def undone_if_refused(optimizer: Any, parts: list[Any]) -> Iterator[None]:
    """What raises within leaves the groups and the schedules as they were."""
    kept = [(part.__dict__, dict(part.__dict__)) for part in parts]
    kept += [(group, dict(group)) for group in optimizer.param_groups]
    try:
        yield
    except BaseException:
        for now, before in kept:
            now.clear()
            now.update(before)
        raise
