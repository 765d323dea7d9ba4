"""`handgrad overlay`: two runs over each other, what differs in words, and what cannot be laid over in one line."""

import json
import re
import shutil

import numpy as np
import pytest

from handgrad import cli
from handgrad.files import REPORT, RESULT
from handgrad.report.overlay import MEASURED, curves, in_step, notes, options, read, rows
from handgrad.report.stored_film import stored_film
from parity_tests.product.test_report import Page

RECIPES = {"a": ("--epochs", "2"), "b": ("--epochs", "3", "--lr", "0.25", "--hidden", "3", "--judge-every", "20")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of `xor`, in folders `a` and `b`."""
    folder = tmp_path_factory.mktemp("runs")
    for name, recipe in RECIPES.items():
        assert cli.main(["compare", "xor", *recipe, "--out", str(folder / name)]) == 0
    return folder


@pytest.fixture
def folders(made, tmp_path):
    """Copies of theirs, to be changed."""
    return [shutil.copytree(made / name, tmp_path / name) for name in RECIPES]


@pytest.fixture
def filmless(folders):
    """The same without reports: to read two films and to set them in step takes most of the time of a page."""
    for folder in folders:
        (folder / REPORT).unlink()
    return folders


def result(folder):
    return json.loads((folder / RESULT).read_text(encoding="utf-8"))


def write(folder, value, *path):
    """The result in which the entry at `path` is `value`."""
    whole = place = result(folder)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / RESULT).write_text(json.dumps(whole), encoding="utf-8")


def test_the_page_says_what_differs_and_nothing_else(folders, tmp_path, capsys):
    assert cli.main(["overlay", *map(str, folders), "--out", str(tmp_path / "over.html")]) == 0
    lines = capsys.readouterr().out.splitlines()
    own = result(folders[0])["experiment"]
    expected = {"hidden": (", ".join(map(str, own["hidden"])), "3"), "learning rate": (f"{own['lr']:g}", "0.25")}
    expected |= {"epochs": ("2", "3"), "judge every": ("1", "20")}
    said = [f"differs {name}: {a} (A), {b} (B)" for name, (a, b) in expected.items()]
    assert sorted(lines[:-1]) == sorted(said)
    assert lines[-1] == f"page    {tmp_path / 'over.html'}"
    page = Page((tmp_path / "over.html").read_text(encoding="utf-8"))
    cells = re.findall(r'<tr><th scope="row">([^<]+)</th><td>([^<]*)</td><td>([^<]*)</td></tr>', page.html)
    assert {name: values for name, *values in cells} == {name: list(values) for name, values in expected.items()}
    assert len(page.ids) == len(set(page.ids))
    assert all(found.startswith("data:") or found[1:] in page.ids for found in page.references)
    assert (tmp_path / "over.html").stat().st_size < 5_000_000


def test_without_out_the_page_stands_beside_the_second_run(filmless):
    assert cli.main(["overlay", str(filmless[0]), str(filmless[1] / RESULT)]) == 0
    assert (filmless[1] / "overlay.html").exists()


def test_curves_and_numbers_are_those_of_the_runs(filmless):
    runs = read(filmless)
    results = [result(folder) for folder in filmless]
    pictures = {picture.name: picture.svg for picture in curves(runs)}
    there = [metric for metric in MEASURED if results[0]["sides"]["scratch"]["epochs"][0][metric] is not None]
    assert list(pictures) == ["loss", *(metric.replace("_", "-") for metric in there)]
    a, b = (one["sides"]["scratch"]["losses"] for one in results)
    last = min(len(a), len(b))
    assert f"<title>step 1: A {a[0]:.4g}, B {b[0]:.4g}</title>" in pictures["loss"]
    assert f"<title>step {len(b)}: B {b[-1]:.4g}</title>" in pictures["loss"]  # beyond A's end: B alone
    assert last == len(a) < len(b)
    for metric in there:
        ends = [one["sides"]["scratch"]["epochs"][2][metric] for one in results]
        words = [f"{100 * end:.2f} %" if "accuracy" in metric else f"{end:.6g}" for end in ends]
        assert f"<title>epoch 2: A {words[0]}, B {words[1]}</title>" in pictures[metric.replace("_", "-")]
    table = {row.name: row.cells for row in rows(runs)}
    sides = [one["sides"][side] for one in results for side in ("scratch", "torch")]
    assert table["Training loss"] == [f"{side['final_loss']:.6g}" for side in sides]
    assert table["Steps"] == [str(len(side["losses"])) for side in sides]
    assert table["Parity"] == ["held"] * 4


def test_the_two_lines_differ_in_more_than_colour(filmless):
    svg = curves(read(filmless))[0].svg
    lines = [line for line in re.findall(r"<path [^>]*>", svg) if "clip-path" in line]
    for colour, dashed in (("plus", False), ("minus", True)):
        clear = [line for line in lines if f"--{colour}" in line and "stroke-opacity: 0.22" not in line]
        assert [("stroke-dasharray" in line) for line in clear] == [dashed], colour
        assert re.search(rf'<use xlink:href="[^"]*"[^>]*--{colour}', svg)  # its marks


def test_films_run_in_step(folders):
    runs = read(folders)
    films = [stored_film(folder / REPORT) for folder in folders]
    whole = in_step(runs)
    steps = {int((re.search(r"step (\d+)", frame.label) or [0, 0])[1]) for film in films for frame in film.frames}
    assert len(whole.frames) == len(steps)
    assert list(whole.titles) == [f"{letter}-{key}" for key in films[0].titles for letter in "AB"]
    first, last = whole.frames[0], whole.frames[-1]
    assert first.label == "untrained"
    assert last.label == f"A: {films[0].frames[-1].label}; B: {films[1].frames[-1].label}"
    for letter, film in zip("AB", films, strict=True):
        for key, picture in film.frames[-1].pictures.items():
            assert last.pictures[f"{letter}-{key}"] == picture
        assert first.pictures[f"{letter}-network"] == film.frames[0].pictures["network"]
    ends = [film.frames[-1].pictures["network"] for film in films]
    shown = [frame.pictures["A-network"] for frame in whole.frames]
    assert shown.index(ends[0]) < len(shown) - 1  # A ended earlier, and stays
    assert set(shown[shown.index(ends[0]) :]) == {ends[0]}


SPOILED = {
    "a script": lambda svg: svg.replace("</svg>", "<script>1</script></svg>"),
    "a handler": lambda svg: svg.replace("<svg ", '<svg onload="1" '),
    "a request": lambda svg: svg.replace("</svg>", '<image href="https://example.org/a.png"/></svg>'),
    "not whole": lambda svg: svg.replace("</g>", "").replace("<title>", ""),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_film_that_is_not_as_it_was_written_is_left_out(case, folders):
    page = folders[0] / REPORT
    text = page.read_text(encoding="utf-8")
    assert stored_film(page) is not None
    found = re.search(r'<div data-key="network">(<svg .*?</svg>)</div>', text, re.DOTALL)[1]
    page.write_text(text.replace(found, SPOILED[case](found)), encoding="utf-8")
    assert stored_film(page) is None
    runs = read(folders)
    assert in_step(runs) is None
    assert any(note.startswith("A has no film") for note in notes(runs))


def test_a_run_without_its_report_has_no_film(folders):
    (folders[1] / REPORT).unlink()
    assert cli.main(["overlay", *map(str, folders)]) == 0
    html = (folders[1] / "overlay.html").read_text(encoding="utf-8")
    assert "B has no film" in html
    assert 'id="film"' not in html


def test_two_runs_of_one_recipe_differ_in_nothing(filmless, capsys):
    shutil.copy(filmless[0] / RESULT, filmless[1] / RESULT)
    assert cli.main(["overlay", *map(str, filmless)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "differs nothing in the recipes"
    assert "the two runs were asked for the same" in (filmless[1] / "overlay.html").read_text(encoding="utf-8")


# Where in B's result, the value there, and what is said.
NOTES = {
    "other data": (("experiment", "name"), "circle", "The data differ (A of xor and B of circle)"),
    "other features": (("data", "features"), ["a", "b"], "The data differ"),
    "another seed": (("experiment", "seed"), 7, "part of what is seen is chance"),
    "another loss": (("experiment", "loss"), "MSELoss", "The losses are of two kinds"),
    "ended early": (("steps_planned",), 1000, "of 1,000 steps"),
}


@pytest.mark.parametrize("case", NOTES)
def test_what_has_to_be_known_is_said(case, filmless, capsys):
    path, value, words = NOTES[case]
    write(filmless[1], value, *path)
    assert cli.main(["overlay", *map(str, filmless)]) == 0
    assert words in " ".join(capsys.readouterr().out.split())
    assert words in (filmless[1] / "overlay.html").read_text(encoding="utf-8")


def test_numbers_that_are_none_are_shown_as_such(filmless):
    """A run that diverged: null in its result."""
    losses = result(filmless[1])["sides"]["scratch"]["losses"]
    write(filmless[1], [None] * len(losses), "sides", "scratch", "losses")
    record = {"epoch": 1, **dict.fromkeys(MEASURED)}
    write(filmless[1], [record], "sides", "scratch", "epochs")
    runs = read(filmless)
    assert curves(runs) == []
    assert np.isnan(runs[1].losses()).all()
    assert rows(runs)[0].cells[2] == "–"
    assert cli.main(["overlay", *map(str, filmless)]) == 0
    assert "Nothing to draw" in (filmless[1] / "overlay.html").read_text(encoding="utf-8")


def test_options_of_the_optimizer_are_compared_one_by_one(filmless):
    for folder, options_ in zip(filmless, ({"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}), strict=True):
        write(folder, options_, "experiment", "optimizer_options")
    found = [options(run.result) for run in read(filmless)]
    assert [one["momentum of the optimizer"] for one in found] == ["0.9", "0.5"]
    assert [one.get("nesterov of the optimizer") for one in found] == [None, "yes"]


REFUSED = {
    "no folder": (lambda b: shutil.rmtree(b), "cannot be read: No such file or directory"),
    "no result": (lambda b: (b / RESULT).unlink(), f"{RESULT} cannot be read: No such file or directory"),
    "no JSON": (lambda b: (b / RESULT).write_text("{"), "is no result of handgrad compare: it is not JSON"),
    "another file": (lambda b: (b / RESULT).write_text('{"a": 1}'), "it has no 'command'"),
    "no losses": (lambda b: write(b, {}, "sides", "scratch"), "sides.scratch has no 'seconds_per_step'"),
    "a word for a loss": (lambda b: write(b, ["much"], "sides", "torch", "losses"), "sides.torch.losses[0] must be"),
    "no step": (lambda b: write(b, [], "sides", "scratch", "losses"), "ended before its first step"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_laid_over_is_refused_in_one_line(case, filmless, tmp_path, capsys):
    spoil, words = REFUSED[case]
    spoil(filmless[1])
    assert cli.main(["overlay", *map(str, filmless), "--out", str(tmp_path / "over.html")]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err
    assert not (tmp_path / "over.html").exists()


@pytest.mark.parametrize("name", [RESULT, REPORT, "weights.safetensors"])
def test_no_run_is_overwritten(name, filmless, capsys):
    file = filmless[0] / name
    file.touch()
    before = file.read_bytes()
    assert cli.main(["overlay", *map(str, filmless), "--out", str(file)]) == 2
    assert capsys.readouterr().err.endswith(f"--out must be another file than those that are read; got {file}\n")
    assert file.read_bytes() == before


def test_one_run_twice_is_refused(folders, capsys):
    assert cli.main(["overlay", str(folders[0]), str(folders[0] / RESULT)]) == 2
    assert "are one run; give two" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_refused(filmless, capsys):
    assert cli.main(["overlay", *map(str, filmless), "--out", str(filmless[0])]) == 2
    assert "--out" in capsys.readouterr().err
