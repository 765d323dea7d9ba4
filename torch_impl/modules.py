"""The few `nn.Module`s that torch lacks, and the drawing of initial weights by NumPy."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from contract import checks, layer_checks, names
from torch_impl.parameter import numpy_dtype

Rng = np.random.Generator | int | None


@contextmanager
def zero_width() -> Iterator[None]:
    """While inside, torch does not warn that a layer of width 0 has nothing to initialize."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        yield


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


class Dropout(nn.Module):
    """`torch.nn.Dropout` whose mask NumPy draws, as the hand-written side does. It stays in `mask`.

    In evaluation, and with p = 0, x passes.
    """

    mask: torch.Tensor | None = None

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self.rng = np.random.default_rng()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.from_numpy(np.asarray(self.rng.random(tuple(x.shape)) >= self.p)).to(x.device)
        self.mask = kept
        return self.apply_mask(x, kept.to(x.dtype))

    def apply_mask(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """As in torch's own, the mask multiplies."""
        return x * (noise / (1 - self.p) if self.p < 1 else noise)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class AlphaDropout(Dropout):
    """`torch.nn.AlphaDropout` whose mask NumPy draws: dropped numbers become −λα of SELU, then all are a y + b."""

    def apply_mask(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """a = 1/√((1 + pα²)(1 − p)), written as torch's own is."""
        if self.p == 1:
            return x * noise
        alpha = 1.7580993408473766
        a = 1 / math.sqrt((alpha * alpha * self.p + 1) * (1 - self.p))
        shift = (noise - 1) * (alpha * a) + alpha * a * self.p
        return x * (noise * a) + shift


class SwiGLU(nn.Module):
    """The first half of the input along `dim` is a gate of the second: silu(a) b."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        checks.halves("SwiGLU", tuple(x.shape), self.dim)
        a, b = x.chunk(2, self.dim)
        return nn.functional.silu(a) * b

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


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


class Residual(nn.Sequential):
    """Modules in a row and a way around them, x + f(x). Children are named "0", "1", …"""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        checks.distinct("Residual", modules, "module")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch does not annotate it
        kinds = (numpy_dtype(x), tuple(y.shape), numpy_dtype(y))
        layer_checks.residual("Residual", tuple(x.shape), *kinds)
        return x + y


class Loss(nn.Module):
    """A loss that torch lacks: one value per element, or per sample of the last axis, and their mean or sum."""

    by_sample = False

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def values(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        values = self.values(input, target)
        if self.reduction == "none":
            return values
        return values.mean() if self.reduction == "mean" else values.sum()


class HalfSquaredError(Loss):
    """The textbook's ½‖x − t‖², one value per sample: squares are summed over the last axis."""

    by_sample = True

    def values(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (input - target).square().sum(-1) / 2


class LogCoshLoss(Loss):
    """log cosh (x − t), in the form that does not overflow."""

    def values(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        size = (input - target).abs()
        return size + torch.log1p(torch.exp(-2 * size)) - math.log(2)


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


OWN: dict[str, type[nn.Module]] = {
    name: kind
    for name, kind in tuple(globals().items())
    if isinstance(kind, type) and issubclass(kind, nn.Module) and kind not in (Loss, MLP)
}
"""The classes above: what torch lacks, or cannot be given NumPy's random numbers, by name."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    name: partial({**vars(nn), **OWN}[kind], **options) for name, (kind, options) in names.ACTIVATIONS.items()
}
"""What `MLP` accepts as `activation` and `output_activation`, by the names that both sides know."""


DRAWING = (RReLU, Dropout)
"""What draws numbers in a forward call."""
Kept = tuple[list[tuple[torch.Tensor, torch.Tensor]], list[tuple["Dropout | RReLU", dict[str, Any], Any]]]


def kept(module: nn.Module) -> Kept:
    """What a forward call changes in a module: buffers, and of what draws numbers the generator and what it drew."""
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    return buffers, remembered([layer for layer in module.modules() if isinstance(layer, DRAWING)])


def remembered(drawing: "list[Dropout | RReLU]") -> "list[tuple[Dropout | RReLU, dict[str, Any], Any]]":
    """Of layers that draw numbers: the layer, its attributes and its generator's state."""
    return [(layer, dict(vars(layer)), layer.rng.bit_generator.state) for layer in drawing]


def give_back(kept: Kept) -> None:
    """Be as if there had been no forward call since `kept`: a module may have run before another refuses its input."""
    buffers, drawing = kept
    for buffer, data in buffers:
        buffer.data.copy_(data)  # not seen by autograd, which may still go through an earlier call
    for layer, attributes, state in drawing:
        vars(layer).clear()
        vars(layer).update(attributes)
        layer.rng.bit_generator.state = state


def draw(module: nn.Module, rng: Rng) -> None:
    """Draw every layer's weights by NumPy, in the order and with the numbers of the hand-written side.

    RReLU and dropout draw from the same generator when they are called.
    """
    rng = checks.generator(type(module).__name__, rng)
    for layer in module.modules():
        if isinstance(layer, RReLU | Dropout):
            layer.rng = rng
        if isinstance(layer, nn.Linear | nn.Bilinear):
            features = layer.in_features if isinstance(layer, nn.Linear) else layer.in1_features
            bound = 1 / math.sqrt(features) if features else 0.0
            for tensor in layer.parameters():
                _fill(tensor, rng.uniform(-bound, bound, tuple(tensor.shape)))
        if isinstance(layer, nn.Embedding):
            values = rng.normal(size=tuple(layer.weight.shape))
            if layer.padding_idx is not None:
                values[layer.padding_idx] = 0
            _fill(layer.weight, values)


def _fill(tensor: torch.Tensor, values: npt.NDArray[np.float64]) -> None:
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(values))
