"""Writes docs/museum.md, the gallery of the bug hunt: `python -m docs.writers.museum`."""

from collections import defaultdict
from difflib import ndiff
from pathlib import Path
from textwrap import fill

from handgrad.bugs import BUGS
from handgrad.files import write_text
from handgrad.hunt import HUNTS, NETS, Hunt
from handgrad.hunt.lessons import LESSONS, Lesson

PAGE = Path(__file__).parent.parent / "museum.md"

HEAD = f"""# A museum of wrong gradients

{len(HUNTS)} mistakes that were published, in libraries, courses and books, and found by somebody who checked. Each is
re-created here in a line or two of a [small file](../handgrad/hunt/parts), in our own words; the source is the report.
They are here because everybody makes them. At the end are [the bugs of the catalogue](#in-the-code-of-a-net), of which
any number draws one into the code of a net.

**This page gives the answers away.** To find them yourself first:

    handgrad hunt                       # what went wrong, {len(HUNTS)} times
    handgrad hunt 7 --out bug7          # bug 7 in a copy of the file, and its task
    handgrad hunt 7 --hint 1            # up to 3
    handgrad hunt 7 --line 23           # is it this line of bug7/parts.py?
    handgrad hunt 7 --check bug7/parts.py
    handgrad hunt classifier-7 --out c7 # bug 7 of the net "classifier", in a copy of its code
    handgrad hunt --score               # points so far, and what is left

`handgrad hunt 7 --story` prints its entry on this page. `--check` runs [the check](checking.md) on the part that has
the bug. It refuses, and counts as no guess, a file that mends nothing: one that lacks a class or function of the task's
file, leaves its work to `scratch`, or has another `forward` where every forward was right.

**Points.** A bug is found when its line is named or its repair passes the check. It is worth 10 points, 2 less if
hint 1 was read, 4 for hint 2, 6 for hint 3, and 1 less for each wrong guess (a line that is not it, a changed file that
the check refuses), 1 at least; none if the story was read before. `bug7/hunt.json` keeps them. `--line`, `--hint`,
`--story` and `--score` look for it in the folder they are called in and in those right below it; what happens after the
bug is found counts no more. Of a bug that was begun twice the lower points count.
"""

NET = """
## In the code of a net

`handgrad hunt classifier-7 --out c7` writes `net.py`: the hand-written code of a small net, of its loss, its optimizer
and its training step, copied out of `scratch`, with one bug of [the catalogue](../handgrad/bugs) that handgrad's own
tests have to refuse. The number draws it: the same number gives the same bug again. What shows nowhere in this net, as
an option that it does not use, is passed over: the judge refuses one of the first four steps, and `handgrad check` the
part that has the bug, where it is in a part.

| net | layers; loss; optimizer | bugs in this code |
|---|---|---|
{nets}

The file is an experiment of its own, so that the tools read it:

    handgrad trace net.py:experiment --step 2                          # a step in full, judged
    handgrad check net.py:model                                        # the net's gradients
    handgrad check "net.py:Linear(3, 5)" --like "torch.nn.Linear(3, 5)"
    handgrad hunt classifier-7 --check net.py                          # is it repaired?

Hint 1 asks about the kind of bug, hint 2 says what `trace` refuses, hint 3 names the function and how one comes to
write the bug. The kinds, and what each teaches:

| kind | bugs | for instance | lesson |
|---|---|---|---|
{kinds}
"""

ALARM = """
## A false alarm

In batch normalization the variance depends on the mean, so the gradient of the mean has a second term. Several reports
say that a library's backward forgot it ([one](https://github.com/pjreddie/darknet/issues/1723)). The author's answer to
[another](https://github.com/pjreddie/darknet/pull/29) is right: the term is a multiple of Σ (x − μ), which is 0. Before
you report a missing term, check the number.
"""


def page() -> str:
    return HEAD + "".join(_entry(number, hunt) for number, hunt in enumerate(HUNTS, 1)) + ALARM + _nets()


def _nets() -> str:
    """The nets, and the kinds of bugs that can be in them."""
    kinds: dict[Lesson, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for bug in dict.fromkeys(bug for net in NETS.values() for bug in net.bugs):
        family = BUGS[bug].family
        kinds[LESSONS[family]][family].append(bug)
    rows = []
    for lesson, families in kinds.items():
        bugs = [bug for named in families.values() for bug in named]
        instance = f"*{bugs[0]}*: {BUGS[bugs[0]].why}".replace("|", r"\|")
        rows.append(f"| {', '.join(sorted(families))} | {len(bugs)} | {instance} | {lesson.lesson} |")
    nets = [f"| `{name}` | {net} | {len(net.bugs)} |" for name, net in NETS.items()]
    return NET.format(nets="\n".join(nets), kinds="\n".join(rows))


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
