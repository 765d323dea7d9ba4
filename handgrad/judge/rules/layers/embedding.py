"""The reference of a table of vectors."""

from typing import Any, Self

import numpy as np

from handgrad.judge.ball import WIDEN, Ball, Float64, settle
from handgrad.judge.rules.rule import Gradients, Leaf, Parameters, given

__all__ = ["Embedding"]


class Embedding(Leaf):
    """a = W[x], exact; x are whole numbers, of any shape, W is (rows, width)."""

    def __init__(self, name: str, padding: int | None, mean: bool) -> None:
        super().__init__(name)
        self.padding, self.mean = padding, mean

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        if getattr(module, "max_norm", None) is not None:
            raise ValueError(f"{cls.__name__} at {name!r} has max_norm, which changes the table in a forward call")
        return cls(name, module.padding_idx, bool(module.scale_grad_by_freq))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.weight = x.format.exact(given(parameters, self.parameter("weight")))
        self.shape, self.index = x.shape, x.mid.astype(np.int64)
        if self.index.size and not 0 <= self.index.min() <= self.index.max() < len(self.weight.mid):
            raise ValueError(f"{self.label()} has {len(self.weight.mid)} rows; the input has others")
        return self.weight[self.index]

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """dW_k = Σ d_n over the n with x_n = k, in any order; the row of the padding index has none.

        γ_{t−1} Σ(|d| + r) for a row that is looked up t times. The mean divides the sum, or multiplies by 1/t the sum
        or its terms: two roundings more, and η for each product.

        x is no real number: its gradient is 0.
        """
        f, rows = grad.format, len(self.weight.mid)
        index, width = self.index.reshape(-1), self.weight.shape[1]
        times: Float64 = np.bincount(index, minlength=rows).astype(np.float64)[:, np.newaxis]

        def gather(values: Float64) -> Float64:
            total = np.zeros((rows, width))
            np.add.at(total, index, values.reshape(index.size, width))
            if self.padding is not None:
                total[self.padding] = 0
            return total

        mid, p, magnitude = gather(grad.mid), gather(grad.rad), gather(grad.reach)
        roundings = np.maximum(times - 1, 0) + 2 * self.mean
        divisor = np.maximum(times, 1) if self.mean else np.ones((rows, 1))
        gamma = roundings * f.u / (1 - roundings * f.u)
        underflow = times * f.eta * self.mean * (magnitude > 0)
        rad = (p * WIDEN + gamma * magnitude) / divisor + underflow
        gradients[self.parameter("weight")] = settle(f, mid / divisor, rad, magnitude + rad, gather(np.abs(grad.mid)))
        zeros: Float64 = np.zeros(self.shape)
        return Ball(zeros, zeros, f)
