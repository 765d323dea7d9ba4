"""`handgrad hunt`: every planted bug is found by the check, every repair is accepted, the page is the table's."""

import re
from pathlib import Path

import pytest

from docs.writers import museum
from handgrad import cli
from handgrad.check import check_gradients
from handgrad.hunt import HUNTS
from handgrad.hunt.catalogue import LOSSES, plain

NUMBERS = range(1, len(HUNTS) + 1)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_bug_is_one_line_of_the_file_and_wrong(number, tmp_path, capsys):
    hunt = HUNTS[number - 1]
    assert plain().count(hunt.right) == 1
    assert cli.main(["hunt", str(number), "--out", str(tmp_path / "bug")]) == 0
    file = tmp_path / "bug" / "parts.py"
    assert file.read_text() == hunt.planted() != plain()
    space = {}
    exec(hunt.planted(), space)  # without a file no line of it is tried: the verdict alone is wanted
    inputs = space["FAR"] if hunt.part in LOSSES else None
    assert check_gradients(space[hunt.part], inputs, dtype="float64").status == "wrong"
    task = (tmp_path / "bug" / "TASK.md").read_text()
    assert hunt.symptom in task
    assert "--check parts.py     # is it repaired?" in task
    told = task + capsys.readouterr().out
    for spoiler in (hunt.title, hunt.wrong, hunt.right, *hunt.hints, hunt.story, hunt.source):
        assert spoiler not in told


def test_the_file_without_a_bug_is_right(tmp_path):
    file = tmp_path / "parts.py"
    file.write_text(plain())
    parts = {hunt.part: hunt for hunt in HUNTS}
    assert set(parts) == set(re.findall(r"^class (\w+)", plain(), re.MULTILINE))
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
    assert file.read_text() == plain()


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
