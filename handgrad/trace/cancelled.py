"""Where the two sides are many units in the last place apart: which sum cancelled."""

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from handgrad.judge.rules.layers import sigmoid
from handgrad.judge.rules.losses.binary import BCEWithLogitsLoss
from handgrad.judge.rules.losses.classes import CrossEntropyLoss
from handgrad.judge.rules.losses.regression import MSELoss
from handgrad.trace.compute import Layer, Tensor, Trace
from handgrad.trace.entry import Unfolding, there
from handgrad.trace.line import Index, known, written


def cancelled(trace: Trace, layer: Layer, tensor: Tensor) -> str:
    """Why the sides are apart most where they are: of the sums between there and the loss, the one that cancels most.

    Empty for a tensor that is no such sum, or that a layer too large to be tried entry by entry takes.
    """
    at = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(tensor.apart)), tensor.shape))
    sums = []
    with suppress(ValueError):
        for found in _sums(Unfolding(trace), layer, tensor, at):
            sums += [found] if found[1] > found[2] > 0 else []
    if not sums:
        return ""
    what, size, value = max(sums, key=lambda found: found[1] / found[2])
    ulps = f"1 ulp of the terms is {size / value:,.0f} of it"
    return f"{written(at)}: {what} cancels, terms of {size:.3g} leave {value:.3g}: {ulps}"


def _sums(unfolding: Unfolding, layer: Layer, tensor: Tensor, index: Index) -> Iterator[tuple[str, float, float]]:
    """The sums from here to the loss, along the term that moves each most: name, Σ|terms|, |Σ terms|."""
    trace, what = unfolding.trace, f"{tensor.symbol}{written(index)} of {layer.name}"
    value = abs(float(tensor.ours[index]))
    if tensor.symbol == "y" and layer.kind == "Linear":
        x, weight, bias = (layer.tensor(symbol) for symbol in ("x", "weight", "bias"))
        assert x is not None
        assert weight is not None
        terms = np.abs(x.ours[index[:-1]] * weight.ours[index[-1]]).sum(dtype=float)
        yield what, float(terms + (0 if bias is None else abs(bias.ours[index[-1]]))), value
    if not tensor.symbol.startswith("dL/") or tensor.symbol == "dL/dx":
        return
    if tensor.name:
        _, entries = unfolding.of_parameter(layer, tensor, index)
    else:
        sources = trace.net.consumers[layer.name]
        if sources == (None,):
            yield from _loss_difference(trace.net.loss, what, index)
        if len(sources) > 1 or sources[0] is None:
            return
        layer = trace.layer(sources[0])
        _, entries = unfolding.of_input(layer, index)
    upstream = there(layer, "dL/dy")
    yield what, math.fsum(abs(float(upstream.ours[k]) * known(factor)) for k, _, factor in entries), value
    moved = [abs((float(upstream.ours[k]) - float(upstream.theirs[k])) * known(factor)) for k, _, factor in entries]
    if moved and max(moved) > 0:
        yield from _sums(unfolding, layer, upstream, entries[int(np.argmax(moved))][0])


def _loss_difference(loss: Any, what: str, index: Index) -> Iterator[tuple[str, float, float]]:
    """The difference in most losses' derivatives: of probabilities and what is wanted, of output and target."""
    if isinstance(loss, CrossEntropyLoss):
        names, a, b = "p − q", loss.p.mid * np.abs(loss.Q).sum(-1, keepdims=True), loss.Q
    elif isinstance(loss, BCEWithLogitsLoss):
        names, a, b = "σ(y) − t", sigmoid(loss.z).mid, loss.t.mid
    elif type(loss).__module__ == MSELoss.__module__:
        names, a, b = "y − t", loss.z.mid, loss.t.mid
    else:
        return
    if a.ndim == len(index):
        yield f"{names} in {what}", float(abs(a[index]) + abs(b[index])), float(abs(a[index] - b[index]))
