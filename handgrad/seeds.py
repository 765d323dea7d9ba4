"""One experiment over several seeds, in parallel over cores: one process and one thread for each run."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from handgrad.run import Repeat


@dataclass(frozen=True)
class Request:
    """What names an experiment in any process: functions cannot be sent there, words can."""

    name: str | None
    csv: str | None
    target: str | None
    given: dict[str, Any]  # the fields that the user changed
    device: str


def repeat(request: Request, seed: int) -> Repeat:
    """Train and judge both sides from one seed."""
    from handgrad.cli import with_overrides
    from handgrad.experiments.own import find
    from handgrad.runner import prepare, train

    experiment = with_overrides(find(request.name, request.csv, request.target), request.given)
    run = train(prepare(replace(experiment, seed=seed), request.device))
    if run.interrupted:
        raise KeyboardInterrupt
    return run.as_repeat()


def repeats(
    request: Request, seeds: Sequence[int], jobs: int, on_done: Callable[[], None] = lambda: None
) -> list[Repeat]:
    """A repeat for every seed, in their order. Ctrl-C raises KeyboardInterrupt, and no process is left behind.

    Raises ValueError for what a seed's data or nets refuse.
    """
    if jobs == 1 or len(seeds) <= 1:
        return [_reported(repeat(request, seed), on_done) for seed in seeds]
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(min(jobs, len(seeds)), mp_context=context, initializer=_leave_signals) as pool:
        futures = {pool.submit(repeat, request, seed): seed for seed in seeds}
        try:
            found = {futures[future]: _reported(future.result(), on_done) for future in as_completed(futures)}
        except BaseException:
            with _deaf():  # an impatient second Ctrl-C must not leave processes behind
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
            raise
    return [found[seed] for seed in seeds]


def _reported(found: Repeat, on_done: Callable[[], None]) -> Repeat:
    on_done()
    return found


def _leave_signals() -> None:
    """Ctrl-C reaches every process of the terminal; the parent alone answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _deaf() -> Iterator[None]:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
