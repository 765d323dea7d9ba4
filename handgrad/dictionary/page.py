"""What a page says, whoever shows it, and which page a name means."""

import difflib
import json
from pathlib import Path
from typing import Any

from contract.names import SIDES
from handgrad.catalogue.row import KINDS
from handgrad.dictionary.samples import PARTS, sample
from handgrad.dictionary.source import Entry, entries

MEASURED = Path(__file__).parent / "measured.json"
ENDINGS = ("", "Loss", "LR", "1d")
"""What may be left out of a name: Huber is HuberLoss, and StepLR's first word is enough."""
NEAR = 3  # names that are offered for one that means nothing


def measurements(path: Path = MEASURED) -> dict[str, Any]:
    """What was measured, by the name of the op; nothing where there is no file yet."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def find(name: str) -> Entry:
    """The op that a name means: HuberLoss, huber, smooth_l1_loss, torch.nn.ReLU. ValueError with near names."""
    known = {_bare(entry.name): entry for entry in entries()}
    bare = _bare(name)
    for ending in ENDINGS:
        if entry := known.get(bare + ending.lower()):
            return entry
    close = difflib.get_close_matches(bare, known, n=NEAR, cutoff=0.6)
    near = [known[key].name for key in close] or [entry.name for key, entry in known.items() if bare and bare in key]
    hint = f"did you mean {' or '.join(near[:NEAR])}?" if near else "`handgrad explain` lists them"
    raise ValueError(f"OP must be one of the dictionary's {len(known)} names; got {name!r:.100} ({hint})")


def _bare(name: str) -> str:
    return name.rpartition(".")[2].replace("_", "").replace("-", "").lower()


def facts(entry: Entry, own: dict[str, Any]) -> dict[str, Any]:
    """The parts of a page, ready to be laid out; `own` is what was measured of the op."""
    row = sample(entry.name)
    return {
        "entry": entry,
        "codes": [*entry.code(), *entry.functions()],
        "helpers": entry.helpers(),
        "proved": "; ".join(f"{name} for {', '.join(on)}" if on else name for name, on in own["proved"].items()),
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
