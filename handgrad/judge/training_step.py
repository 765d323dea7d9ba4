"""Judging every step of a training run, *from the side's own state before it*.

Parameters, optimizer state and batch go into the balls, and what the side computed must lie inside. Both sides can then
train freely; every step of either is certified.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from handgrad.judge import structure
from handgrad.judge.ball import quiet
from handgrad.judge.explain import locate
from handgrad.judge.explain.reproduce import (
    CannotWriteError,
    Script,
    Spelling,
    loss_line,
    model_lines,
    optimizer_lines,
    package,
    reproduce,
)
from handgrad.judge.optimizer_step import (
    OptimizerSnapshot,
    check_step,
    check_still,
    matching_names,
    named_items,
    parameters_of,
    refuse_unjudged,
    snapshot,
)
from handgrad.judge.reference_net import AnyArray, ReferenceNet, buffers_of
from handgrad.judge.rules import layers, losses
from handgrad.judge.verdict import Verdict


@dataclass(frozen=True)
class Snapshot:
    """What a training step starts from, as copies."""

    parameters: dict[str, AnyArray]
    gradients: dict[str, AnyArray]  # those left over from the step before
    optimizer: OptimizerSnapshot
    buffers: dict[str, AnyArray]


class StepJudge:
    """Judges the training steps of one side.

    >>> judge = StepJudge(model, loss, optimizer)                   # doctest: +SKIP
    >>> before = judge.before()                                     # doctest: +SKIP
    >>> value = trainer.step(x, y)                                  # doctest: +SKIP
    >>> verdict = judge.after(before, x, y, value)                  # doctest: +SKIP

    Raises `TypeError` for a layer, loss or optimizer that the judge has no rule for, and `ValueError` for an LBFGS that
    evaluates the model several times a step: gradients other than the last are nowhere to be seen then.
    """

    def __init__(self, model: Any, loss: Any, optimizer: Any) -> None:
        self.model, self.given_loss, self.optimizer = model, loss, optimizer
        self.rule, self.loss = layers.read_model(model), losses.read_loss(loss)
        refuse_unjudged(optimizer)
        self.side = structure.side_of(model)
        self.names = matching_names(dict(structure.named_parameters(model)), parameters_of(optimizer))

    def before(self) -> Snapshot:
        parameters = dict(structure.named_parameters(self.model))
        return Snapshot(
            {name: structure.copy(p.data) for name, p in parameters.items()},
            {name: structure.copy(p.grad) for name, p in parameters.items() if p.grad is not None},
            snapshot(self.optimizer),
            buffers_of(self.model),
        )

    @quiet
    def after(self, before: Snapshot, x: AnyArray, y: AnyArray, value: Any) -> Verdict:
        """The verdict on the step from `before` on the batch `(x, y)` that returned the loss `value`."""
        verdict = Verdict(self.side)
        now = dict(structure.named_parameters(self.model))
        frozen = structure.frozen(self.model)
        gradients = {name: p.grad for name, p in now.items() if name not in frozen}
        net = ReferenceNet(self.rule, before.parameters, x, before.gradients, before.buffers, frozen)
        output = net.forward()
        ball = net.loss(self.loss, output, y)
        verdict.check("loss", value, ball, net.explain("loss"))
        net.backward(self.loss.backward())
        net.check_gradients(verdict, gradients)
        if verdict.failures:
            verdict.parts_at(locate.first_part(self.model, net.x, net.upstream))
        net.check_buffers(verdict, self.model)
        check_step(verdict, self.optimizer, before.optimizer, self.names)
        for name in now.keys() - set(self.names):
            title = f"{name}, which the optimizer does not have"
            check_still(verdict, title, before.parameters[name], now[name].data)
        reproduce(verdict, self._scripts(before, x, y))
        return verdict

    def _scripts(self, before: Snapshot, x: AnyArray, y: AnyArray) -> Iterator[Script]:
        """The step alone; and as the second of two, for what goes wrong because there was one before."""
        name, order = package(self.model), list(before.parameters)

        def members(numbers: list[int]) -> str:
            own = [self.names[i] for i in numbers]
            if strangers := [held for held in own if held not in before.parameters]:
                raise CannotWriteError(f"the model does not have {strangers[0]}")
            return "model.parameters()" if own == order else named_items("parameters", own)

        def write(spell: Spelling, repeat: bool) -> list[str]:
            start = before.optimizer
            return [
                *model_lines(self.model, {**before.parameters, **before.buffers}, spell),
                loss_line(self.given_loss, spell),
                *["parameters = dict(model.named_parameters())"] * (self.names != order),
                *optimizer_lines(self.optimizer, start.groups, start.state, members, spell),
                f"trainer = {name}.Trainer(model, loss, optimizer)",
                f"x, y = {spell(x)}, {spell(y)}",
                *["trainer.step(x, y)"] * repeat,
                "judge = StepJudge(model, loss, optimizer)",
                "before = judge.before()",
                "verdict = judge.after(before, x, y, trainer.step(x, y))",
            ]

        for drawn in (False, True):
            yield Script(name, "StepJudge", partial(write, repeat=False), drawn)
            yield Script(name, "StepJudge", partial(write, repeat=True), drawn, "the step is made twice")
