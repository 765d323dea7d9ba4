"""A product of two inputs, each entry with a weight of its own."""

import math

import numpy as np
import numpy.typing as npt

from contract import checks, layer_checks
from scratch.flags import product
from scratch.init import Rng, uniform_
from scratch.layers.linear import ones
from scratch.module import Array, Module, Parameter

__all__ = ["Bilinear"]


class Bilinear(Module):
    r"""y_k = uᵀ W_k v + b_k, with u of (…, in1_features), v of (…, in2_features), W of (out, in1, in2), b of (out,).

    One entry is y_nk = Σ_ij u_ni W_kij v_nj + b_k: a Linear layer on all products P_nij = u_ni v_nj. With δ = dL/dy

        dL/dW_kij = Σ_n δ_nk P_nij          dL/db_k = Σ_n δ_nk
        dL/dP_nij = Σ_k δ_nk W_kij =: D_nij

    as there, and by the product rule, since u_ni is a factor of P_nij for every j, v_nj for every i,

        dL/du_ni = Σ_j D_nij v_nj           dL/dv_nj = Σ_i D_nij u_ni.

    `backward` returns both, in this order. No Sequential can hold this layer: it takes two inputs. Weights and biases
    are drawn as `torch.nn.Bilinear` draws them, weights first: U(−1/√in1_features, 1/√in1_features).

    Raises ValueError for a wrong number of features and for leading axes that differ, TypeError for an input that is
    not of the layer's dtype.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        sizes = {"in1_features": in1_features, "in2_features": in2_features, "out_features": out_features}
        layer_checks.layer(self.name, {**sizes, "bias": bias})
        checks.float_dtype(self.name, dtype)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype))
        self.bias = Parameter(np.empty(out_features, dtype)) if bias else None
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Rng = None) -> None:
        rng = checks.generator(self.name, rng)
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound, rng=rng)

    def forward(self, input1: Array, input2: Array) -> Array:  # type: ignore[override]  # two inputs
        for name, given in (("input1", input1), ("input2", input2)):
            checks.float_array(self.name, name, given, self.weight.data.dtype)
        layer_checks.two_inputs(self.name, input1.shape, input2.shape, self.in1_features, self.in2_features)
        rows = math.prod(input1.shape[:-1])  # one unbatched sample is a batch of one
        u, v = input1.reshape(rows, self.in1_features), input2.reshape(rows, self.in2_features)
        products = (u[:, :, np.newaxis] * v[:, np.newaxis, :]).reshape(rows, self.in1_features * self.in2_features)
        y = product(products, self.weight.data.reshape(self.out_features, products.shape[1]).T)
        if self.bias is not None:
            y += self.bias.data
        return self._remember(y.reshape(*input1.shape[:-1], self.out_features), u, v, products, input1.shape[:-1])

    __call__ = forward  # type: ignore[assignment]  # two inputs

    def backward(self, grad_output: Array) -> tuple[Array, Array]:  # type: ignore[override]  # two inputs
        u, v, products, lead = self._recall(grad_output)
        deltas = grad_output.reshape(len(u), self.out_features)
        self.weight.accumulate(product(deltas.T, products).reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.accumulate(product(ones(len(u), deltas.dtype), deltas))
        flat = self.weight.data.reshape(self.out_features, products.shape[1])
        d = product(deltas, flat).reshape(len(u), self.in1_features, self.in2_features)
        du, dv = product(d, v[:, :, np.newaxis])[:, :, 0], product(u[:, np.newaxis, :], d)[:, 0, :]
        return du.reshape(*lead, self.in1_features), dv.reshape(*lead, self.in2_features)

    def extra_repr(self) -> str:
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"
