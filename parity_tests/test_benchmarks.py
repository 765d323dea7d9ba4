"""The benchmark refuses what is wrong, reports what it measured, and its interval is an interval of the median."""

import json

import numpy as np
import pytest

import scratch
from benchmarks import command, step

TINY = step.Net((2, 3, 2), 4)


def test_a_wrong_side_is_not_timed(monkeypatch):
    backward = scratch.ReLU.backward
    monkeypatch.setattr(scratch.ReLU, "backward", lambda self, grad_output: 2 * backward(self, grad_output))
    with pytest.raises(step.ParityError, match="constant ratio 2"):
        step.time_step(TINY, blocks=2)


def test_both_sides_are_timed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "NETS", (TINY,))
    monkeypatch.setattr(step, "BLOCK_SECONDS", 1e-4)
    assert command.run_benchmark(tmp_path / "result.json") == 0
    (timing,) = json.loads((tmp_path / "result.json").read_text())["timings"]
    ratios = np.array([torch / ours for ours, torch in timing["samples"]])
    assert len(ratios) == step.BLOCKS
    assert timing["ratio"] == np.median(ratios)
    assert timing["low"] <= timing["ratio"] <= timing["high"]
    assert "2-3-2" in capsys.readouterr().out


def test_interval_covers_the_median():
    """In 2000 samples of a lopsided distribution, the 95 % interval holds the true median at least 93 % of the time:
    0.93 is four standard errors (√(0.95·0.05/2000) = 0.0049) below."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        low, high = step.median_interval(rng.exponential(size=40))
        inside += low <= np.log(2) <= high
    assert 0.93 < inside / 2000


def test_threads_are_asserted(monkeypatch):
    monkeypatch.setattr(step.torch, "get_num_threads", lambda: 7)
    with pytest.raises(RuntimeError, match=r"asked for one thread.*7"):
        step.assert_one_thread()
