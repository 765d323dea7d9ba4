"""Dates and times as numbers: days since 1970, and the parts in which a year, a week or a day comes again."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import numpy as np

from contract import Array

DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m"),
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y"),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y"),
)
TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
LIKE_A_DATE = re.compile(r"(?!.*:\d(\D|$))(?!\d?\d\.\d\.|\d\.\d\d\.\d\d$)(?=.*\d.*\d)[\w.,:/+ -]{4,40}", re.ASCII)
"""Not a score, 2:1, and not a version, 1.2.34."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PERIODS = {"month": 2 * 365, "weekday": 14, "hour": 2}
"""Parts of a date, and how many days there must be for them to come again."""


def formats() -> Iterator[str]:
    yield from DAYS
    for day in DAYS:
        for between in (" ", "T"):
            for time in TIMES:
                yield from (f"{day}{between}{time}", f"{day}{between}{time}%z")
    yield from TIMES


def moments(values: Iterable[str]) -> tuple[dict[str, datetime], tuple[str, ...]] | None:
    """The different texts as moments, where all are written in one way, and the ways; None where they are none.

    Raises ValueError where two ways give different moments: 03/04/2024 is in March or in April.
    """
    texts = list(dict.fromkeys(values))
    if not texts or not all(":" in text or re.search(r"[-/. ]", text) for text in texts):
        return None
    if not all(LIKE_A_DATE.fullmatch(text) for text in texts):
        return None
    found: dict[str, datetime] | None = None
    ways = []
    for form in formats():
        if (read := read_dates(texts, form)) is None:
            continue
        ways.append(form)
        if found is not None and found != read:
            raise ValueError(f"{texts[0]!r} may be {found[texts[0]]:%d %B %Y} or {read[texts[0]]:%d %B %Y}")
        found = read
    return None if found is None else (found, tuple(ways))


def read_dates(texts: Iterable[str], form: str) -> dict[str, datetime] | None:
    """The texts as moments, where all are written in this way; without a zone they are taken for UTC."""
    found = {}
    try:
        for text in texts:
            moment = datetime.strptime(text, form)
            found[text] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None
    return found


DAY = "day"
PARTS: dict[str, Callable[[datetime], float]] = {
    DAY: lambda moment: (moment - EPOCH).total_seconds() / 86400,
    "month": lambda moment: float(moment.month),
    "weekday": lambda moment: float(moment.isoweekday()),
    "hour": lambda moment: moment.hour + moment.minute / 60,
}


def part_of(part: str, values: Iterable[datetime]) -> Array:
    """A part of every moment `(n,)`; DAY are the days since 1970."""
    return np.array([PARTS[part](moment) for moment in values])


def parts(values: list[datetime]) -> dict[str, Array]:
    """Days since 1970, and the parts that come again in this time, each `(n,)`."""
    days = part_of(DAY, values)
    columns = {DAY: days}
    for part, needed in PERIODS.items():
        column = part_of(part, values)
        monthly = part == "weekday" and all(moment.day == 1 for moment in values)  # no day was chosen
        if np.ptp(days) >= needed and np.ptp(column) > 0 and not monthly:
            columns[part] = column
    return columns


def part_name(name: str, part: str) -> str:
    """What a part of the column `name` is called; the days have the column's own name."""
    return name if part == DAY else f"{name} {part}"
