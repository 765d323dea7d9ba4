"""A small run of the false alarms, and that the run would see one."""

import numpy as np
import pytest

import scratch
from handgrad.judge import judge_loss, judge_optimizer, snapshot
from parity_tests.catalogue.tables import DTYPES, SIDES
from parity_tests.meta import false_alarms as alarms

SMALL = 300  # cases per dtype: a few seconds


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_correct_net_is_accused(dtype):
    total = alarms.count(seed=1, cases=range(SMALL), dtype=dtype)
    assert total.alarms == []
    assert (total.nets, total.trained, total.pieces) == (SMALL, SMALL // alarms.TRAINED, SMALL // alarms.PIECES)
    assert total.numbers > 500 * SMALL
    # 3 % of 200,000 nets' numbers; whole nets overflow, and the few among 300 move the share by as much again.
    assert total.skipped < 0.1 * total.numbers


def wrong_tanh(self, grad_output):
    _, y = self._recall(grad_output)
    return grad_output * (1 - y)


def wrong_mse(self, grad_output=None):
    difference, u = self._recall(grad_output)
    return u * difference


def wrong_sgd(self, parameter, gradient, group, state):
    parameter.data -= gradient


PLANTED = {
    "an op": (scratch.Tanh, "backward", wrong_tanh),
    "a loss": (scratch.MSELoss, "backward", wrong_mse),
    "an optimizer": (scratch.SGD, "update", wrong_sgd),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_an_alarm(bug, monkeypatch, capsys):
    """With its case, which alone raises it again; without the bug the same case is silent."""
    kind, method, replacement = PLANTED[bug]
    assert hasattr(kind, method)
    with monkeypatch.context() as patched:
        patched.setattr(kind, method, replacement)
        found = (alarms.count(seed=1, cases=[case], dtype="float64").alarms for case in range(60))
        index, text = next(alarm for of_case in found for alarm in of_case)
        assert text.startswith("scratch: ")
        again = ["--case", str(index), "--dtype", "float64", "--seed", "1"]
        assert alarms.main(again) == 1
        printed = capsys.readouterr().out
        assert f"python -m parity_tests.meta.false_alarms {' '.join(again)}" in printed
        assert text in printed
    assert alarms.main(again) == 0
    assert "alarms   0" in capsys.readouterr().out


def test_processes_share_the_cases(capsys, monkeypatch):
    monkeypatch.setattr(alarms, "CHUNK", 10)
    assert alarms.main(["20", "--workers", "2"]) == 0
    assert "nets     20 on both sides, 1 of them trained" in capsys.readouterr().out


def test_what_fails_names_its_case(monkeypatch):
    monkeypatch.delattr(scratch, "Sequential")
    with pytest.raises(AttributeError) as refused:
        alarms.count(seed=1, cases=range(7, 8), dtype="float32")
    assert refused.value.__notes__ == ["in case 7 of seed 1, float32"]


# --- what was an alarm once ------------------------------------------------------------------------------------------


def reciprocal_overflows(side, dtype):
    """1/D overflows for weights of no more than a few subnormals: a program that multiplies by it has ∞·0 = NaN."""
    weight = np.full(3, float(np.finfo(dtype).smallest_subnormal) * 4, dtype)
    loss = side.NLLLoss(weight=weight, ignore_index=2)
    yield judge_loss(loss, np.ones((2, 3), dtype), np.array([0, 2]))


def weights_underflow(side, dtype):
    """A product of a subnormal weight and a probability is off by η, and then multiplied by log p = −1e9."""
    weight = np.array([3, 7, 5], dtype) * np.finfo(dtype).smallest_subnormal
    loss = side.CrossEntropyLoss(weight=weight)
    target = np.array([[0.3, 0.3, 0.4], [0.9, 0.05, 0.05]], dtype)
    yield judge_loss(loss, np.array([[1e9, 0, -1e9], [0, 1e9, 3e8]], dtype), target)


def difference_overflows(side, dtype):
    """PyTorch's m + (1 − β₁)(g − m) passes through g − m, which overflows where β₁m + (1 − β₁)g does not."""
    parameter = side.Parameter(np.ones(1, dtype))
    optimizer = side.Adam([parameter], lr=0.1)
    for sign in (1, -1):
        parameter.grad = np.full(1, sign * 0.95 * float(np.finfo(dtype).max), dtype)
        if sign < 0:
            optimizer.load_state_dict({**(state := optimizer.state_dict()), "state": {0: moved(state["state"][0])}})
        before = snapshot(optimizer)
        optimizer.step()
        yield judge_optimizer(optimizer, before)


def moved(state):
    """With m near the largest number, where many steps of such gradients would have brought it."""
    return {**state, "exp_avg": state["exp_avg"] * 9, "exp_avg_sq": np.ones_like(state["exp_avg"])}


ONCE = {case.__name__: case for case in (reciprocal_overflows, weights_underflow, difference_overflows)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", ONCE)
def test_what_was_an_alarm_once(case, side, dtype):
    with np.errstate(all="ignore"):
        for verdict in ONCE[case](SIDES[side], dtype):
            assert verdict.held, verdict.render()
