"""The reference of every optimizer, in balls: one step from exact parameters, gradients and state.

A rule is a function `(group, p, g, state) -> (new p, new state)` and a row of `RULES`, found by the optimizer's class
name; `group` holds the options of a param group under PyTorch's names. All of it is elementwise, so the parameters of a
group are judged as one flat array. A Python number c in the formula costs u|c| unless the format holds it exactly.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handgrad.judge.ball import Ball, Format, settle

Group = Mapping[str, Any]
State = dict[str, Ball]


def sgd(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State]:
    """SGD (Sutskever et al. 2013, as PyTorch has it).

    d = ±g + λp;  b = μb + (1 − damping) d, b = d at the first step;  d = d + μb (Nesterov) or b;  p − η d.
    """
    c = p.format.constant
    momentum, new = float(group.get("momentum", 0.0)), {}
    d = _direction(group, g)
    if weight_decay := float(group.get("weight_decay", 0.0)):
        d = d + c(weight_decay) * p
    if momentum:
        buffer = d
        if "momentum_buffer" in state:
            damping = float(group.get("dampening", 0.0))
            buffer = c(momentum) * state["momentum_buffer"] + c(1 - damping, roundings=1) * d
        new["momentum_buffer"] = buffer
        d = d + c(momentum) * buffer if group.get("nesterov") else buffer
    return p - c(float(group["lr"])) * d, new


def adam(group: Group, p: Ball, g: Ball, state: State) -> tuple[Ball, State]:
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
    lr, weight_decay = float(group["lr"]), float(group.get("weight_decay", 0.0))
    beta1, beta2 = (float(beta) for beta in group["betas"])
    d = _direction(group, g)
    if weight_decay and group.get("decoupled_weight_decay", False):
        apart = 3 * f.u * abs(lr * weight_decay) * p.reach + 2 * f.eta
        p = _wider(c(1 - lr * weight_decay, roundings=2) * p, apart)
    elif weight_decay:
        d = d + c(weight_decay) * p

    zero = f.exact(np.zeros(p.shape))
    m, v = state.get("exp_avg", zero), state.get("exp_avg_sq", zero)
    step = float(state["step"].mid) + 1 if "step" in state else 1.0
    spread = (m.reach + d.reach) * (1 + f.u)
    lerp = 3 * f.u * (1 - beta1) * spread + 2 * f.eta
    m = _wider(c(beta1) * m + c(1 - beta1, roundings=1) * d, lerp, spread)
    v = _wider(c(beta2) * v + c(1 - beta2, roundings=1) * (d * d), 2 * f.eta * (1 + d.reach))
    new = {"step": f.exact(step), "exp_avg": m, "exp_avg_sq": v}
    largest = v
    if group.get("amsgrad"):
        largest = v.maximum(state.get("max_exp_avg_sq", zero))
        new["max_exp_avg_sq"] = largest

    correction1, correction2 = (_bias_correction(f, beta, step) for beta in (beta1, beta2))
    scale = (_non_negative(largest) / correction2).sqrt() + c(float(group["eps"]))
    corrected = m / correction1
    update = c(lr) * (corrected / scale)
    least = np.maximum(np.abs(scale.mid) - scale.rad, 0)
    rad = update.rad + 3 * f.u * update.reach + 2 * f.eta * (1 + (1 + abs(lr)) / np.where(least > 0, least, np.inf))
    top = np.maximum(np.abs(update.mid) + rad, abs(lr) * corrected.reach)
    return p - settle(f, update.mid, rad, top), new


RULES: dict[str, Callable[[Group, Ball, Ball, State], tuple[Ball, State]]] = {"SGD": sgd, "Adam": adam, "AdamW": adam}


def _direction(group: Group, g: Ball) -> Ball:
    return -g if group.get("maximize") else g


def _bias_correction(f: Format, beta: float, step: float) -> Ball:
    """1 − βᵗ in Python's float64, βᵗ by `pow` or by t multiplications: (t + 2)·2⁻⁵³ βᵗ, twice (program and reference).

    PyTorch then divides by √(1 − β₂ᵗ), also a float64 number: rounding it once to the format is part of the division.
    """
    power = beta**step
    value = 1 - power
    return _wider(f.constant(value, roundings=2), np.asarray(2 * (step + 2) * 2.0**-53 * power))


def _non_negative(b: Ball) -> Ball:
    """The part of the ball that a running mean of squares can be in, as a ball: [max(m − r, 0), m + r]."""
    low, high = np.maximum(b.mid - b.rad, 0), b.mid + b.rad
    mid = np.maximum(b.mid, 0)
    return Ball(mid, np.maximum(high - mid, mid - low), b.format)


def _wider(b: Ball, extra: Any, top: Any = 0.0) -> Ball:
    """More radius; `top` is the largest magnitude on another way to the same number."""
    rad = b.rad + extra
    return settle(b.format, b.mid, rad, np.maximum(np.abs(b.mid) + rad, top))
