"""Which reading of the user's code is the right one: found by trying them, the likeliest first.

A reading is tried with every layout of its arguments until forward runs, backward runs, and the gradients have the
shapes of what they belong to. Then they are held against differences along two random directions. The first reading
that is right so far is taken, and judged by all oracles; if none is, the first of those that came closest is.
"""

import ast
import functools
import inspect
import itertools
import math
import re
import sys
import time
import types
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handgrad.check import autograds, built, classes, episodes, held, inputs, source, statics, trained
from handgrad.check.conventions import LOSS, SETUP, TRAINING, TURNS, Formula, bare, formulas, role, samples
from handgrad.check.inputs import Layout
from handgrad.check.match import (
    FITS,
    MISSHAPEN,
    PARTLY,
    RIGHT,
    RUNS,
    STILL,
    UNSEEN,
    Slopes,
    StepError,
    gradient_of,
    probe,
    runs,
    slope,
)
from handgrad.check.on_tensors import on_tensors
from handgrad.check.readings import (
    Plain,
    Reading,
    of_functions,
    of_method,
    of_methods,
    of_object,
    of_pairs,
    of_parts,
    of_triple,
    with_given,
)
from handgrad.check.subject import Array, Case, CheckError, Subject, attribute, instance, nudged, one_line, required
from handgrad.check.unasked import Unasked, asked
from handgrad.check.written import STEP, Written
from handgrad.judge import structure

OF_SHAPES = (  # in NumPy's words and Python's, what is refused whatever the numbers are
    r"shapes? |dimension|broadcast|unpack|of integer|integers, slices|too many indices|operand|size |size$|[tT]ensor"
)
SAME = 8  # targets in a row that are refused with the same words
PATIENCE = 6_000  # calls of the code for finding a reading: the verdict does not depend on how fast a machine is
NO_LOSS = "those of no loss"
NO_GRADIENT = (
    "{0} trains and returns no gradient: return the gradients beside the loss, or make one step in a function "
    "step(W, b, x, y, lr) that returns the changed weights, and name it behind the one that predicts: predict,step"
)
BUFFERS = (
    "{0} writes into {1}, {2} into {3}, and they return nothing: functions that write into buffers handed in are not "
    "read; name a function that makes these and returns the output, and one that returns the gradients"
)
WITHOUT = (
    "rows",
    "class",
    "classes",
    "one-hot",
    "binary",
    "column one-hot",
    "column class",
    "turned rows",
    "turned one-hot",
)
"""The targets of a backward whose forward takes none."""
LABELS = "label|class|idx"  # what a target is called that is the number of a class
FURTHER = 1_500  # of these, once a reading has some gradients right to the digit: then the code is understood
OF_A_PROBE = 8  # calls at least, to see which gradients are right
IN_VAIN = 50  # shapes that run and whose gradients are those of no known loss: then other readings go first
LONGEST = 20.0  # seconds of CPU, for code that is slow by itself


def torch_subject(op: Any, role: str) -> Subject | None:
    op = op if isinstance(op, tuple) else structure.unwrap(op)
    if "torch" not in sys.modules:
        return None
    from handgrad.check import torch_subject

    return torch_subject.read(op, role)


def readings(op: Any, role: str = "op", shape: tuple[int, ...] = ()) -> list[Reading]:
    """All readings of what was given, whose first argument may have a given shape. CheckError says what is allowed."""
    if not isinstance(op, tuple) and samples(op):
        raise CheckError(trained.SAMPLES.format(getattr(op, "__name__", type(op).__name__)))
    if isinstance(op, tuple) and len(op) == 2 and all(callable(f) for f in op):
        if (out := source.filled(op[0])) and (into := source.filled(op[1])):
            raise CheckError(BUFFERS.format(op[0].__name__, ", ".join(out), op[1].__name__, ", ".join(into)))
        return list(episodes.of_episode(*op)) or list(of_methods(*op)) or list(of_functions(*op))
    if isinstance(op, tuple) and len(op) == 3 and all(callable(f) for f in op) and (made_of := list(of_triple(*op))):
        return made_of
    op = structure.unwrap(op)
    if isinstance(op, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        found = _of_tensors(op) or [*of_method(op), *of_functions(op, None), *trained.of_function(op)]
        if not found:
            raise CheckError(NO_GRADIENT.format(op.__name__))
        return found
    if isinstance(op, type) and (pair := autograds.tensors(op) or classes.scalars(op)) is not None:
        return [replace(r, said="outputs of all its operators", composite=True) for r in of_functions(*pair)]
    if isinstance(op, type) and (made := classes.with_data(op)) is not None:
        return list(of_object(made))
    if (made := classes.with_vjp(op)) is not None:
        return [replace(r, said="a jax.custom_vjp") for r in of_object(made)]
    if (made := classes.with_context(op)) is not None:
        return [replace(r, said="forward(ctx, …), backward(ctx, …)") for r in of_object(made)]
    if found := _of_tensors(op):
        return found
    if behind := [replace(r, said=said) for made, said in classes.with_activation(op) for r in of_object(made)]:
        return behind
    if isinstance(op, type):
        if made_of := [r for made in classes.with_parameters(op) for r in of_object(made)]:
            return made_of
        if (made := classes.with_objects(op)) is not None:
            return list(of_object(made))
        if made_of := trained.of_made_of_data(op):
            return made_of
        try:
            op = instance(op)
        except CheckError:
            if not (found := _of_statics(op)):
                raise
            return found
    if len(parts := list(of_parts(op))) > 1:  # and a right one is no word for the others
        names = ", ".join(f"{type(op).__name__}.{f},{b}" for f, b in parts)
        raise CheckError(f"{role} has several losses with a gradient: name one of these pairs: {names}")
    found = [r for made in classes.with_dict(op) for r in of_object(made)]
    found += episodes.of_object(op)
    found += list(of_object(op)) or _of_statics(type(op))
    for made in (_set_up(op), _in_training(op), classes.with_call(op)):
        if made is not None:
            found += of_object(made)
    found += _built(op, shape)
    if not found and callable(op) and not isinstance(op, np.ufunc):
        found = list(of_functions(op, None))
    found += trained.of_trainer(op)
    if not found and (pairs := of_pairs(op)):
        if len(pairs) > 1:
            names = ", ".join(f.__name__ for f, _ in pairs)
            raise CheckError(f"{role} has several functions with a gradient: name one of them after a dot, of {names}")
        found = list(of_methods(*pairs[0])) or list(of_functions(*pairs[0]))
    if found:
        return found
    given = getattr(op, "__name__", type(op).__name__)
    raise CheckError(
        f"{role} must be an object with forward and backward, a pair (function, gradient), a torch.nn.Module or a "
        f"torch.autograd.Function; got {given}"
    )


def _of_tensors(op: Any) -> list[Reading]:
    """The readings of what is given tensors of its module's own autograd."""
    if (made := on_tensors(op)) is None:
        return []
    return [replace(r, said="given tensors, whose backward() is its gradient", composite=True) for r in of_object(made)]


def _of_statics(kind: type) -> list[Reading]:
    """The readings of a class whose static methods are functions; a loss of the same arguments says most."""
    of = [
        [r for pair in pairs for r in of_functions(*pair)]
        for pairs in (statics.of_losses(kind), statics.of_forwards(kind))
    ]
    return of[0] or list(of_object(kind)) or of[1]


def _set_up(op: Any) -> Any:
    """A copy of an object on which its own method made its parameters, as `layer.initialize(optimizer)`."""
    for name in SETUP:
        f = attribute(op, name)
        if not callable(f) or isinstance(f, type):
            continue
        given = [Plain() if role(p.name) == "optimizer" else 3 for p in required(f)]
        if len(given) > 2:
            continue
        try:
            made = held.copied(op)
            getattr(made, name)(*given)
        except Exception:  # it is no method that makes parameters: another one may be
            continue
        return made
    return None


def _built(op: Any, shape: tuple[int, ...]) -> Iterator[Reading]:
    """The readings of copies of an object that have been told the shape of their inputs."""
    for made, told, call in built.objects(op, shape):
        for each in (made, _in_training(made)):
            for r in of_object(each) if each is not None else ():
                names = f"{r.forward.name}, {r.backward.name}" if r.backward else r.forward.name
                yield replace(r, built=told, said=f"{call}, {r.said or names}")


def _in_training(op: Any) -> Any:
    """A copy of an object in training mode, if it is in another: there its gradient is made for it."""
    if isinstance(op, type):
        return None
    theirs = {n: v for kind in reversed(type(op).__mro__) for n, v in vars(kind).items()}
    theirs |= getattr(op, "__dict__", {})
    off = {n: True for n, v in theirs.items() if v is False and re.fullmatch(TRAINING, bare(n))}
    if not off or not hasattr(op, "__dict__"):
        return None
    try:
        made = held.copied(op)
    except Exception:  # the reading of the object itself says so
        return None
    vars(made).update(off)
    return made


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

    @property
    def of_inputs(self) -> bool:
        """Whether the loss beside backward is given what backward is, the inputs and the target; or is an object that
        backward may ask for its gradient."""
        loss = self.subject.reading.loss
        return loss is not None and (("first", None) in loss.slots or "." in loss.name) and self.rank >= FITS


def made_by(op: Any) -> Any:
    """What is to be checked: of a factory, `make_model` without its brackets, the object that it makes."""
    if not isinstance(op, types.FunctionType) or required(op) or not re.fullmatch(FACTORY, bare(op.__name__)):
        return op
    given = [bare(p) for p in inspect.signature(op).parameters]
    if any(re.fullmatch(TURNS, n) or role(n) in ("rate", "target") for n in given):
        return op  # it trains
    try:
        made = op()
    except Exception:  # it is a function of something else
        return op
    plain = made is None or held.is_tensor(made) or isinstance(made, str | int | float | complex | tuple | list | dict)
    return op if plain or isinstance(made, np.ndarray | np.generic) else made


FACTORY = r"(make|build|create|get|new|construct|setup|init)_?\w*|(\w+_)?(model|net|network|layer|mlp|factory)"
"""What a function is called that makes an object to be checked."""


def choose(
    op: Any,
    shapes: tuple[tuple[int, ...], ...] | None = None,
    given: Any = None,
    seed: int = 0,
    like: str = "",
    role: str = "op",
) -> Found:
    """The subject of the reading that fits."""
    found = readings(op, role, _first_shape(shapes, given))
    if "torch" in sys.modules:
        has = any(held.is_tensor(p.get()) for p in held.places(found[0].root).values())
        tensors = [replace(r, tensors=True) for r in found if not r.tensors]
        found = [*tensors, *found] if has else [*found, *tensors]
    else:
        found = [r for r in found if not r.tensors]
    search = _Search(found, shapes, given, seed, like)
    best = search.run()
    if broken := search.broken(best.subject.reading):
        raise CheckError(broken)
    return best


def again(found: Found, seed: int) -> Found | None:
    """The same reading with the same inputs, of code that has changed since, if it is right now."""
    if found.layout is None:
        return None
    subject = Written(found.subject.reading)
    try:
        rank = probe(subject, inputs.first(subject, found.layout, seed))
    except Exception:  # it is another reading that runs now, perhaps
        return None
    return replace(found, subject=subject, rank=rank) if rank == RIGHT else None


ITS_BACKWARD = ("backward", "backward_pass", "backprop", "bprop")
"""What an object is asked for its gradient by, whatever else it has."""


@dataclass(frozen=True, order=True)
class Failure:
    """Why an attempt came to nothing. The least says most: of which loss a gradient that ran is none; what backward
    raises where forward ran; what is not about tensors; the likeliest reading's; what is no error of the input."""

    known: bool  # the fields are compared in this order
    refused: bool  # by forward
    foreign: bool  # a tensor was given to NumPy's code, or an array to PyTorch's
    tensors: bool
    reading: int
    of_shapes: bool
    number: int
    text: str


class _Search:
    """One search through the readings."""

    def __init__(self, found: list[Reading], shapes: Any, given: Any, seed: int, like: str) -> None:
        self.readings = sorted(found, key=lambda reading: reading.tensors)  # NumPy's first: most code is its
        self.shapes, self.given, self.seed, self.like = shapes, given, seed, like
        self.best: Found | None = None
        self.why = ""  # the latest forward was refused
        self.refused = ""  # that the first backward that ran makes a step which is no gradient
        self.doubt = ""  # that a net has the gradient of another loss than its own
        self.hopeless: dict[Any, int] = {}  # a first argument that is unpacked into another number of axes
        self.whole: set[Any] = set()  # forwards that take the numbers of the first argument for indices
        self.last = 0  # the rank of the latest attempt
        self.asked = False  # whether the latest backward refused what it was given, and not its own shapes
        self.refusing: set[int] = set()  # roots whose backward failed for matrices
        self.picky: set[Any] = set()  # backwards that have failed: these run before anything is learned of a case
        self.errors: list[Failure] = []
        self.at = 0  # which of the readings is tried
        self.forwards: dict[Any, str] = {}  # what failed before
        self.numbers: dict[Written, int] = {}  # of the ways in which forward is called
        self.ways: dict[Any, int] = {}
        self.calls, self.most, self.started = 0, PATIENCE, time.process_time()
        self.outcomes: dict[str, str] = {}  # why a backward failed whenever it was called; empty: it ran
        self.in_vain = 0  # how often no loss was found whose gradients they are
        self.shared = held.shared_generators()
        self.draws: bool | None = None  # whether the code draws from them; None: nothing has run yet

    def run(self) -> Found:
        queue = deque((number, reading, self.attempts(reading)) for number, reading in enumerate(self.readings))
        while queue:
            self.at, reading, attempts = queue.popleft()
            if reading.tensors and self.best and self.best.rank >= FITS:
                break
            for attempt in attempts:
                if attempt is None:  # to the end, of NumPy's before PyTorch's
                    queue.insert(sum(r.tensors <= reading.tensors for _, r, _ in queue), (self.at, reading, attempts))
                    break
                subject, layout, case = attempt
                before, self.best = self.best, self.better(self.rank(subject, layout, case))
                if self.last >= PARTLY and not (layout is not None and layout.one):
                    self.most = min(self.most, self.calls + FURTHER)
                if before is not None and self.best is not before and reading.formulas:
                    if before.owned or before.of_inputs:
                        return before
                    mine = before.subject.reading
                    if self.last == RIGHT and self.best and _without_penalty(before, self.best, self.seed):
                        return before  # its own loss has a term that its gradient leaves out
                    if (mine.loss or mine.own) and self.last >= UNSEEN:
                        name = reading.backward.name if reading.backward and not mine.own else reading.said
                        own, other = before.subject.said.rpartition(" of ")[2], subject.said.rpartition(", ")[2]
                        self.doubt = (
                            f"{reading.name}: {name} has not the gradient of {own}, but {other.removeprefix('as ')}"
                        )
                        if self.last == RIGHT:
                            self.best = before  # right for another loss than its own: for its own, perhaps, later
                if self.best and self.best.rank == RIGHT and not self.best.lone:
                    return self.best
                if self.impatient():
                    break
        if self.doubt or (self.refused and (self.best is None or self.best.rank < UNSEEN)):
            raise CheckError(self.doubt or self.refused)
        if self.best is None:
            raise CheckError(min(self.errors).text if self.errors else "it cannot be run")
        subject = self.best.subject
        first = next((r.forward.name for r in self.readings), "")
        if self.best.rank == RUNS and subject.reading.forward.name != first and self.errors and not subject.parameters:
            raise CheckError(min(self.errors).text)  # what its forward refuses, no other method says
        searched = self.impatient() and self.given is None
        if searched and self.best.rank == RUNS and subject.targets and not subject.reading.takes_upstream:
            raise CheckError(f"{subject.name}: no inputs were found in time that fit it: give a shape, or the inputs")
        if self.best.rank < UNSEEN and subject.reading.guessed:
            raise CheckError(
                f"{subject.name}: its gradient takes arguments that are not understood: name them as forward does "
                f"({', '.join(subject.arguments)}), grad_output or cache"
            )
        if _sparse(self.best, self.seed):
            raise CheckError(
                f"{subject.name}: its gradient is right for an upstream with one number that is not 0, as behind a "
                "cross-entropy of one class, and wrong for others: that cannot be told to be right or wrong"
            )
        if not subject.picks and subject.reading.backward is None and len(source.ends(subject.reading.source)) > 1:
            raise CheckError(
                f"{subject.name} returns several values, and none behind the first has the shape of an argument's "
                "gradient for what was drawn: give a shape for each argument, or the inputs"
            )
        method, root = subject.reading.forward.name, subject.reading.root
        has_methods = not isinstance(root, held.Namespace | np.ufunc)
        if not subject.picks and subject.reading.backward is None and has_methods:
            raise CheckError(
                f"{subject.name}: {method} returns no gradients, and no method beside it is known as what does: call "
                f"that one backward, or name two methods, as {subject.name}.{method},NAME"
            )
        if not subject.picks and subject.reading.backward is None:
            raise CheckError(f"{subject.name} is a function: name its gradient too, as a pair (function, gradient)")
        if not subject.picks and self.given is not None and not subject.parameters:
            kinds = ", ".join(str(np.asarray(a).dtype) for a in _entries(self.given))
            raise CheckError(f"{subject.name}: inputs must have floats; got {kinds}")
        return self.best

    def broken(self, taken: Reading) -> str:
        """Why nothing is said of an object whose backward fails: it would be passed for another, right method."""
        for name in ITS_BACKWARD if taken.backward and taken.backward.name not in ITS_BACKWARD else ():
            why = self.outcomes.get(name, "")
            if re.match("(Attribute|Name|Type)Error", why) and len(required(getattr(taken.root, name))) < 2:
                pair = f"{taken.forward.name},{taken.backward.name if taken.backward else ''}"
                return f"{taken.name}: {name} fails whenever it is called: {why}; name {pair} to check that alone"
        return ""

    def better(self, found: Found | None) -> Found | None:
        if found is None:
            return self.best
        specs = found.layout.specs.values() if found.layout is not None else ()
        if len(specs) > 1 and all(len(s.shape) < 2 for s in specs) and id(found.subject.reading.root) in self.refusing:
            return self.best  # a product of vectors hides the transpose that its backward lacks for matrices
        batch = self.best is not None and self.best.layout is not None and not self.best.layout.one
        alone = found.layout is not None and found.layout.one and found.subject.reading.backward is None
        if self.best is not None and batch and alone and self.best.rank >= PARTLY:
            return self.best  # one sample hides what a batch shows
        if self.best is not None and batch and self.best.subject.unseen and not found.subject.unseen:
            one = found.layout is not None and found.layout.one and found.subject.kind == "net"
            if one and found.rank >= min(self.best.rank, PARTLY):
                return found  # made for one sample at a time: of a batch the biases have no gradient
        a_loss = found.subject.reading.backward is None and not found.subject.parameters
        mine = self.best.subject if self.best is not None and self.best.rank >= FITS else None
        if a_loss and mine and mine.picks.keys() & mine.parameters:
            return self.best  # a loss that is right beside a net is no word for the net
        return found if self.best is None or found.worth > self.best.worth else self.best

    def rank(self, subject: Written, layout: Layout | None, case: Case) -> Found | None:
        """What a subject is worth. If it drew a number although none had before it, that is seen, and it runs again."""
        quiet = not subject.draws
        found = self.probed(subject, layout, case)
        if quiet and layout is not None and not held.untouched(self.shared):
            self.draws = True
            held.put_back(self.shared)
            subject = self.quiet(Written(subject.reading))
            found = self.probed(subject, layout, inputs.first(subject, layout, self.seed))
        if self.last == STILL and layout is not None:  # a margin that no pair is within, perhaps
            subject = self.quiet(Written(subject.reading))
            if close := inputs.near(subject, layout, self.seed):
                found = self.probed(subject, layout, close)
        return found

    def quiet(self, subject: Written) -> Written:
        """A subject for which the shared generators are put back before each call only if the code draws from them."""
        if self.draws is None:
            self.draws = not held.untouched(self.shared)  # by the scout
        subject.draws, subject.shared = self.draws, self.shared  # the same numbers whatever is tried
        return subject

    def probed(self, subject: Written, layout: Layout | None, case: Case) -> Found | None:
        self.last, self.asked = 0, False
        try:
            self.last = self.probe(subject, case)
            narrow = layout is not None and any(1 in spec.shape for spec in layout.specs.values())
            if narrow and any(0 in shape for shape in subject.returned.values()):  # half of a width of 1
                self.last = 0
                raise CheckError(f"for {layout} it returns a gradient that has no numbers")
            lone = layout is not None and layout.lone(case.constants[n].shape for n in subject.targets)
            if step := subject.reading.backward:
                self.outcomes[step.name] = ""
            return Found(subject, layout, self.last, lone)
        except Exception as error:
            forward = {slot for slot in subject.reading.forward.flat if slot[1] in subject.targets}
            self.asked = isinstance(error, AssertionError | IndexError) or bool(subject.targets and not forward)
            if isinstance(error, StepError) and self.best is None:
                self.refused = str(error)
            self.failed(f"{subject.name}: backward failed: {one_line(error)}", ran=True)
            if step := subject.reading.backward:
                self.outcomes.setdefault(step.name, one_line(error))
            given = [case.values[n].ndim for n in case.arguments if n in case.values]
            if isinstance(error, ValueError) and len(given) > 1 and min(given) > 1:
                self.refusing.add(id(subject.reading.root))
            return None

    def probe(self, subject: Written, case: Case) -> int:
        step = subject.reading.backward
        try:
            if step in self.picky:
                runs(subject, case)
            return probe(subject, case)
        except Exception:  # raised again below: only remembered here
            self.picky.add(step)
            raise

    def failed(self, text: str, ran: bool = False) -> None:
        """Keep why an attempt came to nothing."""
        where = not ran, "Tensor" in text, self.readings[self.at].tensors, self.at
        self.errors.append(Failure(NO_LOSS not in text, *where, _of_shapes(text), len(self.errors), text))

    # --- what is tried ------------------------------------------------------------------------------------------------

    def attempts(self, reading: Reading) -> Iterator[tuple[Written, Layout | None, Case] | None]:
        """Every way in which a reading's forward runs; None where it has run often, and in vain."""
        if self.given is not None:
            yield from self.with_given(reading)
            return
        scout, blind = _scout(reading), _scout(_without_target(reading))
        root = scout.pristine
        tables = {
            p: held.plain(place.get()) for p, place in held.places(root).items() if not held.is_number(place.get())
        }
        names = [n for n in scout.arguments if n not in scout.targets]
        try:
            told = (reading.built,) if reading.built else None
            drawn, asked = inputs.in_order(scout, self.shapes or told)
        except CheckError as error:
            self.failed(str(error))
            return
        sizes = inputs.widths(getattr(reading.source, "__self__", root), tables)
        shapes = [a.shape for a in tables.values() if a.ndim == 2]
        slots = (*reading.forward.slots, *(slot for _, slot in reading.forward.named))
        own = reading.target is not None and ("argument", reading.target) in slots
        guessed = reading.takes_upstream and reading.target is not None and role(reading.target) != "target"
        began = self.in_vain
        reached = odd = 0  # and with a target that few losses take: until it was tried with vectors, that says little
        alone = reading.kind == "loss" and len(names) == 1 and not tables
        matrices = _transposed(reading) & {n for n in names if inputs.part(n) == "weight"}
        theirs = list(inputs.as_made(names, reading.made)) if reading.made and self.shapes is None else []
        options = self.options(reading)
        counted = [what for kind, what in slots if kind == "size"] or sizes
        beside = reading.backward is not None and tables  # its parameters are no vector
        one = list(inputs.unrolled(names, counted)) if self.shapes is None and not beside else []
        if self.shapes is None and not tables and not reading.takes_upstream:
            one += _regressions(reading, names)
        wide = list(inputs.windowed(reading.source, names, sizes)) if self.shapes is None else []
        own_shape = inputs.made_for(root)
        others = (
            at
            for at in itertools.chain(one, wide, inputs.layouts(names, sizes, drawn, shapes, own_shape))
            if inputs.alike(at, reading.made)
        )
        returned = deque[Layout]()  # layouts with the shapes of the gradients
        for number, layout in enumerate(_and_of(returned, itertools.chain(theirs, _matrices_first(others, matrices)))):
            if theirs and number == len(theirs) and reached >= MISSHAPEN:
                return  # as the file makes them, its parameters have gradients
            if reached >= FITS or self.impatient():
                return
            if self.in_vain > began + IN_VAIN:
                yield None
                began = self.in_vain
            if _as_vector(layout, matrices) and self.best and self.best.rank >= MISSHAPEN and not self.best.lone:
                return
            if reading.forward in self.whole and layout.specs and not next(iter(layout.specs.values())).top:
                continue
            if reached >= MISSHAPEN and any(spec.top for spec in layout.specs.values()):
                continue  # of floats it has gradients, and of whole numbers none: a wrong one would not be seen
            if reading.single and not layout.one:
                continue
            if layout.single and reached >= RUNS and not self.one_by_one(reading, layout):
                continue
            if layout.vector:
                reached = max(reached, odd)
            misfits = Counter[Any]()
            for at in self.targets(scout, blind, replace(layout, asked=asked), own, sizes, bool(tables), options):
                target = self.like_it(scout, at)
                if misfits[target] > 3:  # of what shape a gradient is, no target like it changes
                    continue
                for variant in self.variants(scout, at):
                    self.calls += 2  # forward, and then backward
                    try:
                        subject = self.quiet(Written(variant))
                        case = inputs.first(subject, at, self.seed)
                        if variant.reduction and np.size(scout.forward(case, case.values)) not in _losses(case):
                            continue  # it is no row of losses, but a product of what does not fit
                        output = subject.forward(case, case.values)
                        if _picked(variant, case, output):
                            continue  # it is no row of losses, but what class numbers pick of a table
                        if guessed and np.size(output) >= max(a.size for a in case.values.values()):
                            continue  # it is no loss: whatever moves its output has a gradient, and no target has
                    except Exception:  # this reading does not fit; `runs` has kept why the first did not
                        continue
                    yield subject, at, case
                    if self.last <= MISSHAPEN and (other := inputs.as_returned(layout, subject.returned)) is not None:
                        returned.append(other)
                    less = at.lone(case.constants[n].shape for n in subject.targets)
                    misfits[target] += self.last <= MISSHAPEN and not (less or self.asked or subject.rows)
                    # Gradients that are missing may be of another shape, because the code takes one sample at a time.
                    rank = RUNS if self.last == UNSEEN and reading.kind == "net" else self.last
                    if alone and at.odd and rank == FITS:
                        odd, rank = rank, 0
                    less = less or (layout.single and not reading.single and layout not in wide)
                    reached = max(reached, min(rank, 0) if less else rank)

    def impatient(self) -> bool:
        """Whether the search has been long enough."""
        return self.calls > self.most or time.process_time() - self.started > LONGEST

    def one_by_one(self, reading: Reading, layout: Layout) -> bool:
        """Whether one sample is what the code is made for, though a batch runs forward."""
        if reading.single or (reading.kind == "net" and layout.column):
            return True
        if not reading.takes_upstream and (layout.scalar_bias or layout.vector) and not layout.one:
            return True
        return source.of_one(gradient_of(reading))

    def variants(self, scout: Written, at: Layout) -> Iterator[Reading]:
        """The reading itself; without an upstream, also as the mean of what it returns; the formulas of a loss."""
        reading = scout.reading
        if reading.formulas:
            yield from self.formula(reading, at)
            return
        yield reading
        if reading.takes_upstream and at.vector and not self.last:
            plain = f"{reading.forward.name}, {reading.backward.name if reading.backward else ''}(gradient from above)"
            yield replace(reading, row=True, said=f"{reading.said or plain}, in rows")
        if reading.target is not None and not (reading.takes_upstream or reading.own) and reading.loss is None:
            yield replace(reading, reduction="mean", said=f"{reading.said}, of the mean of the losses".lstrip(", "))

    def formula(self, reading: Reading, at: Layout) -> Iterator[Reading]:
        """The reading with that loss of which most gradients are right."""
        self.calls += OF_A_PROBE
        shape = at.specs[reading.against].shape if reading.itself and at.specs else at.prediction or ()
        ways = list(formulas(shape, reading.counts))
        subject = Written(replace(reading, formula=ways[0][1]))
        if self.given is None:
            self.quiet(subject)
        try:
            if self.given is not None:
                case = next(iter(inputs.given(subject, self.given)))
            else:
                case = inputs.first(subject, at, self.seed)
            self.probe(subject, case)
            slopes = Slopes(subject, case, np.ones(()))
            gradients = subject.backward(case, case.values, np.ones(()))
            gradients = {n: g for n, g in gradients.items() if np.any(g) and np.shape(g) == case.values[n].shape}
            outputs = {n: slopes.outputs(n) for n in gradients}
            y = subject.given(case, case.values)[reading.against]
            of = functools.cache(lambda family, n: [slope(Formula(1.0, family), four, y) for four in outputs[n]])
        except Exception as error:
            self.failed(f"{subject.name}: backward failed: {one_line(error)}", ran=True)
            return
        best = (0, "", ways[0][1])
        steps = all(label == STEP for label in subject.picks.values())
        for sign, (text, f) in itertools.product((1, -1) if steps else (1,), ways):  # a step up is one, and wrong
            try:
                right = sum(
                    np.size(g)
                    for n, g in gradients.items()
                    if slopes.right(n, sign * g, [f.factor * own + later for own, later in of(f.family, n)])
                )
            except Exception:  # this loss does not take such a target
                continue
            if right > best[0] and not (sign < 0 < best[0]):
                best = (right, text, f)
        if best[0]:
            yield replace(reading, formula=best[2], said=f"{reading.said}, as the gradient of {best[1]}".lstrip(", "))
        else:
            self.in_vain += 1
            self.failed(
                f"{reading.name}: {reading.said or 'backward'} takes a target, and its gradients are {NO_LOSS} "
                "that is known here: give a function that returns the loss and its gradients, or a loss beside it",
                ran=True,
            )

    def options(self, reading: Reading) -> list[tuple[str, str]]:
        """The domains, and the kinds of target, that a reading is tried with."""
        known = bool(self.like) or structure.is_known(reading.source)
        options = inputs.kinds(self.like or reading.name, known)
        if _places_in_a_matrix(reading):  # where one below 0 is written beside the numbers, by C code
            return [(d, t) for d, t in options if t not in inputs.BELOW]
        return options

    def targets(
        self,
        scout: Written,
        blind: Written,
        layout: Layout,
        own: bool,
        sizes: list[int],
        parameters: bool,
        options: list[tuple[str, str]],
    ) -> Iterator[Layout]:
        """The layout with every kind of target, or domain, for which forward gives finite numbers. `blind` knows of no
        target: one that forward is not given changes nothing there."""
        reading = scout.reading
        if reading.target is None:
            for domain in inputs.DOMAINS:
                at = replace(layout, domain=domain, target="rows")
                if self.runs(scout, at) is not None:
                    yield at
                    return
                if re.search(OF_SHAPES, self.why):
                    return  # of whatever numbers
            return
        if not own:
            ran = self.runs(blind, layout)
            if ran is None:
                return
            options = [(d, t) for d, t in options if d == "any" and t in WITHOUT]
            shapes = [ran.shape[:2], ran.shape] if ran.ndim == 3 and ran.shape[-1] == 1 else [ran.shape]
            tries = itertools.product(shapes, dict.fromkeys(options))  # of a column for every time: a class for each
            yield from (replace(layout, domain=d, target=t, prediction=s) for s, (d, t) in tries)
            return
        predictions: list[Any] = [None]
        matrices = any(p.get().ndim > 1 for p in held.places(scout.pristine).values() if held.is_array(p.get()))
        if parameters or len(layout.specs) > 1:
            floats = [spec.shape for spec in layout.specs.values() if spec.shape and not spec.top]
            data = [spec.shape for spec in layout.specs.values() if spec.batch is not None and spec.shape] or floats
            counts = [spec.shape[spec.batch] for spec in layout.specs.values() if spec.batch is not None and spec.shape]
            rows = dict.fromkeys([*counts, *(s[0] for s in data), *(s[-1] for s in data if len(s) > 1)])
            ks = [*dict.fromkeys([*sizes, *(s[-1] for s in floats), 2, 3])][:6]
            predictions += [spec.shape for spec in layout.specs.values() if spec.top == 2 and len(spec.shape) == 2]
            for n in rows:
                predictions += [(n,), (n, 1), (1, n), *((n, k) for k in ks), *((k, n) for k in ks[:4])]
            if {inputs.part(n) for n in layout.specs} & inputs.WEIGHTS:
                predictions = [*predictions[1:], None]  # what is given its weights predicts none of its arguments
            options = [(d, t) for d, t in inputs.KINDS if d == "any" or (d == "probability" and not matrices)]
        elif not layout.specs:
            predictions = [(5,), (5, 3)]  # beside parameters alone
        elif [re.fullmatch(inputs.UNROLLED, bare(n)) and len(spec.shape) for n, spec in layout.specs.items()] == [1]:
            predictions = [(5,)]  # observations, of which there are more than parameters: a filter takes many steps
        if layout.asked:
            theirs = layout.asked[0][1]
            predictions = [theirs, *((*theirs, k) for k in sizes or [3]), *predictions]
        said: list[tuple[Any, str]] = []
        tried: set[Any] = set()
        refused: dict[str, bool] = {}  # the domains that were, and whether before anything was asked of a target
        ways = list(itertools.product(dict.fromkeys(predictions), options))
        if re.search(LABELS, bare(reading.target)):
            ways.sort(key=lambda way: "class" not in way[1][1])
        for prediction, (domain, kind) in ways:
            if refused.get(domain):
                continue
            at = replace(layout, domain=domain, target=kind, prediction=prediction)
            made = self.drawn(scout, at)
            if made is None and layout.asked:
                continue
            given = _same(made)
            if given in tried:
                continue  # another name for the same numbers
            tried.add(given)
            if self.runs(scout, at, made) is not None:
                yield at
                said = []
                continue
            if made is not None and self.why and domain not in refused:
                refused[domain] = self.whatever(scout, made)
            if refused.get(domain):
                if "must be of integer" in self.why:
                    self.whole.add(reading.forward)
                if re.search(OF_SHAPES, self.why):
                    return
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

    def like_it(self, scout: Written, at: Layout) -> Any:
        """How many axes the target has, and whether it is of whole numbers."""
        made = self.drawn(scout, at) if scout.targets else None
        of = [made.constants[n] for n in scout.targets] if made is not None else []
        return next(((a.ndim, a.dtype.kind) for a in of), None)

    def runs(self, scout: Written, at: Layout, made: Case | None = None) -> Array | None:
        """The output of forward; None where it refuses the layout or gives no finite numbers."""
        r = scout.reading
        self.why = ""
        key = (self.number(scout), *at.specs.items(), at.domain, at.target, at.prediction, at.asked)
        if key in self.forwards:
            return None
        first, *others = at.specs.values() or (None,)
        axes = (id(r.root), r.forward, first, *(len(s.shape) for s in others if s is not None))
        if self.hopeless and self.hopeless.get(axes, 0) > 3:
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
                self.hopeless[axes] = self.hopeless.get(axes, 0) + 1
            self.forwards[key] = f"{scout.name}.forward refuses every drawn input; for {at}: {self.why}"
            self.forwards[key] += f". {_what_helps(self.forwards[key])}"
            if not scout.arguments:
                name = f"{scout.name}.{scout.reading.forward.name}"
                self.forwards[key] = f"{name} takes no argument and fails: {self.why}. Let it take its input as one"
        if not self.errors or not _of_shapes(self.forwards[key]):
            self.failed(self.forwards[key])
        return None

    def number(self, scout: Written) -> int:
        """One number for all that call the same forward in the same way."""
        if scout not in self.numbers:
            r = scout.reading
            ups = r.backward.upstreams if r.backward else 0
            way = (id(r.root), r.forward, scout.arguments, scout.targets, r.tensors, ups, r.marks, r.predicted)
            self.numbers[scout] = self.ways.setdefault(way, len(self.ways))
        return self.numbers[scout]

    def whatever(self, scout: Written, made: Case) -> bool:
        """Whether forward, which refused a case, refuses it whatever the target is: it fails before it asks for one."""
        targets = {n: Unasked() for n in scout.targets}
        self.calls += 1
        try:
            root, _ = scout.fresh(made, made.values)
            scout.run(root, scout.given(made, made.values) | targets)
        except Exception as error:  # the same as before, or another, says what it depends on
            return one_line(error) == self.why and not any(map(asked, targets.values()))
        return False

    def with_given(self, reading: Reading) -> Iterator[tuple[Written, Layout | None, Case]]:
        entry = self.given[0] if isinstance(self.given, list) and self.given else self.given
        if isinstance(entry, dict):
            try:
                reading = with_given(reading, entry)
            except (AttributeError, KeyError, ValueError):  # it calls none of the user's functions as they stand
                return
        scout = Written(reading)
        try:
            case = next(iter(inputs.given(scout, self.given)))
            shape = np.shape(scout.run(scout.fresh(case, case.values)[0], scout.given(case, case.values)).outputs[0])
        except CheckError as error:
            self.failed(str(error))
            return
        for variant in self.variants(scout, Layout({}, prediction=shape)):
            subject = Written(variant)
            try:
                case = next(iter(inputs.given(subject, self.given)))
            except CheckError as error:
                self.failed(str(error))
                continue
            yield subject, None, case


def _places_in_a_matrix(reading: Reading) -> bool:
    """Whether the code makes sparse matrices, of a target that says where their numbers are."""
    root = reading.root
    steps = [s for s in (reading.forward, reading.backward, reading.loss) if s is not None]
    found = (
        root.functions.get(s.name) if isinstance(root, held.Namespace) else getattr(type(root), s.name, None)
        for s in steps
    )
    theirs = {
        n for f in found if isinstance(f, types.FunctionType) for g in held.called(f) for n in g.__code__.co_names
    }
    return any(re.fullmatch(r"(csr|csc|coo)_(matrix|array)", n) for n in theirs)


def _scout(reading: Reading) -> Written:
    """A subject that is only asked which inputs it takes."""
    made = Written(reading)
    made.draws = False
    return made


def _without_target(reading: Reading) -> Reading:
    arguments = tuple(a for a in reading.arguments if a.role != "target")
    return replace(reading, arguments=arguments, loss=None, formula=None)


def _of_shapes(error: str) -> bool:
    """Whether an error may be one of the input that was tried, a tensor for example, and not of the code."""
    return "'Tensor' object" in error or not re.search(r": (Name|Attribute|Key|Type|Import)Error: ", error)


def _what_helps(error: str) -> str:
    """What to give where forward refused whatever was drawn."""
    if "must return an array of numbers" in error:
        return "No shape helps: name what returns numbers, as an object with forward and backward"
    if re.search(r": (Name|Import|ModuleNotFound)Error: ", error):
        return "No shape helps: its code looks up what is not there"
    if _of_shapes(error) and "only integers, slices" not in error:  # as of x["a"]
        return "Give a shape, or the inputs"
    return "No shape helps: it wants other things than arrays; give its arguments by their names, a dict (--inputs)"


def _sparse(found: Found, seed: int) -> bool:
    """Whether gradients that are wrong for an upstream are right for each with one number that is not 0."""
    subject = found.subject
    if found.layout is None or not subject.reading.takes_upstream or not PARTLY >= found.rank >= FITS:
        return False
    case = inputs.build(subject, found.layout, "normal", np.random.default_rng([seed, 0]))
    case.values.update({n: np.array(a, np.float64) for n, a in subject.parameters.items()})
    shape = subject.forward(case, case.values).shape
    size = math.prod(shape)

    def right(u: Array) -> bool:
        slopes, gradients = Slopes(subject, case, u), subject.backward(case, case.values, u)
        return all(slopes.right(n, g) for n, g in gradients.items())

    alone = [np.eye(size)[k].reshape(shape) for k in {0, size // 2, size - 1}]
    return size > 1 and all(map(right, alone)) and not right(np.add.reduce(alone))


def _without_penalty(mine: Found, other: Found, seed: int) -> bool:
    """Whether the code's own loss is another one and a term of the parameters alone, as a penalty of their squares."""
    if mine.layout is None or other.layout is None or not (mine.subject.reading.loss or mine.subject.reading.own):
        return False

    def apart(drawn: int, moved: bool) -> tuple[float, float]:
        """The distance of the two losses of a batch, and their size."""
        of = []
        for subject in (mine.subject, other.subject):
            case = inputs.first(subject, mine.layout or Layout({}), drawn)
            theirs = {n: nudged(a) for n, a in case.values.items() if n in subject.parameters and moved}
            of.append(float(subject.forward(case, case.values | theirs).sum()))
        return of[0] - of[1], max(map(abs, of))

    try:
        (here, size), (there, _), (before, _) = apart(seed, True), apart(seed + 1, True), apart(seed, False)
    except Exception:  # the loss of the one is not asked as that of the other
        return False
    room = 2.0**-32 * size  # far above the roundings of a loss in float64, and far below a penalty that moves it
    return abs(here - there) <= room < abs(here - before)


def _regressions(reading: Reading, names: list[str]) -> list[Layout]:
    """The layouts of a loss of samples, as its code multiplies them with what it is a function of."""
    root, name = reading.root, reading.forward.name
    f: Any = root.functions.get(name) if isinstance(root, held.Namespace) else getattr(root, name, None)
    f = inspect.unwrap(getattr(f, "__func__", f))
    called = held.called(f) if isinstance(f, types.FunctionType) else ()
    found = [pair for each in called for pair in source.products(each, names)]
    return list(inputs.regressions(names, found, any(map(source.along_rows, called))))


def _transposed(reading: Reading) -> set[str]:
    """The arguments of a function that it, or what it calls in its module, transposes: these are no vectors."""
    f = reading.root.functions.get("f") if isinstance(reading.root, held.Namespace) else None
    names: set[str] = set()
    for each in held.called(f) if isinstance(f, types.FunctionType) else ():
        nodes = ast.walk(tree) if (tree := source.tree(each)) else ()
        turned = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr in ("T", "transpose")]
        names |= {n.id for n in turned if isinstance(n, ast.Name)}
    return names


def _as_vector(layout: Layout, matrices: set[str]) -> bool:
    return any(len(layout.specs[n].shape) < 2 for n in matrices & layout.specs.keys())


def _and_of(found: deque[Layout], layouts: Iterator[Layout]) -> Iterator[Layout]:
    """The layouts, and behind each those that trying it has found."""
    for layout in layouts:
        yield layout
        while found:
            yield found.popleft()


def _matrices_first(layouts: Iterator[Layout], matrices: set[str]) -> Iterator[Layout]:
    vectors = []
    for layout in layouts:
        if _as_vector(layout, matrices):
            vectors.append(layout)
        else:
            yield layout
    yield from vectors


def _picked(reading: Reading, case: Case, output: Array) -> bool:
    """Whether a loss of a target has more numbers than that target, as p[y] of rows p has."""
    if reading.target is None or reading.takes_upstream or reading.target not in case.constants:
        return False
    return output.size > max(1, case.constants[reading.target].size)


def _losses(case: Case) -> set[int]:
    """How many losses there may be: one for each sample, or one for each number."""
    arrays = [case.values[n] for n in case.arguments if n in case.values]
    return {n for a in arrays for n in (*a.shape[:1], *a.shape[-1:], a.size)} | {1}


def _same(made: Case | None) -> Any:
    """Equal for cases of equal numbers."""
    if made is None:
        return None
    return tuple((n, a.dtype.kind, a.shape, a.tobytes()) for n, a in (*made.values.items(), *made.constants.items()))


def _first_shape(shapes: Any, given: Any) -> tuple[int, ...]:
    """The shape of the first argument, if the user gave one; ()."""
    if shapes:
        return tuple(shapes[0])
    arrays = [a for a in _entries(given) if isinstance(a, np.ndarray) or held.is_tensor(a)]
    return next((held.shape(a) for a in arrays if a.ndim), ())


def _entries(given: Any) -> tuple[Any, ...]:
    entry = given[0] if isinstance(given, list) else given
    if isinstance(entry, dict):
        return tuple(entry.values())
    return entry if isinstance(entry, tuple) else (entry,)
