"""One number of a step unfolded into what it is made of: a gradient, the gradient of a layer's output, an update.

The chain rule is read from what is there. A layer's backward is linear in dL/dy, so dL/dx is a sum of its entries with
factors ∂y/∂x: of `Linear` its weights, of an elementwise layer f′, and of any other what the judge's rule makes of a
single 1. From there it goes on in the layer that takes y, and ends at the loss.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.judge import Ball
from handgrad.trace.compute import Layer, Tensor, Trace, Update
from handgrad.trace.line import ONE, Index, Line, Number, written
from handgrad.trace.quasi_newton import along
from handgrad.trace.update import steps

MOST = 100_000  # lines of one unfolding
PROBES = 20_000  # entries of an output that are tried one by one
FORMS = "layers.0.weight[2,1], delta layers.0[3,2] or update layers.0.weight[2,1]"


@dataclass(frozen=True)
class Asked:
    """What `--entry` names."""

    kind: str  # "" for a gradient, "delta", "update"
    name: str
    index: Index


def parse_entry(text: str) -> Asked:
    """`layers.0.weight[2,1]`, `delta layers.0[3,2]`, `update layers.0.weight[2,1]`. ValueError for any other form."""
    pattern = r"(?:(delta|update)\s+)?([\w.]+)\[\s*([0-9]{1,18}(?:\s*,\s*[0-9]{1,18})*)?\s*\]"
    match = re.fullmatch(pattern, text.strip())
    if match is None:
        raise ValueError(f"--entry must be a name and an index, as in {FORMS}; got {text!r:.80}")
    return Asked(match[1] or "", match[2], tuple(int(i) for i in (match[3] or "").split(",") if i))


def unfold(trace: Trace, text: str, depth: int = 1, most: int = MOST) -> Line:
    """The entry `text` of `trace`, `depth` layers deep.

    ValueError for a name or an index that does not exist, a depth below 1, and for more than `most` lines.
    """
    if depth < 1:
        raise ValueError(f"--depth must be a whole number >= 1; got {depth}")
    asked, unfolding = parse_entry(text), Unfolding(trace, most)
    choices: dict[str, tuple[Tensor, Any]]
    if asked.kind == "update":
        choices = {update.name: (update.new, update) for update in trace.updates}
    elif asked.kind == "delta":
        choices = {layer.name: (there(layer, "dL/dy"), layer) for layer in trace.layers}
    else:
        choices = {tensor.name: (tensor, layer) for layer, tensor in _gradients(trace)}
    if asked.name not in choices:
        what = "a layer" if asked.kind == "delta" else "a parameter with a gradient"
        raise ValueError(f"--entry must name {what} ({', '.join(choices)}); got {asked.name!r:.80}")
    tensor, place = choices[asked.name]
    if len(asked.index) != len(tensor.shape) or any(i >= n for i, n in zip(asked.index, tensor.shape, strict=False)):
        raise ValueError(f"--entry {asked.name} has shape {tensor.shape}; it has no entry {list(asked.index)}")
    if asked.kind == "update":
        return unfolding.update(place, asked.index, depth)
    if asked.kind == "delta":
        return unfolding.delta(place, asked.index, depth)
    return unfolding.gradient(place, tensor, asked.index, depth)


def _gradients(trace: Trace) -> Iterator[tuple[Layer, Tensor]]:
    for layer in trace.layers:
        for tensor in layer.tensors:
            if tensor.name and tensor.symbol.startswith("dL/"):
                yield layer, tensor


def there(layer: Layer, symbol: str) -> Tensor:
    tensor = layer.tensor(symbol)
    assert tensor is not None, (layer.name, symbol)
    return tensor


Term = tuple[Index, str, Number]
"""An entry of dL/dy, and its factor's name and value."""


class Unfolding:
    """Walks from a number towards the loss and counts what it writes."""

    def __init__(self, trace: Trace, most: int = MOST) -> None:
        self.trace, self.lines, self.most = trace, 0, most

    def line(self, *parts: Any, **more: Any) -> Line:
        self.lines += 1
        if self.lines > self.most:
            raise ValueError(f"--depth unfolds this entry into more than {self.most:,} lines; ask for less")
        return Line(*parts, **more)

    def output(self, layer: Layer, index: Index) -> Line:
        """One output of a `Linear`: y_ni = Σⱼ x_nj W_ij + b_i."""
        x, weight, bias = (layer.tensor(symbol) for symbol in ("x", "weight", "bias"))
        assert x is not None
        assert weight is not None
        (*n, i), lead = index, "".join(f"{k}," for k in index[:-1])
        terms = [
            self.line(
                f"x{written((*n, j))}", Number.of(x, (*n, j)), factor=Number.of(weight, (i, j)), times=f"W[{i},{j}]"
            )
            for j in range(weight.shape[1])
        ]
        if bias is not None:
            terms.append(self.line(f"b[{i}]", Number.of(bias, (i,)), factor=ONE))
        formula = f"Σⱼ x[{lead}j] · W[{i},j]{'' if bias is None else f' + b[{i}]'}"
        what = f"y{written(index)} of {layer.name}"
        return self.line(what, Number.of(there(layer, "y"), index), formula, tuple(terms))

    def gradient(self, layer: Layer, tensor: Tensor, index: Index, depth: int) -> Line:
        """One entry of a parameter's gradient."""
        number, what = Number.of(tensor, index), f"{tensor.symbol}{written(index)} of {layer.name}"
        formula, terms = self.of_parameter(layer, tensor, index)
        return self.line(what, number, formula, self._deltas(layer, terms, depth))

    def delta(self, layer: Layer, index: Index, depth: int, factor: Number | None = None, times: str = "") -> Line:
        """One entry of dL/dy: from the layers that take y, or from the loss."""
        number = Number.of(there(layer, "dL/dy"), index)
        what = f"dL/dy{written(index)} of {layer.name}"
        if depth < 1:
            return self.line(what, number, factor=factor, times=times)
        sources = self.trace.net.consumers[layer.name]
        if len(sources) > 1:
            terms = tuple(self._source(source, layer, index, depth) for source in sources)
            return self.line(what, number, "the sum over what takes y", terms, factor, times)
        if sources[0] is None:
            return self.line(what, number, self.trace.loss, self._at_loss(layer, index), factor, times)
        taker = self.trace.layer(sources[0])
        formula, entries = self.of_input(taker, index)
        return self.line(what, number, formula, self._deltas(taker, entries, depth), factor, times)

    def _source(self, source: str | None, layer: Layer, index: Index, depth: int) -> Line:
        """One of several that take y."""
        if source is None:
            last = self.trace.layers[-1]
            number, what = Number.of(there(last, "dL/dy"), index), f"dL/dy{written(index)} of the loss"
            return self.line(what, number, self.trace.loss, self._at_loss(last, index), ONE)
        taker = self.trace.layer(source)
        number = Number.of(there(taker, "dL/dx"), index)
        formula, entries = self.of_input(taker, index)
        return self.line(
            f"dL/dx{written(index)} of {source}", number, formula, self._deltas(taker, entries, depth), ONE
        )

    def _deltas(self, layer: Layer, entries: list[Term], depth: int) -> tuple[Line, ...]:
        return tuple(self.delta(layer, index, depth - 1, factor, times) for index, times, factor in entries)

    def of_parameter(self, layer: Layer, tensor: Tensor, index: Index) -> tuple[str, list[Term]]:
        """dL/dW_ij = Σₙ δ_ni x_nj, dL/db_i = Σₙ δ_ni; of any other layer, the factors as its rule has them."""
        if layer.kind != "Linear":
            name = tensor.name
            return "Σₖ dL/dy[k] · ∂y[k]/∂" + tensor.symbol[4:] + written(index), self._probed(layer, name, index)
        upstream, x = there(layer, "dL/dy"), there(layer, "x")
        rows = np.ndindex(upstream.shape[:-1])
        if len(index) == 1:
            return f"Σₙ dL/dy[n,{index[0]}]", [((*n, index[0]), "", ONE) for n in rows]
        i, j = index
        formula = f"Σₙ dL/dy[n,{i}] · x[n,{j}]"
        return formula, [((*n, i), f"x{written((*n, j))}", Number.of(x, (*n, j))) for n in rows]

    def of_input(self, layer: Layer, index: Index) -> tuple[str, list[Term]]:
        """dL/dx as a sum over dL/dy of the same layer."""
        where, slope = f" ({layer.name} {layer.kind})".replace(" )", ")"), layer.tensor("dy/dx")
        if slope is not None:
            factor = Number.of(slope, index)
            return f"dL/dy · f′(x){where}", [(index, f"f′(x{written(index)})", factor)]
        if layer.kind == "Linear":
            weight, (*n, j) = there(layer, "weight"), index
            entries = [((*n, m), f"W[{m},{j}]", Number.of(weight, (m, j))) for m in range(weight.shape[0])]
            lead = "".join(f"{i}," for i in n)
            return f"Σₘ dL/dy[{lead}m] · W[m,{j}]{where}", entries
        return f"Σₖ dL/dy[k] · ∂y[k]/∂x{written(index)}{where}", self._probed(layer, None, index)

    def _probed(self, layer: Layer, parameter: str | None, index: Index) -> list[Term]:
        """The factors of a layer that has no formula here: what its rule's backward makes of one 1 at a time."""
        y, rule = there(layer, "y"), self.trace.net.leaves[layer.name]
        if y.ours.size > PROBES:
            raise ValueError(f"--depth stops before {layer.name}: {layer.kind} with {y.ours.size:,} outputs")
        ball, terms = there(layer, "dL/dy").ball, []
        assert ball is not None
        for k in np.ndindex(y.shape):
            one = np.zeros(y.shape)
            one[k] = 1
            gradients: dict[str, Ball] = {}
            with np.errstate(all="ignore"):
                found = rule.backward(ball.format.exact(one), gradients)
            factor = Number.in_ball(found if parameter is None else gradients[parameter], index)
            if factor.reference != 0 or not math.isfinite(factor.radius):
                terms.append((k, f"∂y{written(k)}", factor))
        return terms

    def _at_loss(self, layer: Layer, index: Index) -> tuple[Line, ...]:
        """What the loss's derivative is made of: the outputs of the sample, and its target."""
        y, target = there(layer, "y"), self.trace.target
        outputs = [(*index[:-1], c) for c in range(y.shape[-1])] if target.shape != y.shape else [index]
        lines = [self.line(f"y{written(k)}", Number.of(y, k)) for k in outputs]
        at = index if target.shape == y.shape else index[: len(target.shape)]
        return (*lines, self.line(f"t{written(at)}", Number.of(target, at)))

    def update(self, update: Update, index: Index, depth: int) -> Line:
        """One entry of an update: the gradient, the state before and after, what stands between, the new parameter."""
        layer, tensor = next((layer, t) for layer, t in _gradients(self.trace) if t.name == update.name)
        key, at = tensor.symbol.removeprefix("dL/d"), written(index)
        number = Number.of(tensor, index)
        formula, entries = self.of_parameter(layer, tensor, index) if depth > 1 else ("", [])
        g = self.line(f"g = {tensor.symbol}{at}", number, formula, self._deltas(layer, entries, depth - 1))
        parameter = there(layer, key)
        lines = [self.line(f"θ₀ = {key}{at} before", Number.of(parameter, index)), g]
        if self.trace.direction is not None:
            lines += along(self.trace.direction, update, index, depth, self.line)
            return self.line(f"new {update.name}{at}", Number.of(update.new, index), self.trace.optimizer, tuple(lines))
        for what, how, value in steps(update):
            # A step count is one number for all; Adafactor's rows and columns have one for each row and column.
            entry = tuple(min(i, n - 1) for i, n in zip(index, value.shape, strict=True)) if value.shape else ()
            found = Number.of(value, entry) if isinstance(value, Tensor) else Number.in_ball(value, entry)
            lines.append(self.line(what, found, how))
        return self.line(f"new {update.name}{at}", Number.of(update.new, index), self.trace.optimizer, tuple(lines))
