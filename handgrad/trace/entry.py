"""One entry of a gradient written out as the sum it is, so that a reader can redo it by hand."""

import math
import re
from dataclasses import dataclass

import numpy as np

from handgrad.trace.compute import Tensor, Trace


@dataclass(frozen=True)
class Entry:
    """dL/dW_ij = Σ_n δ_ni x_nj, or dL/db_i = Σ_n δ_ni, over the samples n of the batch."""

    name: str  # of the parameter
    index: tuple[int, ...]
    formula: str
    deltas: tuple[float, ...]  # δ_ni, of the NumPy side
    inputs: tuple[float, ...]  # x_nj; empty for a bias
    ours: float
    theirs: float
    reference: float
    radius: float

    @property
    def terms(self) -> tuple[float, ...]:
        """The products. Exact where the numbers are float32: 24 + 24 bits fit into 53."""
        return tuple(d * x for d, x in zip(self.deltas, self.inputs, strict=True)) if self.inputs else self.deltas

    @property
    def total(self) -> float:
        """Their sum, rounded once."""
        return math.fsum(self.terms)


def parse_entry(text: str) -> tuple[str, tuple[int, ...]]:
    """`layers.0.weight[2,1]` → the parameter's name and the index. ValueError for any other form."""
    match = re.fullmatch(r"([\w.]+)\[\s*([0-9]{1,18}(?:\s*,\s*[0-9]{1,18})*)\s*\]", text.strip())
    if match is None:
        raise ValueError(f"--entry must be a parameter and an index, as in layers.0.weight[2,1]; got {text!r:.80}")
    return match[1], tuple(int(i) for i in match[2].split(","))


def sum_of(trace: Trace, text: str) -> Entry:
    """The entry `text` of a gradient of `trace`. ValueError for a name or an index that does not exist."""
    name, index = parse_entry(text)
    tensors = {tensor.name: (layer, tensor) for layer, tensor in _linear_gradients(trace)}
    if name not in tensors:
        raise ValueError(f"--entry must name a weight or bias of a Linear layer ({', '.join(tensors)}); got {name!r}")
    layer, tensor = tensors[name]
    if len(index) != len(tensor.shape) or any(i >= n for i, n in zip(index, tensor.shape, strict=False)):
        raise ValueError(f"--entry {name} has shape {tensor.shape}; it has no entry {list(index)}")
    passage = trace.passages[layer]
    deltas = _rows(passage.upstream)[:, index[0]]
    inputs = _rows(passage.input)[:, index[1]] if len(index) == 2 else np.zeros(0)
    formula = (
        f"dL/dW[{index[0]},{index[1]}] = Σₙ δ[n,{index[0]}] · x[n,{index[1]}]"
        if len(index) == 2
        else f"dL/db[{index[0]}] = Σₙ δ[n,{index[0]}]"
    )
    assert tensor.ball is not None  # every gradient has one
    return Entry(
        name,
        index,
        formula,
        tuple(map(float, deltas)),
        tuple(map(float, inputs)),
        float(tensor.ours[index]),
        float(tensor.theirs[index]),
        float(tensor.ball.mid[index]),
        float(tensor.ball.rad[index]),
    )


def _linear_gradients(trace: Trace) -> list[tuple[str, Tensor]]:
    kinds = {layer.name: layer.kind for layer in trace.layers}
    return [(layer, tensor) for layer, tensor in trace.tensors() if tensor.name and kinds[layer] == "Linear"]


def _rows(a: np.ndarray) -> np.ndarray:
    """One row per sample, whatever axes lead."""
    return np.asarray(a).reshape(-1, a.shape[-1])
