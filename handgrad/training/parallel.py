"""Many runs in parallel over cores: one process for each."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.context import BaseContext
from typing import TypeVar

from handgrad.stopping import STOPS, deaf

T = TypeVar("T")
R = TypeVar("R")

LOADED = ["handgrad.training.train", "torch._dynamo"]
"""What every worker needs, and what torch loads at an optimizer's first use: seconds of importing."""


def context() -> BaseContext:
    """How workers start: copied from one process that has loaded the packages, or, without `fork`, each on its own.

    They are not copied from this process: it may have threads, and the copy of a lock that one of them holds is never
    released.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(LOADED)
    return server


def run_all(function: Callable[[T], R], tasks: Sequence[T], jobs: int, on_done: Callable[[R], None]) -> list[R]:
    """`function` of every task, in their order, `jobs` at once; `on_done` sees each result as it comes.

    With more than one job, function and tasks must be picklable. Ctrl-C raises KeyboardInterrupt, and no process is
    left behind, nor when this one is killed. An error in a task is raised here, and the other tasks are given up.
    """
    if jobs == 1 or len(tasks) <= 1:
        return [_reported(function(task), on_done) for task in tasks]
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context(), initializer=begin) as pool:
        futures = {pool.submit(function, task): index for index, task in enumerate(tasks)}
        try:
            found = {futures[future]: _reported(future.result(), on_done) for future in as_completed(futures)}
        except BaseException:
            with deaf():  # an impatient second Ctrl-C must not leave processes behind
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.kill()
            raise
    return [found[index] for index in range(len(tasks))]


def _reported(found: R, on_done: Callable[[R], None]) -> R:
    on_done(found)
    return found


def begin() -> None:
    """A worker's first act. Ctrl-C reaches every process of the terminal, and SIGTERM may: the parent answers it.

    A parent that was killed answers nothing: then the worker ends too.
    """
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
