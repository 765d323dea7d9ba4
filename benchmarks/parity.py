"""Is a contender right? Its loss and its weights after whole steps, held against the judge's balls.

A contender need not show its gradients: the judge's gradient of every weight is a ball, and the optimizer's rule takes
balls. What is checked is the number that a user is left with.
"""

from typing import Any

import numpy as np

import scratch
from benchmarks.contenders import Contender
from benchmarks.nets import Array, Problem
from handgrad.judge import Ball, Format, Verdict
from handgrad.judge.rules import layers as layer_rules
from handgrad.judge.rules import losses as loss_rules
from handgrad.judge.rules import optimizers as optimizer_rules

State = dict[str, optimizer_rules.State]


class ParityError(RuntimeError):
    """A contender computed a number outside its certified bound: its time would mean nothing."""


class Reference:
    """The steps of a problem in balls. The first, from weights that all contenders share, is computed once."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        # Only the structure is read from these: names and classes, as the judge reads any model.
        self.model = layer_rules.read_model(scratch.MLP(problem.net.sizes, dtype=problem.dtype))
        self.loss = loss_rules.read_loss(getattr(scratch, problem.net.loss)())
        self.first: tuple[Ball, dict[str, Ball], State] | None = None

    @np.errstate(all="ignore")  # balls compute with NaN and ∞ on purpose
    def step(self, weights: dict[str, Array], state: State) -> tuple[Ball, dict[str, Ball], State]:
        """Balls of the loss, of the new weights and of the optimizer's new state."""
        f = Format.of(self.problem.dtype)
        output = self.model.forward(f.exact(self.problem.x), weights)
        value = self.loss.forward(output, self.problem.y)
        gradients: dict[str, Ball] = {}
        self.model.backward(self.loss.backward(), gradients)
        update = optimizer_rules.RULES[self.problem.kind]
        new = {
            name: update(self.problem.options, f.exact(weight), gradients[name], state.get(name, {}))
            for name, weight in weights.items()
        }
        return value, {name: p for name, (p, *_) in new.items()}, {name: s for name, (_, s, _) in new.items()}

    def judge(self, contender: Contender) -> None:
        """Two steps of a prepared contender; one where the optimizer keeps nothing. Raises ParityError."""
        verdict = Verdict(contender.name)
        weights, state = self.problem.weights, State()
        for number in range(1 if self.problem.optimizer == "SGD" else 2):
            if number == 0:
                self.first = self.first or self.step(weights, state)
                value, expected, state = self.first
            else:
                value, expected, state = self.step(weights, state)
            verdict.check(f"loss of step {number + 1}", contender.step(), value)
            weights = contender.state()
            for name, ball in expected.items():
                verdict.check(f"{name} after step {number + 1}", weights[name], ball)
        _raise(verdict, contender, self.problem)

    @np.errstate(all="ignore")
    def judge_forward(self, contender: Contender) -> None:
        """The outputs of a prepared contender. Raises ParityError."""
        f = Format.of(self.problem.dtype)
        verdict = Verdict(contender.name)
        expected = self.model.forward(f.exact(self.problem.x), self.problem.weights)
        verdict.check("output", np.asarray(contender.forward()), expected)
        _raise(verdict, contender, self.problem)


def _raise(verdict: Verdict, contender: Any, problem: Problem) -> None:
    if not verdict.held:
        first = verdict.failures[0].render(reproduction=False)
        raise ParityError(f"the judge refused {contender.name} on {problem.name}: {first}")
