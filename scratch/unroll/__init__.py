"""The step of a `Trainer`, written out: straight-line NumPy with arrays that are made once.

`unroll(trainer).step(x, y)` does what `trainer.step(x, y)` does, bit for bit, and `source(x, y)` is the program that
does it. No op has a second form for this. The text comes from running the step once on copies, in a second execution
of the source of `scratch` whose NumPy, `math`, `float`, `int`, `max` and `min` write down what they are asked
(`record.py`, `twin.py`), and from that record (`write.py`).

Why nothing can be frozen in silence:

- What is recorded is no array and no number of Python's. A function that is not on record cannot take it; it raises,
  and the step is refused. So every number that depends on data, on the optimizer's options or on its counts is either
  computed by the program or stops it from being made.
- Where the code asks whether such a number is true, the program asks as well. If the answer is another one, this
  program does not hold: it changes nothing, and `Trainer` makes the step, with its errors.
- What is a constant of the program (options of layers and of the loss, shapes, `training`, which state there is, the
  arrays themselves) is compared with what stands there before every step.
- A new program makes three steps on copies, of the batch in another order and with another learning rate, beside
  `Trainer`. If one bit of the loss, a parameter, a gradient, the state or a generator differs, it is refused.

A program belongs to the shapes, dtypes and memory order of x and y. One that does not fit is kept for when it does.
"""

import copy
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks
from scratch.flags import without_underflow
from scratch.losses.loss import Criterion
from scratch.module import Module, Parameter, RowParameter
from scratch.optim import LBFGS
from scratch.trainer import Trainer
from scratch.unroll.record import Number, Record, UnrollError, Value
from scratch.unroll.twin import FORGOTTEN, OWN, TWIN, Shadow, named, varies_in_steps
from scratch.unroll.write import Ends, Text, Writer, owner, short_name

__all__ = ["UnrollError", "Unrolled", "unroll"]

Batch = npt.NDArray[Any]
CHANGES = {*FORGOTTEN, "grad", "mask", "slopes"}
"""Attributes that every step sets anew."""
VARIANTS = 4
"""Programs for one batch shape that differ in how the code branched; a step that needs one more is `Trainer`'s."""


def unroll(trainer: Trainer) -> "Unrolled":
    """An object whose `step` is that of `trainer`, written out.

    Raises UnrollError (a TypeError) for what cannot be written out: classes of one's own, LBFGS, the tables of
    Embedding(sparse=True), and parameters that learn but are not the optimizer's, whose gradients would add up.
    """
    return Unrolled(trainer)


class Unrolled:
    """A trainer's step as straight-line programs, made when a batch first needs one.

    After a step parameters, buffers, optimizer state and generators are those of `Trainer`, and `parameter.grad` is its
    gradient, in an array that the next step writes over. What layers remember for a backward of their own is forgotten.
    After a step that an error of NumPy's ended in its backward pass or later there are no gradients.
    Both objects may be used in turn. Not for two threads at once: a program has one set of arrays.
    """

    def __init__(self, trainer: Trainer) -> None:
        checks.belongs("unroll", "trainer", trainer, Trainer, "a Trainer")
        if isinstance(trainer.optimizer, LBFGS):
            raise UnrollError("LBFGS keeps a history that grows, so that every step is another program")
        self.trainer = trainer
        self._bound: dict[Any, _Bound] = {}
        self._texts: dict[Any, list[Text]] = {}
        self._latest: _Bound | None = None
        for _ in _leaves(trainer):  # refuses what is not of scratch
            pass

    @without_underflow
    def step(self, x: Batch, y: Batch) -> float:
        """Train on one batch and return its loss before the update. Bad input raises and changes nothing."""
        bound = self._latest
        if bound is None or not bound.holds(x, y):
            bound = self._find(x, y)
            if bound is None:
                return self.trainer.step(x, y)
        for run, text in bound.programs:
            try:
                value = run(x, y)
            except Exception as error:
                if not text.before_backward(error):  # as np.errstate(over="raise") wants it
                    self.trainer.optimizer.zero_grad()
                raise
            if value is not None:
                bound.forget()
                return value
        return self._other(bound, x, y)

    def source(self, x: Batch, y: Batch) -> str:
        """The program for batches like this one, after the first step of the optimizer."""
        after = copied(self.trainer)
        after.step(x, y)
        return self._text(after, x, y).source

    def texts(self) -> Iterator[tuple[int, list[Text]]]:
        """The programs made so far: for batches of so many rows, those that are tried in turn."""
        for (x, *_), texts in self._texts.items():
            yield x[0][0], texts

    # --- finding the program --------------------------------------------------------------------------------------

    def _find(self, x: Batch, y: Batch) -> "_Bound | None":
        """The programs for this batch, bound to the trainer's arrays; None where this step is for `Trainer` to make."""
        if not all(type(a) is np.ndarray and (a.flags.c_contiguous or a.flags.f_contiguous) for a in (x, y)):
            return None
        for parameter in self.trainer.optimizer.parameters():
            self.trainer.optimizer.state.setdefault(parameter, {})  # as the first step would, and no more
        key = _key(self.trainer, x, y)
        if key not in self._texts:
            after = copied(self.trainer)
            with np.errstate(all="ignore"):
                after.step(x, y)  # raises what Trainer raises
                key_after = _key(after, x, y)
                text = self._text(after, x, y)
            self._texts.setdefault(key_after, []).append(text)
            if key not in self._texts:  # a step which makes the optimizer's state is made once
                return None
        self._latest = _Bound(self.trainer, self._texts[key], x, y)
        return self._latest

    def _other(self, bound: "_Bound", x: Batch, y: Batch) -> float:
        """The step where no program holds: the code branches in another way."""
        texts = self._texts[_key(self.trainer, x, y)]
        if len(texts) < VARIANTS:
            with np.errstate(all="ignore"):
                copied(self.trainer).step(x, y)  # raises what Trainer raises
            try:
                texts.append(self._text(copied(self.trainer), x, y))
            except UnrollError:  # such a step is the trainer's from now on
                texts += [texts[0]] * (VARIANTS - len(texts))
            self._latest = None
        return self.trainer.step(x, y)

    def _text(self, trainer: Trainer, x: Batch, y: Batch) -> Text:
        """A program for the state of this copy of the trainer, which then trains on, to prove it."""
        try:
            text = Context().run(written, copied(trainer), x, y)
        except UnrollError as error:
            raise UnrollError(f"unroll: this step cannot be written out: {error}") from error
        except Exception as error:
            raise UnrollError(f"unroll: this step cannot be written out: {type(error).__name__}: {error}") from error
        _prove(text, trainer, x, y)
        return text


class _Bound:
    """Programs that work on a trainer's own arrays."""

    def __init__(self, trainer: Trainer, texts: list[Text], x: Batch, y: Batch) -> None:
        _forget(trainer)
        made = [(text, *compiled(text, trainer)) for text in dict.fromkeys(texts)]
        self.programs = [(run, text) for text, run, _ in made]
        arrays = {id(_owner(array)) for *_, arrays in made for array in arrays}
        self.holds = _holding(trainer, x, y, {path for text in texts for path in text.replaced}, arrays)
        memories = [vars(part) for part in _objects(trainer) if isinstance(part, Module | Criterion)]
        self.forget = _forgetting(memories)


def compiled(text: Text, trainer: Trainer) -> tuple[Callable[[Batch, Batch], float | None], list[Batch]]:
    """The program, and the arrays that it works on."""
    made: dict[str, Any] = {}
    exec(text.code, made)
    step: Callable[[Batch, Batch], float | None] = made["written_out"](trainer)
    cells = [cell.cell_contents for cell in getattr(step, "__closure__", None) or ()]
    arrays = [value for value in cells if isinstance(value, np.ndarray)]
    if not text.gives_back:
        return step, arrays
    buffers = [buffer.data for buffer in trainer.buffers]
    generators = [value for _, value, _, _ in _leaves(trainer) if isinstance(value, np.random.Generator)]

    def run(x: Batch, y: Batch) -> float | None:
        kept = [buffer.copy() for buffer in buffers]
        states = [generator.bit_generator.state for generator in generators]
        value, changed = None, True
        try:
            value = step(x, y)
            changed = value is None
        except Exception as error:
            changed = text.before_backward(error)
            raise
        finally:
            if changed:
                for buffer, data in zip(buffers, kept, strict=True):
                    buffer[...] = data
                for generator, state in zip(generators, states, strict=True):
                    generator.bit_generator.state = state
        return value

    return run, arrays


def _owner(array: Batch) -> Any:
    """Whose memory an array shows: its own, or that of the array that it is a view of."""
    return array if array.base is None else array.base


# --- what a trainer is made of ------------------------------------------------------------------------------------


def _leaves(trainer: Trainer) -> Iterator[tuple[str, Any, Any, Any]]:
    """Everything that a step may read: the path, the value, and the dict or list that holds it under which key.

    Raises UnrollError for what is not of scratch.
    """
    seen: set[int] = set()
    paths: dict[int, str] = {}

    def walk(given: Any, path: str, holder: Any, key: Any) -> Iterator[tuple[str, Any, Any, Any]]:
        kind = type(given)
        yield path, given, holder, key
        if given is None or isinstance(given, bool | int | float | str | np.generic | np.ndarray | np.random.Generator):
            return
        if id(given) in seen and kind is not tuple:
            return
        seen.add(id(given))
        if kind is dict:
            for name, part in given.items():
                own = repr(name) if isinstance(name, str) else paths.get(id(name), "")
                yield from walk(part, f"{path}[{own}]", given, name)
        elif kind in (list, tuple):
            for i, part in enumerate(given):
                yield from walk(part, f"{path}[{i}]", given, i)
        elif kind.__module__.partition(".")[0] in OWN and not isinstance(given, RowParameter):
            paths[id(given)] = path
            for name, part in vars(given).items():
                if name not in CHANGES:
                    yield from walk(part, f"{path}.{name}", vars(given), name)
        else:
            sparse = " of an Embedding(sparse=True)" if isinstance(given, RowParameter) else ""
            raise UnrollError(
                f"unroll: {named(path)} is a {kind.__name__}{sparse}; what it reads in a step is not known"
            )

    yield from walk(trainer, "trainer", None, None)
    owned = set(map(id, trainer.optimizer.parameters()))
    for name, parameter in trainer.model.named_parameters():
        if id(parameter) not in owned and parameter.requires_grad:
            raise UnrollError(
                f"unroll: {name} learns but is not the optimizer's, and its gradients would add up; freeze it by "
                "requires_grad_(False)"
            )


def _objects(trainer: Trainer) -> list[Any]:
    found = {id(value): value for _, value, _, _ in _leaves(trainer)}
    return [v for v in found.values() if type(v).__module__.partition(".")[0] in OWN]


def _key(trainer: Trainer, x: Batch, y: Batch) -> Any:
    """What the program depends on, but for the objects themselves."""
    parts: list[Any] = [_laid(x), _laid(y)]
    for path, value, _, _ in _leaves(trainer):
        if isinstance(value, np.ndarray):
            described: Any = _laid(value)
        elif varies_in_steps(path, value):
            described = "a number"
        elif value is None or isinstance(value, bool | int | float | str | np.generic):
            described = repr(value)
        else:
            described = len(value) if isinstance(value, list | tuple | dict) else ""
        parts.append((path, type(value), described))
    return tuple(parts)


def _laid(array: Any) -> tuple[Any, ...]:
    return array.shape, array.dtype.str, array.strides


def _holding(trainer: Trainer, x: Batch, y: Batch, replaced: set[str], arrays: set[int]) -> Callable[[Any, Any], bool]:
    """Whether a step still has the same batch shapes, and finds in the trainer what it found when it was bound."""
    names: dict[str, Any] = {"ndarray": np.ndarray, "laid": _laid, "arrays": arrays}
    tests = []
    for name, batch in (("x", x), ("y", y)):
        names |= {f"{name}_shape": batch.shape, f"{name}_strides": batch.strides, f"{name}_dtype": batch.dtype}
        tests.append(f"type({name}) is ndarray")
        tests += [f"{name}.{what} == {name}_{what}" for what in ("shape", "strides", "dtype")]
        shown = f"({name} if {name}.base is None else {name}.base)"
        tests.append(f"id({shown}) not in arrays")  # as a gradient is, which the step writes over
    holders: dict[int, str] = {}
    for path, value, holder, key in _leaves(trainer):
        if holder is None or type(holder) is tuple:
            continue
        if id(holder) not in holders:
            holders[id(holder)] = f"d{len(holders)}"
            names[holders[id(holder)]] = holder
            tests.append(f"len({holders[id(holder)]}) == {len(holder)}")
        if varies_in_steps(path, value):
            tests.append(f"type({holders[id(holder)]}[{key!r}]) is {type(value).__name__}")
        elif path in replaced:
            names[f"v{len(tests)}"] = _laid(value)
            tests.append(f"laid({holders[id(holder)]}[{key!r}]) == v{len(tests)}")
        else:
            names[f"v{len(tests)}"] = value
            shown = repr(key)
            if not isinstance(key, str | int):
                shown = f"k{len(tests)}"
                names[shown] = key
            tests.append(f"{holders[id(holder)]}[{shown}] is v{len(tests)}")
    source = f"def holds(x, y):\n    return {' and '.join(tests)}"
    holds: Callable[[Any, Any], bool] = _function(source, names)
    return holds


def _forgetting(memories: list[dict[str, Any]]) -> Callable[[], None]:
    names = {f"m{i}": memory for i, memory in enumerate(memories)}
    source = "def forget():\n    " + " = ".join([*(f"{name}['_memory']" for name in names), "None"])
    forget: Callable[[], None] = _function(source, names)
    return forget


def _function(source: str, names: dict[str, Any]) -> Any:
    """The function of this source; `names` are its variables, found faster in an enclosing function than globally."""
    inside = "\n".join("    " + line for line in source.splitlines())
    name = source.split("(")[0].removeprefix("def ")
    made: dict[str, Any] = {}
    exec(f"def make({', '.join(names)}):\n{inside}\n    return {name}", made)
    return made["make"](**names)


def _forget(trainer: Trainer) -> None:
    for part in _objects(trainer):
        if isinstance(part, Module | Criterion):
            vars(part)["_memory"] = None
            if "_repeats" in vars(part):
                vars(part)["_repeats"] = {}


def copied(trainer: Trainer) -> Trainer:
    _forget(trainer)  # what layers remember need not be copied
    return copy.deepcopy(trainer)


# --- making a program ---------------------------------------------------------------------------------------------


@np.errstate(all="ignore")
def written(trainer: Trainer, x: Batch, y: Batch, evaluates: bool = False) -> Text:
    """The program of the next step of a copied trainer; or of its output and its loss as they are."""
    record = Record()
    shadow = Shadow(record)
    made = shadow.of(trainer, "trainer")
    parts = shadow.objects
    states = list(made.optimizer.state.items())
    before = [dict(vars(part)) for part in parts], [dict(state) for _, state in states]
    TWIN.stage.record = record
    try:
        batch = record.array(x.copy("K"), path="x"), record.array(y.copy("K"), path="y")
        if evaluates:
            output = made.model.forward(batch[0])
            returns = [output, record.call("float", float, (made.loss.forward(output, batch[1]),))]
        else:
            returns = [made.step(*batch)]
    finally:
        TWIN.stage.record = None
        record.open = False
    stores: list[tuple[str, str, Any, bool]] = []
    for part, was in zip(parts, before[0], strict=True):
        for name, value in vars(part).items():
            path = vars(part)["__path__"]
            if name == "grad" and value is None and part in made.optimizer.parameters():
                stores.append((f"vars({path})", name, None, False))  # of a frozen parameter
            if value is was.get(name) or name in FORGOTTEN:
                continue
            if name not in CHANGES or not isinstance(value, Value):
                raise UnrollError(f"the step sets {named(path)}.{name}")
            stores.append((f"vars({path})", name, value, name != "grad"))
            if name == "grad":
                record.hints[id(value)] = f"grad_{short_name(path + '.data')}"
                record.hints.setdefault(id(owner(value)), f"grad_{short_name(path + '.data')}_T")
    for (parameter, state), was in zip(states, before[1], strict=True):
        for name, value in state.items():
            if value is not was.get(name):
                stores.append((f"trainer.optimizer.state[{vars(parameter)['__path__']}]", name, value, True))
    if not isinstance(returns[-1], Number):
        raise UnrollError("the loss does not depend on the batch")
    names = (repr(part).split("(")[0] for part in (trainer.model, trainer.loss, trainer.optimizer))
    model, criterion, optimizer = (name.strip() for name in names)
    shapes = f"x of {x.dtype} {x.shape} and y of {y.dtype} {y.shape}"
    what = "evaluation" if evaluates else "training step"
    title = f"One {what} of {model}, {criterion} and {optimizer}, for {shapes}, written out."
    text = Writer(record, Ends(returns, stores), title).text()
    record.let_go()
    return text


def _prove(text: Text, trainer: Trainer, x: Batch, y: Batch) -> None:
    """Three steps beside the trainer's, on a copy: batches in another order, another learning rate. To the last bit."""
    theirs, ours = trainer, copied(trainer)
    program, _ = compiled(text, ours)
    with np.errstate(all="ignore"):
        for number in range(3):
            batch = [np.roll(a, number, 0).copy("K") if a.ndim else a for a in (x, y)]
            batch = [
                np.asarray(a, order="F") if b.flags.f_contiguous else a for a, b in zip(batch, (x, y), strict=True)
            ]
            for side in (theirs, ours):
                for group in side.optimizer.param_groups:
                    if isinstance(group["lr"], float):
                        group["lr"] *= 1 + number / 8
            expected, value = theirs.step(*batch), program(*batch)
            if value is None:
                if number == 0:
                    raise UnrollError("unroll: the program does not hold for the batch it was made from")
                return  # the branches are other ones: Trainer makes such a step
            _same("the loss", np.float64(expected), np.float64(value))
            for (path, one, _, _), (_, other, _, _) in zip(_leaves(theirs), _leaves(ours), strict=True):
                if isinstance(one, np.ndarray | int | float):
                    _same(named(path), np.asarray(one), np.asarray(other))
                elif isinstance(one, np.random.Generator):
                    if repr(one.bit_generator.state) != repr(other.bit_generator.state):
                        raise UnrollError(f"unroll: {named(path)} is not where Trainer's is")
                elif isinstance(one, Parameter) and one.grad is not None:
                    _same(f"the gradient of {named(path)}", one.grad, np.asarray(other.grad))


def _same(what: str, expected: Any, value: Any) -> None:
    if expected.dtype != value.dtype or expected.shape != value.shape or expected.tobytes() != value.tobytes():
        raise UnrollError(f"unroll: {what} of the step written out is not that of Trainer")
