"""Judging a step of an optimizer, from the gradients that the side itself computed: one mistake is reported once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from contract import optimizer_checks
from handgrad.judge import structure
from handgrad.judge.ball import Ball, Float64, Format, quiet
from handgrad.judge.explain.option_bugs import explain_step
from handgrad.judge.explain.reproduce import (
    CannotWriteError,
    Script,
    Spelling,
    optimizer_lines,
    package,
    reproduce,
)
from handgrad.judge.rules import optimizers
from handgrad.judge.rules.optimizers import lbfgs
from handgrad.judge.verdict import Verdict

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class OptimizerSnapshot:
    """What an optimizer step starts from, as copies. Parameters and state are numbered as in `state_dict`."""

    parameters: list[AnyArray]
    state: dict[int, dict[str, AnyArray]]
    groups: list[dict[str, Any]]


def snapshot(optimizer: Any) -> OptimizerSnapshot:
    """Copies of an optimizer's parameters, state and options, for `judge_optimizer` after the step."""
    state = optimizer.state_dict()
    return OptimizerSnapshot(
        [structure.copy(p.data) for p in parameters_of(optimizer)],
        {
            # LBFGS keeps its last α's, mostly None, for the memory's sake only
            int(index): {name: _copied(a) for name, a in entry.items() if a is not None and name != "al"}
            for index, entry in state["state"].items()
        },
        [dict(group) for group in state["param_groups"]],
    )


def _copied(value: Any) -> Any:
    """LBFGS keeps lists of arrays, and plain numbers."""
    if isinstance(value, list):
        return [_copied(entry) for entry in value if entry is not None]
    return value if isinstance(value, int | float) else structure.copy(value)


@quiet
def judge_optimizer(optimizer: Any, before: OptimizerSnapshot, side: str = "") -> Verdict:
    """The optimizer's last step: new parameters and new state from `before` and the gradients it was given."""
    verdict = Verdict(side or structure.side_of(optimizer))
    check_step(verdict, optimizer, before, [f"parameter {i}" for i in range(len(before.parameters))])
    name, everyone = package(optimizer), list(range(len(before.parameters)))

    def write(spell: Spelling) -> list[str]:
        if _optimizer_kind(optimizer) == "SparseAdam":
            raise CannotWriteError("rows are known to a table that was looked up, not to a parameter alone")
        own = [f"{name}.Parameter({spell(a)})" for a in before.parameters]
        places = [f"parameters[{i}].grad" for i in everyone]
        gradients = [spell(gradient) for gradient in _gradients(optimizer, before)]
        return [
            f"parameters = [{', '.join(own)}]",
            *optimizer_lines(
                optimizer,
                before.groups,
                before.state,
                lambda numbers: "parameters" if numbers == everyone else named_items("parameters", numbers),
                spell,
            ),
            f"{', '.join(places)} = {', '.join(gradients)}",
            "before = snapshot(optimizer)",
            f"optimizer.step({'lambda: 0.0' * is_lbfgs(optimizer)})",
            "verdict = judge_optimizer(optimizer, before)",
        ]

    reproduce(verdict, [Script(name, "judge_optimizer, snapshot", write, drawn) for drawn in (False, True)])
    return verdict


def _gradients(optimizer: Any, before: OptimizerSnapshot) -> list[AnyArray | None]:
    """The gradients that a step started from, of LBFGS too if it evaluated the closure once: they are in its state."""
    if not is_lbfgs(optimizer):
        return [None if p.grad is None else structure.array(p.grad) for p in parameters_of(optimizer)]
    state, old = snapshot(optimizer).state[0], before.state.get(0, {})
    if _evaluations(state, old) > 1:
        raise CannotWriteError("a step that evaluates its closure again depends on what that computes")
    sizes = np.cumsum([p.size for p in before.parameters])
    parts = np.split(state["prev_flat_grad"], sizes[:-1])
    return [part.reshape(p.shape) for part, p in zip(parts, before.parameters, strict=True)]


def _optimizer_kind(optimizer: Any) -> str:
    return structure.class_name(getattr(optimizer, "optimizer", optimizer))


def is_lbfgs(optimizer: Any) -> bool:
    return _optimizer_kind(optimizer) == "LBFGS"


def _evaluations(state: dict[str, Any], old: dict[str, Any]) -> int:
    """How often a step of LBFGS called its closure."""
    return int(state.get("func_evals", 0)) - int(old.get("func_evals", 0))


def refuse_unjudged(optimizer: Any) -> None:
    """TypeError for an optimizer without a rule; ValueError for one of whose gradients only the last can be seen."""
    if is_lbfgs(optimizer):
        optimizer_checks.one_evaluation("StepJudge", "LBFGS", optimizer.param_groups)
    else:
        rule_of(optimizer)


def rule_of(optimizer: Any) -> optimizers.Rule:
    kind = _optimizer_kind(optimizer)
    if kind not in optimizers.RULES:
        raise structure.unknown("optimizer", kind, optimizers.RULES)
    return optimizers.RULES[kind]


def parameters_of(optimizer: Any) -> list[Any]:
    if hasattr(optimizer, "parameters"):
        return list(optimizer.parameters())
    return [p for group in optimizer.param_groups for p in group["params"]]


def matching_names(named: dict[str, Any], held: list[Any]) -> list[str]:
    """The model's names of the optimizer's parameters: by identity, by memory, else by order among equal values."""
    free = dict(named)
    names = []
    for position, p in enumerate(held):
        data = structure.array(p.data)
        same = [name for name, q in free.items() if q is p]
        same += [name for name, q in free.items() if _shares(structure.array(q.data), data)]
        same += [name for name, q in free.items() if np.array_equal(structure.array(q.data), data, equal_nan=True)]
        names.append(same[0] if same else f"the optimizer's parameter {position}")
        free.pop(names[-1], None)
    return names


def _shares(a: AnyArray, b: AnyArray) -> bool:
    return a.size > 0 and a.shape == b.shape and a.ctypes.data == b.ctypes.data


def named_items(name: str, keys: Iterable[Any]) -> str:
    """[name[key], …] as text."""
    return f"[{', '.join(f'{name}[{key!r}]' for key in keys)}]"


def check_still(verdict: Verdict, title: str, before: Any, after: Any) -> None:
    """That something was left alone, to the last bit: infinities too, of which a ball would claim nothing."""
    if before is None or after is None:
        if before is not after:
            verdict.refuse(title, "it appeared" if before is None else "it is gone")
        return
    old, new = structure.array(before), structure.array(after)
    if old.dtype.kind == "f" and not np.array_equal(old, new, equal_nan=True):
        failures = len(verdict.failures)
        verdict.check(title, new, Format.of(old.dtype).exact(old), _stay)
        if len(verdict.failures) == failures:
            verdict.refuse(title, "an infinite number in it moved", "it moved without a gradient")
    elif not np.array_equal(old, new, equal_nan=old.dtype.kind == "f"):
        verdict.refuse(title, f"it went from {old} to {new}", "it moved without a gradient")
    else:
        verdict.numbers += old.size


def _stay(v: Float64, reference: Ball) -> str:
    return "it moved without a gradient"


@dataclass
class _Lot:
    """Parameters of one group that are at the same step: judged as one flat array."""

    group: dict[str, Any]
    members: list[int] = field(default_factory=list)


def check_step(verdict: Verdict, optimizer: Any, before: OptimizerSnapshot, names: list[str]) -> None:
    """New parameters and new state, from the state before and the optimizer's own gradients."""
    if is_lbfgs(optimizer):
        _check_lbfgs(verdict, optimizer, before)
        return
    rule = rule_of(optimizer)
    now = snapshot(optimizer)
    gradients = [None if p.grad is None else structure.array(p.grad) for p in parameters_of(optimizer)]
    lots: dict[Any, _Lot] = {}
    for number, group in enumerate(before.groups):
        for i in group["params"]:
            p, g, state = before.parameters[i], gradients[i], before.state.get(i, {})
            if g is None:
                check_still(verdict, f"{names[i]}, which has no gradient", p, now.parameters[i])
                after = now.state.get(i, {})
                for name in sorted(state.keys() | after.keys()):
                    title = f"{name} of {names[i]}, which has no gradient"
                    check_still(verdict, title, state.get(name), after.get(name))
            elif g.shape != p.shape or now.parameters[i].shape != p.shape:
                shapes = f"gradient {g.shape}, before {p.shape}, after {now.parameters[i].shape}"
                verdict.refuse(names[i], f"shapes differ: {shapes}", "broadcast")
            else:
                at = tuple(float(state[name]) for name in optimizers.SINGLE_NUMBERS if name in state)
                alone = i if rule in optimizers.WHOLE else None
                key = (number, p.dtype, at, tuple(sorted(state)), alone)
                lots.setdefault(key, _Lot(group)).members.append(i)
    for lot in lots.values():
        check = _check_whole if rule in optimizers.WHOLE else _check_lot
        check(verdict, rule, lot, before, now, gradients, names, optimizer)


def _check_whole(
    verdict: Verdict,
    rule: optimizers.Rule,
    lot: _Lot,
    before: OptimizerSnapshot,
    now: OptimizerSnapshot,
    gradients: list[AnyArray | None],
    names: list[str],
    optimizer: Any,
) -> None:
    """As `_check_lot` for one parameter, in its own shape."""
    (i,) = lot.members
    f = Format.of(before.parameters[i].dtype)
    start = (
        f.exact(before.parameters[i]),
        f.exact(np.asarray(gradients[i])),
        {name: f.exact(a) for name, a in before.state.get(i, {}).items()},
    )
    group = {**lot.group, "rows": getattr(parameters_of(optimizer)[i], "rows", None)}
    new, state, _ = rule(group, *start)

    def explain(v: Float64, reference: Ball) -> str:
        return explain_step(rule, group, v, reference, start)

    verdict.check(f"new {names[i]}", now.parameters[i], new, explain)
    for name, ball in state.items():
        value = now.state.get(i, {}).get(name)
        if value is None:
            verdict.refuse(f"{name} of {names[i]}", "it is missing from the optimizer's state after the step")
        else:
            _check_entry(verdict, f"{name} of {names[i]}", name, value, ball)


def _check_entry(verdict: Verdict, title: str, name: str, value: AnyArray, ball: Ball) -> None:
    if name == "step":
        verdict.check(title, float(np.asarray(value)), ball, _count)
    else:
        verdict.check(title, value, ball)


def _check_lbfgs(verdict: Verdict, optimizer: Any, before: OptimizerSnapshot) -> None:
    """The last iteration of a step: history, direction, and where it was the only one, all it was made of."""
    now = snapshot(optimizer)
    f, (group, *_) = Format.of(before.parameters[0].dtype), before.groups
    state, old = now.state.get(0, {}), before.state.get(0, {})
    made = int(state.get("n_iter", 0)) - int(old.get("n_iter", 0))
    flat = [np.concatenate([p.ravel() for p in shot.parameters]) for shot in (before, now)]
    # Of several evaluations the gradients at hand are those of the last.
    gradient = flat_gradient(optimizer) if _evaluations(state, old) <= 1 else None
    if not made:
        if gradient is not None and not np.abs(gradient).max() <= group["tolerance_grad"]:
            verdict.refuse("parameters", "the step ended before an iteration, though the gradient is not small")
        verdict.check("parameters, which were optimal", flat[1], f.exact(flat[0]), _stay)
        return
    if gradient is not None:
        for name, value, ball in lbfgs.taken_in(f, group, old, state, gradient):
            verdict.check(name, value, ball)
    values = {**state, **{f"ro[{i}]": ro for i, ro in enumerate(state["ro"])}}
    for name, ball in lbfgs.last_direction(f, state).items():
        verdict.check(name, values[name], ball)
    if made == 1:
        flattest, steepest = lbfgs.slopes(f, state)
        least = -float(group["tolerance_change"])
        # Where the slope is no steeper than that the step ends without a move; in between either is right.
        stays = steepest > least or (flattest > least and np.array_equal(flat[0], flat[1]))
        verdict.check("new parameters", flat[1], f.exact(flat[0]) if stays else lbfgs.move(f, flat[0], state))


def flat_gradient(optimizer: Any) -> AnyArray:
    """All gradients in a row, zeros for None."""
    parameters = parameters_of(optimizer)
    parts = (np.zeros_like(structure.array(p.data)) if p.grad is None else structure.array(p.grad) for p in parameters)
    return np.concatenate([part.ravel() for part in parts])


def _check_lot(
    verdict: Verdict,
    rule: optimizers.Rule,
    lot: _Lot,
    before: OptimizerSnapshot,
    now: OptimizerSnapshot,
    gradients: list[AnyArray | None],
    names: list[str],
    optimizer: Any,
) -> None:
    members = lot.members
    f = Format.of(before.parameters[members[0]].dtype)
    p = f.exact(_flat([before.parameters[i] for i in members]))
    g = f.exact(_flat([a for i in members if (a := gradients[i]) is not None]))
    old = {name: _gather(f, name, [before.state[i] for i in members]) for name in before.state.get(members[0], {})}
    new, state, _ = rule(lot.group, p, g, old)

    def explain(v: Float64, reference: Ball, part: slice) -> str:
        return explain_step(rule, lot.group, v, reference, (p[part], g[part], _part(old, part)))

    _check_flat(verdict, members, names, "new {}", new, [now.parameters[i] for i in members], explain)
    for name, ball in state.items():
        values = [now.state.get(i, {}).get(name) for i in members]
        absent = [names[i] for i, a in zip(members, values, strict=True) if a is None]
        if absent:
            verdict.refuse(f"{name} of {absent[0]}", "it is missing from the optimizer's state after the step")
        elif name in optimizers.SINGLE_NUMBERS:
            for i, a in zip(members, values, strict=True):
                _check_entry(verdict, f"{name} of {names[i]}", name, np.asarray(a), ball)
        else:
            _check_flat(verdict, members, names, f"{name} of {{}}", ball, values, None)


def _check_flat(
    verdict: Verdict,
    members: list[int],
    names: list[str],
    title: str,
    ball: Ball,
    values: list[AnyArray | None],
    explain: Callable[[Float64, Ball, slice], str] | None,
) -> None:
    """One comparison for all members; only if it fails, one for each."""
    given = [a for a in values if a is not None]
    same = all(a.dtype == ball.format.dtype for a in given) and sum(a.size for a in given) == ball.size
    trial = Verdict()
    if same and trial.compare(title.format("all"), _flat(given).astype(np.float64), ball):
        verdict.numbers += trial.numbers
        verdict.skipped += trial.skipped
        verdict.worst = max(verdict.worst, trial.worst)
        return
    start = 0
    for i, a in zip(members, given, strict=True):
        part = slice(start, start + a.size)
        start += a.size

        def why(v: Float64, reference: Ball, part: slice = part) -> str:
            return explain(v.ravel(), reference.reshape(-1), part) if explain else "unknown"

        verdict.check(title.format(names[i]), a, ball[part].reshape(*a.shape), why)


def _count(v: Float64, reference: Ball) -> str:
    return f"the step counter went to {float(v):g}"


def _flat(arrays: list[AnyArray]) -> AnyArray:
    return np.concatenate([a.ravel() for a in arrays]) if arrays else np.zeros(0)


def _gather(f: Format, name: str, states: list[dict[str, AnyArray]]) -> Ball:
    return f.exact(states[0][name] if name in optimizers.SINGLE_NUMBERS else _flat([state[name] for state in states]))


def _part(state: optimizers.State, part: slice) -> optimizers.State:
    return {name: ball if name in optimizers.SINGLE_NUMBERS else ball[part] for name, ball in state.items()}
