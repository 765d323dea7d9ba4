"""The normalizing layers: judged in training and evaluation, their running statistics too, and refused alike."""

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

import scratch
from handgrad.judge import StepJudge, judge_backward, judge_forward
from parity_tests.catalogue.tables import DTYPES, NORMS, PLACES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.strategies import Draw, draws, seeds, several


def build(side, name, dtype, seed=0):
    """The layer with drawn parameters, and statistics as two batches would have left them."""
    kind, arguments, options, _ = NORMS[name]
    layer = getattr(PLACES[side], kind)(*arguments, dtype=dtype, **options)
    rng = np.random.default_rng(seed)
    layer.load_state_dict({
        key: np.abs(rng.normal(size=a.shape)).astype(a.dtype) if a.dtype.kind == "f" else np.asarray(a + 2)
        for key, a in layer.state_dict().items()
    })  # fmt: skip
    return layer


def shape_of(name, batch, which=0):
    shapes = NORMS[name][3]
    return tuple(batch if size == "n" else size for size in shapes[which % len(shapes)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", PLACES)
@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "training") for name in NORMS] + [(name, "evaluation") for name in NORMS if name.startswith("BatchNorm")],
)
def test_forward_and_backward(name, mode, side, dtype):
    """Output, gradients, and the running statistics, which evaluation leaves alone."""

    def body(draw, upstream, batch, shape, weights):
        layer = build(side, name, dtype, weights).train(mode == "training")
        x = draw.array(shape_of(name, batch, shape), dtype)
        grad_output = upstream.array(x.shape, dtype)
        kept = [array.copy() for array in (x, grad_output)]
        verdicts = [judge_forward(layer, x), judge_backward(layer, x, grad_output)]
        for array, copy in zip((x, grad_output), kept, strict=True):
            np.testing.assert_array_equal(array, copy)
        return verdicts

    with np.errstate(all="ignore"):
        judged(body, draw=draws, upstream=draws, batch=several, shape=st.integers(0, 2), weights=seeds)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NORMS)
def test_state_moves_into_plain_torch_and_back(name, dtype):
    """Names, order, shapes and dtypes are torch.nn's; the count of batches is one int64."""
    kind, arguments, options, _ = NORMS[name]
    plain = getattr(torch.nn, kind)(*arguments, **options).to(torch.float32 if dtype == np.float32 else torch.float64)
    ours = build("scratch", name, dtype)
    state = ours.state_dict()
    assert list(state) == list(plain.state_dict())
    plain.load_state_dict({key: torch.from_numpy(np.array(a)) for key, a in state.items()})
    x = Draw("normal", "contiguous", 3).array(shape_of(name, 6), dtype)
    ours.forward(x)
    plain(torch.from_numpy(x))
    theirs = {key: tensor.numpy() for key, tensor in plain.state_dict().items()}
    ours.load_state_dict(theirs)
    for key, array in ours.state_dict().items():
        assert array.dtype == theirs[key].dtype
        np.testing.assert_array_equal(array, theirs[key])
    assert dict(ours.named_buffers()).keys() == dict(plain.named_buffers()).keys()


def test_running_statistics_of_a_small_batch():
    """By hand: x = 1, 3 has μ = 2 and v = 1, unbiased 2; momentum ½ takes (0 + 2)/2 and (1 + 2)/2."""
    for side in SIDES.values():
        layer = side.BatchNorm1d(1, momentum=0.5, dtype=np.float64)
        layer.forward(np.array([[1.0], [3.0]]))
        assert {key: a.tolist() for key, a in layer.state_dict().items() if key not in ("weight", "bias")} == {
            "running_mean": [1.0],
            "running_var": [1.5],
            "num_batches_tracked": 1,
        }


def test_cumulative_statistics_are_the_mean_of_all_batches():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 8, 2))
    for side in SIDES.values():
        layer = side.BatchNorm1d(2, momentum=None, dtype=np.float64)
        for batch in x:
            layer.forward(batch)
        state = layer.state_dict()
        # Sums of 8 numbers and four updates, in another order: some twenty roundings of 1.1e-16, 2e-15 in all.
        np.testing.assert_allclose(state["running_mean"], x.mean(1).mean(0), rtol=1e-14)
        np.testing.assert_allclose(state["running_var"], x.var(1, ddof=1).mean(0), rtol=1e-14)


@pytest.mark.parametrize("name", NORMS)
def test_a_shifted_and_stretched_group_is_the_same_group(name):
    """x ↦ 3x + 7 changes no output (RMSNorm: 3x), up to ε; and the gradient is orthogonal to both moves of a group."""
    kind, arguments, options, _ = NORMS[name]
    options = {**options, "eps": 1e-14}
    layer = getattr(scratch, kind)(*arguments, dtype=np.float64, **options)
    x = Draw("normal", "contiguous", 5).array(shape_of(name, 6), np.float64)
    shift = 0.0 if kind == "RMSNorm" else 7.0
    np.testing.assert_allclose(layer.forward(3 * x + shift), layer.forward(x), rtol=1e-9, atol=1e-9)
    gradient = layer.backward(Draw("normal", "contiguous", 6).array(x.shape, np.float64))
    assert abs((gradient * x).sum()) < 1e-9 * np.abs(gradient * x).sum() + 1e-12
    if kind != "RMSNorm":
        assert abs(gradient.sum()) < 1e-9 * np.abs(gradient).sum() + 1e-12


def test_evaluation_sends_nothing_back_through_the_statistics():
    for side in SIDES:
        layer = build(side, "BatchNorm1d", np.float64).eval()
        x = Draw("normal", "contiguous", 1).array((4, 3), np.float64)
        layer.forward(x)
        slope = layer.backward(np.ones_like(x))
        state = layer.state_dict()
        np.testing.assert_allclose(slope, np.tile(state["weight"] / np.sqrt(state["running_var"] + 1e-5), (4, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_a_net_with_all_of_them_trains_under_the_judge(side, dtype):
    package = SIDES[side]
    model = package.Sequential(
        package.Linear(4, 6, dtype=dtype, rng=0),
        package.BatchNorm1d(6, dtype=dtype),
        package.ReLU(),
        package.Linear(6, 6, dtype=dtype, rng=1),
        package.LayerNorm(6, dtype=dtype),
        package.GroupNorm(2, 6, dtype=dtype),
        package.RMSNorm(6, dtype=dtype),
        package.Linear(6, 3, dtype=dtype, rng=2),
    )
    trainer = package.Trainer(model, package.CrossEntropyLoss(), package.Adam(model.parameters(), lr=0.01))
    judge = StepJudge(trainer.model, trainer.loss, trainer.optimizer)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 4)).astype(dtype), rng.integers(0, 3, 16)
    first = None
    for _ in range(30):
        before = judge.before()
        value = trainer.step(x, y)
        first = value if first is None else first
        verdict = judge.after(before, x, y, value)
        assert verdict.held, verdict.render()
    assert value < first
    assert model.state_dict()["1.num_batches_tracked"] == 30


WRONG = {
    "running_mean": lambda layer: setattr(layer.running_mean, "data", layer.running_mean.data * (1 + 1e-6)),
    "running_var": lambda layer: setattr(layer.running_var, "data", layer.running_var.data * 0.75),
    "num_batches_tracked": lambda layer: setattr(layer.num_batches_tracked, "data", np.array(7)),
}


@pytest.mark.parametrize("buffer", WRONG)
@pytest.mark.parametrize("mode", ["training", "evaluation"])
def test_wrong_statistics_are_refused(buffer, mode, monkeypatch):
    layer = build("scratch", "BatchNorm1d", np.float64).train(mode == "training")
    right = layer.forward

    def forward(x):
        y = right(x)
        WRONG[buffer](layer)
        return y

    monkeypatch.setattr(layer, "forward", forward)
    verdict = judge_forward(layer, Draw("normal", "contiguous", 0).array((5, 3), np.float64))
    assert [failure.tensor for failure in verdict.failures] == [buffer]


def test_a_refused_batch_leaves_the_statistics_alone():
    """In a step too, where the layer has run before another one refuses, or before the loss does."""
    x, y = np.ones((4, 2), np.float32), np.array([0, 1, 0, 1])
    for side in SIDES.values():
        for bad in ((x[:1], y[:1]), (x, y + 5), (x[:, :1], y)):
            model = side.Sequential(side.BatchNorm1d(2), side.Linear(2, 2, rng=0))
            trainer = side.Trainer(model, side.CrossEntropyLoss(), side.SGD(model.parameters(), lr=0.1))
            before = model.state_dict()
            with pytest.raises((ValueError, IndexError)):
                trainer.step(*bad)
            for key, array in model.state_dict().items():
                np.testing.assert_array_equal(array, before[key])
        row = side.Sequential(side.BatchNorm1d(2), side.Linear(3, 2, rng=0))
        with pytest.raises(ValueError, match="in_features=3"):
            row.forward(x)
        assert row.state_dict()["0.num_batches_tracked"] == 0
        np.testing.assert_array_equal(row.state_dict()["0.running_mean"], [0, 0])
        alone = side.BatchNorm1d(2)
        with pytest.raises(ValueError, match="more than one number per channel"):
            alone.forward(x[:1])
        assert alone.state_dict()["num_batches_tracked"] == 0


X = np.ones((4, 6), np.float32)
BAD = {
    "no features": (lambda s: s.BatchNorm1d(0), ValueError, ["num_features must be >= 1", "0"]),
    "features of a fraction": (lambda s: s.BatchNorm1d(2.0), TypeError, ["num_features", "whole number", "2.0"]),
    "momentum": (lambda s: s.BatchNorm1d(2, momentum="x"), TypeError, ["momentum", "number", "'x'"]),
    "affine": (lambda s: s.BatchNorm1d(2, affine=1), TypeError, ["affine must be True or False", "1"]),
    "track": (lambda s: s.BatchNorm1d(2, track_running_stats=None), TypeError, ["track_running_stats", "None"]),
    "eps": (lambda s: s.LayerNorm(2, eps=None), TypeError, ["eps", "None"]),
    "eps of RMSNorm": (lambda s: s.RMSNorm(2, eps="a"), TypeError, ["eps", "'a'"]),
    "shape of nothing": (lambda s: s.LayerNorm(()), ValueError, ["normalized_shape", "at least one axis"]),
    "shape of text": (lambda s: s.LayerNorm("3"), TypeError, ["normalized_shape", "whole number", "'3'"]),
    "shape with 0": (lambda s: s.RMSNorm((2, 0)), ValueError, ["normalized_shape must be >= 1", "0"]),
    "elementwise_affine": (lambda s: s.RMSNorm(2, elementwise_affine=0), TypeError, ["elementwise_affine", "0"]),
    "groups": (lambda s: s.GroupNorm(4, 6), ValueError, ["num_channels=6", "divisible", "num_groups=4"]),
    "no groups": (lambda s: s.GroupNorm(0, 6), ValueError, ["num_groups must be >= 1", "0"]),
    "last axes": (lambda s: s.LayerNorm(5).forward(X), ValueError, ["(5,)", "(4, 6)"]),
    "too few axes": (lambda s: s.RMSNorm((4, 4, 6)).forward(X), ValueError, ["(4, 4, 6)", "(4, 6)"]),
    "channels of a group": (lambda s: s.GroupNorm(2, 4).forward(X), ValueError, ["num_channels=4", "(4, 6)"]),
    "axes of a group": (lambda s: s.GroupNorm(2, 6).forward(X[0]), ValueError, ["(N, C, ...)", "(6,)"]),
    "a single number": (lambda s: s.GroupNorm(6, 6).forward(X[:1]), ValueError, ["more than one number", "(1, 6)"]),
    "channels": (lambda s: s.BatchNorm1d(5).forward(X), ValueError, ["num_features=5", "(4, 6)"]),
    "unbatched": (lambda s: s.BatchNorm1d(6).forward(X[0]), ValueError, ["(N, C)", "(6,)"]),
    "four axes": (lambda s: s.BatchNorm1d(4).forward(X[None, :, :, None]), ValueError, ["(N, C, L)", "(1, 4, 6, 1)"]),
    "one sample": (lambda s: s.BatchNorm1d(6).forward(X[:1]), ValueError, ["more than one number per channel"]),
    "dtype": (lambda s: s.LayerNorm(6).forward(X.astype(float)), TypeError, ["float32", "float64"]),
    "dtype of the statistics": (
        lambda s: s.BatchNorm1d(6, affine=False).forward(X.astype(float)),
        TypeError,
        ["float32", "float64"],
    ),
    "integers": (lambda s: s.GroupNorm(2, 6).forward(X.astype(int)), TypeError, ["float32", "int64"]),
    "upstream": (lambda s: (m := s.LayerNorm(6), m.forward(X), m.backward(X[:1])), ValueError, ["(1, 6)", "(4, 6)"]),
    "state": (
        lambda s: s.BatchNorm1d(6).load_state_dict({"weight": X[0]}),
        ValueError,
        ["missing", "running_mean", "num_batches_tracked"],
    ),
    "count of another dtype": (
        lambda s: (m := s.BatchNorm1d(6)).load_state_dict({**m.state_dict(), "num_batches_tracked": np.array(1.0)}),
        ValueError,
        ["num_batches_tracked", "float64", "int64"],
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
    for word in words:
        assert word in messages[0]


@pytest.mark.parametrize("name", NORMS)
def test_both_sides_print_alike(name):
    assert repr(build("scratch", name, np.float32)) == repr(build("torch", name, np.float32))
