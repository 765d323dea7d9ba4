"""What a file's columns are: numbers, dates, kinds, missing values, and the column to be learnt."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from difflib import get_close_matches

import numpy as np

from contract import Array
from handgrad.experiments.csv_file.dates import moments, part_name, parts
from handgrad.experiments.csv_file.numbers import PLAIN, Column, analysed, column_of
from handgrad.experiments.csv_file.table import Table, Texts, enough
from handgrad.experiments.encoding import Dates, Encoding, Kinds, Number

MAX_CLASSES = 10  # different whole numbers that still count as classes
MAX_TEXTS = 50  # different texts of a categorical column
WORDS = 3  # in a text on average, from which it is prose and no kind
GONE = ""  # a missing value, once it is known to be one
MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?")
POLICIES = ("refuse", "drop", "fill")
"""What is done with missing values: refuse the file, drop the rows, or fill in what is usual in the training part."""


@dataclass(frozen=True)
class Columns:
    """A file's feature columns by name, as floats `(n,)` or texts, how they were read, and its target.

    What is missing is NaN or `GONE`.
    """

    features: dict[str, Array | Texts]
    read: tuple[Encoding, ...]  # of the file's own columns; what depends on the training rows is not in them yet
    target: Array | Texts
    name: str  # of the target
    classes: tuple[str, ...] | None  # of the target; None where it is a number
    notes: tuple[str, ...] = ()


def columns_of(table: Table, target: str | None, missing: str = "refuse", leave_out: Sequence[str] = ()) -> Columns:
    """The columns of a table. ValueError in one line for whatever cannot be used, with the remedy."""
    if missing not in POLICIES:
        raise ValueError(f"--missing must be one of {', '.join(POLICIES)}; got {missing!r}")
    target = _chosen(table, target, leave_out)
    table = _without_gaps(_without_columns(table, leave_out), target, missing)
    enough(table)
    cells = dict(zip(table.header, map(list, zip(*table.rows, strict=True)), strict=True))
    found = {name: column_of(value for value in values if value != GONE) for name, values in cells.items()}
    numeric = {name: column for name, column in found.items() if _mostly(column, cells[name])}
    mark = _mark(table, cells, numeric)
    marks = {name: _decided(table, name, cells[name], c, mark) for name, c in numeric.items()}
    reader = _Reader(table, {name: _plain(table, name, c, marks[name]) for name, c in numeric.items()})
    features: dict[str, Array | Texts] = {}
    read: list[Encoding] = []
    for name, values in cells.items():
        if name != target:
            way, columns = reader.feature(name, values)
            if isinstance(way, Number):
                units = tuple(sorted({cell.unit for cell in numeric[name].cells.values()}))
                way = Number(name, mark=marks[name], units=units, multiples=numeric[name].scales)
            read.append(way)
            features |= columns
    learnt, classes = reader.target(target, cells[target])
    return Columns(features, tuple(read), learnt, target, classes, tuple(table.notes))


# --- which columns and rows -------------------------------------------------------------------------------------------


def _chosen(table: Table, target: str | None, leave_out: Sequence[str]) -> str:
    """The target's name. ValueError for names that are no columns."""
    header = table.header
    if target is None:
        raise ValueError(f"--csv needs --target COLUMN, one of {', '.join(header)}")
    for option, name in (("--target", target), *(("--leave-out", name) for name in leave_out)):
        if name not in header:
            near = get_close_matches(name, header, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"{option} must be a column of {table.path}: {', '.join(header)}; got {name!r}{hint}")
    if target in leave_out:
        raise ValueError(f"--leave-out must not name the target; got {target!r}")
    if len(set(header) - set(leave_out)) == 1:
        raise ValueError(f"{table.path} has no column but the target {target!r}")
    return target


def _without_columns(table: Table, leave_out: Sequence[str]) -> Table:
    kept = [column for column, name in enumerate(table.header) if name not in leave_out]
    rows = [[row[column] for column in kept] for row in table.rows]
    return replace(table, header=[table.header[column] for column in kept], rows=rows)


def _without_gaps(table: Table, target: str, missing: str) -> Table:
    """The table with missing values refused, their rows dropped, or marked as `GONE`."""
    rows = [[GONE if cell.lower() in MISSING else cell for cell in row] for row in table.rows]
    gaps = {name: [i for i, row in enumerate(rows) if row[c] == GONE] for c, name in enumerate(table.header)}
    gaps = {name: places for name, places in gaps.items() if places}
    for name, places in gaps.items():
        if missing == "refuse":
            raise table.error(
                f"{len(places)} of {len(rows)} values of column {name!r} are missing, the first in row "
                f"{table.numbers[places[0]]} (line {table.lines[places[0]]}): --missing drop leaves such rows out, "
                f"--missing fill puts in what is usual, --leave-out {_quoted(name)} leaves out the column"
            )
        if len(places) == len(rows):
            raise table.error(f"column {name!r} is empty: leave it out with --leave-out {_quoted(name)}")
    broken = set(gaps.get(target, ())) if missing == "fill" else {place for places in gaps.values() for place in places}
    if not broken:
        return replace(table, rows=rows)
    what = f"no {target!r}" if missing == "fill" else "a missing value"
    table.notes.append(f"{len(broken)} of {len(rows)} rows have {what} and are left out")
    kept = [i for i in range(len(rows)) if i not in broken]
    return replace(
        table,
        rows=[rows[i] for i in kept],
        lines=[table.lines[i] for i in kept],
        numbers=[table.numbers[i] for i in kept],
    )


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.-]+", name) else repr(name)


# --- numbers in one dress ---------------------------------------------------------------------------------------------


def _mostly(column: Column, values: Texts) -> bool:
    """Whether at least half of the values that are there are numbers."""
    there = [value for value in values if value != GONE]
    return 2 * sum(value in column.cells for value in there) >= len(there)


def _mark(table: Table, cells: dict[str, Texts], numeric: dict[str, Column]) -> str | None:
    """The decimal mark of the file; None where nothing tells. ValueError where two columns tell differently.

    Who writes decimal commas does not write commas between cells: in such a file a comma is that of thousands.
    """
    decided = {name: c.marks()[0] for name, c in numeric.items() if len(c.marks()) == 1 and c.open()}
    if len(set(decided.values())) < 2:
        return next(iter(decided.values()), "." if table.delimiter == "," else None)
    comma, point = (next(name for name, mark in decided.items() if mark == m) for m in (",", "."))
    plain = numeric[comma].cells
    row, cell = next((i, v) for i, v in enumerate(cells[comma]) if v in plain and plain[v].plain(".") is None)
    raise table.bad(row, comma, cell, f"with a decimal comma, and column {point!r} has decimal points: write 1234.5")


def _decided(table: Table, name: str, values: Texts, column: Column, mark: str | None) -> str:
    """The decimal mark of a column. ValueError naming the first cell that is no number, or that stays open."""
    numbers = column.cells
    count = sum(value in numbers for value in values)
    for row, cell in enumerate(values):
        if cell == GONE or cell in numbers:
            continue
        if analysed(cell) or PLAIN.fullmatch(cell):
            usual = f"in {column.unit}" if column.unit else "without a unit"
            raise table.bad(row, name, cell, f"and most values are {usual}: write all of them alike")
        raise table.bad(
            row,
            name,
            cell,
            f"and {count} of {len(values)} values are numbers: correct it, leave the row out, leave the column out "
            f"with --leave-out {_quoted(name)}, or, if it holds kinds, write a letter before each number",
        )
    marks = column.marks()
    if not marks:
        usual = max((".", ","), key=lambda m: sum(numbers[v].plain(m) is not None for v in values if v in numbers))
        row, cell = next((i, v) for i, v in enumerate(values) if v in numbers and numbers[v].plain(usual) is None)
        raise table.bad(row, name, cell, f"and others have {'points' if usual == '.' else 'commas'}: write all alike")
    if mark not in marks:
        mark = marks[0]
        if len(marks) == 2 and column.open() and any("," in cell for cell in numbers):
            row, cell = next((i, v) for i, v in enumerate(values) if v in numbers and "," in v)
            raise table.bad(
                row,
                name,
                cell,
                f"which may be {numbers[cell].plain('.')} or {numbers[cell].plain(',')}, and no other cell tells: "
                "write it without separators",
            )
    assert mark is not None
    return mark


def _plain(table: Table, name: str, column: Column, mark: str) -> dict[str, str]:
    """Text → number as `float` reads it."""
    plain = column.numbers(mark)
    if other := next((text for text in plain if not PLAIN.fullmatch(text) or float(text) != float(plain[text])), None):
        table.notes.append(f"column {name!r} has numbers as {other!r}, read as {float(plain[other]):g}")
    return plain


# --- columns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reader:
    """Makes features and a target of texts; `plain` are the numeric columns, text → number as `float` reads it."""

    table: Table
    plain: dict[str, dict[str, str]]

    def feature(self, name: str, values: Texts) -> tuple[Encoding, dict[str, Array | Texts]]:
        """How they are read, and the columns: floats of numbers, several of dates, texts of kinds."""
        self._refuse_constant(name, values, f"it can tell nothing apart, leave it out with --leave-out {_quoted(name)}")
        if name in self.plain:
            return Number(name), {name: self._floats(name, values)}
        if dates := self._dates(name, values):
            return dates
        different = set(values) - {GONE}
        if len(different) > min(MAX_TEXTS, len(values) - 1):
            words = sum(len(value.split()) for value in values) / len(values)
            what = "free text?" if words > WORDS else "an identifier?"
            raise self.table.error(
                f"column {name!r} has {len(different)} different texts in {len(values)} rows, too many to be kinds "
                f"(at most {MAX_TEXTS}): {what} Leave it out with --leave-out {_quoted(name)}"
            )
        return Kinds(name, tuple(sorted(different))), {name: values}

    def target(self, name: str, values: Texts) -> tuple[Array | Texts, tuple[str, ...] | None]:
        """What is to be learnt: labels and the classes in order, or floats and None."""
        self._refuse_constant(name, values, "there is nothing to learn")
        if name in self.plain:
            exact = {value: _exact(self.plain[name][value]) for value in dict.fromkeys(values)}
            different = sorted(set(exact.values()))
            if len(different) > MAX_CLASSES or any(number != number.to_integral_value() for number in different):
                return self._floats(name, values), None
            written = {exact[value]: value for value in reversed(exact)}  # as it stands in the first row that has it
            labels, classes = [written[exact[value]] for value in values], tuple(written[n] for n in different)
        else:
            labels, classes = values, tuple(sorted(set(values)))
        rarest, times = Counter(labels).most_common()[-1]
        if times < 2:
            raise self.table.error(f"class {rarest!r} of {name!r} has one row; it needs one to train and one to test")
        return labels, classes

    def _refuse_constant(self, name: str, values: Texts, why: str) -> None:
        there = [value for value in values if value != GONE]
        plain = self.plain.get(name)
        if len({_exact(plain[value]) for value in set(there)} if plain else set(there)) == 1:
            raise self.table.error(f"column {name!r} is {there[0]!r} in every row: {why}")

    def _dates(self, name: str, values: Texts) -> tuple[Dates, dict[str, Array | Texts]] | None:
        """The columns of dates; None where the values are no dates."""
        there = [place for place, value in enumerate(values) if value != GONE]
        try:
            found = moments(values[place] for place in there)
        except ValueError as error:
            raise self.table.error(f"column {name!r}: {error}, and no row tells: write 2024-03-31") from error
        if found is None:
            return None
        read, ways = found
        columns: dict[str, Array | Texts] = {}
        split = parts([read[values[place]] for place in there])
        for part, numbers in split.items():
            columns[part_name(name, part)] = whole = np.full(len(values), np.nan)
            whole[there] = numbers
        self.table.notes.append(f"column {name!r} has dates, read as {', '.join(columns)} (days since 1970 and parts)")
        return Dates(name, ways, tuple(split)), columns

    def _floats(self, name: str, values: Texts) -> Array:
        """Numbers as floats `(n,)`, NaN for missing ones. ValueError for what no float holds.

        That is a number beyond the floats' range, at either end, or two whole numbers that would become one float.
        """
        plain = {GONE: "nan", **self.plain[name]}
        numbers = np.array([float(plain[text]) for text in values])
        for row in np.flatnonzero(np.isinf(numbers) | (numbers == 0)).tolist():
            if numbers[row]:
                raise self.table.bad(row, name, values[row], "which is no finite number: the largest is about 1.8e308")
            if re.search("[1-9]", plain[values[row]].partition("e")[0]):
                raise self.table.bad(
                    row, name, values[row], "which is too near to 0 for a float: the smallest is about 4.9e-324"
                )
        if np.nanmax(np.abs(numbers)) > 2**53 and all(text.isdecimal() for text in self.plain[name]):
            whole: dict[float, str] = {}
            for text in dict.fromkeys(values):
                other = whole.setdefault(float(plain[text]), text)
                if text != GONE and _exact(plain[other]) != _exact(plain[text]):
                    raise self.table.error(
                        f"column {name!r} has {other!r} and {text!r}, which are the same 64-bit float: "
                        f"subtract a number from all of them, or leave it out with --leave-out {_quoted(name)}"
                    )
        return numbers


def _exact(text: str) -> Decimal:
    """The number without rounding: 9007199254740993 is not 9007199254740992, which is the nearest float to both."""
    return Decimal(text) if float(text) else Decimal(0)
