"""The multilayer perceptron, behind the contract."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from contract import checks
from torch_impl import modules
from torch_impl.model import Model, on
from torch_impl.modules import ACTIVATIONS, Rng
from torch_impl.parameter import Device, torch_dtype


class MLP(Model):
    """The same network as the hand-written `MLP`, as an ordinary `nn.Module` in `.module`.

    Arguments as there, and `device`, where it lives, and `compile`: False, True or the name of a `torch.compile`
    backend. With the same `rng` seed both sides draw the same weights.

    Raises ValueError or TypeError for sizes, names, dtypes and devices that are not allowed.
    """

    module: modules.MLP

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        output_activation: str | None = None,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Rng = None,
        device: Device = "cpu",
        compile: bool | str = False,
    ) -> None:
        sizes = checks.layer_sizes("MLP", sizes)
        wanted = torch_dtype("MLP", dtype)
        checks.choice("MLP", "activation", activation, ACTIVATIONS)
        if output_activation is not None:
            checks.choice("MLP", "output_activation", output_activation, ACTIVATIONS)
        checks.truth("MLP", "bias", bias)
        with modules.zero_width():
            module = modules.MLP(sizes, activation, output_activation, bias).to(wanted)
        modules.draw(module, rng)
        super().__init__(on(module, device), compile)
