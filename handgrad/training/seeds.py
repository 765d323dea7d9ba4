"""One experiment over several seeds, in parallel over cores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from handgrad.experiments.own import OwnFile
from handgrad.stopping import Terminated
from handgrad.training.parallel import run_all
from handgrad.training.record import Repeat, Run


@dataclass(frozen=True)
class Request:
    """What names an experiment in any process: functions cannot be sent there, words can."""

    name: str | None
    csv: OwnFile | None
    given: dict[str, Any]  # the fields that the user changed
    device: str


def trained(request: Request, seed: int) -> Run:
    """Both sides, trained and judged from one seed. Raises KeyboardInterrupt for a run that Ctrl-C cut short."""
    from handgrad.experiments.overrides import with_overrides
    from handgrad.experiments.own import find
    from handgrad.training.train import prepare, train

    experiment = with_overrides(find(request.name, request.csv), request.given)
    run = train(prepare(replace(experiment, seed=seed), request.device), pictures=False)
    if run.interrupted:
        raise Terminated if run.terminated else KeyboardInterrupt
    return run


def repeat(request: Request, seed: int) -> Repeat:
    """What a comparison of seeds keeps of one."""
    return trained(request, seed).as_repeat()


def repeats(
    request: Request, seeds: Sequence[int], jobs: int, on_done: Callable[[Repeat], None] = lambda repeat: None
) -> list[Repeat]:
    """A repeat for every seed, in their order; `on_done` sees each as it comes.

    Ctrl-C raises KeyboardInterrupt, and no process is left behind. ValueError for what a seed's data or nets refuse.
    """
    return run_all(partial(repeat, request), seeds, jobs, on_done)
