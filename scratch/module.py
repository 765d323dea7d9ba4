"""Parameter, Module and the two ways of putting modules together: in a row (Sequential) and side by side (Parallel)."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from scratch import checks

Array = npt.NDArray[np.floating[Any]]


class Parameter:
    """A trainable array and its gradient.

    `data` is the live value: optimizers change it in place. `grad` is None before the first backward pass and after
    `zero_grad`. The array given is copied, so what the caller holds is never overwritten.

    Raises TypeError for anything but a float32 or float64 array.
    """

    data: Array
    grad: Array | None

    def __init__(self, data: Array) -> None:
        checks.float_array("Parameter", "data", data)
        self.data = np.array(data)
        self.grad = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def accumulate(self, gradient: Array) -> None:
        """Add `gradient` to `grad`. Sums go into a new array: whoever kept the old one still holds the old one."""
        self.grad = gradient if self.grad is None else self.grad + gradient

    def __repr__(self) -> str:
        return f"Parameter containing:\n{self.data!r}"


class Module:
    """A differentiable function with parameters.

    A subclass writes `forward(x)`, which remembers what the derivative needs, and right under it its vector-Jacobian
    product `backward(grad_output)`: given dL/dy for the last forward call it adds dL/dθ to every parameter's gradient
    and returns dL/dx. Between the two the input must not be changed in place: it is remembered, not copied.

    Parameters and submodules are found by walking the attributes in the order of their assignment, as in PyTorch.
    """

    training: bool = True
    _memory: tuple[tuple[int, ...], np.dtype[Any], tuple[Any, ...]] | None = None

    def forward(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def backward(self, grad_output: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} does not define backward")

    def backward_parameters(self, grad_output: Array) -> None:
        """As `backward`, where nobody asks for dL/dx: the first layer of a net need not compute it."""
        self.backward(grad_output)

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    @property
    def name(self) -> str:
        return type(self).__name__

    def _remember(self, output: Array, *values: Any) -> Array:
        """Keep `values` for backward, and the output's shape and dtype to check the upstream gradient by."""
        output = np.asarray(output)
        self._memory = (output.shape, output.dtype, values)
        return output

    def _recall(self, grad_output: Array) -> tuple[Any, ...]:
        """The values of the last forward call. RuntimeError before it, ValueError or TypeError for a wrong upstream."""
        checks.not_before_forward(self.name, self._memory)
        assert self._memory is not None
        shape, dtype, values = self._memory
        checks.grad_output(self.name, grad_output, shape, dtype)
        return values

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """`("layers.0.weight", parameter)` and so on: this module's own first, then its children's."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child.named_parameters(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def named_gradients(self) -> Iterator[tuple[str, Array | None]]:
        """Gradients by the parameters' names, as copies; None where there is none yet."""
        for name, parameter in self.named_parameters():
            yield name, None if parameter.grad is None else parameter.grad.copy()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (PyTorch's default since 2.0), or with `set_to_none=False` set existing ones to zero."""
        for parameter in self.parameters():
            keep = not set_to_none and parameter.grad is not None
            parameter.grad = np.zeros_like(parameter.data) if keep else None

    def state_dict(self) -> dict[str, Array]:
        """All parameters by name, as copies: `(out, in)` weights, PyTorch's names."""
        return {name: parameter.data.copy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Copy `state` into the parameters. ValueError names every entry that does not fit; then nothing changes."""
        own = dict(self.named_parameters())
        expected = {name: (parameter.data.shape, parameter.data.dtype) for name, parameter in own.items()}
        checks.state_dict(self.name, expected, state)
        for name, parameter in own.items():
            parameter.data[...] = state[name]

    def train(self, mode: bool = True) -> Self:
        self.training = mode
        for _, child in self.named_children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        return self.train(False)

    def extra_repr(self) -> str:
        """The arguments to print between the brackets."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        if not children:
            return f"{self.name}({self.extra_repr()})"
        return f"{self.name}(\n  " + "\n  ".join(children) + "\n)"


class Sequential(Module):
    """Modules in a row: y = f_n(…f_2(f_1(x))).

    The chain rule read from right to left: each module turns dL/d(its output) into dL/d(its input), which is
    dL/d(output) of the one before.

    Raises ValueError if one module object is given twice: it could remember only one of its two calls.
    """

    def __init__(self, *modules: Module) -> None:
        self.modules = modules
        if modules:
            checks.distinct(self.name, _leaves(self), "module")

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((str(i), module) for i, module in enumerate(self.modules))

    def forward(self, x: Array) -> Array:
        for module in self.modules:
            x = module.forward(x)
        return self._remember(x)

    def backward(self, grad_output: Array) -> Array:
        self._recall(grad_output)
        for module in reversed(self.modules):
            grad_output = module.backward(grad_output)
        return grad_output

    def backward_parameters(self, grad_output: Array) -> None:
        self._recall(grad_output)
        for module in reversed(self.modules[1:]):
            grad_output = module.backward(grad_output)
        for module in self.modules[:1]:
            module.backward_parameters(grad_output)

    def __getitem__(self, index: int) -> Module:
        return self.modules[index]

    def __len__(self) -> int:
        return len(self.modules)


class Parallel(Module):
    """Modules side by side, outputs summed: y = Σ_k f_k(x), as in relu(x) + tanh(x).

    Each branch receives the same dL/dy, because ∂y/∂f_k = 1; the input feeds every branch, so its gradient is the sum
    of the branches' input gradients.

    Raises ValueError for no branch, for one module object given twice, and where the branches' outputs differ in shape.
    """

    def __init__(self, *branches: Module) -> None:
        self.branches = branches
        checks.distinct(self.name, branches, "branch")
        checks.distinct(self.name, _leaves(self), "module")

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((str(i), branch) for i, branch in enumerate(self.branches))

    def forward(self, x: Array) -> Array:
        outputs = [branch.forward(x) for branch in self.branches]
        checks.same_branches(self.name, [output.shape for output in outputs])
        total = outputs[0].copy()
        for output in outputs[1:]:
            total += output
        return self._remember(total)

    def backward(self, grad_output: Array) -> Array:
        self._recall(grad_output)
        gradients = [branch.backward(grad_output) for branch in self.branches]
        total = gradients[0].copy()
        for gradient in gradients[1:]:
            total += gradient
        return total


def _leaves(module: Module) -> Iterator[Module]:
    """The modules without children: those that remember a forward call."""
    children = list(module.named_children())
    if not children:
        yield module
    for _, child in children:
        yield from _leaves(child)
