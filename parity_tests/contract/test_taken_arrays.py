"""Which arrays are taken, on both sides alike: no subclasses that mean something else, whole numbers as targets where
PyTorch takes them, targets of their own shape by losses of one's own, and inputs without axes by softmax.
"""

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad import catalogue
from handgrad.judge import judge_backward, judge_forward
from parity_tests.catalogue.tables import NOT_IN_TORCH, SIDES

X = np.array([[0.3, 0.6, 0.2], [0.7, 0.1, 0.9]], np.float32)


class Marked(np.ndarray):
    """An array of a class of the user's."""


SUBCLASSES = {
    "MaskedArray": lambda a: np.ma.masked_array(a, mask=np.arange(a.size).reshape(a.shape) == 1),
    "matrix": lambda a: a.view(np.matrix),
    "Marked": lambda a: a.view(Marked),
    "recarray": lambda a: a.view(np.recarray),
}


def parameter(side):
    return side.Parameter(X)


def with_gradient(side):
    p = parameter(side)
    p.grad = X
    return p


def after(module, *inputs):
    module.forward(*inputs)
    return module


def state(net, array):
    return {**net.state_dict(), "weight": array}


# Every place where an array is taken: act(side, the array X as a subclass).
PLACES = {
    "input of a layer": lambda s, a: s.Linear(3, 2).forward(a),
    "input of an activation": lambda s, a: s.Tanh().forward(a),
    "input of a net": lambda s, a: s.MLP([3, 2]).forward(a),
    "upstream gradient": lambda s, a: after(s.Tanh(), X).backward(a),
    "indices": lambda s, a: s.Embedding(4, 2).forward(a.astype(np.int64)),
    "two inputs": lambda s, a: s.Bilinear(3, 3, 2).forward(X, a),
    "input of a loss": lambda s, a: s.MSELoss().forward(a, X),
    "target of a loss": lambda s, a: s.MSELoss().forward(X, a),
    "whole target of a loss": lambda s, a: s.MSELoss().forward(X, a.astype(np.int64)),
    "class indices": lambda s, a: s.CrossEntropyLoss().forward(np.stack([X, X], 1), a.astype(np.int64)),
    "class probabilities": lambda s, a: s.CrossEntropyLoss().forward(X, a),
    "labels": lambda s, a: s.MultiLabelMarginLoss().forward(X, a.astype(np.int64)),
    "weight of a loss": lambda s, a: s.BCELoss(weight=a),
    "second input of a loss": lambda s, a: s.MarginRankingLoss().forward(X, a, X),
    "variance": lambda s, a: s.GaussianNLLLoss().forward(X, X, a),
    "upstream gradient of a loss": lambda s, a: after(s.MSELoss(reduction="none"), X, X).backward(a),
    "parameter": lambda s, a: s.Parameter(a),
    "data": lambda s, a: setattr(parameter(s), "data", a),
    "gradient": lambda s, a: setattr(parameter(s), "grad", a),
    "state dict": lambda s, a: (n := s.Linear(3, 2, bias=False)).load_state_dict(state(n, a)),
    "input of a trainer": lambda s, a: trainer(s).step(a, X),
    "target of a trainer": lambda s, a: trainer(s).step(X, a),
    "data of a trainer": lambda s, a: trainer(s).asarray(a),
    "Hessian vector": lambda s, a: s.hessian_vector_product(
        s.Linear(3, 2, bias=False), s.MSELoss(), X, X[:, :2], {"weight": a}
    ),
    "Hessian input": lambda s, a: s.hessian_vector_product(
        s.Linear(3, 3, bias=False), s.MSELoss(), a, X, {"weight": np.ones((3, 3), np.float32)}
    ),
    "optimizer state": lambda s, a: (o := s.SGD([with_gradient(s)], momentum=0.9)).load_state_dict(
        {**o.state_dict(), "state": {0: {"momentum_buffer": a}}}
    ),
    "own loss": lambda s, a: own(s).forward(a, X),
    "target of an own loss": lambda s, a: own(s).forward(X, a),
}


def trainer(side):
    net = side.MLP([3, 3], rng=0)
    return side.Trainer(net, side.MSELoss(), side.SGD(net.parameters()))


@pytest.mark.parametrize("kind", SUBCLASSES)
@pytest.mark.parametrize("place", PLACES)
def test_subclasses_are_refused_in_one_text(place, kind):
    """A masked array would be computed as if nothing were masked, and a matrix multiplies where an array does not."""
    errors = []
    for side in SIDES.values():
        with pytest.raises((TypeError, ValueError)) as caught:
            PLACES[place](side, SUBCLASSES[kind](X.copy()))
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]
    assert kind in errors[0][1]


@pytest.mark.parametrize("place", [place for place in PLACES if place != "state dict"])
def test_numbers_in_a_file_are_numbers(place, tmp_path):
    """An `np.memmap` is an array whose memory is a file."""
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert type(mapped) is np.memmap
    outcomes = []
    for side in SIDES.values():
        for given in (mapped, X):
            try:
                outcomes.append(repr(type(PLACES[place](side, given))))
            except (ValueError, IndexError) as error:  # the shape or the numbers do not fit here, and that is all
                outcomes.append(str(error))
    assert len(set(outcomes[:2])) == len(set(outcomes[2:])) == 1


# --- losses of one's own ---------------------------------------------------------------------------------------------


class Quartic(scratch.Loss):
    def forward(self, input, target):
        difference = input - target
        return self._reduce(difference**4, difference)

    def backward(self, grad_output=None):
        difference, u = self._recall(grad_output)
        return 4 * u * difference**3


class Steeper(Quartic):
    """A class that extends one of the user's is one too."""

    def forward(self, input, target):
        return super().forward(2 * input, 2 * target)


class Gap(scratch.PairLoss):
    def forward(self, first, second, third, /):
        difference = third * (first - second)
        return self._reduce(difference, third)

    def backward(self, grad_output=None):
        third, u = self._recall(grad_output)
        return u * third, -u * third


class Free(Quartic):
    """Its target has one number a row."""

    target_like_input = False

    def forward(self, input, target):
        return super().forward(input, target[:, np.newaxis] + np.zeros_like(input))


class TorchQuartic(torch.nn.Module):
    def forward(self, input, target):
        return ((input - target) ** 4).mean()


class TorchGap(torch.nn.Module):
    def forward(self, first, second, third):
        return (third * (first - second)).mean()


class TorchFree(torch.nn.Module):
    target_like_input = False

    def forward(self, input, target):
        return ((input - target[:, None]) ** 4).mean()


TorchQuartic.__name__, TorchGap.__name__ = "Quartic", "Gap"


def own(side):
    return Quartic() if side is scratch else torch_impl.Loss(TorchQuartic())


def own_pair(side):
    return Gap() if side is scratch else torch_impl.PairLoss(TorchGap())


COLUMN, ROW = np.ones((4, 1)), np.zeros(4)
UNEQUAL = {
    "a column and a row": lambda s: own(s)(COLUMN, ROW),
    "a row and a column": lambda s: own(s)(ROW, COLUMN),
    "one for all": lambda s: own(s)(np.ones((4, 3)), np.ones((1, 3))),
    "another dtype": lambda s: own(s)(COLUMN, COLUMN.astype(np.float32)),
    "whole numbers": lambda s: own(s)(COLUMN, COLUMN.astype(int)),
    "a list": lambda s: own(s)(COLUMN, [[1.0]] * 4),
    "second of a pair": lambda s: own_pair(s)(COLUMN, ROW, COLUMN),
    "third of a pair": lambda s: own_pair(s)(COLUMN, COLUMN, ROW),
    "in a trainer": lambda s: (n := s.MLP([3, 1], rng=0), s.Trainer(n, own(s), s.SGD(n.parameters())).step(X, X[:, 0])),
}


@pytest.mark.parametrize("case", UNEQUAL)
def test_an_own_loss_does_not_broadcast(case):
    errors = []
    for side in SIDES.values():
        with pytest.raises((TypeError, ValueError)) as caught:
            UNEQUAL[case](side)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]
    assert errors[0][1].startswith(("Quartic: ", "Gap: "))


def test_an_own_loss_with_another_target_says_so():
    with pytest.raises(ValueError, match=r"^Steeper: input has shape \(4, 1\) but target has shape \(4,\)"):
        Steeper()(COLUMN, ROW)
    x, t = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 0.5])
    ours, theirs = Free(), torch_impl.Loss(TorchFree())
    assert np.isclose(ours(x, t), theirs(x, t), rtol=1e-14)
    np.testing.assert_allclose(ours.backward(), theirs.backward(), rtol=1e-14)
    for loss in (own(scratch), own(torch_impl)):
        assert loss(x, np.array(1.0)) == loss(x, np.ones_like(x))  # one target for all, as everywhere


# --- whole numbers as targets ----------------------------------------------------------------------------------------

PLAIN = [name for name, row in catalogue.LOSSES.items() if row.inputs[1] not in ("class", "labels")]
KINDS = [np.int64, np.int32, np.int8, np.uint8, np.bool_]


def arguments(name, target):
    if name == "CosineEmbeddingLoss":
        return X, X[::-1].copy(), target[:, 0]
    if name == "MarginRankingLoss":
        return X, X[::-1].copy(), target
    return (X, target, X[::-1].copy()) if name == "GaussianNLLLoss" else (X, target)


def torchs(name, target):
    """Value and gradient of plain torch; None where it refuses the target forward or backward."""
    arrays = [torch.from_numpy(np.array(a)) for a in arguments(name, target)]
    arrays[0].requires_grad_()
    try:
        value = getattr(torch.nn, name)()(*arrays)
        value.backward()
    except RuntimeError:
        return None
    return value.detach().numpy(), arrays[0].grad.numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PLAIN)
def test_whole_targets_as_torch(name, kind):
    """Taken where torch takes them, and then the same as in the input's dtype; refused in one text elsewhere."""
    target = np.array([[1, 0, 1], [0, 1, 1]], kind)
    if np.dtype(kind).kind == "i" and ("Margin" in name or "Embedding" in name) and "Multi" not in name:
        target = 2 * target - kind(1)
    wanted = torchs(catalogue.LOSSES[name].like or name, target)
    for side in SIDES.values():
        loss = getattr(side, name)()
        if wanted is None:
            with pytest.raises(TypeError, match=rf"^{name}: target must be float32; got {target.dtype} \(convert"):
                loss.forward(*arguments(name, target))
            continue
        outcomes = []
        for given in (target, target.astype(np.float32)):
            value = loss.forward(*arguments(name, given))
            gradients = loss.backward()
            outcomes.append([np.asarray(value), *(gradients if isinstance(gradients, tuple) else (gradients,))])
        for a, b in zip(*outcomes, strict=True):
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_array_equal(a, b)
        wraps = name in ("SoftMarginLoss", "MarginRankingLoss") and kind is np.uint8  # torch: −1 is 255
        if name not in NOT_IN_TORCH and not wraps:
            np.testing.assert_allclose(outcomes[0][0], wanted[0], rtol=1e-6)
            np.testing.assert_allclose(outcomes[0][1], wanted[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["MSELoss", "SoftMarginLoss"])
def test_a_trainer_takes_them_too(name):
    values = []
    for side in SIDES.values():
        net = side.MLP([3, 3], rng=0)
        step = side.Trainer(net, getattr(side, name)(), side.SGD(net.parameters(), lr=0.1)).step
        values.append([step(X, np.ones((2, 3), np.int64)), step(X, np.ones((2, 3), np.float32))])
    np.testing.assert_allclose(*values, rtol=1e-6)


# --- softmax of a number ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Softmin"])
def test_softmax_without_axes(name, dim, dtype):
    """A number counts as having one axis, as in PyTorch."""
    x, seen = np.array(1.5, dtype), []
    for side in SIDES.values():
        op = getattr(side, name)(dim=dim)
        seen.append((op.forward(x), op.backward(np.array(2.0, dtype))))
        assert judge_forward(op, x).held
        assert judge_backward(op, x, np.array(2.0, dtype)).held
        with pytest.raises(IndexError, match=rf"^{name}: dim=1 is no axis of an input of shape \(\)$"):
            getattr(side, name)(dim=1).forward(x)
    for a, b in zip(*seen, strict=True):
        assert type(a) is type(b) is np.ndarray
        assert a.dtype == b.dtype == dtype
        assert a.shape == b.shape == ()
        assert a == b
    wanted = getattr(torch.nn, name)(dim=dim)(torch.tensor(1.5))
    assert seen[0][0] == wanted.item()
