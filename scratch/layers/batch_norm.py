"""Batch normalization, with its running statistics."""

from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks, layer_checks
from scratch.layers.normalization import (
    Normalization,
    all_but_channels,
    channel_shape,
    standardized,
    standardized_backward,
)
from scratch.module import Array, Buffer

__all__ = ["BatchNorm1d"]


class BatchNorm1d(Normalization):
    r"""y = w (x − μ)/√(v + ε) + b for x of shape (N, C) or (N, C, L), with one mean and variance per channel C.

    In training they are those of the batch, over N (and L). With `track_running_stats` the layer keeps running ones,

        running ← (1 − f) running + f new,   f = momentum, or 1/(number of batches so far) if momentum is None,

    where the new variance is the unbiased one, n/(n − 1) v. After `eval()` the running ones are used, and being
    constants they send nothing back: dL/dx = g w/√(v + ε). Without them the batch's own are used in evaluation too.
    Derivatives: `standardized_backward` and `Normalization`.

    Raises ValueError for other axes or channels, and in training for a single number per channel, whose variance is
    nothing to divide by, and for ε ≤ 0, as in PyTorch. TypeError for another dtype. Refused input leaves the running
    statistics as they were.
    Source: S. Ioffe, C. Szegedy, Batch normalization, ICML 2015.
    """

    running_mean: Buffer | None = None
    running_var: Buffer | None = None
    num_batches_tracked: Buffer | None = None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        options = {"num_features": num_features, "eps": eps, "affine": affine, "bias": bias}
        layer_checks.layer(self.name, {**options, "momentum": momentum, "track_running_stats": track_running_stats})
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self.track_running_stats = track_running_stats
        self.make_parameters((num_features,), affine, affine and bias, dtype)
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features, dtype))
            self.running_var = Buffer(np.ones(num_features, dtype))
            self.num_batches_tracked = Buffer(np.array(0))

    def check(self, x: Array) -> None:
        given = self.weight or self.running_mean
        checks.float_array(self.name, "input", x, None if given is None else given.data.dtype)

    def _statistics(self) -> tuple[Buffer | None, ...]:
        return self.running_mean, self.running_var, self.num_batches_tracked

    def _kept(self) -> Any:
        return self._memory, [(buffer, buffer.data.copy()) for buffer in self._statistics() if buffer is not None]

    def _give_back(self, kept: Any) -> None:
        self._memory, buffers = kept
        for buffer, data in buffers:
            buffer.data[...] = data

    def forward(self, x: Array) -> Array:
        self.check(x)
        by_batch = self.training or self.running_mean is None
        layer_checks.batch_norm(self.name, x.shape, self.num_features, by_batch, self.eps)
        axes, shape = all_but_channels(x), channel_shape(x)
        if by_batch:
            x_hat, reciprocal, mu, v = standardized(x, axes, self.eps)
            if self.training:
                self.track(mu.reshape(-1), v.reshape(-1), x.size // max(self.num_features, 1))
        else:
            assert self.running_mean is not None
            assert self.running_var is not None
            reciprocal = 1 / np.sqrt(self.running_var.data + self.eps).reshape(shape)
            x_hat = (x - self.running_mean.data.reshape(shape)) * reciprocal
        return self._remember(self.scaled(x_hat, shape), x_hat, reciprocal, by_batch)

    def track(self, mu: Array, v: Array, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return  # all three are
        self.num_batches_tracked.data += 1
        if not count:
            return
        f = 1 / float(self.num_batches_tracked.data) if self.momentum is None else self.momentum
        for running, new in ((self.running_mean, mu), (self.running_var, v * (count / (count - 1)))):
            running.data *= 1 - f
            running.data += f * new

    def backward(self, grad_output: Array) -> Array:
        x_hat, reciprocal, by_batch = self._recall(grad_output)
        axes = all_but_channels(x_hat)
        g = self.scaled_backward(grad_output, x_hat, axes, channel_shape(x_hat))
        return standardized_backward(g, x_hat, reciprocal, axes) if by_batch else np.asarray(g * reciprocal)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )
