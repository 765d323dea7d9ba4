"""`handgrad hunt NET-N`: the copied code is right, the tools see the bug that is drawn, and its repair is accepted."""

import pytest

from handgrad import cli
from handgrad.bugs import BUGS
from handgrad.check import check_gradients
from handgrad.hunt import NETS, find
from handgrad.hunt.copies import copy
from handgrad.hunt.drawn import drawn, made, module_of, refused
from handgrad.hunt.lessons import LESSONS


@pytest.mark.parametrize("name", NETS)
def test_a_net_without_a_bug_is_right(name):
    """All that its classes are made of is in its file, under names of their own."""
    net = NETS[name]
    right = net.code()
    assert refused(module_of(right).experiment) is None
    functions = {f.__name__: f for kind in net.kinds.values() for f in copy(kind).beside}
    assert net.functions == {f for kind in net.kinds.values() for f in copy(kind).methods} | set(functions.values())
    assert all(f"class {kind}(scratch." in right for kind in net.kinds)


def test_each_bug_of_the_nets_changes_their_files():
    tried = {bug: net for net in NETS.values() for bug in net.bugs}  # of those of several nets, the last one's
    right = {net: net.code() for net in NETS.values()}
    assert len(tried) > len(BUGS) / 3
    for bug, net in tried.items():
        assert net.code(BUGS[bug].edits) != right[net], bug


def test_every_kind_of_bug_that_is_taught_is_one_of_the_catalogue_and_of_a_net():
    assert set(LESSONS) == {BUGS[bug].family for net in NETS.values() for bug in net.bugs}


# By the name of the hunt: the part that the check finds wrong; none where every gradient is right.
HUNTED = {
    "gated-3": "GLU(-1)",  # a gradient
    "residual-3": None,  # how parts are put together
    "classifier-2": None,  # the optimizer, in three places
    "batches-4": None,  # the training step, from the second step on
}


@pytest.mark.parametrize("name", HUNTED)
def test_the_tools_see_what_is_drawn_until_it_is_repaired(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["hunt", name, "--out", "bug"]) == 0
    hunt, part = find(name)[1], HUNTED[name]
    file, task = tmp_path / "bug" / "net.py", (tmp_path / "bug" / "TASK.md").read_text()
    told = task + capsys.readouterr().out
    assert hunt.symptom in told
    for spoiler in (hunt.title, hunt.bug.why, hunt.lesson, *hunt.hints):
        assert spoiler not in told
    assert hunt.net.parts.get(hunt.net.part_of(hunt.bug)) == part
    monkeypatch.chdir(file.parent)
    command = f"net.py:experiment --step {drawn(hunt.name, hunt.number)[1].step}"
    assert command in hunt.hints[1]
    if part is None:
        assert cli.main(["trace", *command.split(), "--html", "step.html"]) == 1
    else:  # without a file no line of it is tried: the verdict alone is wanted
        assert f'handgrad check "net.py:{part}" --like "torch.nn.{part}"' in task
        assert check_gradients(made(module_of(hunt.planted()), part), dtype="float64").status == "wrong"
    assert cli.main(["hunt", name, "--check", "net.py"]) == 1
    file.write_text(hunt.net.code())
    assert cli.main(["hunt", name, "--check", "net.py"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Repaired. What it was: {hunt.title}." in said
    assert f"The lesson: {hunt.lesson} 10 of 10 points" in said  # the file as it was written is no guess


def test_the_lines_of_a_bug_and_its_story_are_those_that_were_planted():
    hunt = find("classifier-2")[1]
    lines, right = hunt.planted().splitlines(), hunt.net.code().splitlines()
    assert len(hunt.bug.edits) == 3
    assert sorted({lines[n - 1] for n in hunt.lines}) == sorted(set(lines) - set(right))
    told = hunt.told()
    for wrong, texts in ((True, set(lines) - set(right)), (False, set(right) - set(lines))):
        assert all(f"  {'wrong' if wrong else 'right'}  {line.strip()}" in told for line in texts)
    assert "(in SGD.update)" in told


def test_a_number_draws_the_same_bug_again_and_others_draw_others():
    lots = [drawn("mixture", number)[0] for number in (1, 2, 7)]
    drawn.cache_clear()
    assert [drawn("mixture", number)[0] for number in (1, 2, 7)] == lots
    assert len(set(lots)) == 3


def test_a_hunt_in_a_net_is_scored_beside_the_others(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hunt = find("batches-4")[1]
    for name in ("batches-4", "3"):
        assert cli.main(["hunt", name, "--out", name]) == 0
    capsys.readouterr()
    line = min(hunt.lines)
    for arguments, code in (
        (["--hint", "2"], 0),
        (["--line", str(line + 1)], 1),
        (["--line", str(line)], 0),
        (["--story"], 0),
    ):
        assert cli.main(["hunt", "batches-4", *arguments]) == code
    said = capsys.readouterr().out
    assert "Not this line of net.py, as it was written. handgrad hunt batches-4 --hint 3 helps." in said
    assert "5 of 10 points" in said
    assert cli.main(["hunt", "--score"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[2].split() == ["batches-4", "5", "2", "1", "found"]
    assert rows[-1] == "1 of 1 in nets found: 5 of 10 points"
    assert "0 of 30 found" in rows[-3]


RIGHT = NETS["batches"].code()
HANDED = "  def backward(self, grad):\n        return super().backward(grad)\n\n    def gone("
BAD = {
    "no experiment": ("x = 1", "name one of its experiments"),
    "no Python": ("def", "SyntaxError"),
    "stops in a step": (RIGHT.replace("return float(value)", "return 1 / 0"), "ZeroDivisionError"),
    "another net's": (NETS["gated"].code(), "its own_ops must be Linear, BatchNorm1d, Sigmoid, "),
    "a method left out": (
        RIGHT.replace("def backward(", "def gone(", 1),
        "Linear.backward is no longer in the file: mend",
    ),
    "scratch's class": (f"{RIGHT}\nTrainer = scratch.Trainer", "Trainer is no longer in the file"),
    "scratch's method": (f"{RIGHT}\nLinear.backward = scratch.Linear.backward", "Linear.backward is no longer"),
    "handed on": (RIGHT.replace("  def backward(", HANDED, 1), "Linear.backward hands its work on to super"),
    "handed on by another name": (
        f"from scratch import Linear as L\n{RIGHT.replace('  def backward(', HANDED.replace('super()', 'L'), 1)}",
        "Linear.backward hands its work on to L: mend it in the file",
    ),
    "taken away": (f"{RIGHT}\ndel Linear.backward", "Linear.backward is no longer"),
    "scratch's own code": (RIGHT.replace("own_ops=", "printed='' if 1 else "), "got none"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_cannot_be_judged_is_one_line(case, tmp_path, capsys):
    text, words = BAD[case]
    file = tmp_path / "net.py"
    file.write_text(text)
    assert cli.main(["hunt", "batches-4", "--check", str(file)]) == 2
    found = capsys.readouterr()
    assert len(found.err.splitlines()) == 1
    assert words in found.err
