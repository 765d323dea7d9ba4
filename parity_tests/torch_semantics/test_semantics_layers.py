"""PyTorch's choices at the edges of the layers, and what is drawn: dropout, Flatten, Residual, Bilinear, Embedding."""

import math

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad import check_gradients
from handgrad.judge import StepJudge, Tally, judge_backward, judge_forward, judge_hvp
from parity_tests.catalogue.tables import DTYPES, ODD_OPS, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.samples import as_tuple
from parity_tests.support.strategies import draws

INF, NAN = np.inf, np.nan
ALPHA = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
each_side = pytest.mark.parametrize("side", SIDES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def both(build):
    return [build(side) for side in SIDES.values()]


# --- layers whose input is no array of floats ------------------------------------------------------------------------

LEADS = [(), (0,), (1,), (5,), (2, 3), (2, 0, 3)]


@each_dtype
@each_side
@pytest.mark.parametrize("op", ODD_OPS)
def test_forward_and_backward_of_odd_inputs(op, side, dtype):
    def body(draw, upstream):
        verdicts = []
        for lead in LEADS:
            model = ODD_OPS[op].build(SIDES[side], dtype)
            inputs = ODD_OPS[op].inputs(draw, lead, dtype)
            output = model.forward(*inputs)
            assert output.dtype == dtype
            grad_output = upstream.array(output.shape, dtype)
            x = inputs if len(inputs) > 1 else inputs[0]
            kept = [array.copy() for array in (*inputs, grad_output)]
            verdicts += [judge_forward(model, x, output), judge_backward(model, x, grad_output)]
            model.zero_grad()
            first, once = model.backward(grad_output), dict(model.named_gradients())
            second = model.backward(grad_output)
            for array, copy in zip((*inputs, grad_output), kept, strict=True):
                np.testing.assert_array_equal(array, copy)
            for a, b in zip(as_tuple(first), as_tuple(second), strict=True):
                np.testing.assert_array_equal(a, b, strict=True)
            for name, twice in model.named_gradients():
                np.testing.assert_array_equal(twice, once[name] + once[name], strict=True)
        return verdicts

    with np.errstate(all="ignore"):
        judged(body, draw=draws, upstream=draws)


@each_dtype
@pytest.mark.parametrize("op", ODD_OPS)
def test_odd_layers_and_plain_torch_take_each_others_state(op, dtype):
    ours, theirs = both(lambda side: ODD_OPS[op].build(side, dtype))
    assert repr(ours) == repr(theirs)
    assert ours.name == theirs.name
    for name, drawn in ours.state_dict().items():
        np.testing.assert_array_equal(theirs.state_dict()[name], drawn, strict=True)
    other = {name: 2 * w + 1 for name, w in ours.state_dict().items()}
    theirs.module.load_state_dict({name: torch.from_numpy(w) for name, w in other.items()})
    ours.load_state_dict({name: w.numpy() for name, w in theirs.module.state_dict().items()})
    for name, w in ours.state_dict().items():
        np.testing.assert_array_equal(w, other[name], strict=True)


# --- dropout ---------------------------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_one_seed_drops_the_same_on_both_sides(name, dtype):
    x = np.random.default_rng(0).normal(size=(20, 30)).astype(dtype)
    models, drawn = both(lambda side: getattr(side, name)(0.3, rng=5)), []
    for _ in range(2):  # the second call draws anew, and again the same
        outputs = [model.forward(x) for model in models]
        masks = [np.asarray(model.mask) for model in models]
        np.testing.assert_array_equal(*masks, strict=True)
        assert {output.dtype for output in outputs} == {np.dtype(dtype)}
        np.testing.assert_allclose(*outputs, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).eps)
        gradients = [model.backward(np.ones_like(x)) for model in models]
        for gradient, mask in zip(gradients, masks, strict=True):
            np.testing.assert_array_equal(gradient == 0, ~mask)
        drawn.append(masks[0])
    assert (drawn[0] != drawn[1]).any()


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_how_often_is_dropped(name, p):
    """Of n numbers n·p are dropped, give or take 5 standard deviations; neighbours do not know of each other."""
    n = 200_000
    for model in both(lambda side: getattr(side, name)(p, rng=1)):
        model.forward(np.ones((n // 100, 100)))
        dropped = ~np.asarray(model.mask).ravel()
        assert abs(dropped.sum() - n * p) < 5 * math.sqrt(n * p * (1 - p))
        pairs = (dropped[1:] & dropped[:-1]).sum()
        assert abs(pairs - n * p * p) < 10 * math.sqrt(n * p * p)


@pytest.mark.parametrize("p", [0.05, 0.5, 0.8])
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_dropout_keeps_the_moments(name, p):
    """The mean of both; of numbers with mean 0 and variance 1 AlphaDropout keeps the variance too."""
    n = 400_000
    x = np.random.default_rng(0).normal(size=n)
    for model in both(lambda side: getattr(side, name)(p, rng=1)):
        y = model.forward(x)
        assert abs(y.mean()) < 6 * y.std() / math.sqrt(n)
        assert y.var() == pytest.approx(1.0 if name == "AlphaDropout" else 1 / (1 - p), rel=0.03)


@each_dtype
@pytest.mark.parametrize("p", [0.1, 0.5, 0.75])
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_given_torchs_mask_our_torch_module_is_torchs(name, p, dtype):
    """Bit for bit: PyTorch's own mask is read off its gradient."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 9)).astype(dtype)).requires_grad_()
    theirs = getattr(torch.nn, name)(p)(x)
    (gradient,) = torch.autograd.grad(theirs.sum(), x)
    ours = getattr(torch_impl, name)(p).module.apply_mask(x, (gradient != 0).to(x.dtype))
    assert torch.equal(ours, theirs)


@each_dtype
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_dropout_at_the_edges(name, dtype):
    """p = 0 and evaluation pass x on and draw nothing; p = 1 multiplies by 0: −0, 0, or NaN for an infinity."""
    x = np.array([INF, -INF, NAN, -2.0, 3.0, -0.0], dtype)
    ones = np.ones_like(x)
    with np.errstate(invalid="ignore"):
        for model in both(lambda side: getattr(side, name)(0.0)) + both(lambda side: getattr(side, name)(1.0).eval()):
            np.testing.assert_array_equal(model.forward(x), x, strict=True)
            assert np.signbit(model.forward(x)[-1])
            np.testing.assert_array_equal(model.backward(ones), ones, strict=True)
            assert model.mask is None
        for model in both(lambda side: getattr(side, name)(1)):
            y = model.forward(x)
            np.testing.assert_array_equal(y, np.array([NAN, NAN, NAN, 0, 0, 0], dtype), strict=True)
            np.testing.assert_array_equal(np.signbit(y[3:]), [True, False, True])
            np.testing.assert_array_equal(model.backward(ones), 0 * ones, strict=True)


@each_dtype
def test_a_dropped_infinity_is_nan(dtype):
    """The mask multiplies, forward and backward, as torch's does."""
    x = np.array([INF, NAN, 4.0] * 8, dtype)
    for model in both(lambda side: side.Dropout(0.5, rng=0)):
        with np.errstate(invalid="ignore"):
            y, g = model.forward(x), model.backward(np.full_like(x, INF))
        mask = np.asarray(model.mask)
        assert 0 < mask.sum() < mask.size
        finite = np.tile([False, False, True], 8)
        assert np.isnan(y[~mask & ~finite]).all()
        np.testing.assert_array_equal(y[mask], 2 * x[mask])
        np.testing.assert_array_equal(y[~mask & finite], 0)
        np.testing.assert_array_equal(g, np.where(mask, dtype(INF), dtype(NAN)))


@each_dtype
def test_alpha_dropout_by_hand(dtype):
    """p = ½: a = 1/√(½(1 + ½α′²)), a dropped number is aα′ + b."""
    a = 1 / math.sqrt(0.5 * (1 + 0.5 * ALPHA**2))
    b = -a * 0.5 * ALPHA
    x = np.array([0.5, -2.0, 8.0, 0.0] * 4, dtype)
    for model in both(lambda side: side.AlphaDropout(rng=0)):
        y, mask = model.forward(x), np.asarray(model.mask)
        np.testing.assert_allclose(y, np.where(mask, a * x + b, a * ALPHA + b), rtol=8 * np.finfo(dtype).eps)
        g = model.backward(np.ones_like(x))
        np.testing.assert_allclose(g, a * mask, rtol=2 * np.finfo(dtype).eps)


class AtThreshold(np.random.Generator):
    """A generator whose every number is ¼."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def random(self, size):
        return np.full(size, 0.25)


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_numbers_in_0_to_p_are_dropped_and_p_is_not_one_of_them(name):
    """A share of exactly p of [0, 1)."""
    for model in both(lambda side: getattr(side, name)(0.25, rng=AtThreshold())):
        model.forward(np.ones(5))
        assert np.asarray(model.mask).all()


def test_a_mask_that_nobody_kept_is_not_judged():
    model = torch_impl.Model(torch.nn.Dropout())
    with pytest.raises(ValueError, match="does not say which mask it drew"):
        judge_forward(model, np.ones(3))
    assert judge_forward(model.eval(), np.ones(3)).held


# --- Flatten, Residual -----------------------------------------------------------------------------------------------

# start_dim, end_dim, shape → shape
SHAPES = [
    ((), (2, 3, 4), (2, 12)),
    ((), (0, 3, 4), (0, 12)),
    ((), (2, 3), (2, 3)),
    ((0,), (2, 3, 4), (24,)),
    ((0,), (), (1,)),
    ((0, 1), (2, 3, 4), (6, 4)),
    ((-2,), (2, 3, 4), (2, 12)),
    ((-3, -2), (2, 3, 4), (6, 4)),
    ((1, 1), (2, 3, 4), (2, 3, 4)),
    ((2,), (2, 3, 4, 0), (2, 3, 0)),
]


@each_dtype
@pytest.mark.parametrize(("ends", "shape", "flat"), SHAPES)
def test_flatten(ends, shape, flat, dtype):
    x = np.arange(math.prod(shape), dtype=dtype).reshape(shape)
    for model in both(lambda side: side.Flatten(*ends)):
        y = model.forward(np.array(x, order="F"))
        np.testing.assert_array_equal(y, x.reshape(flat), strict=True)
        np.testing.assert_array_equal(model.backward(-y), -x, strict=True)
        for verdict in (judge_forward(model, x), judge_backward(model, x, y)):
            assert verdict.held, verdict.render()


@each_dtype
def test_residual_adds_its_input_and_its_upstream(dtype):
    x, g = (np.random.default_rng(i).normal(size=(5, 3)).astype(dtype) for i in range(2))
    for side in SIDES.values():
        parts = [side.Linear(3, 4, dtype=dtype, rng=0), side.Tanh(), side.Linear(4, 3, dtype=dtype, rng=1)]
        plain, model = side.Sequential(*parts), side.Residual(*parts)
        assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
        f, df = plain.forward(x), plain.backward(g)
        kept = dict(plain.named_gradients())
        plain.zero_grad()
        np.testing.assert_array_equal(model.forward(x), x + f, strict=True)
        np.testing.assert_allclose(model.backward(g), g + df, rtol=4 * np.finfo(dtype).eps)
        for name, gradient in model.named_gradients():
            np.testing.assert_array_equal(gradient, kept[name], strict=True)


def test_a_residual_block_refuses_a_module_twice():
    for side in SIDES.values():
        layer = side.Tanh()
        with pytest.raises(ValueError, match="twice"):
            side.Residual(layer, layer)


# --- Embedding -------------------------------------------------------------------------------------------------------


@each_dtype
def test_rows_that_are_looked_up_again_collect(dtype):
    """[0, 0, 2] twice, with upstream 1, 2, 4, ...: sums, means by frequency, nothing for the padding row."""
    x = np.array([[0, 0, 2], [2, 0, 1]])
    g = 2.0 ** np.arange(6, dtype=dtype).reshape(2, 3, 1)
    expected = {(): [19.0, 32.0, 12.0], ("mean",): [19 / 3, 32.0, 6.0], ("padding",): [0.0, 32.0, 12.0]}
    options = {(): {}, ("mean",): {"scale_grad_by_freq": True}, ("padding",): {"padding_idx": -4}}
    for case, sums in expected.items():
        for model in both(lambda side, o=options[case]: side.Embedding(4, 1, dtype=dtype, rng=0, **o)):
            np.testing.assert_array_equal(model.forward(x), model.weight.data[x], strict=True)
            np.testing.assert_array_equal(model.backward(g), np.zeros(x.shape, dtype), strict=True)
            gradient = np.array([[value] for value in [*sums, 0.0]], dtype)
            np.testing.assert_allclose(model.weight.grad, gradient, rtol=2 * np.finfo(dtype).eps)


def test_one_row_is_a_copy():
    """What is handed out stays when the table is trained."""
    for model in both(lambda side: side.Embedding(3, 2, rng=0)):
        row = model.forward(np.array(1))
        kept = row.copy()
        model.load_state_dict({"weight": np.ones((3, 2), np.float32)})
        np.testing.assert_array_equal(row, kept)


def test_a_nan_of_the_padding_row_goes_nowhere():
    for model in both(lambda side: side.Embedding(2, 1, padding_idx=0, rng=0)):
        model.forward(np.array([0, 1]))
        model.backward(np.array([[NAN], [2.0]], np.float32))
        np.testing.assert_array_equal(model.weight.grad, np.array([[0.0], [2.0]], np.float32), strict=True)


def test_a_table_is_drawn_as_torch_draws_it():
    """N(0, 1), the padding row 0. Six standard deviations of the mean, and of the variance."""
    ours = scratch.Embedding(500, 200, padding_idx=-1, rng=0)
    assert ours.padding_idx == 499
    for w in (ours.weight.data, torch.nn.Embedding(500, 200, padding_idx=-1).weight.detach().numpy()):
        assert not w[499].any()
        assert abs(w[:499].mean()) < 6 / math.sqrt(w[:499].size)
        assert abs(w[:499].var() - 1) < 6 * math.sqrt(2 / w[:499].size)
        assert np.abs(w).max() > 3.5  # of 100,000 numbers none is beyond once in 10²⁰ draws


@pytest.mark.parametrize("integer", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_any_integer_is_an_index(integer):
    for model in both(lambda side: side.Embedding(3, 2, rng=0)):
        for x in (np.array(2, integer), np.array([[2, 0]], integer), np.zeros((0, 2), integer)):
            y = model.forward(x)
            np.testing.assert_array_equal(y, model.weight.data[x.astype(int)], strict=True)
            assert model.backward(y).shape == x.shape


# --- Bilinear --------------------------------------------------------------------------------------------------------


@each_dtype
def test_bilinear_by_hand(dtype):
    """Small whole numbers: exact in any order."""
    rng = np.random.default_rng(0)
    w, u, v, g = (rng.integers(-4, 5, shape).astype(dtype) for shape in [(4, 2, 3), (5, 2), (5, 3), (5, 4)])
    b = rng.integers(-4, 5, 4).astype(dtype)
    for model in both(lambda side: side.Bilinear(2, 3, 4, dtype=dtype)):
        model.load_state_dict({"weight": w, "bias": b})
        y = np.einsum("ni,kij,nj->nk", u, w, v, optimize=False) + b
        np.testing.assert_array_equal(model.forward(u, v), y, strict=True)
        np.testing.assert_array_equal(model(u[0], v[0]), y[0], strict=True)
        model.forward(u, v)
        du, dv = model.backward(g)
        np.testing.assert_array_equal(du, np.einsum("nk,kij,nj->ni", g, w, v, optimize=False), strict=True)
        np.testing.assert_array_equal(dv, np.einsum("nk,kij,ni->nj", g, w, u, optimize=False), strict=True)
        np.testing.assert_array_equal(
            model.weight.grad, np.einsum("nk,ni,nj->kij", g, u, v, optimize=False), strict=True
        )
        np.testing.assert_array_equal(model.bias.grad, g.sum(0), strict=True)


def test_bilinear_is_drawn_as_torch_draws_it():
    """U(±1/√in1), weight and bias."""
    for layer in (scratch.Bilinear(4, 900, 100, rng=0), torch_impl.Bilinear(4, 900, 100)):
        for w in layer.state_dict().values():
            assert 0.45 < np.abs(w).max() <= 0.5
            assert abs(w.mean()) < 6 * 0.29 / math.sqrt(w.size)


@each_side
def test_two_inputs_are_checked_by_every_oracle(side):
    op, reference = (build.Bilinear(2, 3, 4, dtype=np.float64, rng=0) for build in (SIDES[side], torch_impl))
    found = check_gradients(
        op, tuple(np.random.default_rng(i).normal(size=(4, n)) for i, n in enumerate((2, 3))), reference
    )
    assert found, found.render()
    assert "does not apply" not in found.render()


@pytest.mark.parametrize("part", [0, 1])
def test_a_wrong_gradient_of_one_of_two_inputs_is_named(part):
    model = scratch.Bilinear(2, 3, 4, dtype=np.float64, rng=0)
    x = tuple(np.random.default_rng(i).normal(size=(5, n)) for i, n in enumerate((2, 3)))
    g = model.forward(*x)
    gradients = list(model.backward(g))
    gradients[part] = 2 * gradients[part]
    verdict = judge_backward(model, x, g, tuple(gradients), dict(model.named_gradients()))
    (failure,) = verdict.failures
    assert failure.tensor == f"gradient of input{part + 1}"
    assert "constant ratio 2" in failure.render()


# --- nets ------------------------------------------------------------------------------------------------------------


@each_dtype
@each_side
@pytest.mark.parametrize("optimizer", [("SGD", {"momentum": 0.9}), ("Adam", {"weight_decay": 0.01})])
def test_a_net_on_a_table_trains_and_every_step_is_judged(optimizer, side, dtype):
    """Whole numbers in, a dropout and a residual block between; every row that is looked up moves, padding does not."""
    name, options = optimizer
    side = SIDES[side]
    model = side.Sequential(
        side.Embedding(6, 3, padding_idx=0, dtype=dtype, rng=0),
        side.Flatten(),
        side.AlphaDropout(0.2, rng=1),
        side.Residual(side.Linear(12, 12, dtype=dtype, rng=2), side.Tanh(), side.Dropout(0.3, rng=3)),
        side.Linear(12, 2, dtype=dtype, rng=4),
    )
    loss, stepper = side.CrossEntropyLoss(), getattr(side, name)(model.parameters(), lr=0.05, **options)
    trainer, judge, tally = side.Trainer(model, loss, stepper), StepJudge(model, loss, stepper), Tally()
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (40, 4)), rng.integers(0, 2, 40)
    start, values = model.state_dict()["0.weight"], []
    for i in range(12):
        before = judge.before()
        values.append(trainer.step(trainer.asarray(x), trainer.asarray(y)))
        verdict = judge.after(before, x, y, values[-1])
        assert verdict.held, verdict.render()
        tally.add(i, verdict)
    assert tally.skipped == 0
    assert np.mean(values[-3:]) < values[0]
    moved = (model.state_dict()["0.weight"] != start).any(1)
    assert moved[1:5].all()
    assert not moved[0]  # the padding row: decay of 0 is 0
    assert moved[5] == (name == "Adam")  # never looked up; decay alone moves it


def test_a_wrong_row_is_found_alone():
    """After a failure the layers are run one by one, on whole numbers too."""
    model = scratch.Sequential(
        scratch.Embedding(4, 2, rng=0), scratch.Flatten(), scratch.Residual(scratch.Linear(4, 4, rng=1))
    )
    x = np.array([[0, 1], [2, 2]])
    verdict = judge_forward(model, x, model.forward(x) + 1)
    assert "no layer alone" in verdict.render()
    right = scratch.Embedding.forward
    try:
        scratch.Embedding.forward = lambda self, x: right(self, x)[::-1]
        assert "Embedding), forward" in judge_forward(model, x).render()
    finally:
        scratch.Embedding.forward = right


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout", "Flatten", "Residual"])
def test_second_derivatives_are_refused(name):
    """By the hand-written side and by the judge, which also does not take a Residual for a Sequential."""
    x, y = np.ones((2, 2), np.float32), np.ones((2, 1), np.float32)
    for side in SIDES.values():
        layer = side.Residual(side.Linear(2, 2, rng=0)) if name == "Residual" else getattr(side, name)()
        model, loss = side.Sequential(layer, side.Linear(2, 1, rng=1)).eval(), side.MSELoss()
        vector = model.state_dict()
        with pytest.raises(TypeError, match=name):
            judge_hvp(model, loss, x, y, vector, vector)
        if side is scratch:
            with pytest.raises(TypeError, match=name):
                side.hessian_vector_product(model, loss, x, y, vector)
