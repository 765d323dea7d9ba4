"""Static methods that are functions of one class, as `MLP.cost_function(data, labels, thetas, layers)` and
`MLP.back_propagation(data, labels, thetas, layers)`: they are read as the functions of a module are."""

import inspect
import re
import types
from typing import Any

from handgrad.check import conventions
from handgrad.check.subject import inner, required

LOSS = r"\w*(cost|loss|objective|error)(_?(function|fn|func|value))?"
FORWARD = r"\w*(forward|hypothesis|predict)\w*"


def of_class(kind: type) -> dict[str, types.FunctionType]:
    """The static methods of a class."""
    names = [n for k in reversed(kind.__mro__) for n, v in vars(k).items() if isinstance(v, staticmethod)]
    found = {n: inspect.getattr_static(kind, n) for n in names}
    return {n: v.__func__ for n, v in found.items() if isinstance(getattr(v, "__func__", None), types.FunctionType)}


def space(f: Any) -> dict[str, Any]:
    """The names that a function is beside: those of its module, and of its class if it is a static method."""
    f = inner(f)
    names: dict[str, Any] = getattr(f, "__globals__", {})
    kind = names.get(getattr(f, "__qualname__", "").rpartition(".")[0])
    own = of_class(kind) if isinstance(kind, type) else {}
    return names | own if f in own.values() else names


def of_losses(kind: type) -> list[tuple[Any, Any]]:
    """A loss and its gradient, of the same arguments."""
    own = of_class(kind)
    names = {n: [p.name for p in required(f)] for n, f in own.items()}
    losses = [n for n in own if re.fullmatch(LOSS, n.lower())]
    gradients = [n for n in conventions.BACKWARD if n in own]
    return [(own[n], own[b]) for b in gradients for n in losses if n != b and names[n] == names[b]]


def of_forwards(kind: type) -> list[tuple[Any, Any]]:
    """What predicts, and a gradient that is given all that this is."""
    own = of_class(kind)
    names = {n: {p.name for p in required(f)} for n, f in own.items()}
    gradients = [n for n in conventions.BACKWARD if n in own]
    forwards = [n for n in own if re.fullmatch(FORWARD, n.lower())]
    return [(own[n], own[b]) for b in gradients for n in forwards if n != b and names[n] <= names[b]]
