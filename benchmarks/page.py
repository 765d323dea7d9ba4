"""docs/performance.md: the committed results as a page, with the hand-written part why.md. `python -m benchmarks.page`

The page is a function of these files and of nothing else: one that is out of date fails a test.
"""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import OURS, TORCH
from benchmarks.pictures import svg
from benchmarks.questions import Table
from benchmarks.questions.format import time_text
from benchmarks.questions.phases import PHASES, parts
from benchmarks.result import Result, Row, load, main_variant
from benchmarks.sections import about, machine, sections
from handgrad.files import write_text

HERE = Path(__file__).parent
RESULTS, WHY = HERE / "results", HERE / "why.md"
DOCS = HERE.parent / "docs"
PICTURES = DOCS / "pictures" / "performance"

HEAD = """# How fast is each side, and why

<!-- Written by `make performance` from benchmarks/results/*.json and benchmarks/why.md: change those. -->

Every time here was measured by `handgrad bench`, after the judge had held the contender's loss and weights on the very
configuration against their certified bounds. Contenders are timed in turn, block by block, in fresh processes, pinned
to as many cores as threads, with the garbage collector off. A ratio is the median over rounds of neighbouring blocks;
its interval is the 95 % one of order statistics, and spans those of several processes. Compare inside a row, and
within one machine.
"""
NONE = "There is no committed result yet: `make bench` writes one, and `make performance` this page.\n"


def results(folder: Path = RESULTS) -> dict[str, Result]:
    """The committed results by the names of their files, the newest first."""
    found = {path.stem: load(path) for path in sorted(folder.glob("*.json"))}
    return dict(sorted(found.items(), key=lambda item: item[1]["started"], reverse=True))


def page(found: dict[str, Result], why: str) -> str:
    sections = [section for stem, result in found.items() for section in _sections(stem, result)]
    return "\n".join([HEAD, *(sections or [NONE]), *_why(found), why.strip()]) + "\n"


def _sections(stem: str, result: Result) -> Iterator[str]:
    threads = result["threads"]
    yield f"## {machine(result)}, {result['started'][:10]}, {threads} thread{'s' * (threads > 1)}\n"
    yield about(result) + f" [All samples](../benchmarks/results/{stem}.json).\n"
    for section in sections(result):
        question = section.question
        yield f"### {question.title}\n"
        yield question.reading + "\n"
        if section.figure:
            yield f"![{question.title}](pictures/performance/{stem}-{question.name}.svg)\n"
        yield from (markdown(table, where) for where, table in section.tables)
        if section.left_out:
            yield "Not timed: " + "; ".join(section.left_out) + ".\n"


def markdown(table: Table, where: str = "") -> str:
    lines = [table.headings, tuple("---:" if i else "---" for i in range(len(table.headings))), *table.cells]
    return f"**{table.title}{where}**\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _why(found: dict[str, Result]) -> Iterator[str]:
    """Where the time of the smallest step goes, in words, from the newest result that asked."""
    yield "## Where the microseconds go\n"
    for result in found.values():
        variants = result["questions"].get("phases", {})
        for row in variants[main_variant(variants)][:1] if variants else []:
            yield sentence(row)
            return


def sentence(row: Row) -> str:
    sides = {side: measured for side in (OURS, TORCH) if (measured := parts(row, side))}
    texts = []
    for side, times in sides.items():
        shares = ", ".join(f"{name} {100 * times[name] / times['step']:.0f} %" for name in (*PHASES, "rest"))
        texts.append(f"{side} takes {time_text(times['step'])} ({shares})")
    return f"One step of {row['case']['name']}: " + "; ".join(texts) + ".\n"


def main() -> None:
    """Write the page and its pictures, and remove pictures of results that are gone."""
    found = results()
    PICTURES.mkdir(parents=True, exist_ok=True)
    drawn = set()
    for stem, result in found.items():
        for section in sections(result):
            if section.figure:
                path = PICTURES / f"{stem}-{section.question.name}.svg"
                write_text(path, svg(section.figure))
                drawn.add(path)
    for path in set(PICTURES.glob("*.svg")) - drawn:
        path.unlink()
    write_text(DOCS / "performance.md", page(found, WHY.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
