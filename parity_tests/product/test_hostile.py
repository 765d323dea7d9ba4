"""Hostile command lines, files and surroundings: one line on standard error, exit code 2, and nothing written."""

import math
import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table

import handgrad
from handgrad import cli
from handgrad.experiments import EXPERIMENTS, Data, Experiment
from handgrad.experiments.experiment import FIELDS
from handgrad.files import REPORT, RESULT, WEIGHTS
from handgrad.machine.environment import same_imports
from handgrad.terminal import Terminal, printable

OURS = str(Path(handgrad.__file__).parent.parent)
DIGITS = "9" * 4301  # more than `int` reads
LONG = "x" * 300  # more than a file's name may have
HALF = "caf\udce9"  # an argument in Latin-1, as Python hands it over

RECIPE = {
    "--epochs": ["0", "-1", "1.5", "1e3", "", " 1", "１", "1_0", DIGITS, "1000000001", "nan", HALF],
    "--lr": ["-1", "-0.0001", "nan", "inf", "1e309", "1e308", "0x1", "", "1_0", "1,5", "１", DIGITS],
    "--batch-size": ["0", "-3", "2.0", "", DIGITS],
    "--optimizer": ["", "Linear", "sgd,adam", "no\x1b[31m", LONG * 9],
    "--optimizer-options": [
        "",
        "momentum",
        "momentum=",
        "momentum=x",
        "momentum=1,momentum=2",
        "lr=1",
        "a=1",
        "a=__import__('os')",
    ],
    "--momentum": ["-1", "nan", "1,5", DIGITS],
    "--weight-decay": ["-1", "inf", "x"],
    "--loss": ["", "Loss", "PairLoss", "mse", "MLP", "CosineEmbeddingLoss"],
    "--class-weights": ["", "none", "1,2", "balanced,balanced"],
    "--hidden": ["", "0", "4,", ",", "4;4", "-4", "4.5", "(4,)", DIGITS, "4," + DIGITS],
    "--activation": ["", "ReLU()", "relu,tanh", "__class__"],
    "--seed": ["-1", "1.0", "", "4294967296", DIGITS],
    "--dtype": ["float16", "f4", "", "float32,float64", "FLOAT32"],
    "--judge-every": ["0", "-1", "1.5", "", DIGITS],
}
OF_A_RUN = {
    "--device": ["", "gpu", "cuda:", "cuda:-1", "cuda:x", f"cuda:{DIGITS}", "cpu:x", "meta", ":"],
    "--out": ["taken", "taken/below", "blocked", LONG, f"new/{LONG}", "a\0b", HALF, "/proc/x", "/dev/null", "loop"],
}
COMMANDS = {
    ("compare", "line"): {**RECIPE, **OF_A_RUN, "--seeds": ["0", "1.5", "10001", DIGITS], "--jobs": ["0", "x", DIGITS]},
    ("compare", "--all"): {"--out": ["taken", LONG], "--lr": ["1"], "--csv": ["a.csv"], "--epochs": ["0", DIGITS]},
    ("trace", "grow-1"): {
        **{option: texts[:3] for option, texts in RECIPE.items() if option not in ("--epochs", "--judge-every")},
        "--step": ["0", "-1", "1.5", "101", "1000000000", DIGITS, ""],
        "--entry": ["", "x", "layers.0.weight", "layers.0.weight[0]", "layers.0.weight[9,9]", f"a[{DIGITS}]", "no[0]"],
        "--html": [".", "", "taken/x", "no/x", LONG, "a\0b", HALF, "loop", "blocked"],
        "--json": [".", "", "taken/x", "no/x", LONG, "a\0b", HALF, "loop", "blocked"],
    },
    ("unroll", "grow-1"): {
        **{option: texts[:2] for option, texts in RECIPE.items() if option != "--judge-every"},
        "--out": [".", "", "taken/x", LONG, "a\0b", HALF, "x.npz"],
    },
    ("sweep", "line"): {
        "--width": ["", "4", "4,4", "0,4", "4,x", f"4,{DIGITS}"],
        "--lr": ["1", "1,1.0", "nan,1", "1,-1", f"1,{DIGITS}"],
        "--metric": ["accuracy"],
    },
    ("sweep", "line", "--width", "2,4"): {**OF_A_RUN, "--seeds": ["0", DIGITS], "--jobs": ["0"], "--metric": ["", "x"]},
    ("sweep",): {"--preset": ["", "x", "dead-relu"], "--csv": ["taken", "no"]},
    ("sweep", "dead-relu"): {"--seeds": ["0", DIGITS], "--width": ["2,4"], "--preset": ["x"]},
    ("bench",): {
        "--question": ["", "x", LONG],
        "--contender": ["", "x", "no.py:Step", "taken.py:"],
        "--csv": [".", "taken/x", LONG, "a\0b", HALF],
        "--threads": ["0", "-1", "1.5", "x", DIGITS],
        "--out": ["taken", LONG, "a\0b", HALF, "blocked"],
    },
    ("distributed", "line"): {**{option: texts[:2] for option, texts in RECIPE.items()}, "--device": ["cpu", "gpu"]},
    ("doctor", "--json"): {"": [".", "taken/x", "no/x", LONG, "a\0b", HALF, "loop"]},
    ("judge",): {"": ["no", "taken", ".", "", LONG, "a\0b", HALF, "loop", "/dev/null", "/proc/self/mem"]},
    ("vectors", "ReLU"): {"--out": ["taken", LONG, "a\0b", HALF, "/proc/x"], "--dtype": RECIPE["--dtype"]},
    ("vectors",): {"": ["", "relu", "Sequential", "--all=x", "a\0b", HALF, LONG]},
    ("check",): {"": ["no.py:f", "taken:f", "nothing", "a\0b", HALF, ""]},
}
LINES = {
    " ".join(filter(None, (*command, option))): [[*command, *filter(None, [option]), text] for text in texts]
    for command, options in COMMANDS.items()
    for option, texts in options.items()
}
NAMES = ("", "no", "taken", "taken:x", "mine.py", ":", "::", ".py", "a\0b.py:x", f"{LONG}.py:x")
FILES = ("taken", "no.csv", ".", "", LONG, HALF, "/dev/null")
PAIRS = (("no", "no"), ("taken", "taken"), (".", "."), ("", ""), ("a\0b", HALF))
LINES |= {
    "list …": [["list", extra] for extra in ("x", "--all", HALF)],
    "…": [[command] for command in ("trace", "distributed", "check", "sweep", "compare", "x", "", HALF, "--lr")],
    "compare …": [["compare", name] for name in NAMES],
    "compare --csv …": [
        ["compare", "--csv", "taken"],
        *(["compare", "--csv", name, "--target", "y"] for name in FILES),
    ],
    "doctor …": [["doctor", "x.json"], ["doctor", "--json", "a", "b"]],
    "bench compare …": [["bench", "compare"], *(["bench", "compare", *pair] for pair in PAIRS)],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder with things that are in the way."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file where a folder should be")
    for name in (REPORT, RESULT, WEIGHTS):
        (tmp_path / "blocked" / name).mkdir(parents=True)
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.fixture
def nothing_runs(monkeypatch):
    for place in (
        "handgrad.training.train.train",
        "handgrad.training.all_experiments.compare_all",
        "handgrad.report.result_json.write_result",
        "handgrad.cli.sweep_terminal.sweep",
    ):
        monkeypatch.setattr(place, lambda *args: pytest.fail("it ran"))
    for place in ("benchmarks.run.run_benchmark", "handgrad.machine.doctor.diagnose", "handgrad.files.write_text"):
        monkeypatch.setattr(place, lambda *args: pytest.fail("it ran"))


def tree(folder):
    return sorted(folder.rglob("*"))


def refused(arguments, capsys):
    """The one line that a command line is refused in."""
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    assert (code, out.strip()) == (2, ""), arguments
    assert err.startswith("handgrad: error: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert "Traceback" not in err
    assert len(err) < 1200
    return err


@pytest.mark.parametrize("command", LINES)
def test_a_hostile_command_line_is_refused_in_one_line(command, folder, capsys, nothing_runs):
    before = tree(folder)
    for arguments in LINES[command]:
        refused(arguments, capsys)
        assert tree(folder) == before, arguments


# --- experiments of the user's own ------------------------------------------------------------------------------------

BAD_FIELDS = {
    "name": ["", ".", "..", "a/b", "a\\b", "a\nb", "\x1b[31m", "\0", HALF, None, 3, b"a"],
    "title": [None, 3, b"a"],
    "source": [None],
    "task": ["", "guess", None, ["binary"], np.zeros(3)],
    "size": [None, 3],
    "data": [None, 3, "data"],
    "hidden": [None, 3, "3", (0,), (-1,), (2.0,), ("3",), (True,), (np.float64(3),), np.array([3]), {3}],
    "activation": [None, 3],
    "model": [3, "MLP"],
    "loss": [None, 3],
    "own_loss": [3, "MSELoss"],
    "own_ops": [None, 3, "SGD", ("SGD",), {"SGD": dict}, dict],
    "class_weights": [3, "", "none", ["balanced"]],
    "optimizer": [None, 3],
    "lr": [-1, -1e-300, math.nan, math.inf, -math.inf, "0.1", None, 1j, True, np.zeros(1), 10**400],
    "epochs": [0, -1, 1.5, 1.0, "3", None, True, math.nan, math.inf],
    "batch_size": [0, -1, 2.5, 2.0, "3", True],
    "expect": [None, 0.9, "test_accuracy"],
    "printed": [None],
    "band": [None],
    "seconds": [-1, math.nan, None, "3"],
    "output_activation": [3],
    "optimizer_options": [None, [], {"lr": 1}, {3: 1}, "momentum"],
    "shuffle": [0, 1, None, "no"],
    "drop_last": [0, 1, None, "no"],
    "init": ["", None, "xavier"],
    "seed": [-1, 2**32, 1.0, "1", None, True],
    "dtype": ["", "float16", None, np.float32],
    "judge_every": [0, -1, 1.5, "3", None, True, math.inf],
    "original": [3, "line"],
}


def test_every_field_of_an_experiment_is_in_the_table():
    assert set(BAD_FIELDS) == set(FIELDS) == {field.name for field in fields(Experiment)}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_a_bad_field_is_refused_by_name_wherever_it_comes_from(name):
    for value in BAD_FIELDS[name]:
        with pytest.raises(ValueError, match=f"^{name} must be .*; got ") as caught:
            replace(EXPERIMENTS["line"], **{name: value})
        assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers():
    given = {"lr": np.float64(0.5), "epochs": np.int64(3), "hidden": [np.int32(4), 2], "seed": np.uint32(7)}
    assert replace(EXPERIMENTS["line"], **given).hidden == (4, 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"value": math.nan}, "value must be a finite number"),
        ({"value": 10**400}, "value must be a finite number"),
        ({"value": "0.9"}, "value must be a finite number"),
        ({"decides": 1}, "decides must be True or False"),
        ({"metric": ["test_loss"]}, "metric must be one of"),
        ({"bound": "least"}, "bound must be one of min, max"),
    ],
)
def test_a_bad_expectation_is_refused_by_name(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(EXPERIMENTS["line"].expect, **changed)


X, Y = np.zeros((4, 2)), np.zeros(4, np.int64)
BAD_DATA = [
    ({"x_train": np.ma.masked_array(X)}, "x_train must be a NumPy array; got MaskedArray"),
    ({"x_train": X.view(np.recarray)}, "x_train must be a NumPy array; got recarray"),
    ({"y_train": np.zeros((4, 0))}, "y_train must be class indices"),
    ({"classes": ("a", 3)}, "classes must be a tuple of texts"),
    ({"classes": "ab"}, "classes must be a tuple of texts"),
    ({"classes": ()}, "classes must be None, or name them"),
    ({"classes": ("a",), "y_train": np.zeros((4, 1))}, "classes must be 2, of targets of shape"),
    ({"classes": ("a", "b"), "y_train": np.zeros((4, 3))}, "classes must be 3, of targets of shape"),
    ({"features": ("a",)}, "features must name all 2 columns"),
    ({"image": (2, 2)}, r"image must be .* whose product is the number of features, 2; got \(2, 2\)"),
    ({"image": 2}, r"image must be None or \(rows, columns\)"),
    ({"image": (-1, -2)}, r"image must be None or \(rows, columns\)"),
    ({"features": "ab"}, "features must be a tuple of texts"),
    ({"features": (1, 2)}, "features must be a tuple of texts"),
]


@pytest.mark.parametrize(("changed", "message"), BAD_DATA)
def test_data_that_would_fail_at_the_end_of_a_run_are_refused_before(changed, message):
    with pytest.raises(ValueError, match=f"^data: {message}"):
        Data(**{"x_train": X, "y_train": Y} | changed).checked()


OWN = """
import sys
import numpy as np
from handgrad.experiments import Data, Expectation, Experiment

class Own(BaseException):
    pass

def fail():
    {failure}

def data(seed):
    {in_data}
    x = np.random.default_rng(seed).normal(size=(40, 3))
    return Data(x_train=x, y_train=x[:, :1].copy())

def model(ops, sizes, options):
    {in_model}
    return ops.Sequential(ops.Linear(*sizes, **options))

def own_loss(side):
    {in_own_loss}
    import scratch, torch_impl
    return {{"scratch": scratch, "torch": torch_impl}}[side].MSELoss()

{in_module}
experiment = Experiment(
    name="mine", task="regression", data=data, model=model, own_loss=own_loss, loss="MSELoss", optimizer="SGD",
    lr=0.01, epochs=1, expect=Expectation("final_loss", "max", 9.0),
)
"""
PLACES = ("module", "data", "model", "own_loss")
FAILURES = [
    *("sys.exit(0)", "sys.exit()", "sys.exit('bye')", "raise SystemExit(1)", "raise KeyboardInterrupt", "raise Own"),
    *("1 / 0", "assert False", "fail()", "raise Exception('two\\nlines')", "raise MemoryError", "raise StopIteration"),
    *("raise GeneratorExit", "raise BrokenPipeError", "raise OSError(28, 'full')", "raise Exception('\\x1b[31m')"),
]


@pytest.fixture
def own(folder):
    def write(failure="", place=""):
        calls = {f"in_{one}": "fail()" if one == place else "pass" for one in PLACES}
        (folder / "mine.py").write_text(OWN.format(failure=failure or "pass", **calls))
        return "mine.py:experiment"

    return write


@pytest.mark.parametrize("place", PLACES)
def test_whatever_a_users_code_raises_is_one_line(place, own, folder, capsys, nothing_runs):
    where = "mine.py cannot be run: " if place == "module" else f"{place} of experiment 'mine' failed: "
    for failure in FAILURES:
        name = own(failure, place)
        before = tree(folder)
        others = (["trace", name], ["sweep", name, "--lr", "1,2"]) if failure == FAILURES[0] else ()
        for arguments in (["compare", name], *others):
            assert where in refused(arguments, capsys)
            assert [path for path in tree(folder) if "__pycache__" not in path.parts] == before


def test_a_users_code_that_works_is_run(own, capsys):
    assert cli.main(["compare", own(), "--judge-every", "9"]) == 0


@pytest.mark.parametrize("place", PLACES)
def test_ctrl_c_in_a_users_code_is_no_error_of_it(place, own, capsys, nothing_runs):
    name = own("import signal; signal.raise_signal(signal.SIGINT)", place)
    for arguments in (["compare", name], ["trace", name], ["sweep", name, "--lr", "1,2"]):
        assert cli.main(arguments) == 130
        assert capsys.readouterr().err == "handgrad: interrupted\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--optimizer", "adam", "--lr", "1e38"], "step 1 failed on the side torch: RuntimeError: value cannot be"),
        (["--lr", "1e39"], r"lr must be finite in float32; got 1e\+39"),
    ],
)
def test_a_rate_beyond_the_dtype_is_refused(options, message, folder, capsys):
    there = set(folder.rglob("*"))
    assert cli.main(["compare", "grow-1", *options]) == 2
    err = capsys.readouterr().err
    assert re.fullmatch(f"handgrad: error: {message}.*\n", err)
    assert set(folder.rglob("*")) == there


def test_what_nobody_foresaw_is_no_failed_parity(capsys, monkeypatch):
    """Exit code 1 is the judge's."""
    for error in (KeyError("no"), AssertionError(), SystemExit(0), UnicodeError("two\nlines")):

        def fail(*args, error=error):
            raise error

        monkeypatch.setattr("handgrad.training.train.prepare", fail)
        refused(["compare", "line"], capsys)
        refused(["trace", "line"], capsys)


# --- surroundings -----------------------------------------------------------------------------------------------------


def test_a_reader_who_has_enough_and_a_full_disk(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # what is kept back would be written again at the very end
    start = [sys.executable, "-m", "handgrad", "list"]
    reading, writing = os.pipe()
    os.close(reading)
    closed = subprocess.run(start, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (closed.returncode, closed.stderr.count("\n")) == (2, 1)
    with Path("/dev/full").open("w") as full:
        disk = subprocess.run(start, stdout=full, stderr=subprocess.PIPE, text=True)
        assert disk.returncode == 2
        assert disk.stderr == "handgrad: error: standard output cannot be written: No space left on device\n"
        both = subprocess.run([*start, "x"], stdout=full, stderr=full)
        assert both.returncode == 2


STEERING = ["\x1b[31m", "\x07", "\x9b2J", "\u202e", "\r", "\ud800", "\x00"]


@pytest.mark.parametrize("character", STEERING)
def test_text_of_a_users_does_not_steer_the_terminal(character, capsys):
    text = f"[red]a{character}b[/]"
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    terminal = Terminal()
    terminal.print(text, table, soft_wrap=True)
    with Progress(TextColumn("{task.description}", markup=False), console=terminal) as progress:
        progress.add_task(text)
    print(printable(text))
    out = capsys.readouterr().out
    assert out.count("[red]a") >= 4
    for line in out.splitlines():
        assert printable(line) == line


def test_names_in_a_file_do_not_steer_the_terminal(folder, capsys):
    name, kinds = "[red]\x1b[31ma", ("\x1b]0;gone\x07", "[bold]b")
    lines = [f"{name},y", *(f"{i}.5,{kinds[i % 2]}" for i in range(12))]
    (folder / "\x1b[1mx.csv").write_text("\n".join(lines))
    refused(["compare", "--csv", "\x1b[1mx.csv", "--target", "no"], capsys)
    assert cli.main(["compare", "--csv", "\x1b[1mx.csv", "--target", "y", "--epochs", "1", "--out", "\x1b[2m"]) == 0
    out, err = capsys.readouterr()
    assert "\\x1b[2m/report.html" in out
    assert (out + err).replace("\n", "").isprintable()


@pytest.fixture
def shadows(folder):
    """A folder of the user's in which every package of ours has a namesake."""
    for name in ("contract", "benchmarks"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("")
    for name in ("scratch", "torch_impl", "docs", "parity_tests"):
        (folder / f"{name}.py").write_text("")
    return folder


def test_namesakes_of_our_packages_do_no_harm(shadows):
    for arguments in (["list"], ["check", "scratch.ReLU"]):
        command = [sys.executable, "-m", "handgrad", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": OURS})
        assert done.returncode == 0, done.stderr
    for module in ("benchmarks.worker", "contract.names", "scratch.module", "handgrad.cli"):
        find = f"import importlib.util; print(importlib.util.find_spec({module!r}).origin)"
        command = [sys.executable, "-c", find]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | same_imports())
        assert done.stdout.startswith(OURS), done.stderr
