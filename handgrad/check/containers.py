"""Parameters that functions are given in lists or a dict, as `backprop(weights, biases, x, y)` or `forward(params, x)`.

Where the module makes none, they are made here: of two layers, in what the code of the functions takes them from.

| code | container |
|---|---|
| `params["W1"]`, `params[f"W{l}"]` | a dict with these keys |
| `for W, b in params`, `params[l][0]` | a list of pairs |
| `for layer in params: layer["W"]` | a list of dicts |
| `zip(weights, biases)`, `weights[l]` | a list for each |
"""

import ast
import inspect
import itertools
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.check import held, source
from handgrad.check.conventions import bare
from handgrad.check.inputs import part

SIZES = 3, 4, 2
THROUGH = ("zip", "len", "enumerate", "reversed")
Shape = tuple[int, ...]


def nodes(functions: list[Any]) -> list[ast.AST]:
    """What the code of functions, and of those of their module that they call, is made of."""
    found = [inspect.unwrap(f) for f in functions if f is not None]
    every = {g: None for f in found if isinstance(f, types.FunctionType) for g in held.called(f)}
    return [n for g in every if (tree := source.tree(g)) for n in ast.walk(tree)]


def is_list(name: str, code: list[ast.AST]) -> bool:
    """Whether an argument is gone through, or has entries by number: that is a list, if it is called weights."""
    for n in code:
        if isinstance(n, ast.Call) and _call(n) in THROUGH and any(_is(a, name) for a in n.args):
            return True
        if isinstance(n, ast.For | ast.comprehension) and _is(n.iter, name):
            return True
    return False


def made(names: list[str], code: list[ast.AST]) -> Iterator[dict[str, Any]]:
    """The containers for arguments of these names, in the layouts that weights and biases may have."""
    ways: list[Callable[[int, int], tuple[Shape, Shape]]] = [
        lambda i, o: ((i, o), (o,)),
        lambda i, o: ((i, o), (1, o)),
        lambda i, o: ((o, i), (o, 1)),
        lambda i, o: ((o, i), (o,)),
    ]
    for way in ways:
        layers = [way(i, o) for i, o in itertools.pairwise(SIZES)]
        weights = [np.linspace(-1, 1.25 + k, int(np.prod(w))).reshape(w) for k, (w, _) in enumerate(layers)]
        biases = [np.linspace(-0.5, 0.75 + k, int(np.prod(b))).reshape(b) for k, (_, b) in enumerate(layers)]
        found = {bare(n): _container(n, code, weights, biases) for n in names}
        if all(v is not None for v in found.values()):
            yield found


def _container(name: str, code: list[ast.AST], weights: list[Any], biases: list[Any]) -> Any:
    """The argument as its code takes it: a dict, or a list of pairs, of dicts or of arrays; None: none of these."""
    of = {"weight": weights, "bias": biases}
    if keys := _taken({name}, code):
        numbers = sorted({int(d) for k in keys if (d := re.sub(r"\D", "", k))})
        if len(numbers) > len(weights) or any(part(k) not in of for k in keys):
            return None
        place = {str(d): i for i, d in enumerate(numbers)}
        return {k: of[part(k)][place.get(re.sub(r"\D", "", k), 0)].copy() for k in keys}
    if _in_pairs(name, code):
        return [(w.copy(), b.copy()) for w, b in zip(weights, biases, strict=True)]
    if keys := _taken(set(entries(name, code)), code):
        if any(part(k) not in of for k in keys):
            return None
        return [{k: of[part(k)][i].copy() for k in keys} for i in range(len(weights))]
    if is_list(name, code):
        return [a.copy() for a in of.get(part(name), weights)]
    return None


def holds(name: str, code: list[ast.AST]) -> bool:
    """Whether an argument is taken apart as a dict, or as a list of pairs or of dicts."""
    return bool(_taken({name}, code) or _in_pairs(name, code) or _taken(set(entries(name, code)), code))


def entries(name: str, code: list[ast.AST]) -> Iterator[str]:
    """What an entry of an argument is called: `for i, layer in enumerate(layers)`, `layer = layers[i]`."""
    for n in code:
        target: ast.expr | None = None
        if isinstance(n, ast.For | ast.comprehension) and _of(n.iter, name):
            target = n.target
            if isinstance(target, ast.Tuple) and any(_call(c) == "enumerate" for c in ast.walk(n.iter)):
                target = target.elts[-1]
        elif isinstance(n, ast.Assign) and _entry(n.value, name):
            target = n.targets[0]
        if isinstance(target, ast.Name):
            yield target.id


def keys_of_entries(name: str, code: list[ast.AST]) -> list[str]:
    """The texts that are keys of the entries of an argument: `layer["units"]`, `layer.get("units")`."""
    parts = set(entries(name, code))
    found = []
    for n in code:
        owner, key = (n.value, n.slice) if isinstance(n, ast.Subscript) else (None, None)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "get" and n.args:
            owner, key = n.func.value, n.args[0]
        mine = owner is not None and (_entry(owner, name) or (isinstance(owner, ast.Name) and owner.id in parts))
        if mine and isinstance(key, ast.Constant) and isinstance(key.value, str):
            found.append(key.value)
    return list(dict.fromkeys(found))


def _taken(names: set[str], code: list[ast.AST]) -> list[str]:
    """The keys of the entries that are taken from any of the names."""
    entries = [
        n for n in code if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name) and n.value.id in names
    ]
    return sorted({key for n in entries for key in _keys(n.slice)})


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _of(node: ast.AST, name: str) -> bool:
    """Whether it is the argument, or it in another order, or a part of it: reversed(params), params[:-1]."""
    return any(_is(n, name) for n in ast.walk(node))


def _keys(node: ast.AST) -> list[str]:
    """The keys of an entry of a dict of parameters; those with a number in them of two layers."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        first = node.left
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return [f"{first.value}{d}" for d in (1, 2)]
    return []


def _in_pairs(name: str, code: list[ast.AST]) -> bool:
    """Whether the entries are taken apart in two: `for W, b in params`, `W, b = params[-1]`, `params[l][0]`."""
    for n in code:
        if isinstance(n, ast.For | ast.comprehension) and _of(n.iter, name):
            target = n.target
            if _call(n.iter) == "enumerate" and isinstance(target, ast.Tuple):
                target = target.elts[-1]
            if _call(n.iter) != "zip" and isinstance(target, ast.Tuple):
                return True
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple) and _entry(n.value, name):
            return True
        if isinstance(n, ast.Subscript) and _entry(n.value, name) and isinstance(n.slice, ast.Constant):
            return True
    return False


def _entry(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Subscript) and _is(node.value, name)


def _call(node: ast.AST) -> str:
    return getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
