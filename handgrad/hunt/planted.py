"""A bug of the catalogue in a net's code: what is written for the learner, and what is said of it."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, ClassVar

from handgrad.bugs import BUGS, Bug, functions_of
from handgrad.hunt.copies import copy
from handgrad.hunt.lessons import LESSONS
from handgrad.hunt.nets import NETS, Net
from handgrad.hunt.task import rules, tools

if TYPE_CHECKING:
    from handgrad.hunt.drawn import Judged, Refusal


@dataclass(frozen=True)
class NetHunt:
    """The bug that a number draws for one of the nets."""

    file: ClassVar[str] = "net.py"
    faulty: ClassVar[str] = "one wrong place"

    name: str  # of the net
    number: int

    @property
    def net(self) -> Net:
        return NETS[self.name]

    @property
    def title(self) -> str:
        return self._drawn[0]

    @property
    def _drawn(self) -> "tuple[str, Refusal]":
        from handgrad.hunt.drawn import drawn  # it needs torch, which takes long to import

        return drawn(self.name, self.number)

    @property
    def bug(self) -> Bug:
        return BUGS[self.title]

    @property
    def lesson(self) -> str:
        return LESSONS[self.bug.family].lesson

    @property
    def hints(self) -> tuple[str, str, str]:
        refusal = self._drawn[1]
        return LESSONS[self.bug.family].question, str(refusal), f"It is in {self._places()}. {self._why()}"

    @property
    def symptom(self) -> str:
        from handgrad.hunt.drawn import LONG, loss

        wrong, right = (f"{loss(text):.3g}" for text in (self.planted(), self.net.code()))
        compared = f"{right}, as that of the right code" if wrong == right else f"{wrong}; the right code's is {right}"
        return f"After {LONG} steps its loss is {compared}."

    @property
    def lines(self) -> set[int]:
        """The lines of the file, from 1, that the bug is in; where a line is missing, those around the gap."""
        spans = [(start, end) for _, (start, end) in self._changes()]
        return {line for start, end in spans for line in (range(start + 1, end + 1) or (start, start + 1))}

    def planted(self) -> str:
        """The file with the bug in it."""
        return self.net.code(self.bug.edits)

    def told(self) -> str:
        """The bug, and what it teaches."""
        right, wrong = (text.splitlines() for text in (self.net.code(), self.planted()))
        lines = [f"{self.title} (in {self._places()})", ""]
        for (a, b), (c, d) in self._changes():
            lines += [f"  wrong  {line.strip()}" for line in wrong[c:d]]
            lines += [f"  right  {line.strip()}" for line in right[a:b]]
        return "\n".join([*lines, "", fill(self._why(), 100), "", fill(self.lesson, 100)])

    def task(self, key: int | str, symptom: str) -> str:
        """The page beside the file: the symptom and the tools, not the place."""
        commands = {
            "handgrad trace net.py:experiment": "a step in full, judged; --step 2 is the next one",
            "handgrad check net.py:model": "the net's gradients",
            **{f"handgrad check {_target(part)}": "a part, beside PyTorch's" for part in self.net.parts.values()},
        }
        return f"""# Bug {key}

> {symptom}

`net.py` is the hand-written code of a net and of its training step, as it is in `scratch`, but for one bug: a gradient,
a value or an update is wrong. Find it and repair it.

    {self.net}

{tools(commands)}

Read first, guess, then ask the tools: that is how you learn it. Where all checks agree, the gradients of the parts are
right: what is left is how they are put together, the optimizer and the `Trainer`, which `trace` judges.

{rules(key, self.file)}
"""

    def check(self, file: Path) -> "Judged":
        """Judge a repaired file: the first steps of its training, and the part that had the bug.

        ValueError in one line for a file that cannot be run.
        """
        from handgrad.hunt.drawn import judged

        return judged(file, self.net, self.bug)

    def _why(self) -> str:
        return f"How one comes to write it: {self.bug.why}."

    def _places(self) -> str:
        """The methods and functions of the file that have the bug."""
        owners = {
            method: f"{name}.{method.__name__}"
            for name, kind in self.net.kinds.items()
            for method in copy(kind).methods
        }
        return " and ".join(owners.get(f, f.__name__) for f in dict.fromkeys(functions_of(self.bug).values()))

    def _changes(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The stretches of lines, from and to, of the right file and of the planted one, that differ."""
        right, wrong = (text.splitlines() for text in (self.net.code(), self.planted()))
        found = SequenceMatcher(None, right, wrong, autojunk=False).get_opcodes()
        return [((a, b), (c, d)) for tag, a, b, c, d in found if tag != "equal"]


def _target(part: str) -> str:
    """What `handgrad check` is given for a part."""
    return f'"net.py:{part}" --like "torch.nn.{part}"' if "(" in part else f"net.py:{part} --like torch.nn.{part}"
