"""Adam for tables of which a batch uses a few rows."""

import math
from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State


class SparseAdam(Optimizer):
    r"""Adam's formula on the rows that were looked up since `zero_grad`, and nothing at all on the others:

        g ← −g  if maximize
        m ← β₁m + (1 − β₁)g          v ← β₂v + (1 − β₂)g²
        θ ← θ − lr·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε)

    In Adam the moments of a row that has no gradient decay, and the row moves on by them; here both stay. A row that
    was looked up counts, even where its gradient is 0. t counts the steps, not the row's own. Unlike in Adam ε stands
    beside √v before its correction. It takes the tables of Embedding(sparse=True), and no other optimizer does.

    Raises ValueError for lr or eps not above 0 and betas outside [0, 1), TypeError for parameters that are no such
    tables.
    Source: Kingma, Ba, Adam (2015), end of section 2 for this order of operations; "lazy" as in PyTorch.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(parameter.data), exp_avg_sq=np.zeros_like(parameter.data))
        state["step"] += 1
        t, rows = state["step"], parameter.rows
        g = -gradient[rows] if group["maximize"] else gradient[rows]
        m = beta1 * state["exp_avg"][rows] + (1 - beta1) * g
        v = beta2 * state["exp_avg_sq"][rows] + (1 - beta2) * g * g
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = m, v
        size = group["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        parameter.data[rows] -= size * m / (np.sqrt(v) + group["eps"])
