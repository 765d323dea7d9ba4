"""The command line: what it prints, what it writes, how it refuses, and its exit codes."""

import copy
import inspect
import io
import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

import handgrad
import scratch
import torch_impl
from contract.names import ACTIVATIONS
from handgrad import cli
from handgrad.cli.compare import Follower
from handgrad.cli.options import OPTIMIZERS
from handgrad.errors import BadInputError
from handgrad.experiments import EXPERIMENTS, Expectation
from handgrad.experiments.overrides import with_overrides
from handgrad.experiments.own import find
from handgrad.training import all_experiments
from handgrad.training.all_experiments import kept_results
from handgrad.training.outcome import overrides
from handgrad.training.prepared import Prepared
from handgrad.training.record import EpochRecord, Repeat
from handgrad.training.train import batches, prepare


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test writes below a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Arguments of a bad command line, words that its one line must hold.
BAD = [
    (["compare", "digit"], ["experiment", "'digit'", "did you mean 'digits'", "moons-logistic"]),
    (["compare"], ["NAME"]),
    (["compare", "line", "--epochs", "0"], ["--epochs", ">= 1", "0"]),
    (["compare", "line", "--epochs", "ten"], ["--epochs", "'ten'"]),
    (["compare", "line", "--lr", "-0.1"], ["--lr", ">= 0", "-0.1"]),
    (["compare", "line", "--lr", "nan"], ["--lr", "nan"]),
    (["compare", "line", "--lr", "inf"], ["--lr", "inf"]),
    (["compare", "line", "--batch-size", "0"], ["--batch-size", ">= 1"]),
    (["compare", "line", "--optimizer", "adamm"], ["--optimizer", "sgd, adam", "did you mean 'adam'"]),
    (["compare", "line", "--optimizer", "adam", "--momentum", "0.9"], ["Adam has no option 'momentum'", "betas"]),
    (["compare", "line", "--optimizer-options", "lr=1"], ["--lr"]),
    (["compare", "line", "--optimizer-options", "dampening=0.5,dampening=1"], ["each once", "dampening=1"]),
    (["compare", "digits", "--loss", "MSELos"], ["--loss", "did you mean 'MSELoss'"]),
    (["compare", "digits", "--loss", "MSELoss"], ["MSELoss", "target"]),
    (["compare", "line", "--activation", "rely"], ["--activation", "did you mean 'relu'"]),
    (["compare", "line", "--hidden", "64,x"], ["--hidden", "64,32", "'64,x'"]),
    (["compare", "line", "--hidden", "64,0"], ["--hidden", "'64,0'"]),
    (["compare", "line", "--hidden", ""], ["--hidden", "''"]),
    (["compare", "line", "--seed", "-1"], ["--seed", "from 0 to 4294967295"]),
    (["compare", "line", "--seed", "4294967296"], ["--seed"]),
    (["compare", "line", "--dtype", "float16"], ["--dtype", "float32, float64"]),
    (["compare", "line", "--judge-every", "0"], ["--judge-every", ">= 1"]),
    (["compare", "line", "--device", "gpu"], ["device", "'gpu'", "cuda"]),
    (["compare", "line", "--device", "cuda:99"], ["device", "cuda:99"]),
    (["compare", "line", "--out", "taken"], ["--out", "taken"]),
    (["compare", "line", "--out", "taken/below"], ["--out", "taken"]),
    (["compare", "line", "--out", "blocked"], ["--out", "report.html"]),
    (["compare", "line", "--epoch", "3"], ["--epoch"]),
    (["compare", "line", "--epochs"], ["--epochs"]),
    (["compare", "line", "extra"], ["extra"]),
    (["compare", "taken:experiment"], ["taken must be a Python file"]),
    (["compare", "no.py:experiment"], ["no file no.py"]),
    (["compare", "line", "--csv", "taken"], ["NAME or --csv", "'line'"]),
    (["compare", "--csv", "no.csv", "--target", "a"], ["no.csv cannot be read"]),
    (["compare", "--target", "a"], ["--target belongs to --csv"]),
    (["compare", "line", "--missing", "drop"], ["--missing belongs to --csv"]),
    (["sweep", "line", "--leave-out", "a"], ["--leave-out belongs to --csv"]),
    (["compare", "--csv", "no.csv", "--target", "a", "--missing", "guess"], ["no.csv cannot be read"]),
    (["compare", "line", "--all"], ["--all", "NAME"]),
    (["compare", "--all", "--lr", "1"], ["--all", "--lr"]),
    (["compare", "--all", "--out", "taken"], ["--out", "taken"]),
    (["compare", "line", "--checkpoint-every", "often"], ["--checkpoint-every", ">= 0", "'often'"]),
    (["compare", "line", "--seeds", "0"], ["--seeds", "from 1 to 10000"]),
    (["compare", "line", "--jobs", "0"], ["--jobs", ">= 1"]),
    (["compare", "line", "--seed", "4294967295", "--seeds", "2"], ["--seeds 2", "the last, 4294967295"]),
    (["compare", "digits", "--points", "9"], ["--points cannot change digits", "takes the seed and points"]),
    (["compare", "line", "--points", "0"], ["--points", ">= 1", "0"]),
    (["compare", "grow-1", "--hidden", "3"], ["--hidden", "grow-1"]),
    (["compare", "moons", "--optimizer", "lbfgs", "--optimizer-options", "max_iter=20"], ["max_iter=1", "max_iter=20"]),
    (
        ["compare", "moons", "--optimizer", "lbfgs", "--optimizer-options", "line_search_fn=strong_wolfe"],
        ["no line_sea"],
    ),
    (["unroll", "moons", "--optimizer", "lbfgs"], ["LBFGS keeps a history that grows"]),
    (["comparr"], ["comparr"]),
    (["explain", "Hubr"], ["OP", "102 names", "'Hubr'", "did you mean HuberLoss?"]),
    (["explain", "max"], ["did you mean Adamax or Softmax?"]),
    (["explain", ""], ["''", "`handgrad explain` lists them"]),
    (["--wrong"], ["--wrong"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_bad_input_is_one_line_and_exit_code_2(arguments, words, folder, capsys, monkeypatch):
    def fail(*args):
        pytest.fail("training started")

    monkeypatch.setattr("handgrad.training.train.train", fail)
    (folder / "taken").write_text("a file where a folder should be")
    (folder / "blocked" / "report.html").mkdir(parents=True)
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert err.startswith("handgrad: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


WRITTEN = ["report.html", "result.json", "weights.safetensors"]


def test_a_compare_run_writes_and_prints_everything(folder, capsys):
    assert cli.main(["compare", "moons", "--epochs", "2", "--hidden", "8,4", "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in ["NumPy", "PyTorch", "held", "test accuracy", "µs", "10 of 10", "runs/moons/report.html", "PASSED"]:
        assert word in out
    epochs = [line.split()[:2] for line in out.splitlines() if " / " in line and line.startswith("epoch")]
    assert epochs == [["epoch", "0"], ["epoch", "1"], ["epoch", "2"]]
    assert "does not decide: the recipe was changed (hidden, epochs)" in out
    assert sorted(path.name for path in (folder / "runs" / "moons").iterdir()) == WRITTEN
    content = json.loads((folder / "runs" / "moons" / "result.json").read_text())
    assert content["command"] == "handgrad compare moons --epochs 2 --hidden 8,4 --seed 3"
    assert content["passed"]
    assert content["experiment"]["hidden"] == [8, 4]
    assert content["experiment"]["seed"] == 3


# Options, what they change in the experiment.
OPTIONS = [
    (["--epochs", "1"], {"epochs": 1}),
    (["--lr", "0"], {"lr": 0.0}),
    (["--batch-size", "50"], {"batch_size": 50}),
    (["--optimizer", "Adam"], {}),
    (["--optimizer", "SGD"], {"optimizer": "SGD", "lr": 0.001}),
    (["--optimizer", "sgd", "--lr", "0.1"], {"optimizer": "SGD", "lr": 0.1}),
    (["--hidden", " 7, 5"], {"hidden": (7, 5)}),
    (["--activation", "tanh"], {"activation": "tanh"}),
    (["--seed", "4294967295"], {"seed": 4294967295}),
    (["--dtype", "float64"], {"dtype": "float64"}),
    (["--judge-every", "9"], {"judge_every": 9}),
    ([], {}),
]


@pytest.mark.parametrize(("options", "changes"), OPTIONS)
def test_options_change_the_experiment(options, changes, monkeypatch):
    seen = {}

    def record(experiment, device, out, command, *rest):
        seen.update(experiment=experiment, device=device, out=str(out), command=command)
        return 0

    monkeypatch.setattr("handgrad.cli.compare.compare", record)
    assert cli.main(["compare", "xor", *options]) == 0
    assert seen["experiment"] == replace(EXPERIMENTS["xor"], **changes)
    assert seen["device"] == "cpu"
    assert seen["out"] == "runs/xor"
    assert cli.main(["compare", "xor", "--out", "here", "--device", "cuda"]) == 0
    assert (seen["out"], seen["device"]) == ("here", "cuda")


def test_repeats_over_seeds_are_printed_and_written(folder, capsys):
    assert cli.main(["compare", "grow-1", "--seed", "5", "--seeds", "3", "--jobs", "2", "--judge-every", "50"]) == 0
    out = capsys.readouterr().out
    for word in ["over 3 seeds", "median final loss", "3 of 3", "PASSED"]:
        assert word in out
    content = json.loads((folder / "runs" / "grow-1" / "result.json").read_text())
    assert [repeat["seed"] for repeat in content["repeats"]] == [5, 6, 7]
    assert content["repeats"][0]["values"] == {side: content["sides"][side]["reached"] for side in content["sides"]}
    assert len({repeat["values"]["scratch"] for repeat in content["repeats"]}) == 3
    page = (folder / "runs" / "grow-1" / "report.html").read_text()
    assert "Met on both sides by 3 of 3 seeds" in page
    assert 'id="seeds-' in page
    # The same seed alone, in a process of its own or not, gives the same numbers.
    assert cli.main(["compare", "grow-1", "--seed", "6", "--seeds", "1", "--judge-every", "50"]) == 0
    again = json.loads((folder / "runs" / "grow-1" / "result.json").read_text())
    assert [repeat["values"] for repeat in again["repeats"]] == [content["repeats"][1]["values"]]


def test_a_seed_that_fails_parity_fails_the_run(folder, capsys, monkeypatch):
    def broken(request, seeds, jobs, on_done):
        return [Repeat(seed, seed != 2, {"scratch": 0.1, "torch": 0.1}, {"scratch": [], "torch": []}) for seed in seeds]

    monkeypatch.setattr("handgrad.training.seeds.repeats", broken)
    monkeypatch.setattr("handgrad.report.page.seeds_picture", lambda run: None)
    assert cli.main(["compare", "grow-1", "--seeds", "4", "--judge-every", "50"]) == 1
    out = capsys.readouterr().out
    assert "parity held on both sides, and failed with --seed 2 (1 of 4 seeds)" in out
    assert "3 of 4" in out


def test_ctrl_c_among_the_seeds_writes_the_first(folder, capsys, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("handgrad.training.seeds.repeats", interrupt)
    assert cli.main(["compare", "grow-1", "--seeds", "4", "--judge-every", "50"]) == 130
    assert json.loads((folder / "runs" / "grow-1" / "result.json").read_text())["interrupted"]


@pytest.fixture
def experiments():
    """The table, emptied for a test, and as it was after it: the same experiments in the same order."""
    with patch.dict(EXPERIMENTS):
        found = dict(EXPERIMENTS)
        EXPERIMENTS.clear()
        yield found


HARD = """
from dataclasses import replace
from handgrad.experiments import EXPERIMENTS, Expectation
experiment = replace(EXPERIMENTS["grow-2"], expect=Expectation("final_loss", "max", 1e-9))
"""


def test_all_runs_each_in_a_folder_and_writes_an_index(folder, capsys, monkeypatch, experiments):
    """Two experiments: one that passed, and is there; and one that cannot reach what it expects, in its own process."""
    (folder / "hard.py").write_text(HARD)
    of_table = all_experiments._arguments

    def arguments(experiment, options, folder):
        command, name, *rest = of_table(experiment, options, folder)
        return [command, "hard.py:experiment" if name == "grow-2" else name, *rest]

    monkeypatch.setattr(all_experiments, "_arguments", arguments)
    EXPERIMENTS.update({name: experiments[name] for name in ("grow-1", "grow-2")})
    options = ["--dtype=float64", "--judge-every=50"]
    assert cli.main(arguments(EXPERIMENTS["grow-1"], options, Path("all"))) == 0  # as a run of all would have done

    # Resumed, what is there stays, and what is not there is run.
    written = (folder / "all" / "grow-1" / "result.json").stat().st_mtime_ns
    command = ["compare", "--all", "--dtype", "float64", "--judge-every", "50", "--out", "all", "--resume"]
    assert cli.main(command) == 1
    assert "FAILED: 1 of 2 experiments passed" in capsys.readouterr().out
    assert (folder / "all" / "grow-1" / "result.json").stat().st_mtime_ns == written
    page = (folder / "all" / "index.html").read_text()
    for name in ("grow-1", "grow-2"):
        assert f'href="{name}/report.html"' in page
        assert (folder / "all" / name / "report.html").exists()
    for word in ["1 of 2 passed", "passed", "FAILED", "final loss ≤ 0.01", "--all --dtype float64"]:
        assert word in page

    # What was made with other options is not kept.
    for dtype, kept in (("float64", ["grow-1", "grow-2"]), ("float32", [])):
        options = [f"--dtype={dtype}", "--judge-every=50"]
        assert list(kept_results([*EXPERIMENTS.values()], options, Path("all"))) == kept


def test_with_another_seed_the_expectation_is_shown_and_decides_nothing(folder, capsys):
    assert cli.main(["compare", "grow-2", "--seed", "2", "--judge-every", "50"]) == 0  # its one unit is dead there
    out = " ".join(capsys.readouterr().out.split())
    assert "PASSED: parity held on both sides; expected final loss ≤ 0.01, not met" in out
    assert (
        "does not decide: another seed than the recipe's 0; over seeds the recipe gives ≤ .01 in 13 of 20 seeds" in out
    )
    expectation = json.loads((folder / "runs" / "grow-2" / "result.json").read_text())["expectation"]
    assert [expectation[key] for key in ("met", "decides")] == [False, False]
    assert "another seed" in expectation["undecided"]


def test_all_says_why_an_experiment_gave_nothing(folder, capsys, monkeypatch, experiments):
    EXPERIMENTS["grow-1"] = experiments["grow-1"]
    monkeypatch.setattr("handgrad.training.all_experiments._arguments", lambda *_: ["compare", "no-such"])
    assert cli.main(["compare", "--all"]) == 1
    assert "handgrad: error: experiment must be one of" in capsys.readouterr().out
    assert "not run" in (folder / "runs" / "index.html").read_text()


def test_another_optimizer_drops_the_first_ones_options():
    changed = with_overrides(EXPERIMENTS["digits"], {"optimizer": "Adam"})
    assert (changed.optimizer, changed.optimizer_options, changed.lr) == ("Adam", {}, 0.001)
    assert with_overrides(EXPERIMENTS["digits"], {"optimizer": "SGD"}) == EXPERIMENTS["digits"]
    options = {"momentum": 0.5, "optimizer_options": {"nesterov": True}}
    assert with_overrides(EXPERIMENTS["digits"], options).optimizer_options == {"momentum": 0.5, "nesterov": True}
    changed = with_overrides(EXPERIMENTS["digits"], {"optimizer": "LBFGS", "optimizer_options": {"history_size": 3}})
    assert (changed.optimizer_options, changed.lr) == ({"max_iter": 1, "history_size": 3}, 1)
    changed = with_overrides(EXPERIMENTS["digits"], {"optimizer": "AdamW", "weight_decay": 0.1, "loss": "MSELoss"})
    assert (changed.optimizer_options, changed.lr, changed.loss) == ({"weight_decay": 0.1}, 1e-3, "MSELoss")


def test_a_line_for_every_epoch_or_every_so_many():
    def told(epochs, done):
        """The epochs that a run of so many tells of, which ends after `done`."""
        progress, lines = Progress(console=Console(file=io.StringIO())), []
        follower = Follower(progress, replace(EXPERIMENTS["line"], epochs=epochs), steps=10**9)
        follower.shown = math.inf  # nothing is drawn
        with patch.object(progress.console, "print", lambda line, **_: lines.append(line)):
            for epoch in range(done + 1):
                records = [EpochRecord(i, 0.5, None, 0.25, None) for i in range(epoch + 1)]
                run = SimpleNamespace(sides={"scratch": SimpleNamespace(epochs=records)}, divergence=[0.0])
                follower(run)
            follower.end(run)
        assert all(line.endswith("loss 0.5                     train accuracy 25.00 %") for line in lines)
        return [int(line.split()[1]) for line in lines]

    assert told(3, 3) == [0, 1, 2, 3]
    assert told(100, 100) == list(range(101))
    assert told(101, 101) == [*range(0, 101, 2), 101]
    assert told(9000, 131) == [0, 100, 131]


def test_points_are_made_where_data_are_made():
    for name, experiment in EXPERIMENTS.items():
        if "points" not in inspect.signature(experiment.data).parameters:
            with pytest.raises(BadInputError, match=f"--points cannot change {name}"):
                with_overrides(experiment, {"points": 30})
            continue
        changed = with_overrides(experiment, {"points": 30})
        data = changed.data(changed.seed)
        assert sum(len(array) for key, array in data.arrays().items() if key.startswith("x")) == 30
        assert changed.size == f"30 × {data.x_train.shape[1]}"
        assert overrides(changed) == ["size"]
        usual = int(experiment.size.split()[0])
        same = with_overrides(experiment, {"points": usual}).data(0).arrays()
        assert all(np.array_equal(same[key], array) for key, array in experiment.data(0).arrays().items())


def test_a_missed_expectation_exits_1(capsys, monkeypatch):
    hard = replace(EXPERIMENTS["line"], expect=Expectation("final_loss", "max", 1e-9), epochs=3)
    monkeypatch.setitem(EXPERIMENTS, "line", hard)
    assert cli.main(["compare", "line"]) == 1
    assert "FAILED: parity held on both sides; expected final loss ≤ 1e-09, not met" in capsys.readouterr().out
    assert cli.main(["compare", "line", "--epochs", "2"]) == 0


def test_failed_parity_exits_1_and_says_why(capsys, monkeypatch):
    def buggy(experiment, device) -> Prepared:
        prepared = prepare(experiment, device)
        trainer = prepared.trainers["torch"]
        original = trainer.step

        def step(x, y):
            value = original(x, y)
            next(trainer.model.named_parameters())[1].data[1, 0] += 1e-2
            return value

        trainer.step = step
        return prepared

    monkeypatch.setattr("handgrad.training.train.prepare", buggy)
    assert cli.main(["compare", "line", "--epochs", "2"]) == 1
    out = capsys.readouterr().out
    assert "PyTorch, the first step that failed:" in out
    assert "NumPy, the first step that failed:" not in out
    assert "layers.0.weight" in out
    assert "FAILED: parity failed on PyTorch" in out


def test_ctrl_c_writes_what_was_done_and_exits_130(folder, capsys, monkeypatch):
    def follow(self, run):
        return len(run.divergence) == 4 and signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("handgrad.cli.compare.Follower.__call__", follow)
    assert cli.main(["compare", "line", "--out", "here"]) == 130
    assert "INTERRUPTED after 4 of 500 steps" in capsys.readouterr().out
    content = json.loads((folder / "here" / "result.json").read_text())
    assert content["interrupted"]
    assert not content["passed"]
    assert content["steps_done"] == 4
    assert (folder / "here" / "report.html").exists()


def test_ctrl_c_before_training_exits_130(capsys, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("handgrad.training.train.prepare", interrupt)
    assert cli.main(["compare", "line"]) == 130
    assert capsys.readouterr().err.strip() == "handgrad: interrupted"


def test_divergence_is_said(capsys):
    assert cli.main(["compare", "prod", "--epochs", "1", "--lr", "1e30", "--keep-going"]) == 0
    assert capsys.readouterr().out.strip().endswith("the loss is not finite from step 2 on: training diverged")


def test_list_shows_every_experiment_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for experiment in EXPERIMENTS.values():
        assert experiment.name in out
        assert experiment.size in out
        assert f"{experiment.expect.value:g}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_lists_the_commands(capsys):
    for arguments in ([], ["--help"]):
        assert cli.main(arguments) == 0
        out = capsys.readouterr().out
        assert "compare" in out
        assert "list" in out


def test_names_are_those_of_both_sides():
    assert list(ACTIVATIONS) == list(scratch.ACTIVATIONS) == list(torch_impl.ACTIVATIONS)
    for name in OPTIMIZERS.values():
        assert hasattr(scratch, name)
        assert hasattr(torch_impl, name)


def test_unroll_prints_the_step_that_trains(tmp_path, capsys):
    """The printed program, executed on the experiment's own net, makes the trainer's step; --out writes the same."""
    options = ["unroll", "moons", "--step-only", "--hidden", "3", "--optimizer", "sgd"]
    assert cli.main(options) == 0
    printed = capsys.readouterr().out
    assert cli.main([*options, "--out", str(tmp_path / "step.py")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "step.py").read_text(encoding="utf-8") == printed
    prepared = prepare(with_overrides(find("moons"), {"hidden": (3,), "optimizer": "SGD"}))
    rows = next(batches(prepared))
    x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
    theirs = prepared.trainers["scratch"]
    ours = copy.deepcopy(theirs)
    made = {}
    exec(printed, made)
    step = made["written_out"](ours)
    assert [step(x, y) for _ in range(2)] == [theirs.step(x, y) for _ in range(2)]


# Command line, what it prints first; neither needs what is slow to import.
@pytest.mark.parametrize(("command", "first"), [("--version", f"handgrad {handgrad.__version__}"), ("list", "name")])
def test_light_commands_load_nothing_heavy(command, first):
    code = (
        "import sys; from handgrad.cli import main; code = main(sys.argv[1:]); "
        "print({'torch', 'sklearn', 'matplotlib'} & set(sys.modules)); sys.exit(code)"
    )
    process = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(first)
    assert process.stdout.splitlines()[-1] == "set()"


def test_python_dash_m_is_the_command():
    process = subprocess.run([sys.executable, "-m", "handgrad", "no"], capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("handgrad: error: ")
    assert process.stderr.count("\n") == 1
