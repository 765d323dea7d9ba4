"""How numbers and texts are written for people, in the terminal and on every page."""

from typing import Any

NONE = "–"  # what a table shows where a number does not exist


def number(value: float | None, digits: int = 6) -> str:
    """So many significant digits."""
    if value is None:
        return NONE
    return f"{value:.{digits}g}".replace("nan", "NaN").replace("inf", "∞")


def share(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.2f} %"


def count(value: int) -> str:
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Three significant digits in the unit that suits."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def plain(value: Any) -> str:
    """A value of the environment or the recipe as a reader would write it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(entry)}" for key, entry in value.items()) or NONE
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NONE if value is None else str(value)


def written(metric: str, value: float | None) -> str:
    """Accuracies as shares, losses as numbers."""
    return share(value) if metric.endswith("accuracy") else number(value)


def shortened(text: str) -> str:
    """A text in quotes, its middle left out where it would fill the line."""
    return repr(text) if len(text) <= 80 else f"{text[:40]!r} … {text[-20:]!r} ({len(text)} characters)"
