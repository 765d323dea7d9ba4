"""Taking samples: blocks of work in turn, so that what slows the machine slows everyone."""

import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.machine import NotAsAskedError, Probe, assert_threads, cores_used

SETTLE = 0.03
"""Seconds of rest after work whose threads keep a core busy once it has returned."""

PREEMPTED = 1.05
"""A block is dirty too if it lasted this much longer than the process had a processor."""


MOST = 2
"""Rounds at most, as a multiple of those wanted: on a busy machine most blocks are dirty, however many there are."""


@dataclass(frozen=True)
class Budget:
    """How long to measure: seconds per block, rounds, and seconds for all rounds together."""

    block: float
    rounds: int  # with a clean block of everyone
    seconds: float
    fewest: int = 7  # rounds, however long they take: an interval needs 6 clean ones

    def __str__(self) -> str:
        return f"blocks of {1000 * self.block:g} ms, {self.rounds} clean rounds or {self.seconds:g} s"


QUICK = Budget(block=0.005, rounds=12, seconds=1)
FULL = Budget(block=0.01, rounds=20, seconds=4)


Work = Callable[[], Any]
"""Something to be timed: does it once, and returns when it is done."""


@dataclass
class Timed:
    """The samples of one row, by name: seconds per call and round, negative where the block was dirty."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)  # in a block
    cores: dict[str, float] = field(default_factory=dict)  # that computed
    dirty: int = 0
    blocks: int = 0

    def row(self) -> dict[str, Any]:
        return {
            "seconds": {name: [[float(f"{s:.4g}") for s in samples]] for name, samples in self.seconds.items()},
            "calls": self.calls,
            "cores": {name: round(count, 2) for name, count in self.cores.items()},
            "dirty": self.dirty,
            "blocks": self.blocks,
        }


@contextmanager
def no_collection() -> Iterator[None]:
    """The garbage collector is run, then off, then as it was."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def measure(works: Mapping[str, Work], budget: Budget, probe: Probe, threads: int = 1) -> Timed:
    """Blocks of all works, round by round, each round beginning with another; warm-up before, and not among them.

    Stops when everyone has `budget.rounds` clean blocks, or the time is up and there are `budget.fewest` rounds.
    Raises NotAsAskedError where more cores compute than there are threads asked for.
    """
    assert_threads(threads)
    timed = Timed({name: [] for name in works})
    with no_collection():
        for name, work in works.items():
            timed.cores[name] = cores = cores_used(work)
            if cores > threads + 0.1:
                raise NotAsAskedError(
                    f"{threads} core{'s' * (threads != 1)} should compute, but {name} used {cores:.1f}"
                )
            timed.calls[name] = max(1, math.ceil(budget.block / _seconds_of_one(work)))
        names, restless = list(works), {name for name, work in works.items() if _spins(work)}
        start = time.perf_counter()
        for number in itertools.count():
            clean = min(sum(s > 0 for s in samples) for samples in timed.seconds.values())
            late = number >= budget.fewest and time.perf_counter() - start > budget.seconds
            if clean >= budget.rounds or late or number >= MOST * budget.rounds:
                break
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                sample, dirty = _block(works[name], timed.calls[name], probe)
                timed.seconds[name].append(-sample if dirty else sample)
                timed.dirty += dirty
                timed.blocks += 1
                time.sleep(SETTLE if name in restless else 0)
    return timed


def _spins(work: Work) -> bool:
    """Whether something of it still computes when it has returned, as threads do that wait for more."""
    work()
    before = time.process_time()
    time.sleep(SETTLE)
    return time.process_time() - before > SETTLE / 10


def _seconds_of_one(call: Work) -> float:
    """A rough time of one call, after it has been warmed up."""
    calls, seconds = 1, 0.0
    while seconds < 0.001:
        calls *= 2
        start = time.perf_counter()
        for _ in range(calls // 2):
            call()
        seconds = time.perf_counter() - start
    return seconds / (calls // 2)


def _block(call: Work, calls: int, probe: Probe) -> tuple[float, bool]:
    """Seconds per call, and whether something disturbed the block."""
    dirty = probe.disturbed()
    processor, start = time.process_time(), time.perf_counter()
    for _ in range(calls):
        call()
    seconds = time.perf_counter() - start
    dirty |= seconds > PREEMPTED * (time.process_time() - processor) + 2e-4
    return seconds / calls, dirty | probe.disturbed()
