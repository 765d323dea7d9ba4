"""The code without its ε: log(p + 1e-7) as log p, clip(p, 1e-7, 1 − 1e-7) as p.

People differentiate the formula and compute it with a small number that keeps it finite. The gradient of log p is not
that of log(p + 1e-7), by a relative 1e-7/p; that is no mistake anybody means. So what is found wrong is judged once
more with these numbers taken out of the code, its defaults and its attributes; if it is right then, it is right.
"""

import contextlib
import types
from collections.abc import Iterator
from typing import Any

from handgrad.check import held

SMALL = 1e-6


def _without(value: Any) -> Any:
    """The number without ε: 0 for 1e-7, 1 for 1 − 1e-7. As far above 1 it keeps nothing finite, and is a factor."""
    if not isinstance(value, float):
        return value
    if 0 < abs(value) <= SMALL:
        return 0.0
    return 1.0 if 0 < 1 - value <= SMALL else value


@contextlib.contextmanager
def without_epsilon(given: Any) -> Iterator[list[float]]:
    """Within, the functions and classes of `given`, and what they call in their module, are without ε.

    Gives the numbers that were left out.
    """
    found: list[float] = []
    undo: list[tuple[Any, str, Any]] = []
    try:
        for f in functions(given):
            consts = tuple(_without(c) for c in f.__code__.co_consts)
            new = [c for c, d in zip(f.__code__.co_consts, consts, strict=True) if c is not d and c != d]
            if new:
                undo.append((f, "__code__", f.__code__))
                f.__code__ = f.__code__.replace(co_consts=consts)
            defaults = tuple(_without(c) for c in f.__defaults__ or ())
            if f.__defaults__ and defaults != f.__defaults__:
                new += [c for c, d in zip(f.__defaults__, defaults, strict=True) if c != d]
                undo.append((f, "__defaults__", f.__defaults__))
                f.__defaults__ = defaults
            found += new
        for place in held.places(given).values() if not isinstance(given, tuple) else ():
            value = place.get()
            if type(value) is float and _without(value) != value:
                found.append(value)
        yield found
    finally:
        for f, name, value in reversed(undo):
            setattr(f, name, value)


def functions(given: Any) -> list[types.FunctionType]:
    """Every function that the code given may call: its methods, and those of its modules that these look up."""
    queue: list[Any] = list(given) if isinstance(given, tuple) else [given]
    if not isinstance(given, tuple | type | types.FunctionType):
        queue += [type(owner) for _, owner in held.owners(given)]
    seen: dict[int, types.FunctionType] = {}
    classes: set[int] = set()
    while queue:
        thing = queue.pop()
        if isinstance(thing, staticmethod | classmethod):
            thing = thing.__func__
        if isinstance(thing, types.MethodType):
            thing = thing.__func__
        if isinstance(thing, types.FunctionType) and id(thing) not in seen:
            if (thing.__module__ or "").partition(".")[0] in FOREIGN:
                continue
            seen[id(thing)] = thing
            queue += [thing.__globals__[n] for n in thing.__code__.co_names if n in thing.__globals__]
        elif isinstance(thing, type) and id(thing) not in classes:
            classes.add(id(thing))
            if thing.__module__.partition(".")[0] not in FOREIGN:
                queue += [*thing.__mro__[1:], *vars(thing).values()]
    return list(seen.values())


FOREIGN = ("numpy", "torch", "builtins", "scipy", "handgrad", "scratch", "torch_impl", "contract", "sklearn", "typing")
