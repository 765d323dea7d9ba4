"""Which lines of a user's backward ran: of a branch that no case took nothing is known."""

import ast
import contextlib
import functools
import linecache
import types
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Any

from handgrad.check.surroundings import traced

HERE = Path(__file__).parent


def _of_the_user(frame: types.FrameType) -> bool:
    """Whether a backward has a source, and is none that stands in for the user's."""
    name = frame.f_code.co_filename
    return Path(name).parent != HERE and bool(linecache.getlines(name, frame.f_globals))


class Reached:
    """The lines that ran of the functions that were entered, from a function of the name of backward on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ran: dict[types.CodeType, set[int]] = {}

    def watching(self) -> AbstractContextManager[None]:
        """Within, what runs is watched."""
        file = ""  # of the backward that is running

        def entered(frame: types.FrameType, event: str, argument: Any) -> Any:
            nonlocal file
            code = frame.f_code
            if not file and code.co_name == self.name and _of_the_user(frame):
                outer, file = True, code.co_filename
            else:
                outer = False
            if code.co_filename != file:
                return None
            seen = self.ran.setdefault(code, set())

            def stepped(frame: types.FrameType, event: str, argument: Any) -> Any:
                nonlocal file
                if event == "line":
                    seen.add(frame.f_lineno)
                elif event == "return" and outer:
                    file = ""
                return stepped

            return stepped

        return traced(entered)

    def missed(self) -> list[str]:
        """The lines that never ran, as "12" or "12–14", but for those that refuse."""
        ranges: list[list[int]] = []
        for line in sorted(set(chain.from_iterable(map(self._missed, self.ran)))):
            if ranges and line == ranges[-1][1] + 1:
                ranges[-1][1] = line
            else:
                ranges.append([line, line])
        return [f"{a}" if a == b else f"{a}–{b}" for a, b in ranges]

    def _missed(self, code: types.CodeType) -> Iterator[int]:
        ran, lines = self.ran[code], {line for *_, line in code.co_lines() if line is not None}
        if lines - ran <= {code.co_firstlineno}:  # the line of its `def` is no statement of it
            return
        for node in _functions("".join(linecache.getlines(code.co_filename))).get(code.co_firstlineno, ()):
            if node.name == code.co_name:
                yield from _left(node.body, ran, lines)


@functools.lru_cache(maxsize=4)
def _functions(text: str) -> dict[int, list[ast.FunctionDef]]:
    """The functions of a file by the lines where they start, which are those of their decorators."""
    found: dict[int, list[ast.FunctionDef]] = {}
    with contextlib.suppress(SyntaxError):  # as of a notebook's magic
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(min([node.lineno, *(d.lineno for d in node.decorator_list)]), []).append(node)
    return found


def _of_none(test: ast.expr) -> bool:
    """Whether a condition asks if something was given at all, as `y is None`: no input answers that."""
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is | ast.IsNot)


def _for_none(node: ast.If) -> list[ast.stmt]:
    """The branch that is taken where nothing was given."""
    asks = isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.Is)
    return node.body if asks else node.orelse


def _left(body: list[ast.stmt], ran: set[int], lines: set[int]) -> Iterator[int]:
    """The lines of the statements that did not run; a body that ends in a raise refuses, and computes nothing."""
    if isinstance(body[-1], ast.Raise):
        return
    for node in body:
        bodies = [b for field in ("body", "orelse", "finalbody") if (b := getattr(node, field, None))]
        own = range(node.lineno, (bodies[0][0].lineno if bodies else (node.end_lineno or node.lineno) + 1))
        mine = lines.intersection(own or [node.lineno])
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assert | ast.Import | ast.ImportFrom):
            continue
        if mine and not mine & ran:
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)
        elif isinstance(node, ast.If) and _of_none(node.test):
            other = _for_none(node)
            if any(isinstance(n, ast.Return) for n in other):  # it returns the usual gradient, and a target another one
                yield from _left(other, ran, lines)
        else:
            for inner in bodies:
                yield from _left(inner, ran, lines)
