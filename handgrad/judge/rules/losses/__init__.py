"""The reference of every loss, in balls: its value and, right under it, its gradient. One file per family."""

from typing import Any

from handgrad.judge import structure
from handgrad.judge.rules.losses import binary, classes, distributions, margins, pairs, regression
from handgrad.judge.rules.losses.loss import Loss, PairLoss, SampleLoss

__all__ = ["RULES", "Loss", "PairLoss", "SampleLoss", "read", "read_loss"]

RULES: dict[str, type[Loss] | type[PairLoss]] = {
    name: getattr(family, name)
    for family in (binary, classes, distributions, margins, pairs, regression)
    for name in family.__all__
}


def read(loss: Any) -> Loss | PairLoss:
    """The rule of a loss, read by class name. Raises `TypeError` for a class without one."""
    module = structure.unwrap(loss)
    kind = structure.class_name(module)
    if kind not in RULES:
        raise structure.unknown("loss", kind, RULES)
    rule = RULES[kind].read(module)
    if rule.reduction not in rule.REDUCTIONS:
        allowed = ", ".join(map(repr, rule.REDUCTIONS))
        raise ValueError(f"reduction is {rule.reduction!r}; allowed are {allowed}")
    return rule


def read_loss(loss: Any) -> Loss:
    """The rule of a loss that a step or a net can end in: of one output and a target. Raises `TypeError` for others."""
    rule = read(loss)
    if isinstance(rule, PairLoss):
        raise TypeError(f"{type(rule).__name__} takes three arrays and no net's output alone; use judge_loss")
    return rule
