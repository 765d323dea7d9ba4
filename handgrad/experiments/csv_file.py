"""An experiment made of a CSV file: types inferred, standardised by training statistics, a quarter held out by seed.

A column of plain numbers is numeric; a column of texts is categorical and becomes one column of 0 and 1 per text. A
column that is neither, numbers with a slip among them or numbers in another dress ("2,5", "7 %"), is refused: as texts
it would become a column per value. The target is a class where it is text, or whole numbers of at most `MAX_CLASSES`
different values; else it is a number. Equal numbers are one class however they are written.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contract import Array
from handgrad.experiments.data import standardised
from handgrad.experiments.experiment import Data, Expectation, Experiment

MAX_CLASSES = 10  # different whole numbers that still count as classes
MAX_TEXTS = 50  # different texts of a categorical column
MIN_ROWS = 8
HELD_OUT = 0.25
JUDGED = 1000  # steps of a run that are judged, about
MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?")
INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060"))  # a byte order mark and spaces of no width

PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""What is a number here: `float` takes more, such as 1_000, １２ and nan."""

TRIMMINGS = " '\"“”‘’()[]%‰$¢£¥€₹₩₽₺₿"
DRESSED = re.compile(
    r"[-+−–]?\s*(0[xob][\da-f]+|inf(inity)?|(\d+(_\d+)*|\d{1,3}([.,'’ ]\d{3})+|\d{1,2}(,\d{2})*,\d{3}|(?=[.,]\d))"
    r"([.,]\d*)?([ed][-+−]?\d+)?)\s*-?",
    re.IGNORECASE,
)
"""A number that is not plain, trimmings off: decimal commas, separators between digits, other digits, other bases."""

WITH_UNIT = re.compile(r"[-+−]?\d+([.,]\d+)?\s*(?P<unit>[^\d\s.,:/-][^\d\s]{0,5})")

Texts = list[str]


@dataclass(frozen=True)
class Table:
    """The cells of a file, and in which line of it each row begins."""

    path: Path
    header: Texts
    rows: list[Texts]
    lines: list[int]

    def error(self, text: str) -> ValueError:
        return ValueError(f"{self.path}: {text}")

    def bad(self, row: int, name: str, cell: str, why: str) -> ValueError:
        """The error that names a cell; rows count from 1 below the header."""
        shown = cell if len(cell) <= 40 else f"{cell[:40]}…"
        return self.error(f"row {row + 1} (line {self.lines[row]}) of column {name!r} is {shown!r}, {why}")


@dataclass(frozen=True)
class Columns:
    """A file's feature columns by name, as floats `(n,)` or texts, and its target."""

    features: dict[str, Array | Texts]
    target: Array | Texts
    name: str  # of the target
    classes: tuple[str, ...] | None  # of the target; None where it is a number


def read(path: Path, target: str | None) -> Experiment:
    """The experiment in a CSV file. ValueError in one line for whatever in it cannot be used."""
    columns = _columns(_table(path), target)
    rows, kind = len(columns.target), "regression" if columns.classes is None else "multiclass"
    if columns.classes is None:
        yardstick = Expectation("test_loss", "max", 1.0, decides=False)  # that of always answering the mean
    else:
        most = max(Counter(columns.target).values()) / rows  # the share of always answering the most frequent class
        yardstick = Expectation("test_accuracy", "min", most, decides=False)
    batch_size, epochs = min(32, rows), 50
    experiment = Experiment(
        name=re.sub(r"[^\w.-]+", "-", path.stem).strip(".-") or "csv",
        title=f"{path.name}: {columns.name} from {len(columns.features)} columns",
        source=path.name,
        task=kind,
        size=f"{rows} × {len(columns.features)}",
        data=lambda seed: _split(columns, seed),
        hidden=(32, 16),
        loss="MSELoss" if columns.classes is None else "CrossEntropyLoss",
        optimizer="Adam",
        lr=0.003,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=True,
        expect=yardstick,
        printed="your own data",
        band="measure it with --seeds 20",
        judge_every=max(1, epochs * rows // batch_size // JUDGED),
    )
    return replace(experiment, original=experiment)


# --- cells ------------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}, line {line}): save it as UTF-8") from error
    if "\0" in text:  # UTF-16 without its mark, or no text at all
        raise ValueError(f"{path} is not UTF-8 text (character {text.index(chr(0))} is NUL): save it as UTF-8")
    return text.translate(INVISIBLE)


def _table(path: Path) -> Table:
    """The cells of a file with commas, semicolons or tabs. Lines without any content are passed over."""
    text = _text(path)
    first = re.sub(r'"[^"]*"', "", text[:100_000]).lstrip().splitlines()[:1]
    delimiter = max(",;\t", key="".join(first).count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, lines, line = [], [], 1
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if any(cells):
                rows.append(cells)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}, in the record that begins in line {line}") from error
    if not rows:
        raise ValueError(f"{path} is empty")
    table = Table(path, rows[0], rows[1:], lines[1:])
    _refuse_header(table)
    for number, row in enumerate(table.rows):
        if len(row) != len(table.header):
            where = f"row {number + 1} (line {table.lines[number]})"
            raise table.error(f"{where} has {len(row)} cells; the header has {len(table.header)}")
    if len(table.rows) < MIN_ROWS:
        raise ValueError(f"{path} has {len(table.rows)} rows; at least {MIN_ROWS} are needed, to train and to test")
    return table


def _refuse_header(table: Table) -> None:
    """ValueError for a first line that is data or comes again, and for names that are missing or there twice."""
    if table.header in table.rows and not any(map(PLAIN.fullmatch, table.header)):
        line = table.lines[table.rows.index(table.header)]
        raise table.error(f"line {line} is the header again: leave it out")
    for column, name in enumerate(table.header):
        decimals = PLAIN.fullmatch(name) is not None and not name.isdecimal()  # a year is a name
        if decimals or (name and any(row[column : column + 1] == [name] for row in table.rows)):
            raise table.error(
                f"the first line looks like data ({name!r} in it is a value): put a line with the columns' names first"
            )
    for number, name in enumerate(table.header, 1):
        if not name:
            raise table.error(f"column {number} has no name in the first line: give it one, or leave the column out")
    if twice := [name for name, times in Counter(table.header).items() if times > 1]:
        raise table.error(f"the header has {twice[0]!r} {table.header.count(twice[0])} times; names must differ")


# --- columns ----------------------------------------------------------------------------------------------------------


def _columns(table: Table, target: str | None) -> Columns:
    header = table.header
    if target is None:
        raise ValueError(f"--csv needs --target COLUMN, one of {', '.join(header)}")
    if target not in header:
        from difflib import get_close_matches

        near = get_close_matches(target, header, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"--target must be a column of {table.path}: {', '.join(header)}; got {target!r}{hint}")
    if len(header) == 1:
        raise ValueError(f"{table.path} has no column but the target {target!r}")
    found = dict(zip(header, map(list, zip(*table.rows, strict=True)), strict=True))
    for name, values in found.items():
        _refuse_missing(table, name, values)
    features = {name: _typed(table, name, values) for name, values in found.items() if name != target}
    for name, column in features.items():
        different = len(set(column)) if isinstance(column, list) else 0
        if different > min(MAX_TEXTS, len(column) - 1):
            raise table.error(
                f"column {name!r} has {different} different texts in {len(column)} rows, too many to be kinds "
                f"(at most {MAX_TEXTS}): leave it out"
            )
    learnt, classes = _target(table, target, found[target])
    return Columns(features, learnt, target, classes)


def _refuse_missing(table: Table, name: str, values: Texts) -> None:
    missing = [row for row, value in enumerate(values) if value.lower() in MISSING]
    if missing:
        raise table.error(
            f"{len(missing)} of {len(values)} values of column {name!r} are missing, the first in row {missing[0] + 1} "
            f"(line {table.lines[missing[0]]}): fill them in, or leave out the rows or the column"
        )


def _typed(table: Table, name: str, values: Texts) -> Array | Texts:
    """A feature: floats where every value is a plain number, texts where most are none. ValueError between the two."""
    if not _numeric(table, name, values):
        _refuse_constant(table, name, values, set(values), "it can tell nothing apart, leave it out")
        return values
    numbers = _floats(table, name, values)
    _refuse_constant(table, name, values, set(numbers.tolist()), "it can tell nothing apart, leave it out")
    return numbers


def _target(table: Table, name: str, values: Texts) -> tuple[Array | Texts, tuple[str, ...] | None]:
    """What is to be learnt: labels and the classes in order, or floats and None."""
    if _numeric(table, name, values):
        numbers = _floats(table, name, values, exact=False)
        exact = {value: _exact(value) for value in dict.fromkeys(values)}
        different = sorted(set(exact.values()))
        if len(different) > MAX_CLASSES or any(number != number.to_integral_value() for number in different):
            _refuse_constant(table, name, values, set(numbers.tolist()), "there is nothing to learn")
            return _floats(table, name, values), None
        written = {exact[value]: value for value in reversed(exact)}  # as it stands in the first row that has it
        labels, classes = [written[exact[value]] for value in values], tuple(written[number] for number in different)
    else:
        labels, classes = values, tuple(sorted(set(values)))
    _refuse_constant(table, name, values, set(classes), "there is nothing to learn")
    rarest, times = Counter(labels).most_common()[-1]
    if times < 2:
        raise table.error(f"class {rarest!r} of {name!r} has one row; it needs one to train and one to test")
    return labels, classes


def _refuse_constant(table: Table, name: str, values: Texts, different: set[float] | set[str], why: str) -> None:
    if len(different) == 1:
        raise table.error(f"column {name!r} is {values[0]!r} in every row: {why}")


# --- numbers ----------------------------------------------------------------------------------------------------------


def _numeric(table: Table, name: str, values: Texts) -> bool:
    """Whether every value is a plain number. ValueError naming the first that is none in a column of numbers."""
    different = Counter(values)
    plain = {value for value in different if PLAIN.fullmatch(value)}
    if len(plain) == len(different):
        return True
    numbers = plain | {value for value in different if _dressed(value)} | _with_unit(different)
    count = sum(different[value] for value in numbers)
    if 2 * count < len(values):
        return False
    row, cell = next((row, value) for row, value in enumerate(values) if value not in plain)
    if cell in numbers:
        raise table.bad(row, name, cell, "no plain number: write 1234.5, without separators, units, signs or brackets")
    raise table.bad(
        row,
        name,
        cell,
        f"and {count} of {len(values)} values are numbers: correct it, leave the row out, or, if the column holds "
        "kinds, write a letter before each number",
    )


def _dressed(text: str) -> bool:
    return DRESSED.fullmatch(unicodedata.normalize("NFKC", text).strip(TRIMMINGS)) is not None


def _with_unit(different: Iterable[str]) -> set[str]:
    """The numbers among texts that have one and the same unit; few of them are kinds, such as "2 doors"."""
    units = {value: match["unit"] for value in different if (match := WITH_UNIT.fullmatch(value))}
    if not units:
        return set()
    usual, times = Counter(units.values()).most_common(1)[0]
    return {value for value, unit in units.items() if unit == usual} if times > MAX_CLASSES else set()


def _exact(text: str) -> Decimal:
    """The number without rounding: 9007199254740993 is not 9007199254740992, which is the nearest float to both."""
    return Decimal(text) if float(text) else Decimal(0)


def _floats(table: Table, name: str, values: Texts, exact: bool = True) -> Array:
    """Plain numbers as floats `(n,)`. ValueError for those beyond the floats' range, at either end.

    With `exact`, also for two different whole numbers that would become one float.
    """
    numbers = np.array([float(text) for text in values])
    for row in np.flatnonzero(np.isinf(numbers) | (numbers == 0)).tolist():
        if numbers[row]:
            raise table.bad(row, name, values[row], "which is no finite number: the largest is about 1.8e308")
        if re.search("[1-9]", values[row].lower().partition("e")[0]):
            raise table.bad(
                row, name, values[row], "which is too near to 0 for a float: the smallest is about 4.9e-324"
            )
    if exact and np.abs(numbers).max() > 2**53 and all(text.isdecimal() for text in values):
        whole: dict[float, str] = {}
        for text in dict.fromkeys(values):
            other = whole.setdefault(float(text), text)
            if _exact(other) != _exact(text):
                raise table.error(
                    f"column {name!r} has {other!r} and {text!r}, which are the same 64-bit float: "
                    "subtract a number from all of them, or leave the column out"
                )
    return numbers


# --- the split --------------------------------------------------------------------------------------------------------


def _split(columns: Columns, seed: int) -> Data:
    """A quarter of the rows is held out, of classes a quarter of each (one row at least, one stays)."""
    rng = np.random.default_rng([seed, 2])  # 0 is the stream of the weights, 1 that of the shuffles
    rows = np.arange(len(columns.target))
    if columns.classes is None:
        target: npt.NDArray[np.generic] = np.asarray(columns.target)[:, np.newaxis]
        groups = [rows]
    else:
        target = _codes(columns.target, columns.classes)
        groups = [rows[target == number] for number in range(len(columns.classes))]
    train, test = [], []
    for group in groups:
        held = max(1, round(HELD_OUT * len(group)))
        order = rng.permutation(group)
        test.append(order[:held])
        train.append(order[held:])
    here, there = np.sort(np.concatenate(train)), np.sort(np.concatenate(test))

    x_train, x_test, names = [], [], []
    for name, column in columns.features.items():
        if isinstance(column, np.ndarray):
            ours, theirs = standardised(column[here, np.newaxis], column[there, np.newaxis])
            kinds = [name]
        else:
            texts = sorted(set(column))
            hot = np.equal.outer(_codes(column, texts), np.arange(len(texts))).astype(np.float64)
            ours, theirs, kinds = hot[here], hot[there], [f"{name}={text}" for text in texts]
        x_train.append(ours)
        x_test.append(theirs)
        names += kinds
    y_train, y_test = target[here], target[there]
    if columns.classes is None:
        y_train, y_test = standardised(y_train, y_test)
    return Data(
        x_train=np.concatenate(x_train, axis=1),
        y_train=y_train,
        x_test=np.concatenate(x_test, axis=1),
        y_test=y_test,
        classes=columns.classes,
        features=tuple(names),
    )


def _codes(values: Iterable[float | str], kinds: Iterable[str]) -> npt.NDArray[np.int64]:
    """The place of every value among `kinds`."""
    index: dict[float | str, int] = {kind: number for number, kind in enumerate(kinds)}
    return np.array([index[value] for value in values], np.int64)
