"""The adapter that puts any `torch.optim.Optimizer` behind the contract."""

import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from contract import checks, optimizer_checks
from torch_impl.parameter import Parameter, renew_sparse, to_numpy, to_tensor


class Optimizer:
    """A torch optimizer, reachable as `.optimizer`, behind the contract."""

    optimizer: torch.optim.Optimizer

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        checks.belongs("Optimizer", "optimizer", optimizer, torch.optim.Optimizer, "an optimizer of torch.optim")
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
        if closure is not None or isinstance(self.optimizer, torch.optim.LBFGS):
            optimizer_checks.closure(self.name, closure)
        self._begin()
        self._plain()
        return self.optimizer.step(closure)

    def _plain(self) -> None:
        """Options as Python numbers: whoever wrote one into a group since may have written a NumPy scalar."""
        for group in self.param_groups:
            for name, value in group.items():
                if name != "params" and isinstance(value, np.generic | tuple | list):
                    group[name] = optimizer_checks.plain(value)

    def zero_grad(self, set_to_none: bool = True) -> None:
        checks.truth(self.name, "set_to_none", set_to_none)
        self.optimizer.zero_grad(set_to_none)
        renew_sparse(tensor for group in self.param_groups for tensor in group["params"])

    def state_dict(self) -> dict[str, Any]:
        """State by parameter number and options by group, with arrays for tensors, as copies."""
        given = self.optimizer.state_dict()
        state = {
            number: {name: _arrays(_count(name, value)) for name, value in entries.items() if value is not None}
            for number, entries in given["state"].items()
        }
        return {
            "state": {number: entries for number, entries in state.items() if entries},
            "param_groups": [
                {**optimizer_checks.plain_options(group), "params": list(group["params"])}
                for group in given["param_groups"]
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; what it does not name is forgotten.

        ValueError or TypeError for the state of another optimizer, for other groups, options, shapes or dtypes; then
        nothing changes.
        """
        expected = [(p.data.shape, p.data.dtype) for p in self.parameters()]
        options, entries = optimizer_checks.optimizer_state(
            self.name, state, self.param_groups, expected, self.defaults
        )
        places = iter(range(len(expected)))
        groups = [
            {**new, "params": [next(places) for _ in group["params"]]}
            for group, new in zip(self.param_groups, options, strict=True)
        ]
        tensors = {i: {name: _tensors(value) for name, value in entry.items()} for i, entry in entries.items()}
        self.optimizer.load_state_dict({"state": tensors, "param_groups": groups})
        # torch casts all state but `step` to the parameter's dtype: what it computes in float32 is set back to float32.
        for entry in self.optimizer.state.values():
            for name in optimizer_checks.SINGLE:
                if name in entry:
                    entry[name] = entry[name].float()
            if isinstance(self.optimizer, torch.optim.SparseAdam):
                entry["step"] = int(entry["step"])  # a Python number here, and of its precision
        self._begin()

    def _begin(self) -> None:
        """State that torch makes at the first step alone, or when it makes the optimizer, where it is missing since.

        An option may be switched on, or a state loaded, later: torch then ends in a KeyError.
        """
        if type(self.optimizer) not in LATE:
            return
        for group in self.optimizer.param_groups:
            for option, name in LATE[type(self.optimizer)].items():
                if not group.get(option):
                    continue
                for tensor in group["params"]:
                    state = self.optimizer.state[tensor]
                    if "step" in state and name not in state:
                        state[name] = torch.zeros_like(tensor, memory_format=torch.preserve_format)
            for tensor in group["params"]:
                state = self.optimizer.state[tensor]
                if isinstance(self.optimizer, torch.optim.Adagrad) and not state:
                    first = self.defaults["initial_accumulator_value"]
                    state.update(step=torch.zeros(()), sum=torch.full_like(tensor, first))
                if "al" in state and len(state["al"]) < group["history_size"]:
                    state["al"] = [None] * group["history_size"]

    def __repr__(self) -> str:
        return repr(self.optimizer)


# What an option that is switched on after the first step needs of the state: the hand-written side begins it at zero.
LATE: dict[type[torch.optim.Optimizer], dict[str, str]] = {
    torch.optim.Adam: {"amsgrad": "max_exp_avg_sq"},
    torch.optim.AdamW: {"amsgrad": "max_exp_avg_sq"},
    torch.optim.RMSprop: {"momentum": "momentum_buffer", "centered": "grad_avg"},
    torch.optim.Adagrad: {},
    torch.optim.LBFGS: {},
}


def constructor(kind: type[torch.optim.Optimizer]) -> Callable[..., Optimizer]:
    """A function that makes `kind` over `Parameter`s or over groups of them, in the words of the hand-written side."""
    name = kind.__name__
    signature = inspect.signature(kind)
    positional = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    # As on the hand-written side no position lies behind an option that only torch has.
    positional = list(itertools.takewhile(lambda option: option not in optimizer_checks.ONLY_TORCHS, positional))

    def make(params: Any, *args: Any, **options: Any) -> Optimizer:
        if len(args) + 1 > len(positional):
            words = f"takes from 2 to {len(positional) + 1} positional arguments but {len(args) + 2} were given"
            raise TypeError(f"{name}.__init__() {words}")
        for option in options:
            if option in positional[1 : len(args) + 1]:
                raise TypeError(f"{name}.__init__() got multiple values for argument {option!r}")
            if option not in signature.parameters:
                raise TypeError(f"{name}.__init__() got an unexpected keyword argument {option!r}")
        given = {**dict(zip(positional[1:], args, strict=False)), **options}
        return _made(kind, params, given)

    make.__qualname__ = f"{name}.__init__"  # Python names it where `params` is missing
    return make


def _made(kind: type[torch.optim.Optimizer], params: Any, given: dict[str, Any]) -> Optimizer:
    name = kind.__name__
    if name == "LBFGS":
        checks.count(name, "max_iter", given.get("max_iter", 20), 1)  # the default of max_eval is made of it
    known = kind([torch.zeros(1, 1)]).defaults  # type: ignore[call-arg]  # the base class alone wants defaults
    optimizer_checks.optimizer_options(name, {**known, **given}, known)
    chosen = optimizer_checks.plain_options(given)
    defaults = {**known, **chosen}
    groups = optimizer_checks.parameter_groups(name, params, Parameter, defaults)
    for group in groups:
        group["params"] = [parameter.tensor for parameter in group["params"]]
    tensors = [tensor for group in groups for tensor in group["params"]]
    checks.distinct(name, tensors, "parameter")
    optimizer_checks.by_rows(name, [Parameter(tensor).rows is not None for tensor in tensors])
    optimizer_checks.one_group(name, len(groups))
    optimizer_checks.parameter_shapes(name, [tuple(tensor.shape) for tensor in tensors])
    if kind is torch.optim.SGD and any(group.get("nesterov", defaults["nesterov"]) for group in groups):
        # torch's way over many tensors at once, a GPU's default, adds the momentum to p.grad itself.
        chosen["foreach"] = False
    return Optimizer(kind(groups, **chosen))


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
