"""One training step in full: every intermediate number of both sides and its bound, and one gradient entry as a sum."""

from handgrad.trace.compute import Layer, Tensor, Trace, trace
from handgrad.trace.entry import Entry, parse_entry, sum_of

__all__ = ["Entry", "Layer", "Tensor", "Trace", "parse_entry", "sum_of", "trace"]
