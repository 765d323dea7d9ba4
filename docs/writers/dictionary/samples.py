"""How each op is called to be measured and drawn: a new op is a new row here."""

from typing import Any

from handgrad import catalogue
from handgrad.catalogue.row import Page


def _optimizer(lr: float, **arguments: Any) -> Page:
    return Page({"lr": lr, **arguments})


SAMPLES: dict[str, Page] = {
    **{name: row.page for name, row in catalogue.ROWS.items()},
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
    "CosineAnnealingLR": Page({"T_max": 30}),
    "ExponentialLR": Page({"gamma": 0.95}),
    "LambdaLR": Page({"lr_lambda": lambda step: 1 / (1 + 0.1 * step)}),
    "LinearLR": Page({"total_iters": 20}),
    "MultiStepLR": Page({"milestones": [15, 40], "gamma": 0.3}),
    "OneCycleLR": Page({"max_lr": 0.1, "total_steps": 61}),
    "ReduceLROnPlateau": Page({"factor": 0.5, "patience": 5}),
    "SequentialLR": Page({"milestones": [10]}),
    "StepLR": Page({"step_size": 15, "gamma": 0.5}),
    # clipping
    "clip_grad_norm_": Page({"max_norm": 1.0}),
    "clip_grad_value_": Page({"clip_value": 0.5}),
    # initial values
    "calculate_gain": Page(),
    "constant_": Page({"val": 0.5}),
    "eye_": Page(),
    "kaiming_normal_": Page(),
    "kaiming_uniform_": Page(),
    "normal_": Page(),
    "ones_": Page(),
    "orthogonal_": Page(),
    "sparse_": Page({"sparsity": 0.5}),
    "trunc_normal_": Page(),
    "uniform_": Page(),
    "xavier_normal_": Page(),
    "xavier_uniform_": Page(),
    "zeros_": Page(),
}

PARTS = {"Sequential": ("Linear", "Tanh"), "Parallel": ("ReLU", "Tanh"), "Residual": ("Linear", "Tanh")}
"""What a container is filled with."""


def sample(name: str) -> Page:
    """The row of an op. KeyError says what to add."""
    if name in PARTS:
        return Page()
    if name not in SAMPLES:
        raise KeyError(f"the op {name} has no row: add SAMPLES[{name!r}] to docs/writers/dictionary/samples.py")
    return SAMPLES[name]
