"""What is being checked: anything that can be run forward on arrays and says what its gradient is.

A *subject* is a function of named arrays: its arguments, and the parameters it keeps. `read` finds the kind of what the
user gave by its shape; nothing has to be inherited or registered. Everything runs on copies: the user's object is never
changed, and every backward starts from an object that has seen nothing but the forward before it.
"""

import copy
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure

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
        dtype = next(iter(values.values())).dtype if values else np.dtype(np.float64)
        return [
            values[name].copy()
            if name in values
            else cast(self.constants[name], dtype if dtype.kind == "f" else np.float64)
            for name in self.arguments
        ]


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

    def forward(self, case: Case, values: Values) -> Array: ...
    def backward(self, case: Case, values: Values, upstream: Array) -> dict[str, Any]: ...
    def behaviour(self, case: Case, upstream: Array) -> list[str]: ...


def read(op: Any, role: str = "op") -> Subject:
    """The subject of whatever was given. CheckError says what is allowed."""
    if isinstance(op, tuple) and len(op) == 2 and all(callable(f) for f in op):
        return Pair(*op)
    op = structure.unwrap(op)
    if "torch" in sys.modules:
        from handgrad.check import torch_subject

        if (found := torch_subject.read(op, role)) is not None:
            return found
    if isinstance(op, type):
        op = instance(op)
    if callable(getattr(op, "forward", None)) and callable(getattr(op, "backward", None)):
        return Layer(op)
    given = getattr(op, "__name__", type(op).__name__)
    raise CheckError(
        f"{role} must be an object with forward and backward, a pair (function, gradient), a torch.nn.Module or a "
        f"torch.autograd.Function; got {given}"
    )


def instance(kind: type, arguments: Mapping[str, Any] | None = None) -> Any:
    """An object of a class that was given without arguments; those it needs are taken from `arguments` by name."""
    known = arguments or {}
    needed = [p.name for p in required(kind)]
    if all(name in known for name in needed):
        try:
            return kind(**{name: known[name] for name in needed})
        except (Exception, SystemExit, GeneratorExit) as error:
            raise CheckError(f"{kind.__name__}() failed: {one_line(error)}") from error
    raise CheckError(f"{kind.__name__} needs arguments ({', '.join(needed)}); give {kind.__name__}(...) with them")


def required(f: Callable[..., Any]) -> list[inspect.Parameter]:
    """The positional parameters without a default."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (ValueError, TypeError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty]


def cast(a: Array, dtype: npt.DTypeLike) -> Array:
    """A copy; floats in `dtype`, everything else as it is."""
    return np.array(a, dtype if a.dtype.kind == "f" else a.dtype)


# --- a layer or a loss: an object with forward and backward ----------------------------------------------------------


class Layer:
    """An object with `forward(x, …)` and `backward(grad_output)`, or a loss: `forward(input, target)`, `backward()`.

    Parameters are found in this order: what `named_parameters()` or the attributes have with `.data` and `.grad`;
    arrays with a gradient array beside them (`W` and `dW`, `grad_W` or `W_grad`; `params["W"]` and `grads["W"]`), of
    which the latter may only come to be in `backward`.
    """

    def __init__(self, op: Any) -> None:
        self.name, self.source = type(op).__name__, op
        try:
            self.pristine = copy.deepcopy(op)
        except Exception as error:
            raise CheckError(f"{self.name} cannot be copied ({one_line(error)}); the check works on copies") from error
        self.arguments = tuple(p.name for p in required(op.forward)) or ("input",)
        self.loss = not required(op.backward) and len(self.arguments) > 1
        self.kind = "loss" if self.loss else "layer"
        parts = [owner for _, owner in _owners(op) if callable(getattr(owner, "forward", None))]
        self.composite = len(parts) > 1
        self.slots = dict(_slots(self.pristine))
        self.parameters = {name: np.array(slot.get()) for name, slot in self.slots.items()}
        for slot in self.slots.values():
            slot.clear()
        self._working: dict[np.dtype[Any], tuple[Any, dict[str, _Slot]]] = {}

    def probe(self, case: Case, upstream: Array) -> Values:
        """Run backward once and find the arrays that got a gradient beside them; returns them as parameters."""
        op = _as_dtype(copy.deepcopy(self.pristine), np.dtype(np.float64))
        held = {name: slot.get().shape for name, slot in _pairs(op, complete=False)}
        if not held or self.parameters:
            return {}
        self._run_backward(op, case, case.values, upstream)
        found = dict(_pairs(op, complete=True))
        self.slots = {
            name: slot for name, slot in _pairs(self.pristine, complete=False) if name in found and name in held
        }
        self.parameters = {name: np.array(slot.get()) for name, slot in self.slots.items()}
        self._working.clear()
        return self.parameters

    def forward(self, case: Case, values: Values) -> Array:
        dtype = case.call(values)[0].dtype
        if dtype not in self._working:
            self._working[dtype] = self._copy(dtype)
        op, slots = self._working[dtype]
        for name, slot in slots.items():
            slot.set(values[name].copy())
        return output(self.name, op.forward(*case.call(values)), dtype)

    def backward(self, case: Case, values: Values, upstream: Array) -> dict[str, Any]:
        op, slots = self._copy(upstream.dtype)
        for name, slot in slots.items():
            slot.set(values[name].copy())
        return self._collect(op, self._run_backward(op, case, values, upstream))

    def _collect(self, op: Any, gradients: dict[str, Any]) -> dict[str, Any]:
        found = self._found(op)
        return _gradients(
            self.name, gradients | {name: found[name].grad() if name in found else None for name in self.slots}
        )

    def backward_again(self, case: Case, values: Values, upstream: Array) -> dict[str, Any]:
        """The gradients of an object that was used with other inputs before, and cleared."""
        op, slots = self._copy(upstream.dtype)
        for name, slot in slots.items():
            slot.set(values[name].copy())
        self._run_backward(op, case, {n: -a / 2 if n in self.arguments else a for n, a in values.items()}, upstream / 2)
        if callable(getattr(op, "zero_grad", None)):
            op.zero_grad()
        for slot in self._found(op).values():
            slot.clear()
        return self._collect(op, self._run_backward(op, case, values, upstream))

    def behaviour(self, case: Case, upstream: Array) -> list[str]:
        """What forward and backward do beside computing, and what a second backward does."""
        op, slots = self._copy(upstream.dtype)
        values = {name: cast(a, upstream.dtype) for name, a in case.values.items()}
        for name, slot in slots.items():
            slot.set(values[name].copy())
        arrays, above = case.call(values), upstream.copy()
        kept = [a.copy() for a in arrays]
        op.forward(*arrays)
        scalar = self.loss and upstream.ndim == 0
        first = op.backward() if scalar else op.backward(above)
        once = {name: _copied(slot.grad()) for name, slot in self._found(op).items()}
        result = _copied(first)
        notes = changed(self.arguments, kept, arrays, upstream, above)
        notes += [
            f"side effect: it modifies the parameter {name}"
            for name, slot in self._found(op).items()
            if not np.array_equal(slot.get(), values[name], equal_nan=True)
        ]
        try:
            second = op.backward() if scalar else op.backward(upstream.copy())
        except Exception as error:
            return [*notes, f"a second backward after one forward is refused: {one_line(error)}"]
        if isinstance(first, np.ndarray) and not np.array_equal(_copied(second), result, equal_nan=True):
            notes.append("stateful: a second backward returns another gradient of the input than the first")
        if isinstance(first, np.ndarray) and not np.array_equal(first, result, equal_nan=True):
            notes.append("side effect: a second backward overwrites the array that the first returned")
        twice = {name: slot.grad() for name, slot in self._found(op).items()}
        ways = {_way(once[name], twice[name]) for name in once} - {""}
        return notes + [f"a second backward {way} the parameters' gradients" for way in sorted(ways)]

    def unseen(self, case: Case) -> list[str]:
        """Arrays of the object without a gradient that its output depends on: where they are moved, it moves."""
        if callable(getattr(self.pristine, "named_parameters", None)):
            return []  # it says itself what its parameters are

        def after(move: str) -> Array:
            op, slots = self._copy(np.dtype(np.float64))
            for name, slot in slots.items():
                slot.set(case.values[name].copy())
            op.forward(*case.call(case.values))  # which may make arrays; what is only kept, the next call makes anew
            arrays.update(
                (name, array) for name, array in _arrays(op) if id(array) not in {id(s.get()) for s in slots.values()}
            )
            if move in arrays:
                arrays[move][...] = arrays[move] * 1.125 + 0.0625
            return output(self.name, op.forward(*case.call(case.values)), np.dtype(np.float64))

        arrays: Values = {}
        before, found = after(""), []
        if not np.array_equal(before, after(""), equal_nan=True):
            return []  # random: what moves says nothing
        for name in [name for name, array in arrays.items() if array.size]:
            try:
                moved = not np.array_equal(after(name), before, equal_nan=True)
            except Exception:
                moved = True  # it is out of its domain, so it is used
            if moved:
                found.append(name)
        return found

    def _found(self, op: Any) -> dict[str, "_Slot"]:
        found = dict(_slots(op)) or dict(_pairs(op, complete=True))
        return {name: found[name] for name in self.slots if name in found}

    def _run_backward(self, op: Any, case: Case, values: Values, upstream: Array) -> dict[str, Any]:
        op.forward(*case.call(values))
        scalar = self.loss and upstream.ndim == 0
        result = op.backward() if scalar else op.backward(upstream.copy())
        return named(result, [name for name in case.arguments if name in case.values])

    def _copy(self, dtype: npt.DTypeLike) -> tuple[Any, dict[str, "_Slot"]]:
        op = _as_dtype(copy.deepcopy(self.pristine), np.dtype(dtype))
        found = dict(_slots(op)) or dict(_pairs(op, complete=False))
        return op, {name: found[name] for name in self.slots}


def _copied(value: Any) -> Any:
    return None if value is None else np.array(value) if isinstance(value, np.ndarray) else value


def _way(once: Any, twice: Any) -> str:
    """How the gradient after two backwards follows from that after one; nothing to say of zeros."""
    if once is None or twice is None or not np.any(once):
        return ""
    if np.array_equal(once, twice):
        return "overwrites"
    return "adds to" if np.allclose(2 * once, twice, rtol=1e-5) else "changes"


def changed(names: tuple[str, ...], before: list[Array], after: list[Array], u: Array, upstream: Array) -> list[str]:
    """Notes on the arrays that a call modified."""
    pairs = [*zip(names, before, after, strict=True), ("the upstream gradient", u, upstream)]
    return [f"side effect: it modifies {n} in place" for n, a, b in pairs if not np.array_equal(a, b, equal_nan=True)]


def named(result: Any, names: list[str]) -> dict[str, Any]:
    """What a backward returned, by the arguments' names: a tuple has one gradient each, None for those it has none for.

    A single gradient is the first argument's; the others are then taken for constants.
    """
    if len(names) < 2 or not isinstance(result, tuple | list):
        return {names[0]: result} if names else {}
    return {name: gradient for name, gradient in zip(names, result, strict=False) if gradient is not None}


@dataclass(frozen=True)
class _Slot:
    """One parameter of an object: how to read and set it, read its gradient, and forget that."""

    get: Callable[[], Any]
    set: Callable[[Array], None]
    grad: Callable[[], Any]
    clear: Callable[[], None]


def _slots(op: Any) -> Iterator[tuple[str, _Slot]]:
    """Objects with `.data` and `.grad`."""
    if callable(getattr(op, "named_parameters", None)):
        pairs = list(op.named_parameters())
    else:
        pairs = [
            (f"{path}.{name}".lstrip("."), value)
            for path, owner in _owners(op)
            for name, value in _items(owner)
            if _is_parameter(value)
        ]
    seen: set[int] = set()
    for name, p in pairs:
        if id(p) not in seen:
            seen.add(id(p))
            yield str(name), _parameter_slot(p)


def _parameter_slot(p: Any) -> _Slot:
    def clear() -> None:
        p.grad = np.zeros_like(p.data) if isinstance(p.grad, np.ndarray) else None

    def write(a: Array) -> None:
        # Past a parameter that refuses another dtype when it is assigned: here it is our copy, in our dtype.
        if "data" in getattr(p, "__dict__", {}):
            vars(p)["data"] = a
        else:
            p.data = a

    return _Slot(lambda: p.data, write, lambda: p.grad, clear)


def _pairs(op: Any, complete: bool) -> Iterator[tuple[str, _Slot]]:
    """Float arrays of the object and its parts; with `complete` only those that have a gradient array."""
    for path, owner in _owners(op):
        table = getattr(owner, "__dict__", {})
        for name, value in table.items():
            label = f"{path}.{name}".lstrip(".")
            if _is_floats(value) and (not complete or _beside(table, name) is not None):
                yield label, _entry_slot(table, name, partial(_beside, table, name))
            if name not in TABLES or TABLES[name] not in table or type(value) is not type(table[TABLES[name]]):
                continue
            grads = TABLES[name]
            for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
                if _is_floats(entry):
                    yield f"{label}.{key}", _entry_slot(value, key, partial(_within, table, grads, key))


TABLES = {"params": "grads", "parameters": "gradients", "weights": "gradients"}
"""Attributes that hold parameters in a dict or a list, and those that hold their gradients in the same order."""


def _beside(table: dict[str, Any], name: str) -> Any:
    """The gradient array of attribute `name`, under a name made from it."""
    keys = (f"d{name}", f"d_{name}", f"grad_{name}", f"{name}_grad")
    # A single number, as np.sum without an axis gives it, is a gradient too: of the wrong shape.
    return next((table[key] for key in keys if isinstance(table.get(key), np.ndarray | np.floating)), None)


def _within(table: dict[str, Any], grads: str, key: Any) -> Any:
    """The entry `key` of the gradients' table, under the same key or one made from it."""
    entries = table[grads]
    if not isinstance(entries, dict):
        return entries[key] if key < len(entries) else None
    return entries.get(key, _beside(entries, key))


def _entry_slot(table: Any, key: Any, grad: Callable[[], Any]) -> _Slot:
    def write(a: Array) -> None:
        # In place where it fits: the array may be held under a second name.
        if table[key].dtype == a.dtype and table[key].flags.writeable:
            table[key][...] = a
        else:
            table[key] = a

    def clear() -> None:
        if isinstance(a := grad(), np.ndarray):
            a[...] = 0

    return _Slot(lambda: table[key], write, grad, clear)


def _owners(op: Any) -> Iterator[tuple[str, Any]]:
    """The object and every object it is made of, with the path of attributes to it."""
    seen: set[int] = set()
    queue: list[tuple[str, Any]] = [("", op)]
    while queue:
        path, owner = queue.pop(0)
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        yield path, owner
        queue += [(f"{path}.{name}".lstrip("."), value) for name, value in _items(owner) if _is_part(value)]


def _items(owner: Any) -> Iterator[tuple[str, Any]]:
    for name, value in getattr(owner, "__dict__", {}).items():
        if isinstance(value, list | tuple):
            yield from ((f"{name}.{i}", item) for i, item in enumerate(value))
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _arrays(op: Any) -> Iterator[tuple[str, Array]]:
    """Every writeable float array that the object and its parts hold, by its path, once."""
    seen: set[int] = set()
    queue: list[tuple[str, Any]] = [("", op)]
    while queue:
        path, value = queue.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if _is_floats(value):
            if value.flags.writeable:
                yield path, value
        elif isinstance(value, list | tuple | dict) or _is_part(value) or _is_parameter(value):
            pairs: Any = (
                value.items()
                if isinstance(value, dict)
                else enumerate(value)
                if isinstance(value, list | tuple)
                else list(getattr(value, "__dict__", {}).items())
            )
            queue += [(f"{path}.{name}".lstrip("."), item) for name, item in pairs]


def _is_parameter(value: Any) -> bool:
    return hasattr(value, "grad") and isinstance(getattr(value, "data", None), np.ndarray)


def _is_part(value: Any) -> bool:
    plain = type | types.ModuleType | types.FunctionType | types.MethodType | np.ndarray | np.generic
    return hasattr(value, "__dict__") and not isinstance(value, plain) and not _is_parameter(value)


def _is_floats(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _as_dtype(op: Any, dtype: np.dtype[Any]) -> Any:
    """Every float array of the object and its parts in `dtype`; of a complex one, only the parameters."""
    real = np.dtype(np.float64) if dtype.kind == "c" else dtype
    known: dict[int, tuple[Array, Array]] = {}
    for _, owner in list(_owners(op)):
        table = getattr(owner, "__dict__", {})
        for name, value in table.items():
            table[name] = _converted(value, real, known)
    for _, slot in _slots(op):
        slot.set(np.array(slot.get(), real))
        slot.clear()
    return op


def _converted(value: Any, dtype: np.dtype[Any], known: dict[int, tuple[Array, Array]]) -> Any:
    """The value with every float in `dtype`; an array that is held under two names stays one array."""
    if _is_floats(value):
        return known.setdefault(id(value), (value, value.astype(dtype)))[1]
    if isinstance(value, np.floating):
        return dtype.type(value)
    if value is np.float32 or value is np.float64:
        return dtype.type
    if isinstance(value, np.dtype) and value.kind == "f":
        return dtype
    if type(value) is dict:
        return {key: _converted(item, dtype, known) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_converted(item, dtype, known) for item in value)
    return value


# --- a function and its hand-written gradient ------------------------------------------------------------------------


class Pair:
    """A function f(x, …) and its gradient g, which may be written in one of three ways:

    - g(x, …, grad_output): the vector-Jacobian product;
    - g(x, …) of an f with a single output: the gradient;
    - g(x, …) of the input's shape, for an elementwise f: the derivative; or of shape output + input: the Jacobian.
    """

    kind, composite, loss = "function", False, False

    def __init__(self, f: Callable[..., Any], gradient: Callable[..., Any]) -> None:
        self.source = self.f = f
        self.gradient = gradient
        self.name = getattr(f, "__name__", type(f).__name__)
        self.arguments = tuple(p.name for p in required(f)) or ("x",)
        self.parameters: Values = {}
        count = len(required(gradient))
        if count not in (len(self.arguments), len(self.arguments) + 1):
            allowed = f"({', '.join(self.arguments)}) or ({', '.join([*self.arguments, 'grad_output'])})"
            raise CheckError(f"the gradient of {self.name} must take {allowed}; it takes {count} arguments")
        self.takes_upstream = count > len(self.arguments)

    def forward(self, case: Case, values: Values) -> Array:
        arguments = case.call(values)
        return output(self.name, self.f(*arguments), arguments[0].dtype)

    def backward(self, case: Case, values: Values, upstream: Array) -> dict[str, Any]:
        names = [name for name in case.arguments if name in case.values]
        if self.takes_upstream:
            return _gradients(self.name, named(self.gradient(*case.call(values), upstream.copy()), names))
        derivatives = _gradients(self.name, named(self.gradient(*case.call(values)), names))
        return {name: _contract(d, upstream, values[name].shape) for name, d in derivatives.items()}

    def behaviour(self, case: Case, upstream: Array) -> list[str]:
        arrays, above = case.call({n: cast(a, upstream.dtype) for n, a in case.values.items()}), upstream.copy()
        kept = [a.copy() for a in arrays]
        self.f(*arrays)
        self.gradient(*arrays, *([above] if self.takes_upstream else []))
        return changed(self.arguments, kept, arrays, upstream, above)


def _contract(derivative: Any, upstream: Array, shape: tuple[int, ...]) -> Any:
    """Σ upstream · derivative, for a derivative in one of the ways it may be written."""
    if derivative is None:
        return None
    d = np.asarray(derivative)
    if upstream.size == 1 and d.shape == shape:
        return upstream.reshape(()) * d
    if d.shape == upstream.shape + shape:
        return np.tensordot(upstream, d, axes=upstream.ndim)
    return upstream * d if d.shape == upstream.shape == shape else d


LONGEST = 400  # characters of somebody else's message


def one_line(error: BaseException) -> str:
    """An exception in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "its message cannot be read"
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    if isinstance(error, CheckError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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


def output(name: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """What forward returned for inputs of `dtype`."""
    if isinstance(value, tuple):  # an array with a cache beside it, say: NumPy would stack the two
        raise CheckError(f"{name}: forward must return an array of numbers; got a tuple of {len(value)}")
    return numbers(value, f"{name}: forward must return an array of numbers", "fiubc" if dtype.kind == "c" else "fiub")


def _gradients(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """What backward computed, as arrays; None where it computed nothing."""
    must = f"{name}: backward must compute arrays of numbers"
    return {key: None if g is None else numbers(g, f"{must}, for {key} too") for key, g in found.items()}
