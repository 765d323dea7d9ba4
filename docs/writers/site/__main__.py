"""`python -m docs.writers.site [--no-lessons] [--check]`: write, build and check the documentation site in `site/`."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from docs.writers.site import browser, check, lessons, tree

HERE, SOURCES, SITE = Path(__file__).parent, tree.ROOT / ".site", tree.ROOT / "site"
QUIET = {"NO_MKDOCS_2_WARNING": "1"}  # the theme tells of its successor at every build


def main() -> int:
    parser = argparse.ArgumentParser("python -m docs.writers.site", description="Build and check the site in site/.")
    parser.add_argument("--no-lessons", action="store_true", help="show the lessons' code, and run none")
    parser.add_argument("--check", action="store_true", help="look again at what was built")
    given = parser.parse_args()
    if not given.check:
        write(with_lessons=not given.no_lessons)
        build()
    print("checking every link", file=sys.stderr)
    found = [*check.faults(SITE), *check.undocumented(SITE, tree.reference())]
    if browser.CHROMIUM is None:
        print("no Chromium on this machine, so no page was opened: apt-get install chromium", file=sys.stderr)
    else:
        print("opening every page in Chromium", file=sys.stderr)
        found += browser.faults(SITE)
    pages = sum(1 for _ in SITE.rglob("*.html"))
    print("\n".join([*found, f"site/index.html: {pages} pages, {len(found)} faults"]))
    return bool(found)


def write(with_lessons: bool) -> None:
    """Write what the site is built from."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    files = tree.tree() | {path.name: path for pattern in ("*.css", "*.js") for path in HERE.glob(pattern)}
    for lesson in sorted((tree.ROOT / "lessons").glob("lesson_*.py")) if with_lessons else ():
        print(f"running {lesson.name}", file=sys.stderr)
        files[tree.place(lesson)] = lessons.page(lesson)
    for name, content in files.items():
        path = SOURCES / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            shutil.copy(content, path)
    settings = (HERE / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings.replace("NAVIGATION", json.dumps(tree.navigation()))  # every JSON text is a YAML text
    (SOURCES / "mkdocs.yml").write_text(settings, encoding="utf-8")


def build() -> None:
    """Build the site, and put it in the place of the one before. CalledProcessError where the builder warns."""
    print("building", file=sys.stderr)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    subprocess.run(command, cwd=SOURCES, env=os.environ | QUIET, check=True)
    (SOURCES / "site" / "404.html").unlink()  # its addresses are a server's
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(SOURCES / "site", SITE)


if __name__ == "__main__":
    sys.exit(main())
