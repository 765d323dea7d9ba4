"""What stands between a gradient and the new parameter: every optimizer's own lines, with the numbers of its options.

A number that the optimizer keeps (momentum buffer, m, v) has both sides' values. One that it computes on the way (m̂,
the denominator) is held by neither side and has an interval alone. L-BFGS has lines of its own (`quasi_newton`).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.judge import Ball
from handgrad.trace.compute import Tensor, Update

Step = tuple[str, str, "Tensor | Ball"]
"""A symbol, how it is computed, and its value."""
Formulas = Callable[[dict[str, Any], Update, str, str, int], Iterator[tuple[str, str]]]
"""A symbol and how it is computed, of the options as texts, the update, the names of d and θ, and the step's number.

A symbol may have the state's name behind it, as in "m = exp_avg".
"""
FIRST = {"mu_product": "1", "mu": "1", "eta": "lr", "step_size": "lr"}
"""What a state begins with, where that is not 0."""


def steps(update: Update) -> Iterator[Step]:
    """The lines from θ₀ and g to the new θ, each from those before it."""
    values: dict[str, Tensor | Ball] = {t.symbol: t for t in update.after} | update.between | {"θ": update.new}
    had = {tensor.symbol: tensor for tensor in update.before}
    yield from ((f"{symbol} before", "", tensor) for symbol, tensor in had.items())
    options = {name: _number(value) for name, value in update.options.items()}
    d, theta = (name if name in values else other for name, other in (("d", "g"), ("θ₁", "θ₀")))
    number = next((int(tensor.ours) for tensor in update.after if tensor.symbol == "step"), 0)
    lines = [("θ₁", f"(1 − {options['lr']}·{options.get('weight_decay')})·θ₀"), ("d", _direction(update, options))]
    for what, how in (*lines, *_FORMULAS.get(update.kind, _kept)(options, update, d, theta, number)):
        name = what.split(" = ")[-1]
        if name not in values:  # of an option that is off
            continue
        for symbol in [symbol for symbol in re.findall(r"(\w+) before", how) if symbol not in had]:
            first = FIRST.get(symbol)
            if first is None:
                how += f", {symbol} 0 at the first step"
            else:
                how = how.replace(f"{symbol} before", options.get(first, first))
        yield what, how, values[name]


def _number(value: Any) -> Any:
    """An option as its shortest text; a pair as two."""
    if isinstance(value, tuple | list):
        return tuple(map(_number, value))
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(float(value)).removesuffix(".0") if plain else value


def _direction(update: Update, o: dict[str, Any]) -> str:
    """±g + λθ₀."""
    added = update.options.get("weight_decay") and "θ₁" not in update.between
    sign = "−g" if update.options.get("maximize") else "g"
    return f"{sign} + {o['weight_decay']}·θ₀" if added else sign


def _mean(beta: str, state: str, of: str) -> str:
    return f"{beta}·{state} before + (1 − {beta})·{of}"


def _sgd(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    if update.options["momentum"]:
        share = f"(1 − {o['dampening']})·" if update.options["dampening"] else ""
        how = f"{o['momentum']}·momentum_buffer before + {share}{d}" if update.before else f"{d}, at the first step"
        yield "b = momentum_buffer", how
        d = f"({d} + {o['momentum']}·b)" if o["nesterov"] else "b"
    yield "θ", f"θ₀ − {o['lr']}·{d}"


def _moments(o: dict[str, Any], d: str) -> Iterator[tuple[str, str]]:
    yield "m = exp_avg", _mean(o["betas"][0], "exp_avg", d)
    yield "v = exp_avg_sq", _mean(o["betas"][1], "exp_avg_sq", f"{d}²")


def _adam(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    yield from _moments(o, d)
    yield "v = max_exp_avg_sq", "max(max_exp_avg_sq before, v)"
    yield "m̂", f"m / (1 − {o['betas'][0]}^{t})"
    yield "s", f"√(v / (1 − {o['betas'][1]}^{t})) + {o['eps']}"
    yield "θ", f"{theta} − {o['lr']}·m̂ / s"


def _adamax(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    yield "m = exp_avg", _mean(o["betas"][0], "exp_avg", d)
    yield "u = exp_inf", f"max({o['betas'][1]}·exp_inf before, |{d}| + {o['eps']})"
    yield "η", f"{o['lr']} / (1 − {o['betas'][0]}^{t})"
    yield "θ", "θ₀ − η·m / u"


def _nadam(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    for name, step in (("μ", t), ("μ⁺", t + 1)):
        yield name, f"{o['betas'][0]}·(1 − 0.5·0.96^({step}·{o['momentum_decay']}))"
    yield "Π = mu_product", "fl(mu_product before·fl(μ)), rounded to float32"
    yield from _moments(o, d)
    yield "s", f"√(v / (1 − {o['betas'][1]}^{t})) + {o['eps']}"
    yield "a", f"{o['lr']}·(1 − μ) / (1 − Π)·{d} / s"
    yield "b", f"{o['lr']}·μ⁺ / (1 − Π·μ⁺)·m / s"
    yield "θ", f"{theta} − a − b"


def _radam(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    (beta1, beta2), rectified = o["betas"], "R" in update.between
    yield from _moments(o, d)
    yield "ρ∞", f"2 / (1 − {beta2}) − 1"
    yield "ρ", f"ρ∞ − 2·{t}·{beta2}^{t} / (1 − {beta2}^{t})"
    yield "R", "√((ρ − 4)·(ρ − 2)·ρ∞ / ((ρ∞ − 4)·(ρ∞ − 2)·ρ))"
    yield "η", f"{o['lr']} / (1 − {beta1}^{t})" + (f"·√(1 − {beta2}^{t})·R" if rectified else ", as ρ is below 5")
    yield "s", f"√(v) + {o['eps']}"
    yield "θ", f"{theta} − η·m" + " / s" * rectified


def _adagrad(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    yield "s = sum", f"sum before + {d}²"
    yield "η", f"{o['lr']} / (1 + {t - 1}·{o['lr_decay']})"
    yield "r", f"√(s) + {o['eps']}"
    yield "θ", f"θ₀ − η·{d} / r"


def _adadelta(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    yield "s = square_avg", _mean(o["rho"], "square_avg", f"{d}²")
    yield "δ", f"√(acc_delta before + {o['eps']}) / √(s + {o['eps']})·{d}"
    yield "a = acc_delta", _mean(o["rho"], "acc_delta", "δ²")
    yield "θ", f"θ₀ − {o['lr']}·δ"


def _rmsprop(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    yield "s = square_avg", _mean(o["alpha"], "square_avg", f"{d}²")
    yield "ḡ = grad_avg", _mean(o["alpha"], "grad_avg", d)
    yield "r", f"√(s{' − ḡ²' if o['centered'] else ''}) + {o['eps']}"
    yield "b = momentum_buffer", f"{o['momentum']}·momentum_buffer before + {d} / r"
    yield "θ", f"θ₀ − {o['lr']}·" + ("b" if update.options["momentum"] else f"{d} / r")


def _asgd(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    averages = any(tensor.symbol == "mu" and tensor.ours != 1 for tensor in update.before)
    yield "θ", f"(1 − {o['lambd']}·eta before)·θ₀ − eta before·{d}"
    yield "ax", "ax before + mu before·(θ − ax before)" if averages else "θ, while mu is 1"
    yield "eta", f"fl({o['lr']} / (1 + {o['lambd']}·{o['lr']}·{t})^{o['alpha']}), in float32, for the next step"
    yield "mu", f"fl(1 / max(1, {t} − {o['t0']})), in float32, for the next step"


def _rprop(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    (shrink, grow), (low, high) = o["etas"], o["step_sizes"]
    yield "factor", f"{grow} for {d}·prev before > 0, {shrink} for < 0, else 1"
    yield "Δ = step_size", f"min(max(step_size before·factor, {low}), {high})"
    yield "prev", f"0 where the factor is {shrink}, else {d}"
    yield "θ", "θ₀ − sign(prev)·Δ"


def _adafactor(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    eps1, eps2 = o["eps"]
    eps1 = _number(np.finfo(update.new.ours.dtype).eps) if eps1 is None else eps1
    share = f"{t}^({o['beta2_decay']})"
    yield "rmsθ", "the root of the mean of all θ₀²"
    yield "α", f"max({eps2}, rmsθ)·min({o['lr']}, 1 / √({t}))"
    yield "mean_j", f"the mean of {d}² over its row"
    yield "r = row_var", f"row_var before + (mean_j − row_var before)·{share}"
    yield "mean_i", f"the mean of {d}² over its column"
    yield "c = col_var", f"col_var before + (mean_i − col_var before)·{share}"
    yield "mean_r", "the mean of all r"
    yield "v", f"r·c / max(mean_r, {eps1})"
    yield "v = variance", f"variance before + ({d}² − variance before)·{share}"
    yield "u", f"{d} / √(max(v, {eps1}^2))"
    yield "rmsu", "the root of the mean of all u²"
    yield "θ", f"{theta} − α / max(1, rmsu / {o['d']})·u"


def _muon(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    rows, columns = update.new.shape
    matched = o["adjust_lr_fn"] == "match_rms_adamw"
    yield "B = momentum_buffer", _mean(o["momentum"], "momentum_buffer", "g")
    yield "B̂", f"{o['momentum']}·B + (1 − {o['momentum']})·g" if o["nesterov"] else "B"
    yield "U", f"orthogonal(B̂), {o['ns_steps']} iterations in bfloat16"
    yield "s", f"0.2·√(max({rows}, {columns}))" if matched else f"√(max(1, {rows} / {columns}))"
    yield "θ", f"θ₁ − {o['lr']}·s·U"


def _kept(o: dict[str, Any], update: Update, d: str, theta: str, t: int) -> Iterator[tuple[str, str]]:
    yield from ((tensor.symbol, "") for tensor in update.after)
    yield "θ", ""


_FORMULAS: dict[str, Formulas] = {
    "SGD": _sgd,
    "Adam": _adam,
    "AdamW": _adam,
    "Adamax": _adamax,
    "NAdam": _nadam,
    "RAdam": _radam,
    "Adagrad": _adagrad,
    "Adadelta": _adadelta,
    "RMSprop": _rmsprop,
    "ASGD": _asgd,
    "Rprop": _rprop,
    "Adafactor": _adafactor,
    "Muon": _muon,
}
