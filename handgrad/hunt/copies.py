"""Copies of the hand-written code: a text of some classes of `scratch`, to be read, run and changed.

A copied class inherits from its namesake, and says again what forward, backward, update and step are made of: its
methods, and the functions of their file that they call. Arguments, initial weights and the rest it has from there.
"""

import ast
import inspect
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import NamedTuple

from handgrad.bugs import Edit, changed

BLANK = "\n\n"
ROOTS = ("apply", "forward", "backward", "backward_parameters", "update", "step")
"""The methods that a copy starts from; those that they call follow."""
SHARED = ("Module", "Container", "Criterion", "Loss", "PairLoss", "Optimizer")
"""Classes of which nothing is copied: what every op has from them, as its memory, is no part of its formula."""

Changes = Mapping[FunctionType, Sequence[Edit]]
"""What is written otherwise, by function."""


class Copy(NamedTuple):
    """A class, and the functions that its text is made of, in the order in which they are called."""

    kind: type
    methods: tuple[FunctionType, ...]
    beside: tuple[FunctionType, ...]  # functions of the methods' own files

    @property
    def functions(self) -> tuple[FunctionType, ...]:
        return (*self.beside, *self.methods)


@cache
def copy(kind: type) -> Copy:
    bases = [base for base in kind.__mro__ if base.__module__.startswith("scratch.") and base.__name__ not in SHARED]
    own = {name: value for base in reversed(bases) for name, value in vars(base).items()}
    methods = _reached(ROOTS, own, of_self=True)
    beside: dict[FunctionType, None] = {}
    for method in methods:
        there = {name: f for name, f in method.__globals__.items() if getattr(f, "__module__", "") == method.__module__}
        beside |= dict.fromkeys(_reached(_named(method), there))
    return Copy(kind, tuple(methods), tuple(beside))


def written(kinds: Iterable[type], changes: Changes, also: Mapping[str, Sequence[str]]) -> str:
    """The text of copies of these classes, with the changes in it, and what they import; `also` names by module."""
    copies = [copy(kind) for kind in kinds]
    functions = list(dict.fromkeys(function for each in copies for function in each.functions))
    own = {kind.__name__ for kind in kinds} | {f.__name__ for each in copies for f in each.beside}
    blocks, there = [], set()
    for each in copies:
        blocks += [_text(function, changes) for function in each.beside if function not in there]
        there |= set(each.beside)
        body = BLANK.join([_docstring(each.kind), *(_text(method, changes) for method in each.methods)])
        blocks.append(f"class {each.kind.__name__}(scratch.{_base(each)}):\n{textwrap.indent(body, '    ')}")
    return "\n\n\n".join(["\n".join(_imports(functions, own, also)), *blocks])


def _base(each: Copy) -> str:
    """The class that a copy has the rest from: its namesake, or where it calls super(), the namesake's own base."""
    extends = any("super()" in source(method) for method in each.methods)
    return (each.kind.__bases__[0] if extends else each.kind).__name__


def _reached(roots: Iterable[str], own: Mapping[str, object], of_self: bool = False) -> list[FunctionType]:
    """The functions of `own` that are called so or by one of these, and so on."""
    found: dict[str, FunctionType] = {}
    left = list(roots)
    while left:
        name = left.pop(0)
        function = inspect.unwrap(value) if callable(value := own.get(name)) else None
        if isinstance(function, FunctionType) and name not in found:
            found[name] = function
            left += _named(function, of_self)
    return list(found.values())


@cache
def _named(function: FunctionType, of_self: bool = False) -> list[str]:
    """The names in a function's text; `of_self` those of its own object's attributes."""
    nodes = list(ast.walk(ast.parse(source(function))))
    if of_self:
        own = (n for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "self")
        return [node.attr for node in own]
    return [node.id for node in nodes if isinstance(node, ast.Name)]


@cache
def source(function: FunctionType) -> str:
    return textwrap.dedent(inspect.getsource(function)).rstrip()


def _text(function: FunctionType, changes: Changes) -> str:
    return changed(source(function), changes.get(function, ()))


@cache
def _docstring(kind: type) -> str:
    """The class's docstring, as it is written."""
    text = textwrap.dedent(inspect.getsource(kind))
    first = next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    return textwrap.dedent(f"    {ast.get_source_segment(text, first)}")


def _imports(functions: Iterable[FunctionType], own: set[str], also: Mapping[str, Sequence[str]]) -> list[str]:
    """The lines that bring in what the functions name and what is not their own."""
    plain = {"import numpy as np", "import scratch"}
    members = defaultdict(set, {module: set(names) for module, names in also.items()})
    for function in functions:
        there = _brought(function.__module__)
        for name in set(_named(function)) - own:
            module, line = there.get(name, ("", ""))
            if module:
                members[module].add(line)
            elif line:
                plain.add(line)
    lines = (f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(members.items()))
    return [*sorted(plain), "", *lines]


@cache
def _brought(module: str) -> dict[str, tuple[str, str]]:
    """By the names that a module has: where each is from, and what is imported from there; without, the whole line."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        match node:
            case ast.Import():
                found |= {a.asname or a.name: ("", ast.unparse(ast.Import([a]))) for a in node.names}
            case ast.ImportFrom():
                found |= {a.asname or a.name: (str(node.module), ast.unparse(a)) for a in node.names}
            case ast.Assign():
                targets = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
                found |= {name: (module, name) for name in targets}
            case ast.FunctionDef() | ast.ClassDef():
                found[node.name] = module, node.name
    return found
