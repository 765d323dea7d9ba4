"""The list of equivalent mutants is up to date: what it says is changed still stands in the file, and says why."""

import pathlib

import scratch
from parity_tests.meta.mutants import equivalent

ROOT = pathlib.Path(scratch.__file__).parent.parent


def test_every_listed_change_is_of_code_that_is_there():
    reasons = equivalent()
    assert reasons
    for change, why in reasons.items():
        lines = " ".join(line.strip() for line in (ROOT / change.file).read_text(encoding="utf-8").splitlines())
        assert change.was in lines, str(change)
        assert change.was != change.now, str(change)
        assert len(why) > 20, str(change)
