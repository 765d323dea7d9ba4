"""The runner trains both sides alike, blames the right one, survives Ctrl-C, and writes what docs/result.md says."""

import json
import re
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import scratch
from handgrad.cli import main
from handgrad.cli.compare import verdict
from handgrad.experiments import EXPERIMENTS, Data
from handgrad.judge import Tally
from handgrad.report.page import verdicts
from handgrad.report.result_json import result, write_result
from handgrad.training import timeline
from handgrad.training.outcome import Outcome, overrides, undecided
from handgrad.training.sides import build_pair
from handgrad.training.train import GRID_POINTS, divergence, lattice, prepare, refuse_non_finite, train
from parity_tests.product.test_report import fake_run

SHORT = replace(EXPERIMENTS["xor"], epochs=1, batch_size=500)  # five steps


def lines(rows=10, features=1):
    """Targets 0, 1, 2, ... of as many rows, so that a batch shows which rows are in it."""
    targets = np.arange(rows, dtype=np.float64)[:, np.newaxis]
    return Data(x_train=np.linspace(-1, 1, rows * features).reshape(rows, features), y_train=targets, features=("x",))


def recorded(experiment):
    """Train, and return the run beside each side's batches: the targets of every step."""
    prepared = prepare(experiment)
    seen = {side: [] for side in prepared.trainers}
    for side, trainer in prepared.trainers.items():

        def step(x, y, side=side, original=trainer.step):
            seen[side].append([int(v) for v in np.asarray(y).ravel()])
            return original(x, y)

        trainer.step = step
    return train(prepared), seen


# Batch size, shuffle, drop_last, sizes of the batches of an epoch of ten rows.
BATCHES = [
    (3, False, False, [3, 3, 3, 1]),
    (3, False, True, [3, 3, 3]),
    (3, True, False, [3, 3, 3, 1]),
    (5, True, True, [5, 5]),
    (None, False, False, [10]),
    (64, False, True, [10]),
]


@pytest.mark.parametrize(("batch_size", "shuffle", "drop_last", "sizes"), BATCHES)
def test_both_sides_see_the_same_batches(batch_size, shuffle, drop_last, sizes):
    recipe = {"batch_size": batch_size, "shuffle": shuffle, "drop_last": drop_last, "epochs": 3, "lr": 0.001}
    run, seen = recorded(replace(EXPERIMENTS["prod"], data=lambda seed: lines(), **recipe))
    assert seen["scratch"] == seen["torch"]
    assert [len(batch) for batch in seen["torch"]] == sizes * 3
    rows = iter(row for batch in seen["torch"] for row in batch)
    epochs = [list(islice(rows, sum(sizes))) for _ in range(3)]
    if not shuffle:
        assert all(epoch == list(range(sum(sizes))) for epoch in epochs)
    else:
        assert all(len(set(epoch)) == sum(sizes) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) == 3
    assert run.steps_planned == len(run.divergence) == len(sizes) * 3
    for side in run.sides.values():
        assert len(side.losses) == len(side.seconds) == run.steps_planned
        assert [record.epoch for record in side.epochs] == [0, 1, 2, 3]


# Judge every n-th of five steps: the steps judged.
@pytest.mark.parametrize(("every", "steps"), [(1, 5), (2, 3), (3, 3), (4, 2), (100, 2)])
def test_judge_every_takes_first_and_last(every, steps):
    run = train(prepare(replace(SHORT, judge_every=every)))
    assert [side.tally.steps for side in run.sides.values()] == [steps, steps]
    assert run.parity


@pytest.mark.parametrize("init", ["default", "normal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_sides_start_from_the_same_weights(init, dtype):
    def weights(seed):
        trainers = prepare(replace(SHORT, init=init, dtype=dtype, seed=seed)).trainers
        return [trainer.model.state_dict() for trainer in trainers.values()]

    ours, theirs = weights(0)
    assert list(ours) == list(theirs) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
    for name, weight in ours.items():
        assert weight.dtype == theirs[name].dtype == dtype
        assert np.array_equal(weight, theirs[name])
        assert np.array_equal(weight, weights(0)[0][name])
        assert not np.array_equal(weight, weights(1)[0][name])


@pytest.mark.parametrize("culprit", ["scratch", "torch"])
def test_the_judge_blames_the_side_with_the_bug(culprit):
    prepared = prepare(SHORT)
    trainer = prepared.trainers[culprit]
    original, steps = trainer.step, []

    def step(x, y):
        value = original(x, y)
        steps.append(value)
        if len(steps) == 3:
            next(trainer.model.named_parameters())[1].data[0, 0] += 1e-3
        return value

    trainer.step = step
    run = train(prepared)
    assert {name: side.tally.held for name, side in run.sides.items()} == {
        name: name != culprit for name in ("scratch", "torch")
    }
    assert run.sides[culprit].tally.failures[0].step == 3
    assert not run.parity
    assert not Outcome.of(run).ending.passed
    written = result(Outcome.of(run))["sides"][culprit]["parity"]
    assert written["held"] is False
    assert written["failures"][0]["step"] == 3
    assert "layers.0.weight" in written["failures"][0]["text"]


def test_ctrl_c_ends_after_the_step_in_progress():
    before = signal.getsignal(signal.SIGINT)
    run = train(prepare(SHORT), on_step=lambda run: len(run.divergence) == 3 and signal.raise_signal(signal.SIGINT))
    assert run.interrupted
    assert not Outcome.of(run).ending.passed
    assert [len(side.losses) for side in run.sides.values()] == [3, 3]
    assert len(run.divergence) == 3
    assert [record.epoch for record in run.sides["torch"].epochs] == [0, 1]
    assert run.sides["torch"].region is not None
    assert signal.getsignal(signal.SIGINT) is before


def twice(run):
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def test_an_echo_of_ctrl_c_is_not_a_second_one():
    assert train(prepare(SHORT), on_step=twice).interrupted


def test_a_second_ctrl_c_interrupts_at_once(monkeypatch):
    monkeypatch.setattr("handgrad.stopping.PATIENCE", -1.0)
    with pytest.raises(KeyboardInterrupt):
        train(prepare(SHORT), on_step=twice)


# Array, its name, what must be said.
NON_FINITE = [
    (np.array([[0.0, 1.0], [np.nan, np.inf]]), r"x_train\[1, 0\] is nan in float64"),
    (np.array([[0.0, 1.0], [0.0, -np.inf]], np.float32), r"x_train\[1, 1\] is -inf in float32"),
    (np.array([0.0, np.nan]), r"x_train\[1\] is nan"),
]


@pytest.mark.parametrize(("array", "message"), NON_FINITE)
def test_non_finite_data_is_named(array, message):
    with pytest.raises(ValueError, match=message):
        refuse_non_finite("x_train", array)


def test_data_that_overflows_in_float32_is_refused_before_training():
    data = replace_first(lines(), 1e300)
    with pytest.raises(ValueError, match=r"x_train\[0, 0\] is inf in float32"):
        prepare(replace(EXPERIMENTS["prod"], data=lambda seed: data))
    prepare(replace(EXPERIMENTS["prod"], data=lambda seed: data, dtype="float64"))


def replace_first(data, value):
    x = data.x_train.copy()
    x[0, 0] = value
    return replace(data, x_train=x)


@pytest.mark.parametrize(
    ("change", "device", "message"),
    [
        ({"dtype": "float16"}, "cpu", "float32, float64"),
        ({}, "cpux", "device must be one of cpu, cuda"),
        ({}, "meta", "device must be one of cpu, cuda"),
        ({}, "cuda:99", "cuda:99"),
        ({"activation": "rely"}, "cpu", "did you mean 'relu'"),
        ({"lr": -1.0}, "cpu", "lr must be"),
    ],
)
def test_prepare_refuses(change, device, message):
    with pytest.raises(ValueError, match=message):
        prepare(replace(SHORT, **change), device)


def test_lattice_covers_the_data_with_the_first_feature_fastest():
    grid = lattice(np.array([[0.0, -2.0], [1.0, 2.0], [0.5, 0.0]]))
    assert grid.shape == (GRID_POINTS**2, 2)
    assert np.allclose([grid.min(axis=0), grid.max(axis=0)], [[-0.15, -2.6], [1.15, 2.6]])
    assert grid[0, 1] == grid[1, 1]
    assert grid[0, 0] < grid[1, 0]


# Weights of one side, of the other, their divergence.
DIVERGENCES = [
    ([[1.0, 2.0]], [[1.0, 2.0]], 0.0),
    ([[1.0, 2.0], [4.0]], [[1.0, 2.5], [4.0]], 0.125),
    ([[0.0]], [[0.0]], 0.0),
    ([[1.0], [0.0]], [[1.0], [np.nan]], np.nan),
    ([[np.nan], [0.0]], [[1.0], [0.0]], np.nan),
]


@pytest.mark.parametrize(("ours", "theirs", "expected"), DIVERGENCES)
def test_divergence(ours, theirs, expected):
    sides = [[scratch.Parameter(np.array(weight)) for weight in side] for side in (ours, theirs)]
    assert np.array_equal(divergence(*sides), expected, equal_nan=True)


# Experiment changed, fields reported as overridden.
OVERRIDES = [
    ({}, []),
    ({"seed": 5, "dtype": "float64", "judge_every": 7}, []),
    ({"epochs": 2, "hidden": (3,)}, ["hidden", "epochs"]),
    ({"optimizer": "SGD", "lr": 0.5}, ["optimizer", "lr"]),
]


@pytest.mark.parametrize(("changes", "names"), OVERRIDES)
def test_overrides(changes, names):
    assert overrides(replace(EXPERIMENTS["xor"], **changes)) == names


# Experiment changed, why its expectation does not decide.
UNDECIDED = [
    ({}, ""),
    ({"dtype": "float64", "judge_every": 7}, ""),
    ({"seed": 5}, "another seed than the recipe's 0; over seeds the recipe gives train accuracy"),
    ({"seed": 5, "lr": 0.5}, "the recipe was changed (lr)"),
    ({"expect": replace(EXPERIMENTS["xor"].expect, decides=False)}, "a yardstick"),
]


@pytest.mark.parametrize(("changes", "why"), UNDECIDED)
def test_why_an_expectation_does_not_decide(changes, why):
    run = fake_run("xor", changes=changes)
    assert undecided(run).startswith(why)
    assert bool(undecided(run)) == bool(why)


@pytest.mark.parametrize("side", ["scratch", "torch"])
@pytest.mark.parametrize(("numbers", "skipped"), [(0, 0), (7, 7)])
def test_a_run_of_which_nothing_was_judged_does_not_pass(side, numbers, skipped):
    run = train(prepare(replace(SHORT, expect=replace(SHORT.expect, decides=False))))
    assert Outcome.of(run).ending.passed
    run.sides[side].tally = Tally(steps=1, numbers=numbers, skipped=skipped)
    outcome = Outcome.of(run)
    assert not outcome.ending.passed
    assert verdict(outcome).startswith("FAILED: nothing was judged")
    told = {name: "not judged" if name == side else "held" for name in run.sides}
    assert {name: each.parity for name, each in outcome.sides.items()} == told
    assert [card.title.partition(": ")[2] for card in verdicts(outcome)[:2]] == [
        "parity held" if word == "held" else word for word in told.values()
    ]


def test_a_comparison_looks_back_once(monkeypatch, tmp_path):
    """The terminal, the JSON and the page of one run are written from one timeline."""
    looked = []
    monkeypatch.setattr(timeline, "build_pair", lambda *given: looked.append(given) or build_pair(*given))
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "grow-1", "--out", "here"]) == 0
    assert len(looked) == 1


# --- result.json ------------------------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).parents[2] / "docs" / "result.md"
TYPES = {
    "integer": int,
    "number": (int, float, type(None)),  # every number may be null where it is not finite
    "string": str,
    "boolean": bool,
    "list": list,
    "null": type(None),
}


def documented():
    """Field → the types that docs/result.md allows for it."""
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z ]+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {field: [TYPES[kind] for kind in kinds.split(" or ")] for field, kinds in rows}


def flattened(value, field=""):
    """Every (field, value) of a result, with the names that docs/result.md uses."""
    if isinstance(value, dict):
        star = field in (
            "sides",
            "repeats[].met",
            "repeats[].values",
            "experiment.optimizer_options",
            "sides.*.moments[].gradients",
            "sides.*.moments[].resting",
        )
        for key, entry in value.items():
            yield from flattened(entry, f"{field}.{'*' if star else key}".removeprefix("."))
        return
    yield field, value
    if isinstance(value, list):
        for entry in value:
            yield from flattened(entry, f"{field}[]")


def variables_unset(monkeypatch):
    from handgrad.machine.environment import VARIABLES

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


# Between them these runs fill every documented field.
WRITTEN = [
    ({"name": "digits", "epochs": 1}, None),
    ({"name": "moons", "epochs": 1}, None),
    ({"name": "prod", "epochs": 1, "lr": 1e30}, None),  # diverges: infinities must become null
    ({"name": "xor", "epochs": 1}, "a bug"),
    ({"name": "line", "epochs": 1}, None),  # sigmoid outputs, which can be saturated
]


def written(changes, bug, path):
    name = changes["name"]
    prepared = prepare(replace(EXPERIMENTS[name], judge_every=10, **changes))
    if bug:
        weight = next(prepared.trainers["scratch"].model.named_parameters())[1]
        original = prepared.trainers["scratch"].step

        def step(x, y):
            value = original(x, y)
            weight.data[0, 0] += 1e-2
            return value

        prepared.trainers["scratch"].step = step
    run = train(prepared, command="handgrad compare")
    run.repeats = [run.as_repeat()]
    run.data = replace(run.data, notes=("a column was left out",))  # as a CSV file's may have
    write_result(Outcome.of(run), path)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_result_files_have_exactly_the_documented_fields(tmp_path, monkeypatch):
    variables_unset(monkeypatch)
    allowed, seen = documented(), set()
    for changes, bug in WRITTEN:
        content = written(changes, bug, tmp_path / "result.json")
        for field, value in flattened(content):
            assert field in allowed, f"{field} is not in docs/result.md"
            kinds = allowed[field]
            fits = any(isinstance(value, kind) for kind in kinds) and not (
                isinstance(value, bool) and bool not in kinds
            )
            assert fits, f"{field} is {value!r}, documented as {kinds}"
            seen.add(field)
        assert set(content["sides"]) == {"scratch", "torch"}
        optional = {field for field in allowed if "[]" in field or "*" in field}
        assert set(allowed) - optional <= {field for field, _ in flattened(content)}
    assert seen == set(allowed)


def test_a_diverged_loss_is_null(tmp_path):
    content = written(*WRITTEN[2], tmp_path / "result.json")
    assert content["sides"]["scratch"]["final_loss"] is None
    assert None in content["sides"]["torch"]["losses"]
    assert content["sides"]["torch"]["expectation_met"] is False
    assert content["parity"] is True  # both diverge as they should
