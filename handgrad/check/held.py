"""What the user's code keeps between calls: found, converted, set, and put back before every call.

The code's *root* is a copy of the user's object, or a `Namespace` with copies of the functions and of the module's
numbers that they use. A *place* is where a float array, a tensor, a float or a list of floats is kept.
"""

import copy
import copyreg
import dis
import io
import random
import re
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.check.conventions import COUNT, COUNTS, bare, kin

Array = npt.NDArray[Any]
MOST = 20_000  # containers of one object that are looked into
_NO_PARTS = (np.ndarray, float, int, str, bool, type(None))
_NOT_PARTS = (
    type
    | types.ModuleType
    | types.FunctionType
    | types.MethodType
    | types.BuiltinFunctionType
    | np.ndarray
    | np.generic
)


SHARED = (types.ModuleType, types.GeneratorType, io.TextIOWrapper, type(threading.Lock()), type(threading.RLock()))
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def copied(value: Any) -> Any:
    """A deep copy. A module (`self.xp = np`), an open file and a lock are shared, a view of a dict becomes a list."""
    table = copyreg.dispatch_table
    ours: dict[Any, Any] = dict.fromkeys(SHARED, str) | {kind: lambda v: (list, (list(v),)) for kind in VIEWS}
    ours = {kind: how for kind, how in ours.items() if kind not in table}
    table.update(ours)
    try:
        return copy.deepcopy(value, _turned(value))
    finally:
        for kind in ours:
            del table[kind]


def _turned(value: Any) -> dict[int, Any]:
    """What a copy is told of arrays that are another one turned: so are their copies."""
    memo: dict[int, Any] = {}
    for key, (a, first) in turned(value).items():
        copied = memo.setdefault(id(first), first.copy(order="K"))
        memo[key] = _as_view(a, first, copied)
    return memo


def turned(root: Any) -> dict[int, tuple[Array, Array]]:
    """The arrays that are another one with its axes in another order, or in another shape, as self.W_prime = self.W.T;
    by their ids, and with it."""
    first: dict[int, Array] = {}
    found = {}
    for _, owner in owners(root):
        for _, a in items(owner):
            if isinstance(a, np.ndarray) and a.size > 1 and (a.flags.c_contiguous or a.flags.f_contiguous):
                base = a.base if isinstance(a.base, np.ndarray) and a.base.size == a.size else a
                of = first.setdefault(id(base), a)
                if of is not a and of.dtype == a.dtype:
                    found[id(a)] = a, of
    return found


def _as_view(a: Array, base: Array, of: Array) -> Array:
    """The view of another array that `a` is of its base."""
    strides = tuple(s // a.itemsize * of.itemsize for s in a.strides)
    start = (a.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // a.itemsize * of.itemsize
    return np.ndarray(a.shape, of.dtype, of if of.flags.c_contiguous else of.T, start, strides)


def is_tensor(value: Any) -> bool:
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def is_array(value: Any) -> bool:
    """A float array or tensor, which can be written into."""
    if is_tensor(value):
        return bool(value.is_floating_point() or value.is_complex())
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


_NO_LEAVES = (int, str, bool, type(None), dict, tuple, types.FunctionType)  # the commonest, told by a look at the type


def is_listed(value: Any) -> bool:
    """A list of floats, or of such lists of one length: an array as pure Python has it."""
    if type(value) is not list or not value:
        return False
    if all(isinstance(v, float | complex | np.floating | np.complexfloating) for v in value):
        return True
    return all(is_listed(v) and len(v) == len(value[0]) for v in value)


def is_number(value: Any) -> bool:
    return isinstance(value, float | complex | np.floating | np.complexfloating)


def is_leaf(value: Any) -> bool:
    if type(value) in _NO_LEAVES:
        return False
    return is_array(value) or is_number(value) or is_listed(value)


def plain(value: Any) -> Array:
    """A NumPy copy of an array, a tensor, a number or a list."""
    if is_tensor(value):
        return np.array(value.detach().resolve_conj().cpu().numpy())
    return np.array(value)


def shape(value: Any) -> tuple[int, ...]:
    """The shape of an array, a tensor, a number or a list."""
    return tuple(value.shape) if is_tensor(value) else np.shape(value)


def as_tensor(a: Any) -> Any:
    torch = sys.modules["torch"]
    return torch.from_numpy(np.array(a)) if isinstance(a, np.ndarray) else a


def _is_owner(value: Any) -> bool:
    if isinstance(value, (dict, list, tuple)):
        return True
    return (
        type(value) not in _NO_PARTS
        and not isinstance(value, _NOT_PARTS)
        and not is_tensor(value)
        and (hasattr(value, "__dict__") or bool(_slots(value)))
    )


def _slots(value: Any) -> list[str]:
    names = [n for kind in type(value).__mro__ for n in _listed(kind.__dict__.get("__slots__", ()))]
    return [n for n in names if not n.startswith("__")]


def _listed(slots: Any) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)


def items(owner: Any) -> list[tuple[Any, Any]]:
    """What a container or an object holds, by key, index or attribute."""
    if isinstance(owner, dict):
        return list(owner.items())
    if isinstance(owner, list | tuple):
        return list(enumerate(owner))
    if isinstance(owner, Namespace):
        return [*owner.globals.items(), *owner.functions.items()]
    pairs = list(getattr(owner, "__dict__", {}).items())
    for name in _slots(owner):
        try:
            pairs.append((name, object.__getattribute__(owner, name)))
        except AttributeError:
            continue
    return pairs


def store(owner: Any, key: Any, value: Any) -> None:
    if isinstance(owner, dict | list):
        owner[key] = value
    elif isinstance(owner, Namespace):
        owner.globals[key] = value
    elif key in getattr(owner, "__dict__", {}):
        vars(owner)[key] = value  # past a property or a parameter that refuses another dtype
    else:
        object.__setattr__(owner, key, value)


def owners(root: Any) -> Iterator[tuple[str, Any]]:
    """The object and everything it is made of, with the path of attributes, keys and indices to it."""
    seen: set[int] = set()
    queue: list[tuple[str, Any]] = [("", root)]
    while queue and len(seen) < MOST:
        path, owner = queue.pop(0)
        if id(owner) in seen or is_listed(owner):
            continue
        seen.add(id(owner))
        yield path, owner
        queue += [(_join(path, key), value) for key, value in items(owner) if _is_owner(value)]


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}".lstrip(".")


@dataclass(frozen=True)
class Place:
    """Where a number, an array or a list of numbers is kept."""

    path: str
    owner: Any
    key: Any

    def get(self) -> Any:
        if isinstance(self.owner, Namespace):
            return self.owner.globals[self.key]
        if isinstance(self.owner, dict | list | tuple):
            return self.owner[self.key]
        return object.__getattribute__(self.owner, self.key)

    def put(self, a: Array) -> None:
        """Write the numbers: in place where they fit, because an array may be held under a second name."""
        now = self.get()
        if isinstance(now, np.ndarray):
            if now.dtype == a.dtype and now.shape == a.shape and now.flags.writeable:
                now[...] = a
            else:
                store(self.owner, self.key, a.copy())
        elif is_tensor(now):
            new = as_tensor(a)
            if now.dtype == new.dtype and now.shape == new.shape:
                now.data.copy_(new)
            else:
                store(self.owner, self.key, new)
        elif isinstance(now, list):
            now[:] = a.tolist()
        else:
            store(self.owner, self.key, a[()])


def lists(root: Any) -> dict[str, list[Any]]:
    """Every list, by its path."""
    return {path: owner for path, owner in owners(root) if type(owner) is list}


def whole_numbers(root: Any) -> Iterator[Place]:
    """Every place of a whole number of Python's."""
    for path, owner in owners(root):
        for key, value in items(owner):
            if type(value) is int and not isinstance(owner, tuple):
                yield Place(_join(path, key), owner, key)


def places(root: Any) -> dict[str, Place]:
    """Every place, by its path; an array that is held twice counts once."""
    return {place.path: place for place in each_place(root)}


def each_place(root: Any) -> Iterator[Place]:
    """The same places one by one, the outermost first."""
    seen: set[int] = set()
    for path, owner in owners(root):
        for key, value in items(owner):
            if is_leaf(value):
                if not is_number(value):
                    if id(value) in seen:
                        continue
                    seen.add(id(value))
                elif isinstance(owner, tuple):
                    continue
                yield Place(_join(path, key), owner, key)


def rewritten(root: Any, change: Callable[[Any], Any]) -> None:
    """Put change(leaf) in the place of every leaf. Tuples are made anew; what is held twice stays one."""
    known: dict[int, tuple[Any, Any]] = {}
    views = turned(root)

    def new(value: Any) -> Any:
        if is_leaf(value):
            if is_number(value):
                return change(value)
            if id(value) in views and id(value) not in known:
                known[id(value)] = value, _as_view(*views[id(value)], new(views[id(value)][1]))
            return known.setdefault(id(value), (value, change(value)))[1]
        if type(value) is tuple:
            return known.setdefault(id(value), (value, tuple(new(v) for v in value)))[1]
        return change(value) if isinstance(value, np.dtype | type) else value

    for _, owner in list(owners(root)):
        if not isinstance(owner, tuple):
            for key, value in items(owner):
                if (made := new(value)) is not value:
                    store(owner, key, made)


def in_dtype(dtype: np.dtype[Any]) -> Callable[[Any], Any]:
    """The change to a float format, for `rewritten`: arrays, tensors, numbers, and the formats themselves."""

    def change(value: Any) -> Any:
        if is_tensor(value):
            torch = sys.modules["torch"]
            return value.detach().to(torch.float32 if dtype == np.float32 else torch.float64)
        if isinstance(value, np.ndarray):
            return value.astype(dtype) if value.dtype.kind == "f" else value
        if isinstance(value, np.float32 | np.float16 | np.longdouble) or type(value) is np.float64:
            return dtype.type(value)
        if value is np.float32 or value is np.float64:
            return dtype.type
        if isinstance(value, np.dtype) and value.kind == "f":
            return dtype
        return value

    return change


# --- putting back -----------------------------------------------------------------------------------------------------

Generators = list[tuple[Callable[[Any], None], Any]]
"""How to put each generator back, and its state."""


class Kept:
    """A root, and what it keeps as it was: `back` puts all of it back, the generators it draws from included."""

    def __init__(self, root: Any, shared: bool = True) -> None:
        self.root = root
        self.tables: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self.lists: list[tuple[list[Any], list[Any]]] = []
        self.slots: list[tuple[Any, list[str], dict[str, Any]]] = []
        self.arrays: list[tuple[Any, Any]] = []
        self.tensors: list[tuple[Any, Any]] = []
        self.generators: Generators = []
        for _, owner in owners(root):
            if isinstance(owner, list):
                self.lists.append((owner, owner.copy()))
            elif isinstance(owner, dict):
                self.tables.append((owner, dict(owner)))
            elif isinstance(owner, Namespace):
                self.tables.append((owner.globals, owner.globals.copy()))
            elif not isinstance(owner, tuple):
                if isinstance(table := getattr(owner, "__dict__", None), dict):
                    self.tables.append((table, table.copy()))
                if names := _slots(owner):
                    self.slots.append((owner, names, dict(items(owner))))
            for _, value in items(owner):
                self.generators += _generators(value)
                if is_tensor(value):
                    self.tensors.append((value, value.detach().clone()))
                elif isinstance(value, np.ndarray) and value.flags.writeable:
                    self.arrays.append((value, value.copy()))
                elif is_listed(value):
                    self.lists += [(part, part.copy()) for part in _nested(value)]
        self.shared = shared_generators() if shared else []

    def back(self) -> None:
        for table, was in self.tables:
            table.clear()
            table.update(was)
        for part, entries in self.lists:
            part[:] = entries
        for owner, names, was in self.slots:
            for name in names:
                if name in was:
                    object.__setattr__(owner, name, was[name])
                elif hasattr(owner, name):
                    object.__delattr__(owner, name)
        for array, numbers in self.arrays:
            np.copyto(array, numbers)
        for tensor, numbers in self.tensors:
            tensor.data.copy_(numbers)
        self.rewind()

    def rewind(self) -> None:
        """Put the generators back."""
        put_back((*self.generators, *self.shared))


def put_back(generators: Iterable[tuple[Callable[[Any], None], Any]]) -> None:
    for put, state in generators:
        put(state)


def _nested(value: list[Any]) -> list[list[Any]]:
    return [value, *(part for v in value if isinstance(v, list) for part in _nested(v))]


def generators(root: Any) -> list[tuple[Callable[[Any], None], Any]]:
    """The generators that an object and its parts keep: how to put each back, and its state."""
    return [pair for _, owner in owners(root) for _, value in items(owner) for pair in _generators(value)]


_NO_GENERATORS = {*_NO_LEAVES, np.ndarray, float, list}  # the commonest, told by a look at the type


def _generators(value: Any) -> list[tuple[Callable[[Any], None], Any]]:
    """How to put a generator back, and its state."""
    if type(value) in _NO_GENERATORS:
        return []
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        return [(lambda state: setattr(bits, "state", state), bits.state)]
    if isinstance(value, np.random.RandomState):
        return [(value.set_state, value.get_state())]
    if isinstance(value, random.Random):
        return [(value.setstate, value.getstate())]
    if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Generator):
        return [(value.set_state, value.get_state())]
    return []


def untouched(shared: Generators) -> bool:
    """Whether the shared generators are as they were."""
    return not touched(shared)


def touched(before: Generators, beside: Iterable[tuple[Callable[[Any], None], Any]] = ()) -> Generators:
    """Which of the shared generators, and of those beside them, are no more as they were."""
    now = [*shared_generators(), *beside]
    return [pair for pair, (_, state) in zip(before, now, strict=False) if not _equal(pair[1], state)]


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or is_tensor(a):
        return bool((a == b).all())
    if isinstance(a, tuple) and any(isinstance(part, np.ndarray) for part in a):
        return all(_equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def shared_generators() -> list[tuple[Callable[[Any], None], Any]]:
    """The generators of the modules `random`, NumPy and PyTorch, which all code draws from."""
    shared: list[tuple[Callable[[Any], None], Any]] = [
        (random.setstate, random.getstate()),
        (np.random.set_state, np.random.get_state()),  # noqa: NPY002 - the one that the user's code draws from
    ]
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        shared.append((torch.set_rng_state, torch.get_rng_state()))
    return shared


# --- functions --------------------------------------------------------------------------------------------------------


class Namespace:
    """Functions of modules as one object: what it keeps are copies of the numbers of their modules that they use.

    A call finds these in the place of the module's own, which are as before afterwards.
    """

    def __init__(self, **functions: Any) -> None:
        self.functions = functions
        self.globals: dict[str, Any] = {}
        self.space: dict[str, Any] | None = None
        for f in functions.values():
            if isinstance(f, types.FunctionType) and (self.space is None or self.space is f.__globals__):
                found = {name: f.__globals__[name] for name in _ordered(f) if _keeps(f.__globals__.get(name), name)}
                counts = absent(f)
                if found or counts:
                    self.space = f.__globals__
                    self.globals |= dict.fromkeys(counts, COUNT)
                    self.globals |= copy.deepcopy({n: v for n, v in found.items() if n not in self.globals})

    def __deepcopy__(self, memo: dict[int, Any]) -> "Namespace":
        made = Namespace()
        made.functions = {
            n: f if isinstance(f, types.FunctionType) else copy.deepcopy(f, memo) for n, f in self.functions.items()
        }
        made.globals, made.space = copy.deepcopy(self.globals, memo), self.space
        return made

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        f, space = self.functions[name], self.space
        if space is None:
            return f(*arguments, **options)
        theirs = {n: space[n] for n in self.globals if n in space}
        space.update(self.globals)
        try:
            return f(*arguments, **options)
        finally:
            self.globals.update({n: space[n] for n in self.globals if n in space})
            for n in self.globals.keys() - theirs.keys():
                del space[n]
            space.update(theirs)


def _keeps(value: Any, name: str) -> bool:
    """Whether it is numbers that may be parameters; a single one if it is called so."""
    if is_number(value):
        return kin(name, "w") or kin(name, "b")
    return is_array(value) or is_listed(value) or (type(value) in (dict, list, tuple) and bool(places({"": value})))


def _ordered(f: types.FunctionType) -> list[str]:
    """The global names that a function looks up, in the order in which its module defines them."""
    used = _used(f)
    return [name for name in f.__globals__ if name in used]


def called(f: types.FunctionType) -> list[types.FunctionType]:
    """A function, and those of its module that it looks up."""
    found = [f.__globals__.get(name) for name in _ordered(f)]
    return [f, *(g for g in found if isinstance(g, types.FunctionType) and g.__globals__ is f.__globals__)]


def counts(f: types.FunctionType) -> list[int]:
    """The whole numbers of its module that a function may divide by, and those that stand for an absent one."""
    theirs = [f.__globals__.get(n) for n in _used(f)]
    mine = [n for n in theirs if type(n) is int and n > 1]
    return list(dict.fromkeys([*mine, *([COUNT] if absent(f) else [])]))


def absent(f: types.FunctionType) -> list[str]:
    """The counts of samples that a function looks up and its module lacks, as the data are not there."""
    return sorted(n for n in looked_up(f) if n not in f.__globals__ and re.fullmatch(COUNTS, bare(n)))


def looked_up(f: types.FunctionType) -> list[str]:
    """The global names of a function, and of those of its module that it calls."""
    names = (i.argval for g in called(f) for i in dis.get_instructions(g) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    return list(dict.fromkeys(names))


def _used(f: types.FunctionType, seen: set[int] | None = None) -> set[str]:
    """The global names that a function, and the functions of its module that it calls, look up."""
    seen = set() if seen is None else seen
    if id(f) in seen:
        return set()
    seen.add(id(f))
    found: set[str] = set()
    codes = [f.__code__]
    while codes:
        code = codes.pop()
        found |= set(code.co_names)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    for name in list(found):
        other = f.__globals__.get(name)
        if isinstance(other, types.FunctionType) and other.__globals__ is f.__globals__:
            found |= _used(other, seen)
    return found
