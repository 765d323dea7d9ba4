"""The reference of every optimizer, in balls: one step from exact parameters, gradients and state.

A rule is a function `(group, p, g, state) -> (new p, new state)` and a row of `RULES`, found by the optimizer's class
name; `group` holds the options of a param group under PyTorch's names. Most rules are elementwise, and the parameters
of a group are judged as one flat array; those of `WHOLE` take one parameter in its own shape. A Python number c in the
formula costs u|c| unless the format holds it exactly. LBFGS, whose step evaluates the model, has `lbfgs`.
"""

from collections.abc import Callable

from handgrad.judge.ball import Ball
from handgrad.judge.rules.optimizers.adam_family import adam, adamax, nadam, radam
from handgrad.judge.rules.optimizers.adaptive import adadelta, adagrad, rmsprop
from handgrad.judge.rules.optimizers.common import Group, State
from handgrad.judge.rules.optimizers.descent import asgd, rprop, sgd
from handgrad.judge.rules.optimizers.muon_adafactor import adafactor, muon
from handgrad.judge.rules.optimizers.sparse import sparse_adam

__all__ = ["RULES", "SINGLE_NUMBERS", "WHOLE", "Group", "Rule", "State"]

Rule = Callable[[Group, Ball, Ball, State], tuple[Ball, State]]

RULES: dict[str, Rule] = {
    "ASGD": asgd,
    "Adadelta": adadelta,
    "Adafactor": adafactor,
    "Adagrad": adagrad,
    "Adam": adam,
    "AdamW": adam,
    "Adamax": adamax,
    "Muon": muon,
    "NAdam": nadam,
    "RAdam": radam,
    "RMSprop": rmsprop,
    "Rprop": rprop,
    "SGD": sgd,
    "SparseAdam": sparse_adam,
}

WHOLE = (adafactor, muon, sparse_adam)
"""Rules that are not elementwise. Their group also holds `rows`, what the parameter says its gradient is of."""

SINGLE_NUMBERS = ("step", "mu_product", "eta", "mu")
"""State that is one float32 number for a parameter, whatever its format."""
