"""Plain descent and what looks at signs or averages its path."""

import numpy as np

from handgrad.judge.ball import WIDEN, Ball, settle
from handgrad.judge.rules.optimizers.common import (
    SINGLE,
    Group,
    Rule,
    State,
    decayed,
    direction,
    exact,
    on_the_way,
    power,
    shrunk,
    single,
    stepped,
    wider,
    zeros,
)


def sgd(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """SGD (Sutskever et al. 2013, as PyTorch has it).

    d = ±g + λp;  b = μb + (1 − damping) d, b = d at the first step;  d = d + μb (Nesterov) or b;  p − η d.
    """
    c = p.format.constant
    momentum, new = float(group.get("momentum", 0.0)), {}
    _, d = decayed(group, p, g)
    between = on_the_way(p, g, p, d)
    if momentum:
        buffer = d
        if "momentum_buffer" in state:
            damping = float(group.get("dampening", 0.0))
            buffer = c(momentum) * state["momentum_buffer"] + c(1 - damping, roundings=1) * d
        new["momentum_buffer"] = buffer
        d = d + c(momentum) * buffer if group.get("nesterov") else buffer
    return p - c(float(group["lr"])) * d, new, between


def asgd(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """ASGD (Polyak & Juditsky 1992, as PyTorch has it).

    d = ±g + λ₂p;  p ← (1 − λη)p − ηd;  ax ← ax + μ(p − ax), p while μ = 1;  then η ← fl(lr/(1 + λ lr t)^α) and
    μ ← fl(1/max(1, t − t₀)) in float32, for the next step. ax may be written (1 − μ)ax + μp: 3uμ(|p| + |ax|) and 2η.
    A program may compute η in float32 throughout, as PyTorch does on a GPU: 3u of the base become 3αu of its power,
    which costs 4u, and lr and the division 3u.
    """
    f = p.format
    lr, lambd = float(group["lr"]), float(group["lambd"])
    _, d = decayed(group, p, g)
    step = stepped(state)
    eta = float(state["eta"].mid) if "eta" in state else float(np.float32(lr))
    mu = float(state["mu"].mid) if "mu" in state else 1.0
    ax = state.get("ax", zeros(p))
    between = on_the_way(p, g, p, d)
    p = shrunk(p, lambd * eta) - f.constant(eta) * d
    apart = 3 * f.u * mu * (p.reach + ax.reach) + 2 * f.eta
    ax = p if mu == 1 else wider(ax + (p - ax) * f.constant(mu), apart)
    base = exact(1) + exact(lambd) * exact(lr) * exact(step)
    late = exact(step) - exact(float(group["t0"]))
    alpha = float(group["alpha"])
    eta_next = single(exact(lr) / power(base, exact(alpha)))
    new = {
        "step": f.exact(step),
        "eta": wider(eta_next, (3 * abs(alpha) + 7) * SINGLE.u * WIDEN * eta_next.reach),
        "mu": single(exact(1) / late.maximum(exact(1))),
        "ax": ax,
    }
    return p, new, between


def rprop(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """Rprop (Riedmiller & Braun 1993, as PyTorch has it).

    The step size is multiplied by η⁺ where d · prev > 0, by η⁻ where it is < 0, and kept within its bounds; where it is
    < 0, d ← 0;  p − sign(d) · size;  prev ← d. The product of two given numbers is one IEEE operation, computed here in
    the format itself: its sign, underflow included, is certain. The bounds are rounded to the format. PyTorch's sign of
    NaN is 0: a NaN gradient moves nothing.
    """
    f = p.format
    d = direction(group, g)
    shrink, grow = (f.constant(float(eta)) for eta in group["etas"])
    prev = state.get("prev", zeros(p))
    product = d.mid.astype(f.dtype) * prev.mid.astype(f.dtype)
    undecided = np.isinf(d.rad) | np.isinf(prev.rad)  # an infinite operand: its sign is not kept
    if f.storage is not None:  # of a bfloat16 a denormal product may be 0
        undecided = undecided | ((product != 0) & (np.abs(product) < f.numbers.flushed))
        product = f.numbers.round(product)
    up, down = product > 0, product < 0
    mid = np.where(up, grow.mid, np.where(down, shrink.mid, 1.0))
    rad = np.where(up, grow.rad, np.where(down, shrink.rad, 0.0))
    start = f.constant(float(group["lr"]))
    size = state.get("step_size", Ball(np.full(p.shape, start.mid), np.full(p.shape, start.rad), f))
    factor = settle(f, mid, rad, np.where(undecided, np.inf, 0.0))
    size = factor * size
    low, high = (f.constant(float(bound)) for bound in group["step_sizes"])
    moved = np.where(size.mid - size.rad <= low.mid, low.rad, 0.0) + np.where(
        size.mid + size.rad >= high.mid, high.rad, 0
    )
    size = Ball(np.minimum(np.maximum(size.mid, low.mid), high.mid), size.rad + moved, f)
    between = {**on_the_way(p, g, p, d), "factor": factor}
    d = Ball(np.where(down, 0.0, d.mid), np.where(undecided, np.inf, d.rad), f)
    sign = (d.mid > 0).astype(np.float64) - (d.mid < 0)
    step = settle(f, sign * size.mid, np.abs(sign) * size.rad, np.where(undecided, np.inf, 0.0))
    return p - step, {"step": f.exact(stepped(state)), "prev": d, "step_size": size}, between


RULES: dict[str, Rule] = {"ASGD": asgd, "Rprop": rprop, "SGD": sgd}
