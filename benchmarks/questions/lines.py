"""Where do the microseconds of one step go, line by line? Every call of a step of both sides, each repeated alone."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

import scratch
from benchmarks.contenders import OURS, TORCH
from benchmarks.contenders.torch_step import TorchStep
from benchmarks.nets import NETS, Case, Problem, case_of, problem_of
from benchmarks.questions.format import time_text
from benchmarks.questions.phases import STILL
from benchmarks.questions.question import Question, Settings, Table
from benchmarks.questions.timed import ready, time_works
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import time_of
from benchmarks.timing import Work
from contract import loss_checks
from scratch.activations.functions import log_softmax
from scratch.flags import product

Line = tuple[str, Callable[[], Any]]
HEADINGS = ("line", "time", "of the step")
INSIDE = "· "  # begins a line that is part of the one above it


def cases(quick: bool) -> list[Case]:
    return [case_of(Problem(net)) for net in ((NETS[0],) if quick else (NETS[0], NETS[3]))]


def measure(case: Case, settings: Settings) -> Row:
    problem = problem_of(case)
    contenders, row = ready(problem, [OURS, TORCH], settings)
    works: dict[str, Work] = {}
    for contender in contenders:
        works[contender.name] = contender.step
        lines = numpy_lines(problem) if contender.name == OURS else torch_lines(problem)
        works |= {f"{contender.name}: {name}": work for name, work in lines}
    return row | time_works(works, settings)


def numpy_lines(problem: Problem) -> Iterator[Line]:
    """The calls of `scratch.Trainer.step` in their order, and the NumPy calls inside the dearest of them."""
    model = scratch.MLP(problem.net.sizes, dtype=problem.dtype)
    model.load_state_dict(problem.weights)
    loss = getattr(scratch, problem.net.loss)()
    optimizer = getattr(scratch, problem.kind)(model.parameters(), **{**problem.options, "lr": STILL})
    layers = list(model.layers.modules)
    inputs = [problem.x]
    for i, layer in enumerate(layers):
        yield f"{kind(layer)}.forward", partial(layer.forward, inputs[-1])
        if isinstance(layer, scratch.Linear):
            weight, bias = layer.weight.data, layer.bias
            y = product(inputs[-1], weight.T)
            yield f"{INSIDE}{i}: x @ W.T", partial(product, inputs[-1], weight.T)
            if bias is not None:
                yield f"{INSIDE}{i}: y += b", partial(np.add, y, bias.data, out=y)
        inputs.append(layer.forward(inputs[-1]))
    output, target = inputs.pop(), problem.y
    loss.forward(output, target)
    yield f"{loss.name}.forward", partial(loss.forward, output, target)
    if isinstance(loss, scratch.CrossEntropyLoss):
        check = partial(loss_checks.class_loss, loss.name, output, target, "mean", None, -100, probability_targets=True)
        columns = np.ascontiguousarray(output.T)
        log_p = log_softmax(columns, 0)
        yield (
            f"{INSIDE}shapes, dtypes and classes checked",
            check,
        )
        yield f"{INSIDE}log_softmax", partial(log_softmax, columns, 0)
        yield f"{INSIDE}log p of the right classes", partial(loss._asked, log_p, target, False)
    yield f"{loss.name}.backward", loss.backward
    gradient = loss.backward()
    for i, layer in reversed(list(enumerate(layers))):
        call = layer.backward if i else layer.backward_parameters
        yield f"{kind(layer)}.{call.__name__}", fresh(layer, partial(call, gradient))
        if isinstance(layer, scratch.Linear):
            x = inputs[i]
            ones = np.ones(len(x), x.dtype)
            yield f"{INSIDE}{i}: dW = x.T.dot(δ).T", partial(product, x.T, gradient)
            yield f"{INSIDE}{i}: db = ones.dot(δ)", partial(product, ones, gradient)
            if i:
                yield f"{INSIDE}{i}: dx = δ @ W", partial(product, gradient, layer.weight.data)
        gradient = fresh(layer, partial(layer.backward, gradient))()
    yield f"{optimizer.name}.step", optimizer.step


def kind(layer: Any) -> str:
    sizes = f" {layer.in_features}→{layer.out_features}" if isinstance(layer, scratch.Linear) else ""
    return f"{layer.name}{sizes}"


def fresh(layer: Any, call: Callable[[], Any]) -> Callable[[], Any]:
    """`call` with no gradient there before it, as after `zero_grad`."""
    parameters = list(layer.parameters())

    def from_none() -> Any:
        for parameter in parameters:
            parameter.grad = None
        return call()

    return from_none


def torch_lines(problem: Problem) -> Iterator[Line]:
    """The calls of a step of eager PyTorch, and what one call on an array of that size costs before it computes."""
    side, own = TorchStep(TORCH), TorchStep(TORCH)
    for prepared in (side, own):
        prepared.prepare(problem)
    own.step()
    for group in own.optimizer.param_groups:
        group["lr"] = STILL
    x = side.x
    for layer in side.module.modules():
        if not list(layer.children()):
            name = type(layer).__name__
            sizes = f" {layer.in_features}→{layer.out_features}" if isinstance(layer, torch.nn.Linear) else ""
            yield f"{name}{sizes}", partial(layer, x.detach())
            x = layer(x)
    leaf = x.detach().requires_grad_()
    yield f"{type(side.loss).__name__}", partial(side.loss, leaf, side.y)
    value = side.loss(x, side.y)
    yield ".item()", value.item

    def backward() -> None:
        side.optimizer.zero_grad()
        value.backward(retain_graph=True)

    backward()
    yield "zero_grad and backward, by autograd", backward
    yield f"{problem.kind}.step", own.optimizer.step
    hidden = torch.ones(problem.net.batch, problem.net.sizes[1])
    yield f"{INSIDE}for comparison: one addition of a hidden layer's size", partial(torch.add, hidden, hidden)


def tables(rows: list[Row]) -> list[Table]:
    found = []
    for row in rows:
        times = {name: t.value for name, samples in seconds_of(row).items() if (t := time_of(samples))}
        for side in (OURS, TORCH):
            if side in times:
                lines = {name.removeprefix(f"{side}: "): t for name, t in times.items() if name.startswith(f"{side}: ")}
                found.append(Table(f"{row['case']['name']}: {side}", HEADINGS, cells(lines, times[side]), once=True))
    return found


def cells(lines: dict[str, float], step: float) -> list[tuple[str, ...]]:
    rest = step - sum(t for name, t in lines.items() if not name.startswith(INSIDE))
    shown = {**lines, "rest: what lies between, and colder caches": max(rest, 0.0), "the whole step": step}
    return [(name, time_text(t), f"{t / step:.0%}") for name, t in shown.items()]


LINES = Question(
    "lines",
    "One step, line by line",
    "Each call repeated alone, which flatters it: in a step the one before has left the caches to others. A line with "
    "a dot is part of the line above it.",
    cases,
    measure,
    tables,
    lambda rows: None,
    processes=1,
    in_quick=False,
)
