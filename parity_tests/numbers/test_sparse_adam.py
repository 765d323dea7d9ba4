"""SparseAdam on the tables of Embedding(sparse=True): the rows that were looked up move, no other does."""

import numpy as np
import pytest
import torch

import scratch
from handgrad.judge import Tally, judge_backward, judge_optimizer, snapshot
from parity_tests.catalogue.tables import DTYPES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.strategies import draws

OPTIONS = {
    "default": {},
    "lr": {"lr": 0.1},
    "betas": {"lr": 0.1, "betas": (0.5, 0.7)},
    "eps": {"lr": 0.1, "eps": 0.1},
    "maximize": {"lr": 0.1, "maximize": True},
    "all options": {"lr": 0.05, "betas": (0.0, 0.9), "eps": 1e-3, "maximize": True},
}
ROWS, WIDTH = 5, 3


def table(side, dtype, **options):
    return SIDES[side].Embedding(ROWS, WIDTH, sparse=True, dtype=dtype, rng=0, **options)


def test_defaults_are_torchs():
    theirs = torch.optim.SparseAdam([torch.zeros(1)]).defaults
    assert scratch.SparseAdam(table("scratch", np.float32).parameters()).defaults == theirs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", OPTIONS)
def test_steps(name, side, dtype):
    """Each step from the side's own state, for drawn gradients; rows come and go."""

    def body(draw, gradients):
        model = table(side, dtype)
        optimizer = SIDES[side].SparseAdam(model.parameters(), **OPTIONS[name])
        verdicts = []
        for step, x in enumerate(np.array([[0, 1, 1], [1, 4, 2], [0, 0, 0]])):
            optimizer.zero_grad()
            model.forward(x)
            source = draw if step % 2 else gradients
            model.backward(source.array((3, WIDTH), dtype, step))
            if not np.isfinite(model.weight.grad).all():
                break
            before = snapshot(optimizer)
            optimizer.step()
            verdicts.append(judge_optimizer(optimizer, before))
        return verdicts

    with np.errstate(all="ignore"):
        judged(body, draw=draws, gradients=draws)


@pytest.mark.parametrize("dtype", DTYPES)
def test_by_hand(dtype):
    """First step: m = (1 − β₁)g, v = (1 − β₂)g², so θ moves by lr·√(1 − β₂)·g/(√(1 − β₂)|g| + ε), ε beside √v."""
    for side in SIDES:
        model = table(side, dtype)
        start = model.weight.data.copy()
        optimizer = SIDES[side].SparseAdam(model.parameters(), lr=0.5, betas=(0.75, 0.75), eps=0.25)
        model.forward(np.array([1, 3]))
        model.backward(np.array([[2.0] * WIDTH, [0.0] * WIDTH], dtype))
        optimizer.step()
        moved = start - model.weight.data
        np.testing.assert_allclose(moved[1], 0.5 * 0.5 / 0.25 * 0.5 / (1.0 + 0.25), rtol=1e-6)
        np.testing.assert_array_equal(moved[[0, 2, 3, 4]], 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_a_row_without_a_lookup_stays_and_one_without_a_gradient_moves_on(side, dtype):
    """Its moments as well; a row that is looked up moves by the moments it has, even if its gradient is 0."""
    model = table(side, dtype, padding_idx=4)
    optimizer = SIDES[side].SparseAdam(model.parameters(), lr=0.1)
    for x, rows in (([0, 1, 4], [0, 1]), ([2, 2, 4], [2]), ([0, 4, 4], [0])):
        before, state = model.weight.data.copy(), snapshot(optimizer)
        optimizer.zero_grad()
        model.forward(np.array(x))
        model.backward(np.full((3, WIDTH), 0.0 if x == [0, 4, 4] else 1.0, dtype))
        np.testing.assert_array_equal(np.flatnonzero(model.weight.rows), rows)
        optimizer.step()
        verdict = judge_optimizer(optimizer, state)
        assert verdict.held, verdict.render()
        np.testing.assert_array_equal(np.flatnonzero((model.weight.data != before).any(1)), rows)
        now = optimizer.state_dict()["state"][0]
        for name, old in state.state.get(0, {}).items():
            if name != "step":
                np.testing.assert_array_equal(np.flatnonzero((now[name] != old).any(1)), rows)
    assert now["step"] == 3


@pytest.mark.parametrize("side", SIDES)
def test_rows_are_forgotten_with_the_gradient(side):
    model = table(side, np.float64)
    optimizer = SIDES[side].SparseAdam(model.parameters())
    assert not model.weight.rows.any()
    for x in (0, 3):
        model.forward(np.array([x]))
        model.backward(np.ones((1, WIDTH)))
    np.testing.assert_array_equal(np.flatnonzero(model.weight.rows), [0, 3])
    for forget in (model.zero_grad, optimizer.zero_grad):
        for to_none in (True, False):
            model.forward(np.array([1]))
            model.backward(np.ones((1, WIDTH)))
            assert model.weight.rows[1]
            forget(to_none)
            assert not model.weight.rows.any()
    model.zero_grad()
    before = model.state_dict()["weight"]
    model.backward(np.ones((1, WIDTH)))
    optimizer.zero_grad(False)
    optimizer.step()  # zeros, of no row
    np.testing.assert_array_equal(model.weight.data, before)
    assert optimizer.state_dict()["state"][0]["step"] == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_the_gradient_is_that_of_a_plain_table(side, dtype):
    x, g = np.array([[0, 2], [2, 2]]), np.random.default_rng(0).normal(size=(2, 2, WIDTH)).astype(dtype)
    model, plain = table(side, dtype), SIDES[side].Embedding(ROWS, WIDTH, dtype=dtype, rng=0)
    for each in (model, plain):
        each.forward(x)
        each.backward(g)
        assert judge_backward(each, x, g).held
    assert repr(model) == repr(plain).replace(")", ", sparse=True)")
    np.testing.assert_allclose(model.weight.grad, plain.weight.grad, rtol=8 * np.finfo(dtype).eps)
    assert plain.weight.rows is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_state_moves_across(dtype):
    """A run of either side goes on on the other, and where it stops; in a step the state of both is the same."""

    def go(side, model, optimizer, steps):
        tally = Tally()
        for step in steps:
            optimizer.zero_grad()
            y = model.forward(np.array([step % ROWS, 0, 0]))
            model.backward(y * dtype(1 + step))
            before = snapshot(optimizer)
            optimizer.step()
            verdict = judge_optimizer(optimizer, before)
            assert verdict.held, verdict.render()
            tally.add(step, verdict)
        return tally

    for first, second in (("scratch", "torch"), ("torch", "scratch")):
        a, b = table(first, dtype), table(second, dtype)
        ours, theirs = (SIDES[side].SparseAdam(m.parameters(), lr=0.1) for side, m in ((first, a), (second, b)))
        go(first, a, ours, range(4))
        b.load_state_dict(a.state_dict())
        theirs.load_state_dict(ours.state_dict())
        for name, value in ours.state_dict()["state"][0].items():
            np.testing.assert_array_equal(theirs.state_dict()["state"][0][name], value, strict=True)
        for side, model, optimizer in ((first, a, ours), (second, b, theirs)):
            go(side, model, optimizer, range(4, 7))
        np.testing.assert_allclose(b.weight.data, a.weight.data, rtol=200 * np.finfo(dtype).eps)


def test_the_torch_side_is_torchs():
    """The same numbers as plain torch code, bit for bit."""
    model = table("torch", np.float32)
    optimizer = SIDES["torch"].SparseAdam(model.parameters(), lr=0.1)
    plain = torch.nn.Embedding(ROWS, WIDTH, sparse=True)
    plain.load_state_dict(model.module.state_dict())
    theirs = torch.optim.SparseAdam(plain.parameters(), lr=0.1)
    for x in ([0, 1], [1, 1], [2, 0]):
        optimizer.zero_grad()
        model.backward(model.forward(np.array(x)))
        optimizer.step()
        theirs.zero_grad()
        (plain(torch.tensor(x)).square().sum() / 2).backward()
        theirs.step()
    np.testing.assert_array_equal(model.weight.data, plain.weight.detach().numpy(), strict=True)


def weight(side, **options):
    return list(side.Embedding(3, 2, rng=0, **options).parameters())


BAD = {
    "a plain table": (
        lambda side: side.SparseAdam(weight(side)),
        TypeError,
        "SparseAdam: parameter 0 is not the table",
    ),
    "a layer's weight": (
        lambda side: side.SparseAdam([*weight(side, sparse=True), *side.Linear(2, 3, rng=0).parameters()]),
        TypeError,
        "SparseAdam: parameter 1 is not the table",
    ),
    "another optimizer": (
        lambda side: side.Adam(weight(side, sparse=True)),
        TypeError,
        "Adam: parameter 0 is the table of an Embedding(sparse=True), for SparseAdam alone",
    ),
    "clipped by norm": (
        lambda side: side.clip_grad_norm_(weight(side, sparse=True), 1.0),
        TypeError,
        "clip_grad_norm_: parameter 0 is the table",
    ),
    "clipped by value": (
        lambda side: side.clip_grad_value_(weight(side, sparse=True), 1.0),
        TypeError,
        "clip_grad_value_: parameter 0 is the table",
    ),
    "lr 0": (
        lambda side: side.SparseAdam(weight(side, sparse=True), lr=0),
        ValueError,
        "SparseAdam: lr must be > 0; got 0",
    ),
    "eps 0": (
        lambda side: side.SparseAdam(weight(side, sparse=True), eps=0.0),
        ValueError,
        "SparseAdam: eps must be > 0; got 0.0",
    ),
    "negative lr": (
        lambda side: side.SparseAdam(weight(side, sparse=True), lr=-1.0),
        ValueError,
        "SparseAdam: lr must be >= 0; got -1.0",
    ),
    "betas": (
        lambda side: side.SparseAdam(weight(side, sparse=True), betas=(0.9, 1.0)),
        ValueError,
        "SparseAdam: betas[1] must be >= 0 and < 1; got 1.0",
    ),
    "an option of Adam's": (
        lambda side: side.SparseAdam(weight(side, sparse=True), weight_decay=0.1),
        TypeError,
        "SparseAdam.__init__() got an unexpected keyword argument 'weight_decay'",
    ),
    "sparse by frequency": (
        lambda side: side.Embedding(3, 2, sparse=True, scale_grad_by_freq=True),
        ValueError,
        "Embedding: scale_grad_by_freq does not go with sparse",
    ),
    "sparse not a truth value": (
        lambda side: side.Embedding(3, 2, sparse=1),
        TypeError,
        "Embedding: sparse must be True or False; got 1",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_one_error_on_both_sides(case):
    act, kind, words = BAD[case]
    messages = []
    for side in SIDES.values():
        with pytest.raises(kind) as caught:
            act(side)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert words in messages[0]


WRONG = {
    "all rows": lambda w, m, v, g, rows: (w - 0.1 * m / (np.sqrt(v) + 1e-8), m, v),
    "moments of all rows decay": lambda w, m, v, g, rows: (w, np.where(rows, m, 0.9 * m + 1e-3), v),
    "no correction": lambda w, m, v, g, rows: (w + rows * 1e-3 * m, m, v),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_step_is_refused(wrong):
    model = table("scratch", np.float64)
    optimizer = scratch.SparseAdam(model.parameters(), lr=0.1)
    for x in ([0, 1], [1, 2]):
        optimizer.zero_grad()
        model.backward(model.forward(np.array(x)))
        before = snapshot(optimizer)
        optimizer.step()
    assert judge_optimizer(optimizer, before).held
    state, rows = optimizer.state[model.weight], model.weight.rows[:, np.newaxis]
    new = WRONG[wrong](model.weight.data, state["exp_avg"], state["exp_avg_sq"], model.weight.grad, rows)
    model.weight.data[...], state["exp_avg"][...], state["exp_avg_sq"][...] = new
    verdict = judge_optimizer(optimizer, before)
    assert not verdict.held
    assert "rows are known to a table" in verdict.render()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("who", ["table", "optimizer"])
def test_gradients_set_to_zero_are_added_to(who, side):
    """Zeros are gradients: the next ones are added to them, as if there had been none."""
    table = SIDES[side].Embedding(4, 3, sparse=True, rng=0)
    optimizer = SIDES[side].SparseAdam([table.weight])
    for _ in range(2):
        table.forward(np.array([0, 2]))
        table.backward(np.ones((2, 3), np.float32))
        first = table.weight.grad.copy()
        (table if who == "table" else optimizer).zero_grad(False)
        np.testing.assert_array_equal(table.weight.grad, 0)
        table.forward(np.array([0, 2]))
        table.backward(np.ones((2, 3), np.float32))
        np.testing.assert_array_equal(table.weight.grad, first)
        optimizer.zero_grad()
