"""Refusals of losses: of their options when they are made, of input and target when they are called."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.checks import (
    LARGEST,
    DType,
    Shape,
    array,
    choice,
    count,
    float_array,
    number,
    same_dtype,
    shown,
    single,
    truth,
)


def loss_grad_output(owner: str, given: Any, shape: Shape, reduction: str, dtype: DType) -> npt.NDArray[Any]:
    """The upstream gradient of a loss, in its dtype: one value per loss value; None is 1 where there is only one.

    Numbers of any kind are taken.
    """
    if given is None:
        if reduction == "none":
            raise ValueError(f'{owner}: with reduction="none" backward() needs grad_output of shape {shape}')
        return np.asarray(1, dtype)
    if isinstance(given, np.ndarray):
        array(owner, "grad_output", given)
    if isinstance(given, bool) or not isinstance(given, np.ndarray | np.number | int | float):
        raise TypeError(f"{owner}: grad_output must be a number or a NumPy array; got {type(given).__name__}")
    if isinstance(given, np.ndarray | np.number) and given.dtype.kind not in "iuf":
        raise TypeError(f"{owner}: grad_output must be of numbers; got {given.dtype}")
    if isinstance(given, int) and abs(given) > LARGEST:
        number(owner, "grad_output", given)
    if np.shape(given) != shape:
        raise ValueError(f"{owner}: grad_output has shape {np.shape(given)}, but the loss has shape {shape}")
    return np.asarray(given, dtype)


def same_shape(owner: str, shape: Shape, target: Shape) -> None:
    """Input and target of an elementwise loss have one shape: NumPy and PyTorch would broadcast, and train on nonsense.

    A target without axes is allowed: one value for all outputs.
    """
    if target in (shape, ()):
        return
    same_size = math.prod(shape) == math.prod(target)
    fix = f"; use target.reshape{shape}" if same_size else ""
    raise ValueError(f"{owner}: input has shape {shape} but target has shape {target}; they must be equal{fix}")


def not_empty(owner: str, size: int, reduction: str) -> None:
    """The mean of nothing is 0/0."""
    if size == 0 and reduction in ("mean", "batchmean"):
        raise ValueError(f'{owner}: the mean over an empty batch is undefined; use reduction="sum" or leave it out')


def weight(owner: str, argument: str, given: npt.NDArray[Any] | None, shape: Shape, dtype: DType) -> None:
    """A weight broadcasts to the input's shape and never widens it."""
    if given is None:
        return
    float_array(owner, argument, given, dtype)
    try:
        fits = np.broadcast_shapes(given.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{owner}: {argument} of shape {given.shape} does not broadcast to the input's {shape}")


# Losses that take whole numbers (kind "i", "u") or truth values ("b") as targets, as they do in PyTorch.
WHOLE_TARGETS = {
    **dict.fromkeys(("MSELoss", "SmoothL1Loss", "HingeEmbeddingLoss", "PoissonNLLLoss", "CosineEmbeddingLoss"), "iub"),
    **dict.fromkeys(("L1Loss", "HalfSquaredError", "SoftMarginLoss", "MultiLabelSoftMarginLoss"), "iu"),
    **dict.fromkeys(("MarginRankingLoss", "GaussianNLLLoss"), "iu"),
}


def numbers(owner: str, target: Any, dtype: DType) -> npt.NDArray[Any]:
    """A target in the input's dtype: it is, or its whole numbers are taken."""
    array(owner, "target", target)
    if target.dtype.kind in WHOLE_TARGETS.get(owner, ""):
        return np.asarray(target, dtype)
    same_dtype(owner, "target", target.dtype, dtype)
    return np.asarray(target)


def own_loss(owner: str, like_input: bool, input: Any, *others: Any) -> None:
    """What a loss of the user's is given: what stands beside its input has the same dtype and shape, or no axes.

    NumPy and PyTorch would broadcast (N, 1) and (N,) to N² differences. A loss that wants another target says so by
    `target_like_input = False`, and checks it itself.
    """
    float_array(owner, "input", input)
    for other in others:
        if like_input and not isinstance(other, int | float):
            try:
                float_array(owner, "target", other, input.dtype)
                same_shape(owner, input.shape, other.shape)
            except TypeError as error:
                another = (
                    "a loss with another kind of target, as class indices, has target_like_input = False in its class"
                )
                raise TypeError(f"{error}; {another}") from None
        elif isinstance(other, np.ndarray):
            array(owner, "target", other)


def elementwise_loss(
    owner: str, input: npt.NDArray[Any], target: npt.NDArray[Any], reduction: str, **weights: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    """One value per element: float input, target of its dtype and shape, weights that fit. Returns the target."""
    float_array(owner, "input", input)
    target = numbers(owner, target, input.dtype)
    same_shape(owner, input.shape, target.shape)
    for name, given in weights.items():
        weight(owner, name, given, input.shape, input.dtype)
    not_empty(owner, input.size, reduction)
    return target


def probabilities(owner: str, **given: npt.NDArray[Any]) -> None:
    """Binary cross-entropy takes the logarithm of its input and of one minus it, and weighs them by its target.

    NaN is no probability, as in PyTorch.
    """
    for argument, values in given.items():
        outside = ~((values >= 0) & (values <= 1))
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            hint = " (for logits use BCEWithLogitsLoss)" if argument == "input" else ""
            raise ValueError(
                f"{owner}: {argument} must be probabilities in [0, 1]; got {values[index]} at index {index}{hint}"
            )


def class_loss(
    owner: str,
    input: npt.NDArray[Any],
    target: npt.NDArray[Any],
    reduction: str,
    weight: npt.NDArray[Any] | None,
    ignore_index: int | None,
    *,
    probability_targets: bool,
) -> bool:
    """Cross-entropy and NLL: scores (C,), (N, C) or (N, C, d1, ...); class indices () / (N,) / (N, d1, ...).

    Where `probability_targets` is allowed, a float target of the input's shape is taken as class probabilities.
    Returns whether a target may be the ignored index.
    """
    float_array(owner, "input", input)
    array(owner, "target", target)
    if input.ndim == 0:
        raise ValueError(f"{owner}: input must have a class axis, as in (C,) or (N, C, ...); got shape ()")
    classes = input.shape[min(1, input.ndim - 1)]
    if weight is not None:
        float_array(owner, "weight", weight, input.dtype)
        if weight.shape != (classes,):
            raise ValueError(f"{owner}: weight must have shape ({classes},), one per class; got {weight.shape}")
    if target.dtype.kind == "f" and probability_targets:
        same_dtype(owner, "target", target.dtype, input.dtype)
        if target.shape != input.shape:
            raise ValueError(
                f"{owner}: class probabilities must have the input's shape {input.shape}; got {target.shape} "
                "(class indices must be integers)"
            )
        if ignore_index is not None and ignore_index >= 0:
            raise ValueError(f"{owner}: ignore_index is not supported with class probabilities; got {ignore_index}")
        ignores = False
    else:
        ignores = class_indices(owner, input.shape, target, classes, ignore_index)
    not_empty(owner, target.size, reduction)
    return ignores


def multi_margin_loss(
    owner: str, input: npt.NDArray[Any], target: npt.NDArray[Any], reduction: str, weight: npt.NDArray[Any] | None
) -> None:
    """Scores (C,) or (N, C) and class indices () or (N,)."""
    rows_of_scores(owner, input)
    class_loss(owner, input, target, reduction, weight, None, probability_targets=False)
    filled_batch(owner, target.size, reduction)


def multi_label_margin_loss(owner: str, input: npt.NDArray[Any], target: npt.NDArray[Any], reduction: str) -> None:
    """Scores (C,) or (N, C) and as many class indices; -1 ends the list of a row."""
    rows_of_scores(owner, input)
    array(owner, "target", target)
    if target.dtype.kind not in "iu":
        raise TypeError(f"{owner}: class indices must be integers; got {target.dtype} (convert with .astype)")
    if target.shape != input.shape:
        raise ValueError(
            f"{owner}: input has shape {input.shape} but target has shape {target.shape}; they must be equal"
        )
    outside = (target < -1) | (target >= input.shape[-1])
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise IndexError(
            f"{owner}: class indices must be in 0..{input.shape[-1] - 1}, or -1 at the end; "
            f"got {target[index]} at index {index} of the target"
        )
    filled_batch(owner, target.size, reduction)


def rows_of_scores(owner: str, input: Any) -> None:
    """One row of class scores, or a batch of rows; at least one class."""
    float_array(owner, "input", input)
    if input.ndim not in (1, 2) or input.shape[-1] == 0:
        raise ValueError(f"{owner}: input must have shape (C,) or (N, C) with C >= 1; got {input.shape}")


def filled_batch(owner: str, size: int, reduction: str) -> None:
    """The mean of nothing is 0/0; for the margin losses PyTorch returns uninitialised memory for the sum too."""
    not_empty(owner, size, reduction)
    if size == 0 and reduction == "sum":
        raise ValueError(f"{owner}: the sum over an empty batch is undefined in PyTorch; leave the batch out")


def has_axes(owner: str, shape: Shape) -> None:
    """A loss with one value per sample needs an axis to sum over."""
    if not shape:
        raise ValueError(f"{owner}: input must have at least one axis, as in (N, C); got shape ()")


def pair(owner: str, input1: Any, input2: Any) -> None:
    """Two inputs of one dtype and shape."""
    float_array(owner, "input1", input1)
    float_array(owner, "input2", input2, input1.dtype)
    if input1.shape != input2.shape:
        raise ValueError(
            f"{owner}: input1 has shape {input1.shape} but input2 has shape {input2.shape}; they must be equal"
        )


def cosine_loss(owner: str, input1: Any, input2: Any, target: Any, reduction: str) -> npt.NDArray[Any]:
    """Vectors (D,) with a target (), or rows (N, D) with a target (N,). Returns the target."""
    pair(owner, input1, input2)
    taken = numbers(owner, target, input1.dtype)
    if input1.ndim not in (1, 2):
        raise ValueError(f"{owner}: inputs must have shape (D,) or (N, D); got {input1.shape}")
    if taken.shape != input1.shape[:-1]:
        raise ValueError(
            f"{owner}: inputs of shape {input1.shape} need a target of shape {input1.shape[:-1]}; got {taken.shape}"
        )
    not_empty(owner, taken.size, reduction)
    return taken


def gaussian_nll_loss(owner: str, input: Any, target: Any, var: Any, reduction: str) -> npt.NDArray[Any]:
    """A variance for every element, every row, along one axis of length 1, or for all; never negative.

    Returns the target.
    """
    taken = elementwise_loss(owner, input, target, reduction)
    if isinstance(var, int | float | np.number):
        number(owner, "var", var, 0.0)
        return taken
    float_array(owner, "var", var, input.dtype)
    shape = input.shape
    ones = var.ndim == len(shape) and [v for v, n in zip(var.shape, shape, strict=True) if v != n] == [1]
    if var.shape not in (shape, shape[:-1], ()) and not ones:
        raise ValueError(
            f"{owner}: var must have the input's shape {shape}, that without its last axis, with one axis of length 1, "
            f"or (); got {var.shape}"
        )
    if (var < 0).any():
        index = tuple(int(i) for i in np.argwhere(var < 0)[0])
        raise ValueError(f"{owner}: var must be >= 0; got {var[index]} at index {index}")
    return taken


def one_input(owner: str, loss: str, pair: bool) -> None:
    """A training step has an output and a target to give to its loss."""
    if pair:
        raise ValueError(f"{owner}: {loss} takes three arrays, but a step has only an output and a target")


# The range of every loss option that is a number; (-inf, inf) stands for any.
LOSS_RANGES = {
    "beta": (0.0, math.inf),
    "delta": (0.0, math.inf),
    "eps": (0.0, math.inf),
    "margin": (-math.inf, math.inf),
    "label_smoothing": (0.0, math.inf),
}


BY_CLASS = ("CrossEntropyLoss", "MultiMarginLoss", "NLLLoss")


def loss_options(owner: str, **options: Any) -> None:
    """Types and ranges of a loss's options, apart from its reduction."""
    for name, given in options.items():
        if name in LOSS_RANGES:
            number(owner, name, given, *LOSS_RANGES[name])
            single(owner, name, given)
        elif name in ("weight", "pos_weight"):
            if given is not None:
                float_array(owner, name, given)
                if owner in BY_CLASS and given.ndim != 1:
                    raise ValueError(f"{owner}: weight must have one axis, an entry per class; got shape {given.shape}")
        elif name == "ignore_index":
            count(owner, name, given, low=-(2**63), below=2**63)
        elif name in ("full", "log_input", "log_target"):
            truth(owner, name, given)
        elif name == "p":
            number(owner, name, given)
            if given not in (1, 2):
                raise ValueError(f"{owner}: p must be 1 or 2; got {shown(given)}")
    if options.get("delta") == 0:
        raise ValueError(f"{owner}: delta must be > 0; got {shown(options['delta'])}")
    if (smoothing := options.get("label_smoothing", 0.0)) > 1:
        raise ValueError(f"{owner}: label_smoothing must be in [0, 1]; got {shown(smoothing)}")


def loss_attribute(owner: str, name: str, given: Any, reductions: Iterable[str]) -> None:
    """An option of a built-in loss that is written after the loss is made."""
    if name == "reduction":
        choice(owner, name, given, reductions)
    else:
        loss_options(owner, **{name: given})


def class_indices(owner: str, shape: Shape, target: npt.NDArray[Any], classes: int, ignore_index: int | None) -> bool:
    """Integer targets of the input's shape without its class axis, each in 0..classes-1 or `ignore_index`, if any.

    Returns whether one may be the ignored index.
    """
    if target.dtype.kind not in "iu":
        raise TypeError(f"{owner}: class indices must be integers; got {target.dtype} (convert with .astype)")
    expected = shape[:1] + shape[2:] if len(shape) > 1 else ()
    if target.shape != expected:
        same_size = math.prod(target.shape) == math.prod(expected)
        fix = f"; use target.reshape{expected}" if same_size else ""
        raise ValueError(
            f"{owner}: input of shape {shape} needs class indices of shape {expected}; got shape {target.shape}{fix}"
        )
    # A negative number read as unsigned is huge: one look at the largest accepts the usual batch.
    if target.dtype.isnative and target.view(f"u{target.itemsize}").max(initial=0) < classes:
        return ignore_index in range(classes)
    outside = (target < 0) | (target >= classes)
    if ignore_index is not None:
        outside &= target != ignore_index
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise IndexError(
            f"{owner}: class indices must be in 0..{classes - 1}; got {target[index]} at index {index} of the target"
        )
    return ignore_index is not None
