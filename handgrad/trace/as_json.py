"""A trace as JSON: every number of the step. docs/trace.md describes the fields."""

import json
from typing import Any

import numpy as np

from handgrad.judge import Ball
from handgrad.trace.compute import Direction, Tensor, Trace
from handgrad.trace.line import Line, Number


def to_json(trace: Trace, entry: Line | None = None) -> str:
    """Every number of the step, exactly: a float32 or float64 number is written as the float64 number that it is."""
    found: dict[str, Any] = {
        "experiment": trace.experiment,
        "step": trace.step,
        "rows": trace.rows,
        "held": trace.held,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "formula": layer.formula,
                "tensors": [_tensor(tensor) for tensor in layer.tensors],
                "output_goes_to": list(trace.net.consumers[layer.name]),
            }
            for layer in trace.layers
        ],
        "loss": {"formula": trace.loss, "target": _tensor(trace.target), "value": _tensor(trace.value)},
        "optimizer": trace.optimizer,
        "direction": None if trace.direction is None else _direction(trace.direction),
        "updates": [
            {
                "parameter": update.name,
                "options": update.options,
                "state_before": [_tensor(tensor) for tensor in update.before],
                "state_after": [_tensor(tensor) for tensor in update.after],
                "between": [_ball(symbol, ball) for symbol, ball in update.between.items()],
                "new": _tensor(update.new),
            }
            for update in trace.updates
        ],
        "buffers": [_tensor(tensor) for tensor in trace.buffers],
        "written_out": trace.program,
    }
    if entry is not None:
        found["entry"] = _line(entry)
    return json.dumps(plain(found), ensure_ascii=False, allow_nan=False) + "\n"


def _direction(direction: Direction) -> dict[str, Any]:
    made, places = direction.made, direction.places.items()
    return {
        "parameters": [{"parameter": name, "start": part.start, "stop": part.stop} for name, part in places],
        "began": made.began,
        "paired": made.paired,
        "moved": made.moved,
        "gradient": _tensor(direction.gradient),
        "state_before": [_tensor(tensor) for tensor in direction.before],
        "state_after": [_tensor(tensor) for tensor in direction.after],
        "between": [_ball(symbol, ball) for symbol, ball in made.between.items()],
    }


def _ball(symbol: str, ball: Ball) -> dict[str, Any]:
    """What neither side keeps."""
    shape = list(ball.shape)
    return {"symbol": symbol, "shape": shape, "reference": ball.mid.tolist(), "radius": ball.rad.tolist()}


def _tensor(tensor: Tensor) -> dict[str, Any]:
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


def _line(line: Line) -> dict[str, Any]:
    found: dict[str, Any] = {"what": line.what, **_number(line.number), "formula": line.formula}
    if line.factor is not None:
        found["factor"] = {"what": line.times, **_number(line.factor)}
    if line.total is not None:
        found["total"] = line.total
    return {**found, "terms": [_line(term) for term in line.terms]}


def _number(number: Number) -> dict[str, Any]:
    sides = {"numpy": number.ours, "torch": number.theirs}
    return {**sides, "reference": number.reference, "radius": number.radius}


def plain(value: Any) -> Any:
    """JSON knows neither NaN nor ∞: they are written as text."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return repr(value) if isinstance(value, float) and not np.isfinite(value) else value
