"""The scores of the criteria: every op and loss can be asked, and a few bugs whose scores are known."""

import numpy as np
import pytest
import torch

from handgrad.bugs import BUGS
from handgrad.judge import Verdict
from parity_tests.catalogue.tables import LOSSES, OPS
from parity_tests.meta import criteria as score

EVERYBODY = {score.OURS, *score.TOLERANCES}


def test_gradcheck_can_be_asked_about_every_op_and_loss():
    """Value and vector-Jacobian product of each check have the shapes that torch will want."""
    for check in score.checks():
        with np.errstate(all="ignore"):
            value, derivative = check.run(list(check.inputs))
            gradients = derivative(np.ones(np.shape(value)))
        for gradient, input in zip(gradients, check.inputs, strict=True):
            assert np.shape(gradient) == np.shape(input), check.name
    asked = {check.name for check in score.checks()}
    assert {f"[{name}-" for name, op in OPS.items() if (op.width or 0) <= 16} <= asked
    assert {f"[{name}-{reduction}-" for name in LOSSES for reduction in ("mean", "sum", "none")} <= asked


@pytest.mark.parametrize(
    ("bug", "caught", "on_normal_draws"),
    [
        ("cosine: gradients swapped", EVERYBODY, EVERYBODY),
        ("softplus: threshold of x", EVERYBODY, set()),  # seen where 20 < x < 67 only
        ("bce: gradient clamped at 1e-7", EVERYBODY, EVERYBODY),
    ],
)
def test_a_few_scores(bug, caught, on_normal_draws):
    assert score.caught_by(BUGS[bug], plain=False) == caught
    assert score.caught_by(BUGS[bug], plain=True) == on_normal_draws


def test_gradcheck_holds_for_the_right_code_only():
    check = next(c for c in score.checks() if c.name == "[SiLU-" and c.inputs[0].ndim == 2)
    assert check.holds()
    with score.planted(BUGS["silu: product rule forgotten"]):
        assert not check.holds()


def test_a_bug_is_tried_where_its_code_runs():
    record = score.right("test_ops::test_forward_and_backward[SiLU-float64]")
    assert score.reaches(record.ran, BUGS["silu: product rule forgotten"])
    assert not score.reaches(record.ran, BUGS["mish: product rule forgotten"])
    assert record.comparisons > 0
    assert not record.refused[score.OURS]


def test_recording_puts_the_judge_back():
    before = Verdict.compare, Verdict.refuse, np.testing.assert_array_equal
    with score.recording(score.Record()):
        assert Verdict.compare is not before[0]
    assert (Verdict.compare, Verdict.refuse, np.testing.assert_array_equal) == before
    assert torch.is_grad_enabled()
