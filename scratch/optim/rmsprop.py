"""The gradient over its root mean square."""

from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, direction


class RMSprop(Optimizer):
    r"""Every weight's gradient is divided by the root of a running mean of its square:

        g ← −g  if maximize;   g ← g + λθ  with weight_decay λ
        s ← αs + (1 − α)g²
        ḡ ← αḡ + (1 − α)g;   r = √(s − ḡ²) + ε    if centered (the standard deviation instead of the mean square)
                              r = √s + ε           otherwise
        b ← μb + g/r;   θ ← θ − lr·b               with momentum μ
                        θ ← θ − lr·g/r             otherwise

    ε stands outside the root. Nothing corrects s for starting at zero: the first step has the length lr/√(1 − α).
    s ≥ ḡ² by Jensen's inequality, but only up to rounding: where gradients hardly change, s − ḡ² may come out negative
    and the step NaN, as in PyTorch. Raises ValueError for negative options.
    Source: Hinton, Neural networks for machine learning, lecture 6e (2012); Graves (2013), eq. 38-45, for centered.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        alpha, momentum = group["alpha"], group["momentum"]
        gradient = direction(parameter, gradient, group)
        if not state:
            state.update(step=0, square_avg=np.zeros_like(parameter.data))
        state["step"] += 1
        s = state["square_avg"]
        s *= alpha
        s += (1 - alpha) * gradient * gradient
        if group["centered"]:
            mean = state.setdefault("grad_avg", np.zeros_like(parameter.data))
            mean *= alpha
            mean += (1 - alpha) * gradient
            s = s - mean * mean
        step = gradient / (np.sqrt(s) + group["eps"])
        if momentum:
            buffer = state.setdefault("momentum_buffer", np.zeros_like(parameter.data))
            buffer *= momentum
            buffer += step
            step = buffer
        data = parameter.data
        data -= group["lr"] * step
