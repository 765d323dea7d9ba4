"""Many runs in parallel over cores: one process and one thread for each."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def run_all(function: Callable[[T], R], tasks: Sequence[T], jobs: int, on_done: Callable[[R], None]) -> list[R]:
    """`function` of every task, in their order, `jobs` at once; `on_done` sees each result as it comes.

    With more than one job, function and tasks must be picklable. Ctrl-C raises KeyboardInterrupt, and no process is
    left behind. An error in a task is raised here, and the other tasks are given up.
    """
    if jobs == 1 or len(tasks) <= 1:
        return [_reported(function(task), on_done) for task in tasks]
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context, initializer=_leave_signals) as pool:
        futures = {pool.submit(function, task): index for index, task in enumerate(tasks)}
        try:
            found = {futures[future]: _reported(future.result(), on_done) for future in as_completed(futures)}
        except BaseException:
            with _deaf():  # an impatient second Ctrl-C must not leave processes behind
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
            raise
    return [found[index] for index in range(len(tasks))]


def _reported(found: R, on_done: Callable[[R], None]) -> R:
    on_done(found)
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
