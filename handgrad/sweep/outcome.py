"""Whether a sweep passed: the one place that decides it. Terminal and `result.json` write what it says."""

from handgrad.ending import Ending
from handgrad.sweep.dead_relu import agrees
from handgrad.sweep.record import Sweep


def ending(found: Sweep) -> Ending:
    """Held if every run is done and parity held in all; for the dead ReLU, if the sides also agree on every seed."""
    held = not found.failed and len(found.outcomes) == found.runs
    return Ending(held and ("net" not in found.plan.axes or agrees(found)), found.interrupted, found.terminated)
