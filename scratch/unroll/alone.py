"""The programs of a whole training, for a script that has no trainer."""

from collections.abc import Iterable, Iterator
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scratch.trainer import Trainer
from scratch.unroll import Unrolled, UnrollError, compiled, copied, written
from scratch.unroll.write import Text

__all__ = ["Alone", "alone"]

Batch = npt.NDArray[Any]


@dataclass(frozen=True)
class Alone:
    """What a training without a trainer starts from and does.

    `first` makes the first step where that also makes the optimizer's state; None where the state of `start` will do.
    `steps` are the programs for a batch of so many rows: one of them holds, the others return None.
    """

    start: Trainer
    first: Text | None
    steps: dict[int, list[Text]]

    def texts(self) -> Iterator[Text]:
        yield from [self.first] if self.first is not None else []
        for texts in self.steps.values():
            yield from texts


def alone(trainer: Trainer, batches: Iterable[tuple[Batch, Batch]]) -> Alone:
    """Train on all batches, and return the programs that it took. UnrollError where a step was none of theirs."""
    start = copied(trainer)
    program, batch = Unrolled(trainer), None
    for x, y in batches:
        batch = batch or (x, y)
        if not all(a.flags.c_contiguous or a.flags.f_contiguous for a in (x, y)):
            raise UnrollError("unroll: the batches lie in memory with gaps; no program is written for those")
        program.step(x, y)
    assert batch is not None
    steps: dict[int, list[Text]] = {}
    for rows, texts in program.texts():
        steps.setdefault(rows, []).extend(texts)
    for texts in steps.values():
        if len(set(texts)) < len(texts):
            raise UnrollError("unroll: the steps branch in too many ways to be written out")
        if len(texts) > 1 and any(text.gives_back for text in texts):
            raise UnrollError("unroll: the steps branch, in a net that draws numbers or keeps statistics")
    first = None
    if any(trainer.optimizer.state.values()) and not any(start.optimizer.state.values()):
        zeros = with_zeros(start, trainer)
        if _starts_as(steps[len(batch[0])][0], zeros, start, batch):
            start = zeros
        else:
            for parameter in start.optimizer.parameters():
                start.optimizer.state.setdefault(parameter, {})
            first = Context().run(written, copied(start), *batch)
    return Alone(start, first, steps)


def with_zeros(start: Trainer, trained: Trainer) -> Trainer:
    """`start` with an optimizer's state as that of `trained`, but of zeros."""
    made = copied(start)
    for one, other in zip(made.optimizer.parameters(), trained.optimizer.parameters(), strict=True):
        state = trained.optimizer.state.get(other, {})
        made.optimizer.state[one] = {
            name: np.zeros_like(value) if isinstance(value, np.ndarray) else type(value)(0)
            for name, value in state.items()
        }
    return made


def _starts_as(text: Text, zeros: Trainer, start: Trainer, batch: tuple[Batch, Batch]) -> bool:
    """Whether a program makes from zeros what `Trainer` makes of no state."""
    ours, theirs = copied(zeros), copied(start)
    with np.errstate(all="ignore"):
        step, _ = compiled(text, ours)
        if step(*batch) != theirs.step(*batch):
            return False
    pairs = zip(ours.optimizer.parameters(), theirs.optimizer.parameters(), strict=True)
    return all(a.data.tobytes() == b.data.tobytes() for a, b in pairs)
