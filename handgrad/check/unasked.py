"""A stand-in for an argument: code that fails without having asked it for anything fails whatever is given there."""

from typing import Any

import numpy as np


class Unasked:
    """What can be handed on and kept, and raises TypeError at whatever else is done with it."""

    __slots__ = ("was",)

    def __init__(self) -> None:
        object.__setattr__(self, "was", False)


def asked(it: Unasked) -> bool:
    """Whether anything was done with it."""
    return bool(object.__getattribute__(it, "was"))


def _ask(self: Unasked, *given: Any, **named: Any) -> Any:
    object.__setattr__(self, "was", True)
    raise TypeError("it is no value")


_KINDS = (int, float, str, list, dict, np.ndarray, type(asked))
_OF_CLASSES = ("__new__", "__init__", "__class__", "__init_subclass__", "__subclasshook__", "__class_getitem__")

# Whatever Python or NumPy may ask of a number, a text, a list, a table, an array or a function.
for _name in {n for kind in _KINDS for n in dir(kind) if n.startswith("__") and callable(getattr(kind, n, 0))}:
    if _name not in _OF_CLASSES:
        setattr(Unasked, _name, _ask)
