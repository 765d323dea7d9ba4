"""The checkpoints of a comparison: both sides, the copy one ulp apart, the run so far, and where it stands."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

import handgrad
from contract import Trainer
from handgrad.checkpoint.file import CheckpointError, as_read
from handgrad.checkpoint.folder import numbered, read_newest, remove_all, write_next
from handgrad.checkpoint.state import restore, state_of
from handgrad.experiments.experiment import CHANGEABLE
from handgrad.judge import Tally
from handgrad.judge.verdict import Failure
from handgrad.training.record import EpochRecord, Moment, Repeat, Run

if TYPE_CHECKING:
    from handgrad.training.prepared import Prepared

FOLDER = "checkpoints"  # within a run's own
EVERY = 10.0  # seconds between two checkpoints
SHARE = 0.01  # of the time, at most, unless the user says how often

FIXED = ("output_activation", "shuffle", "drop_last", "init", "seed", "dtype", "judge_every")
RECIPE = ("name", *CHANGEABLE, *FIXED)
"""The fields of an experiment that its numbers depend on, beside its data and its code."""


@dataclass
class Saving:
    """Where and how often a run writes checkpoints, and the one that it goes on from.

    `every` is in seconds, 0 after every step; None: so that they take SHARE of the time at most. What could not be
    written is said to `say`, and the run goes on.
    """

    folder: Path
    every: float | None = None
    say: Callable[[str], None] = print
    through: bool = False  # write one after the last step too: more is to come of this run
    command: str = "compare"  # whose run it is
    tree: dict[str, Any] | None = None  # the last one that was read or written
    last: Path | None = None  # where that is
    _next: float = field(default_factory=lambda: monotonic() + EVERY)

    def begin(self, prepared: "Prepared", resume: bool) -> None:
        """`find`, where that is wanted; and say where the run begins if the user may think otherwise."""
        if not resume and numbered(self.folder):
            self.say(f"{self.folder} holds a checkpoint that --resume would go on from; this run begins anew")
        if resume and not self.find(prepared):
            self.say(f"{self.folder.parent} holds no checkpoint; this run begins at the first step")

    def find(self, prepared: "Prepared") -> bool:
        """Read the newest whole checkpoint to go on from; False where there is none.

        Raises CheckpointError where it is of another run, or all are damaged.
        """
        if not numbered(self.folder):
            return False
        path, tree, damaged = read_newest(self.folder)
        for line in damaged:
            self.say(line)
        wanted, there = as_read(recipe(prepared, self.command)), tree.get("recipe")
        if not isinstance(there, dict) or not tree.keys() >= {"run", "sides", "position", "repeats", "environment"}:
            raise CheckpointError(f"{path} is not one of a run")
        for name in wanted:
            if there.get(name) != wanted[name]:
                raise CheckpointError(
                    f"{path} is of another run: its {name} is {there.get(name)!r:.80}, here it is {wanted[name]!r:.80}"
                )
        self.tree, self.last = tree, path
        return True

    def due(self) -> bool:
        return monotonic() >= self._next or self.every == 0

    def write(self, tree: dict[str, Any]) -> None:
        """Write `tree` as the next checkpoint. A full disk does not end the run."""
        start = monotonic()
        try:
            self.last = write_next(self.folder, tree)
            self.tree = tree
        except OSError as error:
            self.say(f"no checkpoint could be written to {self.folder}: {error.strerror or error}; the run goes on")
        end = monotonic()
        self._next = end + (max(EVERY, (end - start) / SHARE) if self.every is None else self.every)

    def add(self, repeat: Repeat) -> None:
        """Keep what another seed came to."""
        if self.tree is not None:
            self.tree = {**self.tree, "repeats": [*self.tree["repeats"], asdict(repeat)]}
            if self.due():
                self.write(self.tree)

    def repeats(self) -> list[Repeat]:
        """What other seeds came to before."""
        return [Repeat(**one) for one in self.tree["repeats"]] if self.tree is not None else []

    def keep(self) -> None:
        """Write what `add` has not written yet."""
        if self.tree is not None:
            self.write(self.tree)

    def remove(self) -> None:
        """The run is finished: its result says more."""
        remove_all(self.folder)


def recipe(prepared: "Prepared", command: str = "compare") -> dict[str, Any]:
    """What must be equal for one run to go on where another stopped."""
    digest = sha256()
    for name, array in prepared.data.arrays().items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    fields = {name: getattr(prepared.experiment, name) for name in RECIPE}
    versions = {"command": command, "handgrad": handgrad.__version__}
    return {**versions, **fields, "device": prepared.device, "data": digest.hexdigest()}


def tree_of(
    run: Run, prepared: "Prepared", copy: Trainer | None, shuffles: Mapping[str, Any], step: int, epoch: int
) -> dict[str, Any]:
    """The whole of a run after `step` of `epoch`; `shuffles` is what drew its batches, as it was before that epoch."""
    return {
        "position": {"step": step, "epoch": epoch, "shuffles": dict(shuffles)},
        "sides": {side: state_of(trainer) for side, trainer in prepared.trainers.items()},
        "copy": None if copy is None else state_of(copy),
        "run": {
            "command": run.command,
            "divergence": np.array(run.divergence),
            "one_ulp_copy": np.array(run.one_ulp_copy),
            "moments": [vars(moment) for moment in run.moments],
            "sides": {
                name: {
                    "losses": np.array(side.losses),
                    "seconds": np.array(side.seconds),
                    "seconds_written_out": np.array(side.seconds_written_out),
                    "epochs": [vars(record) for record in side.epochs],
                    "tally": asdict(side.tally),
                }
                for name, side in run.sides.items()
            },
        },
        "repeats": [],
        "recipe": recipe(prepared),
        "environment": run.environment,
    }


def take_over(
    tree: Mapping[str, Any], run: Run, prepared: "Prepared", copy: Trainer | None, shuffles: np.random.Generator
) -> int:
    """Make all of it as it was when `tree_of` looked. Returns the step; CheckpointError for what does not fit."""
    try:
        return _taken(tree, run, prepared, copy, shuffles)
    except (TypeError, LookupError, AttributeError) as error:
        raise CheckpointError(f"the checkpoint is not whole ({type(error).__name__}: {error})") from error


def _taken(
    tree: Mapping[str, Any], run: Run, prepared: "Prepared", copy: Trainer | None, shuffles: np.random.Generator
) -> int:
    there = tree["run"]
    for name, trainer in prepared.trainers.items():
        restore(tree["sides"][name], trainer)
    if copy is not None:
        restore(tree["copy"], copy)
    shuffles.bit_generator.state = tree["position"]["shuffles"]
    run.command = there["command"]
    run.divergence, run.one_ulp_copy = there["divergence"].tolist(), there["one_ulp_copy"].tolist()
    run.moments = [Moment(**moment) for moment in there["moments"]]
    for name, side in run.sides.items():
        own = there["sides"][name]
        side.losses, side.seconds = own["losses"].tolist(), own["seconds"].tolist()
        side.seconds_written_out = float(own["seconds_written_out"])
        side.epochs = [EpochRecord(**record) for record in own["epochs"]]
        side.tally = tally_of(own["tally"])
    step: int = tree["position"]["step"]
    return step


def tally_of(there: Mapping[str, Any]) -> Tally:
    """What `asdict` made of one, after it has been in a file."""
    failures = [
        Failure(**{**each, "index": tuple(each["index"]), "shape": tuple(each["shape"])}) for each in there["failures"]
    ]
    return Tally(**{**there, "failures": failures})


def changes(tree: Mapping[str, Any], environment: Mapping[str, Any]) -> list[str]:
    """A line for all that computes otherwise than before the checkpoint."""
    before = tree["environment"]
    return [
        f"the rest may differ in the last bits: {name} was {before.get(name)}, and is {environment.get(name)}"
        for name in sorted({*before, *environment})
        if before.get(name) != as_read(environment.get(name))
    ]
