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

import sympy

from docs.writers.proof import algebra, notation
from docs.writers.proof.algebra import Expr
from docs.writers.proof.notation import NotAFormulaError

__all__ = ["NOT_ELEMENTWISE", "NotAFormulaError", "WrongError", "prove"]

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
        self.variables: set[str] = set()
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
    names.variables = set(re.findall(r"∂value/∂(var|\w[₁₂]?) = ", doc))
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


def _equal(name: str, first: Expr, other: Expr, assumed: Expr) -> None:
    variable = algebra.real("x")
    for where, piece in algebra.pieces((first, other), variable, assumed):
        a, b = piece.smooth(first), piece.smooth(other)
        if not algebra.are_equal(a, b, variable, piece.at):
            raise WrongError(f"{name} = {b} is not {a}{_for(where)}")


def _derivative(name: str, value: Expr, slope: Expr, variable: Expr, assumed: Expr) -> Sequence[str]:
    found = []
    for where, piece in algebra.pieces((value, slope), variable, assumed):
        smooth, stated = piece.smooth(value), piece.smooth(slope)
        if not algebra.is_derivative(stated, smooth, variable):
            right = sympy.diff(smooth, variable)
            raise WrongError(f"{name} = {stated} is not the derivative of y{_for(where)}: that is {right}")
        found.append(where)
    return found


def _for(where: str) -> str:
    return f" for {where}" if where else ""
