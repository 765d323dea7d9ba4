"""The adapter that puts any `torch.optim.Optimizer` behind the contract."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from torch_impl import checks, optimizer_checks
from torch_impl.parameter import Parameter, to_numpy, to_tensor


class Optimizer:
    """A torch optimizer, reachable as `.optimizer`, behind the contract."""

    optimizer: torch.optim.Optimizer

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def name(self) -> str:
        return type(self.optimizer).__name__

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The optimizer's own groups: an edited `lr` takes effect at the next step."""
        return self.optimizer.param_groups

    @property
    def defaults(self) -> dict[str, Any]:
        return self.optimizer.defaults

    def parameters(self) -> list[Parameter]:
        """All parameters, in the order in which `state_dict` numbers them."""
        return [Parameter(tensor) for group in self.param_groups for tensor in group["params"]]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters. Returns the closure's loss, if one is given (LBFGS needs one, and calls it often)."""
        if isinstance(self.optimizer, torch.optim.LBFGS):
            optimizer_checks.closure(self.name, closure)
        return self.optimizer.step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """State by parameter number and options by group, with arrays for tensors, as copies."""
        given = self.optimizer.state_dict()
        state = {
            number: {name: _arrays(_count(name, value)) for name, value in entries.items() if value is not None}
            for number, entries in given["state"].items()
        }
        return {
            "state": {number: entries for number, entries in state.items() if entries},
            "param_groups": [dict(group) for group in given["param_groups"]],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. ValueError for other groups, shapes or dtypes; then nothing changes."""
        own = [len(group["params"]) for group in self.param_groups]
        expected = {i: (p.data.shape, p.data.dtype) for i, p in enumerate(self.parameters())}
        optimizer_checks.optimizer_state(self.name, state, own, expected)
        # Options that only torch has (foreach, fused) are kept where the given groups do not name them.
        groups = [{**group, **given} for group, given in zip(self.param_groups, state["param_groups"], strict=True)]
        for group in groups:
            options = {name: value for name, value in group.items() if name in self.defaults}
            optimizer_checks.optimizer_options(self.name, options, self.defaults)
        tensors = {
            int(number): {name: _tensors(value) for name, value in entries.items()}
            for number, entries in state["state"].items()
        }
        self.optimizer.load_state_dict({"state": tensors, "param_groups": groups})
        if isinstance(self.optimizer, torch.optim.SparseAdam):
            for entries in self.optimizer.state.values():
                entries["step"] = int(entries["step"])  # a Python number here, and of its precision
            return
        # torch casts all state but `step` to the parameter's dtype: what it computes in float32 is set back to float32.
        for entries in self.optimizer.state.values():
            for name in optimizer_checks.SINGLE:
                if name in entries:
                    entries[name] = entries[name].float()

    def __repr__(self) -> str:
        return repr(self.optimizer)


def make(kind: type[torch.optim.Optimizer], params: Iterable[Any], **options: Any) -> Optimizer:
    """`kind` over `Parameter`s or over groups of them, its options checked in the words of the hand-written side."""
    name = kind.__name__
    entries = list(params)
    if not entries or not isinstance(entries[0], dict):
        entries = [{"params": entries}]
    groups = []
    for entry in entries:
        given = entry["params"]
        members = [given] if isinstance(given, Parameter) else list(given)
        checks.parameters(name, members, Parameter)
        groups.append({**entry, "params": [parameter.tensor for parameter in members]})
    known = kind([torch.zeros(1, 1)]).defaults  # type: ignore[call-arg]  # the base class alone wants defaults
    for option in options:
        if option not in known:
            raise TypeError(f"{name}.__init__() got an unexpected keyword argument {option!r}")
    for group in groups:
        own = {option: value for option, value in group.items() if option != "params"}
        optimizer_checks.group_options(name, own, {**known, **options})
    tensors = [tensor for group in groups for tensor in group["params"]]
    checks.distinct(name, tensors, "parameter")
    optimizer_checks.by_rows(name, [Parameter(tensor).rows is not None for tensor in tensors])
    optimizer_checks.one_group(name, len(groups))
    optimizer_checks.parameter_shapes(name, [tuple(tensor.shape) for tensor in tensors])
    return Optimizer(kind(groups, **options))


def _count(name: str, value: Any) -> Any:
    """A step count as torch's other optimizers keep it; SparseAdam's is a Python number."""
    return np.asarray(value, np.float32) if name == "step" and isinstance(value, int) else value


def _arrays(value: Any) -> Any:
    """Tensors and lists of them as arrays; plain numbers as they are."""
    if isinstance(value, list):
        return [_arrays(entry) for entry in value]
    return to_numpy(value) if isinstance(value, torch.Tensor) else value


def _tensors(value: Any) -> Any:
    if isinstance(value, list):
        return [_tensors(entry) for entry in value]
    return to_tensor(value) if isinstance(value, np.ndarray) else value
