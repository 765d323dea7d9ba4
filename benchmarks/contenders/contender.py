"""What a contender can be asked."""

from typing import Any, Protocol

from benchmarks.nets import Array, Problem


class Contender(Protocol):
    """`prepare`, then as many `step`s as are timed; `state` shows the judge where they led."""

    @property
    def name(self) -> str: ...

    def absent(self, problem: Problem) -> str:
        """Why it cannot take part in this problem on this machine; empty where it can."""
        ...

    def prepare(self, problem: Problem) -> None: ...

    def step(self) -> float:
        """One full training step; the loss before it."""
        ...

    def state(self) -> dict[str, Array]:
        """The weights by the names of `Problem.weights`."""
        ...

    def forward(self) -> Any:
        """The outputs for the problem's x, without preparing for a backward pass."""
        ...
