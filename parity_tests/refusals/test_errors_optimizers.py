"""Bad input of optimizers, clipping and schedules: one error in one wording on both sides, and nothing changed."""

import math
import re

import numpy as np
import pytest

import scratch
from handgrad.catalogue import SCHEDULES
from parity_tests.catalogue.tables import SIDES
from parity_tests.refusals.test_errors import F32, Bench

NAN, INF = math.nan, math.inf


def make(b, kind, **options):
    return getattr(b.side, kind)(b.model.parameters(), **options)


def muon(b, **options):
    return b.side.Muon([p for p in b.model.parameters() if len(p.data.shape) == 2], **options)


def reload(optimizer, **options):
    state = optimizer.state_dict()
    state["param_groups"][0].update(options)
    optimizer.load_state_dict(state)


def searching(b):
    optimizer = make(b, "LBFGS", max_iter=1)
    trainer = b.side.Trainer(b.model, b.side.MSELoss(), optimizer)
    optimizer.param_groups[0]["line_search_fn"] = "strong_wolfe"
    trainer.step(np.ones((2, 3), np.float32), np.ones((2, 2), np.float32))


def lbfgs_state(b, **entries):
    optimizer = make(b, "LBFGS", lr=0.0, max_iter=1)
    optimizer.step(lambda: 0.0)
    state = optimizer.state_dict()
    state["state"][0].update(entries)
    optimizer.load_state_dict(state)


def empty(b):
    parameter = b.side.Parameter(np.ones((0, 2)))
    parameter.grad = np.ones((0, 2))
    return [parameter]


def infinite(b):
    parameter = b.side.Parameter(np.ones(2))
    parameter.grad = np.array([INF, 1.0])
    return [parameter]


def sequence(b, optimizer):
    return b.side.SequentialLR(optimizer, [b.side.StepLR(optimizer, 3)], [])


def beyond(b):
    optimizer = make(b, "SGD", lr=0.0)
    schedule = b.side.OneCycleLR(optimizer, 0.0, total_steps=2)
    for _ in range(3):
        optimizer.step()
        schedule.step()


# what is done with a Bench → error, its words
BAD = {
    "lr below 0": (
        lambda b: make(b, "Adamax", lr=-0.1),
        ValueError,
        "Adamax: lr must be >= 0; got -0.1",
    ),
    "lr that is NaN": (
        lambda b: make(b, "RAdam", lr=NAN),
        ValueError,
        "RAdam: lr must be >= 0; got nan",
    ),
    "lr by name": (
        lambda b: make(b, "Rprop", lr="fast"),
        TypeError,
        "Rprop: lr must be a number; got 'fast'",
    ),
    "momentum below 0": (
        lambda b: make(b, "RMSprop", momentum=-0.5),
        ValueError,
        "RMSprop: momentum must be >= 0; got -0.5",
    ),
    "weight_decay below 0": (
        lambda b: make(b, "NAdam", weight_decay=-1),
        ValueError,
        "NAdam: weight_decay must be >= 0; got -1",
    ),
    "eps below 0": (
        lambda b: make(b, "Adadelta", eps=-1e-9),
        ValueError,
        "Adadelta: eps must be >= 0; got -1e-09",
    ),
    "momentum_decay below 0": (
        lambda b: make(b, "NAdam", momentum_decay=-0.1),
        ValueError,
        "NAdam: momentum_decay must be >= 0; got -0.1",
    ),
    "lr_decay below 0": (
        lambda b: make(b, "Adagrad", lr_decay=-0.1),
        ValueError,
        "Adagrad: lr_decay must be >= 0; got -0.1",
    ),
    "initial_accumulator_value below 0": (
        lambda b: make(b, "Adagrad", initial_accumulator_value=-0.1),
        ValueError,
        "Adagrad: initial_accumulator_value must be >= 0; got -0.1",
    ),
    "alpha below 0": (
        lambda b: make(b, "RMSprop", alpha=-0.1),
        ValueError,
        "RMSprop: alpha must be >= 0; got -0.1",
    ),
    "ASGD's alpha may be below 0, but not a name": (
        lambda b: make(b, "ASGD", alpha="0"),
        TypeError,
        "ASGD: alpha must be a number; got '0'",
    ),
    "lambd is infinite": (
        lambda b: make(b, "ASGD", lambd=INF),
        ValueError,
        "ASGD: lambd must be a finite number; got inf",
    ),
    "t0 by name": (
        lambda b: make(b, "ASGD", t0="1e6"),
        TypeError,
        "ASGD: t0 must be a number; got '1e6'",
    ),
    "d below 1": (
        lambda b: make(b, "Adafactor", d=0.5),
        ValueError,
        "Adafactor: d must be >= 1; got 0.5",
    ),
    "beta2_decay above 0": (
        lambda b: make(b, "Adafactor", beta2_decay=0.1),
        ValueError,
        "Adafactor: beta2_decay must be <= 0; got 0.1",
    ),
    "Adafactor's eps is two": (
        lambda b: make(b, "Adafactor", eps=1e-3),
        TypeError,
        "Adafactor: eps must be two numbers, the first may be None; got 0.001",
    ),
    "Adafactor's eps below 0": (
        lambda b: make(b, "Adafactor", eps=(None, -1.0)),
        ValueError,
        "Adafactor: eps[1] must be >= 0; got -1.0",
    ),
    "Adafactor's second eps is None": (
        lambda b: make(b, "Adafactor", eps=(1e-3, None)),
        TypeError,
        "Adafactor: eps[1] must be a number; got None",
    ),
    "rho above 1": (
        lambda b: make(b, "Adadelta", rho=1.5),
        ValueError,
        "Adadelta: rho must be in [0, 1]; got 1.5",
    ),
    "a beta of 1": (
        lambda b: make(b, "Adamax", betas=(0.9, 1.0)),
        ValueError,
        "Adamax: betas[1] must be >= 0 and < 1; got 1.0",
    ),
    "three betas": (
        lambda b: make(b, "NAdam", betas=(0.9, 0.99, 0.999)),
        TypeError,
        "NAdam: betas must be two numbers; got (0.9, 0.99, 0.999)",
    ),
    "etas on one side of 1": (
        lambda b: make(b, "Rprop", etas=(1.1, 1.2)),
        ValueError,
        "Rprop: etas must satisfy 0 < etas[0] < 1 < etas[1]; got (1.1, 1.2)",
    ),
    "one eta": (
        lambda b: make(b, "Rprop", etas=0.5),
        TypeError,
        "Rprop: etas must be two numbers; got 0.5",
    ),
    "one step size": (
        lambda b: make(b, "Rprop", step_sizes=(1e-6,)),
        TypeError,
        "Rprop: step_sizes must be two numbers; got (1e-06,)",
    ),
    "two ns_coefficients": (
        lambda b: muon(b, ns_coefficients=(3.0, -4.0)),
        TypeError,
        "Muon: ns_coefficients must be three numbers; got (3.0, -4.0)",
    ),
    "100 ns_steps": (
        lambda b: muon(b, ns_steps=100),
        ValueError,
        "Muon: ns_steps must be < 100; got 100",
    ),
    "ns_steps below 0": (
        lambda b: muon(b, ns_steps=-1),
        ValueError,
        "Muon: ns_steps must be >= 0; got -1",
    ),
    "half an ns_step": (
        lambda b: muon(b, ns_steps=0.5),
        TypeError,
        "Muon: ns_steps must be a whole number; got 0.5",
    ),
    "adjust_lr_fn": (
        lambda b: muon(b, adjust_lr_fn="match_rms_adam"),
        ValueError,
        "Muon: adjust_lr_fn must be one of original, match_rms_adamw; got 'match_rms_adam' (did you "
        "mean 'match_rms_adamw'?)",
    ),
    "Muon takes matrices": (
        lambda b: b.side.Muon([b.side.Parameter(np.ones(3))]),
        ValueError,
        "Muon: parameters must be matrices, with two axes; got shape (3,)",
    ),
    "Muon takes no three axes": (
        lambda b: b.side.Muon([b.side.Parameter(np.ones((2, 2, 2)))]),
        ValueError,
        "Muon: parameters must be matrices, with two axes; got shape (2, 2, 2)",
    ),
    "Muon takes entries": (
        lambda b: b.side.Muon([b.side.Parameter(np.ones((2, 0)))]),
        ValueError,
        "Muon: parameters must have entries; got shape (2, 0)",
    ),
    "Adafactor takes entries": (
        lambda b: b.side.Adafactor([b.side.Parameter(np.ones((0, 2)))]),
        ValueError,
        "Adafactor: parameters must have entries; got shape (0, 2)",
    ),
    "Muon of a net with biases": (
        lambda b: b.side.Muon(b.model.parameters()),
        ValueError,
        "Muon: parameters must be matrices, with two axes; got shape (4,)",
    ),
    "line_search_fn": (
        lambda b: make(b, "LBFGS", line_search_fn="wolfe"),
        ValueError,
        "LBFGS: line_search_fn must be one of strong_wolfe; got 'wolfe'",
    ),
    "max_iter of 0": (
        lambda b: make(b, "LBFGS", max_iter=0),
        ValueError,
        "LBFGS: max_iter must be >= 1; got 0",
    ),
    "max_eval of 0": (
        lambda b: make(b, "LBFGS", max_eval=0),
        ValueError,
        "LBFGS: max_eval must be >= 1; got 0",
    ),
    "history_size of 0": (
        lambda b: make(b, "LBFGS", history_size=0),
        ValueError,
        "LBFGS: history_size must be >= 1; got 0",
    ),
    "half an iteration": (
        lambda b: make(b, "LBFGS", max_iter=1.5),
        TypeError,
        "LBFGS: max_iter must be a whole number; got 1.5",
    ),
    "tolerance_grad by name": (
        lambda b: make(b, "LBFGS", tolerance_grad="small"),
        TypeError,
        "LBFGS: tolerance_grad must be a number; got 'small'",
    ),
    "tolerance_change is NaN": (
        lambda b: make(b, "LBFGS", tolerance_change=NAN),
        ValueError,
        "LBFGS: tolerance_change must be a finite number; got nan",
    ),
    "LBFGS of two groups": (
        lambda b: b.side.LBFGS([{"params": [p]} for p in b.model.parameters()]),
        ValueError,
        "LBFGS: all parameters form one group; got 4 groups",
    ),
    "LBFGS without a closure": (
        lambda b: make(b, "LBFGS").step(),
        TypeError,
        "LBFGS: step needs a closure that sets the gradients and returns the loss; got None",
    ),
    "LBFGS of a number": (
        lambda b: make(b, "LBFGS").step(0.5),
        TypeError,
        "LBFGS: step needs a closure that sets the gradients and returns the loss; got 0.5",
    ),
    "a training step of LBFGS": (
        lambda b: b.side.Trainer(b.model, b.side.MSELoss(), make(b, "LBFGS")),
        ValueError,
        "Trainer evaluates the model once a step: LBFGS must have max_iter=1, whose iterations are steps, and no "
        "line_search_fn; got max_iter=20 and line_search_fn=None. Else call its step(closure)",
    ),
    "a training step of an LBFGS that searches since": (
        lambda b: searching(b),
        ValueError,
        "Trainer evaluates the model once a step: LBFGS must have max_iter=1, whose iterations are steps, and no "
        "line_search_fn; got max_iter=1 and line_search_fn='strong_wolfe'. Else call its step(closure)",
    ),
    "an option of another optimizer": (
        lambda b: make(b, "Adamax", amsgrad=True),
        TypeError,
        "Adamax.__init__() got an unexpected keyword argument 'amsgrad'",
    ),
    "a group's initial_accumulator_value": (
        lambda b: b.side.Adagrad([{"params": b.model.parameters(), "initial_accumulator_value": 0.5}]),
        ValueError,
        "Adagrad: initial_accumulator_value is one for all groups, 0; got 0.5",
    ),
    "a group's etas": (
        lambda b: b.side.Rprop([{"params": b.model.parameters(), "etas": (2.0, 3.0)}]),
        ValueError,
        "Rprop: etas must satisfy 0 < etas[0] < 1 < etas[1]; got (2.0, 3.0)",
    ),
    "a state dict with etas out of range": (
        lambda b: reload(make(b, "Rprop"), etas=(0.5, 0.9)),
        ValueError,
        "Rprop: etas must satisfy 0 < etas[0] < 1 < etas[1]; got (0.5, 0.9)",
    ),
    "a state dict with ns_steps out of range": (
        lambda b: reload(muon(b), ns_steps=1000),
        ValueError,
        "Muon: ns_steps must be < 100; got 1000",
    ),
    "LBFGS's state of another length": (
        lambda b: lbfgs_state(b, d=np.zeros(3, F32)),
        ValueError,
        "LBFGS: state of parameter 0 does not fit, no state was changed: d has shape (3,), expected (26,)",
    ),
    "LBFGS's state of another dtype": (
        lambda b: lbfgs_state(b, prev_flat_grad=np.zeros(26)),
        ValueError,
        "LBFGS: state of parameter 0 does not fit, no state was changed: prev_flat_grad is "
        "float64, expected float32 (convert with .astype)",
    ),
    "max_norm below 0": (
        lambda b: b.side.clip_grad_norm_(b.model.parameters(), -1.0),
        ValueError,
        "clip_grad_norm_: max_norm must be >= 0; got -1.0",
    ),
    "max_norm that is NaN": (
        lambda b: b.side.clip_grad_norm_(b.model.parameters(), NAN),
        ValueError,
        "clip_grad_norm_: max_norm must be >= 0; got nan",
    ),
    "max_norm by name": (
        lambda b: b.side.clip_grad_norm_(b.model.parameters(), "1"),
        TypeError,
        "clip_grad_norm_: max_norm must be a number; got '1'",
    ),
    "norm_type by name": (
        lambda b: b.side.clip_grad_norm_(b.model.parameters(), 1.0, "max"),
        ValueError,
        "clip_grad_norm_: norm_type must be a number or \"inf\"; got 'max'",
    ),
    "norm_type that is NaN": (
        lambda b: b.side.clip_grad_norm_(b.model.parameters(), 1.0, NAN),
        ValueError,
        'clip_grad_norm_: norm_type must be a number or "inf"; got nan',
    ),
    "norm_type None": (
        lambda b: b.side.clip_grad_norm_(b.model.parameters(), 1.0, None),
        ValueError,
        'clip_grad_norm_: norm_type must be a number or "inf"; got None',
    ),
    "the largest of nothing": (
        lambda b: b.side.clip_grad_norm_(empty(b), 1.0, "inf"),
        RuntimeError,
        "clip_grad_norm_: an empty gradient has no norm of order inf; got (0, 2)",
    ),
    "the smallest of nothing": (
        lambda b: b.side.clip_grad_norm_(empty(b), 1.0, -1),
        RuntimeError,
        "clip_grad_norm_: an empty gradient has no norm of order -1; got (0, 2)",
    ),
    "an infinite norm": (
        lambda b: b.side.clip_grad_norm_(infinite(b), 1.0, error_if_nonfinite=True),
        RuntimeError,
        "clip_grad_norm_: the total norm of order 2 is inf, so it cannot be clipped; "
        "error_if_nonfinite=False scales the gradients by it anyway",
    ),
    "clipping names": (
        lambda b: b.side.clip_grad_norm_(["weight"], 1.0),
        TypeError,
        "clip_grad_norm_: params must hold Parameter objects; got str",
    ),
    "clip_value below 0": (
        lambda b: b.side.clip_grad_value_(b.model.parameters(), -0.5),
        ValueError,
        "clip_grad_value_: clip_value must be >= 0; got -0.5",
    ),
    "clip_value by name": (
        lambda b: b.side.clip_grad_value_(b.model.parameters(), "0.5"),
        TypeError,
        "clip_grad_value_: clip_value must be a number; got '0.5'",
    ),
    "clipping values of names": (
        lambda b: b.side.clip_grad_value_(["weight"], 1.0),
        TypeError,
        "clip_grad_value_: params must hold Parameter objects; got str",
    ),
    "a schedule of a model": (
        lambda b: b.side.StepLR(b.model, 3),
        TypeError,
        "StepLR: optimizer must be an Optimizer; got MLP",
    ),
    "gamma by name": (
        lambda b: b.side.StepLR(b.optimizer, 3, gamma="0.1"),
        TypeError,
        "StepLR: gamma must be a number; got '0.1'",
    ),
    "step_size of 0": (
        lambda b: b.side.StepLR(b.optimizer, 0),
        ValueError,
        "StepLR: step_size must be >= 1; got 0",
    ),
    "half a step": (
        lambda b: b.side.StepLR(b.optimizer, 1.5),
        TypeError,
        "StepLR: step_size must be a whole number; got 1.5",
    ),
    "T_max of 0": (
        lambda b: b.side.CosineAnnealingLR(b.optimizer, 0),
        ValueError,
        "CosineAnnealingLR: T_max must be >= 1; got 0",
    ),
    "eta_min is NaN": (
        lambda b: b.side.CosineAnnealingLR(b.optimizer, 5, eta_min=NAN),
        ValueError,
        "CosineAnnealingLR: eta_min must be a finite number; got nan",
    ),
    "total_iters below 0": (
        lambda b: b.side.LinearLR(b.optimizer, total_iters=-1),
        ValueError,
        "LinearLR: total_iters must be >= 0; got -1",
    ),
    "start_factor of 0": (
        lambda b: b.side.LinearLR(b.optimizer, start_factor=0),
        ValueError,
        "LinearLR: start_factor must be > 0; got 0",
    ),
    "start_factor above 1": (
        lambda b: b.side.LinearLR(b.optimizer, start_factor=1.5),
        ValueError,
        "LinearLR: start_factor must be in [0, 1]; got 1.5",
    ),
    "end_factor below 0": (
        lambda b: b.side.LinearLR(b.optimizer, end_factor=-0.5),
        ValueError,
        "LinearLR: end_factor must be in [0, 1]; got -0.5",
    ),
    "a function for each of two groups": (
        lambda b: b.side.LambdaLR(b.optimizer, [lambda step: 1.0] * 2),
        ValueError,
        "LambdaLR: lr_lambda must have one entry for each of 1 groups; got 2",
    ),
    **{
        f"a factor of the step that is {what}": (
            lambda b, entry=entry: b.side.LambdaLR(b.optimizer, entry),
            TypeError,
            f"LambdaLR: lr_lambda must be a function of the step, or a list of one for each group; got {words}",
        )
        for what, entry, words in (
            ("a number", 5, "5"),
            ("no function", [Exception("x")], "Exception('x')"),
            ("a type of Python", float, "<class 'float'>"),
        )
    },
    **{
        f"{name} of an epoch before −1": (
            lambda b, name=name, row=row: getattr(b.side, name)(b.optimizer, **row.start, last_epoch=-2),
            ValueError,
            f"{name}: last_epoch must be >= -1; got -2",
        )
        for name, row in SCHEDULES.items()
        if name not in ("ReduceLROnPlateau", "SequentialLR")
    },
    "a word to watch": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer).step("low"),
        TypeError,
        "ReduceLROnPlateau: metrics must be a number; got 'low'",
    ),
    "plateau of what": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, mode="lowest"),
        ValueError,
        "ReduceLROnPlateau: mode must be one of min, max; got 'lowest'",
    ),
    "factor of 1": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, factor=1.0),
        ValueError,
        "ReduceLROnPlateau: factor must be < 1; got 1.0",
    ),
    "patience below 0": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, patience=-1),
        ValueError,
        "ReduceLROnPlateau: patience must be >= 0; got -1",
    ),
    "half a cooldown": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, cooldown=0.5),
        TypeError,
        "ReduceLROnPlateau: cooldown must be a whole number; got 0.5",
    ),
    "threshold by name": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, threshold="0"),
        TypeError,
        "ReduceLROnPlateau: threshold must be a number; got '0'",
    ),
    "threshold_mode": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, threshold_mode="relative"),
        ValueError,
        "ReduceLROnPlateau: threshold_mode must be one of rel, abs; got 'relative'",
    ),
    "min_lr of two groups": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, min_lr=[0.1, 0.2]),
        ValueError,
        "ReduceLROnPlateau: min_lr must have one entry for each of 1 groups; got 2",
    ),
    "plateau eps below 0": (
        lambda b: b.side.ReduceLROnPlateau(b.optimizer, eps=-1.0),
        ValueError,
        "ReduceLROnPlateau: eps must be >= 0; got -1.0",
    ),
    "one cycle of unknown length": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5),
        ValueError,
        "OneCycleLR: give total_steps, or epochs and steps_per_epoch",
    ),
    "one cycle of epochs of unknown length": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, epochs=3),
        ValueError,
        "OneCycleLR: give total_steps, or epochs and steps_per_epoch",
    ),
    "one cycle of 0 steps": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, total_steps=0),
        ValueError,
        "OneCycleLR: total_steps must be >= 1; got 0",
    ),
    "one cycle of half a step": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, total_steps=2.5),
        TypeError,
        "OneCycleLR: total_steps must be a whole number; got 2.5",
    ),
    "one cycle of 0 epochs": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, epochs=0, steps_per_epoch=3),
        ValueError,
        "OneCycleLR: epochs must be >= 1; got 0",
    ),
    "pct_start": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, total_steps=9, pct_start=1.5),
        ValueError,
        "OneCycleLR: pct_start must be in [0, 1]; got 1.5",
    ),
    "anneal_strategy": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, total_steps=9, anneal_strategy="cosine"),
        ValueError,
        "OneCycleLR: anneal_strategy must be one of cos, linear; got 'cosine' (did you mean 'cos'?)",
    ),
    "max_lr of two groups": (
        lambda b: b.side.OneCycleLR(b.optimizer, [0.5, 0.1], total_steps=9),
        ValueError,
        "OneCycleLR: max_lr must have one entry for each of 1 groups; got 2",
    ),
    "max_momentum of two groups": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, total_steps=9, max_momentum=[0.5, 0.1]),
        ValueError,
        "OneCycleLR: max_momentum must have one entry for each of 1 groups; got 2",
    ),
    "cycling the momentum of Rprop": (
        lambda b: b.side.OneCycleLR(make(b, "Rprop"), 0.5, total_steps=9),
        ValueError,
        "OneCycleLR: cycle_momentum needs an optimizer with momentum or betas; got Rprop",
    ),
    "rho by name": (
        lambda b: make(b, "Adadelta", rho="0.9"),
        TypeError,
        "Adadelta: rho must be a number; got '0.9'",
    ),
    "a step size by name": (
        lambda b: make(b, "Rprop", step_sizes=(1e-6, "50")),
        TypeError,
        "Rprop: step_sizes[1] must be a number; got '50'",
    ),
    "an eta of 0": (
        lambda b: make(b, "Rprop", etas=(0, 1.2)),
        ValueError,
        "Rprop: etas must satisfy 0 < etas[0] < 1 < etas[1]; got (0, 1.2)",
    ),
    "the lower eta of 1": (
        lambda b: make(b, "Rprop", etas=(1.0, 1.2)),
        ValueError,
        "Rprop: etas must satisfy 0 < etas[0] < 1 < etas[1]; got (1.0, 1.2)",
    ),
    "the upper eta of 1": (
        lambda b: make(b, "Rprop", etas=(0.5, 1.0)),
        ValueError,
        "Rprop: etas must satisfy 0 < etas[0] < 1 < etas[1]; got (0.5, 1.0)",
    ),
    "max_iter by name": (
        lambda b: make(b, "LBFGS", max_iter="20"),
        TypeError,
        "LBFGS: max_iter must be a whole number; got '20'",
    ),
    "max_iter below 0": (
        lambda b: make(b, "LBFGS", max_iter=-1),
        ValueError,
        "LBFGS: max_iter must be >= 1; got -1",
    ),
    "gamma of milestones by name": (
        lambda b: b.side.MultiStepLR(b.optimizer, [3], gamma="0.1"),
        TypeError,
        "MultiStepLR: gamma must be a number; got '0.1'",
    ),
    "gamma of every step by name": (
        lambda b: b.side.ExponentialLR(b.optimizer, "0.1"),
        TypeError,
        "ExponentialLR: gamma must be a number; got '0.1'",
    ),
    "base_momentum of two groups": (
        lambda b: b.side.OneCycleLR(b.optimizer, 0.5, total_steps=9, base_momentum=[0.5, 0.1]),
        ValueError,
        "OneCycleLR: base_momentum must have one entry for each of 1 groups; got 2",
    ),
    "a step beyond the cycle": (
        lambda b: beyond(b),
        ValueError,
        "OneCycleLR: step 3 is beyond the last one, total_steps=2",
    ),
    "a sequence of nothing": (
        lambda b: b.side.SequentialLR(b.optimizer, [], []),
        ValueError,
        "SequentialLR: got no schedulers",
    ),
    "a sequence of functions": (
        lambda b: b.side.SequentialLR(b.optimizer, [len], []),
        TypeError,
        "SequentialLR: schedulers[0] must be a schedule; got builtin_function_or_method",
    ),
    "a plateau in a sequence": (
        lambda b: b.side.SequentialLR(b.optimizer, [b.side.ReduceLROnPlateau(b.optimizer)], []),
        ValueError,
        "SequentialLR: schedulers[0] is a ReduceLROnPlateau, whose step needs a number",
    ),
    "another optimizer's schedule": (
        lambda b: b.side.SequentialLR(b.optimizer, [b.side.StepLR(make(b, "SGD"), 3)], []),
        ValueError,
        "SequentialLR: schedulers[0] has another optimizer",
    ),
    "another optimizer's sequence": (
        lambda b: b.side.SequentialLR(b.optimizer, [sequence(b, make(b, "SGD"))], []),
        ValueError,
        "SequentialLR: schedulers[0] has another optimizer",
    ),
    "milestones missing": (
        lambda b: b.side.SequentialLR(b.optimizer, [b.side.StepLR(b.optimizer, 3) for _ in range(2)], []),
        ValueError,
        "SequentialLR: 2 schedulers need 1 milestones; got 0",
    ),
    "going on without initial_lr": (
        lambda b: b.side.StepLR(make(b, "SGD"), 3, last_epoch=4),
        KeyError,
        "\"StepLR: with last_epoch >= 0 group 0 must have 'initial_lr', as a state dict has\"",
    ),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("case", BAD)
def test_one_error_on_both_sides_and_nothing_changes(case, side):
    act, kind, message = BAD[case]
    bench = Bench(SIDES[side])
    before = [array.copy() for array in bench.numbers()]
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        act(bench)
    for array, copy in zip(bench.numbers(), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_schedule_refuses_the_state_of_another_schedule():
    """PyTorch takes it over, and goes on as before with attributes that nobody reads."""
    bench = Bench(scratch)
    schedule = scratch.StepLR(bench.optimizer, 3)
    before = schedule.state_dict()
    with pytest.raises(ValueError, match=r"^StepLR: state dict does not fit, missing step_size$"):
        schedule.load_state_dict(scratch.ExponentialLR(bench.optimizer, 0.9).state_dict())
    assert schedule.state_dict() == before
    with pytest.raises(
        ValueError,
        match=r"^CosineAnnealingLR: state dict does not fit, missing T_max, eta_min; unexpected gamma, step_size$",
    ):
        scratch.CosineAnnealingLR(bench.optimizer, 3).load_state_dict(before)
