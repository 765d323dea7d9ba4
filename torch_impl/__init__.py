"""The PyTorch side: torch.nn and torch.optim themselves, put behind the contract.

NumPy at the boundary, autograd inside. `MLP`, `Trainer` and `Parameter` are spelled as in `scratch`. Every other op,
loss, optimizer and schedule of torch is made on demand by its own name, as a `Model` around `torch.nn.ReLU()`, a `Loss`
around `torch.nn.MSELoss()`, an `Optimizer` around `torch.optim.SGD(...)`:

    torch_impl.Linear(2, 3, rng=0)    torch_impl.CrossEntropyLoss(label_smoothing=0.1)    torch_impl.SGD(params, lr=0.1)

Layers and losses take `device` and, besides torch's arguments, `dtype` (layers) and `rng` (a seed for NumPy's draw of
the initial weights). To put a module of your own behind the contract: `Model(module)`.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from torch_impl import checks, layer_checks, modules, schedulers
from torch_impl import loss as losses
from torch_impl import optimizer as optimizers
from torch_impl.clip import clip_grad_norm_, clip_grad_value_
from torch_impl.loss import Loss, PairLoss
from torch_impl.mlp import MLP
from torch_impl.model import Model, PairModel, on
from torch_impl.modules import ACTIVATIONS, Rng
from torch_impl.optimizer import Optimizer
from torch_impl.parameter import Device, Parameter, torch_dtype
from torch_impl.second_order import hessian_vector_product
from torch_impl.trainer import Trainer

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Loss",
    "Model",
    "Optimizer",
    "PairLoss",
    "PairModel",
    "Parameter",
    "Trainer",
    "clip_grad_norm_",
    "clip_grad_value_",
    "hessian_vector_product",
]


CHECKED_LAYERS = (
    *(nn.BatchNorm1d, nn.Bilinear, nn.Embedding, nn.Flatten, nn.GroupNorm, nn.LayerNorm, nn.Linear, nn.RMSNorm),
    *(modules.AlphaDropout, modules.Dropout),
)


def __getattr__(name: str) -> Callable[..., Any]:
    """The constructor of torch's op, loss, optimizer or schedule `name`, behind the contract."""
    kind = modules.OWN.get(name) or getattr(nn, name, None) or getattr(torch.optim, name, None)
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer):
        return optimizers.constructor(kind)
    if schedulers.is_schedule(name):
        return schedulers.constructor(name)
    if kind in losses.LOSS_CHECKS:
        return _loss(kind)
    if isinstance(kind, type) and issubclass(kind, nn.Module) and not issubclass(kind, nn.modules.loss._Loss):
        return _layer(kind)
    raise AttributeError(f"module 'torch_impl' has no attribute {name!r}")


ABSENT = {"inplace", "min_value", "max_value", "max_norm", "norm_type", "_weight", "_freeze"}
"""Options of torch's that the hand-written side does not have: the caller's arrays stay as they are, and deprecated
names stay away. At its default one does nothing."""


def _check_options(kind: type[nn.Module], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Refuse at once, in the words of the hand-written side, what torch refuses when it is called, or not at all."""
    signature = inspect.signature(kind)
    given = signature.bind(*args, **options)
    for name in sorted(ABSENT.intersection(given.arguments)):
        if (value := given.arguments[name]) != signature.parameters[name].default:
            raise TypeError(f"{kind.__name__}: {name} is not supported; got {name}={value!r}")
    given.apply_defaults()
    if kind in CHECKED_LAYERS:
        layer_checks.layer(kind.__name__, given.arguments)
        return
    chosen = {name: value for name, value in given.arguments.items() if name in checks.ACTIVATION_OPTIONS}
    checks.activation(kind.__name__, chosen)


def _layer(kind: type[nn.Module]) -> Callable[..., Model]:
    def make(
        *args: Any, device: Device = "cpu", dtype: npt.DTypeLike = np.float32, rng: Rng = None, **options: Any
    ) -> Model:
        if args and all(isinstance(argument, Model) for argument in args):  # a container: its parts are made already
            return Model(kind(*(argument.module for argument in args)))
        if kind.__module__ == nn.ReLU.__module__ or kind is modules.RReLU or kind in CHECKED_LAYERS:
            _check_options(kind, args, options)
        with modules.zero_width():
            module = kind(*args, **options)
        module = module.to(torch_dtype(kind.__name__, dtype))
        if rng is not None:
            modules.draw(module, rng)
        return (PairModel if kind is nn.Bilinear else Model)(on(module, device))

    return make


def _loss(kind: type[nn.Module]) -> Callable[..., Loss | PairLoss]:
    def make(*args: Any, device: Device = "cpu", **options: Any) -> Loss | PairLoss:
        return losses.make(kind, args, device, options)

    return make
