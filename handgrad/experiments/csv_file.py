"""An experiment made of a CSV file: types inferred, standardised by training statistics, a quarter held out by seed.

A column whose every value is a number is numeric; any other is categorical and becomes one column of 0 and 1 per text.
The target is a class where it is text, or whole numbers of at most `MAX_CLASSES` different values; else it is a number.
"""

import csv
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from handgrad.contract import Array
from handgrad.experiments.data import standardised
from handgrad.experiments.experiment import Data, Expectation, Experiment

MAX_CLASSES = 10  # different whole numbers that still count as classes
MAX_TEXTS = 50  # different texts of a categorical column
MIN_ROWS = 8
HELD_OUT = 0.25
JUDGED = 1000  # steps of a run that are judged, about
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")

Texts = list[str]


@dataclass(frozen=True)
class Columns:
    """A file's feature columns by name, as floats `(n,)` or texts, and its target."""

    features: dict[str, Array | Texts]
    target: Array | Texts
    name: str  # of the target
    classes: tuple[str, ...] | None  # of the target; None where it is a number


def read(path: Path, target: str | None) -> Experiment:
    """The experiment in a CSV file. ValueError in one line for whatever in it cannot be used."""
    columns = _columns(path, *_cells(path), target)
    rows, kind = len(columns.target), "regression" if columns.classes is None else "multiclass"
    if columns.classes is None:
        yardstick = Expectation("test_loss", "max", 1.0, decides=False)  # that of always answering the mean
    else:
        most = max(Counter(columns.target).values()) / rows  # the share of always answering the most frequent class
        yardstick = Expectation("test_accuracy", "min", most, decides=False)
    batch_size, epochs = min(32, rows), 50
    experiment = Experiment(
        name=re.sub(r"[^\w.-]+", "-", path.stem) or "csv",
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


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a file with commas, semicolons or tabs."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start})") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        numbered = [
            (number, [cell.strip() for cell in row])
            for number, row in enumerate(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), 1)
            if row
        ]
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}") from error
    if not numbered:
        raise ValueError(f"{path} is empty")
    (_, header), *rows = numbered
    for number, row in rows:
        if len(row) != len(header):
            raise ValueError(f"{path}: record {number} has {len(row)} cells; the header has {len(header)}")
    if len(rows) < MIN_ROWS:
        raise ValueError(f"{path} has {len(rows)} rows; at least {MIN_ROWS} are needed, to train and to test")
    return header, [row for _, row in rows]


def _columns(path: Path, header: list[str], rows: list[list[str]], target: str | None) -> Columns:
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        raise ValueError(f"{path}: the header has {twice[0]!r} {header.count(twice[0])} times; names must differ")
    if target is None:
        raise ValueError(f"--csv needs --target COLUMN, one of {', '.join(header)}")
    if target not in header:
        from difflib import get_close_matches

        near = get_close_matches(target, header, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"--target must be a column of {path}: {', '.join(header)}; got {target!r}{hint}")
    if len(header) == 1:
        raise ValueError(f"{path} has no column but the target {target!r}")
    found: dict[str, Array | Texts] = {}
    for name, values in zip(header, map(list, zip(*rows, strict=True)), strict=True):
        missing = [i for i, value in enumerate(values, 1) if value.lower() in MISSING]
        if missing:
            raise ValueError(
                f"{path}: {len(missing)} of {len(values)} values of column {name!r} are missing, the first in row "
                f"{missing[0]}: fill them in, or leave out the rows or the column"
            )
        if len(set(values)) == 1:
            what = "the target" if name == target else "column"
            reason = "there is nothing to learn" if name == target else "it can tell nothing apart, leave it out"
            raise ValueError(f"{path}: {what} {name!r} is {values[0]!r} in every row: {reason}")
        found[name] = _typed(path, name, values)
        texts = found[name]
        if name != target and isinstance(texts, list) and len(set(texts)) > min(MAX_TEXTS, len(texts) - 1):
            raise ValueError(
                f"{path}: column {name!r} has {len(set(texts))} different texts in {len(texts)} rows, too many to be "
                f"kinds (at most {MAX_TEXTS}): leave it out"
            )
    return _with_target(path, found, target)


def _typed(path: Path, name: str, values: Texts) -> Array | Texts:
    """Floats where every value is one, else the texts. A column of numbers with a slip in it is texts."""
    try:
        numbers = np.array([float(value) if "_" not in value else math.nan for value in values])
    except ValueError:
        return values
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(f"{path}: row {row + 1} of column {name!r} is {values[row]!r}, which is no finite number")
    return numbers


def _with_target(path: Path, found: dict[str, Array | Texts], name: str) -> Columns:
    values = found.pop(name)
    if isinstance(values, np.ndarray):
        different = np.unique(values)
        if len(different) > MAX_CLASSES or (different != np.round(different)).any():
            return Columns(found, values, name, None)
        labels = [f"{value:g}" for value in values]
        classes = tuple(f"{value:g}" for value in different)
    else:
        labels, classes = values, tuple(sorted(set(values)))
    rarest, times = Counter(labels).most_common()[-1]
    if times < 2:
        raise ValueError(f"{path}: class {rarest!r} of {name!r} has one row; it needs one to train and one to test")
    return Columns(found, labels, name, classes)


def _split(columns: Columns, seed: int) -> Data:
    """A quarter of the rows is held out, of classes a quarter of each (one row at least, one stays)."""
    rng = np.random.default_rng([seed, 2])  # 0 is the stream of the weights, 1 that of the shuffles
    rows = np.arange(len(columns.target))
    if columns.classes is None:
        target: npt.NDArray[np.generic] = np.asarray(columns.target)[:, np.newaxis]
        groups = [rows]
    else:
        index = {label: number for number, label in enumerate(columns.classes)}
        target = np.array([index[label] for label in columns.target], np.int64)
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
            hot = np.array([[text == value for text in texts] for value in column], np.float64)
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
