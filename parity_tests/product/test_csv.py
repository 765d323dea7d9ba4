"""A CSV file as an experiment: labels as they are written, numbers as they are meant, refusals that name the cell."""

from dataclasses import replace

import numpy as np
import pytest

from handgrad.experiments import Expectation
from handgrad.experiments.csv_file import read
from handgrad.experiments.csv_file.columns import columns_of
from handgrad.experiments.csv_file.table import load
from handgrad.experiments.data import standardised
from handgrad.training.outcome import Outcome
from handgrad.training.sides import balanced
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


# How numbers come that are not plain: as in a cell with a number from 10 to 33, and the number that it is.
DRESSES = {
    "{},5": "{}.5",
    "{}%": "{}",
    "{} %": "{}",
    "1,{:03},000.5": "1{:03}000.5",
    "1.{:03}.000": "1{:03}000",
    "1'{:03}": "1{:03}",
    "1 {:03}": "1{:03}",
    "1\xa0{:03}": "1{:03}",
    "1\u202f{:03},25": "1{:03}.25",
    "1_{:03}": "1{:03}",
    "12,34,{:03}": "1234{:03}",
    "${}": "{}",
    "-${}": "-{}",
    "{} €": "{}",
    "({})": "-{}",
    "−{}": "-{}",
    "{}-": "-{}",
    "１{}": "1{}",
    "٣{}": "3{}",
    "{}e−5": "{}e-5",
    "{},5e3": "{}500",
    "{}d5": "{}e5",
    "[{}]": "{}",
    "'{}'": "{}",
    "{} kg": "{}",
    "{}ms": "{}",
    "{},5 °C": "{}.5",
    "{}k": "{}",
    "1,{:03}.50": "1{:03}.50",
    "{} USD": "{}",
    "EUR {}": "{}",
    "(€1.{:03},50)": "-1{:03}.50",
}


@pytest.mark.parametrize("column", ["a", "b"])
@pytest.mark.parametrize("dress", DRESSES)
def test_numbers_in_another_dress_are_numbers(dress, column, file):
    def column_as(form):
        cells = [form.format(10 + i) for i in range(24)]
        rows = [f"{cells[i]};{i}" if column == "a" else f"{i};{cells[i]}" for i in range(24)]
        return read(file("a;b", *rows), "b").data(0)

    found, wanted = column_as(dress), column_as(DRESSES[dress])
    for name, array in wanted.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array)
    assert any(repr(dress.format(10)) in note for note in found.notes)


def thousands(*cells):
    return [f"{cells[i % len(cells)].format(100 + i)};{i % 2}" for i in range(24)]


# A mark that could stand between thousands, the rest of the file, and what the first number then is.
OPEN = {
    "another cell of the column tells": (["1,{}", "1,{},000"], "1", 1100.0),
    "a decimal comma elsewhere": (["1,{}"], "2,5", 1.1),
    "decimal points elsewhere": (["1,{}"], "2.5", 1100.0),
    "points, and a decimal comma elsewhere": (["1.{}"], "2,5", 1100.0),
    "points alone": (["1.{}"], "1", 1.1),
}


@pytest.mark.parametrize("case", OPEN)
def test_the_file_tells_what_a_mark_between_digits_is(case, file):
    cells, other, first = OPEN[case]
    columns = columns_of(load(file("a;c;b", *(f"{line};{other}{i}" for i, line in enumerate(thousands(*cells))))), "c")
    assert columns.features["a"][0] == first


# Cells among which two readings are left, or of which some are of another kind; what is said, and of which row.
UNCLEAR = {
    "no cell tells": (["1,{}"], "'1,100', which may be 1100 or 1.100"),
    "points and commas": (["1.{}5", "{},5"], "'.*', and others have (points|commas)"),
    "some in per cent": (["{}", "{}", "{} %"], "'102 %', and most values are without a unit"),
    "two currencies": (["${}", "${}", "€{}"], "'€102', and most values are in \\$"),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_stays_open_is_refused_by_its_cell(case, file):
    cells, message = UNCLEAR[case]
    with pytest.raises(ValueError, match=rf"row \d \(line \d\) of column 'a' is {message}"):
        read(file("a;b", *thousands(*cells)), "b")


def test_commas_between_cells_make_a_comma_in_a_number_one_of_thousands(file):
    columns = columns_of(load(file("a,b", *(f'"1,{100 + i}",{i % 2}' for i in range(12)))), "b")
    assert columns.features["a"].tolist() == [1100 + i for i in range(12)]


def test_a_decimal_comma_in_a_file_of_decimal_points_is_refused(file):
    rows = [f"{1.5 + i};{i},5;{i % 2}" for i in range(12)]
    with pytest.raises(ValueError, match=r"row 1 \(line 2\) of column 'b' is '0,5', with a decimal comma"):
        read(file("a;b;c", *rows), "c")


def test_powers_of_ten_are_multiplied_where_they_differ(file):
    cells = [f"{i}{'kM'[i % 2]}" for i in range(1, 25)]
    numbers = columns_of(load(file("a,b", *(f"{cell},{i % 3}" for i, cell in enumerate(cells)))), "b").features["a"]
    assert numbers.tolist() == [i * (1e6 if i % 2 else 1e3) for i in range(1, 25)]


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
    "bars": ("\n".join(["a|b", *LINES]).replace(",", "|"), ("a",)),
    "blanks": ("\n".join(["a   b", *LINES]).replace(",", "   "), ("a",)),
    "blanks and quotes": ("\n".join(['"a x" b', *LINES]).replace(",", " "), ("a x",)),
    "blanks and a tab": (
        "# a b c\n" + "\n".join(f'{line.replace(",", "   ")}\t"car {i % 2}"' for i, line in enumerate(LINES)),
        ("a", "c=car 0", "c=car 1"),
    ),
    "sep=": ("sep=;\r\n" + "\r\n".join(["a;b", *LINES]).replace(",", ";"), ("a",)),
    "comments": ("# made by hand\n#\n" + "\n".join(["a,b", *LINES[:4], "# half", *LINES[4:]]), ("a",)),
    "names in a comment": ("# made by hand\n# a,b\n" + "\n".join(LINES), ("a",)),
    "names in a comment of blanks": ("# a b\n" + "\n".join(LINES).replace(",", " "), ("a",)),
    "a pandas index": ("\n".join([",a,b", *(f"{i},{line}" for i, line in enumerate(LINES))]), ("a",)),
    "R's row names": ("\n".join(["a,b", *(f"r{i},{line}" for i, line in enumerate(LINES))]), ("a",)),
    "a delimiter at the end": ("\n".join(["a,b", *(f"{line}," for line in LINES)]), ("a",)),
    "a delimiter at every end": ("\n".join(["a,b,", *(f"{line}," for line in LINES)]), ("a",)),
    "ARFF": ("% x\n@RELATION r\n@attribute 'a x' real\n@attribute b {0,1}\n@DATA\n" + "\n".join(LINES), ("a x",)),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_as_programs_write_them(kind, tmp_path):
    text, features = FILES[kind]
    (tmp_path / "x.csv").write_bytes(text.encode())
    data = read(tmp_path / "x.csv", "b").data(0)
    assert (data.features, data.classes) == (features, ("0", "1"))
    assert len(data.x_train) + len(data.x_test) == 10


def test_a_file_without_names(file):
    data = read(file(*FLOWERS), "4").data(0)
    assert data.features == ("1", "2", "3=clay", "3=sand")
    assert "no line of names" in data.notes[0]
    whole = read(file(*(f"1,1,{i % 2},{i % 3}" if i % 5 else f"2,0,{i % 2},{i % 3}" for i in range(1, 21))), "4")
    assert whole.data(0).features == ("1", "2", "3")


# --- dates ------------------------------------------------------------------------------------------------------------

# How the 11th to the 28th of January 2024 are written, and the days since 1970 of the first.
DATES = {
    "2024-01-{:02}": 19733,
    "2024/01/{:02}": 19733,
    "{:02}.01.2024": 19733,
    "{:02}.01.24": 19733,
    "01/{}/2024": 19733,
    "{} January 2024": 19733,
    "Jan {}, 2024": 19733,
    "2024-01-{:02}T12:00:00Z": 19733.5,
    "2024-01-{:02} 06:00:00.000": 19733.25,
    "01/{}/2024 6:00 PM": 19733.75,
    "2024-01-{:02} 12:00+0200": 19733 + 10 / 24,
}


@pytest.mark.parametrize("form", DATES)
def test_dates_are_days(form, file):
    rows = [f'"{form.format(11 + i)}",{i % 2}' for i in range(18)]
    features = columns_of(load(file("when,b", *rows)), "b").features
    assert list(features) == ["when", "when weekday"]
    assert features["when"][0] == DATES[form]
    assert (np.diff(features["when"]) == 1).all()
    assert features["when weekday"].tolist()[:5] == [4, 5, 6, 7, 1]  # the 11th was a Thursday


def test_parts_of_dates_are_given_where_they_come_again(file):
    monthly = [f"{2020 + i // 12}-{1 + i % 12:02},{i % 2}" for i in range(36)]
    assert read(file("when,b", *monthly), "b").data(0).features == ("when", "when month")
    rows = [f"{2020 + i // 12}-{1 + i % 12:02}-{1 + i % 3:02} {i % 24:02}:30,{i % 2}" for i in range(36)]
    assert read(file("when,b", *rows), "b").data(0).features == ("when", "when month", "when weekday", "when hour")
    hours = [f"{i % 24:02}:{i % 60:02},{i % 2}" for i in range(36)]
    assert read(file("when,b", *hours), "b").data(0).features == ("when",)


def test_a_day_that_may_be_a_month_is_refused(file):
    rows = [f"{1 + i % 12:02}/{1 + i % 11:02}/2024,{i % 2}" for i in range(24)]
    with pytest.raises(
        ValueError, match=r"column 'when': '01/01/2024' .*|column 'when': '\d\d/.*' may be .*2024-03-31"
    ):
        read(file("when,b", *rows), "b")


# Texts that only look like dates: scores, versions, ranges, fractions.
NO_DATES = [["2:1", "1:3"], ["1.2.34", "2.10.12"], ["10-20", "20-30"], ["1/2", "3/4"], ["A-1", "B-2"]]


@pytest.mark.parametrize("values", [pytest.param(values, id=values[0]) for values in NO_DATES])
def test_what_is_no_date_is_a_kind(values, file):
    rows = [f"{values[i % 2]},{i % 3}" for i in range(12)]
    assert read(file("a,b", *rows), "b").data(0).features == tuple(f"a={text}" for text in sorted(values))


# --- missing values and useless columns -------------------------------------------------------------------------------

GAPS = ["x,y,z", *(f"{i if i % 5 else ''},{'NA' if i % 7 == 3 else 'ab'[i % 2]},{i % 2}" for i in range(40))]


def test_missing_values_are_refused_with_the_options(file):
    with pytest.raises(ValueError, match=r"8 of 40 values of column 'x' .* row 1 .*--missing drop .*--leave-out x "):
        read(file(*GAPS), "z")


def test_rows_with_missing_values_are_dropped(file):
    data = read(file(*GAPS), "z", "drop").data(0)
    whole = [line for line in GAPS[1:] if not line.startswith(",") and "NA" not in line]
    assert data.notes == (f"{40 - len(whole)} of 40 rows have a missing value and are left out",)
    wanted = read(file(GAPS[0], *whole), "z").data(0)
    np.testing.assert_array_equal(data.x_train, wanted.x_train)


def test_missing_values_are_filled_with_what_is_usual_in_training(file):
    path = file(*GAPS, "7,a,")
    data = read(path, "z", "fill").data(3)
    assert data.features == ("x", "y=a", "y=b")
    assert len(data.x_train) + len(data.x_test) == 40
    columns = columns_of(load(path), "z", "fill")
    assert np.isnan(columns.features["x"]).sum() == 8
    assert columns.features["y"].count("") == 6
    note = next(note for note in data.notes if "'x'" in note)
    assert note.startswith("column 'x': 8 missing, filled with the training median ")
    # The same file with those values written in gives the same data.
    filled, kind = note.rpartition(" ")[2], next(n for n in data.notes if "'y'" in n).rpartition(" ")[2].strip("'")
    written = [line.replace("NA", kind) for line in GAPS]
    written = [f"{filled}{line}" if line.startswith(",") else line for line in written]
    again = read(file(*written), "z").data(3)
    np.testing.assert_array_equal(data.x_train, again.x_train)
    np.testing.assert_array_equal(data.x_test, again.x_test)
    assert any("'y'" in note and "the most frequent" in note for note in data.notes)
    assert "1 of 41 rows have no 'z' and are left out" in data.notes


def test_columns_are_left_out(file):
    assert read(file(HEAD, *FLOWERS), "kind", leave_out=("soil", "width")).data(0).features == ("height",)
    for names, message in (
        (("soli",), r"--leave-out must be a column of .*got 'soli' \(did you mean 'soil'\?\)"),
        (("kind",), "--leave-out must not name the target; got 'kind'"),
        (("height", "width", "soil"), "no column but the target 'kind'"),
    ):
        with pytest.raises(ValueError, match=message):
            read(file(HEAD, *FLOWERS), "kind", leave_out=names)
    with pytest.raises(ValueError, match="--missing must be one of refuse, drop, fill; got 'guess'"):
        read(file(HEAD, *FLOWERS), "kind", "guess")


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
    (FLOWERS, "kind", "--target must be a column of .*: 1, 2, 3, 4; got 'kind'"),
    (["a,1.5,soil,kind", *FLOWERS], "kind", r"the first line looks like data \('1.5' in it"),
    (["a,b,clay,kind", *FLOWERS], "kind", r"the first line looks like data \('clay' in it"),
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
]


@pytest.mark.parametrize(("lines", "target", "message"), BAD)
def test_bad_files_are_refused_in_one_line(lines, target, message, file):
    with pytest.raises(ValueError, match=message) as caught:
        read(file(*lines), target)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


# Bytes that are no text.
FOREIGN = {
    "NUL": b"a,b\n1,\x002\n",
    "an archive": b"PK\x03\x04\x14\x00\x06\x00\x08\x00",
    "no UTF-8 and no text": b"a,b\n\xff\xfe\x01\x02",
    "half of UTF-16": "a,b\n".encode("utf-16")[:-1],
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_text_is_refused(kind, tmp_path):
    (tmp_path / "x.csv").write_bytes(FOREIGN[kind])
    with pytest.raises(ValueError, match=r"is no text") as caught:
        read(tmp_path / "x.csv", "b")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_text_of_any_program_is_read(encoding, file):
    lines = ["größe,art", *(f"{i}.5,{'grün' if i % 2 else 'blau'}" for i in range(12))]
    data = read(file(*lines, encoding=encoding), "art").data(0)
    assert data.classes == ("blau", "grün")
    assert bool(data.notes) == (encoding != "utf-8-sig")


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


def test_balanced_classes_weigh_the_same_on_both_sides(file):
    rows = [f"{i},{i % 3},{'rose' if i % 10 == 0 else 'iris'}" for i in range(80)]
    experiment = replace(read(file("a,b,kind", *rows), "kind"), class_weights="balanced", epochs=2)
    prepared = prepare(experiment)
    y = prepared.data.y_train
    assert np.bincount(y).tolist() == [54, 6]
    assert balanced(experiment, prepared.data).tolist() == np.float32([60 / 108, 60 / 12]).tolist()
    for trainer in prepared.trainers.values():
        assert np.asarray(trainer.loss.weight).tolist() == np.float32([60 / 108, 60 / 12]).tolist()
    assert train(prepared).parity
    plain = train(prepare(replace(experiment, class_weights=None)))
    assert plain.sides["scratch"].losses != train(prepare(experiment)).sides["scratch"].losses


@pytest.mark.parametrize(
    "changes",
    [{"loss": "MSELoss"}, {"own_loss": lambda side: None}],
    ids=["a loss of numbers", "a loss of one's own"],
)
def test_class_weights_are_refused_where_there_are_none(changes, file):
    experiment = replace(read(file(HEAD, *FLOWERS), "kind"), class_weights="balanced", **changes)
    with pytest.raises(ValueError, match="class_weights belong to CrossEntropyLoss or NLLLoss, on class numbers"):
        prepare(experiment)
