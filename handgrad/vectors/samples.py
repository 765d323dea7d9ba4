"""How each op is called for its vectors: a new op is a new row here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """Options of an op, others that get a case each, and what its arrays are drawn from.

    Of a layer `shape` is that of one sample and `kinks` are inputs where it bends or jumps. Of a loss `inputs` say what
    forward takes. Of an optimizer `shape` is the parameter's.
    """

    options: Options = field(default_factory=dict)
    variants: Mapping[str, Options] = field(default_factory=dict)
    shape: tuple[int, ...] = (4,)
    kinks: tuple[float, ...] = (-1.0, 0.0, 1.0)
    inputs: tuple[str, ...] = ("real",)
    arrays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # weights of the variants of a loss


def _layer(shape: tuple[int, ...], variants: Mapping[str, Options] | None = None, **options: Any) -> Sample:
    return Sample(options, variants or {}, shape)


def _curve(*kinks: float, variants: Mapping[str, Options] | None = None, **options: Any) -> Sample:
    return Sample(options, variants or {}, kinks=kinks or (-1.0, 0.0, 1.0))


def _loss(
    *inputs: str,
    kinks: tuple[float, ...] = (-1.0, 0.0, 1.0),
    weighted: tuple[str, ...] = (),
    **variants: Options,
) -> Sample:
    reductions = {"sum": {"reduction": "sum"}, "none": {"reduction": "none"}}
    arrays = {f"with-{name.replace('_', '-')}": (name,) for name in weighted}
    more: dict[str, Options] = {name.replace("_", "-"): options for name, options in variants.items()}
    return Sample({}, {**reductions, **more, **{name: {} for name in arrays}}, (3,), kinks, inputs, arrays)


def _optimizer(shape: tuple[int, ...] = (5,), options: Options | None = None, **variants: Options) -> Sample:
    return Sample(options or {}, {name.replace("_", "-"): own for name, own in variants.items()}, shape)


ALONG = {"first-axis": {"dim": 0}}
EVALUATION = {"evaluation": {"training": False}}

SAMPLES: dict[str, Sample] = {
    # activations: the kinks
    "CELU": _curve(variants={"alpha": {"alpha": 0.3}}),
    "ELU": _curve(variants={"alpha": {"alpha": 2.1}}),
    "GELU": _curve(variants={"tanh": {"approximate": "tanh"}}),
    "GLU": _layer((8,)),
    "Hardshrink": _curve(-0.5, 0.0, 0.5, variants={"lambd": {"lambd": 0.1}}),
    "Hardsigmoid": _curve(-3.0, 0.0, 3.0),
    "Hardswish": _curve(-3.0, 0.0, 3.0),
    "Hardtanh": _curve(variants={"ends": {"min_val": 0.0, "max_val": 0.5}}),
    "Identity": _curve(),
    "LeakyReLU": _curve(0.0, variants={"slope": {"negative_slope": 0.3}, "negative": {"negative_slope": -2.0}}),
    "LogSigmoid": _curve(),
    "LogSoftmax": _layer((4,), ALONG, dim=-1),
    "Mish": _curve(),
    "PReLU": _curve(0.0, variants={"channels": {"num_parameters": 4}}),
    "RReLU": _curve(0.0, variants=EVALUATION),
    "ReLU": _curve(0.0),
    "ReLU6": _curve(0.0, 6.0),
    "SELU": _curve(0.0),
    "SiLU": _curve(),
    "Sigmoid": _curve(),
    "Softmax": _layer((4,), ALONG, dim=-1),
    "Softmin": _layer((4,), ALONG, dim=-1),
    "Softplus": _curve(0.0, 20.0, variants={"beta": {"beta": 0.3}, "threshold": {"threshold": 1.0}}),
    "Softshrink": _curve(-0.5, 0.0, 0.5, variants={"lambd": {"lambd": 1.1}}),
    "Softsign": _curve(),
    "Tanh": _curve(),
    "Tanhshrink": _curve(),
    "Threshold": _curve(0.5, variants={"negative": {"threshold": -1.0, "value": 0.1}}, threshold=0.5, value=-7.0),
    # layers
    "AlphaDropout": _layer((4,), {**EVALUATION, "p": {"p": 0.1}}),
    "BatchNorm1d": _layer(
        (3,),
        {**EVALUATION, "cumulative": {"momentum": None}, "plain": {"affine": False, "track_running_stats": False}},
        num_features=3,
    ),
    "Bilinear": Sample(
        {"in1_features": 3, "in2_features": 4, "out_features": 2},
        {"no-bias": {"bias": False}},
        inputs=("real", "real"),
    ),
    "Dropout": _layer((4,), {**EVALUATION, "p": {"p": 0.2}}),
    "Embedding": Sample(
        {"num_embeddings": 5, "embedding_dim": 3},
        {"padding": {"padding_idx": 1}, "mean": {"scale_grad_by_freq": True}},
        (2,),
        inputs=("index",),
    ),
    "Flatten": _layer((2, 3), {"all": {"start_dim": 0}, "last-axis": {"start_dim": -1}}),
    "GroupNorm": _layer((4, 3), {"no-bias": {"bias": False}, "plain": {"affine": False}}, num_groups=2, num_channels=4),
    "LayerNorm": _layer(
        (5,), {"no-bias": {"bias": False}, "plain": {"elementwise_affine": False}}, normalized_shape=[5]
    ),
    "Linear": _layer((4,), {"no-bias": {"bias": False}}, in_features=4, out_features=3),
    "RMSNorm": _layer((5,), {"eps": {"eps": 0.1}, "plain": {"elementwise_affine": False}}, normalized_shape=[5]),
    # losses
    "BCELoss": _loss("probability", "probability", weighted=("weight",)),
    "BCEWithLogitsLoss": _loss("real", "probability", weighted=("weight", "pos_weight")),
    "CosineEmbeddingLoss": _loss("real", "real", "row sign", margin={"margin": 0.4}),
    "CrossEntropyLoss": _loss(
        "real", "class", weighted=("weight",), ignore={"ignore_index": 0}, smoothing={"label_smoothing": 0.1}
    ),
    "GaussianNLLLoss": _loss("real", "real", "positive", full={"full": True}, eps={"eps": 0.5}),
    "HalfSquaredError": _loss("real", "real"),
    "HingeEmbeddingLoss": _loss("real", "sign", margin={"margin": 0.1}),
    "HuberLoss": _loss("real", "real", delta={"delta": 0.5}),
    "KLDivLoss": _loss("real", "probability", batchmean={"reduction": "batchmean"}),
    "L1Loss": _loss("real", "real"),
    "MSELoss": _loss("real", "real"),
    "MarginRankingLoss": _loss("real", "real", "sign", margin={"margin": 0.5}),
    "MultiLabelMarginLoss": _loss("real", "labels"),
    "MultiLabelSoftMarginLoss": _loss("real", "binary", weighted=("weight",)),
    "MultiMarginLoss": _loss("real", "class", weighted=("weight",), squared={"p": 2, "margin": 0.7}),
    "NLLLoss": _loss("real", "class", weighted=("weight",), ignore={"ignore_index": 0}),
    "PoissonNLLLoss": _loss("moderate", "count", full={"full": True}),
    "SmoothL1Loss": _loss("real", "real", beta={"beta": 0.5}, straight={"beta": 0.0}),
    "SoftMarginLoss": _loss("moderate", "sign"),
    # optimizers
    "ASGD": _optimizer(options={"lr": 0.05}, averaging={"lambd": 0.1, "alpha": 0.6, "t0": 1}),
    "Adadelta": _optimizer(rho={"rho": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
    "Adafactor": _optimizer((3, 4), decay={"weight_decay": 0.1, "d": 1.5}),
    "Adagrad": _optimizer(decay={"lr_decay": 0.1, "weight_decay": 0.1}, start={"initial_accumulator_value": 0.3}),
    "Adam": _optimizer(
        decay={"weight_decay": 0.1},
        decoupled={"weight_decay": 0.1, "decoupled_weight_decay": True},
        amsgrad={"amsgrad": True, "betas": [0.3, 0.6]},
        maximize={"maximize": True},
    ),
    "AdamW": _optimizer(amsgrad={"amsgrad": True}, no_decay={"weight_decay": 0.0}),
    "Adamax": _optimizer(decay={"weight_decay": 0.1, "betas": [0.5, 0.7]}),
    "LBFGS": _optimizer(),
    "Muon": _optimizer((3, 4), {"ns_steps": 1}, plain={"nesterov": False}),
    "NAdam": _optimizer(decay={"weight_decay": 0.1, "momentum_decay": 0.5}),
    "RAdam": _optimizer(decay={"weight_decay": 0.1}, rectified={"betas": [0.5, 0.8]}),
    "RMSprop": _optimizer(centered={"centered": True, "eps": 1e-3}, momentum={"momentum": 0.9}),
    "Rprop": _optimizer(etas={"etas": [0.3, 1.7], "step_sizes": [0.004, 0.02]}),
    "SGD": _optimizer(
        options={"lr": 0.1},
        momentum={"momentum": 0.9},
        dampening={"momentum": 0.9, "dampening": 0.3},
        nesterov={"momentum": 0.9, "nesterov": True},
        decay={"weight_decay": 0.1},
        maximize={"maximize": True},
    ),
    "SparseAdam": _optimizer((5, 3), maximize={"maximize": True}),
}
