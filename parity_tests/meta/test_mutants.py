"""The list of equivalent mutants is up to date: what it says is changed still stands in the file, and says why."""

import pathlib
from itertools import accumulate

import scratch
from parity_tests.meta.mutants import equivalent

ROOT = pathlib.Path(scratch.__file__).parent.parent


def test_every_listed_change_is_of_code_that_is_there():
    reasons = equivalent()
    assert reasons
    for change, why in reasons.items():
        lines = [line.strip() for line in (ROOT / change.file).read_text(encoding="utf-8").splitlines()]
        starts = [i for i, line in enumerate(lines) if line and change.was.startswith(line)]
        runs = (accumulate(lines[i : i + 12], "{} {}".format) for i in starts)
        assert any(change.was in run for run in runs), str(change)  # whole lines, with their comments
        assert change.was != change.now, str(change)
        assert len(why) > 20, str(change)
