"""The numbers at which the user's code may branch.

`x > 6` in a backward whose forward clips at 3 is wrong between the two, and right wherever else a number is drawn. With
which numbers the code compares is not worked out: all in it, its defaults and its attributes are taken.
"""

from typing import Any

from handgrad.check import held
from handgrad.check.ideal import functions
from handgrad.check.inputs import WIDEST

SMALLEST = 2.0**-6


def of(op: Any) -> list[float]:
    """0, and every number of the code of what was given, with both signs."""
    found: list[Any] = []
    for f in functions(op):
        found += [*f.__code__.co_consts, *(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    if not isinstance(op, tuple):
        found += [place.get() for place in held.places(op).values()]
    sizes = {abs(float(n)) for n in found if type(n) in (int, float) and SMALLEST <= abs(n) < WIDEST}
    return sorted({0.0, *sizes, *(-n for n in sizes)})
