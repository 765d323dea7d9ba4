"""The updates as functions of arrays, for libraries that compile a step as one function of its state."""

from collections.abc import Callable
from typing import Any

from benchmarks.nets import Problem

State = tuple[Any, ...]


def initial(problem: Problem, p: Any, one: Callable[[], Any]) -> State:
    """The optimizer's state of the parameter `p`: arrays of its own, and the number of the first step."""
    if problem.optimizer == "SGD":
        return ()
    return (0 * p,) if problem.optimizer == "momentum" else (one(), 0 * p, 0 * p)


def updated(problem: Problem, p: Any, g: Any, state: State) -> tuple[Any, State]:
    """θ − ηg;  b = μb + g, θ − ηb (b starts at 0);  Adam as Kingma & Ba (2015), algorithm 1."""
    lr = problem.options["lr"]
    if problem.optimizer == "SGD":
        return p - lr * g, ()
    if problem.optimizer == "momentum":
        buffer = problem.options["momentum"] * state[0] + g
        return p - lr * buffer, (buffer,)
    (beta1, beta2), eps = problem.options["betas"], problem.options["eps"]
    t, m, v = state
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    scale = (v / (1 - beta2**t)) ** 0.5 + eps
    return p - lr * (m / (1 - beta1**t)) / scale, (t + 1, m, v)
