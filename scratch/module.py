"""Parameter, Buffer and Module: what every layer is made of."""

from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from contract import checks, layer_checks
from scratch.calls import Call, Memory, Past, log_now, recorded, replay_now, replayed
from scratch.flags import methods_without_underflow

__all__ = ["Buffer", "Module", "Parameter"]

Array = npt.NDArray[np.floating[Any]]


class Parameter:
    """A trainable array and its gradient.

    `data` is the live value: optimizers change it in place. `grad` is None before the first backward pass and after
    `zero_grad`. Both may lie in memory by columns, as a Linear's do; what a state dict hands out lies by rows, which is
    what writers of files want. The array given is copied, so what the caller holds is never overwritten.
    With `requires_grad=False` it is frozen: backward leaves its gradient alone, and so an optimizer leaves it alone.

    Raises TypeError for anything but a float32 or float64 array.
    """

    data: Array
    grad: Array | None
    requires_grad: bool
    rows: Any = None  # of a `RowParameter`

    def __init__(self, data: Array, requires_grad: bool = True) -> None:
        checks.float_array("Parameter", "data", data)
        self.data = np.array(data)
        self.grad = None
        self.requires_grad = requires_grad

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __setattr__(self, name: str, value: Any) -> None:
        """New data are copied into the live array, a new gradient is a copy. Both must fit, a gradient may be None."""
        if name == "grad" and value is not None:
            value = np.array(value) if isinstance(value, np.generic) else value
            checks.gradient("Parameter", value, self.data.shape, self.data.dtype)
            value = np.array(value)
        elif name == "data" and (own := getattr(self, "data", None)) is not None:
            if value is not own:  # as it is after `parameter.data *= 2`
                checks.gradient("Parameter", value, own.shape, own.dtype, "data")
                own[...] = value
            return
        elif name == "requires_grad":
            checks.truth("Parameter", name, value)
            value = bool(value)
        object.__setattr__(self, name, value)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        self.requires_grad = requires_grad
        return self

    def accumulate(self, gradient: Array) -> None:
        """Add `gradient` to `grad`, unless frozen. Sums are new arrays: whoever kept the old one still holds it."""
        if self.requires_grad:
            object.__setattr__(self, "grad", gradient if self.grad is None else self.grad + gradient)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{self.data!r}"


class RowParameter(Parameter):
    """A table of which `rows` knows the rows that the gradient was computed for, as truth values: for SparseAdam.

    They are forgotten with the gradient, and where it is set to zeros.
    """

    @property
    def grad(self) -> Array | None:
        return self._grad

    @grad.setter
    def grad(self, value: Array | None) -> None:
        if value is None or not value.any():
            self.rows = np.zeros(len(self.data), bool)
        self._grad = value

    def accumulate_rows(self, gradient: Array, rows: npt.NDArray[np.bool_]) -> None:
        rows = self.rows | rows if self.requires_grad else self.rows
        self.accumulate(gradient)
        self.rows = rows


class Buffer:
    """An array of a module's state that is not trained, such as a running mean. `data` is the live value."""

    data: npt.NDArray[Any]

    def __init__(self, data: npt.NDArray[Any]) -> None:
        self.data = np.array(data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __repr__(self) -> str:
        return repr(self.data)


class Options:
    """What has options as attributes: a NumPy scalar is kept as the Python number that it is (see `checks.plain`)."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, checks.plain(value) if isinstance(value, np.generic) else value)


class Module(Options):
    """A differentiable function with parameters.

    A subclass writes `forward(x)`, which remembers what the derivative needs, and right under it its vector-Jacobian
    product `backward(grad_output)`: given dL/dy for the last forward call it adds dL/dθ to every parameter's gradient
    and returns dL/dx. Between the two the input must not be changed in place: it is remembered, not copied.

    Parameters and submodules are found by walking the attributes in the order of their assignment, as in PyTorch; those
    in a list or a dict are not found, as there. One parameter or module may stand under several names, and forward may
    call a module more than once: see `scratch.calls`.
    """

    name: str = "Module"
    training: bool = True
    _memory: Memory | None = None
    _repeats: Mapping["Module", list[Past]] = {}  # the calls of what ran more than once in the last forward
    _records: bool = True  # whether forward looks for such calls
    _ordered: bool = False  # whether backward surely goes through the modules in reverse

    def __init_subclass__(cls, hands_on: bool = False, **options: Any) -> None:
        """With `hands_on` the class itself adds and compares at most, which cannot underflow."""
        super().__init_subclass__(**options)
        cls.name = vars(cls).get("name", cls.__name__)
        if not cls.__module__.startswith("scratch."):  # a class of the user's, in whose forward a module may run twice
            for name, wrap in (("forward", recorded), ("backward", replayed), ("backward_parameters", replayed)):
                if isinstance(own := vars(cls).get(name), FunctionType):
                    setattr(cls, name, wrap(own))
                    if vars(cls).get("__call__") is own:
                        cls.__call__ = vars(cls)[name]  # type: ignore[method-assign]
        if not hands_on:
            methods_without_underflow(cls, "forward", "backward", "backward_parameters", "__call__")

    def __setattr__(self, name: str, value: Any) -> None:
        """As PyTorch has it: a parameter, buffer or module is replaced by its like or by None."""
        if name == "training":
            checks.truth(self.name, name, value)
        elif not name.startswith("_") and name in vars(self):
            kind = _kind(value)
            layer_checks.attribute(self.name, name, value, kind, _kind(vars(self)[name]))
            if type(self).__module__.startswith("scratch."):
                own = next((p.data.dtype for p in vars(self).values() if isinstance(p, Parameter)), None)
                layer_checks.layer_attribute(self, name, value, kind, own)
        super().__setattr__(name, value)

    def forward(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def backward(self, grad_output: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} does not define backward")

    def backward_parameters(self, grad_output: Array) -> None:
        """As `backward`, where nobody asks for dL/dx: the first layer of a net need not compute it."""
        self.backward(grad_output)

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def _remember(self, output: Array, *values: Any) -> Array:
        """Keep `values` for backward, and the output's shape and dtype to check the upstream gradient by."""
        output = np.asarray(output)
        memory = (output.shape, output.dtype, values)
        self.__dict__["_memory"] = memory
        if (log := log_now.get()) is not None:
            log.append(Call(self, memory, output))
        return output

    def _kept(self) -> Any:
        """What a forward call changes."""
        return self._memory, self._repeats

    def _give_back(self, kept: Any) -> None:
        """Be as if there had been no forward call since `_kept`."""
        self._memory, self._repeats = kept

    def _recall(self, grad_output: Array) -> tuple[Any, ...]:
        """The values of the last forward call. RuntimeError before it, ValueError or TypeError for a wrong upstream."""
        replay = replay_now.get()
        memory = self._memory if replay is None else replay.memory(self)
        if memory is None:
            checks.not_before_forward(self.name, memory)
        assert memory is not None
        shape, dtype, values = memory
        fits = type(grad_output) is np.ndarray and grad_output.dtype == dtype and grad_output.shape == shape
        if not fits:  # the call of the check costs as much as a small layer's backward
            checks.grad_output(self.name, grad_output, shape, dtype)
        return values

    @property
    def _modules(self) -> dict[str, "Module"]:
        """The modules that this one is made of, by name; one may have several."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Every module that this one is made of, once."""
        return _once(self._modules.items())

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """`("layers.0.weight", parameter)` and so on: this module's own first, then its children's.

        One with several names comes once, under the first, as in PyTorch.
        """
        return _once((name, value) for name, value in self._named_state(prefix) if isinstance(value, Parameter))

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Buffer]]:
        """What is kept beside the parameters, in the same order: `("layers.1.running_mean", buffer)` and so on."""
        return _once((name, value) for name, value in self._named_state(prefix) if isinstance(value, Buffer))

    def _named_state(self, prefix: str = "") -> Iterator[tuple[str, Parameter | Buffer]]:
        """Parameters and buffers in PyTorch's order: this module's parameters, its buffers, then its children's.

        Those with several names come under each.
        """
        for kind in (Parameter, Buffer):
            for name, value in vars(self).items():
                if isinstance(value, kind):
                    yield prefix + name, value
        for name, child in self._modules.items():
            yield from child._named_state(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def named_gradients(self) -> Iterator[tuple[str, Array | None]]:
        """Gradients by the parameters' names, as copies; None where there is none yet."""
        for name, parameter in self.named_parameters():
            yield name, None if parameter.grad is None else parameter.grad.copy()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (PyTorch's default since 2.0), or with `set_to_none=False` set existing ones to zero."""
        checks.truth(self.name, "set_to_none", set_to_none)
        for parameter in self.parameters():
            keep = not set_to_none and parameter.grad is not None
            parameter.grad = np.zeros_like(parameter.data) if keep else None

    def state_dict(self) -> dict[str, Array]:
        """All parameters and buffers by name, as copies: `(out, in)` weights, PyTorch's names."""
        return {name: value.data.copy() for name, value in self._named_state()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy `state` in. ValueError names every entry that does not fit; then nothing changes.

        The last forward call is forgotten: it was one of other parameters.
        """
        own = dict(self._named_state())
        checks.state_dict(self.name, {name: (value.data.shape, value.data.dtype) for name, value in own.items()}, state)
        for name, value in own.items():
            value.data[...] = state[name]
        self._forget()

    def _forget(self) -> None:
        """The last forward call was one of other parameters."""
        self._memory = None
        for _, child in self.named_children():
            child._forget()

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters with False, and let them learn again with True."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def train(self, mode: bool = True) -> Self:
        checks.truth(self.name, "mode", mode)
        self.training = bool(mode)
        for _, child in self.named_children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        return self.train(False)

    def extra_repr(self) -> str:
        """The arguments to print between the brackets."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        if not children:
            return f"{self.name}({self.extra_repr()})"
        return f"{self.name}(\n  " + "\n  ".join(children) + "\n)"


def _kind(value: Any) -> str | None:
    """Whether a module finds it among its attributes, and as what."""
    if isinstance(value, Module):
        return "Module"
    return "Parameter" if isinstance(value, Parameter) else "Buffer" if isinstance(value, Buffer) else None


def _once(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Without the objects that came before under another name."""
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
