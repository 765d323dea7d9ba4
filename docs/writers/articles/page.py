"""The page: text made of the claims and of `sources.json`, and of nothing else."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from docs.writers.articles.claim import Claim
from docs.writers.articles.table import CLAIMS, LESSONS, TITLES
from handgrad.experiments import EXPERIMENTS
from handgrad.training.sides import SIDES

DOCS = Path(__file__).parents[2]
PAGE, VALUES = "sources.md", "sources.json"
COMMANDS = ("handgrad ", "python ", "torchrun ")


def load(folder: Path = DOCS) -> dict[str, Any]:
    """What was measured: {"claims": …, "experiments": …}; nothing where there is no file yet."""
    path = folder / VALUES
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {"claims": {}, "experiments": {}, "on": "", **found}


def render(values: dict[str, Any]) -> str:
    """The whole page. KeyError for a claim or an experiment that was not measured."""
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
            "rows": [row(number, name, claim, values) for name, claim in claims.items()],
        }
        for number, claims in CLAIMS.items()
    ]
    everything = [claim for claims in CLAIMS.values() for claim in claims.values()]
    nothing = [claim for claim in everything if not done(claim)]
    return environment.get_template("sources.md.j2").render(
        sources=sources,
        claims=len(everything),
        undone=len(nothing),
        experiments=len(values["experiments"]),
        on=values["on"],
    )


def done(claim: Claim) -> bool:
    """Whether there is anything of it to measure; else it says why not."""
    return claim.measure is not None or bool(claim.experiments)


def row(number: str, name: str, claim: Claim, values: dict[str, Any]) -> dict[str, Any]:
    """The cells of one claim. A cell of several experiments has a line for each."""
    cells: dict[str, list[str]] = {side: [] for side in SIDES}
    printed, band = [claim.printed] * bool(claim.printed), [claim.band] * bool(claim.band)
    if claim.measure is not None:
        for side, text in values["claims"][f"{number}/{name}"].items():
            cells[side].append(text)
    for experiment in claim.experiments:
        found, label = values["experiments"][experiment], f"{experiment}: " if len(claim.experiments) > 1 else ""
        for side in SIDES:
            cells[side].append(label + reached(found["metric"], found["reached"][side]))
        if not claim.printed:
            printed.append(label + EXPERIMENTS[experiment].printed)
        band.append(label + EXPERIMENTS[experiment].band)
    if len({p.partition(": ")[2] for p in printed}) == 1 and len(printed) > 1:
        printed = [printed[0].partition(": ")[2]]
    return {
        "done": done(claim),
        "mark": "✓" if done(claim) else "–",
        "trap": claim.trap,
        "shows": _cell(claim.shows),
        "reason": _cell(claim.cannot),
        "printed": _lines(printed),
        "band": _lines(band),
        "sides": [_lines(cells[side]) for side in SIDES],
        "differs": _cell(claim.differs),
        "see": "<br>".join(_see(text) for text in claim.see),
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
