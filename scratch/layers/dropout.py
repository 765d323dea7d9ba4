"""Noise for training only: each number is dropped with probability p, and what is left keeps the mean."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks, layer_checks
from scratch.init import Rng
from scratch.module import Array, Module

__all__ = ["AlphaDropout", "Dropout"]

SATURATION = -1.7580993408473766
"""α′ = −λα, which SELU takes for x → −∞."""


class Dropout(Module):
    """y = x m/(1 − p), where m is 0 with probability p, else 1, drawn anew for every number; dL/dx = g m/(1 − p).

    E[m] = 1 − p, so E[y] = x: after `eval()`, where y = x, the next layer sees the same mean.

    In training every forward call draws `mask`, an array of x's shape, from `rng`, and backward uses the same.
    PyTorch's generator cannot be asked for NumPy's numbers; so the other side draws its mask by NumPy as well, and one
    seed gives both the same. As in PyTorch the mask multiplies: a dropped ∞ or NaN is NaN, and so is its gradient
    where g is one. With p = 0 nothing is drawn, with p = 1 everything is dropped.

    Raises ValueError unless 0 <= p <= 1.
    Source: N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, Dropout, JMLR 15 (2014), section 4;
    scaled in training rather than in evaluation, as in its section 10.
    """

    mask: npt.NDArray[np.bool_] | None = None

    def __init__(self, p: float = 0.5, rng: Rng = None) -> None:
        layer_checks.layer(self.name, {"p": p})
        self.p = p
        self.rng = checks.generator(self.name, rng)

    def _kept(self) -> Any:
        return self._memory, self.mask, self.rng.bit_generator.state

    def _give_back(self, kept: Any) -> None:
        self._memory, self.mask, self.rng.bit_generator.state = kept

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        if not self.training or self.p == 0:
            return self._remember(x, None)
        vars(self)["mask"] = mask = np.asarray(self.rng.random(x.shape) >= self.p)  # no option that wants a check
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        factor = mask * x.dtype.type(scale)
        return self._remember(x * factor, factor)

    def backward(self, grad_output: Array) -> Array:
        (factor,) = self._recall(grad_output)
        return grad_output if factor is None else np.asarray(grad_output * factor)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class AlphaDropout(Dropout):
    r"""y = a (x m + α′(1 − m)) + b: a dropped number becomes α′ = −λα, the value where SELU saturates; dL/dx = g a m.

    a and b keep mean 0 and variance 1, which SELU nets have. With q = 1 − p = E[m] and x of that mean and variance,
    the bracket has

        mean      E = q·0 + p α′ = p α′
        variance  V = q·1 + p α′² − p² α′² = q + p q α′² = q (1 + p α′²),

    so a = 1/√V = (q (1 + p α′²))^{−1/2} and b = −a E = −a p α′. With p = 1 there is nothing to restore, and y = 0 x, as
    in PyTorch. `mask`, its drawing, ∞ and NaN are as in Dropout.

    Raises ValueError unless 0 <= p <= 1.
    Source: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, Self-normalizing neural networks, NeurIPS 2017.
    """

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x)
        if not self.training or self.p == 0:
            return self._remember(x, None)
        p, number = self.p, x.dtype.type
        vars(self)["mask"] = mask = np.asarray(self.rng.random(x.shape) >= p)
        if p == 1:
            factor = np.zeros_like(x)
            return self._remember(x * factor, factor)
        a = 1 / math.sqrt((1 - p) * (1 + p * SATURATION**2))
        b = -a * p * SATURATION
        factor = mask * number(a)
        return self._remember(x * factor + np.where(mask, number(b), number(a * SATURATION + b)), factor)
