"""Start here: the claim of this project, tested against PyTorch itself.

    `scratch`, NumPy and gradients derived by hand, computes what `torch.nn`, autograd and `torch.optim` compute.

Hypothesis draws the problems: layer sizes, activation, loss, batch size, inputs and weights (zeros, ties, saturation,
huge and tiny scales), memory layouts and the options of SGD. For every problem the judge computes each number a third
time, as an interval that contains the result of every correct program. Both answers must lie inside: there is no `rtol`
or `atol`.

The PyTorch side is written out in this file with torch's own classes; the adapters of `torch_impl` are not involved.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

import scratch
from contract.names import ACTIVATIONS
from handgrad.bugs import BUGS, planted
from handgrad.judge import StepJudge, Verdict, judge_net
from parity_tests.support.judged import judged
from parity_tests.support.strategies import Draw, draws, filled_batches, moderate_draws, rows, seeds, widths

# Loss → what its targets are. Each has the same name and the same options in `scratch` and in `torch.nn`.
LOSSES = {
    "CrossEntropyLoss": "classes",
    "BCEWithLogitsLoss": "probabilities",
    "MSELoss": "numbers",
    "L1Loss": "numbers",
    "SmoothL1Loss": "numbers",
}


# --- One problem, and its net on both sides ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A net, a loss and what batches are drawn from. What hypothesis prints of it is enough to build it again."""

    sizes: tuple[int, ...]
    activation: str
    loss: str
    reduction: str
    dtype: str
    inputs: Draw
    weights: Draw | None  # None: as the layers draw them themselves
    seed: int  # of those, and of the targets

    def by_hand(self) -> tuple[scratch.MLP, scratch.Loss]:
        net = scratch.MLP(self.sizes, self.activation, dtype=self.dtype, rng=self.seed)
        if self.weights:
            state = net.state_dict().items()
            net.load_state_dict({k: self.weights.array(a.shape, a.dtype, i) for i, (k, a) in enumerate(state)})
        return net, getattr(scratch, self.loss)(reduction=self.reduction)

    def in_torch(self) -> tuple[torch.nn.Sequential, Any]:
        kind, options = ACTIVATIONS[self.activation]
        layers = []
        for in_features, out_features in pairwise(self.sizes):
            layers += [torch.nn.Linear(in_features, out_features), getattr(torch.nn, kind)(**options)]
        net = torch.nn.Sequential(*layers[:-1]).to(getattr(torch, self.dtype))
        return net, getattr(torch.nn, self.loss)(reduction=self.reduction)

    def batch(self, size: int | None, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Inputs in the drawn layout, and targets. Without a size it is one sample without a batch axis."""
        x = self.inputs.array(rows(size, self.sizes[0]), self.dtype, number)
        rng, shape = np.random.default_rng([self.seed, number]), rows(size, self.sizes[-1])
        if LOSSES[self.loss] == "classes":
            return x, np.asarray(rng.integers(0, self.sizes[-1], shape[:-1]))
        return x, (rng.random(shape) if LOSSES[self.loss] == "probabilities" else rng.normal(size=shape)).astype(
            x.dtype
        )


usual = st.sampled_from(["relu", "tanh", "sigmoid"])  # every second net has one of these
every = st.sampled_from([name for name in ACTIVATIONS if name != "rrelu"])  # which draws slopes of its own

problems = st.builds(
    Problem,
    sizes=st.lists(widths, min_size=2, max_size=4).map(tuple),
    activation=usual | every,
    loss=st.sampled_from(list(LOSSES)),
    reduction=st.sampled_from(["mean", "sum"]),
    dtype=st.sampled_from(["float32", "float64"]),
    inputs=draws,
    weights=st.none() | moderate_draws,
    seed=seeds,
)


def tensors(state: Any) -> Any:
    """A state dict of `scratch` as one of torch: the arrays become tensors, and nothing else changes."""
    if isinstance(state, dict):
        return {key: tensors(value) for key, value in state.items()}
    return torch.from_numpy(state.copy()) if isinstance(state, np.ndarray) else state


# --- Output, loss and every gradient ----------------------------------------------------------------------------------


def hand_written(net: scratch.MLP, loss: scratch.Loss, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    output = net.forward(x)
    value = loss.forward(output, y)
    grad_input = net.backward(loss.backward())
    gradients = dict(net.named_gradients())
    return {"output": output, "value": value, "grad_input": grad_input, "gradients": gradients}


def autograd(net: torch.nn.Sequential, loss: Any, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    output = net(x.requires_grad_())
    value = loss(output, y)
    value.backward()
    gradients = {f"layers.{name}": parameter.grad for name, parameter in net.named_parameters()}
    return {"output": output, "value": value, "grad_input": x.grad, "gradients": gradients}


def one_pass(problem: Problem, size: int | None) -> list[Verdict]:
    """Both sides compute; one reference judges both, so two answers that hold differ by at most two radii."""
    net, loss = problem.by_hand()
    torch_net, torch_loss = problem.in_torch()
    torch_net.load_state_dict(tensors(net.layers.state_dict()))
    x, y = problem.batch(size)
    ours = hand_written(net, loss, x, y)
    theirs = autograd(torch_net, torch_loss, torch.tensor(x.copy()), torch.tensor(y))
    return [judge_net(net, loss, x, y, **ours), judge_net(net, loss, x, y, **theirs, side="torch autograd")]


def test_output_loss_and_every_gradient():
    with np.errstate(all="ignore"):
        judged(one_pass, times=25, problem=problems, size=filled_batches | st.none())


# --- Steps of SGD -----------------------------------------------------------------------------------------------------

rate, share = st.floats(1e-6, 1.0), st.floats(0.0, 0.99)
always = {"lr": rate, "weight_decay": st.just(0.0) | share, "maximize": st.booleans()}
sgd_options = (
    st.fixed_dictionaries(always)
    | st.fixed_dictionaries({**always, "momentum": share, "dampening": st.just(0.0) | share})
    | st.fixed_dictionaries({**always, "momentum": st.floats(0.01, 0.99), "nesterov": st.just(True)})
)


def some_steps(problem: Problem, options: dict[str, Any], batches: list[int]) -> list[Verdict]:
    """The hand-written side trains. Before each step torch takes over its weights and momentum; then both step.

    Each step is judged as a whole: loss, every gradient, every new weight, every momentum buffer.
    """
    net, loss = problem.by_hand()
    sgd = scratch.SGD(net.parameters(), **options)
    trainer = scratch.Trainer(net, loss, sgd)
    torch_net, torch_loss = problem.in_torch()
    torch_sgd = torch.optim.SGD(torch_net.parameters(), **options)
    judge, torch_judge = StepJudge(net, loss, sgd), StepJudge(torch_net, torch_loss, torch_sgd)
    verdicts = []
    for number, size in enumerate(batches):
        torch_net.load_state_dict(tensors(net.layers.state_dict()))
        torch_sgd.load_state_dict(tensors(sgd.state_dict()))
        x, y = problem.batch(size, number)

        before = judge.before()
        value = trainer.step(x, y)
        verdicts.append(judge.after(before, x, y, value))

        before = torch_judge.before()
        torch_sgd.zero_grad()
        torch_value = torch_loss(torch_net(torch.tensor(x.copy())), torch.tensor(y))
        torch_value.backward()
        torch_sgd.step()
        verdicts.append(torch_judge.after(before, x, y, torch_value))
    return verdicts


def test_sgd_steps():
    with np.errstate(all="ignore"):
        batches = st.lists(filled_batches, min_size=1, max_size=4)
        judged(some_steps, times=10, problem=problems, options=sgd_options, batches=batches)


# --- These tests can fail ---------------------------------------------------------------------------------------------

EXAMPLE = Problem((3, 5, 4), "tanh", "CrossEntropyLoss", "mean", "float64", Draw("normal", "contiguous", 1), None, 2)
OPTIONS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}


@pytest.mark.parametrize(
    ("bug", "tensor"),
    {
        "tanh: square forgotten": "gradient of layers.0.weight",
        "bias gradient averaged": "gradient of layers.0.bias",
        "1e-8 in one entry": "gradient of layers.0.weight",
        "sgd: momentum ignored": "new layers.0.weight",
    }.items(),
)
def test_a_planted_bug_is_seen(bug, tensor):
    """The hand-written code is changed as a person might get it wrong; only that side is refused, and only then."""
    assert all(verdict.held for verdict in _example())
    with planted(BUGS[bug]):
        verdicts = _example()
    refused = [verdict for verdict in verdicts if not verdict.held]
    assert {verdict.side for verdict in refused} == {"scratch"}
    assert tensor in {failure.tensor for verdict in refused for failure in verdict.failures}


def _example() -> list[Verdict]:
    return [*one_pass(EXAMPLE, 8), *some_steps(EXAMPLE, OPTIONS, [8, 5])]
