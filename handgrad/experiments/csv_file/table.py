"""The cells of a file: which character stands between them, what is a comment, and which line has the names.

CSV with commas, semicolons, tabs or bars; columns with blanks between them; and ARFF.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from handgrad.experiments.csv_file.numbers import PLAIN, analysed
from handgrad.experiments.csv_file.text import read_text

DELIMITERS = ",;\t|"
BLANKS = " "
SAMPLE = 50  # records that tell which delimiter it is
SHOWN = 40  # characters of a cell in an error
MIN_ROWS = 8

Texts = list[str]
Record = tuple[int, Texts]
"""The line in which a record begins, and its cells."""


@dataclass(frozen=True)
class Table:
    """The cells of a file, in which line of it each row begins, and what was assumed of it."""

    path: Path
    header: Texts
    rows: list[Texts]
    lines: list[int]
    numbers: list[int]  # of the rows, from 1 below the header
    delimiter: str = ","
    notes: list[str] = field(default_factory=list)

    def error(self, text: str) -> ValueError:
        return ValueError(f"{self.path}: {text}")

    def bad(self, row: int, name: str, cell: str, why: str) -> ValueError:
        """The error that names a cell."""
        shown = cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}…"
        return self.error(f"row {self.numbers[row]} (line {self.lines[row]}) of column {name!r} is {shown!r}, {why}")


def load(path: Path, training: bool = True, content: bytes | None = None) -> Table:
    """The table in a file. ValueError in one line for what is none, and for one with too few rows for `training`."""
    text, notes = read_text(path, content)
    header, records, delimiter = (*_arff(path, text), ",") if _is_arff(text) else _csv(path, text, notes)
    lines = [line for line, _ in records]
    rows, numbers = [cells for _, cells in records], list(range(1, len(lines) + 1))
    table = Table(path, header, rows, lines, numbers, delimiter, notes)
    _refuse_header(table)
    for number, row in enumerate(table.rows):
        if len(row) != len(table.header):
            where = f"row {number + 1} (line {table.lines[number]})"
            raise table.error(f"{where} has {len(row)} cells; the header has {len(table.header)}")
    if training:
        enough(table)
    elif not table.rows:
        raise table.error("it has no rows")
    return table


def enough(table: Table) -> None:
    """ValueError for a table with too few rows."""
    if len(table.rows) < MIN_ROWS:
        raise ValueError(
            f"{table.path} has {len(table.rows)} rows; at least {MIN_ROWS} are needed, to train and to test"
        )


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv(path: Path, text: str, notes: list[str]) -> tuple[Texts, list[Record], str]:
    """The names and the records of a file, and its delimiter."""
    said = re.match(r"\s*\"?sep=(.)\"?[ \t]*(\r\n|\r|\n)", text, re.IGNORECASE)  # as Excel says it
    start, first_line = (said.end(), text.count("\n", 0, said.end()) + 1) if said else (0, 1)
    delimiter = said[1] if said else _delimiter(text)
    records = list(_records(path, text[start:], delimiter, first_line))
    comments, records = _without_comments(records)
    if not records:
        raise ValueError(f"{path} is empty")
    if comments and _names(comments[-1], records):
        return comments[-1], records, delimiter
    header = records[0][1]
    if not _looks_like_data(header, [cells for _, cells in records[1:]]):
        return *_whole(header, records[1:], notes), delimiter
    notes.append(f"the file has no line of names: its columns are called 1 to {len(header)}")
    return [str(number) for number in range(1, len(header) + 1)], records, delimiter


def _records(path: Path, text: str, delimiter: str, line: int = 1) -> Iterator[Record]:
    """Records with any content, their cells stripped."""
    if delimiter == BLANKS:
        for number, one in enumerate(text.splitlines(), line):
            if cells := [cell.strip('"') for cell in re.findall(r'"[^"]*"|\S+', one)]:
                yield number, cells
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begin, first = line, line
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if any(cells):
                yield begin, cells
            begin = first + reader.line_num
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}, in the record that begins in line {begin}") from error


def _delimiter(text: str) -> str:
    """The character of the first line with which the first records have most evenly as many cells."""
    lines = [line for line in text[:100_000].splitlines() if line.strip() and not line.lstrip().startswith("#")]
    first = re.sub(r'"[^"]*"', "", "\n".join(lines).lstrip()).splitlines()[:1]
    counts = {delimiter: "".join(first).count(delimiter) for delimiter in DELIMITERS}
    there = [delimiter for delimiter in DELIMITERS if counts[delimiter]]
    if not there or (there == ["\t"] and any(_numbers(cell) for cell in lines[0].split("\t"))):
        widths = {len(re.findall(r'"[^"]*"|\S+', line)) for line in lines[:SAMPLE]}
        return BLANKS if len(widths) == 1 and widths != {1} else ","
    return max(there, key=lambda delimiter: (_evenness(lines, delimiter), counts[delimiter]))


def _numbers(cell: str) -> bool:
    """Whether there are several numbers with blanks between: then a tab is one blank more."""
    return len(cell.split()) > 1 and all(map(PLAIN.fullmatch, cell.split()))


def _evenness(lines: Texts, delimiter: str) -> float:
    """The share of the first records that have as many cells as the first, in tenths."""
    try:
        widths = [len(cells) for cells in csv.reader(lines[:SAMPLE], delimiter=delimiter)]
    except csv.Error:
        return 0.0
    return round(10 * widths.count(widths[0]) / len(widths)) / 10


def _without_comments(records: list[Record]) -> tuple[list[Texts], list[Record]]:
    """Comments that stand before everything else, and all other records.

    Later a # begins a comment where the record has not as many cells as the others: else it is in a value.
    """
    before = 0
    while before < len(records) and records[before][1][0].startswith("#"):
        before += 1
    marked = [[cells[0].lstrip("# "), *cells[1:]] for _, cells in records[:before]]
    comments = [cells if cells[0] else cells[1:] for cells in marked]
    rest = records[before:]
    width = len(rest[0][1]) if rest else 0
    return comments, [r for r in rest if not (r[1][0].startswith("#") and len(r[1]) != width)]


def _names(comment: Texts, records: list[Record]) -> bool:
    """Whether a comment has the columns' names: as many as there are cells, and the first record has numbers."""
    first = records[0][1]
    return len(comment) == len(first) > 1 and all(comment) and any(_number(cell) for cell in first)


def _whole(header: Texts, records: list[Record], notes: list[str]) -> tuple[Texts, list[Record]]:
    """Without columns that a program added: row names, a pandas index, an empty last column."""
    widths = {len(cells) for _, cells in records}
    if widths == {len(header) + 1}:  # R's row names have no name; a line may end in a delimiter
        if not any(cells[-1] for _, cells in records):
            return header, [(line, cells[:-1]) for line, cells in records]
        if len({cells[0] for _, cells in records}) == len(records):
            notes.append("the first column has no name and another value in every row: left out")
            return header, [(line, cells[1:]) for line, cells in records]
    if widths != {len(header)}:
        return header, records
    if len(header) > 2 and not header[0] and _counts([cells[0] for _, cells in records]):
        notes.append("the first column has no name and counts the rows: left out")
        header, records = header[1:], [(line, cells[1:]) for line, cells in records]
    if len(header) > 2 and not header[-1] and not any(cells[-1] for _, cells in records):
        header, records = header[:-1], [(line, cells[:-1]) for line, cells in records]
    return header, records


def _counts(values: Texts) -> bool:
    return any(values == [str(number + start) for number in range(len(values))] for start in (0, 1))


def _number(cell: str) -> bool:
    return PLAIN.fullmatch(cell) is not None or analysed(cell) is not None


def _looks_like_data(header: Texts, rows: list[Texts]) -> bool:
    """Whether the first line is a row: some of its cells could only be values, and none only a name."""
    data = False
    for column, first in enumerate(header):
        below = [row[column] for row in rows if column < len(row)]
        numbers = sum(_number(cell) for cell in below)
        if 2 * numbers > len(below):
            if first and not _number(first):
                return False
            data |= bool(first) and (not first.isdecimal() or first in below)  # a year is a name
        else:
            data |= bool(first) and first in below
    return data


# --- ARFF -------------------------------------------------------------------------------------------------------------


def _is_arff(text: str) -> bool:
    return re.match(r"(\s*%[^\n]*\n|\s)*@relation\b", text, re.IGNORECASE) is not None


def _arff(path: Path, text: str) -> tuple[Texts, list[Record]]:
    """The attributes' names and the rows of an ARFF file, Weka's format."""
    header: Texts = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if found := re.match(r"\s*@attribute\s+('[^']*'|\"[^\"]*\"|\S+)", line, re.IGNORECASE):
            header.append(found[1].strip("'\""))
        elif re.match(r"\s*@data\b", line, re.IGNORECASE):
            kept = ((i, one) for i, one in enumerate(lines[number:], number + 1) if not one.lstrip().startswith("%"))
            return header, list(_arff_rows(path, kept))
    raise ValueError(f"{path} is an ARFF file without @data")


def _arff_rows(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    for number, line in lines:
        if line.lstrip().startswith("{"):
            raise ValueError(f"{path}: line {number} is a sparse ARFF row: save the file with all values, or as CSV")
        quote = "'" if "'" in line else '"'
        cells = [cell.strip() for cell in next(csv.reader([line], quotechar=quote, skipinitialspace=True), [])]
        if any(cells):
            yield number, cells


# --- names ------------------------------------------------------------------------------------------------------------


def _refuse_header(table: Table) -> None:
    """ValueError for a first line that is data or comes again, and for names that are missing or there twice."""
    if table.header in table.rows and not any(map(PLAIN.fullmatch, table.header)):
        line = table.lines[table.rows.index(table.header)]
        raise table.error(f"line {line} is the header again: leave it out")
    for column, name in enumerate(table.header):
        decimals = PLAIN.fullmatch(name) is not None and not name.isdecimal()
        if decimals or (name and any(row[column : column + 1] == [name] for row in table.rows) and not _unnamed(table)):
            raise table.error(
                f"the first line looks like data ({name!r} in it is a value): put a line with the columns' names first"
            )
    for number, name in enumerate(table.header, 1):
        if not name:
            raise table.error(f"column {number} has no name in the first line: give it one, or leave the column out")
    if twice := [name for name, times in Counter(table.header).items() if times > 1]:
        raise table.error(f"the header has {twice[0]!r} {table.header.count(twice[0])} times; names must differ")


def _unnamed(table: Table) -> bool:
    """Whether the names are of this program: numbers from 1 on."""
    return table.header == [str(number) for number in range(1, len(table.header) + 1)]
