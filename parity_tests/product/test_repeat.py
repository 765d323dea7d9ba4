"""`handgrad repeat`: the same numbers again, and by name what is not the same."""

import json
import math

import pytest

from handgrad import cli
from handgrad.files import RESULT
from handgrad.report.repeated import compare_results

RECIPE = ("compare", "xor", "--epochs", "1", "--judge-every", "20")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """What a run wrote, and the place where it was written."""
    folder = tmp_path_factory.mktemp("run")
    assert cli.main([*RECIPE, "--out", str(folder)]) == 0
    return json.loads((folder / RESULT).read_text(encoding="utf-8"))


def written(folder, result):
    (folder / RESULT).write_text(json.dumps(result), encoding="utf-8")
    return folder


def changed(result, *path, value):
    """A copy in which the entry at `path` is `value`."""
    copy = json.loads(json.dumps(result))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def test_a_run_repeats_to_the_bit(result, tmp_path, capsys):
    assert cli.main(["repeat", str(written(tmp_path, result))]) == 0
    assert "REPEATED to the last bit: " in capsys.readouterr().out.splitlines()[-1]
    again = json.loads((tmp_path / "repeat" / RESULT).read_text(encoding="utf-8"))
    found = compare_results(result, again)
    assert found.values > 100
    assert (found.differences, found.causes) == ({}, [])


def test_what_differs_is_named_and_so_is_what_may_be_the_cause(result, tmp_path, capsys):
    loss = result["sides"]["scratch"]["losses"][7]
    other = changed(result, "sides", "scratch", "losses", 7, value=math.nextafter(loss, 1))
    other = changed(other, "environment", "numpy", value="1.0")
    other["command"] = "handgrad " + " ".join((*RECIPE, "--out=runs/xor"))
    assert cli.main(["repeat", str(written(tmp_path, other) / RESULT), "--out", str(tmp_path / "new")]) == 1
    said = capsys.readouterr().out.splitlines()[-4:]
    numpy = result["environment"]["numpy"]
    assert said == [
        "NOT REPEATED: 1 field differs",
        f"  sides.scratch.losses[7] was {math.nextafter(loss, 1)}, and is {loss}",
        "what else is different:",
        f"  numpy was 1.0, and is {numpy}",
    ]


@pytest.mark.parametrize("side", ["scratch", "torch"])
def test_every_field_is_compared_but_times_and_the_machine(result, side):
    """The first entry of a list that differs is told, an entry that is missing too."""
    for path in ((), ("expectation",), ("experiment",), ("data",), ("sides", side), ("sides", side, "parity")):
        fields = result
        for key in path:
            fields = fields[key]
        for name, value in fields.items():
            if isinstance(value, dict):
                continue
            about = name.startswith("seconds") or (not path and name in ("command", "handgrad", "environment"))
            other = changed(result, *path, name, value=[*value, 1] if isinstance(value, list) else "another")
            found = compare_results(result, other)
            assert list(found.differences) == ([] if about else [".".join((*path, name))])


REFUSED = {
    "no folder": (lambda r: None, "result.json cannot be read: No such file or directory"),
    "no JSON": (lambda r: "{", "is no result of handgrad compare: it is not JSON"),
    "another file": (lambda r: {"a": 1}, "is no result of handgrad compare: it has no 'handgrad'"),
    "stopped early": (
        lambda r: {**r, "interrupted": True, "steps_done": 3},
        f"ends after 3 of {25} steps; finish it with handgrad compare --resume",
    ),
    "of another command": (lambda r: {**r, "command": "rm -rf /"}, "but by: rm -rf /"),
    "of all experiments": (lambda r: {**r, "command": "handgrad compare --all"}, "but by: handgrad compare --all"),
    "no command": (lambda r: {**r, "command": ""}, "was not written by handgrad compare alone"),
    "an open quote": (lambda r: {**r, "command": "handgrad compare 'xor"}, "but by: handgrad compare 'xor"),
    "into itself": (lambda r: r, "holds the run itself; give another folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_repeated_is_refused_in_one_line(case, result, tmp_path, capsys):
    make, words = REFUSED[case]
    if (made := make(result)) is not None:
        (tmp_path / RESULT).write_text(made if isinstance(made, str) else json.dumps(made), encoding="utf-8")
    out = ["--out", str(tmp_path)] if case == "into itself" else []
    assert cli.main(["repeat", str(tmp_path), *out]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [RESULT] * (made is not None)
