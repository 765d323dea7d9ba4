"""Hand-written code as a subject: a `Reading` that runs, with what it keeps and where its gradients are found.

Gradients are found by shape and value, not by name. Every array that backward returns, in whatever tuples and dicts,
that it makes or changes in what the code keeps, that hangs on its inputs (`x.g`), or that a method with such a name
then gives, is a *candidate* with a label. `match` says which candidate is the gradient of what.
"""

import copy
import functools
import math
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from handgrad.check import held, source
from handgrad.check.conventions import PLAIN, alike, bare, is_upstream, kin, stems
from handgrad.check.held import Kept, Namespace, Place
from handgrad.check.inputs import WEIGHTS, part
from handgrad.check.readings import Plain, Reading, Slot, Step
from handgrad.check.subject import (
    Array,
    Case,
    CheckError,
    Values,
    attribute,
    cast,
    changed,
    format_of,
    numbers,
    one_line,
    required,
)

OUTPUTS = (
    "output",
    "outputs",
    "out",
    "y",
    "a",
    "A",
    "z",
    "Z",
    "activation",
    "activations",
    "result",
    "y_hat",
    "yhat",
    "loss",
)
STEP = "its own step"  # the label of a gradient that is how far backward moved the parameter
TOTAL = "sum of the gradients of "  # and of one that several layers that share the parameter have a part of
Candidates = dict[str, Any]


@dataclass
class Ran:
    """One forward: what it was given, what it returned, and what the subject's output is of it."""

    arguments: dict[str, Any]
    outputs: list[Any]
    memory: list[Any]
    value: list[Any]
    listed: bool = False
    upstreams: list[Any] = field(default_factory=list)


class Written:
    """The subject of a reading. `probe` finds its parameters and gradients at a first case."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.name, self.kind, self.source = reading.name, reading.kind, reading.source
        self.arguments = tuple(a.name for a in reading.arguments)
        self.loss = reading.kind == "loss"
        self.composite = reading.composite
        self.parameters: Values = {}
        self.paths: dict[str, str] = {}  # of the places of the parameters
        self.picks: dict[str, str] = {}  # the label of each variable's gradient
        self.targets: tuple[str, ...] = () if reading.target is None else (reading.target,)
        self.predicts = next((a.name for a in reading.arguments if a.role != "target"), "")
        self.lone = False  # whether backward returns one array
        self.rows: set[str] = set()  # the variables whose numbers have a row in their gradient, whatever their shape
        self.left: list[str] = []  # what backward returned that is the gradient of nothing
        self.shapes: dict[str, tuple[int, ...]] = {}  # of that
        self.returned: dict[str, tuple[int, ...]] = {}  # of gradients of another shape than what they belong to
        self.unseen: list[str] = []  # what the output depends on, without a gradient
        self.constants: list[str] = []  # and what of that is data, or an option of a loss
        self.options: set[str] = set()  # single numbers: parameters only if backward moves or names them
        self.said = reading.said
        self.pristine = self.copied(reading.root)
        held.rewritten(self.pristine, held.in_dtype(np.dtype(np.float64)))
        self._set_rates(self.pristine)
        self._set_optimizers(self.pristine)
        self.states: set[str] = set()  # the places of those that the first call of a cell starts from
        # Whether it keeps a state of as many samples as the first case has, or a formula counts them.
        self.batched = bool(reading.built) or (reading.itself and reading.formulas)
        self.draws = True  # whether the shared generators are put back before each call
        self.shared: list[Any] | None = None  # the shared generators, as they are put back
        self._started: tuple[Any, Values] | None = None
        self._working: dict[np.dtype[Any], Kept] = {}
        self._places: dict[np.dtype[Any], dict[str, Place]] = {}

    def copied(self, root: Any) -> Any:
        try:
            return held.copied(root)
        except Exception as error:
            raise CheckError(f"{self.name} cannot be copied ({one_line(error)}); the check works on copies") from error

    def restart(self, root: Any) -> None:
        """Take a root that has seen a forward as the one to start from."""
        self.pristine = self.copied(root)
        self.learn({}, {})

    def learn(self, paths: dict[str, str], parameters: Values) -> None:
        """Take these places for the parameters."""
        self.paths, self.parameters = paths, parameters
        self._working.clear()
        self._places.clear()

    def still(self) -> None:
        """Code that has not drawn a number by now needs none of the shared generators put back."""
        if self.draws and held.untouched(self._working[np.dtype(np.float64)].shared):
            self.draws, self.shared = False, []
            for kept in self._working.values():
                kept.shared = []

    def forget(self, name: str) -> None:
        """A number that has no gradient is an option, and no parameter."""
        self.learn(
            {n: p for n, p in self.paths.items() if n != name}, {n: a for n, a in self.parameters.items() if n != name}
        )

    def refuse(self, raw: Any) -> None:
        """CheckError for what a backward returned, if it is no array of numbers."""
        numbers(raw, f"{self.name}: backward must compute arrays of numbers")

    def _set_rates(self, root: Any) -> None:
        """A learning rate that the object keeps is 1: then its step is its gradient."""
        for path, place in held.places(root).items():
            if held.is_number(place.get()) and _is_rate(path.rpartition(".")[2]):
                held.store(place.owner, place.key, 1.0)
        for name in filter(_is_rate, dir(type(root))):
            if held.is_number(attribute(root, name)) and hasattr(root, "__dict__"):
                vars(root).setdefault(name, 1.0)

    def _set_optimizers(self, root: Any) -> None:
        """An optimizer that the object keeps, or is to make, is plain descent: the step of another is no gradient."""
        for _, owner in held.owners(root):
            for name, value in list(getattr(owner, "__dict__", {}).items()):
                kept = type(value).__module__ != "builtins" and not isinstance(value, type | np.ndarray)
                if re.fullmatch(OPTIMIZERS, bare(name)) and (value is None or kept):
                    held.store(owner, name, Plain(value))

    # --- running ------------------------------------------------------------------------------------------------------

    def kept(self, dtype: np.dtype[Any]) -> tuple[Kept, dict[str, Place]]:
        """A copy of what the code keeps in a format, as it was before any call."""
        if dtype not in self._working:
            root = held.copied(self.pristine)
            if dtype.kind == "c":
                mine = {id(held.places(root)[path].get()) for path in self.paths.values()}
                complex_ = _complex(mine)
                held.rewritten(root, complex_)
            elif dtype != np.float64:
                held.rewritten(root, held.in_dtype(dtype))
            found = held.places(root)
            made = Kept(root, self.draws)
            # In every format, and whatever is learned of the parameters, the same numbers are drawn.
            self.shared = made.shared = made.shared if self.shared is None or not self.draws else self.shared
            self._working[dtype] = made
            self._places[dtype] = {name: found[path] for name, path in self.paths.items()}
        return self._working[dtype], self._places[dtype]

    def fresh(self, case: Case, values: Values) -> tuple[Any, dict[str, Place]]:
        kept, places = self.kept(format_of(values))
        kept.back()
        for name, place in places.items():
            place.put(values[name])
        return kept.root, places

    def run(self, root: Any, given: dict[str, Any]) -> Ran:
        """Forward, and the loss of its outputs where the reading has one."""
        r = self.reading
        arguments = {n: held.as_tensor(a) for n, a in given.items()} if r.tensors else given
        ran = Ran(arguments, [], [], [])
        raw = self._call(root, r.forward, ran)
        ups = r.backward.upstreams if r.backward else 1
        raw = self._apart(raw)
        ran.outputs, ran.memory, ran.listed = self._split(raw, max(ups, 1), root, arguments)
        ran.value = ran.outputs
        if r.backward is None and np.size(held.plain(ran.outputs[0])) != 1:
            raise CheckError(f"{self.name}: {r.forward.name} must return a loss, one number, beside its gradients")
        if r.loss is not None:
            value = self._call(root, r.loss, ran)
            ran.value = [value[0] if isinstance(value, tuple) else value]
        elif r.formula is not None:
            ran.value = [r.formula(held.plain(ran.outputs[0]), held.plain(arguments[r.against]))]
        if r.carried:
            ran.value = [held.plain(ran.value[0]) + self._later(ran)]
        return ran

    def _later(self, ran: Ran) -> Any:
        """The part of the loss that later steps have in it, of which `_next` is the gradient."""
        return sum((_next(state) * state).sum() for state in (held.plain(ran.memory[i]) for i in self.reading.carried))

    def ask(self, root: Any, ran: Ran, upstream: Array) -> Any:
        """Backward; what it returns."""
        r = self.reading
        if r.backward is None:
            nested = len(ran.memory) == 1 and isinstance(ran.memory[0], tuple)  # (loss, (dw, db))
            return ran.memory[0] if nested else tuple(ran.memory)
        ran.upstreams = self._parted(upstream, ran)
        if r.marks:
            for output, u in zip(ran.outputs, ran.upstreams, strict=True):
                output.g = output.grad_ = u
        before = {n: copy.deepcopy(v) for n, v in self._weights(root, ran, r.backward).items()} if r.updates else {}
        raw = self._call(root, r.backward, ran)
        if r.behind_loss:
            if not isinstance(raw, tuple) or len(raw) < 2:
                raise CheckError(f"{self.name}: {r.backward.name} returns no gradients behind its loss")
            raw = raw[1] if len(raw) == 2 else raw[1:]
        return self._moves(before, raw) if before else self._apart(raw)

    def _weights(self, root: Any, ran: Ran, step: Step) -> dict[str, Any]:
        """The weights that a call is given, in the order of its arguments."""
        kept = {what: root.globals[bare(what)] for kind, what in step.slots if kind == "kept"}
        own = {what: ran.arguments[what] for kind, what in step.slots if kind == "argument" and part(what) in WEIGHTS}
        return own | kept

    def _moves(self, before: dict[str, Any], raw: Any) -> Any:
        """What a step at rate 1 moves the weights by, which is their gradient: before − after."""
        after = raw if isinstance(raw, tuple) else (raw,)
        if len(after) != len(before):
            return raw  # it returns the gradients themselves, or something else

        def moved(old: Any, new: Any) -> Any:
            if isinstance(old, dict):
                return {k: moved(v, new[k]) for k, v in old.items()}
            if isinstance(old, list | tuple) and not held.is_listed(old):
                return [moved(v, w) for v, w in zip(old, new, strict=True)]
            return np.asarray(old) - np.asarray(new)

        return tuple(moved(old, new) for old, new in zip(before.values(), after, strict=True))

    def _apart(self, raw: Any) -> Any:
        """What a call returned, the parts of a state one by one where forward takes such a tuple: h, (h, c)."""
        count = self.reading.forward.together
        if not count or not isinstance(raw, tuple):
            return raw
        ways = (v if isinstance(v, tuple) and len(v) == count and all(map(_numeric, v)) else (v,) for v in raw)
        return tuple(part for way in ways for part in way)

    def _call(self, root: Any, step: Step, ran: Ran) -> Any:
        given = [self._slot(root, slot, ran, step) for slot in step.slots]
        named = {name: self._slot(root, slot, ran, step) for name, slot in step.named}
        try:
            if isinstance(root, Namespace):
                return root.call(step.name, *given, **named)
            return operator.attrgetter(step.name)(root)(*given, **named)
        except SystemExit as error:  # of what it was given, perhaps
            raise RuntimeError(f"SystemExit({error.code!r})") from error

    def _slot(self, root: Any, slot: Slot, ran: Ran, step: Step) -> Any:
        kind, what = slot
        if kind == "tuple":
            return tuple(self._slot(root, part, ran, step) for part in what)
        if kind == "argument":
            return ran.arguments[what]
        if kind == "target":
            return ran.arguments[self.reading.target or ""]
        if kind == "first":
            return next(iter(ran.arguments.values()))
        if kind == "upstream":
            if not ran.listed and what >= len(ran.upstreams):
                raise IndexError(f"of {len(ran.upstreams)} outputs, it takes more gradients from above")
            return ran.upstreams if ran.listed else ran.upstreams[what]
        if kind == "output":
            return ran.outputs[0]
        if kind == "returned":
            return ran.memory[what]
        if kind == "next":
            return _next(held.plain(ran.memory[self.reading.carried[what]]))
        if kind == "cache":
            return self._cache(ran)
        if kind == "held":
            return getattr(root, what)
        if kind == "kept":
            return root.globals[bare(what)]
        if kind == "rate":
            return 1.0
        return copy.deepcopy(what) if isinstance(what, dict | list) else what

    def _cache(self, ran: Ran) -> Any:
        if not ran.memory:
            raise CheckError(f"{self.name}: backward takes a cache, but forward returns none")
        held_in = [v for v in ran.memory if isinstance(v, dict | list | tuple) and not held.is_listed(v)]
        if len(ran.memory) == 1 or (len(held_in) == 1 and sum(map(_numeric, ran.memory)) == len(ran.memory) - 1):
            return (held_in or ran.memory)[0]  # (a, y, cache): y is an output of which nothing comes back
        return tuple(ran.memory)

    def _split(self, raw: Any, count: int, root: Any, given: dict[str, Any]) -> tuple[list[Any], list[Any], bool]:
        """What forward returned, in outputs and what is meant for backward."""
        if raw is None:
            return self._attributes(root, given, count), [], False
        if any(raw is a for a in given.values()) and _numeric(loss := attribute(root, "loss")):
            return [loss], [], False  # a loss layer in a chain, which hands on what it is given
        if isinstance(raw, dict):
            last = [
                k
                for k in raw
                if _numeric(raw[k]) and re.fullmatch(r"a\d*|y_?hat|out(put)?s?|probs?|pred\w*|a_?out", bare(str(k)))
            ]
            if not last:
                raise CheckError(f"{self.name}: forward must return an array of numbers; got a dict")
            return [raw[max(last, key=lambda k: (len(str(k)), str(k)))]], [raw], False
        if type(raw) is list and not self.reading.takes_upstream and len(raw) == len(self._names):
            raw = tuple(raw)  # return [o, s]
        if type(raw) is list and not _numeric(raw) and raw and all(_numeric(v) for v in raw):
            if len({held.shape(v) for v in raw}) == 1 and self.reading.takes_upstream:
                return list(raw), [raw], True
            return [raw[-1]], [raw], False
        if isinstance(raw, tuple) and self.reading.predicted is not None:
            return [raw[self.reading.predicted]], list(raw), False
        if isinstance(raw, tuple):
            if not raw:
                raise CheckError(f"{self.name}: forward must return an array of numbers; got a tuple of 0")
            if (loss := self._loss_among(raw)) is not None:
                return [raw[loss]], [*raw[:loss], *raw[loss + 1 :]], False
            if _numeric(raw[0]):
                return list(raw[:count]), list(raw[count:]), False
            if _numeric(raw[-1]):
                return [raw[-1]], list(raw[:-1]), False
            if isinstance(raw[0], list) and raw[0] and _numeric(raw[0][-1]):  # (activations, zs)
                return [raw[0][-1]], list(raw), False
            raise CheckError(f"{self.name}: forward must return an array of numbers; got a tuple of {len(raw)}")
        return [raw], [], False

    @property
    def _before(self) -> Values:
        """The numbers that the code starts from, by their places."""
        if self._started is None or self._started[0] is not self.pristine:
            numbers = {p: held.plain(place.get()) for p, place in held.places(self.pristine).items()}
            self._started = self.pristine, numbers
        return self._started[1]

    @cached_property
    def _above(self) -> list[str]:
        """What the arguments of backward are called."""
        root, step = self.reading.root, self.reading.backward
        return (
            [] if step is None or isinstance(root, Namespace) else [p.name for p in required(getattr(root, step.name))]
        )

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """The names of what forward returns, where its source says them."""
        root, step = self.reading.root, self.reading.forward
        return source.returned(
            root.functions.get(step.name) if isinstance(root, Namespace) else getattr(type(root), step.name, None)
        )

    def _loss_among(self, raw: tuple[Any, ...]) -> int | None:
        """Where the loss is in what a forward that takes the target returned, behind what it predicts: (p, loss)."""
        r = self.reading
        if r.backward is None or ("argument", r.target) not in r.forward.flat or not _numeric(raw[0]):
            return None
        single = [i for i, v in enumerate(raw) if _numeric(v) and np.size(held.plain(v)) == 1]
        return single[0] if single and single[0] > 0 else None

    def _attributes(self, root: Any, given: dict[str, Any], count: int) -> list[Any]:
        """The outputs of a forward that returns nothing: an attribute that it made, by its usual names; of several
        gradients from above, those that these are named after: top_diff_h, top_diff_s of h and s."""
        mine = set(self.paths.values())
        before = self._before
        after = {p: place.get() for p, place in held.places(root).items() if p not in mine}
        made = {
            p: a
            for p, a in after.items()
            if not any(a is argument for argument in given.values())
            and (p not in before or not np.array_equal(before[p], held.plain(a), equal_nan=True))
        }
        if count > 1:
            theirs = [p for p in self._above if is_upstream(p)]
            of = [[p for p in made if _last(p) in {*stems(n), _last(n.replace("_", "."))}] for n in theirs]
            if len(of) == count and all(len(paths) == 1 for paths in of):
                return [made[paths[0]] for paths in of]
        for name in OUTPUTS:
            if name in made:
                return [made[name]]
        if len(made) == 1:
            return [next(iter(made.values()))]
        raise CheckError(f"{self.name}: forward must return an array of numbers; got NoneType of object")

    def _parted(self, upstream: Array, ran: Ran) -> list[Any]:
        """The upstream gradient, one part for each output."""
        if self.reading.loss is not None or self.reading.formula is not None or self.reading.reduction:
            return [upstream.copy()]
        shapes = [np.shape(held.plain(o)) for o in ran.outputs]
        if len(shapes) == 1:
            parts = [upstream.copy()]
        else:
            sizes = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
            parts = [p.reshape(s) for p, s in zip(np.split(upstream.ravel(), sizes), shapes, strict=True)]
        if self.reading.row:
            parts = [p[None] for p in parts]
        return [held.as_tensor(p) if self.reading.tensors else p for p in parts]

    def output(self, ran: Ran, dtype: np.dtype[Any]) -> Array:
        """The subject's output: one array, or all of them in a row."""
        must = f"{self.name}: forward must return an array of numbers"
        kinds = "fiubc" if dtype.kind == "c" else "fiub"
        arrays = [numbers(held.plain(v) if held.is_tensor(v) else v, must, kinds) for v in ran.value]
        whole = arrays[0] if len(arrays) == 1 else np.concatenate([a.ravel() for a in arrays])
        if self.reading.reduction:
            return np.asarray(whole.sum() if self.reading.reduction == "sum" else whole.mean())
        return whole

    # --- the subject --------------------------------------------------------------------------------------------------

    def given(self, case: Case, values: Values) -> dict[str, Any]:
        return dict(zip(case.arguments, case.call(values), strict=True))

    def forward(self, case: Case, values: Values) -> Array:
        root, _ = self.fresh(case, values)
        return self.output(self.run(root, self.given(case, values)), format_of(values))

    def predicted(self, case: Case, values: Values) -> tuple[Array, float]:
        """The output of forward, before any loss of it, and what is added to that."""
        root, _ = self.fresh(case, values)
        ran = self.run(root, self.given(case, values))
        return held.plain(ran.outputs[0]), float(self._later(ran))

    def backward(self, case: Case, values: Values, upstream: Array) -> dict[str, Any]:
        root, places = self.fresh(case, values)
        return self._gradients(root, places, case, values, upstream)

    def _gradients(
        self, root: Any, places: dict[str, Place], case: Case, values: Values, upstream: Array
    ) -> dict[str, Any]:
        ran = self.run(root, self.given(case, values))
        raw = self.ask(root, ran, upstream)
        found = self.candidates(root, ran, raw, set(self.picks.values()) - {STEP})
        gradients: dict[str, Any] = {}
        for name, label in self.picks.items():
            if label == STEP:
                gradients[name] = values[name] - self.stands(root, name, places[name], values[name])
            else:
                gradients[name] = self.formed(name, found.get(label), upstream, values[name].shape)
        return gradients

    def stands(self, root: Any, name: str, place: Place, start: Array) -> Array:
        """What a parameter is after a step: in its place, or in that of a container that stands there anew."""
        now = held.plain(place.get())
        if np.array_equal(now, start, equal_nan=True) and (anew := held.places(root).get(self.paths[name])) is not None:
            return held.plain(anew.get())
        return now

    def formed(self, name: str, found: Any, upstream: Array, shape: tuple[int, ...]) -> Any:
        """A candidate as a gradient: where backward was given no upstream, that is still to be multiplied with it.

        A parameter's may lack leading axes of length 1: b -= lr * db is the same for b (1, 4) and db (4,).
        """
        if found is None:
            return None
        d: Array | None = np.asarray(found)
        if d is not None and not self.reading.takes_upstream:
            row, d = unrolled(d, upstream, shape, self.lone), contract(d, upstream, shape)
            if row is not None and (d is None or d.shape != shape):
                self.rows.add(name)
                d = row
        if self.reading.row and d is not None and d.shape == (1, *shape):
            return d[0]
        if d is None or not d.ndim or not (name in self.parameters or part(name) in WEIGHTS):
            return d
        lacks = (1,) * (len(shape) - d.ndim)
        return d.reshape(shape) if lacks and lacks + d.shape == shape else d

    def candidates(self, root: Any, ran: Ran, raw: Any, wanted: set[str] | None = None) -> Candidates:
        """Every array that may be a gradient, by its label. With `wanted` labels, no further than these are found."""
        found: Candidates = dict(flat(raw, "return", wanted))
        left = None if wanted is None else {label for label in wanted if not label.startswith("return")}
        if left is not None and not left:
            return found
        for name, value in ran.arguments.items():
            for mark in ("g", "grad", "gradient"):
                if (g := getattr(value, mark, None)) is not None and (held.is_tensor(g) or isinstance(g, np.ndarray)):
                    found[f"{name}.{mark}"] = held.plain(g)
        for place in held.each_place(root):
            path, value = place.path, place.get()
            if left is None or path in left:
                found[path] = held.plain(value)
            if self.reading.tensors and held.is_tensor(value) and held.is_tensor(g := getattr(value, "g", None)):
                found[f"{path}.g"] = held.plain(g)
            if left is not None:
                left -= {path, f"{path}.g"} & found.keys()
                if not left:
                    return found
        if left is None or any(label.startswith(TOTAL) for label in left):
            found |= {f"{TOTAL}{path}": total for path, total in _totals(root).items()}
        for path, owner in held.owners(root) if left is None or any("()" in label for label in left) else ():
            if isinstance(owner, dict | list | tuple | Namespace):
                continue
            for method in METHODS:
                try:
                    f = getattr(type(owner), method, None)
                    value = f(owner) if callable(f) and method != self.reading.forward.name else None
                except Exception:  # it wants arguments, or is no method that gives gradients
                    continue
                for label, array in flat(value, f"{path}.{method}()".lstrip(".")):
                    found[label] = array
        return found

    # --- what it does beside ------------------------------------------------------------------------------------------

    def backward_again(self, case: Case, values: Values, upstream: Array) -> dict[str, Any] | None:
        """The gradients of an object that was used with other inputs before, and cleared; None: nothing to compare."""
        if STEP in self.picks.values() or isinstance(self.reading.root, Namespace):
            return None
        root, places = self.fresh(case, values)
        first = self.output(self.run(root, self.given(case, values)), upstream.dtype)
        root, places = self.fresh(case, values)
        kept, _ = self.kept(upstream.dtype)
        others = {n: -a / 2 if n in self.arguments else a for n, a in values.items()}
        self.ask(root, self.run(root, self.given(case, others)), upstream / 2)
        kept.rewind()
        if callable(getattr(root, "zero_grad", None)):
            root.zero_grad()
        now = held.places(root)
        for label in self.picks.values():
            if label in now:
                now[label].put(np.zeros_like(held.plain(now[label].get())))
        for name, place in places.items():
            place.put(values[name])
        again = held.copied(root)
        if not np.array_equal(self.output(self.run(again, self.given(case, values)), upstream.dtype), first):
            return None
        kept.rewind()
        return self._gradients(root, {n: held.places(root)[p] for n, p in self.paths.items()}, case, values, upstream)

    def behaviour(self, case: Case, upstream: Array) -> list[str]:
        """What forward and backward do beside computing, and what a second backward does."""
        values = {name: cast(a, upstream.dtype) for name, a in case.values.items()}
        root, places = self.fresh(case, values)
        given = self.given(case, values)
        arrays = [n for n, a in given.items() if isinstance(a, np.ndarray)]
        before = [given[n].copy() for n in arrays]
        ran = self.run(root, given)
        first = self.ask(root, ran, upstream)
        result = [(label, np.array(a)) for label, a in flat(first, "return")]
        once = {n: self._label(root, label) for n, label in self.picks.items() if label != STEP}
        above = upstream if not ran.upstreams or len(ran.upstreams) > 1 else held.plain(ran.upstreams[0])
        now = [held.plain(ran.arguments[n]) for n in arrays]
        notes = changed(tuple(arrays), before, now, above, upstream)
        notes += [
            f"the gradient of {n} is a row of numbers, judged in the order of {n} {values[n].shape}" for n in self.rows
        ]
        notes += [
            f"side effect: it modifies the parameter {name}"
            for name, place in places.items()
            if self.picks.get(name) != STEP
            and not np.array_equal(held.plain(place.get()), values[name], equal_nan=True)
        ]
        if STEP in self.picks.values():
            notes.append("backward makes the step itself; what it moves a parameter by, over its rate, is its gradient")
            return notes
        if self.reading.backward is None or isinstance(root, Namespace) or not once:
            return notes
        try:
            second = self.ask(root, ran, upstream)
        except Exception as error:
            return [*notes, f"a second backward after one forward is refused: {one_line(error)}"]
        repeated = dict(flat(second, "return"))
        if any(label in repeated and not np.array_equal(repeated[label], a, equal_nan=True) for label, a in result):
            notes.append("stateful: a second backward returns another gradient of the input than the first")
        if any(
            not np.array_equal(a, b, equal_nan=True)
            for (_, a), (_, b) in zip(flat(first, "return"), result, strict=True)
        ):
            notes.append("side effect: a second backward overwrites the array that the first returned")
        ways = {_way(once[n], self._label(root, self.picks[n])) for n in once if n in self.parameters} - {""}
        return notes + [f"a second backward {way} the parameters' gradients" for way in sorted(ways)]

    def _label(self, root: Any, label: str) -> Any:
        found = held.places(root).get(label)
        return None if found is None else held.plain(found.get())


def _next(state: Array) -> Array:
    """The gradient of a state that comes from the next step: any numbers, as long as they are the same each time."""
    k = np.arange(state.size).reshape(state.shape)
    return np.asarray((-1.0) ** k * (8 + 11 * k % 57) / 32, state.real.dtype)


def _last(path: str) -> str:
    return bare(path.rpartition(".")[2])


OPTIMIZERS = r"(\w+_)?(opt|optimi[sz]er(_instance)?)"
RATES = r"lr|learning_?rate|l_?rate|eta|learn_?rate|step_?size|learningrate"


@functools.lru_cache(maxsize=1024)  # the attributes of every object are asked for, by each of its readings
def _is_rate(name: str) -> bool:
    return re.fullmatch(RATES, bare(name)) is not None


METHODS: tuple[str, ...] = (
    "grads",
    "gradients",
    "get_grads",
    "get_gradients",
    "get_grad",
    "get_gradient",
    "gradient_dict",
    "get_params_grads",
)
METHODS += ("params_and_grads", "get_params_and_grads", "gradient_weights", "weight_gradients", "get_weights_gradient")


def _totals(root: Any) -> dict[str, Array]:
    """Of arrays that several layers share, and `params` lists for each of them, the sums of what `grads` lists beside
    it; by the array's path."""
    found: dict[str, Array] = {}
    counted: dict[str, int] = {}  # a part of the object may list some of them: the longest list has all
    paths = {id(place.get()): place.path for place in held.each_place(root)}
    for _, owner in held.owners(root):
        lists = [(name, value) for name, value in held.items(owner) if type(value) is list]
        for name, params in lists:
            again = {id(v): v for i, v in enumerate(params) if held.is_array(v) and any(v is w for w in params[:i])}
            for other, grads in lists if again else ():
                if other == name or len(grads) != len(params) or not re.search("grad|nabla", str(other)):
                    continue
                for key, array in again.items():
                    parts = {id(g): g for v, g in zip(params, grads, strict=True) if v is array}
                    more = len(parts) > max(1, counted.get(paths[key], 0))
                    if more and all(np.shape(g) == np.shape(array) for g in parts.values()):
                        counted[paths[key]] = len(parts)
                        found[paths[key]] = np.sum([held.plain(g) for g in parts.values()], axis=0)
    return found


def _complex(mine: set[int]) -> Any:
    def change(value: Any) -> Any:
        if id(value) in mine:
            return value.to(value.dtype.to_complex()) if held.is_tensor(value) else np.asarray(value, np.complex128)
        return value

    return change


def _way(once: Any, twice: Any) -> str:
    """How the gradient after two backwards follows from that after one; nothing to say of zeros."""
    if once is None or twice is None or not np.any(once) or np.shape(once) != np.shape(twice):
        return ""
    if np.array_equal(once, twice):
        return "overwrites"
    # A remark and no verdict: to half the digits of float32, which tells twice from any other factor of a bug.
    return "adds to" if np.allclose(2 * once, twice, rtol=1e-5) else "changes"


def _numeric(value: Any) -> bool:
    if held.is_leaf(value) or held.is_tensor(value):
        return True
    return isinstance(value, np.ndarray | np.generic | int) and np.asarray(value).dtype.kind in "fiubc"


def flat(value: Any, label: str, wanted: set[str] | None = None) -> Iterator[tuple[str, Array]]:
    """Every array of numbers in what a backward returned; of `wanted` labels, no others than these."""
    if value is None or isinstance(value, str):
        return
    if wanted is not None and not any(other.startswith(label) for other in wanted):
        return
    if _numeric(value):
        if not isinstance(value, np.ma.MaskedArray) and (a := held.plain(value)).dtype.kind != "c":
            yield label, a
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from flat(entry, f"{label}.{key}", wanted)
    elif isinstance(value, list | tuple):
        if value and all(_numeric(v) for v in value) and len({held.shape(v) for v in value}) == 1:
            yield f"{label}[:]", np.stack([held.plain(v) for v in value])
        for i, entry in enumerate(value):
            yield from flat(entry, f"{label}.{i}", wanted)


def contract(d: Array, upstream: Array, shape: tuple[int, ...]) -> Array | None:
    """Σ upstream · derivative, for a derivative in one of the ways it may be written; None: it is in none of them."""
    if upstream.size == 1 and d.shape == shape:
        return np.asarray(upstream.reshape(()) * d)
    if d.shape == upstream.shape + shape:
        return np.asarray(np.tensordot(upstream, d, axes=upstream.ndim))
    if d.shape == upstream.shape == shape:
        return np.asarray(upstream * d)
    if len(shape) == 2 and d.shape == (*shape, shape[-1]) and shape == upstream.shape:  # a Jacobian for each row
        return np.asarray(np.einsum("ni,nij->nj", upstream, d))
    if upstream.ndim == 1 and d.shape == shape and shape[:1] == upstream.shape:  # one loss for each row
        return np.asarray(upstream.reshape(-1, *([1] * (len(shape) - 1))) * d)
    if (
        upstream.ndim == d.ndim
        and d.shape == shape
        and all(a in (1, b) for a, b in zip(upstream.shape, shape, strict=True))
    ):
        return np.asarray(upstream * d)
    return d if upstream.size == 1 else None


def unrolled(d: Array, upstream: Array, shape: tuple[int, ...], lone: bool) -> Array | None:
    """Σ upstream · derivative, for a Jacobian with a row for each output and a column for each number of the variable.

    What is returned alone, of one output, may be that row. Beside others a bias (3, 1) with a gradient (3,) is wrong.
    """
    size = math.prod(shape)
    if upstream.size == 1:
        fits = lone and d.shape in ((size,), (1, size))
        return np.asarray(upstream.reshape(()) * d.reshape(shape)) if fits else None
    if d.shape != (upstream.size, size):
        return None
    return np.asarray(np.tensordot(upstream.ravel(), d, axes=1).reshape(shape))


# --- which candidate is whose -----------------------------------------------------------------------------------------


def affinity(variable: str, label: str, tables: bool = True) -> int:
    """How much a candidate's name says that it is the gradient of a variable; below 0: that of another."""
    v, c = variable.split("."), label.split(".")
    digits = [p for p in v if p.isdigit()], [p for p in c if p.isdigit()]
    names = [p for p in v if not p.isdigit()], [p for p in c if not p.isdigit() and p != "return"]
    score = 0
    if not names[0] or not names[1]:
        return 0
    mine, theirs = names[0][-1], names[1][-1]
    if bare(theirs) in PLAIN and len(names[1]) > 1:  # W.grad, W.g
        mine_, theirs = mine, names[1][-2]
        score = 5 if alike(theirs, mine_) else 3 if kin(theirs, mine_) else 0
    else:
        found = stems(theirs)
        if any(alike(mine, s) for s in found):
            score = 5
        elif any(kin(mine, s) for s in found):
            score = 3
        elif "return" in c or (len(names[1]) > 1 and re.search("grad|nabla|delta|^d", bare(names[1][-2]))):
            score = 5 if alike(mine, theirs) else 3 if kin(mine, theirs) else 0  # grads["W"], {"W": …}
    if score:
        score += 1 if digits[0] == digits[1] else -2 if digits[0] and digits[1] else 0
        score += 1 if v[:-1] == c[:-1] else 0
    return score
