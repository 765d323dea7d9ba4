"""Numbers as people write them: 1234.5, 1.234,50 €, (7 %), 12 kg, −3, 1 000. The cells of a column decide together.

A mark between digits is the decimal one or stands between thousands. One cell may leave that open, such as 1,234; the
others of the column, then those of the file, decide it. Nothing is guessed: what stays open is refused by its cell.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""What is a number without further ado: `float` takes more, such as 1_000, １２ and nan."""

SIGNS = "$¢£¥€₹₩₽₺₿"
CURRENCIES = "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|RUB|KRW|MXN|ZAR|TRY|Kč|zł|kr"
DRESSED = re.compile(
    rf"""(?P<open>\()?[\s'"\[]*(?P<sign>[+-])?\s*(?P<before>[{SIGNS}]|(?:{CURRENCIES})(?=[\s\d+-]))?\s*(?P<second>[+-])?
    (?P<body>\d[\d.,'’_\s]*|[.,]\d+)(?P<exponent>[ed][+-]?\d+)?(?P<late>-)?\s*
    (?P<after>[%‰{SIGNS}]|[^\W\d_][^\d\s;:,()\[\]'"+-]{{0,9}}(?:\ [^\W\d_]{{1,9}})?|°[CF]?)?[\s'"\]]*(?P<close>\))?""",
    re.IGNORECASE | re.VERBOSE,
)
GROUPED = {
    mark: re.compile(rf"[1-9]\d{{0,2}}(\{mark}\d{{3}})+|[1-9]\d?(\{mark}\d{{2}})*\{mark}\d{{3}}")
    for mark in (".", ",", "'", "’", " ", "_")
}
"""Digits in groups of three, or as in India of two before the last three."""

MARKS = (".", ",")
MULTIPLES = {"k": 3, "K": 3, "M": 6, "mio": 6, "Mio": 6, "B": 9, "bn": 9, "Bn": 9, "G": 9, "T": 12}
"""Letters that stand for a power of ten where a column has several of them."""
FEW = 10  # different values with a unit that may still be kinds, such as "2 doors"


class Cell(NamedTuple):
    """A number as `float` reads it, with either decimal mark; None where the digits do not allow that mark."""

    point: str | None
    comma: str | None
    unit: str = ""
    scaled: bool = False  # the unit is a % or a currency, and none of letters

    def plain(self, mark: str) -> str | None:
        return self.point if mark == "." else self.comma


def _read(body: str, mark: str) -> str | None:
    """Digits with marks in between as plain ones; None where they do not allow `mark` for the decimal one."""
    whole, found, fraction = body.partition(mark)
    if found and not fraction.isdecimal() and (fraction or mark == ","):
        return None
    if whole and not whole.isdecimal():
        between = {c for c in whole if not c.isdecimal()}
        if len(between) > 1 or mark in between or not GROUPED[min(between)].fullmatch(whole):
            return None
        whole = whole.replace(min(between), "")
    return f"{whole or '0'}{'.' if found else ''}{fraction}"


def _cell(sign: str, body: str, exponent: str, unit: str = "", scaled: bool = False) -> Cell:
    point, comma = (None if (read := _read(body, mark)) is None else f"{sign}{read}{exponent}" for mark in MARKS)
    return Cell(point, comma, unit, scaled)


@dataclass
class Column:
    """The different texts of a column as numbers; where a text is none, or is in another unit, it is not in `cells`."""

    cells: dict[str, Cell] = field(default_factory=dict)
    unit: str = ""
    scales: bool = False  # the units stand for powers of ten

    def marks(self) -> tuple[str, ...]:
        """The decimal marks that all cells allow."""
        return tuple(mark for mark in MARKS if all(cell.plain(mark) is not None for cell in self.cells.values()))

    def open(self) -> bool:
        """Whether the numbers depend on the mark."""
        return any(cell.point != cell.comma for cell in self.cells.values())

    def numbers(self, mark: str) -> dict[str, str]:
        """Text → the same number as `float` reads it."""
        found = {}
        for text, cell in self.cells.items():
            plain = cell.plain(mark)
            assert plain is not None
            found[text] = multiplied(plain, cell.unit) if self.scales else plain
        return found


def multiplied(plain: str, unit: str) -> str:
    """A plain number times the power of ten that its unit stands for."""
    power = MULTIPLES.get(unit, 0)
    base, _, exponent = plain.partition("e")
    return f"{base}e{int(exponent or 0) + power}" if power else plain


def analysed(text: str) -> Cell | None:
    """The parts of a number in any dress; None for what is no number."""
    if len(text) > 100 or re.match(r"[+-]?0[xob]", text, re.IGNORECASE):  # a code in another base
        return None
    found = DRESSED.fullmatch(_ascii(text))
    if found is None or (found["open"] is None) != (found["close"] is None):
        return None
    signs = [sign for sign in (found["sign"], found["second"], found["late"], "-" if found["open"] else None) if sign]
    if len(signs) > 1:
        return None
    around = [unit for unit in (found["before"], found["after"]) if unit]
    if len(around) > 1:
        return None
    body = re.sub(r"\s", " ", found["body"]).rstrip(" '’_")
    unit = "".join(around)
    exponent = (found["exponent"] or "").lower().replace("d", "e")
    scaled = bool(found["before"]) or unit in (*"%‰", *SIGNS, *CURRENCIES.split("|"))
    cell = _cell("-" if signs == ["-"] else "", body, exponent, unit, scaled)
    return None if cell.point is None and cell.comma is None else cell


def number_of(text: str) -> Cell | None:
    """The number in a cell, plain or dressed; None for what is none."""
    if not PLAIN.fullmatch(text):
        return analysed(text)
    base, _, exponent = text.lower().partition("e")
    return _cell("-" if base.startswith("-") else "", base.lstrip("+-"), f"e{exponent}" if exponent else "")


def column_of(values: Iterable[str]) -> Column:
    """What of a column's texts are numbers in one dress: without a unit or with the usual one."""
    found: dict[str, Cell] = {}
    for text in dict.fromkeys(values):
        if cell := number_of(text):
            found[text] = cell
    units = Counter(cell.unit for cell in found.values())
    letters = {unit for unit in units if unit and not next(c for c in found.values() if c.unit == unit).scaled}
    if len(letters) > 1 and letters <= set(MULTIPLES) and set(units) <= {"", *letters}:
        return Column(found, scales=True)
    few = {unit for unit in letters if units[unit] <= FEW}
    usual = max((unit for unit in units if unit not in few), key=lambda unit: units[unit], default="")
    if usual in letters and letters == {usual} and usual in MULTIPLES and set(units) == {"", usual}:
        return Column(found, usual, scales=True)
    same = {text: cell for text, cell in found.items() if cell.unit == usual}
    currency = next((c for c in found.values() if c.unit == usual and c.scaled and usual not in "%‰"), None)
    if currency or not usual:  # a price without its sign is a price, where all signs are one
        signs = {cell.unit for cell in found.values() if cell.scaled}
        if len(signs) == 1 and not signs & set("%‰"):
            same |= {text: cell for text, cell in found.items() if cell.unit in ("", *signs)}
            usual = next(iter(signs))
    return Column(same, usual)


def _ascii(text: str) -> str:
    """Digits of other scripts as 0 to 9, minus signs as -, all blanks as one kind."""
    text = unicodedata.normalize("NFKC", text).translate({0x2212: "-", 0x2013: "-", 0x201C: '"', 0x201D: '"'})
    return "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in text)
