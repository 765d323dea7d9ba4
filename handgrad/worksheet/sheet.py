"""The sheet: its numbers, its boxes, and what belongs into each, in exact fractions.

A box is named as in `handgrad trace`: `z1[0,1]` is sample 0, unit 1 of layer 1. Its value is computed from the boxes
before it by the one rule of its kind, so that what follows from a wrong box can be told from another mistake.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

Values = dict[str, Fraction]

MOST = 72  # boxes on one sheet
WIDEST = 4
SAMPLES = (1, 2, 4)
TRIES = 2000
HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Activation:
    """An activation that keeps fractions fractions, and its derivative."""

    formula: str
    of: Callable[[Fraction], Fraction]
    slope: Callable[[Fraction], Fraction]
    kinks: tuple[int, ...]  # where there is no derivative: no sheet has such a z


ACTIVATIONS = {
    "relu": Activation("max(z, 0)", lambda z: max(z, Fraction(0)), lambda z: Fraction(z > 0), (0,)),
    "leaky_relu": Activation(
        "z for z > 0, else z/2", lambda z: z if z > 0 else z / 2, lambda z: Fraction(1) if z > 0 else HALF, (0,)
    ),
    "hardtanh": Activation(
        "z, but at least −1 and at most 1", lambda z: min(max(z, Fraction(-1)), Fraction(1)),
        lambda z: Fraction(abs(z) < 1), (-1, 1),
    ),
    "identity": Activation("z", lambda z: z, lambda z: Fraction(1), ()),
}  # fmt: skip

LOSSES = {
    "mse": "the mean of (y\u00a0−\u00a0t)² over all outputs of all samples",
    "half": "the mean over the samples of ½\u00a0Σ\u00a0(y\u00a0−\u00a0t)²",
}


@dataclass(frozen=True)
class Box:
    """One blank: the kind of number, the layer it belongs to (1 is the first), and its place."""

    kind: str
    layer: int
    index: tuple[int, ...]

    @cached_property
    def name(self) -> str:
        return named(symbol(self.kind, self.layer), *self.index)


def symbol(kind: str, layer: int) -> str:
    """z1, a1, dL/dW2, new W1; the last z is y."""
    return {"L": "L", "y": "y", "dL/dy": "dL/dy"}.get(kind) or f"{kind}{layer}"


def named(symbol: str, *index: int) -> str:
    return f"{symbol}[{','.join(map(str, index))}]" if index else symbol


@dataclass(frozen=True)
class Sheet:
    """What is printed on it: the net, and the numbers that are given."""

    sizes: tuple[int, ...]
    activation: str
    loss: str
    seed: int
    samples: int
    lr: Fraction
    given: Values  # x, t, W and b

    @property
    def layers(self) -> int:
        return len(self.sizes) - 1

    @property
    def divisor(self) -> int:
        """What the loss divides by."""
        return self.samples * (self.sizes[-1] if self.loss == "mse" else 1)

    def boxes(self) -> tuple[Box, ...]:
        """In the order in which they can be filled in."""
        return self._boxes

    def key(self) -> Values:
        """Every box's number."""
        return dict(self._key)

    @cached_property
    def _boxes(self) -> tuple[Box, ...]:
        return tuple(self._in_order())

    @cached_property
    def _key(self) -> Values:
        values = dict(self.given)
        for box in self._boxes:
            values[box.name] = right(self, values, box)
        return {box.name: values[box.name] for box in self._boxes}

    def _in_order(self) -> Iterator[Box]:
        last = self.layers
        for k in range(1, last):
            for kind in ("z", "a"):
                yield from self._grid(kind, k, self.samples, self.sizes[k])
        yield from self._grid("y", last, self.samples, self.sizes[last])
        yield Box("L", last, ())
        yield from self._grid("dL/dy", last, self.samples, self.sizes[last])
        for k in range(last, 0, -1):
            yield from self._grid("dL/dW", k, self.sizes[k], self.sizes[k - 1])
            yield from self._grid("dL/db", k, self.sizes[k])
            if k > 1:
                yield from self._grid("dL/dz", k - 1, self.samples, self.sizes[k - 1])
        for k in range(1, last + 1):
            yield from self._grid("new W", k, self.sizes[k], self.sizes[k - 1])
            yield from self._grid("new b", k, self.sizes[k])

    @staticmethod
    def _grid(kind: str, layer: int, *shape: int) -> Iterator[Box]:
        rows, *columns = shape
        for i in range(rows):
            yield from (Box(kind, layer, (i, j)) for j in range(columns[0])) if columns else [Box(kind, layer, (i,))]

    def gradient_at(self, layer: int) -> str:
        """The name of dL/dz of that layer: of the last one it is dL/dy."""
        return "dL/dy" if layer == self.layers else f"dL/dz{layer}"

    def input_of(self, layer: int) -> str:
        return "x" if layer == 1 else f"a{layer - 1}"


def right(s: Sheet, v: Values, box: Box) -> Fraction:
    """What belongs into `box`, given all before it."""
    return RULES[box.kind](s, v, box.layer, *box.index)


def _z(s: Sheet, v: Values, k: int, n: int, i: int) -> Fraction:
    x = s.input_of(k)
    return sum((v[f"{x}[{n},{j}]"] * v[f"W{k}[{i},{j}]"] for j in range(s.sizes[k - 1])), v[f"b{k}[{i}]"])


def _a(s: Sheet, v: Values, k: int, n: int, i: int) -> Fraction:
    return ACTIVATIONS[s.activation].of(v[f"z{k}[{n},{i}]"])


def _loss(s: Sheet, v: Values, k: int) -> Fraction:
    squares = sum(((v[name] - v["t" + name[1:]]) ** 2 for name in v if name.startswith("y[")), Fraction(0))
    return squares / s.divisor / (2 if s.loss == "half" else 1)


def _dy(s: Sheet, v: Values, k: int, n: int, i: int) -> Fraction:
    difference = v[f"y[{n},{i}]"] - v[f"t[{n},{i}]"]
    return difference * (2 if s.loss == "mse" else 1) / s.divisor


def _dz(s: Sheet, v: Values, k: int, n: int, i: int) -> Fraction:
    return ACTIVATIONS[s.activation].slope(v[f"z{k}[{n},{i}]"]) * back(s, v, k, n, i)


def back(s: Sheet, v: Values, k: int, n: int, i: int, weight: str = "W", turned: bool = False) -> Fraction:
    """dL/da: Σ_m dL/dz[n,m] W[m,i] of the next layer; of its `weight`, `turned` if row and column are mistaken."""
    after, delta = k + 1, s.gradient_at(k + 1)
    places = [(m, (i, m) if turned else (m, i)) for m in range(s.sizes[after])]
    return sum((v[f"{delta}[{n},{m}]"] * v[named(f"{weight}{after}", *at)] for m, at in places), Fraction(0))


def _dw(s: Sheet, v: Values, k: int, i: int, j: int) -> Fraction:
    delta, x = s.gradient_at(k), s.input_of(k)
    return sum((v[f"{delta}[{n},{i}]"] * v[f"{x}[{n},{j}]"] for n in range(s.samples)), Fraction(0))


def _db(s: Sheet, v: Values, k: int, i: int) -> Fraction:
    return sum((v[f"{s.gradient_at(k)}[{n},{i}]"] for n in range(s.samples)), Fraction(0))


def _new(what: str) -> Callable[..., Fraction]:
    def new(s: Sheet, v: Values, k: int, *at: int) -> Fraction:
        return v[named(f"{what}{k}", *at)] - s.lr * v[named(f"dL/d{what}{k}", *at)]

    return new


RULES: dict[str, Callable[..., Fraction]] = {
    "z": _z, "a": _a, "y": _z, "L": _loss, "dL/dy": _dy, "dL/dz": _dz, "dL/dW": _dw, "dL/db": _db,
    "new W": _new("W"), "new b": _new("b"),
}  # fmt: skip
"""The rule of every kind of box: of the sheet, the numbers before it, the layer and the place."""


def draw(sizes: tuple[int, ...], activation: str = "relu", loss: str = "mse", seed: int = 0, samples: int = 2) -> Sheet:
    """A sheet whose numbers stay small, and on which every step matters.

    No z lies on a kink; in every hidden layer there are different slopes; no output is right already; most weights
    learn; and no number is above 40 or has a denominator above 16. ValueError for what fits on no sheet.
    """
    if not 3 <= len(sizes) <= 4 or max(sizes) > WIDEST or sizes[-1] not in SAMPLES:
        raise ValueError(
            f"--net must be three or four widths from 1 to {WIDEST}, the last 1, 2 or 4, as in 2-2-1; "
            f"got {'-'.join(map(str, sizes))}"
        )
    if samples not in SAMPLES:
        raise ValueError(f"--samples must be 1, 2 or 4, so that every mean is a simple fraction; got {samples}")
    random_ = random.Random(f"{sizes} {activation} {loss} {seed} {samples}")
    for _ in range(TRIES):
        sheet = _drawn(random_, sizes, activation, loss, seed, samples)
        count = len(sheet.boxes())
        if count > MOST:
            raise ValueError(
                f"{'-'.join(map(str, sizes))} with {samples} samples has {count} boxes; a sheet has {MOST}"
            )
        if _worth_it(sheet, sheet.key()):
            return sheet
    raise ValueError(
        f"no small numbers were found for this net with seed {seed}; try another --seed or a smaller --net"
    )


def _drawn(r: random.Random, sizes: tuple[int, ...], activation: str, loss: str, seed: int, samples: int) -> Sheet:
    given: Values = {}
    for n in range(samples):
        given |= {f"x[{n},{j}]": Fraction(r.choice((-2, -1, 1, 2, 3))) for j in range(sizes[0])}
        given |= {f"t[{n},{i}]": Fraction(r.choice((-2, -1, 0, 1, 2))) for i in range(sizes[-1])}
    for k, (width, out) in enumerate(pairwise(sizes), 1):
        for i in range(out):
            given |= {f"W{k}[{i},{j}]": r.choice((-2, -1, -HALF, HALF, 1, 2)) * Fraction(1) for j in range(width)}
            given[f"b{k}[{i}]"] = Fraction(r.choice((-1, 1)))
    return Sheet(sizes, activation, loss, seed, samples, r.choice((HALF, Fraction(1, 4))), given)


def _worth_it(sheet: Sheet, key: Values) -> bool:
    activation = ACTIVATIONS[sheet.activation]
    if any(value.denominator > 16 or abs(value) > 40 for value in key.values()):
        return False
    for k in range(1, sheet.layers):
        z = [value for name, value in key.items() if name.startswith(f"z{k}[")]
        if any(kink in z for kink in activation.kinks):
            return False
        if activation.kinks and len(z) > 1 and len({activation.slope(value) for value in z}) == 1:
            return False
    if not all(value for name, value in key.items() if name.startswith("dL/dy[")):
        return False
    gradients = {k: [v for n, v in key.items() if n.startswith(f"dL/dW{k}[")] for k in range(1, sheet.layers + 1)}
    learning = sum(bool(value) for layer in gradients.values() for value in layer)
    if sheet.samples > 1 and 4 * learning < 3 * sum(map(len, gradients.values())):
        return False
    return all(map(any, gradients.values()))
