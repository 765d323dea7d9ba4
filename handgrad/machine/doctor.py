"""`handgrad doctor`: what this machine is, and what on it slows either side down. Nothing here is an error."""

import os
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from handgrad.machine.advice import advise
from handgrad.machine.facts import SECTIONS, Findings, meaning, section
from handgrad.machine.throughput import SHARE, measure
from handgrad.terminal import Terminal


def diagnose() -> Findings:
    """Look at this machine and measure it: about 5 seconds."""
    rates = measure()
    facts = {title: section(find) for title, find in SECTIONS.items()}
    return Findings({name: value for name, value in sorted(os.environ.items()) if meaning(name)}, facts, rates)


def to_json(found: Findings) -> dict[str, Any]:
    variables = {name: {"value": value, "meaning": meaning(name)} for name, value in found.variables.items()}
    return {**found.facts, "variables": variables, "rates": dict(found.rates), "advice": advise(found)}


def show(found: Findings, console: Terminal) -> None:
    """Everything on a page of the terminal's width, the advice last, where it is seen."""
    sections: dict[str, Mapping[str, Any]] = {
        **found.facts,
        "environment variables": {f"{name}={value}": meaning(name) for name, value in found.variables.items()},
        "measured on one thread": {name: _rate(name, rate) for name, rate in found.rates.items()},
    }
    for title, facts in sections.items():
        console.print(title, style="bold")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for name, value in facts.items():
            table.add_row(f"  {name}", str(value))
        console.print(table if facts else "  none")
    console.print("advice", style="bold")
    for line in advise(found) or ["nothing here slows either side down"]:
        table = Table(box=None, show_header=False, pad_edge=False, padding=0)
        table.add_row("  - ", line)
        console.print(table)


def _rate(name: str, rate: float) -> str:
    unit = "" if name == SHARE else " GFLOP/s" if "matrix product" in name else " · 10⁹ numbers/s"
    return f"{rate:.3g}{unit}"
