"""Hessian-vector products: the R-operator by hand, autograd's double backward, and the judge over both."""

import importlib
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import strategies as st

import scratch
import torch_impl
from handgrad.judge import judge_hvp
from handgrad.judge.second_order import reference_hvp
from parity_tests.catalogue import tables
from parity_tests.catalogue.tables import DTYPES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.strategies import Draw, draws, filled_batches, moderate_draws, seeds, widths
from scratch import second_order
from scratch.flags import product
from scratch.second_order import Dual

# name → build(side, dtype, inputs, outputs, seed): what an activation and a loss cannot show between two linear layers
NETS: dict[str, Callable] = {
    "linear": lambda side, dtype, i, o, seed: side.MLP((i, o), dtype=dtype, rng=seed),
    "deep": lambda side, dtype, i, o, seed: side.MLP((i, 5, 3, 4, o), "tanh", dtype=dtype, rng=seed),
    "no bias": lambda side, dtype, i, o, seed: side.MLP((i, 3, o), "sigmoid", bias=False, dtype=dtype, rng=seed),
    "softmax output": lambda side, dtype, i, o, seed: side.MLP((i, 3, o), "tanh", "softmax", dtype=dtype, rng=seed),
    "log-softmax output": lambda side, dtype, i, o, seed: side.MLP(
        (i, 3, o), "tanh", "log_softmax", dtype=dtype, rng=seed
    ),
    "other slopes and axes": lambda side, dtype, i, o, seed: side.Sequential(
        side.Linear(i, 4, dtype=dtype, rng=seed),
        side.LeakyReLU(-2.0),
        side.Softmax(dim=0),
        side.Linear(4, o, dtype=dtype, rng=seed + 1),
        side.LogSoftmax(dim=0),
    ),
    "branches": lambda side, dtype, i, o, seed: side.Sequential(
        side.Parallel(side.Identity(), side.Sequential(side.Tanh(), side.Linear(i, i, dtype=dtype, rng=seed))),
        side.Linear(i, o, dtype=dtype, rng=seed + 1),
        side.Parallel(side.ReLU(), side.Tanh(), side.Sigmoid()),
    ),
}
# The output activation that a loss's input needs.
OUTPUT = {"BCELoss": "sigmoid", "NLLLoss": "log_softmax"}
# What a second derivative is written for.
ACTIVATIONS = ("identity", "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "log_softmax")
TWICE = ("MSELoss", "L1Loss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss")
LOSSES = {name: row for name, row in tables.LOSSES.items() if row.name in TWICE}
# A few losses for all activations, all losses for one activation.
PAIRS = [(activation, loss) for activation in ACTIVATIONS for loss in ("MSE", "CE all options", "BCE")]
PAIRS += [("tanh", loss) for loss in LOSSES if ("tanh", loss) not in PAIRS]


def target(row, shape, dtype, seed):
    """What the loss of `row` compares outputs of `shape` (batch, classes) with."""
    rng = np.random.default_rng([seed, 5])
    kinds = {
        "float": lambda: rng.normal(size=shape).astype(dtype),
        "probability": lambda: rng.random(shape).astype(dtype),
        "binary": lambda: rng.integers(0, 2, shape).astype(dtype),
        "class": lambda: np.asarray(rng.integers(0, shape[-1], shape[:-1])),
        "class probabilities": lambda: rng.random(shape).astype(dtype),
    }
    return kinds[row.target]()


def direction(model, draw, dtype):
    return {name: draw.array(w.shape, dtype, i + 1) for i, (name, w) in enumerate(model.state_dict().items())}


def judge_both(build, row, dtype, reduction, x, y, draw):
    """The verdicts on both sides' products, from one direction drawn by `draw`."""
    verdicts = []
    for side in SIDES.values():
        model, loss = build(side), row.build(side, 4, dtype, reduction)
        verdicts.append(judge_hvp(model, loss, x, y, direction(model, draw, dtype)))
    return verdicts


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_every_activation_and_loss(activation, loss, dtype):
    row = LOSSES[loss]

    def body(draw, vector, batch, hidden, reduction, weights):
        x, y = draw.array((batch, 3), dtype), target(row, (batch, 4), dtype, weights)
        return judge_both(
            lambda side: side.MLP((3, hidden, 4), activation, OUTPUT.get(row.name), dtype=dtype, rng=weights),
            row, dtype, reduction, x, y, vector,
        )  # fmt: skip

    drawn = moderate_draws if row.name == "BCELoss" else draws
    reductions = st.sampled_from(["mean", "sum"])
    with np.errstate(all="ignore"):
        judged(body, draw=drawn, vector=drawn, batch=filled_batches, hidden=widths, reduction=reductions, weights=seeds)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["MSE", "L1", "CE weight"])
@pytest.mark.parametrize("net", NETS)
def test_every_way_of_putting_layers_together(net, loss, dtype):
    """`batch` None is one sample without a batch axis."""
    row = LOSSES[loss]

    def body(draw, vector, batch, weights):
        lead = () if batch is None else (batch,)
        x, y = draw.array((*lead, 3), dtype), target(row, (*lead, 4), dtype, weights)
        return judge_both(
            lambda side: NETS[net](side, dtype, 3, 4, weights), row, dtype, "mean", x, y, vector
        )  # fmt: skip

    with np.errstate(all="ignore"):
        judged(body, draw=draws, vector=draws, batch=st.one_of(st.none(), filled_batches), weights=seeds)


def example(side=scratch, activation="tanh", dtype=np.float64, loss="MSE", seed=3):
    """A net that bends everywhere, 3 → 4 → 4 → 3, a batch of five, and two directions."""
    rng = np.random.default_rng(seed)
    row = LOSSES[loss]
    model = side.MLP((3, 4, 4, 3), activation, OUTPUT.get(row.name), dtype=dtype, rng=seed)
    x, y = rng.normal(size=(5, 3)).astype(dtype), target(row, (5, 3), dtype, seed)
    u, v = ({n: rng.normal(size=w.shape).astype(dtype) for n, w in model.state_dict().items()} for _ in range(2))
    return (model, row.build(side, 3, dtype, "mean"), x, y), u, v


def inner(a, b):
    return math.fsum(float(p) * float(q) for name in a for p, q in zip(a[name].ravel(), b[name].ravel(), strict=True))


def radius(a, balls):
    return inner({name: np.abs(array) for name, array in a.items()}, {name: ball.rad for name, ball in balls.items()})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softmax"])
def test_the_hessian_is_symmetric(activation, loss, side, dtype):
    """u·Hv = v·Hu. Each product lies in its ball and so does the true one: they differ by at most 2 radii."""
    case, u, v = example(SIDES[side], activation, dtype, loss)
    Hu, Hv = (SIDES[side].hessian_vector_product(*case, w) for w in (u, v))
    bound = 2 * (radius(u, reference_hvp(*case, v)) + radius(v, reference_hvp(*case, u)))
    assert abs(inner(u, Hv) - inner(v, Hu)) <= bound
    assert bound < (1e-2 if dtype == np.float32 else 1e-10) * max(1.0, abs(inner(u, Hv)))  # the bound says something


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_product_is_linear(loss, side, dtype):
    """H(4v) = 4Hv and H(−v) = −Hv to the last bit, H0 = 0, and H(u + v) = Hu + Hv within the balls of all three."""
    case, u, v = example(SIDES[side], "sigmoid", dtype, loss)
    u, v = ({n: np.round(a * 64).astype(dtype) / 64 for n, a in w.items()} for w in (u, v))  # u + v is exact
    Hu, Hv, H4v, Hminus, H0, Hsum = (
        SIDES[side].hessian_vector_product(*case, w)
        for w in (
            u,
            v,
            {n: 4 * a for n, a in v.items()},
            {n: -a for n, a in v.items()},
            {n: 0 * a for n, a in v.items()},
            {n: u[n] + v[n] for n in u},
        )
    )
    balls = [reference_hvp(*case, w) for w in (u, v, {n: u[n] + v[n] for n in u})]
    for name in Hv:
        np.testing.assert_array_equal(H4v[name], 4 * Hv[name])
        np.testing.assert_array_equal(Hminus[name], -Hv[name])
        assert not H0[name].any()
        gap = np.abs(Hsum[name].astype(float) - Hu[name].astype(float) - Hv[name].astype(float))
        assert (gap <= 2 * sum(ball[name].rad for ball in balls)).all()


def test_the_whole_hessian_of_least_squares():
    """L = ‖X Wᵀ − Y‖²/(N·C) is quadratic: H = (2/(N·C)) XᵀX for every row of W, whatever W and Y are."""
    rng = np.random.default_rng(1)
    x, y, v = rng.integers(-3, 4, (4, 3)) * 1.0, rng.normal(size=(4, 2)), rng.integers(-3, 4, (2, 3)) * 1.0
    for side in SIDES.values():
        model = side.MLP((3, 2), bias=False, dtype=np.float64, rng=0)
        found = side.hessian_vector_product(model, side.MSELoss(), x, y, {"layers.0.weight": v})
        np.testing.assert_array_equal(found["layers.0.weight"], product(2 / 8 * v, product(x.T, x)))


@pytest.mark.parametrize("side", SIDES)
def test_nothing_is_changed(side):
    """Neither arguments nor parameters nor gradients, nor what a backward call still to come needs."""
    case, u, v = example(SIDES[side])
    model, loss, x, y = case
    loss.forward(model.forward(x), y)
    model.backward(loss.backward())
    before = [*model.state_dict().values(), *(g for _, g in model.named_gradients()), x.copy(), y.copy()]
    before += [a.copy() for a in v.values()]
    upstream = loss.backward()
    grad_input = model.backward(upstream)
    model.zero_grad()
    model.backward(upstream)
    first = SIDES[side].hessian_vector_product(model, loss, x[:2], y[:2], u)
    SIDES[side].hessian_vector_product(*case, v)
    after = [*model.state_dict().values(), *(g for _, g in model.named_gradients()), x, y, *v.values()]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(loss.backward(), upstream)
    np.testing.assert_array_equal(model.backward(upstream), grad_input)
    again = SIDES[side].hessian_vector_product(model, loss, x[:2], y[:2], u)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])


# --- wrong products are refused, and the mistake is named ------------------------------------------------------------


def without(term):
    """The hand-written `linear` with one term of its product rules left out."""
    right = second_order.linear

    def linear(layer, x, vector, products):
        V, v = vector[layer.weight], vector[layer.bias]
        y, right_back = right(layer, x, vector, products)
        if term == "x R{W}ᵀ":
            y = Dual(y.value, y.r - x.value @ V.T)
        if term == "R{b}":
            y = Dual(y.value, y.r - v)

        def back(g):
            gradient = right_back(g)
            if term == "δᵀ R{x}":
                products[layer.weight] = g.r.T @ x.value
            if term == "R{δ}ᵀ x":
                products[layer.weight] = g.value.T @ x.r
            if term == "sum over the batch":
                products[layer.bias] = g.r[0]
            return Dual(gradient.value, g.r @ layer.weight.data) if term == "δ R{W}" else gradient

        return y, back

    return lambda patch: patch.setattr(second_order, "linear", linear)


def replaced(table, key, value):
    return lambda patch: patch.setitem(getattr(second_order, table), key, value)


BUGS = {
    "f″ = 0": (replaced("SECOND", scratch.Tanh, None), "missing f″"),
    "f″ without its factor 2": (replaced("SECOND", scratch.Tanh, lambda y: -y * (1 - y * y)), ""),
    "f″ of the other sign": (replaced("SECOND", scratch.Tanh, lambda y: 2 * y * (1 - y * y)), ""),
    "f″ of the sigmoid": (replaced("SECOND", scratch.Tanh, second_order.SECOND[scratch.Sigmoid]), ""),
    "no L″": (replaced("CURVATURES", scratch.MSELoss, second_order.no_curvature), "missing the loss's second"),
    "L″ without its factor 2": (
        replaced("CURVATURES", scratch.MSELoss, lambda loss, r: loss._recall(None)[-1] * r),
        "",
    ),
    "no x R{W}ᵀ": (without("x R{W}ᵀ"), "missing R{W}: the term x R{W}ᵀ"),
    "no R{b}": (without("R{b}"), "missing R{b}"),
    "no δ R{W}": (without("δ R{W}"), "missing R{W}: the term δ R{W}"),
    "no δᵀ R{x}": (without("δᵀ R{x}"), "missing R{x}"),
    "no R{δ}ᵀ x": (without("R{δ}ᵀ x"), ""),
    "no sum over the batch": (without("sum over the batch"), ""),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bug", BUGS)
def test_a_forgotten_term_is_named(bug, dtype, monkeypatch):
    patch, pattern = BUGS[bug]
    case, _, v = example(dtype=dtype)
    assert judge_hvp(*case, v).held
    patch(monkeypatch)
    verdict = judge_hvp(*case, v)
    assert not verdict.held
    assert any(pattern in failure.pattern for failure in verdict.failures)
    assert len(verdict.failures[0].render().splitlines()) <= 25


RULE_BUGS = {
    "softmax, R{y} not moved": ("softmax", "RULES", scratch.Softmax, "MSE"),
    "log-softmax, R{p} not moved": ("log_softmax", "RULES", scratch.LogSoftmax, "NLL"),
    "cross-entropy, linear": ("relu", "CURVATURES", scratch.CrossEntropyLoss, "CE all options"),
    "BCE, linear": ("relu", "CURVATURES", scratch.BCELoss, "BCE"),
    "BCE with logits, linear": ("relu", "CURVATURES", scratch.BCEWithLogitsLoss, "BCEWithLogits pos_weight"),
}


@pytest.mark.parametrize("bug", RULE_BUGS)
def test_a_forgotten_second_derivative_is_named(bug, monkeypatch):
    activation, table, key, loss = RULE_BUGS[bug]
    case, _, v = example(activation=activation, loss=loss)

    right = getattr(second_order, table)[key]

    def still(layer, x):  # R{dL/dx} = R{g} J, as if the Jacobian stood still
        y, _ = right(layer, x)
        return y, lambda g: Dual(layer.backward(g.value), layer.backward(g.r))

    wrong = still if table == "RULES" else second_order.no_curvature
    monkeypatch.setitem(getattr(second_order, table), key, wrong)
    verdict = judge_hvp(*case, v)
    assert not verdict.held
    assert any("second derivative" in f.pattern or "missing f″" in f.pattern for f in verdict.failures)


WRONG = {
    "the other sign": (lambda H, g, v: {n: -a for n, a in H.items()}, "ratio −1"),
    "twice": (lambda H, g, v: {n: 2 * a for n, a in H.items()}, "ratio 2"),
    "not the mean": (lambda H, g, v: {n: 5 * a for n, a in H.items()}, "ratio N = 5"),
    "the gradient": (lambda H, g, v: g, ""),
    "the vector": (lambda H, g, v: v, ""),
    "zeros": (lambda H, g, v: {n: 0 * a for n, a in H.items()}, "all zeros"),
    "transposed": (lambda H, g, v: {n: a.T.copy() for n, a in H.items()}, "transpose"),
    "missing": (lambda H, g, v: dict(list(H.items())[1:]), ""),
    "too many": (lambda H, g, v: {**H, "extra": v["layers.0.bias"]}, ""),
    "another dtype": (lambda H, g, v: {n: a.astype(np.float16) for n, a in H.items()}, ""),
    "damped": (lambda H, g, v: {n: H[n] + 1e-6 * v[n] for n in H}, ""),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_product_is_refused(wrong, side):
    change, pattern = WRONG[wrong]
    case, _, v = example(SIDES[side])
    model, loss, x, y = case
    loss.forward(model.forward(x), y)
    model.backward(loss.backward())
    product = change(SIDES[side].hessian_vector_product(*case, v), dict(model.named_gradients()), v)
    verdict = judge_hvp(*case, v, product=product)
    assert not verdict.held
    assert any(pattern in failure.pattern for failure in verdict.failures)


@pytest.mark.parametrize("side", SIDES)
def test_a_relative_error_of_1e_8_in_one_entry_is_seen(side):
    """In float64, in at least 99 % of the entries that are not 0; over all activations and some losses."""
    seen = []
    for activation in ACTIVATIONS:
        for loss in ("MSE", "CE", "BCEWithLogits"):
            case, _, v = example(SIDES[side], activation, loss=loss)
            product = SIDES[side].hessian_vector_product(*case, v)
            for name, ball in reference_hvp(*case, v).items():
                wrong = product[name] * (1 + 1e-8)
                seen += list((np.abs(wrong - ball.mid) > ball.rad)[product[name] != 0])
    assert len(seen) > 500
    assert np.mean(seen) >= 0.99
    product["layers.2.weight"][1, 2] *= 1 + 1e-8
    (failure,) = judge_hvp(*case, v, product=product).failures
    assert failure.index == (1, 2)
    assert failure.pattern == "one number of the tensor only"


# --- refusals --------------------------------------------------------------------------------------------------------


def changed(name, change):
    """The arguments with the vector's entry `name` changed, or left out where `change` gives None."""

    def act(model, loss, x, y, v):
        v = {**v, name: change(v[name])} if change(v[name]) is not None else {n: a for n, a in v.items() if n != name}
        return model, loss, x, y, v

    return act


W0 = "layers.0.weight"
# arguments of the call → arguments, the error, words it contains
BAD = {
    "missing entry": (changed(W0, lambda a: None), ValueError, ["vector does not fit", f"missing {W0}"]),
    "extra entry": (lambda m, loss, x, y, v: (m, loss, x, y, {**v, "z": x}), ValueError, ["unexpected z"]),
    "shape": (changed(W0, lambda a: a[:2]), ValueError, [W0, "(2, 3)", "(4, 3)"]),
    "transposed": (changed(W0, lambda a: a.T), ValueError, ["(3, 4)", "use .T"]),
    "dtype": (changed(W0, lambda a: a.astype(np.float32)), ValueError, ["float32", "expected float64", "astype"]),
    "integers": (changed(W0, lambda a: a.astype(int)), ValueError, ["int64", "expected float64"]),
    "list": (changed(W0, lambda a: a.tolist()), ValueError, ["NumPy array", "list"]),
    "all wrong at once": (lambda m, loss, x, y, v: (m, loss, x, y, {"z": x}), ValueError, [W0, "layers.4.bias", "z"]),
    "not a dict": (lambda m, loss, x, y, v: (m, loss, x, y, list(v.values())), TypeError, ["vector", "dict", "list"]),
    "None": (lambda m, loss, x, y, v: (m, loss, x, y, None), TypeError, ["vector", "NoneType"]),
    "no reduction": (
        lambda m, loss, x, y, v: (m, type_of(m).MSELoss(reduction="none"), x, y, v),
        ValueError,
        ["loss.reduction", "'none'"],
    ),
    "features": (lambda m, loss, x, y, v: (m, loss, x[:, :2], y, v), ValueError, ["2 features", "in_features=3"]),
    "input dtype": (lambda m, loss, x, y, v: (m, loss, x.astype(np.float32), y, v), TypeError, ["float32", "float64"]),
    "input not an array": (lambda m, loss, x, y, v: (m, loss, x.tolist(), y, v), TypeError, ["NumPy array", "list"]),
    "target shape": (lambda m, loss, x, y, v: (m, loss, x, y[:, 0], v), ValueError, ["(5, 3)", "(5,)"]),
    "target dtype": (lambda m, loss, x, y, v: (m, loss, x, y.astype(np.float32), v), TypeError, ["target", "float32"]),
    "empty batch": (lambda m, loss, x, y, v: (m, loss, x[:0], y[:0], v), ValueError, ["empty batch"]),
    "class out of range": (
        lambda m, loss, x, y, v: (m, type_of(m).CrossEntropyLoss(), x, np.array([0, 1, 2, 3, 0]), v),
        IndexError,
        ["0..2", "got 3"],
    ),
}


def type_of(model):
    return torch_impl if isinstance(model, torch_impl.Model) else scratch


@pytest.mark.parametrize("case", BAD)
def test_one_refusal_on_both_sides(case):
    change, kind, words = BAD[case]
    messages = []
    for side in SIDES.values():
        arguments, _, v = example(side)
        before = arguments[0].state_dict()
        with pytest.raises(kind) as caught:
            side.hessian_vector_product(*change(*arguments, v))
        messages.append(str(caught.value))
        for name, array in arguments[0].state_dict().items():
            np.testing.assert_array_equal(array, before[name])
        assert all(gradient is None for _, gradient in arguments[0].named_gradients())
    assert messages[0] == messages[1]
    for word in words:
        assert word in messages[0]


def test_what_has_no_second_derivative_here_is_refused():
    """A layer or a loss of one's own, a subclass included, which may compute anything; autograd needs no such table."""

    class Mine(scratch.Tanh):
        pass

    class MyLoss(scratch.MSELoss):
        pass

    (model, loss, x, y), _, v = example()
    mine = scratch.Sequential(model.layers, Mine())
    with pytest.raises(TypeError, match=r"not written for Mine; it knows .*Linear.*Tanh"):
        scratch.hessian_vector_product(mine, loss, x, y, {n.replace("layers", "0"): a for n, a in v.items()})
    with pytest.raises(TypeError, match=r"not written for MyLoss; it knows BCELoss, .*NLLLoss"):
        scratch.hessian_vector_product(model, MyLoss(), x, y, v)


def test_judge_needs_a_product_of_a_package_without_one():
    (_, loss, x, y), _, v = example()

    class MLP(scratch.MLP):
        pass

    model = MLP((3, 4, 4, 3), "tanh", dtype=np.float64, rng=3)
    MLP.__module__ = "somewhere.else"
    with pytest.raises(TypeError, match="'somewhere' has no hessian_vector_product; give the product"):
        judge_hvp(model, loss, x, y, v)


def test_frozen_and_compiled_models_on_the_torch_side():
    """All parameters count, frozen or not, and stay as frozen as they were; a compiled model is run uncompiled."""
    (model, loss, x, y), _, v = example(torch_impl)
    expected = torch_impl.hessian_vector_product(model, loss, x, y, v)
    frozen = next(model.module.parameters()).requires_grad_(False)
    compiled = torch_impl.Model(model.module, compile="eager")
    for name, array in torch_impl.hessian_vector_product(compiled, loss, x, y, v).items():
        np.testing.assert_array_equal(array, expected[name])
    assert not frozen.requires_grad


def test_models_without_parameters():
    """There is nothing to differentiate by: no entries, and bad input is refused all the same."""
    x = Draw("normal", "contiguous", 0).array((2, 3), np.float64)
    for side in SIDES.values():
        assert side.hessian_vector_product(side.Tanh(), side.MSELoss(), x, x, {}) == {}
        with pytest.raises(ValueError, match=r"\(2, 3\)"):
            side.hessian_vector_product(side.Tanh(), side.MSELoss(), x, x[0], {})


@pytest.mark.parametrize("name", SIDES)
def test_the_products_of_a_layer_in_two_places_add_up(name):
    """They are the sums of those of two layers with its numbers, moved alike: to the last bit, for a + b is b + a."""
    side, apart = SIDES[name], importlib.import_module(f"{SIDES[name].__name__}.second_order")
    first, second = (side.Linear(3, 3, dtype=np.float64, rng=0) for _ in range(2))
    draw = Draw("normal", "contiguous", 0)
    x, y = (draw.array((5, 3), np.float64, i) for i in range(2))
    moved = {"weight": draw.array((3, 3), np.float64, 2), "bias": draw.array((3,), np.float64, 3)}

    def products(*layers):
        model = side.Sequential(layers[0], side.Tanh(), layers[1])
        vector = {name: moved[name.split(".")[1]] for name, _ in model.named_parameters()}
        return apart.hessian_vector_product(model, side.MSELoss(), x, y, vector)

    tied, parts = products(first, first), products(first, second)
    for name in moved:
        np.testing.assert_array_equal(tied[f"0.{name}"], parts[f"0.{name}"] + parts[f"2.{name}"], strict=True)
