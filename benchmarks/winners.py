"""A result in one sentence, and as a table for other programs."""

import csv
import io
from collections.abc import Iterator

from benchmarks.contenders import OURS
from benchmarks.nets import Case
from benchmarks.result import Result, Row, rows_of, seconds_of
from benchmarks.statistics import Estimate, ratio_of, time_of

HEADINGS = ("question", "variant", "case", "contender", "seconds", "low", "high", "over_numpy", "over_low", "over_high")


def sentence(rows: list[Row]) -> str:
    """Who is fastest where; nobody where the interval of the ratio to the next holds 1. Empty for one contender."""
    won: dict[str, dict[str, list[str]]] = {}
    every: dict[str, list[str]] = {}
    for row in rows:
        samples = seconds_of(row)
        times = {name: time for name, own in samples.items() if (time := time_of(own)) is not None}
        order = sorted(times, key=lambda name: times[name].value)
        if len(order) > 1:
            ratio = ratio_of(samples[order[1]], samples[order[0]])
            winner = order[0] if ratio is not None and ratio.low > 1 else NOBODY
            net, how = _named(row["case"])
            won.setdefault(winner, {}).setdefault(how, []).append(net)
            every.setdefault(how, []).append(net)
    texts = [
        f"{name} on {'; '.join(_where(won[name], every))}" for name in sorted(won, key=lambda name: name == NOBODY)
    ]
    return f"Fastest: {', and '.join(texts)}." if texts else ""


def _where(won: dict[str, list[str]], every: dict[str, list[str]]) -> Iterator[str]:
    """Nets and how they are trained; `all nets`, once, for those ways in which there are several and none is missing,
    and what is missing where that is the shorter list."""
    complete = [how for how, nets in won.items() if len(nets) == len(every[how]) > 2]
    for how, nets in won.items():
        missing = [net for net in every[how] if net not in nets]
        if how not in complete:
            shorter = 0 < 2 * len(missing) < len(nets)
            yield f"{'all but ' if shorter else ''}{_listed(missing if shorter else nets)} ({how})"
    if complete:
        yield f"all nets ({'; '.join(complete)})"


NOBODY = "nobody by more than the noise"


def _named(case: Case) -> tuple[str, str]:
    """A net's sizes, which no two of the nets share; and how it is trained."""
    return "-".join(map(str, case["sizes"])), f"{case['optimizer']}, {case['dtype']}"


def _listed(nets: list[str]) -> str:
    return " and ".join([", ".join(nets[:-1]), nets[-1]] if len(nets) > 1 else nets)


def table(result: Result) -> str:
    """A line for each contender of each case, as CSV: the median time with its 95 % interval, in seconds, and the ratio
    to NumPy's in the same rounds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    for question, variant, row in rows_of(result):
        samples = seconds_of(row)
        for name, own in samples.items():
            ratio = ratio_of(own, samples[OURS]) if OURS in samples else None
            writer.writerow([question, variant, row["case"]["name"], name, *_three(time_of(own)), *_three(ratio)])
    return text.getvalue()


def _three(estimate: Estimate | None) -> Iterator[str]:
    yield from ["", "", ""] if estimate is None else (f"{v:.6g}" for v in (estimate.value, estimate.low, estimate.high))
