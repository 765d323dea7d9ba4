"""One training step in full: every intermediate number of both sides and its bound, and one number unfolded."""

from handgrad.trace.compute import Layer, Tensor, Trace, Update, trace
from handgrad.trace.entry import parse_entry, unfold
from handgrad.trace.line import Line, Number

__all__ = ["Layer", "Line", "Number", "Tensor", "Trace", "Update", "parse_entry", "trace", "unfold"]
