"""Gradient clipping by norm, in balls: the norm that was returned, and every gradient that was scaled."""

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Format, settle
from handgrad.judge.rules.optimizers.common import constant
from handgrad.judge.verdict import Verdict

POWER = 8
"""The error of xᵖ in units of u; one unit in the last place is at most 2u, and vector libraries promise 4."""


@np.errstate(all="ignore")
def judge_clip(
    parameters: Iterable[Any],
    before: Sequence[npt.NDArray[Any] | None],
    total: Any,
    max_norm: float,
    norm_type: float | str = 2.0,
    side: str = "",
) -> Verdict:
    r"""What `clip_grad_norm_` did: `before` are copies of the gradients it met, None where there was none.

    >>> before = [None if p.grad is None else p.grad.copy() for p in parameters]     # doctest: +SKIP
    >>> total = scratch.clip_grad_norm_(parameters, max_norm)                        # doctest: +SKIP
    >>> judge_clip(parameters, before, total, max_norm).held                         # doctest: +SKIP

    T = ‖(‖g₁‖, ‖g₂‖, …)‖ and g ← c·g, c = min(1, max_norm/(T + 1e-6)), all in the gradients' format (the longer
    one where they are mixed): see `norm` for ‖·‖, and ball arithmetic for the rest. An infinite gradient makes T = ∞
    for a norm_type above 0, so that c = 0 exactly, and NaN if max_norm is ∞ too.
    """
    verdict, order = Verdict(side), float(norm_type)
    pairs = [(i, p, b) for i, (p, b) in enumerate(zip(parameters, before, strict=True))]
    held = [(i, p, b) for i, p, b in pairs if b is not None]
    if pairs:
        verdict.side = side or structure.side_of(pairs[0][1])
    for i, p, b in pairs:
        if b is None and p.grad is not None:
            verdict.refuse(f"gradient of parameter {i}", "it appeared: there was none before")
    if not held:
        verdict.check("total norm", None if total is None else float(total), Format.of(np.float32).exact(0.0))
        return verdict
    f = max((Format.of(b.dtype) for _, _, b in held), key=lambda format: format.max)
    everything = np.concatenate([b.ravel().astype(np.float64) for _, _, b in held])
    if np.isinf(everything).any() and not np.isnan(everything).any() and order > 0:
        if total is None or float(total) != math.inf:
            verdict.refuse("total norm", f"it is {total}, but a gradient is infinite")
        factor = f.exact(0.0 if max_norm < math.inf else np.nan)
    else:
        norms = [norm(Format.of(b.dtype).exact(b), order) for _, _, b in held]
        reference = norm(Ball(np.stack([n.mid for n in norms]), np.stack([n.rad for n in norms]), f), order)
        verdict.check("total norm", total, reference)
        if max_norm > 2 * (reference.reach + 1e-6):  # a quotient that may overflow, to more than 1
            factor = f.exact(1.0)
        else:
            factor = _at_most_one(f.constant(min(max_norm, f.max)) / (reference + f.constant(1e-6)))
    for i, p, b in held:
        own = Format.of(b.dtype)
        scaled = own.exact(np.where(np.isinf(b), np.nan, b) if not factor.reach else b)
        verdict.check(f"gradient of parameter {i}", p.grad, _multiplied(scaled, own, factor))
    return verdict


def norm(a: Ball, order: float) -> Ball:
    r"""(Σ|a|ᵖ)^{1/p}, and its limits: the largest |a| (∞), the smallest (−∞), how many are not 0 (p = 0).

    The limits are exact, and move by at most the largest radius. For p = 2 squares and a root, as `Ball` has them. Else
    a power x^q with its q rounded to the format is off by POWER·u and, as d xq/dq = x^q ln x, by 2u |q ln x| (1/p is
    itself a rounded number). Powers are monotone: an interval's ends go to the ends. |a|ᵖ may underflow: η.
    """
    f, size = a.format, abs(a)
    if abs(order) == math.inf:
        if not a.size:
            return f.exact(np.nan)
        mid = size.mid.max() if order > 0 else size.mid.min()
        return Ball(np.asarray(mid), np.asarray(size.rad.max()), f)
    if order == 0:
        doubtful = (size.rad > 0) & (size.mid <= size.rad)
        return Ball(np.asarray(float(np.count_nonzero(size.mid))), np.asarray(float(doubtful.sum())), f)
    if order == 2:
        return (a * a).sum().sqrt()
    return power(power(size, order).sum(), 1 / order)


def power(x: Ball, exponent: float) -> Ball:
    """x^q for x ≥ 0; nothing is claimed where it may be infinite."""
    f = x.format
    low, high = np.maximum(x.mid - x.rad, 0), x.reach
    mid, ends = np.maximum(x.mid, 0) ** exponent, (low**exponent, high**exponent)
    most = np.maximum(*ends)
    logarithm = reduce(np.maximum, [np.where(end > 0, np.abs(np.log(end)), 0.0) for end in (low, high)])
    moved = np.maximum(np.abs(ends[0] - mid), np.abs(ends[1] - mid))
    rad = moved + f.u * most * (POWER + 2 * abs(exponent) * logarithm) * (1 + 2.0**-10) + 2 * f.eta
    return settle(f, mid, rad, most + rad, poison=x.mid)


def _at_most_one(factor: Ball) -> Ball:
    """min(factor, 1)."""
    if np.isinf(factor.rad):
        return factor
    high, low = (np.minimum(factor.mid + sign * factor.rad, 1.0) for sign in (1, -1))
    mid = np.minimum(factor.mid, 1.0)
    return Ball(np.asarray(mid), np.asarray(np.maximum(high - mid, mid - low)), factor.format)


def _multiplied(gradient: Ball, own: Format, factor: Ball) -> Ball:
    """c·g with c rounded to the gradient's format, exactly g where c is exactly 1."""
    one = factor.mid == 1 and factor.rad == 0
    c = Ball(factor.mid, factor.rad, own) if one or factor.format == own else constant(own, factor)
    return gradient if one else gradient * c
