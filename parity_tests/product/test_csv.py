"""A CSV file as an experiment: labels as they are written, numbers as they are meant, refusals that name the cell."""

from dataclasses import replace

import numpy as np
import pytest

from handgrad.experiments import Expectation
from handgrad.experiments.csv_file import read
from handgrad.experiments.data import standardised
from handgrad.training.outcome import Outcome
from handgrad.training.train import prepare, train

FLOWERS = [f"{i},{i % 3 - 0.5},{'clay' if i % 2 else 'sand'},{'rose' if i < 8 else 'iris'}" for i in range(20)]
HEAD = "height,width,soil,kind"


@pytest.fixture
def file(tmp_path):
    def write(*lines, encoding="utf-8", end="\n"):
        path = tmp_path / "my flowers.csv"
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return path

    return write


def test_a_csv_file_is_inferred_standardised_and_split(file):
    experiment = read(file(HEAD, *FLOWERS), "kind")
    assert (experiment.name, experiment.task, experiment.size) == ("my-flowers", "multiclass", "20 × 3")
    assert experiment.expect == Expectation("test_accuracy", "min", 0.6, decides=False)
    found = experiment.data(0)
    assert found.classes == ("iris", "rose")
    assert found.features == ("height", "width", "soil=clay", "soil=sand")
    assert np.allclose(found.x_train[:, :2].mean(axis=0), 0)
    assert np.allclose(found.x_train[:, :2].std(axis=0), 1)
    assert set(map(tuple, found.x_train[:, 2:])) == {(0.0, 1.0), (1.0, 0.0)}
    assert np.bincount(found.y_train).tolist() == [9, 6]
    assert np.bincount(found.y_test).tolist() == [3, 2]
    # Every row is in one part: the numbers 0 to 19 are evenly spaced, so their places tell which they are.
    heights = np.concatenate([found.x_train[:, 0], found.x_test[:, 0]])
    assert np.allclose(np.diff(np.sort(heights)), np.diff(np.sort(heights))[0])
    assert np.array_equal(found.x_train, experiment.data(0).x_train)
    assert not np.array_equal(found.x_train, experiment.data(1).x_train)
    run = train(prepare(replace(experiment, epochs=2)))
    assert run.parity
    assert Outcome.of(run).undecided


def test_a_target_of_numbers_is_standardised(file):
    experiment = read(file(HEAD, *FLOWERS), "height")
    assert (experiment.task, experiment.expect.metric) == ("regression", "test_loss")
    found = experiment.data(0)
    assert found.classes is None
    assert found.features[-2:] == ("kind=iris", "kind=rose")
    assert np.allclose([found.y_train.mean(), found.y_train.std()], [0, 1])


# --- the target -------------------------------------------------------------------------------------------------------

# A target column's values, repeated; the classes they are, None where they are numbers.
TARGETS = [
    (["0", "1", "1", "0"], ("0", "1")),
    (["-1", "2.0", "10"], ("-1", "2.0", "10")),
    (["0.5", "1", "1", "0.5"], None),
    ([str(i) for i in range(12)], None),
    (["yes", "no", "1", "no"], ("1", "no", "yes")),
    (["True", "False"], ("False", "True")),
    # As they are written, and no two of them one.
    (["20240115", "20240116"], ("20240115", "20240116")),
    (["2024-01-15", "15.01.2024"], ("15.01.2024", "2024-01-15")),
    (["1000000", "1000001", "1000002"], ("1000000", "1000001", "1000002")),
    (["9007199254740993", "9007199254740992"], ("9007199254740992", "9007199254740993")),
    (["1" + "0" * 30, "1" + "0" * 29 + "1"], ("1" + "0" * 30, "1" + "0" * 29 + "1")),
    (["1e20", "-1e20"], ("-1e20", "1e20")),
    (["a b", "a  b", "A b"], ("A b", "a  b", "a b")),
    (["[red]", "\x1b[31m"], ("\x1b[31m", "[red]")),
    (['"a,b"', '"a\nb"'], ("a\nb", "a,b")),
    (["1st", "2nd", "3rd"], ("1st", "2nd", "3rd")),
    (["18-25", "26-40", "65+"], ("18-25", "26-40", "65+")),
    (["Infinite", "Nano"], ("Infinite", "Nano")),
    # Equal numbers are one class, as it stands in its first row.
    (["0", "-0", "1"], ("0", "1")),
    (["1", "1.0", "2"], ("1", "2")),
    (["007", "7", "8"], ("007", "8")),
    (["+5", "5.", "5e0", "50e-1", "6"], ("+5", "6")),
    (["1e2", "100", "0e999999999999999999999", "0"], ("0e999999999999999999999", "1e2")),
]


@pytest.mark.parametrize(("values", "classes"), TARGETS)
def test_targets_are_classes_as_they_are_written_or_numbers(values, classes, file):
    rows = [f"{i},{value}" for i, value in enumerate(values * (12 // len(values)))]
    data = read(file("a,b", *rows), "b").data(0)
    assert data.classes == classes
    if classes is not None:
        assert sorted(set(data.y_train.tolist())) == sorted(set(data.y_test.tolist())) == list(range(len(classes)))


# --- numbers ----------------------------------------------------------------------------------------------------------

# How a plain number may be written, and what it is.
PLAIN = {
    "1e5": 1e5,
    "+5": 5,
    ".5": 0.5,
    "5.": 5,
    "-0": 0,
    "007": 7,
    "1E-05": 1e-5,
    " 3 ": 3,
    "\xa04\u2009": 4,
    '"6"': 6,
}
PLAIN |= {"\u200b8": 8, "1.7976931348623157e308": 1.7976931348623157e308, "5e-324": 5e-324}


@pytest.mark.parametrize("text", PLAIN)
def test_plain_numbers_are_numbers(text, file):
    def column(cell):
        data = read(file("a,b", *(f"{cell if i == 3 else i + 10.5},{i % 2}" for i in range(12))), "b").data(0)
        assert data.features == ("a",)
        return np.concatenate([data.x_train, data.x_test])

    assert np.array_equal(column(text), column(repr(PLAIN[text])))


# How numbers come that are not plain. `float` takes some of them, and as texts they would be a column per value.
DRESSES = [
    "{},5",
    "{}%",
    "{} %",
    "1,{:03}",
    "1.{:03}.000",
    "1'{:03}",
    "1 {:03}",
    "1\xa0{:03}",
    "1\u202f{:03}",
    "1_{:03}",
]
DRESSES += [
    "12,34,{:03}",
    "${}",
    "{} €",
    "({})",
    "−{}",
    "{}-",
    "0x{:x}",
    "１{}",
    "٣{}",
    "{}e−5",
    "{},5e3",
    "{}d5",
    "[{}]",
]
DRESSES += ["{} kg", "{}ms", "{},5 °C", "{}k", "'{}'", "1,{:03}.50", "{} USD"]


@pytest.mark.parametrize("column", ["a", "b"])
@pytest.mark.parametrize("dress", DRESSES)
def test_numbers_in_another_dress_are_refused_by_row_and_cell(dress, column, file):
    cells = [dress.format(10 + i) for i in range(24)]
    rows = [f"{cells[i]};{i}" if column == "a" else f"{i};{cells[i]}" for i in range(24)]
    with pytest.raises(ValueError, match=rf"row 1 \(line 2\) of column '{column}' is .* no plain number") as caught:
        read(file("a;b", *rows), "b")
    assert repr(cells[0]) in str(caught.value)


SLIPS = ["2O", "l2", "1.2.3", "12;", "-", "--", "inf", "-Infinity", "1,5", "7 %", "x", "12 or 13", "#DIV/0!", "1e", "."]


@pytest.mark.parametrize("column", ["a", "b"])
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_among_numbers_is_refused_by_row_and_cell(slip, column, file):
    rows = [(slip if i == 5 else 20 + i % 30, i % 7 + 0.5) for i in range(60)]
    lines = [f'"{a}","{b}"' if column == "a" else f'"{b}","{a}"' for a, b in rows]
    with pytest.raises(ValueError, match=rf"row 6 \(line 7\) of column '{column}' is ") as caught:
        read(file("a,b", *lines), "b")
    assert repr(slip) in str(caught.value)


# Texts with digits in them are kinds where they are few.
KINDS = [
    ["2 doors", "4 doors"],
    ["A12", "B7"],
    ["10-20", "20-30", "30+"],
    ["3/4", "1/2"],
    ["v1.2.3", "v1.10"],
    ["q", "r", "1"],
]


@pytest.mark.parametrize("values", [pytest.param(values, id=values[0]) for values in KINDS])
def test_few_texts_are_kinds(values, file):
    rows = [f"{values[i % len(values)]},{i % 3},{i + 0.5}" for i in range(1, 24)]
    assert read(file("a,b,c", *rows), "c").data(0).features[:-1] == tuple(f"a={text}" for text in sorted(values))


# --- scaling ----------------------------------------------------------------------------------------------------------

SCALES = [1e-323, 1e-310, 1e-200, 1e-163, 1.0, 1e154, 1e200, 1e307]


@pytest.mark.parametrize("scale", SCALES)
def test_scaling_neither_overflows_nor_underflows(scale, file):
    """A column and a target of any size are what they are at size 1, but for digits that a denormal does not have."""
    rows = [(i * 7 % 23 - 11.0) for i in range(40)]
    wanted = read(file("a,b", *(f"{x!r},{x!r}" for x in rows)), "b").data(0)
    found = read(file("a,b", *(f"{x * scale!r},{x * scale!r}" for x in rows)), "b").data(0)
    rtol = 0.1 if scale < 1e-320 else 1e-9
    for name in ("x_train", "x_test", "y_train", "y_test"):
        assert np.allclose(getattr(found, name), getattr(wanted, name), rtol=rtol, atol=rtol), name


def test_scaling_of_mixed_sizes():
    train = np.array([[1e308, 0.1, 1.0, 3e-320], [-1e308, 0.1, 2.0, 0.0], [1e-308, 0.1, 1.0, 0.0]])
    test = np.array([[0.0, 0.3, 1e308, 1e308]])
    ours, theirs = standardised(train, test)
    assert np.allclose(ours[:, 0], [1.5**0.5, -(1.5**0.5), 0])
    assert (ours[:, 1] == 0).all()  # constant, though the mean of three times 0.1 is not 0.1
    assert np.allclose(ours[:, 2:].std(axis=0), 1)
    assert abs(theirs[0, 1]) < 4
    assert theirs[0, 3] == np.inf  # 1e308 in units of 1e-320, which the runner refuses by name
    plain = np.array([[1.5, -2.25], [0.1, 7.0], [3.3, 1e3]])
    assert np.array_equal(standardised(plain, plain)[0], (plain - plain.mean(axis=0)) / plain.std(axis=0))


# --- the file ---------------------------------------------------------------------------------------------------------

# Bytes, the target, the features: other delimiters, line ends, quotes, marks, and what is passed over.
LINES = [f"{i}.5,{i % 2}" for i in range(1, 11)]
FILES = {
    "semicolons": ("\n".join(["a;b", *LINES]).replace(",", ";"), ("a",)),
    "tabs": ("\n".join(["a\tb", *LINES]).replace(",", "\t"), ("a",)),
    "CR": ("\r".join(["a,b", *LINES]), ("a",)),
    "CRLF": ("\r\n".join(["a,b", *LINES, ""]), ("a",)),
    "a mark": ("\ufeff" + "\n".join(["a,b", *LINES]), ("a",)),
    "blank lines": ("\n\n" + "\n \n".join(["a,b", *LINES]) + "\n   \n,\n\n", ("a",)),
    "quoted delimiters": ("\n".join(['"a, x";b', *LINES]).replace("5,", "5;"), ("a, x",)),
    "more commas in quotes": ("\n".join(['"a,,, x";b', *LINES]).replace("5,", "5;"), ("a,,, x",)),
    "quoted line ends": ("\n".join(['"a\nx",b', *LINES]), ("a\nx",)),
    "quoted numbers": ("\n".join(f'"{x}"' for x in ["a,b", *LINES]).replace(",", '","'), ("a",)),
    "other line separators": ("\n".join(["a\x85\u2028,b", *LINES]), ("a",)),
    "years as names": ("\n".join(["2023,b", *LINES]), ("2023",)),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_as_programs_write_them(kind, tmp_path):
    text, features = FILES[kind]
    (tmp_path / "x.csv").write_bytes(text.encode())
    data = read(tmp_path / "x.csv", "b").data(0)
    assert (data.features, data.classes) == (features, ("0", "1"))
    assert len(data.x_train) + len(data.x_test) == 10


# Lines, target, what must be said in one line.
BAD = [
    ([""], "kind", "is empty"),
    (["", "  ", ",,"], "kind", "is empty"),
    ([HEAD], "kind", "has 0 rows; at least 8 are needed"),
    ([HEAD, *FLOWERS[:1]], "kind", "has 1 rows; at least 8 are needed"),
    ([HEAD, *FLOWERS], "sort", "--target must be a column of .*: height, width, soil, kind; got 'sort'"),
    ([HEAD, *FLOWERS], "4", "--target must be a column of .*; got '4'"),
    ([HEAD, *FLOWERS], "kinds", r"did you mean 'kind'\?"),
    ([HEAD, *FLOWERS], None, "--csv needs --target COLUMN, one of height, width, soil, kind"),
    (["a,b,a,kind", *FLOWERS], "kind", "the header has 'a' 2 times"),
    (["a,b,,kind", *FLOWERS], "kind", "column 3 has no name"),
    ([f"{HEAD},", *(f"{line}," for line in FLOWERS)], "kind", "column 5 has no name"),
    (FLOWERS, "kind", r"the first line looks like data \('-0.5' in it"),
    ([f"1,1,{i % 2},{i % 2}" for i in range(20)], "1", r"the first line looks like data \('1' in it"),
    ([HEAD, *FLOWERS[:9], HEAD, *FLOWERS[9:]], "kind", "line 11 is the header again"),
    ([HEAD, *FLOWERS, "1,2,clay"], "kind", r"row 21 \(line 22\) has 3 cells; the header has 4"),
    ([HEAD, "", *FLOWERS, "", "1,2,clay,rose,5"], "kind", r"row 21 \(line 24\) has 5 cells; the header has 4"),
    ([HEAD, '1,2,"clay\n",rose', *FLOWERS, "1"], "kind", r"row 22 \(line 24\) has 1 cells"),
    ([HEAD, *FLOWERS, '1,2,"clay,rose'], "kind", "is no CSV file: .*, in the record that begins in line 22"),
    ([HEAD, *FLOWERS, '1,2,"clay"s,rose'], "kind", "is no CSV file: .*, in the record that begins in line 22"),
    ([HEAD, *FLOWERS, "1,2," + "x" * 200_000 + ",rose"], "kind", "is no CSV file: field larger than"),
    ([HEAD, *FLOWERS, "1,,clay,rose", "1,NA,clay,rose"], "kind", r"2 of 22 values of column 'width' .* row 21 \(line"),
    *(
        ([HEAD, *FLOWERS, f"1,2,clay,{text}"], "kind", "1 of 21 values of column 'kind' are missing")
        for text in ("nan", "NaN", "NA", "None", "null", "?", "<NA>", "")
    ),
    ([HEAD, *FLOWERS, "1,1e400,clay,rose"], "kind", r"row 21 \(line 22\) of column 'width' is '1e400'.* no finite"),
    ([HEAD, *FLOWERS, "1,-1e-400,clay,rose"], "kind", r"row 21 \(line 22\) of column 'width' is '-1e-400'.*near to 0"),
    ([HEAD, *FLOWERS, f"1,{'1' * 100_000}x,clay,rose"], "kind", "row 21 .* of column 'width' is '1{40}…'"),
    (["a,b", *(f"900719925474099{2 + i % 3},{i % 4}" for i in range(20))], "b", "column 'a' has '9.*3?' and '9.* same"),
    ([HEAD, *(line.replace("sand", "clay") for line in FLOWERS)], "kind", "column 'soil' is 'clay' in every row"),
    (["a,b", *(f"{['1', '1.0'][i % 2]},{i % 2}" for i in range(20))], "b", "column 'a' is '1' in every row"),
    (
        ["a,b", *(f"{i + 0.5},{['1', '1.0'][i % 2]}" for i in range(20))],
        "b",
        "column 'b' is '1' in every row: there is",
    ),
    (["a,b", *(f"{i + 0.5},0.5{'0' * i}" for i in range(20))], "b", "column 'b' is '0.5' in every row: there is"),
    ([HEAD, *FLOWERS[:8]], "kind", "column 'kind' is 'rose' in every row: there is nothing to learn"),
    ([HEAD, *FLOWERS, "1,2,clay,lily"], "kind", "class 'lily' of 'kind' has one row"),
    ([HEAD + ",id", *(f"{line},n{i}" for i, line in enumerate(FLOWERS))], "kind", "column 'id' has 20 different texts"),
    (["kind", *(line.split(",")[-1] for line in FLOWERS)], "kind", "no column but the target 'kind'"),
    (["a|b", *(f"{i}|{i % 2}" for i in range(20))], "b", r"--target must be a column of .*: a\|b; got 'b'"),
]


@pytest.mark.parametrize(("lines", "target", "message"), BAD)
def test_bad_files_are_refused_in_one_line(lines, target, message, file):
    with pytest.raises(ValueError, match=message) as caught:
        read(file(*lines), target)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


# Bytes that are no UTF-8 text.
FOREIGN = {
    "latin-1": "gr\xfcn,b\n1,2\n".encode("latin-1"),
    "UTF-16": "a,b\n1,2\n".encode("utf-16"),
    "UTF-16 without its mark": "a,b\n1,2\n".encode("utf-16-le"),
    "NUL": b"a,b\n1,\x002\n",
    "an archive": b"PK\x03\x04\x14\x00\x06\x00\x08\x00",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_utf_8_text_is_refused(kind, tmp_path):
    (tmp_path / "x.csv").write_bytes(FOREIGN[kind])
    with pytest.raises(ValueError, match=r"is not UTF-8 text \(.*\): save it as UTF-8"):
        read(tmp_path / "x.csv", "b")


def test_what_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read(tmp_path / "no.csv", "a")
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path, "a")


@pytest.mark.parametrize(
    ("name", "called"), [("...csv", "csv"), ("..x.csv", "x"), ("a/b;c.csv", "b-c"), ("é.csv", "é")]
)
def test_a_files_name_names_a_folder(name, called, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([HEAD, *FLOWERS]))
    assert read(path, "kind").name == called
