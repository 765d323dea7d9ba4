"""Which heat maps a sweep has: one of each side for a pair of axes, and for more axes a map of every pair too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product

import numpy as np

from contract import Array
from contract.names import SIDES
from handgrad.format import number, share
from handgrad.sweep.record import Sweep
from handgrad.sweep.summary import Row, rows
from handgrad.sweep.text import value_words, words

MOST_CELLS = 400  # in one map: more cannot be read


@dataclass(frozen=True)
class Map:
    """One heat map, as numbers."""

    name: str
    title: str
    caption: str
    values: Array  # (rows, columns): medians, ±inf where training diverged, NaN where nothing was run
    labels: tuple[list[str], list[str]]
    names: tuple[str, str]
    groups: tuple[int, int]
    described: str  # for a screen reader
    whole: bool  # every axis, not a pair of them over the rest


def maps(found: Sweep) -> list[Map]:
    """Every combination on both sides where that can be read; with three axes or more, each pair over all the rest."""
    varied = list(found.plan.varied)
    across = partial(_map, found)
    made = []
    cells = math.prod(map(len, found.plan.varied.values()))
    if cells <= MOST_CELLS:
        cut = split([len(values) for values in found.plan.varied.values()])
        over = "" if len(found.plan.seeds) == 1 else f" The median over {len(found.plan.seeds)} seeds."
        for side, name in SIDES.items():
            made.append(across(side, varied[:cut], varied[cut:], f"{name}: every combination", over))
    if len(varied) > 2:
        for one, other in combinations(varied, 2):
            title = f"{words(one)} × {words(other)}".capitalize()
            made.append(across("scratch", [one], [other], title, " NumPy's median over every run that agrees in both."))
    return made


def split(sizes: Sequence[int]) -> int:
    """How many of the axes become rows, so that the map is narrow rather than wide: it is read on small screens too."""
    if len(sizes) == 1:
        return 0
    return min(range(1, len(sizes)), key=lambda cut: max(math.prod(sizes[:cut]), 2 * math.prod(sizes[cut:])))


def _map(found: Sweep, side: str, down: list[str], across: list[str], title: str, over: str) -> Map:
    axes, plan = found.plan.axes, found.plan
    table = {tuple(row.cell.values()): row.median[side] for row in rows(found, [*down, *across])}
    keys = [list(product(*(axes[name] for name in names))) for names in (down, across)]
    values = np.array([[table.get(one + other, math.nan) for other in keys[1]] for one in keys[0]])
    labels = [[by.join(map(value_words, key)) for key in some] for some, by in zip(keys, (" · ", "\n"), strict=True)]
    names = tuple(" · ".join(map(words, some)) for some in (down, across))
    groups = tuple(math.prod(len(axes[name]) for name in some[1:]) if len(some) > 1 else 0 for some in (down, across))
    unit = "per cent" if plan.accuracy else "lower is better"
    metric = plan.metric.replace("_", " ")
    write = share if plan.accuracy else partial(number, digits=3)
    finite = values[np.isfinite(values)]
    ends = f", from {write(float(finite.min()))} to {write(float(finite.max()))}" if len(finite) else ""
    return Map(
        name="-".join(["map", side, *down, *across]),
        title=title,
        caption=f"{metric.capitalize()}, {unit}; the brighter the better.{over}",
        values=values,
        labels=(labels[0], labels[1]),
        names=(names[0], names[1]),
        groups=(groups[0], groups[1]),
        whole=len(down) + len(across) == len(plan.varied),
        described=f"Heat map of {metric} over {' and '.join(filter(None, names))}{ends}; the table has every number",
    )


def best(table: Sequence[Row]) -> Row | None:
    """The first of ranked rows, unless it diverged."""
    return next((row for row in table if math.isfinite(row.median["scratch"])), None)
