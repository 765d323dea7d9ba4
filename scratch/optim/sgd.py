"""Gradient descent, with momentum."""

from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State


class SGD(Optimizer):
    r"""θ ← θ − lr·d, where d is the gradient g, decayed and smoothed:

        g ← −g               if maximize
        g ← g + λθ           with weight_decay λ (the gradient of ½λ‖θ‖²)
        b ← μb + (1 − τ)g    with momentum μ and dampening τ; b = g at the first step, without dampening
        d = b, or g + μb with nesterov, or g without momentum

    As in PyTorch the learning rate multiplies the buffer, not the gradient that enters it, so changing lr between steps
    acts on the whole buffer. Raises ValueError for negative options, and for nesterov without momentum or with
    dampening.
    Source: Polyak (1964); Sutskever et al., On the importance of initialization and momentum (2013).
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        momentum = group["momentum"]
        if group["maximize"]:
            gradient = -gradient
        if group["weight_decay"]:
            gradient = gradient + group["weight_decay"] * parameter.data
        if momentum:
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = np.array(gradient)
            else:
                state["momentum_buffer"] *= momentum
                state["momentum_buffer"] += (1 - group["dampening"]) * gradient
            buffer = state["momentum_buffer"]
            gradient = gradient + momentum * buffer if group["nesterov"] else buffer
        data = parameter.data
        data -= group["lr"] * gradient
