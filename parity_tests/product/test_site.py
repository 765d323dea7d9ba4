"""The documentation site: no page is forgotten, links lead where they should, and what is wrong with a site is seen.

The site itself is built by `make docs`, which then opens every page; nothing here needs what that installs.
"""

import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import contract
import scratch
import torch_impl
from docs.writers.site import check, lessons, tree
from docs.writers.site.tree import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "parity_tests/README.md")),
    *(ROOT / "docs").rglob("*.md"),
]
SOURCES = cache(tree.tree)


def leaves(entries):
    """The pages of a navigation."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for under in entry.values():
                yield from leaves(under)


def test_the_navigation_lists_every_page_once():
    listed = list(leaves(tree.navigation()))
    assert len(listed) == len(set(listed)) > 150
    assert {tree.place(page) for page in PAGES} - set(listed) == set()
    assert set(listed) - set(SOURCES()) == set()


def test_the_settings_take_the_navigation_once():
    text = (Path(tree.__file__).parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.findall(r".*NAVIGATION.*", text) == ["nav: NAVIGATION"]


@pytest.mark.parametrize(
    ("page", "text", "there"),
    [
        ("README.md", "[a](docs/judging.md#half-precision)", "[a](docs/judging.md#half-precision)"),
        ("README.md", "[a](docs/README.md)", "[a](docs/index.md)"),
        ("docs/lessons.md", "[a](../README.md)", "[a](../index.md)"),
        ("docs/dictionary/Linear.md", "[a](README.md#layers)", "[a](index.md#layers)"),
        (
            "docs/dictionary/Linear.md",
            "[`f`](../../scratch/layers/linear.py)",
            "[`f`](../../scratch/layers/linear.py.md)",
        ),
        ("README.md", "[a](scratch/layers)", "[a](scratch/layers/index.md)"),
        ("README.md", "[a](benchmarks/results)", "[a](benchmarks/results/index.md)"),
        ("CONTRIBUTING.md", "[a](.ci/run)", "[a](ci/run.md)"),
        ("docs/accuracy.md", "[a](accuracy.json) ![b](pictures/accuracy.svg)", None),
        ("README.md", '<source srcset="docs/pictures/moons-net.svg"> <img src="docs/pictures/report.png">', None),
        ("README.md", "[a](https://example.org/x) [b](#here) [c](mailto:a@example.org)", None),
    ],
)
def test_where_a_link_leads(page, text, there):
    assert tree.led(text, ROOT / page)[0] == (there or text)


def test_a_link_to_nothing_is_refused():
    with pytest.raises(ValueError, match=re.escape("docs/judging.md: the link ../scratch/layer.py leads to nothing")):
        tree.led("[a](../scratch/layer.py)", ROOT / "docs" / "judging.md")


def test_every_file_that_is_linked_to_has_a_page():
    sources = SOURCES()
    for name, content in sources.items():
        if isinstance(content, str):
            for link in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", re.sub(r"(?s)(`{3,}).*?\1", "", content)):
                assert (Path("/", name).parent / link).resolve().relative_to("/").as_posix() in sources, (name, link)


def test_a_file_is_shown_whole():
    text = SOURCES()["scratch/layers/linear.py.md"]
    assert (ROOT / "scratch" / "layers" / "linear.py").read_text(encoding="utf-8").rstrip() in text
    assert tree.fenced("a ```` b", "python") == "`````python\na ```` b\n`````\n"


def test_the_reference_has_every_public_name():
    """Each page names modules; a public name is documented where it is defined."""
    named = set(re.findall(r"^::: (\S+)$", "\n".join(tree.reference().values()), re.MULTILINE))
    for package in (scratch, torch_impl, contract):
        objects = [getattr(package, name) for name in package.__all__]
        assert {o.__module__ for o in objects if getattr(o, "__module__", "").startswith(package.__name__)} <= named
    imported = re.findall(
        r"from (handgrad\S*|scratch\S*) import (\w+(?:, \w+)*)", "\n".join(page.read_text("utf-8") for page in PAGES)
    )
    assert len(imported) > 20
    for module, names in imported:
        for name in names.split(", "):
            defined = getattr(getattr(__import__(module, fromlist=[name]), name), "__module__", module)
            assert {module, f"{module}.{name}", defined, f"{defined}.{name}"} & named, (module, name)


GOOD = (
    '<html><h1 id="top">a</h1><a href="b/c.html#part">b</a><a href="https://example.org">c</a><img src="p.svg"></html>'
)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('<a href="missing.html">a</a>', "index.html: missing.html leads to nothing"),
        ('<a href="../outside.html">a</a>', "index.html: ../outside.html leads to nothing"),
        ('<a href="b/c.html#gone">a</a>', "index.html: b/c.html#gone: the page has no such part"),
        ('<a href="#gone">a</a>', "index.html: #gone: the page has no such part"),
        ('<a href="/b/c.html">a</a>', "index.html: /b/c.html is there on a server only"),
        ('<a href="b">a</a>', "index.html: b leads to nothing"),
        ('<img src="https://example.org/a.png">', "index.html: loads https://example.org/a.png from elsewhere"),
        ('<img srcset="p.svg 1x, //example.org/a.png 2x">', "index.html: loads //example.org/a.png from elsewhere"),
        ('<script src="http://example.org/a.js"></script>', "index.html: loads http://example.org/a.js from elsewhere"),
        ('<link rel="stylesheet" href="https://example.org/a.css">', "loads https://example.org/a.css from elsewhere"),
        ("<style>p { background: url(https://example.org/a.png) }</style>", "loads https://example.org/a.png"),
        ('<p style="background: url(gone.png)">a</p>', "index.html: gone.png leads to nothing"),
    ],
)
def test_what_is_wrong_with_a_site_is_seen(tmp_path, wrong, said):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c.html").write_text('<p id="part">c</p><a href="../index.html#top">back</a>', encoding="utf-8")
    (tmp_path / "p.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "index.html").write_text(GOOD, encoding="utf-8")
    assert check.faults(tmp_path) == []
    (tmp_path / "index.html").write_text(GOOD + wrong, encoding="utf-8")
    (found,) = check.faults(tmp_path)
    assert said in found
    if "<style>" in wrong:
        (tmp_path / "index.html").write_text(GOOD, encoding="utf-8")
        (tmp_path / "a.css").write_text(wrong, encoding="utf-8")
        assert said in check.faults(tmp_path)[0]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["scratch.clip.clip_grad_norm_", "handgrad.check_gradients"], []),
        (["scratch.clip", "handgrad.check_gradients"], ["scratch.clip"]),  # of a module its name alone is not enough
        (["scratch.clip.clip_grad_norm_"], ["handgrad.check_gradients"]),
    ],
)
def test_a_reference_that_says_nothing_is_seen(tmp_path, names, missing):
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "a.html").write_text("".join(f'<p id="{name}">a</p>' for name in names), encoding="utf-8")
    reference = {"a": "# a\n\n::: scratch.clip\n    options: {}\n\n::: handgrad.check_gradients\n"}
    assert check.undocumented(tmp_path, reference) == [f"api/a.html: nothing of {name}" for name in missing]


def test_a_lessons_cells_and_what_of_an_output_stands_still():
    source = (ROOT / "lessons" / "lesson_000_one_layer.py").read_text(encoding="utf-8")
    codes = list(lessons.cells(source))
    assert len(codes) == source.count("@app.cell") > 20
    assert codes[0].startswith("import marimo as mo\n")
    assert not any(line.startswith("return") for code in codes for line in code.splitlines())
    slider = (
        "<marimo-ui-element object-id='a' random-id='b'><marimo-slider data-initial-value='1' "
        "data-label='&quot;&lt;b&gt;width&lt;/b&gt;&quot;' data-steps='[1,16]'></marimo-slider></marimo-ui-element>"
    )
    editor = (
        "<marimo-ui-element object-id='a' random-id='b'><marimo-code-editor data-initial-value='&quot;a &lt; b&quot;' "
        "data-label='null'></marimo-code-editor></marimo-ui-element>"
    )
    text = lessons.still(SimpleNamespace(text=f"<div>{slider}{editor}</div>"))
    assert "marimo" not in text
    assert '<span class="control">width <b>16</b></span>' in text
    assert "<pre><code>a &lt; b</code></pre>" in text
