"""Training on several processes with torch.distributed: every rank on its shard of each batch, gradients averaged.

    torchrun --nproc-per-node 2 -m handgrad distributed digits

`DistributedDataParallel` averages, gloo (CPU) or nccl (GPU) carries. On rank 0 the judge holds the average against the
gradient of the whole batch, and so the hand-written side's; all ranks must hold the same weights, bit for bit.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import torch_impl
from handgrad.contract import Array, Target
from handgrad.environment import one_thread
from handgrad.judge import Tally, Verdict, judge_net, judge_optimizer, snapshot
from handgrad.judge.shards import judge_shards
from handgrad.runner import Prepared, batches

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""Device → what carries the gradients between processes."""

WHOLE_BATCH = ("Dropout", "AlphaDropout", "RReLU")
"""Layers that draw: every rank would draw for itself."""


@dataclass(frozen=True)
class Ranks:
    """Who this process is among those that `torchrun` started."""

    rank: int
    world: int
    device: str  # its own, as in cuda:1
    backend: str


@dataclass
class DistributedRun:
    """What rank 0 saw; `held` is the same on every rank."""

    losses: list[float] = field(default_factory=list)  # of the whole batch, before each update
    tallies: dict[str, Tally] = field(default_factory=lambda: {"torch": Tally(), "scratch": Tally()})
    equal: int = 0  # steps after which all ranks held the same weights
    parted: str = ""  # where they did not, the first time
    seconds: float = 0.0  # of the steps alone
    held: bool = True


@contextmanager
def joined(device: str = "cpu") -> Iterator[Ranks]:
    """Join the processes that `torchrun` started. ValueError outside of it, and for a backend or device not there."""
    missing = [name for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR") if name not in os.environ]
    if missing:
        line = "torchrun --nproc-per-node 2 -m handgrad distributed NAME"
        raise ValueError(f"not started by torchrun ({missing[0]} is not set); start it as: {line}")
    rank, local, world = (int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"))
    backend = backend_of(device)
    if device == "cuda":
        if local >= torch.cuda.device_count():
            raise ValueError(f"process {local} has no GPU of its own: {torch.cuda.device_count()} on this machine")
        device = f"cuda:{local}"
        torch.cuda.set_device(device)
    dist.init_process_group(backend)
    try:
        yield Ranks(rank, world, device, backend)
    finally:
        dist.destroy_process_group()


def backend_of(device: str) -> str:
    """What carries gradients between processes on that device. ValueError where this torch does not have it."""
    if device not in BACKENDS:
        raise ValueError(f"device must be {' or '.join(BACKENDS)}; got {device!r}")
    backend = BACKENDS[device]
    if not dist.is_available():
        raise ValueError("this torch is built without torch.distributed")
    if not dist.is_backend_available(backend):
        raise ValueError(f"device={device!r} needs the backend {backend}, and this torch is built without it")
    return backend


def refuse_unshardable(prepared: Prepared, world: int) -> None:
    """ValueError for what cannot be split over `world` processes: too small a batch, a layer that needs all of it."""
    rows = len(prepared.data.x_train)
    last = rows % prepared.batch_size
    smallest = last if last and not prepared.experiment.drop_last else prepared.batch_size
    if smallest < world:
        which = "the last batch of an epoch" if smallest == last else "a batch"
        raise ValueError(
            f"{which} has {smallest} row{'s' * (smallest != 1)}, fewer than the {world} processes; change --batch-size"
        )
    model = _torch_trainer(prepared).model
    for layer in model.module.modules():
        name = type(layer).__name__
        if name in WHOLE_BATCH:
            raise ValueError(f"{name} draws at random, on every rank for itself; distributed training refuses it")
        if next(layer.buffers(recurse=False), None) is not None:
            raise ValueError(f"{name} keeps statistics of the whole batch; distributed training refuses it")


def shards(rows: int, world: int) -> list[slice]:
    """Consecutive rows for every rank, as even as can be: the first ranks have one more."""
    small, more = divmod(rows, world)
    starts = [rank * small + min(rank, more) for rank in range(world + 1)]
    return [slice(start, end) for start, end in pairwise(starts)]


def factor(reduction: str, sizes: Sequence[int], rank: int) -> float:
    """What the rank's loss is multiplied by, so that the mean over ranks is the gradient of the whole batch."""
    return float(len(sizes)) if reduction == "sum" else len(sizes) * sizes[rank] / sum(sizes)


def spread(trainer: torch_impl.Trainer, ranks: Ranks) -> None:
    """From now on the model's backward pass averages the gradients over all ranks."""
    model = trainer.model
    model.call = DistributedDataParallel(model.module, device_ids=[ranks.device] if "cuda" in ranks.device else None)


def step(trainer: torch_impl.Trainer, x: torch.Tensor, y: torch.Tensor, factor: float) -> float:
    """One step on this rank's rows. Returns their loss, without the factor."""
    value = trainer.evaluate(x, y)
    trainer.optimizer.zero_grad()
    torch.autograd.backward(value * factor if factor != 1 else value)
    trainer.optimizer.step()
    return value.item()


def train(prepared: Prepared, ranks: Ranks, on_step: Callable[[DistributedRun], None] | None = None) -> DistributedRun:
    """Train the torch side on all ranks, judging on rank 0; called by every rank, with the same recipe.

    Weights are compared after every step, gradients and the optimizer's step where the recipe says so (`judge_every`),
    and there the hand-written side computes the whole batch's gradient from the same weights.
    """
    run, trainer = DistributedRun(), _torch_trainer(prepared)
    refuse_unshardable(prepared, ranks.world)
    steps, every = prepared.steps, prepared.experiment.judge_every
    with one_thread(), np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        _compare_weights(run, trainer, 0.0, "before the first step")  # before DDP overwrites them with those of rank 0
        spread(trainer, ranks)
        for number, rows in enumerate(batches(prepared), 1):
            x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
            pieces = shards(len(x), ranks.world)
            sizes, own = [piece.stop - piece.start for piece in pieces], pieces[ranks.rank]
            native_x, native_y = trainer.asarray(x[own]), trainer.asarray(y[own])
            judged = ranks.rank == 0 and ((number - 1) % every == 0 or number == steps)
            before = (trainer.model.state_dict(), snapshot(trainer.optimizer)) if judged else None
            start = time.perf_counter()
            value = step(trainer, native_x, native_y, factor(trainer.loss.reduction, sizes, ranks.rank))
            run.seconds += time.perf_counter() - start
            values = _compare_weights(run, trainer, value, f"after step {number}")
            weights = np.asarray(sizes if trainer.loss.reduction != "sum" else [sum(sizes)] * ranks.world)
            run.losses.append(float(weights @ np.asarray(values) / sum(sizes)))
            if before is not None:
                _judge(run, prepared, number, before, [(x[piece], y[piece]) for piece in pieces], values)
            if on_step is not None and ranks.rank == 0:
                on_step(run)
    run.held = _agreed(not run.parted and all(tally.held for tally in run.tallies.values()))
    return run


def _compare_weights(run: DistributedRun, trainer: torch_impl.Trainer, value: float, when: str) -> list[float]:
    """Whether every rank holds the same weights, bit for bit; and every rank's `value`."""
    own = {name: hashlib.sha256(a.tobytes()).hexdigest() for name, a in trainer.model.state_dict().items()}
    everyone = everyones((value, own))
    others = [
        (rank, name) for rank, (_, found) in enumerate(everyone) for name in own if found[name] != everyone[0][1][name]
    ]
    run.equal += not others and when != "before the first step"
    if others and not run.parted:
        run.parted = f"{when} rank {others[0][0]} holds another {others[0][1]} than rank 0"
    return [found for found, _ in everyone]


def _judge(
    run: DistributedRun,
    prepared: Prepared,
    number: int,
    before: tuple[dict[str, Array], Any],
    pieces: Sequence[tuple[Array, Target]],
    values: Sequence[float],
) -> None:
    """Judge the averaged gradients and the step made of them; and the hand-written gradients of the whole batch."""
    theirs, ours = _torch_trainer(prepared), prepared.trainers["scratch"]
    state, start = before
    gradients = {name: p.grad for name, p in theirs.model.named_parameters() if p.tensor.requires_grad}
    verdict = judge_shards(theirs.model, theirs.loss, state, pieces, values, gradients)
    _add(verdict, judge_optimizer(theirs.optimizer, start))
    run.tallies["torch"].add(number, verdict)
    ours.model.load_state_dict(state)
    x, y = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    run.tallies["scratch"].add(number, judge_net(ours.model, ours.loss, x, y))


def _add(verdict: Verdict, other: Verdict) -> None:
    verdict.numbers += other.numbers
    verdict.skipped += other.skipped
    verdict.worst = max(verdict.worst, other.worst)
    verdict.failures += other.failures


def _torch_trainer(prepared: Prepared) -> torch_impl.Trainer:
    trainer = prepared.trainers["torch"]
    assert isinstance(trainer, torch_impl.Trainer)
    return trainer


def everyones(value: Any) -> list[Any]:
    """Every rank's `value`, in the order of ranks, on every rank."""
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def _agreed(value: bool) -> bool:
    """Rank 0's and everyone else's: it holds only if it holds everywhere."""
    return all(everyones(value))


# --- how fast ---------------------------------------------------------------------------------------------------------


def samples_per_second(
    sizes: Sequence[int], batch: int, worlds: Sequence[int] = (1, 2), seconds: float = 1.0, device: str = "cpu"
) -> dict[int, float]:
    """Number of processes → samples/s of training an MLP (ReLU, cross-entropy, SGD, float32) on a batch of that size.

    The batch is the same for every number of processes (strong scaling), each has one thread, and starts afresh under
    `torchrun`. Raises ValueError where the batch is smaller than a number of processes or the backend is not there,
    RuntimeError where a process fails.
    """
    backend_of(device)
    if batch < max(worlds):
        raise ValueError(f"batch must be at least the number of processes, {max(worlds)}; got {batch}")
    job = json.dumps({"sizes": list(sizes), "batch": batch, "seconds": seconds, "device": device})
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    rates = {}
    for world in worlds:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        command = [*launch, "-m", "handgrad.distributed", job]
        answer = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise RuntimeError(f"{world} processes did not train: {_error_in(answer.stderr)}")
        rates[world] = float(answer.stdout.strip().splitlines()[-1])
    return rates


def _error_in(text: str) -> str:
    """The first line that names an error, else the last."""
    lines = text.strip().splitlines() or ["no message"]
    return next((line for line in lines if "Error" in line), lines[-1])


def _measure(job: Mapping[str, Any]) -> None:
    """In a process that torchrun started: train for `seconds`; rank 0 prints samples/s of all ranks together."""
    with joined(job["device"]) as ranks, one_thread():
        model = torch_impl.MLP(job["sizes"], rng=0, device=ranks.device)
        loss = torch_impl.CrossEntropyLoss(device=ranks.device)
        trainer = torch_impl.Trainer(model, loss, torch_impl.SGD(model.parameters(), lr=0.01))
        spread(trainer, ranks)
        rng, batch = np.random.default_rng(0), job["batch"]
        x = rng.standard_normal((batch, job["sizes"][0]), np.float32)
        y = rng.integers(job["sizes"][-1], size=batch)
        pieces = shards(batch, ranks.world)
        own, sizes = pieces[ranks.rank], [piece.stop - piece.start for piece in pieces]
        native_x, native_y = trainer.asarray(x[own]), trainer.asarray(y[own])

        def run(steps: int) -> float:
            """The slowest rank's seconds: every step waits for it."""
            dist.barrier()
            start = time.perf_counter()
            for _ in range(steps):
                step(trainer, native_x, native_y, factor("mean", sizes, ranks.rank))
            return float(max(everyones(time.perf_counter() - start)))

        run(3)  # buffers and connections are made in the first steps
        steps = max(int(job["seconds"] * 5 / run(5)), 5)
        rate = steps * batch / run(steps)
        if ranks.rank == 0:
            print(f"{rate:.6g}", flush=True)


if __name__ == "__main__":
    _measure(json.loads(sys.argv[1]))
