"""The mean quartic error of source 001, a loss that PyTorch does not have: both sides, and a rule for the judge.

value = mean((y − t)⁴), dvalue/dy = 4 (y − t)³ / n. It weighs outliers even more than the mean squared error.
docs/own_loss.md explains how such a loss is made.
"""

from typing import Any

import numpy as np
import torch

import scratch
import torch_impl
from contract import Array, Loss, Target, loss_checks
from handgrad.judge.ball import Ball
from handgrad.judge.rules import losses

__all__ = ["MeanQuarticError", "TorchMeanQuarticError", "quartic"]


class MeanQuarticError(scratch.Loss):
    """value = (y − t)⁴, one per element and then their mean; ∂value/∂y = 4(y − t)³. Shapes are equal.

    Raises ValueError for another shape: source 001 broadcasts (200, 1) against (200,) and trains on 40,000 differences.
    """

    def forward(self, input: Array, target: Target) -> Any:
        loss_checks.elementwise_loss(self.name, input, target, self.reduction)
        difference = input - target
        squares = difference * difference
        return self._reduce(squares * squares, difference)

    def backward(self, grad_output: Any = None) -> Array:
        difference, u = self._recall(grad_output)
        return np.asarray(4 * u * (difference * difference * difference))


class TorchMeanQuarticError(torch.nn.Module):
    """The same with autograd's derivative, and the same refusal, in the words of the hand-written side."""

    target_like_input = False

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss_checks.same_shape("MeanQuarticError", tuple(input.shape), tuple(target.shape))
        return ((input - target) ** 4).mean()


class Rule(losses.Loss):
    """(y − t)⁴ and 4 (y − t)³ in balls, which carry the rounding errors of the products by themselves.

    With u_d for the error of the difference, the square of squares costs 4u_d + 3u; a library's power, right to one ulp
    (2u), costs less. The cube costs 3u_d + 2u in either form, and the factors 4, 1/n and g are counted by `scaled`.
    """

    def terms(self) -> Ball:
        square = self._difference() * self._difference()
        return square * square

    def derivative(self) -> Ball:
        difference = self._difference()
        return difference * difference * difference * difference.format.exact(np.asarray(4.0))

    def _difference(self) -> Ball:
        return self.z - self.t


losses.RULES["MeanQuarticError"] = losses.RULES["TorchMeanQuarticError"] = Rule


def quartic(side: str) -> Loss:
    """The loss of one side."""
    return MeanQuarticError() if side == "scratch" else torch_impl.Loss(TorchMeanQuarticError())
