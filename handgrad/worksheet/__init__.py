"""One training step of a tiny net on small numbers, exact, to be filled in by hand; and what a wrong box looks like."""

from handgrad.worksheet.check import Finding, check
from handgrad.worksheet.sheet import ACTIVATIONS, LOSSES, Sheet, draw

__all__ = ["ACTIVATIONS", "LOSSES", "Finding", "Sheet", "check", "draw"]
