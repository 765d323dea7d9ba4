"""Reading a model, a loss or an optimizer by shape: class names, attributes and children; no side is imported.

An adapter is looked through: what it wraps is its `.module` (a model, a loss) or its `.optimizer`.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

# Wrappers around the thing itself: our adapters and DistributedDataParallel, torch.compile.
_WRAPPERS = ("module", "_orig_mod")


def unwrap(thing: Any) -> Any:
    """The model or loss inside any number of wrappers."""
    while True:
        for name in _WRAPPERS:
            inner = getattr(thing, name, None)
            if hasattr(inner, "forward"):
                thing = inner
                break
        else:
            return thing


def class_name(thing: Any) -> str:
    return type(thing).__name__


def side_of(thing: Any) -> str:
    """The package that the thing's class comes from, as the name of the side."""
    return {"torch_impl": "torch"}.get(top := type(thing).__module__.partition(".")[0], top)


def is_known(thing: Any) -> bool:
    """Whether the thing's class is PyTorch's, an adapter's or a hand-written one of `scratch`: no code of a user's."""
    return side_of(thing) in ("torch", "scratch")


def children(module: Any) -> list[tuple[str, Any]]:
    """Name and child, in order; a layer that is used twice comes twice, unlike from torch.nn's `named_children`."""
    own = getattr(module, "_modules", None)
    pairs = own.items() if isinstance(own, dict) else module.named_children()
    return [(str(name), child) for name, child in pairs if child is not None]


def array(value: Any) -> npt.NDArray[Any]:
    """A NumPy view of an array, a number or a tensor on any device."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def copy(value: Any) -> npt.NDArray[Any]:
    return np.array(array(value), copy=True)


def named_parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """The model's parameters under the names they have inside every wrapper."""
    for name, parameter in model.named_parameters():
        yield ".".join(part for part in name.split(".") if part not in _WRAPPERS), parameter


def frozen(model: Any) -> frozenset[str]:
    """The names of the parameters that need no gradient."""
    return frozenset(
        name for name, p in named_parameters(model) if not getattr(getattr(p, "tensor", p), "requires_grad", True)
    )


def named_buffers(model: Any) -> Iterator[tuple[str, Any]]:
    """The model's buffers under the names they have inside every wrapper; of a model that has none, none."""
    for name, buffer in model.named_buffers() if hasattr(model, "named_buffers") else ():
        yield ".".join(part for part in name.split(".") if part not in _WRAPPERS), getattr(buffer, "data", buffer)


def refuse_tied(model: Any) -> None:
    """ValueError naming two places of a model that hold one parameter or buffer: a rule takes a layer's for its own."""
    first: dict[int, tuple[str, Any]] = {}  # the objects too: the id of one that is gone may be another's
    parameters = {id(parameter) for parameter in model.parameters()} if hasattr(model, "parameters") else set()
    for name in model.state_dict() if hasattr(model, "state_dict") else ():
        *path, own = name.split(".")
        layer = model
        try:
            for key in path:
                layer = dict(children(unwrap(layer)))[key]
            held = getattr(unwrap(layer), own)
        except (AttributeError, KeyError):  # it is kept in no attribute of its name, so that no rule reads it
            continue
        other, _ = first.setdefault(id(held), (name, held))
        if other != name:
            kinds, kind = ("weights", "parameter") if id(held) in parameters else ("buffers", "buffer")
            why = "the judge has no rule for what several layers share, or one layer in several places"
            raise ValueError(f"{kinds} {other!r} and {name!r} are one {kind}: {why}")


def unknown(kind: str, name: str, known: Iterable[str]) -> TypeError:
    """The error for a class that the judge has no rule for."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return TypeError(f"the judge has no rule for the {kind} {name}{hint}; it knows {', '.join(sorted(known))}")
