"""Formulas with kinks as SymPy expressions, and the proof that one is the derivative of the other between the kinks.

Everything that branches, |a|, sign a, max, min and "a for x > 0, else b", is one function here: `Switch(s, a, b)` is a
where s > 0 and b where s < 0. At s = 0 nothing is claimed: that is the kink, where the derivative is a convention. Both
formulas are cut at the zeros of all their s. Between two cuts every Switch is one of its sides, and what is left is a
smooth expression that SymPy differentiates.

Two such expressions are equal if their difference is 0 as a rational function of the variables, of one exponential for
each argument, and of the logarithms and error functions in it: exact arithmetic on polynomials, and no float.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import sympy

Expr = Any  # SymPy is not typed

DIGITS = 50
FAR, OTHER = sympy.Rational(19, 13), sympy.Rational(31, 19)
"""So far beyond the last cut a piece is looked at: no zero of a formula, and another number for another variable."""


class Switch(sympy.Function):  # type: ignore[misc]  # SymPy has no types
    """`Switch(s, a, b)`: a where s > 0, b where s < 0. `Switch(s, a, b, c)`: and c where s is 0 in a whole piece, as a
    comparison with a clamped value is; at a kink alone nothing is claimed."""

    nargs = (3, 4)


class Equal(sympy.Function):  # type: ignore[misc]  # SymPy has no types
    """`Equal(t, v, a, b)`: a where t = v, else b."""

    nargs = 4


def absolute(a: Expr) -> Expr:
    return Switch(a, a, -a)


def sign(a: Expr) -> Expr:
    return Switch(a, sympy.Integer(1), sympy.Integer(-1))


def maximum(a: Expr, b: Expr) -> Expr:
    return Switch(a - b, a, b)


def minimum(a: Expr, b: Expr) -> Expr:
    return Switch(a - b, b, a)


def sigmoid(a: Expr) -> Expr:
    return 1 / (1 + sympy.exp(-a))


def softplus(a: Expr) -> Expr:
    return sympy.log(1 + sympy.exp(a))


def tanh(a: Expr) -> Expr:
    return (sympy.exp(2 * a) - 1) / (sympy.exp(2 * a) + 1)


def cosh(a: Expr) -> Expr:
    return (sympy.exp(a) + sympy.exp(-a)) / 2


def sinh(a: Expr) -> Expr:
    return (sympy.exp(a) - sympy.exp(-a)) / 2


def bell(a: Expr) -> Expr:
    """φ(a), the standard normal density."""
    return sympy.exp(-(a**2) / 2) / sympy.sqrt(2 * sympy.pi)


def normal(a: Expr) -> Expr:
    """Φ(a), the standard normal distribution function."""
    return (1 + sympy.erf(a / sympy.sqrt(2))) / 2


def real(name: str) -> Expr:
    """The variable called `name`. An option that is divided by or stands under a logarithm is not told apart."""
    return sympy.Symbol(name, real=True)


class Piece:
    """A piece between two cuts, with a point inside: `at` has a rational number for every variable.

    Those that are `given` have that value in the whole piece.
    """

    def __init__(self, at: Mapping[Expr, Expr], given: Mapping[Expr, Expr]) -> None:
        self.at, self.given = at, given
        self.switches: set[Expr] = set()

    def smooth(self, formula: Expr) -> Expr:
        """`formula` with every switch replaced by the side that holds here; what was decided is noted."""
        if isinstance(formula, Switch):
            decided = self.smooth(formula.args[0])
            self.switches.add(decided)
            value = decided.subs(self.at)
            if decided == 0 and len(formula.args) == 4:
                return self.smooth(formula.args[3])
            if value.is_number and value.is_comparable and value != 0:
                return self.smooth(formula.args[1] if value > 0 else formula.args[2])
            raise ValueError(f"the sign of {decided} is unknown at {self.at}")
        if isinstance(formula, Equal):
            variable, value, left, right = formula.args
            return self.smooth(left if self.given.get(variable) == value else right)
        if not formula.args:
            return self.given.get(formula, formula)
        return formula.func(*map(self.smooth, formula.args))


@dataclass
class _Branch:
    """Numbers for the variables but one, those of them that are given, in words, and the switches decided so far."""

    fixed: dict[Expr, Expr]
    given: dict[Expr, Expr]
    words: list[str]
    cut: frozenset[Expr] = frozenset()


def pieces(formulas: Sequence[Expr], variable: Expr, assumed: Expr = sympy.true) -> Iterator[tuple[str, Piece]]:
    """Each piece of `variable`'s line between the zeros of all switches of `formulas`, with its name: "x < −3".

    The other variables are numbers, different ones, but for those that an `Equal` asks for: they get every value asked
    for; and where a switch depends on others alone, one of those gets a number on each side of its zeros, unless
    `assumed` is false there. A piece on which the first formula has no value is left out.
    """
    others = sorted({s for f in formulas for s in f.free_symbols} - {variable}, key=str)
    numbers = {s: sympy.Rational(2 * i + 7, 3 * i + 5) for i, s in enumerate(others)}
    asked = sorted({e.args[:2] for f in formulas for e in f.atoms(Equal)}, key=str)
    todo = [_Branch({**numbers, s: v}, {s: v}, [f"{s} = {v}"]) for s, v in asked]
    todo.append(_Branch(numbers, {}, [f"{s} ≠ {v}" for s, v in asked]))
    while todo:
        branch = todo.pop(0)
        fixed, cut = branch.fixed, branch.cut
        line = list(_line(formulas, variable, branch))
        outside = {s for _, piece in line for s in piece.switches if s.free_symbols and variable not in s.free_symbols}
        if not outside - cut:
            for side, piece in line:
                if piece.smooth(assumed) and is_number(piece.smooth(formulas[0])):
                    yield ", ".join([*branch.words, *[side] * bool(side)]).replace("-", "−"), piece
            continue
        switch = min(outside - cut, key=str)
        symbol = min(switch.free_symbols, key=str)
        ends = {zero.subs(fixed): zero for zero in _zeros(switch, symbol)}
        sides = [
            _Branch({**fixed, symbol: at}, branch.given, [*branch.words, side], cut | {switch})
            for side, at in _between(symbol, ends, OTHER)
        ]
        allowed = [side for side in sides if Piece(side.fixed, side.given).smooth(assumed)]
        if len(allowed) == 1:  # what is assumed need not be said
            allowed[0].words = branch.words
        todo = allowed + todo


def is_number(formula: Expr) -> bool:
    """Whether a formula has a value: it has none where no condition of a text holds, or at a logarithm of 0."""
    return not formula.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)


def _line(formulas: Sequence[Expr], variable: Expr, branch: "_Branch") -> Iterator[tuple[str, Piece]]:
    """The pieces with the other variables fixed."""
    fixed = branch.fixed
    ends: dict[Expr, Expr] = {}  # where the line is cut → the same in the other variables
    known = set[Expr]()
    while True:
        found = [Piece({**fixed, variable: at}, branch.given) for _, at in _between(variable, ends)]
        smooth = [[piece.smooth(formula) for formula in formulas] for piece in found]
        new = {s for piece in found for s in piece.switches if variable in s.free_symbols} - known
        if not new:
            break
        known |= new
        zeros = [zero for s in new for zero in _zeros(s, variable)]
        ends |= {place: zero for zero in zeros if (place := zero.subs(fixed)).is_real}
    changes = [i for i in range(1, len(found)) if smooth[i - 1] != smooth[i]]  # a cut may change nothing
    order = sorted(ends)
    sides = [side for side, _ in _between(variable, {order[i - 1]: ends[order[i - 1]] for i in changes})]
    yield from zip(sides, (found[i] for i in (0, *changes)), strict=True)


@cache
def _zeros(switch: Expr, variable: Expr) -> list[Expr]:
    """Where `switch` may change its sign. n − e^r, as in max(1, e^−|z|), is left to SymPy as r = log n."""
    number, rest = switch.as_independent(variable, as_Add=True)
    factor, power = rest.as_independent(variable)
    if isinstance(power, sympy.exp):
        if not number:
            return []
        switch = power.args[0] - sympy.log(-number / factor)
    found: list[Expr] = sympy.solve(switch, variable)
    return found


def _between(variable: Expr, ends: Mapping[Expr, Expr], far: Expr = FAR) -> list[tuple[str, Expr]]:
    """Each interval between `ends`, in words, and a rational number in it that no formula has an accident at."""
    order = sorted(ends)
    if not order:
        return [("", -far)]
    inner = []
    for low, high in pairwise(order):
        steps = sympy.ceiling(4 / (high - low))
        near = [place for place in (-far, far) if low < place < high]
        at = near[0] if near else (sympy.floor(low * steps) + 2) / steps
        inner.append((f"{ends[low]} < {variable} < {ends[high]}", at))
    first, last = order[0], order[-1]
    return [
        (f"{variable} < {ends[first]}", sympy.floor(first) - far),
        *inner,
        (f"{variable} > {ends[last]}", sympy.ceiling(last) + far),
    ]


@cache
def is_zero(expression: Expr) -> bool:
    """Whether `expression` is 0 as a rational function of its variables, exponentials, logarithms and so on."""
    if not is_number(expression):
        return False
    expression = sympy.expand_log(sympy.expand(expression, power_base=False, power_exp=False), force=True)
    exponents = {e: sympy.expand(e.args[0]) for e in expression.atoms(sympy.exp)}
    terms: dict[Expr, list[Expr]] = {}
    for exponent in exponents.values():
        for term in sympy.Add.make_args(exponent):
            factor, rest = term.as_coeff_Mul()
            terms.setdefault(rest, []).append(factor)
    base = {
        rest: (sympy.Dummy(positive=True), sympy.ilcm(1, *(f.q for f in factors))) for rest, factors in terms.items()
    }

    def power(exponent: Expr) -> Expr:
        product = sympy.Integer(1)
        for term in sympy.Add.make_args(exponent):
            factor, rest = term.as_coeff_Mul()
            symbol, common = base[rest]
            product *= symbol ** (factor * common)
        return product

    rational = expression.xreplace({e: power(exponent) for e, exponent in exponents.items()})
    symbols = sorted(rational.free_symbols, key=str)
    somewhere = rational.subs({s: sympy.Rational(5 * i + 8, 3 * i + 7) for i, s in enumerate(symbols)})
    if somewhere.is_Rational and somewhere != 0:  # which needs no expansion
        return False
    return bool(sympy.expand(sympy.numer(sympy.together(rational))) == 0)


def is_derivative(slope: Expr, value: Expr, variable: Expr) -> bool:
    """Whether the smooth `slope` is ∂value/∂variable."""
    return is_zero(sympy.diff(value, variable) - slope)


def are_equal(a: Expr, b: Expr, variable: Expr, at: Mapping[Expr, Expr]) -> bool:
    """Whether two smooth formulas are equal: as rational functions; or their derivatives are, and they meet `at` a
    point, to 50 digits, which a rational function of exponentials cannot tell of logarithms."""
    if is_zero(a - b):
        return True
    return is_zero(sympy.diff(a - b, variable)) and abs((a - b).subs(at).evalf(DIGITS)) < sympy.Float(10) ** (
        2 - DIGITS
    )
