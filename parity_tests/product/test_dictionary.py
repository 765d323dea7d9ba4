"""The dictionary in `docs/dictionary/` says what the source says: a page that is out of date fails here."""

import dataclasses
import re
from importlib import import_module

import pytest

import scratch
from docs.writers.dictionary import measure, pages, pictures
from handgrad import cli
from handgrad.dictionary import facts, find, measurements, samples, source
from handgrad.dictionary.source import entries, fingerprint

ENTRIES = {entry.name: entry for entry in entries()}
REFRESH = "run: make dictionary"
MEASURED = measurements()
DRAWN = pages.drawn()
LARGEST_PICTURE = 60_000  # bytes: a page has to open at once


def test_every_public_name_has_a_page_or_a_reason():
    public = {*scratch.__all__, *vars(scratch.init)}
    assert set(scratch.__all__) <= {*ENTRIES, *source.NOT_OPS}
    assert public >= {*ENTRIES, *source.NOT_OPS}, "a name in NOT_OPS that is not public"
    assert not set(ENTRIES) & set(source.NOT_OPS)


def test_every_op_has_a_row_and_every_row_an_op():
    assert {*samples.SAMPLES, *samples.PARTS} == set(ENTRIES)
    with pytest.raises(KeyError, match=r"the op Sinus has no row: add one to handgrad/catalogue"):
        samples.sample("Sinus")


def test_pages_are_what_the_source_gives():
    texts = pages.render(MEASURED, DRAWN)
    found = {path.name: path.read_text(encoding="utf-8") for path in pages.FOLDER.glob("*.md")}
    assert set(found) == set(texts), REFRESH
    stale = [name for name, text in texts.items() if found[name] != text]
    assert not stale, REFRESH


def test_numbers_and_pictures_are_of_the_code_that_is_there():
    assert set(MEASURED) == set(ENTRIES), REFRESH
    stale = [name for name, entry in ENTRIES.items() if MEASURED[name]["source"] != fingerprint(entry)]
    assert not stale, REFRESH
    assert set(ENTRIES) >= DRAWN
    for path in pages.FOLDER.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert len(text.encode()) < LARGEST_PICTURE
        assert "<dc:date>" not in text


def test_everything_measured_is_inside_of_its_bound():
    rows = [row for found in MEASURED.values() for row in found.get("errors", [])]
    assert {row["side"] for row in rows} == {"scratch", "torch"}
    assert all(0 <= row["most"] <= row["worst"] and 0 <= row["share"] <= 1 for row in rows)
    judged = {name for name, found in MEASURED.items() if "errors" in found}
    families = ("Activations", "Layers", "Losses", "Optimizers")
    assert judged >= {name for name, entry in ENTRIES.items() if entry.family in families}


def test_what_pytorch_lacks_is_said_of_nothing_else():
    for entry in ENTRIES.values():
        package = import_module(source.TORCH[entry.family])
        assert hasattr(package, entry.name) == bool(entry.torch), entry.name


@pytest.mark.parametrize(
    ("name", "op"),
    [
        *((entry, entry) for entry in ENTRIES),
        ("huber", "HuberLoss"),
        ("smooth_l1_loss", "SmoothL1Loss"),
        ("torch.nn.LeakyReLU", "LeakyReLU"),
        ("leaky-relu", "LeakyReLU"),
        ("kaiming_normal", "kaiming_normal_"),
        ("Linear", "Linear"),
        ("cosine_annealing", "CosineAnnealingLR"),
        ("batch_norm", "BatchNorm1d"),
    ],
)
def test_a_name_means_one_op(name, op):
    assert find(name).name == op


def test_the_terminal_shows_what_the_page_shows(capsys, monkeypatch):
    """The docstring's words, the code, and each number that was measured, cut nowhere in 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    listed = said(capsys, "explain").replace(",", "").split()
    assert set(ENTRIES) <= set(listed)
    for entry in {entry.family: entry for entry in ENTRIES.values()}.values():  # one of each family
        name = entry.name
        shown, page = said(capsys, "explain", name), facts(entry, MEASURED[name])
        assert all(code.text in shown for code in page["codes"])
        words = set(shown.split())
        helpers = {code.title for code in page["helpers"]}
        assert not {*entry.doc.split(), *helpers} - words, name
        numbers = [number for row in (*page["errors"], *page["draws"], *(page["points"] or [])) for number in row]
        assert not {word for number in numbers for word in str(number).split()} - words, name


def said(capsys, *words):
    assert cli.main(words) == 0
    return capsys.readouterr().out


def test_the_index_shows_the_gradient():
    """In ten seconds: formula and derivative on the line of the index, both methods on the page."""
    index = (pages.FOLDER / "README.md").read_text(encoding="utf-8")
    for name, words in {
        "HuberLoss": "∂value/∂x = d where",
        "MSELoss": "∂value/∂x = 2(x − t)",
        "GELU": "f′ = Φ(x) + x φ(x)",
        "LayerNorm": "(g_j − mean(g) − x̂_j mean(g x̂))/σ",
        "RMSNorm": "(g_j − x̂_j mean(g x̂))/r",
        "NAdam": "θ ← θ − lr·(",
    }.items():
        (line,) = (line for line in index.splitlines() if f"({name}.md)" in line)
        assert words in line
    for entry in ENTRIES.values():
        if entry.family in ("Activations", "Layers", "Losses"):
            assert {"forward", "backward"} <= {code.title.split(".")[1] for code in entry.code()}
        else:
            assert entry.code()


def test_a_changed_docstring_and_changed_code_are_noticed(monkeypatch):
    entry = ENTRIES["HuberLoss"]
    before, text = fingerprint(entry), pages.render(MEASURED, DRAWN)["HuberLoss.md"]
    monkeypatch.setattr(scratch.HuberLoss, "__doc__", "Something else.")
    assert pages.render(MEASURED, DRAWN)["HuberLoss.md"] != text
    assert fingerprint(entry) == before
    others = {fingerprint(dataclasses.replace(entry, op=op)) for op in (scratch.MSELoss, scratch.L1Loss)}
    assert len({before, *others}) == 3
    row = dataclasses.replace(samples.SAMPLES["HuberLoss"], arguments={"delta": 2.0})
    monkeypatch.setitem(samples.SAMPLES, "HuberLoss", row)
    assert fingerprint(entry) != before


def test_measuring_again_gives_the_same():
    """Of an op that rounds nothing, on any machine."""
    again = measure.measure(ENTRIES["Hardshrink"])
    assert {**MEASURED["Hardshrink"], **again, "on": ""} == {**MEASURED["Hardshrink"], "on": ""}
    assert len(again["errors"]) == 8


def test_what_is_outside_of_its_bound_is_not_written(monkeypatch):
    right = scratch.HuberLoss.backward
    monkeypatch.setattr(scratch.HuberLoss, "backward", lambda self, g=None: 2 * right(self, g))
    with pytest.raises(ArithmeticError, match="gradient of the loss is wrong"):
        measure.measure(ENTRIES["HuberLoss"])


def test_docstrings_become_markdown():
    doc = "y < x: one line\nof text, `a < b`.\n\n    z = x\n      + y\n\nMore."
    assert pages.markdown(doc) == "y &lt; x: one line of text, `a < b`.\n\n    z = x\n      + y\n\nMore."


def test_a_picture_has_the_same_bytes_every_time():
    first, second = (pictures.picture(ENTRIES["Hardshrink"]) for _ in range(2))
    assert first == second
    assert re.match("<svg", first)
