"""How long will a step of a net take? What was timed on other nets, put into four numbers for each contender.

    seconds = a + b · layers + c · elements + d · operations

A step costs something whatever its net (a), something for the calls of each layer (b), for each number that passes
through memory (c), and for each operation of its matrix products (d).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.nets import Net, problem_of
from benchmarks.result import Result, Row, main_variant, seconds_of
from benchmarks.statistics import Samples, costs, ratio_of, time_of

FEWEST = 12
"""Nets that four numbers are fitted to, at least."""

STEPS = ("step", "scaling", "crossover", "which")
"""The questions whose rows are times of whole steps."""


def steps(result: Result) -> Iterator[Row]:
    """The whole steps by SGD in float32 of a result, as libraries run where nothing is set."""
    for question in STEPS:
        variants = result["questions"].get(question)
        for row in variants[main_variant(variants)] if variants else ():
            if (row["case"]["optimizer"], row["case"]["dtype"]) == ("SGD", "float32"):
                yield row


def is_drawn(row: Row) -> bool:
    """Whether the row is there to try predictions, and not to be fitted."""
    return bool(row["case"].get("drawn"))


@dataclass(frozen=True)
class Model:
    """Seconds: per step, per layer, per element, per operation. `miss` is by which factor the fit is off its own nets,
    at the median: 1 where it meets half of them."""

    costs: tuple[float, ...]
    miss: float

    def seconds(self, net: Net) -> float:
        return sum(count * cost for count, cost in zip(_counts(net), self.costs, strict=True))


def _counts(net: Net) -> tuple[int, ...]:
    return 1, net.layers, net.elements, net.flops


def fitted(rows: Sequence[Row]) -> dict[str, Model]:
    """A model of each contender that was timed on FEWEST nets or more. Drawn nets have no part in it."""
    found: dict[str, list[tuple[Net, float]]] = {}
    for row in rows:
        if is_drawn(row):
            continue
        for name, samples in seconds_of(row).items():
            if time_of(samples):
                found.setdefault(name, []).append((problem_of(row["case"]).net, _least(samples)))
    models = {}
    for name, points in found.items():
        if len({net for net, _ in points}) >= FEWEST:
            own = costs([_counts(net) for net, _ in points], [seconds for _, seconds in points])
            model = Model(tuple(map(float, own)), 1.0)
            off = [abs(math.log(model.seconds(net) / seconds)) for net, seconds in points]
            models[name] = Model(model.costs, math.exp(float(np.median(off))))
    return models


def _least(samples: Samples) -> float:
    """The shortest block: what disturbs a machine only adds to a time, by another factor for each row."""
    return min(abs(seconds) for process in samples for seconds in process)


def predicted(models: Mapping[str, Model], net: Net) -> dict[str, float]:
    """Seconds of a step by contender, the fastest first."""
    times = {name: model.seconds(net) for name, model in models.items()}
    return dict(sorted(times.items(), key=lambda item: item[1]))


@dataclass(frozen=True)
class Trial:
    """A prediction beside what was measured."""

    row: Row
    said: str  # who is fastest
    margin: float  # how many times as long the next takes, as predicted
    fastest: list[str]  # those that nobody is faster than by more than the noise
    lost: float  # how many times as long the one that was named took, of the fastest's time

    @property
    def right(self) -> bool:
        return self.said in self.fastest


def tried(models: Mapping[str, Model], rows: Sequence[Row]) -> list[Trial]:
    """The predictions for the drawn nets among these."""
    trials = []
    for row in filter(is_drawn, rows):
        samples = {name: own for name, own in seconds_of(row).items() if name in models and time_of(own)}
        order = list(predicted({name: models[name] for name in samples}, problem_of(row["case"]).net).items())
        if len(order) > 1:
            (said, best), (_, following) = order[:2]
            slower = {name: [r for own in samples.values() if (r := ratio_of(samples[name], own))] for name in samples}
            fastest = [name for name, ratios in slower.items() if all(ratio.low <= 1 for ratio in ratios)]
            lost = max(ratio.value for ratio in slower[said])
            trials.append(Trial(row, said, following / best, fastest, lost))
    return trials
