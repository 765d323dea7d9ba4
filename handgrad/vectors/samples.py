"""How each op is called for its vectors: a new op is a new row here."""

from handgrad import catalogue
from handgrad.catalogue.row import Options, Vectors


def _optimizer(shape: tuple[int, ...] = (5,), options: Options | None = None, **variants: Options) -> Vectors:
    return Vectors(options or {}, {name.replace("_", "-"): own for name, own in variants.items()}, shape)


SAMPLES: dict[str, Vectors] = {
    **{name: row.vectors for name, row in catalogue.ROWS.items()},
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
