"""Work in several processes: results in order, errors and Ctrl-C in the parent, and nobody outlives it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import handgrad
from handgrad.training import parallel

ROOT = Path(handgrad.__file__).parent.parent


def square(number):
    return number * number


def refuse(number):
    if number == 2:
        raise ValueError(f"{number} is too much")
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_stand_in_the_order_of_the_tasks(jobs):
    done = []
    assert parallel.run_all(square, range(7), jobs, done.append) == [n * n for n in range(7)]
    assert sorted(done) == [n * n for n in range(7)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_a_task_is_raised_here(jobs):
    with pytest.raises(ValueError, match="2 is too much"):
        parallel.run_all(refuse, range(4), jobs, lambda _: None)


def test_workers_start_where_nothing_can_be_forked(monkeypatch):
    monkeypatch.setattr(parallel.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert parallel.context().get_start_method() == "spawn"


def wait(folder, number):
    Path(folder, str(number)).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(300)


KILLED = """
import sys
from functools import partial
from handgrad.training import parallel
from parity_tests.product.test_parallel import wait

if __name__ == "__main__":
    parallel.LOADED.clear()
    parallel.run_all(partial(wait, sys.argv[1]), [1, 2], 2, print)
"""


def test_no_worker_outlives_a_killed_parent(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED, encoding="utf-8")
    folder = tmp_path / "pids"
    folder.mkdir()
    command = [sys.executable, str(tmp_path / "killed.py"), str(folder)]
    parent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True)
    try:
        until(lambda: len([path for path in folder.iterdir() if path.read_text()]) == 2)
        workers = [int(path.read_text()) for path in folder.iterdir()]
        assert all(map(alive, workers))
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not any(map(alive, workers)))


def until(happens):
    """Wait for what must happen; a machine may be slow, but a minute is for ever."""
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")  # where nobody collects it, what ended stays listed, as Z
    return not state.exists() or state.read_text().rpartition(") ")[2][0] != "Z"
