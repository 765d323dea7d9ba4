"""What the judge says each array of a case must be: a ball of every answer that the op has."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contract import checks, loss_checks
from handgrad.judge.ball import Ball, Float64, Format
from handgrad.judge.explain.option_bugs import explain_step
from handgrad.judge.reference_net import ReferenceNet
from handgrad.judge.rules import layers, losses, optimizers
from handgrad.judge.rules.optimizers import lbfgs
from handgrad.judge.verdict import Explain
from handgrad.vectors import ops
from handgrad.vectors.case import Array, Case

HISTORY = ("old_dirs", "old_stps")
QUOTIENTS = ("new_ro", "new_H_diag")
"""What LBFGS keeps of its last changes, and the numbers that it makes of them."""


@dataclass
class Reference:
    """`given` are the arrays that a case is about, `balls` the answers, each with what explains a wrong one."""

    given: set[str]
    balls: dict[str, tuple[Ball, Explain | None]] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)  # answers without a ball, and the array that one would take


def reference(case: Case) -> Reference:
    """The answers of a case. ValueError, TypeError, IndexError or KeyError say what is wrong with it."""
    with np.errstate(all="ignore"):
        return {"layer": _layer, "loss": _loss, "optimizer": _optimizer}[ops.known(case.op)](case)


def _layer(case: Case) -> Reference:
    made = ops.layer(case)
    names = ops.inputs(case.op)
    x = ops.required(case, *names)
    output = copy.deepcopy(made).forward(*x)  # refuses inputs that do not fit
    state = made.state_dict()
    found = Reference({*names, *state, "grad_output"})
    if drawn := ops.draws(made):
        ops.give_draw(made, case, drawn, x[0].shape, x[0].dtype)
        found.given.add(drawn)
    net = ReferenceNet.of(made, tuple(x) if len(x) > 1 else x[0])
    found.balls["output"] = net.forward(), net.explain("output")
    updated = getattr(net.rule, "updated", {})
    for name, buffer in net.buffers.items():
        found.balls[f"new_{name}"] = updated.get(name, net.format.exact(buffer)), None
    wanted = {f"grad_{name}": name for name in net.parameters}
    if case.op != "Embedding":  # its input are whole numbers
        wanted |= {f"grad_{name}": "gradient of " + (name if len(names) > 1 else "the input") for name in names}
    if "grad_output" not in case.arrays:
        found.lacks = dict.fromkeys(wanted, "grad_output")
        return found
    checks.grad_output(case.op, case.arrays["grad_output"], output.shape, output.dtype)
    net.backward(net.format.exact(case.arrays["grad_output"]))
    by_input = net.grad_input if isinstance(net.grad_input, tuple) else (net.grad_input,)
    balls = {f"grad_{name}": ball for name, ball in [*zip(names, by_input, strict=True), *net.gradients.items()]}
    found.balls |= {name: (balls[name], net.explain(title)) for name, title in wanted.items()}
    return found


def _loss(case: Case) -> Reference:
    made = ops.loss(case)
    names = ops.inputs(case.op)
    arrays = ops.required(case, *names)
    value = made.forward(*arrays)  # refuses arrays that do not fit
    found = Reference({*names, "grad_output", *(name for name in ("weight", "pos_weight") if hasattr(made, name))})
    rule, net = losses.read(made), ReferenceNet(layers.Sequential(""), {}, arrays[0], {})
    f = net.format
    if isinstance(rule, losses.PairLoss):
        cast = [np.asarray(a, f.dtype) for a in arrays]
        ball = rule.forward(*(f.exact(a) if i in rule.PLACES else a for i, a in enumerate(cast)))
        by = tuple(f"grad_{name}" for name in rule.NAMES)
    else:
        ball, by = net.loss(rule, net.forward(), arrays[1]), ("grad_input",)
    found.balls["output"] = ball, net.explain("loss")
    upstream = case.arrays.get("grad_output")
    if upstream is None and made.reduction == "none":
        found.lacks = dict.fromkeys(by, "grad_output")
        return found
    if upstream is not None:
        checks.same_dtype(case.op, "grad_output", upstream.dtype, f.dtype)
    loss_checks.loss_grad_output(case.op, upstream, np.shape(value), made.reduction, f.dtype)
    gradients = rule.backward(upstream)
    balls = dict(zip(by, gradients if isinstance(gradients, tuple) else (gradients,), strict=True))
    found.balls |= {name: (ball, net.explain("gradient of the loss", balls)) for name, ball in balls.items()}
    return found


def _optimizer(case: Case) -> Reference:
    if case.op == "LBFGS":
        return _lbfgs(case)
    asked = {"param", "grad", *(("rows",) if case.op == "SparseAdam" else ())}
    state = {name: a for name, a in case.arrays.items() if name not in asked and not name.startswith("new_")}
    made = ops.optimizer(case, state)
    content, (parameter,) = made.state_dict(), made.parameters()
    rule, group = optimizers.RULES[case.op], {**content["param_groups"][0], "rows": parameter.rows}
    single = tuple(case.arrays if rule in optimizers.WHOLE else optimizers.SINGLE_NUMBERS)  # as they are, not flat
    f = Format.of(parameter.data.dtype)

    def flat(name: str, array: Array) -> Ball:
        return f.exact(array if name in single else array.ravel())

    p, g = flat("param", parameter.data), flat("grad", case.arrays["grad"])
    old = {name: flat(name, np.asarray(array)) for name, array in content["state"].get(0, {}).items()}
    new, after, _ = rule(group, p, g, old)

    def explain(v: Float64, reference: Ball) -> str:
        shape = p.shape if v.size == p.size else v.shape
        return explain_step(rule, group, v.reshape(shape), reference.reshape(*p.shape), (p, g, old))

    found = Reference({*asked, *state})
    found.balls["new_param"] = new.reshape(*parameter.shape), explain
    for name, ball in after.items():
        found.balls[f"new_{name}"] = ball if ball.size != p.size else ball.reshape(*parameter.shape), None
    return found


def _lbfgs(case: Case) -> Reference:
    """An iteration: the direction from the gradient and the history, oldest first, and the move along it by t."""
    made = ops.optimizer(case, {})
    (parameter,) = made.parameters()
    f, size = Format.of(parameter.data.dtype), parameter.data.size
    nothing = np.zeros((0, size), f.dtype)
    history = {name: case.arrays.get(name, nothing) for name in HISTORY}
    pairs = len(history["old_dirs"]) if history["old_dirs"].ndim else 0
    expected: dict[str, tuple[checks.Shape, checks.DType]] = dict.fromkeys(HISTORY, ((pairs, size), f.dtype))
    if pairs:
        history |= dict(zip(QUOTIENTS, ops.required(case, *QUOTIENTS), strict=True))
        expected |= {"new_ro": ((pairs,), f.dtype), "new_H_diag": ((), f.dtype)}
    if wrong := checks.misfits(expected, history):
        raise ValueError(f"{case.op}: {wrong}")
    state: dict[str, Any] = {"prev_flat_grad": case.arrays["grad"].ravel(), "ro": list(history.get("new_ro", ()))}
    state |= {"H_diag": history.get("new_H_diag"), **{name: list(history[name]) for name in HISTORY}}
    balls = lbfgs.last_direction(f, state)
    found = Reference({"param", "grad", "t", *HISTORY})
    found.balls["new_d"] = balls["d"], None
    if pairs:
        ro = [balls[f"ro[{i}]"] for i in range(pairs)]
        stacked = Ball(np.array([b.mid for b in ro]), np.array([b.rad for b in ro]), f)
        found.balls |= {"new_ro": (stacked, None), "new_H_diag": (balls["H_diag"], None)}
    if lacking := [name for name in ("t", "new_d") if name not in case.arrays]:
        found.lacks["new_param"] = lacking[0]
        return found
    t, d = ops.required(case, "t", "new_d")
    if t.shape or t.dtype.kind not in "fiu" or d.shape != (size,):
        raise ValueError(f"{case.op}: t must be a number and new_d of shape ({size},); got {t.shape} and {d.shape}")
    state |= {"t": float(t), "d": d}
    before, after = parameter.data.ravel(), case.arrays.get("new_param", parameter.data)
    flattest, steepest = lbfgs.slopes(f, state)
    least = -float(made.param_groups[0]["tolerance_change"])
    # Where the slope is no steeper than that the step ends without a move; in between either is right.
    stays = steepest > least or (flattest > least and np.array_equal(before, after.ravel()))
    moved = f.exact(before) if stays else lbfgs.move(f, before, state)
    found.balls["new_param"] = moved.reshape(*parameter.shape), None
    return found
