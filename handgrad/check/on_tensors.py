"""Functions, layers and losses on tensors of their own module's autograd, as objects on arrays with a backward.

Such an object is `forward(self, x: Tensor) -> Tensor`, whose gradient is what `.backward()` leaves in `x.grad` and in
the `.grad` of its parameters. Which class that is the annotations say, or the module; a trial shows that it is.
"""

import inspect
import itertools
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.check import autograds, held
from handgrad.check.classes import layer
from handgrad.check.conventions import role
from handgrad.check.subject import Array, CheckError, instance, required

TRIALS = ((4, 3), (3,), (2, 5, 3), (2, 3, 8, 8), (2, 8, 8, 3), ())
"""Shapes of an input, tried until one runs; of widths that the object names up to the largest."""
LARGEST = 64
REFUSED = "{0} takes the {1} of its module, and refuses every one that was tried; name {1} to check its operators"


@dataclass(frozen=True)
class Engine:
    """An autograd: its class, how it makes a leaf, and how its backward is started."""

    kind: type
    leaf: Callable[[Any], Any]
    back: autograds.Way

    def again(self, leaf: Any) -> Any:
        """The same numbers as a tensor that is no leaf: an operation in place refuses a leaf."""
        return autograds.multiplied(leaf, self.leaf(np.ones(np.shape(leaf.data))))

    def found(self, out: Any) -> Any:
        """The tensor that a call returns, or that what it returns holds; else None."""
        inside = [out, *(v for _, v in held.items(out))]
        return next((t for t in inside if isinstance(t, self.kind)), None)


def on_tensors(op: Any) -> Any:
    """What is given tensors and returns one, as an object with `forward` and `gradient` on arrays; else None."""
    if isinstance(op, type):
        try:
            op = instance(op)
        except CheckError:  # said where it is known what else it may be
            return None
    f, named = _called(op)
    for kind, annotated in _kinds(f):
        leaf = None if isinstance(op, kind) else autograds.leaves_of(kind)
        if leaf is None or (back := autograds.way(kind, leaf)) is None:
            continue
        engine = Engine(kind, leaf, back)
        for classes, hand in itertools.product((False, True), (lambda t: t, engine.again)):
            if (made := _tried(op, engine, named, hand, classes)) is not None:
                return _as_object(made, engine, named, hand)
        if annotated:
            raise CheckError(REFUSED.format(getattr(op, "__name__", type(op).__name__), kind.__name__))
    return None


def _called(op: Any) -> tuple[Any, list[inspect.Parameter]]:
    """What of it may take tensors, and what that is given; not of what has a backward of its own."""
    if inspect.isfunction(op):
        return op, required(op)
    own = getattr(getattr(op, "backward", None), "__code__", None)
    if own is not None and not _is_abstract(own):
        return None, []
    for name in ("forward", "__call__", "_forward"):
        f = getattr(op, name, None)
        if inspect.ismethod(f) and (named := required(f)) and not _is_abstract(f.__code__):
            return f, named
    return None, []


def _is_abstract(code: Any) -> bool:
    return "NotImplementedError" in code.co_names


def _kinds(f: Any) -> Iterator[tuple[type, bool]]:
    """The autograds that a function may be given, and whether it says so; the others are its module's."""
    try:
        hints = list(typing.get_type_hints(f).values())
    except Exception:  # a name that only a checker of types knows, or no function
        hints = []
    annotated = [part for hint in hints for part in (hint, *typing.get_args(hint))]
    found = [*annotated, *getattr(f, "__globals__", {}).values()]
    own = [k for k in found if isinstance(k, type) and callable(getattr(k, "backward", None))]
    yield from ((k, k in annotated) for k in dict.fromkeys(own) if not k.__module__.startswith("torch"))


def _tried(op: Any, engine: Engine, named: list[inspect.Parameter], hand: Callable[[Any], Any], classes: bool) -> Any:
    """The object after a call that returns a tensor, with what it makes in its first; None if no call does."""
    sizes = [v for v in getattr(op, "__dict__", {}).values() if type(v) is int and 1 <= v <= LARGEST]
    shapes = [*TRIALS, *(shape for n in sizes for shape in ((4, n), (2, 5, n), (2, n, 8, 8)))]
    for shape in shapes if named else ():
        given: list[Array] = [np.linspace(0.125, 0.875, int(np.prod(shape))).reshape(shape)] * len(named)
        if classes:  # numbers of classes, or of rows of a table
            given[-1] = np.arange(2, 2 + len(given[0])) % 3 if shape and len(named) > 1 else (8 * given[0]).astype(int)
        try:
            made = _copied(op)
            out = _call(made)(*(hand(engine.leaf(a)) for a in given))
            if engine.found(out) is not None and not (made is op and isinstance(out, tuple | list)):
                return made
        except Exception:  # another shape, or other numbers
            continue
    return None


def _copied(op: Any) -> Any:
    return op if inspect.isfunction(op) else held.copied(op)


def _call(op: Any) -> Any:
    """What is called: the object itself where it can be, which may make its parameters then."""
    return op if callable(op) else op.forward


def _as_object(op: Any, engine: Engine, named: list[inspect.Parameter], hand: Callable[[Any], Any]) -> Any:
    owners = {} if inspect.isfunction(op) else dict(held.owners(op))
    paths = {_name(p): p for p, t in owners.items() if isinstance(t, engine.kind) and _is_parameter(t)}
    summed = engine.back is autograds.ones  # then only a sum has a gradient

    def run(self: Any) -> tuple[dict[str, Any], Any]:
        """The tensors whose gradients are asked for, by name, and the output."""
        mine = _copied(op)
        at = dict(held.owners(mine)) if paths else {}
        kept = {name: at[path] for name, path in paths.items()}
        for name, t in kept.items():
            t.data = np.array(getattr(self, name), t.data.dtype)
            autograds.came_back(t)[...] = 0
        leaves = [engine.leaf(a) for a in self.x]
        out = engine.found(_call(mine)(*map(hand, leaves)))
        given = {p.name: t for p, t in zip(named, leaves, strict=True) if role(p.name) != "target"}
        return {n: t for n, t in (given | kept).items() if held.is_array(t.data)}, out

    def forward(self: Any, *x: Array) -> Array:
        state = np.random.get_state()  # noqa: NPY002  # the code's own
        self.x, self.state = x, lambda: state
        out = np.array(run(self)[1].data)
        return np.asarray(out.sum()) if summed else out

    def gradient(self: Any, dout: Array) -> dict[str, Array]:
        np.random.set_state(self.state())  # noqa: NPY002  # what it drew, it draws again
        of, out = run(self)
        engine.back(engine.kind, out, np.ones(np.shape(out.data)) if summed else np.reshape(dout, np.shape(out.data)))
        return {f"d{name}": autograds.came_back(t) * (dout if summed else 1) for name, t in of.items()}

    upstream = inspect.Parameter("dout", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    made = layer(getattr(op, "__name__", type(op).__name__), forward, gradient, named, [upstream])
    for name, path in paths.items():
        setattr(made, name, np.array(owners[path].data))
    return made


def _is_parameter(t: Any) -> bool:
    asked = (getattr(t, name, True) for name in autograds.REQUIRES)
    return held.is_array(t.data) and not any(a is False for a in asked)


def _name(path: str) -> str:
    return re.sub(r"\W+", "_", path).strip("_").removeprefix("parameters_")
