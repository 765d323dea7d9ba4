"""Objects that are told the shape of their input before the first forward, and make their parameters of it."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.check import held
from handgrad.check.conventions import DATA, DIMENSION, PREVIOUS, SETUP, SHAPE, TELLS, bare, role
from handgrad.check.readings import Plain, signature
from handgrad.check.subject import Array, attribute, required

Shape = tuple[int, ...]
SHAPES: tuple[Shape, ...] = ((4, 3), (4, 5, 3), (2, 3, 6, 6), (2, 6, 6, 3))
"""Of rows, of sequences, and of images with the channels first and last."""
WAYS = ("with", "without")  # the axis of the samples


class Before:
    """The layer before, of which a layer asks for the shape of what it gives."""

    def __init__(self, shape: Shape) -> None:
        self.output_shape = self.out_shape = self.shape = shape
        self.n_out = self.output_dim = self.output_size = self.out_features = self.units = shape[-1] if shape else 1


def objects(op: Any, given: Shape = ()) -> Iterator[tuple[Any, Shape, str]]:
    """Copies of an object that have been told a shape, of the inputs that were `given` or of others; the shape of the
    batch, and the call that told it."""
    tells = [n for n in dir(op) if re.fullmatch(TELLS, bare(n)) and _takes_shape(op, n)]
    makes = [n for n in SETUP if _takes_shape(op, n)]
    if not tells and not makes:
        return
    seen = {_state(op)}
    for shape in (given,) if given else SHAPES:
        for way in WAYS:
            made, calls = op, []
            for names in (tells, makes):
                for name in names:
                    told = _told(made, name, shape, shape if way == "with" else shape[1:])
                    if told is not None:
                        made = told[0]
                        calls.append(told[1])
                        break
            if calls and _state(made) not in seen:
                seen.add(_state(made))
                yield made, shape, ", ".join(calls)


def _takes_shape(op: Any, name: str) -> bool:
    f = attribute(op, name)
    if not callable(f) or isinstance(f, type):
        return False
    return len(required(f)) <= 2 and any(_is_of_shape(p.name) for p in signature(f))


def _is_of_shape(name: str) -> bool:
    return any(re.fullmatch(pattern, bare(name)) for pattern in (SHAPE, DIMENSION, PREVIOUS, DATA))


def _told(op: Any, name: str, batch: Shape, shape: Shape) -> tuple[Any, str] | None:
    """A copy on which a method was called with a shape, and that call; None where it refuses it."""
    needed = [p.name for p in required(getattr(op, name))]
    free = [p.name for p in signature(getattr(op, name)) if p.name not in needed and p.default is None]
    named = [n for n in free if re.fullmatch(f"{SHAPE}|{PREVIOUS}", bare(n))]
    for number in range(2):  # a width is the last axis, or the shape after all; a shape a tuple, or one of no width
        values = {n: _value(n, batch, shape, number) for n in (*needed, *named)}
        if any(v is None for v, _ in values.values()):
            return None
        try:
            made = held.copied(op)
            getattr(made, name)(*(values[n][0] for n in needed), **{n: values[n][0] for n in named})
        except Exception:  # it is made of another shape, or is no method that makes parameters
            continue
        return made, f"{name}({', '.join(values[n][1] for n in (*needed, *named))})"
    return None


def _value(name: str, batch: Shape, shape: Shape, number: int) -> tuple[Any, str]:
    """What an argument is given, and how that is said."""
    if role(name) == "optimizer":
        return Plain(), "rate 1"
    if re.fullmatch(PREVIOUS, bare(name)):
        return Before(shape), f"a layer of shape {shape}"
    if re.fullmatch(DIMENSION, bare(name)):
        width = shape[-1] if shape else 1
        return (width, str(width)) if number == 0 else (shape, str(shape))
    if re.fullmatch(SHAPE, bare(name)):
        return (shape, str(shape)) if number == 0 else (list(shape), str(list(shape)))
    if re.fullmatch(DATA, bare(name)):
        return (_array(batch), name) if number == 0 else (shape, str(shape))
    return None, ""


def _array(shape: Shape) -> Array:
    return np.random.default_rng(0).normal(size=shape)


def _state(op: Any) -> tuple[Any, ...]:
    """What tells two objects apart that were told different shapes."""
    arrays = tuple((path, held.shape(place.get())) for path, place in held.places(op).items())
    plain = (int, str, tuple, list, type(None))
    return arrays, tuple(
        (path, str(key), repr(value))
        for path, owner in held.owners(op)
        for key, value in held.items(owner)
        if type(value) in plain and not held.is_listed(value) and len(repr(value)) < 99
    )
