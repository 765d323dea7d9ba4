"""What all losses share: the reduction, and the memory between `forward` and `backward`.

A loss has one value per element (or per sample, for the class losses); `reduction` is "mean", "sum" or "none".
`backward(grad_output)` returns dL/dx = Σ_k u_k ∂value_k/∂x, where u is 1/n for the mean of n values, 1 for their sum,
and `grad_output` itself for "none"; for mean and sum a scalar `grad_output` multiplies it. Targets are constants.

A loss of your own is a subclass of `Loss`: `docs/own_loss.md` writes one in ten lines.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from contract import checks, loss_checks
from scratch.flags import methods_without_underflow
from scratch.module import Array, Options

__all__ = ["Loss", "PairLoss"]

Target = npt.NDArray[Any]


class Criterion(Options):
    """A reduction, and what `forward` remembers for `backward`. `Loss` and `PairLoss` add the signatures."""

    REDUCTIONS: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    name: str = "Criterion"
    reduction: str
    target_like_input: ClassVar[bool] = True
    """Whether a loss of the user's wants its target in the input's dtype and shape: all else is refused."""
    _memory: tuple[str, tuple[int, ...], tuple[Any, ...]] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = vars(cls).get("name", cls.__name__)
        if not cls.__module__.startswith("scratch.") and "forward" in vars(cls):
            before = next(base for base in cls.__mro__[1:] if "forward" in vars(base))
            if before.__name__ in ("Loss", "PairLoss") or not before.__module__.startswith("scratch."):
                cls.forward = _own(vars(cls)["forward"])  # type: ignore[attr-defined]  # built-in losses check themselves
        methods_without_underflow(cls, "forward", "backward")

    def __init__(self, reduction: str = "mean") -> None:
        checks.choice(self.name, "reduction", reduction, self.REDUCTIONS)
        self.reduction = reduction

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and hasattr(self, name) and type(self).__module__.startswith("scratch."):
            loss_checks.loss_attribute(self.name, name, value, self.REDUCTIONS)
            value = np.array(value) if isinstance(value, np.ndarray) else value
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"{self.name}()"

    def _reduce(self, values: Array, *memory: Any, total_weight: Any = None) -> Any:
        """Reduce `values` and remember `memory` for backward. The mean divides by `total_weight`, or their number."""
        if self.reduction == "none":
            object.__setattr__(self, "_memory", (self.reduction, values.shape, (*memory, values.dtype.type(1))))
            return values
        count = values.dtype.type(values.size if total_weight is None else total_weight)
        if self.reduction == "sum":
            count = values.dtype.type(1)
        object.__setattr__(self, "_memory", (self.reduction, (), (*memory, count)))
        if count:
            return values.sum() / count
        with np.errstate(divide="ignore", invalid="ignore"):  # targets ignored or of weight 0: NaN or ∞, as in PyTorch
            return values.sum() / count

    def _recall(self, grad_output: Any) -> tuple[Any, ...]:
        """The remembered values, and last u, the weight of each loss value in the result."""
        checks.not_before_forward(self.name, self._memory)
        assert self._memory is not None
        reduction, shape, (*memory, count) = self._memory
        upstream = loss_checks.loss_grad_output(self.name, grad_output, shape, reduction, count.dtype)
        # Nothing to differentiate, and 1/0 must not reach the sum; the class losses have their own 1/0.
        return (*memory, upstream / count if count else np.zeros_like(upstream))


def _own(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The `forward` of a loss of the user's, which refuses what would broadcast."""

    @wraps(forward)
    def run(self: Criterion, *arrays: Any) -> Any:
        loss_checks.own_loss(self.name, self.target_like_input, *arrays)
        return forward(self, *arrays)

    return run


def kept(weight: Array | None) -> Array | None:
    """A loss's own copy of a weight: what the caller writes into the array later does not reach the loss."""
    return None if weight is None else np.array(weight)


class Loss(Criterion):
    """A loss of one input and a target: `backward` returns the gradient of the input."""

    def forward(self, input: Array, target: Target) -> Any:
        raise NotImplementedError(f"{self.name} does not define forward")

    def backward(self, grad_output: Any = None) -> Array:
        raise NotImplementedError(f"{self.name} does not define backward")

    def __call__(self, input: Array, target: Target) -> Any:
        return self.forward(input, target)


class PairLoss(Criterion):
    """A loss of three arrays, two of them differentiable: `backward` returns both gradients, in their order.

    (input1, input2, target) for the losses of pairs, (input, target, var) for the Gaussian.
    """

    def forward(self, first: Array, second: Array, third: Any, /) -> Any:
        raise NotImplementedError(f"{self.name} does not define forward")

    def backward(self, grad_output: Any = None) -> tuple[Array, Array]:
        raise NotImplementedError(f"{self.name} does not define backward")

    def __call__(self, first: Array, second: Array, third: Any, /) -> Any:
        return self.forward(first, second, third)
