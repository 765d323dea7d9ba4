"""What the pages of the dictionary are measured with: the rows of the catalogue, and of what no test varies."""

from handgrad import catalogue
from handgrad.catalogue.row import Page

SAMPLES: dict[str, Page] = {
    **{name: row.page for name, row in {**catalogue.ROWS, **catalogue.OPTIMIZERS}.items()},
    **{name: row.page for name, row in catalogue.SCHEDULES.items()},
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
        raise KeyError(f"the op {name} has no row: add one to handgrad/catalogue, or SAMPLES[{name!r}] here")
    return SAMPLES[name]
