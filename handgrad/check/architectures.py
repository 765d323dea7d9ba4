"""The widths of a net that its functions are given: `layers = [3, 6, 2]`, or a list with a dict for each layer.

Those of the module are taken, with long ones shortened. Else they are made here, of two layers, if a function of the
module makes parameters of them: by what the code takes from an entry.

| an entry | is |
|---|---|
| a whole number | the width of a layer |
| `layer["input_dim"]`, `layer["output_dim"]` | the widths before and behind it |
| `layer["activation"]` | one of the texts that the code compares with such a thing |
"""

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from typing import Any

from handgrad.check import containers
from handgrad.check.conventions import bare
from handgrad.check.inputs import LONG, WEIGHTS, part
from handgrad.check.subject import required

NAMES = (
    r"((nn|net|network|model)_?)?(arch(itecture)?|topology|structure|layers|layers?_?(dims?|sizes?|conf(ig)?|units|list))"
    r"|(nn|net|network)_?conf(ig)?|sizes|dims"
)
"""What such an argument is called."""
SIZES = ((3, 6, 1), (3, 6, 2))  # no width is that of the samples
BEFORE = r"(n_?|num_?)?(in|inputs?|fan_?in|prev)(_?(dim|size|features|units))?s?"
BEHIND = r"(n_?|num_?)?(out|outputs?|fan_?out|units|neurons|nodes|size|dim|width)(_?(dim|size|features|units))?s?"
CHOICE = r"\w*activ\w*|non_?lin\w*|func\w*|act(_?(fn|func))?"
LAST = ("sigmoid", "softmax", "linear", "identity")  # what a net ends in, rather than what it has within


def given(names: list[str], makers: list[Any], functions: list[Any], space: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The architectures for those of the arguments that are such, by their bare names; an empty dict if none is."""
    wanted = [n for n in names if re.fullmatch(NAMES, bare(n))]
    own = {bare(n): v for n, v in space.items() if _is_one(v)}
    if all(bare(n) in own for n in wanted):
        yield {bare(n): _shortened(own[bare(n)]) for n in wanted}
        return
    theirs = {bare(p.name) for make in makers for p in required(make)}
    code = containers.nodes([*functions, *makers])
    if any(bare(n) not in theirs for n in wanted):
        yield {}
        return
    for sizes in SIZES:
        found = {bare(n): _made(n, code, sizes) for n in wanted}
        if any(v is None for v in found.values()):
            yield {}
            return
        yield found


def _is_one(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not value:
        return False
    if all(isinstance(v, dict) for v in value):
        return all(v and all(type(w) in (int, str, float, type(None)) for w in v.values()) for v in value)
    return len(value) > 1 and all(type(v) is int and v > 0 for v in value)


def _shortened(value: Any) -> Any:
    """With other widths in the place of those that only cost time."""
    entries = [w for v in value for w in (v.values() if isinstance(v, dict) else [v])]
    taken = {w for w in entries if type(w) is int}
    free = (n for n in itertools.count(6) if n not in taken)
    short = {n: next(free) for n in sorted(taken) if n > LONG}
    if all(isinstance(v, dict) for v in value):
        return [{k: short.get(w, w) if type(w) is int else w for k, w in v.items()} for v in value]
    return type(value)(short.get(n, n) for n in value)


def _made(name: str, code: list[ast.AST], sizes: tuple[int, ...]) -> Any:
    """An architecture as the code takes it; None where an entry is something else."""
    keys = containers.keys_of_entries(name, code)
    if not keys:
        parts = set(containers.entries(name, code))
        called = any(
            isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id in parts for n in code
        )
        return None if called else list(sizes)
    if any(part(k) in WEIGHTS and not re.fullmatch(f"{BEFORE}|{BEHIND}|{CHOICE}", bare(k)) for k in keys):
        return None
    texts = _texts(code)
    layers = []
    for i, (before, behind) in enumerate(itertools.pairwise(sizes)):
        last = i == len(sizes) - 2
        layer: dict[str, Any] = {}
        for key in keys:
            if re.fullmatch(BEFORE, bare(key)):
                layer[key] = before
            elif re.fullmatch(BEHIND, bare(key)):
                layer[key] = behind
            elif re.fullmatch(CHOICE, bare(key)) and texts:
                fits = [t for t in texts if (t.lower() in LAST) == last] or (["sigmoid"] if last else texts)
                layer[key] = sys.intern(fits[0])  # people ask whether it `is "relu"`
            else:
                return None
        layers.append(layer)
    return layers


def _texts(code: list[ast.AST]) -> list[str]:
    """The texts that something is compared with."""
    sides = (side for n in code if isinstance(n, ast.Compare) for side in (n.left, *n.comparators))
    alone = (c for side in sides for c in getattr(side, "elts", [side]))
    texts = [c.value for c in alone if isinstance(c, ast.Constant)]
    return list(dict.fromkeys(t for t in texts if isinstance(t, str)))
