"""Numbers printed by the source articles, and closed forms: they need no PyTorch."""

import numpy as np
import pytest

import scratch
from scratch.flags import product

# Source 000: W_1, b_1, the five inputs and the five printed outputs.
MOONS_WEIGHT = [[-0.7289, 2.0885], [-0.7081, -0.0942]]
MOONS_BIAS = [-0.3124, -0.0223]
MOONS_INPUT = [[0.8958, -0.0290], [0.8017, -0.5530], [-0.3895, 1.6482], [0.2550, -1.1994], [0.2616, -0.5097]]
MOONS_OUTPUT = [[0.4080, 0.5920], [0.1804, 0.8196], [0.9650, 0.0350], [0.0515, 0.9485], [0.1965, 0.8035]]


def moons_net(dtype=np.float64):
    net = scratch.MLP([2, 2], output_activation="softmax", dtype=dtype)
    net.load_state_dict(
        {"layers.0.weight": np.array(MOONS_WEIGHT, dtype), "layers.0.bias": np.array(MOONS_BIAS, dtype)}
    )
    return net


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_printed_probabilities_of_source_000(dtype):
    """The article prints inputs and weights to four digits. Each printed number p stands for p ± 0.00005, so a logit
    z_i = Σ w x + b is known to Σ(|w| + |x|)·h + h + 2h² with h = 0.00005, and a probability, whose derivative by the
    logit difference is at most ¼, to ¼ of the two logits' sum, plus h for its own printing."""
    h = 0.00005
    x = np.array(MOONS_INPUT, dtype)
    half_widths = (np.abs(x)[:, None, :] + np.abs(np.array(MOONS_WEIGHT))[None]).sum(-1) * h + h + 2 * h * h
    bound = 0.25 * half_widths.sum(-1, keepdims=True) + h
    assert (np.abs(moons_net(dtype)(x) - np.array(MOONS_OUTPUT)) <= bound).all()


def test_softmax_gradients_cancel_over_the_outputs():
    """Source 000's printed gradients are each other's negatives: softmax knows logits only up to a constant.

    With two outputs δ_j = p_j (g_j − s), s = g_1 p_1 + g_2 p_2. Each |δ_j| is at most G = |g_1| + |g_2|, and δ_1 + δ_2
    is zero but for rounding: the p_j (4 roundings each), their products, sum, difference and product, below 12 units in
    all. The bias gradient sums seven of them, the weight gradient seven products with x: 7 more each, 1 more there.
    """
    rng = np.random.default_rng(0)
    net, x, upstream = moons_net(), rng.normal(size=(7, 2)), rng.normal(size=(7, 2))
    net(x)
    net.backward(upstream)
    weight, bias = net.layers[0].weight.grad, net.layers[0].bias.grad
    g = 2 * np.abs(upstream).sum(axis=1)  # both δ
    unit = 20 * np.finfo(float).eps / 2
    assert (np.abs(weight[0] + weight[1]) <= unit * product(g, np.abs(x))).all()
    assert abs(bias[0] + bias[1]) <= unit * g.sum()


# Source 001's notebook prints the weights of its second hidden layer before and after one step of SGD, and the gradient
# between them, whose last row is a dead ReLU unit.
STEP_WEIGHT = [
    [0.2535, 0.3130, -0.2713, -0.1814, 0.3448, 0.3373, 0.2821, -0.1791],
    [-0.1212, -0.2878, 0.2879, 0.1565, -0.1669, -0.3110, -0.2456, 0.1226],
    [0.3273, -0.0469, 0.0854, 0.2370, -0.0876, 0.3385, 0.2827, 0.0705],
    [-0.0047, 0.1919, 0.1442, 0.1528, -0.1964, 0.1652, -0.2572, -0.0771],
]
STEP_GRADIENT = [
    [0.0239, -0.0320, 0.0115, -0.0022, -0.0118, 0.0037, 0.0089, -0.0047],
    [0.0076, -0.0059, 0.0238, -0.0196, -0.0051, -0.0018, 0.0022, 0.0049],
    [-0.0115, 0.0111, -0.0145, 0.0098, 0.0004, 0.0005, -0.0035, -0.0056],
    [0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000],
]
STEP_UPDATED = [
    [0.2511, 0.3162, -0.2724, -0.1812, 0.3460, 0.3369, 0.2812, -0.1786],
    [-0.1220, -0.2872, 0.2855, 0.1585, -0.1664, -0.3109, -0.2458, 0.1221],
    [0.3284, -0.0480, 0.0869, 0.2360, -0.0877, 0.3385, 0.2830, 0.0711],
    [-0.0047, 0.1919, 0.1442, 0.1528, -0.1964, 0.1652, -0.2572, -0.0771],
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_step_triple_of_source_001(dtype):
    """w′ = w − 0.1 g, each printed to four digits: the three printings are off by h + 0.1 h + h with h = 0.00005."""
    weight, gradient, updated = (np.array(m, dtype) for m in (STEP_WEIGHT, STEP_GRADIENT, STEP_UPDATED))
    parameter = scratch.Parameter(weight)
    parameter.grad = gradient
    scratch.SGD([parameter], lr=0.1).step()
    rounding = 4 * np.finfo(dtype).eps  # of the decimal constants and of the step; all numbers are below 1
    assert (np.abs(parameter.data - updated) <= 2.1 * 0.00005 + rounding).all()
    np.testing.assert_array_equal(parameter.data[3], weight[3])  # the dead unit does not move
