"""Quasi-Newton steps from the last few gradients."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from contract import checks, optimizer_checks
from scratch.flags import product
from scratch.module import Array, Parameter
from scratch.optim.line_search import strong_wolfe
from scratch.optim.optimizer import Closure, Group, Optimizer, State


class LBFGS(Optimizer):
    r"""Newton's step d = −H∇f with an inverse Hessian H built from the last `history_size` changes, never written down:

        q = −∇f;   for i = newest … oldest:  αᵢ = ρᵢsᵢᵀq,  q ← q − αᵢyᵢ
        d = γq;    for i = oldest … newest:  d ← d + sᵢ(αᵢ − ρᵢyᵢᵀd)          γ = yᵀs/yᵀy of the newest
        θ ← θ + td

    with y = ∇f − ∇f⁻ and s = θ − θ⁻ of each kept iteration and ρ = 1/yᵀs. It is BFGS's update

        H ← (I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ

    which makes Hy = s (the secant equation), multiplied out for −∇f. t is lr, min(1, 1/‖∇f‖₁)·lr at the very first
    iteration, or found by the line search. Pairs with yᵀs ≤ 1e-10 are left out: H stays positive definite.

    One `step(closure)` makes up to max_iter iterations and max_eval evaluations (default 1.25·max_iter), and stops
    early at max|∇f| ≤ tolerance_grad, at a step or a change of the loss below tolerance_change, and where d is no
    descent. It returns the loss before the first iteration. A gradient that is None counts as zero. Raises ValueError
    for more than one group, options out of range, and a line_search_fn other than "strong_wolfe"; TypeError without a
    closure.
    Source: Nocedal, Wright, Numerical optimization (2006), algorithms 7.4 and 7.5.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        checks.count(self.name, "max_iter", max_iter, 1)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )

    def step(self, closure: Closure | None = None) -> Any:
        """Iterate from where the parameters are. The closure computes the gradients and returns the loss."""
        optimizer_checks.closure(self.name, closure)
        assert closure is not None
        self._plain()
        (group,) = self.param_groups
        state = self.state.setdefault(self.parameters()[0], {})
        first_loss = closure()
        self.check_gradients()
        loss, gradient, evaluations = float(first_loss), self.flat_gradient(), 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        if np.abs(gradient).max() <= group["tolerance_grad"]:
            return first_loss

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = state["d"] = self.direction(gradient, group, state)
            state["prev_flat_grad"], before = gradient, loss
            t = group["lr"]
            if state["n_iter"] == 1:
                t = min(1.0, 1.0 / np.abs(gradient).sum()) * t
            state["t"], state["prev_loss"] = t, loss
            slope = product(gradient, d)
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"]:
                start = [parameter.data.copy() for parameter in self.parameters()]

                def evaluate(t: Any, start: list[Array] = start, d: Array = d) -> tuple[float, Array]:
                    self.move(t, d)
                    value, slope = float(closure()), self.flat_gradient()
                    for parameter, data in zip(self.parameters(), start, strict=True):
                        parameter.data[...] = data
                    return value, slope

                room = group["max_eval"] - evaluations
                loss, gradient, t, used = strong_wolfe(evaluate, t, d, loss, gradient, slope, 1e-9, room)
                state["t"] = t
                self.move(t, d)
            else:
                self.move(t, d)
                if iteration < group["max_iter"]:  # what comes after the last move is the next step's business
                    loss, gradient, used = float(closure()), self.flat_gradient(), 1
            evaluations += used
            state["func_evals"] += used
            if evaluations >= group["max_eval"] or np.abs(gradient).max() <= group["tolerance_grad"]:
                break
            if np.abs(d * t).max() <= group["tolerance_change"] or abs(loss - before) < group["tolerance_change"]:
                break
        return first_loss

    def direction(self, gradient: Array, group: Group, state: State) -> Array:
        """−H∇f after taking in what the last iteration showed; −∇f at the first."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -gradient
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = product(y, s)
        if curvature > 1e-10:
            if len(changes) == group["history_size"]:
                for history in (changes, steps, ro):
                    history.pop(0)
            changes.append(y)
            steps.append(s)
            ro.append(np.asarray(1.0 / curvature))
            state["H_diag"] = np.asarray(curvature / product(y, y))
        if len(state.get("al", ())) < group["history_size"]:  # it may have been made larger
            state["al"] = [None] * group["history_size"]
        alphas = state["al"]
        q = -gradient
        for i in reversed(range(len(changes))):
            alphas[i] = np.asarray(product(steps[i], q) * ro[i])
            q -= alphas[i] * changes[i]
        d: Array = q * state["H_diag"]
        for i in range(len(changes)):
            d += steps[i] * (alphas[i] - product(changes[i], d) * ro[i])
        return d

    def flat_gradient(self) -> Array:
        """All gradients in a row, zeros for None."""
        parts = (np.zeros_like(p.data) if p.grad is None else p.grad for p in self.parameters())
        return np.concatenate([part.ravel() for part in parts])

    def move(self, t: Any, d: Array) -> None:
        """θ ← θ + td."""
        start = 0
        for parameter in self.parameters():
            part = d[start : start + parameter.data.size]
            parameter.data += t * part.reshape(parameter.data.shape)
            start += part.size
