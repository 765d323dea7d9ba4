"""What all schedules share, and the one that is any function of the step."""

from collections.abc import Callable, Mapping
from typing import Any

from scratch import checks, optimizer_checks
from scratch.optim import Optimizer


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
        self.optimizer = optimizer
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        optimizer_checks.initial_lr(self.name, optimizer.param_groups)
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
        return self._last_lr

    def step(self) -> None:
        self._step_count += 1
        self.last_epoch += 1
        self._set(self.get_lr())

    def restart(self) -> None:
        """Go back to step 0, with the rates of the closed form."""
        self.last_epoch = 0
        self._set(self.get_closed_form_lr())

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = self.present()

    def present(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions, under PyTorch's names: its schedules load it, and the reverse."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; the rates come with the optimizer's state dict."""
        optimizer_checks.scheduler_state(self.name, self.state_dict(), state)
        self.__dict__.update({name: value for name, value in state.items() if name in self.state_dict()})


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

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        functions = self.lr_lambdas
        super().load_state_dict(state)
        self.lr_lambdas = functions
        for f, attributes in zip(functions, state["lr_lambdas"], strict=True):
            f.__dict__.update(attributes or {})


def _is_function(f: Any) -> bool:
    return hasattr(f, "__code__")
