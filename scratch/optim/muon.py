"""Momentum, orthogonalised."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from scratch.flags import norm, product
from scratch.module import Array, Parameter
from scratch.optim.optimizer import Group, Optimizer, State


class Muon(Optimizer):
    r"""For matrices: the momentum buffer B with its singular values replaced by about 1, so that every direction moves.

        B ← μB + (1 − μ)g
        U = orthogonal(μB + (1 − μ)g)  with nesterov, else orthogonal(B)
        θ ← (1 − lr·λ)θ − lr·s·U       s = √max(1, rows/columns), or 0.2·√max(rows, columns) for "match_rms_adamw"

    Raises ValueError for parameters that are not matrices, for negative options, for an unknown adjust_lr_fn and for
    more than 99 ns_steps.
    Source: Jordan et al., Muon (2024); Moonshot AI, Muon is scalable for LLM training (2025), for "match_rms_adamw".
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        lr, momentum = group["lr"], group["momentum"]
        buffer = state.setdefault("momentum_buffer", np.zeros_like(parameter.data))
        buffer *= momentum
        buffer += (1 - momentum) * gradient
        ahead = momentum * buffer + (1 - momentum) * gradient if group["nesterov"] else buffer
        update = orthogonal(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = parameter.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        else:
            scale = math.sqrt(max(1, rows / columns))
        parameter.data *= 1 - lr * group["weight_decay"]
        parameter.data -= lr * scale * update.astype(parameter.data.dtype)


def orthogonal(
    matrix: Array, coefficients: tuple[float, float, float], steps: int, eps: float
) -> npt.NDArray[np.float32]:
    r"""About UVᵀ for a matrix USVᵀ, by Newton-Schulz iteration in bfloat16.

    X = matrix/‖matrix‖, then `steps` times X ← aX + (bA + cA²)X with A = XXᵀ. With X = USVᵀ, U(aS + bS³ + cS⁵)Vᵀ: the
    singular vectors stay, and the singular values, at most 1 at the start, are driven towards 1. The coefficients
    are chosen for speed, not for a fixed point: values end between 0.7 and 1.2. A wide matrix is the cheaper way round.
    Every result is rounded to bfloat16, as PyTorch does it: 8 bits are enough for a direction.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = bfloat16(matrix.T if tall else matrix)
    x = bfloat16(x / np.maximum(bfloat16(norm(x)), bfloat16(eps)))
    for _ in range(steps):
        gram = bfloat16(product(x, x.T))
        polynomial = bfloat16(b * gram + c * product(gram, gram))
        x = bfloat16(a * x + product(polynomial, x))
    return x.T if tall else x


def bfloat16(x: Any) -> npt.NDArray[np.float32]:
    """The nearest numbers with 8 significant bits, ties to even: the upper half of a float32."""
    single = np.asarray(x, np.float32)
    bits = single.view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(single), single, rounded.view(np.float32))
