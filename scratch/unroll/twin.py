"""The source of `scratch` and `contract`, executed once more with the NumPy that keeps a record.

The modules made here are in no `sys.modules`: nothing that runs elsewhere is touched, by whatever thread.
"""

import builtins
import functools
import importlib.util
import re
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from scratch import flags
from scratch.losses.loss import Criterion
from scratch.module import Module
from scratch.optim import Optimizer
from scratch.unroll.record import Array, Number, Record, Scope, Stage, UnrollError

OWN = ("scratch", "contract")
FORGOTTEN = ("_memory", "_repeats")
"""What a module remembers of its last call."""


class Twin(threading.local):
    """The modules, made when a thread first asks for them."""

    def __init__(self) -> None:
        self.stage = stage = Stage()
        self.modules: dict[str, types.ModuleType] = {}
        self.replaced = {"numpy": stage.numpy(), "math": stage.math(), "functools": self._functools()}
        self.builtins = {**stage.builtins(), "__import__": self._import}

    def module(self, name: str) -> types.ModuleType:
        if name in self.modules:
            return self.modules[name]
        module = self.modules[name] = types.ModuleType(name)
        if name not in OWN:  # these two only list what is in their files
            vars(module).update(__builtins__=self.builtins, __recorded__=True)
            spec: Any = importlib.util.find_spec(name)
            exec(spec.loader.get_code(name), vars(module))
        if name == "scratch.flags":
            vars(module)["product"] = lambda a, b: self.stage.call("product", flags.product, (a, b))
        return module

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if name.partition(".")[0] in self.replaced:
            return self.replaced[name.partition(".")[0]]
        if name.partition(".")[0] not in OWN:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = self.module(name)
        for wanted in fromlist:
            if wanted != "*" and not hasattr(module, wanted):
                setattr(module, wanted, self.module(f"{name}.{wanted}"))
        return module

    def _functools(self) -> Any:
        """A function with a cache depends on constants alone: what it returns is taken from the function itself."""

        def cache(function: Callable[..., Any]) -> Callable[..., Any]:
            real = getattr(sys.modules[function.__module__], function.__name__)
            text = f"{function.__module__}:{function.__name__}"
            return lambda *args: self.stage.call(text, real, args)

        replaced = {"cache": cache, "lru_cache": lambda maxsize: cache}
        return types.SimpleNamespace(**{**vars(functools), **replaced})


TWIN = Twin()


class Shadow:
    """A trainer as its twin classes have it: arrays, options of the optimizer and its counts are on record.

    `paths` names every array and number by the expression that leads to it from `trainer`.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.made: dict[int, Any] = {}
        self.kept: list[Any] = []  # so that no id is used twice
        self.objects: list[Any] = []  # those of the twin's classes
        self.counts: dict[Any, Number] = {}  # numbers of the optimizer's state, by key and value

    def of(self, given: Any, path: str, varies: bool = False) -> Any:
        """`given` on record. With `varies` the Python numbers in it are read anew in every step."""
        if id(given) in self.made:
            return self.made[id(given)]
        made = self._of(given, path, varies)
        if not isinstance(given, bool | int | float | str | tuple):
            self.made[id(given)] = made
            self.kept.append(given)
        return made

    def _of(self, given: Any, path: str, varies: bool) -> Any:
        if isinstance(given, np.ndarray):
            return self.record.array(given, path=path)
        if varies and varies_in_steps(path, given):
            return self._number(given, path)
        if isinstance(given, np.random.Generator):
            return _Generator(self.record, given, path)
        kind = type(given)
        if kind in (dict, list, tuple):
            return self._container(given, path, varies)
        if kind.__module__.partition(".")[0] in OWN:
            return self._object(given, path)
        if given is None or isinstance(given, bool | int | float | str | np.generic):
            return given
        raise UnrollError(f"{path} is a {kind.__name__}")

    def _number(self, given: Any, path: str) -> Number:
        """A number on record. Parameters whose state counts the same share one, if the program finds it so as well."""
        number = Number(self.record, given, path=path)
        if not path.startswith("trainer.optimizer.state["):
            return number
        first = self.counts.setdefault((path.rpartition("[")[2], type(given), repr(given)), number)
        if first is not number:
            bool(first == number)
        return first

    def _container(self, given: Any, path: str, varies: bool) -> Any:
        if type(given) is not dict:
            return type(given)([self.of(part, f"{path}[{i}]", varies) for i, part in enumerate(given)])
        made = self.made[id(given)] = {}
        for name, part in given.items():
            key = self.of(name, "") if not isinstance(name, str) else name
            own = f"{path}[{name!r}]" if isinstance(name, str) else f"{path}[{key.__dict__['__path__']}]"
            made[key] = self.of(part, own, varies)
        return made

    def _object(self, given: Any, path: str) -> Any:
        kind = getattr(TWIN.module(type(given).__module__), type(given).__qualname__)
        made = self.made[id(given)] = object.__new__(kind)
        vars(made)["__path__"] = path
        self.objects.append(made)
        for name, part in vars(given).items():
            if name not in FORGOTTEN:
                vars(made)[name] = self.of(part, f"{path}.{name}", name in ("param_groups", "state"))
        if isinstance(given, Module | Criterion):
            self._scoped(made, repr(given).split("(\n")[0], path)
        elif isinstance(given, Optimizer):
            real = made.update
            first, then = formulas(kind)
            vars(made)["update"] = lambda parameter, *rest: self._in_scope(
                (f"update of {named(vars(parameter)['__path__'])}: {given.name}", then or first),
                real,
                parameter,
                *rest,
            )
        return made

    def _scoped(self, made: Any, title: str, path: str) -> None:
        """What forward and backward record carries the module's name, and so do their results."""
        tag, hints = named(path), self.record.hints
        first, then = formulas(type(made))
        forward, backward = made.forward, made.backward
        letter = "z" if title.startswith(("Linear", "Bilinear")) else "a"
        inputs: list[Any] = []

        def run_forward(x: Any, *target: Any) -> Any:
            inputs[:] = [x]
            result = self._in_scope((f"{tag}: {title}, forward", first), forward, x, *target)
            if not target:
                hints.setdefault(id(result), letter + tag.rpartition(".")[2] * (tag != "model"))
            return result

        def run_backward(*upstream: Any) -> Any:
            result = self._in_scope((f"{tag}: {title}, backward", then), backward, *upstream)
            if isinstance(result, Array) and inputs:
                hints.setdefault(id(result), f"grad_{hints.get(id(inputs[0]), inputs[0].path)}")
            return result

        vars(made).update(forward=run_forward, backward=run_backward)
        if hasattr(made, "backward_parameters"):
            parameters_only = made.backward_parameters
            vars(made)["backward_parameters"] = lambda *upstream: self._in_scope(
                (f"{tag}: {title}, backward", then), parameters_only, *upstream
            )

    def _in_scope(self, title: Scope, run: Callable[..., Any], *args: Any) -> Any:
        self.record.scopes.append(title)
        try:
            return run(*args)
        finally:
            self.record.scopes.pop()


def formulas(kind: type) -> tuple[list[str], list[str]]:
    """What a class's docstring says of forward and of backward, or of an optimizer's update: its first sentence up to a
    semicolon, and what stands behind that and in indented lines."""
    first, *others = (kind.__doc__ or "").split("\n\n")
    head, _, tail = " ".join(first.split()).partition("; ")
    head = re.split(r", with |\. ", head)[0].rstrip(".:")
    lines = [line.removeprefix(" " * 8) for part in others for line in part.splitlines() if line.startswith(" " * 8)]
    return [head] * bool(head), [*[tail.rstrip(".")] * ("=" in tail), *lines]


def varies_in_steps(path: str, given: Any) -> bool:
    """Whether it is read anew in every step: a fraction among the optimizer's options, a number of its state.

    A whole number among the options may say how often something is done.
    """
    kinds = {"trainer.optimizer.param_groups[": (float,), "trainer.optimizer.state[": (int, float)}
    return any(path.startswith(start) and type(given) in kind for start, kind in kinds.items())


def named(path: str) -> str:
    """What a path leads to, as in a state dict: "layers.0.weight" for `trainer.model.layers.modules[0].weight`."""
    short = path.removeprefix("trainer.").removeprefix("model.").replace(".modules[", ".").replace("]", "")
    return short.removeprefix("modules[")


class _Generator:
    def __init__(self, record: Record, generator: np.random.Generator, path: str) -> None:
        self.record, self.generator, self.path = record, generator, path

    @property
    def bit_generator(self) -> Any:
        return types.SimpleNamespace(state=None)  # kept by who may have to give it back, which is no matter here

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self.record.drawn, self.generator, self.path, name)
