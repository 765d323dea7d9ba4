"""The measured parts of docs/reliability.md, from docs/reliability.json: `make faults` measures and writes both.

`python -m docs.writers.reliability` writes the page alone, from the data.
"""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from textwrap import fill
from typing import Any

from handgrad.files import write_text
from handgrad.machine.environment import cpu_model, usable_cores

DOCS = Path(__file__).parent.parent
DATA, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"

PART = re.compile(r"(?<=<!-- measured: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def record(**measured: dict[str, Any]) -> None:
    """Put what was measured into the data, each part with its day and machine, and write the page anew."""
    data = _data()
    where = {"day": date.today().isoformat(), "machine": f"{cpu_model()}, {usable_cores()} cores"}
    data |= {name: {**where, **part} for name, part in measured.items()}
    write_text(DATA, json.dumps(dict(sorted(data.items())), indent=1) + "\n")
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), data))


def there(part: str) -> list[dict[str, Any]]:
    """The rows of a part that were measured before."""
    found: list[dict[str, Any]] = _data().get(part, {"rows": []})["rows"]
    return found


def _data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}
    return found


def page(text: str, data: dict[str, Any]) -> str:
    """The page with its measured parts written from `data`."""

    def written(found: re.Match[str]) -> str:
        name, rest = found[1], found[2]
        return f"{name}{rest}\n{PARTS[name](data[name])}\n\n" if name in data else found[0]

    return PART.sub(written, text)


def table(heads: list[str], rows: list[list[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def filled(text: str) -> str:
    return fill(text, 120, break_on_hyphens=False, break_long_words=False)


def kills(data: dict[str, Any]) -> str:
    heads = ["command", "signal", *data["groups"], "lost", "broken", "equal"]
    rows = []
    for row in data["rows"]:
        moments = [row["moments"].get(group, "–") for group in data["groups"]]
        equal = f"{row['equal']:,} of {sum(row['moments'].values()):,}"
        rows.append([f"`{row['command']}`", row["signal"], *moments, row["lost"], row["broken"], equal])
    total = sum(sum(row["moments"].values()) for row in data["rows"])
    seconds = sum(row["seconds"] for row in data["rows"])
    said = f"{total:,} moments, {seconds:,} s of the processor ({data['machine']}; {data['day']})."
    return f"{table(heads, rows)}\n\n{filled(said)}"


def calls(data: dict[str, Any]) -> str:
    rows = [[f"`{name}`", row["faults"], row["wrong"]] for name, row in data["rows"].items()]
    return table(["file", "calls that failed", "neither old nor new"], rows)


def growth(data: dict[str, Any]) -> str:
    heads = ["trained by", "steps", "blocks", "resident"]
    rows = [
        [f"`{name}`", f"{steps:,}", f"{blocks:,}", f"{size:.1f} MiB"]
        for name, marks in data["rows"].items()
        for steps, blocks, size in marks
    ]
    alone, compared = (f"{number:+.4f}" for number in data["added"].values())
    said = (
        f"A step of `Trainer` added {alone} blocks, one of `compare` {compared} beyond the {data['history']} of its "
        "history. "
        f"With result and report the process held {data['peak']:,.0f} MiB at most ({data['machine']}; {data['day']})."
    )
    return f"{table(heads, rows)}\n\n{filled(said)}"


def cost(data: dict[str, Any]) -> str:
    return filled(
        f"A checkpoint of `digits` ({data['parameters']:,} parameters on each side, {data['moments']} moments for the "
        f"report) has {data['bytes'] / 1e6:.1f} MB and takes {data['seconds'] * 1e3:.0f} ms of the processor: "
        f"{data['seconds'] / data['every']:.1%} of the {data['every']:.0f} seconds between two of them."
    )


PARTS: dict[str, Callable[[dict[str, Any]], str]] = {"kills": kills, "calls": calls, "growth": growth, "cost": cost}


if __name__ == "__main__":
    write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), _data()))
