"""Writes docs/museum.md, the gallery of the bug hunt: `python -m docs.writers.museum`."""

from difflib import ndiff
from pathlib import Path
from textwrap import fill

from handgrad.files import write_text
from handgrad.hunt import HUNTS, Hunt

PAGE = Path(__file__).parent.parent / "museum.md"

HEAD = f"""# A museum of wrong gradients

{len(HUNTS)} mistakes that were published, in libraries, courses and books, and found by somebody who checked. Each is
re-created here in a line or two of a [small file](../handgrad/hunt/parts), in our own words; the source is the report.
They are here because everybody makes them.

**This page gives the answers away.** To find them yourself first:

    handgrad hunt                       # what went wrong, {len(HUNTS)} times
    handgrad hunt 7 --out bug7          # bug 7 in a copy of the file, and its task
    handgrad hunt 7 --hint 1            # up to 3
    handgrad hunt 7 --line 23           # is it this line of bug7/parts.py?
    handgrad hunt 7 --check bug7/parts.py
    handgrad hunt --score               # points so far, and what is left

`handgrad hunt 7 --story` prints its entry on this page. `--check` runs [the check](checking.md) on the part that has
the bug.

**Points.** A bug is found when its line is named or its repair passes the check. It is worth 10 points, 2 less if
hint 1 was read, 4 for hint 2, 6 for hint 3, and 1 less for each wrong guess (a line that is not it, a changed file that
the check refuses), 1 at least; none if the story was read before. `bug7/hunt.json` keeps them. `--line`, `--hint`,
`--story` and `--score` look for it in the folder they are called in and in those right below it; what happens after the
bug is found counts no more. Of a bug that was begun twice the lower points count.
"""

ALARM = """
## A false alarm

In batch normalization the variance depends on the mean, so the gradient of the mean has a second term. Several reports
say that a library's backward forgot it ([one](https://github.com/pjreddie/darknet/issues/1723)). The author's answer to
[another](https://github.com/pjreddie/darknet/pull/29) is right: the term is a multiple of Σ (x − μ), which is 0. Before
you report a missing term, check the number.
"""


def page() -> str:
    return HEAD + "".join(_entry(number, hunt) for number, hunt in enumerate(HUNTS, 1)) + ALARM


def _entry(number: int, hunt: Hunt) -> str:
    diff = "\n".join(line for line in ndiff(_code(hunt.wrong), _code(hunt.right)) if not line.startswith("?"))
    return f"""
## {number}. {hunt.title}

*{hunt.symptom}*

```diff
{diff}
```

{_filled(f"{hunt.story} [Source]({hunt.source})")}

{_filled(f"**The lesson.** {hunt.lesson}")}
"""


def _filled(text: str) -> str:
    return fill(text, 120, break_on_hyphens=False, break_long_words=False)


def _code(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


if __name__ == "__main__":
    write_text(PAGE, page())
