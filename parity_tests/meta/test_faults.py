"""A small run of the faults, and that it would see what it looks for."""

import ctypes
import os
import signal

import numpy as np
import pytest

from handgrad import files
from handgrad.checkpoint import file, folder
from parity_tests.meta import faults

NET = ("compare", "grow-1", "--epochs", "3", *faults.EVERY)
SMALL = {
    "checkpoint": faults.Command(NET, faults.checkpoints(2), "checkpoint"),
    "result": faults.COMMANDS["bench"],
}


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "timer_create"), reason="this system has no such timers")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("phase", SMALL)
def test_a_killed_command_goes_on(phase, tmp_path):
    """Killed while it writes: the files that it leaves half written are in nobody's way."""
    faults.warm(tmp_path, [SMALL[phase]])
    row = faults.kill(SMALL[phase], signal.SIGKILL, 1, np.random.default_rng(0), tmp_path, (phase,))
    assert row.wrong == []
    assert row.of("writing") == 1
    assert (row.lost, row.broken, row.equal) == (0, 0, row.moments.total())


def test_rows_that_come_one_by_one_are_a_phase_each():
    """As those of `bench`, whose work is a generator's."""

    def two():
        yield "a"
        yield "b"

    shared = faults.Shared()
    assert list(faults._watched(two, "training", shared, faults.NEVER)()) == ["a", "b"]
    number = faults.PHASES.index("training")
    assert (shared.began[number], shared.trained, shared.phase) == (3, 3, faults.PHASES.index("between"))


def test_a_half_written_file_is_broken(tmp_path):
    folder.write_next(tmp_path / "checkpoints", {"x": np.arange(3)})
    (tmp_path / "result.json").write_text("{}")
    (tmp_path / "report.html").write_text("<html></html>\n")
    assert faults.whole(tmp_path)
    for name in ("result.json", "report.html", "checkpoints/checkpoint-000001.safetensors"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-2])
        assert not faults.whole(tmp_path)
        (tmp_path / name).write_bytes(content)


def text(path, which):
    files.write_text(path, which * 1000)


CHECKPOINT = faults.Writer(lambda path, which: file.write(path, {"x": np.full(99, which == "new")}), "a.safetensors")


@pytest.mark.parametrize("writer", [faults.Writer(text, "result.json"), CHECKPOINT], ids=["text", "checkpoint"])
def test_every_call_that_fails_leaves_the_old_file_or_the_new(writer, tmp_path):
    assert faults.fail(writer, tmp_path) == (20, [])


def in_place(path, which):
    """What a careless writer does."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as out:  # noqa: PTH123  # a number, no path
        os.write(out.fileno(), which.encode() * 1000)
        os.fsync(out.fileno())


def test_a_careless_writer_is_found_out(tmp_path):
    _, wrong = faults.fail(faults.Writer(in_place, "a"), tmp_path)
    assert any("call 1, full: 0 bytes" in line for line in wrong)
    assert any("call 1, short: 1500 bytes, done" in line for line in wrong)
