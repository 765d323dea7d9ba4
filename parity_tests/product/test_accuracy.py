"""How accurate value and derivative are: the truths against 150 digits, a quick subset of the atlas, and its page."""

import json
import sys

import mpmath
import numpy as np
import pytest
import torch

from docs.writers.accuracy import data, run, samples
from docs.writers.accuracy.__main__ import main
from docs.writers.accuracy.measure import HAND, JAX, Tally, Truth, all_of_16_bits, measured, spacing, tally
from docs.writers.accuracy.page import PAGE, PICTURE, of_op, page, picture
from docs.writers.accuracy.truth import ROWS, T
from handgrad import check_gradients

mp = mpmath.mp.clone()
mp.dps = 150


def softplus(x):
    return mp.log1p(mp.exp(x))


def log_cosh(x):
    return mp.log(mp.cosh(x - T))


C = mp.sqrt(2 / mp.pi)
DOCUMENTED = {
    "CELU": lambda x: x if x > 0 else mp.expm1(x),
    "ELU": lambda x: x if x > 0 else mp.expm1(x),
    "GELU": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "GELU, tanh": lambda x: x / 2 * (1 + mp.tanh(C * (x + mp.mpf("0.044715") * x**3))),
    "LogSigmoid": lambda x: -softplus(-x),
    "Mish": lambda x: x * mp.tanh(softplus(x)),
    "SELU": lambda x: (
        mp.mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else mp.mpf("1.6732632423543772848170429916717") * mp.expm1(x))
    ),
    "SiLU": lambda x: x / (1 + mp.exp(-x)),
    "Sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "Softplus": softplus,
    "Softsign": lambda x: x / (1 + abs(x)),
    "Tanh": mp.tanh,
    "Tanhshrink": lambda x: x - mp.tanh(x),
    "LogCoshLoss": log_cosh,
    "BCEWithLogitsLoss, t = 1": lambda x: softplus(-x),
    "BCEWithLogitsLoss, t = 0": softplus,
    "SoftMarginLoss, t = 1": lambda x: softplus(-x),
    "SoftMarginLoss, t = −1": softplus,
    "KLDivLoss": lambda x: mp.mpf(T) * (mp.log(T) - x),
    "PoissonNLLLoss": lambda x: mp.exp(x) - 2 * x,
}
"""PyTorch's documented formulas, at 150 digits: what cancels there still has digits enough."""

POINTS = np.array(
    [-88.0, -50.1, -17.0, -12.9, -5.3, -1.4, -0.6, -0.03, -1e-7, 1e-7, 0.02, 0.9, 2.3, 9.4, 18.7, 80.0], "f"
)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_truth_is_true(name):
    """Within a thousandth of an ulp of float32, value and derivative."""
    row, formula = ROWS[name], DOCUMENTED[name]
    x = POINTS.astype(float)
    for given, of in ((row.value(x), formula), (row.slope(x), lambda v: mp.diff(formula, v, h=mp.mpf(10) ** -40))):
        for number, v in zip(given, x, strict=True):
            truth = of(mp.mpf(v))
            if abs(truth) > 1e-50 and not (name == "Softplus" and v > 20):  # float32 has no less; the threshold is 20
                assert abs(mp.mpf(float(number)) - truth) <= abs(truth) * mp.mpf(2) ** -34, (v, number, truth)


def test_check_shows_a_form_that_keeps_the_digits():
    """1 − y² is right, and the note says what it loses and what does not."""

    def gradient(x):
        return 1 - np.tanh(x) ** 2

    found = check_gradients((np.tanh, gradient), np.array([0.5, 9.25], np.float32), torch.nn.Tanh)
    assert found.status == "agree"
    (note,) = (text for text in found.remarks if "float32" in text)
    assert note.startswith("right, but loses 24 bits of float32 at x = 9.25; this form does not: e·(1 + |tanh x|)²")


def test_the_page_is_the_data():
    """docs/accuracy.md and its picture are what `make atlas ARGS=--page` writes; the data name their machine."""
    result = data.data()
    assert set(result["rows"]) == set(result["of"]) == set(ROWS)
    assert PAGE.read_text(encoding="utf-8") == page(result)
    assert PICTURE.read_text(encoding="utf-8") == picture(result)


GOAL_MISSED = {"Sigmoid"}
"""The page says of each why."""


@pytest.mark.parametrize("name", ROWS)
def test_the_hand_written_side_loses_no_digits(name):
    """The quick subset: at every number that bfloat16 has the goal is met, or the row says why not."""
    for part, found in measured(ROWS[name], "float32", all_of_16_bits("bfloat16"))[HAND].items():
        assert found.lost == 0 or (name, part) == ("Sigmoid", "derivative")
        assert found.missed == 0 or (name in GOAL_MISSED and ROWS[name].said)


def test_what_pytorch_loses_is_seen():
    """PyTorch's tanh′ = 1 − y² has no right digit at hundreds of the numbers of bfloat16; nor has its own bfloat16."""
    for form in ("float32", "bfloat16"):
        found = measured(ROWS["Tanh"], form, all_of_16_bits("bfloat16"))[f"PyTorch {form}"]
        assert found["derivative"].lost > 400
        assert found["derivative"].worst > 100


def test_jax_has_its_column():
    """It computes the same function; its elu′ = expm1(x) + 1 and tanh′ = 1 − y² lose all digits in the tail."""
    pytest.importorskip("jax")
    lost = {}
    for name in JAX:
        sides = measured(ROWS[name], "float32", all_of_16_bits("bfloat16"))
        for part, found in sides["JAX float32"].items():
            assert found.inputs == sides[HAND][part].inputs
            lost[name, part] = found.lost
    assert {lost[name, "value"] for name in ("ELU", "Sigmoid", "Softplus", "Softsign", "Tanh")} == {0}
    assert lost["ELU", "derivative"] > 200
    assert lost["Tanh", "derivative"] > 400
    assert "JAX float32" not in measured(ROWS["ReLU"], "float32", all_of_16_bits("bfloat16"))


def test_ulp_and_goal():
    """Half a spacing is half an ulp; beside a zero four times what half an ulp of x does is allowed, elsewhere not."""
    x = np.array([1.0, 1.5, -3.0, 2.0**-140])
    same = Truth(lambda x: x, x, "float32")
    off = tally(same, x * (1 + np.array([2.0**-24, 0, 2.0**-20, 0])))
    assert (off.inputs, off.worst, off.at, off.missed, off.lost) == (4, 12.0, -3.0, 1, 0)
    assert off.by_exponent == {0: 0.5, 3: 12.0}
    near = np.array([1 + 2.0**-20])
    for zeros, missed in (((1.0,), 0), ((), 1)):
        assert tally(Truth(lambda x: x - 1, near, "float32", zeros), near - 1 + 2.0**-22).missed == missed
    assert tally(same, -x).lost == 3  # not the denormal number
    assert tally(same, np.full(4, np.nan)).worst == np.inf
    assert tally(same, x) == Tally(4)


@pytest.mark.parametrize("x", [[1.0, 1.25, 1.5], [-1.0, 1.25, -1.5], [0.5, 1.25, 3.0], [2.0**-130, 1.25, 2.0**127]])
def test_a_tally_of_many_is_that_of_each(x):
    """One exponent for all inputs, one spacing for all values, or one for each: the same count. Beyond the format's
    largest number nothing is asked."""
    x = np.array(x)
    given = 2 * x + np.array([2.0**-22, -(2.0**-20), 2.0**-19])
    alone = Tally()
    for i in range(len(x)):
        alone.add(tally(Truth(lambda x: 2 * x, x[i : i + 1], "float32"), given[i : i + 1]))
    assert tally(Truth(lambda x: 2 * x, x, "float32"), given) == alone


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
    """What is written after the first chunk is added to, not measured again, and the whole is that of one run."""
    monkeypatch.setattr(run, "CHUNK", 2**13)
    every, task = 2**17 - 1, ("Tanh", "float32")
    whole = run.measure(task, every, tmp_path / "whole")
    seen, real = [], run.measured

    def stops(*arguments):
        seen.append(arguments[2].size)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(run, "measured", stops)
    with pytest.raises(KeyboardInterrupt):
        run.measure(task, every, tmp_path)
    monkeypatch.setattr(run, "tasks", lambda: [task])
    assert data.finished(every, tmp_path)["rows"] == {}
    assert run.measure(task, every, tmp_path) == whole
    assert data.finished(every, tmp_path) == {"machine": run.machine(), "every": every, "rows": {"Tanh": whole}}
    assert len(seen) == 3 + len(list(run.chunks("float32", every))) - 2
    monkeypatch.setattr(run, "code", lambda: "changed since")
    assert run.measure(task, every, tmp_path) == whole
    assert len(seen) == 3 + 2 * len(list(run.chunks("float32", every))) - 2


def test_rows_take_the_place_of_older_ones(tmp_path, monkeypatch):
    """A row says over which inputs and on which machine it was measured; the others stay, and so do the samples."""
    before = data.data()
    monkeypatch.setattr(data, "DATA", tmp_path / "accuracy.json")
    data.DATA.write_text(json.dumps(before), encoding="utf-8")
    other = {"processor": "another", "cores": "4", "Python": "3.14", "NumPy": "3", "PyTorch": "3"}
    tanh = {HAND: before["rows"]["Sigmoid"][HAND]}
    data.merge(rows={"Tanh": tanh}, every=5, machine=other)
    data.merge(rows={"ReLU": before["rows"]["ReLU"]}, every=5, machine=other)
    after = data.data()
    assert after["machines"] == [*before["machines"], other]
    assert {name for name, of in after["of"].items() if of != before["of"][name]} == {"Tanh", "ReLU"}
    assert after["rows"] == before["rows"] | {"Tanh": tanh}
    assert after["samples"] == before["samples"]
    text = page(after)
    assert "; and on another, 4 cores; Python 3.14, NumPy 3, PyTorch 3." in text
    assert "| Tanh | 1/5 | " in text
    assert "over one in 5 of all float32 numbers" in of_op("Tanh", after)
    data.merge(rows=before["rows"], every=5, machine=other)
    assert data.data()["machines"] == [other]


@pytest.mark.parametrize("name", samples.OPS)
def test_a_sample_is_of_its_op(name):
    """The formula is what both sides compute: on normal rows half of their numbers are within 4 ulp, where of a wrong
    one they are thousands off (80 for a norm's ε left out)."""
    op = samples.OPS[name]
    rows = op.rows(samples.families(4)["normal"])
    exact = samples.Exact(op.formula, rows)
    for side, compute in samples.SIDES.items():
        if side == HAND or hasattr(torch.nn, op.kind):
            for given, truth in zip(compute(op, rows), exact.of, strict=True):
                there = truth != 0
                assert np.all(given[~there] == 0)
                assert np.median(np.abs(given - truth)[there] / spacing(truth[there], "float32")) < 4, side


def test_errors_of_a_sample_are_counted():
    """A value is as wrong as it is; a derivative that cancels may be off by what half an ulp of the inputs does."""
    rows = np.array([[1.5, 1.0, 0.0], [2.0, 3.0, 2.0**-10]], np.float32)
    exact = samples.Exact(lambda x: [x[0] * x[1] - 1, x[2]], rows)
    assert exact.of[0].tolist() == [[0.5, 0], [5, 2.0**-10]]
    assert exact.of[1][0].tolist() == [[1, 1.5, 0], [0, 0, 1]]
    counts = samples.Counts()
    counts.add("drawn", exact.of[0] * (1 + np.array([[8, 3], [0, 5]]) * 2.0**-23), exact, 0)
    assert (counts.numbers, counts.worst, counts.family, counts.lost) == (3, 8, "drawn", 0)  # 0 has no ulp
    assert counts.missed == 1  # x₀x₁ − 1 moves by 5 ulp, x₂ alone by half a one
    counts.add("worse", -exact.of[0], exact, 0)
    assert (counts.lost, counts.family) == (3, "worse")
    nothing = samples.Counts()
    nothing.add("exact", exact.of[1], exact, 1)
    assert nothing.kept() == {"worst": 0, "in": "", "mean": 0, "numbers": 6, "lost": 0, "missed": 0}


def test_an_ops_page_shows_its_rows():
    result = data.data()
    assert of_op("Softmax", result) == ""
    shown = of_op("GELU", result)
    for side in result["rows"]["GELU"]:
        assert f"| {side} | derivative |" in shown
        assert f"| {side}, tanh | value |" in shown


@pytest.mark.parametrize("arguments", [["--every", "0"], ["--op", "Tanhh"], ["--every", "x"]])
def test_bad_input(arguments, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["accuracy", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert arguments[1] in capsys.readouterr().err
