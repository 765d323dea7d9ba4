"""Judging: a loss, a model, an optimizer step, a whole net, and every step of a training run.

A run's step is judged *from the side's own state before it*: parameters, optimizer state and batch go into the balls,
and what the side computed must lie inside. Both sides can then train freely; every step of either is certified.
The optimizer is judged from the gradients that the side itself computed, so that one mistake is reported once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import layers, locate, losses, optimizers, structure
from handgrad.judge.ball import Ball, Float64, Format
from handgrad.judge.optimizers import lbfgs
from handgrad.judge.patterns import Evidence, recognise
from handgrad.judge.reproduce import (
    CannotWriteError,
    Script,
    Spelling,
    loss_line,
    model_lines,
    optimizer_lines,
    package,
    reproduce,
)
from handgrad.judge.verdict import Explain, Verdict

AnyArray = npt.NDArray[Any]
Inputs = AnyArray | tuple[AnyArray, ...]
"""What a model's forward takes: an array, or several."""

quiet = np.errstate(all="ignore")
"""Balls compute with NaN and ∞ on purpose."""


@dataclass(frozen=True)
class OptimizerSnapshot:
    """What an optimizer step starts from, as copies. Parameters and state are numbered as in `state_dict`."""

    parameters: list[AnyArray]
    state: dict[int, dict[str, AnyArray]]
    groups: list[dict[str, Any]]


@dataclass(frozen=True)
class Snapshot:
    """What a training step starts from, as copies."""

    parameters: dict[str, AnyArray]
    gradients: dict[str, AnyArray]  # those left over from the step before
    optimizer: OptimizerSnapshot
    buffers: dict[str, AnyArray]


class StepJudge:
    """Judges the training steps of one side.

    >>> judge = StepJudge(model, loss, optimizer)                   # doctest: +SKIP
    >>> before = judge.before()                                     # doctest: +SKIP
    >>> value = trainer.step(x, y)                                  # doctest: +SKIP
    >>> verdict = judge.after(before, x, y, value)                  # doctest: +SKIP

    Raises `TypeError` for a layer, loss or optimizer that the judge has no rule for.
    """

    def __init__(self, model: Any, loss: Any, optimizer: Any) -> None:
        self.model, self.given_loss, self.optimizer = model, loss, optimizer
        self.rule, self.loss = layers.read_model(model), losses.read_loss(loss)
        _optimizer_rule(optimizer)
        self.side = structure.side_of(model)
        self.names = _match(dict(structure.named_parameters(model)), _parameters(optimizer))

    def before(self) -> Snapshot:
        parameters = dict(structure.named_parameters(self.model))
        return Snapshot(
            {name: structure.copy(p.data) for name, p in parameters.items()},
            {name: structure.copy(p.grad) for name, p in parameters.items() if p.grad is not None},
            snapshot(self.optimizer),
            _buffers(self.model),
        )

    @quiet
    def after(self, before: Snapshot, x: AnyArray, y: AnyArray, value: Any) -> Verdict:
        """The verdict on the step from `before` on the batch `(x, y)` that returned the loss `value`."""
        verdict = Verdict(self.side)
        now = dict(structure.named_parameters(self.model))
        frozen = structure.frozen(self.model)
        gradients = {name: p.grad for name, p in now.items() if name not in frozen}
        net = _Net(self.rule, before.parameters, x, before.gradients, before.buffers, frozen)
        output = net.forward()
        ball = net.loss(self.loss, output, y)
        verdict.check("loss", value, ball, net.explain("loss"))
        net.backward(self.loss.backward())
        net.check_gradients(verdict, gradients)
        if verdict.failures:
            verdict.parts_at(locate.first_part(self.model, net.x, net.upstream))
        net.check_buffers(verdict, self.model)
        _check_step(verdict, self.optimizer, before.optimizer, self.names)
        for name in now.keys() - set(self.names):
            title = f"{name}, which the optimizer does not have"
            _check_still(verdict, title, before.parameters[name], now[name].data)
        reproduce(verdict, self._scripts(before, x, y))
        return verdict

    def _scripts(self, before: Snapshot, x: AnyArray, y: AnyArray) -> Iterator[Script]:
        """The step alone; and as the second of two, for what goes wrong because there was one before."""
        name, order = package(self.model), list(before.parameters)

        def members(numbers: list[int]) -> str:
            own = [self.names[i] for i in numbers]
            if strangers := [held for held in own if held not in before.parameters]:
                raise CannotWriteError(f"the model does not have {strangers[0]}")
            return "model.parameters()" if own == order else _items("parameters", own)

        def write(spell: Spelling, repeat: bool) -> list[str]:
            start = before.optimizer
            return [
                *model_lines(self.model, {**before.parameters, **before.buffers}, spell),
                loss_line(self.given_loss, spell),
                *["parameters = dict(model.named_parameters())"] * (self.names != order),
                *optimizer_lines(self.optimizer, start.groups, start.state, members, spell),
                f"trainer = {name}.Trainer(model, loss, optimizer)",
                f"x, y = {spell(x)}, {spell(y)}",
                *["trainer.step(x, y)"] * repeat,
                "judge = StepJudge(model, loss, optimizer)",
                "before = judge.before()",
                "verdict = judge.after(before, x, y, trainer.step(x, y))",
            ]

        for drawn in (False, True):
            yield Script(name, "StepJudge", partial(write, repeat=False), drawn)
            yield Script(name, "StepJudge", partial(write, repeat=True), drawn, "the step is made twice")


def _items(name: str, keys: Iterable[Any]) -> str:
    """[name[key], …] as text."""
    return f"[{', '.join(f'{name}[{key!r}]' for key in keys)}]"


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


@quiet
def judge_forward(model: Any, x: Inputs, output: Any = None, side: str = "") -> Verdict:
    """The output of `model` for `x`, a pair for one of two inputs; computed through the contract unless given."""
    verdict = Verdict(side or structure.side_of(model))
    given = {"output": output}

    def hold(net: _Net, values: Mapping[str, Any]) -> None:
        verdict.check("output", values["output"], net.forward(), net.explain("output"))

    def compute() -> dict[str, Any]:
        return {"output": model.forward(*_inputs(x))}

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
) -> Verdict:
    """The gradients of `model` at `x` for an upstream gradient. What is given is judged; the rest is computed.

    Raises `TypeError` where something is not given and the model does not keep the contract, so that nothing can be
    computed; the gradients of such a model's parameters are read from them.
    """
    verdict = Verdict(side or structure.side_of(model))
    given = {"grad_input": grad_input, "gradients": gradients}

    def hold(net: _Net, values: Mapping[str, Any]) -> None:
        net.forward()
        net.backward(net.format.exact(grad_output))
        if "grad_input" in values:
            net.check_grad_input(verdict, values["grad_input"])
        if "gradients" in values:
            net.check_gradients(verdict, values["gradients"])

    def compute() -> dict[str, Any]:
        model.zero_grad()
        model.forward(*_inputs(x))
        return {"grad_input": model.backward(grad_output), "gradients": _own_gradients(model)}

    net = _judge(verdict, model, x, given, hold, compute)

    def write(spell: Spelling) -> list[str]:
        own = [
            *model_lines(model, net.state, spell),
            f"x, grad_output = {_spelled(spell, x)}, {spell(grad_output)}",
        ]
        return [*own, "model, x, grad_output"]

    reproduce(verdict, _scripts(package(model), "judge_backward", write, given))
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
    net = _Net(_NOTHING, {}, arrays[0], {})
    if isinstance(rule, losses.PairLoss):
        f = net.format
        cast = [np.asarray(a, f.dtype) for a in arrays]
        ball = rule.forward(*(f.exact(a) if i in rule.PLACES else a for i, a in enumerate(cast)))
        verdict.check("loss", value, ball, net.explain("loss"))
        references = dict(zip(rule.NAMES, rule.backward(grad_output), strict=True))
        names = [f"gradient of the loss by {name}" for name in references]
        explain = [net.explain(name, references) for name in references]
        _check_parts(verdict, "gradient of the loss", names, grad, tuple(references.values()), explain)
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

    def hold(net: _Net, values: Mapping[str, Any]) -> None:
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


def _judge(
    verdict: Verdict,
    model: Any,
    x: Inputs,
    given: Mapping[str, Any],
    hold: Callable[["_Net", Mapping[str, Any]], None],
    compute: Callable[[], dict[str, Any]],
) -> "_Net":
    """Hold what is given, then compute and hold what is not.

    The two have a reference each: what is given belongs to the masks and slopes of the model's last forward call, and
    computing draws new ones.
    """
    net = _Net.of(model, x)
    known = {name: value for name, value in given.items() if value is not None}
    missing = [name for name in given if name not in known and (name != "gradients" or net.parameters)]
    if known:
        hold(net, known)
        _locate(verdict, model, net)
    if not missing:
        return net
    failures = len(verdict.failures)
    if hasattr(model, "backward"):
        net = _Net.of(model, x)
        computed = compute()
        hold(net, {name: computed[name] for name in missing})
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


def _check_parts(
    verdict: Verdict, whole: str, names: list[str], values: Any, balls: tuple[Ball, ...], explain: list[Explain]
) -> None:
    """Hold a tuple of arrays against as many balls."""
    if not isinstance(values, tuple | list) or len(values) != len(balls):
        kind = f"{len(values)} of them" if isinstance(values, tuple | list) else f"a {type(values).__name__}"
        verdict.numbers += sum(ball.size for ball in balls)
        verdict.refuse(whole, f"it is {kind}, not a tuple of {len(balls)} arrays")
        return
    for name, value, ball, why in zip(names, values, balls, explain, strict=True):
        verdict.check(name, value, ball, why)


def snapshot(optimizer: Any) -> OptimizerSnapshot:
    """Copies of an optimizer's parameters, state and options, for `judge_optimizer` after the step."""
    state = optimizer.state_dict()
    return OptimizerSnapshot(
        [structure.copy(p.data) for p in _parameters(optimizer)],
        {
            int(index): {name: _copied(a) for name, a in entry.items() if a is not None}
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
    lbfgs_step = _optimizer_kind(optimizer) == "LBFGS"
    if lbfgs_step:
        _check_lbfgs(verdict, optimizer, before)
    else:
        _check_step(verdict, optimizer, before, [f"parameter {i}" for i in range(len(before.parameters))])
    name, everyone = package(optimizer), list(range(len(before.parameters)))
    # LBFGS keeps its last α's, mostly None, for the memory's sake only.
    state = {i: {entry: a for entry, a in kept.items() if entry != "al"} for i, kept in before.state.items()}

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
                state,
                lambda numbers: "parameters" if numbers == everyone else _items("parameters", numbers),
                spell,
            ),
            f"{', '.join(places)} = {', '.join(gradients)}",
            "before = snapshot(optimizer)",
            f"optimizer.step({'lambda: 0.0' * lbfgs_step})",
            "verdict = judge_optimizer(optimizer, before)",
        ]

    reproduce(verdict, [Script(name, "judge_optimizer, snapshot", write, drawn) for drawn in (False, True)])
    return verdict


def _gradients(optimizer: Any, before: OptimizerSnapshot) -> list[AnyArray | None]:
    """The gradients that a step started from, of LBFGS too if it evaluated the closure once: they are in its state."""
    if _optimizer_kind(optimizer) != "LBFGS":
        return [None if p.grad is None else structure.array(p.grad) for p in _parameters(optimizer)]
    state, old = snapshot(optimizer).state[0], before.state.get(0, {})
    if int(state["func_evals"]) - int(old.get("func_evals", 0)) > 1:
        raise CannotWriteError("a step that evaluates its closure again depends on what that computes")
    sizes = np.cumsum([p.size for p in before.parameters])
    parts = np.split(state["prev_flat_grad"], sizes[:-1])
    return [part.reshape(p.shape) for part, p in zip(parts, before.parameters, strict=True)]


_NOTHING = layers.Sequential("")


@dataclass
class _Net:
    """One forward and backward pass in balls."""

    rule: layers.Rule
    parameters: Mapping[str, AnyArray]
    given: Inputs
    previous: Mapping[str, AnyArray]
    buffers: Mapping[str, AnyArray] = field(default_factory=dict)  # as they were before
    frozen: frozenset[str] = frozenset()  # parameters that need no gradient
    references: dict[str, Ball] = field(default_factory=dict)

    def __post_init__(self) -> None:
        batch = _inputs(self.given)[0]
        first = next(iter(self.parameters.values()), batch)
        self.format = Format.of(first.dtype)
        # A side casts the batch to its own dtype before it computes. Whole numbers are indices, and stay.
        cast = tuple(a if a.dtype.kind in "iu" else a.astype(self.format.dtype) for a in _inputs(self.given))
        self.x: Inputs = cast if isinstance(self.given, tuple) else cast[0]
        self.counts = {"N": batch.shape[0] if batch.ndim > 1 else 1}

    @classmethod
    def of(cls, model: Any, x: Inputs) -> "_Net":
        parameters = {name: structure.array(p.data) for name, p in structure.named_parameters(model)}
        return cls(layers.read_model(model), parameters, x, {}, _buffers(model), structure.frozen(model))

    @property
    def state(self) -> dict[str, AnyArray]:
        return {**self.parameters, **self.buffers}

    def forward(self) -> Ball:
        balls: Any = tuple(map(self.format.exact, _inputs(self.x)))
        output = self.rule.forward(balls if isinstance(self.x, tuple) else balls[0], self.state)
        self.counts["outputs"] = output.shape[-1] if output.shape else 1
        self.counts["N·outputs"] = output.size
        self.references["output"] = output
        return output

    def loss(self, rule: losses.Loss, output: Ball, y: AnyArray) -> Ball:
        y = np.asarray(y)
        return rule.forward(output, y.astype(self.format.dtype) if y.dtype.kind == "f" else y)

    def backward(self, upstream: Ball) -> None:
        self.upstream = upstream
        self.gradients: dict[str, Ball] = {}
        self.grad_input: Any = self.rule.backward(upstream, self.gradients)

    def check_grad_input(self, verdict: Verdict, gradient: Any) -> None:
        reference = self.grad_input
        if isinstance(reference, tuple):
            names = [f"gradient of input{i}" for i in range(1, len(reference) + 1)]
            whole = "gradient of the inputs"
            _check_parts(verdict, whole, names, gradient, reference, [self.explain(name) for name in names])
        else:
            name = "gradient of the input"
            verdict.check(name, gradient, reference, self.explain(name))

    def check_gradients(self, verdict: Verdict, gradients: Mapping[str, Any]) -> None:
        """The gradient of every parameter; a frozen one needs none."""
        for name, ball in self.gradients.items():
            value = gradients.get(name)
            if value is not None or name not in self.frozen:
                verdict.check(f"gradient of {name}", value, ball, self.explain(name))
        for name in gradients.keys() - self.parameters.keys():
            verdict.refuse(f"gradient of {name}", "the model has no such parameter")

    def check_buffers(self, verdict: Verdict, model: Any) -> None:
        """What a forward call updates, and that it leaves the rest alone."""
        updated = {leaf.parameter(which): ball for leaf in self._leaves() for which, ball in leaf.updated.items()}
        for name, now in _buffers(model).items():
            ball = updated.get(name, self.format.exact(self.buffers[name].astype(np.float64)))
            verdict.check(name, float(now) if now.dtype.kind == "i" else now, ball)

    def _leaves(self) -> Iterator[layers.Leaf]:
        return (leaf for leaf in self.rule.leaves() if isinstance(leaf, layers.Leaf))

    def explain(self, name: str, beside: Mapping[str, Ball] | None = None) -> Explain:
        """What to say of the tensor `name`; `beside` it stand other references, for a parameter those of the others."""
        if beside is None:
            beside = self.gradients if name in self.parameters else {}

        def explain(v: Float64, reference: Ball) -> str:
            previous, parameter = self.previous.get(name), self.parameters.get(name)
            evidence = Evidence(
                name,
                self.counts,
                beside,
                None if previous is None else previous.astype(np.float64),
                None if parameter is None else parameter.astype(np.float64),
                lambda: self.known_bugs(name),
            )
            return recognise(v, reference, evidence)

        return explain

    def known_bugs(self, name: str) -> Iterator[tuple[str, Ball]]:
        """References of a backward pass with one known bug."""
        if name not in self.parameters and name != "gradient of the input":
            return
        for leaf in self.rule.leaves():
            if isinstance(leaf, layers.Linear) and name == leaf.parameter("bias") and leaf.rows is not None:
                yield "missing bias sum: the first sample's row only", leaf.rows[0]
                yield "missing bias sum: the last sample's row only", leaf.rows[-1]
        for leaf in self.rule.leaves():
            if isinstance(leaf, layers.Activation):
                leaf.bypass = True
                gradients: layers.Gradients = {}
                grad_input = self.rule.backward(self.upstream, gradients)
                leaf.bypass = False
                yield f"missing activation derivative of {leaf.label()}", gradients.get(name, grad_input)
        self.rule.backward(self.upstream, {})


def _inputs(x: Any) -> tuple[AnyArray, ...]:
    return tuple(map(np.asarray, x)) if isinstance(x, tuple) else (np.asarray(x),)


def _buffers(model: Any) -> dict[str, AnyArray]:
    return {name: structure.copy(data) for name, data in structure.named_buffers(model)}


def _locate(verdict: Verdict, model: Any, net: _Net) -> None:
    if verdict.failures:
        verdict.parts_at(locate.first_part(model, net.x, getattr(net, "upstream", None)))


def _optimizer_kind(optimizer: Any) -> str:
    return structure.class_name(getattr(optimizer, "optimizer", optimizer))


def _optimizer_rule(optimizer: Any) -> optimizers.Rule:
    kind = _optimizer_kind(optimizer)
    if kind not in optimizers.RULES:
        raise structure.unknown("optimizer", kind, optimizers.RULES)
    return optimizers.RULES[kind]


def _parameters(optimizer: Any) -> list[Any]:
    if hasattr(optimizer, "parameters"):
        return list(optimizer.parameters())
    return [p for group in optimizer.param_groups for p in group["params"]]


def _match(named: dict[str, Any], held: list[Any]) -> list[str]:
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


def _check_still(verdict: Verdict, title: str, before: Any, after: Any) -> None:
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


def _check_step(verdict: Verdict, optimizer: Any, before: OptimizerSnapshot, names: list[str]) -> None:
    """New parameters and new state, from the state before and the optimizer's own gradients."""
    rule = _optimizer_rule(optimizer)
    now = snapshot(optimizer)
    gradients = [None if p.grad is None else structure.array(p.grad) for p in _parameters(optimizer)]
    lots: dict[Any, _Lot] = {}
    for number, group in enumerate(before.groups):
        for i in group["params"]:
            p, g, state = before.parameters[i], gradients[i], before.state.get(i, {})
            if g is None:
                _check_still(verdict, f"{names[i]}, which has no gradient", p, now.parameters[i])
                after = now.state.get(i, {})
                for name in sorted(state.keys() | after.keys()):
                    title = f"{name} of {names[i]}, which has no gradient"
                    _check_still(verdict, title, state.get(name), after.get(name))
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
    group = {**lot.group, "rows": getattr(_parameters(optimizer)[i], "rows", None)}
    new, state = rule(group, *start)

    def explain(v: Float64, reference: Ball) -> str:
        return _explain_step(rule, group, v, reference, start)

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
    """The last iteration of a step: history, direction, and where it was the only one, the move."""
    now = snapshot(optimizer)
    f = Format.of(before.parameters[0].dtype)
    state, old = now.state.get(0, {}), before.state.get(0, {})
    made = int(state.get("n_iter", 0)) - int(old.get("n_iter", 0))
    flat = [np.concatenate([p.ravel() for p in shot.parameters]) for shot in (before, now)]
    if not made:
        verdict.check("parameters, which were optimal", flat[1], f.exact(flat[0]), _stay)
        return
    values = {**state, **{f"ro[{i}]": ro for i, ro in enumerate(state["ro"])}}
    for name, ball in lbfgs.last_direction(f, state).items():
        verdict.check(name, values[name], ball)
    if made == 1:
        flattest, steepest = lbfgs.slopes(f, state)
        least = -float(before.groups[0]["tolerance_change"])
        # Where the slope is no steeper than that the step ends without a move; in between either is right.
        stays = steepest > least or (flattest > least and np.array_equal(flat[0], flat[1]))
        verdict.check("new parameters", flat[1], f.exact(flat[0]) if stays else lbfgs.move(f, flat[0], state))


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
    new, state = rule(lot.group, p, g, old)

    def explain(v: Float64, reference: Ball, part: slice) -> str:
        return _explain_step(rule, lot.group, v, reference, (p[part], g[part], _part(old, part)))

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


def _explain_step(
    rule: optimizers.Rule,
    group: Mapping[str, Any],
    v: Float64,
    reference: Ball,
    start: tuple[Ball, Ball, optimizers.State],
) -> str:
    """The step of a wrong parameter: compare with the steps that other options would have made."""
    p, g, state = start

    def alternatives() -> Iterator[tuple[str, Ball]]:
        for text, change in _OPTION_BUGS:
            if change_group := change(dict(group)):
                yield text, rule(change_group, p, g, state)[0]
        yield "as if it were the first step (state lost)", rule(group, p, g, {})[0]

    return recognise(v, reference, Evidence(previous=p.mid, alternatives=alternatives))


def _without(option: str, value: Any = 0.0) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda group: {**group, option: value} if group.get(option, value) != value else None


def _flip(option: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda group: {**group, option: not group[option]} if option in group else None


def _times(option: str, factor: float) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda group: {**group, option: factor * float(group[option])} if group.get(option) else None


_OPTION_BUGS: tuple[tuple[str, Callable[[dict[str, Any]], dict[str, Any] | None]], ...] = (
    (
        "the step has the opposite sign (maximize)",
        lambda group: {**group, "maximize": not group.get("maximize", False)},
    ),
    ("weight_decay is ignored", _without("weight_decay")),
    # Without its look ahead, Nesterov's first step is the one without momentum: the smaller mistake is named.
    ("nesterov the other way", _flip("nesterov")),
    ("momentum is ignored", _without("momentum")),
    ("dampening is ignored", _without("dampening")),
    ("amsgrad the other way", _flip("amsgrad")),
    ("centered the other way", _flip("centered")),
    ("lr_decay is ignored", _without("lr_decay")),
    ("momentum_decay is ignored", _without("momentum_decay")),
    ("decoupled_weight_decay the other way", _flip("decoupled_weight_decay")),
    ("weight_decay has the opposite sign", _times("weight_decay", -1.0)),
    ("the step is 2 × too long", _times("lr", 2.0)),
    ("the step is 2 × too short", _times("lr", 0.5)),
)


def _count(v: Float64, reference: Ball) -> str:
    return f"the step counter went to {float(v):g}"


def _flat(arrays: list[AnyArray]) -> AnyArray:
    return np.concatenate([a.ravel() for a in arrays]) if arrays else np.zeros(0)


def _gather(f: Format, name: str, states: list[dict[str, AnyArray]]) -> Ball:
    return f.exact(states[0][name] if name in optimizers.SINGLE_NUMBERS else _flat([state[name] for state in states]))


def _part(state: optimizers.State, part: slice) -> optimizers.State:
    return {name: ball if name in optimizers.SINGLE_NUMBERS else ball[part] for name, ball in state.items()}
