"""Normalization: numbers are shifted and scaled so that groups of them have mean 0 and variance 1 (or mean square 1).

The layers differ in the groups. LayerNorm: the last axes of one sample. RMSNorm: the same, without the shift.
GroupNorm: some channels of one sample. BatchNorm1d, in batch_norm.py: all samples of one channel. What they share
stands first.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks, layer_checks
from scratch.module import Array, Module, Parameter

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm"]

Axes = tuple[int, ...]
Shape = tuple[int, ...] | None


def standardized(x: Array, axes: Axes, eps: float) -> tuple[Array, Array, Array, Array]:
    """x̂ = (x − μ)/σ with σ² = v + ε, and 1/σ, μ, v: mean and variance over `axes`, which stay with one entry each.

    The mean is subtracted before squaring: E[x²] − μ² would cancel where μ² is large against v.
    """
    mu = mean(x, axes)
    d = x - mu
    v = mean(d * d, axes)
    reciprocal = 1 / np.sqrt(v + eps)
    return d * reciprocal, reciprocal, mu, v


def standardized_backward(g: Array, x_hat: Array, reciprocal: Array, axes: Axes) -> Array:
    r"""dL/dx from g = dL/dx̂. Every number of a group of n moves its mean and its σ, and through them all the others:

        ∂μ/∂x_j = 1/n,   ∂σ/∂x_j = (x_j − μ)/(nσ) = x̂_j/n,   ∂x̂_i/∂x_j = ([i = j] − 1/n − x̂_i x̂_j/n)/σ
        dL/dx_j = Σ_i g_i ∂x̂_i/∂x_j = (g_j − mean(g) − x̂_j mean(g x̂))/σ

    g loses its part along 1 and its part along x̂: shifting or stretching the group changes no x̂.
    """
    return reciprocal * (g - mean(g, axes) - x_hat * mean(g * x_hat, axes))


def mean(x: Array, axes: Axes) -> Array:
    """The mean over `axes`, which stay; of nothing 0."""
    sums = x.sum(axes, keepdims=True)
    count = max(x.size // max(sums.size, 1), 1)
    return np.asarray(sums / x.dtype.type(count))


class Normalization(Module):
    """y = w x̂ + b, w and b learned: dL/dw = Σ g x̂, dL/db = Σ g over all places that share them, dL/dx̂ = g w."""

    weight: Parameter | None
    bias: Parameter | None

    def make_parameters(self, shape: tuple[int, ...], weight: bool, bias: bool, dtype: npt.DTypeLike) -> None:
        """w starts as ones and b as zeros; None where there is none."""
        checks.float_dtype(self.name, dtype)
        self.weight = Parameter(np.ones(shape, dtype)) if weight else None
        self.bias = Parameter(np.zeros(shape, dtype)) if bias else None

    def check(self, x: Array) -> None:
        checks.float_array(self.name, "input", x, None if self.weight is None else self.weight.data.dtype)

    def scaled(self, x_hat: Array, shape: Shape = None) -> Array:
        """w x̂ + b, both in `shape`, which meets x̂'s; None where they meet it as they are."""
        if self.weight is not None:
            x_hat = x_hat * shaped(self.weight.data, shape)
        return x_hat if self.bias is None else x_hat + shaped(self.bias.data, shape)

    def scaled_backward(self, g: Array, x_hat: Array, axes: Axes, shape: Shape = None) -> Array:
        """Add dL/dw and dL/db, sums over `axes`; return dL/dx̂."""
        if self.bias is not None:
            self.bias.accumulate(np.asarray(g.sum(axes)))
        if self.weight is None:
            return g
        self.weight.accumulate(np.asarray((g * x_hat).sum(axes)))
        return g * shaped(self.weight.data, shape)


class LayerNorm(Normalization):
    """y = w (x − μ)/√(v + ε) + b, with mean μ and variance v over the last axes, those of `normalized_shape`.

    Every sample is normalized by itself, in training and evaluation alike; w and b have `normalized_shape`.
    Derivatives: `standardized_backward` and `Normalization`.

    Raises ValueError for an input whose last axes are not `normalized_shape`, TypeError for another dtype.
    Source: J. L. Ba, J. R. Kiros, G. E. Hinton, Layer normalization (2016).
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        options = {"normalized_shape": normalized_shape, "eps": eps, "elementwise_affine": elementwise_affine}
        layer_checks.layer(self.name, {**options, "bias": bias})
        self.normalized_shape = layer_checks.as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.make_parameters(self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype)

    def forward(self, x: Array) -> Array:
        self.check(x)
        layer_checks.last_axes(self.name, x.shape, self.normalized_shape)
        axes = self._axes()
        x_hat, reciprocal, _, _ = standardized(x, axes, self.eps)
        return self._remember(self.scaled(x_hat), x_hat, reciprocal, axes)

    def backward(self, grad_output: Array) -> Array:
        x_hat, reciprocal, axes = self._recall(grad_output)
        leading = tuple(range(x_hat.ndim - len(axes)))
        g = self.scaled_backward(grad_output, x_hat, leading)
        return standardized_backward(g, x_hat, reciprocal, axes)

    def _axes(self) -> Axes:
        return tuple(range(-len(self.normalized_shape), 0))

    def extra_repr(self) -> str:
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(Normalization):
    r"""y = w x/r with r = √(mean(x²) + ε) over the last axes, those of `normalized_shape`. `eps` None is the dtype's.

    As for σ above, with the mean left out: ∂r/∂x_j = x_j/(nr) = x̂_j/n for x̂ = x/r, so

        dL/dx_j = (g_j − x̂_j mean(g x̂))/r,   g = dL/dx̂ = w dL/dy.

    Raises ValueError for an input whose last axes are not `normalized_shape`, TypeError for another dtype.
    Source: B. Zhang, R. Sennrich, Root mean square layer normalization (2019).
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        options = {"normalized_shape": normalized_shape, "elementwise_affine": elementwise_affine}
        layer_checks.layer(self.name, {**options, "eps": eps})
        self.normalized_shape = layer_checks.as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.make_parameters(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, x: Array) -> Array:
        self.check(x)
        layer_checks.last_axes(self.name, x.shape, self.normalized_shape)
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        axes = self._axes()
        reciprocal = 1 / np.sqrt(mean(x * x, axes) + eps)
        x_hat = x * reciprocal
        return self._remember(self.scaled(x_hat), x_hat, reciprocal, axes)

    def backward(self, grad_output: Array) -> Array:
        x_hat, reciprocal, axes = self._recall(grad_output)
        leading = tuple(range(x_hat.ndim - len(axes)))
        g = self.scaled_backward(grad_output, x_hat, leading)
        return np.asarray(reciprocal * (g - x_hat * mean(g * x_hat, axes)))

    def _axes(self) -> Axes:
        return tuple(range(-len(self.normalized_shape), 0))

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Normalization):
    """y = w (x − μ)/√(v + ε) + b for x of shape (N, C, …): mean and variance over C/num_groups channels of one sample.

    w and b have one entry per channel. One group is LayerNorm over a sample, C groups normalize every channel alone.
    Derivatives: `standardized_backward` and `Normalization`.

    Raises ValueError where the channels cannot be divided into the groups, for an input with another number of
    channels, and for one that has a single number to normalize. TypeError for another dtype.
    Source: Y. Wu, K. He, Group normalization, ECCV 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        options = {"num_groups": num_groups, "num_channels": num_channels, "eps": eps, "affine": affine}
        layer_checks.layer(self.name, {**options, "bias": bias})
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.make_parameters((num_channels,), affine, affine and bias, dtype)

    def forward(self, x: Array) -> Array:
        self.check(x)
        layer_checks.group_norm(self.name, x.shape, self.num_groups, self.num_channels)
        x_hat, reciprocal, _, _ = standardized(grouped(x, self.num_groups), (2,), self.eps)
        x_hat = x_hat.reshape(x.shape)
        return self._remember(self.scaled(x_hat, channel_shape(x)), x_hat, reciprocal, self.num_groups)

    def backward(self, grad_output: Array) -> Array:
        x_hat, reciprocal, groups = self._recall(grad_output)
        g = self.scaled_backward(grad_output, x_hat, all_but_channels(x_hat), channel_shape(x_hat))
        gradient = standardized_backward(grouped(g, groups), grouped(x_hat, groups), reciprocal, (2,))
        return gradient.reshape(x_hat.shape)

    def extra_repr(self) -> str:
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"


def grouped(x: Array, groups: int) -> Array:
    """(N, groups, numbers of a group)."""
    return x.reshape(len(x), groups, math.prod(x.shape[1:]) // groups)


def shaped(a: Array, shape: Shape) -> Array:
    return a if shape is None else a.reshape(shape)


def channel_shape(x: Array) -> tuple[int, ...]:
    """(C, 1, …): one number per channel, ready to meet x of shape (N, C, …)."""
    return (x.shape[1], *[1] * (x.ndim - 2))


def all_but_channels(x: Any) -> Axes:
    return tuple(axis for axis in range(x.ndim) if axis != 1)
