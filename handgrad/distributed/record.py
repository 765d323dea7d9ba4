"""What is recorded of a distributed run."""

from dataclasses import dataclass, field

from handgrad.judge import Tally


@dataclass
class DistributedRun:
    """What rank 0 saw; `losses`, `equal`, `parted`, `interrupted` and `held` are the same on every rank."""

    losses: list[float] = field(default_factory=list)  # of the whole batch, before each update
    tallies: dict[str, Tally] = field(default_factory=lambda: {"torch": Tally(), "scratch": Tally()})
    apart: float = 0.0  # largest max |averaged − hand-written| / max |hand-written| of a judged step
    equal: int = 0  # steps after which all ranks held the same weights
    parted: str = ""  # where they did not, the first time
    seconds: float = 0.0  # of the steps alone
    interrupted: bool = False
    terminated: bool = False  # and that by SIGTERM, not Ctrl-C
    held: bool = True
