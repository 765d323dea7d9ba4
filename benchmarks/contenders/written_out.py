"""The hand-written side's step as one function of straight-line NumPy."""

from benchmarks.contenders.hand_written import HandWritten
from benchmarks.nets import Problem
from scratch.unroll import unroll


class WrittenOut(HandWritten):
    """`scratch.unroll`. A step that makes the optimizer's state, as Adam's first, is `scratch.Trainer`'s own."""

    def prepare(self, problem: Problem) -> None:
        super().prepare(problem)
        self.program = unroll(self.trainer)

    def step(self) -> float:
        return self.program.step(self.x, self.y)
