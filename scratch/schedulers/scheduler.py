"""What all schedules share, and the one that is any function of the step."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from contract import checks, optimizer_checks
from scratch.optim import Optimizer

__all__ = ["LRScheduler", "LambdaLR"]


class LRScheduler:
    """Writes the learning rate of every parameter group; a subclass says which in `get_lr`.

    The rate of step 0 is set by the constructor; `step()`, called after every optimizer step, goes to the next.
    Schedules are *chained*: the next rate is computed from the present one in the group, not from the start, so that
    several schedules act on one optimizer as factors. A group's own rate at the start is kept in it as `initial_lr`.
    With `last_epoch` ≥ 0 a schedule goes on where another one stopped, and `initial_lr` must be in every group.

    Raises TypeError for anything but an optimizer, KeyError for a missing `initial_lr`, ValueError or TypeError for
    arguments out of range.
    """

    last_epoch: int
    base_lrs: list[float]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, {"last_epoch": last_epoch})
        self.optimizer = optimizer
        with undone_if_refused(self):
            if last_epoch == -1:
                for group in optimizer.param_groups:
                    group.setdefault("initial_lr", group["lr"])
            self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
            self.last_epoch = last_epoch
            self.start()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, checks.plain(value))

    @property
    def name(self) -> str:
        return type(self).__name__

    def start(self) -> None:
        """The first rate: a step that subclasses tell from the others by `_is_initial`."""
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rate of every group at step `last_epoch`, from the groups' present rates."""
        raise NotImplementedError(f"{self.name} does not define get_lr")

    def get_closed_form_lr(self) -> list[float]:
        """The same computed from `base_lrs`, where there is such a form."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rates that the last call of `step` set."""
        return list(self._last_lr)

    def step(self) -> None:
        """Go to the next step. What is refused on the way changes nothing."""
        with undone_if_refused(self):
            self.advance()

    def advance(self) -> None:
        self._step_count += 1
        self.last_epoch += 1
        self._set(self.get_lr())

    def restart(self) -> None:
        """Go back to step 0, with the rates of the closed form."""
        self.last_epoch = 0
        self._set(self.get_closed_form_lr())

    def _set(self, rates: list[float]) -> None:
        optimizer_checks.rates(self.name, rates, len(self.optimizer.param_groups))
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = optimizer_checks.plain(rate)
        self._last_lr = self.present()

    def present(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def parts(self) -> list["LRScheduler"]:
        """This schedule, and those that it is made of."""
        return [self]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions, under PyTorch's names: its schedules load it, and the reverse."""
        return {name: optimizer_checks.copied(value) for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; the rates come with the optimizer's state dict.

        ValueError or TypeError for the state of another schedule, and for values of another kind or number; then
        nothing changes.
        """
        groups = len(self.optimizer.param_groups)
        self.take(optimizer_checks.scheduler_state(self.name, self.state_dict(), state, groups))

    def take(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


@contextmanager
def undone_if_refused(schedule: LRScheduler) -> Iterator[None]:
    """What raises within leaves the groups, the schedule and its parts as they were."""
    groups = schedule.optimizer.param_groups
    kept = [(part.__dict__, dict(part.__dict__)) for part in schedule.parts()]
    kept += [(group, dict(group)) for group in groups]
    try:
        yield
    except BaseException:
        for now, before in kept:
            now.clear()
            now.update(before)
        raise


class LambdaLR(LRScheduler):
    """lr = initial_lr · f(step) with a function of the step count, or one for each group.

    A function is not part of the state dict; an object that can be called is, by its attributes.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        optimizer_checks.scheduler(self.name, optimizer, Optimizer, {"lr_lambda": lr_lambda})
        groups = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * groups
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        attributes = [None if _is_function(f) else dict(f.__dict__) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": attributes}

    def take(self, state: dict[str, Any]) -> None:
        for f, attributes in zip(self.lr_lambdas, state.pop("lr_lambdas"), strict=True):
            f.__dict__.update(attributes or {})
        super().take(state)


def _is_function(f: Any) -> bool:
    return hasattr(f, "__code__")
