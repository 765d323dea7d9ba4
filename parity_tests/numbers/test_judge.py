"""The judge: wrong programs are refused, and the bug is named.

Wrong ones are made by changing one thing: a tensor that was computed, a method of the hand-written side, an option of
an optimizer. That correct programs hold, over the edge generator, is what the tests of ops, losses, optimizers and nets
show; here are only the cases that those have no place for.
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given

import scratch
import torch_impl
from handgrad.judge import StepJudge, Tally, Verdict, judge_backward, judge_forward, judge_loss, judge_net
from parity_tests.catalogue.tables import OPTIMIZERS, SIDES
from parity_tests.support.strategies import Draw, draws, filled_batches

Array = npt.NDArray[Any]

each_side = pytest.mark.parametrize("side", SIDES.values(), ids=SIDES.keys())
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def assert_held(verdict: Verdict) -> None:
    assert verdict.held, verdict.render()


def trainer(side: Any, dtype: Any = np.float64, kind: str = "SGD", activation: str = "tanh", **options: Any) -> Any:
    """A small net and its trainer: 3 → 4 → 4 → 3, so that a weight can be transposed without a change of shape."""
    # Muon takes matrices alone
    model = side.MLP((3, 4, 4, 3), activation=activation, bias=kind != "Muon", dtype=dtype, rng=3)
    return side.Trainer(model, side.CrossEntropyLoss(), getattr(side, kind)(model.parameters(), **options))


def batch(dtype: Any = np.float64, rows: int = 6) -> tuple[Array, Array]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(rows, 3)).astype(dtype), rng.integers(0, 3, rows)


def judged(given: Any, steps: int = 3, between: Callable[[int], None] = lambda step: None) -> Tally:
    """`steps` steps on one batch under the judge's eyes."""
    dtype = next(iter(given.model.parameters())).data.dtype
    judge, tally = StepJudge(given.model, given.loss, given.optimizer), Tally()
    x, y = batch(dtype)
    for step in range(steps):
        before = judge.before()
        value = given.step(given.asarray(x), given.asarray(y))
        between(step)
        tally.add(step, judge.after(before, x, y, value))
    return tally


# --- correct programs hold: the tables of every op, loss and optimizer are in the tests beside this one --------------


@each_side
@both
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_correct_run_holds(name: str, side: Any, dtype: Any) -> None:
    kind, options = OPTIMIZERS[name]
    tally = judged(trainer(side, dtype, kind, **options), steps=5)
    assert tally.held, tally.failures[0].render()
    assert tally.steps == 5
    assert tally.skipped == 0
    assert 0 < tally.worst <= 1
    assert tally.summary().startswith("held: 5 steps")


def test_a_single_sample_without_a_batch_axis_holds() -> None:
    x = np.array([0.5, -1.0, 2.0], np.float32)
    for side in SIDES.values():
        assert_held(judge_loss(side.CrossEntropyLoss(), x, np.array(1)))
        assert_held(judge_loss(side.CrossEntropyLoss(), x, np.array([0.2, 0.3, 0.5], np.float32)))


@given(rows=filled_batches, draw=draws)
def test_plain_torch_modules_are_read_without_an_adapter(rows: int, draw: Draw) -> None:
    """Weights shared between two places of an activation, autograd outside: values are handed over."""
    relu = torch.nn.ReLU()
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), relu, torch.nn.Linear(4, 4), relu)
    loss = torch.nn.L1Loss()
    x = torch.from_numpy(draw.array((rows, 3), np.float32).copy()).requires_grad_()
    y = torch.zeros(rows, 4)
    output = module(x)
    value = loss(output, y)
    value.backward()
    assert_held(judge_net(module, loss, x.detach().numpy(), y.numpy(), output, value, x.grad))


def test_a_parameter_without_a_gradient_or_optimizer_stays() -> None:
    model = torch_impl.MLP((3, 4, 3), rng=0)
    model.module.layers[0].weight.requires_grad_(False)
    rest = [p for name, p in model.named_parameters() if name != "layers.0.weight"]
    given = torch_impl.Trainer(model, torch_impl.CrossEntropyLoss(), torch_impl.SGD(rest, lr=0.1))
    assert judged(given).held

    def disturb(step: int) -> None:
        with torch.no_grad():
            model.module.layers[0].weight += 1e-3

    tally = judged(given, 1, disturb)
    assert not tally.held
    assert "layers.0.weight, which the optimizer does not have" in tally.failures[0].render()


# --- wrong programs are refused, and the bug is named ----------------------------------------------------------------

WEIGHT, BIAS = "layers.2.weight", "layers.2.bias"

Plant = Callable[[dict[str, Array]], Any]

TENSOR_BUGS: dict[str, tuple[str, Plant, str]] = {
    "twice": (WEIGHT, lambda g: 2 * g[WEIGHT], "constant ratio 2"),
    "half": (WEIGHT, lambda g: g[WEIGHT] / 2, "constant ratio 1/2"),
    "N times": (BIAS, lambda g: 6 * g[BIAS], "constant ratio N = 6"),
    "N-th": (BIAS, lambda g: g[BIAS] / 6, "constant ratio 1/N = 1/6"),
    "wrong sign": (WEIGHT, lambda g: -g[WEIGHT], "constant ratio −1"),
    "some ratio": (WEIGHT, lambda g: 0.9 * g[WEIGHT], "constant ratio 0.9"),
    "transposed": (WEIGHT, lambda g: g[WEIGHT].T, "the transpose"),
    "transposed in shape": ("layers.0.weight", lambda g: g["layers.0.weight"].T, "the transpose"),
    "zero": (WEIGHT, lambda g: 0 * g[WEIGHT], "all zeros"),
    "missing": (WEIGHT, lambda g: None, "no gradient was computed"),
    "NaN": (WEIGHT, lambda g: np.where(g[WEIGHT] > 0, np.nan, g[WEIGHT]), "NaN or infinity in"),
    "swapped": (BIAS, lambda g: g["layers.0.bias"], "swapped: it is the reference of layers.0.bias"),
    "decayed": (WEIGHT, lambda g: g[WEIGHT] + 0.01 * g["parameter"], "off by 0.01 × the parameter"),
    "broadcast": (WEIGHT, lambda g: np.tile(g[WEIGHT].mean(0), (4, 1)), "broadcast: the same numbers along axis 0"),
    "not summed": (BIAS, lambda g: np.tile(g[BIAS] / 6, (6, 1)), "missing sum over the batch"),
    "one entry": (WEIGHT, lambda g: g[WEIGHT] * (1 + 1e-8 * np.eye(4)[0][:, None] * np.eye(4)[0]), "one number"),
    "float32": (WEIGHT, lambda g: g[WEIGHT].astype(np.float32), "a silent cast"),
}


@pytest.mark.parametrize("name", TENSOR_BUGS)
def test_a_wrong_tensor_is_refused_and_named(name: str) -> None:
    tensor, plant, pattern = TENSOR_BUGS[name]
    model = scratch.MLP((3, 4, 4, 3), activation="tanh", dtype=np.float64, rng=3)
    x, y = batch()
    loss = scratch.CrossEntropyLoss()
    output = model.forward(x)
    value = loss.forward(output, y)
    grad_input = model.backward(loss.backward())
    right = {key: np.asarray(g) for key, g in model.named_gradients()}
    assert_held(judge_net(model, loss, x, y, output, value, grad_input, right))
    wrong = {**right, tensor: plant({**right, "parameter": model.state_dict()[WEIGHT]})}
    verdict = judge_net(model, loss, x, y, output, value, grad_input, wrong)
    assert [failure.tensor for failure in verdict.failures][:1] == [f"gradient of {tensor}"]
    assert pattern in verdict.failures[0].pattern
    assert verdict.failures[0].side == "scratch"
    assert len(verdict.render().splitlines()) <= 25


def wrong_tanh(self: Any, grad_output: Array) -> Array:
    return grad_output


def wrong_linear(self: Any, grad_output: Array) -> Array:
    (x,) = self._recall(grad_output)
    self.weight.accumulate(grad_output.T @ x)
    self.bias.accumulate(grad_output[-1])
    return np.asarray(grad_output @ self.weight.data)


def wrong_input_gradient(self: Any, grad_output: Array) -> Array:
    (x,) = self._recall(grad_output)
    self.weight.accumulate(grad_output.T @ x)
    self.bias.accumulate(grad_output.sum(0))
    weight = self.weight.data
    return np.asarray(grad_output @ (weight.T if weight.shape[0] == weight.shape[1] else weight))


def wrong_zero_grad(self: Any, set_to_none: bool = True) -> None:
    """Gradients pile up."""


def wrong_forward(self: Any, x: Array) -> Array:
    return np.asarray(self._remember(np.tanh(x) * (1 + 1e-9), x, np.tanh(x)))


METHOD_BUGS: dict[str, tuple[type, str, Any, str, str]] = {
    "no derivative": (scratch.Tanh, "backward", wrong_tanh, "missing activation derivative of layers.3", "layers.3"),
    "bias of one row": (scratch.Linear, "backward", wrong_linear, "missing bias sum: the last", "layers.4 (Linear)"),
    "Wᵀ for W": (scratch.Linear, "backward", wrong_input_gradient, "", "layers.2 (Linear), backward: gradient of its"),
    "accumulated": (scratch.SGD, "zero_grad", wrong_zero_grad, "accumulated", "no layer alone"),
    "forward": (scratch.Tanh, "forward", wrong_forward, "", "layers.1 (Tanh), forward"),
}


@pytest.mark.parametrize("name", METHOD_BUGS)
def test_a_wrong_method_is_refused_and_located(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, method, replacement, pattern, first = METHOD_BUGS[name]
    given = trainer(scratch, lr=0.1)
    monkeypatch.setattr(kind, method, replacement)
    tally = judged(given, steps=2)
    assert not tally.held
    assert any(pattern in failure.pattern for failure in tally.failures)
    assert tally.failures[0].first.startswith(first)
    assert all(len(failure.render().splitlines()) <= 25 for failure in tally.failures)


def test_a_wrong_layer_of_a_torch_model_is_located(monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter's layers are run alone as well, and the judged model stays as it is."""
    model = torch_impl.MLP((3, 4, 4, 3), activation="relu", rng=0)
    monkeypatch.setattr(torch.nn.ReLU, "forward", lambda self, x: torch.relu(x) + 1e-3)
    before = {name: p.grad for name, p in model.named_parameters()}
    verdict = judge_forward(model, batch(np.float32)[0])
    assert verdict.failures[0].first == "layers.1 (ReLU), forward"
    assert verdict.failures[0].side == "torch"
    assert before == {name: p.grad for name, p in model.named_parameters()}


def test_an_activation_in_the_middle_of_two_is_told_from_its_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first of two activations is wrong: its name, not the other's."""
    given = trainer(scratch, lr=0.1)
    first = given.model.layers[1]
    monkeypatch.setattr(first, "backward", lambda grad_output: grad_output)
    (failure, *_) = judged(given, steps=1).failures
    assert failure.tensor == "gradient of layers.0.weight"
    assert failure.pattern == "missing activation derivative of layers.1 (Tanh)"


STEP_BUGS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "sign": ("SGD", {"lr": 0.1}, {"maximize": True}, "the step has the opposite sign"),
    "decay": ("SGD", {"lr": 0.1, "weight_decay": 0.1}, {"weight_decay": 0.0}, "weight_decay is ignored"),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, {"nesterov": False}, "nesterov the other way"),
    "length": ("SGD", {"lr": 0.1}, {"lr": 0.2}, "2 × too long"),
    "still": ("SGD", {"lr": 0.1}, {"lr": 0.0}, "unchanged"),
    "AdamW": (
        "Adam",
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"decoupled_weight_decay": False},
        "decoupled_weight_decay the other way",
    ),
}


@each_side
@pytest.mark.parametrize("name", STEP_BUGS)
def test_a_wrong_step_is_refused_and_named(name: str, side: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimizer claims the options of the group before the step and uses others."""
    kind, options, used, pattern = STEP_BUGS[name]
    given = trainer(side, kind=kind, **options)
    step = given.optimizer.step

    def wrong() -> None:
        group = given.optimizer.param_groups[0]
        claimed = {option: group[option] for option in used}
        group.update(used)
        step()
        group.update(claimed)

    monkeypatch.setattr(given.optimizer, "step", wrong)
    tally = judged(given, steps=2)
    assert not tally.held
    assert any(pattern in failure.pattern for failure in tally.failures), tally.failures[0].render()
    assert not any("gradient" in failure.tensor or failure.tensor == "loss" for failure in tally.failures)


def test_lost_optimizer_state_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = trainer(scratch, kind="Adam", lr=0.1)
    judge = StepJudge(given.model, given.loss, given.optimizer)
    x, y = batch()
    given.step(x, y)
    before = judge.before()
    given.optimizer.state.clear()
    verdict = judge.after(before, x, y, given.step(x, y))
    patterns = [failure.pattern for failure in verdict.failures]
    assert "the step counter went to 1" in patterns
    assert "as if it were the first step (state lost)" in patterns


def test_a_wrong_loss_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = trainer(scratch, lr=0.1)
    step = given.step
    monkeypatch.setattr(given, "step", lambda x, y: 6 * step(x, y))
    (failure,) = judged(given, steps=1).failures
    assert failure.tensor == "loss"
    assert failure.pattern == "constant ratio N = 6"


def test_a_lost_nan_is_refused() -> None:
    x = np.array([[1.0, np.nan]])
    relu = scratch.ReLU()
    assert_held(judge_forward(relu, x))
    verdict = judge_forward(relu, x, np.where(x > 0, x, 0))
    assert verdict.failures[0].pattern == "a NaN was lost on the way"


def test_a_tie_is_decided_and_a_near_tie_is_not() -> None:
    """relu′(0) = 0 exactly; where rounding could move z across 0, either answer holds."""
    x, one = np.zeros((1, 1)), np.ones((1, 1))
    relu = scratch.ReLU()
    assert not judge_backward(relu, x, one, one, {}).held
    model = scratch.Sequential(scratch.Linear(3, 1, dtype=np.float64), scratch.ReLU())
    model.load_state_dict({"0.weight": np.array([[0.1, 0.2, -0.3]]), "0.bias": np.zeros(1)})
    x = np.ones((1, 3))
    for mask in (0.0, 1.0):
        gradients = {"0.weight": mask * x, "0.bias": np.array([mask])}
        assert_held(judge_backward(model, x, one, mask * np.array([[0.1, 0.2, -0.3]]), gradients))


def test_a_wrong_shape_or_dtype_is_never_broadcast() -> None:
    x = np.ones((3, 2), np.float32)
    relu = scratch.ReLU()
    assert judge_forward(relu, x, x[:1]).failures[0].problem == "its shape is (1, 2), not (3, 2)"
    assert judge_forward(relu, x, x.astype(np.float64)).failures[0].problem == "its dtype is float64, not float32"


@both
def test_a_small_relative_error_in_one_entry_is_seen(dtype: Any) -> None:
    """In float64 1e-8 in every single entry, in float32 1e-3 in nearly all."""
    model = scratch.MLP((6, 8, 5), activation="tanh", dtype=dtype, rng=1)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(7, 6)).astype(dtype), rng.integers(0, 5, 7)
    loss = scratch.CrossEntropyLoss()
    model.forward(x)
    loss.forward(model.forward(x), y)
    g = model.backward(loss.backward())
    right = {name: np.asarray(gradient) for name, gradient in model.named_gradients()}
    error, seen, total = (1e-3 if dtype is np.float32 else 1e-8), 0, 0
    for name, gradient in right.items():
        for index in np.ndindex(gradient.shape):
            wrong = gradient.copy()
            wrong[index] *= 1 + error
            verdict = judge_backward(model, x, loss.backward(), g, {**right, name: wrong})
            seen += not verdict.held
            total += 1
    assert seen >= 0.95 * total if dtype is np.float32 else seen == total


class Swish(scratch.Module):
    pass


class MSELos:
    reduction = "mean"


class Lion:
    param_groups: tuple[()] = ()


def test_what_the_judge_does_not_know_is_named() -> None:
    given = trainer(scratch, lr=0.1)
    model = scratch.Sequential(scratch.ReLU(), Swish())
    with pytest.raises(
        TypeError, match=r"no rule for the layer Swish at '1'; it knows AlphaDropout, .*, Bilinear, CELU"
    ):
        StepJudge(model, given.loss, given.optimizer)
    with pytest.raises(TypeError, match=r"no rule for the loss MSELos \(did you mean MSELoss\?\)"):
        StepJudge(given.model, MSELos(), given.optimizer)
    with pytest.raises(TypeError, match=r"no rule for the optimizer Lion; it knows ASGD, Adadelta"):
        StepJudge(given.model, given.loss, Lion())


def test_the_judge_imports_no_side() -> None:
    code = "import handgrad.judge, sys; assert not {'torch', 'scratch', 'torch_impl'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
