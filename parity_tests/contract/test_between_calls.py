"""What one call leaves for the next: arrays handed in and out are nobody else's, no mode forgets, nothing overflows."""

from dataclasses import dataclass

import numpy as np
import pytest

import scratch
from handgrad.judge import judge_backward, judge_forward
from parity_tests.catalogue.tables import DTYPES, LOSSES, OPS, OPTIMIZERS, SIDES
from parity_tests.support.samples import as_tuple, loss_arrays

each_side = pytest.mark.parametrize("side", SIDES)

RNG = np.random.default_rng
X = RNG(0).normal(size=(5, 3))
UPSTREAM = RNG(1).normal(size=(5, 2))


def mlp(side):
    """Two square weights among the others."""
    return SIDES[side].MLP([3, 3, 2, 2], "tanh", dtype=np.float64, rng=0)


@each_side
def test_writing_into_what_was_handed_out_changes_nothing(side):
    """The caller owns state dicts, gradients, outputs and what it handed in."""
    model = mlp(side)
    model.forward(X.copy())
    model.backward(UPSTREAM)
    weights, gradients = model.state_dict(), dict(model.named_gradients())
    kept = [{name: array.copy() for name, array in held.items()} for held in (weights, gradients)]
    for held in (weights, gradients):
        for array in held.values():
            array[...] = 7.0
    for now, before in zip((model.state_dict(), dict(model.named_gradients())), kept, strict=True):
        for name, array in before.items():
            np.testing.assert_array_equal(now[name], array)


@each_side
def test_training_does_not_write_into_what_was_handed_in(side):
    model = mlp(side)
    loaded = {name: np.full_like(weight, 7.0) for name, weight in model.state_dict().items()}
    model.load_state_dict(loaded)
    given = np.full(3, 7.0)
    parameter = SIDES[side].Parameter(given)
    parameter.grad = np.ones(3)
    model.forward(X)
    model.backward(UPSTREAM)
    SIDES[side].SGD([*model.parameters(), parameter], lr=1.0).step()
    for array in (*loaded.values(), given):
        np.testing.assert_array_equal(array, np.full_like(array, 7.0))


@each_side
def test_a_kept_gradient_stays(side):
    """Whoever took a gradient from the model still holds it after the next backward and after zero_grad."""
    for forget in (lambda model: None, lambda model: model.zero_grad(), lambda model: model.zero_grad(False)):
        model = mlp(side)
        model.forward(X)
        model.backward(UPSTREAM)
        held = [parameter.grad for parameter in model.parameters()]
        before = [gradient.copy() for gradient in held]
        forget(model)
        model.backward(UPSTREAM)
        for gradient, copy in zip(held, before, strict=True):
            np.testing.assert_array_equal(gradient, copy)


@each_side
def test_backward_follows_the_last_forward_in_eval_mode_too(side):
    """Input gradients are asked for in eval mode, by saliency maps for one: the last forward call counts."""
    model = mlp(side)
    model.forward(X)
    model.eval()
    model.forward(-2 * X)
    eval_gradient = model.backward(UPSTREAM)
    model.train()
    model.forward(-2 * X)
    np.testing.assert_array_equal(eval_gradient, model.backward(UPSTREAM))
    verdict = judge_backward(model.eval(), X, UPSTREAM)
    assert verdict.held, verdict.render()


@each_side
def test_square_weights_go_in_and_out(side):
    """A square weight fits transposed as well, and two layers of one size fit swapped: both must go in by name."""
    model = mlp(side)
    state = {name: RNG(i).normal(size=w.shape) for i, (name, w) in enumerate(model.state_dict().items())}
    model.load_state_dict(dict(reversed(state.items())))
    for name, weight in model.state_dict().items():
        np.testing.assert_array_equal(weight, state[name])
    verdict = judge_forward(model, X)
    assert verdict.held, verdict.render()


@each_side
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_state_is_handed_over_as_copies(name, side):
    """A checkpoint, taken (before every step) or loaded (before the last), does not change while training goes on."""
    kind, options = OPTIMIZERS[name]
    parameter = SIDES[side].Parameter(np.array([[1.0, -2.0]]))
    optimizer = getattr(SIDES[side], kind)([parameter], **options)
    checkpoints = []
    for step in range(3):
        parameter.grad = np.array([[0.5, step + 1.0]])
        optimizer.step()
        taken = optimizer.state_dict()
        checkpoints.append((taken, {name: np.array(a) for name, a in taken["state"].get(0, {}).items()}))
        if step == 1:
            optimizer.load_state_dict(taken)
    for taken, before in checkpoints:
        for entry, array in before.items():
            np.testing.assert_array_equal(taken["state"][0][entry], array)


@each_side
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_loaded_optimizer_takes_over_the_options(kind, side):
    """A run goes on with the learning rate that its schedule had reached."""
    first, second = (getattr(SIDES[side], kind)([SIDES[side].Parameter(np.ones(2))], lr=lr) for lr in (0.25, 1.0))
    first.param_groups[0]["weight_decay"] = 0.5
    second.load_state_dict(first.state_dict())
    for option in ("lr", "weight_decay"):
        assert second.param_groups[0][option] == first.param_groups[0][option]


@each_side
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_loaded_optimizer_goes_on_where_the_other_stopped(name, side):
    """All of the state goes in: the next step of both is the same to the last bit."""
    kind, options = OPTIMIZERS[name]
    first, second = (SIDES[side].Parameter(np.array([[1.0, -2.0]])) for _ in range(2))
    optimizers = [getattr(SIDES[side], kind)([parameter], **options) for parameter in (first, second)]
    for step in range(3):
        first.grad = np.array([[0.5, step + 1.0]])
        optimizers[0].step()
    second.data[...] = first.data
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    for parameter, optimizer in zip((first, second), optimizers, strict=True):
        parameter.grad = np.array([[-1.0, 0.25]])
        optimizer.step()
    np.testing.assert_array_equal(second.data, first.data)


@each_side
@pytest.mark.parametrize("first", ["Identity", "ReLU", "Sigmoid", "Tanh"])
def test_branches_do_not_share_memory(first, side):
    """Outputs are summed beside the branches' own: not in the first branch's memory, not in the caller's array."""
    side = SIDES[side]
    model = side.Parallel(getattr(side, first)(), side.Tanh(), side.Sigmoid())
    x, upstream = X.copy(), X[::-1].copy()
    for verdict in (judge_forward(model, x), judge_backward(model, x, upstream)):
        assert verdict.held, verdict.render()
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(upstream, X[::-1])


@each_side
@pytest.mark.parametrize("op", OPS)
def test_an_output_stays(op, side):
    """Outputs and input gradients of every op are new arrays: a buffer used again would overwrite the older ones."""
    model = OPS[op].build(SIDES[side], np.float32)
    x = RNG(4).normal(size=(5, OPS[op].width or 3)).astype(np.float32)
    output = model.forward(x)
    grad_input = model.backward(output)
    kept = [array.copy() for array in (output, grad_input)]
    model.backward(model.forward(-x))
    for array, copy in zip((output, grad_input), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPS)
def test_no_overflow_on_the_way(op, dtype):
    """Far out the values are 0 or 1, and no partial result overflows or is 0/0: NumPy's warnings are raised."""
    model = OPS[op].build(scratch, dtype)
    x = RNG(2).choice([-1e4, -100.0, 0.0, 100.0, 1e4], (4, OPS[op].width or 6)).astype(dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        model.backward(model.forward(x))


STEEP = {"CELU(0.001)": lambda: scratch.CELU(0.001), "Softplus(1000)": lambda: scratch.Softplus(1000.0)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", [*OPS, *STEEP])
def test_overflow_is_told_where_it_shows(op, dtype):
    """At the largest numbers there are an infinity comes out, or there was no overflow to be told of."""
    model = STEEP[op]() if op in STEEP else OPS[op].build(scratch, dtype)
    largest = np.finfo(dtype).max
    width = 0 if op in STEEP else OPS[op].width
    x = np.resize(np.array([-largest, -1e30, -3, 0, 3, 1e30, largest, 1], dtype), (8, width or 8))

    def both_ways():
        y = model.forward(x)
        return [y, model.backward(np.ones_like(y)), *(p.grad for p in model.parameters())]

    with np.errstate(over="ignore", invalid="ignore"):
        results = both_ways()
    if all(np.isfinite(array).all() for array in results):
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            both_ways()


def test_a_margin_that_overflows_is_told_where_it_counts():
    large, ones = np.full(2, 3e38, np.float32), np.ones(2, np.float32)
    loss = scratch.MarginRankingLoss()
    with np.errstate(over="raise"):
        assert loss.forward(large, -large, ones) == 0  # −∞ is far enough apart
        with pytest.raises(FloatingPointError, match="overflow"):
            loss.forward(large, -large, -ones)


def test_of_a_product_of_gradients_rprop_reads_the_sign():
    parameter = scratch.Parameter(np.zeros(2, np.float32))
    optimizer = scratch.Rprop([parameter])
    with np.errstate(over="raise"):
        for _ in range(2):
            parameter.grad = np.array([3e38, -3e38], np.float32)
            optimizer.step()
    np.testing.assert_array_equal(parameter.data, np.float32([-0.022, 0.022]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_no_overflow_in_a_loss(loss, dtype):
    """Neither does a partial result of a loss: its value and its gradients are finite, so all on the way to them is."""
    row = LOSSES[loss]
    is_exponential = loss.startswith("PoissonNLL") and row.input == "moderate"  # the value itself is eˣ
    arrays = loss_arrays(row, _Far(80.0 if is_exponential else 1e4), 6, 4, (), dtype)
    criterion = row.build(scratch, 4, dtype, "mean")
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        assert np.isfinite(criterion.forward(*arrays))
        for gradient in as_tuple(criterion.backward()):
            assert np.isfinite(gradient).all()


@dataclass(frozen=True)
class _Far:
    """A draw of numbers far out, none above `largest`, for `loss_arrays`."""

    largest: float
    style: str = "normal"
    seed: int = 3

    def array(self, shape, dtype, number=0):
        values = RNG([self.seed, number]).choice([-1e4, -100.0, 0.0, 100.0, 1e4], shape)
        return np.minimum(values, self.largest).astype(dtype)


def noisy(side):
    """All that a forward call changes beside the memory: masks, slopes, generators, running statistics."""
    return side.Dropout(rng=1), side.RReLU(rng=2), side.BatchNorm1d(3, dtype=np.float64)


def linear(side, seed):
    return side.Linear(3, 3, dtype=np.float64, rng=seed)


REFUSING = {
    "in a row": lambda side: side.Sequential(linear(side, 0), *noisy(side)),
    "deep in a row": lambda side: side.Sequential(side.Sequential(linear(side, 0), side.Tanh()), *noisy(side)),
    "around": lambda side: side.Residual(linear(side, 0), *noisy(side)),
    "side by side": lambda side: side.Parallel(linear(side, 0), side.Sequential(side.Tanh(), *noisy(side))),
}


@each_side
@pytest.mark.parametrize("net", REFUSING)
def test_a_refused_forward_of_a_net_leaves_no_trace(side, net):
    """The batch of one is refused by the batch normalization at the end, after the layers before it have run."""
    model, untouched = (REFUSING[net](SIDES[side]) for _ in range(2))
    for one in (model, untouched):
        one.forward(X)
    with pytest.raises(ValueError, match="more than one number per channel"):
        model.forward(X[:1])
    upstream = RNG(2).normal(size=X.shape)
    results = [[one.backward(upstream), one.forward(-X), one.backward(upstream)] for one in (model, untouched)]
    results = [[*now, *one.state_dict().values()] for now, one in zip(results, (model, untouched), strict=True)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("net", [*REFUSING, "MLP"])
def test_after_new_parameters_there_is_no_last_forward(net):
    words = set()
    for side in SIDES.values():
        model = side.MLP([3, 3], dtype=np.float64) if net == "MLP" else REFUSING[net](side)
        model.forward(X)
        model.load_state_dict(model.state_dict())
        with pytest.raises(RuntimeError, match=r"backward\(\) was called before forward\(\)") as caught:
            model.backward(RNG(2).normal(size=X.shape))
        words.add(str(caught.value))
    assert len(words) == 1
