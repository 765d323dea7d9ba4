"""The experiments' data is what their sources make, and their expectations can be met and missed."""

from dataclasses import replace

import numpy as np
import pytest

from handgrad.experiments import EXPERIMENTS, Data, Expectation
from handgrad.experiments.data import quadrants_rule, xor_rule
from handgrad.experiments.score import confusion_matrix, predicted_classes, true_classes
from handgrad.result import expectation_met
from handgrad.runner import prepare, train
from handgrad.sides import layer_sizes

# Name, layer sizes, training, validation and test examples, and whether the seed draws the data.
TABLE = [
    ("digits", (64, 128, 64, 10), 1347, 0, 450, False),
    ("moons", (2, 16, 16, 2), 100, 100, 100, False),
    ("moons-logistic", (2, 2), 100, 100, 100, False),
    ("line", (2, 5, 2), 100, 0, 0, True),
    ("circle", (2, 4, 1), 1000, 0, 0, True),
    ("xor", (2, 6, 1), 2500, 0, 0, True),
    ("quadrants", (2, 6, 4), 2500, 0, 0, True),
    ("prod", (2, 6, 1), 2500, 0, 0, True),
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
    *(("quadrants", c, 0.25) for c in range(4)),
]


@pytest.mark.parametrize(("name", "label", "probability"), PROBABILITIES)
def test_class_frequencies(name, label, probability):
    data = EXPERIMENTS[name].data(0)
    truth = true_classes(data, data.y_train)
    sigma = np.sqrt(probability * (1 - probability) / len(truth))
    assert abs((truth == label).mean() - probability) < 4 * sigma


# A point, its quadrant. On the negative x1-axis the formula gives 4, which is no class.
QUADRANTS = [((-1, -1), 0), ((1, -1), 1), ((1, 1), 2), ((-1, 1), 3), ((-1, 0.0), 3), ((-1, -0.0), 0), ((0, 0), 2)]


@pytest.mark.parametrize(("point", "quadrant"), QUADRANTS)
def test_quadrants_have_no_fifth_class(point, quadrant):
    assert quadrants_rule(np.array([point], np.float64)).tolist() == [quadrant]


def test_xor_and_prod_rules():
    assert xor_rule(np.array([[1.0, 1], [1, -1], [-1, -1], [0, 1]])).tolist() == [[1], [0], [1], [0]]
    data = EXPERIMENTS["prod"].data(0)
    assert np.array_equal(data.y_train[:, 0], data.x_train[:, 0] * data.x_train[:, 1] / 4)


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


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_untrained_network_misses_the_expectation(name):
    experiment = replace(EXPERIMENTS[name], lr=0.0, epochs=1, judge_every=NEVER)
    assert not expectation_met(train(prepare(experiment)))


# The circle's 50,000 steps take half a minute; `handgrad compare circle` makes them.
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "circle"])
def test_both_sides_meet_the_expectation(name):
    assert expectation_met(train(prepare(replace(EXPERIMENTS[name], judge_every=NEVER))))
