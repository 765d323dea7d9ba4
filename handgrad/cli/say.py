"""What a command says on standard error."""

import os
import sys
from contextlib import suppress
from typing import TextIO

from handgrad.ending import INTERRUPTED, TERMINATED
from handgrad.stopping import Terminated
from handgrad.terminal import printable


def refuse(message: str) -> int:
    say(f"error: {' '.join(message.split())}")
    return 2


def stopped(stop: KeyboardInterrupt) -> int:
    """What a command says and returns that Ctrl-C or SIGTERM ended before it had anything to write."""
    terminated = isinstance(stop, Terminated)
    say("terminated" if terminated else "interrupted")
    return TERMINATED if terminated else INTERRUPTED


def say(line: str) -> None:
    """One line on standard error; under torchrun, from one process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        note(line)
        return
    from handgrad.distributed.process_group import one_voice

    with one_voice() as first:
        if first:
            note(line)


def note(line: str) -> None:
    """One line on standard error, of this process alone."""
    try:
        print("handgrad:", printable(line), file=sys.stderr, flush=True)
    except OSError:  # nobody is there to read it; the exit code still says it
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Let nobody write to it any more: Python would try again when it ends, and exit with a code of its own."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
