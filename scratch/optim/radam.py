"""Adam that waits until its denominator can be trusted."""

import math
from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, direction


class RAdam(Optimizer):
    r"""Adam, with plain momentum as long as the variance of 1/√v is not under control:

        g ← −g  if maximize;   g ← g + λθ  with weight_decay λ (or θ ← (1 − lr·λ)θ if decoupled)
        m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²,   m̂ = m/(1 − β₁ᵗ)
        ρ∞ = 2/(1 − β₂) − 1,   ρ = ρ∞ − 2tβ₂ᵗ/(1 − β₂ᵗ)
        ρ > 5:  θ ← θ − lr·m̂·√(1 − β₂ᵗ)/(√v + ε)·√( (ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ) )
        else:   θ ← θ − lr·m̂

    ρ is the length of the simple average that has the same centre of mass as the running mean after t steps. If the
    gradients are normal, 1/v is scaled inverse χ² with ρ degrees of freedom, whose square root has a variance only for
    ρ > 4; the last root makes that variance the same at every step. With β₂ = 0.999 the first five steps are plain.
    ε is added to √v before the correction, as in PyTorch. Raises ValueError for negative options and for betas outside
    [0, 1).
    Source: Liu et al., On the variance of the adaptive learning rate and beyond (2020), algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        gradient = direction(parameter, gradient, group)
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(parameter.data), exp_avg_sq=np.zeros_like(parameter.data))
        state["step"] += 1
        t, m, v = state["step"], state["exp_avg"], state["exp_avg_sq"]
        m *= beta1
        m += (1 - beta1) * gradient
        v *= beta2
        v += (1 - beta2) * gradient * gradient
        rate = lr / (1 - beta1**t)
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * t * beta2**t / (1 - beta2**t)
        if length > 5:
            rectification = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            rate *= math.sqrt((1 - beta2**t) * rectification)
            parameter.data -= rate * m / (np.sqrt(v) + group["eps"])
        else:
            parameter.data -= rate * m
