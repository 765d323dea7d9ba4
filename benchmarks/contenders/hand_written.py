"""The hand-written side, as its README says to use it."""

from typing import Any

import scratch
from benchmarks.nets import Array, Problem


class HandWritten:
    """`scratch.Trainer`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def absent(self, problem: Problem) -> str:
        return ""

    def prepare(self, problem: Problem) -> None:
        self.model = scratch.MLP(problem.net.sizes, dtype=problem.dtype)
        self.model.load_state_dict(problem.weights)
        self.loss = getattr(scratch, problem.net.loss)()
        self.optimizer = getattr(scratch, problem.kind)(self.model.parameters(), **problem.options)
        self.trainer = scratch.Trainer(self.model, self.loss, self.optimizer)
        self.x, self.y = problem.x, problem.y

    def step(self) -> float:
        return self.trainer.step(self.x, self.y)

    def state(self) -> dict[str, Array]:
        return self.model.state_dict()

    def forward(self) -> Any:
        return self.model.forward(self.x)
