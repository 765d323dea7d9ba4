"""Every claim of the five source articles: what it shows, what it printed, and what both sides give here.

`python -m docs.writers.articles` (`make sources`) measures and writes `docs/sources.md` and `docs/sources.json`. What
the columns of the two sides show is measured by code at that moment, never typed.
"""

from docs.writers.articles.claim import Claim
from docs.writers.articles.table import CLAIMS, TITLES

__all__ = ["CLAIMS", "TITLES", "Claim"]
