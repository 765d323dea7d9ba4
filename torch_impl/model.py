"""The adapter that puts any `nn.Module` behind the contract: NumPy at the boundary, autograd inside."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from torch_impl import checks
from torch_impl.parameter import Array, Device, Parameter, numpy_dtype, to_numpy, to_tensor


class Model:
    """`module` behind the contract.

    The module stays an ordinary `nn.Module`, reachable as `.module`: hooks, `.to("cuda")`, DDP and safetensors work on
    it as ever. `compile` runs its forward through `torch.compile`: True, or the name of a backend. Attributes that the
    adapter does not have are the module's own: parameters come as `Parameter`, submodules as `Model`.
    """

    module: nn.Module

    def __init__(self, module: nn.Module, compile: bool | str = False) -> None:
        self.module = module
        self.call: Callable[[torch.Tensor], torch.Tensor] = module
        if compile:
            self.call = torch.compile(module, backend="inductor" if compile is True else compile)
        self._memory: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def name(self) -> str:
        return type(self.module).__name__

    @property
    def first(self) -> str:
        """The op that meets the input: the first module without children, as errors about the input name it."""
        return next(type(op).__name__ for op in self.module.modules() if not any(True for _ in op.children()))

    @property
    def device(self) -> torch.device:
        """Where the parameters are; the CPU for a module without any."""
        first = next(self.module.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The parameters' dtype, NumPy's, None for a module without any."""
        first = next(self.module.parameters(), None)
        return None if first is None else numpy_dtype(first)

    def forward(self, x: Array) -> Array:
        checks.float_array(self.first, "input", x, self.dtype)
        input = to_tensor(x, self.device).requires_grad_()
        output = self.run(input)
        self._memory = (input, output)
        return to_numpy(output)

    def run(self, input: torch.Tensor) -> torch.Tensor:
        """The module's output on tensors. What torch refuses is refused in the words of the hand-written side."""
        try:
            return self.call(input)
        except (RuntimeError, IndexError) as error:
            explain(self.module, input)
            raise error

    def backward(self, grad_output: Array) -> Array:
        checks.not_before_forward(self.name, self._memory)
        assert self._memory is not None
        input, output = self._memory
        dtype = numpy_dtype(output)
        checks.grad_output(self.name, grad_output, tuple(output.shape), dtype)
        input.grad = None
        # The graph is kept, so that backward may be called again, as on the hand-written side.
        torch.autograd.backward(output, to_tensor(grad_output, output.device), retain_graph=True)
        return np.zeros(tuple(input.shape), dtype) if input.grad is None else to_numpy(input.grad)

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def named_children(self) -> Iterator[tuple[str, "Model"]]:
        return ((name, Model(child)) for name, child in self.module.named_children())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, Parameter(tensor)) for name, tensor in self.module.named_parameters())

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def named_gradients(self) -> Iterator[tuple[str, Array | None]]:
        return ((name, parameter.grad) for name, parameter in self.named_parameters())

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.module.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Array]:
        """All parameters and buffers by name, as copies."""
        return {name: to_numpy(tensor) for name, tensor in self.module.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy `state` in. ValueError names every entry that does not fit; then nothing changes."""
        own = self.module.state_dict()
        expected = {name: (tuple(t.shape), numpy_dtype(t)) for name, t in own.items()}
        checks.state_dict(self.name, expected, state)
        self.module.load_state_dict({name: to_tensor(array) for name, array in state.items()})

    @property
    def training(self) -> bool:
        return self.module.training

    def train(self, mode: bool = True) -> Self:
        self.module.train(mode)
        return self

    def eval(self) -> Self:
        return self.train(False)

    def __getattr__(self, name: str) -> Any:
        if name == "module":  # not yet set, while unpickling or copying
            raise AttributeError(name)
        value = getattr(self.module, name)
        if isinstance(value, nn.Parameter):
            return Parameter(value)
        return Model(value) if isinstance(value, nn.Module) else value

    def __getitem__(self, index: int) -> "Model":
        """The module at a place of a Sequential."""
        return Model(self.module[index])  # type: ignore[index]  # only some modules have places

    def __repr__(self) -> str:
        return repr(self.module)


# What the hand-written side checks in an op's forward, by the class of the op.
INPUT_CHECKS: dict[type[nn.Module], Callable[[Any, torch.Tensor], None]] = {
    nn.Linear: lambda op, x: checks.features("Linear", tuple(x.shape), op.in_features),
    nn.Softmax: lambda op, x: checks.axis("Softmax", tuple(x.shape), op.dim),
    nn.LogSoftmax: lambda op, x: checks.axis("LogSoftmax", tuple(x.shape), op.dim),
    nn.Softmin: lambda op, x: checks.axis("Softmin", tuple(x.shape), op.dim),
    nn.PReLU: lambda op, x: checks.channels("PReLU", tuple(x.shape), op.num_parameters),
    nn.GLU: lambda op, x: checks.halves("GLU", tuple(x.shape), op.dim),
}


def explain(module: nn.Module, input: torch.Tensor) -> None:
    """Run a call that torch refused once more, checking the input of every op; raise what the check finds, if anything.

    The checks cost nothing while calls succeed.
    """

    def check(op: nn.Module, arguments: tuple[Any, ...]) -> None:
        x = arguments[0]
        weight = getattr(op, "weight", None)
        expected = None if weight is None else numpy_dtype(weight)
        checks.same_dtype(type(op).__name__, "input", numpy_dtype(x), expected)
        INPUT_CHECKS[type(op)](op, x)

    hooks = [op.register_forward_pre_hook(check) for op in module.modules() if type(op) in INPUT_CHECKS]
    try:
        with torch.no_grad():
            module(input)
    except RuntimeError as error:
        del error  # torch's own refusal once more: the caller still holds the first
    finally:
        for hook in hooks:
            hook.remove()


def on(module: nn.Module, device: Device) -> nn.Module:
    """`module` on a device. ValueError where the device is not there."""
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={str(device)!r} is not available: {str(error).splitlines()[0]}") from error
