"""Planted bugs: every one of the catalogue is refused by the suite, and named where the judge has a name for it.

The other half: without the bug the scenario holds on the examples that it refused it with, and a planted bug is gone
when it is taken out.
"""

import inspect
from collections import Counter

import pytest

import scratch
from handgrad.bugs import BUGS, Bug, Edit, planted
from handgrad.judge import judge_forward
from parity_tests.meta.scenarios import EXAMPLES, SCENARIOS, in_order
from parity_tests.support.strategies import LAYOUTS, STYLES

ALL = {scenario.name: scenario for scenarios in SCENARIOS.values() for scenario in scenarios}


HELD = Counter()
"""Scenario → of how many examples it holds for the code as it is: asked once for all the bugs that they refuse."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_refused_and_named(name):
    bug = BUGS[name]
    with planted(bug):
        tried = ((scenario.name, *scenario.tried()) for scenario in in_order(bug))
        where, text, examples = next((found for found in tried if found[1]), ("", "", 0))
    assert text, f"{name}: all {len(ALL)} scenarios hold"
    assert bug.pattern in text, f"{name}: {where} says\n{text}"
    if where not in HELD or HELD[where] < examples:
        assert ALL[where].refusal(max(examples, 1)) == ""
        HELD[where] = examples


def test_a_hint_finds_its_scenario():
    """A hint that no scenario's name contains would cost time and mislead the reader."""
    for name, bug in BUGS.items():
        assert bug.kind in SCENARIOS, name
        assert any(bug.hint in scenario for scenario in ALL), name


def test_scenarios_have_names_of_their_own():
    names = Counter(scenario.name for scenarios in SCENARIOS.values() for scenario in scenarios)
    assert [name for name, count in names.items() if count > 1] == []


def test_examples_have_every_style_layout_and_batch():
    assert {example.draw.style for example in EXAMPLES} == set(STYLES)
    assert {example.draw.layout for example in EXAMPLES} == set(LAYOUTS)
    assert {None, 0, 1, 2, 16} <= {example.batch for example in EXAMPLES}
    assert any(example.batch == example.width for example in EXAMPLES)


def test_a_bug_is_planted_and_taken_out():
    """Also when what runs meanwhile fails; and no two bugs are the same change."""
    forward = inspect.unwrap(scratch.Linear.forward)
    before = forward.__code__
    with pytest.raises(ZeroDivisionError, match="while it was wrong"), planted(BUGS["bias subtracted"]):
        raise ZeroDivisionError("while it was " + ("right" if forward.__code__ is before else "wrong"))
    assert forward.__code__ is before
    assert judge_forward(scratch.Linear(3, 4, rng=0), EXAMPLES[0].draw.array((5, 3), "float32")).held
    assert len({bug.edits for bug in BUGS.values()}) == len(BUGS)


@pytest.mark.parametrize("old", ["no such text", "self"])
def test_a_text_that_is_not_there_once_is_refused(old):
    bug = Bug("", "", (Edit("Linear.forward", old, "pass"),))
    with pytest.raises(ValueError, match=r"Linear.forward has \d+ times, not once"), planted(bug):
        pass
    assert old == "no such text" or old in inspect.getsource(scratch.Linear.forward)
