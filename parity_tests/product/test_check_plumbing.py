"""What `handgrad check` is told reaches the code, and what it finds stands under its own label."""

import builtins
import json
from pathlib import Path

import numpy as np
import pytest

from handgrad import check_gradients, cli
from handgrad.check import check_file
from handgrad.check.oracles import AUTOGRAD, CENTRAL, CERTIFIED, COMPLEX, HAND, TAYLOR
from handgrad.check.report import Finding, GradientCheck, Row
from handgrad.check.subject import Case
from handgrad.check.unasked import Unasked, asked

# Every field with a number of its own.
CASE = Case("the draw", ("x",), {"x": np.zeros((5, 7))})
FINDING = Finding(
    "the gradient of w", CASE, "", (3, 2), (5, 7), 1.25, 2.5, 0.375, ("says one", "says two"), 11, 35, "the pattern"
)
FOUND = GradientCheck(
    "TheName",
    "the kind",
    "wrong",
    [
        Row(HAND, "", 1e-1, {CENTRAL: False, COMPLEX: True, AUTOGRAD: None}),
        Row(AUTOGRAD, "", 2e-2, {HAND: None, CENTRAL: True, COMPLEX: True}),
        Row(COMPLEX, "", 3e-3, {HAND: True, CENTRAL: False, AUTOGRAD: True}),
        Row(CENTRAL, "", 4e-4, {HAND: False, COMPLEX: False, AUTOGRAD: True}),
        Row(CERTIFIED, "the reason"),
        Row(TAYLOR, "", 6e-6, text="the slope"),
    ],
    [FINDING],
    ["the note"],
    numbers=101,
    kinks=13,
    unsure=17,
    draws=["the draw"],
    checked={"w": (5, 7)},
    unseen=["unseen"],
    constants=["constant"],
    again="again",
    imports=["import it"],
    op="theop",
    reference="theref",
)

LINES = [
    "TheName (the kind): WRONG, the gradient of w; checked w (5, 7); NOT checked: unseen (no gradient found); "
    "NOT checked: constant (taken for a constant)",
    'index      [3, 2] of shape (5, 7), inputs "the draw"; 11 of 35 numbers are wrong',
    "yours      1.25",
    "should be  2.5 ± 0.38 (says says one, says two)",
    "pattern    the pattern",
    "note       the note",
    "oracle               sure to     hand     auto  complex  central",
    "hand backward          1e-01        ·        ?        =        ≠",
    "autograd               2e-02        ?        ·        =        =",
    "complex step           3e-03        =        =        ·        ≠",
    "central difference     4e-04        ≠        =        ≠        ·",
    "certified bounds    does not apply: the reason",
    "Taylor remainder       6e-06  the slope",
    "see it again:",
    "import numpy as np; from handgrad import check_gradients; import it",
    "print(check_gradients(theop, again, reference=theref))",
]


def test_every_field_stands_under_its_label_in_the_text():
    assert [line.strip() for line in FOUND.render().splitlines()] == LINES


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("agree", "the gradients agree (101 numbers, 13 at kinks, 17 cannot be told)"),
        ("cannot tell", "CANNOT TELL (101"),
    ],
)
def test_the_headline_counts(status, words):
    assert words in GradientCheck("A", "b", status, numbers=101, kinks=13, unsure=17).render()


def test_every_field_stands_under_its_label_in_json():
    data = json.loads(FOUND.to_json())
    oracles = data.pop("oracles")
    assert data == {
        "version": 1,
        "passed": False,
        "name": "TheName",
        "kind": "the kind",
        "status": "wrong",
        "numbers": 101,
        "kinks": 13,
        "cannot_tell": 17,
        "checked": {"w": [5, 7]},
        "not_checked": ["unseen", "constant"],
        "inputs": ["the draw"],
        "findings": [
            {
                "tensor": "the gradient of w",
                "inputs": "the draw",
                "problem": "",
                "index": [3, 2],
                "value": 1.25,
                "expected": 2.5,
                "radius": 0.375,
                "wrong": 11,
                "numbers": 35,
                "oracles": ["says one", "says two"],
                "pattern": "the pattern",
            }
        ],
        "lines": [],
        "notes": ["the note"],
    }
    assert [row["oracle"] for row in oracles] == [HAND, AUTOGRAD, COMPLEX, CENTRAL, CERTIFIED, TAYLOR]
    assert [row["relative_uncertainty"] for row in oracles] == [1e-1, 2e-2, 3e-3, 4e-4, None, 6e-6]
    assert [row["applies"] for row in oracles] == [True, True, True, True, False, True]
    assert oracles[0]["agrees_with"] == {CENTRAL: False, COMPLEX: True, AUTOGRAD: None}
    assert (oracles[4]["why_not"], oracles[5]["result"]) == ("the reason", "the slope")


def test_yours_is_yours():
    """7 x where 3 x is right: 7 under "yours", 3 under "should be"; and 3 is PyTorch's where there is a reference."""

    class Mine:
        def forward(self, x):
            return 3 * x

        def backward(self, g):
            return 7 * g

    for reference in (None, lambda x: 3 * x):
        found = check_gradients(Mine, np.array([[1.0]]), reference)
        data = found.as_dict()["findings"][0]
        upstream = data["value"] / 7
        assert data["expected"] == pytest.approx(3 * upstream)
        lines = {line.split()[0]: line for line in found.render().splitlines()}
        assert float(lines["yours"].split()[1]) == data["value"]
        assert float(lines["should"].split()[2]) == data["expected"]


RECORDS = """
import builtins
import random
import numpy as np

class Mine:
    def __init__(self):
        self.draw = (np.random.rand(), random.random())

    def forward(self, x):
        builtins.seen.append((x.shape, str(x.dtype), float(x.real.flat[0]), self.draw, "mine"))
        self.x = x
        return np.sin(x)

    def backward(self, g):
        builtins.seen.append((g.shape, str(g.dtype), float(g.flat[0]), self.draw, "backward"))
        return g * np.cos(self.x)

class Other(Mine):
    def forward(self, x):
        builtins.seen.append((x.shape, str(x.dtype), 0.0, 0.0, "other"))
        self.x = x
        return np.sin(x)
"""


@pytest.fixture
def seen(tmp_path, monkeypatch, capsys):
    """What the code sees under the given options: shapes, dtypes, first numbers, constructor's draws, who is called."""
    (tmp_path / "mine.py").write_text(RECORDS)
    monkeypatch.chdir(tmp_path)

    def run(*options):
        monkeypatch.setattr(builtins, "seen", [], raising=False)
        assert cli.main(["check", "mine.py:Mine", *options]) == 0
        capsys.readouterr()
        return [set(column) for column in zip(*builtins.seen, strict=True)]

    return run


def test_every_option_reaches_the_code(seen):
    shapes, dtypes, numbers, draws, who = seen()
    assert shapes == {(4, 3), (1, 3)}
    assert {"float32", "float64", "complex128"} <= dtypes
    assert "other" not in who
    assert seen() == [shapes, dtypes, numbers, draws, who]  # the same again
    assert seen("--shape", "6,2")[0] == {(6, 2), (1, 2)}
    assert "float32" not in seen("--dtype", "float64")[1]
    assert "float32" in seen("--dtype", "float32")[1]
    assert "other" in seen("--like", "mine.py:Other")[4]
    other = seen("--seed", "5")
    assert all({d[i] for d in other[3]}.isdisjoint(d[i] for d in draws) for i in range(2))
    assert len(other[2] & numbers) < len(numbers) / 4


def test_both_passes_are_judged():
    """Wrong in one of the two formats only: the other pass does not see it."""
    for wrong in ("float32", "float64"):

        class Mine:
            def forward(self, x):
                self.x = x
                return np.sin(x)

            def backward(self, g, wrong=wrong):
                return g * np.cos(self.x) * (1.01 if g.dtype == wrong else 1)

        status = {dtype: check_gradients(Mine, dtype=dtype).status for dtype in (None, "float32", "float64")}
        assert status == {None: "wrong", "float32": "wrong", "float64": "wrong" if wrong == "float64" else "agree"}


def test_the_mode_of_the_object_is_left_alone():
    import torch

    for training in (True, False):
        net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).train(training)
        before = {name: t.clone() for name, t in net.state_dict().items()}
        check_gradients(net)
        check_gradients(torch.nn.Linear(3, 2), None, torch.nn.Linear(3, 2).train(training))
        assert all(part.training == training for part in net.modules())
        assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())
        assert all(p.grad is None and p.requires_grad for p in net.parameters())


SILU = """
import numpy as np

class MySiLU:
    def forward(self, x):
        self.s = 1 / (1 + np.exp(-x))
        return x * self.s

    def backward(self, g):
        return g * self.s
"""


def test_the_page_shows_what_is_said(tmp_path):
    """The first lines of the sample, word for word; and which oracle agrees with which."""
    (tmp_path / "mine.py").write_text(SILU)
    found = check_file(f"{tmp_path / 'mine.py'}:MySiLU", like="torch.nn.SiLU").render().splitlines()
    page = (Path(__file__).parents[2] / "docs" / "checking.md").read_text(encoding="utf-8")
    sample = page.split("```\n")[1].splitlines()
    for shown, said in zip(sample[:-1], found, strict=False):
        if "should be" not in shown and "yours" not in shown:  # these may differ in the last digits
            assert shown.split()[-5:] == said.split()[-5:]
    assert "see it again" in sample[-2]


ASKED = {
    "a sum": lambda y: np.ones(3) - y,
    "its mirror": lambda y: 2 / y,
    "a function of NumPy": np.log,
    "an array of it": np.asarray,
    "an index": lambda y: np.ones(3)[y],
    "its kind": lambda y: isinstance(y, np.ndarray),
    "an attribute": lambda y: y.shape,
    "its length": len,
    "a loop": lambda y: list(zip([1], y, strict=True)),
    "a text": str,
}


@pytest.mark.parametrize("use", ASKED)
def test_what_stands_in_for_a_target_says_that_it_was_asked_for_something(use):
    it = Unasked()
    kept = {"y": it}, (it, 3), it is None  # handed on, that is
    assert not asked(it)
    with pytest.raises(TypeError, match="it is no value"):
        ASKED[use](kept[1][0])
    assert asked(it)
