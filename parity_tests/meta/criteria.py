"""What popular criteria catch of the catalogue of planted bugs, and whom they accuse without one: a markdown table.

    python -m parity_tests.meta.criteria            the table
    python -m parity_tests.meta.criteria --missed   and the names of the bugs that each criterion lets pass

All criteria see the same scenarios, the same examples and the same reference, the centre of the judge's ball: only the
question "is this number right?" is answered differently. That is generous to the others in three ways. A crash, a wrong
shape, a missing gradient and a failed plain assertion count as caught by all of them; equal NaN and infinities count as
equal; and numbers of which nothing can be claimed, because a partial result may overflow, are left out for all.

`gradcheck` is PyTorch's own, with its defaults, on the hand-written ops, nets and losses in float64. It compares a
backward pass with numerical derivatives of its own forward pass, so it applies to nothing else.

A criterion has caught a bug if it refuses something that it does not refuse in the right code as well. "Normal draws
alone" is what most people test with: the same properties on normally distributed numbers, without the edges.
"""

import argparse
import cProfile
import functools
import os
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

import scratch
from handgrad.bugs import BUGS, Bug, functions_of, planted
from handgrad.judge import Ball, Verdict
from parity_tests.catalogue.tables import LOSSES, OPS, LossRow
from parity_tests.meta.scenarios import EXAMPLES, SCENARIOS, Scenario, in_order
from parity_tests.numbers.test_losses import reductions
from parity_tests.support import strategies
from parity_tests.support.samples import as_tuple, loss_arrays

OURS, GRADCHECK = "handgrad: inside the ball", "torch gradcheck: atol 1e-5, rtol 1e-3, eps 1e-6"
ASSERT_CLOSE = "torch.testing.assert_close: defaults by dtype"

# value, reference, dtype → where they count as equal
TOLERANCES: dict[str, Callable[[Any, Any, Any], Any]] = {
    ASSERT_CLOSE: lambda v, m, dtype: (
        np.abs(v - m) <= (1e-5 + 1.3e-6 * np.abs(m) if dtype == np.float32 else 1e-7 + 1e-7 * np.abs(m))
    ),
    "numpy-ml: decimal=5": lambda v, m, dtype: np.abs(v - m) < 1.5e-5,
    "llm.c: absolute 2e-2": lambda v, m, dtype: np.abs(v - m) <= 2e-2,
}
CRITERIA = [OURS, *TOLERANCES, GRADCHECK]


@dataclass
class Record:
    """Every comparison of one scenario, and by number those that a criterion refuses; and what code ran."""

    comparisons: int = 0
    ran: set[types.CodeType] = field(default_factory=set)
    refused: dict[str, set[Any]] = field(default_factory=lambda: {name: set() for name in CRITERIA})

    def compare(self, v: Any, m: Any, dtype: Any, ours: bool, left_out: Any = False) -> None:
        """One tensor against its reference; `ours` says whether the judge, or an exact comparison, holds."""
        with np.errstate(all="ignore"):
            m = np.asarray(m).astype(dtype).astype(np.float64)
            equal = (v == m) | (np.isnan(v) & np.isnan(m)) | left_out
            holds = {name: bool(np.all(equal | close(v, m, dtype))) for name, close in TOLERANCES.items()}
        for name, held in {OURS: ours, **holds}.items():
            if not held:
                self.refused[name].add(self.comparisons)
        self.comparisons += 1

    def refuse(self, why: Any, criteria: list[str]) -> None:
        for name in criteria:
            self.refused[name].add(why)


@contextmanager
def recording(record: Record) -> Iterator[None]:
    """While inside, comparisons are recorded and none of them stops the scenario."""
    judge, refuse = Verdict.compare, Verdict.refuse

    def compare(self: Verdict, tensor: str, v: Any, reference: Ball, explain: Any = None) -> bool:
        trial = Verdict()
        left_out = np.isinf(reference.rad) | np.isnan(reference.rad)
        record.compare(v, reference.mid, reference.format.dtype, judge(trial, "", v, reference), left_out)
        self.numbers += trial.numbers
        self.skipped += trial.skipped
        return True

    def refused(self: Verdict, tensor: str, problem: str, pattern: str = "unknown") -> None:
        """A wrong dtype is seen by the judge and by assert_close, everything else by everybody."""
        dtype = problem.startswith("its dtype")
        record.refuse((tensor, problem), [OURS, ASSERT_CLOSE] if dtype else [OURS, *TOLERANCES])
        record.comparisons += not dtype

    def exact(original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def assertion(actual: Any, desired: Any, *args: Any, **options: Any) -> None:
            a, b = np.asarray(actual), np.asarray(desired)
            if a.shape != b.shape or a.dtype.kind != "f" or b.dtype.kind != "f":
                original(actual, desired, *args, **options)
                return
            try:
                original(actual, desired, *args, **options)
                held = True
            except AssertionError:
                held = False
            record.compare(a.astype(np.float64), b, a.dtype, held)

        return assertion

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Verdict, "compare", compare)
        patch.setattr(Verdict, "refuse", refused)
        for name in ("assert_array_equal", "assert_array_max_ulp"):
            patch.setattr(np.testing, name, exact(getattr(np.testing, name)))
        yield
    assert (Verdict.compare, Verdict.refuse) == (judge, refuse)


BY_NAME = {s.name: s for kind in SCENARIOS.values() for s in kind}
PLAIN = [example for example in EXAMPLES if example.draw.style == example.upstream.style == "normal"]


@functools.cache
def right(scenario: str, plain: bool = False) -> Record:
    """What the criteria say of the right code."""
    with _examples(plain), _watching() as ran:
        record = _record(BY_NAME[scenario])
    record.ran = ran
    return record


@contextmanager
def _watching() -> Iterator[set[types.CodeType]]:
    """The code that is run inside, when it has run."""
    ran: set[types.CodeType] = set()
    with cProfile.Profile(subcalls=False, builtins=False) as profile:
        yield ran
    ran.update(entry.code for entry in profile.getstats() if isinstance(entry.code, types.CodeType))


def reaches(ran: set[types.CodeType], bug: Bug) -> bool:
    """Whether what ran in the right code has a function that the bug changes: only then can the bug change a number."""
    return any(function.__code__ in ran for function in functions_of(bug).values())


@contextmanager
def _examples(plain: bool) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if plain:
            patch.setattr("parity_tests.meta.scenarios.EXAMPLES", PLAIN)
        yield


def _draws(scenario: Scenario) -> bool:
    """Whether the scenario is a property over drawn numbers, not a case of its own."""
    return "judged" in scenario.test.__code__.co_names


def _record(scenario: Scenario) -> Record:
    record = Record()
    with recording(record):
        failure = scenario.refusal()
    if failure:
        record.refuse("stopped", [OURS, *TOLERANCES])
    return record


class Hand(torch.autograd.Function):
    """A hand-written op or loss as a function of its input and parameters, differentiated by its own backward."""

    @staticmethod
    def forward(ctx: Any, run: Any, *inputs: torch.Tensor) -> torch.Tensor:
        ctx.run = run
        ctx.save_for_backward(*inputs)
        return torch.from_numpy(np.array(run([t.detach().numpy() for t in inputs])[0]))

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> Any:
        _, derivative = ctx.run([t.detach().numpy() for t in ctx.saved_tensors])
        return None, *(torch.from_numpy(np.array(g)) for g in derivative(grad_output.numpy()))


@dataclass(frozen=True)
class Check:
    """One call of gradcheck: `run(arrays)` gives the output and its vector-Jacobian product."""

    name: str
    run: Any
    inputs: tuple[Any, ...]

    def holds(self) -> bool:
        """Wrong gradients make it False; a crash in the op, an output that cannot be read, or a wrong shape too."""
        tensors = [torch.from_numpy(np.array(a)).requires_grad_() for a in self.inputs]
        try:
            with np.errstate(all="ignore"):
                return bool(
                    torch.autograd.gradcheck(lambda *t: Hand.apply(self.run, *t), tensors, raise_exception=False)
                )
        except Exception:
            return False


def _run_model(build: Any, arrays: list[Any]) -> Any:
    model = build(scratch, np.float64)
    x, *weights = arrays
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.data[...] = weight
    output = model.forward(x)

    def derivative(grad_output: Any) -> list[Any]:
        return [model.backward(grad_output), *(parameter.grad for parameter in model.parameters())]

    return output, derivative


def _run_loss(row: LossRow, constant: dict[int, Any], reduction: str, arrays: list[Any]) -> Any:
    """`constant` are the arrays that are not differentiated, by their place among the arguments."""
    criterion = row.build(scratch, arrays[0].shape[-1], np.float64, reduction)
    rest = iter(arrays)
    places = range(len(constant) + len(arrays))
    value = criterion.forward(*(constant[place] if place in constant else next(rest) for place in places))
    return value, lambda grad_output: as_tuple(criterion.backward(grad_output))


@functools.cache
def checks() -> list[Check]:
    """Every op, net and loss of the tables on every example that is small enough for a Jacobian and not empty."""
    made = []
    small = [e for e in EXAMPLES if e.batch in (None, 1, 2, 3, 5) and e.width <= 7]
    for name, op in OPS.items():
        weights = [p.data for p in op.build(scratch, np.float64).parameters()]
        for example in small if op.width is None or op.width <= 16 else ():
            shape = (() if example.batch is None else (example.batch,)) + (op.width or example.width,)
            x = example.draw.array(shape, np.float64)
            made.append(Check(f"[{name}-", functools.partial(_run_model, op.build), (x, *weights)))
    for name, row in LOSSES.items():
        differentiable = (0, 2) if row.var else (0, 1) if row.pair else (0,)
        draws = strategies.moderate_draws if row.input == "moderate" else strategies.draws
        for reduction in reductions(name):
            for example in small:
                draw = example.arguments({"draw": draws})["draw"]
                arrays = dict(enumerate(loss_arrays(row, draw, example.batch, example.outputs, (), np.float64)))
                inputs = tuple(arrays.pop(place) for place in differentiable)
                run = functools.partial(_run_loss, row, arrays, reduction)
                made.append(Check(f"[{name}-{reduction}-", run, inputs))
    return made


@functools.cache
def trusted() -> list[tuple[Check, set[types.CodeType]]]:
    """The checks that hold for the right code, and what code each runs."""
    held = []
    for check in checks():
        with _watching() as ran:
            holds = check.holds()
        if holds:
            held.append((check, ran))
    return held


def caught_by_gradcheck(bug: Bug) -> bool:
    if bug.kind not in ("ops", "nets", "losses"):
        return False
    reached = [check for check, ran in trusted() if reaches(ran, bug)]
    word = bug.hint.partition("[")[2]
    reached.sort(key=lambda check: not (word and check.name.startswith(f"[{word.partition('-')[0]}")))
    with planted(bug):
        return any(not check.holds() for check in reached)


def _as_in_the_suite() -> None:
    """Warnings are errors, but for the one that pyproject.toml lets pass: torch's KLDivLoss, at every call."""
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "reduction: 'mean' divides the total loss", UserWarning)
    torch.set_num_threads(1)


def score(name: str) -> tuple[set[str], set[str]]:
    """The criteria that catch a bug over all its scenarios, and over normal draws alone."""
    _as_in_the_suite()
    bug = BUGS[name]
    everywhere = caught_by(bug, plain=False)
    if caught_by_gradcheck(bug):
        everywhere.add(GRADCHECK)
    return everywhere, caught_by(bug, plain=True)


def caught_by(bug: Bug, plain: bool) -> set[str]:
    """Over the scenarios made for the bug, those of its kind and those of whole nets."""
    caught: set[str] = set()
    hinted = _hinted(bug)
    for scenario in hinted + [s for s in SCENARIOS[bug.kind] + SCENARIOS["nets"] if s not in hinted]:
        if caught >= {OURS, *TOLERANCES}:
            break
        if plain and not _draws(scenario):
            continue
        before = right(scenario.name, plain)
        if not reaches(before.ran, bug):
            continue
        with planted(bug), _examples(plain):
            now = _record(scenario)
        caught |= {c for c in (OURS, *TOLERANCES) if now.refused[c] - before.refused[c]}
    return caught


def _hinted(bug: Bug) -> list[Scenario]:
    return [s for s in in_order(bug) if bug.hint in s.name] if bug.hint else []


def false_alarms(kind: str) -> dict[str, int]:
    """How many scenarios each criterion refuses in the right code."""
    _as_in_the_suite()
    records = [right(scenario.name) for scenario in SCENARIOS[kind]]
    return {c: sum(bool(record.refused[c]) for record in records) for c in (OURS, *TOLERANCES)}


GROUPS = {"layers and nets": ("ops", "nets"), "losses": ("losses",), "optimizers": ("optimizers",)}


def table(caught: dict[str, tuple[set[str], set[str]]], alarms: dict[str, tuple[int, int]]) -> str:
    """Markdown: one line a criterion."""
    columns = {group: [n for n in BUGS if BUGS[n].kind in kinds] for group, kinds in GROUPS.items()}
    columns["the rest"] = [n for n in BUGS if all(BUGS[n].kind not in kinds for kinds in GROUPS.values())]
    head = ["criterion", f"caught, of {len(BUGS)}", *(f"{g} ({len(n)})" for g, n in columns.items())]
    lines = [[*head, "normal draws alone", "tests refused without a bug"]]
    lines.append(["---"] + ["---:"] * (len(lines[0]) - 1))
    for criterion in CRITERIA:
        counts = [sum(criterion in caught[name][0] for name in names) for names in columns.values()]
        plain = "" if criterion == GRADCHECK else str(sum(criterion in few for _, few in caught.values()))
        refused, made = alarms[criterion]
        share = f"{refused:,} of {made:,} ({100 * refused / made:.2g} %)"
        lines.append([criterion, f"**{sum(counts)}**", *map(str, counts), plain, share])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--missed", action="store_true", help="name the bugs that each criterion lets pass")
    options = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        caught = dict(zip(BUGS, pool.map(score, BUGS, chunksize=4), strict=True))
        counted = list(pool.map(false_alarms, SCENARIOS))
    alarms = {c: (sum(refused[c] for refused in counted), len(BY_NAME)) for c in (OURS, *TOLERANCES)}
    alarms[GRADCHECK] = len(checks()) - len(trusted()), len(checks())
    print(table(caught, alarms))
    if options.missed:
        for criterion in CRITERIA:
            names = [name for name in BUGS if criterion not in caught[name][0]]
            print(f"\n{criterion} lets pass {len(names)}: {'; '.join(names)}")


if __name__ == "__main__":
    main()
