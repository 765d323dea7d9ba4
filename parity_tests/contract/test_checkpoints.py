"""All that training keeps, through a file and back: safetensors writes memory as it lies, so what is handed out lies by
rows, whatever order the side computes in."""

import numpy as np
import pytest
import safetensors.numpy
import torch

from parity_tests.catalogue.tables import OPTIMIZERS, SIDES
from parity_tests.numbers.test_optimizers import shapes_of
from parity_tests.support.strategies import Draw

DRAW = Draw("normal", "contiguous", 0)
KINDS = {**OPTIMIZERS, "LBFGS": ("LBFGS", {"lr": 0.1, "max_iter": 3})}
LBFGS_SHAPES = ((3, 4), (4,), ())


def flattened(value, prefix=""):
    """Arrays by path: a list's entries and single numbers are arrays too, as a file has nothing else."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {path: array for key, entry in pairs for path, array in flattened(entry, f"{prefix}/{key}").items()}
    return {} if value is None else {prefix: np.asarray(value)}


def refilled(value, arrays, prefix=""):
    """The same structure with the arrays of a file."""
    if isinstance(value, dict):
        return {key: refilled(entry, arrays, f"{prefix}/{key}") for key, entry in value.items()}
    if isinstance(value, list):
        return [refilled(entry, arrays, f"{prefix}/{i}") for i, entry in enumerate(value)]
    return None if value is None else arrays[prefix]


def through_a_file(state, path):
    safetensors.numpy.save_file(flattened(state), path)
    return refilled(state, safetensors.numpy.load_file(path))


def built(side, name, dtype, start=None):
    """Parameters that lie by columns, as a Linear's weight does, and the optimizer of them."""
    kind, options = KINDS[name]
    shapes = LBFGS_SHAPES if name == "LBFGS" else shapes_of(name)
    start = start or [DRAW.array(shape, dtype, i) for i, shape in enumerate(shapes)]
    arrays = [np.asfortranarray(data).reshape(data.shape) for data in start]
    if side == "torch":  # its own parameters lie by rows; one that is wrapped may not
        arrays = [torch.nn.Parameter(torch.from_numpy(array.copy(order="K"))) for array in arrays]
    parameters = [SIDES[side].Parameter(array) for array in arrays]
    return parameters, getattr(SIDES[side], kind)(parameters, **options)


def train(parameters, optimizer, steps):
    def closure():
        for i, parameter in enumerate(parameters):
            noise = DRAW.array(parameter.data.shape, parameter.data.dtype, i)
            parameter.grad = np.asfortranarray(4 * parameter.data**3 + noise).reshape(noise.shape)
        return float(sum((p.data**4).sum() for p in parameters))

    for _ in range(steps):
        optimizer.step(closure)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("giver", "dtype"), [("scratch", np.float32), ("torch", np.float64)])
def test_an_optimizer_resumes_from_a_file(name, giver, dtype, tmp_path):
    """To the bit on its own side, as if it had not stopped; and the other side holds the same numbers."""
    parameters, optimizer = built(giver, name, dtype)
    with np.errstate(all="ignore"):
        train(parameters, optimizer, 3)
        state, start = optimizer.state_dict(), [np.array(p.data, order="C") for p in parameters]
        assert all(array.flags.c_contiguous for array in flattened(state["state"]).values())
        read = {**state, "state": through_a_file(state["state"], tmp_path / "state")}
        train(parameters, optimizer, 2)
        for taker in SIDES:
            others, resumed = built(taker, name, dtype, start)
            resumed.load_state_dict(read)
            kept = flattened(resumed.state_dict()["state"])
            for path, array in flattened(state["state"]).items():
                np.testing.assert_array_equal(kept[path], array, err_msg=path)
                assert kept[path].shape == array.shape
            if taker == giver:
                train(others, resumed, 2)
                for mine, whole in zip(others, parameters, strict=True):
                    np.testing.assert_array_equal(mine.data, whole.data)


@pytest.mark.parametrize("side", SIDES)
def test_a_model_and_its_gradients_lie_by_rows(side, tmp_path):
    """Parameters, buffers and gradients as they are handed out."""
    package = SIDES[side]
    model = package.Sequential(package.Linear(3, 4, rng=0), package.BatchNorm1d(4), package.Linear(4, 2, rng=1))
    output = model.forward(DRAW.array((5, 3), np.float32))
    model.backward(np.ones_like(output))
    handed_out = {**model.state_dict(), **{f"grad/{name}": array for name, array in model.named_gradients()}}
    assert len(handed_out) == 15
    for name, array in through_a_file(handed_out, tmp_path / "model").items():
        assert handed_out[name].flags.c_contiguous, name
        np.testing.assert_array_equal(array, handed_out[name])
