"""The recorded moments of a run and what is drawn from them."""

import re
from base64 import b64decode
from dataclasses import replace
from functools import cache
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from docs.writers.readme_pictures import FOLDER, ROWS, beside, moving, standalone
from handgrad.experiments import EXPERIMENTS
from handgrad.experiments.score import true_classes
from handgrad.report import plots, svg
from handgrad.report.page import misread
from handgrad.report.pictures import data_picture, maps
from handgrad.report.result_json import result
from handgrad.report.timeline_pictures import DRAWINGS, film
from handgrad.report.timeline_pictures.over_time import layer
from handgrad.training.outcome import Outcome
from handgrad.training.timeline import frames, plane, resting, thinned
from handgrad.training.train import MOMENTS, RECORDED, SMALL, moments, one_ulp_copy, prepare, train
from scratch.flags import norm, product

SVG = "{http://www.w3.org/2000/svg}"

# Experiment → what of a film it has: classes or values, on the plane or not, units that can rest or not.
PLANE = {"region-numpy", "region-torch", "difference"}
DRAWN = {
    "moons": PLANE | {"neurons", "network", "probabilities", "gradients", "units"},
    "moons-logistic": PLANE | {"network", "probabilities", "gradients"},
    "line": PLANE | {"neurons", "network", "probabilities", "gradients", "units"},
    "circle": PLANE | {"neurons", "network", "probabilities", "gradients", "units"},
    "prod": PLANE | {"neurons", "network", "gradients", "units"},
    "relu-tanh": {"network", "probabilities", "gradients", "units"},
    "regression": {"network", "gradients", "units"},
    "quadrants": PLANE | {"neurons", "network", "gradients", "units"},
    "digits": {"way", "weights", "network", "gradients", "units"},
    "grow-1": {"network", "gradients"},
    "grow-7": {"network", "gradients"},
    "iris": {"network", "gradients", "units"},
}


@cache
def run_of(name):
    """A short run of an experiment; the judge looks at its first and last step."""
    experiment = replace(EXPERIMENTS[name], epochs=2 if name != "grow-1" else 30, judge_every=10**6)
    return train(prepare(experiment))


def film_of(run):
    return film(run, frames(run))


@pytest.mark.parametrize("name", DRAWN)
def test_a_film_shows_the_same_pictures_at_every_moment(name):
    run = run_of(name)
    found = film_of(run)
    assert set(found.titles) == DRAWN[name]
    assert list(found.titles) == [key for key in DRAWINGS if key in found.titles]
    assert next(frame.label for frame in found.frames) == "untrained"
    assert found.frames[-1].label == f"epoch {run.experiment.epochs}, step {run.steps_planned:,}"
    for frame in found.frames:
        assert list(frame.pictures) == list(found.titles)
        for picture in frame.pictures.values():
            root = ElementTree.fromstring(picture)
            assert frame.label in root.get("aria-label")
            sizes = [float(text.get("font-size", svg.FONT)) for text in root.iter(f"{SVG}text")]
            assert min(sizes, default=svg.FONT) >= 11  # of 400 across: legible on a telephone
            places = [float(n) for n in re.findall(r'\b(?:c?x|x1|x2)="(-?[\d.]+)"', picture)]
            assert -1 <= min(places) <= max(places) <= svg.WIDTH + 1
            assert picture.count("<title>") > 0  # each says numbers where the pointer rests


@pytest.mark.parametrize("name", ["moons", "prod"])
def test_a_film_moves(name):
    """No picture of the first moment is that of the last."""
    frames = film_of(run_of(name)).frames
    for key in frames[0].pictures:
        assert frames[0].pictures[key] != frames[-1].pictures[key]


def pixels(picture):
    """The pictures inside an SVG, each (rows, columns) of grey, NaN where it is empty."""
    sources = [found.get("href") for found in ElementTree.fromstring(picture).iter(f"{SVG}image")]
    sheets = [imread(BytesIO(b64decode(source.partition(",")[2]))) for source in sources]
    return [np.where(sheet[..., -1] == 0, np.nan, sheet[..., 0])[::4, ::4] for sheet in sheets]


def test_weights_and_activations_are_drawn_as_they_are():
    run = run_of("digits")
    seen = frames(run)
    frame, drawn = seen[-1], film(run, seen).frames[-1].pictures
    sheet, limit = pixels(drawn["weights"])[0], max(np.abs(f.states["scratch"]["layers.0.weight"]).max() for f in seen)
    weights = frame.states["scratch"]["layers.0.weight"]
    chosen = np.sort(np.argsort(-np.linalg.norm(weights, axis=1))[:32])
    for k, unit in enumerate(chosen):
        row, column = 9 * (k // 8), 9 * (k % 8)
        found = (2 * sheet[row : row + 8, column : column + 8] - 1) * limit
        assert np.abs(found.ravel() - weights[unit]).max() <= limit / 100  # 256 greys
    digit, *layers = pixels(drawn["way"])
    assert np.abs(digit.ravel() - run.data.x_train[0]).max() <= 0.01
    for found, name in zip(layers, ("layers.1", "layers.3"), strict=True):
        values = frame.sides["scratch"].values[name][0]
        assert np.abs(2 * found.ravel()[: len(values)] - 1 - values / values.max()).max() <= 0.02
        assert np.isnan(found.ravel()[len(values) :]).all()
    rectangles = ElementTree.fromstring(drawn["way"]).iter(f"{SVG}rect")
    bars = [float(r.get("height")) for r in rectangles if r.get("fill") != "transparent"]
    powers = np.exp(frame.sides["scratch"].output[0].astype(float))
    assert np.abs(np.array(bars) / 90 - powers / powers.sum()).max() <= 0.001


def test_every_misread_picture_is_one():
    run = run_of("digits")
    found = misread(run)
    matrices = [side.confusion for side in run.sides.values()]
    fewest = max(int(m.sum() - m.trace()) for m in matrices)
    assert fewest <= int(found["wrong"]) == len(found["shown"]) + int(found["left_out"])
    assert found["total"] == "450"
    for picture in found["shown"]:
        assert any(answer != picture["truth"] for answer, _ in picture["answers"].values())
        shown = imread(BytesIO(b64decode(picture["source"].partition(",")[2])))[..., 0]
        (n,) = np.flatnonzero(np.abs(run.data.x_test - shown.ravel()).max(axis=1) < 0.01)
        assert picture["truth"] == str(run.data.y_test[n])
        for side, (answer, sure) in picture["answers"].items():
            output = run.sides[side].outputs[n].astype(float)
            powers = np.exp(output - output.max())
            assert (answer, sure) == (str(output.argmax()), f"{100 * powers.max() / powers.sum():.2f} %")
    run = replace(run, data=replace(run.data, image=None))
    assert misread(run) is None


def test_no_sign_and_no_class_is_told_by_colour_alone():
    """Weights below 0 are dashed, neurons have a minus, biases stand on a corner, classes have shapes or outlines."""
    run = run_of("moons")
    seen = frames(run)
    drawn = {key: ElementTree.fromstring(picture) for key, picture in film(run, seen).frames[-1].pictures.items()}

    def count(key, tag, **has):
        elements = drawn[key].iter(f"{SVG}{tag}")
        return sum(all((e.get(k.replace("_", "-")) is not None) == want for k, want in has.items()) for e in elements)

    state, activity = seen[-1].states["scratch"], seen[-1].sides["scratch"]
    linear = [name for name, kind in seen[-1].kinds.items() if kind == "Linear"]
    weights = [state[f"{name}.weight"][:10, :10] for name in linear]
    assert count("network", "line", stroke_dasharray=True) == sum(int((w < 0).sum()) for w in weights)
    values = [*(activity.fed[name][0] for name in linear), activity.output[0]]
    minus = sum(int((v[:10] < 0).sum()) for v in values)
    assert count("network", "path") == 2 * minus + 4  # of the key
    biases = [state[f"{name}.bias"][:10] for name in linear]
    assert count("network", "rect", transform=True) == sum(int((b < 0).sum()) for b in biases)
    truth = true_classes(run.data, run.data.y_train)
    assert count("region-numpy", "polygon") == truth.sum()
    assert count("region-numpy", "circle") == (1 - truth).sum()
    assert count("probabilities", "rect", fill_opacity=True) == truth.sum() + 1  # of the key


def test_the_pointer_finds_both_sides_numbers():
    run = run_of("moons")
    seen = frames(run)
    pictures = film(run, seen).frames[-1].pictures
    frame = seen[2]
    lengths = (frame.sides[side].gradients["layers.0.weight"] for side in ("scratch", "torch"))
    words = "layer 0, {}: NumPy {}, PyTorch {}".format(frame.label, *(f"{length:.4g}" for length in lengths))
    assert f"<title>{words}</title>" in pictures["gradients"]
    assert pictures["units"].count("<title>layer ") == len(seen) * len(frame.sides["scratch"].rests)
    assert pictures["probabilities"].count("<title>example ") == 100


@pytest.mark.parametrize("name", ["moons", "prod"])
def test_a_map_says_what_is_at_a_place(name):
    """The words at a place are those of the point of the lattice under it."""
    run = run_of(name)
    seen = frames(run)
    pictures, sides = film(run, seen).frames[-1].pictures, seen[-1].sides
    n = 101 * (101 * 13 // 16) + 101 * 3 // 16  # the second square from the left, the second from the top
    x, y = (plots.plain_number(float(place), 2) for place in run.grid[n])
    for key, side in (("region-numpy", "scratch"), ("region-torch", "torch")):
        output = sides[side].region[n].astype(float)
        if run.data.classes is None:
            answer = f"{output[0]:.3g}"
        else:
            powers = np.exp(output - output.max())
            answer = f"{run.data.classes[output.argmax()]}, {100 * powers.max() / powers.sum():.2f} %"
        told = [found for found in ElementTree.fromstring(pictures[key]).iter(f"{SVG}path") if len(found)]
        assert len(told) == 64
        assert told[9][0].text == f"({x}, {y}): {answer}"
        assert told[9].get("d").startswith(f"M{50 + 330 / 8:.1f} {26 + 290 / 8:.1f}h{330 / 8:.1f}v")


def test_a_net_that_diverged_shows_what_it_can():
    """Dead units have a share whatever became of the weights; the rest needs numbers."""
    run = train(prepare(replace(EXPERIMENTS["prod"], epochs=1, lr=1e30)))
    found = film_of(run)
    assert "units" in found.titles
    assert not {"network", "gradients", "difference"} & set(found.titles)
    for frame in found.frames:
        for picture in frame.pictures.values():
            ElementTree.fromstring(picture)


def test_a_run_without_moments_has_no_film():
    assert film_of(replace(run_of("grow-1"), moments=[])) is None


@pytest.mark.parametrize(("steps", "parameters"), [(1, 10), (7, 10), (5000, 10), (5000, 10**6), (0, 1)])
def test_moments_are_few_and_hold_both_ends(steps, parameters):
    found = moments(steps, parameters)
    assert {0, steps} <= found
    assert len(found) <= (MOMENTS if parameters > SMALL else 2 * MOMENTS - 1)
    assert len(found) * 2 * parameters <= RECORDED


def test_a_small_net_has_a_moment_between_each_two():
    few, many = (sorted(moments(50_000, SMALL + more)) for more in (1, 0))
    assert (len(few), len(many)) == (12, 23)
    assert many[::2] == few


def test_a_net_too_large_is_not_recorded():
    assert moments(100, RECORDED) == set()


def test_the_moments_are_those_of_the_run():
    run = run_of("moons")
    assert {moment.step for moment in run.moments} == moments(run.steps_planned, 0)
    ends = [dict(moment.states["scratch"]) for moment in (run.moments[0], run.moments[-1])]
    assert all((ends[0][name] != ends[1][name]).any() for name in ends[0])
    last = frames(run)[-1]
    np.testing.assert_array_equal(last.sides["scratch"].region, run.sides["scratch"].region)
    np.testing.assert_array_equal(last.sides["torch"].region, run.sides["torch"].region)


def test_the_twin_starts_one_ulp_away_and_drifts():
    prepared = prepare(EXPERIMENTS["moons"])
    ours, copy = prepared.trainers["scratch"].model.state_dict(), one_ulp_copy(prepared).model.state_dict()
    moved = [(a[a != b], b[a != b]) for a, b in ((ours[name], copy[name]) for name in ours) if (a != b).any()]
    ((a, b),) = moved
    assert a.size == 1
    assert abs(a) == max(abs(w).max() for w in ours.values())
    assert b == np.nextafter(a, np.float32(np.inf))
    run = run_of("moons")
    assert len(run.one_ulp_copy) == len(run.divergence)
    assert 0 < run.one_ulp_copy[-1] < 1e-3


@pytest.mark.parametrize(
    ("kind", "columns", "said"),
    [
        ("ReLU", [[0, 0, 1], [0, 2, 0]], ("dead", 1 / 3)),
        ("ReLU", [[1.0], [2.0]], ("dead", 0.0)),
        ("Tanh", [[1.0, 0.5], [-0.999, 0.0]], ("saturated", 0.5)),
        ("Sigmoid", [[1.0, 0.5], [0.001, 0.25]], ("saturated", 0.5)),
        ("GELU", [[0.0]], None),
    ],
)
def test_units_that_do_not_learn(kind, columns, said):
    assert resting(kind, np.array(columns, float)) == said


def test_a_dead_layer_is_seen_on_both_sides():
    run = run_of("prod")
    state = {name: a.copy() for name, a in run.moments[-1].states["scratch"].items()}
    state["layers.0.bias"][:4] = -100  # 4 of 6 units see nothing but negative numbers
    dead = replace(run.moments[-1], states={"scratch": state, "torch": state})
    last = frames(replace(run, moments=[run.moments[0], dead]))[-1]
    for side in last.sides.values():
        assert resting("ReLU", side.values["layers.1"]) == ("dead", 4 / 6)
    assert "66.67 % dead" in film_of(replace(run, moments=[run.moments[0], dead])).frames[-1].pictures["units"]


def test_the_net_is_drawn_with_its_numbers():
    """2-6-1: nine neurons, eighteen weights, seven biases; colour by sign, value as title."""
    run = run_of("prod")
    root = ElementTree.fromstring(film_of(run).frames[-1].pictures["network"])
    state = run.moments[-1].states["scratch"]
    weights = [title.text for title in root.iter(f"{SVG}title") if title.text.startswith("weight")]
    biases = [title.text for title in root.iter(f"{SVG}title") if title.text.startswith("bias")]
    expected = [w for name in ("layers.0.weight", "layers.2.weight") for w in state[name].ravel()]
    assert [float(text.split()[1]) for text in weights] == pytest.approx([float(f"{w:.4g}") for w in expected])
    assert len(biases) == 7
    lines = list(root.iter(f"{SVG}line"))
    assert [line.get("stroke") == svg.PLUS for line in lines] == [w >= 0 for w in expected]
    assert len([c for c in root.iter(f"{SVG}circle") if list(c)]) == 9


def test_parallel_layers_hand_on_their_sum():
    """The neurons of relu + tanh are filled by what the next layer gets, and that is neither branch."""
    run = run_of("relu-tanh")
    root = ElementTree.fromstring(film_of(run).frames[-1].pictures["network"])
    state = {name: a.astype(float) for name, a in run.moments[-1].states["scratch"].items()}
    x = run.data.x_train[0].astype(float)
    z = product(state["0.weight"], x) + state["0.bias"]
    expected = [*x, *(np.maximum(z, 0) + np.tanh(z))]
    titles = [circle.find(f"{SVG}title").text for circle in root.iter(f"{SVG}circle") if list(circle)]
    assert [float(text) for text in titles[: 5 + 8]] == pytest.approx(expected, rel=1e-3)


def test_a_wide_layer_is_drawn_in_part_and_says_so():
    root = ElementTree.fromstring(film_of(run_of("digits")).frames[0].pictures["network"])
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert words[:4] == ["10 of 64", "10 of 128", "10 of 64", "10"]


def test_neurons_are_those_of_the_state():
    """Map 1.0 of `prod` is relu(w·x + b) of the first neuron over the plane."""
    run = run_of("prod")
    last = frames(run)[-1]
    state = run.moments[-1].states["scratch"]
    expected = np.maximum(product(thinned(plane(run)), state["layers.0.weight"][0]) + state["layers.0.bias"][0], 0)
    np.testing.assert_allclose(last.sides["scratch"].maps["layers.2"][:, 0], expected, rtol=1e-5, atol=1e-5)


def test_a_plane_with_one_point_is_not_drawn():
    """One example has no range: neither maps nor a scatter plot of it."""
    run = run_of("grow-7")
    assert run.grid is not None
    assert plane(run) is None
    assert maps(run) == []
    assert data_picture(run) is None


def test_gradients_are_as_long_as_those_of_a_step():
    """At the first moment the batch is that of the first step: the same gradients in another arithmetic."""
    run = run_of("relu-tanh")  # 100 examples, all in one batch
    prepared = prepare(run.experiment)
    x, y = prepared.cast["x_train"], prepared.cast["y_train"]
    first = frames(run)[0]
    for side, trainer in prepared.trainers.items():
        trainer.loss.forward(trainer.model.forward(x), y)
        trainer.model.backward(trainer.loss.backward())
        for name, gradient in trainer.model.named_gradients():
            assert first.sides[side].gradients[name] == pytest.approx(float(norm(gradient)), rel=1e-5)


def test_pictures_change_nothing_else():
    """Neither the copy one ulp apart nor the copies leave a trace in what is judged."""
    experiment = replace(EXPERIMENTS["moons"], epochs=2)
    bare, full = (train(prepare(experiment), pictures=pictures) for pictures in (False, True))
    assert (bare.one_ulp_copy, bare.moments, film_of(bare)) == ([], [], None)
    assert full.moments
    assert bare.divergence == full.divergence
    for side in bare.sides:
        assert bare.sides[side].losses == full.sides[side].losses
        assert bare.sides[side].tally.worst == full.sides[side].tally.worst


def test_the_result_says_what_the_pictures_show():
    run = run_of("prod")
    for side, found in result(Outcome.of(run))["sides"].items():
        assert [moment["step"] for moment in found["moments"]] == [moment.step for moment in run.moments]
        for moment, frame in zip(found["moments"], frames(run), strict=True):
            assert moment["gradients"] == frame.sides[side].gradients
            _, dead = resting("ReLU", frame.sides[side].values["layers.1"])
            assert moment["resting"] == {"layers.1": {"dead": dead}}


@pytest.mark.parametrize("name", ["moons", "iris", "digits"])
def test_confusion_matrices_hold_every_example_once(name):
    run = run_of(name)
    truth = true_classes(run.data, run.data.y_train if run.data.y_test is None else run.data.y_test)
    for side in run.sides.values():
        np.testing.assert_array_equal(side.confusion.sum(axis=1), np.bincount(truth, minlength=len(run.data.classes)))
        assert side.confusion.trace() / len(truth) == pytest.approx(
            side.final.train_accuracy if run.data.y_test is None else side.final.test_accuracy
        )


@pytest.mark.parametrize("dark", [False, True])
def test_pictures_of_the_readme_stand_alone(dark):
    last = film_of(run_of("moons")).frames[-1].pictures
    for row in ROWS.values():
        whole = standalone(beside({heading: last[key] for key, heading in row.items()}), dark)
        root = ElementTree.fromstring(whole)
        assert "var(" not in whole
        assert root[0].get("fill") == {False: "#ffffff", True: "#1b2027"}[dark]
        words = [text.text for text in root.iter(f"{SVG}text")]
        assert [heading for heading in row.values() if heading in words] == list(row.values())


def test_a_moving_picture_shows_each_frame_in_its_turn_and_the_last_where_nothing_moves():
    frames = film_of(run_of("moons")).frames
    whole = moving([beside({"net": frame.pictures["network"]}, frame.label) for frame in frames])
    root = ElementTree.fromstring(whole)
    groups, rules = root.findall(f"{SVG}g"), root.find(f"{SVG}style").text
    assert [[*group.iter(f"{SVG}text")][-1].text for group in groups] == [frame.label for frame in frames]
    shown = re.findall(r"#m(\d+)\{visibility:(\w+)", rules)
    last = len(frames) - 1
    assert shown == [(str(i), "visible" if i == last else "hidden") for i in range(len(frames))]
    ends = [float(end) for end in re.findall(r"visible\}([\d.]+)%\{visibility:hidden", rules)]
    starts = [float(start) for start in re.findall(r"([\d.]+)%\{visibility:visible", rules)]
    assert starts == [0.0, *ends]
    assert moving(["<svg></svg>"]) == "<svg></svg>"


def test_the_readme_shows_the_pictures_that_are_drawn():
    text = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"docs/pictures/([\w-]+)\.svg", text))
    assert shown == {name + dark for name in ROWS for dark in ("", "-dark")}
    for name in shown:
        ElementTree.parse(FOLDER / f"{name}.svg")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("layers.0", "layer 0"),
        ("1.0", "layer 1.0"),
        ("", "layer"),
        ("encoder", "encoder"),
        ("encoder.first", "encoder.…"),
    ],
)
def test_layers_have_short_names(path, words):
    assert layer(path) == words


@pytest.mark.parametrize(
    ("name", "pairs"), [("moons", 1), ("iris", 6), ("five-features", 10), ("prod", 1), ("regression", None)]
)
def test_features_against_each_other(name, pairs):
    picture = data_picture(run_of(name))
    if pairs is None:
        assert picture is None
    else:
        assert f"of {pairs} pairs" in picture.svg
        ElementTree.fromstring(picture.svg)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2.3, 7.1), (1e-9, 3e-9), (0, 2500), (4, 4)])
def test_ticks_are_round_and_inside(low, high):
    found = svg.ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-9 * abs(low) <= tick <= high + 1e-9 * abs(high) for tick in found)
    steps = np.diff(found)
    assert all(re.fullmatch(r"[125]e[-+]\d+", f"{step:.0e}") for step in steps)


def test_the_net_beside_its_twin_has_two_lines_more_than_none():
    one, two = (plots.divergence_curve([1e-7, 2e-7], "float32", copy) for copy in ((), (1e-7, 3e-7)))
    assert len(two.axes[0].lines) == len(one.axes[0].lines) + 1
