"""Keeping gradients small before a step."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from contract import checks, optimizer_checks
from scratch.flags import without_underflow
from scratch.module import Array, Parameter

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


@without_underflow
def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Any:
    r"""Scale all gradients by min(1, max_norm/(‖g‖ + 1e-6)) and return ‖g‖ as it was before.

    ‖g‖ is the `norm_type`-norm of the norms of all gradients, for p = 1, 2, … that of all their entries in a row; "inf"
    and "-inf" are the largest and the smallest absolute value, 0 counts gradients that are not 0. Parameters without a
    gradient are left out; the norm of none is 0. Because of the 1e-6, gradients shrink a little even where the norm is
    max_norm exactly. An infinite norm turns finite gradients into 0 and infinite ones into NaN, a NaN turns all into
    NaN, unless `error_if_nonfinite`. Scaled gradients are new arrays: whoever kept the old ones still holds them.

    Raises ValueError for a negative max_norm and a norm_type that is not a number, RuntimeError for a norm that is not
    finite with `error_if_nonfinite` or that does not exist ("inf" of an empty gradient).
    Source: Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks (2013), §3.2.
    """
    checks.truth("clip_grad_norm_", "error_if_nonfinite", error_if_nonfinite)
    order = optimizer_checks.norm_type("clip_grad_norm_", norm_type)
    optimizer_checks.not_negative("clip_grad_norm_", "max_norm", max_norm)
    max_norm = checks.plain(max_norm)
    held = _with_gradient("clip_grad_norm_", parameters)
    if not held:
        return np.float32(0)
    optimizer_checks.norm_exists("clip_grad_norm_", order, [gradient.shape for _, gradient in held])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # the norm may be infinite, and 0·∞ be NaN
        total = norm(np.array([norm(gradient, order) for _, gradient in held]), order)
        if error_if_nonfinite:
            optimizer_checks.finite_norm("clip_grad_norm_", float(total), order)
        factor = np.minimum(max_norm / (total + 1e-6), 1)
        for parameter, gradient in held:
            parameter.grad = gradient * gradient.dtype.type(factor)
    return total


@without_underflow
def clip_grad_value_(parameters: Parameter | Iterable[Parameter], clip_value: float) -> None:
    """Move every entry of every gradient into [−clip_value, clip_value]. NaN stays NaN.

    Parameters without a gradient are left out.
    Raises ValueError for a negative clip_value.
    """
    optimizer_checks.not_negative("clip_grad_value_", "clip_value", clip_value)
    clip_value = checks.plain(clip_value)
    for parameter, gradient in _with_gradient("clip_grad_value_", parameters):
        parameter.grad = np.clip(gradient, -clip_value, clip_value)


def norm(a: Array, order: float) -> Any:
    """(Σ|a|ᵖ)^{1/p} in a's dtype, and its limits: the largest (inf) and smallest (-inf) |a|, the count of a ≠ 0 (0).

    That of one number is |a|: its power could overflow on the way.
    """
    size = np.abs(a)
    if order == 0:
        return a.dtype.type(np.count_nonzero(a))
    if order == math.inf or size.size == 1:
        return size.max()
    if order == -math.inf:
        return size.min()
    if order == 2:
        return np.sqrt((a * a).sum())
    return (size**order).sum() ** (1 / order)


def _with_gradient(owner: str, parameters: Parameter | Iterable[Parameter]) -> list[tuple[Parameter, Array]]:
    listed = optimizer_checks.members(owner, parameters, Parameter)
    optimizer_checks.by_rows(owner, [parameter.rows is not None for parameter in listed])
    return [(parameter, parameter.grad) for parameter in listed if parameter.grad is not None]
