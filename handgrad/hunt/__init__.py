"""A bug hunt: a published wrong gradient in a small readable file, or a bug of the catalogue in a net's code."""

from handgrad.hunt.catalogue import HUNTS, Hunt
from handgrad.hunt.named import find
from handgrad.hunt.nets import NETS
from handgrad.hunt.planted import NetHunt

__all__ = ["HUNTS", "NETS", "Hunt", "NetHunt", "find"]
