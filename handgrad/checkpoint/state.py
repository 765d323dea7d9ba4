"""What training changes, as a tree that a file can hold, and back: on either side, and across them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np

from contract import Model, Optimizer, checks
from handgrad.checkpoint.file import CheckpointError

Tree = dict[str, Any]


class Trained(Protocol):
    """A `Trainer` of either side, or anything else with its model and its optimizer, as some LBFGS needs."""

    @property
    def model(self) -> Model: ...
    @property
    def optimizer(self) -> Optimizer: ...


class Schedule(Protocol):
    """A learning-rate schedule of either side."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> None: ...


Generators = Mapping[str, Any]
"""`numpy.random.Generator` or `torch.Generator`, by names of the caller's."""


def state_of(trainer: Trained, schedule: Schedule | None = None, generators: Generators | None = None) -> Tree:
    """Everything that training changes, as copies."""
    model, optimizer = trainer.model, trainer.optimizer
    dense = {name for name, parameter in model.named_parameters() if getattr(parameter, "rows", None) is None}
    return {
        "side": side_of(trainer),
        "model": model.state_dict(),
        "gradients": {n: np.array(g) for n, g in model.named_gradients() if g is not None and n in dense},
        "drawing": {name: _drawn(generator) for name, generator in drawing(model)},
        "optimizer": {"name": _name(optimizer), **optimizer.state_dict()},
        "schedule": None if schedule is None else {"name": _name(schedule), **schedule.state_dict()},
        "generators": {name: _drawn(generator) for name, generator in (generators or {}).items()},
    }


def restore(
    state: Any, trainer: Trained, schedule: Schedule | None = None, generators: Generators | None = None
) -> None:
    """Take over what `state_of` gave, of either side.

    CheckpointError says in one line what does not fit (another net, optimizer, schedule or generator); then nothing
    has changed.
    """
    model, optimizer, named = trainer.model, trainer.optimizer, dict(generators or {})
    drawn = dict(drawing(model))
    with ExitStack() as undo:
        try:
            own = {name: (array.shape, array.dtype) for name, array in model.state_dict().items()}
            checks.state_dict(_name(model), own, state["model"])
            _same("optimizer", _name(optimizer), state["optimizer"]["name"])
            _same("schedule", schedule and _name(schedule), state["schedule"] and state["schedule"]["name"])
            _same("generators", sorted(named), sorted(state["generators"]))
            _same("layers that draw numbers", sorted(drawn), sorted(state["drawing"]))
            parts: list[tuple[Any, str]] = [(optimizer, "optimizer"), (schedule, "schedule")]
            for part, key in parts:
                if part is not None:
                    undo.callback(part.load_state_dict, part.state_dict())
                    part.load_state_dict({name: value for name, value in state[key].items() if name != "name"})
            for name, generator in [*named.items(), *drawn.items()]:
                undo.callback(_give(generator), _drawn(generator))
                _give(generator)(state["generators" if name in named else "drawing"][name])
            gradients = {name: state["gradients"].get(name) for name, _ in model.named_parameters()}
            for name, parameter in model.named_parameters():
                undo.callback(setattr, parameter, "grad", parameter.grad)
                parameter.grad = gradients[name]  # type: ignore[misc]  # the protocol only reads it
            model.load_state_dict(state["model"])
        except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
            text = error if isinstance(error, ValueError) else f"it is not whole ({type(error).__name__}: {error})"
            raise CheckpointError(f"the checkpoint does not fit: {text}") from error
        undo.pop_all()  # all of it is taken


def side_of(trainer: Trained) -> str:
    """ "scratch" or "torch"."""
    return "torch" if type(trainer.optimizer).__module__.startswith("torch_impl") else "scratch"


def drawing(model: Any, prefix: str = "") -> Iterator[tuple[str, np.random.Generator]]:
    """The generators of layers that draw (dropout), by the layers' names."""
    if isinstance(generator := getattr(model, "rng", None), np.random.Generator):
        yield prefix.rstrip("."), generator
    for name, child in model.named_children():
        yield from drawing(child, f"{prefix}{name}.")


def _name(part: Any) -> str:
    return str(getattr(part, "name", None) or type(part).__name__)


def _same(what: str, own: Any, given: Any) -> None:
    if own != given:
        raise ValueError(f"its {what}: {_spelled(given)}; here: {_spelled(own)}")


def _spelled(names: Any) -> str:
    if isinstance(names, list):
        return ", ".join(name or "the net itself" for name in names) or "none"
    return str(names or "none")


def _drawn(generator: Any) -> Any:
    """A generator's state: of NumPy's its own dict, of torch's its bytes."""
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state().numpy()


def _give(generator: Any) -> Callable[[Any], None]:
    def give(state: Any) -> None:
        if not isinstance(generator, np.random.Generator):
            from torch import from_numpy

            generator.set_state(from_numpy(np.asarray(state, np.uint8)))
            return
        bits = generator.bit_generator
        _same("generator", type(bits).__name__, state["bit_generator"])
        bits.state = state

    return give
