"""A trace as text and as JSON."""

import json
from typing import Any

import numpy as np

from contract import names
from handgrad.trace.compute import Layer, Tensor, Trace
from handgrad.trace.entry import Entry

ROWS, COLUMNS = 3, 5  # of a tensor's corner, in the terminal
TERMS = 40  # of an entry's sum, in the terminal
SIDES = {"ours": names.SIDES["scratch"], "theirs": names.SIDES["torch"]}


def text(trace: Trace, entry: Entry | None = None) -> str:
    """The whole step for a terminal: a corner of every tensor, how far the sides are apart, how much of its bound."""
    lines = [f"{trace.experiment}, step {trace.step}: a batch of {trace.rows}", ""]
    for layer in trace.layers:
        lines += [f"{layer.name} {layer.kind}: {layer.formula}".strip(), *_tensors(shown(trace, layer))]
    lines += [trace.loss, *_tensors((trace.value,))]
    lines += [trace.optimizer, *_tensors(trace.update)]
    for verdict in trace.verdicts.values():
        lines.append(verdict.render())
    if entry is not None:
        lines += ["", *_entry(entry)]
    return "\n".join(lines)


def shown(trace: Trace, layer: Layer) -> tuple[Tensor, ...]:
    """The tensors that were not shown before: a layer's x is the y of the one before it, whose dL/dy is its dL/dx."""
    first = layer is trace.layers[0]
    return tuple(t for t in layer.tensors if t.symbol != "dL/dx" and (first or t.symbol != "x"))


def _tensors(tensors: tuple[Tensor, ...]) -> list[str]:
    lines = []
    for tensor in tensors:
        shape = "×".join(map(str, tensor.shape)) or "number"
        lines.append(f"  {tensor.symbol} ({shape}): {measured(tensor)}")
        for name, label in SIDES.items():
            for row, cells in enumerate(corner(getattr(tensor, name))):
                lines.append(f"    {label if row == 0 else '':<8}{'  '.join(cells)}")
    return [*lines, ""]


def corner(a: Any, rows: int = ROWS, columns: int = COLUMNS) -> list[list[str]]:
    """The first numbers of the first rows, with "…" where there are more."""
    table = np.atleast_2d(a).reshape(-1, np.atleast_2d(a).shape[-1])
    shown = [[f"{v: .6e}" for v in row[:columns]] + ["…"] * (len(row) > columns) for row in table[:rows]]
    return shown + [["…"]] * (len(table) > rows)


def measured(tensor: Tensor) -> str:
    """One phrase: how far the sides are apart, and how much of the bound either uses."""
    if np.array_equal(tensor.ours, tensor.theirs):
        apart = "equal on both sides"
    else:
        apart = f"at most {_count(tensor.ulps)} ulp apart"
    if tensor.ratio is None or tensor.bound == 0:
        return apart
    return f"{apart}; error at most {tensor.ratio:.2g} of the bound, which is {tensor.bound:.2g} at most"


def _count(ulps: float) -> str:
    return f"{ulps:,.0f}" if np.isfinite(ulps) else "∞"


def _entry(entry: Entry) -> list[str]:
    lines = [f"{entry.name}{list(entry.index)}: {entry.formula}", ""]
    running = np.cumsum(entry.terms)
    heading = ("n", "δ", "x", "δ · x", "sum so far") if entry.inputs else ("n", "δ", "sum so far")
    lines.append("".join(f"{name:>{5 if name == 'n' else 19}}" for name in heading))
    for n, (delta, so_far) in enumerate(zip(entry.deltas, running, strict=True)):
        if n == TERMS:
            lines.append(f"    … {len(running) - TERMS} more; --json has them all")
            break
        numbers = [delta, entry.inputs[n], entry.terms[n], so_far] if entry.inputs else [delta, so_far]
        lines.append(f"{n:>5}" + "".join(f"{number:>19.9g}" for number in numbers))
    rows = {
        "sum, rounded once": entry.total,
        "NumPy": entry.ours,
        "PyTorch (autograd)": entry.theirs,
        "the judge": entry.reference,
    }
    lines += ["", *(f"{name:<20}{value: .17g}" for name, value in rows.items())]
    return [*lines[:-1], f"{lines[-1]} ± {entry.radius:.3g}"]


def to_json(trace: Trace, entry: Entry | None = None) -> str:
    """Every number of the step."""
    found: dict[str, Any] = {
        "experiment": trace.experiment,
        "step": trace.step,
        "rows": trace.rows,
        "held": trace.held,
        "loss": {"formula": trace.loss, **_as_dict(trace.value)},
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "formula": layer.formula,
                "tensors": [_as_dict(tensor) for tensor in layer.tensors],
            }
            for layer in trace.layers
        ],
        "optimizer": trace.optimizer,
        "update": [_as_dict(tensor) for tensor in trace.update],
    }
    if entry is not None:
        found["entry"] = {
            "name": entry.name,
            "index": list(entry.index),
            "formula": entry.formula,
            "delta": list(entry.deltas),
            "x": list(entry.inputs),
            "terms": list(entry.terms),
            "total": entry.total,
            "numpy": entry.ours,
            "torch": entry.theirs,
            "reference": entry.reference,
            "radius": entry.radius,
        }
    return json.dumps(_plain(found), ensure_ascii=False, allow_nan=False) + "\n"


def _as_dict(tensor: Tensor) -> dict[str, Any]:
    ball = tensor.ball
    return {
        "symbol": tensor.symbol,
        "parameter": tensor.name,
        "shape": list(tensor.shape),
        "numpy": tensor.ours.tolist(),
        "torch": tensor.theirs.tolist(),
        "reference": None if ball is None else ball.mid.tolist(),
        "radius": None if ball is None else ball.rad.tolist(),
        "ulps_apart": tensor.ulps,
        "error_over_bound": tensor.ratio,
    }


def _plain(value: Any) -> Any:
    """JSON knows neither NaN nor ∞: they are written as text."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return repr(value) if isinstance(value, float) and not np.isfinite(value) else value
