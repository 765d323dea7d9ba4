"""A learning rate for every weight, shrinking with the gradients it has seen."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, direction


class Adagrad(Optimizer):
    r"""Every weight's step is divided by the norm of all its gradients so far:

        g ← −g  if maximize;   g ← g + λθ  with weight_decay λ
        s ← s + g²                                 sum, which starts at initial_accumulator_value
        θ ← θ − lr/(1 + (t − 1)η)·g/(√s + ε)       η = lr_decay

    Among all steps g/h with Σh fixed, h = √s makes the regret bound smallest: weights with rare gradients keep long
    steps. ε stands outside the root. Raises ValueError for negative options.
    Source: Duchi, Hazan, Singer, Adaptive subgradient methods (2011), figure 1.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
        )
        self.begin()

    def begin(self) -> None:
        """A sum for every parameter that has none yet: as in PyTorch it is there before the first step."""
        first = self.defaults["initial_accumulator_value"]
        for parameter in self.parameters():
            if not self.state.get(parameter):
                self.state[parameter] = {"step": 0, "sum": np.full_like(parameter.data, first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.begin()

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        gradient = direction(parameter, gradient, group)
        if not state:
            self.begin()
            state = self.state[parameter]
        state["step"] += 1
        state["sum"] += gradient * gradient
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        parameter.data -= rate * gradient / (np.sqrt(state["sum"]) + group["eps"])
