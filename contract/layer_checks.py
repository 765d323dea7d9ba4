"""Refusals of layers: of their options when they are made, of their inputs when they are called."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from contract.checks import ACTIVATION_OPTIONS, DType, Shape, activation, array, count, number, same_dtype, shown, truth


def probability(owner: str, argument: str, given: Any) -> None:
    """A number in [0, 1]."""
    number(owner, argument, given)
    if not 0 <= given <= 1:
        raise ValueError(f"{owner}: {argument} must be a probability in [0, 1]; got {shown(given)}")


def shape_of(owner: str, argument: str, given: Any) -> None:
    """A whole number, or a tuple or list of at least one, each >= 1."""
    sizes = given if isinstance(given, tuple | list) else (given,)
    if not sizes:
        raise ValueError(f"{owner}: {argument} must have at least one axis; got {shown(given)}")
    for size in sizes:
        count(owner, argument, size, 1)


def optional(owner: str, argument: str, given: Any) -> None:
    """A number, or None."""
    if given is not None:
        number(owner, argument, given)


def epsilon(owner: str, argument: str, given: Any) -> None:
    """A number; None, the dtype's own, for RMSNorm alone."""
    if owner != "RMSNorm" or given is not None:
        number(owner, argument, given)


# What the options of layers must be.
LAYER_OPTIONS: dict[str, Callable[[str, str, Any], None]] = {
    "p": probability,
    "start_dim": lambda owner, name, given: count(owner, name, given, -64),
    "end_dim": lambda owner, name, given: count(owner, name, given, -64),
    "in1_features": lambda owner, name, given: count(owner, name, given, 1),
    "in2_features": lambda owner, name, given: count(owner, name, given, 1),
    "in_features": count,
    "out_features": count,
    **dict.fromkeys(("num_features", "num_groups", "num_channels"), lambda o, name, given: count(o, name, given, 1)),
    **dict.fromkeys(("affine", "elementwise_affine", "track_running_stats", "bias"), truth),
    "eps": epsilon,
    "momentum": optional,
    "normalized_shape": shape_of,
    "num_embeddings": count,
    "embedding_dim": count,
    "scale_grad_by_freq": truth,
    "sparse": truth,
}


def layer(owner: str, options: Mapping[str, Any]) -> None:
    """The options of a layer: each on its own, then those that depend on another."""
    for name, given in options.items():
        if name in LAYER_OPTIONS:
            LAYER_OPTIONS[name](owner, name, given)
    if options.get("sparse") and options["scale_grad_by_freq"]:
        raise ValueError(f"{owner}: scale_grad_by_freq does not go with sparse")
    if (padding := options.get("padding_idx")) is not None:
        rows = int(options["num_embeddings"])
        count(owner, "padding_idx", padding, -rows)
        if padding >= rows:
            raise ValueError(f"{owner}: padding_idx must be < num_embeddings={rows}; got {padding}")

    if "num_groups" in options and options["num_channels"] % options["num_groups"]:
        raise ValueError(
            f"{owner}: num_channels={options['num_channels']} must be divisible by num_groups={options['num_groups']}"
        )


def as_shape(given: int | Sequence[int]) -> Shape:
    """3 → (3,)."""
    return (int(given),) if isinstance(given, int | np.integer) else tuple(int(size) for size in given)


def last_axes(owner: str, shape: Shape, normalized_shape: Shape) -> None:
    """The input ends in the axes that are normalized together."""
    if shape[max(len(shape) - len(normalized_shape), 0) :] != normalized_shape:
        raise ValueError(f"{owner}: the last axes of the input must be {normalized_shape}; got shape {shape}")


def channel_axis(owner: str, shape: Shape, channels: int, argument: str) -> None:
    if shape[1] != channels:
        raise ValueError(f"{owner}: the second axis of the input must be {argument}={channels}; got shape {shape}")


def batch_norm(owner: str, shape: Shape, num_features: int, by_batch: bool, eps: float) -> None:
    """(N, C) or (N, C, L). Where the batch gives mean and variance: more than one number per channel, and ε > 0."""
    if len(shape) not in (2, 3):
        raise ValueError(f"{owner}: input must have shape (N, C) or (N, C, L); got {shape}")
    channel_axis(owner, shape, num_features, "num_features")
    if by_batch and math.prod(shape) == num_features:
        raise ValueError(f"{owner}: more than one number per channel is needed to normalize a batch by; got {shape}")
    if by_batch and eps <= 0:
        raise ValueError(f"{owner}: eps must be > 0 to normalize a batch by; got {eps!r}")


def group_norm(owner: str, shape: Shape, num_groups: int, num_channels: int) -> None:
    """(N, C, …), and not a single number in each of a single sample's groups."""
    if len(shape) < 2:
        raise ValueError(f"{owner}: input must have shape (N, C, ...); got {shape}")
    channel_axis(owner, shape, num_channels, "num_channels")
    if math.prod(shape) == num_groups:
        raise ValueError(f"{owner}: more than one number in all of a group is needed to normalize by; got {shape}")


def flattened(owner: str, shape: Shape, start_dim: int, end_dim: int) -> None:
    """Both ends are axes of the input, in order; a number without axes counts as having one."""
    axes = max(len(shape), 1)
    for name, dim in (("start_dim", start_dim), ("end_dim", end_dim)):
        if not -axes <= dim < axes:
            raise IndexError(f"{owner}: {name}={dim} is no axis of an input of shape {shape}")
    if start_dim % axes > end_dim % axes:
        raise ValueError(f"{owner}: start_dim={start_dim} comes after end_dim={end_dim} in an input of shape {shape}")


def indices(owner: str, given: Any, rows: int) -> None:
    """An array of whole numbers in 0..rows-1, each the row to look up."""
    index_type(owner, given)
    if not given.size or (given.min() >= 0 and given.max() < rows):
        return
    index = tuple(int(i) for i in np.argwhere((given < 0) | (given >= rows))[0])
    raise IndexError(f"{owner}: indices must be in 0..{rows - 1}; got {given[index]} at index {index} of the input")


def index_type(owner: str, given: Any) -> None:
    array(owner, "input", given)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{owner}: input must be integers, which row to look up; got {given.dtype} (use .astype)")


def two_inputs(owner: str, shape1: Shape, shape2: Shape, in1_features: int, in2_features: int) -> None:
    """Two inputs with equal leading axes; the last has as many entries as the layer has features of that input."""
    for number_, shape, features in ((1, shape1, in1_features), (2, shape2, in2_features)):
        if not shape or shape[-1] != features:
            last = f"{shape[-1]} features" if shape else "no axis"
            raise ValueError(
                f"{owner}: input{number_} of shape {shape} has {last}, but in{number_}_features={features}"
            )
    if shape1[:-1] != shape2[:-1]:
        raise ValueError(
            f"{owner}: input1 has shape {shape1} but input2 has shape {shape2}; all axes but the last must be equal"
        )


def residual(owner: str, shape: Shape, dtype: DType, output_shape: Shape, output_dtype: DType) -> None:
    """x + f(x) needs two arrays of one kind: NumPy and PyTorch would broadcast."""
    same_dtype(owner, "input", dtype, output_dtype)
    if shape != output_shape:
        raise ValueError(f"{owner}: the input's shape {shape} and f's output shape {output_shape} must be equal")


# What is written to a module after it is made -------------------------------------------------------------------------

BUILT_BY = (
    *("in_features", "out_features", "in1_features", "in2_features", "num_features", "num_channels"),
    *("normalized_shape", "num_embeddings", "embedding_dim", "num_parameters", "affine", "elementwise_affine"),
    *("track_running_stats", "sparse", "init", "modules"),
)
"""Options that a layer's arrays are made by: one written later would change nothing, or not what it says."""

SHAPES: dict[str, Callable[[Any], dict[str, Shape]]] = {
    "Linear": lambda layer: {"weight": (layer.out_features, layer.in_features), "bias": (layer.out_features,)},
    "Bilinear": lambda layer: {
        "weight": (layer.out_features, layer.in1_features, layer.in2_features),
        "bias": (layer.out_features,),
    },
    "Embedding": lambda layer: {"weight": (layer.num_embeddings, layer.embedding_dim)},
    "PReLU": lambda layer: {"weight": (layer.num_parameters,)},
    "BatchNorm1d": lambda layer: dict.fromkeys(("weight", "bias"), (layer.num_features,)),
    "GroupNorm": lambda layer: dict.fromkeys(("weight", "bias"), (layer.num_channels,)),
    "LayerNorm": lambda layer: dict.fromkeys(("weight", "bias"), tuple(layer.normalized_shape)),
    "RMSNorm": lambda layer: {"weight": tuple(layer.normalized_shape)},
}
"""The shapes of the parameters of the layers that have any."""


def attribute(owner: str, name: str, given: Any, kind: str | None, held: str | None) -> None:
    """A parameter, a buffer or a module is replaced by its like or by None, as in PyTorch.

    `kind` is what is given, `held` what stands there: "Parameter", "Buffer", "Module", or None for anything else.
    """
    if held is None or given is None or kind in (held, "Parameter") or (held, kind) == ("Buffer", "Module"):
        return
    raise TypeError(f"{owner}: {name} must be a {held} or None; got {getattr(given, 'name', type(given).__name__)}")


def layer_attribute(made: Any, name: str, given: Any, kind: str | None, dtype: DType | None) -> None:
    """Of a built-in layer: a parameter has the shape and dtype that the layer is made for, an option is one."""
    owner = type(made).__name__
    present, others = getattr(made, name, None), tuple[str, ...]()
    if name in BUILT_BY and given != present:
        raise AttributeError(f"{owner}: {name} cannot be changed, the layer was made by it; got {given!r}")
    if owner in SHAPES and name in ("weight", "bias"):
        shapes, may_miss = SHAPES[owner](made), name == "bias" or "Norm" in owner
        if given is None and may_miss:
            return
        if kind != "Parameter":
            allowed = "a Parameter or None" if may_miss else "a Parameter"
            raise TypeError(f"{owner}: {name} must be {allowed}; got {type(given).__name__}")
        if name not in shapes or getattr(made, "sparse", False):
            raise AttributeError(f"{owner}: {name} cannot be changed, the layer was made by it")
        if tuple(given.shape) != shapes[name]:
            raise ValueError(f"{owner}: {name} must have shape {shapes[name]}; got {tuple(given.shape)}")
        same_dtype(owner, name, given.data.dtype, dtype)
    elif name in ACTIVATION_OPTIONS:
        pairs = [("min_val", "max_val"), ("lower", "upper")]
        others = next((pair for pair in pairs if name in pair), ())
        activation(owner, {**{other: getattr(made, other) for other in others}, name: given})
    elif name in ("scale_grad_by_freq", "padding_idx"):
        others = ("scale_grad_by_freq", "sparse", "num_embeddings")
        layer(owner, {**{other: getattr(made, other) for other in others}, name: given})
    elif name == "num_groups":
        layer(owner, {"num_groups": given, "num_channels": made.num_channels})
    elif name in LAYER_OPTIONS:
        LAYER_OPTIONS[name](owner, name, given)
