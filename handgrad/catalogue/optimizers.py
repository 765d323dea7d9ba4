"""The rows of the optimizers."""

from typing import Any

from handgrad.catalogue.row import Optimizer, Options, Page, Vectors


def _vectors(shape: tuple[int, ...] = (5,), options: Options | None = None, **variants: Options) -> Vectors:
    return Vectors(options or {}, {name.replace("_", "-"): own for name, own in variants.items()}, shape)


def _page(lr: float, **arguments: Any) -> Page:
    """A rate at which 60 steps get somewhere."""
    return Page({"lr": lr, **arguments})


ROOT_MEAN_SQUARE: Options = {"eps": 1e-2, "weight_decay": 0.1, "maximize": True, "lr": 0.2}
MOMENTS: Options = {**ROOT_MEAN_SQUARE, "betas": (0.5, 0.999)}

OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": Optimizer(
        {
            "SGD": {"lr": 0.1},
            "SGD momentum": {"lr": 0.1, "momentum": 0.9},
            "SGD dampening": {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
            "SGD nesterov": {"lr": 0.1, "momentum": 0.8, "nesterov": True},
            "SGD weight_decay": {"lr": 0.1, "weight_decay": 0.01},
            "SGD maximize": {"lr": 0.1, "maximize": True},
            "SGD all options": {"lr": 0.07, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02, "maximize": True},
        },
        changes={"momentum": 0.9, "weight_decay": 0.1, "maximize": True, "lr": 0.2},
        beside={"dampening": ({"momentum": 0.9}, 0.5), "nesterov": ({"momentum": 0.9}, True)},
        vectors=_vectors(
            options={"lr": 0.1},
            momentum={"momentum": 0.9},
            dampening={"momentum": 0.9, "dampening": 0.3},
            nesterov={"momentum": 0.9, "nesterov": True},
            decay={"weight_decay": 0.1},
            maximize={"maximize": True},
        ),
        page=_page(0.06, momentum=0.7),
    ),
    "Adam": Optimizer(
        {
            "Adam": {"lr": 0.01},
            "Adam betas": {"lr": 0.01, "betas": (0.5, 0.7)},
            "Adam eps": {"lr": 0.01, "eps": 1e-3},
            "Adam weight_decay": {"lr": 0.01, "weight_decay": 0.1},
            "Adam decoupled": {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True},
            "Adam amsgrad": {"lr": 0.01, "betas": (0.3, 0.6), "amsgrad": True},
            "Adam maximize": {"lr": 0.01, "maximize": True, "amsgrad": True, "weight_decay": 0.1},
        },
        changes=MOMENTS,
        beside={
            "amsgrad": ({"betas": (0.5, 0.5)}, True),  # v has to fall below its largest value
            "decoupled_weight_decay": ({"weight_decay": 0.1}, True),
        },
        vectors=_vectors(
            decay={"weight_decay": 0.1},
            decoupled={"weight_decay": 0.1, "decoupled_weight_decay": True},
            amsgrad={"amsgrad": True, "betas": [0.3, 0.6]},
            maximize={"maximize": True},
        ),
        page=_page(0.15),
    ),
    "AdamW": Optimizer(
        {
            "AdamW": {"lr": 0.01},
            "AdamW all options": {
                "lr": 0.01,
                "betas": (0.5, 0.7),
                "eps": 1e-3,
                "weight_decay": 0.2,
                "amsgrad": True,
                "maximize": True,
            },
        },
        changes=MOMENTS,
        beside={"amsgrad": ({"betas": (0.5, 0.5)}, True)},
        fixed=("decoupled_weight_decay",),
        vectors=_vectors(amsgrad={"amsgrad": True}, no_decay={"weight_decay": 0.0}),
        page=_page(0.15),
    ),
    "Adamax": Optimizer(
        {
            "Adamax": {"lr": 0.01},
            "Adamax all options": {"lr": 0.01, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        },
        changes=MOMENTS,
        vectors=_vectors(decay={"weight_decay": 0.1, "betas": [0.5, 0.7]}),
        page=_page(0.2),
    ),
    "NAdam": Optimizer(
        {
            "NAdam": {"lr": 0.01},
            "NAdam decoupled": {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True},
            "NAdam all options": {
                "lr": 0.01,
                "betas": (0.5, 0.7),
                "eps": 1e-3,
                "weight_decay": 0.1,
                "momentum_decay": 0.5,
                "maximize": True,
            },
        },
        changes={**MOMENTS, "momentum_decay": 1.0},
        beside={"decoupled_weight_decay": ({"weight_decay": 0.1}, True)},
        vectors=_vectors(decay={"weight_decay": 0.1, "momentum_decay": 0.5}),
        page=_page(0.1),
    ),
    "RAdam": Optimizer(
        {
            "RAdam": {"lr": 0.01},
            "RAdam rectified": {"lr": 0.01, "betas": (0.5, 0.8), "eps": 1e-3},
            "RAdam decoupled": {"lr": 0.01, "betas": (0.9, 0.75), "weight_decay": 0.1, "decoupled_weight_decay": True},
            "RAdam maximize": {"lr": 0.01, "betas": (0.9, 0.8), "weight_decay": 0.1, "maximize": True},
        },
        changes={"betas": (0.5, 0.999), "weight_decay": 0.1, "maximize": True, "lr": 0.2},
        beside={
            "decoupled_weight_decay": ({"weight_decay": 0.1}, True),
            "eps": ({"betas": (0.5, 0.9)}, 1e-2),  # ρ has to pass 5
        },
        steps=8,  # it rectifies from the sixth on
        vectors=_vectors(decay={"weight_decay": 0.1}, rectified={"betas": [0.5, 0.8]}),
        page=_page(0.2),
    ),
    "Adagrad": Optimizer(
        {
            "Adagrad": {"lr": 0.01},
            "Adagrad all options": {
                "lr": 0.01,
                "lr_decay": 0.1,
                "weight_decay": 0.1,
                "initial_accumulator_value": 0.3,
                "eps": 1e-3,
                "maximize": True,
            },
        },
        changes={**ROOT_MEAN_SQUARE, "lr_decay": 0.1, "initial_accumulator_value": 0.5},
        vectors=_vectors(decay={"lr_decay": 0.1, "weight_decay": 0.1}, start={"initial_accumulator_value": 0.3}),
        page=_page(0.5),
    ),
    "Adadelta": Optimizer(
        {
            "Adadelta": {},
            "Adadelta all options": {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        },
        changes={**ROOT_MEAN_SQUARE, "rho": 0.5},
        vectors=_vectors(rho={"rho": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
        page=_page(20.0),
    ),
    "RMSprop": Optimizer(
        {
            "RMSprop": {"lr": 0.01},
            # s − ḡ² cancels in a smooth run: eps keeps what is left of its digits from ruling the step
            "RMSprop centered": {"lr": 0.01, "alpha": 0.7, "eps": 1e-3, "centered": True},
            "RMSprop momentum": {"lr": 0.01, "momentum": 0.9},
            "RMSprop all options": {
                "lr": 0.01,
                "alpha": 0.6,
                "eps": 1e-3,
                "weight_decay": 0.1,
                "momentum": 0.5,
                "centered": True,
                "maximize": True,
            },
        },
        changes={**ROOT_MEAN_SQUARE, "alpha": 0.5, "momentum": 0.5, "centered": True},
        vectors=_vectors(centered={"centered": True, "eps": 1e-3}, momentum={"momentum": 0.9}),
        page=_page(0.05),
    ),
    "Rprop": Optimizer(
        {
            "Rprop": {"lr": 0.01},
            "Rprop all options": {"lr": 0.01, "etas": (0.3, 1.7), "step_sizes": (0.004, 0.02), "maximize": True},
        },
        changes={"lr": 0.2, "etas": (0.5, 1.5), "step_sizes": (1e-6, 0.11), "maximize": True},
        vectors=_vectors(etas={"etas": [0.3, 1.7], "step_sizes": [0.004, 0.02]}),
        page=_page(0.05),
    ),
    "ASGD": Optimizer(
        {
            "ASGD": {"lr": 0.01},
            "ASGD averaging": {"lr": 0.05, "lambd": 0.1, "alpha": 0.6, "t0": 1},
            "ASGD all options": {
                "lr": 0.05,
                "lambd": 0.1,
                "alpha": 0.6,
                "t0": 0,
                "weight_decay": 0.1,
                "maximize": True,
            },
        },
        changes={"lr": 0.2, "lambd": 0.1, "weight_decay": 0.1, "maximize": True},
        beside={"alpha": ({"lambd": 0.1}, 0.5)},
        state_only={"t0": 1.0},  # it says when the average begins, which stands in the state
        vectors=_vectors(options={"lr": 0.05}, averaging={"lambd": 0.1, "alpha": 0.6, "t0": 1}),
        page=_page(0.08),
    ),
    "Adafactor": Optimizer(
        {
            "Adafactor": {"lr": 0.01},
            "Adafactor all options": {
                "lr": 0.6,
                "beta2_decay": -0.5,
                "eps": (1e-3, 1e-2),
                "d": 1.5,
                "weight_decay": 0.1,
                "maximize": True,
            },
        },
        changes={"lr": 0.7, "beta2_decay": -0.3, "d": 4.0, "weight_decay": 0.1, "maximize": True},
        beside={"eps": ({"lr": 0.5}, (None, 5.0))},  # larger than the weights
        shapes=((3, 4), (4,), (1, 1), (2, 3, 2), ()),
        vectors=_vectors((3, 4), decay={"weight_decay": 0.1, "d": 1.5}),
        page=_page(0.3),
    ),
    "Muon": Optimizer(
        {
            "Muon": {"lr": 0.01, "ns_steps": 1},  # more steps: test_muon_* in test_semantics_optimizers.py
            "Muon without nesterov": {"lr": 0.01, "ns_steps": 1, "nesterov": False, "momentum": 0.5},
            "Muon all options": {
                "lr": 0.01,
                "weight_decay": 0.2,
                "momentum": 0.8,
                "ns_coefficients": (2.0, -1.5, 0.5),
                "eps": 1e-3,
                "ns_steps": 2,
                "adjust_lr_fn": "match_rms_adamw",
            },
        },
        start={"ns_steps": 1},  # that its new parameters are decided
        changes={
            "lr": 0.2,
            "weight_decay": 0.3,
            "ns_coefficients": (2.0, -1.5, 0.5),
            "ns_steps": 2,
            "eps": 10.0,
            "adjust_lr_fn": "match_rms_adamw",
        },
        beside={"momentum": ({"ns_steps": 1}, 0.5), "nesterov": ({"ns_steps": 1}, False)},
        shapes=((3, 4), (4, 2), (1, 1), (5, 1)),
        vectors=_vectors((3, 4), {"ns_steps": 1}, plain={"nesterov": False}),
        page=_page(0.1, ns_steps=1),
    ),
    # What takes more than a gradient has tests of its own.
    "LBFGS": Optimizer(
        vectors=_vectors(),
        page=_page(1.0, max_iter=1, tolerance_change=0.0),  # goes on until the gradient is 0
    ),
    "SparseAdam": Optimizer(vectors=_vectors((5, 3), maximize={"maximize": True}), page=_page(0.15)),
}
