"""A learning rate for every weight, from the squares of its gradients."""

import numpy as np

from handgrad.judge.ball import Ball
from handgrad.judge.rules.optimizers.common import (
    Group,
    Rule,
    State,
    constant,
    decayed,
    exact,
    non_negative,
    on_the_way,
    quotient,
    running_mean,
    running_square,
    stepped,
    wider,
    zeros,
)


def adagrad(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """Adagrad (Duchi, Hazan, Singer 2011).

    d = ±g + λp;  s ← s + d²;  p − η/(1 + (t − 1)·lr_decay) · d/(√s + ε).
    """
    f = p.format
    theta, d = decayed(group, p, g)
    step = stepped(state)
    first = f.constant(float(group["initial_accumulator_value"]))
    start = Ball(np.full(p.shape, first.mid), np.full(p.shape, first.rad), f)
    s = state.get("sum", start) + d * d
    rate = exact(float(group["lr"])) / (exact(1) + exact(step - 1) * exact(float(group["lr_decay"])))
    scale = non_negative(s).sqrt() + f.constant(float(group["eps"]))
    new = {"step": f.exact(step), "sum": s}
    return theta - quotient(constant(f, rate), d, scale), new, {**on_the_way(p, g, theta, d), "η": rate, "r": scale}


def adadelta(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """Adadelta (Zeiler 2012).

    s ← ρs + (1 − ρ)d²;  δ = √(a + ε)/√(s + ε) · d;  a ← ρa + (1 − ρ)δ²;  p − ηδ.

    δ may be (√a′/√s′)d or √a′(d/√s′): 4u|δ|, and where √a′/√s′ or √a′d underflows, 2η (1 + |d| + 1/√s′).
    """
    f = p.format
    rho, eps = float(group["rho"]), f.constant(float(group["eps"]))
    theta, d = decayed(group, p, g)
    s = running_square(rho, state.get("square_avg", zeros(p)), d)
    a = state.get("acc_delta", zeros(p))
    root = (non_negative(s) + eps).sqrt()
    delta = (non_negative(a) + eps).sqrt() / root * d
    least = np.maximum(root.mid - root.rad, 0)
    apart = 4 * f.u * delta.reach + 2 * f.eta * (1 + d.reach + 1 / np.where(least > 0, least, np.inf))
    delta = wider(delta, apart)
    new = {"step": f.exact(stepped(state)), "square_avg": s, "acc_delta": running_square(rho, a, delta)}
    return theta - f.constant(float(group["lr"])) * delta, new, {**on_the_way(p, g, theta, d), "δ": delta}


def rmsprop(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """RMSprop (Hinton 2012; Graves 2013 for `centered`).

    s ← αs + (1 − α)d²;  ḡ ← αḡ + (1 − α)d;  r = √s + ε or √(s − ḡ²) + ε;  b ← μb + d/r;  p − ηb or p − ηd/r.

    s − ḡ² is never negative, but rounding may make it so, and the root NaN: where the ball of the difference reaches
    below 0, nothing is claimed. Where s was 0 and the squares of d and ḡ underflow, the difference is 0.
    """
    f = p.format
    alpha, momentum = float(group["alpha"]), float(group["momentum"])
    theta, d = decayed(group, p, g)
    old, old_mean = state.get("square_avg", zeros(p)), state.get("grad_avg", zeros(p))
    s = running_square(alpha, old, d)
    new = {"step": f.exact(stepped(state)), "square_avg": s}
    variance = non_negative(s)
    if group["centered"]:
        mean = new["grad_avg"] = running_mean(alpha, old_mean, d)
        variance = s - mean * mean
        small = np.sqrt(f.eta) / 2  # its square is less than half of the smallest number: in any order that is 0
        still = (old.reach == 0) & (d.reach <= small) & (mean.reach <= small)
        doubtful = variance.mid - variance.rad < 0
        rad = np.where(still, 0.0, np.where(doubtful, np.inf, variance.rad))
        variance = Ball(np.where(still | doubtful, 0.0, variance.mid), rad, f)
    scale = variance.sqrt() + f.constant(float(group["eps"]))
    rate, between = f.constant(float(group["lr"])), {**on_the_way(p, g, theta, d), "r": scale}
    if not momentum:
        return theta - quotient(rate, d, scale), new, between
    one = f.constant(1.0)
    buffer = f.constant(momentum) * state.get("momentum_buffer", zeros(p)) + quotient(one, d, scale, roundings=0)
    new["momentum_buffer"] = buffer
    return theta - rate * buffer, new, between


RULES: dict[str, Rule] = {"Adadelta": adadelta, "Adagrad": adagrad, "RMSprop": rmsprop}
