"""Which reading of the user's code is the right one: found by trying them, the likeliest first.

A reading is tried with every layout of its arguments until forward runs, backward runs, and the gradients have the
shapes of what they belong to. Then they are held against differences along two random directions. The first reading
that is right so far is taken, and judged by all oracles; if none is, the first of those that came closest is.
"""

import ast
import copy
import inspect
import itertools
import sys
import textwrap
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from handgrad.check import classes, held, inputs
from handgrad.check.conventions import LOSS, SETUP, formulas, kin, role
from handgrad.check.inputs import Layout
from handgrad.check.readings import Plain, Reading, of_functions, of_object
from handgrad.check.subject import Array, Case, CheckError, Subject, Values, instance, nudged, one_line, required
from handgrad.check.written import STEP, Candidates, Ran, Written, affinity
from handgrad.judge import structure

SAME = 8  # targets in a row that are refused with the same words
PATIENCE = 6_000  # calls of the code for finding a reading: the verdict does not depend on how fast a machine is
FURTHER = 1_500  # of these, once a reading has some gradients right to the digit: then the code is understood
LONGEST = 20.0  # seconds of CPU, for code that is slow by itself
RIGHT, UNSEEN, PARTLY, FITS, MISSHAPEN, RUNS = 6, 5, 4, 3, 2, 1


def torch_subject(op: Any, role: str) -> Subject | None:
    op = op if isinstance(op, tuple) else structure.unwrap(op)
    if "torch" not in sys.modules:
        return None
    from handgrad.check import torch_subject

    return torch_subject.read(op, role)


def readings(op: Any, role: str = "op") -> list[Reading]:
    """All readings of what was given. CheckError says what is allowed."""
    if isinstance(op, tuple) and len(op) == 2 and all(callable(f) for f in op):
        return list(of_functions(*op))
    op = structure.unwrap(op)
    if isinstance(op, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return list(of_functions(op, None))
    if isinstance(op, type) and (pair := classes.scalars(op)) is not None:
        return [replace(r, said="outputs of all its operators", composite=True) for r in of_functions(*pair)]
    if isinstance(op, type) and (made := classes.with_data(op)) is not None:
        return list(of_object(made))
    if isinstance(op, type):
        try:
            op = instance(op)
        except CheckError:
            if not (found := list(of_object(op))):
                raise
            return found
    found = list(of_object(op))
    if (made := _set_up(op)) is not None:
        found += of_object(made)
    if not found and callable(op) and not isinstance(op, np.ufunc):
        found = list(of_functions(op, None))
    if found:
        return found
    given = getattr(op, "__name__", type(op).__name__)
    raise CheckError(
        f"{role} must be an object with forward and backward, a pair (function, gradient), a torch.nn.Module or a "
        f"torch.autograd.Function; got {given}"
    )


def _set_up(op: Any) -> Any:
    """A copy of an object on which its own method made its parameters, as `layer.initialize(optimizer)`."""
    for name in SETUP:
        f = getattr(op, name, None)
        if not callable(f) or isinstance(f, type):
            continue
        given = [Plain() if role(p.name) == "optimizer" else 3 for p in required(f)]
        if len(given) > 2:
            continue
        try:
            made = copy.deepcopy(op)
            getattr(made, name)(*given)
        except Exception:  # it is no method that makes parameters: another one may be
            continue
        return made
    return None


@dataclass
class Found:
    """The subject of the reading that was taken, and how its arguments are drawn (None: they were given)."""

    subject: Written
    layout: Layout | None
    rank: int
    lone: bool = False  # one target for all samples: only where nothing else fits as well

    @property
    def worth(self) -> tuple[int, int]:
        """Of two the better. One target for all samples, which may be right by chance, is less than what fits but for
        the shape of one gradient."""
        return min(self.rank, RUNS) if self.lone else self.rank, self.rank

    @property
    def owned(self) -> bool:
        """Whether it is a loss, and by its name and its arguments the gradient of that loss."""
        r = self.subject.reading
        same = r.backward is not None and r.backward.slots == r.forward.slots
        return same and r.forward.name in LOSS and self.rank >= FITS


def choose(
    op: Any,
    shapes: tuple[tuple[int, ...], ...] | None = None,
    given: Any = None,
    seed: int = 0,
    like: str = "",
    role: str = "op",
) -> Found:
    """The subject of the reading that fits."""
    found = readings(op, role)
    if "torch" in sys.modules:
        has = any(held.is_tensor(p.get()) for p in held.places(found[0].root).values())
        tensors = [replace(r, tensors=True) for r in found if not r.tensors]
        found = [*tensors, *found] if has else [*found, *tensors]
    else:
        found = [r for r in found if not r.tensors]
    return _Search(found, shapes, given, seed, like).run()


class _Search:
    """One search through the readings."""

    def __init__(self, found: list[Reading], shapes: Any, given: Any, seed: int, like: str) -> None:
        self.readings, self.shapes, self.given, self.seed, self.like = found, shapes, given, seed, like
        self.best: Found | None = None
        self.why = ""  # the latest forward was refused
        self.doubt = ""  # that a net has the gradient of another loss than its own
        self.hopeless: dict[Any, int] = {}  # shapes of the first argument that are unpacked into another number of axes
        self.whole: set[Any] = set()  # forwards that take the numbers of the first argument for indices
        self.last = 0  # the rank of the latest attempt
        self.errors: list[str] = []
        self.forwards: dict[Any, str] = {}  # what failed before
        self.calls, self.most, self.started = 0, PATIENCE, time.process_time()

    def run(self) -> Found:
        for reading in self.readings:
            if reading.tensors and self.best and self.best.rank >= FITS:
                break
            for subject, layout, case in self.attempts(reading):
                before, self.best = self.best, self.better(self.rank(subject, layout, case))
                if self.last >= PARTLY:
                    self.most = min(self.most, self.calls + FURTHER)
                if before is not None and self.best is not before and reading.formulas:
                    if before.owned:
                        return before
                    if before.subject.reading.loss:
                        name = reading.backward.name if reading.backward else "it"
                        own, other = before.subject.said.rpartition(" of ")[2], subject.said.rpartition(", ")[2]
                        self.doubt = f"{reading.name}: {name} has not the gradient of {own}, but {other}"
                        if self.best and self.best.rank == RIGHT:
                            self.best = before  # right for another loss than its own: for its own, perhaps, later
                if self.best and self.best.rank == RIGHT and not self.best.lone:
                    return self.best
                if self.impatient():
                    break
        if self.doubt:
            raise CheckError(self.doubt)
        if self.best is None:
            raise CheckError(self.errors[0] if self.errors else "it cannot be run")
        subject = self.best.subject
        searched = self.impatient() and self.given is None
        if searched and self.best.rank == RUNS and subject.targets and not subject.reading.takes_upstream:
            raise CheckError(f"{subject.name}: no inputs were found in time that fit it: give a shape, or the inputs")
        if self.best.rank < UNSEEN and subject.reading.guessed:
            raise CheckError(
                f"{subject.name}: its gradient takes arguments that are not understood: name them as forward does "
                f"({', '.join(subject.arguments)}), grad_output or cache"
            )
        if not subject.picks and subject.reading.backward is None:
            raise CheckError(f"{subject.name} is a function: name its gradient too, as a pair (function, gradient)")
        if not subject.picks and self.given is not None and not subject.parameters:
            kinds = ", ".join(str(np.asarray(a).dtype) for a in _entries(self.given))
            raise CheckError(f"{subject.name}: inputs must have floats; got {kinds}")
        return self.best

    def better(self, found: Found | None) -> Found | None:
        if found is None:
            return self.best
        batch = self.best is not None and self.best.layout is not None and not self.best.layout.one
        alone = found.layout is not None and found.layout.one and found.subject.reading.backward is None
        if self.best is not None and batch and alone and self.best.rank >= PARTLY:
            return self.best  # one sample hides what a batch shows
        return found if self.best is None or found.worth > self.best.worth else self.best

    def rank(self, subject: Written, layout: Layout | None, case: Case) -> Found | None:
        self.last = 0
        try:
            self.last = probe(subject, case)
            lone = layout is not None and layout.lone(case.constants[n].shape for n in subject.targets)
            return Found(subject, layout, self.last, lone)
        except Exception as error:
            self.errors.append(f"{subject.name}: backward failed: {one_line(error)}")
            return None

    # --- what is tried ------------------------------------------------------------------------------------------------

    def attempts(self, reading: Reading) -> Iterator[tuple[Written, Layout | None, Case]]:
        """Every way in which a reading's forward runs."""
        if self.given is not None:
            yield from self.with_given(reading)
            return
        scout = Written(reading)
        scout.draws = False  # it is only asked which inputs it takes
        source = scout.pristine
        tables = {
            p: held.plain(place.get()) for p, place in held.places(source).items() if not held.is_number(place.get())
        }
        names = [n for n in scout.arguments if n not in scout.targets]
        sizes = inputs.widths(source, tables)
        shapes = [a.shape for a in tables.values() if a.ndim == 2]
        slots = (*reading.forward.slots, *(slot for _, slot in reading.forward.named))
        own = reading.target is not None and ("argument", reading.target) in slots
        reached = 0
        matrices = _transposed(reading) & {n for n in names if inputs.part(n) == "weight"}
        for layout in _matrices_first(inputs.layouts(names, sizes, self.shapes, shapes), matrices):
            if reached >= FITS or self.impatient():
                return
            if _as_vector(layout, matrices) and self.best and self.best.rank >= MISSHAPEN and not self.best.lone:
                return
            if reading.forward in self.whole and layout.specs and not next(iter(layout.specs.values())).top:
                continue
            if layout.single and reached >= RUNS and not self.one_by_one(reading, layout):
                continue
            misfits = 0
            for at in self.targets(scout, layout, own, sizes, bool(tables)):
                if misfits > 3:  # of what shape a gradient is, no target changes
                    break
                for variant in self.variants(scout, at):
                    self.calls += 2  # forward, and then backward
                    try:
                        subject = Written(variant)
                        case = inputs.first(subject, at, self.seed)
                        subject.forward(case, case.values)
                    except Exception:  # this reading does not fit; `runs` has kept why the first did not
                        continue
                    yield subject, at, case
                    less = at.lone(case.constants[n].shape for n in subject.targets)
                    misfits += self.last <= MISSHAPEN and not less
                    # Gradients that are missing may be of another shape, because the code takes one sample at a time.
                    rank = RUNS if self.last == UNSEEN and reading.kind == "net" else self.last
                    reached = max(reached, min(rank, 0) if less or layout.single else rank)

    def impatient(self) -> bool:
        """Whether the search has been long enough."""
        return self.calls > self.most or time.process_time() - self.started > LONGEST

    def one_by_one(self, reading: Reading, layout: Layout) -> bool:
        """Whether one sample is what the code is made for, though a batch runs forward."""
        if reading.kind == "net" and layout.column:
            return True
        return not reading.takes_upstream and (layout.scalar_bias or layout.vector) and not layout.one

    def variants(self, scout: Written, at: Layout) -> Iterator[Reading]:
        """The reading itself; without an upstream, also as the mean of what it returns; the formulas of a loss."""
        reading = scout.reading
        if reading.formulas:
            yield from self.formula(reading, at)
            return
        yield reading
        if reading.target is not None and not reading.takes_upstream and reading.loss is None:
            yield replace(reading, reduction="mean", said=f"{reading.said}, of the mean of the losses".lstrip(", "))

    def formula(self, reading: Reading, at: Layout) -> Iterator[Reading]:
        """The reading with that loss of which most gradients are right."""
        ways = list(formulas(at.prediction or ()))
        subject = Written(replace(reading, formula=ways[0][1]))
        try:
            if self.given is not None:
                case = next(iter(inputs.given(subject, self.given)))
            else:
                case = inputs.first(subject, at, self.seed)
            probe(subject, case)
            slopes = _Slopes(subject, case, np.ones(()))
            gradients = subject.backward(case, case.values, np.ones(()))
            gradients = {n: g for n, g in gradients.items() if g is not None and np.shape(g) == case.values[n].shape}
            outputs = {n: slopes.outputs(n) for n in gradients}
            y = subject.given(case, case.values)[reading.target or ""]
        except Exception as error:
            self.errors.append(f"{subject.name}: backward failed: {one_line(error)}")
            return
        best = (0, "", ways[0][1])
        for text, f in ways:
            try:
                right = sum(slopes.right(n, g, [_slope(f, o, y) for o in outputs[n]]) for n, g in gradients.items())
            except Exception:  # this loss does not take such a target
                continue
            if right > best[0]:
                best = (right, text, f)
        if best[0]:
            yield replace(reading, formula=best[2], said=f"{reading.said}, as the gradient of {best[1]}".lstrip(", "))
        else:
            self.errors.append(
                f"{reading.name}: {reading.said or 'backward'} takes a target, and its gradients are those of no loss "
                "that is known here: give a function that returns the loss and its gradients, or a loss beside it"
            )

    def targets(
        self, scout: Written, layout: Layout, own: bool, sizes: list[int], parameters: bool
    ) -> Iterator[Layout]:
        """The layout with every kind of target, or domain, for which forward gives finite numbers."""
        reading = scout.reading
        known = bool(self.like) or structure.is_known(reading.source)
        options = inputs.kinds(self.like or reading.name, known)
        if reading.target is None:
            for domain in inputs.DOMAINS:
                at = replace(layout, domain=domain, target="rows")
                if self.runs(scout, at) is not None:
                    yield at
                    return
            return
        if not own:
            without = replace(
                reading, arguments=tuple(a for a in reading.arguments if a.role != "target"), loss=None, formula=None
            )
            ran = self.runs(Written(without), layout)
            if ran is None:
                return
            options = [
                (d, t)
                for d, t in options
                if d == "any" and t in ("rows", "class", "one-hot", "binary", "column one-hot")
            ]
            yield from (replace(layout, domain=d, target=t, prediction=ran.shape) for d, t in dict.fromkeys(options))
            return
        predictions: list[Any] = [None]
        if parameters or len(layout.specs) > 1:
            floats = [spec.shape for spec in layout.specs.values() if spec.shape and not spec.top]
            data = [spec.shape for spec in layout.specs.values() if spec.batch is not None and spec.shape] or floats
            counts = [spec.shape[spec.batch] for spec in layout.specs.values() if spec.batch is not None and spec.shape]
            rows = dict.fromkeys([*counts, *(s[0] for s in data), *(s[-1] for s in data if len(s) > 1)])
            ks = [*dict.fromkeys([*sizes, *(s[-1] for s in floats), 2, 3])][:6]
            for n in rows:
                predictions += [(n,), (n, 1), (1, n), *((n, k) for k in ks), *((k, n) for k in ks[:4])]
            if {inputs.part(n) for n in layout.specs} & WEIGHTS:
                predictions = [*predictions[1:], None]  # what is given its weights predicts none of its arguments
            options = [(d, t) for d, t in inputs.KINDS if d == "any"]
        said: list[tuple[Any, str]] = []
        tried: set[Any] = set()
        for prediction, (domain, kind) in itertools.product(dict.fromkeys(predictions), options):
            at = replace(layout, domain=domain, target=kind, prediction=prediction)
            made = self.drawn(scout, at)
            given = _same(made)
            if given in tried:
                continue  # another name for the same numbers
            tried.add(given)
            if self.runs(scout, at, made) is not None:
                yield at
                said = []
            else:
                said = [*(said if said and said[-1][1] == self.why else []), (prediction, self.why)]
                asserted = self.why.startswith("AssertionError")  # of the target, perhaps
                if len(said) > SAME and len({p for p, _ in said}) > 1 and not asserted:
                    if "must be of integer" in self.why:
                        self.whole.add(reading.forward)
                    return  # it is not the target that is refused

    def drawn(self, scout: Written, at: Layout) -> Case | None:
        """The case of a layout; None where there is none."""
        try:
            return inputs.first(scout, at, self.seed)
        except Exception:  # of this shape there is no such target
            return None

    def runs(self, scout: Written, at: Layout, made: Case | None = None) -> Array | None:
        """The output of forward; None where it refuses the layout or gives no finite numbers."""
        r = scout.reading
        drawn = (*at.specs.items(), at.domain, at.target, at.prediction)
        self.why = ""
        key = (id(r.root), r.forward, scout.arguments, scout.targets, r.tensors, r.takes_upstream, *drawn)
        if key in self.forwards:
            return None
        if at.specs and self.hopeless.get((r.forward, next(iter(at.specs.values())).shape), 0) > 3:
            return None
        self.calls += 1
        try:
            made = made or inputs.first(scout, at, self.seed)
            out = scout.forward(made, made.values)
            if out.size and np.isfinite(np.asarray(out, np.float64)).all():
                return out
            self.forwards[key] = f"{scout.name}: for {at} the output is not finite"
        except Exception as error:
            self.why = one_line(error)
            if "unpack" in self.why and at.specs:
                first = next(iter(at.specs.values())).shape
                self.hopeless[r.forward, first] = self.hopeless.get((r.forward, first), 0) + 1
            self.forwards[key] = (
                f"{scout.name}.forward refuses every drawn input; for {at}: {self.why}. Give a shape, or the inputs"
            )
        if not self.errors:
            self.errors.append(self.forwards[key])
        return None

    def with_given(self, reading: Reading) -> Iterator[tuple[Written, Layout | None, Case]]:
        scout = Written(reading)
        try:
            case = next(iter(inputs.given(scout, self.given)))
            shape = np.shape(scout.run(scout.fresh(case, case.values)[0], scout.given(case, case.values)).outputs[0])
        except CheckError as error:
            self.errors.append(str(error))
            return
        for variant in self.variants(scout, Layout({}, prediction=shape)):
            subject = Written(variant)
            try:
                case = next(iter(inputs.given(subject, self.given)))
            except CheckError as error:
                self.errors.append(str(error))
                continue
            yield subject, None, case


def _transposed(reading: Reading) -> set[str]:
    """The arguments of a function that it, or what it calls in its module, transposes: these are no vectors."""
    f = reading.root.functions.get("f") if isinstance(reading.root, held.Namespace) else None
    names: set[str] = set()
    for each in held.called(f) if isinstance(f, types.FunctionType) else ():
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
        except (OSError, SyntaxError):  # there is no source, or a part of a line, which says nothing
            continue
        turned = [n.value for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ("T", "transpose")]
        names |= {n.id for n in turned if isinstance(n, ast.Name)}
    return names


def _as_vector(layout: Layout, matrices: set[str]) -> bool:
    return any(len(layout.specs[n].shape) < 2 for n in matrices & layout.specs.keys())


def _matrices_first(layouts: Iterator[Layout], matrices: set[str]) -> Iterator[Layout]:
    vectors = []
    for layout in layouts:
        if _as_vector(layout, matrices):
            vectors.append(layout)
        else:
            yield layout
    yield from vectors


def _same(made: Case | None) -> Any:
    """Equal for cases of equal numbers."""
    if made is None:
        return None
    return tuple((n, a.dtype.kind, a.shape, a.tobytes()) for n, a in (*made.values.items(), *made.constants.items()))


def _entries(given: Any) -> tuple[Any, ...]:
    entry = given[0] if isinstance(given, list) else given
    return entry if isinstance(entry, tuple) else (entry,)


# --- one attempt ------------------------------------------------------------------------------------------------------


def probe(subject: Written, case: Case) -> int:
    """Find the parameters and the gradients at a case, and how right these are along two directions."""
    _warm(subject, case)
    dependent = _parameters(subject, case)
    output = subject.forward(case, case.values)
    u = inputs.upstream(np.random.default_rng(3), output.shape)
    slopes = _Slopes(subject, case, u)
    _match(subject, case, u, slopes)
    free = [n for n in case.values if n not in subject.picks and n not in subject.options]
    r = subject.reading
    data_is_given = r.kind != "layer" or r.loss or r.formulas or (r.forward.name in LOSS and not r.takes_upstream)
    options = subject.loss and not any(n in subject.picks for n in dependent)  # of a loss, as class weights
    subject.unseen = [n for n in free if n in dependent and not options]
    if subject.picks and not subject.loss:  # a single number may be an option; one that is called so is none
        names = [n for n in subject.options if n not in subject.picks]
        subject.unseen += [n for n in names if any(kin(n.rpartition(".")[2], p) for p in ("w", "b"))]
    subject.constants = [n for n in free if n in dependent and options]
    moves = [n for n in free if n not in dependent and slopes.moves(n)]
    if data_is_given and (output.size == 1 or r.formulas) and subject.picks:
        subject.constants += [n for n in moves if n in case.arguments]
    else:
        subject.unseen += moves
    for n in subject.options - set(subject.picks):
        subject.forget(n)
        case.values.pop(n, None)
    for n in subject.constants if subject.loss else []:
        if n in subject.parameters:
            subject.forget(n)
            case.values.pop(n, None)
    if not subject.picks:
        return RUNS
    gradients = subject.backward(case, case.values, u)
    right = {n: slopes.right(n, g) for n, g in gradients.items()}
    other = [n for n, g in gradients.items() if np.shape(g) != case.values[n].shape]
    if other:
        if all(subject.picks[n] == STEP for n in other):
            raise CheckError(f"a step changes the shape of {other[0]}")
        rest = [n for n in gradients if n not in other and np.any(gradients[n])]
        return MISSHAPEN if rest and all(right[n] for n in rest) else RUNS
    if not any(np.any(g) for g in gradients.values()):
        return FITS
    data = [n for n in gradients if n in case.arguments]
    if data_is_given and all(right[n] for n in right if n not in data) and len(data) < len(right):
        for n in [n for n in data if not right[n] and (r.loss or r.formulas)]:
            del subject.picks[n], right[n]  # of what a net is given, courses leave out the factor of the loss
            subject.constants.append(n)
    if subject.left and any(n in case.arguments and inputs.part(n) in WEIGHTS for n in free):
        return RUNS  # a weight has no gradient, and what is returned beside has the shape of none
    if all(right.values()):
        return UNSEEN if subject.unseen else RIGHT
    return PARTLY if any(right[n] and np.any(gradients[n]) for n in right) else FITS


WIDTH = 2.0**-12
WEIGHTS = {"weight", "bias", "scale"}


def _central(at: list[float]) -> float:
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * WIDTH)


def _slope(loss: Any, outputs: list[Array], y: Array) -> float:
    return _central([float(loss(o, y)) for o in outputs])


class _Slopes:
    """Slopes along two random directions in each variable, by differences."""

    def __init__(self, subject: Written, case: Case, u: Array) -> None:
        self.subject, self.case, self.u = subject, case, u
        rng = np.random.default_rng(5)
        self.ways = {n: [rng.normal(size=a.shape) for _ in range(2)] for n, a in case.values.items()}
        self.known: dict[str, list[float]] = {}

    def value(self, values: Values) -> float:
        try:
            out = np.asarray(self.subject.forward(self.case, values), np.float64)
        except Exception:  # out of the code's domain: there is no slope
            return float("nan")
        return float((out * self.u).sum()) if out.shape == self.u.shape else float("nan")

    def along(self, name: str) -> list[float]:
        if name not in self.known:
            found = []
            for way in self.ways[name]:
                at = [
                    self.value({**self.case.values, name: self.case.values[name] + t * WIDTH * way})
                    for t in (-2, -1, 1, 2)
                ]
                found.append(_central(at))
            self.known[name] = found
        return self.known[name]

    def outputs(self, name: str) -> list[list[Array]]:
        """What a net predicts at the four places on either side, for each of the two directions."""
        at = [[self.case.values[name] + t * WIDTH * way for t in (-2, -1, 1, 2)] for way in self.ways[name]]
        return [[self.subject.predicted(self.case, {**self.case.values, name: a}) for a in four] for four in at]

    def moves(self, name: str) -> bool:
        moved = {**self.case.values, name: nudged(self.case.values[name])}
        return self.value(moved) != self.value(self.case.values)

    def right(self, name: str, g: Any, along: list[float] | None = None) -> bool:
        if g is None or np.shape(g) != self.case.values[name].shape:
            return False
        g = np.asarray(g, np.float64)
        size = float(np.sqrt((g**2).sum()))
        # No verdict hangs on this: it ranks readings, and the oracles judge the one that is taken.
        slack = 2e-2 if g.dtype.itemsize < 8 or self.rough else 1e-5
        return all(
            abs(float((g * way).sum()) - slope) <= slack * (size + abs(slope)) + 1e-9
            for way, slope in zip(self.ways[name], along or self.along(name), strict=True)
        )

    @cached_property
    def rough(self) -> bool:
        """Whether the code computes in less than float64."""
        out = np.asarray(self.subject.forward(self.case, self.case.values))
        return out.dtype.kind == "f" and out.dtype.itemsize < 8


def _warm(subject: Written, case: Case) -> None:
    """Parameters that the first forward makes: from then on they are part of what the code keeps."""
    root, _ = subject.fresh(case, case.values)
    before = {p for p, place in held.places(root).items() if not held.is_number(place.get())}
    given = subject.given(case, case.values)
    ran = subject.run(root, given)
    made = [p for p, place in held.places(root).items() if not held.is_number(place.get()) and p not in before]
    if not made:
        return
    out = subject.output(ran, np.dtype(np.float64))
    for path in made:
        again = subject.copied(root)
        place = held.places(again).get(path)
        if place is None:
            continue
        start = held.plain(place.get())
        place.put(nudged(start))
        try:
            moved = subject.output(subject.run(again, subject.given(case, case.values)), np.dtype(np.float64))
        except Exception:  # what was moved is no parameter: a shape or a cache that the code relies on
            continue
        unmoved = subject.copied(root)
        same = subject.output(subject.run(unmoved, subject.given(case, case.values)), np.dtype(np.float64))
        if np.shape(moved) == np.shape(out) and np.array_equal(same, out) and not np.array_equal(moved, same):
            subject.restart(root)
            return


def _parameters(subject: Written, case: Case) -> list[str]:
    """The arrays that the output depends on: where they are moved, it moves. Sets `subject.parameters`."""
    subject.learn({}, {})
    arguments = {n: case.values[n] for n in case.arguments if n in case.values}
    root, _ = subject.fresh(case, arguments)
    before = {p: held.plain(place.get()) for p, place in held.places(root).items()}
    out = subject.output(subject.run(root, subject.given(case, arguments)), np.dtype(np.float64))
    after = {p: held.plain(place.get()) for p, place in held.places(root).items()}
    names = _names(subject, root)
    found: dict[str, str] = {}
    for path, value in before.items():
        if value.size == 0 or path not in names:
            continue
        if path not in after or not np.array_equal(after[path], value, equal_nan=True):
            continue  # forward changes it itself: a state, as running statistics are
        root, _ = subject.fresh(case, arguments)
        place = held.places(root)[path]
        number = held.is_number(place.get())
        place.put(nudged(value))
        try:
            moved = subject.output(subject.run(root, subject.given(case, arguments)), np.dtype(np.float64))
            same = np.array_equal(moved, out, equal_nan=True)
        except Exception:
            same = number  # it is out of its domain, so it is used
        if not same:
            found[names[path]] = path
    values = {n: before[p] for n, p in found.items()}
    numbers = {n for n, p in found.items() if held.is_number(held.places(subject.pristine)[p].get())}
    subject.learn(found, values)
    subject.options = numbers
    case.values.update({n: np.array(v, np.float64) for n, v in values.items()})
    return [n for n in found if n not in numbers]


def _names(subject: Written, root: Any) -> dict[str, str]:
    """What a place is called: as the object itself says, or by its path; W.value with W.grad beside it is W."""
    named: dict[int, str] = {}
    if callable(getattr(root, "named_parameters", None)):
        named = {id(p): str(name) for name, p in root.named_parameters()}
    found = {}
    for path, place in held.places(root).items():
        name = path
        last = str(place.key)
        if id(place.owner) in named:
            if last != "data":
                continue
            name = named[id(place.owner)]
        elif named and held.is_number(place.get()):
            continue
        elif last in ("data", "value", "val", "w", "param", "weight", "v", "values") and any(
            hasattr(place.owner, g) for g in ("grad", "gradient", "g", "dw", "d")
        ):
            name = path.rpartition(".")[0] or path
        if last in ("grad", "gradient") and not isinstance(place.owner, dict | list):
            continue
        if name in subject.arguments:
            name = f"self.{name}"
        found[path] = name
    return found


def _match(subject: Written, case: Case, u: Array, slopes: _Slopes) -> None:
    """Which candidate is the gradient of which variable. Sets `subject.picks`."""
    values = case.values
    root, places = subject.fresh(case, values)
    ran = subject.run(root, subject.given(case, values))
    before = {p: held.plain(place.get()) for p, place in held.places(root).items()}
    paths = set(subject.paths.values())
    raw = subject.ask(root, ran, u)
    subject.still()
    moved = {
        n
        for n, p in subject.paths.items()
        if n in places and not np.array_equal(held.plain(places[n].get()), values[n], equal_nan=True)
    }
    everything = subject.candidates(root, ran, raw)
    r = subject.reading
    given = [np.shape(a) for n, a in subject.given(case, values).items() if ("argument", n) in r.forward.slots]
    if subject.targets and isinstance(raw, tuple) and 1 < len(given) == len(raw):
        theirs = [np.shape(everything[f"return.{i}"]) for i in range(len(raw)) if f"return.{i}" in everything]
        upstream = r.backward is not None and "upstream" in {kind for kind, _ in r.backward.slots}
        if theirs == given or (len(theirs) == len(given) and upstream):
            raise CheckError(f"{subject.name}: backward returns a gradient of the target too")
    if raw is not None and not isinstance(raw, dict | list | tuple) and "return" not in everything:
        subject.refuse(raw)
    new = {
        label: a
        for label, a in everything.items()
        if label not in paths and (label not in before or not np.array_equal(before[label], a, equal_nan=True))
    }
    kept = {
        label: a
        for label, a in everything.items()
        if label not in paths
        and label not in new
        and label in before
        and not held.is_number(a[()] if a.ndim == 0 else a)
    }
    fits = {
        (n, label)
        for label, a in {**kept, **new}.items()
        for n in values
        if np.shape(subject.formed(a, u, values[n].shape)) == values[n].shape
    }
    picks: dict[str, str] = {}

    def right(name: str, label: str) -> bool:
        return (name, label) in fits and slopes.right(name, subject.formed(everything[label], u, values[name].shape))

    def free(labels: Any) -> list[str]:
        return [label for label in labels if label not in picks.values()]

    # By name.
    ranked = sorted(
        (
            (affinity(n, label), label in new, n, label)
            for label in {**new, **kept}
            for n in values
            if n not in subject.options or label in new
        ),
        key=lambda t: (-t[0], not t[1]),
    )
    for score in sorted({t[0] for t in ranked if t[0] >= 3}, reverse=True):
        for fresh in (True, False):
            group = [(n, label) for s, f, n, label in ranked if s == score and f == fresh and (n, label) in fits]
            group.sort(key=lambda pair: not right(*pair))
            for n, label in group:
                if n not in picks and label in free([label]) and (fresh or score >= 5):
                    picks[n] = label
    # What is returned, by its place; and anything else, by its value.
    arguments = [n for n in case.arguments if n in values]
    rest = [
        n
        for n in [*arguments, *(n for n in values if n not in arguments)]
        if n not in picks and n not in subject.options
    ]
    returned = [label for label in new if label == "return" or (label.startswith("return.") and label.count(".") == 1)]
    if len(returned) == len(arguments) > 1 and all(pair in fits for pair in zip(arguments, returned, strict=True)):
        picks |= {
            n: label for n, label in zip(arguments, returned, strict=True) if n in rest and label in free(returned)
        }
        rest = [n for n in rest if n not in picks]
    for n in rest:
        if (by_value := next((label for label in free(new) if right(n, label)), None)) is not None:
            picks[n] = by_value
    rest = [n for n in rest if n not in picks]
    missing = [n for n in arguments if n in rest]
    if "return" in returned and "return" in free(returned) and missing:
        fitting = [n for n in missing if (n, "return") in fits]
        picks[(fitting or missing)[0]] = "return"
    elif returned:
        # A state among the arguments of a loss is given; the state returned beside the gradients is the next one.
        states = [n for n in arguments if inputs.part(n) == "hidden" and not subject.reading.takes_upstream]
        for names in (arguments, [*arguments, *subject.parameters], list(subject.parameters)):
            variables = [n for n in names if n not in subject.options and n not in states]
            pairs = set(zip(variables, returned, strict=False))
            if len(variables) == len(returned) or (states and 0 < len(variables) < len(returned) and pairs <= fits):
                for n, taken in zip(variables, returned, strict=False):
                    if n not in picks and taken not in picks.values():
                        picks[n] = taken
                break
    # Weights among the arguments: each is of the one shape that only one of what is returned has.
    weights = [n for n in rest if n not in picks and n in arguments and inputs.part(n) in WEIGHTS]
    for n in weights:
        ways = [label for label in free(returned) if (n, label) in fits]
        rivals = [m for m in rest if m not in picks and (m, ways[0]) in fits] if len(ways) == 1 else []
        if rivals == [n] and (everything[ways[0]].size > 1 or len(returned) <= len(weights) + len(picks)):
            picks[n] = ways[0]
    rest = [n for n in rest if n not in picks]
    for n in rest:
        if n in moved:
            picks[n] = STEP
    for n in [n for n in subject.options if n not in picks and n in moved]:
        picks[n] = STEP
    rest = [n for n in rest if n not in picks]
    named = {label for s, _, _, label in ranked if s >= 3}
    for n in rest:
        if n in arguments and not subject.reading.takes_upstream:
            continue  # what is returned beside the gradients may have its shape by chance
        ways = [
            label for label in free(new) if (n, label) in fits and label not in named and everything[label].size > 1
        ]
        if len(ways) == 1 and _linear(subject, case, u, ways[0], everything):
            picks[n] = ways[0]
    # A bias that is a single number, and the one thing returned that is the gradient of nothing else.
    single = [n for n in subject.options if n not in picks and inputs.part(n.rpartition(".")[2]) in ("weight", "bias")]
    if len(returned) > 1 and len(single) == len(free(returned)) == 1:
        picks[single[0]] = free(returned)[0]
    # Of another shape, but by its name it is this.
    for s, _, n, label in ranked:
        if s >= 5 and n not in picks and label in free([label]) and n not in subject.options and label in new:
            picks[n] = label
    subject.picks = {n: picks[n] for n in values if n in picks}
    subject.left = [label for label in returned if label not in picks.values()]


def _linear(subject: Written, case: Case, u: Array, label: str, found: Candidates) -> bool:
    """Whether a candidate without a name of its own is linear in the upstream, as gradients are and caches are not."""
    if not subject.reading.takes_upstream:
        return not np.array_equal(found[label], np.zeros_like(found[label]))
    root, _ = subject.fresh(case, case.values)
    ran: Ran = subject.run(root, subject.given(case, case.values))
    raw = subject.ask(root, ran, 2 * u)
    twice = subject.candidates(root, ran, raw).get(label)
    # Twice as much or the same as before: any tolerance tells these apart.
    return twice is not None and np.shape(twice) == found[label].shape and bool(np.allclose(twice, 2 * found[label]))
