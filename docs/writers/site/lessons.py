"""A lesson as a page: its notebook run afresh, with every output and, to be opened, the code that made it."""

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from html import escape, unescape
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from docs.writers.site.tree import ROOT, fenced

CONTROL = re.compile(r"<marimo-ui-element.*?</marimo-ui-element>", re.DOTALL)


def page(path: Path) -> str:
    """The lesson at `path` as Markdown, its sliders as they come. ImportError without marimo."""
    import marimo

    sys.path.insert(0, str(path.parent))
    outputs, _ = importlib.import_module(path.stem).app.run()
    kind: Any = type(marimo.md(""))  # it has no public name
    parts = [
        output._repr_markdown_() if isinstance(output, kind) else f"{still(output)}\n\n{opened(code)}"
        for code, output in zip(cells(path.read_text(encoding="utf-8")), outputs, strict=True)
    ]
    head = next(part for part in parts if part.startswith("# "))  # what it imports may come before
    parts.remove(head)
    title, text = head.split("\n", 1)
    note = f'!!! note ""\n    Sliders and editors move in the notebook: `marimo run {path.relative_to(ROOT)}`.'
    return "\n\n".join([title, note, text, *parts])


def cells(source: str) -> Iterator[str]:
    """The code of every cell, without the names that it returns."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and any("app.cell" in ast.unparse(by) for by in node.decorator_list):
            body = [part for part in node.body if not isinstance(part, ast.Return)]
            yield dedent("\n".join(lines[body[0].lineno - 1 : body[-1].end_lineno])) if body else ""


def opened(code: str) -> str:
    """Code to be opened; nothing of a cell that shows its code itself."""
    return "" if "mo.show_code" in code else f'??? quote "Code"\n\n{indent(fenced(code, "python"), "    ")}'


def still(output: Any) -> str:
    """An output as HTML that needs no script: of a slider, a choice or an editor its label and its value."""
    return "" if output is None else f'<div class="output">\n{CONTROL.sub(_value, output.text)}\n</div>'


def _value(control: re.Match[str]) -> str:
    def given(name: str) -> Any:
        found = re.search(f"data-{name}='(.*?)'", control[0], re.DOTALL)
        return json.loads(unescape(found[1])) if found else None

    label, value, steps = re.sub("<.*?>", "", given("label") or ""), given("initial-value"), given("steps")
    if "<marimo-code-editor" in control[0]:
        return f"<p>{label}</p><pre><code>{escape(value)}</code></pre>"
    if steps:
        value = steps[value]
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return f'<span class="control">{label} <b>{escape(text)}</b></span>'
