"""Ctrl-C and SIGTERM: both end a command in order, and only the exit code tells them apart."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FrameType
from typing import Any

PATIENCE = 1.0  # seconds after the first in which another one is taken for its echo
STOPS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, as an exception wherever Ctrl-C would be one."""


class Stop:
    """Whether a signal has asked for the end, and which."""

    signal: int = 0

    def is_set(self) -> bool:
        return bool(self.signal)

    @property
    def terminated(self) -> bool:
        return self.signal == signal.SIGTERM


@contextmanager
def interruptible() -> Iterator[Stop]:
    """What the first Ctrl-C or SIGTERM sets, so that no step is cut in half; a later one interrupts as always.

    Nor is a drawing: in the middle of one, an exception comes out as an error of matplotlib's.
    What comes within PATIENCE seconds counts as one: wrappers such as `timeout` signal the process and then its group.
    """
    stop, first = Stop(), 0.0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not stop.is_set():
            first, stop.signal = perf_counter(), number
        elif perf_counter() - first > PATIENCE:
            _raise(number)

    with _handled(dict.fromkeys(STOPS, handle)):
        yield stop


@contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM raises `Terminated`, as Ctrl-C raises KeyboardInterrupt."""
    with _handled({signal.SIGTERM: lambda number, frame: _raise(number)}):
        yield


@contextmanager
def deaf() -> Iterator[None]:
    """Inside, neither does anything."""
    with _handled(dict.fromkeys(STOPS, signal.SIG_IGN)):
        yield


def end_with_the_starter(end: Callable[[], None]) -> None:
    """Call `end` when whoever started this process, and keeps its standard input open, has been killed: the system
    closes it then.

    It is read past Python's buffer, whose lock the thread would hold when the process ends: Python aborts there.
    """

    def watch() -> None:
        while os.read(0, 4096):
            pass
        end()

    threading.Thread(target=watch, daemon=True).start()


def _raise(number: int) -> None:
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


@contextmanager
def _handled(
    handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any] | signal.Handlers],
) -> Iterator[None]:
    """Python lets only the main thread handle signals; in another one nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
