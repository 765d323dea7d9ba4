"""The pytest plugin: the fixture `gradcheck`, and how many cases it draws. It imports nothing before a test uses it."""

import argparse
from collections.abc import Callable
from typing import Any

import pytest

OPTION = "--handgrad-cases"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("handgrad").addoption(
        OPTION,
        type=_count,
        metavar="N",
        help="gradcheck draws at least N inputs for each op (default: the few of one check)",
    )


def _count(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text[:10]) <= 10**6:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 1000000; got {text!r}")


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`gradcheck(op, inputs=None, reference=None)` fails the test, with the report, unless the gradients are right.

    It takes the arguments of `handgrad.check.assert_gradients` and returns the `GradientCheck`.
    """
    from handgrad.check import assert_gradients

    cases = request.config.getoption(OPTION)

    def check(op: Any, inputs: Any = None, reference: Any = None, **options: Any) -> Any:
        __tracebackhide__ = True
        return assert_gradients(op, inputs, reference, **{"cases": cases, **options})

    return check
