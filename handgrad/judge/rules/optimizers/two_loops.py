"""L-BFGS's two loops in balls, whose radii do not grow with every pair.

In plain ball arithmetic q ← q − αy with α = ρsᵀq widens q by |y|ρ|s|ᵀ at every pair, as if the errors of q and of α had
nothing to do with each other, and after ten pairs the balls say nothing. Yet I − ρysᵀ is a projection: what an error
of q does to α, it takes from q.

So the errors of the factors are followed as linear forms. Both loops are v ← v − cᵢwᵢ with cᵢ = ρᵢzᵢᵀv (z, w = s, y
and c = α; then z, w = y, s and c = β, where αs is added as well). Write c + δ and v + e for a program's numbers, c and
v for the centres, W = ρz of centres. Then, with no approximation,

    δᵢ = Wᵢᵀeᵢ + ηᵢ        eᵢ₊₁ = eᵢ − δᵢwᵢ + ζᵢ₊₁        (e₀ = ζ₀)

where η and ζ are what one step adds by itself: its roundings, and the radii of ρ, z, w times what they multiply. With
L = Wᵢᵀwⱼ for j < i, (I + L)δ = Wᵀ(sums of ζ) + η. Any T that is nearly (I + L)⁻¹, ones on its diagonal, gives

    δᵢ = Cᵢᵀζ₀ + Σₖ Tᵢₖ(Wₖᵀ(ζ₁ + … + ζₖ) + ηₖ) − Σ_{j<i} Rᵢⱼδⱼ        Cᵢ = Σₖ TᵢₖWₖ,   R = T(I + L) − I

and so a bound of each |δᵢ| from those before it. T, C and R are computed in float64; each is widened by what its
roundings may be. e is then at most the sum of |ζ| and |δ||w|.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handgrad.judge.ball import Ball, Float64, quiet
from handgrad.judge.rules.optimizers.common import wider

EPSILON = 2.0**-52


class Loops(NamedTuple):
    """The two loops over the pairs. What is of a pair stands in the pairs' order, the oldest first.

    `q` is −∇f, then what each pair leaves of it, the newest pair first; `r` is γq, then what each pair makes of it, the
    oldest first, and so the direction at its end.
    """

    q: list[Ball]
    sq: list[Ball]  # sᵀq
    alphas: list[Ball]
    r: list[Ball]
    yr: list[Ball]  # yᵀr
    betas: list[Ball]


@quiet
def two_loops(gradient: Ball, changes: Sequence[Ball], steps: Sequence[Ball], ro: Sequence[Ball], gamma: Ball) -> Loops:
    """q = −∇f, for the newest pair first αᵢ = ρᵢsᵢᵀq, q ← q − αᵢyᵢ.

    Then r = γq, for the oldest pair first βᵢ = ρᵢyᵢᵀr, r ← r + sᵢ(αᵢ − βᵢ). (Nocedal & Wright 2006, algorithm 7.4.)
    s(α − β) may be sα − sβ: u|s|(|α| + |β|). Without a pair r = q.
    """
    f = gradient.format
    q, first = [-gradient], _Errors(len(ro), gradient.rad, gradient.rad)
    sq: list[Ball] = []
    alphas: list[Ball] = []
    for y, s, rho in reversed(list(zip(changes, steps, ro, strict=True))):
        dot, alpha = first.factor(rho, s, q[-1])
        sq.insert(0, dot)
        alphas.insert(0, alpha)
        own = (_size(q[-1]) + _size(alpha) * abs(y)).rad
        q.append(_sharper(q[-1] - alpha * y, first.moved(y, alpha, own)))
    if not ro:
        return Loops(q, sq, alphas, q, [], [])
    start = q[-1] * gamma
    own = (_size(q[-1]) * abs(gamma)).rad
    # r₀ = γq₀ inherits γ(ζ − Σ δy): the boxes ζ, and along each −γy the error of one α, which adds along s again.
    second = _Errors(len(ro), np.abs(gamma.mid) * (first.box + first.boxes) + own, start.rad)
    second.also = np.array([float(a.rad) for a in alphas]), -gamma.mid * np.stack([y.mid for y in changes])
    r = [start]
    yr: list[Ball] = []
    betas: list[Ball] = []
    for y, s, rho, alpha in zip(changes, steps, ro, alphas, strict=True):
        dot, beta = second.factor(rho, y, r[-1])
        yr.append(dot)
        betas.append(beta)
        apart = f.u * s.reach * (alpha.reach + beta.reach)
        own = (_size(r[-1]) + abs(s) * (_size(alpha) + _size(beta))).rad + apart
        new = wider(r[-1] + s * (alpha - beta), apart)
        r.append(_sharper(new, second.moved(s, beta, own, alpha)))
    return Loops(q, sq, alphas, r, yr, betas)


class _Errors:
    """The errors of v along a loop, and of its factors."""

    def __init__(self, pairs: int, box: Float64, spread: Float64) -> None:
        self.box, self.spread = box, spread  # |ζ₀|, and |e| of v as it is by now
        self.boxes = np.zeros(box.size)  # Σ |ζ| of the steps so far
        self.also: tuple[Float64, Float64] | None = None  # |δ| of every α, and along what it is in v₀
        self.W, self.w, self.W_, self.w_ = np.zeros((4, pairs, box.size))  # and their sizes
        self.T, self.L, self.most = np.zeros((3, pairs, pairs))  # most: |W|ᵀ|w|, for the roundings of L
        self.own, self.sizes = np.zeros((2, pairs))  # |η| with its step's |W|ᵀ Σ |ζ|, and |δ|
        self.i = 0

    def factor(self, rho: Ball, z: Ball, v: Ball) -> tuple[Ball, Ball]:
        """zᵀv and ρzᵀv."""
        dot = (z * v).sum()
        plain = dot * rho
        i = self.i
        self.W[i] = rho.mid * z.mid
        self.W_[i] = np.abs(self.W[i])
        self.own[i] = ((abs(z) * _size(v)).sum() * abs(rho)).rad + (self.W_[i] * self.boxes).sum()
        factor = _sharper(plain, self._bound(i))
        self.sizes[i] = factor.rad
        return dot, factor

    def _bound(self, i: int) -> Float64:
        """Of |δᵢ|."""
        # Sums of n numbers, then of i + 1 of those: off by (n + i + 1) ε/2 of their sizes, and little of second order.
        slack = 4 * (self.box.size + i + 4) * EPSILON
        self.L[i, :i], self.most[i, :i] = _dots(self.w[:i], self.W[i]), _dots(self.w_[:i], self.W_[i])
        self.T[i, :i], self.T[i, i] = -_sum(self.L[i, :i], self.T[:i, :i]), 1
        t = self.T[i, : i + 1]
        size = np.abs(t)
        TL = _sum(t, self.L[: i + 1, :i])
        lost = slack * (_sum(size, self.most[: i + 1, :i]) + size[:i])
        C, gone = _sum(t, self.W[: i + 1]), slack * _sum(size, self.W_[: i + 1])
        bound = ((np.abs(C) + gone) * self.box).sum() + (size * self.own[: i + 1]).sum()
        bound += ((np.abs(TL + t[:i]) + lost) * self.sizes[:i]).sum()
        if self.also is not None:  # at its step α adds along s, which is this loop's w: Σ TᵢₖWₖᵀs is TL
            rad, before = self.also
            along, more = _dots(before, C), _dots(np.abs(before), gone + slack * np.abs(C))
            along[:i] += TL
            more[:i] += lost
            bound += ((np.abs(along) + more) * rad).sum()
        return np.asarray(bound * (1 + slack))

    def moved(self, w: Ball, factor: Ball, own: Float64, added: Ball | None = None) -> Float64:
        """How far v may be after this step, which adds `own` by itself."""
        self.w[self.i], self.w_[self.i] = w.mid, np.abs(w.mid)
        self.boxes = self.boxes + own
        self.i += 1
        grown = float(factor.rad) + (0.0 if added is None else float(added.rad))
        self.spread = (self.spread + np.abs(w.mid) * grown + own) * (1 + 8 * EPSILON)
        return self.spread


def _dots(rows: Float64, vector: Float64) -> Float64:
    return np.asarray(np.einsum("kn,n->k", rows, vector))


def _sum(factors: Float64, rows: Float64) -> Float64:
    return np.asarray(np.einsum("k,kn->n", factors, rows))


def _sharper(ball: Ball, rad: Float64) -> Ball:
    """The same centre, and the smaller radius; the old where that is ∞, as the centre is none, or the new no number."""
    return Ball(ball.mid, np.where(np.isinf(ball.rad), np.inf, np.fmin(ball.rad, rad)), ball.format)


def _size(ball: Ball) -> Ball:
    """The largest magnitude inside, as an exact number."""
    return Ball(ball.reach, np.zeros(ball.shape), ball.format)
