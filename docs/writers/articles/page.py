"""The page: text made of the boxes and of `sources.json`, and of nothing else."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from docs.writers.articles.box import Box
from docs.writers.articles.table import BOXES, LESSONS, TITLES
from handgrad.experiments import EXPERIMENTS
from handgrad.training.sides import SIDES

DOCS = Path(__file__).parents[2]
PAGE, VALUES = "sources.md", "sources.json"
COMMANDS = ("handgrad ", "python ", "torchrun ")


def load(folder: Path = DOCS) -> dict[str, Any]:
    """What was measured: {"boxes": …, "experiments": …}; nothing where there is no file yet."""
    path = folder / VALUES
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {"boxes": {}, "experiments": {}, "on": "", **found}


def render(values: dict[str, Any]) -> str:
    """The whole page. KeyError for a box or an experiment that was not measured."""
    environment = Environment(
        loader=PackageLoader("docs.writers.articles"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    sources = [
        {
            "number": number,
            "title": TITLES[number],
            "lesson": LESSONS.get(number),
            "rows": [row(number, name, box, values) for name, box in boxes.items()],
        }
        for number, boxes in BOXES.items()
    ]
    everything = [box for boxes in BOXES.values() for box in boxes.values()]
    nothing = [box for box in everything if not done(box)]
    return environment.get_template("sources.md.j2").render(
        sources=sources,
        boxes=len(everything),
        undone=len(nothing),
        experiments=len(values["experiments"]),
        on=values["on"],
    )


def done(box: Box) -> bool:
    """Whether there is anything of it to measure; else it says why not."""
    return box.measure is not None or bool(box.experiments)


def row(number: str, name: str, box: Box, values: dict[str, Any]) -> dict[str, Any]:
    """The cells of one box. A cell of several experiments has a line for each."""
    cells: dict[str, list[str]] = {side: [] for side in SIDES}
    printed, band = [box.printed] * bool(box.printed), [box.band] * bool(box.band)
    if box.measure is not None:
        for side, text in values["boxes"][f"{number}/{name}"].items():
            cells[side].append(text)
    for experiment in box.experiments:
        found, label = values["experiments"][experiment], f"{experiment}: " if len(box.experiments) > 1 else ""
        for side in SIDES:
            cells[side].append(label + reached(found["metric"], found["reached"][side]))
        if not box.printed:
            printed.append(label + EXPERIMENTS[experiment].printed)
        band.append(label + EXPERIMENTS[experiment].band)
    if len({p.partition(": ")[2] for p in printed}) == 1 and len(printed) > 1:
        printed = [printed[0].partition(": ")[2]]
    return {
        "done": done(box),
        "mark": "✓" if done(box) else "–",
        "trap": box.trap,
        "shows": _cell(box.shows),
        "reason": _cell(box.cannot),
        "printed": _lines(printed),
        "band": _lines(band),
        "sides": [_lines(cells[side]) for side in SIDES],
        "differs": _cell(box.differs),
        "see": "<br>".join(_see(text) for text in box.see),
    }


def reached(metric: str, value: float) -> str:
    return f"{metric.replace('_', ' ')} {value:.4g}"


def _lines(texts: list[str]) -> str:
    return "<br>".join(_cell(text) for text in texts)


def _cell(text: str) -> str:
    """Text that Markdown takes for text, also inside of a table."""
    parts = text.split("`")
    for i in range(0, len(parts), 2):  # outside of `code`
        for character in "\\*_[]":
            parts[i] = parts[i].replace(character, f"\\{character}")
        parts[i] = parts[i].replace("<", "&lt;")
    return "`".join(parts).replace("|", "\\|").replace("\n", " ")


def _see(text: str) -> str:
    if text.startswith(COMMANDS):
        return f"`{text}`"
    return f"[{Path(text).name}]({text})"
