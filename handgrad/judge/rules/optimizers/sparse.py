"""The optimizer that steps some rows of a parameter."""

import numpy as np

from handgrad.judge.ball import Ball
from handgrad.judge.rules.optimizers.common import (
    Group,
    Rule,
    State,
    constant,
    counted,
    direction,
    exact,
    non_negative,
    quotient,
    running_mean,
    running_square,
    stepped,
    wider,
    zeros,
)
from handgrad.judge.rules.rule import Mask


def sparse_adam(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """SparseAdam: m, v and θ of the rows that were looked up, and nothing on the others, bit for bit.

    d = ±g;  m = β₁m + (1 − β₁)d;  v = β₂v + (1 − β₂)d²;  θ − η√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε).

    PyTorch has v + (1 − β₂)(d² − v): 3u (1 − β₂)(v + d²) and 2η apart, and nothing is claimed where d² − v may
    overflow.
    """
    f = p.format
    beta1, beta2 = (float(beta) for beta in group["betas"])
    if (rows := group.get("rows")) is None:
        raise ValueError("SparseAdam steps the rows that a parameter's gradient is of; this one does not say which")
    d, step = direction(group, g), stepped(state)
    old_m, old_v = state.get("exp_avg", zeros(p)), state.get("exp_avg_sq", zeros(p))
    m = running_mean(beta1, old_m, d)
    spread = (old_v.reach + d.reach * d.reach) * (1 + f.u)
    v = wider(running_square(beta2, old_v, d), 3 * f.u * (1 - beta2) * spread + 2 * f.eta, spread)
    rate = exact(float(group["lr"])) * (exact(1) - counted(beta2, step)).sqrt() / (exact(1) - counted(beta1, step))
    scale = non_negative(v).sqrt() + f.constant(float(group["eps"]))
    new = p - quotient(constant(f, rate), m, scale)
    used: Mask = np.asarray(rows)[:, np.newaxis]
    kept = {"exp_avg": _of(used, m, old_m), "exp_avg_sq": _of(used, v, old_v)}
    return _of(used, new, p), {"step": f.exact(step), **kept}, {}


def _of(used: Mask, new: Ball, old: Ball) -> Ball:
    return Ball(np.where(used, new.mid, old.mid), np.where(used, new.rad, old.rad), new.format)


RULES: dict[str, Rule] = {"SparseAdam": sparse_adam}
WHOLE: tuple[Rule, ...] = (sparse_adam,)
