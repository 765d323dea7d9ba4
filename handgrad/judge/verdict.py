"""What the judge says: numbers counted, numbers skipped, and each failure explained on half a screen."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Format

Explain = Callable[[npt.NDArray[np.float64], Ball], str]
"""Names the pattern in a wrong tensor: value and reference in, one sentence out."""

Watch = Callable[[str, npt.NDArray[np.float64], Ball], None]
"""Sees every tensor that is held against its ball: its name, the numbers, the reference."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Show every comparison inside of the block to `watch`: to measure errors, not only to bound them."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@dataclass(frozen=True)
class Failure:
    """One tensor outside its reference: the worst number, how far out it is, and what it looks like."""

    side: str
    tensor: str
    problem: str  # what is wrong with the tensor as a whole; empty if single numbers are outside
    index: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    value: float = np.nan
    reference: float = np.nan
    radius: float = np.nan
    ulps: float = np.nan
    ratio: float = np.nan  # |v − m| / r
    wrong: int = 0
    numbers: int = 0
    pattern: str = "unknown"
    first: str = ""  # the first layer where the side and the reference part
    step: int | None = None
    reproduction: str = ""  # lines of Python that fail on the same tensor; empty if there are none
    note: str = ""  # how the reproduction was made, or why there is none

    def render(self, reproduction: bool = True) -> str:
        """The failure in at most 25 lines, the last of them its reproduction unless that is not wanted."""
        at = "" if self.step is None else f", step {self.step}"
        lines = [f"{self.side}: {self.tensor} is wrong{at}"]
        rows: list[tuple[str, str]] = []
        if self.problem:
            rows.append(("problem", self.problem))
        else:
            place = f"[{', '.join(map(str, self.index))}] of shape {self.shape}" if self.shape else "a single number"
            rows += [
                ("index", f"{place}; {self.wrong} of {self.numbers} numbers are outside"),
                ("value", f"{self.value!r}"),
                ("reference", f"{self.reference!r} ± {self.radius:.3g}"),
                ("distance", f"{abs(self.value - self.reference):.3g} = {self.ulps:.3g} ulp = {self.ratio:.3g} radii"),
            ]
        rows.append(("pattern", self.pattern))
        if self.first:
            rows.append(("parts at", self.first))
        code = self.reproduction.splitlines() if reproduction else []
        if self.note:
            rows.append(("reproduce", self.note if code or not self.reproduction else "as above"))
        return "\n".join([*lines, *(f"  {name:<10} {text}" for name, text in rows), *code])


class Counts:
    """Numbers, and how many of them were skipped."""

    numbers: int
    skipped: int

    @property
    def skipped_share(self) -> float:
        return self.skipped / self.numbers if self.numbers else 0.0

    @property
    def skipped_text(self) -> str:
        """How many numbers had no finite bound, and their share of all where there are any: "12 (0.4 %)"."""
        return f"{self.skipped:,} ({100 * self.skipped_share:.2g} %)" if self.skipped else "0"


@dataclass
class Verdict(Counts):
    """The judgement of any number of tensors."""

    side: str = ""
    numbers: int = 0
    skipped: int = 0  # of them, those about which nothing is claimed: a partial result may overflow
    worst: float = 0.0  # the largest |v − m| / r
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # where digits are lost that another form keeps: no failure

    @property
    def held(self) -> bool:
        return not self.failures

    def render(self) -> str:
        if self.held:
            held = f"{self.numbers} numbers held, {self.skipped_text} skipped, worst {self.worst:.2g} radii"
            return "\n".join([f"{self.side}: {held}", *(f"  note       {note}" for note in self.notes)])
        shown: set[str] = set()
        texts = []
        for failure in self.failures:
            texts.append(failure.render(reproduction=failure.reproduction not in shown))
            shown.add(failure.reproduction)
        return "\n\n".join(texts)

    def refuse(self, tensor: str, problem: str, pattern: str = "unknown") -> None:
        """Record a tensor that is wrong as a whole."""
        self.failures.append(Failure(self.side, tensor, problem, pattern=pattern))

    def check(self, tensor: str, value: Any, reference: Ball, explain: Explain | None = None) -> None:
        """Hold `value` against its ball. A missing value, another dtype or another shape is a failure too."""
        if value is None:
            self.numbers += reference.size
            self.refuse(tensor, "it is None", "no gradient was computed")
            return
        f = reference.format
        given = structure.array(value)
        if given.dtype.kind not in "biuf":
            self.numbers += reference.size
            self.refuse(tensor, f"it is not an array of numbers, but of dtype {given.dtype}")
            return
        v = given.astype(np.float64)
        if given.shape != reference.shape:
            self.numbers += reference.size
            pattern = explain(v, reference) if explain else "unknown"
            self.refuse(tensor, f"its shape is {given.shape}, not {reference.shape}", pattern)
            return
        if type(value) is float:
            # A Python float has no dtype of its own, but must be a number of the format: else it comes from another.
            with np.errstate(over="ignore"):
                fits = float(f.dtype.type(value)) == value or np.isnan(value)
            if not fits:
                self.refuse(tensor, f"it is {value!r}, which is no number of {f.dtype}", "a silent cast")
        elif given.dtype != f.dtype:
            self.refuse(tensor, f"its dtype is {given.dtype}, not {f.dtype}", "a silent cast")
        self.compare(tensor, v, reference, explain)

    def check_digits(
        self,
        tensor: str,
        value: Any,
        stable: Ball,
        own: Ball,
        x: npt.NDArray[np.float64],
        form: str,
        explain: Explain | None = None,
    ) -> None:
        """Hold `value`, a number for each of `x`, against what a `form` that keeps its digits may give. A number that
        only the program's `own` output explains is right and loses digits: noted, with how many bits are not right."""
        if value is not None and (v := structure.array(value)).shape == stable.shape and v.dtype.kind == "f":
            stable = self.explained(tensor, v.astype(np.float64), stable, own, x, form)
        self.check(tensor, value, stable, explain)

    def explained(
        self,
        tensor: str,
        v: npt.NDArray[np.float64],
        stable: Ball,
        own: Ball,
        x: npt.NDArray[np.float64],
        form: str,
    ) -> Ball:
        """The ball `stable`, and where only `own` explains the number that ball: which is noted."""
        note, lost = digits_lost(v, stable, own, x)
        if not note:
            return stable
        self.notes.append(f"{tensor}: right, but {note}; this form does not: {form}")
        return Ball(np.where(lost, own.mid, stable.mid), np.where(lost, own.rad, stable.rad), own.format)

    def compare(self, tensor: str, v: npt.NDArray[np.float64], reference: Ball, explain: Explain | None = None) -> bool:
        """Hold float64 numbers against their balls, of equal shape; whether they held."""
        self.numbers += v.size
        if watch := _watch.get():
            watch(tensor, v, reference)
        with np.errstate(all="ignore"):
            distance = np.abs(v - reference.mid)
            ratio = distance / reference.rad
            outside = ~(distance <= reference.rad)
            if outside.any():
                nan = np.isnan(reference.mid)
                open_ = ~nan & ~np.isfinite(reference.rad)
                outside &= ~open_ & ~(nan & np.isnan(v))
            else:
                open_ = np.isinf(reference.rad)
            self.skipped += int(np.count_nonzero(open_))
            self.worst = max(self.worst, float(np.fmax.reduce(ratio, axis=None, initial=0.0)))
            if not outside.any():
                return True
            self.worst = np.inf if np.isnan(ratio[outside]).any() else self.worst
            self.failures.append(self._failure(tensor, v, reference, outside, explain))
        return False

    def _failure(
        self,
        tensor: str,
        v: npt.NDArray[np.float64],
        reference: Ball,
        outside: npt.NDArray[np.bool_],
        explain: Explain | None,
    ) -> Failure:
        """The worst number: NaN first, then the largest distance in radii, then the largest distance."""
        distance = np.where(outside, np.abs(v - reference.mid), -1.0)
        radii = np.where(outside, distance / reference.rad, -1.0)
        flat = np.lexsort((distance.ravel(), radii.ravel()))
        position = int(flat[-1])  # NaN sorts last
        index = tuple(int(i) for i in np.unravel_index(position, v.shape))
        m, r = float(reference.mid[index]), float(reference.rad[index])
        gap = abs(float(v[index]) - m)
        return Failure(
            self.side,
            tensor,
            "",
            index=index,
            shape=v.shape,
            value=float(v[index]),
            reference=m,
            radius=r,
            ulps=gap / _ulp(m, reference.format),
            ratio=gap / r if r else np.inf,
            wrong=int(np.count_nonzero(outside)),
            numbers=v.size,
            pattern=explain(v, reference) if explain else "unknown",
        )

    def parts_at(self, first: str) -> None:
        """Add the first layer where the two part to every failure."""
        self.failures = [replace(failure, first=first) for failure in self.failures]


@dataclass
class Tally(Counts):
    """The judged steps of one side, added up."""

    steps: int = 0
    numbers: int = 0
    skipped: int = 0
    wrong_steps: int = 0
    worst: float = 0.0
    failures: list[Failure] = field(default_factory=list)  # the first few

    KEEP = 10

    @property
    def held(self) -> bool:
        return self.wrong_steps == 0

    def add(self, step: int, verdict: Verdict) -> None:
        self.steps += 1
        self.numbers += verdict.numbers
        self.skipped += verdict.skipped
        self.worst = max(self.worst, verdict.worst)
        self.wrong_steps += not verdict.held
        room = self.KEEP - len(self.failures)
        self.failures += [replace(failure, step=step) for failure in verdict.failures[:room]]

    def summary(self) -> str:
        """One line: how many steps and numbers held, how many were skipped, how near the bound the worst came."""
        steps = f"{self.steps} step{'s' * (self.steps != 1)}"
        numbers = f"{self.numbers:,} numbers, {self.skipped_text} skipped"
        if self.held:
            return f"held: {steps}, {numbers}, worst error {self.worst:.2g} of its bound"
        return f"wrong: {self.wrong_steps} of {steps}, {numbers}"


def digits_lost(
    v: npt.NDArray[np.float64], stable: Ball, own: Ball, x: npt.NDArray[np.float64]
) -> tuple[str, npt.NDArray[np.bool_]]:
    """Where `own` explains a number that is outside `stable`, and in words the most bits that are lost there, nearest
    to 0; an error as large as the true number loses all."""
    with np.errstate(all="ignore"):
        error = np.abs(v - stable.mid)
        lost: npt.NDArray[np.bool_] = (error > stable.rad) & (np.abs(v - own.mid) <= own.rad)
        precision = (stable.format.storage or stable.format.numbers).digits
        bits = np.clip(np.ceil(np.log2(error / np.abs(stable.mid)) + precision), 0, precision)
    if not lost.any():
        return "", lost
    most, _, at = min(zip(-bits[lost], np.abs(x[lost]), x[lost], strict=True))
    return f"loses {-most:.0f} bits at x = {at:.6g}", lost


def _ulp(m: float, f: Format) -> float:
    """The distance from |m| to the next number of the format."""
    numbers = f.storage or f.numbers
    size = numbers.max if not np.isfinite(m) or abs(m) >= numbers.max else max(abs(m), 2.0**numbers.least)
    return 2.0 ** (math.frexp(size)[1] - numbers.digits)
