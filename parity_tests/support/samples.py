"""The arrays that a row of the loss table is called with, from one draw."""

import numpy as np

from parity_tests.support.strategies import Draw


def labels(rng, shape):
    """Class indices of several classes, in any order, some twice; −1 ends a row's list at any place, or nowhere."""
    drawn = rng.integers(0, max(shape[-1], 1), shape)
    return np.where(rng.random(shape) < 0.2, -1, drawn)


def loss_arrays(row, draw, batch, classes, trailing, dtype):
    """The arrays of a loss. `batch` None is one sample; `trailing` axes follow the class axis."""
    shape = ((classes,) if batch is None else (batch, classes)) + trailing
    rng = np.random.default_rng([draw.seed, 99])
    inputs = {
        "probability": lambda: rng.choice([0.0, 1.0, 1e-30, 0.5, 0.999999, *rng.random(5)], shape).astype(dtype),
        "positive": lambda: np.abs(draw.array(shape, dtype)),
    }
    input = inputs.get(row.input, lambda: draw.array(shape, dtype))()
    index_shape = (() if batch is None else (batch,)) + trailing
    targets = {
        "float": lambda: Draw(draw.style, "contiguous", draw.seed).array(shape, dtype, 1),
        "probability": lambda: rng.choice([0.0, 1.0, 0.25, *rng.random(4)], shape).astype(dtype),
        "log probability": lambda: np.log(rng.choice([1.0, 0.25, 1e-30, *rng.random(4)], shape)).astype(dtype),
        "binary": lambda: rng.integers(0, 2, shape).astype(dtype),
        "count": lambda: rng.choice([0.0, 1.0, 1.5, *rng.poisson(20, 4)], shape).astype(dtype),
        "sign": lambda: rng.choice([-1.0, 1.0], shape).astype(dtype),
        "sign or 0": lambda: rng.choice([-1.0, 0.0, 1.0], shape).astype(dtype),
        "row sign": lambda: np.asarray(rng.choice([-1.0, 1.0, -1.0, 1.0, 0.0], index_shape), dtype),
        "class": lambda: np.asarray(rng.integers(0, classes, index_shape)),
        "class probabilities": lambda: rng.random(shape).astype(dtype),
        "labels": lambda: labels(rng, shape),
    }
    target = targets[row.target]()
    if row.input == "pair":
        return input, draw.array(shape, dtype, 2), target
    if row.var:
        shapes = {"full": shape, "row": shape[:-1], "column": (*shape[:-1], 1), "one axis": (1, *shape[1:]), "one": ()}
        scale = 10.0 ** rng.integers(-3, 3)
        return input, target, np.asarray(rng.choice([0.0, scale, *rng.random(5)], shapes[row.var]), dtype)
    return input, target


def as_tuple(gradients):
    return gradients if isinstance(gradients, tuple) else (gradients,)
