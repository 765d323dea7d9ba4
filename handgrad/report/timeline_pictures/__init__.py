"""The recorded moments of training, as pictures of the same things at every moment.

`film(run, frames(run))` is what the report's slider moves through. A drawing is a function of the run, of everything
seen at its moments, and of the number of the moment to draw; None where there is nothing of that kind to draw.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from handgrad.report.timeline_pictures.images import first_weights, way
from handgrad.report.timeline_pictures.net import network
from handgrad.report.timeline_pictures.over_time import gradients, probabilities, units
from handgrad.report.timeline_pictures.plane import difference, neurons, region
from handgrad.training.record import Run
from handgrad.training.timeline import Frame


class Drawn(NamedTuple):
    """One moment. Every frame of a film has the same keys, in the order of the film's titles."""

    label: str  # "epoch 3, step 120"
    pictures: dict[str, str]  # key → inline SVG


class Film(NamedTuple):
    """All moments, in the order of training. `titles`: key → heading of that picture."""

    frames: list[Drawn]
    titles: dict[str, str]


DRAWINGS: dict[str, tuple[str, Callable[[Run, Sequence[Frame], int], str | None]]] = {
    "region-numpy": ("Answer over the plane, NumPy", region("scratch")),
    "region-torch": ("Answer over the plane, PyTorch", region("torch")),
    "difference": ("Difference, NumPy minus PyTorch", difference),
    "neurons": ("What each hidden neuron sees", neurons),
    "way": ("One picture's way through the net", way),
    "weights": ("What the first neurons look for", first_weights),
    "network": ("The net and one example", network),
    "probabilities": ("Probability of each example", probabilities),
    "gradients": ("Gradients, layer by layer", gradients),
    "units": ("Units that do not learn", units),
}
"""Key → heading and drawing, in the order of the page."""


def film(run: Run, seen: Sequence[Frame]) -> Film | None:
    """The film of a run and of what was seen at its moments; None where nothing was recorded."""
    if len(seen) < 2:
        return None
    with np.errstate(all="ignore"):  # numbers of a net that diverged: a drawing that cannot show them is left out
        pictures = {key: [draw_it(run, seen, i) for i in range(len(seen))] for key, (_, draw_it) in DRAWINGS.items()}
    drawn = {key: found for key, found in pictures.items() if all(found)}
    frames = [Drawn(frame.label, {key: str(found[i]) for key, found in drawn.items()}) for i, frame in enumerate(seen)]
    return Film(frames, {key: DRAWINGS[key][0] for key in drawn}) if drawn else None
