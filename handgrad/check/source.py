"""What the text of the user's code says of how its functions belong together."""

import ast
import inspect
import linecache
import re
import textwrap
import types
from collections.abc import Iterator
from functools import cache
from typing import Any

from handgrad.check.conventions import bare

Slot = tuple[str, Any]


@cache
def tree(f: types.FunctionType) -> ast.Module | None:
    """The syntax tree of a function; None where there is no source, or a part of a line, which says nothing."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(f)))
    except (OSError, SyntaxError):
        return None


def _whole(f: Any) -> ast.Module | None:
    """The syntax tree of what a function or method is behind its decorators; None of anything else."""
    f = inspect.unwrap(getattr(f, "__func__", f))
    return tree(f) if isinstance(f, types.FunctionType) else None


def _returns(f: Any) -> list[ast.expr | None]:
    """What stands behind each `return` of a function or method."""
    f = getattr(f, "__func__", f)
    whole = tree(f) if isinstance(f, types.FunctionType) else None
    return [n.value for n in ast.walk(whole) if isinstance(n, ast.Return)] if whole else []


def returned(f: Any) -> tuple[str, ...]:
    """The names in the one `return a, b, c` of a function, or `return [a, b, c]`; empty for any other end."""
    ends = [r.elts for r in _returns(f) if isinstance(r, ast.Tuple | ast.List) and r.elts]
    if len(ends) != 1:
        return ()
    names = [e.id for e in ends[0] if isinstance(e, ast.Name)]
    return tuple(names) if len(names) == len(ends[0]) else ()


def ends(f: Any) -> list[str]:
    """What stands in the one `return` of a function with several parts: names, or those of attributes, and "" for what
    is none, as (h, c)."""
    found = [r.elts for r in _returns(f) if isinstance(r, ast.Tuple)]
    return [getattr(e, "id", getattr(e, "attr", "")) for e in found[0]] if len(found) == 1 else []


def labelled(f: Any) -> dict[str, str]:
    """The names in the one `return` of a function by their places, those in lists within it too: `return dx, [dw, db]`
    has return.1.1, which is db."""
    returns = _returns(f)
    if len(returns) != 1:
        return {}

    def within(node: ast.AST | None, label: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Name):
            yield label, node.id
        elif isinstance(node, ast.Tuple | ast.List):
            for i, part in enumerate(node.elts):
                yield from within(part, f"{label}.{i}")

    return dict(within(returns[0], "return"))


def unpacked(f: Any) -> dict[str, tuple[str, ...]]:
    """The arguments that a function takes apart, as `h, c = state`, and the names of their parts."""
    whole = _whole(f)
    found: dict[str, tuple[str, ...]] = {}
    for n in ast.walk(whole) if whole else ():
        if not (isinstance(n, ast.Assign) and len(n.targets) == 1 and isinstance(n.targets[0], ast.Tuple)):
            continue
        value = n.value.body if isinstance(n.value, ast.IfExp) else n.value
        names = [e.id for e in n.targets[0].elts if isinstance(e, ast.Name)]
        if isinstance(value, ast.Name) and 1 < len(names) == len(n.targets[0].elts) <= 3:
            found.setdefault(value.id, tuple(names))
    return found


def passed(f: Any, g: Any, arguments: list[str], parameters: list[str]) -> dict[str, Slot]:
    """What the file itself passes to g, where it calls f before: ("returned", i) of `a, b = f(x)`, or an argument.

    Args:
        f, g: functions of one file.
        arguments: of f, by position.
        parameters: of g, by position.
    """
    names = getattr(f, "__name__", ""), getattr(g, "__name__", "")
    for scope in _scopes(f):
        nodes = list(ast.walk(scope))
        calls = [n for n in nodes if isinstance(n, ast.Call)]
        theirs = [n for n in calls if _called(n) == names[1] and not n.keywords]
        for n in nodes:
            if not (isinstance(n, ast.Assign) and isinstance(n.value, ast.Call) and _called(n.value) == names[0]):
                continue
            known: dict[str, Slot] = {}
            for name, given in zip(arguments, n.value.args, strict=False):
                known[ast.unparse(given)] = ("argument", name)
            outputs = n.targets[0].elts if isinstance(n.targets[0], ast.Tuple) else []
            known |= {ast.unparse(e): ("returned", i) for i, e in enumerate(outputs)}
            for call in theirs if outputs else ():
                found = {p: known.get(ast.unparse(a)) for p, a in zip(parameters, call.args, strict=False)}
                return {p: slot for p, slot in found.items() if slot is not None}
    return {}


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _scopes(f: Any) -> Iterator[ast.AST]:
    """The functions of the file of f, and what stands outside of them."""
    if not isinstance(f, types.FunctionType):
        return
    for file in {f.__code__.co_filename: 0, **{g.__code__.co_filename: 0 for g in _beside(f)}}:
        try:
            whole = ast.parse("".join(linecache.getlines(file)))
        except SyntaxError:
            continue
        yield from (n for n in ast.walk(whole) if isinstance(n, ast.FunctionDef))
        yield ast.Module([n for n in whole.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)], [])


def assigned(whole: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What is assigned, and to what; one by one where it is several."""
    for n in ast.walk(whole):
        if isinstance(n, ast.Assign):
            target, value = n.targets[0], n.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                yield from zip(target.elts, value.elts, strict=False)
            else:
                yield target, value


def products(f: types.FunctionType, names: list[str]) -> list[tuple[str, str]]:
    """The products of two of its arguments that a function takes: `X @ w`, `X.dot(w)`, `np.dot(X, w)`, or of some rows
    of one, `X[order] @ w`."""
    found: list[list[ast.expr]] = []
    for n in ast.walk(tree(f) or ast.Module([], [])):
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult):
            found.append([n.left, n.right])
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in ("dot", "matmul"):
            found.append([n.func.value, *n.args][-2:])
    ids = [[e.id for e in map(_of_rows, pair) if isinstance(e, ast.Name)] for pair in found]
    return [(pair[0], pair[1]) for pair in ids if len(set(pair) & set(names)) == 2]


def _of_rows(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name) else node


def computed(f: Any, called: bool = True) -> set[str]:
    """The names with which a function, or one that is called by it, computes as with an array: `params[:n]`,
    `np.exp(params)`, `2 * params`. These are no dicts."""
    found: list[ast.expr] = []
    beside = getattr(inspect.unwrap(getattr(f, "__func__", f)), "__globals__", {}) if called else {}
    for n in ast.walk(_whole(f) or ast.Module([], [])):
        if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Slice):
            found.append(n.value)
        elif isinstance(n, ast.BinOp) and not isinstance(n.op, ast.Add | ast.Mod):  # as lists and texts have them too
            found += [n.left, n.right]
        elif isinstance(n, ast.Call) and re.fullmatch(OF_NUMPY, ast.unparse(n.func)):
            found += n.args
        elif isinstance(n, ast.Call) and isinstance(g := beside.get(_called(n)), types.FunctionType):
            theirs = computed(g, called=False)
            found += [a for a, p in zip(n.args, inspect.signature(g).parameters, strict=False) if p in theirs]
    return {n.id for n in found if isinstance(n, ast.Name)}


OF_NUMPY = r"(np|numpy)\.(?!(as)?array$|\w*stack$|concatenate$|copy$)[\w.]+"
"""Functions of NumPy, but for those that are given lists of arrays."""


def filled(f: Any) -> list[str]:
    """The arguments that a function writes into, where it returns nothing: `out[i] = …`."""
    whole = _whole(f)
    if whole is None or any(r is not None for r in _returns(f)):
        return []
    written = [n.value for n in ast.walk(whole) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    names = {n.id for n in written if isinstance(n, ast.Name)}
    return [n for n in inspect.signature(f).parameters if n in names]


def of_one(f: Any) -> bool:
    """Whether a function takes an outer product outside of a loop: that is of one sample, whatever it is given."""

    def outer(node: ast.AST) -> bool:
        if isinstance(node, ast.For | ast.While | ast.comprehension | ast.ListComp | ast.GeneratorExp):
            return False
        named = isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "outer"
        return named or any(map(outer, ast.iter_child_nodes(node)))

    whole = _whole(f)
    return whole is not None and outer(whole)


def sums(f: Any) -> bool:
    """Whether a function takes a sum or a mean of anything, as over the samples of a batch."""
    calls = (n for n in ast.walk(_whole(f) or ast.Module([], [])) if isinstance(n, ast.Call))
    return any(ast.unparse(n.func).rpartition(".")[2] in ("sum", "mean") for n in calls)


def along_rows(f: types.FunctionType) -> bool:
    """Whether a function takes a sum or a maximum along an axis that is not the first, as a softmax of rows does."""
    named = [k for n in ast.walk(tree(f) or ast.Module([], [])) if isinstance(n, ast.Call) for k in n.keywords]
    return any(k.arg == "axis" and ast.unparse(k.value) in ("1", "-1") for k in named)


@cache
def vectors(f: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of what the file of a function makes with one long axis: `self.theta = np.zeros((n, 1))` is (5, 1)."""
    found: dict[str, set[tuple[int, ...]]] = {}
    f = getattr(f, "__func__", f)
    text = "".join(linecache.getlines(f.__code__.co_filename)) if isinstance(f, types.FunctionType) else ""
    for target, value in assigned(ast.parse(text)) if text else ():
        if not (isinstance(value, ast.Call) and value.args):
            continue
        makes = getattr(value.func, "attr", "")
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if makes not in ("zeros", "ones", "rand", "randn", "random", "normal", "uniform"):
            continue
        of = value.args if makes in ("rand", "randn") else getattr(value.args[0], "elts", value.args[:1])
        shape = tuple(1 if isinstance(e, ast.Constant) and e.value == 1 else 5 for e in of)
        found.setdefault(bare(name), set()).add(shape)
    return {n: shapes.pop() for n, shapes in found.items() if len(shapes) == 1 and max(shapes).count(5) == 1}


def _beside(f: types.FunctionType) -> list[types.FunctionType]:
    return [g for g in f.__globals__.values() if isinstance(g, types.FunctionType) and g.__globals__ is f.__globals__]


def named(f: Any, made: Any) -> dict[str, Any]:
    """What a function gave, by the names of its `return`, or the keys of its dict."""
    if isinstance(made, dict):
        return {bare(str(n)): v for n, v in made.items()}
    names = returned(f)
    return {bare(n): v for n, v in zip(names, made, strict=True)} if isinstance(made, tuple) and names else {}
