"""The adapter that puts any `torch.optim.Optimizer` behind the contract."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from torch_impl import checks
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

    def step(self) -> None:
        self.optimizer.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """State by parameter number and options by group, with arrays for tensors, as copies."""
        given = self.optimizer.state_dict()
        state = {
            number: {name: to_numpy(torch.as_tensor(value)) for name, value in entries.items() if value is not None}
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
        checks.optimizer_state(self.name, state, own, expected)
        for given in state["param_groups"]:
            known = {name: value for name, value in given.items() if name in self.defaults}
            checks.optimizer_options(self.name, known, self.defaults)
        tensors = {
            int(number): {name: to_tensor(value) for name, value in entries.items()}
            for number, entries in state["state"].items()
        }
        # Options that only torch has (foreach, fused) are kept where the given groups do not name them.
        groups = [{**group, **given} for group, given in zip(self.param_groups, state["param_groups"], strict=True)]
        self.optimizer.load_state_dict({"state": tensors, "param_groups": groups})

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
    known = kind([torch.zeros(1)]).defaults  # type: ignore[call-arg]  # the base class alone wants defaults
    for option in options:
        if option not in known:
            raise TypeError(f"{name}.__init__() got an unexpected keyword argument {option!r}")
    for group in groups:
        own = {option: value for option, value in group.items() if option != "params"}
        checks.optimizer_options(name, {**known, **options, **own}, known)
    checks.distinct(name, [tensor for group in groups for tensor in group["params"]], "parameter")
    return Optimizer(kind(groups, **options))
