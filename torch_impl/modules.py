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

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": partial(nn.Softmax, dim=-1),
    "log_softmax": partial(nn.LogSoftmax, dim=-1),
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
    """Draw every Linear layer's weights by NumPy, in the order and with the numbers of the hand-written side."""
    rng = np.random.default_rng(rng)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.in_features) if layer.in_features else 0.0
            for tensor in layer.parameters():
                values = rng.uniform(-bound, bound, tuple(tensor.shape))
                with torch.no_grad():
                    tensor.copy_(torch.from_numpy(values))
