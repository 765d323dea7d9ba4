"""The pictures of the README, drawn from one run of `moons`: `make pictures`."""

import re
from html import escape
from pathlib import Path

from handgrad.experiments import EXPERIMENTS
from handgrad.files import write_text
from handgrad.report.svg import FONT, WIDTH
from handgrad.report.template import SHARED
from handgrad.report.timeline_pictures import film
from handgrad.training.timeline import frames
from handgrad.training.train import prepare, train

FOLDER = Path(__file__).parents[1] / "pictures"

ROWS = {
    "moons-regions": {
        "region-numpy": "NumPy, trained",
        "region-torch": "PyTorch, trained",
        "difference": "NumPy minus PyTorch",
    },
    "moons-net": {
        "network": "The net, for one example",
        "neurons": "What its hidden neurons see",
        "probabilities": "Its answers",
    },
}
"""File → the pictures in it, from left to right, and what stands above each."""

MOVING = "moons-regions"
"""The file that moves through training; the other shows its end."""
EVERY = 2
"""Of the moments of a small net: every second one, the last included, keeps the file small."""
REST = 3
"""For how many moments' time the last one stays."""


def main() -> None:
    run = train(prepare(EXPERIMENTS["moons"]))
    found = film(run, frames(run))
    assert found is not None
    for name, row in ROWS.items():
        shown = found.frames[::EVERY] if name == MOVING else found.frames[-1:]
        rows = [{heading: silent(frame.pictures[key]) for key, heading in row.items()} for frame in shown]
        whole = moving([beside(pictures, frame.label) for pictures, frame in zip(rows, shown, strict=True)])
        for path, dark in ((FOLDER / f"{name}.svg", False), (FOLDER / f"{name}-dark.svg", True)):
            write_text(path, standalone(whole, dark))
            print(f"{path}, {path.stat().st_size // 1000} kB")


def silent(picture: str) -> str:
    """A picture without what says words under the pointer: an image in a README has none."""
    return re.sub(r'<g fill="transparent">.*?</g>', "", picture)


def standalone(picture: str, dark: bool = False) -> str:
    """A picture of the page as a file: the page's light or dark colours in place of its variables, on such paper."""
    plain = re.sub(r"var\((--[\w-]+), (#\w+)\)", lambda found: colours(dark).get(found[1], found[2]), picture)
    head, rest = plain.split(">", 1)
    return f'{head}><rect width="100%" height="100%" fill="{colours(dark)["--card"]}"/>{rest}\n'


def colours(dark: bool) -> dict[str, str]:
    """The variables of the page's style: they stand there once for light, then again for dark."""
    light_then_dark = re.findall(r":root \{([^}]*)\}", (SHARED / "style.css").read_text(encoding="utf-8"))
    return dict(re.findall(r"(--[\w-]+): (#\w+)", light_then_dark[dark]))


def moving(pictures: list[str]) -> str:
    """Pictures of one size, one after the other in 0.8 s each. The last stays where nothing moves, as on paper."""
    if len(pictures) == 1:
        return pictures[0]
    head, _ = pictures[-1].split(">", 1)
    slots = len(pictures) + REST
    rules, groups = [], ""
    for i, picture in enumerate(pictures):
        last = i == len(pictures) - 1
        end = "" if last else f"{100 * (i + 1) / slots:.2f}%{{visibility:hidden}}"
        hidden = "" if i == 0 else "0%{visibility:hidden}"
        rules.append(f"@keyframes m{i}{{{hidden}{100 * i / slots:.2f}%{{visibility:visible}}{end}}}")
        rules.append(
            f"#m{i}{{visibility:{'visible' if last else 'hidden'};animation:m{i} {0.8 * slots:g}s step-end infinite}}"
        )
        groups += f'<g id="m{i}">{picture.split(">", 1)[1].removesuffix("</svg>")}</g>'
    rules.append("@media (prefers-reduced-motion:reduce){g{animation:none!important}}")
    return f"{head}><style>{''.join(rules)}</style>{groups}</svg>"


def beside(pictures: dict[str, str], moment: str = "") -> str:
    """Pictures in a row, each `WIDTH` wide and as high as it is, under its heading; below them the moment, if any."""
    heights = [float(picture.split('viewBox="0 0 ')[1].split('"')[0].split()[1]) for picture in pictures.values()]
    labels = " ".join(picture.split('aria-label="')[1].split('"')[0] for picture in pictures.values())
    top, step = 34, WIDTH + 20
    row = ""
    for i, (heading, picture) in enumerate(pictures.items()):
        place = f'<svg x="{i * step}" y="{top}" width="{WIDTH}" height="{heights[i]:g}"'
        row += (
            f'<text x="{i * step + WIDTH / 2:g}" y="22" text-anchor="middle" font-weight="600">{escape(heading)}</text>'
        )
        row += picture.replace("<svg", place, 1)
    width, height = len(pictures) * step - 20, top + max(heights)
    if moment:
        row += f'<text x="{width / 2:g}" y="{height + 14:g}" text-anchor="middle">{escape(moment)}</text>'
        height += 22
    box = f'viewBox="0 0 {width} {height:g}" role="img" aria-label="{labels}"'
    style = f'font-family="system-ui, sans-serif" font-size="{FONT + 4}" fill="var(--ink, #1b2027)"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style}>{row}</svg>'


if __name__ == "__main__":
    main()
