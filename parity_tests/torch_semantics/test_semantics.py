"""PyTorch's choices at the edges, one row each: both sides give exactly the value that torch 2.13 gives."""

import numpy as np
import pytest

from parity_tests.catalogue.tables import DTYPES, SIDES

INF, NAN = np.inf, np.nan


def activation(name, *args, **options):
    return lambda side: getattr(side, name)(*args, **options)


# op, x, upstream gradient → output, gradient
ACTIVATION_EDGES = {
    "relu at the kink": (activation("ReLU"), [0.0, -0.0], [1.0, 1.0], [0.0, -0.0], [0.0, 0.0]),
    "relu of NaN": (activation("ReLU"), [NAN], [3.0], [NAN], [3.0]),
    "relu off, infinite upstream": (activation("ReLU"), [-1.0, 0.0], [INF, NAN], [0.0, 0.0], [0.0, 0.0]),
    "relu of infinities": (activation("ReLU"), [INF, -INF], [1.0, 1.0], [INF, 0.0], [1.0, 0.0]),
    "leaky_relu at the kink": (activation("LeakyReLU", 0.25), [0.0, -4.0], [1.0, 1.0], [0.0, -1.0], [0.25, 0.25]),
    "leaky_relu falling from the kink": (
        activation("LeakyReLU", -2.0),
        [0.0, -0.0, -1.0],
        [1.0, 1.0, 1.0],
        [-0.0, 0.0, 2.0],
        [-2.0, -2.0, -2.0],
    ),
    "leaky_relu of NaN": (activation("LeakyReLU", 0.25), [NAN], [1.0], [NAN], [0.25]),
    "sigmoid saturates": (activation("Sigmoid"), [INF, -INF, 1e4, -1e4], [1.0] * 4, [1.0, 0.0, 1.0, 0.0], [0.0] * 4),
    "tanh saturates": (activation("Tanh"), [INF, -INF, 1e4], [1.0] * 3, [1.0, -1.0, 1.0], [0.0] * 3),
    "softmax of equals": (activation("Softmax", dim=0), [7.0, 7.0], [1.0, 0.0], [0.5, 0.5], [0.25, -0.25]),
    "softmax of a huge logit": (activation("Softmax", dim=0), [1e30, 0.0], [1.0, 5.0], [1.0, 0.0], [0.0, 0.0]),
    "softmax with -inf": (activation("Softmax", dim=0), [0.0, -INF], [1.0, 5.0], [1.0, 0.0], [0.0, 0.0]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", ACTIVATION_EDGES)
def test_activation(case, side, dtype):
    build, x, upstream, output, gradient = ACTIVATION_EDGES[case]
    model = build(SIDES[side])
    with np.errstate(all="ignore"):
        given = model.forward(np.array(x, dtype))
        grad_input = model.backward(np.array(upstream, dtype))
    np.testing.assert_array_equal(given, np.array(output, dtype))
    np.testing.assert_array_equal(np.signbit(given), np.signbit(output))
    np.testing.assert_array_equal(grad_input, np.array(gradient, dtype))


def loss(name, **options):
    return lambda side, dtype: getattr(side, name)(
        **{k: v.astype(dtype) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    )


CLAMPED = 1 / float(np.float32(1e-12))  # torch writes 1e-12 in single precision, for float64 too

# loss, input, target → value, gradient
LOSS_EDGES = {
    "l1 at the kink": (loss("L1Loss"), [1.0, 3.0], [1.0, 1.0], 1.0, [0.0, 0.5]),
    "bce clamps the logarithm": (loss("BCELoss"), [0.0], [1.0], 100.0, [-CLAMPED]),
    "bce clamps the other one": (loss("BCELoss"), [1.0], [0.0], 100.0, [CLAMPED]),
    "bce right and sure": (loss("BCELoss"), [1.0, 0.0], [1.0, 0.0], 0.0, [0.0, 0.0]),
    "bce weight does not change the mean's divisor": (
        loss("BCELoss", weight=np.array([2.0, 0.0])),
        [0.5, 0.5],
        [0.5, 0.5],
        np.log(2),
        [0.0, 0.0],
    ),
    "bce with logits far out": (loss("BCEWithLogitsLoss"), [1e4, -1e4], [0.0, 1.0], 1e4, [0.5, -0.5]),
    "bce with logits at inf": (loss("BCEWithLogitsLoss"), [INF], [1.0], NAN, [0.0]),
    "cross-entropy, -inf for another class": (loss("CrossEntropyLoss"), [[0.0, -INF]], [0], 0.0, [[0.0, 0.0]]),
    "cross-entropy, +inf": (loss("CrossEntropyLoss"), [[INF, 0.0]], [0], NAN, [[NAN, NAN]]),
    "cross-entropy, all ignored": (
        loss("CrossEntropyLoss", ignore_index=1),
        [[0.0, 1.0]],
        [1],
        NAN,
        [[0.0, 0.0]],
    ),
    "cross-entropy, one ignored": (
        loss("CrossEntropyLoss"),
        [[0.0, 0.0], [5.0, 9.0]],
        [0, -100],
        np.log(2),
        [[-0.5, 0.5], [0.0, 0.0]],
    ),
    "cross-entropy, mean divides by the weights": (
        loss("CrossEntropyLoss", weight=np.array([4.0, 4.0])),
        [[0.0, 0.0]],
        [0],
        np.log(2),
        [[-0.5, 0.5]],
    ),
    "cross-entropy, probabilities: mean divides by N": (
        loss("CrossEntropyLoss", weight=np.array([4.0, 4.0])),
        [[0.0, 0.0]],
        [[1.0, 0.0]],
        4 * np.log(2),
        [[-2.0, 2.0]],
    ),
    "cross-entropy, unnormalised probabilities": (
        loss("CrossEntropyLoss"),
        [[0.0, 0.0]],
        [[2.0, 1.0]],
        3 * np.log(2),
        [[-0.5, 0.5]],
    ),
    "cross-entropy, smoothing at -inf": (loss("CrossEntropyLoss", label_smoothing=0.5), [[0.0, -INF]], [0], INF, None),
    "cross-entropy, smoothing all of it": (
        loss("CrossEntropyLoss", label_smoothing=1.0),
        [[0.0, 0.0]],
        [0],
        np.log(2),
        [[0.0, 0.0]],
    ),
    "nll, one ignored": (loss("NLLLoss"), [[-1.0, -2.0], [-4.0, -8.0]], [1, -100], 2.0, [[0.0, -1.0], [0.0, 0.0]]),
    "nll, all ignored": (loss("NLLLoss", ignore_index=0), [[-1.0, -2.0]], [0], NAN, [[0.0, 0.0]]),
    "nll, sum of nothing": (loss("NLLLoss", reduction="sum", ignore_index=0), [[-1.0, -2.0]], [0], 0.0, [[0.0, 0.0]]),
    "mse mean is over elements": (loss("MSELoss"), [[1.0, 3.0]], [[0.0, 0.0]], 5.0, [[1.0, 3.0]]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", LOSS_EDGES)
def test_loss(case, side, dtype):
    """Values that are logarithms are correct to 2 ulp, everything else is exact."""
    build, input, target, value, gradient = LOSS_EDGES[case]
    criterion = build(SIDES[side], dtype)
    y = np.array(target)
    with np.errstate(all="ignore"):
        given = criterion.forward(np.array(input, dtype), y.astype(dtype) if y.dtype.kind == "f" else y)
        grad_input = criterion.backward()
    assert given.dtype == dtype
    np.testing.assert_array_max_ulp(given, dtype(value), 2) if np.isfinite(value) else np.testing.assert_equal(
        float(given), value
    )
    if gradient is not None:
        np.testing.assert_array_equal(grad_input, np.array(gradient, dtype))


def step(side, kind, gradients, **options):
    parameter = side.Parameter(np.array([1.0]))
    optimizer = getattr(side, kind)([parameter], **options)
    for gradient in gradients:
        parameter.grad = None if gradient is None else np.array([gradient])
        optimizer.step()
    return float(parameter.data[0])


# optimizer, gradients of the steps, options → parameter, which starts at 1
OPTIMIZER_EDGES = {
    "first momentum buffer is the gradient, undampened": ("SGD", [1.0], {"momentum": 0.5, "dampening": 0.5}, 0.5),
    "later ones are dampened": ("SGD", [1.0, 1.0], {"momentum": 0.5, "dampening": 0.5}, 0.0),
    "weight decay comes after the negation": ("SGD", [1.0], {"maximize": True, "weight_decay": 0.5}, 1.25),
    "no gradient, no decay": ("SGD", [None], {"weight_decay": 0.5}, 1.0),
    "zero gradient decays": ("SGD", [0.0], {"weight_decay": 0.5}, 0.75),
    "nesterov looks ahead": ("SGD", [1.0], {"momentum": 0.5, "nesterov": True}, 0.25),
    "adam's first step is lr": ("Adam", [4.0], {"eps": 0.0}, 0.5),
    "adam's eps is outside the root": ("Adam", [4.0], {"eps": 4.0}, 0.75),
    "adam without a gradient": ("Adam", [None], {"weight_decay": 0.5}, 1.0),
    "adamw decays before the step": (
        "Adam",
        [0.0],
        {"weight_decay": 0.5, "decoupled_weight_decay": True, "eps": 1.0},
        0.75,
    ),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", OPTIMIZER_EDGES)
def test_optimizer(case, side):
    """Powers of two throughout. Adam's bias corrections 1 − βᵗ round: its rows are right to 4 ulp of 1."""
    kind, gradients, options, expected = OPTIMIZER_EDGES[case]
    given = step(SIDES[side], kind, gradients, lr=0.5, **options)
    assert abs(given - expected) <= (4 * np.finfo(float).eps if kind == "Adam" else 0)


@pytest.mark.parametrize("side", SIDES)
def test_zero_gradient_and_zero_eps_divide_nothing(side):
    """0/0 in Adam is NaN on both sides, as in torch: eps is what prevents it."""
    with np.errstate(all="ignore"):
        assert np.isnan(step(SIDES[side], "Adam", [0.0], lr=0.5, eps=0.0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 7, 64, 1001])
def test_relu_keeps_the_sign_of_zero_at_every_length(size, dtype):
    """Vector instructions handle blocks and remainders apart: −0 stays −0 in both."""
    for side in SIDES.values():
        assert np.signbit(side.ReLU().forward(np.full(size, -0.0, dtype))).all()
