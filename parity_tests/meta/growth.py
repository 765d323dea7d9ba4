"""Train a small net for many steps and look at what the process holds: nothing may be added with each step.

    python -m parity_tests.meta.growth 1000000       # minutes; prints a table for docs/reliability.md

`blocks` are Python's own (`sys.getallocatedblocks`): each object takes at least one, and counting them costs nothing.
What they do not show, such as torch's memory, the resident set does.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

import scratch
from handgrad.experiments import EXPERIMENTS
from handgrad.training.train import prepare, train

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


def comparison(marks: list[int]) -> list[Row]:
    """`handgrad compare circle` in batches of one row, of which the first step and the last are judged."""
    circle = EXPERIMENTS["circle"]
    per_epoch = len(circle.data(0).x_train)
    epochs = -(-marks[-1] // per_epoch)
    recipe = replace(circle, hidden=(5,), batch_size=1, epochs=epochs, judge_every=10**9)
    found: list[Row] = []
    train(prepare(recipe), on_step=lambda run: found.append(held(n)) if (n := len(run.divergence)) in marks else None)
    return found


KINDS: dict[str, Callable[[list[int]], list[Row]]] = {"Trainer": alone, "compare": comparison}
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
    parser.add_argument("steps", type=int, nargs="?", default=10**6, help="at least 10,000 (default 1,000,000)")
    given = parser.parse_args()
    marks = [10**power for power in range(3, 10) if 10**power <= given.steps]
    worst = 0.0
    print("| trained by | steps | blocks | resident |", "|---|---|---|---|", sep="\n")
    for name, run in KINDS.items():
        start = time.process_time()
        rows = run(marks)
        for step, blocks, size in rows:
            print(f"| `{name}` | {step:,} | {blocks:,} | {size:.1f} MiB |", flush=True)
        print(
            f"{name}: {grown(name, rows):+.5f} blocks a step beyond the history, {time.process_time() - start:.0f} s",
            file=sys.stderr,
        )
        worst = max(worst, grown(name, rows))
    return 0 if worst < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
