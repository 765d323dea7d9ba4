"""How a sweep calls its axes and their values."""

from typing import Any


def words(axis: str) -> str:
    """An axis as a reader calls it."""
    return "learning rate" if axis == "lr" else axis.replace("_", " ")


def value_words(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
