"""The few `nn.Module`s that torch lacks, and the drawing of initial weights by NumPy."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from torch_impl import checks

Rng = np.random.Generator | int | None


class RReLU(nn.Module):
    """`torch.nn.RReLU` whose slopes NumPy draws, one per number and forward call, as the hand-written side does.

    Torch's generator cannot be asked for the same numbers. They stay in `slopes`. After `eval()` it is torch's own.
    """

    slopes: torch.Tensor | None = None

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper
        self.rng = np.random.default_rng()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return nn.functional.rrelu(x, self.lower, self.upper)
        slopes = torch.from_numpy(np.asarray(self.rng.uniform(self.lower, self.upper, tuple(x.shape)))).to(x)
        self.slopes = slopes
        return torch.where(x <= 0, slopes * x, x)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "rrelu": RReLU,
    "hardtanh": nn.Hardtanh,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "logsigmoid": nn.LogSigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "softsign": nn.Softsign,
    "tanhshrink": nn.Tanhshrink,
    "hardshrink": nn.Hardshrink,
    "softshrink": nn.Softshrink,
    "softmax": partial(nn.Softmax, dim=-1),
    "log_softmax": partial(nn.LogSoftmax, dim=-1),
    "softmin": partial(nn.Softmin, dim=-1),
}
"""What `MLP` accepts as `activation` and `output_activation`."""


class Parallel(nn.Module):
    """Modules side by side, outputs summed, as in relu(x) + tanh(x). Children are named "0", "1", …"""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        checks.distinct("Parallel", branches, "branch")
        for i, branch in enumerate(branches):
            self.add_module(str(i), branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: list[torch.Tensor] = [branch(x) for branch in self.children()]
        checks.same_branches("Parallel", [tuple(output.shape) for output in outputs])
        total = outputs[0]
        for output in outputs[1:]:
            total = total + output
        return total


class HalfSquaredError(nn.Module):
    """The textbook's ½‖x − t‖², one value per sample: squares are summed over the last axis. Torch has no such loss."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        values = (input - target).square().sum(-1) / 2
        if self.reduction == "none":
            return values
        return values.mean() if self.reduction == "mean" else values.sum()


class MLP(nn.Module):
    """Linear layers with an activation between each two: the ordinary PyTorch model."""

    layers: nn.Sequential

    def __init__(self, sizes: Sequence[int], activation: str, output_activation: str | None, bias: bool) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for in_features, out_features in pairwise(sizes):
            modules += [nn.Linear(in_features, out_features, bias), ACTIVATIONS[activation]()]
        modules.pop()  # no activation after the last layer, unless one is asked for
        if output_activation is not None:
            modules.append(ACTIVATIONS[output_activation]())
        self.layers = nn.Sequential(*modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.layers(x)
        return output


def draw(module: nn.Module, rng: Rng) -> None:
    """Draw every Linear layer's weights by NumPy, in the order and with the numbers of the hand-written side.

    RReLU draws from the same generator when it is called.
    """
    rng = np.random.default_rng(rng)
    for layer in module.modules():
        if isinstance(layer, RReLU):
            layer.rng = rng
        if isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.in_features) if layer.in_features else 0.0
            for tensor in layer.parameters():
                values = rng.uniform(-bound, bound, tuple(tensor.shape))
                with torch.no_grad():
                    tensor.copy_(torch.from_numpy(values))
