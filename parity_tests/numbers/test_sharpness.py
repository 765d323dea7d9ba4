"""The judge's own sharpness: a radius that is too large accuses nobody, and sees nothing.

Every rule of the judge is run over a small campaign of correct programs, both sides, in float32. Of every tensor that
it bounds four things are asked:

1. **Share.** The largest error that the campaign saw is at least `ALONE` of its radius for a number that is computed by
   itself, and at least `SUMMED` for sums: γ_n pays for n errors of one sign, and n random ones add up to about √n.
2. **Size.** No radius is larger than `ULPS` roundings of the largest number on the way, times the terms of a sum.
3. **Growth.** From few terms to many a radius grows no faster than the number of terms, relative to the result.
4. **Claims.** Something is claimed of every number but a few, and what is exact has no radius at all.

The campaign runs over the tables of ops, losses and optimizers. A rule that it does not meet fails, and so does a
tensor that has no radius and is not known to be exact.
"""

import math
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from handgrad import catalogue
from handgrad.judge import (
    judge_backward,
    judge_clip,
    judge_forward,
    judge_hvp,
    judge_loss,
    judge_optimizer,
    judge_shards,
    second_order,
    snapshot,
)
from handgrad.judge.ball import Ball, Format
from handgrad.judge.rules import layers, losses, optimizers
from handgrad.judge.verdict import watched
from parity_tests.catalogue.tables import LOSSES, ODD_OPS, OPS, OPTIMIZERS, SIDES
from parity_tests.numbers.test_judge_activations import KINKS
from parity_tests.numbers.test_normalization import NORMS, build, shape_of
from parity_tests.support.samples import loss_arrays
from parity_tests.support.strategies import Draw

# Parameters, ranks and entries of a history are told apart by nothing but their number.
NUMBERED = re.compile(r" of parameter \d+| parameter \d+| of all| all| of rank \d+|(layers\.)?\d+\.|\[\d+\]")
DTYPE = np.float32
U = Format.of(DTYPE).u


@dataclass
class Seen:
    """What a campaign saw of one tensor of one row."""

    share: float = 0.0  # the largest |v − m| / r
    size: float = 0.0  # the largest r, in units of u times the largest number on the way, and the terms of a sum
    relative: float = 0.0  # the largest r / largest |m| of a tensor
    radii: int = 0  # numbers that have one
    claimed: int = 0
    numbers: int = 0


@dataclass
class Campaign:
    seen: dict[str, Seen] = field(default_factory=dict)
    row: str = ""
    scale: float = 1.0  # the largest number that goes in
    product: float = 1.0  # of the largest numbers of all arrays that go in
    terms: int = 1  # no sum has more

    def watch(self, tensor: str, v: Any, reference: Ball) -> None:
        what = re.sub(
            r" of parameter \d+| parameter \d+| of all| all| of rank \d+|(layers\.)?\d+\.|\[\d+\]", "", tensor
        )
        if what.startswith("reference"):
            return  # two references of the judge are compared
        seen = self.seen.setdefault(f"{self.row}: {what}", Seen())
        claimed = np.isfinite(reference.rad) & np.isfinite(reference.mid) & np.isfinite(v)
        m, r, positive = reference.mid[claimed], reference.rad[claimed], reference.rad[claimed] > 0
        seen.numbers, seen.claimed = seen.numbers + v.size, seen.claimed + m.size
        seen.radii += int(positive.sum())
        if positive.any():
            largest = float(np.abs(m).max())
            seen.share = max(seen.share, float((np.abs(v[claimed] - m)[positive] / r[positive]).max()))
            scale = max(largest, self.product if "gradient" in what else self.scale)
            seen.size = max(seen.size, float(r.max()) / U / scale / (self.terms if summed(self.row, what) else 1))
            seen.relative = max(seen.relative, float(r.max()) / largest if largest else 0.0)

    @contextmanager
    def of(self, row: str, *arrays: Any) -> Iterator[None]:
        """What is judged inside belongs to `row` and was made of these arrays."""
        self.row = row
        self.scale = max([1.0, *(float(np.abs(a).max()) for a in arrays if np.size(a))])
        self.product = math.prod(max(1.0, float(np.abs(a).max(initial=0))) for a in arrays)
        self.terms = max([1, *(int(np.size(a)) for a in arrays)])
        with watched(self.watch), np.errstate(all="ignore"):
            yield


def hold(verdict: Any) -> None:
    assert verdict.held, verdict.render()


def kind(row: str) -> str:
    """The rule that a row of a table is for: the class's name comes first, or stands in the table."""
    name = re.sub(", (mean|sum|none)$", "", row)
    if name in LOSSES:
        return LOSSES[name].name
    if name in OPTIMIZERS:
        return OPTIMIZERS[name][0]
    return name if name.startswith("product of") else re.split("[(, ]", name)[0]


# Layers, optimizers and products all of whose numbers are sums, and of others the tensors that are.
SUMS = re.compile(
    r"^(Linear|Bilinear|Sequential|Residual\b(?!\()|LayerNorm|GroupNorm|BatchNorm1d|RMSNorm|Softmax|Softmin|LogSoftmax|product"
    r"|shards|clip|LBFGS|Adafactor|Muon|CosineEmbedding|MultiLabelMargin)|: gradient of (weight|bias)"
    r"|, (mean|sum): loss|^(CE|MultiMargin|MultiLabelSoftMargin|half squared error|GaussianNLL).*(loss|var)$"
)


def summed(row: str, what: str) -> bool:
    return bool(SUMS.search(f"{row}: {what}"))


# --- the campaign: every rule, ordinary numbers ----------------------------------------------------------------------


def draws_of(row: str) -> np.random.Generator:
    """Of a row's own: another row more changes none of its numbers."""
    return np.random.default_rng(zlib.crc32(row.encode()))


def op_rows() -> list[str]:
    return [row for row in OPS if kind(row) in layers.RULES and "two" not in row]


def ops(campaign: Campaign, only: str | None = None) -> None:
    """Layers and activations; ordinary numbers, and in the tails."""
    for row in op_rows():
        if only in (None, kind(row)):
            op, rng = OPS[row], draws_of(row)
            degree = catalogue.OPS[kind(row)].degree if kind(row) in catalogue.OPS else 1
            for where, x in {
                "": rng.normal(size=(64, op.width or 16)) * 2,
                " far out": rng.uniform(5, 30, (64, op.width or 16)) * rng.choice([-1, 1], (64, op.width or 16)),
            }.items():
                x = x.astype(DTYPE)
                for side in SIDES.values():
                    model = op.build(side, DTYPE)
                    g = rng.normal(size=model.forward(x).shape).astype(DTYPE)
                    with campaign.of(row + where, *[x] * degree, g):
                        hold(judge_forward(model, x))
                        hold(judge_backward(model, x, g))


def odd_ops(campaign: Campaign, only: str | None = None) -> None:
    for row, op in ODD_OPS.items():
        if only in (None, kind(row)):
            rng = draws_of(row)
            inputs = op.inputs(Draw("normal", "contiguous", 1), (32,), DTYPE)
            x = inputs if len(inputs) > 1 else inputs[0]
            for side in SIDES.values():
                model = op.build(side, DTYPE)
                g = rng.normal(size=model.forward(*inputs).shape).astype(DTYPE)
                with campaign.of(row, *inputs, g):
                    hold(judge_forward(model, x))
                    hold(judge_backward(model, x, g))


def norms(campaign: Campaign, only: str | None = None) -> None:
    for row in NORMS:
        if only in (None, kind(row)):
            rng = draws_of(row)
            for mode in (True, False)[: 1 + row.startswith("Batch")]:
                x = rng.normal(size=shape_of(row, 16)).astype(DTYPE)
                g = rng.normal(size=x.shape).astype(DTYPE)
                for side in SIDES:
                    model = build(side, row, DTYPE).train(mode)
                    with campaign.of(row if mode else f"{row}, evaluation", x, g):
                        hold(judge_forward(model, x))
                        hold(judge_backward(model, x, g))


def loss_rows(campaign: Campaign, only: str | None = None) -> None:
    for row, loss in LOSSES.items():
        if only in (None, loss.name):
            for seed, reduction in enumerate(["mean", "sum", "none"]):
                arrays = loss_arrays(loss, Draw("normal", "contiguous", seed), 32, 5, (), DTYPE)
                for side in SIDES.values():
                    criterion = loss.build(side, 5, DTYPE, reduction)
                    shape = np.shape(criterion.forward(*arrays))
                    g = np.asarray(np.random.default_rng(seed).uniform(0.5, 2, shape)).astype(DTYPE)
                    with campaign.of(f"{row}, {reduction}", *arrays, g):
                        hold(judge_loss(criterion, *arrays, grad_output=g))


def steps(campaign: Campaign, only: str | None = None) -> None:
    for row, (name, options) in OPTIMIZERS.items():
        if only in (None, name):
            rng = draws_of(row)
            shapes = [(8, 6)] if name == "Muon" else [(8, 6), (7,)]
            data = [rng.normal(size=shape).astype(DTYPE) for shape in shapes]
            gradients = [[rng.normal(size=shape).astype(DTYPE) for shape in shapes] for _ in range(6)]
            for side in (*SIDES.values(), *([PLAIN_TORCH] if name == "ASGD" else [])):
                parameters = [side.Parameter(a.copy()) for a in data]
                optimizer = getattr(side, name)(parameters, **options)
                for step in gradients:
                    for p, g in zip(parameters, step, strict=True):
                        p.grad = g.copy()
                    before = snapshot(optimizer)
                    optimizer.step()
                    with campaign.of(row, *data, *step):
                        hold(judge_optimizer(optimizer, before))


PLAIN_TORCH = SimpleNamespace(
    Parameter=torch_impl.Parameter,
    ASGD=lambda parameters, **options: torch_impl.Optimizer(
        torch.optim.ASGD([p.tensor for p in parameters], foreach=True, **options)
    ),
)
"""ASGD over many tensors at once, as on a GPU: its rate is then computed in float32, and rounds."""


def rows_of_a_table(campaign: Campaign, only: str | None = None) -> None:
    rng = np.random.default_rng(4)
    for side in SIDES.values():
        model = side.Embedding(9, 4, sparse=True, dtype=DTYPE, rng=0)
        optimizer = side.SparseAdam(model.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            g = rng.normal(size=(12, 4)).astype(DTYPE)
            model.forward(rng.integers(0, 9, 12))
            model.backward(g)
            before = snapshot(optimizer)
            optimizer.step()
            with campaign.of("SparseAdam", g):
                hold(judge_optimizer(optimizer, before))


def second_order_steps(campaign: Campaign, only: str | None = None) -> None:
    """LBFGS on a quadratic: several iterations a step, and then one."""
    rng = np.random.default_rng(5)
    a, start = rng.uniform(1, 3, 12).astype(DTYPE), rng.normal(size=12).astype(DTYPE)
    for side in SIDES.values():
        for iterations in (4, 1):
            p = side.Parameter(start.copy())
            optimizer = side.LBFGS([p], lr=0.3, max_iter=iterations)

            def closure(p: Any = p, optimizer: Any = optimizer) -> Any:
                optimizer.zero_grad()
                data = np.asarray(p.data)
                p.grad = (a * data).astype(DTYPE)
                return float((a * data * data).sum() / 2)

            for _ in range(3):
                before = snapshot(optimizer)
                optimizer.step(closure)
                with campaign.of("LBFGS", a, start):
                    hold(judge_optimizer(optimizer, before))


NORM_TYPES = (2.0, 1.0, 3.0, math.inf, -math.inf, 0.0)


def clipping(campaign: Campaign, only: str | None = None) -> None:
    rng = np.random.default_rng(6)
    for order in NORM_TYPES:
        for side in SIDES.values():
            parameters = [side.Parameter(np.zeros(shape, DTYPE)) for shape in [(8, 5), (9,)]]
            before = [rng.normal(size=p.data.shape).astype(DTYPE) for p in parameters]
            for p, g in zip(parameters, before, strict=True):
                p.grad = g.copy()
            total = side.clip_grad_norm_(parameters, 0.3, order)
            with campaign.of(f"clip {order:g}", *before):
                hold(judge_clip(parameters, before, total, 0.3, order))


PRODUCTS = {
    **{rule.__name__: (rule.__name__, "MSE") for rule in second_order.RULES},
    **{rule.__name__: ("Tanh", rule.__name__) for rule in second_order.CURVATURES},
}
# The output activation that a loss's input needs.
LAST: dict[str, Callable[[Any], Any]] = {
    "BCELoss": lambda side: side.Sigmoid(),
    "NLLLoss": lambda side: side.LogSoftmax(-1),
}


def products(campaign: Campaign, only: str | None = None) -> None:
    """Hessian-vector products, of a net with each activation and each loss that have a second derivative."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(12, 3)).astype(DTYPE)
    for name, (activation, loss) in PRODUCTS.items():
        if only not in (None, name):
            continue
        rows = [row for row in LOSSES.values() if row.name == loss] or [LOSSES["MSE"]]
        for row in rows[:3]:
            _, y = loss_arrays(row, Draw("normal", "contiguous", 3), 12, 4, (), DTYPE)
            for side in SIDES.values():
                options = {"dim": -1} if "oftmax" in activation else {}
                last = [LAST[row.name](side)] if row.name in LAST else []
                model = side.Sequential(
                    side.Linear(3, 5, dtype=DTYPE, rng=0),
                    getattr(side, activation)(**options),
                    side.Linear(5, 4, dtype=DTYPE, rng=1),
                    *last,
                )
                vector = {key: rng.normal(size=a.shape).astype(DTYPE) for key, a in model.state_dict().items()}
                with campaign.of(f"product of {name}", x, *vector.values()):
                    hold(judge_hvp(model, row.build(side, 4, DTYPE, "mean"), x, y, vector))


def averages(campaign: Campaign, only: str | None = None) -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(12, 3)).astype(DTYPE), rng.integers(0, 3, 12)
    for side in SIDES.values():
        model, loss = side.Linear(3, 3, dtype=DTYPE, rng=0), side.CrossEntropyLoss()
        for ranks in (2, 4, 12):
            pieces, values, parts = [(x[i::ranks], y[i::ranks]) for i in range(ranks)], [], []
            for own_x, own_y in pieces:
                model.zero_grad()
                values.append(float(loss.forward(model.forward(own_x), own_y)))
                model.backward(loss.backward())
                parts.append({name: np.array(g) for name, g in model.named_gradients()})
            average = {name: sum(part[name] for part in parts) / DTYPE(ranks) for name in parts[0]}
            with campaign.of("shards", x):
                hold(judge_shards(model, loss, model.state_dict(), pieces, values, average))


CAMPAIGNS: tuple[Callable[..., None], ...] = (
    *(ops, odd_ops, norms, loss_rows, steps, rows_of_a_table, second_order_steps, clipping, products, averages),
)


@cache
def campaign() -> dict[str, Seen]:
    whole = Campaign()
    for part in CAMPAIGNS:
        part(whole)
    return whole.seen


# --- what is asked of it ---------------------------------------------------------------------------------------------

ALONE, SUMMED, ULPS = 0.1, 0.004, 70

# rule: tensor → the share that is asked of it instead, and why no more was seen.
GENEROUS = {
    "PReLU: gradient of weight": (1e-4, "a sum of 1,024 terms, in a few numbers"),
    "Mish: output": (0.09, "exp, log1p and tanh in a chain, each at what a library may lose: none loses all three"),
    "LBFGS: t": (1e-4, "one number on each side"),
    "LBFGS: old_dirs": (0, "two gradients within a factor of 2 of each other: their difference is exact"),
}
# row: tensor → the size that is granted, and why.
WIDE = {
    "GELU(tanh): gradient of the input": (100, "1 − tanh² cancels, 42u, and is multiplied by v′ <= 1 + z²/8"),
    "RMSprop all options: momentum_buffer": (120, "s − ḡ² cancels, and divides"),
    "LayerNorm of one: gradient of weight": (ULPS * 316, "x̂ = (x − μ)/√ε with ε = 1e-5: the error of x − μ, times 316"),
    "Muon: new": (250, "bfloat16 inside: u is 2⁻⁸, times a rate of 0.01"),
    "Muon without nesterov: new": (250, "likewise"),
    "Muon all options: new": (250, "likewise"),
    "LBFGS: d": (1e5, "near the minimum γ and ρ are quotients of differences that cancel"),
}


def by_rule() -> dict[str, tuple[Seen, bool]]:
    """The largest share of each tensor of each rule, over the rows that are for it; and whether it is a sum."""
    merged: dict[str, tuple[Seen, bool]] = {}
    for key, seen in campaign().items():
        row, what = key.split(": ", 1)
        name = f"{kind(row)}: {what}"
        before, sums = merged.get(name, (Seen(), False))
        merged[name] = (
            Seen(max(before.share, seen.share), radii=before.radii + seen.radii),
            sums or summed(row, what),
        )
    return merged


def faults(seen: dict[str, tuple[Seen, bool]], rows: dict[str, Seen]) -> list[str]:
    """What is asked and not so: used by the test, and by whoever plants a wide radius."""
    found = []
    for name, (each, sums) in seen.items():
        asked = GENEROUS.get(name, (SUMMED if sums else ALONE, ""))[0]
        if each.radii and each.share < asked:
            found.append(f"{name}: the largest error is {each.share:.2g} of its radius, less than {asked:g}")
    for name, each in rows.items():
        if each.size > (most := WIDE.get(name, (ULPS, ""))[0]):
            found.append(f"{name}: a radius is {each.size:.3g} u of the numbers involved, more than {most:g}")
        if each.claimed < 0.95 * each.numbers:
            found.append(f"{name}: only {each.claimed} of {each.numbers} numbers are claimed")
    return found


def test_radii_are_as_small_as_errors_ask_for():
    assert faults(by_rule(), campaign()) == []


EXACT = (
    *("Embedding: output", "Flatten: output", "Flatten: gradient of the input", "Identity: output", "ReLU: output"),
    *("Identity: gradient of the input", "ReLU: gradient of the input", "ReLU6: output", "Hardtanh: output"),
    *("ReLU6: gradient of the input", "Hardtanh: gradient of the input", "Hardshrink: output", "Threshold: output"),
    *("Hardshrink: gradient of the input", "Softshrink: gradient of the input", "Threshold: gradient of the input"),
    *("Embedding: gradient of the input", "BatchNorm1d: num_batches_tracked", "Rprop: prev"),
    *("clip: total norm of the largest", "ASGD: mu", "NAdam: mu_product", "LBFGS: prev_flat_grad"),
)


def test_what_is_exact_has_no_radius():
    """And nothing else has none: a copied number, a count, a sign."""
    exact = {name for name, (each, _) in by_rule().items() if not each.radii and not name.endswith(": step")}
    assert exact <= set(EXACT)
    assert exact >= set(EXACT) - {"clip: total norm of the largest"}


def test_every_rule_is_in_the_campaign():
    met = {name.split(": ")[0] for name in by_rule()}
    of_the_judge = {name for name, rule in losses.RULES.items() if rule.__module__.startswith("handgrad.judge.")}
    wanted = {*layers.RULES, *of_the_judge, *optimizers.RULES, "LBFGS", "clip", "shards"}
    wanted |= {f"product of {rule.__name__}" for rule in (*second_order.RULES, *second_order.CURVATURES)}
    assert wanted <= met


# --- growth: with the number of terms, not faster --------------------------------------------------------------------


def positive(*shape: int) -> Any:
    """Numbers of one sign, so that nothing cancels and the result is as large as the sum of its terms."""
    return np.random.default_rng(9).uniform(0.5, 1.5, shape).astype(DTYPE)


def both(campaign: Campaign, model: Any, *x: Any) -> None:
    for p in model.parameters():
        p.data = np.abs(np.array(p.data)) + DTYPE(0.1)
    g = positive(*model.forward(*x).shape)
    given = x if len(x) > 1 else x[0]
    with campaign.of("grown"):
        hold(judge_forward(model, given))
        hold(judge_backward(model, given, g))


def valued(campaign: Campaign, row: str, batch: int, classes: int) -> None:
    loss = LOSSES[row]
    arrays = loss_arrays(loss, Draw("all positive", "contiguous", 1), batch, classes, (), DTYPE)
    with campaign.of("grown"):
        hold(judge_loss(loss.build(scratch, classes, DTYPE, "mean"), *arrays))


def clipped(campaign: Campaign, order: float, n: int) -> None:
    p = scratch.Parameter(np.zeros(n, DTYPE))
    p.grad = g = positive(n)
    total = scratch.clip_grad_norm_([p], 0.3, order)
    with campaign.of("grown"):
        hold(judge_clip([p], [g], total, 0.3, order))


def stepped(campaign: Campaign, name: str, shape: tuple[int, ...], **options: Any) -> None:
    p = scratch.Parameter(positive(*shape))
    p.grad = positive(*shape)
    optimizer = getattr(scratch, name)([p], **options)
    before = snapshot(optimizer)
    optimizer.step(*[lambda: 0.0] * (name == "LBFGS"))
    with campaign.of("grown"):
        hold(judge_optimizer(optimizer, before))


def twice(campaign: Campaign, activation: str, loss: str, batch: int, width: int) -> None:
    options = {"dim": -1} if "oftmax" in activation else {}
    last = [LAST[LOSSES[loss].name](scratch)] if LOSSES[loss].name in LAST else []
    model = scratch.Sequential(
        scratch.Linear(3, width, dtype=DTYPE, rng=0), getattr(scratch, activation)(**options),
        scratch.Linear(width, 3, dtype=DTYPE, rng=1), *last,
    )  # fmt: skip
    for p in model.parameters():
        p.data = np.abs(np.array(p.data)) / DTYPE(p.data.shape[-1])  # sums that do not saturate
    x, vector = positive(batch, 3), {key: positive(*a.shape) for key, a in model.state_dict().items()}
    _, y = loss_arrays(LOSSES[loss], Draw("all positive", "contiguous", 1), batch, 3, (), DTYPE)
    with campaign.of("grown"):
        hold(judge_hvp(model, LOSSES[loss].build(scratch, 3, DTYPE, "mean"), x, y, vector))


def sharded(campaign: Campaign, ranks: int) -> None:
    model, loss = scratch.Linear(2, 2, dtype=DTYPE, rng=0), scratch.MSELoss()
    pieces, values, parts = [(positive(1, 2), np.zeros((1, 2), DTYPE)) for _ in range(ranks)], [], []
    for x, y in pieces:
        model.zero_grad()
        values.append(float(loss.forward(model.forward(x), y)))
        model.backward(loss.backward())
        parts.append({name: np.array(g) for name, g in model.named_gradients()})
    average = {name: sum(part[name] for part in parts) / DTYPE(ranks) for name in parts[0]}
    with campaign.of("grown"):
        hold(judge_shards(model, loss, model.state_dict(), pieces, values, average))


CURVED = ("MSE", "L1", "BCE", "BCEWithLogits", "CE", "CE all options", "NLL")

# What grows → the campaign of n terms.
Grow = Callable[[Campaign, int], None]
GROWING: dict[str, Grow] = {
    "Linear, inputs": lambda c, n: both(c, scratch.Linear(n, 2, dtype=DTYPE), positive(2, n)),
    "Linear, outputs": lambda c, n: both(c, scratch.Linear(2, n, dtype=DTYPE), positive(2, 2)),
    "Linear, rows": lambda c, n: both(c, scratch.Linear(2, 2, dtype=DTYPE), positive(n, 2)),
    "Bilinear, inputs": lambda c, n: both(c, scratch.Bilinear(n, 1, 2, dtype=DTYPE), positive(2, n), positive(2, 1)),
    "Bilinear, rows": lambda c, n: both(c, scratch.Bilinear(2, 1, 2, dtype=DTYPE), positive(n, 2), positive(n, 1)),
    "Embedding": lambda c, n: both(c, scratch.Embedding(2, 2, dtype=DTYPE), np.zeros(n, int)),
    "Embedding, mean": lambda c, n: both(
        c, scratch.Embedding(2, 2, scale_grad_by_freq=True, dtype=DTYPE), np.zeros(n, int)
    ),
    "PReLU": lambda c, n: both(c, scratch.PReLU(dtype=DTYPE), -positive(n)),
    "PReLU, channels": lambda c, n: both(c, scratch.PReLU(2, dtype=DTYPE), -positive(n, 2)),
    "Softmax": lambda c, n: both(c, scratch.Softmax(-1), positive(2, n)),
    "Softmin": lambda c, n: both(c, scratch.Softmin(-1), positive(2, n)),
    "LogSoftmax": lambda c, n: both(c, scratch.LogSoftmax(-1), positive(2, n)),
    "Parallel": lambda c, n: both(c, scratch.Parallel(*[scratch.Identity() for _ in range(n)]), positive(3)),
    "LayerNorm": lambda c, n: both(c, scratch.LayerNorm(n, dtype=DTYPE), positive(2, n)),
    "LayerNorm, rows": lambda c, n: both(c, scratch.LayerNorm(3, dtype=DTYPE), positive(n, 3)),
    "RMSNorm": lambda c, n: both(c, scratch.RMSNorm(n, dtype=DTYPE), positive(2, n)),
    "RMSNorm, rows": lambda c, n: both(c, scratch.RMSNorm(3, dtype=DTYPE), positive(n, 3)),
    "GroupNorm": lambda c, n: both(c, scratch.GroupNorm(1, 2, dtype=DTYPE), positive(2, 2, n)),
    "BatchNorm1d": lambda c, n: both(c, scratch.BatchNorm1d(2, dtype=DTYPE), positive(n, 2)),
    **{f"loss {row}, rows": lambda c, n, row=row: valued(c, row, n, 3) for row in LOSSES},
    **{f"loss {row}, classes": lambda c, n, row=row: valued(c, row, 3, n) for row in LOSSES},
    **{f"clip {order:g}": lambda c, n, order=order: clipped(c, order, n) for order in NORM_TYPES},
    "Adafactor, rows": lambda c, n: stepped(c, "Adafactor", (n, 2)),
    "Adafactor, columns": lambda c, n: stepped(c, "Adafactor", (2, n)),
    "Adafactor, vector": lambda c, n: stepped(c, "Adafactor", (n,)),
    "Muon": lambda c, n: stepped(c, "Muon", (n, 2), ns_steps=1),
    # A loss's curvature has no sum but that over the rows; where p − q sums to 0 nothing is as large as its terms.
    **{f"product, {row}, rows": lambda c, n, row=row: twice(c, "Tanh", row, n, 3) for row in CURVED},
    **{
        f"product, {rule.__name__}, width": lambda c, n, name=rule.__name__: twice(c, name, "MSE", 3, n)
        for rule in second_order.RULES
    },
    "shards": lambda c, n: sharded(c, n // 8),
}
FEW, MANY = 16, 512
TERMS = {"loss MultiLabelMargin, classes: loss": 2}  # of C classes C²/4 pairs are summed


@pytest.mark.parametrize("what", GROWING)
def test_radii_grow_as_the_terms_do(what):
    """Relative to the result, which is as large as the sum of its terms. Twice that: the numbers are drawn."""
    few, many = Campaign(), Campaign()
    GROWING[what](few, FEW)
    GROWING[what](many, MANY)
    compared = 0
    for key, seen in many.seen.items():
        if few.seen[key].relative:
            compared += 1
            power = TERMS.get(key.replace("grown", what), 1)
            assert seen.relative <= 2 * (MANY / FEW) ** power * few.seen[key].relative, key
            assert seen.claimed == seen.numbers, key
    assert compared or what in ("clip inf", "clip -inf", "clip 0")


# --- kinks: everything is claimed beside one, and no more than both sides of it at it --------------------------------

F = Format.of(DTYPE)
NEAR, BLUR = 1e-3, 1e-5  # beside the kink; the radius of what is blurred by rounding


def through_a_layer(model: Any) -> Callable[[Ball], Ball]:
    rule = layers.read_model(model)
    parameters = {name: p.data for name, p in model.named_parameters()}

    def gradient(z: Ball) -> Ball:
        rule.forward(z, parameters)
        slope: Ball = rule.backward(F.exact(np.ones(z.shape)), {})
        return slope

    return gradient


def through_a_loss(loss: Any, target: Any) -> Callable[[Ball], Ball]:
    def gradient(z: Ball) -> Ball:
        rule = losses.read_loss(loss)
        rule.forward(z, np.asarray(target))
        return rule.backward()

    return gradient


def through_a_pair(loss: Any) -> Callable[[Ball], Ball]:
    def gradient(z: Ball) -> Ball:
        rule = losses.read(loss)
        rule.forward(z, F.exact(np.zeros(z.shape)), np.ones(z.shape))
        return rule.backward(None)[0]

    return gradient


BENT: dict[str, tuple[Callable[[Ball], Ball], list[float]]] = {
    **{name: (through_a_layer(model), kinks) for name, (model, kinks) in KINKS.items()},
    "relu": (through_a_layer(scratch.ReLU()), [0.0]),
    "leaky_relu": (through_a_layer(scratch.LeakyReLU(0.2)), [0.0]),
    "rrelu": (through_a_layer(scratch.RReLU().eval()), [0.0]),
    "celu": (through_a_layer(scratch.CELU(0.5)), [0.0]),
    "softplus": (through_a_layer(scratch.Softplus(1.0, 1.0)), [1.0]),
    "L1Loss": (through_a_loss(scratch.L1Loss(), [0.5]), [0.5]),
    "HuberLoss": (through_a_loss(scratch.HuberLoss(), [0.0]), [-1.0, 1.0]),
    "SmoothL1Loss": (through_a_loss(scratch.SmoothL1Loss(beta=0.25), [0.0]), [-0.25, 0.25]),
    "SmoothL1Loss, beta 0": (through_a_loss(scratch.SmoothL1Loss(beta=0.0), [0.0]), [0.0]),
    "HingeEmbeddingLoss": (through_a_loss(scratch.HingeEmbeddingLoss(), [-1.0]), [1.0]),
    "MarginRankingLoss": (through_a_pair(scratch.MarginRankingLoss(margin=0.5)), [0.5]),
}


@pytest.mark.parametrize("name", BENT)
def test_a_kink_is_all_that_is_open(name):
    gradient, kinks = BENT[name]
    for kink in kinks:
        left, right = (float(gradient(F.exact(np.array([kink + d]))).mid[0]) for d in (-NEAR, NEAR))
        for d in (-NEAR, NEAR):  # blurred, but not across: one answer
            beside = gradient(Ball(np.array([kink + d]), np.array([BLUR]), F))
            assert beside.rad[0] <= 5 * BLUR
        across = gradient(Ball(np.array([kink]), np.array([BLUR]), F))
        low, high = across.mid[0] - across.rad[0], across.mid[0] + across.rad[0]
        slack = 5 * NEAR  # what a curved piece bends between the kink and the place beside it
        assert low <= min(left, right) + slack
        assert high >= max(left, right) - slack
        assert across.rad[0] <= abs(right - left) + slack
        assert gradient(F.exact(np.array([kink]))).rad[0] <= ULPS * U  # an exact tie is decided


def test_every_rule_that_bends_is_asked():
    """The rules that decide between pieces: those whose gradient is open where 0, or an end of theirs, is in a ball."""
    bent = {"ReLU", "ReLU6", "Hardtanh", "Threshold", "LeakyReLU", "PReLU", "RReLU", "Hardshrink", "Softshrink"}
    bent |= {"Hardsigmoid", "Hardswish", "ELU", "CELU", "SELU", "Softplus"}
    asked = {re.sub("[^a-z0-9]", "", name.split(",")[0].lower()) for name in BENT}
    assert {name.lower() for name in bent} <= asked
