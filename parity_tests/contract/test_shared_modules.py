"""One module called twice, one parameter in two layers, frozen parameters, nets within nets: as in PyTorch, or refused.

The nets are classes of the user's, written for both sides. The hand-written side is compared with autograd in float64.
"""

import copy
import re

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad.judge import StepJudge
from parity_tests.catalogue.tables import SIDES

X = np.random.default_rng(0).normal(size=(7, 3))
F64 = {"dtype": np.float64}
ACTIVATIONS = ["ReLU", "Tanh", "Sigmoid", "Softplus", "GELU", "LeakyReLU"]


def compare(ours, theirs, x=X, backwards=1):
    """The hand-written net and torch's: outputs, input gradients, and the parameters' after so many backward calls."""
    theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})
    model = torch_impl.Model(theirs)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in model.named_parameters()]
    outputs = [side.forward(x) for side in (ours, model)]
    np.testing.assert_allclose(*outputs, rtol=1e-12, atol=1e-13)
    g = np.cos(np.arange(outputs[0].size, dtype=np.float64)).reshape(outputs[0].shape)
    for _ in range(backwards):
        np.testing.assert_allclose(*(side.backward(g) for side in (ours, model)), rtol=1e-12, atol=1e-13)
    compare_gradients(ours, model)


def compare_gradients(ours, theirs):
    for (name, gradient), (_, wanted) in zip(ours.named_gradients(), theirs.named_gradients(), strict=True):
        assert (gradient is None) == (wanted is None), name
        if gradient is not None:
            np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-13, err_msg=name)


# --- one module, several calls ---------------------------------------------------------------------------------------


class Ours(scratch.Module):
    """The net of the article: hidden1, act, hidden2, act, output, with one `act`. `then` is a second such part."""

    def __init__(self, act, calls):
        self.act, self.output, self.calls = act, scratch.Linear(3, 2, rng=9, **F64), calls
        for i in range(calls):
            setattr(self, f"hidden{i}", scratch.Linear(3, 3, rng=i, **F64))

    def forward(self, x):
        for i in range(self.calls):
            x = self.act.forward(getattr(self, f"hidden{i}").forward(x))
        return self.output.forward(x)

    def backward(self, grad_output):
        g = self.output.backward(grad_output)
        for i in reversed(range(self.calls)):
            g = getattr(self, f"hidden{i}").backward(self.act.backward(g))
        return g


class Theirs(torch.nn.Module):
    def __init__(self, act, calls):
        super().__init__()
        self.act, self.output, self.calls = act, torch.nn.Linear(3, 2).double(), calls
        for i in range(calls):
            setattr(self, f"hidden{i}", torch.nn.Linear(3, 3).double())

    def forward(self, x):
        for i in range(self.calls):
            x = self.act(getattr(self, f"hidden{i}")(x))
        return self.output(x)


def part(side, kind):
    """What is called several times: an activation, a layer with parameters, or a container of both."""
    if kind in ACTIVATIONS:
        return getattr(side, kind)()
    linear = side.Linear(3, 3, rng=5, **F64)
    return {"Linear": linear, "Sequential": side.Sequential(linear, side.Tanh())}.get(kind) or side.Residual(linear)


@pytest.mark.parametrize("calls", [1, 2, 4])
@pytest.mark.parametrize("kind", [*ACTIVATIONS, "Linear", "Sequential", "Residual"])
def test_one_module_called_several_times(kind, calls):
    ours, theirs = Ours(part(scratch, kind), calls), Theirs(part(torch_impl, kind).module, calls)
    compare(ours, theirs)
    compare(ours, theirs, backwards=2)  # the gradients add up
    ours.zero_grad(), theirs.zero_grad()
    for _ in range(3):  # evaluations in between leave nothing behind
        ours.forward(X[:2])
    held = len(next(iter(ours._repeats.values()), []))
    assert held == (calls if calls > 1 else 0)
    compare(ours, theirs, X[::-1])
    twin = copy.deepcopy(ours)
    twin.zero_grad(), theirs.zero_grad()
    compare(twin, theirs)


def test_a_module_outside_of_the_net_keeps_its_own_last_call():
    """A net's calls are the net's: what its parts do alone before or after does not mix with them."""
    ours = Ours(scratch.ReLU(), 2)
    ours.forward(X)
    y = ours.act.forward(X[:1])
    np.testing.assert_array_equal(ours.act.backward(np.ones_like(y)), (X[:1] > 0) * 1.0)
    ours.zero_grad()
    ours.forward(X)
    with pytest.raises(ValueError, match="grad_output has shape"):
        ours.act.backward(np.ones((1, 3)))


def test_nets_in_nets():
    """Two parts that share an activation, and are called twice each, inside a Sequential inside a net."""

    class Outer(scratch.Module):
        def __init__(self):
            self.inner = scratch.Sequential(Ours(scratch.Tanh(), 2), scratch.Linear(2, 3, rng=1, **F64))

        def forward(self, x):
            return self.inner.forward(self.inner.forward(x))

        def backward(self, grad_output):
            return self.inner.backward(self.inner.backward(grad_output))

    class TorchOuter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Sequential(Theirs(torch.nn.Tanh(), 2), torch.nn.Linear(2, 3).double())

        def forward(self, x):
            return self.inner(self.inner(x))

    compare(Outer(), TorchOuter())


def test_a_module_that_is_shared_after_the_net_was_made():
    """One of the user's is given the activation that stands behind it in the row."""
    ours, theirs = Ours(scratch.ReLU(), 1), Theirs(torch.nn.ReLU(), 1)
    tanh, torchs = scratch.Tanh(), torch.nn.Tanh()
    net, model = scratch.Sequential(ours, tanh), torch.nn.Sequential(theirs, torchs)
    ours.act, theirs.act = tanh, torchs
    compare(net, model)


def sequence(side, *order):
    """A row of modules in which several may be one object; a row of rows where an entry is a tuple."""
    parts = {
        "l": side.Linear(3, 3, rng=0, **F64),
        "r": side.ReLU(),
        "t": side.Tanh(),
        "m": side.Linear(3, 3, rng=1, **F64),
    }

    def row(order):
        return side.Sequential(*(row(entry) if isinstance(entry, tuple) else parts[entry] for entry in order))

    return row(order)


@pytest.mark.parametrize(
    "order", ["lrmr", "ll", "tt", "ltltlt", "rlrlr", (("l", "r"), "m", ("l", "r")), (("t",), "t", "l")]
)
def test_one_module_in_several_places_of_a_container(order):
    ours, theirs = sequence(scratch, *order), sequence(torch_impl, *order).module
    compare(ours, theirs)
    ours.zero_grad(), theirs.zero_grad()
    compare(scratch.Residual(ours), torch_impl.Residual(torch_impl.Model(theirs)).module, backwards=2)


def test_branches_that_share_a_module():
    def branches(side):
        act = side.Tanh()
        return side.Parallel(
            act,
            side.Sequential(act, side.Linear(3, 3, rng=0, **F64)),
            side.Sequential(side.Linear(3, 3, rng=1, **F64), act),
        )

    compare(branches(scratch), branches(torch_impl).module)


class Fork(scratch.Module):
    """Both branches through one activation; `way` is how its backward goes through them."""

    def __init__(self, way):
        self.a, self.b = (scratch.Linear(3, 3, rng=i, **F64) for i in (0, 1))
        self.relu, self.way = scratch.ReLU(), way

    def forward(self, x):
        if self.way == "both first":
            a, b = self.a.forward(x), self.b.forward(x)
            return self.relu.forward(a) + self.relu.forward(b)
        return self.relu.forward(self.a.forward(x)) + self.relu.forward(self.b.forward(x))

    def backward(self, g):
        if self.way == "in reverse":
            gb = self.b.backward(self.relu.backward(g))
            return gb + self.a.backward(self.relu.backward(g))
        if self.way == "both first":
            ga, gb = self.relu.backward(g), self.relu.backward(g)
            return self.a.backward(ga) + self.b.backward(gb)
        if self.way == "one alone":
            return self.a.backward(self.relu.backward(g))
        if self.way == "once too often":
            self.b.backward(self.relu.backward(g))
            self.a.backward(self.relu.backward(g))
            return self.a.backward(self.relu.backward(g))
        return self.a.backward(self.relu.backward(g)) + self.b.backward(self.relu.backward(g))


def test_branches_of_a_class_of_ones_own():
    class Torch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(3, 3).double(), torch.nn.Linear(3, 3).double()

        def forward(self, x):
            return torch.relu(self.a(x)) + torch.relu(self.b(x))

    compare(Fork("in reverse"), Torch())


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("in the order of forward", "cannot be told"),
        ("both first", "cannot be told"),
        ("one alone", "ran 2 times in forward, and its backward 1 times"),
        ("once too often", "ran 2 times in forward, and its backward 3 times"),
    ],
)
def test_a_backward_that_could_take_one_call_for_another_is_refused(way, words):
    """By the net's and the module's name, and gradients are as they were."""
    net = Fork(way)
    net.a.weight.grad = np.ones((3, 3))
    kept = net.a.weight.grad
    y = net.forward(X)
    with pytest.raises(RuntimeError, match=f"^Fork: 'relu', a ReLU, .*{words}"):
        net.backward(np.ones_like(y))
    assert net.a.weight.grad is kept
    assert net.b.weight.grad is None


def test_a_module_that_takes_its_own_output_needs_nothing_between():
    """act(act(x)): the second call had the first one's output as its input, so the last comes first on the way back."""

    class Twice(scratch.Module):
        def __init__(self):
            self.first, self.act = scratch.Linear(3, 3, rng=0, **F64), scratch.Tanh()

        def forward(self, x):
            return self.act.forward(self.act.forward(self.first.forward(x)))

        def backward(self, g):
            return self.first.backward(self.act.backward(self.act.backward(g)))

    class Torch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(3, 3).double()

        def forward(self, x):
            return torch.tanh(torch.tanh(self.first(x)))

    compare(Twice(), Torch())


@pytest.mark.parametrize(("place", "path"), [("in a part", "inner.0"), ("in a list", "")])
def test_a_refusal_says_where_the_module_is(place, path):
    class Net(scratch.Module):
        def __init__(self):
            self.inner = scratch.Sequential(scratch.ReLU(), scratch.Linear(3, 3, rng=0, **F64))
            self.act = self.inner[0]
            self.listed = [scratch.ReLU()]
            if place == "in a part":
                del self.act

        def relu(self):
            return self.listed[0] if place == "in a list" else self.inner[0]

        def forward(self, x):
            return self.relu().forward(self.inner[1].forward(self.relu().forward(x)))

        def backward(self, g):
            return self.relu().backward(g)

    net = Net()
    y = net.forward(X)
    with pytest.raises(RuntimeError, match=f"^Net: {re.escape(repr(path))}, a ReLU, ran 2 times"):
        net.backward(np.ones_like(y))


# --- one parameter, several layers -----------------------------------------------------------------------------------


def tied(side):
    """A net in which the first and the last layer have one weight."""
    net = side.MLP([3, 3, 3], "tanh", rng=0, **F64)
    first, last = net.layers[0], net.layers[2]
    last.weight = first.weight
    return net


def test_a_tied_parameter_counts_once():
    """In names, gradients and optimizers; a state dict has it under both names. The judge has no rule for it."""
    nets = {name: tied(side) for name, side in SIDES.items()}
    names = ["layers.0.weight", "layers.0.bias", "layers.2.bias"]
    for name, net in nets.items():
        side = SIDES[name]
        assert [n for n, _ in net.named_parameters()] == names == [n for n, _ in net.named_gradients()]
        assert len(list(net.parameters())) == 3
        assert list(net.state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
        trainer = side.Trainer(net, side.MSELoss(), side.Adam(net.parameters(), lr=0.1))
        for _ in range(3):
            trainer.step(X, np.tanh(X))
        with pytest.raises(
            ValueError, match=r"^weights 'layers.0.weight' and 'layers.2.weight' are one parameter: the"
        ):
            StepJudge(net, trainer.loss, trainer.optimizer)
    ours, theirs = nets["scratch"], nets["torch"]
    compare_gradients(ours, theirs)
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(array, theirs.state_dict()[name], rtol=1e-12, atol=1e-13)
    vector = {name: np.sin(np.arange(p.data.size) + 1.0).reshape(p.shape) for name, p in ours.named_parameters()}
    products = [
        side.hessian_vector_product(net, side.MSELoss(), X, X**2, vector)
        for side, net in ((scratch, ours), (torch_impl, theirs))
    ]
    for name in names:
        np.testing.assert_allclose(products[0][name], products[1][name], rtol=1e-10, atol=1e-12)
    loaded = ours.state_dict() | {"layers.2.weight": np.ones((3, 3))}
    for net in nets.values():
        net.load_state_dict(loaded)
        assert np.array_equal(net.state_dict()["layers.0.weight"], np.ones((3, 3)))


# --- frozen parameters -----------------------------------------------------------------------------------------------

LAYERS = {
    "Linear": ({"in_features": 3, "out_features": 3}, X),
    "BatchNorm1d": ({"num_features": 3}, X),
    "LayerNorm": ({"normalized_shape": 3}, X),
    "RMSNorm": ({"normalized_shape": 3}, X),
    "GroupNorm": ({"num_groups": 1, "num_channels": 3}, X),
    "PReLU": ({}, X),
    "Embedding": ({"num_embeddings": 4, "embedding_dim": 2, "rng": 0}, np.array([0, 2, 2])),
    "Embedding sparse": ({"num_embeddings": 4, "embedding_dim": 2, "sparse": True, "rng": 0}, np.array([0, 2, 2])),
}


@pytest.mark.parametrize("frozen", ["weight", "bias", "all"])
@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_frozen_parameter_has_no_gradient_and_stays(name, side, frozen):
    options, x = LAYERS[name]
    layer = getattr(side, name.split()[0])(**options, **F64)
    names = [n for n, _ in layer.named_parameters()]
    if frozen not in [*names, "all"]:
        frozen = "weight"
    if frozen == "all":
        assert layer.requires_grad_(False) is layer
    else:
        getattr(layer, frozen).requires_grad = np.bool_(False)
    before = layer.state_dict()
    optimizer = (side.SparseAdam if "sparse" in name else side.SGD)(layer.parameters(), lr=0.5)
    y = layer.forward(x)
    layer.backward(np.cos(np.arange(y.size)).reshape(y.shape))
    optimizer.step()
    after = layer.state_dict()
    for n, p in layer.named_parameters():
        still = frozen in (n, "all")
        assert p.requires_grad is not still
        assert (p.grad is None) == still
        assert "sparse" not in name or np.any(p.rows) != still
        assert np.array_equal(before[n], after[n]) == still
    layer.requires_grad_()
    layer.forward(x)
    layer.backward(np.ones_like(y))
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("side", SIDES.values(), ids=SIDES)
def test_nothing_to_learn_and_no_truth_value(side):
    net = side.MLP([3, 2], **F64).requires_grad_(False)
    trainer = side.Trainer(net, side.MSELoss(), side.SGD(net.parameters(), lr=0.1))
    with pytest.raises(RuntimeError, match=r"^Trainer: no parameter of MLP has requires_grad=True"):
        trainer.step(X, X[:, :2])
    with pytest.raises(TypeError, match=r"^Parameter: requires_grad must be True or False; got 'no'$"):
        next(net.parameters()).requires_grad = "no"
    frozen = side.Parameter(X, requires_grad=False)
    assert not frozen.requires_grad
    assert frozen.requires_grad_().requires_grad


# --- nets within nets ------------------------------------------------------------------------------------------------


class Around(scratch.Module):
    """A class of the user's around one module."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner.forward(x)

    def backward(self, grad_output):
        return self.inner.backward(grad_output)


class TorchAround(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner.module

    def forward(self, x):
        return self.inner(x)


AROUND = {"scratch": Around, "torch": lambda inner: torch_impl.Model(TorchAround(inner))}


def drawn(name, rng, depth=3):
    """A net of three inputs and outputs, the same on both sides for one seed."""
    side = SIDES[name]
    kind = rng.choice(
        ["Linear", "MLP", "Tanh", "Sequential", "Parallel", "Residual", "Around", "Empty"],
        p=[0.2, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1],
    )
    if depth == 0 or kind in ("Linear", "MLP", "Tanh", "Empty"):
        seed = int(rng.integers(1000))
        leaves = {
            "MLP": lambda: side.MLP([3, 2, 3], "tanh", rng=seed, **F64),
            "Tanh": side.Tanh,
            "Empty": side.Sequential,
        }
        return leaves.get(kind, lambda: side.Linear(3, 3, rng=seed, **F64))()
    parts = [drawn(name, rng, depth - 1) for _ in range(1 if kind == "Around" else rng.integers(1, 4))]
    return AROUND[name](*parts) if kind == "Around" else getattr(side, kind)(*parts)


@pytest.mark.parametrize("seed", range(60))
def test_every_nesting_gets_all_gradients(seed):
    """`backward_parameters`, `backward` and a Trainer's step give one gradient, autograd's, wherever the layers are."""
    nets = {
        name: side.Sequential(drawn(name, np.random.default_rng(seed)), side.Linear(3, 2, rng=0, **F64))
        for name, side in SIDES.items()
    }
    compare(nets["scratch"], nets["torch"].module)
    wanted = dict(nets["scratch"].named_gradients())
    nets["scratch"].zero_grad()
    y = nets["scratch"].forward(X)
    nets["scratch"].backward_parameters(np.cos(np.arange(y.size, dtype=np.float64)).reshape(y.shape))
    for name, gradient in nets["scratch"].named_gradients():
        np.testing.assert_array_equal(gradient, wanted[name])
    for name, net in nets.items():
        side = SIDES[name]
        side.Trainer(net, side.MSELoss(), side.SGD(net.parameters(), lr=0.1)).step(X, X[:, :2])
    compare_gradients(nets["scratch"], nets["torch"])


def test_modules_in_lists_are_not_found_on_either_side():
    """As PyTorch does it: what stands in a list, a tuple or a dict is no part of the net; what is assigned later is."""

    def fill(net, linear, parameter):
        net.a_list, net.a_tuple, net.a_dict = [linear()], (linear(),), {"x": linear()}
        net.scale = parameter
        net.later = linear()
        del net.inner

    ours, theirs = Around(scratch.Tanh()), TorchAround(torch_impl.Tanh())
    fill(ours, lambda: scratch.Linear(3, 3), scratch.Parameter(X))
    fill(theirs, lambda: torch.nn.Linear(3, 3), torch.nn.Parameter(torch.tensor(X)))
    names = [name for name, _ in ours.named_parameters()]
    assert names == [name for name, _ in theirs.named_parameters()] == ["scale", "later.weight", "later.bias"]
    ours.eval(), theirs.eval()
    assert ours.a_list[0].training is theirs.a_list[0].training is True
    assert not ours.later.training
    assert not theirs.later.training
