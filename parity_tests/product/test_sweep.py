"""`handgrad sweep`: every combination on both sides, kept as it comes, resumed only where it is the same sweep."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handgrad import cli
from handgrad.cli.sweep_terminal import planned, summary_table
from handgrad.errors import BadInputError
from handgrad.experiments import EXPERIMENTS
from handgrad.experiments.overrides import with_overrides
from handgrad.report.plots import to_svg
from handgrad.sweep import run as sweep_run
from handgrad.sweep.dead_relu import Rate, agrees, disagreements
from handgrad.sweep.maps import MOST_CELLS, best, maps, split
from handgrad.sweep.page import write_page
from handgrad.sweep.pictures import heat_map, shades
from handgrad.sweep.plan import SweepRequest, plan
from handgrad.sweep.presets import PRESETS, asked
from handgrad.sweep.record import Outcome, Sweep, run_key
from handgrad.sweep.run import stored, sweep
from handgrad.sweep.summary import largest_gap, rows, wilson
from handgrad.training.train import prepare, train

SMALL = ["sweep", "line", "--width", "2,4", "--activation", "relu,tanh", "--epochs", "2", "--jobs", "1"]
RESULT = "runs/sweep-line/result.json"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test writes below a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path=RESULT):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def outcome(cell, seed=0, value=0.5, torch=None, **changes):
    """A made-up run."""
    values = {"final_loss": {"scratch": value, "torch": value if torch is None else torch}}
    made = Outcome(cell, seed, True, values, {"scratch": False, "torch": False}, 10, 10, 100, 0.5)
    return replace(made, **changes)


def made_up(axes, value, seeds=1, **changes):
    """A finished sweep over `axes` with values nobody trained."""
    what = plan(SweepRequest("line", axes, seeds=seeds, metric="final_loss"))
    outcomes = [
        outcome(cell.values, seed, value(cell.values, seed), **changes) for cell in what.cells for seed in what.seeds
    ]
    return Sweep(what, "handgrad sweep", outcomes)


# --- what is run ------------------------------------------------------------------------------------------------------


def test_every_combination_is_trained_on_both_sides(folder, capsys):
    assert cli.main([*SMALL, "--seeds", "2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in [
        "NumPy",
        "PyTorch",
        "held",
        "2 of 2",
        "median over 2 seeds",
        "judged: 2 of 2 steps",
        "PASSED",
        "8 runs",
    ]:
        assert word in out
    found = read()
    assert [found[key] for key in ("passed", "parity", "interrupted", "runs_planned")] == [True, True, False, 8]
    assert found["axes"] == {"activation": ["relu", "tanh"], "width": [2, 4]}
    cells = [(run["cell"]["activation"], run["cell"]["width"], run["seed"]) for run in found["runs"]]
    assert cells == [(a, w, s) for a in ("relu", "tanh") for w in (2, 4) for s in (0, 1)]
    assert len({run["values"]["final_loss"]["scratch"] for run in found["runs"]}) == 8
    assert sorted(path.name for path in (folder / "runs" / "sweep-line").iterdir()) == ["report.html", "result.json"]


def test_a_run_of_a_sweep_is_the_run_of_compare():
    """The same numbers, to the last bit, as training that experiment alone."""
    given = ["--lr", "0.5", "--epochs", "3", "--seed", "7", "--jobs", "1"]
    assert cli.main(["sweep", "line", "--depth", "1,2", *given]) == 0
    for run in read()["runs"]:
        hidden = (5,) * run["cell"]["depth"]
        alone = train(prepare(replace(EXPERIMENTS["line"], hidden=hidden, lr=0.5, epochs=3, seed=7)))
        for side, at_the_end in alone.sides.items():
            assert run["values"]["final_loss"][side] == at_the_end.final.train_loss
            assert run["values"]["train_accuracy"][side] == at_the_end.final.train_accuracy


def test_options_of_the_optimizer_and_the_loss_are_those_of_compare():
    """The options are for the optimizer that a combination has, not for the experiment's own."""
    words = ["--optimizer", "adam,adamw", "--optimizer-options", "betas=(0.8,0.9)", "--weight-decay", "0.1"]
    assert cli.main(["sweep", "line", *words, "--loss", "HuberLoss", "--epochs", "2", "--jobs", "1"]) == 0
    for run in read()["runs"]:
        given = {"optimizer": run["cell"]["optimizer"], "optimizer_options": {"betas": (0.8, 0.9)}, "weight_decay": 0.1}
        alone = train(prepare(with_overrides(EXPERIMENTS["line"], {**given, "loss": "HuberLoss", "epochs": 2})))
        for side, at_the_end in alone.sides.items():
            assert run["values"]["final_loss"][side] == at_the_end.final.train_loss


# Axes, the fields of the experiment at their last combination.
AXES = [
    ({"width": (2, 3)}, "digits", {"hidden": (3, 3)}),
    ({"depth": (1, 3)}, "xor", {"hidden": (6, 6, 6)}),
    ({"width": (2, 4), "depth": (1, 2)}, "digits", {"hidden": (4, 4)}),
    ({"width": (2, 4)}, "moons-logistic", {"hidden": (4,)}),
    ({"activation": ("relu", "tanh")}, "xor", {"activation": "tanh", "hidden": (6,)}),
    ({"lr": (0.1, 0.2), "batch_size": (7,)}, "xor", {"lr": 0.2, "batch_size": 7}),
    ({"optimizer": ("Adam", "SGD")}, "xor", {"optimizer": "SGD", "lr": 0.001}),
    ({"optimizer": ("Adam", "SGD"), "lr": (0.3,)}, "xor", {"optimizer": "SGD", "lr": 0.3}),
    ({"momentum": (0.0, 0.9)}, "line", {"optimizer_options": {"momentum": 0.9}}),
    ({"lr": (1.0, 2.0)}, "grow-1", {"lr": 2.0}),
]


@pytest.mark.parametrize(("axes", "name", "fields"), AXES, ids=[f"{name} {list(axes)}" for axes, name, _ in AXES])
def test_axes_change_the_experiment(axes, name, fields):
    request = plan(SweepRequest(name, axes)).cells[-1].request
    experiment = with_overrides(EXPERIMENTS[name], request.given)
    assert {field: getattr(experiment, field) for field in fields} == fields


def test_points_are_made_for_every_run_and_stored_runs_of_others_are_not_kept():
    what = plan(SweepRequest("xor", {"width": (2, 4)}, given={"epochs": 1, "points": 300}))
    for cell in what.cells:
        assert len(prepare(with_overrides(EXPERIMENTS["xor"], cell.request.given)).data.x_train) == 300
    assert what.settings["size"] == "300 × 2"
    assert plan(SweepRequest("xor", {"width": (2, 4)}, given={"epochs": 1})).settings["size"] == "2500 × 2"
    with pytest.raises(BadInputError, match="--points cannot change digits"):
        plan(SweepRequest("digits", {"width": (2, 4)}, given={"points": 300}))


@pytest.mark.parametrize(("epochs", "steps", "every"), [(1, 25, 1), (2, 50, 1), (50, 1250, 25), (200, 5000, 100)])
def test_about_fifty_steps_are_judged(epochs, steps, every):
    what = plan(SweepRequest("xor", {"width": (2, 4)}, given={"epochs": epochs}))
    assert prepare(with_overrides(EXPERIMENTS["xor"], what.cells[0].request.given)).steps == steps
    assert {cell.request.given["judge_every"] for cell in what.cells} == {every}
    what = plan(SweepRequest("xor", {"width": (2, 4)}, given={"epochs": epochs, "judge_every": 7}))
    assert {cell.request.given["judge_every"] for cell in what.cells} == {7}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_sweeps(name):
    preset = PRESETS[name]
    what = plan(asked(preset))
    assert len(what.cells) == math.prod(map(len, preset.axes.values())) >= 6
    assert what.metric == "final_loss"
    assert {cell.request.given["epochs"] for cell in what.cells} == {preset.epochs}
    assert name != "grid" or (len(what.cells), preset.epochs) == (32, 200)


def test_a_preset_can_be_changed(capsys):
    words = [
        "sweep",
        "line",
        "--preset",
        "activation-width",
        "--width",
        "2",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--jobs",
        "1",
    ]
    assert cli.main([*words, "--metric", "train_accuracy"]) == 0
    found = read("runs/sweep-activation-width/result.json")
    assert found["axes"] == {"activation": ["sigmoid", "tanh", "relu"], "width": [2]}
    assert (found["metric"], found["settings"]["experiment"], len(found["runs"])) == ("train_accuracy", "line", 3)


def test_list_names_the_presets(capsys, folder):
    assert cli.main(["sweep", "--list"]) == 0
    out = capsys.readouterr().out
    for word in [*PRESETS, "dead-relu", "003", "004"]:
        assert word in out
    assert not list(folder.iterdir())


def test_your_own_experiment_and_your_own_data(folder):
    (folder / "mine.py").write_text(
        "from dataclasses import replace\nfrom handgrad.experiments import EXPERIMENTS\n"
        "experiment = replace(EXPERIMENTS['line'], name='own', epochs=2)\n"
    )
    assert cli.main(["sweep", "mine.py:experiment", "--width", "2,3", "--jobs", "1"]) == 0
    assert len(read("runs/sweep-experiment/result.json")["runs"]) == 2
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in rng.normal(size=(40, 2))]
    (folder / "flowers.csv").write_text("\n".join(["a,b,kind", *lines]) + "\n")
    words = ["--csv", "flowers.csv", "--target", "kind", "--lr", "0.1,0.01", "--epochs", "1", "--jobs", "1"]
    assert cli.main(["sweep", *words]) == 0
    assert read("runs/sweep-flowers/result.json")["metric"] == "test_accuracy"
    # Another file under the same name is another sweep.
    (folder / "flowers.csv").write_text("\n".join(["a,b,kind", *lines[1:]]) + "\n")
    assert cli.main(["sweep", *words, "--resume"]) == 2


# --- bad input --------------------------------------------------------------------------------------------------------

# Arguments, words that the one line must hold.
BAD = [
    (
        ["line"],
        [
            "two values or more",
            "--activation, --width, --depth, --optimizer, --lr, --momentum, --weight-decay",
        ],
    ),
    (["line", "--width", "4"], ["two values or more"]),
    (["lime", "--width", "2,4"], ["'lime'", "did you mean 'line'"]),
    (["--width", "2,4"], ["NAME"]),
    (["line", "--width", "0,4"], ["--width", ">= 1", "'0'"]),
    (["line", "--width", ""], ["--width", "empty", "''"]),
    (["line", "--width", "2,,4"], ["--width", "empty", "'2,,4'"]),
    (["line", "--width", "2,4,2"], ["--width", "'2' twice"]),
    (["line", "--lr", "0.1,0.10"], ["--lr", "'0.10' twice"]),
    (["line", "--optimizer", "sgd,SGD"], ["--optimizer", "'SGD' twice"]),
    (["line", "--depth", "0,1"], ["--depth", "from 1 to 100", "'0'"]),
    (["line", "--depth", "1,1000000000"], ["--depth", "from 1 to 100"]),
    (["line", "--activation", "relu,rely"], ["--activation", "did you mean 'relu'"]),
    (["line", "--optimizer", "sgd,adamm"], ["--optimizer", "did you mean 'adam'"]),
    (["line", "--lr", "0.1,-1"], ["--lr", "-1"]),
    (["line", "--lr", "0.1,nan"], ["--lr", "nan"]),
    (["line", "--batch-size", "0,1"], ["--batch-size", ">= 1"]),
    (["line", "--width", "2,4", "--seeds", "0"], ["--seeds", "from 1 to 10000"]),
    (["line", "--width", "2,4", "--jobs", "0"], ["--jobs", ">= 1"]),
    (["line", "--width", "2,4", "--epochs", "0"], ["--epochs", ">= 1"]),
    (["line", "--width", "2,4", "--judge-every", "0"], ["--judge-every", ">= 1"]),
    (["line", "--width", "2,4", "--seed", "4294967295", "--seeds", "2"], ["--seeds 2", "4294967295"]),
    (["line", "--width", "2,4", "--metric", "accuracy"], ["--metric", "train_accuracy", "'accuracy'"]),
    (["line", "--width", "2,4", "--metric", "test_loss"], ["--metric", "line", "'test_loss'"]),
    (["prod", "--width", "2,4", "--metric", "train_accuracy"], ["--metric", "prod"]),
    (["line", "--width", "2,4", "--device", "gpu"], ["device", "'gpu'"]),
    (["line", "--width", "2,4", "--out", "taken"], ["--out", "taken"]),
    (["line", "--width", "2,4", "--csv", "taken"], ["NAME or --csv"]),
    (["grow-1", "--width", "2,4"], ["--width", "grow-1"]),
    (["grow-1", "--activation", "relu,tanh"], ["--activation", "grow-1"]),
    (["moons-logistic", "--depth", "1,2"], ["--depth", "no hidden layer", "--width"]),
    (["digits", "--depth", "1,2"], ["--depth", "128, 64", "--width"]),
    (["--preset", "activation"], ["--preset", "activation-width", "'activation'"]),
    (["--preset", "dead-relu"], ["handgrad sweep dead-relu"]),
    (["activation-width"], ["handgrad sweep --preset activation-width"]),
    (["dead-relu", "--lr", "0.1,0.2"], ["dead-relu", "--lr"]),
    (["line", "--momentum", "0,-1"], ["--momentum", "-1"]),
    (["line", "--weight-decay", "0,0.0"], ["--weight-decay", "'0.0' twice"]),
    (["line", "--optimizer", "adam", "--momentum", "0,0.9"], ["Adam has no option 'momentum': it has "]),
    (["line", "--optimizer", "sgd,adam", "--momentum", "0.9"], ["Adam has no option 'momentum': it has "]),
    (["line", "--lr", "1,2", "--optimizer-options", "betas=(0.9,0.99)"], ["SGD has no option 'betas': it has "]),
    (["line", "--lr", "1,2", "--optimizer-options", "lr=3"], ["SGD has no option 'lr': --lr says it"]),
    (["line", "--lr", "1,2", "--loss", "MSE"], ["--loss", "did you mean 'MSELoss'"]),
    (["prod", "--lr", "1,2", "--class-weights", "balanced"], ["class_weights belong to"]),
    (["dead-relu", "--loss", "L1Loss"], ["dead-relu", "--loss"]),
    (["dead-relu", "--momentum", "0,0.9"], ["dead-relu", "--momentum"]),
    (["dead-relu", "--preset", "grid"], ["dead-relu", "--preset"]),
    (["dead-relu", "--seeds", "0"], ["--seeds"]),
    (["dead-relu", "--seed", "4294967290"], ["--seeds 200", "4294967295"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_bad_input_is_one_line_and_nothing_is_written(arguments, words, folder, capsys, monkeypatch):
    def fail(*args):
        pytest.fail("training started")

    monkeypatch.setattr("handgrad.training.train.train", fail)
    (folder / "taken").write_text("a file where a folder should be")
    assert cli.main(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert err.startswith("handgrad: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert [path.name for path in folder.iterdir()] == ["taken"]


# --- kept as it comes, and resumed ------------------------------------------------------------------------------------


def interrupting(monkeypatch, after):
    """Ctrl-C after so many runs."""
    original, done = sweep_run.one, []

    def one(task):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(task)
        return original(task)

    monkeypatch.setattr(sweep_run, "one", one)


def counting(monkeypatch):
    original, done = sweep_run.one, []
    monkeypatch.setattr(sweep_run, "one", lambda task: done.append(task) or original(task))
    return done


def test_ctrl_c_keeps_what_is_finished_and_resume_does_the_rest(folder, capsys, monkeypatch):
    assert cli.main(SMALL) == 0
    whole = read()
    (folder / RESULT).unlink()
    with monkeypatch.context() as patch:
        interrupting(patch, after=3)
        assert cli.main([*SMALL, "--resume"]) == 130  # no file: it starts
    out = capsys.readouterr().out
    assert "INTERRUPTED: parity held in 3 runs on both sides; 1 are left, --resume does them" in out
    assert "3 of 4 runs are done" in (folder / "runs/sweep-line/report.html").read_text()
    partly = read()
    assert (partly["interrupted"], partly["passed"], len(partly["runs"])) == (True, False, 3)
    done = counting(monkeypatch)
    assert cli.main([*SMALL, "--resume"]) == 0
    assert len(done) == 1
    seconds = {"seconds": 0}
    assert [run | seconds for run in read()["runs"]] == [run | seconds for run in whole["runs"]]
    assert "3 of them before" in capsys.readouterr().out
    # All there: nothing is done. More seeds and more values: only these are done.
    done.clear()
    assert cli.main([*SMALL, "--resume"]) == 0
    assert not done
    assert cli.main([*SMALL, "--resume", "--seeds", "2", "--width", "2,4,8"]) == 0
    assert len(done) == 2 * 3 * 2 - 4
    # Without --resume everything is done again.
    done.clear()
    assert cli.main(SMALL) == 0
    assert len(done) == 4


# What is asked for next, words of the refusal.
OTHERS = [
    (["--epochs", "3"], ["epochs is 2, here it is 3"]),
    (["--dtype", "float64"], ["dtype"]),
    (["--judge-every", "2"], ["judge_every is None, here it is 2"]),
    (["--loss", "L1Loss"], ["loss is None, here it is 'L1Loss'"]),
    (["--optimizer-options", "dampening=0.5,momentum=0.5"], ["optimizer_options is {}, here it is {'dampening': 0.5"]),
    (["--momentum", "0.5"], ["over activation × width, here activation × width × momentum"]),
    (["--lr", "0.1"], ["over activation × width, here activation × width × lr"]),
    (["--width", "2,8"], ["holds 2 runs that this sweep has not (activation relu, width 4, seed 0)"]),
    (["--seed", "1"], ["holds 4 runs that this sweep has not"]),
]


def test_resume_refuses_another_sweep(folder, capsys):
    assert cli.main(SMALL) == 0
    before = (folder / RESULT).read_text()
    for options, words in OTHERS:
        capsys.readouterr()
        assert cli.main([*SMALL, *options, "--resume"]) == 2, options
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        for word in words:
            assert word in err
        assert (folder / RESULT).read_text() == before
    (folder / "other").mkdir()
    for broken in (
        "",
        "[]",
        "{}",
        '{"runs": [], "settings": 3}',
        '{"settings": {}, "axes": {}, "runs": [{"cell": 1}]}',
    ):
        (folder / "other" / "result.json").write_text(broken)
        capsys.readouterr()
        assert cli.main([*SMALL, "--out", "other", "--resume"]) == 2, broken
        assert "is no result of a sweep" in capsys.readouterr().err


def test_the_file_is_kept_while_it_runs(folder, monkeypatch):
    """After every run it holds all runs so far."""
    monkeypatch.setattr(sweep_run, "SAVE_EVERY", 0.0)
    what, seen = plan(SweepRequest("line", {"width": (2, 4)}, given={"epochs": 1}, seeds=2)), []
    path = folder / "result.json"
    sweep(what, 1, path, on_done=lambda found, outcome: seen.append(len(read(path)["runs"])))
    assert seen == [1, 2, 3, 4]
    again = stored(what, path)
    assert [one.key for one in again] == [run_key(cell.values, seed) for cell in what.cells for seed in (0, 1)]


def test_one_failed_number_fails_the_sweep(folder, capsys, monkeypatch):
    def buggy(experiment, device="cpu"):
        prepared = prepare(experiment, device)
        trainer = prepared.trainers["torch"]
        original = trainer.step

        def step(x, y):
            value = original(x, y)
            if experiment.hidden == (4,):
                next(trainer.model.named_parameters())[1].data[1, 0] += 1e-2
            return value

        trainer.step = step
        return prepared

    monkeypatch.setattr("handgrad.training.train.prepare", buggy)
    assert cli.main(SMALL) == 1
    out = capsys.readouterr().out
    for word in [
        "activation relu, width 4, seed 0: parity FAILED",
        "layers.0.weight",
        "FAILED",
        "0 of 1",
        "held",
        "1 of 1",
    ]:
        assert word in out
    assert "FAILED: parity failed in 2 of 4 runs on both sides" in out
    page = (folder / "runs/sweep-line/report.html").read_text()
    assert "What the judge rejected" in page
    assert "Parity failed in 2 of 4 runs" in re.sub(r"\s+", " ", page)
    assert read()["runs"][1]["failure"].startswith("torch: ")
    # A failed run is finished: it is not done again, and still fails.
    done = counting(monkeypatch)
    assert cli.main([*SMALL, "--resume"]) == 1
    assert not done


def test_training_that_diverges_is_the_worst(folder, capsys):
    assert cli.main(["sweep", "prod", "--lr", "1e30,0.01", "--epochs", "1", "--jobs", "1"]) == 0
    found = read("runs/sweep-prod/result.json")
    assert found["runs"][0]["values"]["final_loss"] == {"scratch": None, "torch": None}
    out = capsys.readouterr().out
    assert out.index("0.01") < out.index("diverged")
    assert "diverged" in (folder / "runs/sweep-prod/report.html").read_text()


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_rows_are_medians_over_seeds_best_first():
    values = {
        (2, 0): 3.0,
        (2, 1): 1.0,
        (2, 2): 2.0,
        (4, 0): 0.5,
        (4, 1): None,
        (4, 2): None,
        (8, 0): 1.0,
        (8, 1): 1.5,
        (8, 2): 1.6,
    }
    found = made_up({"width": (2, 4, 8)}, lambda cell, seed: values[cell["width"], seed], seeds=3)
    table = rows(found)
    assert [row.cell["width"] for row in table] == [8, 2, 4]
    assert [row.median["scratch"] for row in table] == [1.5, 2.0, math.inf]
    assert [row.diverged for row in table] == [0, 0, 2]
    assert (table[1].low["torch"], table[1].high["torch"]) == (1.0, 3.0)
    assert best(table).cell == {"width": 8}
    more = replace(found.plan, metric="train_accuracy")
    some = [replace(o, values={"train_accuracy": o.values["final_loss"]}) for o in found.outcomes]
    assert [row.cell["width"] for row in rows(Sweep(more, "", some))] == [2, 8, 4]


def test_a_parted_side_is_seen():
    found = made_up({"width": (2, 4)}, lambda cell, seed: 1.0, torch=1.25)
    assert largest_gap(rows(found)) == 0.25


def test_fewer_axes_take_in_all_runs_that_agree():
    found = made_up({"width": (2, 4), "depth": (1, 2), "lr": (0.1, 0.2)}, lambda cell, seed: cell["width"] * cell["lr"])
    table = {row.cell["width"]: row for row in rows(found, ["width"])}
    assert {width: row.runs for width, row in table.items()} == {2: 4, 4: 4}
    assert table[2].median["scratch"] == pytest.approx(0.3)


@pytest.mark.parametrize(("successes", "trials"), [(0, 200), (95, 200), (200, 200), (1, 1), (0, 1), (7, 20)])
def test_wilson_is_scipys(successes, trials):
    from scipy import stats  # a second, which a worker that runs another file need not wait

    low, high = wilson(successes, trials)
    theirs = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    np.testing.assert_allclose([low, high], [theirs.low, theirs.high], rtol=1e-12, atol=1e-15)
    assert 0 <= low <= successes / trials <= high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(successes, trials):
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)


# --- the dead ReLU ----------------------------------------------------------------------------------------------------


def test_the_dead_relu_is_counted(folder, capsys):
    """Dead is exactly the run whose initial weight is not positive, on both sides."""
    assert cli.main(["sweep", "dead-relu", "--seeds", "6", "--judge-every", "100", "--jobs", "1"]) == 0
    found = read("runs/sweep-dead-relu/result.json")
    for run in found["runs"]:
        start = prepare(replace(EXPERIMENTS["grow-2"], seed=run["seed"])).trainers["scratch"].model.state_dict()
        (weight,) = start.values()
        dead = bool(weight <= 0) and run["cell"]["net"] == "relu"
        assert run["stuck"] == {"scratch": dead, "torch": dead}, run["seed"]
        assert (run["values"]["final_loss"]["torch"] == 25) == dead
    count = sum(run["stuck"]["scratch"] for run in found["runs"])
    assert 0 < count < 6
    out = capsys.readouterr().out
    for word in [f"{count} of 6", "0 of 6", "50.00 %", "leaky relu", "the sides agree about every seed"]:
        assert word in out
    page = (folder / "runs/sweep-dead-relu/report.html").read_text()
    assert "Both sides agree about every seed" in page
    assert "Wilson" in page


def test_a_run_dead_on_one_side_alone_is_a_failure(capsys, monkeypatch):
    original = sweep_run.one

    def one(task):
        found = original(task)
        odd = task[0]["net"] == "relu" and task[2] == 1
        return replace(found, stuck={**found.stuck, "torch": not found.stuck["torch"]}) if odd else found

    monkeypatch.setattr(sweep_run, "one", one)
    assert cli.main(["sweep", "dead-relu", "--seeds", "2", "--judge-every", "100", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "relu from seed 1 is dead on one side alone" in out
    assert "the sides disagree" in out
    assert not read("runs/sweep-dead-relu/result.json")["passed"]


def test_a_dead_leaky_unit_is_a_failure():
    what = planned(command_words(name="dead-relu", seeds=2))
    outcomes = [outcome(cell.values, seed) for cell in what.cells for seed in what.seeds]
    assert agrees(Sweep(what, "", outcomes))
    both = {"scratch": True, "torch": True}
    dead = [replace(o, stuck=both) if o.cell["net"] == "leaky_relu" else o for o in outcomes]
    assert not disagreements(Sweep(what, "", dead))
    assert not agrees(Sweep(what, "", dead))


def test_theory_inside_the_interval():
    assert Rate("relu", "scratch", 95, 200, 0.5).consistent
    assert not Rate("relu", "scratch", 75, 200, 0.5).consistent
    assert Rate("leaky_relu", "scratch", 0, 200, 0.0).consistent
    assert not Rate("leaky_relu", "scratch", 1, 200, 0.0).consistent


def command_words(**said):
    from handgrad.cli.sweep_terminal import SweepOptions

    nothing = dict.fromkeys(("name", "preset", "csv", "seed", "seeds", "metric"))
    return SweepOptions(**{**nothing, "axes": {}, "given": {}, "device": "cpu", **said})


# --- pictures and the page --------------------------------------------------------------------------------------------

GRID = {
    "activation": ("relu", "tanh"),
    "width": (2, 4),
    "depth": (1, 2),
    "optimizer": ("SGD", "Adam"),
    "lr": (0.1, 1.0),
}


def test_a_pair_is_one_map_of_each_side_and_a_grid_has_every_pair_too():
    pair = maps(made_up({"width": (2, 4, 8), "lr": (0.1, 1.0)}, lambda cell, seed: cell["width"] * cell["lr"]))
    assert [one.title for one in pair] == ["NumPy: every combination", "PyTorch: every combination"]
    np.testing.assert_allclose(pair[0].values, [[0.2, 2], [0.4, 4], [0.8, 8]])
    assert pair[0].labels == (["2", "4", "8"], ["0.1", "1"])
    grid = maps(made_up(GRID, lambda cell, seed: cell["lr"]))
    assert [one.values.shape for one in grid[:2]] == [(8, 4)] * 2
    assert grid[0].labels[0][:3] == ["relu · 2 · 1", "relu · 2 · 2", "relu · 4 · 1"]
    assert grid[0].groups == (4, 2)
    assert len(grid) == 2 + 10
    assert len({one.name for one in grid}) == len(grid)


@pytest.mark.parametrize(
    ("sizes", "rows_"), [([5], 1), ([3, 4], 3), ([2] * 5, 8), ([3, 4, 3, 2], 12), ([2, 2, 2], 4), ([16, 2], 16)]
)
def test_maps_are_narrow(sizes, rows_):
    cut = split(sizes)
    assert math.prod(sizes[:cut]) == rows_
    assert math.prod(sizes[cut:]) <= math.prod(sizes[:cut]) or len(sizes) < 3


def test_a_map_that_nobody_could_read_is_left_out(monkeypatch):
    assert 100 <= MOST_CELLS <= 1000
    monkeypatch.setattr("handgrad.sweep.maps.MOST_CELLS", 11)
    found = made_up({"width": (1, 2), "lr": (0.1, 0.5, 1.0), "depth": (1, 2)}, lambda *_: 1.0)
    assert len(found.plan.cells) == 12
    assert [one.title for one in maps(found)] == ["Width × depth", "Width × learning rate", "Depth × learning rate"]


@pytest.mark.parametrize("accuracy", [True, False])
def test_a_map_writes_every_number_and_says_what_diverged(accuracy):
    values = np.array([[0.25, 0.5, math.nan], [0.75, 1.0, -math.inf if accuracy else math.inf]])
    labels, names = (["relu", "tanh"], ["2", "4", "8"]), ("activation", "width")
    figure = heat_map(values, labels, names, shades(values, accuracy), accuracy=accuracy)
    svg = to_svg(figure, "map", "a map")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for text in ["25.0" if accuracy else "0.25", "diverged", "–", "relu", "8", "activation"]:
        assert text in texts


@pytest.mark.parametrize("value", [math.inf, math.nan, 0.0, 1.0, 1e-12])
def test_maps_of_anything(value):
    values = np.array([[value, value]])
    svg = to_svg(heat_map(values, (["a"], ["b", "c"]), ("", "x"), shades(values, False), accuracy=False), "m", "m")
    assert svg.startswith("<svg")


def test_losses_over_decades_are_shaded_by_their_logarithm():
    values = np.array([[1e-4, 1e-2, 1.0]])
    assert shades(values, False)(1e-2) == pytest.approx(0.5)
    assert shades(values, True)(1e-2) == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("axes", [{"width": (2, 4)}, {"width": (2, 4), "lr": (0.1, 1.0)}, GRID], ids=len)
def test_the_page_stands_alone(axes, folder):
    found = made_up(axes, lambda cell, seed: cell["width"] / 7 if seed else None, seeds=2)
    write_page(found, folder / "report.html")
    page = (folder / "report.html").read_text()
    assert len(page) < 3_000_000
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert page.count('<tr><th scope="row" class="figure">') == len(found.plan.cells)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_terminal_shows_the_best_of_many(capsys):
    from rich.console import Console

    found = made_up({"lr": tuple(np.arange(1, 51) / 50)}, lambda cell, seed: cell["lr"])
    Console(width=100).print(summary_table(found))
    out = capsys.readouterr().out
    assert "the best 40 of 50" in out
    assert "0.8" in out
    assert "0.82" not in out
