"""The film of a report that was written before, read back from the page."""

import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

from handgrad.report.timeline_pictures import DRAWINGS, Drawn, Film

LAST = re.compile(r'<output for="film-step"[^>]*>([^<]*)</output>')
SHOT = re.compile(r'<div class="shot" data-key="([\w-]+)">(<svg .*?</svg>)</div>', re.DOTALL)
BEFORE = re.compile(r'<template data-label="([^"]*)">(.*?)</template>', re.DOTALL)
PICTURE = re.compile(r'<div data-key="([\w-]+)">(<svg .*?</svg>)</div>', re.DOTALL)
"""How `parts.html.j2` writes a film: the last moment stands in the page, those before it in templates."""

SVG = "{http://www.w3.org/2000/svg}"
PNG = "data:image/png;base64,"
TAGS = {"svg", "g", "path", "rect", "circle", "line", "polyline", "polygon", "text", "title", "image"}
"""What `svg.py` makes pictures of."""


def stored_film(page: Path) -> Film | None:
    """The film in a report; None where there is none, or one that is not as it was written. OSError without a page."""
    text = page.read_text(encoding="utf-8", errors="replace")
    last = LAST.search(text)
    if last is None:
        return None
    frames = [Drawn(unescape(label), dict(PICTURE.findall(inside))) for label, inside in BEFORE.findall(text)]
    frames.append(Drawn(unescape(last[1]), dict(SHOT.findall(text))))
    titles = {key: title for key, (title, _) in DRAWINGS.items() if key in frames[-1].pictures}
    whole = all(frame.pictures.keys() == titles.keys() and _drawings(frame.pictures) for frame in frames)
    return Film(frames, titles) if titles and whole else None


def _drawings(pictures: Mapping[str, str]) -> bool:
    """Whether they are pictures and nothing else: the page may have been in other hands."""
    try:
        roots = [ElementTree.fromstring(picture) for picture in pictures.values()]
    except ElementTree.ParseError:
        return False
    return all(_drawing(part) for root in roots for part in root.iter())


def _drawing(part: ElementTree.Element) -> bool:
    if part.tag.removeprefix(SVG) not in TAGS or not part.get("href", PNG).startswith(PNG):
        return False
    return not any(name.startswith("on") or name.endswith("}href") for name in part.attrib)
