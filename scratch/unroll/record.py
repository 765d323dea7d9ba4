"""A NumPy that computes as ever and writes down what it was asked for.

What it hands out are no arrays: an `Array` holds one, a `Scalar` a NumPy number, a `Number` a Python number that was
read from an array, an optimizer's group or its state. No function of NumPy, of `math` or of Python takes them by
itself. So nothing can be computed behind the record's back: what is not written down raises.
"""

import builtins
import functools
import linecache
import math
import operator
import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class UnrollError(TypeError):
    """A step that cannot be written out; the words say why."""


Scope = tuple[str, list[str]]
"""Whose forward, backward or update it is, and the formulas of it."""


@dataclass(eq=False)
class Op:
    """One call: `text` is a function's full name, ".name" of a method, an operator, "[]" or "guard"."""

    text: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    scope: Scope
    errors: tuple[tuple[str, str], ...]
    line: tuple[str, int]
    name: str = ""  # what the source calls the result
    item: int | None = None  # of the list that the call returns
    result: Any = None
    writes: Any = None  # the array that it changes
    draws: bool = False  # from a generator
    expected: bool = True  # of a guard: how the condition came out

    def __post_init__(self) -> None:
        self.given = list(values_in((self.args, self.kwargs)))


class Value:
    """A number or an array, and the call that it is the result of; None for an input, which has a `path`."""

    constant = False

    def __init__(self, record: "Record", value: Any, op: Op | None = None, path: str = "") -> None:
        self.record, self.value, self.op, self.path = record, value, op, path

    def __bool__(self) -> bool:
        return self.record.guard(self)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise UnrollError("NumPy was handed an array behind the record's back")

    __float__ = __int__ = __index__ = __complex__ = __array__
    __array_ufunc__ = None

    def __hash__(self) -> int:
        if self.record.open:
            raise UnrollError("a number that depends on the data is looked up in a table")
        return id(self)


class Number(Value):
    """A Python number."""


class Scalar(Value):
    """A NumPy number."""

    shape, ndim, size = (), 0, 1

    @property
    def dtype(self) -> "DType":
        return DType(self.record, self.value.dtype)

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self.record.method, self, name)


class Array(Value):
    """An array. `root` is the one whose memory it shows."""

    value: np.ndarray[Any, Any]

    def __init__(
        self, record: "Record", value: Any, op: Op | None = None, path: str = "", root: "Array | None" = None
    ) -> None:
        super().__init__(record, value, op, path)
        self.root = self if root is None else root
        self.fixed = False  # whether the same in every step, unless it is written to
        self.written = False

    @property
    def constant(self) -> bool:  # type: ignore[override]
        return self.root.fixed and not self.root.written

    @property
    def dtype(self) -> "DType":
        return DType(self.record, self.value.dtype)

    @property
    def T(self) -> Any:  # noqa: N802  # NumPy's name
        return self.record.call(".T", operator.attrgetter("T"), (self,))

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "size", "itemsize", "nbytes", "strides", "flags"):
            return getattr(self.value, name)
        return functools.partial(self.record.method, self, name)

    def __getitem__(self, index: Any) -> Any:
        self.record.fixed_shape("an index", index)
        return self.record.call("[]", operator.getitem, (self, index))

    def __setitem__(self, index: Any, new: Any) -> None:
        self.record.fixed_shape("an index", index)
        self.record.call("[]=", operator.setitem, (self, index, new), writes=self)


OPERATORS = """
    add + add, sub - subtract, mul * multiply, truediv / true_divide, floordiv // floor_divide, mod % remainder,
    and & bitwise_and, or | bitwise_or, xor ^ bitwise_xor, lshift << left_shift, rshift >> right_shift, pow **,
    lt < less, le <= less_equal, gt > greater, ge >= greater_equal, eq == equal, ne != not_equal,
    neg - negative, pos + positive, abs abs absolute, invert ~ invert
"""
"""Python's name, the sign, and NumPy's function for arrays. ** has none: between arrays it has shortcuts of its own."""
SIGNS = {row.split()[0]: row.split()[1] for row in OPERATORS.split(",")}
UFUNCS = {row.split()[0]: "".join(row.split()[2:]) for row in OPERATORS.split(",")}
ALONE = ("neg", "pos", "abs", "invert")
COMPARED = ("lt", "le", "gt", "ge", "eq", "ne")


def _operator(name: str, backwards: bool = False) -> Callable[..., Any]:
    real, ufunc = getattr(operator, f"__{name}__"), UFUNCS[name]

    def method(self: Value, *others: Any) -> Any:
        args = (*others, self) if backwards else (self, *others)
        if not all(isinstance(other, Value | int | float | np.generic | np.ndarray) for other in others):
            return NotImplemented
        arrays = ufunc and any(isinstance(a, Array) and a.ndim for a in args)
        return self.record.call(f"np.{ufunc}" if arrays else SIGNS[name], real, args)

    return method


def _in_place(name: str) -> Callable[..., Any]:
    ufunc = UFUNCS[name] or "power"
    real = getattr(np, ufunc)

    def method(self: Array, other: Any) -> Any:
        return self.record.call(f"np.{ufunc}", real, (self, other), {"out": self}, writes=self)

    return method


for _name in SIGNS:
    setattr(Value, f"__{_name}__", _operator(_name))
    if _name not in (*ALONE, *COMPARED):
        setattr(Value, f"__r{_name}__", _operator(_name, backwards=True))
        setattr(Array, f"__i{_name}__", _in_place(_name))


class DType:
    """A dtype whose `type` makes numbers on record."""

    def __init__(self, record: "Record", dtype: np.dtype[Any]) -> None:
        self.record, self.dtype = record, dtype

    def __eq__(self, other: object) -> bool:
        return bool(self.dtype == bare(other))

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dtype, name)

    @property
    def type(self) -> Callable[[Any], Any]:
        return lambda value: self.record.call(f"np.{self.dtype.name}", self.dtype.type, (value,))


class Kind(type):
    """`float` or `int` of Python, for numbers on record too."""

    real: Any
    stage: "Stage"

    def __instancecheck__(cls, given: Any) -> bool:
        return isinstance(given.value if isinstance(given, Number) else given, cls.real)

    def __call__(cls, *args: Any) -> Any:
        return cls.stage.call(cls.real.__name__, cls.real, args)


SHAPED_BY_DATA = {"nonzero", "argwhere", "flatnonzero", "unique", "compress", "extract", "delete", "trim_zeros"}
WRITERS = {"copyto", "put_along_axis", "put", "place", "putmask", "fill_diagonal"}
TAKES_NUMBERS = {"where", "clip", "asarray", "array", "full", "full_like", "multiply", "isfinite"}
FRESH = {"zeros", "ones", "full", "empty", "arange"}


@dataclass(eq=False)
class Stage:
    """What stands where NumPy, `math` and Python's builtins stood. Without a `record` it only does what is asked."""

    record: "Record | None" = None

    def numpy(self) -> Any:
        return _Namespace(self._of_numpy)

    def math(self) -> Any:
        return _Namespace(lambda name: self._on_record(f"math.{name}", getattr(math, name)))

    def builtins(self) -> dict[str, Any]:
        kinds = {kind.__name__: Kind(kind.__name__, (), {"real": kind, "stage": self}) for kind in (float, int)}
        both = {f.__name__: self._on_record(f.__name__, f) for f in (max, min)}
        return {**vars(builtins), **kinds, **both}

    def call(
        self, text: str, real: Callable[..., Any], args: tuple[Any, ...], kwargs: Any = None, writes: Any = None
    ) -> Any:
        if self.record is None:
            return real(*bare(args), **bare(kwargs or {}))
        return self.record.call(text, real, args, kwargs, writes)

    def _on_record(self, text: str, real: Any) -> Any:
        return (lambda *args, **kwargs: self.call(text, real, args, kwargs)) if callable(real) else real

    def _of_numpy(self, name: str) -> Any:
        real = getattr(np, name)
        if name == "ndarray":
            return Array
        if name == "errstate":
            return functools.partial(_Errstate, self)
        if isinstance(real, np.ufunc):
            return _Ufunc(self, name, real)
        if isinstance(real, type | types.ModuleType) or not callable(real):
            return real
        return functools.partial(self._function, name, real)

    def _function(self, name: str, real: Any, *args: Any, **kwargs: Any) -> Any:
        """A function of NumPy that is no ufunc."""
        if self.record is not None:
            _refuse_what_data_shape(name, args, kwargs)
        writes = args[0] if name in WRITERS else kwargs.get("out")
        return self.call(f"np.{name}", real, args, kwargs, writes)


def _refuse_what_data_shape(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if all(value.constant for value in values_in((args, kwargs))):
        return
    if name in SHAPED_BY_DATA or (name == "where" and len(args) == 1):
        raise UnrollError(f"the shape of np.{name}'s result depends on the data")
    if name not in TAKES_NUMBERS or (name == "full" and isinstance(args[0], Value)):
        for value in values_in((args, kwargs)):
            if isinstance(value, Number):
                raise UnrollError(f"np.{name} is handed a number that depends on the data")


@dataclass(eq=False)
class Record:
    """What was asked, in order."""

    open: bool = True  # while the step runs
    ops: list[Op] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=lambda: [("", [])])
    errors: list[dict[str, str]] = field(default_factory=list)
    roots: dict[int, Array] = field(default_factory=dict)
    numbers: dict[Any, Number] = field(default_factory=dict)
    asked: list[Value] = field(default_factory=list)  # whether they are true
    hints: dict[int, str] = field(default_factory=dict)  # what the result of a layer is called
    latest: tuple[Any, Op | None] = (None, None)  # the statement that was recorded last, and its last call

    def let_go(self) -> None:
        """Free the arrays. Values and calls refer to each other: until the garbage collector comes, all would stay."""
        for op in self.ops:
            for value in (*op.given, op.result):
                if isinstance(value, Array):
                    vars(value).pop("value", None)

    def method(self, owner: Value, name: str, *args: Any, **kwargs: Any) -> Any:
        """A method of an array or of a NumPy number."""
        if any(isinstance(value, Number) for value in values_in((args, kwargs))) and name not in ("clip", "astype"):
            raise UnrollError(f"{name}() is handed a number that depends on the data")
        if not hasattr(owner.value, name):
            raise AttributeError(name)
        if name in ("item", "tolist", "tobytes", "__array_interface__", "data", "base"):
            raise UnrollError(f"an array is read by .{name}")

        def real(a: Any, *rest: Any, **options: Any) -> Any:
            return getattr(a, name)(*rest, **options)

        return self.call(f".{name}", real, (owner, *args), kwargs, writes=kwargs.get("out"))

    def fixed_shape(self, what: str, index: Any) -> None:
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, Number):
                raise UnrollError(f"{what} is a number that depends on the data")
            if isinstance(part, Array) and part.dtype.kind == "b" and not part.constant:
                raise UnrollError(f"{what} is a mask, and so the shape depends on the data")

    # --- the record itself ---------------------------------------------------------------------------------------

    def call(
        self,
        text: str,
        real: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        writes: Any = None,
        draws: bool = False,
    ) -> Any:
        """Do it, and write it down unless the result is a number that is the same in every step."""
        kwargs = kwargs or {}
        given = list(values_in((args, kwargs)))
        memo = None
        if given and all(isinstance(value, Number) for value in given):
            memo = (text, tuple(id(a) if isinstance(a, Value) else (type(a), repr(a)) for a in args))
            if memo in self.numbers:
                return self.numbers[memo]
        changeable = [v.value for v in given if isinstance(v, Array) and v is not writes and text[0] in ".n"]
        before = [a.tobytes() for a in changeable] if not isinstance(writes, Array) else []
        result = real(*bare(args), **bare(kwargs))
        if any(a.tobytes() != b for a, b in zip(changeable, before, strict=False)):
            raise UnrollError(f"{text} changes an array that it is handed")
        constant = not draws and all(value.constant for value in given)
        if constant and not _holds_array(result) and writes is None:
            return result
        line, name, statement = self._place()
        op = Op(text, args, kwargs, self.scopes[-1], self._errors(), line, name, writes=writes, draws=draws)
        if statement is not None and statement == self.latest[0] and self.latest[1] is not None:
            self.latest[1].name = ""  # a step on the way to what the statement names
        self.latest = statement, op
        if writes is not None:
            if not isinstance(writes, Array):
                raise UnrollError(f"{text} writes to what is not on record")
            self.ops.append(op)
            writes.root.written = True
            return writes
        wrapped = self._wrap(result, op, given, constant)
        if memo is not None and isinstance(wrapped, Number):
            self.numbers[memo] = wrapped
        return wrapped

    def _wrap(self, result: Any, op: Op, given: list[Value], constant: bool) -> Any:
        if isinstance(result, np.ndarray):
            for value in given:
                if isinstance(value, Array) and _same_view(value.value, result):  # as of np.asarray or of reshape
                    return value
            op.result = self.array(result, op, constant)
        elif isinstance(result, np.generic):
            op.result = Scalar(self, result, op)
        elif isinstance(result, bool | int | float):
            op.result = Number(self, result, op)
        elif isinstance(result, list | tuple):
            parts = []
            for i, part in enumerate(result):
                own = Op(op.text, op.args, op.kwargs, op.scope, op.errors, op.line, "", i)
                parts.append(self._wrap(part, own, given, constant))
            return parts
        elif result is None and op.text == "[]=":
            return None
        else:
            raise UnrollError(f"{op.text} returns a {type(result).__name__}")
        self.ops.append(op)
        return op.result

    def array(self, value: Any, op: Op | None = None, constant: bool = False, path: str = "") -> Array:
        """An array: a new one, or a view of one that is known."""
        owner = value
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        array = Array(self, value, op, path, self.roots.get(id(owner)))
        if array.root is array:
            array.fixed = constant
            self.roots[id(owner)] = array
        return array

    def guard(self, condition: Value) -> bool:
        """The program goes one way or the other: this step holds for those that go as this one."""
        outcome = bool(condition.value)
        asked = not isinstance(condition, Array) and any(condition is one for one in self.asked)
        if not condition.constant and not asked:
            self.asked.append(condition)
            line, _, _ = self._place()
            self.ops.append(Op("guard", (condition,), {}, self.scopes[-1], self._errors(), line, expected=outcome))
        return outcome

    def drawn(self, generator: Any, path: str, name: str, *args: Any, **kwargs: Any) -> Any:
        """A number generator's method."""
        for value in values_in((args, kwargs)):
            raise UnrollError(f"what a generator draws depends on a {type(value).__name__}")
        return self.call(f"{path}.{name}", getattr(generator, name), args, kwargs, draws=True)

    def _errors(self) -> tuple[tuple[str, str], ...]:
        found: dict[str, str] = {}
        for options in self.errors:
            every = dict.fromkeys(("divide", "over", "invalid"), options["all"]) if "all" in options else {}
            found |= every | {kind: how for kind, how in options.items() if kind != "all"}
        found.pop("under", None)  # it is ignored in the whole step: see `without_underflow`
        return tuple(sorted(found.items()))

    def _place(self) -> tuple[tuple[str, int], str, Any]:
        """The line of the source that asks, the name that it gives to the result, and which statement it is."""
        frame: Any = sys._getframe(2)
        while frame is not None and "__recorded__" not in frame.f_globals:
            frame = frame.f_back
        place = ("", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)
        while frame is not None and "__recorded__" in frame.f_globals:
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            if found := re.match(r"([A-Za-z]\w*)(: [^=]+)? = ", line):
                return place, found[1], (id(frame), frame.f_lineno)
            if not line.startswith("return"):
                break
            frame = frame.f_back
        return place, "", None


class _Namespace:
    """A module whose names are made when they are asked for."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        made = self._make(name)
        setattr(self, name, made)
        return made


class _Errstate:
    """`np.errstate` on record."""

    def __init__(self, stage: Stage, **options: str) -> None:
        self.errors = [] if stage.record is None else stage.record.errors
        self.options = options

    def __enter__(self) -> None:
        self.errors.append(self.options)

    def __exit__(self, *details: object) -> None:
        self.errors.pop()


class _Ufunc:
    def __init__(self, stage: Stage, name: str, real: np.ufunc) -> None:
        self.stage, self.name, self.real = stage, name, real

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) > self.real.nin:
            raise UnrollError(f"np.{self.name} is handed its result's array by position")
        return self.stage.call(f"np.{self.name}", self.real, args, kwargs, kwargs.get("out"))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if not callable(method):
            return method

        def run(*args: Any, **kwargs: Any) -> Any:
            writes = args[0] if name == "at" else kwargs.get("out")
            return self.stage.call(f"np.{self.name}.{name}", method, args, kwargs, writes)

        return run


def values_in(given: Any) -> Iterator[Value]:
    """What is on record in arguments."""
    if isinstance(given, Value):
        yield given
    elif isinstance(given, list | tuple):
        for part in given:
            yield from values_in(part)
    elif isinstance(given, dict):
        yield from values_in(list(given.values()))
    elif isinstance(given, slice):
        yield from values_in([given.start, given.stop, given.step])


def bare(given: Any) -> Any:
    """Arguments as NumPy knows them."""
    if isinstance(given, Value):
        return given.value
    if isinstance(given, DType):
        return given.dtype
    if isinstance(given, Kind):
        return given.real
    if type(given) in (list, tuple):
        return type(given)(bare(part) for part in given)
    return {name: bare(part) for name, part in given.items()} if type(given) is dict else given


def _same_view(a: Any, b: Any) -> bool:
    laid = (a.shape, a.dtype, a.strides, a.flags.writeable) == (b.shape, b.dtype, b.strides, b.flags.writeable)
    return a is b or (laid and a.size > 0 and a.__array_interface__["data"] == b.__array_interface__["data"])


def _holds_array(result: Any) -> bool:
    if isinstance(result, list | tuple):
        return any(_holds_array(part) for part in result)
    return isinstance(result, np.ndarray)
