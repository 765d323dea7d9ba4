"""`handgrad hunt`: every planted bug is found by the check, every repair is accepted, the page is the table's."""

import itertools
import re
from pathlib import Path

import pytest

from docs.writers import museum
from handgrad import cli
from handgrad.check import check_file, check_gradients
from handgrad.hunt import HUNTS
from handgrad.hunt.catalogue import ROOMS, plain
from handgrad.hunt.score import FILE, Score

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
    assert "--check parts.py   # is it repaired?" in task
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
        inputs = f"{file}:{hunt.inputs}" if hunt.inputs else None
        found = check_file(f"{file}:{hunt.part}", hunt.like, dtype="float64", inputs=inputs)
        assert found.status == hunt.check(file).status == "agree", hunt.part


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


# By what is done to a file with the bug: the number, the text that is replaced, and what is said.
CHANGED = {
    "forward": (16, "np.where(x > 0, x, self.weight * x)", "x", "PReLU.forward was changed: its output is another"),
    "forward and backward": (
        16,
        "np.where(x > 0, x, self.weight * x)\n        return self.y\n\n    def backward(self, grad):\n",
        "x\n        return x\n\n    def backward(self, grad):\n        self.grad_weight = 0\n        return grad\n",
        "PReLU.forward was changed, or a gradient is missing: ",
    ),
    "a case of forward": (7, "np.where(size <= 1,", "np.where(self.d <= 1,", "Huber.forward was changed"),
    "no methods": (3, "class LeakyReLU:", "class LeakyReLU: 1\nclass A:", "LeakyReLU.forward is no longer in the file"),
    "another class": (3, "class Softmax:", "class Softmin:", "Softmax is no longer in the file: mend it there"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_change_that_mends_nothing_is_refused_and_no_guess(case, tmp_path, capsys, monkeypatch):
    number, old, new, words = CHANGED[case]
    monkeypatch.chdir(tmp_path)
    cli.main(["hunt", str(number), "--out", "bug"])
    text = HUNTS[number - 1].planted()
    assert old in text
    (tmp_path / "bug" / "parts.py").write_text(text.replace(old, new))
    assert cli.main(["hunt", str(number), "--check", "bug/parts.py"]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert scored(tmp_path, capsys)[0][number][2] == "0"


@pytest.mark.parametrize("number", NUMBERS)
def test_a_task_advises_what_is_in_its_file(number):
    hunt = HUNTS[number - 1]
    task = hunt.task(number, hunt.symptom)
    for part in re.findall(r"parts\.py:([A-Z]\w+) --like", task):
        assert f"\nclass {part}:" in hunt.planted()
    assert ("--like" in task) == (hunt.room in ("activations", "losses"))
    assert (f"`--inputs parts.py:{hunt.inputs}`" in task) == bool(hunt.inputs)


def scored(folder, capsys):
    """The rows of --score: bug → (points, hint, wrong guesses, words); and its last lines."""
    assert cli.main(["hunt", "--score"]) == 0
    rows, _, sums = capsys.readouterr().out.partition("\n\n")
    found = [re.fullmatch(r" +(\d+) +(\d+) +(\d|–) +(\d+)  (.+)", row).groups() for row in rows.splitlines()[1:]]
    return {int(number): rest for number, *rest in found}, sums.splitlines()


# What is done with bug 3 in turn, and its points then. `wrong` checks a repair that is none, `right` one that is.
PLAYED = {
    "found at once": (["right"], 10),
    "its line named": (["line"], 10),
    "its line named, then repaired": (["line", "right"], 10),
    "one wrong guess": (["wrong", "right"], 9),
    "checked as it was": (["unchanged", "unchanged", "right"], 10),
    "another line": (["other line", "other line", "line"], 8),
    "one hint": (["hint 1", "line"], 8),
    "all hints cost as the last": (["hint 1", "hint 2", "hint 3", "line"], 4),
    "the last hint alone": (["hint 3", "line"], 4),
    "never less than one": (["hint 3", *["wrong"] * 9, "right"], 1),
    "the answer read": (["story", "line"], 0),
    "the answer read afterwards": (["line", "story", "hint 3", "other line"], 10),
    "not found": (["hint 1", "wrong"], 0),
}


@pytest.mark.parametrize("case", PLAYED)
def test_a_hunt_is_scored(case, tmp_path, capsys, monkeypatch):
    moves, points = PLAYED[case]
    monkeypatch.chdir(tmp_path)
    assert cli.main(["hunt", "3", "--out", "bug"]) == 0
    hunt = HUNTS[2]
    wrong, right = "return grad * 2 * (self.x > 0)", hunt.right
    repairs = {"right": right, "wrong": wrong, "unchanged": hunt.wrong}
    line = hunt.planted()[: hunt.planted().index(hunt.wrong)].count("\n") + 1
    for move in moves:
        if move in repairs:
            (tmp_path / "bug" / "parts.py").write_text(hunt.planted().replace(hunt.wrong, repairs[move]))
            assert cli.main(["hunt", "3", "--check", "bug/parts.py"]) == (0 if move == "right" else 1)
        elif "line" in move:
            guess = line - (move == "other line")
            assert cli.main(["hunt", "3", "--line", str(guess)]) == (0 if move == "line" else 1)
        else:
            name, *of = move.split()
            assert cli.main(["hunt", "3", f"--{name}", *of]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = bool({"right", "line"} & set(moves))
    for move, after in itertools.pairwise(moves):  # what helps next is said, not what was read
        if move.startswith("hint") and after in ("wrong", "other line"):
            assert ("--story helps" if move == "hint 3" else f"--hint {int(move[-1]) + 1} helps") in said.out
    assert (f"{points} of 10 points" in said.out) == found
    assert (hunt.lesson in " ".join(said.out.split())) == (found or "story" in moves)
    rows, sums = scored(tmp_path, capsys)
    assert int(rows[3][0]) == points
    assert (hunt.title in rows[3][-1]) == (found or "story" in moves)
    assert sums[0] == f"{int(found)} of 30 found: {points} of 300 points"
    assert sums[1] == ("left: 1 to 2, 4 to 30" if found else "left: 1 to 30")


@pytest.mark.parametrize("number", NUMBERS)
def test_the_lines_of_a_bug_are_those_that_were_planted(number):
    hunt = HUNTS[number - 1]
    lines = hunt.planted().splitlines()
    there = "\n".join(lines[n - 1] for n in hunt.lines)
    assert hunt.wrong.rstrip() in there
    assert len(there.splitlines()) == len(hunt.wrong.rstrip().splitlines())


def test_hunts_are_added_up_and_one_begun_twice_counts_the_lower(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["hunt", "--score"]) == 0
    assert "no hunt was begun here" in capsys.readouterr().out
    begun = {"a": Score(3, hint=1, found=True), "b": Score(3, found=True), "c": Score(5, found=True)}
    for folder, score in begun.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / FILE).write_text(score.text())
    assert scored(tmp_path, capsys)[1] == ["2 of 30 found: 18 of 300 points", "left: 1 to 2, 4, 6 to 30"]
    monkeypatch.chdir(tmp_path / "c")  # in the folder of one: that one
    assert scored(tmp_path, capsys)[1][0] == "1 of 30 found: 10 of 300 points"


def test_a_hint_without_a_task_is_not_counted_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["hunt", "4", "--out", "bug4"]) == 0
    capsys.readouterr()
    assert cli.main(["hunt", "3", "--hint", "1"]) == 0
    assert "not counted: there is no task of bug 3 here" in capsys.readouterr().err
    assert scored(tmp_path, capsys)[0][4][1] == "–"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is not JSON"),
        ('{"hunt": 3}', "has no 'hint'"),
        (Score(31).text(), "a whole number from 1 to 30"),
        (Score("classifier-x").text(), "as in classifier-7"),
        (Score(3).text().replace("false", '"no"'), "story must be True or False"),
    ],
)
def test_a_file_that_is_no_score_is_refused(text, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).write_text(text)
    for arguments in (["--score"], ["3", "--hint", "1"]):
        assert cli.main(["hunt", *arguments]) == 2
        found = capsys.readouterr()
        assert (found.out, len(found.err.splitlines())) == ("", 1)
        assert f"{FILE} is no score of a hunt: " in found.err
        assert words in found.err


def test_a_file_that_is_no_score_hides_no_other(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("a", "{"), ("b", Score(3).text())):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).write_text(text)
    assert cli.main(["hunt", "3", "--hint", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["hunt", "--score"]) == 2
    found = capsys.readouterr()
    assert HUNTS[2].symptom in found.out
    assert "a/hunt.json is no score of a hunt: " in found.err


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
    "number": (["99", "--story"], ["from 1 to 30", "99"]),
    "word": (["softmax", "--story"], ["whole number", "softmax"]),
    "hint": (["1", "--hint", "4"], ["--hint", "from 1 to 3", "4"]),
    "no net": (["perceptron-1", "--story"], ["classifier-7", "gated", "perceptron-1"]),
    "no number of a net": (["gated", "--story"], ["classifier-7", "gated"]),
    "no number": (["--story"], ["--story", "number"]),
    "nothing asked": (["1"], ["--out, --check, --line, --hint and --story", "none"]),
    "two things": (["1", "--story", "--hint", "1"], ["--hint and --story"]),
    "score of one": (["1", "--score"], ["--score"]),
    "line": (["1", "--line", "x"], ["--line", "whole number"]),
    "no such line": (["1", "--line", "9999"], ["--line", "9999"]),
    "no code": (["1", "--line", "1"], ["--line", "line 1 of parts.py", "blank"]),
    "no number in the list": (["31"], ["from 1 to 30", "31"]),
    "a net alone": (["classifier"], ["classifier-7", "mixture"]),
    "too long a number": (["mixture-12345678901", "--out", "m"], ["up to 9 digits", "mixture-12345678901"]),
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
