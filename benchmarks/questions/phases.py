"""Where does the time of a step go? Forward, loss, backward and optimizer of both sides, each repeated alone."""

from typing import Any

from matplotlib.figure import Figure

import scratch
from benchmarks import pictures
from benchmarks.contenders import OURS, TORCH
from benchmarks.contenders.torch_step import TorchStep
from benchmarks.nets import NETS, Case, Problem, case_of, problem_of
from benchmarks.questions.format import NOTHING, time_text
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import ready, time_works
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import time_of
from benchmarks.timing import Work

PHASES = ("forward", "loss", "backward", "optimizer")
STILL = 1e-12  # a learning rate that leaves the weights where they are, however often the optimizer steps


def cases(quick: bool) -> list[Case]:
    problems = [Problem(NETS[0]), Problem(NETS[3])]
    problems += [] if quick else [Problem(NETS[0], "Adam"), Problem(NETS[3], "Adam"), Problem(NETS[5])]
    return [case_of(problem) for problem in problems]


def measure(case: Case, settings: Settings) -> Row:
    problem = problem_of(case)
    contenders, row = ready(problem, [OURS, TORCH], settings)
    works: dict[str, Work] = {}
    for contender in contenders:
        works[contender.name] = contender.step
        for phase, call in (numpy_phases if contender.name == OURS else torch_phases)(problem).items():
            works[f"{contender.name} {phase}"] = call
    return row | time_works(works, settings)


def numpy_phases(problem: Problem) -> dict[str, Any]:
    """The calls of `scratch.Trainer.step`; the gradient is set to None with the backward pass."""
    model = scratch.MLP(problem.net.sizes, dtype=problem.dtype)
    model.load_state_dict(problem.weights)
    loss = getattr(scratch, problem.net.loss)()
    optimizer = getattr(scratch, problem.kind)(model.parameters(), **{**problem.options, "lr": STILL})
    x, y = problem.x, problem.y
    output = model.forward(x)

    def backward() -> None:
        optimizer.zero_grad()
        model.backward_parameters(loss.backward())

    loss.forward(output, y)
    backward()
    return {
        "forward": lambda: model.forward(x),
        "loss": lambda: float(loss.forward(output, y)),
        "backward": backward,
        "optimizer": optimizer.step,
    }


def torch_phases(problem: Problem) -> dict[str, Any]:
    """The same of eager PyTorch; the graph is kept, so that the backward pass can be repeated.

    The optimizer steps on weights of its own: autograd refuses a graph whose weights have changed.
    """
    side, own = TorchStep(TORCH), TorchStep(TORCH)
    for prepared in (side, own):
        prepared.prepare(problem)
    own.step()
    for group in own.optimizer.param_groups:
        group["lr"] = STILL
    output = side.module(side.x)
    value = side.loss(output, side.y)
    leaf = output.detach().requires_grad_()

    def backward() -> None:
        side.optimizer.zero_grad()
        value.backward(retain_graph=True)

    backward()
    return {
        "forward": lambda: side.module(side.x),
        "loss": lambda: side.loss(leaf, side.y).item(),
        "backward": backward,
        "optimizer": own.optimizer.step,
    }


def parts(row: Row, side: str) -> dict[str, float] | None:
    """Seconds by phase, and what the whole step takes beyond their sum; None where they were not measured."""
    times = {name: time_of(samples) for name, samples in seconds_of(row).items()}
    found = {phase: t.value for phase in PHASES if (t := times.get(f"{side} {phase}"))}
    step = times.get(side)
    if step is None or len(found) < len(PHASES):
        return None
    return {**found, "rest": max(step.value - sum(found.values()), 0.0), "step": step.value}


def tables(rows: list[Row]) -> list[Table]:
    cells = []
    for row in rows:
        for side in (OURS, TORCH):
            found = parts(row, side)
            texts = [NOTHING] * 6 if found is None else [time_text(found[name]) for name in (*PHASES, "rest", "step")]
            cells.append((f"{row['case']['name']}: {side}", *texts))
    return [Table("where the time of a step goes", ("net and side", *PHASES, "rest", "step"), cells)]


def picture(rows: list[Row]) -> Figure | None:
    panels = {}
    for row in rows:
        sides = {side: found for side in (OURS, TORCH) if (found := parts(row, side))}
        panels[row["case"]["name"].replace(", batch", "\nbatch").replace(", float32", "")] = sides
    return pictures.stacks(panels) if all(len(sides) == 2 for sides in panels.values()) else None


PHASES_QUESTION = Question(
    "phases",
    "Where the time of a step goes",
    "Each phase repeated alone; `rest` is what the whole step takes beyond their sum. PyTorch's backward includes that "
    "of the loss, as NumPy's here does, and building the graph is part of its forward.",
    cases,
    measure,
    tables,
    picture,
)
