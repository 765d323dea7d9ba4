"""Hv, the Hessian of a network's loss times a vector, by double backward: autograd differentiates its own gradient."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch

from contract import checks
from torch_impl.loss import Loss
from torch_impl.model import Model, explain
from torch_impl.parameter import Array, numpy_dtype, to_numpy, to_tensor

NAME = "hessian_vector_product"


def hessian_vector_product(
    model: Model, loss: Loss, x: Array, y: npt.NDArray[Any], vector: Mapping[str, Array]
) -> dict[str, Array]:
    """Hv of L(w) = loss(model(x), y) with respect to the model's parameters w, by their names: Hv = ∇(vᵀ∇L), v fixed.

    Arguments and refusals are those of the hand-written side, but any `nn.Module` and any loss of torch will do.
    Frozen parameters count like the others. A compiled model is run uncompiled: `torch.compile` has no second backward.
    """
    checks.belongs(NAME, "model", model, Model, "a module")
    checks.belongs(NAME, "loss", loss, Loss, "a loss")
    checks.choice(NAME, "loss.reduction", loss.reduction, ("mean", "sum"))
    # The values in new leaves: neither `.grad` nor `requires_grad` of the model's own is touched.
    own = {name: w.detach().requires_grad_() for name, w in model.module.named_parameters()}
    checks.vector(NAME, {name: (tuple(w.shape), numpy_dtype(w)) for name, w in own.items()}, vector)
    checks.float_array(model.first, "input", x, model.dtype)
    input = to_tensor(x, model.device)
    buffers = {name: buffer.clone() for name, buffer in model.module.named_buffers()}  # running statistics stay
    twin = copy.deepcopy(model.module)  # what a layer draws, and the mask that it keeps, stay the model's
    try:
        output = torch.func.functional_call(twin, own | buffers, (input,))
    except (RuntimeError, IndexError) as error:
        explain(model.module, input)
        raise error
    loss.check(to_numpy(output), y)
    value = loss.run(output.contiguous(), to_tensor(y, loss.device))
    products = product(value, list(own.values()), [to_tensor(vector[name], model.device) for name in own])
    return {name: to_numpy(array) for name, array in zip(own, products, strict=True)}


def product(
    value: torch.Tensor, parameters: list[torch.Tensor], vector: list[torch.Tensor]
) -> tuple[torch.Tensor, ...] | list[torch.Tensor]:
    """∇(vᵀ∇L). Where ∇L does not depend on the parameters, as for one linear layer under L1, it is 0."""
    if not parameters:
        return []
    kept: dict[str, Any] = {"allow_unused": True, "materialize_grads": True}
    gradient = torch.autograd.grad(value, parameters, create_graph=True, **kept)
    moving = [(g, v) for g, v in zip(gradient, vector, strict=True) if g.requires_grad]
    if not moving:
        return [torch.zeros_like(w) for w in parameters]
    return torch.autograd.grad([g for g, _ in moving], parameters, [v for _, v in moving], **kept)
