"""Checkpoints: all that training keeps goes through a file to the last bit, on either side and across them; and a file
that is damaged, of a later version or of something else changes nothing."""

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
import torch

from contract.names import SIDES as NAMES
from handgrad import checkpoint
from handgrad.checkpoint import CheckpointError, DamagedError
from handgrad.checkpoint.file import read as read_tree
from handgrad.checkpoint.file import write as write_tree
from handgrad.checkpoint.folder import numbered
from handgrad.checkpoint.state import state_of
from parity_tests.catalogue.tables import SIDES
from parity_tests.contract.test_training_state import RUNS, SCHEDULES, Quasi, Run, Tables, equal
from parity_tests.support.strategies import Draw

DRAW = Draw("normal", "contiguous", 0)
X, Y = DRAW.array((6, 3), np.float32, 0), DRAW.array((6, 2), np.float32, 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def deep(package, seed, dtype=np.float32):
    """With batch norm and dropout."""
    first, last = (package.Linear(*sizes, dtype=dtype, rng=seed + i) for i, sizes in enumerate([(3, 4), (4, 2)]))
    return package.Sequential(
        first, package.BatchNorm1d(4, dtype=dtype), package.Tanh(), package.Dropout(0.5, rng=seed), last
    )


class Deep(Run):
    """The first Linear's weight in one group, all else in the other."""

    def __init__(self, side, kind, schedule, seed=0):
        package = SIDES[side]
        self.model = deep(package, seed)
        members = [p for name, p in self.model.named_parameters() if kind != "Muon" or p.data.ndim == 2]
        self.optimizer = getattr(package, kind)([{"params": members[:1]}, {"params": members[1:]}], lr=0.05)
        trainer = package.Trainer(self.model, package.MSELoss(), self.optimizer)
        self.train = lambda: trainer.step(X, Y)
        self.optimizer.step()
        self.schedule = SCHEDULES[schedule](package, self.optimizer)


class DeepQuasi(Quasi):
    def net(self, package, seed):
        return deep(package, seed, np.float64)


class DeepTables(Tables):
    """Behind each table layers that have no weights: SparseAdam takes none."""

    def net(self, package, seed):
        norm = package.BatchNorm1d(2, affine=False, dtype=np.float64)
        return package.Sequential(super().net(package, seed), norm, package.Dropout(0.5, rng=seed))


KINDS = {**dict.fromkeys(RUNS, Deep), "LBFGS": DeepQuasi, "SparseAdam": DeepTables}


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_from_a_file_as_if_it_had_not_stopped(kind, path):
    """Every optimizer with every schedule, batch norm and dropout; the other side takes over the same numbers."""
    for schedule, giver in itertools.product(SCHEDULES, SIDES):
        run = KINDS[kind](giver, kind, schedule)
        for _ in range(2):
            run.step()
        checkpoint.save(path, run, schedule=run.schedule)
        saved = state_of(run, run.schedule)
        rest = [run.step() for _ in range(2)]
        for taker in SIDES:
            other = KINDS[kind](taker, kind, schedule, seed=1)
            other.step()
            assert checkpoint.load(path, other, schedule=other.schedule).side == giver
            taken = state_of(other, other.schedule)
            for part in ("model", "gradients", "drawing"):
                equal(taken[part], saved[part])
            if taker == giver:
                equal(taken, saved)
                equal([other.step() for _ in range(2)], rest)
            else:
                equal(taken["optimizer"]["state"], saved["optimizer"]["state"])
                assert rates(other) == rates_of(saved)
                other.step()


def rates(run):
    return [group["lr"] for group in run.optimizer.param_groups]


def rates_of(state):
    return [group["lr"] for group in state["optimizer"]["param_groups"]]


def trained(side="scratch", kind="Adam", sizes=(3, 4, 2), steps=2, **options):
    package = SIDES[side]
    model = package.MLP(sizes, "tanh", rng=0)
    trainer = package.Trainer(model, package.MSELoss(), getattr(package, kind)(model.parameters(), **options))
    for _ in range(steps):
        trainer.step(X, Y)
    return trainer


def test_what_the_caller_gives_comes_back(path):
    """Positions, histories with what JSON has not, and generators of both libraries."""
    given = {
        "position": {"epoch": 3, "batch": 7},
        "history": {"losses": np.array([1.0, np.nan]), "last": -np.inf, "pairs": {1: (2, None)}, "µ/ν": [True, "x"]},
        "recipe": {"lr": 0.1, "hidden": [4], "step": np.float32(0.5), "seed": 2**100},
        "environment": {"cpu": "an abacus"},
    }
    numpy, legacy, theirs = np.random.default_rng(5), np.random.Generator(np.random.MT19937(5)), torch.Generator()
    named = {"numpy": numpy, "legacy": legacy, "torch": theirs}

    def draw():
        return [numpy.random(3), legacy.random(3), torch.rand(3, generator=theirs).numpy()]

    draw()
    checkpoint.save(path, trained(), generators=named, **given)
    rest = draw()
    found = checkpoint.load(path, trained(steps=0), generators=named)
    equal(draw(), rest)
    assert found.position == given["position"]
    assert found.recipe == {**given["recipe"], "step": 0.5}
    assert found.environment == given["environment"]
    equal(found.history["losses"], given["history"]["losses"])
    assert found.history["losses"].dtype == np.float64
    assert {k: v for k, v in found.history.items() if k != "losses"} == {
        "last": -np.inf,
        "pairs": {1: [2, None]},
        "µ/ν": [True, "x"],
    }
    checkpoint.save(path, trained())
    assert set(checkpoint.read(path).environment) == {"handgrad", "python", "numpy", "torch"}


def test_names_that_hold_a_slash_stay_apart(path):
    history = {"a": {"b": np.array([1])}, "a/b": np.array([2])}
    write_tree(path, history)
    equal(read_tree(path), {"version": 1, **history})


@pytest.mark.parametrize("value", [{1, 2}, 1j, np.array(["x"]), np.array([1j]), object(), {"$x": 1}, {1.5: 2}, b"x"])
def test_what_no_file_can_hold_is_refused_and_nothing_is_written(value, path):
    with pytest.raises(CheckpointError, match="history"):
        checkpoint.save(path, trained(), history={"x": value})
    assert not path.exists()


# What is loaded into, what the one line says of it.
MISFITS = {
    "another width": (lambda: trained(sizes=(3, 5, 2)), "layers.0.weight has shape"),
    "another depth": (lambda: trained(sizes=(3, 4, 4, 2)), "missing layers.4.weight"),
    "another optimizer": (lambda: trained(kind="AdamW"), "optimizer: Adam; here: AdamW"),
    "another side's optimizer": (lambda: trained("torch", "SGD", lr=0.1), "optimizer: Adam; here: SGD"),
}


def refused(path, trainer, words, **more):
    """Refused in one line, and all is as it was."""
    before = state_of(trainer, **more)
    with pytest.raises(CheckpointError, match=words) as error:
        checkpoint.load(path, trainer, **more)
    assert "\n" not in str(error.value)
    equal(state_of(trainer, **more), before)
    return error


@pytest.mark.parametrize("case", MISFITS)
def test_of_something_else_nothing_is_taken(case, path):
    checkpoint.save(path, trained(), position=1)
    make, words = MISFITS[case]
    refused(path, make(), words)


@pytest.mark.parametrize("side", SIDES)
def test_schedules_and_generators_must_be_those_of_the_file(side, path):
    package = SIDES[side]
    trainer, generator = trained(side), np.random.default_rng(1)
    schedule = package.StepLR(trainer.optimizer, 2)
    checkpoint.save(path, trainer, schedule=schedule, generators={"shuffle": generator})
    refused(path, trainer, "its schedule: StepLR; here: none", generators={"shuffle": generator})
    refused(path, trainer, "its generators: shuffle; here: none", schedule=schedule)
    for other, words in [
        (package.ExponentialLR(trainer.optimizer, 0.5), "StepLR; here: ExponentialLR"),
        (package.StepLR(trainer.optimizer, 2), "its generator: PCG64; here: MT19937"),
    ]:
        bits = np.random.Generator(np.random.MT19937(1))
        refused(path, trainer, words, schedule=other, generators={"shuffle": bits})
    nets = (package.Sequential(package.Linear(3, 2, rng=0), last) for last in (package.Dropout(), package.Tanh()))
    first, second = (SimpleNamespace(model=net, optimizer=package.SGD(net.parameters())) for net in nets)
    checkpoint.save(path, first)
    refused(path, second, "layers that draw numbers: 1; here: none")


def test_a_state_that_fits_in_part_is_taken_back(path):
    """The optimizer and the schedule are accepted, then a generator is not: all are as they were."""
    trainer, generator = trained(steps=3), np.random.default_rng(1)
    schedule = SIDES["scratch"].StepLR(trainer.optimizer, 1)
    checkpoint.save(path, trainer, schedule=schedule, generators={"a": generator})
    tree = read_tree(path)
    tree["generators"]["a"]["state"] = {"state": "none"}
    write_tree(path, tree)
    trainer.step(X, Y)
    schedule.step()
    refused(path, trainer, "does not fit", schedule=schedule, generators={"a": generator})


@pytest.mark.parametrize("part", ["side", "model", "optimizer", "position"])
def test_a_file_of_another_kind_is_refused(part, path):
    checkpoint.save(path, trained())
    tree = read_tree(path)
    del tree[part]
    write_tree(path, tree)
    refused(path, trained(), part)
    safetensors.numpy.save_file({"x": np.zeros(2)}, path)
    refused(path, trained(), "is no checkpoint")


def test_a_later_version_is_refused(path):
    checkpoint.save(path, trained())
    write_tree(path, {**read_tree(path), "version": 2})
    error = refused(path, trained(), "has version 2; this handgrad reads up to 1")
    assert not isinstance(error.value, DamagedError)


def test_every_damage_is_recognised(path):
    """A bit of any byte turned, the file cut anywhere, zeros in its place: never taken for a checkpoint."""
    checkpoint.save(path, trained(sizes=(3, 2), steps=1))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    places = {0, 7, 8, len(whole) - 1, *rng.integers(len(whole), size=150).tolist()}
    for place in places:
        turned = bytes([whole[place] ^ (1 << int(rng.integers(8)))])
        for content in (whole[:place] + turned + whole[place + 1 :], whole[:place]):
            path.write_bytes(content)
            with pytest.raises(DamagedError):
                read_tree(path)
    path.write_bytes(bytes(len(whole)))
    refused(path, trained(), "is damaged")
    path.write_bytes(whole)
    read_tree(path)


def test_of_a_folder_the_newest_whole_one_is_taken(tmp_path):
    trainer, folder = trained(), tmp_path / "made"
    for step in range(5):
        trainer.step(X, Y)
        checkpoint.save_next(folder, trainer, position=step, keep=3)
    assert [path.name for path in sorted(folder.iterdir())] == [f"checkpoint-00000{i}.safetensors" for i in (3, 4, 5)]
    newest, before, _ = numbered(folder).values()
    assert checkpoint.load(folder, trained()).position == 4
    newest.write_bytes(newest.read_bytes()[:-1])
    found = checkpoint.load(folder, trained())
    assert (found.position, found.path) == (3, before)
    assert [line.endswith("the one before it is used") for line in found.damaged] == [True]
    for path in numbered(folder).values():
        path.write_bytes(b"")
    refused(folder, trained(), f"every checkpoint in {folder} is damaged")
    refused(tmp_path, trained(), "holds no checkpoint")
    with pytest.raises(FileNotFoundError):
        checkpoint.load(folder / "none", trained())


def test_the_names_of_sides_are_the_projects(path):
    for side in SIDES:
        checkpoint.save(path, trained(side))
        assert checkpoint.read(path).side == side
        assert side in NAMES
        assert json.loads(safetensors.safe_open(path, "np").metadata()["checkpoint"])["side"] == side


# --- docs/checkpoint.md -----------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "checkpoint.md").read_text(encoding="utf-8")


def test_the_page_runs_and_a_plain_torch_script_reads_the_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ours, plain = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(plain[plain.index("arrays, state") :].splitlines()) == 5  # as the page says
    names: dict = {}
    exec(ours, names)
    comment = re.search(r"# (6 steps.*)", ours)
    assert capsys.readouterr().out.strip() == comment[1]
    exec(plain, names)
    state = names["net"].state_dict()
    for name, array in names["model"].state_dict().items():
        np.testing.assert_array_equal(state[name].numpy(), array)
    taken = names["optimizer"].state_dict()["state"]
    for number, entries in names["trainer"].optimizer.state_dict()["state"].items():
        for name, array in entries.items():
            np.testing.assert_array_equal(taken[number][name].numpy(), array)


def test_the_page_names_every_field(path):
    checkpoint.save(path, trained())
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(read_tree(path))
