"""A wrong step of an optimizer: which option, had it been another, would have made it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from handgrad.judge.ball import Ball, Float64
from handgrad.judge.explain.patterns import Evidence, recognise
from handgrad.judge.rules import optimizers


def explain_step(
    rule: optimizers.Rule,
    group: Mapping[str, Any],
    v: Float64,
    reference: Ball,
    start: tuple[Ball, Ball, optimizers.State],
) -> str:
    """The step of a wrong parameter: compare with the steps that other options would have made."""
    p, g, state = start

    def alternatives() -> Iterator[tuple[str, Ball]]:
        for text, change in _OPTION_BUGS:
            if change_group := change(dict(group)):
                yield text, rule(change_group, p, g, state)[0]
        yield "as if it were the first step (state lost)", rule(group, p, g, {})[0]

    return recognise(v, reference, Evidence(previous=p.mid, alternatives=alternatives))


def _without(option: str, value: Any = 0.0) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda group: {**group, option: value} if group.get(option, value) != value else None


def _flip(option: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda group: {**group, option: not group[option]} if option in group else None


def _times(option: str, factor: float) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda group: {**group, option: factor * float(group[option])} if group.get(option) else None


_OPTION_BUGS: tuple[tuple[str, Callable[[dict[str, Any]], dict[str, Any] | None]], ...] = (
    (
        "the step has the opposite sign (maximize)",
        lambda group: {**group, "maximize": not group.get("maximize", False)},
    ),
    ("weight_decay is ignored", _without("weight_decay")),
    # Without its look ahead, Nesterov's first step is the one without momentum: the smaller mistake is named.
    ("nesterov the other way", _flip("nesterov")),
    ("momentum is ignored", _without("momentum")),
    ("dampening is ignored", _without("dampening")),
    ("amsgrad the other way", _flip("amsgrad")),
    ("centered the other way", _flip("centered")),
    ("lr_decay is ignored", _without("lr_decay")),
    ("momentum_decay is ignored", _without("momentum_decay")),
    ("decoupled_weight_decay the other way", _flip("decoupled_weight_decay")),
    ("weight_decay has the opposite sign", _times("weight_decay", -1.0)),
    ("the step is 2 × too long", _times("lr", 2.0)),
    ("the step is 2 × too short", _times("lr", 0.5)),
)
