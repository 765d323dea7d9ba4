"""docs/reliability.md: its measured parts are the committed data's, and the data hold what is promised."""

import json
import re

from docs.writers.reliability import DATA, PAGE, PARTS, page
from parity_tests.meta import faults, growth
from parity_tests.product.test_checkpoint import KINDS, SCHEDULES, SIDES

TEXT, MEASURED = PAGE.read_text(encoding="utf-8"), json.loads(DATA.read_text(encoding="utf-8"))


def test_the_page_is_the_data():
    """`make faults` writes both."""
    assert set(MEASURED) == set(PARTS) == set(re.findall("<!-- measured: (.*) -->", TEXT))
    assert page(TEXT, MEASURED) == TEXT
    changed = MEASURED | {"cost": MEASURED["cost"] | {"bytes": 10**9}}
    assert page(TEXT, changed) != TEXT


def test_every_command_was_killed_in_every_phase():
    """By each signal; nothing was lost, and nothing else came out."""
    rows = {(row["command"], row["signal"]): row for row in MEASURED["kills"]["rows"]}
    assert set(rows) == {(name, number) for name in faults.COMMANDS for number in ("SIGKILL", "SIGTERM")}
    for (name, _), row in rows.items():
        moments = row["moments"]
        assert moments.keys() >= {"training", "writing"}
        assert ("evaluation" in moments) == (name not in ("bench", "distributed"))
        least = 20 if name == "bench" else 100
        assert all(moments[phase] >= least for phase in moments.keys() & {"training", "evaluation", "writing"})
        assert (row["lost"], row["broken"], row["equal"]) == (0, 0, sum(moments.values()))


def test_no_call_that_failed_left_a_mixture():
    assert [row["wrong"] for row in MEASURED["calls"]["rows"].values()] == [0, 0, 0]


def test_memory_did_not_grow():
    for name, rows in MEASURED["growth"]["rows"].items():
        assert growth.grown(name, rows) < 1
        assert rows[-1][0] >= growth.STEPS[name]


def test_a_checkpoint_costs_less_than_a_hundredth():
    assert MEASURED["cost"]["seconds"] < 0.01 * MEASURED["cost"]["every"]


def test_every_promise_has_its_test_and_its_figure():
    promises = re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", TEXT.partition("**Not promised.**")[0], re.MULTILINE)[1:]
    assert len(promises) > 10
    assert all(all(map(str.strip, row)) for row in promises)
    assert f"{len(KINDS)} optimizers × {len(SCHEDULES)} schedules" in TEXT
    assert f"{len(KINDS) * len(SCHEDULES) * len(SIDES) ** 2} files read" in TEXT
