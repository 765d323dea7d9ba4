"""The checkpoints of a distributed run: those of a comparison, with one trained side and what rank 0 counted."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.checkpoint.file import CheckpointError
from handgrad.checkpoint.state import restore, state_of
from handgrad.distributed.record import DistributedRun
from handgrad.training.saving import recipe, tally_of

if TYPE_CHECKING:
    from handgrad.training.prepared import Prepared

COMMAND = "distributed"


def tree_of(run: DistributedRun, prepared: "Prepared", environment: Mapping[str, Any]) -> dict[str, Any]:
    """The whole of a run after the last of its steps. What drew the batches is not in it: it is drawn again."""
    return {
        "position": {"step": len(run.losses)},
        "sides": {"torch": state_of(prepared.trainers["torch"])},
        "copy": None,
        "run": {
            "losses": np.array(run.losses),
            "apart": run.apart,
            "equal": run.equal,
            "seconds": run.seconds,
            "tallies": {side: asdict(tally) for side, tally in run.tallies.items()},
        },
        "repeats": [],
        "recipe": recipe(prepared, COMMAND),
        "environment": dict(environment),
    }


def take_over(tree: Mapping[str, Any], run: DistributedRun, prepared: "Prepared") -> int:
    """Make all of it as it was when `tree_of` looked. Returns the step; CheckpointError for what does not fit."""
    try:
        there = tree["run"]
        restore(tree["sides"]["torch"], prepared.trainers["torch"])
        run.losses = there["losses"].tolist()
        run.apart, run.equal, run.seconds = float(there["apart"]), int(there["equal"]), float(there["seconds"])
        run.tallies = {side: tally_of(there["tallies"][side]) for side in run.tallies}
        return int(tree["position"]["step"])
    except (TypeError, LookupError, AttributeError) as error:
        raise CheckpointError(f"the checkpoint is not whole ({type(error).__name__}: {error})") from error
