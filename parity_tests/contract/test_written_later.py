"""What is written to a module or a loss after it is made acts on both sides alike, or is refused by name.

On the torch side an attribute of the adapter would be lost in silence: all but the adapter's own go to torch's module.
"""

import inspect

import numpy as np
import pytest

import scratch
import torch_impl
from contract import layer_checks
from parity_tests.catalogue.tables import CHANGES, NEEDS, SIDES, STARTS
from parity_tests.contract.test_options import loss_results, op_results, same

X = np.array([[1.0, -1.0], [0.3, 2.0]])
F64 = {"dtype": np.float64}
MADE_BY = layer_checks.BUILT_BY
# Options that are no attributes, or that PyTorch reads when it makes the module alone.
ONLY_WHEN_MADE = ("dtype", "rng", "bias", "sizes", "activation", "output_activation")
ROWS = [
    (name, option, row)
    for name, options in CHANGES.items()
    for option, values in options.items()
    for row in range(len(values))
    if option not in ONLY_WHEN_MADE
]


class Later:
    """A side whose ops and losses are made with other options first: then the one asked for is written to them."""

    def __init__(self, side, option, first):
        self.side, self.option, self.first = side, option, first

    def __getattr__(self, name):
        def make(**options):
            made = getattr(self.side, name)(**{**options, **self.first})
            setattr(made, self.option, options[self.option])
            return made

        return make


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize(("name", "option", "row"), ROWS)
def test_an_option_written_later_is_as_one_given_at_once(name, option, row, side):
    base = {**STARTS.get(name, {}), **NEEDS.get((name, option), {})}
    value, results = CHANGES[name][option][row], op_results
    if not issubclass(getattr(scratch, name), scratch.Module):
        results = loss_results
    default = {option: base[option]} if option in base else {}
    if not default and (at := scratch_default(name, option)) is not None:
        default = {option: at}
    if option in MADE_BY:
        made = getattr(side, name)(**base | default)
        with pytest.raises(AttributeError, match=rf"^{name}: {option} cannot be changed, the layer was made by it"):
            setattr(made, option, value)
        return
    wanted = results(side, name, base | {option: value}, judged=False)
    found = results(Later(side, option, default), name, base | {option: value}, judged=False)
    assert all(same(found[key], wanted[key]) for key in wanted)


def scratch_default(name, option):
    default = inspect.signature(getattr(scratch, name)).parameters[option].default
    return None if default is inspect.Parameter.empty else default


# act(side) writes to a net and gives what must be equal on both sides.
ACTS = {
    "a container": lambda side, net: setattr(
        net, "layers", side.Sequential(side.Linear(2, 3, rng=5, **F64), side.Tanh(), side.Linear(3, 1, rng=6, **F64))
    ),
    "a weight": lambda side, net: setattr(net.layers[0], "weight", side.Parameter(np.ones((3, 2)))),
    "no bias": lambda side, net: setattr(net.layers[0], "bias", None),
    "a bias and none again": lambda side, net: [
        setattr(net.layers[0], "bias", value) for value in (None, side.Parameter(np.ones(3)))
    ],
    "a slope": lambda side, net: setattr(net.layers[1], "negative_slope", np.float32(0.5)),
    "evaluation": lambda side, net: setattr(net, "training", False),
    "frozen": lambda side, net: setattr(net.layers[0].weight, "requires_grad", False),
    "data": lambda side, net: setattr(net.layers[2].bias, "data", np.full(1, 7.0)),
    "another attribute": lambda side, net: setattr(net, "note", "mine"),
}


@pytest.mark.parametrize("act", ACTS)
def test_writes_act(act):
    outcomes = []
    for side in SIDES.values():
        net = side.MLP([2, 3, 1], "leaky_relu", rng=0, **F64)
        before = net.forward(-3 * X)
        ACTS[act](side, net)
        y = net.forward(-3 * X)
        net.backward(np.ones_like(y))
        parts = {
            "y": y,
            **{name: np.asarray(g) for name, g in net.named_gradients() if g is not None},
            **net.state_dict(),
        }
        told = (net.training, net.layers[0].training, getattr(net, "note", None), repr(net.layers[1]))
        outcomes.append((parts, told, np.array_equal(y, before)))
    (ours, *told), (theirs, *told_too) = outcomes
    assert told == told_too
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-12, err_msg=name)


REFUSED = {
    "an array for a weight": (
        lambda s, n: setattr(n.layers[0], "weight", np.ones((3, 2))),
        "Linear: weight must be a Parameter or None; got ndarray",
    ),
    "an array for no bias": (
        lambda s, n: setattr(s.Linear(2, 3, bias=False), "bias", np.ones(3)),
        "Linear: bias must be a Parameter or None; got ndarray",
    ),
    "no weight": (
        lambda s, n: setattr(n.layers[0], "weight", None),
        "Linear: weight must be a Parameter; got NoneType",
    ),
    "a weight of another shape": (
        lambda s, n: setattr(n.layers[0], "weight", s.Parameter(np.ones((2, 3)))),
        "Linear: weight must have shape (3, 2); got (2, 3)",
    ),
    "a bias of another shape": (
        lambda s, n: setattr(s.LayerNorm(3), "bias", s.Parameter(np.ones(1, np.float32))),
        "LayerNorm: bias must have shape (3,); got (1,)",
    ),
    "a weight of another dtype": (
        lambda s, n: setattr(n.layers[0], "weight", s.Parameter(np.ones((3, 2), np.float32))),
        "Linear: weight must be float64; got float32 (convert with .astype)",
    ),
    "an array for a container": (
        lambda s, n: setattr(n, "layers", X),
        "MLP: layers must be a Module or None; got ndarray",
    ),
    "an array for a buffer": (
        lambda s, n: setattr(s.BatchNorm1d(2), "running_mean", np.zeros(2)),
        "BatchNorm1d: running_mean must be a Buffer or None; got ndarray",
    ),
    "a module for a weight": (
        lambda s, n: setattr(n.layers[0], "weight", s.Tanh()),
        "Linear: weight must be a Parameter or None; got Tanh",
    ),
    "features": (
        lambda s, n: setattr(n.layers[0], "in_features", 7),
        "Linear: in_features cannot be changed, the layer was made by it; got 7",
    ),
    "a probability of 2": (
        lambda s, n: setattr(s.Dropout(), "p", 2),
        "Dropout: p must be a probability in [0, 1]; got 2",
    ),
    "a text for a slope": (
        lambda s, n: setattr(n.layers[1], "negative_slope", "steep"),
        "LeakyReLU: negative_slope must be a number; got 'steep'",
    ),
    "bounds that cross": (
        lambda s, n: setattr(s.Hardtanh(), "min_val", 3.0),
        "Hardtanh: min_val must be < max_val; got min_val=3.0, max_val=1.0",
    ),
    "a table by rows": (
        lambda s, n: setattr(s.Embedding(3, 2, sparse=True), "weight", s.Parameter(np.ones((3, 2), np.float32))),
        "Embedding: weight cannot be changed, the layer was made by it",
    ),
    "frequencies of a table by rows": (
        lambda s, n: setattr(s.Embedding(3, 2, sparse=True), "scale_grad_by_freq", True),
        "Embedding: scale_grad_by_freq does not go with sparse",
    ),
    "padding beyond the table": (
        lambda s, n: setattr(s.Embedding(3, 2), "padding_idx", 3),
        "Embedding: padding_idx must be < num_embeddings=3; got 3",
    ),
    "groups of unequal size": (
        lambda s, n: setattr(s.GroupNorm(2, 4), "num_groups", 3),
        "GroupNorm: num_channels=4 must be divisible by num_groups=3",
    ),
    "a text for training": (lambda s, n: setattr(n, "training", "no"), "MLP: training must be True or False; got 'no'"),
    "a reduction": (
        lambda s, n: setattr(s.MSELoss(), "reduction", "average"),
        "MSELoss: reduction must be one of mean, sum, none; got 'average'",
    ),
    "a negative delta": (lambda s, n: setattr(s.HuberLoss(), "delta", -1.0), "HuberLoss: delta must be >= 0; got -1.0"),
    "a list for a weight": (
        lambda s, n: setattr(s.BCELoss(), "weight", [1.0]),
        "BCELoss: weight must be a NumPy array; got list",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_error_on_both_sides(case):
    act, message = REFUSED[case]
    for side in SIDES.values():
        net = side.MLP([2, 3, 1], "leaky_relu", rng=0, **F64)
        before = net.state_dict()
        with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
            act(side, net)
        assert str(caught.value) == message
        assert all(np.array_equal(before[name], a) for name, a in net.state_dict().items())


# What may stand in the place of what: as in PyTorch a parameter in every place, a module in a buffer's.
TAKEN = {
    "no weight of a norm": ("LayerNorm", "weight", lambda side: None),
    "the size that it has": ("LayerNorm", "normalized_shape", lambda side: (2,)),
    "a parameter for a buffer": ("BatchNorm1d", "running_mean", lambda side: side.Parameter(np.ones(2, np.float32))),
    "a module for a buffer": ("BatchNorm1d", "running_mean", lambda side: side.Tanh()),
    "a parameter for a module": ("MLP", "layers", lambda side: side.Parameter(np.ones(2, np.float32))),
}


@pytest.mark.parametrize("case", TAKEN)
def test_one_may_stand_for_another(case):
    name, attribute, given = TAKEN[case]
    ends = []
    for side in SIDES.values():
        made = getattr(side, name)([2, 2] if name == "MLP" else 2)
        setattr(made, attribute, given(side))
        named = made.named_parameters(), made.named_children()
        ends.append([[name for name, _ in each] for each in named] + [[*made.state_dict()]])
    assert ends[0] == ends[1]


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_deletion_and_buffers(side):
    layer = side.BatchNorm1d(2, **F64)
    assert isinstance(layer.running_mean.data, np.ndarray)
    layer.running_mean = type(layer.running_mean)(torch_impl.parameter.to_tensor(X[0]) if side is torch_impl else X[0])
    assert np.array_equal(layer.state_dict()["running_mean"], X[0])
    net = side.MLP([2, 3, 1], rng=0, **F64)
    del net.layers[0].bias
    assert "layers.0.bias" not in net.state_dict()
    with pytest.raises(AttributeError, match="bias"):
        net.forward(X)
    for thing in (next(net.parameters()), layer.running_mean):
        if side is torch_impl:
            with pytest.raises(AttributeError, match="mine"):
                thing.mine = 1
