"""What a reader would find wrong with a built site: every page is opened in a headless Chromium, offline.

All requests but those for the site's own files are refused and noted, as are errors and words on the console. One page
of each kind is looked at closely: in a narrow and a wide window, on light and dark paper, by axe-core's rules of
accessibility.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KINDS = (
    "index.html",
    "docs/judging.html",
    "docs/museum.html",
    "docs/dictionary/index.html",
    "docs/dictionary/HuberLoss.html",
    "api/scratch.losses.html",
    "lessons/lesson_000_one_layer.py.html",
    "scratch/losses/regression.py.html",
    "scratch/losses/index.html",
)
WIDTHS = (400, 1600)
SEARCHED, FOUND = "Huber", "docs/dictionary/HuberLoss.html"


def faults(site: Path) -> list[str]:
    """One line for each fault of the site in the folder. ImportError without playwright or axe."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    axe, found = Axe(), list[str]()
    with sync_playwright() as playwright:
        # Root, as in a container, may not have Chromium's sandbox.
        options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        with _watched(browser, "file:", found) as tab:
            for path in sorted(site.rglob("*.html")):
                tab.goto(path.as_uri())
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                with _watched(
                    browser, "file:", found, color_scheme=scheme, viewport={"width": width, "height": 900}
                ) as tab:
                    for kind in KINDS:
                        tab.goto((site / kind).as_uri())
                        at = f"{kind}, {width} pixels, {scheme}"
                        found += [f"{at}: {what}" for what in (*_cut(tab), *_barriers(axe, tab))]
        with _served(site) as address:
            for start in (site.as_uri() + "/", address):
                with _watched(browser, start, found) as tab:
                    tab.goto(f"{start}index.html")
                    tab.keyboard.press("/")
                    tab.keyboard.type(SEARCHED)
                    tab.locator(f".md-search-result a[href*='{FOUND}']").first.wait_for(state="visible")
        browser.close()
    return found


@contextmanager
def _watched(browser: Any, allowed: str, found: list[str], **options: Any) -> Iterator[Any]:
    context = browser.new_context(**options)
    context.set_default_timeout(120_000)  # milliseconds: for what never comes, not for what a busy machine brings late
    tab = context.new_page()

    def decide(route: Any) -> None:
        if route.request.url.startswith((allowed, "data:", "blob:")):
            route.continue_()
        else:
            found.append(f"{tab.url}: request {route.request.url}")
            route.abort()

    context.route("**/*", decide)
    tab.on("console", lambda message: found.append(f"{tab.url}: console {message.text}"))
    tab.on("pageerror", lambda error: found.append(f"{tab.url}: error {error}"))
    try:
        yield tab
    finally:
        context.close()


def _cut(tab: Any) -> list[str]:
    """By how much the page is wider than the window."""
    wider = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{wider} pixels wider than the window"] if wider else []


def _barriers(axe: Any, tab: Any) -> list[str]:
    """What axe calls serious. It would load the styles once more, which a page from a folder may not."""
    violations = axe.run(tab, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {' '.join(node['html'].split())[:200]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]


@contextmanager
def _served(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
