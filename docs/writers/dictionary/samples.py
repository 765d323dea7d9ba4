"""How each op is called to be measured and drawn: a new op is a new row here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "wide": "numbers between −12 and 12 and of every size from 1e-6 to 1e3",
    "real": "standard normal numbers",
    "moderate": "normal numbers of standard deviation 3",
    "probability": "numbers between 0 and 1",
    "positive": "numbers between 0.05 and 4",
    "log probability": "logarithms of softmax rows",
    "count": "whole numbers from 0 to 9",
    "binary": "zeros and ones",
    "sign": "1 and −1",
    "row sign": "1 and −1, one for each row",
    "class": "class numbers, one for each row",
    "labels": "rows of class numbers, ended by −1",
    "index": "whole numbers from 0 to 6",
}
"""What arrays are drawn from, in words."""


@dataclass(frozen=True)
class Sample:
    """Arguments of the constructor, what the arrays are drawn from, and what is special about the op.

    `row` is one input with None in the place of the x of the picture, drawn over `span`; `target` and what follows it
    in `inputs` are constants there. `points` are places, kinks above all, where the value and the derivative are
    tabulated besides 0, ∞ and NaN; of a loss they are pairs of input and target.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ("real",)
    shape: tuple[int, ...] = (64, 8)
    row: tuple[float | None, ...] = ()
    constants: tuple[Any, ...] = ()
    span: tuple[float, float] = (-4.0, 4.0)
    points: tuple[Any, ...] = ()


def _curve(*points: float, span: tuple[float, float] = (-4.0, 4.0), **arguments: Any) -> Sample:
    return Sample(arguments, ("wide",), (256, 64), (None,), span=span, points=points)


def _across(*row: float | None, width: int = 8, **arguments: Any) -> Sample:
    """One number of a row is varied, the others stay."""
    return Sample(arguments, ("moderate",), (256, width), row)


def _loss(
    *inputs: str,
    row: tuple[float | None, ...] = (None,),
    constants: tuple[Any, ...] = (0.0,),
    points: tuple[tuple[float, ...], ...] = (),
    span: tuple[float, float] = (-3.0, 3.0),
    **arguments: Any,
) -> Sample:
    return Sample(arguments, inputs, (64, 8), row, constants, span, points)


def _optimizer(lr: float, **arguments: Any) -> Sample:
    return Sample({"lr": lr, **arguments})


SEVEN = (None, 0.0, 1.0, -1.0, 0.5, 2.0, -0.5, -2.0)
"""One number to vary among seven."""

SAMPLES: dict[str, Sample] = {
    # activations: the kinks
    "CELU": _curve(),
    "ELU": _curve(),
    "GELU": _curve(),
    "GLU": _across(1.0, None),
    "Hardshrink": _curve(-0.5, 0.5, span=(-2.0, 2.0)),
    "Hardsigmoid": _curve(-3.0, 3.0, span=(-5.0, 5.0)),
    "Hardswish": _curve(-3.0, 3.0, span=(-5.0, 5.0)),
    "Hardtanh": _curve(-1.0, 1.0, span=(-3.0, 3.0)),
    "Identity": _curve(),
    "LeakyReLU": _curve(0.0),
    "LogSigmoid": _curve(),
    "LogSoftmax": _across(None, 0.0, 1.0, dim=-1),
    "Mish": _curve(),
    "PReLU": _curve(0.0),
    "RReLU": _curve(0.0),
    "ReLU": _curve(0.0),
    "ReLU6": _curve(0.0, 6.0, span=(-2.0, 8.0)),
    "SELU": _curve(0.0),
    "SiLU": _curve(span=(-6.0, 6.0)),
    "Sigmoid": _curve(span=(-6.0, 6.0)),
    "Softmax": _across(None, 0.0, 1.0, dim=-1),
    "Softmin": _across(None, 0.0, 1.0, dim=-1),
    "Softplus": _curve(20.0),
    "Softshrink": _curve(-0.5, 0.5, span=(-2.0, 2.0)),
    "Softsign": _curve(),
    "Tanh": _curve(),
    "Tanhshrink": _curve(),
    "Threshold": _curve(1.0, threshold=1.0, value=0.5),
    # layers
    "AlphaDropout": Sample(),
    "BatchNorm1d": Sample({"num_features": 8}),
    "Bilinear": Sample({"in1_features": 8, "in2_features": 8, "out_features": 4}, ("real", "real")),
    "Dropout": Sample(),
    "Embedding": Sample({"num_embeddings": 7, "embedding_dim": 4}, ("index",)),
    "Flatten": Sample(shape=(16, 4, 8)),
    "GroupNorm": Sample({"num_groups": 2, "num_channels": 8}, row=SEVEN),
    "LayerNorm": Sample({"normalized_shape": 8}, row=SEVEN),
    "Linear": Sample({"in_features": 8, "out_features": 16}),
    "RMSNorm": Sample({"normalized_shape": 8}, row=SEVEN),
    # losses: values of input and target where something happens
    "BCELoss": _loss(
        "probability", "probability", constants=(1.0,), points=((0.0, 1.0), (0.0, 0.0), (1.0, 1.0)), span=(0.01, 1.0)
    ),
    "BCEWithLogitsLoss": _loss("moderate", "probability", constants=(1.0,), points=((-200.0, 1.0), (200.0, 1.0))),
    "CosineEmbeddingLoss": _loss("real", "real", "row sign", row=(None, 1.0), constants=((1.0, 0.0), 1)),
    "CrossEntropyLoss": _loss("moderate", "class", row=(None, 0.0, 1.0), constants=(0,)),
    "GaussianNLLLoss": _loss("real", "real", "positive", constants=(0.0, 0.5)),
    "HalfSquaredError": _loss("real", "real", points=((0.0, 0.0),)),
    "HingeEmbeddingLoss": _loss("real", "sign", constants=(-1.0,), points=((1.0, -1.0),)),
    "HuberLoss": _loss("real", "real", points=((-1.0, 0.0), (0.0, 0.0), (1.0, 0.0))),
    "KLDivLoss": _loss(
        "log probability",
        "probability",
        constants=(0.5,),
        points=((0.0, 0.0), (-1.0, 0.0)),
        span=(-4.0, 0.0),
        reduction="batchmean",
    ),
    "L1Loss": _loss("real", "real", points=((0.0, 0.0),)),
    "MSELoss": _loss("real", "real", points=((0.0, 0.0),)),
    "MarginRankingLoss": _loss("real", "real", "sign", constants=(0.0, 1.0)),
    "MultiLabelMarginLoss": _loss("real", "labels", row=(None, 0.0, 1.0), constants=((0, -1, -1),)),
    "MultiLabelSoftMarginLoss": _loss("moderate", "binary", row=(None, 0.0, 1.0), constants=((1.0, 0.0, 0.0),)),
    "MultiMarginLoss": _loss("real", "class", row=(None, 0.0, 1.0), constants=(0,)),
    "NLLLoss": _loss("log probability", "class", row=(None, -1.0, -2.0), constants=(0,), span=(-4.0, 0.0)),
    "PoissonNLLLoss": _loss("real", "count", constants=(2.0,)),
    "SmoothL1Loss": _loss("real", "real", points=((-1.0, 0.0), (0.0, 0.0), (1.0, 0.0))),
    "SoftMarginLoss": _loss("moderate", "sign", constants=(1.0,)),
    # optimizers: a rate at which 60 steps get somewhere
    "ASGD": _optimizer(0.08),
    "Adadelta": _optimizer(20.0),
    "Adafactor": _optimizer(0.3),
    "Adagrad": _optimizer(0.5),
    "Adam": _optimizer(0.15),
    "AdamW": _optimizer(0.15),
    "Adamax": _optimizer(0.2),
    "LBFGS": _optimizer(1.0, max_iter=1, tolerance_change=0.0),  # goes on until the gradient is 0
    "Muon": _optimizer(0.1, ns_steps=1),
    "NAdam": _optimizer(0.1),
    "RAdam": _optimizer(0.2),
    "RMSprop": _optimizer(0.05),
    "Rprop": _optimizer(0.05),
    "SGD": _optimizer(0.06, momentum=0.7),
    "SparseAdam": _optimizer(0.15),
    # schedules of an optimizer whose rate is 0.1
    "CosineAnnealingLR": Sample({"T_max": 30}),
    "ExponentialLR": Sample({"gamma": 0.95}),
    "LambdaLR": Sample({"lr_lambda": lambda step: 1 / (1 + 0.1 * step)}),
    "LinearLR": Sample({"total_iters": 20}),
    "MultiStepLR": Sample({"milestones": [15, 40], "gamma": 0.3}),
    "OneCycleLR": Sample({"max_lr": 0.1, "total_steps": 61}),
    "ReduceLROnPlateau": Sample({"factor": 0.5, "patience": 5}),
    "SequentialLR": Sample({"milestones": [10]}),
    "StepLR": Sample({"step_size": 15, "gamma": 0.5}),
    # clipping
    "clip_grad_norm_": Sample({"max_norm": 1.0}),
    "clip_grad_value_": Sample({"clip_value": 0.5}),
    # initial values
    "calculate_gain": Sample(),
    "constant_": Sample({"val": 0.5}),
    "eye_": Sample(),
    "kaiming_normal_": Sample(),
    "kaiming_uniform_": Sample(),
    "normal_": Sample(),
    "ones_": Sample(),
    "orthogonal_": Sample(),
    "sparse_": Sample({"sparsity": 0.5}),
    "trunc_normal_": Sample(),
    "uniform_": Sample(),
    "xavier_normal_": Sample(),
    "xavier_uniform_": Sample(),
    "zeros_": Sample(),
}

PARTS = {"Sequential": ("Linear", "Tanh"), "Parallel": ("ReLU", "Tanh"), "Residual": ("Linear", "Tanh")}
"""What a container is filled with."""


def sample(name: str) -> Sample:
    """The row of an op. KeyError says what to add."""
    if name in PARTS:
        return Sample()
    if name not in SAMPLES:
        raise KeyError(f"the op {name} has no row: add SAMPLES[{name!r}] to docs/writers/dictionary/samples.py")
    return SAMPLES[name]
