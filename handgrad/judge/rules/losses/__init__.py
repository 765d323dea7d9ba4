"""The reference of every loss, in balls: its value and, right under it, its gradient. One file per family."""

from typing import Any

from handgrad.judge import structure
from handgrad.judge.rules.losses.binary import (
    BCELoss,
    BCEWithLogitsLoss,
    HingeEmbeddingLoss,
    MultiLabelSoftMarginLoss,
    SoftMarginLoss,
)
from handgrad.judge.rules.losses.classes import CrossEntropyLoss, NLLLoss
from handgrad.judge.rules.losses.distributions import GaussianNLLLoss, KLDivLoss, PoissonNLLLoss
from handgrad.judge.rules.losses.loss import Loss, PairLoss, SampleLoss
from handgrad.judge.rules.losses.margins import MultiLabelMarginLoss, MultiMarginLoss
from handgrad.judge.rules.losses.pairs import CosineEmbeddingLoss, MarginRankingLoss
from handgrad.judge.rules.losses.regression import HalfSquaredError, HuberLoss, L1Loss, MSELoss, SmoothL1Loss

__all__ = ["RULES", "Loss", "PairLoss", "SampleLoss", "read", "read_loss"]

RULES: dict[str, type[Loss] | type[PairLoss]] = {
    rule.__name__: rule
    for rule in (
        BCELoss,
        BCEWithLogitsLoss,
        CosineEmbeddingLoss,
        CrossEntropyLoss,
        GaussianNLLLoss,
        HalfSquaredError,
        HingeEmbeddingLoss,
        HuberLoss,
        KLDivLoss,
        L1Loss,
        MSELoss,
        MarginRankingLoss,
        MultiLabelMarginLoss,
        MultiLabelSoftMarginLoss,
        MultiMarginLoss,
        NLLLoss,
        PoissonNLLLoss,
        SmoothL1Loss,
        SoftMarginLoss,
    )
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
