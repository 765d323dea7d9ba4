"""Gradients that their code clips, as recurrent nets do: each number to ±c, or all to a norm of c at most.

A clip is no mistake of the formula. Where it explains all that is wrong, it is said, and what is clipped counts as not
told: the numbers beyond ±c, and of a norm all numbers of the case. A gradient that is wrong otherwise stays so.
"""

import re

import numpy as np

from handgrad.check import edits
from handgrad.check.decide import Flags, Judged
from handgrad.check.edits import Trial
from handgrad.check.oracles import ROUNDINGS
from handgrad.check.surroundings import traced
from handgrad.check.written import Written

WORDS = r"clip|clamp|norm|min|max"  # one of them is in code that clips
NEAR = 2.0**-18  # room for what code adds to a norm before it divides by it, as 1e−6

Clipped = list[dict[str, Flags]]
"""Of each case, the numbers of each gradient that are clipped."""


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
