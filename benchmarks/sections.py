"""A result in the order in which it is told: what the terminal, docs/performance.md and the HTML page all show."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from benchmarks import winners
from benchmarks.machine import KERNEL_VARIABLES
from benchmarks.questions import QUESTIONS, Question, Table
from benchmarks.result import Result, Row, dirty_share, main_variant
from benchmarks.timing import PREEMPTED


@dataclass(frozen=True)
class Section:
    """The answer to one question."""

    question: Question
    said: str  # in a sentence: who is fastest where; empty where that is not asked
    figure: Figure | None
    tables: list[tuple[str, Table]]  # of the main variant, then of others: with what a title says of the variant
    left_out: list[str]


def sections(result: Result) -> Iterator[Section]:
    for name, variants in result["questions"].items():
        question, main = QUESTIONS[name], main_variant(variants)
        tables = [
            (_where(result, variant, main), table)
            for variant, rows in variants.items()
            for table in question.tables(rows)
            if variant == main or not table.once
        ]
        said = winners.sentence(variants[main]) if name == "step" else ""
        yield Section(question, said, question.picture(variants[main]), tables, notes(variants[main]))


def _where(result: Result, variant: str, main: str) -> str:
    if variant == main:
        return ""
    kernels = result["environments"].get(variant, {}).get("kernels", "")
    return f", {' and '.join(KERNEL_VARIABLES)} {variant}" + (f" ({kernels} kernels)" if kernels else "")


def machine(result: Result) -> str:
    """What was measured on, in a few words."""
    gpu = environment_of(result).get("gpu")
    return " and ".join([result["machine"], *([gpu] if gpu else [])])


def environment_of(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(result["environments"].values()), {})
    return found


def about(result: Result) -> str:
    """What was measured on, and how cleanly."""
    environment = environment_of(result)
    dirty, blocks = dirty_share(result)
    threads = result["threads"]
    gpu = f", {environment['gpu']}" if "gpu" in environment else ""
    text = (
        f"{result['machine']}{gpu}, {threads} thread{'s' * (threads != 1)}; {environment.get('numpy_blas', '')}; "
        f"NumPy {environment.get('numpy')}, PyTorch {environment.get('torch')}. {result['budget']}."
    )
    if blocks:
        text += (
            f" {dirty} of {blocks} blocks were disturbed and dropped "
            f"(a fixed probe beside them 25 % slower, or no processor for {100 * PREEMPTED - 100:.0f} % of the time)."
        )
    return text


def notes(rows: list[Row]) -> list[str]:
    """Who was not timed and why; each reason once."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for contender, reason in row.get("not_timed", {}).items():
            names = reasons.setdefault(reason, [])
            if contender not in names:
                names.append(contender)
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
