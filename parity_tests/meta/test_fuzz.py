"""A small campaign of the fuzzer, the same every time; and that what it looks for it finds."""

import numpy as np
import pytest
from hypothesis import given, settings

import scratch
from contract import checks
from parity_tests.meta.fuzz.play import CLASSES, Line, play, smallest
from parity_tests.meta.fuzz.programs import programs
from parity_tests.meta.fuzz.subjects import INIT, SUBJECTS

FAMILIES = [list(SUBJECTS)[i::4] for i in range(4)]


def test_every_public_name_has_a_row():
    assert set(SUBJECTS) == {*scratch.__all__, *INIT} - {"ACTIVATIONS", "init"}  # which are no class and no function


@pytest.mark.parametrize("names", FAMILIES)
def test_hostile_programs(names):
    """Accepted alike or refused alike, in words, and without a trace."""

    @settings(max_examples=40)
    @given(programs(names))
    def one(drawn):
        name, program = drawn
        sides = SUBJECTS[name].sides
        for finding in play(program, sides).findings:
            raise AssertionError(smallest(finding, sides))

    one()


X = "draw('real', (5, 3))"
FORWARD = Line("m.forward", (X,), name="y")
RIGHT = scratch.ReLU.forward


def forgets(self, x):
    """A refused input is remembered as if it had been taken."""
    self._memory = None
    return RIGHT(self, x)


def writes(self, x):
    x[...] = 1
    return RIGHT(self, x)


# a class of findings → a forward with such a fault, and the lines that show it
FAULTS = {
    "unreadable": (lambda self, x: x.nothing, [FORWARD]),
    "one side": (lambda self, x: checks.axis("ReLU", (2,), 5), [FORWARD]),
    "other words": (lambda self, x: checks.axis("ReLU", (2,), 5), [Line("m.forward", ("None",))]),
    "other results": (lambda self, x: RIGHT(self, x) * np.float32(1.001), [FORWARD]),
    "trace": (forgets, [FORWARD, Line("m.forward", ("None",)), Line("m.backward", (X,))]),
    "written": (writes, [FORWARD]),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_found(monkeypatch, kind):
    """In the class that is its own, or in one that says more: the side that forgets refuses what the other takes."""
    forward, lines = FAULTS[kind]
    monkeypatch.setattr(scratch.ReLU, "forward", forward)
    program = (Line("side.ReLU", name="m"), *lines)
    kinds = {
        finding.kind for finding in play(program, ("scratch",) if kind == "trace" else ("scratch", "torch")).findings
    }
    assert kind in kinds


def test_every_class_of_findings_is_planted():
    assert set(FAULTS) == set(CLASSES) - {"unreadable on both sides"}


def test_a_finding_is_shown_with_as_few_lines_as_it_takes(monkeypatch):
    monkeypatch.setattr(scratch.ReLU, "forward", FAULTS["unreadable"][0])
    program = (Line("side.ReLU", name="m"), Line("m.eval"), Line("m.train"), FORWARD, Line("m.state_dict"))
    (finding,) = play(program).findings
    assert [str(line) for line in smallest(finding).program] == ["m = side.ReLU()", f"y = m.forward({X})"]
