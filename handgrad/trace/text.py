"""A trace for the terminal."""

from collections.abc import Iterator

import numpy as np

from contract import names
from handgrad.format import NONE, plain
from handgrad.judge.rules.optimizers.lbfgs import Iteration
from handgrad.trace.cancelled import cancelled
from handgrad.trace.compute import VECTORS, Direction, Layer, Tensor, Trace, Update
from handgrad.trace.line import Line, Number, known

ROWS, COLUMNS = 3, 3  # of a tensor's corner
TERMS = 40  # of an entry's sum; a quarter of it one level deeper, and so on, but never less than 4
PAIRS = 12  # of L-BFGS's loops
MANY = 64  # ulps between the sides from which on a tensor says what cancelled
SIDES = {"ours": names.SIDES["scratch"], "theirs": names.SIDES["torch"]}


def text(trace: Trace, entry: Line | None = None) -> str:
    """The step for a terminal: a corner of every tensor on both sides, how far apart, how much of its bound.

    With an entry, that alone.
    """
    lines = [f"{trace.experiment}, step {trace.step}: a batch of {trace.rows}", ""]
    lines += _entry(entry) if entry is not None else _step(trace)
    return "\n".join([*lines, "", *(verdict.render() for verdict in trace.verdicts.values())])


def _step(trace: Trace) -> Iterator[str]:
    for layer in trace.layers:
        yield from f"{layer.name} {layer.kind}: {layer.formula}".strip().splitlines()
        for tensor in shown(trace, layer):
            yield from _tensor(tensor)
            yield from why_apart(trace, layer, tensor, indent="    ")
        yield ""
    yield from (trace.loss, *_tensor(trace.target), *_tensor(trace.value), "", trace.optimizer)
    if trace.direction is not None:
        yield from _direction(trace.direction, float(trace.value.ours))
    for update in trace.updates:
        yield from _update(update)
    for buffer in trace.buffers:
        yield from _tensor(buffer)
    if trace.program:
        yield from (
            "",
            f"written out as one function of NumPy: --html, or handgrad unroll {trace.experiment} --step-only",
        )


def shown(trace: Trace, layer: Layer) -> tuple[Tensor, ...]:
    """The tensors that were not shown before: a layer's x is the y of the one before it, whose dL/dy is its dL/dx."""
    first = layer is trace.layers[0]
    return tuple(t for t in layer.tensors if t.symbol != "dL/dx" and (first or t.symbol != "x"))


def _update(update: Update) -> Iterator[str]:
    yield f"  {update.name}: {options(update)}"
    for tensor in update.before:
        yield from _tensor(tensor, f"{tensor.symbol} before")
    for tensor in (*update.after, update.new):
        yield from _tensor(tensor, f"{tensor.symbol} after" if tensor is not update.new else "")


def _direction(direction: Direction, loss: float) -> Iterator[str]:
    """The vector of all parameters: the state before, the two loops as a table, the state after."""
    made, kept = direction.made, {tensor.symbol: tensor.ours for tensor in direction.after}
    yield f"  {vector(direction)}"
    for tensor in direction.before:
        yield from () if tensor.symbol in VECTORS else _tensor(tensor, f"{tensor.symbol} before")
    steepest = float(np.max(np.abs(direction.gradient.ours), initial=0.0))
    slope = f", gᵀd {made.between['gᵀd'].mid:.6g}, t {float(kept['t']):.6g}" if made.began else ""
    yield f"  evaluation {int(kept['func_evals'])}: L {loss:.6g}, max|g| {steepest:.6g}{slope}"
    yield f"  {outcome(made)}"
    if direction.pairs:
        yield from _loops(direction)
    for tensor in direction.after:
        yield from () if tensor.symbol in VECTORS else _tensor(tensor, f"{tensor.symbol} after")


def vector(direction: Direction) -> str:
    """Which numbers of the vector are of which parameter."""
    parts = (f"{name} {part.start} to {part.stop - 1}" for name, part in direction.places.items())
    return f"all parameters as one vector of {direction.gradient.ours.size:,} numbers: {', '.join(parts)}"


def outcome(made: Iteration) -> str:
    """Which way an iteration of L-BFGS went."""
    if not made.began:
        return "max|g| is at most tolerance_grad: the step ends without a move"
    pair = "the newest pair y, s is taken in" if made.paired else "yᵀs ≤ 1e-10: the newest pair y, s is left out"
    moved = "a move along d by t" if made.moved else "the slope gᵀd is above −tolerance_change: no move"
    return f"{pair}; {moved}" if "y" in made.between else f"the first iteration: d = −g; {moved}"


def loops(direction: Direction) -> list[tuple[str, ...]]:
    """A row for each pair, the newest first, under a head: what the first loop makes of it, and the second."""
    kept, between = {tensor.symbol: tensor.ours for tensor in direction.after}, direction.made.between
    columns = [kept["ro"], between["sᵀq"].mid, kept["al"], between["yᵀr"].mid, between["β"].mid]
    columns.append(columns[2] - columns[4])
    head = ("pair", "ρ = 1/yᵀs", "sᵀq", "α = ρ·sᵀq", "yᵀr", "β = ρ·yᵀr", "α − β")
    rows = [(str(i), *(f"{column[i]:.6g}" for column in columns)) for i in range(direction.pairs)]
    return [head, *reversed(rows)]


def _loops(direction: Direction) -> Iterator[str]:
    head, *rows = loops(direction)
    cut = rows[:PAIRS]
    widths = [max(map(len, column)) for column in zip(head, *cut, strict=True)]
    for row in (head, *cut):
        yield "    " + "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
    if rows[PAIRS:]:
        yield f"    … {len(rows) - PAIRS} older; --json has them all"


def options(update: Update) -> str:
    """lr first; what is off is left out."""
    rest = {name: value for name, value in update.options.items() if name != "lr"}
    return plain({"lr": update.options.get("lr")} | {n: v for n, v in rest.items() if v not in (None, False, 0)})


def _tensor(tensor: Tensor, symbol: str = "") -> Iterator[str]:
    shape = "×".join(map(str, tensor.shape)) or "number"
    yield f"  {symbol or tensor.symbol} ({shape}): {measured(tensor)}"
    blocks = [corner(getattr(tensor, side)) for side in SIDES]
    width = max(len("  ".join(row)) for row in blocks[0]) if blocks[0] else 0
    if np.array_equal(tensor.ours, tensor.theirs):
        yield from (f"    {'  '.join(row)}" for row in blocks[0])
        return
    apart = [[ulps(v) for v in row] for row in _rows(tensor.apart)[:ROWS, :COLUMNS]]
    yield f"    {SIDES['ours']:<{width}}    {SIDES['theirs']:<{width}}    PyTorch − NumPy in ulp"
    for i, (ours, theirs) in enumerate(zip(*blocks, strict=True)):
        beside = "  ".join(f"{cell:>6}" for cell in apart[i]) if i < len(apart) else ""
        yield f"    {'  '.join(ours):<{width}}    {'  '.join(theirs):<{width}}    {beside}".rstrip()


def _rows(a: np.ndarray) -> np.ndarray:
    table = np.atleast_2d(a)
    return table.reshape(-1, table.shape[-1])


def corner(a: np.ndarray, rows: int = ROWS, columns: int = COLUMNS) -> list[list[str]]:
    """The first numbers of the first rows, with "…" where there are more."""
    table = _rows(a)
    form = " .6e" if table.dtype.kind == "f" else " d"
    shown = [[f"{v:{form}}" for v in row[:columns]] + ["…"] * (len(row) > columns) for row in table[:rows]]
    return shown + [["…"]] * (len(table) > rows)


def ulps(value: float) -> str:
    """A distance with its sign: "=" for none."""
    if not np.isfinite(value):
        return "∞"
    return "=" if value == 0 else f"{value:+,.0f}"


def measured(tensor: Tensor) -> str:
    """One phrase: how far the sides are apart, and how much of the bound either uses."""
    if np.array_equal(tensor.ours, tensor.theirs):
        apart = "equal on both sides"
    else:
        apart = f"at most {_count(tensor.ulps)} ulp apart"
    if tensor.ball is None or tensor.bound == 0:
        return apart
    open_ = int(np.count_nonzero(np.isinf(tensor.ball.rad)))
    none = f"; {open_} of {tensor.ball.size} without a bound" if open_ else ""
    return f"{apart}; error at most {tensor.ratio:.2g} of the bound, which is {tensor.bound:.2g} at most{none}"


def why_apart(trace: Trace, layer: Layer, tensor: Tensor, indent: str = "") -> Iterator[str]:
    """What cancelled, where the sides are many ulps apart; or which of them is outside its interval."""
    if tensor.ball is not None and tensor.ulps >= MANY and (why := cancelled(trace, layer, tensor)):
        yield f"{indent}{_count(tensor.ulps)} ulp apart at {why}"


def _count(ulps: float) -> str:
    return f"{ulps:,.0f}" if np.isfinite(ulps) else "∞"


def _entry(entry: Line) -> Iterator[str]:
    yield f"{entry.what}{' = ' if entry.formula else ''}{entry.formula}".replace("\n", "\n    ")
    yield ""
    head = ("", "NumPy", "PyTorch", "must be in", "times", "sum so far") if entry.products else _HEAD_OF_STEPS
    most = TERMS if entry.products else max(TERMS, len(entry.terms))  # every step of an update
    rows = [head, *_terms(entry, most, "  ")]
    widths = [max(len(row[i]) for row in rows if isinstance(row, tuple)) for i in range(len(head))]
    for row in rows:
        if isinstance(row, str):
            yield row
        else:
            cells = [
                f"{c:<{w}}" if i in LEFT else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            yield "  ".join(cells).rstrip()
    yield ""
    values = {"sum, rounded once": entry.total, "NumPy": entry.number.ours, "PyTorch (autograd)": entry.number.theirs}
    yield from (f"{name:<20}{value: .17g}" for name, value in values.items() if value is not None)
    judged = f"{entry.number.reference: .17g} ± {entry.number.radius:.3g}"
    yield f"{'the judge':<20}{judged}{f', {entry.number.outside}' if entry.number.outside else ''}"


_HEAD_OF_STEPS = ("", "NumPy", "PyTorch", "must be in", "how", "")
LEFT = (0, 3, 4)  # columns of words; the others are numbers


def _terms(line: Line, most: int, indent: str) -> Iterator[str | tuple[str, ...]]:
    """A row of cells for each term, and between them how a term is made of those below it."""
    sums = iter(np.cumsum(line.products)) if line.products else iter(())
    for n, term in enumerate(line.terms):
        if n == most:
            yield f"{indent}… {len(line.terms) - most} more; --json and --html have them all"
            return
        times, so_far = f"= {term.formula}" if term.formula and not term.terms else "", ""
        if term.factor is not None:
            value = known(term.factor)
            times, so_far = (f"{term.times} = {value:.9g}" if term.times else ""), f"{next(sums):.9g}"
        yield (indent + term.what, *_number(term.number), times, so_far)
        if term.terms:
            yield f"{indent}  = {term.formula}".replace("\n", f"\n{indent}    ")
            yield from _terms(term, max(min(most, TERMS) // 4, 4), indent + "    ")


def _number(number: Number) -> tuple[str, str, str]:
    sides = [NONE if v is None else f"{v:.9g}" for v in (number.ours, number.theirs)]
    if number.radius == np.inf:
        return sides[0], sides[1], "no bound"
    interval = f"{number.reference:.9g} ± {number.radius:.2g}" if number.radius else "exact"
    return sides[0], sides[1], f"{interval}, {number.outside}" if number.outside else interval
