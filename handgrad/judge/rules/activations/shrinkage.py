"""The references of the shrinkages, which are made of straight pieces: see rectifiers.py."""

from typing import Any, Self

import numpy as np

from handgrad.judge.ball import Ball
from handgrad.judge.rules.rule import (
    Activation,
    Mask,
    Parameters,
    pick,
    rounded_to,
    touches,
    unclaimed,
    zero,
)

__all__ = ["Hardshrink", "Softshrink"]


class Hardshrink(Activation):
    """a = 0 where −λ <= z <= λ, else z: exact, with a jump at ±λ."""

    def __init__(self, name: str, lambd: float) -> None:
        super().__init__(name)
        self.lambd = lambd

    @classmethod
    def read(cls, module: Any, name: str) -> Self:
        return cls(name, float(module.lambd))

    def forward(self, x: Ball, parameters: Parameters) -> Ball:
        self.x, lambd = x, rounded_to(x, self.lambd)
        self.off: Mask = (x.mid >= -lambd) & (x.mid <= lambd)
        self.undecided = touches(x, lambd) | touches(x, -lambd)
        return self.image(lambd)

    def image(self, lambd: float) -> Ball:
        return pick(self.off, self.undecided, zero(self.x), self.x)

    def vjp(self, grad: Ball) -> Ball:
        """dz = 0 where −λ <= z <= λ, else d. At NaN PyTorch has d or 0, by the length of the array."""
        return unclaimed(pick(self.off, self.undecided, zero(grad), grad), np.isnan(self.x.mid))


class Softshrink(Hardshrink):
    """a = 0 where −λ <= z <= λ, else z moved towards 0 by λ: one rounding. The function moves by at most its input."""

    def image(self, lambd: float) -> Ball:
        x = self.x
        mid = np.where(self.off, 0.0, np.where(x.mid > 0, x.mid - lambd, x.mid + lambd))
        p = np.where(self.off & ~self.undecided, 0.0, x.rad)
        return Ball(mid, p + x.format.u * (np.abs(mid) + p), x.format)
