"""`handgrad worksheet`: the exact key is the step that `scratch` makes, and every planted slip is named."""

import functools
import json
import re
from fractions import Fraction

import numpy as np
import pytest

import scratch
from handgrad import cli
from handgrad.trace.compute import recorded
from handgrad.worksheet import ACTIVATIONS, LOSSES, check, draw
from handgrad.worksheet.answers import read, to_json
from handgrad.worksheet.check import EVERYWHERE, SLIPS, slipped
from handgrad.worksheet.page import page, written
from handgrad.worksheet.sheet import named, right

LAYERS = {
    "relu": scratch.ReLU,
    "leaky_relu": lambda: scratch.LeakyReLU(0.5),
    "hardtanh": scratch.Hardtanh,
    "identity": scratch.Identity,
}


@functools.cache
def sheets():
    """Drawn when a test asks, not by every process that collects."""
    return [
        draw(sizes, activation, loss, seed, samples)
        for sizes, samples in (((2, 2, 1), 2), ((3, 2, 2), 1), ((2, 2, 2, 1), 2), ((1, 2, 1), 4))
        for activation in ACTIVATIONS
        for loss in LOSSES
        for seed in (0, 7)
    ]


def array(sheet, symbol, *shape):
    return np.array([float(sheet.given[named(symbol, *at)]) for at in np.ndindex(*shape)]).reshape(shape)


def entries(symbol, a):
    return {named(symbol, *at): float(a[at]) for at in np.ndindex(a.shape)}


def scratch_step(sheet):
    """Every box as the hand-written net computes it in float64."""
    linear = [scratch.Linear(a, b, dtype=np.float64) for a, b in zip(sheet.sizes, sheet.sizes[1:], strict=False)]
    layers = [part for layer in linear for part in (layer, LAYERS[sheet.activation]())][:-1]
    model = scratch.Sequential(*layers)
    for k, layer in enumerate(linear, 1):
        layer.weight.data[...] = array(sheet, f"W{k}", *layer.weight.shape)
        layer.bias.data[...] = array(sheet, f"b{k}", *layer.bias.shape)
    loss = {"mse": scratch.MSELoss, "half": scratch.HalfSquaredError}[sheet.loss]()
    trainer = scratch.Trainer(model, loss, scratch.SGD(model.parameters(), lr=float(sheet.lr)))
    x, t = array(sheet, "x", sheet.samples, sheet.sizes[0]), array(sheet, "t", sheet.samples, sheet.sizes[-1])
    with recorded(model) as seen:
        found = {"L": trainer.step(x, t)}
    last = sheet.layers
    for k, layer in enumerate(linear, 1):
        passage = seen[str(2 * (k - 1))]
        found |= entries("y" if k == last else f"z{k}", passage.output)
        found |= entries("dL/dy" if k == last else f"dL/dz{k}", passage.upstream)
        if k < last:
            found |= entries(f"a{k}", seen[str(2 * k - 1)].output)
        found |= entries(f"dL/dW{k}", layer.weight.grad) | entries(f"dL/db{k}", layer.bias.grad)
        found |= entries(f"new W{k}", layer.weight.data) | entries(f"new b{k}", layer.bias.data)
    return found


def test_the_key_is_the_step_that_scratch_makes():
    """All fractions have a power of two below: float64 holds every one of them, and nothing is rounded."""
    for sheet in sheets():
        key = sheet.key()
        assert scratch_step(sheet) == {name: float(value) for name, value in key.items()}
        assert all(Fraction(float(value)) == value for value in key.values())


def filled(sheet, box, value):
    """Answers with `value` in `box`, and in every later box what follows from it by the right rule."""
    own = dict(sheet.given)
    for each in sheet.boxes():
        own[each.name] = value if each == box else right(sheet, own, each)
    return {each.name: own[each.name] for each in sheet.boxes()}


def test_every_planted_slip_is_named():
    named_slips = set()
    for sheet in (draw((2, 2, 1)), draw((2, 2, 2), "hardtanh", "half", seed=1), draw((1, 2, 2, 1), "leaky_relu")):
        key = sheet.key()
        assert {finding.verdict for finding in check(sheet, key)} == {"right"}
        for box in sheet.boxes():
            for slip, value in slipped(sheet, {**sheet.given, **key}, box):
                findings = {finding.box: finding for finding in check(sheet, filled(sheet, box, value))}
                assert slip in findings[box.name].slips, (sheet, box, slip)
                assert findings.pop(box.name).verdict == "wrong"
                assert {finding.verdict for finding in findings.values()} <= {"right", "follows"}
                named_slips.add((box.kind, slip))
    assert named_slips >= {(kind, slip) for kind, slips in SLIPS.items() for slip in slips}
    assert {slip for _, slip in named_slips} >= set(EVERYWHERE)


def test_a_second_slip_is_found_behind_a_first():
    """What is computed from a wrong box is judged by the learner's own numbers."""
    sheet = draw((2, 2, 1))
    boxes = {box.name: box for box in sheet.boxes()}
    key = sheet.key()
    first = filled(sheet, boxes["dL/dy[1,0]"], key["dL/dy[1,0]"] / 2)
    wrong_step = first["dL/dW2[0,0]"]
    first["new W2[0,0]"] = sheet.given["W2[0,0]"] + sheet.lr * wrong_step
    findings = {finding.box: finding for finding in check(sheet, first)}
    assert findings["dL/dy[1,0]"].slips == ("a factor 2 is missing",)
    assert findings["dL/dW2[0,0]"].verdict == "follows"
    assert findings["new W2[0,0]"].slips == ("the step was added instead of subtracted",)


def test_numbers_that_are_no_known_slip_and_blanks():
    sheet = draw((2, 2, 1))
    answers = {**sheet.key(), "L": Fraction(1234, 7), "y[0,0]": None}
    findings = {finding.box: finding for finding in check(sheet, answers)}
    assert (findings["L"].verdict, findings["L"].slips) == ("wrong", ())
    assert findings["y[0,0]"].verdict == "blank"
    assert findings["y[1,0]"].verdict == "right"


def test_every_step_of_a_sheet_matters():
    for sheet in sheets():
        key = sheet.key()
        assert max(map(abs, key.values())) <= 40
        assert all(key[name] for name in key if name.startswith("dL/dy"))
        slopes = {ACTIVATIONS[sheet.activation].slope(v) for name, v in key.items() if name.startswith("z1")}
        assert len(slopes) == (1 if sheet.activation == "identity" else 2)


def test_the_same_seed_is_the_same_sheet():
    assert draw((2, 2, 1), seed=3) == draw((2, 2, 1), seed=3)
    assert draw((2, 2, 1), seed=3) != draw((2, 2, 1), seed=4)


def test_the_page_has_a_blank_for_every_box_and_the_key_its_number():
    for sheet in sheets()[::5]:
        key = sheet.key()
        blank, solved = page(sheet), page(sheet, key)
        assert blank.count("<td></td>") == len(key)
        assert re.findall(r"<td>([^<]+)</td>", solved).sort() == [written(value) for value in key.values()].sort()
        assert solved.count("<td></td>") == 0
        assert blank.count('<td class="given">') == len(sheet.given)
        assert not re.search(r"(src|href)=\"(?!data:)|url\(|<script", blank + solved)


@pytest.fixture
def folder(tmp_path, capsys):
    assert cli.main(["worksheet", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path


def fill(folder, **changes):
    key = json.loads((folder / "key.json").read_text())
    key["answers"] |= changes
    (folder / "answers.json").write_text(json.dumps(key))
    return ["worksheet", "--check", str(folder / "answers.json")]


def test_a_sheet_is_written_filled_in_and_checked(folder, capsys):
    assert sorted(path.name for path in folder.iterdir()) == ["answers.json", "key.html", "key.json", "worksheet.html"]
    assert cli.main(["worksheet", "--check", str(folder / "answers.json")]) == 1
    assert capsys.readouterr().out == "0 of 35 boxes are right, 35 blank\n"
    assert cli.main(fill(folder)) == 0
    assert capsys.readouterr().out == "35 of 35 boxes are right\n"
    sheet, _ = read(folder / "answers.json")
    assert cli.main(fill(folder, **{"new b2[0]": str(-sheet.lr * sheet.key()["dL/db2[0]"])})) == 1
    shown = capsys.readouterr().out
    assert "is wrong: this is the step alone, without the old value" in shown
    assert "34 of 35" in shown


@pytest.mark.parametrize("spelling", ["-1.5", "−3/2", " -3/2 ", -1.5, "-6/4"])
def test_a_number_may_be_written_in_any_way(folder, spelling, capsys):
    sheet = draw((2, 2, 1))
    name = next(box.name for box in sheet.boxes())
    cli.main(fill(folder, **{name: spelling}))
    assert f"{name} = -3/2" in capsys.readouterr().out or sheet.key()[name] == Fraction(-3, 2)


def test_answers_are_never_overwritten(folder, capsys):
    fill(folder, L="7")
    mine = (folder / "answers.json").read_text()
    assert cli.main(["worksheet", "--out", str(folder)]) == 0
    assert (folder / "answers.json").read_text() == mine
    assert cli.main(["worksheet", "--seed", "1", "--out", str(folder)]) == 2
    assert (folder / "answers.json").read_text() == mine
    assert read(folder / "key.json")[0].seed == 0


def test_what_was_written_reads_back(tmp_path):
    for sheet in sheets()[::7]:
        (tmp_path / "key.json").write_text(to_json(sheet, sheet.key()))
        assert read(tmp_path / "key.json") == (sheet, sheet.key())


BAD = {
    "net form": (["--net", "2,2,1"], ["--net", "2-2-1", "'2,2,1'"]),
    "no hidden layer": (["--net", "2-1"], ["--net", "three or four", "2-1"]),
    "too wide": (["--net", "2-9-1"], ["--net", "from 1 to 4", "2-9-1"]),
    "too many boxes": (["--net", "4-4-4"], ["boxes", "72"]),
    "samples": (["--samples", "3"], ["--samples", "1, 2 or 4", "3"]),
    "activation": (["--activation", "tanh"], ["--activation", "relu, leaky_relu, hardtanh, identity", "tanh"]),
    "loss": (["--loss", "bce"], ["--loss", "mse, half", "bce"]),
    "no file": (["--check", "/nowhere/answers.json"], ["/nowhere/answers.json", "cannot be read"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case, capsys, tmp_path):
    arguments, words = BAD[case]
    assert cli.main(["worksheet", "--out", str(tmp_path / "new"), *arguments]) == 2
    found = capsys.readouterr()
    assert len(found.err.splitlines()) == 1
    for word in words:
        assert word in found.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"L": "a lot"}, ["L must be", "-3/2", "'a lot'"]),
        ({"L": "1/0"}, ["L must be", "'1/0'"]),
        ({"L": True}, ["L must be"]),
        ({"L": "1e999999999"}, ["L must be"]),
        ({"z9[0,0]": "1"}, ["no box 'z9[0,0]'"]),
        ({"L": [1]}, ["answers.L must be"]),
    ],
)
def test_answers_that_cannot_be_read_are_one_line(folder, changes, words, capsys):
    assert cli.main(fill(folder, **changes)) == 2
    found = capsys.readouterr()
    assert len(found.err.splitlines()) == 1
    assert all(word in found.err for word in [*words, "answers.json"])
