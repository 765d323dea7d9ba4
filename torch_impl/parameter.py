"""A PyTorch parameter seen as NumPy, and the two crossings of the boundary."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from contract import checks

Array = npt.NDArray[np.floating[Any]]
Device = str | torch.device


def torch_dtype(owner: str, dtype: npt.DTypeLike) -> torch.dtype:
    """np.float32 or "float32" → torch.float32. TypeError for anything but float32 and float64."""
    checks.float_dtype(owner, dtype)
    return torch.float32 if np.dtype(dtype) == np.float32 else torch.float64


def numpy_dtype(a: torch.Tensor) -> np.dtype[Any]:
    """torch.float32 → float32, NumPy's own."""
    return np.dtype(str(a.dtype).removeprefix("torch."))


def to_tensor(x: npt.NDArray[Any], device: Device = "cpu") -> torch.Tensor:
    """A copy of `x` as a tensor: floats keep their dtype, integers become int64, as torch wants class indices."""
    copied = np.array(x, np.int64) if x.dtype.kind in "iu" else np.array(x)
    return torch.from_numpy(copied).to(device)


def to_numpy(a: torch.Tensor) -> npt.NDArray[Any]:
    """A copy of `a` as an array, by rows: who writes a file may write memory as it lies."""
    copied: npt.NDArray[Any] = np.array(a.detach().cpu().numpy(), order="C")
    return copied


def renew_sparse(tensors: Iterable[torch.Tensor]) -> None:
    """Gradients by rows that are zero get memory of their own: that of NumPy's upstream gradient cannot grow."""
    for tensor in tensors:
        if tensor.grad is not None and tensor.grad.is_sparse:
            tensor.grad = torch.zeros_like(tensor.grad)


class Buffer:
    """A tensor of a module's state that is not trained, whose `data` reads as a NumPy array: live on the CPU."""

    __slots__ = ("tensor",)  # anything else that is written here would be lost

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def data(self) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = self.tensor.detach().cpu().numpy()
        return array

    def __repr__(self) -> str:
        return repr(self.data)


class Parameter:
    """An `nn.Parameter`, reachable as `tensor`, whose `data` and `grad` read as NumPy arrays.

    Made from an array (copied, on `device`) or around an existing `nn.Parameter`. `data` is the live value on the CPU
    and a copy on other devices; `grad` is a copy, None before the first backward pass.
    Raises TypeError for anything but a float32 or float64 array.
    """

    __slots__ = ("tensor",)  # anything else that is written here would be lost

    tensor: torch.nn.Parameter

    def __init__(self, data: Array | torch.nn.Parameter, requires_grad: bool = True, device: Device = "cpu") -> None:
        if isinstance(data, torch.nn.Parameter):
            self.tensor = data
        else:
            checks.float_array("Parameter", "data", data)
            checks.truth("Parameter", "requires_grad", requires_grad)
            self.tensor = torch.nn.Parameter(to_tensor(data, device).contiguous(), bool(requires_grad))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def data(self) -> Array:
        array: Array = self.tensor.detach().cpu().numpy()
        return array

    @data.setter
    def data(self, value: Array) -> None:
        checks.gradient("Parameter", value, self.shape, self.data.dtype, "data")
        self.tensor.data.copy_(to_tensor(value))  # not seen by autograd, which may still go through an earlier call

    @property
    def grad(self) -> Array | None:
        gradient = self.tensor.grad
        return None if gradient is None else to_numpy(gradient.to_dense() if gradient.is_sparse else gradient)

    @grad.setter
    def grad(self, value: Any) -> None:  # an array or None, or a NumPy scalar for an array without axes
        if value is not None:
            value = np.asarray(value) if isinstance(value, np.generic) else value
            checks.gradient("Parameter", value, self.shape, self.data.dtype)
        # By rows, whatever it is given as: torch's LBFGS refuses other strides.
        self.tensor.grad = None if value is None else to_tensor(value, self.tensor.device).contiguous()

    @property
    def requires_grad(self) -> bool:
        return self.tensor.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        checks.truth("Parameter", "requires_grad", value)
        self.tensor.requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        self.requires_grad = requires_grad
        return self

    @property
    def rows(self) -> npt.NDArray[np.bool_] | None:
        """Of the table of an Embedding(sparse=True) the rows that the gradient is of, else None."""
        if not getattr(self.tensor, "by_rows", False):
            return None
        rows, gradient = np.zeros(len(self.tensor), bool), self.tensor.grad
        if gradient is not None:
            # A copy, as no memory that NumPy has seen may grow, and the next gradient may be of more rows.
            rows[to_numpy(gradient.coalesce().indices()[0].clone())] = True
        return rows

    def __repr__(self) -> str:
        return repr(self.tensor)
