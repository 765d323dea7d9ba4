"""The references of softmax and log-softmax; cross entropy shares them, rows of balls."""

import math
from typing import Any, Self

import numpy as np

from handgrad.judge.ball import EXP, LOG, Ball, Float64, Format, settle
from handgrad.judge.rules.rule import (
    Gradients,
    Leaf,
    Parameters,
)

__all__ = ["LogSoftmax", "Softmax", "Softmin"]


class Softmax(Leaf):
    """p_i = e^{z_i} / Σ_j e^{z_j} along `dim`."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name)
        self.dim = dim

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        if module.dim is None:
            raise ValueError(f"{cls.__name__} at {name!r} has dim=None; the judge needs the axis, for instance -1")
        return cls(name, int(module.dim))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return self._back(self._rows(x)[1])

    def wrote(self, y: Ball) -> None:
        self.p = self._flat(y)

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return self._back(softmax_backward(self.p, self._flat(grad)))

    def _flat(self, x: Ball) -> Ball:
        self.shape = x.shape
        moved = (x if x.shape else x.reshape(1)).moveaxis(self.dim, -1)  # a number counts as having one axis
        self.moved = moved.shape
        return moved.reshape(math.prod(self.moved[:-1]), self.moved[-1])

    def _rows(self, x: Ball) -> tuple[Ball, Ball]:
        log_p, self.p = log_softmax(self._flat(x))
        return log_p, self.p

    def _back(self, rows: Ball) -> Ball:
        return rows.reshape(*self.moved).moveaxis(-1, self.dim).reshape(*self.shape)


class Softmin(Softmax):
    """softmax of −z, which is exact; so is the sign of the gradient."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return super().forward(-x, parameters)

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return -super().backward(grad, gradients)


class LogSoftmax(Softmax):
    """log p_i = z_i − log Σ_j e^{z_j} along `dim`."""

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        return self._back(self._rows(x)[0])

    def wrote(self, y: Ball) -> None:
        """p as exp y, which moves by at most e^r − 1 of itself, and costs 8u."""
        log_p = self._flat(y)
        p = np.exp(log_p.mid)
        growth = np.expm1(np.minimum(log_p.rad + EXP * y.format.u, 1.0)) * (1 + 2.0**-40)
        rad = np.minimum(np.where(log_p.rad < 0.5, p * growth, 1.0), 1.0) + y.format.tau
        self.p = settle(y.format, p, np.where(np.isinf(log_p.rad), np.inf, np.maximum(rad, self.p.rad)), p)

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        return self._back(log_softmax_backward(self.p, self._flat(grad)))


def log_softmax(z: Ball) -> tuple[Ball, Ball]:
    """`(log p, p)` with p = softmax(z) over the last axis, z of shape (rows, n).

    A program computes s_i = z_i − max z, S = Σ exp s_i, L = log S and then log p_i = s_i − L. Its errors:

    - s_i is off by u·d_i, d_i = max z − z_i, so exp s_i by the relative amount u·d_i + 8u, and S by
      e_S = u (Σ p_i d_i + 8 + n). Because Σ p_i (max z − z_i) = entropy(p) + log max p ≤ log n, for every z,
      e_S ≤ u (n + 8 + log n).
    - L is off by −log(1 − e_S) + 8u |L| with 0 ≤ L ≤ log n. A program that does not shift by the maximum has
      |L| = |lse z| instead, as long as exp stays inside the format: |lse z| ≤ log max.
    - s_i − L costs u·d_i + u |log p_i|; the form z_i − (max z + L) costs u |lse z| + u |log p_i| instead.

    The propagated part is |Δ log p_i| ≤ r_i + max r, as lse moves by at most max r. So log p has radius

        ρ_i = r_i + max r + u (d_i + |lse z| + |log p_i|) + e_L.

    p is exp(log p) or exp(s_i) / S: a relative error of at most exp(ρ_i + 12u) − 1 (8u for exp, rounding, division),
    and τ, because a vector library's exp may flush a subnormal result to 0. The error of a probability is at most 1.
    """
    f, n = z.format, z.shape[-1]
    if z.size == 0:
        return z, z
    m = z.mid
    largest = m.max(axis=-1, keepdims=True)
    distance = largest - m
    e = np.exp(-distance)
    total = e.sum(axis=-1, keepdims=True)
    log_total = np.log(total)
    log_p = -distance - log_total
    move = z.rad + z.rad.max(axis=-1, keepdims=True)
    # Of both forms of the subtraction, every magnitude as large as it can be inside the balls.
    lse = np.abs(largest + log_total) + move
    spread = distance + move
    log_error = -math.log1p(-_sum_error(f, n)) + LOG * f.u * np.maximum(math.log(n), np.minimum(lse, math.log(f.max)))
    rho = move * (1 + 2.0**-40) + f.u * (spread + lse + np.abs(log_p) + move) + log_error
    # The row is lost as a whole when one of its logits is: top is a row maximum.
    top = np.broadcast_to(np.max(np.abs(m) + spread + rho, axis=-1, keepdims=True), m.shape)
    poison = np.broadcast_to(np.where(np.isnan(m).any(axis=-1, keepdims=True), np.nan, 0.0), m.shape)
    p = e / total
    # Where ρ is large, p may have underflowed at the centre: then from log p, up to the largest value inside.
    growth = rho + 12 * f.u
    near = p * np.expm1(np.minimum(growth, 1.0))
    p_rad = np.where(growth <= 1, near, np.exp(np.minimum(log_p + growth, 0.0) + 2.0**-40)) + f.tau
    p_rad = np.minimum(1.0, p_rad)
    return settle(f, log_p, rho, top, poison), settle(f, p, p_rad, top, poison)


def _sum_error(f: Format, n: int) -> float:
    """e_S; at most one half, where a format says nothing any more about a sum of so many terms."""
    return min(f.u * (EXP + math.log(n)) + f.sums(n, stored=1), 0.5)


def softmax_backward(p: Ball, grad: Ball) -> Ball:
    """dz = p ∘ (g − Σ_j p_j g_j): the Jacobian diag(p) − ppᵀ is symmetric.

    Ball arithmetic bounds the factored form. A program that multiplies by the Jacobian itself sums the n terms
    p_i (δ_ij − p_j) g_j of size p_i (|g_i| + Σ_j p_j |g_j|) in all, three roundings each: γ_{n+2} of that.
    """
    product = p * grad
    factored = p * (grad - _last(product.sum(axis=-1)))
    size = p.reach * (grad.reach + product.reach.sum(axis=-1, keepdims=True))
    return _wider(factored, p.format.sums(p.shape[-1], 2) * size)


def log_softmax_backward(p: Ball, grad: Ball) -> Ball:
    """dz = g − p Σ_j g_j: the Jacobian is I − 1pᵀ, used transposed.

    As for softmax, a program that multiplies by the Jacobian costs γ_{n+2} (|g_i| + p_i Σ_j |g_j|).
    """
    factored = grad - p * _last(grad.sum(axis=-1))
    size = grad.reach + p.reach * grad.reach.sum(axis=-1, keepdims=True)
    return _wider(factored, p.format.sums(p.shape[-1], 2) * size)


def _last(b: Ball) -> Ball:
    return Ball(b.mid[..., None], b.rad[..., None], b.format)


def _wider(b: Ball, extra: Float64) -> Ball:
    return Ball(b.mid, b.rad + extra, b.format)
