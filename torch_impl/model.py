"""The adapter that puts any `nn.Module` behind the contract: NumPy at the boundary, autograd inside."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from contract import checks, layer_checks
from torch_impl import modules
from torch_impl.parameter import Array, Buffer, Device, Parameter, numpy_dtype, renew_sparse, to_numpy, to_tensor


class Model:
    """`module` behind the contract.

    The module stays an ordinary `nn.Module`, reachable as `.module`: hooks, `.to("cuda")`, DDP and safetensors work on
    it as ever. `compile` runs its forward through `torch.compile`: True, or the name of a backend. `device` is where a
    module without parameters computes; others compute where their parameters are. Attributes that the adapter does not
    have are the module's own: parameters come as `Parameter`, submodules as `Model`.
    """

    module: nn.Module

    def __init__(self, module: nn.Module, compile: bool | str = False, device: Device = "cpu") -> None:
        self.module, self._device = module, torch.device(device)
        for layer in module.modules():
            if isinstance(layer, nn.Embedding) and layer.sparse:
                setattr(layer.weight, "by_rows", True)  # noqa: B010  # no attribute of tensors; for `Parameter.rows`
            unbound = isinstance(layer, nn.GroupNorm | nn.BatchNorm1d) and not layer.state_dict()
            if unbound and not layer._forward_pre_hooks:  # without parameters torch takes any number of channels
                layer.register_forward_pre_hook(lambda op, inputs: INPUT_CHECKS[type(op)](op, *inputs))
        self.call: Callable[..., torch.Tensor] = module
        if compile:
            self.call = torch.compile(module, backend="inductor" if compile is True else compile)
        self._memory: tuple[tuple[torch.Tensor, ...], torch.Tensor] | None = None

    @property
    def name(self) -> str:
        return type(self.module).__name__

    @property
    def first(self) -> str:
        """The op that meets the input: the first module without children, as errors about the input name it."""
        return next(type(op).__name__ for op in self.module.modules() if not any(True for _ in op.children()))

    @property
    def device(self) -> torch.device:
        """Where the parameters are; for a module without any, where it was put."""
        first = next(self.module.parameters(), None)
        return self._device if first is None else first.device

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The dtype of parameters and buffers, NumPy's, None for a module without any."""
        return _dtype(self.module, recurse=True)

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        input = to_tensor(x, self.device)
        kept = modules.kept(self.module)
        try:
            output = self.run(input.requires_grad_(input.is_floating_point()))
        except Exception:
            modules.give_back(kept)
            raise
        self._memory = ((input,), output)
        return to_numpy(output)

    def check_input(self, x: Any) -> None:
        """Refuse what is no array of the model's dtype, in the name of the op that would on the hand-written side: of
        the first, or where that takes either dtype of the first that has one."""
        if self.first == "Embedding":
            layer_checks.index_type(self.first, x)
            return
        if (dtype := self.dtype) is None or type(x) is not np.ndarray or x.dtype != dtype:
            typed = next((type(op).__name__ for op in self.module.modules() if _dtype(op) is not None), self.first)
            checks.float_array(self.first, "input", x, dtype if typed == self.first else None)
            checks.float_array(typed, "input", x, dtype)

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The module's output on tensors. What torch refuses is refused in the words of the hand-written side."""
        if not all(x.numel() for x in inputs):  # of nothing torch takes any shape
            with checked(self.module):
                return self.call(*inputs)
        try:
            return self.call(*inputs)
        except (RuntimeError, IndexError, ValueError) as error:
            explain(self.module, *inputs)
            raise error

    def backward(self, grad_output: Array) -> Array:
        (gradient,) = self.differentiate(grad_output)
        return gradient

    def differentiate(self, grad_output: Array) -> list[Array]:
        """The gradients of the last forward call's inputs; zeros for whole numbers. Those of parameters are added."""
        checks.not_before_forward(self.name, self._memory)
        assert self._memory is not None
        inputs, output = self._memory
        dtype = numpy_dtype(output)
        checks.grad_output(self.name, grad_output, tuple(output.shape), dtype)
        for input in inputs:
            input.grad = None
        # The graph is kept, so that backward may be called again, as on the hand-written side.
        if output.requires_grad:  # an Embedding with a frozen table has nothing to differentiate by
            torch.autograd.backward(output, to_tensor(grad_output, output.device), retain_graph=True)
        return [np.zeros(tuple(x.shape), dtype) if x.grad is None else to_numpy(x.grad) for x in inputs]

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def named_children(self) -> Iterator[tuple[str, "Model"]]:
        return ((name, Model(child, device=self.device)) for name, child in self.module.named_children())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, Parameter(tensor)) for name, tensor in self.module.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        return ((name, Buffer(tensor)) for name, tensor in self.module.named_buffers())

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def named_gradients(self) -> Iterator[tuple[str, Array | None]]:
        return ((name, parameter.grad) for name, parameter in self.named_parameters())

    def zero_grad(self, set_to_none: bool = True) -> None:
        checks.truth(self.name, "set_to_none", set_to_none)
        self.module.zero_grad(bool(set_to_none))
        renew_sparse(self.module.parameters())

    def state_dict(self) -> dict[str, Array]:
        """All parameters and buffers by name, as copies."""
        return {name: to_numpy(tensor) for name, tensor in self.module.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy `state` in. ValueError names every entry that does not fit; then nothing changes.

        The last forward call is forgotten: it was one of other parameters.
        """
        own = self.module.state_dict()
        expected = {name: (tuple(t.shape), numpy_dtype(t)) for name, t in own.items()}
        checks.state_dict(self.name, expected, state)
        self.module.load_state_dict({name: to_tensor(array) for name, array in state.items()})
        self._memory = None

    @property
    def training(self) -> bool:
        return self.module.training

    @training.setter
    def training(self, mode: bool) -> None:
        checks.truth(self.name, "training", mode)
        self.module.training = mode

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters with False, and let them learn again with True."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def train(self, mode: bool = True) -> Self:
        checks.truth(self.name, "mode", mode)
        self.module.train(bool(mode))
        return self

    def eval(self) -> Self:
        return self.train(False)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which cannot take the graph of the last forward call with them."""
        return {**vars(self), "_memory": None}

    def __getattr__(self, name: str) -> Any:
        if name == "module":  # not yet set, while unpickling or copying
            raise AttributeError(name)
        value = getattr(self.module, name)
        if isinstance(value, nn.Parameter):
            return Parameter(value)
        if isinstance(value, torch.Tensor) and name in self.module._buffers:
            return Buffer(value)
        return Model(value, device=self.device) if isinstance(value, nn.Module) else value

    def __setattr__(self, name: str, value: Any) -> None:
        """What the adapter does not have itself is written to the module, checked as on the hand-written side."""
        if name in ("module", "call", "_memory") or hasattr(type(self), name):
            object.__setattr__(self, name, value)
            return
        module = self.module
        value = checks.plain(value) if isinstance(value, np.generic) else value
        value = Parameter(value) if isinstance(value, nn.Parameter) else value
        kinds: dict[str, tuple[type, ...]] = {
            "Parameter": (Parameter,),
            "Module": (Model, nn.Module),
            "Buffer": (Buffer, torch.Tensor),
        }
        kind = next((kind for kind, types in kinds.items() if isinstance(value, types)), None)
        places: dict[str, Mapping[str, Any]] = {
            "Parameter": module._parameters,
            "Module": module._modules,
            "Buffer": module._buffers,
        }
        held = next((kind for kind, place in places.items() if name in place), None)
        layer_checks.attribute(self.name, name, value, kind, held)
        if type(module).__module__.partition(".")[0] in ("torch", "torch_impl"):
            layer_checks.layer_attribute(module, name, value, kind, self.dtype)
        if isinstance(value, Parameter | Buffer):
            value = value.tensor
        setattr(module, name, value.module if isinstance(value, Model) else value)

    def __delattr__(self, name: str) -> None:
        delattr(self.module, name)

    def __getitem__(self, index: int) -> "Model":
        """The module at a place of a Sequential."""
        return Model(self.module[index], device=self.device)  # type: ignore[index]  # only some modules have places

    def __repr__(self) -> str:
        return repr(self.module)


class PairModel(Model):
    """A module of two inputs, as `nn.Bilinear` is, behind the contract."""

    def forward(self, input1: Array, input2: Array) -> Array:  # type: ignore[override]  # two inputs
        for name, given in (("input1", input1), ("input2", input2)):
            checks.float_array(self.first, name, given, self.dtype)
        inputs = tuple(to_tensor(given, self.device).requires_grad_() for given in (input1, input2))
        output = self.run(*inputs)
        self._memory = (inputs, output)
        return to_numpy(output)

    def backward(self, grad_output: Array) -> tuple[Array, Array]:  # type: ignore[override]  # two inputs
        gradient1, gradient2 = self.differentiate(grad_output)
        return gradient1, gradient2

    __call__ = forward  # type: ignore[assignment]  # two inputs


# What the hand-written side checks in an op's forward, by the class of the op.
INPUT_CHECKS: dict[type[nn.Module], Callable[..., None]] = {
    nn.Linear: lambda op, x: checks.features("Linear", tuple(x.shape), op.in_features),
    nn.Softmax: lambda op, x: checks.axis("Softmax", tuple(x.shape), op.dim),
    nn.LogSoftmax: lambda op, x: checks.axis("LogSoftmax", tuple(x.shape), op.dim),
    nn.Softmin: lambda op, x: checks.axis("Softmin", tuple(x.shape), op.dim),
    nn.PReLU: lambda op, x: checks.channels("PReLU", tuple(x.shape), op.num_parameters),
    nn.BatchNorm1d: lambda op, x: layer_checks.batch_norm(
        "BatchNorm1d", tuple(x.shape), op.num_features, op.training or op.running_mean is None, op.eps
    ),
    nn.LayerNorm: lambda op, x: layer_checks.last_axes("LayerNorm", tuple(x.shape), tuple(op.normalized_shape)),
    nn.RMSNorm: lambda op, x: layer_checks.last_axes("RMSNorm", tuple(x.shape), tuple(op.normalized_shape)),
    nn.GroupNorm: lambda op, x: layer_checks.group_norm("GroupNorm", tuple(x.shape), op.num_groups, op.num_channels),
    nn.GLU: lambda op, x: checks.halves("GLU", tuple(x.shape), op.dim),
    nn.Flatten: lambda op, x: layer_checks.flattened("Flatten", tuple(x.shape), op.start_dim, op.end_dim),
    nn.Embedding: lambda op, x: layer_checks.indices("Embedding", to_numpy(x), op.num_embeddings),
    nn.Bilinear: lambda op, x1, x2: layer_checks.two_inputs(
        "Bilinear", tuple(x1.shape), tuple(x2.shape), op.in1_features, op.in2_features
    ),
}


def _dtype(module: nn.Module, recurse: bool = False) -> np.dtype[Any] | None:
    state = (*module.parameters(recurse), *module.buffers(recurse))
    return next((numpy_dtype(tensor) for tensor in state if tensor.is_floating_point()), None)


@contextmanager
def checked(module: nn.Module) -> Iterator[None]:
    """Calls of `module` with the input of every op checked in the words of the hand-written side."""

    def check(op: nn.Module, arguments: tuple[Any, ...]) -> None:
        weight = getattr(op, "weight", None)
        expected = None if weight is None else numpy_dtype(weight)
        if not isinstance(op, nn.Embedding):
            checks.same_dtype(type(op).__name__, "input", numpy_dtype(arguments[0]), expected)
        INPUT_CHECKS[type(op)](op, *arguments)

    hooks = [op.register_forward_pre_hook(check) for op in module.modules() if type(op) in INPUT_CHECKS]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def explain(module: nn.Module, *inputs: torch.Tensor) -> None:
    """Run a call that torch refused once more, checked; raise what the check finds, if anything.

    The checks cost nothing while calls succeed.
    """
    try:
        with torch.no_grad(), checked(module):
            module(*inputs)
    except RuntimeError as error:
        del error  # torch's own refusal once more: the caller still holds the first


def on(module: nn.Module, device: Device) -> nn.Module:
    """`module` on a device. ValueError where the device is not there."""
    try:
        torch.empty(0, device=device)  # a module without parameters moves anywhere
        return module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={str(device)!r} is not available: {str(error).splitlines()[0]}") from error
