"""Bad input: the same error in the same words on both sides, and nothing changed."""

import numpy as np
import pytest

import torch_impl
from parity_tests.catalogue.tables import LOSSES, OPS, SIDES
from parity_tests.support.samples import loss_arrays
from parity_tests.support.strategies import Draw

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


def sgd_state(side, **options):
    """The state of an SGD over one parameter before its first step."""
    state = side.SGD([side.Parameter(X)]).state_dict()
    state["param_groups"][0].update(options)
    return state


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
    "weight that does not broadcast": (
        lambda b: b.side.BCEWithLogitsLoss(pos_weight=np.ones(4, F32))(Y2, Y2),
        ValueError,
        ["pos_weight", "(4,)", "(5, 2)"],
    ),
    "ignore_index with probabilities": (
        lambda b: b.side.CrossEntropyLoss(ignore_index=0)(X, np.abs(X)),
        ValueError,
        ["ignore_index", "probabilities"],
    ),
    "label smoothing": (lambda b: b.side.CrossEntropyLoss(label_smoothing=1.5)(X, CLASSES), ValueError, ["1.5"]),
    "negative label smoothing": (
        lambda b: b.side.CrossEntropyLoss(label_smoothing=-0.5)(X, CLASSES),
        ValueError,
        ["CrossEntropyLoss: label_smoothing must be >= 0; got -0.5"],
    ),
    "label smoothing by name": (
        lambda b: b.side.CrossEntropyLoss(label_smoothing="some")(X, CLASSES),
        TypeError,
        ["CrossEntropyLoss: label_smoothing must be a number; got 'some'"],
    ),
    "probability outside [0, 1]": (
        lambda b: b.side.BCELoss()(Y2 + F32(1.5), Y2),
        ValueError,
        ["[0, 1]", "1.5", "(0, 0)", "BCEWithLogitsLoss"],
    ),
    "a probability that is NaN": (
        lambda b: b.side.BCELoss()(np.array([0.5, np.nan], F32), np.array([1, 0], F32)),
        ValueError,
        ["BCELoss: input must be probabilities in [0, 1]; got nan at index (1,) (for logits use BCEWithLogitsLoss)"],
    ),
    "a target that is no probability": (
        lambda b: b.side.BCELoss()(np.array([0.5, 0.5], F32), np.array([-1, 1], F32)),
        ValueError,
        ["BCELoss: target must be probabilities in [0, 1]; got -1.0 at index (0,)"],
    ),
    "activation": (lambda b: mlp_with("activation", "rleu")(b.side), ValueError, ["relu", "rleu", "did you mean"]),
    "output activation": (lambda b: mlp_with("output_activation", "soft")(b.side), ValueError, ["softmax", "'soft'"]),
    "sizes too short": (lambda b: mlp_with("sizes", [3])(b.side), ValueError, ["sizes", "[3]"]),
    "negative size": (lambda b: mlp_with("sizes", [3, -1, 2])(b.side), ValueError, ["sizes", "-1"]),
    "fractional size": (lambda b: mlp_with("sizes", [3, 1.5, 2])(b.side), TypeError, ["sizes", "1.5"]),
    "sizes not a sequence": (lambda b: mlp_with("sizes", 3)(b.side), TypeError, ["sizes", "3"]),
    "dtype float16": (lambda b: mlp_with("dtype", np.float16)(b.side), TypeError, ["float32", "float16"]),
    "dtype before activation": (
        lambda b: b.side.MLP([3, 2], "rleu", dtype=np.float16),
        TypeError,
        ["MLP: dtype must be float32 or float64; got float16"],
    ),
    "dtype nonsense": (lambda b: mlp_with("dtype", "flaot")(b.side), TypeError, ["float32", "flaot"]),
    "reduction": (lambda b: b.side.MSELoss(reduction="average"), ValueError, ["reduction", "mean", "'average'"]),
    "dim": (lambda b: b.side.Softmax(dim=2)(X), IndexError, ["dim=2", "(5, 3)"]),
    "dim of log-softmax": (lambda b: b.side.LogSoftmax(dim=-3)(X), IndexError, ["LogSoftmax", "dim=-3", "(5, 3)"]),
    "dtype of a layer": (lambda b: b.side.Linear(3, 2, dtype=np.float16), TypeError, ["Linear", "float32", "float16"]),
    "no branch": (lambda b: b.side.Parallel(), ValueError, ["Parallel: got no branch"]),
    "one branch twice": (
        lambda b: (tanh := b.side.Tanh(), b.side.Parallel(tanh, tanh)),
        ValueError,
        ["Parallel: the same branch was given twice"],
    ),
    "branches of two shapes": (
        lambda b: b.side.Parallel(b.side.Linear(3, 4), b.side.Linear(3, 2))(X),
        ValueError,
        ["Parallel", "one shape", "[(5, 4), (5, 2)]"],
    ),
    "negative lr": (lambda b: b.side.SGD(b.model.parameters(), lr=-0.1), ValueError, ["lr must be >= 0", "-0.1"]),
    "NaN lr": (lambda b: b.side.SGD(b.model.parameters(), lr=float("nan")), ValueError, ["lr", "nan"]),
    "lr of True": (lambda b: b.side.SGD(b.model.parameters(), lr=True), TypeError, ["lr must be a number; got True"]),
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
    "nesterov and dampening": (
        lambda b: b.side.SGD(b.model.parameters(), momentum=0.5, dampening=0.25, nesterov=True),
        ValueError,
        ["SGD: nesterov needs momentum > 0 and dampening = 0; got momentum=0.5, dampening=0.25"],
    ),
    "nesterov in a state dict without momentum": (
        lambda b: (o := b.side.SGD([b.side.Parameter(X)]), o.load_state_dict(sgd_state(b.side, nesterov=True))),
        ValueError,
        ["nesterov needs", "got momentum=0, dampening=0"],
    ),
    "beta of 1": (lambda b: b.side.Adam(b.model.parameters(), betas=(0.9, 1.0)), ValueError, ["betas[1]", "1.0"]),
    "one beta": (lambda b: b.side.Adam(b.model.parameters(), betas=0.9), TypeError, ["betas", "0.9"]),
    "unknown option": (lambda b: b.side.SGD(b.model.parameters(), lr=0.1, nestrov=True), TypeError, ["nestrov"]),
    "unknown group option": (
        lambda b: b.side.SGD([{"params": b.model.parameters(), "ler": 1.0}], lr=0.1),
        ValueError,
        ["SGD: option must be one of lr, ", "; got 'ler'"],
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
    "groups of nothing": (lambda b: b.side.Adam([{"params": []}]), ValueError, ["Adam: got no parameter"]),
    "a group of names": (lambda b: b.side.Adam([{"params": ["weight"]}]), TypeError, ["Adam", "Parameter", "str"]),
    "beta of a group": (
        lambda b: b.side.Adam([{"params": b.model.parameters(), "betas": (0.9, 0.99, 0.9)}]),
        TypeError,
        ["betas must be two numbers"],
    ),
    "integer parameter": (lambda b: b.side.Parameter(np.arange(3)), TypeError, ["float32", "int64"]),
    "missing entry": (load(bias=None), ValueError, ["missing layers.0.bias"]),
    "transposed entry": (load(weight=lambda w: w.T), ValueError, ["(3, 4)", "(4, 3)", "use .T"]),
    "entry of another dtype": (load(weight=lambda w: w.astype(float)), ValueError, ["float64", "float32"]),
    "all that does not fit is said at once": (
        load(bias=None, weight=lambda w: w.tolist()),
        ValueError,
        ["missing layers.0.bias; layers.0.weight must be a NumPy array, got list"],
    ),
    "several entries that do not fit": (
        lambda b: b.model.load_state_dict({"layers.2.bias": X, "layers.2.weight": X.astype(float)}),
        ValueError,
        ["missing layers.0.weight; missing layers.0.bias; layers.2.weight has", "; layers.2.bias has shape (5, 3)"],
    ),
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
    "optimizer state of a parameter too many": (
        load_optimizer(lambda s: s["state"].update({4: s["state"][0]})),
        ValueError,
        ["Adam: state dict has state for parameter 4, expected 0..3"],
    ),
    "optimizer state of a parameter that has another number": (
        load_optimizer(lambda s: s["param_groups"][0].update(params=[3, 1, 2, 7])),
        ValueError,
        ["Adam: state dict has state for parameter 0, expected one of [3, 1, 2, 7]"],
    ),
    "option out of range in an optimizer state": (
        load_optimizer(lambda s: s["param_groups"][0].update(lr=-1.0)),
        ValueError,
        ["Adam: lr must be >= 0; got -1.0"],
    ),
    "optimizer state without groups": (load_optimizer(lambda s: s.pop("param_groups")), ValueError, ["param_groups"]),
    "loss without reduction": (
        lambda b: b.side.Trainer(b.model, b.side.MSELoss(reduction="none"), b.optimizer),
        ValueError,
        ["reduction", "none"],
    ),
}


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
    assert messages[0] == messages[1]
    for message in messages:
        assert "\n" not in message
        for word in words:
            assert word in message


def outcome(act, *arguments):
    """What `act` raises, as Python prints it."""
    with np.errstate(all="ignore"):
        try:
            act(*arguments)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return "no error"


# an op → what is done with it that it must not allow; the width of X fits all of OPS that are here
BAD_FOR_ALL_OPS = {
    "a list": lambda op, x: op.forward(x.tolist()),
    "a masked array": lambda op, x: op.forward(np.ma.masked_array(x)),
    "an array of a subclass": lambda op, x: op.forward(x.view(np.recarray)),
    "another byte order": lambda op, x: op.forward(x.astype(">f4")),
    "an upstream gradient that is masked": lambda op, x: op.backward(np.ma.masked_array(op.forward(x))),
    "an input of integers": lambda op, x: op.forward(x.astype(int)),
    "an input of half precision": lambda op, x: op.forward(x.astype(np.float16)),
    "backward before forward": lambda op, x: op.backward(x),
    "an upstream gradient too long": lambda op, x: (y := op.forward(x), op.backward(np.concatenate([y, y]))),
    "an upstream gradient of integers": lambda op, x: op.backward(op.forward(x).astype(int)),
    "an upstream gradient of another dtype": lambda op, x: op.backward(op.forward(x).astype(np.float64)),
    "an upstream gradient in a list": lambda op, x: op.backward(op.forward(x).tolist()),
}


@pytest.mark.parametrize("op", OPS)
def test_every_op_refuses_in_its_own_name(op):
    x = np.ones((5, OPS[op].width or 4), F32)
    ours, theirs = (
        {case: outcome(act, OPS[op].build(side, F32), x) for case, act in BAD_FOR_ALL_OPS.items()}
        for side in SIDES.values()
    )
    assert ours == theirs
    assert "no error" not in ours.values()


# a loss with its input, target and reduction → what must not be allowed where it makes sense for the loss
BAD_FOR_ALL_LOSSES = {
    "a list": lambda loss, x, y: loss.forward(x.tolist(), y),
    "a masked array": lambda loss, x, y: loss.forward(np.ma.masked_array(x), y),
    "masked targets": lambda loss, x, y: loss.forward(x, np.ma.masked_array(y)),
    "targets of a subclass": lambda loss, x, y: loss.forward(x, y.view(np.recarray)),
    "targets in another byte order": lambda loss, x, y: loss.forward(x, y.astype(y.dtype.newbyteorder(">"))),
    "an upstream gradient in a list": lambda loss, x, y: loss.backward(np.ones_like(loss.forward(x, y)).tolist()),
    "an upstream gradient of text": lambda loss, x, y: (loss.forward(x, y), loss.backward("1")),
    "a masked upstream gradient": lambda loss, x, y: loss.backward(np.ma.ones(np.shape(loss.forward(x, y)))),
    "an input of integers": lambda loss, x, y: loss.forward(x.astype(int), y),
    "a list of targets": lambda loss, x, y: loss.forward(x, y.tolist()),
    "targets of half precision": lambda loss, x, y: loss.forward(x, y.astype(np.float16)),
    "targets of double precision": lambda loss, x, y: loss.forward(x, y.astype(np.float64)),
    "targets of integers": lambda loss, x, y: loss.forward(x, y.astype(int)),
    "too few targets": lambda loss, x, y: loss.forward(x, y[:-1]),
    "targets with an axis too many": lambda loss, x, y: loss.forward(x, y[..., np.newaxis]),
    "no axis": lambda loss, x, y: loss.forward(np.array(1, F32), y),
    "numbers far out": lambda loss, x, y: loss.forward(x + F32(7), y + y.dtype.type(7)),
    "an empty batch": lambda loss, x, y: loss.forward(x[:0], y[:0]),
    "other classes": lambda loss, x, y: loss.forward(np.concatenate([x, x], 1), y),
    "double precision": lambda loss, x, y: loss.forward(x.astype(np.float64), y),
    "double precision throughout": lambda loss, x, y: loss.forward(
        x.astype(np.float64), y if y.dtype.kind == "i" else y.astype(np.float64)
    ),
    "backward before forward": lambda loss, x, y: loss.backward(),
    "backward of nothing": lambda loss, x, y: (loss.forward(x, y), loss.backward(None)),
    "an upstream gradient too long": lambda loss, x, y: (loss.forward(x, y), loss.backward(np.ones(9, F32))),
}


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("loss", [name for name, row in LOSSES.items() if not row.pair])
def test_every_loss_refuses_alike(loss, reduction):
    """The same error in the same words, or none, on both sides."""
    row = LOSSES[loss]
    arrays = loss_arrays(row, Draw("all positive", "contiguous", 2), 5, 3, (), F32)
    ours, theirs = (
        {case: outcome(act, row.build(side, 3, F32, reduction), *arrays) for case, act in BAD_FOR_ALL_LOSSES.items()}
        for side in SIDES.values()
    )
    assert ours == theirs
    assert len(set(ours.values())) > 5


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


def test_device_that_is_not_there():
    with pytest.raises(ValueError, match=r"^device='xpu' is not available: .*XPU.*"):
        torch_impl.MLP([3, 2], device="xpu")
