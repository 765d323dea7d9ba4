"""Gradients that their code clips, as recurrent nets do: each number to ±c, or all to a norm of c at most.

A clip is no mistake of the formula. Where the code without its `np.clip(g, -c, c)` has right gradients, and its own
are these, clipped, all is told. Of any other clip that explains all that is wrong, it is said, and what is clipped
counts as not told: the numbers beyond ±c, and of a norm all numbers of the case. A gradient that is wrong otherwise
stays so.
"""

import contextlib
import re
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.check import edits, ideal
from handgrad.check.decide import Flags, Judged
from handgrad.check.edits import Trial
from handgrad.check.oracles import ROUNDINGS
from handgrad.check.surroundings import traced
from handgrad.check.written import Written

WORDS = r"clip|clamp|norm|min|max"  # one of them is in code that clips
NEAR = 2.0**-18  # room for what code adds to a norm before it divides by it, as 1e−6

Clipped = list[dict[str, Flags]]
"""Of each case, the numbers of each gradient that are clipped."""


class _Unclipped(types.ModuleType):
    """NumPy, but a clip to ±c gives what it is given, and keeps c."""

    def __init__(self, met: list[float]) -> None:
        super().__init__("numpy")
        self.met = met

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def clip(self, a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **options: Any) -> Any:
        if not (isinstance(a_max, int | float) and a_max > 0 and a_min == -a_max):
            return np.clip(a, a_min, a_max, out=out, **options)
        self.met.append(a_max)
        if out is None:
            return np.array(a)
        out[...] = a
        return out


@contextlib.contextmanager
def lifted(op: Any) -> Iterator[list[float]]:
    """Within, the code of `op` clips nothing at ±c; gives the c that it meets."""
    met: list[float] = []
    theirs = [f.__globals__ for f in ideal.functions(op) if "clip" in f.__code__.co_names]
    spaces = [(space, name) for space in theirs for name, value in space.items() if value is np]
    try:
        for space, name in spaces:
            space[name] = _Unclipped(met)
        yield met
    finally:
        for space, name in spaces:
            space[name] = np


def same_outputs(clipped: list[Trial], free: list[Trial]) -> bool:
    """Whether no output is another one without a clip: it is one of gradients, or of what these are made of."""
    return len(clipped) == len(free) and all(
        np.array_equal(t.point.output, u.point.output) for t, u in zip(clipped, free, strict=True)
    )


def explains(clipped: list[Trial], free: list[Trial], met: list[float]) -> bool:
    """Whether gradients are those without a clip, each clipped at one of these c, and no output is another one."""

    def same(t: Trial, u: Trial) -> bool:
        pairs = [(j, next((k for k in u.judged if k.name == j.name), None)) for j in t.judged]
        return all(
            k is not None
            and any(np.array_equal(j.value, np.clip(k.value, -c, c)) for c in (np.inf, *dict.fromkeys(met)))
            for j, k in pairs
        )

    return same_outputs(clipped, free) and all(map(same, clipped, free))


def read(subject: Written, trials: list[Trial]) -> tuple[str, Clipped] | None:
    """Which clip explains all that is wrong, and where; None, where none does."""
    if any(edits.is_wrong(j) and not j.wrong.any() for t in trials for j in t.judged) or not _says(subject, trials[0]):
        return None
    for way in (_by_value, _by_norm):
        if found := way(trials):
            return found
    return None


def _says(subject: Written, trial: Trial) -> bool:
    """Whether the code that runs has a word for it."""
    watch, p = edits.Watch(), trial.point
    with traced(watch):
        subject.backward(p.case, p.case.values, p.upstream)
    names = {n for code in watch.lines for n in (code.co_name, *code.co_names, *code.co_varnames)}
    return any(re.search(WORDS, n.lower()) for n in names)


def _by_value(trials: list[Trial]) -> tuple[str, Clipped] | None:
    c = max(float(np.abs(j.value[j.wrong]).max()) for t in trials for j in t.wrong.values())
    found: Clipped = []
    factors: list[float] = []
    for t in trials:
        found.append({n: j.wrong for n, j in t.wrong.items()})
        room = ROUNDINGS * t.point.unit * max(c, t.point.size)  # a step is the difference of two numbers
        for j in t.wrong.values():
            value, expected, radius = j.value[j.wrong], j.expected[j.wrong], j.radius[j.wrong]
            at = np.abs(np.abs(value) - c) <= room
            if not (at & (value * expected > 0) & (np.abs(expected) >= c - radius)).all():
                return None
            if np.abs(j.value[np.isfinite(j.value)]).max() > c + room:  # of a clip, none is larger
                return None
            factors += list(value / expected)
    return (f"at ±{c:.6g}", found) if _several(factors) else None


def _by_norm(trials: list[Trial]) -> tuple[str, Clipped] | None:
    """All gradients of a case together, or each by itself, shortened to one length."""
    found: Clipped = [{n: np.ones(j.value.shape, bool) for n, j in t.wrong.items()} for t in trials]
    for together in (True, False):
        groups = [g for t in trials if t.wrong for g in _groups(list(t.wrong.values()), together)]
        known = [pair for group in groups if (pair := _shortened(group)) is not None]
        lengths, factors = [c for c, _ in known], [f for _, f in known]
        if len(known) == len(groups) and _several(factors) and max(lengths) - min(lengths) <= NEAR * max(lengths):
            return f"to a norm of {float(f'{max(lengths):.4g}'):g}", found
    return None


def _groups(wrong: list[Judged], together: bool) -> list[list[Judged]]:
    return [wrong] if together else [[j] for j in wrong]


def _several(factors: list[float]) -> bool:
    """Whether there are several: one for all is no clip, but a factor that is missing."""
    return max(factors, default=0.0) - min(factors, default=0.0) > NEAR * max(factors, default=0.0)


def _shortened(group: list[Judged]) -> tuple[float, float] | None:
    """The norm of gradients that are what they should be but for one factor below 1, and that; None for others."""
    value, expected, radius = (
        np.concatenate([getattr(j, name).ravel() for j in group]) for name in ("value", "expected", "radius")
    )
    told = np.isfinite(expected) & np.isfinite(radius)
    if not np.any(expected[told]):
        return None
    factor = float((value[told] * expected[told]).sum() / (expected[told] ** 2).sum())
    room = radius[told] + NEAR * factor * np.abs(expected[told])
    if not 0 < factor < 1 or (np.abs(value - factor * expected)[told] > room).any():
        return None
    return float(np.sqrt((value**2).sum())), factor
