"""Steps that look at the sign of the gradient alone."""

from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State


class Rprop(Optimizer):
    r"""Every weight has a step size Δ of its own, which grows while the gradient keeps its sign:

        g ← −g  if maximize
        g·g⁻ > 0:   Δ ← min(η⁺Δ, Δmax)              g⁻ is the gradient of the step before (prev)
        g·g⁻ < 0:   Δ ← max(η⁻Δ, Δmin),  g ← 0      a minimum was stepped over: wait, and forget the sign
        θ ← θ − sign(g)·Δ,   g⁻ ← g

    Δ starts at lr; etas = (η⁻, η⁺), step_sizes = (Δmin, Δmax). The length of the gradient does not matter, which suits
    full batches only: small batches would flip the sign by chance. As in PyTorch the sign is that of the product g·g⁻:
    where it underflows, Δ stays, and Δ is kept within its bounds at every step. NaN has no sign: it moves nothing.
    Raises ValueError for a negative lr and unless 0 < η⁻ < 1 < η⁺.
    Source: Riedmiller, Braun, A direct adaptive method for faster backpropagation learning (1993).
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        shrink, grow = group["etas"]
        if group["maximize"]:
            gradient = -gradient
        if not state:
            state.update(step=0, prev=np.zeros_like(parameter.data))
            state.update(step_size=np.full_like(parameter.data, group["lr"]))
        state["step"] += 1
        with np.errstate(over="ignore"):  # only its sign counts
            product = gradient * state["prev"]
        size = state["step_size"]
        factor = np.where(product > 0, grow, np.where(product < 0, shrink, 1.0)).astype(size.dtype)
        size *= factor
        low, high = group["step_sizes"]
        np.minimum(np.maximum(size, low), high, out=size)
        gradient = np.where(product < 0, 0, gradient)
        sign = np.where(gradient > 0, 1, np.where(gradient < 0, -1, 0)).astype(size.dtype)
        parameter.data -= sign * size
        state["prev"][...] = gradient
