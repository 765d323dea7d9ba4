"""Several processes: the averaged gradients are the whole batch's, weights stay equal, and planted bugs are refused."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

import scratch
from handgrad.checkpoint.folder import numbered
from handgrad.cli import main
from handgrad.distributed import process_group, train
from handgrad.experiments import EXPERIMENTS
from handgrad.files import write_text
from handgrad.judge import judge_shards
from handgrad.predict import weights
from handgrad.training.sides import SIDES
from handgrad.training.train import prepare
from parity_tests.support.two_processes import CASES, COMMANDS, RESUMED, STOPS

ROOT = Path(scratch.__file__).parent.parent
IRIS = EXPERIMENTS["iris"]


def torchrun(processes, *arguments, folder):
    """What `torchrun` answers; `--standalone` lets it choose a free port of this machine itself."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *launch, *arguments]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What both ranks saw of every case and command: the two processes start once, which is what takes long.

    Once in all: of the workers of `make test` the first that asks starts them, and another waits for what they wrote.
    """
    mine = tmp_path_factory.getbasetemp()
    folder = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "ranks"
    said = folder.with_suffix(".said")
    try:
        folder.mkdir()
    except FileExistsError:
        while not said.exists():
            time.sleep(0.1)
    else:
        script = ROOT / "parity_tests" / "support" / "two_processes.py"
        answer = {"error": "they could not be started"}
        try:
            ended = torchrun(2, str(script), str(folder), folder=folder)
            answer = {"code": ended.returncode, "out": ended.stdout, "error": ended.stderr}
        finally:  # whoever waits is to know
            write_text(said, json.dumps(answer))
    assert all((folder / f"{rank}.json").exists() for rank in range(2)), said.read_text(encoding="utf-8")
    return folder, *(json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))


@pytest.mark.parametrize("name", CASES)
def test_training(both, name):
    first, second = (found["cases"][name] for found in both[1:])
    words = CASES[name].words
    assert first["held"] == second["held"] == (not words), first["text"]
    assert all(word in first["text"] for word in words), first["text"]
    steps = len(first["losses"])
    assert first["judged"] == {"torch": steps, "scratch": steps}
    assert second["judged"] == {"torch": 0, "scratch": 0}
    assert first["losses"] == second["losses"]
    if not words:
        assert first["equal"] == second["equal"] == steps > 1


@pytest.mark.parametrize("name", COMMANDS)
def test_command(both, name):
    """One exit code on both ranks, and one voice: rank 0 shows what came out, either of them what went wrong."""
    expected, (first, second) = COMMANDS[name], (found["commands"][name] for found in both[1:])
    assert first["code"] == second["code"] == expected.code, first["error"] + second["error"]
    assert second["out"] == ""
    errors = first["error"] + second["error"]
    assert errors.count("\n") == (expected.code == 2), errors
    text = errors if expected.code == 2 else first["out"]
    assert all(word in text for word in expected.words), text


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("name", RESUMED)
def test_a_stopped_run_goes_on_to_the_last_bit(both, name, stop):
    """Losses, weights, optimizer and what was judged, on both ranks."""
    for found in both[1:]:
        resumed = found["resumed"][f"{name}, {stop}"]
        assert resumed == {"steps": 2 + (stop == "killed"), "differs": ""}


def test_a_stopped_command_goes_on_to_the_last_bit(both):
    """Nothing but the weights is left, and they are those of the run that nothing stopped."""
    whole, goes_on = (both[1]["commands"][name]["out"].split("time per step") for name in ("passes", "goes on"))
    assert whole[0] == goes_on[0]
    folder = both[0]
    assert [path.name for path in (folder / "stopped").iterdir()] == ["weights.safetensors"]
    assert (folder / "whole" / "weights.safetensors").read_bytes() == (
        folder / "stopped" / "weights.safetensors"
    ).read_bytes()


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """This process as the only one that `torchrun` started."""
    said = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "localhost"}
    with socket.create_server(("localhost", 0)) as free:
        said["MASTER_PORT"] = str(free.getsockname()[1])
    said["OMP_NUM_THREADS"] = "1"  # torchrun says this too, whatever the shell does
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("alone")
def test_one_process(capsys):
    """The shard is the whole batch."""
    assert main(["distributed", "circle", "--epochs", "1"]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    assert "PyTorch, 1 process " in out
    assert "PASSED" in out


@pytest.mark.usefixtures("alone")
def test_another_number_of_processes_goes_on(both, capsys, tmp_path):
    shutil.copytree(both[0] / "left", tmp_path / "left")
    assert main(["distributed", "circle", "--epochs", "1", "--out", "left", "--resume"]) == 0
    out, error = capsys.readouterr()
    assert error == "handgrad: the rest may differ in the last bits: processes was 2, and is 1\n"
    assert "100 of 100 steps" in out


@pytest.mark.usefixtures("alone")
def test_a_run_whose_torchrun_was_killed_ends_with_a_checkpoint(capsys, monkeypatch):
    parents = iter([1, 1, 1])
    monkeypatch.setattr(train.os, "getppid", lambda: next(parents, 2))
    assert main(["distributed", "circle", "--epochs", "1", "--out", "here"]) == 143
    assert "INTERRUPTED after 4 of 100 steps" in capsys.readouterr().out
    assert list(numbered(Path("here", "checkpoints"))) == [1]


@pytest.mark.usefixtures("alone")
def test_a_signal_after_training_cuts_nothing(capsys, monkeypatch):
    """One rank that left now would be taken for a dead one by the others."""
    write = weights.write
    monkeypatch.setattr(weights, "write", lambda *given: (signal.raise_signal(signal.SIGTERM), write(*given)))
    assert main(["distributed", "circle", "--epochs", "1", "--out", "here"]) == 0
    out, error = capsys.readouterr()
    assert "PASSED" in out
    assert error == ""
    assert [path.name for path in Path("here").iterdir()] == ["weights.safetensors"]


@pytest.mark.usefixtures("alone")
def test_the_first_step_adds_gradients_as_all_others_do(monkeypatch):
    """Else a run of three processes that goes on would add them in another order than one that nothing stopped."""
    original, arranged = train.step, []

    def step(trainer, *given):
        value = original(trainer, *given)
        arranged.append(trainer.model.call._get_ddp_logging_data().get("has_rebuilt_buckets"))
        return value

    monkeypatch.setattr(train, "step", step)
    assert main(["distributed", "circle", "--epochs", "1"]) == 0
    assert arranged[1] == 1  # torch notes at the beginning of a step what was so before


def test_an_error_is_said_once_and_ends_all(both):
    """Between torchrun's own lines; it is the last that both processes say, as neither may cut the other short."""
    answer = json.loads(both[0].with_suffix(".said").read_text(encoding="utf-8"))
    assert answer["code"] != 0
    assert answer["error"].count("handgrad: error: ") == 1, answer["error"]
    assert answer["out"] == ""


# --- the judge, without processes: gradients of shards, put together here ---------------------------------------------

NET, ROWS = (3, 5, 4), 7


def gradient(side, dtype, reduction, sizes, factors, combine):
    """Gradients of the shards times their factors, combined in the dtype; and what `judge_shards` wants to know."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((ROWS, NET[0])).astype(dtype), rng.integers(NET[-1], size=ROWS)
    model = SIDES[side].MLP(NET, dtype=dtype, rng=0)
    loss = SIDES[side].CrossEntropyLoss(reduction=reduction)
    ends = np.cumsum(sizes)
    pieces = [(x[end - size : end], y[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    values, parts = [], []
    for (own_x, own_y), c in zip(pieces, factors, strict=True):
        model.zero_grad()
        values.append(float(loss.forward(model.forward(own_x), own_y)))
        model.backward(loss.backward(c))
        parts.append({name: np.array(p.grad) for name, p in model.named_parameters()})
    combined = {name: combine([part[name] for part in parts]) for name in parts[0]}
    return model, loss, model.state_dict(), pieces, values, combined


def averaged(gradients):
    return sum(gradients) / np.asarray(len(gradients), gradients[0].dtype)


SHARDS = {"even": (4, 3), "three, uneven": (4, 2, 1), "one": (7,), "seven": (1,) * 7}


@pytest.mark.parametrize("sizes", SHARDS.values(), ids=SHARDS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("side", SIDES)
def test_averaged_gradients_hold(side, dtype, reduction, sizes):
    """And one that is off by a few radii does not: the bound is the derived one, not a wide one."""
    factors = [train.factor(reduction, sizes, rank) for rank in range(len(sizes))]
    given = gradient(side, dtype, reduction, sizes, factors, averaged)
    verdict = judge_shards(*given)
    assert verdict.held, verdict.render()
    numbers = sum(w.size for w in given[2].values())
    assert verdict.numbers == numbers + len(sizes)
    off = 1e-4 if dtype == "float32" else 1e-12
    wrong = {name: g * np.asarray(1 + off, dtype) for name, g in given[-1].items()}
    assert not judge_shards(*given[:-1], wrong).held


WRONG = {
    "the sum instead of the mean": ("mean", (4, 3), None, sum, "constant ratio 2"),
    "the mean of unequal shards, unweighted": ("mean", (4, 3), (1.0, 1.0), averaged, ""),
    "weights without the number of shards": ("mean", (4, 3), (4 / 7, 3 / 7), averaged, "constant ratio 1/2"),
    "the mean of sums": ("sum", (4, 3), (1.0, 1.0), averaged, "constant ratio 1/2"),
    "one shard's alone": ("mean", (4, 3), None, lambda gradients: gradients[1], "that of rank 1 alone"),
}


@pytest.mark.parametrize("bug", WRONG)
@pytest.mark.parametrize("side", SIDES)
def test_wrong_averages_are_refused(side, bug):
    reduction, sizes, factors, combine, pattern = WRONG[bug]
    factors = factors or [train.factor(reduction, sizes, rank) for rank in range(len(sizes))]
    verdict = judge_shards(*gradient(side, "float32", reduction, sizes, factors, combine))
    assert verdict.failures
    assert all(failure.tensor.startswith("averaged gradient of") for failure in verdict.failures)
    assert any(pattern in failure.pattern for failure in verdict.failures), verdict.render()


@pytest.mark.parametrize(
    ("rows", "world", "sizes"), [(4, 2, [2, 2]), (5, 2, [3, 2]), (7, 4, [2, 2, 2, 1]), (3, 1, [3]), (2, 2, [1, 1])]
)
def test_shards(rows, world, sizes):
    pieces = train.shards(rows, world)
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
    assert [train.factor(reduction, sizes, rank) for rank in range(len(sizes))] == factors


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
        ({"optimizer": "LBFGS", "optimizer_options": {"max_iter": 1}}, 2, ["LBFGS takes the loss of the whole batch"]),
    ],
)
def test_what_cannot_be_sharded(recipe, world, words):
    with pytest.raises(ValueError, match=words[0]) as refusal:
        train.refuse_unshardable(prepare(replace(IRIS, **recipe)), world)
    assert all(word in str(refusal.value) for word in words)


def test_a_last_batch_that_is_left_out():
    train.refuse_unshardable(prepare(replace(IRIS, batch_size=111, drop_last=True)), 2)


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
        process_group.backend_of(device)


def test_a_gpu_for_every_process(monkeypatch):
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "nowhere")
    monkeypatch.setattr(dist, "is_backend_available", lambda name: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="2 processes, 1 GPUs on this machine"), process_group.joined("cuda"):
        pass
