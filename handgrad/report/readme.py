"""The pictures of the README, drawn from one run of `moons`: `python -m handgrad.report.readme`, or `make pictures`."""

import re
from pathlib import Path

from handgrad.experiments import EXPERIMENTS
from handgrad.files import write_text
from handgrad.report.draw import WIDTH
from handgrad.report.film import film
from handgrad.runner import prepare, train

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


def main() -> None:
    run = train(prepare(EXPERIMENTS["moons"]))
    found = film(run)
    assert found is not None
    first, last = found.frames[0].pictures, found.frames[-1].pictures
    pictures = {
        "moons-regions": beside(first["region-numpy"], last["region-numpy"], last["region-torch"]),
        "moons-net": beside(last["network"], last["neurons"], last["probabilities"]),
    }
    for name, picture in pictures.items():
        write_text(FOLDER / f"{name}.svg", picture)
        print(f"{FOLDER / name}.svg, {len(picture) // 1000} kB")


def standalone(picture: str) -> str:
    """A picture of the page as a file: the light colours in place of the page's, on white paper."""
    plain = re.sub(r"var\(--[\w-]+, (#\w+)\)", r"\1", str(picture))
    head, rest = plain.split(">", 1)
    return f'{head}><rect width="100%" height="100%" fill="#ffffff"/>{rest}\n'


def beside(*pictures: str) -> str:
    """Pictures in a row, each `WIDTH` wide and as high as it is."""
    heights = [float(picture.split('viewBox="0 0 ')[1].split('"')[0].split()[1]) for picture in pictures]
    labels = " ".join(picture.split('aria-label="')[1].split('"')[0] for picture in pictures)
    row = "".join(
        picture.replace("<svg", f'<svg x="{i * (WIDTH + 20)}" width="{WIDTH}" height="{heights[i]:g}"', 1)
        for i, picture in enumerate(pictures)
    )
    box = f'viewBox="0 0 {len(pictures) * (WIDTH + 20) - 20} {max(heights):g}" role="img" aria-label="{labels}"'
    return standalone(f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{row}</svg>')


if __name__ == "__main__":
    main()
