"""σ, tanh and what else the references of several families are made of, in balls.

What a program makes of an exact input is off by what its formula loses; that is the first part of every radius. A ball
of the input adds the largest slope inside it times its radius. Library functions cost, in units of u: exp, log1p and
erf 8, expm1 10, tanh 12, sigmoid 16 (see ball.py; measured here for expm1 in ulp, NumPy / PyTorch, float32: 2.3 / 0.8).
"""

from typing import Any

import numpy as np

from handgrad.judge.ball import SIGMOID, TANH, WIDEN, Ball, Float64

LOG1P = 8


def sigmoid(x: Ball) -> Ball:
    """σ(z): the slope inside the ball is at most σ′ at its point nearest to 0; σ costs 16u (exp, 1 +, division: 10u).

    And τ: PyTorch's vector exp flushes, σ(−89) is 0 in float32 where NumPy has 2.2e-39.
    """
    f = x.format
    e = np.exp(-np.abs(x.mid))
    mid = np.where(x.mid >= 0, 1 / (1 + e), e / (1 + e))
    near = np.exp(-np.maximum(np.abs(x.mid) - x.rad, 0))
    p = np.minimum(x.rad * (near / (1 + near) ** 2) * (1 + 2.0**-40), 1.0)
    p = np.where(np.isinf(x.rad), np.inf, p)  # undecided may be NaN
    return Ball(mid, p + SIGMOID * f.u * np.minimum(mid + p, 1.0) + f.tau, f)


def tanh(x: Ball) -> Ball:
    """The slope inside the ball is at most sech² at its point nearest to 0; tanh itself costs 12u, and η."""
    f = x.format
    mid = np.tanh(x.mid)
    e = np.exp(-2 * np.maximum(np.abs(x.mid) - x.rad, 0))
    p = np.minimum(x.rad * (4 * e / (1 + e) ** 2) * (1 + 2.0**-40), 2.0)
    p = np.where(np.isinf(x.rad), np.inf, p)  # undecided may be NaN
    return Ball(mid, p + TANH * f.u * (np.abs(mid) + p) + f.eta, f)


def complement(x: Ball) -> Ball:
    """1 − σ(z), as σ(−z) or by subtraction. That costs σ's 16u and a rounding; where e^{−z} < u/4, σ is exactly 1."""
    f = x.format
    other = sigmoid(-x)
    left = np.exp(-(x.mid - x.rad))
    return wider(other, np.where(left < f.u / 4, 2 * left, (SIGMOID + 1) * f.u))


def nearest(x: Ball) -> Float64:
    """The least magnitude inside."""
    return np.maximum(np.abs(x.mid) - x.rad, 0)


def moved(x: Ball, slope: Float64) -> Float64:
    """r times the largest slope; ∞ for an undecided ball, whatever the slope."""
    return np.asarray(np.where(np.isinf(x.rad), np.inf, x.rad * slope * WIDEN))


def wider(b: Ball, extra: Any) -> Ball:
    return Ball(b.mid, b.rad + extra, b.format)


def one_like(like: Ball) -> Ball:
    return like.format.exact(np.ones(()))
