"""What an LBFGS step leaves behind: the newest pair, the history's numbers, the last direction, the move along it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from handgrad.judge.ball import Ball, Format
from handgrad.judge.rules.optimizers.two_loops import two_loops

Entries = Mapping[str, Any]
Taken = tuple[str, Any, Ball]
"""What a number is, what it is in the state, and its ball."""


def taken_in(f: Format, group: Entries, old: Entries, state: Entries, gradient: Any) -> Iterator[Taken]:
    """What a step's only iteration makes of its gradient before the direction: the newest pair, and the step length.

    The pair is y = ∇f − ∇f⁻, s = d⁻t⁻, kept where yᵀs > 1e-10. t is lr, but min(1, 1/‖∇f‖₁)·lr at the very
    first iteration. Where a ball cannot tell which of two cases it is, either is right.
    """
    yield "prev_flat_grad", state["prev_flat_grad"], f.exact(gradient)
    t, lr = state["t"], float(group["lr"])
    itself = "t", float(t), Format.of(np.float64).exact(lr)
    if int(state["n_iter"]) == 1:
        length = _shorter(f.exact(gradient))
        low, high = float(length.mid - length.rad), float(length.mid + length.rad)
        sure = high < 1 or low >= 1
        shortened = high < 1 if sure else float(t) != lr
        yield ("t", t, length * f.constant(lr)) if shortened else itself
        return
    yield itself
    y, s = _newest(f.exact(gradient), old)
    curvature = (y * s).sum()
    kept, size = [list(old[name]) for name in ("old_dirs", "old_stps")], int(group["history_size"])
    low, high = float(curvature.mid - curvature.rad), float(curvature.mid + curvature.rad)
    sure = low > 1e-10 or high <= 1e-10
    grown = low > 1e-10 if sure else _ends_otherwise(kept[1], state["old_stps"])
    for name, before, newest in zip(("old_dirs", "old_stps"), kept, (y, s), strict=True):
        balls = [f.exact(a) for a in before] + [newest] * grown
        balls = balls[-size:] if grown else balls
        if len(state[name]) != len(balls):
            yield f"length of {name}", float(len(state[name])), f.exact(float(len(balls)))
            return
        for i, (value, ball) in enumerate(zip(state[name], balls, strict=True)):
            yield f"{name}[{i}]", value, ball


def _shorter(gradient: Ball) -> Ball:
    """1/‖∇f‖₁, at most which the first step length is, in units of lr."""
    return gradient.format.exact(1.0) / abs(gradient).sum()


def _newest(gradient: Ball, old: Entries) -> tuple[Ball, Ball]:
    """y = ∇f − ∇f⁻ and s = d⁻t⁻."""
    f = gradient.format
    return gradient - f.exact(old["prev_flat_grad"]), f.exact(old["d"]) * f.constant(float(old["t"]))


def _ends_otherwise(before: list[Any], after: list[Any]) -> bool:
    return len(before) != len(after) or any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def last_direction(f: Format, state: Entries) -> dict[str, Ball]:
    """The balls of `ro`, `H_diag` and `d` of the last iteration, from the pairs y, s and the gradient in the state.

    ρᵢ = 1/yᵢᵀsᵢ and γ = yᵀs/yᵀy of the newest pair. As the state has them they are exact operands of the two loops:
    each number is judged by those it was computed from.
    """
    gradient = f.exact(state["prev_flat_grad"])
    changes, steps = ([f.exact(a) for a in state[name]] for name in ("old_dirs", "old_stps"))
    if not changes:
        return {"d": -gradient}
    ro, gamma = [f.exact(np.asarray(a)) for a in state["ro"]], f.exact(np.asarray(state["H_diag"]))
    products = [(y * s).sum() for y, s in zip(changes, steps, strict=True)]
    balls = {f"ro[{i}]": f.exact(1.0) / product for i, product in enumerate(products)}
    balls["H_diag"] = products[-1] / (changes[-1] * changes[-1]).sum()
    return {**balls, "d": two_loops(gradient, changes, steps, ro, gamma).r[-1]}


class Iteration(NamedTuple):
    """A step of one iteration, every number of it made of those before it."""

    new: Ball
    state: dict[str, Ball]  # that it leaves, each list as one ball whose first axis is the pairs
    between: dict[str, Ball]  # what it computes and forgets
    began: bool  # else the gradient was small, and the step ended at once
    paired: bool  # whether it took in a pair
    shortened: bool  # whether the first step length is 1/‖∇f‖₁
    moved: bool  # else the slope was flat, and the step ended without a move


def iteration(group: Entries, p: Ball, g: Ball, loss: Ball, old: Entries, now: Entries, moved: bool) -> Iteration:
    """The step from the parameters `p` and the state `old`, on the gradient `g` and the loss: all in a row.

    Four times a step goes one way or another. Which one it went shows in the state `now` that it left, and in whether
    it `moved`; that it could is judged by `taken_in` and `slopes`.
    """
    f, lr, whole = p.format, float(group["lr"]), Format.of(np.float64)
    count, pairs, size = int(old.get("n_iter", 0)), list(old.get("ro", ())), int(group["history_size"])
    began = int(now["n_iter"]) > count
    state = {name: _stacked(f, value) for name, value in old.items() if not (isinstance(value, list) and not value)}
    state |= {"func_evals": whole.exact(old.get("func_evals", 0) + 1), "n_iter": whole.exact(count + began)}
    if not began:
        return Iteration(p, state, {}, began=False, paired=False, shortened=False, moved=False)
    between: dict[str, Ball] = {}
    changes, steps = ([f.exact(a) for a in old.get(name, ())] for name in ("old_dirs", "old_stps"))
    ro, gamma = [f.exact(np.asarray(a)) for a in pairs], f.exact(np.asarray(old.get("H_diag", 1)))
    paired = count > 0 and _ends_otherwise(list(old["old_stps"]), now["old_stps"])
    if count:
        y, s = _newest(g, old)
        between = {"y": y, "s": s, "yᵀs": (y * s).sum(), "yᵀy": (y * y).sum()}
    if paired:
        changes, steps = ([*kept, newest][-size:] for kept, newest in ((changes, y), (steps, s)))
        ro = [*ro, f.exact(1.0) / between["yᵀs"]][-size:]
        gamma = between["yᵀs"] / between["yᵀy"]
    loops = two_loops(g, changes, steps, ro, gamma)
    d, shortened = loops.r[-1], count == 0 and float(now["t"]) != lr
    if count == 0:
        between["‖g‖₁"] = abs(g).sum()
    t = _shorter(g) * f.constant(lr) if shortened else f.constant(lr)
    state |= {"d": d, "t": t if shortened else whole.exact(lr), "prev_flat_grad": g, "prev_loss": loss, "H_diag": gamma}
    if ro:
        kept = {"old_dirs": changes, "old_stps": steps, "ro": ro, "al": loops.alphas}
        state |= {name: _in_rows(balls) for name, balls in kept.items()}
        made = {"q": loops.q[::-1], "sᵀq": loops.sq, "r": loops.r, "yᵀr": loops.yr, "β": loops.betas}
        between |= {name: _in_rows(balls) for name, balls in made.items()}
    between["gᵀd"] = (g * d).sum()
    new = p + t * d if moved else p
    return Iteration(new, state, between, began, paired, shortened, moved)


def _stacked(f: Format, value: Any) -> Ball:
    return f.exact(np.stack(value) if isinstance(value, list) else value)


def _in_rows(balls: Sequence[Ball]) -> Ball:
    return Ball(np.stack([b.mid for b in balls]), np.stack([b.rad for b in balls]), balls[0].format)


def slopes(f: Format, state: Entries) -> tuple[float, float]:
    """The ends of the ball of ∇fᵀd, the slope along the last direction: the flattest and the steepest it may be."""
    slope = (f.exact(state["prev_flat_grad"]) * f.exact(state["d"])).sum()
    return float(slope.mid + slope.rad), float(slope.mid - slope.rad)


def move(f: Format, p: Any, state: Entries) -> Ball:
    """θ + td from the t and d in the state: the only move of a step with one iteration."""
    return f.exact(p) + f.constant(float(state["t"])) * f.exact(state["d"])
