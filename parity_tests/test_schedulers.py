"""Schedules: the rates of 60 steps are equal to the last bit on both sides, and state dicts move across."""

import numpy as np
import pytest

from parity_tests.tables import SIDES

SCHEDULES = {
    "StepLR": ("StepLR", {"step_size": 3}),
    "MultiStepLR": ("MultiStepLR", {"milestones": [4, 9, 9], "gamma": 0.3}),
    "ExponentialLR": ("ExponentialLR", {"gamma": 0.97}),
    "CosineAnnealingLR": ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    "LinearLR": ("LinearLR", {}),
    "LambdaLR": ("LambdaLR", {"lr_lambda": lambda step: 0.9**step}),
    "OneCycleLR": ("OneCycleLR", {"max_lr": 0.5, "total_steps": 70}),
    "OneCycleLR three phases": (
        "OneCycleLR",
        {"max_lr": 0.5, "total_steps": 70, "three_phase": True, "anneal_strategy": "linear"},
    ),
}


def start(side):
    optimizer = SIDES[side].SGD([SIDES[side].Parameter(np.ones(2))], lr=0.1, momentum=0.9)
    return optimizer, optimizer.param_groups[0]


def follow(optimizer, group, step, steps=60):
    rates = []
    for i in range(steps):
        optimizer.step()
        step(i)
        rates.append((group["lr"], group["momentum"]))
    return rates


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_equal(name):
    kind, options = SCHEDULES[name]
    rates = []
    for side in SIDES:
        optimizer, group = start(side)
        schedule = getattr(SIDES[side], kind)(optimizer, **options)
        rates.append(follow(optimizer, group, lambda i, schedule=schedule: schedule.step()))
    assert rates[0] == rates[1]
    assert len(set(rates[0])) > 1


def test_sequential_and_plateau():
    rates = []
    for name, side in SIDES.items():
        optimizer, group = start(name)
        parts = [side.LinearLR(optimizer), side.CosineAnnealingLR(optimizer, 10), side.StepLR(optimizer, 5)]
        sequence = side.SequentialLR(optimizer, parts, [6, 25])
        first = follow(optimizer, group, lambda i, sequence=sequence: sequence.step())
        optimizer, group = start(name)
        plateau = side.ReduceLROnPlateau(optimizer, patience=2, cooldown=1, min_lr=1e-4)
        rates.append(first + follow(optimizer, group, lambda i, plateau=plateau: plateau.step(abs(np.sin(i * i)))))
    assert rates[0] == rates[1]
