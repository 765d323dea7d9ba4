"""Training on several processes with torch.distributed: every rank on its shard of each batch, gradients averaged.

    torchrun --nproc-per-node 2 -m handgrad distributed digits

`DistributedDataParallel` averages. On rank 0 the judge holds the average against the gradient of the whole batch, and
so the hand-written side's; all ranks must hold the same weights, bit for bit.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from signal import SIGTERM
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

import torch_impl
from contract import Array, Target
from handgrad.distributed.process_group import Ranks, everyones
from handgrad.distributed.record import DistributedRun
from handgrad.distributed.saving import take_over, tree_of
from handgrad.judge import Verdict, judge_net, judge_optimizer, judge_shards, snapshot
from handgrad.machine.environment import environment, one_thread
from handgrad.stopping import Stop, interruptible
from handgrad.training.prepared import Prepared
from handgrad.training.saving import Saving, changes
from handgrad.training.train import batches
from scratch.flags import product

WHOLE_BATCH = ("Dropout", "AlphaDropout", "RReLU")
"""Layers that draw: every rank would draw for itself."""


class Report(NamedTuple):
    """What a rank tells all others after a step."""

    value: float  # the loss of its rows
    weights: dict[str, str]  # digests by name
    stop: int  # the signal that interrupted it, or 0


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
    trainer = _torch_trainer(prepared)
    if trainer.takes_closure:
        raise ValueError(f"{trainer.optimizer.name} takes the loss of the whole batch; distributed training refuses it")
    for layer in trainer.model.module.modules():
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


@contextmanager
def spread(trainer: torch_impl.Trainer, ranks: Ranks) -> Iterator[None]:
    """Inside, the model's backward pass averages the gradients over all ranks, and all start from rank 0's weights."""
    model, kept = trainer.model, trainer.model.call
    model.call = DistributedDataParallel(model.module, device_ids=[ranks.device] if "cuda" in ranks.device else None)
    try:
        yield
    finally:
        model.call = kept


def step(trainer: torch_impl.Trainer, x: torch.Tensor, y: torch.Tensor, factor: float) -> float:
    """One step on this rank's rows. Returns their loss, without the factor."""
    value = trainer.evaluate(x, y)
    trainer.optimizer.zero_grad()
    torch.autograd.backward(value * factor if factor != 1 else value)
    trainer.optimizer.step()
    return value.item()


def rehearse(trainer: torch_impl.Trainer, x: torch.Tensor, y: torch.Tensor) -> None:
    """Forward and backward, and nothing comes of it.

    After its first backward pass DistributedDataParallel arranges the gradients anew, and three processes or more then
    add them in another order. A run that goes on must not have its first step in the middle of training.
    """
    torch.autograd.backward(trainer.evaluate(x, y))
    trainer.optimizer.zero_grad()


def train(
    prepared: Prepared,
    ranks: Ranks,
    on_step: Callable[[DistributedRun], None] | None = None,
    saving: Saving | None = None,
) -> DistributedRun:
    """Train the torch side on all ranks, judging on rank 0; called by every rank, with the same recipe.

    Weights are compared after every step, gradients and the optimizer's step where the recipe says so (`judge_every`),
    and there the hand-written side computes the whole batch's gradient from the same weights. Ctrl-C on any rank ends
    training on all of them after the same step, and so does the end of the process that started them.

    With `saving` rank 0 writes checkpoints, and training goes on from the one that was read: on as many processes to
    the last bit, on others within the bounds that are judged.
    """
    run, trainer, parent, done = DistributedRun(), _torch_trainer(prepared), os.getppid(), 0
    refuse_unshardable(prepared, ranks.world)
    steps, every = prepared.steps, prepared.experiment.judge_every
    quiet = np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")
    with one_thread(), quiet, interruptible() as stop:
        facts = environment(prepared.device, prepared.experiment.dtype) | {"processes": ranks.world}
        if saving is not None and saving.tree is not None:
            done = take_over(saving.tree, run, prepared)
            for line in changes(saving.tree, facts) if ranks.rank == 0 else ():
                saving.say(line)
        _compare(run, Report(0.0, _digests(trainer), 0), "before the first step")
        with spread(trainer, ranks):
            for number, rows in enumerate(batches(prepared), 1):
                if number <= done:
                    continue
                x, y = prepared.cast["x_train"][rows], prepared.cast["y_train"][rows]
                pieces = [(x[piece], y[piece]) for piece in shards(len(x), ranks.world)]
                if number == done + 1:
                    rehearse(trainer, *map(trainer.asarray, pieces[ranks.rank]))
                judged = ranks.rank == 0 and ((number - 1) % every == 0 or number == steps)
                before = (trainer.model.state_dict(), snapshot(trainer.optimizer)) if judged else None
                reports = _step(run, trainer, ranks, pieces, stop)
                if before is not None:
                    _judge(run, prepared, before, pieces, [report.value for report in reports])
                if on_step is not None and ranks.rank == 0:
                    on_step(run)
                if signals := {report.stop for report in reports} - {0}:
                    run.interrupted, run.terminated = number < steps, SIGTERM in signals
                if saving is not None and ranks.rank == 0 and (run.interrupted or saving.due()) and _good(run):
                    saving.write(tree_of(run, prepared, facts))
                if run.interrupted:
                    break
                if os.getppid() != parent:
                    stop.signal = stop.signal or SIGTERM
        run.held = all(everyones(not run.parted and all(tally.held for tally in run.tallies.values())))
    return run


def _step(
    run: DistributedRun,
    trainer: torch_impl.Trainer,
    ranks: Ranks,
    pieces: Sequence[tuple[Array, Target]],
    stop: Stop,
) -> list[Report]:
    """One timed step of this rank on its piece of the batch; what all ranks say of theirs."""
    sizes, summed = [len(x) for x, _ in pieces], trainer.loss.reduction == "sum"
    x, y = (trainer.asarray(array) for array in pieces[ranks.rank])
    start = time.perf_counter()
    value = step(trainer, x, y, factor(trainer.loss.reduction, sizes, ranks.rank))
    run.seconds += time.perf_counter() - start
    reports = _compare(run, Report(value, _digests(trainer), stop.signal), f"after step {len(run.losses) + 1}")
    run.equal += not run.parted
    values = np.asarray([report.value for report in reports])
    run.losses.append(float(values.sum() if summed else product(values, np.asarray(sizes, float)) / sum(sizes)))
    return reports


def _good(run: DistributedRun) -> bool:
    """Whether a checkpoint may hold it: else the one before is the last good one."""
    return not run.parted and bool(np.isfinite(run.losses[-1]))


def _digests(trainer: torch_impl.Trainer) -> dict[str, str]:
    return {name: hashlib.sha256(a.tobytes()).hexdigest() for name, a in trainer.model.state_dict().items()}


def _compare(run: DistributedRun, own: Report, when: str) -> list[Report]:
    """Every rank's report; where one holds other weights than rank 0, the run says so."""
    reports: list[Report] = everyones(own)
    first = reports[0].weights
    others = [
        (rank, name) for rank, found in enumerate(reports) for name in first if found.weights[name] != first[name]
    ]
    if others and not run.parted:
        run.parted = f"{when} rank {others[0][0]} holds another {others[0][1]} than rank 0"
    return reports


def _judge(
    run: DistributedRun,
    prepared: Prepared,
    before: tuple[dict[str, Array], Any],
    pieces: Sequence[tuple[Array, Target]],
    values: Sequence[float],
) -> None:
    """Judge the averaged gradients and the step made of them; and the hand-written gradients of the whole batch."""
    theirs, ours, number = _torch_trainer(prepared), prepared.trainers["scratch"], len(run.losses)
    state, start = before
    gradients = {name: p.grad for name, p in theirs.model.named_parameters() if p.tensor.requires_grad}
    verdict = judge_shards(theirs.model, theirs.loss, state, pieces, values, gradients)
    _add(verdict, judge_optimizer(theirs.optimizer, start))
    run.tallies["torch"].add(number, verdict)
    ours.model.load_state_dict(state)
    x, y = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    run.tallies["scratch"].add(number, judge_net(ours.model, ours.loss, x, y))
    whole = {name: p.grad for name, p in ours.model.named_parameters()}
    run.apart = max(run.apart, _distance(gradients, whole))


def _distance(gradients: dict[str, Array | None], others: dict[str, Array | None]) -> float:
    """max |g − g′| / max |g′| over all entries of all tensors; 0 where there is none."""
    pairs = [(a, b) for name, a in gradients.items() if a is not None and (b := others[name]) is not None]
    gap = max((float(np.abs(a - b).max(initial=0)) for a, b in pairs), default=0.0)
    size = max((float(np.abs(b).max(initial=0)) for _, b in pairs), default=0.0)
    return gap / (size or 1)


def _add(verdict: Verdict, other: Verdict) -> None:
    verdict.numbers += other.numbers
    verdict.skipped += other.skipped
    verdict.worst = max(verdict.worst, other.worst)
    verdict.failures += other.failures


def _torch_trainer(prepared: Prepared) -> torch_impl.Trainer:
    trainer = prepared.trainers["torch"]
    assert isinstance(trainer, torch_impl.Trainer)
    return trainer
