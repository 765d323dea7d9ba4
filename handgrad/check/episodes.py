"""A forward of one step, and a backward of an episode of them: `policy_forward(x)`, `policy_backward(eph, epdlogp)`.

The backward is given stacks: of what each step returned (`eph` of h), of what it was given (`epx`, which may be a
number of the module), and from above the gradient of a local of the forward (`epdlogp`, of logp, which a sigmoid
follows). Here the forward takes the steps one by one and returns that local for each of them. The two are functions of
one module, or methods of one object.
"""

import re
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.check import held, source
from handgrad.check.conventions import bare, is_upstream, stems
from handgrad.check.held import Namespace
from handgrad.check.readings import Argument, Reading, Step
from handgrad.check.subject import Array, required
from handgrad.check.surroundings import profiled

STACK = r"^(ep(isode)?|batch|all)_?(?=\w)"
"""What a stack of something is called before its name."""
LARGE = 64  # an axis as long may be shortened: the weights of a policy are of thousands of pixels


def of_object(op: Any) -> Iterator[Reading]:
    """The reading of an object with two such methods."""
    for name in dir(op):
        if "forward" in name and not name.startswith("__"):
            yield from of_episode(getattr(op, name), getattr(op, name.replace("forward", "backward"), None))


def of_episode(f: Any, g: Any) -> Iterator[Reading]:
    """The reading of two functions of one module, or of two methods of one object, if they are of this kind."""
    methods = all(isinstance(h, types.MethodType) for h in (f, g)) and f.__self__ is g.__self__
    if not methods and not all(isinstance(h, types.FunctionType) for h in (f, g)):
        return
    if f.__globals__ is not g.__globals__:
        return
    given, stacked = [p.name for p in required(f)], [p.name for p in required(g)]
    returned = source.returned(f)
    names = [*given, *returned]
    above = [n for n in stacked if _of(n, names) is None and _local(f, n)]
    lacking = [n for n in g.__code__.co_names if n not in g.__globals__ and _of(n, names)]
    if len(given) != 1 or len(above) != 1 or any(n not in above and _of(n, names) is None for n in stacked):
        return
    if not any(re.match(STACK, bare(n)) for n in (*stacked, *lacking)):
        return
    wanted = _local(f, above[0])

    def forward(f: Any, x: Array) -> tuple[Array, dict[str, Array]]:
        steps = [_one(f, x_t, returned, wanted) for x_t in x]
        cache = {given[0]: x} | {n: np.stack([step[n] for step in steps]) for n in returned}
        return np.stack([np.atleast_1d(step[wanted]) for step in steps]), cache

    def backward(g: Any, upstream: Array, cache: dict[str, Array]) -> Any:
        stacks = {n: cache[name] for n in (*stacked, *lacking) if (name := _of(n, names))}
        g.__globals__.update({n: stacks[n] for n in lacking})
        try:
            return g(*(upstream if n in above else stacks[n] for n in stacked))
        finally:
            for n in lacking:
                del g.__globals__[n]

    root: Any = (
        _of_methods(f, g, forward, backward)
        if methods
        else Namespace(step=f, episode=g, f=lambda x: forward(f, x), g=lambda u, cache: backward(g, u, cache))
    )
    _shorten(root)
    name = f"{type(f.__self__).__name__}.{f.__name__}" if methods else f.__name__
    said = f"{wanted} of {f.__name__} for each step of an episode, {g.__name__}({', '.join(stacked)})"
    once, back = Step("f", (("argument", given[0]),)), Step("g", (("upstream", 0), ("cache", None)))
    yield Reading(name, "policy", f, root, (Argument(given[0]),), once, back, said=said)


def _of_methods(f: types.MethodType, g: types.MethodType, forward: Any, backward: Any) -> Any:
    """A copy of the object whose methods they are, with two more: `f` makes the steps, `g` is the backward of all."""
    made, kind = held.copied(f.__self__), type(f.__self__)
    own = {
        "f": lambda self, x: forward(getattr(self, f.__name__), x),
        "g": lambda self, upstream, cache: backward(getattr(self, g.__name__), upstream, cache),
    }
    made.__class__ = type(kind.__name__, (kind,), own)
    return made


def _of(name: str, names: list[str]) -> str | None:
    """What a stack is made of: eph and hs of h, epx of x."""
    n = re.sub(STACK, "", bare(name))
    return next((m for m in names if n in (bare(m), f"{bare(m)}s")), None)


def _local(f: Any, name: str) -> str:
    """The local of a step whose gradient a stack is, "" if it is none."""
    n = re.sub(STACK, "", bare(name))
    if not is_upstream(n):
        return ""
    return next((v for v in f.__code__.co_varnames if bare(v) in stems(n)), "")


def _one(f: Any, x: Array, names: tuple[str, ...], wanted: str) -> dict[str, Any]:
    """One step: what it returned, by the `names` in its source, and the local that is wanted."""
    found: dict[str, Any] = {}

    def watch(frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is f.__code__:
            found[wanted] = frame.f_locals.get(wanted)

    with profiled(watch):
        returned = f(x)
    return dict(zip(names, returned, strict=True)) | found


def _shorten(root: Any) -> None:
    """Cut long axes of the weights, those of one length to one length."""
    places = [place for place in held.each_place(root) if held.is_array(place.get())]
    lengths = sorted({n for place in places for n in place.get().shape if n > LARGE})
    taken = {n for place in places for n in place.get().shape}
    free = (n for n in range(3, LARGE) if n not in taken)
    short = {n: next(free) for n in lengths}
    for place in places:
        a = place.get()
        if any(n in short for n in a.shape):
            held.store(place.owner, place.key, a[tuple(slice(short.get(n, n)) for n in a.shape)].copy())
