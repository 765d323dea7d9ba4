"""A failure's reproduction fails the same way: in another namespace, from its text alone."""

import contextlib
import io

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad.judge import (
    StepJudge,
    judge_backward,
    judge_forward,
    judge_loss,
    judge_net,
    judge_optimizer,
    snapshot,
)
from parity_tests.catalogue.tables import DTYPES, LOSSES, OPS, OPTIMIZERS, SIDES
from parity_tests.support.samples import loss_arrays
from parity_tests.support.strategies import Draw

rng = np.random.default_rng(0)


def normal(*shape, dtype=np.float64):
    return rng.normal(size=shape).astype(dtype)


# --- planted bugs: what is replaced, and a judgement that meets it ---------------------------------------------------


def wrong_tanh(self, grad_output):
    return grad_output


def wrong_relu(self, x):
    return self._remember(abs(x), x)


def wrong_linear(self, grad_output):
    (x,) = self._recall(grad_output)
    self.weight.accumulate(grad_output.T @ x)
    self.bias.accumulate(grad_output.mean(0))
    return grad_output @ self.weight.data


def wrong_only_if_strided(self, x):
    return self._remember(np.maximum(x, 0) + (not x.flags.c_contiguous), x)


def wrong_loss(self, grad_output=None):
    difference, u = self._recall(grad_output)
    return u * difference


def wrong_cross_entropy(self, grad_output=None):
    log_p, q, *_, u = self._recall(grad_output)
    return (u * (np.exp(log_p) - q)).T


def wrong_sgd(self, parameter, gradient, group, state):
    parameter.data -= group["lr"] * (gradient + state.get("momentum_buffer", 0))


def wrong_zero_grad(self, set_to_none=True):
    """Gradients pile up."""


def mlp(sizes=(3, 4, 2), dtype=np.float64, side=scratch):
    return side.MLP(sizes, "tanh", dtype=dtype, rng=1)


def trained(side=scratch, kind="SGD", steps=2, sizes=(3, 4, 2), rows=5, groups=False, **options):
    """The judged steps of a training, the last verdict that did not hold."""
    model = mlp(sizes, side=side)
    weights = dict(model.named_parameters())
    params = model.parameters()
    if groups:
        params = [
            {"params": [p for n, p in weights.items() if "bias" in n], "lr": 0.5},
            {"params": [p for n, p in weights.items() if "weight" in n]},
        ]
    trainer = side.Trainer(model, side.MSELoss(), getattr(side, kind)(params, **{"lr": 0.1, **options}))
    judge = StepJudge(model, trainer.loss, trainer.optimizer)
    verdicts = []
    for _ in range(steps):
        before, x, y = judge.before(), normal(rows, 3), normal(rows, sizes[-1])
        verdicts.append(judge.after(before, x, y, trainer.step(x, y)))
    return next(verdict for verdict in reversed(verdicts) if not verdict.held)


def optimized(groups=False, **options):
    parameters = [scratch.Parameter(normal(2, 3)), scratch.Parameter(np.array(0.5)), scratch.Parameter(normal(0, 2))]
    entries = [{"params": parameters[:1], "lr": 0.25}, {"params": parameters[1:]}] if groups else parameters
    optimizer = scratch.SGD(entries, lr=0.1, **options)
    for _ in range(2):
        for parameter in parameters[:2]:
            parameter.grad = normal(*parameter.data.shape)
        before = snapshot(optimizer)
        optimizer.step()
    return judge_optimizer(optimizer, before)


def given_values():
    """A wrong gradient from elsewhere: nothing computed anew can fail, so the values themselves are written."""
    model, loss, x, y = mlp(), scratch.CrossEntropyLoss(), normal(3, 3), np.array([0, 1, 1])
    output = model.forward(x)
    value = loss.forward(output, y)
    grad_input = model.backward(loss.backward())
    gradients = {name: 2 * gradient for name, gradient in model.named_gradients()}
    return judge_net(model, loss, x, y, output, value, grad_input, gradients)


def nested():
    model = scratch.Sequential(
        scratch.Linear(3, 2, bias=False, rng=0),
        scratch.Parallel(scratch.ReLU(), scratch.LeakyReLU(0.3), scratch.Sequential(scratch.Tanh())),
        scratch.LogSoftmax(dim=-1),
    )
    weight = np.array([0.5, 2.0], np.float32)
    loss = scratch.NLLLoss(weight=weight, ignore_index=1, reduction="sum")
    return judge_net(model, loss, normal(4, 3, dtype=np.float32), np.array([0, 1, 0, 0]))


TANH, RELU, LINEAR = (scratch.Tanh, "backward"), (scratch.ReLU, "forward"), (scratch.Linear, "backward")
NOT_FINITE = np.array([[np.nan, -1.0], [-0.0, -np.inf]])

BUGS = {
    "op, forward": (*RELU, wrong_relu, lambda: judge_forward(scratch.ReLU(), normal(2, 3))),
    "op, float32": (*RELU, wrong_relu, lambda: judge_forward(scratch.ReLU(), normal(2, 3, dtype=np.float32))),
    "op, not finite": (*RELU, wrong_relu, lambda: judge_forward(scratch.ReLU(), NOT_FINITE)),
    "op, strided": (*RELU, wrong_only_if_strided, lambda: judge_forward(scratch.ReLU(), normal(2, 6)[:, ::2])),
    "op, Fortran": (*RELU, wrong_only_if_strided, lambda: judge_forward(scratch.ReLU(), normal(3, 2).T)),
    "op, backward": (*TANH, wrong_tanh, lambda: judge_backward(scratch.Tanh(), normal(2, 3), normal(2, 3))),
    "op, many numbers": (*TANH, wrong_tanh, lambda: judge_backward(scratch.Tanh(), normal(90, 3), normal(90, 3))),
    "op, parameters": (*LINEAR, wrong_linear, lambda: judge_backward(mlp((3, 2)), normal(4, 3), normal(4, 2))),
    "loss": (scratch.MSELoss, "backward", wrong_loss, lambda: judge_loss(scratch.MSELoss(), normal(3), normal(3))),
    "loss, options": (
        scratch.CrossEntropyLoss,
        "backward",
        wrong_cross_entropy,
        lambda: judge_loss(
            scratch.CrossEntropyLoss(weight=np.array([1.0, 2.0, 0.5]), reduction="none", label_smoothing=0.1),
            normal(4, 3),
            np.array([0, 1, 2, 2]),
            grad_output=normal(4),
        ),
    ),
    "net": (*TANH, wrong_tanh, lambda: judge_net(mlp(), scratch.MSELoss(), normal(2, 3), normal(2, 2))),
    "net, nested": (*TANH, wrong_tanh, nested),
    "net, many numbers": (
        *TANH,
        wrong_tanh,
        lambda: judge_net(mlp((30, 20, 10)), scratch.CrossEntropyLoss(), normal(8, 30), rng.integers(0, 10, 8)),
    ),
    "net of torch": (
        torch.nn.Tanh,
        "forward",
        lambda self, x: x.tanh() * 1.01,
        lambda: judge_net(mlp(side=torch_impl), torch_impl.MSELoss(), normal(2, 3), normal(2, 2)),
    ),
    "net, values given": (scratch.Linear, "extra_repr", lambda self: "", given_values),
    "step": (*TANH, wrong_tanh, trained),
    "step, state": (scratch.SGD, "update", wrong_sgd, lambda: trained(momentum=0.9, nesterov=True)),
    "step, Adam": (*TANH, wrong_tanh, lambda: trained(kind="Adam", betas=(0.5, 0.9), amsgrad=True)),
    "step, groups": (*TANH, wrong_tanh, lambda: trained(groups=True, weight_decay=0.1)),
    "step, only the second": (scratch.SGD, "zero_grad", wrong_zero_grad, trained),
    "step, many numbers": (*TANH, wrong_tanh, lambda: trained(sizes=(3, 50, 20), rows=40)),
    "step of torch": (
        torch.nn.Tanh,
        "forward",
        lambda self, x: x.tanh() * 1.01,
        lambda: trained(torch_impl, "Adam", groups=True),
    ),
    "optimizer": (scratch.SGD, "update", wrong_sgd, lambda: optimized(momentum=0.9)),
    "optimizer, groups": (scratch.SGD, "update", wrong_sgd, lambda: optimized(groups=True, maximize=True)),
}


def run(text):
    """The verdict that a script leaves, and what it prints."""
    namespace, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(text, namespace)
    return namespace["verdict"], printed.getvalue()


@pytest.mark.parametrize("name", BUGS)
def test_the_reproduction_fails_the_same_way(name, monkeypatch):
    kind, method, replacement, judgement = BUGS[name]
    assert hasattr(kind, method)
    monkeypatch.setattr(kind, method, replacement)
    with np.errstate(invalid="ignore"):
        verdict = judgement()
        assert verdict.failures
        for failure in verdict.failures:
            text = failure.render()
            assert len(text.splitlines()) <= 25
            assert "reproduce  paste the lines below" in text
            code = text[text.index("import numpy") :]
            assert code == failure.reproduction
            again, printed = run(code)
            assert printed == again.render() + "\n"
            (same,) = [other for other in again.failures if other.tensor == failure.tensor]
            assert (same.side, same.shape) == (failure.side, failure.shape)
            if failure.note.endswith("into Python"):
                assert (same.problem, same.index, same.pattern) == (failure.problem, failure.index, failure.pattern)
                np.testing.assert_allclose([same.value, same.reference], [failure.value, failure.reference], 1e-6)
    assert ("many" in name) == ("drawn" in verdict.failures[0].note)
    assert ("second" in name) == ("made twice" in verdict.failures[0].note)
    assert verdict.render().count("import numpy") == len({failure.reproduction for failure in verdict.failures})


# --- where there is none, that is said -------------------------------------------------------------------------------


def one_object_only():
    """The class is right, this object is not."""
    relu = scratch.ReLU()
    relu.forward = lambda x: abs(x)
    return judge_forward(relu, normal(2, 2))


class Tanh(scratch.Tanh):
    """A user's own class under a known name."""

    backward = wrong_tanh


def own_class():
    return judge_backward(scratch.Sequential(Tanh()), normal(2, 2), normal(2, 2))


def plain_torch():
    module, x = torch.nn.ReLU(), torch.ones(2)
    return judge_forward(module, x.numpy(), module(x) + 1)


def too_many():
    return judge_forward(scratch.ReLU(), normal(20, 20), normal(20, 20))


def foreign_parameter():
    """The optimizer holds a parameter that is not the model's."""
    model, stranger = mlp(), scratch.Parameter(np.full((2, 4), 5.0))
    optimizer = scratch.SGD([*model.parameters(), stranger], lr=0.1)
    judge = StepJudge(model, scratch.MSELoss(), optimizer)
    before, x, y = judge.before(), normal(2, 3), normal(2, 2)
    value = scratch.Trainer(model, scratch.MSELoss(), optimizer).step(x, y)
    stranger.data += 1
    return judge.after(before, x, y, value)


def raises():
    """An attribute says what neither forward nor the constructor accepts: the layer cannot be run alone either."""
    linear = scratch.Linear(3, 2, dtype=np.float64)
    vars(linear)["in_features"] = -3  # past the check that would refuse it
    return judge_forward(linear, normal(3), normal(2))


WITHOUT = {
    "one object only": (one_object_only, "no script: made anew with the same numbers it holds"),
    "own class": (own_class, f"no script: Tanh is a class of {__name__}"),
    "plain torch": (plain_torch, "no script: only what scratch and torch_impl made can be written down"),
    "too many": (
        too_many,
        "no script: more than 150 numbers are too many to print; made anew with numbers drawn at random it holds",
    ),
    "foreign parameter": (foreign_parameter, "no script: the model does not have the optimizer's parameter 4"),
    "raises": (raises, "no script: made anew with the same numbers it raises ValueError"),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_no_reproduction_is_explained(name):
    judgement, reason = WITHOUT[name]
    verdict = judgement()
    for failure in verdict.failures:
        assert failure.reproduction == ""
        assert reason in failure.render().splitlines()[-1]
    if name == "raises":
        assert verdict.failures[0].first.startswith("a layer alone raises ValueError: Linear: input of shape (3,)")


def test_a_reproduction_is_not_reproduced(monkeypatch):
    """A script judges as well; while it is tried, that judgement writes no script of its own."""
    judged = []

    def counted(self, grad_output):
        judged.append(self)
        return grad_output

    monkeypatch.setattr(scratch.Tanh, "backward", counted)
    assert not judge_backward(scratch.Tanh(), normal(2), normal(2)).held
    assert len(judged) == 4  # the judgement and the layer alone, twice: once in the script


# --- everything of the tables can be written down --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
def test_what_the_tables_hold_can_be_written_down(side, dtype):
    """Given a wrong value, every op, loss and optimizer is rebuilt by the script: it fails, and nothing else does."""
    draw = Draw("normal", "contiguous", 0)
    verdicts = []
    for op in OPS.values():
        if op.width != 70:  # too many numbers
            model, x = op.build(SIDES[side], dtype), draw.array((2, op.width or 3), dtype)
            verdicts.append(judge_forward(model, x, model.forward(x) + 1))
    for row in LOSSES.values():
        loss, arrays = row.build(SIDES[side], 3, dtype, "sum"), loss_arrays(row, draw, 2, 3, (), dtype)
        value, gradient = loss.forward(*arrays), loss.backward()
        wrong = (gradient[0] + 1, gradient[1]) if isinstance(gradient, tuple) else gradient + 1
        verdicts.append(judge_loss(loss, *arrays, value=value, grad=wrong))
    assert len(verdicts) == len(OPS) - 1 + len(LOSSES)
    for verdict in verdicts:
        (failure,) = verdict.failures
        (same,) = run(failure.reproduction)[0].failures
        assert same.render() == failure.render()


def test_slopes_drawn_inside_a_net_are_written_down():
    """The output was computed with them: any others would not belong to it."""
    for side in SIDES.values():
        model = side.Sequential(side.Linear(2, 3, rng=0), side.Sequential(side.RReLU(rng=1)))
        x = normal(4, 2, dtype=np.float32)
        (failure,) = judge_forward(model, x, model.forward(x) + 1).failures
        (same,) = run(failure.reproduction)[0].failures
        assert same.render() == failure.render()


LBFGS_NOTES = [
    ({"max_iter": 1}, "paste the lines below into Python"),
    ({"max_iter": 3}, "no script: a step that evaluates its closure again depends on what that computes"),
]


@pytest.mark.parametrize("side", SIDES)
def test_an_lbfgs_step_can_be_written_down(side, monkeypatch):
    """One that evaluates its closure once: that of the script returns 0 and leaves the gradients as they are."""
    parameters = [SIDES[side].Parameter(np.array([1.0, -2.0, 0.5])), SIDES[side].Parameter(np.array([[2.0]]))]

    def closure():
        for parameter in parameters:
            parameter.grad = parameter.data**3
        return float(sum((parameter.data**4).sum() / 4 for parameter in parameters))

    for options, note in LBFGS_NOTES:
        optimizer = SIDES[side].LBFGS(parameters, lr=0.1, **options)
        for _ in range(3):
            optimizer.step(closure)
        before, step = snapshot(optimizer), type(optimizer).step

        def too_far(self, closure, step=step):
            step(self, closure)
            state = self.state_dict()
            state["state"][0]["d"] += 1
            self.load_state_dict(state)

        with monkeypatch.context() as patch:
            patch.setattr(type(optimizer), "step", too_far)
            optimizer.step(closure)
            (*_, failure) = judge_optimizer(optimizer, before).failures
            assert failure.note.startswith(note)
            if failure.reproduction:
                (*_, same) = run(failure.reproduction)[0].failures
                assert same.render() == failure.render()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_can_be_written_down(name, side, monkeypatch):
    """With its options and, from the second step on, its state: a step that does nothing fails the same way."""
    kind, options = OPTIMIZERS[name]
    parameter = SIDES[side].Parameter(np.array([[1.0, -2.0, 0.5]]))
    optimizer = getattr(SIDES[side], kind)([parameter], **options)
    parameter.grad = np.array([[0.25, 1.0, -3.0]])
    optimizer.step()
    monkeypatch.setattr(type(optimizer), "step", lambda self: None)
    before = snapshot(optimizer)
    (*_, failure) = judge_optimizer(optimizer, before).failures
    (*_, same) = run(failure.reproduction)[0].failures
    assert same.render() == failure.render()
    assert failure.note == "paste the lines below into Python"
