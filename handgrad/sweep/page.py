"""A sweep as a page: heat maps, every combination in a table that sorts, what failed, and how to get it again."""

from functools import partial
from pathlib import Path

import numpy as np
from markupsafe import Markup

from contract.names import SIDES
from handgrad.files import write_text
from handgrad.format import count, number, plain, share
from handgrad.report import template
from handgrad.report.plots import to_svg
from handgrad.sweep.dead_relu import Rate, agrees, disagreements, rates
from handgrad.sweep.maps import Map, best, maps
from handgrad.sweep.pictures import heat_map, shades, shares
from handgrad.sweep.record import Sweep
from handgrad.sweep.summary import Row, largest_gap, rows
from handgrad.sweep.text import value_words, words

FAILURES = 5  # shown in full
REPLACED = {"hidden": {"width", "depth", "net"}, "activation": {"net"}}
"""Fields of the recipe that mean nothing once one of these axes is swept."""


def write_page(found: Sweep, path: Path) -> None:
    """Write the page to `path`, all of it or nothing."""
    plan, table = found.plan, rows(found)
    dead = rates(found) if "net" in plan.axes else []
    write = partial(written, found)
    fixed = {words(name): value_words(values[0]) for name, values in plan.axes.items() if len(values) == 1}
    top = best(table)
    drawn = [] if dead else maps(found)
    swept = {*plan.axes, *(name for name, by in REPLACED.items() if by & set(plan.axes))}
    common = [(key.replace("_", " "), plain(value)) for key, value in plan.settings.items() if key not in swept]
    pictures = {whole: [_picture(found, one, drawn) for one in drawn if one.whole == whole] for whole in (True, False)}
    page = template.render(
        Path(__file__).parent / "page.html.j2",
        found=found,
        plan=plan,
        sides=SIDES,
        words=words,
        value_words=value_words,
        metric=plan.metric.replace("_", " "),
        table=[(rank, row, spread(found, row)) for rank, row in enumerate(table, 1)],
        best="" if top is None else f"{cell_words(found, top)}: {write(top.median['scratch'])}",
        gap=write(largest_gap(table)),
        judged=judged(found),
        numbers=count(sum(outcome.numbers for outcome in found.outcomes)),
        wide=max((one.values.shape[1] for one in drawn), default=0) > 6,
        pictures=pictures,
        rates=dead,
        rates_svg=Markup(to_svg(shares(dead), "shares", _said(dead))) if dead else "",
        disagreements=disagreements(found) if dead else [],
        agrees=agrees(found) if dead else True,
        share=share,
        failures=found.failed[:FAILURES],
        settings=[*fixed.items(), *common],
        environment=[(key.replace("_", " "), plain(value)) for key, value in found.environment.items()],
    )
    write_text(path, page)


def written(found: Sweep, value: float) -> str:
    """A value of the sweep's metric; what is not finite comes from training that diverged."""
    if not np.isfinite(value):
        return "diverged"
    return share(value) if found.plan.accuracy else number(value, 4)


def spread(found: Sweep, row: Row) -> dict[str, tuple[str, str]]:
    """For each side the median, and from the smallest to the largest where there are several runs."""
    write = partial(written, found)
    return {
        side: (write(row.median[side]), f"{write(row.low[side])} to {write(row.high[side])}" if row.runs > 1 else "")
        for side in SIDES
    }


def cell_words(found: Sweep, row: Row) -> str:
    """A combination in words, of the axes that vary."""
    return ", ".join(f"{words(name)} {value_words(row.cell[name])}" for name in found.plan.varied)


def judged(found: Sweep) -> str:
    """How often runs were judged, in words."""
    shares_ = sorted({(outcome.judged, outcome.steps) for outcome in found.outcomes})
    texts = [f"{judged:,} of {steps:,}" for judged, steps in shares_]
    if len(texts) > 4:
        texts = [texts[0], "…", texts[-1]]
    return f"judged: {', '.join(texts)} steps of a run, the last always" if texts else "nothing judged"


def _picture(found: Sweep, one: Map, drawn: list[Map]) -> dict[str, str]:
    """One map as the gallery wants it; those of the two sides are shaded on one scale."""
    group = [m for m in drawn if m.values.shape == one.values.shape and m.names == one.names]
    scale = shades(np.concatenate([m.values.ravel() for m in group]), found.plan.accuracy)
    figure = heat_map(one.values, one.labels, one.names, scale, accuracy=found.plan.accuracy, groups=one.groups)
    svg = Markup(to_svg(figure, one.name, one.described))
    return {"name": one.name, "title": one.title, "caption": one.caption, "svg": svg}


def _said(dead: list[Rate]) -> str:
    return "Share of dead runs: " + "; ".join(f"{r.net} on {SIDES[r.side]} {share(r.share)}" for r in dead)
