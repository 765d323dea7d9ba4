"""The measurement: every row on every side, in chunks that are written down, so that a run goes on where it stopped."""

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from functools import cache, partial
from hashlib import sha256
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from docs.writers.accuracy.measure import FORMATS, SIDES, Tally, all_of_16_bits, measured, sides, strided
from docs.writers.accuracy.truth import ROWS
from handgrad.files import write_text
from handgrad.training.parallel import run_all

CHUNK = 2**24
"""Numbers after which the tally is written down: about a second."""
BLOCK = 2**16
"""Numbers at a time: their arrays stay in the processor's cache."""
Task = tuple[str, str]
"""An op's row and a format."""


def tasks(rows: tuple[str, ...] = ()) -> list[Task]:
    """Every row in every format that some side has its op in."""
    wanted = [row for row in ROWS if not rows or row in rows]
    return [(row, form) for row in wanted for form in FORMATS if sides(ROWS[row], form)]


def measure(task: Task, every: int, folder: Path) -> dict[str, Any]:
    """One row in one format, on each side: of float32 every `every`th number and all of bfloat16, of a half format all.

    After each chunk what is known is written to a file in `folder`, which a later call reads, if it is of the same
    code: else it begins anew.
    """
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    row, form = ROWS[task[0]], task[1]
    path = place(task, folder)
    begun, known = 0, {side: {part: Tally() for part in ("value", "derivative")} for side in sides(row, form)}
    if path.exists() and (saved := json.loads(path.read_text(encoding="utf-8"))).get("of") == code():
        begun, known = saved["next"], each(read, saved["known"])
    for number, inputs in enumerate(chunks(form, every)):
        if number < begun:
            continue
        x = inputs()
        for start in range(0, x.size, BLOCK):
            for side, parts in measured(row, form, x[start : start + BLOCK]).items():
                for part, found in parts.items():
                    known[side][part].add(found)
        write_text(path, json.dumps({"of": code(), "next": number + 1, "known": each(asdict, known)}))
    return each(committed, known)


def each(function: Callable[[Any], Any], known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """`function` of value and derivative of every side."""
    return {side: {part: function(tally) for part, tally in parts.items()} for side, parts in known.items()}


def place(task: Task, folder: Path) -> Path:
    """Where a task writes down what it knows."""
    return folder / f"{', '.join(task)}.json"


@cache
def code() -> str:
    """What a measurement is of: the code that is measured and that measures, and the libraries' versions."""
    root = Path(__file__).parents[3]
    patterns = ("scratch/activations/*.py", "scratch/losses/*.py", "docs/writers/accuracy/[mrt]*.py")  # not the page
    files = sorted(path for pattern in patterns for path in root.glob(pattern))
    text = f"{CHUNK} {np.__version__} {torch.__version__}".encode() + b"".join(path.read_bytes() for path in files)
    return sha256(text).hexdigest()


def committed(tally: Tally) -> dict[str, Any]:
    """What the data keep: errors to three digits, and of the exponents those with more than half an ulp."""
    strips = {key: float(f"{error:.3g}") for key, error in sorted(tally.by_exponent.items()) if error > 0.5}
    rounded = {name: float(f"{getattr(tally, name):.3g}") for name in ("worst", "mean", "denormal")}
    counts = {name: getattr(tally, name) for name in ("inputs", "at", "lost", "missed", "missed_at")}
    return {**rounded, **counts, "by_exponent": strips}


def chunks(form: str, every: int) -> Iterator[Callable[[], npt.NDArray[np.float32]]]:
    """What makes the inputs of each chunk."""
    if form != "float32" or every > 1:
        yield partial(all_of_16_bits, "bfloat16" if form == "float32" else form)
    if form == "float32":
        width = CHUNK * every
        yield from (partial(strided, every, at, min(at + width, 2**32)) for at in range(0, 2**32, width))


def read(saved: dict[str, Any]) -> Tally:
    known = {f.name for f in fields(Tally)}
    tally = Tally(**{name: value for name, value in saved.items() if name in known})
    tally.by_exponent = {int(key): value for key, value in tally.by_exponent.items()}
    return tally


def run(every: int, folder: Path, rows: tuple[str, ...], workers: int) -> dict[str, Any]:
    """All tasks on `workers` processes; the result as it is committed."""
    todo, number = tasks(rows), count(1)
    results = run_all(
        partial(measure, every=every, folder=folder),
        todo,
        workers,
        lambda result: print(f"{next(number)} of {len(todo)}", file=sys.stderr, flush=True),
    )
    found: dict[str, dict[str, Any]] = {}
    for task, result in zip(todo, results, strict=True):
        found.setdefault(task[0], {}).update(result)
        place(task, folder).unlink()  # a second run measures again
    return {"machine": machine(), "every": every, "rows": found}


def machine() -> dict[str, str]:
    known = {"Python": platform.python_version(), "NumPy": np.__version__, "PyTorch": torch.__version__}
    if "JAX float32" in SIDES:
        known["JAX"] = version("jax")
    if torch.cuda.is_available():
        known["GPU"] = torch.cuda.get_device_name()
    return {"processor": processor(), "cores": str(os.cpu_count()), **known}


def processor() -> str:
    """The processor's name, with what decides which vector code runs."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in lines.items()}
    has = "AVX-512" if "avx512f" in named.get("flags", "") else "no AVX-512"
    return f"{named.get('model name', platform.machine())}, {has}"
