"""What `torchrun` starts for the question `processes`: one training step on one process and on all, in turn.

`python -m torch.distributed.run --nproc-per-node=2 -m benchmarks.torchrun JOB FILE`: rank 0 writes its answer to FILE.
"""

import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import torch_impl
from benchmarks.machine import Probe, assert_threads
from benchmarks.nets import Problem, problem_of
from benchmarks.timing import MOST, no_collection
from handgrad.distributed.process_group import Ranks, everyones, joined
from handgrad.distributed.train import factor, shards, spread, step
from handgrad.files import write_text
from handgrad.judge import judge_shards

Step = Callable[[], float]


def trainer_of(problem: Problem) -> torch_impl.Trainer:
    model = torch_impl.MLP(problem.net.sizes, dtype=problem.dtype)
    model.load_state_dict(problem.weights)
    optimizer = getattr(torch_impl, problem.kind)(model.parameters(), **problem.options)
    return torch_impl.Trainer(model, getattr(torch_impl, problem.net.loss)(), optimizer)


@contextmanager
def steps_of(problem: Problem, ranks: Ranks, judge: bool) -> Iterator[tuple[Step, Step, str]]:
    """A step on the whole batch in this process, one on this rank's rows, and why the judge refuses the latter."""
    alone, shared = trainer_of(problem), trainer_of(problem)
    pieces = shards(len(problem.x), ranks.world)
    sizes, own = [piece.stop - piece.start for piece in pieces], pieces[ranks.rank]
    x, y = alone.asarray(problem.x), alone.asarray(problem.y)
    own_x, own_y, c = x[own], y[own], factor("mean", sizes, ranks.rank)

    def one() -> float:
        return step(alone, x, y, 1.0)

    def all_() -> float:
        return step(shared, own_x, own_y, c)

    with spread(shared, ranks):
        values, refusal = everyones(all_()), ""
        if judge and ranks.rank == 0:
            gradients = {name: p.grad for name, p in shared.model.named_parameters()}
            parts = [(problem.x[piece], problem.y[piece]) for piece in pieces]
            verdict = judge_shards(shared.model, shared.loss, problem.weights, parts, values, gradients)
            refusal = "" if verdict.held else verdict.failures[0].render(reproduction=False)
        yield one, all_, everyones(refusal)[0]


def seconds_of(work: Step, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return time.perf_counter() - start


def measure(job: dict[str, Any], ranks: Ranks) -> dict[str, Any]:
    """Samples of both, block by block in turn, or the judge's refusal."""
    with steps_of(problem_of(job["case"]), ranks, job["judge"]) as (one, all_, refusal):
        return {"refusal": refusal} if refusal else rounds(job, ranks, {"one": one, "all": all_})


def rounds(job: dict[str, Any], ranks: Ranks, works: dict[str, Step]) -> dict[str, Any]:
    """Blocks of all works in turn until there are enough; the other ranks rest while one computes alone."""
    probe = Probe()
    calls, samples, dirty = {}, {name: list[float]() for name in works}, 0

    def block(name: str, calls: int) -> tuple[float, bool]:
        """Seconds of the slowest rank, and whether anything disturbed one of those that compute."""
        torch.distributed.barrier()
        found = (0.0, False)
        if name == "all" or ranks.rank == 0:
            before = probe.disturbed()
            found = (seconds_of(works[name], calls), before | probe.disturbed())
        everyone = everyones(found)
        return max(s for s, _ in everyone), any(disturbed for _, disturbed in everyone)

    with no_collection():
        for name in works:
            block(name, 2)  # buffers and connections are made in the first steps
            calls[name] = max(1, math.ceil(3 * job["block"] / block(name, 3)[0]))
        start = time.perf_counter()
        for number in itertools.count():
            clean = min(sum(s > 0 for s in own) for own in samples.values())
            late = number >= job["fewest"] and time.perf_counter() - start > job["seconds"]
            if everyones(clean >= job["rounds"] or late or number >= MOST * job["rounds"])[0]:
                break
            for name in list(works)[:: 1 if number % 2 else -1]:
                seconds, disturbed = block(name, calls[name])
                sample = float(f"{seconds / calls[name]:.4g}")
                samples[name].append(-sample if disturbed else sample)
                dirty += disturbed
    return {"samples": samples, "calls": calls, "dirty": dirty, "blocks": sum(map(len, samples.values()))}


def main() -> None:
    job, local = json.loads(sys.argv[1]), int(os.environ["LOCAL_RANK"])
    threads = job["threads"]
    if job["cores"]:  # one core for each thread of each process; gloo's own threads, too, are started there
        os.sched_setaffinity(0, job["cores"][local * threads : (local + 1) * threads])
    torch.set_num_threads(threads)
    assert_threads(threads)
    with joined() as ranks:
        found = measure(job, ranks)
        if ranks.rank == 0:
            write_text(Path(sys.argv[2]), json.dumps(found))


if __name__ == "__main__":
    main()
