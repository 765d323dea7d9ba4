"""`docs/sources.md` says what its claims give: every quick one is measured again here, and a stale page fails."""

import dataclasses
import re
import shlex
from functools import cache

import pytest
import typer

import scratch
from docs.writers.articles import CLAIMS, Claim, page
from docs.writers.articles.measure import NAMES, measured, recipe
from docs.writers.articles.table import LESSONS, TITLES
from handgrad.cli.app import app
from handgrad.experiments import EXPERIMENTS
from handgrad.training.sides import SIDES

REFRESH = "run: make sources"
VALUES = page.load()
ALL = {f"{number}/{name}": claim for number, claims in CLAIMS.items() for name, claim in claims.items()}
MEASURED = {key: claim for key, claim in ALL.items() if claim.measure is not None}
SEEN = sorted({text for claim in ALL.values() for text in claim.see})


@cache
def again(measure):
    """Measured once, however many claims show it."""
    return measured("again", next(claim for claim in MEASURED.values() if claim.measure is measure))


def test_page_is_what_boxes_and_values_give():
    assert (page.DOCS / page.PAGE).read_text(encoding="utf-8") == page.render(VALUES), REFRESH


def test_every_box_and_experiment_is_measured_and_nothing_else():
    assert set(VALUES["claims"]) == set(MEASURED), REFRESH
    assert set(VALUES["experiments"]) == set(NAMES), REFRESH
    assert set(CLAIMS) == set(TITLES)
    numbered = {name for name, experiment in EXPERIMENTS.items() if experiment.source in LESSONS}
    assert numbered <= set(NAMES), "an experiment of a source that no claim shows"


@pytest.mark.parametrize("key", MEASURED)
def test_a_quick_claim_gives_what_the_page_says(key):
    claim = MEASURED[key]
    assert again(claim.measure) == VALUES["claims"][key], REFRESH
    assert set(VALUES["claims"][key]) == set(SIDES)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_of_the_recipe_that_is_there_and_met_its_bound(name):
    found, experiment = VALUES["experiments"][name], EXPERIMENTS[name]
    assert found["recipe"] == recipe(experiment), REFRESH
    assert found["metric"] == experiment.expect.metric
    assert all(experiment.expect.met(found["reached"][side]) and found["numbers"][side] > 0 for side in SIDES)


def test_a_box_without_values_says_why():
    assert all(page.done(claim) or claim.cannot for claim in ALL.values())
    assert all(claim.see and claim.shows for claim in ALL.values())


@pytest.mark.parametrize("text", SEEN)
def test_what_the_page_points_at_is_there(text):
    if not text.startswith(page.COMMANDS):
        assert (page.DOCS / text).resolve().exists()
        return
    program, name, *arguments = shlex.split(text)
    assert program == "handgrad"
    group = typer.main.get_command(app)
    command = group.commands[name]
    if "--help" not in arguments:
        context = command.make_context(name, arguments)  # an unknown option or a missing value raises
        given = context.params.get("name")
        assert given is None or given in EXPERIMENTS or given == "dead-relu"


def test_lessons_are_there():
    assert all((page.DOCS.parent / "lessons" / name).is_file() for name in LESSONS.values())


def test_sides_that_differ_are_not_written():
    claim = Claim(shows="their names", measure=lambda side: side.__name__, see=("README.md",))
    with pytest.raises(ArithmeticError, match=r"the sides differ: scratch \| torch_impl"):
        measured("000/names", claim)
    assert measured("000/names", dataclasses.replace(claim, differs="on purpose")) == {
        "scratch": "scratch",
        "torch": "torch_impl",
    }


def test_a_bug_in_one_side_is_seen(monkeypatch):
    right = scratch.MSELoss.backward
    monkeypatch.setattr(scratch.MSELoss, "backward", lambda self, grad_output=None: 2 * right(self))
    with pytest.raises(ArithmeticError, match=r"the sides differ: .* MSELoss 0\.02, .* \| .* MSELoss 0\.01, "):
        measured("002/loss-convention", MEASURED["002/loss-convention"])


def test_a_changed_recipe_and_a_changed_word_are_noticed(monkeypatch):
    experiment = EXPERIMENTS["xor"]
    assert recipe(dataclasses.replace(experiment, lr=0.02)) != recipe(experiment)
    assert recipe(dataclasses.replace(experiment, seconds=1.0)) == recipe(experiment)
    before = page.render(VALUES)
    monkeypatch.setitem(CLAIMS["000"], "grad-none", dataclasses.replace(ALL["000/grad-none"], shows="something else"))
    assert page.render(VALUES) != before


def test_tables_are_tables():
    """Every row has as many cells as its header, whatever stands in them."""
    lines = [line for line in page.render(VALUES).splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {9}
    assert len(lines) == len(ALL) + 2 * len(CLAIMS)
