"""A table of vectors, one for each of a number of things."""

from typing import Any

import numpy as np
import numpy.typing as npt

from contract import checks, layer_checks
from scratch.init import Rng, normal_
from scratch.module import Array, Module, Parameter, RowParameter

__all__ = ["Embedding"]


class Embedding(Module):
    r"""y = W[x]: x holds whole numbers, in any shape, and y has the row x_n of W, (num_embeddings, embedding_dim), for
    each, in the shape (…, embedding_dim).

    It is Linear without bias on one-hot rows, y_n = Σ_k 1[x_n = k] W_k, so with δ = dL/dy

        dL/dW_k = Σ_{n: x_n = k} δ_n        (a row looked up several times collects them all)

    With `scale_grad_by_freq` it is their mean, divided by how often k stands in x. The row `padding_idx` starts at 0
    and gets no gradient, so that training leaves it there. Nothing can be differentiated by x, a whole number: as its
    gradient `backward` returns zeros of x's shape and y's dtype.

    With `sparse` the table also knows which rows its gradient is of, and is for SparseAdam, which leaves the other rows
    alone. The gradient is the same full array; what PyTorch saves by another layout is memory.

    The table is drawn as `torch.nn.Embedding` draws it, N(0, 1). PyTorch's max_norm, which changes the table in a
    forward call, and norm_type do not exist here.

    Raises TypeError for an input that is not of integers, IndexError for one outside 0..num_embeddings-1; ValueError
    for `sparse` with `scale_grad_by_freq`, as PyTorch's backward does.
    Source: Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin, A neural probabilistic language model, JMLR 3 (2003).
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        dtype: npt.DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        sizes = {"num_embeddings": num_embeddings, "embedding_dim": embedding_dim, "padding_idx": padding_idx}
        layer_checks.layer(self.name, {**sizes, "scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse})
        checks.float_dtype(self.name, dtype)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.weight = (RowParameter if sparse else Parameter)(np.empty((num_embeddings, embedding_dim), dtype))
        self.reset_parameters(rng)

    def reset_parameters(self, rng: Rng = None) -> None:
        normal_(self.weight, rng=checks.generator(self.name, rng))
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, x: npt.NDArray[Any]) -> Array:
        layer_checks.indices(self.name, x, self.num_embeddings)
        return self._remember(self.weight.data[x], x, self.padding_idx, self.scale_grad_by_freq)

    def backward(self, grad_output: Array) -> Array:
        self.backward_parameters(grad_output)
        return np.zeros(grad_output.shape[:-1], grad_output.dtype)

    def backward_parameters(self, grad_output: Array) -> None:
        x, padding_idx, scale_grad_by_freq = self._recall(grad_output)
        rows = x.reshape(-1).astype(np.intp)
        gradient = np.zeros_like(self.weight.data)
        np.add.at(gradient, rows, grad_output.reshape(x.size, self.embedding_dim))
        if scale_grad_by_freq:
            times = np.bincount(rows, minlength=self.num_embeddings)
            gradient /= times.clip(1)[:, np.newaxis].astype(gradient.dtype)
        if padding_idx is not None:
            gradient[padding_idx] = 0
        if isinstance(self.weight, RowParameter):
            used = np.bincount(rows, minlength=self.num_embeddings) > 0
            if padding_idx is not None:
                used[padding_idx] = False
            self.weight.accumulate_rows(gradient, used)
        else:
            self.weight.accumulate(gradient)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        scale = ", scale_grad_by_freq=True" if self.scale_grad_by_freq else ""
        sparse = ", sparse=True" if self.sparse else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{scale}{sparse}"
