"""What reaches a terminal: text of the user's (names in a file, paths, errors) is shown and never obeyed."""

import unicodedata
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

REFRESH = 0.1  # seconds between two looks of the live progress
STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's control and format characters, halves of surrogate pairs, and separators of lines."""


def printable(text: str) -> str:
    """`text` with escapes such as \\x1b in place of what would steer a terminal; line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if character not in "\n\t" and unicodedata.category(character) in STEERING
        else character
        for character in text
    )


class Terminal(Console):
    """A console without markup or highlighting, so that [red] in a name is five characters, and all of it printable."""

    def __init__(self) -> None:
        super().__init__(markup=False, highlight=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Any]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Called where a BrokenPipeError is handled: rich would end the program with exit code 1."""
        raise


STEPS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
    TimeRemainingColumn(),
    TextColumn("{task.fields[note]}", markup=False),
)
"""The columns of the progress of a training."""


def parity(word: str) -> Text:
    """The cell of a table that says whether parity held."""
    return Text(word, style="green" if word == "held" else "bold red")
