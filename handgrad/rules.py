"""What a value may be: a test that it passes, and the words for it. For fields of experiments and of stored results."""

import numbers
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Rule = tuple[Callable[[Any], bool], str]


def refuse_unless(rule: Rule, name: str, value: Any) -> None:
    """ValueError naming the field, what it may be, and what was given."""
    fits, allowed = rule
    if not fits(value):
        raise ValueError(f"{name} must be {allowed}; got {value!r:.100}")


def is_real(value: Any) -> bool:
    """Python's and NumPy's numbers, without True and False."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and is_real(value)


def one_of(names: tuple[str, ...]) -> Rule:
    return (lambda value: isinstance(value, str) and value in names), f"one of {', '.join(names)}"


def or_none(rule: Rule) -> Rule:
    fits, allowed = rule
    return (lambda value: value is None or fits(value)), f"{allowed} or None"


TEXT: Rule = (lambda value: isinstance(value, str), "text")
TRUTH: Rule = (lambda value: isinstance(value, bool), "True or False")
POSITIVE: Rule = (lambda value: is_whole(value) and value >= 1, "a whole number >= 1")
NOT_NEGATIVE: Rule = (lambda value: is_real(value) and 0 <= value <= sys.float_info.max, "a finite number >= 0")
FUNCTION: Rule = (callable, "a function")
COUNT: Rule = (lambda value: is_whole(value) and 0 <= value < 2**63, "a whole number >= 0")
FINITE: Rule = (lambda value: is_real(value) and abs(value) <= sys.float_info.max, "a finite number")
