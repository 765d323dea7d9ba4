"""`handgrad unroll`: the script that it writes trains by NumPy alone, and ends on the numbers of `handgrad compare`."""

import subprocess
import sys

import numpy as np
import pytest

from handgrad import cli
from handgrad.experiments.overrides import with_overrides
from handgrad.experiments.own import OwnFile, find
from handgrad.training.train import prepare, train

# Runs every script named, without the packages of this repository and without PyTorch, and prints what it ends on
ALONE = """
import runpy, sys
sys.modules.update(dict.fromkeys(["torch", "scratch", "handgrad", "contract", "torch_impl"]))
for path in sys.argv[1:]:
    end = runpy.run_path(path)
    for name, value in (end | end["final"]).items():
        print(path, name, value.tobytes().hex() if hasattr(value, "tobytes") else repr(value), sep=chr(9))
"""

# Recipes by what they show: SGD, Adam from a state of zeros, a first step of its own, two programs in turn and a
# smaller last batch, numbers drawn in every step, weights that no seed gives, columns as classes, data in a file; and
# data of one's own
RECIPES = {
    "grow-3": {},
    "moons": {"epochs": 4},
    "iris": {"epochs": 2, "optimizer": "Rprop", "hidden": (5, 4), "dtype": "float64"},
    "wine": {"epochs": 2, "optimizer": "RAdam", "batch_size": 50},
    "line": {"epochs": 3, "activation": "rrelu", "hidden": (4,)},
    "relu-tanh": {"epochs": 3},
    "breast_cancer": {"epochs": 2, "activation": "tanh"},
    "own.csv": {"epochs": 2, "hidden": (4,)},
}


def words(recipe):
    for field, value in recipe.items():
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        yield f"--{field.replace('_', '-')}={shown.lower()}"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A file of one's own: three sorts, a missing number, a column that says nothing."""
    path = tmp_path_factory.mktemp("own") / "own.csv"
    rows = (f"{n},{n % 7 - 3},{'' if n == 5 else n % 5 * 0.5},{'abc'[n % 3]}" for n in range(30))
    path.write_text("\n".join(["id,width,height,sort", *rows]), encoding="utf-8")
    return OwnFile(str(path), "sort", "fill", ("id",))


@pytest.fixture(scope="module")
def ends(tmp_path_factory, own):
    """What each script ends on, by recipe."""
    folder = tmp_path_factory.mktemp("scripts")
    paths = {str(folder / f"{name}.py"): name for name in RECIPES}
    for path, name in paths.items():
        given = (
            ["--csv", own.path, "--target=sort", "--missing=fill", "--leave-out=id"] if name == "own.csv" else [name]
        )
        assert cli.main(["unroll", *given, *words(RECIPES[name]), "--out", path]) == 0
    assert {path.stem for path in folder.glob("*.npz")} == {"breast_cancer"}
    command = [sys.executable, "-I", "-W", "error", "-c", ALONE, *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {name: {} for name in RECIPES}
    for line in done.stdout.splitlines():
        path, *rest = line.split("\t")
        if path in paths:
            found[paths[path]][rest[0]] = rest[1]
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_it_ends_on_the_numbers_of_compare(ends, own, name):
    named = find(None, own) if name == "own.csv" else find(name)
    prepared = prepare(with_overrides(named, {**RECIPES[name], "judge_every": 10**6}))
    run = train(prepared, pictures=False)
    expected = {}
    for path, weight in prepared.trainers["scratch"].model.named_parameters():
        *_, layer, last = path.split(".")
        expected[f"{last[0].replace('w', 'W')}{layer}"] = weight.data.tobytes().hex()
    final = run.sides["scratch"].final
    measured = {
        "training loss": final.train_loss,
        "training accuracy": final.train_accuracy,
        "test loss": final.test_loss,
        "test accuracy": final.test_accuracy,
    }
    expected |= {key: repr(value) for key, value in measured.items() if value is not None}
    assert len(expected) > 1
    assert {key: ends[name].get(key) for key in expected} == expected


def test_what_it_says(tmp_path, capsys):
    assert cli.main(["unroll", "digits", "--epochs", "1"]) == 2
    assert "digits has 116,805 numbers, too many for the script itself: --out FILE" in capsys.readouterr().err
    assert cli.main(["unroll", "digits", "--epochs", "1", "--out", str(tmp_path / "step.py")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{tmp_path / 'step.py'}: trains digits with NumPy alone"
    assert second.startswith(f"{tmp_path / 'step.npz'}: the 116,805 numbers it reads")
    with np.load(tmp_path / "step.npz") as arrays:
        assert {"x_train", "y_train", "x_test", "y_test"} == set(arrays)
    assert cli.main(["unroll", "moons", "--target", "sort"]) == 2
    assert "--target belongs to --csv FILE" in capsys.readouterr().err
    assert cli.main(["unroll", "grow-1", "--out", str(tmp_path / "a.npz")]) == 2
    assert "--out must be no .npz file" in capsys.readouterr().err
    assert cli.main(["unroll", "grow-1", "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    assert "#     y = x Wᵀ + b" in printed
    assert "import scratch" not in printed
    assert "2 steps." in printed


def test_a_script_that_ends_elsewhere_is_not_written(monkeypatch, capsys):
    """One bit off at the start, and the weights at the end are others."""
    from handgrad.training import script as module

    real = module._Script.start
    monkeypatch.setattr(module._Script, "start", lambda self: {n: m and f"1.001 * {m}" for n, m in real(self).items()})
    assert cli.main(["unroll", "grow-1", "--epochs", "2"]) == 2
    assert "W0 at the end of the script is not that of the training" in capsys.readouterr().err
