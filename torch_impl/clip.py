"""torch.nn.utils' gradient clipping on `Parameter`s."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from contract import checks, optimizer_checks
from torch_impl.parameter import Parameter, to_numpy


def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Any:
    """Scale all gradients by min(1, max_norm/(norm + 1e-6)) and return the norm, `torch.nn.utils.clip_grad_norm_`."""
    checks.truth("clip_grad_norm_", "error_if_nonfinite", error_if_nonfinite)
    order = optimizer_checks.norm_type("clip_grad_norm_", norm_type)
    optimizer_checks.not_negative("clip_grad_norm_", "max_norm", max_norm)
    tensors = _tensors("clip_grad_norm_", parameters)
    shapes = [tuple(tensor.shape) for tensor in tensors if tensor.grad is not None]
    optimizer_checks.norm_exists("clip_grad_norm_", order, shapes)
    if error_if_nonfinite:
        total = nn.utils.get_total_norm([tensor.grad for tensor in tensors if tensor.grad is not None], order)
        optimizer_checks.finite_norm("clip_grad_norm_", total.item(), order)
    number: Any = to_numpy(nn.utils.clip_grad_norm_(tensors, checks.plain(max_norm), order))[()]
    return number


def clip_grad_value_(parameters: Parameter | Iterable[Parameter], clip_value: float) -> None:
    """Move every entry of every gradient into [−clip_value, clip_value], `torch.nn.utils.clip_grad_value_`."""
    optimizer_checks.not_negative("clip_grad_value_", "clip_value", clip_value)
    tensors = _tensors("clip_grad_value_", parameters)
    if any(tensor.grad is not None for tensor in tensors):  # torch refuses to clip nothing
        nn.utils.clip_grad_value_(tensors, checks.plain(clip_value))


def _tensors(owner: str, parameters: Parameter | Iterable[Parameter]) -> list[nn.Parameter]:
    listed = optimizer_checks.members(owner, parameters, Parameter)
    optimizer_checks.by_rows(owner, [parameter.rows is not None for parameter in listed])
    return [parameter.tensor for parameter in listed]
