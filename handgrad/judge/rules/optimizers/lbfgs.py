"""What an LBFGS step leaves behind: the newest pair, the history's numbers, the last direction, the move along it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from handgrad.judge.ball import Ball, Format
from handgrad.judge.rules.optimizers.common import wider

Entries = Mapping[str, Any]
Taken = tuple[str, Any, Ball]
"""What a number is, what it is in the state, and its ball."""


def taken_in(f: Format, group: Entries, old: Entries, state: Entries, gradient: Any) -> Iterator[Taken]:
    """What a step's only iteration makes of its gradient before the direction: the newest pair, and the step length.

    The pair is y = ∇f − ∇f⁻, s = d⁻t⁻, kept where yᵀs > 1e-10. t is lr, but min(1, 1/‖∇f‖₁)·lr at the very
    first iteration. Where a ball cannot tell which of two cases it is, either is right.
    """
    yield "prev_flat_grad", state["prev_flat_grad"], f.exact(gradient)
    t, lr = state["t"], float(group["lr"])
    itself = "t", float(t), Format.of(np.float64).exact(lr)
    if int(state["n_iter"]) == 1:
        length = f.exact(1.0) / f.exact(np.abs(gradient)).sum()
        low, high = float(length.mid - length.rad), float(length.mid + length.rad)
        sure = high < 1 or low >= 1
        shortened = high < 1 if sure else float(t) != lr
        yield ("t", t, length * f.constant(lr)) if shortened else itself
        return
    yield itself
    y = f.exact(gradient) - f.exact(old["prev_flat_grad"])
    s = f.exact(old["d"]) * f.constant(float(old["t"]))
    curvature = (y * s).sum()
    kept, size = [list(old[name]) for name in ("old_dirs", "old_stps")], int(group["history_size"])
    low, high = float(curvature.mid - curvature.rad), float(curvature.mid + curvature.rad)
    sure = low > 1e-10 or high <= 1e-10
    grown = low > 1e-10 if sure else _ends_otherwise(kept[1], state["old_stps"])
    for name, before, newest in zip(("old_dirs", "old_stps"), kept, (y, s), strict=True):
        balls = [f.exact(a) for a in before] + [newest] * grown
        balls = balls[-size:] if grown else balls
        if len(state[name]) != len(balls):
            yield f"length of {name}", float(len(state[name])), f.exact(float(len(balls)))
            return
        for i, (value, ball) in enumerate(zip(state[name], balls, strict=True)):
            yield f"{name}[{i}]", value, ball


def _ends_otherwise(before: list[Any], after: list[Any]) -> bool:
    return len(before) != len(after) or any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def last_direction(f: Format, state: Entries) -> dict[str, Ball]:
    """The balls of `ro`, `H_diag` and `d` of the last iteration, from the pairs y, s and the gradient in the state.

    ρᵢ = 1/yᵢᵀsᵢ and γ = yᵀs/yᵀy of the newest pair; then q = −∇f, for the newest pair first αᵢ = ρᵢsᵢᵀq, q ← q − αᵢyᵢ;
    d = γq, for the oldest pair first d ← d + sᵢ(αᵢ − ρᵢyᵢᵀd). (Nocedal & Wright 2006, algorithm 7.4.) ρ and γ as the
    state has them are exact operands of the recursion: each number is judged by those it was computed from. s(α − β)
    may be sα − sβ: u|s|(|α| + |β|).
    """
    gradient = f.exact(state["prev_flat_grad"])
    changes, steps = ([f.exact(a) for a in state[name]] for name in ("old_dirs", "old_stps"))
    ro = [f.exact(np.asarray(a)) for a in state["ro"]]
    if not changes:
        return {"d": -gradient}
    one = f.exact(1.0)
    products = [(y * s).sum() for y, s in zip(changes, steps, strict=True)]
    balls = {f"ro[{i}]": one / product for i, product in enumerate(products)}
    balls["H_diag"] = products[-1] / (changes[-1] * changes[-1]).sum()
    q, alphas = -gradient, [one] * len(ro)
    for i in reversed(range(len(ro))):
        alphas[i] = (steps[i] * q).sum() * ro[i]
        q = q - alphas[i] * changes[i]
    d = q * f.exact(np.asarray(state["H_diag"]))
    for i in range(len(ro)):
        beta = (changes[i] * d).sum() * ro[i]
        apart = f.u * steps[i].reach * (alphas[i].reach + beta.reach)
        d = wider(d + steps[i] * (alphas[i] - beta), apart)
    return {**balls, "d": d}


def slopes(f: Format, state: Entries) -> tuple[float, float]:
    """The ends of the ball of ∇fᵀd, the slope along the last direction: the flattest and the steepest it may be."""
    slope = (f.exact(state["prev_flat_grad"]) * f.exact(state["d"])).sum()
    return float(slope.mid + slope.rad), float(slope.mid - slope.rad)


def move(f: Format, p: Any, state: Entries) -> Ball:
    """θ + td from the t and d in the state: the only move of a step with one iteration."""
    return f.exact(p) + f.constant(float(state["t"])) * f.exact(state["d"])
