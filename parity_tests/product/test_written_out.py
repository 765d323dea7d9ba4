"""Where the written-out step is used and shown: in training, where nobody looks into a step, and on two pages."""

import json
import re
from html import unescape

import numpy as np
import pytest

import scratch
from handgrad.experiments.overrides import with_overrides
from handgrad.experiments.own import find
from handgrad.report.page import render
from handgrad.trace import trace
from handgrad.trace.as_json import to_json
from handgrad.trace.page import page
from handgrad.training import written_out
from handgrad.training.outcome import Outcome
from handgrad.training.train import TIMED, prepare, train
from scratch.unroll import UnrollError


def told(run, prepared):
    """Everything that a run says, but for times, as text that differs where one bit does."""
    sides = {name: (s.losses, s.epochs, s.tally, s.confusion) for name, s in run.sides.items()}
    weights = {name: trainer.model.state_dict() for name, trainer in prepared.trainers.items()}
    moments = [(m.step, m.states) for m in run.moments]
    with np.printoptions(threshold=10**9, floatmode="unique"):
        return repr((sides, weights, moments, run.divergence, run.one_ulp_copy))


# By what the step holds besides weights: Adam's state, numbers drawn in every step, a first step of its own
@pytest.mark.parametrize(
    "fields", [{}, {"activation": "rrelu"}, {"optimizer": "Rprop", "batch_size": 30}], ids=["Adam", "RReLU", "Rprop"]
)
def test_training_tells_the_same_to_the_last_bit(monkeypatch, fields):
    recipe = with_overrides(find("moons"), {"epochs": 10, "judge_every": 15, **fields})
    runs, real, made = [], scratch.Trainer.step, []
    monkeypatch.setattr(scratch.Trainer, "step", lambda self, x, y: made.append(0) or real(self, x, y))
    for pays in (10**9, 1):
        monkeypatch.setattr(written_out, "PAYS", pays)
        prepared = prepare(recipe)
        run = train(prepared)
        runs.append((told(run, prepared), len(made), run))
        made.clear()
    steps = len(runs[0][2].divergence)
    assert runs[0][0] == runs[1][0]
    assert runs[0][1] >= 2 * steps
    assert runs[1][1] < TIMED + 30
    ours = runs[1][2].sides["scratch"]
    assert len(ours.seconds) == TIMED + sum(n > TIMED and (n % 15 == 1 or n == steps) for n in range(1, steps + 1))
    assert ours.seconds_written_out > 0


def test_a_step_that_cannot_be_written_out_is_the_trainers(monkeypatch):
    trainer = prepare(find("quartic")).trainers["scratch"]
    assert written_out.WrittenOut(trainer).make == trainer.step
    assert written_out.program(trainer, np.ones((3, 20), "f"), np.ones((3, 1), "f")) == ""
    later = prepare(find("grow-1")).trainers["scratch"]
    made = written_out.WrittenOut(later)

    def refused(x, y):
        raise UnrollError("what came to be there since")

    made.make = refused
    x = np.ones((1, 1), np.float32)
    assert made.step(x, x) > 0
    assert made.make == later.step


def shown(html):
    """The text in the page's section about it, and the comments that are muted."""
    (found,) = re.findall(r'<pre class="program"[^>]*><code>(.*?)</code>', html, re.DOTALL)
    return unescape(re.sub("</?i>", "", found)), unescape("\n".join(re.findall("<i>(.*?)</i>", found)))


def test_the_pages_show_it():
    prepared = prepare(with_overrides(find("grow-3"), {"epochs": 2}))
    run = train(prepared)
    text, comments = shown(render(Outcome.of(run)))
    assert text == run.program
    assert "#     y = x Wᵀ + b" in comments
    assert "# y = product(x, self.weight.data.T)" in comments
    assert "np.subtract(W0" not in comments
    found = trace(prepare(find("grow-3")), 2)
    assert shown(page(found))[0] == found.program == json.loads(to_json(found))["written_out"]
    assert "def step(x, y):" in found.program
