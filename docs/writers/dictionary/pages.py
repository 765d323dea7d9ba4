"""The pages: text made of the source and of `measured.json`, and of nothing else."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from contract.names import SIDES
from docs.writers.dictionary.samples import PARTS, sample
from docs.writers.dictionary.source import FAMILIES, ROOT, Entry, entries
from handgrad.catalogue.row import KINDS

FOLDER = ROOT / "docs" / "dictionary"
MEASURED = "measured.json"


def render(measured: dict[str, Any], pictures: frozenset[str]) -> dict[str, str]:
    """File name → text of every page and of the index; `pictures` are the ops that have a picture.

    KeyError for an op that was not measured or has no row in `samples.SAMPLES`.
    """
    environment = Environment(
        loader=PackageLoader("docs.writers.dictionary"), undefined=StrictUndefined, trim_blocks=False, autoescape=False
    )
    page, index = environment.get_template("op.md.j2"), environment.get_template("index.md.j2")
    texts = {f"{entry.name}.md": page.render(_page(entry, measured, pictures)) for entry in entries()}
    families = {family: [entry for entry in entries() if entry.family == family] for family in FAMILIES}
    texts["README.md"] = index.render(
        families=families,
        anchors={family: _anchor(family) for family in families},
        formulas={entry.name: _cell(entry.formula) for entry in entries()},
    )
    return {name: re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n" for name, text in texts.items()}


def load(folder: Path = FOLDER) -> dict[str, Any]:
    """What was measured, by the name of the op; nothing where there is no file yet."""
    path = folder / MEASURED
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def drawn(folder: Path = FOLDER) -> frozenset[str]:
    """The ops that have a picture."""
    return frozenset(path.stem for path in folder.glob("*.svg"))


def _page(entry: Entry, measured: dict[str, Any], pictures: frozenset[str]) -> dict[str, Any]:
    if entry.name not in measured:
        raise KeyError(f"{entry.name} was not measured; run: make dictionary")
    own, row = measured[entry.name], sample(entry.name)
    return {
        "entry": entry,
        "anchor": _anchor(entry.family),
        "doc": markdown(entry.doc),
        "mentioned": [(part.__name__, markdown(inspect.getdoc(part) or "")) for part in entry.mentioned()],
        "codes": [*entry.code(), *entry.functions()],
        "helpers": entry.helpers(),
        "picture": entry.name in pictures,
        "points": own.get("points"),
        "loss": entry.family == "Losses",
        "errors": _errors(own.get("errors", [])),
        "inputs": _inputs(entry),
        "rates": own.get("rates"),
        "arguments": ", ".join(f"{name}={_plain(value)}" for name, value in row.arguments.items()),
        "draws": [
            [SIDES[side], *(f"{value:.3g}" for value in values)] for side, values in own.get("draws", {}).items()
        ],
        "machine": own["on"],
    }


def _errors(rows: list[dict[str, Any]]) -> list[list[str]]:
    """One line for each tensor and dtype, both sides beside each other."""
    lines: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        line = lines.setdefault((row["tensor"], row["dtype"]), [])
        line += [f"{row[number]:.3g}" for number in ("most", "worst", "share")]
    return [[*key, *line] for key, line in lines.items()]


def _inputs(entry: Entry) -> str:
    """What the arrays of the sample are, in words."""
    row = sample(entry.name)
    arguments = ", ".join(f"{name}={_plain(value)}" for name, value in row.arguments.items())
    call = f"`{entry.name}({arguments})`"
    if entry.family == "Optimizers":
        return f"60 steps of {call} down ½(x² + 16y²) from (−2, 0.8), each judged from the state before it"
    if entry.family == "Clipping":
        return f"gradients of four sizes, {call}"
    shape = " × ".join(map(str, row.shape))
    call = f"`{entry.name}({', '.join(PARTS[entry.name])})`" if entry.name in PARTS else call
    return f"{call} of {shape}, {'; '.join(KINDS[kind] for kind in row.inputs)}"


def _plain(value: Any) -> str:
    return "…" if callable(value) else repr(value)


def _anchor(family: str) -> str:
    return family.lower().replace(" ", "-")


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def markdown(doc: str) -> str:
    """A docstring as Markdown: paragraphs in one line each, indented formulas as they are, which makes them code."""
    blocks = []
    for block in re.split(r"\n\s*\n", doc.strip("\n")):
        lines = block.split("\n")
        if all(line.startswith("    ") for line in lines):
            blocks.append(block)
        else:
            blocks.append(_escaped(" ".join(line.strip() for line in lines)))
    return "\n\n".join(blocks)


def _escaped(text: str) -> str:
    """What Markdown would take for markup, outside of `code`: < and a single * or _ that opens nothing."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)
