"""One entry of L-BFGS's update unfolded: the newest pair, the two loops over all pairs, and the move along d.

A dot product is of all parameters in a row. Its terms are there from the second layer of depth on, each under the name
of the entry that it is of.
"""

from collections.abc import Callable, Iterator

import numpy as np

from handgrad.judge import Ball
from handgrad.trace.compute import Direction, Tensor, Update
from handgrad.trace.line import Index, Line, Number


def along(direction: Direction, update: Update, index: Index, depth: int, line: Callable[..., Line]) -> Iterator[Line]:
    """The lines from an entry's gradient to its new value. `line` makes each, and counts them."""
    options, made, last = update.options, direction.made, direction.pairs - 1
    shape, names = update.new.shape, direction.entries() if depth > 1 else []
    place = direction.places[update.name].start + (int(np.ravel_multi_index(index, shape)) if shape else 0)
    symbols = {"y": "old_dirs", "s": "old_stps", "ρ": "ro", "α": "al", "γ": "H_diag"}
    values: dict[str, Tensor | Ball] = {**made.between, **{tensor.symbol: tensor for tensor in direction.after}}
    values |= {short: values[name] for short, name in symbols.items() if name in values}
    values |= {f"{tensor.symbol} before": tensor for tensor in direction.before}

    def number(symbol: str, *which: int, at: int = place) -> Number:
        """Of this entry; of what is one number for all, that one."""
        value = values[symbol]
        where = (*which, at)[: len(value.shape)]
        return Number.of(value, where) if isinstance(value, Tensor) else Number.in_ball(value, where)

    def written(symbol: str, *which: int) -> str:
        return f"{symbol}[{which[0]}]" if which else symbol

    def step(symbol: str, *which: int, how: str = "", name: str = "") -> Line:
        return line(name or written(symbol, *which), number(symbol, *which), how)

    def dot(total: str, a: tuple[str, int], b: tuple[str, int] | tuple[str], which: tuple[int, ...] = ()) -> Line:
        """Σ a·b, which neither side keeps."""
        terms = tuple(
            line(f"{written(*a)} of {name}", number(*a, at=k), factor=number(*b, at=k), times=f"{written(*b)} of it")
            for k, name in enumerate(names)
        )
        what = f"{written(*a)}ᵀ{written(*b)}"
        return line(what, number(total, *which), f"Σ {written(*a)}·{written(*b)}, of all parameters", terms)

    if not made.began:
        small = f"θ₀: max|g| ≤ {options['tolerance_grad']:g}, and the step ends"
        yield line("θ", Number.of(update.new, index), small)
        return
    if "y" in made.between:
        yield from (step(f"{name} before") for name in ("prev_flat_grad", "d", "t"))
    if made.paired:
        yield step("y", last, how="g − prev_flat_grad before")
        yield step("s", last, how="t before · d before")
        yield dot("yᵀs", ("y", last), ("s", last))
        yield dot("yᵀy", ("y", last), ("y", last))
        yield step("ρ", last, how=f"1 / y[{last}]ᵀs[{last}]", name=f"ρ[{last}] = ro")
        yield step("γ", how=f"y[{last}]ᵀs[{last}] / y[{last}]ᵀy[{last}]", name="γ = H_diag")
    elif "y" in made.between:
        values |= {"new y": made.between["y"], "new s": made.between["s"]}
        yield step("new y", how="g − prev_flat_grad before")
        yield step("new s", how="t before · d before")
        yield step("yᵀs", how="Σ new y · new s, at most 1e-10: the pair is left out")
        yield step("γ", name="γ = H_diag")
    if last < 0:
        yield step("d", how="−g")
    else:
        yield step("q", last + 1, how="−g")
    for i in range(last, -1, -1):
        if i < last or not made.paired:
            yield from (step(symbol, i) for symbol in ("ρ", "y", "s"))
        yield dot("sᵀq", ("s", i), ("q", i + 1), (i,))
        yield step("α", i, how=f"ρ[{i}]·s[{i}]ᵀq[{i + 1}]")
        yield step("q", i, how=f"q[{i + 1}] − α[{i}]·y[{i}]")
    if last >= 0:
        yield step("r", 0, how="γ·q[0]")
    for i in range(last + 1):
        yield dot("yᵀr", ("y", i), ("r", i), (i,))
        yield step("β", i, how=f"ρ[{i}]·y[{i}]ᵀr[{i}]")
        how = f"r[{i}] + s[{i}]·(α[{i}] − β[{i}])"
        yield step("r", i + 1, how=how) if i < last else step("d", how=how)
    yield step("gᵀd", how="Σ g·d, of all parameters: the slope along d")
    if "‖g‖₁" in made.between:
        yield step("‖g‖₁", how="Σ |g|, of all parameters")
    rate = f"{options['lr']:g}"
    yield step("t", how=f"{rate} / ‖g‖₁, at the first iteration" if made.shortened else f"{rate}, the learning rate")
    flat = f"θ₀: the slope is above −{options['tolerance_change']:g}, and the step ends"
    yield line("θ", Number.of(update.new, index), "θ₀ + t·d" if made.moved else flat)
