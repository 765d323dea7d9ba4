"""Train a small net for many steps and look at what the process holds: nothing may be added with each step.

    python -m parity_tests.meta.growth       # minutes; writes its table into docs/reliability.md

`blocks` are Python's own (`sys.getallocatedblocks`): each object takes at least one, and counting them costs nothing.
What they do not show, such as torch's memory, the resident set does.
"""

import argparse
import contextlib
import gc
import io
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

import scratch
from docs.writers.reliability import record
from handgrad import cli
from handgrad.cli.compare import Follower
from handgrad.training.record import Run

SIZES, ROWS = (2, 5, 2), 10
HISTORY = 5
"""Numbers that a comparison keeps of each step, for its result and report: the losses of both sides, PyTorch's time,
how far the weights are apart, and how far those of the copy one ulp apart. A float takes one block."""

Row = tuple[int, int, float]
"""Steps, blocks, and MiB of the resident set."""


def held(step: int) -> Row:
    gc.collect()
    return step, sys.getallocatedblocks(), resident()


def resident() -> float:
    """MiB; NaN where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def alone(marks: list[int]) -> list[Row]:
    """Steps of a `Trainer` of scratch, one after the other on the same batch."""
    rng = np.random.default_rng(0)
    model = scratch.MLP(SIZES, rng=0)
    trainer = scratch.Trainer(model, scratch.CrossEntropyLoss(), scratch.Adam(model.parameters(), lr=1e-3))
    x, y = rng.standard_normal((ROWS, SIZES[0]), np.float32), rng.integers(0, SIZES[-1], ROWS)
    found: list[Row] = []
    for step in range(1, marks[-1] + 1):
        trainer.step(x, y)
        if step in marks:
            found.append(held(step))
    return found


EPOCH = 1000  # steps, in batches of one row


def comparison(marks: list[int]) -> list[Row]:
    """`handgrad compare circle`, the whole command, in batches of one row; the first step and the last are judged."""
    found: list[Row] = []
    shown = Follower.__call__

    def follow(self: Follower, run: Run) -> None:
        shown(self, run)
        if (step := len(run.divergence)) in marks:
            found.append(held(step))

    with tempfile.TemporaryDirectory() as out:
        recipe = {"hidden": 5, "batch-size": 1, "epochs": -(-marks[-1] // EPOCH), "judge-every": 10**9, "out": out}
        words = [word for name, value in recipe.items() for word in (f"--{name}", str(value))]
        with mock.patch.object(Follower, "__call__", follow), contextlib.redirect_stdout(io.StringIO()):
            assert cli.main(["compare", "circle", *words]) == 0
    return found


KINDS: dict[str, Callable[[list[int]], list[Row]]] = {"Trainer": alone, "compare": comparison}
STEPS = {"Trainer": 10**6, "compare": 300_000}
"""What takes a few minutes."""
KEPT = {"Trainer": 0, "compare": HISTORY}
"""Blocks that may be added with each step."""


def grown(name: str, rows: list[Row]) -> float:
    """Blocks added with each step between the first row and the last, beyond those that are kept on purpose.

    Below 1 nothing else is kept of each step.
    """
    (first, before, _), *_, (last, after, _) = rows
    return (after - before) / (last - first) - KEPT[name]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m parity_tests.meta.growth", description=__doc__)
    for name, steps in STEPS.items():
        parser.add_argument(f"--{name.lower()}", type=int, default=steps, metavar="STEPS", help=f"default {steps:,}")
    given = parser.parse_args()
    found, added = {}, {}
    for name, run in KINDS.items():
        start, steps = time.process_time(), getattr(given, name.lower())
        found[name] = run([*(10**power for power in range(3, 10) if 10**power < steps), steps])
        added[name] = grown(name, found[name])
        line = f"{name}: {added[name]:+.5f} blocks a step beyond the history, {time.process_time() - start:.0f} s"
        print(line, file=sys.stderr, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    record(growth={"rows": found, "added": added, "history": HISTORY, "peak": peak})
    return 0 if max(added.values()) < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
