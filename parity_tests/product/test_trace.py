"""`handgrad trace`: one step in full, the same numbers that training computes, and one gradient entry as a sum."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

import scratch
from handgrad import cli
from handgrad.experiments import EXPERIMENTS
from handgrad.trace import sum_of, trace
from handgrad.trace.compute import Tensor, leaves_of, recorded
from handgrad.trace.page import page
from handgrad.trace.text import text, to_json
from handgrad.training.train import prepare, train

LINE = EXPERIMENTS["line"]


@pytest.fixture(scope="module")
def third():
    return trace(prepare(LINE), 3)


@pytest.mark.parametrize("name", ["line", "moons", "moons-logistic", "digits"])
def test_every_recorded_number_is_inside_its_ball(name):
    found = trace(prepare(EXPERIMENTS[name]), 2)
    assert found.held
    for layer, tensor in found.tensors():
        assert tensor.ball is not None
        for side in (tensor.ours, tensor.theirs):
            assert (np.abs(side - tensor.ball.mid) <= tensor.ball.rad).all(), (layer, tensor.symbol)
        assert tensor.ratio <= 1


def test_it_is_the_step_that_training_makes(third):
    """The NumPy side of the trace is the NumPy side of a run: loss of step 3, and the parameters after it."""
    prepared = prepare(replace(LINE, epochs=3))
    losses = []
    train(prepared, on_step=lambda run: losses.append(run.sides["scratch"].losses[-1]))
    assert float(third.value.ours) == losses[2]


def test_what_comes_out_of_a_layer_goes_into_the_next(third):
    for before, after in zip(third.layers, third.layers[1:], strict=False):
        (y,) = (t for t in before.tensors if t.symbol == "y")
        (x,) = (t for t in after.tensors if t.symbol == "x")
        np.testing.assert_array_equal(y.ours, x.ours)
        np.testing.assert_array_equal(y.theirs, x.theirs)


@pytest.mark.parametrize("entry", ["layers.0.weight[2,1]", "layers.2.weight[0, 4]", "layers.0.bias[0]"])
def test_an_entry_is_the_sum_of_its_terms(third, entry):
    found = sum_of(third, entry)
    assert len(found.terms) == third.rows
    # The NumPy side's own δ and x: what remains is the rounding of the sum, n additions and products of float32.
    slack = (third.rows + 2) * np.finfo(np.float32).eps * math.fsum(map(abs, found.terms))
    assert abs(found.total - found.ours) <= slack
    assert abs(found.total - found.reference) <= found.radius
    assert abs(found.theirs - found.reference) <= found.radius
    written = text(third, found)
    assert found.formula in written
    assert f"{found.total: .17g}" in written


def test_json_holds_every_number_and_reads_back(third, tmp_path):
    entry = sum_of(third, "layers.0.weight[2,1]")
    found = json.loads(to_json(third, entry))
    for layer, given in zip(third.layers, found["layers"], strict=True):
        for tensor, numbers in zip(layer.tensors, given["tensors"], strict=True):
            np.testing.assert_array_equal(np.array(numbers["numpy"], np.float32), tensor.ours)
            np.testing.assert_array_equal(np.array(numbers["torch"], np.float32), tensor.theirs)
    assert math.fsum(found["entry"]["terms"]) == entry.total


def test_the_page_stands_alone(third):
    written = page(third, sum_of(third, "layers.0.bias[1]"))
    assert not re.search(r"(src|href)=\"(?!data:|#)", written)
    for layer in third.layers:
        assert f"{layer.name} {layer.kind}" in written


def test_recording_leaves_nothing_behind():
    model = scratch.MLP([2, 3, 2], rng=0)
    with recorded(model) as passages:
        model.backward(model.forward(np.ones((4, 2), np.float32)))
    assert all(p.output is not None and p.upstream is not None for p in passages.values())
    for _, leaf in leaves_of(model):
        assert not {"forward", "backward", "backward_parameters"} & set(vars(leaf))


def test_distance_in_ulps():
    one = np.ones(2, np.float32)
    assert Tensor("x", "", one, one).ulps == 0
    assert Tensor("x", "", one, np.nextafter(one, np.float32(2))).ulps == 1
    assert Tensor("x", "", one[:0], one[:0]).ulps == 0


BAD = {
    "step 0": (["line", "--step", "0"], ["--step", ">= 1", "0"]),
    "step too late": (["line", "--step", "999999"], ["--step", "999999"]),
    "experiment": (["lime"], ["experiment", "lime", "line"]),
    "entry form": (["line", "--entry", "layers.0.weight"], ["--entry", "layers.0.weight[2,1]"]),
    "entry name": (["line", "--entry", "layers.1.weight[0,0]"], ["layers.1.weight", "layers.0.weight"]),
    "entry index": (["line", "--entry", "layers.0.weight[5,0]"], ["(5, 2)", "[5, 0]"]),
    "entry axes": (["line", "--entry", "layers.0.weight[1]"], ["(5, 2)", "[1]"]),
    "file": (["line", "--json", "/nowhere/x.json"], ["/nowhere/x.json", "cannot be written"]),
}


@pytest.mark.parametrize("case", BAD)
def test_one_line_for_bad_input(case, capsys):
    arguments, words = BAD[case]
    assert cli.main(["trace", *arguments]) == 2
    found = capsys.readouterr()
    assert len(found.err.splitlines()) == 1
    for word in words:
        assert word in found.err


def test_command(capsys, tmp_path):
    files = {"json": tmp_path / "t.json", "html": tmp_path / "t.html"}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    assert cli.main(["trace", "line", "--step", "2", "--entry", "layers.0.weight[0,0]", *options]) == 0
    shown = capsys.readouterr().out
    assert "line, step 2: a batch of 100" in shown
    assert "Σₙ" in shown
    assert json.loads(files["json"].read_text())["held"]
    assert files["html"].read_text().startswith("<!DOCTYPE html>")
