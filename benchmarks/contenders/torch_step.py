"""PyTorch as its users write it: plain torch objects, the five steps, nothing of this project in between."""

import shutil
from typing import Any

import torch
from torch import nn

import torch_impl
from benchmarks.nets import Array, Problem


class TorchStep:
    """Eager PyTorch; with a fused optimizer (one kernel for all parameters), or with the model compiled; on a device.

    On a GPU the data lie there beforehand, or with `copying` are copied from pinned memory at every
    step. Reading the loss waits for the GPU, so a step is over when it returns.
    """

    def __init__(
        self, name: str, device: str = "cpu", fused: bool = False, compiled: bool = False, copying: bool = False
    ) -> None:
        self.name, self.device, self.fused, self.compiled, self.copying = name, device, fused, compiled, copying

    def absent(self, problem: Problem) -> str:
        if self.device == "cuda" and not torch.cuda.is_available():
            return "no CUDA device"
        return no_compiler() if self.compiled and self.device == "cpu" else ""

    def prepare(self, problem: Problem) -> None:
        model = torch_impl.MLP(problem.net.sizes, dtype=problem.dtype, device=self.device)
        model.load_state_dict(problem.weights)
        self.module = model.module
        self.call: Any = exact_compile(self.module) if self.compiled else self.module
        self.loss: nn.Module = getattr(nn, problem.net.loss)()
        options = {**problem.options, **({"fused": True} if self.fused else {})}
        self.optimizer: torch.optim.Optimizer = getattr(torch.optim, problem.kind)(self.module.parameters(), **options)
        x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
        self.x, self.y = (x.pin_memory(), y.pin_memory()) if self.copying else (x.to(self.device), y.to(self.device))

    def step(self) -> float:
        x, y = self.x, self.y
        if self.copying:
            x, y = (a.to(self.device, non_blocking=True) for a in (x, y))
        self.optimizer.zero_grad()
        loss = self.loss(self.call(x), y)
        loss.backward()
        self.optimizer.step()
        value: float = loss.item()
        return value

    def state(self) -> dict[str, Array]:
        return {name: tensor.numpy(force=True).copy() for name, tensor in self.module.state_dict().items()}

    def forward(self) -> Any:
        with torch.inference_mode():
            return self.call(self.x).numpy(force=True)


def no_compiler() -> str:
    """Why `torch.compile` cannot work on the CPU; empty where it can."""
    return "" if any(map(shutil.which, ("c++", "g++", "clang++", "cl"))) else "torch.compile finds no C++ compiler"


def exact_compile(function: Any) -> Any:
    """Compiled for exactly these shapes."""
    return torch.compile(function, dynamic=False)
