"""Adaptive moments."""

import math
from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, pieces


class Adam(Optimizer):
    r"""Running means of the gradient and of its square, each divided by what it lacks because it started at zero:

        g ← −g  if maximize;   g ← g + λθ  with weight_decay λ
        m ← β₁m + (1 − β₁)g          m̂ = m/(1 − β₁ᵗ)
        v ← β₂v + (1 − β₂)g²         v̂ = v/(1 − β₂ᵗ)
        θ ← θ − lr·m̂/(√v̂ + ε)

    If g were constant, m = (1 − β₁ᵗ)g: hence the corrections. ε stands outside the root. With amsgrad, v̂ uses the
    largest v so far. With decoupled_weight_decay (AdamW) λ does not enter g; instead θ ← (1 − lr·λ)θ before the step.
    Raises ValueError for negative options and for betas outside [0, 1).
    Source: Kingma, Ba (2015); Reddi et al. (2018) for amsgrad; Loshchilov, Hutter (2019) for decoupled decay.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        if group["maximize"]:
            gradient = -gradient
        if decay and group["decoupled_weight_decay"]:
            parameter.data *= 1 - lr * decay
        elif decay:
            gradient = gradient + decay * parameter.data
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(parameter.data), exp_avg_sq=np.zeros_like(parameter.data))
        if group["amsgrad"]:
            state.setdefault("max_exp_avg_sq", np.zeros_like(parameter.data))
        state["step"] += 1
        t, largest = state["step"], [state["max_exp_avg_sq"]] if group["amsgrad"] else []
        for p, g, m, v, *top in pieces(parameter.data, gradient, state["exp_avg"], state["exp_avg_sq"], *largest):
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * g * g
            if top:
                v = np.maximum(top[0], v, out=top[0])
            denominator = np.sqrt(v) / math.sqrt(1 - beta2**t) + group["eps"]
            p -= lr / (1 - beta1**t) * m / denominator
