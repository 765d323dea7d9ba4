"""A check as an assertion, for tests."""

from typing import Any

from handgrad.check.gradients import check_gradients
from handgrad.check.report import GradientCheck
from handgrad.check.subject import CheckError


def assert_parity(op: Any, reference: Any, inputs: Any = None, **options: Any) -> None:
    """Raise AssertionError unless `op` has the outputs of `reference` and the right gradient, in float64 and float32.

    Arguments as in `assert_gradients`. The message says which number is wrong, where, probably why, and how to see it
    again.
    """
    __tracebackhide__ = True
    assert_gradients(op, inputs, reference, **options)


def assert_gradients(
    op: Any, inputs: Any = None, reference: Any = None, *, cases: int | None = None, seed: int = 0, **options: Any
) -> GradientCheck:
    """Raise AssertionError unless the gradients of `op` are right; its message is the report.

    Arguments as in `check_gradients`. With `cases` at least so many inputs are drawn: a check draws a few of different
    kinds, and is repeated with the next seeds until there are enough. Returns the last check.

    Raises:
        AssertionError: a gradient is wrong, or it cannot be told.
        CheckError: (a ValueError) what was given cannot be checked.

    >>> import numpy as np
    >>> assert_gradients((np.sin, np.cos), np.linspace(-1, 1, 5)).status
    'agree'
    """
    __tracebackhide__ = True
    if cases is not None and (isinstance(cases, bool) or not isinstance(cases, int) or cases < 1):
        raise CheckError(f"cases must be a whole number >= 1; got {cases!r}")
    wanted = cases if cases is not None and inputs is None else 1
    drawn = 0
    while True:
        found = check_gradients(op, inputs, reference, seed=seed, **options)
        if not found:
            raise AssertionError(found.render())
        drawn += max(len(found.draws), 1)
        if drawn >= wanted:
            return found
        seed += 1
