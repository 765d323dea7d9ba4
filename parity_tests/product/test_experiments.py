"""The experiments' data is what their sources make, and their expectations can be met and missed."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handgrad.experiments import EXPERIMENTS, Data, Expectation, data
from handgrad.experiments.own import find
from handgrad.experiments.quartic import quartic
from handgrad.experiments.score import confusion_matrix, predicted_classes, true_classes
from handgrad.judge import judge_loss
from handgrad.training.outcome import Outcome, overrides
from handgrad.training.sides import build, layer_sizes
from handgrad.training.train import prepare, train
from scratch.flags import product

# Name, layer sizes, training, validation and test examples, and whether the seed draws the data.
TABLE = [
    ("digits", (64, 128, 64, 10), 1347, 0, 450, False),
    ("moons", (2, 16, 16, 2), 100, 100, 100, False),
    ("moons-logistic", (2, 2), 100, 100, 100, False),
    ("line", (2, 5, 2), 100, 0, 0, True),
    ("circle", (2, 4, 1), 1000, 0, 0, True),
    ("five-features", (5, 8, 4, 1), 100, 0, 0, False),
    ("relu-tanh", (5, 8, 4, 1), 100, 0, 0, False),
    ("regression", (20, 40, 40, 1), 200, 0, 0, True),
    ("quartic", (20, 40, 40, 1), 200, 0, 0, True),
    *((name, (2, 6, 1), 2500, 0, 0, True) for name in ("and", "or", "xor", "stripe", "square", "disc")),
    *((name, (2, 6, 4), 2500, 0, 0, True) for name in ("squares", "circles", "quadrants")),
    *((name, (2, 6, 1), 2500, 0, 0, True) for name in ("prod", "sum-squares", "polynom")),
    *((f"grow-{number}", (1, 1), 1, 0, 0, False) for number in (1, 2, 3, 4)),
    ("grow-5", (2, 1), 1, 0, 0, False),
    ("grow-6", (2, 3), 1, 0, 0, False),
    ("grow-7", (2, 3, 1), 1, 0, 0, False),
    ("grow-8", (2, 3, 1), 1, 0, 0, False),
    ("iris", (4, 16, 3), 112, 0, 38, False),
    ("wine", (13, 16, 3), 133, 0, 45, False),
    ("breast_cancer", (30, 16, 2), 426, 0, 143, False),
    ("diabetes", (10, 16, 1), 331, 0, 111, False),
]
NEVER = 10**9  # judge_every: first and last step alone


def test_the_table_here_names_every_experiment():
    assert [row[0] for row in TABLE] == list(EXPERIMENTS)


@pytest.mark.parametrize(("name", "sizes", "train_rows", "val_rows", "test_rows", "seeded"), TABLE)
def test_data(name, sizes, train_rows, val_rows, test_rows, seeded):
    experiment = EXPERIMENTS[name]
    data = experiment.data(0)
    assert layer_sizes(experiment, data) == sizes
    assert len(data.features) == sizes[0]
    rows = {key: len(array) for key, array in data.arrays().items()}
    expected = {"train": train_rows, "val": val_rows, "test": test_rows}
    assert rows == {f"{kind}_{split}": count for split, count in expected.items() if count for kind in "xy"}
    assert experiment.size == f"{train_rows + val_rows + test_rows} × {sizes[0]}"
    for key, array in data.arrays().items():
        assert array.dtype == (np.int64 if array.ndim == 1 else np.float64)
        assert np.isfinite(array).all()
        assert np.array_equal(array, experiment.data(0).arrays()[key])
        assert seeded == (not np.array_equal(array, experiment.data(1).arrays()[key]))
    if experiment.task == "regression":
        assert data.classes is None
    else:
        present = set(true_classes(data, data.y_train))
        assert present == set(range(len(data.classes)))


def test_digits_hold_out_a_quarter_of_every_class():
    data = EXPERIMENTS["digits"].data(0)
    assert 0 <= data.x_train.min() < data.x_train.max() == 1
    share = np.bincount(data.y_test) / (np.bincount(data.y_test) + np.bincount(data.y_train))
    assert np.abs(share - 0.25).max() < 0.005
    assert not {row.tobytes() for row in data.x_train} & {row.tobytes() for row in data.x_test}


def test_moons_are_those_of_source_000():
    data = EXPERIMENTS["moons"].data(0)
    assert [f"{value:.6f}" for value in data.x_train[0]] == ["0.884408", "-0.656079"]
    assert "".join(map(str, data.y_train[:10])) == "1101101100"
    assert [int(y.sum()) for y in (data.y_train, data.y_val, data.y_test)] == [54, 48, 48]


def test_unseeded_sources_draw_what_a_seeded_global_generator_would():
    np.random.seed(3)  # noqa: NPY002  # it is what the sources call
    points = np.random.random_sample((100, 2))  # noqa: NPY002
    data = EXPERIMENTS["line"].data(3)
    assert np.array_equal(data.x_train, points)
    assert np.array_equal(data.y_train[:, 0] == 1, points[:, 0] - points[:, 1] < 0.3)
    assert np.array_equal(data.y_train.sum(axis=1), np.ones(100))


# Experiment, class, its probability under the source's distribution.
PROBABILITIES = [
    ("line", 0, 0.755),
    ("circle", 1, 0.16 * np.pi),
    ("xor", 1, 0.5),
    ("and", 1, 0.25),
    ("or", 1, 0.75),
    ("stripe", 1, 0.4375),
    ("square", 1, 0.125),
    ("disc", 1, np.pi / 16),
    *(("squares", c, p) for c, p in enumerate((0.125, 0.375, 0.375, 0.125))),
    *(("circles", c, np.pi / 8) for c in range(2)),
    *(("quadrants", c, 0.25) for c in range(4)),
]


@pytest.mark.parametrize(("name", "label", "probability"), PROBABILITIES)
def test_class_frequencies(name, label, probability):
    data = EXPERIMENTS[name].data(0)
    truth = true_classes(data, data.y_train)
    sigma = np.sqrt(probability * (1 - probability) / len(truth))
    assert abs((truth == label).mean() - probability) < 4 * sigma


# Rule, points, what it says of them. On the negative x1-axis the quadrants' formula gives 4, which is no class.
RULES = [
    ("and", [(1, 1), (1, -1), (-1, 1), (0, 1)], [1, 0, 0, 0]),
    ("or", [(1, 1), (1, -1), (-1, -1), (0, 0)], [1, 1, 0, 0]),
    ("xor", [(1, 1), (1, -1), (-1, -1), (0, 1)], [1, 0, 1, 0]),
    ("stripe", [(1, 0), (0, 1), (1, -0.5), (2, 2)], [1, 1, 0, 1]),
    ("square", [(0.5, -0.5), (0.6, 0.5), (0, 0)], [1, 0, 1]),
    ("disc", [(0, -1), (0.8, 0.7), (0.6, 0.7)], [1, 0, 1]),
    ("squares", [(0, 0), (-0.5, 0.5), (2, 0.5), (-2, -1), (2, 2)], [0, 1, 2, 3, 3]),
    ("circles", [(0, 0), (1, 1), (2, 0), (-2, 1.5), (2, 2)], [0, 1, 2, 3, 3]),
    ("quadrants", [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, 0.0), (-1, -0.0), (0, 0)], [0, 1, 2, 3, 3, 0, 2]),
    ("prod", [(1, 2), (-2, 2)], [0.5, -1]),
    ("sum_squares", [(1, 2), (-2, 2)], [1.25, 2]),
    ("polynom", [(1, 2), (-2, 2)], [-2.25, 3]),
]


@pytest.mark.parametrize(("name", "points", "values"), RULES, ids=[name for name, *_ in RULES])
def test_rules_of_source_003(name, points, values):
    assert getattr(data, f"{name}_rule")(np.array(points, np.float64)).ravel().tolist() == values


def test_five_features_are_those_of_source_001():
    found = EXPERIMENTS["five-features"].data(0)
    assert found.y_train.mean() == 0.49
    assert np.linalg.matrix_rank(found.x_train) == 3  # two of the five features are redundant


def test_twenty_features_are_divided_by_their_maximum():
    found = EXPERIMENTS["regression"].data(0)
    assert found.x_train.max() == found.y_train.max() == 1
    weight, *_ = np.linalg.lstsq(found.x_train, found.y_train, rcond=None)
    assert np.abs(product(found.x_train, weight) - found.y_train).max() < 1e-3


STANDARDISED = ["iris", "wine", "breast_cancer", "diabetes"]


@pytest.mark.parametrize("name", STANDARDISED)
def test_real_data_are_standardised_by_their_training_part(name):
    found = EXPERIMENTS[name].data(0)
    arrays = [found.x_train] if found.classes else [found.x_train, found.y_train]
    for array in arrays:
        assert np.allclose(array.mean(axis=0), 0)
        assert np.allclose(array.std(axis=0), 1)
    assert not np.allclose(found.x_test.mean(axis=0), 0, atol=1e-3)


def test_relu_and_tanh_are_summed():
    experiment = EXPERIMENTS["relu-tanh"]
    found = experiment.data(0)
    model = build("scratch", experiment, found).model
    state = model.state_dict()
    x = found.x_train.astype(np.float32)
    h = product(x, state["0.weight"].T) + state["0.bias"]
    h = product(np.maximum(h, 0) + np.tanh(h), state["2.weight"].T) + state["2.bias"]
    logits = product(np.maximum(h, 0), state["4.weight"].T) + state["4.bias"]
    # Probabilities in float32: of the logits' roundings, about 1e-6 of numbers around 1, the sigmoid keeps a quarter.
    assert np.allclose(model.forward(x), 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert list(build("torch", experiment, found).model.state_dict()) == list(state)


# Net of source 004, the names of its parameters.
NETS = [(1, ["0.weight"]), (4, ["0.weight", "0.bias"]), (7, ["0.weight", "0.bias", "1.weight", "1.bias"])]


@pytest.mark.parametrize(("number", "names"), NETS)
def test_growing_nets_have_the_parameters_of_source_004(number, names):
    experiment = EXPERIMENTS[f"grow-{number}"]
    for side in ("scratch", "torch"):
        assert list(build(side, experiment, experiment.data(0)).model.state_dict()) == names


def test_a_dead_unit_misses_the_expectation_and_learns_nothing():
    run = train(prepare(replace(EXPERIMENTS["grow-2"], seed=2)))
    assert [side.losses for side in run.sides.values()] == [[25.0] * 100] * 2
    assert not Outcome.of(run).met
    assert run.parity


@pytest.mark.parametrize("side", ["scratch", "torch"])
def test_the_quartic_loss_is_judged_and_refuses_to_broadcast(side):
    y, target = np.array([[1.0], [2.0], [-1.0]], np.float32), np.array([[0.5], [0.0], [-1.0]], np.float32)
    loss = quartic(side)
    assert loss.forward(y, target) == np.float32(16.0625 / 3)
    assert np.allclose(loss.backward(), [[0.5 / 3], [32 / 3], [0]])
    assert judge_loss(loss, y, target).held
    value = loss.forward(y, target)
    quarter = judge_loss(loss, y, target, value=value, grad=loss.backward() / 4)
    assert quarter.failures[0].pattern == "constant ratio 0.25"
    with pytest.raises(ValueError, match=r"MeanQuarticError: .*\(3,\)"):
        loss.forward(y, target[:, 0])


# Loss, training targets, outputs, the classes answered.
ANSWERS = [
    ("BCEWithLogitsLoss", [[0.0], [1.0]], [[-0.1], [0.1], [0.6]], [0, 1, 1]),  # logits: above 0
    ("MSELoss", [[0.0], [1.0]], [[-0.1], [0.1], [0.6]], [0, 0, 1]),  # probabilities: above a half
    ("MSELoss", [[-1.0], [1.0]], [[-0.1], [0.1], [0.6]], [0, 1, 1]),  # targets ±1: above 0
    ("MSELoss", [[1.0, 0.0], [0.0, 1.0]], [[0.3, 0.2], [0.3, 0.4]], [0, 1]),
    ("CrossEntropyLoss", [0, 1, 2], [[0.0, 1.0, 3.0], [9.0, 1.0, 3.0]], [2, 0]),
]


@pytest.mark.parametrize(("loss", "targets", "outputs", "answers"), ANSWERS)
def test_predicted_and_true_classes(loss, targets, outputs, answers):
    data = Data(x_train=np.zeros((len(targets), 1)), y_train=np.array(targets))
    experiment = replace(EXPERIMENTS["xor"], loss=loss)
    assert predicted_classes(experiment, data, np.array(outputs)).tolist() == answers
    assert true_classes(data, data.y_train).tolist() == list(range(len(targets)))


def test_confusion_matrix_has_true_classes_in_rows():
    matrix = confusion_matrix(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 2]]


# Bound, value, measured, met.
BOUNDS = [
    ("min", 0.9, 0.9, True),
    ("min", 0.9, 0.89, False),
    ("max", 0.1, 0.1, True),
    ("max", 0.1, 0.11, False),
    ("min", 0.9, float("nan"), False),
    ("max", 0.1, float("nan"), False),
    ("min", 0.9, None, False),
]


@pytest.mark.parametrize(("bound", "value", "measured", "met"), BOUNDS)
def test_expectation(bound, value, measured, met):
    assert Expectation("final_loss", bound, value).met(measured) is met


@pytest.mark.parametrize(("field", "value"), [("metric", "accuracy"), ("bound", "least")])
def test_an_expectation_is_refused_where_it_is_written(field, value):
    fields = {"metric": "final_loss", "bound": "max", "value": 1.0} | {field: value}
    with pytest.raises(ValueError, match=f"{field} must be one of .* got '{value}'"):
        Expectation(**fields)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_untrained_network_misses_the_expectation(name):
    experiment = replace(EXPERIMENTS[name], lr=0.0, epochs=1, judge_every=NEVER)
    assert not Outcome.of(train(prepare(experiment), pictures=False)).met


# `handgrad compare --all` runs the others, the twelve rules and the circle: 5,000 to 50,000 steps each.
QUICK = [name for name, experiment in EXPERIMENTS.items() if experiment.source != "003" and name != "circle"]


@pytest.mark.parametrize("name", QUICK)
def test_both_sides_meet_the_expectation(name):
    assert Outcome.of(train(prepare(replace(EXPERIMENTS[name], judge_every=NEVER)), pictures=False)).met


def test_every_experiment_says_what_the_source_printed_and_what_was_measured():
    for experiment in EXPERIMENTS.values():
        assert experiment.printed
        assert "20 seeds" in experiment.band
        assert experiment.seconds > 0


# --- a user's own experiment ------------------------------------------------------------------------------------------

OWN = """
import numpy as np
from handgrad.experiments import Data, Expectation, Experiment

def data(seed):
    x = np.random.default_rng(seed).normal(size=(40, 3))
    return Data(x_train=x, y_train=(x.sum(axis=1) > 0).astype(np.int64), classes=("below", "above"))

experiment = Experiment(
    name="xor", task="multiclass", data=data, hidden=(4,), loss="CrossEntropyLoss", optimizer="SGD", lr=0.5, epochs=30,
    expect=Expectation("train_accuracy", "min", 0.9),
)
"""


@pytest.fixture
def own(tmp_path):
    """Write a file that holds `OWN` and more lines, and give its path."""

    def write(more=""):
        path = tmp_path / "mine.py"
        path.write_text(OWN + more)
        return path

    return write


def test_an_experiment_of_ones_own_is_one_file(own):
    experiment = find(f"{own()}:experiment")
    assert Outcome.of(train(prepare(experiment), pictures=False)).met
    # It shares its name with one of the table, and is not compared with that.
    assert overrides(experiment) == []
    assert overrides(replace(experiment, lr=0.1)) == ["lr"]


CHANGED = "from dataclasses import replace\nexperiment = replace(experiment, {})"
# More lines in the file, what is named, what must be said: of the file itself, and of what `prepare` finds.
TIED = """
def tied(ops, sizes, options):
    first, last = (ops.Linear(3, 3, **options) for _ in range(2))
    net = ops.Sequential(first, ops.Tanh(), last, ops.Linear(3, 2, **options))
    net[2].weight = net[0].weight
    return net
def twice(ops, sizes, options):
    layer = ops.Linear(3, 3, **options)
    return ops.Sequential(layer, layer, ops.Linear(3, 2, **options))
def counted(ops, sizes, options):
    layer = ops.BatchNorm1d(3, affine=False, dtype=options["dtype"])
    return ops.Sequential(layer, layer, ops.Linear(3, 2, **options))
"""

BAD_OWN = [
    ("", "experimenta", "name one of its experiments, as in .*mine.py:experiment; got 'experimenta'; it has exp"),
    ("other = 3", "other", "'other' is no Experiment there"),
    ("raise KeyError('no')", "experiment", "mine.py cannot be run: KeyError"),
    (CHANGED.format("task='guess'"), "experiment", "task must be one of binary"),
    (CHANGED.format("data=lambda seed: {}[seed]"), "experiment", "data of experiment 'xor' failed: KeyError: 0"),
    (CHANGED.format("data=lambda seed: 3"), "experiment", "must return handgrad.experiments.Data; got 3"),
    (CHANGED.format("loss='CrossLoss'"), "experiment", "scratch has no 'CrossLoss'"),
    (CHANGED.format("optimizer='Sgd'"), "experiment", "scratch has no 'Sgd'"),
    (CHANGED.format("loss='MSELoss'"), "experiment", "MSELoss: input has shape .* but target has shape"),
    (CHANGED.format("activation='rely'"), "experiment", "did you mean 'relu'"),
    (CHANGED.format("model=lambda ops, sizes, options: 1 / 0"), "experiment", "model of .* ZeroDivisionError"),
    (CHANGED.format("expect=Expectation('test_loss', 'max', 1)"), "experiment", "its data hold nothing out"),
    (
        TIED + CHANGED.format("model=tied"),
        "experiment",
        "^weights '0.weight' and '2.weight' are one parameter: the judge",
    ),
    (TIED + CHANGED.format("model=twice"), "experiment", "^weights '0.weight' and '1.weight' are one parameter: the"),
    (TIED + CHANGED.format("model=counted"), "experiment", "^buffers '0.running_mean' and '1.running_mean' are one b"),
    (CHANGED.format("own_ops=(Data,)"), "experiment", "own_ops of xor: scratch has no class 'Data' whose place"),
    (CHANGED.format("own_ops=(type('Linear', (), {}),)"), "experiment", "own_ops of xor: Linear needs model="),
    (CHANGED.format("own_ops=(type('SGD', (), {}),)"), "experiment", "SGD.. takes no arguments"),
]


@pytest.mark.parametrize(("more", "name", "message"), BAD_OWN)
def test_bad_experiments_of_ones_own(more, name, message, own):
    with pytest.raises((ValueError, TypeError), match=message):
        prepare(find(f"{own(more)}:{name}"))


@pytest.mark.parametrize(("times", "held"), [(1, True), (2, False)])
def test_an_optimizer_of_ones_own_takes_the_place_of_its_namesake_on_the_numpy_side(times, held, own):
    step = f"    def update(self, p, g, group, state): p.data -= group['lr'] * {times} * g"
    more = f"import scratch\nclass SGD(scratch.SGD):\n{step}\n" + CHANGED.format("own_ops=(SGD,), epochs=1")
    run = train(prepare(find(f"{own(more)}:experiment")), pictures=False)
    outcome = Outcome.of(run)
    assert [side.parity for side in outcome.sides.values()] == ["held" if held else "FAILED", "held"]


ROWS = np.zeros((4, 2))
# Changed arrays, what must be said.
BAD_DATA = [
    ({"x_train": ROWS.astype(int)}, r"x_train must be floats \(n, features\); got int64 of shape \(4, 2\)"),
    ({"x_train": ROWS[0]}, "x_train must be floats"),
    ({"x_train": [[1.0]]}, "x_train must be a NumPy array; got list"),
    ({"y_train": np.zeros(4)}, "y_train must be class indices"),
    ({"y_train": np.zeros((4, 1), int)}, "y_train must be class indices"),
    ({"y_train": np.zeros(3, int)}, "x_train has 4 rows and y_train 3"),
    ({"x_test": ROWS}, "y_test must be a NumPy array; got NoneType"),
    ({"x_test": ROWS[:, :1], "y_test": np.zeros(4, int)}, "the columns of test are not those of train"),
]


@pytest.mark.parametrize(("arrays", "message"), BAD_DATA)
def test_data_that_keep_no_promise_are_named(arrays, message):
    with pytest.raises(ValueError, match=message):
        Data(**{"x_train": ROWS, "y_train": np.zeros(4, int)} | arrays).checked()


def test_class_indices_outside_the_classes_are_named():
    found = Data(x_train=ROWS, y_train=np.array([0, 1, 2, 0]), classes=("a", "b"))
    experiment = replace(EXPERIMENTS["moons"], data=lambda seed: found, expect=Expectation("final_loss", "max", 1.0))
    with pytest.raises(ValueError, match=r"y_train must be from 0 to 1; got 0 to 2"):
        prepare(experiment)


# --- docs/experiments.md ----------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"


def test_the_page_of_experiments_says_what_the_table_says():
    rows = []
    for e in EXPERIMENTS.values():
        cells = (f"`{e.name}`", e.title, e.source, e.size, str(e.expect), e.printed, e.band)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    page = PAGE.read_text(encoding="utf-8").splitlines()
    start = page.index("|---|---|---|---|---|---|---|") + 1
    assert page[start : start + len(rows) + 1] == [*rows, ""]


def test_the_pages_own_experiment_runs(tmp_path):
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.py").write_text(source)
    run = train(prepare(replace(find(f"{tmp_path / 'mine.py'}:experiment"), judge_every=NEVER)))
    assert Outcome.of(run).met
    assert not Outcome.of(run).undecided
