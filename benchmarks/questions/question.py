"""What a question is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.machine import Probe
from benchmarks.nets import Case
from benchmarks.result import Row
from benchmarks.timing import FULL, QUICK, Budget


@dataclass(frozen=True)
class Settings:
    """How a process measures."""

    threads: int
    quick: bool
    judge: bool  # in the first process; those after it time the same code on the same numbers
    contenders: tuple[str, ...]  # only these; all where empty
    probe: Probe

    @property
    def budget(self) -> Budget:
        return QUICK if self.quick else FULL

    def chosen(self, names: Sequence[str]) -> list[Contender]:
        return [CONTENDERS[name] for name in names if not self.contenders or name in self.contenders]


@dataclass(frozen=True)
class Table:
    """Headings and cells as text; the first column is a name, the rest are numbers."""

    title: str
    headings: tuple[str, ...]
    cells: list[tuple[str, ...]]
    once: bool = False  # shown for the main variant only


@dataclass(frozen=True)
class Question:
    """`cases(quick)` are measured one by one by `measure`; `tables` and `picture` show rows, and nothing but rows."""

    name: str
    title: str
    reading: str  # how to read the table, one or two sentences
    cases: Callable[[bool], list[Case]]
    measure: Callable[[Case, Settings], Row]
    tables: Callable[[list[Row]], list[Table]]
    picture: Callable[[list[Row]], Figure | None]
    as_found: Callable[[Case], bool] = lambda case: False  # which cases are measured with the user's variables too
    fresh: bool = False  # a process for every case
    processes: int = 2  # in a full run, of the cases that `repeated` says
    repeated: Callable[[Case], bool] = lambda case: True
    in_quick: bool = True  # whether a quick run asks it unless told to
