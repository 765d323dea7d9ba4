"""State dicts and weight files: from the hand-written side into plain torch.nn and torch.optim, and back, bit for bit.

"Plain" is what `torch_impl` wraps: the nn.Module, the torch.optim.Optimizer, the schedule. One conversion is between.
"""

import inspect

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import scratch
import torch_impl
from handgrad.judge import judge_backward, judge_forward, judge_optimizer, snapshot
from parity_tests.catalogue.tables import DTYPES, OPS, OPTIMIZERS
from parity_tests.numbers.test_optimizers import shapes_of
from parity_tests.numbers.test_schedulers import SCHEDULES
from parity_tests.support.strategies import Draw

DRAW = Draw("normal", "contiguous", 0)


def converted(value, convert):
    """A state dict with every array or tensor in it converted."""
    if isinstance(value, dict):
        return {key: converted(entry, convert) for key, entry in value.items()}
    return [converted(entry, convert) for entry in value] if isinstance(value, list) else convert(value)


def to_torch(state):
    return converted(state, lambda a: torch.from_numpy(a) if isinstance(a, np.ndarray) else a)


def to_numpy(state):
    return converted(state, lambda t: t.numpy() if isinstance(t, torch.Tensor) else t)


def bits(array):
    """Shape, dtype and every bit: NaN is equal to itself here, and −0 is not 0."""
    array = np.asarray(array)
    return array.shape, array.dtype, array.tobytes()


def same(ours, theirs):
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert bits(array) == bits(theirs[name]), name


# --- modules ---------------------------------------------------------------------------------------------------------


def other_numbers(state, number):
    """Positive, for a variance may be among them; counts go up."""
    return {
        key: np.abs(DRAW.array(a.shape, a.dtype, 9 * number + i)) + a.dtype.type(0.5) if a.dtype.kind == "f" else a + 3
        for i, (key, a) in enumerate(state.items())
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPS)
def test_a_module_and_plain_torch_take_each_others_state(name, dtype):
    """There and, with other numbers, back; then the side that took it computes from it, and is judged."""
    op = OPS[name]
    ours, adapter = op.build(scratch, dtype), op.build(torch_impl, dtype)
    x = DRAW.array((4, op.width or 3), dtype)
    ours.load_state_dict(other_numbers(ours.state_dict(), 0))
    adapter.module.load_state_dict(to_torch(ours.state_dict()))
    same(ours.state_dict(), to_numpy(dict(adapter.module.state_dict())))
    adapter.load_state_dict(other_numbers(adapter.state_dict(), 1))
    ours.load_state_dict(to_numpy(dict(adapter.module.state_dict())))
    same(ours.state_dict(), to_numpy(dict(adapter.module.state_dict())))
    for model in (adapter, ours):
        output = model.forward(x)
        for verdict in (judge_forward(model, x, output), judge_backward(model, x, np.ones_like(output))):
            assert verdict.held, verdict.render()


# --- optimizers ------------------------------------------------------------------------------------------------------


def train(parameters, optimizer, steps):
    for step in steps:
        for i, parameter in enumerate(parameters):
            parameter.grad = DRAW.array(parameter.data.shape, parameter.data.dtype, 10 * step + i)
        optimizer.step()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_and_plain_torch_take_each_others_state(name, dtype):
    """Three steps here, one there, one here again, each judged. Torch's own loading turns NAdam's float32 product and
    ASGD's two numbers into the parameter's dtype: in float64 it is torch_impl, which sets them back, that goes on."""
    kind, options = OPTIMIZERS[name]
    data = [DRAW.array(shape, dtype, i) for i, shape in enumerate(shapes_of(name))]
    ours = [scratch.Parameter(a) for a in data]
    optimizer = getattr(scratch, kind)(ours, **options)
    train(ours, optimizer, range(3))

    theirs = [torch_impl.Parameter(parameter.data) for parameter in ours]
    adapter = getattr(torch_impl, kind)(theirs, **options)
    if kind in ("NAdam", "ASGD") and dtype is np.float64:
        adapter.load_state_dict(optimizer.state_dict())
    else:
        adapter.optimizer.load_state_dict(to_torch(optimizer.state_dict()))
    for number, entries in optimizer.state_dict()["state"].items():
        for entry, array in entries.items():
            assert bits(array) == bits(adapter.state_dict()["state"][number][entry])
    before = snapshot(adapter)
    train(theirs, adapter, [3])
    assert judge_optimizer(adapter, before).held

    again = [scratch.Parameter(parameter.data) for parameter in theirs]
    back = getattr(scratch, kind)(again, **options)
    back.load_state_dict(to_numpy(adapter.optimizer.state_dict()))
    before = snapshot(back)
    train(again, back, [4])
    assert judge_optimizer(back, before).held
    for key in set(back.param_groups[0]) - {"params"}:
        assert back.param_groups[0][key] == adapter.param_groups[0][key]


@pytest.mark.parametrize("options", [{}, {"line_search_fn": "strong_wolfe"}], ids=["plain", "strong wolfe"])
def test_lbfgs_and_plain_torch_take_each_others_state(options):
    """History and all: both go on to losses equal to what rounding of two steps can grow to."""

    def problem(side, start):
        parameter = side.Parameter(start)

        def closure():
            a = parameter.data
            parameter.grad = 4 * a**3 + np.array([0.1, -3.0, 1.0]) * a - 1
            return float((a**4).sum() + (np.array([0.05, -1.5, 0.5]) * a**2).sum() - a.sum())

        return parameter, closure

    start = np.array([1.0, -2.0, 0.5])
    parameter, closure = problem(scratch, start)
    ours = scratch.LBFGS([parameter], lr=0.05, max_iter=3, **options)
    ours.step(closure)
    plain_parameter, plain_closure = problem(torch_impl, parameter.data)
    plain = torch_impl.LBFGS([plain_parameter], lr=0.05, max_iter=3, **options)
    plain.optimizer.load_state_dict(to_torch(ours.state_dict()))
    back_parameter, back_closure = problem(scratch, parameter.data)
    back = scratch.LBFGS([back_parameter], lr=0.05, max_iter=3, **options)
    back.load_state_dict(to_numpy(plain.optimizer.state_dict()))
    for each, evaluate in ((ours, closure), (plain, plain_closure), (back, back_closure)):
        each.step(evaluate)
    np.testing.assert_allclose(plain_parameter.data, parameter.data, rtol=1e-10)
    np.testing.assert_array_equal(back_parameter.data, parameter.data)


# --- schedules -------------------------------------------------------------------------------------------------------


CONSTRUCTORS = {
    **{
        name: lambda side, optimizer, kind=kind, options=options: getattr(side, kind)(optimizer, **options)
        for name, (kind, options) in SCHEDULES.items()
    },
    "SequentialLR": lambda side, optimizer: side.SequentialLR(
        optimizer, [side.LinearLR(optimizer), side.StepLR(optimizer, 2), side.ExponentialLR(optimizer, 0.9)], [3, 9]
    ),
    "ReduceLROnPlateau": lambda side, optimizer: side.ReduceLROnPlateau(optimizer, "max", patience=1, cooldown=1),
}
ONLY_TORCHS = "_get_lr_called_within_step"
"""A flag by which torch warns of a direct call of `get_lr`; it is set anew in every step, and missed by nobody."""


def scheduled(side, name):
    optimizer = side.SGD([side.Parameter(np.ones(2))], lr=0.1, momentum=0.9)
    optimizer.step()  # torch warns of schedules that come before it
    return optimizer, CONSTRUCTORS[name](side, optimizer)


def followed(optimizer, schedule, steps):
    rates = []
    for step in steps:
        optimizer.step()
        needs_number = "metrics" in inspect.signature(schedule.step).parameters
        schedule.step(*([abs(np.sin(step * step))] if needs_number else []))
        rates.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
    return rates


def without_flag(state):
    return {
        key: [without_flag(entry) for entry in value] if key == "_schedulers" else value
        for key, value in state.items()
        if key != ONLY_TORCHS
    }


@pytest.mark.parametrize("name", CONSTRUCTORS)
@pytest.mark.parametrize(("giver", "taker"), [(scratch, torch_impl), (torch_impl, scratch)], ids=["into", "out of"])
def test_a_schedule_and_plain_torch_take_each_others_state(name, giver, taker):
    """The same keys and values, to the last bit; and the one goes on as the other would have."""
    optimizer, schedule = scheduled(giver, name)
    followed(optimizer, schedule, range(7))
    other_optimizer, other = scheduled(taker, name)
    followed(other_optimizer, other, range(7))
    assert without_flag(schedule.state_dict()) == without_flag(other.state_dict())

    taken_optimizer, taken = scheduled(taker, name)
    plain = getattr(taken_optimizer, "optimizer", taken_optimizer)
    convert = to_torch if taker is torch_impl else to_numpy
    plain.load_state_dict(convert(getattr(optimizer, "optimizer", optimizer).state_dict()))
    taken.load_state_dict(schedule.state_dict())
    assert followed(taken_optimizer, taken, range(7, 30)) == followed(optimizer, schedule, range(7, 30))


# --- files -----------------------------------------------------------------------------------------------------------


def oddities(dtype):
    """What a file could lose: shapes without numbers or axes, strides, the sign of zero, small numbers, NaN's bits."""
    info = np.finfo(dtype)
    whole = np.dtype(f"u{info.dtype.itemsize}")
    quiet, negative = (np.array(x, dtype).view(whole) for x in (np.nan, -np.nan))
    payloads = np.array([quiet | 1, negative | 12345, quiet], whole).view(dtype)
    return {
        "fortran": np.asfortranarray(DRAW.array((3, 4), dtype)),
        "strided": DRAW.array((6, 4), dtype)[::2, ::-1],
        "no axis": np.array(-1.5, dtype),
        "no rows": np.zeros((0, 3), dtype),
        "no columns": np.zeros((3, 0), dtype),
        "zeros": np.array([0.0, -0.0], dtype),
        "small": np.array([info.smallest_subnormal, -info.smallest_normal / 2, info.smallest_normal], dtype),
        "large": np.array([info.max, -np.inf, np.inf], dtype),
        "NaN": payloads,
    }


class Holder(scratch.Module):
    """A module of the given parameters."""

    def __init__(self, arrays):
        for name, array in arrays.items():
            setattr(self, name, scratch.Parameter(array))


class PlainHolder(torch.nn.Module):
    def __init__(self, arrays):
        super().__init__()
        for name, array in arrays.items():
            setattr(
                self, name, torch.nn.Parameter(torch.zeros(array.shape, dtype=torch.from_numpy(array.copy()).dtype))
            )


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_move_bit_for_bit(dtype, tmp_path):
    """Written here and read by plain torch; written by plain torch and read here."""
    arrays = oddities(dtype)
    ours, plain = Holder(arrays), PlainHolder(arrays)
    safetensors.numpy.save_file(ours.state_dict(), tmp_path / "ours")
    plain.load_state_dict(safetensors.torch.load_file(tmp_path / "ours"))
    same(arrays, to_numpy(dict(plain.state_dict())))
    safetensors.torch.save_file(plain.state_dict(), tmp_path / "theirs")
    back = Holder({name: np.zeros(a.shape, a.dtype) for name, a in arrays.items()})
    back.load_state_dict(safetensors.numpy.load_file(tmp_path / "theirs"))
    same(arrays, back.state_dict())
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name, op in OPS.items() if list(op.build(scratch, np.float32).parameters())])
def test_every_module_fits_into_a_file(name, dtype, tmp_path):
    ours, plain = OPS[name].build(scratch, dtype), OPS[name].build(torch_impl, dtype).module
    safetensors.numpy.save_file(ours.state_dict(), tmp_path / "ours")
    safetensors.torch.load_model(plain, tmp_path / "ours")
    same(ours.state_dict(), to_numpy(dict(plain.state_dict())))
    kept = ours.state_dict()
    safetensors.torch.save_model(plain, str(tmp_path / "theirs"))
    ours.load_state_dict({key: np.zeros_like(array) for key, array in kept.items()})
    ours.load_state_dict(safetensors.numpy.load_file(tmp_path / "theirs"))
    same(kept, ours.state_dict())
