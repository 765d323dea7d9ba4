"""Runs in two processes that `torchrun` started: correct sharded training, planted bugs, runs that were stopped and go
on, and the command itself.

`python -m torch.distributed.run --nproc-per-node=2 sharded.py FOLDER` writes what each rank saw to FOLDER/RANK.json.
The processes join for the cases and once more for every command: nothing of one group may be left for the next.
"""

import contextlib
import gc
import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist

from handgrad import cli
from handgrad.distributed import train as distributed
from handgrad.distributed.process_group import Ranks, joined, of_first
from handgrad.distributed.saving import COMMAND, tree_of
from handgrad.experiments import Data, Expectation, Experiment
from handgrad.training.saving import Saving
from handgrad.training.sides import SIDES
from handgrad.training.train import prepare
from parity_tests.contract.test_training_state import equal


@dataclass(frozen=True)
class Case:
    """A run of two steps: the recipe, what rank 1 (or every rank) does wrong, and words that the refusal must hold."""

    recipe: dict[str, Any] = field(default_factory=dict)
    bug: dict[str, Any] = field(default_factory=dict)  # name in `distributed.train` → what stands there instead
    everywhere: bool = False  # whether all ranks have the bug, or rank 1 alone
    words: tuple[str, ...] = ()  # none: it must hold


def ten_rows(seed: int) -> Data:
    rng = np.random.default_rng(seed)
    return Data(rng.standard_normal((10, 4)), np.arange(10) % 3, classes=("a", "b", "c"))


def loss(*args: Any, **options: Any) -> Any:
    return lambda side: SIDES[side].CrossEntropyLoss(*args, **options)


@contextlib.contextmanager
def summed(trainer: Any, ranks: Any) -> Iterator[None]:
    """Averages nothing: adds."""

    def hook(state: Any, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        return dist.all_reduce(bucket.buffer(), async_op=True).get_future().then(lambda future: future.value()[0])

    with spread(trainer, ranks):
        trainer.model.call.register_comm_hook(None, hook)
        yield


def skipping(trainer: Any, x: Any, y: Any, factor: float) -> float:
    """The backward pass, but no update."""
    kept = trainer.optimizer
    trainer.optimizer = mock.Mock()
    kept.zero_grad()
    value = step(trainer, x, y, factor)
    trainer.optimizer = kept
    return value


def other_rows(trainer: Any, x: Any, y: Any, factor: float) -> float:
    return step(trainer, x.flip(0) + 1, y, factor)


@contextlib.contextmanager
def other_weights(trainer: Any, ranks: Any) -> Iterator[None]:
    with spread(trainer, ranks):
        next(trainer.model.module.parameters()).data[0, 0] += 1e-7
        yield


spread, step = distributed.spread, distributed.step
UNEQUAL = {"batch_size": 5}
CASES: dict[str, Case] = {
    "equal shards": Case(),
    "unequal shards": Case(UNEQUAL),
    "unequal shards, float64": Case({**UNEQUAL, "dtype": "float64", "optimizer": "Adam", "lr": 0.01}),
    "a last batch of two rows": Case({"batch_size": 4, "epochs": 1}),
    "a sum": Case({**UNEQUAL, "own_loss": loss(reduction="sum"), "lr": 0.01}),
    "tanh, in any order": Case({**UNEQUAL, "activation": "tanh", "shuffle": True, "hidden": (8, 8)}),
    "the sum of the gradients": Case({}, {"spread": summed}, True, ("averaged gradient", "constant ratio 2")),
    "nothing is averaged": Case(
        {}, {"spread": lambda *_: contextlib.nullcontext()}, True, ("averaged gradient", "that of rank 0 alone")
    ),
    "unequal shards without factors": Case(UNEQUAL, {"factor": lambda *_: 1.0}, True, ("averaged gradient",)),
    "factors the wrong way": Case(UNEQUAL, {"factor": lambda r, s, i: s[1 - i] * 2 / sum(s)}, True, ("averaged",)),
    "a sum taken for a mean": Case(
        {"own_loss": loss(reduction="sum"), "lr": 0.01}, {"factor": lambda *_: 1.0}, True, ("averaged", "ratio 1/2")
    ),
    "a rank counts for nothing": Case({}, {"factor": lambda *_: 0.0}, False, ("averaged gradient",)),
    "a rank skips its update": Case({}, {"step": skipping}, False, ("after step 1 rank 1 holds another",)),
    "a rank has other rows": Case({}, {"step": other_rows}, False, ("loss of rank 1",)),
    "a rank starts from other weights": Case({}, {"spread": other_weights}, False, ("rank 1 holds another",)),
    "a loss that looks at the whole batch": Case(
        {"own_loss": loss(weight=np.array([1, 5, 25], np.float32))}, {}, False, ("more than one row",)
    ),
}


RESUMED: dict[str, dict[str, Any]] = {
    "momentum, in any order": {"optimizer_options": {"momentum": 0.9}, "shuffle": True, "batch_size": 4},
    "Adam, unequal shards": {**UNEQUAL, "optimizer": "Adam", "lr": 0.01, "dtype": "float64"},
}
"""Recipes of four or six steps, of which the first ones are done before a checkpoint."""
STOPS = {"killed": None, "SIGTERM to rank 1": signal.SIGTERM}


def broken(trainer: Any, x: Any, y: Any, factor: float) -> float:
    raise FloatingPointError("the disk is full")


def interrupted(trainer: Any, x: Any, y: Any, factor: float) -> float:
    os.kill(os.getpid(), signal.SIGINT)
    return step(trainer, x, y, factor)


def asleep(trainer: Any, x: Any, y: Any, factor: float) -> float:
    time.sleep(6)  # longer than --timeout and what the other waits for an answer
    return step(trainer, x, y, factor)


@dataclass(frozen=True)
class Command:
    """Arguments of `handgrad distributed`, its exit code, words that are said once, and what rank 1 does instead."""

    arguments: str
    code: int
    words: tuple[str, ...]
    bug: dict[str, Any] = field(default_factory=dict)


COMMANDS: dict[str, Command] = {
    "passes": Command(
        "circle --epochs 1 --batch-size 200 --judge-every 1 --out whole",
        0,
        ("2 processes", "gloo", "held", "PASSED", "5 of 5 steps"),
    ),
    "too small a batch": Command("circle --batch-size 1", 2, ("1 row,", "2 processes", "--batch-size")),
    "no such experiment": Command("circl", 2, ("'circl'", "did you mean 'circle'")),
    "a bad option": Command("circle --lr x", 2, ("--lr", "'x'")),
    "a bad device": Command("circle --device tpu", 2, ("device must be cpu or cuda", "'tpu'")),
    "another usage": Command("circle --nonsense", 2, ("--nonsense",)),
    "a rank fails": Command("circle", 2, ("rank 1 of 2", "FloatingPointError: the disk is full"), {"step": broken}),
    "after a failure": Command("circle --epochs 1", 0, ("PASSED",)),
    "a rank is wrong": Command("circle --epochs 1", 1, ("FAILED", "after step 1 rank 1 holds"), {"step": skipping}),
    "a rank is stuck": Command(
        "circle --timeout 3", 2, ("rank 1 of 2 did not answer for 3 s", "--timeout"), {"step": asleep}
    ),
    "interrupted": Command(
        "circle --epochs 1 --batch-size 200 --judge-every 1 --out stopped",
        130,
        ("INTERRUPTED after 1 of 5",),
        {"step": interrupted},
    ),
    "another run": Command("circle --epochs 1 --lr 1 --out stopped --resume", 2, ("of another run: its lr is",)),
    "goes on": Command(
        "circle --epochs 1 --batch-size 200 --judge-every 1 --out stopped --resume", 0, ("PASSED", "5 of 5 steps")
    ),
    "left for one process": Command(
        "circle --epochs 1 --out left", 130, ("INTERRUPTED after 1 of",), {"step": interrupted}
    ),
    "no place": Command(
        "circle --out whole/weights.safetensors/x", 2, ("--out whole/weights.safetensors/x cannot be written",)
    ),
}


LAST = ["distributed", "circl"]


def ten(recipe: dict[str, Any]) -> Experiment:
    fields: dict[str, Any] = {
        "data": ten_rows,
        "task": "multiclass",
        "hidden": (6,),
        "loss": "CrossEntropyLoss",
        "optimizer": "SGD",
        "optimizer_options": {},
        "lr": 0.1,
        "epochs": 2,
        "expect": Expectation("final_loss", "max", 9),
    }
    return Experiment(name="ten", **fields | recipe)


def run(case: Case, ranks: Ranks) -> dict[str, Any]:
    bug = case.bug if case.everywhere or ranks.rank == 1 else {}
    with mock.patch.multiple(distributed, **bug) if bug else contextlib.nullcontext():
        found = distributed.train(prepare(ten(case.recipe)), ranks)
    failures = [failure for tally in found.tallies.values() for failure in tally.failures]
    text = "\n".join([*(failure.render() for failure in failures), found.parted])
    steps = {side: tally.steps for side, tally in found.tallies.items()}
    return {"held": found.held, "text": text, "judged": steps, "equal": found.equal, "losses": found.losses}


def resumed(recipe: dict[str, Any], number: int | None, ranks: Ranks) -> dict[str, Any]:
    """A run that is stopped after two steps, by a signal to rank 1 or by force, and goes on; and an undisturbed one."""

    def trained(saving: Saving | None) -> dict[str, Any]:
        made = prepare(ten(recipe))
        if saving is not None:
            saving.tree = of_first(ranks, lambda: (saving.begin(made, bool(list(folder.glob("*")))), saving.tree)[1])
        found = distributed.train(made, ranks, saving=saving)
        found.seconds = 0
        tree = tree_of(found, made, {})
        if ranks.rank:  # the others count nothing
            tree["run"]["apart"] = tree["run"]["tallies"] = None
        return tree

    def stopping(trainer: Any, x: Any, y: Any, factor: float) -> float:
        done.append(1)
        if number is None and len(done) == 3:
            raise InterruptedError
        if number is not None and len(done) == 2 and ranks.rank == 1:
            os.kill(os.getpid(), number)
        return step(trainer, x, y, factor)

    def saving() -> Saving:
        return Saving(folder, 0 if number is None else 1e9, command=COMMAND)

    done: list[int] = []
    folder = Path(sys.argv[1], f"resumed-{number}-{recipe['batch_size']}")
    whole = trained(None)
    with mock.patch.object(distributed, "step", stopping), contextlib.suppress(InterruptedError):
        trained(saving())
    again = saving()
    try:
        equal(trained(again), whole)
    except AssertionError as error:
        return {"steps": len(done), "differs": str(error)}
    return {"steps": len(done), "differs": ""}


def command(one: Command) -> dict[str, Any]:
    bug = one.bug if os.environ["RANK"] == "1" else {}
    wrong = mock.patch.multiple(distributed, **bug) if bug else contextlib.nullcontext()
    out, error = io.StringIO(), io.StringIO()
    with wrong, contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = cli.main(["distributed", *one.arguments.split()])
    return {"code": code, "out": out.getvalue(), "error": error.getvalue()}


def main() -> None:
    gc.freeze()  # every end of a group collects garbage: not among all that was imported
    with joined() as ranks:
        found: dict[str, Any] = {"cases": {name: run(case, ranks) for name, case in CASES.items()}}
        found["resumed"] = {
            f"{name}, {stop}": resumed(recipe, number, ranks)
            for name, recipe in RESUMED.items()
            for stop, number in STOPS.items()
        }
    found["commands"] = {name: command(one) for name, one in COMMANDS.items()}
    Path(sys.argv[1], f"{os.environ['RANK']}.json").write_text(json.dumps(found), encoding="utf-8")
    sys.exit(cli.main(LAST))  # nothing is caught any more: torchrun ends the other process as soon as one has ended


if __name__ == "__main__":
    main()
