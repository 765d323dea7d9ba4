"""PyTorch on a GPU with the step recorded once as a CUDA graph and replayed: no launch costs Python anything."""

from typing import Any

import torch

from benchmarks.contenders.torch_step import TorchStep
from benchmarks.nets import Problem


class TorchGraph(TorchStep):
    """`torch.cuda.CUDAGraph` of forward, loss, backward and a capturable optimizer step.

    A recording needs warm-up steps on a side stream, which train: weights and optimizer state are set back after it.
    """

    WARM_UP = 3

    def __init__(self, name: str) -> None:
        super().__init__(name, device="cuda")

    def prepare(self, problem: Problem) -> None:
        super().prepare(problem)
        if problem.kind == "Adam":  # SGD has no step count that a graph would freeze
            self.optimizer = torch.optim.Adam(self.module.parameters(), **problem.options, capturable=True)
        start = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch does not annotate it
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(self.WARM_UP):
                self._work()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()
        with torch.cuda.graph(self.graph):
            self._work()
        self.module.load_state_dict(start)
        for entries in self.optimizer.state.values():
            for tensor in filter(torch.is_tensor, entries.values()):
                tensor.zero_()  # a momentum of zero is the one before the first step

    def _work(self) -> None:
        self.optimizer.zero_grad()
        self.value = self.loss(self.module(self.x), self.y)
        self.value.backward()
        self.optimizer.step()

    def step(self) -> float:
        self.graph.replay()
        value: float = self.value.item()
        return value

    def forward(self) -> Any:
        raise NotImplementedError("only the whole step is recorded")
