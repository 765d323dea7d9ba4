"""What the README and the docs say is run: every example prints what stands there, every link leads somewhere."""

import doctest
import pathlib
import re

import pytest

import scratch

ROOT = pathlib.Path(scratch.__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "parity_tests" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples(page):
    failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_readme_has_an_example():
    assert len(doctest.DocTestParser().get_examples((ROOT / "README.md").read_text(encoding="utf-8"))) > 5


def test_the_readmes_first_test_fails_as_it_says():
    """Its numbers are one machine's; what is said of them is every machine's."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    source = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    printed = [line.removeprefix("E       ") for line in re.findall(r"^E  .*", text, re.MULTILINE)]
    space = {}
    exec(source, space)
    with pytest.raises(AssertionError) as caught:
        space["test_silu"]()
    lines = f"AssertionError: {caught.value}".splitlines()
    for name in ("AssertionError", "  index", "  pattern", "  see it again"):
        assert [line for line in lines if line.startswith(name)] == [line for line in printed if line.startswith(name)]
    assert [line.split("  ")[1] for line in printed[1:-1]] == [
        line.split("  ")[1] for line in lines[1 : len(printed) - 1]
    ]


def test_the_index_lists_every_page():
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {page for page in pages if f"({page})" not in index} == set()
