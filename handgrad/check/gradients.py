"""`check_gradients` and `assert_parity`: a user's own gradient against every oracle that applies."""

import inspect
import math
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.check import clips, decide, edits, match, meant, oracles, search, thresholds
from handgrad.check import inputs as drawn
from handgrad.check.decide import Flags, Judged
from handgrad.check.ideal import without_epsilon
from handgrad.check.oracles import AUTOGRAD, CENTRAL, CERTIFIED, COMPLEX, HAND, TAYLOR, Match, Point, Reading
from handgrad.check.reached import Reached
from handgrad.check.report import OUTPUT, PASTE, VALUES, Finding, GradientCheck, Row, written
from handgrad.check.subject import Array, Case, CheckError, Subject, Values, cast, instance, nudged, one_line, required
from handgrad.check.surroundings import kept
from handgrad.check.written import Written
from handgrad.judge.ball import Ball, Float64, Format
from handgrad.judge.explain.patterns import Evidence, recognise
from handgrad.judge.verdict import digits_lost

INPUTS = "inputs"
"""What the inputs of a user are called in the lines that see it again."""
LONGEST = 1000  # characters of inputs that are written out
MANY = 4096  # numbers of a pattern's evidence: beyond, recognising is not worth its time


def check_gradients(
    op: Any,
    inputs: Any = None,
    reference: Any = None,
    *,
    shape: tuple[int, ...] | None = None,
    dtype: npt.DTypeLike | None = None,
    seed: int = 0,
    only: tuple[str, ...] = (),
) -> GradientCheck:
    """Is the gradient that `op` computes right?

    Args:
        op: a layer, a loss or a net, a pair (function, gradient), a function that returns both, a `torch.nn.Module` or
            a `torch.autograd.Function`; an object, or a class that needs no arguments. How it is called and where its
            gradients are is found by trying what people do.
        inputs: an array, a tuple with one array per argument, a dict by the names of arguments, which may hold numbers,
            flags, texts and lists of arrays too; or a list of these for several cases; None: drawn.
        reference: the same function by someone else: anything that `op` may be, or a function of tensors.
        shape: of the drawn input, or a list with one shape per argument; None: found by trying.
        dtype: "float64" judges there alone; "float32" judges in float64 first and holds float32 against that. None:
            float32, unless parameters or inputs are float64.
        seed: of the drawn inputs and upstream gradients.
        only: the names of the variables to look at; empty: all.

    Returns:
        A `GradientCheck`: true if the gradients agree; `.render()` is a text of at most 25 lines.

    Raises:
        CheckError: (a ValueError) what was given cannot be checked.

    >>> import numpy as np
    >>> bool(check_gradients((np.sin, lambda x: np.cos(x)), np.linspace(-1, 1, 5)))
    True
    """
    drawn.allowed(shape, dtype, seed)
    try:
        with kept(seed):
            check = _Check(op, inputs, reference, shape, dtype, seed, only)
            found = check.run()
            if found.status == "wrong" or check.clipped:
                found = _unclipped(check, op, inputs, reference, shape, dtype, seed, only)
            if found.status != "wrong" or found is not check.answer:
                return found
            found = _ideal(check, op, inputs, reference, shape, dtype, seed, only)
            if found.status == "wrong":
                found.lines = check.likeliest()
            return found
    except CheckError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:
        # The user's code also runs in constructors, copies, properties and conversions.
        raise CheckError(f"{_expression(op, type(op).__name__)} cannot be checked: {one_line(error)}") from error


def _unclipped(check: "_Check", op: Any, *options: Any) -> GradientCheck:
    """What is wrong, or mostly clipped, judged once more without the clips of the code."""
    if check.found is None or check.found.layout is None:
        return check.answer
    with clips.lifted(op) as met:
        right = search.again(check.found, check.seed) is not None
        if not met or not (right or check.clipped):
            return check.answer
        met.clear()
        without = _Check(op, *options, before=check.found)
        again = without.run()
        at = ", ".join(f"±{c:g}" for c in dict.fromkeys(met))
        explained = clips.explains(check.trials, without.trials, met)
        if again.status == "agree" and not explained and clips.same_outputs(check.trials, without.trials):
            again.status, again.why = "cannot tell", f"gradients are clipped at {at} on their way"
            again.remarks.insert(0, "without that clip they are right: of what it changes behind it nothing is told")
            return again
        if again.status == "cannot tell" or not explained:
            return check.answer
        how = "right up to its clip" if again else "judged without its clip"
        again.remarks.insert(0, f"{how}: the code clips gradients at {at}, which is left out here")
        return again


def _told(answer: GradientCheck) -> set[tuple[str, str]]:
    return {(f.tensor, f.case.draw) for f in answer.findings}


def _ideal(check: "_Check", op: Any, *options: Any) -> GradientCheck:
    """What is wrong, judged once more without the ε of the code: what is right then is right, and no finding."""
    found = check.answer
    with without_epsilon(op) as left_out:
        if not left_out:
            return found
        try:
            without = _Check(op, *options, before=check.found)
            again = without.run()
        except Exception:  # it needs its ε, to be finite: what was found stands
            return found
    if _narrower(without.found, check.found):
        return found  # of one number for each sample its mean is their sum, which excuses nothing
    few = ", ".join(f"{c:g}" for c in dict.fromkeys(left_out))
    told = not again.findings and again.numbers >= found.numbers and 2 * again.unsure <= again.numbers
    if again.status == "agree" or (told and again.unseen == found.unseen):
        again.remarks.insert(0, f"right for the formula; its code adds or clips at {few}, which is left out here")
        return again
    if again.status == "wrong" and _told(again) < _told(found):
        again.remarks.insert(0, f"judged as its formula; its code adds or clips at {few}, which is left out here")
        return again
    return found


def _narrower(new: search.Found | None, old: search.Found | None) -> bool:
    """Whether an argument is drawn with fewer axes of several numbers."""
    specs = [found.layout.specs if found and found.layout else {} for found in (new, old)]
    wide = [{n: sum(length > 1 for length in spec.shape) for n, spec in of.items()} for of in specs]
    return any(wide[0][n] < wide[1][n] for n in wide[0].keys() & wide[1].keys())


class _Check:
    """One check: the subject, its reference, and the answer as it grows."""

    def __init__(
        self,
        op: Any,
        inputs: Any,
        reference: Any,
        shape: tuple[int, ...] | None,
        dtype: npt.DTypeLike | None,
        seed: int,
        only: tuple[str, ...],
        *,
        before: search.Found | None = None,
    ) -> None:
        self.inputs, self.shape, self.seed, self.only = inputs, shape, seed, only
        self.found = before  # how the op is read, if that is known already
        self.like = "" if reference is None else str(getattr(reference, "__name__", type(reference).__name__))
        self.subject, self.cases = self._read(op)
        self.reference = None if reference is None else self._reference(reference)
        self.answer = GradientCheck(self.subject.name, self.subject.kind, op=_expression(op, "op"))
        self.answer.reference = "" if reference is None else _expression(reference, "reference")
        if isinstance(self.subject, Written) and self.subject.said:
            self.answer.remarks.append(f"read as {self.subject.said}")
        self.single = self._wants_single(dtype)
        self.readings: list[dict[str, Reading]] = []
        self.kinks: list[dict[str, Flags]] = []
        self.judged: list[Judged] = []
        self.trials: list[edits.Trial] = []
        self.taylor: dict[int, oracles.Taylor] = {}  # by the number of the case
        self.reached = Reached(_backward_name(self.subject))
        self.clipped = False  # whether most of what is told of wrong gradients is that they are clipped
        self.coarse = ""  # what the code rounds to, less than float32
        self.unsure_single = 0  # numbers of the float32 pass that cannot be told

    def run(self) -> GradientCheck:
        for case in self.cases:
            self._case(case)
        answer, still, idle = self.answer, False, list[str]()
        if isinstance(self.subject, Written) and self.trials and answer.findings:
            self._clipped(self.subject)
        for j in self.judged:
            answer.checked.setdefault(j.name, j.point.case.values[j.name].shape)
        answer.numbers = sum(j.value.size for j in self.judged)
        answer.kinks = int(sum(j.kink.sum() for j in self.judged))
        answer.unsure = int(sum(j.unsure.sum() for j in self.judged)) + self.unsure_single
        self._remark_kinks()
        answer.missed = [] if answer.findings else self.reached.missed()
        answer.order = match.order(self.subject, self.cases[0]) if isinstance(self.subject, Written) else ""
        answer.table = self._table() if self.readings else []
        if isinstance(self.subject, Written) and answer.findings:
            answer.why, said = meant.otherwise(self.subject, self.judged, answer)
            answer.misled += [said] if said else []
        if answer.why:
            answer.findings.clear()
            answer.status = "cannot tell"
        elif answer.findings:
            answer.status = "wrong"
            answer.again = self._again(answer.findings[0])
        elif (
            not self.judged
            or answer.unseen
            or (idle := self._idle())
            or (still := self.reference is None and all(map(self._still, self.judged)))
            or 2 * answer.unsure > answer.numbers
            or any(self._never_sure(name) for name in {j.name for j in self.judged})
            or (answer.contradicts and not answer.unsure)
        ):
            answer.status = "cannot tell"
            if answer.unseen and self.judged and not idle and not still and answer.checked:
                only = shlex.quote(",".join(answer.checked))
                answer.remarks.insert(0, f"what has a gradient is right; --only {only} asks for no more than that")
            if idle:
                answer.why = f"0 = 0 for {', '.join(idle)}"
                answer.remarks.append(
                    "cannot tell: nothing moves with these here, but elsewhere; give inputs at which the output does"
                )
            if self.judged and answer.contradicts and not answer.unsure:
                answer.remarks.append("cannot tell: the oracles contradict each other; the table says which")
            if self.judged and still:
                answer.remarks.append(
                    "cannot tell: nothing moves the output here, and 0 = 0 shows nothing; give inputs that do"
                )
        answer.unseen, answer.constants, answer.remarks = (
            list(dict.fromkeys(a)) for a in (answer.unseen, answer.constants, answer.misled[:1] + answer.remarks)
        )
        return answer

    # --- what is checked ----------------------------------------------------------------------------------------------

    def _read(self, op: Any, role: str = "op") -> tuple[Subject, list[Case]]:
        """The subject of what was given, and its cases."""
        shapes, op = _shapes(self.shape), search.made_by(op)
        subject = search.torch_subject(op, role)
        if subject is None:
            again = self.found and search.again(self.found, self.seed)
            found = self.found = again or self._chosen(op, shapes, role)
            if found.layout is None:
                return found.subject, list(drawn.given(found.subject, self.inputs))
            return found.subject, list(drawn.cases(found.subject, found.layout, self.seed, thresholds.of(op)))
        if self.inputs is not None:
            return subject, list(drawn.given(subject, self.inputs))
        layout = drawn.fitting(subject, shapes, self.seed, self.like)
        return subject, list(drawn.cases(subject, layout, self.seed, thresholds.of(op)))

    def _chosen(self, op: Any, shapes: Any, role: str) -> search.Found:
        """How the op is read. A tuple of as many inputs as its function has arguments, of which some are taken for what
        is not drawn, as `params`, is understood by their names."""
        try:
            return search.choose(op, shapes, self.inputs, self.seed, self.like, role)
        except CheckError:
            names = [p.name for p in required(op[0] if isinstance(op, tuple) else op)]
            if not (isinstance(self.inputs, tuple) and 1 < len(names) == len(self.inputs)):
                raise
            self.inputs = dict(zip(names, self.inputs, strict=True))
            return search.choose(op, shapes, self.inputs, self.seed, self.like, role)

    def _reference(self, reference: Any) -> Subject:
        own = getattr(self.subject.source, "__dict__", {})
        if _is_class(reference):
            reference = instance(reference, own)
        found = search.torch_subject(reference, "reference")
        if found is None:
            case = self.cases[0]
            arrays = tuple(case.values.get(n, case.constants.get(n)) for n in case.arguments)
            found = search.choose(reference, None, arrays, self.seed, self.like, "reference").subject
        return found

    def _wants_single(self, dtype: npt.DTypeLike | None) -> bool:
        if dtype is not None:
            return np.dtype(dtype) == np.float32
        held = [a.dtype for a in self.subject.parameters.values()]
        if not held and self.inputs is not None:
            entry = self.inputs[0] if isinstance(self.inputs, list) else self.inputs
            entry = tuple(entry.values()) if isinstance(entry, dict) else entry
            first = entry[0] if isinstance(entry, tuple) else entry
            held = [np.dtype(str(getattr(first, "dtype", "float64")).removeprefix("torch."))]
        return not held or held[0] == np.float32

    def _ask(self, call: Callable[[], Any], what: str) -> Any:
        """Run the user's code; what it raises becomes one line."""
        try:
            return call()
        except CheckError:
            raise
        except Exception as error:
            raise CheckError(f"{self.subject.name}: {what} failed: {one_line(error)}") from error

    # --- one case -----------------------------------------------------------------------------------------------------

    def _case(self, case: Case) -> None:
        answer, subject = self.answer, self.subject
        p: Point = self._ask(lambda: oracles.point(subject, case, drawn.upstream, self.seed), "forward")
        if not np.isfinite(p.output).all():
            answer.remarks.append(f'inputs "{case.draw}" are not judged: an output is not finite')
            return
        if not p.repeatable:
            answer.remarks.append(f'inputs "{case.draw}" are not judged: forward is random, two calls differ')
            return
        if p.unmeasured and case.draw == drawn.MOVED:
            answer.remarks.append(
                f'inputs "{case.draw}" are not judged: the code asserts its format, its rounding is not seen'
            )
            return
        self.coarse = self.coarse or oracles.coarse(p)
        if self.coarse:
            answer.remarks.append(f"cannot tell: it computes in {self.coarse}, in which differences show no slope")
            return
        if p.dtype == np.float32:
            answer.remarks.append("the code computes in float32 even when given float64, and is judged as that")
        hand: Reading = self._ask(lambda: oracles.program(HAND, p, p.backward, p.unit), "backward")
        if self.inputs is None and case is not self.cases[0] and _empty(case, hand.values):
            answer.remarks.append(f'inputs "{case.draw}" are not judged: a gradient has no numbers there')
            return  # as half of a width of 1 has none
        answer.draws.append(case.draw)
        self._repeat(p, hand)
        narrow = {str(g.dtype) for g in hand.values.values() if g.dtype.kind == "f" and g.dtype.itemsize < 8}
        if p.dtype == np.float64 and narrow:
            cast_to = min(narrow)
            answer.remarks.append(
                f"float64 inputs give {cast_to} gradients: a silent cast; judged to the precision of {cast_to}"
            )
        names = self._checked(p, hand)
        if names is None:
            answer.unseen = answer.unseen or ["everything"]
            return
        if not answer.draws[1:]:
            answer.remarks += subject.behaviour(case, p.upstream.astype(p.dtype))
        central = oracles.central(p, names)
        if central.sampled:
            answer.remarks.append(
                f"of more than {p.entries} numbers a sample is differenced, and directions through all"
            )
        autograd, way = self._autograd(p)
        readings = {HAND: hand, AUTOGRAD: autograd, COMPLEX: oracles.complex_step(p, names), CENTRAL: central.reading}
        readings[CERTIFIED] = self._certified(p, way, p.output, p.dtype)
        self._analytic(readings, central)
        others = {oracle: reading for oracle, reading in readings.items() if oracle != HAND and reading.applies}

        def judged(hand: Reading) -> Iterator[Judged]:
            against = others | {AUTOGRAD: autograd, CERTIFIED: readings[CERTIFIED]}
            return (decide.judge(p, name, hand, against, central) for name in names)

        found = list(judged(hand))
        self.trials.append(edits.Trial(p, found, lambda: judged(oracles.program(HAND, p, p.backward, p.unit))))
        for j in found:
            self._remark_reference(j, readings)
            self._remark_digits(j, readings[CERTIFIED], p.dtype)
        self.readings.append(readings)
        self.kinks.append({j.name: central.kinks[j.name] & ~j.wrong for j in found})
        self.judged += found
        wrong = [j for j in found if j.wrong.any() or j.problem or j.direction]
        for j in wrong:
            self._find(self._explain(j, found))
        if not wrong and isinstance(subject, Written):
            self._stale(p, hand)
        if not any(k.any() for k in central.kinks.values()):
            floats = {
                n: np.asarray(g, np.float64) for n, g in hand.values.items() if np.shape(g) == case.values[n].shape
            }
            if (t := oracles.taylor(p, floats, hand.radii, central)) is not None:
                self.taylor[len(self.trials) - 1] = t
        if self.single and not wrong and p.dtype == np.float64:
            self._single(p, hand, central, way)

    def _clipped(self, subject: Written) -> None:
        """Take what the code clips for not told, where that is all that is wrong; if it is most, nothing is told."""
        wrong = {f"the gradient of {n}" for t in self.trials for n in t.wrong}
        if {f.tensor for f in self.answer.findings} != wrong or (found := clips.read(subject, self.trials)) is None:
            return
        self.answer.findings.clear()
        clipped = told = 0
        for number, (trial, at) in enumerate(zip(self.trials, found[1], strict=True)):
            radii = self.readings[number][HAND].radii
            for j in trial.judged:
                mine = at.get(j.name, np.zeros(j.value.shape, bool))
                j.wrong, j.unsure = j.wrong & ~mine, j.unsure | mine
                radii[j.name] = np.where(mine, np.inf, radii[j.name])
                clipped += int(mine.sum())
                told += int((~j.unsure & (j.value != 0)).sum()) if f"the gradient of {j.name}" in wrong else 0
            if at:
                self.taylor.pop(number, None)
        self.clipped = clipped > told
        if self.clipped:
            self.answer.why = f"gradients are clipped {found[0]}"
            self.answer.remarks.append(f"of these, {clipped} numbers are clipped and {told} are not, which are right")
        else:
            self.answer.remarks.append(
                f"right up to its clip: the code clips gradients {found[0]}; {clipped} numbers are, and are not told"
            )

    def likeliest(self) -> list[edits.Suggestion]:
        """The lines of the user's code that one edit each makes right."""
        if not isinstance(self.subject, Written) or not any(t.wrong for t in self.trials):
            return []
        return edits.likeliest(self.subject, self.trials)

    def _checked(self, p: Point, hand: Reading) -> list[str] | None:
        """The values with a gradient, or that must have one; None if there is none at all. The rest is said."""
        subject = self.subject
        if isinstance(subject, Written):
            self.answer.unseen += [n for n in subject.unseen if not self.only or n in self.only]
            self.answer.constants += subject.constants
            names = [n for n in p.names if n in subject.picks and (not self.only or n in self.only)]
            return names or None
        names = [
            name
            for name in p.names
            if name in hand.values or (name in self.subject.parameters and self._moves(p, name))
        ]
        if not names:
            return None
        target = p.output.size == 1 and len(p.case.arguments) == 2
        for name in p.names:
            if name not in names and self._moves(p, name):
                if target and name in p.case.arguments:
                    self.answer.constants.append(name)
                else:
                    self.answer.unseen.append(name)
        return names

    def _moves(self, p: Point, name: str) -> bool:
        """Whether the output depends on a value."""
        moved = p.forward({**p.case.values, name: nudged(p.case.values[name])})
        return not np.array_equal(moved, p.output.ravel())

    def _remark_digits(self, j: Judged, certified: Reading, dtype: npt.DTypeLike) -> None:
        """Once for each dtype: the gradient is right for the op's own output, and a known form keeps more digits."""
        said = any(f"bits of {np.dtype(dtype)} " in text for text in self.answer.remarks)
        if certified.digits is not None and not said and not j.wrong.any() and not j.problem:
            stable, own, x, form = certified.digits
            if x.shape == j.value.shape and (note := digits_lost(j.value, stable, own, x)[0]):
                note = note.replace("bits ", f"bits of {np.dtype(dtype)} ")
                self.answer.remarks.append(f"right, but {note}; this form does not: {form}")

    def _remark_reference(self, j: Judged, readings: dict[str, Reading]) -> None:
        """The reference itself may be wrong, as nn.Hardsigmoid is in float64."""
        assert j.misled is None or self.reference is not None
        if j.misled is not None and j.misled.any() and self.reference is not None:
            index = tuple(int(i) for i in np.argwhere(j.misled)[0])
            theirs, measured = (readings[o].values[j.name][index] for o in (AUTOGRAD, CENTRAL))
            self.answer.misled.append(
                f"the reference's own gradient is wrong: {self.reference.name} has {float(theirs)!r} at "
                f"{j.name}{list(index)}, differences say {float(measured)!r}; yours is right"
            )

    def _find(self, finding: Finding) -> None:
        self.answer.findings.append(finding)

    def _repeat(self, p: Point, hand: Reading) -> None:
        """Backward from the same state twice: bit for bit the same, or a note."""
        with self.reached.watching():
            again = p.backward(p.case.values)
        for name, g in hand.values.items():
            if not np.array_equal(g, np.asarray(again.get(name)), equal_nan=True):
                gap = np.abs(np.asarray(again[name], np.float64) - np.asarray(g, np.float64)).max()
                self.answer.remarks.append(
                    f"backward is not repeatable: two calls give {name} gradients {gap:.2g} apart"
                )

    def _stale(self, p: Point, hand: Reading) -> None:
        """A layer that was used before gives the same gradient as a new one."""
        assert isinstance(self.subject, Written)
        values = {n: cast(a, p.dtype) for n, a in p.case.values.items()}
        try:
            again = self.subject.backward_again(p.case, values, p.upstream.astype(p.dtype))
        except Exception:
            return  # other inputs were out of its domain
        if again is None or any(again.get(name) is None for name in hand.values):
            return
        for name, g in hand.values.items():
            other = np.asarray(np.nan if again.get(name) is None else again[name], np.float64)
            g = np.asarray(g, np.float64)
            if other.size > 1 and other.shape != g.shape:
                continue  # it returns those of every call since it was made, in a list
            wrong = ~(np.abs(other - g) <= 2 * hand.radii[name]) & np.isfinite(g)
            if np.any(wrong):
                tensor, text = f"the gradient of {name}", "stale: it depends on an earlier call with other inputs"
                other = np.broadcast_to(other, g.shape)
                by = ("the same layer, new",)
                self._find(_finding(tensor, p.case, other, g, hand.radii[name], wrong, by, text))

    def _autograd(self, p: Point) -> tuple[Reading, Match | None]:
        """The reference's gradient, if its outputs are the op's; else a finding."""
        reference = self.reference
        if reference is None:
            return Reading(AUTOGRAD, "no reference was given"), None
        first: tuple[Match, Array] | None = None
        for way in oracles.matches(self.subject, reference, p.case):
            case = way.case(p.case)
            try:
                output = np.asarray(reference.forward(case, case.values), np.float64)
            except Exception as error:
                if p.case is not self.cases[0]:  # as batch norm refuses one row
                    return Reading(AUTOGRAD, f'the reference refuses inputs "{p.case.draw}": {one_line(error)}'), None
                raise CheckError(f"the reference {reference.name} failed: {one_line(error)}") from error
            first = first or (way, output)
            if self._same_output(p, output):

                def run(
                    values: Values, dtype: npt.DTypeLike = np.float64, case: Case = case, way: Match = way
                ) -> dict[str, Any]:
                    given = {name: cast(a, dtype) for name, a in values.items()}
                    moved = way.case(Case(case.draw, p.case.arguments, given, p.case.constants))
                    return way.back(reference.backward(moved, moved.values, p.upstream.astype(dtype)))

                return oracles.program(AUTOGRAD, p, run, oracles.DOUBLE), way
        assert first is not None
        self._find(self._other_output(p, first[1]))
        return Reading(AUTOGRAD, f"its outputs are not those of {self.subject.name}"), None

    def _room(self, p: Point) -> Float64:
        """How far two right programs' outputs may be apart: noise, condition, 8u of 1 or of the largest."""
        moved = oracles.shaken(p, p.unit)
        change = np.nan_to_num(np.abs(p.forward(moved) - p.output.ravel()))
        top = oracles.ROUNDINGS * p.unit * p.size
        return np.asarray((2 * change + 2 * p.noise + top).reshape(p.output.shape))

    def _same_output(self, p: Point, output: Array) -> bool:
        return output.shape == p.output.shape and bool((np.abs(output - p.output) <= self._room(p)).all())

    def _other_output(self, p: Point, output: Array) -> Finding:
        assert self.reference is not None
        tensor, by = OUTPUT, (f"the reference {self.reference.name}",)
        if output.shape != p.output.shape:
            problem = f"its shape is {p.output.shape}, the reference's is {output.shape}"
            return Finding(tensor, p.case, problem, by=by, pattern="another function, or another reduction")
        room = self._room(p)
        wrong = ~(np.abs(output - p.output) <= room)
        reference = Ball(output, room, Format.of(np.float64))
        pattern = recognise(p.output, reference, Evidence("output", self._counts(p)))
        return _finding(tensor, p.case, p.output, output, room, wrong, by, pattern)

    def _certified(self, p: Point, way: Match | None, output: Array, dtype: npt.DTypeLike) -> Reading:
        """By the op's own class, or by the reference's."""
        if p.unit == oracles.SINGLE:
            dtype = np.float32
        own = oracles.certified(p, self.subject.source, output, dtype, oracles.identity(p.case))
        if own.applies or self.reference is None or way is None:
            return own
        return oracles.certified(p, self.reference.source, output, dtype, way)

    def _analytic(self, readings: dict[str, Reading], central: oracles.Differenced) -> None:
        """The complex step is only as good as the code is analytic: where it leaves the difference, it does not apply.

        At a kink it takes one side by chance, and claims nothing.
        """
        step = readings[COMPLEX]
        for name in step.values:
            step.radii[name] = np.where(central.kinks[name], np.inf, step.radii[name])
        if step.applies and decide.same(step, central.reading, central.kinks) is False:
            why = "the code is not analytic (abs, a comparison, a cast): it leaves the difference"
            readings[COMPLEX] = Reading(COMPLEX, why)

    def _single(self, p: Point, hand: Reading, central: oracles.Differenced, way: Match | None) -> None:
        try:
            given = {n: cast(a, np.float32) for n, a in p.case.values.items()}
            output = np.asarray(self.subject.forward(p.case, given))
        except Exception as error:
            self.answer.remarks.append(f"float32 is not judged: forward refuses it: {one_line(error)}")
            return
        if not np.isfinite(output).all():
            self.answer.remarks.append("float32 is not judged: an output is not finite there")
            return
        certified = (
            self._certified(p, way, output, np.float32)
            if output.dtype == np.float32
            else Reading(CERTIFIED, "not float32")
        )
        try:
            judged = decide.single(p, hand, central, certified)
        except AssertionError:  # as of a number's type
            self.answer.remarks.append("float32 is not judged: backward asserts that it is not given it")
            return
        except Exception as error:
            raise CheckError(f"{self.subject.name}: backward in float32 failed: {one_line(error)}") from error
        for j in judged:
            self._remark_digits(j, certified, np.float32)
            if j.unsure.any():
                self.unsure_single += int(j.unsure.sum())
                text = (
                    f"{int(j.unsure.sum())} numbers of {j.name}: float32 is farther from float64 than rounding explains"
                )
                self.answer.remarks.append(f"{text}, and differences in float32 cannot say who is right")
            if j.wrong.any() or j.problem:
                text = "right in float64, wrong in float32: a cast, or a formula that cancels"
                self._find(
                    _finding(
                        f"the float32 gradient of {j.name}",
                        p.case,
                        j.value,
                        j.expected,
                        j.radius,
                        j.wrong,
                        tuple(j.by),
                        text,
                        j.problem,
                    )
                )
        if output.dtype != np.float32:
            self.answer.remarks.append(f"float32 inputs give {output.dtype} outputs: a silent cast")

    # --- explaining ---------------------------------------------------------------------------------------------------

    def _explain(self, j: Judged, beside: list[Judged]) -> Finding:
        tensor = f"the gradient of {j.name}"
        by = tuple(j.by)
        if j.direction:
            hand, slope, error = j.direction
            text = (
                f"along a random direction it is {hand!r}, not {slope!r} ± {error:.2g}; the sampled numbers are right"
            )
            return Finding(tensor, j.point.case, text, by=by, pattern="few numbers of many")
        pattern = "no gradient was computed" if j.problem == "it is None" else self._pattern(j, beside)
        low, high = j.limits
        if pattern in ("unknown", "constant ratio 1") and j.wrong.any():
            if (low < high)[j.wrong].all():
                pattern = "outside the limits of a kink, and only there"
            elif (np.abs(j.value - j.expected) <= oracles.ROUNDINGS * oracles.SINGLE * np.abs(j.expected))[
                j.wrong
            ].all():
                pattern = "right to the precision of float32 only: a cast on the way"
        if self.subject.targets and pattern.startswith("constant ratio N") and not _upstream(self.subject):
            pattern += ": that of each sample's own loss, and not of their mean"
        if j.beside:
            pattern = (
                f"only exactly here; right beside it ({pattern})"
                if pattern != "unknown"
                else "only exactly here; right beside it"
            )
        found = _finding(tensor, j.point.case, j.value, j.expected, j.radius, j.wrong, by, pattern, j.problem)
        if found.problem or not low[found.index] < high[found.index]:
            return found
        return replace(found, limits=(float(low[found.index]), float(high[found.index])))

    def _pattern(self, j: Judged, beside: list[Judged]) -> str:
        if j.value.size > MANY or (not j.problem and not np.isfinite(j.expected[j.wrong]).any()):
            return "unknown"
        f = Format.of(np.float64)
        slack = 4 * np.nanmax(np.where(np.isfinite(j.radius), j.radius, 0), initial=0.0)

        def ball(mid: Array, rad: Array | float = slack) -> Ball:
            mid = np.asarray(mid, np.float64)
            rad = np.where(np.isfinite(mid), np.broadcast_to(np.asarray(rad, np.float64), mid.shape), np.inf)
            return Ball(np.where(np.isfinite(mid), mid, 0.0), rad, f)

        others = {o.name: ball(o.expected) for o in beside if o.name in self.subject.parameters}
        evidence = Evidence(
            j.name,
            self._counts(j.point),
            others if j.name in others else {},
            None,
            j.point.case.values[j.name] if j.name in self.subject.parameters else None,
            lambda: ((text, ball(mid)) for text, mid in known_bugs(j) if _speaks(mid, j)),
        )
        return recognise(j.value, ball(j.expected, j.radius), evidence)

    def _by_columns(self, p: Point) -> bool:
        """Whether each sample is a column: then a bias is one."""
        biases = [a.shape for n, a in p.case.values.items() if drawn.part(n.rpartition(".")[2]) == "bias"]
        return (p.output.shape[0], 1) in biases and p.output.shape[1:] not in biases

    def _in_columns(self, p: Point, first: Array) -> bool:
        """The same of what a loss is given: weights (k, d) of an input of d rows, beside a bias (k, 1)."""
        shapes = [a.shape for n, a in p.case.values.items() if n not in p.case.arguments]
        rows = [s[0] for s in shapes if len(s) == 2 and s[1] == first.shape[0]]
        return first.shape[0] != first.shape[1] and any((k, 1) in shapes for k in rows)

    def _counts(self, p: Point) -> dict[str, int]:
        first = p.case.values.get(p.case.arguments[0], p.output)
        if p.output.ndim == 2 and self._by_columns(p):
            return {"N": p.output.shape[1], "outputs": p.output.shape[0], "N·outputs": p.output.size}
        if p.output.ndim == 0 and first.ndim == 2 and self._in_columns(p, first):
            return {"N": first.shape[1]}
        counts = {"N": first.shape[0] if first.ndim > 1 else 1}
        counts["outputs"] = p.output.shape[-1] if p.output.shape else first.shape[-1] if first.shape else 1
        counts["N·outputs"] = p.output.size if p.output.shape else first.size
        return counts

    def _again(self, finding: Finding) -> str:
        """The inputs, written out unless they are long, and the options that make it the same check."""
        case = finding.case
        arrays = [a for n in case.arguments if (a := case.values.get(n, case.constants.get(n))) is not None]
        text = written(arrays[0]) if len(arrays) == 1 else f"({', '.join(map(written, arrays))})"
        options = [f"only={self.only!r}"] if self.only else []
        if finding.tensor.startswith("the float32"):  # which is not looked at where inputs are float64
            options.append('dtype="float32"')
        named = isinstance(self.inputs, dict) or (isinstance(self.inputs, list) and isinstance(self.inputs[0], dict))
        if named or any(a.size > PASTE for a in arrays) or len(text) > LONGEST:
            start = [INPUTS] if self.inputs is not None else [f"shape={self.shape}", f"seed={self.seed}"]
            return ", ".join([*start, *options])
        return ", ".join([text, *options])

    def _remark_kinks(self) -> None:
        for j in self.judged:
            at = np.argwhere(j.kink)
            if not len(at) or j.wrong.any():
                continue
            index = tuple(int(i) for i in at[0])
            place = f"at a kink, {j.name}{list(index)} ({len(at)} such)"
            low, high = (float(limit[index]) for limit in j.limits)
            mine = float(j.value[index])
            text = f"{place}: yours is {mine:.6g}, the one-sided limits are {low:.6g} … {high:.6g}"
            if j.convention is not None and np.isfinite(j.convention[index]):
                text += f"; PyTorch's convention is {float(j.convention[index]):.6g}"
            self.answer.remarks.append(text)
            return

    # --- the table ----------------------------------------------------------------------------------------------------

    def _still(self, j: Judged) -> bool:
        """Whether a variable does not move the output, as one number does not move its softmax: 0 is then its gradient,
        whatever the code of backward is."""
        p, x = j.point, j.point.case.values[j.name]
        if not x.size:
            return False
        return bool((np.abs(p.forward({**p.case.values, j.name: nudged(x)}) - p.output.ravel()) <= p.noise).all())

    def _idle(self) -> list[str]:
        """The variables whose gradient is 0 in every case, though the output has a slope elsewhere: 0 = 0 shows nothing
        of the code that gives it. What moves the output nowhere, or in jumps alone, has 0 for its gradient."""
        by_name: dict[str, list[Judged]] = {}
        for j in self.judged:
            by_name.setdefault(j.name, []).append(j)
        return [
            name
            for name, mine in by_name.items()
            if not any(j.value.any() or np.nan_to_num(j.expected).any() or j.kink.any() for j in mine)
            and any(_slopes_elsewhere(j.point, j.name) for j in mine)
        ]

    def _never_sure(self, name: str) -> bool:
        mine = [j for j in self.judged if j.name == name]
        return not any((~j.unsure).any() or not j.value.size for j in mine)

    def _table(self) -> list[Row]:
        rows = []
        for oracle in VALUES:
            mine = [r[oracle] for r in self.readings]
            applying = [r for r in mine if r.applies]
            if not applying:
                rows.append(Row(oracle, mine[0].why))
                continue
            row = Row(oracle, sure=max((_sure(r) for r in applying), default=math.inf))
            for other in VALUES:
                votes = [
                    decide.same(r[oracle], r[other], k)
                    for r, k in zip(self.readings, self.kinks, strict=True)
                    if r[oracle].applies and r[other].applies
                ]
                row.agrees[other] = False if False in votes else True if True in votes else None
            rows.append(row)
        for j in self.judged:
            for oracle in j.by if j.wrong.any() else ():
                rows[VALUES.index(HAND)].agrees[oracle] = rows[VALUES.index(oracle)].agrees[HAND] = False
        return [*rows, self._taylor_row()]

    def _taylor_row(self) -> Row:
        if not self.taylor:
            return Row(TAYLOR, "no case is smooth and finite")
        seen = self.taylor.values()
        falling = [t for t in seen if not t.exact]
        worst = min(falling, key=lambda t: t.slope, default=None)
        if worst is None:
            return Row(
                TAYLOR,
                sure=max(t.sight for t in self.taylor.values()),
                text="no remainder: linear along the direction; agrees",
            )
        said = "agrees" if worst.slope > 1.5 else "differs"
        sight = max(t.sight for t in falling) if said == "agrees" else worst.sight
        return Row(TAYLOR, sure=sight, text=f"slope {worst.slope:.2f}, 2 if right and 1 if wrong: {said}")


ELSEWHERE = (-2.0, -1.0, -0.25, 0.25, 1.0, 4.0)
"""How many times itself a variable is moved to, in search of a slope."""


def _slopes_elsewhere(p: Point, name: str) -> bool:
    """Whether the output has a slope in a variable at other values of it: a jump shows on one side only."""
    x = p.case.values[name]
    for factor in ELSEWHERE:
        at = nudged(factor * x)
        step = (nudged(at) - at) / 256
        try:
            low, here, high = (p.forward({**p.case.values, name: a}) for a in (at - step, at, at + step))
        except Exception:  # out of its domain
            continue
        if all((np.abs(side - here) > 4 * p.noise).any() for side in (low, high)):
            return True
    return False


def _shapes(shape: Any) -> tuple[tuple[int, ...], ...] | None:
    """The shape of each argument, of one shape or several."""
    if shape is None:
        return None
    return tuple(tuple(s) for s in shape) if shape and isinstance(shape[0], tuple | list) else (tuple(shape),)


def _backward_name(subject: Subject) -> str:
    """What the function that computes the gradients is called in its code."""
    f = inspect.unwrap(match.gradient_of(subject.reading)) if isinstance(subject, Written) else None
    return str(getattr(getattr(f, "__code__", None), "co_name", "backward"))


def _upstream(subject: Subject) -> bool:
    return not isinstance(subject, Written) or subject.reading.takes_upstream


def _empty(case: Case, gradients: Values) -> bool:
    """Whether a gradient has no numbers where its variable has some."""
    return any(np.size(g) == 0 < case.values[n].size for n, g in gradients.items() if g is not None)


def _is_class(reference: Any) -> bool:
    return isinstance(reference, type) and not hasattr(reference, "apply")


def _expression(given: Any, otherwise: str) -> str:
    """How to write what was given: a class or a function by its name, an object by a placeholder."""
    if isinstance(given, tuple):
        return f"({', '.join(_expression(part, otherwise) for part in given)})"
    return str(getattr(given, "__name__", otherwise))


def _sure(reading: Reading) -> float:
    """The median radius relative to the largest number of the gradient, the worst variable's."""
    worst = 0.0
    for name, radius in reading.radii.items():
        finite = radius[np.isfinite(radius)]
        top = float(np.nanmax(np.abs(np.asarray(reading.values[name], np.float64)), initial=0.0))
        if finite.size and top > 0:
            worst = max(worst, float(np.median(finite)) / top)
    return worst


def _finding(
    tensor: str,
    case: Case,
    value: Array,
    expected: Array,
    radius: Array,
    wrong: Flags,
    by: tuple[str, ...],
    pattern: str,
    problem: str = "",
) -> Finding:
    """The worst number of a tensor: NaN first, then the largest distance in radii."""
    if problem or not wrong.any():
        return Finding(tensor, case, problem, by=by, pattern=pattern)
    gap = np.abs(value - expected)
    room = np.where(np.isfinite(radius), radius, 0.0)
    rank = np.where(wrong, np.where(np.isnan(gap), np.inf, gap / np.maximum(room, np.finfo(float).tiny)), -1.0)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(rank)), np.shape(value)))
    return Finding(
        tensor,
        case,
        "",
        index,
        value.shape,
        float(value[index]),
        float(expected[index]),
        float(radius[index]),
        by,
        int(wrong.sum()),
        value.size,
        pattern,
    )


def _speaks(mid: Array, j: Judged) -> bool:
    """Whether a known bug says anything about the numbers that are wrong."""
    return np.shape(mid) != np.shape(j.wrong) or bool(np.isfinite(mid)[j.wrong].all())


def known_bugs(j: Judged) -> Iterator[tuple[str, Array]]:
    """What known mistakes would make of this gradient."""
    p, x, y, u = j.point, j.point.case.values[j.name], j.point.output, j.point.upstream
    g = j.expected
    if u.shape == x.shape:
        yield "missing derivative: it is the upstream gradient itself", u
    if u.shape != () and j.jacobian is not None:
        yield "the upstream gradient is ignored", j.jacobian.sum(1).reshape(x.shape)
    if y.shape == x.shape:
        first = u * np.where(x == 0, np.nan, y / x)
        yield "product rule: x·h(x) was differentiated as h(x); the term x·h′(x) is missing", first
        yield "product rule: x·h(x) was differentiated as x·h′(x); the term h(x) is missing", g - first
        at_output = _slope_at(p, {**p.case.values, j.name: y}, j.name)
        yield "the derivative is taken at the output instead of the input", at_output
        yield "σ′ = y(1 − y) was given the input instead of the output", u * x * (1 - x)
        yield "tanh′ = 1 − y² was given the input instead of the output", u * (1 - x * x)
    if x.ndim == 1 and u.ndim == 2 and u.shape[1] == x.size:
        yield "missing bias sum: the first sample's row only", u[0]
        yield "missing bias sum: the last sample's row only", u[-1]
    for name, weight in p.case.values.items():
        if weight.ndim == 2 and name != j.name and u.ndim == 2:
            for turned in (weight, weight.T):
                if u.shape[1] == turned.shape[0] and (u.shape[0], turned.shape[1]) == x.shape:
                    yield f"{name} is transposed in it", u @ turned
    if p.subject.targets and not _upstream(p.subject):
        for way, through in meant.through(x, g):
            for text, c in (("−1", -1), *((f"{n}", n) for n in dict.fromkeys([len(x) if x.ndim else 1, x.size]))):
                yield f"{text} times that of the logits, before a {way}", c * through
    if y.shape == x.shape and j.jacobian is not None:
        diagonal = np.diagonal(j.jacobian).reshape(x.shape)
        yield "only the diagonal of the Jacobian: ∂y_i/∂x_j for i ≠ j is missing", u * diagonal


def _slope_at(p: Point, values: Values, name: str) -> Array:
    """The op's own derivative at another place."""
    case = replace(p.case, values=values)
    output = np.asarray(p.subject.forward(case, values), np.float64)
    return oracles.central(replace(p, case=case, output=output), [name]).reading.values[name]
