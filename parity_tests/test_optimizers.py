"""Every optimizer with every option: parameters and state after each of several steps, on both sides."""

import numpy as np
import pytest

from handgrad.judge import judge_optimizer, snapshot
from parity_tests.judged import judged
from parity_tests.strategies import Draw, draws
from parity_tests.tables import DTYPES, OPTIMIZERS, SIDES

SHAPES = ((3, 4), (4,), (1, 1), (0, 2), ())


def make(side, name, parameters):
    kind, options = OPTIMIZERS[name]
    return getattr(SIDES[side], kind)(parameters, **options)


def parameters_of(side, draw, dtype):
    return [SIDES[side].Parameter(draw.array(shape, dtype, i)) for i, shape in enumerate(SHAPES)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps(name, side, dtype):
    """Four steps, each judged from the state before it. In every step another parameter has no gradient."""

    def body(draw, gradients):
        parameters = parameters_of(side, draw, dtype)
        optimizer = make(side, name, parameters)
        verdicts = []
        for step in range(4):
            for i, parameter in enumerate(parameters):
                parameter.grad = gradients.array(SHAPES[i], dtype, 10 * step + i) if i != step else None
            kept = [None if p.grad is None else p.grad.copy() for p in parameters]
            before = snapshot(optimizer)
            optimizer.step()
            verdicts.append(judge_optimizer(optimizer, before))
            np.testing.assert_array_equal(parameters[step].data, before.parameters[step])
            for parameter, gradient in zip(parameters, kept, strict=True):
                if gradient is not None:
                    np.testing.assert_array_equal(parameter.grad, gradient)
        return verdicts

    with np.errstate(all="ignore"):
        judged(body, draw=draws, gradients=draws)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_moves_across(name, dtype):
    """The state dicts of both sides have the same keys and shapes, and one side goes on from the other's."""
    draw = Draw("normal", "contiguous", 0)
    pair = {}
    for side in SIDES:
        parameters = parameters_of(side, draw, dtype)
        pair[side] = make(side, name, parameters)
        for step in range(3):
            for i, parameter in enumerate(parameters):
                parameter.grad = draw.array(SHAPES[i], dtype, 10 * step + i)
            pair[side].step()
    states = [
        {i: {n: a.shape for n, a in e.items()} for i, e in o.state_dict()["state"].items()} for o in pair.values()
    ]
    assert states[0] == states[1]
    for giver, taker in (("scratch", "torch"), ("torch", "scratch")):
        state = pair[giver].state_dict()
        pair[taker].load_state_dict(state)
        for i, entries in pair[taker].state_dict()["state"].items():
            for entry, array in entries.items():
                np.testing.assert_array_equal(array, state["state"][i][entry])
        before = snapshot(pair[taker])
        pair[taker].step()
        verdict = judge_optimizer(pair[taker], before)
        assert verdict.held, verdict.render()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_parameter_groups(kind, side):
    """Options of a group override the defaults, and an edited option takes effect at the next step."""
    a, b = (SIDES[side].Parameter(np.ones(3)) for _ in range(2))
    optimizer = getattr(SIDES[side], kind)([{"params": [a]}, {"params": b, "lr": 0.5, "weight_decay": 0.1}], lr=0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5]
    assert len(optimizer.parameters()) == 2
    for lr in (0.25, 0.0625):
        optimizer.param_groups[0]["lr"] = lr
        for parameter in (a, b):
            parameter.grad = np.array([1.0, -2.0, 0.5])
        before = snapshot(optimizer)
        optimizer.step()
        verdict = judge_optimizer(optimizer, before)
        assert verdict.held, verdict.render()
    optimizer.zero_grad()
    assert a.grad is None
    assert b.grad is None


FIRST_CHANGES = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1, "maximize": True, "lr": 0.2},
    "Adam": {
        "betas": (0.5, 0.999),
        "eps": 1e-2,
        "weight_decay": 0.1,
        "maximize": True,
        "lr": 0.2,
    },
}
AFTER = {  # options that need another one to act
    ("SGD", "dampening"): ({"momentum": 0.9}, 0.5),
    ("SGD", "nesterov"): ({"momentum": 0.9}, True),
    ("Adam", "amsgrad"): ({"betas": (0.5, 0.5)}, True),  # v has to fall below its largest value
    ("Adam", "decoupled_weight_decay"): ({"weight_decay": 0.1}, True),
}
CHANGES = [(kind, option, {}, value) for kind, options in FIRST_CHANGES.items() for option, value in options.items()]
CHANGES += [(kind, option, base, value) for (kind, option), (base, value) in AFTER.items()]


@pytest.mark.parametrize(("kind", "option", "base", "value"), CHANGES)
def test_every_option_has_an_effect(kind, option, base, value):
    """Changing one option changes the trajectory, on both sides alike: a knob that does nothing is a bug."""
    ends = {}
    for side in SIDES:
        for changed in (False, True):
            options = {"lr": 0.1, **base, **({option: value} if changed else {})}
            parameter = SIDES[side].Parameter(np.array([1.0, -2.0, 3.0]))
            optimizer = getattr(SIDES[side], kind)([parameter], **options)
            for step in range(4):
                parameter.grad = np.array([3.0, -1.0, 0.5]) / (step + 1) ** 2
                before = snapshot(optimizer)
                optimizer.step()
                assert judge_optimizer(optimizer, before).held
            ends[side, changed] = parameter.data.copy()
    for side in SIDES:
        assert (ends[side, True] != ends[side, False]).all()


def test_every_documented_option_is_in_the_table():
    for kind in ("SGD", "Adam"):
        optimizer = getattr(SIDES["scratch"], kind)([SIDES["scratch"].Parameter(np.ones(1))], lr=0.1)
        assert {option for k, option, _, _ in CHANGES if k == kind} == set(optimizer.defaults)
