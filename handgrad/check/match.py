"""Which of what a backward gives is the gradient of what, and how right it is along two directions.

`probe` looks at one subject at one case: which arrays its output depends on, which candidate is the gradient of which
of them, and how far these agree with differences. `search` ranks the readings by what it returns.
"""

import functools
import math
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from handgrad.check import held, inputs, source
from handgrad.check.conventions import CENTRES, LOSS, OWN_LOSS, STATISTICS, alike, bare, kin, role, stems
from handgrad.check.inputs import WEIGHTS
from handgrad.check.readings import STATE, Reading
from handgrad.check.subject import Array, Case, CheckError, Values, nudged
from handgrad.check.written import STEP, TOTAL, Candidates, Ran, Written, affinity

# How well a reading fits: all gradients are right; all that were found; some; all have the shapes of what they belong
# to; all are 0, of an output that nothing moves; some have another shape; it runs.
RIGHT, UNSEEN, PARTLY, FITS, STILL, MISSHAPEN, RUNS = 7, 6, 5, 4, 3, 2, 1


class StepError(CheckError):
    """Backward makes a step, and it is not that of plain gradient descent."""


def runs(subject: Written, case: Case) -> None:
    """Run forward and backward once at a case. Raises what they raise."""
    root, _ = subject.fresh(case, case.values)
    ran = subject.run(root, subject.given(case, case.values))
    output = subject.output(ran, np.dtype(np.float64))
    subject.ask(root, ran, inputs.upstream(np.random.default_rng(3), output.shape))


def probe(subject: Written, case: Case) -> int:
    """Find the parameters and the gradients at a case, and how right these are along two directions."""
    _warm(subject, case)
    dependent = _parameters(subject, case)
    output = subject.forward(case, case.values)
    u = inputs.upstream(np.random.default_rng(3), output.shape)
    slopes = Slopes(subject, case, u)
    idle = _match(subject, case, u, slopes)
    if any(np.any(g) for _, g in idle.values()):  # nothing moves with it, and it has a gradient
        found = {n: path for n, (path, g) in idle.items() if np.any(g)}
        _learn(subject, case, found)
        slopes = Slopes(subject, case, u)
        idle = _match(subject, case, u, slopes)
    free = [n for n in case.values if n not in subject.picks and n not in subject.options]
    r = subject.reading
    says_loss = r.forward.name in LOSS or re.fullmatch(OWN_LOSS, bare(r.forward.name))
    data_is_given = r.kind != "layer" or r.loss or r.formulas or (says_loss and not r.takes_upstream)
    options = subject.loss and not any(n in subject.picks for n in dependent)  # of a loss, as class weights
    subject.unseen = [n for n in free if n in dependent and not options]
    if subject.picks and not subject.loss:  # a single number may be an option; one that is called so is none
        names = [n for n in subject.options if n not in subject.picks]
        subject.unseen += [n for n in names if any(kin(n.rpartition(".")[2], p) for p in ("w", "b"))]
    subject.constants = [n for n in free if n in dependent and options]
    # What the output follows in jumps alone, as the probabilities that words are drawn with, is a constant.
    jumps = [n for n in subject.unseen if n in subject.parameters and slopes.jumps(n)]
    subject.unseen = [n for n in subject.unseen if n not in jumps]
    subject.constants += jumps
    subject.unseen += [n for n, (_, g) in idle.items() if g.ndim > 1]  # a bias of which 0 comes back may be one unused
    moves = [n for n in free if n not in dependent and slopes.moves(n)]
    beside = _returned_beside(subject, case)
    if data_is_given and (output.size == 1 or r.formulas or r.kind == "policy") and subject.picks:
        states = [n for n in moves if n in case.arguments and _is_state(subject, n)]
        states += [n for n in moves if n in beside and n not in states]
        subject.constants += [n for n in moves if n in case.arguments and n not in states]
        subject.unseen += states
    else:
        subject.unseen += moves
    first = next((n for n in case.arguments if n in case.values), "")
    blind = r.kind == "net" and bool(subject.picks) and first in free and first not in moves
    if blind:  # as where all of it is dropped out: of the code that meets it nothing is seen
        subject.unseen.append(first)
    follows = [n for n in subject.unseen if n in case.arguments and re.fullmatch(STATISTICS, bare(n))]
    if subject.picks and all(label == STEP for label in subject.picks.values()):  # and training leaves them in place
        follows += [n for n in subject.unseen if n in subject.parameters and re.fullmatch(CENTRES, bare(n))]
    subject.unseen = [n for n in subject.unseen if n not in follows]
    subject.constants += follows
    for n in subject.options - set(subject.picks):
        subject.forget(n)
        case.values.pop(n, None)
    for n in subject.constants if subject.loss else []:
        if n in subject.parameters:
            subject.forget(n)
            case.values.pop(n, None)
    if not subject.picks:
        return RUNS
    if r.backward is not None and r.behind_loss and not subject.parameters.keys() & subject.picks.keys():
        raise CheckError("what is returned behind the loss is the gradient of no parameter")
    subject.rows.clear()
    gradients = subject.backward(case, case.values, u)
    none = [g is None for g in gradients.values()]
    if all(none) or (any(none) and not r.takes_upstream):
        what = ", ".join(f"{n} {case.values[n].shape}" for n in gradients)
        raise CheckError(f"what it returns is no derivative of an output of shape {output.shape} by {what}")
    for n in [n for n, g in gradients.items() if _of_state(case, n, g, u)]:
        del subject.picks[n], gradients[n]
        subject.unseen.append(n)
    right = {n: slopes.right(n, g) for n, g in gradients.items()}
    other = [n for n, g in gradients.items() if np.shape(g) != case.values[n].shape]
    subject.returned = {n: np.shape(gradients[n]) for n in other}
    if other:
        if all(subject.picks[n] == STEP for n in other):
            raise CheckError(f"a step changes the shape of {other[0]}")
        rest = [n for n in gradients if n not in other and np.any(gradients[n])]
        return MISSHAPEN if rest and all(right[n] for n in rest) else RUNS
    if any(not right[n] and n not in r.made for n in subject.rows & right.keys()):
        return MISSHAPEN  # it may be made for a variable of another shape
    if not any((np.abs(g) > ROUNDING).any() for g in gradients.values()):
        return FITS if any(slopes.moves(n) for n in gradients) else STILL
    data = [n for n in gradients if n in case.arguments and not _is_state(subject, n)]
    if data_is_given and all(right[n] for n in right if n not in data) and len(data) < len(right):
        for n in [n for n in data if not right[n] and (r.loss or r.formulas)]:
            del subject.picks[n], right[n]  # of what a net is given, courses leave out the factor of the loss
            subject.constants.append(n)
    if subject.left and any(n in case.arguments and inputs.part(n) in WEIGHTS for n in free):
        return RUNS  # a weight has no gradient, and what is returned beside has the shape of none
    others = [n for n in case.arguments if n in case.values and n not in gradients]
    if r.backward is None and others and all(role(n) == "target" for n in gradients):
        return STILL  # what a loss returns beside its value is no gradient of its target alone: (a − y)² has −that
    if all(right.values()):
        return FITS if blind else UNSEEN if subject.unseen else RIGHT
    return PARTLY if any(right[n] and np.any(gradients[n]) for n in right) else FITS


def _returned_beside(subject: Written, case: Case) -> set[str]:
    """The arguments of a loss for which there may be a gradient in what it returns, without a name, beside others."""
    if not subject.reading.behind_loss or not subject.left:
        return set()
    f = gradient_of(subject.reading)
    named = source.labelled(f)
    nameless = {label for label in subject.left if _shifted(label) not in named}
    shapes = {subject.shapes[label] for label in nameless}
    free = [n for n in case.arguments if n in case.values and n not in subject.picks and inputs.part(n) != "hidden"]
    return {n for n in free if case.values[n].shape in shapes}


def _shifted(label: str) -> str:
    """Where what is returned behind a loss stands in the whole: return.0 is return.1."""
    head, _, place = label.rpartition(".")
    return f"{head}.{int(place) + 1}" if place.isdigit() else label


def _is_state(subject: Written, name: str) -> bool:
    """Whether an argument of one step of a recurrent net is a state, whose gradient goes to the step before."""
    return bool(subject.reading.carried) and re.fullmatch(STATE, bare(name)) is not None


def _of_state(case: Case, name: str, g: Any, u: Array) -> bool:
    """Whether what is returned for a sequence is the gradient of the state before it, as its shape says."""
    steps = case.values[name].shape if name in case.arguments else ()
    return len(steps) == 3 and np.shape(g) == u.shape != steps and u.ndim == 2


WIDTH = 2.0**-12
ROUNDING = 2.0**-40  # what is left of a gradient that is 0


def _central(at: list[float]) -> float:
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * WIDTH)


def slope(loss: Any, outputs: list[tuple[Array, float]], y: Array) -> tuple[float, float]:
    """The slope of a loss, and that of what is added to it."""
    return _central([float(loss(o, y)) for o, _ in outputs]), _central([later for _, later in outputs])


@functools.lru_cache(maxsize=4)  # of one target after another, and the weights of a net may be many
def _ways(shapes: tuple[tuple[int, ...], ...]) -> list[list[Array]]:
    """Two random directions in each of several arrays."""
    rng = np.random.default_rng(5)
    return [[rng.normal(size=s) for _ in range(2)] for s in shapes]


class Slopes:
    """Slopes along two random directions in each variable, by differences."""

    def __init__(self, subject: Written, case: Case, u: Array) -> None:
        self.subject, self.case, self.u = subject, case, u
        drawn = _ways(tuple(a.shape for a in case.values.values()))
        self.ways = dict(zip(case.values, drawn, strict=True))
        self.known: dict[tuple[str, int], float] = {}

    def value(self, values: Values) -> float:
        try:
            out = np.asarray(self.subject.forward(self.case, values), np.float64)
        except Exception:  # out of the code's domain: there is no slope
            return float("nan")
        return float((out * self.u).sum()) if out.shape == self.u.shape else float("nan")

    def along(self, name: str, number: int) -> float:
        """The slope along one of the directions in a variable."""
        if (name, number) not in self.known:
            way = self.ways[name][number]
            moved = (self.case.values[name] + t * WIDTH * way for t in (-2, -1, 1, 2))
            self.known[name, number] = _central([self.value({**self.case.values, name: a}) for a in moved])
        return self.known[name, number]

    def outputs(self, name: str) -> list[list[tuple[Array, float]]]:
        """What a net predicts at the four places on either side, for each of the two directions."""
        at = [[self.case.values[name] + t * WIDTH * way for t in (-2, -1, 1, 2)] for way in self.ways[name]]
        return [[self.subject.predicted(self.case, {**self.case.values, name: a}) for a in four] for four in at]

    @cached_property
    def here(self) -> float:
        return self.value(self.case.values)

    def moves(self, name: str) -> bool:
        return self.value({**self.case.values, name: nudged(self.case.values[name])}) != self.here

    def jumps(self, name: str) -> bool:
        """Whether a move that is too small to round away changes nothing."""
        a, tiny = self.case.values[name], WIDTH * 2.0**-14
        moves = [self.value({**self.case.values, name: a + t * tiny * way}) for way in self.ways[name] for t in (-1, 1)]
        return all(value == self.here for value in moves) and not self.rough

    def right(self, name: str, g: Any, along: list[float] | None = None) -> bool:
        if g is None or np.shape(g) != self.case.values[name].shape:
            return False
        g = np.asarray(g, np.float64)
        size = float(np.sqrt((g**2).sum()))
        # No verdict hangs on this: it ranks readings, and the oracles judge the one that is taken.
        for number, way in enumerate(self.ways[name]):
            slope = along[number] if along else self.along(name, number)
            away, top = abs(float((g * way).sum()) - slope) - 1e-9, size + abs(slope)
            if not away <= 2e-2 * top or not (away <= 1e-5 * top or self.rough):
                return False
        return True

    @cached_property
    def rough(self) -> bool:
        """Whether the code computes in less than float64: its output says so, or moves in steps."""
        case = self.case
        at = case.values.items()
        tiny, small = ({n: a + t * WIDTH * self.ways[n][0] for n, a in at} for t in (2.0**-14, 1))
        try:
            out, near, far = (np.asarray(self.subject.forward(case, v)) for v in (case.values, tiny, small))
        except Exception:  # out of the code's domain
            return False
        if out.dtype.kind == "f" and out.dtype.itemsize < 8:
            return True
        out, near, far = (np.asarray(a, np.float64) for a in (out, near, far))  # truth values are no differences
        # A move of 2^-26 is such a part of one of 2^-12 but for roundings, of 2^-52 in float64 and 2^-24 in float32.
        return bool(np.abs(2.0**14 * (near - out) - (far - out)).max(initial=0) > np.abs(far - out).max(initial=0) / 16)


def _warm(subject: Written, case: Case) -> None:
    """Parameters that the first forward makes: from then on they are part of what the code keeps. So is a state that it
    makes, or starts at 0, as of a recurrent cell, whose weights are not seen at 0."""
    root, _ = subject.fresh(case, case.values)
    shared = held.shared_generators() if subject.draws else []

    def call(root: Any) -> Array:
        held.put_back(shared)
        return subject.output(subject.run(root, subject.given(case, case.values)), np.dtype(np.float64))

    def arrays() -> dict[str, Array]:
        return {p: held.plain(place.get()) for p, place in held.places(root).items() if not held.is_number(place.get())}

    before, mine = arrays(), [place.get() for place in held.places(root).values()]
    out = call(root)
    after = arrays()
    zero = [p for p, a in before.items() if a.size and not a.any()]
    for path in [p for p in zero if p in after and not np.array_equal(after[p], before[p])]:
        elsewhere = subject.copied(subject.pristine)
        held.places(elsewhere)[path].put(_off_zero(before[path]))
        if _differs(call, subject.copied(elsewhere), out):
            subject.restart(elsewhere)
    views = {p for p, place in held.places(root).items() if any(_overlap(place.get(), a) for a in mine)}
    made = [p for p in after if p not in before and p not in views]
    if not made:
        return
    twice = subject.copied(root)
    try:
        call(twice)
        started = _without_calls(subject, root, twice)
        same = call(subject.copied(root))
    except Exception:  # a second call is refused, so that nothing can be kept of the first
        return
    if np.shape(same) != np.shape(out):
        return
    for path in made:
        again = subject.copied(root)
        place = held.places(again).get(path)
        if place is None:
            continue
        place.put(nudged(held.plain(place.get())))
        if _differs(call, again, same):
            for path, place in held.places(root).items():
                if path in started and not np.any(a := held.plain(place.get())):
                    place.put(_off_zero(a))
            subject.restart(root)
            subject.states = started
            subject.batched = bool(started) or not np.array_equal(same, out)  # by a state of as many samples
            return


def _overlap(a: Any, b: Any) -> bool:
    """Whether two arrays share numbers, as a weight and what forward keeps of it, turned or in another shape."""
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.may_share_memory(a, b)


def _off_zero(a: Array) -> Array:
    """Another state than one of zeros."""
    return np.linspace(-0.5, 0.75, a.size).reshape(a.shape)


def _differs(call: Callable[[Any], Array], root: Any, out: Array) -> bool:
    """Whether the output of a changed root is another one, and no error."""
    try:
        moved = call(root)
    except Exception:  # what was changed is a shape, or a cache that the code relies on
        return False
    return np.shape(moved) == np.shape(out) and bool(np.isfinite(moved).all()) and not np.array_equal(moved, out)


def _without_calls(subject: Written, once: Any, twice: Any) -> set[str]:
    """Take back in `once` what each call adds: the ends of lists, as self.X.append(x), and counts, as self.t += 1.

    They hold what is of one call: the outputs of a recurrent cell, of which the next call goes on. What only the first
    adds, before its own, is the state that it starts from.

    Returns:
        The paths of such states.
    """
    start, later = held.lists(subject.pristine), held.lists(twice)
    states = set()
    for path, kept in held.lists(once).items():
        before, each = len(start.get(path, ())), len(later.get(path, ())) - len(kept)
        if before < len(kept) and each > 0:
            del kept[max(before, len(kept) - each) :]
            states |= {f"{path}.{i}" for i in range(before, len(kept))}
    counts = {place.path: place.get() for place in held.whole_numbers(twice)}
    for place in held.whole_numbers(once):
        count = place.get()
        if (after := counts.get(place.path, count)) > count:
            held.store(place.owner, place.key, 2 * count - after)
    return states


def _parameters(subject: Written, case: Case) -> list[str]:
    """The arrays that the output depends on: where they are moved, it moves. Sets `subject.parameters`."""
    subject.learn({}, {})
    arguments = {n: case.values[n] for n in case.arguments if n in case.values}
    root, _ = subject.fresh(case, arguments)
    places = held.places(root)  # which each fresh root has: it is this one, as it was
    before, names = {p: held.plain(place.get()) for p, place in places.items()}, _names(subject, root)
    out = subject.output(subject.run(root, subject.given(case, arguments)), np.dtype(np.float64))
    then = held.places(root)
    after = {p: held.plain(place.get()) for p, place in (places | then).items()}  # held twice, it has another path
    names |= _names(subject, root)
    found: dict[str, str] = {}
    views = held.turned(root)
    own = {id(place.get()) for place in places.values()}  # and none of what forward made of them
    turned = {p for p, place in then.items() if id(place.get()) in views and id(views[id(place.get())][1]) in own}
    for path, value in before.items():
        if value.size == 0 or path not in names or path in subject.states or path in turned:
            continue
        if path not in after or not np.array_equal(after[path], value, equal_nan=True):
            continue  # forward changes it itself: a state, as running statistics are
        root, _ = subject.fresh(case, arguments)
        place = places[path]
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
    pristine = held.places(subject.pristine)
    numbers = {n for n, p in found.items() if held.is_number(pristine[p].get())}
    subject.learn(found, values)
    subject.options = numbers
    case.values.update({n: inputs.visible(np.array(v, np.float64)) for n, v in values.items()})
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
            g in place.owner if isinstance(place.owner, dict) else hasattr(place.owner, g)
            for g in ("grad", "gradient", "g", "dw", "d", "deriv", "derivative")
        ):
            name = path.rpartition(".")[0] or path
        if last in ("grad", "gradient") and not isinstance(place.owner, dict | list):
            continue
        if name in subject.arguments:
            name = f"self.{name}"
        found[path] = name
    return found


def _learn(subject: Written, case: Case, found: dict[str, str]) -> None:
    """Take more places for parameters."""
    places = held.places(subject.pristine)
    values = {n: held.plain(places[path].get()) for n, path in found.items()}
    subject.learn(subject.paths | found, subject.parameters | values)
    case.values.update({n: np.array(v, np.float64) for n, v in values.items()})


def _match(subject: Written, case: Case, u: Array, slopes: Slopes) -> dict[str, tuple[str, Array]]:
    """Which candidate is the gradient of which variable. Sets `subject.picks`.

    Returns:
        The weights that do not move the output here, and what backward names as their gradient: for each its path, and
        that gradient. So are those of a recurrent cell at a state of 0, or those before the batch norm of one sample.
    """
    values = case.values
    root, places = subject.fresh(case, values)
    ran = subject.run(root, subject.given(case, values))
    before = {p: np.array(held.plain(place.get())) for p, place in held.places(root).items()}  # copies: `dW += …`
    paths = set(subject.paths.values())
    raw = subject.ask(root, ran, u)
    subject.lone = not isinstance(raw, tuple | list | dict)
    subject.still()
    ends = {n: subject.stands(root, n, places[n], values[n]) for n in subject.paths if n in places}
    moved = {n: values[n] - end for n, end in ends.items() if not np.array_equal(end, values[n], equal_nan=True)}
    everything = subject.candidates(root, ran, raw)
    r = subject.reading
    given = [np.shape(a) for n, a in subject.given(case, values).items() if ("argument", n) in r.forward.slots]
    if subject.targets and isinstance(raw, tuple) and 1 < len(given) == len(raw):
        theirs = [np.shape(everything[f"return.{i}"]) for i in range(len(raw)) if f"return.{i}" in everything]
        upstream = r.backward is not None and "upstream" in {kind for kind, _ in r.backward.slots}
        uniform = len(set(theirs)) == 1 and subject.parameters.keys() <= subject.options  # of one that was broadcast
        if theirs == given or (len(theirs) == len(given) and (upstream or uniform)):
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
    formed = {
        (n, label): subject.formed(n, a, u, values[n].shape) for label, a in {**kept, **new}.items() for n in values
    }
    fits = {(n, label) for (n, label), g in formed.items() if np.shape(g) == values[n].shape}
    picks: dict[str, str] = {}
    sums = {n: f"{TOTAL}{p}" for n, p in subject.paths.items() if f"{TOTAL}{p}" in everything}

    def right(name: str, label: str) -> bool:
        return (name, label) in fits and slopes.right(
            name, subject.formed(name, everything[label], u, values[name].shape)
        )

    def free(labels: Any) -> list[str]:
        return [label for label in labels if label not in picks.values()]

    def returns(name: str) -> bool:
        return subject.reading.takes_upstream and any((name, label) in fits for label in new if "return" in label)

    for n, label in sums.items():  # a weight of several layers, where no single gradient is that of all of them
        if right(n, label) and not any(right(n, other) for other in everything if other != label):
            picks[n] = label
    for n, path in subject.paths.items():  # of a list of dicts, where the same list of them comes back
        mine = [label for label in _returned_as(subject, path) if label in new and not path[-1].isdigit()]
        if len(mine) == 1 and path.count(".") > 1:
            picks[n] = mine[0]
    # By name.
    ranked = sorted(
        (
            (affinity(n, label), label in new, n, label)
            for label in {**new, **kept}
            for n in values
            if n not in picks and (n not in subject.options or label in new)
        ),
        key=lambda t: (-t[0], not t[1]),
    )
    for score in sorted({t[0] for t in ranked if t[0] >= 3}, reverse=True):
        for fresh in (True, False):
            group = [(n, label) for s, f, n, label in ranked if s == score and f == fresh and (n, label) in fits]
            if not fresh:  # what forward made, as a local derivative, and backward returned the gradient
                group = [(n, label) for n, label in group if n not in case.arguments or not returns(n)]
            # A part of the object may keep a gradient of that name, as lstm.dh, and the object return its own.
            group = [(n, label) for n, label in group if not (n in case.arguments and _of_a_part(label) and returns(n))]
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
    if _says_losses(subject, returned, everything, fits) and (moved or subject.parameters.keys() & picks.keys()):
        returned = []
    if len(returned) == len(arguments) > 1 and all(pair in fits for pair in zip(arguments, returned, strict=True)):
        by_name = [label for label in _by_their_names(subject, arguments, returned) if label in returned]
        order = (
            by_name
            if len(by_name) == len(arguments) and all(pair in fits for pair in zip(arguments, by_name, strict=True))
            else returned
        )
        picks |= {n: label for n, label in zip(arguments, order, strict=True) if n in rest and label in free(returned)}
        rest = [n for n in rest if n not in picks]
    for n in rest:
        ways = [label for label in free(new) if right(n, label)]
        if n in moved and _steps_linearly(subject, case, u, [n]):  # what it is moved by tells more than self.delta does
            ways = [label for label in ways if affinity(n, label) >= 3]
        if ways:
            picks[n] = ways[0]
    for n in rest:  # what is wrong, of a list or a dict like that of the parameters, in whatever order it was filled
        same = _returned_as(subject, subject.paths.get(n, ""))
        if n not in picks and len(mine := [label for label in free(new) if (n, label) in fits and label in same]) == 1:
            picks[n] = mine[0]
    rest = [n for n in rest if n not in picks]
    missing = [n for n in arguments if n in rest]
    if "return" in returned and "return" in free(returned) and missing:
        fitting = [n for n in missing if (n, "return") in fits]
        if not subject.reading.takes_upstream and len(subject.parameters) == 1:  # of a loss, that of its weights
            fitting += [n for n in rest if (n, "return") in fits]
        picks[(fitting or missing)[0]] = "return"
    elif returned:
        # A state among the arguments of a loss is given; the state returned beside the gradients is the next one.
        given_states = not subject.reading.takes_upstream and not subject.reading.carried
        states = [n for n in arguments if inputs.part(n) == "hidden" and given_states]
        for names in (arguments, [*arguments, *subject.parameters], list(subject.parameters)):
            variables = [n for n in names if n not in subject.options and n not in states]
            pairs = set(zip(variables, returned, strict=False))
            if (
                names == arguments
                and pairs.isdisjoint(fits)
                and any(n in rest and n not in variables and (n, returned[0]) in fits for n in values)
            ):
                continue  # of the loss of a net, what is returned is that of its weights
            if len(variables) == len(returned) or (states and 0 < len(variables) < len(returned) and pairs <= fits):
                order = [] if pairs <= fits else _by_their_names(subject, variables, returned)
                for n, taken in zip(variables, order or returned, strict=False):
                    if n not in picks and taken not in picks.values():
                        picks[n] = taken
                break
        told = case.draw.startswith(inputs.GIVEN) and not picks  # of what was drawn, a shape may be there by chance
        fitting = [n for n in arguments if n not in subject.options and any((n, label) in fits for label in returned)]
        if told and r.backward and not r.takes_upstream and len(fitting) == len(returned):
            # The target of a loss may be given as floats: the others are as many as the gradients, in their order.
            order = _by_their_names(subject, fitting, returned) or returned
            if (pairs := set(zip(fitting, order, strict=True))) <= fits:
                picks |= dict(pairs)
    # Weights among the arguments: each is of the one shape that only one of what is returned has.
    weights = [n for n in rest if n not in picks and n in arguments and inputs.part(n) in WEIGHTS]
    for n in weights:
        ways = [label for label in free(returned) if (n, label) in fits]
        rivals = [m for m in rest if m not in picks and (m, ways[0]) in fits] if len(ways) == 1 else []
        if rivals == [n] and (everything[ways[0]].size > 1 or len(returned) <= len(weights) + len(picks)):
            picks[n] = ways[0]
    rest = [n for n in rest if n not in picks]
    stepped = [n for n in [*rest, *(n for n in subject.options if n not in picks)] if n in moved]
    if stepped and not _steps_linearly(subject, case, u, stepped):
        raise StepError(
            f"{subject.name}: what backward moves {stepped[0]} by is no multiple of a gradient: "
            "it uses an optimizer, or adds a decay; use plain gradient descent"
        )
    picks |= dict.fromkeys(stepped, STEP)
    rest = [n for n in rest if n not in picks]
    for n in rest:  # what is right has been found by its value: what is wrong stands in its place in the list
        path = subject.paths.get(n, "")
        beside = [label for label in free(new) if (n, label) in fits and _in_step(path, label)]
        if len(beside) == 1:
            picks[n] = beside[0]
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
    picks |= {n: label for n, label in sums.items() if n not in picks}
    for s, _, n, label in ranked:
        if s >= 5 and n not in picks and label in free([label]) and n not in subject.options and label in new:
            picks[n] = label
    written = source.labelled(gradient_of(subject.reading))
    if r.behind_loss:
        written = {label: written[_shifted(label)] for label in returned if _shifted(label) in written}
    for label, name in written.items():
        of = [n for n in values if n not in picks and any(alike(n.rpartition(".")[2], s) for s in stems(name))]
        of = [n for n in of if not r.behind_loss or (n, label) in fits]
        if label in new and len(of) == 1 and label in free([label]) and of[0] not in subject.options:
            picks[of[0]] = label
    said = {n: picks[n] for n in picks if n in moved and picks[n] != STEP}
    made = {n: subject.formed(n, everything[label], u, values[n].shape) for n, label in said.items()}
    if not _one_rate([_multiple(moved[n], g) for n, g in made.items()]):
        picks |= dict.fromkeys(said, STEP)
    subject.picks = {n: picks[n] for n in values if n in picks}
    subject.left = [label for label in returned if label not in picks.values()]
    subject.shapes = {label: np.shape(everything[label]) for label in subject.left}
    return _idle(subject, root, before, {label: a for label, a in new.items() if label not in picks.values()})


def _says_losses(subject: Written, returned: list[str], found: Candidates, fits: set[tuple[str, str]]) -> bool:
    """Whether what backward returns are single numbers that are no gradients, as the loss of the step that it made."""
    single = all(found[label].size == 1 for label in returned)
    return single and not subject.reading.takes_upstream and not {label for _, label in fits} & set(returned)


def _idle(subject: Written, root: Any, before: Values, free: Candidates) -> dict[str, tuple[str, Array]]:
    """The weights that do not move the output, and what backward names as the gradient of each."""
    called = _names(subject, root)
    own = {place.path for place in held.each_place(subject.pristine) if held.is_array(place.get())}
    idle: dict[str, tuple[str, Array]] = {}
    for path, a in before.items():
        name = called.get(path, "")
        if path in subject.paths.values() or path not in own or inputs.part(name.rpartition(".")[2]) not in WEIGHTS:
            continue
        labels = [label for label in free if label != path and affinity(name, label) >= 5]
        if len(labels) == 1 and free[labels[0]].shape == a.shape:
            idle[name] = path, free[labels[0]]
    return idle


def _of_a_part(label: str) -> bool:
    """Whether a candidate is an attribute of a part of the object, and no entry of a table of gradients."""
    owner = label.partition(".")[0]
    return "." in label and not label.startswith("return") and not re.search("grad|nabla|delta|cache", owner)


def _in_step(path: str, label: str) -> bool:
    """Whether a candidate has the place of a parameter in a list of gradients beside it: params.1 and grads.1."""
    (mine, place), (theirs, other) = (whole.rpartition(".")[::2] for whole in (path, label))
    (owner, _), (same, gradients) = (whole.rpartition(".")[::2] for whole in (mine, theirs))
    return place.isdigit() and place == other and owner == same and re.search("grad|nabla", gradients) is not None


def _returned_as(subject: Written, path: str) -> set[str]:
    """What the gradient of an entry of a list of parameters that a function is given is called, where it returns a list
    like that, or one for each that it is given."""
    r = subject.reading
    if not isinstance(r.root, held.Namespace):
        return set()
    given = [bare(n) for kind, n in (*(r.backward or r.forward).slots,) if kind == "kept"]
    given = [n for n in given if held.places({"": r.root.globals.get(n)})]  # and none of the widths of a net
    owner, _, place = path.partition(".")
    if owner not in given:
        return set()
    alone = {f"return.{place}"} if len(given) == 1 else set()
    before = 0 if r.backward else 1  # the loss
    return {f"return.{given.index(owner) + before}.{place}", *alone}


def _by_their_names(subject: Written, arguments: list[str], returned: list[str]) -> list[str]:
    """What is returned in the order of the arguments, where `return dY, dLogVar, dMean` says that it is another one.

    Empty where the names of what is returned do not tell, each of them, whose gradient it is.
    """
    f = gradient_of(subject.reading)
    names = [stems(n) for n in source.returned(f)]
    if len(names) != len(returned):
        return []

    def same(name: str, stem: str) -> bool:
        n, s = name.replace("_", ""), stem.replace("_", "")
        return n == s or (len(s) > 2 and n.endswith(s)) or kin(name, stem)

    wanted = [bare(n.rpartition(".")[2]) for n in arguments]
    of = [[i for i, found in enumerate(names) if any(same(w, s) for s in found)] for w in wanted]
    chosen = [places[0] for places in of if len(places) == 1]
    return [f"return.{i}" for i in chosen] if sorted(chosen) == list(range(len(names))) else []


def order(subject: Written, case: Case) -> str:
    """In which order gradients of one shape are returned, where it is not that of the arguments: then the names alone
    say which is whose, and whoever unpacks by the order is misled."""
    names = source.labelled(gradient_of(subject.reading))
    picks = {n: label for n in case.arguments if (label := subject.picks.get(n)) in names}
    mine = [(n, label) for n, label in picks.items() if label]
    turned = any(
        a_label > b_label and case.values[a].shape == case.values[b].shape
        for i, (a, a_label) in enumerate(mine)
        for b, b_label in mine[i + 1 :]
    )
    if not turned:
        return ""
    returned = ", ".join(names[label] for _, label in sorted(mine, key=lambda pair: pair[1]))
    return f"returned as {returned}: forward takes {', '.join(n for n, _ in mine)}"


def gradient_of(reading: Reading) -> Any:
    """The function or method that returns the gradients."""
    root, step = reading.root, reading.backward or reading.forward
    return root.functions.get(step.name) if isinstance(root, held.Namespace) else getattr(type(root), step.name, None)


def _steps_linearly(subject: Written, case: Case, u: Array, names: list[str]) -> bool:
    """Whether backward moves its parameters twice as far for twice the upstream, as plain gradient descent does.

    A small upstream tells: a decay moves without any, Adam as far for each. Weights that are used after their own
    update are a fault of gradient descent, in second order. What is clipped shows at an upstream of usual size.
    """
    if not subject.reading.takes_upstream:
        return True  # nothing can be seen of it

    def step(upstream: Array) -> list[Array]:
        root, places = subject.fresh(case, case.values)
        subject.ask(root, subject.run(root, subject.given(case, case.values)), upstream)
        return [case.values[n] - subject.stands(root, n, places[n], case.values[n]) for n in names]

    small = 2.0**-20 * u
    for one, two in zip(step(small), step(2 * small), strict=True):
        # Twice as far or not: any tolerance tells these apart, and a step is a difference of numbers of order 1.
        if not np.allclose(two, 2 * one, rtol=0, atol=1e-2 * np.abs(one).max(initial=0) + 1e-12):
            return False
    return not any(((two == one) & (one != 0)).any() for one, two in zip(step(u), step(2 * u), strict=True))


def _multiple(step: Array, g: Any) -> float:
    """How many times a gradient a parameter is moved against it; NaN where that is no multiple, as with momentum."""
    c = float((step * g).sum() / (g * g).sum()) if np.shape(g) == step.shape and np.any(g) else math.nan
    # A step is the difference of two numbers of order 1, off by some 1e−16; a decay or a momentum is far from that.
    return c if np.allclose(step, c * np.asarray(g), rtol=1e-9, atol=1e-12) else math.nan


def _one_rate(multiples: list[float]) -> bool:
    """Whether a step may be one of plain descent: as far for every parameter, and downhill."""
    told = [c for c in multiples if not math.isnan(c)]
    # Each is known to 1e−9, as `_multiple` asks; a rate that a parameter has for itself is further from the others.
    return len(told) < len(multiples) or not told or (min(told) > 0 and max(told) <= min(told) * (1 + 1e-6))


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
