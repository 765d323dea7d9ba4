"""Judging what a model and a loss compute: forward, backward, a loss alone, a whole net."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from handgrad.judge import structure
from handgrad.judge.ball import quiet
from handgrad.judge.explain import locate
from handgrad.judge.explain.reproduce import (
    Script,
    Spelling,
    loss_line,
    model_lines,
    package,
    reproduce,
)
from handgrad.judge.reference_net import AnyArray, Inputs, ReferenceNet, check_parts, inputs_of
from handgrad.judge.rules import layers, losses
from handgrad.judge.verdict import Verdict


@quiet
def judge_forward(model: Any, x: Inputs, output: Any = None, side: str = "") -> Verdict:
    """The output of `model` for `x`, a pair for one of two inputs; computed through the contract unless given."""
    verdict = Verdict(side or structure.side_of(model))
    given = {"output": output}

    def hold(net: ReferenceNet, values: Mapping[str, Any]) -> None:
        verdict.check("output", values["output"], net.forward(), net.explain("output"))

    def compute() -> dict[str, Any]:
        return {"output": model.forward(*inputs_of(x))}

    net = _judge(verdict, model, x, given, hold, compute)

    def write(spell: Spelling) -> list[str]:
        return [*model_lines(model, net.state, spell), f"x = {_spelled(spell, x)}", "model, x"]

    reproduce(verdict, _scripts(package(model), "judge_forward", write, given))
    return verdict


@quiet
def judge_backward(
    model: Any,
    x: Inputs,
    grad_output: AnyArray,
    grad_input: Any = None,
    gradients: Mapping[str, Any] | None = None,
    side: str = "",
    output: Any = None,
) -> Verdict:
    """The gradients of `model` at `x` for an upstream gradient. What is given is judged; the rest is computed.

    Of a Tanh or a Sigmoid alone the program's own `output` is taken to be what its derivative is made of: given with
    `grad_input`, or computed with it. The verdict is then sharper, and its `notes` say where digits are lost.

    Raises `TypeError` where something is not given and the model does not keep the contract, so that nothing can be
    computed; the gradients of such a model's parameters are read from them.
    """
    verdict = Verdict(side or structure.side_of(model))
    given = {"grad_input": grad_input, "gradients": gradients}

    def hold(net: ReferenceNet, values: Mapping[str, Any]) -> None:
        net.forward()
        net.backward(net.format.exact(grad_output))
        if "grad_input" in values:
            net.check_grad_input(verdict, values["grad_input"], values.get("output", output))
        if "gradients" in values:
            net.check_gradients(verdict, values["gradients"])

    def compute() -> dict[str, Any]:
        model.zero_grad()
        own = model.forward(*inputs_of(x))
        return {"grad_input": model.backward(grad_output), "gradients": _own_gradients(model), "output": own}

    net = _judge(verdict, model, x, given, hold, compute)

    def write(spell: Spelling) -> list[str]:
        own = [
            *model_lines(model, net.state, spell),
            f"x, grad_output = {_spelled(spell, x)}, {spell(grad_output)}",
        ]
        return [*own, "model, x, grad_output"]

    reproduce(verdict, _scripts(package(model), "judge_backward", write, {**given, "output": output}))
    return verdict


@quiet
def judge_loss(
    loss: Any,
    *arrays: Any,
    value: Any = None,
    grad: Any = None,
    grad_output: Any = None,
    side: str = "",
) -> Verdict:
    """The value of `loss` for its arrays (input and target, or three) and its gradient or tuple of gradients.

    What is given is judged; the rest is computed through the contract.
    """
    verdict = Verdict(side or structure.side_of(loss))
    rule = losses.read(loss)
    given: dict[str, Any] = {"value": value, "grad": grad}
    if missing := [name for name, part in given.items() if part is None]:
        if not hasattr(loss, "backward"):
            raise _cannot_compute(loss, missing)
        computed = loss.forward(*arrays)
        value = computed if value is None else value
        grad = loss.backward(grad_output) if grad is None else grad
    net = ReferenceNet(_NOTHING, {}, arrays[0], {})
    if isinstance(rule, losses.PairLoss):
        f = net.format
        cast = [np.asarray(a, f.dtype) for a in arrays]
        ball = rule.forward(*(f.exact(a) if i in rule.PLACES else a for i, a in enumerate(cast)))
        verdict.check("loss", value, ball, net.explain("loss"))
        references = dict(zip(rule.NAMES, rule.backward(grad_output), strict=True))
        names = [f"gradient of the loss by {name}" for name in references]
        explain = [net.explain(name, references) for name in references]
        check_parts(verdict, "gradient of the loss", names, grad, tuple(references.values()), explain)
    else:
        ball = net.loss(rule, net.forward(), arrays[1])
        verdict.check("loss", value, ball, net.explain("loss"))
        verdict.check("gradient of the loss", grad, rule.backward(grad_output), net.explain("gradient of the loss"))

    def write(spell: Spelling) -> list[str]:
        own = [loss_line(loss, spell), f"arrays = [{', '.join(spell(a) for a in arrays)}]"]
        return [*own, f"loss, *arrays, grad_output={spell(grad_output)}"]

    reproduce(verdict, _scripts(package(loss), "judge_loss", write, given))
    return verdict


@quiet
def judge_net(
    model: Any,
    loss: Any,
    x: AnyArray,
    y: AnyArray,
    output: Any = None,
    value: Any = None,
    grad_input: Any = None,
    gradients: Mapping[str, Any] | None = None,
    side: str = "",
) -> Verdict:
    """Output, loss, gradient of the input and of every parameter. What is given is judged; the rest is computed.

    Raises `TypeError` where something is not given and the model does not keep the contract, so that nothing can be
    computed; the gradients of such a model's parameters are read from them.
    """
    verdict = Verdict(side or structure.side_of(model))
    rule = losses.read_loss(loss)
    given = {"output": output, "value": value, "grad_input": grad_input, "gradients": gradients}

    def hold(net: ReferenceNet, values: Mapping[str, Any]) -> None:
        reference = net.forward()
        if "output" in values:
            verdict.check("output", values["output"], reference, net.explain("output"))
        ball = net.loss(rule, reference, y)
        if "value" in values:
            verdict.check("loss", values["value"], ball, net.explain("loss"))
        net.backward(rule.backward())
        if "gradients" in values:
            net.check_gradients(verdict, values["gradients"])
        if "grad_input" in values:
            net.check_grad_input(verdict, values["grad_input"])

    def compute() -> dict[str, Any]:
        model.zero_grad()
        output = model.forward(x)
        value = loss.forward(output, y)
        grad_input = model.backward(loss.backward())
        return {"output": output, "value": value, "grad_input": grad_input, "gradients": _own_gradients(model)}

    net = _judge(verdict, model, x, given, hold, compute)

    def write(spell: Spelling) -> list[str]:
        own = [*model_lines(model, net.state, spell), loss_line(loss, spell)]
        return [*own, f"x, y = {spell(x)}, {spell(y)}", "model, loss, x, y"]

    reproduce(verdict, _scripts(package(model), "judge_net", write, given))
    return verdict


_NOTHING = layers.Sequential("")


def _judge(
    verdict: Verdict,
    model: Any,
    x: Inputs,
    given: Mapping[str, Any],
    hold: Callable[["ReferenceNet", Mapping[str, Any]], None],
    compute: Callable[[], dict[str, Any]],
) -> "ReferenceNet":
    """Hold what is given, then compute and hold what is not.

    The two have a reference each: what is given belongs to the masks and slopes of the model's last forward call, and
    computing draws new ones.
    """
    net = ReferenceNet.of(model, x)
    known = {name: value for name, value in given.items() if value is not None}
    missing = [name for name in given if name not in known and (name != "gradients" or net.parameters)]
    if known:
        hold(net, known)
        _locate(verdict, model, net)
    if not missing:
        return net
    failures = len(verdict.failures)
    if hasattr(model, "backward"):
        net = ReferenceNet.of(model, x)
        computed = compute()
        hold(net, {name: value for name, value in computed.items() if name in missing or name not in given})
        net.check_buffers(verdict, model)
    elif missing == ["gradients"]:
        hold(net, {"gradients": _own_gradients(model)})
    else:
        raise _cannot_compute(model, missing)
    if not failures:
        _locate(verdict, model, net)
    return net


def _cannot_compute(thing: Any, missing: list[str]) -> TypeError:
    kind, names = structure.class_name(thing), ", ".join(missing)
    return TypeError(f"{kind} has no backward for arrays, so the judge cannot compute what is not given: {names}")


def _own_gradients(model: Any) -> dict[str, Any]:
    return {name: p.grad for name, p in structure.named_parameters(model)}


def _locate(verdict: Verdict, model: Any, net: ReferenceNet) -> None:
    if verdict.failures:
        verdict.parts_at(locate.first_part(model, net.x, getattr(net, "upstream", None)))


def _scripts(
    package_: str, judge: str, write: Callable[[Spelling], list[str]], values: Mapping[str, Any]
) -> list[Script]:
    """A judgement by `judge`: of values computed anew, of those that the caller gave, or of other numbers."""

    def call(spell: Spelling, given: Mapping[str, Any]) -> list[str]:
        *lines, arguments = write(spell)
        more = "".join(f", {name}={_spelled(spell, value)}" for name, value in given.items())
        return [*lines, f"verdict = {judge}({arguments}{more})"]

    given = {name: value for name, value in values.items() if value is not None}
    anew, literal = partial(call, given={}), partial(call, given=given)
    scripts = [Script(package_, judge, anew), Script(package_, judge, anew, drawn=True)]
    return [scripts[0], Script(package_, judge, literal), scripts[1]] if given else scripts


def _spelled(spell: Spelling, value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(spell, value))})"
    return spell.mapping(value) if isinstance(value, Mapping) else spell(value)
