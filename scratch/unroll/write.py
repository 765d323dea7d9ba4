"""From the record of a step to its text: straight-line NumPy with arrays that are made once."""

import keyword
import linecache
import re
import traceback
import types
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count
from typing import Any

import numpy as np

from scratch.unroll.record import SIGNS, Array, Number, Op, Record, Scalar, Scope, UnrollError, Value, bare
from scratch.unroll.twin import named

FILE = "<written out>"  # which a program is compiled from, in tracebacks
REDUCTIONS = {"sum": "add", "max": "maximum", "min": "minimum", "prod": "multiply", "any": "logical_or"}
COPIES = (".copy", ".astype", "np.array", "np.asarray", "np.ascontiguousarray")
LETTERS = {"weight": "W", "bias": "b"}


@dataclass
class Ends:
    """What a step returns, and what it leaves behind: where, under which key, which value, whether as a new array."""

    returns: list[Value]
    stores: list[tuple[str, str, Any, bool]]


@dataclass(eq=False)
class Text:
    """A program. With `gives_back` it changes buffers of the model, or draws numbers, in its forward pass.

    What it finds in a trainer is `outside`: names, and the expressions that they stand for. Then there is what is made
    once (`setup`), what a step does (`body`), and what it leaves in those dicts (`stores`: name, key, value).
    """

    title: str
    gives_back: bool
    replaced: list[str]  # arrays of the optimizer's state in whose place every step puts others
    outside: dict[str, str]
    setup: list[str]
    body: list[str]
    stores: list[tuple[str, str, str]]
    returns: str
    flat: bool  # whether no product is one of stacked matrices
    source: str = ""  # as a function of a trainer

    def __post_init__(self) -> None:
        self.source = "\n".join(self._of_trainer()) + "\n"

    def _of_trainer(self) -> Iterator[str]:
        yield f'"""{self.title}"""'
        yield ""
        yield from ["import math"] * self.calls("math.")
        yield "import numpy as np"
        yield from ["from scratch.flags import product"] * self.calls("product(")
        yield ""
        yield ""
        yield "def written_out(trainer):"
        yield from (f"    {name} = {path}" for name, path in self.outside.items())
        yield from self.function("step(x, y)", list(self.outside))

    def calls(self, function: str) -> bool:
        return any(re.search(rf"\b{re.escape(function)}", line) for line in self.body)

    def function(self, signature: str, known: Container[str]) -> Iterator[str]:
        """The inside of a function that makes the arrays and returns `signature`, which leaves in `known` what it has
        to."""
        yield from (f"    {line}" for line in self.setup)
        yield ""
        yield f"    def {signature}:"
        yield from (f"        {line}".rstrip() for line in self.body[self.body[:1] == [""] :])
        stores = [f"{holder}[{key!r}] = {value}" for holder, key, value in self.stores if holder in known]
        yield from ["", *(f"        {line}" for line in ("# what is left behind", *stores))] if stores else []
        yield f"        return {self.returns}"
        yield ""
        yield f"    return {signature.partition('(')[0]}"

    @cached_property
    def code(self) -> types.CodeType:
        return compile(self.source, FILE, "exec")

    def before_backward(self, error: Exception) -> bool:
        """Whether an error comes from the forward pass, which changes nothing that cannot be given back."""
        lines = self.source.splitlines()
        first = next((i for i, line in enumerate(lines, 1) if re.match(r" +# (.*, backward|update of .*)$", line)), 0)
        there = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == FILE]
        return bool(there) and there[0] < first


@dataclass(eq=False)
class Writer:
    """Writes one program. What it makes once stands in `setup`, what it reads in every step in `reads`."""

    record: Record
    ends: Ends
    title: str
    outside: dict[str, str] = field(default_factory=dict)  # expressions, by name
    setup: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)  # lines that the one at hand needs
    taken: set[str] = field(default_factory=lambda: {"x", "y", "np", "math", "product", "trainer", "step", "vars"})
    nameless: int = 0
    names: dict[Value, str] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)  # names of groups and states, by path
    constants: dict[Any, str] = field(default_factory=dict)  # names, by content
    cells: dict[tuple[Value, Any], str] = field(default_factory=dict)  # names of arrays without axes
    steady: set[Value] = field(default_factory=set)  # arrays that the setup makes
    memory: dict[Value, tuple[Any, str]] = field(default_factory=dict)  # layout and name, of values still needed
    free: dict[Any, list[str]] = field(default_factory=dict)  # names of memory that is done with, by layout
    temporary: set[str] = field(default_factory=set)  # names that say nothing, and may pass on to the next value

    def text(self) -> Text:
        ops = self._ordered(self._alive())
        self.uses = self._uses(ops)
        self.used_under: dict[Value, Any] = dict.fromkeys(self.uses, ())
        self.used_under.update((value, op.errors) for op in ops for value in op.given)
        self.last = {root: i for i, op in enumerate(ops) for root in _roots(op)}
        kept = [*self.ends.returns, *(v for *_, v, _ in self.ends.stores)]
        self.pinned = {v.root for v in kept if isinstance(v, Array)}
        self.fresh = {v.root for *_, v, new in self.ends.stores if new and isinstance(v, Array)}
        self.replaced = [f"{container}[{key!r}]" for container, key, value, _ in self.ends.stores]
        body = list(self._body(ops))
        stores = [(self.holder(path), key, self.show(value)) for path, key, value, _ in self.ends.stores]
        returns = ", ".join(self.show(value) for value in self.ends.returns)
        body = [*self.reads, *body]
        flat = all(value.value.ndim < 3 for op in ops if op.text == "product" for value in op.args)
        return Text(self.title, self.gives_back, self.replaced, self.outside, self.setup, body, stores, returns, flat)

    # --- which calls, in which order ------------------------------------------------------------------------------

    def _alive(self) -> list[Op]:
        """Without the calls whose results nobody needs."""
        needed: set[Value] = {owner(value) for value in self.ends.returns}
        needed |= {owner(value) for *_, value, _ in self.ends.stores if value is not None}
        alive = []
        for op in reversed(self.record.ops):
            changes = op.writes is not None and (owner(op.writes) in needed or _outside(op.writes.root))
            tells = op.text == "product" or _ufunc(op.text) is not None  # it may report a flag to the caller
            asked = op.draws or op.text == "guard" or (tells and not (op.result is not None and op.result.constant))
            if changes or asked or (op.result is not None and owner(op.result) in needed):
                alive.append(op)
                needed |= {owner(value) for value in op.given}
                if op.result is not None:
                    needed.add(owner(op.result))
        return alive[::-1]

    def _ordered(self, ops: list[Op]) -> list[Op]:
        """What the program may find not to hold, it finds before it changes anything; of buffers, before the update."""
        changes = [i for i, op in enumerate(ops) if op.draws or (op.writes is not None and _outside(op.writes.root))]
        start = changes[0] if changes else len(ops)
        first: list[Op] = []
        self.gives_back = any(ops[j].draws or _of_model(ops[j]) for j in changes)
        for i, op in enumerate(ops):
            if op.text != "guard" or i < start:
                continue
            cone = _cone(ops, i)
            if all(not c.draws and c.writes is None for c in cone):
                first += [c for c in cone if c not in first]
            elif not all(ops[j].draws or _of_model(ops[j]) for j in changes if j < i):  # what can be given back
                raise UnrollError(f"{op.scope[0]}: the code asks for {_source(op)!r} after something has changed")
        return [*first, *(op for op in ops if op not in first)] if first else ops

    def _uses(self, ops: list[Op]) -> dict[Value, int]:
        found: dict[Value, int] = {}
        at_end = [*self.ends.returns, *(v for *_, v, _ in self.ends.stores if v is not None)]
        for value in chain(at_end, *(op.given for op in ops)):
            found[value] = found.get(value, 0) + 1
        return found

    # --- names ----------------------------------------------------------------------------------------------------

    def name(self, value: Value) -> str:
        if value not in self.names:
            assert value.path, value
            self.names[value] = self._outside_name(value)
        return self.names[value]

    def _new(self, wish: str) -> str:
        wish = re.sub(r"\W", "_", wish)
        wish = wish if not keyword.iskeyword(wish) else f"{wish}_"
        name = next(n for n in chain([wish], (f"{wish}_{i}" for i in count(2))) if n not in self.taken)
        self.taken.add(name)
        return name

    def _outside_name(self, value: Value) -> str:
        """The name of an input; what holds it is looked up once, a number in it in every step."""
        path = value.path
        if path in ("x", "y"):
            return path
        short = short_name(path)
        if isinstance(value, Array) and path not in self.replaced:
            name = self._new(short)
            if path.startswith("trainer.optimizer.state"):
                container, key = self.held(path)
                self.setup.append(f"{name} = {container}{key}  # {_kind(value)}")
            else:
                self.outside[name] = f"{path}  # {_kind(value)}"
        else:
            container, key = self.held(path)
            name = self._new(short)
            self.reads.append(f"{name} = {container}{key}")
        return name

    def held(self, path: str) -> tuple[str, str]:
        """The name of the group or state that `path` leads into, and the rest of the path."""
        found = re.fullmatch(r"(trainer\.optimizer\.param_groups\[\d+\]|.*)(\[.*?\](?:\[\d+\])?)", path)
        assert found, path
        return self.holder(found[1]), found[2]

    def holder(self, path: str) -> str:
        if path not in self.holders:
            self.holders[path] = self._new(short_name(path) or "held")
            self.outside[self.holders[path]] = path
        return self.holders[path]

    # --- expressions ----------------------------------------------------------------------------------------------

    def show(self, given: Any, tight: bool = False) -> str:
        """As Python text."""
        if isinstance(given, Value):
            if given in self.names or given.op is None:
                return self.name(given)
            loose = tight and given.op.text in SIGNS.values() and given.op.text != "abs"
            return f"({self.call(given.op)})" if loose else self.call(given.op)
        if isinstance(given, tuple | list):
            inner = ", ".join(self.show(part) for part in given)
            if isinstance(given, list):
                return f"[{inner}]"
            return f"({inner}{',' * (len(given) == 1)})"
        given = bare(given)
        if isinstance(given, np.dtype):
            if given.kind == "b":
                return "bool"
            return f"np.{given.name}" if given.isnative and given.kind in "fiu" else f"np.dtype({given.str!r})"
        if isinstance(given, type):
            return f"np.{given.__name__}" if issubclass(given, np.generic) else given.__name__
        if isinstance(given, np.generic):
            return f"np.{given.dtype.name}({self.digits(given)})"
        if isinstance(given, float) and not np.isfinite(given):
            return f"{'-' * (given < 0)}np.{'nan' if np.isnan(given) else 'inf'}"
        if isinstance(given, slice):
            parts = ["" if p is None else self.show(p) for p in (given.start, given.stop, given.step)]
            return ":".join(parts[: 2 + (given.step is not None)])
        if given is Ellipsis:
            return "..."
        if isinstance(given, np.ndarray):  # of a module, or made of a constant number, as by u[..., np.newaxis]
            return self.constant(given)
        if given is None or isinstance(given, bool | int | float | str):
            return repr(given)
        raise UnrollError(f"the program has no way to write a {type(given).__name__}")

    def index(self, given: Any) -> str:
        parts = given if isinstance(given, tuple) else (given,)
        return ", ".join("np.newaxis" if part is None else self.show(part) for part in parts) or "()"

    def call(self, op: Op, out: str = "") -> str:
        """The call of `op` as an expression; into `out`, where there is one."""
        text, args, kwargs = op.text, op.args, {k: self.show(v) for k, v in op.kwargs.items()}
        into = {"out": out} if out else {}
        if text == "[]":
            return f"{self.show(args[0], True)}[{self.index(args[1])}]"
        if text == ".T":
            return f"{self.show(args[0], True)}.T"
        if text in SIGNS.values():
            if text == "abs":
                return f"abs({self.show(args[0])})"
            parts = [self.show(a, True) for a in args]
            return f" {text} ".join(parts) if len(parts) == 2 else text + parts[0]
        if out and text in COPIES:
            return f"np.copyto({out}, {self.show(args[0])}, casting='unsafe')"
        if text == ".view" and isinstance(args[1], str):  # a dtype by its letters: read once
            args = args[0], np.dtype(args[1])
        if text.startswith("."):
            owner, *rest = args
            if text[1:] in REDUCTIONS and isinstance(owner, Array):
                axis = kwargs.pop("axis", "") or (self.show(rest[0]) if rest else "None")
                return self._called(f"np.{REDUCTIONS[text[1:]]}.reduce", [self.show(owner), axis], kwargs | into)
            return self._called(self.show(owner, True) + text, [self.show(a) for a in rest], kwargs | into)
        if op.draws:
            path, _, method = text.rpartition(".")
            text = f"{self.holder(path)}.{method}"
        shown = self._called(text, self._operands(op), kwargs | into)
        return shown if op.item is None else f"{shown}[{op.item}]"

    def _operands(self, op: Op) -> list[str]:
        """The arguments. NumPy makes an array of a number whenever it meets one beside an array: here it is one."""
        shown = []
        for given, dtype in zip(op.args, _met_as(op), strict=True):
            value = bare(given)
            if dtype is None or isinstance(given, Array) or not isinstance(value, int | float | np.generic):
                shown.append(self.show(given))
            elif isinstance(given, Value):
                shown.append(self._cell(given, dtype))
            else:
                shown.append(self.constant(np.array(value, dtype)))
        return shown

    def _cell(self, number: Value, dtype: np.dtype[Any]) -> str:
        """An array without axes that holds a number of this step."""
        if (number, dtype) not in self.cells:
            text = self.show(number)
            base = self.names.get(number) or (number.op.name if number.op is not None else "") or self._nameless()
            name = self.cells[number, dtype] = self._new(f"{base}_{dtype.name}")
            self.setup.append(f"{name} = np.empty((), {self.show(dtype)})")
            self.before.append(f"{name}[()] = {text}")
        return self.cells[number, dtype]

    def constant(self, array: Any) -> str:
        """The name of an array that is the same in every step."""
        key = array.dtype.str, array.shape, array.strides, array.tobytes()
        if key not in self.constants:
            text = self.show(array.tolist()) if array.ndim else self.digits(array[()])
            plain = re.sub(r"\W", "_", text.replace("np.", "").replace("-", "minus").removesuffix(".0"))
            ones = array.ndim > 0 and bool((array == 1).all())
            name = self.constants[key] = self._new("ones" if ones else "constant" if array.ndim else f"c_{plain}")
            made = f"ones({array.shape}" if ones else f"array({text}"
            self.setup.append(f"{name} = np.{made}, {self.show(array.dtype)})")
        return self.constants[key]

    def digits(self, number: Any) -> str:
        """A NumPy number in as few digits as it can be read from: 1e-05 in float32 is 9.999999747378752e-06."""
        text = str(number)
        short = number.dtype.kind == "f" and np.isfinite(number) and number.dtype.type(float(text)) == number
        return text if short else self.show(number.item())

    def _called(self, function: str, args: list[str], kwargs: dict[str, str]) -> str:
        return f"{function}({', '.join([*args, *(f'{k}={v}' for k, v in kwargs.items())])})"

    # --- lines ----------------------------------------------------------------------------------------------------

    def _body(self, ops: list[Op]) -> Iterator[str]:
        """The lines of a step. What is the same in every step goes to the setup."""
        scope: Scope = "", []
        written: list[list[str]] = []  # formulas of several lines, which once is enough for
        errors: tuple[tuple[str, str], ...] = ()
        waiting: list[str] = []
        for i, op in enumerate(ops):
            waiting += self._line(op, i)
            following = ops[i + 1] if i + 1 < len(ops) else None
            if following and (following.line, following.scope, following.errors) == (op.line, op.scope, op.errors):
                continue
            if waiting:
                if op.scope != scope:
                    yield ""
                    scope, errors = op.scope, ()
                    title, formulas = scope
                    yield f"# {title}"
                    if formulas not in written:
                        yield from (f"#     {line}".rstrip() for line in formulas)
                        written += [formulas] * (len(formulas) > 1)
                if op.errors != errors and op.errors:
                    yield f"with np.errstate({', '.join(f'{kind}={how!r}' for kind, how in op.errors)}):"
                errors = op.errors
                waiting[-1] += f"  # {_source(op)}" if _source(op) else ""
                yield from (("    " if errors else "") + line for line in waiting)
            waiting = []

    def _line(self, op: Op, i: int) -> list[str]:
        try:
            lines = self._written(op, i)
            before, self.before = self.before, []
            return [*before, *lines]
        finally:
            for root in _roots(op):
                if self.last.get(root) == i and root in self.memory:
                    key, name = self.memory.pop(root)
                    self.free.setdefault(key, []).append(name)

    def _written(self, op: Op, i: int) -> list[str]:
        result = op.result
        if op.text == "guard":
            return [f"if {'not ' * op.expected}{self.show(op.args[0], op.expected)}: return None"]
        if op.text == "[]=":
            return [f"{self.show(op.args[0])}[{self.index(op.args[1])}] = {self.show(op.args[2])}"]
        if op.writes is not None:
            return [self.call(op)]
        if isinstance(result, Number | Scalar) and self._inline(op):
            return []
        if isinstance(result, Array) and self._is_steady(op):
            self.steady.add(result)
            if ":" in op.text:  # a function of scratch
                self.names[result] = self.constant(result.value)
                return []
            text = self.call(op)
            name = self._named(op)
            self.setup.append(f"{name} = {text}")
            return []
        if isinstance(result, Array) and result.root is result and result not in self.fresh and self._takes_out(op):
            memory = self._memory(op, i)
            if memory is not None:
                self.steady.add(result)
                args = self.call(op, "\0")
                key, made, taken = memory
                speaks = bool(self.record.hints.get(id(result)) or op.name)
                if taken in self.temporary and not speaks:
                    name = self.names[result] = taken
                else:
                    name = self._named(op)
                    self.setup.append(
                        f"{name} = {taken}  # its memory is free by then" if taken else f"{name} = {made}"
                    )
                    if not speaks:
                        self.temporary.add(name)
                if result not in self.pinned:
                    self.memory[result] = key, name
                return [args.replace("\0", name)]
        text = self.call(op)
        return [f"{self._named(op)} = {text}"]

    def _named(self, op: Op) -> str:
        name = self.record.hints.get(id(op.result)) or op.name
        if op.text == ".T" and not name:
            name = f"{self.show(op.args[0])}_T"
        name = self._new(name or self._nameless())
        self.names[op.result] = name
        return name

    def _nameless(self) -> str:
        self.nameless += 1
        return f"t{self.nameless}"

    def _inline(self, op: Op) -> bool:
        """A number made of numbers stands where it is used, if that is in one place."""
        plain = all(isinstance(value, Number | Scalar) for value in op.given)
        there = self.used_under.get(op.result) == op.errors  # who is told of flags is the same there
        return plain and there and not op.draws and self.uses.get(op.result, 0) == 1

    def _is_steady(self, op: Op) -> bool:
        """The same in every step: a constant that nobody writes to, or a view of memory that stays."""
        if op.draws:
            return False
        if op.result.root is not op.result:
            passing = ("x", "y", *self.replaced)
            steady = (v in self.steady or (_outside(v) and owner(v).path not in passing) for v in op.given)
            return all(isinstance(v, Array) for v in op.given) and all(steady)
        return op.result.constant and all(v in self.steady for v in op.given) and op.result not in self.pinned

    def _takes_out(self, op: Op) -> bool:
        if "out" in op.kwargs or op.item is not None:
            return False
        if op.text in (*COPIES, "product"):
            return True
        if op.text[0] == ".":
            return op.text[1:] in (*REDUCTIONS, "clip")
        return _ufunc(op.text.removesuffix(".reduce")) is not None

    def _memory(self, op: Op, i: int) -> tuple[Any, str, str] | None:
        """Memory for the result: its kind, how to make it, and the name of a value that is done with, if one fits."""
        array = op.result.value
        key = (array.shape, array.dtype.str, array.strides)
        made = _empty(array)
        if made is None or op.result in self.pinned:
            return None if made is None else (key, made, "")
        if _ufunc(op.text) is not None or op.text == ".clip":
            for value in op.given:  # number by number: the result may lie where an operand lies
                if value in self.memory and self.last.get(value) == i and self.memory[value][0] == key:
                    return key, made, self.memory.pop(value)[1]
        if self.free.get(key):
            return key, made, self.free[key].pop()
        return key, made, ""


def short_name(path: str) -> str:
    """W0 for `trainer.model.layers.modules[0].weight.data`, exp_avg_W0 for the optimizer's state of that name."""
    if found := re.fullmatch(r"trainer\.optimizer\.state\[(.*?)\](?:\['(\w+)'\])?", path):
        inside = found[1]
        return f"{found[2] or 'state'}_{short_name(inside + '.data')}"
    if found := re.fullmatch(r"trainer\.optimizer\.param_groups\[(\d+)\](?:\['(\w+)'\])?(?:\[(\d+)\])?", path):
        which = "" if found[1] == "0" else f"_{found[1]}"
        return f"{found[2] or 'group'}{which}" + ("" if found[3] is None else f"_{found[3]}")
    if found := re.fullmatch(r"vars\((.*)\)", path):
        return f"vars_{short_name(found[1] + '.data')}"
    *owners, last = named(path.removesuffix(".data")).split(".")
    tag = "_".join(part for part in owners if part.isdigit())
    return "_".join([*owners, last]) if owners[:1] == ["loss"] else LETTERS.get(last, last) + tag


def _empty(array: Any) -> str | None:
    """Memory laid out as `array`; None where it has gaps."""
    kind = array.dtype
    dtype = f"np.{kind.name}" if kind.kind in "fiu" else "bool" if kind.kind == "b" else f"np.dtype({kind.str!r})"
    if array.flags.c_contiguous:
        return f"np.empty({array.shape}, {dtype})"
    if array.flags.f_contiguous:
        return f'np.empty({array.shape}, {dtype}, order="F")'
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    if not array.transpose(order).flags.c_contiguous:
        return None
    back = tuple(order.index(axis) for axis in range(array.ndim))
    return f"np.empty({array.transpose(order).shape}, {dtype}).transpose({back})"


def _ufunc(text: str) -> Any:
    """The function of NumPy's that goes number by number, if that is what is called."""
    found = getattr(np, text.removeprefix("np."), None) if text.startswith("np.") else None
    return found if isinstance(found, np.ufunc) and found.signature is None else None


def _met_as(op: Op) -> list[Any]:
    """As which dtype the function takes each argument; None where that is for NumPy to say."""
    ufunc = _ufunc(op.text)
    target = op.result if op.result is not None else op.writes
    unknown: list[Any] = [None] * len(op.args)
    if not isinstance(target, Array) or "dtype" in op.kwargs:
        return unknown
    if op.text == "np.where":
        found = [None, target.value.dtype, target.value.dtype]
        if any(isinstance(a, Array) and a.value.dtype != target.value.dtype for a in op.args[1:]):
            return unknown
    elif ufunc is not None and len(op.args) == ufunc.nin:
        outs = (target.value.dtype if "out" in op.kwargs else None,)
        values = [bare(a) for a in op.args]
        kinds = [type(v) if type(v) in (int, float) else np.asarray(v).dtype for v in values]
        found = list(ufunc.resolve_dtypes((*kinds, *outs)))
    else:
        return unknown
    return [
        None if dtype is None or not _fits(bare(a), dtype) else dtype for a, dtype in zip(op.args, found, strict=False)
    ]


def _fits(value: Any, dtype: np.dtype[Any]) -> bool:
    """Whether a number is one of this dtype without a flag: as it is, or rounded to a finite one."""
    if isinstance(value, np.generic):
        return bool(value.dtype == dtype)
    if not isinstance(value, int | float):
        return False
    try:
        with np.errstate(all="ignore"):
            made = np.array(value, dtype)
    except OverflowError:
        return False
    if dtype.kind == "f":
        return bool(np.isfinite(made)) or not np.isfinite(value)
    return int(made) == value


def _kind(array: Array) -> str:
    return f"{array.value.dtype} {array.value.shape}"


def owner(value: Value) -> Value:
    return value.root if isinstance(value, Array) else value


def _outside(array: Value) -> bool:
    """What was there before the step."""
    return bool(owner(array).path)


def _of_model(op: Op) -> bool:
    """Whether it changes an array of the model that is no parameter: a buffer."""
    path = op.writes.root.path if op.writes is not None else ""
    return path.startswith("trainer.model") and ".weight." not in path and ".bias." not in path


def _roots(op: Op) -> set[Value]:
    values = [*op.given, *([op.result] if op.result is not None else [])]
    return {owner(value) for value in values}


def _cone(ops: list[Op], end: int) -> list[Op]:
    """Every call that the one at `end` depends on, and itself."""
    needed = {owner(value) for value in ops[end].given}
    found = [ops[end]]
    for op in reversed(ops[:end]):
        written = op.writes is not None and owner(op.writes) in needed
        if written or (op.result is not None and owner(op.result) in needed):
            found.append(op)
            needed |= {owner(value) for value in op.given}
    return found[::-1]


def _source(op: Op) -> str:
    """The line of scratch that asked for it."""
    line = linecache.getline(*op.line).strip() if op.line[1] else ""
    return line if len(line) <= 72 else f"{line[:70]} …"
