"""From readings to a judgement of every number: right, wrong, at a kink, or not to be told.

No number is called wrong on the word of one oracle that another one contradicts:

- The certified bounds decide where there are any.
- Else the central difference decides, unless autograd or the complex step stands by the hand-written gradient: then an
  oracle is wrong, and nothing is claimed.
- An oracle whose interval holds both the hand-written value and the difference's stands by neither.
- A number of which every interval is as wide as a sixteenth of the gradient and of the upstream is not told.
- Where the difference claims nothing, autograd decides.
- At a kink every subgradient between the one-sided limits is right. A value outside them is wrong only for an op that
  is made of one piece, and only outside the hull of 0, the limits and their sum: parts in a row each choose for
  themselves, and what comes out of that need not be a subgradient of the whole (relu(x) − relu(−x) at 0 has slope 1,
  autograd says 0).
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from handgrad.check.oracles import (
    AUTOGRAD,
    CENTRAL,
    CERTIFIED,
    COMPLEX,
    ROUNDINGS,
    SINGLE,
    VAGUE,
    Differenced,
    Point,
    Reading,
    neighbours,
    shaken,
)
from handgrad.check.oracles import central as central_difference
from handgrad.check.subject import Array, cast
from handgrad.judge import structure
from handgrad.judge.ball import Format

Flags = npt.NDArray[np.bool_]
BESIDE = 2.0**-30  # how far the neighbours of a kink are, in units of max(1, |x|)


@dataclass
class Judged:
    """One variable of one case, number by number."""

    name: str
    point: Point
    value: Array
    expected: Array
    radius: Array
    wrong: Flags
    kink: Flags  # and right
    unsure: Flags
    convention: Array | None  # what PyTorch has at a kink, if an oracle says so
    limits: tuple[Array, Array]
    jacobian: Array | None = None  # (entries, outputs)
    by: list[str] = field(default_factory=list)  # the oracles that contradict the value
    problem: str = ""
    direction: tuple[float, float, float] | None = None  # hand, differences, radius
    beside: bool = False  # right beside the point
    misled: Flags | None = None  # where the reference's own gradient is wrong


def judge(p: Point, name: str, hand: Reading, readings: dict[str, Reading], central: Differenced) -> Judged:
    """Hold one gradient against every oracle."""
    shape = p.case.values[name].shape
    low, high = central.low[name], central.high[name]
    given = hand.values.get(name)
    nothing = np.zeros(shape, bool)
    j = Judged(
        name,
        p,
        np.zeros(shape),
        *_expected(shape, name, readings),
        nothing,
        nothing,
        nothing,
        None,
        (low, high),
        central.jacobian.get(name),
    )
    if given is None:
        j.problem = "it is None"
        return j
    j.value = np.asarray(given, np.float64)
    if j.value.shape != shape:
        j.problem = f"its shape is {j.value.shape}, not {shape}"
        return j
    slack = hand.radii[name]
    differs, agrees = {}, {}
    sizes = [np.abs(p.upstream), np.abs(j.expected[np.isfinite(j.expected)])]
    vague = max(float(a.max(initial=0.0)) for a in sizes) / VAGUE
    told = np.zeros(shape, bool)
    ours = structure.is_known(p.subject.source)
    for oracle, reading in readings.items():
        if name in reading.values:
            sure = np.isfinite(reading.radii[name]) & np.isfinite(reading.values[name])
            room = reading.radii[name] + (0.0 if oracle == CERTIFIED and ours else slack)
            near = np.abs(j.value - reading.values[name]) <= room
            differs[oracle], agrees[oracle] = sure & ~near, sure & near
            told |= agrees[oracle] & (room <= vague)
    no = np.zeros(shape, bool)
    kink = central.kinks[name]
    backed = no
    for oracle in agrees.keys() & {AUTOGRAD, COMPLEX, CERTIFIED}:
        reading = readings[oracle]
        both = np.abs(readings[CENTRAL].values[name] - reading.values[name]) <= reading.radii[name]
        backed = backed | (agrees[oracle] & ~(both & differs[CENTRAL]))
    certain = differs.get(CERTIFIED, no) & ~kink
    measured = differs.get(CENTRAL, no)
    deaf = ~np.isfinite(readings[CENTRAL].radii[name]) & ~kink
    j.wrong = certain | (measured & ~backed) | (deaf & differs.get(AUTOGRAD, no) & ~agrees.get(COMPLEX, no))
    room = slack + np.where(kink, central.ends[name], 0.0)
    inside = kink & (low - room <= j.value) & (j.value <= high + room)
    ends = np.stack([low, high, low + high, np.zeros(shape)])
    hull = (ends.min(0) - room <= j.value) & (j.value <= ends.max(0) + room)
    j.kink = inside | (kink & backed)
    j.wrong |= kink & ~inside & ~backed & ~hull & (not p.subject.composite)
    j.unsure = (measured & backed & ~certain) | (kink & ~j.kink & ~j.wrong)
    tried = ~np.isnan(central.terms[name])
    j.unsure |= tried & ~j.wrong & ~j.kink & ~told
    if AUTOGRAD in differs:
        reference, measure = readings[AUTOGRAD], readings[CENTRAL]
        room = reference.radii[name] + measure.radii[name]
        j.misled = differs[AUTOGRAD] & agrees[CENTRAL] & (np.abs(reference.values[name] - measure.values[name]) > room)
    torch_says = [readings[o].values[name] for o in (AUTOGRAD, CERTIFIED) if name in readings[o].values]
    j.convention = torch_says[0] if torch_says else None
    if j.wrong.any() and (jumps := _jumps(p, name, j)).any():
        if p.subject.composite:
            j.wrong, j.unsure = j.wrong & ~jumps, j.unsure | (j.wrong & jumps)
        j.beside = bool(jumps[j.wrong].all()) if j.wrong.any() else False
    outside = {CENTRAL: kink | differs.get(CENTRAL, no)}
    j.by = [oracle for oracle, flags in (differs | outside).items() if (flags & j.wrong).any()]
    if not j.wrong.any():
        _along(p, name, j, central, slack)
    return j


def _expected(shape: tuple[int, ...], name: str, readings: dict[str, Reading]) -> tuple[Array, Array]:
    """The surest value of every number, with its radius: the narrower of certified bounds and difference, else
    autograd's."""
    value, radius = np.full(shape, np.nan), np.full(shape, np.inf)
    for oracle in (CERTIFIED, CENTRAL, AUTOGRAD):
        reading = readings[oracle]
        if name in reading.values:
            take = reading.radii[name] < (np.where(np.isinf(radius), np.inf, 0.0) if oracle == AUTOGRAD else radius)
            value, radius = np.where(take, reading.values[name], value), np.where(take, reading.radii[name], radius)
    return value, radius


def _jumps(p: Point, name: str, j: Judged) -> Flags:
    """Where the hand-written gradient is nearly right at four neighbours of the point and not at the point: a jump."""
    gap = np.abs(j.value - j.expected)
    right: Flags = np.isfinite(gap)
    for _ in range(4):
        if not (right & j.wrong).any():  # of none of the numbers that are wrong: no further neighbour changes that
            return np.zeros(gap.shape, bool)
        way = {n: p.rng.normal(size=a.shape) for n, a in p.case.values.items()}
        beside = {n: a + BESIDE * np.maximum(1, np.abs(a)) * way[n] for n, a in p.case.values.items()}
        value = np.asarray(p.backward(beside).get(name, np.nan), np.float64)
        if value.shape != gap.shape:
            return np.zeros(gap.shape, bool)
        right = right & (np.abs(value - j.expected) <= gap / 4)
    return right


def _along(p: Point, name: str, j: Judged, central: Differenced, slack: Array) -> None:
    """The directions through all entries of a variable that was only sampled."""
    for variable, way, slope, error in central.directions:
        if variable == name and np.isfinite(error):
            hand = float((j.value * way).sum())
            if not abs(hand - slope) <= error + slack.sum():
                j.direction, j.by = (hand, slope, error), [CENTRAL]
                return


def same(a: Reading, b: Reading, kinks: dict[str, Flags]) -> bool | None:
    """Whether two oracles agree wherever both are sure; None where there is no such number."""
    seen = False
    for name in a.values.keys() & b.values.keys():
        x, y = np.asarray(a.values[name], np.float64), np.asarray(b.values[name], np.float64)
        kink = kinks.get(name, np.zeros(x.shape, bool))
        if not x.shape == y.shape == kink.shape:
            return False
        room = a.radii[name] + b.radii[name]
        sure = np.isfinite(room) & ~kink
        seen |= bool(sure.any())
        if (sure & ~(np.abs(x - y) <= room)).any():
            return False
    return True if seen else None


def _confirm(p: Point, j: Judged, name: str) -> None:
    """Keep as wrong only what differences in float32 contradict too: the op may be another function in float32.

    (A layer may take its ε from the format.) What they cannot see is left open.
    """
    case = replace(p.case, values={n: np.asarray(cast(a, np.float32), np.float64) for n, a in p.case.values.items()})
    at = replace(p, case=case, unit=SINGLE, dtype=np.dtype(np.float32))
    at.output = at.forward(case.values).reshape(p.output.shape)
    at.noise = np.maximum(p.noise, ROUNDINGS * SINGLE * np.maximum(1.0, np.abs(at.output.ravel())))
    slope = central_difference(at, [name]).reading
    apart = ~(np.abs(j.value - slope.values[name]) <= slope.radii[name] + j.radius) & np.isfinite(slope.radii[name])
    j.unsure = j.wrong & ~apart
    j.wrong = j.wrong & apart


def single(p: Point, hand: Reading, central: Differenced, certified: Reading) -> list[Judged]:
    """The gradient in float32 against that in float64, within the judge's bound or an estimate of it.

    The estimate is that of a program's rounding (see `oracles`) at the unit roundoff u of float32, plus, because g_j is
    a sum over the K outputs, (K + 8) u Σ_k |u_k| |∂f_k/∂x_j|, the bound of an inner product. It is as many times wider
    as the forward pass loses more than rounding explains: whoever cancels there cancels in the backward too.
    """
    case, format_ = p.case, Format.of(np.float32)
    given = {name: cast(a, np.float32) for name, a in case.values.items()}
    output = np.asarray(p.subject.forward(case, given), np.float64)
    gradients = p.subject.backward(case, given, p.upstream.astype(np.float32))
    start = {name: np.asarray(a, np.float64) for name, a in given.items()}
    exact, moved = p.backward(start), neighbours(p, p.backward, SINGLE, 4)
    unit = ROUNDINGS * SINGLE
    shifts = [np.abs(p.forward(shaken(p, SINGLE)) - p.output.ravel()).max(initial=0.0) for _ in range(2)]
    spread = float(np.nanmax([0.0, *shifts]))
    lost = float(np.abs(output - p.forward(start).reshape(output.shape)).max(initial=0.0))
    wider = max(1.0, lost / (unit * p.size + spread))
    found = []
    for name, g in hand.values.items():
        reference = np.asarray(exact[name], np.float64)
        changes = [np.zeros(reference.shape)] + [np.abs(np.asarray(other[name], np.float64) - g) for other in moved]
        terms = np.fmax(np.nan_to_num(central.terms[name]), np.abs(reference))
        top = unit * np.abs(p.upstream).max(initial=0.0) * p.size
        bound = wider * (np.max(changes, axis=0) + (output.size + ROUNDINGS) * SINGLE * terms + top) + 2 * format_.eta
        if name in certified.values:
            reference = certified.values[name]
            ours = structure.is_known(p.subject.source)
            bound = certified.radii[name] if ours else np.maximum(bound, certified.radii[name])
        value = np.asarray(np.nan if gradients.get(name) is None else gradients[name], np.float64)
        no = np.zeros(reference.shape, bool)
        j = Judged(name, p, value, reference, bound, no, no, no, None, (reference, reference))
        if value.shape != reference.shape:
            j.problem = f"in float32 its shape is {value.shape}, not {reference.shape}"
        else:
            known = np.isfinite(bound) & np.isfinite(reference) & ~central.kinks[name]
            j.wrong = known & ~(np.abs(value - reference) <= bound)
        if j.wrong.any() and name not in certified.values:
            _confirm(p, j, name)
        j.by = [CERTIFIED if name in certified.values else "its own float64 copy"]
        found.append(j)
    return found
