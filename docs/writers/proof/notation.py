"""The formulas in the docstrings of `scratch`, read as mathematics.

    y = x for x > 0, α(eˣ − 1) otherwise; f′ = 1 or α eˣ, and α at the kink

A statement is a name, = and a formula, or several that are equal: `y = A = B`. A formula may be cut in pieces: "A for
x > 0, B otherwise" or "A where |d| < β, else B"; "A or B" has the pieces of the value before it. It ends where the text
goes on with what is no formula. `e` is Euler's number with an exponent, and else what the docstring defines, as any
other letter may be: "with d = x − t". What is defined nowhere is a variable.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sympy

from docs.writers.proof import algebra
from docs.writers.proof.algebra import Equal, Expr, Switch

FUNCTIONS: dict[str, Callable[..., Expr]] = {
    "log": sympy.log,
    "tanh": algebra.tanh,
    "cosh": algebra.cosh,
    "sinh": algebra.sinh,
    "sign": algebra.sign,
    "softplus": algebra.softplus,
    "σ": algebra.sigmoid,
    "Φ": algebra.normal,
    "φ": algebra.bell,
    "max": algebra.maximum,
    "min": algebra.minimum,
}
WORDS = ("threshold", "value", "min_val", "max_val", "var", "w_c")
"""Names of more than one letter."""

LATIN = re.compile(r"\s*([a-zA-Z_]{2,})")
SHORT = ("or", "is", "as", "at", "in", "of", "so", "if", "by", "to", "it")
"""Words of two letters that are no product."""

SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴ˣᵗ", "−01234xt")
COMPARISONS = ("≤", "<", "≥", ">", "=")
TOKEN = re.compile(
    rf"(?P<gap>\s*)(?:(?P<name>{'|'.join([*WORDS, *FUNCTIONS])}|[a-zA-Zα-ωΔΛ][₁₂]?)|(?P<number>\d+(?:\.\d+)?|½)"
    rf"|(?P<power>[{'⁻⁰¹²³⁴ˣᵗ'}]+)|(?P<other>[-−+·⊙/^(){{}}|√′`,<>=≤≥]))"
)


class NotAFormulaError(ValueError):
    """The text is no formula, or stops being one."""


@dataclass
class Reader:
    """A recursive descent over `text` from `at` on. `meaning` gives what a name stands for."""

    text: str
    meaning: Callable[[str], Expr]
    at: int = 0
    bars: int = 0  # how many |…| are open inside of the last bracket

    def peek(self) -> re.Match[str] | None:
        return TOKEN.match(self.text, self.at)

    def take(self, *words: str) -> str:
        """The next token or word if it is one of `words`, else nothing."""
        for word in words:
            match = re.compile(rf"\s*{re.escape(word)}" + (r"\b" if word.isalpha() else "")).match(self.text, self.at)
            if match:
                self.at = match.end()
                return word
        return ""

    def need(self, word: str) -> None:
        if not self.take(word):
            raise NotAFormulaError(f"{word!r} is missing before {self.text[self.at : self.at + 20]!r}")

    def sum(self) -> Expr:
        total = self.product()
        while sign := self.take("+", "−"):
            term = self.product()
            total = total + term if sign == "+" else total - term
        return total

    def product(self) -> Expr:
        if self.take("−"):
            return -self.product()
        result = self.factor()
        while True:
            if self.take("/"):
                result = result / self.factor()
            elif self.take("·", "⊙") or self.begins():
                result = result * self.factor()
            else:
                return result

    def begins(self) -> bool:
        """Whether another factor follows without a sign: x σ(x), 2x, e |y|."""
        match = self.peek()
        if match is None or match["power"]:
            return False
        if match["other"]:
            return match["other"] in "(√`" or (match["other"] == "|" and not self.bars)
        if match["name"] is None:
            return True
        return not self.is_word()

    def is_word(self) -> bool:
        """Whether a word of the language comes next, and no letters that are multiplied."""
        word = LATIN.match(self.text, self.at)
        return word is not None and word[1] not in (*FUNCTIONS, *WORDS) and (len(word[1]) > 2 or word[1] in SHORT)

    def factor(self) -> Expr:
        result = self.atom()
        while (match := self.peek()) is not None and match["power"]:
            self.at = match.end()
            result = result ** self._power(match["power"])
        if self.take("^"):
            result = result ** self.exponent()
        return result

    def _power(self, text: str) -> Expr:
        return Reader(text.translate(SUPERSCRIPTS), self.meaning).sum()

    def exponent(self) -> Expr:
        """{…}, or what stands together: e^−2|x|."""
        if self.take("{"):
            return self.inside("}")
        sign = -1 if self.take("−") else 1
        result = self.atom()
        while (
            (match := self.peek()) is not None and not match["gap"] and (match["name"] or match["other"] in ("|", "("))
        ):
            if match["other"] == "|" and self.bars:
                break
            result = result * self.atom()
        return sign * result

    def inside(self, closing: str) -> Expr:
        bars, self.bars = self.bars, 0
        result = self.sum()
        self.need(closing)
        self.bars = bars
        return result

    def atom(self) -> Expr:
        match = self.peek()
        if match is None or self.is_word():
            raise NotAFormulaError(f"no formula: {self.text[self.at : self.at + 20]!r}")
        self.at = match.end()
        if match["number"]:
            return sympy.Rational(1, 2) if match["number"] == "½" else sympy.Rational(match["number"])
        if match["name"]:
            return self.name(match["name"])
        if match["other"] == "(":
            return self.inside(")")
        if match["other"] == "`":
            result = self.atom()
            self.need("`")
            return result
        if match["other"] == "√":
            return sympy.sqrt(self.atom())
        if match["other"] == "|":
            self.bars += 1
            result = self.sum()
            self.need("|")
            self.bars -= 1
            return algebra.absolute(result)
        raise NotAFormulaError(f"no formula: {match[0]!r}")

    def name(self, name: str) -> Expr:
        if name == "e":
            match = self.peek()
            if match is not None and (match["power"] or match["other"] == "^"):
                self.at = match.end()
                return sympy.exp(self._power(match["power"]) if match["power"] else self.exponent())
        prime = self.take("′")
        if name not in FUNCTIONS:
            return self.meaning(name + prime)
        match = self.peek()
        power = None
        if match is not None and match["power"]:
            self.at, power = match.end(), self._power(match["power"])
        if self.text[self.at : self.at + 1] == "(":
            self.at += 1
            bars, self.bars = self.bars, 0
            arguments = [self.sum()]
            while self.take(","):
                arguments.append(self.sum())
            self.need(")")
            self.bars = bars
        else:
            arguments = [self.factor()]
        if prime:
            z = sympy.Dummy(real=True)
            result = sympy.diff(FUNCTIONS[name](z), z).subs(z, *arguments)
        else:
            result = FUNCTIONS[name](*arguments)
        return result if power is None else result**power

    def condition(self) -> Callable[[Expr, Expr], Expr]:
        """`x > 0`, `−λ ≤ x ≤ λ`, `t = 1 and x > Δ`: what chooses between two formulas."""
        chosen: list[Callable[[Expr, Expr], Expr]] = []
        while True:
            left, found = self.sum(), False
            while sign := self.take(*COMPARISONS):
                right, found = self.sum(), True
                chosen.append(_comparison(left, sign, right))
                left = right
            if not found:
                raise NotAFormulaError("no condition")
            place = self.at
            if not self.take("and"):
                break
            try:
                Reader(self.text, self.meaning, self.at).condition()
            except NotAFormulaError:
                self.at = place
                break

        def choose(yes: Expr, no: Expr) -> Expr:
            for condition in reversed(chosen):
                yes = condition(yes, no)
            return yes

        return choose


def _comparison(left: Expr, sign: str, right: Expr) -> Callable[[Expr, Expr], Expr]:
    if sign == "=":
        return lambda yes, no: Equal(left, right, yes, no)
    over = left - right if sign in "≥>" else right - left
    return lambda yes, no: Switch(over, yes, no)


Condition = Callable[[Expr, Expr], Expr]


@dataclass
class Part:
    """One piece of a formula, where in the text it begins, and its condition; None is "else"."""

    formula: Expr
    begin: int
    condition: Condition | None = None


@dataclass
class Statement:
    """`name = forms[0] = forms[1] …`, each in its pieces."""

    name: str
    forms: list[list[Part]] = field(default_factory=list)


def whole(parts: list[Part]) -> Expr:
    """The pieces as one expression; it is no number where no condition holds."""
    result = sympy.nan
    for part in reversed(parts):
        result = part.formula if part.condition is None else part.condition(part.formula, result)
    return result


def read_formula(reader: Reader, before: list[Part]) -> list[Part]:
    """One formula in its pieces; those of `before` give the conditions of "A or B"."""
    parts = [_piece(reader)]
    if parts[0].condition is None:
        conditions = [part.condition for part in before]
        while len(parts) < len(conditions) and (more := _attempt(reader, (",", "or"), _bare)) is not None:
            parts.append(more)
        if len(parts) == len(conditions):
            return [Part(p.formula, p.begin, c) for p, c in zip(parts, conditions, strict=True)]
        return parts
    while parts[-1].condition is not None and (more := _attempt(reader, (",", "and"), _piece)) is not None:
        parts.append(more)
    return parts


def _bare(reader: Reader) -> Part:
    begin = len(reader.text) - len(reader.text[reader.at :].lstrip())
    return Part(reader.sum(), begin)


def _piece(reader: Reader) -> Part:
    """ "A for x > 0", "else A", "A otherwise", or the only piece."""
    otherwise = reader.take("else")
    part = _bare(reader)
    if not otherwise and reader.take("for", "where"):
        part.condition = reader.condition()
    elif not otherwise:
        reader.take("otherwise", "elsewhere")
    return part


def _attempt(reader: Reader, words: tuple[str, ...], read: Callable[[Reader], Part]) -> Part | None:
    """What `read` finds after one of `words`; None, and the reader stays, where the sentence goes on otherwise."""
    place, bars = reader.at, reader.bars
    if reader.take(*words):
        try:
            return read(reader)
        except NotAFormulaError:
            reader.at, reader.bars = place, bars
    return None


NAMES = r"y|value|[a-z]′|∂value/∂(?:var|\w[₁₂]?)|∂y/∂(?:w_c|\w)|dL/d\w(?:_c)?"
STATEMENT = re.compile(rf"(?<![\w`/∂])(?P<name>{NAMES}) = (?![−-]?Σ)")
END = re.compile(r"\s*(?:$|[.;:,]|(?:and|with)\b)|\s\s+")


def statements(doc: str, meaning: Callable[[str], Expr]) -> Iterator[Statement]:
    """Every statement of a docstring about its value and derivatives, in its order.

    Sums over several numbers, which begin with Σ, are left out. NotAFormulaError for text that is no formula.
    """
    before: list[Part] = []
    for match in STATEMENT.finditer(doc):
        statement = Statement(match["name"])
        is_value = statement.name in ("y", "value")
        paragraph = doc[: match.end()] + doc[match.end() :].partition("\n\n")[0]
        reader = Reader(paragraph, meaning, match.end())
        while True:
            statement.forms.append(read_formula(reader, [] if is_value else before))
            if not reader.take("="):
                break
        if not END.match(paragraph, reader.at):
            shown = " ".join(doc[match.start() : reader.at + 20].split())
            raise NotAFormulaError(f"{shown!r} does not end as a formula")
        if is_value:
            before = statement.forms[0]
        yield statement


def definition(doc: str, name: str, meaning: Callable[[str], Expr]) -> Expr | None:
    """What a docstring defines `name` as: "with d = x − t"; None if it does not."""
    match = re.search(rf"(?:\b[Ww]ith|\band|,)\s+{re.escape(name)} = (?!Σ)", doc)
    if match is None:
        return None
    reader = Reader(doc, meaning, match.end())
    return whole(read_formula(reader, []))


def assumption(doc: str, meaning: Callable[[str], Expr]) -> Expr:
    """What is demanded of the options: "Raises ValueError unless min_val < max_val", "Raises ValueError for δ ≤ 0"."""
    match = re.search(r"Raises ValueError (unless|for)(?= \w+ [<>≤≥] )", doc)
    if match is None:
        return sympy.true
    holds = (sympy.true, sympy.false) if match[1] == "unless" else (sympy.false, sympy.true)
    return Reader(doc, meaning, match.end()).condition()(*holds)
