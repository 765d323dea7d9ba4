"""Adam with decoupled weight decay."""

from collections.abc import Iterable

from scratch.module import Parameter
from scratch.optim.adam import Adam
from scratch.optim.optimizer import Group


class AdamW(Adam):
    r"""Adam whose weight decay λ does not pass through the moments: θ ← (1 − lr·λ)θ, then Adam's step.

    In Adam λθ is added to the gradient, so it is divided by √v̂ like everything else and large gradients decay less.
    Here every weight decays by the same share. This is `Adam(..., decoupled_weight_decay=True)` with weight_decay 0.01.
    Raises ValueError for negative options and for betas outside [0, 1).
    Source: Loshchilov, Hutter, Decoupled weight decay regularization (2019), algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
