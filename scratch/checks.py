"""Refusals: every error about bad input in one place, so that both sides say the same words.

This file stands in `scratch/` and in `torch_impl/`, byte for byte the same, because neither side may import the other;
a test keeps the two copies equal. Each function returns None or raises one error that says what was wrong, what was
given and what is allowed. None of them changes anything, and callers call them before they change anything.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int, ...]
DType = np.dtype[Any]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def choice(owner: str, argument: str, given: Any, allowed: Iterable[str]) -> None:
    """`given` must be one of `allowed`; a ValueError names the nearest one."""
    names = list(allowed)
    if given in names:
        return
    near = difflib.get_close_matches(str(given), names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"{owner}: {argument} must be one of {', '.join(names)}; got {given!r}{hint}")


def number(owner: str, argument: str, given: Any, low: float = -math.inf, below: float = math.inf) -> None:
    """`given` must be a real number with low <= given < below; NaN never is."""
    if isinstance(given, bool | str) or not isinstance(given, int | float | np.floating | np.integer):
        raise TypeError(f"{owner}: {argument} must be a number; got {given!r}")
    if not (low <= given < below and math.isfinite(given)):
        ends = [f">= {low:g}"] * (low > -math.inf) + [f"< {below:g}"] * (below < math.inf)
        bound = f" {' and '.join(ends) or 'a finite number'}"
        raise ValueError(f"{owner}: {argument} must be{bound}; got {given!r}")


def count(owner: str, argument: str, given: Any, low: int = 0) -> None:
    """`given` must be a whole number >= low."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer):
        raise TypeError(f"{owner}: {argument} must be a whole number; got {given!r}")
    if given < low:
        raise ValueError(f"{owner}: {argument} must be >= {low}; got {given}")


def float_dtype(owner: str, given: Any) -> None:
    """A model's dtype: float32 or float64."""
    try:
        dtype: Any = np.dtype(given)
    except TypeError:
        dtype = repr(given)
    if dtype not in FLOATS:
        raise TypeError(f"{owner}: dtype must be float32 or float64; got {dtype}")


def float_array(owner: str, argument: str, given: Any, dtype: DType | None = None) -> None:
    """`given` must be a NumPy array of float32 or float64, and of `dtype` where the parameters fix one."""
    if not isinstance(given, np.ndarray):
        raise TypeError(f"{owner}: {argument} must be a NumPy array; got {type(given).__name__}")
    same_dtype(owner, argument, given.dtype, dtype)


def same_dtype(owner: str, argument: str, given: DType, dtype: DType | None) -> None:
    """Nothing is converted silently: a float64 input of a float32 layer is refused, and so are integers."""
    if given != dtype if dtype is not None else given not in FLOATS:
        allowed = "float32 or float64" if dtype is None else dtype
        raise TypeError(f"{owner}: {argument} must be {allowed}; got {given} (convert with .astype)")


def features(owner: str, shape: Shape, in_features: int) -> None:
    """The last axis of a layer's input must have as many entries as the layer has input features."""
    if not shape or shape[-1] != in_features:
        last = f"{shape[-1]} features" if shape else "no axis"
        raise ValueError(f"{owner}: input of shape {shape} has {last}, but in_features={in_features}")


def axis(owner: str, shape: Shape, dim: int) -> None:
    """`dim` must be an axis of the input."""
    if not -len(shape) <= dim < len(shape):
        raise IndexError(f"{owner}: dim={dim} is no axis of an input of shape {shape}")


def channels(owner: str, shape: Shape, num_parameters: int) -> None:
    """One learned slope for all, or one per entry of the input's second axis."""
    found = shape[1] if len(shape) > 1 else 1
    if num_parameters not in (1, found):
        raise ValueError(
            f"{owner}: num_parameters={num_parameters}, but an input of shape {shape} has channels={found} (its second "
            "axis, 1 if there is none)"
        )


def halves(owner: str, shape: Shape, dim: int) -> None:
    """`dim` is an axis of the input and has an even size: it is cut in two."""
    axis(owner, shape, dim)
    if shape[dim] % 2:
        raise ValueError(f"{owner}: the size of dim={dim} must be even to be halved; the input has shape {shape}")


def same_branches(owner: str, shapes: list[Shape]) -> None:
    """Outputs that are summed have one shape."""
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"{owner}: the branches' outputs must have one shape to be summed; got {shapes}")


def not_before_forward(owner: str, remembered: Any) -> None:
    if remembered is None:
        raise RuntimeError(f"{owner}: backward() was called before forward()")


def grad_output(owner: str, given: Any, shape: Shape, dtype: DType) -> None:
    """The upstream gradient has the shape and dtype of the output it belongs to."""
    float_array(owner, "grad_output", given, dtype)
    given_shape = given.shape
    if given_shape != shape:
        raise ValueError(f"{owner}: grad_output has shape {given_shape}, but the output has shape {shape}")


def loss_grad_output(owner: str, given: Any, shape: Shape, reduction: str) -> None:
    """The upstream gradient of a loss: one value per loss value; None stands for 1 where there is only one."""
    if given is None:
        if reduction == "none":
            raise ValueError(f'{owner}: with reduction="none" backward() needs grad_output of shape {shape}')
    elif np.shape(given) != shape:
        raise ValueError(f"{owner}: grad_output has shape {np.shape(given)}, but the loss has shape {shape}")


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


def elementwise_loss(
    owner: str, input: npt.NDArray[Any], target: npt.NDArray[Any], reduction: str, **weights: npt.NDArray[Any] | None
) -> None:
    """One value per element: float input, target of the same dtype and shape, weights that fit."""
    float_array(owner, "input", input)
    float_array(owner, "target", target, input.dtype)
    same_shape(owner, input.shape, target.shape)
    for name, given in weights.items():
        weight(owner, name, given, input.shape, input.dtype)
    not_empty(owner, input.size, reduction)


def probabilities(owner: str, **given: npt.NDArray[Any]) -> None:
    """Binary cross-entropy takes the logarithm of its input and of one minus it, and weighs them by its target.

    NaN is no probability, as in PyTorch.
    """
    for argument, array in given.items():
        outside = ~((array >= 0) & (array <= 1))
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            hint = " (for logits use BCEWithLogitsLoss)" if argument == "input" else ""
            raise ValueError(
                f"{owner}: {argument} must be probabilities in [0, 1]; got {array[index]} at index {index}{hint}"
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
) -> None:
    """Cross-entropy and NLL: scores (C,), (N, C) or (N, C, d1, ...); class indices () / (N,) / (N, d1, ...).

    Where `probability_targets` is allowed, a float target of the input's shape is taken as class probabilities.
    """
    float_array(owner, "input", input)
    if not isinstance(target, np.ndarray):
        raise TypeError(f"{owner}: target must be a NumPy array; got {type(target).__name__}")
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
    else:
        class_indices(owner, input.shape, target, classes, ignore_index)
    not_empty(owner, target.size, reduction)


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
    if not isinstance(target, np.ndarray):
        raise TypeError(f"{owner}: target must be a NumPy array; got {type(target).__name__}")
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


def cosine_loss(owner: str, input1: Any, input2: Any, target: Any, reduction: str) -> None:
    """Vectors (D,) with a target (), or rows (N, D) with a target (N,)."""
    pair(owner, input1, input2)
    float_array(owner, "target", target, input1.dtype)
    if input1.ndim not in (1, 2):
        raise ValueError(f"{owner}: inputs must have shape (D,) or (N, D); got {input1.shape}")
    if target.shape != input1.shape[:-1]:
        raise ValueError(
            f"{owner}: inputs of shape {input1.shape} need a target of shape {input1.shape[:-1]}; got {target.shape}"
        )
    not_empty(owner, target.size, reduction)


def gaussian_nll_loss(owner: str, input: Any, target: Any, var: Any, reduction: str) -> None:
    """A variance for every element, for every row, along one axis of length 1, or one for all; never negative."""
    elementwise_loss(owner, input, target, reduction)
    if isinstance(var, int | float):
        number(owner, "var", var, 0.0)
        return
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


def loss_options(owner: str, **options: Any) -> None:
    """Types and ranges of a loss's options, apart from its reduction."""
    for name, given in options.items():
        if name in LOSS_RANGES:
            number(owner, name, given, *LOSS_RANGES[name])
        elif name in ("weight", "pos_weight"):
            if given is not None:
                float_array(owner, name, given)
        elif name == "ignore_index":
            count(owner, name, given, low=-(2**63))
        elif name in ("full", "log_input", "log_target") and not isinstance(given, bool):
            raise TypeError(f"{owner}: {name} must be True or False; got {given!r}")
        elif name == "p" and (isinstance(given, bool) or given not in (1, 2)):
            raise ValueError(f"{owner}: p must be 1 or 2; got {given!r}")
    if options.get("delta") == 0:
        raise ValueError(f"{owner}: delta must be > 0; got {options['delta']!r}")
    if (smoothing := options.get("label_smoothing", 0.0)) > 1:
        raise ValueError(f"{owner}: label_smoothing must be in [0, 1]; got {smoothing!r}")


def class_indices(owner: str, shape: Shape, target: npt.NDArray[Any], classes: int, ignore_index: int | None) -> None:
    """Integer targets of the input's shape without its class axis, each in 0..classes-1 or `ignore_index`, if any."""
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
    if target.view(f"u{target.itemsize}").max(initial=0) < classes:
        return
    outside = (target < 0) | (target >= classes)
    if ignore_index is not None:
        outside &= target != ignore_index
    if outside.any():
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        raise IndexError(
            f"{owner}: class indices must be in 0..{classes - 1}; got {target[index]} at index {index} of the target"
        )


def state_dict(
    owner: str, expected: Mapping[str, tuple[Shape, DType]], given: Mapping[str, Any], what: str = "parameter"
) -> None:
    """A state dict has exactly the expected names, shapes and dtypes; all that is wrong is said at once."""
    if wrong := misfits(expected, given):
        raise ValueError(f"{owner}: state dict does not fit, no {what} was changed: {wrong}")


def vector(owner: str, expected: Mapping[str, tuple[Shape, DType]], given: Any) -> None:
    """A direction in parameter space: under every parameter's name an array of its shape and dtype."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{owner}: vector must be a dict of arrays by parameter name; got {type(given).__name__}")
    if wrong := misfits(expected, given):
        raise ValueError(f"{owner}: vector does not fit the parameters: {wrong}")


def misfits(expected: Mapping[str, tuple[Shape, DType]], given: Mapping[str, Any]) -> str:
    """What is wrong with named arrays, all at once; empty if nothing is."""
    wrong = [f"missing {name}" for name in expected if name not in given]
    wrong += [f"unexpected {name}" for name in given if name not in expected]
    for name, (shape, dtype) in expected.items():
        if name not in given:
            continue
        array = given[name]
        if not isinstance(array, np.ndarray):
            wrong.append(f"{name} must be a NumPy array, got {type(array).__name__}")
        elif array.shape != shape:
            transposed = " (its transpose fits: use .T)" if array.T.shape == shape else ""
            wrong.append(f"{name} has shape {array.shape}, expected {shape}{transposed}")
        elif array.dtype != dtype:
            wrong.append(f"{name} is {array.dtype}, expected {dtype} (convert with .astype)")
    return "; ".join(wrong)


def layer_sizes(owner: str, sizes: object) -> None:
    """An MLP's sizes: inputs, hidden widths, outputs."""
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise TypeError(f"{owner}: sizes must be a sequence of whole numbers, as in (64, 32, 10); got {sizes!r}")
    listed = list(sizes)
    if len(listed) < 2:
        raise ValueError(f"{owner}: sizes must name at least inputs and outputs, as in (2, 1); got {listed}")
    for size in listed:
        count(owner, "sizes", size)


ACTIVATION_OPTIONS = (
    *("alpha", "approximate", "beta", "dim", "init", "inplace", "lambd", "lower", "max_val", "max_value"),
    *("min_val", "min_value", "negative_slope", "num_parameters", "threshold", "upper", "value"),
)


def activation(owner: str, options: Mapping[str, Any]) -> None:
    """The options of an activation: each on its own, then those that must fit together."""
    for name, given in options.items():
        if name == "dim":
            count(owner, name, given, low=-64)
        elif name == "num_parameters":
            count(owner, name, given, low=1)
        elif name == "approximate":
            choice(owner, name, given, ("none", "tanh"))
        elif name in ("inplace", "min_value", "max_value"):  # the caller's input stays as it is; deprecated names
            if given is not None and given is not False:
                raise TypeError(f"{owner}: {name} is not supported; got {name}={given!r}")
        else:
            number(owner, name, given, 0.0 if (owner, name) == ("Softshrink", "lambd") else -math.inf)
            if given == 0 and (owner, name) in (("CELU", "alpha"), ("Softplus", "beta")):
                raise ValueError(f"{owner}: {name} must not be 0, it divides")
    if "min_val" in options and not options["min_val"] < options["max_val"]:
        raise ValueError(
            f"{owner}: min_val must be < max_val; got min_val={options['min_val']!r}, max_val={options['max_val']!r}"
        )
    if "lower" in options and not options["lower"] <= options["upper"]:
        raise ValueError(f"{owner}: lower must be <= upper; got lower={options['lower']!r}, upper={options['upper']!r}")


def parameters(owner: str, given: Iterable[object], kind: type) -> None:
    """An optimizer steps Parameters."""
    for entry in given:
        if not isinstance(entry, kind):
            raise TypeError(f"{owner}: params must hold {kind.__name__} objects; got {type(entry).__name__}")


def gradient(owner: str, given: Any, shape: Shape, dtype: DType) -> None:
    """A gradient has its parameter's shape and dtype."""
    float_array(owner, "gradient", given, dtype)
    if given.shape != shape:
        raise ValueError(f"{owner}: gradient has shape {given.shape}, but its parameter has shape {shape}")


def distinct(owner: str, objects: Iterable[object], what: str) -> None:
    """No object twice (one memory would serve two places, one parameter would be stepped twice), and at least one."""
    listed = list(objects)
    if not listed:
        raise ValueError(f"{owner}: got no {what}")
    if len({id(entry) for entry in listed}) != len(listed):
        raise ValueError(f"{owner}: the same {what} was given twice")


def supported(owner: str, given: object, known: Iterable[type]) -> None:
    """`given` must be exactly of one of these classes: what a subclass computes is not known."""
    kinds = list(known)
    if type(given) not in kinds:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(f"{owner} is not written for {type(given).__name__}; it knows {names}")
