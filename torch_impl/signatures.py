"""The signatures of the hand-written side's constructors, made from torch's, and how Python refuses what does not fit.

Torch's own take more: `inplace`, deprecated names, `device` in places that `scratch` has not.
"""

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

import numpy as np
from torch import nn

from torch_impl import modules

ABSENT = {"inplace", "min_value", "max_value", "max_norm", "norm_type", "_weight", "_freeze", "size_average", "reduce"}
"""Options of torch's that the hand-written side does not have: the caller's arrays stay as they are, and deprecated
names stay away."""
DRAWN = (nn.Bilinear, nn.Embedding, nn.Linear, modules.Dropout, modules.RReLU)
"""What draws numbers takes `rng`."""
CONTAINERS = {nn.Sequential: "modules", modules.Residual: "modules", modules.Parallel: "branches"}


def signature(kind: type[nn.Module]) -> inspect.Signature:
    """The parameters of `scratch`'s constructor of this name."""
    if kind in CONTAINERS:
        return inspect.Signature([Parameter(CONTAINERS[kind], Parameter.VAR_POSITIONAL)])
    if kind.__init__ is nn.Module.__init__:
        return inspect.Signature()
    theirs = [p for p in inspect.signature(kind).parameters.values() if p.name not in ("device", "dtype")]
    kept: list[Parameter] = []
    for i, parameter in enumerate(theirs):
        if parameter.name in ABSENT:
            continue
        gap = any(p.name == "max_norm" for p in theirs[:i])  # what follows has no place that torch's has too
        default = Parameter.empty if parameter.name == "dim" and parameter.default is None else parameter.default
        kept.append(parameter.replace(kind=Parameter.KEYWORD_ONLY if gap else parameter.kind, default=default))
    place = kept[-1].kind if kept else Parameter.POSITIONAL_OR_KEYWORD
    if "dtype" in inspect.signature(kind).parameters:
        kept.append(Parameter("dtype", place, default=np.float32))
    if issubclass(kind, DRAWN):
        kept.append(Parameter("rng", place, default=None))
    return inspect.Signature(kept)


Bind = Callable[..., dict[str, Any]]
BINDERS: dict[type[nn.Module], Bind] = {}
"""Those made so far."""


def arguments(kind: type[nn.Module], args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """By name, defaults among them."""
    if kind not in BINDERS:
        BINDERS[kind] = binder(kind)
    return BINDERS[kind](*args, **options)


def binder(kind: type[nn.Module]) -> Bind:
    """What does not fit Python itself refuses, in the words that it has for the class of the hand-written side: they
    come from a function of that name and signature, or from a class without one."""
    parameters = signature(kind).parameters.values()
    if not parameters:
        bare = type(kind.__name__, (), {})
        return lambda *args, **options: vars(bare(*args, **options))
    texts = ["self"]
    for p in parameters:
        if p.kind is Parameter.KEYWORD_ONLY and "*" not in texts:
            texts.append("*")
        star = "*" * (p.kind is Parameter.VAR_POSITIONAL)
        texts.append(star + p.name + f"=defaults[{p.name!r}]" * (p.default is not Parameter.empty))
    names: dict[str, Any] = {"defaults": {p.name: p.default for p in parameters}}
    exec(f"def __init__({', '.join(texts)}): return locals()", names)
    function = names["__init__"]
    function.__qualname__ = f"{kind.__name__}.__init__"

    def bind(*args: Any, **options: Any) -> dict[str, Any]:
        given: dict[str, Any] = function(None, *args, **options)
        del given["self"]
        return given

    return bind
