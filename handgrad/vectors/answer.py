"""The judge's answer for a file."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from handgrad.errors import BadInputError
from handgrad.judge.verdict import Failure, Verdict
from handgrad.vectors.case import Array, Case, read
from handgrad.vectors.reference import reference

VERSION = 1
"""Of what `to_json` gives: it changes where a field changes its meaning or goes."""

COUNTS = ("new_step", "new_num_batches_tracked")

MOST = 3
"""Failures that the text shows."""


@dataclass(frozen=True)
class Judged:
    """One case: what of it was judged, which answers of the op it does not have, and the verdict."""

    case: Case
    judged: Sequence[str]
    not_given: Sequence[str]
    verdict: Verdict


@dataclass(frozen=True)
class Answer:
    """What the judge says of a file. `exit_code` is 0 where every number held, else 1."""

    path: Path
    cases: Sequence[Judged]

    @property
    def passed(self) -> bool:
        return all(judged.verdict.held for judged in self.cases)

    @property
    def exit_code(self) -> int:
        return 0 if self.passed else 1

    @property
    def total(self) -> Verdict:
        """All cases' counts."""
        verdicts = [judged.verdict for judged in self.cases]
        numbers, skipped = (sum(getattr(v, name) for v in verdicts) for name in ("numbers", "skipped"))
        return Verdict(str(self.path), numbers, skipped, max(v.worst for v in verdicts))

    def render(self) -> str:
        """The verdict in one line, what was judged and what was not, and the first failures."""
        wrong = [judged for judged in self.cases if not judged.verdict.held]
        total, cases = self.total, f"{len(self.cases)} case{'s' * (len(self.cases) != 1)}"
        numbers = f"{total.numbers:,} numbers, {total.skipped_text} skipped"
        names = ", ".join(dict.fromkeys(judged.case.op for judged in self.cases))
        if wrong:
            lines = [f"{self.path}: {names} is WRONG in {len(wrong)} of {cases} ({numbers})"]
        else:
            lines = [f"{self.path}: {names} held in {cases} ({numbers}, worst error {total.worst:.2g} of its bound)"]
        for title, field in (("judged", "judged"), ("not given", "not_given")):
            found = Counter(name for judged in self.cases for name in getattr(judged, field))
            if texts := [name if n == len(self.cases) else f"{name} ({n} of {cases})" for name, n in found.items()]:
                lines.append(f"  {title:<10} {', '.join(texts)}")
        failures = [failure for judged in wrong for failure in judged.verdict.failures]
        lines += [f"\n{failure.render()}" for failure in failures[:MOST]]
        if rest := failures[MOST:]:
            lines.append(f"\nand {len(rest)} more: {', '.join(f'{f.tensor} ({f.side})' for f in rest)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "file": str(self.path),
            "passed": self.passed,
            "numbers": self.total.numbers,
            "skipped": self.total.skipped,
            "cases": [
                {
                    "name": judged.case.name,
                    "op": judged.case.op,
                    "options": dict(judged.case.options),
                    "passed": judged.verdict.held,
                    "judged": list(judged.judged),
                    "not_given": list(judged.not_given),
                    "numbers": judged.verdict.numbers,
                    "skipped": judged.verdict.skipped,
                    "worst": _finite(judged.verdict.worst),
                    "failures": [_plain(failure) for failure in judged.verdict.failures],
                }
                for judged in self.cases
            ],
        }


def to_json(answers: Sequence[Answer]) -> str:
    """All files' answers: `docs/vectors.md` names the fields."""
    found = {"version": VERSION, "passed": all(answer.passed for answer in answers)}
    files = [answer.as_dict() for answer in answers]
    return json.dumps({**found, "files": files}, indent=2, ensure_ascii=False, allow_nan=False)


FIELDS = ("tensor", "problem", "index", "shape", "value", "reference", "radius", "ulps", "ratio", "wrong", "numbers")


def _plain(failure: Failure) -> dict[str, Any]:
    found = asdict(failure)
    return {name: _finite(found[name]) for name in (*FIELDS, "pattern")}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def judge_file(path: Path) -> Answer:
    """Hold every answer in the file against what it must be. BadInputError says in one line what cannot be judged."""
    name = ""
    try:
        judged = []
        for case in read(path):
            name = f"case {case.name!r}: " if case.name else ""
            judged.append(judge_case(case))
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else str(error) or type(error).__name__
        raise BadInputError(f"{path}: {name}{text}") from error
    answer = Answer(path, judged)
    if answer.passed and answer.total.numbers == answer.total.skipped:
        skipped = answer.total.skipped
        reason = (
            f"of {skipped} numbers nothing is claimed, something may overflow on the way" if skipped else "no number"
        )
        raise BadInputError(f"{path}: nothing could be judged: {reason}")
    return answer


def judge_case(case: Case) -> Judged:
    """Hold the answers of a case; ValueError, TypeError, IndexError or KeyError where it is none."""
    found = reference(case)
    for name in sorted(case.arrays.keys() - found.given - found.balls.keys()):
        if name in found.lacks:
            raise ValueError(f"{case.op}: {name} cannot be judged without {found.lacks[name]}")
        answers = ", ".join([*found.balls, *found.lacks])
        raise ValueError(
            f"{case.op} has no array {name!r}; given are {', '.join(sorted(found.given))}, answers {answers}"
        )
    judged = [name for name in found.balls if name in case.arrays]
    if not judged:
        raise ValueError(
            f"{case.op}: nothing to judge: no answer is there, of {', '.join([*found.balls, *found.lacks])}"
        )
    verdict = Verdict(f"{case.op}, case {case.name}" if case.name else case.op)
    for name in judged:
        ball, explain = found.balls[name]
        verdict.check(name, _value(name, case.arrays[name]), ball, explain)
    not_given = [name for name in [*found.balls, *found.lacks] if name not in judged]
    return Judged(case, judged, not_given, verdict)


def _value(name: str, array: Array) -> Any:
    """Counts are whole numbers in one file and floats in another."""
    count = name in COUNTS and array.shape == () and array.dtype.kind in "iuf"
    return float(array) if count else array
