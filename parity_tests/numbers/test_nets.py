"""Whole nets: one pass over both sides, training runs step by step, and exact lattices where nothing may differ."""

import numpy as np
import pytest
from hypothesis import strategies as st

import scratch
from handgrad.judge import StepJudge, judge_net
from parity_tests.catalogue.tables import DTYPES, OPTIMIZERS, PLACES, SIDES
from parity_tests.support.judged import judged
from parity_tests.support.strategies import draws, filled_batches, moderate_draws, seeds, widths
from scratch.flags import norm

# activation, output activation, loss, targets
NETS = {
    "relu, cross-entropy": ("relu", None, "CrossEntropyLoss", "class"),
    "tanh, cross-entropy": ("tanh", None, "CrossEntropyLoss", "class"),
    "sigmoid, log-softmax, NLL": ("sigmoid", "log_softmax", "NLLLoss", "class"),
    "leaky_relu, MSE": ("leaky_relu", None, "MSELoss", "float"),
    "identity, L1": ("identity", None, "L1Loss", "float"),
    "tanh, tanh, MSE": ("tanh", "tanh", "MSELoss", "float"),
    "relu, sigmoid, BCE": ("relu", "sigmoid", "BCELoss", "probability"),
    "relu, BCE with logits": ("relu", None, "BCEWithLogitsLoss", "probability"),
    "relu, softmax, MSE": ("relu", "softmax", "MSELoss", "probability"),
}


def target(kind, batch, outputs, dtype, seed):
    rng = np.random.default_rng([seed, 7])
    if kind == "class":
        return rng.integers(0, outputs, batch)
    return (
        rng.random((batch, outputs)).astype(dtype)
        if kind == "probability"
        else rng.normal(size=(batch, outputs)).astype(dtype)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", PLACES)
@pytest.mark.parametrize("net", NETS)
def test_whole_net(net, side, dtype):
    activation, output_activation, loss, kind = NETS[net]

    def body(draw, batch, hidden, inputs, outputs, weights):
        sizes = (inputs, *hidden, outputs)
        model = PLACES[side].MLP(sizes, activation, output_activation, dtype=dtype, rng=weights)
        criterion = getattr(PLACES[side], loss)()
        x, y = draw.array((batch, inputs), dtype), target(kind, batch, outputs, dtype, weights)
        return [judge_net(model, criterion, x, y)]

    with np.errstate(all="ignore"):
        judged(
            body,
            draw=moderate_draws if loss == "BCELoss" else draws,
            batch=filled_batches,
            hidden=st.lists(widths, max_size=3),
            inputs=widths,
            outputs=widths,
            weights=seeds,
        )


FIVE_STEPS = ["relu, cross-entropy", "tanh, tanh, MSE", "relu, BCE with logits"]
# SGD and Adam on every net, each of the others on one: an optimizer does not know where its gradients come from.
COMBINATIONS = [
    (net, name)
    for i, (name, (kind, _)) in enumerate(OPTIMIZERS.items())
    for net in (FIVE_STEPS if kind in ("SGD", "Adam") else [FIVE_STEPS[i % 3]])
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("net", "name"), COMBINATIONS)
def test_five_steps_side_by_side(net, name, dtype):
    """Both sides set to one state before every step, then both judged: weights, gradients, loss, optimizer state."""
    activation, output_activation, loss, kind = NETS[net]
    optimizer, options = OPTIMIZERS[name]

    def body(draw, batch, weights):
        trainers = []
        for side in SIDES.values():
            bias = optimizer != "Muon"  # which takes matrices alone
            model = side.MLP((3, 5, 4), activation, output_activation, bias, dtype=dtype, rng=weights)
            stepper = getattr(side, optimizer)(model.parameters(), **options)
            trainers.append(side.Trainer(model, getattr(side, loss)(), stepper))
        judges = [StepJudge(trainer.model, trainer.loss, trainer.optimizer) for trainer in trainers]
        verdicts = []
        for step in range(5):
            trainers[1].model.load_state_dict(trainers[0].model.state_dict())
            trainers[1].optimizer.load_state_dict(trainers[0].optimizer.state_dict())
            x, y = draw.array((batch, 3), dtype, step), target(kind, batch, 4, dtype, weights + step)
            for trainer, judge in zip(trainers, judges, strict=True):
                before = judge.before()
                verdicts.append(judge.after(before, x, y, trainer.step(x, y)))
        return verdicts

    with np.errstate(all="ignore"):
        judged(body, times=0.4, draw=draws, batch=filled_batches, weights=seeds)


SHORT_STEPS = {"ASGD": 0.01, "Adagrad": 0.01, "Adadelta": 0.1, "Adafactor": 0.01}


FREE = [name for name, (kind, _) in OPTIMIZERS.items() if kind != "Muon"]  # which is in bfloat16


@pytest.mark.parametrize("name", FREE)
def test_free_runs_stay_together(name):
    """A hundred steps without synchronising, in float64: state kept anywhere but in the state dict would show.

    Rounding of 1e-16 a step grows in a smooth, contracting run to a few 1e-15; 1e-10 leaves a factor of 30,000 for
    the growth and none for a mistake, whose effect is of the size of lr at least.
    """
    optimizer, options = OPTIMIZERS[name]
    options = {**options, "lr": SHORT_STEPS.get(optimizer, 0.001)}
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 3)), rng.normal(size=(16, 2))
    ends = []
    for side in SIDES.values():
        model = side.MLP((3, 8, 2), "tanh", dtype=np.float64, rng=0)
        trainer = side.Trainer(model, side.MSELoss(), getattr(side, optimizer)(model.parameters(), **options))
        for _ in range(100):
            trainer.step(x, y)
        ends.append(np.concatenate([weight.ravel() for weight in model.state_dict().values()]))
    assert norm(ends[0] - ends[1]) <= 1e-10 * norm(ends[1])
    start = scratch.MLP((3, 8, 2), "tanh", dtype=np.float64, rng=0).state_dict()
    moved = np.concatenate([weight.ravel() for weight in start.values()]) - ends[0]
    assert norm(moved) > 1e-3 * norm(ends[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.5}, {"momentum": 0.5, "nesterov": True}, {"weight_decay": 0.25}]
)
@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_exact_lattice(activation, options, dtype):
    """Small integers, powers of two for sizes and lr: nothing rounds, so both sides are equal to the last bit. Zeros
    and ties are everywhere on a lattice: this pins relu′(0) = 0.

    Every step multiplies the digits: the second one's squares need more than the 24 of float32, less than float64's 53.
    """
    steps = 1 if dtype == np.float32 else 2
    for seed in range(10):
        rng = np.random.default_rng(seed)
        weights = None
        ends = []
        x, y = rng.integers(-2, 3, (4, 2)).astype(dtype), rng.integers(-2, 3, (4, 2)).astype(dtype)
        for side in SIDES.values():
            model = side.MLP((2, 4, 2), activation, dtype=dtype)
            if weights is None:
                weights = {n: rng.integers(-1, 2, w.shape).astype(dtype) for n, w in model.state_dict().items()}
            model.load_state_dict(weights)
            trainer = side.Trainer(model, side.MSELoss(), side.SGD(model.parameters(), lr=0.25, **options))
            losses = [trainer.step(x, y) for _ in range(steps)]
            ends.append((losses, dict(model.named_gradients()), model.state_dict()))
        (losses, gradients, state), (losses_, gradients_, state_) = ends
        assert losses == losses_
        for name in state:
            np.testing.assert_array_equal(gradients[name], gradients_[name])
            np.testing.assert_array_equal(state[name], state_[name])
