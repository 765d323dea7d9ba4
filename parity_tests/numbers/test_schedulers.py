"""Schedules: the rates of 60 steps are equal to the last bit on both sides, and state dicts move across."""

import numpy as np
import pytest

import scratch
from handgrad import catalogue
from parity_tests.catalogue.tables import SIDES

SCHEDULES = {name: (kind, options) for kind, row in catalogue.SCHEDULES.items() for name, options in row.rates.items()}


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


# --- every option, for two groups ------------------------------------------------------------------------------------


# optimizer, schedule, options
CASES = {
    name: (optimizer, kind, options)
    for kind, row in catalogue.SCHEDULES.items()
    for name, (optimizer, options) in row.cases.items()
}
CLOSED = ("StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR")
ONLY_TORCHS = "_get_lr_called_within_step"
NUMBERS = [3.0, 2.75, 2.0, 2.0, 2.25, 1.0, 1.5, 0.75, 0.5, 0.75, 4.0, 3.0, 5.0, 4.5, 4.75, 5.0, 5.25, 8.0]


def built(side, name, optimizer, **more):
    _, kind, options = CASES[name]
    options = {key: value() if callable(value) else value for key, value in options.items()}
    return getattr(side, kind)(optimizer, **options, **more)


def two_groups(side, kind):
    parameters = [side.Parameter(np.ones(2)) for _ in range(2)]
    optimizer = getattr(side, kind)([{"params": parameters[0]}, {"params": [parameters[1]], "lr": 0.5}], lr=0.25)
    optimizer.step()  # torch warns of schedules that come before it
    return optimizer


def state_of(schedule):
    state = {key: value for key, value in schedule.state_dict().items() if key != ONLY_TORCHS}
    if "_schedulers" in state:
        state["_schedulers"] = [{k: v for k, v in entry.items() if k != ONLY_TORCHS} for entry in state["_schedulers"]]
    return state


def observed(optimizer, schedule):
    """All that a schedule has set and says of itself, and its closed form."""
    groups = [
        {k: v for k, v in group.items() if "lr" in k or k in ("betas", "momentum")} for group in optimizer.param_groups
    ]
    form = getattr(schedule, "get_closed_form_lr", None) or getattr(schedule, "_get_closed_form_lr", None)
    closed = form() if form and type(schedule).__name__ in CLOSED else None
    return groups, list(schedule.get_last_lr()), closed, state_of(schedule)


def passed(optimizer, schedule, steps):
    seen = [observed(optimizer, schedule)]
    plateau = type(schedule).__name__ == "ReduceLROnPlateau"
    for step in steps:
        optimizer.step()
        schedule.step(*([NUMBERS[step % len(NUMBERS)]] if plateau else []))
        seen.append(observed(optimizer, schedule))
    return seen


@pytest.mark.parametrize("name", CASES)
def test_all_that_a_schedule_keeps_is_equal(name):
    """After every step, of 12 and of as many more by another schedule that takes over at that step."""
    seen = []
    for side in SIDES.values():
        optimizer = two_groups(side, CASES[name][0])
        schedule = built(side, name, optimizer)
        trace = passed(optimizer, schedule, range(12))
        if "last_epoch" in schedule.state_dict() and not name.startswith("ReduceLROnPlateau"):
            schedule = built(side, name, optimizer, last_epoch=schedule.last_epoch)
        seen.append(trace + passed(optimizer, schedule, range(12, 24)))
    for ours, theirs in zip(*seen, strict=True):
        assert ours == theirs


SEQUENCES = {
    "from the second on": (["LinearLR", "StepLR"], [0]),
    "the first for one step": (["LinearLR", "StepLR gamma", "ExponentialLR"], [1, 7]),
    "milestones out of order": (["LinearLR", "StepLR", "ExponentialLR", "CosineAnnealingLR"], [5, 3, 1]),
}
NESTED = {"the first for one step": [False, True]}  # torch warns of the others within another


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name):
    """Also one of which is a sequence."""
    names, milestones = SEQUENCES[name]
    seen = []
    for side in SIDES.values():
        for nested in NESTED.get(name, [False]):
            optimizer = two_groups(side, "SGD")
            schedule = side.SequentialLR(optimizer, [built(side, part, optimizer) for part in names], milestones)
            if nested:
                schedule = side.SequentialLR(optimizer, [schedule, built(side, "StepLR", optimizer)], [9])
            trace = [(list(schedule.get_last_lr()), schedule.last_epoch)]
            for _ in range(14):
                optimizer.step()
                schedule.step()
                trace.append((list(schedule.get_last_lr()), [group["lr"] for group in optimizer.param_groups]))
            seen.append(trace)
    half = len(seen) // 2
    assert seen[:half] == seen[half:]


def test_milestones_may_be_an_iterator():
    rates = []
    for name, side in SIDES.items():
        optimizer, group = start(name)
        schedule = side.MultiStepLR(optimizer, iter([2, 4]))
        rates.append(follow(optimizer, group, lambda i, schedule=schedule: schedule.step(), 6))
    assert rates[0] == rates[1]
    assert len(set(rates[0])) == 3


# an entry of another number of groups
OF_TWO = {
    "CosineAnnealingLR": "base_lrs",
    "LambdaLR": "lr_lambdas",
    "ReduceLROnPlateau max": "min_lrs",
    "StepLR": "_last_lr",
}


@pytest.mark.parametrize("side", SIDES.values())
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("name", OF_TWO)
def test_a_state_of_other_groups_does_not_fit_two(name, groups, side):
    entry = OF_TWO[name]
    schedule = built(side, name, two_groups(side, "SGD"))
    state = schedule.state_dict()
    message = f"{entry} must have one entry for each of 2 groups, got {groups}$"
    with pytest.raises(ValueError, match=message):
        schedule.load_state_dict({**state, entry: (state[entry] * 2)[:groups]})
    assert schedule.state_dict() == state


@pytest.mark.parametrize("given", ["[0.5]", "[0.5, 'a']", "0.5"])
def test_a_rate_is_set_in_every_group(given):
    """One's own schedule gives one number for each, or is refused before a rate is set."""

    class OneRate(scratch.LRScheduler):
        def get_lr(self):
            return eval(given)

    optimizer = two_groups(scratch, "SGD")
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises((TypeError, ValueError), match=r"^OneRate: (get_lr must give one|the rate of group 1)"):
        OneRate(optimizer)
    assert optimizer.param_groups == before


@pytest.mark.parametrize("side", SIDES.values())
def test_a_sequence_of_two_takes_no_state_of_one(side):
    optimizer = two_groups(side, "SGD")
    parts = [built(side, name, optimizer) for name in ("LinearLR", "StepLR")]
    schedule = side.SequentialLR(optimizer, parts, [3])
    state = schedule.state_dict()
    with pytest.raises(
        ValueError, match=r"^SequentialLR: state dict does not fit, _schedulers must have 2 entries, got 1$"
    ):
        schedule.load_state_dict({**state, "_schedulers": state["_schedulers"][:1]})
    assert schedule.state_dict() == state
