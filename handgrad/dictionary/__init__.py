"""The dictionary: what a page says of an op, made of docstring, source, catalogue and `measured.json`.

`handgrad explain` shows a page in the terminal, `docs.writers.dictionary` writes all of them as Markdown. What both
sides compute is measured when the Markdown is written, and kept in `measured.json`. Nothing here loads PyTorch.
"""

from handgrad.dictionary.page import facts, find, measurements
from handgrad.dictionary.source import FAMILIES, Code, Entry, entries

__all__ = ["FAMILIES", "Code", "Entry", "entries", "facts", "find", "measurements"]
