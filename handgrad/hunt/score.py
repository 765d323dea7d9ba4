"""The score of a hunt: what was asked and guessed on the way, kept beside its task, and the points for it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from handgrad.errors import BadInputError, refusing
from handgrad.files import write_text
from handgrad.hunt import HUNTS, Hunt, NetHunt, find
from handgrad.rules import COUNT, TRUTH, Rule
from handgrad.stored import load

FILE = "hunt.json"
MOST = 10
"""Points for a bug that is found at the first guess and without a hint."""

NAME: Rule = (lambda value: isinstance(value, str) or COUNT[0](value), "a bug's name")
SHAPE = {"hunt": NAME, "hint": COUNT, "wrong": COUNT, "story": TRUTH, "found": TRUTH}


@dataclass(frozen=True)
class Score:
    """One hunt so far. What is asked or guessed after the bug was found counts no more."""

    hunt: int | str  # a number, or of a net as in classifier-7
    hint: int = 0  # the last one that was read: 3 gives more away than 1
    wrong: int = 0  # guesses
    story: bool = False  # the answer was read
    found: bool = False

    @property
    def points(self) -> int:
        """1 at least for a bug that was found; none for one whose answer was read before, or that is not found."""
        if self.story or not self.found:
            return 0
        return max(1, MOST - 2 * self.hint - self.wrong)

    def after(self, hint: int = 0, wrong: int = 0, story: bool = False, found: bool = False) -> "Score":
        if self.found:
            return self
        more = {"hint": max(hint, self.hint), "wrong": self.wrong + wrong}
        return replace(self, **more, story=story or self.story, found=found)

    def text(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def scores(folder: Path = Path()) -> tuple[dict[Path, Score], list[str]]:
    """The hunts in a folder and in those right below it, and what is wrong with each file that is no score."""
    found, broken = {}, []
    for path in sorted([*folder.glob(FILE), *folder.glob(f"*/{FILE}")]):
        try:
            score = Score(**{name: value for name, value in load(path, SHAPE).items() if name in SHAPE})
            find(str(score.hunt))
        except (OSError, ValueError, BadInputError) as error:
            broken.append(f"{path} is no score of a hunt: {error}")
        else:
            found[path] = score
    return found, broken


def count(hunt: int | str, folder: Path = Path(), *, below: bool = True, **more: Any) -> list[Score]:
    """Write what happened to the scores of that bug in a folder, and `below` it; gives them as they are then.

    BadInputError where there is none, but a file that is no score and may have been it.
    """
    found, broken = scores(folder)
    kept = {path: score for path, score in found.items() if score.hunt == hunt}
    kept = {path: score.after(**more) for path, score in kept.items() if below or path.parent == folder}
    if broken and not kept:
        raise BadInputError("; ".join(broken))
    for path, score in kept.items():
        with refusing(str(path), kinds=()):
            write_text(path, score.text())
    return list(kept.values())


def table(found: Sequence[Score]) -> list[str]:
    """The hunts that were begun, what they came to, and what is left, line by line. No answer is given away."""
    rows = ["          bug  points  hint  wrong guesses"]
    for score in sorted(found, key=lambda score: (isinstance(score.hunt, str), score.hunt)):
        words = _words(score, find(str(score.hunt))[1])
        rows.append(f"{score.hunt:>13}  {score.points:>6}  {score.hint or '–':>4}  {score.wrong:>13}  {words}")
    points: dict[int | str, int] = {}
    for score in found:
        if score.found:  # begun twice: the second time it was known, so the lower one counts
            points[score.hunt] = min(score.points, points.get(score.hunt, MOST))
    published, drawn = ([p for hunt, p in points.items() if isinstance(hunt, kind)] for kind in (int, str))
    rows += ["", f"{len(published)} of {len(HUNTS)} found: {sum(published)} of {MOST * len(HUNTS)} points"]
    if left := [number for number in range(1, len(HUNTS) + 1) if number not in points]:
        rows.append(f"left: {_ranges(left)}")
    begun = {score.hunt for score in found if isinstance(score.hunt, str)}
    if begun:
        rows.append(f"{len(drawn)} of {len(begun)} in nets found: {sum(drawn)} of {MOST * len(begun)} points")
    return rows


def _words(score: Score, hunt: Hunt | NetHunt) -> str:
    """What became of a hunt. That of a net is not drawn again for it: its title is not said."""
    words = "answer read" if score.story else "found" if score.found else "not found yet"
    if isinstance(hunt, NetHunt):
        return words
    return f"{words}: {hunt.title if score.story or score.found else hunt.symptom}"


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 as "1 to 3, 5"."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
