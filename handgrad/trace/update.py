"""What stands between a gradient and the new parameter: SGD's and Adam's own lines, with the numbers of their options.

A number that the optimizer keeps (momentum buffer, m, v) has both sides' values. One that it computes on the way (m̂,
the denominator) is held by neither side and has an interval alone. Other optimizers show what they keep.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.judge import Ball
from handgrad.judge.rules.optimizers.common import bias_correction, decayed, non_negative
from handgrad.trace.compute import Tensor, Update

Step = tuple[str, str, "Tensor | Ball"]
"""A symbol, how it is computed, and its value."""
Lines = Callable[[dict[str, Any], Ball, Ball, dict[str, Tensor], Update], Iterator[Step]]


def between(update: Update, parameter: Tensor, gradient: Tensor) -> Iterator[Step]:
    """The lines from θ₀ and g to the new θ, each from those before it."""
    kept = {tensor.symbol: tensor for tensor in update.after}
    lines: Lines = _LINES.get(update.kind, _kept_only)
    assert gradient.ball is not None
    with np.errstate(all="ignore"):
        yield from lines(update.options, gradient.ball.format.exact(parameter.ours), gradient.ball, kept, update)


def _direction(options: dict[str, Any], p: Ball, g: Ball) -> Iterator[Step]:
    """d = ±g + λθ₀, where it is more than g, or with decoupled decay the shrunken θ."""
    theta, d = decayed(options, p, g)
    decay = options.get("weight_decay", 0)
    if decay and options.get("decoupled_weight_decay"):
        yield "θ₁", f"(1 − {options['lr']:g}·{decay:g})·θ₀", theta
    sign = "−g" if options.get("maximize") else "g"
    if d is not g:
        added = decay and not options.get("decoupled_weight_decay")
        yield "d", f"{sign} + {decay:g}·θ₀" if added else sign, d


def _sgd(options: dict[str, Any], p: Ball, g: Ball, kept: dict[str, Tensor], update: Update) -> Iterator[Step]:
    first = list(_direction(options, p, g))
    yield from first
    d = "d" if first else "g"
    if momentum := options["momentum"]:
        share = f"(1 − {options['dampening']:g})·" if options["dampening"] else ""
        how = f"{momentum:g}·momentum_buffer before + {share}{d}" if update.before else f"{d}, at the first step"
        yield "b = momentum_buffer", how, kept["momentum_buffer"]
        d = f"({d} + {momentum:g}·b)" if options["nesterov"] else "b"
    yield "θ", f"θ₀ − {options['lr']:g}·{d}", update.new


def _adam(options: dict[str, Any], p: Ball, g: Ball, kept: dict[str, Tensor], update: Update) -> Iterator[Step]:
    first = list(_direction(options, p, g))
    yield from first
    names = [symbol for symbol, *_ in first]
    d, theta = ("d" if "d" in names else "g"), ("θ₁" if "θ₁" in names else "θ₀")
    (beta1, beta2), eps, t = options["betas"], options["eps"], int(kept["step"].ours)
    m, v = kept["exp_avg"], kept["exp_avg_sq"]
    assert m.ball is not None
    zero = "" if update.before else ", both 0 at the first step"
    yield "m = exp_avg", f"{beta1:g}·exp_avg before + (1 − {beta1:g})·{d}{zero}", m
    yield "v = exp_avg_sq", f"{beta2:g}·exp_avg_sq before + (1 − {beta2:g})·{d}²", v
    largest = kept.get("max_exp_avg_sq", v)
    if largest is not v:
        yield "v = max_exp_avg_sq", "the largest v so far", largest
    assert largest.ball is not None
    f = m.ball.format
    correction1, correction2 = (bias_correction(f, float(beta), float(t)) for beta in (beta1, beta2))
    yield "m̂", f"m / (1 − {beta1:g}^{t})", m.ball / correction1
    yield (
        "s",
        f"√(v / (1 − {beta2:g}^{t})) + {eps:g}",
        (non_negative(largest.ball) / correction2).sqrt() + f.constant(eps),
    )
    yield "θ", f"{theta} − {options['lr']:g}·m̂ / s", update.new


def _kept_only(options: dict[str, Any], p: Ball, g: Ball, kept: dict[str, Tensor], update: Update) -> Iterator[Step]:
    for symbol, tensor in kept.items():
        yield symbol, "", tensor
    yield "θ", "", update.new


_LINES: dict[str, Lines] = {"SGD": _sgd, "Adam": _adam, "AdamW": _adam}
