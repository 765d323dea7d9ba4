"""Adam with Nesterov's look ahead."""

from collections.abc import Iterable

import numpy as np

from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State, direction


class NAdam(Optimizer):
    r"""Adam whose step already contains the momentum of the next one:

        g ← −g  if maximize;   g ← g + λθ  with weight_decay λ (or θ ← (1 − lr·λ)θ if decoupled)
        μ = β₁(1 − ½·0.96^{tψ}),  μ⁺ = β₁(1 − ½·0.96^{(t+1)ψ})      the momentum of this step and of the next
        Π ← Πμ                                                       mu_product, the product of all μ so far
        m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²
        θ ← θ − lr·( (1 − μ)/(1 − Π)·g + μ⁺/(1 − Πμ⁺)·m ) / (√(v/(1 − β₂ᵗ)) + ε)

    Nesterov's gradient after the momentum step is, to first order, that of applying the *next* momentum μ⁺m and the
    present gradient together. μ grows from β₁/2 towards β₁ at the pace ψ = momentum_decay; 1 − Π and 1 − Πμ⁺ are the
    bias corrections of a running mean whose coefficient changes. As in PyTorch, Π is kept in single precision whatever
    the parameter's dtype. Raises ValueError for negative options and for betas outside [0, 1).
    Source: Dozat, Incorporating Nesterov momentum into Adam (2016).
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["momentum_decay"]
        gradient = direction(parameter, gradient, group)
        if not state:
            state.update(step=0, mu_product=np.ones((), np.float32))
            state.update(exp_avg=np.zeros_like(parameter.data), exp_avg_sq=np.zeros_like(parameter.data))
        state["step"] += 1
        t, m, v = state["step"], state["exp_avg"], state["exp_avg_sq"]
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
        state["mu_product"] *= mu
        product = float(state["mu_product"])
        m *= beta1
        m += (1 - beta1) * gradient
        v *= beta2
        v += (1 - beta2) * gradient * gradient
        denominator = np.sqrt(v / (1 - beta2**t)) + group["eps"]
        parameter.data -= lr * (1 - mu) / (1 - product) * gradient / denominator
        parameter.data -= lr * mu_next / (1 - product * mu_next) * m / denominator
