"""docs/accuracy.md and its picture, from the committed measurement."""

import math
from pathlib import Path
from typing import Any

from docs.writers.accuracy.measure import HAND
from docs.writers.accuracy.truth import ACTIVATIONS, ROWS

DOCS = Path(__file__).parents[2]
PAGE, PICTURE = DOCS / "accuracy.md", DOCS / "pictures" / "accuracy.svg"

HEAD = """# How accurate every derivative is

Written by `make atlas` from [`accuracy.json`](accuracy.json): for each elementwise activation and loss, value and
derivative against the true number, in units in the last place (ulp) of it. A tail in which a formula cancels can lose
every digit, and no test on normal draws shows it.

- **worst**: the largest error, and the input where it is. A zero of the derivative that is no number of the format has
  inputs beside it at which any program is off by many ulp: half an ulp of x moves the derivative by more. Such an
  entry has a `*` where the error stays below four times that.
- **lost**: inputs at which the result is off by half of itself or more: no digit is right.
- Inputs with a denormal true number are left out of both: their last digits are missing from the format.

The column **x** says over which float32 numbers: {covers}.
Columns of bfloat16 and float16 cover all their 2¹⁶ numbers.

Measured on {machines}. JAX and a GPU have columns where the machine has
them: JAX (`pip install 'handgrad[peers]'`) the curved activations of `jax.nn`. What is made of several numbers
(softmax, norms, cross-entropy, gates) has [a table of its own](#of-several-numbers-samples).

The goal of the hand-written side is 4 ulp, and four times half an ulp of x beside a zero. Where it misses it, the row
says why below the table.
"""


def covers(every: int) -> str:
    return "`all` is all 2³²" if every == 1 else f"1/{every} is one in {every} by their bits, and all that bfloat16 has"


def machine(known: dict[str, str]) -> str:
    """In words."""
    software = ", ".join(f"{name} {value}" for name, value in known.items() if name not in ("processor", "cores"))
    return f"{known['processor']}, {known['cores']} cores; {software}"


def page(result: dict[str, Any]) -> str:
    rows = {name: result["rows"][name] for name in ROWS}
    shares = sorted({of["every"] for of in result["of"].values()})
    used = sorted({of["machine"] for of in result["of"].values()})
    machines = "; and on ".join(machine(result["machines"][index]) for index in used)
    parts = [HEAD.format(covers=", ".join(map(covers, shares)), machines=machines)]
    share = {name: "all" if of["every"] == 1 else f"1/{of['every']}" for name, of in result["of"].items()}
    for part in ("derivative", "value"):
        for title, names in (("activations", [n for n in rows if n in ACTIVATIONS]), ("losses", _losses(rows))):
            parts.append(f"## The {part}: {title}\n\n{table(rows, share, names, part)}\n")
    parts.append(f"## Where the hand-written side misses the goal, and why\n\n{misses(rows)}\n")
    parts.append(
        "## Error over the exponent of x\n\n"
        "Of the derivative: a line per op, hand-written above PyTorch, both float32; x from −2¹²⁷ over 0\n"
        "to 2¹²⁷. Light is up to 4 ulp, darker is worse, black is no right digit.\n\n"
        "![Worst error of each derivative by the exponent of x](pictures/accuracy.svg)\n"
    )
    parts.append(several(result["samples"]))
    return "\n".join(parts)


SEVERAL = """## Of several numbers: samples

Nobody runs through all rows of six float32 numbers: here {count} drawn rows of each of {families} kinds
({names}),
against mpmath with 150 digits. A derivative is an entry ∂y_k/∂x_j of the Jacobian. **Missed** counts entries that are
off by more than 4 ulp and by more than four times what half an ulp of all inputs together moves.

{table}

Where the hand-written side misses, so does PyTorch, since both subtract there: `y_k (1 − y_k)` of a softmax whose `y_k`
is nearly 1, `log Σ exp` of one score far above the others, `1 − 1/n − x̂²/n` of a norm in which one number outweighs
the others, `1 − cos` of vectors that are nearly parallel. A sum of terms of one sign (of all other y for `1 − y_k`)
would keep the digits.
"""


def several(samples: dict[str, Any]) -> str:
    """The table of ops of several numbers."""
    sides = list(dict.fromkeys(side for op in samples["ops"].values() for side in op))
    heads = " | ".join(f"{side}: worst | mean | lost | missed" for side in sides)
    lines = [f"| op | | {heads} |", "|---|---|" + "---:|---:|---:|---:|" * len(sides)]
    for name, op in samples["ops"].items():
        for part in ("value", "derivative"):
            cells = [cell for side in sides for cell in _cells_of_several(op.get(side, {}).get(part))]
            lines.append(f"| {name} | {part} | {' | '.join(cells)} |")
    names = samples["families"]
    return SEVERAL.format(count=samples["rows"], families=len(names), names=", ".join(names), table="\n".join(lines))


def _cells_of_several(counts: dict[str, Any] | None) -> list[str]:
    if counts is None:  # the side has no such op
        return [""] * 4
    worst = f"{_number(counts['worst'])}, {counts['in']}" if counts["worst"] else "0"
    return [
        worst,
        _number(counts["mean"]),
        *(f"{counts[name]:,} of {counts['numbers']:,}" for name in ("lost", "missed")),
    ]


def of_op(kind: str, result: dict[str, Any]) -> str:
    """The rows of one op, as its page of the dictionary shows them; empty where nothing was measured."""
    names = [name for name, row in ROWS.items() if row.kind == kind]
    lines = []
    for name in names:
        for side, parts in result["rows"][name].items():
            for part, tally in parts.items():
                label = side if name == kind else f"{side}{name.removeprefix(kind)}"
                lines.append(f"| {label} | {part} | {' | '.join(_cells(tally))} |")
    if not lines:
        return ""
    every = result["of"][names[0]]["every"]
    which = "all float32 numbers" if every == 1 else f"one in {every} of all float32 numbers"
    return "\n".join(
        [
            f"In ulp of the true number, over {which} and all of bfloat16 and float16",
            "([what that says](../accuracy.md)).",
            "",
            "| | | worst | mean | no right digit |",
            "|---|---|---:|---:|---:|",
            *lines,
        ]
    )


def _losses(rows: dict[str, Any]) -> list[str]:
    return [name for name in rows if name not in ACTIVATIONS]


def table(rows: dict[str, Any], share: dict[str, str], names: list[str], part: str) -> str:
    sides = list(dict.fromkeys(side for name in names for side in rows[name]))
    lines = ["| op | x | " + " | ".join(f"{side}: worst | mean | lost" for side in sides) + " |"]
    lines.append("|---|---|" + "---:|---:|---:|" * len(sides))
    for name in names:
        cells = [cell for side in sides for cell in _cells(rows[name].get(side, {}).get(part))]
        lines.append(f"| {name} | {share[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(tally: dict[str, Any] | None) -> tuple[str, str, str]:
    if tally is None:  # the side has no such op
        return "", "", ""
    worst = "0" if not tally["worst"] else f"{_number(tally['worst'])}{_mark(tally)} at {tally['at']:.4g}"
    return worst, _number(tally["mean"]), f"{tally['lost']:,}"


def _mark(tally: dict[str, Any]) -> str:
    return "*" if tally["worst"] > 4 and not tally["missed"] else ""


def _number(x: float) -> str:
    if math.isinf(x):
        return "∞"
    return f"{x:.2g}" if x < 1000 else f"{x:.1e}"


def misses(rows: dict[str, Any]) -> str:
    lines = []
    for name, sides in rows.items():
        for part in ("value", "derivative"):
            tally = sides[HAND][part]
            if tally["missed"]:
                share = f"{tally['missed']:,} of {tally['inputs']:,} inputs"
                at = f"farthest at x = {tally['missed_at']:.6g}"
                lines.append(f"- **{name}**, {part}: {share}, {at}. {ROWS[name].said}")
    return "\n".join(lines) if lines else "Nowhere."


LEFT, WIDTH, HEIGHT = 190, 2, 7
LOW, HIGH = -127, 127


def picture(result: dict[str, Any]) -> str:
    """A strip of the exponents for each derivative of an activation and of a loss, for both sides."""
    rows = result["rows"]
    body, y = [], 24
    for name, sides in rows.items():
        body.append(f'<text x="4" y="{y + 10}">{name}</text>')
        for side in (HAND, "PyTorch float32"):
            if side in sides:
                body += _strip(sides[side]["derivative"]["by_exponent"], y)
                y += HEIGHT
        y += 5
    width = LEFT + 2 * (HIGH - LOW + 1) * WIDTH + 10
    marks = [
        f'<text x="{_at(2 * e + (sign < 0))}" y="14" text-anchor="middle">{"−" * (sign < 0)}2^{e}</text>'
        for sign in (-1, 1)
        for e in (-100, -50, 0, 50, 100)
    ]
    style = "text{font:10px sans-serif;fill:#222}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}">'
        f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>{"".join(marks)}{"".join(body)}</svg>\n'
    )


def _at(key: int) -> int:
    """Where an exponent is: negative numbers from the left by falling size, then positive by growing size."""
    exponent, negative = key >> 1, key & 1
    place = HIGH - exponent if negative else HIGH - LOW + 1 + exponent - LOW
    return LEFT + place * WIDTH


def _strip(by_exponent: dict[str, float], y: int) -> list[str]:
    """A frame, and a mark for each exponent with more than 4 ulp: darker by the logarithm, black from 2²³ ulp on."""
    span = 2 * (HIGH - LOW + 1) * WIDTH
    marks = [f'<rect x="{LEFT}" y="{y}" width="{span}" height="{HEIGHT - 1}" fill="#eef2f6"/>']
    for key, ulps in by_exponent.items():
        if ulps > 4:
            dark = 225 - round(225 * min(1.0, math.log2(ulps / 4) / 21))
            marks.append(
                f'<rect x="{_at(int(key))}" y="{y}" width="{WIDTH}" height="{HEIGHT - 1}" '
                f'fill="rgb({dark},{dark // 2},{dark // 3})"/>'
            )
    return marks
