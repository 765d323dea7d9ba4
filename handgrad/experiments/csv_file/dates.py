"""Dates and times as numbers: days since 1970, and the parts in which a year, a week or a day comes again."""

import re
from collections.abc import Iterable, Iterator
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


def moments(values: Iterable[str]) -> dict[str, datetime] | None:
    """The different texts as moments, where all are written in one way; None where they are none.

    Raises ValueError where two ways give different moments: 03/04/2024 is in March or in April.
    """
    texts = list(dict.fromkeys(values))
    if not texts or not all(":" in text or re.search(r"[-/. ]", text) for text in texts):
        return None
    if not all(LIKE_A_DATE.fullmatch(text) for text in texts):
        return None
    found: dict[str, datetime] | None = None
    for form in formats():
        if (read := _read(texts, form)) is None:
            continue
        if found is not None and found != read:
            raise ValueError(f"{texts[0]!r} may be {found[texts[0]]:%d %B %Y} or {read[texts[0]]:%d %B %Y}")
        found = read
    return found


def _read(texts: list[str], form: str) -> dict[str, datetime] | None:
    found = {}
    try:
        for text in texts:
            moment = datetime.strptime(text, form)  # without a zone it is taken for UTC
            found[text] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None
    return found


def parts(name: str, values: list[datetime]) -> dict[str, Array]:
    """Columns `(n,)`: days since 1970 under the column's own name, and the parts that come again in this time."""
    days = np.array([(moment - EPOCH).total_seconds() / 86400 for moment in values])
    columns = {name: days}
    read = {"month": lambda m: m.month, "weekday": lambda m: m.isoweekday(), "hour": lambda m: m.hour + m.minute / 60}
    for part, needed in PERIODS.items():
        column = np.array([float(read[part](moment)) for moment in values])
        monthly = part == "weekday" and all(moment.day == 1 for moment in values)  # no day was chosen
        if np.ptp(days) >= needed and np.ptp(column) > 0 and not monthly:
            columns[f"{name} {part}"] = column
    return columns
