"""The reference of a product of two inputs."""

import math
from typing import Any, Self

import numpy as np

from handgrad.judge.ball import WIDEN, Ball, settle
from handgrad.judge.rules.rule import Gradients, Leaf, Parameters, given

__all__ = ["Bilinear"]


class Bilinear(Leaf):
    """z_nk = Σ_ij u_ni W_kij v_nj + b_k for u (…, in1), v (…, in2), W (out, in1, in2), b (out,).

    Its input is a pair, and so is its input's gradient: it stands alone, not in a Sequential.
    """

    def __init__(self, name: str, bias: bool) -> None:
        super().__init__(name)
        self.bias = bias

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, bias=getattr(module, "bias", None) is not None)

    def forward(self, x: tuple[Ball, Ball], parameters: Parameters) -> Ball:
        f = x[0].format
        self.weight = f.exact(given(parameters, self.parameter("weight")))
        bias = f.exact(given(parameters, self.parameter("bias"))) if self.bias else None
        out, *features = self.weight.shape
        self.lead = x[0].shape[:-1]
        if [part.shape for part in x] != [(*self.lead, n) for n in features]:
            raise ValueError(f"{self.label()} takes (…, {features[0]}) and (…, {features[1]}), not {x[0].shape}")
        rows = math.prod(self.lead)
        self.u, self.v = (part.reshape(rows, n) for part, n in zip(x, features, strict=True))
        return contract("ni,kij,nj->nk", self.u, self.weight, self.v, bias).reshape(*self.lead, out)

    def backward(self, grad: Ball, gradients: Gradients) -> tuple[Ball, Ball]:
        """dW_kij = Σ_n d_nk u_ni v_nj, db = Σ_n d, du_ni = Σ_kj d_nk W_kij v_nj, dv_nj = Σ_ki d_nk W_kij u_ni."""
        d, u, v = grad.reshape(math.prod(self.lead), len(self.weight.mid)), self.u, self.v
        gradients[self.parameter("weight")] = contract("nk,ni,nj->kij", d, u, v)
        if self.bias:
            gradients[self.parameter("bias")] = d.sum(axis=0)
        du = contract("nk,kij,nj->ni", d, self.weight, v)
        dv = contract("nk,kij,ni->nj", d, self.weight, u)
        return du.reshape(*self.lead, u.shape[1]), dv.reshape(*self.lead, v.shape[1])


def contract(subscripts: str, a: Ball, b: Ball, c: Ball, bias: Ball | None = None) -> Ball:
    """Σ abc over the axes that do not remain (+ bias along the last): t products of three, summed in any order.

    A term takes part in two multiplications and at most t − 1 additions, t with a bias: γ_{t+1} or γ_{t+2} of Σ|abc|.
    One may also sum ab over some axes first, s terms a sum, and then (Σab)c over the others: s + t/s roundings, which
    is at most t + 1, because (s − 1)(t/s − 1) >= 0.

    With |A| = |a| + r_a the factors move the sum by p = Σ (r_a |B||C| + |a| r_b |C| + |a||b| r_c). A product of two
    that underflows is off by η, which the third multiplies, and the whole by η again: 2η (1 + max|A| + max|B| + max|C|)
    per term that is not exactly 0. Nothing is claimed where a product of two may overflow.
    """
    f = a.format

    def total(x: Any, y: Any, z: Any) -> Any:
        return np.einsum(subscripts, x, y, z, optimize=False)

    A, B, C = a.reach, b.reach, c.reach
    mid = total(a.mid, b.mid, c.mid)
    p = total(a.rad, B, C) + total(np.abs(a.mid), b.rad, C) + total(np.abs(a.mid), np.abs(b.mid), c.rad)
    terms = total(np.ones(a.shape), np.ones(b.shape), np.ones(c.shape))
    nonzero = total(*((reach > 0).astype(np.float64) for reach in (A, B, C)))
    magnitude, top = total(A, B, C), total(*(np.maximum(reach, 1) for reach in (A, B, C)))
    if bias is not None:
        mid, p, magnitude, top = mid + bias.mid, p + bias.rad, magnitude + bias.reach, top + bias.reach
    roundings = (terms.max(initial=0.0) + 1 + (bias is not None)) * (terms.max(initial=0.0) > 0)
    reach = sum(float(part[np.isfinite(part)].max(initial=0.0)) for part in (A, B, C))
    rad = p * WIDEN + f.gamma(int(roundings)) * magnitude + 2 * f.eta * (1 + reach) * nonzero
    poison = total(*(np.where(np.isnan(x.mid), np.nan, 1.0) for x in (a, b, c)))
    return settle(f, mid, rad, top + rad, poison if bias is None else poison + 0 * bias.mid)
