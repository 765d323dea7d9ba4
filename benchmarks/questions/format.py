"""Times and ratios as the tables write them."""

from benchmarks.contenders import CONTENDERS
from benchmarks.result import Row, seconds_of
from benchmarks.statistics import Estimate, ratio_of, time_of

NOTHING = "—"


def time_text(seconds: float) -> str:
    """Three digits and a unit: 12.9 µs, 3.73 ms, 1.20 s."""
    for unit, scale in (("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{digits(seconds / scale)} {unit}"
    return f"{digits(seconds)} s"


def digits(value: float) -> str:
    """Three significant digits, written out."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def ratio_text(ratio: Estimate | None) -> str:
    """2.15 (2.09–2.21); with a ≈ where the interval holds 1, nobody is faster; with a ? where blocks are dirty."""
    if ratio is None:
        return NOTHING
    sign = ("" if ratio.clean else "? ") + ("≈ " if ratio.low <= 1 <= ratio.high else "")
    return f"{sign}{digits(ratio.value)} ({digits(ratio.low)}–{digits(ratio.high)})"


def time_cell(row: Row, name: str) -> str:
    estimate = time_of(seconds_of(row)[name]) if name in seconds_of(row) else None
    return NOTHING if estimate is None else ("" if estimate.clean else "? ") + time_text(estimate.value)


def ratio_cell(row: Row, name: str, over: str) -> str:
    times = seconds_of(row)
    return ratio_text(ratio_of(times[name], times[over])) if name in times and over in times else NOTHING


def present(rows: list[Row]) -> list[str]:
    """The contenders that were timed in some row, in the order of their table."""
    found = {name for row in rows for name in seconds_of(row)}
    return [name for name in CONTENDERS if name in found]
