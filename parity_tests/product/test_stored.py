"""Results that were edited by hand, cut short, or are something else: one line, and never a traceback."""

import copy
import json

import pytest

from benchmarks.command import run_compare
from benchmarks.contenders import OURS, TORCH
from benchmarks.result import BadResultError
from handgrad import cli
from handgrad.experiments import EXPERIMENTS
from handgrad.report.index import Finished, write_index
from handgrad.sweep import run as sweep_run
from handgrad.sweep.plan import SweepRequest, plan
from handgrad.training.all_experiments import TIMES, kept_results

BENCH = {
    "format": 1,
    "machine": "m",
    "threads": 1,
    "budget": "b",
    "environments": {"unset": {"numpy": "2", "probe_seconds": 1e-4}},
    "questions": {
        "step": {
            "unset": [{"case": {"name": "a net"}, "seconds": {OURS: [[1e-5] * 8], TORCH: [[2e-5] * 8]}, "dirty": 0}]
        }
    },
}
VALUES = (None, True, -1, 10**400, "x", [], {"x": None}, [[]])
TEXTS = (
    "",
    "{",
    "[",
    "null",
    "3",
    '"x"',
    "[" * 100_000,
    '{"a":' * 100_000,
    "9" * 5000,
    "\0",
    '{"format": NaN}',
    "{}{}",
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def places(value, path=()):
    """The path of everything in a JSON value; of long lists the first entry and the last."""
    if path:
        yield path
    if isinstance(value, dict):
        keys = list(value)
    else:
        keys = sorted({0, len(value) - 1}) if isinstance(value, list) and value else ()
    for key in keys:
        yield from places(value[key], (*path, key))


def damaged(content):
    """JSON texts with one thing changed or left out, or cut short, and bytes that are something else."""
    for path in places(content):
        for value in (*VALUES, "left out"):
            other = copy.deepcopy(content)
            place = other
            for key in path[:-1]:
                place = place[key]
            if value == "left out":
                del place[path[-1]]
            else:
                place[path[-1]] = value
            yield json.dumps(other).encode()
    whole = json.dumps(content)
    yield from (whole[: len(whole) * part // 20].encode() for part in range(20))
    yield from (text.encode() for text in TEXTS)
    yield b"\xff\xfe{}"


def refusal(kind, call, *arguments):
    """What a call is refused with, in one line; None where it is not. No other error is expected."""
    try:
        call(*arguments)
    except kind as error:
        return str(error) if "\n" not in str(error) else pytest.fail(str(error))
    return None


def test_damaged_results_of_a_benchmark(folder):
    good, bad = folder / "good.json", folder / "bad.json"
    good.write_text(json.dumps(BENCH))
    said = []
    for number, content in enumerate(damaged(BENCH)):
        bad.write_bytes(content)
        said.append(refusal(BadResultError, run_compare, *((bad, good) if number % 2 else (good, bad))))
    assert sum(map(bool, said)) > len(said) / 2


def test_damaged_results_of_a_sweep(folder, monkeypatch):
    asked = plan(SweepRequest("grow-1", {"lr": (0.1, 0.2)}, given={"epochs": 1}))
    path = folder / "result.json"
    whole = sweep_run.sweep(asked, 1, path)
    content = {key: json.loads(path.read_text())[key] for key in ("settings", "axes", "runs")}
    assert sweep_run.stored(asked, path) == whole.outcomes
    monkeypatch.setattr(sweep_run, "write_text", lambda *_: None)  # a thousand files on a disk take seconds
    said = []
    for text in damaged(content):
        path.write_bytes(text)
        kept = []
        said.append(refusal(ValueError, lambda kept=kept: kept.extend(sweep_run.stored(asked, path))))
        sweep_run.write(sweep_run.Sweep(asked, "", kept), folder / "again.json")
    assert sum(map(bool, said)) > len(said) / 2
    assert all(line.startswith("--resume: ") for line in said if line)
    path.write_text(json.dumps(content | {"runs": content["runs"] * 2}))
    with pytest.raises(ValueError, match=r"holds .* twice"):
        sweep_run.stored(asked, path)


def test_damaged_results_of_all_experiments_are_made_anew(folder, monkeypatch):
    """`compare --all --resume` keeps what is whole; what is damaged counts as not there."""
    monkeypatch.setattr("handgrad.report.write_report", lambda *_: None)
    grow, own, options = EXPERIMENTS["grow-1"], folder / "grow-1", ["--judge-every=50"]
    assert cli.main(["compare", "grow-1", *options, "--jobs", "1", "--out", str(own)]) == 0
    found = json.loads((own / "result.json").read_text())
    short = {key: found[key] for key in ("passed", "parity", "interrupted", "command", "repeats", "expectation")}
    short["sides"] = {name: {key: side[key] for key in ("reached", "parity")} for name, side in found["sides"].items()}
    monkeypatch.setattr("handgrad.report.index.write_text", lambda *_: None)
    for texts, path in ((damaged({"grow-1": 1.0}), folder / TIMES), (damaged(short), own / "result.json")):
        for text in (json.dumps(short).encode(), *texts) if path.parent == own else texts:
            path.write_bytes(text)
            kept = list(kept_results([grow], options, folder).values())
            write_index(kept or [Finished(grow, None, 0.0)], folder / "index.html", "", 1.0, False)
        assert (len(kept) == 1) == (path.name == TIMES)
