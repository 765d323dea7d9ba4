"""What all optimizers share: parameter groups, per-parameter state, state dicts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from contract import checks, optimizer_checks
from scratch.flags import methods_without_underflow, without_underflow
from scratch.module import Array, Parameter

Group = dict[str, Any]
State = dict[str, Any]
PIECE = 2**15
PLAIN = {bool, int, float, str, type(None)}
Closure = Callable[[], Any]
"""Evaluates the model anew: sets the gradients and returns the loss."""


class Optimizer:
    """Updates parameters in place from their gradients; a subclass writes `update` for one parameter.

    `params` is an iterable of Parameters, or of groups `{"params": [...], "lr": ...}` whose options override the
    defaults. `param_groups` may be edited between steps (a learning-rate schedule does just that). Parameters whose
    gradient is None are left alone: no weight decay, no momentum.

    Raises ValueError for no parameter, for one given twice, and for options unknown or out of range.
    """

    name: str = "Optimizer"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = vars(cls).get("name", cls.__name__)
        methods_without_underflow(cls, "step")

    def __init__(self, params: Iterable[Parameter] | Iterable[Group], defaults: Group) -> None:
        checks.belongs(self.name, "defaults", defaults, dict, "a dict of options")
        optimizer_checks.optimizer_options(self.name, defaults, defaults)
        self.defaults = optimizer_checks.plain_options(defaults)
        groups = optimizer_checks.parameter_groups(self.name, params, Parameter, self.defaults)
        self.param_groups: list[Group] = [{**self.defaults, **group} for group in groups]
        checks.distinct(self.name, self.parameters(), "parameter")
        optimizer_checks.by_rows(self.name, [parameter.rows is not None for parameter in self.parameters()])
        optimizer_checks.one_group(self.name, len(self.param_groups))
        optimizer_checks.parameter_shapes(self.name, [parameter.shape for parameter in self.parameters()])
        self.state: dict[Parameter, State] = {}

    def parameters(self) -> list[Parameter]:
        """All parameters, in the order in which `state_dict` numbers them."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def update(self, parameter: Parameter, gradient: Array, group: Group, state: State) -> None:
        """One step of one parameter: change `parameter.data` and `state` in place, never `gradient`."""
        raise NotImplementedError(f"{self.name} does not define update")

    @without_underflow
    def step(self, closure: Closure | None = None) -> Any:
        """Update every parameter that has a gradient. Returns the closure's loss, if one is given: it is called first.

        ValueError or TypeError for a gradient that does not fit.
        """
        if closure is not None:
            optimizer_checks.closure(self.name, closure)
        value = None if closure is None else closure()
        self._plain()
        self.check_gradients()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, group, self.state.setdefault(parameter, {}))
        return value

    def _plain(self) -> None:
        """Options as Python numbers: whoever wrote one into a group since may have written a NumPy scalar."""
        for group in self.param_groups:
            for name, value in group.items():
                if type(value) not in PLAIN and name != "params":
                    group[name] = optimizer_checks.plain(value)

    def check_gradients(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient, data = parameter.grad, parameter.data
                if gradient is None:
                    continue
                if getattr(gradient, "shape", None) != data.shape or gradient.dtype != data.dtype:
                    checks.gradient(self.name, gradient, data.shape, data.dtype)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with `set_to_none=False` set existing ones to zero."""
        checks.truth(self.name, "set_to_none", set_to_none)
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                object.__setattr__(parameter, "grad", None)  # None needs no check
            else:
                parameter.grad = np.zeros_like(parameter.data)

    def state_dict(self) -> dict[str, Any]:
        """State by parameter number and options by group, as copies, in the layout of PyTorch's `state_dict`.

        Step counts are float32 arrays without axes, as PyTorch keeps them.
        """
        numbers = {parameter: i for i, parameter in enumerate(self.parameters())}
        state = {
            numbers[parameter]: {
                name: np.asarray(value, np.float32) if name == "step" else _copied(value)
                for name, value in entries.items()
            }
            for parameter, entries in self.state.items()
            if entries
        }
        groups = [
            {**optimizer_checks.plain_options(group), "params": [numbers[p] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; what it does not name is forgotten.

        ValueError or TypeError for the state of another optimizer, for other groups, options, shapes or dtypes; then
        nothing changes.
        """
        parameters = self.parameters()
        expected = [(parameter.data.shape, parameter.data.dtype) for parameter in parameters]
        options, entries = optimizer_checks.optimizer_state(
            self.name, state, self.param_groups, expected, self.defaults
        )
        for group, new in zip(self.param_groups, options, strict=True):
            members = group["params"]
            group.clear()
            group.update(new, params=members)
        self.state = {parameters[i]: _taken(parameters[i], entry) for i, entry in entries.items()}

    def __repr__(self) -> str:
        lines = [f"{self.name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params"]
        return "\n".join([*lines, ")"])


def direction(parameter: Parameter, gradient: Array, group: Group) -> Array:
    """What an optimizer descends: −g with `maximize`, and λθ added with `weight_decay` λ (the gradient of ½λ‖θ‖²).

    With `decoupled_weight_decay` θ itself decays instead: θ ← (1 − lr·λ)θ.
    """
    if group["maximize"]:
        gradient = -gradient
    if not (decay := group["weight_decay"]):
        return gradient
    if group.get("decoupled_weight_decay"):
        parameter.data *= 1 - group["lr"] * decay
        return gradient
    decayed: Array = gradient + decay * parameter.data
    return decayed


def pieces(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The same stretch of every array at a time, as flat views, for an update that treats all numbers alike.

    A stretch of 32,768 numbers stays in the cache from the first line of the update to the last: Adam's dozen lines
    take half the time on a million numbers. Arrays that do not lie alike in memory come whole.
    """
    first = arrays[0]
    if first.size <= PIECE or not _alike(arrays):
        yield arrays
        return
    flat = [a.ravel("K") for a in arrays]
    for start in range(0, first.size, PIECE):
        yield tuple(a[start : start + PIECE] for a in flat)


def _alike(arrays: tuple[Array, ...]) -> bool:
    """Whether all lie in memory without gaps and in one order."""
    first = arrays[0]
    return (first.flags.c_contiguous or first.flags.f_contiguous) and all(a.strides == first.strides for a in arrays)


def _copied(value: Any) -> Any:
    """Arrays and lists of them as copies, by rows: who writes a file may write memory as it lies. Plain numbers."""
    if isinstance(value, list):
        return [_copied(entry) for entry in value]
    return np.array(value, order="C") if isinstance(value, np.ndarray | np.generic) else value


def _taken(parameter: Parameter, entries: State) -> State:
    """The state of one parameter as copies: what has its shape lies in memory as it does."""
    taken: State = {}
    for name, value in entries.items():
        if name == "step":
            taken[name] = int(value)
        elif isinstance(value, np.ndarray) and value.shape == parameter.data.shape:
            alike = np.empty_like(parameter.data, value.dtype)
            alike[...] = value
            taken[name] = alike
        else:
            taken[name] = _copied(value)
    return taken
