"""Steps in the units of the weights."""

from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, direction


class Adadelta(Optimizer):
    r"""The step is the gradient, scaled by the ratio of two running root mean squares, of steps and of gradients:

        g ← −g  if maximize;   g ← g + λθ  with weight_decay λ
        s ← ρs + (1 − ρ)g²
        δ = √(a + ε)/√(s + ε)·g
        a ← ρa + (1 − ρ)δ²
        θ ← θ − lr·δ

    A gradient has the units 1/θ (of the loss over the weight), the step should have those of θ: √a/√s corrects them, as
    Newton's 1/f″ would. ε stands inside both roots, and starts the first step, as a is 0. Raises ValueError for
    negative options and for rho outside [0, 1].
    Source: Zeiler, ADADELTA (2012), algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        rho, eps = group["rho"], group["eps"]
        gradient = direction(parameter, gradient, group)
        if not state:
            state.update(step=0, square_avg=np.zeros_like(parameter.data), acc_delta=np.zeros_like(parameter.data))
        state["step"] += 1
        s, a = state["square_avg"], state["acc_delta"]
        s *= rho
        s += (1 - rho) * gradient * gradient
        delta = np.sqrt(a + eps) / np.sqrt(s + eps) * gradient
        a *= rho
        a += (1 - rho) * delta * delta
        parameter.data -= group["lr"] * delta
