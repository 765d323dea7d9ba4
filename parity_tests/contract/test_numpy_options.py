"""An option given as a NumPy scalar does what the Python number does, bit for bit and in the same dtype, on both sides.

`np.float64(0.1) * x` is float64 for a float32 x, and `0.1 * x` is not; `np.float32(0.1) * 0.5` is rounded to float32.
The options are those of `test_options`, of the tables of optimizers and schedules, of clipping and of `scratch.init`.
"""

import numpy as np
import pytest

import scratch
from parity_tests.catalogue.tables import CHANGES, NEEDS, OPTIMIZERS, SIDES, STARTS
from parity_tests.contract.test_options import loss_results, op_results, same
from parity_tests.numbers.test_schedulers import CASES, NUMBERS, observed, two_groups


def wrapped(value):
    """Every way to write a number, or a list of them, with NumPy's types, beside the same with Python's."""
    if isinstance(value, bool):
        return [(np.bool_(value), value)]
    if isinstance(value, int):
        return [(kind(value), value) for kind in (np.int64, np.uint8) if value >= 0 or kind is np.int64]
    if isinstance(value, float):
        kinds = (np.float64, np.float32)
        return [(kind(value), float(kind(value))) for kind in kinds]
    if isinstance(value, list | tuple) and all(isinstance(entry, int | float) for entry in value):
        columns = zip(*(wrapped(entry) for entry in value), strict=False)
        return [tuple(type(value)(side) for side in zip(*column, strict=True)) for column in columns]
    return []


ROWS = [
    (name, option, number, python)
    for name, options in CHANGES.items()
    for option, values in options.items()
    for value in [*values, *([STARTS[name][option]] if option in STARTS.get(name, {}) else [])]
    for number, python in wrapped(value)
]
IN_FLOAT32 = {"judged": False, "dtype": np.float32}


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize(("name", "option", "number", "python"), ROWS)
def test_ops_and_losses(name, option, number, python, side):
    base = {**STARTS.get(name, {}), **NEEDS.get((name, option), {})}
    is_op = issubclass(getattr(scratch, name), scratch.Module)
    results = [
        op_results(side, name, options, judged=False) if is_op else loss_results(side, name, options, **IN_FLOAT32)
        for options in ({**base, option: number}, {**base, option: python})
    ]
    assert results[0].keys() == results[1].keys()
    assert all(same(results[0][key], results[1][key]) for key in results[0])
    made = [repr(getattr(side, name)(**{**base, option: value})) for value in (number, python)]
    assert made[0] == made[1]


def trained(side, name, options, group=None, write=lambda optimizer: None):
    """Parameters and state after three steps, float32 as they are."""
    parameter = side.Parameter(np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3))
    optimizer = getattr(side, name)([{"params": [parameter], **(group or {})}], **options)
    write(optimizer)
    for i in range(3):
        parameter.grad = np.cos(np.arange(6, dtype=np.float32) + i).reshape(2, 3)
        optimizer.step(lambda: np.float32(1)) if name == "LBFGS" else optimizer.step()
    return parameter.data.copy(), optimizer.state_dict()


def assert_equal(a, b):
    """States of nested dicts and lists: the same entries, types, dtypes and bits."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)
    else:
        assert a == b


OPTIMIZER_ROWS = {
    **{row: OPTIMIZERS[row] for row in OPTIMIZERS if "all options" in row or row in ("SGD momentum", "Rprop", "ASGD")},
    "RAdam": ("RAdam", {"lr": 0.01, "betas": (0.9, 0.75), "eps": 1e-3, "weight_decay": 0.1}),
    "LBFGS": ("LBFGS", {"lr": 0.5, "max_iter": 3, "tolerance_grad": 1e-7, "tolerance_change": 1e-9, "history_size": 5}),
}


@pytest.mark.parametrize("when", ["constructed", "in a group", "written later"])
@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("row", OPTIMIZER_ROWS)
def test_optimizers(row, side, when):
    name, options = OPTIMIZER_ROWS[row]
    for option, value in options.items():
        if option == "initial_accumulator_value" and when != "constructed":
            continue  # one for all groups, and used before the first step
        for number, python in wrapped(value):
            results = []
            for given in ({option: number}, {option: python}):
                if when == "constructed":
                    results.append(trained(side, name, options | given))
                elif when == "in a group":
                    results.append(trained(side, name, options, group=given))
                else:
                    results.append(trained(side, name, options, write=lambda o, g=given: o.param_groups[0].update(g)))
            assert_equal(*results)


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("case", [case for case in CASES if "Lambda" not in case])
def test_schedules(case, side):
    optimizer_kind, kind, options = CASES[case]
    options = {"gamma": 0.3, **options} if kind in ("StepLR", "MultiStepLR") else options
    for option, value in options.items():
        for number, python in wrapped(value):
            seen = []
            for given in (number, python):
                optimizer = two_groups(side, optimizer_kind)
                schedule = getattr(side, kind)(optimizer, **{**options, option: given})
                for metric in NUMBERS:
                    optimizer.step()
                    schedule.step(*[metric] * (kind == "ReduceLROnPlateau"))
                seen.append((observed(optimizer, schedule), optimizer.state_dict()["param_groups"]))
            assert_equal(*seen)


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_clipping(side):
    for clip, limit in (("clip_grad_norm_", 0.3), ("clip_grad_norm_", 2), ("clip_grad_value_", 0.3)):
        for number, python in wrapped(limit):
            gradients = []
            for given in (number, python):
                parameter = side.Parameter(np.ones(3, np.float32))
                parameter.grad = np.array([3, -4, 0.1], np.float32)
                total = getattr(side, clip)([parameter], given)
                gradients.append([parameter.grad, np.asarray(total)])
            assert_equal(*gradients)


INITS = {
    "uniform_": {"a": -0.3, "b": 0.7},
    "normal_": {"mean": 0.3, "std": 0.7},
    "trunc_normal_": {"mean": 0.1, "std": 0.7, "a": -0.9, "b": 1.1},
    "constant_": {"val": 0.3},
    "xavier_uniform_": {"gain": 1.7},
    "xavier_normal_": {"gain": 1.7},
    "kaiming_uniform_": {"a": 0.3},
    "kaiming_normal_": {"a": 0.3},
    "orthogonal_": {"gain": 1.7},
    "sparse_": {"sparsity": 0.7, "std": 0.3},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", INITS)
def test_init(name, dtype):
    rng = {} if name == "constant_" else {"rng": 0}
    for option, value in INITS[name].items():
        for number, python in wrapped(value):
            arrays = [
                getattr(scratch.init, name)(np.zeros((10, 7), dtype), **{**INITS[name], option: given, **rng})
                for given in (number, python)
            ]
            assert_equal(*arrays)
