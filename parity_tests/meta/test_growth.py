"""Steps leave nothing behind: a small run of the growth of memory, and that it would see what is kept."""

import pytest

import scratch
from parity_tests.meta import growth


@pytest.mark.parametrize("name", growth.KINDS)
def test_nothing_is_kept_of_a_step(name):
    """Whatever is kept takes a block at least: less than one for each step is none."""
    marks = [1000, 2000 if name == "compare" else 4000]
    assert growth.grown(name, growth.KINDS[name](marks)) < 1


def test_what_is_kept_is_seen(monkeypatch):
    kept, original = [], scratch.Trainer.step
    monkeypatch.setattr(scratch.Trainer, "step", lambda *given: kept.append([original(*given)]))  # two blocks
    assert growth.grown("Trainer", growth.alone([100, 300])) >= 1
