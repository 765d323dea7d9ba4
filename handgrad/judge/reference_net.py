"""One forward and backward pass of a model and its loss in balls."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Float64, Format
from handgrad.judge.explain.patterns import Evidence, recognise
from handgrad.judge.rules import layers, losses
from handgrad.judge.verdict import Explain, Verdict

AnyArray = npt.NDArray[Any]
Inputs = AnyArray | tuple[AnyArray, ...]
"""What a model's forward takes: an array, or several."""


@dataclass
class ReferenceNet:
    """One forward and backward pass in balls."""

    rule: layers.Rule
    parameters: Mapping[str, AnyArray]
    given: Inputs
    previous: Mapping[str, AnyArray]
    buffers: Mapping[str, AnyArray] = field(default_factory=dict)  # as they were before
    frozen: frozenset[str] = frozenset()  # parameters that need no gradient
    references: dict[str, Ball] = field(default_factory=dict)

    def __post_init__(self) -> None:
        batch = inputs_of(self.given)[0]
        first = next(iter(self.parameters.values()), batch)
        self.format = Format.of(first.dtype)
        # A side casts the batch to its own dtype before it computes. Whole numbers are indices, and stay.
        cast = tuple(a if a.dtype.kind in "iu" else a.astype(self.format.dtype) for a in inputs_of(self.given))
        self.x: Inputs = cast if isinstance(self.given, tuple) else cast[0]
        self.counts = {"N": batch.shape[0] if batch.ndim > 1 else 1}

    @classmethod
    def of(cls, model: Any, x: Inputs) -> "ReferenceNet":
        parameters = {name: structure.array(p.data) for name, p in structure.named_parameters(model)}
        return cls(layers.read_model(model), parameters, x, {}, buffers_of(model), structure.frozen(model))

    @property
    def state(self) -> dict[str, AnyArray]:
        return {**self.parameters, **self.buffers}

    def forward(self) -> Ball:
        balls: Any = tuple(map(self.format.exact, inputs_of(self.x)))
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

    def check_grad_input(self, verdict: Verdict, gradient: Any, output: Any = None) -> None:
        """Hold the gradient of the input; of an op alone, with its own `output`, within what that output explains."""
        reference, rule = self.grad_input, self.rule
        if output is not None and isinstance(rule, layers.Activation) and rule.stable:
            name, x = "gradient of the input", inputs_of(self.x)[0].astype(np.float64)
            stable, own = rule.of_its_own(self.upstream, np.asarray(output, np.float64))
            verdict.check_digits(name, gradient, stable, own, x, rule.stable, self.explain(name))
        elif isinstance(reference, tuple):
            names = [f"gradient of input{i}" for i in range(1, len(reference) + 1)]
            whole = "gradient of the inputs"
            check_parts(verdict, whole, names, gradient, reference, [self.explain(name) for name in names])
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
        updated = {
            leaf.parameter(which): ball for leaf in layers.leaves(self.rule) for which, ball in leaf.updated.items()
        }
        for name, now in buffers_of(model).items():
            ball = updated.get(name, self.format.exact(self.buffers[name].astype(np.float64)))
            verdict.check(name, float(now) if now.dtype.kind == "i" else now, ball)

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


def inputs_of(x: Any) -> tuple[AnyArray, ...]:
    return tuple(map(np.asarray, x)) if isinstance(x, tuple) else (np.asarray(x),)


def buffers_of(model: Any) -> dict[str, AnyArray]:
    return {name: structure.copy(data) for name, data in structure.named_buffers(model)}


def check_parts(
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
