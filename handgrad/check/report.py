"""The answer: what agrees, what does not, and how to see it again."""

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from handgrad.check.edits import Suggestion
from handgrad.check.oracles import AUTOGRAD, CENTRAL, CERTIFIED, COMPLEX, HAND, TAYLOR
from handgrad.check.subject import Case

VALUES = (HAND, AUTOGRAD, COMPLEX, CENTRAL, CERTIFIED)
HEADINGS = {HAND: "hand", AUTOGRAD: "auto", COMPLEX: "complex", CENTRAL: "central", CERTIFIED: "certif."}
EXIT = {"agree": 0, "wrong": 1, "cannot tell": 2}
COLOURS = {"agree": "#2e8b57", "wrong": "#d62728", "cannot tell": "#b8860b"}
VERSION = 1  # of the JSON: it changes where a field changes its meaning or goes
WIDTH = 120
LINES = 25
NAMED = 3  # lines of the user's code that are named
PASTE = 24  # numbers of an array that are written out


OUTPUT = "the output"
"""What a finding about the outputs, beside those of a reference, is called."""


@dataclass
class Row:
    """One oracle in the table: whether it applies, how sure it is, and with whom it agrees."""

    oracle: str
    why: str = ""
    sure: float = np.inf  # the radius of its worst number, relative to the largest of the gradient
    agrees: dict[str, bool | None] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Finding:
    """One wrong tensor: its worst number."""

    tensor: str
    case: Case
    problem: str = ""
    index: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    value: float = np.nan
    expected: float = np.nan
    radius: float = np.nan
    by: tuple[str, ...] = ()
    wrong: int = 0
    numbers: int = 0
    pattern: str = "unknown"
    limits: tuple[float, float] | None = None  # at a kink

    def lines(self) -> list[str]:
        rows = [("problem", self.problem)] if self.problem else []
        if not self.problem or self.wrong:
            place = f"{list(self.index)} of shape {self.shape}" if self.shape else "a single number"
            numbers = f"{self.wrong} of {self.numbers} numbers are wrong"
            rows += [
                ("index", f'{place}, inputs "{self.case.draw}"; {numbers}'),
                ("yours", repr(self.value)),
                ("should be", self._expectation()),
            ]
        rows.append(("pattern", self.pattern))
        return [f"  {name:<10} {text}" for name, text in rows]

    def _expectation(self) -> str:
        if self.limits is not None:
            return f"between {self.limits[0]!r} and {self.limits[1]!r}, the limits from both sides of a kink"
        return f"{self.expected!r} ± {self.radius:.2g} (says {', '.join(self.by)})"


@dataclass
class GradientCheck:
    """What `check_gradients` found. True if the gradients agree; `status` is "agree", "wrong" or "cannot tell"."""

    name: str
    kind: str
    status: str = "agree"
    table: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    numbers: int = 0
    kinks: int = 0
    unsure: int = 0
    draws: list[str] = field(default_factory=list)
    checked: dict[str, tuple[int, ...]] = field(default_factory=dict)  # the variables that were looked at: their shapes
    unseen: list[str] = field(default_factory=list)  # what the output depends on, without a gradient
    constants: list[str] = field(default_factory=list)  # and what is taken for a target or an option
    missed: list[str] = field(default_factory=list)  # lines of backward that no case reaches
    order: str = ""  # of what is returned, where it is not that of the arguments
    misled: list[str] = field(default_factory=list)  # where the reference's own gradient is wrong
    why: str = ""  # nothing can be told: the gradient is right in another meaning than its code's own
    lines: list[Suggestion] = field(default_factory=list)  # of the user's code, the likeliest first
    again: str = ""  # the inputs, and options, of the first finding as they can be pasted
    imports: list[str] = field(default_factory=list)  # lines to paste before
    op: str = "op"
    reference: str = ""

    def __bool__(self) -> bool:
        return self.status == "agree"

    @property
    def contradicts(self) -> bool:
        """Whether the table denies that the gradients agree: differences, bounds or the remainder leave the hand's."""
        hand = next((row for row in self.table if row.oracle == HAND), Row(HAND))
        rows = {row.oracle: row for row in self.table}
        backed = any(
            hand.agrees.get(oracle) and rows[oracle].agrees.get(CENTRAL) is False
            for oracle in (AUTOGRAD, COMPLEX, CERTIFIED)
        )
        left = hand.agrees.get(CENTRAL) is False or any(
            row.oracle == TAYLOR and row.text.endswith("differs") for row in self.table
        )
        return hand.agrees.get(CERTIFIED) is False or (left and not backed)

    @property
    def other_output(self) -> bool:
        """Whether an output is not the reference's."""
        return any(finding.tensor == OUTPUT for finding in self.findings)

    @property
    def exit_code(self) -> int:
        return EXIT[self.status]

    def render(self) -> str:
        """At most 25 lines."""
        lines = [f"{self._title()}{self._looked_at()}"]
        for finding in self.findings[:1]:
            lines += finding.lines()
        if rest := [f.tensor for f in self.findings[1:] if f.tensor != self.findings[0].tensor]:
            lines.append(f"  {'also wrong':<10} {', '.join(dict.fromkeys(rest))}")
        lines += self._suggested()
        table = self._table()
        tail = ["  see it again:", *(f"    {line}" for line in self._command())] if self.again else []
        room = LINES - len(lines) - len(table) - len(tail)
        remarks = [f"  note       {text}" for text in self.remarks]
        if len(remarks) > room:
            remarks = [*remarks[: room - 1], f"  note       and {len(remarks) - room + 1} more"]
        lines = [s if len(s) <= 4 * WIDTH else f"{s[: 4 * WIDTH]} …" for s in lines + remarks + table]
        return "\n".join(lines + tail)  # of which nothing is cut: it is pasted

    __str__ = __repr__ = render

    def _repr_html_(self) -> str:
        """The same text in a notebook, with the verdict in colour."""
        title, _, rest = self.render().partition("\n")
        return f'<b style="color: {COLOURS[self.status]}">{escape(title)}</b><pre>{escape(rest)}</pre>'

    def _command(self) -> list[str]:
        reference = f", reference={self.reference}" if self.reference else ""
        imports = dict.fromkeys(["import numpy as np", "from handgrad import check_gradients", *self.imports])
        return ["; ".join(imports), f"print(check_gradients({self.op}, {self.again}{reference}))"]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON; docs/check_json.md has the fields."""
        return {
            "version": VERSION,
            "passed": bool(self),
            "name": self.name,
            "kind": self.kind,
            "status": self.status,
            "numbers": self.numbers,
            "kinks": self.kinks,
            "cannot_tell": self.unsure,
            "checked": {name: list(shape) for name, shape in self.checked.items()},
            "not_checked": self.unseen + self.constants,
            "inputs": self.draws,
            "oracles": [
                {
                    "oracle": row.oracle,
                    "applies": not row.why,
                    "why_not": row.why,
                    "relative_uncertainty": _finite(row.sure),
                    "agrees_with": row.agrees,
                    "result": row.text,
                }
                for row in self.table
            ],
            "findings": [
                {
                    "tensor": f.tensor,
                    "inputs": f.case.draw,
                    "problem": f.problem,
                    "index": list(f.index),
                    "value": _finite(f.value),
                    "expected": _finite(f.expected),
                    "radius": _finite(f.radius),
                    "wrong": f.wrong,
                    "numbers": f.numbers,
                    "oracles": list(f.by),
                    "pattern": f.pattern,
                }
                for f in self.findings
            ],
            "lines": [
                {"file": s.file, "line": s.line, "code": s.code, "edit": s.edit, "rights": list(s.rights)}
                for s in self.lines
            ],
            "notes": self._beside() + self.remarks,
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def _suggested(self) -> list[str]:
        """The likeliest lines, three at most: suggestions, and no proof."""
        rows = []
        for number, s in enumerate(self.lines[:NAMED]):
            every = f"{', '.join(s.rights)}, not all, would be right" if s.rights else "every gradient would be right"
            rows += [("or" if number else "likeliest", f"{s.place}"), ("", f"with  {s.edit}  {every}")]
        if self.lines[NAMED:]:
            rows.append(("", f"and {len(self.lines) - NAMED} more lines, each alone"))
        return [f"  {name:<10} {text}" for name, text in rows]

    def _title(self) -> str:
        head = f"{self.name} ({self.kind})"
        if self.findings:
            return f"{head}: WRONG, {self.findings[0].tensor}"
        counts = f"{self.numbers:,} numbers" + (f", {self.kinks} at kinks" if self.kinks else "")
        counts += f", {self.unsure} cannot be told" if self.unsure else ""
        if self.status == "agree":
            return f"{head}: the gradients agree ({counts})"
        return f"{head}: CANNOT TELL{f', {self.why}' if self.why else ''} ({counts})"

    def _beside(self) -> list[str]:
        """What a verdict does not claim: branches that no case took, and an order that names alone say."""
        lines = f"line{'s' if len(self.missed) > 1 or '–' in ''.join(self.missed) else ''} {_few(self.missed)}"
        return [f"NOT run: {lines} (give inputs that go there)"] * bool(self.missed) + [self.order] * bool(self.order)

    def _looked_at(self) -> str:
        """What was checked, by name and shape, and what was not."""
        text = f"; checked {_few([f'{n} {s}' for n, s in self.checked.items()])}" if self.checked else ""
        if self.unseen:
            text += f"; NOT checked: {_few(self.unseen)} (no gradient found)"
        if self.constants:
            text += f"; NOT checked: {_few(self.constants)} (taken for a constant)"
        text += "".join(f"; {said}" for said in self._beside())
        return text

    def _table(self) -> list[str]:
        if not self.table:
            return []
        names = [row.oracle for row in self.table if row.oracle in VALUES and not row.why]
        head = "".join(f"{HEADINGS[name]:>9}" for name in names)
        lines = [f"  {'oracle':<19}{'sure to':>9}{head}"]
        for row in self.table:
            if row.why:
                lines.append(f"  {row.oracle:<19} does not apply: {_short(row.why)}")
            elif row.oracle == TAYLOR:
                lines.append(f"  {row.oracle:<19}{row.sure:>9.0e}  {row.text}")
            else:
                cells = "".join(f"{_cell(row, name):>9}" for name in names)
                sure = f"{row.sure:>9.0e}" if np.isfinite(row.sure) else f"{'—':>9}"
                lines.append(f"  {row.oracle:<19}{sure}{cells}")
        return lines


MANY = 8  # names in the first line


def _few(names: list[str]) -> str:
    return ", ".join(names[:MANY]) + (f" and {len(names) - MANY} more" if names[MANY:] else "")


def _cell(row: Row, name: str) -> str:
    if row.oracle == name:
        return "·"
    return {True: "=", False: "≠", None: "?"}[row.agrees.get(name)]


def _short(text: str) -> str:
    return text if len(text) <= 90 else f"{text[:89]}…"


def _finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def written(array: Any) -> str:
    """An array as it can be pasted into Python."""
    a = np.asarray(array)
    text = " ".join(repr(a.tolist()).split())
    return f"np.array({text})" if a.dtype.kind in "iu" or a.dtype == np.float64 else f"np.array({text}, np.{a.dtype})"
