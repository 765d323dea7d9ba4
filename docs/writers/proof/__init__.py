"""Proofs by computer algebra: each derivative that a docstring of `scratch` states is that of the formula it states.

>>> from docs.writers.proof import prove
>>> prove("y = x² for x > 0, else 0; f′ = 2x or 0.")
{'f′': ['x < 0', 'x > 0']}
>>> prove("y = x² for x > 0, else 0; f′ = x or 0.")
Traceback (most recent call last):
docs.writers.proof.WrongError: f′ = x is not the derivative of y for x > 0: that is 2*x
"""

import re
from collections.abc import Sequence
from typing import Any

import sympy

from docs.writers.proof import algebra, code, notation
from docs.writers.proof.algebra import Expr
from docs.writers.proof.notation import NotAFormulaError

__all__ = ["NOT_ELEMENTWISE", "NotAFormulaError", "WrongError", "prove", "prove_code"]

NOT_ELEMENTWISE = (
    *("LogSoftmax", "Softmax", "Softmin", "CosineEmbeddingLoss", "CrossEntropyLoss", "HalfSquaredError"),
    *("MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss"),
)
"""Activations and losses in which a number of the output depends on several of the input."""


class WrongError(AssertionError):
    """A formula that is not what its docstring says it is."""


class Names:
    """What the names in a docstring stand for: a variable, or what the docstring defines."""

    def __init__(self, doc: str) -> None:
        self.doc = doc
        self.value: Expr = None
        self.variables = set(re.findall(r"∂value/∂(var|\w[₁₂]?) = ", doc))
        """Those that are differentiated by: they stand for themselves, whatever they are defined as."""

    def __call__(self, name: str) -> Expr:
        if name == "π":
            return sympy.pi
        if name.endswith("′"):
            return sympy.diff(self(name[:-1]), algebra.real("x"))
        if name == "y" and self.value is not None:
            return self.value
        found = None if name in self.variables else notation.definition(self.doc, name, self)
        return algebra.real(name) if found is None else found


def prove(doc: str) -> dict[str, list[str]]:
    """Prove every derivative that `doc` states, piece by piece, and every further form of a value that it gives.

    Returns what was proved: the derivative's name and its pieces, none where it is one. `WrongError` where a formula is
    another than `doc` says, `NotAFormulaError` where the text cannot be read.
    """
    proved: dict[str, list[str]] = {}
    names = Names(doc)
    assumed = notation.assumption(doc, names)
    for statement in notation.statements(doc, names):
        if statement.name in ("y", "value"):
            names.value = first = notation.whole(statement.forms[0])
            for form in statement.forms[1:]:
                _equal(statement.name, first, notation.whole(form), assumed)
            continue
        if names.value is None:
            raise NotAFormulaError(f"{statement.name} is stated before the value")
        value, variable, factor = names.value, "x", sympy.Integer(1)
        if statement.name.startswith("dL/d"):  # by the chain rule g times the derivative of the value
            variable, factor = statement.name.removeprefix("dL/d"), algebra.real("g")
        elif "/∂" in statement.name:
            variable = statement.name.split("/∂")[1]
        elif statement.name != "f′":
            value = names(statement.name.removesuffix("′"))
        known = proved.setdefault(statement.name, [])
        for form in statement.forms:
            where = _derivative(statement.name, factor * value, notation.whole(form), algebra.real(variable), assumed)
            known += [piece for piece in where if piece and piece not in known]
    return proved


def prove_code(name: str, doc: str, module: Any = None) -> int:
    """Prove that forward and backward of the op `name`, as they are written, compute the value that `doc` states and
    its derivatives times the upstream gradient g. Returns how many derivatives were proved.

    `WrongError` where they do not. `module` is the file of the op, executed by `code.execute`, if not as it stands.
    """
    names = Names(doc)
    values = [notation.whole(s.forms[0]) for s in notation.statements(doc, names) if s.name in ("y", "value")]
    larger, smaller = map(algebra.real, code.ASSUMED.get(name, ("x", "x")))
    assumed = algebra.Switch(larger - smaller, sympy.true, sympy.false) if name in code.ASSUMED else sympy.true
    assumed = notation.assumption(doc, names) if assumed is sympy.true else assumed
    proved = 0
    for value, options in zip(values, code.VARIANTS.get(name, [{}]), strict=True):
        computed, slopes = code.formulas(name, module, **options)
        if name not in code.CUT_OFF:
            _equal(f"{name}.forward", value, computed, assumed)
        for variable, slope in slopes.items():
            _derivative(f"{name}.backward", algebra.real("g") * value, slope, algebra.real(variable), assumed)
            proved += 1
    return proved


NEAR = 40
"""Beyond it the code clips what would overflow, and what it computes differs by less than any last bit."""


def _equal(name: str, first: Expr, other: Expr, assumed: Expr) -> None:
    variable = algebra.real("x")
    for where, piece in algebra.pieces((first, other), variable, assumed):
        if abs(piece.at[variable]) > NEAR:
            continue
        a, b = piece.smooth(first), piece.smooth(other)
        if not algebra.are_equal(a, b, variable, piece.at):
            raise WrongError(f"{name} = {b} is not {a}{_for(where)}")


def _derivative(name: str, value: Expr, slope: Expr, variable: Expr, assumed: Expr) -> Sequence[str]:
    found = []
    for where, piece in algebra.pieces((value, slope), variable, assumed):
        if abs(piece.at[variable]) > NEAR:
            continue
        smooth, stated = piece.smooth(value), piece.smooth(slope)
        if not algebra.is_derivative(stated, smooth, variable):
            shown = f"{name} = {stated}" if algebra.is_number(stated) else f"{name}, of which nothing is said,"
            right = sympy.diff(smooth, variable)
            raise WrongError(f"{shown} is not the derivative of y{_for(where)}: that is {right}")
        found.append(where)
    if not found:
        raise WrongError(f"{name} is stated of a value that there is nowhere")
    return found


def _for(where: str) -> str:
    return f" for {where}" if where else ""
