"""Judging in half precision: an op, a net or a step of an optimizer, of a program whose arrays are bfloat16 or float16
and whose sums are in float32, as the hardware does it.

Values are the program's own: tensors of the format, NumPy's float16, or for bfloat16, which NumPy lacks, float32 arrays
of bfloat16 numbers. What a number may be is derived in `docs/judging.md`: the ball of the op in the format that the
program computes in, and one rounding to the format of its arrays.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from handgrad.judge import structure
from handgrad.judge.ball import NUMBERS, Ball, Float64, Format, quiet
from handgrad.judge.explain.patterns import Evidence, recognise
from handgrad.judge.rules import layers, losses, optimizers
from handgrad.judge.verdict import Verdict

LAYERS = (
    *("BatchNorm1d", "CELU", "ELU", "GELU", "GLU", "GroupNorm", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh"),
    *("Identity", "LayerNorm", "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RMSNorm", "ReLU"),
    *("ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh"),
    *("Tanhshrink", "Threshold"),
)
LOSSES = (
    *("BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss"),
    *("MSELoss", "MultiLabelSoftMarginLoss", "NLLLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss"),
)
OPTIMIZERS = ("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
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
    buffers: Mapping[str, tuple[Any, Any]] | None = None,
    side: str = "",
) -> Verdict:
    """What a program made of `x` and `grad_output` as the layer or net `like` with these parameters.

    `buffers` are those of before and of after. Between two layers a program may write what it has computed, or not.
    Raises `TypeError` for a layer that is not covered, `ValueError` for inputs that are no numbers of the format.
    """
    verdict, rule = Verdict(side), layers.read_model(like)
    for leaf in rule.leaves():
        _covered(type(leaf).__name__, format, LAYERS)
    x, grad = (format.exact(exact(name, v, format)) for name, v in (("x", x), ("grad_output", grad_output)))
    buffers = buffers or {}
    own = {**parameters, **{name: before for name, (before, _) in buffers.items()}}
    y = rule.forward(x, {name: exact(name, value, kept_in(value, format)) for name, value in own.items()})
    hold(verdict, "output", output, format.stored(y))
    if grad.shape != y.shape:  # which was refused
        return verdict
    alone = isinstance(rule, layers.Activation) and rule.stable
    if not alone:
        layers.written(rule, y)
    by_parameter: layers.Gradients = {}
    reference = format.stored(rule.backward(grad, by_parameter))
    if isinstance(rule, layers.Activation) and alone:
        reference = _of_its_own(verdict, rule, reference, grad, output, grad_input)
    hold(verdict, "gradient of the input", grad_input, reference)
    for which, ball in by_parameter.items():
        kept = kept_in(parameters[which], format)
        hold(verdict, f"gradient of {which}", gradients.get(which), kept.stored(ball))
    updated = {leaf.parameter(which): ball for leaf in layers.leaves(rule) for which, ball in leaf.updated.items()}
    for name, (before, after) in buffers.items():
        if name in updated and after is not None:
            hold(verdict, name, after, kept_in(before, format).stored(updated[name]))
    return verdict


def kept_in(value: Any, format: Format) -> Format:
    """The format with the storage of a parameter or a buffer, which a program may keep in float32; a count is whole."""
    kind = _kind(value)
    if kind in WHOLE:
        return Format.of(np.float64)
    wide = kind == "float32" and hasattr(value, "detach")
    return dataclasses.replace(format, storage=NUMBERS["float32"]) if wide else format


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
    _covered(structure.class_name(structure.unwrap(like)), format, LOSSES)
    verdict, rule = Verdict(side), losses.read_loss(like)
    t = exact("target", target, format) if "float" in str(target.dtype) else structure.array(target)
    hold(verdict, "loss", value, format.stored(rule.forward(format.exact(exact("x", x, format)), t)))
    hold(verdict, "gradient of the loss", gradient, format.stored(rule.backward()))
    return verdict


@dataclasses.dataclass(frozen=True)
class Update:
    """What a step of an optimizer started from and came to: a parameter, as "parameter", and the state that is kept of
    it under PyTorch's names; with the options of its group."""

    name: str
    group: Mapping[str, Any]
    before: Mapping[str, Any]
    gradient: Any
    after: Mapping[str, Any]


@quiet
def judge_updates(kind: str, format: Format, updates: Iterable[Update], side: str = "") -> Verdict:
    """What a step of the optimizer `kind` made of each parameter. It may be made of the state that the program has
    written, if operations are in the short format, or of what it is about to write.

    Raises `TypeError` for an optimizer that is not covered.
    """
    _covered(kind, format, OPTIMIZERS)
    verdict = Verdict(side)
    for update in updates:
        old = {name: format.exact(exact(name, value, kept_in(value, format))) for name, value in update.before.items()}
        g = format.exact(exact("gradient", update.gradient, kept_in(update.gradient, format)))
        new, state, _ = optimizers.RULES[kind](update.group, old.pop("parameter"), g, old)
        for name, ball in {"parameter": new, **state}.items():
            value = update.after.get(name)
            what = update.name if name == "parameter" else f"{name} of {update.name}"
            hold(verdict, f"new {what}", value, kept_in(value, format).stored(ball))
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


WHOLE = ("int", "int64")


def _kind(value: Any) -> str:
    return str(getattr(value, "dtype", type(value).__name__)).removeprefix("torch.")


def numbers_of(value: Any, format: Format) -> tuple[Float64, str]:
    """The numbers of an array or tensor, and what is wrong with it if they are none of the format's."""
    numbers = format.storage or format.numbers
    nothing = np.zeros(0)
    if value is None:
        return nothing, "it is None"
    kind = _kind(value)
    if kind in WHOLE and format.storage is None:
        return structure.array(value).astype(np.float64), ""
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


def _covered(kind: str, format: Format, known: tuple[str, ...]) -> None:
    if format.storage is not None and kind not in known:
        raise TypeError(f"{kind} is not judged in {format.storage.name}; allowed are {', '.join(known)}")
