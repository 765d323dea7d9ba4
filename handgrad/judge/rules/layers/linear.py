"""The reference of the affine map."""

import math
from typing import Any, Self

from handgrad.judge.ball import Ball, matmul
from handgrad.judge.rules.rule import Gradients, Leaf, Parameters, given

__all__ = ["Linear"]


class Linear(Leaf):
    """z = x Wᵀ + b for x of shape (..., in_features), W (out_features, in_features), b (out_features,)."""

    def __init__(self, name: str, bias: bool) -> None:
        super().__init__(name)
        self.bias = bias
        self.rows: Ball | None = None  # the upstream gradient of the last backward call, one row per sample

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, bias=getattr(module, "bias", None) is not None)

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        f = x.format
        self.weight = f.exact(given(parameters, self.parameter("weight")))
        bias = f.exact(given(parameters, self.parameter("bias"))) if self.bias else None
        out, features = self.weight.shape
        if not x.shape or x.shape[-1] != features:
            raise ValueError(f"{self.label()} takes inputs of shape (..., {features}), not {x.shape}")
        self.lead = x.shape[:-1]
        self.x = x.reshape(math.prod(self.lead), features)
        return matmul(self.x, self.weight.transpose(), bias).reshape(*self.lead, out)

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """dW = dᵀx and db = Σ d sum over the batch, dx = dW over the outputs: the same bound as the forward's."""
        out, features = self.weight.shape
        d = grad.reshape(math.prod(self.lead), out)
        self.rows = d
        gradients[self.parameter("weight")] = matmul(d.transpose(), self.x)
        if self.bias:
            gradients[self.parameter("bias")] = d.sum(axis=0)
        return matmul(d, self.weight).reshape(*self.lead, features)
