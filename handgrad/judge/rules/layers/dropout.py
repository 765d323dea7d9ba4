"""The references of dropout, for the mask that the layer itself drew. How often it drops is no matter of bounds."""

import math
from typing import Any, Self

import numpy as np

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Float64
from handgrad.judge.rules.rule import Gradients, Leaf, Mask, Parameters

__all__ = ["AlphaDropout", "Dropout"]

SATURATION = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
"""λα: SELU goes to −λα."""


class Dropout(Leaf):
    """a = z · m/(1 − p) in training, for the exact mask m of the layer's last forward call, which it keeps as `mask`.

    Else, and for p = 0, a = z. For p = 1 all is dropped, whatever the mask.
    """

    scale: Ball | None  # of the numbers that are kept; None where nothing is done

    def __init__(self, name: str, module: Any) -> None:
        super().__init__(name)
        self.module = module

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, module)

    def follow(self, module: Any) -> None:
        self.module = module

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        p = self.p = float(self.module.p)
        self.scale = None
        if not self.module.training or p == 0:
            return x
        mask = getattr(self.module, "mask", None)
        if mask is None:
            raise ValueError(f"{self.label()} in training does not say which mask it drew; judge it after eval()")
        self.on: Mask = structure.array(mask).astype(bool) & (p < 1)
        if self.on.shape != x.shape:
            raise ValueError(f"{self.label()} drew a mask of shape {self.on.shape} for an input of {x.shape}")
        self.read_scale(x)
        return self.image(x)

    def read_scale(self, x: Ball) -> None:
        """1/(1 − p): 1 − p rounds twice, the quotient once; z may be divided at once instead."""
        f, p = x.format, self.p
        self.scale = f.exact(1.0) / f.constant(1 - p, roundings=1) if p < 1 else f.exact(0.0)

    def image(self, x: Ball) -> Ball:
        return self.masked(x)

    def masked(self, x: Ball) -> Ball:
        """z · scale where the mask is on, else z · 0: exactly 0, or NaN where z is no finite number."""
        assert self.scale is not None
        kept = x * self.scale
        lost = np.isinf(x.rad)  # nothing is known of z, so nothing of z · 0
        return Ball(
            np.where(self.on, kept.mid, x.mid * 0), np.where(self.on, kept.rad, np.where(lost, np.inf, 0.0)), x.format
        )

    def backward(self, grad: Ball, gradients: Gradients) -> Ball:
        """The same factors; what is dropped has the gradient 0."""
        return grad if self.scale is None else self.masked(grad)


class AlphaDropout(Dropout):
    """a = s (z m + α′(1 − m)) + b with α′ = −λα, s = 1/√((1 − p)(1 + p α′²)), b = −s p α′. For p = 1, a = z · 0."""

    def read_scale(self, x: Ball) -> None:
        """Six roundings in Python's float64, at most two more for 1 − p near p = 1, and one to the format."""
        p = self.p
        self.value = 1 / math.sqrt((1 - p) * (1 + p * SATURATION**2)) if p < 1 else 0.0
        self.scale = x.format.constant(self.value, roundings=8)

    def image(self, x: Ball) -> Ball:
        """s, α′ and b are Python numbers, rounded to the format or not before they are multiplied and added."""
        assert self.scale is not None
        f = x.format
        b = f.constant(self.value * self.p * SATURATION, roundings=12)
        dropped = b - self.scale * f.constant(SATURATION, roundings=2)
        zeros: Float64 = np.zeros(x.shape)
        shift = Ball(zeros + np.where(self.on, b.mid, dropped.mid), np.where(self.on, b.rad, dropped.rad), f)
        return self.masked(x) + shift
