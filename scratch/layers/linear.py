"""The affine map, the one layer every perceptron is made of."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks, layer_checks
from scratch.flags import product
from scratch.init import Rng, uniform_
from scratch.module import Array, Module, Parameter

__all__ = ["Linear"]


class Linear(Module, hands_on=True):
    r"""y = x Wᵀ + b, with x of shape (…, in_features), W of (out_features, in_features) and b of (out_features,).

    One entry is y_ni = Σ_j x_nj W_ij + b_i, so with δ = dL/dy the chain rule gives

        dL/dW_ij = Σ_n δ_ni x_nj        dW = δᵀ x      (summed over the batch: every sample used the same W)
        dL/db_i  = Σ_n δ_ni             db = 1ᵀ δ
        dL/dx_nj = Σ_i δ_ni W_ij        dx = δ W

    Weights and biases are drawn as `torch.nn.Linear` draws them, weights first: U(−1/√in_features, 1/√in_features).

    Raises ValueError for a wrong number of features, TypeError for an input that is not of the layer's dtype.
    Source: Goodfellow, Bengio, Courville, Deep Learning (2016), section 6.5.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        layer_checks.layer(self.name, {"in_features": in_features, "out_features": out_features, "bias": bias})
        checks.float_dtype(self.name, dtype)
        self.in_features, self.out_features = in_features, out_features
        # (out, in) as everywhere, but in memory by columns: x Wᵀ then reads W in the order in which it lies.
        self.weight = Parameter(np.empty((out_features, in_features), dtype, order="F"))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Rng = None) -> None:
        rng = checks.generator(self.name, rng)
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound, rng=rng)

    def forward(self, x: Array) -> Array:
        checks.float_array(self.name, "input", x, self.weight.data.dtype)
        checks.features(self.name, x.shape, self.in_features)
        y = product(x, self.weight.data.T)
        if self.bias is not None:
            y += self.bias.data
        return self._remember(y, x)

    def backward(self, grad_output: Array) -> Array:
        self.backward_parameters(grad_output)
        grad_input: Array = product(grad_output, self.weight.data)
        return grad_input

    def backward_parameters(self, grad_output: Array) -> None:
        (x,) = self._recall(grad_output)
        rows = math.prod(x.shape[:-1])  # one unbatched sample is a batch of one
        deltas = grad_output.reshape(rows, self.out_features)
        # δᵀx in the weight's memory order
        self.weight.accumulate(product(x.reshape(rows, self.in_features).T, deltas).T)
        if self.bias is not None:
            self.bias.accumulate(product(ones(rows, deltas.dtype), deltas))

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


@lru_cache(8)
def ones(rows: int, dtype: np.dtype[np.floating[Any]]) -> Array:
    """A 1 for every sample, kept for the next batch: to make it takes as long as to multiply by it."""
    made: Array = np.ones(rows, dtype)
    made.flags.writeable = False
    return made
