"""`handgrad bench`: every net of the table, printed as it is measured, and kept in a file with its samples."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.step import NETS, ParityError, time_step
from handgrad.environment import environment
from handgrad.files import write_text


def run_benchmark(path: Path) -> int:
    """Time all nets, print a table, write `path` after each of them. Returns 1 where the judge refused a side."""
    console = Console(highlight=False)
    timings = []
    for net in NETS:
        with console.status(f"judging and timing {net.name}"):
            try:
                timings.append(time_step(net))
            except ParityError as error:
                console.print(str(error), markup=False, soft_wrap=True)
                return 1
        found = {"environment": environment("cpu", "float32"), "timings": [asdict(timing) for timing in timings]}
        write_text(path, json.dumps(found, indent=1) + "\n")
    table = Table(header_style="bold", title="one training step, float32, SGD, one thread")
    for heading in ("net", "NumPy", "PyTorch", "PyTorch / NumPy", "faster"):
        table.add_column(heading, justify="left" if heading == "net" else "right", overflow="fold")
    for t in timings:
        sure = t.low > 1 or t.high < 1
        faster = ("NumPy" if t.ratio > 1 else "PyTorch") if sure else "no telling"
        ratio = f"{t.ratio:.2f} ({t.low:.2f} to {t.high:.2f})"
        table.add_row(t.net.name, _micro(t.scratch_seconds), _micro(t.torch_seconds), ratio, faster)
    console.print(table)
    console.print(f"result  {path}", markup=False, soft_wrap=True)
    return 0


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:,.1f} µs"
