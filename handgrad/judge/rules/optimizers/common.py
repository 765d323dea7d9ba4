"""What the rules of the optimizers share.

Numbers that a program computes once per step in Python's float64 (bias corrections, decaying rates) are balls of
float64 themselves: `exact` puts a Python number in, ball arithmetic follows its roundings, `constant` brings the result
to the format of the parameters.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handgrad.judge.ball import Ball, Format, settle

Group = Mapping[str, Any]
State = dict[str, Ball]
Rule = Callable[[Group, Ball, Ball, State], tuple[Ball, State, State]]

DOUBLE, SINGLE = Format.of(np.float64), Format.of(np.float32)


def exact(value: float) -> Ball:
    """A Python number."""
    return DOUBLE.exact(value)


def constant(f: Format, value: Ball) -> Ball:
    """A float64 number as an operand of the format: rounded once more where the format is shorter."""
    rad = value.rad + (0.0 if f.dtype == np.float64 else f.u * value.reach + f.eta)
    return settle(f, value.mid, rad, np.abs(value.mid) + rad)


def single(value: Ball) -> Ball:
    """A float64 number stored in single precision. Rounding is monotone: the ends of the interval round to the ends."""
    low, mid, high = (float(np.float32(x)) for x in (value.mid - value.rad, value.mid, value.mid + value.rad))
    return Ball(np.asarray(mid), np.asarray(max(high - mid, mid - low)), SINGLE)


def power(base: Ball, exponent: Ball) -> Ball:
    """base^exponent for base > 0. ln of it moves by r_e |ln b| + (|e| + r_e) r_b / (b − r_b); `pow` is within 2 ulp."""
    low = base.mid - base.rad
    if not low > 0:
        return Ball(np.asarray(0.0), np.asarray(np.inf), DOUBLE)
    move = exponent.rad * np.abs(np.log(base.mid)) + exponent.reach * base.rad / low
    mid = base.mid**exponent.mid
    return Ball(np.asarray(mid), np.asarray(mid * np.expm1(move) + 8 * 2.0**-53 * mid), DOUBLE)


def counted(beta: float, step: float) -> Ball:
    """βᵗ by `pow` or by t multiplications: (t + 2)·2⁻⁵³ βᵗ, twice (program and reference)."""
    value = np.asarray(beta**step, np.float64)
    return Ball(value, np.asarray(2 * (step + 2) * 2.0**-53 * value), DOUBLE)


def stepped(state: State) -> float:
    """The number of the step being made."""
    return float(state["step"].mid) + 1 if "step" in state else 1.0


def zeros(p: Ball) -> Ball:
    return p.format.exact(np.zeros(p.shape))


def direction(group: Group, g: Ball) -> Ball:
    return -g if group.get("maximize") else g


def decayed(group: Group, p: Ball, g: Ball) -> tuple[Ball, Ball]:
    """θ and the direction d = ±g + λθ; with decoupled weight decay θ ← (1 − ηλ)θ instead, or θ − ηλθ."""
    lr, weight_decay = float(group["lr"]), float(group.get("weight_decay", 0.0))
    d = direction(group, g)
    if weight_decay and group.get("decoupled_weight_decay", False):
        return shrunk(p, lr * weight_decay), d
    return p, d + p.format.constant(weight_decay) * p if weight_decay else d


def shrunk(p: Ball, share: float) -> Ball:
    """(1 − s)θ, or θ − sθ: 3u |sθ| and 2η apart."""
    f = p.format
    return wider(f.constant(1 - share, roundings=2) * p, 3 * f.u * abs(share) * p.reach + 2 * f.eta)


def on_the_way(p: Ball, g: Ball, theta: Ball, d: Ball) -> State:
    """What `decayed` made of p and g, where that is another number: θ₁ and d."""
    return {**({} if theta is p else {"θ₁": theta}), **({} if d is g else {"d": d})}


def running_mean(beta: float, m: Ball, d: Ball) -> Ball:
    """βm + (1 − β)d, or m + (1 − β)(d − m), PyTorch's lerp: 3u (1 − β)(|m| + |d|) and 2η apart.

    For 1 − β beyond −½ its lerp is d − β(d − m), and the same holds with β for 1 − β; so it is taken for any β > 1.
    Nothing is claimed where d − m may overflow.
    """
    f = m.format
    spread = (m.reach + d.reach) * (1 + f.u)
    mean = f.constant(beta) * m + f.constant(1 - beta, roundings=1) * d
    return wider(mean, 3 * f.u * (1 - beta if beta <= 1 else beta) * spread + 2 * f.eta, spread)


def running_square(beta: float, v: Ball, d: Ball) -> Ball:
    """βv + (1 − β)d², or with (1 − β)d · d, where (1 − β)d may underflow: η|d|."""
    f = v.format
    mean = f.constant(beta) * v + f.constant(1 - beta, roundings=1) * (d * d)
    return wider(mean, 2 * f.eta * (1 + d.reach))


def quotient(rate: Ball, a: Ball, s: Ball, roundings: int = 3) -> Ball:
    """rate · a / s, s > 0, in any order: (l a)/s, l (a/s), (l/s) a, and with l in several factors, none above 1/s or l.

    Each order has the same number of roundings up to `roundings`. Where an intermediate underflows it is off by η,
    which 1/s or l may carry on: 2η (1 + (1 + l)/s).
    """
    f = s.format
    q = rate * (a / s)
    least = np.maximum(np.abs(s.mid) - s.rad, 0)
    reach = float(rate.reach)
    rad = q.rad + roundings * f.u * q.reach + 2 * f.eta * (1 + (1 + reach) / np.where(least > 0, least, np.inf))
    return settle(f, q.mid, rad, np.maximum(np.abs(q.mid) + rad, reach * a.reach))


def bias_correction(f: Format, beta: float, step: float) -> Ball:
    """1 − βᵗ in Python's float64, βᵗ by `pow` or by t multiplications: (t + 2)·2⁻⁵³ βᵗ, twice (program and reference).

    PyTorch then divides by √(1 − β₂ᵗ), also a float64 number: rounding it once to the format is part of the division.
    """
    power = beta**step
    value = 1 - power
    return wider(f.constant(value, roundings=2), np.asarray(2 * (step + 2) * 2.0**-53 * power))


def non_negative(b: Ball) -> Ball:
    """The part of the ball that a running mean of squares can be in, as a ball: [max(m − r, 0), m + r]."""
    low, high = np.maximum(b.mid - b.rad, 0), b.mid + b.rad
    mid = np.maximum(b.mid, 0)
    return Ball(mid, np.maximum(high - mid, mid - low), b.format)


def wider(b: Ball, extra: Any, top: Any = 0.0) -> Ball:
    """More radius; `top` is the largest magnitude on another way to the same number."""
    rad = b.rad + extra
    return settle(b.format, b.mid, rad, np.maximum(np.abs(b.mid) + rad, top))
