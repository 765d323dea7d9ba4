"""Several processes: the averaged gradients are the whole batch's, weights stay equal, and planted bugs are refused."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch.distributed as dist

import scratch
from handgrad import distributed
from handgrad.cli import main
from handgrad.experiments import EXPERIMENTS
from handgrad.runner import prepare
from parity_tests.sharded import CASES, COMMANDS

ROOT = Path(scratch.__file__).parent.parent
IRIS = EXPERIMENTS["iris"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What both ranks saw of every case and command: the two processes start once, which is what takes long."""
    folder = tmp_path_factory.mktemp("ranks")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    command = [*launch, str(ROOT / "parity_tests" / "sharded.py"), str(folder)]
    answer = subprocess.run(
        command, env=variables, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_training(ranks, name):
    first, second = (found["cases"][name] for found in ranks)
    words = CASES[name].words
    assert first["held"] == second["held"] == (not words), first["text"]
    assert all(word in first["text"] for word in words), first["text"]
    steps = len(first["losses"])
    assert first["judged"] == {"torch": steps, "scratch": steps}
    assert second["judged"] == {"torch": 0, "scratch": 0}
    assert first["losses"] == second["losses"]
    if not words:
        assert first["equal"] == second["equal"] == steps > 1


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_command(ranks, number):
    _, code, words = COMMANDS[number]
    first, second = (found["commands"][number] for found in ranks)
    assert first["code"] == second["code"] == code
    assert second["out"] + second["error"] == ""
    text = first["error"] if code else first["out"]
    assert all(word in text for word in words), text
    if code:
        assert first["error"].count("\n") == 1


@pytest.mark.parametrize(
    ("rows", "world", "sizes"), [(4, 2, [2, 2]), (5, 2, [3, 2]), (7, 4, [2, 2, 2, 1]), (3, 1, [3]), (2, 2, [1, 1])]
)
def test_shards(rows, world, sizes):
    pieces = distributed.shards(rows, world)
    assert [piece.stop - piece.start for piece in pieces] == sizes
    assert [i for piece in pieces for i in range(rows)[piece]] == list(range(rows))


@pytest.mark.parametrize(
    ("reduction", "sizes", "factors"),
    [
        ("mean", [3, 3], [1, 1]),
        ("mean", [3, 1], [1.5, 0.5]),
        ("sum", [3, 1], [2, 2]),
        ("batchmean", [1, 3], [0.5, 1.5]),
    ],
)
def test_factor(reduction, sizes, factors):
    assert [distributed.factor(reduction, sizes, rank) for rank in range(len(sizes))] == factors


def layer(name, *args):
    return lambda ops, sizes, options: ops.Sequential(getattr(ops, name)(*args), ops.Linear(*sizes, **options))


@pytest.mark.parametrize(
    ("recipe", "world", "words"),
    [
        ({"batch_size": 3, "drop_last": True}, 4, ["a batch has 3 rows", "4 processes"]),
        ({"batch_size": 111}, 2, ["the last batch of an epoch has 1 row,"]),
        ({"model": layer("BatchNorm1d", 4), "hidden": ()}, 2, ["BatchNorm1d keeps statistics"]),
        ({"model": layer("Dropout"), "hidden": ()}, 2, ["Dropout draws"]),
        ({"model": layer("RReLU"), "hidden": ()}, 2, ["RReLU draws"]),
    ],
)
def test_what_cannot_be_sharded(recipe, world, words):
    with pytest.raises(ValueError, match=words[0]) as refusal:
        distributed.refuse_unshardable(prepare(replace(IRIS, **recipe)), world)
    assert all(word in str(refusal.value) for word in words)


def test_a_last_batch_that_is_left_out():
    distributed.refuse_unshardable(prepare(replace(IRIS, batch_size=111, drop_last=True)), 2)


def test_not_under_torchrun(capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert main(["distributed", "iris"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "torchrun --nproc-per-node 2 -m handgrad distributed" in error


@pytest.mark.parametrize(
    ("device", "missing", "words"),
    [
        ("tpu", {}, "device must be cpu or cuda"),
        ("cuda", {"is_backend_available": lambda name: name != "nccl"}, "needs the backend nccl"),
        ("cpu", {"is_backend_available": lambda name: False}, "needs the backend gloo"),
        ("cpu", {"is_available": lambda: False}, "without torch.distributed"),
    ],
)
def test_backends(monkeypatch, device, missing, words):
    for name, instead in missing.items():
        monkeypatch.setattr(dist, name, instead)
    with pytest.raises(ValueError, match=words):
        distributed.backend_of(device)


def test_samples_per_second():
    rates = distributed.samples_per_second((4, 8, 3), 6, worlds=(2,), seconds=0.01)
    assert list(rates) == [2]
    assert rates[2] > 0
    with pytest.raises(ValueError, match="at least the number of processes, 2"):
        distributed.samples_per_second((4, 8, 3), 1)
