"""Training on several processes, each on its shard of the batch: the gradients that they average.

**What is computed.** N ranks hold n₁ … n_N rows of a batch of n. Rank r multiplies its loss L_r by c_r and runs its
backward pass; the gradients are averaged. With

    c_r = N n_r / n  where L_r is a mean,      c_r = N  where it is a sum,

the average (1/N) Σ c_r ∇L_r is the gradient of the loss of the whole batch: (1/N) Σ (N n_r / n) (1/n_r) Σ_i ∇ℓ_i
= (1/n) Σ ∇ℓ_i. Shards of equal size need no factor but for a sum: c_r = 1. Without factors, unequal shards give the
mean of means, in which a row of a small shard counts more.

**How far a correct program may be from it.** c_r is the upstream gradient of the rank's own backward pass, whose ball
is that of any net; a c_r that is no number of the format has been rounded, at most twice, and that error is common to
all that follows, because everything is linear in it. The averages are those of N balls (m_r, ρ_r): in any order of
summation, a ring, a tree, a rank takes part in at most N − 1 additions, and the division by N, before them or after, is
one rounding, or two where it is a multiplication by the reciprocal:

    |v − (1/N) Σ m_r| ≤ (1/N) (Σ ρ_r + γ_{N+1} Σ (|m_r| + ρ_r)) + N η.

**Is it the whole batch's?** The same number has another ball (m, ρ), that of one program on all rows. Both contain the
exact gradient, hence |m − (1/N) Σ m_r| is at most the sum of both radii. Where it is not, the loss or a layer looks at
more than one row (BatchNorm, a loss that divides by the weights of its classes), and sharding changes what is trained.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Format, quiet
from handgrad.judge.explain.patterns import Evidence, recognise
from handgrad.judge.rules import layers, losses
from handgrad.judge.verdict import Explain, Verdict

AnyArray = npt.NDArray[Any]


@quiet
def judge_shards(
    model: Any,
    loss: Any,
    state: Mapping[str, AnyArray],
    shards: Sequence[tuple[AnyArray, AnyArray]],
    values: Sequence[float],
    gradients: Mapping[str, Any],
    side: str = "",
) -> Verdict:
    """The ranks' losses and their averaged gradients, for the parameters `state` and each rank's `(x, y)`.

    `values` are the losses of the ranks, each over its own rows and without its factor.
    """
    verdict, ranks = Verdict(side or structure.side_of(model)), len(shards)
    sizes = [len(x) for x, _ in shards]
    parts: list[dict[str, Ball]] = []
    for rank, ((x, y), value) in enumerate(zip(shards, values, strict=True)):
        ball, part = _backward(model, loss, state, x, y, _factor(loss, sizes, rank))
        verdict.check(f"loss of rank {rank}", value, ball)
        parts.append(part)
    x, y = (np.concatenate(arrays) for arrays in zip(*shards, strict=True))
    _, whole = _backward(model, loss, state, x, y, Fraction(1))
    counts = {"processes": ranks, "N": len(x)}
    frozen = structure.frozen(model)
    references = {name: _stack([part[name] for part in parts]).mean(axis=0) for name in whole}
    for name, reference in references.items():
        m = whole[name]
        both = Ball(m.mid, m.rad + reference.rad, m.format)
        same = Verdict(verdict.side)  # of two references: none of the side's numbers
        if not same.compare(f"reference of the shards for {name}", reference.mid, both, _mixes):
            verdict.failures += same.failures
        if gradients.get(name) is not None or name not in frozen:
            alone = [(f"that of rank {rank} alone", part[name]) for rank, part in enumerate(parts)]
            explain = _explain(Evidence(name, counts, alternatives=partial(list, alone)))
            verdict.check(f"averaged gradient of {name}", gradients.get(name), reference, explain)
    for name in gradients.keys() - references.keys():
        verdict.refuse(f"averaged gradient of {name}", "the model has no such parameter")
    return verdict


def _factor(loss: Any, sizes: Sequence[int], rank: int) -> Fraction:
    """c_r, by what the loss divides by."""
    ranks, summed = len(sizes), losses.read_loss(loss).reduction == "sum"
    return Fraction(ranks) if summed else Fraction(ranks * sizes[rank], sum(sizes))


def _backward(
    model: Any, loss: Any, state: Mapping[str, AnyArray], x: AnyArray, y: AnyArray, factor: Fraction
) -> tuple[Ball, dict[str, Ball]]:
    """The ball of the loss, and those of the parameters' gradients times `factor`."""
    f = Format.of(next(iter(state.values())).dtype)
    net, criterion = layers.read_model(model), losses.read_loss(loss)
    # A side casts the batch to its own dtype before it computes. Whole numbers are indices, and stay.
    x, y = (a.astype(f.dtype) if a.dtype.kind == "f" else a for a in (x, y))
    value = criterion.forward(net.forward(f.exact(x), state), y)
    gradients: dict[str, Ball] = {}
    upstream = float(f.dtype.type(factor))
    net.backward(criterion.backward(upstream), gradients)
    if Fraction(upstream) != factor:
        rounded = Ball(np.asarray(float(factor / Fraction(upstream))), np.asarray(2 * f.u), f)
        gradients = {name: gradient * rounded for name, gradient in gradients.items()}
    return value, gradients


def _stack(balls: Sequence[Ball]) -> Ball:
    return Ball(np.stack([b.mid for b in balls]), np.stack([b.rad for b in balls]), balls[0].format)


def _mixes(v: npt.NDArray[np.float64], reference: Ball) -> str:
    return "the loss or a layer looks at more than one row: shards train something else than the whole batch"


def _explain(evidence: Evidence) -> Explain:
    return lambda v, reference: recognise(v, reference, evidence)
