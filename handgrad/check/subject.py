"""What is being checked: a function of named arrays that says what its own gradient is.

A *subject* has arguments, and the parameters it keeps. The oracles and the verdict know nothing else of what the user
gave. Everything runs on copies: the user's object is never changed, and every backward starts from an object that has
seen nothing but the forward before it.
"""

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from handgrad import errors

Array = npt.NDArray[Any]
Values = dict[str, Array]


class CheckError(ValueError):
    """What was given cannot be checked. The message is one line: what, given, allowed."""


@dataclass(frozen=True)
class Case:
    """Where the gradient is checked: float arguments and parameters by name, and arguments that are constants."""

    draw: str  # how the inputs came about
    arguments: tuple[str, ...]  # in the order of the call
    values: Values  # what is differentiated with respect to: float arguments, then parameters
    constants: Mapping[str, Array] = field(default_factory=dict)

    def call(self, values: Values) -> list[Array]:
        """Fresh copies of the arguments: whoever writes into them harms nobody."""
        dtype = format_of(values)
        return [
            values[name].copy()
            if name in values
            else cast(self.constants[name], dtype if dtype.kind == "f" else np.float64)
            for name in self.arguments
        ]


def format_of(values: Values) -> np.dtype[Any]:
    """The format of values, which is that of the first."""
    for a in values.values():
        return a.dtype
    return DOUBLE


DOUBLE = np.dtype(np.float64)


class Subject(Protocol):
    """A function of named arrays that knows its own gradient.

    `forward` takes values in float32, float64 or complex128 and returns what the user's code returns. `backward`
    returns the gradient of Σ upstream · output for every value, None where the code computes none. `behaviour` are
    notes on what else it does.
    """

    name: str
    kind: str
    source: Any  # what the user gave, an instance
    arguments: tuple[str, ...]
    parameters: Values
    composite: bool  # made of parts with kinks of their own
    loss: bool
    targets: tuple[str, ...]  # the arguments that are constants
    predicts: str  # the argument whose target it is

    def forward(self, case: Case, values: Values) -> Array: ...
    def backward(self, case: Case, values: Values, upstream: Array) -> dict[str, Any]: ...
    def behaviour(self, case: Case, upstream: Array) -> list[str]: ...


def instance(kind: type, arguments: Mapping[str, Any] | None = None) -> Any:
    """An object of a class that was given without arguments; those it needs are taken from `arguments` by name."""
    needed = [p.name for p in required(kind)]
    known = {**{p.name: made for p in required(kind) if (made := _settings(kind, p)) is not None}, **(arguments or {})}
    if all(name in known for name in needed):
        try:
            return kind(**{name: known[name] for name in needed})
        except (Exception, SystemExit, GeneratorExit) as error:
            raise CheckError(f"{kind.__name__}() failed: {one_line(error)}") from error
    raise CheckError(f"{kind.__name__} needs arguments ({', '.join(needed)}); give {kind.__name__}(...) with them")


def _settings(kind: type, p: inspect.Parameter) -> Any:
    """The settings that a class is made of, as `MLP(config)`: of the class that is their type, or is called so."""
    space: dict[str, Any] = getattr(inspect.getattr_static(kind, "__init__"), "__globals__", {})
    found = space.get(p.annotation) if isinstance(p.annotation, str) else p.annotation
    if found is p.empty and re.fullmatch(SETTINGS, p.name.lower()):
        found = next((v for n, v in space.items() if isinstance(v, type) and re.search(SETTINGS, n.lower())), None)
    if not isinstance(found, type) or found is p.empty or found.__module__ == "builtins" or required(found):
        return None
    try:
        return found()
    except Exception:  # it is no class of settings
        return None


SETTINGS = r"config|cfg|conf|hparams|args|settings|options|hyper_?param(eter)?s"


def inner(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind a decorator that passes all it is given and does not say of which function it is."""
    if isinstance(f, types.MethodType):
        own = inner(f.__func__)
        return f if own is f.__func__ else types.MethodType(own, f.__self__)
    while isinstance(f, types.FunctionType) and not hasattr(f, "__wrapped__") and f.__closure__:
        kinds = {p.kind for p in inspect.signature(f).parameters.values()}
        held = [
            c.cell_contents
            for c in f.__closure__
            if isinstance(c.cell_contents, types.FunctionType) and c.cell_contents is not f
        ]
        if len(held) != 1 or kinds != {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            break
        f = held[0]
    return f


def attribute(op: Any, name: str, default: Any = None) -> Any:
    """An attribute of an object; the default too where it is a property that raises, before a forward perhaps."""
    try:
        return getattr(op, name, default)
    except Exception:  # whatever the user's property raises
        return default


def required(f: Callable[..., Any]) -> list[inspect.Parameter]:
    """The positional parameters without a default."""
    try:
        parameters = inspect.signature(inner(f)).parameters.values()
    except (ValueError, TypeError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty]


def cast(a: Array, dtype: npt.DTypeLike) -> Array:
    """A copy; floats in `dtype`, everything else as it is."""
    return np.array(a, dtype if a.dtype.kind == "f" else a.dtype)


def nudged(a: Array) -> Array:
    """The array elsewhere, each number moved by another amount: a softmax does not see what all move by."""
    moved = a * 1.125 + (np.arange(a.size).reshape(a.shape) % 7 + 1) / 64
    return np.asarray(moved, a.dtype if a.dtype.kind in "fc" else None)


def changed(names: tuple[str, ...], before: list[Array], after: list[Array], u: Array, upstream: Array) -> list[str]:
    """Notes on the arrays that a call modified."""
    pairs = [*zip(names, before, after, strict=True), ("the upstream gradient", u, upstream)]
    return [f"side effect: it modifies {n} in place" for n, a, b in pairs if not np.array_equal(a, b, equal_nan=True)]


def one_line(error: BaseException) -> str:
    """An exception in one line; our own need no kind before their message."""
    return errors.one_line(error, CheckError)


def numbers(value: Any, must: str, kinds: str = "fiub") -> Array:
    """The value as an array of numbers; for anything else a CheckError that starts with `must`."""
    try:
        array = np.asarray(value)
        masked = isinstance(value, np.ma.MaskedArray)
    except Exception as error:
        raise CheckError(f"{must}; got {type(value).__name__} ({one_line(error)})") from error
    if masked or array.dtype.kind not in kinds:
        raise CheckError(f"{must}; got {type(value).__name__} of {array.dtype}")
    return array
