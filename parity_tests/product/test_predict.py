"""`handgrad predict`: rows are read as the training data were, and both nets answer as they did in training."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from handgrad import cli
from handgrad.experiments import EXPERIMENTS
from handgrad.experiments.csv_file import read as read_csv
from handgrad.experiments.csv_file.encode import encoded
from handgrad.experiments.csv_file.table import load
from handgrad.experiments.encoding import Number, Standard
from handgrad.experiments.score import predicted_classes
from handgrad.predict import answers, read, write
from handgrad.predict.answers import PROBABILITIES
from handgrad.training.train import output_of, prepare

HEAD = "height,price,soil,seen,name,kind"
ROWS = [
    f"{i * 1.37 - 9},{'' if i == 3 else f'{i % 7}.{i:02d} €'},{'clay' if i % 3 else 'sand'},"
    f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.2024 {i % 24:02d}:30,n{i},{'rose' if i * 7 % 11 < 5 else 'iris'}"
    for i in range(60)
]
"""Numbers, one of them missing, in euros; kinds; dates with a time; a column to leave out; two classes."""
OPTIONS = ("--missing", "fill", "--leave-out", "name")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.csv").write_text("\n".join([HEAD, *ROWS]) + "\n", encoding="utf-8")
    return tmp_path


def trained(target="kind", *more):
    return cli.main(["compare", "--csv", "flowers.csv", "--target", target, *OPTIONS, "--epochs", "5", *more])


def predicted(capsys, *arguments):
    """The answers' columns by name, and what is said of them."""
    capsys.readouterr()
    assert cli.main(["predict", *arguments]) == 0
    out, err = capsys.readouterr()
    names, *rows = csv.reader(io.StringIO(out))
    return dict(zip(names, zip(*rows, strict=True), strict=True)), err


def test_answers_on_the_training_file_are_as_often_right_as_was_reported(folder, capsys):
    assert trained() == 0
    found, said = predicted(capsys, "runs/flowers", "flowers.csv")
    result = json.loads((folder / "runs/flowers/result.json").read_text())
    kinds = [row.rpartition(",")[2] for row in ROWS]
    for side, numbers in result["sides"].items():
        right = sum(answer == kind for answer, kind in zip(found[side], kinds, strict=True))
        data = result["data"]
        assert right == round(numbers["train_accuracy"] * data["train"] + numbers["test_accuracy"] * data["test"])
        assert all(0.5 <= float(p) <= 1 for p in found[f"{side}_probability"])
    differ = sum(a != b for a, b in zip(found["scratch"], found["torch"], strict=True))
    assert said == f"handgrad: 60 rows; the two sides answer {differ or 'none'} of them differently\n"
    again, _ = predicted(capsys, "runs/flowers/result.json", "flowers.csv")
    assert again == found


def test_rows_become_the_very_inputs_of_training(folder):
    """Of a file of every kind of column, with missing values: to the last bit, and its rows alone too."""
    data = read_csv(folder / "flowers.csv", "kind", "fill", ["name"]).data(0)
    whole = encoded(load(folder / "flowers.csv"), data.inputs, data.beside)
    trained_on = np.concatenate([data.x_train, data.x_test])
    order, other = (np.lexsort(x.T) for x in (whole, trained_on))
    assert np.array_equal(whole[order], trained_on[other])
    for place in (0, 3, 59):
        (folder / "one.csv").write_text(f"{HEAD}\n{ROWS[place]}\n", encoding="utf-8")
        assert np.array_equal(encoded(load(folder / "one.csv", False), data.inputs, data.beside)[0], whole[place])


def as_csv(path, inputs, rows):
    """Rows of floats in a file, every digit of them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[way.name for way in inputs], *rows.tolist()])
    return path


@pytest.mark.parametrize("name", ["iris", "diabetes", "digits"])
def test_a_builtin_takes_numbers_as_they_were_measured(name, tmp_path):
    from sklearn import datasets

    raw = getattr(datasets, f"load_{name}")().data
    data = EXPERIMENTS[name].data(0)
    whole = encoded(load(as_csv(tmp_path / "raw.csv", data.inputs, raw)), data.inputs)
    assert {tuple(row) for row in whole} == {tuple(row) for row in (*data.x_train, *data.x_test)}


def test_numbers_are_answered_in_the_units_of_the_file(folder, capsys):
    assert trained("height") == 0
    found, said = predicted(capsys, "runs/flowers", "flowers.csv")
    result = json.loads((folder / "runs/flowers/result.json").read_text())
    target = read(folder / "runs/flowers").target
    heights = np.array([float(row.partition(",")[0]) for row in ROWS])
    for side, numbers in result["sides"].items():
        errors = (np.array(found[side], np.float64) - heights) / np.ldexp(target.scale, target.exponent)
        data = result["data"]
        loss = (numbers["final_loss"] * data["train"] + numbers["test_loss"] * data["test"]) / len(ROWS)
        assert f"{(errors**2).mean():.4g}" == f"{loss:.4g}"
    assert "the two sides' numbers differ in" in said


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_answers_as_its_nets_do(name, tmp_path):
    prepared = prepare(EXPERIMENTS[name])
    write(prepared, tmp_path / "weights.safetensors")
    net = read(tmp_path)
    raw = np.random.default_rng(0).normal(size=(9, len(net.inputs)))
    found = answers(net, as_csv(tmp_path / "rows.csv", net.inputs, raw))
    x = np.stack([way.standard.of(column) for way, column in zip(net.inputs, raw.T, strict=True)], axis=1)
    data = prepared.data
    for side, trainer in prepared.trainers.items():
        output = output_of(trainer, x.astype(prepared.experiment.dtype))
        if data.classes is None:
            wanted = output.astype(np.float64)
            assert np.array_equal(found.answers[side], wanted if net.target is None else net.target.back(wanted))
        else:
            chosen = predicted_classes(prepared.experiment, data, output)
            assert found.answers[side] == [data.classes[place] for place in chosen]
    header = found.table().splitlines()[0]
    assert header.startswith("scratch")
    assert len(found.table().splitlines()) == 10


LOG3 = float(np.log(3))
OUTPUTS = {
    "CrossEntropyLoss": [[0.0, LOG3]],
    "NLLLoss": [[np.log(0.25), np.log(0.75)]],
    "BCEWithLogitsLoss": [[-LOG3, LOG3]],
    "BCELoss": [[0.25, 0.75]],
}


@pytest.mark.parametrize("loss", PROBABILITIES)
def test_outputs_become_probabilities(loss):
    found = PROBABILITIES[loss](np.array(OUTPUTS[loss]))
    assert found.round(15).tolist() == [[0.25, 0.75]]


def test_sides_that_differ_are_counted(folder, capsys):
    trained()
    net = read(folder / "runs/flowers")
    last = {name: -array for name, array in net.states["torch"].items() if name.startswith("layers.4")}
    turned = replace(net, states={**net.states, "torch": {**net.states["torch"], **last}})
    found = answers(turned, folder / "flowers.csv")
    assert found.compared() == "60 rows; the two sides answer 60 of them differently"


def test_answers_go_to_a_file(folder, capsys):
    trained()
    assert cli.main(["predict", "runs/flowers", "flowers.csv", "--out", "answers.csv"]) == 0
    assert (folder / "answers.csv").read_text() == answers(
        read(folder / "runs/flowers"), folder / "flowers.csv"
    ).table()


def test_standards_are_undone():
    standard = Standard(exponent=3, centre=0.25, scale=0.5)
    x = np.array([-8.0, 0.0, 2.0, 100.0])
    assert standard.of(x).tolist() == [-2.5, -0.5, 0.0, 24.5]
    assert standard.back(standard.of(x)).tolist() == x.tolist()
    assert Number("x").standard.of(x).tolist() == x.tolist()


GOOD = "1,2 €,clay,01.02.2024 10:30"
BAD_ROWS = {
    "another kind": (
        GOOD.replace("clay", "clai"),
        ["row 2 (line 3) of column 'soil' is 'clai'", "did you mean 'clay'"],
    ),
    "no number": (GOOD.replace("1,", "1O,", 1), ["row 2", "column 'height' is '1O'", "numbers without a unit"]),
    "another unit": (GOOD.replace("€", "$"), ["column 'price' is '2 $'", "in €"]),
    "too large": (GOOD.replace("1,", "1e999,", 1), ["column 'height' is '1e999'", "no finite number"]),
    "no date": (GOOD.replace("01.02.2024 10:30", "soon"), ["column 'seen' is 'soon'", "written as %d.%m.%Y %H:%M"]),
    "cells": (f"{GOOD},5", ["row 2 (line 3) has 5 cells; the header has 4"]),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run without missing values, its folder."""
    folder = tmp_path_factory.mktemp("run")
    file = folder / "flowers.csv"
    file.write_text("\n".join([HEAD, *(row for row in ROWS if "€" in row)]) + "\n", encoding="utf-8")
    write(prepare(read_csv(file, "kind", "refuse", ["name"])), folder / "weights.safetensors")
    return folder


def refused(capsys, *arguments):
    capsys.readouterr()
    assert cli.main(["predict", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_cell_that_does_not_fit_is_named(case, run, tmp_path, capsys):
    row, words = BAD_ROWS[case]
    file = tmp_path / "rows.csv"
    file.write_text(f"height,price,soil,seen\n{GOOD}\n{row}\n", encoding="utf-8")
    err = refused(capsys, run, file)
    assert all(word in err for word in words), err


@pytest.mark.parametrize("gap", ["", "NA", "?"])
@pytest.mark.parametrize("place", range(4))
def test_a_missing_value_is_refused_where_training_had_none(gap, place, run, tmp_path, capsys):
    cells = GOOD.split(",")
    cells[place] = gap
    file = tmp_path / "rows.csv"
    file.write_text(f"height,price,soil,seen\n{GOOD}\n{','.join(cells)}\n", encoding="utf-8")
    err = refused(capsys, run, file)
    assert f"row 2 (line 3) of column {HEAD.split(',')[place]!r}" in err
    assert "missing value" in err


@pytest.mark.parametrize("name", ["rows.csv", "weights.safetensors"])
def test_no_file_that_is_read_is_written(name, run, tmp_path, capsys):
    file = tmp_path / "rows.csv"
    file.write_text(f"height,price,soil,seen\n{GOOD}\n", encoding="utf-8")
    out = file if name == file.name else run / name
    before = out.read_bytes()
    assert f"another file than those that are read; got {out}" in refused(capsys, run, file, "--out", out)
    assert out.read_bytes() == before


HEADERS = {
    "one more": ("height,price,soil,seen,colour", f"{GOOD},red", ["column 'colour' is none of those"]),
    "misspelt": ("heigth,price,soil,seen", GOOD, ["column 'heigth'", "did you mean 'height'"]),
    "one less": ("height,price,soil", "1,2 €,clay", ["it has no column 'seen'"]),
    "empty": ("height,price,soil,seen", None, ["it has no rows"]),
}


@pytest.mark.parametrize("case", HEADERS)
def test_columns_must_be_those_of_training(case, run, tmp_path, capsys):
    header, row, words = HEADERS[case]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(line for line in (header, row) if line) + "\n", encoding="utf-8")
    err = refused(capsys, run, file)
    assert all(word in err for word in words), err


def no_run(folder):
    return folder / "nowhere", ["there is no run"]


def no_weights(folder):
    return folder, ["has no weights.safetensors", "compare again"]


def damaged(folder):
    (folder / "weights.safetensors").write_bytes(b"{}")
    return folder, ["is no file of weights"]


def foreign(folder):
    safetensors.numpy.save_file({"x": np.zeros(2)}, folder / "weights.safetensors")
    return folder, ["is no file of weights"]


def own_net(folder):
    own = replace(EXPERIMENTS["grow-1"], name="mine")
    write(prepare(own), folder / "weights.safetensors")
    return folder, ["the net of mine", "Python file of yours"]


def blown(folder):
    prepared = prepare(EXPERIMENTS["moons"])
    for trainer in prepared.trainers.values():
        state = trainer.model.state_dict()
        trainer.model.load_state_dict({name: np.full_like(array, np.nan) for name, array in state.items()})
    write(prepared, folder / "weights.safetensors")
    return folder, ["no finite numbers"]


@pytest.mark.parametrize("make", [no_run, no_weights, damaged, foreign, own_net, blown], ids=lambda make: make.__name__)
def test_a_run_that_cannot_answer_is_one_line(make, tmp_path, capsys):
    run, words = make(tmp_path)
    file = tmp_path / "rows.csv"
    file.write_text("x0,x1\n0.5,0.25\n")
    err = refused(capsys, run, file)
    assert all(word in err for word in words), err


def test_a_file_that_is_not_there(run, capsys):
    assert "nowhere.csv" in refused(capsys, run, "nowhere.csv")
