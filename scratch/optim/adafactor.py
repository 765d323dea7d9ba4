"""Adam's second moments of a matrix, from its row and column sums alone."""

import math
from collections.abc import Iterable

import numpy as np

from scratch.flags import norm
from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State


class Adafactor(Optimizer):
    r"""For a matrix with n rows and m columns, n + m numbers of state instead of nm:

        g ← −g  if maximize
        ρ = min(lr, 1/√t),   α = max(ε₂, rms(θ))·ρ      steps are relative to the size of the weights
        θ ← (1 − lr·λ)θ                                 with weight_decay λ
        β = 1 − t^κ                                     κ = beta2_decay
        r ← βr + (1 − β) mean_j g²,   c ← βc + (1 − β) mean_i g²,   v = r cᵀ/max(mean r, ε₁)      (row_var, col_var)
        v ← βv + (1 − β)g²                                          for a vector: nothing to factor (variance)
        u = g/√max(v, ε₁²)
        θ ← θ − α·u/max(1, rms(u)/d)

    Of all rank-one matrices, r cᵀ/mean r has the smallest I-divergence from the running mean of g² (its row and column
    means are right). eps = (ε₁, ε₂); ε₁ = None is the dtype's own eps. rms(θ) is taken before the decay. More than two
    axes are a stack of matrices, with one rms and one d for all. Raises ValueError for negative lr, eps or
    weight_decay, for beta2_decay > 0, for d < 1, and for a parameter without entries, whose rms is 0/0.
    Source: Shazeer, Stern, Adafactor (2018), algorithms 4 and 5.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        theta, lr, (eps1, eps2) = parameter.data, group["lr"], group["eps"]
        if eps1 is None:
            eps1 = float(np.finfo(theta.dtype).eps)
        if group["maximize"]:
            gradient = -gradient
        square = gradient * gradient
        if not state:
            state.update(step=0)
            if theta.ndim > 1:
                row, column = (np.zeros_like(part) for part in (theta[..., :1], theta[..., :1, :]))
                state.update(row_var=row, col_var=column)
            else:
                state.update(variance=np.zeros_like(theta))
        state["step"] += 1
        share = state["step"] ** group["beta2_decay"]
        rate = max(eps2, rms(theta)) * min(lr, 1 / math.sqrt(state["step"]))
        if group["weight_decay"]:
            theta *= 1 - lr * group["weight_decay"]
        if theta.ndim > 1:
            row, column = state["row_var"], state["col_var"]
            row += (square.mean(axis=-1, keepdims=True) - row) * share
            column += (square.mean(axis=-2, keepdims=True) - column) * share
            variance = row * column / np.maximum(row.mean(axis=-2, keepdims=True), eps1)
        else:
            variance = state["variance"]
            variance += (square - variance) * share
        update = gradient / np.sqrt(np.maximum(variance, eps1 * eps1))
        theta -= rate / max(1.0, rms(update) / group["d"]) * update


def rms(a: Array) -> float:
    """√(mean a²), as a Python number."""
    return float(norm(a)) / math.sqrt(a.size)
