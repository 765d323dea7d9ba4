"""PyTorch's choices at the edges of optimizers, clipping and schedules: both sides give what torch 2.13 gives."""

import itertools
import math

import numpy as np
import pytest
import torch

import scratch
from handgrad.judge import StepJudge, judge_optimizer, snapshot
from parity_tests.catalogue.tables import DTYPES, SIDES

INF, NAN = np.inf, np.nan


def steps(side, kind, gradients, dtype=np.float64, **options):
    """The parameter after each step; it starts at 1."""
    parameter = SIDES[side].Parameter(np.array([1.0], dtype))
    optimizer = getattr(SIDES[side], kind)([parameter], **options)
    values = []
    for gradient in gradients:
        parameter.grad = None if gradient is None else np.array([gradient], dtype)
        optimizer.step()
        values.append(float(parameter.data[0]))
    return values


# optimizer, gradients of the steps, options → the parameter after each, which starts at 1
EDGES = {
    "adamw decays by default": ("AdamW", [0.0], {"lr": 0.5, "weight_decay": 0.5, "eps": 1.0}, [0.75]),
    "adamw without a gradient": ("AdamW", [None], {"lr": 0.5, "weight_decay": 0.5}, [1.0]),
    "adamax: eps enters the maximum": (
        "Adamax",
        [4.0],
        {"lr": 0.5, "eps": 4.0, "betas": (0.5, 0.5)},
        [0.75],  # m = 2, corrected by ½, u = 4 + 4
    ),
    "nadam with beta1 = 0 is rmsprop with a correction": (
        "NAdam",
        [4.0],
        {"lr": 0.5, "eps": 4.0, "betas": (0.0, 0.5)},
        [0.75],
    ),
    "radam's first steps are momentum": ("RAdam", [1.0, 1.0], {"lr": 0.25, "betas": (0.5, 0.5)}, [0.75, 0.5]),
    "adagrad: eps outside the root": ("Adagrad", [4.0], {"lr": 0.5, "eps": 4.0}, [0.75]),
    "adagrad decays from the second step on": (
        "Adagrad",
        [1.0, 0.0],
        {"lr": 0.5, "lr_decay": 1.0, "eps": 0.0},
        [0.5, 0.5],
    ),
    "adagrad starts from its initial value": (
        "Adagrad",
        [3.0],
        {"lr": 5.0, "initial_accumulator_value": 16.0, "eps": 0.0},
        [-2.0],
    ),
    "adadelta: eps inside both roots": ("Adadelta", [4.0], {"lr": 1.0, "eps": 4.0, "rho": 0.25}, [-1.0]),
    "adadelta with rho = 1 keeps its mean": ("Adadelta", [4.0], {"lr": 0.125, "eps": 1.0, "rho": 1.0}, [0.5]),
    "rmsprop: eps outside the root": ("RMSprop", [2.0], {"lr": 0.5, "alpha": 0.0, "eps": 2.0}, [0.75]),
    "rmsprop momentum keeps scaled gradients": (
        "RMSprop",
        [2.0, 0.0],
        {"lr": 0.5, "alpha": 0.0, "eps": 2.0, "momentum": 0.5},
        [0.75, 0.625],
    ),
    "rmsprop centered divides by the deviation": (
        "RMSprop",
        [2.0],
        {"lr": 0.5, "alpha": 0.5, "eps": 1.0, "centered": True},
        [0.5],  # s = 2, mean 1
    ),
    "rprop looks at the sign alone": ("Rprop", [1e-300], {"lr": 0.5}, [0.5]),
    "rprop grows, steps back, waits": (
        "Rprop",
        [1.0, 1.0, -1.0, -1.0],
        {"lr": 0.25, "etas": (0.5, 2.0)},
        [0.75, 0.25, 0.25, 0.5],
    ),
    "rprop keeps its first step within bounds": ("Rprop", [1.0], {"lr": 0.5, "step_sizes": (1e-6, 0.25)}, [0.75]),
    "rprop: a product that underflows keeps the size": (
        "Rprop",
        [1e-200, 1e-200],
        {"lr": 0.25, "etas": (0.5, 2.0)},
        [0.75, 0.5],
    ),
    "rprop at a zero gradient": ("Rprop", [0.0], {"lr": 0.5}, [1.0]),
    "asgd decays by lambd": ("ASGD", [0.0], {"lr": 0.5, "lambd": 0.5}, [0.75]),
    "asgd's rate falls from the second step on": (
        "ASGD",
        [0.5, 0.5],
        {"lr": 1.0, "lambd": 1.0, "alpha": 1.0},
        [-0.5, -0.5],  # η = 1, then ½: (1 − ½)(−½) − ¼
    ),
    "adafactor: the step is relative to the weight": (
        "Adafactor",
        [4.0],
        {"lr": 0.25, "eps": (0.0, 1e-3)},
        [0.75],
    ),
    "adafactor: eps2 is the least scale": ("Adafactor", [4.0], {"lr": 0.25, "eps": (0.0, 2.0)}, [0.5]),
    "rprop: NaN has no sign": ("Rprop", [1.0, NAN, 1.0], {"lr": 0.25}, [0.75, 0.75, 0.5]),
    "NaN spreads": ("RMSprop", [NAN], {"lr": 0.5}, [NAN]),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", EDGES)
def test_optimizer(case, side):
    """Numbers of few digits: only the bias corrections and the roots could round, by an ulp or two of 1."""
    kind, gradients, options, expected = EDGES[case]
    with np.errstate(all="ignore"):
        given = steps(side, kind, gradients, **options)
    np.testing.assert_allclose(given, expected, rtol=0, atol=4 * np.finfo(float).eps)


@pytest.mark.parametrize("side", SIDES)
def test_zero_gradient_and_zero_eps_divide_nothing(side):
    """0/0 is NaN on both sides, as in torch: eps is what prevents it."""
    with np.errstate(all="ignore"):
        for kind in ("Adamax", "Adagrad", "RMSprop", "Adadelta", "NAdam"):
            assert np.isnan(steps(side, kind, [0.0], eps=0.0)), kind


@pytest.mark.parametrize("kind", ["NAdam", "ASGD"])
def test_numbers_kept_in_single_precision_stay_so_across_a_state_dict(kind):
    """torch's own load_state_dict casts them up: a resumed run would part from an unbroken one."""
    options = {"t0": 1} if kind == "ASGD" else {}
    ends = []
    for side in SIDES.values():
        for resumed in (False, True):
            parameter = side.Parameter(np.array([1.0, -2.0]))
            optimizer = getattr(side, kind)([parameter], **options)
            for step in range(6):
                parameter.grad = np.array([3.0, -1.0]) / (step + 1)
                optimizer.step()
                if resumed:
                    state = optimizer.state_dict()
                    optimizer = getattr(side, kind)([parameter], **options)
                    optimizer.load_state_dict(state)
            ends.append(parameter.data.copy())
            single = {"mu_product", "eta", "mu", "step"}
            for name, value in optimizer.state_dict()["state"][0].items():
                assert value.dtype == (np.float32 if name in single else np.float64), name
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[2], ends[3])


KINDS = ("SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD")


@pytest.mark.parametrize("kind", [*KINDS, "Adafactor", "Muon", "LBFGS"])
def test_defaults_are_torchs(kind):
    ours, theirs = (getattr(side, kind)([side.Parameter(np.ones((1, 1)))]).defaults for side in SIDES.values())
    assert ours == {name: theirs[name] for name in ours}


@pytest.mark.parametrize("side", SIDES)
def test_asgd_averages_nothing_at_first(side):
    """To the bit: a mean that the parameter enters with the weight 1 would be rounded."""
    parameter = SIDES[side].Parameter(np.array([1.0, -0.7, 0.1]))
    optimizer = SIDES[side].ASGD([parameter], lr=1.0)
    for gradient in (0.9, -0.3, 0.7):
        parameter.grad = np.full(3, gradient)
        optimizer.step()
        np.testing.assert_array_equal(optimizer.state_dict()["state"][0]["ax"], parameter.data)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rprop_is_equal_to_the_bit(dtype):
    """Its factors are rounded to the parameter's precision before they are used."""
    ends = [steps(side, "Rprop", [1.0, 1.0, 1.0, -1.0, 1.0, 1.0], dtype, lr=0.1, etas=(0.3, 1.3)) for side in SIDES]
    assert ends[0] == ends[1]


def test_radam_is_not_rectified_at_a_length_of_5():
    """With the number after ⅔ for β₂ it is less up to step 96, 5 to the last bit at step 97, and more afterwards."""
    beta = np.nextafter(2 / 3, 1)
    gradients = [1.0, *[4.0] * 109]
    ends = [steps(side, "RAdam", gradients, lr=0.01, betas=(0.5, float(beta))) for side in SIDES]
    np.testing.assert_allclose(*ends, rtol=1e-12)


# --- Muon ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (2, 5), (5, 2)])
def test_muon_five_steps_where_no_sum_rounds(shape, dtype):
    """One entry in every row and column: no sum has two terms, and five iterations in bfloat16 are equal to the bit."""
    rng = np.random.default_rng(0)
    ends = []
    gradient = np.zeros(shape, dtype)
    for i in range(min(shape)):
        gradient[i, (i + 1) % min(shape)] = rng.normal()
    for side in SIDES.values():
        parameter = side.Parameter(np.zeros(shape, dtype))
        optimizer = side.Muon([parameter], lr=1.0)
        parameter.grad = gradient
        optimizer.step()
        ends.append(parameter.data.copy())
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("shape", [(2, 2), (2, 1), (3, 2), (4, 2), (3, 3), (2, 4)])
def test_muon_turns_only_what_is_taller_than_wide(shape):
    """Whichever way round, the direction is the same but for rounding. Of few numbers, sums in float32 do not round."""
    for seed in range(10):
        ends = []
        for side in SIDES.values():
            parameter = side.Parameter(np.zeros(shape))
            parameter.grad = np.random.default_rng(seed).integers(-8, 9, shape).astype(float)
            side.Muon([parameter], lr=1.0, momentum=0.0, ns_steps=1).step()
            ends.append(parameter.data)
        np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("shape", [(8, 8), (3, 9), (9, 3)])
def test_muon_five_steps_make_singular_values_near_one(shape):
    """What the iteration is for. Its fixed interval is about [0.7, 1.2]; bfloat16 moves values by up to 0.1 more."""
    gradient = np.random.default_rng(1).normal(size=shape)
    for side in SIDES.values():
        parameter = side.Parameter(np.zeros(shape))
        optimizer = side.Muon([parameter], lr=1.0)
        parameter.grad = gradient
        optimizer.step()
        values = np.linalg.svd(parameter.data, compute_uv=False) / math.sqrt(max(1, shape[0] / shape[1]))
        assert (values > 0.6).all()
        assert (values < 1.3).all()


def test_bfloat16_rounds_as_torch_does():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=20000) * 10.0 ** rng.integers(-38, 38, 20000)).astype(np.float32)
    x[:8] = [0.0, -0.0, INF, -INF, 1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, 1e-45]
    expected = torch.from_numpy(x).bfloat16().float().numpy()
    np.testing.assert_array_equal(scratch.optim.muon.bfloat16(x), expected)
    for nan in (0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF):  # adding to the last two would carry into the sign
        assert np.isnan(scratch.optim.muon.bfloat16(np.uint32(nan).view(np.float32)))


# --- LBFGS -----------------------------------------------------------------------------------------------------------

LBFGS = {
    "plain": {"lr": 0.5},
    "short memory": {"lr": 0.5, "history_size": 2},
    "strong wolfe": {"line_search_fn": "strong_wolfe"},
    "few evaluations": {"line_search_fn": "strong_wolfe", "max_eval": 3},
    "one iteration": {"lr": 0.5, "max_iter": 1},
    "one searched iteration": {"max_iter": 1, "max_eval": 20, "line_search_fn": "strong_wolfe"},
}


def regression(side, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)).astype(dtype), rng.normal(size=(20, 2)).astype(dtype)
    model, loss = side.MLP([3, 5, 2], "tanh", dtype=dtype, rng=0), side.MSELoss()

    def closure():
        model.zero_grad()
        value = loss.forward(model.forward(x), y)
        model.backward(loss.backward())
        return value

    return model, closure


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", LBFGS)
def test_lbfgs_steps_are_judged(name, side, dtype):
    model, closure = regression(SIDES[side], dtype)
    optimizer = SIDES[side].LBFGS(model.parameters(), **LBFGS[name])
    losses = []
    for _ in range(4):
        before = snapshot(optimizer)
        losses.append(float(optimizer.step(closure)))
        verdict = judge_optimizer(optimizer, before)
        assert verdict.held, verdict.render()
        assert verdict.numbers > 0
    assert losses == sorted(losses, reverse=True)
    assert float(closure()) < losses[-1]


@pytest.mark.parametrize("name", LBFGS)
def test_lbfgs_sides_stay_together(name):
    """In float64 both sides take the same branches: the losses of two steps agree to what rounding can grow to."""
    losses, counts = [], []
    for side in SIDES.values():
        model, closure = regression(side, np.float64)
        optimizer = side.LBFGS(model.parameters(), **LBFGS[name])
        losses.append([float(optimizer.step(closure)) for _ in range(2)] + [float(closure())])
        entries = optimizer.state_dict()["state"][0]
        counts.append({key: entries[key] for key in ("func_evals", "n_iter")})
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)
    assert counts[0] == counts[1]


LBFGS_NUMBERS = ("func_evals", "n_iter", "t", "prev_loss", "prev_flat_grad", "d", "H_diag", "ro")


def told(side, replies, steps, **options):
    """Where LBFGS evaluates, and its state after each step, if the k-th evaluation gives `replies[k]`, in a circle."""
    parameter = side.Parameter(np.array([1.0]))
    optimizer = side.LBFGS([parameter], **options)
    script, seen = itertools.cycle(replies), []

    def closure():
        loss, slope = next(script)
        seen.append(float(parameter.data[0]))
        parameter.grad = None if slope is None else np.array([slope])
        return loss

    for _ in range(steps):
        returned = optimizer.step(closure)
        (entries,) = optimizer.state_dict()["state"].values()
        numbers = [np.ravel(entries[name]).astype(float) for name in LBFGS_NUMBERS if name in entries]
        seen += [returned, *(float(number) for array in numbers for number in array), math.inf]
    return seen, sorted(entries)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_follows_any_replies(search):
    """Small whole numbers for losses and slopes, drawn without regard to where they are asked for: every comparison
    goes either way, and often is a tie. Both sides evaluate equally often, at the same points.

    A step length is a difference of numbers near 1: of the last bits of the smallest ones rounding is half.
    """
    for seed in range(250):
        rng = np.random.default_rng(seed)
        replies = [(float(f), None if g == 4 else float(g)) for f, g in rng.integers(-4, 5, (rng.integers(2, 12), 2))]
        if seed % 5 == 0:
            replies[-1] = (rng.choice([INF, NAN]), rng.choice([1.0, NAN]))
        options = {
            "lr": rng.choice([0.5, 1.0, 2.0]),
            "max_iter": int(rng.integers(1, 7)),
            "max_eval": int(rng.integers(2, 20)),
            "history_size": int(rng.integers(1, 4)),
            "tolerance_grad": rng.choice([0.0, 1.0]),
            "tolerance_change": rng.choice([1e-9, 0.5, 1.0]),
        }
        with np.errstate(all="ignore"):
            ours, theirs = (told(side, replies, 3, line_search_fn=search, **options) for side in SIDES.values())
        assert ours[1] == theirs[1], seed
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-10, atol=1e-12, err_msg=f"seed {seed}")


SEARCH = {"lr": 1.0, "max_eval": 20, "max_iter": 1, "tolerance_change": 0.0, "line_search_fn": "strong_wolfe"}
PARABOLA = [(2.0, 2.0), (162.0, -18.0)]  # 2(t - 1)² along d = -2 at t = 0 and t = 10: its minimum is at t = 1
# ties that no drawn numbers make: replies, options
TIES = {
    "just low enough": ([(0.0, 1.0), (-1e-4, 2.0), (9.0, 1.0)], SEARCH),
    "low enough for a short step": ([(0.0, 1.0), (-1e-4, 2.0), (9.0, 1.0)], SEARCH | {"lr": 0.5}),
    "no lower than before": ([(0.0, 1.0), (-1.0, 2.0), (-2.0, 2.0), (-2.0, 2.0), (-3.0, 0.1)], SEARCH),
    "just flat enough": ([(0.0, 1.0), (-1.0, 0.9), (-2.0, 2.0)], SEARCH),
    "nothing better than the start": ([(0.0, 1.0), (-1.0, 2.0), (5.0, 1.0)], SEARCH | {"max_eval": 2}),
    "a bracket just as narrow": ([(0.0, 1.0), (5.0, 1.0), (5.0, 1.0)], SEARCH | {"lr": 1e-9}),
    "a tenth from the end": ([*PARABOLA, (80.0, -80.0), (9.0, 1.0)], SEARCH | {"lr": 20.0}),
    "just low enough in the bracket": ([*PARABOLA, (2 - 4e-4, 3.0), (9.0, 1.0)], SEARCH | {"lr": 20.0}),
    "just flat enough in the bracket": ([*PARABOLA, (0.0, -1.8), (-9.0, 1.0)], SEARCH | {"lr": 20.0}),
    "just too little curvature": (
        [(4.0, 2.0), (1.0, 1.0), (0.0, 0.5)],
        {"lr": 1e-10, "max_iter": 3, "tolerance_change": 0.0, "tolerance_grad": 0.0},
    ),
}


@pytest.mark.parametrize("name", TIES)
def test_lbfgs_ties(name):
    replies, options = TIES[name]
    ours, theirs = (told(side, replies, 2, **options) for side in SIDES.values())
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_lbfgs_leaves_a_parameter_without_a_gradient(side):
    """Its part of the flat gradient is 0, whatever its shape."""
    first, second = (SIDES[side].Parameter(np.ones((2, 2))) for _ in range(2))
    optimizer = SIDES[side].LBFGS([first, second], lr=0.5, max_iter=2)

    def closure():
        second.grad = second.data.copy()
        return float((second.data**2).sum() / 2)

    optimizer.step(closure)
    np.testing.assert_array_equal(first.data, 1)
    assert (second.data < 1).all()


@pytest.mark.parametrize("side", SIDES)
def test_lbfgs_step_of_many_iterations_is_many_steps_of_one(side):
    """To the bit, as long as nothing stops early: all that an iteration knows is in the state."""
    ends = []
    for calls, options in ((1, {"max_iter": 6, "max_eval": 100}), (6, {"max_iter": 1, "max_eval": 100})):
        model, closure = regression(SIDES[side], np.float64)
        optimizer = SIDES[side].LBFGS(model.parameters(), lr=0.5, **options)
        for _ in range(calls):
            optimizer.step(closure)
        ends.append(np.concatenate([p.data.ravel() for p in optimizer.parameters()]))
    np.testing.assert_array_equal(*ends)


def test_lbfgs_state_moves_across():
    for giver, taker in (SIDES.values(), reversed(SIDES.values())):
        model, closure = regression(giver, np.float64)
        given = giver.LBFGS(model.parameters(), lr=0.5)
        given.step(closure)
        other, other_closure = regression(taker, np.float64)
        other.load_state_dict(model.state_dict())
        taken = taker.LBFGS(other.parameters(), lr=0.5)
        taken.load_state_dict(given.state_dict())
        kinds = [{name: type(a) for name, a in o.state_dict()["state"][0].items()} for o in (given, taken)]
        assert kinds[0] == kinds[1]
        assert kinds[0]["n_iter"] is kinds[0]["func_evals"] is int
        ends = (
            [float(given.step(closure)), float(closure())],
            [float(taken.step(other_closure)), float(other_closure())],
        )
        np.testing.assert_allclose(*ends, rtol=1e-10)


@pytest.mark.parametrize("side", SIDES)
def test_lbfgs_wrong_direction_is_refused(side):
    """A planted bug in each: the direction of the last iteration, and a move of another length."""
    for plant in ("direction", "move"):
        model, closure = regression(SIDES[side], np.float64)
        optimizer = SIDES[side].LBFGS(model.parameters(), lr=0.5, max_iter=1)
        optimizer.step(closure)
        optimizer.step(closure)
        before = snapshot(optimizer)
        optimizer.step(closure)
        if plant == "move":
            parameter = optimizer.parameters()[0]
            parameter.data[...] = parameter.data + 1e-9
        else:
            state = optimizer.state_dict()
            state["state"][0]["d"] *= 1 + 1e-9
            optimizer.load_state_dict(state)
        assert not judge_optimizer(optimizer, before).held


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_lbfgs_trains_and_each_iteration_is_judged(side, dtype):
    """As a training step it starts from judged gradients, with a history that fills and drops the oldest."""
    package, rng = SIDES[side], np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)).astype(dtype), rng.normal(size=(20, 2)).astype(dtype)
    model = package.MLP([3, 4, 2], "tanh", dtype=dtype, rng=0)
    loss, optimizer = package.MSELoss(), package.LBFGS(model.parameters(), lr=0.5, max_iter=1, history_size=2)
    trainer, judge = package.Trainer(model, loss, optimizer), StepJudge(model, loss, optimizer)
    losses = []
    for _ in range(6):
        before = judge.before()
        losses.append(trainer.step(x, y))
        verdict = judge.after(before, x, y, losses[-1])
        assert verdict.held, verdict.render()
        assert not verdict.skipped
    assert losses == sorted(losses, reverse=True)
    with pytest.raises(ValueError, match="StepJudge evaluates the model once a step: LBFGS must have max_iter=1"):
        StepJudge(model, loss, package.LBFGS(model.parameters()))


def doubled(optimizer):
    """∇f⁻ is doubled before the pair is made: all that follows is consistent."""
    right = optimizer.direction

    def direction(gradient, group, state):
        if "prev_flat_grad" in state:
            state["prev_flat_grad"] = state["prev_flat_grad"] * 2
        return right(gradient, group, state)

    optimizer.direction = direction


def longer(optimizer):
    """The step length is that of a larger lr, and remembered so."""
    right = optimizer.direction

    def direction(gradient, group, state):
        group["lr"] *= 1.001
        return right(gradient, group, state)

    optimizer.direction = direction


def idle(optimizer):
    optimizer.step = lambda closure: closure()


@pytest.mark.parametrize(("plant", "name"), [(doubled, "old_dirs[0]"), (longer, "t"), (idle, "parameters")])
def test_lbfgs_that_makes_a_wrong_pair_or_step_length_or_none_is_refused(plant, name):
    model, closure = regression(scratch, np.float64)
    optimizer = scratch.LBFGS(model.parameters(), lr=0.5, max_iter=1)
    optimizer.step(closure)
    plant(optimizer)
    before = snapshot(optimizer)
    optimizer.step(closure)
    verdict = judge_optimizer(optimizer, before)
    assert [failure.tensor for failure in verdict.failures][:1] == [name]


@pytest.mark.parametrize("side", SIDES)
def test_every_step_takes_a_closure(side):
    for kind in ("SGD", "Adam", "Rprop"):
        model, closure = regression(SIDES[side], np.float64)
        optimizer = getattr(SIDES[side], kind)(model.parameters(), lr=0.01)
        first = float(optimizer.step(closure))
        assert float(closure()) != first


@pytest.mark.parametrize("side", SIDES)
def test_lbfgs_ends_a_step_without_a_move_where_it_is_flat(side):
    """Near the optimum the slope along d is above −tolerance_change: counted, a direction found, and nothing moved."""
    package, curvature = SIDES[side], np.array([1.0, 16.0], np.float32)
    point = package.Parameter(np.array([-2.0, 0.8], np.float32))
    optimizer = package.LBFGS([point], lr=1, max_iter=1)

    def closure():
        point.grad = curvature * point.data
        return float((curvature * point.data**2).sum() / 2)

    stayed = []
    for _ in range(10):
        start, before = point.data.copy(), snapshot(optimizer)
        optimizer.step(closure)
        verdict = judge_optimizer(optimizer, before)
        assert verdict.held, verdict.render()
        stayed.append(np.array_equal(start, point.data))
    assert not stayed[0]
    assert stayed[-1]
