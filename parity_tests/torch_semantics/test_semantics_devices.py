"""Where PyTorch on a GPU computes something else than on a CPU. Without a GPU the first three tests have no rows.

The GPU's way over many tensors at once, `foreach`, can be asked for on a CPU as well: those tests run everywhere.
"""

import numpy as np
import pytest
import torch

from handgrad.judge import judge_optimizer, snapshot
from parity_tests.catalogue.tables import DEVICES

SIXTH = float(np.float32(1 / 6))


@pytest.mark.parametrize("device", DEVICES)
def test_a_hard_sigmoid_takes_a_sixth_in_single_precision(device):
    """In float64 too: 3e-8 of every value in (−3, 3), 10⁸ ulp. On a CPU this is so in its gradient alone."""
    x = torch.linspace(-2.9, 2.9, 59, dtype=torch.float64, device=device)
    theirs = torch.nn.functional.hardsigmoid(x)
    torch.testing.assert_close(theirs, (x + 3) * SIXTH, rtol=4e-16, atol=0)  # the product may be one fused operation
    assert ((theirs / ((x + 3) / 6) - 1).abs() > 2e-8).all()


@pytest.mark.parametrize("device", DEVICES)
def test_a_hard_swish_takes_a_sixth_in_single_precision(device):
    x = torch.linspace(-2.9, 2.9, 58, dtype=torch.float64, device=device)
    theirs = torch.nn.functional.hardswish(x)
    torch.testing.assert_close(theirs, x * (x + 3) * SIXTH, rtol=8e-16, atol=0)  # and its three factors in any order
    assert ((theirs / (x * (x + 3) / 6) - 1).abs() > 2e-8).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("loss", [torch.nn.CrossEntropyLoss, torch.nn.NLLLoss])
def test_one_ignored_sample_without_a_batch_axis_costs_nothing(loss, device):
    """0 on a GPU, 0/0 on a CPU, and in a batch of one on both."""
    x, ignored = torch.zeros(3), torch.tensor(1)
    mean = loss(ignore_index=1)
    assert mean(x.to(device), ignored.to(device)) == 0
    assert mean(x[None].to(device), ignored[None].to(device)).isnan()
    assert mean(x, ignored).isnan()


def test_nesterov_over_many_tensors_overwrites_the_gradient():
    """`p.grad` is g + momentum · buffer afterwards; one tensor at a time it stays. `torch_impl` asks for the latter."""
    for foreach in (True, False):
        p = torch.nn.Parameter(torch.ones(3))
        p.grad = torch.ones(3)
        torch.optim.SGD([p], lr=0.1, momentum=0.5, nesterov=True, foreach=foreach).step()
        assert p.grad.tolist() == [1.5 if foreach else 1.0] * 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_asgd_over_many_tensors_computes_its_rate_in_single_precision(dtype):
    """η is an ulp off for some steps; the judge allows that."""
    rates = []
    for foreach in (True, False):
        p = torch.nn.Parameter(torch.ones(3, dtype=dtype))
        optimizer = torch.optim.ASGD([p], lr=0.05, lambd=0.03, foreach=foreach)
        rates.append([])
        for _ in range(20):
            p.grad = torch.ones(3, dtype=dtype)
            before = snapshot(optimizer)
            optimizer.step()
            verdict = judge_optimizer(optimizer, before)
            assert verdict.held, verdict.render()
            rates[-1].append(optimizer.state[p]["eta"].item())
    apart = np.abs(np.subtract(*rates) / np.spacing(np.float32(rates[0])))
    assert 0 < apart.max() <= 2
