"""A command line as text: what is run inside of another command, and what reproduces a run."""

import re
import shlex
from typing import Any


def invoke(program: Any, words: list[str]) -> Any:
    """Run a command line with the program that has all commands. Returns what the command does, its exit code."""
    with program.make_context("handgrad", list(words), obj=shlex.join(["handgrad", *words])) as context:
        return program.invoke(context)


def reproducing(command: str) -> str:
    """The line that reproduces a run: without the options that change no number."""
    return re.sub(r" (--resume|--checkpoint-every[ =]\S+)(?= |$)", "", command)
