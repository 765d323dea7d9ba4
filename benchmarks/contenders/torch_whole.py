"""PyTorch with the whole step, gradients and update included, compiled as one function."""

from functools import partial
from typing import Any

import torch
from torch import nn

import torch_impl
from benchmarks.contenders.functional import State, initial, updated
from benchmarks.contenders.torch_step import exact_compile, no_compiler
from benchmarks.nets import Array, Problem


class TorchWhole:
    """`torch.compile` of weights and optimizer state → loss, new weights, new state."""

    def __init__(self, name: str) -> None:
        self.name = name

    def absent(self, problem: Problem) -> str:
        return no_compiler()

    def prepare(self, problem: Problem) -> None:
        model = torch_impl.MLP(problem.net.sizes, dtype=problem.dtype)
        model.load_state_dict(problem.weights)
        module, loss = model.module, getattr(nn, problem.net.loss)()
        self.x, self.y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
        self.weights = {name: tensor.detach().clone() for name, tensor in module.named_parameters()}
        first = partial(torch.ones, (), dtype=torch.float64)
        self.memory = {name: initial(problem, w, first) for name, w in self.weights.items()}

        def evaluate(weights: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> Any:
            return loss(torch.func.functional_call(module, weights, (x,)), y)

        def step(weights: dict[str, torch.Tensor], memory: dict[str, State], x: torch.Tensor, y: torch.Tensor) -> Any:
            gradients, value = torch.func.grad_and_value(evaluate)(weights, x, y)
            new = {name: updated(problem, w, gradients[name], memory[name]) for name, w in weights.items()}
            return value, {name: w for name, (w, _) in new.items()}, {name: s for name, (_, s) in new.items()}

        self.call = exact_compile(step)

    def step(self) -> float:
        with torch.no_grad():
            value, self.weights, self.memory = self.call(self.weights, self.memory, self.x, self.y)
        return float(value)

    def state(self) -> dict[str, Array]:
        return {name: tensor.numpy(force=True).copy() for name, tensor in self.weights.items()}

    def forward(self) -> Any:
        raise NotImplementedError("a whole step has no forward pass of its own")
