"""The NumPy side's step written out: for steps that nobody looks into, and as a text to read."""

from typing import Any

import scratch
from contract import Trainer
from scratch.unroll import UnrollError, unroll

PAYS = 2000  # steps from which on a program is worth its making


def quick(trainer: Trainer, steps: int) -> "Trainer | WrittenOut":
    """What makes so many steps of `trainer` that are not judged, the same to the last bit: itself, or programs."""
    return WrittenOut(trainer) if isinstance(trainer, scratch.Trainer) and steps >= PAYS else trainer


class WrittenOut:
    """A trainer's steps, written out where they can be. What they leave in `grad` the next one overwrites."""

    def __init__(self, trainer: scratch.Trainer) -> None:
        self.trainer = trainer
        try:
            self.make: Any = unroll(trainer).step
        except UnrollError:
            self.make = trainer.step

    def step(self, x: Any, y: Any) -> float:
        try:
            return float(self.make(x, y))
        except UnrollError:  # and nothing has changed
            self.make = self.trainer.step
            return self.trainer.step(x, y)


def program(trainer: Trainer, x: Any, y: Any) -> str:
    """One step of the NumPy side as a function of its trainer, to read; empty where it cannot be written out."""
    assert isinstance(trainer, scratch.Trainer)
    try:
        return unroll(trainer).source(x, y)
    except UnrollError:
        return ""
