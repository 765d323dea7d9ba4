"""A bug hunt: one published wrong gradient, planted into a copy of a small readable file."""

from handgrad.hunt.catalogue import HUNTS, Hunt

__all__ = ["HUNTS", "Hunt"]
