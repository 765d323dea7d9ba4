"""Vectors of an op: cases with right answers, edge cases among them.

The hand-written side computes the answers, and the judge holds every one of them before it is given out.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import scratch
from handgrad import catalogue
from handgrad.catalogue.row import Options, Vectors
from handgrad.vectors import ops
from handgrad.vectors.answer import judge_case
from handgrad.vectors.case import Array, Case

SAMPLES = {name: row.vectors for name, row in {**catalogue.ROWS, **catalogue.OPTIMIZERS}.items()}
ROWS = 5
Rng = np.random.Generator
Shape = tuple[int, ...]


def vectors(op: str, dtype: npt.DTypeLike) -> list[Case]:
    """The cases of an op. ValueError for one that is not in the catalogue."""
    make = {"layer": _layer, "loss": _loss, "optimizer": _optimizer}[ops.known(op)]
    found = []
    with np.errstate(all="ignore"):
        for case in make(op, SAMPLES[op], np.dtype(dtype)):
            verdict = judge_case(case).verdict
            if not verdict.held:
                raise AssertionError(verdict.render())
            found.append(case)
    return found


def _rng(op: str, case: str) -> Rng:
    """The same numbers for a case wherever and whenever it is made."""
    return np.random.default_rng([zlib.crc32(text.encode()) for text in (op, case)])


Draw = Callable[[Rng, Shape, Vectors, np.dtype[Any]], Array]


def _scaled(scale: float) -> Draw:
    return lambda rng, shape, sample, dtype: scale * rng.normal(size=shape)


STYLES: dict[str, Draw] = {
    "normal": _scaled(1.0),
    "kinks": lambda rng, shape, sample, dtype: rng.choice(sample.kinks, shape),
    "signed-zeros": lambda rng, shape, sample, dtype: rng.choice([0.0, -0.0, 1.0, -1.0], shape),
    "saturated": _scaled(50.0),
    "large": _scaled(1e6),
    "tiny": _scaled(1e-6),
    "subnormal": lambda rng, shape, sample, dtype: float(np.finfo(dtype).tiny) * rng.normal(size=shape),
}
"""What the numbers of a case are drawn from: the places where backprop code goes wrong."""


def _plan(sample: Vectors, styles: tuple[str, ...] = tuple(STYLES)) -> Iterator[tuple[str, Options, str, int]]:
    """Name, options, style and number of rows of each case."""
    for style in styles:
        yield style, sample.options, style, ROWS
    yield "one-row", sample.options, "normal", 1
    yield "empty", sample.options, "normal", 0
    for name, options in sample.variants.items():
        yield name, {**sample.options, **options}, "normal", ROWS


# --- layers -----------------------------------------------------------------------------------------------------------


def _layer(op: str, sample: Vectors, dtype: np.dtype[Any]) -> Iterator[Case]:
    for name, options, style, rows in _plan(sample):
        rng = _rng(op, name)
        if op == "BatchNorm1d" and rows == 1:
            options = {**options, "training": False}  # a batch of one row has no variance
        case = Case(op, options, _layer_arrays(op, sample, STYLES[style], rows, rng, dtype), name)
        case = replace(case, arrays={**_parameters(case, rng, dtype), **case.arrays})
        made = ops.layer(case)
        x = [case.arrays[name] for name in ops.inputs(op)]
        output = made.forward(*x)
        grad_output = rng.normal(size=output.shape).astype(dtype)
        by_input = made.backward(grad_output)
        found = {"output": output, "grad_output": grad_output}
        if drawn := ops.draws(made):
            found[drawn] = getattr(made, drawn)
        found |= {f"grad_{name}": gradient for name, gradient in made.named_gradients() if gradient is not None}
        if op != "Embedding":
            every = by_input if isinstance(by_input, tuple) else (by_input,)
            found |= {f"grad_{name}": a for name, a in zip(ops.inputs(op), every, strict=True)}
        found |= {f"new_{name}": buffer.data for name, buffer in made.named_buffers()}
        yield replace(case, arrays={**case.arrays, **{name: np.array(array) for name, array in found.items()}})


def _layer_arrays(op: str, sample: Vectors, draw: Draw, rows: int, rng: Rng, dtype: np.dtype[Any]) -> dict[str, Array]:
    if op == "Bilinear":
        widths = (sample.options["in1_features"], sample.options["in2_features"])
        names = ops.inputs(op)
        return {n: draw(rng, (rows, w), sample, dtype).astype(dtype) for n, w in zip(names, widths, strict=True)}
    shape = (rows, *sample.shape)
    if sample.inputs == ("index",):
        return {"input": rng.integers(0, sample.options["num_embeddings"], shape)}
    return {"input": draw(rng, shape, sample, dtype).astype(dtype)}


def _parameters(case: Case, rng: Rng, dtype: np.dtype[Any]) -> dict[str, Array]:
    """Drawn weights, and statistics as some batches would have left them: at 1 and 0 they would hide mistakes."""
    options = {name: value for name, value in case.options.items() if name != "training"}
    if "normalized_shape" in options:
        options["normalized_shape"] = tuple(options["normalized_shape"])
    kind = getattr(scratch, case.op)
    try:
        made = kind(**options, dtype=dtype)
    except TypeError:  # it has no parameters
        return {}
    return {
        name: np.array(3)
        if array.dtype.kind == "i"
        else np.abs(rng.normal(size=array.shape)).astype(dtype)
        if name == "running_var"
        else rng.normal(size=array.shape).astype(dtype)
        for name, array in made.state_dict().items()
    }


# --- losses -----------------------------------------------------------------------------------------------------------


def _loss(op: str, sample: Vectors, dtype: np.dtype[Any]) -> Iterator[Case]:
    styles = tuple(style for style in STYLES if style not in UNFIT.get(sample.inputs[0], ()))
    for name, options, style, rows in _plan(sample, styles):
        if rows == 0:
            if op in ("MultiMarginLoss", "MultiLabelMarginLoss"):
                continue  # the sum of nothing is undefined there
            options = {**options, "reduction": "sum"}  # and so is a mean
        rng = _rng(op, name)
        shape = (rows, *sample.shape)
        arrays = {
            argument: _drawn(kind, rng, shape, sample, STYLES[style], dtype)
            for argument, kind in zip(ops.inputs(op), sample.inputs, strict=True)
        }
        for weight in sample.arrays.get(name, ()):
            arrays[weight] = rng.uniform(0.3, 2.1, sample.shape).astype(dtype)
        case = Case(op, options, arrays, name)
        made = ops.loss(case)
        value = made.forward(*(arrays[argument] for argument in ops.inputs(op)))
        upstream = rng.normal(size=np.shape(value)).astype(dtype)
        gradients = made.backward(upstream)
        every = gradients if isinstance(gradients, tuple) else (gradients,)
        differentiable = [argument for argument in ops.inputs(op) if argument != "target"]
        found = {"output": value, "grad_output": upstream}
        found |= {f"grad_{argument}": a for argument, a in zip(differentiable, every, strict=True)}
        yield replace(case, arrays={**arrays, **{name: np.asarray(array) for name, array in found.items()}})


UNFIT = {
    "probability": ("kinks", "signed-zeros", "saturated", "large", "tiny", "subnormal"),
    "moderate": ("large",),  # its exponential is not finite
}
"""Styles that are none of these numbers."""


def _drawn(kind: str, rng: Rng, shape: Shape, sample: Vectors, draw: Draw, dtype: np.dtype[Any]) -> Array:
    rows = shape[:1]
    drawn: dict[str, Callable[[], npt.NDArray[Any]]] = {
        "real": lambda: draw(rng, shape, sample, dtype),
        "moderate": lambda: draw(rng, shape, sample, dtype),
        "probability": lambda: rng.choice([0.0, 1.0, 1e-30, 0.5, *rng.random(5)], shape),
        "positive": lambda: rng.uniform(0.05, 4.0, shape),
        "count": lambda: rng.poisson(4, shape).astype(dtype),
        "binary": lambda: rng.integers(0, 2, shape).astype(dtype),
        "sign": lambda: rng.choice([-1.0, 1.0], shape),
        "row sign": lambda: rng.choice([-1.0, 1.0], rows),
        "class": lambda: rng.integers(0, shape[-1], rows),
        "labels": lambda: np.where(rng.random(shape) < 0.3, -1, rng.integers(0, shape[-1], shape)),
    }
    array = drawn[kind]()
    return array if array.dtype.kind == "i" else array.astype(dtype)


# --- optimizers -------------------------------------------------------------------------------------------------------

SCALES = {"first-step": 1.0, "third-step": 1.0, "zero-gradient": 0.0, "large": 1e6, "tiny": 1e-6}
"""Of the gradients. The third step and those after it have a state."""


def _optimizer(op: str, sample: Vectors, dtype: np.dtype[Any]) -> Iterator[Case]:
    for name, scale in SCALES.items():
        yield _step(Case(op, sample.options, {}, name), sample.shape, scale, 1 if name == "first-step" else 3, dtype)
    if op not in ("Adafactor", "Muon", "LBFGS"):
        empty = (0, *sample.shape[1:])
        yield _step(Case(op, sample.options, {}, "empty"), empty, 1.0, 2, dtype)
    for name, options in sample.variants.items():
        yield _step(Case(op, {**sample.options, **options}, {}, name), sample.shape, 1.0, 3, dtype)


def _step(case: Case, shape: Shape, scale: float, steps: int, dtype: np.dtype[Any]) -> Case:
    """The last of some steps."""
    rng = _rng(case.op, case.name)

    def gradient() -> Array:
        return (scale * rng.normal(size=shape)).astype(dtype)

    arrays = {"param": rng.normal(size=shape).astype(dtype), "grad": gradient()}
    if case.op == "LBFGS":
        return _lbfgs(replace(case, arrays=arrays), scale, steps, rng)
    if case.op == "SparseAdam":
        arrays["rows"] = rng.random(shape[0]) < 0.6
    state: dict[str, Array] = {}
    for _ in range(steps):
        before = replace(case, arrays={**arrays, **state})
        made = ops.optimizer(before, state)
        (parameter,) = made.parameters()
        if case.op == "SparseAdam":
            parameter.grad = None
            parameter.accumulate_rows(arrays["grad"] * arrays["rows"][:, np.newaxis], arrays["rows"])
        else:
            parameter.grad = arrays["grad"]
        made.step()
        after = {name: np.array(array) for name, array in made.state_dict()["state"].get(0, {}).items()}
        answers = {"new_param": parameter.data, **{f"new_{name}": array for name, array in after.items()}}
        found = replace(before, arrays={**before.arrays, **answers})
        arrays = {**arrays, "param": np.array(parameter.data), "grad": gradient()}
        state = after
    return found


def _lbfgs(case: Case, scale: float, steps: int, rng: Rng) -> Case:
    """An iteration of some on a quadratic bowl, ½ Σ aᵢ(θᵢ − cᵢ)²."""
    parameter = scratch.Parameter(case.arrays["param"])
    dtype = parameter.data.dtype
    a = (scale * rng.uniform(0.5, 2.0, parameter.shape)).astype(dtype)
    c = rng.normal(size=parameter.shape).astype(dtype)
    made = scratch.LBFGS([parameter], **{**case.options, "max_iter": 1, "tolerance_grad": -1.0})

    def closure() -> Any:
        parameter.grad = a * (parameter.data - c)
        return (a * (parameter.data - c) ** 2).sum() / 2

    for _ in range(steps):
        before = np.array(parameter.data)
        made.step(closure)
    state = made.state_dict()["state"][0]
    arrays = {
        "param": before,
        "grad": state["prev_flat_grad"].reshape(before.shape),
        "t": np.asarray(state["t"], dtype),
    }
    arrays |= {"new_param": parameter.data, "new_d": state["d"]}
    if pairs := len(state["ro"]):
        arrays |= {name: np.stack(state[name]) for name in ("old_dirs", "old_stps")}
        arrays |= {"new_ro": np.array(state["ro"]).reshape(pairs), "new_H_diag": np.asarray(state["H_diag"])}
    return replace(case, arrays=arrays)
