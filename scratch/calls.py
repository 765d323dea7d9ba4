"""A module that runs more than once in one forward: which of its calls its backward is of.

A module remembers its last call. A net whose `forward` calls one `self.relu` twice needs both, the last first, because
backward goes the other way. So while the `forward` of such a net runs, every call is written down (`recorded`); what
ran more than once is kept with the net, and its `backward` hands the memories out from the last to the first
(`replayed`). A net in which nothing runs twice keeps nothing, and the next forward replaces what was kept.

Whether a `backward` written by hand goes in the reverse order is checked: between two calls of one module something
must have run both on the way forward and on the way back, or the second call must have had the output of the first as
its input. Where neither is so, as in `relu(a) + relu(b)`, the two could be mistaken for each other in silence.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import wraps
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar, cast

from contract import checks

Function = TypeVar("Function", bound=Callable[..., Any])
Memory = tuple[tuple[int, ...], Any, tuple[Any, ...]]


class Call(NamedTuple):
    """A forward call: whose it was, what it remembered, and its output."""

    module: Any
    memory: Memory
    output: Any


class Past(NamedTuple):
    """One of a module's calls, and what ran between it and the next; None where the next had its output as an input."""

    memory: Memory
    between: Any  # a set of modules, or None


class Replay:
    """How far a backward pass has come."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self.left: dict[Any, list[Past]] = {module: list(calls) for module, calls in net._repeats.items()}
        self.order: list[Any] = []  # the modules whose backward ran
        self.last: dict[Any, int] = {}  # the place of each one's last call in it

    def memory(self, module: Any) -> Memory | None:
        """What the call remembered that the module's backward is of."""
        self.order.append(module)
        if module not in self.left:
            last: Memory | None = module._memory
            return last
        calls = self.left[module]
        if not calls:
            self.refuse(module)
        memory, between = calls.pop()
        asked = between is not None and module in self.last and not self.net._ordered
        if asked and between.isdisjoint(self.order[self.last[module] + 1 : -1]):
            checks.order_of_calls(self.net.name, module.name, self.path(module))
        self.last[module] = len(self.order) - 1
        return memory

    def finish(self) -> None:
        """Every call that forward made has had its backward."""
        for module, calls in self.left.items():
            if calls:
                self.refuse(module)

    def refuse(self, module: Any) -> None:
        ran = len(self.net._repeats[module])
        backwards = self.order.count(module)
        checks.calls(self.net.name, module.name, self.path(module), ran, backwards)

    def path(self, module: Any) -> str:
        return next((name for name, one in _descendants(self.net) if one is module), "")


# Of the running thread or task, if any:
log_now: ContextVar[list[Call] | None] = ContextVar("the calls so far of the outermost recorded forward", default=None)
replay_now: ContextVar[Replay | None] = ContextVar("the backward pass", default=None)


def recorded(forward: Function) -> Function:
    """`forward`, which keeps the calls of what runs more than once in it."""

    @wraps(forward)
    def run(self: Any, *inputs: Any, **options: Any) -> Any:
        if not self._records:
            return forward(self, *inputs, **options)
        outer = log_now.get()
        log = [] if outer is None else outer
        token = log_now.set(log)
        start = len(log)
        try:
            output = forward(self, *inputs, **options)
            own = [i for i in range(start, len(log)) if log[i].module is self]
            for i in reversed(own[:-1]):  # a class and the class that it extends both remember: it is one call
                del log[i]
            vars(self)["_repeats"] = _repeats(log[start:])
            return output
        finally:
            log_now.reset(token)

    return cast(Function, run)


def replayed(backward: Function) -> Function:
    """`backward`, which hands out the calls that forward kept. Where it is refused, gradients are as before."""

    @wraps(backward)
    def run(self: Any, *given: Any, **options: Any) -> Any:
        outer = replay_now.get()
        if not self._repeats or (outer is not None and self._repeats.keys() <= outer.left.keys()):
            return backward(self, *given, **options)
        kept = [(parameter, parameter.grad, parameter.rows) for parameter in self.parameters()]
        replay = Replay(self)
        token = replay_now.set(replay)
        try:
            gradient = backward(self, *given, **options)
            replay.finish()
            return gradient
        except Exception:
            for parameter, grad, rows in kept:
                object.__setattr__(parameter, "grad", grad)  # the array itself, not a copy
                parameter.rows = rows
            raise
        finally:
            replay_now.reset(token)

    return cast(Function, run)


def _repeats(log: list[Call]) -> dict[Any, list[Past]]:
    """The calls of every module that ran more than once."""
    places: dict[Any, list[int]] = {}
    for i, call in enumerate(log):
        places.setdefault(call.module, []).append(i)
    found = {}
    for module, at in places.items():
        if len(at) > 1:
            pasts = []
            for i, j in pairwise(at):
                chained = any(value is log[i].output for value in log[j].memory[2])
                pasts.append(Past(log[i].memory, None if chained else {call.module for call in log[i + 1 : j]}))
            found[module] = [*pasts, Past(log[at[-1]].memory, None)]
    return found


def _descendants(module: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, child in module._modules.items():
        yield prefix + name, child
        yield from _descendants(child, f"{prefix}{name}.")
