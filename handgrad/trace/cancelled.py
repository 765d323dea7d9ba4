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
from handgrad.trace.line import Index, Number, known, written


def cancelled(trace: Trace, layer: Layer, tensor: Tensor) -> str:
    """Why the sides are apart most where they are: of the sums between there and the loss, the one that cancels most.

    A side that is outside its interval there is named instead: no rounding explains that. Empty for a tensor that is no
    such sum, that a layer too large to be tried entry by entry takes, and where no sum cancels enough for the distance.
    """
    at = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(tensor.apart)), tensor.shape))
    if outside := Number.of(tensor, at).outside:
        return f"{written(at)}: {outside} its interval"
    sums: list[Sum] = []
    with suppress(ValueError):
        sums += _sums(Unfolding(trace), layer, tensor, at)
    roundings = sum(terms for _, terms, _, _ in sums)  # of each side, on the way from the loss
    what, _, size, value = max(sums, key=lambda found: found[2] / found[3] if found[3] else 0.0, default=NO_SUM)
    if size <= value or 2 * roundings * size < value * abs(float(tensor.apart[at])):
        return ""
    ulps = f"1 ulp of the terms is {size / value:,.0f} of it"
    return f"{written(at)}: {what} cancels, terms of {size:.3g} leave {value:.3g}: {ulps}"


Sum = tuple[str, int, float, float]
"""A sum's name, how many terms it has, Σ|terms|, |Σ terms|."""

NO_SUM: Sum = ("", 0, 0.0, 0.0)


def _sums(unfolding: Unfolding, layer: Layer, tensor: Tensor, index: Index) -> Iterator[Sum]:
    """The sums from here to the loss, along the term that moves each most."""
    trace, what = unfolding.trace, f"{tensor.symbol}{written(index)} of {layer.name}"
    value = abs(float(tensor.ours[index]))
    if tensor.symbol == "y" and layer.kind == "Linear":
        x, weight, bias = (layer.tensor(symbol) for symbol in ("x", "weight", "bias"))
        assert x is not None
        assert weight is not None
        terms = np.abs(x.ours[index[:-1]] * weight.ours[index[-1]]).sum(dtype=float)
        size = float(terms + (0 if bias is None else abs(bias.ours[index[-1]])))
        yield what, x.shape[-1] + (bias is not None), size, value
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
    yield what, len(entries), math.fsum(abs(float(upstream.ours[k]) * known(factor)) for k, _, factor in entries), value
    moved = [abs((float(upstream.ours[k]) - float(upstream.theirs[k])) * known(factor)) for k, _, factor in entries]
    if moved and max(moved) > 0:
        yield from _sums(unfolding, layer, upstream, entries[int(np.argmax(moved))][0])


def _loss_difference(loss: Any, what: str, index: Index) -> Iterator[Sum]:
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
        yield f"{names} in {what}", 2, float(abs(a[index]) + abs(b[index])), float(abs(a[index] - b[index]))
