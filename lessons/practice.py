"""Predict first, then write: a question and a class with a hole, both answered by computation."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import marimo as mo
import notebook
import numpy as np

from handgrad import check_gradients
from handgrad.check import GradientCheck
from handgrad.dictionary import find


def guessed(text: str, looks: Mapping[str, float], hint: str) -> str:
    """What a guess is: two digits are compared with `looks`, the answer and the slips by what they are."""
    try:
        given = float(text)
    except ValueError:
        return hint
    near = min(looks, key=lambda name: abs(looks[name] - given))
    fits = f"{given:.2g}" == f"{looks[near]:.2g}"
    return f"{given:g} is {near}" if fits else f"{given:g} is not it, nor a slip that is known here"


def judged(code: str, name: str, *inputs: Any) -> GradientCheck | str:
    """What the check says of the class that stands in a text, or what its code raised."""
    space: dict[str, Any] = {"np": np}
    try:
        exec(code, space)
        return check_gradients(space[name], inputs, dtype="float64")
    except Exception as error:  # of the reader's own code: it is shown
        return f"{type(error).__name__}: {error}"


def looked_up(*names: str) -> str:
    """Each op's formula from the dictionary, and its code to open; `handgrad explain` shows the whole page."""
    parts = []
    for entry in map(find, names):
        code = "\n\n".join(code.text for code in entry.code())
        where = f"<small><code>handgrad explain {entry.name}</code>, <code>{entry.path}</code></small>"
        title = f"<b>{entry.name}</b>: {escape(entry.formula)} {where}"
        parts.append(f"<details><summary>{title}</summary>{notebook.said(code, good=True)}</details>")
    return "".join(parts)


@dataclass(frozen=True)
class Practice:
    """One question and one exercise of a lesson."""

    looks: Mapping[str, float]  # the answer, then the slips, by what they are
    hint: str  # until there is a guess
    ops: tuple[str, ...]  # to look up
    start: str  # a class whose backward raises NotImplementedError
    fill: str  # what belongs in the place of that line, …
    slip: str  # … and what is often written there
    inputs: tuple[Any, ...]  # that it is checked with

    @property
    def hole(self) -> str:
        return next(line for line in self.start.splitlines() if "NotImplementedError" in line)

    def filled(self, text: str) -> str:
        """The class with the line `text`, or several, in its hole."""
        indent = " " * (len(self.hole) - len(self.hole.lstrip()))
        return self.start.replace(self.hole, "\n".join(indent + line for line in text.splitlines()))

    def asked(self, label: str) -> tuple[Any, Any]:
        """Where the guess and the class are typed."""
        return mo.ui.text(label=label), mo.ui.code_editor(self.start, language="python", label="your class")

    def judge(self, code: str) -> GradientCheck | str:
        return judged(code, self.start.split()[1].rstrip(":"), *self.inputs)

    def shown(self, guess: str, code: str) -> mo.Html:
        """What becomes of a guess and of the reader's code; the answers, to open; and the ops."""
        found, answer = self.judge(code), next(iter(self.looks))
        slip = str(self.judge(self.filled(self.slip)))
        return notebook.show(
            f"<p>{escape(guessed(guess, self.looks, self.hint))}</p>",
            notebook.said(str(found), good=getattr(found, "status", "") == "agree"),
            "<details><summary>See the answers</summary>",
            f"<p>{escape(f'{self.looks[answer]:g} is {answer}')}</p>",
            notebook.said(self.fill, good=True),
            f"<p>Often written, and what the check says then:</p>{notebook.said(self.slip)}{notebook.said(slip)}",
            "</details>",
            looked_up(*self.ops),
        )

    def kept(self) -> dict[str, bool]:
        """What a lesson promises with it."""
        said = {name: guessed(f"{value:.3g}", self.looks, self.hint) for name, value in self.looks.items()}
        verdicts = [self.judge(self.filled(text)) for text in (self.fill, self.slip)]
        return {
            "a right guess is called right, and each slip by its name": all(
                text.endswith(f" is {name}") for name, text in said.items()
            ),
            "the class with a hole is told so; filled it is right, with the usual slip WRONG": [
                getattr(verdict, "status", "") for verdict in verdicts
            ]
            == ["agree", "wrong"]
            and "NotImplementedError" in str(self.judge(self.start)),
        }
