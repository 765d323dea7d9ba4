"""Every box of the five source articles: what it shows, what it printed, and what both sides give here.

`python -m handgrad.sources` (`make sources`) measures and writes `docs/sources.md` and `docs/sources.json`. What stands
in the columns of the two sides is measured by code at that moment, never typed.
"""

from handgrad.sources.box import Box
from handgrad.sources.table import BOXES, TITLES

__all__ = ["BOXES", "TITLES", "Box"]
