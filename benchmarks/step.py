"""A full training step (zero_grad, forward, loss, backward, optimizer) of both sides, as a ratio.

Both sides are timed in one process, in turn, on one thread, with the garbage collector off: a machine that slows down
slows both. A sample is the time of a block of steps long enough for the clock; the number reported is the median of the
ratios of neighbouring blocks, with its 95 % interval. Absolute times are printed to be compared inside a row only.
"""

import gc
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import scratch
import torch_impl
from handgrad.judge import StepJudge

BLOCK_SECONDS = 0.02
BLOCKS = 40
WARM_UP_STEPS = 20


@dataclass(frozen=True)
class Net:
    """A configuration to time: softmax cross-entropy over `sizes`, SGD, float32."""

    sizes: tuple[int, ...]
    batch: int

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch}"


NETS = (
    Net((2, 5, 2), 100),
    Net((64, 32, 10), 32),
    Net((784, 128, 10), 32),
    Net((784, 256, 128, 10), 128),
    Net((784, 512, 512, 10), 256),
)


@dataclass(frozen=True)
class Timing:
    """Seconds per step of each side, and torch's time over NumPy's: above 1, NumPy is the faster."""

    net: Net
    scratch_seconds: float
    torch_seconds: float
    ratio: float
    low: float  # 95 % interval of the median ratio
    high: float
    samples: list[list[float]]  # every block: seconds per step of NumPy, of torch


class ParityError(RuntimeError):
    """A side computed a number outside its certified bound: its time would mean nothing."""


def time_step(net: Net, blocks: int = BLOCKS) -> Timing:
    """Judge one step of either side, then time both. Raises ParityError where the judge refuses one."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((net.batch, net.sizes[0]), np.float32)
    y = rng.integers(0, net.sizes[-1], net.batch)
    with threadpool_limits(1):
        torch.set_num_threads(1)
        assert_one_thread()
        sides = [_trainer(side, net, x, y) for side in (scratch, torch_impl)]
        steps = [_steps_per_block(*side) for side in sides]
        seconds = np.array(_interleave(sides, steps, blocks))
    ratios = seconds[:, 1] / seconds[:, 0]
    low, high = median_interval(ratios)
    scratch_seconds, torch_seconds = np.median(seconds, axis=0)
    return Timing(
        net, float(scratch_seconds), float(torch_seconds), float(np.median(ratios)), low, high, seconds.tolist()
    )


def assert_one_thread() -> None:
    """What was asked for is what is: every library that multiplies matrices reports one thread."""
    threads = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    threads["torch"] = torch.get_num_threads()
    if any(count != 1 for count in threads.values()):
        raise RuntimeError(f"the benchmark asked for one thread, but found {threads}")


def median_interval(samples: npt.NDArray[np.float64]) -> tuple[float, float]:
    """A 95 % interval of the median from order statistics: no assumption on how the samples are distributed.

    The number of samples below the true median is binomial(n, ½), so the ranks n/2 ± 1.96·√n/2 enclose it.
    Source: Conover, Practical Nonparametric Statistics, section 3.2.
    """
    ordered, n = np.sort(samples), len(samples)
    reach = 1.96 * math.sqrt(n) / 2
    low, high = math.floor((n - 1) / 2 - reach), math.ceil((n - 1) / 2 + reach)
    return float(ordered[max(low, 0)]), float(ordered[min(high, n - 1)])


Side = tuple[Any, Any, Any]


def _trainer(side: Any, net: Net, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Side:
    model = side.MLP(net.sizes, rng=0)
    trainer = side.Trainer(model, side.CrossEntropyLoss(), side.SGD(model.parameters(), lr=0.01))
    judge = StepJudge(trainer.model, trainer.loss, trainer.optimizer)
    before = judge.before()
    verdict = judge.after(before, x, y, trainer.step(x, y))
    if not verdict.held:
        raise ParityError(f"{side.__name__}, {net.name}: not timed.\n{verdict.failures[0].render()}")
    return trainer, trainer.asarray(x), trainer.asarray(y)


def _run(side: Side, steps: int) -> float:
    trainer, x, y = side
    start = time.perf_counter()
    for _ in range(steps):
        trainer.step(x, y)  # returns a Python float: the loss is really read
    return (time.perf_counter() - start) / steps


def _steps_per_block(trainer: Any, x: Any, y: Any) -> int:
    side = (trainer, x, y)
    _run(side, WARM_UP_STEPS)
    return max(1, math.ceil(BLOCK_SECONDS / _run(side, WARM_UP_STEPS)))


def _interleave(sides: list[Side], steps: list[int], blocks: int) -> list[list[float]]:
    """Blocks of each side in turn, the first one changing, so that neither is always the one after the other."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        samples = []
        for block in range(blocks):
            order = (0, 1) if block % 2 == 0 else (1, 0)
            pair = [0.0, 0.0]
            for i in order:
                pair[i] = _run(sides[i], steps[i])
            samples.append(pair)
        return samples
    finally:
        if enabled:
            gc.enable()
