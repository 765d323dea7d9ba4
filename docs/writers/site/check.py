"""What is wrong with a built site: links and anchors that lead nowhere, and whatever would be loaded from elsewhere."""

import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs.writers.site.tree import ROOT

LOADED = {"src", "srcset", "poster", "data", "xlink:href"}  # attributes whose addresses are fetched with the page
NO_RESOURCE = {"canonical", "alternate", "prev", "next", "edit"}  # kinds of <link> that are not
IN_STYLE = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


class Page(HTMLParser):
    """What a page names, leads to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        self.loads += [part.split()[0] for name in LOADED & given.keys() for part in _parts(name, given[name])]
        self.loads += _styled(given.get("style", ""))
        if "href" in given and tag in ("a", "area"):
            self.links.append(given["href"])
        elif "href" in given and not (tag == "link" and given.get("rel", "") in NO_RESOURCE):
            self.loads.append(given["href"])
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loads += _styled(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def _parts(name: str, value: str) -> list[str]:
    return [part for part in (value.split(",") if name == "srcset" else [value]) if part.strip()]


def _styled(text: str) -> list[str]:
    return [address or imported for address, imported in IN_STYLE.findall(text)]


def faults(site: Path) -> list[str]:
    """One line for each fault of the site in the folder."""
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    pages = {name: Page((site / name).read_text(encoding="utf-8")) for name in sorted(files) if name.endswith(".html")}
    styles = {
        name: _styled((site / name).read_text(encoding="utf-8")) for name in sorted(files) if name.endswith(".css")
    }

    def wrong(address: str, page: str) -> str | None:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            return f"loads {address} from elsewhere"
        if parts.path.startswith("/"):
            return f"{address} is there on a server only"
        target = (
            posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path))) if parts.path else page
        )
        if target not in files and (target := posixpath.normpath(f"{target}/index.html")) not in files:
            return f"{address} leads to nothing"
        if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
            return f"{address}: the page has no such part"
        return None

    found = []
    for name, page in pages.items():
        links = [link for link in page.links if urlsplit(link).scheme not in ("http", "https", "mailto")]
        found += [f"{name}: {why}" for link in links if (why := wrong(link, name))]
    for name, loads in [*((name, page.loads) for name, page in pages.items()), *styles.items()]:
        given = [address for address in loads if not address.startswith(("data:", "#"))]
        found += [f"{name}: {why}" for address in given if (why := wrong(address, name))]
    return found


def undocumented(site: Path, reference: dict[str, str]) -> list[str]:
    """What a page of the API reference names and says nothing of: a function, or a module of which no part is there."""
    found = []
    for name, text in reference.items():
        names = Page((site / "api" / f"{name}.html").read_text(encoding="utf-8")).names
        for identifier in re.findall(r"^::: (\S+)$", text, re.MULTILINE):
            path = ROOT / identifier.replace(".", "/")
            if path.is_dir() or path.with_suffix(".py").exists():
                there = any(part.startswith(f"{identifier}.") for part in names)
            else:
                there = identifier in names
            found += [] if there else [f"api/{name}.html: nothing of {identifier}"]
    return found
