"""A contender of one's own: a class in a file, named as `mine.py:Step`."""

from typing import Any

import numpy as np

from benchmarks.nets import Array, Problem


class OwnError(ValueError):
    """The file has no such contender. The message is one line."""


class Own:
    """A class of the user's, made anew for every problem:

    `Step(weights, x, y, problem)` starts from copies of the weights, `step()` is a whole training step and returns the
    loss before it, `weights()` is where the steps led, by the names of the weights that were given.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = _load(name)

    def absent(self, problem: Problem) -> str:
        return str(self.kind.absent(problem)) if hasattr(self.kind, "absent") else ""

    def prepare(self, problem: Problem) -> None:
        weights = {name: weight.copy("K") for name, weight in problem.weights.items()}
        self.made = self.kind(weights, problem.x, problem.y, problem)

    def step(self) -> float:
        value: float = self.made.step()
        return value

    def state(self) -> dict[str, Array]:
        found = self.made.weights()
        return {name: np.array(weight) for name, weight in found.items()}

    def forward(self) -> Any:
        raise NotImplementedError("a contender of one's own is asked for whole steps only")


def is_own(name: str) -> bool:
    return ":" in name or name.endswith(".py")


def _load(name: str) -> Any:
    """The class. OwnError in one line for whatever is in the way."""
    from handgrad.check.files import run_file
    from handgrad.check.subject import CheckError

    place, _, kind = name.rpartition(":") if ":" in name else (name, "", "")
    try:
        found = vars(run_file(place, whole=True))
    except CheckError as error:
        raise OwnError(str(error)) from error
    except Exception as error:  # the user's own code: whatever it raises is said in one line
        raise OwnError(f"{place} cannot be run: {type(error).__name__}: {' '.join(str(error).split())}") from error
    made = found.get(kind)
    if not isinstance(made, type) or not all(callable(getattr(made, part, None)) for part in ("step", "weights")):
        there = [key for key, value in found.items() if isinstance(value, type) and hasattr(value, "step")]
        has = f"it has {', '.join(there)}" if there else "it has none"
        raise OwnError(f"{place}: name a class with step() and weights(), as in {place}:Step; got {kind!r}; {has}")
    return made
