"""The PyTorch side: torch.nn and torch.optim themselves, put behind the contract.

NumPy at the boundary, autograd inside. `MLP`, `Trainer` and `Parameter` are spelled as in `scratch`. Every other op,
loss, optimizer and schedule of torch is made on demand by its own name, as a `Model` around `torch.nn.ReLU()`, a `Loss`
around `torch.nn.MSELoss()`, an `Optimizer` around `torch.optim.SGD(...)`:

    torch_impl.Linear(2, 3, rng=0)    torch_impl.CrossEntropyLoss(label_smoothing=0.1)    torch_impl.SGD(params, lr=0.1)

Layers and losses take `device` and, besides torch's arguments, `dtype` (layers) and `rng` (a seed for NumPy's draw of
the initial weights). To put a module of your own behind the contract: `Model(module)`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from contract import checks, layer_checks
from torch_impl import loss as losses
from torch_impl import modules, schedulers, signatures
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


def _layer(kind: type[nn.Module]) -> Callable[..., Model]:
    """The constructor of an op. What the hand-written side has too takes what it takes there, and `device`."""
    name = kind.__name__
    if kind in signatures.CONTAINERS:

        def contain(*args: Any, **options: Any) -> Model:
            (parts,) = signatures.arguments(kind, args, options).values()
            checks.modules(name, parts, (Model, nn.Module))
            where = next((part.device for part in parts if isinstance(part, Model)), "cpu")
            return Model(kind(*(part.module if isinstance(part, Model) else part for part in parts)), device=where)

        return contain

    def make(
        *args: Any, device: Device = "cpu", dtype: npt.DTypeLike = np.float32, rng: Rng = None, **options: Any
    ) -> Model:
        options = {option: checks.plain(value) for option, value in options.items()}
        with modules.zero_width():
            module = kind(*checks.plain(args), **options)
        module = module.to(torch_dtype(name, dtype))
        if rng is not None:
            modules.draw(module, rng)
        return Model(on(module, device), device=device)

    def make_checked(*args: Any, device: Device = "cpu", **options: Any) -> Model:
        given = signatures.arguments(kind, args, options)
        own = {option: given.pop(option) for option in ("dtype", "rng") if option in given}
        if kind in CHECKED_LAYERS:
            layer_checks.layer(name, given)
        else:
            checks.activation(name, {key: value for key, value in given.items() if key in checks.ACTIVATION_OPTIONS})
        with modules.zero_width():
            module = kind(**{option: checks.plain(value) for option, value in given.items()})
        if "dtype" in own:
            module.to(torch_dtype(name, own["dtype"]))
        if own.get("rng") is not None:
            modules.draw(module, own["rng"])
        return (PairModel if kind is nn.Bilinear else Model)(on(module, device), device=device)

    activation = kind.__module__ in (nn.ReLU.__module__, modules.__name__)
    return make_checked if activation or kind in CHECKED_LAYERS else make


def _loss(kind: type[nn.Module]) -> Callable[..., Loss | PairLoss]:
    def make(*args: Any, device: Device = "cpu", **options: Any) -> Loss | PairLoss:
        return losses.make(kind, args, device, options)

    return make
