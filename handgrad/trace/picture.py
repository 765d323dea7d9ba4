"""The net as a picture in which one move's part is lit: neurons and weights of a small net, boxes of any other."""

from itertools import pairwise, product

from handgrad.report.svg import GRID, INK, MUTED, svg, tag, text
from handgrad.trace.compute import Layer, Trace
from handgrad.trace.entry import there
from handgrad.trace.walk import Move

LARGEST = 8  # neurons of a layer: a net with more is drawn as boxes
COLUMN, ROW, TOP = 96, 46, 56
LIT = "var(--focus, #0072b2)"
ARROWS = {"Forward": "→", "Loss": "→", "Backward": "←", "Update": "↻"}

Place = tuple[float, float]


def picture(trace: Trace, move: Move) -> str:
    """An SVG in which what `move` computes is thick and in colour, and all else thin and grey."""
    lit = _lit(trace, move)
    height, parts = (_neurons if _small(trace) else _boxes)(trace, move, lit)
    heads = [("x", ""), *((layer.name, layer.kind) for layer in trace.layers), ("loss", "")]
    for c, words in enumerate(heads):
        look = {"font_weight": 700} if c - 1 in lit else {"fill": MUTED}
        parts += [
            text(_middle(c), y, word, "middle", font_size=11, **look) for y, word in zip((14, 28), words, strict=True)
        ]
    sign = ARROWS[move.phase]
    arrows = [text(_middle(c) + COLUMN / 2, TOP - 8, sign, "middle", font_size=24, fill=LIT) for c in lit]
    named = " and ".join(" ".join(filter(None, heads[c + 1])) for c in lit)
    label = f"The net as {len(heads)} columns from x to the loss; lit: {move.phase.lower()}, {named}."
    return svg(height, label, *parts, *arrows, width=width(trace))


def _lit(trace: Trace, move: Move) -> list[int]:
    """The columns that go into what is lit: one, and of what is done to all parameters at once, each that has some."""
    names = [layer.name for layer in trace.layers]
    if move.layer is None and move.phase == "Update":
        own = {update.name.rpartition(".")[0] for update in trace.updates}
        return [c for c, name in enumerate(names) if name in own]
    return [len(names) if move.layer is None else names.index(move.layer)]


def width(trace: Trace) -> int:
    """Of its pictures, in pixels."""
    return COLUMN * (len(trace.layers) + 2)


def _small(trace: Trace) -> bool:
    """Whether the net is a chain of layers with few neurons, and what flows is a vector for each sample."""
    after = [*(layer.name for layer in trace.layers[1:]), None]
    flows = [there(trace.layers[0], "x"), *(there(layer, "y") for layer in trace.layers)]
    chain = all(trace.net.consumers[layer.name] == (name,) for layer, name in zip(trace.layers, after, strict=True))
    return chain and all(len(flow.shape) == 2 and flow.shape[1] <= LARGEST for flow in flows)


def _middle(column: int) -> float:
    return COLUMN * (column + 0.5)


# --- neurons ----------------------------------------------------------------------------------------------------------


def _neurons(trace: Trace, move: Move, lit: list[int]) -> tuple[float, list[str]]:
    """Columns of neurons. Under each stands what it holds for the first sample, as far as the step has come: y or δ."""
    columns = [_column(trace, move, c, lit[0]) for c in range(len(trace.layers) + 2)]
    height = TOP + ROW * max(map(len, columns)) + 8.0
    places = [
        [(_middle(c), TOP + (height - TOP) * (j + 0.5) / len(column) - 8) for j in range(len(column))]
        for c, column in enumerate(columns)
    ]
    parts = []
    for k, (left, right) in enumerate(pairwise(places)):
        parts += _wires(trace.layers[k] if k < len(trace.layers) else None, left, right, k in lit)
    made = {"Forward": lit[0] + 1, "Loss": lit[0] + 1, "Backward": lit[0]}.get(move.phase)
    for c, column in enumerate(columns):
        parts += [_neuron(*place, words, c == made) for place, words in zip(places[c], column, strict=True)]
    return height, parts


def _column(trace: Trace, move: Move, c: int, at: int) -> list[str]:
    """What the neurons of a column hold after the move; empty for what is not computed yet."""
    x, last = there(trace.layers[0], "x"), len(trace.layers) + 1
    forward = move.phase in ("Forward", "Loss")
    if move.phase == "Backward" and max(at, 1) <= c < last:
        return [f"δ {v:.2g}" for v in there(trace.layers[c - 1], "dL/dy").ours[0]]
    values = (
        [trace.value.ours.item()] if c == last else x.ours[0] if c == 0 else there(trace.layers[c - 1], "y").ours[0]
    )
    known = c <= at + 1 if forward else c in (0, last)
    return [f"{v:.3g}" if known else "" for v in values]


def _neuron(x: float, y: float, words: str, lit: bool) -> str:
    look = {"stroke": LIT if lit else INK, "stroke_width": 3.5 if lit else 1, "fill": "var(--card, #ffffff)"}
    circle = tag("circle", cx=x, cy=y, r=9.0, **look, **({} if words else {"stroke_dasharray": "2 3"}))
    clear = {"paint_order": "stroke", "stroke": "var(--card, #ffffff)", "stroke_width": 3}  # of the lines behind it
    return circle + text(x, y + 22, words, "middle", font_size=11, font_weight=700 if lit else 400, **clear)


def _wires(layer: Layer | None, left: list[Place], right: list[Place], lit: bool) -> list[str]:
    """Every pair of neurons that a layer joins; a weight's line says its number where the pointer rests on it."""
    weight = layer.tensor("weight") if layer is not None and layer.kind == "Linear" else None
    look = {"stroke": LIT, "stroke_width": 2.2} if lit else {"stroke": GRID, "stroke_width": 1}
    each = layer is not None and weight is None and len(left) == len(right) and layer.tensor("dy/dx") is not None
    parts = []
    for (i, start), (j, end) in product(enumerate(left), enumerate(right)):
        if not each or i == j:
            title = [] if weight is None else [tag("title", f"W[{j},{i}] = {weight.ours[j, i]}")]
            parts.append(tag("line", *title, x1=start[0] + 10, y1=start[1], x2=end[0] - 10, y2=end[1], **look))
    return parts


# --- boxes ------------------------------------------------------------------------------------------------------------


def _boxes(trace: Trace, move: Move, lit: list[int]) -> tuple[float, list[str]]:
    """A box for each layer with the shape of its output; what goes past a layer goes over it in an arc."""
    names = [layer.name for layer in trace.layers]
    taken = [name for takers in trace.net.consumers.values() for name in takers]
    ways = [(0, names.index(name) + 1) for name in names if name not in taken]
    for name, takers in trace.net.consumers.items():
        ends = [len(names) + 1 if taker is None else names.index(taker) + 1 for taker in takers]
        ways += [(names.index(name) + 1, end) for end in ends]
    arcs = any(end > start + 1 for start, end in ways)
    top, high = TOP + (60 if arcs else 8), 40
    flows = [there(trace.layers[0], "x"), *(there(layer, "y") for layer in trace.layers), trace.value]
    parts = []
    for start, end in ways:
        look = {"stroke": LIT, "stroke_width": 3} if end - 1 in lit else {"stroke": MUTED, "stroke_width": 1}
        a, b, over = _middle(start) + 40, _middle(end) - 40, end > start + 1
        d = (
            f"M{a:g} {top + 6} C{a:g} {top - 60} {b:g} {top - 60} {b:g} {top + 6}"
            if over
            else f"M{a:g} {top + 20}H{b:g}"
        )
        parts.append(tag("path", d=d, fill="none", **look))
    for c, flow in enumerate(flows):
        look = {"stroke": LIT, "stroke_width": 3.5} if c - 1 in lit else {"stroke": INK, "stroke_width": 1}
        box = {"x": _middle(c) - 40, "y": top, "width": 80, "height": high, "rx": 6, "fill": "var(--card, #ffffff)"}
        words = " × ".join(map(str, flow.shape)) or "1"
        parts += [tag("rect", **box, **look), text(_middle(c), top + 25, words, "middle", font_size=12)]
    return top + high + 10.0, parts
