"""Every derivative in the docstring of an elementwise op is proved, by computer algebra, between its kinks."""

import doctest

import pytest

from docs.writers import proof
from docs.writers.dictionary import pages
from docs.writers.dictionary.__main__ import proved
from docs.writers.proof import NOT_ELEMENTWISE, NotAFormulaError, WrongError, notation, prove, prove_code
from docs.writers.proof.code import CUT_OFF, NOT_RUN, execute
from handgrad.dictionary import entries, measurements
from handgrad.dictionary.source import ROOT

ENTRIES = {e.name: e for e in entries() if e.family in ("Activations", "Losses")}
DOCS = {name: entry.doc for name, entry in ENTRIES.items() if name not in NOT_ELEMENTWISE}
MEASURED = measurements()


@pytest.mark.parametrize("name", DOCS)
def test_the_derivative_is_that_of_the_formula(name):
    """… by every input that there is; and the page says so."""
    found = proved(ENTRIES[name])
    assert found == MEASURED[name]["proved"], "run: make dictionary"
    inputs = {"GLU": 2, "SwiGLU": 2, "PReLU": 2, "MarginRankingLoss": 2, "GaussianNLLLoss": 2}.get(name, 1)
    assert len([name for name in found if name not in ("v′", "the code of backward")]) == inputs
    assert ("the code of backward" in found) == (name not in NOT_RUN)
    page = (pages.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert "**Derivative proved by computer algebra**" in page


def test_the_example_of_the_module():
    assert doctest.testmod(proof) == (0, 3)


UNREADABLE = {
    "a formula that breaks off": "y = x² + ; f′ = 2x.",
    "another sentence": "y = x² times two; f′ = 2x.",
    "no value": "f′ = 2x.",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_not_passed_over(name):
    with pytest.raises(NotAFormulaError):
        prove(UNREADABLE[name])


def test_other_signs_of_an_option_and_other_values_are_proved_too():
    """A formula that is right for a > 0 alone, and for t = 1 alone."""
    assert prove("y = a|x|; f′ = a sign x.") == {"f′": ["x < 0", "x > 0"]}
    with pytest.raises(WrongError, match="for a < 0"):
        prove("y = |a|x; f′ = a.")
    with pytest.raises(WrongError, match="for t = −1"):
        prove("value = x where t = 1, 2x where t = −1. ∂value/∂x = 1.")
    with pytest.raises(WrongError, match="of which nothing is said, is not the derivative of y for x < 0"):
        prove("y = x for x > 0, 2x otherwise; f′ = 1 for x > 0.")
    with pytest.raises(WrongError, match="nowhere"):
        prove("value = x/(1 − 1); ∂value/∂x = 7.")
    with pytest.raises(WrongError, match=r"y = 2\*x is not x"):
        prove("y = x = 2x; f′ = 1.")


def test_what_is_not_elementwise_is_an_op():
    assert set(NOT_ELEMENTWISE) < set(ENTRIES)
    assert not any(MEASURED[name]["proved"] for name in NOT_ELEMENTWISE)


def planted(doc):
    """The docstring with one derivative wrong: each of its pieces doubled, and the sign of each turned."""
    for statement in notation.statements(doc, proof.Names(doc)):
        if statement.name not in ("y", "value", "v′"):
            for part in [part for form in statement.forms for part in form if part.formula != 0]:
                before, after = doc[: part.begin], doc[part.begin :]
                negative = after.startswith("−")
                yield f"{before}−2·{after[1:]}" if negative else f"{before}2·{after}"
                yield f"{before}{after[1:]}" if negative else f"{before}−{after}"


@pytest.mark.parametrize("name", DOCS)
def test_a_planted_error_is_caught(name):
    for doc in planted(DOCS[name]):
        with pytest.raises(WrongError, match="is not the derivative"):
            prove(doc)


SLIPS = {  # a line of the code, and the same with a mistake
    "ReLU": ("zero_where(y <= 0, grad_output)", "zero_where(y < 0, grad_output)"),
    "SiLU": ("(1 + z * rest)", "(1 - z * rest)"),
    "GELU": ("np.where(z < 0, d, 1 - d)", "np.where(z < 0, d, d)"),
    "Tanh": ("(1 + y * (2 + y))", "(1 + y * y)"),
    "Mish": ("(root * root)", "root"),
    "ELU": ("alpha * np.exp(not_positive(x))) * grad_output", "np.exp(not_positive(x))) * grad_output"),
    "Softshrink": ("zero_where(small, grad_output)", "grad_output"),
    "GLU": ("(s * sigmoid(-b)) * a", "s * a"),
    "PReLU": ("terms = np.asarray(zero_where(x > 0, x)", "terms = np.asarray(zero_where(x < 0, x)"),
    "HuberLoss": ("np.clip(d, -delta, delta))", "np.clip(d, -1, 1))"),
    "BCEWithLogitsLoss": ("(positive + 1 - target) * sigmoid(x)", "positive * sigmoid(x)"),
    "SoftMarginLoss": ("u * -target * sigmoid", "u * target * sigmoid"),
    "PoissonNLLLoss": ("1 - target / (rate + eps)", "1 - target / rate"),
    "GaussianNLLLoss": ("(1 / v - d * d / v / v) / 2", "(1 / v - d * d / v) / 2"),
    "MarginRankingLoss": ("return -grad2, grad2", "return grad2, grad2"),
    "LogCoshLoss": ("np.log1p(h * h) / 2", "np.log1p(h * h)"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_in_the_code_is_caught(name):
    entry, (line, slip) = ENTRIES[name], SLIPS[name]
    source = (ROOT / entry.path).read_text(encoding="utf-8")
    own = source.partition(f"class {name}(")[2]
    assert line in own
    changed = execute(entry.op.__module__, source.replace(own, own.replace(line, slip, 1)))
    with pytest.raises(WrongError, match=rf"{name}\.(forward|backward) = "):
        prove_code(name, entry.doc, changed)


def test_the_exceptions_are_needed():
    """A clamp has no derivative where a logarithm has none, and a continued fraction that is cut off is not tanh."""
    assert NOT_RUN == {"BCELoss": NOT_RUN["BCELoss"]}
    with pytest.raises(ValueError, match="the sign of"):
        prove_code("BCELoss", DOCS["BCELoss"])
    assert set(CUT_OFF) == {"Tanhshrink"}
