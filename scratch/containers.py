"""The ways of putting modules together: in a row (Sequential), around them (Residual), side by side (Parallel)."""

from collections.abc import Iterator

import numpy as np

from contract import checks, layer_checks
from scratch.calls import recorded, replayed
from scratch.module import Array, Module

__all__ = ["Parallel", "Residual", "Sequential"]


class Container(Module, hands_on=True):
    """Modules by number. Where one of them refuses its input, those before it are given back what they held.

    One may stand in several places, as in PyTorch: `scratch.calls` tells its calls apart.
    """

    modules: tuple[Module, ...]

    def __init__(self, *modules: Module) -> None:
        checks.modules(self.name, modules, (Module,))
        self.modules = modules
        within = list(descendants(self))
        self._below = list(dict.fromkeys(within))  # each of them once
        # Only a module of the user's can come to call another one twice after this.
        self._ordered = all(isinstance(module, Container) or not module._modules for module in within)
        self._records = not self._ordered or len(self._below) < len(within)

    @property
    def _modules(self) -> dict[str, Module]:
        return {str(i): module for i, module in enumerate(self.modules)}

    @recorded
    def forward(self, x: Array) -> Array:
        kept = [module._kept() for module in self._below]
        try:
            return self._remember(self.apply(x))
        except Exception:
            for module, was in zip(self._below, kept, strict=True):
                module._give_back(was)
            raise

    def apply(self, x: Array) -> Array:
        """The output, from the modules."""
        raise NotImplementedError


class Sequential(Container, hands_on=True):
    """Modules in a row: y = f_n(…f_2(f_1(x))).

    The chain rule read from right to left: each module turns dL/d(its output) into dL/d(its input), which is
    dL/d(output) of the one before.
    """

    def apply(self, x: Array) -> Array:
        for module in self.modules:
            x = module.forward(x)
        return x

    @replayed
    def backward(self, grad_output: Array) -> Array:
        self._recall(grad_output)
        for module in reversed(self.modules):
            grad_output = module.backward(grad_output)
        return grad_output

    @replayed
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


class Residual(Sequential, hands_on=True):
    """Modules in a row and a way around them: y = x + f(x), where f is the Sequential of the modules.

    x reaches y twice, so dL/dx = g + gᵀ∂f/∂x: however small ∂f/∂x, a deep net's gradient arrives. The parameters see
    only f, and their gradients are those of f for the same g.

    Raises ValueError for no module, for one module object given twice, and where f's output differs in shape from x.
    Source: K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, CVPR 2016, section 3.2.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(*modules)
        checks.distinct(self.name, modules, "module")

    def apply(self, x: Array) -> Array:
        y = super().apply(x)
        layer_checks.residual(self.name, x.shape, x.dtype, y.shape, y.dtype)
        return np.asarray(x + y)

    def backward(self, grad_output: Array) -> Array:
        return grad_output + super().backward(grad_output)


class Parallel(Container, hands_on=True):
    """Modules side by side, outputs summed: y = Σ_k f_k(x), as in relu(x) + tanh(x).

    Each branch receives the same dL/dy, because ∂y/∂f_k = 1; the input feeds every branch, so its gradient is the sum
    of the branches' input gradients.

    Raises ValueError for no branch, for one branch given twice, and where the branches' outputs differ in shape.
    """

    def __init__(self, *branches: Module) -> None:
        super().__init__(*branches)
        checks.distinct(self.name, branches, "branch")

    def apply(self, x: Array) -> Array:
        outputs = [branch.forward(x) for branch in self.modules]
        checks.same_branches(self.name, [output.shape for output in outputs])
        total = outputs[0].copy()
        for output in outputs[1:]:
            total += output
        return total

    @replayed
    def backward(self, grad_output: Array) -> Array:
        self._recall(grad_output)
        gradients = [branch.backward(grad_output) for branch in reversed(self.modules)]
        gradients.reverse()  # the sum is in the order of forward
        total = gradients[0].copy()
        for gradient in gradients[1:]:
            total += gradient
        return total


def descendants(module: Module) -> Iterator[Module]:
    """What the module is made of, as often as it is."""
    for child in module._modules.values():
        yield child
        yield from descendants(child)
