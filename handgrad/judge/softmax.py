"""log-softmax and softmax of rows of balls: shared by the layers and by cross entropy."""

import math

import numpy as np

from handgrad.judge.ball import EXP, LOG, Ball, Float64, settle


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
    log_error = -math.log1p(-_sum_error(f.u, n)) + LOG * f.u * np.maximum(math.log(n), np.minimum(lse, math.log(f.max)))
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


def _sum_error(u: float, n: int) -> float:
    """e_S; at most one half, where a format says nothing any more about a sum of so many terms."""
    return min(u * (n + EXP + math.log(n)), 0.5)


def softmax_backward(p: Ball, grad: Ball) -> Ball:
    """dz = p ∘ (g − Σ_j p_j g_j): the Jacobian diag(p) − ppᵀ is symmetric.

    Ball arithmetic bounds the factored form. A program that multiplies by the Jacobian itself sums the n terms
    p_i (δ_ij − p_j) g_j of size p_i (|g_i| + Σ_j p_j |g_j|) in all, three roundings each: γ_{n+2} of that.
    """
    product = p * grad
    factored = p * (grad - _last(product.sum(axis=-1)))
    size = p.reach * (grad.reach + product.reach.sum(axis=-1, keepdims=True))
    return _wider(factored, p.format.gamma(p.shape[-1] + 2) * size)


def log_softmax_backward(p: Ball, grad: Ball) -> Ball:
    """dz = g − p Σ_j g_j: the Jacobian is I − 1pᵀ, used transposed.

    As for softmax, a program that multiplies by the Jacobian costs γ_{n+2} (|g_i| + p_i Σ_j |g_j|).
    """
    factored = grad - p * _last(grad.sum(axis=-1))
    size = grad.reach + p.reach * grad.reach.sum(axis=-1, keepdims=True)
    return _wider(factored, p.format.gamma(p.shape[-1] + 2) * size)


def _last(b: Ball) -> Ball:
    return Ball(b.mid[..., None], b.rad[..., None], b.format)


def _wider(b: Ball, extra: Float64) -> Ball:
    return Ball(b.mid, b.rad + extra, b.format)
