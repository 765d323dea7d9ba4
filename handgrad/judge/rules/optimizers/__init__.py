"""The reference of every optimizer, in balls: one step from exact parameters, gradients and state.

A rule is a function `(group, p, g, state) -> (new p, new state, between)` and a row of its file's `RULES`, found by the
optimizer's class name; `group` holds the options of a param group under PyTorch's names, `between` what a step computes
and forgets, under the names of the formula. Most rules are elementwise,
and the parameters of a group are judged as one flat array; those of `WHOLE` take one parameter in its own shape. A
Python number c in the formula costs u|c| unless the format holds it exactly. LBFGS, whose step evaluates the model, has
`lbfgs`.
"""

from handgrad.judge.rules.optimizers import adam_family, adaptive, descent, muon_adafactor, sparse
from handgrad.judge.rules.optimizers.common import Group, Rule, State

__all__ = ["RULES", "SINGLE_NUMBERS", "WHOLE", "Group", "Rule", "State"]

RULES: dict[str, Rule] = {
    **adam_family.RULES,
    **adaptive.RULES,
    **descent.RULES,
    **muon_adafactor.RULES,
    **sparse.RULES,
}

WHOLE = (*muon_adafactor.WHOLE, *sparse.WHOLE)
"""Rules that are not elementwise. Their group also holds `rows`, what the parameter says its gradient is of."""

SINGLE_NUMBERS = ("step", "mu_product", "eta", "mu")
"""State that is one float32 number for a parameter, whatever its format."""
