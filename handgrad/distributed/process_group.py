"""The processes that `torchrun` started: joining them, hearing from all, and one of them speaking for all.

Everything here is torch.distributed: gloo carries between processes on a CPU, nccl on GPUs.
"""

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import torch
import torch.distributed as dist

from handgrad.errors import BadInputError
from handgrad.stopping import Terminated

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""Device → what carries the gradients between processes."""

START = "torchrun --nproc-per-node 2 -m handgrad distributed NAME"
PATIENCE = timedelta(seconds=10)  # for the process that speaks, on the part of those that wait until it has
TIMEOUT = 300  # seconds that a process waits for the others in one exchange
GRACE = 2.0  # seconds for those that were waiting for the same process, to notice it too

_groups, _voices, _calls = count(), count(), count()


@dataclass(frozen=True)
class Ranks:
    """Who this process is among those that `torchrun` started."""

    rank: int
    world: int
    device: str  # its own, as in cuda:1
    backend: str
    timeout: int = TIMEOUT  # seconds


@contextmanager
def joined(device: str = "cpu", timeout: int = TIMEOUT) -> Iterator[Ranks]:
    """Join the processes that `torchrun` started; an exchange that lasts longer than `timeout` seconds raises.

    ValueError outside of `torchrun`, and for a backend or device that is not there.
    """
    missing = [name for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR") if name not in os.environ]
    if missing:
        raise ValueError(f"not started by torchrun ({missing[0]} is not set); start it as: {START}")
    local, backend = int(os.environ["LOCAL_RANK"]), backend_of(device)
    if device == "cuda":
        # The same on all processes of a machine, so that none is left waiting for another.
        there, needed = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", local + 1))
        if there < needed:
            raise ValueError(f"every process needs a GPU of its own: {needed} processes, {there} GPUs on this machine")
        device = f"cuda:{local}"
        torch.cuda.set_device(device)
    # A prefix of its own: the store outlives a group, and the next group of the same processes would find in it the
    # addresses at which the last one listened, and wait there for nobody.
    store, rank, world = _meeting(f"handgrad/group {next(_groups)}")
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=timedelta(seconds=timeout))
    try:
        yield Ranks(rank, world, device, backend, timeout)
    finally:
        # A DistributedDataParallel that outlives its group aborts the process when that ends, now and then
        # ("terminate called without an active exception"): no cycle may keep one.
        gc.collect()
        dist.destroy_process_group()


def _meeting(prefix: str) -> tuple[Any, int, int]:
    """The store that `torchrun` keeps for all processes, its keys under a prefix; this one's rank, and their number."""
    untyped: Any = dist  # torch does not declare what it exports
    store, rank, world = next(untyped.rendezvous("env://"))
    return untyped.PrefixStore(prefix, store), rank, world


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


def of_others(error: BaseException) -> bool:
    """Whether another process may be the cause: an exchange failed, or `torchrun` ends all since one has ended."""
    exchange = isinstance(error, RuntimeError) and "gloo" in str(error)
    return exchange or isinstance(error, (dist.DistError, Terminated))


def silent(ranks: Ranks) -> list[int]:
    """The ranks that do not answer; called by every one that saw an exchange fail."""
    own = f"handgrad/call {next(_calls)}"
    try:
        store, *_ = _meeting(own)
        store.set(f"rank {ranks.rank}", "here")
        missing, end = list(range(ranks.world)), time.monotonic() + GRACE
        while missing and time.monotonic() < end:  # asked for again and again: waiting in vain would print warnings
            missing = [rank for rank in missing if not store.check([f"rank {rank}"])]
            time.sleep(0.05)
        return missing
    except (RuntimeError, ValueError):  # the store ended with the process that kept it: nobody can be asked
        return []


def everyones(value: Any) -> list[Any]:
    """Every rank's `value`, in the order of ranks, on every rank."""
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def of_first(ranks: Ranks, work: Callable[[], Any]) -> Any:
    """What `work` returns on rank 0, which alone does it, on every rank. So is the BadInputError that it raises."""
    found, refusal = None, ""
    if ranks.rank == 0:
        try:
            found = work()
        except BadInputError as error:
            refusal = str(error)
    found, refusal = everyones((found, refusal))[0]
    if refusal:
        raise BadInputError(refusal)
    return found


@contextmanager
def one_voice() -> Iterator[bool]:
    """Whether this process is the first to come here, and so the one that says what is wrong; the others wait for it.

    They must: `torchrun` ends all processes as soon as one has failed, and would cut the speaker short. A process that
    failed because another had left comes later than that one, so that the cause is said and not its consequences.
    """
    try:
        store, *_ = _meeting(f"handgrad/voice {next(_voices)}")
        first = store.add("came", 1) == 1
    except (RuntimeError, ValueError):  # there is no store, or no longer: everyone for himself
        yield True
        return
    try:
        yield first
    finally:
        try:
            if first:
                store.set("spoken", "1")
            else:
                store.wait(["spoken"], PATIENCE)
        except RuntimeError:  # it was ended before: nobody is left to wait for
            pass
