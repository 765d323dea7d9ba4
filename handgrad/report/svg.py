"""SVG written by hand, for pictures of which a page shows dozens: marks, a frame with ticks, an image, a label.

Colours are the page's variables with the light value as fallback, as everywhere in the report.
"""

import io
import math
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib.image
import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap

from handgrad.report.plots import plain_number

Array = npt.NDArray[Any]

INK, MUTED, GRID = "var(--ink, #1b2027)", "var(--muted, #626b76)", "var(--grid, #d5dae1)"
SIDE_LINES: dict[str, dict[str, Any]] = {
    "scratch": {"stroke": "var(--numpy, #0072b2)", "stroke_width": 5, "stroke_opacity": 0.45},
    "torch": {"stroke": "var(--torch, #d55e00)", "stroke_width": 1.6, "stroke_dasharray": "5 4"},
}
"""The thick line stays visible under the thin dashed one where the two coincide."""

PLUS, MINUS = "var(--plus, #01665e)", "var(--minus, #8c510a)"
"""Above and below 0: teal and brown, apart for every kind of colour vision, and no side's or class's colour."""
SIGNED = LinearSegmentedColormap.from_list("signed", ("#8c510a", "#f5f5f5", "#01665e"))

PLUS_SIGN = ((-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4))
SHAPES: tuple[Sequence[tuple[float, float]], ...] = (
    (),  # a circle
    ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    ((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
    ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
    (*PLUS_SIGN, *((-x, -y) for x, y in PLUS_SIGN)),
    tuple((0.7 * (x - y), 0.7 * (x + y)) for x, y in (*PLUS_SIGN, *((-x, -y) for x, y in PLUS_SIGN))),
    tuple((r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5)) for k, r in enumerate((1.3, 0.55) * 5)),
)
"""A corner for each point of a class's mark, in radii: the shapes of `plots.CLASS_MARKERS`, in their order."""

FONT = 13  # in a picture 400 wide: legible on a telephone
WIDTH = 400


def tag(name: str, *inside: str, **attributes: Any) -> str:
    """One element. `stroke_width=2` becomes stroke-width="2"; numbers are written to a hundredth."""
    written = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(inside)}</{name}>" if inside else f"<{name}{written}/>"


def _value(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value))


def svg(height: float, label: str, *parts: str, width: float = WIDTH) -> str:
    """A picture. `label` is what a screen reader says."""
    head = f'viewBox="0 0 {_value(float(width))} {_value(float(height))}" role="img" aria-label="{escape(label)}"'
    style = f'font-family="system-ui, sans-serif" font-size="{FONT}" fill="{INK}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {head} {style}>{"".join(parts)}</svg>'


def text(x: float, y: float, words: str, anchor: str = "start", **attributes: Any) -> str:
    return tag("text", escape(words), x=float(x), y=float(y), text_anchor=anchor, **attributes)


def mark(kind: int, x: float, y: float, r: float, **attributes: Any) -> str:
    """The mark of a class, so that none is told by its colour alone."""
    corners = SHAPES[kind % len(SHAPES)]
    if not corners:
        return tag("circle", cx=x, cy=y, r=r, **attributes)
    points = " ".join(f"{x + r * a:.1f},{y + r * b:.1f}" for a, b in corners)
    return tag("polygon", points=points, **attributes)


def said(*places: tuple[str, float, float, float, float]) -> str:
    """Parts of a picture that say words where the pointer rests on them: (words, x, y, width, height)."""
    parts = [
        tag("path", tag("title", escape(words)), d=f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z")
        for words, x, y, width, height in places
    ]
    return tag("g", *parts, fill="transparent")


def ends(values: Array) -> str:
    """The smallest and the largest of some values, in words."""
    return f"from {plain_number(float(values.min()), 3)} to {plain_number(float(values.max()), 3)}"


def polyline(points: Sequence[tuple[float, float]], **attributes: Any) -> str:
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), fill="none", **attributes)


def png(pixels: Array) -> str:
    """`pixels` (rows, columns, 3; with opacity 4) in [0, 1], the first row highest, as an address that holds a PNG."""
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.clip(pixels, 0, 1), format="png", metadata={"Software": None})  # type: ignore[dict-item]  # None: not written
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def image(pixels: Array, x: float, y: float, width: float, height: float) -> str:
    """`pixels` as of `png`, but the first row lowest, as a small picture that the browser smooths."""
    size = {"x": float(x), "y": float(y), "width": float(width), "height": float(height)}
    return tag("image", href=png(pixels[::-1]), preserveAspectRatio="none", **size)


def tiles(pictures: Array, columns: int, x: float, y: float, width: float) -> tuple[str, float]:
    """Grey pictures (n, rows, columns) in [0, 1], 0 black and 1 white, so many in a row, as one image; and its height.

    NaN is left empty. Each pixel is drawn as 4 × 4, so that it stays sharp wherever the picture is opened.
    """
    n, high, wide = pictures.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (high + 1) - 1, columns * (wide + 1) - 1), np.nan)
    for k, picture in enumerate(pictures):
        top, left = (k // columns) * (high + 1), (k % columns) * (wide + 1)
        sheet[top : top + high, left : left + wide] = picture
    empty = np.isnan(sheet)
    pixels = np.stack([*[np.where(empty, 0.0, sheet)] * 3, 1.0 - empty], axis=-1)
    height = width * sheet.shape[0] / sheet.shape[1]
    size = {"x": float(x), "y": float(y), "width": float(width), "height": float(height)}
    pixels = pixels.repeat(4, axis=0).repeat(4, axis=1)
    return tag("image", href=png(pixels), image_rendering="pixelated", **size), height


def signed(values: Array, limit: float) -> Array:
    """Values in [−limit, limit] as colours: brown below 0, pale at 0, teal above."""
    return np.asarray(SIGNED(0.5 + 0.5 * np.clip(values / (limit or 1.0), -1, 1))[..., :3])


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two ends."""
    if not low < high:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


class Plane:
    """A frame on the picture with an axis each way: places of data in pixels."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], box: tuple[float, float, float, float], log: bool = False
    ) -> None:
        """`x` and `y` are the ends of the axes, `box` is left, top, width and height; `log` is of y."""
        self.ends, self.box, self.log = (x, y), box, log

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        (x0, x1), (y0, y1) = self.ends
        left, top, width, height = self.box
        if self.log:
            y, y0, y1 = (math.log10(max(value, 1e-300)) for value in (y, y0, y1))
        return left + width * (x - x0) / ((x1 - x0) or 1), top + height * (1 - (y - y0) / ((y1 - y0) or 1))

    def axes(self, x_name: str = "", y_name: str = "") -> str:
        """Frame, ticks with their numbers, names."""
        left, top, width, height = self.box
        parts = [tag("rect", x=left, y=top, width=width, height=height, fill="none", stroke=GRID)]
        for value in ticks(*self.ends[0]):
            x, _ = self(value, self.ends[1][1])
            parts.append(text(x, top + height + 17, plain_number(value), "middle", fill=MUTED))
        for value in self._levels():
            _, y = self(self.ends[0][0], value)
            parts += [
                tag("line", x1=left, x2=left + width, y1=y, y2=y, stroke=GRID),
                text(left - 6, y + 4.5, plain_number(value), "end", fill=MUTED),
            ]
        if x_name:
            parts.append(text(left + width / 2, top + height + 36, x_name, "middle"))
        if y_name:
            parts.append(text(left, top - 9, y_name))
        return "".join(parts)

    def _levels(self) -> list[float]:
        low, high = self.ends[1]
        if not self.log:
            return ticks(low, high)
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        return [10.0**k for k in range(first, last + 1, max(1, (last - first) // 4 or 1))]
