"""What a model, a loss, an optimizer and a trainer can be asked, on both sides.

These are structural protocols. `scratch` and `torch_impl` do not inherit from them; they satisfy them by shape, and the
type checker proves it at the foot of `handgrad/training/sides.py`.

NumPy arrays cross the boundary: float32 or float64, rows of shape `(batch, features)` or one unbatched sample of shape
`(features,)`. Integer class targets have shape `(batch,)` or `()`. A model that begins with a table of vectors
(Embedding) takes whole numbers instead, and its input's gradient is zeros.

What holds beyond the signatures, on both sides:

- **Accumulation.** `Model.backward` *adds* to the parameters' gradients until `zero_grad` sets them to None.
- **Purity.** No call modifies its inputs, its target or the upstream gradient. An array that was handed out is never
  overwritten by a later call; the exception is `Parameter.data`, which is the live value by definition.
  Between forward and its backward the caller leaves input, output and target as they are: the hand-written side
  remembers the arrays and not copies of them. A weight given to a loss is copied.
- **Memory.** Backward is that of the last forward call that was not refused, with the options and the mode of that
  call, whatever was switched, evaluated or differentiated twice since.
- **Refusal.** Bad input raises before anything changes: parameters, gradients and optimizer state stay as they were.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""An array of float32 or float64."""

Target = npt.NDArray[Any]
"""What a loss compares with: floats of the input's shape, or integer class indices."""


class Parameter(Protocol):
    """A trainable array and its gradient, None before the first backward pass."""

    @property
    def data(self) -> Array: ...
    @property
    def grad(self) -> Array | None: ...


class Model(Protocol):
    """A differentiable function with parameters."""

    @property
    def training(self) -> bool: ...
    def __call__(self, x: Array, /) -> Array: ...
    def forward(self, x: Array, /) -> Array:
        """Output for `x` of shape `(batch, in_features)` or `(in_features,)`."""
        ...

    def backward(self, grad_output: Array, /) -> Array:
        """Vector-Jacobian product of the last forward call for any upstream gradient of the output's shape.

        Adds to every parameter's gradient and returns the gradient of the input.
        """
        ...

    def zero_grad(self) -> None: ...
    def parameters(self) -> Iterator[Parameter]: ...
    def named_parameters(self) -> Iterator[tuple[str, Parameter]]: ...
    def named_gradients(self) -> Iterator[tuple[str, Array | None]]: ...
    def state_dict(self) -> dict[str, Array]: ...
    def load_state_dict(self, state: Mapping[str, Array], /) -> None: ...
    def train(self, mode: bool = True) -> Self: ...
    def eval(self) -> Self: ...


class PairModel(Protocol):
    """A layer of two inputs, as Bilinear is; it stands alone, and a `Trainer` does not take it.

    What `Model` has besides forward and backward it has as well.
    """

    def forward(self, input1: Array, input2: Array, /) -> Array: ...
    def backward(self, grad_output: Array, /) -> tuple[Array, Array]:
        """The gradients of the last forward call's inputs, in their order."""
        ...


class Loss(Protocol):
    """A loss function: a scalar for `reduction` "mean" and "sum", one value per element or sample for "none"."""

    def forward(self, input: Array, target: Target, /) -> Any:
        """The loss as a NumPy scalar of the input's dtype, or an array for `reduction="none"`."""
        ...

    def backward(self, grad_output: Any = None, /) -> Array:
        """d loss / d input of the last forward call, times `grad_output` (1 if None; required for "none")."""
        ...


class PairLoss(Protocol):
    """A loss of three arrays, two of them differentiable, which a `Trainer` does not take.

    They are `(input1, input2, target)` for a loss of pairs (CosineEmbeddingLoss, MarginRankingLoss), and
    `(input, target, var)` for GaussianNLLLoss, whose variance is an output of the model too.
    """

    def forward(self, first: Array, second: Array, third: Any, /) -> Any:
        """The loss, as in `Loss`."""
        ...

    def backward(self, grad_output: Any = None, /) -> tuple[Array, Array]:
        """The gradients of the last forward call's two differentiable arrays, in their order, times `grad_output`."""
        ...


class Optimizer(Protocol):
    """Updates parameters in place from their gradients. Parameters whose gradient is None are left alone."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    def parameters(self) -> Sequence[Parameter]:
        """All parameters in the order in which `state_dict` numbers them."""
        ...

    def step(self) -> None: ...
    def zero_grad(self) -> None: ...
    def state_dict(self) -> dict[str, Any]:
        """`{"state": {index: {name: array}}, "param_groups": [{option: value, "params": [index, ...]}]}`, as copies."""
        ...

    def load_state_dict(self, state: Mapping[str, Any], /) -> None: ...


class Trainer(Protocol):
    """One training step in the side's own fastest idiom, on the side's own arrays."""

    @property
    def model(self) -> Model: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def optimizer(self) -> Optimizer: ...

    def asarray(self, x: npt.NDArray[Any], /) -> Any:
        """Carry a NumPy array across the boundary once (for PyTorch: to the model's device)."""
        ...

    def to_numpy(self, a: Any, /) -> npt.NDArray[Any]: ...

    def step(self, x: Any, y: Any, /) -> float:
        """zero_grad, forward, loss, backward, optimizer step. Returns the loss before the update."""
        ...
