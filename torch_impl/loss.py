"""The adapter that puts any torch loss behind the contract."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from torch_impl import checks
from torch_impl.parameter import Array, Device, numpy_dtype, to_numpy, to_tensor


def _numpy(a: Any) -> Any:
    return to_numpy(a) if isinstance(a, torch.Tensor) else a


def _elementwise(*weights: str) -> Callable[[Any, Any, Any], None]:
    def check(loss: Any, input: Any, target: Any) -> None:
        given = {name: _numpy(getattr(loss, name)) for name in weights}
        checks.elementwise_loss(type(loss).__name__, input, target, loss.reduction, **given)

    return check


def _bce(loss: Any, input: Any, target: Any) -> None:
    _elementwise("weight")(loss, input, target)
    checks.probabilities("BCELoss", input)


def _class(loss: Any, input: Any, target: Any, probability_targets: bool) -> None:
    checks.class_loss(
        type(loss).__name__,
        input,
        target,
        loss.reduction,
        _numpy(loss.weight),
        loss.ignore_index,
        probability_targets=probability_targets,
    )
    checks.label_smoothing(type(loss).__name__, getattr(loss, "label_smoothing", 0.0))


# What the hand-written side checks in a loss's forward, by the class of the loss.
LOSS_CHECKS: dict[type[nn.Module], Callable[[Any, Any, Any], None]] = {
    nn.MSELoss: _elementwise(),
    nn.L1Loss: _elementwise(),
    nn.BCELoss: _bce,
    nn.BCEWithLogitsLoss: _elementwise("weight", "pos_weight"),
    nn.CrossEntropyLoss: partial(_class, probability_targets=True),
    nn.NLLLoss: partial(_class, probability_targets=False),
}


class Loss:
    """A torch loss, reachable as `.module`, behind the contract. It computes on `device`.

    Arguments are checked in the words of the hand-written side, so that a shape torch would broadcast is refused here
    too.
    """

    module: nn.Module

    def __init__(self, module: nn.Module, device: Device = "cpu") -> None:
        self.module, self.device = module, torch.device(device)
        self._memory: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def name(self) -> str:
        return type(self.module).__name__

    def check(self, input: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Raise what the hand-written side would raise for these arguments."""
        if type(self.module) in LOSS_CHECKS:
            LOSS_CHECKS[type(self.module)](self.module, input, target)

    def forward(self, input: Array, target: npt.NDArray[Any]) -> Any:
        self.check(input, target)
        leaf = to_tensor(input, self.device).contiguous().requires_grad_()  # nll_loss2d refuses other strides
        value = self.run(leaf, to_tensor(target, self.device))
        self._memory = (leaf, value)
        return to_numpy(value)[()]

    def run(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss on tensors. A target without axes serves all outputs, and reaches torch in the input's shape."""
        if target.dim() == 0 and target.is_floating_point():
            target = target.expand_as(input)
        value: torch.Tensor = self.module(input, target)
        return value

    def backward(self, grad_output: Any = None) -> Array:
        checks.not_before_forward(self.name, self._memory)
        assert self._memory is not None
        leaf, value = self._memory
        checks.loss_grad_output(self.name, grad_output, tuple(value.shape), self.reduction)
        upstream = np.asarray(1 if grad_output is None else grad_output, numpy_dtype(value))
        (gradient,) = torch.autograd.grad(value, leaf, to_tensor(upstream, self.device), retain_graph=True)
        return to_numpy(gradient)

    def __call__(self, input: Array, target: npt.NDArray[Any]) -> Any:
        return self.forward(input, target)

    def __getattr__(self, name: str) -> Any:
        if name == "module":  # not yet set, while unpickling or copying
            raise AttributeError(name)
        return _numpy(getattr(self.module, name))

    def __repr__(self) -> str:
        return repr(self.module)
