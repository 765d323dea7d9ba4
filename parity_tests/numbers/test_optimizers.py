"""Every optimizer with every option: parameters and state after each of several steps, on both sides."""

import numpy as np
import pytest

import scratch
from handgrad import catalogue
from handgrad.judge import judge_optimizer, snapshot
from parity_tests.catalogue.tables import DTYPES, OPTIMIZERS, PLACES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.strategies import Draw, draws
from scratch.optim.optimizer import pieces


def make(side, name, parameters):
    kind, options = OPTIMIZERS[name]
    return getattr(PLACES[side], kind)(parameters, **options)


def shapes_of(name):
    return catalogue.OPTIMIZERS[OPTIMIZERS[name][0]].shapes


def parameters_of(side, name, draw, dtype):
    return [PLACES[side].Parameter(draw.array(shape, dtype, i)) for i, shape in enumerate(shapes_of(name))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", PLACES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps(name, side, dtype):
    """Some steps, each judged from the state before it. In every step another parameter has no gradient."""

    def body(draw, gradients):
        parameters = parameters_of(side, name, draw, dtype)
        optimizer = make(side, name, parameters)
        verdicts = []
        for step in range(catalogue.OPTIMIZERS[OPTIMIZERS[name][0]].steps):
            without = step % len(parameters)
            for i, parameter in enumerate(parameters):
                parameter.grad = gradients.array(shapes_of(name)[i], dtype, 10 * step + i) if i != without else None
            kept = [None if p.grad is None else p.grad.copy() for p in parameters]
            before = snapshot(optimizer)
            optimizer.step()
            verdicts.append(judge_optimizer(optimizer, before))
            np.testing.assert_array_equal(parameters[without].data, before.parameters[without])
            for parameter, gradient in zip(parameters, kept, strict=True):
                if gradient is not None:
                    np.testing.assert_array_equal(parameter.grad, gradient)
        return verdicts

    with np.errstate(all="ignore"):
        judged(body, draw=draws, gradients=draws)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_written_in_place_is_that_of_this_step_alone(name):
    """State that shared its memory would change with it."""
    rng = np.random.default_rng(0)
    shapes = [shape for shape in shapes_of(name) if 0 not in shape]
    start = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    gradients = [[rng.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(3)]
    ends = []
    for in_place in (False, True):
        parameters = [scratch.Parameter(array) for array in start]
        optimizer = make("scratch", name, parameters)
        for step in gradients:
            for parameter, gradient in zip(parameters, step, strict=True):
                if in_place and parameter.grad is not None:
                    parameter.grad[...] = gradient
                else:
                    parameter.grad = gradient
            optimizer.step()
        ends.append([parameter.data for parameter in parameters])
    for assigned, written in zip(*ends, strict=True):
        np.testing.assert_array_equal(assigned, written)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_moves_across(name, dtype):
    """The state dicts of both sides have the same keys and shapes, and one side goes on from the other's."""
    draw = Draw("normal", "contiguous", 0)
    pair = {}
    for side in SIDES:
        parameters = parameters_of(side, name, draw, dtype)
        pair[side] = make(side, name, parameters)
        for step in range(3):
            for i, parameter in enumerate(parameters):
                parameter.grad = draw.array(shapes_of(name)[i], dtype, 10 * step + i)
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


ROWS = {kind: row for kind, row in catalogue.OPTIMIZERS.items() if row.cases}
CHANGES = [
    *((kind, option, {}, value) for kind, row in ROWS.items() for option, value in row.changes.items()),
    *((kind, option, *beside) for kind, row in ROWS.items() for option, beside in row.beside.items()),
    *((kind, option, {}, value) for kind, row in ROWS.items() for option, value in row.state_only.items()),
]


def gradient_at(step):
    """It shrinks fast, for amsgrad, and turns, for Muon."""
    first = np.array([[3.0, -1.0], [0.5, 2.0], [-0.7, 1.3]])
    return first / (step + 1) ** 2 + 0.01 * step * first[::-1]


@pytest.mark.parametrize(("kind", "option", "base", "value"), CHANGES)
def test_every_option_has_an_effect(kind, option, base, value):
    """Changing one option changes the trajectory, on both sides alike: a knob that does nothing is a bug."""
    ends = {}
    for side in SIDES:
        for changed in (False, True):
            options = {"lr": 0.1, **ROWS[kind].start, **base, **({option: value} if changed else {})}
            parameter = SIDES[side].Parameter(np.array([[1.0, -2.0], [3.0, 0.6], [-0.4, 1.7]]))
            optimizer = getattr(SIDES[side], kind)([parameter], **options)
            for step in range(6):
                parameter.grad = gradient_at(step)
                before = snapshot(optimizer)
                optimizer.step()
                assert judge_optimizer(optimizer, before).held
            ends[side, changed] = parameter.data.copy()
            if option in ROWS[kind].state_only:
                ends[side, changed] = optimizer.state_dict()["state"][0]["ax"]
    for side in SIDES:
        assert (ends[side, True] != ends[side, False]).all()


@pytest.mark.parametrize("kind", ROWS)
def test_every_documented_option_is_in_the_table(kind):
    optimizer = getattr(SIDES["scratch"], kind)([SIDES["scratch"].Parameter(np.ones((1, 1)))], lr=0.1)
    listed = {option for k, option, _, _ in CHANGES if k == kind} | {*ROWS[kind].fixed}
    assert listed == set(optimizer.defaults)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_not_finite_is_judged_fairly(name, side, value):
    """One such gradient, and what its traces in the state do to the next step: nobody is accused."""
    draw = Draw("normal", "contiguous", 0)
    parameters = parameters_of(side, name, draw, np.float64)
    optimizer = make(side, name, parameters)
    with np.errstate(all="ignore"):
        for step in range(3):
            for i, parameter in enumerate(parameters):
                gradient = draw.array(shapes_of(name)[i], np.float64, 10 * step + i)
                if gradient.size > 1 and step == 1:
                    gradient.flat[1] = value
                parameter.grad = gradient
            before = snapshot(optimizer)
            optimizer.step()
            verdict = judge_optimizer(optimizer, before)
            assert verdict.held, verdict.render()


# What a program with one planted bug would do: it steps with other options than its groups claim, or forgets its state.
PLANTED = [
    ("AdamW", {"weight_decay": 0.1}, {"decoupled_weight_decay": False}),
    ("AdamW", {"eps": 1e-2}, {"eps": 0.0}),
    ("Adamax", {}, {"betas": (0.9, 0.9)}),
    ("Adamax", {"eps": 1e-2}, {"eps": 0.0}),
    ("NAdam", {}, {"momentum_decay": 0.0}),
    ("NAdam", {}, {"betas": (0.9, 0.99)}),
    ("RAdam", {}, {"betas": (0.8, 0.999)}),
    ("RAdam", {"betas": (0.9, 0.9)}, {"eps": 1e-3}),
    ("Adagrad", {"lr_decay": 0.1}, {"lr_decay": 0.0}),
    ("Adagrad", {}, {"eps": 1e-3}),
    ("Adadelta", {}, {"eps": 1e-5}),
    ("Adadelta", {}, {"rho": 0.8}),
    ("RMSprop", {"momentum": 0.5}, {"momentum": 0.4}),
    ("RMSprop", {"centered": True}, {"centered": False}),
    ("Rprop", {}, {"etas": (0.5, 1.3)}),
    ("Rprop", {"step_sizes": (1e-6, 0.11)}, {"step_sizes": (1e-6, 0.12)}),
    ("ASGD", {"lambd": 0.1}, {"lambd": 0.0}),
    ("ASGD", {"t0": 0}, {"t0": 2}),
    ("Adafactor", {}, {"d": 4.0}),
    ("Adafactor", {}, {"beta2_decay": -0.7}),
    ("Muon", {"ns_steps": 1}, {"momentum": 0.9}),
    ("Muon", {"ns_steps": 1}, {"adjust_lr_fn": "match_rms_adamw"}),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("kind", "options", "used"), PLANTED)
def test_a_planted_bug_is_refused(kind, options, used, side, dtype):
    parameter = SIDES[side].Parameter(np.array([[1.0, -2.0], [3.0, 0.6], [-0.4, 1.7]], dtype))
    optimizer = getattr(SIDES[side], kind)([parameter], lr=0.1, **options)
    group, held = optimizer.param_groups[0], []
    claimed = {option: group[option] for option in used}
    for step in range(7):
        parameter.grad = gradient_at(step).astype(dtype)
        before = snapshot(optimizer)
        group.update(used)
        optimizer.step()
        group.update(claimed)
        held.append(judge_optimizer(optimizer, before).held)
    assert not all(held)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", [kind for kind in ROWS if kind not in ("SGD", "Muon")])
def test_lost_state_is_refused(kind, side):
    parameter = SIDES[side].Parameter(np.array([[1.0, -2.0], [3.0, 0.6], [-0.4, 1.7]]))
    optimizer = getattr(SIDES[side], kind)([parameter], lr=0.1)
    for step in range(3):
        parameter.grad = gradient_at(step)
        before = snapshot(optimizer)
        if step == 2:
            getattr(optimizer, "optimizer", optimizer).state.clear()
        optimizer.step()
    assert not judge_optimizer(optimizer, before).held


@pytest.mark.parametrize("orders", ["CC", "FF", "CF"])
@pytest.mark.parametrize("size", [1, 4, 15, 20])
def test_an_update_in_pieces_is_the_update(orders, size, monkeypatch):
    """Every number once, in its place; the arrays come whole where they do not lie alike, or are small enough."""
    monkeypatch.setattr(scratch.optim.optimizer, "PIECE", size)
    rng = np.random.default_rng(0)
    a, b = (np.asarray(rng.normal(size=(3, 5)), order=order) for order in orders)
    wanted = a - 2 * b
    found = []
    for p, g in pieces(a, b):
        assert p.shape == g.shape
        assert np.shares_memory(p, a)
        p -= 2 * g
        found.append(p.size)
    np.testing.assert_array_equal(a, wanted)
    assert found == ([15] if orders == "CF" or size >= 15 else [size] * (15 // size) + [15 % size] * (15 % size > 0))
