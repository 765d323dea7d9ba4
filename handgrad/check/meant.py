"""Gradients that are wrong for what their code says, and right in another meaning that people give them.

Each function of `MEANINGS` knows one such meaning. Where it fits, all of what is wrong is explained by it, and nothing
else is wrong, the gradients are neither passed nor accused: a name for the first line, and a sentence.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.check import inputs as drawn
from handgrad.check import source
from handgrad.check.decide import Judged
from handgrad.check.match import gradient_of
from handgrad.check.report import GradientCheck
from handgrad.check.subject import Array
from handgrad.check.written import Written
from handgrad.judge.ball import Ball, Format
from handgrad.judge.explain.patterns import fits

NEAR = (
    2.0**-20
)  # room for an ε in the code's logarithm, as 1e−7: it tells one meaning from another, and no right number


def otherwise(subject: Written, judged: list[Judged], answer: GradientCheck) -> tuple[str, str]:
    """The first meaning in which all that is wrong is right; ("", "") if there is none."""
    wrong = {j.name for j in judged if j.wrong.any() or j.problem or j.direction}
    if {f.tensor for f in answer.findings} != {f"the gradient of {n}" for n in wrong}:
        return "", ""  # something else is wrong too
    mine = [j for j in judged if j.name in wrong]
    for meaning in MEANINGS:
        if found := meaning(subject, mine, set(answer.checked)):
            return found
    return "", ""


def _weights(subject: Written, checked: set[str]) -> set[str]:
    return {n for n in checked if n in subject.parameters or drawn.part(n) in drawn.WEIGHTS}


def _near(j: Judged, value: Array, factor: float = 1.0) -> bool:
    """Whether a value is a multiple of what the gradient should be."""
    if value.shape != j.expected.shape:
        return False
    if not np.isfinite(j.expected).any():  # as where every number is at a kink: this case says nothing
        return not j.wrong.any()
    mid = np.where(np.isfinite(j.expected), j.expected, 0.0)
    radius = np.where(np.isfinite(j.expected), j.radius, np.inf)
    return fits(value, Ball(mid, radius, Format.of(np.float64)), factor)


def averaged(subject: Written, wrong: list[Judged], checked: set[str]) -> tuple[str, str] | None:
    """The mean over the samples inside a layer, of all weights and biases."""
    names = {j.name for j in wrong}
    if not subject.reading.takes_upstream or len(names) < 2 or names != _weights(subject, checked) or names == checked:
        return None

    def mean(j: Judged, axis: int) -> bool:
        return not j.problem and j.point.output.ndim > 0 and _near(j, j.value, 1 / j.point.output.shape[axis])

    if not any(all(mean(j, axis) for j in wrong) for axis in (0, -1)):
        return None
    return "means over the samples", (
        f"the gradients of {', '.join(sorted(names))} are means over the samples, not sums: a convention of some "
        "courses. That is right if the loss is not divided by their number too, else it is done twice"
    )


def of_each_sample(subject: Written, wrong: list[Judged], checked: set[str]) -> tuple[str, str] | None:
    """A gradient for each sample, of all weights and biases, that is still to be summed, or averaged."""
    names = {j.name for j in wrong}
    if names != _weights(subject, checked):
        return None
    if not any(j.value.ndim > j.expected.ndim for j in wrong):
        return None
    for (word, reduce), axis in itertools.product((("sum", np.sum), ("mean", np.mean)), (0, -1)):
        # A bias that is a column has the axis already, of length 1.
        if all(_near(j, reduce(j.value, axis=axis, keepdims=j.value.ndim == j.expected.ndim)) for j in wrong):
            return "gradients of each sample", (
                f"the gradients of {', '.join(sorted(names))} are those of each sample, not reduced over the batch: "
                f"their {word} over axis {axis} is right"
            )
    return None


def of_one_column(subject: Written, wrong: list[Judged], checked: set[str]) -> tuple[str, str] | None:
    """A step of a recurrent net, written for one sample in a column, whose biases need no sum."""
    if not any(drawn.part(n) == "hidden" for n in subject.arguments) or {j.name for j in wrong} == checked:
        return None
    if source.sums(gradient_of(subject.reading)):  # over the samples of a batch: one was forgotten
        return None
    for j in (j for j in wrong if j.wrong.any() or j.problem):
        column = j.expected.ndim == 2 == j.value.ndim and j.expected.shape[1] == 1 < j.value.shape[1]
        if not column or not _near(j, j.value.sum(axis=1, keepdims=True)):
            return None
    names = ", ".join(sorted({j.name for j in wrong}))
    return "right for one column at a time", (
        f"the gradients of {names} are not summed over the columns of a batch: give one column, as --shape 3,1, "
        "to judge what is meant for one sample"
    )


def through(p: Array, g: Array) -> Iterator[tuple[str, Array]]:
    """The gradient of what a softmax or a sigmoid is given, from the p that it gives and the gradient g of that."""
    yield "sigmoid", p * (1 - p) * g
    for axis, text in ((-1, "softmax"), (0, "softmax, by columns")):
        if p.ndim:
            yield text, p * (g - (p * g).sum(axis=axis, keepdims=True))


def before_activation(subject: Written, wrong: list[Judged], checked: set[str]) -> tuple[str, str] | None:
    """A loss of probabilities with the gradient of the logits, as its code stands behind a softmax or a sigmoid."""
    if subject.reading.takes_upstream or not subject.targets or checked != {subject.predicts}:
        return None
    ways: set[str] | None = None
    for j in wrong:
        if j.problem or j.value.shape != j.expected.shape or not np.isfinite(j.expected).all():
            return None
        p = j.point.case.values[j.name]
        top = np.abs(j.expected).max(initial=0.0) + np.abs(p).max(initial=0.0)
        here = {t for t, g in through(p, j.expected) if (np.abs(j.value - g) <= j.radius + NEAR * top).all()}
        ways = here if ways is None else ways & here
    if not ways:
        return None
    way = sorted(ways)[0]
    return f"the gradient is that of the logits, before a {way}", (
        f"right behind a {way} that is left out of backward; of {subject.predicts} itself, as forward takes it, it is "
        "not the gradient"
    )


MEANINGS = (averaged, of_each_sample, of_one_column, before_activation)
