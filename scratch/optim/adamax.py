"""Adam in the infinity norm."""

from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, direction


class Adamax(Optimizer):
    r"""Adam with the largest recent gradient in place of the root of a mean square:

        g ← −g  if maximize;   g ← g + λθ  with weight_decay λ
        m ← β₁m + (1 − β₁)g
        u ← max(β₂u, |g| + ε)
        θ ← θ − lr/(1 − β₁ᵗ)·m/u

    Adam's v^{1/2} is a weighted 2-norm of past gradients; in the p-norm, v = β₂ᵖv + (1 − β₂ᵖ)|g|ᵖ, and v^{1/p} goes to
    max(β₂u, |g|) as p → ∞. A maximum does not start too small, so u needs no correction. As in PyTorch, ε enters the
    maximum, not the denominator. Raises ValueError for negative options and for betas outside [0, 1).
    Source: Kingma, Ba, Adam (2015), §7.1, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        gradient = direction(parameter, gradient, group)
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(parameter.data), exp_inf=np.zeros_like(parameter.data))
        state["step"] += 1
        m, u = state["exp_avg"], state["exp_inf"]
        m *= beta1
        m += (1 - beta1) * gradient
        u *= beta2
        np.maximum(u, np.abs(gradient) + group["eps"], out=u)
        parameter.data -= lr / (1 - beta1 ** state["step"]) * m / u
