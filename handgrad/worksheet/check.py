"""Judging a filled-in sheet: which box is wrong, and which slip makes exactly that number.

Each slip is planted in the exact computation of the box, from the numbers that the learner has before it. A box that
follows from a wrong one by the right rule is no second mistake.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from handgrad.worksheet.sheet import ACTIVATIONS, Box, Sheet, Values, back, named, right

Slip = Callable[..., Fraction | None]
"""As a rule: of the sheet, the numbers before, the layer and the place. None or KeyError where it cannot be made."""


@dataclass(frozen=True)
class Finding:
    """What is said of one box."""

    box: str
    verdict: str  # "right", "wrong", "follows" (from a wrong box, by the right rule), "blank"
    given: Fraction | None = None
    slips: tuple[str, ...] = ()


def check(sheet: Sheet, answers: Mapping[str, Fraction | None]) -> list[Finding]:
    """The verdict on every box, in the order of the sheet."""
    key, own, found = sheet.key(), dict(sheet.given), []
    complete = {**sheet.given, **key}
    for box in sheet.boxes():
        given, expected = answers.get(box.name), right(sheet, own, box)
        own[box.name] = expected if given is None else given
        if given is None:
            found.append(Finding(box.name, "blank"))
        elif given == key[box.name]:
            found.append(Finding(box.name, "right", given))
        elif given == expected:
            found.append(Finding(box.name, "follows", given))
        else:
            # The new weights stand behind the box: who used one has it in mind as it is on the key.
            slips = tuple(name for name, value in slipped(sheet, {**complete, **own}, box) if value == given)
            found.append(Finding(box.name, "wrong", given, slips))
    return found


def slipped(sheet: Sheet, values: Values, box: Box) -> Iterator[tuple[str, Fraction]]:
    """Every slip that changes this box, and what it makes of it; the likelier first."""
    correct = right(sheet, values, box)
    for name, slip in SLIPS[box.kind].items():
        with suppress(KeyError):  # a weight that is not square has no such entry
            value = slip(sheet, values, box.layer, *box.index)
            if value not in (None, correct):
                yield name, value
    for name, factor in EVERYWHERE.items():
        if correct:
            yield name, factor * correct


EVERYWHERE = {
    "the sign is wrong": Fraction(-1),
    "a factor 2 is missing": Fraction(1, 2),
    "there is a factor 2 too many": Fraction(2),
}


def _bias(s: Sheet, v: Values, k: int, n: int, i: int) -> Fraction:
    return v[f"b{k}[{i}]"]


def _weighted(x: str, turned: bool = False) -> Slip:
    """Σ_j x[n,j] W[i,j] + b[i], of other inputs, or with W[j,i]."""

    def z(s: Sheet, v: Values, k: int, n: int, i: int) -> Fraction:
        inputs = x.format(k - 1) if x else s.input_of(k)
        places = [(j, (j, i) if turned else (i, j)) for j in range(s.sizes[k - 1])]
        return sum((v[f"{inputs}[{n},{j}]"] * v[named(f"W{k}", *at)] for j, at in places), _bias(s, v, k, n, i))

    return z


def _product(i_first: bool = True, x: str = "", only: int | None = None) -> Slip:
    """Σ_n δ[n,i] x[n,j], of other inputs, with i and j the wrong way round, or of one sample alone."""

    def dw(s: Sheet, v: Values, k: int, i: int, j: int) -> Fraction | None:
        delta, inputs = s.gradient_at(k), x.format(k - 1) if x else s.input_of(k)
        if not i_first:
            i, j = j, i
        if only is not None and s.samples == 1:
            return None
        samples = range(s.samples) if only is None else [only % s.samples]
        return sum((v[f"{delta}[{n},{i}]"] * v[f"{inputs}[{n},{j}]"] for n in samples), Fraction(0))

    return dw


def _one_delta(only: int) -> Slip:
    def db(s: Sheet, v: Values, k: int, i: int) -> Fraction | None:
        return v[f"{s.gradient_at(k)}[{only % s.samples},{i}]"] if s.samples > 1 else None

    return db


def _again(kind: str) -> Slip:
    """Divided by the number of samples, which dL/dy has done already."""
    return lambda s, v, k, *at: right(s, v, Box(kind, k, at)) / s.samples


def _undivided(kind: str) -> Slip:
    return lambda s, v, k, *at: right(s, v, Box(kind, k, at)) * s.divisor


def _unsquared(s: Sheet, v: Values, k: int) -> Fraction:
    names = [name for name in v if name.startswith("y[")]
    total = sum((abs(v[name] - v["t" + name[1:]]) for name in names), Fraction(0))
    return total / s.divisor / (2 if s.loss == "half" else 1)


def _updates(what: str) -> dict[str, Slip]:
    def parts(s: Sheet, v: Values, k: int, *at: int) -> tuple[Fraction, Fraction]:
        return v[named(f"{what}{k}", *at)], v[named(f"dL/d{what}{k}", *at)]

    def added(s: Sheet, v: Values, k: int, *at: int) -> Fraction:
        old, gradient = parts(s, v, k, *at)
        return old + s.lr * gradient

    def no_rate(s: Sheet, v: Values, k: int, *at: int) -> Fraction:
        old, gradient = parts(s, v, k, *at)
        return old - gradient

    def alone(s: Sheet, v: Values, k: int, *at: int) -> Fraction:
        return -s.lr * parts(s, v, k, *at)[1]

    def unmoved(s: Sheet, v: Values, k: int, *at: int) -> Fraction:
        return parts(s, v, k, *at)[0]

    return {
        "the step was added instead of subtracted": added,
        "the learning rate is missing": no_rate,
        "this is the step alone, without the old value": alone,
        "this is the old value": unmoved,
    }


_AFFINE: dict[str, Slip] = {
    "the bias is missing": lambda s, v, k, *at: right(s, v, Box("z", k, at)) - _bias(s, v, k, *at),
    "the bias was subtracted": lambda s, v, k, *at: right(s, v, Box("z", k, at)) - 2 * _bias(s, v, k, *at),
    "the weight is transposed: W[j,i] was used for W[i,j]": _weighted("", turned=True),
    "z of the layer before was used, not a": _weighted("z{}"),
}

SLIPS: dict[str, dict[str, Slip]] = {
    "z": _AFFINE,
    "y": _AFFINE,
    "a": {"the activation was left out: this is z": lambda s, v, k, n, i: v[f"z{k}[{n},{i}]"]},
    "L": {"1/N is missing": _undivided("L"), "the differences are not squared": _unsquared},
    "dL/dy": {
        "the sign is wrong: t − y instead of y − t": lambda s, v, k, *at: -right(s, v, Box("dL/dy", k, at)),
        "1/N is missing": _undivided("dL/dy"),
    },
    "dL/dz": {
        "the derivative of the activation is missing": back,
        "the activation itself was used for its derivative": (
            lambda s, v, k, n, i: v[f"a{k}[{n},{i}]"] * back(s, v, k, n, i)
        ),
        "the weight is transposed: W[i,m] was used for W[m,i]": lambda s, v, k, n, i: (
            _slope(s, v, k, n, i) * back(s, v, k, n, i, turned=True)
        ),
        "the new weight was used, not the one of the forward pass": lambda s, v, k, n, i: (
            _slope(s, v, k, n, i) * back(s, v, k, n, i, weight="new W")
        ),
    },
    "dL/dW": {
        "transposed: this is the entry [j,i]": _product(i_first=False),
        "z of the layer before was used, not a": _product(x="z{}"),
        "this is the first sample alone, without the sum over the batch": _product(only=0),
        "this is the last sample alone, without the sum over the batch": _product(only=-1),
        "1/N twice: dL/dy has it already": _again("dL/dW"),
    },
    "dL/db": {
        "this is the first sample alone, without the sum over the batch": _one_delta(0),
        "this is the last sample alone, without the sum over the batch": _one_delta(-1),
        "1/N twice: dL/dy has it already": _again("dL/db"),
    },
    "new W": _updates("W"),
    "new b": _updates("b"),
}
"""By kind of box: what is often done instead."""


def _slope(s: Sheet, v: Values, k: int, n: int, i: int) -> Fraction:
    return ACTIVATIONS[s.activation].slope(v[f"z{k}[{n},{i}]"])
