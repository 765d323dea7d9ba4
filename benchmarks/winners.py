"""A result in one sentence, and as a table for other programs."""

import csv
import io
from collections.abc import Iterator

from benchmarks.contenders import OURS
from benchmarks.result import Result, Row, rows_of, seconds_of
from benchmarks.statistics import Estimate, ratio_of, time_of

HEADINGS = ("question", "variant", "case", "contender", "seconds", "low", "high", "over_numpy", "over_low", "over_high")


def sentence(rows: list[Row]) -> str:
    """Who is fastest where; nobody where the interval of the ratio to the next holds 1. Empty for one contender."""
    won: dict[str, list[str]] = {}
    for row in rows:
        times = {name: time for name, samples in seconds_of(row).items() if (time := time_of(samples)) is not None}
        order = sorted(times, key=lambda name: times[name].value)
        if len(order) > 1:
            samples = seconds_of(row)
            ratio = ratio_of(samples[order[1]], samples[order[0]])
            clear = ratio is not None and ratio.low > 1
            won.setdefault(order[0] if clear else "nobody", []).append(row["case"]["name"])
    texts = [f"{name} on {'; '.join(cases)}" for name, cases in won.items() if name != "nobody"]
    if "nobody" in won:
        texts.append(f"nobody by more than the noise on {'; '.join(won['nobody'])}")
    return f"Fastest: {', and '.join(texts)}." if texts else ""


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
