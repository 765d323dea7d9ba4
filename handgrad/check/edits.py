"""The likeliest line of a wrong gradient: the line that one small edit turns into one with every gradient right.

The statements that ran in the user's backward are edited, one place at a time, by the table `EDITS`. What is edited is
the syntax tree of a function; it is compiled, the functions that run hold the new code for the length of the trial, and
then their own again, as they do where `ideal` leaves out an ε. Neither a file nor anything an object keeps is touched.

An edit is kept if every gradient of every case is right after it, in the judgement of the same oracles with the same
bounds, and every output is the same to the last bit. It is a suggestion and no proof: another edit elsewhere may make
them right too. What the code then means, nobody asked.
"""

import ast
import contextlib
import functools
import gc
import io
import linecache
import os
import re
import sys
import sysconfig
import types
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from handgrad.check.conventions import STATISTICS, bare
from handgrad.check.decide import Judged
from handgrad.check.loops import AGAIN
from handgrad.check.oracles import Point
from handgrad.check.subject import cast
from handgrad.check.surroundings import traced
from handgrad.check.trained import WRITTEN
from handgrad.check.written import Written

T = TypeVar("T")
MOST = 1_000  # edits that are tried
LAST = 1_000  # the rank of what is hardly to blame
FURTHER = 300  # of them, once there is one that makes all right
WORK = 600_000  # lines of the user's code, and CALL more for every call, that are run for them
CALL = 100
CALLS = 10  # of the code, for the judgement of one gradient
NUMBERS = 256  # of the arguments and parameters cost as much as a line
NEARER = 16  # times nearer to what it should be is every number that an edit makes right
LONGER = 50  # an edit that runs so many times as many lines as the code itself may never end


@dataclass(frozen=True)
class Suggestion:
    """A line of the user's code, and how it would make gradients right."""

    file: str
    line: int
    code: str  # the statement as it is
    edit: str  # and as it would be right
    rights: tuple[str, ...] = ()  # the wrong gradients that become right, if not all do

    @property
    def place(self) -> str:
        return f"{Path(self.file).name}:{self.line}: {self.code}"


@dataclass
class Trial:
    """A case as it was judged, and the same judgement once more of what the code computes now."""

    point: Point
    judged: list[Judged]
    again: Callable[[], Iterator[Judged]]

    @property
    def wrong(self) -> dict[str, Judged]:
        return {j.name: j for j in self.judged if is_wrong(j)}


def is_wrong(j: Judged) -> bool:
    return bool(j.wrong.any() or j.problem or j.direction)


# --- the table --------------------------------------------------------------------------------------------------------

COMPARISONS = (">", ">=", "<", "<=", "==", "!=")
# A pattern, and what is put in its place. A, B, C are any expressions; np is NumPy, whatever the code calls it.
EDITS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # a sign
    ("-A", ("A",)),
    ("A - B", ("A + B", "B - A")),
    ("A + B", ("A - B", "B - A")),
    # a transpose, and the order of a product
    ("A.T", ("A",)),
    ("A.transpose()", ("A",)),
    ("np.transpose(A)", ("A",)),
    ("A @ B", ("B @ A", "A.T @ B", "A @ B.T", "A.T @ B.T", "B.T @ A", "B @ A.T", "B.T @ A.T", "A * B")),
    ("np.dot(A, B)", ("np.dot(B, A)", "np.dot(A.T, B)", "np.dot(A, B.T)", "np.dot(B.T, A)", "np.dot(B, A.T)", "A * B")),
    ("np.matmul(A, B)", ("np.matmul(B, A)", "np.matmul(A.T, B)", "np.matmul(A, B.T)", "np.matmul(B, A.T)")),
    ("A.dot(B)", ("B.dot(A)", "A.T.dot(B)", "A.dot(B.T)", "B.T.dot(A)", "B.dot(A.T)", "A * B")),
    ("np.outer(A, B)", ("np.outer(B, A)",)),
    # a factor, a divisor, a term, a power
    ("A * B", ("A", "B", "A / B", "A * B ** 2", "A ** 2 * B", "A @ B")),
    ("A / B", ("A", "A * B", "A / B ** 2", "A / np.sqrt(B)", "B / A")),
    ("A // B", ("A / B",)),
    ("A - B", ("A", "-B", "A - B ** 2", "A ** 2 - B", "A - 2 * B")),
    ("A + B", ("A", "B", "A + B ** 2", "A + 2 * B")),
    ("A ** 2", ("A", "A ** 3", "2 * A")),
    ("len(A)", ("A.size", "A.shape[-1]")),
    ("A.size", ("A.shape[0]", "A.shape[-1]")),
    ("A.shape[B]", ("A.size",)),
    ("np.square(A)", ("A",)),
    ("np.sqrt(A)", ("A",)),
    ("np.exp(A)", ("A", "np.exp(-A)")),
    ("np.log(A)", ("A", "1 / A")),
    ("np.abs(A)", ("A", "np.sign(A)")),
    ("np.tanh(A)", ("A", "1 - np.tanh(A) ** 2")),
    # a comparison
    *((f"A {a} B", tuple(f"A {b} B" for b in COMPARISONS if b != a)) for a in COMPARISONS),
    ("np.where(A, B, C)", ("np.where(A, C, B)", "B")),
    ("np.maximum(A, B)", ("np.minimum(A, B)", "A > B", "A")),
    ("A[::-1]", ("A",)),
    ("reversed(A)", ("A",)),
)
# Of the value of a statement, or of a part of a product.
WITH_COUNT = ("A / N", "A * N")  # N: a number of samples
WITH_NUMBER = ("2 * A", "A / 2")
WITH_ARRAY = ("A * Y", "A * (1 - Y)", "A * (1 - Y ** 2)", "A * Y * (1 - Y)", "A * (Y > 0)", "A / Y", "A - Y", "A + Y")
WITH_UNUSED = ("A + Y", "A - Y", "A * Y", "A + Y / N", "A - Y / N")
SUMMED = (
    "np.sum(A, axis=0)",
    "np.sum(A, axis=0, keepdims=True)",
    "np.sum(A, axis=1, keepdims=True)",
    "np.sum(A, axis=-1, keepdims=True)",
    "np.sum(A, axis=1)",
    "np.mean(A, axis=0)",
    "np.sum(A)",
    "A.T",
    "A.reshape(-1)",
)
REDUCTIONS = ("sum", "mean", "max", "min", "prod", "var", "std")
AXES = (0, 1, -1, None)


@functools.cache
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _tree(text: str, **parts: ast.expr) -> ast.expr:
    """The expression of a text, with expressions in the place of its names; these are shared, and not copied."""
    return _put(_parsed(text), parts)  # type: ignore[no-any-return]  # of an expression it is one


def _put(node: Any, parts: dict[str, ast.expr]) -> Any:
    if isinstance(node, ast.Name) and node.id in parts:
        return parts[node.id]
    if isinstance(node, list):
        return [_put(n, parts) for n in node]
    if isinstance(node, ast.expr | ast.keyword):
        return type(node)(**{name: _put(value, parts) for name, value in ast.iter_fields(node)})
    return node


def _match(pattern: ast.AST, node: ast.AST, numpy: str, found: dict[str, ast.expr]) -> bool:
    """Whether an expression has the form of a pattern; `found` gets what stands for its capital letters."""
    if isinstance(pattern, ast.Name) and pattern.id in "ABC":
        found[pattern.id] = node  # type: ignore[assignment]  # only expressions stand where a pattern has a name
        return True
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.Name):
        return isinstance(node, ast.Name) and node.id == (numpy if pattern.id == "np" else pattern.id)
    for name in pattern._fields:
        if name in ("ctx", "kind"):
            continue
        a, b = getattr(pattern, name), getattr(node, name)
        if isinstance(a, list):
            if len(a) != len(b) or not all(_match(x, y, numpy, found) for x, y in zip(a, b, strict=True)):
                return False
        elif isinstance(a, ast.AST):
            if not isinstance(b, ast.AST) or not _match(a, b, numpy, found):
                return False
        elif a != b:
            return False
    return True


PATTERNS = [(ast.parse(pattern, mode="eval").body, texts) for pattern, texts in EDITS]


@dataclass
class Scope:
    """What the names of a function were when it last returned."""

    space: dict[str, Any]
    local: dict[str, Any]
    returned: Any = None
    names: list[ast.expr] = field(default_factory=list)  # that its statements read
    unused: list[ast.expr] = field(default_factory=list)  # and that they only make

    @property
    def numpy(self) -> str:
        return next((n for n, v in self.space.items() if v is np), "np")

    def value(self, node: ast.expr) -> Any:
        """Of a name, an attribute, or an entry under a constant; None where it has none."""
        try:
            whole = ast.fix_missing_locations(ast.Expression(node))
            return eval(compile(whole, "", "eval"), self.space, dict(self.local))
        except Exception:  # it was deleted, or an index has moved
            return None

    @functools.cached_property
    def arrays(self) -> list[tuple[ast.expr, tuple[int, ...]]]:
        """The names of arrays: those that the function reads, its own, and those of its object."""
        known = {ast.unparse(n): n for n in self.names}
        texts = [*known, *(n for n in self.local if n.isidentifier())]
        me = self.local.get("self")
        texts += [f"self.{n}" for n in getattr(me, "__dict__", {}) if n.isidentifier()]
        found = []
        for text in dict.fromkeys(texts):
            node = known.get(text) or _tree(text)
            value = self.value(node)
            if isinstance(value, np.ndarray) and value.dtype.kind in "fb" and value.size > 1:
                found.append((node, value.shape))
        return found

    @functools.cached_property
    def counts(self) -> list[ast.expr]:
        """What may be a number of samples."""
        own = [n for n, v in self.local.items() if type(v) is int and v > 0 and n.isidentifier()]
        arrays = [n for n, v in self.local.items() if isinstance(v, np.ndarray) and v.ndim and n.isidentifier()][:2]
        return [_tree(t) for t in [*own[:4], *(f"{a}.shape[{i}]" for a in arrays for i in (0, -1))]]


def _replacements(node: ast.expr, scope: Scope, whole: bool, factor: bool) -> Iterator[tuple[int, Any]]:
    """What may stand in the place of an expression, or what makes it, with its rank: what is likelier is smaller."""
    for rank, (pattern, texts) in enumerate(PATTERNS):
        found: dict[str, ast.expr] = {}
        if _match(pattern, node, scope.numpy, found):
            yield from ((rank, partial(_tree, text, np=ast.Name(scope.numpy, ast.Load()), **found)) for text in texts)
    rank = len(PATTERNS)
    yield from ((rank, new) for new in _reduced(node))
    yield from ((rank + 3, new) for new in _swapped(node))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        with contextlib.suppress(ValueError, TypeError):  # it is no number
            b = ast.literal_eval(node.right)
            powers = (b - 1, b + 1, b - 2, b + 2, -b)
            yield from ((rank, _tree("A ** B", A=node.left, B=_tree(repr(k)))) for k in powers)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        given: Any = node.value
        for number in (given - 1, given + 1, 2 * given, given / 2):
            if number != given and (type(given) is float or number == int(number)):
                yield rank + 1, _tree(repr(type(given)(number)))
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
        value, mine = scope.value(node), ast.unparse(node)
        if isinstance(value, np.ndarray):
            for other, shape in scope.arrays:
                if shape == value.shape and ast.unparse(other) != mine:
                    yield rank + 2, other
            if factor:
                yield rank + 4, partial(_tree, "A ** 2", A=node)
                yield from (
                    (rank + 4, partial(_tree, t, A=node)) for t in ("1 - A", "A * (1 - A)", "1 - A ** 2", "A > 0")
                )
    if whole or factor:
        parts = {"A": node, "np": ast.Name(scope.numpy, ast.Load())}
        if whole:
            yield from ((rank + 2, new) for new in _renamed(node, scope))
        yield 2, partial(_tree, "-A", A=node)
        counts = scope.counts or [ast.Constant(1)]
        yield from (
            (rank + 1, partial(_tree, t, Y=y, N=n, **parts))
            for y in scope.unused
            for t in WITH_UNUSED
            for n in counts
            if whole
        )
        yield from ((rank + 3, partial(_tree, t, **parts)) for t in WITH_NUMBER)
        # As a factor the width of an array is no likelier than any number that happens to be as large.
        ways = ((n, t) for n in scope.counts for t in WITH_COUNT if t != "A * N" or not ast.unparse(n).endswith("[-1]"))
        yield from ((rank + 3, partial(_tree, t, N=n, **parts)) for n, t in ways)
        yield from ((rank + 5, partial(_tree, t, Y=y, **parts)) for y, _ in scope.arrays for t in WITH_ARRAY)
        yield from ((rank + 6, partial(_tree, t, **parts)) for t in SUMMED)


def _reduced(node: ast.expr) -> Iterator[ast.expr]:
    """np.sum(A, axis=0, keepdims=True) along other axes, with and without keepdims, as a mean; and A alone."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in REDUCTIONS):
        return
    owner = node.func.value
    method = not (isinstance(owner, ast.Name) and node.args and owner.id in ("np", "numpy"))
    data, rest = (node.func.value, node.args) if method else (node.args[0], node.args[1:])
    options = {k.arg: k.value for k in node.keywords}
    axis, keeps = rest[0] if rest else options.get("axis"), "keepdims" in options
    others = [k for k in node.keywords if k.arg not in ("axis", "keepdims")]

    def made(along: ast.expr | None, kept: bool, name: str) -> ast.expr:
        assert isinstance(node.func, ast.Attribute)
        options = [] if along is None else [ast.keyword("axis", along)]
        if kept:
            options.append(ast.keyword("keepdims", ast.Constant(True)))
        function = ast.Attribute(node.func.value, name, ast.Load())
        return ast.Call(function, [] if method else node.args[:1], [*others, *options])

    name = node.func.attr
    same = "" if axis is None else ast.unparse(axis)
    for kept in (keeps, not keeps):
        for along in AXES:
            if (text := "" if along is None else str(along)) != same or kept != keeps:
                yield made(None if along is None else _tree(text), kept, name)
    if name in ("sum", "mean"):
        yield made(axis, keeps, "mean" if name == "sum" else "sum")
    yield data


def _swapped(node: ast.expr) -> Iterator[ast.expr]:
    """A call, or a tuple, with two of its entries in each other's place."""
    entries = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
    for i in range(len(entries)):
        for k in range(i + 1, len(entries)):
            new = [*entries]
            new[i], new[k] = new[k], new[i]
            yield ast.Call(node.func, new, node.keywords) if isinstance(node, ast.Call) else ast.Tuple(new, ast.Load())


def _renamed(node: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """An expression in which one array is another of its shape, wherever it occurs."""
    names = {ast.unparse(n): n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute) and _plain(n)}
    for text, name in names.items():
        value = scope.value(name)
        if isinstance(value, np.ndarray) and ast.unparse(node).count(text) > 1:
            for other, shape in scope.arrays:
                if shape == value.shape and ast.unparse(other) != text:
                    yield _everywhere(node, ast.dump(name), other)


def _everywhere(node: Any, old: str, new: ast.expr) -> Any:
    if isinstance(node, list):
        return [_everywhere(n, old, new) for n in node]
    if not isinstance(node, ast.expr | ast.keyword):
        return node
    if ast.dump(node) == old:
        return new
    return type(node)(**{name: _everywhere(value, old, new) for name, value in ast.iter_fields(node)})


def _statements(node: ast.stmt, scope: Scope) -> Iterator[tuple[int, ast.stmt]]:
    """What may stand in the place of a whole statement."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
            yield 0, ast.AugAssign(target, ast.Add(), node.value)
            if isinstance(target, ast.Subscript):
                yield 0, _at(target, node.value, scope)
    if isinstance(node, ast.AugAssign):
        yield 0, ast.Assign([node.target], node.value)
        for op in (ast.Add(), ast.Sub(), ast.Mult(), ast.Div()):
            if type(op) is not type(node.op):
                yield 0, ast.AugAssign(node.target, op, node.value)
        if isinstance(node.target, ast.Subscript) and isinstance(node.op, ast.Add):
            yield 0, _at(node.target, node.value, scope)
        yield 1, ast.Pass()
    if isinstance(node, ast.Expr):
        yield 1, ast.Pass()


def _at(target: ast.Subscript, value: ast.expr, scope: Scope) -> ast.stmt:
    parts = {"A": target.value, "I": target.slice, "V": value, "np": ast.Name(scope.numpy, ast.Load())}
    return ast.Expr(_tree("np.add.at(A, I, V)", **parts))


# --- where ------------------------------------------------------------------------------------------------------------


@dataclass
class Place:
    """Where an expression or a statement is kept in a tree."""

    owner: ast.AST
    name: str
    index: int | None
    node: Any

    def put(self, new: Any) -> None:
        if self.index is None:
            setattr(self.owner, self.name, new)
        else:
            getattr(self.owner, self.name)[self.index] = new


def _places(owner: ast.AST) -> Iterator[Place]:
    """What a node is made of."""
    for name, value in ast.iter_fields(owner):
        if isinstance(value, list):
            yield from (Place(owner, name, i, v) for i, v in enumerate(value) if isinstance(v, ast.AST))
        elif isinstance(value, ast.AST):
            yield Place(owner, name, None, value)


def _expressions(owner: ast.AST, whole: bool = True) -> Iterator[tuple[Place, bool, bool]]:
    """Every expression of a statement: whether it is a whole value, and whether a factor of a product."""
    product = isinstance(owner, ast.BinOp) or (
        isinstance(owner, ast.Call) and getattr(owner.func, "attr", "") in ("dot", "matmul", "outer", "sum", "mean")
    )
    for place in _places(owner):
        node = place.node
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.withitem):
            continue
        if isinstance(node, ast.expr):
            read = not isinstance(getattr(node, "ctx", None), ast.Store)
            outer = whole and place.name in ("value", "elts", "values", "body")
            if read and not (isinstance(owner, ast.Call) and place.name == "func"):
                yield place, outer, product
            inner = outer and isinstance(node, ast.Tuple | ast.List | ast.Dict | ast.Lambda)
            yield from _expressions(node, inner)
        elif isinstance(node, ast.keyword | ast.comprehension):
            yield from _expressions(node, False)


class Unit:
    """A function of a file with what is within it: what is edited, and compiled as one."""

    def __init__(self, file: str, top: ast.Module, classes: list[ast.ClassDef], node: ast.stmt, flags: int) -> None:
        self.file, self.node, self.flags = file, node, flags
        tree: ast.stmt = node
        for kind in reversed(classes):  # for its private names, and for super()
            shell = ast.ClassDef(kind.name, [], [], [tree], [])
            if sys.version_info >= (3, 12):
                shell.type_params = []
            tree = ast.copy_location(shell, kind)
        self.tree = tree
        # A call of what is imported compiles to other code than a call of a method.
        imports = [n for n in top.body if isinstance(n, ast.Import | ast.ImportFrom)]
        self.module = ast.Module([*imports, tree], [])

    def codes(self) -> dict[tuple[str, int, int], types.CodeType]:
        """The code of every function in it, by name, line and order."""
        whole = compile(self.module, self.file, "exec", self.flags, dont_inherit=True)
        found: dict[tuple[str, int, int], types.CodeType] = {}
        seen = Counter[tuple[str, int]]()
        queue = deque([whole])
        while queue:
            for c in queue.popleft().co_consts:
                if isinstance(c, types.CodeType):
                    place = c.co_qualname, c.co_firstlineno
                    found[*place, seen[place]] = c
                    seen[place] += 1
                    queue.append(c)
        return found


def _unit(file: str, tree: ast.Module, code: types.CodeType) -> Unit | None:
    """The outermost function, or statement, of a file that a code belongs to."""
    flags = code.co_flags & FUTURES
    classes: list[ast.ClassDef] = []
    body: list[ast.stmt] = tree.body
    while True:
        line = code.co_firstlineno
        node = next((n for n in body if _start(n) <= line <= (n.end_lineno or 0)), None)
        if node is None:
            return None
        if isinstance(node, ast.ClassDef):
            classes.append(node)
            body = node.body
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For):
            inner = [p.node for p in _places(node)]
            inner = [s for n in inner for s in (n.body if isinstance(n, ast.ExceptHandler) else [n])]
            body = [s for s in inner if isinstance(s, ast.stmt)]
        else:
            return Unit(file, tree, classes, node, flags)


FUTURES = 0xFFF0000  # the flags of `from __future__ import …` in a code


def _start(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


# --- what ran ---------------------------------------------------------------------------------------------------------


class _Endless(BaseException):
    """An edit under which the code runs on and on."""


class Watch:
    """Which lines of the user's code run."""

    def __init__(self, most: int | None = None) -> None:
        self.lines: dict[types.CodeType, set[int]] = defaultdict(set)
        self.scopes: dict[types.CodeType, Scope] = {}
        self.count, self.most = 0, most

    def __call__(self, frame: types.FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.count += 1
        if self.most is not None and event != "call":
            if event == "line" and self.count > self.most:
                raise _Endless
            return self
        code = WRITTEN.get(frame.f_code, frame.f_code)  # which takes long, of every line
        if event == "call":
            return self if _is_theirs(code.co_filename) else None
        if event == "line":
            self.lines[code].add(frame.f_lineno)
        elif event == "return":
            self.scopes[code] = Scope(frame.f_globals, dict(frame.f_locals), argument)
        return self


_KNOWN: dict[str, bool] = {}


def _is_theirs(file: str) -> bool:
    """Whether a file is the user's: it has a source, and belongs to no library."""
    if file not in _KNOWN:
        libraries = [sysconfig.get_path(n) for n in ("stdlib", "purelib", "platlib")]
        libraries += [str(Path(__file__).parent), str(Path(np.__file__).parents[1])]
        _KNOWN[file] = bool(linecache.getlines(file)) and not any(file.startswith(p + os.sep) for p in libraries)
    return _KNOWN[file]


# --- the search -------------------------------------------------------------------------------------------------------


@dataclass
class Edit:
    """One edit: where it is, what it puts there, and the functions that are to hold the new code."""

    rank: tuple[int, int]
    unit: Unit
    statement: ast.stmt
    place: Place
    given: Any  # an expression, a statement or a block; or what makes it, as of most edits only the rank is asked for

    @functools.cached_property
    def new(self) -> Any:
        return self.given() if isinstance(self.given, partial) else self.given


class Search:
    """One search through the edits."""

    def __init__(self, subject: Written, trials: list[Trial]) -> None:
        self.subject = subject
        self.trials = sorted(trials, key=lambda t: -len(t.wrong))
        self.wrong = {n for t in trials for n in t.wrong}
        self.back, self.forth = Watch(), Watch()
        self.left = WORK
        self.functions: dict[types.CodeType, list[types.FunctionType]] = defaultdict(list)
        self.bases: dict[int, dict[types.CodeType, tuple[str, int, int]]] = {}
        self.again_made: dict[int, types.FunctionType] = {}  # the method that a function was made, by its unit

    def run(self) -> list[Suggestion]:
        with contextlib.redirect_stdout(io.StringIO()):
            self.watch()
            whole: list[tuple[set[str], Edit]] = []
            partly: list[tuple[set[str], Edit]] = []
            for tier in (self.back, self.forth):
                further = FURTHER
                for edit in self.promising(tier):
                    further -= bool(whole)
                    if self.left < 0 or not further:
                        break
                    if any(edit.statement is e.statement for _, e in whole):
                        continue  # the likeliest edit of each line is enough
                    if rights := self.tried(edit):
                        (whole if rights == self.wrong else partly if tier is self.back else []).append((rights, edit))
                if whole:
                    break
        most = max((len(r) for r, _ in partly), default=0)
        chosen = whole or [(r, e) for r, e in partly if len(r) == most]
        found: dict[tuple[str, int], Suggestion] = {}
        for rights, edit in chosen:
            s = edit.statement
            some = () if rights == self.wrong else tuple(sorted(rights))
            file = edit.unit.file
            found.setdefault((file, s.lineno), Suggestion(file, s.lineno, _text(s, file), _edited(edit), some))
        return list(found.values())

    def promising(self, tier: Watch) -> list[Edit]:
        """The edits of statements on which wrong gradients depend and right ones do not, the likeliest first.

        Where a right gradient changes with twice a statement's value, the statement has hardly a part in what is wrong.
        """
        by: dict[int, list[Edit]] = defaultdict(list)
        for edit in self.edits(tier):
            by[id(edit.statement)].append(edit)
        chosen = []
        for group in by.values():
            moved = self.moved(group[0])
            if moved is None or (moved & self.wrong and not moved - self.wrong):
                missing = 0 if moved is None else len(self.wrong - moved)
                chosen += [((missing, *e.rank), e) for e in group]
            else:
                chosen += [((0, *e.rank), e) for e in group if isinstance(e.given, list)]
                if moved & self.wrong:  # the sum over rows that are in another order is right
                    chosen += [((LAST, *e.rank), e) for e in group if not isinstance(e.given, list)]
        return [e for _, e in sorted(chosen, key=lambda pair: pair[0])[:MOST]]

    def moved(self, edit: Edit) -> set[str] | None:
        """The gradients that change with twice the value of a statement; None, where nothing of that can be said."""
        s = edit.statement
        if not isinstance(s, ast.Assign | ast.AugAssign | ast.Return) or s.value is None:
            return None
        if isinstance(s.value, ast.Constant | ast.Tuple | ast.List | ast.Dict):
            return None  # twice 0 is 0, and a tuple twice is a longer one
        p = self.trials[0].point
        at = next(place for place in _places(s) if place.node is s.value)
        twice = Edit(edit.rank, edit.unit, s, at, ast.BinOp(ast.Constant(2), ast.Mult(), s.value))
        now = self.under(twice, lambda: self.backward(p))
        if now is None or any(np.shape(now[n]) != np.shape(g) for n, g in self.before.items()):
            return None
        return {n for n, g in self.before.items() if now[n] is None or not np.array_equal(now[n], g, equal_nan=True)}

    @functools.cached_property
    def before(self) -> dict[str, Any]:
        """The gradients that no edit has changed."""
        p = self.trials[0].point
        return p.backward(p.case.values)

    def watch(self) -> None:
        """Run forward and backward once, and note what runs."""
        p = self.trials[0].point
        values = {n: cast(a, p.dtype) for n, a in p.case.values.items()}
        root, _ = self.subject.fresh(p.case, values)
        with traced(self.forth):
            ran = self.subject.run(root, self.subject.given(p.case, values))
        with traced(self.back):
            raw = self.subject.ask(root, ran, p.upstream.astype(p.dtype))
            self.subject.candidates(root, ran, raw)
        if not self.back.lines:
            self.back, self.forth = self.forth, self.back
        self.most = LONGER * (self.back.count + self.forth.count) + 1_000
        self.call = CALL + sum(a.size for a in values.values()) // NUMBERS
        codes = [*self.back.lines, *self.forth.lines]
        for f in gc.get_referrers(*codes) if codes else ():
            if isinstance(f, types.FunctionType) and f not in self.functions[f.__code__]:
                self.functions[f.__code__].append(f)

    def edits(self, tier: Watch) -> Iterator[Edit]:
        """Every edit of the statements that ran."""
        seen: dict[tuple[str, int], Unit] = {}
        trees: dict[str, ast.Module] = {}
        for code, lines in tier.lines.items():
            file = code.co_filename
            if code not in tier.scopes:
                continue
            if file not in trees:
                linecache.checkcache(file)
                try:
                    trees[file] = ast.parse("".join(linecache.getlines(file)))
                except SyntaxError:  # its file is not what ran
                    continue
            tree = trees[file]
            unit = _unit(file, tree, code)
            if unit is None:
                continue
            unit = seen.setdefault((file, unit.node.lineno), unit)
            if made := [f for f in self.functions.get(code, []) if AGAIN in vars(f)]:
                self.again_made[id(unit)], self.bases[id(unit)] = made[0], {}
                local = tier.scopes[code].local  # what is an attribute of the method is a name of the function
                tier.scopes[code].local = vars(local.pop("self", None) or types.SimpleNamespace()) | local
            elif not self.lives(unit, code):
                continue
            lines = lines - self.back.lines.get(code, set()) if tier is self.forth else lines
            yield from self.of_unit(unit, tier.scopes[code], lines, code)

    def lives(self, unit: Unit, code: types.CodeType) -> bool:
        """Whether the source is what runs: compiled, it is the same code."""
        if id(unit) not in self.bases:
            self.bases[id(unit)] = self.same(unit)
            if code not in self.bases[id(unit)]:  # of a script each definition was compiled by itself
                unit.module.body = [unit.tree]
                self.bases[id(unit)] = self.same(unit)
        return code in self.bases[id(unit)]

    def same(self, unit: Unit) -> dict[types.CodeType, tuple[str, int, int]]:
        """What runs and is the same code as that of a unit."""
        live = [*self.back.lines, *self.forth.lines, *self.functions]
        table: dict[types.CodeType, tuple[str, int, int]] = {}
        for key, new in unit.codes().items():
            same = [c for c in live if c.co_filename == unit.file and (c.co_qualname, c.co_firstlineno) == key[:2]]
            same = [c for c in dict.fromkeys(same) if c.co_code == new.co_code and c.co_names == new.co_names]
            for c in same:
                table.setdefault(c, key)
        return table

    def of_unit(self, unit: Unit, scope: Scope, lines: set[int], code: types.CodeType) -> Iterator[Edit]:
        loops = [n for n in ast.walk(unit.node) if isinstance(n, ast.While)]
        endless = {id(n) for loop in loops for n in ast.walk(loop)}
        statements = [
            (place, place.node)
            for owner in [unit.module, *ast.walk(unit.tree)]
            for place in _places(owner)
            if isinstance(place.node, SIMPLE) and id(place.node) not in endless
        ]
        mine = [(p, s) for p, s in {id(s): (p, s) for p, s in statements}.values() if _header(s) & lines]
        for _, s in mine:
            scope.names += [
                place.node
                for place, _, _ in _expressions(s)
                if isinstance(place.node, ast.Name | ast.Attribute | ast.Subscript) and _plain(place.node)
            ]
        read = {ast.unparse(n) for n in scope.names}
        targets = [t for _, s in mine if isinstance(s, ast.Assign) for t in s.targets]
        scope.unused = [_tree(t.id) for t in targets if isinstance(t, ast.Name) and t.id not in read]
        for number, (place, s) in enumerate(mine):
            for rank, new in _statements(s, scope):
                yield Edit((len(PATTERNS) // 4 + rank, number), unit, s, place, new)
            if place.index is not None and isinstance(s, ast.AugAssign | ast.Assign):
                body = getattr(place.owner, place.name)
                if place.index < len(body) - 1:
                    last = isinstance(body[-1], ast.Return)
                    end = len(body) - last
                    later = [*body[: place.index], *body[place.index + 1 : end], s, *body[end:]]
                    yield Edit((len(PATTERNS), number), unit, s, Place(place.owner, place.name, None, body), later)
            own = s.targets if isinstance(s, ast.Assign) else [s.target] if isinstance(s, ast.AugAssign) else []
            made = [scope.value(_tree(ast.unparse(t))) for t in own]
            if isinstance(s, ast.Return):
                made = [scope.returned]
            if any(type(value) is int for value in made):
                continue  # a count, or a size; and whole numbers that are multiplied again and again grow for ever
            if any(re.fullmatch(STATISTICS, bare(getattr(t, "attr", getattr(t, "id", "")))) for t in own):
                continue  # what follows the data is for later: no gradient is to depend on it
            for at, whole, factor in _expressions(s):
                for rank, expression in _replacements(at.node, scope, whole, factor):
                    yield Edit((rank, number), unit, s, at, expression)

    # --- one edit -----------------------------------------------------------------------------------------------------

    def tried(self, edit: Edit) -> set[str]:
        """The wrong gradients that are right after an edit; none, if it spoils anything."""
        return self.under(edit, self.rights) or set()

    def under(self, edit: Edit, call: Callable[[], T]) -> T | None:
        """What a call gives after an edit; None, where the edit makes code that does not run."""
        before, new = edit.place.node, edit.new
        if isinstance(new, ast.AST):
            if not hasattr(new, "lineno"):
                ast.copy_location(new, before)
            ast.fix_missing_locations(new)
        edit.place.put(new)
        method = self.again_made.get(id(edit.unit))
        try:
            made = vars(method)[AGAIN](edit.unit.node) if method else None
            codes = {} if method else edit.unit.codes()
        except (SyntaxError, ValueError, TypeError):  # no such expression may stand there
            return None
        finally:
            edit.place.put(before)
        undo: list[tuple[types.FunctionType, types.CodeType]] = []
        try:
            if method and made:
                undo.append((method, method.__code__))
                method.__code__ = made.__code__
            for old, key in self.bases[id(edit.unit)].items():
                for f in self.functions.get(old, []):
                    if key in codes:
                        f.__code__ = codes[key]
                        undo.append((f, old))
            return call()
        except (Exception, SystemExit, GeneratorExit, _Endless):  # nor does it compute what the code asks for
            return None
        finally:
            for f, old in undo:
                f.__code__ = old

    def backward(self, p: Point) -> dict[str, Any]:
        """The gradients of a case, unless the code runs on and on."""
        watch = Watch(self.most)
        try:
            with traced(watch):
                return p.backward(p.case.values)
        finally:
            self.left -= watch.count + self.call

    def again(self, trial: Trial) -> Iterator[Judged]:
        """The judgement of what the code computes now."""
        judged = trial.again()
        while True:
            watch = Watch(CALLS * self.most)
            try:
                with traced(watch):
                    j = next(judged, None)
            finally:
                self.left -= watch.count + CALLS * (self.call - CALL) + CALL
            if j is None:
                return
            yield j

    def rights(self) -> set[str]:
        rights = set(self.wrong)
        for trial in self.trials:
            p = trial.point
            now = self.backward(p)
            rights -= {n for n, j in trial.wrong.items() if not _nearer(j, now.get(n))}
            if not rights:
                return set()
            for j in self.again(trial):
                if is_wrong(j):
                    if j.name not in self.wrong:
                        return set()
                    rights.discard(j.name)
                    if not rights:
                        return set()
            if not np.array_equal(p.forward(p.case.values), p.output.ravel()):
                return set()
        return rights


def likeliest(subject: Written, trials: list[Trial]) -> list[Suggestion]:
    """The lines that one edit each makes right, the likeliest first; none, where there is no such line or no source."""
    return Search(subject, trials).run()


def _nearer(j: Judged, now: Any) -> bool:
    """Whether every number that was wrong is so near to what it should be that it may be right.

    The oracles judge what is; most edits are not worth that.
    """
    value = np.asarray(np.nan if now is None else now, np.float64)
    if value.shape != j.expected.shape:
        return False
    if j.problem or not j.wrong.any():
        return True
    known = j.wrong & np.isfinite(j.expected)
    before, room = np.abs(j.value - j.expected)[known], NEARER * j.radius[known]
    near = np.maximum(np.where(np.isnan(before), np.inf, before / NEARER), room)
    return bool((np.abs(value - j.expected)[known] <= near).all())


SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr, ast.If, ast.For)


def _header(s: ast.stmt) -> set[int]:
    """The lines of a statement without those within it."""
    if isinstance(s, ast.If):
        return set(range(s.lineno, (s.test.end_lineno or s.lineno) + 1))
    if isinstance(s, ast.For):
        return set(range(s.lineno, (s.iter.end_lineno or s.lineno) + 1))
    return set(range(s.lineno, (s.end_lineno or s.lineno) + 1))


def _plain(node: ast.expr) -> bool:
    """A name, or an attribute or an entry under a constant of one: to look at it changes nothing."""
    if isinstance(node, ast.Attribute):
        return node.attr != "T" and _plain(node.value)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and _plain(node.value)
    return isinstance(node, ast.Name)


# --- what is said -----------------------------------------------------------------------------------------------------


def _source(s: ast.AST, file: str) -> bytes:
    lines = [line.encode() for line in linecache.getlines(file)]
    first, last = s.lineno - 1, (s.end_lineno or s.lineno) - 1  # type: ignore[attr-defined]
    end: int = s.end_col_offset  # type: ignore[attr-defined]
    start: int = s.col_offset  # type: ignore[attr-defined]
    text = [*lines[first:last], lines[last][:end]]
    return b"".join([text[0][start:], *text[1:]])


def _text(s: ast.stmt, file: str) -> str:
    """A statement as the user wrote it, in one line."""
    if isinstance(s, ast.If | ast.For):
        return ast.unparse(s).partition("\n")[0]
    return " ".join(_source(s, file).decode().split())


def _edited(edit: Edit) -> str:
    """The statement after its edit: the user's own text, but for what is new."""
    s, place = edit.statement, edit.place
    if isinstance(edit.new, list):
        return "this line at the end of its block"
    if isinstance(edit.new, ast.Pass):
        return "this line left out"
    if isinstance(edit.new, ast.stmt):
        return ast.unparse(edit.new)
    place.put(edit.new)
    try:
        full = ast.unparse(s).partition("\n")[0]
        want = ast.dump(ast.parse(ast.unparse(s)))
    finally:
        place.put(place.node)
    if isinstance(s, ast.If | ast.For):
        return full
    old, whole, new = _source(place.node, edit.unit.file), _source(s, edit.unit.file), ast.unparse(edit.new)
    if place.node.lineno == s.lineno:
        at = place.node.col_offset - s.col_offset
        for text in (new, f"({new})"):
            made = (whole[:at] + text.encode() + whole[at + len(old) :]).decode()
            with contextlib.suppress(SyntaxError):
                if ast.dump(ast.parse(made)) == want:
                    return " ".join(made.split())
    return full
