"""What the site is made of: path on the site → text, or the file to be copied.

Every page keeps its place in the repository, so most links and pictures hold as they stand. What is no page and is
linked to gets one: a file shows its text, a folder lists its modules, and so on from there.
"""

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.writers.dictionary.pages import markdown

ROOT = Path(__file__).parents[3]
COPIED = (".json", ".png", ".svg")  # shown by the browser itself
LINK = re.compile(r"""(\]\(|\b(?:href|src|srcset)=")(?![a-z]+:|#)([^)\s"#]+)""")

# section → its pages in the repository, in the order of reading; a page's title is its first heading
NAVIGATION: Mapping[str, Sequence[str]] = {
    "Start": ("README.md", "docs/README.md"),
    "Learn": (
        "docs/lessons.md",
        "lessons",
        "docs/exercises.md",
        "docs/worksheet.md",
        "docs/play.md",
        "docs/trace.md",
        "docs/introspection.md",
        "docs/unroll.md",
        "docs/second_order.md",
    ),
    "Check": (
        "docs/checking.md",
        "docs/check_json.md",
        "docs/judging.md",
        "docs/vectors.md",
        "docs/accuracy.md",
    ),
    "Train": (
        "docs/experiments.md",
        "docs/report.md",
        "docs/result.md",
        "docs/predict.md",
        "docs/own_loss.md",
        "docs/sweep.md",
        "docs/checkpoint.md",
        "docs/reliability.md",
        "docs/distributed.md",
        "docs/sources.md",
    ),
    "Speed": ("docs/performance.md", "docs/own_contender.md"),
    "Gallery": ("docs/pictures.md", "docs/museum.md"),
    "Dictionary": ("docs/dictionary",),
    "API": ("api",),
    "Project": ("CONTRIBUTING.md", "parity_tests/README.md", "CHANGELOG.md"),
}

# page of the API reference → what it documents. The three packages of the contract are listed whole, by `reference`.
HANDGRAD: Mapping[str, Sequence[str]] = {
    "handgrad": (
        "handgrad.check.gradients.check_gradients",
        "handgrad.check.assertions.assert_gradients",
        "handgrad.check.assertions.assert_parity",
        "handgrad.check.certified.assert_certified",
        "handgrad.check.files.check_file",
        "handgrad.check.report.GradientCheck",
        "handgrad.check.subject.CheckError",
        "handgrad.pytest_plugin",
    ),
    "handgrad.judge": (
        "handgrad.judge.forward_backward",
        "handgrad.judge.training_step",
        "handgrad.judge.optimizer_step",
        "handgrad.judge.second_order",
        "handgrad.judge.shards",
        "handgrad.judge.rules",
        "handgrad.judge.rules.rule",
        "handgrad.judge.rules.clip",
        "handgrad.judge.verdict",
        "handgrad.judge.ball",
    ),
    "handgrad.checkpoint": ("handgrad.checkpoint",),
    "handgrad.experiments": ("handgrad.experiments",),
    "handgrad.training": (
        "handgrad.training.train",
        "handgrad.training.outcome",
        "handgrad.training.record",
        "handgrad.training.timeline",
    ),
    "handgrad.report": (
        "handgrad.report",
        "handgrad.report.pictures",
        "handgrad.report.plots",
        "handgrad.report.timeline_pictures",
    ),
    "handgrad.sweep": (
        "handgrad.sweep.plan",
        "handgrad.sweep.run",
        "handgrad.sweep.outcome",
        "handgrad.sweep.summary",
    ),
    "handgrad.predict": ("handgrad.predict",),
    "handgrad.vectors": ("handgrad.vectors",),
    "handgrad.distributed": ("handgrad.distributed.train",),
}


def tree() -> dict[str, str | Path]:
    """Every file of the site's sources. ValueError for a link that leads to nothing."""
    found: dict[str, str | Path] = {f"api/{name}.md": text for name, text in reference().items()}
    todo = [ROOT / path for section in NAVIGATION.values() for path in section if path != "api"]
    todo += (ROOT / "docs" / "dictionary").glob("*.md")
    while todo:
        path = todo.pop()
        if path.is_dir() and (path / "README.md").exists():
            path = path / "README.md"
        where = place(path)
        if where in found:
            continue
        if path.is_dir():
            found[where], more = listed(path)
        elif path.suffix == ".md":
            found[where], more = led(path.read_text(encoding="utf-8"), path)
        else:
            found[where], more = path if path.suffix in COPIED else shown(path), []
        todo += more
    return found


def place(path: Path) -> str:
    """Where the site has a file or a folder of the repository, as a path to a source of the site."""
    parts = [part.lstrip(".") for part in path.relative_to(ROOT).parts]  # what begins with a dot would be hidden
    if path.is_dir():
        parts.append("index.md")
    elif path.name == "README.md":
        parts[-1] = "index.md"
    elif path.suffix not in (".md", *COPIED):
        parts[-1] += ".md"
    return "/".join(parts)


def led(text: str, page: Path) -> tuple[str, list[Path]]:
    """The text with its links as they are on the site, and the files and folders that they lead to."""
    targets = []

    def lead(link: re.Match[str]) -> str:
        target = (page.parent / link[2]).resolve()
        if not target.exists():
            raise ValueError(f"{page.relative_to(ROOT)}: the link {link[2]} leads to nothing")
        targets.append(target)
        return link[1] + _relative(target, page)

    return LINK.sub(lead, text), targets


def _relative(target: Path, page: Path) -> str:
    return posixpath.relpath(place(target), posixpath.dirname(place(page)) or ".")


def shown(path: Path) -> str:
    """A page that shows a file. It is not searched: the API reference is."""
    text = path.read_text(encoding="utf-8")
    return _unsearched(f"# {path.relative_to(ROOT)}\n\n{fenced(text, path.suffix.lstrip('.') or 'bash')}")


def fenced(text: str, language: str) -> str:
    """A block of code whose fence is longer than any in it."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def listed(folder: Path) -> tuple[str, list[Path]]:
    """A page that lists a folder's modules by what their docstrings begin with, and the modules."""
    here = folder / "README.md"  # where the page stands
    rows, targets = [], []
    for path in sorted(folder.iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if source.suffix != ".py" or not source.exists():
            continue
        first = markdown(_docstring(source)).split("\n\n")[0].replace("|", "\\|")
        name = path.name + "/" * path.is_dir()
        rows.append(f"| [{name.replace('_', chr(92) + '_')}]({_relative(path, here)}) | {first} |")
        targets.append(path)
    about = markdown(_docstring(folder / "__init__.py"))
    table = "\n".join(["| module | what is in it |", "|---|---|", *rows])
    return _unsearched(f"# {folder.relative_to(ROOT)}\n\n{about}\n\n{table}\n"), targets


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" if path.exists() else ""


def _unsearched(text: str) -> str:
    return f"---\nsearch:\n  exclude: true\n---\n\n{text}"


def reference() -> dict[str, str]:
    """Name of a page of the API reference → its text, which names the modules and functions to be documented."""
    pages = {name: modules for package in ("contract", "scratch", "torch_impl") for name, modules in _whole(package)}
    return {
        name: f"# {name}\n\n" + "\n".join(f"::: {identifier}\n" for identifier in identifiers)
        for name, identifiers in {**pages, **HANDGRAD}.items()
    }


def _whole(package: str) -> Iterator[tuple[str, list[str]]]:
    """A package's modules, folder by folder: what the folder says of itself, and every module in it."""
    alone = "\n    options: {members: false, show_root_heading: false, show_root_toc_entry: false, show_source: false}"
    for folder in sorted(path.parent for path in (ROOT / package).rglob("__init__.py")):
        name = ".".join(folder.relative_to(ROOT).parts)
        files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        yield name, [name + alone, *(f"{name}.{path.stem}" for path in files)]


def navigation() -> list[dict[str, Any]]:
    """The site's navigation: a title and what is under it, pages and further titles."""
    return [{title: [entry for path in paths for entry in _entries(path)]} for title, paths in NAVIGATION.items()]


def _entries(path: str) -> list[Any]:
    if path == "lessons":
        return [place(lesson) for lesson in sorted((ROOT / path).glob("lesson_*.py"))]
    if path == "docs/dictionary":  # in the sections of its index
        index = (ROOT / path / "README.md").read_text(encoding="utf-8")
        sections = re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", index, re.MULTILINE)
        ops = {title: re.findall(r"^\| \[[^\]]*\]\(([^)]*\.md)\)", text, re.MULTILINE) for title, text in sections}
        return [f"{path}/index.md", *({title: [f"{path}/{op}" for op in of]} for title, of in ops.items() if of)]
    if path == "api":
        return [f"api/{name}.md" for name in reference()]
    return [place(ROOT / path)]
