"""Judging one op in half precision: a kernel in bfloat16 or float16 that adds in float32, as the hardware does it.

Values are the program's own: tensors of the format, NumPy's float16, or for bfloat16, which NumPy lacks, float32 arrays
of bfloat16 numbers. What a number may be is derived in `docs/judging.md`: the ball of the op in the format that the
program computes in, and one rounding to the format of its arrays.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from handgrad.judge import structure
from handgrad.judge.ball import Ball, Float64, Format, quiet
from handgrad.judge.explain.patterns import Evidence, recognise
from handgrad.judge.rules import layers, losses
from handgrad.judge.verdict import Verdict

LAYERS = (
    *("CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU", "Linear"),
    *("LogSigmoid", "Mish", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign"),
    *("Tanh", "Tanhshrink", "Threshold"),
)
LOSSES = ("BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss", "SoftMarginLoss")
"""What is judged in half precision. Of any other op the radii were not derived for such large roundings."""


@quiet
def judge_layer(
    like: Any,
    format: Format,
    x: Any,
    output: Any,
    grad_output: Any,
    grad_input: Any,
    parameters: Mapping[str, Any],
    gradients: Mapping[str, Any],
    side: str = "",
) -> Verdict:
    """What a program made of `x` and `grad_output` as the layer `like` with these parameters.

    Raises `TypeError` for a layer that is not covered, `ValueError` for inputs that are no numbers of the format.
    """
    _covered(like, format)
    verdict, rule = Verdict(side), layers.read_model(like)
    x, grad = (format.exact(exact(name, v, format)) for name, v in (("x", x), ("grad_output", grad_output)))
    state = {name: exact(name, value, format) for name, value in parameters.items()}
    y = rule.forward(x, state)
    hold(verdict, "output", output, format.stored(y))
    if grad.shape != y.shape:  # which was refused
        return verdict
    by_parameter: layers.Gradients = {}
    reference = format.stored(rule.backward(grad, by_parameter))
    if isinstance(rule, layers.Activation) and rule.stable:
        reference = _of_its_own(verdict, rule, reference, grad, output, grad_input)
    hold(verdict, "gradient of the input", grad_input, reference)
    for which, ball in by_parameter.items():
        hold(verdict, f"gradient of {which}", gradients.get(which), format.stored(ball))
    return verdict


def _of_its_own(
    verdict: Verdict, rule: layers.Activation, reference: Ball, grad: Ball, output: Any, grad_input: Any
) -> Ball:
    """The ball of a derivative, y (1 − y) or 1 − y², that a program may also make of the output that it has written.

    Else it makes it of a y that was not rounded to the short format: `reference`, if its operations have a longer one.
    """
    f = grad.format
    (y, problem), (v, none) = (numbers_of(value, f) for value in (output, grad_input))
    if problem or none or not y.shape == v.shape == grad.shape:
        return reference
    stable, own = map(f.stored, rule.of_its_own(grad, y))
    unrounded = stable if f.numbers is f.storage else reference
    return verdict.explained("gradient of the input", v, unrounded, own, rule.x.mid, rule.stable)


@quiet
def judge_criterion(
    like: Any, format: Format, x: Any, target: Any, value: Any, gradient: Any, side: str = ""
) -> Verdict:
    """What a program made of `x` and `target` as the loss `like`: its value, and the gradient of the input."""
    _covered(like, format)
    verdict, rule = Verdict(side), losses.read_loss(like)
    t = exact("target", target, format) if "float" in str(target.dtype) else structure.array(target)
    hold(verdict, "loss", value, format.stored(rule.forward(format.exact(exact("x", x, format)), t)))
    hold(verdict, "gradient of the loss", gradient, format.stored(rule.backward()))
    return verdict


def hold(verdict: Verdict, name: str, value: Any, ball: Ball) -> None:
    """Hold what a program has written against its ball."""
    v, problem = numbers_of(value, ball.format)
    if not problem and v.shape != ball.shape:
        problem = f"its shape is {v.shape}, not {ball.shape}"
    if problem:
        verdict.numbers += ball.size
        verdict.refuse(name, problem)
        return
    evidence = Evidence(name, {"N": v.shape[0] if v.ndim else 1})
    verdict.compare(name, v, ball, lambda v, reference: recognise(v, reference, evidence))


def numbers_of(value: Any, format: Format) -> tuple[Float64, str]:
    """The numbers of an array or tensor, and what is wrong with it if they are none of the format's."""
    numbers = format.storage or format.numbers
    nothing = np.zeros(0)
    if value is None:
        return nothing, "it is None"
    kind = str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")
    stands_for_it = numbers.name == "bfloat16" and kind == "float32" and not hasattr(value, "detach")
    if kind != numbers.name and not stands_for_it:
        return nothing, f"its dtype is {kind}, not {numbers.name}"
    array = structure.array(value.detach().float() if kind == "bfloat16" else value).astype(np.float64)
    wrong = ~((numbers.round(array) == array) | np.isnan(array))
    if wrong.any():
        return nothing, f"{float(array[wrong].flat[0])!r} is no number of {numbers.name}"
    return array, ""


def exact(name: str, value: Any, format: Format) -> Float64:
    """What a program was given. `ValueError` if that is not of its format."""
    array, problem = numbers_of(value, format)
    if problem:
        raise ValueError(f"{name}: {problem}")
    return array


def _covered(like: Any, format: Format) -> None:
    kind = structure.class_name(structure.unwrap(like))
    if format.storage is not None and kind not in (*LAYERS, *LOSSES):
        known = ", ".join((*LAYERS, *LOSSES))
        raise TypeError(f"{kind} is not judged in {format.storage.name}; allowed are {known}")
