"""The shapes of parameters in a dict that nobody makes, as `lstm_cell_forward(xt, a_prev, c_prev, parameters)` takes.

They are found by trying: forward is run with shapes that fit nothing, and where it fails the parameters of that
statement are given others, until it fails further down, or no more.
"""

import ast
import functools
import itertools
import re
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from handgrad.check import held, source
from handgrad.check.conventions import bare
from handgrad.check.inputs import part
from handgrad.check.subject import Array, inner

Shape = tuple[int, ...]
UNFIT: Shape = (61, 67)


class Sizes(NamedTuple):
    """Samples, the widths of an input, a state and an output, and times."""

    n: int = 5
    d: int = 3
    h: int = 4
    v: int = 2
    t: int = 6

    @property
    def weights(self) -> list[Shape]:
        _, d, h, v, _ = self
        rows = [(d + h, h), (d, h), (h, h), (h, v), (d + h, 4 * h)]
        return list(dict.fromkeys(shape for row in rows for shape in (row, row[::-1])))

    @property
    def biases(self) -> list[Shape]:
        return [shape for k in (self.h, self.v, 4 * self.h) for shape in ((1, k), (k, 1), (k,))]

    @property
    def inputs(self) -> list[tuple[Shape, Shape]]:
        """Of an input and a state: samples in rows, in columns, sequences, one sample."""
        n, d, h, _, t = self
        return [((n, d), (n, h)), ((d, n), (h, n)), ((d, n, t), (h, n)), ((n, t, d), (n, h)), ((d,), (h,))]


def parameters(f: Any, g: Any, name: str, arguments: list[str]) -> dict[str, Any] | None:
    """The dict that a function and its gradient take under a name, beside an input and states; None: none is found."""
    me = getattr(f, "__self__", None)
    f, g = (inner(getattr(h, "__func__", h)) for h in (f, g))
    if not all(isinstance(h, types.FunctionType) and source.tree(h) for h in (f, g)):
        return None
    sizes = _own(me)
    keys = _Keys(f, g, name, me, sizes)
    if not keys.names or any(part(k) not in ("weight", "bias") for k in keys.names):
        return None
    for x, h in sizes.inputs:
        shapes = [x, *[h] * (len(arguments) - 1)]
        given = dict(zip(arguments, map(_numbers, shapes), strict=True))
        if (found := keys.fitting(functools.partial(keys.call, given))) is not None:
            return found
    return None


def _own(me: Any) -> Sizes:
    """The sizes, as far as an object names its own."""
    own = {n: v for n, v in getattr(me, "__dict__", {}).items() if type(v) is int and v > 1}
    of = {"h": "hid|mem|cell", "d": "in|vocab|x", "v": "out|vocab|y|class"}
    found = {k: v for k, pattern in of.items() for n, v in own.items() if re.match(pattern, bare(n))}
    return Sizes()._replace(**found)


def _numbers(shape: Shape) -> Array:
    return np.linspace(-0.5, 0.75, int(np.prod(shape))).reshape(shape)


class _Keys:
    """The keys of a dict of parameters, and in which statements of a function each is used."""

    def __init__(self, f: Any, g: Any, name: str, me: Any, sizes: Sizes) -> None:
        self.f, self.name, self.me, self.sizes = f, name, me, sizes
        whole, back = (source.tree(h) for h in (f, g))
        assert whole
        assert back
        self.statements = [n for n in ast.walk(whole) if isinstance(n, ast.stmt)]
        self.locals: dict[str, str] = {}
        nodes = list(ast.walk(whole))
        for target, value in source.assigned(whole):
            if isinstance(target, ast.Name) and (own := self._of(value)):
                self.locals[target.id] = own[0]
        self.names = list(dict.fromkeys(k for n in nodes for k in self._of(n, False)))
        inside = [n for n in (*nodes, *ast.walk(back)) if isinstance(n, ast.Subscript) and self._of(n.value, False)]
        self.within = list(dict.fromkeys(k for n in inside for k in _text(n.slice)))  # where an entry is a dict itself

    def _of(self, node: ast.AST, deep: bool = True) -> list[str]:
        """The keys that an expression takes from the dict."""
        nodes = ast.walk(node) if deep else [node]
        entries = [n for n in nodes if isinstance(n, ast.Subscript)]
        return [k for n in entries if isinstance(n.value, ast.Name) and n.value.id == self.name for k in _text(n.slice)]

    def call(self, given: dict[str, Array], kept: dict[str, Any]) -> Any:
        me = [] if self.me is None else [held.copied(self.me)]
        return self.f(*me, **given, **{self.name: kept})

    def made(self, shapes: dict[str, Shape]) -> dict[str, Any]:
        """The parameters, and a place for the gradient of each where an entry is a dict."""
        if not self.within:
            return {k: _numbers(shapes[k]) for k in self.names}
        of, *others = self.within  # forward takes the value, and backward writes beside it
        return {k: {of: _numbers(shapes[k])} | {o: np.zeros(shapes[k]) for o in others} for k in self.names}

    def fitting(self, run: Callable[[dict[str, Any]], Any]) -> dict[str, Any] | None:
        shapes = dict.fromkeys(self.names, UNFIT)
        free = set(self.names)
        while True:
            at = self.failing(run, shapes)
            if at is None:
                return None if free else self.made(shapes)
            suspects = [k for k in self.names if k in free and k in self.used(at)]
            if not 0 < len(suspects) <= 3:
                return None
            ways = itertools.product(
                *(self.sizes.weights if part(k) == "weight" else self.sizes.biases for k in suspects)
            )
            for way in ways:
                tried = shapes | dict(zip(suspects, way, strict=True))
                after = self.failing(run, tried)
                if after is None or after > at:
                    shapes = tried
                    break
            else:
                return None
            free -= set(suspects)

    def failing(self, run: Callable[[dict[str, Any]], Any], shapes: dict[str, Shape]) -> int | None:
        """Where the statement begins at which it fails, 0 outside of the function; None: it runs to its end."""
        try:
            run(self.made(shapes))
        except Exception as error:  # where their code fails is what is asked
            lines = []
            trace = error.__traceback__
            while trace is not None:
                if trace.tb_frame.f_code is self.f.__code__:
                    lines.append(trace.tb_lineno)
                trace = trace.tb_next
            return self.statement(lines[-1] - self.f.__code__.co_firstlineno + 1).lineno if lines else 0
        return None

    def statement(self, line: int) -> ast.stmt:
        """The innermost statement at a line."""
        at = [s for s in self.statements if s.lineno <= line <= (s.end_lineno or 0)]
        return min(at, key=lambda s: (s.end_lineno or 0) - s.lineno)

    def used(self, line: int) -> set[str]:
        """The keys that a statement uses."""
        if not line:
            return set()
        s = self.statement(line)
        own = {self.locals[n.id] for n in ast.walk(s) if isinstance(n, ast.Name) and n.id in self.locals}
        return own | set(self._of(s))


def _text(node: ast.AST) -> list[str]:
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []
