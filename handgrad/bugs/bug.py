"""What a bug is, and how one is planted.

A bug is a change of text in one or more functions of `scratch`: the same few characters that a person would get wrong.
`planted` compiles the changed text and swaps the function's code object, so every importer of the function sees it, and
puts the right one back afterwards. A text that no longer stands in the source, or stands there twice, is an error: the
catalogue cannot fall out of step with the code unnoticed.
"""

import inspect
import textwrap
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import scratch


@dataclass(frozen=True)
class Edit:
    """In the function at `target`, a dotted path inside `scratch`, `old` was written as `new`."""

    target: str
    old: str
    new: str


@dataclass(frozen=True)
class Bug:
    """`why` says how a person comes to write it.

    The rest is for the suite, which refuses them all: `kind` names the scenarios to try first (`TESTS` in
    `parity_tests/meta/scenarios.py`), `hint` a part of the name of the one that is made for the bug, `pattern` what the
    judge's text of the failure must contain. Where it is empty no pattern of the judge fits, or what refuses the bug is
    a plain assertion.
    """

    family: str
    why: str
    edits: tuple[Edit, ...]
    kind: str = "ops"
    hint: str = ""
    pattern: str = ""

    @property
    def owner(self) -> str:
        """The class that has the bug, or a function's name."""
        return self.edits[0].target.partition(".")[0]


def _at(target: str) -> Any:
    """What a dotted path inside `scratch` leads to."""
    found: Any = scratch
    return reduce(getattr, target.split("."), found)


def functions_of(bug: Bug) -> dict[str, Any]:
    """The functions of `scratch` that the bug changes, by their path."""
    return {edit.target: inspect.unwrap(_at(edit.target)) for edit in bug.edits}


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """While inside, the hand-written side has the bug."""
    changed: dict[str, list[Edit]] = {}
    for edit in bug.edits:
        changed.setdefault(edit.target, []).append(edit)
    functions = functions_of(bug)
    wrong = {target: _compiled(functions[target], edits) for target, edits in changed.items()}
    right = {target: function.__code__ for target, function in functions.items()}
    try:
        for target, function in functions.items():
            function.__code__ = wrong[target]
        yield
    finally:
        for target, function in functions.items():
            function.__code__ = right[target]


def changed(source: str, edits: Sequence[Edit]) -> str:
    """A function's text with the edits made. A ValueError names a text that is not there exactly once."""
    for edit in edits:
        if source.count(edit.old) != 1:
            raise ValueError(f"{edit.target} has {source.count(edit.old)} times, not once: {edit.old!r}")
        source = source.replace(edit.old, edit.new)
    return source


def _compiled(function: Any, edits: list[Edit]) -> types.CodeType:
    """The function's code with the edits made."""
    source = changed(textwrap.dedent(inspect.getsource(function)), edits)
    # A function in which super() stands takes its class from around it: the new code gets the same free names.
    free = "".join(f"    {name} = None\n" for name in function.__code__.co_freevars)
    around = f"def around():\n{free}{textwrap.indent(source, '    ')}" if free else source
    code = compile(around, f"<{edits[0].target} with a planted bug>", "exec", dont_inherit=True)
    for _ in range(2 if free else 1):
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    return code


def edit(target: str, old: str, new: str) -> tuple[Edit, ...]:
    """The one change that most bugs are."""
    return (Edit(target, old, new),)
