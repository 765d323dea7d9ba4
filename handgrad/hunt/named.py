"""The names of the hunts: 1, 2, … for those that were published, classifier-1, classifier-2, … for those of a net."""

from handgrad.errors import BadInputError
from handgrad.format import shortened
from handgrad.hunt.catalogue import HUNTS, Hunt
from handgrad.hunt.nets import NETS
from handgrad.hunt.planted import NetHunt

DIGITS = 9  # of a number that draws


def find(name: str) -> tuple[int | str, Hunt | NetHunt]:
    """The hunt of that name, after how it is kept in a score. BadInputError in one line for any other."""
    net, dash, digits = name.rpartition("-")
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= DIGITS else -1
    if dash and net in NETS and number >= 0:
        return f"{net}-{number}", NetHunt(net, number)
    if not dash and 1 <= number <= len(HUNTS):
        return number, HUNTS[number - 1]
    drawn = f"a net and a number of up to {DIGITS} digits as in {next(iter(NETS))}-7"
    allowed = f"a whole number from 1 to {len(HUNTS)}, or {drawn}"
    raise BadInputError(f"the bug must be {allowed}, with one of the nets {', '.join(NETS)}; got {shortened(name)}")
