"""The report is one page that stands alone, says what the run said, and survives runs that went wrong."""

import re
import tempfile
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgb

from handgrad.experiments import EXPERIMENTS
from handgrad.experiments.score import confusion_matrix, predicted_classes, true_classes
from handgrad.judge import Failure, Tally
from handgrad.report import plots, write_report
from handgrad.report.pictures import READ
from handgrad.trace.page import DARKEST
from handgrad.training.outcome import Outcome
from handgrad.training.record import EpochRecord, Run, SideRun
from handgrad.training.sides import layer_sizes
from handgrad.training.train import lattice, prepare, train
from scratch.flags import product

LIMIT = 3_000_000  # bytes


def fake_run(name="digits", steps=60, epochs=6, changes=None, data_changes=None, **fields):
    """A run of that experiment with made-up numbers: both sides the same but for a last digit."""
    experiment = replace(EXPERIMENTS[name], **(changes or {}))
    data = replace(experiment.data(0), **(data_changes or {}))
    rng = np.random.default_rng(0)
    losses = np.exp(-np.linspace(0, 4, steps)) * rng.uniform(0.8, 1.2, steps)
    accuracies = data.classes is not None
    grid = lattice(data.x_train) if data.x_train.shape[1] == 2 else None
    sides = {}
    for side, last_digit in (("scratch", 0.0), ("torch", 1e-6)):
        records = [
            EpochRecord(
                epoch,
                train_loss=0.7 / (epoch + 1) + last_digit,
                test_loss=None if data.x_test is None else 0.8 / (epoch + 1) + last_digit,
                train_accuracy=1 - 0.5 / (epoch + 1) if accuracies else None,
                test_accuracy=1 - 0.6 / (epoch + 1) if accuracies and data.x_test is not None else None,
            )
            for epoch in range(epochs + 1)
        ]
        sides[side] = SideRun(side, list(losses + last_digit), list(rng.uniform(1e-4, 2e-4, steps)), records)
        sides[side].tally = Tally(steps=steps, numbers=1234 * steps, skipped=7, worst=0.625)
        outputs = layer_sizes(experiment, data)[-1]
        if grid is not None:
            sides[side].region = np.sin(product(grid, rng.normal(size=(2, outputs)))).astype(np.float32) + np.float32(
                last_digit
            )
        if accuracies:
            truth = true_classes(data, data.y_train)
            answer = predicted_classes(experiment, data, rng.normal(size=(len(truth), outputs)))
            sides[side].confusion = confusion_matrix(truth, answer, len(data.classes))
        if data.image is not None:
            sides[side].outputs = rng.normal(size=(len(data.x_test), outputs))
    run = Run(experiment, data, sides, {"python": "3.11", "threads": {"NumPy": 2}}, f"handgrad compare {name} --seed 0")
    run.divergence = list(np.linspace(0, 1e-5, steps))
    run.grid = grid
    run.steps_planned = steps
    for field, value in fields.items():
        setattr(run, field, value)
    return run


def with_losses(run, losses):
    for side in run.sides.values():
        side.losses = list(losses)
        side.seconds = [1e-4] * len(losses)
    return run


def diverged():
    """Losses, records, weights and outputs that left the numbers."""
    run = with_losses(fake_run("moons"), [1.0, 1e30, 3e38, np.inf, *[np.nan] * 50])
    run.divergence = [1e-7, 1e-3, np.inf, *[np.nan] * 51]
    for side in run.sides.values():
        side.epochs = [replace(record, train_loss=np.nan, test_loss=np.inf) for record in side.epochs]
        side.region = np.full_like(side.region, np.nan)
    return run


def failed():
    run = fake_run()
    failures = [
        Failure(
            "scratch", "layers.0.weight.grad", "", (2, 1), (5, 2), 0.25, 0.125, 1e-9, 1e6, 1e8, 10, 10, "ratio 2", "dW"
        ),
        Failure("scratch", "layers.2.bias.grad", "it is None", pattern="no gradient was <computed>", step=18),
    ]
    run.sides["scratch"].tally = Tally(steps=60, numbers=4000, wrong_steps=3, worst=np.inf, failures=failures)
    return run


def unjudged():
    run = fake_run()
    for side in run.sides.values():
        side.tally = Tally()
    return run


def nothing_happened():
    """Interrupted before the first step, not even an untrained record."""
    run = with_losses(fake_run(epochs=0, interrupted=True, divergence=[], grid=None), [])
    for side in run.sides.values():
        side.epochs, side.tally, side.region, side.confusion = [], Tally(), None, None
    return run


RUNS = {
    "two classes, one output each": lambda: fake_run("moons"),
    "two classes, one logit": lambda: fake_run("xor"),
    "two classes, one tanh": lambda: fake_run("circle"),
    "one-hot targets": lambda: fake_run("line"),
    "four classes": lambda: fake_run("quadrants"),
    "ten classes, many features": lambda: fake_run("digits", steps=3000, epochs=40),
    "regression": lambda: fake_run("prod"),
    "regression with held-out data": lambda: fake_run(
        "prod", data_changes={"x_test": np.zeros((3, 2)), "y_test": np.zeros((3, 1))}
    ),
    "many steps": lambda: fake_run("circle", steps=50_000, epochs=500),
    "one step": lambda: fake_run(steps=1, epochs=1),
    "no epoch ended": lambda: fake_run(steps=3, epochs=0, interrupted=True, steps_planned=500),
    "nothing happened": nothing_happened,
    "diverged": diverged,
    "equal bit for bit": lambda: fake_run(divergence=[0.0] * 60),
    "loss exactly zero": lambda: with_losses(fake_run(), [0.0] * 60),
    "huge and tiny losses": lambda: with_losses(fake_run(changes={"dtype": "float64"}), [1e308, 1e-320, 5e-324] * 40),
    "parity failed": failed,
    "unjudged": unjudged,
    "another recipe": lambda: fake_run(changes={"lr": 0.5, "hidden": (3,), "optimizer_options": {"amsgrad": True}}),
    "features without names": lambda: fake_run("moons", data_changes={"features": ()}),
    "constant target": lambda: fake_run("prod", data_changes={"y_train": np.ones((2500, 1))}),
    "constant feature": lambda: fake_run("moons", data_changes={"x_train": np.ones((100, 2))}),
    "dollars in names": lambda: fake_run(
        "moons", data_changes={"features": ("cost in $", "$x^2$"), "classes": ("$a", "b$")}
    ),
}


class Page(HTMLParser):
    """The page taken apart: tags, ids, what it refers to, headings, and its text."""

    VOID = ("meta", "link", "br", "img", "input", "hr")

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.ids, self.references, self.headings, self.text = [], [], [], [], [], []
        self.html = html
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found and "template" not in self.open else []  # those are not in the page
        self.references += re.findall(r"url\(\s*['\"]?([^)'\"]*)", found.get("style") or "")
        for name in ("src", "href", "xlink:href", "clip-path", "srcset", "action", "data"):
            if name in found:
                self.references.append(re.sub(r"^url\((.*)\)$", r"\1", found[name]))
        if "aria-labelledby" in found:
            self.references.append(f"#{found['aria-labelledby']}")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] and re.fullmatch(r"h[1-6]", self.open[-1]):
            self.headings.append((int(self.open[-1][1]), data))
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def words(self):
        return " ".join(" ".join(self.text).split())


def written(run, folder):
    path = folder / "report.html"
    write_report(Outcome.of(run), path)
    assert [p.name for p in folder.iterdir()] == ["report.html"]
    assert path.stat().st_size < LIMIT
    return Page(path.read_text(encoding="utf-8"))


@cache
def page_of(name):
    """The page of one of RUNS, drawn once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        return written(RUNS[name](), Path(folder))


@pytest.mark.parametrize("name", RUNS)
def test_every_page_is_whole_alone_and_accessible(name):
    page = page_of(name)
    assert len(page.ids) == len(set(page.ids))
    for reference in page.references:
        assert reference.startswith("data:") or (reference[0] == "#" and reference[1:] in page.ids), reference
    assert not [tag for tag, _ in page.tags if tag in ("iframe", "object", "embed", "base")]
    assert [found for tag, found in page.tags if tag == "script"] == [{}]
    assert not re.search(r"@import|url\(\s*['\"]?https?:", page.html)
    tags = {tag for tag, _ in page.tags}
    assert {"html", "head", "title", "body", "main", "h1", "table"} <= tags
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for tag, found in page.tags:
        assert tag != "svg" or (found["role"] == "img" and len(found["aria-label"]) > 20)
        assert tag != "th" or found["scope"] in ("row", "col")
        assert tag != "img" or found["alt"]
    assert not re.search(r"\bnan %|\bNone\b|Undefined", page.words().replace("it is None", ""))


# Picture, or the words of a passage, and the runs that have it.
@pytest.mark.parametrize(
    ("mark", "runs"),
    [
        ("Loss, step by step", set(RUNS) - {"nothing happened"}),
        ("Accuracy, epoch by epoch", {"one step", "two classes, one logit", "ten classes, many features", "diverged"}),
        ("Loss, epoch by epoch", {"regression", "regression with held-out data"}),
        ("How the two sides drift apart", {"regression", "diverged", "many steps"}),
        ("Decision region, NumPy", {"two classes, one tanh", "one-hot targets", "four classes"}),
        ("Predicted surface, PyTorch", {"regression", "constant target"}),
        ("Difference, NumPy minus PyTorch", {"regression", "four classes"}),
        ("Who is taken for whom", {"ten classes, many features", "four classes"}),
        ("What was misread", {"ten classes, many features", "another recipe"}),
        ("parity failed", {"parity failed"}),
        ("not judged", {"unjudged", "nothing happened"}),
        ("Expectation not tested", {"nothing happened", "no epoch ended"}),
        ("Expectation shown, not tested", {"another recipe"}),
        ("Interrupted", {"nothing happened", "no epoch ended"}),
        ("Nothing to draw", {"nothing happened"}),
    ],
)
def test_what_there_is_to_show_is_shown(mark, runs):
    for name in runs:
        assert mark in page_of(name).words(), name


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("regression", "Who is taken for whom"),
        ("regression", "Test accuracy"),
        ("ten classes, many features", "Decision region"),
        ("four classes", "What was misread"),
        ("equal bit for bit", "drift apart"),
        ("diverged", "Decision region"),
        ("constant feature", "Decision region"),
        ("no epoch ended", "epoch by epoch"),
        ("two classes, one logit", "What the judge rejected"),
    ],
)
def test_what_does_not_exist_is_left_out(name, absent):
    assert absent not in page_of(name).words()


def test_each_sides_numbers_are_in_its_column(tmp_path):
    run = fake_run(steps=200, epochs=9)
    run.sides["torch"].tally = Tally(steps=199, numbers=1234567, skipped=89, wrong_steps=1, worst=1.75)
    run.sides["torch"].epochs[-1] = EpochRecord(9, 0.012345678, 1234.5678, 0.98765, 0.87654)
    run.sides["torch"].seconds = [0.002, 0.003, 0.7]
    page = written(run, tmp_path)
    rows = re.findall(r'<th scope="row">([^<]+)<small>.*?</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>', page.html)
    ours = run.sides["scratch"]
    assert rows == [
        ("Training loss", f"{ours.final.train_loss:.6g}", "0.0123457"),
        ("Test loss", f"{ours.final.test_loss:.6g}", "1234.57"),
        ("Training accuracy", f"{100 * ours.final.train_accuracy:.2f} %", "98.77 %"),
        ("Test accuracy", f"{100 * ours.final.test_accuracy:.2f} %", "87.65 %"),
        ("Time per step", f"{1e6 * ours.seconds_per_step:.3g} µs", "3 ms"),
        ("Steps", "200", "200"),
        ("Steps judged", "200", "199"),
        ("Numbers judged", "246,800", "1,234,567"),
        ("Numbers skipped", "7", "89"),
        ("Closest approach", "0.625", "1.75"),
        ("Parity", "held", "FAILED"),
    ]
    assert page.html.index(">NumPy</th>") < page.html.index(">PyTorch</th>")
    experiment, words = run.experiment, page.words()
    for text in (experiment.title, experiment.printed, experiment.band, str(experiment.expect), run.command):
        assert text in words


def test_a_curve_says_its_numbers():
    """Columns over the axes, from left to right, at most `READ` of them, with both sides' numbers."""
    run, html = fake_run("digits", steps=3000, epochs=40), page_of("ten classes, many features").html
    losses = [side.losses for side in run.sides.values()]
    said = re.findall(r'<rect x="([^"]+)"[^>]*><title>(step [^<]+: NumPy [^<]+)</title>', html)
    assert len(said) == READ
    assert sorted(float(x) for x, _ in said) == [float(x) for x, _ in said]
    for step, (_, words) in {1: said[0], 3000: said[-1]}.items():
        ours, theirs = (f"{side[step - 1]:.4g}" for side in losses)
        assert words == f"step {step:,}: NumPy {ours}, PyTorch {theirs}"
    assert html.count("<title>epoch ") == 40
    final = [f"{100 * side.final.test_accuracy:.2f} %" for side in run.sides.values()]
    assert f"<title>epoch 40: NumPy, test {final[0]}; PyTorch, test {final[1]}; NumPy, train" in html
    assert html.count("the sides are ") == READ


def test_failures_are_shown_in_the_judges_words():
    page = page_of("parity failed")
    text = "".join(page.text)
    for failure in failed().sides["scratch"].tally.failures:
        assert failure.render() in text
    assert "3 of 60 judged steps" in page.words()


def test_text_from_outside_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>\"&'--><b>"
    name = evil.replace("/", "")  # it names a folder
    run = fake_run("moons", changes={"title": evil, "printed": evil, "band": evil, "name": name, "source": evil})
    run.data = replace(run.data, classes=(evil, "b"), features=(evil, evil))
    run.environment = {evil: evil}
    run.command = evil
    page = written(run, tmp_path)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "".join(page.text).replace(name, evil).count(evil) >= 8
    assert page.html.count("<script") == 1


def test_a_real_run(tmp_path):
    run = train(prepare(replace(EXPERIMENTS["xor"], epochs=1)), command="handgrad compare xor --epochs 1")
    words = written(run, tmp_path).words()
    assert "NumPy: parity held" in words
    assert "handgrad compare xor --epochs 1" in words


def test_the_same_run_gives_the_same_page_and_leaves_matplotlib_alone(tmp_path):
    before = dict(rcParams)
    assert page_of("four classes").html == written(RUNS["four classes"](), tmp_path).html
    assert dict(rcParams) == before


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_report(Outcome.of(fake_run()), tmp_path / "missing" / "report.html")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match=r"report\.html"):
        write_report(Outcome.of(fake_run()), tmp_path / "report.html")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_smooth_averages_what_is_finite():
    values = np.array([1.0, np.nan, 3.0, 5.0, np.inf, np.nan, np.nan, np.nan])
    expected = [1.0, 2.0, 4.0, 4.0, 5.0, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(plots.smooth(values, 3), expected)
    np.testing.assert_array_equal(plots.smooth(np.arange(5.0), 1), np.arange(5.0))


def test_extremes_keep_every_peak():
    values = np.random.default_rng(0).normal(size=10_000)
    kept = plots.extremes(values)
    assert len(kept) <= 2 * plots.MAX_BINS
    assert {values.argmax(), values.argmin()} <= set(kept)
    assert (np.diff(kept) > 0).all()


def test_images_do_not_depend_on_the_order_of_the_grid():
    grid = np.array([[x, y] for y in (0.0, 1.0, 2.0) for x in (5.0, 6.0, 7.0)])
    values = 10 * grid[:, 1] + grid[:, 0]
    image, extent = plots.on_lattice(grid, values)
    assert image.tolist() == [[5, 6, 7], [15, 16, 17], [25, 26, 27]]
    assert extent == (4.5, 7.5, -0.5, 2.5)
    mixed = np.random.default_rng(0).permutation(9)
    np.testing.assert_array_equal(plots.on_lattice(grid[mixed], values[mixed])[0], image)


@pytest.mark.parametrize("shape", [(8, 2), (9, 3), (9,)])
def test_a_grid_that_is_no_square_lattice_is_refused(shape):
    with pytest.raises(ValueError, match=re.escape(f"grid: got shape {shape}, allowed is (side², 2)")):
        plots.lattice_side(np.zeros(shape))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.05, "0.05"), (-3.0, "−3"), (1.2e-7, "1.2e−7"), (2e10, "2e10"), (0.0001, "0.0001")],
)
def test_plain_number(value, text):
    assert plots.plain_number(value) == text


def themes():
    """The style sheet's colours by name: of the light theme, and of the dark one."""
    text = (Path(plots.__file__).parent / "style.css").read_text(encoding="utf-8")
    found = re.findall(r":root \{(.*?)\}", text, re.DOTALL)[:2]  # the third is the light one on paper
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in found)
    return {"light": light, "dark": light | dark}


def luminance(colour):
    """Relative luminance of an sRGB colour in [0, 1]³. Source: WCAG 2.2."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return (linear * [0.2126, 0.7152, 0.0722]).sum()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("behind", "share"), [("heat", 0.7), ("numpy", DARKEST / 100), ("torch", DARKEST / 100)])
def test_a_number_can_be_read_on_the_darkest_shade(theme, behind, share):
    """WCAG asks for a contrast of 4.5 : 1."""
    colours = {name: np.array(to_rgb(colour)) for name, colour in themes()[theme].items()}
    ground = share * colours[behind] + (1 - share) * colours["card"]
    low, high = sorted((luminance(ground), luminance(colours["ink"])))
    assert (high + 0.05) / (low + 0.05) >= 4.5
