"""Classes that only train: `fit(X, y)` makes the parameters, its loop moves them, and the gradients are its locals.

One turn of the loop, at rate 1, is their backward: what it moves a parameter by is its gradient. Parameters that `fit`
makes anew are given to it in the place of those it makes. What it predicts is what a method says (`predict_proba`), or
the local of one turn that is called so and knows nothing of the target; a local called a loss is the loss.
Where the order of the samples matters, each of them makes a step: then a turn is one of a single sample.
"""

import ast
import contextlib
import dis
import inspect
import io
import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from handgrad.check import conventions, held, loops, source
from handgrad.check import inputs as drawn
from handgrad.check.beside import Beside, beside, widths
from handgrad.check.conventions import bare, role
from handgrad.check.readings import Argument, Reading, Step, signature
from handgrad.check.subject import Array, CheckError, attribute, nudged, required
from handgrad.check.surroundings import profiled

SAMPLES = (
    "{0} samples, as a Boltzmann machine does: what moves its weights is an estimate, and the gradient of no loss that "
    "its code computes; that cannot be checked"
)
MANY = 50  # no axis of the data is as long: a `range` beyond it counts the turns of the loop
WHOLE = 64  # a batch that holds all the data
ANEW, RATE = "_handgrad_anew", "_handgrad_rate"


@dataclass(frozen=True)
class Turn:
    """How one turn of the loop is asked for."""

    method: str
    named: tuple[tuple[str, Any], ...]  # arguments beside the data and the target
    rates: tuple[str, ...]  # of them, those that are learning rates
    own_rates: tuple[str, ...]  # attributes that are
    called: str = ""  # what a rate is called here
    anew: tuple[str, ...] = ()  # attributes that the method makes
    once: tuple[str, ...] = ()  # and those that it makes where there are none yet: `if self.w is None`
    output: str = ""  # a method, or a local of the turn
    shape: tuple[int, ...] = ()  # of a target, but for the samples
    by_columns: bool = False
    one: bool = False  # each sample makes a step of its own
    alone: bool = False  # the method that predicts takes a sample, not rows of them
    itself: str = ""  # the argument of an autoencoder, whose target is its input
    made: bool = False  # the turn makes the object too
    beside: Beside | None = None  # data that are names of the module
    times: bool = False  # the loss is as many times its own, as there are samples
    shuffled: bool = False  # what it predicts is of the samples in the order in which the turn took them


WRITTEN: dict[types.CodeType, types.CodeType] = {}
"""Of code with other numbers, the code as it is written."""


class Trainee:
    """What is put before the user's class: a forward and a backward, of one turn of its loop."""

    of_turn: ClassVar[Turn]
    drawn_from: ClassVar[held.Generators] = []  # the shared generators, as each turn finds them

    def __setattr__(self, name: str, value: Any) -> None:
        anew = vars(self).get(ANEW)
        if anew and name in anew:
            value = anew.pop(name)
        elif anew is not None and self.of_turn.made and type(value) in (int, float):
            value = (
                vars(self)[RATE] if _is_rate(name, self.of_turn.called) else _for_one_turn(name, value, self.of_turn)
            )
        super().__setattr__(name, value)

    def one_turn(self, x: Array, y: Array, rate: float) -> dict[str, Any]:
        """Run it; what the locals of the methods were, and the attributes that it made."""
        turn: Turn = self.of_turn
        if (turn.beside or turn.made) and (y.shape[:-1] if turn.by_columns else y.shape[1:]) != turn.shape:
            raise ValueError(f"a target of shape {y.shape} is none that the parameters were made for")
        if turn.one and np.ndim(x) == 1 and len(x) > 1:
            raise ValueError(f"{len(x)} samples, of which each makes a step of its own")
        call = getattr(self, turn.method)
        code_of = inspect.unwrap(call.__func__)
        found: dict[str, Any] = {}

        def watch(frame: types.FrameType, event: str, argument: Any) -> None:
            if event == "return" and frame.f_locals.get("self") is self and frame.f_code.co_filename != __file__:
                found.update({n: v for n, v in frame.f_locals.items() if n != "self"})

        space, own = code_of.__globals__, code_of.__code__
        mine = {n: vars(self)[n] for n in turn.own_rates}
        vars(self).update({ANEW: {n: vars(self)[n] for n in turn.anew}, RATE: rate})
        vars(self).update(dict.fromkeys(turn.own_rates, rate))
        given = {"range": _once} | (turn.beside.names(x, y, turn.by_columns) if turn.beside else {})
        theirs = {n: space[n] for n in given if n in space}
        space.update(given)
        code_of.__code__ = changed = with_constants(own, rate, turn.called)
        WRITTEN[changed] = own  # of the module that was read last, as codes of one file are equal
        data: list[Array] = [] if turn.itself or turn.beside else [x, y]
        named = {turn.itself: x} if turn.itself else {}
        try:
            with profiled(watch), contextlib.redirect_stdout(io.StringIO()):
                call(*data, **(named | dict(turn.named) | dict.fromkeys(turn.rates, rate)))
        finally:
            code_of.__code__ = own
            for n in given.keys() - theirs.keys():
                del space[n]
            space.update(theirs)
            del vars(self)[ANEW], vars(self)[RATE]
            vars(self).update(mine)
        return found

    def said(self, x: Array, y: Array | None = None) -> Any:
        """What the turn predicts, or its loss, without the turn."""
        turn: Turn = self.of_turn
        method = inspect_method(self, turn.output)
        if method is not None and _of_data(method, turn):
            return method(x, y)
        if method is not None and required(method) and not turn.made:
            found = method(x[0] if turn.alone else x)
            return np.reshape(found, (1, *turn.shape)) if turn.alone else found
        samples = x.shape[-1] if turn.by_columns else len(x)
        predicts = y is None
        if y is None:
            y = np.zeros((*turn.shape, samples) if turn.by_columns else (samples, *turn.shape), np.int64)
        kept = held.Kept(self, shared=False)
        held.put_back(self.drawn_from)
        try:
            found = self.one_turn(x, y, 0.0)
            if method is not None:  # its loss of the data that it keeps, with the numbers that the turn drew
                kept.rewind()
                held.put_back(self.drawn_from)
                return method(x) if required(method) else method()
            value = found.get(turn.output, vars(self).get(turn.output))
            value = np.array(value[-1] if isinstance(value, list) else value)
            if turn.shuffled and (order := _order(found, x, turn.by_columns)) is not None:
                value = np.take(value, np.argsort(order), axis=-1 if turn.by_columns else 0)
            if not predicts or value.size == 1:  # a loss, which may be [[loss]]
                return value.reshape(()) * (samples if turn.times else 1)
            return value.reshape(y.shape) if turn.one and value.size == y.size else value
        finally:
            kept.back()

    def step(self, x: Array, y: Array | None = None) -> None:
        """The turn, with the same numbers that were drawn for what it says."""
        held.put_back(self.drawn_from)
        self.one_turn(x, x if y is None else y, 1.0)


def _order(found: dict[str, Any], x: Array, by_columns: bool) -> Array | None:
    """The order in which a turn took the samples, as its locals show it that hold them all; None: as they were given.
    A column of ones may stand before or behind them."""
    rows = x.T if by_columns else x
    for a in found.values():
        taken = a.T if by_columns and isinstance(a, np.ndarray) else a
        if not isinstance(taken, np.ndarray) or taken.ndim != rows.ndim or len(taken) != len(rows):
            continue
        for part in (taken,) if rows.ndim == 1 else (taken[:, : rows.shape[1]], taken[:, -rows.shape[1] :]):
            if part.shape != rows.shape or np.array_equal(part, rows):
                continue
            same = (part[:, None] == rows[None]).reshape(len(rows), len(rows), -1).all(-1)
            if (same.sum(0) == 1).all() and (same.sum(1) == 1).all():
                return np.asarray(same.argmax(1))
    return None


def _turned(made: Trainee, turn: Turn) -> type[Trainee]:
    """Let an object make this turn: its new class says so, as what an object holds is copied and put back each time."""
    made.__class__ = type(type(made).__name__, (type(made),), {"of_turn": turn})
    return type(made)


def _once(*bounds: Any) -> range:
    turns = range(*bounds)
    return turns[:1] if len(turns) > MANY else turns


@lru_cache(maxsize=64)
def with_constants(code: types.CodeType, rate: float, called: str) -> types.CodeType:
    """The code with its locals that are set to a number and called a rate, or a number of turns, set to other ones."""
    found = bytearray(code.co_code)
    consts = list(code.co_consts)
    steps = list(dis.get_instructions(code))
    for at, (before, load) in enumerate(zip([steps[0], *steps], steps, strict=False)):
        if load.opname != "LOAD_CONST" or before.opname == "EXTENDED_ARG" or len(consts) > 254:
            continue
        several = type(load.argval) is tuple and steps[at + 1].opname == "UNPACK_SEQUENCE"  # lr, epochs = 0.1, 100
        given = load.argval if several else (load.argval,)
        stores = steps[at + 1 + several : at + 1 + several + len(given)]
        if len(stores) < len(given) or not all(s.opname.startswith("STORE_FAST") for s in stores):
            continue
        names = (bare(s.argval if isinstance(s.argval, str) else s.argval[0]) for s in stores)
        new = tuple(_set(name, value, rate, called) for name, value in zip(names, given, strict=True))
        if new != given:
            consts.append(new if several else new[0])
            found[load.offset + 1] = len(consts) - 1
    return code.replace(co_code=bytes(found), co_consts=tuple(consts))


def _set(name: str, value: Any, rate: float, called: str) -> Any:
    """What a local is for one turn that is set to a number."""
    if type(value) not in (int, float):
        return value
    if _is_rate(name, called):
        return rate
    return 1 if re.fullmatch(conventions.TURNS, name) and value > 0 else value


def of_function(f: Any) -> Iterator[Reading]:
    """A function that trains in a loop."""
    for made in loops.objects(f):
        found = [replace(r, source=f) for r in of_trainer(made, tuple(vars(type(made))))]
        if found:
            yield from found
            return


def of_data(kind: type) -> Any:
    """An object of a class that is made of its data and then trains, `LinearRegression(X, y).fit(lr, epochs)`: its
    method makes it and trains it. None for any other class."""
    needed = [p.name for p in required(kind)]
    if len(needed) < 2 or role(needed[0], first=True) != "data" or role(needed[1]) not in ("target", "data", "pred"):
        return None
    names = [n for n in dir(kind) if n in conventions.TRAINERS or re.fullmatch(conventions.DESCENDS, bare(n))]
    for method in sorted(names, key=lambda n: n not in conventions.TRAINERS):
        f = inspect.getattr_static(kind, method)
        if not isinstance(f, types.FunctionType):
            continue
        own = [p for p in signature(f)[1:] if p.name not in needed[:2]]
        if any(p in required(f) and _value(p.name) is None and role(p.name) != "rate" for p in own):
            continue  # it takes data itself
        made = signature(kind)[2:]

        def call(self: Any, x: Any, y: Any, f: Any = f, own: Any = own, made: Any = made, **named: Any) -> Any:
            type(self).__init__(self, x, y, **{p.name: named[p.name] for p in made if p.name in named})
            return f(self, **{p.name: named[p.name] for p in own if p.name in named})

        me, data = (inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("self", needed[0]))
        target = data.replace(name=needed[1])
        options = {p.name: p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*made, *own)}
        # inspect reads both, of any function; mypy knows neither
        call.__signature__ = inspect.Signature([me, data, target, *options.values()])  # type: ignore[attr-defined]
        call.__wrapped__ = f  # type: ignore[attr-defined]  # whose names and numbers are those of a turn
        return object.__new__(type(kind.__name__, (kind,), {f"{method}_": call}))
    return None


RATES = (r"l\w+|step_?size", r"eta|rate", r"alpha")
"""What a rate is called, the surest first: beside a surer one, an alpha is the strength of a penalty, or a slope."""


def _called(names: Iterable[str]) -> str:
    """What a rate is called among these names."""
    mine = [bare(n) for n in names if role(n) == "rate" and n != loops.RATE]
    return next((called for called in RATES if any(re.fullmatch(called, n) for n in mine)), r"\w+")


def _is_rate(name: str, called: str) -> bool:
    return role(name) == "rate" and (name == loops.RATE or re.fullmatch(called, bare(name)) is not None)


def _weighs(name: str, value: Any, called: str) -> bool:
    """Whether a number weighs a penalty, by its name."""
    named_so = (role(name) == "reg" and bare(name) != "mu") or (role(name) == "rate" and not _is_rate(name, called))
    return named_so and (type(value) is int or held.is_number(value))


def _for_one_turn(name: str, value: Any, turn: Turn) -> Any:
    """A number that an object keeps, as one turn on all the data wants it."""
    if _weighs(name, value, turn.called) and value == 0:
        return conventions.FIXED["reg"]  # else a wrong penalty is not seen
    if re.fullmatch(conventions.TURNS, bare(name)):
        return 1
    return WHOLE if re.fullmatch(conventions.BATCH, bare(name)) else value


def of_made_of_data(kind: type) -> list[Reading]:
    """The readings of such a class."""
    op = of_data(kind)
    return [] if op is None else [replace(r, source=kind) for r in of_trainer(op, tuple(vars(type(op))))]


def of_trainer(op: Any, methods: tuple[str, ...] = conventions.TRAINERS) -> Iterator[Reading]:
    """An object that has no backward, but a method that takes data and target and trains."""
    if isinstance(op, type):
        return
    for method in methods:
        f = inspect_method(op, method)
        if f is None:
            continue
        turn, rest = _turn(op, method), list[Reading]()
        if turn is None:
            continue
        for made, x, y in _made(op, turn):
            if _draws_states(made, x, y):
                raise CheckError(SAMPLES.format(type(op).__name__))
            one, drawn = _in_order(made, x, y)
            turn = replace(made.of_turn, one=one)
            _turned(made, turn).drawn_from = drawn
            if one:
                x, y = (x[:, :1], y[..., :1]) if turn.by_columns else (x[:1], y[:1])
            found = list(_readings(op, made, x, y))
            said = [n for n in dir(op) if re.fullmatch(conventions.OWN_LOSS, bare(n)) and inspect_method(made, n)]
            rest = rest or found
            if found and (any(r.own for r in found) or not any(not required(getattr(made, n)) for n in said)):
                yield from found
                return
        yield from rest  # of no data does it say a loss that its weights move


def _of_data(method: Any, turn: Turn) -> bool:
    """Whether a method says the loss of data and a target that it is given, as `loss(X, y)`."""
    needed = [p.name for p in required(method)]
    if len(needed) != 2 or turn.itself or turn.beside or turn.made:
        return False
    return re.fullmatch(r"x|x_?\w+|inputs?|data|features", bare(needed[0])) is not None and role(needed[1]) == "target"


def inspect_method(op: Any, name: str) -> Any:
    f = attribute(op, name)
    return f if isinstance(f, types.MethodType) and isinstance(f.__func__, types.FunctionType) else None


def _turn(op: Any, method: str) -> Turn | None:
    """How a method is asked for one turn of its loop; None where it is not understood what it takes."""
    f = getattr(op, method)
    needed = _given(f)
    itself = _itself(f, needed)
    data = None if itself or _data_first(needed) else beside(inspect.unwrap(f.__func__))
    if not itself and data is None and not _data_first(needed):
        return None
    named: dict[str, Any] = {}
    rates = []
    numbers = [n for n, v in vars(op).items() if type(v) in (int, float)]
    called = _called([*numbers, *(p.name for p in signature(f)), *inspect.unwrap(f.__func__).__code__.co_varnames])
    for p in signature(f):
        if p.name == itself or (p.name in needed[:2] and not itself and data is None):
            continue
        value = _value(p.name)
        if _is_rate(p.name, called):
            rates.append(p.name)
        elif _weighs(p.name, 0.0 if p.default is p.empty else p.default, called):
            named[p.name] = conventions.FIXED["reg"] if p.default in (p.empty, 0) else p.default
        elif value is not None and (p.default is p.empty or re.fullmatch(SET, bare(p.name))):
            named[p.name] = value
        elif p.default is p.empty:
            named[p.name] = 1  # what nothing is known of is a number of turns, perhaps
    own = tuple(n for n, v in vars(op).items() if _is_rate(n, called) and isinstance(v, int | float))
    made = not vars(op) and hasattr(f, "__wrapped__")
    return Turn(method, tuple(named.items()), tuple(rates), own, called, itself=itself, made=made, beside=data)


SET = f"{conventions.TURNS}|{conventions.BATCH}"
"""What is set for one turn, though it has a default."""


def _value(name: str) -> Any:
    """What an argument of a method that trains is given, but for its data and its rates; None: nobody knows."""
    if re.fullmatch(conventions.TURNS, bare(name)):
        return 1
    if re.fullmatch(conventions.BATCH, bare(name)):
        return WHOLE
    return conventions.width(name) if role(name) == "sizes" else conventions.FIXED.get(role(name))


def _given(f: Any) -> list[str]:
    """The arguments that a method needs; its target too where that is none by default, as in `fit(X, y=None)`."""
    needed, later = [p.name for p in required(f)], signature(f)[1:2]
    late = [p.name for p in later if p.default is None and role(p.name) == "target"]
    return needed + late if len(needed) == 1 else needed


def _data_first(needed: list[str]) -> bool:
    """Whether a method takes data and a target."""
    if len(needed) < 2 or role(needed[0], first=True) not in ("data", "pred"):
        return False
    return role(needed[1]) in ("target", "data", "pred")


def _itself(f: Any, needed: list[str]) -> str:
    """The data of a method that takes no target: all that it needs, or what is none by default beside a rate."""
    mine = [p for p in signature(f) if re.fullmatch(conventions.DATA, bare(p.name))]
    if any(role(p.name) == "target" for p in signature(f)):
        return ""
    if needed:
        of = [p.name for p in mine if p.name == needed[0]]
        return of[0] if of and all(_value(n) is not None or role(n) == "rate" for n in needed[1:]) else ""
    return next((p.name for p in mine if p.default is None), "") if len(mine) == 1 else ""


def _made(op: Any, turn: Turn) -> Iterator[tuple[Trainee, Array, Array]]:
    """The object with its parameters, made by one turn on data that it takes."""
    kind = type(op).__name__
    mixed = type(kind, (Trainee, type(op)), {})
    tables = {p: held.plain(place.get()) for p, place in held.places(op).items() if held.is_array(place.get())}
    theirs = widths(inspect.unwrap(getattr(op, turn.method).__func__))
    ways = _data([*(turn.beside.widths if turn.beside else ()), *theirs, *drawn.widths(op, tables), 3])
    for x, y, by_columns in ways if turn.beside is None else filter(turn.beside.fits, ways):
        if (turn.itself != "") != (y is x):
            continue
        try:
            made = held.copied(op)
            vars(made).update({n: _for_one_turn(n, v, turn) for n, v in vars(made).items()})
            made.__class__ = mixed
            shape = y.shape[:-1] if by_columns else y.shape[1:]
            _turned(made, replace(turn, shape=shape, by_columns=by_columns))
            with np.errstate(all="ignore"):
                found = _with_parameters(_made_once(held.copied(made), x, y), x, y)
                twice = [np.concatenate([a, a], axis=-1 if by_columns else 0) for a in (x, y)]
                more = _with_parameters(_made_once(made, *twice), *twice)
        except Exception:  # it takes data of another shape
            continue
        if _shapes(found) == _shapes(more) and _moves(found, x, y):  # else it takes features for samples
            yield found, x, y


def _moves(made: Trainee, x: Array, y: Array) -> bool:
    """Whether a turn moves anything."""
    start, after = {p: held.plain(v.get()) for p, v in held.places(made).items()}, held.copied(made)
    after.one_turn(x, y, 1.0)
    now = {p: held.plain(v.get()) for p, v in held.places(after).items()}
    return any(p in now and not np.array_equal(now[p], a) for p, a in start.items())


def _shapes(made: Trainee) -> dict[str, list[tuple[int, ...]]]:
    """Those of the parameters that the method makes."""
    turn: Turn = made.of_turn
    return {n: [a.shape for a in _numbers(vars(made)[n])] for n in (*turn.anew, *turn.once)}


RATE_SEEN = 2.0**-6


def _in_order(made: Trainee, x: Array, y: Array) -> tuple[bool, held.Generators]:
    """Whether a turn ends elsewhere if the samples come in another order, by more than the rounding of a sum; and the
    shared generators that it draws from."""
    order = np.arange(x.shape[-1] if made.of_turn.by_columns else len(x))[::-1]
    turned = (x[:, order], y[..., order]) if made.of_turn.by_columns else (x[order], y[order])

    def end(data: tuple[Array, Array], rate: float) -> dict[str, Array]:
        root = held.copied(made)
        root.one_turn(*data, rate)
        drawn[:] = held.touched([*shared, *held.generators(made)], held.generators(root))
        held.put_back(shared)
        return {p: held.plain(place.get()) for p, place in held.places(root).items()}

    drawn: held.Generators = []
    shared = held.shared_generators()
    start = {p: held.plain(v.get()) for p, v in held.places(made).items()}
    still, moved = ([end(data, rate) for data in ((x, y), turned)] for rate in (0.0, RATE_SEEN))
    if drawn:  # other samples have other numbers then; one step of all is twice as far at twice the rate
        far = end((x, y), 2 * RATE_SEEN)
        moved = [{p: 2 * (a - start[p]) for p, a in moved[0].items() if p in start and a.shape == start[p].shape}]
        moved.append({p: far[p] - start[p] for p in moved[0] if p in far and far[p].shape == start[p].shape})
        start = {p: np.zeros_like(a) for p, a in start.items()}
    for p, a in start.items():
        if not np.array_equal(still[0].get(p, a), still[1].get(p, a)):
            continue  # it is of the data, as a cache is
        one, two = (end.get(p, a) for end in moved)
        told = one.shape == two.shape == a.shape and np.isfinite(one).all() and np.isfinite(two).all()
        # A step's second order against roundings: any tolerance between tells these apart.
        if told and np.abs(one - two).max(initial=0) > 2.0**-30 * np.abs(one - a).max(initial=0):
            return True, [pair for pair in drawn if any(pair is mine for mine in shared)]
    return False, [pair for pair in drawn if any(pair is mine for mine in shared)]


def _data(widths: list[int]) -> Iterator[tuple[Array, Array, bool]]:
    """Samples and targets, in rows and in columns; no axis is as long as another."""
    for d in dict.fromkeys(widths):
        n = 6 if d == 5 else 5
        x = np.linspace(-1, 1.25, n * d).reshape(n, d) ** 2 - 0.5
        classes = np.arange(n) % 2
        yield x, x, False
        yield x, classes, False
        yield x, classes.reshape(n, 1), False
        for k in dict.fromkeys([2, *widths]):
            yield x, np.eye(k)[np.arange(n) % k], False
            yield x, np.arange(n) % k, False
        yield x.T.copy(), classes.reshape(1, n), True
        for k in dict.fromkeys([2, *widths]):
            yield x.T.copy(), np.eye(k)[np.arange(n) % k].T.copy(), True
    yield x[:, 0].copy(), classes, False


def _with_parameters(made: Any, x: Array, y: Array) -> Trainee:
    """One turn on data; what it assigned first and has moved since are the parameters that it makes."""
    trial, first, found = _noted(made, x, y, 1.0)
    n = y.shape[-1] if made.of_turn.by_columns else len(y)
    if any(np.shape(v) == (n, n) for v in (*found.values(), *vars(trial).values()) if isinstance(v, np.ndarray)):
        raise ValueError("the target was broadcast against what is predicted")
    anew = {k: v for k, v in first.items() if _moved(v, vars(trial).get(k)) and not _held(vars(made).get(k), v)}
    for name, value in anew.items():
        if _grows(made, name, x, y):
            raise ValueError(f"a step changes the shape of {name}")
        vars(made)[name] = _spread(value)
    once = _guarded(made, list(anew), x, y)
    _turned(made, replace(made.of_turn, anew=tuple(n for n in anew if n not in once), once=once))
    for name, value in anew.items():  # a velocity starts at 0
        if not _says(made, name, value, x, y):
            vars(made)[name] = value
    return made  # type: ignore[no-any-return]  # its class is a mixture


def _noted(made: Any, x: Array, y: Array, rate: float) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """One turn of a copy: that, what it assigned to each of its attributes first, and the locals."""
    first: dict[str, Any] = {}

    def note(self: Any, name: str, value: Any) -> None:
        Trainee.__setattr__(self, name, value)
        if name not in first and not name.startswith("_handgrad"):
            first[name] = held.copied(vars(self).get(name, value))  # a property keeps it under another name

    trial = held.copied(made)
    trial.__class__ = type("Trial", (type(made),), {"__setattr__": note})
    found = trial.one_turn(x, y, rate)
    return trial, first, found


def _grows(made: Any, name: str, x: Array, y: Array) -> bool:
    """Whether what a turn assigns first to a parameter is made of the numbers that it has, though of another shape."""
    if not held.is_array(before := vars(made).get(name)):
        return False
    other, shared = held.copied(made), held.shared_generators()
    vars(other)[name] = nudged(before)
    ends = []
    for each in (made, other):
        held.put_back(shared)
        ends.append(_noted(each, x, y, 0.0)[1].get(name))
    return not np.array_equal(np.asarray(ends[0]), np.asarray(ends[1]))


def _guarded(made: Any, names: list[str], x: Array, y: Array) -> tuple[str, ...]:
    """The parameters that a turn makes only where there are none: of others that are there, it keeps the numbers."""
    other = held.copied(made)
    mine = [n for n in names if held.is_leaf(vars(made)[n])]
    vars(other).update({n: nudged(held.plain(vars(made)[n])) for n in mine})
    _, first, _ = _noted(other, x, y, 0.0)
    return tuple(n for n in mine if np.array_equal(first.get(n, vars(other)[n]), vars(other)[n]))


def _made_once(made: Trainee, x: Array, y: Array) -> Trainee:
    """The object after its own methods made parameters, as `self.params["W1"] = …` in init_weights(): they make them
    once, and not again in each turn."""
    turn: Turn = made.of_turn
    names = [n for n in dir(type(made)) if n in conventions.SETUP or re.match(conventions.INITIAL, n, re.IGNORECASE)]
    called: dict[str, Any] = {}

    def noting(name: str) -> Any:
        def call(self: Any, *given: Any, **named: Any) -> Any:
            called[name] = getattr(super(type(self), self), name)(*given, **named)
            return called[name]

        return call

    makers = [n for n in names if n != turn.method and inspect_method(made, n)]
    trial = held.copied(made)
    trial.__class__ = type(type(made).__name__, (type(made),), {n: noting(n) for n in makers})
    trial.one_turn(x, y, 0.0)
    silent = tuple(n for n, given in called.items() if given is None)
    grown = [n for n, v in vars(trial).items() if isinstance(v, dict) and not n.startswith("_handgrad")]
    if not silent or not any(held.places(vars(trial)[n]) for n in grown):
        return made
    kind = type(type(made).__name__, (type(made),), {n: lambda self, *_, **__: None for n in silent})
    trial.__class__ = kind
    return trial  # type: ignore[no-any-return]  # its class is a mixture


def _held(before: Any, first: Any) -> bool:
    """Whether a first assignment is an update of what the constructor made."""
    mine, new = _numbers(before), _numbers(first)
    return bool(mine) and [a.shape for a in mine] == [a.shape for a in new]


def _numbers(value: Any) -> list[Array]:
    if type(value) is int:
        return []
    return [held.plain(place.get()) for place in held.places({"": value}).values()]  # a list of a float is an array


def _moved(first: Any, last: Any) -> bool:
    if type(first) is int and held.is_number(last):
        return True
    a, b = _numbers(first), _numbers(last)
    return len(a) == len(b) > 0 and any(
        p.shape == q.shape and not np.array_equal(p, q) for p, q in zip(a, b, strict=True)
    )


def _spread(value: Any) -> Any:
    """Numbers that are 0 leave it, so that none hides what is forgotten."""
    if type(value) is int or held.is_number(value):
        return float(value) or 0.25
    root = [held.copied(value)]
    for place in held.places(root).values():
        a = held.plain(place.get())
        place.put(np.where(a == 0, np.linspace(-0.5, 0.75, a.size).reshape(a.shape), a).astype(a.dtype))
    return root[0]


def _says(made: Any, name: str, start: Any, x: Array, y: Array) -> bool:
    """Whether anything of a turn, or what a method says, depends on a parameter, but itself and what moves it."""
    other = held.copied(made)
    vars(other)[name] = start if type(start) is not int else float(start)
    a, b = (_said(m, x, y) | held.copied(m).one_turn(x, y, 0.0) for m in (made, other))
    return any(isinstance(v, np.ndarray | float) and not np.array_equal(v, b.get(k)) for k, v in a.items())


def _said(made: Trainee, x: Array, y: Array) -> dict[str, Any]:
    """What the methods say that predict, or say a loss of given data."""
    found = {}
    for n in dir(type(made)):
        f = inspect_method(held.copied(made), n)
        if f is None or not (n in conventions.PREDICTS or re.fullmatch(conventions.OWN_LOSS, bare(n))):
            continue
        with contextlib.suppress(Exception):  # it takes something else
            found[f"{n}()"] = f(x, y) if _of_data(f, made.of_turn) else f(x)
    return found


def _readings(op: Any, made: Trainee, x: Array, y: Array) -> Iterator[Reading]:
    turn: Turn = made.of_turn
    alone = (Argument("X"),)
    both = alone if turn.itself else (*alone, Argument("y", "target"))
    whole = tuple(("argument", a.name) for a in both)
    base = Reading(
        type(op).__name__,
        "net",
        op,
        made,
        both,
        Step("said", (("argument", "X"),)),
        Step("step", whole),
        said=f"one turn of {turn.method.rstrip('_')}" + (" on one sample" if turn.one else ""),
        single=turn.one,
        itself=turn.itself != "",
    )
    losses, predicted = _outputs(made, x, y)
    turn = made.of_turn
    for name, times in [(n, t) for n in losses for t in ((False, True) if n.endswith(loops.VALUE) else (False,))]:
        root = held.copied(made)
        _turned(root, replace(turn, output=name, times=times))
        of = f"{'the number of samples · ' * times}{name.removesuffix(loops.VALUE)}"
        method = inspect_method(root, name)
        root, off = _without_penalty(root, x, y) if method and required(method) else (root, "")
        yield replace(
            base, root=root, forward=Step("said", whole), own=True, said=f"{base.said}{off}, as the gradient of {of}"
        )
    if predicted:
        root = held.copied(made)
        _turned(root, replace(turn, output=predicted))
        root, off = (root, "") if losses else _without_penalty(root, x)  # of a decay no formula knows
        found = {} if inspect_method(made, predicted) else held.copied(made).one_turn(x, y, 0.0)
        if _order(found, x, turn.by_columns) is not None:  # else what is predicted is held against others' targets
            back = held.copied(root)
            _turned(back, replace(turn, output=predicted, shuffled=True))
            yield replace(base, root=back, formulas=True, said=f"{base.said}{off} with {predicted}")
        yield replace(base, root=root, formulas=True, said=f"{base.said}{off} with {predicted}")


def _without_penalty(root: Trainee, *data: Array) -> tuple[Trainee, str]:
    """The object with what weighs a penalty at 0, where it moves nothing of what is said; and what tells so."""
    off = []
    for n, value in [*vars(root).items(), *root.of_turn.named]:
        if not _weighs(n, value, root.of_turn.called):
            continue
        other, named = held.copied(root), dict(root.of_turn.named)
        if n in named:
            _turned(other, replace(root.of_turn, named=tuple((named | {n: 0.0}).items())))
        else:
            vars(other)[n] = 0.0
        with contextlib.suppress(Exception), np.errstate(all="ignore"):  # it says nothing of these data
            here, there = (held.copied(r).said(*data) for r in (root, other))
            if np.array_equal(here, there, equal_nan=True):
                root = other
                off.append(n)
    return root, f" at {', '.join(off)} = 0" if off else ""


def _asked(made: Trainee, turn: Turn, *data: Array) -> Array:
    """What a turn of another output says."""
    root = held.copied(made)
    _turned(root, turn)
    return np.asarray(root.said(*data))


RANDOM = ("rand", "random", "random_sample", "uniform", "ranf", "sample")


def _draws_states(made: Trainee, x: Array, y: Array) -> bool:
    """Whether what a turn draws is held against, or drawn with, numbers that its weights make: `p > np.random.rand(…)`,
    `binomial(1, p)`. Of a dropout that is one number."""
    found = {f"self.{n}": v for n, v in vars(made).items()} | held.copied(made).one_turn(x, y, 0.0)
    methods = [f for k in type(made).__mro__ for f in vars(k).values() if isinstance(f, types.FunctionType)]

    def drawn(node: ast.AST) -> bool:
        calls = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
        return any(getattr(f, "attr", getattr(f, "id", "")) in RANDOM for f in calls)

    def of_arrays(node: ast.AST) -> bool:
        names = [ast.unparse(n) for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)]
        return any(isinstance(found.get(n), np.ndarray) and found[n].size > 1 for n in names)

    for node in (n for f in methods if (tree := source.tree(inspect.unwrap(f))) for n in ast.walk(tree)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(drawn, sides)) and any(of_arrays(side) for side in sides if not drawn(side)):
                return True
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("binomial", "bernoulli"):
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "p")]
            if any(map(of_arrays, given)):
                return True
    return False


MEASURES = r"\w*(mse|error)"
"""What a method that is given data may be called, though it measures a net that is trained on another loss."""


def _own_losses(made: Trainee, moved: Trainee, x: Array, y: Array) -> list[str]:
    """The methods that say the loss of the data that the object keeps, or that they are given."""
    found = []
    # A turn may change its data first, by their scale or to targets of ±1: its loss is then given others.
    seen = held.copied(made).one_turn(x, y, 0.0)
    first = [p.name for p in required(getattr(made, made.of_turn.method))[:1]]
    mine = [(a, x) for n, a in seen.items() if n in first]
    mine += [(a, y) for n, a in seen.items() if role(n) == "target" and np.shape(a) == y.shape]
    changed = not all(np.array_equal(*pair) for pair in mine) and _order(seen, x, made.of_turn.by_columns) is None
    for n in dir(type(made)):
        f = inspect_method(made, n)
        if f is None or not re.fullmatch(conventions.OWN_LOSS, bare(n)):
            continue
        if required(f) and (changed or not _of_data(f, made.of_turn) or re.fullmatch(MEASURES, bare(n))):
            continue
        try:
            here, there = (np.asarray(_asked(m, replace(made.of_turn, output=n), x, y)) for m in (made, moved))
        except Exception:  # it says none of these data
            continue
        found += [n] if here.size == 1 and here.dtype.kind == "f" and here != there else []
    return found


def _outputs(made: Trainee, x: Array, y: Array) -> tuple[list[str], str]:
    """The losses of one turn, by their names, and what it predicts: a method, a local or an attribute."""

    def seen(root: Any, y: Array) -> dict[str, Any]:
        shared = held.shared_generators()
        found = root.one_turn(x, y, 0.0)
        held.put_back(shared)
        mine = {n: v for n, v in vars(root).items() if n not in turn.anew}
        return {k: v[-1] if isinstance(v, list) and v else v for k, v in {**mine, **found}.items()}

    turn: Turn = made.of_turn
    moved = held.copied(made)
    start = {p: held.plain(place.get()) for p, place in held.places(moved).items()}
    for path, place in held.places(moved).items():
        if not re.fullmatch(conventions.TURNS, bare(path)):
            place.put(np.asarray(start[path] + 1e-3 * (nudged(start[path]) - start[path]), start[path].dtype))
    rolled = y if turn.itself else np.roll(y, 1, axis=-1 if turn.by_columns else 0)
    here, there, other = (seen(held.copied(m), t) for m, t in ((made, y), (moved, y), (made, rolled)))
    depends = {
        k: np.asarray(v)
        for k, v in here.items()
        if isinstance(v, np.ndarray | float)
        and np.asarray(v).dtype.kind == "f"
        and k in there
        and np.shape(v) == np.shape(there[k])
        and not np.array_equal(v, there[k])
    }
    named_so = [k for k, v in depends.items() if v.size == 1 and re.fullmatch(conventions.LOSSES, bare(k))]
    losses = list({float(depends[k].ravel()[0]): k for k in named_so}.values()) or _own_losses(made, moved, x, y)
    known = [k for k, v in depends.items() if k in other and np.array_equal(v, other[k])]
    samples = y.shape[-1] if turn.by_columns else len(y)
    fits = [
        k
        for k in known
        if depends[k].size == y.size or (y.ndim == 1 and depends[k].ndim == 2 and len(depends[k]) == samples)
    ]
    for n in conventions.PREDICTS:
        f = inspect_method(made, n)
        if f is None or len(required(f)) != 1:
            continue
        for alone in (False, True) if turn.one and not turn.by_columns else (False,):
            try:
                a, b = (_asked(m, replace(turn, output=n, alone=alone), x) for m in (made, moved))
            except Exception:  # it takes something else
                continue
            fitting = a.size == y.size if alone else samples in a.shape
            if a.dtype.kind == "f" and a.shape == b.shape and not np.array_equal(a, b) and fitting:
                _turned(made, replace(turn, alone=alone))
                return losses, n
    named = [k for k in fits if role(k) == "pred" or (turn.itself and re.fullmatch(conventions.DECODED, bare(k)))]
    named = [k for k in named if not any(k.startswith(f"{n}_") for n in named)]  # yhat_inv is another thing
    return losses, (named or fits or [""])[-1]
