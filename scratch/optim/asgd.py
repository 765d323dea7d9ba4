"""Gradient descent that averages its path."""

from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, direction


class ASGD(Optimizer):
    r"""Gradient descent with a falling rate η, and beside the weights θ the mean ax of their path:

        g ← −g  if maximize;   g ← g + λ₂θ  with weight_decay λ₂
        θ ← (1 − λη)θ − ηg                          λ = lambd
        ax ← ax + μ(θ − ax), or θ while μ = 1
        η ← lr/(1 + λ·lr·t)^α,   μ ← 1/max(1, t − t₀)      for the next step

    The mean of the path after step t₀ converges at the optimal rate although θ itself keeps wandering. It stands in the
    state as `ax`; θ is not replaced by it. As in PyTorch η and μ are kept in single precision whatever the parameter's
    dtype. Raises ValueError for a negative lr or weight_decay.
    Source: Polyak, Juditsky, Acceleration of stochastic approximation by averaging (1992).
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        lr, lambd = group["lr"], group["lambd"]
        gradient = direction(parameter, gradient, group)
        if not state:
            state.update(step=0, eta=np.array(lr, np.float32), mu=np.ones((), np.float32))
            state.update(ax=np.zeros_like(parameter.data))
        state["step"] += 1
        t, eta, mu, ax = state["step"], float(state["eta"]), float(state["mu"]), state["ax"]
        parameter.data *= 1 - lambd * eta
        parameter.data -= eta * gradient
        if mu == 1:
            ax[...] = parameter.data
        else:
            ax += (parameter.data - ax) * mu
        state["eta"] = np.array(lr / (1 + lambd * lr * t) ** group["alpha"], np.float32)
        state["mu"] = np.array(1 / max(1, t - group["t0"]), np.float32)
