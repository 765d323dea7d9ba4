"""docs/accuracy.json: of each row what was measured last, over which share of the inputs and on which machine."""

import json
from pathlib import Path
from typing import Any

from docs.writers.accuracy import run
from handgrad.files import write_text

DATA = Path(__file__).parents[2] / "accuracy.json"


def data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return found


def merge(**new: Any) -> None:
    """Write the data with `rows` or `samples` put in the place of what was there; of rows `every` and `machine` too."""
    known = data()
    if "rows" in new:
        if new["machine"] not in known["machines"]:
            known["machines"].append(new["machine"])
        of = {"every": new["every"], "machine": known["machines"].index(new["machine"])}
        known["rows"] |= new["rows"]
        known["of"] |= dict.fromkeys(new["rows"], of)
        _forget(known)
    known |= {"samples": new["samples"]} if "samples" in new else {}
    write_text(DATA, json.dumps(known, separators=(",", ":")) + "\n")


def _forget(known: dict[str, Any]) -> None:
    """Drop machines of which no row is left."""
    used = sorted({of["machine"] for of in known["of"].values()})
    known["of"] = {name: of | {"machine": used.index(of["machine"])} for name, of in known["of"].items()}
    known["machines"] = [known["machines"][index] for index in used]


def finished(every: int, folder: Path) -> dict[str, Any]:
    """The rows that a stopped run has finished in every format, as `run.run` would return them."""
    rows: dict[str, dict[str, Any]] = {}
    todo = run.tasks()
    for name in dict.fromkeys(row for row, _ in todo):
        sides: dict[str, Any] = {}
        for task in (task for task in todo if task[0] == name):
            path = run.place(task, folder)
            saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            if saved.get("of") != run.code() or saved["next"] < len(list(run.chunks(task[1], every))):
                break
            sides |= run.each(lambda tally: run.committed(run.read(tally)), saved["known"])
        else:
            rows[name] = sides
    return {"machine": run.machine(), "every": every, "rows": rows}
