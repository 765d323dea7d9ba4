"""An experiment made of a file of one's own: types inferred, standardised by the training rows, a quarter held out.

A column of numbers is numeric, however they are written; a column of texts is categorical and becomes one column of 0
and 1 per text; dates become days. What is neither, numbers with a slip among them, is refused by its cell: as texts it
would become a column per value. The target is a class where it is text, or whole numbers of at most `MAX_CLASSES`
different values; else it is a number. Equal numbers are one class however they are written.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contract import Array
from handgrad.experiments.csv_file.columns import GONE, POLICIES, Columns, columns_of
from handgrad.experiments.csv_file.dates import part_name
from handgrad.experiments.csv_file.table import Texts, load
from handgrad.experiments.data import standards
from handgrad.experiments.encoding import Encoding, Kinds, Number, Standard
from handgrad.experiments.experiment import Data, Expectation, Experiment

__all__ = ["POLICIES", "read"]

HELD_OUT = 0.25
JUDGED = 1000  # steps of a run that are judged, about


def read(
    path: Path,
    target: str | None,
    missing: str = "refuse",
    leave_out: Sequence[str] = (),
    content: bytes | None = None,
) -> Experiment:
    """The experiment in a file. ValueError in one line for whatever in it cannot be used.

    `missing` is one of `POLICIES`, `leave_out` names columns. Of `content` that is given, `path` is only the name.
    """
    columns = columns_of(load(path, content=content), target, missing, leave_out)
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
        data=lambda seed: replace(_split(columns, seed, missing == "fill"), beside=(columns.name, *leave_out)),
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


# --- the split --------------------------------------------------------------------------------------------------------


def _split(columns: Columns, seed: int, fill: bool) -> Data:
    """A quarter of the rows is held out, of classes a quarter of each (one row at least, one stays).

    With `fill` the inputs know what is put in for a missing value.
    """
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

    x_train, x_test, names, notes = [], [], [], list(columns.notes)
    numbers: dict[str, tuple[Standard, float]] = {}
    usuals: dict[str, str] = {}
    for name, given in columns.features.items():
        if isinstance(given, np.ndarray):
            column, median, filled = _filled_numbers(given, here)
            (standard,) = standards(column[here, np.newaxis])
            numbers[name] = standard, median
            ours, theirs = (standard.of(column[part])[:, np.newaxis] for part in (here, there))
            kinds = [name]
        else:
            whole, usuals[name], filled = _filled_texts(given, here)
            texts = sorted(set(whole))
            hot = np.equal.outer(_codes(whole, texts), np.arange(len(texts))).astype(np.float64)
            ours, theirs, kinds = hot[here], hot[there], [f"{name}={text}" for text in texts]
        if filled:
            notes.append(f"column {name!r}: {filled}")
        x_train.append(ours)
        x_test.append(theirs)
        names += kinds
    y_train, y_test = target[here], target[there]
    moved = None if columns.classes else standards(y_train)[0]
    if moved is not None:
        y_train, y_test = moved.of(y_train), moved.of(y_test)
    return Data(
        x_train=np.concatenate(x_train, axis=1),
        y_train=y_train,
        x_test=np.concatenate(x_test, axis=1),
        y_test=y_test,
        classes=columns.classes,
        features=tuple(names),
        notes=tuple(notes),
        inputs=tuple(_complete(way, numbers, usuals, fill) for way in columns.read),
        target=moved,
    )


def _complete(
    way: Encoding, numbers: dict[str, tuple[Standard, float]], usuals: dict[str, str], fill: bool
) -> Encoding:
    """How a column is read, with what the training rows say: standards, and what is usual."""
    if isinstance(way, Kinds):
        return replace(way, fill=usuals[way.name] if fill else None)
    if isinstance(way, Number):
        standard, median = numbers[way.name]
        return replace(way, standard=standard, fill=median if fill else None)
    of_parts = [numbers[part_name(way.name, part)] for part in way.parts]
    medians = tuple(median for _, median in of_parts)
    return replace(way, standards=tuple(standard for standard, _ in of_parts), fills=medians if fill else None)


def _filled_numbers(column: Array, train: npt.NDArray[np.int64]) -> tuple[Array, float, str]:
    """The column with the median of the training rows for what is missing, that median, and what was done in words."""
    gaps = np.isnan(column)
    there = column[train][~gaps[train]]
    usual = float(np.median(there if len(there) else column[~gaps]))
    text = f"{gaps.sum()} missing, filled with the training median {usual:g}" if gaps.any() else ""
    return np.where(gaps, usual, column), usual, text


def _filled_texts(column: Texts, train: npt.NDArray[np.int64]) -> tuple[Texts, str, str]:
    """The same of texts, with the most frequent one."""
    missing = column.count(GONE)
    counts = Counter(sorted(column[row] for row in train.tolist() if column[row] != GONE) or sorted({*column} - {GONE}))
    most = counts.most_common(1)[0][0]
    text = f"{missing} missing, filled with the most frequent, {most!r}" if missing else ""
    return [value or most for value in column], most, text


def _codes(values: Iterable[float | str], kinds: Iterable[str]) -> npt.NDArray[np.int64]:
    """The place of every value among `kinds`."""
    index: dict[float | str, int] = {kind: number for number, kind in enumerate(kinds)}
    return np.array([index[value] for value in values], np.int64)
