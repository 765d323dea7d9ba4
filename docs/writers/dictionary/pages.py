"""The pages as Markdown: text made of the source and of `measured.json`, and of nothing else."""

import inspect
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from docs.writers.accuracy.data import data
from docs.writers.accuracy.page import of_op
from handgrad.dictionary import FAMILIES, Entry, entries, facts
from handgrad.dictionary.source import ROOT, blocks

FOLDER = ROOT / "docs" / "dictionary"


def render(measured: dict[str, Any], pictures: frozenset[str]) -> dict[str, str]:
    """File name → text of every page and of the index; `pictures` are the ops that have a picture.

    KeyError for an op that was not measured or has no row in `samples.SAMPLES`.
    """
    environment = Environment(
        loader=PackageLoader("docs.writers.dictionary"), undefined=StrictUndefined, trim_blocks=False, autoescape=False
    )
    page, index = environment.get_template("op.md.j2"), environment.get_template("index.md.j2")
    accuracy = data()
    texts = {
        f"{entry.name}.md": page.render(_page(entry, measured, pictures) | {"accuracy": of_op(entry.name, accuracy)})
        for entry in entries()
    }
    families = {family: [entry for entry in entries() if entry.family == family] for family in FAMILIES}
    texts["README.md"] = index.render(
        families=families,
        anchors={family: _anchor(family) for family in families},
        formulas={entry.name: _cell(entry.formula) for entry in entries()},
    )
    return {name: re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n" for name, text in texts.items()}


def drawn(folder: Path = FOLDER) -> frozenset[str]:
    """The ops that have a picture."""
    return frozenset(path.stem for path in folder.glob("*.svg"))


def _page(entry: Entry, measured: dict[str, Any], pictures: frozenset[str]) -> dict[str, Any]:
    if entry.name not in measured:
        raise KeyError(f"{entry.name} was not measured; run: make dictionary")
    page = facts(entry, measured[entry.name])
    return {
        **page,
        "anchor": _anchor(entry.family),
        "doc": markdown(entry.doc),
        "proved": _escaped(page["proved"]),
        "mentioned": [(part.__name__, markdown(inspect.getdoc(part) or "")) for part in entry.mentioned()],
        "picture": entry.name in pictures,
    }


def _anchor(family: str) -> str:
    return family.lower().replace(" ", "-")


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def markdown(doc: str) -> str:
    """A docstring as Markdown: paragraphs in one line each, indented formulas as they are, which makes them code."""
    return "\n\n".join(block if block.startswith("    ") else _escaped(block) for block in blocks(doc))


def _escaped(text: str) -> str:
    """What Markdown would take for markup, outside of `code`: < and a single * or _ that opens nothing."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)
