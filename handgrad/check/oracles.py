"""The oracles: what each says the gradient is, and how sure it is of every number.

All answer the same question: with outputs f_k and an upstream gradient u, what is g_j = Σ_k u_k ∂f_k/∂x_j? A `Reading`
gives value ± radius for every entry of every variable, radius ∞ where the oracle claims nothing.

| oracle | radius |
|---|---|
| central difference | Σ_k |u_k| ε_kj with ε from Richardson's tableau: truncation and rounding, see `differences` |
| complex step | truncation h² ~ 1e-200: only rounding, measured as below |
| hand backward, autograd | only rounding, measured as below |
| certified bounds | the radius of the judge's ball |
| Taylor remainder | no numbers: φ(x + t d) − φ(x) − t⟨g, d⟩ falls as t² for a right g, as t for a wrong one |

**Rounding of a program that computes a gradient.** A backward stable program returns the gradient of inputs that are
off by a few roundings. So the program is run again with every input moved by 8u of itself, u the unit roundoff, and the
largest change seen is what rounding may do: the condition of the gradient. To that come 8u |g| for the last operations,
and 8u · max|u_k| · s, s = max(1, max|f|, max|x|), for derivatives formed by cancellation from the output, the input or
numbers around 1, as 1 − y² is: for these the rounding is absolute. For the same reason outputs are taken to be off by
at least 2u s.

**What moved inputs do not show.** The terms that cancel may be larger than all of these, and their sum a constant:
batch norm of one row has u/√ε − u/√ε = 0 for every x, and its rounding is that of u/√ε. Such a sum loses a step of its
last place or nothing, so that a few runs beside it may show nothing. It is measured where it is: ĝ, what the program
says in the format of unit roundoff u, is held against ĝ′, what it says in a wider one of unit roundoff u′. To first
order both are off from the program's exact value g by one constant K, |ĝ − g| ≤ K u and |ĝ′ − g| ≤ K u′; so |ĝ − ĝ′| is
the error of ĝ itself but for the part u′/u, 2⁻¹¹ for extended precision. It counts (1 + 2u′/u)-fold. A wrong formula is
as wrong in the wider format, and the interval grows towards ĝ′ alone: what is wrong by more than its own rounding stays
outside. Rounding grows with the roundoff: it is at most 8 u/u₃₂ of the largest distance of a tensor's numbers between
float32 and float64, and what a program does in float64 alone is none. Code or machines without a wider format are
judged by that distance itself, number by number, at the case and beside it; where float32 takes another branch it is
2⁻²⁶ of the gradient.
"""

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.check import differences
from handgrad.check.subject import Array, Case, CheckError, Subject, Values, cast, one_line
from handgrad.check.surroundings import traced
from handgrad.judge import structure
from handgrad.judge.ball import Ball, Float64, Format
from handgrad.judge.rules import layers, losses

HAND, AUTOGRAD, COMPLEX = "hand backward", "autograd", "complex step"
CENTRAL, TAYLOR, CERTIFIED = "central difference", "Taylor remainder", "certified bounds"
SINGLE, DOUBLE = 2.0**-24, 2.0**-53
VAGUE = 16  # an interval as wide as this part of the gradient or the upstream tells nothing
WIDER = np.longdouble  # on some machines it is float64
ROUNDINGS = 8  # of the inputs, and of the last operations; a library function is within 4 ulp, that is 8u
ENTRIES = 600  # numbers per case that are differenced one by one; fewer where a call does much:
WORK = 300_000  # lines of Python for one number each, and as many again for every 256 numbers in and out;
FEWEST = 24
SAMPLE = 120  # of larger ops only so many, and directions through all
DIRECTIONS = 4
STEP = 1e-100  # of the complex step
ROUGH = 2.0**-36  # between what rounds to float64 and what rounds to float32
LADDER = 0.7  # the steps of a second ladder lie between those of the first
REPEATS = 16  # calls that must give one output
LOST = 6  # remainders in a row that are rounding: so are all that follow


@dataclass
class Reading:
    """What one oracle says. If it does not apply, `why` says why not."""

    oracle: str
    why: str = ""
    values: Values = field(default_factory=dict)
    radii: Values = field(default_factory=dict)
    digits: tuple[Ball, Ball, Array, str] | None = None
    """Of an op whose derivative has a form that loses no digits: see `Activation.of_its_own`; x; and the form."""

    @property
    def applies(self) -> bool:
        return not self.why


@dataclass
class Point:
    """One case with what all oracles share: outputs, their noise, the upstream gradient, and the working format."""

    subject: Subject
    case: Case
    upstream: Float64
    output: Float64
    noise: Float64
    unit: float
    dtype: np.dtype[Any]  # what the code computes in when it is given float64
    rng: np.random.Generator
    repeatable: bool
    work: int = 1  # of one forward
    unmeasured: bool = False  # the code insists on its format: how it rounds far out cannot be seen

    @property
    def entries(self) -> int:
        """How many numbers are differenced one by one."""
        return min(ENTRIES, max(FEWEST, WORK // self.work))

    @property
    def names(self) -> list[str]:
        return list(self.case.values)

    @property
    def size(self) -> float:
        """How large the numbers inside may be: 1, or as the largest argument or output."""
        given = [self.case.values[name] for name in self.case.arguments if name in self.case.values]
        return max(float(np.abs(a).max(initial=1.0)) for a in (*given, self.output))

    @property
    def rough(self) -> bool:
        """Whether the code rounds as to float32, so that only a few long steps show more than rounding."""
        return bool((self.noise > ROUGH * self.size).any())

    def forward(self, values: Values) -> Float64:
        """The outputs, flat; NaN where the op refuses the values: a step has led out of its domain."""
        return self.outputs({name: a if a.dtype == self.dtype else cast(a, self.dtype) for name, a in values.items()})

    def outputs(self, given: Values) -> Float64:
        """The same of values in the working format."""
        try:
            return np.asarray(self.subject.forward(self.case, given), np.float64).reshape(self.output.size)
        except Exception:
            return np.full(self.output.size, np.nan)

    def backward(self, values: Values, dtype: npt.DTypeLike | None = None) -> dict[str, Any]:
        """The hand-written gradients, in the working format or another one."""
        given = {name: cast(a, dtype or self.dtype) for name, a in values.items()}
        return self.subject.backward(self.case, given, self.upstream.astype(dtype or self.dtype))


def point(
    subject: Subject, case: Case, upstream: Callable[[np.random.Generator, tuple[int, ...]], Array], seed: int
) -> Point:
    """Run the op once at the case. Raises what the op raises; whether the outputs are finite is the caller's to ask."""
    rng = np.random.default_rng([seed, 1])
    dtype = _working(subject, case)
    given = {name: cast(a, dtype) for name, a in case.values.items()}
    output = np.asarray(subject.forward(case, given))
    u = SINGLE if dtype == np.float32 else DOUBLE
    # Two masks of few numbers may be the same.
    same = all(np.array_equal(output, subject.forward(case, given), equal_nan=True) for _ in range(REPEATS))
    work = lines(lambda: subject.forward(case, given)) + (output.size + sum(a.size for a in given.values())) // 256
    above = np.asarray(upstream(rng, output.shape), np.float64)
    p = Point(subject, case, above, output.astype(np.float64), np.zeros(output.size), u, dtype, rng, same, work)
    d = {name: rng.choice([-1.0, 1.0], a.shape) for name, a in case.values.items()}
    # Beside the case, and at two places, because a kink would be taken for noise; as far as the op's domain allows.
    measured: list[Float64] = []
    for shift in (2.0**-6, -(2.0**-6), 2.0**-10, 0.0):
        beside = {name: a + shift * rng.normal(size=a.shape) for name, a in case.values.items()}

        @functools.cache  # the ends, which are asked first, are of the nine places too
        def along(t: float, beside: Values = beside) -> Float64:
            return p.forward({n: beside[n] + t * d[n] for n in d})

        if np.isfinite(along(-4 * differences.NOISE_STEP) + along(4 * differences.NOISE_STEP)).all():
            measured.append(differences.noise(along, p.output.ravel(), u))
        if len(measured) == 2:
            break
    # What rounds in long steps, as 1 + erf(x) does far from 0, shows no noise between two of them.
    p.noise = np.maximum(np.min(measured, axis=0) if measured else 0.0, np.full(output.size, 2 * u * p.size))
    if dtype == np.float64:
        p.noise = np.maximum(p.noise, _rounded(p, rng))
    return p


def lines(call: Callable[[], Any]) -> int:
    """How many lines of Python a call runs: how long it takes, whatever the machine. At least 1."""
    count = 1

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    with traced(trace):
        call()
    return count


def _rounded(p: Point, rng: np.random.Generator) -> Float64:
    """How far outputs at and beside the case are from those in a wider format, where code and machine have one."""
    found = np.zeros(p.output.size)
    with np.errstate(all="ignore"):
        for shift in (0.0, 2.0**-10, -(2.0**-10)):
            beside = {n: a + shift * rng.normal(size=a.shape) for n, a in p.case.values.items()}
            try:
                wide = p.subject.forward(p.case, {n: a.astype(np.longdouble) for n, a in beside.items()})
            except AssertionError:
                p.unmeasured = True
                return found
            except Exception:  # code that takes no wider format shows nothing here
                return np.zeros(p.output.size)
            away = np.abs(np.asarray(wide).reshape(p.output.size) - p.forward(beside)).astype(np.float64)
            found = np.fmax(found, np.where(np.isfinite(away), away, 0.0))
    return differences.NOISE_FACTOR * found


def _working(subject: Subject, case: Case) -> np.dtype[Any]:
    """float64, or float32 where the code refuses float64, answers in float32, or rounds its inputs to it."""
    single, double = np.dtype(np.float32), np.dtype(np.float64)
    try:
        output = np.asarray(subject.forward(case, case.values))
    except (TypeError, RuntimeError, ValueError):
        subject.forward(case, {name: cast(a, single) for name, a in case.values.items()})
        return single
    if output.dtype.kind == "f" and output.dtype.itemsize < double.itemsize:
        return single
    fine = {name: a * (1 + 2.0**-30) for name, a in case.values.items()}
    rounded = {name: cast(cast(a, single), double) for name, a in fine.items()}
    try:
        blind = np.array_equal(np.asarray(subject.forward(case, fine)), np.asarray(subject.forward(case, rounded)))
        far = np.asarray(subject.forward(case, {n: a * 0.875 for n, a in case.values.items()}))
    except Exception:
        return double  # the steps lead out of the op's domain: it looks at its inputs closely enough
    # Of steps that float32 does see, code that rounds to it sees something; np.round does not.
    coarse = {name: a * (1 + 2.0**-18) for name, a in case.values.items()}
    blunt = np.array_equal(output, np.asarray(subject.forward(case, coarse)))
    return single if blind and not blunt and not np.array_equal(output, far) else double


def coarse(p: Point) -> str:
    """What the code rounds to, if that is less than float32: at inputs of full mantissas its outputs show it."""
    values = {n: a * (1 + 2.0**-10 * p.rng.uniform(0.5, 1, a.shape)) for n, a in p.case.values.items()}
    out = p.forward(values)
    if not np.isfinite(out).all() or len(np.unique(out[out != np.round(out)])) < 3:
        return ""  # whole numbers, and steps between a few, are what a function may have
    narrow = out.astype(np.float32)
    if np.array_equal(narrow, out):
        if not (narrow.view(np.uint32) & 0xFFFF).any():
            return "bfloat16"
        if np.array_equal(out.astype(np.float16), out):
            return "float16"
    places = next((k for k in range(1, 7) if np.array_equal(np.round(out, k), out)), 0)
    return f"steps of 1e-{places}" if places else ""


def rounds(p: Point, name: str) -> bool:
    """Whether the code rounds a variable to float32 as it comes: what it is moved by far less than that is not seen."""
    moved = p.forward({**p.case.values, name: p.case.values[name] * (1 + 2.0**-36)})
    return p.unit < SINGLE and np.array_equal(moved, p.output.ravel())


def program(oracle: str, p: Point, run: Callable[..., dict[str, Any]], u: float) -> Reading:
    """A program's own gradient: the hand-written backward, or autograd's, and how far rounding may have moved it.

    `run(values)` gives the gradients, and `run(values, dtype)` those computed in another format.
    """
    reading = Reading(oracle)
    at = {name: np.asarray(g) for name, g in run(p.case.values).items() if g is not None}
    moved = neighbours(p, run, u, 2)
    top = ROUNDINGS * np.abs(p.upstream).max(initial=0.0) * p.size
    for name, g in at.items():
        g64, unit = np.asarray(g, np.float64), max(u, _unit(g.dtype))
        change = np.zeros(g64.shape)
        for other in moved:
            beside = np.asarray(np.nan if other.get(name) is None else other[name], np.float64)
            if beside.shape == g64.shape:
                change = np.fmax(change, np.abs(beside - g64))
        reading.values[name] = g
        # What is not finite no rounding explains, so it stands for itself; from another program it says nothing.
        nothing = 0.0 if oracle == HAND else np.inf
        reading.radii[name] = np.where(np.isfinite(g64), change + unit * (ROUNDINGS * np.abs(g64) + top), nothing)
    for name, lost in _lost(p, run, u, at, reading.radii).items():
        reading.radii[name] = reading.radii[name] + lost
    return reading


def _lost(p: Point, run: Callable[..., dict[str, Any]], u: float, at: dict[str, Array], known: Values) -> Values:
    """How far each gradient is from that of the same program in a wider format; see "What moved inputs do not show".

    It is bounded by float32 only where it is more than is known already.
    """
    if u > DOUBLE:  # the code computes in float32 whatever it is given
        return {}
    finer, found = float(np.finfo(WIDER).eps) / 2 / u, dict[str, Array]()
    with np.errstate(all="ignore"), contextlib.suppress(Exception):
        if finer < 1:
            found = _apart(at, run(p.case.values, WIDER), 1 + 2 * finer)
    if found and not any((a > known[n]).any() for n, a in found.items()):
        return found
    single: list[Values] = []
    for values in (p.case.values, shaken(p, SINGLE), shaken(p, SINGLE)):
        # What float32 makes of the inputs themselves is no rounding of the program.
        given = {n: cast(cast(a, np.float32), np.float64) for n, a in values.items()}
        with np.errstate(all="ignore"), contextlib.suppress(Exception):
            exact = {n: np.asarray(g) for n, g in run(given).items() if g is not None}
            single.append(_apart(exact, run(given, np.float32), ROUNDINGS * u / SINGLE))
    most = {n: np.max([f[n] for f in single if n in f], axis=0) for n in set().union(*single)}
    if not found:
        return most
    return {n: np.minimum(a, most[n].max(initial=0.0)) if n in most else a for n, a in found.items()}


def _apart(at: dict[str, Array], other: dict[str, Any], factor: float) -> Values:
    """`factor` times the distance of two answers of a program, 0 where one of them says nothing."""
    found: Values = {}
    for name, g in at.items():
        if other.get(name) is not None and np.shape(other[name]) == g.shape:
            away = np.abs(np.asarray(other[name]) - g.astype(WIDER)).astype(np.float64)
            found[name] = factor * np.where(np.isfinite(away), away, 0.0)
    return found


def _unit(dtype: np.dtype[Any]) -> float:
    """The unit roundoff of a format; whole numbers have none."""
    return float(np.finfo(dtype).eps) / 2 if dtype.kind == "f" else 0.0


def neighbours(p: Point, run: Callable[[Values], dict[str, Any]], unit: float, count: int) -> list[dict[str, Any]]:
    """The gradients at shaken values; fewer where those are out of the op's domain."""
    found = []
    for _ in range(count):
        with contextlib.suppress(Exception):
            found.append(run(shaken(p, unit)))
    return found


def shaken(p: Point, unit: float) -> Values:
    """The case's values, each moved by 8u of itself."""
    return {n: a * (1 + ROUNDINGS * unit * p.rng.choice([-1.0, 1.0], a.shape)) for n, a in p.case.values.items()}


@dataclass
class Differenced:
    """The central difference's reading, and what else was seen: kinks, and the slopes along directions through all."""

    reading: Reading
    kinks: dict[str, npt.NDArray[np.bool_]]
    low: Values  # between these two the subgradients lie
    high: Values
    ends: Values  # and the error of these limits
    terms: Values  # Σ_k |u_k| |∂f_k/∂x_j|
    jacobian: Values  # ∂f_k/∂x_j itself, (entries, outputs), of variables that were not sampled
    directions: list[tuple[str, Array, float, float]]  # variable, direction, slope and radius
    sampled: bool


def central(p: Point, names: list[str]) -> Differenced:
    """Differences along every entry, or a sample of them and random directions through all."""
    found = Differenced(Reading(CENTRAL), {}, {}, {}, {}, {}, {}, [], False)
    u = np.abs(p.upstream).ravel()
    share = max(min(SAMPLE, p.entries) // max(len(names), 1), 1)
    total = sum(p.case.values[name].size for name in names)
    for name in names:
        x = p.case.values[name]
        chosen = np.arange(x.size)
        if total > p.entries and x.size > share:
            found.sampled = True
            chosen = np.sort(p.rng.choice(x.size, share, replace=False))
            _directions(p, name, found)
        flat = x.ravel()
        scale = 2.0 ** np.ceil(np.log2(np.maximum(np.abs(flat[chosen]), 1.0)))

        along = _along(p, name, chosen)
        s = differences.slopes(along, p.output.ravel(), scale, p.noise)
        if p.rough:
            s = differences.surer(s, differences.slopes(along, p.output.ravel(), LADDER * scale, p.noise))
        signed = p.upstream.ravel()
        low, high = signed * s.low, signed * s.high
        smooth = np.isfinite(s.error)
        middle = signed * s.value
        ends = [
            np.where(smooth, middle, np.where(s.kink, f(low, high), np.nan)).sum(1) for f in (np.minimum, np.maximum)
        ]
        error = (u * np.where(s.kink, s.ends, s.error)).sum(1)
        kinked = s.kink.any(1) & np.isfinite(error)
        put = _put(x, chosen)
        found.kinks[name] = put(kinked, False).astype(bool)
        found.low[name], found.high[name] = put(ends[0], np.nan), put(ends[1], np.nan)
        found.ends[name] = put(error, np.inf)
        found.reading.values[name] = put(np.where(kinked, np.nan, ends[0]), np.nan)
        found.reading.radii[name] = put(np.where(kinked, np.inf, error), np.inf)
        found.terms[name] = put((u * np.abs(np.where(smooth, s.value, 0.0))).sum(1), np.nan)
        if chosen.size == x.size:
            found.jacobian[name] = s.value
    return found


def _along(p: Point, name: str, chosen: npt.NDArray[Any]) -> Callable[[int, float], tuple[float, Float64]]:
    """The outputs after a step in one of the chosen numbers of a variable, and the step as it is in the format."""
    values = {n: a.astype(p.dtype) for n, a in p.case.values.items()}
    moved = values[name]  # in which one number moves at a time: whoever runs is given copies

    def along(row: int, t: float) -> tuple[float, Float64]:
        i = chosen[row]
        before = moved.flat[i]
        moved.flat[i] = before + p.dtype.type(t)
        step = float(moved.flat[i]) - float(before)
        found = p.outputs(values)
        moved.flat[i] = before
        return step, found

    return along


def _put(like: Array, chosen: npt.NDArray[Any]) -> Callable[[Array, Any], Array]:
    def put(values: Array, rest: Any) -> Array:
        whole = np.full(like.size, rest, dtype=np.float64)
        whole[chosen] = values
        return whole.reshape(like.shape)

    return put


def _directions(p: Point, name: str, found: Differenced) -> None:
    x = p.case.values[name]
    ways = [p.rng.choice([-1.0, 1.0], x.shape) for _ in range(DIRECTIONS)]

    def along(row: int, t: float) -> tuple[float, Float64]:
        return t, p.forward({**p.case.values, name: x + t * ways[row]})

    s = differences.slopes(along, p.output.ravel(), np.ones(DIRECTIONS), p.noise)
    for row, way in enumerate(ways):
        error = float((np.abs(p.upstream).ravel() * s.error[row]).sum())
        found.directions.append((name, way, float((p.upstream.ravel() * s.value[row]).sum()), error))


def complex_step(p: Point, names: list[str]) -> Reading:
    """g_j = Σ u_k Im f_k(x + i h e_j) / h, for code that computes with complex numbers and is analytic."""
    reading = Reading(COMPLEX)
    if p.dtype == np.float32:
        return Reading(COMPLEX, "the code rounds to float32")
    if sum(p.case.values[name].size for name in names) > p.entries:
        return Reading(COMPLEX, f"more than {p.entries} numbers")
    moved = shaken(p, p.unit)
    top = ROUNDINGS * p.unit * np.abs(p.upstream).max(initial=0.0) * p.size
    try:
        for name in names:
            at, beside = (_complex_gradient(p, name, values) for values in (p.case.values, moved))
            reading.values[name] = at
            reading.radii[name] = np.abs(at - beside) + ROUNDINGS * p.unit * np.abs(at) + top
    except _NotComplexError as error:
        return Reading(COMPLEX, str(error))
    except Exception as error:
        return Reading(COMPLEX, f"the code takes no complex numbers: {one_line(error)}")
    return reading


class _NotComplexError(Exception):
    pass


def _complex_gradient(p: Point, name: str, values: Values) -> Float64:
    given = {n: a.astype(np.complex128) for n, a in values.items()}
    gradient = np.zeros(values[name].shape)
    for index in np.ndindex(*gradient.shape):
        given[name][index] += 1j * STEP
        output = np.asarray(p.subject.forward(p.case, given))
        given[name][index] = values[name][index]
        if output.dtype.kind != "c":
            raise _NotComplexError("the code drops the imaginary part")
        gradient[index] = float((p.upstream.ravel() * output.ravel().imag).sum()) / STEP
    return gradient


@dataclass(frozen=True)
class Taylor:
    """The order with which the remainder falls, and from which relative error on it would not."""

    slope: float
    exact: bool  # the remainder is rounding: the op is linear along the direction
    sight: float


def taylor(p: Point, gradients: Values, radii: Values, central: "Differenced") -> Taylor | None:
    """The slope of log |φ(x + t d) − φ(x) − t⟨g, d⟩| over log t at the two smallest t above the rounding.

    Where differences were tried and claim nothing, as at the edge of a domain, or next to nothing, as at a kink that
    rounding hides, d is 0: the remainder is a difference.
    """
    u = p.upstream.ravel()
    d = {name: np.asarray(p.rng.normal(size=g.shape)) for name, g in gradients.items()}
    for name in d.keys() & central.reading.radii.keys():
        vague = max(float(np.abs(a).max(initial=0.0)) for a in (u, gradients[name])) / VAGUE
        d[name][~np.isnan(central.terms[name]) & ~(central.reading.radii[name] <= vague)] = 0
    rate = float(sum((d[name] * g).sum() for name, g in gradients.items()))
    if not np.isfinite(rate):
        return None
    size = sum(float((np.abs(d[name] * g)).sum()) for name, g in gradients.items()) or 1.0
    # The steps are rounded too: by u |x|, which the gradient carries to the output.
    units = {name: SINGLE if rounds(p, name) else p.unit for name in gradients}
    steps = sum(units[name] * float((np.abs(p.case.values[name] * g)).sum()) for name, g in gradients.items())
    floor = 2 * float((np.abs(u) * p.noise).sum()) + 2 * (p.unit * size + steps)
    # What rounding may have done to the gradient leaves a remainder in t of its own.
    slack = sum(float((np.abs(d[name]) * radii[name]).sum()) for name in gradients)
    points: list[tuple[float, float]] = []
    lost = 0
    for k in range(2, 44):
        t = 2.0**-k
        moved = {**p.case.values, **{name: p.case.values[name] + t * d[name] for name in d}}
        remainder = abs(float((u * (p.forward(moved) - p.output.ravel())).sum()) - t * rate)
        if np.isfinite(remainder):
            points.append((t, remainder))
            lost = 0 if remainder > 8 * floor + t * slack else lost + 1
        if lost == LOST:
            break
    above = [(t, r) for t, r in points if r > 8 * floor + t * slack]
    if len(above) < 2:
        return Taylor(2.0, True, 8 * floor / (0.25 * size)) if points else None
    (t0, r0), (t1, r1) = above[-2:]
    # A remainder in t, t² or t³ falls to an eighth at most from here to t/2, and stands above 8 floor there. One that
    # is gone there was left by a jump or a kink on the way.
    if r1 > 64 * floor + 8 * t1 * slack and t1 > points[-1][0]:
        return None
    slope = float(np.log2(r0 / r1) / np.log2(t0 / t1))
    if slope < 0.5:  # a wrong gradient leaves a remainder in t: this is a jump at the point itself
        return None
    return Taylor(slope, False, r1 / (t1 * size))


def certified(p: Point, source: Any, output: Array, dtype: npt.DTypeLike, match: "Match") -> Reading:
    """The judge's balls, where it has a rule for the class of `source` and the op's outputs are that class's."""
    f, loss = Format.of(dtype), p.subject.loss
    kind = structure.class_name(structure.unwrap(source))
    case = match.case(p.case)
    values = {name: cast(a, f.dtype) for name, a in case.values.items()}
    upstream = p.upstream.astype(f.dtype)
    gradients: dict[str, Ball] = {}
    try:
        if loss:
            rule: Any = losses.read(source)
            reference = rule.forward(
                *(f.exact(a) if n in values else a for n, a in zip(case.arguments, case.call(values), strict=True))
            )
        else:
            rule = layers.read_model(source)
            inputs = tuple(f.exact(values[name]) for name in case.arguments if name in values)
            buffers = {name: structure.copy(data) for name, data in structure.named_buffers(source)}
            reference = rule.forward(inputs if len(inputs) > 1 else inputs[0], buffers | values)
    except TypeError:
        return Reading(CERTIFIED, f"the judge has no rule for {kind}")
    except Exception as error:
        return Reading(CERTIFIED, f"the rule of {kind} does not fit: {one_line(error)}")
    out = np.asarray(output, np.float64)
    if out.shape != reference.shape or not (np.abs(out - reference.mid) <= reference.rad).all():
        return Reading(CERTIFIED, f"the outputs are not those of {kind}")
    if loss:
        balls = rule.backward(None if out.shape == () else upstream)
        gradients |= dict(zip([n for n in case.arguments if n in values], _several(balls), strict=True))
    else:
        balls = _several(rule.backward(f.exact(upstream), gradients))
        gradients |= dict(zip([n for n in case.arguments if n in values], balls, strict=True))
    if unlike := [n for n, ball in gradients.items() if ball.shape != values[n].shape]:
        return Reading(CERTIFIED, f"the rule of {kind} does not fit: its {unlike[0]} has another shape")
    mid = match.back({name: ball.mid for name, ball in gradients.items()})
    reading = Reading(CERTIFIED, "", mid, match.back({name: ball.rad for name, ball in gradients.items()}))
    if isinstance(rule, layers.Activation) and rule.stable and not any(turned for _, turned in match.names.values()):
        reading.digits = (*rule.of_its_own(f.exact(upstream), out), rule.x.mid, rule.stable)
    return reading


def _several(balls: Any) -> tuple[Ball, ...]:
    return balls if isinstance(balls, tuple) else (balls,)


@dataclass(frozen=True)
class Match:
    """Which value of the op is which of the reference: (name there, transposed) for each name here."""

    arguments: tuple[str, ...]
    names: dict[str, tuple[str, bool]]

    def case(self, case: Case) -> Case:
        values = {
            there: case.values[here].T if turned else case.values[here] for here, (there, turned) in self.names.items()
        }
        renamed = dict(zip(case.arguments, self.arguments, strict=True))
        return Case(case.draw, self.arguments, values, {renamed[name]: a for name, a in case.constants.items()})

    def back(self, gradients: dict[str, Any]) -> dict[str, Any]:
        found = {here: gradients.get(there) for here, (there, _) in self.names.items()}
        return {here: g.T if self.names[here][1] else g for here, g in found.items() if g is not None}


def matches(subject: Subject, reference: Subject, case: Case) -> Iterator[Match]:
    """The ways in which the reference's values can be the op's: by name, else in order; turned where only that fits."""
    arguments = reference.arguments or subject.arguments
    if len(subject.arguments) != len(arguments):
        ours, theirs = ", ".join(subject.arguments), ", ".join(arguments)
        raise CheckError(f"{subject.name} takes ({ours}), but the reference {reference.name} takes ({theirs})")
    pairs = [(a, b) for a, b in zip(subject.arguments, arguments, strict=True) if a in case.values]
    here, there = list(subject.parameters), list(reference.parameters)
    if len(here) != len(there):
        ours, theirs = ", ".join(here), ", ".join(there)
        raise CheckError(f"{subject.name} has parameters ({ours}), but the reference {reference.name} has ({theirs})")
    order = [(name, name) for name in here] if set(here) == set(there) else list(zip(here, there, strict=True))
    shapes = {name: a.shape for name, a in subject.parameters.items()}
    for turn in (False, True):
        names = {a: (b, False) for a, b in pairs}
        for a, b in order:
            wanted = reference.parameters[b].shape
            turned = len(wanted) == 2 and (turn or shapes[a] != wanted)
            if (shapes[a][::-1] if turned else shapes[a]) != wanted:
                if turn:
                    return
                raise CheckError(f"{a} of {subject.name} has shape {shapes[a]}, but {b} of {reference.name} {wanted}")
            names[a] = (b, turned)
        yield Match(arguments, names)


def identity(case: Case) -> Match:
    return Match(case.arguments, {name: (name, False) for name in case.values})
