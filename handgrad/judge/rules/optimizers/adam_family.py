"""Adam and its kin: a running mean of the gradient over a running mean of its size."""

import numpy as np

from handgrad.judge.ball import Ball, settle
from handgrad.judge.rules.optimizers.common import (
    Group,
    Rule,
    State,
    bias_correction,
    constant,
    counted,
    decayed,
    exact,
    non_negative,
    on_the_way,
    power,
    quotient,
    running_mean,
    running_square,
    single,
    stepped,
    wider,
    zeros,
)


def adam(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """Adam (Kingma & Ba 2015), AMSGrad (Reddi et al. 2018), decoupled weight decay (Loshchilov & Hutter 2019).

    d = ±g + λp, or p ← (1 − ηλ) p when decoupled;  m = β₁m + (1 − β₁) d;  v = β₂v + (1 − β₂) d²;  with AMSGrad v̂ is the
    largest v so far;  p − η/(1 − β₁ᵗ) · m / (√v̂ / √(1 − β₂ᵗ) + ε).

    Beyond ball arithmetic, the radius makes room for other ways to write the same:

    - m + (1 − β₁)(d − m), PyTorch's lerp: 3u (1 − β₁)(|m| + |d|), and η; nothing is claimed where d − m may overflow;
    - (1 − β₂) d · d instead of d²: (1 − β₂) d may underflow, η|d|;
    - p − ηλp instead of (1 − ηλ) p: 3u |ηλp|, and 2η;
    - (η m) / s or η (m / s) or η ((m / (1 − β₁ᵗ)) / s): 3u of the update, and where an intermediate underflows,
      2η (1 + (1 + η) / s).
    """
    f = p.format
    c = f.constant
    beta1, beta2 = (float(beta) for beta in group["betas"])
    theta, d = decayed(group, p, g)
    way = on_the_way(p, g, theta, d)
    step = stepped(state)
    m = running_mean(beta1, state.get("exp_avg", zeros(p)), d)
    v = running_square(beta2, state.get("exp_avg_sq", zeros(p)), d)
    new = {"step": f.exact(step), "exp_avg": m, "exp_avg_sq": v}
    largest = v
    if group.get("amsgrad"):
        largest = v.maximum(state.get("max_exp_avg_sq", zeros(p)))
        new["max_exp_avg_sq"] = largest
    correction1, correction2 = (bias_correction(f, beta, step) for beta in (beta1, beta2))
    scale = (non_negative(largest) / correction2).sqrt() + c(float(group["eps"]))
    mean = m / correction1
    return theta - quotient(c(float(group["lr"])), mean, scale), new, {**way, "m̂": mean, "s": scale}


def adamax(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """Adamax (Kingma & Ba 2015, §7.1).

    d = ±g + λp;  m = β₁m + (1 − β₁)d;  u = max(β₂u, |d| + ε);  p − η/(1 − β₁ᵗ) · m/u.
    The maximum is exact; the quotient in any order.
    """
    f = p.format
    beta1, beta2 = (float(beta) for beta in group["betas"])
    theta, d = decayed(group, p, g)
    step = stepped(state)
    m = running_mean(beta1, state.get("exp_avg", zeros(p)), d)
    u = (f.constant(beta2) * state.get("exp_inf", zeros(p))).maximum(abs(d) + f.constant(float(group["eps"])))
    rate = exact(float(group["lr"])) / (exact(1) - counted(beta1, step))
    new = {"step": f.exact(step), "exp_avg": m, "exp_inf": u}
    return theta - quotient(constant(f, rate), m, u), new, {**on_the_way(p, g, theta, d), "η": rate}


def nadam(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """NAdam (Dozat 2016, as PyTorch has it).

    μ = β₁(1 − ½ 0.96^{tψ}), μ⁺ that of t + 1;  Π ← fl(Π · fl(μ)), a product of two float32 numbers in every format;
    m, v as in Adam;  p − η(1 − μ)/(1 − Π) · d/s − ημ⁺/(1 − Πμ⁺) · m/s with s = √(v/(1 − β₂ᵗ)) + ε.

    One IEEE multiplication is fixed to the last bit: Π has a radius only where μ lies on a boundary of rounding. The
    two updates may be added before they are subtracted: u (|a| + |b|).
    """
    f = p.format
    beta1, beta2 = (float(beta) for beta in group["betas"])
    decay = float(group["momentum_decay"])
    theta, d = decayed(group, p, g)
    step = stepped(state)
    m = running_mean(beta1, state.get("exp_avg", zeros(p)), d)
    v = running_square(beta2, state.get("exp_avg_sq", zeros(p)), d)

    def momentum(t: float) -> Ball:
        return exact(beta1) * (exact(1) - exact(0.5) * power(exact(0.96), exact(t) * exact(decay)))

    mu, ahead = momentum(step), momentum(step + 1)
    rounded, old = single(mu), np.float32(state["mu_product"].mid if "mu_product" in state else 1.0)
    ends = [float(old * np.float32(rounded.mid + x)) for x in (0.0, -rounded.rad, rounded.rad)]
    product = Ball(np.asarray(ends[0]), np.asarray(max(abs(end - ends[0]) for end in ends)), rounded.format)
    held = Ball(product.mid, product.rad, mu.format)

    lr = exact(float(group["lr"]))
    rate_d = lr * (exact(1) - mu) / (exact(1) - held)
    rate_m = lr * ahead / (exact(1) - held * ahead)
    scale = (non_negative(v) / bias_correction(f, beta2, step)).sqrt() + f.constant(float(group["eps"]))
    a, b = quotient(constant(f, rate_d), d, scale), quotient(constant(f, rate_m), m, scale)
    new = {"step": f.exact(step), "mu_product": product, "exp_avg": m, "exp_avg_sq": v}
    between = {**on_the_way(p, g, theta, d), "μ": mu, "μ⁺": ahead, "s": scale, "a": a, "b": b}
    return wider(theta - a - b, f.u * (a.reach + b.reach)), new, between


def radam(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State, State]:
    """RAdam (Liu et al. 2020, algorithm 2, ε as PyTorch has it).

    ρ∞ = 2/(1 − β₂) − 1;  ρ = ρ∞ − 2tβ₂ᵗ/(1 − β₂ᵗ);  p − η/(1 − β₁ᵗ) m, times √(1 − β₂ᵗ)/(√v + ε) times
    √((ρ − 4)(ρ − 2)ρ∞/((ρ∞ − 4)(ρ∞ − 2)ρ)) once ρ > 5. In the first steps ρ is a small difference of large numbers: its
    ball shows how little βᵗ determines it. Nothing is claimed where rounding decides between the two branches.

    The rate has four factors, each multiplied on its own: 5u beyond the quotient's.
    """
    f = p.format
    beta1, beta2 = (float(beta) for beta in group["betas"])
    theta, d = decayed(group, p, g)
    step = stepped(state)
    m = running_mean(beta1, state.get("exp_avg", zeros(p)), d)
    v = running_square(beta2, state.get("exp_avg_sq", zeros(p)), d)
    new = {"step": f.exact(step), "exp_avg": m, "exp_avg_sq": v}
    rate = exact(float(group["lr"])) / (exact(1) - counted(beta1, step))
    two, four = exact(2), exact(4)
    correction = exact(1) - counted(beta2, step)
    limit = two / (exact(1) - exact(beta2)) - exact(1)
    length = limit - two * exact(step) * counted(beta2, step) / correction
    between = {**on_the_way(p, g, theta, d), "ρ∞": limit, "ρ": length}
    if abs(length.mid - 5) <= length.rad:
        return settle(f, p.mid, np.full(p.shape, np.inf), np.full(p.shape, np.inf)), new, between
    if length.mid < 5:
        update = constant(f, rate) * m
        update = wider(update, 3 * f.u * update.reach + 2 * f.eta * (1 + rate.reach))
        return theta - update, new, {**between, "η": rate}
    rectified = (length - four) * (length - two) * limit / ((limit - four) * (limit - two) * length)
    rate = rate * (correction * rectified).sqrt()
    scale = non_negative(v).sqrt() + f.constant(float(group["eps"]))
    new_p = theta - quotient(constant(f, rate), m, scale, roundings=8)
    return new_p, new, {**between, "R": rectified.sqrt(), "η": rate, "s": scale}


RULES: dict[str, Rule] = {"Adam": adam, "AdamW": adam, "Adamax": adamax, "NAdam": nadam, "RAdam": radam}
