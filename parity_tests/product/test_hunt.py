"""`handgrad hunt`: every planted bug is found by the check, every repair is accepted, the page is the table's."""

import re
from pathlib import Path

import pytest

from docs.writers import museum
from handgrad import cli
from handgrad.check import check_gradients
from handgrad.hunt import HUNTS
from handgrad.hunt.catalogue import ROOMS, plain

NUMBERS = range(1, len(HUNTS) + 1)
NAMED = {
    1: "only the diagonal of the Jacobian",
    5: "taken at the output instead of the input",
    8: "constant ratio 1/2",
    9: "that of each sample's own loss",
    11: "swapped: it is the reference of bias",
    14: "was given the input instead of the output",
    21: "broadcast: the shapes differ",
    22: "only at index 1 of axis 0",
    24: "the term x·h′(x) is missing",
}
"""What the check says of a bug, where it has words for it."""


@pytest.mark.parametrize("number", NUMBERS)
def test_each_bug_is_one_line_of_the_file_and_wrong(number, tmp_path, capsys):
    hunt = HUNTS[number - 1]
    whole = plain(hunt.room)
    assert whole.count(hunt.right) == 1
    assert cli.main(["hunt", str(number), "--out", str(tmp_path / "bug")]) == 0
    file = tmp_path / "bug" / "parts.py"
    assert file.read_text() == hunt.planted() != whole
    space = {}
    exec(hunt.planted(), space)  # without a file no line of it is tried: the verdict alone is wanted
    found = check_gradients(space[hunt.part], space.get(hunt.inputs), dtype="float64")
    assert found.status == "wrong"
    assert NAMED.get(number, "") in found.render()
    task = (tmp_path / "bug" / "TASK.md").read_text()
    assert hunt.symptom in task
    assert "--check parts.py     # is it repaired?" in task
    told = task + capsys.readouterr().out
    for spoiler in (hunt.title, hunt.wrong, hunt.right, *hunt.hints, hunt.story, hunt.source):
        assert spoiler not in told


@pytest.mark.parametrize("room", ROOMS)
def test_a_file_without_a_bug_is_right(room, tmp_path):
    file = tmp_path / "parts.py"
    file.write_text(plain(room))
    parts = {hunt.part: hunt for hunt in HUNTS if hunt.room == room}
    assert set(parts) == set(re.findall(r"^class (\w+)", plain(room), re.MULTILINE))
    for hunt in parts.values():
        assert hunt.check(file, dtype="float64").status == "agree", hunt.part


def test_a_repair_is_judged(tmp_path, capsys):
    file = tmp_path / "bug" / "parts.py"
    cli.main(["hunt", "3", "--out", str(file.parent)])
    assert cli.main(["hunt", "3", "--check", str(file)]) == 1
    assert "still there" in capsys.readouterr().out
    file.write_text(file.read_text().replace(HUNTS[2].wrong, HUNTS[2].right))
    assert cli.main(["hunt", "3", "--check", str(file)]) == 0
    assert HUNTS[2].title in capsys.readouterr().out
    assert cli.main(["hunt", "3", "--out", str(file.parent)]) == 2  # the repair is not overwritten
    assert file.read_text() == plain(HUNTS[2].room)


def test_hints_and_story(capsys):
    for i in (1, 2, 3):
        assert cli.main(["hunt", "1", "--hint", str(i)]) == 0
        assert capsys.readouterr().out.strip() == HUNTS[0].hints[i - 1]
    assert cli.main(["hunt", "1", "--story"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(text in shown for text in (HUNTS[0].story, HUNTS[0].lesson, HUNTS[0].source, HUNTS[0].wrong))


def test_the_list_names_every_symptom_and_no_answer(capsys):
    assert cli.main(["hunt"]) == 0
    shown = capsys.readouterr().out
    for hunt in HUNTS:
        assert hunt.symptom in shown
        assert hunt.title not in shown
    assert len(HUNTS) == 30
    assert len({hunt.symptom for hunt in HUNTS}) == len({hunt.source for hunt in HUNTS}) == len(HUNTS)


BAD = {
    "number": (["99", "--story"], ["from 1 to", "99"]),
    "word": (["softmax", "--story"], ["whole number", "softmax"]),
    "hint": (["1", "--hint", "4"], ["--hint", "from 1 to 3", "4"]),
    "no number": (["--story"], ["--story", "number"]),
    "nothing asked": (["1"], ["--out, --check, --hint and --story", "none"]),
    "two things": (["1", "--story", "--hint", "1"], ["--hint and --story"]),
    "no file": (["1", "--check", "/nowhere/parts.py"], ["/nowhere/parts.py"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case, capsys):
    arguments, words = BAD[case]
    assert cli.main(["hunt", *arguments]) == 2
    found = capsys.readouterr()
    assert len(found.err.splitlines()) == 1
    assert all(word in found.err for word in words)


def test_the_museum_is_what_its_writer_writes():
    assert Path(museum.PAGE).read_text(encoding="utf-8") == museum.page(), "run python -m docs.writers.museum"
