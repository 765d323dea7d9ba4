"""A run that was stopped goes on, and comes to what it would have come to, to the last bit; two runs are kept apart."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from functools import partial
from itertools import count

import pytest

from handgrad import cli
from handgrad.checkpoint.file import CheckpointError, read, write
from handgrad.checkpoint.folder import numbered
from handgrad.experiments import EXPERIMENTS
from handgrad.lock import LOCK
from handgrad.machine.environment import same_imports
from handgrad.report.result_json import result
from handgrad.stopping import Terminated, interruptible, terminable
from handgrad.training import all_experiments
from handgrad.training.outcome import Outcome
from handgrad.training.saving import Saving
from handgrad.training.train import prepare, train
from parity_tests.contract.test_training_state import equal


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, and a clock that ticks the same in every run: times are all that may differ."""
    monkeypatch.chdir(tmp_path)
    ticks = count()
    monkeypatch.setattr("handgrad.training.train.perf_counter", lambda: next(ticks) % 2 * 1e-3)
    return tmp_path


def noisy(ops, sizes, options):
    """With everything that a checkpoint has to carry: running statistics, and two layers that draw."""
    drawn = options["rng"]
    layers = (ops.Linear(sizes[0], 6, **options), ops.BatchNorm1d(6, dtype=options["dtype"]), ops.RReLU(rng=drawn))
    return ops.Sequential(*layers, ops.Dropout(0.2, rng=drawn), ops.Linear(6, sizes[-1], **options))


XOR = replace(EXPERIMENTS["xor"], epochs=2, batch_size=500, judge_every=3)  # five steps an epoch
SHORT = replace(XOR, epochs=1)
RECIPES = {
    "a net that draws, AdamW": replace(XOR, model=noisy, optimizer="AdamW", shuffle=True),
    "float64, momentum": replace(XOR, dtype="float64", optimizer="SGD", optimizer_options={"momentum": 0.9}),
    "a side with a bug": replace(XOR, shuffle=True),
}


def prepared(name):
    made = prepare(RECIPES[name])
    if name == "a side with a bug":
        trainer = made.trainers["scratch"]

        def step(x, y, original=trainer.step):
            value = original(x, y)
            next(trainer.model.named_parameters())[1].data[0, 0] += 1e-3
            return value

        trainer.step = step
    return made


class KilledError(Exception):
    pass


def killed_after(steps, run):
    """Dies when so many steps are done, and the checkpoint after the last of them is not yet written."""
    if len(run.divergence) == steps:
        raise KilledError


def everything(run):
    """All of a run that is not its data."""
    fields = {name: value for name, value in vars(run).items() if name not in ("data", "experiment", "sides")}
    fields["moments"] = [vars(moment) for moment in run.moments]
    sides = {name: {**vars(side), "tally": asdict(side.tally)} for name, side in run.sides.items()}
    for side in sides.values():
        side["epochs"] = [vars(record) for record in side["epochs"]]
    return {**fields, "sides": sides}, json.dumps(result(Outcome.of(run)))


@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_run_goes_on_to_the_last_bit(name, folder, monkeypatch):
    """Killed at an epoch's end and once more on its way; and at the last step."""
    if name == "float64, momentum":  # steps that are not judged are made by programs
        monkeypatch.setattr("handgrad.training.written_out.PAYS", 0)
        monkeypatch.setattr("handgrad.training.train.TIMED", 0)
    whole = everything(train(prepared(name)))
    for steps in (6, 10) if name == "a net that draws, AdamW" else (8,):
        saving = Saving(folder / f"killed-{steps}", every=0)
        with pytest.raises(KilledError):
            train(prepared(name), on_step=partial(killed_after, steps), saving=saving)
        again = prepared(name)
        saving = Saving(saving.folder, every=0)
        assert saving.find(again)
        assert saving.tree["position"]["step"] == steps - 1
        if steps == 6:
            with pytest.raises(KilledError):
                train(again, on_step=partial(killed_after, 9), saving=saving)
            again, saving = prepared(name), Saving(saving.folder, every=0)
            assert saving.find(again)
        equal(everything(train(again, saving=saving)), whole)


@pytest.mark.parametrize(("number", "terminated"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_signal_leaves_a_checkpoint(number, terminated, folder):
    """However rarely they are written. What an interrupted run records at its end is not carried on."""
    name = "float64, momentum"
    whole = everything(train(prepared(name)))
    saving, before = Saving(folder / "here", every=1e9), signal.getsignal(number)
    run = train(
        prepared(name), on_step=lambda run: len(run.divergence) == 8 and signal.raise_signal(number), saving=saving
    )
    assert (run.interrupted, run.terminated, len(run.divergence)) == (True, terminated, 8)
    assert Outcome.of(run).ending.exit_code == 128 + number
    assert signal.getsignal(number) is before
    again = Saving(saving.folder, every=1e9)
    made = prepared(name)
    assert again.find(made)
    equal(everything(train(made, saving=again)), whole)


# What is changed in the experiment, what the one line says.
OTHERS = [
    ({"lr": 0.5}, "its lr is 0.1, here it is 0.5"),
    ({"epochs": 4}, "its epochs is 2, here it is 4"),
    ({"seed": 3}, "its seed is 0, here it is 3"),
    ({"data": lambda seed: EXPERIMENTS["xor"].data(seed + 1)}, "its data is"),
]


def test_a_checkpoint_of_another_run_is_refused(folder):
    experiment = replace(RECIPES["float64, momentum"], lr=0.1)
    saving = Saving(folder / "here", every=0)
    train(prepare(experiment), saving=saving)
    for changed, words in OTHERS:
        with pytest.raises(CheckpointError, match=words):
            Saving(saving.folder).find(prepare(replace(experiment, **changed)))
    tree = read(saving.last)
    for part in ("run", "sides"):
        write(saving.last, {name: value for name, value in tree.items() if name != part})
        with pytest.raises(CheckpointError, match="not one of a run"):
            Saving(saving.folder).find(prepare(experiment))
    write(saving.last, {**tree, "run": {**tree["run"], "sides": {}}})
    again, made = Saving(saving.folder), prepare(experiment)
    assert again.find(made)
    with pytest.raises(CheckpointError, match="not whole"):
        train(made, saving=again)


def test_another_machine_is_said(folder):
    saving, said = Saving(folder / "here", every=0), []
    train(prepare(SHORT), saving=saving)
    write(saving.last, {**saving.tree, "environment": {**saving.tree["environment"], "cpu": "an abacus"}})
    again, made = Saving(saving.folder, say=said.append), prepare(SHORT)
    again.find(made)
    train(made, saving=again)
    assert [line.partition(",")[0] for line in said] == ["the rest may differ in the last bits: cpu was an abacus"]


def test_no_checkpoint_holds_a_loss_that_is_not_finite(folder):
    experiment = replace(EXPERIMENTS["prod"], epochs=1, lr=1e30)
    saving = Saving(folder / "here", every=0)
    run = train(prepare(experiment), saving=saving)
    assert Outcome.of(run).diverged_at == 2
    assert read(saving.last)["position"]["step"] == 1


def test_a_full_disk_does_not_end_the_run(folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    said = []
    monkeypatch.setattr(os, "fsync", full)
    saving = Saving(folder / "here", every=0, say=said.append)
    run = train(prepare(SHORT), saving=saving)
    assert len(run.divergence) == run.steps_planned == len(said)
    assert "No space left on device; the run goes on" in said[0]
    assert list(saving.folder.iterdir()) == []


def test_checkpoints_take_a_hundredth_of_the_time(folder, monkeypatch):
    """The longer one takes, the rarer they are; with a number of seconds they are as frequent as that."""
    now = [0.0]
    monkeypatch.setattr("handgrad.training.saving.monotonic", lambda: now[0])

    def slow(folder, tree):
        now[0] += 3.0

    monkeypatch.setattr("handgrad.training.saving.write_next", slow)
    for every, expected in ((None, 300.0), (20.0, 20.0), (0, 0.0)):
        saving = Saving(folder, every)
        saving.write({})
        assert saving._next - now[0] == expected


# --- the command ------------------------------------------------------------------------------------------------------

COMMAND = ["compare", "grow-1", "--epochs", "3", "--out", "here"]


def bytes_of(folder):
    return {path.name: path.is_file() and path.read_bytes() for path in folder.iterdir()}


def stopped_at(monkeypatch, steps, number):
    def follow(self, run):
        return len(run.divergence) == steps and signal.raise_signal(number)

    monkeypatch.setattr("handgrad.cli.compare.Follower.__call__", follow)


def test_compare_is_terminated_and_goes_on(folder, capsys, monkeypatch):
    """Exit code 143 with report and checkpoint; --resume writes the files of an undisturbed run, byte for byte."""
    assert cli.main(COMMAND) == 0
    whole = bytes_of(folder / "here")
    assert sorted(whole) == ["report.html", "result.json", "weights.safetensors"]
    with monkeypatch.context() as patched:
        stopped_at(patched, 2, signal.SIGTERM)
        assert cli.main(COMMAND) == 143
    assert sorted(bytes_of(folder / "here")) == ["checkpoints", *sorted(whole)]
    assert "INTERRUPTED after 2 of 3 steps" in capsys.readouterr().out
    assert cli.main([*COMMAND, "--resume", "--checkpoint-every", "1"]) == 0
    assert bytes_of(folder / "here") == whole
    assert capsys.readouterr().err == ""


def test_compare_says_where_it_begins(folder, capsys, monkeypatch):
    """No checkpoint; one that is not gone on from; a damaged one; all damaged; one of another run."""
    monkeypatch.setattr("handgrad.report.write_report", lambda outcome, path: None)
    assert cli.main([*COMMAND, "--resume"]) == 0
    assert capsys.readouterr().err == "handgrad: here holds no checkpoint; this run begins at the first step\n"
    stopped_at(monkeypatch, 2, signal.SIGINT)
    for _ in range(2):
        assert cli.main([*COMMAND, "--checkpoint-every", "0"]) == 130
    assert "here/checkpoints holds a checkpoint that --resume would go on from" in capsys.readouterr().err
    newest, before = numbered(folder / "here" / "checkpoints").values()
    left = newest.with_name(".handgrad-0123")
    left.write_text("half of a checkpoint")
    assert cli.main([*COMMAND, "--resume", "--lr", "1"]) == 2
    assert f"{newest.relative_to(folder)} is of another run: its lr is" in capsys.readouterr().err
    assert not left.exists()
    newest.write_bytes(b"")
    before.write_bytes(before.read_bytes()[:-1])
    assert cli.main([*COMMAND, "--resume"]) == 2
    err = capsys.readouterr().err
    assert "every checkpoint in here/checkpoints is damaged" in err
    assert err.count("\n") == 1


def test_a_loss_that_is_not_finite_ends_the_run(folder, capsys, monkeypatch):
    """With its step and the last good checkpoint; --keep-going goes on from there, as if it had been said before."""
    command = ["compare", "prod", "--epochs", "1", "--lr", "1e30", "--out", "here", "--checkpoint-every", "0"]
    assert cli.main(command) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "FAILED after 2 of" in out
    good = numbered(folder / "here" / "checkpoints")[1].relative_to(folder)
    said = "not finite from step 2 on: training diverged; the last good checkpoint is"
    assert f"{said} {good}; --keep-going trains on" in out
    assert json.loads((folder / "here" / "result.json").read_text())["diverged_at"] == 2
    assert "The loss of step 2 is not finite" in (folder / "here" / "report.html").read_text()
    monkeypatch.setattr("handgrad.report.write_report", lambda outcome, path: None)
    assert cli.main([*command, "--resume", "--keep-going"]) == 0
    found = json.loads((folder / "here" / "result.json").read_text())
    assert (found["steps_done"], found["diverged_at"]) == (found["steps_planned"], 2)


def test_terminated_before_training_exits_143(capsys, monkeypatch):
    monkeypatch.setattr("handgrad.training.train.prepare", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert cli.main(["compare", "line"]) == 143
    assert capsys.readouterr().err.strip() == "handgrad: terminated"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


SWEEP = ["sweep", "grow-1", "--epochs", "1", "--lr", "0.1,0.2", "--jobs", "1", "--out", "here"]


@pytest.mark.parametrize(
    ("command", "writer"),
    [(COMMAND, "handgrad.report.write_report"), (SWEEP, "handgrad.cli.sweep_terminal.write_page")],
    ids=["compare", "sweep"],
)
def test_a_signal_while_the_report_is_drawn_cuts_nothing(command, writer, folder, monkeypatch):
    """matplotlib took the exception for an argument that it cannot read, and the command ended with exit code 2."""

    def drawn(found, path):
        signal.raise_signal(signal.SIGTERM)
        path.write_text("drawn")

    monkeypatch.setattr(writer, drawn)
    assert cli.main(command) == 0
    assert (folder / "here" / "report.html").read_text() == "drawn"
    assert not (folder / "here" / "checkpoints").exists()


def test_a_second_signal_ends_at_once(monkeypatch):
    monkeypatch.setattr("handgrad.stopping.PATIENCE", -1.0)
    for number in (signal.SIGINT, signal.SIGTERM):
        with interruptible() as stop:
            signal.raise_signal(number)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert stop.signal == number


def test_seeds_that_are_finished_are_not_run_again(folder, monkeypatch, capsys):
    from handgrad.training import seeds

    monkeypatch.setattr("handgrad.report.write_report", lambda outcome, path: None)
    command = [*COMMAND, "--seeds", "4", "--jobs", "1"]
    assert cli.main(command) == 0
    whole = bytes_of(folder / "here")
    original, run = seeds.repeat, []

    def dies(request, seed):
        run.append(seed)
        if len(run) == 3:
            raise KeyboardInterrupt
        return original(request, seed)

    monkeypatch.setattr(seeds, "repeat", dies)
    assert cli.main(command) == 130
    assert cli.main([*command, "--resume"]) == 0
    assert run == [1, 2, 3, 3]
    assert bytes_of(folder / "here") == whole


class Process:
    """One that goes on until it is told to end."""

    def __init__(self, arguments, stdin, **_):
        self.arguments, self.stdin, self.ended = arguments, stdin, threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def communicate(self):
        assert self.ended.wait(60)
        assert select.select([self.stdin], [], [], 0)[0] == []  # it can be read only where the parent is dead
        return "", "terminated"

    def terminate(self):
        self.ended.set()


def test_all_hands_sigterm_on_and_resumes_each(folder, monkeypatch):
    """The processes of --all are in no terminal that would tell them."""
    made = []
    monkeypatch.setattr(all_experiments.subprocess, "Popen", lambda *a, **k: made.append(Process(*a, **k)) or made[-1])
    some = [EXPERIMENTS[name] for name in ("xor", "line")]
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    with terminable():
        timer.start()
        saving = ["--checkpoint-every=1"]
        done, stopped = all_experiments.compare_all(some, [], folder, 2, True, saving, lambda outcome: None)
    assert isinstance(stopped, Terminated)
    assert [outcome.error for outcome in done] == ["terminated"] * 2
    assert [process.arguments[-2:] for process in made] == [["--checkpoint-every=1", "--resume"]] * 2


CHILD = """
import threading
from handgrad.cli import one_of_all
one_of_all.end_with_the_command()
print("begun", flush=True)
threading.Event().wait(300)
"""


def test_a_process_of_all_is_terminated_when_its_parent_is_killed():
    """By SIGTERM, after which it writes what it has."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": {**os.environ, **same_imports()}}
    with subprocess.Popen([sys.executable, "-c", CHILD], text=True, **pipes) as child:
        assert child.stdout.readline() == "begun\n"
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(60) == -signal.SIGTERM


# --- one run at a time ------------------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from handgrad.lock import locked

with locked(Path("here")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("command", [COMMAND, ["sweep", "line", "--lr", "0.1,0.2", "--epochs", "1", "--out", "here"]])
def test_a_second_run_into_one_folder_is_refused(command, folder, capsys, monkeypatch):
    """In one line, which names the process. One that was killed holds nobody up."""
    (folder / "here").mkdir()
    for work in ("handgrad.training.train.train", "handgrad.cli.sweep_terminal._follow"):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("training started"))
    arguments = [sys.executable, "-c", HOLDER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": {**os.environ, **same_imports()}}
    with subprocess.Popen(arguments, text=True, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        assert cli.main(command) == 2
        err = capsys.readouterr().err
        assert err == f"handgrad: error: another run writes into here (process {holder.pid}); give another --out\n"
        holder.kill()
    assert (folder / "here" / LOCK).read_text() == f"{holder.pid}\n"
    (folder / "here" / ".handgrad-0123").write_text("half of a file")
    with pytest.raises(pytest.fail.Exception):
        cli.main(command)
    assert not list((folder / "here").glob(".handgrad*"))
