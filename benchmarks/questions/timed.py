"""What most questions do: prepare contenders, have them judged, and time them in turn."""

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.contenders import Contender
from benchmarks.machine import NotAsAskedError
from benchmarks.nets import Problem
from benchmarks.parity import ParityError, Reference
from benchmarks.questions.question import Settings
from benchmarks.result import Row
from benchmarks.timing import Work, measure


def ready(problem: Problem, names: list[str], settings: Settings, forward: bool = False) -> tuple[list[Contender], Row]:
    """The contenders that can be timed on a problem, and a row that says why the others cannot.

    Each is prepared and judged on its own: on whole steps, or on its outputs. The first call is timed.
    """
    row: Row = {"first_call": {}, "not_timed": {}, "refused": []}
    found: list[Contender] = []
    reference = Reference(problem)
    # What was compiled for other nets counts towards a limit, beyond which torch silently runs eagerly.
    torch.compiler.reset()
    for contender in settings.chosen(names):
        if reason := contender.absent(problem):
            row["not_timed"][contender.name] = reason
            continue
        try:
            start = time.perf_counter()
            contender.prepare(problem)
            (contender.forward if forward else contender.step)()
            row["first_call"][contender.name] = round(time.perf_counter() - start, 6)
            if settings.judge:
                contender.prepare(problem)  # from the shared weights again
                (reference.judge_forward if forward else reference.judge)(contender)
        except ParityError as error:
            row["not_timed"][contender.name] = str(error)
            row["refused"].append(contender.name)
        except NotAsAskedError:
            raise
        except NotImplementedError as error:
            row["not_timed"][contender.name] = str(error)
        except Exception as error:  # a library of others: what it raises cannot be listed, and the rest go on
            row["not_timed"][contender.name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        else:
            found.append(contender)
    return found, row


def time_contenders(
    problem: Problem,
    names: list[str],
    settings: Settings,
    work: Callable[[Contender], Callable[[], Any]] = lambda contender: contender.step,
    forward: bool = False,
) -> Row:
    """A row of the contenders' times for `work` on a problem."""
    contenders, row = ready(problem, names, settings, forward)
    works: dict[str, Work] = {contender.name: work(contender) for contender in contenders}
    return row | time_works(works, settings)


def time_works(works: dict[str, Work], settings: Settings) -> Row:
    return measure(works, settings.budget, settings.probe, settings.threads).row() if works else {"seconds": {}}
