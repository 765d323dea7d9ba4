"""The rows of the learning-rate schedules."""

from typing import Any

import numpy as np

from handgrad.catalogue.row import Options, Page, Schedule


class Decay:
    """A function that is an object: its attributes are part of the state dict."""

    def __init__(self, base: float) -> None:
        self.base = base

    def __call__(self, step: int) -> float:
        return float(self.base**step)


def lambdas() -> list[Any]:
    """A function for each of two groups."""
    return [Decay(0.9), lambda step: 1 / (1 + step)]


CYCLE: Options = {
    "total_steps": 30,
    "pct_start": 0.25,
    "base_momentum": [0.5, 0.75],
    "max_momentum": (0.875, 0.9375),
}

SCHEDULES: dict[str, Schedule] = {
    "StepLR": Schedule(
        {"StepLR": {"step_size": 3}},
        {"StepLR": ("SGD", {"step_size": 4}), "StepLR gamma": ("SGD", {"step_size": 3, "gamma": 0.7})},
        zeros={"StepLR": {"step_size": 1, "gamma": 0.0}},
        start={"step_size": 2},
        bad_state={
            "step_size": (0, -3, 1.5, "2"),
            "gamma": ("0.1", None),
            "base_lrs": ([0.1], "ab"),
            "_step_count": (-1,),
        },
        page=Page({"step_size": 15, "gamma": 0.5}),
    ),
    "MultiStepLR": Schedule(
        {"MultiStepLR": {"milestones": [4, 9, 9], "gamma": 0.3}},
        {"MultiStepLR": ("SGD", {"milestones": (2, 5, 5, 11, 21)})},
        zeros={
            "MultiStepLR": {"milestones": [0, 2], "gamma": 0.5},
            "MultiStepLR of none": {"milestones": []},
        },
        start={"milestones": [1, 3]},
        bad_state={"milestones": ([3], {1.5: 1}, {2: "a"}, {2: -1})},
        page=Page({"milestones": [15, 40], "gamma": 0.3}),
    ),
    "ExponentialLR": Schedule(
        {"ExponentialLR": {"gamma": 0.97}},
        {"ExponentialLR": ("Adam", {"gamma": 0.93})},
        zeros={"ExponentialLR": {"gamma": 0}},
        start={"gamma": 0.5},
        page=Page({"gamma": 0.95}),
    ),
    "CosineAnnealingLR": Schedule(
        {"CosineAnnealingLR": {"T_max": 7, "eta_min": 0.01}},
        {
            "CosineAnnealingLR": ("SGD", {"T_max": 5}),
            "CosineAnnealingLR to eta_min": ("SGD", {"T_max": 6, "eta_min": 0.02}),
        },
        zeros={"CosineAnnealingLR": {"T_max": 1, "eta_min": 0}},
        start={"T_max": 3},
        bad_state={"T_max": (0, "7"), "eta_min": ("0", np.nan)},
        page=Page({"T_max": 30}),
    ),
    "LinearLR": Schedule(
        {"LinearLR": {}},
        {
            "LinearLR": ("SGD", {}),
            "LinearLR down": ("SGD", {"start_factor": 0.9, "end_factor": 0.2, "total_iters": 17}),
        },
        zeros={
            "LinearLR": {"start_factor": 0.5, "end_factor": 0.0, "total_iters": 3},
            "LinearLR of no steps": {"start_factor": 0.5, "total_iters": 0},
        },
        bad_state={"total_iters": (-1,), "start_factor": (0.0, 2.0), "end_factor": (-1.0,)},
        page=Page({"total_iters": 20}),
    ),
    "LambdaLR": Schedule(
        {"LambdaLR": {"lr_lambda": lambda step: 0.9**step}},
        {"LambdaLR": ("SGD", {"lr_lambda": lambdas})},
        zeros={"LambdaLR": {"lr_lambda": lambda step: 0.0}},
        start={"lr_lambda": lambda step: 0.5**step},
        bad_state={"lr_lambdas": (5, [None], [1, 2])},
        page=Page({"lr_lambda": lambda step: 1 / (1 + 0.1 * step)}),
    ),
    "OneCycleLR": Schedule(
        {
            "OneCycleLR": {"max_lr": 0.5, "total_steps": 70},
            "OneCycleLR three phases": {
                "max_lr": 0.5,
                "total_steps": 70,
                "three_phase": True,
                "anneal_strategy": "linear",
            },
        },
        {
            "OneCycleLR": ("Adam", {"max_lr": [0.5, 0.25], **CYCLE}),
            "OneCycleLR in epochs": ("SGD", {"max_lr": 0.5, "epochs": 5, "steps_per_epoch": 6}),
            "OneCycleLR of the rate alone": (
                "Adagrad",
                {"max_lr": 0.5, **CYCLE, "cycle_momentum": False, "div_factor": 5.0, "final_div_factor": 10.0},
            ),
            "OneCycleLR three phases": (
                "AdamW",
                {"max_lr": (0.5, 0.25), **CYCLE, "three_phase": True, "anneal_strategy": "linear"},
            ),
        },
        zeros={
            "OneCycleLR": {"max_lr": 0.0, "total_steps": 8},
            "OneCycleLR of no rise": {"max_lr": 0.5, "total_steps": 8, "pct_start": 0.0, "base_momentum": 0.0},
        },
        start={"max_lr": 0.5, "total_steps": 9},
        bad_state={
            "total_steps": (-1, "9"),
            "_anneal_func_type": ("cosine", 3),
            "cycle_momentum": ("no", 1),
            "_schedule_phases": (5, [5, 5], [{}, {}]),
        },
        page=Page({"max_lr": 0.1, "total_steps": 61}),
    ),
    "ReduceLROnPlateau": Schedule(
        {},  # it is told of a number at every step
        {
            "ReduceLROnPlateau": ("SGD", {}),
            "ReduceLROnPlateau max": (
                "SGD",
                {"mode": "max", "threshold": 0.5, "patience": 1, "factor": 0.75, "min_lr": [0.0625, 0.03125]},
            ),
            "ReduceLROnPlateau min": (
                "SGD",
                {"threshold": 0.5, "patience": 0, "cooldown": 2, "factor": 0.5, "eps": 0.0625},
            ),
            "ReduceLROnPlateau max abs": (
                "SGD",
                {
                    "mode": "max",
                    "threshold": 0.25,
                    "threshold_mode": "abs",
                    "patience": 1,
                    "cooldown": 1,
                    "min_lr": 0.0625,
                },
            ),
            "ReduceLROnPlateau min abs": (
                "SGD",
                {"threshold": 0.25, "threshold_mode": "abs", "patience": 2, "factor": 0.5},
            ),
        },
        zeros={
            "ReduceLROnPlateau": {
                "factor": 0.0,
                "patience": 0,
                "cooldown": 0,
                "threshold": 0.0,
                "min_lr": 0.0,
                "eps": 0.0,
            },
            "ReduceLROnPlateau abs": {
                "threshold": 0,
                "threshold_mode": "abs",
                "patience": 0,
                "mode": "max",
                "min_lr": [0, 0.4],
            },
        },
        bad_state={
            "mode": ("lowest", 3),
            "factor": (1.0, "0.1"),
            "patience": (-1, 0.5),
            "best": ("0", None),
            "min_lrs": ([0.1], ["a", "b"], 0.0),
            "num_bad_epochs": (-1, 1.5),
            "threshold_mode": ("relative",),
        },
        page=Page({"factor": 0.5, "patience": 5}),
    ),
    # Its parts are schedules of the same optimizer, which the tests make.
    "SequentialLR": Schedule(
        bad_state={"_milestones": ([], ["3"], 3), "_schedulers": ([], 5, [{}, {}])},
        page=Page({"milestones": [10]}),
    ),
}
