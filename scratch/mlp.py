"""The multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from contract import checks
from scratch.activations import ACTIVATIONS, named
from scratch.containers import Sequential
from scratch.init import Rng
from scratch.layers import Linear
from scratch.module import Array, Module

__all__ = ["MLP"]


class MLP(Module, hands_on=True):
    """Linear layers with an activation between each two: sizes (64, 32, 10) give 64 → 32 → activation → 10.

    `activation` and `output_activation` are names in `scratch.ACTIVATIONS`; without `output_activation` the last
    layer's values come out as they are, which is what the losses "with logits" want. Input (batch, sizes[0]) or
    (sizes[0],), output with sizes[-1] in the last axis. One `rng` draws all layers in order: a seed fixes every weight.

    Raises ValueError or TypeError for sizes, names and dtypes that are not allowed.
    """

    layers: Sequential

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        output_activation: str | None = None,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        sizes = checks.layer_sizes(self.name, sizes)
        checks.float_dtype(self.name, dtype)
        checks.choice(self.name, "activation", activation, ACTIVATIONS)
        if output_activation is not None:
            checks.choice(self.name, "output_activation", output_activation, ACTIVATIONS)
        checks.truth(self.name, "bias", bias)
        rng = checks.generator(self.name, rng)
        modules: list[Module] = []
        for in_features, out_features in pairwise(sizes):
            modules += [Linear(in_features, out_features, bias, dtype, rng), named(activation, dtype, rng)]
        modules.pop()  # no activation after the last layer, unless one is asked for
        if output_activation is not None:
            modules.append(named(output_activation, dtype, rng))
        self.layers = Sequential(*modules)

    def forward(self, x: Array) -> Array:
        return self._remember(self.layers.forward(x))

    def backward(self, grad_output: Array) -> Array:
        self._recall(grad_output)
        return self.layers.backward(grad_output)

    def backward_parameters(self, grad_output: Array) -> None:
        self._recall(grad_output)
        self.layers.backward_parameters(grad_output)
