"""Bad input: the same error in the same words on both sides, and nothing changed."""

import numpy as np
import pytest

import scratch
import torch_impl
from parity_tests.tables import SIDES

F32 = np.float32
X = np.random.default_rng(0).normal(size=(5, 3)).astype(F32)
Y2 = np.zeros((5, 2), F32)
CLASSES = np.array([0, 1, 1, 0, 1])


class Bench:
    """A model mid-training with gradients and optimizer state, whose every number can be compared."""

    def __init__(self, side, loss="MSELoss"):
        self.side = side
        self.model = side.MLP([3, 4, 2], rng=0)
        self.optimizer = side.Adam(self.model.parameters(), lr=0.1)
        self.trainer = side.Trainer(self.model, getattr(side, loss)(), self.optimizer)
        self.trainer.step(X, Y2 if loss == "MSELoss" else CLASSES)

    def numbers(self):
        state = self.optimizer.state_dict()["state"]
        return [
            *self.model.state_dict().values(),
            *(gradient for _, gradient in self.model.named_gradients()),
            *(array for entries in state.values() for array in entries.values()),
        ]


def mlp_with(name, value):
    def build(side):
        return side.MLP(**{"sizes": [3, 4, 2], name: value})

    return build


def load(**changes):
    def call(b):
        state = b.model.state_dict()
        for name, change in changes.items():
            key = "layers.0." + name
            if change is None:
                del state[key]
            else:
                state[key] = change(state[key])
        b.model.load_state_dict(state)

    return call


def load_optimizer(change):
    def call(b):
        state = b.optimizer.state_dict()
        change(state)
        b.optimizer.load_state_dict(state)

    return call


# what is done with a Bench → (error, words it must contain)
BAD = {
    "features": (lambda b: b.model.forward(X[:, :2]), ValueError, ["2 features", "in_features=3", "(5, 2)"]),
    "features of a 1-D sample": (lambda b: b.model.forward(X[0, :2]), ValueError, ["2 features", "in_features=3"]),
    "0-d input": (lambda b: b.model.forward(np.array(1, F32)), ValueError, ["no axis", "in_features=3"]),
    "inner features": (
        lambda b: b.side.Sequential(b.side.Linear(3, 4), b.side.ReLU(), b.side.Linear(3, 2))(X),
        ValueError,
        ["4 features", "in_features=3"],
    ),
    "float64 input of a float32 layer": (lambda b: b.model.forward(X.astype(float)), TypeError, ["float32", "float64"]),
    "integer input": (lambda b: b.model.forward(X.astype(int)), TypeError, ["float32", "int64"]),
    "integer input of an activation": (lambda b: b.side.ReLU()(X.astype(int)), TypeError, ["float64", "int64"]),
    "list input": (lambda b: b.model.forward([[1.0, 2.0, 3.0]]), TypeError, ["NumPy array", "list"]),
    "backward before forward": (
        lambda b: b.side.MLP([3, 2]).backward(Y2),
        RuntimeError,
        ["backward() was called before forward()"],
    ),
    "loss backward before forward": (lambda b: b.side.MSELoss().backward(), RuntimeError, ["before forward()"]),
    "upstream shape": (
        lambda b: (b.model.forward(X), b.model.backward(X)),
        ValueError,
        ["grad_output", "(5, 3)", "(5, 2)"],
    ),
    "upstream dtype": (
        lambda b: (b.model.forward(X), b.model.backward(Y2.astype(float))),
        TypeError,
        ["grad_output", "float32", "float64"],
    ),
    "upstream of a loss": (
        lambda b: (m := b.side.MSELoss(reduction="none"), m.forward(Y2, Y2), m.backward()),
        ValueError,
        ["reduction", "grad_output", "(5, 2)"],
    ),
    "upstream shape of a loss": (
        lambda b: (m := b.side.MSELoss(), m.forward(Y2, Y2), m.backward(np.ones(5, F32))),
        ValueError,
        ["grad_output", "(5,)"],
    ),
    "(N, 1) against (N,)": (
        lambda b: b.side.MSELoss()(X[:, :1], X[:, 0]),
        ValueError,
        ["(5, 1)", "(5,)", "target.reshape(5, 1)"],
    ),
    "(N, 1) against (N,), BCE with logits": (
        lambda b: b.side.BCEWithLogitsLoss()(X[:, :1], CLASSES.astype(F32)),
        ValueError,
        ["(5, 1)", "(5,)", "target.reshape(5, 1)"],
    ),
    "(N,) against (N, 1) in a step": (lambda b: b.trainer.step(X, X[:, 0]), ValueError, ["(5, 2)", "(5,)"]),
    "features in a step": (lambda b: b.trainer.step(X[:, :2], Y2), ValueError, ["2 features", "in_features=3"]),
    "dtype in a step": (lambda b: b.trainer.step(X, Y2.astype(float)), TypeError, ["target", "float32", "float64"]),
    "input dtype in a step": (lambda b: b.trainer.step(X.astype(float), Y2), TypeError, ["float32", "float64"]),
    "empty batch in a step": (lambda b: b.trainer.step(X[:0], Y2[:0]), ValueError, ["empty batch", "sum"]),
    "mean of an empty batch": (lambda b: b.side.CrossEntropyLoss()(X[:0], CLASSES[:0]), ValueError, ["empty batch"]),
    "class out of range": (
        lambda b: b.side.CrossEntropyLoss()(X, np.array([0, 1, 2, 3, 0])),
        IndexError,
        ["0..2", "got 3", "index (3,)"],
    ),
    "negative class": (lambda b: b.side.NLLLoss()(X, np.array([0, -1, 2, 0, 0])), IndexError, ["0..2", "got -1"]),
    "class indices as floats": (
        lambda b: b.side.CrossEntropyLoss()(X, CLASSES.astype(F32)),
        ValueError,
        ["(5, 3)", "(5,)", "integers"],
    ),
    "one-hot to NLL": (lambda b: b.side.NLLLoss()(X, X), TypeError, ["class indices must be integers", "float32"]),
    "class target shape": (
        lambda b: b.side.CrossEntropyLoss()(X, CLASSES[:, None]),
        ValueError,
        ["(5, 3)", "(5, 1)", "target.reshape(5,)"],
    ),
    "class weight shape": (
        lambda b: b.side.CrossEntropyLoss(weight=np.ones(2, F32))(X, CLASSES),
        ValueError,
        ["weight", "(3,)", "(2,)"],
    ),
    "class weight dtype": (
        lambda b: b.side.CrossEntropyLoss(weight=np.ones(3))(X, CLASSES),
        TypeError,
        ["weight", "float32", "float64"],
    ),
    "weight that widens": (
        lambda b: b.side.BCEWithLogitsLoss(weight=np.ones((2, 5, 2), F32))(Y2, Y2),
        ValueError,
        ["weight", "(2, 5, 2)", "(5, 2)"],
    ),
    "ignore_index with probabilities": (
        lambda b: b.side.CrossEntropyLoss(ignore_index=1)(X, np.abs(X)),
        ValueError,
        ["ignore_index", "probabilities"],
    ),
    "label smoothing": (lambda b: b.side.CrossEntropyLoss(label_smoothing=1.5)(X, CLASSES), ValueError, ["1.5"]),
    "probability outside [0, 1]": (
        lambda b: b.side.BCELoss()(Y2 + F32(1.5), Y2),
        ValueError,
        ["[0, 1]", "1.5", "(0, 0)", "BCEWithLogitsLoss"],
    ),
    "activation": (lambda b: mlp_with("activation", "rleu")(b.side), ValueError, ["relu", "rleu", "did you mean"]),
    "output activation": (lambda b: mlp_with("output_activation", "soft")(b.side), ValueError, ["softmax", "'soft'"]),
    "sizes too short": (lambda b: mlp_with("sizes", [3])(b.side), ValueError, ["sizes", "[3]"]),
    "negative size": (lambda b: mlp_with("sizes", [3, -1, 2])(b.side), ValueError, ["sizes", "-1"]),
    "fractional size": (lambda b: mlp_with("sizes", [3, 1.5, 2])(b.side), TypeError, ["sizes", "1.5"]),
    "sizes not a sequence": (lambda b: mlp_with("sizes", 3)(b.side), TypeError, ["sizes", "3"]),
    "dtype float16": (lambda b: mlp_with("dtype", np.float16)(b.side), TypeError, ["float32", "float16"]),
    "dtype nonsense": (lambda b: mlp_with("dtype", "flaot")(b.side), TypeError, ["float32", "flaot"]),
    "reduction": (lambda b: b.side.MSELoss(reduction="average"), ValueError, ["reduction", "mean", "'average'"]),
    "dim": (lambda b: b.side.Softmax(dim=2)(X), IndexError, ["dim=2", "(5, 3)"]),
    "negative lr": (lambda b: b.side.SGD(b.model.parameters(), lr=-0.1), ValueError, ["lr must be >= 0", "-0.1"]),
    "NaN lr": (lambda b: b.side.SGD(b.model.parameters(), lr=float("nan")), ValueError, ["lr", "nan"]),
    "lr not a number": (lambda b: b.side.Adam(b.model.parameters(), lr="fast"), TypeError, ["lr", "'fast'"]),
    "negative momentum": (
        lambda b: b.side.SGD(b.model.parameters(), lr=0.1, momentum=-1),
        ValueError,
        ["momentum", "-1"],
    ),
    "nesterov alone": (
        lambda b: b.side.SGD(b.model.parameters(), lr=0.1, nesterov=True),
        ValueError,
        ["nesterov", "momentum"],
    ),
    "beta of 1": (lambda b: b.side.Adam(b.model.parameters(), betas=(0.9, 1.0)), ValueError, ["betas[1]", "1.0"]),
    "one beta": (lambda b: b.side.Adam(b.model.parameters(), betas=0.9), TypeError, ["betas", "0.9"]),
    "unknown option": (lambda b: b.side.SGD(b.model.parameters(), lr=0.1, nestrov=True), TypeError, ["nestrov"]),
    "unknown group option": (
        lambda b: b.side.SGD([{"params": b.model.parameters(), "ler": 1.0}], lr=0.1),
        ValueError,
        ["'ler'", "lr"],
    ),
    "group option out of range": (
        lambda b: b.side.SGD([{"params": b.model.parameters(), "lr": -1.0}], lr=0.1),
        ValueError,
        ["lr must be >= 0"],
    ),
    "no parameters": (lambda b: b.side.SGD([], lr=0.1), ValueError, ["no parameter"]),
    "parameter twice": (
        lambda b: b.side.SGD([*b.model.parameters(), next(iter(b.model.parameters()))], lr=0.1),
        ValueError,
        ["twice"],
    ),
    "parameters by name": (lambda b: b.side.SGD(["weight"], lr=0.1), TypeError, ["Parameter", "str"]),
    "integer parameter": (lambda b: b.side.Parameter(np.arange(3)), TypeError, ["float32", "int64"]),
    "missing entry": (load(bias=None), ValueError, ["missing layers.0.bias"]),
    "transposed entry": (load(weight=lambda w: w.T), ValueError, ["(3, 4)", "(4, 3)", "use .T"]),
    "entry of another dtype": (load(weight=lambda w: w.astype(float)), ValueError, ["float64", "float32"]),
    "optimizer state shape": (
        load_optimizer(lambda s: s["state"][0].update(exp_avg=np.zeros(3, F32))),
        ValueError,
        ["exp_avg", "(3,)", "(4, 3)"],
    ),
    "optimizer state of another model": (
        load_optimizer(lambda s: s["param_groups"][0].update(params=[0])),
        ValueError,
        ["groups", "[1]", "[4]"],
    ),
    "optimizer state without groups": (load_optimizer(lambda s: s.pop("param_groups")), ValueError, ["param_groups"]),
    "loss without reduction": (
        lambda b: b.side.Trainer(b.model, b.side.MSELoss(reduction="none"), b.optimizer),
        ValueError,
        ["reduction", "none"],
    ),
}


TORCH_ALLOWS_MORE = {"unknown group option"}  # its message lists fused, foreach and differentiable as well


@pytest.mark.parametrize("case", BAD)
def test_one_error_on_both_sides_and_nothing_changes(case):
    act, kind, words = BAD[case]
    messages = []
    for side in SIDES.values():
        bench = Bench(side)
        before = [array.copy() for array in bench.numbers()]
        with pytest.raises(kind) as caught:
            act(bench)
        messages.append(str(caught.value))
        for array, copy in zip(bench.numbers(), before, strict=True):
            np.testing.assert_array_equal(array, copy)
    assert messages[0] == messages[1] or case in TORCH_ALLOWS_MORE
    for message in messages:
        assert "\n" not in message
        for word in words:
            assert word in message


@pytest.mark.parametrize("case", [[0, 1, 2, 3, 0], [0, -1, 1, 1, 0]])
def test_class_out_of_range_in_a_step(case):
    messages = []
    for side in SIDES.values():
        bench = Bench(side, "CrossEntropyLoss")
        before = [array.copy() for array in bench.numbers()]
        with pytest.raises(IndexError) as caught:
            bench.trainer.step(X, np.array(case))
        messages.append(str(caught.value))
        for array, copy in zip(bench.numbers(), before, strict=True):
            np.testing.assert_array_equal(array, copy)
    assert messages[0] == messages[1]


@pytest.mark.parametrize("side", SIDES)
def test_extra_entries_are_named(side):
    model = SIDES[side].MLP([3, 2])
    with pytest.raises(ValueError, match="unexpected foo"):
        model.load_state_dict({**model.state_dict(), "foo": X})


def test_one_module_in_two_places_is_refused():
    """A hand-written module remembers one forward call: used twice, its first use could not be differentiated."""
    relu = scratch.ReLU()
    with pytest.raises(ValueError, match="same module was given twice"):
        scratch.Sequential(scratch.Linear(2, 2), relu, scratch.Linear(2, 2), relu)


def test_device_that_is_not_there():
    with pytest.raises(ValueError, match="device='xpu' is not available"):
        torch_impl.MLP([3, 2], device="xpu")
