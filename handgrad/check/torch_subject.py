"""PyTorch code as a subject: a module, an autograd Function, or a function of tensors. Imported only if torch is."""

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from handgrad.check import held
from handgrad.check.subject import Array, Case, CheckError, Values, instance, required


def read(op: Any, role: str) -> "Torch | None":
    """The subject of what is torch's, else None. As a reference any function of tensors will do."""
    if isinstance(op, type) and issubclass(op, nn.Module):
        op = instance(op)
    if isinstance(op, nn.Module):
        return module(op)
    if isinstance(op, type) and issubclass(op, torch.autograd.Function):
        return function(op)
    if role == "reference" and not isinstance(op, type) and callable(op) and not hasattr(op, "backward"):
        names = tuple(p.name for p in required(op))  # empty if it does not say: then the op's
        return Torch(getattr(op, "__name__", type(op).__name__), "function of tensors", op, op, names)
    return None


@contextlib.contextmanager
def kept(seed: int) -> Iterator[None]:
    """PyTorch's share of `surroundings.kept`: its generator, threads and default dtype; autograd is on within.

    One thread: small arrays, thousands of calls, and waking the others would take far longer than the work.
    """
    threads, dtype, state = torch.get_num_threads(), torch.get_default_dtype(), torch.get_rng_state()
    torch.set_num_threads(1)
    torch.manual_seed(seed % 2**32)
    try:
        with torch.inference_mode(False):  # which ends no_grad too
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_rng_state(state)


class Torch:
    """Code on tensors. Its gradient is what autograd makes of it: of a `torch.autograd.Function`, its own backward."""

    def __init__(
        self,
        name: str,
        kind: str,
        source: Any,
        call: Callable[..., Any],
        arguments: tuple[str, ...],
        parameters: Values | None = None,
        composite: bool = True,
        loss: bool = False,
    ) -> None:
        self.name, self.kind, self.source, self.call = name, kind, source, call
        self.arguments, self.parameters = arguments, parameters or {}
        self.composite, self.loss = composite, loss
        rest = arguments[1:] if loss else ()
        self.targets = tuple(name for name in rest if name == "target") or rest
        self.predicts = arguments[0] if arguments else ""
        self._modules: dict[bool, tuple[nn.Module, dict[str, nn.Parameter]]] = {}
        self._generator = torch.get_rng_state()  # every call draws the same
        self._own: list[tuple[Callable[[Any], None], Any]] = []

    def forward(self, case: Case, values: Values) -> Array:
        with torch.no_grad():
            return numpy(self._call(case, {name: tensor(a) for name, a in values.items()}, values))

    def backward(self, case: Case, values: Values, upstream: Array) -> dict[str, Any]:
        leaves = {name: tensor(a).requires_grad_() for name, a in values.items()}
        output = self._call(case, leaves, values)
        if not output.requires_grad:
            return dict.fromkeys(leaves)  # cut off from autograd: no gradient at all
        above = tensor(upstream).to(output.dtype)
        gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
            output, list(leaves.values()), above, allow_unused=True
        )
        found = {name: None if g is None else numpy(g) for name, g in zip(leaves, gradients, strict=True)}
        # An argument without a gradient is a constant if another one has a gradient; else None means 0.
        some = any(found[name] is not None for name in case.arguments if name in found)
        return {
            name: np.zeros(values[name].shape) if g is None else g
            for name, g in found.items()
            if g is not None or name in self.parameters or not some
        }

    def behaviour(self, case: Case, upstream: Array) -> list[str]:
        leaves = {name: tensor(a).requires_grad_() for name, a in case.values.items()}
        self._call(case, leaves, case.values)
        return [
            f"side effect: it modifies {name} in place"
            for name, leaf in leaves.items()
            if not np.array_equal(numpy(leaf), case.values[name], equal_nan=True)
        ]

    def _call(self, case: Case, tensors: dict[str, torch.Tensor], values: Values) -> torch.Tensor:
        torch.set_rng_state(self._generator)
        for put, state in self._own:
            put(state)
        call = dict(zip(case.arguments, case.call(values), strict=True))
        arguments = [tensors[name] if name in tensors else tensor(call[name]) for name in case.arguments]
        if isinstance(self.source, nn.Module):
            own = {name: tensors[name] for name in self.parameters}
            cast, theirs = self._cast(any(a.dtype == np.float32 for a in values.values()))
            if torch.is_grad_enabled() or any(theirs[name].dtype != t.dtype for name, t in own.items()):
                output = torch.func.functional_call(cast, own, tuple(arguments))
            else:  # the same, without the cost of a call for every difference
                for name, t in own.items():
                    theirs[name].copy_(t)
                output = cast(*arguments)
        else:
            output = self.call(*arguments)
        if not isinstance(output, torch.Tensor):
            raise CheckError(f"{self.name} must return one tensor; it returned {type(output).__name__}")
        return output

    def _cast(self, single: bool) -> tuple[nn.Module, dict[str, nn.Parameter]]:
        """The module with its buffers (class weights, running means) in the dtype of the values, and its parameters."""
        if single not in self._modules:
            made = copy.deepcopy(self.source).to(torch.float32 if single else torch.float64)
            self._modules[single] = made, dict(made.named_parameters())
            self._own += held.generators(made)
        return self._modules[single]


def module(op: nn.Module) -> Torch:
    parameters = {name: numpy(p) for name, p in op.named_parameters()}
    arguments = tuple(p.name for p in required(op.forward)) or ("input",)
    loss = isinstance(op, nn.modules.loss._Loss) or (len(arguments) == 2 and arguments[1] == "target")
    composite = type(op).__module__.partition(".")[0] != "torch" or any(True for _ in op.children())
    return Torch(type(op).__name__, "torch module", op, op, arguments, parameters, composite, loss)


def function(op: type[torch.autograd.Function]) -> Torch:
    old_style = "setup_context" not in vars(op)
    parameters = list(inspect.signature(op.forward).parameters.values())[1 if old_style else 0 :]
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        raise CheckError(
            f"{op.__name__}.forward takes *{parameters[0].name}: wrap its apply in an nn.Module to name them"
        )
    names = tuple(p.name for p in parameters if p.default is inspect.Parameter.empty)
    return Torch(op.__name__, "torch.autograd.Function", op, op.apply, names, composite=False)


def tensor(a: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(a, np.int64) if a.dtype.kind in "iu" else np.array(a))


def numpy(t: torch.Tensor) -> Array:
    return np.array(t.detach().resolve_conj().cpu().numpy())
