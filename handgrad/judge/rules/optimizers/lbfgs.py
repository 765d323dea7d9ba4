"""What an LBFGS step leaves behind: the history's numbers, the last direction, and the move along it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handgrad.judge.ball import Ball, Format
from handgrad.judge.rules.optimizers.common import wider

Entries = Mapping[str, Any]


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
