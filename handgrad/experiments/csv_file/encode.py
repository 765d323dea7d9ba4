"""The rows of another file as inputs of a net that was trained: read as its own were, and never by what they are."""

import math
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from contract import Array
from handgrad.experiments.csv_file.columns import MISSING
from handgrad.experiments.csv_file.dates import part_of, read_dates
from handgrad.experiments.csv_file.numbers import MULTIPLES, multiplied, number_of
from handgrad.experiments.csv_file.table import Table, Texts
from handgrad.experiments.encoding import Dates, Encoding, Kinds, Number


def encoded(table: Table, inputs: Sequence[Encoding], beside: Sequence[str] = ()) -> Array:
    """The inputs `(n, features)` of a table's rows; columns called `beside` may be there, and are not looked at.

    ValueError in one line for another column, for one that is not there, and, by row and cell, for a text that was not
    in the training data, for what is no number or no date, and for a missing value, unless the net was trained with
    them filled in.
    """
    wanted = [way.name for way in inputs]
    for name in table.header:
        if name not in wanted and name not in beside:
            near = get_close_matches(name, wanted, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise table.error(f"column {name!r} is none of those that the net was trained on{hint}: leave it out")
    if absent := [name for name in wanted if name not in table.header]:
        raise table.error(f"it has no column {absent[0]!r}, which the net was trained on")
    cells = dict(zip(table.header, map(list, zip(*table.rows, strict=True)), strict=True))
    return np.concatenate([_columns(table, way, cells[way.name]) for way in inputs], axis=1)


def _columns(table: Table, way: Encoding, values: Texts) -> Array:
    """The inputs `(n, …)` that one column becomes."""
    gone = [value.lower() in MISSING for value in values]
    if True in gone and (way.fills if isinstance(way, Dates) else way.fill) is None:
        row = gone.index(True)
        raise table.bad(row, way.name, values[row], "which is a missing value: the net was trained without any")
    if isinstance(way, Kinds):
        return _kinds(
            table, way, [way.fill or "" if missing else value for value, missing in zip(values, gone, strict=True)]
        )
    if isinstance(way, Number):
        numbers = [math.nan if gone[row] else _number(table, way, row, value) for row, value in enumerate(values)]
        column = np.array(numbers)
        return way.standard.of(np.where(gone, way.fill, column) if way.fill is not None else column)[:, np.newaxis]
    return _dates(table, way, values, gone)


def _kinds(table: Table, way: Kinds, values: Texts) -> Array:
    places = {text: place for place, text in enumerate(way.texts)}
    for row, value in enumerate(values):
        if value not in places:
            near = get_close_matches(value, way.texts, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else f"; those are {', '.join(way.texts)}"
            raise table.bad(row, way.name, value, f"which was not in the training data{hint}")
    return np.equal.outer([places[value] for value in values], np.arange(len(way.texts))).astype(np.float64)


def _number(table: Table, way: Number, row: int, text: str) -> float:
    cell = number_of(text)
    units = {*way.units, *(MULTIPLES if way.multiples else ())}
    plain = None if cell is None or cell.unit not in units else cell.plain(way.mark)
    if cell is None or plain is None:
        usual = " or ".join(f"in {unit}" if unit else "without a unit" for unit in way.units)
        comma = ", with a decimal comma" if way.mark == "," else ""
        raise table.bad(row, way.name, text, f"and the net was trained on numbers {usual}{comma}")
    found = float(multiplied(plain, cell.unit) if way.multiples else plain)
    if math.isinf(found):
        raise table.bad(row, way.name, text, "which is no finite number")
    return found


def _dates(table: Table, way: Dates, values: Texts, gone: Sequence[bool]) -> Array:
    there = [row for row, missing in enumerate(gone) if not missing]
    moments = []
    for row in there:
        read = {found[values[row]] for form in way.ways if (found := read_dates([values[row]], form)) is not None}
        if len(read) != 1:
            why = "may be two dates" if read else f"and the dates of the training data are written as {way.ways[0]}"
            raise table.bad(row, way.name, values[row], why)
        moments.append(read.pop())
    columns = []
    for part, standard, fill in zip(way.parts, way.standards, way.fills or (0.0,) * len(way.parts), strict=True):
        column = np.full(len(values), fill)
        column[there] = part_of(part, moments)
        columns.append(standard.of(column))
    return np.stack(columns, axis=1)
